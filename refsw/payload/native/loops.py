"""8.6.5 What contexts and the encoder's choice come to, value by value, for `refsw.compiled`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from refsw.compiled import machine_code
from refsw.payload.native.scale import MOST, ONE, Integers, Small

Real = npt.NDArray[np.float64]


@machine_code(
    "void(int32[:, :, ::1], int32[::1], int64[::1], int64, int32[:, :, :, ::1], int32[::1], int64, int32[::1], "
    "int32[:, :, ::1])"
)
def bins(
    own: Small, priors: Small, sums: Integers, count: int, shared: Small, weights: Small, phase: int, limits: Small,
    out: Small,
) -> None:  # fmt: skip
    """8.6.5 The bin of every position of a phase; `Group` says what is what, `limits` are the thresholds."""
    channels, rows, columns = own.shape
    row, column = int(phase in (1, 3)), int(phase in (1, 2))
    for c in range(channels):
        mean = (2 * sums[c] + count) // (2 * count)
        prior = np.int64(priors[c])
        same = weights[0] * mean + weights[1] * prior + weights[2] * np.int64(ONE)
        u = own[c]
        for y in range(row, rows, 2):
            up, down = y - 1, y + 1
            if up < 0:
                up = down
            if down >= rows:
                down = up
            for x in range(column, columns, 2):
                left, right = x - 1, x + 1
                if left < 0:
                    left = right
                if right >= columns:
                    right = left
                expected = same
                for f in range(len(shared)):
                    expected += np.int64(weights[3 + f]) * shared[f, c, y, x]
                across = vertical = diagonal = prior
                if 0 <= left < columns:
                    across = (np.int64(u[y, left]) + u[y, right] + 1) >> 1
                if 0 <= up < rows:
                    vertical = (np.int64(u[up, x]) + u[down, x] + 1) >> 1
                    if 0 <= left < columns:
                        diagonal = (np.int64(u[up, left]) + u[up, right] + u[down, left] + u[down, right] + 2) >> 2
                if phase == 1:
                    expected += weights[6] * diagonal
                elif phase == 2:
                    expected += weights[6] * across + weights[7] * vertical
                elif phase == 3:
                    expected += weights[6] * vertical + weights[7] * across + weights[8] * diagonal
                b = 0
                for i in range(len(limits)):
                    b += int(limits[i] <= expected)
                out[c, y >> 1, x >> 1] = b


@machine_code(
    "void(float64[::1], int32[::1], uint16[::1], int32[:, ::1], float64[:, ::1], uint8[::1], boolean, float64, "
    "int64, int32[::1], int32[::1])"
)
def choose(
    sizes: Real, bins: Small, tables: npt.NDArray[np.uint16], points: Small, bits: Real, tokens: npt.NDArray[np.uint8],
    signed: bool, lagrangian: float, most: int, values: Small, magnitudes: Small,
) -> None:  # fmt: skip
    """Informative: the values of least cost, and the magnitudes that they are decoded to."""
    for i in range(len(sizes)):
        nearest = min(int(sizes[i] * (1 / ONE) + 0.5), most)
        best, lowest, decoded = 0, np.inf, 0
        for k in range(3):
            value = nearest
            if k == 1:
                value = max(nearest - 1, 0)
            elif k == 2 and nearest <= 2:
                value = 0
            size = max(ONE * value + int(points[bins[i], min(value, 3)]), 0)
            rate = bits[tables[i], tokens[value]]
            told = size
            if signed:
                if value:
                    rate += 1
                else:
                    told = 0
            error = (sizes[i] - told) * (1 / ONE)
            cost = error * error + lagrangian * rate
            if cost < lowest:
                best, lowest, decoded = value, cost, size
        values[i] = best
        magnitudes[i] = min(decoded, MOST)
