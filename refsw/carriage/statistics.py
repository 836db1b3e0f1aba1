"""RFC 3550, A.3 and A.8: what was lost, and how much the times of arrival vary."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from refsw.carriage.packets import CLOCK

HALF_ROUND = 1 << 31


@dataclass(slots=True)
class Statistics:
    """Counts of packets, units and samples of one reception.

    Args:
        packets: that came, whatever they are.
        ignored: not of the session's payload type, or not in the payload format.
        foreign: of another source or bitstream.
        repeated: with a number that had come, or too late.
        received, expected: of the bitstream: those that were used, and those that were sent by their numbers.
        bytes: of packets that were used.
        units: that were used; damaged: not whole, or with a wrong CRC; unused: ignored by 14.6.3, or not conforming.
        samples, partial: samples received, and those of them that lack parts.
        jitter: in seconds.
    """

    packets: int = 0
    ignored: int = 0
    foreign: int = 0
    repeated: int = 0
    received: int = 0
    expected: int = 0
    bytes: int = 0
    units: int = 0
    damaged: int = 0
    unused: int = 0
    samples: int = 0
    partial: int = 0
    jitter: float = 0.0

    @property
    def lost(self) -> int:
        """Packets that never came, or came too late."""
        return max(0, self.expected - self.received)

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return asdict(self) | {"lost": self.lost}


class Jitter:
    """RFC 3550, A.8: mean deviation of transit times, smoothed, in ticks of the clock."""

    def __init__(self) -> None:
        self.ticks = 0.0
        self._transit: float | None = None

    def add(self, timestamp: int, arrival: float) -> None:
        """A packet, and when it came, in seconds."""
        transit = arrival * CLOCK - timestamp
        before, self._transit = self._transit, transit
        if before is None:
            return
        difference = abs(transit - before)
        if difference >= HALF_ROUND:  # timestamps go round; a step of half a round is none that a network makes
            difference %= 2 * HALF_ROUND
            difference = min(difference, 2 * HALF_ROUND - difference)
        self.ticks += (difference - self.ticks) / 16

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return self.ticks / CLOCK
