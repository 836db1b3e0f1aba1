"""Informative: how far reconstructed features, and what a task makes of them, are from the pristine ones.

The errors of features in decibels are the customary ones; the task distortion is that of the tutorial on
collaborative intelligence (ICME 2022), its equation (1) for the distortion of task i.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refsw.evaluation.errors import EvaluationError
from refsw.tensor.axes import Array


def task_distortion(pristine: float, reconstructed: float) -> float:
    """D = 100 |A - A'| / A: change of a task's performance for the compression of its features, in percent.

    It does not tell loss from gain: a performance that rises with compression is as much distortion as one that
    falls. Measures that fall as the task gets better (an RMSE) are taken as they are.

    Args:
        pristine: performance A without compression, above 0: accuracy, mAP, error...
        reconstructed: performance A' with compression, in the same unit.

    Raises:
        EvaluationError: A is not above 0, or one of the two is not finite.
    """
    if not (math.isfinite(pristine) and math.isfinite(reconstructed)):
        raise EvaluationError(f"task distortion of {reconstructed} against {pristine}: both must be finite")
    if pristine <= 0:
        raise EvaluationError(f"task distortion against a performance of {pristine:g} is not defined")
    return 100 * abs(pristine - reconstructed) / pristine


def feature_mse(pristine: Any, reconstructed: Any) -> float:
    """Mean squared error of the elements, in binary64.

    Raises:
        EvaluationError: different shapes, no elements, NaN or infinity.
    """
    p, r = _pair(pristine, reconstructed)
    return float(np.mean(np.square(p - r)))


def snr_db(pristine: Any, reconstructed: Any) -> float:
    """Energy of the pristine elements / energy of the error, in decibels; infinite without an error.

    Raises:
        EvaluationError: different shapes, no elements, NaN or infinity.
    """
    p, r = _pair(pristine, reconstructed)
    return decibels(float(np.mean(np.square(p))), float(np.mean(np.square(p - r))))


def psnr_db(pristine: Any, reconstructed: Any) -> float:
    """Squared range (maximum - minimum) of the pristine elements / mean squared error, in decibels.

    Raises:
        EvaluationError: different shapes, no elements, NaN or infinity.
    """
    p, r = _pair(pristine, reconstructed)
    return decibels(float(p.max() - p.min()) ** 2, float(np.mean(np.square(p - r))))


def decibels(signal: float, error: float) -> float:
    """10 log10 (signal / error): infinite without an error, minus infinity without a signal."""
    if error == 0:
        return math.inf
    return 10 * math.log10(signal / error) if signal > 0 else -math.inf


def _pair(pristine: Any, reconstructed: Any) -> tuple[Array, Array]:
    p, r = np.asarray(pristine, np.float64), np.asarray(reconstructed, np.float64)
    if p.shape != r.shape or p.size == 0:
        raise EvaluationError(f"tensors of shapes {p.shape} and {r.shape}: both alike, not empty")
    if not (np.isfinite(p).all() and np.isfinite(r).all()):
        raise EvaluationError("tensors with NaN or infinity have no error in decibels")
    return p, r
