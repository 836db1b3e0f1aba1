"""Whatever is encoded validates and decodes within what its levels allow, at every end of the number formats."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import refsw
from refsw.errors import CodecError, FeatureError, RefswError
from refsw.features.config import QUANTIZERS
from refsw.tensor.axes import Array
from refsw.tensor.dequantize import reconstruction_table

pytestmark = pytest.mark.filterwarnings("ignore::refsw.errors.CoarseStepWarning")
FLOATS = [np.float32, np.float16, ml_dtypes.bfloat16, np.float64]
INTEGERS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64, np.bool_]
CONSTANTS = [0.0, -0.0, 2.0**-149, -(2.0**-149), 1e-38, 1.0, 65504.0, 2.0**53, -(2.0**53) - 2, 2.0**60, 3e38, -3.4e38]


@pytest.mark.parametrize("low", [2.0**53, -(2.0**53), 2.0**60, -(2.0**100), 3e38, 2.0**24])
@pytest.mark.parametrize("preset", ["balanced", "anchor"])
def test_a_sample_wholly_at_the_minimum_of_all_is_coded(low: float, preset: str) -> None:
    x = np.full((2, 2, 16, 16), low, np.float32)
    x[1] = np.nextafter(x[1] + np.abs(x[1]) * 2.0**-10, np.float32(np.inf))
    data = refsw.encode(x, preset, range_scope="sequence")
    assert refsw.validate(data).violations == []
    decoded = refsw.decode(data)
    assert np.abs(decoded - x).max() <= np.ptp(x.astype(np.float64)) * 1.01


def values(rng: np.random.Generator, kind: int, shape: tuple[int, ...]) -> Array:
    """Numbers (binary64) of one kind of extreme."""
    x = rng.normal(size=shape)
    kinds = [
        x, np.abs(x), x * 1e-40, x * 1e37, rng.integers(-3, 3, shape) * 2.0**-149,
        np.where(x > 0, 3.4028234e38, -3.4028234e38), np.where(x > 0, -0.0, 0.0),
        x + 2.0 ** rng.integers(20, 100), x - 2.0 ** rng.integers(20, 100), np.exp(20 * x), x * 1e300,
        np.where(rng.random(shape) < 0.1, rng.choice([np.nan, np.inf, -np.inf]), x),
        np.where(rng.random(shape) < 0.05, 1e30, 0.0), np.full(shape, rng.choice(CONSTANTS)),
    ]  # fmt: skip
    made: Array = kinds[kind % len(kinds)]
    if kind % 5 == 0 and len(shape) > 1:
        made[0] = made.min()
    return made


def of_type(rng: np.random.Generator, kind: int, shape: tuple[int, ...], dtype: Any) -> Array:
    if np.dtype(dtype) == np.bool_:
        return rng.integers(0, 2, shape).astype(bool)
    if np.dtype(dtype).kind in "ui":
        limits = np.iinfo(dtype)
        some = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
        return np.full(shape, (limits.min, limits.max)[kind % 2], dtype) if kind % 4 == 0 else some
    with np.errstate(all="ignore"):
        return values(rng, kind, shape).astype(dtype)


def choices(rng: np.random.Generator, quantizer: str) -> dict[str, Any]:
    payloads = ["zlib", "gzip", "lzma", "stored"]
    payload = rng.choice(payloads if quantizer == "none" else ["png", "jpeg2000", "jpeg", "hevc", *payloads])
    depth = {"hevc": rng.choice([8, 10, 12]), "jpeg": 8}.get(payload, rng.integers(1, 17))
    made: dict[str, Any] = {
        "quantizer": quantizer, "payload": str(payload), "bit_depth": int(depth), "effort": "fast",
        "match_step": bool(rng.integers(2)), "qp": int(rng.integers(50)),
        "layout": str(rng.choice(["sequence", "mosaic", "quilt"])),
        "range_scope": str(rng.choice(["sample", "sequence", "channel"])),
        "samples_per_unit": int(rng.integers(1, 4)), "digest": str(rng.choice(["none", "stream", "sample"])),
    }  # fmt: skip
    extra: list[dict[str, Any]] = [
        {}, {"clip": 75.0}, {"align": int(rng.integers(1, 33))}, {"channel_order": "mean"}, {"rate": 8.0},
        {"levels_digest": True}, {"compression_level": 0}, {"quality": 1},
    ]  # fmt: skip
    made |= extra[rng.integers(len(extra))]
    if made["range_scope"] != "channel" and rng.random() < 0.1:
        made["ranges"] = ((-1.0, 2.0**60),)
    return made


@pytest.mark.parametrize("seed", range(8))
def test_what_is_encoded_is_accepted_and_decodes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coded = 0
    for kind in range(70):
        shape = tuple(int(n) for n in rng.integers(1, 9, rng.integers(2, 5)))
        quantizer = str(rng.choice(["log", "uniform", "log-nonnegative", "none"]))
        dtype = FLOATS[rng.integers(4)] if quantizer != "none" else [*FLOATS, *INTEGERS][rng.integers(13)]
        x, made = of_type(rng, kind, shape, dtype), choices(rng, quantizer)
        try:
            data = refsw.encode(x, **made)
        except RefswError as error:
            assert isinstance(error, FeatureError | CodecError), f"{error}: {shape} {dtype} {made}"
            continue
        coded += 1
        assert refsw.validate(data).violations == [], f"{shape} {dtype} {made}"
        decoded = refsw.decode(data)
        assert (decoded.shape, decoded.dtype) == (x.shape, x.dtype)
        if quantizer == "none":
            assert decoded.tobytes() == x.tobytes()
        elif (
            made["payload"] in ("zlib", "stored", "png")
            and (made["range_scope"], x.dtype) == ("sequence", np.float32)
            and not made.keys() & {"clip", "ranges"}
        ):
            nearest(x, decoded, quantizer, made["bit_depth"])
    assert coded > 35


def nearest(x: Array, decoded: Array, quantizer: str, bit_depth: int) -> None:
    """Every element decodes to itself or to one of the points around it."""
    low = 0.0 if quantizer == "log-nonnegative" else float(x.min()) + 0.0
    table = reconstruction_table(QUANTIZERS[quantizer], bit_depth, low, float(x.max()) + 0.0)
    place = np.searchsorted(table, x)
    around = [table[np.clip(place + step, 0, len(table) - 1)] for step in (-1, 0, 1)]
    assert np.any([decoded == point for point in around], axis=0).all()


def test_bool_bytes_that_are_neither_0_nor_1_are_refused_with_the_remedy() -> None:
    x = np.array([[0, 1], [2, 255]], np.uint8).view(np.bool_)
    for payload in ("zlib", "stored"):
        with pytest.raises(FeatureError, match=r"sample 1.*bytes\.bool.*!= 0"):
            refsw.encode(x, quantizer="none", payload=payload)
    assert refsw.validate(refsw.encode(x.view(np.uint8) != 0, quantizer="none", payload="zlib")).violations == []


def test_jpeg_2000_that_overshoots_its_levels_is_refused_with_the_remedy() -> None:
    x = np.random.default_rng(1).choice([0.0, 1.0], (1, 1, 64, 64)).astype(np.float32)
    with pytest.raises(CodecError, match=r"payload\.level-range.*lower rate"):
        refsw.encode(x, quantizer="uniform", match_step=False, payload="jpeg2000", bit_depth=7, rate=8)
    for bit_depth, rate in ((8, 8), (16, 8), (7, 1)):
        data = refsw.encode(
            x, quantizer="uniform", match_step=False, payload="jpeg2000", bit_depth=bit_depth, rate=rate
        )
        assert refsw.validate(data).violations == []
