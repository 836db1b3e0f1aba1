"""Informative: items that are frames of sequences: groups that do not reach over two, and classes of sequences.

A class is told by the bytes and the duration of its sequences together, so that its rate is that of each weighted by
its duration, and by the metrics over all of its frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from refsw.evaluation.anchors.folder import Record


class Frame(NamedTuple):
    """Where an item belongs: sequence, class of sequences ("" for none), seconds that it lasts (0 if not known)."""

    sequence: str
    category: str
    seconds: float


def in_groups(items: Sequence[str], size: int, frames: Mapping[str, Frame]) -> list[tuple[str, ...]]:
    """Items in their order, so many together, those of a sequence apart from those of another."""
    found = []
    for _, own in groupby(items, lambda item: frames[item].sequence if item in frames else ""):
        together = list(own)
        found += [tuple(together[i : i + size]) for i in range(0, len(together), size)]
    return found


def classes_of(frames: Mapping[str, Frame]) -> dict[str, tuple[str, ...]]:
    """Items of each class of sequences; none where there are no classes."""
    found: dict[str, list[str]] = {}
    for item, frame in frames.items():
        if frame.category:
            found.setdefault(frame.category, []).append(item)
    return {category: tuple(items) for category, items in found.items()}


def duration(items: Iterable[str], frames: Mapping[str, Frame]) -> float:
    """Seconds of items; 0 if that of one is not known."""
    each = [frames[item].seconds if item in frames else 0.0 for item in items]
    return sum(each) if all(each) else 0.0


def told(
    groups: Sequence[Record], frames: Mapping[str, Frame], metrics: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """What a record has of sequences: the duration, and each class with items, bytes, seconds, and metrics."""
    record: dict[str, Any] = {}
    total = duration((item for group in groups for item in group["items"]), frames)
    if total:
        record["seconds"] = total
    classes: dict[str, dict[str, Any]] = {}
    for category, own in metrics.items():
        parts = [group for group in groups if frames[group["items"][0]].category == category]
        items = [item for group in parts for item in group["items"]]
        size = sum(group["coded_bytes"] for group in parts)
        classes[category] = {"items": len(items), "coded_bytes": size, "metrics": dict(own)}
        if seconds := duration(items, frames):
            classes[category]["seconds"] = seconds
    return record | ({"classes": classes} if classes else {})
