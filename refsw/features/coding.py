"""Informative: coding one sample after the plan of its tensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refsw.errors import CodecError, FeatureError
from refsw.features.config import EncoderConfig
from refsw.features.parameters import Parameters
from refsw.features.reconstruct import UnitContent
from refsw.payload.base import EncoderSettings, codec
from refsw.syntax.codes import Profile, Quantizer, RangeScope, UnitType
from refsw.syntax.structures import FEATURE_DATA
from refsw.syntax.units import pack_body, pack_unit
from refsw.tensor.axes import Array
from refsw.tensor.quantize import element_range, quantize, to_binary32
from refsw.tensor.repack import pack

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """How every sample of a tensor is coded: what goes into the parameter set, and the encoder's own choices."""

    parameters: Parameters
    config: EncoderConfig
    settings: EncoderSettings
    profile: Profile


def binary32_range(low: float, high: float, quantizer: Quantizer) -> Range:
    """A range as it is sent: binary32, no negative zero, a minimum of 0 with LOG_NONNEGATIVE.

    Raises:
        FeatureError: not finite, out of order, or negative with LOG_NONNEGATIVE.
    """
    with np.errstate(over="ignore"):
        low32, high32 = float(np.float32(low)), float(np.float32(high))
    if not (np.isfinite(low32) and np.isfinite(high32)):
        raise FeatureError(f"range {low} to {high}: NaN, infinity and values beyond binary32 cannot be coded")
    if low32 > high32:
        raise FeatureError(f"range {low} to {high}: the minimum exceeds the maximum")
    if quantizer is Quantizer.LOG_NONNEGATIVE:
        if high32 < 0:
            raise FeatureError("quantizer log-nonnegative: negative elements cannot be coded")
        low32 = 0.0
    return low32 + 0.0, high32 + 0.0


def sample_range(plan: Plan, values: npt.NDArray[np.float32]) -> Range | None:
    """The range of a sample (C, H, W); None with ranges by channel."""
    p = plan.parameters
    if p.range_scope is RangeScope.CHANNEL:
        return None
    if p.range_scope is RangeScope.SEQUENCE:
        return p.ranges[0]
    if plan.config.ranges is not None and len(plan.config.ranges) == 1:
        return binary32_range(*plan.config.ranges[0], p.quantizer)
    return binary32_range(*element_range(values, plan.config.clip), p.quantizer)


def quantize_sample(p: Parameters, values: npt.NDArray[np.float32], limits: Range | None) -> Array:
    """Levels of the coded channels in order (K, H, W)."""
    channels = values if p.in_own_order else values[p.coded_channels]
    if limits is not None:
        return quantize(channels, p.quantizer, p.bit_depth, limits)
    parts = [
        quantize(channel, p.quantizer, p.bit_depth, p.ranges[number])
        for channel, number in zip(channels, p.coded_channels, strict=True)
    ]
    return np.stack(parts)


@dataclass(frozen=True, slots=True)
class CodedUnit:
    """A feature data unit as bytes, and as what a decoder reads from it."""

    data: bytes
    content: UnitContent


def encode_unit(plan: Plan, samples: list[Array], first_sample: int) -> CodedUnit:
    """One feature data unit.

    Args:
        plan: of the tensor.
        samples: in the user's order of axes.
        first_sample: index of the first.

    Raises:
        FeatureError: a sample that cannot be coded, with its index.
    """
    p = plan.parameters
    ranges: list[Range] = []
    pictures = []
    for index, sample in enumerate(samples, first_sample):
        try:
            limits, packed = _pictures(plan, p.axes.to_canonical(sample))
        except FeatureError as error:
            raise FeatureError(f"{p.name}, sample {index}: {error}") from error
        if limits is not None:
            ranges.append(limits)
        if packed is not None:
            pictures.append(packed)
    payload = b""
    if pictures:
        stack = np.concatenate(pictures)
        picture_format = p.picture_format(plan.profile)
        configuration, payload = codec(p.payload_codec).encode(stack, picture_format, plan.settings)
        if configuration != p.configuration:
            raise CodecError("the payload encoder changed its parameter sets from one sample to the next")
    content = UnitContent(
        p,
        first_sample,
        tuple(ranges) if p.range_scope is RangeScope.SAMPLE else p.shared_ranges(len(samples)),
        payload,
        0,
    )
    values = {
        "parameter_set_id": p.id,
        "first_sample": first_sample,
        "sample_count_minus1": len(samples) - 1,
        "sample_minimum": [low for low, _ in ranges],
        "sample_maximum": [high for _, high in ranges],
        "payload": payload,
    }
    active = {"range_scope": p.range_scope, "quantizer": p.quantizer}
    return CodedUnit(pack_unit(UnitType.FEATURE_DATA, pack_body(FEATURE_DATA, values, active)), content)


def _pictures(plan: Plan, sample: Array) -> tuple[Range | None, Array | None]:
    p = plan.parameters
    if p.quantizer is Quantizer.NONE:
        ordered = sample if p.in_own_order else sample[p.coded_channels]
        return None, pack(ordered.astype(p.dtype, copy=False), p.packing)
    values = to_binary32(sample)
    if p.quantizer is Quantizer.LOG_NONNEGATIVE and values.min() < 0:
        raise FeatureError("quantizer log-nonnegative: negative elements cannot be coded")
    limits = sample_range(plan, values)
    constant = limits is not None and limits[0] == limits[1]
    if constant or len(p.coded_channels) == 0:
        return limits, None
    return limits, pack(quantize_sample(p, values, limits), p.packing)
