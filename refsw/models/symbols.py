"""10.6.1 Values as symbols and raw bits: a symbol tells the sign and the class of the magnitude."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from refsw.entropy.rawbits import RawReader, pack
from refsw.models.arithmetic import Integers

DIRECT_LOG2 = 4
DIRECT = 1 << DIRECT_LOG2
KEPT_BITS = 2
_REACH = 1 << 11

Symbols = npt.NDArray[np.uint16]
Magnitudes = npt.NDArray[np.uint64]


def raw_length(symbols: Symbols) -> npt.NDArray[np.int64]:
    """10.6.1 Number of raw bits after a symbol."""
    return _lengths()[symbols]


@cache
def _lengths() -> npt.NDArray[np.int64]:
    magnitude_class = (np.arange(1 << 16, dtype=np.int64) + 1) >> 1
    octave = (magnitude_class - DIRECT) >> KEPT_BITS
    return np.where(magnitude_class < DIRECT, 0, octave + DIRECT_LOG2 - KEPT_BITS)


@cache
def bases() -> Integers:
    """10.6.1 The value of every symbol whose raw bits are 0; values that need 64 bits wrap to the negative."""
    table = np.zeros(512, np.int64)
    for symbol in range(1, 511):
        magnitude_class = (symbol + 1) >> 1
        if magnitude_class < DIRECT:
            magnitude = magnitude_class
        else:
            octave, kept = divmod(magnitude_class - DIRECT, 1 << KEPT_BITS)
            magnitude = ((1 << KEPT_BITS) + kept) << (octave + DIRECT_LOG2 - KEPT_BITS)
        signed = -magnitude if symbol & 1 else magnitude
        table[symbol] = (signed + 2**63) % 2**64 - 2**63
    return table


def to_symbols(values: Integers) -> tuple[Symbols, Magnitudes]:
    """10.6.1 The symbols of values, and their magnitudes (whose low bits are the raw bits)."""
    small, magnitudes = _near(), np.abs(values).view(np.uint64)  # |-2^63| keeps its bits, as unsigned the right value
    largest = int(magnitudes.max(initial=0))
    if largest < _REACH:
        return small[values + _REACH], magnitudes
    near = magnitudes < _REACH
    symbols = small[np.where(near, values, 0) + _REACH]
    far = ~near
    symbols[far] = _classify(values[far], magnitudes[far])
    return symbols, magnitudes


@cache
def _near() -> Symbols:
    values = np.arange(-_REACH, _REACH + 1, dtype=np.int64)
    return _classify(values, np.abs(values).view(np.uint64))


def _classify(values: Integers, magnitudes: Magnitudes) -> Symbols:
    # Halves of 32 bits are exact in binary64, so that frexp gives the place of the first one bit.
    high = (magnitudes >> np.uint64(32)).astype(np.float64)
    low = (magnitudes & np.uint64(0xFFFFFFFF)).astype(np.float64)
    exponent = np.where(high > 0, np.frexp(high)[1] + 31, np.frexp(low)[1] - 1).astype(np.int64)
    shift = np.maximum(exponent - KEPT_BITS, 0).astype(np.uint64)
    kept = ((magnitudes >> shift) & np.uint64((1 << KEPT_BITS) - 1)).astype(np.int64)
    classes = np.where(
        magnitudes < DIRECT,
        magnitudes.view(np.int64),
        DIRECT + ((exponent - DIRECT_LOG2) << KEPT_BITS) + kept,
    )
    return np.where(classes == 0, 0, 2 * classes - (values < 0)).astype(np.uint16)


def to_values(symbols: Symbols, raw: RawReader | None) -> Integers:
    """10.6.1 The values of symbols, in order; takes their raw bits."""
    values = bases()[symbols]
    if raw is not None:
        lengths = raw_length(symbols)
        where = np.flatnonzero(lengths)
        if where.size:
            bits = raw.take(lengths[where]).view(np.int64)
            # Two's complement wraps alike for magnitudes of 64 bits.
            values[where] += np.where(symbols[where] & 1, -bits, bits)
    return values


def pack_raw(symbols: Symbols, magnitudes: Magnitudes) -> bytes:
    """10.6.4 The raw bits of values as bytes."""
    lengths = raw_length(symbols)
    where = np.flatnonzero(lengths)
    return pack(lengths[where], magnitudes[where])
