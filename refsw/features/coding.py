"""Informative: coding one sample after the plan of its tensor, whole or in parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from itertools import groupby

import numpy as np
import numpy.typing as npt

from refsw.errors import CodecError, FeatureError
from refsw.features.config import EncoderConfig
from refsw.features.loss import SAMPLES, Spread, codec_step, spread_of
from refsw.features.parameters import Parameters
from refsw.features.reconstruct import UnitContent
from refsw.features.transforming import analysis_of, component_levels, element_step, picture_qps
from refsw.payload.base import EncoderSettings, PictureFormat
from refsw.payload.registry import codec
from refsw.payload.x265 import qp_bounds
from refsw.syntax.codes import PayloadCodec, Profile, Quantizer, RangeScope, UnitType
from refsw.syntax.declaration import Values
from refsw.syntax.structures import FEATURE_DATA, FEATURE_PART
from refsw.syntax.units import pack_body, pack_unit
from refsw.tensor.axes import Array
from refsw.tensor.parts import Parts
from refsw.tensor.quantize import element_range, quantize, to_binary32
from refsw.tensor.repack import pack

Range = tuple[float, float]
LARGEST = float(np.finfo(np.float32).max)
STEPPED = (PayloadCodec.HEVC, PayloadCodec.NATIVE)
"""The payloads whose QP says how great a step is."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How every sample of a tensor is coded: what goes into the parameter set, and the encoder's own choices."""

    parameters: Parameters
    config: EncoderConfig
    settings: EncoderSettings
    profile: Profile

    @property
    def picture_format(self) -> PictureFormat:
        """What the payload encoder makes: of components, pictures that predict none of the others."""
        found = self.parameters.picture_format(self.profile)
        return found if self.parameters.transform is None else replace(found, intra_only=True)


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
    low, high = element_range(values, plan.config.clip)
    return widened(binary32_range(low, high, p.quantizer), plan.config, p.quantizer)


def widened(limits: Range, config: EncoderConfig, quantizer: Quantizer) -> Range:
    """A range that is `widening` times as wide, upwards, as far as binary32 goes."""
    if config.widening == 1:
        return limits
    low, high = limits
    return binary32_range(low, min(low + (high - low) * config.widening, LARGEST), quantizer)


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
    """A feature data or feature part unit: what is in it.

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
        p = self.content.tensor
        active = {"range_scope": p.range_scope, "quantizer": p.quantizer, "part_count": len(p.part_numbers)}
        if self.content.part is None:
            return pack_unit(UnitType.FEATURE_DATA, pack_body(FEATURE_DATA, self.values, active))
        return pack_unit(UnitType.FEATURE_PART, pack_body(FEATURE_PART, self.values, active))

    def with_payload(self, payload: bytes) -> CodedUnit:
        """The same unit with another payload."""
        return replace(self, values=self.values | {"payload": payload}, content=replace(self.content, payload=payload))


@dataclass(frozen=True, slots=True)
class _Measured:
    """A sample as numbers (C, H, W), and what is chosen by the whole of it: its range, if it has one of its own."""

    values: Array
    limits: Range | None
    qp_shift: int = 0
    spread: Spread | None = None
    step: float = 0.0


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A sample ready for the payload encoder: its range if it has one of its own, its pictures if any."""

    limits: Range | None
    pictures: Array | None
    qp_shift: int = 0
    spread: Spread | None = None
    step: float = 0.0


def qp_shift(p: Parameters, values: npt.NDArray[np.float32], limits: Range | None, widening: float = 1.0) -> int:
    """How many QPs make a level's error cost no more, in elements, than with LOG at 8 bits; 0 with LOG.

    The step of a quantizer in elements is dx/dq. That of UNIFORM is the same everywhere; that of LOG grows
    with x - min + 1, so its root mean square over the sample is taken. Six QPs double the step. The QP is
    never raised: where LOG is the coarser one, as with large or signed elements, its error is no aim.
    """
    if p.payload_codec not in STEPPED or p.quantizer is not Quantizer.UNIFORM:
        return 0
    low, high = limits if limits is not None else element_range(values)
    if low == high:
        return 0
    if limits is not None and widening != 1:  # the step is to be coarser with a wider range
        high = low + (high - low) / widening
    span = high - low
    if p.range_scope is RangeScope.CHANNEL:
        spans = np.array([p.ranges[c][1] - p.ranges[c][0] for c in p.coded_channels])
        span = float(np.sqrt(np.mean(spans * spans))) / widening
    return min(0, round(6 * float(np.log2(_log_step(values, low, high) / span))))


def _log_step(values: npt.NDArray[np.float32], low: float, high: float) -> float:
    """The root mean square of dx/dq of LOG, for q from 0 to 1."""
    offset = (values.astype(np.float64) - low) + 1  # in this order: beyond 2^53, min - 1 is min
    return float(np.sqrt(np.mean(offset * offset))) * float(np.log1p(high - low))


