"""Informative: parts whose units fit into packets, found beforehand by coding."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.features.coding import Plan, encode_parts
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
    first sample if that makes fewer parts of it: then every group has some of all. The first sample is coded until a
    unit is too long for each geometry that is tried, as are the others for each that turns out too large; what comes
    out depends on the samples and choices alone.

    Args:
        config: with the ranges that hold for all samples, where its scope has them.
        axes, dtype: of the tensor.
        samples: all samples, in the user's order of axes; they are read once.

    Raises:
        UsageError: not even one row of one channel fits.
    """
    if config.packet_bytes is None:
        return config
    search = _Search(config, axes, wider(dtype))
    for index, sample in enumerate(samples):
        search.add(sample, index)
        if not index and config.channel_order is ChannelOrder.OWN and axes.channels > 2 and not _is_exact(config):
            by_means = _Search(config.replace(channel_order=ChannelOrder.MEAN), axes, wider(dtype))
            by_means.add(sample, index, fewer_than=search.count)
            search = min(search, by_means, key=lambda one: one.count)
    return search.found


def _is_exact(config: EncoderConfig) -> bool:
    return config.quantizer is Quantizer.NONE


class _Search:
    """The largest parts whose units fit, for the samples so far: `groups` of channels and `bands` of rows.

    `bands` is more than the rows where nothing fits.
    """

    def __init__(self, config: EncoderConfig, axes: Axes, dtype: np.dtype[Any]) -> None:
        assert config.packet_bytes is not None
        self.config, self.axes, self.dtype, self.limit = config, axes, dtype, config.packet_bytes
        self.profile = config.profile or default_profile(
            {config.payload}, {Extension.PARTS}, config.profile in INTER_PROFILES
        )
        self.groups = self.bands = 1

    def add(self, sample: Array, index: int, fewer_than: int | None = None) -> None:
        """See that a sample fits; with a number of parts, only if it fits into fewer."""
        if not index and isinstance(self.config.channel_order, ChannelOrder):
            order = self._plan(1, 1, sample).parameters.channel_order
            self.config = self.config.replace(channel_order=order or ChannelOrder.OWN)
        channels, rows = self.axes.channels, self.axes.rows
        too_many = fewer_than or channels * rows + 1
        if too_many <= self.count:
            self.bands = rows + 1
            return
        size = partial(self._size, sample=sample, index=index)
        if self.bands == 1:
            most = min(channels, too_many - 1)
            groups = _least(self.groups, most, self.limit, lambda count: size(count, 1))
            if groups <= most or most < channels:  # few are enough, or too many are needed
                self.groups, self.bands = groups, 1 if groups <= most else rows + 1
                return
        elif size(self.groups, self.bands) <= self.limit:
            return
        least, self.groups, self.bands = (self.groups, self.bands), channels, rows + 1
        # Parts of fewer channels and no more rows than fitted into packets of the samples before fit as well.
        for groups in dict.fromkeys(-(-channels // few) for few in FEW_CHANNELS if -(-channels // few) >= least[0]):
            most = min(rows, (too_many - 1) // groups)
            if most < least[1] or (most < rows and size(groups, most) > self.limit):
                continue
            bands = _least(least[1], most, self.limit, partial(size, groups))
            if bands <= most:
                self.groups, self.bands, too_many = groups, bands, groups * bands

    @property
    def count(self) -> int:
        """Parts of a sample."""
        return self.groups * self.bands

    @property
    def found(self) -> EncoderConfig:
        """The configuration with these parts.

        Raises:
            UsageError: nothing fits.
        """
        if self.bands > self.axes.rows:
            raise UsageError(f"packets of {self.limit} bytes: not even one row of one channel fits into them")
        return self.config.replace(parts=_parts(self.axes, self.groups, self.bands), packet_bytes=None)

    def _plan(self, groups: int, bands: int, sample: Array) -> Plan:
        chosen = self.config.replace(parts=_parts(self.axes, groups, bands), packet_bytes=None)
        return make_plan("", 0, self.axes, self.dtype, chosen, self.profile, sample)

    def _size(self, groups: int, bands: int, sample: Array, index: int) -> int:
        """Bytes of the longest unit of a sample, or of the first that is too long."""
        longest = 0
        for unit in encode_parts(self._plan(groups, bands, sample), sample, index):
            longest = max(longest, len(unit.data))
            if longest > self.limit:
                break
        return longest


def _parts(axes: Axes, groups: int, bands: int) -> tuple[int, int]:
    """Rows and channels of a part."""
    return -(-axes.rows // bands), -(-axes.channels // groups)


def _least(first: int, most: int, limit: int, size: Callable[[int], int]) -> int:
    """The least number from `first` on whose units fit; `most` + 1 if none does. Sizes fall with the number."""
    longest = size(first)
    if longest <= limit:
        return first
    low, high = first, min(most, -(-first * longest // limit))
    while (longest := size(high)) > limit:
        if high >= most:
            return most + 1
        low, high = high, min(most, max(high + 1, -(-high * longest // limit)))
    while high - low > 1:  # low does not fit, high does
        middle = (low + high) // 2
        low, high = (low, middle) if size(middle) <= limit else (middle, high)
    return high
