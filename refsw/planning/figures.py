"""Informative: a plan drawn: where the time goes at each cut, and latency over the rate of the link with the winners.

Drawn by a process of its own, as the reports' plots are (`refsw.evaluation.reports.apart`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refsw.evaluation.reports import palette
from refsw.evaluation.reports.apart import draw, drawn_apart
from refsw.evaluation.reports.figures import dress, logarithmic, marker
from refsw.extras import optional
from refsw.planning import plan
from refsw.planning.choices import Choice, Device
from refsw.planning.links import Link
from refsw.planning.report import Planned

PARTS = ("edge", "encode", "send", "decode", "cloud")
PLACES = 200


def drawn(planned: Planned) -> dict[str, bytes]:
    """PNG and SVG by the names of their files.

    Raises:
        RuntimeError: the process that draws them failed.
    """
    return drawn_apart(__name__, _as_dict(planned))


def _as_dict(planned: Planned) -> dict[str, Any]:
    def fields(value: Any) -> dict[str, Any]:
        return {name: getattr(value, name) for name in value.__slots__}

    return {
        "title": planned.title, "coded": [fields(c) for c in planned.coded], "raw": [fields(c) for c in planned.raw],
        "link": fields(planned.link), "edge": fields(planned.edge), "cloud": fields(planned.cloud),
        "low": planned.low, "high": planned.high,
    }  # fmt: skip


def _from_dict(told: dict[str, Any]) -> Planned:
    coded, raw = (tuple(Choice(**c) for c in told[name]) for name in ("coded", "raw"))
    devices = Device(**told["edge"]), Device(**told["cloud"])
    return Planned(told["title"], coded, raw, Link(**told["link"]), *devices, told["low"], told["high"])


def figure(planned: Planned) -> Any:
    """Stacked bars at the link's rate, and latency over the rate of every choice."""
    made = optional("matplotlib.figure").Figure(figsize=(12.4, 5.4), dpi=120, facecolor="white")
    optional("matplotlib.backends.backend_agg").FigureCanvasAgg(made)
    bars, lines = made.subplots(1, 2)
    made.subplots_adjust(left=0.06, right=0.985, top=0.84, bottom=0.24, wspace=0.16)
    made.text(0.02, 0.95, planned.title, fontsize=13, fontweight="bold", color=palette.INK, parse_math=False)
    _bars(bars, planned)
    _lines(lines, planned)
    return made


def _bars(axes: Any, planned: Planned) -> None:
    link, below = planned.link, np.zeros(len(planned.coded))
    for number, part in enumerate(PARTS):
        own = [1000 * (link.seconds(c.sent_bytes) if part == "send" else getattr(c, part)) for c in planned.coded]
        axes.bar(range(len(own)), own, 0.7, below, color=palette.COLOURS[number], label=part)
        below = below + own
    best = int(np.argmin([plan.latency(choice, link) for choice in planned.coded]))
    axes.annotate("least", (best, below[best]), ha="center", va="bottom", color=palette.INK, fontsize=9)
    dress(axes, f"milliseconds at {link.megabits:g} Mbit/s ({link.title or link.name})")
    names = [choice.name if len(choice.name) < 18 else f"{choice.name[:15]}..." for choice in planned.coded]
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.legend(frameon=False, fontsize=8.5, labelcolor=palette.INK)


def _lines(axes: Any, planned: Planned) -> None:
    rates = np.geomspace(planned.low, planned.high, PLACES)
    for number, choice in enumerate(planned.coded):
        fixed, slope = plan.latency_line(choice, planned.link)
        axes.plot(rates, 1000 * (fixed + slope / rates), color=marker(number)["color"], linewidth=1.3,
                  linestyle="-" if number < len(palette.COLOURS) else "--", label=choice.name)  # fmt: skip
    axes.set_yscale("log")
    dress_log(axes, "milliseconds over the upload rate; shaded: the winner")
    order = [choice.name for choice in planned.coded]
    top = axes.get_ylim()[1]
    for one in planned.by_latency(planned.coded):
        colour = marker(order.index(one.name))["color"]
        axes.axvspan(one.low, one.high, color=colour, alpha=0.12, linewidth=0)
        axes.text((one.low * one.high) ** 0.5, top, one.name, ha="center", va="top", fontsize=8, color=palette.INK,
                  rotation=90, parse_math=False)  # fmt: skip
    logarithmic(axes, "Mbit/s")
    axes.set_xlim(planned.low, planned.high)
    axes.legend(frameon=False, fontsize=8, labelcolor=palette.INK, ncols=4, loc="upper center",
                bbox_to_anchor=(0.5, -0.16))  # fmt: skip


def dress_log(axes: Any, title: str) -> None:
    """The house style of a panel whose vertical axis is logarithmic."""
    formatter = optional("matplotlib.ticker").FuncFormatter(lambda value, _: f"{value:,.10g}")
    axes.yaxis.set_major_formatter(optional("matplotlib.ticker").ScalarFormatter())
    dress(axes, title)
    axes.yaxis.set_major_formatter(formatter)
    axes.yaxis.set_minor_formatter(optional("matplotlib.ticker").NullFormatter())


if __name__ == "__main__":
    draw(lambda told: {"plan": figure(_from_dict(told))})
