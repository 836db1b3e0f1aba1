"""Informative: orders spread over processes of this machine or over a Dask cluster; outcomes come as they are done."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from itertools import chain, groupby
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Protocol, Self

from refsw.errors import CodecError, UsageError
from refsw.evaluation.anchors.environment import source_digest
from refsw.evaluation.anchors.orders import Job, Look, Order, Outcome, Scoring, Seen, Unseen, Warm
from refsw.evaluation.anchors.work import given_up, perform
from refsw.extras import optional
from refsw.payload.commands import abandon

AHEAD = 2
"""Orders given to a worker at once, so that it does not wait for the next."""
ATTEMPTS = 3
"""An order whose worker is killed goes to another one; one that ends its workers is given up."""
DASK_AHEAD = 4
PATIENCE_SECONDS = 5.0
WORKERS_SECONDS = 60.0
"""How long a cluster may take until its first worker is there."""
STARTS = 3
"""Times in a row that a process may end before it is ready to work."""
SOURCE_THERE = "__import__('importlib').import_module('refsw.evaluation.anchors.environment').source_digest()"
LOGGERS = [logging.getLogger(name) for name in ("distributed", "distributed.client", "distributed.core", "asyncio")]
ENDED = f"the process that worked on it ended {ATTEMPTS} times: killed, or out of memory"
NEVER_READY = (
    "worker processes end before they are ready: killed, out of memory, or started by a script that does not guard "
    "its own work with if __name__ == '__main__'"
)


class Workers(Protocol):
    """What orders are given to. As a context it holds processes or the connection to a cluster."""

    def look(self, looks: Sequence[Look]) -> list[Seen]:
        """What is to be known of tests before anything else is done, in the order of the looks.

        Raises:
            RefswError: what looking at the first that is wrong gives.
        """

    def add(self, jobs: Iterable[Job]) -> None:
        """Jobs to do; those of one group of items at one layer stand together, so that one worker has its features."""

    def score(self, scoring: Scoring) -> None:
        """A point to score, before any more jobs are begun."""

    def results(self) -> Iterator[Outcome]:
        """Outcomes in the order in which they are finished, also of what is added meanwhile."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End processes and connections, whatever they are doing."""


def workers(processes: int, dask: str | None = None, *, apart: bool = False) -> Workers:
    """Those that do the work of a run.

    Args:
        processes: on this machine; 1 works in this one.
        apart: never in this one, so that programs that run by command do not outlive it, however it ends.
        dask: address of a scheduler, whose workers are used instead.

    Raises:
        UsageError: no such number of processes, or no such cluster.
    """
    if processes < 1:
        raise UsageError(f"jobs {processes}: at least 1")
    if dask:
        return _Cluster(dask)
    return _Here() if processes == 1 and not apart else _Processes(processes)


class _Here:
    """The process that asks is the one that works."""

    def __init__(self) -> None:
        self._jobs: Iterator[Job] = iter(())
        self._urgent: deque[Scoring] = deque()

    def look(self, looks: Sequence[Look]) -> list[Seen]:
        return [_seen(perform(look)) for look in looks]

    def add(self, jobs: Iterable[Job]) -> None:
        self._jobs = chain(self._jobs, jobs)

    def score(self, scoring: Scoring) -> None:
        self._urgent.append(scoring)

    def results(self) -> Iterator[Outcome]:
        while True:
            order: Order | None = self._urgent.popleft() if self._urgent else next(self._jobs, None)
            if order is None:
                return
            yield perform(order)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return


def _seen(outcome: Outcome) -> Seen:
    if isinstance(outcome, Unseen):
        raise outcome.error
    assert isinstance(outcome, Seen)
    return outcome


