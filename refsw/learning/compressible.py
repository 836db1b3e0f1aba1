"""Informative: features that are trained to be coded, after the ICME 2022 tutorial (feature compression).

The layer that quantises (Q-layer) is noise in training; a loss that stands for the rate is added to that of the task:
differences between neighbours (gradient L1), logarithms of DCT coefficients, or an estimate of refsw's own rate that is
fitted to its bitstreams. Features here are those after a clamp to [0, highest], the range that is sent once: without
it, smaller weights before the cut and larger ones after it would make every such loss small and gain nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import refsw
from refsw.errors import UsageError
from refsw.extras import optional
from refsw.tensor.axes import Array

BLOCK = 8
LEVELS = 255
GROUP = 8
"""Samples that share a bitstream's pictures: those of a small network would be headers for the most part."""


def quantisation_noise(values: Any, step: Any, generator: Any) -> Any:
    """Uniform noise as wide as a quantiser's step, which takes its place in training.

    Args:
        values: (N, C, H, W).
        step: one, or one a sample, (N, 1, 1, 1), in the unit of the values.
        generator: draws.
    """
    torch = optional("torch")
    return values + (torch.rand(values.shape, generator=generator) - 0.5) * step


def random_steps(count: int, low: float, high: float, generator: Any) -> Any:
    """A step for each sample, (N, 1, 1, 1), between two in equal ratios: coders at many rates are met in training."""
    torch = optional("torch")
    share = torch.rand((count, 1, 1, 1), generator=generator)
    return (math.log(low) + share * math.log(high / low)).exp()


def straight_through(values: Any, highest: float, bits: int) -> Any:
    """The tutorial's uniform quantiser (2), (3) on [0, highest]; its gradient is that of no quantiser at all.

    Args:
        values: within the range.
        highest: end of the range.
        bits: of the levels.
    """
    step = highest / (2**bits - 1)
    return values + ((values / step).round() * step - values).detach()


def gradient_l1(values: Any, highest: float) -> Any:
    """Mean absolute difference between neighbours in rows and in columns, in units of the range.

    Args:
        values: (N, C, H, W), at least 2 x 2.
        highest: end of the range.
    """
    across = (values[..., 1:] - values[..., :-1]).abs().mean()
    down = (values[..., 1:, :] - values[..., :-1, :]).abs().mean()
    return (across + down) / highest


def dct_basis() -> Array:
    """The orthonormal DCT-II of 8 values, binary32 (8, 8), a basis vector a row."""
    k = np.arange(BLOCK)
    basis = np.cos((2 * k[None] + 1) * k[:, None] * math.pi / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2)
    return basis.astype(np.float32)


def block_coefficients(values: Any) -> Any:
    """DCT of blocks of 8 x 8; maps are continued to whole blocks by their last row and column.

    Args:
        values: (N, C, H, W).

    Returns:
        (N, C, blocks down, blocks across, 8, 8).
    """
    torch = optional("torch")
    right, below = -values.shape[3] % BLOCK, -values.shape[2] % BLOCK
    if right or below:
        values = torch.nn.functional.pad(values, (0, right, 0, below), mode="replicate")
    blocks = values.unfold(2, BLOCK, BLOCK).unfold(3, BLOCK, BLOCK)
    basis = torch.from_numpy(dct_basis()).to(values.dtype)
    return basis @ blocks @ basis.T


def dct_log(values: Any, highest: float, step: float) -> Any:
    """Mean of 1/2 log2(1 + (c / step)^2) over DCT coefficients c: about their bits at that step.

    Args:
        values: (N, C, H, W).
        highest: end of the range.
        step: of the quantiser of coefficients, in units of the range.
    """
    return 0.5 * (1 + (block_coefficients(values / highest) / step).square()).log2().mean()


