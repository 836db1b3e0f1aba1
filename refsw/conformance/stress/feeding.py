"""13.13.3 A named pipe as the input of a decoder: what is written into it, and when."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

PIECE = 1 << 16
POLL = 0.02


@dataclass(frozen=True, slots=True)
class Wait:
    """What happens before the bytes from a place on are written.

    Args:
        place: in the input.
        seconds: to wait.
        output: bytes that the decoder has to have written before, however long that takes.
    """

    place: int
    seconds: float = 0.0
    output: int = 0


class Feeder:
    """Writes an input into a named pipe, in a thread of its own, as long as somebody reads.

    Args:
        path: where the pipe is made.
        data: the input.
        waits: in order of their places.
        written: tells how many bytes the decoder has written.
    """

    def __init__(self, path: Path, data: bytes, waits: Sequence[Wait], written: Callable[[], int]) -> None:
        self.path, self.data, self.waits, self.written = path, data, list(waits), written
        self.held_for: Wait | None = None
        """The wait that was not over when the decoder ended."""
        self.opened = False
        self.fed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        os.mkfifo(self.path)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = self._open()
        if number is None:
            return
        with contextlib.suppress(BrokenPipeError):  # it has ended, as will be seen
            for wait in [*self.waits, Wait(len(self.data))]:
                self._write(number, wait.place)
                if not self._wait(wait):
                    break
        os.close(number)

    def _open(self) -> int | None:
        """The pipe, when somebody has opened it for reading."""
        while not self._stop.is_set():
            try:
                number = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                time.sleep(POLL)
                continue
            self.opened = True
            return number
        return None

    def _write(self, number: int, until: int) -> None:
        while self.fed < until and not self._stop.is_set():
            if not select.select([], [number], [], POLL)[1]:
                continue
            with contextlib.suppress(BlockingIOError):
                self.fed += os.write(number, self.data[self.fed : min(until, self.fed + PIECE)])

    def _wait(self, wait: Wait) -> bool:
        """Whether the wait is over."""
        end = time.monotonic() + wait.seconds
        self.held_for = wait
        while time.monotonic() < end or self.written() < wait.output:
            if self._stop.wait(POLL):
                return False
        self.held_for = None
        return True
