"""13.9 What a run came to: its plan, its results, and how they are told in every report."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from refsw.conformance.decoders import DecoderUnderTest, Limits
from refsw.conformance.outcomes import GOOD, WORST_FIRST, Outcome, Result, counts
from refsw.conformance.proof import witnesses_for
from refsw.conformance.suite import Selection, Suite, Vector
from refsw.text import shown

FORMAT = "dfc-conformance-results/2"
PLACE = ("sample", "channel", "row", "column")


@dataclass(frozen=True)
class Plan:
    """What to run, and how; `key` tells whether results of an earlier run are results of this one."""

    suites: Sequence[Suite]
    decoder: DecoderUnderTest
    limits: Limits = field(default_factory=Limits)
    selection: Selection = field(default_factory=Selection)
    jobs: int = 1
    strict_errors: bool = False

    @property
    def vectors(self) -> list[tuple[Suite, Vector]]:
        """The selected vectors, in the order of the suites."""
        return [(suite, v) for suite in self.suites for v in suite if self.selection.takes(v)]

    @property
    def witnesses(self) -> list[tuple[Suite, Vector]]:
        """13.7.3 Vectors that are run to see what rejections show, and are not reported."""
        chosen = {v.id for _, v in self.vectors}
        rest = [(suite, v) for suite in self.suites for v in suite if v.withdrawn is None and v.id not in chosen]
        found = {v.id for v in witnesses_for([v for _, v in self.vectors], [v for _, v in rest])}
        return [(suite, v) for suite, v in rest if v.id in found]

    def key(self) -> dict[str, Any]:
        """What results depend on: the decoder, the limits, and the whole contents of the suites."""
        return {
            "decoder": self.decoder.identity,
            "limits": [self.limits.seconds, self.limits.memory_bytes, self.limits.output_bytes],
            "strict errors": self.strict_errors,
            "suites": {suite.name: suite.sha256 for suite in self.suites},
        }


@dataclass
class Report:
    """The results of a run; `complete` if every selected vector has run."""

    plan: Plan
    results: list[Result]
    started: str
    finished: str
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run."""
        return all(result.outcome is not Outcome.NOT_RUN for result in self.results)

    @property
    def passed(self) -> bool:
        """Whether something is PASS, and nothing else but for optional parts that are SKIPPED."""
        outcomes = {result.outcome for result in self.results}
        return Outcome.PASS in outcomes and outcomes <= GOOD

    @property
    def exit_code(self) -> int:
        """0 if the run passed, else 1."""
        return 0 if self.passed else 1

    def counts(self) -> dict[str, int]:
        """How many vectors have each outcome; they add up to the number of vectors."""
        found = counts(result.outcome for result in self.results)
        assert sum(found.values()) == len(self.results)
        return found

    def by(self, names: Callable[[Vector], Sequence[str]]) -> dict[str, dict[str, int]]:
        """The counts of every area, requirement, ..., in order of the name."""
        groups: dict[str, list[Outcome]] = {}
        for result in self.results:
            for name in names(result.vector):
                groups.setdefault(name, []).append(result.outcome)
        return {name: counts(groups[name]) for name in sorted(groups)}

    def failures(self) -> list[Result]:
        """Everything that is neither PASS nor SKIPPED, in the order of the suites."""
        return [result for result in self.results if result.outcome not in GOOD]

    def as_dict(self) -> dict[str, Any]:
        """The contents of results.json."""
        plan = self.plan
        limits = plan.limits
        return {
            "format": FORMAT,
            "complete": self.complete,
            "passed": self.passed,
            "decoder": {"name": shown(plan.decoder.name), "kind": plan.decoder.kind, "identity": plan.decoder.identity},
            "suites": [
                {"suite": s.name, "version": s.version, "specification": s.specification, "title": s.title,
                 "sha256": s.sha256}
                for s in plan.suites
            ],
            "selection": plan.selection.as_dict(),
            "strict_errors": plan.strict_errors,
            "limits": {"seconds": limits.seconds, "memory_bytes": limits.memory_bytes,
                       "output_bytes": limits.output_bytes},
            "environment": environment(),
            "started": self.started,
            "finished": self.finished,
            "seconds": round(self.seconds, 3),
            "total": len(self.results),
            "counts": self.counts(),
            "areas": self.by(lambda v: [v.area]),
            "about": self.by(lambda v: v.about),
            "requirements": self.by(lambda v: v.requirements),
            "vectors": [result.as_dict() for result in self.results],
        }  # fmt: skip


def environment() -> dict[str, str]:
    """Versions of what the judge itself runs on."""
    from importlib.metadata import version

    found = {"python": platform.python_version(), "system": platform.platform(), "machine": platform.machine()}
    for name in ("refsw", "numpy", "av"):
        with contextlib.suppress(Exception):
            found[name] = version(name)
    return found


def worst(names: dict[str, int]) -> Outcome:
    """The outcome that counts for a group: the worst that occurs in it."""
    return next((outcome for outcome in WORST_FIRST if names[str(outcome)]), Outcome.NOT_RUN)


def fails(names: dict[str, int]) -> bool:
    """Whether anything in a group is neither PASS nor SKIPPED."""
    return sum(names.values()) > sum(names[str(outcome)] for outcome in GOOD)


def failures_first(vectors: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The vectors of a results.json: what failed, worst first; then what is skipped; then what passed."""
    rank = {str(outcome): place for place, outcome in enumerate(WORST_FIRST)}
    return sorted(vectors, key=lambda v: rank[v["outcome"]])


def headline(results: dict[str, Any]) -> str:
    """One sentence: how many passed, what became of the others, and which optional parts are missing."""
    found = results["counts"]
    parts = sorted({part for v in results["vectors"] if v["outcome"] == Outcome.SKIPPED for part in v["optional"]})
    others = ", ".join(f"{n} {outcome}" for outcome, n in found.items() if n and outcome != Outcome.PASS)
    others += f" ({', '.join(parts)}, which is optional)" if parts else ""
    return f"{found['PASS']} of {results['total']} vectors PASS" + (f"; {others}" if others else "")


def where(mismatch: dict[str, Any]) -> str:
    """The place of a mismatch in words; empty if it has none."""
    if mismatch.get("index") and mismatch.get("column") is None and mismatch.get("sample") is None:
        return f"element {mismatch['index']}"
    return ", ".join(f"{name} {mismatch[name]}" for name in PLACE if mismatch.get(name) is not None)
