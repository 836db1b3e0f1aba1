"""7.6 The channel transform, held to its text element by element in integers and rational numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from refsw.errors import DfcError
from refsw.tensor.dequantize import nearest_binary32
from refsw.tensor.transform import LARGEST_SUM, Basis, Transform, basis_of, check_fit, elements, pack_basis, values_of

WIDE = (-3e38, 3e38)


def made(channels: int, count: int, *, prefix: int = 0, seed: int = 0, bits: Any = None) -> Basis:
    rng = np.random.default_rng(seed)
    widths = rng.integers(2, 13, count) if bits is None else np.full(count, bits)
    entries = [rng.integers(-(1 << (b - 1)), 1 << (b - 1), channels) for b in widths]
    grid = rng.normal(size=(prefix + 1, channels)).astype(np.float32)
    return Basis(np.array(entries, np.int16).reshape(count, channels).T, widths.astype(np.int64),
                 rng.integers(0, 5, count), grid[0], grid[1:])  # fmt: skip


def binary64(value: Fraction) -> float:
    """The nearest binary64, ties to even: what dividing two integers gives in Python."""
    return value.numerator / value.denominator


def by_the_text(basis: Basis, t: Transform, levels: Any, shape: tuple[int, int, int], cells: int, depth: int,
                limits: tuple[float, float]) -> Any:  # fmt: skip
    channels = shape[0]
    zero, shifts = 1 << (depth - 1), t.shifts_of(cells)
    out = np.empty(shape, np.float32)
    for c, y, x in np.ndindex(*shape):
        i, v, u = ((2 * (y % 2) + x % 2) * channels + c, y // 2, x // 2) if t.space_to_depth else (c, y, x)
        total = sum(int(basis.entries[i, k]) * 2 ** int(basis.exponents[k] + shifts[k]) * (int(levels[k, v, u]) - zero)
                    for k in range(t.components))  # fmt: skip
        step, mean = t.step, float(basis.mean[i])
        if v < t.prefix_rows:
            total, step, mean = int(levels[i, v, u]) - zero, t.prefix_step, float(basis.prefix_mean[v, i])
        value = binary64(Fraction(mean) + Fraction(binary64(Fraction(step) * total)))
        out[c, y, x] = nearest_binary32(Fraction(min(max(value, limits[0]), limits[1])))
    return out


@pytest.mark.parametrize("seed", range(12))
def test_elements_are_those_of_the_text(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 6, 3))
    phases, prefix = bool(seed % 3 == 0), int(rng.integers(0, shape[1] + 1)) if seed % 3 == 1 else 0
    channels = shape[0] * (4 if phases else 1)
    count = channels if prefix else int(rng.integers(0, channels + 1))
    depth, cells = int(rng.integers(1, 17)), int(rng.integers(1, 4))
    shifts = tuple(int(s) for s in rng.integers(0, 4, -(-count // cells))) if seed % 2 else ()
    basis = made(channels, count, prefix=prefix, seed=seed)
    t = Transform(count, float(np.float32(0.01)), shifts, phases, prefix, -0.25, pack_basis(basis))
    levels = rng.integers(0, 1 << depth, (count, *t.map_shape(*shape[1:]))).astype(np.uint16)
    limits = (-1.5, 2.5) if seed % 2 else WIDE
    assert t.sent is not None
    found = elements(t.sent, t, levels, shape, cells, depth, limits)
    expected = by_the_text(basis, t, levels, shape, cells, depth, limits)
    assert found.dtype == np.float32
    assert found.tobytes() == expected.tobytes()


def test_sums_of_the_greatest_magnitude_are_exact() -> None:
    count, depth = 64, 16
    rng = np.random.default_rng(5)
    ends = rng.choice([-2048, 2047], (64, count)).astype(np.int16)
    ends[0], ends[1] = -2048, 2047
    basis = Basis(ends, np.full(count, 12), np.full(count, 53 - 6 - 26), np.zeros(64, np.float32),
                  np.zeros((0, 64), np.float32))  # fmt: skip
    t = Transform(count, 2.0**-20, sent=pack_basis(basis))
    check_fit(basis, t, 64, 1, depth)
    levels = rng.choice([0, 65535], (count, 3, 4)).astype(np.uint16)
    levels[:, 0, 0] = 0
    assert t.sent is not None
    found = elements(t.sent, t, levels, (64, 3, 4), 1, depth, WIDE)
    sums = np.einsum("ik,kyx->iyx", ends.astype(object) * 2**21, levels.astype(object) - 32768)
    assert max(abs(one) for one in sums.reshape(-1)) == LARGEST_SUM
    expected = np.vectorize(lambda s: nearest_binary32(Fraction(int(s), 1 << 20)), otypes=[np.float32])(sums)
    assert found.tobytes() == expected.tobytes()


def test_sums_beyond_what_is_exact_are_refused() -> None:
    basis = made(4, 4, bits=12)
    with pytest.raises(DfcError, match=r"transform\.width"):
        check_fit(basis, Transform(4, 1.0, (31,)), 4, 4, 12)
    for t, channels in ((Transform(3, 1.0), 4), (Transform(4, 1.0), 5), (Transform(4, 1.0, space_to_depth=True), 4),
                        (Transform(4, 1.0, prefix_rows=1), 4)):  # fmt: skip
        with pytest.raises(DfcError, match=r"transform\.fit"):
            check_fit(basis, t, channels, 4, 8)


def test_a_component_whose_levels_are_all_zero_adds_nothing() -> None:
    basis = made(6, 6, seed=3)
    data = pack_basis(basis)
    levels = np.full((6, 2, 2), 128, np.uint8)
    one = elements(data, Transform(6, 0.5, sent=data), levels, (6, 2, 2), 6, 8, WIDE)
    assert (one == basis.mean[:, None, None]).all()
    levels[2, 1, 1] += 1
    two = elements(data, Transform(6, 0.5, sent=data), levels, (6, 2, 2), 6, 8, WIDE)
    assert (one[:, :1] == two[:, :1]).all()
    assert (one[:, 1, 1] != two[:, 1, 1]).any()


def test_zero_is_positive() -> None:
    basis = Basis(np.array([[1]], np.int16), np.array([2]), np.array([0]), np.zeros(1, np.float32),
                  np.zeros((0, 1), np.float32))  # fmt: skip
    found = elements(pack_basis(basis), Transform(1, 1e-30), np.array([[[127]]], np.uint8), (1, 1, 1), 1, 8, (0.0, 1.0))
    tiny = elements(pack_basis(basis), Transform(1, 1e-60), np.array([[[127]]], np.uint8), (1, 1, 1), 1, 8, WIDE)
    assert (found.tobytes(), tiny.tobytes()) == (bytes(4), bytes(4))


@pytest.mark.parametrize("seed", range(6))
def test_what_is_packed_is_read_again(seed: int) -> None:
    basis = made(1 + 7 * seed, min(seed * 5, 1 + 7 * seed), prefix=0, seed=seed)
    found = basis_of(pack_basis(basis))
    for name in ("entries", "bits", "exponents", "mean", "prefix_mean"):
        assert np.array_equal(getattr(found, name), getattr(basis, name)), name


def test_entries_that_do_not_fit_are_not_packed() -> None:
    basis = made(3, 2, bits=4)
    basis.entries[1, 1] = 8
    with pytest.raises(ValueError, match="entries of 4 bits"):
        values_of(basis)


def test_damaged_bytes_are_refused_or_are_another_basis() -> None:
    data = pack_basis(made(5, 5, prefix=1, seed=8))
    rng = np.random.default_rng(1)
    ends = set()
    for _ in range(400):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), 2):
            changed[place] ^= int(rng.integers(1, 256))
        cut = bytes(changed[: int(rng.integers(0, len(data) + 1))]) if rng.integers(0, 3) == 0 else bytes(changed)
        try:
            basis_of(cut)
            ends.add("read")
        except DfcError as error:
            ends.add(error.requirement.split(".")[0])
    likely = {"read", "transform", "channel_transform"}
    assert likely <= ends <= likely | {"descriptor"}
