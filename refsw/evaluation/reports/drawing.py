"""Informative: the plots of runs, drawn by a process of their own (`apart`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from refsw.evaluation.anchors.conditions import parse_conditions
from refsw.evaluation.anchors.folder import Run
from refsw.evaluation.reports import figures, loss_figures, remote_figures
from refsw.evaluation.reports.apart import draw, drawn_apart


def plots_of(run: Run, anchor: Run | None = None) -> dict[str, bytes]:
    """The curves and the ratios of each test as PNG and SVG, by the names of their files.

    Raises:
        UsageError: matplotlib is not installed.
        OSError: it lacks a place for files of its own.
    """
    return drawn_apart(__name__, [None if each is None else _as_dict(each) for each in (run, anchor)])


def _as_dict(run: Run) -> dict[str, Any]:
    return {"folder": str(run.folder.resolve()), "conditions": run.conditions.document, "records": run.records}


def _from_dict(told: dict[str, Any]) -> Run:
    return Run(Path(told["folder"]), parse_conditions(told["conditions"]), {}, {}, told["records"])


def _figures(told: list[dict[str, Any] | None]) -> dict[str, Any]:
    run, anchor = (None if each is None else _from_dict(each) for each in told)
    assert run is not None
    made = figures.plots_of(run, anchor)
    for test in run.conditions.tests:
        made |= {f"{test.name}{last}": figure for last, figure in loss_figures.plots_of(run, test).items()}
        made |= remote_figures.plots_of(run, test)
    return made


if __name__ == "__main__":
    draw(_figures)
