"""8.6.9 Prediction in time: motion vectors, and the sample before, displaced by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np

from refsw.errors import DfcError, ErrorClass
from refsw.payload.base import payload_error
from refsw.payload.native.scale import MOST, Integers, Small
from refsw.syntax.declaration import Values
from refsw.tensor.axes import Array

LEAST_VECTOR, GREATEST_VECTOR = -128, 127
Vector = tuple[int, int]
Number = TypeVar("Number", Small, Integers)


def block_count(size: int, block: int) -> int:
    """8.6.9.2 How many blocks cover the rows, or columns, of a channel."""
    return -(-size // block)


class BlockCounts:
    """8.6.9.2 Watches the elements of a native_prediction, so that blocks are counted before their vectors are read.

    Args:
        rows, columns: of a channel.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self._size = {"block_rows_minus1": rows, "block_columns_minus1": columns}
        self._block = 0

    def __call__(self, element: str, value: int, offset: int) -> None:
        """Take an element.

        Raises:
            PayloadError: the blocks do not cover a channel, or are more than that takes.
        """
        if element == "block_log2_minus1":
            self._block = 2 << value
        elif element in self._size:
            expected = block_count(self._size[element], self._block) - 1
            if value != expected:
                raise _error("native.motion-blocks", element, str(expected), str(value), offset)


def vectors_of(prediction: Values, place: int) -> Small | None:
    """8.6.9.2 The motion vectors of a predicted sample, int32 (block rows, block columns, 2); None: nothing moved.

    Args:
        prediction: elements of its native_prediction, of as many blocks as cover a channel.
        place: of the sample in the payload, in bits, for errors.

    Raises:
        PayloadError: a vector is out of range.
    """
    if not prediction["motion_flag"]:
        return None
    columns = prediction["block_columns_minus1"] + 1
    field: list[list[Vector]] = []
    for own_rows, own_columns in zip(prediction["vector_row_delta"], prediction["vector_column_delta"], strict=True):
        field.append([])
        for delta in zip(own_rows, own_columns, strict=True):
            row, column = expected_vector(field, columns)
            vector = (row + delta[0], column + delta[1])
            if not LEAST_VECTOR <= min(vector) <= max(vector) <= GREATEST_VECTOR:
                raise _error("native.motion-range", "vector_row_delta",
                             f"a vector from {LEAST_VECTOR} to {GREATEST_VECTOR}", str(vector), place)  # fmt: skip
            field[-1].append(vector)
    return np.array(field, np.int32)


def expected_vector(field: list[list[Vector]], columns: int) -> Vector:
    """8.6.9.2 What the next vector is told against: the median of those to the left, above, and above to the right.

    Args:
        field: the rows of vectors so far, the last one as far as it is known.
        columns: of blocks.
    """
    j = len(field[-1])
    left = field[-1][-1] if j else (0, 0)
    if len(field) == 1:
        return left
    above = field[-2][j]
    right = field[-2][j + 1] if j + 1 < columns else (0, 0)
    return median(left[0], above[0], right[0]), median(left[1], above[1], right[1])


def median(a: int, b: int, c: int) -> int:
    """The middle one of three numbers."""
    return max(min(a, b), min(max(a, b), c))


def block_of(prediction: Values) -> int:
    """8.6.9.2 Rows and columns of a block."""
    return 2 << int(prediction["block_log2_minus1"])


def displaced(differences: Number, vectors: Small | None, block: int) -> Number:
    """8.6.9.3 Sixteen times the sample before, displaced: (channels, rows, columns).

    Args:
        differences: its levels less its zero_level, int32 or int64 of that shape.
        vectors: of the blocks, in quarters of a position; None: nothing moved.
        block: rows and columns of a block.
    """
    if vectors is None:
        return 16 * differences
    rows, columns = differences.shape[1:]
    each = np.repeat(np.repeat(vectors.astype(np.int64), block, 0), block, 1)[:rows, :columns]
    vertical = 4 * np.arange(rows)[:, None] + each[..., 0]
    horizontal = 4 * np.arange(columns) + each[..., 1]
    total = np.zeros_like(differences)
    for row, share in _two(vertical, rows):
        for column, part in _two(horizontal, columns):
            total += (share * part).astype(differences.dtype) * differences[:, row, column]
    return total


def _two(places: Integers, size: int) -> Iterator[tuple[Integers, Integers]]:
    """8.6.9.3 The two positions between which a place in quarters lies, and what of four each counts."""
    for one, share in ((places >> 2, 4 - (places & 3)), ((places >> 2) + 1, places & 3)):
        yield np.clip(one, 0, size - 1), share


def predicted_magnitudes(before: Integers, prediction: Values, vectors: Small | None) -> Small:
    """8.6.9.3 The magnitudes that the sample before makes expect: int32 of its shape, in 1/256 step.

    Args:
        before: its levels less its zero_level.
        prediction: elements of the native_prediction.
        vectors: see `displaced`.
    """
    step = int(prediction["reference_step"])
    moved = np.abs(displaced(before, vectors, block_of(prediction) if vectors is not None else 1))
    found: Small = np.minimum(((moved << 12) + step // 2) // step, MOST).astype(np.int32)
    return found


def reference_of(levels: Array, zero: int) -> Integers:
    """8.6.9.3 A decoded sample as the next one refers to it."""
    return levels.astype(np.int64) - zero


def _error(requirement: str, element: str, expected: str, got: str, place: int) -> DfcError:
    return payload_error(requirement, element, expected, got, ErrorClass.OUT_OF_RANGE, place)
