"""Informative: ranges that hold for all samples, measured beforehand."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from refsw.features.coding import widened
from refsw.features.config import EncoderConfig
from refsw.syntax.codes import Quantizer, RangeScope
from refsw.tensor.axes import Array, Axes
from refsw.tensor.quantize import element_range, to_binary32


def with_measured_ranges(config: EncoderConfig, axes: Axes, samples: Iterable[Array]) -> EncoderConfig:
    """The configuration with the ranges that its scope needs, unless it has them or needs none.

    Args:
        config: its range scope and clip percentile apply; percentiles are taken sample by sample, and the
            widest range is kept.
        axes: of the tensor.
        samples: all samples, in the user's order of axes; they are read once.
    """
    scope = config.range_scope
    if config.quantizer is Quantizer.NONE or scope is RangeScope.SAMPLE or config.ranges is not None:
        return config
    low, high = np.inf, -np.inf
    lows: Array | None = None
    highs: Array | None = None
    for sample in samples:
        values = to_binary32(axes.to_canonical(sample))
        if scope is RangeScope.CHANNEL:
            pairs = np.array([element_range(channel, config.clip) for channel in values], np.float32)
            lows = pairs[:, 0] if lows is None else np.minimum(lows, pairs[:, 0])
            highs = pairs[:, 1] if highs is None else np.maximum(highs, pairs[:, 1])
        else:
            a, b = element_range(values, config.clip)
            low, high = min(low, a), max(high, b)
    if scope is RangeScope.CHANNEL:
        if lows is None or highs is None:  # no samples, no range: any will do
            lows = highs = np.zeros(axes.channels, np.float32)
        pairs_of_all = [(float(a), float(b)) for a, b in zip(lows, highs, strict=True)]
        return config.replace(ranges=tuple(widened(pair, config, config.quantizer) for pair in pairs_of_all))
    whole = (float(low), float(high)) if low <= high else (0.0, 0.0)
    return config.replace(ranges=(widened(whole, config, config.quantizer),))
