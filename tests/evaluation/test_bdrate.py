"""Bjontegaard differences, against values computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from refsw.errors import RefswError
from refsw.evaluation.bdrate import Curve, Interpolation, NonMonotone, bd_metric, bd_rate
from refsw.evaluation.errors import CurveError

RATES, QUALITIES = (1.0, 2.0, 4.0, 8.0), (30.0, 33.0, 35.0, 36.0)
ANCHOR = Curve("anchor", RATES, QUALITIES)


@pytest.fixture(params=Interpolation)
def interpolation(request):
    pytest.importorskip("scipy", reason="the curves are interpolated by scipy")
    return request.param


def test_a_fifth_less_rate_at_every_quality_is_minus_20_percent(interpolation):
    proposal = Curve("proposal", tuple(0.8 * rate for rate in RATES), QUALITIES)
    assert bd_rate(ANCHOR, proposal, interpolation).value == pytest.approx(-20)


def test_a_decibel_more_at_every_rate_is_plus_1(interpolation):
    proposal = Curve("proposal", RATES, tuple(quality + 1 for quality in QUALITIES))
    assert bd_metric(ANCHOR, proposal, interpolation).value == pytest.approx(1)


def test_a_curve_against_itself_is_0_and_overlaps_wholly(interpolation):
    for difference in (bd_rate(ANCHOR, ANCHOR, interpolation), bd_metric(ANCHOR, ANCHOR, interpolation)):
        assert difference.value == pytest.approx(0)
        assert difference.overlap == pytest.approx(1)
        assert difference.interpolation is interpolation


def test_straight_lines_of_different_slope_differ_by_the_mean_of_the_gap(interpolation):
    # log2 rate = quality against log2 rate = quality / 2 on 0 to 6: the gap is -1.5 on average.
    qualities = (0.0, 2.0, 4.0, 6.0)
    anchor = Curve("anchor", tuple(2**q for q in qualities), qualities)
    proposal = Curve("proposal", tuple(2 ** (q / 2) for q in qualities), qualities)
    assert bd_rate(anchor, proposal, interpolation).value == pytest.approx(100 * (2**-1.5 - 1))


def test_only_the_common_interval_counts(interpolation):
    # On log2 rate 0 to 3 and 2 to 5: common 2 to 3, a fifth of 0 to 5; 10 more at each rate.
    anchor = Curve("anchor", (1, 2, 4, 8), (0, 1, 2, 3))
    proposal = Curve("proposal", (4, 8, 16, 32), (12, 13, 14, 15))
    difference = bd_metric(anchor, proposal, interpolation)
    assert difference.value == pytest.approx(10)
    assert (difference.low, difference.high) == pytest.approx((4, 8))
    assert difference.overlap == pytest.approx(1 / 5)


def test_swapping_the_curves_inverts_the_ratio_of_rates(interpolation):
    proposal = Curve("proposal", (0.7, 1.9, 3.0, 9.0), (30.5, 33.5, 34.0, 36.5))
    there, back = (bd_rate(a, b, interpolation).value for a, b in ((ANCHOR, proposal), (proposal, ANCHOR)))
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)


def test_the_order_of_the_points_does_not_matter():
    assert Curve("anchor", RATES[::-1], QUALITIES[::-1]) == ANCHOR


@pytest.mark.parametrize(
    ("rates", "qualities", "reason"),
    [
        (RATES[:3], QUALITIES[:3], "at least 4"),
        (RATES, QUALITIES[:3], "4 rates and 3 qualities"),
        (RATES, (30, 33, math.nan, 36), "NaN"),
        (RATES, (30, 33, 35, math.inf), "infinite"),
        ((0, 2, 4, 8), QUALITIES, "no logarithm"),
        ((1, 2, 2, 8), QUALITIES, "two points at rate 2"),
        (RATES, (30, 35, 33, 36), "not monotone: quality 35 at rate 2, but 33"),
        (RATES, (30, 33, 36, 36), "not monotone"),
    ],
)
def test_a_curve_that_is_none_is_refused_with_the_reason(rates, qualities, reason):
    with pytest.raises(CurveError, match=reason) as caught:
        Curve("layer 1", rates, qualities)
    assert "layer 1" in str(caught.value)
    assert isinstance(caught.value, RefswError)


def test_curves_without_common_quality_have_no_bd_rate():
    low = Curve("low", RATES, (1, 2, 3, 4))
    with pytest.raises(CurveError, match="no quality in common: anchor 30 to 36, low 1 to 4"):
        bd_rate(ANCHOR, low)


def test_curves_that_only_touch_have_no_bd_metric():
    with pytest.raises(CurveError, match="no rate in common: anchor 1 to 8, right 8 to 64"):
        bd_metric(ANCHOR, Curve("right", (8, 16, 32, 64), QUALITIES))


def random_curves(count):
    rng = np.random.default_rng(33)
    for _ in range(count):
        points = []
        for _ in range(2):
            size = rng.integers(4, 8)
            rates = np.cumsum(rng.uniform(0.2, 3, size)) * rng.uniform(0.9, 1.1)
            qualities = 30 + rng.uniform(-0.3, 0.3) + np.cumsum(rng.uniform(0.1, 2, size))
            points.append((tuple(rates.tolist()), tuple(qualities.tolist())))
        yield points


def test_100_random_pairs_agree_with_the_bjontegaard_package(interpolation):
    reference = pytest.importorskip("bjontegaard")
    compared = 0
    for anchor, proposal in random_curves(100):
        curves = Curve("anchor", *anchor), Curve("proposal", *proposal)
        arguments = (*anchor, *proposal, interpolation.value)
        options = {"require_matching_points": False, "min_overlap": 0}
        for own, other in ((bd_rate, reference.bd_rate), (bd_metric, reference.bd_psnr)):
            expected = other(*arguments, **options)
            assert own(*curves, interpolation).value == pytest.approx(expected, rel=1e-6, abs=1e-6)
            compared += 1
    assert compared == 200


def test_points_that_are_not_worth_their_rate_are_left_out_when_asked():
    rates, qualities = (8, 1, 2, 3, 4, 5, 2), (36, 30, 33, 32, 35, 35, 31)
    with pytest.raises(CurveError, match="two points at rate 2"):
        Curve.of("anchor", rates, qualities)
    assert Curve.of("anchor", rates, qualities, NonMonotone.PARETO) == ANCHOR


def test_what_is_left_of_a_saturated_curve_may_be_too_little():
    with pytest.raises(CurveError, match="flat: only 2 of 5 points are better than every cheaper one, at least 4"):
        Curve.of("flat", (1, 2, 3, 4, 5), (0.9, 1, 1, 1, 1), NonMonotone.PARETO)
    with pytest.raises(CurveError, match="NaN"):
        Curve.of("nan", (1, 2, 3, 4, 5), (0.9, 1, math.nan, 2, 3), NonMonotone.PARETO)


def test_less_overlap_than_is_asked_for_is_refused():
    proposal = Curve("proposal", RATES, tuple(quality + 4 for quality in QUALITIES))
    assert bd_rate(ANCHOR, proposal, least_overlap=0.2).overlap == pytest.approx(0.2)
    with pytest.raises(
        CurveError, match="20 % of what either covers, 33 % of the anchor, 33 % of the proposal; at least 75 %"
    ):
        bd_rate(ANCHOR, proposal, least_overlap=0.75)
    right = Curve("right", (4, 8, 16, 32), QUALITIES)
    with pytest.raises(CurveError, match=r"too little rate in common: 20 % of .* right 4 to 32"):
        bd_metric(ANCHOR, right, least_overlap=0.75)


@pytest.mark.parametrize("qualities", [(0, 5e-324, 1e-323, 1.5e-323), (0, 1e308, 1.1e308, 1.7e308)])
def test_curves_at_the_ends_of_the_numbers_have_a_figure_or_a_reason(interpolation, qualities):
    one, two = Curve("a", (1, 2, 3, 4), qualities), Curve("b", (1, 2, 3, 5), qualities)
    for difference in (bd_rate, bd_metric):
        try:
            assert math.isfinite(difference(one, two, interpolation).value)
        except CurveError as error:
            assert "to be interpolated" in str(error)


def test_rates_whose_logarithms_are_the_same_are_refused(interpolation):
    rates = [1e300]
    for _ in range(3):
        rates.append(math.nextafter(rates[-1], math.inf))
    curve = Curve("a", tuple(rates), (1, 2, 3, 4))
    with pytest.raises(CurveError, match=r"no rate in common|to be interpolated"):
        bd_metric(curve, curve, interpolation)
    with pytest.raises(CurveError, match="to be interpolated"):
        bd_metric(Curve("a", (*rates[:2], 2e300, 3e300), (1, 2, 3, 4)), ANCHOR_FAR, interpolation)


ANCHOR_FAR = Curve("far", (1e300, 1.5e300, 2e300, 4e300), QUALITIES)


def test_a_difference_beyond_all_numbers_is_refused(interpolation):
    far = Curve("proposal", tuple(rate * 1e300 for rate in RATES), QUALITIES)
    near = Curve("anchor", tuple(rate * 1e-300 for rate in RATES), QUALITIES)
    with pytest.raises(CurveError, match=r"proposal needs e\^1382 times the rate of anchor"):
        bd_rate(near, far, interpolation)


@pytest.mark.parametrize("treatment", NonMonotone)
def test_a_point_that_is_missing_is_refused(treatment):
    for rates, qualities in (((1, None, 3, 4), QUALITIES), (RATES, (1, 2, math.nan, 4)), (RATES, ("1", 2, 3, 4))):
        with pytest.raises(CurveError, match="a rate or a quality is missing, NaN or infinite"):
            Curve.of("a", rates, qualities, treatment)
