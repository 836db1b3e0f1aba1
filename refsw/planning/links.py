"""Informative: links between edge and cloud: rate, latency, and what sending takes from the battery."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.documents import read_yaml

SHIPPED = Path(__file__).parent / "data" / "links.yaml"
MEGA = 1e6


@dataclass(frozen=True, slots=True)
class Link:
    """An upload link.

    Args:
        name, title: as tables show it.
        megabits: rate of the upload, Mbit/s.
        latency_ms, jitter_ms: of both ways together, and its deviation.
        milliwatts_per_megabit, base_milliwatts: power of sending is the first, times the rate, and the second.

    Raises:
        UsageError: a rate that is not above 0, or another value below 0 or none.
    """

    name: str
    title: str = ""
    megabits: float = 1.0
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    milliwatts_per_megabit: float = 0.0
    base_milliwatts: float = 0.0

    def __post_init__(self) -> None:
        others = (self.latency_ms, self.jitter_ms, self.milliwatts_per_megabit, self.base_milliwatts)
        if not 0 < self.megabits < math.inf or not all(0 <= value < math.inf for value in others):
            raise UsageError(f"link {self.name}: a rate above 0, and nothing below 0")

    def at(self, megabits: float) -> Link:
        """The same link at another rate."""
        return replace(self, megabits=megabits)

    def seconds(self, sent_bytes: float) -> float:
        """How long sending takes, without latency."""
        return 8 * sent_bytes / (self.megabits * MEGA)

    def joules(self, sent_bytes: float) -> float:
        """What sending takes from the battery."""
        return (self.milliwatts_per_megabit * self.megabits + self.base_milliwatts) / 1000 * self.seconds(sent_bytes)


def links() -> dict[str, Link]:
    """Those that ship with refsw, by name."""
    told: Mapping[str, Any] = read_yaml(SHIPPED.read_text(encoding="utf-8"), str(SHIPPED))
    return {name: Link(name, **entry) for name, entry in told.items()}


def find_link(text: str) -> Link:
    """A link by its name, or by its rate in Mbit/s and, after a comma, its latency in milliseconds: 10 or 10,25.

    Raises:
        UsageError: neither.
    """
    known = links()
    if text.lower() in known:
        return known[text.lower()]
    rate, _, latency = text.partition(",")
    try:
        return Link(text, f"{float(rate):g} Mbit/s", float(rate), float(latency or 0))
    except ValueError as error:
        raise UsageError(f"no link {text}: {', '.join(known)}, or a rate in Mbit/s: 10, or 10,25 with ms") from error
