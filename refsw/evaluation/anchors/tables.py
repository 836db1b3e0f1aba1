"""Informative: tables of a run in the form of the papers.

MM'19, Table 3: a row for each layer, for each task a column for each QP, in each cell rate | fidelity. Collaborative
intelligence for visual sensing, Table III: a row for each lossless codec, a column for each layer, in each cell the
compression ratio; Table IV: the ratio and the performance in rows of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from refsw.evaluation.anchors.conditions import CodecChoice, Test
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.distortion import task_distortion
from refsw.evaluation.errors import EvaluationError

EMPTY = "-"
DISTORTION = "distortion"
FLOAT_BITS = 32
CSV_FIRST = ("test", "layer", "codec", "parameter", "value", "items", "bitstreams", "raw_bytes", "elements")
CSV_RATES = ("coded_bytes", "rate", "bits_per_element", "bits_per_pixel", "against_input")


@dataclass(frozen=True, slots=True)
class Table:
    """A table: `title` above it, the cells as text."""

    title: str
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def as_markdown(self) -> str:
        """As Markdown, figures to the right."""
        lines = [f"### {self.title}", "", _row(self.heading)]
        lines.append(_row(["---", *["--:"] * (len(self.heading) - 1)]))
        return "\n".join([*lines, *map(_row, self.rows)]) + "\n"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def all_tables(run: Run) -> list[Table]:
    """Every table of a run."""
    tables: list[Table] = []
    for test in run.conditions.tests:
        swept = [run.conditions.codecs[name] for name in test.codecs if run.conditions.codecs[name].parameter]
        fixed = [run.conditions.codecs[name] for name in test.codecs if not run.conditions.codecs[name].parameter]
        tables += [rate_quality(run, test, codec) for codec in swept]
        if fixed:
            tables.append(lossless(run, test, fixed))
        # The first metric of a task is the one that it is known by: top-1, mAP, AP.
        tables += [ratio_performance(run, test, codec, m) for codec in swept for m in performances(run, test)[:1]]
    return tables


def points(run: Run, test: Test, codec: str) -> dict[tuple[str, Any], Record]:
    """The records of a test and a codec by layer and value."""
    own = (record for record in run.records if (record["test"], record["codec"]) == (test.name, codec))
    return {(record["layer"], record["value"]): record for record in own}


def performances(run: Run, test: Test) -> list[str]:
    """Metrics of the task itself, which have a value without coding that is not the best by definition."""
    own = next((record for record in run.records if record["test"] == test.name), None)
    return [] if own is None else [name for name in own["pristine"] if name not in (test.quality, DISTORTION)]


def rate_quality(run: Run, test: Test, codec: CodecChoice) -> Table:
    """MM'19, Table 3, with published figures in the line beneath where the conditions have some."""
    known = points(run, test, codec.name)
    rows = []
    for layer in test.layers:
        found = [known.get((layer, value)) for value in codec.values]
        rows.append((layer, *(EMPTY if r is None else _cell(r, test.quality) for r in found)))
        for entry in run.conditions.document.get("published", []):
            row = published_row(entry, test.name, codec.parameter, layer, codec.values)
            if row:
                rows.append((entry["source"], *row))
    title = f"{test.title}, codec {codec.title or codec.name}: compression rate | {test.quality}"
    return Table(title, ("layer", *(point_name(codec.parameter, value) for value in codec.values)), tuple(rows))


def published_row(
    entry: Mapping[str, Any], test: str, parameter: str, layer: str, values: Sequence[Any]
) -> tuple[str, ...] | None:
    """What a paper has for a layer; None if it has nothing."""
    figures = entry["points"].get(layer)
    if not figures or entry["test"] != test or entry["parameter"] != parameter:
        return None
    cells = []
    for value in values:
        numbers = figures.get(f"{value:g}")
        cells.append(EMPTY if numbers is None else " | ".join(f"{number:.3f}" for number in numbers))
    return tuple(cells)


def _cell(record: Record, quality: str) -> str:
    score = record["metrics"].get(quality)
    return f"{record['rate']:.3f} | {EMPTY if score is None else f'{score:.3f}'}"


