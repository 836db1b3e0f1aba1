"""Informative: how to divide a rate among tensors, from the surfaces of the tasks (`refsw.control.surface`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refsw.control.surface import Floats, Surface
from refsw.errors import UsageError

HALVINGS = 60


def allocate(surface: Surface, total: float) -> Floats:
    """The rates (N,) of least distortion of one task that make up a total: closed form, with water-filling.

    Where all rates are positive, alpha_j beta_j 2^(-beta_j R_j) is the same for all of them; tensors whose rate would
    be negative get none, and the others are solved anew.

    Raises:
        UsageError: a total that is no rate.
    """
    if not 0 <= total < np.inf:
        raise UsageError(f"a total rate of {total}: a number, at least 0")
    logs = np.log2(surface.alpha) + np.log2(surface.beta)
    if total == 0:
        return np.zeros(len(logs))
    open_ = np.ones(len(logs), np.bool_)
    while True:
        inverse = 1 / surface.beta[open_]
        level = (np.sum(logs[open_] * inverse) - total) / np.sum(inverse)
        rates = np.zeros(len(logs))
        rates[open_] = (logs[open_] - level) * inverse
        if (rates[open_] > 0).all():
            return rates
        open_ &= rates > 0


def weighted(surfaces: Sequence[Surface], weights: npt.ArrayLike, total: float) -> Floats:
    """The rates (N,) of the least weighted sum of distortions of several tasks, by bisection of the common slope."""
    w = np.asarray(weights, np.float64)
    if len(w) != len(surfaces) or (w < 0).any() or not w.sum() > 0:
        raise UsageError(f"{len(surfaces)} tasks take as many weights, none negative, not all 0")
    alpha = np.stack([one.alpha for one in surfaces]) * (w / w.sum())[:, None]
    beta = np.stack([one.beta for one in surfaces])

    def slope(rates: Floats) -> Floats:
        return np.asarray(np.sum(alpha * beta * np.exp2(-beta * rates), axis=0))

    def rates_at(level: float) -> Floats:
        low, high = np.zeros(alpha.shape[1]), np.full(alpha.shape[1], total)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            steep = slope(middle) > level
            low, high = np.where(steep, middle, low), np.where(steep, high, middle)
        return np.asarray((low + high) / 2)

    flat, steep = 0.0, float(slope(np.zeros(alpha.shape[1])).max())
    for _ in range(HALVINGS):
        level = (flat + steep) / 2
        if rates_at(level).sum() > total:
            flat = level
        else:
            steep = level
    rates = rates_at((flat + steep) / 2)
    return np.asarray(rates * (total / rates.sum())) if rates.sum() > 0 else rates


@dataclass(frozen=True, slots=True)
class ParetoSet:
    """Divisions of a total none of which is worse than another one for all tasks.

    Args:
        low, high: (N,): the least and the greatest rate of every tensor.
        exact: whether all divisions within these bounds belong to it (two tensors); else it lies within them.
        rates: (n, N): some that belong to it.
    """

    low: Floats
    high: Floats
    exact: bool
    rates: Floats


def pareto_set(surfaces: Sequence[Surface], total: float, count: int = 33) -> ParetoSet:
    """The Pareto set of two tensors and any tasks, exactly; of more tensors and two tasks, bounds and some of it.

    With two tensors, distortions are convex in the first rate, so that all between the least and the greatest of the
    best rates of single tasks is in it. With more, every weighting of the tasks gives one.

    Raises:
        UsageError: more tensors than two, and other than two tasks.
    """
    best = np.stack([allocate(one, total) for one in surfaces])
    if best.shape[1] == 2:
        low, high = best.min(axis=0), best.max(axis=0)
        first = np.linspace(low[0], high[0], count)
        return ParetoSet(low, high, True, np.stack([first, total - first], axis=1))
    if len(surfaces) != 2:
        raise UsageError(
            f"{best.shape[1]} tensors, {len(surfaces)} tasks: of more than two tensors, those of two tasks"
        )
    shares = np.linspace(0, 1, count)
    rates = np.stack([weighted(surfaces, (1 - share, share), total) for share in shares])
    low, high = _bounds(total, rates)
    return ParetoSet(low, high, False, rates)


def _bounds(total: float, rates: Floats) -> tuple[Floats, Floats]:
    """Of the rates of three tensors or more, which move continuously with the weighting: those of the weightings that
    were solved, and as much more as the greatest step between two of them.
    """
    step = np.abs(np.diff(rates, axis=0)).max(axis=0)
    return np.maximum(rates.min(axis=0) - step, 0), np.minimum(rates.max(axis=0) + step, total)


def equal_split(tensors: int, total: float) -> Floats:
    """The same rate for every tensor."""
    return np.full(tensors, total / tensors)


def proportional_split(elements: Sequence[int], total: float) -> Floats:
    """Rates in proportion to the numbers of elements."""
    sizes = np.asarray(elements, np.float64)
    return np.asarray(total * sizes / sizes.sum())
