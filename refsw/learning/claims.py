"""Informative: means over seeds with what is known of their error, and claims of papers beside what was seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from refsw.extras import optional
from refsw.learning.run import LearnRun, Record

CONFIDENCE = 0.95
SHOWS, NOT, UNCLEAR, NO_RECORD = "shows", "does not show", "not clear", "not run"


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over seeds.

    Args:
        value: the mean.
        deviation: between seeds, with n - 1; None of one.
        half: half of the interval that holds the mean of all seeds with 95 %, by Student's t; None of one.
        count: of seeds.
    """

    value: float
    deviation: float | None
    half: float | None
    count: int

    def text(self, scale: float = 100, digits: int = 1) -> str:
        """Mean and deviation for people."""
        spread = "" if self.deviation is None else f" +- {scale * self.deviation:.{digits}f}"
        return f"{scale * self.value:.{digits}f}{spread}"


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of figures of different seeds, at least one."""
    count, value = len(values), float(np.mean(values))
    if count < 2:
        return Mean(value, None, None, count)
    deviation = float(np.std(values, ddof=1))
    factor = float(optional("scipy.stats").t.ppf((1 + CONFIDENCE) / 2, count - 1))
    return Mean(value, deviation, factor * deviation / math.sqrt(count), count)


def by_seed(records: Sequence[Record], metric: str, value: float | None = None) -> dict[int, float]:
    """A metric of a run by seed, at one value of what is swept."""
    return {
        record["seed"]: float(record["metrics"][metric])
        for record in records
        if metric in record["metrics"] and record["value"] == value
    }


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Mean | None:
    """Mean of first - second over the seeds of both, which share samples and initial weights; None without any."""
    both = sorted(first.keys() & second.keys())
    return mean_of([first[seed] - second[seed] for seed in both]) if both else None


def quality_of(run: LearnRun) -> str:
    """The metric that runs are compared by: accuracy, or mAP of retrieval."""
    return "mAP" if any("mAP" in record["metrics"] for record in run.records) else "accuracy"


@dataclass(frozen=True, slots=True)
class Seen:
    """A claim and what was seen of it."""

    paper: str
    claim: str
    seen: str
    verdict: str


def seen_of(run: LearnRun) -> list[Seen]:
    """Every claim of an experiment beside what its records show."""
    found = []
    for claim in run.experiment.document.get("claims", []):
        for kind, judge in JUDGES.items():
            if kind in claim:
                seen, verdict = judge(run, claim) or ("-", NO_RECORD)
                found.append(Seen(claim["paper"], claim["claim"], seen, verdict))
    return found


Verdict = tuple[str, str] | None


def _better(run: LearnRun, claim: Mapping[str, Any]) -> Verdict:
    metric, least = quality_of(run), claim.get("by", 0.0)
    difference = paired(by_seed(run.of(claim["better"]), metric), by_seed(run.of(claim["than"]), metric))
    if difference is None:
        return None
    text = f"{100 * difference.value:+.1f}"
    if difference.half is None:
        return f"{text} points, one seed", UNCLEAR
    text += f" +- {100 * difference.half:.1f} points"
    if difference.value < least or difference.value <= 0:
        return text, NOT
    return text, SHOWS if difference.value - difference.half > 0 else UNCLEAR


def _rising(run: LearnRun, claim: Mapping[str, Any]) -> Verdict:
    metric = quality_of(run)
    values = [by_seed(run.of(name), metric) for name in claim["rising"]]
    seeds = set.intersection(*(set(value) for value in values))
    if not seeds:
        return None
    means = [float(np.mean([value[seed] for seed in seeds])) for value in values]
    text = ", ".join(f"{100 * mean:.1f}" for mean in means)
    whole = paired(values[-1], values[0])
    rises = all(later > earlier for earlier, later in pairwise(means))
    if not rises or whole is None:
        return text, NOT
    return text, UNCLEAR if whole.half is None or whole.value <= whole.half else SHOWS


def _flat(run: LearnRun, claim: Mapping[str, Any]) -> Verdict:
    metric, records = quality_of(run), run.of(claim["flat"])
    values = sorted({record["value"] for record in records})
    means = [float(np.mean(list(by_seed(records, metric, value).values()))) for value in values]
    if len(means) < 2:
        return None
    at = zip(values, means, strict=True)
    text = "; ".join(f"{value:g}: {100 * mean:.1f}" for value, mean in at)
    return text, SHOWS if max(means) - min(means) <= claim["within"] else NOT


def _below(run: LearnRun, claim: Mapping[str, Any]) -> Verdict:
    values = list(by_seed(run.of(claim["run"]), claim["metric"]).values())
    if not values:
        return None
    mean = mean_of(values)
    return mean.text(), SHOWS if mean.value <= claim["below"] else NOT


JUDGES = {"better": _better, "rising": _rising, "flat": _flat, "below": _below}
"""What a claim says, and what judges it."""
