"""8.6.5 Expected magnitudes: from channels decoded before, neighbours, and what is known of the channel."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from refsw.compiled import compiled
from refsw.payload.native import loops
from refsw.payload.native.parameters import Start
from refsw.payload.native.scale import BINS, KINDS, MOST, ONE, Integers, Small, thresholds

GROUP_ENDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32)
"""8.6.4 Of 32 parts of the channels, where groups end."""
PHASE_PLACES = ((0, 0), (1, 1), (0, 1), (1, 0))
"""8.6.4 Row and column, modulo 2, of the positions of a phase."""


def group_bounds(channels: int) -> Iterator[tuple[int, int]]:
    """8.6.4 First channel, and the one after the last, of every group that has any."""
    for first, last in pairwise(channels * end // GROUP_ENDS[-1] for end in GROUP_ENDS):
        if first < last:
            yield first, last


class Group:
    """8.6.5 The channels `first` to `last` - 1 while they are coded, phase by phase.

    Args:
        start: weights.
        magnitudes: int32 (channels, rows, columns), of all channels; those of earlier groups are known.
        priors: int32 (channels,), of all.
        classes: of all channels, or None.
        first, last: the group.
        total: int64 (rows, columns): the sum of the magnitudes of all earlier channels.
    """

    def __init__(self, start: Start, magnitudes: Small, priors: Small, classes: npt.NDArray[np.uint8] | None,
                 first: int, last: int, total: Integers) -> None:  # fmt: skip
        self.start, self.first, self.last = start, first, last
        self.own = magnitudes[first:last]
        self.priors = priors[first:last, None, None]
        self.table = np.zeros((last - first, 1, 1), np.int32)
        if classes is not None:
            self.table = classes[first:last, None, None].astype(np.int32) * (BINS * KINDS)
        self.sums = self.priors.astype(np.int64)
        self.count = 1
        shared: list[Small] = []
        if first:
            activity = _activity(total, priors[:first])
            shared = [np.minimum((self.priors * activity + 128) >> 8, MOST)]
            if start.references.size:
                referred = _referred(start, magnitudes, first, last)
                shared += [referred, around(referred)]
        self.shared = np.stack(shared) if shared else np.empty((0, *self.own.shape), np.int32)

    def features(self, phase: int) -> list[tuple[int, Small | Integers]]:
        """8.6.5 What the expected magnitudes of a phase are made of: place of the weight, and values."""
        row, column = PHASE_PLACES[phase]
        mean = (2 * self.sums + self.count) // (2 * self.count)
        found: list[tuple[int, Small | Integers]] = [(0, mean.astype(np.int32)), (1, self.priors)]
        found += [(3 + i, shared[:, row::2, column::2]) for i, shared in enumerate(self.shared)]
        found += [(6 + i, value) for i, value in enumerate(_neighbours(self.own, self.priors, phase))]
        return found

    def bins(self, phase: int) -> Small:
        """8.6.5 The bin of every position of a phase: (channels, rows, columns)."""
        loop = compiled(loops.bins)
        if loop is None:
            return bins_of(self.expected(phase))
        row, column = PHASE_PLACES[phase]
        weights = self.start.weights[int(self.first > 0), phase]
        found = np.empty(self.own[:, row::2, column::2].shape, np.int32)
        loop(self.own, self.priors[:, 0, 0], self.sums[:, 0, 0], self.count, self.shared, weights, phase,
             thresholds(), found)  # fmt: skip
        return found

    def expected(self, phase: int) -> Small:
        """8.6.5 The expected magnitude of every position of a phase, in 2^-18 step: (channels, rows, columns)."""
        row, column = PHASE_PLACES[phase]
        weights = self.start.weights[int(self.first > 0), phase]
        expected = np.full(self.own[:, row::2, column::2].shape, weights[2] * ONE, np.int32)
        for place, values in self.features(phase):
            if weights[place]:
                expected += weights[place] * values
        return expected

    def tables(self, bins: Small, phase: int) -> npt.NDArray[np.uint16]:
        """8.6.5 The table of every position."""
        return (bins + (self.table + BINS * min(phase, KINDS - 1))).astype(np.uint16)

    def put(self, phase: int, magnitudes: Small) -> None:
        """Take the magnitudes (channels, rows, columns) of a phase."""
        row, column = PHASE_PLACES[phase]
        self.own[:, row::2, column::2] = magnitudes
        self.sums += magnitudes.sum(axis=(1, 2), keepdims=True, dtype=np.int64)
        self.count += magnitudes.shape[1] * magnitudes.shape[2]


def groups_of(start: Start, magnitudes: Small, priors: Small, classes: npt.NDArray[np.uint8] | None) -> Iterator[Group]:
    """8.6.4 The groups, one after the other; before the next one is asked for, the magnitudes of a group are known."""
    total = np.zeros(magnitudes.shape[1:], np.int64)
    for first, last in group_bounds(len(magnitudes)):
        yield Group(start, magnitudes, priors, classes, first, last, total)
        total += magnitudes[first:last].sum(axis=0)


def bins_of(expected: Small | Integers) -> Small:
    """8.6.2.2 The bins of expected magnitudes."""
    found = np.searchsorted(thresholds(), expected.reshape(-1), side="right")
    return found.reshape(expected.shape).astype(np.int32)


def _activity(total: Integers, priors: Small) -> Small:
    """8.6.5 How much more than usual there is at every position: (rows, columns), in 1/256."""
    usual = int(priors.sum(dtype=np.int64))
    ratio: Integers = (256 * total + (usual >> 1)) // usual
    return np.minimum(ratio, MOST).astype(np.int32)


def _referred(start: Start, magnitudes: Small, first: int, last: int) -> Small:
    """8.6.5 The weighted sum of the references of every channel: (channels, rows, columns)."""
    total = np.full((last - first, *magnitudes.shape[1:]), 128, np.int32)
    for places, weights in zip(start.references[first:last].T, start.reference_weights[first:last].T, strict=True):
        total += weights[:, None, None] * magnitudes[places]
    found: Small = np.minimum(total >> 8, MOST)
    return found


def around(values: Small) -> Small:
    """8.6.5 The mean of the eight neighbours, edges repeated."""
    rows = _shifted(values, 1, 1, 1)
    vertical = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    columns = _shifted(vertical, 1, 1, 2)
    found: Small = (columns[:, :, :-2] + columns[:, :, 1:-1] + columns[:, :, 2:] - values + 4) >> 3
    return found


def _shifted(values: Small, before: int, after: int, axis: int) -> Small:
    """With the first slice along an axis repeated before it, and the last one after it."""
    first, last = values.take([0] * before, axis), values.take([-1] * after, axis)
    return np.concatenate([first, values, last], axis)


def _neighbours(own: Small, priors: Small, phase: int) -> list[Small]:
    """8.6.5 Means of the neighbours, of each kind, that a phase has: (channels, rows, columns) each."""
    if phase == 0:
        return []
    row, column = PHASE_PLACES[phase]
    rows, columns = own[:, row::2, column::2].shape[1:]
    if not rows or not columns:
        return []
    even, odd = own[:, ::2, ::2], own[:, 1::2, 1::2]
    if phase == 1:
        return [_four(even, rows, columns, 0, 0)]
    if phase == 2:
        return [_two(even, columns, 0, 2), _two(odd, rows, 1, 1) if odd.shape[1] else _absent(priors, own, phase)]
    other = own[:, ::2, 1::2]
    if not other.shape[2]:
        return [_two(even, rows, 0, 1), _absent(priors, own, phase), _absent(priors, own, phase)]
    return [_two(even, rows, 0, 1), _two(odd, columns, 1, 2), _four(other, rows, columns, 0, 1)]


def _absent(priors: Small, own: Small, phase: int) -> Small:
    row, column = PHASE_PLACES[phase]
    return np.broadcast_to(priors, own[:, row::2, column::2].shape)


def _two(values: Small, extent: int, before: int, axis: int) -> Small:
    """Means of neighbours along an axis."""
    padded = _shifted(values, before, 1, axis)
    first, second = (padded.take(range(i, i + extent), axis) for i in (0, 1))
    return (first + second + 1) >> 1


def _four(values: Small, rows: int, columns: int, above: int, left: int) -> Small:
    """Means of the four diagonal neighbours."""
    padded = _shifted(_shifted(values, above, 1, 1), left, 1, 2)
    vertical = padded[:, :rows] + padded[:, 1 : rows + 1]
    return (vertical[:, :, :columns] + vertical[:, :, 1 : columns + 1] + 2) >> 2
