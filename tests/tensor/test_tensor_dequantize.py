"""7.4 Dequantization: exact, against arithmetic of many digits."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import ml_dtypes
import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from refsw.features.reconstruct import to_dtype
from refsw.syntax.codes import Quantizer
from refsw.tensor import dequantize
from refsw.tensor.dequantize import log_points, nearest_binary32, reconstruction_table

F32_MAX = float(np.finfo(np.float32).max)
TINY = 2.0**-149
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def f32(value: float) -> float:
    return float(np.float32(value))


def round_f32(value: float) -> float:
    """A binary64 value rounded to binary32, positive zero for zero."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0]) + 0.0


RANGES = [
    (0.0, 1.0), (0.0, 6.0), (-1.0, 1.0), (-0.17, 12.75), (1000.0, 1002.5), (1e6, 1e6 + 1), (-5.0, -4.0),
    (0.0, F32_MAX), (-F32_MAX, F32_MAX), (-F32_MAX, 0.0), (-F32_MAX, -F32_MAX / 2), (F32_MAX / 2, F32_MAX),
    (0.0, TINY), (-TINY, TINY), (0.0, 255 * TINY), (-(2.0**-126), 2.0**-126), (1.0, 1.0 + 2.0**-23),
    (-1.0, -1.0 + 2.0**-24), (1e30, 1.001e30), (-1e-20, 1e20), (-1e20, 1e-20), (2.0**-130, 3.0), (-3.0, 2.0**-130),
]  # fmt: skip


def limits() -> list[tuple[float, float]]:
    """Ranges of every magnitude: the ones above, and random ones over all exponents."""
    rng = np.random.default_rng(11)
    patterns = rng.integers(0, 2**32, 400, dtype=np.uint32).view(np.float32)
    patterns = patterns[np.isfinite(patterns)]
    pairs = [(float(min(a, b)), float(max(a, b))) for a, b in zip(patterns[::2], patterns[1::2], strict=False)]
    near = [(f32(a), f32(a + abs(a) * 10.0**-k)) for a, k in zip(patterns[:60].tolist(), [1, 3, 5] * 20, strict=True)
            if abs(a) < 1e38]  # fmt: skip
    return [(f32(a), f32(b)) for a, b in RANGES + near + pairs if f32(a) < f32(b)]


# --- uniform ---


def uniform(low: float, high: float, q: int, top: int) -> float:
    """7.4.2, one Python operation a line."""
    d = high - low
    t = q * d
    t = t / top
    t = low + t
    if t < low:
        t = low
    if t > high:
        t = high
    return round_f32(t)


