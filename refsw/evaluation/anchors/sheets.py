"""Informative: the results as a workbook in the style of the standards groups' reporting templates.

Sheets: Summary (BD figures, or the points by test), one for each layer of each test with its points and charts,
Complexity, Records (every figure), Environment. Figures are numbers, so that they can be worked with.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from refsw.evaluation.anchors import tables
from refsw.evaluation.anchors.compare import Comparison, Mean
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.extras import optional
from refsw.evaluation.plots import COLOURS
from refsw.features.sinks import whole_file

HEAD_FILL, ANCHOR_FILL, GAIN, LOSS = "1F3864", "F2F2F2", "E2F0D9", "FBE5D6"
WIDEST = 34
FORBIDDEN = re.compile(r"[\[\]:*?/\\]")
POINT_COLUMNS = ("run", "codec", "point", "bytes", "rate", "bits/element")
CHART_HEIGHT, CHART_WIDTH = 8.2, 14.0  # centimetres
LINE_WIDTH = 19050  # 1.5 points in EMU
FONT = "Calibri"


def write_workbook(run: Run, path: Path, anchor: Run | None = None, comparison: Comparison | None = None) -> None:
    """Write the workbook, whole or not at all."""
    book = optional("openpyxl").Workbook()
    sheet = book.active
    sheet.title = "Summary"
    _summary(sheet, run, comparison)
    names = {"summary", "complexity", "records", "environment"}
    for test in run.conditions.tests:
        for layer in test.layers:
            own = _own(run, test.name, layer)
            theirs = _own(anchor, test.name, layer) if anchor else []
            if own:
                _layer(book.create_sheet(_sheet_name(f"{test.name} {layer}", names)), test, layer, own, theirs)
    _complexity(book.create_sheet("Complexity"), run)
    _records(book.create_sheet("Records"), run)
    _environment(book.create_sheet("Environment"), run)
    for sheet in book.worksheets:
        _fit(sheet)
    with whole_file(path) as file:
        book.save(file)


def _own(run: Run, test: str, layer: str) -> list[Record]:
    return [record for record in run.records if (record["test"], record["layer"]) == (test, layer)]


def _sheet_name(wanted: str, taken: set[str]) -> str:
    """At most 31 characters, none that Excel forbids, and told apart without regard to case."""
    base = FORBIDDEN.sub("_", wanted).strip("'")[:31]
    name, number = base, 2
    while name.lower() in taken:
        name = f"{base[: 30 - len(str(number))]}~{number}"
        number += 1
    taken.add(name.lower())
    return name


def _title(sheet: Any, row: int, text: str, size: int = 13) -> None:
    sheet.cell(row, 1, _safe(text)).font = optional("openpyxl.styles").Font(
        name=FONT, bold=True, size=size, color=HEAD_FILL
    )


def _safe(value: Any) -> Any:
    """Text that begins like a formula stays text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "@") else value


def _head(sheet: Any, row: int, names: Sequence[str]) -> None:
    styles = optional("openpyxl.styles")
    for column, name in enumerate(names, 1):
        cell = sheet.cell(row, column, _safe(name))
        cell.font = styles.Font(name=FONT, bold=True, color="FFFFFF")
        cell.fill = styles.PatternFill("solid", start_color=HEAD_FILL)
        cell.alignment = styles.Alignment(wrap_text=True, vertical="center", horizontal="center")


def _line(
    sheet: Any, row: int, values: Sequence[Any], formats: Sequence[str | None] = (), *, bold: bool = False
) -> None:
    styles = optional("openpyxl.styles")
    for column, value in enumerate(values, 1):
        cell = sheet.cell(row, column, _safe(value))
        if column <= len(formats) and formats[column - 1]:
            cell.number_format = formats[column - 1]
        if bold:
            cell.font = styles.Font(name=FONT, bold=True)


def _summary(sheet: Any, run: Run, comparison: Comparison | None) -> None:
    _title(sheet, 1, run.conditions.title, 15)
    sheet.cell(2, 1, f"run {run.name}: {len(run.records)} records; refsw {run.environment.get('refsw', '')}")
    row = 4
    if comparison is not None:
        row = _bd(sheet, row, comparison)
    for test in run.conditions.tests:
        for name in test.codecs:
            codec = run.conditions.codecs[name]
            known = tables.points(run, test, name)
            if not known:
                continue
            _title(sheet, row, f"{test.title}: {codec.title or name}")
            points = [tables.point_name(codec.parameter, value) for value in codec.values] if codec.parameter else [""]
            _head(sheet, row + 1, ["layer", *(f"{p} {w}".strip() for p in points for w in ("rate", test.quality))])
            row += 2
            for layer in test.layers:
                values: list[Any] = [layer]
                for value in codec.values:
                    record = known.get((layer, value))
                    values += [record["rate"], record["metrics"].get(test.quality)] if record else [None, None]
                _line(sheet, row, values, [None, *["0.0000", "0.0000"] * len(codec.values)])
                row += 1
            row += 1
    sheet.freeze_panes = "B4"


