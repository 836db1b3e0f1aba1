"""Information theory on exact networks, its estimates, and the claims of the tutorial of ICME 2022."""

from __future__ import annotations

import math

import numpy as np
import pytest

from refsw.evaluation.errors import EvaluationError
from refsw.evaluation.information import (
    DecisionBound,
    DiscreteNetwork,
    blahut_arimoto,
    conditional_entropy,
    entropy,
    ksg,
    mutual_information,
    plug_in_entropy,
    plug_in_information,
    random_networks,
    verify_order,
)


def binary(p):
    return entropy([p, 1 - p])


def test_entropy_and_information_by_hand():
    assert entropy([0.5, 0.25, 0.25]) == pytest.approx(1.5)
    assert entropy([1.0, 0.0]) == 0
    # A binary symmetric channel with error 0.1 and a fair input: 1 - H(0.1).
    channel = [[0.45, 0.05], [0.05, 0.45]]
    assert mutual_information(channel) == pytest.approx(1 - binary(0.1))
    assert conditional_entropy(channel) == pytest.approx(binary(0.1))


@pytest.mark.parametrize("wrong", [[0.5, 0.6], [-0.5, 1.5], [], [math.nan, 1]])
def test_what_is_no_distribution_is_refused(wrong):
    with pytest.raises(EvaluationError, match="add up to 1"):
        entropy(wrong)


@pytest.mark.parametrize("wanted", [0.05, 0.2, 0.35])
def test_the_rate_of_a_binary_source_is_that_of_shannon(wanted):
    # R(D) = H(p) - H(D), with slope log2((1 - D) / D).
    source, distortion = np.array([0.4, 0.6]), 1 - np.eye(2)
    trade = blahut_arimoto(source, distortion, math.log2((1 - wanted) / wanted), gap=1e-12, steps=20000)
    assert float(trade.distortion) == pytest.approx(wanted, abs=1e-6)
    assert float(trade.rate) == pytest.approx(binary(0.4) - binary(wanted), abs=1e-6)
    assert 0 <= float(trade.upper - trade.lower) < 1e-9


def test_sources_are_worked_on_at_the_same_time_as_alone():
    rng = np.random.default_rng(0)
    sources, distortions = rng.dirichlet(np.ones(5), 3), rng.random((3, 5, 4))
    together = blahut_arimoto(sources, distortions, 3.0, gap=0, steps=200)
    for number, (source, distortion) in enumerate(zip(sources, distortions, strict=True)):
        alone = blahut_arimoto(source, distortion, 3.0, gap=0, steps=200)
        assert float(alone.rate) == pytest.approx(together.rate[number])
        assert float(alone.lower) == pytest.approx(together.lower[number])


def test_the_order_of_layers_holds_on_250_random_networks():
    order = verify_order(random_networks(250, units=3))
    assert order.violations == ()
    # Entropies: 3; two inequalities for each of 10 pairs of depths; rates: 2 distortions x 3 slopes x 3 layers.
    assert order.checks == 250 * (3 + 2 * 10 + 2 * 3 * 3)
    assert order.strict > 1000


def test_the_inequality_as_printed_does_not_hold():
    networks = random_networks(250, units=3)
    printed = sum(
        entropy(n.distribution(at)) <= entropy(n.distribution(at + 1)) + 1e-9 for n in networks for at in range(3)
    )
    assert printed < 3 * 250 / 2


def test_an_order_that_is_wrong_is_noticed():
    broken = [_Broken(n.source, n.layers) for n in random_networks(20, seed=3)]
    assert verify_order(broken).violations


class _Broken(DiscreteNetwork):
    """Its layers are taken from the back: the deepest comes first."""

    def distribution(self, depth):
        return DiscreteNetwork.distribution(self, len(self.layers) - depth)

    def distortion(self, depth, kind="hamming"):
        return DiscreteNetwork.distortion(self, len(self.layers) - depth, kind)


def test_with_states_that_layers_give_alone_the_rate_is_the_same_everywhere():
    for network in random_networks(5, seed=1):
        rates = []
        for depth in range(4):
            given = np.unique(network.map(0, depth))
            distortion = network.distortion(depth)[:, given]
            trade = blahut_arimoto(network.distribution(depth), distortion, 4.0, gap=1e-9, steps=20000)
            rates.append(float(trade.upper))
        assert rates == pytest.approx([rates[0]] * 4, abs=1e-4)


def test_plug_in_estimates_are_off_by_what_they_say():
    rng = np.random.default_rng(7)
    values = [plug_in_entropy(rng.integers(0, 8, 200)) for _ in range(200)]
    assert np.mean([e.value for e in values]) < 3
    assert np.mean([e.corrected for e in values]) == pytest.approx(3, abs=0.003)
    pairs = [plug_in_information(rng.integers(0, 4, 300), rng.integers(0, 5, 300)) for _ in range(200)]
    assert np.mean([e.value for e in pairs]) > 0.02
    assert np.mean([e.corrected for e in pairs]) == pytest.approx(0, abs=0.003)


def test_ksg_finds_the_information_of_normal_variables():
    # I = -log2(1 - r^2) / 2.
    pytest.importorskip("scipy")
    rng = np.random.default_rng(11)
    x = rng.standard_normal(800)
    y = 0.8 * x + 0.6 * rng.standard_normal(800)
    found = ksg(x, y, permutations=19)
    assert found.value == pytest.approx(-math.log2(1 - 0.64) / 2, abs=0.1)
    assert found.significance == 1 / 20
    nothing = ksg(x, rng.standard_normal(800), permutations=19)
    assert abs(nothing.corrected) < 4 * nothing.deviation
    assert nothing.significance > 0.05


def test_samples_that_say_nothing_are_refused():
    pytest.importorskip("scipy")
    with pytest.raises(EvaluationError, match="more than 3"):
        ksg([1, 2, 3], [1, 2, 3])
    with pytest.raises(EvaluationError, match="3 and 2 samples"):
        plug_in_information([1, 2, 3], [1, 2])
    with pytest.raises(EvaluationError, match="needs samples"):
        plug_in_entropy([])


def test_the_least_rate_of_decisions_is_the_rate_distortion_function():
    fair = DecisionBound.of([0, 1] * 50)
    assert fair.bits(0) == pytest.approx(1)
    assert fair.bits(0.1) == pytest.approx(1 - binary(0.1))
    assert fair.bits(0.5) == fair.bits(0.9) == 0
    assert DecisionBound.of([3] * 5).bits(0) == 0
    four = DecisionBound.of(list(range(4)) * 9)
    for wanted in (0.05, 0.3, 0.6):
        slope = math.log2(3 * (1 - wanted) / wanted)
        trade = blahut_arimoto(np.full(4, 0.25), 1 - np.eye(4), slope, gap=1e-12, steps=20000)
        assert float(trade.distortion) == pytest.approx(wanted, abs=1e-6)
        assert four.bits(wanted) == pytest.approx(float(trade.rate), abs=1e-6)


def test_the_least_rate_of_skewed_decisions_is_no_higher_than_the_function():
    skewed = DecisionBound.of([0] * 6 + [1] * 3 + [2])
    source = np.array([0.6, 0.3, 0.1])
    for slope in (1.0, 2.5, 5.0):
        trade = blahut_arimoto(source, 1 - np.eye(3), slope, gap=1e-10, steps=20000)
        assert skewed.bits(float(trade.distortion)) <= float(trade.rate) + 1e-6
    assert skewed.entropy.bias < 0
    with pytest.raises(EvaluationError, match="a share of 2"):
        skewed.bits(2)