def _serve(connection: Connection) -> None:
    """A worker process: one order after the other until the connection ends, as it does with the process there."""
    # An interrupt from the keyboard goes to every process of the terminal; the one that waits handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders: SimpleQueue[Order] = SimpleQueue()

    def read() -> None:
        try:
            while True:
                orders.put(connection.recv())
        except (EOFError, OSError):
            abandon()
        finally:
            os._exit(1)

    # Read beside the work, so that neither side waits for the other one to take what it sends.
    threading.Thread(target=read, daemon=True).start()
    try:
        connection.send(None)  # ready
        while True:
            connection.send(perform(orders.get()))
    except OSError:
        abandon()
        os._exit(1)


class _Process:
    """A process, what it was given and has not answered, and the jobs on the same features that it gets next."""

    def __init__(self) -> None:
        self.sent: deque[Order] = deque()
        self.bundle: deque[Job] = deque()
        self.starts = 0
        self.start()

    def start(self) -> None:
        self.is_ready = False
        self.starts += 1
        context = multiprocessing.get_context("spawn")  # FFmpeg and x265 keep threads, which a fork would cut off
        self.connection, theirs = context.Pipe()
        with theirs:
            self._process = context.Process(target=_serve, args=(theirs,))
            self._process.start()

    def send(self, order: Order) -> None:
        self.sent.append(order)
        try:
            self.connection.send(order)
        except OSError:
            return  # it is gone, as reading from it will say

    def end(self) -> None:
        self.connection.close()  # which ends it together with the programs that it has started
        self._process.join(PATIENCE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


class _Processes:
    """Processes of this machine."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._all: list[_Process] = []
        self._bundles: Iterator[deque[Job]] = iter(())
        self._urgent: deque[Order] = deque()
        self._attempts: dict[int, int] = {}

    def look(self, looks: Sequence[Look]) -> list[Seen]:
        self._urgent.extend(looks)
        # The others open meanwhile what they need first.
        self._urgent.extend(Warm(looks[0].condition) for _ in range(self._count - len(looks)))
        found = {outcome.test: outcome for outcome in self.results() if isinstance(outcome, Seen | Unseen)}
        return [_seen(found[look.test]) for look in looks]

    def add(self, jobs: Iterable[Job]) -> None:
        self._bundles = chain(self._bundles, _bundles(jobs))

    def score(self, scoring: Scoring) -> None:
        self._urgent.append(scoring)

    def results(self) -> Iterator[Outcome]:
        self._fill()
        while busy := {process.connection: process for process in self._all if process.sent}:
            for ready in wait(list(busy)):
                process = busy[ready]  # type: ignore[index]
                try:
                    outcome: Outcome = process.connection.recv()
                except (EOFError, OSError):
                    yield from self._again(process)
                else:
                    if process.is_ready:
                        self._attempts.pop(id(process.sent.popleft()), None)
                        if outcome is not None:
                            yield outcome
                    process.is_ready, process.starts = True, 0
            self._fill()

    def _fill(self) -> None:
        # One for each before a second for any: what is sent cannot be taken back.
        for ahead in range(1, AHEAD + 1):
            for process in self._all:
                while len(process.sent) < ahead and (order := self._next(process)) is not None:
                    process.send(order)

    def _next(self, process: _Process) -> Order | None:
        if self._urgent:
            return self._urgent.popleft()
        if not process.bundle:
            process.bundle = next(self._bundles, deque())
        if process.bundle:
            return process.bundle.popleft()
        # Nothing is left to begin: help the one that has most before it, at the price of making its features again.
        most = max(self._all, key=lambda other: len(other.bundle))
        return most.bundle.pop() if most.bundle else None

    def _again(self, process: _Process) -> Iterator[Outcome]:
        """What a process that is gone had in hand goes to a new one; the first is what it worked on.

        Raises:
            CodecError: new processes end before they are ready.
        """
        process.end()
        lost, process.sent = process.sent, deque()
        if process.starts > STARTS:
            raise CodecError(NEVER_READY)
        attempts = self._attempts[id(lost[0])] = self._attempts.get(id(lost[0]), 0) + process.is_ready
        if attempts >= ATTEMPTS:
            order = lost.popleft()
            del self._attempts[id(order)]
            yield given_up(order, ENDED)
        process.start()
        for order in lost:
            process.send(order)

    def __enter__(self) -> Self:
        self._all = [_Process() for _ in range(self._count)]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._all:
            process.connection.close()
        for process in self._all:
            process.end()


def _bundles(jobs: Iterable[Job]) -> Iterator[deque[Job]]:
    """Jobs on the same features."""
    for _, bundle in groupby(jobs, key=lambda job: (job.test, job.layer, job.group)):
        yield deque(bundle)


class _Cluster(_Here):
    """The workers of a Dask scheduler; looking and scoring is done here."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self._distributed: Any = optional("distributed")

    def __enter__(self) -> Self:
        try:
            self._client = self._distributed.Client(self._address, timeout="10s", set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            told = " ".join(str(error).split())
            raise UsageError(f"dask {self._address}: no scheduler answers: {told}") from error
        try:
            self._check_workers()
        except BaseException:
            self._client.close(timeout=PATIENCE_SECONDS)
            raise
        # Where workers come and go, Dask tells of it at length; what comes of it is told here.
        self._levels = [logger.level for logger in LOGGERS]
        for logger in LOGGERS:
            logger.setLevel(logging.CRITICAL)
        return self

    def _check_workers(self) -> None:
        """A worker that cannot even read a job would keep it for ever.

        Raises:
            UsageError: there are no workers, or one has no refsw or another one.
        """
        try:
            self._client.wait_for_workers(1, timeout=WORKERS_SECONDS)
        except TimeoutError as error:
            raise UsageError(f"dask {self._address}: the scheduler has no workers") from error
        # Nothing of refsw is sent: it may not be there.
        for worker, told in self._client.run(eval, SOURCE_THERE, on_error="return").items():
            if isinstance(told, BaseException):
                raise UsageError(f"dask worker {worker}: {' '.join(str(told).split()) or type(told).__name__}")
            if told != source_digest():
                raise UsageError(f"dask worker {worker}: has another refsw than this machine")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close(timeout=PATIENCE_SECONDS)
        for logger, level in zip(LOGGERS, self._levels, strict=True):
            logger.setLevel(level)

    def results(self) -> Iterator[Outcome]:
        try:
            yield from self._results()
        except (OSError, TimeoutError, CancelledError) as error:
            raise self._gone(error) from error

    def _gone(self, error: BaseException) -> CodecError:
        told = " ".join(str(error).split()) or type(error).__name__
        return CodecError(f"dask {self._address}: the cluster is gone: {told}")

    def _results(self) -> Iterator[Outcome]:
        client, orders = self._client, {}
        finished = self._distributed.as_completed(loop=client.loop)
        # A few jobs for each thread of the cluster: enough to keep it busy, few enough to lose little.
        most = max(1, DASK_AHEAD * max(1, sum(client.nthreads().values())))

        def fill() -> None:
            while finished.count() < most and (job := next(self._jobs, None)) is not None:
                future = client.submit(perform, job, pure=False, retries=ATTEMPTS)
                orders[future.key] = job
                finished.add(future)

        fill()
        while finished.count() or self._urgent:
            while self._urgent:
                yield perform(self._urgent.popleft())
            if not finished.count():
                return
            future = next(finished)
            yield self._outcome(future, orders.pop(future.key))
            fill()

    def _outcome(self, future: Any, job: Job) -> Outcome:
        killed = self._distributed.scheduler.KilledWorker
        try:
            outcome: Outcome = future.result()
        except killed:
            return given_up(job, ENDED)
        except Exception as error:
            if future.status == "error":  # on the worker, before it came to the job: refsw is not there, say
                return given_up(job, f"a worker failed: {type(error).__name__}: {' '.join(str(error).split())}")
            raise self._gone(error) from error
        return outcome
