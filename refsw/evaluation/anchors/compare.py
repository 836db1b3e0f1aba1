"""Informative: an anchor against a proposal: BD-rate and BD-metric by layer, by test, and over all.

Means are over layers, each counting once, as the groups report them; layers without a figure are left out of a mean
and counted beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.anchors.checks import check
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.environment import subject_differences
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.anchors.units import Rate, rate_of
from refsw.evaluation.bdrate import MIN_POINTS, Curve, Interpolation, NonMonotone, bd_metric, bd_rate
from refsw.evaluation.errors import CurveError

OWN_QUALITY = "quality"
DEFAULT_QUALITIES = (OWN_QUALITY, "snr")
LEAST_OVERLAP = 0.1
"""Below it, what a figure says is about the ends of two curves."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How curves are compared.

    Args:
        interpolation: through the points, over the logarithm of the rate.
        non_monotone: what becomes of a curve whose quality does not rise with its rate.
        least_overlap: share of the quality (or log rate) of both curves that must be common, 0 to 1: with less there
            is a reason in place of a figure.
        qualities: metrics; `quality` is the one that each test names.
        anchor_codec, proposal_codec: which to compare where a test has several; by default those of the same name,
            or the only ones.
        rate: the unit of rates; as the conditions say if it is None.
    """

    interpolation: Interpolation | None = None
    non_monotone: NonMonotone = NonMonotone.REFUSE
    least_overlap: float = LEAST_OVERLAP
    qualities: tuple[str, ...] = ()
    anchor_codec: str | None = None
    proposal_codec: str | None = None
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One layer.

    Args:
        test, layer, anchor, proposal: names; the last two of codecs.
        quality: the metric.
        rate: BD-rate in percent, negative where the proposal needs less; None with a reason.
        metric: BD-metric in units of the quality; None with a reason.
        low, high, overlap: the quality that both curves cover, and its share in what either covers.
        of_anchor, of_proposal: its share in what each covers.
        reason: why a figure is missing.
        warning: why a figure says little.
        encode_time, decode_time: of the proposal / of the anchor, over all points; None where that of a point is not
            known, or they have not as many points.
    """

    test: str
    layer: str
    anchor: str
    proposal: str
    quality: str
    rate: float | None = None
    metric: float | None = None
    low: float | None = None
    high: float | None = None
    overlap: float | None = None
    of_anchor: float | None = None
    of_proposal: float | None = None
    reason: str = ""
    warning: str = ""
    encode_time: float | None = None
    decode_time: float | None = None


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of the layers of a test, or of all.

    `counted` of `layers` have a BD-rate, `metrics` a BD-metric; `warned` of them have a warning.
    """

    test: str
    anchor: str
    proposal: str
    quality: str
    rate: float | None
    metric: float | None
    counted: int
    metrics: int
    layers: int
    warned: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was compared; `rate` is the unit of the rates, `notes` say what to keep in mind."""

    anchor: str
    proposal: str
    interpolation: str
    rate: str
    lines: tuple[Line, ...]
    means: tuple[Mean, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def compare(anchor: Run, proposal: Run, rules: Rules | None = None) -> Comparison:
    """Compare two runs.

    Raises:
        UsageError: they have no test and layer in common, or are not of the same networks and data, or a record is
            damaged.
    """
    rules = rules or Rules()
    check(anchor)
    check(proposal)
    given = anchor.conditions.document.get("bd", {})
    interpolation = rules.interpolation or Interpolation(given.get("interpolation", "pchip"))
    qualities = rules.qualities or tuple(given.get("qualities", DEFAULT_QUALITIES))
    rules = replace(rules, interpolation=interpolation, rate=rules.rate or rate_of(anchor.conditions.document))
    lines, notes = [], []
    for test in anchor.conditions.tests:
        other = next((t for t in proposal.conditions.tests if t.name == test.name), None)
        if other is None:
            notes.append(f"{test.name} is in the anchor only")
            continue
        _same_subject(anchor, proposal, test.name)
        for first, second in _pairs(_swept(anchor, test, rules.anchor_codec), test,
                                    _swept(proposal, other, rules.proposal_codec)):  # fmt: skip
            wanted = list(dict.fromkeys(test.quality if q == OWN_QUALITY else q for q in qualities))
            both = set(anchor.conditions.layers_of(test, first)) & set(proposal.conditions.layers_of(other, second))
            for layer in [layer for layer in test.layers if layer in both]:
                points = (_points(anchor, test.name, layer, first), _points(proposal, test.name, layer, second))
                if len({own[0]["digests"]["features"] for own in points if own}) == 2:
                    notes.append(f"{test.name}, {layer}: the features differ, as other processors compute them")
                lines += [_line(test.name, layer, (first, second), q, points, rules) for q in wanted]
    if not lines:
        raise UsageError(f"{anchor.folder} and {proposal.folder} have no test and layer in common")
    assert rules.rate is not None
    refit = ", curves that do not rise refitted by a monotone cubic," if rules.non_monotone is NonMonotone.CUBIC else ""
    names = (anchor.name, proposal.name, f"{interpolation}{refit}", rules.rate.title)
    return Comparison(*names, tuple(lines), tuple(_means(lines)), tuple(notes))


def _same_subject(anchor: Run, proposal: Run, test: str) -> None:
    first, second = anchor.identity["tests"].get(test, {}), proposal.identity["tests"].get(test, {})
    changed = list(subject_differences(first, second))
    if changed:
        raise UsageError(f"test {test} is not the same in both runs: {'; '.join(changed)}")


def _swept(run: Run, test: Test, chosen: str | None) -> list[str]:
    """Codecs that make a curve: the one that was chosen, or all of features whose parameter is swept.

    Raises:
        UsageError: there is none.
    """
    if chosen is not None and chosen not in test.codecs:
        raise UsageError(f"test {test.name} of {run.folder} has no codec {chosen}: {', '.join(test.codecs)}")
    known = run.conditions.codecs
    if chosen:
        return [chosen]
    swept = [known[name] for name in test.codecs if known[name].parameter and known[name].link is None]
    # Pictures are the same in both runs, unless there is nothing else to compare.
    return [codec.name for codec in swept if not codec.picture] or [codec.name for codec in swept]


def _pairs(firsts: Sequence[str], test: Test, seconds: Sequence[str]) -> list[tuple[str, str]]:
    """Codecs to compare, by name.

    Raises:
        UsageError: it is not clear which.
    """
    if len(firsts) == 1:
        return [(firsts[0], second) for second in seconds]
    same = [(name, name) for name in firsts if name in seconds]
    if not same and firsts and seconds:
        raise UsageError(
            f"test {test.name}: which codec of the anchor is compared with {', '.join(seconds)}? Say --anchor-codec, "
            f"one of {', '.join(firsts)}"
        )
    return same


def _points(run: Run, test: str, layer: str, codec: str) -> list[Record]:
    return [r for r in run.records if (r["test"], r["layer"], r["codec"]) == (test, layer, codec)]


def _line(
    test: str,
    layer: str,
    codecs: tuple[str, str],
    quality: str,
    points: tuple[Sequence[Record], Sequence[Record]],
    rules: Rules,
) -> Line:
    line: dict[str, Any] = {"encode_time": _ratio(points, "encode"), "decode_time": _ratio(points, "decode")}
    reasons, warnings = [], []
    assert rules.interpolation is not None
    try:
        ours = _curve(f"anchor ({codecs[0]})", points[0], quality, rules)
        theirs = _curve(f"proposal ({codecs[1]})", points[1], quality, rules)
    except CurveError as error:
        return Line(test, layer, *codecs, quality, reason=str(error), **line)
    try:
        rate = bd_rate(ours, theirs, rules.interpolation, least_overlap=rules.least_overlap)
        line |= {"rate": rate.value, "low": rate.low, "high": rate.high, "overlap": rate.overlap}
        line |= {"of_anchor": rate.of_anchor, "of_proposal": rate.of_proposal}
        warnings += [f"BD-rate {rate.warning}"] if rate.warning else []
    except CurveError as error:
        reasons.append(str(error))
    try:
        metric = bd_metric(ours, theirs, rules.interpolation, least_overlap=rules.least_overlap)
        line["metric"] = metric.value
        warnings += [f"BD-metric {metric.warning}"] if metric.warning else []
    except CurveError as error:
        reasons.append(str(error))
    return Line(test, layer, *codecs, quality, reason="; ".join(reasons), warning="; ".join(warnings), **line)


def _ratio(points: tuple[Sequence[Record], Sequence[Record]], what: str) -> float | None:
    """Time of the second / time of the first; None where it would be of other points, or of a time of nothing."""
    first, second = ([record["times"].get(what) for record in own] for own in points)
    if not first or len(first) != len(second) or not all((*first, *second)):
        return None
    return math.fsum(second) / math.fsum(first)


def _curve(name: str, points: Sequence[Record], quality: str, rules: Rules) -> Curve:
    known = {metric for point in points for metric in point["metrics"]}
    if any(quality not in point["metrics"] for point in points):
        raise CurveError(f"{name}: no metric {quality}: {', '.join(sorted(known - {quality}))}")
    # A point without an error has no SNR, and no place on the curve.
    kept = [point for point in points if point["metrics"][quality] is not None]
    if len(kept) < min(MIN_POINTS, len(points)):
        lacking = f"{len(points) - len(kept)} of {len(points)} points have no {quality}"
        raise CurveError(f"{name}: {lacking}: at least {MIN_POINTS} that have one are needed")
    assert rules.rate is not None
    rates = [rules.rate.of(point) for point in kept]
    if None in rates:
        raise CurveError(f"{name}: not every point has a rate in {rules.rate.title}")
    known_rates, values = [rate for rate in rates if rate is not None], [point["metrics"][quality] for point in kept]
    return Curve.of(name, known_rates, values, rules.non_monotone)


def _means(lines: Sequence[Line]) -> list[Mean]:
    means = []
    for quality in dict.fromkeys(line.quality for line in lines):
        own = [line for line in lines if line.quality == quality]
        for codecs in dict.fromkeys((line.anchor, line.proposal) for line in own):
            pair = [line for line in own if (line.anchor, line.proposal) == codecs]
            tests = list(dict.fromkeys(line.test for line in pair))
            means += [_mean(test, quality, [line for line in pair if line.test == test]) for test in tests]
            if len(tests) > 1:
                means.append(_mean("", quality, pair))
    return means


def _mean(test: str, quality: str, lines: Sequence[Line]) -> Mean:
    rates = [line.rate for line in lines if line.rate is not None]
    metrics = [line.metric for line in lines if line.metric is not None]
    return Mean(
        test,
        lines[0].anchor,
        lines[0].proposal,
        quality,
        fmean(rates) if rates else None,
        fmean(metrics) if metrics else None,
        len(rates),
        len(metrics),
        len(lines),
        sum(bool(line.warning) for line in lines),
    )
