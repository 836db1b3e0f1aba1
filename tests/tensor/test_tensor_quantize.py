"""Annex B.1 Pre-quantization: the nearest level in the quantizer's own domain."""

from __future__ import annotations

import ml_dtypes
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refsw.errors import FeatureError
from refsw.syntax.codes import Quantizer
from refsw.tensor.dequantize import reconstruction_table
from refsw.tensor.foreign import as_array
from refsw.tensor.quantize import element_range, level_dtype, quantize, to_binary32

F32_MAX = float(np.finfo(np.float32).max)
BOTH = pytest.mark.parametrize("quantizer", [Quantizer.UNIFORM, Quantizer.LOG])
RANGES = [
    (0.0, 1.0), (-0.17, 12.75), (-3.0, 700.0), (0.0, F32_MAX), (-F32_MAX, F32_MAX), (0.0, 2.0**-149),
    (0.0, 2.0**-120), (-(2.0**-126), 2.0**-126), (1.0, 1.0 + 2.0**-23), (1e30, 1.001e30), (-1e-20, 1e20),
    (2.0**21, 2.0**21 + 5),
]  # fmt: skip


def f32(value: float) -> float:
    return float(np.float32(value))


def domain(x: float, low: float, high: float, top: int, quantizer: Quantizer) -> mpmath.mpf:
    """Where an element lies among the levels, with many digits."""
    mpmath.mp.prec = 400
    x, low, high = mpmath.mpf(min(max(x, low), high)), mpmath.mpf(low), mpmath.mpf(high)
    if quantizer is Quantizer.UNIFORM:
        return (x - low) / (high - low) * top
    return mpmath.log1p(x - low) / mpmath.log1p(high - low) * top


@BOTH
@pytest.mark.parametrize("depth", [1, 3, 8, 10, 12, 16])
def test_every_element_gets_the_nearest_level(quantizer: Quantizer, depth: int) -> None:
    top = 2**depth - 1
    rng = np.random.default_rng(depth)
    for low, high in [(-0.17, 12.75), (0.0, 1.0), (-3.0, 700.0), (100.0, 101.0), (1000.0, 1002.5)]:
        low, high = f32(low), f32(high)
        x = rng.uniform(low, high, 120).astype(np.float32)
        for element, q in zip(x.tolist(), quantize(x, quantizer, depth, (low, high)).tolist(), strict=True):
            assert abs(domain(element, low, high, top, quantizer) - q) <= 0.5 + 1e-9


@BOTH
@pytest.mark.parametrize("depth", [8, 12, 16])
@pytest.mark.parametrize("limits", [(0.0, 6.0), (100.0, 101.0), (1000.0, 1002.5), (1e6, 1e6 + 10)])
def test_what_was_decoded_is_coded_to_itself(quantizer: Quantizer, depth: int, limits: tuple[float, float]) -> None:
    low, high = f32(limits[0]), f32(limits[1])
    table = reconstruction_table(quantizer, depth, low, high)
    again = table[quantize(table, quantizer, depth, (low, high))]
    assert np.array_equal(again, table)


@BOTH
@pytest.mark.parametrize("limits", RANGES)
@pytest.mark.parametrize("depth", [1, 8, 16])
def test_minimum_and_maximum_are_the_first_and_last_level(
    quantizer: Quantizer, limits: tuple[float, float], depth: int
) -> None:
    low, high = f32(limits[0]), f32(limits[1])
    levels = quantize(np.array([low, high], np.float32), quantizer, depth, (low, high))
    assert levels.tolist() == [0, 2**depth - 1]


@BOTH
@pytest.mark.parametrize("limits", RANGES)
def test_extreme_ranges_come_back_within_half_a_level(quantizer: Quantizer, limits: tuple[float, float]) -> None:
    low, high = f32(limits[0]), f32(limits[1])
    x = np.linspace(low / 2, high / 2, 257).astype(np.float32) * 2
    x = np.clip(x, np.float32(low), np.float32(high))
    levels = quantize(x, quantizer, 10, (low, high))
    table = reconstruction_table(quantizer, 10, low, high)
    for element, q in zip(x.tolist(), levels.tolist(), strict=True):
        between = sorted([float(table[max(q - 1, 0)]), float(table[min(q + 1, 1023)])])
        assert between[0] <= element <= between[1]


@BOTH
@pytest.mark.parametrize("depth", [8, 12])
def test_elements_outside_are_clipped(quantizer: Quantizer, depth: int) -> None:
    x = np.array([-F32_MAX, -1.001, -1, 2, 2.001, F32_MAX], np.float32)
    top = 2**depth - 1
    assert quantize(x, quantizer, depth, (-1.0, 2.0)).tolist() == [0, 0, 0, top, top, top]


