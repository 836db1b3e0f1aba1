"""7.5 Repacking: channels laid into pictures (sequence, mosaic, quilt) and taken out again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from refsw.syntax.codes import RepackLayout
from refsw.tensor.axes import Array


@dataclass(frozen=True, slots=True)
class Packing:
    """The geometry of the pictures of one sample.

    Args:
        layout: how channels are laid into pictures.
        rows, columns: H and W of a channel.
        grid_rows, grid_columns: channels down and across a picture; both 1 for `sequence`.
        coded_height, coded_width: size of the coded picture, at least that of the grid.
    """

    layout: RepackLayout
    rows: int
    columns: int
    grid_rows: int
    grid_columns: int
    coded_height: int
    coded_width: int

    @property
    def cells(self) -> int:
        """Channels in a picture."""
        return self.grid_rows * self.grid_columns

    @property
    def true_height(self) -> int:
        """Rows of a picture that hold elements."""
        return self.grid_rows * self.rows

    @property
    def true_width(self) -> int:
        """Columns of a picture that hold elements."""
        return self.grid_columns * self.columns

    def pictures(self, channels: int) -> int:
        """7.5.1 Number of pictures of a sample with that many coded channels."""
        return -(-channels // self.cells)


def unpack(pictures: Array, packing: Packing, channels: int) -> Array:
    """7.5.2 Unpacking: coded pictures (P, coded_height, coded_width) -> (channels, H, W).

    The result is a view where numpy can make one.
    """
    p = packing
    true = pictures[:, : p.true_height, : p.true_width]
    count = pictures.shape[0]
    if p.layout is RepackLayout.QUILT:
        # (P, H, grid rows, W, grid columns) -> (P, grid rows, grid columns, H, W)
        cells = true.reshape(count, p.rows, p.grid_rows, p.columns, p.grid_columns).transpose(0, 2, 4, 1, 3)
    else:
        # (P, grid rows, H, grid columns, W) -> (P, grid rows, grid columns, H, W)
        cells = true.reshape(count, p.grid_rows, p.rows, p.grid_columns, p.columns).transpose(0, 1, 3, 2, 4)
    return cells.reshape(count * p.cells, p.rows, p.columns)[:channels]


# --- Informative: what an encoder does. A decoder needs nothing below. ---


def pack(levels: Array, packing: Packing) -> Array:
    """Repacking as this encoder does it: (channels, H, W) -> (P, coded_height, coded_width).

    Cells without a channel repeat the last channel, and border elements are repeated to the right and downwards: those
    of channels with fewer rows than the packing has, and then up to the coded size (MM'19, 3.1). A decoder ignores
    all of them.
    """
    p = packing
    count = p.pictures(len(levels))
    if levels.shape[1] < p.rows:
        levels = np.pad(levels, ((0, 0), (0, p.rows - levels.shape[1]), (0, 0)), mode="edge")
    missing = count * p.cells - len(levels)
    if missing:
        levels = np.concatenate([levels, np.repeat(levels[-1:], missing, axis=0)])
    grid = levels.reshape(count, p.grid_rows, p.grid_columns, p.rows, p.columns)
    if p.layout is RepackLayout.QUILT:
        pictures = grid.transpose(0, 3, 1, 4, 2)  # (P, H, grid rows, W, grid columns)
    else:
        pictures = grid.transpose(0, 1, 3, 2, 4)  # (P, grid rows, H, grid columns, W)
    pictures = pictures.reshape(count, p.true_height, p.true_width)
    below, right = p.coded_height - p.true_height, p.coded_width - p.true_width
    if below or right:
        pictures = np.pad(pictures, ((0, 0), (0, below), (0, right)), mode="edge")
    return np.ascontiguousarray(pictures)


def choose_grid(channels: int, rows: int, columns: int, max_side: int) -> tuple[int, int]:
    """A grid (rows, columns) for a mosaic or quilt: nearly square, few empty cells, sides within a bound.

    Where one picture cannot hold all channels, the grid is the largest that the bound admits.
    """
    best: tuple[float, int, int] | None = None
    for grid_columns in range(1, min(channels, max(1, max_side // columns)) + 1):
        grid_rows = min(-(-channels // grid_columns), max(1, max_side // rows))
        pictures = -(-channels // (grid_rows * grid_columns))
        height, width = grid_rows * rows, grid_columns * columns
        # The area coded, in coded pictures of at least 16x16, then how far from square.
        area = pictures * max(height, 16) * max(width, 16)
        cost = area * (1 + 0.02 * abs(math.log2(height / width))) * (1 + 0.5 * (pictures - 1))
        if best is None or cost < best[0] - 1e-9:
            best = (float(cost), grid_rows, grid_columns)
    assert best is not None
    return best[1], best[2]


def order_by_similarity(levels: Array) -> list[int]:
    """A channel order in which neighbours are alike: greedy nearest neighbours of (C, H, W) levels.

    Integer arithmetic only, so that every machine finds the same order.
    """
    flat = levels.reshape(len(levels), -1).astype(np.int64)
    # At most 256 positions a channel keep the distances affordable for large maps.
    flat = flat[:, :: max(1, flat.shape[1] // 256)]
    left = np.ones(len(flat), bool)
    current = int(flat.sum(axis=1).argmin())
    order = [current]
    left[current] = False
    while left.any():
        candidates = np.flatnonzero(left)
        distance = np.abs(flat[candidates] - flat[current]).sum(axis=1)
        current = int(candidates[distance.argmin()])
        order.append(current)
        left[current] = False
    return order


def order_by_mean(levels: Array) -> list[int]:
    """A channel order of rising mean level; integer arithmetic, ties in channel order."""
    return [int(c) for c in levels.reshape(len(levels), -1).sum(axis=1, dtype=np.int64).argsort(kind="stable")]
