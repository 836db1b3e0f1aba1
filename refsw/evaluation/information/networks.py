"""Informative: discrete networks that are small enough to be exact, and the order that theory claims for their layers.

X -> Y1 -> ... -> T, each layer a function of the one before on the same finite set of states, so that everything is a
sum over states. The claims: H(Yj) <= H(Yi) <= H(X) and, with the distortion measured at T, R_Yj(D) <= R_Yi(D) <= R_X(D)
for i < j (the tutorial prints the inequality the other way round). What is reproduced at a layer may be any state, also
one that the layers before it never give: with those that they do give alone, the rates are the same at every layer, as
whatever reproduces T at the output can be reproduced at the input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np

from refsw.evaluation.information.exact import entropy, mutual_information
from refsw.evaluation.information.ratedistortion import blahut_arimoto
from refsw.tensor.axes import Array

SLOPES = (0.5, 2.0, 8.0)
STEPS = 200
"""Of the algorithm: most sources are done long before, and the bounds of the others hold as well."""
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class DiscreteNetwork:
    """A distribution of the input over states, and for each layer the state that it makes of each.

    Args:
        source: binary64 (states,).
        layers: each (states,), whole numbers below the number of states; the last gives T.
    """

    source: Array
    layers: tuple[Array, ...]

    def distribution(self, depth: int) -> Array:
        """Of what comes out of the first `depth` layers; 0 is the input."""
        return np.bincount(self.map(0, depth), weights=self.source, minlength=len(self.source))

    def map(self, first: int, last: int) -> Array:
        """The state that the layers from `first` to `last` make of each state."""
        start: Array = np.arange(len(self.source))
        return reduce(lambda states, layer: layer[states], self.layers[first:last], start)

    def joint(self, first: int, last: int) -> Array:
        """Of the variables at two depths, (states, states)."""
        p = np.zeros((len(self.source),) * 2)
        np.add.at(p, (self.map(0, first), self.map(0, last)), self.source)
        return p

    def distortion(self, depth: int, kind: str = "hamming") -> Array:
        """d(T(y), T(y')) of states y and y' at a depth: `hamming`, 0 or 1, or `squared`, of the states' numbers."""
        t = self.map(depth, len(self.layers))
        difference = t[:, None] - t[None, :]
        found: Array = (difference != 0).astype(np.float64) if kind == "hamming" else np.square(difference / t.size)
        return found


def random_networks(count: int, *, units: int = 4, depth: int = 3, seed: int = 0) -> list[DiscreteNetwork]:
    """Networks of thresholded sums: states are vectors of `units` binary units, weights are whole numbers.

    Args:
        count: how many.
        units: of each layer; there are 2 ** units states.
        depth: layers, the last one with T.
        seed: of weights and source.
    """
    rng, states = np.random.default_rng(seed), 2**units
    bits = (np.arange(states)[:, None] >> np.arange(units)) & 1
    networks = []
    for _ in range(count):
        layers = []
        for _ in range(depth):
            sums = bits @ rng.integers(-2, 3, (units, units)) + rng.integers(-2, 3, units)
            layers.append(((sums > 0) << np.arange(units)).sum(axis=1))
        networks.append(DiscreteNetwork(rng.dirichlet(np.full(states, 0.7)), tuple(layers)))
    return networks


@dataclass(frozen=True, slots=True)
class Order:
    """How often the order claimed was looked at, and where it was not found: in words, with both figures."""

    checks: int
    violations: tuple[str, ...]
    strict: int


def verify_order(networks: Sequence[DiscreteNetwork], slopes: Sequence[float] = SLOPES, *, steps: int = STEPS) -> Order:
    """Hold networks of one depth and number of states against the claims.

    A violation of entropies is one beyond rounding; one of rates is proved: the lower bound at the deeper layer is
    above the upper bound at the one before.

    Returns:
        With `strict`, how often the deeper figure was smaller by more than rounding and the gap of the bounds.
    """
    violations, checks, strict = [], 0, 0
    for number, network in enumerate(networks):
        for name, before, after in _of_entropies(network):
            checks += 1
            strict += before - after > ROUNDING
            if after > before + ROUNDING:
                violations.append(f"network {number}: {name}: {after:.6g} above {before:.6g}")
    depth = len(networks[0].layers)
    for kind in ("hamming", "squared"):
        for slope in slopes:
            trades = [
                blahut_arimoto(
                    np.stack([network.distribution(at) for network in networks]),
                    np.stack([network.distortion(at, kind) for network in networks]),
                    slope,
                    steps=steps,
                )
                for at in range(depth + 1)
            ]
            for at, (shallow, deep) in enumerate(pairwise(trades)):
                checks += len(networks)
                strict += int((deep.upper < shallow.lower - ROUNDING).sum())
                wrong = np.flatnonzero(deep.lower > shallow.upper + ROUNDING)
                violations += [
                    f"network {i}: rate + {slope:g} distortion ({kind}) after layer {at + 1}: {deep.lower[i]:.6g} "
                    f"above {shallow.upper[i]:.6g}"
                    for i in wrong
                ]
    return Order(checks, tuple(violations), strict)


def _of_entropies(network: DiscreteNetwork) -> Iterator[tuple[str, float, float]]:
    """Pairs of which the second is claimed to be no greater: entropies, and the data processing inequality."""
    depth = len(network.layers)
    entropies = [entropy(network.distribution(at)) for at in range(depth + 1)]
    for at in range(depth):
        yield f"H after layer {at + 1}", entropies[at], entropies[at + 1]
    for middle in range(depth + 1):
        for last in range(middle, depth + 1):
            information = mutual_information(network.joint(0, last))
            yield f"I(X; Y{last}) against I(X; Y{middle})", mutual_information(network.joint(0, middle)), information
            # The chain X -> Yi -> Yj -> T: I(Yi; Yj) >= I(X; T).
            yield (
                f"I(X; T) against I(Y{middle}; Y{last})",
                mutual_information(network.joint(middle, last)),
                mutual_information(network.joint(0, depth)),
            )
