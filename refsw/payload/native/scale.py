"""8.6.2 Numbers that the native payload is built on: magnitudes, bins, tokens, probabilities."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]

ONE = 256
"""A quantization step, in the unit of magnitudes."""
MOST = 32767
"""The greatest magnitude that a context tells from others."""
MAGNITUDES = 64
BINS, KINDS = 48, 3
DIRECT, TOKENS = 16, 64
ESCAPE, ESCAPE_BITS = 64, 16
PRECISION = 12
PROBABILITY_BITS = 20
WEIGHT_BITS = 10


@cache
def magnitudes() -> Small:
    """8.6.2.1 The magnitude of every index, four an octave, in 1/256 step: int32 of shape (64,)."""
    quarters = (256, 304, 362, 431)
    exact = [(quarters[c % 4] * (1 << c // 4) + 128) >> 8 for c in range(MAGNITUDES)]
    return np.minimum(exact, MOST).astype(np.int32)


@cache
def thresholds() -> Small:
    """8.6.2.2 The least expected magnitude, in 2^-18 step, of the bins 1 to 47: the powers 2^(11.5 + i / 3.5)."""
    # ceil(2^(11.5 + 2 i / 7)): the 14th power of a threshold is an integer, so that a comparison of integers decides.
    found = []
    for i in range(1, BINS):
        power = 2 ** (161 + 4 * i)
        root = int(2 ** (11.5 + i / 3.5))
        while root**14 < power:
            root += 1
        while (root - 1) ** 14 >= power:
            root -= 1
        found.append(root)
    return np.array(found, np.int32)


@cache
def token_bases() -> Small:
    """8.6.2.3 The least value of every token; 0 for the escape."""
    bases = list(range(DIRECT))
    bases += [(4 + k) << (o + 2) for o in range((TOKENS - DIRECT) // 4) for k in range(4)]
    return np.array([*bases, 0], np.int32)


@cache
def token_bases_end() -> Small:
    """8.6.2.3 The least value of every token, and of the token after the last one."""
    return np.array([*token_bases()[:TOKENS], 1 << ESCAPE_BITS], np.int32)


@cache
def token_bits() -> Integers:
    """8.6.2.3 The number of raw bits of every token."""
    bits = [0] * DIRECT + [o + 2 for o in range((TOKENS - DIRECT) // 4) for _ in range(4)]
    return np.array([*bits, ESCAPE_BITS], np.int64)


@cache
def tokens() -> npt.NDArray[np.uint8]:
    """8.6.2.3 The token of every value below 2^16."""
    values = np.arange(1 << ESCAPE_BITS)
    return (np.searchsorted(token_bases()[:TOKENS], values, side="right") - 1).astype(np.uint8)


def probability(code: int) -> int:
    """8.6.2.4 A probability, in 2^-20, from a code of 0 to 255; eight codes an octave towards 0 and 1."""
    distance = code if code < 128 else 255 - code
    small = (8 + distance % 8) << distance // 8
    return small if code < 128 else (1 << PROBABILITY_BITS) - small


def frequencies(codes: bytes) -> list[int]:
    """8.6.2.4 The frequencies of the tokens 0 to len(codes) - 1, and of the escape, of a table; their sum is 2^12."""
    rest = (1 << PRECISION) - len(codes) - 1
    found = []
    for code in codes:
        share = (rest * probability(code) + (1 << PROBABILITY_BITS - 1)) >> PROBABILITY_BITS
        found.append(1 + share)
        rest -= share
    return [*found, 1 + rest]


def nearest_code(share: float) -> int:
    """Informative: the code whose probability is nearest to a share, by its logarithm."""
    small = min(share, 1 - share)
    if small <= 0:
        return 0 if share <= 0.5 else 255
    scaled = small * (1 << PROBABILITY_BITS)
    best = min(range(128), key=lambda c: abs(math.log(probability(c)) - math.log(max(scaled, 1e-9))))
    return best if share < 0.5 else 255 - best
