"""Informative: a plan held against inference that is really cut and coded here, on other items than it was made from.

Each choice is carried out from the picture to the result: front, encoding, decoding, back. On half of the items every
stage is timed, which is what a plan adds up; on the other half the whole is timed in one go. Times are those of the CPU
of this process, so that what else the machine does is not counted; what is sent takes bytes over rate on both sides.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, median
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.anchors import codecs
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Run
from refsw.evaluation.anchors.grouped import apart, together
from refsw.evaluation.anchors.orders import Task
from refsw.evaluation.reports.cells import CHANGE, COUNT, Cell, Figure, Form, Table
from refsw.planning.choices import EDGE, Choice
from refsw.planning.links import MEGA

RATES = 25
STAGES = ("edge", "encode", "decode", "cloud")
MS = Form(1, "0.0")


@dataclass(frozen=True, slots=True)
class Checked:
    """A choice, with the times of its stages and its bytes as they were on some items, and what others took.

    Args:
        choice: predicted.
        seconds, sent_bytes: measured from end to end, an item, without sending.
    """

    choice: Choice
    seconds: float
    sent_bytes: float

    def predicted(self, megabits: float) -> float:
        """Seconds from picture to result at a rate, as the plan has it."""
        own = self.choice
        return own.edge + own.encode + own.decode + own.cloud + 8 * own.sent_bytes / (megabits * MEGA)

    def measured(self, megabits: float) -> float:
        """The same as it was measured."""
        return self.seconds + 8 * self.sent_bytes / (megabits * MEGA)


def verify(run: Run, test: Test, choices: Sequence[Choice], task: Task, *, limit: int = 8) -> list[Checked]:
    """Carry out every choice on the first items of a task.

    Args:
        run: that the choices come from.
        test: of the run.
        choices: with what is sent as it was chosen.
        task: of the test.
        limit: items, half of them for the stages and half for the whole.

    Raises:
        UsageError: fewer than two items.
    """
    items = task.items()[:limit]
    if len(items) < 2:
        raise UsageError(f"{len(items)} item: a plan is made from some and held against others, two at least")
    found = []
    for choice in choices:
        _carried_out(run, test, choice, task, items[0])  # what is loaded once is no part of an item
        staged = [_carried_out(run, test, choice, task, item) for item in items[::2]]
        whole = [_carried_out(run, test, choice, task, item) for item in items[1::2]]
        edge, encode, decode, cloud = (fmean(spent[name] for spent, _ in staged) for name in STAGES)
        size = fmean(size for _, size in staged)
        planned = replace(choice, edge=edge, encode=encode, decode=decode, cloud=cloud, sent_bytes=size)
        seconds = fmean(math.fsum(spent.values()) for spent, _ in whole)
        found.append(Checked(planned, seconds, fmean(size for _, size in whole)))
    return found


def _carried_out(run: Run, test: Test, choice: Choice, task: Task, item: str) -> tuple[dict[str, float], int]:
    """Seconds of each stage, and bytes, of an item."""
    times = [time.process_time()]

    def stop() -> None:
        times.append(time.process_time())

    size = 0
    if choice.name == EDGE:
        task.reference(item)
        stop()
        return dict.fromkeys(STAGES, 0.0) | {"edge": times[1] - times[0]}, 0
    codec, layer, axes = run.conditions.codecs[choice.codec], choice.layer, test.axes.get(choice.layer, "")
    parts = [task.features(item, layer)]
    features = together(parts, layer)
    stop()
    bitstream = codecs.encode(features, layer, codec, choice.value, axes)
    size = len(bitstream)
    stop()
    decoded = codecs.decode(bitstream, features, codec, choice.value)
    stop()
    task.outputs(item, layer, apart(decoded, parts, layer)[0])
    stop()
    spans = [after - before for before, after in pairwise(times)]
    return dict(zip(STAGES, spans, strict=True)), size


def rates(low: float, high: float) -> list[float]:
    """Rates in Mbit/s from one to another, equally far apart in their logarithm."""
    return [float(rate) for rate in np.geomspace(low, high, RATES)]


def median_error(checked: Sequence[Checked], low: float, high: float) -> float:
    """Median over choices and rates of |predicted - measured| / measured."""
    errors = [abs(one.predicted(r) / one.measured(r) - 1) for one in checked for r in rates(low, high)]
    return median(errors)


def table(title: str, checked: Sequence[Checked], low: float, high: float) -> Table:
    """Predicted beside measured for every choice."""
    rows: list[tuple[Cell, ...]] = []
    for one in checked:
        change = median(one.predicted(r) / one.measured(r) - 1 for r in rates(low, high))
        computed = one.predicted(math.inf)
        rows.append((
            one.choice.name, " ".join(filter(None, (one.choice.codec, one.choice.point))),
            Figure(one.choice.sent_bytes, COUNT), Figure(one.sent_bytes, COUNT),
            Figure(1000 * computed, MS), Figure(1000 * one.seconds, MS), Figure(100 * change, CHANGE),
        ))  # fmt: skip
    error = 100 * median_error(checked, low, high)
    notes = (
        f"Of one item, in CPU time, without sending where ms are told. Over choices and {RATES} rates from {low:g} "
        f"to {high:g} Mbit/s, half of the latencies were predicted within {error:.1f} %.",
    )
    heading = ("cut", "sent as", "bytes planned", "measured", "ms planned", "measured", "latency, median")
    return Table(f"{title}: planned and measured", heading, tuple(rows), notes, texts=2)


def as_dict(checked: Sequence[Checked], low: float, high: float) -> dict[str, Any]:
    """As JSON types."""
    return {
        "median_error": median_error(checked, low, high),
        "choices": [
            {"name": one.choice.name, "planned": one.predicted(math.inf), "measured": one.seconds,
             "bytes_planned": one.choice.sent_bytes, "bytes_measured": one.sent_bytes}
            for one in checked
        ],
    }  # fmt: skip
