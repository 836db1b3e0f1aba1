"""Informative: how far the points of a run are from the least rate of any code: of classification, item by item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import GROUPS, Record, Run, read_groups, unpack
from refsw.evaluation.information.bounds import DecisionBound

CLASSIFICATION, FIDELITY = "classification", "fidelity"


@dataclass(frozen=True, slots=True)
class Distance:
    """A point and the limit.

    Args:
        bits, content: an item, and without headers (None where they were not measured).
        fidelity: share of decisions that stay.
        least: bits an item that no code with that fidelity goes below.
    """

    bits: float
    content: float | None
    fidelity: float
    least: float


def bound_of(run: Run, test: Test) -> DecisionBound | None:
    """The bound of the decisions of a test without coding; None of other tasks, or where outputs are not there."""
    options: Mapping[str, object] = test.condition.get("options", {})
    if test.condition.get("task") != CLASSIFICATION or options.get("literal"):
        return None
    decisions = [
        int(np.argmax(unpack(output)))
        for group in read_groups(run.folder / GROUPS)
        if (group["test"], group["codec"], group["parameter"]) == (test.name, "", "")
        for output in group["outputs"]
    ]
    return DecisionBound.of(decisions) if decisions else None


def distance(record: Record, bound: DecisionBound) -> Distance:
    """How far the point of a record is from the limit."""
    items, kept = record["items"], float(record["metrics"][FIDELITY])
    beyond = None if "header_bytes" not in record else 8 * (record["coded_bytes"] - record["header_bytes"]) / items
    return Distance(8 * record["coded_bytes"] / items, beyond, kept, bound.bits(1 - kept))
