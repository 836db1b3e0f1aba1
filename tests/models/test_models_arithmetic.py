"""10.4: elements from values and back, against slow exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_streams import ALL_DTYPES

from refsw.errors import UsageError
from refsw.models.arithmetic import (
    Rounding,
    Step,
    from_words,
    quantize,
    reconstruct,
    round_to,
    word_differences,
)
from refsw.syntax.codes import ElementType, StepMultiplier
from refsw.tensor.axes import DTYPES, element_type_of

# Significant bits, exponents of the least and of the greatest normal number.
FORMATS = {
    ElementType.FLOAT16: (11, -14, 15),
    ElementType.BFLOAT16: (8, -126, 127),
    ElementType.FLOAT32: (24, -126, 127),
    ElementType.FLOAT64: (53, -1022, 1023),
}
MULTIPLIERS = {StepMultiplier.ONE: 1, StepMultiplier.TWO: 2, StepMultiplier.FIVE: 5}
formats = pytest.mark.parametrize("kind", FORMATS, ids=lambda k: k.name)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
INT64 = st.integers(-(2**63), 2**63 - 1)


def nearest(x: Fraction, kind: ElementType) -> float:
    """4.4: the nearest number of a format, ties to the even one, a zero being positive."""
    bits, least, greatest = FORMATS[kind]
    size = abs(x)
    if size == 0:
        return 0.0
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent
    unit = Fraction(2) ** (max(exponent, least) - bits + 1)
    count, rest = divmod(size, unit)
    count += 2 * rest > unit or (2 * rest == unit and count % 2)
    if count * unit >= Fraction(2) ** (greatest + 1):
        return math.copysign(math.inf, x)
    return math.copysign(float(count * unit), x) if count else 0.0


def exactly(value: int, step: Step, base: float | None, kind: ElementType) -> float:
    """10.4.2, line by line."""
    t = nearest(Fraction(value * MULTIPLIERS[step.multiplier]), ElementType.FLOAT64)
    d = nearest(Fraction(t) / 10**step.digits, ElementType.FLOAT64)
    s = d if base is None else nearest(Fraction(base) + Fraction(d), ElementType.FLOAT64)
    return nearest(Fraction(s), kind)


def check_rounding(values: list[float], kind: ElementType) -> None:
    got = round_to(np.array(values, np.float64), kind).astype(np.float64)
    expected = np.array([nearest(Fraction(x), kind) for x in values])
    assert np.array_equal(got.view(np.uint64), expected.view(np.uint64))


def adversarial(kind: ElementType) -> list[float]:
    """Around ties, around the least and the greatest numbers of a format, and what rounding twice gets wrong."""
    bits, least, greatest = FORMATS[kind]
    tiny = math.ldexp(1, least - bits + 1)
    top = math.ldexp(2 - math.ldexp(1, 1 - bits), greatest)
    centres = [0.0, tiny, tiny / 2, 1.5 * tiny, 2.5 * tiny, math.ldexp(1, least), math.ldexp(1, least) - tiny / 2]
    centres += [math.ldexp(2**bits + 1, e) for e in (-30, -bits, 0, 3)]  # half way to an even one below
    centres += [math.ldexp(2**bits + 3, e) for e in (-30, -bits, 0, 3)]  # and above
    if kind is not ElementType.FLOAT64:
        centres += [top, top + math.ldexp(1, greatest - bits), math.ldexp(1, greatest + 1)]
        # A tie, but for a bit that a binary32 in between would lose.
        ties = [math.ldexp(1 + math.ldexp(k, -bits), e) for k in (1, 3) for e in (-20, 0, 9)]
        centres += [x * (1 + d) for x in ties for d in (2.0**-40, -(2.0**-40), 2.0**-25, -(2.0**-26))]
    around = [y for x in centres for y in (x, math.nextafter(x, math.inf), math.nextafter(x, -math.inf))]
    return [sign * x for x in around for sign in (1.0, -1.0)]


@formats
def test_rounding_at_ties_subnormals_and_overflow(kind: ElementType) -> None:
    check_rounding(adversarial(kind), kind)


@formats
def test_rounding_of_random_numbers_of_every_size(kind: ElementType) -> None:
    rng = np.random.default_rng(3)
    bits, least, greatest = FORMATS[kind]
    span = rng.integers(max(-1070, least - bits - 3), min(1022, greatest + 2), 3000)
    mantissas = 1 + rng.random(3000)
    # Every second one has its low bits cleared but for a few, so that ties come up.
    mantissas[::2] = np.round(mantissas[::2] * 2.0**bits) / 2.0**bits
    values = np.ldexp(mantissas, span) * rng.choice([-1, 1], 3000)
    check_rounding(values[np.isfinite(values)].tolist(), kind)


@formats
@settings(max_examples=150, deadline=None)
@given(x=DOUBLES)
def test_rounding_of_any_number(kind: ElementType, x: float) -> None:
    check_rounding([x], kind)


def test_bfloat16_is_not_rounded_twice() -> None:
    # By way of binary32 this would become the tie 1 + 2^-8, and then 1.
    x = 1 + 2.0**-8 + 2.0**-40
    assert float(np.float32(x)) == 1 + 2.0**-8
    assert round_to(np.array([x, -x]), ElementType.BFLOAT16).astype(float).tolist() == [1 + 2.0**-7, -1 - 2.0**-7]


@formats
def test_no_result_is_negative_zero(kind: ElementType) -> None:
    got = round_to(np.array([-0.0, 0.0, -5e-324, -1e-60 if kind is not ElementType.FLOAT64 else -0.0]), kind)
    zeros = got[got == 0]
    assert zeros.size >= 3
    assert not np.signbit(zeros.astype(np.float64)).any()


@formats
@settings(max_examples=150, deadline=None)
@given(
    value=st.one_of(INT64, st.integers(-9999, 9999)),
    digits=st.integers(0, 15),
    multiplier=st.sampled_from(StepMultiplier),
    base=st.one_of(st.none(), st.floats(-100, 100), st.floats(-1e30, 1e30)),
)
def test_reconstruction_is_exact_arithmetic_with_the_roundings_of_the_clause(
    kind: ElementType, value: int, digits: int, multiplier: StepMultiplier, base: float | None
) -> None:
    step = Step(digits, multiplier)
    bound = (2**63 - 1) // step.m
    value = max(-bound, min(bound, value))
    stored = None if base is None else round_to(np.array([base]), kind)
    if stored is not None and not np.isfinite(stored.astype(float)).all():
        stored = None
    got = reconstruct(np.array([value]), step, stored, kind)
    expected = exactly(value, step, None if stored is None else float(stored[0]), kind)
    assert got.dtype == DTYPES[kind]
    assert float(got[0]) == expected
    assert not (expected == 0 and np.signbit(got.astype(float))[0])


def test_a_source_of_another_format_is_taken_as_binary64() -> None:
    base = np.array([0.1], np.float64)
    got = reconstruct(np.array([3]), Step(2), base, ElementType.FLOAT16)
    assert float(got[0]) == nearest(Fraction(0.1 + 0.03), ElementType.FLOAT16)


@pytest.mark.parametrize("multiplier", StepMultiplier)
@pytest.mark.parametrize("digits", [0, 1, 4, 15])
def test_nearest_rounding_is_within_half_a_step(digits: int, multiplier: StepMultiplier) -> None:
    step = Step(digits, multiplier)
    rng = np.random.default_rng(4)
    x = rng.standard_normal(2000) * 10.0 ** rng.integers(-digits - 2, 3, 2000)
    got = quantize(x.copy(), step, Rounding.NEAREST, 0.3)
    assert got is not None
    unit = Fraction(step.m, 10**digits)
    for value, q in zip(x.tolist(), got.tolist(), strict=True):
        exact = Fraction(value) / unit
        assert abs(q - exact) <= Fraction(1, 2) + abs(exact) / 2**50


def test_ties_go_to_even() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5])
    expected = [0, 2, 2, 0, -2, -2]
    for scale, step in ((1, Step(0)), (2, Step(0, StepMultiplier.TWO)), (5, Step(0, StepMultiplier.FIVE))):
        got = quantize(x * scale, step, Rounding.NEAREST, 0.3)
        assert got is not None
        assert got.tolist() == expected


@pytest.mark.parametrize("offset", [0.1, 0.25, 0.3, 0.5])
def test_the_dead_zone_is_symmetric_and_as_wide_as_the_offset_says(offset: float) -> None:
    rng = np.random.default_rng(5)
    x = rng.uniform(-6, 6, 3000)
    got = quantize(x.copy(), Step(0), Rounding.DEAD_ZONE, offset)
    assert got is not None
    for value, q in zip(x.tolist(), got.tolist(), strict=True):
        exact = math.floor(abs(Fraction(value)) + Fraction(offset))
        assert q == (exact if value > 0 else -exact)
    mirrored = quantize(-x, Step(0), Rounding.DEAD_ZONE, offset)
    assert mirrored is not None
    assert np.array_equal(mirrored, -got)
    assert not got[np.abs(x) < 1 - offset - 1e-9].any()
    assert got[np.abs(x) > 1 - offset + 1e-9].all()


def test_literal_rounding_is_off_by_its_offset_on_average_and_the_others_are_not() -> None:
    x = np.random.default_rng(6).uniform(-50, 50, 200_000)

    def bias(rounding: Rounding) -> float:
        got = quantize(x.copy(), Step(0), rounding, 0.3)
        assert got is not None
        return float((got - x).mean())

    assert bias(Rounding.LITERAL) == pytest.approx(0.3, abs=0.005)
    assert bias(Rounding.NEAREST) == pytest.approx(0, abs=0.005)
    assert bias(Rounding.DEAD_ZONE) == pytest.approx(0, abs=0.005)


def test_literal_rounding_is_the_nearest_integer_to_quotient_plus_offset() -> None:
    got = quantize(np.array([0.0, 0.19, 0.21, -0.79, -0.81, 1.21]), Step(0), Rounding.LITERAL, 0.3)
    assert got is not None
    assert got.tolist() == [0, 0, 1, 0, -1, 2]


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("multiplier", StepMultiplier)
def test_what_is_beyond_63_bits_is_not_quantized(rounding: Rounding, multiplier: StepMultiplier) -> None:
    step = Step(0, multiplier)
    for value in (2.0**63, -(2.0**63), 1e300):
        assert quantize(np.array([1.0, value]), step, rounding, 0.3) is None
    got = quantize(np.array([2.0**62, -(2.0**62)]), step, rounding, 0.3)
    assert got is not None
    assert all(abs(int(q) * step.m) < 2**63 for q in got)


def test_no_values_are_quantized_to_none() -> None:
    got = quantize(np.empty(0), Step(4), Rounding.NEAREST, 0.3)
    assert got is not None
    assert got.size == 0


@pytest.mark.parametrize("digits", [-1, 16])
def test_a_step_has_0_to_15_digits(digits: int) -> None:
    with pytest.raises(UsageError):
        Step(digits)


# --- words ---


@pytest.mark.parametrize("dtype", ALL_DTYPES, ids=str)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_words_round_trip_and_are_what_plain_integers_give(dtype: np.dtype[Any], data: st.DataObject) -> None:
    size = dtype.itemsize
    limit = 1 if dtype.kind == "b" else 2 ** (8 * size) - 1
    pairs = data.draw(st.lists(st.tuples(st.integers(0, limit), st.integers(0, limit)), max_size=9))
    target, base = (np.frombuffer(b"".join(p[side].to_bytes(size, "little") for p in pairs), dtype) for side in (0, 1))
    kind = element_type_of(dtype)

    def signed(x: int) -> int:
        x %= 2 ** (8 * size)
        return x - 2 ** (8 * size) if x >= 2 ** (8 * size - 1) else x

    alone, against = word_differences(target, None), word_differences(target, base)
    assert alone.dtype == against.dtype == np.int64
    assert alone.tolist() == [signed(t) for t, _ in pairs]
    assert against.tolist() == [signed(t - b) for t, b in pairs]
    for values, source in ((alone, None), (against, base)):
        got = from_words(values, source, kind)
        assert got.dtype == DTYPES[kind]
        assert got.tobytes() == target.tobytes()


def test_words_of_a_source_of_another_format_of_the_same_size() -> None:
    base, target = np.array([1.0, -2.0], np.float32), np.array([7, -(2**31)], np.int32)
    values = word_differences(target, base)
    assert np.array_equal(from_words(values, base, ElementType.INT32), target)
