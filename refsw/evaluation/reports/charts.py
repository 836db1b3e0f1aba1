"""Informative: charts of the workbook."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from refsw.evaluation.reports.cells import Table
from refsw.evaluation.reports.palette import COLOURS
from refsw.extras import optional
from refsw.text import for_workbook

CHART_HEIGHT, CHART_WIDTH = 8.2, 14.0  # centimetres
LINE_WIDTH = 19050  # 1.5 points in EMU
SYMBOLS = ("circle", "square", "triangle", "diamond", "x", "plus", "star")
GRID = "D9D9D9"
Span = tuple[str, int, int]


def bars(sheet: Any, row: int, table: Table, first: int) -> int:
    """MM'19, Figure 5: a group of bars for each layer, a bar for each point.

    Args:
        sheet: where the table is.
        row: the first that is free.
        table: of pairs, of which the first figures are shown.
        first: row of its first layer.

    Returns:
        The row after the chart.
    """
    charts = optional("openpyxl.chart")
    chart = charts.BarChart()
    chart.title, chart.style = "coded features / input picture", 10
    chart.y_axis.delete = chart.x_axis.delete = False
    chart.y_axis.number_format = "General"
    chart.y_axis.majorGridlines.spPr = _shape(ln=_stroke(GRID))
    chart.height, chart.width, chart.legend.position = CHART_HEIGHT, CHART_WIDTH, "b"
    last = first + len(table.rows) - 1
    for number, name in enumerate(table.heading[1:]):
        values = charts.Reference(sheet, min_col=2 + 2 * number, min_row=first, max_row=last)
        series = charts.Series(values, title=for_workbook(name))
        series.graphicalProperties.solidFill = COLOURS[number % len(COLOURS)].lstrip("#")
        chart.series.append(series)
    chart.set_categories(charts.Reference(sheet, min_col=1, min_row=first, max_row=last))
    sheet.add_chart(chart, f"A{row}")
    return row + 18


def curves(sheet: Any, place: str, metric: str, columns: tuple[int, int], spans: Sequence[Span]) -> None:
    """Quality over rate: the metric in the second of the columns, the rate in the first.

    Args:
        sheet: where the points are.
        place: of the upper left corner.
        metric: its name.
        columns: numbers of the columns of rate and metric.
        spans: name, first and last row of each curve.
    """
    charts, (rate, column) = optional("openpyxl.chart"), columns
    chart = charts.ScatterChart()
    chart.title, chart.style = f"{metric} over bits per element", 13
    chart.x_axis.title, chart.y_axis.title = "bits per element", metric
    # Without these, viewers hide the axes of a chart.
    chart.x_axis.delete = chart.y_axis.delete = False
    chart.x_axis.number_format = chart.y_axis.number_format = "General"
    chart.x_axis.crosses = chart.y_axis.crosses = "min"
    chart.height, chart.width, chart.legend.position = CHART_HEIGHT, CHART_WIDTH, "b"
    for axis, number in ((chart.x_axis, rate), (chart.y_axis, column)):
        axis.scaling.min, axis.scaling.max, axis.majorUnit = _bounds(values_of(sheet, number, spans))
        axis.majorGridlines.spPr = _shape(ln=_stroke(GRID))
    for index, (name, first, last) in enumerate(spans):
        x = charts.Reference(sheet, min_col=rate, min_row=first, max_row=last)
        y = charts.Reference(sheet, min_col=column, min_row=first, max_row=last)
        series = charts.Series(y, x, title=for_workbook(name))
        colour = COLOURS[index % len(COLOURS)].lstrip("#")
        series.marker.symbol, series.marker.size = SYMBOLS[(index + index // len(COLOURS)) % len(SYMBOLS)], 7
        series.marker.graphicalProperties = _shape(solidFill=colour)
        series.marker.graphicalProperties.line.solidFill = colour
        series.graphicalProperties.line.solidFill = colour
        series.graphicalProperties.line.width = LINE_WIDTH
        series.smooth = False
        chart.series.append(series)
    sheet.add_chart(chart, place)


def _shape(**properties: Any) -> Any:
    return optional("openpyxl.chart.shapes").GraphicalProperties(**properties)


def _stroke(colour: str) -> Any:
    return optional("openpyxl.drawing.line").LineProperties(solidFill=colour, w=LINE_WIDTH // 3)


def values_of(sheet: Any, column: int, spans: Sequence[Span]) -> list[float]:
    """The numbers of a column in these rows."""
    cells = (sheet.cell(row, column).value for _, first, last in spans for row in range(first, last + 1))
    return [value for value in cells if value is not None]


def _bounds(values: Sequence[float]) -> tuple[float, float, float]:
    """Round ends of an axis around everything that it shows, and the step between its ticks."""
    low, high = min(values), max(values)
    raw = ((high - low) or abs(high) or 1.0) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, max(last, first + 1) * step, step
