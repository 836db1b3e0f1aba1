"""Informative: tables of a run in the form of the papers.

MM'19, Table 3: a row for each layer, for each task a column for each QP, in each cell rate | fidelity; Figure 5: coded
features in units of the input picture; Table 2: what a cut leaves on both sides. Collaborative intelligence for visual
sensing, Table III: a row for each lossless codec, a column for each layer, in each cell the compression ratio; Table
IV: the ratio and the performance in rows of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from refsw.evaluation.anchors.choices import CodecChoice
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.distortion import task_distortion
from refsw.evaluation.errors import EvaluationError
from refsw.evaluation.reports import layouts, losses, remote, template
from refsw.evaluation.reports.cells import (
    COUNT,
    EMPTY,
    PERCENT,
    RATE,
    SCORE,
    SHARE,
    SHORT_SCORE,
    Cell,
    Figure,
    Form,
    Pair,
    Table,
)
from refsw.evaluation.reports.costs import costs, seconds
from refsw.evaluation.reports.selection import (
    DISTORTION,
    codec_title,
    fixed,
    metric_name,
    performances,
    point_name,
    points,
    published,
    swept,
)

NEARLY = 0.99
COLOUR_BITS = 24
CSV_FIRST = ("test", "layer", "codec", "parameter", "value", "items", "bitstreams", "raw_bytes", "elements")
CSV_RATES = ("coded_bytes", "rate", "bits_per_element", "bits_per_pixel", "bits_per_picture_pixel", "against_input")


@dataclass(frozen=True, slots=True)
class Section:
    """Tables on one subject."""

    title: str
    tables: tuple[Table, ...]


def sections(run: Run) -> list[Section]:
    """Every table of a run; those without a figure are left out."""
    tests = run.conditions.tests
    found = [
        Section("Rate and quality", tuple(rate_quality(run, t, c) for t in tests for c in swept(run, t))),
        Section("Without a swept parameter", tuple(lossless(run, t, fixed(run, t)) for t in tests if fixed(run, t))),
        Section("Tiled against quilted", tuple(t for test in tests for t in layouts.tables(run, test))),
        Section("Performance of the task", tuple(t for test in tests for t in _performance(run, test))),
        Section("Features against pictures", tuple(t for test in tests for t in remote.tables(run, test))),
        Section("Losses", tuple(t for test in tests for t in losses.tables(run, test))),
        Section("Data volume", tuple(data_volume(run, t, c) for t in tests for c in swept(run, t))),
        Section("Template", (template.table(run),)),
        Section("Complexity", tuple(t for test in tests for t in (costs(run, test), *seconds(run, test)))),
    ]
    told = [Section(s.title, tuple(t for t in s.tables if _has_figures(t))) for s in found]
    return [section for section in told if section.tables]


def _has_figures(table: Table) -> bool:
    return any(not isinstance(cell, str) and cell.text != EMPTY for row in table.rows for cell in row)


def rate_quality(run: Run, test: Test, codec: CodecChoice) -> Table:
    """MM'19, Table 3, with published figures in the line beneath where the conditions have some."""
    known = points(run, test, codec.name)
    entries = published(run, test, codec.parameter)
    rows: list[tuple[Cell, ...]] = []
    used: dict[str, int] = {}
    for layer in run.conditions.layers_of(test, codec.name):
        rows.append((layer, *(_pair(known.get((layer, value)), test.quality) for value in codec.values)))
        for entry in entries:
            figures = entry["points"].get(layer)
            cells = [_published_pair((figures or {}).get(f"{value:g}")) for value in codec.values]
            if figures and any(cell.text != EMPTY for cell in cells):
                rows.append((f"({used.setdefault(entry['source'], len(used) + 1)})", *cells))
    notes = [f"({number}) published: {source}" for source, number in used.items()]
    quality = metric_name(test.quality)
    falls = [
        place
        for layer in run.conditions.layers_of(test, codec.name)
        for place in _falls(known, layer, codec, test.quality)
    ]
    notes += [f"Less {quality} at a higher rate: {'; '.join(falls)}."] if falls else []
    return Table(
        f"{test.title}, {codec_title(codec)}: compression rate | {quality}",
        ("layer", *(point_name(codec.parameter, value) for value in codec.values)),
        tuple(rows),
        tuple(notes),
        ("rate", quality),
    )


