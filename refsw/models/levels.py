"""10.6.7 Levels: values with a grid of their own, coded with two quantizers in turn, plane by plane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from refsw.entropy.rawbits import RawReader
from refsw.models.arithmetic import Integers
from refsw.models.quantizers import SECOND
from refsw.models.symbols import DIRECT, DIRECT_LOG2, KEPT_BITS, Magnitudes, Symbols, bases, raw_length, to_symbols
from refsw.syntax.codes import ValueQuantizer

LEVEL_LIMIT_LOG2 = 61
LAST_OF_LEVELS = 2 * (DIRECT + ((LEVEL_LIMIT_LOG2 - DIRECT_LOG2) << KEPT_BITS)) - 2
"""The greatest symbol whose levels are all below 2^61."""
_Kind = TypeVar("_Kind", bound=np.generic)
EXACT = 2 * SECOND
"""Added to a symbol of an exact tensor, whose values are the levels themselves."""


@cache
def parity_bases() -> Integers:
    """10.6.7 The level of every symbol up to LAST_OF_LEVELS whose raw bits are 0, in DEPENDENT units."""
    table = np.zeros(SECOND, np.int64)
    for symbol in range(1, LAST_OF_LEVELS + 1):
        magnitude = (symbol + 1) >> 1
        if magnitude >= DIRECT:
            octave, kept = divmod(magnitude - DIRECT, 1 << KEPT_BITS)
            magnitude = ((2 + (kept >> 1)) << (octave + DIRECT_LOG2 - KEPT_BITS + 1)) + (kept & 1)
        table[symbol] = -magnitude if symbol & 1 else magnitude
    return table


@cache
def _reconstruction(quantizer: ValueQuantizer) -> tuple[Integers, npt.NDArray[np.int64]]:
    """Values with raw bits 0 by symbol, quantizer and EXACT; and what a raw bit is worth in each of the three cases."""
    dependent = quantizer is ValueQuantizer.DEPENDENT
    levels = parity_bases() if dependent else np.where(np.arange(SECOND) <= LAST_OF_LEVELS, bases(), 0)
    step = 2 if dependent else 1
    table = np.concatenate([2 * levels, 2 * levels - np.sign(levels), levels])
    return table, np.array([2 * step, 2 * step, step])


def to_residuals(symbols: Symbols, raw: RawReader, quantizer: ValueQuantizer) -> Integers:
    """10.6.7 Residuals from symbols, with SECOND or EXACT added, in order; takes their raw bits."""
    table, worth = _reconstruction(quantizer)
    out = table[symbols]
    lengths = raw_length(symbols & np.uint16(SECOND - 1))
    where = np.flatnonzero(lengths)
    if where.size:
        chosen = symbols[where]
        bits = raw.take(lengths[where]).view(np.int64) * worth[chosen // SECOND]
        out[where] += np.where(chosen & 1, -bits, bits)
    return out


def to_level_symbols(levels: Integers, quantizer: ValueQuantizer) -> tuple[Symbols, Magnitudes]:
    """Informative: the symbols of levels, and numbers whose low bits are the raw bits."""
    symbols, magnitudes = to_symbols(levels)
    if quantizer is not ValueQuantizer.DEPENDENT:
        return symbols, magnitudes
    large = np.flatnonzero(symbols >= 2 * DIRECT - 1)
    if large.size:
        size, odd = magnitudes[large], (magnitudes[large] & np.uint64(1)).astype(np.uint16)
        class_ = (symbols[large] + 1 >> 1) & ~np.uint16(1) | odd
        symbols[large] = 2 * class_ - (symbols[large] & 1)
        magnitudes = magnitudes.copy()
        magnitudes[large] = size >> np.uint64(1)
    return symbols, magnitudes


class Planes:
    """10.6.7 The order of the values of a unit: plane by plane, in each of them tensor by tensor.

    Args:
        counts: values of every tensor.
        taps: length of the runs of every tensor that has a predictor, 1 for the others.
    """

    def __init__(self, counts: Sequence[int], taps: Sequence[int]) -> None:
        self.counts, self.taps = counts, taps
        self.depth = max(taps, default=1)

    def gather(self, tensors: Sequence[npt.NDArray[_Kind]]) -> npt.NDArray[_Kind]:
        """Values of every tensor in raster order -> all of them in planes."""
        parts = [tensors[t][p::taps] for p, t, taps in self._parts()]
        return np.concatenate(parts) if parts else tensors[0]

    def scatter(self, values: npt.NDArray[_Kind]) -> Iterator[npt.NDArray[_Kind]]:
        """All values in planes -> those of every tensor, in raster order."""
        places: list[list[int]] = [[] for _ in self.counts]
        begin = 0
        for _, t, taps in self._parts():
            places[t].append(begin)
            begin += self.counts[t] // taps
        for starts, count, taps in zip(places, self.counts, self.taps, strict=True):
            out = np.empty(count, values.dtype)
            for p, start in enumerate(starts):
                out[p::taps] = values[start : start + count // taps]
            yield out

    def _parts(self) -> Iterator[tuple[int, int, int]]:
        """Plane, tensor and taps of everything that stands together."""
        left = [t for t, count in enumerate(self.counts) if count]
        for p in range(self.depth):
            left = [t for t in left if self.taps[t] > p]
            for t in left:
                yield p, t, self.taps[t]
