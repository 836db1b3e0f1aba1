"""7.4 Inverse quantization: levels to binary32, exactly, on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from refsw.syntax.codes import Quantizer

Table = npt.NDArray[np.float32]

# Relative error granted to numpy's log1p, expm1 and the operations around them: 2^-44 is far beyond
# what any libm shows (a few units of 2^-53), and near-ties within it are settled exactly.
_SLACK = 2.0**-44
_DIGITS = (60, 200, 600)


@lru_cache(maxsize=64)
def reconstruction_table(quantizer: Quantizer, bit_depth: int, minimum: float, maximum: float) -> Table:
    """7.4 The value of every level: binary32 of shape (2^bit_depth,).

    Args:
        quantizer: UNIFORM, LOG or LOG_NONNEGATIVE.
        bit_depth: n, 1 to 16.
        minimum, maximum: binary32 values, minimum <= maximum.
    """
    top = (1 << bit_depth) - 1
    levels = np.arange(top + 1, dtype=np.int64)
    table = points(quantizer, minimum, maximum, levels, top)
    table.setflags(write=False)
    return table


Range = float | npt.NDArray[np.float32]
"""A minimum or maximum for all points, or one for every point."""


def points(
    quantizer: Quantizer, minimum: Range, maximum: Range, numerators: npt.NDArray[np.int64], denominator: int
) -> Table:
    """7.4 The values of positions numerators / denominator within their ranges: binary32 of the same shape."""
    if quantizer is Quantizer.UNIFORM:
        return uniform_points(minimum, maximum, numerators, denominator)
    return log_points(minimum, maximum, numerators, denominator)


def uniform_points(minimum: Range, maximum: Range, numerators: npt.NDArray[np.int64], denominator: int) -> Table:
    """7.4.2 min + a * (max - min) / b in binary64, one operation after the other, then binary32."""
    low, high = np.float64(minimum), np.float64(maximum)
    values = low + numerators.astype(np.float64) * (high - low) / np.float64(denominator)
    table: Table = np.clip(values, low, high).astype(np.float32)
    table[table == 0] = 0.0  # positive zero
    return table


def log_points(minimum: Range, maximum: Range, numerators: npt.NDArray[np.int64], denominator: int) -> Table:
    """7.4.3 The binary32 nearest to D^(a / b) + min - 1, D = max - min + 1, ties to even.

    Binary64 gives it wherever its error cannot change the rounding; the few others are settled with
    more digits, and what is still a tie then by integer arithmetic.
    """
    values, error = _estimate(minimum, maximum, numerators, denominator)
    lower = (values - error).astype(np.float32)
    table: Table = (values + error).astype(np.float32)
    open_ones = np.flatnonzero(lower != table)
    if open_ones.size:
        # Each position within its range once, however many elements have it.
        columns = [np.broadcast_to(x, numerators.shape)[open_ones].astype(np.float64) for x in (minimum, maximum)]
        _, first, which = np.unique([*columns, numerators[open_ones]], axis=1, return_index=True, return_inverse=True)
        settled = [_power(minimum, maximum, numerators, denominator, i).nearest_binary32() for i in open_ones[first]]
        table[open_ones] = np.array(settled, np.float32)[which.reshape(-1)]
    table[table == 0] = 0.0  # a result that rounds to zero is positive zero
    return table


def log_ceilings(minimum: Range, maximum: Range, numerators: npt.NDArray[np.int64], denominator: int) -> Table:
    """The least binary32 that is not below D^(a / b) + min - 1, a > 0: where a decision interval begins."""
    table = log_points(minimum, maximum, numerators, denominator)
    values, error = _estimate(minimum, maximum, numerators, denominator)
    # The number exceeds the minimum, by however little.
    below = (table < values - error) | (table == np.float32(minimum))
    for i in np.flatnonzero((np.abs(table - values) <= error) & ~below):
        power = _power(minimum, maximum, numerators, denominator, i)
        below[i] = power.compare(Fraction(float(table[i]))) > 0
    return np.where(below, np.nextafter(table, np.float32(np.inf)), table)


def _estimate(
    minimum: Range, maximum: Range, numerators: npt.NDArray[np.int64], denominator: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """D^(a / b) + min - 1 in binary64, and a bound of its error."""
    low, high = np.float64(minimum), np.float64(maximum)
    exponents = numerators / np.float64(denominator)
    growth: npt.NDArray[np.float64] = np.expm1(exponents * np.log1p(high - low))
    values = low + growth
    # exponents * log1p() is at most 90 here, so that its relative error grows to 90 times that in exp.
    return values, (np.abs(growth) + np.abs(values)) * (100 * _SLACK)


def _power(
    minimum: Range, maximum: Range, numerators: npt.NDArray[np.int64], denominator: int, index: np.intp
) -> _Power:
    low, high = (float(np.broadcast_to(limit, numerators.shape)[index]) for limit in (minimum, maximum))
    return _Power(low, high, Fraction(int(numerators[index]), denominator))


@dataclass(frozen=True, slots=True)
class _Power:
    """The real number (max - min + 1)^exponent + min - 1, compared with others as finely as it takes."""

    minimum: float
    maximum: float
    exponent: Fraction

    @property
    def base(self) -> Fraction:
        return Fraction(self.maximum) - Fraction(self.minimum) + 1

    @property
    def shift(self) -> Fraction:
        return Fraction(self.minimum) - 1

    def bounds(self, digits: int) -> tuple[Fraction, Fraction]:
        """An interval around the number, 10^-digits of the power wide."""
        # 90 decimal digits more than asked: a binary32 minimum of 3.4e38 may cancel that much and more.
        context = Context(prec=digits + 90)
        power = Fraction(context.power(_decimal(self.base, context), _decimal(self.exponent, context)))
        error = power / 10**digits
        return power + self.shift - error, power + self.shift + error

    def compare(self, other: Fraction) -> int:
        """-1, 0 or 1 as the number is less than, equal to or greater than another one."""
        for digits in _DIGITS:
            low, high = self.bounds(digits)
            if high < other:
                return -1
            if low > other:
                return 1
        # Beyond 600 digits the power can only be rational: then integers tell.
        power, candidate = self.base**self.exponent.numerator, (other - self.shift) ** self.exponent.denominator
        return (power > candidate) - (power < candidate)

    def nearest_binary32(self) -> np.float32:
        """The number rounded."""
        for digits in _DIGITS:
            low, high = (nearest_binary32(bound) for bound in self.bounds(digits))
            if low == high:
                return low
            if high == np.nextafter(low, high):
                break
        # The interval spans the midpoint of two neighbours; which side of it is the number on?
        midpoint = (Fraction(float(low)) + Fraction(float(high))) / 2
        side = self.compare(midpoint)
        return nearest_binary32(midpoint) if side == 0 else high if side > 0 else low


def _decimal(value: Fraction, context: Context) -> Decimal:
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))


def nearest_binary32(value: Fraction) -> np.float32:
    """4.4 RoundBinary32: the nearest binary32, ties to even, of an exact real number in range."""
    sign, value = (-1, -value) if value < 0 else (1, value)
    # 2^exponent <= value < 2^(exponent + 1), no less than the exponent of the subnormals
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if Fraction(2) ** exponent > value:
        exponent -= 1
    exponent = max(exponent, -126)
    unit = Fraction(2) ** (exponent - 23)
    steps = round(value / unit)  # Fraction rounds half to even
    return np.float32(sign * float(steps * unit))
