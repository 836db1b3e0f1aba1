"""Informative: the results as a workbook in the style of the standards groups' reporting templates.

Sheets: Summary (what was run; BD means; rate and quality), BD (layer by layer), one for each other subject of the
report, one for each layer of each test with its points and charts, Records (every figure), Environment. Figures are
numbers, so that they can be worked with; BD figures are values, as no spreadsheet function gives them.
"""

from __future__ import annotations

import io
import re
import tempfile
import textwrap
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from refsw.evaluation.anchors.compare import Comparison
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.reports import charts, differences, facts
from refsw.evaluation.reports.cells import CHANGE, Figure, Pair, Table, width
from refsw.evaluation.reports.selection import labels, metric_name, point_name
from refsw.evaluation.reports.tables import Section, flat_records
from refsw.extras import optional
from refsw.text import for_workbook, is_formula, shown

HEAD_FILL, GAIN, LOSS, LINK = "1F3864", "E2F0D9", "FBE5D6", "0563C1"
WIDEST, LINE_HEIGHT = 34, 15  # characters, points
FORBIDDEN = re.compile(r"[\[\]:*?/\\]")
LONGEST_NAME = 31
POINT_COLUMNS = ("codec", "point", "bytes", "rate", "bits/element", "bits/pixel")
ON_SUMMARY = ("Rate and quality", "Without a swept parameter", "Tiled against quilted")
FONT = "Calibri"
DATE = (1980, 1, 1, 0, 0, 0)


def workbook(
    run: Run, sections: Sequence[Section], anchor: Run | None = None, comparison: Comparison | None = None
) -> bytes:
    """The workbook; the same run gives the same bytes."""
    book = optional("openpyxl").Workbook()
    summary = book.active
    summary.title = "Summary"
    names = {"summary", "bd", "records", "environment", *(section.title.lower() for section in sections)}
    if comparison is not None:
        _bd(book.create_sheet("BD"), comparison)
    for section in sections:
        if section.title not in ON_SUMMARY:
            _section(book.create_sheet(section.title), section)
    layers, told = [], labels(run, anchor)
    for test in run.conditions.tests:
        for layer in test.layers:
            both = ((False, run), (True, anchor)) if anchor else ((False, run),)
            own = {told[which]: _own(source, test.name, layer) for which, source in both}
            if own[told[False]]:
                name = _sheet_name(test.name, layer, names)
                layers.append((test.name, layer, name))
                _layer(book.create_sheet(name), test, layer, own)
    _summary(summary, run, sections, comparison, layers)
    _records(book.create_sheet("Records"), run)
    _environment(book.create_sheet("Environment"), run)
    for sheet in book.worksheets:
        _fit(sheet)
    out = io.BytesIO()
    try:
        book.save(out)
    except OSError as error:  # it goes by way of files without a name
        error.filename = error.filename or tempfile.gettempdir()
        raise
    return _undated(out)


def _undated(book: io.BytesIO) -> bytes:
    """The same workbook without the time at which it was made."""
    out = io.BytesIO()
    with zipfile.ZipFile(book) as given, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for entry in given.infolist():
            data = given.read(entry)
            if entry.filename == "docProps/core.xml":
                data = re.sub(rb"(<dcterms:(\w+) [^>]*>)[^<]*", rb"\g<1>1980-01-01T00:00:00Z", data)
            plain = zipfile.ZipInfo(entry.filename, DATE)
            plain.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(plain, data)
    return out.getvalue()


def _own(run: Run, test: str, layer: str) -> list[Record]:
    """The records of a layer that curves over rate are made of."""
    own = (record for record in run.records if (record["test"], record["layer"]) == (test, layer))
    return [record for record in own if "realisations" not in record]


def _sheet_name(test: str, layer: str, taken: set[str]) -> str:
    """At most 31 characters, none that Excel forbids, told apart without regard to case; the layer stays readable."""
    test, layer = (FORBIDDEN.sub("_", shown(text)).strip("'") for text in (test, layer))
    base = f"{test[: max(8, LONGEST_NAME - 1 - len(layer))]} {layer}"
    if len(base) > LONGEST_NAME:
        base = f"{base[:17]}~{base[-13:]}"
    name, number = base, 2
    while name.lower() in taken:
        name = f"{base[: LONGEST_NAME - 1 - len(str(number))]}~{number}"
        number += 1
    taken.add(name.lower())
    return name


