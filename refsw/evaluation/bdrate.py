"""Informative: Bjontegaard's average differences of two rate-distortion curves.

After G. Bjontegaard, VCEG-M33 (2001), with the cubic through all points replaced by an interpolation that is named
in the result: PCHIP (Fritsch and Carlson 1980, monotone) or Akima (1970). The logarithm of the rate is what is
interpolated or interpolated over, and the integrals are those of the piecewise cubics, exact.

Rules: a curve has at least `MIN_POINTS` points, and its quality rises with its rate. Fidelity saturates, so that some
do not: such a curve is refused, unless `Curve.of` is told to keep only the points that are worth their rate, those that
are better than every cheaper one (`NonMonotone.PARETO`), or to take the qualities of the closest cubic that rises with
the logarithm of the rate (`NonMonotone.CUBIC`, as MPEG's groups on coding for machines do). Differences are over the
interval that both curves cover, never beyond; curves that have none in common, or less than is asked for, are refused.
What is computed over a small part of the curves (`SMALL_OVERLAP`) has a warning that says of how much of each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from numbers import Real
from typing import Any, Self

import numpy as np

from refsw.evaluation.errors import CurveError
from refsw.evaluation.monotone import rising_cubic
from refsw.extras import optional

MIN_POINTS = 4
"""As many as VCEG-M33 has; with fewer, the result says more about the interpolation than about the codec."""
SMALL_OVERLAP = 0.25
"""Share of what either curve covers below which a difference says little about the curves."""


class Interpolation(StrEnum):
    """What runs through the points of a curve."""

    PCHIP = "pchip"
    AKIMA = "akima"


class NonMonotone(StrEnum):
    """What becomes of a curve whose quality does not rise with every step of the rate."""

    REFUSE = "refuse"
    PARETO = "pareto"
    CUBIC = "cubic"


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one codec, kept in the order of their rates.

    Args:
        name: for messages.
        rates: in any unit that both curves share, above 0.
        qualities: of the same points; more is better.

    Raises:
        CurveError: fewer than `MIN_POINTS` points, a value that is not finite, or a quality that does not rise
            with the rate.
    """

    name: str
    rates: tuple[float, ...]
    qualities: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.rates) != len(self.qualities):
            raise CurveError(f"{self.name}: {len(self.rates)} rates and {len(self.qualities)} qualities")
        if len(self.rates) < MIN_POINTS:
            raise CurveError(f"{self.name}: {len(self.rates)} points, at least {MIN_POINTS} are needed")
        _check_numbers(self.name, (*self.rates, *self.qualities))
        if min(self.rates) <= 0:
            raise CurveError(f"{self.name}: rate {min(self.rates):g} has no logarithm")
        points = sorted(zip(self.rates, self.qualities, strict=True))
        for (rate, quality), (next_rate, next_quality) in pairwise(points):
            if next_rate == rate:
                raise CurveError(f"{self.name}: two points at rate {rate:g}")
            if next_quality <= quality:
                raise CurveError(
                    f"{self.name}: not monotone: quality {quality:g} at rate {rate:g}, "
                    f"but {next_quality:g} at the higher rate {next_rate:g}"
                )
        object.__setattr__(self, "rates", tuple(rate for rate, _ in points))
        object.__setattr__(self, "qualities", tuple(quality for _, quality in points))

    @classmethod
    def of(
        cls,
        name: str,
        rates: Sequence[float],
        qualities: Sequence[float],
        non_monotone: NonMonotone = NonMonotone.REFUSE,
    ) -> Self:
        """A curve from points in any order.

        Args:
            name, rates, qualities: as above.
            non_monotone: PARETO leaves out each point that is not better than every cheaper one, and of points at
                the same rate all but the best. CUBIC moves the points of a curve that does not rise onto the rising
                cubic over the logarithm of the rate with the least squared error; others stay.

        Raises:
            CurveError: as above; also that too few points are left.
        """
        if non_monotone is NonMonotone.REFUSE or len(rates) != len(qualities):
            return cls(name, tuple(rates), tuple(qualities))
        _check_numbers(name, (*rates, *qualities))
        if non_monotone is NonMonotone.CUBIC:
            return cls(name, tuple(rates), refitted(name, rates, qualities))
        kept: list[tuple[float, float]] = []
        for rate, quality in sorted(zip(rates, qualities, strict=True), key=lambda point: (point[0], -point[1])):
            if not kept or quality > kept[-1][1]:
                kept.append((rate, quality))
        if len(kept) < MIN_POINTS <= len(rates):
            raise CurveError(
                f"{name}: only {len(kept)} of {len(rates)} points are better than every cheaper one, "
                f"at least {MIN_POINTS} are needed"
            )
        return cls(name, tuple(rate for rate, _ in kept), tuple(quality for _, quality in kept))

    @property
    def log_rates(self) -> tuple[float, ...]:
        """Natural logarithms of the rates."""
        return tuple(math.log(rate) for rate in self.rates)


@dataclass(frozen=True, slots=True)
class Difference:
    """An average difference between two curves.

    Args:
        value: BD-rate: percent of rate, negative where the proposal needs less; BD-metric: in units of the quality.
        interpolation: what it was computed with.
        low, high: the interval that both curves cover: of quality for BD-rate, of rate for BD-metric.
        overlap: share of that interval in what either curve covers (of the logarithm of the rate for BD-metric).
        of_anchor, of_proposal: share of that interval in what each of them covers.
    """

    value: float
    interpolation: Interpolation
    low: float
    high: float
    overlap: float
    of_anchor: float
    of_proposal: float

    @property
    def warning(self) -> str:
        """Why the value says little; nothing if it is over enough of both curves."""
        if self.overlap >= SMALL_OVERLAP:
            return ""
        return f"over a small overlap only: {shares(self.overlap, self.of_anchor, self.of_proposal)}"


