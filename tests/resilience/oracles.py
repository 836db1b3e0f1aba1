"""The methods again, as their papers have them: with loops, full decompositions and no thought of speed."""

from __future__ import annotations

import numpy as np


def planted(kind, loss=0.3, seed=0):
    """A tensor of multilinear rank (5, 5, 5), 64x56x56, and a mask: entries, rows, or packets of 8 rows are lost."""
    rng = np.random.default_rng(seed)
    core = rng.normal(size=(5, 5, 5))
    bases = [np.linalg.qr(rng.normal(size=(n, 5)))[0] for n in (64, 56, 56)]
    tensor = np.einsum("abc,ia,jb,kc->ijk", core, *bases)
    count = {"entries": None, "rows": 56, "packets": 7}[kind]
    if count is None:
        received = rng.random(tensor.shape) >= loss
    else:
        rows = np.repeat(rng.random((64, count, 1)) >= loss, 56 // count, axis=1)
        received = np.broadcast_to(rows, tensor.shape).copy()
    return (tensor / tensor.std()).astype(np.float32), received


def unfold(tensor, mode):
    return np.moveaxis(tensor, mode, 0).reshape(tensor.shape[mode], -1)


def fold(matrix, mode, shape):
    rest = [shape[mode]] + [n for i, n in enumerate(shape) if i != mode]
    return np.moveaxis(matrix.reshape(rest), 0, mode)


def shrunk(matrix, threshold):
    left, singular, right = np.linalg.svd(matrix, full_matrices=False)
    return (left * np.maximum(singular - threshold, 0)) @ right


def halrtc(tensor, received, weights, inverse, growth, steps):
    """Algorithm 4 of Liu et al. with Y_i as printed; `inverse` is 1 / r at the start."""
    known = np.where(received, tensor, 0).astype(np.float64)
    estimate, multipliers, r = known, [np.zeros_like(known) for _ in range(3)], 1 / inverse
    for _ in range(steps):
        parts = [
            fold(shrunk(unfold(estimate + multipliers[i] / r, i), weights[i] / r), i, known.shape) for i in range(3)
        ]
        mean = sum(part - y / r for part, y in zip(parts, multipliers, strict=True)) / 3
        estimate = np.where(received, known, mean)
        multipliers = [y - r * (part - estimate) for part, y in zip(parts, multipliers, strict=True)]
        r *= growth
    return estimate


def silrtc(tensor, received, thresholds, steps):
    """Algorithm 1 of Liu et al. with the same b_i for all unfoldings."""
    known = np.where(received, tensor, 0).astype(np.float64)
    estimate = known
    for _ in range(steps):
        parts = [fold(shrunk(unfold(estimate, i), thresholds[i]), i, known.shape) for i in range(3)]
        estimate = np.where(received, known, sum(parts) / 3)
    return estimate


def caltec(tensor, received, rows):
    """Packet by packet; what has no candidate stays NaN."""
    tensor = tensor.astype(np.float64)
    out, (channels, height, _) = np.where(received, tensor, np.nan), tensor.shape
    starts = list(range(0, height, rows))
    band = {n: slice(n, min(n + rows, height)) for n in starts}

    def has(c, n):
        return received[c, band[n]].all()

    for c in range(channels):
        low, high = (f(tensor[c][received[c]]) if received[c].any() else np.nan for f in (np.min, np.max))
        for p in (n for n in starts if not has(c, n)):
            near = sorted((n for n in starts if has(c, n)), key=lambda n: (abs(n - p), n))
            for n in near:
                own = tensor[c, band[n]].ravel()
                others = [j for j in range(channels) if j != c and has(j, n) and has(j, p)]
                others = [j for j in others if tensor[j, band[n]].std() > 0]
                if not others:
                    continue
                slope, offset, j = 0.0, own.mean(), others[0]
                if own.std() > 0:
                    j = max(others, key=lambda j: np.corrcoef(own, tensor[j, band[n]].ravel())[0, 1])
                    slope, offset = np.polyfit(tensor[j, band[n]].ravel(), own, 1)
                estimate = np.clip(slope * tensor[j, band[p]] + offset, low, high)
                out[c, band[p]] = np.where(received[c, band[p]], tensor[c, band[p]], estimate)
                break
    return out


def altec_weights(tensors, rows, ridge):
    """One least-squares fit for each channel, with rows of the system that hold the squares of the weights down."""
    count, found = len(tensors[0]), []
    mean_square = sum(float(np.square(t).sum()) for t in tensors) / count
    for c in range(count):
        system, wanted = [], []
        for tensor in tensors:
            height = tensor.shape[1]
            for y in range(height):
                above, below = y - rows, y + rows
                for x in range(tensor.shape[2]):
                    one = [tensor[j, y, x] for j in range(count) if j != c]
                    one += [tensor[c, above, x] if above >= 0 else 0, tensor[c, below, x] if below < height else 0]
                    system.append(one)
                    wanted.append(tensor[c, y, x])
        held = np.sqrt(ridge * mean_square) * np.eye(count + 1)
        fit = np.linalg.lstsq(np.vstack([system, held]), np.concatenate([wanted, np.zeros(count + 1)]), rcond=None)[0]
        found.append((np.insert(fit[: count - 1], c, 0), fit[count - 1 :]))
    return np.array([f[0] for f in found]), np.array([f[1] for f in found])
