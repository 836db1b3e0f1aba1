"""7.4 Inverse quantization: levels to binary32, exactly, on every machine."""

from __future__ import annotations

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
    points = uniform_points if quantizer is Quantizer.UNIFORM else log_points
    table = points(minimum, maximum, levels, top)
    table.setflags(write=False)
    return table


def uniform_points(minimum: float, maximum: float, numerators: npt.NDArray[np.int64], denominator: int) -> Table:
    """7.4.2 min + a * (max - min) / b in binary64, one operation after the other, then binary32."""
    low, high = np.float64(minimum), np.float64(maximum)
    values = low + numerators.astype(np.float64) * (high - low) / np.float64(denominator)
    table: Table = np.clip(values, low, high).astype(np.float32)
    table[table == 0] = 0.0  # positive zero
    return table


def log_points(minimum: float, maximum: float, numerators: npt.NDArray[np.int64], denominator: int) -> Table:
    """7.4.3 The binary32 nearest to D^(a / b) + min - 1, D = max - min + 1, ties to even.

    Binary64 gives it wherever its error cannot change the rounding; the few others are settled with
    more digits, and what is still a tie then by integer arithmetic.
    """
    low, high = np.float64(minimum), np.float64(maximum)
    exponents = numerators / np.float64(denominator)
    growth: npt.NDArray[np.float64] = np.expm1(exponents * np.log1p(high - low))
    values = low + growth
    # exponents * log1p() is at most 90 here, so that its relative error grows to 90 times that in exp.
    error = (np.abs(growth) + np.abs(values)) * (100 * _SLACK)
    lower = (values - error).astype(np.float32)
    table: Table = (values + error).astype(np.float32)
    for i in np.flatnonzero(lower != table):
        table[i] = _settle(Fraction(minimum), Fraction(maximum), Fraction(int(numerators[i]), denominator))
    table[table == 0] = 0.0  # a result that rounds to zero is positive zero
    return table


def _settle(minimum: Fraction, maximum: Fraction, exponent: Fraction) -> np.float32:
    base, shift = maximum - minimum + 1, minimum - 1
    for digits in _DIGITS:
        # 90 decimal digits more than asked: a binary32 minimum of 3.4e38 may cancel that much and more.
        context = Context(prec=digits + 90)
        power = context.power(_decimal(base, context), _decimal(exponent, context))
        value = Fraction(power) + shift
        error = Fraction(power) * Fraction(1, 10**digits)
        low, high = nearest_binary32(value - error), nearest_binary32(value + error)
        if low == high:
            return low
    # Beyond 600 digits it is an exact tie: the power is rational, and so is the midpoint it equals.
    midpoint = (Fraction(float(low)) + Fraction(float(high))) / 2
    a, b = exponent.numerator, exponent.denominator
    power_exact, midpoint_exact = base**a, (midpoint - shift) ** b
    if power_exact == midpoint_exact:
        return nearest_binary32(midpoint)
    return high if power_exact > midpoint_exact else low


def _decimal(value: Fraction, context: Context) -> Decimal:
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))


def nearest_binary32(value: Fraction) -> np.float32:
    """4.4 RoundBinary32: the nearest binary32, ties to even, of an exact real number in range."""
    if value == 0:
        return np.float32(0)
    sign, value = (-1, -value) if value < 0 else (1, value)
    # 2^exponent <= value < 2^(exponent + 1), no less than the exponent of the subnormals
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if Fraction(2) ** exponent > value:
        exponent -= 1
    exponent = max(exponent, -126)
    unit = Fraction(2) ** (exponent - 23)
    steps = round(value / unit)  # Fraction rounds half to even
    return np.float32(sign * float(steps * unit))
