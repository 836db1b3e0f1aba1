"""Where curves cross, which rate reaches a quality, and the units of rates."""

from __future__ import annotations

import math

import pytest

from refsw.errors import UsageError
from refsw.evaluation.anchors.units import Rate, RateUnit, across_layers, rate_of
from refsw.evaluation.bdrate import Curve, Interpolation, NonMonotone, bd_rate
from refsw.evaluation.crossing import Reached, crossing, rate_at
from refsw.evaluation.errors import CurveError
from refsw.evaluation.monotone import rising_cubic

pytest.importorskip("scipy", reason="crossings need scipy")

INTERPOLATIONS = list(Interpolation)
RATES = (1, 2, 4, 8)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_two_straight_lines_cross_where_they_do(interpolation):
    # Over log2 of the rate: 10 x and 15 + 5 (x - 1.5) meet at x = 1.5, both lines of slope.
    first = Curve("first", RATES, (0, 10, 20, 30))
    second = Curve("second", RATES, (7.5, 12.5, 17.5, 22.5))
    met = crossing(first, second, interpolation)
    assert met.rates == pytest.approx((2**1.5,))
    assert (met.low, met.high) == pytest.approx((1, 8))
    assert met.first_is_better is False
    assert crossing(second, first, interpolation).first_is_better is True


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_curve_above_another_does_not_cross_it(interpolation):
    met = crossing(Curve("a", RATES, (1, 2, 3, 4)), Curve("b", (2, 4, 8, 16), (0, 1, 2, 3)), interpolation)
    assert (met.rates, met.first_is_better) == ((), True)
    assert (met.low, met.high) == pytest.approx((2, 8))


def test_a_curve_does_not_cross_itself():
    curve = Curve("a", RATES, (1, 2, 3, 4))
    assert crossing(curve, curve).first_is_better is None
    assert crossing(curve, curve).rates == ()


def test_curves_without_a_common_rate_do_not_meet():
    with pytest.raises(CurveError, match="no rate in common: a 1 to 8, b 16 to 128"):
        crossing(Curve("a", RATES, (1, 2, 3, 4)), Curve("b", (16, 32, 64, 128), (1, 2, 3, 4)))


def test_the_rate_at_a_quality_lies_between_its_points_on_the_logarithm():
    assert rate_at((1, 4, 16), (0, 10, 20), 15) == Reached(pytest.approx(8))
    assert rate_at((16, 1, 4), (20, 0, 10), 10) == Reached(pytest.approx(4))
    assert rate_at((1, 4), (5, 10), 5) == Reached(1, at_most=True)
    assert rate_at((1, 4), (5, 10), 11) is None
    # The point at 2 is worse than the one at 1: the line goes past it.
    assert rate_at((1, 2, 4), (0, -3, 10), 5) == Reached(pytest.approx(2))


def test_a_cubic_that_rises_is_refitted_as_it_is():
    places = (0, 1, 2, 3, 4)
    values = [x**3 + x for x in places]
    assert rising_cubic(places, values) == pytest.approx(values)


def test_points_that_fall_are_refitted_by_their_mean():
    assert rising_cubic((0, 1, 2, 3), (4, 3, 2, 1)) == pytest.approx((2.5,) * 4)


def test_a_refit_by_hand():
    # y = (0, 1, 0, 1) at t = 0, 1/3, 2/3, 1. The free cubic falls in the middle; the best that does not has a double
    # root of its derivative at 1/2, by symmetry: 1/2 + k (t - 1/2)^3 with k = sum(d y') / sum(d^2), d = (t - 1/2)^3.
    d = [(t - 0.5) ** 3 for t in (0, 1 / 3, 2 / 3, 1)]
    k = sum(a * (y - 0.5) for a, y in zip(d, (0, 1, 0, 1), strict=True)) / sum(a * a for a in d)
    assert rising_cubic((0, 1, 2, 3), (0, 1, 0, 1)) == pytest.approx([0.5 + k * a for a in d], abs=1e-6)