def _bd(sheet: Any, row: int, comparison: Comparison) -> int:
    _title(
        sheet, row, f"{comparison.proposal} against {comparison.anchor} ({comparison.interpolation}; negative saves)"
    )
    names = (
        "test",
        "layer",
        "proposal",
        "anchor",
        "quality",
        "BD-rate %",
        "BD-metric",
        "overlap",
        "EncT",
        "DecT",
        "note",
    )
    _head(sheet, row + 1, names)
    formats = (None, None, None, None, None, "+0.00;-0.00;0.00", "+0.0000;-0.0000;0", "0%", "0%", "0%", None)
    row += 2
    for line in comparison.lines:
        values = (line.test, line.layer, line.proposal, line.anchor, line.quality, line.rate, line.metric, line.overlap,
                  line.encode_time, line.decode_time, line.reason or None)  # fmt: skip
        _line(sheet, row, values, formats)
        _shade(sheet.cell(row, 6), line.rate)
        row += 1
    for mean in comparison.means:
        _line(sheet, row, _mean_values(mean), formats, bold=True)
        _shade(sheet.cell(row, 6), mean.rate)
        row += 1
    return row + 1


def _mean_values(mean: Mean) -> tuple[Any, ...]:
    name = f"mean of {mean.test}" if mean.test else "mean of all"
    return (name, mean.coverage, mean.proposal, mean.anchor, mean.quality, mean.rate, mean.metric)


def _shade(cell: Any, value: float | None) -> None:
    if value is not None and abs(value) >= 0.005:
        colour = GAIN if value < 0 else LOSS
        cell.fill = optional("openpyxl.styles").PatternFill("solid", start_color=colour)


def _layer(sheet: Any, test: Test, layer: str, own: list[Record], theirs: list[Record]) -> None:
    """Points of a layer, the anchor's beneath, and a chart for each of the two main metrics."""
    metrics = [test.quality, *(m for m in own[0]["metrics"] if m != test.quality)]
    _title(sheet, 1, f"{test.title}: {layer}")
    shape = f"{own[0]['items']} items, {own[0]['elements']:,} elements, {own[0]['raw_bytes']:,} bytes as binary32"
    sheet.cell(2, 1, shape)
    _head(sheet, 4, [*POINT_COLUMNS, *metrics, "encode s", "decode s"])
    formats = (None, None, None, "#,##0", "0.0000", "0.0000", *["0.0000"] * len(metrics), "0.000", "0.000")
    row, spans = 5, []
    for who, records in (("run", own), ("anchor", theirs)):
        for codec in dict.fromkeys(record["codec"] for record in records):
            first = row
            curve = sorted((r for r in records if r["codec"] == codec), key=lambda r: r["bits_per_element"])
            for r in curve:
                scores = [r["metrics"].get(metric) for metric in metrics]
                times = [r["times"].get(name) for name in ("encode", "decode")]
                point = tables.point_name(r["parameter"], r["value"])
                values = (who, codec, point, r["coded_bytes"], r["rate"], r["bits_per_element"], *scores, *times)
                _line(sheet, row, values, formats)
                row += 1
            spans.append((f"{codec}{' (anchor)' if who == 'anchor' else ''}", first, row - 1))
    spans = [span for span in spans if span[2] > span[1]] or spans  # a point alone is no curve
    shown = [m for m in (test.quality, "snr") if any(r["metrics"].get(m) is not None for r in own)]
    for number, metric in enumerate(shown):
        column = len(POINT_COLUMNS) + 1 + metrics.index(metric)
        _chart(sheet, f"{'AH'[number]}{row + 2}", metric, column, spans)
    sheet.freeze_panes = "A5"


