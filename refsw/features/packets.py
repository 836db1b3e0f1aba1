"""Informative: parts whose units fit into packets, found beforehand by coding."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.features.coding import Plan, encode_units
from refsw.features.config import ChannelOrder, EncoderConfig
from refsw.features.plan import make_plan
from refsw.profiles import INTER_PROFILES, Extension, default_profile
from refsw.syntax.codes import Quantizer
from refsw.tensor.axes import Array, Axes
from refsw.tensor.foreign import wider

FEW_CHANNELS = (1, 2, 3, 4)
"""Of a part that has not all rows. More bands average over more channels; every band costs what a cut costs."""


def with_measured_parts(
    config: EncoderConfig, axes: Axes, dtype: np.dtype[Any], samples: Iterable[Array]
) -> EncoderConfig:
    """The configuration with parts as large as they can be with no unit longer than a packet, if it asks for that.

    Whole channels, as many as fit; rows are cut only where one channel does not fit, and then of one or a few channels,
    whichever makes the fewest parts. Without an order of channels, they are dealt out in that of their means in the
    first sample if that makes fewer parts of it: then every group has some of all. Every sample is coded once, the
    first one twice, and again for each geometry that turns out too large; what comes out depends on the samples and
    choices alone.

    Args:
        config: with the ranges that hold for all samples, where its scope has them.
        axes, dtype: of the tensor.
        samples: all samples, in the user's order of axes; they are read once.

    Raises:
        UsageError: not even one row of one channel fits.
    """
    if config.packet_bytes is None:
        return config
    searches = [_Search(config, axes, wider(dtype))]
    if config.channel_order is ChannelOrder.OWN and axes.channels > 2 and config.quantizer is not Quantizer.NONE:
        searches.append(_Search(config.replace(channel_order=ChannelOrder.MEAN), axes, wider(dtype)))
    for index, sample in enumerate(samples):
        for search in searches:
            search.add(sample, index)
        searches = [min(searches, key=lambda search: search.count)]
    return searches[0].found


class _Search:
    """The largest parts whose units fit, for the samples so far.

    `groups` of channels with all rows, while they fit; then `bands` by number of groups.
    """

    def __init__(self, config: EncoderConfig, axes: Axes, dtype: np.dtype[Any]) -> None:
        assert config.packet_bytes is not None
        self.config, self.axes, self.dtype, self.limit = config, axes, dtype, config.packet_bytes
        self.profile = config.profile or default_profile(
            {config.payload}, {Extension.PARTS}, config.profile in INTER_PROFILES
        )
        self.groups = 1
        self.bands = {-(-axes.channels // few): 1 for few in FEW_CHANNELS}

    def add(self, sample: Array, index: int) -> None:
        """See that a sample fits."""
        if not index and isinstance(self.config.channel_order, ChannelOrder):
            order = self._plan(1, 1, sample).parameters.channel_order
            self.config = self.config.replace(channel_order=order or ChannelOrder.OWN)
        channels, rows = self.axes.channels, self.axes.rows
        if self.groups <= channels:
            # The samples before fit with at least so many groups.
            self.bands = {own: count for own, count in self.bands.items() if own >= self.groups}
            size = partial(self._longest, sample=sample, index=index)
            self.groups = _least(self.groups, channels, self.limit, lambda count: size(count, 1))
        if self.groups > channels:
            for own, count in self.bands.items():
                self.bands[own] = _least(
                    count, rows, self.limit, partial(self._longest, own, sample=sample, index=index)
                )

    @property
    def geometry(self) -> tuple[int, int]:
        """Groups of channels and bands of rows.

        Raises:
            UsageError: nothing fits.
        """
        if self.groups <= self.axes.channels:
            return self.groups, 1
        fitting = {own: count for own, count in self.bands.items() if count <= self.axes.rows}
        if not fitting:
            raise UsageError(f"packets of {self.limit} bytes: not even one row of one channel fits into them")
        return min(fitting.items(), key=lambda item: item[0] * item[1])

    @property
    def count(self) -> int:
        """Parts of a sample."""
        groups, bands = self.geometry
        return groups * bands

    @property
    def found(self) -> EncoderConfig:
        """The configuration with these parts."""
        return self.config.replace(parts=_parts(self.axes, *self.geometry), packet_bytes=None)

    def _plan(self, groups: int, bands: int, sample: Array) -> Plan:
        chosen = self.config.replace(parts=_parts(self.axes, groups, bands), packet_bytes=None)
        return make_plan("", 0, self.axes, self.dtype, chosen, self.profile, sample)

    def _longest(self, groups: int, bands: int, sample: Array, index: int) -> int:
        """Bytes of the longest unit of a sample."""
        return max(len(unit.data) for unit in encode_units(self._plan(groups, bands, sample), [sample], index))


def _parts(axes: Axes, groups: int, bands: int) -> tuple[int, int]:
    """Rows and channels of a part."""
    return -(-axes.rows // bands), -(-axes.channels // groups)


def _least(first: int, most: int, limit: int, size: Callable[[int], int]) -> int:
    """The least number from `first` on whose longest unit fits; `most` + 1 if none does. Sizes fall with the number."""
    longest = size(first)
    if longest <= limit:
        return first
    low, high = first, min(most, -(-first * longest // limit))
    while size(high) > limit:
        if high == most:
            return most + 1
        low, high = high, min(most, 2 * high)
    while high - low > 1:  # low does not fit, high does
        middle = (low + high) // 2
        low, high = (low, middle) if size(middle) <= limit else (middle, high)
    return high
