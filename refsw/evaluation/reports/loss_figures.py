"""Informative: performance over the loss rate, and channels original, damaged and repaired side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Run, unpack
from refsw.evaluation.reports import figures, losses, palette
from refsw.evaluation.reports.losses import Curve
from refsw.text import shown

LOSSES, CHANNELS = "~losses", "~channels"  # with a letter that names of tests do not have
SIDE, TITLES, BELOW = 1.3, 0.5, 0.1  # inches: of a picture, of what is written above a row, and below the last
LEAST, MOST = 0.2, 4.0
"""Inches that a row of pictures is high, whatever their shape."""
MOST_SETTINGS = 12


def plots_of(run: Run, test: Test) -> dict[str, Any]:
    """Figures by the last part of the names of their files; None where a test has no losses."""
    found = losses.settings(losses.curves(run, test))
    if not found:
        return {}
    return {LOSSES: over_loss(run, test, found), CHANNELS: channels(run, test, found)}


def over_loss(run: Run, test: Test, found: dict[tuple[str, str], list[Curve]]) -> Any:
    """A row of panels for each layer and setting, a panel for each metric, a line for each method."""
    metrics = losses.metrics_of(run, test)
    chosen = list(found.items())[:MOST_SETTINGS]
    titles = list(dict.fromkeys(curve.link.title for _, own in chosen for curve in own))
    wide = figures.WIDTH * len(metrics) + 0.8
    keys = [figures.key(**figures.marker(number)) for number in range(len(titles))]
    legend = figures.Legend(keys, titles, wide)
    figure, grid = figures.framed(run, test, [legend], (len(chosen), len(metrics)))
    for panels, ((layer, setting), own) in zip(grid, chosen, strict=True):
        for panel, metric in zip(panels, metrics, strict=True):
            for curve in own:
                _line(panel, curve, metric, figures.marker(titles.index(curve.link.title)))
            figures.dress(panel, f"{layer}: {figures.axis_name(metric)}")
            told = figures.short(f"loss (%); {setting}", 72)
            panel.set_xlabel(told, color=palette.INK, fontsize=9, parse_math=False)
    return figure


def _line(panel: Any, curve: Curve, metric: str, style: dict[str, str]) -> None:
    known = [r for r in curve.records if r["metrics"].get(metric) is not None]
    if known:
        panel.errorbar(
            [100 * losses.loss_of(r) for r in known],
            [r["metrics"][metric] for r in known],
            [r["deviations"].get(metric) or 0.0 for r in known],
            **style, linewidth=1.6, markersize=5, elinewidth=0.8, capsize=2,
        )  # fmt: skip


def channels(run: Run, test: Test, found: dict[tuple[str, str], list[Curve]]) -> Any:
    """Figure 4 of the CALTeC paper: for each layer and setting a channel at the highest loss of which there is one."""
    rows = [(name, pictures) for name, own in found.items() if (pictures := _pictures(own))][:MOST_SETTINGS]
    if not rows:
        return None
    columns = max(len(pictures) for _, pictures in rows)
    wide = figures.LEFT + figures.RIGHT + SIDE * (columns + figures.GAP * (columns - 1))
    tall = SIDE * max(picture.shape[0] / picture.shape[1] for _, pictures in rows for _, picture in pictures)
    tall = min(max(tall, LEAST), MOST)
    above = figures.ABOVE + TITLES
    figure, grid = figures.framed(run, test, [], (len(rows), columns), wide, tall, above, BELOW)
    for panels, ((layer, setting), pictures) in zip(grid, rows, strict=True):
        for number, panel in enumerate(panels):
            panel.set_axis_off()
            if number < len(pictures):
                title, picture = pictures[number]
                panel.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
                panel.set_title(shown(title), fontsize=7.5, color=palette.INK, parse_math=False)
        panels[0].annotate(
            figures.short(f"{layer}: {setting}", 90), (0, 1), xytext=(0, 22), xycoords="axes fraction",
            textcoords="offset points", fontsize=8, color=palette.INK, parse_math=False, annotation_clip=False,
        )  # fmt: skip
    return figure


def _pictures(own: list[Curve]) -> list[tuple[str, Any]]:
    """Original, damaged, and repaired by each method, of the same channel and losses."""
    for record in reversed(own[0].records):
        loss = losses.loss_of(record)
        same = [(c, r["picture"]) for c in own for r in c.records if losses.loss_of(r) == loss and "picture" in r]
        if same:
            maps = {curve.link.title: np.asarray(unpack(picture["maps"])) for curve, picture in same}
            original, damaged, _ = next(iter(maps.values()))
            first = [(f"channel {same[0][1]['channel']}", original), (f"{100 * loss:.3g} % lost", damaged)]
            return first + [(title, three[2]) for title, three in maps.items() if title != "no concealment"]
    return []
