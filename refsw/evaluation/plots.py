"""Informative: rate against fidelity as a picture, in the manner of MM'19, Figure 6 and Table 3.

Colours are those of Okabe and Ito, which people with colour-blindness tell apart; every layer has a marker of its
own besides.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refsw.evaluation.extras import optional
from refsw.features.sinks import whole_file

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = (0, (3, 2))
INK, FAINT = "#333333", "#DDDDDD"


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one layer with one preset.

    Args:
        layer, preset: names.
        rates: in the unit that the figure names.
        agreement: top-1 agreement, 0 to 1.
        snr: in decibels.
    """

    layer: str
    preset: str
    rates: tuple[float, ...]
    agreement: tuple[float, ...]
    snr: tuple[float, ...]


def rate_fidelity(series: Sequence[Series], *, reference: str, rate: str, title: str, subtitle: str) -> Any:
    """A figure with two panels over the rate: top-1 agreement and SNR.

    Args:
        series: what to show; the layers take their colours in the order in which they come.
        reference: the preset to draw thin and dashed, if it is there.
        rate: what the rates are.
        title, subtitle: what the figure shows.

    Returns:
        A matplotlib Figure.
    """
    figure = optional("matplotlib.figure").Figure(figsize=(11, 5.2), dpi=150, facecolor="white")
    optional("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.07, right=0.975, top=0.80, bottom=0.22, wspace=0.2)
    figure.text(0.07, 0.935, title, fontsize=14, fontweight="bold", color=INK)
    figure.text(0.07, 0.885, subtitle, fontsize=10, color=INK)
    layers = list(dict.fromkeys(one.layer for one in series))
    for one in sorted(series, key=lambda one: one.preset != reference):
        style = _style(layers.index(one.layer), dashed=one.preset == reference)
        left.plot(one.rates, [100 * share for share in one.agreement], **style)
        right.plot(one.rates, one.snr, **style)
    lowest = 100 * min(share for one in series for share in one.agreement)
    _dress(left, "Top-1 agreement with the uncompressed network (%)", rate)
    _dress(right, "Feature SNR (dB)", rate)
    ticker = optional("matplotlib.ticker")
    left.yaxis.set_major_locator(ticker.FixedLocator(_percent_ticks(lowest)))
    left.set_ylim(lowest - (102 - lowest) / 10, 100 + (102 - lowest) / 20)
    _legend(figure, layers, list(dict.fromkeys(one.preset for one in series)), reference)
    return figure


def save(figure: Any, path: Path) -> None:
    """Write a figure in the format of the suffix; the same figure gives the same bytes."""
    data = as_bytes(figure, path.suffix[1:])
    with whole_file(path) as file:
        file.write(data)


def as_bytes(figure: Any, kind: str) -> bytes:
    """A figure as `png` or `svg`; the same figure gives the same bytes."""
    matplotlib = optional("matplotlib")
    out = io.BytesIO()
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "refsw"}):
        # A name in a script that the font lacks is drawn as boxes; tables and page have it whole.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(out, format=kind, metadata={"Date": None} if kind == "svg" else {})
    return out.getvalue()


def _percent_ticks(lowest: float) -> list[int]:
    """Round percentages from the lowest one shown up to 100."""
    step = next(step for step in (1, 2, 5, 10, 20) if 100 - lowest <= 8 * step)
    return list(range(100, math.floor(lowest) - step, -step))


def _style(number: int, *, dashed: bool) -> dict[str, Any]:
    colour = COLOURS[number % len(COLOURS)]
    style: dict[str, Any] = {"color": colour, "marker": MARKERS[number % len(MARKERS)], "clip_on": False}
    if dashed:
        return style | {"linestyle": DASHES, "linewidth": 1, "markersize": 5, "markerfacecolor": "white"}
    return style | {"linewidth": 2, "markersize": 7, "markeredgecolor": "white", "markeredgewidth": 0.8}


def _dress(axes: Any, what: str, rate: str) -> None:
    ticker = optional("matplotlib.ticker")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(base=10, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_title(what, loc="left", fontsize=10.5, color=INK, pad=10)
    axes.set_xlabel(f"{rate} (logarithmic)", color=INK)
    axes.grid(color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(color=FAINT, labelcolor=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)


def _legend(figure: Any, layers: Sequence[str], presets: Sequence[str], reference: str) -> None:
    line = optional("matplotlib.lines").Line2D
    entries = [line([], [], label=layer, **_style(i, dashed=False)) for i, layer in enumerate(layers)]
    for preset in presets:
        stroke = {"linewidth": 1, "linestyle": DASHES} if preset == reference else {"linewidth": 2}
        entries.append(line([], [], color=INK, label=f"preset {preset}", **stroke))
    figure.legend(
        handles=entries,
        loc="lower center",
        ncols=len(entries),
        frameon=False,
        labelcolor=INK,
        bbox_to_anchor=(0.52, 0.02),
    )
