"""10.6.6: prediction along the taps of a kernel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refsw.models.prediction import LIMIT, Predictor, fit, sample_runs, taps_of

COEFFICIENTS = st.one_of(st.just(0), st.integers(-70, 70), st.integers(-1023, 1023))


@st.composite
def predictors(draw: st.DrawFn, most: int = 10) -> Predictor:
    taps = draw(st.integers(2, most))
    rows = [tuple(draw(st.lists(COEFFICIENTS, min_size=p, max_size=p))) for p in range(1, taps)]
    return Predictor(tuple(rows))


def plain_restore(predictor: Predictor, residuals: list[int]) -> list[int] | None:
    """10.6.6 as it stands there; None if a magnitude is not below 2^40."""
    out: list[int] = []
    taps = len(predictor.rows) + 1
    for begin in range(0, len(residuals), taps):
        r, v = residuals[begin : begin + taps], [residuals[begin]]
        for p in range(1, taps):
            total = 32 + sum(predictor.rows[p - 1][j] * v[j] for j in range(p))
            v.append(r[p] + total // 64)
        out += v
    return None if any(abs(x) >= 2**40 for x in [*residuals, *out]) else out


@settings(max_examples=200, deadline=None)
@given(predictors(), st.data())
def test_residuals_and_their_inverse_are_what_plain_integers_give(predictor: Predictor, data: st.DataObject) -> None:
    count = predictor.taps * data.draw(st.integers(0, 4))
    sizes = data.draw(st.sampled_from([3, 1000, 2**30, 2**39, 2**40]))
    residuals = data.draw(st.lists(st.integers(-sizes, sizes), min_size=count, max_size=count))
    expected = plain_restore(predictor, residuals)
    found = predictor.restore(np.array(residuals, np.int64))
    assert (None if found is None else found.tolist()) == expected
    if expected is not None:
        assert predictor.residuals(np.array(expected, np.int64)).tolist() == residuals


def test_the_greatest_magnitudes_do_not_overflow() -> None:
    predictor = Predictor(tuple((1023,) * p for p in range(1, 64)))
    run = [LIMIT - 1] + [0] * 63
    assert predictor.restore(np.array(run)) is None
    assert plain_restore(predictor, run) is None
    small = [1, -16, 3] + [0] * 61
    expected = plain_restore(predictor, small)
    found = predictor.restore(np.array(small))
    assert (None if found is None else found.tolist()) == expected


@pytest.mark.parametrize(("value", "fine"), [(LIMIT - 1, True), (LIMIT, False), (1 - LIMIT, True), (-LIMIT, False)])
def test_magnitudes_are_below_2_to_the_40(value: int, fine: bool) -> None:
    none = Predictor(((0,),))
    assert (none.restore(np.array([0, value])) is not None) is fine
    # A value, not a residual, that is beyond.
    one = Predictor(((64,),))
    found = one.restore(np.array([LIMIT // 2, LIMIT // 2 - (1 if fine else 0)]))
    assert (found is not None) is fine


def test_the_sum_is_rounded_down_also_where_it_is_negative() -> None:
    predictor = Predictor(((1,),))
    found = predictor.restore(np.array([-33, 0, -32, 0, 31, 0, 32, 0]))
    assert found is not None
    assert found[1::2].tolist() == [-1, 0, 0, 1]


def test_a_fit_finds_what_resembles_the_tap_before() -> None:
    rng = np.random.default_rng(1)
    first = rng.integers(-1000, 1000, (5000, 1))
    runs = np.concatenate(
        [first, first + rng.integers(-3, 4, (5000, 1)), first // 2 + rng.integers(-3, 4, (5000, 1))], 1
    )
    predictor = fit(runs, 3)
    assert predictor.rows[0][0] == pytest.approx(64, abs=2)
    left = predictor.residuals(runs.reshape(-1)).reshape(-1, 3)
    assert np.array_equal(left[:, 0], runs[:, 0])
    assert np.abs(left[:, 1:]).mean() < 8
    restored = predictor.restore(left.reshape(-1).copy())
    assert restored is not None
    assert np.array_equal(restored, runs.reshape(-1))


@pytest.mark.parametrize("taps", [2, 9, 25, 49, 64])
def test_a_fit_of_any_runs_is_within_the_bounds_of_the_syntax(taps: int) -> None:
    rng = np.random.default_rng(taps)
    width = 7 if taps == 49 else 5
    for runs in (rng.integers(-9, 9, (300, taps)), np.zeros((4, taps), np.int64), np.full((9, taps), 2**50),
                 rng.integers(-(2**62), 2**62, (50, taps))):  # fmt: skip
        predictor = fit(runs, width)
        assert predictor.taps == taps
        assert [len(row) for row in predictor.rows] == list(range(1, taps))
        assert all(abs(c) <= 1023 for row in predictor.rows for c in row)


def test_taps_are_the_elements_of_a_kernel() -> None:
    assert [taps_of(s) for s in [(), (5,), (5, 6), (5, 6, 3), (8, 4, 3, 3), (8, 4, 2, 3, 3)]] == [1, 1, 1, 3, 9, 18]
    assert taps_of((64, 3, 8, 8)) == 64
    assert taps_of((64, 3, 9, 9)) == 1
    assert sample_runs(np.arange(18), 9).shape == (2, 9)
