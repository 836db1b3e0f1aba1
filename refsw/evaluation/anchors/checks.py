"""Informative: which records a run is to have, and whether those that it has make sense."""

from __future__ import annotations

from refsw.errors import UsageError
from refsw.evaluation.anchors.folder import Key, Record, Run, key_of, label

COUNTED = ("items", "bitstreams", "coded_bytes", "raw_bytes", "elements", "rate", "bits_per_element")
MOST = 1e100  # more than anything that is measured


def check(run: Run) -> None:
    """Refuse records that were edited so that no report can be made of them; `read_records` has checked their types.

    Raises:
        UsageError: names the record and what is wrong with it.
    """
    known, seen = set(_wanted(run)), set()
    for record in run.records:
        key = key_of(record)
        wrong = _wrong(record) or ("" if key in known else "not among the conditions")
        wrong = wrong or ("there twice" if key in seen else "")
        seen.add(key)
        if wrong:
            place = label(record).encode("unicode_escape").decode()  # a damaged name can hold anything
            raise UsageError(f"{run.folder}: record {place}: {wrong}")


def _wrong(record: Record) -> str:
    for name in COUNTED:
        if not 0 < record[name] < MOST:
            return f"{name} is {record[name]}"
    for part in ("metrics", "pristine"):
        for name, value in record[part].items():
            if value is not None and abs(value) >= MOST:
                return f"{name} is {value}"
    return ""


def missing_of(run: Run) -> dict[str, tuple[int, int]]:
    """For each test: records that it does not have yet, and all that it shall have."""
    there = {key_of(record) for record in run.records}
    keys, found = _wanted(run), {}
    for test in run.conditions.tests:
        own = [key for key in keys if key[0] == test.name]
        found[test.name] = (sum(key not in there for key in own), len(own))
    return found


def _wanted(run: Run) -> list[Key]:
    return [key_of(place) for place in run.conditions.points()]
