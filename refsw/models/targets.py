"""Informative: what the levels of a tensor shall come near to in an encoder's search (10.6.7)."""

from __future__ import annotations

import numpy as np

from refsw.models.arithmetic import GRID_LOG2, Integers, Step, round_to
from refsw.models.trellis import FRACTION
from refsw.syntax.codes import ElementType
from refsw.tensor.axes import Array

FINE_LOG2 = GRID_LOG2 + FRACTION
"""Targets come in units of 2^-16 of the step, so that dividing them by g gives what `trellis` takes."""
LARGEST = 2.0**60
LARGEST_LEVEL = 1 << 60
ROOM = 4
"""As many steps as this may an element be beyond what is wanted without being infinite."""
CHUNK = 1 << 20


def targets_of(flat: Array, base: Array | None, step: Step, element_type: ElementType) -> Integers | None:
    """Differences (or elements) in units of 2^-FINE_LOG2 of the step; None if they are too large for a search."""
    out = np.empty(flat.size, np.int64)
    for begin in range(0, flat.size, CHUNK):
        part = slice(begin, begin + CHUNK)
        x = flat[part].astype(np.float64)
        if base is not None:
            x -= base[part].astype(np.float64)
        x *= step.scale
        x /= step.m
        x *= 1 << FINE_LOG2
        np.rint(x, out=x)
        if x.size and not float(np.abs(x).max()) < LARGEST:
            return None
        out[part] = x
    reach = float(np.abs(flat).max(initial=0)) + ROOM * step.m / step.scale
    return out if np.isfinite(round_to(np.array([reach]), element_type)).all() else None


def exact_levels(values: Integers) -> Integers | None:
    """Values of exact elements, if they can be levels."""
    fits = not values.size or (int(values.max()) < LARGEST_LEVEL and int(values.min()) > -LARGEST_LEVEL)
    return values if fits else None


def finer(targets: Integers) -> Integers:
    """Targets in half steps, rounded: they tell better than those in steps how values are predicted."""
    return (targets + (1 << FINE_LOG2 - 2)) >> FINE_LOG2 - 1
