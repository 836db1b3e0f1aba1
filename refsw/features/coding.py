"""Informative: coding one sample after the plan of its tensor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import numpy.typing as npt

from refsw.errors import CodecError, FeatureError
from refsw.features.config import EncoderConfig
from refsw.features.loss import SAMPLES, Spread, codec_step, spread_of
from refsw.features.parameters import Parameters
from refsw.features.reconstruct import UnitContent
from refsw.payload.base import EncoderSettings
from refsw.payload.registry import codec
from refsw.payload.x265 import qp_bounds
from refsw.syntax.codes import PayloadCodec, Profile, Quantizer, RangeScope, UnitType
from refsw.syntax.declaration import Values
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
    ranges = np.array([p.ranges[c] for c in p.coded_channels], np.float32)
    if p.quantizer is Quantizer.UNIFORM or channels[0].size < 1 << p.bit_depth:
        limits_of_all = tuple(np.broadcast_to(ranges[:, i, None, None], channels.shape) for i in (0, 1))
        return quantize(channels, p.quantizer, p.bit_depth, (limits_of_all[0], limits_of_all[1]))
    parts = [
        quantize(channel, p.quantizer, p.bit_depth, (float(low), float(high)))
        for channel, (low, high) in zip(channels, ranges, strict=True)
    ]
    return np.stack(parts)


@dataclass(frozen=True, slots=True)
class CodedUnit:
    """A feature data unit: what is in it.

    Args:
        values: of its syntax elements.
        content: what a decoder reads from it; where an external encoder made it, with parameters of its own: the
            configuration that came with this unit.
        spread: of the first samples of the tensor, what their channels and steps are like.
    """

    values: Values
    content: UnitContent
    spread: Spread | None = None

    @property
    def data(self) -> bytes:
        """The unit as bytes."""
        p = self.content.parameters
        active = {"range_scope": p.range_scope, "quantizer": p.quantizer}
        return pack_unit(UnitType.FEATURE_DATA, pack_body(FEATURE_DATA, self.values, active))

    def with_payload(self, payload: bytes) -> CodedUnit:
        """The same unit with another payload."""
        return replace(self, values=self.values | {"payload": payload}, content=replace(self.content, payload=payload))


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A sample ready for the payload encoder: its range if it has one of its own, its pictures if any."""

    limits: Range | None
    pictures: Array | None
    qp_shift: int = 0
    spread: Spread | None = None


def qp_shift(p: Parameters, values: npt.NDArray[np.float32], limits: Range | None) -> int:
    """How many QPs make a level's error cost no more, in elements, than with LOG at 8 bits; 0 with LOG.

    The step of a quantizer in elements is dx/dq. That of UNIFORM is the same everywhere; that of LOG grows
    with x - min + 1, so its root mean square over the sample is taken. Six QPs double the step. The QP is
    never raised: where LOG is the coarser one, as with large or signed elements, its error is no aim.
    """
    if p.payload_codec is not PayloadCodec.HEVC or p.quantizer is not Quantizer.UNIFORM:
        return 0
    low, high = limits if limits is not None else element_range(values)
    if low == high:
        return 0
    span = high - low
    if p.range_scope is RangeScope.CHANNEL:
        spans = np.array([p.ranges[c][1] - p.ranges[c][0] for c in p.coded_channels])
        span = float(np.sqrt(np.mean(spans * spans)))
    offset = (values.astype(np.float64) - low) + 1  # in this order: beyond 2^53, min - 1 is min
    log_step = float(np.sqrt(np.mean(offset * offset))) * float(np.log1p(high - low))
    return min(0, round(6 * float(np.log2(log_step / span))))


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
    prepared = []
    for index, sample in enumerate(samples, first_sample):
        try:
            prepared.append(_prepare(plan, p.axes.to_canonical(sample), watched=index < SAMPLES))
        except FeatureError as error:
            raise FeatureError(f"{p.name}, sample {index}: {error}") from error
    ranges = [one.limits for one in prepared if one.limits is not None]
    coded = [one for one in prepared if one.pictures is not None]
    settings = _settings(plan, coded)
    configuration, payload = _encode_pictures(plan, coded, settings) if coded else (p.configuration, b"")
    if plan.settings.command:
        p = replace(p, configuration=configuration)
    elif configuration != p.configuration:
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
    spreads = [one.spread.coded_with(codec_step(p.payload_codec, settings, p.bit_depth)) for one in coded if one.spread]
    return CodedUnit(values, content, reduce(Spread.joined, spreads) if spreads else None)


def _settings(plan: Plan, coded: list[_Prepared]) -> EncoderSettings:
    """Those of the plan, with the QP shifted as the first sample wants it."""
    if not coded or not coded[0].qp_shift:
        return plan.settings
    low, high = qp_bounds(plan.parameters.bit_depth)
    return replace(plan.settings, qp=min(max(plan.settings.qp + coded[0].qp_shift, low), high))


def _encode_pictures(plan: Plan, coded: list[_Prepared], settings: EncoderSettings) -> tuple[bytes, bytes]:
    p = plan.parameters
    stack = np.concatenate([one.pictures for one in coded if one.pictures is not None])
    implementation, picture_format = codec(p.payload_codec), p.picture_format(plan.profile)
    configuration, payload = implementation.encode(stack, picture_format, settings)
    for error in implementation.check(configuration, memoryview(payload), len(stack), picture_format):
        raise CodecError(f"{p.name}: what the payload encoder wrote does not conform: {error}")
    return configuration, payload


def _prepare(plan: Plan, sample: Array, *, watched: bool = False) -> _Prepared:
    p = plan.parameters
    if p.quantizer is Quantizer.NONE:
        if p.dtype == np.bool_ and sample.size and np.ascontiguousarray(sample).view(np.uint8).max() > 1:
            raise FeatureError(
                "elements of type bool whose bytes are neither 0 nor 1 cannot be coded [requirement bytes.bool]: "
                "compare them with 0 (x.view(numpy.uint8) != 0), or code them as uint8"
            )
        ordered = sample if p.in_own_order else sample[p.coded_channels]
        return _Prepared(None, pack(ordered.astype(p.dtype, copy=False), p.packing))
    values = to_binary32(sample)
    if p.quantizer is Quantizer.LOG_NONNEGATIVE and values.min() < 0:
        raise FeatureError("quantizer log-nonnegative: negative elements cannot be coded")
    limits = sample_range(plan, values)
    constant = limits is not None and limits[0] == limits[1]
    if constant or len(p.coded_channels) == 0:
        return _Prepared(limits, None)
    shift = qp_shift(p, values, limits) if plan.config.match_step else 0
    spread = None
    if watched:
        spread = spread_of(values, p.ranges if limits is None else [limits], p.quantizer, p.bit_depth)
    return _Prepared(limits, pack(quantize_sample(p, values, limits), p.packing), shift, spread)
