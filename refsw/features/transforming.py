"""Informative: how the encoder gets levels of components from samples, and what it chooses for a channel transform.

A component is coded in a step that is the same for all of them. Where one range of levels for all would be too coarse
at the wanted quality, those of the pictures with the largest components are shifted (7.6.4), and coded at a lower QP.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log2
from typing import Any

import numpy as np
import numpy.typing as npt

from refsw.errors import DfcError, UsageError
from refsw.features.config import EncoderConfig
from refsw.features.loss import codec_step
from refsw.features.parameters import Parameters
from refsw.payload.base import EncoderSettings
from refsw.payload.x265 import LONG_SIDE, qp_bounds
from refsw.syntax.codes import PayloadCodec
from refsw.tensor.axes import Array, Axes
from refsw.tensor.quantize import level_dtype, to_binary32
from refsw.tensor.repack import choose_grid
from refsw.tensor.transform import PHASES, Transform, basis_of

ROOM = 1.25
"""How much larger than the components of the samples those that are completed may get; beyond, they are clipped."""
SPAN = 255
"""Steps of the logarithmic quantizer of 8 bits, which the step is to match."""
UNMATCHED = 16
"""Deviations of the elements that count as their range where the step matches none."""
FINEST = 320
"""Levels within a step of the payload, at most: beyond that, QPs are higher than codecs have."""
MOST_PICTURES = 16
REFERENCE_QP = 22
ROUNDS = 5
"""How often what a rectifier cut off is completed."""
BLOCK = 16
"""Rows and columns of the blocks in which completion foresees what the payload codec leaves of components."""
ZONE = 0.4
"""What is added before coefficients are rounded down there."""
Real = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Analysis:
    """What an encoder needs of a basis.

    Args:
        synthesis: what a unit of every component adds to the channels, shape (N, K).
        analysis: the components of a unit of every channel, shape (K, N).
        gain: how much greater a step is in the elements than in components, the geometric mean.
    """

    synthesis: Real
    analysis: Real
    mean: Real
    prefix_mean: Real
    gain: float


@lru_cache(maxsize=4)
def analysis_of(data: bytes) -> Analysis:
    """The inverse of a basis, in the sense of least squares."""
    basis = basis_of(data)
    synthesis = np.ldexp(basis.entries.astype(np.float64), basis.exponents)
    norms = np.sqrt(np.square(synthesis).sum(axis=0))
    gain = float(np.exp(np.mean(np.log(norms[norms > 0])))) if norms.any() else 1.0
    return Analysis(synthesis, np.linalg.pinv(synthesis), basis.mean.astype(np.float64),
                    basis.prefix_mean.astype(np.float64), gain)  # fmt: skip


def phases_of(values: Array, *, space_to_depth: bool) -> Real:
    """7.6.2 A sample (C, H, W) as what is transformed (N, h, w); at odd edges, the last row and column twice."""
    out = values.astype(np.float64)
    if not space_to_depth:
        return out
    channels, rows, columns = out.shape
    out = np.pad(out, ((0, 0), (0, rows % PHASES), (0, columns % PHASES)), mode="edge")
    split = out.reshape(channels, -(-rows // PHASES), PHASES, -(-columns // PHASES), PHASES)
    # (C, h, 2, w, 2) -> (2, 2, C, h, w)
    return np.ascontiguousarray(split.transpose(2, 4, 0, 1, 3)).reshape(-1, split.shape[1], split.shape[3])


def check_basis(data: bytes, axes: Axes) -> bool:
    """Whether a channel_transform is one across phases of a tensor's channels.

    Raises:
        UsageError: it is for another tensor, or none at all.
    """
    try:
        basis = basis_of(data)
    except DfcError as error:
        raise UsageError(f"no channel transform: {error}") from error
    phases = basis.channels == PHASES * PHASES * axes.channels
    if basis.channels != axes.channels and not phases:
        raise UsageError(f"a transform of {basis.channels} channels or phases; the tensor has {axes.channels} channels")
    if basis.prefix_rows > axes.rows:
        raise UsageError(f"a transform with a prefix of {basis.prefix_rows} rows; the tensor has {axes.rows}")
    return phases


# --- Levels ---


def component_levels(p: Parameters, data: bytes, values: npt.NDArray[np.float32], step: float) -> Array:
    """Levels of the components (K, h, w) of a sample (C, H, W).

    Args:
        p: of the tensor.
        data: the channel_transform.
        values: the sample.
        step: that of the payload in elements, for the completion of rectified elements; 0: there is none.
    """
    t = p.transform
    assert t is not None
    a, top = analysis_of(data), (1 << p.bit_depth) - 1
    parts = phases_of(values, space_to_depth=t.space_to_depth)
    shape = parts.shape
    found = completed(a, parts, step / a.gain) if step else a.analysis @ _centred(a, parts)
    shifts = t.shifts_of(p.packing.cells)
    levels = found / (t.step * np.exp2(shifts))[:, None]
    out = levels.reshape(-1, *shape[1:])
    for row, mean in enumerate(a.prefix_mean):
        out[:, row] = (parts[:, row] - mean[:, None]) / t.prefix_step
    zero = 1 << (p.bit_depth - 1)
    limited: Array = np.clip(np.rint(out) + zero, 0, top).astype(level_dtype(p.bit_depth))
    return limited


def _centred(a: Analysis, parts: Real) -> Real:
    return parts.reshape(len(parts), -1) - a.mean[:, None]


def completed(a: Analysis, parts: Real, step: float) -> Real:
    """Components (K, places) of rectified features: where an element is 0, whatever is below 0 will do as well.

    Elements that a rectifier cut off are given what makes the components cheap: what is left of them after their
    coefficients were rounded down, in a few rounds.
    """
    flat = parts.reshape(len(parts), -1)
    cut, found, shape = flat <= 0, flat, parts.shape[1:]
    for _ in range(ROUNDS):
        left = _foreseen(a.analysis @ (found - a.mean[:, None]), shape, step)
        found = np.where(cut, np.minimum(a.synthesis @ left + a.mean[:, None], 0), flat)
    components: Real = a.analysis @ (found - a.mean[:, None])
    return components


def _foreseen(components: Real, shape: tuple[int, ...], step: float) -> Real:
    """Components after their coefficients in blocks were rounded down, but for a zone."""
    maps = components.reshape(-1, *shape)
    rows, columns = (_transform_of(extent) for extent in shape)
    coefficients = rows @ maps @ columns.T
    kept = np.sign(coefficients) * np.floor(np.abs(coefficients) / step + ZONE) * step
    left: Real = (rows.T @ kept @ columns).reshape(components.shape)
    return left


@lru_cache(maxsize=16)
def _transform_of(extent: int) -> Real:
    """Cosine transforms of blocks along an axis, as one orthogonal matrix; the last block may be smaller."""
    out = np.zeros((extent, extent))
    for start in range(0, extent, BLOCK):
        size = min(BLOCK, extent - start)
        k, x = np.arange(size)[:, None], np.arange(size)[None, :]
        block = np.cos(np.pi * (2 * x + 1) * k / (2 * size)) * np.sqrt(2 / size)
        block[0] /= np.sqrt(2)
        out[start : start + size, start : start + size] = block
    return out


# --- Steps ---


def picture_qps(p: Parameters, config: EncoderConfig, step: float) -> list[int | None]:
    """The QP of every picture of a sample that is to be coded in a step, in elements; None: the payload has none."""
    t, count = p.transform, p.packing.pictures(len(p.coded_channels))
    assert t is not None
    assert config.basis is not None
    if p.payload_codec not in (PayloadCodec.HEVC, PayloadCodec.NATIVE):
        return [None] * count
    unit = codec_step(p.payload_codec, EncoderSettings(qp=REFERENCE_QP), p.bit_depth)
    lowest, highest = qp_bounds(p.bit_depth) if p.payload_codec is PayloadCodec.HEVC else (-60, 63)
    found: list[int | None] = []
    for shift in t.shifts or (0,) * count:
        level = t.step * 2**shift * analysis_of(config.basis).gain
        wanted = REFERENCE_QP + round(6 * log2(step / level / unit))
        found.append(min(max(wanted, lowest), highest))
    return found


def element_step(config: EncoderConfig, values: Array, limits: tuple[float, float], mean: Real) -> float:
    """The step, in elements, that a sample (C, H, W) is to be coded in.

    With match_step, that which the other presets have at the same QP (B.3); else one that follows the deviation.
    """
    scale = config.step_factor * 2 ** ((config.settings.qp - 4) / 6)
    if not config.match_step:
        deviation = np.std(values.astype(np.float64) - mean[: len(values), None, None])
        return float(UNMATCHED * deviation / SPAN * scale)
    low, high = limits
    offset = (values.astype(np.float64) - low) + 1
    log_step = float(np.sqrt(np.mean(offset * offset))) * float(np.log1p(high - low))
    return min(log_step, high - low) / SPAN * scale


def with_transform(config: EncoderConfig, axes: Axes, samples: Iterable[Array]) -> EncoderConfig:
    """The configuration with a transform, its steps and shifts, and the grid that they ask for.

    Args:
        config: has a basis.
        axes: of the tensor.
        samples: all of it, in the user's order of axes.

    Raises:
        UsageError: the basis is not one for the tensor.
    """
    data = config.basis
    assert data is not None
    phases = check_basis(data, axes)
    basis, a = basis_of(data), analysis_of(data)
    extents, step, prefix = np.zeros(basis.components), np.inf, 0.0
    for sample in samples:
        values = to_binary32(axes.to_canonical(sample))
        low, high = float(values.min()), float(values.max())
        if low == high:
            continue
        parts = phases_of(values, space_to_depth=phases)
        flat = _centred(a, parts[:, basis.prefix_rows :])
        extents = np.maximum(extents, np.abs(a.analysis @ flat).max(axis=1, initial=0))
        for row, mean in enumerate(a.prefix_mean):
            prefix = max(prefix, float(np.abs(parts[:, row] - mean[:, None]).max()))
        step = min(step, element_step(config, values, (low, high), a.mean))
    step = step / a.gain if np.isfinite(step) else 1.0
    top = (1 << (config.bit_depth - 1)) - 1
    steps, rows = _chosen(config, axes, np.maximum(ROOM * extents, 1e-30), step, top, phases=phases)
    least = float(np.float32(steps.min())) if len(steps) else 1.0
    shifts = tuple(max(0, ceil(log2(one / least) - 1e-6)) for one in steps)
    digest = hashlib.sha256(data).digest() if config.settings.named else None
    transform = Transform(
        basis.components, least, shifts if any(shifts) else (), phases, basis.prefix_rows,
        float(np.float32(max(least * a.gain / 8, ROOM * prefix / top))) if basis.prefix_rows else 0.0,
        data if digest is None else None, digest,
    )  # fmt: skip
    return config.replace(transform=transform, grid=rows)


def _chosen(config: EncoderConfig, axes: Axes, extents: Real, step: float, top: int, *, phases: bool
            ) -> tuple[Real, Any]:  # fmt: skip
    """The step of the components of every picture, and the grid: as few pictures as the wanted step allows."""
    count, grid = len(extents), config.grid
    if config.payload not in (PayloadCodec.HEVC, PayloadCodec.VVC):
        lossless = config.payload is not PayloadCodec.NATIVE
        one = step if lossless else max(extents.max(initial=0) / top, step / FINEST)
        return np.array([max(one, extents.max(initial=0) / top)]), grid
    lowest = codec_step(config.payload, EncoderSettings(qp=qp_bounds(config.bit_depth)[0]), config.bit_depth)
    pictures, found = 1, np.zeros(0)
    while True:
        rows = _grid(axes, -(-count // pictures), phases=phases) if grid is None else grid
        cells = rows[0] * rows[1]
        groups = [extents[start : start + cells].max() for start in range(0, count, cells)]
        found = np.maximum(np.array(groups) / top, step / FINEST)
        if grid is not None or pictures >= min(MOST_PICTURES, count) or (found * lowest <= step).all():
            return found, rows
        pictures *= 2


def _grid(axes: Axes, cells: int, *, phases: bool) -> tuple[int, int]:
    """Rows and columns of a grid of components: one row for tokens, else nearly square."""
    if axes.columns == 1 and not phases:
        return 1, max(cells, 1)
    divisor = PHASES if phases else 1
    return choose_grid(max(cells, 1), -(-axes.rows // divisor), -(-axes.columns // divisor), LONG_SIDE)
