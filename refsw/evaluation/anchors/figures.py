"""Informative: rate against quality as PNG and SVG, one figure a test, a panel for each metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refsw.evaluation import plots
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Run
from refsw.evaluation.extras import optional

RATE = "bits_per_element"
DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)))


@dataclass(frozen=True, slots=True)
class Line:
    """The points of a layer with a codec, by rising rate; `anchor` tells whose run it is."""

    layer: str
    codec: str
    anchor: bool
    rates: tuple[float, ...]
    values: tuple[float, ...]
    names: tuple[str, ...]


def lines_of(run: Run, test: Test, metric: str, *, anchor: bool = False) -> Iterator[Line]:
    """Curves of a test; points without a value (SNR of a lossless codec) are left out."""
    for codec in test.codecs:
        for layer in test.layers:
            found = sorted(
                (r[RATE], r["metrics"][metric], "" if r["value"] is None else f"{r['parameter']} {r['value']:g}")
                for r in run.records
                if (r["test"], r["layer"], r["codec"]) == (test.name, layer, codec)
                and r["metrics"].get(metric) is not None
            )
            if found:
                rates, values, names = zip(*found, strict=True)
                yield Line(layer, codec, anchor, rates, values, names)


def metrics_of(run: Run, test: Test) -> list[str]:
    """Metrics to show: that of the test first, then the others of the task, then the SNR."""
    known = dict.fromkeys(m for r in run.records if r["test"] == test.name for m in r["metrics"])
    first = [test.quality] if test.quality in known else []
    return [
        *first,
        *(m for m in known if m not in (test.quality, "distortion", "mse", "snr")),
        *(m for m in ("snr",) if m in known),
    ]


def write_plots(run: Run, folder: Path, anchor: Run | None = None) -> list[Path]:
    """A PNG and an SVG for each test."""
    written = []
    for test in run.conditions.tests:
        metrics = metrics_of(run, test)
        if not metrics:
            continue
        # Quality, the metric that the task is known by, and the SNR.
        shown = list(dict.fromkeys([*metrics[:2], metrics[-1]]))
        figure = rate_quality(run, test, shown, anchor)
        for suffix in ("png", "svg"):
            path = folder / f"{test.name}.{suffix}"
            plots.save(figure, path)
            written.append(path)
    return written


def rate_quality(run: Run, test: Test, metrics: Sequence[str], anchor: Run | None = None) -> Any:
    """A figure with a panel for each metric; colours are layers, dashes are codecs."""
    figure = optional("matplotlib.figure").Figure(figsize=(5.2 * len(metrics) + 0.8, 5.4), dpi=130, facecolor="white")
    optional("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    known: dict[tuple[str, bool], None] = {}
    rows = 1 + (len(test.layers) - 1) // 8
    for panel, metric in zip(panels, metrics, strict=True):
        lines = list(lines_of(run, test, metric))
        other = next((t for t in anchor.conditions.tests if t.name == test.name), None) if anchor else None
        if anchor is not None and other is not None:
            lines += lines_of(anchor, other, metric, anchor=True)
        known |= dict.fromkeys((line.codec, line.anchor) for line in lines)
        for line in lines:
            panel.plot(line.rates, line.values, **_style(test, line, list(known)))
        _dress(panel, metric)
    figure.subplots_adjust(left=0.07, right=0.98, top=0.84, bottom=0.235 + 0.03 * rows, wspace=0.2)
    figure.text(0.02, 0.945, test.title, fontsize=13, fontweight="bold", color=plots.INK)
    own = next(r for r in run.records if r["test"] == test.name)
    told = f"{own['items']} items; {run.conditions.title}"
    figure.text(0.02, 0.905, told[:150], fontsize=9.5, color=plots.INK)
    _legend(figure, test, list(known))
    return figure


def _style(test: Test, line: Line, codecs: list[tuple[str, bool]]) -> dict[str, Any]:
    number = test.layers.index(line.layer) if line.layer in test.layers else len(test.layers)
    return {
        "color": plots.COLOURS[number % len(plots.COLOURS)],
        "marker": plots.MARKERS[number % len(plots.MARKERS)],
        "linestyle": _dash(line.codec, line.anchor, codecs),
        "linewidth": 1.2 if line.anchor else 1.8,
        "markersize": 5 if line.anchor else 6,
        "markerfacecolor": "white" if line.anchor else plots.COLOURS[number % len(plots.COLOURS)],
        "clip_on": False,
    }


def _dash(codec: str, anchor: bool, codecs: list[tuple[str, bool]]) -> Any:
    return DASHES[codecs.index((codec, anchor)) % len(DASHES)]


def _dress(axes: Any, metric: str) -> None:
    ticker = optional("matplotlib.ticker")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(base=10, subs=(1, 2, 5), numticks=12))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_title("SNR of the features (dB)" if metric == "snr" else metric, loc="left", fontsize=10, color=plots.INK)
    axes.set_xlabel("bits per element (logarithmic)", color=plots.INK, fontsize=9)
    axes.grid(color=plots.FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(color=plots.FAINT, labelcolor=plots.INK, labelsize=8.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(plots.FAINT)


def _legend(figure: Any, test: Test, codecs: list[tuple[str, bool]]) -> None:
    line = optional("matplotlib.lines").Line2D
    layers = [
        line(
            [],
            [],
            label=layer,
            color=plots.COLOURS[i % len(plots.COLOURS)],
            marker=plots.MARKERS[i % len(plots.MARKERS)],
        )
        for i, layer in enumerate(test.layers)
    ]
    strokes = [
        line(
            [],
            [],
            color=plots.INK,
            label=f"{codec}{' (anchor)' if anchor else ''}",
            marker="",
            linestyle=_dash(codec, anchor, codecs),
        )
        for codec, anchor in codecs
    ]
    options = {"frameon": False, "labelcolor": plots.INK, "fontsize": 8.5, "loc": "lower center"}
    rows = 1 + (len(test.layers) - 1) // 8
    figure.add_artist(
        figure.legend(handles=layers, ncols=-(-len(layers) // rows), bbox_to_anchor=(0.5, 0.055), **options)
    )
    figure.legend(handles=strokes, ncols=min(7, len(strokes)), bbox_to_anchor=(0.5, 0.005), **options)