def step_reference(config: EncoderConfig, values: npt.NDArray[np.float32]) -> float:
    """The range of a uniform quantizer at which a QP means the step that it has with a configuration."""
    low, high = element_range(values)
    if config.quantizer is Quantizer.UNIFORM and not config.match_step:
        return high - low
    log_step = _log_step(values, low, high)
    return min(log_step, high - low) if config.quantizer is Quantizer.UNIFORM else log_step


def encode_units(plan: Plan, samples: list[Array], first_sample: int) -> list[CodedUnit]:
    """The feature data unit of some samples, or the units of all parts of one, in the order of sending.

    Args:
        plan: of the tensor.
        samples: in the user's order of axes.
        first_sample: index of the first.

    Raises:
        FeatureError: a sample that cannot be coded, with its index.
    """
    if plan.parameters.parts is None:
        return [encode_unit(plan, samples, first_sample)]
    return list(encode_parts(plan, samples[0], first_sample))


def encode_unit(plan: Plan, samples: list[Array], first_sample: int, shift: int | None = None) -> CodedUnit:
    """One feature data unit; see `encode_units`.

    Args:
        shift: of the QP; None: as the first sample wants it.
    """
    p = plan.parameters
    prepared = []
    for index, sample in enumerate(samples, first_sample):
        with _about(p, index):
            prepared.append(_prepare(plan, p.axes.to_canonical(sample), watched=index < SAMPLES))
    ranges = [one.limits for one in prepared if one.limits is not None]
    coded = [one for one in prepared if one.pictures is not None]
    settings = _settings(plan, shift if shift is not None else coded[0].qp_shift if coded else 0)
    configured, payload = _encode_pictures(plan, coded, settings)
    own = p.range_scope is RangeScope.SAMPLE
    content = UnitContent(configured, first_sample, tuple(ranges) if own else p.shared_ranges(len(samples)), payload, 0)
    values = {
        "parameter_set_id": p.id,
        "first_sample": first_sample,
        "sample_count_minus1": len(samples) - 1,
        "sample_minimum": [low for low, _ in ranges],
        "sample_maximum": [high for _, high in ranges],
        "payload": payload,
    }
    step = codec_step(p.payload_codec, settings, p.bit_depth) if p.transform is None else 1
    spreads = [one.spread.coded_with(step) for one in coded if one.spread]
    return CodedUnit(values, content, reduce(Spread.joined, spreads) if spreads else None)


def encode_parts(plan: Plan, sample: Array, index: int) -> Iterator[CodedUnit]:
    """The feature part units of one sample, one after the other; see `encode_units`.

    All parts are quantized alike, in the range of the sample; those of one number have a range of their own, and
    no pictures.
    """
    p = plan.parameters
    assert p.parts is not None
    with _about(p, index):
        whole = _measure(plan, p.axes.to_canonical(sample), watched=index < SAMPLES)
    settings = _settings(plan, whole.qp_shift)
    spread = whole.spread.coded_with(codec_step(p.payload_codec, settings, p.bit_depth)) if whole.spread else None
    for place, number in enumerate(sending_order(p.parts)):
        own = replace(plan, parameters=p.part(number))
        part = whole.values[p.part_channels(number), p.parts.band(number)]
        prepared = _with_pictures(own, part, _part_range(p, part, whole.limits))
        configured, payload = _encode_pictures(own, [prepared] if prepared.pictures is not None else [], settings)
        limits = prepared.limits if p.range_scope is RangeScope.SAMPLE else None
        ranges = (limits,) if limits is not None else p.shared_ranges(1)
        values: Values = {"parameter_set_id": p.id, "sample_index": index, "part_index": number, "payload": payload}
        if limits is not None:
            values |= {"part_minimum": limits[0], "part_maximum": limits[1]}
        content = UnitContent(configured, index, ranges, payload, 0, number, p)
        yield CodedUnit(values, content, None if place else spread)


def sending_order(parts: Parts) -> list[int]:
    """The parts in an order in which a burst of lost units takes no neighbouring bands: every second band comes later.

    Groups of channels follow one another: they are no neighbours of each other.
    """
    bands = [*range(0, parts.bands, 2), *range(1, parts.bands, 2)]
    return [band * parts.groups + group for band in bands for group in range(parts.groups)]


def _part_range(p: Parameters, part: Array, limits: Range | None) -> Range | None:
    """That of the sample; a part all of whose elements are one end of it has that for a range, and no pictures.

    Any other number would be quantized with the sample, and so is no constant.
    """
    if limits is None or p.range_scope is not RangeScope.SAMPLE:
        return limits
    low, high = element_range(part)
    ends = limits[:1] if p.quantizer is Quantizer.LOG_NONNEGATIVE else limits
    return (low, low) if low == high and low in ends else limits


@contextmanager
def _about(p: Parameters, index: int) -> Iterator[None]:
    """Errors of a sample tell which it is."""
    try:
        yield
    except FeatureError as error:
        raise FeatureError(f"{p.name}, sample {index}: {error}") from error


