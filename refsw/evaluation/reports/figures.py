"""Informative: rate against quality as PNG and SVG, one figure a test, a panel for each metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from refsw.evaluation.anchors.checks import missing_of
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Run
from refsw.evaluation.anchors.units import rate_of
from refsw.evaluation.reports import palette
from refsw.evaluation.reports.selection import every, fixed, labels, metric_name, points
from refsw.extras import optional
from refsw.text import shown

WIDTH, PANEL, ABOVE, BETWEEN, AXIS, ROW = 5.2, 3.5, 0.95, 0.9, 0.6, 0.22  # inches
LEFT, RIGHT, GAP = 0.7, 0.2, 0.2  # inches beside the panels, and between them as a share of their width
MOST_PIXELS = 60000  # matplotlib draws less than 2**16
LETTERS = 13  # that stand on an inch
LONGEST = 60
MOST_ROWS = 12  # of panels, for a picture that can be looked at
MANY = 3  # curves of a layer that one panel takes beside those of other layers
RATIOS = "~ratios"  # with a letter that names of tests do not have
HATCHES = ("", "//", "..", "\\\\", "xx", "--", "oo")
DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)))


@dataclass(frozen=True, slots=True)
class Line:
    """The points of a layer with a codec, by rising rate; `anchor` tells whose run it is."""

    layer: str
    codec: str
    anchor: bool
    rates: tuple[float, ...]
    values: tuple[float, ...]


def lines_of(run: Run, test: Test, metric: str, *, anchor: bool = False) -> Iterator[Line]:
    """Curves of a test; points without a value (SNR of a lossless codec) are left out."""
    unit = rate_of(run.conditions.document)
    for codec in (codec.name for codec in every(run, test) if unit.spans_layers or not codec.picture):
        for layer in run.conditions.layers_of(test, codec):
            found = sorted(
                (unit.of(r), r["metrics"][metric])
                for r in run.records
                if (r["test"], r["layer"], r["codec"]) == (test.name, layer, codec)
                and r["metrics"].get(metric) is not None
                and unit.of(r) is not None
            )
            if found:
                rates, values = zip(*found, strict=True)
                yield Line(layer, codec, anchor, rates, values)


def metrics_of(run: Run, test: Test) -> list[str]:
    """Metrics to show, of those with a value: that of the test first, then the others of the task, then the SNR."""
    own = (r["metrics"] for r in run.records if r["test"] == test.name)
    known = dict.fromkeys(m for metrics in own for m, value in metrics.items() if value is not None)
    first = [test.quality] if test.quality in known else []
    return [
        *first,
        *(m for m in known if m not in (test.quality, "distortion", "mse", "snr")),
        *(m for m in ("snr",) if m in known),
    ]


def plots_of(run: Run, anchor: Run | None = None) -> dict[str, Any]:
    """The curves and the ratios of each test, by the names of their files without their last part."""
    made: dict[str, Any] = {}
    for test in run.conditions.tests:
        metrics = metrics_of(run, test)
        # Quality, the metric that the task is known by, and the SNR.
        first = list(dict.fromkeys([*metrics[:2], *metrics[-1:]]))
        made |= {test.name: rate_quality(run, test, first, anchor), f"{test.name}{RATIOS}": ratios(run, test)}
    return made


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a figure shows: lines of each metric, and what is told apart by what.

    With few codecs, colours and markers are layers and dashes are codecs, in one row of panels. With many, that would
    be a tangle: each layer has a row of its own, colours and markers are codecs.
    """

    lines: dict[str, list[Line]]
    layers: list[str]
    codecs: list[tuple[str, bool]]

    @property
    def by_layer(self) -> bool:
        """Whether each layer has a row of panels."""
        curves = {(x.codec, x.anchor) for lines in self.lines.values() for x in lines if len(x.rates) > 1}
        return len(curves) > MANY and len(self.layers) <= MOST_ROWS

    @property
    def rows(self) -> list[list[str]]:
        """The layers in each row of panels."""
        return [[layer] for layer in self.layers] if self.by_layer else [self.layers]

    def style(self, line: Line) -> dict[str, Any]:
        """How a line is drawn."""
        layer, codec = self.layers.index(line.layer), self.codecs.index((line.codec, line.anchor))
        number = codec if self.by_layer else layer
        return {
            **marker(number),
            "linestyle": "-" if self.by_layer else DASHES[codec % len(DASHES)],
            "linewidth": 1.2 if line.anchor else 1.8,
            "markersize": 5 if line.anchor else 6,
            "markerfacecolor": "white" if line.anchor else marker(number)["color"],
            "clip_on": False,
        }

    def legends(self, told: Mapping[bool, str], wide: float) -> list[Legend]:
        """One for the layers and one for the codecs, or that of the codecs alone."""
        names = [f"{told[whose]}{codec}" for codec, whose in self.codecs]
        marks = [key(**marker(i)) for i in range(len(self.codecs if self.by_layer else self.layers))]
        if self.by_layer:
            return [Legend(marks, names, wide)]
        dashes = [key(color=palette.INK, linestyle=DASHES[i % len(DASHES)]) for i in range(len(names))]
        return [Legend(marks, self.layers, wide), Legend(dashes, names, wide)]