def _falls(known: Mapping[tuple[str, Any], Record], layer: str, codec: CodecChoice, quality: str) -> list[str]:
    """Where a curve is not monotone: layer, and the two points."""
    own = [known[layer, value] for value in codec.values if (layer, value) in known]
    own = sorted((r for r in own if r["metrics"].get(quality) is not None), key=lambda r: r["rate"])
    return [
        f"{layer}, {point_name(codec.parameter, low['value'])} to {point_name(codec.parameter, high['value'])}"
        for low, high in pairwise(own)
        if high["metrics"][quality] < low["metrics"][quality]
    ]


def _pair(record: Record | None, quality: str) -> Pair:
    score = None if record is None else record["metrics"].get(quality)
    return Pair(Figure(None if record is None else record["rate"], RATE), Figure(score, SHORT_SCORE))


def _published_pair(numbers: Sequence[float] | None) -> Pair:
    rate, quality = [*(numbers or ()), None, None][:2]
    return Pair(Figure(rate, RATE), Figure(quality, SHORT_SCORE))


def _row(name: str, values: Sequence[float | None], form: Form) -> tuple[Cell, ...]:
    return (name, *(Figure(value, form) for value in values))


def lossless(run: Run, test: Test, codecs: Sequence[CodecChoice]) -> Table:
    """Table III of Collaborative intelligence for visual sensing, published figures in the line beneath."""
    known = {codec.name: points(run, test, codec.name) for codec in codecs}
    rows: list[tuple[Cell, ...]] = []
    notes = []
    for codec in codecs:
        found = [known[codec.name].get((layer, None)) for layer in test.layers]
        rows.append(_row(codec.title or codec.name, [None if r is None else r["rate"] for r in found], SHARE))
        for number, entry in enumerate(published(run, test, ""), 1):
            figures = [entry["points"].get(layer, {}).get(codec.name, [None])[0] for layer in test.layers]
            if any(figure is not None for figure in figures):
                rows.append(_row(f"({number})", figures, SHARE))
                notes.append(f"({number}) published: {entry['source']}")
    first = [next((known[c.name][layer, None] for c in codecs if (layer, None) in known[c.name]), None)
             for layer in test.layers]  # fmt: skip
    sizes = [None if r is None else r["raw_bytes"] / r["items"] / 1024 for r in first]
    rows.append(_row("original size of an item, KB", sizes, COUNT))
    return Table(f"{test.title}: compression ratio", ("codec", *test.layers), tuple(rows), tuple(dict.fromkeys(notes)))


def _performance(run: Run, test: Test) -> list[Table]:
    # The first metric of a task is the one that it is known by: top-1, mAP, AP.
    first = performances(run, test)[:1]
    tables = [ratio_performance(run, test, codec, metric) for codec in swept(run, test) for metric in first]
    return [*tables, *(cheapest(run, test, metric) for metric in first if swept(run, test))]


def ratio_performance(run: Run, test: Test, codec: CodecChoice, metric: str) -> Table:
    """Table IV of Collaborative intelligence for visual sensing, and the task distortion of the tutorial."""
    known, layers = points(run, test, codec.name), run.conditions.layers_of(test, codec.name)
    name = metric_name(metric)
    anyone = [next((r for (own, _), r in known.items() if own == layer), None) for layer in layers]
    rows = [_row(f"{name} without coding", [None if r is None else r["pristine"].get(metric) for r in anyone], SCORE)]
    for value in codec.values:
        found = [known.get((layer, value)) for layer in layers]
        point = point_name(codec.parameter, value)
        rows.append(_row(f"{point}, ratio", [None if r is None else r["rate"] for r in found], SHARE))
        rows.append(_row(f"{point}, {name}", [None if r is None else r["metrics"].get(metric) for r in found], SCORE))
        rows.append(_row(f"{point}, D", [None if r is None else distortion_of(r, metric) for r in found], PERCENT))
    title = f"{test.title}, {codec_title(codec)}: ratio, {name}, and D = 100 |A - A'| / A"
    return Table(title, ("", *layers), tuple(rows))


