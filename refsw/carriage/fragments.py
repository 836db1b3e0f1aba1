"""14.3.4, 14.6.3 From packets in order to whole units and session descriptions, one open at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from refsw.carriage.packets import Kind, Packet, aggregated, framed_length
from refsw.syntax.carriage_structures import PacketType

LONGEST_SESSION = 1 << 22
"""Bytes of the longest session description that is put together."""
MANY = 4
"""Fragments of a unit that are to come, from which on it pays to look for many at once."""


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
        many: whether the unit that was begun last has so many fragments that it pays to look for more than one.
    """

    longest: int
    damaged: int = 0
    many: bool = False
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
            return self.fragment(number, packet.timestamp, kind, body, _length_of(kind, body))
        if self._parts:
            self._abandon()
        if kind.type is PacketType.SINGLE:
            return [Carried(body, packet.timestamp, kind.session)]
        return [Carried(unit, packet.timestamp, False) for unit in aggregated(body) or ()]

    def fragment(
        self, number: int, timestamp: int, kind: Kind, body: bytes | memoryview, length: int | None
    ) -> list[Carried]:
        """The next packet in order, a fragment.

        Args:
            number, timestamp, kind, body: of the packet.
            length: of the unit that a first fragment of a unit begins; None of others.
        """
        _, session, first, last = kind
        if first:
            if self._parts:
                self._abandon()
            self._head, self._size, self._length = (timestamp, session), 0, length
            self._most = LONGEST_SESSION if length is None else min(length, self.longest)
            self.many = length is not None and length > MANY * len(body)
        elif not self._parts:
            return []  # its beginning was lost, which is counted, or never was one
        elif number != self._next or (timestamp, session) != self._head:
            self._abandon()
            return []
        self._parts.append(body)
        self._size += len(body)
        self._next = number + 1
        # What is too long is told by its first fragment, and none is kept.
        if self._size > self._most or (first and (length or 0) > self.longest):
            self._abandon()
            return []
        if not last:
            return []
        if self._length not in (None, self._size):
            self._abandon()
            return []
        whole = b"".join(self._parts)
        self._parts = []
        return [Carried(whole, timestamp, session)]

    def awaits(self, number: int | None) -> int | None:
        """The timestamp of an open unit of which much is to come, if the packet with that number may go on with it."""
        if not self._parts or number != self._next:
            return None
        return self._head[0] if self._most - self._size >= MANY * len(self._parts[0]) else None

    def extend(self, bodies: list[memoryview]) -> None:
        """The next packets: fragments that neither begin nor end the open unit."""
        self._parts += bodies
        self._size += sum(map(len, bodies))
        self._next += len(bodies)
        if self._size > self._most:
            self._abandon()

    def _abandon(self) -> None:
        self._parts, self._size = [], 0
        self.damaged += 1

    def finish(self) -> None:
        """No more packets: what is open stays incomplete."""
        if self._parts:
            self._abandon()


def _length_of(kind: Kind, body: bytes | memoryview) -> int | None:
    return framed_length(body) if kind.first and not kind.session else None
