"""Informative: an experiment drawn: what is swept, the discriminator over its training, bytes against accuracy.

Drawn by a process of its own (`refsw.evaluation.reports.apart`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refsw.evaluation.reports import palette
from refsw.evaluation.reports.apart import draw, drawn_apart
from refsw.evaluation.reports.figures import dress, logarithmic, marker
from refsw.extras import optional
from refsw.learning.claims import quality_of
from refsw.learning.run import LearnRun

SWEEPS = {"gamma": "gamma", "unlabelled": "share of unlabelled samples"}
Line = dict[str, Any]


def drawn(run: LearnRun) -> dict[str, bytes]:
    """PNG and SVG by the names of their files; none without anything to draw.

    Raises:
        UsageError: matplotlib is not installed.
    """
    panels = panels_of(run)
    return drawn_apart(__name__, {"title": run.experiment.title, "panels": panels}) if panels else {}


def panels_of(run: LearnRun) -> list[dict[str, Any]]:
    """The panels: of each its name, its axes and its lines, as JSON types."""
    quality, found = quality_of(run), []
    for parameter, title in SWEEPS.items():
        lines = [_swept(run, name, parameter, quality) for name in run.experiment.runs]
        found.append({"name": parameter, "x": title, "y": quality, "lines": [line for line in lines if line["x"]]})
    lines = [_stage_one(run, name) for name in run.experiment.runs]
    found.append(
        {"name": "discriminator", "x": "step; at the end: a fresh probe", "y": "accuracy of the discriminator",
         "lines": [line for line in lines if line["x"]]}
    )  # fmt: skip
    coded = [_coded(run, name) for name in run.experiment.runs]
    found.append(
        {"name": "bytes", "x": "bytes of a sample", "y": "accuracy", "lines": [line for line in coded if line["x"]]}
    )
    return [panel for panel in found if panel["lines"]]


def _line(title: str, points: Sequence[tuple[float, Sequence[float]]]) -> Line:
    """Means and deviations over seeds."""
    return {
        "title": title,
        "x": [x for x, _ in points],
        "y": [float(np.mean(values)) for _, values in points],
        "spread": [float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for _, values in points],
    }


def _swept(run: LearnRun, name: str, parameter: str, quality: str) -> Line:
    records = [r for r in run.of(name) if r["parameter"] == parameter and quality in r["metrics"]]
    values = sorted({record["value"] for record in records})
    points = [(value, [r["metrics"][quality] for r in records if r["value"] == value]) for value in values]
    return _line(run.experiment.title_of(name), points)


def _stage_one(run: LearnRun, name: str) -> Line:
    records = [r for r in run.of(name) if "discriminator" in r["curves"] and r["value"] is None]
    steps = sorted({step for record in records for step, _ in record["curves"]["discriminator"]})
    points = [(step, [dict(r["curves"]["discriminator"])[step] for r in records]) for step in steps]
    if steps:
        points.append((steps[-1] * 1.1, [r["metrics"]["fresh probe"] for r in records]))
    return _line(run.experiment.title_of(name), points)


def _coded(run: LearnRun, name: str) -> Line:
    records = [r for r in run.of(name) if run.experiment.runs[name]["method"] == "compress" and r["curves"]]
    if not records:
        return _line(name, [])
    preset = next(iter(records[0]["curves"]))
    count = len(records[0]["curves"][preset])
    points = [
        (float(np.mean([r["curves"][preset][k][0] for r in records])), [r["curves"][preset][k][1] for r in records])
        for k in range(count)
    ]
    return _line(run.experiment.title_of(name), sorted(points))


def figure(title: str, panel: dict[str, Any]) -> Any:
    """One panel as a figure."""
    made = optional("matplotlib.figure").Figure(figsize=(7.2, 4.6), dpi=120, facecolor="white")
    optional("matplotlib.backends.backend_agg").FigureCanvasAgg(made)
    axes = made.subplots()
    made.subplots_adjust(left=0.1, right=0.62, top=0.86, bottom=0.13)
    made.text(0.02, 0.94, title, fontsize=12, fontweight="bold", color=palette.INK, parse_math=False)
    for number, line in enumerate(panel["lines"]):
        axes.errorbar(line["x"], line["y"], yerr=line["spread"], capsize=2, linewidth=1.2, markersize=4,
                      label=line["title"], **marker(number))  # fmt: skip
    dress(axes, f"{panel['y']}; bars: deviation between seeds")
    scale: Callable[[Any, str], None] = logarithmic if panel["name"] in ("gamma", "bytes") else _linear
    scale(axes, panel["x"])
    axes.legend(frameon=False, fontsize=7.5, labelcolor=palette.INK, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return made


def _linear(axes: Any, name: str) -> None:
    axes.set_xlabel(name, color=palette.INK, fontsize=9)


if __name__ == "__main__":
    draw(lambda told: {panel["name"]: figure(told["title"], panel) for panel in told["panels"]})
