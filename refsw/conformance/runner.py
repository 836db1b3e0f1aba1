"""13.9 A run: every selected vector through a decoder, in parallel, resumable, with nothing lost or counted twice."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from refsw.conformance.decoders import DecoderUnderTest, Session, takes_base, takes_model
from refsw.conformance.digests import without_digests
from refsw.conformance.files import MOST_BASE, check_published, inside, plain_bytes, published_bytes, remove_tree
from refsw.conformance.outcomes import Outcome, Result, expected_bytes, judge, look_again, look_at_rejected
from refsw.conformance.proof import settle
from refsw.conformance.results import FORMAT, Plan, Report
from refsw.conformance.suite import Suite, Vector, digest_of
from refsw.errors import DfcError, UsageError

MOST_RECORDS = 1 << 32
RECORDS, LOCK, SCRATCH = "records.jsonl", ".lock", ".scratch"
OnResult = Callable[[Result, int, int], None]


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
    """Results as they come: a first line that says of what, then a line for every vector, each one safe on disk."""

    def __init__(self, path: Path, key: dict[str, Any], *, fresh: bool) -> None:
        self.path = path
        self.done: dict[tuple[str, str], dict[str, Any]] = {}
        if fresh or not self._read(key):
            with path.open("wb") as file:
                _safe(file, {"format": FORMAT, "key": digest_of(key), **key})
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
            self.done = {(r["suite"], r["id"]): r for r in records if r["outcome"] != Outcome.HARNESS_ERROR}
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

    def add(self, result: Result) -> None:
        """Write one result and wait until it is safe."""
        _safe(self._file, result.as_dict())

    def close(self) -> None:
        """No more results."""
        self._file.close()


def _safe(file: BinaryIO, value: dict[str, Any]) -> None:
    file.write(json.dumps(value, ensure_ascii=True, allow_nan=False).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())


def run(plan: Plan, folder: Path, *, fresh: bool = False, on_result: OnResult | None = None) -> Report:
    """Run a plan with its records in a folder, which has to be `locked`.

    Args:
        plan: what to run.
        folder: where an earlier run of the same plan is taken up, unless `fresh`.
        on_result: told of every new result, how many are done, and how many there are.

    Raises:
        UsageError: nothing is selected, there are no vectors, or the folder holds the results of something else.
        KeyboardInterrupt: with the report so far as its argument; what was not reached is NOT_RUN in it.
    """
    if plan.jobs < 1:
        raise UsageError(f"jobs {plan.jobs}: at least 1")
    vectors = plan.vectors
    if not vectors:
        raise UsageError("no vector is selected: nothing to run")
    for suite in plan.suites:
        if suite.folder is None:
            raise UsageError(f"{suite.path}: no folder test_vectors beside it or above it; --vectors names it")
    _check_base([vector for _, vector in vectors], plan.decoder)
    started, clock = _now(), time.monotonic()
    records = Records(folder / RECORDS, plan.key(), fresh=fresh)
    found: dict[str, Result] = {}
    witnesses = plan.witnesses
    work = [*vectors, *witnesses]
    for _, vector in work:
        known = records.done.get((vector.suite, vector.id))
        if known is not None and known.get("entry") == vector.entry:
            found[vector.id] = _known(vector, known, records.path)
    waiting = [pair for pair in work if pair[1].id not in found]

    def report() -> Report:
        results = [found.get(v.id) or Result(v, Outcome.NOT_RUN, "the run was ended before") for _, v in vectors]
        beside = [found[v.id] for _, v in witnesses if v.id in found]
        return Report(plan, settle(results, beside), started, _now(), time.monotonic() - clock)

    remove_tree(folder / SCRATCH)
    try:
        with _Crew(plan, waiting, folder / SCRATCH) as crew:
            for result in crew.results():
                records.add(result)
                found[result.vector.id] = result
                if on_result is not None:
                    on_result(result, len(found), len(work))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(report()) from None
    finally:
        records.close()
        remove_tree(folder / SCRATCH)
    return report()


def _known(vector: Vector, fields: dict[str, Any], path: Path) -> Result:
    try:
        return Result.from_dict(vector, fields)
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(f"{path} is damaged ({vector.id}: {error}): --fresh starts over") from error


def _check_base(vectors: Sequence[Vector], decoder: DecoderUnderTest) -> None:
    """13.6.2 A decoder that is not given the base models would reject every model update, the right ones as well."""
    needing = [vector.id for vector in vectors if vector.base is not None]
    if needing and not takes_base(decoder):
        command = decoder.kind == "command"
        how = "has no {base} in its command" if command else "takes no second argument, the path of the base"
        remedy = "add {base} to the command" if command else "give the function a second argument"
        raise UsageError(
            f"decoder {decoder.name}: it {how}, and {len(needing)} of the selected vectors ({needing[0]}, ...) need "
            f"their base model; without it, to reject them would show nothing. Either {remedy}, or select other "
            "profiles with --profile"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class _Crew:
    """Threads, each with a session of its own; results come in the order in which they are ready."""

    def __init__(self, plan: Plan, work: Sequence[tuple[Suite, Vector]], scratch: Path) -> None:
        self.plan, self.scratch = plan, scratch
        self.todo: queue.SimpleQueue[tuple[Suite, Vector] | None] = queue.SimpleQueue()
        self.ready: queue.SimpleQueue[Result | BaseException] = queue.SimpleQueue()
        self.count = len(work)
        for item in work:
            self.todo.put(item)
        self.sessions = [Session(plan.decoder, scratch / str(i)) for i in range(min(plan.jobs, len(work)))]
        self.threads = [threading.Thread(target=self._work, args=(s,), daemon=True) for s in self.sessions]
        self.ended = False

    def _work(self, session: Session) -> None:
        try:
            while not self.ended:
                try:
                    suite, vector = self.todo.get_nowait()  # type: ignore[misc]
                except queue.Empty:
                    return
                result = run_vector(suite, vector, session, self.plan)
                if not self.ended:
                    self.ready.put(result)
        except BaseException as error:
            self.ready.put(error)

    def results(self) -> Iterator[Result]:
        for _ in range(self.count):
            result = self.ready.get()
            if isinstance(result, BaseException):
                raise result
            yield result

    def __enter__(self) -> _Crew:
        self.scratch.mkdir(parents=True, exist_ok=True)
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = True
        for session in self.sessions:
            session.close()
        for thread in self.threads:
            thread.join(30)


def run_vector(suite: Suite, vector: Vector, session: Session, plan: Plan) -> Result:
    """One vector: its files checked, decoded, judged."""
    assert suite.folder is not None
    try:
        data = published_bytes(inside(suite.folder, vector.file), vector.sha256, vector.bytes)
        base = None
        if vector.base is not None:
            base = inside(suite.folder, vector.base.file)
            check_published(base, vector.base.sha256, MOST_BASE)
        if vector.model is not None and not takes_model(plan.decoder):
            return Result(vector, Outcome.SKIPPED, "the command has no {model}: the decoder is told of no model")
        run = session.decode(
            data, plan.limits, expected_bytes=expected_bytes(vector), base=base, model=vector.model or ""
        )
        if vector.model is not None and plan.decoder.kind == "process" and not (run.takes_model or run.error):
            return Result(vector, Outcome.SKIPPED, "the process does not say that it takes a model")
        result = judge(vector, data, run, session.output, base, strict_errors=plan.strict_errors)
        if result.outcome is Outcome.REJECTED_VALID and not look_at_rejected(result, data, session.folder, base):
            _without_digests(result, data, session, plan)
        return result
    except OSError as error:
        return Result(vector, Outcome.HARNESS_ERROR, f"{error.filename or vector.file}: {error.strerror or error}")
    except UsageError as error:
        return Result(vector, Outcome.HARNESS_ERROR, str(error))
    except MemoryError:
        return Result(vector, Outcome.HARNESS_ERROR, "the runner is out of memory")


def _without_digests(result: Result, data: bytes, session: Session, plan: Plan) -> None:
    """13.8.2 A decoder that checks digests rejects what it decodes wrongly: it decodes a copy that has none."""
    try:
        copy = without_digests(data)
    except DfcError:
        return  # not valid here: no vector of this version
    if copy is not None:
        vector = result.vector
        run = session.decode(copy, plan.limits, expected_bytes=expected_bytes(vector))
        look_again(result, judge(vector, data, run, session.output))
