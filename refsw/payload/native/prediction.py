"""8.6.9 Prediction in time: expected magnitudes and tables of a predicted sample."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt

from refsw.payload.native import contexts
from refsw.payload.native.contexts import PHASE_PLACES, Group, around, bins_of, group_bounds
from refsw.payload.native.parameters import PHASES, Start
from refsw.payload.native.scale import BINS, ONE, WEIGHT_BITS, Integers, Small
from refsw.payload.native.universal_prediction import CODES, POINTS, WEIGHTS

BOUNDS = (5, 8, 12, 18, 28, 44, 76)
"""8.6.9.4 Beyond each of these, in 128ths of the magnitudes, their error lets the reliability fall by one."""
UNKNOWN = len(BOUNDS) + 1
RELIABILITIES = UNKNOWN + 1
PARTS = 4
"""Of an expected magnitude: that of an intra sample, the sample before, around it, and one."""
Classes = npt.NDArray[np.uint8] | None


@cache
def prediction_start() -> Start:
    """8.6.9.5 Points and tables of predicted samples; the weights (9, 4, 4) are those of `PredictedGroup`."""
    weights = np.array(WEIGHTS, np.int32).reshape(RELIABILITIES, PHASES, PARTS)
    return Start(weights, np.array(POINTS, np.int32), tuple(map(bytes.fromhex, CODES)))


class PredictedGroup(Group):
    """8.6.9.4 A group of channels of a predicted sample.

    Args:
        start: weights of an intra sample.
        magnitudes, priors, classes, first, last, total: see `Group`.
        predicted: what the sample before makes expect: int32 (channels, rows, columns), of all channels.
        reliability: int32 (rows, columns), from 0 to 8.
    """

    def __init__(self, start: Start, magnitudes: Small, priors: Small, classes: Classes, first: int, last: int,
                 total: Integers, predicted: Small, reliability: Small) -> None:  # fmt: skip
        super().__init__(start, magnitudes, priors, classes, first, last, total)
        self.predicted, self.reliability = predicted[first:last], reliability
        self.nearby = around(self.predicted)

    def bins(self, phase: int) -> Small:
        """8.6.9.4 The bin of every position of a phase: (channels, rows, columns)."""
        row, column = PHASE_PLACES[phase]
        weights = prediction_start().weights[self.reliability[row::2, column::2], phase].astype(np.int64)
        total: Integers = weights[..., 0] * self.expected(phase) >> WEIGHT_BITS
        total += weights[..., 1] * self.predicted[:, row::2, column::2]
        total += weights[..., 2] * self.nearby[:, row::2, column::2] + weights[..., 3] * ONE
        return bins_of(total)

    def tables(self, bins: Small, phase: int) -> npt.NDArray[np.uint16]:
        """8.6.9.4 The table of every position."""
        row, column = PHASE_PLACES[phase]
        return (bins + BINS * self.reliability[row::2, column::2]).astype(np.uint16)


def groups_of(
    start: Start, magnitudes: Small, priors: Small, classes: Classes, predicted: Small | None
) -> Iterator[Group]:
    """8.6.4 The groups of a sample, predicted or not, one after the other; see `contexts.groups_of`."""
    if predicted is None:
        yield from contexts.groups_of(start, magnitudes, priors, classes)
        return
    total, expected, error = (np.zeros(magnitudes.shape[1:], np.int64) for _ in range(3))
    for first, last in group_bounds(len(magnitudes)):
        reliability = _reliability(error, total + expected) if first else np.full(total.shape, UNKNOWN, np.int32)
        yield PredictedGroup(start, magnitudes, priors, classes, first, last, total, predicted, reliability)
        own, old = magnitudes[first:last], predicted[first:last]
        total += own.sum(axis=0)
        expected += old.sum(axis=0)
        error += np.abs(own - old).sum(axis=0)


def _reliability(error: Integers, total: Integers) -> Small:
    """8.6.9.4 How well the sample before predicts the channels before a group, at every position."""
    found: Small = np.sum([128 * error > bound * total for bound in BOUNDS], axis=0, dtype=np.int32)
    return found