def _put(sheet: Any, row: int, column: int, value: Any) -> Any:
    """A cell; text stays text, whatever it begins with."""
    cell = sheet.cell(row, column)
    cell.value = for_workbook(value) if isinstance(value, str) else value
    if isinstance(value, str):
        cell.data_type = "s"
        cell.quotePrefix = is_formula(value)
    return cell


def _title(sheet: Any, row: int, text: str, size: int = 13) -> None:
    styles = optional("openpyxl.styles")
    _put(sheet, row, 1, text).font = styles.Font(name=FONT, bold=True, size=size, color=HEAD_FILL)


def _head(sheet: Any, row: int, names: Sequence[str]) -> None:
    styles = optional("openpyxl.styles")
    for column, name in enumerate(names, 1):
        cell = _put(sheet, row, column, name)
        cell.font = styles.Font(name=FONT, bold=True, color="FFFFFF")
        cell.fill = styles.PatternFill("solid", start_color=HEAD_FILL)
        cell.alignment = styles.Alignment(wrap_text=True, vertical="center", horizontal="center")


def _line(
    sheet: Any, row: int, values: Sequence[Any], formats: Sequence[str | None] = (), *, bold: bool = False
) -> None:
    styles = optional("openpyxl.styles")
    for column, value in enumerate(values, 1):
        cell = _put(sheet, row, column, value)
        if column <= len(formats) and formats[column - 1]:
            cell.number_format = formats[column - 1]
        if bold:
            cell.font = styles.Font(name=FONT, bold=True)


def _summary(
    sheet: Any,
    run: Run,
    sections: Sequence[Section],
    comparison: Comparison | None,
    layers: Sequence[tuple[str, str, str]],
) -> None:
    _title(sheet, 1, run.conditions.title, 15)
    row = 2
    for name, fact in facts.facts(run):
        _put(sheet, row, 1, f"{name}: {fact}")
        if name == "Records" and not facts.complete(run):
            _title(sheet, row, f"{name}: {fact}")
        row += 1
    row += 1
    if comparison is not None:
        _put(sheet, row, 1, differences.title(comparison))
        row += 2
        for table in differences.mean_tables(comparison):
            row = _table(sheet, row, table)
    for section in sections:
        if section.title in ON_SUMMARY:
            for table in section.tables:
                row = _table(sheet, row, table)
    _title(sheet, row, "Sheets of the layers")
    for number, (test, layer, name) in enumerate(layers, row + 1):
        _line(sheet, number, (test, layer, name))
        cell = sheet.cell(number, 3)
        cell.hyperlink = optional("openpyxl.worksheet.hyperlink").Hyperlink(
            ref=cell.coordinate, location="'" + name.replace("'", "''") + "'!A1"
        )
        cell.font = optional("openpyxl.styles").Font(name=FONT, color=LINK, underline="single")


def _bd(sheet: Any, comparison: Comparison) -> None:
    _title(sheet, 1, "BD-rate and BD-metric", 15)
    _put(sheet, 2, 1, differences.title(comparison))
    row = 4
    for table in differences.all_tables(comparison):
        row = _table(sheet, row, table)
    for name, texts in (("No figure", differences.missing(comparison)), ("Notes", differences.remarks(comparison))):
        if texts:
            _title(sheet, row, name)
            for number, text in enumerate(texts, row + 1):
                _put(sheet, number, 1, text)
            row += len(texts) + 2


def _section(sheet: Any, section: Section) -> None:
    _title(sheet, 1, section.title, 15)
    row = 3
    for table in section.tables:
        first = row
        row = _table(sheet, row, table)
        if section.title == "Data volume":
            row = charts.bars(sheet, row, table, first + 2)


def _table(sheet: Any, row: int, table: Table) -> int:
    """A table, pairs in two columns each; gives the row after it and a free one."""
    _title(sheet, row, table.title)
    pairs = [any(isinstance(line[column], Pair) for line in table.rows) for column in range(len(table.heading))]
    heads = [[f"{name} {part}" for part in table.pair] if pair else [name]
             for name, pair in zip(table.heading, pairs, strict=True)]  # fmt: skip
    _head(sheet, row + 1, [name for names in heads for name in names])
    row += 2
    for line in table.rows:
        cells = [part for cell in line for part in ((cell.first, cell.second) if isinstance(cell, Pair) else (cell,))]
        values = [cell.value if isinstance(cell, Figure) else cell for cell in cells]
        _line(sheet, row, values, [cell.form.excel if isinstance(cell, Figure) else None for cell in cells])
        for column, cell in enumerate(cells, 1):
            if isinstance(cell, Figure) and cell.form is CHANGE:
                _shade(sheet.cell(row, column), cell.value)
            if isinstance(cell, str) and column > table.texts:
                sheet.cell(row, column).alignment = optional("openpyxl.styles").Alignment(horizontal="right")
        row += 1
    for note in table.notes:
        _put(sheet, row, 1, note)
        row += 1
    return row + 1


