"""Informative: what levels cost an encoder, from counts of symbols, in integers: the same on every machine."""

from __future__ import annotations

from functools import cache

import numpy as np

from refsw.entropy.logarithms import FRACTION, log2_fixed
from refsw.models import trellis
from refsw.models.arithmetic import Integers
from refsw.models.levels import to_level_symbols
from refsw.models.symbols import Symbols, raw_length
from refsw.models.tables import Counts
from refsw.models.trellis import REACH, Costs
from refsw.syntax.codes import ValueQuantizer

LAMBDA_LOG2 = 12
"""Lambda comes in units of 2^-12: squares of the grid for a bit."""
TOLD_APART = 6
"""Levels up to this magnitude are counted one by one, greater ones with their neighbours and both signs together."""
WEIGHT_LOG2 = 10
UNSEEN = 1 << (WEIGHT_LOG2 - 2)


@cache
def _level_symbols(quantizer: ValueQuantizer) -> tuple[Symbols, Integers]:
    """Symbols and raw bits of the levels -REACH to REACH."""
    symbols, _ = to_level_symbols(np.arange(-REACH, REACH + 1), quantizer)
    return symbols, raw_length(symbols)


def level_bits(counts: Counts, quantizer: ValueQuantizer) -> Integers:
    """Bits x 2^FRACTION of every level, from what was counted.

    Args:
        counts: how often each symbol occurs: shape (..., symbols).

    Returns:
        Shape (..., 2 REACH + 1).
    """
    symbols, raw = _level_symbols(quantizer)
    wide = np.zeros((*counts.shape[:-1], max(counts.shape[-1], int(symbols.max()) + 1)), np.int64)
    wide[..., : counts.shape[-1]] = counts
    weights = (wide[..., symbols] << WEIGHT_LOG2) >> raw
    both = weights[..., REACH:] + weights[..., REACH::-1]
    sums = np.concatenate([np.zeros((*both.shape[:-1], 1), np.int64), np.cumsum(both, axis=-1)], axis=-1)
    magnitudes = np.arange(REACH + 1)
    around = np.minimum(np.maximum(0, magnitudes - TOLD_APART) // TOLD_APART, REACH - magnitudes)
    among = sums[..., magnitudes + around + 1] - sums[..., magnitudes - around]
    smooth = among // (2 * (2 * around + 1))
    signed = np.concatenate([smooth[..., :0:-1], smooth], axis=-1)
    near = np.abs(np.arange(-REACH, REACH + 1)) <= TOLD_APART
    weights = np.where(near, weights, signed) + UNSEEN
    total = (wide.sum(axis=-1) << WEIGHT_LOG2) + UNSEEN
    limit = (1 << 52) - 1
    return log2_fixed(np.minimum(total, limit))[..., None] - log2_fixed(np.minimum(weights, limit))


def level_costs(counts: Counts, quantizer: ValueQuantizer, weight: int) -> Costs:
    """Costs of every level for `trellis`, with lambda = weight / 2^LAMBDA_LOG2."""
    shift = FRACTION + LAMBDA_LOG2 - 2 * trellis.FRACTION
    return ((level_bits(counts, quantizer) * weight + (1 << shift >> 1)) >> shift).astype(np.int32)
