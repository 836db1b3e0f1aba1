"""Informative: an encoder's arrangement of the tables of a unit: which tensors share tables, which have their own."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refsw.entropy.logarithms import FRACTION, log2_fixed
from refsw.entropy.rans import CHUNK, Frequencies
from refsw.models.labels import Labelling
from refsw.models.symbols import Symbols
from refsw.models.tables import SAME, TOTAL, Counts, entropy, merge, normalize, table_bits
from refsw.syntax.declaration import Values
from refsw.syntax.model_structures import MAX_DISTINCT_TABLES, MAX_TABLES

MOST_FREQUENT = TOTAL - 32
LOGARITHM_ERROR = 3
"""Log2 of what the logarithms of a count may be off, in units of 2^-FRACTION: some units each."""
POOL_SPAN = 512
POOL_TABLES = MAX_DISTINCT_TABLES // 2
Member = tuple[tuple[int, ...], Labelling, Symbols, bool]
"""Shape, labelling, symbols of a tensor, and whether it is new."""


@dataclass(frozen=True)
class Arrangement:
    """The tables of a unit.

    Args:
        labellings: those of the tensors, with table numbers from 0 on.
        rows: frequencies of the distinct tables.
        index: distinct table of every table number: uint8.
        syntax: the syntax elements of every table number.
    """

    labellings: list[Labelling]
    rows: list[Frequencies]
    index: npt.NDArray[np.uint8]
    syntax: list[Values]

    def rows_of(self, t: int, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """The distinct table of every value of a tensor."""
        return self.index[self.labellings[t].contexts(shape)]


def arrange(members: Sequence[Member], precision: int) -> Arrangement:
    """Tables for the tensors of a unit: of its own for a tensor where that saves bits, shared for the others."""
    counts = [_counts(shape, labelling, symbols) for shape, labelling, symbols, _ in members]
    width = max(c.shape[1] for c in counts) + 1
    counts = [_widened(c, width) for c in counts]
    places = _pool_places([labelling for _, labelling, _, _ in members], [len(c) for c in counts])
    height = max(place + len(c) for place, c in zip(places, counts, strict=True))
    pool = np.zeros((height, width), np.int64)
    for place, c in zip(places, counts, strict=True):
        pool[place : place + len(c)] += c
    own = _own(counts, places, pool, precision)
    for number in own:
        pool[places[number] : places[number] + len(counts[number])] -= counts[number]
    blocks, leaders = ([], []) if len(own) == len(members) else ([pool], [merge(pool, precision, POOL_TABLES)])
    begin = [0] * len(members)
    top = len(pool) if blocks else 0
    for number in own:
        begin[number] = top
        top += len(counts[number])
        blocks.append(counts[number])
        leaders.append(own[number])
    offsets = [begin[i] if i in own else places[i] for i in range(len(members))]
    labellings = [
        Labelling(offset, labelling.step, labelling.groups, labelling.labels)
        for offset, (_, labelling, _, _) in zip(offsets, members, strict=True)
    ]
    capped = any(is_new for *_, is_new in members)
    return _tables(labellings, blocks, leaders, precision, capped)


def _counts(shape: tuple[int, ...], labelling: Labelling, symbols: Symbols) -> Counts:
    """How often every symbol occurs with every sum of labels: int64 of shape (sums, symbols)."""
    relative = Labelling(0, labelling.step, labelling.groups, labelling.labels)
    height, width = relative.highest() + 1, int(symbols.max(initial=0)) + 1
    if not labelling.groups:
        return np.bincount(symbols, minlength=width).astype(np.int64)[None]
    contexts = relative.contexts(shape)
    counts = np.zeros(height * width, np.int64)
    for start in range(0, len(symbols), CHUNK):
        at = contexts[start : start + CHUNK].astype(np.int64)
        at *= width
        at += symbols[start : start + CHUNK]
        found = np.bincount(at)
        counts[: found.size] += found
    return counts.reshape(height, width)


def _pool_places(labellings: list[Labelling], heights: list[int]) -> list[int]:
    """Where each tensor's tables begin among the shared ones, by the scale of its values."""
    lowest = min(labelling.table_offset for labelling in labellings)
    return [
        max(0, min(labelling.table_offset - lowest, POOL_SPAN - height))
        for labelling, height in zip(labellings, heights, strict=True)
    ]


def _widened(counts: Counts, width: int) -> Counts:
    out = np.zeros((len(counts), width), np.int64)
    out[:, : counts.shape[1]] = counts
    return out


