"""Informative: work on units spread over processes, with results that do not depend on their number."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self

from refsw.errors import CodecError, UsageError


def end_with_parent() -> None:
    """In a worker: end when the process that started it is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def wait() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=wait, daemon=True).start()


class Pool:
    """Processes that run functions on arguments; with one job, they run here and at once.

    Processes are spawned, not forked: FFmpeg and x265 keep threads, which a fork would cut off.

    Attributes:
        ahead: pieces of work to have under way, so that no process waits for the next.
    """

    def __init__(self, jobs: int) -> None:
        if jobs < 1:
            raise UsageError(f"jobs {jobs}: at least 1")
        self._executor: ProcessPoolExecutor | None = None
        self.ahead = 0
        if jobs > 1:
            self.ahead = 2 * jobs
            self._executor = ProcessPoolExecutor(
                jobs, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent
            )

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """A future for the result."""
        if self._executor is not None:
            try:
                return self._executor.submit(function, *arguments)
            except BrokenProcessPool as error:
                broken: Future[Any] = Future()
                broken.set_exception(error)
                return broken
        future: Future[Any] = Future()
        # No catch-all here: what the function raises, it raises where the work is asked for.
        future.set_result(function(*arguments))
        return future

    def result(self, future: Future[Any]) -> Any:
        """What a future gives, or raises what its function raised.

        Raises:
            CodecError: the process that worked on it is gone.
        """
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise CodecError(
                "a worker process ended before its work was done: killed, out of memory, or started by a script "
                "that does not guard its own work with if __name__ == '__main__'"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
