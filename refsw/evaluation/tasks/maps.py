"""Informative: regions of text from a map of its probability, as differentiable binarization gives it.

M. Liao et al., "Real-time Scene Text Detection with Differentiable Binarization", AAAI 2020, section 3.4: the map is
cut at a threshold, and each connected region, which is that of shrunk text, grows by area * ratio / perimeter. Boxes
are upright here. The values are those that PP-OCR's models are used with.
"""

from __future__ import annotations

import numpy as np

from refsw.evaluation.errors import EvaluationError
from refsw.extras import optional
from refsw.tensor.axes import Array

THRESHOLD, LEAST_SCORE, GROWTH, SMALLEST = 0.3, 0.5, 1.6, 3


def regions(output: Array, size: tuple[int, int], *, most: int) -> Array:
    """Boxes of text.

    Args:
        output: probabilities, (rows, columns) or (1, rows, columns).
        size: height and width of the input of the network.
        most: how many are kept, best first.

    Returns:
        binary64 (regions, 6): left, top, right, bottom in pixels of the input, mean probability within, class 0.

    Raises:
        EvaluationError: an output of another shape, or NaN.
    """
    plain = output[0] if output.ndim == 3 and len(output) == 1 else output
    if plain.ndim != 2 or np.isnan(plain).any():
        raise EvaluationError(f"a map of shape {output.shape}: (rows, columns), no NaN")
    image = optional("scipy.ndimage")
    # Every place also counts for the one after it in both directions: what nearly touches is one region.
    joined = image.binary_dilation(plain > THRESHOLD, np.ones((2, 2)), origin=-1)
    numbers, _ = image.label(joined, np.ones((3, 3)))
    scale = size[1] / plain.shape[1], size[0] / plain.shape[0]
    found = []
    for rows, columns in image.find_objects(numbers):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        score = float(plain[rows, columns].mean())
        if min(height, width) < SMALLEST or score < LEAST_SCORE:
            continue
        reach = height * width * GROWTH / (2 * (height + width))
        left, top = max(columns.start - reach, 0), max(rows.start - reach, 0)
        right, bottom = min(columns.stop + reach, plain.shape[1]), min(rows.stop + reach, plain.shape[0])
        found.append([left * scale[0], top * scale[1], right * scale[0], bottom * scale[1], score, 0.0])
    table = np.array(found, np.float64).reshape(-1, 6)
    return table[np.argsort(-table[:, 4], kind="stable")[:most]]
