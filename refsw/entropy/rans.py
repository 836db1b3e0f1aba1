"""10.6.5 Interleaved range asymmetric numeral systems: 32-bit states, 16-bit words, frequencies of up to 2^16."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from refsw.compiled import compiled
from refsw.entropy import loops
from refsw.lazy import lazy

LOWEST = 1 << 16
CHUNK = 1 << 18
FEW_LANES = 16
"""Up to as many lanes, symbols are decoded one by one."""

Words = npt.NDArray[np.uint16]
States = npt.NDArray[np.uint32]
Contexts = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Frequencies = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tables:
    """10.6.2 Frequency tables: for every table and symbol a frequency; every row sums to 2^precision.

    Args:
        frequencies: int64 of shape (tables, symbols).
        precision: 14 for model updates.
    """

    frequencies: Frequencies
    precision: int

    @property
    def total(self) -> int:
        """The sum of a row."""
        return 1 << self.precision

    @lazy
    def decoding(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint16]]:
        """For every table and slot: frequency << 16 | slot - start of the symbol; and the symbol."""
        tables, symbols = self.frequencies.shape
        total = self.total
        steps = np.empty(tables * total, np.uint32)
        names = np.empty(tables * total, np.uint16)
        slots = np.arange(total)
        for t, row in enumerate(self.frequencies):
            symbol = np.repeat(np.arange(symbols), row)
            start = np.cumsum(row) - row
            part = slice(t * total, (t + 1) * total)
            names[part] = symbol
            steps[part] = row[symbol] << 16 | (slots - start[symbol])
        return steps, names

    @lazy
    def coding(self) -> npt.NDArray[np.uint32]:
        """For every table and symbol: frequency << 16 | start of the symbol; shape (tables, symbols)."""
        starts = np.cumsum(self.frequencies, axis=1) - self.frequencies
        return (self.frequencies << 16 | starts).astype(np.uint32)


class Chooser(Protocol):
    """Chooses among the tables of a context by the symbols that were decoded before in the lane (10.6.7).

    `log2` is that of their number; table c x 2^log2 is the first one of context c.
    """

    log2: int

    def prepare(self, steps: npt.NDArray[np.uint32], names: npt.NDArray[np.uint16]) -> None:
        """Put into the steps of `Tables.decoding` what `advance` wants to know of a symbol, and into names what for."""

    def mark(self, slots: npt.NDArray[np.uint32]) -> None:
        """Put the choice for the next symbols, of the first lanes, into their slots."""

    def advance(self, entries: npt.NDArray[np.uint32]) -> None:
        """Take the steps of these symbols."""

    def mark_one(self, slot: int, lane: int) -> int:
        """`mark` for a lane alone."""

    def advance_one(self, entry: int, lane: int) -> None:
        """`advance` for a lane alone."""


class Decoder:
    """Decodes symbols in (step, lane) order.

    Args:
        tables: the frequency tables.
        states: one state a lane.
        words: the words in the order in which lanes take them.
        chooser: what else the table of a symbol depends on; None: on its context alone.
    """

    def __init__(self, tables: Tables, states: States, words: Words, chooser: Chooser | None = None) -> None:
        self._steps, self._names = tables.decoding
        self._sure = tables.frequencies.max(axis=1, initial=0) == tables.total
        self._precision = tables.precision
        self._chooser = chooser
        self._shift = self._precision
        if chooser is not None:
            chooser.prepare(self._steps, self._names)
            self._shift += chooser.log2
        self.states = states.copy()
        self.words = words
        self.position = 0

    def symbols(self, contexts: Contexts) -> Iterator[npt.NDArray[np.uint16]]:
        """The symbols of all values, in parts; `contexts` holds the table of every value."""
        lanes = len(self.states)
        part = max(1, CHUNK // lanes) * lanes
        for begin in range(0, len(contexts), part):
            chosen = contexts[begin : begin + part]
            slots = chosen.astype(np.uint32)
            slots <<= self._shift
            # A table of one symbol leaves every state as it is, and takes no word.
            if self._chooser is not None or not self._sure[chosen].all():
                loop = compiled(loops.decode) if self._chooser is None else None
                if loop is not None:
                    self.position = loop(slots, self.states, self.words, self._steps, self.position, self._precision,
                                         LOWEST)  # fmt: skip
                else:
                    (self._run_few if lanes <= FEW_LANES else self._run)(slots, lanes)
            yield self._names.take(slots)

    def _run_few(self, slots: npt.NDArray[np.uint32], lanes: int) -> None:
        """What `_run` does, number by number: a step of numpy takes as long as some twenty lanes so."""
        states, place, position = self.states.tolist(), slots.data, self.position
        steps, words, end = self._steps.data, self.words.data, len(self.words)
        precision, mask = self._precision, (1 << self._precision) - 1
        chooser = self._chooser
        for i in range(len(slots)):
            lane = i % lanes
            state = states[lane]
            slot = place[i] | state & mask
            if chooser is not None:
                slot = chooser.mark_one(slot, lane)
            place[i] = slot
            entry = steps[slot]
            if chooser is not None:
                chooser.advance_one(entry, lane)
            state = (entry >> 16) * (state >> precision) + (entry & mask)
            if state < LOWEST:
                state = state << 16 | (words[position] if position < end else 0)
                position += 1
            states[lane] = state
        self.states[:] = states
        self.position = position

    def _run(self, slots: npt.NDArray[np.uint32], lanes: int) -> None:
        """Turns table << 14 into table << 14 | slot for every value."""
        states, words, steps, position = self.states, self.words, self._steps, self.position
        entry, factor = np.empty(lanes, np.uint32), np.empty(lanes, np.uint32)
        low = np.empty(lanes, bool)
        precision, mask = self._precision, (1 << self._precision) - 1
        chooser = self._chooser
        for begin in range(0, len(slots), lanes):
            row = slots[begin : begin + lanes]
            if len(row) < lanes:  # the last step has no values for the last lanes
                states, entry, factor, low = (a[: len(row)] for a in (states, entry, factor, low))
            np.bitwise_and(states, mask, out=factor)
            np.bitwise_or(row, factor, out=row)
            if chooser is not None:
                chooser.mark(row)
            steps.take(row, out=entry, mode="wrap")  # indices are in range; this mode copies nothing
            if chooser is not None:
                chooser.advance(entry)
            np.right_shift(states, precision, out=states)
            np.right_shift(entry, 16, out=factor)
            np.multiply(states, factor, out=states)
            np.bitwise_and(entry, mask, out=entry)
            np.add(states, entry, out=states)
            np.less(states, LOWEST, out=low)
            refill = low.nonzero()[0]
            count = refill.size
            if count:
                taken = words[position : position + count]
                if taken.size < count:  # the end of the words: zeros, and `missing` tells
                    taken = np.concatenate([taken, np.zeros(count - taken.size, words.dtype)])
                states[refill] = (states[refill] << 16) | taken
                position += count
        self.position = position

    @property
    def missing(self) -> int:
        """Words that were taken beyond the end."""
        return max(0, self.position - len(self.words))


class Encoder:
    """Informative: the inverse of `Decoder`; parts are put in from the last one to the first.

    Args:
        lanes: number of lanes.
    """

    def __init__(self, lanes: int) -> None:
        self.states = np.full(lanes, LOWEST, np.uint32)
        self._parts: list[Words] = []

    @property
    def words(self) -> Words:
        """The words, in the order in which lanes take them."""
        return np.concatenate(self._parts[::-1]) if self._parts else np.empty(0, np.uint16)

    def put(self, tables: Tables, contexts: Contexts, symbols: npt.NDArray[np.uint16]) -> None:
        """Symbols that are decoded before those that were put in.

        Args:
            tables: every symbol that occurs has a frequency in its table.
            contexts, symbols: table and symbol of every value.
        """
        coding, lanes = tables.coding, len(self.states)
        width = coding.shape[1]
        part = max(1, CHUNK // lanes) * lanes
        for begin in reversed(range(0, len(symbols), part)):
            index = contexts[begin : begin + part].astype(np.int32)
            index *= width
            index += symbols[begin : begin + part]
            self._put(coding.reshape(-1).take(index), tables)

    def _put(self, entries: npt.NDArray[np.uint32], tables: Tables) -> None:
        states, lanes = self.states, len(self.states)
        loop = compiled(loops.encode)
        if loop is not None:
            out = np.empty(len(entries), np.uint16)
            self._parts.append(out[loop(entries, states, out, tables.precision) :])
            return
        factor, start, temporary = (np.empty(lanes, np.uint32) for _ in range(3))
        full = np.empty(lanes, bool)
        out = np.empty(len(entries), np.uint16)  # at most one word a value
        place = len(out)
        for first in reversed(range(0, len(entries), lanes)):
            row = entries[first : first + lanes]
            k = len(row)
            state, f, c, t, m = states[:k], factor[:k], start[:k], temporary[:k], full[:k]
            np.right_shift(row, 16, out=f)
            np.bitwise_and(row, 0xFFFF, out=c)
            np.right_shift(state, 32 - tables.precision, out=t)
            np.greater_equal(t, f, out=m)
            spill = m.nonzero()[0]
            if spill.size:
                given = state[spill]
                place -= spill.size
                out[place : place + spill.size] = given & 0xFFFF
                state[spill] = given >> 16
            np.floor_divide(state, f, out=t)
            np.subtract(tables.total, f, out=f)
            np.multiply(t, f, out=t)
            np.add(state, t, out=state)
            np.add(state, c, out=state)
        self._parts.append(out[place:])


def encode(tables: Tables, contexts: Contexts, symbols: npt.NDArray[np.uint16], lanes: int) -> tuple[States, Words]:
    """Informative: states and words from which `Decoder` gives the symbols.

    Args:
        tables: every symbol that occurs has a frequency in its table.
        contexts, symbols: table and symbol of every value.
        lanes: number of lanes.
    """
    encoder = Encoder(lanes)
    encoder.put(tables, contexts, symbols)
    return encoder.states, encoder.words
