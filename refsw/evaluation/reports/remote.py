"""Informative: features against pictures as tables, and in a sentence that says which of them win."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from refsw.evaluation.anchors.bound import bound_of, distance
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Run
from refsw.evaluation.anchors.remote import (
    FEATURES,
    PICTURES,
    Against,
    Duel,
    Level,
    compare_with_pictures,
    sends_pictures,
    wins_from,
)
from refsw.evaluation.crossing import Reached
from refsw.evaluation.information.bounds import DecisionBound
from refsw.evaluation.reports.cells import CHANGE, EMPTY, SCORE, WHOLE_SHARE, Cell, Figure, Form, Table
from refsw.evaluation.reports.selection import metric_name

RATE = Form(4, "0.0000")
KEPT = 0.95
"""Share of the decisions that a point keeps to be held against the least rate."""


def tables(run: Run, test: Test) -> list[Table]:
    """The tables of a test that codes both; none of another."""
    if not sends_pictures(run, test):
        return []
    own = [table for against in compare_with_pictures(run) if against.test == test.name for table in shown(against)]
    bound = bound_of(run, test)
    return own if bound is None else [*own, bound_table(run, test, bound)]


def shown(against: Against) -> list[Table]:
    """BD-rate and crossings, and the rates at the same performance."""
    return [bd_table(against), crossing_table(against), *(level_table(against, level) for level in against.levels)]


def bound_table(run: Run, test: Test, bound: DecisionBound) -> Table:
    """The cheapest point of each codec at each layer that keeps most decisions, beside the least rate of any code."""
    rows: list[tuple[Cell, ...]] = []
    for layer in test.layers:
        for codec in run.conditions.codecs_of(test, layer):
            own = [r for r in run.records if (r["test"], r["layer"], r["codec"]) == (test.name, layer, codec.name)]
            near = [d for d in (distance(r, bound) for r in own) if d.fidelity >= KEPT]
            if not near:
                rows.append((layer, codec.name, *[EMPTY] * 5))
                continue
            best = min(near, key=lambda d: d.bits)
            times = best.bits / best.least if best.least else None
            forms = (Form(1, "0.0"), Form(1, "0.0"), SCORE, Form(3, "0.000"), Form(0, "0"))
            values = (best.bits, best.content, best.fidelity, best.least, times)
            rows.append((layer, codec.name, *map(Figure, values, forms)))
    entropy = bound.entropy
    notes = (
        f"Of each, the cheapest point that keeps {WHOLE_SHARE.text(KEPT)} of the decisions. Least: no code of pictures "
        f"or features has fewer bits at that fidelity, H - h(D) - D log2(M - 1), D the share of changed decisions; H "
        f"{entropy.value:.3f} bits of {entropy.samples} decisions in {bound.classes} classes, plug-in, whose bias is "
        f"{entropy.bias:.3f}.",
    )
    heading = ("layer", "codec", "bits an item", "without headers", "fidelity", "least bits", "times the least")
    return Table(f"{test.name}: how far from the limit", heading, tuple(rows), notes, texts=2)


def bd_table(against: Against) -> Table:
    """BD-rate of every layer against every codec of pictures, at each of the input layers."""
    known = {((d.layer, d.codec), (d.picture_layer, d.picture)): d for d in against.duels}
    sent = list(dict.fromkeys(key for _, key in known))
    ours = list(dict.fromkeys(key for key, _ in known))
    texts = 2 if len({codec for _, codec in ours}) > 1 else 1  # one codec of features needs no column
    rows: list[tuple[Cell, ...]] = [
        (*own[:texts], *(Figure(known[own, other].rate, CHANGE) for other in sent)) for own in ours
    ]
    places = {layer for layer, _ in sent}
    columns = [_place(one) if len(places) > 1 else one[1] for one in sent]
    equal = metric_name(against.metric)
    title = f"{against.test}: BD-rate against pictures at equal {equal}"
    told = against.bd_winners()
    notes = [
        f"Negative: features need less. {against.interpolation} over the logarithm of {against.rate.title}; "
        f"{_sentence(against.layers, told)}",
        *_reasons(against.duels),
    ]
    return Table(title, (*("layer", "codec")[:texts], *columns), tuple(rows), tuple(notes), texts=texts)


def _reasons(duels: Sequence[Duel]) -> Iterator[str]:
    """Why figures are missing or say little; a curve that is none is named once."""
    yield from dict.fromkeys(f"No figure: {duel.reason}." for duel in duels if duel.reason)
    for duel in duels:
        if duel.warning:
            yield f"Caution: {duel.layer} against {_place((duel.picture_layer, duel.picture))}: {duel.warning}."


def crossing_table(against: Against) -> Table:
    """Which has the higher quality at the lowest rate that both cover, and where that changes."""
    rows: list[tuple[Cell, ...]] = [
        (duel.layer, duel.codec, _place((duel.picture_layer, duel.picture)), duel.lower,
         *(Figure(rate, RATE) for rate in (duel.from_rate, (duel.crossings or (None,))[0], duel.to_rate)))
        for duel in against.duels
        if duel.from_rate is not None
    ]  # fmt: skip
    several = [d for d in against.duels if len(d.crossings) > 1]
    notes = [
        f"{d.layer} and {_place((d.picture_layer, d.picture))} cross again at "
        f"{', '.join(f'{rate:.4g}' for rate in d.crossings[1:])}."
        for d in several
    ]
    title = f"{against.test}: whose {metric_name(against.metric)} is higher, by {against.rate.title}"
    heading = ("layer", "codec", "pictures", "higher at first", "from", "up to the crossing", "common up to")
    return Table(title, heading, tuple(rows), tuple(notes), texts=4)


def level_table(against: Against, level: Level) -> Table:
    """The smallest rate of each codec at each layer that keeps a share of the performance."""
    rows: list[tuple[Cell, ...]] = []
    for kind, own in (("picture", level.pictures), ("features", level.features)):
        for (layer, codec), reached in own.items():
            who = level.winners[layer] if kind == "features" else ""
            rows.append((layer, codec, who, *_reached(reached)))
    share, name = WHOLE_SHARE.text(level.share), metric_name(against.metric)
    title = f"{against.test}: smallest {against.rate.title} with {share} of the {name} without coding"
    quality = SCORE.text(level.quality)
    notes = (
        f"{name} {quality}; linear over the logarithm of the rate between points. At most: the cheapest point is that "
        f"good already. Who needs less is against the best of the pictures; {_sentence(against.layers, level.winners)}",
    )
    return Table(title, ("layer", "codec", "who needs less", "", "rate"), tuple(rows), notes, texts=4)


def _reached(reached: Reached | None) -> tuple[Cell, Cell]:
    if reached is None:
        return "", EMPTY
    return "at most" if reached.at_most else "", Figure(reached.rate, RATE)


def _place(sent: tuple[str, str]) -> str:
    layer, codec = sent
    return f"{codec}, {layer}"


def _sentence(layers: Sequence[str], winners: dict[str, str]) -> str:
    """Where features win and where pictures do."""
    own = [layer for layer in layers if winners.get(layer) == FEATURES]
    others = [layer for layer in layers if winners.get(layer) == PICTURES]
    first = wins_from(layers, winners)
    if first is not None:
        told = [f"features win from {first} on"]
        own = []
    else:
        told = [f"features win at {', '.join(own)}"] if own else ["features win at no layer"]
    return "; ".join(told + ([f"pictures win at {', '.join(others)}"] if others else [])) + "."
