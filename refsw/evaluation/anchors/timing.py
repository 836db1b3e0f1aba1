"""Informative: how long the rest of a run will take, told from the jobs of each kind that are done."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

Kind = tuple[Any, ...]
SETTLED_SECONDS = 2.0
"""Before that, what was done in the time says nothing about the pace."""


class TimeLeft:
    """Jobs of a kind, which are those of one point, take about the same time; those of others may take a hundredfold.

    A kind of which nothing is done yet is taken for the mean of the others of its sort: with a codec, or without one.
    """

    def __init__(self) -> None:
        self._seconds: dict[Kind, float] = {}
        self._counts: Counter[Kind] = Counter()
        self._waiting: Counter[Kind] = Counter()
        self._start = time.monotonic()
        self._worked = 0.0

    def begin(self, places: Iterable[Mapping[str, Any]]) -> None:
        """These are left, and work on them begins now."""
        self._waiting.update(_kind(place) for place in places)
        self._start, self._worked = time.monotonic(), 0.0

    def done(self, record: Mapping[str, Any], *, is_planned: bool = False) -> None:
        """A job is done: its record, or only its place if it failed; one of those that were left if `is_planned`."""
        kind, times = _kind(record), record.get("times")
        if times is not None:
            spent = float(times.get("job", times.get("network", 0.0)))
            self._seconds[kind] = self._seconds.get(kind, 0.0) + spent
            self._counts[kind] += 1
            self._worked += spent * is_planned
        self._waiting[kind] -= is_planned

    def seconds(self) -> float | None:
        """Wall time of what is left at the pace so far; None as long as nothing can be said."""
        elapsed = time.monotonic() - self._start
        if elapsed < SETTLED_SECONDS or not self._worked:
            return None
        left = 0.0
        for kind, count in self._waiting.items():
            expected = self._expected(kind)
            if count > 0 and expected is None:
                return None
            left += max(count, 0) * (expected or 0.0)
        return left * elapsed / self._worked

    def _expected(self, kind: Kind) -> float | None:
        """Seconds of one job."""
        if self._counts[kind]:
            return self._seconds[kind] / self._counts[kind]
        known = [self._seconds[k] / self._counts[k] for k in self._seconds if bool(k[2]) == bool(kind[2])]
        return sum(known) / len(known) if known else None


def _kind(place: Mapping[str, Any]) -> Kind:
    return (place["test"], place["layer"], place["codec"], place["parameter"], place["value"])
