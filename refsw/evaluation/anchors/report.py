"""Informative: the report of a run: Markdown, CSV, xlsx, plots, and one HTML page, all from the same records."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.anchors import compare, figures, page, sheets, tables
from refsw.evaluation.anchors.compare import Comparison, Rules
from refsw.evaluation.anchors.folder import Run
from refsw.evaluation.bdrate import NonMonotone
from refsw.features.sinks import whole_file

MARKDOWN, CSV, XLSX, PAGE = "report.md", "results.csv", "results.xlsx", "index.html"


def write_report(run: Run, folder: Path, anchor: Run | None = None) -> tuple[str, list[Path]]:
    """Write the whole report.

    Args:
        run: what it is about.
        folder: where to; made if it is not there.
        anchor: a run to compare with.

    Returns:
        The tables as Markdown, and the files.

    Raises:
        UsageError: the run has no records yet, or is not comparable with the anchor.
    """
    if not run.records:
        raise UsageError(f"{run.folder}: no records yet")
    folder.mkdir(parents=True, exist_ok=True)
    comparison = None if anchor is None else compare.compare(anchor, run, Rules(non_monotone=NonMonotone.PARETO))
    text = as_markdown(run, comparison)
    written = [folder / MARKDOWN, folder / CSV, folder / XLSX, folder / PAGE]
    _write(written[0], text.encode())
    _write(written[1], as_csv(run).encode())
    sheets.write_workbook(run, written[2], anchor, comparison)
    _write(written[3], page.as_html(run, anchor, comparison).encode())
    return text, [*written, *figures.write_plots(run, folder, anchor)]


def _write(path: Path, data: bytes) -> None:
    with whole_file(path) as file:
        file.write(data)


def missing_of(run: Run) -> int:
    """Records that the run does not have yet."""
    codecs = run.conditions.codecs
    wanted = sum(len(t.layers) * sum(len(codecs[c].values) for c in t.codecs) for t in run.conditions.tests)
    return wanted - len(run.records)


def as_markdown(run: Run, comparison: Comparison | None = None) -> str:
    """The tables of the run, and those of a comparison."""
    parts = [f"# {run.conditions.title}\n", summary(run)]
    parts += [table.as_markdown() for table in tables.all_tables(run)]
    if comparison is not None:
        parts += ["## Comparison\n", compare.as_text(comparison)]
    parts.append(tables.complexity(run).as_markdown())
    return "\n".join(parts)


def summary(run: Run) -> str:
    """What was run, with what."""
    missing = missing_of(run)
    state = "complete" if not missing else f"**incomplete: {missing} records are missing**"
    environment = run.environment
    versions = ", ".join(f"{name} {value[:16]}" for name, value in run.identity["versions"].items())
    lines = [f"- run `{run.name}`, {len(run.records)} records, {state}"]
    if run.conditions.document.get("source"):
        lines.append(f"- conditions: {run.conditions.document['source']} (SHA-256 {run.conditions.digest[:16]})")
    lines.append(f"- codecs: {versions}")
    lines.append(
        f"- on {environment.get('processor')}, {environment.get('system')}, Python {environment.get('python')}"
    )
    for test in run.conditions.tests:
        own = [record for record in run.records if record["test"] == test.name]
        if own:
            pristine = ", ".join(f"{name} {value:.4f}" for name, value in own[0]["pristine"].items())
            lines.append(f"- {test.title}: {own[0]['items']} items in {own[0]['bitstreams']} bitstreams a point; "
                         f"without coding: {pristine}")  # fmt: skip
    lines.append("- rate: bytes of the bitstreams / bytes of the features as binary32; parameter sets included")
    return "\n".join(lines) + "\n"


def as_csv(run: Run) -> str:
    """Every record as a line."""
    columns, rows = tables.flat_records(run)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_text(value) for value in row] for row in rows)
    return out.getvalue()


def _text(value: Any) -> Any:
    return repr(value) if isinstance(value, float) else value
