"""10.4 From values to elements and back: quantization steps, rounding, words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from refsw.errors import UsageError
from refsw.syntax.codes import ElementType, StepMultiplier
from refsw.tensor.axes import DTYPES, Array

Integers = npt.NDArray[np.int64]
MULTIPLIERS = {StepMultiplier.ONE: 1, StepMultiplier.TWO: 2, StepMultiplier.FIVE: 5}
MAX_DIGITS = 15
CHUNK = 1 << 18
EXACT_INTEGER = 1 << 53
GRID_LOG2 = 10
_BELOW = 2.0**63


class Rounding(StrEnum):
    """Informative: how an encoder rounds a difference to a multiple of the step."""

    NEAREST = "nearest"
    DEAD_ZONE = "dead-zone"
    LITERAL = "literal"


@dataclass(frozen=True, slots=True)
class Step:
    """10.4.1 The quantization step m x 10^-digits.

    Digital retina, (6) and (7): digits is s_bits - q_bits, the "compression bits" of its Table 4.
    """

    digits: int
    multiplier: StepMultiplier = StepMultiplier.ONE

    def __post_init__(self) -> None:
        if not 0 <= self.digits <= MAX_DIGITS:
            raise UsageError(f"{self.digits} decimal digits; a step has 0 to {MAX_DIGITS}")

    @property
    def m(self) -> int:
        """1, 2 or 5."""
        return MULTIPLIERS[self.multiplier]

    @property
    def scale(self) -> float:
        """10^digits, exact in binary64."""
        return float(10**self.digits)

    def __str__(self) -> str:
        return f"{self.m}e-{self.digits}"

    def grid(self, g: int) -> Grid:
        """10.4.2 The grid of g / 2^10 of the step."""
        return Grid(self.m * g, self.scale * (1 << GRID_LOG2))


@dataclass(frozen=True, slots=True)
class Grid:
    """10.4.2 The multiples of m / scale, scale being exact in binary64."""

    m: int
    scale: float


def differences(values: Integers, step: Step | Grid) -> npt.NDArray[np.float64]:
    """10.4.2 Binary64( v x m ) / 10^k, or with a grid Binary64( v x m x g ) / (2^10 x 10^k)."""
    d: npt.NDArray[np.float64] = (values * step.m).astype(np.float64)
    d /= step.scale
    return d


def round_to(x: npt.NDArray[np.float64], element_type: ElementType) -> Array:
    """4.4 RoundTo: one rounding from binary64, ties to even, a result of zero being positive zero.

    Values beyond the greatest finite one give infinity.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if element_type is ElementType.BFLOAT16:
            out = _bfloat16(x)
        else:
            out = x.astype(DTYPES[element_type])
    out += out.dtype.type(0)  # -0 + 0 = +0
    return out


def _bfloat16(x: npt.NDArray[np.float64]) -> Array:
    # By way of binary32 it would be rounded twice. Round to odd first: the 16 bits that are cut off then decide alike.
    single = x.astype(np.float32)
    bits = single.view(np.uint32)
    back = single.astype(np.float64)
    inexact = (back != x) & np.isfinite(single)
    away = inexact & (np.abs(back) > np.abs(x))
    bits = np.where(away, bits - 1, bits)  # toward zero
    odd = np.where(inexact, bits | 1, bits)
    # Where binary32 overflowed, the number lies beyond bfloat16 as well, or rounds to infinity there.
    top = (odd >> 16).astype(np.uint32)
    rest = odd & 0xFFFF
    up = (rest > 0x8000) | ((rest == 0x8000) & ((top & 1) == 1))
    out: Array = (top + up).astype(np.uint16).view(ml_dtypes.bfloat16)
    return out


def reconstruct(values: Integers, step: Step | Grid, base: Array | None, element_type: ElementType) -> Array:
    """10.4.2 RoundTo( base + Binary64( q x m ) / 10^k ), elements in raster order."""
    d = differences(values, step)
    if base is not None:
        with np.errstate(invalid="ignore"):  # NaN is told by its result
            d += base.astype(np.float64)
    return round_to(d, element_type)


def quantize(x: npt.NDArray[np.float64], step: Step, rounding: Rounding, offset: float) -> Integers | None:
    """Informative: multiples of the step for differences (or elements).

    Args:
        x: binary64 differences.
        step: the step.
        rounding: NEAREST rounds ties to even; DEAD_ZONE is sign(x) floor(|x| / step + offset), with 0 < offset <= 1/2;
            LITERAL is Digital retina (6) as printed, which adds the offset whatever the sign.
        offset: f; the paper has 0.3.

    Returns:
        The integers, or None if one is beyond 63 bits (times m).
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what is beyond binary64 is beyond 63 bits as well
        scaled = x * step.scale
        if step.m != 1:
            scaled /= step.m
        if rounding is Rounding.NEAREST:
            np.rint(scaled, out=scaled)
        elif rounding is Rounding.LITERAL:
            scaled += offset
            np.rint(scaled, out=scaled)
        else:
            magnitude = np.abs(scaled)
            magnitude += offset
            np.floor(magnitude, out=magnitude)
            np.copysign(magnitude, scaled, out=scaled)
        if scaled.size and not float(np.abs(scaled).max()) * step.m < _BELOW:
            return None  # NaN, where the base has one, is not below either
    return scaled.astype(np.int64)


def common_part(array: Array, shape: tuple[int, ...]) -> Array:
    """10.3.4 The elements at the same indices in another shape of as many axes, and zeros where there are none."""
    out = np.zeros(shape, array.dtype)
    part = tuple(slice(min(a, b)) for a, b in zip(array.shape, shape, strict=True))
    out[part] = array[part]
    return out


WORDS: dict[int, Any] = {1: np.int8, 2: np.dtype("<i2"), 4: np.dtype("<i4"), 8: np.dtype("<i8")}


def words(array: Array) -> Array:
    """10.4.3 The elements as two's complement words of their size, in raster order."""
    return np.ascontiguousarray(array).reshape(-1).view(WORDS[array.dtype.itemsize])


def word_differences(target: Array, base: Array | None) -> Integers:
    """10.4.3 The words of the target, less those of the base modulo 2^n."""
    out = words(target)
    if base is not None:
        with np.errstate(over="ignore"):
            out = out - words(base)
    return out.astype(np.int64)


def from_words(values: Integers, base: Array | None, element_type: ElementType) -> Array:
    """10.4.3 The inverse of `word_differences`; the values fit the words."""
    dtype = DTYPES[element_type]
    out = values.astype(WORDS[dtype.itemsize])
    if base is not None:
        with np.errstate(over="ignore"):
            out += words(base)
    return out.view(np.uint8).view(dtype) if dtype.kind == "b" else out.view(dtype)
