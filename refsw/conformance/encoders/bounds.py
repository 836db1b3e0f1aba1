"""13.12.5 How far the levels of a bitstream may be from what was given, by what the bitstream says of itself.

A level q stands for a place on the scale of its quantizer: t(x) = (2^n - 1) (x - min) / (max - min), or the same with
logarithms. The quantizer is held to |q - t(x)| <= 1/2; a lossy payload may add an error, whose root mean square over
the pictures of a unit, margins included, is bounded by the step of its transform coefficients: that of the greatest QP
of its slices, or those of its tables. The native payload tells its step, but an encoder that weighs rate may leave out
channels whole. Where the step is not known, the bound lies between the error of the mean of the
sample alone, its deviation, and that of elements that have nothing to do with it, the square root of two times that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refsw.errors import DfcError
from refsw.features.reconstruct import UnitContent
from refsw.payload.nal import parse_configuration, split
from refsw.payload.native.codec import steps_of
from refsw.payload.slices import slices_of
from refsw.syntax.codes import PayloadCodec, Quantizer
from refsw.tensor.axes import Array

Numbers = npt.NDArray[np.float64]
LOSSLESS = frozenset({
    PayloadCodec.STORED, PayloadCodec.ZLIB, PayloadCodec.GZIP, PayloadCodec.LZMA, PayloadCodec.PNG,
})  # fmt: skip
HALF = 0.5
SLACK = 1e-3
"""Levels that the arithmetic of an encoder may be off where a number is half-way between two levels."""
ROUNDING = 1.0
"""Levels that the rounding of reconstructed samples, and in-loop filters, may add."""
UNRELATED = 1.25
"""Deviations of a sample that a payload may be off whose step is not known."""
NEXT = 1.5
"""Steps that an element is off at most if an encoder takes the value next to the nearest one."""
ONE = 256
"""Of a quantization_step, in a level (6.18)."""
JPEG_TABLES = b"\xff\xdb"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the payload of a unit may change.

    Args:
        step: root mean square that its coefficients may be off, in levels; 0 if it is lossless, None if not known.
        rule: in words.
        least: without a step, what may be off however small the deviation of the sample, in levels.
    """

    step: float | None
    rule: str
    least: float = 0.0


def allowed_by(content: UnitContent) -> Allowed:
    """What the payload codec of a unit may change, from the unit alone."""
    p = content.parameters
    codec = p.payload_codec
    if codec in LOSSLESS or p.quantizer is Quantizer.NONE:
        return Allowed(0.0, f"{codec.name} is lossless: half a level")
    if codec is PayloadCodec.HEVC:
        return _by_qp(content)
    if codec is PayloadCodec.JPEG:
        return _by_tables(bytes(content.payload))
    if codec is PayloadCodec.NATIVE:
        return _by_native_steps(content)
    return Allowed(None, f"the step of {codec.name} is not known: 5/4 of the deviation of the sample")


def _by_qp(content: UnitContent) -> Allowed:
    if not content.payload:
        return Allowed(0.0, "no pictures")
    try:
        configuration = parse_configuration(content.parameters.configuration)
        qps = [one.qp for one in slices_of(split(content.payload), configuration, every_qp=True)]
    except DfcError:
        return Allowed(None, "slice headers do not parse: 5/4 of the deviation of the sample")
    if any(pps.qp_delta for pps in configuration.every_pps):
        return Allowed(None, "the QP of HEVC changes within pictures: 5/4 of the deviation of the sample")
    qp = max(qp for qp in qps if qp is not None)
    step = 2.0 ** ((qp - 4) / 6 + content.parameters.bit_depth - 8)
    return Allowed(step, f"HEVC at QP {qp}: root mean square {step + ROUNDING:.3g} levels")


def _by_native_steps(content: UnitContent) -> Allowed:
    p = content.parameters
    size = (p.packing.coded_height, p.packing.coded_width) if p.time_prediction else None
    step = max((one / ONE for one in steps_of(content.payload, predicted=size)), default=0.0)
    least = NEXT * step
    return Allowed(None, f"NATIVE with a step of {step:.3g} levels: {least:.3g}, or 5/4 of the deviation", least)


def _by_tables(payload: bytes) -> Allowed:
    """The quantization tables of JPEG images: after their marker, its length, and a byte with precision and number."""
    place, most = payload.find(JPEG_TABLES), 0.0
    while place >= 0:
        end = place + 2 + int.from_bytes(payload[place + 2 : place + 4], "big")
        at = place + 4
        while at < end:
            wide = 1 + (payload[at] >> 4)
            table = np.frombuffer(payload[at + 1 : at + 1 + 64 * wide], f">u{wide}").astype(np.float64)
            most = max(most, math.sqrt(float(np.square(table).mean())))
            at += 1 + 64 * wide
        place = payload.find(JPEG_TABLES, end)
    return Allowed(most, f"tables of JPEG: root mean square {most + ROUNDING:.3g} levels")


def places(x: Array, low: float, high: float, quantizer: Quantizer, bit_depth: int) -> tuple[Numbers, Numbers]:
    """Where elements stand on the scale of levels: bounds for what rounding them to binary32 may make of each.

    Args:
        x: elements, of any format; they are clipped to the range.
        low, high: the range; low < high.
        quantizer, bit_depth: as in the parameter set.
    """
    with np.errstate(over="ignore"):
        single = x.astype(np.float32)
    single = np.clip(single, np.float32(low), np.float32(high))
    with np.errstate(over="ignore"):  # beyond the greatest number is infinity, which is clipped
        below = np.nextafter(single, np.float32(-np.inf)).astype(np.float64)
        above = np.nextafter(single, np.float32(np.inf)).astype(np.float64)
    most = (1 << bit_depth) - 1
    out = []
    for side in (below, above):
        apart = np.clip(side, low, high) - low
        share = apart / (high - low) if quantizer is Quantizer.UNIFORM else np.log1p(apart) / math.log1p(high - low)
        out.append(share * most)
    return out[0], out[1]


def excess(levels: Array, x: Array, low: float, high: float, quantizer: Quantizer, bit_depth: int) -> Numbers:
    """By how many levels each level lies beyond where its element stands; 0 where it is within half a level."""
    first, last = places(x, low, high, quantizer, bit_depth)
    q = levels.astype(np.float64)
    return np.maximum(np.maximum(first - HALF - SLACK - q, q - last - HALF - SLACK), 0.0)


def limit_of(
    allowed: Allowed, spare: float, x: Array, low: float, high: float, quantizer: Quantizer, bit_depth: int
) -> float:
    """The root mean square that the levels of a sample may be in excess.

    Args:
        allowed: what the payload may change.
        spare: samples of its pictures for every coded element: the error of a margin may lie in the elements.
        x, low, high, quantizer, bit_depth: as in `places`.
    """
    if allowed.step == 0:
        return 0.0
    if allowed.step is not None:
        return allowed.step * math.sqrt(spare) + ROUNDING
    apart = UNRELATED * float(places(x, low, high, quantizer, bit_depth)[0].std())
    return max(apart, allowed.least) + ROUNDING
