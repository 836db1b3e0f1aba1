"""Informative: boxes in pictures, and how far two of them overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from refsw.evaluation.errors import EvaluationError
from refsw.tensor.axes import Array

COLUMNS = 6


@dataclass(frozen=True, slots=True)
class Boxes:
    """Objects in one picture: predicted ones, with confidences, or annotated ones.

    Args:
        corners: left, top, right, bottom in pixels, binary64, (objects, 4).
        scores: confidences, binary64, (objects,); 1 for annotations.
        classes: class numbers, int64, (objects,).
        ignored: annotations that are neither to be found nor wrong to find (difficult, crowd), bool, (objects,).
    """

    corners: Array
    scores: Array
    classes: Array
    ignored: Array

    @classmethod
    def predictions(cls, array: Any) -> Self:
        """From columns left, top, right, bottom, score, class: (objects, 6).

        Raises:
            EvaluationError: another shape, NaN or infinity.
        """
        table = _table(array)
        return cls(table[:, :4], table[:, 4], table[:, 5].astype(np.int64), np.zeros(len(table), bool))

    @classmethod
    def annotations(cls, array: Any) -> Self:
        """From columns left, top, right, bottom, class, ignored (0 or 1): (objects, 6).

        Raises:
            EvaluationError: another shape, NaN or infinity.
        """
        table = _table(array)
        return cls(table[:, :4], np.ones(len(table)), table[:, 4].astype(np.int64), table[:, 5] != 0)

    def __len__(self) -> int:
        return len(self.corners)

    def of(self, chosen: Array) -> Boxes:
        """Those that a mask or a list of indices chooses."""
        return Boxes(self.corners[chosen], self.scores[chosen], self.classes[chosen], self.ignored[chosen])

    def areas(self, *, inclusive: bool = False) -> Array:
        """Width * height, (objects,); `inclusive` counts the last column and row, as VOC does."""
        return _extent(self.corners[:, 2:] - self.corners[:, :2], inclusive=inclusive)


def iou(first: Boxes, second: Boxes, *, inclusive: bool = False, crowd: bool = False) -> Array:
    """Intersection over union of each pair: binary64, (len(first), len(second)).

    Args:
        first, second: the boxes.
        inclusive: corners are pixels that belong to the box, so that its width is right - left + 1 (VOC).
        crowd: where the second is ignored, intersection over the area of the first (COCO's crowds).
    """
    lows = np.maximum(first.corners[:, None, :2], second.corners[None, :, :2])
    highs = np.minimum(first.corners[:, None, 2:], second.corners[None, :, 2:])
    shared = _extent(highs - lows, inclusive=inclusive)
    own, other = first.areas(inclusive=inclusive)[:, None], second.areas(inclusive=inclusive)[None]
    union = own + other - shared
    if crowd:
        union = np.where(second.ignored[None], own, union)
    overlaps: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps


def _extent(sizes: Array, *, inclusive: bool) -> Array:
    """Area of what has these widths and heights, (..., 2); nothing is negative."""
    areas: Array = np.maximum(sizes + (1 if inclusive else 0), 0).prod(axis=-1)
    return areas


def _table(array: Any) -> Array:
    table = np.asarray(array, np.float64)
    if table.size == 0:
        table = table.reshape(0, COLUMNS)
    if table.ndim != 2 or table.shape[1] != COLUMNS or not np.isfinite(table).all():
        raise EvaluationError(f"boxes of shape {table.shape}: finite, (objects, {COLUMNS})")
    return table