def shares(overlap: float, of_anchor: float, of_proposal: float) -> str:
    """How much of two curves is common, in words."""
    parts = (f"{100 * share:.2g} %" for share in (overlap, of_anchor, of_proposal))
    return "{} of what either covers, {} of the anchor, {} of the proposal".format(*parts)


def bd_rate(
    anchor: Curve,
    proposal: Curve,
    interpolation: Interpolation = Interpolation.PCHIP,
    *,
    least_overlap: float = 0.0,
) -> Difference:
    """Average difference in rate at equal quality, in percent of the anchor's rate.

    Args:
        anchor, proposal: the curves.
        interpolation: of the logarithm of the rate over the quality.
        least_overlap: refuse if less than this share, 0 to 1, of what either curve covers is common.

    Raises:
        CurveError: the curves have no quality in common, or too little.
    """
    low, high, *common = _common(anchor, proposal, anchor.qualities, proposal.qualities, "quality", least_overlap)
    difference = _mean_difference(
        (anchor.qualities, anchor.log_rates), (proposal.qualities, proposal.log_rates), low, high, interpolation
    )
    try:
        percent = 100 * math.expm1(difference)
    except OverflowError as error:
        raise CurveError(f"{proposal.name} needs e^{difference:.0f} times the rate of {anchor.name}") from error
    return Difference(percent, interpolation, low, high, *common)


def bd_metric(
    anchor: Curve,
    proposal: Curve,
    interpolation: Interpolation = Interpolation.PCHIP,
    *,
    least_overlap: float = 0.0,
) -> Difference:
    """Average difference in quality at equal rate.

    Args:
        anchor, proposal: the curves.
        interpolation: of the quality over the logarithm of the rate.
        least_overlap: refuse if less than this share, 0 to 1, of the log rates that either curve covers is common.

    Raises:
        CurveError: the curves have no rate in common, or too little.
    """
    low, high, *common = _common(anchor, proposal, anchor.log_rates, proposal.log_rates, "rate", least_overlap)
    difference = _mean_difference(
        (anchor.log_rates, anchor.qualities), (proposal.log_rates, proposal.qualities), low, high, interpolation
    )
    return Difference(difference, interpolation, math.exp(low), math.exp(high), *common)


def _check_numbers(name: str, values: Sequence[Any]) -> None:
    if not all(isinstance(value, Real) and math.isfinite(value) for value in values):
        raise CurveError(f"{name}: a rate or a quality is missing, NaN or infinite")


def refitted(name: str, rates: Sequence[float], qualities: Sequence[float]) -> tuple[float, ...]:
    """The qualities of a curve that does not rise by the closest rising cubic; those of one that rises as they are.

    Raises:
        CurveError: a rate that has no logarithm, or fewer than `MIN_POINTS` different ones.
    """
    ordered = [quality for _, quality in sorted(zip(rates, qualities, strict=True))]
    if len(set(rates)) == len(rates) and all(low < high for low, high in pairwise(ordered)):
        return tuple(qualities)
    if min(rates) <= 0 or len(set(rates)) < MIN_POINTS:
        raise CurveError(f"{name}: at least {MIN_POINTS} different rates above 0 are needed for a cubic")
    return rising_cubic([math.log(rate) for rate in rates], qualities)


def _common(
    anchor: Curve, proposal: Curve, first: Sequence[float], second: Sequence[float], what: str, least: float
) -> tuple[float, float, float, float, float]:
    """The interval that both cover, and its share in what either covers, the anchor, and the proposal."""
    low, high = max(first[0], second[0]), min(first[-1], second[-1])
    covered = max(first[-1], second[-1]) - min(first[0], second[0])
    overlap = (high - low) / covered if covered > 0 else 0.0
    # A curve covers a part of what either does: if that is 0, there is nothing in common.
    own = [(high - low) / (curve[-1] - curve[0]) if curve[-1] > curve[0] else 0.0 for curve in (first, second)]
    if low < high and overlap >= least:
        return low, high, overlap, own[0], own[1]
    ranges = [
        f"{curve.name} {values[0]:g} to {values[-1]:g}"
        for curve, values in (
            (anchor, anchor.qualities if what == "quality" else anchor.rates),
            (proposal, proposal.qualities if what == "quality" else proposal.rates),
        )
    ]
    if low < high:
        told = f"too little {what} in common: {shares(overlap, *own)}"
        raise CurveError(f"{told}; at least {100 * least:g} % is asked for ({', '.join(ranges)})")
    raise CurveError(f"no {what} in common: {', '.join(ranges)}")


Line = tuple[Sequence[float], Sequence[float]]


def _mean_difference(anchor: Line, proposal: Line, low: float, high: float, interpolation: Interpolation) -> float:
    difference = math.nan
    try:
        with np.errstate(all="ignore"):  # what comes of it is looked at
            areas = [float(interpolant(line, interpolation).integrate(low, high)) for line in (anchor, proposal)]
            difference = (areas[1] - areas[0]) / (high - low)
    except ValueError:  # the logarithms of two rates are the same, or a slope is beyond all numbers
        pass
    if not math.isfinite(difference):
        raise CurveError("points of a curve lie too close together, or too far apart, to be interpolated")
    return difference


def interpolant(line: Line, interpolation: Interpolation) -> Any:
    """A piecewise cubic of scipy through the points of a line, which rise."""
    interpolate = optional("scipy.interpolate")
    if interpolation is Interpolation.PCHIP:
        return interpolate.PchipInterpolator(*line)
    return interpolate.Akima1DInterpolator(*line)
