"""8.6.7, 8.6.8 The starts that every decoder has."""

from __future__ import annotations

from functools import cache

import numpy as np

from refsw.payload.native import sparse, universal
from refsw.payload.native.parameters import FEATURES, PHASES, Start


@cache
def universal_start() -> Start:
    """8.6.7 The universal start."""
    return _start(universal.WEIGHTS, universal.POINTS, universal.CODES)


@cache
def sparse_start() -> Start:
    """8.6.8 The sparse start."""
    return _start(sparse.WEIGHTS, sparse.POINTS, sparse.CODES)


def _start(weights: tuple[tuple[int, ...], ...], points: tuple[tuple[int, ...], ...], codes: tuple[str, ...]) -> Start:
    shaped = np.array(weights, np.int32).reshape(2, PHASES, FEATURES)
    return Start(shaped, np.array(points, np.int32), tuple(map(bytes.fromhex, codes)))
