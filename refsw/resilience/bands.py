"""Informative: rows that are lost and received together, as the methods that work packet by packet see them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from refsw.errors import UsageError
from refsw.tensor.axes import Array


def band_height(received: Array) -> int:
    """The greatest height of bands that a loss pattern can be made of: packets of so many rows, or several of them.

    Args:
        received: bool (C, H, W).
    """
    changes = np.flatnonzero((received[:, 1:] != received[:, :-1]).any(axis=(0, 2))) + 1
    return math.gcd(*map(int, changes)) if changes.size else received.shape[1]


@dataclass(frozen=True, slots=True)
class Bands:
    """A tensor cut into bands of rows; the last one is filled up with zeros.

    Args:
        values: float64 (bands, C, height * W).
        whole: bool (bands, C), all elements of the band of the channel were received.
        sizes: elements of a channel in each band, (bands,).
        shape: of the tensor.
    """

    values: Array
    whole: Array
    sizes: Array
    shape: tuple[int, ...]

    @classmethod
    def cut(cls, tensor: Array, received: Array, rows: int) -> Self:
        """Cut a tensor (C, H, W); `rows` of 0 are found from what was received."""
        rows = rows or band_height(received)
        values, mask = (_cut(array, rows) for array in (tensor, received))
        inside = _cut(np.ones(tensor.shape, np.bool_), rows)
        whole: Array = np.asarray((mask | ~inside).all(axis=2))
        return cls(values, whole, inside[:, 0].sum(axis=1), tensor.shape)

    def joined(self, values: Array) -> Array:
        """Values of bands as a tensor (C, H, W)."""
        channels, height, width = self.shape
        bands = values.reshape(len(values), channels, -1, width).transpose(1, 0, 2, 3)
        return bands.reshape(channels, -1, width)[:, :height]


def _cut(array: Array, rows: int) -> Array:
    """(C, H, W) -> (bands, C, rows * W)."""
    channels, height, width = array.shape
    count = -(-height // rows)
    padded = np.pad(array, ((0, 0), (0, count * rows - height), (0, 0)))
    return padded.reshape(channels, count, rows * width).transpose(1, 0, 2)


def check_rows(rows: int) -> None:
    """Refuse a height of packets that is none.

    Raises:
        UsageError: below 0.
    """
    if rows < 0:
        raise UsageError(f"rows {rows}: of a packet, at least 1; 0 finds them from what was received")
