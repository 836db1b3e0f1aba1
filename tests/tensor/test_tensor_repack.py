"""7.5 Unpacking: the formulas of the specification, element by element, against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refsw.syntax.codes import RepackLayout
from refsw.tensor.repack import Packing, choose_grid, order_by_mean, order_by_similarity, pack, unpack

Levels = NDArray[np.uint16]


@st.composite
def packings(draw: st.DrawFn) -> tuple[Packing, int]:
    """Any geometry of a few channels, margins included, and a number of channels."""
    layout = draw(st.sampled_from(RepackLayout))
    rows, columns, channels = draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 9))
    grid = (1, 1) if layout is RepackLayout.SEQUENCE else (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    below, right = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    packing = Packing(layout, rows, columns, *grid, grid[0] * rows + below, grid[1] * columns + right)
    return packing, channels


def numbered(channels: int, p: Packing) -> Levels:
    return np.arange(channels * p.rows * p.columns, dtype=np.uint16).reshape(channels, p.rows, p.columns)


def position(p: Packing, k: int, y: int, x: int) -> tuple[int, int, int]:
    """7.5.2, as it is written there."""
    big_r, big_g = p.grid_rows, p.grid_columns
    picture = k // (big_r * big_g)
    j = k - picture * big_r * big_g
    r = j // big_g
    g = j - r * big_g
    if p.layout is RepackLayout.QUILT:
        return picture, y * big_r + r, x * big_g + g
    return picture, r * p.rows + y, g * p.columns + x


@settings(max_examples=200, deadline=None)
@given(packings())
def test_what_is_packed_is_unpacked(case: tuple[Packing, int]) -> None:
    packing, channels = case
    levels = numbered(channels, packing)
    pictures = pack(levels, packing)
    assert pictures.shape == (packing.pictures(channels), packing.coded_height, packing.coded_width)
    assert np.array_equal(unpack(pictures, packing, channels), levels)


@settings(max_examples=100, deadline=None)
@given(packings(), st.integers(0, 2**32))
def test_every_element_is_taken_from_where_the_formulas_say(case: tuple[Packing, int], seed: int) -> None:
    packing, channels = case
    shape = (packing.pictures(channels), packing.coded_height, packing.coded_width)
    pictures = np.random.default_rng(seed).integers(0, 2**16, shape, dtype=np.uint16)
    levels = unpack(pictures, packing, channels)
    assert levels.shape == (channels, packing.rows, packing.columns)
    for k, y, x in np.ndindex(levels.shape):
        assert levels[k, y, x] == pictures[position(packing, k, y, x)]


@settings(max_examples=100, deadline=None)
@given(packings(), st.integers(0, 2**32))
def test_margin_and_empty_cells_do_not_matter(case: tuple[Packing, int], seed: int) -> None:
    packing, channels = case
    levels = numbered(channels, packing)
    pictures = pack(levels, packing)
    used = np.zeros(pictures.shape, bool)
    for place in np.ndindex(levels.shape):
        used[position(packing, *place)] = True
    noise = np.random.default_rng(seed).integers(0, 2**16, pictures.shape, dtype=np.uint16)
    assert np.array_equal(unpack(np.where(used, pictures, noise), packing, channels), levels)


def test_the_margin_repeats_the_border() -> None:
    packing = Packing(RepackLayout.SEQUENCE, 2, 2, 1, 1, 3, 4)
    picture = pack(np.array([[[1, 2], [3, 4]]], np.uint16), packing)[0]
    assert picture.tolist() == [[1, 2, 2, 2], [3, 4, 4, 4], [3, 4, 4, 4]]


def test_empty_cells_repeat_the_last_channel() -> None:
    packing = Packing(RepackLayout.MOSAIC, 1, 1, 2, 2, 2, 2)
    assert pack(np.array([[[1]], [[2]], [[3]]], np.uint16), packing)[0].tolist() == [[1, 2], [3, 3]]
    quilt = Packing(RepackLayout.QUILT, 1, 1, 2, 2, 2, 2)
    assert pack(np.array([[[1]], [[2]], [[3]]], np.uint16), quilt)[0].tolist() == [[1, 2], [3, 3]]


def test_a_quilt_interleaves_and_a_mosaic_tiles() -> None:
    levels = np.array([[[1, 2]], [[5, 6]]], np.uint16)
    assert pack(levels, Packing(RepackLayout.MOSAIC, 1, 2, 1, 2, 1, 4))[0].tolist() == [[1, 2, 5, 6]]
    assert pack(levels, Packing(RepackLayout.QUILT, 1, 2, 1, 2, 1, 4))[0].tolist() == [[1, 5, 2, 6]]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 300), st.integers(1, 300), st.integers(300, 5000))
def test_a_chosen_grid_fits_and_leaves_few_cells_empty(channels: int, rows: int, columns: int, side: int) -> None:
    grid_rows, grid_columns = choose_grid(channels, rows, columns, side)
    assert 1 <= grid_rows * rows <= side
    assert 1 <= grid_columns * columns <= side
    assert grid_rows * grid_columns < 2 * channels + 64


@pytest.mark.parametrize("find", [order_by_mean, order_by_similarity])
def test_an_order_has_every_channel_once(find: object) -> None:
    levels = np.random.default_rng(1).integers(0, 256, (20, 6, 7), dtype=np.uint8)
    assert callable(find)
    assert sorted(find(levels)) == list(range(20))


def test_the_order_by_mean_rises_and_keeps_ties() -> None:
    levels = np.array([3, 1, 2, 1], np.uint8).reshape(4, 1, 1)
    assert order_by_mean(levels) == [1, 3, 2, 0]


def test_the_order_by_similarity_walks_to_the_nearest() -> None:
    levels = np.array([0, 100, 10, 90], np.uint8).reshape(4, 1, 1)
    assert order_by_similarity(levels) == [0, 2, 3, 1]