@BOTH
def test_levels_rise_with_the_elements(quantizer: Quantizer) -> None:
    x = np.sort(np.random.default_rng(2).standard_normal(20_000).astype(np.float32))
    levels = quantize(x, quantizer, 12, (float(x[0]), float(x[-1]))).astype(np.int64)
    assert (np.diff(levels) >= 0).all()


@pytest.mark.parametrize("depth", [8, 10, 12])
def test_the_level_of_an_element_depends_on_thresholds_alone(depth: int) -> None:
    # On both sides of every threshold the level is certain, whatever the logarithm of this machine.
    low, high, top = f32(-0.17), f32(12.75), 2**depth - 1
    mpmath.mp.prec = 200
    span = mpmath.mpf(high) - mpmath.mpf(low) + 1
    for q in range(1, top + 1, max(1, top // 200)):
        threshold = mpmath.power(span, (q - mpmath.mpf(1) / 2) / top) + mpmath.mpf(low) - 1
        x = np.float32(float(threshold))
        around = np.array([x, np.nextafter(x, np.float32(-9e9)), np.nextafter(x, np.float32(9e9))], np.float32)
        expected = [q if mpmath.mpf(float(a)) >= threshold else q - 1 for a in around]
        assert quantize(around, Quantizer.LOG, depth, (low, high)).tolist() == expected


@pytest.mark.parametrize(("depth", "dtype"), [(1, np.uint8), (8, np.uint8), (9, np.uint16), (16, np.uint16)])
def test_levels_of_more_than_8_bits_are_words(depth: int, dtype: type) -> None:
    assert level_dtype(depth) is dtype
    assert quantize(np.zeros((2, 3), np.float32), Quantizer.LOG, depth, (0.0, 1.0)).dtype == dtype


# --- elements ---


@pytest.mark.parametrize("dtype", ["<f2", ml_dtypes.bfloat16, "<f4", ">f4", "<f8", ">f8"])
def test_every_float_becomes_binary32(dtype: object) -> None:
    sample = np.array([0.5, -2.0, 100.0]).astype(np.dtype(dtype))  # type: ignore[call-overload]
    got = to_binary32(sample)
    assert got.dtype.newbyteorder("=") == np.float32
    assert got.tolist() == [0.5, -2.0, 100.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["<f2", ml_dtypes.bfloat16, "<f4", "<f8"])
def test_nan_and_infinity_are_refused_with_their_place(bad: float, dtype: object) -> None:
    sample = np.zeros((2, 3, 4), np.dtype(dtype))  # type: ignore[call-overload]
    sample[1, 2, 3] = bad
    with pytest.raises(FeatureError, match=r"\(1, 2, 3\)"):
        to_binary32(sample)


def test_a_float64_beyond_binary32_is_refused() -> None:
    with pytest.raises(FeatureError, match="beyond binary32"):
        to_binary32(np.array([1e39]))


def test_a_signalling_nan_is_refused_without_a_warning() -> None:
    sample = np.array([0x7FF0000000000001], np.uint64).view(np.float64)
    with pytest.raises(FeatureError, match="NaN"):
        to_binary32(sample)


def test_a_range_has_no_negative_zero() -> None:
    low, high = element_range(np.array([-0.0, -0.0], np.float32))
    assert not np.signbit([low, high]).any()


def direct(x: NDArray[np.float32], clip: float) -> tuple[float, float]:
    ordered = np.sort(x.reshape(-1))
    rank = round((x.size - 1) * clip / 100)
    return float(ordered[x.size - 1 - rank]) + 0.0, float(ordered[rank]) + 0.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=60), st.floats(50.01, 100))
def test_a_clipped_range_is_made_of_elements_at_the_percentile(values: list[float], clip: float) -> None:
    x = np.array(values, np.float32)
    low, high = element_range(x, clip)
    assert (low, high) == direct(x, clip)
    assert low <= high


def test_a_percentile_leaves_out_as_many_on_both_sides() -> None:
    x = np.arange(1001, dtype=np.float32)
    assert element_range(x, 99.9) == (1.0, 999.0)
    assert element_range(x, 100) == (0.0, 1000.0)


# --- tensors of other libraries ---


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64", "int8", "bool"])
def test_a_torch_tensor_is_an_array_of_the_same_numbers(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.tensor([[0, 1], [1, 1]]).to(getattr(torch, dtype)).requires_grad_("float" in dtype).T
    array = as_array(tensor)
    assert array.shape == (2, 2)
    assert array.astype(np.float64).tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize("thing", [object(), "text", [[1, 2], [3]], 1j, None, {"a": 1}])
def test_what_has_no_numbers_is_refused(thing: object) -> None:
    with pytest.raises(FeatureError):
        as_array(thing)
