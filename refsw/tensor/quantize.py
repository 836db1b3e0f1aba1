"""Informative counterpart of 7.4: the pre-quantizers as this encoder applies them.

The levels are those whose decision intervals, in the quantizer's own domain, the elements fall into. The
decision thresholds are exact, so that every machine gets the same levels whatever its logarithm.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from refsw.errors import FeatureError
from refsw.syntax.codes import Quantizer
from refsw.tensor.axes import Array
from refsw.tensor.dequantize import Range, log_ceilings


def level_dtype(bit_depth: int) -> type[np.uint8] | type[np.uint16]:
    """The dtype that holds levels: uint8 up to 8 bits, else uint16."""
    return np.uint8 if bit_depth <= 8 else np.uint16


def to_binary32(sample: Array) -> npt.NDArray[np.float32]:
    """Elements of any float dtype as binary32, the format in which ranges are sent.

    Raises:
        FeatureError: NaN, infinity, or a magnitude beyond binary32.
    """
    if sample.dtype != np.float32:
        with np.errstate(over="ignore", invalid="ignore"):
            sample = sample.astype(np.float32)
    # One pass: the sum of extrema is finite exactly if all elements are (max and min propagate NaN).
    if sample.size and not (np.isfinite(sample.max()) and np.isfinite(sample.min())):
        where = np.unravel_index(int(np.flatnonzero(~np.isfinite(sample))[0]), sample.shape)
        raise FeatureError(
            f"the element at {tuple(map(int, where))} of the sample (channel, row, column) is {sample[where]}: "
            "NaN, infinity and values beyond binary32 cannot be coded by a quantizer"
        )
    return sample


def element_range(sample: npt.NDArray[np.float32], clip: float = 100.0) -> tuple[float, float]:
    """Minimum and maximum of a sample; with `clip` below 100, of its central share in percent.

    `clip` is a percentile: 99.9 takes for the maximum the element that 0.1 % of the elements exceed, and
    for the minimum the one that 0.1 % fall below. No interpolation: the range is made of elements.
    """
    if clip >= 100:
        low, high = float(sample.min()), float(sample.max())
    else:
        rank = round((sample.size - 1) * clip / 100)
        other = sample.size - 1 - rank
        ordered = np.partition(sample.reshape(-1), (other, rank))
        low, high = float(ordered[other]), float(ordered[rank])
    return low + 0.0, high + 0.0  # negative zero becomes positive


def quantize(
    sample: npt.NDArray[np.float32], quantizer: Quantizer, bit_depth: int, limits: tuple[Range, Range]
) -> Array:
    """Levels of a sample: same shape, uint8 or uint16; elements outside the range are clipped to it.

    LOG is MM'19 (5), LOG_NONNEGATIVE is 000 (4), UNIFORM is 004 (2)(3); round is to the nearest level.

    Args:
        sample: binary32 of any shape.
        quantizer, bit_depth: as in the parameter set.
        limits: minimum and maximum, numbers or arrays of the sample's shape; each minimum below its maximum.
    """
    top = (1 << bit_depth) - 1
    if quantizer is Quantizer.UNIFORM:
        low, high = np.float64(limits[0]), np.float64(limits[1])
        scaled = np.clip(sample, low, high, dtype=np.float64)
        scaled -= low
        scaled *= top / (high - low)
        levels: Array = np.rint(scaled, out=scaled).astype(level_dtype(bit_depth))
        return levels
    guess = _guess_log(sample, top, *limits)
    if isinstance(limits[0], float) and isinstance(limits[1], float) and sample.size > top:
        thresholds = _log_thresholds(top, limits[0], limits[1])
        guess += sample >= thresholds[guess + 1]
        guess -= sample < thresholds[guess]
    else:  # a table would be larger than the sample
        flat, level = sample.reshape(-1), guess.reshape(-1)
        lows, highs = (np.broadcast_to(np.asarray(limit, np.float32), sample.shape).reshape(-1) for limit in limits)
        above, own = np.minimum(2 * level + 1, 2 * top - 1), np.maximum(2 * level - 1, 1)
        level += (level < top) & (flat >= log_ceilings(lows, highs, above, 2 * top))
        level -= (own == 2 * level - 1) & (flat < log_ceilings(lows, highs, own, 2 * top))
    return guess.astype(level_dtype(bit_depth))


def _guess_log(sample: npt.NDArray[np.float32], top: int, minimum: Range, maximum: Range) -> npt.NDArray[np.int64]:
    """Levels by a fast logarithm, at most one off: to be compared with exact thresholds."""
    work = np.clip(sample, np.float32(minimum), np.float32(maximum))
    span = np.float64(maximum) - np.float64(minimum)
    if top > 255 or np.max(np.abs(minimum)) > 2**20 or not 2**-20 < np.min(span) <= np.max(span) < 2**60:
        work = work.astype(np.float64)
    work = work - work.dtype.type(minimum)
    np.log1p(work, out=work)
    work *= (top / np.log1p(span)).astype(work.dtype)
    guess = np.rint(work, out=work).astype(np.int64)
    return np.clip(guess, 0, top, out=guess)


@lru_cache(maxsize=64)
def _log_thresholds(top: int, minimum: float, maximum: float) -> npt.NDArray[np.float32]:
    """Element i is the least binary32 of level i; infinities at both ends."""
    inner = log_ceilings(minimum, maximum, 2 * np.arange(1, top + 1) - 1, 2 * top)
    return np.concatenate([[np.float32(-np.inf)], inner, [np.float32(np.inf)]]).astype(np.float32)
