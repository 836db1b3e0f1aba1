"""Informative: tables of runs over channels that lose packets: performance over loss, gain, and time.

As the ICME 2022 tutorial has them: performance over the loss rate for each method, and its Table II: the area between
the curve of a method and that without concealment, as a mean over loss rates, and the time for a tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.anchors.links import Link
from refsw.evaluation.reports.cells import DIFFERENCE, EMPTY, MILLISECONDS, SHORT_SCORE, Cell, Figure, Pair, Table
from refsw.evaluation.reports.selection import metric_name, performances

BASELINE = "none"
SPREAD = ("mean", "standard deviation")


@dataclass(frozen=True, slots=True)
class Curve:
    """The records of a layer over a link, by rising loss."""

    layer: str
    link: Link
    records: tuple[Record, ...]

    @property
    def setting(self) -> str:
        """Codec, point, channel and packets: what methods are compared under."""
        point = "" if self.link.value is None else f" at {self.link.parameter} {self.link.value:g}"
        return f"{self.link.codec}{point}, {self.link.setting}"

    def values(self, metric: str) -> list[tuple[float, float]]:
        """(loss, metric) of the records that have it."""
        found = [(loss_of(r), r["metrics"].get(metric)) for r in self.records]
        return [(loss, value) for loss, value in found if value is not None]


def loss_of(record: Record) -> float:
    """What a point lost: the rate of its channel, or the share of elements where the channel has none."""
    return float(record["value"] if record["parameter"] == "loss" else record["lost"])


def curves(run: Run, test: Test) -> list[Curve]:
    """Those that have records, in the order of the conditions."""
    found = []
    for layer in test.layers:
        for name in test.codecs:
            link = run.conditions.codecs[name].link
            own = [r for r in run.records if (r["test"], r["layer"], r["codec"]) == (test.name, layer, name)]
            if link is not None and own:
                found.append(Curve(layer, link, tuple(sorted(own, key=loss_of))))
    return found


def settings(found: Sequence[Curve]) -> dict[tuple[str, str], list[Curve]]:
    """Curves of different methods that are compared, by layer and setting."""
    together: dict[tuple[str, str], list[Curve]] = {}
    for curve in found:
        together.setdefault((curve.layer, curve.setting), []).append(curve)
    return together


def metrics_of(run: Run, test: Test) -> list[str]:
    """The quality of the test, the performance that the task is known by, and the SNR of the features."""
    return list(dict.fromkeys([test.quality, *performances(run, test)[:1], "snr"]))


def tables(run: Run, test: Test) -> Iterator[Table]:
    """For each layer and setting a table of each metric over the loss, and one of gains and times."""
    found = settings(curves(run, test))
    for (layer, setting), own in found.items():
        for metric in metrics_of(run, test):
            yield over_loss(f"{test.title}, {layer}, {setting}", own, metric)
    if found:
        yield gains(run, test, found)


def over_loss(title: str, own: Sequence[Curve], metric: str) -> Table:
    """A metric of every method over the loss, with its standard deviation over the realisations of losses."""
    losses = sorted({loss_of(record) for curve in own for record in curve.records})
    rows: list[tuple[Cell, ...]] = []
    for curve in own:
        known = {loss_of(record): record for record in curve.records}
        rows.append((curve.link.title, *(_spread(known.get(loss), metric) for loss in losses)))
    drawn = max(record["realisations"] for curve in own for record in curve.records)
    notes = (f"Mean and standard deviation over {drawn} realisations of the losses, the same for all methods.",)
    heading = ("method", *(f"loss {100 * loss:.3g} %" for loss in losses))
    return Table(f"{title}: {metric_name(metric)}", heading, tuple(rows), notes, SPREAD)


def _spread(record: Record | None, metric: str) -> Pair:
    value, spread = (
        (None, None) if record is None else (record["metrics"].get(metric), record["deviations"].get(metric))
    )
    return Pair(Figure(value, SHORT_SCORE), Figure(spread, SHORT_SCORE))


def gain(curve: Curve, baseline: Curve | None, metric: str) -> float | None:
    """The mean over loss rates from 0 to the highest of what a method gains; straight lines between the rates.

    The tutorial's average gain: (AUC of the method - AUC without recovery) / highest loss rate. Without losses there is
    nothing to gain. None where there is nothing to compare with.
    """
    if baseline is None or curve.link.model == "trace":
        return None
    base = dict(baseline.values(metric))
    both = [(loss, value - base[loss]) for loss, value in curve.values(metric) if loss in base]
    if not both or not both[-1][0]:
        return None
    if metric == "snr" or both[0][0]:
        both = both if metric == "snr" else [(0.0, 0.0), *both]
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(both))
    span = both[-1][0] - both[0][0]
    return area / span if span else both[0][1]


def milliseconds(curve: Curve) -> float | None:
    """Time of the processor for the features of an item."""
    known = [r for r in curve.records if r["times"].get("conceal") is not None]
    count = sum(r["items"] * r["realisations"] for r in known)
    return 1000 * sum(r["times"]["conceal"] for r in known) / count if count else None


def gains(run: Run, test: Test, found: dict[tuple[str, str], list[Curve]]) -> Table:
    """Table II of the tutorial."""
    metrics = metrics_of(run, test)
    rows: list[tuple[Cell, ...]] = []
    for (layer, setting), own in found.items():
        baseline = next((curve for curve in own if curve.link.method == BASELINE), None)
        for curve in own:
            figures = [Figure(gain(curve, baseline, metric), DIFFERENCE) for metric in metrics]
            shown = [Figure(None, DIFFERENCE)] * len(metrics) if curve is baseline else figures
            rows.append((layer, setting, curve.link.title, *shown, Figure(milliseconds(curve), MILLISECONDS)))
    heading = ("layer", "setting", "method", *(f"gain of {metric_name(m)}" for m in metrics), "ms")
    notes = (
        "Gain: area between the curve of the method and that without concealment, as a mean over the loss rates. "
        f"ms: time of the processor for the features of an item. {EMPTY}: nothing to compare with.",
    )
    return Table(f"{test.title}: gain over no concealment, and time", heading, tuple(rows), notes, texts=3)
