"""Informative: the same run twice, on one machine or on two: every record that differs, by its name.

Sizes and digests must be equal, metrics within the tolerance of the conditions. Each run is also held against
itself: its records against the records of its groups, and those against the bitstreams that were kept.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from refsw.evaluation.anchors.conditions import by_name
from refsw.evaluation.anchors.environment import differences, subject_differences
from refsw.evaluation.anchors.folder import BITSTREAMS, GROUPS, Key, Record, Run, key_of, label, read_groups
from refsw.evaluation.anchors.points import SIZES_OF_INPUT, derived, joined
from refsw.evaluation.anchors.run import NO_CODEC, bitstream_name
from refsw.text import shown

EXACT = ("items", "bitstreams", "coded_bytes", "raw_bytes", "elements", *SIZES_OF_INPUT)
DIGESTS = {
    "features": "the features differ",
    "bitstream": "the bitstreams differ",
    "decoded": "the decoded features differ",
}
DERIVED = {"rate", "bits_per_element", "bits_per_pixel", "against_input"}
ERRORS = ("mse", "snr")
SHOWN_GROUPS = 5
SHOWN_POINTS = 20
ROUNDING = 1e-12
"""Of figures that follow from the same sums."""
Groups = dict[tuple[Any, ...], Record]


class Verdict(StrEnum):
    """What a cross-check comes to."""

    IDENTICAL = "identical"
    REPRODUCED = "reproduced"
    DIFFERENT = "different"


class Kind(StrEnum):
    """What a finding is about; all but VERSION and NOTE make the runs different."""

    NOTE = "note"
    CONDITIONS = "conditions"
    VERSION = "version"
    MISSING = "missing"
    SIZE = "size"
    DIGEST = "digest"
    METRIC = "metric"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: of what kind, in which record, and what it is."""

    kind: Kind
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Crosscheck:
    """A cross-check: its verdict, how many records were compared, and what was found.

    Notes among the findings are on what results do not depend on, such as titles and places of files.
    """

    first: str
    second: str
    verdict: Verdict
    compared: int
    within_tolerance: int
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0 where the second run reproduces the first, else 1."""
        return int(self.verdict is Verdict.DIFFERENT)

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def crosscheck(first: Run, second: Run) -> Crosscheck:
    """Compare two runs record by record.

    IDENTICAL: all records and all versions are the same. REPRODUCED: the records are the same, metrics within the
    tolerance of the conditions, but a version or the machine is another. DIFFERENT: anything else.
    """
    findings = list(_conditions(first, second))
    findings += _versions(first, second)
    parts: list[Groups] = []
    for run in (first, second):
        parts.append({})
        findings += _group_records(run, parts[-1])
        findings += _against_itself(run, parts[-1])
    ours, theirs = ({key_of(record): record for record in run.records} for run in (first, second))
    inexact = 0
    for key, record in ours.items():
        if key not in theirs:
            findings.append(Finding(Kind.MISSING, label(record), f"no record in {second.folder}"))
            continue
        own = list(_records(record, theirs[key], first))
        findings += own
        inexact += not own and record["metrics"] != theirs[key]["metrics"]
    findings += [
        Finding(Kind.MISSING, label(record), f"no record in {first.folder}")
        for key, record in theirs.items()
        if key not in ours
    ]
    findings += _in_neither(first, ours.keys() | theirs.keys())
    findings += _groups(*parts)
    weighty = [finding for finding in findings if finding.kind is not Kind.NOTE]
    if any(finding.kind is not Kind.VERSION for finding in weighty):
        verdict = Verdict.DIFFERENT
    else:
        verdict = Verdict.REPRODUCED if weighty or inexact else Verdict.IDENTICAL
    compared = len(ours.keys() & theirs.keys())
    return Crosscheck(str(first.folder), str(second.folder), verdict, compared, inexact, tuple(findings))


def within(run: Run) -> list[str]:
    """What of a run does not go with the rest of it: its records, its groups, and the bitstreams that it kept."""
    groups: Groups = {}
    return [str(found) for found in [*_group_records(run, groups), *_against_itself(run, groups)]]


def _conditions(first: Run, second: Run) -> Iterator[Finding]:
    changed = list(differences(first.conditions.deciding(), second.conditions.deciding()))
    for what in changed:
        yield Finding(Kind.CONDITIONS, "conditions", what)
    for what in differences(by_name(first.conditions.document), by_name(second.conditions.document)):
        if what not in changed:
            yield Finding(Kind.NOTE, "conditions", what)


def _versions(first: Run, second: Run) -> Iterator[Finding]:
    for part in ("versions", "network"):
        for what in differences(first.identity.get(part, {}), second.identity.get(part, {})):
            yield Finding(Kind.VERSION, "environment", what)
    for name in sorted({*first.identity["tests"], *second.identity["tests"]}):
        ours, theirs = (run.identity["tests"].get(name, {}) for run in (first, second))
        # Other weights or data are another experiment, not another machine.
        for what in subject_differences(ours, theirs):
            yield Finding(Kind.CONDITIONS, "network and data", f"{name}, {what}")
    for name in ("python", "processor", "machine", "byte_order"):
        before, after = first.environment.get(name), second.environment.get(name)
        if before != after:
            yield Finding(Kind.VERSION, "environment", f"{name} was {before} and is {after}")


def _records(ours: Record, theirs: Record, run: Run) -> Iterator[Finding]:
    where = label(ours)
    for name in EXACT:
        if ours.get(name) != theirs.get(name):
            yield Finding(Kind.SIZE, where, f"{name} {ours.get(name)} and {theirs.get(name)}")
    for name, told in DIGESTS.items():
        if ours["digests"][name] != theirs["digests"][name]:
            yield Finding(Kind.DIGEST, where, told)
    for name in sorted(DERIVED & {*ours, *theirs}):
        if ours.get(name) != theirs.get(name) and ours["coded_bytes"] == theirs["coded_bytes"]:
            yield Finding(Kind.METRIC, where, f"{name} {ours.get(name)} and {theirs.get(name)}")
    for part in ("metrics", "pristine"):
        for name in sorted({*ours[part], *theirs[part]}):
            a, b = ours[part].get(name), theirs[part].get(name)
            tolerance = run.conditions.tolerance(name)
            if a is None or b is None:
                equal = a is b
            else:
                equal = abs(a - b) <= tolerance * max(1.0, abs(a))
            if not equal:
                what = name if part == "metrics" else f"{name} without coding"
                yield Finding(Kind.METRIC, where, f"{what} {a} and {b} (tolerance {tolerance:g})")
    if ours.get("complexity") != theirs.get("complexity"):
        yield Finding(Kind.METRIC, where, f"complexity {ours.get('complexity')} and {theirs.get('complexity')}")


def _in_neither(run: Run, known: Set[Key]) -> Iterator[Finding]:
    """Points that both runs lack: what is not there has not been reproduced."""
    lacking = [record for record in run.conditions.points() if key_of(record) not in known]
    yield from (Finding(Kind.MISSING, label(record), "no record in either run") for record in lacking[:SHOWN_POINTS])
    if len(lacking) > SHOWN_POINTS:
        yield Finding(Kind.MISSING, "points", f"{len(lacking) - SHOWN_POINTS} more have no record in either run")


def _group_records(run: Run, found: Groups) -> Iterator[Finding]:
    """Fill in the records of coded groups by key and number; what is there twice must be the same."""
    for record in read_groups(run.folder / GROUPS):
        if record["codec"] == NO_CODEC:
            continue
        slim = {k: v for k, v in record.items() if k not in ("outputs", "times")}
        key = (*key_of(record), record["group"])
        if found.setdefault(key, slim) != slim:
            yield Finding(Kind.DAMAGED, f"{run.folder}: {label(record)}", "is there twice, with other contents")


def _against_itself(run: Run, parts_of: Groups) -> Iterator[Finding]:
    groups: dict[Any, dict[int, Record]] = {}
    bitstreams = run.folder / BITSTREAMS
    for record in parts_of.values():
        groups.setdefault(key_of(record), {})[record["group"]] = record
        path = bitstreams / bitstream_name(record)
        if path.exists():
            if hashlib.sha256(path.read_bytes()).hexdigest() != record["bitstream"]:
                yield Finding(Kind.DAMAGED, label(record), f"the bytes of {path} are not those of the record")
        elif bitstreams.is_dir():
            yield Finding(Kind.DAMAGED, label(record), f"{path} is missing")
    planned = {key_of(record) for record in run.conditions.points()}
    times = Counter(key_of(record) for record in run.records)
    for record in run.records:
        key, where = key_of(record), f"{run.folder}: {label(record)}"
        if times[key] > 1:
            yield Finding(Kind.DAMAGED, where, f"is there {times[key]} times")
        if key not in planned:
            yield Finding(Kind.DAMAGED, where, "is no point of the conditions")
        own = groups.get(key, {})
        yield from _of_its_groups(record, [own[number] for number in sorted(own)], where)


def _of_its_groups(record: Record, parts: list[Record], where: str) -> Iterator[Finding]:
    """Whether sums, digests and what follows from them are those of the groups."""
    if len(parts) != record["bitstreams"]:
        told = f"{record['bitstreams']} groups make the record, {len(parts)} are there"
        yield Finding(Kind.DAMAGED, where, told)
        return
    for name in ("coded_bytes", "raw_bytes", "elements"):
        if sum(part[name] for part in parts) != record[name]:
            yield Finding(Kind.DAMAGED, where, f"{name} is not the sum over its groups")
    if sum(len(part["items"]) for part in parts) != record["items"]:
        yield Finding(Kind.DAMAGED, where, "items is not the sum over its groups")
    for name in DIGESTS:
        if joined(part[name] for part in parts) != record["digests"][name]:
            yield Finding(Kind.DAMAGED, where, f"the {name} digest is not that of its groups")
    for name, value in derived(parts).items():
        given = record["metrics"].get(name) if name in ERRORS else record[name]
        if given is None or value is None:
            equal = given is value
        else:
            equal = math.isclose(given, value, rel_tol=ROUNDING)
        if not equal:
            yield Finding(Kind.DAMAGED, where, f"{name} is {given}, its groups make {value}")


def _groups(ours: Groups, theirs: Groups) -> Iterator[Finding]:
    """Which groups make the difference; all are compared, the first few of each point are named."""
    told: Counter[Any] = Counter()
    for key in sorted(ours.keys() & theirs.keys()):
        changed = [name for name in (*DIGESTS, "coded_bytes", "items") if ours[key][name] != theirs[key][name]]
        if not changed:
            continue
        told[key[:-1]] += 1
        if told[key[:-1]] <= SHOWN_GROUPS:
            items = ", ".join(ours[key]["items"][:3]) + (", ..." if len(ours[key]["items"]) > 3 else "")
            kind = Kind.DIGEST if changed[0] in DIGESTS else Kind.SIZE
            yield Finding(kind, f"{label(ours[key])} ({items})", f"{', '.join(changed)} differ")
    more = sum(count - SHOWN_GROUPS for count in told.values() if count > SHOWN_GROUPS)
    if more:
        yield Finding(Kind.DIGEST, "groups", f"{more} more differ")


def as_text(result: Crosscheck) -> str:
    """The findings, one a line, and the verdict last."""
    lines = [shown(finding) for finding in result.findings]
    extra = f", {result.within_tolerance} of them within the tolerance" if result.within_tolerance else ""
    notes = sum(finding.kind is Kind.NOTE for finding in result.findings)
    count = len(result.findings) - notes
    extra += f", {count} finding{'s' * (count != 1)}" + (f", {notes} note{'s' * (notes != 1)}" if notes else "")
    lines.append(f"verdict: {result.verdict}: {result.compared} records compared{extra}")
    return "\n".join(lines) + "\n"
