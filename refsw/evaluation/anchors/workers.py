"""Informative: jobs spread over processes of this machine or over a Dask cluster; results come as they are done."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import groupby
from typing import Any

from refsw.errors import CodecError, UsageError
from refsw.evaluation.anchors.folder import label
from refsw.evaluation.anchors.work import Job, Result, work
from refsw.evaluation.extras import optional
from refsw.features.pool import end_with_parent

AHEAD = 2
"""Jobs given to a worker at once, so that it does not wait for the next."""
ATTEMPTS = 3
"""A job whose worker is killed goes to another one; one that kills its workers is given up."""
DASK_AHEAD = 4
BundleOfJobs = deque[Job]


def done_by(jobs: Sequence[Job], processes: int, dask: str | None = None) -> Iterator[Result]:
    """The results of jobs, in the order in which they are finished.

    Args:
        jobs: those of one group of items at one layer stand together, so that one worker has its features.
        processes: on this machine; 1 works in this one.
        dask: address of a scheduler, whose workers are used instead.

    Raises:
        UsageError: no such number of processes, or no such cluster.
        CodecError: a job ended the processes that worked on it.
    """
    if processes < 1:
        raise UsageError(f"jobs {processes}: at least 1")
    if dask:
        yield from _on_cluster(jobs, dask)
    elif processes == 1:
        yield from map(work, jobs)
    else:
        yield from _in_processes(jobs, processes)


def _bundles(jobs: Iterable[Job]) -> Iterator[BundleOfJobs]:
    """Jobs on the same features."""
    for _, bundle in groupby(jobs, key=lambda job: (job.test, job.layer, job.group)):
        yield deque(bundle)


def _start_worker() -> None:
    # An interrupt from the keyboard goes to every process of the terminal; the one that waits handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


class _Slot:
    """One process, and the jobs that it has in hand."""

    def __init__(self) -> None:
        self.bundle: BundleOfJobs = deque()
        self.executor = self._new()

    @staticmethod
    def _new() -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")  # FFmpeg and x265 keep threads, which a fork would cut off
        return ProcessPoolExecutor(1, mp_context=context, initializer=_start_worker)

    def renew(self) -> None:
        self.executor.shutdown(wait=False)
        self.executor = self._new()


def _in_processes(jobs: Sequence[Job], processes: int) -> Iterator[Result]:
    bundles = _bundles(jobs)
    slots = [_Slot() for _ in range(processes)]
    running: dict[Future[Result], tuple[_Slot, Job]] = {}
    attempts: dict[int, int] = {}

    def fill(slot: _Slot) -> None:
        while sum(owner is slot for owner, _ in running.values()) < AHEAD:
            if not slot.bundle:
                slot.bundle = next(bundles, deque())
            if not slot.bundle:
                return
            job = slot.bundle.popleft()
            try:
                running[slot.executor.submit(work, job)] = (slot, job)
            except BrokenProcessPool:
                slot.bundle.appendleft(job)
                slot.renew()

    try:
        for slot in slots:
            fill(slot)
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                if future not in running:
                    continue
                slot, job = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    _again(slot, job, running, attempts)
                else:
                    yield result
                fill(slot)
    finally:
        for slot in slots:
            slot.executor.shutdown(wait=True, cancel_futures=True)


def _again(slot: _Slot, job: Job, running: dict[Future[Result], tuple[_Slot, Job]], attempts: dict[int, int]) -> None:
    """Give the jobs of a process that is gone to a new one; the first of them is the one that it worked on."""
    lost = [job, *(other for owner, other in running.values() if owner is slot)]
    for future in [future for future, (owner, _) in running.items() if owner is slot]:
        del running[future]
    attempts[id(job)] = attempts.get(id(job), 0) + 1
    if attempts[id(job)] >= ATTEMPTS:
        raise CodecError(
            f"{label(job.place)}: the process that worked on it ended {ATTEMPTS} times: killed, out of memory, or "
            "started by a script that does not guard its own work with if __name__ == '__main__'"
        )
    slot.bundle.extendleft(reversed(lost))
    slot.renew()


def _on_cluster(jobs: Sequence[Job], address: str) -> Iterator[Result]:
    distributed: Any = optional("distributed")
    try:
        client = distributed.Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(f"dask {address}: no scheduler answers: {error}") from error
    with client:
        waiting = iter(jobs)
        finished = distributed.as_completed(loop=client.loop)
        # A few jobs for each thread of the cluster: enough to keep it busy, few enough to lose little.
        most = max(1, DASK_AHEAD * max(1, sum(client.nthreads().values())))

        def fill() -> None:
            while finished.count() < most:
                job = next(waiting, None)
                if job is None:
                    return
                finished.add(client.submit(work, job, pure=False, retries=ATTEMPTS))

        fill()
        while finished.count():
            future = next(finished)
            try:
                yield future.result()
            except distributed.scheduler.KilledWorker as error:
                raise CodecError(f"dask {address}: a job ended the workers that worked on it: {error}") from error
            fill()
