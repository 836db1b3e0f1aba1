"""Informative: the cubic that never falls and is closest to points in the sense of least squares.

On [0, 1] the derivative of a cubic is a quadratic b0 (1-t)^2 + 2 b1 t (1-t) + b2 t^2, which is nowhere negative exactly
where b0 >= 0, b2 >= 0 and b1 >= -sqrt(b0 b2). These quadratics are a convex cone, and the error is convex: if the free
fit is outside, the best is on the boundary, where b0 = 0, or b2 = 0, or the quadratic is k (t - r)^2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from refsw.extras import optional
from refsw.tensor.axes import Array

GRID = 201
"""Places of the double root that are tried before the best is refined."""


def rising_cubic(places: Sequence[float], values: Sequence[float]) -> tuple[float, ...]:
    """The values at the same places of the cubic that never falls and fits best.

    Args:
        places: at least two different ones, in any order.
        values: of the same points.
    """
    x, y = np.asarray(places, np.float64), np.asarray(values, np.float64)
    t = (x - x.min()) / (x.max() - x.min())
    # Integrals from 0 of the three parts of the derivative.
    parts = np.stack([t - t**2 + t**3 / 3, t**2 - 2 * t**3 / 3, t**3 / 3], axis=1)
    free, *_ = np.linalg.lstsq(np.column_stack([np.ones_like(t), parts]), y, rcond=None)
    b0, b1, b2 = free[1:]
    if min(b0, b2) >= 0 and b1 >= -np.sqrt(b0 * b2):
        return _floats(free[0] + parts @ free[1:])
    fits = [_best(parts[:, 1:], y), _best(parts[:, :2], y), _with_root(t, y)]
    return _floats(min(fits, key=lambda fit: fit[0])[1])


def _with_root(t: Array, y: Array) -> tuple[float, Array]:
    """The best fit whose derivative is k (t - r)^2, r from 0 to 1."""

    def fit(root: float) -> tuple[float, Array]:
        return _best((((t - root) ** 3 + root**3) / 3)[:, None], y)

    error: Callable[[float], float] = lambda root: fit(root)[0]  # noqa: E731
    grid = np.linspace(0, 1, GRID)
    best = int(np.argmin([error(root) for root in grid]))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)]
    found = optional("scipy.optimize").minimize_scalar(error, bounds=bounds, method="bounded", options={"xatol": 1e-12})
    return min(fit(float(found.x)), fit(float(grid[best])), key=lambda one: one[0])


def _best(parts: Array, y: Array) -> tuple[float, Array]:
    """The squared error and the values of the best constant with parts that are counted 0 times or more."""
    centred = parts - parts.mean(axis=0)
    weights, _ = optional("scipy.optimize").nnls(centred, y - y.mean())
    values = y.mean() + centred @ weights
    return float(np.square(values - y).sum()), values


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
