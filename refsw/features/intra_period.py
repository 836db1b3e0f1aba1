"""Informative: how many samples of the native payload share a unit, to be predicted from one another (8.6.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from refsw.errors import FeatureError, UsageError
from refsw.features.config import EncoderConfig
from refsw.features.layout import layout_of
from refsw.syntax.codes import Level, PayloadCodec
from refsw.tensor.axes import Axes

LONGEST = 8
"""Samples beyond which the gain is small, and delay and loss are great."""


class Predictable(Protocol):
    """A tensor that is to be coded; `config` is what is settled."""

    name: str
    axes: Axes
    config: EncoderConfig

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Dtype of its elements."""


def may_predict(config: EncoderConfig, axes: Axes) -> bool:
    """8.6.9.1 Whether samples of a tensor may be predicted."""
    whole = config.parts is None and config.packet_bytes is None
    return config.payload is PayloadCodec.NATIVE and "T" in axes.letters and whole


def predicts(config: EncoderConfig, axes: Axes) -> bool:
    """Whether they are, with a configuration that is settled."""
    return may_predict(config, axes) and config.intra_period is not None and config.intra_period > 1


def settle_intra_periods(tensors: Sequence[Predictable]) -> None:
    """Give every tensor its intra period, and as many samples a unit.

    Raises:
        UsageError: one is asked for that there cannot be.
    """
    able = [tensor for tensor in tensors if may_predict(tensor.config, tensor.axes)]
    for tensor in tensors:
        period, count = tensor.config.intra_period, tensor.config.samples_per_unit
        if tensor not in able and (period or 1) > 1:
            name = tensor.name or "the tensor"
            raise UsageError(f"{name}: an intra period goes with payload native, an axis T, and no parts")
        if count > 1 and period not in (None, 1, count):
            raise UsageError(f"intra period {period}: its samples share a unit, and a unit has {count}")
    # Units of all tensors have the same number of samples, so one that cannot predict keeps the others from it.
    automatic = min(map(_automatic, able)) if len(able) == len(tensors) else 1
    for tensor in able:
        config = tensor.config
        period = config.intra_period or (config.samples_per_unit if config.samples_per_unit > 1 else automatic)
        tensor.config = replace(config, intra_period=period, samples_per_unit=max(period, config.samples_per_unit))


def _automatic(tensor: Predictable) -> int:
    """The longest intra period, up to 8, whose units need no level above that of a sample, or above level 2."""
    try:
        lowest, _ = layout_of(tensor.name, tensor.axes, tensor.config, tensor.dtype)
    except (UsageError, FeatureError):
        return 1  # it is told when it is coded
    for period in range(LONGEST, 1, -1):
        try:
            level, _ = layout_of(
                tensor.name, tensor.axes, replace(tensor.config, samples_per_unit=period), tensor.dtype
            )
        except UsageError:
            continue
        if level <= max(lowest, Level.L2):
            return period
    return 1
