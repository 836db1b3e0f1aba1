"""Informative: content-adaptive linear tensor completion: Dhondea, Cohen and Bajic, CALTeC, IEEE ICIP 2021."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np

from refsw.resilience.bands import Bands, check_rows
from refsw.resilience.base import General, limits
from refsw.resilience.simple import Linear
from refsw.tensor.axes import Array

CONSTANT = 1e-9
"""Root of the sum of squares, as a share of the largest element, below which a packet is constant."""
BLOCK = 1 << 22
"""Correlations that are held at a time."""


@dataclass(frozen=True, slots=True)
class Caltec(General):
    """A lost packet is an affine image of the co-located packet of the channel that is most like its own.

    For a packet p lost of channel c, take the nearest packet n received of c for which there are channels of which n
    and p were received; of these the channel j whose packet n correlates most with that of c (Pearson's r); fit
    x_n(c) = a x_n(j) + b by least squares; estimate x_p(c) = a x_p(j) + b. If packet n of c is constant, so is p. Where
    no such packet or channel exists, the estimate is that of `linear`. Estimates stay within what was received of the
    channel, which is this implementation's own: the fit on a packet that hardly varies can give any number, and where
    packets of one row are sparse the error is otherwise larger than that of zeros.

    What public code gets wrong (DFTS2): r of constant packets, which ReLU makes, is NaN, and wins or stops the program;
    the packet that is called nearest is the next one below, and then all above; packets without a candidate stay
    damaged. The paper has packets of 8 rows; here they may have any height, and any mask will do.

    Args:
        rows: of a packet; 0 finds them from what was received.
    """

    name: ClassVar[str] = "caltec"
    title: ClassVar[str] = "CALTeC"
    rows: int = 0

    def __post_init__(self) -> None:
        check_rows(self.rows)

    def fill(self, tensor: Array, received: Array) -> Array:
        """Packets of all channels that have their neighbour at the same distance are estimated together."""
        scale = np.abs(tensor).max() or 1.0
        bands = Bands.cut(tensor / scale, received, self.rows)
        estimates = bands.values.copy()
        open_ = ~bands.whole
        count = len(open_)
        for offset in chain.from_iterable((-distance, distance) for distance in range(1, count)):
            for band in range(max(0, -offset), count - max(0, offset)):
                channels = np.flatnonzero(open_[band] & bands.whole[band + offset])
                if channels.size:
                    _estimate(bands, estimates, open_, band, band + offset, channels)
        low, high = limits(tensor, received)
        missing = bands.joined(np.broadcast_to(open_[:, :, None], bands.values.shape))
        found = (bands.joined(estimates) * scale).clip(low, high)
        return np.where(missing, Linear().fill(tensor, received), found)


def _estimate(bands: Bands, estimates: Array, open_: Array, band: int, near: int, channels: Array) -> None:
    """Estimate a band of channels from the band `near`, where there are channels that have both."""
    both = np.flatnonzero(bands.whole[band] & bands.whole[near])
    # The last band may be shorter: what it lacks is 0 in all channels, and takes no part.
    near_size = int(bands.sizes[near])
    values = bands.values[near, :, :near_size]
    mean = values.mean(axis=1)
    centred = values - mean[:, None]
    spread = np.sqrt(np.square(centred).sum(axis=1))
    both = both[spread[both] > CONSTANT]
    if not both.size:
        return
    step = max(1, BLOCK // both.size)
    for start in range(0, channels.size, step):
        own = channels[start : start + step]
        products = centred[own] @ centred[both].T  # (own, both)
        chosen = (products / spread[both]).argmax(axis=1)
        source = both[chosen]
        varies = spread[own] > CONSTANT
        slope = np.where(varies, products[np.arange(own.size), chosen] / np.square(spread[source]), 0)
        offset = mean[own] - slope * mean[source]
        estimates[band, own] = slope[:, None] * bands.values[band, source] + offset[:, None]
    open_[band, channels] = False
