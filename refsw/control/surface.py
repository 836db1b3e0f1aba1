"""Informative: how the distortion of tasks depends on the rates of tensors, fitted to measured points.

D_i(R) = gamma_i + sum over j of alpha_ij 2^(-beta_ij R_j) (Alvar and Bajic, Pareto-Optimal Bit Allocation for
Collaborative Intelligence, IEEE Transactions on Image Processing, 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refsw.errors import UsageError
from refsw.extras import optional

Floats = npt.NDArray[np.float64]
STARTS = (0.5, 2.0, 6.0)
"""How often the distortion is halved over the range of the rates, where a fit begins."""


@dataclass(frozen=True, slots=True)
class Surface:
    """The distortion of one task.

    Args:
        gamma: what is left at any rate.
        alpha: (N,), positive: distortion at rate 0, by tensor.
        beta: (N,), positive: halvings of it by unit of rate.
        r2: coefficient of determination of the fit; 1 where nothing was fitted.
    """

    gamma: float
    alpha: Floats
    beta: Floats
    r2: float = 1.0

    def at(self, rates: npt.ArrayLike) -> Floats:
        """Distortion at rates (..., N)."""
        powers = np.exp2(-self.beta * np.asarray(rates, np.float64))
        return np.asarray(self.gamma + np.sum(self.alpha * powers, axis=-1))


def task_distortion(pristine: float, coded: npt.ArrayLike) -> Floats:
    """Percentage by which the performance of a task differs from that without compression.

    Raises:
        UsageError: there is no performance to lose.
    """
    if pristine <= 0:
        raise UsageError(
            f"a performance of {pristine:.6g} without compression: the distortion of a task is a share of it"
        )
    return np.asarray(np.abs(pristine - np.asarray(coded, np.float64)) / pristine * 100)


def fit(rates: npt.ArrayLike, distortion: npt.ArrayLike) -> Surface:
    """Fit a surface by least squares, with the method of Levenberg and Marquardt on logarithms of alpha and beta.

    Args:
        rates: (m, N).
        distortion: (m,).

    Raises:
        UsageError: fewer points than parameters, rates that do not vary, or what is no number.
    """
    least_squares = optional("scipy.optimize").least_squares
    r, d = np.atleast_2d(np.asarray(rates, np.float64)), np.asarray(distortion, np.float64)
    points, tensors = r.shape
    if points < 2 * tensors + 1:
        raise UsageError(f"{points} points for a surface of {2 * tensors + 1} parameters: as many points at least")
    if not (np.isfinite(r).all() and np.isfinite(d).all()):
        raise UsageError("rates and distortions of a surface are numbers")
    spans = np.ptp(r, axis=0)
    if (spans <= 0).any():
        raise UsageError(f"tensor {int(np.argmin(spans))}: all its points have one rate")
    spread = max(float(np.ptp(d)), 1e-12)

    def residuals(x: Floats) -> Floats:
        powers = np.exp2(-np.exp(np.clip(x[1 + tensors :], -60, 60)) * r / spans)
        return np.asarray(x[0] + powers @ np.exp(np.clip(x[1 : 1 + tensors], -60, 60)) - d / spread)

    best = None
    for halvings in STARTS:
        start = np.concatenate(
            [[d.min() / spread], np.full(tensors, -np.log(tensors)), np.full(tensors, np.log(halvings))]
        )
        found = least_squares(residuals, start, method="lm", max_nfev=2000 * len(start))
        if best is None or found.cost < best.cost - 1e-15:
            best = found
    assert best is not None
    total = float(np.sum((d - d.mean()) ** 2)) / spread**2
    r2 = 1 - 2 * float(best.cost) / total if total > 0 else 1.0
    alpha = np.exp(np.clip(best.x[1 : 1 + tensors], -60, 60)) * spread
    beta = np.exp(np.clip(best.x[1 + tensors :], -60, 60)) / spans
    return Surface(float(best.x[0] * spread), alpha, beta, r2)
