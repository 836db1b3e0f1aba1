"""13.9 The engine of every run: cases in parallel, each judged once, resumable, with nothing lost or counted twice."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

from refsw.conformance.files import plain_bytes, remove_tree
from refsw.conformance.results import Judged
from refsw.conformance.suite import digest_of
from refsw.errors import UsageError

MOST_RECORDS = 1 << 32
RECORDS, LOCK, SCRATCH = "records.jsonl", ".lock", ".scratch"
RECORD_FORMAT = 2


class Case(Protocol):
    """What is judged; `entry` is the digest of its entry in the suite."""

    @property
    def suite(self) -> str:
        """The name of its suite."""

    @property
    def id(self) -> str:
        """Its id, unique among all suites."""

    @property
    def entry(self) -> str:
        """SHA-256 of its entry."""


C = TypeVar("C", bound=Case)
C_in = TypeVar("C_in", contravariant=True)
R = TypeVar("R", bound=Judged)
R_out = TypeVar("R_out", covariant=True)
OnResult = Callable[[Any, int, int], None]


class Worker(Protocol[C_in, R_out]):
    """What one thread judges with: a program under test behind its guard."""

    def start(self) -> None:
        """See that the program can be started at all.

        Raises:
            UsageError: it cannot, whatever the case.
        """

    def judge(self, case: C_in) -> R_out:
        """Run a case and judge it; never raises for what the program does."""

    def close(self) -> None:
        """End the program and all that it has started."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """A report folder for this process alone.

    Raises:
        UsageError: another run is writing there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f"{folder}: another conformance run is writing its results here") from error
        yield


class Records:
    """Results as they come: a first line that says of what, then a line for every case, each one safe on disk."""

    def __init__(self, path: Path, key: dict[str, Any], *, fresh: bool) -> None:
        self.path = path
        self.done: dict[tuple[str, str], dict[str, Any]] = {}
        if fresh or not self._read(key):
            with path.open("wb") as file:
                _safe(file, {"format": RECORD_FORMAT, "key": digest_of(key), **key})
        self._file: BinaryIO = path.open("ab")

    def _read(self, key: dict[str, Any]) -> bool:
        """Take over the records of an earlier run; False if there are none."""
        try:
            data = plain_bytes(self.path, MOST_RECORDS)
        except FileNotFoundError:
            return False
        whole = data[: data.rfind(b"\n") + 1]  # a run that was killed may have left half a line
        if not whole:
            return False
        lines = whole.splitlines()
        try:
            head, *records = [json.loads(line) for line in lines]
            found = head["key"]
            self.done = {(r["suite"], r["id"]): r for r in records if r["outcome"] != "HARNESS_ERROR"}
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{self.path} is damaged ({error}): --fresh starts over") from error
        if found != digest_of(key):
            changed = ", ".join(name for name in key if head.get(name) != key[name]) or "the format"
            raise UsageError(
                f"{self.path} holds results of another run: {changed} changed since. --fresh starts over, or give "
                "another folder with -o"
            )
        if len(whole) != len(data):
            with self.path.open("r+b") as file:
                file.truncate(len(whole))
        return True

    def add(self, result: Judged) -> None:
        """Write one result and wait until it is safe."""
        _safe(self._file, result.as_dict())

    def close(self) -> None:
        """No more results."""
        self._file.close()


def _safe(file: BinaryIO, value: dict[str, Any]) -> None:
    file.write(json.dumps(value, ensure_ascii=True, allow_nan=False).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())


def judge_all(
    cases: Sequence[C], found: dict[str, R], folder: Path, *, key: dict[str, Any], jobs: int,
    worker: Callable[[Path], Worker[C, R]], read: Callable[[C, dict[str, Any]], R], fresh: bool = False,
    on_result: OnResult | None = None,
) -> None:  # fmt: skip
    """Judge every case, with records in a folder that is `locked`.

    Args:
        cases: what to judge.
        found: takes the results, by the ids of cases; it holds those that there are when the run is interrupted.
        folder: where an earlier run with the same key is taken up, unless `fresh`.
        key: what results depend on.
        jobs: threads.
        worker: makes what a thread judges with, in a folder of its own.
        read: makes a result of its record.
        on_result: told of every new result, how many are done, and how many there are.

    Raises:
        UsageError: the program cannot be started, or the folder holds the results of something else, or damaged ones.
    """
    if jobs < 1:
        raise UsageError(f"jobs {jobs}: at least 1")
    remove_tree(folder / SCRATCH)
    workers = [worker(folder / SCRATCH / str(i)) for i in range(min(jobs, len(cases)))]
    try:
        workers[0].start()  # before anything of an earlier run is written over
        _judge_all(cases, found, folder, key, workers, read, fresh=fresh, on_result=on_result)
    finally:
        for one in workers:
            one.close()
        remove_tree(folder / SCRATCH)


def _judge_all(
    cases: Sequence[C], found: dict[str, R], folder: Path, key: dict[str, Any], workers: Sequence[Worker[C, R]],
    read: Callable[[C, dict[str, Any]], R], *, fresh: bool, on_result: OnResult | None,
) -> None:  # fmt: skip
    records = Records(folder / RECORDS, key, fresh=fresh)
    for case in cases:
        known = records.done.get((case.suite, case.id))
        if known is not None and known.get("entry") == case.entry:
            try:
                found[case.id] = read(case, known)
            except (KeyError, ValueError, TypeError) as error:
                message = f"{records.path} is damaged ({case.id}: {error}): --fresh starts over"
                raise UsageError(message) from error
    waiting = [case for case in cases if case.id not in found]
    try:
        with _Crew(workers, waiting) as crew:
            for case, result in crew.results():
                records.add(result)
                found[case.id] = result
                if on_result is not None:
                    on_result(result, len(found), len(cases))
    finally:
        records.close()


def now() -> str:
    """The time, as results have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class _Crew(Generic[C, R]):
    """Threads, each with a worker of its own; results come in the order in which they are ready."""

    def __init__(self, workers: Sequence[Worker[C, R]], work: Sequence[C]) -> None:
        self.todo: queue.SimpleQueue[C] = queue.SimpleQueue()
        self.ready: queue.SimpleQueue[tuple[C, R] | BaseException] = queue.SimpleQueue()
        self.count = len(work)
        for item in work:
            self.todo.put(item)
        self.workers = workers[: len(work)]
        self.threads = [threading.Thread(target=self._work, args=(w,), daemon=True) for w in self.workers]
        self.ended = False

    def _work(self, worker: Worker[C, R]) -> None:
        try:
            while not self.ended:
                try:
                    case = self.todo.get_nowait()
                except queue.Empty:
                    return
                result = worker.judge(case)
                if not self.ended:
                    self.ready.put((case, result))
        except BaseException as error:
            self.ready.put(error)

    def results(self) -> Iterator[tuple[C, R]]:
        for _ in range(self.count):
            result = self.ready.get()
            if isinstance(result, BaseException):
                raise result
            yield result

    def __enter__(self) -> _Crew[C, R]:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = True
        for worker in self.workers:
            worker.close()
        for thread in self.threads:
            thread.join(30)
