"""Informative: from a configuration and a first sample to the parameter set of a tensor."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from refsw.errors import UsageError
from refsw.features.coding import Plan, Range, binary32_range, quantize_sample, sample_range
from refsw.features.config import ChannelOrder, DigestScope, EncoderConfig
from refsw.features.parameters import MAX_MARGIN, Parameters
from refsw.payload.base import DecoderSettings, codec
from refsw.payload.hevc import MAX_QP, MAX_QP_12_BIT, MIN_SIDE, hevc_configuration
from refsw.profiles import LEVELS
from refsw.syntax.codes import DigestKind, Level, PayloadCodec, Profile, Quantizer, RangeScope, RepackLayout
from refsw.tensor.axes import FLOAT_TYPES, Array, Axes, element_type_of
from refsw.tensor.dequantize import SUBLEVELS, Refinement
from refsw.tensor.quantize import element_range, to_binary32
from refsw.tensor.repack import Packing, choose_grid, order_by_mean, order_by_similarity, pack, unpack

VIDEO = (PayloadCodec.HEVC, PayloadCodec.VVC)


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
    parameters = Parameters(
        id=number,
        axes=axes,
        element_type=element_type,
        quantizer=config.quantizer,
        bit_depth=config.bit_depth,
        range_scope=scope,
        ranges=_ranges(config, scope, axes),
        payload_codec=config.payload,
        packing=_packing(config, axes),
        network_id=config.network_id,
        layer_id=name,
        model_digest=config.model_digest,
        time_scale=config.time_scale,
        time_step=config.time_step,
        digests=_digests(config),
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


def _packing(config: EncoderConfig, axes: Axes) -> Packing:
    video = config.payload in VIDEO
    align = config.align if config.align is not None else (8 if video else 1)
    if not 1 <= align <= MAX_MARGIN // 2:
        raise UsageError(f"align {align}: from 1 to {MAX_MARGIN // 2}")
    limits = LEVELS[config.level or (Level.L1 if axes.elements <= LEVELS[Level.L1].sample_elements else Level.L3)]
    grid = (1, 1)
    if config.layout is not RepackLayout.SEQUENCE:
        grid = config.grid or choose_grid(axes.channels, axes.rows, axes.columns, limits.picture_side - align)
        if min(grid) < 1 or grid[0] * grid[1] >= 2 * axes.channels + 64:
            raise UsageError(f"grid {grid[0]}x{grid[1]} does not suit {axes.channels} channels")
    height, width = grid[0] * axes.rows, grid[1] * axes.columns
    smallest = MIN_SIDE if video else 1
    coded = [max(smallest, -(-side // align) * align) for side in (height, width)]
    return Packing(config.layout, axes.rows, axes.columns, *grid, *coded)


def _measured(plan: Plan, sample: Array | None) -> Plan:
    """Add what is measured on the first sample: channel order, QP shift, refinement, codec configuration."""
    p, config = plan.parameters, plan.config
    order: tuple[int, ...] = ()
    if isinstance(config.channel_order, tuple):
        order = config.channel_order
        if sorted(order) != list(range(p.axes.channels)):
            raise UsageError(f"a channel order names each of the {p.axes.channels} channels once")
    elif config.channel_order is not ChannelOrder.OWN and sample is not None and p.quantizer is not Quantizer.NONE:
        levels = quantize_sample(p, to_binary32(sample), sample_range(plan, to_binary32(sample)), coded_only=False)
        find = order_by_mean if config.channel_order is ChannelOrder.MEAN else order_by_similarity
        order = tuple(find(levels))
    plan = dataclasses.replace(plan, parameters=dataclasses.replace(p, channel_order=order))
    p = plan.parameters
    if sample is None or p.quantizer is Quantizer.NONE:
        return _with_configuration(plan)
    values = to_binary32(sample)
    limits = sample_range(plan, values)
    if (limits is not None and limits[0] == limits[1]) or len(p.coded_channels) == 0:
        return _with_configuration(plan)
    if config.match_step and p.payload_codec in VIDEO:
        plan = _matched(plan, values, limits)
    plan = _with_configuration(plan)
    return _refined(plan, values, limits) if config.refine else plan


def _with_configuration(plan: Plan) -> Plan:
    """The codec configuration; it depends on format and settings only, not on what is in the pictures."""
    p = plan.parameters
    if p.payload_codec not in VIDEO:
        return plan
    configuration = hevc_configuration(p.picture_format(plan.profile), plan.settings)
    return dataclasses.replace(plan, parameters=dataclasses.replace(p, configuration=configuration))


def _matched(plan: Plan, values: npt.NDArray[np.float32], limits: Range | None) -> Plan:
    """Shift the QP so that a level's error costs as much, in elements, as with the log quantizer.

    The step of a quantizer in elements is dx/dq; for log it grows with x - min + 1, so its root mean
    square over the sample is taken. Six QPs double the step.
    """
    low, high = limits if limits is not None else element_range(values)
    offset = values.astype(np.float64) - low + 1
    log_step = float(np.sqrt(np.mean(offset * offset))) * float(np.log1p(high - low))
    shift = 0 if plan.parameters.quantizer is not Quantizer.UNIFORM else round(6 * np.log2(log_step / (high - low)))
    depth = plan.parameters.bit_depth
    highest = MAX_QP_12_BIT if depth == 12 else MAX_QP
    qp = min(max(plan.settings.qp + shift, -6 * (depth - 8)), highest)
    return dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, qp=qp))


REFINEMENT_NODES = 9


def _refined(plan: Plan, values: npt.NDArray[np.float32], limits: Range | None) -> Plan:
    """7.4.1 from the first sample: nodes a quantization step apart, fitted to where the elements lie."""
    p = plan.parameters
    levels = quantize_sample(p, values, limits)
    picture_format = p.picture_format(plan.profile)
    pictures = pack(levels, p.packing)
    _, payload = codec(p.payload_codec).encode(pictures, picture_format, plan.settings)
    decoded = codec(p.payload_codec).decode(
        p.configuration, memoryview(payload), len(pictures), picture_format, DecoderSettings()
    )
    found = unpack(decoded, p.packing, len(p.coded_channels))
    fine = quantize_sample(p, values, limits, SUBLEVELS)
    spacing = min(max(1, round(2 ** ((plan.settings.qp - 4) / 6 + p.bit_depth - 8))), (1 << p.bit_depth) - 1)
    refinement = fit_refinement(found, fine, p.bit_depth, spacing)
    return dataclasses.replace(
        plan, parameters=dataclasses.replace(p, refinement=refinement), pilot=payload
    )


def fit_refinement(found: Array, fine: Array, bit_depth: int, spacing: int) -> Refinement:
    """Least squares over the nodes: decoded levels against where the elements lie, in sixteenths of a level.

    The sums are of integers and hence exact; only the small system of equations is in floating point.
    """
    top = 1 << bit_depth
    counts = np.bincount(found.reshape(-1), minlength=top).astype(np.float64)
    error = fine.reshape(-1).astype(np.int64) - SUBLEVELS * found.reshape(-1).astype(np.int64)
    sums = np.bincount(found.reshape(-1), weights=error, minlength=top)
    nodes = np.arange(REFINEMENT_NODES) * spacing
    levels = np.arange(top)
    # (levels, nodes): how much of every node's offset a level gets
    share = np.stack([np.interp(levels, nodes, row) for row in np.eye(REFINEMENT_NODES)], axis=1)
    system = share.T @ (share * counts[:, None])
    system += np.eye(REFINEMENT_NODES) * 1e-3  # nodes that no element is near stay at zero
    offsets = np.linalg.solve(system, share.T @ sums)
    limit = SUBLEVELS * top
    return Refinement(spacing, tuple(int(np.clip(round(o), -limit, limit)) for o in offsets))
