"""Informative: a start from samples: weights, reconstruction points and tables that suit a layer, or many layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from refsw.payload.native.contexts import group_bounds
from refsw.payload.native.encoder import LAGRANGIAN, Costs, SampleEncoder, Step
from refsw.payload.native.parameters import FEATURES, PHASES, Start
from refsw.payload.native.scale import (
    BINS,
    DIRECT,
    KINDS,
    MAGNITUDES,
    MOST,
    ONE,
    TOKENS,
    WEIGHT_BITS,
    nearest_code,
    tokens,
)
from refsw.payload.native.starts import sparse_start
from refsw.tensor.axes import Array

FLOOR = 0.015
"""Steps that are added to an expected magnitude to weigh errors of it."""
SMOOTHING = 60.0
LEAN = 0.1
POINT_COUNT = 20
LARGEST_WEIGHT = (1 << 12) - 1
LARGEST_POINT = 127
Real = npt.NDArray[np.float64]


class Statistics:
    """What is counted while samples are coded with a start.

    Args:
        start: the start.
        order: of the channels of a layer, where classes of them are looked for.
        weighing: whether weights are looked for.
    """

    def __init__(self, start: Start, order: npt.NDArray[np.intp] | None = None, *, weighing: bool = True) -> None:
        self.start, self.order, self.weighing = start, order, weighing
        self.bits = Costs(start).bits.reshape(-1, BINS * KINDS, TOKENS)
        self.entropy = _entropy(start)
        if order is not None:
            self.class_costs = np.zeros((len(order), len(self.bits)))
            self.usual = np.zeros(len(order))
        self.cost = 0.0
        self.counts = np.zeros((len(start.codes), TOKENS))
        self.errors, self.hits = np.zeros((BINS, 4)), np.zeros((BINS, 4))
        self.gram = np.zeros((2, PHASES, FEATURES, FEATURES))
        self.right = np.zeros((2, PHASES, FEATURES))

    def add(self, step: Step) -> None:
        """Count a step."""
        values, bins, tables = step.values.reshape(-1), step.bins.reshape(-1), step.tables.reshape(-1)
        index = tables.astype(np.int64) * TOKENS + tokens()[values]
        self.counts += np.bincount(index, minlength=self.counts.size).reshape(self.counts.shape)
        if self.order is not None:
            whose = self.order[step.group.first : step.group.first + len(step.values)]
            own = tables.astype(np.int64) % (BINS * KINDS)
            shape = (len(whose), -1)
            for i, bits in enumerate(self.bits):
                self.class_costs[whose, i] += bits[own, tokens()[values]].reshape(shape).sum(axis=1)
            self.usual[whose] += self.entropy[tables].reshape(shape).sum(axis=1)
        cell = bins * 4 + np.minimum(values, 3)
        decoded = np.maximum(ONE * values + self.start.points.reshape(-1)[cell], 0)
        self.cost += float(np.square((step.sizes.reshape(-1) - decoded) * (1 / ONE)).sum())
        self.cost += LAGRANGIAN * float(self.bits.reshape(-1, TOKENS)[tables, tokens()[values]].sum())
        error = np.subtract(step.sizes.reshape(-1) * (1 / ONE), values)
        self.errors += np.bincount(cell, error, BINS * 4).reshape(BINS, 4)
        self.hits += np.bincount(cell, minlength=BINS * 4).reshape(BINS, 4)
        if self.weighing:
            self._weigh(step)

    def _weigh(self, step: Step) -> None:
        place = int(step.group.first > 0)
        rows = np.zeros((FEATURES, step.values.size))
        rows[2] = 1
        for feature, part in step.group.features(step.phase):
            rows[feature] = np.broadcast_to(np.asarray(part, np.float64), step.values.shape).reshape(-1) / ONE
        expected = self.start.weights[place, step.phase] / (1 << WEIGHT_BITS) @ rows
        scaled = rows / (expected + FLOOR)
        self.gram[place, step.phase] += scaled @ scaled.T
        self.right[place, step.phase] += scaled @ (step.sizes.reshape(-1) / ONE / (expected + FLOOR))

    def weights(self) -> npt.NDArray[np.int32]:
        """The weights that predict best."""
        found = self.start.weights.copy()
        for g in range(2):
            for phase in range(PHASES):
                if self.gram[g, phase].any():
                    exact = nonnegative(self.gram[g, phase], self.right[g, phase])
                    found[g, phase] = np.clip(np.rint(exact * (1 << WEIGHT_BITS)), 0, LARGEST_WEIGHT)
        return found

    def points(self) -> npt.NDArray[np.int32]:
        """The mean places of the elements of every value."""
        usual = self.errors.sum(axis=0) / np.maximum(self.hits.sum(axis=0), 1)
        found = (self.errors + POINT_COUNT * usual) / (self.hits + POINT_COUNT)
        found[:, 0] = np.clip(found[:, 0], 0, 0.5)
        points: npt.NDArray[np.int32] = np.clip(np.rint(found * ONE), -LARGEST_POINT, LARGEST_POINT).astype(np.int32)
        return points

    def codes(self) -> tuple[bytes, ...]:
        """The tables of what was counted; those of few counts lean on the others of their bin, and on bins beside."""
        counts = self.counts.reshape(-1, BINS, TOKENS)
        whole = counts.sum(axis=0)
        near = whole.copy()
        near[1:] += LEAN * whole[:-1]
        near[:-1] += LEAN * whole[1:]
        near /= np.maximum(near.sum(axis=1, keepdims=True), 1e-9)
        smooth = counts + SMOOTHING * near
        return tuple(_codes(row) for row in smooth.reshape(-1, TOKENS))

    def excess(self) -> Real:
        """By how much channels take more bits than their tables make expect."""
        return self.class_costs[:, 0] / np.maximum(self.usual, 1e-9)

    def improved(self) -> Start:
        """The start with what was learned."""
        found = replace(self.start, points=self.points(), codes=self.codes())
        return replace(found, weights=self.weights()) if self.weighing else found


def _entropy(start: Start) -> Real:
    """Bits of a value of every table."""
    share = start.tables.frequencies[:, :TOKENS] / start.tables.total
    found: Real = (share * Costs(start).bits).sum(axis=1)
    return found


def _codes(counts: Real) -> bytes:
    """8.6.2.4 Codes of one table, up to the last token that comes often enough."""
    seen = np.flatnonzero(counts >= 0.5)
    last = int(seen[-1]) if seen.size else 0
    counts = np.maximum(counts[: last + 1], 0.05)
    rest = counts[::-1].cumsum()[::-1] + 0.02
    return bytes(nearest_code(float(c / r)) for c, r in zip(counts, rest, strict=True))


def nonnegative(gram: Real, right: Real, rounds: int = 400, near: Real | None = None) -> Real:
    """The x >= 0 that makes x'Gx / 2 - r'x least, by coordinates, beginning where it is thought to be."""
    x = np.zeros(len(right))
    if near is not None:
        x[: len(near)] = near
    for _ in range(rounds):
        for i in range(len(x)):
            if gram[i, i] > 0:
                x[i] = max(0.0, x[i] + (right[i] - gram[i] @ x) / gram[i, i])
    return x


def plain_start(classes: int = 1) -> Start:
    """A start to begin to learn from."""
    weights = np.zeros((2, PHASES, FEATURES), np.int32)
    weights[:, :, 0] = 300
    weights[:, :, 1] = 200
    weights[:, :, 2] = 10
    weights[1, :, 3] = 200
    weights[:, 0, 0] = 500
    weights[:, 1, 6] = 500
    weights[:, 2, 6:8] = 250
    weights[:, 3, 6:9] = 180
    codes = []
    for b in range(BINS):
        mean = 2.0 ** (-6.5 + (b + 0.5) / 3.5)
        row = []
        for t in range(TOKENS):
            width = 1 if t < DIRECT else 1 << ((t - DIRECT) // 4 + 2)
            row.append(nearest_code(1 - (mean / (1 + mean)) ** width))
            if t > 6 * mean + 4:
                break
        codes.append(bytes(row))
    return Start(weights, np.zeros((BINS, 4), np.int32), tuple(codes) * KINDS * classes)


@dataclass(frozen=True, slots=True)
class Training:
    """How parameters of a layer are learned.

    Args:
        references: of a channel, at most. 0: no priors and classes of channels either; what is learned is a twentieth
            of the size then, and samples tell themselves how great their channels are.
        classes: of channels.
        rounds: passes over the samples; the last ones learn tables alone, and the best of all is kept.
    """

    references: int = 4
    classes: int = 4
    rounds: int = 6


def layer_start(universal: Start, samples: Sequence[Sized], training: Training) -> Start:
    """8.6.3 Parameters for a layer.

    Args:
        universal: where to begin.
        samples: sizes of the elements of samples, in 1/256 step, with their levels, steps and zeros.
        training: how.
    """
    channels = len(samples[0].sizes)
    if not training.references:
        return _tables_start(replace(universal, channels=channels), samples, training.rounds)
    means = np.mean([one.sizes.mean(axis=(1, 2)) for one in samples], axis=0)
    priors = np.clip(np.rint(4 * np.log2(np.maximum(means, 1e-9))), 0, MAGNITUDES - 1).astype(np.uint8)
    order = np.argsort(-priors.astype(np.int64), kind="stable")
    references, weights = find_references(samples, order, training.references)
    start = replace(universal, channels=channels, priors=priors, references=references, reference_weights=weights)
    best, least = start, np.inf
    for i in range(training.rounds + 1):
        classed = training.classes > 1 and 0 < i < training.rounds - 2
        weighing = i < training.rounds - 3
        statistics, costs = Statistics(start, order if classed else None, weighing=weighing), Costs(start)
        for one in samples:
            SampleEncoder(start, costs, i > 0, statistics.add).encode(one.levels, one.step, one.zero)
        if i > 0 and statistics.cost < least:
            best, least = start, statistics.cost
        start = statistics.improved()
        if classed and i == 1:
            excess = statistics.excess()
            rank = np.argsort(np.argsort(excess)) * training.classes // channels
            start = replace(start, classes=rank.astype(np.uint8), codes=start.codes * training.classes)
        elif classed:
            start = replace(start, classes=statistics.class_costs.argmin(axis=1).astype(np.uint8))
    return best


def _tables_start(universal: Start, samples: Sequence[Sized], rounds: int) -> Start:
    """Weights, points and tables alone, begun from the better one of the starts of the text."""
    sparse = replace(sparse_start(), channels=universal.channels)
    (first, start), (other, second) = (
        (_learned(start, samples, weighing=True), start) for start in (universal, sparse)
    )
    if other.cost < first.cost:
        first, start = other, second
    best, least = start, first.cost
    for i in range(rounds):
        start = first.improved()
        first = _learned(start, samples, weighing=i < rounds - 4)
        if first.cost < least:
            best, least = start, first.cost
    return best


def _learned(start: Start, samples: Sequence[Sized], *, weighing: bool) -> Statistics:
    statistics, costs = Statistics(start, weighing=weighing), Costs(start)
    for one in samples:
        SampleEncoder(start, costs, watch=statistics.add).encode(one.levels, one.step, one.zero)
    return statistics


@dataclass(frozen=True, slots=True)
class Sized:
    """A sample to learn from: its levels, the step in 1/256 level, the level of 0 (None: no signs)."""

    levels: Array
    step: int
    zero: int | None

    @property
    def sizes(self) -> Real:
        """Sizes of the elements in 1/256 step."""
        return np.abs(self.levels.astype(np.int64) - (self.zero or 0)) * (ONE * ONE / self.step)


CANDIDATES = 48
RIDGE = 0.01


def find_references(samples: Sequence[Sized], order: npt.NDArray[np.intp], most: int) -> tuple[Any, Any]:
    """Channels of earlier groups that tell most of each channel: places and weights, (channels, most) each."""
    channels = len(order)
    places, weights = np.zeros((channels, most), np.int32), np.zeros((channels, most), np.int32)
    if not most:
        return places, weights
    total, moments = np.zeros(channels), np.zeros((channels, channels))
    count = 0
    for one in samples:
        rows = np.minimum(one.sizes[order].reshape(channels, -1) / ONE, MOST / ONE)
        total += rows.sum(axis=1)
        moments += rows @ rows.T
        count += rows.shape[1]
    moments /= count
    spread = moments - np.outer(total, total) / count**2
    deviation = np.sqrt(np.maximum(np.diag(spread), 1e-12))
    likeness = spread / deviation[:, None] / deviation
    for first, last in group_bounds(channels):
        for k in range(first, last if first else first):
            near = np.argsort(-likeness[k, :first], kind="stable")[:CANDIDATES]
            gram, right = moments[np.ix_(near, near)], moments[near, k]
            chosen: list[int] = []
            found = np.zeros(0)
            rest = right.copy()
            for _ in range(min(most, len(near))):
                gain = rest / np.sqrt(np.diag(gram) + 1e-9)
                gain[chosen] = -1
                best = int(np.argmax(gain))
                if gain[best] <= 0:
                    break
                chosen.append(best)
                own = gram[np.ix_(chosen, chosen)]
                ridge = np.eye(len(chosen)) * (RIDGE * np.diag(own).mean() + 1e-12)
                found = nonnegative(own + ridge, right[chosen], 8, found)
                rest = right - gram[:, chosen] @ found
            scaled = np.clip(np.rint(found * 256), 0, 255) if chosen else np.zeros(0)
            places[k, : len(chosen)] = np.where(scaled > 0, near[chosen], 0)
            weights[k, : len(chosen)] = scaled
    return places, weights
