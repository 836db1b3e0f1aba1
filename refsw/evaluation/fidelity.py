"""Informative: fidelity of what a task makes of features, from MM'19, section 3.2.

MM'19 is Z. Chen, K. Fan, S. Wang, L.-Y. Duan, W. Lin, A. C. Kot: "Lossy Intermediate Deep Learning Feature
Compression and Evaluation", ACM Multimedia 2019. A fidelity compares outputs from reconstructed features with those
from pristine ones; labels play no part. 1 is no change. Where the printed formula cannot be meant, its sense is the
default and `literal` gives it as printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refsw.evaluation.boxes import Boxes, iou
from refsw.evaluation.bubble import bubble_indices
from refsw.evaluation.errors import EvaluationError


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


def retrieval_fidelity(pristine: Any, reconstructed: Any, *, literal: bool = False) -> float:
    """MM'19 (3): mean over the queries of the bubble index of the two rankings of the references.

    Args:
        pristine, reconstructed: numbers of references, integers, (queries, references), each row a permutation.
        literal: Algorithm 1 as printed, where identical rankings score 0 (see `refsw.evaluation.bubble`).

    Raises:
        EvaluationError: different shapes, or a row that is no permutation.
    """
    return float(np.mean(bubble_indices(pristine, reconstructed, literal=literal)))


def detection_fidelity(
    pristine: Sequence[Boxes], reconstructed: Sequence[Boxes], *, confidence: float = 0.0, literal: bool = False
) -> float:
    """MM'19 (4): mean over the pictures of overlap times kept confidence, weighted by the pristine confidence.

    The term in the maximum, 1 - (Cp - Cr) / Cp, exceeds 1 where the confidence rises, while the text says "relative
    change rate": the default is 1 - |Cp - Cr| / Cp. What the paper does not say is settled so:

    - A reconstructed object stands for a pristine one of its class; pairs are made by falling overlap, each object
      is used once, and equal overlaps go by the order of the pristine and then of the reconstructed objects. A
      pristine object without a partner scores 0.
    - Objects that only the reconstruction has do not count, as in the formula.
    - In a picture without pristine objects the formula is 0 / 0: it scores 1 if the reconstruction has none either,
      otherwise 0.

    Args:
        pristine, reconstructed: predictions in each picture.
        confidence: from which on an object is one. A partner may have less, so that an object that falls just
            below it is little change; alone, what has less does not count.
        literal: confidence that rises raises the score.

    Raises:
        EvaluationError: numbers of pictures that differ, none, or a pristine confidence of 0 or less.
    """
    if len(pristine) != len(reconstructed) or not pristine:
        raise EvaluationError(f"predictions in {len(pristine)} and {len(reconstructed)} pictures: as many, not none")
    scores = [
        _picture(p.of(p.scores >= confidence), r, confidence, literal=literal)
        for p, r in zip(pristine, reconstructed, strict=True)
    ]
    return float(np.mean(scores))


def _picture(pristine: Boxes, reconstructed: Boxes, confidence: float, *, literal: bool) -> float:
    if len(pristine) == 0:
        return float(not (reconstructed.scores >= confidence).any())
    if (pristine.scores <= 0).any():
        raise EvaluationError("a predicted object has a confidence above 0")
    overlaps = iou(pristine, reconstructed) * (pristine.classes[:, None] == reconstructed.classes[None])
    total, left, right = 0.0, set(range(len(pristine))), set(range(len(reconstructed)))
    for pair in np.argsort(-overlaps, axis=None, kind="stable"):
        p, r = divmod(int(pair), len(reconstructed))
        if overlaps[p, r] == 0:
            break
        if p in left and r in right:
            left.discard(p)
            right.discard(r)
            change = float((pristine.scores[p] - reconstructed.scores[r]) / pristine.scores[p])
            total += float(overlaps[p, r] * pristine.scores[p]) * max(0.0, 1 - (change if literal else abs(change)))
    return total / float(pristine.scores.sum())


def accuracy(outputs: Any, labels: Any, *, top: int = 1) -> float:
    """Share of samples whose label is among their `top` best classes; equal scores count for the first class.

    Args:
        outputs: of the network, (samples, classes).
        labels: class numbers, (samples,).
        top: 1 for top-1, 5 for top-5.

    Raises:
        EvaluationError: lengths that differ, no samples, fewer classes than `top`, or NaN.
    """
    scores, expected = np.asarray(outputs), np.asarray(labels)
    if scores.ndim != 2 or expected.shape != scores.shape[:1] or scores.size == 0:
        raise EvaluationError(f"outputs of shape {scores.shape} and labels of shape {expected.shape}")
    if np.isnan(scores).any():
        raise EvaluationError("outputs with NaN have no class")
    if not 1 <= top <= scores.shape[1]:
        raise EvaluationError(f"top {top} of {scores.shape[1]} classes")
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return float((best == expected[:, None]).any(axis=1).mean())