def _plan(run: Run, test: Test, metrics: Sequence[str], anchor: Run | None) -> _Plan:
    other = next((t for t in anchor.conditions.tests if t.name == test.name), None) if anchor else None
    lines: dict[str, list[Line]] = {}
    for metric in metrics:
        lines[metric] = list(lines_of(run, test, metric))
        if anchor is not None and other is not None:
            lines[metric] += lines_of(anchor, other, metric, anchor=True)
    shown_lines = [line for those in lines.values() for line in those]
    plan = _planned(test, lines)
    if plan.by_layer:
        return plan
    # Points alone could not be told from one another among curves of many layers; `ratios` has them.
    curves = {(line.codec, line.anchor) for line in shown_lines if len(line.rates) > 1}
    return _planned(test, {metric: [x for x in own if (x.codec, x.anchor) in curves] for metric, own in lines.items()})


def _planned(test: Test, lines: dict[str, list[Line]]) -> _Plan:
    known = [line for those in lines.values() for line in those]
    there = {line.layer for line in known}
    layers = [layer for layer in dict.fromkeys([*test.layers, *(line.layer for line in known)]) if layer in there]
    return _Plan(lines, layers, list(dict.fromkeys((line.codec, line.anchor) for line in known)))


def rate_quality(run: Run, test: Test, metrics: Sequence[str], anchor: Run | None = None) -> Any:
    """A figure with a panel for each metric; None if there is no curve."""
    plan = _plan(run, test, metrics, anchor)
    if not plan.codecs:
        return None
    wide = WIDTH * len(metrics) + 0.8
    figure, grid = framed(run, test, plan.legends(labels(run, anchor), wide), (len(plan.rows), len(metrics)))
    for panels, layers in zip(grid, plan.rows, strict=True):
        for panel, (metric, lines) in zip(panels, plan.lines.items(), strict=True):
            for line in lines:
                if line.layer in layers:
                    panel.plot(line.rates, line.values, **plan.style(line))
            logarithmic(panel, rate_of(run.conditions.document).title)
            dress(panel, f"{layers[0]}: {axis_name(metric)}" if plan.by_layer else axis_name(metric))
    return figure


def ratios(run: Run, test: Test) -> Any:
    """Bars of the compression rates of the codecs that have one point, by layer; None if there are none."""
    codecs = [codec for codec in fixed(run, test) if points(run, test, codec.name)]
    if not codecs:
        return None
    wide = max(WIDTH, min(3 * WIDTH, 1 + 0.22 * len(codecs) * len(test.layers)))
    patch = optional("matplotlib.patches").Patch
    styles = [
        {
            "facecolor": palette.COLOURS[i % len(palette.COLOURS)],
            "hatch": HATCHES[i % len(HATCHES)],
            "edgecolor": "white",
        }
        for i in range(len(codecs))
    ]
    legend = Legend([patch(**style) for style in styles], [codec.title or codec.name for codec in codecs], wide)
    figure, grid = framed(run, test, [legend], (1, 1), wide)
    panel, width = grid[0][0], 0.8 / len(codecs)
    for number, (codec, style) in enumerate(zip(codecs, styles, strict=True)):
        known = points(run, test, codec.name)
        there = [i for i, layer in enumerate(test.layers) if (layer, None) in known]
        places = [i + (number - (len(codecs) - 1) / 2) * width for i in there]
        panel.bar(places, [100 * known[test.layers[i], None]["rate"] for i in there], width, **style)
    dress(panel, "compression rate (% of the features before coding)")
    # A dollar sign would begin a formula.
    names = [short(layer, int(LETTERS * wide / len(test.layers))).replace("$", r"\$") for layer in test.layers]
    panel.set_xticks(range(len(names)), names)
    return figure


