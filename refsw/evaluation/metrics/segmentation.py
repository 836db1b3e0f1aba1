"""Informative: semantic segmentation: intersection over union, summed over the pictures of a set.

As PASCAL VOC has it (Everingham et al., IJCV 2015, section 4.4): true positives / (true positives + false positives +
false negatives) of each class over all samples of all pictures; the mean is over classes that are annotated or found.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from refsw.evaluation.errors import EvaluationError
from refsw.tensor.axes import Array

IGNORED = 255
"""Label of samples that count for nothing."""


def confusion(truths: Iterable[Any], labels: Iterable[Any], classes: int) -> Array:
    """How many samples of each class, by row, are labelled as each, by column: int64 (classes, classes).

    Args:
        truths: of each picture, uint8 (H, W); `IGNORED` is left out.
        labels: of each picture, uint8 (H, W); `IGNORED` is a label that is wrong for every class.
        classes: their number, at most 255.

    Raises:
        EvaluationError: shapes that differ, no pictures, or a label that is no class.
    """
    total, pictures = np.zeros((classes, classes + 1), np.int64), 0
    for truth, found in zip(truths, labels, strict=True):
        given, got = np.asarray(truth, np.int64), np.asarray(found, np.int64)
        if given.shape != got.shape or given.ndim != 2:
            raise EvaluationError(f"labels of shapes {given.shape} and {got.shape}: both are (rows, columns)")
        for what, values in (("an annotation", given), ("the network", got)):
            odd = values[(values >= classes) & (values != IGNORED)]
            if odd.size:
                raise EvaluationError(f"{what} has class {odd[0]}, of {classes} from 0")
        known = given != IGNORED
        pairs = given[known] * (classes + 1) + np.minimum(got[known], classes)
        total += np.bincount(pairs, minlength=classes * (classes + 1)).reshape(classes, classes + 1)
        pictures += 1
    if not pictures:
        raise EvaluationError("no pictures")
    return total


def intersection_over_union(table: Array) -> dict[int, float]:
    """IoU of each class that is annotated or found.

    Args:
        table: of `confusion`; a column more than rows is of samples that are labelled as nothing.
    """
    rows = len(table)
    right = np.diagonal(table[:, :rows])
    union = table.sum(axis=1) + table[:, :rows].sum(axis=0) - right
    return {number: float(right[number] / union[number]) for number in range(rows) if union[number]}


def pixel_accuracy(table: Array) -> float:
    """Share of the annotated samples that are labelled right; 1 of none."""
    return float(np.trace(table[:, : len(table)]) / table.sum()) if table.sum() else 1.0
