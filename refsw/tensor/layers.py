"""9.11.1 Layers: what one carries of a tensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refsw.syntax.codes import LayerKind


@dataclass(frozen=True, slots=True)
class Layer:
    """9.11.1 What makes a tensor a layer.

    Args:
        kind: how it goes together with its base layer.
        base: parameter set of the base layer; None without one.
        purpose: the task that it serves; has no effect.
        channels: the channels that it carries, in increasing order; None: all of them.
        fill: of a layer without a base layer: what the elements of each channel are that it does not carry, by
            channel; empty: 0.
    """

    kind: LayerKind = LayerKind.BASE
    base: int | None = None
    purpose: str = ""
    channels: tuple[int, ...] | None = None
    fill: tuple[float, ...] = ()

    @property
    def refines(self) -> bool:
        """Whether it has differences."""
        return self.kind is LayerKind.REFINEMENT

    def carried(self, channels: int) -> npt.NDArray[np.bool_]:
        """For every channel of the tensor whether the layer carries it."""
        if self.channels is None:
            return np.ones(channels, np.bool_)
        mask = np.zeros(channels, np.bool_)
        mask[list(self.channels)] = True
        return mask
