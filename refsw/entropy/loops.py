"""10.6.5 The steps of rANS lane by lane, for `refsw.compiled`; `refsw.entropy.rans` has them in vector steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from refsw.compiled import machine_code

Words = npt.NDArray[np.uint16]
States = npt.NDArray[np.uint32]


@machine_code("int64(uint32[::1], uint32[::1], uint16[::1], uint32[::1], int64, int64, int64)")
def decode(
    slots: States, states: States, words: Words, steps: States, position: int, precision: int, lowest: int
) -> int:
    """Turns table << precision into table << precision | slot for every value; the position after it."""
    mask = (1 << precision) - 1
    lanes = len(states)
    for begin in range(0, len(slots), lanes):
        for lane in range(min(lanes, len(slots) - begin)):
            state = np.int64(states[lane])
            slot = np.int64(slots[begin + lane]) | (state & mask)
            slots[begin + lane] = slot
            entry = np.int64(steps[slot])
            state = (entry >> 16) * (state >> precision) + (entry & mask)
            if state < lowest:
                state <<= 16
                if position < len(words):
                    state |= np.int64(words[position])
                position += 1
            states[lane] = state
    return position


@machine_code("int64(uint32[::1], uint32[::1], uint16[::1], int64)")
def encode(entries: States, states: States, words: Words, precision: int) -> int:
    """Puts entries of `Tables.coding` into the states, the last one first; the place of the first word in `words`."""
    lanes, place = len(states), len(words)
    last = (len(entries) - 1) // lanes * lanes
    for begin in range(last, -1, -lanes):
        for lane in range(min(lanes, len(entries) - begin) - 1, -1, -1):
            frequency = np.int64(entries[begin + lane]) >> 16
            state = np.int64(states[lane])
            if state >> (32 - precision) >= frequency:
                place -= 1
                words[place] = state & 0xFFFF
                state >>= 16
            start = np.int64(entries[begin + lane]) & 0xFFFF
            states[lane] = (state // frequency << precision) + state % frequency + start
    return place
