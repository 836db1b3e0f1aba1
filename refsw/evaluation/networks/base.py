"""Informative: what a network that can be cut offers, and the proof that a cut is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from refsw.evaluation.errors import NetworkError
from refsw.tensor.axes import Array

Tensors = dict[str, Array]


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
        """Binary32 (N, C, H, W) -> the feature tensors by name, binary32."""

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
        tolerance: greatest difference, relative to the greatest output.

    Returns:
        The greatest difference found, on the same scale.

    Raises:
        NetworkError: the difference is greater, or the output is the same for features of zeros.
    """
    features, whole = cut.front(images), cut.whole(images)
    joined = cut.back(features)
    if joined.shape != whole.shape:
        raise NetworkError(f"front and back give {joined.shape}, the whole network {whole.shape}")
    scale = float(np.abs(whole).max()) or 1.0
    difference = float(np.abs(joined.astype(np.float64) - whole).max()) / scale
    if not difference <= tolerance:
        raise NetworkError(f"front and back differ from the whole network by {difference:.3g} of its greatest output")
    if np.array_equal(cut.back({name: np.zeros_like(tensor) for name, tensor in features.items()}), joined):
        raise NetworkError(f"the output does not depend on {', '.join(features)}")
    return difference
