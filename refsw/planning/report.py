"""Informative: a plan as tables: what each place to cut costs, where each wins, and which condition decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from refsw.evaluation.reports.cells import COUNT, SCORE, SHARE, Cell, Figure, Form, Table
from refsw.planning import plan
from refsw.planning.choices import Choice, Device
from refsw.planning.links import Link

MS, JOULES, MEGABITS = Form(1, "0.0"), Form(3, "0.000"), Form(2, "0.00")
CODED, RAW = "coded pictures", "raw pictures"


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan: choices on the devices, against coded and against raw pictures.

    Args:
        title: network and test.
        coded, raw: choices, all-cloud first.
        link: at its own rate.
        edge, cloud: devices.
        low, high: rates in Mbit/s over which is planned.
    """

    title: str
    coded: tuple[Choice, ...]
    raw: tuple[Choice, ...]
    link: Link
    edge: Device
    cloud: Device
    low: float = 0.1
    high: float = 100.0

    def variants(self) -> list[tuple[str, str, tuple[Choice, ...]]]:
        """Pictures, whether coding takes its time, and the choices."""
        return [
            (pictures, timed, own if timed == "with" else tuple(choice.without_coding_time() for choice in own))
            for pictures, own in ((CODED, self.coded), (RAW, self.raw))
            for timed in ("with", "without")
        ]

    def by_latency(self, choices: Sequence[Choice]) -> tuple[plan.Interval, ...]:
        """Which choice has the least latency at which rates."""
        return plan.intervals(choices, lambda choice: plan.latency_line(choice, self.link), self.low, self.high)

    def by_energy(self, choices: Sequence[Choice]) -> tuple[plan.Interval, ...]:
        """Which choice takes the least energy at which rates."""
        return plan.intervals(
            choices, lambda choice: plan.energy_line(choice, self.link, self.edge), self.low, self.high
        )


def tables(planned: Planned) -> list[Table]:
    """All tables."""
    return [costs(planned), winners(planned), conditions(planned)]


def costs(planned: Planned) -> Table:
    """What every choice costs at the link's own rate."""
    link = planned.link
    rows: list[tuple[Cell, ...]] = []
    for choice in planned.coded:
        parts = (choice.edge, choice.encode, link.seconds(choice.sent_bytes), choice.decode, choice.cloud)
        total = plan.latency(choice, link)
        joules = plan.energy(choice, link, planned.edge)
        rows.append((
            choice.name, " ".join(filter(None, (choice.codec, choice.point))), Figure(choice.sent_bytes, COUNT),
            Figure(choice.quality, SCORE), *(Figure(1000 * part, MS) for part in (*parts, total)),
            Figure(joules, JOULES),
        ))  # fmt: skip
    best = min(planned.coded, key=lambda choice: plan.latency(choice, link)).name
    least = min(planned.coded, key=lambda choice: plan.energy(choice, link, planned.edge)).name
    front = ", ".join(plan.pareto(planned.coded, link, planned.edge))
    heading = ("cut", "sent as", "bytes", "quality", "edge ms", "encode", "send", "decode", "cloud", "sum ms", "edge J")
    notes = (
        f"For one item over {link.title or link.name}, {link.megabits:g} Mbit/s, {link.latency_ms:g} ms"
        + (f" (deviation {link.jitter_ms:g} ms)" if link.jitter_ms else "")
        + f". Edge: {planned.edge.name}, {planned.edge.slowdown:g} x the time measured, {planned.edge.watts:g} W. "
        f"Cloud: {planned.cloud.name}, {planned.cloud.slowdown:g} x.",
        f"Least latency: {best}. Least energy of the edge: {least}. Neither beaten in both: {front}.",
    )
    return Table(f"{planned.title}: latency and energy", heading, tuple(rows), notes, texts=2)


def winners(planned: Planned) -> Table:
    """The intervals of rates in which each choice is best."""
    rows: list[tuple[Cell, ...]] = []
    for pictures, timed, choices in planned.variants():
        for goal, found in (("latency", planned.by_latency(choices)), ("energy", planned.by_energy(choices))):
            rows += [
                (goal, pictures, timed, one.name, Figure(one.low, MEGABITS), Figure(one.high, MEGABITS))
                for one in found
            ]
    heading = ("least", "all-cloud sends", "coding time", "best", "from Mbit/s", "to Mbit/s")
    return Table(f"{planned.title}: where each cut wins", heading, tuple(rows), texts=4)


def conditions(planned: Planned) -> Table:
    """Whether r < 1 - f, and what decides."""
    rows: list[tuple[Cell, ...]] = []
    for pictures, choices in ((CODED, planned.coded), (RAW, planned.raw)):
        for one in plan.conditions(choices, planned.link):
            margin = None if one.margin is None else 1000 * one.margin
            rows.append((
                pictures, one.name, decides(one), Figure(one.ratio, SCORE), Figure(1 - one.share, SHARE),
                Figure(margin, MS),
            ))  # fmt: skip
    notes = (
        "r: bytes over those of all-cloud. f: share of compute before the cut. Margin: what the cut gains at the rate "
        "at which all-cloud and all-edge take the same time, with the times of coding and of these devices.",
    )
    heading = ("all-cloud sends", "cut", "what decides", "r", "1 - f", "margin ms")
    return Table(f"{planned.title}: an interior cut can win only if r < 1 - f", heading, tuple(rows), notes, texts=3)


def decides(one: plan.Condition) -> str:
    """The condition that decides on a cut."""
    if one.margin is None:
        return "all-edge is never slower than all-cloud"
    if not one.holds:
        return "r >= 1 - f: too many bytes" + (", but the devices differ: wins" if one.margin > 0 else "")
    return "r < 1 - f: wins" if one.margin > 0 else "r < 1 - f, but coding takes too long"


def as_dict(planned: Planned) -> dict[str, Any]:
    """As JSON types."""
    return {
        "title": planned.title,
        "link": planned.link.name,
        "choices": [
            {
                "name": choice.name, "codec": choice.codec, "point": choice.point, "bytes": choice.sent_bytes,
                "quality": choice.quality, "edge": choice.edge, "encode": choice.encode, "decode": choice.decode,
                "cloud": choice.cloud, "share": choice.share, "latency": plan.latency(choice, planned.link),
                "energy": plan.energy(choice, planned.link, planned.edge),
            }
            for choice in planned.coded
        ],
        "winners": [
            {"pictures": pictures, "coding_time": timed == "with",
             "latency": [[one.low, one.high, one.name] for one in planned.by_latency(choices)],
             "energy": [[one.low, one.high, one.name] for one in planned.by_energy(choices)]}
            for pictures, timed, choices in planned.variants()
        ],
        "conditions": [
            {"cut": one.name, "r": one.ratio, "one_minus_f": 1 - one.share, "holds": one.holds, "margin": one.margin}
            for one in plan.conditions(planned.coded, planned.link)
        ],
        "pareto": plan.pareto(planned.coded, planned.link, planned.edge),
    }  # fmt: skip
