"""Informative: the same codec on tiled and on quilted features, codec by codec, as in the tutorial of ICME 2022."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import combinations
from statistics import fmean
from typing import Any

from refsw.evaluation.anchors.choices import CodecChoice
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.bdrate import Curve, Interpolation, NonMonotone, bd_rate
from refsw.evaluation.errors import CurveError
from refsw.evaluation.reports.cells import CHANGE, Cell, Figure, Table
from refsw.evaluation.reports.selection import metric_name, points
from refsw.syntax.codes import RepackLayout

NAMES = {RepackLayout.SEQUENCE: "a picture a channel", RepackLayout.MOSAIC: "tiled", RepackLayout.QUILT: "quilted"}
Points = Mapping[tuple[str, Any], Record]


def tables(run: Run, test: Test) -> list[Table]:
    """A table for each two layouts that some codec of the test has been run with, whatever the codecs are called."""
    found = []
    for layouts in combinations(NAMES, 2):
        rows: list[tuple[Cell, ...]] = []
        notes: list[str] = []
        for first, second in _pairs(run, test, layouts):
            for equal, changes in _changes(run, test, first, second, notes):
                known = [change for change in changes if change is not None]
                mean = fmean(known) if known else None
                rows.append((first.name, equal, *(Figure(change, CHANGE) for change in (*changes, mean))))
        if rows:
            title = f"{test.title}: rate of {NAMES[layouts[0]]} features against {NAMES[layouts[1]]} (negative: less)"
            heading = ("codec", "at equal", *test.layers, "mean")
            found.append(Table(title, heading, tuple(rows), tuple(notes), texts=2))
    return found


def _pairs(
    run: Run, test: Test, layouts: tuple[RepackLayout, RepackLayout]
) -> Iterator[tuple[CodecChoice, CodecChoice]]:
    """Codecs that differ in the layout alone."""
    every = (run.conditions.codecs[name] for name in test.codecs)
    own = [codec for codec in every if not (codec.external or codec.picture or codec.link)]
    kinds = [(codec, *_kind(codec)) for codec in own]
    for first, layout, kind in kinds:
        for second, other, same in kinds:
            if (layout, other) == layouts and kind == same:
                yield first, second


def _kind(codec: CodecChoice) -> tuple[RepackLayout, Any]:
    config = codec.config(codec.values[0])
    choices = {field.name: getattr(config, field.name) for field in fields(config) if field.name != "layout"}
    return config.layout, (codec.parameter, codec.values, choices)


def _changes(
    run: Run, test: Test, first: CodecChoice, second: CodecChoice, notes: list[str]
) -> Iterator[tuple[str, list[float | None]]]:
    """What is equal, and by layer the change of rate in percent; why there is none goes to the notes."""
    ours, theirs = points(run, test, first.name), points(run, test, second.name)
    if not first.parameter:
        both = [(ours.get((layer, None)), theirs.get((layer, None))) for layer in test.layers]
        exact = all(a["digests"]["decoded"] == b["digests"]["decoded"] for a, b in both if a and b)
        changes = [100 * (a["coded_bytes"] / b["coded_bytes"] - 1) if a and b else None for a, b in both]
        yield "features" if exact else "settings", changes
        return
    for metric in dict.fromkeys((test.quality, "snr")):
        changes = []
        for layer in test.layers:
            try:
                curves = [_curve(codec, known, layer, metric) for codec, known in ((second, theirs), (first, ours))]
                changes.append(bd_rate(curves[0], curves[1], _interpolation(run)).value)
            except CurveError as error:
                changes.append(None)
                notes.append(f"No figure for {layer} at equal {metric_name(metric)}: {error}.")
        yield metric_name(metric), changes


def _curve(codec: CodecChoice, known: Points, layer: str, metric: str) -> Curve:
    own = [r for (name, _), r in known.items() if name == layer and r["metrics"].get(metric) is not None]
    rates, values = [r["bits_per_element"] for r in own], [r["metrics"][metric] for r in own]
    return Curve.of(codec.name, rates, values, NonMonotone.PARETO)


def _interpolation(run: Run) -> Interpolation:
    return Interpolation(run.conditions.document.get("bd", {}).get("interpolation", "pchip"))
