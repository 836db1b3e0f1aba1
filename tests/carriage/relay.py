"""A lossy network on this machine: a relay of datagrams that drops some, and remembers which."""

from __future__ import annotations

import random
import socket
import threading
from types import TracebackType
from typing import Self

BUFFER = 1 << 23
STOP = b"stop"


class Relay:
    """Forwards what comes to `port` to another port of this machine, but for a share of it.

    Args:
        target: the port.
        loss: share of the datagrams that are dropped.
        seed: of which.
    """

    def __init__(self, target: int, loss: float, seed: int) -> None:
        self.forwarded: list[bytes] = []
        self.dropped: list[bytes] = []
        self._target, self._loss, self._rng = target, loss, random.Random(seed)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while (data := self._socket.recv(65536)) != STOP:
            if self._rng.random() < self._loss:
                self.dropped.append(data)
            else:
                self.forwarded.append(data)
                self._socket.sendto(data, ("127.0.0.1", self._target))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.sendto(STOP, ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()
