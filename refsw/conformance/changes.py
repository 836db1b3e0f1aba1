"""13.9 Two results of runs beside one another: the cases whose outcome changed, and the requirements they are about."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refsw.conformance.reports import JSON, load_results
from refsw.conformance.results import cases_of, headline
from refsw.conformance.verdicts import Subject, subject_of
from refsw.errors import UsageError
from refsw.text import shown

MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Change:
    """A case whose outcome is another one; None where it was not there."""

    id: str
    before: str | None
    after: str | None
    about: tuple[str, ...]
    reason: str
    other_entry: bool = False

    def worse(self, subject: Subject) -> bool:
        """Whether it was no failure and is one now, or is not there any more."""
        return self.before in subject.good and self.after not in subject.good

    def better(self, subject: Subject) -> bool:
        """Whether it was a failure and is none now."""
        return self.before is not None and self.before not in subject.good and self.after in subject.good

    def as_dict(self) -> dict[str, Any]:
        """The change as JSON types."""
        return {
            "id": self.id, "before": self.before, "after": self.after, "about": list(self.about),
            "reason": self.reason, "other_entry": self.other_entry,
        }  # fmt: skip


@dataclass
class Changes:
    """What changed from one run to another."""

    subject: Subject
    old: dict[str, Any]
    new: dict[str, Any]
    changed: list[Change] = field(default_factory=list)

    @property
    def worse(self) -> list[Change]:
        """What is a failure now, and was none."""
        return [change for change in self.changed if change.worse(self.subject)]

    @property
    def better(self) -> list[Change]:
        """What was a failure, and is none now."""
        return [change for change in self.changed if change.better(self.subject)]

    @property
    def others(self) -> list[Change]:
        """What is new, or as much of a failure as before in another way."""
        return [c for c in self.changed if not c.worse(self.subject) and not c.better(self.subject)]

    @property
    def exit_code(self) -> int:
        """1 if anything is worse."""
        return 1 if self.worse else 0

    def requirements(self, changes: Iterable[Change]) -> dict[str, int]:
        """How many of some changes are about each requirement."""
        found: dict[str, int] = {}
        for change in changes:
            for name in change.about:
                found[name] = found.get(name, 0) + 1
        return dict(sorted(found.items()))

    def as_dict(self) -> dict[str, Any]:
        """The changes as JSON types."""
        role = self.subject.role
        return {
            "old": {"name": self.old[role]["name"], "counts": self.old["counts"], "finished": self.old["finished"]},
            "new": {"name": self.new[role]["name"], "counts": self.new["counts"], "finished": self.new["finished"]},
            "worse": [change.as_dict() for change in self.worse],
            "better": [change.as_dict() for change in self.better],
            "others": [change.as_dict() for change in self.others],
            "requirements": {"worse": self.requirements(self.worse), "better": self.requirements(self.better)},
        }

    def lines(self) -> list[str]:
        """The changes for people: what is worse first."""
        role = self.subject.role
        out = []
        for name, changes in (("worse", self.worse), ("better", self.better), ("other", self.others)):
            for change in changes[:MOST_SHOWN]:
                why = f": {shown(change.reason, 200)}" if change.reason and name != "better" else ""
                entry = " (its entry in the suite changed)" if change.other_entry else ""
                step = f"{change.before or 'not there'} -> {change.after or 'not there'}"
                out.append(f"{name:<6}  {change.id}  {step}{entry}{why}")
            if len(changes) > MOST_SHOWN:
                out.append(f"{name:<6}  and {len(changes) - MOST_SHOWN} more")
            about = ", ".join(f"{text} {count}" for text, count in self.requirements(changes).items())
            if about:
                out.append(f"        about: {about}")
        for name, results in (("old", self.old), ("new", self.new)):
            out.append(f"{name}: {results[role]['name']}: {headline(results)} ({results['finished']})")
        worse, better = len(self.worse), len(self.better)
        out.append(f"{worse} worse, {better} better, {len(self.changed) - worse - better} changed otherwise")
        return out


def compare(old: dict[str, Any], new: dict[str, Any]) -> Changes:
    """What changed between the contents of two results.json.

    Raises:
        UsageError: one is of a decoder, the other of an encoder.
    """
    subject = subject_of(new)
    if subject_of(old) is not subject:
        raise UsageError("one of the results is of a decoder, the other of an encoder: nothing to compare")
    found = Changes(subject, old, new)
    before = {case["id"]: case for case in cases_of(old)}
    after = {case["id"]: case for case in cases_of(new)}
    for name in sorted(before.keys() | after.keys()):
        a, b = before.get(name), after.get(name)
        outcomes = [None if case is None else case["outcome"] for case in (a, b)]
        if outcomes[0] == outcomes[1]:
            continue
        there = b or a
        assert there is not None
        other = a is not None and b is not None and a["entry"] != b["entry"]
        reason = there["reason"] if b is not None else ""
        found.changed.append(Change(name, outcomes[0], outcomes[1], tuple(there["about"]), reason, other))
    return found


def load_report(path: Path) -> dict[str, Any]:
    """The results of a file, or of a folder with a results.json.

    Raises:
        UsageError: it holds none.
        OSError: it cannot be read.
    """
    return load_results(path / JSON if path.is_dir() else path)


def _below(folder: Path) -> Iterator[Path]:
    """The results in a folder and those below; hidden folders are those of runs that are not over."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if JSON in names:
            yield Path(place) / JSON


def find_reports(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The results of files, of folders with a results.json, and of folders of such folders, in order of their end.

    Raises:
        UsageError: a path holds none.
        OSError: a file cannot be read.
    """
    files: list[Path] = []
    for path in paths:
        inside = sorted(_below(path)) if path.is_dir() else [path]
        if not inside:
            raise UsageError(f"{path}: no {JSON} in this folder")
        files += inside
    return sorted((load_results(file) for file in dict.fromkeys(files)), key=lambda results: results["finished"])
