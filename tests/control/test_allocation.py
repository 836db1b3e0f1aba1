"""Surfaces of distortion, and the rates that they lead to, against numeric optimisation."""

from __future__ import annotations

import numpy as np
import pytest

from refsw.control.allocation import allocate, equal_split, pareto_set, proportional_split, weighted
from refsw.control.surface import Surface, fit, task_distortion
from refsw.errors import UsageError


def surface(seed: int, tensors: int) -> Surface:
    rng = np.random.default_rng(seed)
    return Surface(float(rng.uniform(0, 3)), rng.uniform(1, 40, tensors), rng.uniform(0.02, 0.2, tensors))


@pytest.mark.parametrize("tensors", [1, 2, 3, 7])
@pytest.mark.parametrize("total", [0.0, 3.0, 40.0, 400.0])
def test_the_closed_form_is_what_numeric_optimisation_finds(tensors: int, total: float) -> None:
    for seed in range(2):
        one = surface(seed, tensors)
        rates = allocate(one, total)
        assert rates.sum() == pytest.approx(total, abs=1e-9)
        assert (rates >= 0).all()
        assert np.allclose(rates, weighted([one], [1.0], total), atol=1e-6)


def test_the_closed_form_is_what_scipy_finds() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    for seed in range(5):
        one = surface(seed, 3)
        found = optimize.minimize(
            lambda r, one=one: float(one.at(r)), np.full(3, 20.0), method="SLSQP", bounds=[(0, None)] * 3,
            constraints={"type": "eq", "fun": lambda r: r.sum() - 60.0}, options={"ftol": 1e-14, "maxiter": 500},
        )  # fmt: skip
        assert float(one.at(allocate(one, 60.0))) <= found.fun + 1e-9
        assert float(one.at(allocate(one, 60.0))) == pytest.approx(found.fun, abs=1e-6)


def test_tensors_that_are_not_worth_it_get_nothing() -> None:
    one = Surface(0.0, np.array([40.0, 0.01, 20.0]), np.array([0.1, 0.1, 0.1]))
    rates = allocate(one, 10.0)
    assert rates[1] == 0
    assert rates[0] == pytest.approx(10.0)
    assert allocate(one, 300.0).min() > 0


def test_no_split_is_better() -> None:
    one = surface(3, 4)
    for total in (10.0, 50.0, 200.0):
        best = float(one.at(allocate(one, total)))
        for split in (equal_split(4, total), proportional_split([64, 16, 4, 1], total)):
            assert split.sum() == pytest.approx(total)
            assert best <= float(one.at(split)) + 1e-12


def test_the_pareto_set_of_two_tensors_is_all_between_the_best_of_single_tasks() -> None:
    surfaces = [surface(seed, 2) for seed in (1, 2, 5)]
    found = pareto_set(surfaces, 50.0)
    best = np.stack([allocate(one, 50.0) for one in surfaces])
    assert found.exact
    assert (found.low[0], found.high[0]) == (best[:, 0].min(), best[:, 0].max())
    for rates in found.rates:
        mine = np.array([float(one.at(rates)) for one in surfaces])
        for other in np.linspace(0, 50, 201):
            theirs = np.array([float(one.at([other, 50 - other])) for one in surfaces])
            assert not ((theirs <= mine - 1e-9).all())


def test_of_three_tensors_and_two_tasks_there_are_bounds() -> None:
    surfaces = [surface(seed, 3) for seed in (1, 2)]
    found = pareto_set(surfaces, 60.0, count=9)
    assert not found.exact
    assert np.allclose(found.rates[0], allocate(surfaces[0], 60.0), atol=1e-6)
    assert np.allclose(found.rates[-1], allocate(surfaces[1], 60.0), atol=1e-6)
    for share in (0.13, 0.77):
        rates = weighted(surfaces, (share, 1 - share), 60.0)
        assert (found.low <= rates).all()
        assert (rates <= found.high).all()
    with pytest.raises(UsageError, match="3 tensors, 3 tasks"):
        pareto_set([*surfaces, surface(4, 3)], 60.0)


def test_a_fit_finds_the_surface_that_points_are_of() -> None:
    pytest.importorskip("scipy")
    one = Surface(1.5, np.array([30.0, 12.0]), np.array([0.05, 0.2]))
    rates = np.array([(a, b) for a in (5, 20, 50, 90) for b in (2, 10, 20, 40)], np.float64)
    found = fit(rates, one.at(rates))
    assert found.r2 > 1 - 1e-9
    assert found.gamma == pytest.approx(one.gamma, abs=1e-4)
    assert np.allclose(found.alpha, one.alpha, rtol=1e-4)
    assert np.allclose(found.beta, one.beta, rtol=1e-4)
    noisy = fit(rates, one.at(rates) + np.random.default_rng(0).normal(0, 0.5, len(rates)))
    assert 0.94 < noisy.r2 < 1
    assert np.allclose(noisy.beta, one.beta, rtol=0.5)


def test_what_cannot_be_fitted_is_refused() -> None:
    pytest.importorskip("scipy")
    rates = np.array([(1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (3.0, 3.0)])
    with pytest.raises(UsageError, match="4 points for a surface of 5 parameters"):
        fit(rates, [1, 2, 3, 4])
    rates = np.array([(r, 1.0) for r in range(9)])
    with pytest.raises(UsageError, match="tensor 1: all its points have one rate"):
        fit(rates, range(9))
    with pytest.raises(UsageError, match="are numbers"):
        fit(np.array([(r, r) for r in range(9)], np.float64), [np.nan] * 9)


def test_the_distortion_of_a_task_is_a_percentage_of_its_performance() -> None:
    assert task_distortion(0.8, [0.8, 0.6, 0.88]).tolist() == pytest.approx([0.0, 25.0, 10.0])
    with pytest.raises(UsageError, match="performance of 0"):
        task_distortion(0.0, [0.1])
    with pytest.raises(UsageError, match="a total rate"):
        allocate(surface(0, 2), -1.0)
    with pytest.raises(UsageError, match="as many weights"):
        weighted([surface(0, 2)], [0.0], 1.0)
