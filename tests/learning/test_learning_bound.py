"""The bound of equation 4 on linear models."""

from __future__ import annotations

import numpy as np

from refsw.learning.bound import LinearCase, random_case

POINTS = 6


def test_the_bound_holds_in_the_mean_over_the_draws_of_labels_for_1000_random_cases():
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(1000):
        case = random_case(rng, POINTS)
        shares.append(case.mean_risk(int(rng.choice([1, 5]))) / case.bound())
    assert max(shares) <= 1
    assert max(shares) > 0.1  # it is no bound that nothing comes near


def test_with_the_risk_on_the_draw_it_holds_for_every_draw():
    rng = np.random.default_rng(2)
    for _ in range(1000):
        case = random_case(rng, POINTS)
        places = rng.permutation(POINTS)[: rng.integers(1, POINTS)]
        assert case.risk(case.target(places)) <= case.drawn_bound(places)


def test_for_one_unlucky_draw_the_printed_bound_does_not_hold():
    # The source is right everywhere but at one point of a hundred, and that is the one that is labelled.
    truth = np.zeros((100, 1))
    truth[-1] = 1
    case = LinearCase(np.full((100, 1), 0.5), truth, np.zeros((1, 1, 1)), np.array([1.0]), 0.1)
    odd = np.array([99])
    assert case.risk(case.target(odd)) > 7 * case.bound()
    assert case.risk(case.target(odd)) <= case.drawn_bound(odd)
    assert case.mean_risk(1) <= case.bound()


def test_the_target_minimises_the_objective():
    rng = np.random.default_rng(3)
    case = random_case(rng, POINTS)
    places = np.array([0, 2, 3])

    def objective(model):
        held = sum(a * np.square(model - source).sum() for a, source in zip(case.alpha, case.sources, strict=True))
        return case.risk(model, places) + case.gamma * held

    found = case.target(places)
    least = objective(found)
    for _ in range(50):
        assert objective(found + 1e-3 * rng.standard_normal(found.shape)) > least
