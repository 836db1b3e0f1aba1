"""14.3.4, 14.6.3 From packets in order to whole units and session descriptions, one open at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from refsw.carriage.packets import LONGEST_UNIT_HEAD, Packet, aggregated, framed_length
from refsw.syntax.carriage_structures import PacketType

LONGEST_SESSION = 1 << 22
"""Bytes of the longest session description that is put together."""


class Carried(NamedTuple):
    """What packets carried whole: the bytes of a unit or a session description, and their timestamp."""

    data: bytes | memoryview
    timestamp: int
    session: bool


@dataclass(slots=True)
class Assembler:
    """Puts fragments together.

    Args:
        longest: bytes of the longest unit that is put together; a longer one counts as damaged.
        damaged: units and session descriptions of which something is missing, or that are not as long as they say.
    """

    longest: int
    damaged: int = 0
    _parts: list[bytes | memoryview] = field(default_factory=list)
    _size: int = 0
    _most: int = 0
    _length: int | None = None
    _next: int = -1
    _head: tuple[int, bool] = (0, False)

    def add(self, number: int, packet: Packet) -> list[Carried]:
        """The next packet in order, with its number that goes on counting: what is whole with it."""
        kind, body = packet.kind, packet.body
        if kind.type is PacketType.FRAGMENT:
            return self._fragment(number, packet)
        if self._parts:
            self._abandon()
        if kind.type is PacketType.SINGLE:
            return [Carried(body, packet.timestamp, kind.session)]
        return [Carried(unit, packet.timestamp, False) for unit in aggregated(body) or ()]

    def _fragment(self, number: int, packet: Packet) -> list[Carried]:
        kind, body = packet.kind, packet.body
        head = (packet.timestamp, kind.session)
        if kind.first:
            if self._parts:
                self._abandon()
            self._head, self._size = head, 0
            self._length = None if kind.session else framed_length(body[:LONGEST_UNIT_HEAD])
            self._most = LONGEST_SESSION if self._length is None else min(self._length, self.longest)
        elif not self._parts:
            return []  # its beginning was lost, which is counted, or never was one
        elif number != self._next or head != self._head:
            self._abandon()
            return []
        self._parts.append(body)
        self._size += len(body)
        self._next = number + 1
        # What is too long is told by its first fragment, and none is kept.
        if self._size > self._most or (self._length or 0) > self.longest:
            self._abandon()
            return []
        if not kind.last:
            return []
        if self._length not in (None, self._size):
            self._abandon()
            return []
        whole = b"".join(self._parts)
        self._parts = []
        return [Carried(whole, packet.timestamp, kind.session)]

    def goes_on(self, number: int | None, timestamp: int) -> bool:
        """Whether a fragment of a unit, with that number, is the next one of the open unit."""
        return number == self._next and bool(self._parts) and self._head == (timestamp, False)

    def append(self, body: bytes) -> None:
        """A fragment that goes on, and neither begins nor ends a unit."""
        self._size += len(body)
        if self._size <= self._most:
            self._parts.append(body)
            self._next += 1
        else:
            self._abandon()

    def _abandon(self) -> None:
        self._parts, self._size = [], 0
        self.damaged += 1

    def finish(self) -> None:
        """No more packets: what is open stays incomplete."""
        if self._parts:
            self._abandon()
