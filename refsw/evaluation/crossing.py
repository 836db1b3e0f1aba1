"""Informative: where two curves of quality over rate cross, and at which rate a curve reaches a quality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from refsw.evaluation.bdrate import Curve, Interpolation, interpolant
from refsw.evaluation.errors import CurveError
from refsw.extras import optional

ORDER = 4
"""Coefficients of a cubic."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Two curves over the rates that both cover.

    Args:
        low, high: these rates.
        rates: at which the curves cross, rising.
        first_is_better: whether the first curve has the higher quality at the lowest common rate; None if they are
            one curve.
        interpolation: of the quality over the logarithm of the rate.
    """

    low: float
    high: float
    rates: tuple[float, ...]
    first_is_better: bool | None
    interpolation: Interpolation


def crossing(first: Curve, second: Curve, interpolation: Interpolation = Interpolation.PCHIP) -> Crossing:
    """Where two curves cross.

    Raises:
        CurveError: they have no rate in common.
    """
    low = max(first.log_rates[0], second.log_rates[0])
    high = min(first.log_rates[-1], second.log_rates[-1])
    if not low < high:
        ranges = ", ".join(f"{curve.name} {curve.rates[0]:g} to {curve.rates[-1]:g}" for curve in (first, second))
        raise CurveError(f"no rate in common: {ranges}")
    lines = [interpolant((curve.log_rates, curve.qualities), interpolation) for curve in (first, second)]
    inner = {x for curve in (first, second) for x in curve.log_rates if low < x < high}
    places = np.array([low, *sorted(inner), high])
    # Both are cubics from place to place: so is their difference, here by its derivatives at the left end.
    cubics = np.array([
        [sum(sign * _derivative(line, order, place) for sign, line in zip((1, -1), lines, strict=True))
         / math.factorial(order) for place in places[:-1]]
        for order in range(ORDER - 1, -1, -1)
    ])  # fmt: skip
    difference = optional("scipy.interpolate").PPoly(cubics, places)
    roots = [float(x) for x in difference.roots(extrapolate=False) if math.isfinite(x)]
    scale = max(map(abs, (*first.qualities, *second.qualities))) * 1e-12
    ends = [low, *sorted(roots), high]
    # Curves may touch without crossing: only a change of sign counts.
    middles = [(float(difference((a + b) / 2)), b) for a, b in pairwise(ends) if b - a > 1e-12]
    signed = [(value > 0, end) for value, end in middles if abs(value) > scale]
    found = [end for (sign, end), (after, _) in pairwise(signed) if sign != after]
    return Crossing(
        math.exp(low), math.exp(high), tuple(map(math.exp, found)), signed[0][0] if signed else None, interpolation
    )


def _derivative(line: object, order: int, place: float) -> float:
    # Just inside the piece that begins there: at a place where two pieces meet, scipy takes the right one.
    return float(line(place, nu=order))  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Reached:
    """The rate at which a curve reaches a quality; `at_most` where its cheapest point is that good already."""

    rate: float
    at_most: bool = False


def rate_at(rates: Sequence[float], qualities: Sequence[float], wanted: float) -> Reached | None:
    """The smallest rate with a quality of at least `wanted`, linear over the logarithm of the rate between points.

    Points that are not better than every cheaper one do not count.

    Args:
        rates, qualities: of points in any order, at least one.
        wanted: the quality.

    Returns:
        None if no point is that good.
    """
    kept: list[tuple[float, float]] = []
    for rate, quality in sorted(zip(rates, qualities, strict=True), key=lambda point: (point[0], -point[1])):
        if not kept or quality > kept[-1][1]:
            kept.append((rate, quality))
    if kept[0][1] >= wanted:
        return Reached(kept[0][0], at_most=True)
    for (before, low), (after, high) in pairwise(kept):
        if high >= wanted:
            share = (wanted - low) / (high - low)
            return Reached(math.exp((1 - share) * math.log(before) + share * math.log(after)))
    return None