def _chart(sheet: Any, place: str, metric: str, column: int, spans: Sequence[tuple[str, int, int]]) -> None:
    charts = optional("openpyxl.chart")
    chart = charts.ScatterChart()
    chart.title, chart.style = f"{metric} over bits per element", 13
    chart.x_axis.title, chart.y_axis.title = "bits per element", metric
    # Without these, viewers hide the axes of a chart.
    chart.x_axis.delete = chart.y_axis.delete = False
    chart.x_axis.number_format = chart.y_axis.number_format = "General"
    chart.x_axis.crosses = chart.y_axis.crosses = "min"
    chart.height, chart.width, chart.legend.position = CHART_HEIGHT, CHART_WIDTH, "b"
    rates = POINT_COLUMNS.index("bits/element") + 1
    for axis, number in ((chart.x_axis, rates), (chart.y_axis, column)):
        axis.scaling.min, axis.scaling.max = _bounds(sheet, number, spans)
    for index, (name, first, last) in enumerate(spans):
        x = charts.Reference(sheet, min_col=rates, min_row=first, max_row=last)
        y = charts.Reference(sheet, min_col=column, min_row=first, max_row=last)
        series = charts.Series(y, x, title=name)
        colour = COLOURS[index % len(COLOURS)].lstrip("#")
        series.marker.symbol = "circle"
        series.marker.graphicalProperties = optional("openpyxl.chart.shapes").GraphicalProperties(solidFill=colour)
        series.marker.graphicalProperties.line.solidFill = colour
        series.graphicalProperties.line.solidFill = colour
        series.graphicalProperties.line.width = LINE_WIDTH
        series.smooth = False
        chart.series.append(series)
    sheet.add_chart(chart, place)


def _bounds(sheet: Any, column: int, spans: Sequence[tuple[str, int, int]]) -> tuple[float, float]:
    """Round ends of an axis, outside of everything that it shows."""
    cells = (sheet.cell(row, column).value for _, first, last in spans for row in range(first, last + 1))
    values = [value for value in cells if value is not None]
    low, high = min(values), max(values)
    step = 10.0 ** math.floor(math.log10((high - low) or abs(high) or 1.0))
    return math.floor(low / step) * step, (math.floor(high / step) + 1) * step


def _complexity(sheet: Any, run: Run) -> None:
    counts = list(dict.fromkeys(name for r in run.records for name in r.get("complexity", {})))
    _title(sheet, 1, "Complexity: seconds for all items in one process, and numbers of the network")
    spans = ("extraction", "encode", "decode", "network", "score")
    _head(sheet, 3, ["test", "layer", "codec", "point", "items", *(f"{name} s" for name in spans), *counts])
    formats = (None, None, None, None, "0", *["0.000"] * len(spans), *["#,##0"] * len(counts))
    for row, r in enumerate(run.records, 4):
        values = [r["test"], r["layer"], r["codec"], tables.point_name(r["parameter"], r["value"]), r["items"]]
        values += [r["times"].get(name) for name in spans]
        values += [r.get("complexity", {}).get(name) for name in counts]
        _line(sheet, row, values, formats)
    sheet.freeze_panes = "A4"


def _records(sheet: Any, run: Run) -> None:
    columns, rows = tables.flat_records(run)
    _head(sheet, 1, columns)
    for number, row in enumerate(rows, 2):
        _line(sheet, number, row)
    sheet.freeze_panes = "A2"
    letter = optional("openpyxl.utils").get_column_letter(len(columns))
    sheet.auto_filter.ref = f"A1:{letter}{len(rows) + 1}"


def _environment(sheet: Any, run: Run) -> None:
    _title(sheet, 1, "Environment")
    row = 3
    for part, values in (("what results depend on", run.identity), ("machine", run.environment)):
        _head(sheet, row, [part, "", ""])
        row += 1
        for name, value in values.items():
            for inner, text in value.items() if isinstance(value, dict) else [("", value)]:
                for last, leaf in text.items() if isinstance(text, dict) else [("", text)]:
                    _line(sheet, row, (name, f"{inner} {last}".strip(), str(leaf)))
                    row += 1
        row += 1


def _fit(sheet: Any) -> None:
    """Widths of columns for what is in them, titles aside; a page as wide as the sheet for printing."""
    letters = optional("openpyxl.utils").get_column_letter
    titles = {1, 2}
    for column in range(1, sheet.max_column + 1):
        texts = [_shown(sheet.cell(row, column)) for row in range(1, sheet.max_row + 1) if row not in titles]
        single = [text for text in texts if column > 1 or len(text) <= WIDEST]
        sheet.column_dimensions[letters(column)].width = min(WIDEST, max([9, *(len(text) + 2 for text in single)]))
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = optional("openpyxl.worksheet.properties").PageSetupProperties(fitToPage=True)


def _shown(cell: Any) -> str:
    value = cell.value
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
