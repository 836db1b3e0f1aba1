"""Informative: what a network that can be cut offers, and the proof that a cut is one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from refsw.evaluation.errors import NetworkError
from refsw.tensor.axes import Array

Tensors = dict[str, Array]
HALF_TOLERANCE = 1e-2
"""Share of the greatest output by which halves of a network in binary16 may differ from the whole."""


@dataclass(frozen=True, slots=True)
class Complexity:
    """What a cut costs for one input, in the manner of MM'19, Table 2.

    Args:
        macs_front, macs_back: multiply-accumulates of convolutions and matrix products before and after the cut
            (the table calls them FLOPs).
        elements: of all feature tensors together.
    """

    macs_front: int
    macs_back: int
    elements: int


class Cut(Protocol):
    """One place, of one or more tensors, that separates the inputs of a network from its outputs."""

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of its tensors."""

    def front(self, images: Array) -> Tensors:
        """Binary32 (N, C, H, W) -> the feature tensors by name, binary32, or binary16 where the network has that."""

    def back(self, features: Mapping[str, Array]) -> Array:
        """The feature tensors -> what the network gives."""

    def whole(self, images: Array) -> Array:
        """What the network gives without being cut."""


class Network(Protocol):
    """A network with named cuts, in order of depth."""

    @property
    def cuts(self) -> tuple[str, ...]:
        """Names of the cuts."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that its outputs depend on: weights and structure."""

    def cut(self, name: str) -> Cut:
        """The network cut at a name.

        Raises:
            UsageError: there is no such cut.
        """

    def run(self, images: Array) -> Array:
        """The whole network: binary32 (N, C, H, W) -> its output."""

    def complexity(self, name: str, images: Array) -> Complexity | None:
        """What a cut costs for one of these images; None if that is not known."""


def check_cut(cut: Cut, images: Array, *, tolerance: float = 0.0) -> float:
    """Prove that back(front(images)) is whole(images), and that the output hangs on the features.

    Args:
        cut: to prove.
        images: a few inputs that are not constant.
        tolerance: greatest difference, relative to the greatest output; of binary16 features `HALF_TOLERANCE`, if
            that is more: the whole network may keep them in binary32.

    Returns:
        The greatest difference found, on the same scale.

    Raises:
        NetworkError: the difference is greater, or the output is the same for features of zeros (or ones, if they
            are zeros).
    """
    features, whole = cut.front(images), cut.whole(images)
    joined = cut.back(features)
    if joined.shape != whole.shape:
        raise NetworkError(f"front and back give {joined.shape}, the whole network {whole.shape}")
    exact = whole.astype(np.float64)
    if any(tensor.dtype == np.float16 for tensor in features.values()):
        tolerance = max(tolerance, HALF_TOLERANCE)
    scale = float(np.abs(exact).max(initial=0.0)) or 1.0
    with np.errstate(invalid="ignore"):  # infinity less infinity is NaN, and no cut
        difference = float(np.abs(joined.astype(np.float64) - exact).max(initial=0.0)) / scale
    if not difference <= tolerance:
        raise NetworkError(f"front and back differ from the whole network by {difference:.3g} of its greatest output")
    others = {name: np.full_like(tensor, 0 if tensor.any() else 1) for name, tensor in features.items()}
    if np.array_equal(cut.back(others), joined):
        raise NetworkError(f"the output does not depend on {', '.join(features)}")
    return difference


def size_of(shape: Sequence[int]) -> int:
    """Number of elements of a tensor of this shape."""
    return math.prod(shape)
