"""Levels, elements and pictures from integer hashes: the same on every machine, whatever its libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_GOLDEN = 0x9E3779B97F4A7C15


def words(count: int, seed: int) -> npt.NDArray[np.uint64]:
    """`count` numbers of 64 bits: splitmix64 of seed and position."""
    with np.errstate(over="ignore"):
        x = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed * 1_000_003 & (2**64 - 1))) * np.uint64(_GOLDEN)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def levels(pattern: str, shape: tuple[int, ...], bits: int, seed: int) -> npt.NDArray[np.uint16]:
    """Levels of `bits` bits of shape (K, H, W).

    noise: all independent. ramp: 0, 1, 2, ... over all elements, so that every level occurs. smooth: ramps of
    a random slope in every channel, as a video codec likes them. ends: only 0 and the highest. middle: the two
    levels after half of the highest.
    """
    count, top = int(np.prod(shape)), (1 << bits) - 1
    noise = words(count, seed)
    if pattern == "noise":
        flat = noise & np.uint64(top)
    elif pattern == "ramp":
        flat = (np.arange(count, dtype=np.uint64) + np.uint64(seed)) & np.uint64(top)
    elif pattern == "middle":
        flat = (noise & np.uint64(1)) + np.uint64(top // 2 + 1)
    elif pattern == "ends":
        flat = (noise & np.uint64(1)) * np.uint64(top)
    elif pattern == "smooth":
        k, h, w = shape
        base, down, across = (words(k, seed + i)[:, None, None] for i in (1, 2, 3))
        y, x = np.arange(h, dtype=np.uint64)[None, :, None], np.arange(w, dtype=np.uint64)[None, None, :]
        slope = np.uint64(max(1, top // 16))
        flat = (base % np.uint64(top) + y * (down % slope) + x * (across % slope)) & np.uint64(top)
    else:
        raise ValueError(f"no pattern {pattern}")
    return flat.reshape(shape).astype(np.uint16)


def elements(shape: tuple[int, ...], dtype: np.dtype[Any], seed: int) -> Array:
    """Elements of any number format from random bits: NaN, infinities and negative zero among them."""
    count = int(np.prod(shape))
    if dtype == np.bool_:
        return (words(count, seed) & np.uint64(1)).astype(np.bool_).reshape(shape)
    raw = words(count, seed).astype("<u8").view(np.uint8).reshape(count, 8)[:, : dtype.itemsize]
    return np.ascontiguousarray(raw).reshape(-1).view(dtype).reshape(shape)


def pack(channels: Array, layout: str, grid: tuple[int, int], size: tuple[int, int], seed: int, top: int) -> Array:
    """7.5.2 (K, H, W) -> (P, height, width), written from the formulas; cells and margins without a channel get noise.

    With top 0 they get zeros, for elements without a quantizer.
    """
    rows_of_cells, columns_of_cells = grid
    count, rows, columns = channels.shape
    cells = rows_of_cells * columns_of_cells
    pictures = np.zeros((-(-count // cells), *size), channels.dtype)
    if top:
        pictures[:] = (words(pictures.size, seed + 99) & np.uint64(top)).reshape(pictures.shape).astype(channels.dtype)
    for k in range(count):
        p, j = divmod(k, cells)
        r, g = divmod(j, columns_of_cells)
        if layout == "QUILT":
            place = np.s_[
                p, r : rows_of_cells * rows : rows_of_cells, g : columns_of_cells * columns : columns_of_cells
            ]
        else:
            place = np.s_[p, r * rows : (r + 1) * rows, g * columns : (g + 1) * columns]
        pictures[place] = channels[k]
    return pictures
