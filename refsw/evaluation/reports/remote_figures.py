"""Informative: performance over rate of every layer, of the pictures, and the line without coding, in one figure."""

from __future__ import annotations

from typing import Any

from refsw.evaluation.anchors.bound import FIDELITY, bound_of
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.anchors.remote import Points, curves, sends_pictures, wanted_metrics
from refsw.evaluation.anchors.units import Rate, RateUnit, across_layers, rate_of
from refsw.evaluation.reports import palette
from refsw.evaluation.reports.figures import (
    DASHES,
    WIDTH,
    Legend,
    axis_name,
    dress,
    framed,
    key,
    logarithmic,
    marker,
)

REMOTE = "~pictures"  # with a letter that names of tests do not have
UNCODED, LEAST = "without coding (edge inference)", "least rate of any code"
FILLS = {"input": palette.INK, "input-resized": "white"}


def limit_of(run: Run, test: Test, record: Record, unit: Rate) -> tuple[list[float], list[float]] | None:
    """The least rate of any code over the fidelity, in a unit; None where it is not known."""
    bound, rate = bound_of(run, test), unit.of(record)
    if bound is None or rate is None:
        return None
    bits = 8 * record["coded_bytes"] / record["items"]
    scale = 1 / 8 if unit.unit is RateUnit.CONTENT else rate / bits
    shares = [number / 200 for number in range(100)]
    found = [(bound.bits(share) * scale, 1 - share) for share in shares if bound.bits(share) > bound.bits(0) / 50]
    return ([rate for rate, _ in found], [kept for _, kept in found]) if found else None


def plots_of(run: Run, test: Test) -> dict[str, Any]:
    """The figure of a test that codes pictures and features."""
    own = [record for record in run.records if record["test"] == test.name and "realisations" not in record]
    if not own or not sends_pictures(run, test):
        return {}
    unit = across_layers(rate_of(run.conditions.document), own)
    metrics = wanted_metrics(test, own)
    every = {metric: list(curves(run, test, own, metric, unit)) for metric in metrics}
    known = [points for pairs in every.values() for points in pairs]
    layers = list(dict.fromkeys(p.layer for is_picture, p in known if not is_picture))
    codecs = list(dict.fromkeys(p.codec for is_picture, p in known if not is_picture))
    pictures = list(dict.fromkeys((p.layer, p.codec) for is_picture, p in known if is_picture))

    def style(is_picture: bool, points: Points) -> dict[str, Any]:
        if not is_picture:
            dash = DASHES[codecs.index(points.codec) % len(DASHES)]
            return {**marker(layers.index(points.layer)), "linestyle": dash, "linewidth": 1.8, "markersize": 6}
        number = list(dict.fromkeys(codec for _, codec in pictures)).index(points.codec)
        mark = {"marker": palette.MARKERS[number % len(palette.MARKERS)], "markerfacecolor": FILLS[points.layer]}
        return {**mark, "color": palette.INK, "linestyle": ":", "linewidth": 1.2, "markersize": 5.5}

    wide = WIDTH * len(metrics) + 0.8
    uncoded = {"color": palette.INK, "linewidth": 1.0, "linestyle": (0, (8, 3))}
    names = {(is_picture, p.layer, p.codec): style(is_picture, p) for is_picture, p in known}
    limit = limit_of(run, test, own[0], unit) if FIDELITY in metrics else None
    least = {"color": palette.INK, "linewidth": 1.6, "linestyle": "-."}
    legend = Legend(
        [*(key(**how) for how in names.values()), key(**uncoded), *([key(**least)] if limit else [])],
        [f"{codec}, {layer}" if is_picture or len(codecs) > 1 else layer for is_picture, layer, codec in names]
        + [UNCODED, *([LEAST] if limit else [])],
        wide,
    )
    figure, grid = framed(run, test, [legend], (1, len(metrics)))
    for panel, (metric, pairs) in zip(grid[0], every.items(), strict=True):
        for is_picture, points in pairs:
            panel.plot(points.rates, points.qualities, **style(is_picture, points), clip_on=False)
        pristine = own[0]["pristine"].get(metric)
        if pristine is not None:
            panel.axhline(pristine, **uncoded)
        if limit and metric == FIDELITY:
            panel.plot(*limit, **least)
        logarithmic(panel, unit.title)
        dress(panel, axis_name(metric))
    return {f"{test.name}{REMOTE}": figure}