def _shade(cell: Any, value: float | None) -> None:
    if value is not None and abs(value) >= 0.005:
        colour = GAIN if value < 0 else LOSS
        cell.fill = optional("openpyxl.styles").PatternFill("solid", start_color=colour)


def _layer(sheet: Any, test: Test, layer: str, own: Mapping[str, list[Record]]) -> None:
    """Points of a layer by run, and a chart for each of the two main metrics.

    Args:
        sheet: an empty one.
        test, layer: what it is about.
        own: the records of each run by what stands before its codecs, the run itself first.
    """
    every = [record for records in own.values() for record in records]
    known = list(dict.fromkeys(m for record in every for m in record["metrics"]))
    metrics = [test.quality, *(m for m in known if m != test.quality)]
    _title(sheet, 1, f"{test.title}: {layer}")
    first = every[0]
    shape = f"{first['items']} items, {first['elements']:,} elements, {first['raw_bytes']:,} bytes before coding"
    _put(sheet, 2, 1, shape)
    _head(sheet, 4, [*POINT_COLUMNS, *map(metric_name, metrics), "encode s", "decode s"])
    formats = (None, None, "#,##0", "0.0000", "0.0000", "0.0000", *["0.0000"] * len(metrics), "0.000", "0.000")
    row, spans = 5, []
    for label, records in own.items():
        for codec in dict.fromkeys(record["codec"] for record in records):
            start = row
            for r in sorted((r for r in records if r["codec"] == codec), key=lambda r: r["bits_per_element"]):
                rates = (r["coded_bytes"], r["rate"], r["bits_per_element"], r.get("bits_per_pixel"))
                scores = [r["metrics"].get(metric) for metric in metrics]
                times = [r["times"].get(name) for name in ("encode", "decode")]
                point = point_name(r["parameter"], r["value"])
                _line(sheet, row, (f"{label}{codec}", point, *rates, *scores, *times), formats)
                row += 1
            spans.append((f"{label}{codec}", start, row - 1))
    curves = [span for span in spans if span[2] > span[1]] or spans  # a point alone is no curve
    place = 0
    for metric in (test.quality, "snr"):
        column = len(POINT_COLUMNS) + 1 + metrics.index(metric) if metric in metrics else 0
        shown = [span for span in curves if column and charts.values_of(sheet, column, [span])]
        if shown:
            columns = (POINT_COLUMNS.index("bits/element") + 1, column)
            charts.curves(sheet, f"{'AH'[place]}{row + 2}", metric_name(metric), columns, shown)
            place += 1
    sheet.freeze_panes = "C5"


def _records(sheet: Any, run: Run) -> None:
    columns, rows = flat_records(run)
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
    """Widths of columns for what is in them; a page as wide as the sheet for printing.

    Text that stands alone in its row (a title, a note) runs over the columns beside it and counts for none.
    """
    letters = optional("openpyxl.utils").get_column_letter
    widths: dict[int, int] = {}
    for cells in sheet.iter_rows():
        filled = [(cell.column, _shown(cell)) for cell in cells if cell.value is not None]
        for column, text in filled if len(filled) > 1 else []:
            widths[column] = max(widths.get(column, 9), min(WIDEST, width(text) + 2))
    for column, wide in widths.items():
        sheet.column_dimensions[letters(column)].width = wide
    for cells in sheet.iter_rows():
        heads = [cell for cell in cells if cell.value and cell.alignment.wrap_text]
        if heads:
            lines = max(len(textwrap.wrap(str(c.value), int(widths.get(c.column, 9)) - 1)) for c in heads)
            sheet.row_dimensions[heads[0].row].height = LINE_HEIGHT * max(1, lines)
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = optional("openpyxl.worksheet.properties").PageSetupProperties(fitToPage=True)


def _shown(cell: Any) -> str:
    """What decides on the width of a column; headings are wrapped, so that it is their longest word."""
    value = cell.value
    if cell.alignment.wrap_text:
        return max(value.split(), key=len, default="")
    return f"{value:.4f}" if isinstance(value, float) else str(value)
