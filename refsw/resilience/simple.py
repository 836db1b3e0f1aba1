"""Informative: concealment that looks at one channel at a time: nothing, zero, mean, and straight lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from refsw.resilience.base import General, beside, means
from refsw.tensor.axes import Array


@dataclass(frozen=True, slots=True)
class Nothing(General):
    """No concealment: what stands in the tensor stays there.

    That is what the receiver put in place of what it did not get. The tutorial (no completion, NC) and DFTS2 put 0 into
    the levels, which is the minimum of the range after reconstruction (7.3), and 0 only for features that have no
    negative elements.
    """

    name: ClassVar[str] = "none"
    title: ClassVar[str] = "no concealment"

    def fill(self, tensor: Array, received: Array) -> Array:
        """The tensor as it is."""
        return tensor


@dataclass(frozen=True, slots=True)
class Zero(General):
    """The number 0 for whatever is lost: what Bragilevsky and Bajic call no completion."""

    name: ClassVar[str] = "zero"
    title: ClassVar[str] = "zero"

    def fill(self, tensor: Array, received: Array) -> Array:
        """(C, H, W) of zeros."""
        return np.zeros_like(tensor)


@dataclass(frozen=True, slots=True)
class ChannelMean(General):
    """The mean of what was received of the channel; of a channel lost whole, that of the tensor."""

    name: ClassVar[str] = "mean"
    title: ClassVar[str] = "channel mean"

    def fill(self, tensor: Array, received: Array) -> Array:
        """The same number all over a channel."""
        return np.broadcast_to(means(tensor, received), tensor.shape)


def beyond(tensor: Array, received: Array, estimate: Array) -> Array:
    """An estimate with linear interpolation in every channel, row and column of which nothing was received.

    The matrices that a tensor unfolds to have rows there that are lost whole, of which rank says nothing.
    """
    reached = np.ones((1, 1, 1), np.bool_)
    for axes in ((1, 2), (0, 2), (0, 1)):
        reached = reached & received.any(axis=axes, keepdims=True)
    return np.where(reached, estimate, Linear().fill(tensor, received))


@dataclass(frozen=True, slots=True)
class Linear(General):
    """Straight lines down each column, from the last received element above to the first one below.

    At the borders the nearest one is repeated. Where a column of a channel is lost whole, the mean of the other
    channels at the same place. No paper has it; it is the baseline that costs nothing, and on packets of one row it is
    hard to beat.
    """

    name: ClassVar[str] = "linear"
    title: ClassVar[str] = "linear between rows"

    def fill(self, tensor: Array, received: Array) -> Array:
        """Each column by itself."""
        rows = np.arange(tensor.shape[1])[None, :, None]
        above = np.maximum.accumulate(np.where(received, rows, -1), axis=1)
        below = np.minimum.accumulate(np.where(received, rows, tensor.shape[1])[:, ::-1], axis=1)[:, ::-1]
        has_above, has_below = above >= 0, below < tensor.shape[1]
        # A border has one neighbour, which counts as both.
        first = np.where(has_above, above, below)
        last = np.where(has_below, below, above)
        known = has_above | has_below
        first, last = np.where(known, first, 0), np.where(known, last, 0)
        upper, lower = (np.take_along_axis(tensor, place, axis=1) for place in (first, last))
        share = (rows - first) / np.maximum(last - first, 1)
        return np.where(known, upper * (1 - share) + lower * share, beside(tensor, received))