def hevc_step(qp: float) -> float:
    """The step of HEVC's quantiser at a QP, 2^((QP - 4) / 6) levels of 8 bits, in units of the range."""
    return float(2 ** ((qp - 4) / 6) / LEVELS)


@dataclass(frozen=True, slots=True)
class RateProxy:
    """Bits per element as a straight line over `dct_log` at HEVC's step, fitted to bitstreams of refsw.

    Args:
        slope, intercept: of the line.
        correlation: of fitted and measured rates.
    """

    slope: float
    intercept: float
    correlation: float

    def bits(self, values: Any, highest: float, qp: float) -> Any:
        """Bits per element of features at a QP; differentiable.

        Args:
            values: (N, C, H, W).
            highest: end of the range.
            qp: quantization parameter.
        """
        return self.intercept + self.slope * dct_log(values, highest, hevc_step(qp))


def fit_rate_proxy(values: Any, highest: float, qps: Sequence[int], preset: str = "fast") -> RateProxy:
    """Fit the proxy to the rates of refsw's own bitstreams, a group of samples at a time.

    Args:
        values: torch or numpy, float32 (N, C, H, W), at least two groups.
        highest: end of the range.
        qps: to code at.
        preset: of the encoder.

    Raises:
        UsageError: too few samples for a line.
    """
    torch = optional("torch")
    values = torch.as_tensor(values)
    groups = values.split(GROUP)
    if len(groups) * len(qps) < 3:
        raise UsageError(f"{len(groups)} groups of {GROUP} samples at {len(qps)} QPs: at least 3 for a line")
    seen, measured = [], []
    with torch.no_grad():
        for group in groups:
            for qp in qps:
                data = encoded(group.numpy(), highest, qp, preset)
                seen.append(float(dct_log(group, highest, hevc_step(qp))))
                measured.append(8 * len(data) / group.numel())
    design = np.stack([seen, np.ones(len(seen))], axis=1)
    (slope, intercept), *_ = np.linalg.lstsq(design, np.array(measured), rcond=None)
    constant = np.std(seen) < 1e-12 or np.std(measured) < 1e-12
    correlation = 0.0 if constant else float(np.corrcoef(seen, measured)[0, 1])
    return RateProxy(float(slope), float(intercept), correlation)


def encoded(values: Array, highest: float, qp: int, preset: str, **choices: Any) -> bytes:
    """A group of samples as a bitstream: their channels side by side in the same pictures, with one range.

    Args:
        values: float32 (N, C, H, W).
        highest: end of the range.
        qp: quantization parameter.
        preset: of the encoder.
        choices: changes to it.
    """
    n, c, h, w = values.shape
    together = np.ascontiguousarray(values, np.float32).reshape(1, n * c, h, w)
    return refsw.encode(together, preset, qp=qp, ranges=((0.0, float(highest)),), match_step=False, **choices)


@dataclass(frozen=True, slots=True)
class Coded:
    """Features that were coded: mean bytes of a sample, and what was decoded, float32 (N, C, H, W)."""

    sample_bytes: float
    values: Array


def coded(values: Array, highest: float, qp: int, preset: str = "fast", **choices: Any) -> Coded:
    """Code features and decode them again, a group of samples a bitstream.

    Args:
        values: float32 (N, C, H, W).
        highest: end of the range.
        qp: quantization parameter.
        preset: of the encoder.
        choices: changes to it.
    """
    size, parts = 0, []
    for start in range(0, len(values), GROUP):
        group = values[start : start + GROUP]
        data = encoded(group, highest, qp, preset, **choices)
        size += len(data)
        parts.append(np.asarray(refsw.decode(data)).reshape(group.shape))
    return Coded(size / len(values), np.concatenate(parts))


def range_of(values: Any, percentile: float = 99.9) -> float:
    """End of a range that nearly all elements are in.

    Args:
        values: features from 0.
        percentile: of the elements.
    """
    return max(float(np.percentile(np.asarray(values), percentile)), 1e-6)
