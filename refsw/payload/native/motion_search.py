"""Informative: the motion of a sample, one field for all channels, in integers, so that it is the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refsw.entropy.logarithms import FRACTION, log2_fixed
from refsw.payload.native.motion import GREATEST_VECTOR, LEAST_VECTOR, Vector, block_count, displaced, expected_vector
from refsw.payload.native.scale import Integers, Small
from refsw.syntax.declaration import Values

CHANNELS = 64
"""Channels that are compared: the greatest ones."""
SMALL_SIDE, LARGE_SIDE = 32, 64
LEAST_REACH, MOST_REACH, SIDE_OF_REACH = 2, 8, 7
AROUND = np.array([(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1)], np.int32)
Costs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Motion:
    """What was found.

    Args:
        vectors: int32 (block rows, block columns, 2), in quarters of a position; None: nothing moved.
        block_log2: binary logarithm of the rows and columns of a block.
        error: sum of the differences of the displaced sample before, in levels.
        size: sum of the differences of this sample and of the one before from zero, in levels.
    """

    vectors: Small | None
    block_log2: int
    error: int
    size: int

    @property
    def block(self) -> int:
        """Rows and columns of a block."""
        return 1 << self.block_log2


def find_motion(differences: Integers, before: Integers, step: int) -> Motion:
    """The motion from one sample to the next.

    Args:
        differences: levels of the sample less its zero, int64 (channels, rows, columns).
        before: those of the decoded sample before, in steps of the same size.
        step: quantization step in 1/256 level; a bit may cost half of it.
    """
    rows, columns = differences.shape[1:]
    chosen = np.sort(np.argsort(-np.abs(differences).sum(axis=(1, 2)), kind="stable")[:CHANNELS])
    own, old = differences[chosen], before[chosen]
    side = max(rows, columns)
    block_log2 = 1 if side <= SMALL_SIDE else 2 if side <= LARGE_SIDE else 3
    search = _Search(own, old, 1 << block_log2, max(1, step >> 5))
    reach = min(max(side // SIDE_OF_REACH, LEAST_REACH), MOST_REACH, side - 1)
    vectors = np.zeros((1, 1, 2), np.int32)
    if side > 1:
        vectors = search.whole(reach)
        for finer in (2, 1):
            vectors = search.finer(vectors, finer)
    still = not vectors.any()
    error = int(np.abs(16 * own - displaced(old, None if still else vectors, 1 << block_log2)).sum()) >> 4
    return Motion(None if still else vectors, block_log2, error, int(np.abs(own).sum() + np.abs(old).sum()))


class _Search:
    """Compares a sample with the one before, displaced, block by block; costs are in 1/16 level."""

    def __init__(self, own: Integers, old: Integers, block: int, bit: int) -> None:
        # Sixteen times a level has 20 bits.
        self.own, self.old, self.block, self.bit = own.astype(np.int32), old.astype(np.int32), block, bit
        self.counts = block_count(own.shape[1], block), block_count(own.shape[2], block)

    def whole(self, reach: int) -> Small:
        """The best vectors of whole positions, up to some positions away."""
        rows, columns = self.own.shape[1:]
        padded = np.pad(self.old, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
        around = sorted(((r, c) for r in range(-reach, reach + 1) for c in range(-reach, reach + 1)),
                        key=lambda v: (abs(v[0]) + abs(v[1]), v))  # fmt: skip
        costs = []
        for r, c in around:
            moved = padded[:, reach + r : reach + r + rows, reach + c : reach + c + columns]
            costs.append(self._blocks(16 * np.abs(self.own - moved).sum(axis=0, dtype=np.int64)))
        candidates = 4 * np.array(around, np.int32)
        return self._choose(np.broadcast_to(candidates[:, None, None], (len(around), *self.counts, 2)), np.array(costs))

    def finer(self, vectors: Small, quarters: int) -> Small:
        """Better vectors, some quarters of a position away."""
        candidates = [np.clip(vectors + quarters * one, LEAST_VECTOR, GREATEST_VECTOR) for one in AROUND]
        costs = [self._blocks(np.abs(16 * self.own - displaced(self.old, v, self.block)).sum(axis=0, dtype=np.int64))
                 for v in candidates]  # fmt: skip
        return self._choose(np.array(candidates), np.array(costs))

    def _blocks(self, errors: Integers) -> Costs:
        """Sums over blocks."""
        rows, columns = (np.arange(0, n, self.block) for n in errors.shape)
        found: Costs = np.add.reduceat(np.add.reduceat(errors, rows, axis=0), columns, axis=1)
        return found

    def _choose(self, candidates: Small, costs: Costs) -> Small:
        """For every block the candidate of least cost, bits included, in the order of coding."""
        field: list[list[Vector]] = []
        for i in range(self.counts[0]):
            field.append([])
            for j in range(self.counts[1]):
                own = candidates[:, i, j]
                deltas = own - np.array(expected_vector(field, self.counts[1]), np.int32)
                best = int(np.argmin(costs[:, i, j] + (self.bit * vector_bits(deltas) >> FRACTION)))
                field[-1].append((int(own[best, 0]), int(own[best, 1])))
        return np.array(field, np.int32)


def vector_bits(deltas: Small) -> Integers:
    """What differences from the expected vectors (n, 2) cost, in 2^-16 bits: about those of se(v)."""
    each = (2 * log2_fixed(2 * np.abs(deltas) + 1) + (1 << FRACTION)).sum(axis=1)
    found: Integers = np.where(deltas.any(axis=1), each, 0) + (1 << FRACTION)
    return found


def motion_values(motion: Motion) -> Values:
    """6.19 The elements of a native_prediction for the motion."""
    if motion.vectors is None:
        return {"motion_flag": 0}
    rows, columns = motion.vectors.shape[:2]
    flags, deltas = np.zeros((rows, columns), int), np.zeros((2, rows, columns), int)
    field: list[list[Vector]] = []
    for i in range(rows):
        field.append([])
        for j in range(columns):
            own = (int(motion.vectors[i, j, 0]), int(motion.vectors[i, j, 1]))
            expected = expected_vector(field, columns)
            deltas[:, i, j] = own[0] - expected[0], own[1] - expected[1]
            flags[i, j] = own != expected
            field[-1].append(own)
    return {
        "motion_flag": 1, "block_log2_minus1": motion.block_log2 - 1,
        "block_rows_minus1": rows - 1, "block_columns_minus1": columns - 1,
        "vector_flag": flags.tolist(), "vector_row_delta": deltas[0].tolist(),
        "vector_column_delta": deltas[1].tolist(),
    }  # fmt: skip