def cheapest(run: Run, test: Test, metric: str) -> Table:
    """For each layer and codec the point of the smallest rate that leaves the performance nearly what it was."""
    codecs = swept(run, test)
    rows: list[tuple[Cell, ...]] = [
        (layer, *(_nearly(run, test, codec, layer, metric) for codec in codecs)) for layer in test.layers
    ]
    kept = f"at least {NEARLY:.0%} of the {metric_name(metric)} without coding"
    title = f"{test.title}: smallest rate measured with {kept}"
    parameters = "/".join(dict.fromkeys(point_name(codec.parameter, 0).split()[0] for codec in codecs))
    return Table(title, ("layer", *(codec.name for codec in codecs)), tuple(rows), (), ("rate", parameters))


def _nearly(run: Run, test: Test, codec: CodecChoice, layer: str, metric: str) -> Pair:
    good = []
    for (own, _), record in points(run, test, codec.name).items():
        before, after = record["pristine"].get(metric), record["metrics"].get(metric)
        # Of a performance of 0 everything is nearly all.
        if own == layer and before and after is not None and after >= NEARLY * before:
            good.append(record)
    best = min(good, key=lambda r: r["rate"], default={"rate": None, "value": None})
    return Pair(Figure(best["rate"], RATE), Figure(best["value"], COUNT))


def distortion_of(record: Record, metric: str) -> float | None:
    """The task distortion of a point; None where it is not defined."""
    try:
        return task_distortion(record["pristine"][metric], record["metrics"][metric])
    except (EvaluationError, KeyError, TypeError):
        return None


def data_volume(run: Run, test: Test, codec: CodecChoice) -> Table:
    """MM'19, Figure 5: coded features in units of the input picture, as it enters the network and as it is stored."""
    known = points(run, test, codec.name)
    rows: list[tuple[Cell, ...]] = []
    for layer in run.conditions.layers_of(test, codec.name):
        found = [known.get((layer, value), {}) for value in codec.values]
        rows.append((layer, *(Pair(Figure(_of_picture(r), SHORT_SCORE), Figure(r.get("against_input"), SHORT_SCORE))
                              for r in found)))  # fmt: skip
    pair = ("of the input", "of the file")
    title = f"{test.title}, {codec_title(codec)}: coded features / network's input picture | / file of the picture"
    notes = ("Input picture: 3 bytes a pixel, as it enters the network. Below 1, features take less than the picture.",)
    return Table(title, ("layer", *(point_name(codec.parameter, v) for v in codec.values)), tuple(rows), notes, pair)


def _of_picture(record: Record) -> float | None:
    return record["bits_per_pixel"] / COLOUR_BITS if "bits_per_pixel" in record else None


def flat_records(run: Run) -> tuple[list[str], list[list[Any]]]:
    """Every record as a row: names of the columns, and the rows; None where a record has nothing."""
    metrics = list(dict.fromkeys(name for record in run.records for name in record["metrics"]))
    spread = list(dict.fromkeys(name for record in run.records for name in record.get("deviations", {})))
    pristine = list(dict.fromkeys(name for r in run.records for name in r["pristine"] if name != DISTORTION))
    counts = list(dict.fromkeys(name for record in run.records for name in record.get("complexity", {})))
    times = list(dict.fromkeys(name for record in run.records for name in record["times"]))
    columns = [*CSV_FIRST, *CSV_RATES, *metrics, *(f"{n} without coding" for n in pristine)]
    columns += [*(["lost", "realisations"] if spread else []), *(f"deviation of {n}" for n in spread)]
    columns += [f"D of {n} (%)" for n in pristine] + [f"{n} of an item" for n in counts] + [f"{n} (s)" for n in times]
    rows = []
    for record in run.records:
        row = [record.get(name) for name in (*CSV_FIRST, *CSV_RATES)]
        row += [record["metrics"].get(name) for name in metrics]
        row += [record["pristine"].get(name) for name in pristine]
        row += [record.get(name) for name in (("lost", "realisations") if spread else ())]
        row += [record.get("deviations", {}).get(name) for name in spread]
        row += [distortion_of(record, name) for name in pristine]
        row += [record.get("complexity", {}).get(name) for name in counts]
        row += [record["times"].get(name) for name in times]
        rows.append(row)
    return columns, rows
