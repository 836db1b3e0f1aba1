"""Informative: objects from the output of a YOLOX detector (Ge et al., arXiv:2107.08430, section 2).

The output has one row for each cell of each level: x and y of the centre from the cell's corner, logarithms of
width and height, all in units of the level's stride, then the probability of an object and of each class.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refsw.evaluation.boxes import Boxes, iou
from refsw.evaluation.errors import EvaluationError
from refsw.tensor.axes import Array

STRIDES = (8, 16, 32)
LONGEST = 1e6
FIXED = 5
"""Columns before those of the classes."""


def objects(
    output: Array,
    size: tuple[int, int],
    *,
    strides: Sequence[int] = STRIDES,
    confidence: float = 0.01,
    overlap: float = 0.65,
    most: int = 100,
) -> Array:
    """Objects that are confident enough, best first, after suppression within each class.

    Args:
        output: (cells, 5 + classes), the cells of all levels, finest first, row by row.
        size: height and width of the network's input.
        strides: of the levels.
        confidence: least object probability * class probability; only the best class of a cell counts.
        overlap: an object that overlaps a better one of its class by more is suppressed.
        most: how many are kept.

    Returns:
        binary64, (objects, 6): left, top, right, bottom in pixels of the input, confidence, class.

    Raises:
        EvaluationError: an output of another shape, NaN or infinity.
    """
    cells, scale = _cells(size, strides)
    if output.ndim != 2 or len(output) != len(cells) or output.shape[1] <= FIXED:
        raise EvaluationError(f"an output of shape {output.shape} for {len(cells)} cells of strides {tuple(strides)}")
    if not np.isfinite(output).all():
        raise EvaluationError("an output with NaN or infinity has no objects")
    rows = output.astype(np.float64)
    classes = rows[:, FIXED:].argmax(axis=1)
    scores = rows[:, 4] * rows[np.arange(len(rows)), FIXED + classes]
    chosen = np.flatnonzero(scores >= confidence)
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    centres = (rows[chosen, :2] + cells[chosen]) * scale[chosen, None]
    # Damaged features can make any number of it; a box need not be larger than this.
    halves = np.exp(np.minimum(rows[chosen, 2:4], np.log(LONGEST))) * scale[chosen, None] / 2
    table = np.column_stack([centres - halves, centres + halves, scores[chosen], classes[chosen]])
    return table[_kept(Boxes.predictions(table), overlap, most)]


def _cells(size: tuple[int, int], strides: Sequence[int]) -> tuple[Array, Array]:
    """Corner (column, row) of each cell and its stride."""
    corners, scale = [], []
    for stride in strides:
        rows, columns = np.mgrid[: size[0] // stride, : size[1] // stride]
        corners.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        scale.append(np.full(rows.size, float(stride)))
    return np.concatenate(corners).astype(np.float64), np.concatenate(scale)


def _kept(boxes: Boxes, overlap: float, most: int) -> list[int]:
    """Greedy suppression: numbers of the boxes that stay, which come best first."""
    kept: list[int] = []
    alive = np.ones(len(boxes), bool)
    for i in range(len(boxes)):
        if not alive[i]:
            continue
        kept.append(i)
        if len(kept) == most:
            break
        rivals = np.flatnonzero(alive & (boxes.classes == boxes.classes[i]))
        rivals = rivals[rivals > i]
        alive[rivals] &= iou(boxes.of(np.array([i])), boxes.of(rivals))[0] <= overlap
    return kept
