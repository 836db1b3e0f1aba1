"""Informative: rate and fidelity, from Lossy Intermediate Deep Learning Feature Compression (MM'19), section 3.2.

MM'19 is Z. Chen, K. Fan, S. Wang, L.-Y. Duan, W. Lin, A. C. Kot: "Lossy Intermediate Deep Learning Feature
Compression and Evaluation", ACM Multimedia 2019. Equations (1) and (2) are its own; the errors of features in
decibels are the customary ones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refsw.evaluation.errors import EvaluationError
from refsw.tensor.axes import Array


def compression_rate(coded_bytes: int, original_bytes: int) -> float:
    """MM'19 (1): data volume after compression / data volume before."""
    if original_bytes <= 0 or coded_bytes < 0:
        raise EvaluationError(f"compression rate of {coded_bytes} to {original_bytes} bytes is not defined")
    return coded_bytes / original_bytes


def classification_fidelity(pristine: Any, reconstructed: Any, *, literal: bool = False) -> float:
    """MM'19 (2): how far the classification of reconstructed features is that of pristine features.

    The printed formula divides the Hamming distance of two one-hot outputs, which is 0 or 2, by their length:
    with 1000 classes it is at least 0.999 whatever happens, while the paper's Table 3 goes down to 0.087. Its
    sense, and the default here, is the share of samples whose top-1 class is unchanged.

    Args:
        pristine, reconstructed: outputs of the network, (samples, classes); equal scores count for the first class.
        literal: the formula as printed.

    Raises:
        EvaluationError: no samples, different shapes, or NaN.
    """
    p, r = np.asarray(pristine), np.asarray(reconstructed)
    if p.ndim != 2 or p.shape != r.shape or p.size == 0:
        raise EvaluationError(f"outputs of shapes {p.shape} and {r.shape}: both are (samples, classes), not empty")
    if np.isnan(p).any() or np.isnan(r).any():
        raise EvaluationError("outputs with NaN have no class")
    samples, classes = map(int, p.shape)
    changed = int(np.count_nonzero(p.argmax(axis=1) != r.argmax(axis=1)))
    if not literal:
        return (samples - changed) / samples
    hamming = 2 * changed
    return 1 - hamming / classes / (2 * samples)


def accuracy(outputs: Any, labels: Any) -> float:
    """Share of samples whose top-1 class is the label."""
    scores, expected = np.asarray(outputs), np.asarray(labels)
    if scores.ndim != 2 or expected.shape != scores.shape[:1] or scores.size == 0:
        raise EvaluationError(f"outputs of shape {scores.shape} and labels of shape {expected.shape}")
    if np.isnan(scores).any():
        raise EvaluationError("outputs with NaN have no class")
    return float((scores.argmax(axis=1) == expected).mean())


def feature_mse(pristine: Any, reconstructed: Any) -> float:
    """Mean squared error of the elements, in binary64."""
    p, r = _pair(pristine, reconstructed)
    return float(np.mean(np.square(p - r)))


def snr_db(pristine: Any, reconstructed: Any) -> float:
    """Energy of the pristine elements / energy of the error, in decibels; infinite without an error."""
    p, r = _pair(pristine, reconstructed)
    return _decibels(float(np.mean(np.square(p))), float(np.mean(np.square(p - r))))


def psnr_db(pristine: Any, reconstructed: Any) -> float:
    """Squared range (maximum - minimum) of the pristine elements / mean squared error, in decibels."""
    p, r = _pair(pristine, reconstructed)
    return _decibels(float(p.max() - p.min()) ** 2, float(np.mean(np.square(p - r))))


def _decibels(signal: float, error: float) -> float:
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