def test_no_other_rising_cubic_is_closer():
    scipy = pytest.importorskip("scipy.optimize")
    np = pytest.importorskip("numpy")
    rng = np.random.default_rng(5)
    for _ in range(20):
        t, y = np.linspace(0, 1, 6), rng.standard_normal(6)
        own = float(np.square(np.array(rising_cubic(t, y)) - y).sum())
        parts = np.stack([np.ones_like(t), t - t**2 + t**3 / 3, t**2 - 2 * t**3 / 3, t**3 / 3], axis=1)

        # The derivative as (a (1-t) + b t)^2 + 2 s^2 t (1-t), which is every quadratic that is not negative on [0, 1].
        def error(p, parts=parts, y=y):
            return float(np.square(parts @ [p[0], p[1] ** 2, p[1] * p[2] + p[3] ** 2, p[2] ** 2] - y).sum())

        others = [scipy.minimize(error, rng.standard_normal(4), method="BFGS").fun for _ in range(5)]
        assert own <= min(others) + 1e-7


def test_a_curve_that_rises_is_not_refitted_and_another_is():
    assert Curve.of("a", RATES, (1, 2, 3, 9), NonMonotone.CUBIC) == Curve("a", RATES, (1, 2, 3, 9))
    refitted = Curve.of("a", RATES, (0, 1, 0, 1), NonMonotone.CUBIC)
    assert refitted.qualities == pytest.approx(rising_cubic([math.log(r) for r in RATES], (0, 1, 0, 1)))
    with pytest.raises(CurveError, match="at least 4 different rates"):
        Curve.of("a", (1, 2, 2, 4), (0, 1, 2, 3), NonMonotone.CUBIC)
    with pytest.raises(CurveError, match="not monotone"):
        Curve.of("a", RATES, (4, 3, 2, 1), NonMonotone.CUBIC)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_the_bd_rate_of_a_refitted_curve_by_hand(interpolation):
    # The same refit at half the rate: -50 %, whatever runs through the points.
    anchor = Curve.of("anchor", RATES, (0, 1, 0, 1), NonMonotone.CUBIC)
    half = Curve.of("half", [rate / 2 for rate in RATES], (0, 1, 0, 1), NonMonotone.CUBIC)
    assert bd_rate(anchor, half, interpolation).value == pytest.approx(-50)


RECORD = {
    "coded_bytes": 500, "items": 2, "rate": 0.1, "bits_per_element": 0.4, "bits_per_pixel": 0.2,
    "bits_per_picture_pixel": 0.05,
}  # fmt: skip


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("rate", 0.1), ("bits_per_element", 0.4), ("bits_per_pixel", 0.2), ("bits_per_picture_pixel", 0.05),
     ("bytes", 250), ("kbps", 250 * 8 * 30 / 1000)],
)  # fmt: skip
def test_the_rate_of_a_record_in_every_unit(unit, expected):
    assert Rate(RateUnit(unit), 30).of(RECORD) == pytest.approx(expected)


def test_the_unit_is_asked_for_or_of_the_conditions():
    document = {"bd": {"rate": "kbps", "frame_rate": 25}}
    assert rate_of(document) == Rate(RateUnit.KBPS, 25)
    assert rate_of(document, None, 50).title == "kbit/s at 50 items a second"
    assert rate_of({}).unit is RateUnit.ELEMENT
    with pytest.raises(UsageError, match="no unit of rate bpp"):
        rate_of({}, "bpp")
    with pytest.raises(UsageError, match="needs the frame rate"):
        rate_of({}, "kbps")


def test_across_layers_a_unit_is_taken_that_spans_them_and_is_known():
    assert across_layers(Rate(), [RECORD]).unit is RateUnit.PICTURE
    assert across_layers(Rate(RateUnit.BYTES), [RECORD]).unit is RateUnit.BYTES
    plain = {k: v for k, v in RECORD.items() if "pixel" not in k}
    assert across_layers(Rate(RateUnit.PIXEL), [RECORD, plain]).unit is RateUnit.BYTES
