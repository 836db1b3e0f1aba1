"""14.6.2 The order of packets: a window of sequence numbers, in bounded memory."""

from __future__ import annotations

from typing import Generic, TypeVar

_Item = TypeVar("_Item")
DEFAULT_WINDOW = 64
MOST_WINDOW = 4096
ROUND = 1 << 16
HALF = 1 << 15
FAR_BACK = 3_000
"""14.6.2 Numbers that fall back by more, twice, are those of a sender that has skipped some (RFC 3550, A.1)."""


class Window(Generic[_Item]):
    """Packets in the order of their numbers, each at most once; the numbers go on counting beyond 2^16.

    Args:
        size: W; a packet is given up when one with a number greater by so much has come.
    """

    def __init__(self, size: int = DEFAULT_WINDOW) -> None:
        self.size = size
        self.lowest = self.highest = -1
        self.next: int | None = None  # None until it is known which number comes first
        self.waiting: dict[int, tuple[float, _Item]] = {}
        self.received = self.repeated = 0
        self._skipped = 0
        self._suspect = (-1, -1)

    @property
    def expected(self) -> int:
        """Packets that were sent, by their numbers (RFC 3550, A.3)."""
        return self.highest - self.lowest + 1 - self._skipped if self.received else 0

    def pass_on(self, sequence: int) -> int | None:
        """The number of a packet that is the next one, while none waits, as almost always; None of any other."""
        number = self.next
        if number is None or number & 0xFFFF != sequence or self.waiting:
            return None
        self.received += 1
        self.highest = number
        self.next = number + 1
        return number

    def skip_to(self, number: int) -> None:
        """The packets before a number have come, in order, while none waits."""
        assert self.next is not None
        self.received += number - self.next
        self.highest, self.next = number - 1, number

    def push(self, sequence: int, item: _Item, arrival: float = 0.0) -> list[tuple[int, _Item]]:
        """A packet that has come: all that can be used now, in order, with numbers that go on counting."""
        if self.highest < 0:
            self.lowest = self.highest = ROUND + sequence
        number = self.number_of(sequence)
        if self._is_late(number) or number in self.waiting:
            return self._fallen_back(sequence, number, item, arrival)
        self.received += 1
        self.waiting[number] = (arrival, item)
        self.lowest, self.highest = min(self.lowest, number), max(self.highest, number)
        return self._ready()

    def number_of(self, sequence: int) -> int:
        """The number, going on counting, that a sequence number stands for now: ahead of the greatest, or behind."""
        delta = (sequence - self.highest) % ROUND
        return self.highest + (delta if delta < HALF else delta - ROUND)

    def _is_late(self, number: int) -> bool:
        return number <= self.highest - self.size if self.next is None else number < self.next

    def _ready(self) -> list[tuple[int, _Item]]:
        """What need not wait any more."""
        given_up = self.highest - self.size
        if self.next is None:
            if self.lowest > given_up:
                return []
            self.next = self.lowest
        out = []
        if self.next <= given_up:
            out = [(n, self.waiting.pop(n)[1]) for n in sorted(n for n in self.waiting if n <= given_up)]
            self.next = given_up + 1
        while self.next in self.waiting:
            out.append((self.next, self.waiting.pop(self.next)[1]))
            self.next += 1
        return out

    def _fallen_back(self, sequence: int, number: int, item: _Item, arrival: float) -> list[tuple[int, _Item]]:
        # By number, and that none was used since.
        suspected, self._suspect = self._suspect, ((sequence + 1) % ROUND, self.received)
        if self.highest - number <= FAR_BACK or (sequence, self.received) != suspected:
            self.repeated += 1
            return []
        out = self.flush()
        ahead = number + ROUND
        self._skipped += ahead - self.highest - 1
        self.highest, self.next = ahead, ahead + 1
        self.received += 1
        return [*out, (ahead, item)]

    def flush(self, before: float | None = None) -> list[tuple[int, _Item]]:
        """Wait no more: all that is there, in order; with a time, for what is older than packets that came by then."""
        out = []
        for number in sorted(self.waiting):
            if before is not None and self.waiting[number][0] > before and number != self.next:
                break
            out.append((number, self.waiting.pop(number)[1]))
            self.next = number + 1
        return out