def lossless(run: Run, test: Test, codecs: Sequence[CodecChoice]) -> Table:
    """Table III of Collaborative intelligence for visual sensing."""
    known = {codec.name: points(run, test, codec.name) for codec in codecs}
    rows = []
    for codec in codecs:
        found = [known[codec.name].get((layer, None)) for layer in test.layers]
        cells = [EMPTY if r is None else f"{100 * r['rate']:.2f} %" for r in found]
        rows.append((codec.title or codec.name, *cells))
    first = [next((known[c.name][layer, None] for c in codecs if (layer, None) in known[c.name]), None)
             for layer in test.layers]  # fmt: skip
    sizes = [EMPTY if r is None else f"{r['raw_bytes'] / r['items'] / 1024:,.0f} KB" for r in first]
    rows.append(("original size of an item", *sizes))
    return Table(f"{test.title}: compression ratio without a swept parameter", ("codec", *test.layers), tuple(rows))


def ratio_performance(run: Run, test: Test, codec: CodecChoice, metric: str) -> Table:
    """Table IV of Collaborative intelligence for visual sensing, and the task distortion of the tutorial."""
    known = points(run, test, codec.name)
    rows: list[tuple[str, ...]] = []
    pristine = [next((r for (name, _), r in known.items() if name == layer), None) for layer in test.layers]
    rows.append(
        (f"{metric} without coding", *(EMPTY if r is None else _score(r["pristine"][metric]) for r in pristine))
    )
    for value in codec.values:
        found = [known.get((layer, value)) for layer in test.layers]
        name = point_name(codec.parameter, value)
        rows.append((f"{name}, ratio", *(EMPTY if r is None else f"{100 * r['rate']:.2f} %" for r in found)))
        rows.append((f"{name}, {metric}", *(EMPTY if r is None else _score(r["metrics"][metric]) for r in found)))
        rows.append((f"{name}, D", *(EMPTY if r is None else _distortion(r, metric) for r in found)))
    title = f"{test.title}, codec {codec.title or codec.name}: ratio, {metric}, and D = 100 |A - A'| / A"
    return Table(title, ("", *test.layers), tuple(rows))


def _score(value: float) -> str:
    return f"{value:.4f}"


def distortion_of(record: Record, metric: str) -> float | None:
    """The task distortion of a point; None where it is not defined."""
    try:
        return task_distortion(record["pristine"][metric], record["metrics"][metric])
    except (EvaluationError, KeyError):
        return None


def _distortion(record: Record, metric: str) -> str:
    value = distortion_of(record, metric)
    return EMPTY if value is None else f"{value:.2f} %"


def point_name(parameter: str, value: float | None) -> str:
    """A point for people: QP 22."""
    return EMPTY if value is None else f"{'QP' if parameter == 'qp' else parameter} {value:g}"


def complexity(run: Run) -> Table:
    """Seconds for an item, and what the network costs on both sides of a cut."""
    rows = []
    counts = list(dict.fromkeys(name for r in run.records for name in r.get("complexity", {})))
    for record in run.records:
        times, items = record["times"], record["items"]
        spans = [
            f"{1000 * times[name] / items:.2f}" if times.get(name) is not None else EMPTY
            for name in ("extraction", "encode", "decode", "network")
        ]
        numbers = [f"{record.get('complexity', {}).get(name, 0):,}" for name in counts]
        point = point_name(record["parameter"], record["value"])
        rows.append((f"{record['test']} {record['layer']}", record["codec"], point, *spans, *numbers))
    heading = ("layer", "codec", "point", "features ms", "encode ms", "decode ms", "network ms", *counts)
    return Table("Complexity: milliseconds for an item, one process; numbers of the network", heading, tuple(rows))


def flat_records(run: Run) -> tuple[list[str], list[list[Any]]]:
    """Every record as a row: names of the columns, and the rows; None where a record has nothing."""
    metrics = list(dict.fromkeys(name for record in run.records for name in record["metrics"]))
    pristine = list(dict.fromkeys(name for record in run.records for name in record["pristine"]))
    counts = list(dict.fromkeys(name for record in run.records for name in record.get("complexity", {})))
    times = list(dict.fromkeys(name for record in run.records for name in record["times"]))
    columns = [*CSV_FIRST, *CSV_RATES, *metrics, *(f"{n} without coding" for n in pristine)]
    columns += [f"D of {n} (%)" for n in pristine] + counts + [f"{n} (s)" for n in times]
    rows = []
    for record in run.records:
        row = [record.get(name) for name in (*CSV_FIRST, *CSV_RATES)]
        row += [record["metrics"].get(name) for name in metrics]
        row += [record["pristine"].get(name) for name in pristine]
        row += [distortion_of(record, name) for name in pristine]
        row += [record.get("complexity", {}).get(name) for name in counts]
        row += [record["times"].get(name) for name in times]
        rows.append(row)
    return columns, rows
