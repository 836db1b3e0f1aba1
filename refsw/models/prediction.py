"""10.6.6 Prediction along the last axes of a tensor: the taps of a kernel resemble one another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice

import numpy as np

from refsw.lazy import lazy
from refsw.models.arithmetic import Integers
from refsw.syntax.model_structures import MAX_TAPS

SHIFT = 6
HALF = 1 << (SHIFT - 1)
LIMIT = 1 << 40

SAMPLE_RUNS = 1 << 14
FULL_TAPS = 16
ENCODER_LIMIT = 1 << 24
ENCODER_COEFFICIENT = 255


@dataclass(frozen=True)
class Predictor:
    """10.6.6 Coefficients in units of 1/64: `rows[p - 1][j]` weighs tap j in the prediction of tap p."""

    rows: tuple[tuple[int, ...], ...]

    @property
    def taps(self) -> int:
        """Length of a run of values."""
        return len(self.rows) + 1

    @lazy
    def _used(self) -> list[list[tuple[int, int]]]:
        return [[(j, c) for j, c in enumerate(row) if c] for row in self.rows]

    def prediction(self, columns: Integers, p: int) -> Integers | None:
        """The prediction of tap p, from 1 on, of all runs, if there is any; `columns` has a row a tap."""
        if not self._used[p - 1]:
            return None
        total = np.full(columns.shape[1], HALF, np.int64)
        for j, c in self._used[p - 1]:
            total += c * columns[j]
        total >>= SHIFT
        return total

    def residuals(self, values: Integers) -> Integers:
        """Values in runs of `taps` -> what prediction leaves of them."""
        columns = np.ascontiguousarray(values.reshape(-1, self.taps).T)
        out = columns.copy()
        for p in range(1, self.taps):
            prediction = self.prediction(columns, p)
            if prediction is not None:
                out[p] -= prediction
        return np.ascontiguousarray(out.T).reshape(-1)

    def restore(self, residuals: Integers) -> Integers | None:
        """The inverse of `residuals`; None if something is not below 2^40."""
        if _beyond(residuals):
            return None
        columns = np.ascontiguousarray(residuals.reshape(-1, self.taps).T)
        for p in range(1, self.taps):
            prediction = self.prediction(columns, p)
            if prediction is not None:
                columns[p] += prediction
                if _beyond(columns[p]):
                    return None
        return np.ascontiguousarray(columns.T).reshape(-1)

    @property
    def bits(self) -> int:
        """Bits of the coefficients in a unit, about."""
        return sum(2 * (2 * abs(c)).bit_length() + 1 for row in self.rows for c in row)


def _beyond(values: Integers) -> bool:
    return bool(values.size) and (int(values.max()) >= LIMIT or int(values.min()) <= -LIMIT)


# --- Informative: an encoder's fit ---


class Known:
    """The predictors of the tensors before, which cost nothing more, found at once however many they are."""

    def __init__(self) -> None:
        self._by_taps: dict[int, dict[Predictor, None]] = {}

    def __contains__(self, predictor: Predictor) -> bool:
        return predictor in self._by_taps.get(predictor.taps, ())

    def add(self, predictor: Predictor) -> None:
        """One more, if it is not there."""
        self._by_taps.setdefault(predictor.taps, {}).setdefault(predictor)

    def last(self, taps: int, most: int) -> list[Predictor]:
        """Up to so many of the newest ones of so many taps, the newest last."""
        return list(islice(reversed(self._by_taps.get(taps, {})), most))[::-1]


def taps_of(shape: tuple[int, ...]) -> int:
    """Values of a kernel: the product of all axes after the second; 1 where prediction does not apply."""
    taps = math.prod(shape[2:]) if len(shape) > 2 else 1
    return taps if taps <= MAX_TAPS else 1


def sample_runs(values: Integers, taps: int) -> Integers:
    """Some runs of a tensor, spread over it: shape (runs, taps)."""
    runs = values.reshape(-1, taps)
    return runs[:: max(1, len(runs) // SAMPLE_RUNS) | 1]


def fit(runs: Integers, width: int) -> Predictor:
    """Least-squares coefficients for runs of values; `width` is that of a kernel of two axes."""
    clipped = np.clip(runs, -(1 << 20), 1 << 20)
    taps = clipped.shape[1]
    # Runs of large values would decide alone: each counts by its own size.
    weight = 1 + np.abs(clipped).max(axis=1, keepdims=True)
    scaled = clipped * 1024 // weight
    products = scaled.T @ scaled
    matrix = [[int(value) for value in row] for row in products]
    ridge = 1 + sum(matrix[p][p] for p in range(taps)) // (1000 * taps)
    rows = []
    for p in range(1, taps):
        near = range(p) if taps <= FULL_TAPS else _neighbours(p, width)
        found = _solve([[matrix[i][j] + (ridge if i == j else 0) for j in near] for i in near],
                       [matrix[i][p] for i in near])  # fmt: skip
        row = [0] * p
        for j, c in zip(near, found, strict=True):
            row[j] = max(-ENCODER_COEFFICIENT, min(ENCODER_COEFFICIENT, round(c * (1 << SHIFT))))
        rows.append(tuple(row))
    return Predictor(tuple(rows))


def _neighbours(p: int, width: int) -> list[int]:
    y, x = divmod(p, width)
    around = ((0, -1), (-1, -1), (-1, 0), (-1, 1))
    return sorted((y + dy) * width + x + dx for dy, dx in around if y + dy >= 0 and 0 <= x + dx < width)


def _solve(a: list[list[int]], b: list[int]) -> list[float]:
    """Gaussian elimination of a symmetric positive system, in Python's floats: the same on every machine."""
    n = len(b)
    rows = [[float(value) for value in row] + [float(right)] for row, right in zip(a, b, strict=True)]
    for i in range(n):
        for k in range(i + 1, n):
            factor = rows[k][i] / rows[i][i]
            if factor:
                rows[k] = [x - factor * y for x, y in zip(rows[k], rows[i], strict=True)]
    out = [0.0] * n
    for i in reversed(range(n)):
        out[i] = (rows[i][n] - sum(rows[i][j] * out[j] for j in range(i + 1, n))) / rows[i][i]
    return out
