"""10.6.7 Which of two quantizers a level has: the parities of the levels before it in its lane tell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from refsw.syntax.model_structures import FREQUENCY_BITS

SECOND = 1 << 9
"""Added to a symbol that has the second quantizer."""
FEEDBACK = 7
STATES = 8
_MARK = 1 << FREQUENCY_BITS
"""Where a step holds the parity of its symbol, and a slot the quantizer."""


def parity(symbols: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """10.6.7 The parity of the levels of symbols: that of their classes."""
    out: npt.NDArray[np.uint16] = (symbols + np.uint16(1) >> np.uint16(1)) & np.uint16(1)
    return out


def next_state(state: int, odd: int) -> int:
    """10.6.7 The state after a level; state modulo 2 is the quantizer."""
    return state >> 1 ^ FEEDBACK * (state & 1) ^ odd << 1


class Quantizers:
    """The quantizers of all lanes, for `refsw.entropy.rans.Decoder`.

    With many lanes they are found without states: with q[n] and p[n] the quantizer and the parity of level n of a lane,
    q[n + 1] is the exclusive-or of q[n], q[n - 1], q[n - 2] and p[n - 1].

    Args:
        lanes: their number.
    """

    log2 = 1

    def __init__(self, lanes: int) -> None:
        def zeros() -> npt.NDArray[np.uint32]:
            return np.zeros(lanes, np.uint32)

        self._now, self._last, self._before = zeros(), zeros(), zeros()
        self._sum, self._parity = zeros(), zeros()
        self._states = [0] * lanes

    def prepare(self, steps: npt.NDArray[np.uint32], names: npt.NDArray[np.uint16]) -> None:
        """Parities into steps; SECOND into the names of every other table."""
        steps |= parity(names).astype(np.uint32) << FREQUENCY_BITS
        if names.size:
            names.reshape(-1, 2, 1 << FREQUENCY_BITS)[:, 1] |= SECOND

    def mark(self, slots: npt.NDArray[np.uint32]) -> None:
        """The quantizers of the next levels, of the first lanes, into their slots."""
        np.bitwise_or(slots, self._now[: len(slots)], out=slots)

    def advance(self, entries: npt.NDArray[np.uint32]) -> None:
        """The parities of these levels."""
        following, total, odd = self._sum, self._before, self._parity
        np.bitwise_xor(following, odd, out=following)
        np.bitwise_xor(total, odd, out=total)
        np.bitwise_and(entries, _MARK, out=odd[: len(entries)])
        self._before, self._last, self._now, self._sum = self._last, self._now, following, total

    def mark_one(self, slot: int, lane: int) -> int:
        """`mark` for a lane alone."""
        return slot | (self._states[lane] & 1) << FREQUENCY_BITS

    def advance_one(self, entry: int, lane: int) -> None:
        """`advance` for a lane alone."""
        self._states[lane] = next_state(self._states[lane], entry >> FREQUENCY_BITS & 1)
