"""What is encoded decodes to the same shape, order of axes and dtype, with the error that the levels allow."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import refsw

FLOATS = [np.float32, np.float16, np.float64, ml_dtypes.bfloat16]
INTEGERS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64, np.bool_]
AXES = ["C", "H", "W", "NC", "HW", "CH", "TW", "CHW", "HWC", "NHC", "NWH", "NCHW", "NHWC", "TCHW", "NWCH"]
COARSE = pytest.mark.filterwarnings("ignore::refsw.errors.CoarseStepWarning")
LOSSLESS = ["stored", "zlib", "gzip", "lzma", "png", "jpeg2000"]

shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=9)
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def bits(array: np.ndarray[Any, Any]) -> bytes:
    return np.ascontiguousarray(array).tobytes()


@COARSE
@settings(max_examples=120, deadline=None)
@given(hnp.arrays(np.float32, shapes, elements=finite), st.sampled_from(["uniform", "log"]), st.integers(1, 16),
       st.sampled_from(["sample", "sequence", "channel"]), st.sampled_from(["sequence", "mosaic", "quilt"]),
       st.sampled_from(["stored", "zlib", "png"]))  # fmt: skip
def test_any_finite_tensor_survives(x, quantizer, bit_depth, scope, layout, payload) -> None:  # type: ignore[no-untyped-def]
    data = refsw.encode(
        x, quantizer=quantizer, bit_depth=bit_depth, range_scope=scope, layout=layout, payload=payload, digest="stream"
    )
    y = refsw.decode(data)
    assert isinstance(y, np.ndarray)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert np.isfinite(y).all()
    if scope == "sequence":  # ranges of samples and channels are only narrower
        assert y.min() >= x.min()
        assert y.max() <= x.max()
    assert refsw.validate(data).conforming


@COARSE
@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float32, shapes, elements=finite), st.sampled_from(["uniform", "log"]), st.sampled_from([8, 10]))
def test_decoded_values_encode_to_themselves(x, quantizer, bit_depth) -> None:  # type: ignore[no-untyped-def]
    # encode -> decode reaches a fixed point: the values of levels are their own nearest levels.
    choices = {"quantizer": quantizer, "bit_depth": bit_depth, "payload": "stored"}
    limits = ((float(x.min()), float(x.max())),)
    once = refsw.decode(refsw.encode(x, ranges=limits, **choices))
    twice = refsw.decode(refsw.encode(once, ranges=limits, **choices))
    assert bits(twice) == bits(once)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
@pytest.mark.parametrize("payload", ["stored", "zlib", "gzip", "lzma"])
def test_without_a_quantizer_every_bit_survives(dtype: Any, payload: str, features: Any) -> None:
    x = (features(2, 4, 5, 6) * 40 - 20).astype(dtype)
    y = refsw.decode(refsw.encode(x, quantizer="none", payload=payload, layout="quilt", digest="stream"))
    assert isinstance(y, np.ndarray)
    assert y.dtype == x.dtype
    assert bits(y) == bits(x)


def test_without_a_quantizer_nan_infinity_and_negative_zero_survive() -> None:
    x = np.array([[np.nan, np.inf, -np.inf, -0.0, 1e-45, 0.0]], np.float32)
    assert bits(refsw.decode(refsw.encode(x, quantizer="none", payload="zlib"))) == bits(x)


@pytest.mark.parametrize("axes", AXES)
def test_order_of_axes_survives(axes: str, features: Any) -> None:
    shape = tuple({"N": 3, "T": 2, "C": 4, "H": 5, "W": 6}[a] for a in axes)
    x = features(*shape)
    y = refsw.decode(refsw.encode(x, axes=axes, quantizer="none", payload="zlib"))
    assert isinstance(y, np.ndarray)
    assert y.shape == shape
    assert bits(y) == bits(x)


def test_nhwc_codes_the_same_pictures_as_nchw(features: Any) -> None:
    x = features(2, 4, 18, 20)
    y = refsw.decode(refsw.encode(x, qp=30))
    z = refsw.decode(refsw.encode(x.transpose(0, 2, 3, 1), axes="NHWC", qp=30))
    assert isinstance(z, np.ndarray)
    assert np.array_equal(z.transpose(0, 3, 1, 2), y)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("preset", ["anchor", "balanced", "best", "fast"])
def test_presets_keep_the_dtype_and_a_small_error(dtype: Any, preset: str, features: Any) -> None:
    x = features(2, 8, 14, 14).astype(dtype)
    y = refsw.decode(refsw.encode(x, preset, qp=12))
    assert isinstance(y, np.ndarray)
    assert y.dtype == x.dtype
    error = np.abs(y.astype(float) - x.astype(float)).mean() / x.astype(float).std()
    assert error < 0.03


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 1, 7), (2, 1, 17, 1), (1, 5, 3, 3), (1, 2, 65, 33)])
def test_hevc_takes_any_size(shape: tuple[int, ...], features: Any) -> None:
    x = features(*shape) + np.arange(shape[-1], dtype=np.float32)
    y = refsw.decode(refsw.encode(x, qp=4))
    assert isinstance(y, np.ndarray)
    assert y.shape == shape
    assert np.abs(x - y).max() <= max(1e-6, 0.05 * np.ptp(x))


@pytest.mark.parametrize("value", [0.0, -0.0, 3.5, -1e-45, 3.4e38, -3.4e38, 1 / 3])
@pytest.mark.parametrize("quantizer", ["uniform", "log"])
@pytest.mark.parametrize("scope", ["sample", "sequence", "channel"])
def test_a_constant_tensor_decodes_to_itself(value: float, quantizer: str, scope: str) -> None:
    x = np.full((2, 3, 4, 5), value, np.float32)
    data = refsw.encode(x, quantizer=quantizer, range_scope=scope)
    assert bits(refsw.decode(data)) == bits(x + np.float32(0))  # negative zero becomes positive
    assert refsw.inspect(data).tensors[0].payload_bytes == 0


@pytest.mark.parametrize(
    ("low", "high"), [(-3.4e38, 3.4e38), (0, 1e-45), (-1e-45, 1e-45), (1e30, 1.0001e30), (-7, -6.9)]
)
@pytest.mark.parametrize("quantizer", ["uniform", "log"])
def test_extreme_ranges_keep_their_ends(low: float, high: float, quantizer: str) -> None:
    x = np.linspace(low, high, 400).astype(np.float32).reshape(1, 1, 20, 20)
    y = refsw.decode(refsw.encode(x, quantizer=quantizer, bit_depth=12, payload="png"))
    assert isinstance(y, np.ndarray)
    assert (y.min(), y.max()) == (x.min(), x.max())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", FLOATS)
def test_what_is_not_finite_is_refused_with_its_place(value: float, dtype: Any) -> None:
    x = np.zeros((2, 3, 4, 5), dtype)
    x[1, 2, 3, 4] = value
    with pytest.raises(refsw.FeatureError, match=r"sample 1.*\(2, 3, 4\)"):
        refsw.encode(x)


def test_float64_beyond_binary32_is_refused() -> None:
    with pytest.raises(refsw.FeatureError, match="binary32"):
        refsw.encode(np.array([[[[1e39, 0.0]]]]))


def test_negative_elements_are_refused_by_the_nonnegative_quantizer() -> None:
    with pytest.raises(refsw.FeatureError, match="negative"):
        refsw.encode(np.array([[[[-1.0, 2.0]]]], np.float32), quantizer="log-nonnegative")


def test_no_samples_decode_to_no_samples() -> None:
    x = np.zeros((0, 3, 4, 5), np.float32)
    y = refsw.decode(refsw.encode(x))
    assert isinstance(y, np.ndarray)
    assert y.shape == x.shape


@pytest.mark.parametrize("order", ["mean", "similarity", (2, 0, 3, 1)])
@pytest.mark.parametrize("scope", ["sample", "channel"])
def test_channel_order_is_undone(order: Any, scope: str, features: Any) -> None:
    x = features(2, 4, 6, 7)
    x[:, 3] = 1.25
    y = refsw.decode(refsw.encode(x, channel_order=order, range_scope=scope, payload="zlib", bit_depth=16))
    assert isinstance(y, np.ndarray)
    assert np.abs(x - y).max() < 1e-3 * x.max()


def test_clipping_takes_the_percentile(features: Any) -> None:
    x = features(1, 4, 20, 20)
    y = refsw.decode(refsw.encode(x, clip=99, payload="zlib", bit_depth=16, quantizer="uniform"))
    assert isinstance(y, np.ndarray)
    assert y.max() == np.sort(x.ravel())[round((x.size - 1) * 0.99)]


def test_torch_tensors_are_taken_as_they_are() -> None:
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        x = torch.arange(48).reshape(1, 3, 4, 4).to(dtype).requires_grad_()
        y = refsw.decode(refsw.encode(x, quantizer="none", payload="zlib"))
        assert isinstance(y, np.ndarray)
        assert np.array_equal(y.astype(np.float32), x.detach().float().numpy())
