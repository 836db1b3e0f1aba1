"""Informative: entropy and mutual information from samples, each with what is known of its bias, in bits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsw.evaluation.errors import EvaluationError
from refsw.extras import optional
from refsw.tensor.axes import Array

NEIGHBOURS, PERMUTATIONS = 3, 100


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate.

    Args:
        value: as the estimator gives it.
        bias: what is known of its mean less the truth: by the first term of its expansion (plug-in), or by the mean
            of permutations, between whose halves nothing is common (KSG). `corrected` is the value without it.
        deviation: of the permutations; 0 of plug-in estimates.
        significance: share of permutations with at least this value, itself counted; 1 of plug-in estimates.
        samples: number of them.
    """

    value: float
    bias: float
    deviation: float
    significance: float
    samples: int

    @property
    def corrected(self) -> float:
        """The value less its bias."""
        return self.value - self.bias


def plug_in_entropy(samples: Any) -> Estimate:
    """The entropy of the frequencies; its bias is -(K - 1) / (2 N ln 2) (Miller 1955), K values being there.

    Args:
        samples: (N,) or, of vectors, (N, ...).

    Raises:
        EvaluationError: none.
    """
    counts = _counts(_rows(samples))
    return Estimate(_of_counts(counts), -(len(counts) - 1) / (2 * counts.sum() * math.log(2)), 0.0, 1.0, counts.sum())


def plug_in_information(first: Any, second: Any) -> Estimate:
    """I of the frequencies; its bias is (K12 - K1 - K2 + 1) / (2 N ln 2), with the numbers of values that are there...

    ...of both alone with the sign turned: of independent variables (K1 - 1)(K2 - 1) / (2 N ln 2).

    Args:
        first, second: (N,) or (N, ...) each.

    Raises:
        EvaluationError: none, or not as many of one as of the other.
    """
    x, y = _pair(first, second)
    joint = np.concatenate([_numbers(x)[:, None], _numbers(y)[:, None]], axis=1)
    counts = [_counts(x), _counts(y), _counts(joint)]
    value = _of_counts(counts[0]) + _of_counts(counts[1]) - _of_counts(counts[2])
    kinds = [len(count) for count in counts]
    bias = (kinds[2] - kinds[0] - kinds[1] + 1) / (2 * len(x) * math.log(2))
    return Estimate(value, bias, 0.0, 1.0, len(x))


def ksg(
    first: Any, second: Any, *, neighbours: int = NEIGHBOURS, permutations: int = PERMUTATIONS, seed: int = 0
) -> Estimate:
    """I of continuous variables by Kraskov, Stoegbauer and Grassberger (2004), their first estimator.

    Both are standardised, and a noise of 1e-10 parts ties. The bias is that of permutations of the second variable,
    between which and the first there is no information.

    Args:
        first, second: (N,) or (N, ...) each.
        neighbours: k of the estimator.
        permutations: of the null; 0 for none.
        seed: of noise and permutations.

    Raises:
        EvaluationError: not more samples than neighbours, or not as many of one as of the other; NaN or infinity.
    """
    x, y = (rows.astype(np.float64) for rows in _pair(first, second))
    if len(x) <= neighbours or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise EvaluationError(f"{len(x)} samples: more than {neighbours}, all of them finite")
    rng = np.random.default_rng(seed)
    x, y = (_standard(rows) + 1e-10 * rng.standard_normal(rows.shape) for rows in (x, y))
    value = _ksg(x, y, neighbours)
    null = [_ksg(x, rng.permutation(y), neighbours) for _ in range(permutations)]
    if not null:
        return Estimate(value, 0.0, 0.0, 1.0, len(x))
    above = 1 + sum(one >= value for one in null)
    return Estimate(value, float(np.mean(null)), float(np.std(null)), above / (permutations + 1), len(x))


def _ksg(x: Array, y: Array, neighbours: int) -> float:
    tree, digamma = optional("scipy.spatial").cKDTree, optional("scipy.special").digamma
    distances, _ = tree(np.hstack([x, y])).query(x_y := np.hstack([x, y]), neighbours + 1, p=math.inf)
    radius = np.nextafter(distances[:, -1], 0)  # strictly nearer than the k-th neighbour
    inner = [tree(own).query_ball_point(own, radius, p=math.inf, return_length=True) for own in (x, y)]
    # The counts hold the point itself: they are n + 1.
    mean = float(np.mean(digamma(inner[0]) + digamma(inner[1])))
    return (float(digamma(neighbours)) + float(digamma(len(x_y))) - mean) / math.log(2)


def _standard(rows: Array) -> Array:
    spread = rows.std(axis=0)
    standard: Array = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return standard


def _rows(samples: Any) -> Array:
    rows = np.asarray(samples)
    if rows.ndim == 0 or len(rows) == 0:
        raise EvaluationError("an estimate needs samples")
    return rows.reshape(len(rows), -1)


def _pair(first: Any, second: Any) -> tuple[Array, Array]:
    x, y = _rows(first), _rows(second)
    if len(x) != len(y):
        raise EvaluationError(f"{len(x)} and {len(y)} samples: as many of one variable as of the other")
    return x, y


def _numbers(rows: Array) -> Array:
    return np.asarray(np.unique(rows, axis=0, return_inverse=True)[1]).reshape(-1)


def _counts(rows: Array) -> Array:
    return np.asarray(np.unique(rows, axis=0, return_counts=True)[1])


def _of_counts(counts: Array) -> float:
    p = counts / counts.sum()
    return float(-(p * np.log2(p)).sum())
