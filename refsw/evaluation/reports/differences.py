"""Informative: a comparison of two runs as tables: the means first, then each test layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from refsw.evaluation.anchors.compare import Comparison, Line, Mean
from refsw.evaluation.reports.cells import (
    CHANGE,
    DIFFERENCE,
    SCORE,
    WHOLE_SHARE,
    Cell,
    Figure,
    Table,
    bullets,
    wrapped,
)
from refsw.evaluation.reports.selection import metric_name
from refsw.text import for_markdown

TIMES = ("EncT", "DecT")
NOTES = (
    "EncT, DecT: time to encode and to decode, of the proposal / of the anchor, over all points of a layer; their "
    "means are geometric. A dash: not every point of both has a time, or they have not as many points.",
    "Layers: those with a BD-rate, and if it is another number those with a BD-metric, of all.",
)


def as_text(comparison: Comparison) -> str:
    """The comparison in Markdown, aligned to be read in a terminal."""
    parts = [
        f"{wrapped(for_markdown(title(comparison)))}\n",
        *(table.as_markdown() for table in all_tables(comparison)),
    ]
    reasons, notes = missing(comparison), remarks(comparison)
    parts += [f"No figure:\n\n{bullets(map(for_markdown, reasons))}"] if reasons else []
    parts += [f"Notes:\n\n{bullets(map(for_markdown, notes))}"] if notes else []
    return "\n".join(parts)


def title(comparison: Comparison) -> str:
    """What is compared, and how."""
    return (
        f"{comparison.proposal} against {comparison.anchor}: BD-rate (negative is a saving) and BD-metric, "
        f"{comparison.interpolation} over the logarithm of {comparison.rate}"
    )


def all_tables(comparison: Comparison) -> list[Table]:
    """Every table: means, then layers."""
    return [*mean_tables(comparison), *line_tables(comparison)]


def mean_tables(comparison: Comparison) -> list[Table]:
    """For each pair of codecs the means of the tests and that of all."""
    found = []
    for pair in _pairs(comparison.lines):
        rows = [_mean(mean, comparison) for mean in comparison.means if (mean.proposal, mean.anchor) == pair]
        heading = ("mean of", "at equal", "BD-rate", "BD-metric", *TIMES, "layers")
        notes = (*NOTES, *_small(comparison, pair))
        found.append(Table(f"Codec {pair[0]} against {pair[1]}: means", heading, tuple(rows), notes, texts=2))
    return found


def line_tables(comparison: Comparison) -> list[Table]:
    """For each test, pair of codecs and quality the layers."""
    found = []
    for pair in _pairs(comparison.lines):
        own = [line for line in comparison.lines if (line.proposal, line.anchor) == pair]
        for test, quality in dict.fromkeys((line.test, line.quality) for line in own):
            lines = [line for line in own if (line.test, line.quality) == (test, quality)]
            heading = ("layer", "BD-rate", "BD-metric", "from", "to", "overlap", "of anchor", "of proposal", *TIMES)
            name = f"{test}, {pair[0]} against {pair[1]} at equal {metric_name(quality)}"
            warnings = tuple(f"Caution: {line.layer}: {line.warning}." for line in lines if line.warning)
            found.append(Table(name, heading, tuple(map(_line, lines)), warnings))
    return found


def _small(comparison: Comparison, pair: tuple[str, str]) -> list[str]:
    """A note on the means that are partly over small overlaps."""
    means = [m for m in comparison.means if (m.proposal, m.anchor) == pair and m.warned]
    told = [f"{m.test or 'all tests'} at equal {metric_name(m.quality)} {m.warned} of {m.layers}" for m in means]
    return [f"Caution: layers whose figures are over a small overlap only: {', '.join(told)}."] if told else []


def missing(comparison: Comparison) -> list[str]:
    """Why figures are missing."""
    several = len(_pairs(comparison.lines)) > 1
    told = []
    for line in comparison.lines:
        pair = f", {line.proposal} against {line.anchor}" if several else ""
        if line.reason:
            told.append(f"{line.test}, {line.layer}, {metric_name(line.quality)}{pair}: {line.reason}")
    return told


def remarks(comparison: Comparison) -> list[str]:
    """What to keep in mind."""
    return list(dict.fromkeys(comparison.notes))


def mean_times(comparison: Comparison, mean: Mean) -> tuple[float | None, float | None]:
    """Geometric means over the layers of the time to encode and to decode, of the proposal / of the anchor."""
    own = [
        line
        for line in comparison.lines
        if (line.proposal, line.anchor, line.quality) == (mean.proposal, mean.anchor, mean.quality)
        and mean.test in ("", line.test)
    ]
    return _geometric(line.encode_time for line in own), _geometric(line.decode_time for line in own)


def _geometric(ratios: Iterable[float | None]) -> float | None:
    known = [ratio for ratio in ratios if ratio]
    return math.exp(math.fsum(map(math.log, known)) / len(known)) if known else None


def _pairs(lines: Sequence[Line]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((line.proposal, line.anchor) for line in lines))


def _mean(mean: Mean, comparison: Comparison) -> tuple[Cell, ...]:
    times = (Figure(ratio, WHOLE_SHARE) for ratio in mean_times(comparison, mean))
    figures = (Figure(mean.rate, CHANGE), Figure(mean.metric, DIFFERENCE))
    counted = f"{mean.counted}" if mean.counted == mean.metrics else f"{mean.counted}, {mean.metrics}"
    return (mean.test or "all tests", metric_name(mean.quality), *figures, *times, f"{counted}/{mean.layers}")


def _line(line: Line) -> tuple[Cell, ...]:
    common = (line.low, line.high, line.overlap, line.of_anchor, line.of_proposal)
    values = (line.rate, line.metric, *common, line.encode_time, line.decode_time)
    forms = (CHANGE, DIFFERENCE, SCORE, SCORE, *[WHOLE_SHARE] * 5)
    return (line.layer, *(Figure(value, form) for value, form in zip(values, forms, strict=True)))


def flat(comparison: Comparison) -> tuple[list[str], list[list[Any]]]:
    """Every layer and mean as a row: names of the columns, and the rows; None where there is no figure."""
    columns = ["test", "layer", "proposal", "anchor", "quality", "BD-rate (%)", "BD-metric", "from", "to", "overlap",
               "of anchor", "of proposal", "encode time ratio", "decode time ratio", "layers with BD-rate", "layers",
               "reason", "warning"]  # fmt: skip
    rows: list[list[Any]] = [
        [x.test, x.layer, x.proposal, x.anchor, x.quality, x.rate, x.metric, x.low, x.high, x.overlap, x.of_anchor,
         x.of_proposal, x.encode_time, x.decode_time, int(x.rate is not None), 1, x.reason, x.warning]
        for x in comparison.lines
    ]  # fmt: skip
    rows += [
        [m.test or "all tests", "mean", m.proposal, m.anchor, m.quality, m.rate, m.metric, *[None] * 5,
         *mean_times(comparison, m), m.counted, m.layers, "", f"{m.warned} layers" if m.warned else ""]
        for m in comparison.means
    ]  # fmt: skip
    return columns, rows
