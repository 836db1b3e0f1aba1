"""Informative: what the results of many runs come to: programs, their latest results, and how those changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from refsw.conformance.results import cases_of
from refsw.conformance.verdicts import DECODERS, ENCODERS, Subject, subject_of
from refsw.text import shown

LONGEST_SLUG = 40
STRESS = "stress"
"""The suite of what is no matter of conformance (13.13)."""
_ODD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, eq=False)
class Entry:
    """One run.

    Args:
        slug: what its files are called.
        results: the contents of its results.json.
    """

    slug: str
    results: dict[str, Any]

    @property
    def subject(self) -> Subject:
        """Decoder or encoder."""
        return subject_of(self.results)

    @property
    def name(self) -> str:
        """Of the program: a registered name, or the file of a command without its folder."""
        return str(self.results[self.subject.role]["name"])

    @property
    def identity(self) -> str:
        """What tells versions of a program apart."""
        return str(self.results[self.subject.role]["identity"])

    @property
    def cases(self) -> list[dict[str, Any]]:
        """Its vectors or inputs."""
        return cases_of(self.results)

    @property
    def suites(self) -> set[str]:
        """The suites of its cases."""
        return {case["suite"] for case in self.cases}

    def of_suite(self, suite: str) -> dict[str, int]:
        """The outcomes of one suite."""
        return self.subject.counts(case["outcome"] for case in self.cases if case["suite"] == suite)

    @property
    def share(self) -> float:
        """The share of cases that are PASS, of those that are not SKIPPED or DECLINED."""
        counted = [case for case in self.cases if case["outcome"] not in self.subject.good or case["outcome"] == "PASS"]
        return sum(case["outcome"] == "PASS" for case in counted) / len(counted) if counted else 0.0


@dataclass(frozen=True, eq=False)
class Program:
    """A decoder or an encoder with all its runs, the latest last."""

    name: str
    entries: tuple[Entry, ...]

    @property
    def slug(self) -> str:
        """What its badge and its places are called, whichever run is the latest."""
        return slug_of(self.name, self.name)

    @property
    def latest(self) -> Entry:
        """The latest run that is a matter of conformance, which stress (13.13) is not; if there is none, the latest."""
        runs = [entry for entry in self.entries if entry.suites - {STRESS}]
        return (runs or self.entries)[-1]

    def latest_of(self, suite: str) -> Entry | None:
        """The latest run that has cases of a suite."""
        return next((entry for entry in reversed(self.entries) if suite in entry.suites), None)

    @property
    def versions(self) -> int:
        """How many programs of that name there have been."""
        return len({entry.identity for entry in self.entries})


@dataclass(frozen=True, eq=False)
class Side:
    """All programs of one role."""

    subject: Subject
    programs: tuple[Program, ...]

    @property
    def suites(self) -> list[str]:
        """The suites of which any of them has run cases, in order of their name."""
        return sorted({suite for p in self.programs for entry in p.entries for suite in entry.suites})

    def requirements(self) -> dict[str, list[bool | None]]:
        """For every requirement that cases are about, whether each program passes all of them; None if it ran none."""
        names = sorted({name for p in self.programs for name in p.latest.results["about"]})
        return {name: [_passes(self.subject, p.latest.results["about"].get(name)) for p in self.programs]
                for name in names}  # fmt: skip


def _passes(subject: Subject, counts: Mapping[str, int] | None) -> bool | None:
    if counts is None or not (counts["PASS"] or subject.fails(counts)):
        return None
    return not subject.fails(counts)


def collect(reports: Sequence[dict[str, Any]]) -> list[Side]:
    """Programs by role and name, their runs in order of time."""
    entries = list(_entries(reports))
    sides = []
    for subject in (DECODERS, ENCODERS):
        groups: dict[str, list[Entry]] = {}
        for entry in entries:
            if entry.subject is subject:
                groups.setdefault(entry.name, []).append(entry)
        programs = [Program(name, tuple(sorted(group, key=lambda entry: entry.results["finished"])))
                    for name, group in sorted(groups.items())]  # fmt: skip
        sides.append(Side(subject, tuple(programs)))
    return sides


def _entries(reports: Iterable[dict[str, Any]]) -> Iterable[Entry]:
    for results in reports:
        subject = subject_of(results)
        # Names differ in what no name of a file may have, and two runs may end within a second.
        tested = results[subject.role]
        whole = "\0".join([tested["name"], tested["identity"], results["started"], results["finished"]])
        whole += "".join(case["outcome"] for case in cases_of(results))
        yield Entry(f"{subject.role}-{slug_of(tested['name'], whole)}", results)


def slug_of(name: str, whole: str) -> str:
    """A name as one of files and fragments: what it begins with, and a digest."""
    begin = _ODD.sub("-", shown(name, 200).lower()).strip("-")[:LONGEST_SLUG].strip("-")
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{begin}-{digest}" if begin else digest