def _settings(plan: Plan, shift: int) -> EncoderSettings:
    """Those of the plan, with the QP shifted as the first sample wants it."""
    if not shift:
        return plan.settings
    if plan.parameters.payload_codec is PayloadCodec.NATIVE:
        return replace(plan.settings, qp=plan.settings.qp + shift)
    low, high = qp_bounds(plan.parameters.bit_depth)
    return replace(plan.settings, qp=min(max(plan.settings.qp + shift, low), high))


def _encode_pictures(plan: Plan, coded: list[_Prepared], settings: EncoderSettings) -> tuple[Parameters, bytes]:
    """The payload, and the parameters with the configuration that came with it, if an external encoder made both."""
    p = plan.parameters
    if not coded:
        return p, b""
    stack = np.concatenate([one.pictures for one in coded if one.pictures is not None])
    implementation, picture_format = codec(p.payload_codec), plan.picture_format
    if p.transform is None:
        configuration, payload = implementation.encode(stack, picture_format, settings)
    else:
        configuration, payload = _encode_components(plan, coded, settings)
    for error in implementation.check(configuration, memoryview(payload), len(stack), picture_format):
        raise CodecError(f"{p.name}: what the payload encoder wrote does not conform: {error}")
    if plan.settings.command:
        return replace(p, configuration=configuration), payload
    if configuration != p.configuration:
        raise CodecError("the payload encoder changed its parameter sets from one sample to the next")
    return p, payload


def _encode_components(plan: Plan, coded: list[_Prepared], settings: EncoderSettings) -> tuple[bytes, bytes]:
    """Pictures of components, each at the QP that gives it the step of its sample."""
    p = plan.parameters
    implementation, payloads, configuration = codec(p.payload_codec), [], b""
    for one in coded:
        assert one.pictures is not None
        start = 0
        for qp, group in groupby(picture_qps(p, plan.config, one.step)):
            count = len(list(group))
            own = settings if qp is None else replace(settings, qp=qp)
            configuration, payload = implementation.encode(
                one.pictures[start : start + count], plan.picture_format, own
            )
            payloads.append(payload)
            start += count
    return configuration, b"".join(payloads)


def _prepare(plan: Plan, sample: Array, *, watched: bool = False) -> _Prepared:
    measured = _measure(plan, sample, watched=watched)
    prepared = _with_pictures(plan, measured.values, measured.limits, measured.step)
    if prepared.pictures is None:
        return prepared
    return replace(prepared, qp_shift=measured.qp_shift, spread=measured.spread, step=measured.step)


def _measure(plan: Plan, sample: Array, *, watched: bool) -> _Measured:
    """A sample (C, H, W) as numbers that can be coded, and what is chosen by the whole of it."""
    p = plan.parameters
    if p.quantizer is Quantizer.NONE:
        if p.dtype == np.bool_ and sample.size and np.ascontiguousarray(sample).view(np.uint8).max() > 1:
            raise FeatureError(
                "elements of type bool whose bytes are neither 0 nor 1 cannot be coded [requirement bytes.bool]: "
                "compare them with 0 (x.view(numpy.uint8) != 0), or code them as uint8"
            )
        return _Measured(sample, None)
    values = to_binary32(sample)
    if p.quantizer is Quantizer.LOG_NONNEGATIVE and values.min() < 0:
        raise FeatureError("quantizer log-nonnegative: negative elements cannot be coded")
    own = values if p.layer is None else values[p.carried]
    limits = sample_range(plan, own)
    if _is_constant(p, limits):
        return _Measured(values, limits)
    if p.transform is not None:
        assert limits is not None
        assert plan.config.basis is not None
        mean = analysis_of(plan.config.basis).mean
        step = element_step(plan.config, values, limits, mean)
        spread = spread_of(values, [limits], p.quantizer, p.bit_depth).coded_in(step) if watched else None
        return _Measured(values, limits, spread=spread, step=step)
    shift = qp_shift(p, own, limits, plan.config.widening) if plan.config.match_step else 0
    spread = None
    if watched and p.layer is None:
        spread = spread_of(values, p.ranges if limits is None else [limits], p.quantizer, p.bit_depth)
    return _Measured(values, limits, shift, spread)


def _with_pictures(plan: Plan, values: Array, limits: Range | None, step: float = 0.0) -> _Prepared:
    """A sample or part (C, H, W) in pictures, unless it is constant."""
    p = plan.parameters
    if p.quantizer is Quantizer.NONE:
        ordered = values if p.in_own_order else values[p.coded_channels]
        return _Prepared(None, pack(ordered.astype(p.dtype, copy=False), p.packing))
    if _is_constant(p, limits):
        return _Prepared(limits, None)
    if p.transform is not None:
        assert plan.config.basis is not None
        rectified = limits is not None and limits[0] == 0
        levels = component_levels(p, plan.config.basis, values, step if rectified else 0.0)
        return _Prepared(limits, pack(levels, p.packing))
    return _Prepared(limits, pack(quantize_sample(p, values, limits), p.packing))


def _is_constant(p: Parameters, limits: Range | None) -> bool:
    return (limits is not None and limits[0] == limits[1]) or len(p.coded_channels) == 0
