"""Informative: which place to cut is best: by latency, by energy of the edge, over all rates of a link.

Latency and energy are straight lines over 1 / rate: the rates at which a cut wins are intervals with exact ends.
An interior cut can win by latency only if r < 1 - f, with r its bytes over those of the picture and f the share of
compute before it: at the rate at which all-cloud and all-edge are equal its line has to be below theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from refsw.planning.choices import CLOUD, EDGE, Choice, Device
from refsw.planning.links import MEGA, Link

Line = tuple[float, float]
"""Cost = first + second / (rate in Mbit/s)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Rates in Mbit/s at which a choice is best."""

    low: float
    high: float
    name: str


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether an interior cut can be best at any rate.

    Args:
        name: of the cut.
        ratio: r, its bytes over those of all-cloud.
        share: f, of compute before it.
        holds: r < 1 - f.
        margin: seconds by which it beats the others at the rate at which all-cloud and all-edge are equal, times of
            coding and of both devices as they are; negative where it does not; None if these two are never equal.
    """

    name: str
    ratio: float
    share: float
    holds: bool
    margin: float | None


def latency(choice: Choice, link: Link) -> float:
    """Seconds from picture to result; the latency of the link is there unless nothing is sent."""
    delay = link.latency_ms / 1000 if choice.name != EDGE else 0.0
    return choice.edge + choice.encode + link.seconds(choice.sent_bytes) + delay + choice.decode + choice.cloud


def energy(choice: Choice, link: Link, edge: Device) -> float:
    """Joules that the edge spends on computing, coding and sending."""
    return edge.watts * (choice.edge + choice.encode) + link.joules(choice.sent_bytes)


def latency_line(choice: Choice, link: Link) -> Line:
    """Latency over the inverse of the rate."""
    return latency(choice, link) - link.seconds(choice.sent_bytes), 8 * choice.sent_bytes / MEGA


def energy_line(choice: Choice, link: Link, edge: Device) -> Line:
    """Energy over the inverse of the rate: the part of the power that grows with the rate costs the same at each."""
    bits = 8 * choice.sent_bytes / MEGA
    fixed = edge.watts * (choice.edge + choice.encode) + link.milliwatts_per_megabit / 1000 * bits
    return fixed, link.base_milliwatts / 1000 * bits


def intervals(
    choices: Sequence[Choice], line: Callable[[Choice], Line], low: float, high: float
) -> tuple[Interval, ...]:
    """Where each choice has the least cost, from one rate in Mbit/s to another; of equals the first."""
    lines = {choice.name: line(choice) for choice in choices}
    ends = {low, high}
    for (fixed, slope), (other, steep) in combinations(lines.values(), 2):
        if fixed != other:
            meeting = (steep - slope) / (fixed - other)
            ends |= {meeting} if low < meeting < high else set()
    found: list[Interval] = []
    for first, last in pairwise(sorted(ends)):
        middle = math.sqrt(first * last)
        best = min(lines, key=lambda name: lines[name][0] + lines[name][1] / middle)
        if found and found[-1].name == best:
            found[-1] = Interval(found[-1].low, last, best)
        else:
            found.append(Interval(first, last, best))
    return tuple(found)


def pareto(choices: Sequence[Choice], link: Link, edge: Device) -> list[str]:
    """Names of the choices that no other one beats in both latency and energy, by rising latency."""
    costs = sorted((latency(c, link), energy(c, link, edge), c.name) for c in choices)
    kept: list[str] = []
    least = math.inf
    for _, joules, name in costs:
        if joules < least:
            kept.append(name)
            least = joules
    return kept


def conditions(choices: Sequence[Choice], link: Link) -> list[Condition]:
    """The condition of every interior cut."""
    by_name = {choice.name: choice for choice in choices}
    cloud, edge = by_name[CLOUD], by_name[EDGE]
    (cloud_fixed, cloud_slope), (edge_fixed, _) = latency_line(cloud, link), latency_line(edge, link)
    inverse = (edge_fixed - cloud_fixed) / cloud_slope
    found = []
    for choice in choices:
        if choice.name in (CLOUD, EDGE):
            continue
        ratio = choice.sent_bytes / cloud.sent_bytes
        fixed, slope = latency_line(choice, link)
        margin = edge_fixed - (fixed + slope * inverse) if inverse > 0 else None
        found.append(Condition(choice.name, ratio, choice.share, ratio < 1 - choice.share, margin))
    return found