@pytest.mark.parametrize("depth", [1, 2, 8, 10, 12, 16])
def test_uniform_is_the_stated_sequence_of_operations(depth: int) -> None:
    top = 2**depth - 1
    levels = sorted({0, 1, top // 3, top // 2, top - 1, top} | set(range(0, top, max(1, top // 97))))
    for low, high in limits():
        table = reconstruction_table(Quantizer.UNIFORM, depth, low, high)
        assert [float(table[q]) for q in levels] == [uniform(low, high, q, top) for q in levels], (low, high)


# --- logarithmic ---


def exact(low: float, high: float, numerator: int, denominator: int) -> float:
    """7.4.3 with as many digits as the terms need, and 80 more."""
    mpmath.mp.prec = 800
    span = mpmath.mpf(high) - mpmath.mpf(low) + 1
    value = mpmath.power(span, mpmath.mpf(numerator) / denominator) + mpmath.mpf(low) - 1
    # An 800-bit result is a rational number; its only rounding is this one.
    mantissa, exponent = int(value.man), int(value.exp)
    sign = -1 if value < 0 else 1
    return nearest(sign * Fraction(abs(mantissa)) * Fraction(2) ** exponent)


def nearest(value: Fraction) -> float:
    """The binary32 nearest to a rational number, by comparing it with both neighbours; ties to even."""
    guess = np.float32(max(min(float(value), F32_MAX), -F32_MAX))
    with np.errstate(over="ignore"):
        near = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    found = [x for x in near if np.isfinite(x)]
    best = min(found, key=lambda x: (abs(Fraction(float(x)) - value), int(x.view(np.uint32)) & 1))
    return float(best) + 0.0


def test_log_is_the_nearest_binary32_to_the_exact_value() -> None:
    rng = np.random.default_rng(5)
    compared = 0
    for low, high in limits():
        depth = int(rng.choice([1, 4, 8, 10, 12, 16]))
        top = 2**depth - 1
        table = reconstruction_table(Quantizer.LOG, depth, low, high)
        for q in {0, 1, top - 1, top, *rng.integers(0, top + 1, 16).tolist()}:
            assert float(table[q]) == exact(low, high, q, top), (low, high, q, depth)
            compared += 1
    assert compared > 3000


@pytest.mark.parametrize("quantizer", [Quantizer.UNIFORM, Quantizer.LOG])
def test_tables_rise_from_minimum_to_maximum_without_negative_zero(quantizer: Quantizer) -> None:
    for low, high in limits():
        table = reconstruction_table(quantizer, 10, low, high)
        assert table.dtype == np.float32
        assert (np.diff(table.astype(np.float64)) >= 0).all()
        assert float(table[0]) == low
        if quantizer is Quantizer.LOG:  # the stated operations of UNIFORM may miss the maximum by their rounding
            assert float(table[-1]) == high
        assert not np.signbit(table[table == 0]).any()


@pytest.mark.parametrize("quantizer", [Quantizer.UNIFORM, Quantizer.LOG, Quantizer.LOG_NONNEGATIVE])
def test_a_table_cannot_be_written_to(quantizer: Quantizer) -> None:
    assert not reconstruction_table(quantizer, 4, 0.0, 1.0).flags.writeable


def settled(monkeypatch: pytest.MonkeyPatch) -> list[Fraction]:
    """The exponents that are settled with more digits, from now on."""
    taken: list[Fraction] = []
    original = dequantize._Power.nearest_binary32

    def spy(power: dequantize._Power) -> np.float32:
        taken.append(power.exponent)
        return original(power)

    monkeypatch.setattr(dequantize._Power, "nearest_binary32", spy)
    return taken


def test_a_position_that_many_elements_have_is_settled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = settled(monkeypatch)
    low, high = np.float32(-(2.0**25)), np.float32(-1.0)
    many = np.repeat(np.array([51, 102], np.int64), 5000)
    found = log_points(np.full(10_000, low), np.full(10_000, high), many, 255)
    assert sorted(taken) == [Fraction(1, 5), Fraction(2, 5)]
    assert found.tolist() == log_points(low, high, many, 255).tolist()


@pytest.mark.parametrize(("depth", "step"), [(4, 3), (8, 51), (12, 819)])
def test_an_exact_tie_goes_to_the_even_one(monkeypatch: pytest.MonkeyPatch, depth: int, step: int) -> None:
    # D = 2^25, so that D^(i / 5) = 2^(5 i); minus 2^25 + 1 that is odd, half-way between multiples of two.
    taken = settled(monkeypatch)
    low, high, top = -(2.0**25), -1.0, 2**depth - 1
    assert 5 * step == top
    table = log_points(low, high, np.arange(top + 1), top)
    for i in (1, 2, 3, 4):
        odd = 2 ** (5 * i) - 2**25 - 1
        below, above = odd - 1, odd + 1
        assert Fraction(float(np.float32(below))) == below
        assert Fraction(float(np.float32(above))) == above
        even = below if (abs(below) // 2) % 2 == 0 else above
        assert float(table[i * step]) == even
        assert Fraction(i, 5) in taken


def test_a_near_tie_is_settled_by_more_digits_on_the_right_side(monkeypatch: pytest.MonkeyPatch) -> None:
    # Thresholds of a subnormal range: the power is linear up to 1 part in 10^38, and half-way but for that.
    taken = settled(monkeypatch)
    top = 15
    high = top * TINY
    points = log_points(0.0, high, 2 * np.arange(1, top + 1) - 1, 2 * top)
    # (1 + x)^t - 1 < t x for t < 1: every one is just below the half.
    assert [float(p) / TINY for p in points] == list(range(top))
    assert len(taken) == top


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_few_values_need_more_digits(monkeypatch: pytest.MonkeyPatch, low: float, high: float) -> None:
    taken = settled(monkeypatch)
    log_points(f32(low), f32(high), np.arange(1024), 1023)
    assert len(taken) <= 16


@settings(max_examples=300, deadline=None)
@given(st.fractions(-(2**100), 2**100, max_denominator=2**160))
@example(Fraction(1, 2**150))
@example(Fraction(3, 2**150))
@example(Fraction(-1, 2**150))
@example(Fraction(2**25 + 2))
@example(Fraction(0))
@example(Fraction(2**24 + 1))
@example(Fraction(2**-126) - Fraction(1, 2**150))
def test_nearest_binary32_is_nearest_with_ties_to_even(value: Fraction) -> None:
    got = nearest_binary32(value)
    assert float(got) == nearest(value)
    assert got.dtype == np.float32


@given(finite)
def test_nearest_binary32_keeps_a_binary32(value: float) -> None:
    assert float(nearest_binary32(Fraction(value))) == value


# --- element types ---


@pytest.mark.parametrize(
    ("dtype", "largest"), [(np.dtype("<f2"), 65504.0), (np.dtype(ml_dtypes.bfloat16), float(2.0**127 * (2 - 2.0**-7)))]
)
def test_a_value_beyond_the_element_type_becomes_its_largest(dtype: np.dtype[np.generic], largest: float) -> None:
    values = np.array([F32_MAX, -F32_MAX, largest, -largest], np.float32)
    assert to_dtype(values, dtype).astype(np.float64).tolist() == [largest, -largest, largest, -largest]


@pytest.mark.parametrize("dtype", [np.dtype("<f2"), np.dtype(ml_dtypes.bfloat16)])
def test_a_value_goes_to_the_nearest_of_the_element_type_ties_to_even(dtype: np.dtype[np.generic]) -> None:
    infinity = int(np.array(np.inf, dtype).view(np.uint16))
    positive = np.arange(infinity, dtype=np.uint16)  # the patterns of the finite ones, in their order
    every = np.concatenate([positive, positive | 0x8000]).view(dtype).astype(np.float64)
    every = np.unique(every)
    middle = ((every[1:] + every[:-1]) / 2).astype(np.float32)
    below, above = np.nextafter(middle, np.float32(-np.inf)), np.nextafter(middle, np.float32(np.inf))
    tie = middle.astype(np.float64) == (every[1:] + every[:-1]) / 2  # else not a binary32
    assert tie.sum() > 60_000
    assert (to_dtype(below, dtype).astype(np.float64) == every[:-1])[tie].all()
    assert (to_dtype(above, dtype).astype(np.float64) == every[1:])[tie].all()
    evenness = to_dtype(middle, dtype)[tie].view(np.uint16) & 1
    assert (evenness == 0).all()


def test_float64_holds_the_binary32_value() -> None:
    values = np.array([0.1, -1e-45, F32_MAX], np.float32)
    assert to_dtype(values, np.dtype("<f8")).tolist() == values.astype(np.float64).tolist()
    assert math.isclose(to_dtype(values, np.dtype("<f8"))[0], 0.1, rel_tol=1e-7)
