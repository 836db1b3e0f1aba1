"""Informative: packets over UDP: a sender that keeps the pace, and a receiver that decodes while it listens."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from refsw.carriage.fragments import Carried
from refsw.carriage.packetizer import Sent
from refsw.carriage.reception import ReceivedSample, Receiver
from refsw.errors import DfcError, UsageError

DEFAULT_PORT = 5004
BUFFER = 1 << 23
"""Bytes that the system is asked to keep of what has come and was not yet read."""
HOLD = 0.2
"""Seconds that a packet waits for one before it."""
TICK = 0.05
BACKLOG = 1 << 27
"""Bytes of units that wait to be decoded; more counts as lost."""
BURST = 16
"""Packets that are sent without a look at the clock."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where packets go to, or come to; without a host, all addresses of this machine."""

    host: str
    port: int


def parse_url(text: str, *, remote: bool) -> Place:
    """rtp://HOST:PORT, or rtp://:PORT where packets are received; IPv6 addresses stand in brackets.

    Raises:
        UsageError: it is none.
    """
    try:
        parts = urlsplit(text)
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError as error:
        raise UsageError(f"{text}: {error}") from error
    if parts.scheme != "rtp" or not parts.netloc or parts.path not in ("", "/") or parts.query or parts.username:
        raise UsageError(f"{text}: rtp://HOST:PORT" + ("" if remote else " or rtp://:PORT"))
    if remote and not (parts.hostname and port):
        raise UsageError(f"{text}: a host and a port to send to")
    return Place(parts.hostname or "", port)


def find_address(place: Place) -> tuple[int, Any]:
    """The family and address of a host.

    Raises:
        UsageError: there is no such host.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{place.host}: {getattr(error, 'strerror', None) or error}") from error
    return family, address


def listening_socket(place: Place) -> socket.socket:
    """A socket that receives, over IPv4 and IPv6 where no host is given.

    Raises:
        OSError: the address or port is not to be had.
        UsageError: there is no such host.
    """
    if place.host:
        family, address = find_address(place)
        return _bound(family, address)
    with suppress(OSError):
        return _bound(socket.AF_INET6, ("::", place.port), both=True)
    return _bound(socket.AF_INET, ("", place.port))


def _bound(family: int, address: Any, *, both: bool = False) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not both))
        with suppress(OSError):  # as much as the system gives
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        made.bind(address)
        made.setblocking(False)
    except OSError as error:
        made.close()
        error.filename = f"{address[0] or '*'} port {address[1]}"
        raise
    return made


async def send(place: Place, sent: Iterable[Sent], *, pace: float | None = 1.0) -> int:
    """Send the packets of access units, each at its time, those of one over the time until the next.

    Args:
        place: where to.
        sent: of a `Packetizer`.
        pace: how many times as fast as the times say; None: as fast as the receiver's machine takes them.

    Returns:
        The number of packets.

    Raises:
        OSError: the network is not to be reached.
    """
    family, address = find_address(place)
    loop, count = asyncio.get_running_loop(), 0
    with socket.socket(family, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        out.connect(address)
        start, before = loop.time(), 0.0
        for unit in sent:
            at = unit.seconds / pace if pace else 0.0
            gap = max(0.0, at - before) / max(1, len(unit.packets))
            for i, packet in enumerate(unit.packets):
                wait = start + at + i * gap - loop.time()
                if pace and wait > 0:
                    await asyncio.sleep(wait)
                elif count % BURST == 0:
                    await asyncio.sleep(0)
                # Nobody may be listening yet, or any more: that is told of a packet before, and is no matter of ours.
                with suppress(ConnectionRefusedError):
                    await loop.sock_sendall(out, packet)
                count += 1
            before = at
    return count


class _Listening(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._take(data)


class LiveReceiver:
    """Receives until the bitstream ends, nothing comes any more, or it is told to stop.

    Packets are put in order as they come; a thread decodes what they carry.

    Args:
        receiver: what makes samples of packets.
        put_out: takes every sample, in the thread.
        patience: seconds without a packet of the bitstream after which it ends.
    """

    def __init__(self, receiver: Receiver, put_out: Callable[[ReceivedSample], None], *, patience: float) -> None:
        self._receiver, self._put_out, self._patience = receiver, put_out, patience
        self._work: queue.SimpleQueue[list[Carried] | None] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._queued = self._done = 0
        self.overrun = 0
        self._last = 0.0
        self._received = 0

    async def run(self, listening: socket.socket) -> None:
        """Receive. To cancel it is to end it, with what has come.

        Raises:
            DfcError: the bitstream is unsupported, or nothing of one came.
        """
        loop = asyncio.get_running_loop()
        self._last = loop.time()
        thread = threading.Thread(target=self._decode, daemon=True)
        thread.start()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Listening(self._take), sock=listening)
        try:
            while not self._ended(loop.time()):
                await asyncio.sleep(TICK)
                self._accept(lambda: self._receiver.packets.flush(loop.time() - HOLD))
        except asyncio.CancelledError:
            pass  # told to stop: what has come is put out
        finally:
            transport.close()
            self._accept(self._receiver.packets.finish)
            self._work.put(None)
            thread.join()
        if self._error is not None:
            raise self._error
        for sample in self._receiver.finish():
            self._put_out(sample)

    def _ended(self, now: float) -> bool:
        received = self._receiver.packets.statistics.received
        if received != self._received:
            self._received, self._last = received, now
        return self._receiver.ended or self._error is not None or now - self._last > self._patience

    def _take(self, data: bytes) -> None:
        arrival = asyncio.get_running_loop().time()
        self._accept(lambda: self._receiver.packets.put(data, arrival))

    def _accept(self, work: Callable[[], list[Carried]]) -> None:
        """What can be used now goes to the thread; what ends the reception is kept for whoever waits for that."""
        try:
            carried = work()
        except DfcError as error:
            self._error = self._error or error
            return
        if not carried:
            return
        size = sum(len(item.data) for item in carried)
        if self._queued - self._done > BACKLOG and not any(item.session for item in carried):
            self.overrun += len(carried)
            return
        self._queued += size
        self._work.put(carried)

    def _decode(self) -> None:
        while (carried := self._work.get()) is not None:
            if self._error is not None:
                continue
            try:
                for sample in self._receiver.decode(carried):
                    self._put_out(sample)
            except BaseException as error:  # told by whoever waits for this thread
                self._error = error
            self._done += sum(len(item.data) for item in carried)
