"""Informative: the bound of equation 4 of "Digital retina" on linear models, exactly.

With linear models and the least square loss, the target minimises (1 / N_l) sum ||f x_n - y_n||^2 +
gamma sum over m of alpha_m ||f - V_m f_m||^2, and the theorem says

    R(f) <= 2 M sum over m of alpha_m^2 R(V_m f_m) (r^2 / gamma + 1)        for ||x|| <= r, sum of alpha_m = 1.

The term r^2 / gamma comes from the risk of the sources on the labelled samples. It is that of the domain in the mean
over the draws of these samples, so the theorem holds for the mean of R(f); for one unlucky draw it need not, unless the
first of the two factors is the risk on the draw: `drawn_bound`, which always holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from refsw.tensor.axes import Array


@dataclass(frozen=True, slots=True)
class LinearCase:
    """A domain of K points that are equally likely, and transformed sources.

    Args:
        points: x, binary64 (K, d).
        truth: y, binary64 (K, outputs).
        sources: V_m f_m, binary64 (M, outputs, d).
        alpha: (M,), of sum 1, from 0.
        gamma: weight, above 0.
    """

    points: Array
    truth: Array
    sources: Array
    alpha: Array
    gamma: float

    def risk(self, model: Array, places: Array | None = None) -> float:
        """R(f): the mean over the domain, or over some of its points, of ||f x - y||^2; the model is (outputs, d)."""
        points, truth = (a if places is None else a[places] for a in (self.points, self.truth))
        return float(np.square(points @ model.T - truth).sum(1).mean())

    def target(self, places: Array) -> Array:
        """The target for some labelled points, (outputs, d).

        Only the mean of the sources counts: sum of alpha_m ||f - f_m||^2 is ||f - their mean||^2 and a constant.
        """
        mean = np.tensordot(self.alpha, self.sources, 1)
        points, truth = self.points[places], self.truth[places]
        rest = truth - points @ mean.T
        normal = points.T @ points / len(places) + self.gamma * np.eye(points.shape[1])
        found: Array = mean + np.linalg.solve(normal, points.T @ rest / len(places)).T
        return found

    def mean_risk(self, labelled: int) -> float:
        """Mean of R(f) over all draws of so many labelled points."""
        draws = combinations(range(len(self.points)), labelled)
        return float(np.mean([self.risk(self.target(np.array(draw))) for draw in draws]))

    def bound(self) -> float:
        """The right side of equation 4."""
        risks = np.array([self.risk(model) for model in self.sources])
        return self._bound(risks, risks)

    def drawn_bound(self, places: Array) -> float:
        """The same with the risk of the sources on the draw where the proof has it."""
        on_domain = np.array([self.risk(model) for model in self.sources])
        on_draw = np.array([self.risk(model, places) for model in self.sources])
        return self._bound(on_domain, on_draw)

    def _bound(self, risks: Array, on_draw: Array) -> float:
        square = float(np.square(self.points).sum(1).max())  # r^2
        count, weights = len(self.sources), np.square(self.alpha)
        return float(2 * count * (weights * (risks + square / self.gamma * on_draw)).sum())


def random_case(rng: np.random.Generator, points: int = 6) -> LinearCase:
    """A case with 1 to 4 sources of any quality, 1 to 3 outputs, 1 to 5 inputs, noise, and gamma from 0.01 to 100."""
    inputs, outputs, sources = rng.integers(1, 6), rng.integers(1, 4), rng.integers(1, 5)
    truth = rng.standard_normal((outputs, inputs))
    x = rng.standard_normal((points, inputs)) * np.exp(rng.normal(0, 1))
    y = x @ truth.T + rng.standard_normal((points, outputs)) * np.exp(rng.normal(-1, 1))
    off = rng.standard_normal((sources, outputs, inputs)) * np.exp(rng.normal(-1, 1.5, (sources, 1, 1)))
    return LinearCase(x, y, truth + off, rng.dirichlet(np.ones(sources)), float(10 ** rng.uniform(-2, 2)))
