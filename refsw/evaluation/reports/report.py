"""Informative: the report of a run: Markdown, CSV, xlsx, plots, and one HTML page, all from the same records."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.anchors import compare
from refsw.evaluation.anchors.checks import check
from refsw.evaluation.anchors.compare import Comparison, Rules
from refsw.evaluation.anchors.folder import Run
from refsw.evaluation.bdrate import NonMonotone
from refsw.evaluation.reports import differences, drawing, facts, page, sheets, tables, template
from refsw.evaluation.reports.cells import wrapped
from refsw.evaluation.reports.tables import Section
from refsw.files import whole_file
from refsw.text import for_csv, for_markdown

MARKDOWN, CSV, BD_CSV, XLSX, PAGE = "report.md", "results.csv", "bd.csv", "results.xlsx", "index.html"
TEMPLATE_CSV = "template.csv"
SHORT = (
    "Rate and quality",
    "Without a swept parameter",
    "Tiled against quilted",
    "Features against pictures",
    "Losses",
)
PARETO = (
    "Of a curve whose quality does not rise with its rate, the points that are better than every cheaper one count."
)


def write_report(
    run: Run, folder: Path, anchor: Run | None = None, *, anchor_codec: str | None = None, codec: str | None = None
) -> tuple[str, list[Path]]:
    """Write the whole report, once all of it has been made: a report that cannot be made leaves the folder as it was.

    Args:
        run: what it is about.
        folder: where to; made if it is not there.
        anchor: a run to compare with.
        anchor_codec, codec: which codecs of the anchor and of the run to compare, where there are several.

    Returns:
        The main tables as Markdown, and the files.

    Raises:
        UsageError: the run has no records yet, or damaged ones, or is not comparable with the anchor.
        OSError: the folder cannot be written.
    """
    if not run.records:
        raise UsageError(f"{run.folder}: no records yet")
    check(run)
    comparison = None if anchor is None else _compared(anchor, run, anchor_codec, codec)
    sections = tables.sections(run)
    files = {
        MARKDOWN: as_markdown(run, sections, comparison).encode(),
        CSV: as_csv(*tables.flat_records(run)).encode(),
        TEMPLATE_CSV: as_csv(*template.flat(run)).encode(),
        XLSX: sheets.workbook(run, sections, anchor, comparison),
        PAGE: page.as_html(run, sections, anchor, comparison).encode(),
    }
    if comparison is not None:
        files[BD_CSV] = as_csv(*differences.flat(comparison)).encode()
    files |= drawing.plots_of(run, anchor)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        # They take their places together, at the end of the block: a full disk leaves an earlier report as it was.
        for name, data in files.items():
            file = held.enter_context(whole_file(folder / name))
            file.write(data)
            file.flush()
    if comparison is None:
        (folder / BD_CSV).unlink(missing_ok=True)  # an earlier report's, which is no part of this one
    short = [section for section in sections if section.title in SHORT]
    return as_markdown(run, short, comparison, means_only=True), [folder / name for name in files]


def _compared(anchor: Run, run: Run, anchor_codec: str | None, codec: str | None) -> Comparison:
    """The comparison, with what a reader of its figures should know besides."""
    chosen = NonMonotone(anchor.conditions.document.get("bd", {}).get("non_monotone", "pareto"))
    rules = Rules(non_monotone=chosen, anchor_codec=anchor_codec, proposal_codec=codec)
    comparison = compare.compare(anchor, run, rules)
    notes = [PARETO] if chosen is NonMonotone.PARETO else []
    for source in (anchor, run):
        if not facts.complete(source):
            notes.append(f"{source.name} is PARTIAL: means are over the layers that both runs have.")
    first, second = (source.environment.get("processor") for source in (anchor, run))
    if first != second:
        notes.append(f"Times were measured on different machines: {first} and {second}.")
    return replace(comparison, notes=(*comparison.notes, *notes))


def as_markdown(
    run: Run, sections: Sequence[Section], comparison: Comparison | None = None, *, means_only: bool = False
) -> str:
    """The tables of a run, and those of a comparison before them."""
    parts = [f"# {for_markdown(run.conditions.title)}\n", facts.as_markdown(run)]
    if comparison is not None:
        parts.append("## Comparison\n")
        if means_only:
            parts.append(f"{wrapped(for_markdown(differences.title(comparison)))}\n")
            parts += [table.as_markdown() for table in differences.mean_tables(comparison)]
        else:
            parts.append(differences.as_text(comparison))
    for section in sections:
        parts += [f"## {section.title}\n", *(table.as_markdown() for table in section.tables)]
    return "\n".join(parts)


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows as comma-separated values, numbers with all their digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([for_csv(column) for column in columns])
    writer.writerows([for_csv(value) for value in row] for row in rows)
    return out.getvalue()
