"""Informative: the rate-distortion function of discrete sources by Blahut (1972) and Arimoto (1972), with its bounds.

At a slope s the algorithm minimises I(X; X') + s E d. The minimum is the conjugate of the convex R(D): one source has
nowhere a higher R(D) than another exactly where its minimum is at no slope higher. Every step gives an upper bound of
the minimum, by the test channel at hand, and a lower bound (Blahut's Theorem 6), so that orders can be proved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refsw.tensor.axes import Array

STEPS = 2000


@dataclass(frozen=True, slots=True)
class Trade:
    """Where the algorithm came to, for each of several sources.

    Args:
        rate, distortion: I(X; X') in bits and E d of the test channel.
        upper, lower: bounds of the least rate + slope * distortion, in bits.
    """

    rate: Array
    distortion: Array
    upper: Array
    lower: Array


def blahut_arimoto(source: Array, distortion: Array, slope: float, *, gap: float = 1e-5, steps: int = STEPS) -> Trade:
    """The least rate + slope * distortion of sources.

    Args:
        source: probabilities, binary64 (..., X); the leading axes are sources that are worked on at the same time.
        distortion: (..., X, X'), of what is reproduced.
        slope: weight of the distortion, bits for one unit of it, at least 0.
        gap: a source is done when its upper bound is no further than this above its lower one.
        steps: at most so many.
    """
    lead = np.asarray(source).shape[:-1]
    p = np.asarray(source, np.float64).reshape(-1, np.shape(source)[-1])
    d = np.broadcast_to(distortion, (*lead, *np.shape(distortion)[-2:])).reshape(len(p), *np.shape(distortion)[-2:])
    weights = np.exp2(-slope * d)
    q = np.full((len(p), d.shape[-1]), 1 / d.shape[-1])
    lower = np.full(len(p), -np.inf)
    left = np.arange(len(p))
    for _ in range(steps):
        norms, factors = _step(p[left], weights[left], q[left])
        # For any q the minimum lies between this less log2 of the greatest factor, and this.
        value = -(p[left] * np.log2(norms)).sum(axis=-1)
        lower[left] = np.maximum(lower[left], value - np.log2(factors.max(axis=-1)))
        is_open = value - lower[left] > gap
        left = left[is_open]
        if not len(left):
            break
        q[left] *= factors[is_open]
    norms, _ = _step(p, weights, q)
    channel = weights * q[:, None, :] / norms[:, :, None]
    joint = p[:, :, None] * channel
    output = joint.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(joint > 0, joint * np.log2(channel / output), 0.0)
    rate, mean = parts.sum(axis=(1, 2)), (joint * d).sum(axis=(1, 2))
    return Trade(*(found.reshape(lead) for found in (rate, mean, rate + slope * mean, lower)))


def _step(p: Array, weights: Array, q: Array) -> tuple[Array, Array]:
    """Norms of the test channel (N, X), and what the next q is this one times, (N, X')."""
    norms = (weights @ q[:, :, None])[:, :, 0]
    return norms, ((p / norms)[:, None, :] @ weights)[:, 0]
