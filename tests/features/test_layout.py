"""Shapes that some level allows are coded, with the narrowest such level; others are refused by the limit's name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import refsw
from refsw.errors import UsageError
from refsw.features.encoder import Encoder
from refsw.features.tensors import TensorSpec
from refsw.payload import x265
from refsw.payload.base import PictureFormat
from refsw.syntax.codes import Level


def ramp(*shape: int) -> np.ndarray:
    return (np.arange(np.prod(shape)) % 1000).astype(np.float32).reshape(shape)


# Shape (C, H, W), the level that its picture or its elements need.
SHAPES = [
    ((1, 4096, 16), Level.L1), ((1, 5000, 64), Level.L2), ((1, 64, 5000), Level.L2), ((1, 5000, 1), Level.L2),
    ((1, 1, 8192), Level.L2), ((1, 3, 16000), Level.L3), ((5000, 1, 1), Level.L1), ((3, 8000, 2), Level.L2),
    ((1, 10000, 8), Level.L3), ((300, 1, 4000), Level.L2),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "level"), SHAPES)
@pytest.mark.parametrize("choices", [{"effort": "fast", "qp": 40}, {"payload": "zlib", "quantizer": "none"},
                                     {"payload": "png", "bit_depth": 8, "match_step": False}])  # fmt: skip
def test_the_narrowest_level_that_takes_a_shape_is_found(
    shape: tuple[int, ...], level: Level, choices: dict[str, object]
) -> None:
    data = refsw.encode(ramp(*shape), **choices)
    report = refsw.validate(data)
    assert (report.violations, report.level) == ([], level)
    assert refsw.decode(data).shape == shape


def test_a_picture_per_channel_takes_a_level_with_as_many_pictures() -> None:
    x = ramp(1, 4097, 1, 1)
    data = refsw.encode(x, layout="sequence", payload="zlib", quantizer="uniform")
    assert (refsw.validate(data).violations, refsw.validate(data).level) == ([], Level.L2)
    data = refsw.encode(np.concatenate([x[:, :2048]] * 3), layout="sequence", payload="zlib", samples_per_unit=3)
    assert (refsw.validate(data).violations, refsw.validate(data).level) == ([], Level.L2)


def test_units_that_may_not_compress_take_a_level_with_room_for_them() -> None:
    x = np.random.default_rng(0).integers(0, 2**63, (4, 1 << 20), dtype=np.int64)
    data = refsw.encode(x, quantizer="none", payload="stored", samples_per_unit=4)
    assert refsw.validate(data).level is Level.L2


@pytest.mark.parametrize(
    ("shape", "choices", "requirement"),
    [
        ((1, 1, 20000), {}, "level.picture-side"),
        ((1, 20000, 1), {"payload": "zlib"}, "level.picture-side"),
        ((1, 5000, 64), {"level": "l1"}, "level.picture-side"),
        ((5000, 1, 1), {"level": "l1", "layout": "sequence"}, "level.unit-pictures"),
        ((2, 1024, 1024), {"level": "l1"}, "level.sample-elements"),
        ((70000, 1, 1), {"layout": "sequence"}, "level.unit-pictures"),
    ],
)
def test_what_no_level_takes_is_refused_by_the_limit(
    shape: tuple[int, ...], choices: dict[str, object], requirement: str
) -> None:
    with pytest.raises(
        UsageError, match=f"tensor0: a sample of {'x'.join(map(str, shape))}.*requirement {requirement}"
    ):
        refsw.encode(np.broadcast_to(np.float32(1), shape), **choices)


def test_too_many_tensors_are_refused_before_any_is_coded(tmp_path: Path) -> None:
    specs = {str(i): TensorSpec((1, 1, 4, 4), np.float32) for i in range(65)}
    with (tmp_path / "x").open("wb") as file, pytest.raises(UsageError, match=r"65 tensors.*level\.parameter-sets"):
        Encoder(file, specs)


def test_tensors_share_the_level_of_the_one_that_needs_most() -> None:
    data = refsw.encode({"a": ramp(1, 4, 4), "b": ramp(1, 5000, 4)}, payload="zlib", quantizer="none")
    assert (refsw.validate(data).violations, refsw.validate(data).level) == ([], Level.L2)


@pytest.mark.parametrize("intra", [True, False])
@pytest.mark.parametrize("size", [(x265.LONG_SIDE, 16), (16, x265.LONG_SIDE), (x265.LONG_SIDE + 8, 40), (40, 16384)])
def test_long_pictures_are_as_wide_as_x265_wants_them(size: tuple[int, int], intra: bool) -> None:
    f = PictureFormat(*size, 8, np.dtype(np.uint8), intra)
    assert x265.parameter_sets(f, x265.EncoderSettings(effort="fast"))
