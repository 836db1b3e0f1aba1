"""Prediction in time of the native payload (8.6.9): what the sample before has, displaced; part of dfc_native.py."""
import numpy as np
from dfc_native_time_start import TIME_WEIGHTS
from dfc_units import Bits, se
from dfc_video import need

MOST = 32767
WEIGHTS = np.array(TIME_WEIGHTS)
EIGHT = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]

def around(c, y, x):
    """Means of c at the eight neighbours of positions, these limited to the rows and columns (8.6.5)."""
    rows, columns = np.array(c.shape[-2:]) - 1
    return (4 + sum(c[..., np.clip(y + b, 0, rows), np.clip(x + d, 0, columns)] for b, d in EIGHT)) // 8

class Prediction:
    """native_prediction( ) that begins at pos (6.19). before: D of the sample before in the payload, None if there is
    none; predicted: whether the sample after it is; stop: where its native_sample begins."""
    def __init__(self, payload, pos, before, height, width):
        p, r = "native_prediction.", Bits(memoryview(payload)[pos:], "native.sample")
        self.before, self.predicted, self.motion = before, r.u(1), None
        if self.predicted:
            need(before is not None, "native.first-intra")
            self.step = r.u(24)
            need(self.step, p + "reference_step")
            if r.u(1):
                log2 = r.u(3) + 1
                rows, columns = r.ue() + 1, r.ue() + 1
                need((rows, columns) == (-(-height >> log2), -(-width >> log2)), "native.motion-blocks")
                self.read(r, log2, rows, columns)
        r.align()
        self.stop = pos + r.pos // 8
    def read(self, r, log2, rows, columns):
        """The motion vector of every block (8.6.9.2)."""
        p, above, vectors = "native_prediction.", None, []
        for _ in range(rows):
            row = [(0, 0)]                          # and after it the vectors of this row of blocks
            for j in range(columns):
                first = second = third = row[-1]
                if above:
                    second, third = above[j + 1], above[j + 2] if j + 1 < columns else (0, 0)
                vector = tuple(sorted(three)[1] for three in zip(first, second, third, strict=True))
                if r.u(1):
                    vector = (vector[0] + se(r, 255, p + "vector_row_delta"),
                              vector[1] + se(r, 255, p + "vector_column_delta"))
                    need(-128 <= min(vector) <= max(vector) <= 127, "native.motion-range")
                row.append(vector)
            vectors.append(np.array(row[1:], "i2"))
            above = row
        self.motion = np.array(vectors), log2
    def magnitudes(self, channels):
        """t of these channels at every position (8.6.9.3)."""
        _, height, width = self.before.shape
        y, x = np.indices((height, width))
        down = right = 0
        if self.motion is not None:
            vectors, log2 = self.motion
            down, right = np.moveaxis(vectors[y >> log2, x >> log2].astype("i8"), -1, 0)
        (y, a), (x, b) = (np.divmod(4 * at + by, 4) for at, by in ((y, down), (x, right)))
        ys = [(np.clip(y + i, 0, height - 1), (4 - a, a)[i]) for i in (0, 1)]
        xs = [(np.clip(x + i, 0, width - 1), (4 - b, b)[i]) for i in (0, 1)]
        d = self.before[channels].astype("i8")
        v = np.abs(sum(m * n * d[:, yy, xx] for yy, m in ys for xx, n in xs))
        return np.minimum(MOST, ((v << 12) + self.step // 2) // self.step)

def reliability(u, t):
    """i at positions, from the magnitudes there of all channels at places below p0 (8.6.9.4)."""
    if not len(u):
        return np.full(u.shape[1:], 8)
    e, s = np.abs(u - t).sum(0), (u + t).sum(0)
    return sum((128 * e > b * s).astype("i8") for b in (5, 8, 12, 18, 28, 44, 76))

def expected(m, t, i, phase, y, x):
    """M' of native.predicted; t: of the channels of the group; i: of the positions."""
    v = WEIGHTS[4 * i + phase].T
    return (v[0] * m >> 10) + v[1] * t[:, y, x] + v[2] * around(t, y, x) + v[3] * 256
