"""Informative: inpainting of channels as pictures, by OpenCV: Bajic, Latent space inpainting, IEEE ICC 2021.

The flow equation of pictures holds for features as well, about, as convolutions, activations and pooling keep it; so
what fills holes in pictures fills holes in channels. Bertalmio, Bertozzi and Sapiro, CVPR 2001, and Telea, J. Graphics
Tools 9 (1), 2004.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from refsw.errors import UsageError
from refsw.extras import optional
from refsw.resilience.base import beside
from refsw.tensor.axes import Array

BITS, NARROW = 255, 3


@dataclass(frozen=True, slots=True)
class _Inpainting:
    """What both have in common: a channel is scaled to the range of what was received of the tensor.

    Args:
        radius: of the neighbourhood that is looked at, in elements.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    flag: ClassVar[str]
    radius: float = 4.0

    def __post_init__(self) -> None:
        if not 1 <= self.radius <= 100:
            raise UsageError(f"radius {self.radius}: from 1 to 100")

    def check(self, shape: tuple[int, ...]) -> None:
        """Every shape will do, if OpenCV is there.

        Raises:
            UsageError: it is not.
        """
        optional("cv2")

    def fill(self, tensor: Array, received: Array) -> Array:
        """Channel by channel; of a channel that is lost whole, the mean of the others at the same place."""
        low, high = tensor[received].min(), tensor[received].max()
        span = (high - low) or 1.0
        # OpenCV reads memory that nobody wrote where a map is a single row or column, and now and then gives NaN.
        edge = int(min(tensor.shape[1:]) < NARROW)
        around = ((0, 0), (edge, edge), (edge, edge))
        inside = np.s_[edge : edge + tensor.shape[1], edge : edge + tensor.shape[2]]
        pictures = np.pad(self._pictures(((tensor - low) / span).clip(0, 1)), around, mode="edge")
        holes = np.pad((~received).astype(np.uint8), around, mode="edge")
        some = received.any(axis=(1, 2))
        found = np.zeros(tensor.shape)
        if not some.all():
            found[~some] = (beside(tensor, received) - low) / span
        cv2 = optional("cv2")
        flag = getattr(cv2, self.flag)
        for channel in np.flatnonzero(holes.any(axis=(1, 2)) & some):
            painted = cv2.inpaint(pictures[channel], holes[channel], self.radius, flag)
            found[channel] = self._elements(painted[inside])
        estimate: Array = found * span + low
        return estimate

    def _pictures(self, unit: Array) -> Array:
        """Elements from 0 to 1, of which those that were not received count for nothing, as OpenCV takes them."""
        return unit.astype(np.float32)

    def _elements(self, picture: Array) -> Array:
        """What OpenCV gives, from 0 to 1 again."""
        return picture


@dataclass(frozen=True, slots=True)
class NavierStokes(_Inpainting):
    """Navier-Stokes: isophotes go on into the hole as a fluid flows; on elements in binary32."""

    name: ClassVar[str] = "navier-stokes"
    title: ClassVar[str] = "Navier-Stokes"
    flag: ClassVar[str] = "INPAINT_NS"


@dataclass(frozen=True, slots=True)
class Telea(_Inpainting):
    """Telea: from the border of the hole inwards, by fast marching, on elements of 8 bits.

    With binary32 elements the weights of OpenCV depend on the scale of the features, so that a tensor times 10 is not
    repaired to 10 times as much; on 8 bits, as for pictures, the step of the levels is a 255th of the range.
    """

    name: ClassVar[str] = "telea"
    title: ClassVar[str] = "Telea"
    flag: ClassVar[str] = "INPAINT_TELEA"

    def _pictures(self, unit: Array) -> Array:
        levels: Array = np.rint(unit * BITS)
        return levels.clip(0, BITS).astype(np.uint8)

    def _elements(self, picture: Array) -> Array:
        unit: Array = picture / BITS
        return unit
