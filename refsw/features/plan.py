"""Informative: from a configuration and a first sample to the parameter set of a tensor."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.features.coding import Plan, Range, binary32_range, qp_shift, quantize_sample, sample_range
from refsw.features.config import ChannelOrder, DigestScope, EncoderConfig
from refsw.features.intra_period import predicts
from refsw.features.layout import layout_of, parts_of
from refsw.features.parameters import Parameters
from refsw.features.reconstruct import all_levels
from refsw.payload.hevc import hevc_configuration
from refsw.payload.native.codec import encoder_start, is_sparse, native_configuration
from refsw.payload.registry import codec
from refsw.syntax.codes import DigestKind, PayloadCodec, Profile, Quantizer, RangeScope
from refsw.tensor.axes import FLOAT_TYPES, Array, Axes, element_type_of
from refsw.tensor.quantize import to_binary32
from refsw.tensor.repack import order_by_mean, order_by_similarity


def make_plan(name: str, number: int, axes: Axes, dtype: np.dtype[Any], config: EncoderConfig, profile: Profile,
              first: Array | None) -> Plan:  # fmt: skip
    """The plan for a tensor, from its first sample (in the user's order of axes; None if it has no samples).

    Raises:
        UsageError, FeatureError: the configuration does not fit the tensor.
    """
    element_type = element_type_of(dtype)
    if config.quantizer is not Quantizer.NONE and element_type not in FLOAT_TYPES:
        raise UsageError(f"a tensor of {dtype} has no levels to quantize: code it with quantizer none and a byte codec")
    allowed = codec(config.payload).bit_depths
    if config.quantizer is not Quantizer.NONE and config.bit_depth not in allowed:
        names = ", ".join(map(str, allowed))
        raise UsageError(f"{config.payload.name} takes levels of {names} bits, not {config.bit_depth}")
    scope = RangeScope.SEQUENCE if config.quantizer is Quantizer.NONE else config.range_scope
    if config.packet_bytes is not None:
        raise UsageError("parts for packets need all samples beforehand: take explicit parts (rows, channels)")
    parts = parts_of(axes, config)
    parameters = Parameters(
        id=number,
        axes=axes,
        element_type=element_type,
        quantizer=config.quantizer,
        bit_depth=config.bit_depth,
        range_scope=scope,
        ranges=_ranges(config, scope, axes),
        payload_codec=config.payload,
        packing=layout_of(name or f"tensor{number}", axes, config, dtype)[1],
        parts=parts,
        network_id=config.network_id,
        layer_id=name,
        model_digest=config.model_digest,
        time_scale=config.time_scale,
        time_step=config.time_step,
        digests=_digests(config),
        time_prediction=predicts(config, axes),
        layer=config.layer,
        transform=config.transform,
    )
    plan = Plan(parameters, config, config.settings, profile)
    sample = None if first is None else axes.to_canonical(first)
    return _measured(plan, sample)


def _ranges(config: EncoderConfig, scope: RangeScope, axes: Axes) -> tuple[Range, ...]:
    if config.quantizer is Quantizer.NONE or scope is RangeScope.SAMPLE:
        return ()
    wanted = axes.channels if scope is RangeScope.CHANNEL else 1
    if config.ranges is None:
        raise UsageError(f"range by {scope.name.lower()} needs all samples beforehand, or explicit ranges")
    if len(config.ranges) != wanted:
        raise UsageError(f"range by {scope.name.lower()} needs {wanted} ranges, not {len(config.ranges)}")
    return tuple(binary32_range(low, high, config.quantizer) for low, high in config.ranges)


def _digests(config: EncoderConfig) -> frozenset[DigestKind]:
    if config.digest is DigestScope.NONE:
        return frozenset()
    levels = config.levels_digest and config.quantizer is not Quantizer.NONE
    return frozenset({DigestKind.TENSOR, DigestKind.LEVELS} if levels else {DigestKind.TENSOR})


def _measured(plan: Plan, sample: Array | None) -> Plan:
    """Add what is measured on the first sample: channel order, start of the native payload, codec configuration."""
    p, config = plan.parameters, plan.config
    if isinstance(config.channel_order, tuple):
        if sorted(config.channel_order) != list(range(p.axes.channels)):
            raise UsageError(f"a channel order names each of the {p.axes.channels} channels once")
        plan = _ordered(plan, config.channel_order)
    if sample is None or p.quantizer is Quantizer.NONE:
        return _with_configuration(plan)
    values = to_binary32(sample)
    own = values if p.layer is None else values[p.carried]
    limits = sample_range(plan, own)
    if (limits is not None and limits[0] == limits[1]) or len(p.coded_channels) == 0:
        return _with_configuration(plan)
    if config.channel_order in (ChannelOrder.MEAN, ChannelOrder.SIMILARITY):
        find = order_by_mean if config.channel_order is ChannelOrder.MEAN else order_by_similarity
        plan = _ordered(plan, tuple(find(all_levels(p, quantize_sample(p, values, limits)))))
    if p.payload_codec is PayloadCodec.NATIVE and config.settings.native is None and p.transform is None:
        shift = qp_shift(p, own, limits, config.widening) if config.match_step else 0
        sparse = is_sparse(quantize_sample(p, values, limits), p.bit_depth, config.settings.qp + shift)
        plan = dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, sparse=sparse))
    return _with_configuration(plan)


def _ordered(plan: Plan, order: tuple[int, ...]) -> Plan:
    return dataclasses.replace(plan, parameters=dataclasses.replace(plan.parameters, channel_order=order))


def _with_configuration(plan: Plan) -> Plan:
    """The codec configuration; with x265 it depends on format and settings only, not on what is in the pictures.

    That of an external encoder is known when all units are coded.
    """
    p = plan.parameters
    if p.payload_codec is PayloadCodec.NATIVE:
        configuration = native_configuration(plan.settings)
        encoder_start(configuration, plan.settings, p.picture_format(plan.profile))
        return dataclasses.replace(plan, parameters=dataclasses.replace(p, configuration=configuration))
    if p.payload_codec is not PayloadCodec.HEVC or plan.settings.command:
        return plan
    configuration = hevc_configuration(plan.picture_format, plan.settings)
    return dataclasses.replace(plan, parameters=dataclasses.replace(p, configuration=configuration))
