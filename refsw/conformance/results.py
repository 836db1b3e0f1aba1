"""13.9 What a run came to: its plan, its results, and how they are told in every report."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from refsw.conformance.programs import Limits, ProgramUnderTest
from refsw.conformance.proof import witnesses_for
from refsw.conformance.suite import Selection, Suite, Vector
from refsw.conformance.verdicts import DECODERS, Subject, subject_of

PLACE = ("sample", "channel", "row", "column")


@dataclass(frozen=True)
class Plan:
    """What to run, and how; `key` tells whether results of an earlier run are results of this one."""

    suites: Sequence[Suite]
    decoder: ProgramUnderTest
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

    @property
    def subject(self) -> Subject:
        """What is tested."""
        return DECODERS

    def key(self) -> dict[str, Any]:
        """What results depend on: the decoder, the limits, and the whole contents of the suites."""
        return {
            "decoder": self.decoder.identity,
            "limits": self.limits.as_list(),
            "strict errors": self.strict_errors,
            "suites": {suite.name: suite.sha256 for suite in self.suites},
        }

    def described(self) -> dict[str, Any]:
        """What was run and how, as results.json has it."""
        return {
            "decoder": self.decoder.as_dict(),
            "suites": [
                {"suite": s.name, "version": s.version, "specification": s.specification, "title": s.title,
                 "sha256": s.sha256}
                for s in self.suites
            ],
            "selection": self.selection.as_dict(),
            "strict_errors": self.strict_errors,
            "limits": self.limits.as_dict(),
        }  # fmt: skip


class Planned(Protocol):
    """What every plan tells of itself."""

    @property
    def subject(self) -> Subject:
        """What is tested."""

    def described(self) -> dict[str, Any]:
        """What was run and how, as results.json has it."""


class Judged(Protocol):
    """What every result tells of itself."""

    @property
    def outcome(self) -> StrEnum:
        """What came of the case."""

    def as_dict(self) -> dict[str, Any]:
        """As results.json has it."""


R = TypeVar("R", bound=Judged)


@dataclass
class Report(Generic[R]):
    """The results of a run; `complete` if every selected case has run."""

    plan: Planned
    results: list[R]
    started: str
    finished: str
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run."""
        return all(result.outcome != "NOT_RUN" for result in self.results)

    @property
    def passed(self) -> bool:
        """Whether something is PASS, and everything else is no failure: optional parts that are SKIPPED."""
        outcomes = {str(result.outcome) for result in self.results}
        return "PASS" in outcomes and outcomes <= self.plan.subject.good

    @property
    def exit_code(self) -> int:
        """0 if the run passed, else 1."""
        return 0 if self.passed else 1

    def counts(self) -> dict[str, int]:
        """How many cases have each outcome; they add up to the number of cases."""
        found = self.plan.subject.counts(result.outcome for result in self.results)
        assert sum(found.values()) == len(self.results)
        return found

    def failures(self) -> list[R]:
        """Everything that is no good outcome, in the order of the suites."""
        return [result for result in self.results if result.outcome not in self.plan.subject.good]

    def as_dict(self) -> dict[str, Any]:
        """The contents of results.json."""
        subject = self.plan.subject
        cases = [result.as_dict() for result in self.results]
        return {
            "format": subject.format,
            "complete": self.complete,
            "passed": self.passed,
            **self.plan.described(),
            "environment": environment(),
            "started": self.started,
            "finished": self.finished,
            "seconds": round(self.seconds, 3),
            "total": len(cases),
            "counts": self.counts(),
            "areas": _by(subject, cases, lambda case: [case["area"]]),
            "about": _by(subject, cases, lambda case: case["about"]),
            "requirements": _by(subject, cases, lambda case: case["requirements"]),
            subject.cases: cases,
        }


def _by(
    subject: Subject, cases: Sequence[dict[str, Any]], names: Callable[[dict[str, Any]], Sequence[str]]
) -> dict[str, dict[str, int]]:
    """The counts of every area, requirement, ..., in order of the name."""
    groups: dict[str, list[str]] = {}
    for case in cases:
        for name in names(case):
            groups.setdefault(name, []).append(case["outcome"])
    return {name: subject.counts(groups[name]) for name in sorted(groups)}


def environment() -> dict[str, str]:
    """Versions of what the judge itself runs on."""
    from importlib.metadata import version

    found = {"python": platform.python_version(), "system": platform.platform(), "machine": platform.machine()}
    for name in ("refsw", "numpy", "av"):
        with contextlib.suppress(Exception):
            found[name] = version(name)
    return found


def cases_of(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The vectors or inputs of a results.json."""
    found: list[dict[str, Any]] = results[subject_of(results).cases]
    return found


def failures_first(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The cases of a results.json: what failed, worst first; then what is skipped; then what passed."""
    rank = {str(outcome): place for place, outcome in enumerate(subject_of(results).worst_first)}
    return sorted(cases_of(results), key=lambda case: rank[case["outcome"]])


def headline(results: dict[str, Any]) -> str:
    """One sentence: how many passed, what became of the others, and which optional parts are missing."""
    found = results["counts"]
    skipped = [case for case in cases_of(results) if case["outcome"] == "SKIPPED"]
    parts = sorted({part for case in skipped for part in case["optional"]})
    others = ", ".join(f"{n} {outcome}" for outcome, n in found.items() if n and outcome != "PASS")
    others += f" ({', '.join(parts)}, which is optional)" if parts else ""
    return f"{found['PASS']} of {results['total']} {subject_of(results).cases} PASS" + (f"; {others}" if others else "")


def where(mismatch: dict[str, Any]) -> str:
    """The place of a mismatch in words; empty if it has none."""
    if mismatch.get("index") and mismatch.get("column") is None and mismatch.get("sample") is None:
        return f"element {mismatch['index']}"
    return ", ".join(f"{name} {mismatch[name]}" for name in PLACE if mismatch.get(name) is not None)
