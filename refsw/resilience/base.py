"""Informative: what a concealment method is, and what several of them share."""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np

from refsw.tensor.axes import Array


class Method(Protocol):
    """A way to estimate what is lost of a feature tensor. Its options are the fields of a frozen dataclass."""

    name: ClassVar[str]
    title: ClassVar[str]

    def check(self, shape: tuple[int, ...]) -> None:
        """See that the method can work on tensors of a shape, before there is one.

        Raises:
            UsageError: it cannot, or a package that it needs is missing.
        """

    def fill(self, tensor: Array, received: Array) -> Array:
        """Estimates of a whole tensor; `conceal` takes from them what is lost.

        Args:
            tensor: float64 (C, H, W), finite; 0 where nothing was received. Not to be changed.
            received: bool (C, H, W), True where received; neither all nor none are.

        Returns:
            (C, H, W) of a floating dtype; finite where nothing was received.
        """


class General:
    """What a method is that works on any tensor and needs no package."""

    __slots__ = ()

    def check(self, shape: tuple[int, ...]) -> None:
        """Every shape will do."""


def means(tensor: Array, received: Array) -> Array:
    """The mean of what was received of each channel, (C, 1, 1); of a channel that is lost whole, that of the tensor."""
    counts = received.sum(axis=(1, 2))
    sums = np.where(received, tensor, 0).sum(axis=(1, 2))
    overall = sums.sum() / max(1, counts.sum())
    found: Array = np.where(counts, sums / np.maximum(counts, 1), overall)[:, None, None]
    return found


def limits(tensor: Array, received: Array) -> tuple[Array, Array]:
    """The least and the greatest of what was received of each channel, (C, 1, 1); of one lost whole, of the tensor."""
    found = []
    for take, worst in ((np.min, np.inf), (np.max, -np.inf)):
        own = take(np.where(received, tensor, worst), axis=(1, 2))
        found.append(np.where(np.isfinite(own), own, take(tensor[received]))[:, None, None])
    return found[0], found[1]


def beside(tensor: Array, received: Array) -> Array:
    """At each place the mean of the channels of which it was received, (1, H, W); of none, that of the tensor.

    It is all that is known of a channel of which nothing was received.
    """
    counts = received.sum(axis=0)
    sums = np.where(received, tensor, 0).sum(axis=0)
    overall = sums.sum() / max(1, counts.sum())
    found: Array = np.where(counts, sums / np.maximum(counts, 1), overall)[None]
    return found