def _own(counts: list[Counts], places: list[int], pool: Counts, precision: int) -> dict[int, Counts]:
    """The tensors that save bits with tables of their own, those that save the most first: which of them are one.

    Tables are merged only where a bound of what can be saved asks for it: of many small tensors next to none saves any.
    """
    logarithms = log2_fixed(pool.sum(axis=1))[:, None] - log2_fixed(pool)
    shared = [int((c * logarithms[p : p + len(c)]).sum()) for c, p in zip(counts, places, strict=True)]
    waiting = []  # what is saved at most, or exactly, of every tensor that may save some; the most first
    for number, c in enumerate(counts):
        gain = shared[number] - _least(c, precision)
        if gain > 0:
            waiting.append((-gain, -number))
    heapq.heapify(waiting)
    merged: dict[int, tuple[Counts, int]] = {}
    chosen, tables, distinct = dict[int, Counts](), len(pool), min(len(pool), POOL_TABLES)
    while waiting and tables < MAX_TABLES and distinct < MAX_DISTINCT_TABLES:
        number = -heapq.heappop(waiting)[1]
        c = counts[number]
        if number not in merged:
            groups = merge(c, precision, MAX_DISTINCT_TABLES)
            joined = np.array([c[groups == g].sum(axis=0) for g in np.unique(groups)])
            merged[number] = groups, len(joined)
            alone = int(entropy(joined).sum()) + (int(table_bits(joined, precision).sum() + len(c)) << FRACTION)
            if shared[number] > alone:
                heapq.heappush(waiting, (alone - shared[number], -number))
            continue
        groups, needed = merged[number]
        if tables + len(c) <= MAX_TABLES and distinct + needed <= MAX_DISTINCT_TABLES:
            chosen[number] = groups
            tables += len(c)
            distinct += needed
    return dict(sorted(chosen.items()))


def _least(counts: Counts, precision: int) -> int:
    """Bits x 2^FRACTION below which no merging of a tensor's own tables comes.

    Tables that are merged code no better than each did, and take no fewer bits than the longest.
    """
    slack = int(counts.sum()) << LOGARITHM_ERROR
    bits = int(table_bits(counts, precision).max()) + len(counts)
    return int(entropy(counts).sum()) - slack + (bits << FRACTION)


def _tables(
    labellings: list[Labelling], blocks: list[Counts], leaders: list[Counts], precision: int, capped: bool
) -> Arrangement:
    rows, index, syntax = list[Frequencies](), list[int](), list[Values]()
    for counts, leader in zip(blocks, leaders, strict=True):
        for t in range(len(counts)):
            if leader[t] != t:
                syntax.append(SAME)
            else:
                joined = counts[leader == t].sum(axis=0)
                if capped:
                    _cap(joined)
                row, elements = normalize(joined if joined.any() else np.array([1]), precision)
                rows.append(row)
                syntax.append(elements)
            index.append(len(rows) - 1)
    return Arrangement(labellings, rows, np.array(index, np.uint8), syntax)


def second_tables(
    plan: Arrangement, counts: Counts, precision: int, capped: bool
) -> tuple[list[Frequencies], list[Values]]:
    """10.6.2 Tables of a plan with second ones where these save bits.

    Args:
        plan: the arrangement.
        counts: how often every symbol occurs: shape (distinct tables, 2, symbols).
        precision: of frequencies.
        capped: see `_cap`.

    Returns:
        Two frequency tables for every distinct one, and the elements of every table number.
    """

    def cost(rows: Counts) -> npt.NDArray[np.int64]:
        return entropy(rows) + (table_bits(rows, precision) << FRACTION)

    apart = cost(counts[:, 0]) + cost(counts[:, 1]) < cost(counts.sum(axis=1))
    rows, elements = list[Frequencies](), list[Values]()
    for own, differ in zip(counts, apart, strict=True):
        found = []
        for part in own if differ and own.any(axis=1).all() else [own.sum(axis=0)]:
            if capped:
                _cap(part)
            found.append(normalize(part if part.any() else np.array([1]), precision))
        rows += [found[0][0], found[-1][0]]
        second = found[1][1] if len(found) == 2 else SAME
        elements.append(found[0][1] | {f"second_{name}": value for name, value in second.items()})
    syntax = [
        elements[row] if t == 0 or row != plan.index[t - 1] else _SAME_TWICE
        for t, row in enumerate(plan.index.tolist())
    ]
    return rows, syntax


_SAME_TWICE = SAME | {f"second_{name}": value for name, value in SAME.items()}


def _cap(counts: Counts) -> None:
    """10.9.2 New tensors cost some bits however alike their values are: no symbol is all but certain."""
    most, total = int(counts.argmax()), int(counts.sum())
    if int(counts[most]) * TOTAL > total * MOST_FREQUENT:
        counts[1 if most == 0 else 0] += max(1, total * (TOTAL - MOST_FREQUENT) // TOTAL)
