"""Informative: features against pictures within one run: BD-rate, crossings, and rates at the same performance.

The codecs of pictures are the anchors: each at each of the two input layers against the codecs of features at every
cut. A rate is in a unit that spans layers, so that both sides are told in the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.anchors.checks import check
from refsw.evaluation.anchors.compare import LEAST_OVERLAP
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.anchors.units import Rate, across_layers, rate_of
from refsw.evaluation.bdrate import Curve, Interpolation, NonMonotone, bd_rate
from refsw.evaluation.crossing import Reached, crossing, rate_at
from refsw.evaluation.errors import CurveError

SHARES = (0.99, 0.95)
"""Of the performance without coding, at which rates are compared."""
FEATURES, PICTURES, UNDECIDED = "features", "pictures", "undecided"


@dataclass(frozen=True, slots=True)
class Points:
    """The points of a codec at a layer, by rising rate."""

    layer: str
    codec: str
    rates: tuple[float, ...]
    qualities: tuple[float, ...]

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.layer}, {self.codec}"


@dataclass(frozen=True, slots=True)
class Duel:
    """Features of a layer against pictures.

    Args:
        layer, codec: of the features.
        picture_layer, picture: of the pictures.
        rate: BD-rate in percent of the pictures' rate, negative where features need less; None with a reason.
        low, high: qualities that both curves cover.
        crossings: rates at which the curves cross.
        lower, from_rate, to_rate: which is better from the lowest rate that both cover up to the first crossing.
        reason, warning: why figures are missing, or say little.
    """

    layer: str
    codec: str
    picture_layer: str
    picture: str
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    crossings: tuple[float, ...] = ()
    lower: str = ""
    from_rate: float | None = None
    to_rate: float | None = None
    reason: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """The smallest rates at a share of the performance without coding.

    Args:
        share, quality: the share, and the quality that it makes.
        pictures: by layer and codec; None where no point is that good.
        features: the same.
        winners: by layer of features: who needs less, against the best of all pictures.
    """

    share: float
    quality: float
    pictures: dict[tuple[str, str], Reached | None]
    features: dict[tuple[str, str], Reached | None]
    winners: dict[str, str]


@dataclass(frozen=True, slots=True)
class Against:
    """A test at equal `metric`: duels, and rates at the same performance, in a unit."""

    test: str
    metric: str
    rate: Rate
    interpolation: Interpolation
    duels: tuple[Duel, ...]
    levels: tuple[Level, ...]
    layers: tuple[str, ...]

    def bd_winners(self) -> dict[str, str]:
        """Who needs less by BD-rate at each layer: features only if against every codec of pictures with a figure."""
        found = {}
        for layer in self.layers:
            rates = [duel.rate for duel in self.duels if duel.layer == layer and duel.rate is not None]
            found[layer] = UNDECIDED if not rates else FEATURES if max(rates) < 0 else PICTURES
        return found

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        levels = [
            {"share": level.share, "quality": level.quality, "winners": level.winners}
            | {kind: [{"layer": layer, "codec": codec, "rate": r and r.rate, "at_most": bool(r and r.at_most)}
                      for (layer, codec), r in own.items()]
               for kind, own in (("pictures", level.pictures), ("features", level.features))}
            for level in self.levels
        ]  # fmt: skip
        return {
            "test": self.test, "metric": self.metric, "unit": self.rate.title,
            "interpolation": self.interpolation.value,
            "duels": [asdict(duel) for duel in self.duels], "bd_winners": self.bd_winners(), "levels": levels,
            "wins_from": {"bd_rate": wins_from(self.layers, self.bd_winners()),
                          **{f"{level.share:g}": wins_from(self.layers, level.winners) for level in self.levels}},
        }  # fmt: skip


def sends_pictures(run: Run, test: Test) -> bool:
    """Whether a test codes both pictures and features."""
    kinds = {bool(run.conditions.codecs[name].picture) for name in test.codecs}
    return kinds == {True, False}


def compare_with_pictures(
    run: Run,
    *,
    rate: Rate | None = None,
    interpolation: Interpolation | None = None,
    non_monotone: NonMonotone = NonMonotone.PARETO,
    metrics: Sequence[str] = (),
) -> list[Against]:
    """Every test that has both, at equal quality of the test and at equal performance of the task.

    Args:
        run: with records.
        rate: unit; one that spans layers is taken if this one does not.
        interpolation: of BD figures and crossings; as the conditions say if it is None.
        non_monotone: what becomes of curves that do not rise.
        metrics: others than those two.

    Raises:
        UsageError: no test has both, or a record is damaged.
    """
    check(run)
    given = run.conditions.document.get("bd", {})
    chosen = interpolation or Interpolation(given.get("interpolation", "pchip"))
    found = []
    for test in run.conditions.tests:
        own = [record for record in run.records if record["test"] == test.name and "realisations" not in record]
        if not sends_pictures(run, test) or not own:
            continue
        unit = across_layers(rate or rate_of(run.conditions.document), own)
        for metric in metrics or wanted_metrics(test, own):
            found.append(_against(run, test, own, metric, unit, chosen, non_monotone))
    if not found:
        raise UsageError(f"{run.folder}: no test with both pictures and features (layers: input, input-resized)")
    return found


def wanted_metrics(test: Test, records: Sequence[Record]) -> list[str]:
    """The quality of a test, and what its task is known by: the first metric with a value without coding."""
    known = [name for name in records[0]["pristine"] if name != "distortion"]
    performance = [name for name in known if name != test.quality][:1]
    return [name for name in dict.fromkeys((test.quality, *performance)) if name in records[0]["metrics"]]


def curves(run: Run, test: Test, records: Sequence[Record], metric: str, unit: Rate) -> Iterator[tuple[bool, Points]]:
    """The points of each codec at each layer, with whether it codes pictures."""
    for layer in test.layers:
        for codec in run.conditions.codecs_of(test, layer):
            known = [r for r in records if (r["layer"], r["codec"]) == (layer, codec.name)]
            pairs = [(unit.of(record), record["metrics"].get(metric)) for record in known]
            points = sorted((r, q) for r, q in pairs if r is not None and q is not None)
            if points:
                rates, qualities = zip(*points, strict=True)
                yield bool(codec.picture), Points(layer, codec.name, rates, qualities)


def _against(
    run: Run,
    test: Test,
    records: Sequence[Record],
    metric: str,
    unit: Rate,
    interpolation: Interpolation,
    non_monotone: NonMonotone,
) -> Against:
    known = list(curves(run, test, records, metric, unit))
    pictures = [points for is_picture, points in known if is_picture]
    features = [points for is_picture, points in known if not is_picture]
    duels = [_duel(ours, theirs, interpolation, non_monotone) for ours in features for theirs in pictures]
    pristine = records[0]["pristine"].get(metric)
    levels = [] if pristine is None else [_level(share, share * pristine, pictures, features) for share in SHARES]
    layers = tuple(dict.fromkeys(points.layer for points in features))
    return Against(test.name, metric, unit, interpolation, tuple(duels), tuple(levels), layers)


def _duel(features: Points, pictures: Points, interpolation: Interpolation, non_monotone: NonMonotone) -> Duel:
    names = (features.layer, features.codec, pictures.layer, pictures.codec)
    try:
        ours, theirs = (Curve.of(p.name, p.rates, p.qualities, non_monotone) for p in (features, pictures))
    except CurveError as error:
        return Duel(*names, reason=str(error))
    figures: dict[str, Any] = {}
    reasons = []
    try:
        rate = bd_rate(theirs, ours, interpolation, least_overlap=LEAST_OVERLAP)
        figures |= {"rate": rate.value, "low": rate.low, "high": rate.high, "warning": rate.warning}
    except CurveError as error:
        reasons.append(str(error))
    try:
        met = crossing(ours, theirs, interpolation)
        lower = {True: FEATURES, False: PICTURES, None: ""}[met.first_is_better]
        figures |= {"crossings": met.rates, "lower": lower, "from_rate": met.low, "to_rate": met.high}
    except CurveError as error:
        reasons.append(str(error))
    return Duel(*names, reason="; ".join(reasons), **figures)


def _level(share: float, quality: float, pictures: Sequence[Points], features: Sequence[Points]) -> Level:
    sent = {(p.layer, p.codec): rate_at(p.rates, p.qualities, quality) for p in pictures}
    ours = {(p.layer, p.codec): rate_at(p.rates, p.qualities, quality) for p in features}
    winners = {}
    for layer in dict.fromkeys(p.layer for p in features):
        own = [reached for (name, _), reached in ours.items() if name == layer]
        winners[layer] = winner(_best(own), _best(list(sent.values())))
    return Level(share, quality, sent, ours, winners)


def _best(reached: Sequence[Reached | None]) -> Reached | None:
    return min((r for r in reached if r is not None), key=lambda r: (r.rate, not r.at_most), default=None)


def winner(features: Reached | None, pictures: Reached | None) -> str:
    """Who needs less; undecided where no point is that good, or a rate is only known to be at most something."""
    if features is None or pictures is None:
        return UNDECIDED
    if features.rate < pictures.rate:
        return UNDECIDED if pictures.at_most else FEATURES
    return UNDECIDED if features.at_most else PICTURES


def wins_from(layers: Sequence[str], winners: dict[str, str]) -> str | None:
    """The layer from which on features win at every deeper one; None if they do not at the deepest."""
    found = None
    for layer in reversed(layers):
        if winners.get(layer) != FEATURES:
            break
        found = layer
    return found