def framed(
    run: Run,
    test: Test,
    legends: Sequence[Legend],
    panels: tuple[int, int],
    wide: float | None = None,
    tall: float = PANEL,
    above: float = ABOVE,
    axis: float = AXIS,
) -> tuple[Any, Any]:
    """A figure with its title and legends, and its (rows, columns) of empty panels.

    `wide` is its width; `tall` that of a panel, `above` of what is above the first row, `axis` of what is below the
    last: all in inches.
    """
    rows, columns = panels
    wide = wide or WIDTH * columns + 0.8
    below = sum(legend.height for legend in legends) + 0.1
    high = above + rows * tall + (rows - 1) * BETWEEN + axis + below
    dpi = min(130, MOST_PIXELS / high)
    figure = optional("matplotlib.figure").Figure(figsize=(wide, high), dpi=dpi, facecolor="white")
    optional("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=LEFT / wide, right=1 - RIGHT / wide, top=1 - above / high, bottom=(axis + below) / high,
        wspace=GAP, hspace=BETWEEN / tall,
    )  # fmt: skip
    own = next(r for r in run.records if r["test"] == test.name)
    absent, wanted = missing_of(run)[test.name]
    partial = f"PARTIAL: {absent} of {wanted} records are missing; " if absent else ""
    for text, place, style in (
        (test.title, 0.3, {"fontsize": 13, "fontweight": "bold"}),
        (f"{partial}{own['items']} items; {run.conditions.title}", 0.55, {"fontsize": 9.5}),
    ):
        told = short(text, int(wide * LETTERS * (0.7 if "fontweight" in style else 1)))
        figure.text(0.25 / wide, 1 - place / high, told, color=palette.INK, parse_math=False, **style)
    place = 0.05
    for legend in reversed(legends):
        legend.draw(figure, place / high)
        place += legend.height
    return figure, grid


class Legend:
    """Entries in as many columns as there is room for; `height` in inches."""

    def __init__(self, handles: Sequence[Any], names: Sequence[str], wide: float) -> None:
        self.handles, self.names = handles, [short(name, LONGEST) for name in names]
        longest = max(map(len, self.names), default=1)
        self.columns = max(1, min(len(handles), int(wide * LETTERS / (longest + 6))))
        self.height = ROW * -(-len(handles) // self.columns)

    def draw(self, figure: Any, place: float) -> None:
        """Draw it with its lower edge at a share of the height."""
        options = {"frameon": False, "labelcolor": palette.INK, "fontsize": 8.5, "borderpad": 0, "borderaxespad": 0}
        # A label that begins with an underscore would be left out: texts are set afterwards.
        legend = figure.legend(
            handles=self.handles, labels=["."] * len(self.handles), ncols=self.columns, loc="lower center",
            bbox_to_anchor=(0.5, place), **options,
        )  # fmt: skip
        for text, name in zip(legend.get_texts(), self.names, strict=True):
            text.set_parse_math(False)
            text.set_text(name)
        figure.add_artist(legend)


def short(text: str, most: int) -> str:
    """Text that has room, its middle left out if need be."""
    text = shown(text)
    most = max(most, 10)
    return text if len(text) <= most else f"{text[: most * 2 // 3 - 3]}...{text[-(most // 3) :]}"


def marker(number: int) -> dict[str, str]:
    """Colour and marker of a line; the same for the same number."""
    # One on after each round of the colours: the eighth has the colour of the first, and another marker.
    colours, marks = palette.COLOURS, palette.MARKERS
    return {"color": colours[number % len(colours)], "marker": marks[(number + number // len(colours)) % len(marks)]}


def key(**style: Any) -> Any:
    """An entry of a legend."""
    return optional("matplotlib.lines").Line2D([], [], **style)


def logarithmic(axes: Any, name: str) -> None:
    """A logarithmic axis of rates with few labels."""
    ticker = optional("matplotlib.ticker")
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = (1, 2, 5) if high < 300 * low else (1,)
    axes.xaxis.set_major_locator(ticker.LogLocator(base=10, subs=steps, numticks=12))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_xlabel(f"{name} (logarithmic)", color=palette.INK, fontsize=9)


def dress(axes: Any, title: str) -> None:
    """The house style of a panel; its title may have lines."""
    axes.set_title(shown(title, lines=True), loc="left", fontsize=10, color=palette.INK, parse_math=False)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.grid(color=palette.FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(color=palette.FAINT, labelcolor=palette.INK, labelsize=8.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(palette.FAINT)


def axis_name(metric: str) -> str:
    """A metric for an axis; those without a unit are shares of 1."""
    return "SNR of the features (dB)" if metric == "snr" else metric_name(metric)
