"""Informative: bitstreams of a size that is asked for, in a few coding passes.

One number, the control, stands for how coarse the coding is: six of it double the step of the quantizer, as six QPs do.
What a payload takes in whole QPs or qualities is made up for by a range that is a little wider than the elements need.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import floor, log2, sqrt
from typing import Any

from refsw.errors import UsageError
from refsw.features.coding import widened
from refsw.features.config import HIGHEST_QP, LOWEST_QP, EncoderConfig
from refsw.payload.x265 import qp_bounds
from refsw.syntax.codes import PayloadCodec, Quantizer

PASSES = 4
TOLERANCE = 0.03
PER_OCTAVE = 6.0
"""Controls that double the step."""
USUAL_SLOPE, USUAL_CURVATURE = -0.08, -0.0015
"""Binary logarithm of bytes by control, where nothing is known yet: what it falls by, and by how much faster."""
STEPPED = (PayloadCodec.HEVC, PayloadCodec.VVC, PayloadCodec.NATIVE)
FINEST_QUALITY, COARSEST_QUALITY = 100, 1


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the greatest control that a configuration has, and where to begin."""

    low: float
    high: float
    start: float


@dataclass(frozen=True, slots=True)
class Met:
    """A bitstream of about the size that was asked for.

    Args:
        data: the bitstream.
        control: with which it was coded.
        sizes: bytes of every pass, in order.
    """

    data: bytes
    control: float
    sizes: tuple[int, ...]


def bounds_of(config: EncoderConfig) -> Bounds:
    """What control a configuration has.

    Raises:
        UsageError: its payload has one size, whatever is chosen.
    """
    if config.quantizer is Quantizer.NONE:
        raise UsageError("a target of the rate goes with a quantizer: whole elements take the bytes that they take")
    if config.payload is PayloadCodec.STORED:
        raise UsageError("a target of the rate does not go with payload stored, whose size does not depend on a step")
    deepest = PER_OCTAVE * (config.bit_depth - 1)
    if config.payload in STEPPED:
        low, high = _qps(config)
        return Bounds(float(low), high + 2 * PER_OCTAVE, float(min(max(config.settings.qp, low), high)))
    if config.payload is PayloadCodec.JPEG:
        return Bounds(0.0, PER_OCTAVE * log2(jpeg_scale(COARSEST_QUALITY) / jpeg_scale(FINEST_QUALITY)), 24.0)
    return Bounds(0.0, deepest, min(12.0, deepest))


def _qps(config: EncoderConfig) -> tuple[int, int]:
    """The least and the greatest QP that a payload takes, wherever it is shifted to."""
    if config.payload is PayloadCodec.NATIVE:
        return LOWEST_QP, HIGHEST_QP
    low, high = qp_bounds(config.bit_depth)
    return max(low, LOWEST_QP), min(high, HIGHEST_QP)


def jpeg_scale(quality: int) -> float:
    """By what, in hundredths, the tables of steps of JPEG are multiplied; at least 1, as steps are whole numbers."""
    return max(1.0, 5000 / quality if quality < 50 else 200.0 - 2 * quality)


def controlled(config: EncoderConfig, control: float) -> EncoderConfig:
    """A configuration with a control; the layers of a tensor keep their distances in QP."""
    if config.payload in STEPPED:
        low, high = _qps(config)
        qp = min(max(floor(control), low), high)
        layers = tuple(
            replace(layer, choices=tuple((k, _moved(k, v, qp - config.settings.qp)) for k, v in layer.choices))
            for layer in config.layers
        )
        return _widened(config.replace(qp=qp, layers=layers), 2 ** ((control - qp) / PER_OCTAVE))
    if config.payload is PayloadCodec.JPEG:
        wanted = 2 ** (control / PER_OCTAVE) * jpeg_scale(FINEST_QUALITY)
        quality = next(q for q in range(COARSEST_QUALITY, FINEST_QUALITY + 1) if jpeg_scale(q) <= wanted * (1 + 1e-9))
        return _widened(config.replace(quality=quality), max(1.0, wanted / jpeg_scale(quality)))
    return _widened(config, 2 ** (control / PER_OCTAVE))


