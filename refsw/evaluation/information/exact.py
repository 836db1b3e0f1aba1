"""Informative: entropy and mutual information of distributions that are known, in bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from refsw.evaluation.errors import EvaluationError
from refsw.tensor.axes import Array

SUM = 1e-9


def entropy(distribution: Any) -> float:
    """H = -sum p log2 p over all elements.

    Raises:
        EvaluationError: not a distribution.
    """
    p = _checked(distribution)
    known = p[p > 0]
    return max(0.0, float(-(known * np.log2(known)).sum()))


def mutual_information(joint: Any) -> float:
    """I(X; Y) = H(X) + H(Y) - H(X, Y) of a joint distribution (x, y).

    Raises:
        EvaluationError: not a joint distribution of two.
    """
    p = _checked(joint)
    if p.ndim != 2:
        raise EvaluationError(f"a joint distribution of two variables has two axes, not {p.ndim}")
    return entropy(p.sum(axis=1)) + entropy(p.sum(axis=0)) - entropy(p)


def conditional_entropy(joint: Any) -> float:
    """H(Y | X) = H(X, Y) - H(X) of a joint distribution (x, y); 0 where Y is a function of X."""
    p = _checked(joint)
    return entropy(p) - entropy(p.sum(axis=1))


def _checked(distribution: Any) -> Array:
    p = np.asarray(distribution, np.float64)
    if p.size == 0 or not np.isfinite(p).all() or (p < 0).any() or abs(p.sum() - 1) > SUM:
        raise EvaluationError("a distribution has elements from 0 to 1 that add up to 1")
    return p
