"""Informative: logarithms in integers, so that an encoder's choices are the same on every machine."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

FRACTION = 16
SMALL = 1 << 16


@cache
def _fractions() -> npt.NDArray[np.int64]:
    """round(2^FRACTION log2(1 + i / 4096)), i = 0 to 4096, by repeated squaring of integers."""
    table = []
    for i in range(4097):
        x, result = (4096 + i) << 52, 0
        one = 1 << 64
        for _ in range(FRACTION + 1):
            if x >= 2 * one:
                x >>= 1
                result += 1
            result <<= 1
            x = x * x >> 64
        table.append((result + 1) >> 1 if i else 0)
    return np.array(table, np.int64)


def log2_fixed(n: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """2^FRACTION log2(n) of positive integers below 2^52, in integers; 0 for n = 0."""
    numbers = np.asarray(n, np.int64)
    if numbers.size and int(numbers.max()) < SMALL:
        small: npt.NDArray[np.int64] = _small_logarithms()[numbers]
        return small
    return _logarithms(numbers)


@cache
def _small_logarithms() -> npt.NDArray[np.int64]:
    return _logarithms(np.arange(SMALL))


def _logarithms(n: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    x = np.maximum(n, 1)
    exponent = np.frexp(x.astype(np.float64))[1].astype(np.int64) - 1  # exact: x has at most 52 bits
    mantissa = np.where(exponent >= 24, x >> np.maximum(exponent - 24, 0), x << np.maximum(24 - exponent, 0))
    place, rest = (mantissa >> 12) & 0xFFF, mantissa & 0xFFF
    table = _fractions()
    out: npt.NDArray[np.int64] = (exponent << FRACTION) + table[place]
    out += (table[place + 1] - table[place]) * rest >> 12
    return out