def _widened(config: EncoderConfig, widening: float) -> EncoderConfig:
    """Ranges that are given become wider here, those that are measured when they are."""
    own = config.replace(widening=widening)
    if config.ranges is None:
        return own
    return own.replace(ranges=tuple(widened(limits, own, config.quantizer) for limits in config.ranges))


def _moved(key: str, value: Any, by: int) -> Any:
    return min(max(value + by, LOWEST_QP), HIGHEST_QP) if key == "qp" else value


def meet(code: Callable[[float], bytes], target: float, bounds: Bounds, *, tolerance: float = TOLERANCE) -> Met:
    """Code in at most four passes to a size.

    Args:
        code: a bitstream for a control; the same one whenever it is asked.
        target: bytes.
        bounds: of the control.
        tolerance: share of the target that the size may differ by.

    Raises:
        UsageError: no pass came near enough; says which came nearest.
    """
    if target < 1:
        raise UsageError(f"a target of {target:.6g} bytes: at least 1")
    tried: list[tuple[float, float]] = []
    sizes: list[int] = []
    control = bounds.start
    best: tuple[float, bytes, float] | None = None
    for _ in range(PASSES):
        data = code(control)
        sizes.append(len(data))
        tried.append((control, log2(len(data) / target)))
        away = abs(len(data) / target - 1)
        if best is None or away < best[0]:
            best = away, data, control
        if away <= tolerance:
            return Met(data, control, tuple(sizes))
        control = min(max(_next(tried), bounds.low), bounds.high)
        if any(abs(control - known) < 1e-6 for known, _ in tried):
            break  # an end of what there is
    assert best is not None
    nearest = len(best[1])
    if best[2] in (bounds.low, bounds.high):
        end = "finest" if best[2] == bounds.low else "coarsest"
        raise UsageError(
            f"{target:.0f} bytes are out of reach: {nearest} at the {end}; another payload, bit depth or preset may do"
        )
    raise UsageError(f"{target:.0f} bytes were not met in {len(sizes)} passes: {nearest} bytes came nearest")


def _next(tried: list[tuple[float, float]]) -> float:
    """Where the logarithm of the share of the target is expected to be 0.

    It falls with the control, the faster the coarser: a parabola through the points nearest to it, or through fewer of
    them and with the usual slope and curvature.
    """
    near = sorted(tried, key=lambda point: abs(point[1]))[:3]
    (c0, a0), *more = near
    slope, curvature, c1 = USUAL_SLOPE, USUAL_CURVATURE, c0
    if more:
        c1, a1 = more[0]
        slope = (a1 - a0) / (c1 - c0)
    if len(more) > 1:
        c2, a2 = more[1]
        curvature = ((a2 - a1) / (c2 - c1) - slope) / (c2 - c0)
    found = _root(c0, a0, c1, slope, curvature)
    finer = max((c for c, a in tried if a >= 0), default=None)
    coarser = min((c for c, a in tried if a < 0), default=None)
    if finer is not None and coarser is not None and finer < coarser:
        if found is None or not finer < found < coarser:
            near_by = dict(tried)
            high, low = near_by[finer], near_by[coarser]
            return finer + (coarser - finer) * high / (high - low)
        return found
    return found if found is not None else c0 - a0 / USUAL_SLOPE


def _root(c0: float, a0: float, c1: float, slope: float, curvature: float) -> float | None:
    """Where a0 + slope (c - c0) + curvature (c - c0) (c - c1) is 0, nearest to c0; None: nowhere, or where it rises."""
    b = slope + curvature * (c0 - c1)
    if b >= 0:
        return None
    inside = b * b - 4 * curvature * a0
    if inside < 0:
        return None
    return c0 + 2 * a0 / (-b + sqrt(inside))
