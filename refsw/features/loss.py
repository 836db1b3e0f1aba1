"""Informative: whether the step of quantizer and payload codec leaves anything of the features.

A sample has one range. Where few channels set it, as some of transformers do with elements a hundred times those of
the others, a step that suits it is coarser than all that happens in the others. The encoder says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from refsw.payload.base import EncoderSettings
from refsw.payload.native.codec import step_of
from refsw.syntax.codes import AxisRole, PayloadCodec, Quantizer
from refsw.tensor.axes import CANONICAL, SAMPLE_ROLES, Array, Axes

LOST_STEP = 2.0
"""A channel is lost where the step exceeds this many of its standard deviations: the error is then as large as what
the channel has to say."""
OWN_RANGE = 24.0
"""... and where a range of its own would be finer by this factor at least: else it is the QP that was asked for, not
the range. ReLU features of residual networks keep below it in more than half of their channels."""
LOST_SHARE = 0.45
"""The share of the channels that have to be lost for a warning; of residual networks at QP 12 to 42 at most 0.34."""
SAMPLES = 64
"""Of a tensor, from the first, are looked at,"""
ELEMENTS = 1 << 14
"""and of each about as many elements."""
LEAST_ELEMENTS = 4
"""From so many elements of a channel on, it has a deviation,"""
LEAST_SLICES = 8
"""and from so many channels on, a few of them are few."""

FINER = "A channel transform has one step for all channels: take a lower QP, or code those few as a tensor of their own"
JPEG_STEP = 16
NAMES = {AxisRole.C: "channels", AxisRole.H: "rows", AxisRole.W: "columns"}
Sums = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """What the slices of a sample along its axes C, H, W are like.

    Args:
        slices: for every axis an array of rows: number of elements, their sum, that of their squares, minimum and
            maximum, and step.
        span: the range that all elements share, or the widest one of a channel.
        apart: for every axis the share of the elements, on the line along it through the greatest one, that are far
            below that: of the slices that do not have the range from elements like it.
        samples: how many there are.
    """

    slices: tuple[Sums, ...]
    span: float
    apart: Sums
    samples: int = 1

    def coded_with(self, levels: float) -> Spread:
        """With the step of a payload codec, in levels, where that is the coarser one."""
        steps = (np.concatenate([rows[:5], rows[5:] * max(1, levels)]) for rows in self.slices)
        return replace(self, slices=tuple(steps))

    def coded_in(self, step: float) -> Spread:
        """With one step for all elements, as components of a channel transform have."""
        steps = (np.concatenate([rows[:5], np.full_like(rows[5:], step)]) for rows in self.slices)
        return replace(self, slices=tuple(steps))

    def joined(self, other: Spread) -> Spread:
        """Of the elements of both."""
        slices = []
        for a, b in zip(self.slices, other.slices, strict=True):
            steps = (a[0] * a[5] + b[0] * b[5]) / (a[0] + b[0])
            slices.append(np.stack([*(a + b)[:3], np.minimum(a[3], b[3]), np.maximum(a[4], b[4]), steps]))
        samples = self.samples + other.samples
        apart = (self.samples * self.apart + other.samples * other.apart) / samples
        return Spread(tuple(slices), max(self.span, other.span), apart, samples)


def spread_of(values: Array, ranges: Sequence[tuple[float, float]], quantizer: Quantizer, bit_depth: int) -> Spread:
    """What a sample (C, H, W) is like, and the steps of its quantizer.

    Args:
        values: binary32.
        ranges: that of the sample, or one a channel.
        quantizer, bit_depth: as in the parameter set.
    """
    strides = _strides(values.shape)
    part = values[strides].astype(np.float64)
    low, high = (np.array(side, np.float64)[strides[0] if len(ranges) > 1 else ..., None, None]
                 for side in zip(*ranges, strict=True))  # fmt: skip
    spans = high - low
    steps = spans / ((1 << bit_depth) - 1)
    if quantizer is not Quantizer.UNIFORM:  # its step grows with x - min + 1
        steps = (part - low + 1) * (np.log1p(spans) / ((1 << bit_depth) - 1))
    errors, span = np.square(np.broadcast_to(steps, part.shape)), float(spans.max())
    slices = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        count = part.size // part.shape[axis]
        total, squares = part.sum(others), np.square(part).sum(others)
        step = np.sqrt(errors.mean(others))
        rows = [np.full(total.shape, count), total, squares, part.min(others), part.max(others), step]
        slices.append(np.stack(rows))
    usual = np.partition(part, part.size // 2, axis=None)[part.size // 2]  # np.median imports masked arrays
    return Spread(tuple(slices), span, _apart(values, float(usual), span))


def _apart(values: Any, usual: float, span: float) -> Sums:
    low, high = (np.unravel_index(int(place), values.shape) for place in (values.argmin(), values.argmax()))
    place = high if float(values[high]) - usual > usual - float(values[low]) else low
    lines = (values[(*place[:axis], slice(None), *place[axis + 1 :])] for axis in range(3))
    return np.array([np.mean(np.abs(line.astype(np.float64) - usual) < span / OWN_RANGE) for line in lines])


def _strides(shape: tuple[int, ...]) -> tuple[slice, ...]:
    steps = [1, 1, 1]
    extents = list(shape)
    while extents[0] * extents[1] * extents[2] > ELEMENTS:
        longest = extents.index(max(extents))
        steps[longest] *= 2
        extents[longest] = -(-shape[longest] // steps[longest])
    return tuple(slice(None, None, step) for step in steps)


def codec_step(payload: PayloadCodec, settings: EncoderSettings, bit_depth: int) -> float:
    """The step, in levels, with which a payload codec codes the coefficients of its transform; 0 if it is lossless."""
    if payload in (PayloadCodec.HEVC, PayloadCodec.VVC):
        if settings.command is not None and "{qp}" not in settings.command:
            return 0.0  # not known
        return float(2 ** ((settings.qp - 4) / 6 + bit_depth - 8))
    if payload is PayloadCodec.NATIVE:
        return step_of(settings.qp, bit_depth) / 256
    if payload is PayloadCodec.JPEG:
        quality = settings.quality
        return JPEG_STEP * (50 / quality if quality < 50 else 2 - quality / 50)
    return 0.0


def loss(spread: Spread, axes: Axes, *, by_channel: bool, transformed: bool = False) -> str | None:
    """What to tell of a tensor most of whose channels (or rows, or columns) are lost; None if they are not.

    Args:
        spread: of its samples.
        axes: of the tensor.
        by_channel: whether each channel has a range of its own.
        transformed: whether a channel transform is used, which has one step for all channels.
    """
    for axis in (0, 2, 1):  # of tokens, the columns are the more likely ones to be channels
        if by_channel and axis == 0:
            continue  # each has a range of its own
        role = CANONICAL[axis]
        count, total, squares, low, high, step = spread.slices[axis]
        if count[0] < LEAST_ELEMENTS or len(count) < LEAST_SLICES or spread.apart[axis] < LOST_SHARE:
            continue
        deviation = np.sqrt(np.maximum(0, squares / count - (total / count) ** 2))
        live = high > low
        lost = live & (step > LOST_STEP * deviation) & (spread.span > OWN_RANGE * (high - low))
        if live.sum() and lost.sum() >= LOST_SHARE * live.sum():
            worst = int(np.argmin(np.where(lost, deviation, np.inf)))
            lead = _lead(axes, role, lost.sum() / live.sum(), worst, float(step[worst]), float(deviation[worst]))
            return lead + (FINER if transformed else _remedy(axes, role))
    return None


def _lead(axes: Axes, role: AxisRole, share: float, worst: int, step: float, deviation: float) -> str:
    name = NAMES[role]
    first = f"{name.removesuffix('s')} {worst * _stride(axes, role)}"
    return (
        f"the step of quantizer and payload exceeds {LOST_STEP:g} standard deviations of {100 * share:.0f} % of the "
        f"{name} ({first}: step {step:.3g}, deviation {deviation:.3g}), as a few others set the range; they are lost. "
    )


def _remedy(axes: Axes, role: AxisRole) -> str:
    if role is AxisRole.C:
        return "Give every channel a range of its own (--range channel)"
    letters = "".join(_letter(own, role) for own in axes.roles)
    return f"Take the {NAMES[role]} for channels and give each a range of its own (--axes {letters} --range channel)"


def _letter(own: AxisRole, channels: AxisRole) -> str:
    """The role of an axis if that of the channels changes places with another one."""
    if own in SAMPLE_ROLES:
        return own.name
    return "C" if own is channels else channels.name if own is AxisRole.C else own.name


def _stride(axes: Axes, role: AxisRole) -> int:
    stride: int | Any = _strides(axes.canonical_shape)[CANONICAL.index(role)].step
    return stride or 1
