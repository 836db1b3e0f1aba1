"""13.8.1 Elements of two tensors, bit by bit: where they differ, and how far apart numbers are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsw.conformance.outputs import little_endian
from refsw.tensor.axes import Array


@dataclass(frozen=True)
class Difference:
    """Where a tensor differs: at its first element that should be finite and is not, else at the first of all.

    `ulps` is None where one of the two numbers is not finite: infinity is no neighbour of any number.
    """

    index: tuple[int, ...]
    expected: str
    got: str
    ulps: int | None
    differing: int
    nonfinite: int
    elements: int

    @property
    def what(self) -> str:
        """What is wrong with numbers that are none; empty if nothing is."""
        if not self.nonfinite:
            return ""
        return "1 element is not finite" if self.nonfinite == 1 else f"{self.nonfinite} elements are not finite"


def difference(wanted: Array, got: Array) -> Difference | None:
    """Where two tensors of one number format and shape differ; None if nowhere."""
    different = words_of(wanted) != words_of(got)
    places = np.flatnonzero(different)
    if not places.size:
        return None
    odd = np.flatnonzero(different & _finite(wanted) & ~_finite(got))
    index = tuple(int(i) for i in np.unravel_index((odd if odd.size else places)[0], wanted.shape))
    a, b = wanted[index], got[index]
    return Difference(
        index, shown_element(a), shown_element(b), ulp_distance(a, b), int(places.size), int(odd.size), wanted.size
    )


def words_of(array: Array) -> Array:
    """Elements as unsigned integers: NaN equals itself there, and zero differs from negative zero."""
    return np.frombuffer(little_endian(array), f"<u{array.dtype.itemsize}")


def count_nonfinite(array: Array) -> int:
    """How many elements are NaN or infinite."""
    return array.size - int(np.count_nonzero(_finite(array)))


def _finite(array: Array) -> Array:
    flat = array.reshape(-1)
    if flat.dtype.kind in "fV" or flat.dtype.name == "bfloat16":
        with np.errstate(invalid="ignore"):  # a signalling NaN that becomes a quiet one
            return np.asarray(np.isfinite(flat.astype(np.float64)))
    return np.ones(flat.shape, np.bool_)


def shown_element(element: Any) -> str:
    """A number for people, with its bits."""
    word = np.array(element)
    if word.dtype.kind in "iub":
        return str(element)
    return f"{float(element):.9g} (0x{int(words_of(word)[0]):0{2 * word.dtype.itemsize}x})"


def ulp_distance(a: Any, b: Any) -> int | None:
    """How many numbers of the format one is from another; the difference of integers; None if one is not finite."""
    x, y = np.array(a), np.array(b)
    if x.dtype.kind in "iub":
        return abs(int(x) - int(y))
    if not (math.isfinite(float(x)) and math.isfinite(float(y))):
        return None
    sign = 1 << (8 * x.dtype.itemsize - 1)
    p, q = (-(w & (sign - 1)) if w & sign else w for w in (int(words_of(x)[0]), int(words_of(y)[0])))
    return abs(p - q)
