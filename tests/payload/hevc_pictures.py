"""Pictures, and what the HEVC codec makes of them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from refsw.errors import PayloadError
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat
from refsw.payload.hevc import HevcCodec
from refsw.tensor.axes import Array

DEC265 = "libde265-dec265 -q {input} -o {output}"


X265 = (
    "x265 --input {input} --input-res {width}x{height} --input-depth {bit_depth} --output-depth {bit_depth} --fps 25 "
    "--input-csp i400 --preset ultrafast --keyint 1 --ipratio 1 --ctu 16 --qp {qp} --frames {frames} -o {output}"
)


needs_dec265 = pytest.mark.skipif(not shutil.which("libde265-dec265"), reason="libde265-dec265 is not installed")


needs_x265 = pytest.mark.skipif(not shutil.which("x265"), reason="x265 is not installed")


HEVC = HevcCodec()


FAST = EncoderSettings(effort="fast")


def form(height: int = 32, width: int = 48, depth: int = 8, *, intra: bool = True) -> PictureFormat:
    return PictureFormat(height, width, depth, np.dtype(np.uint8 if depth == 8 else np.uint16), intra)


def pictures(picture_format: PictureFormat, count: int = 2) -> Array:
    f = picture_format
    y, x = np.mgrid[: f.height, : f.width]
    rng = np.random.default_rng(f.bit_depth)
    waves = [(np.sin(x / 5 + i) + np.cos(y / 7) + 2) / 4 for i in range(count)]
    noisy = np.stack(waves) + rng.normal(0, 0.02, (count, f.height, f.width))
    return np.clip(np.rint(noisy * ((1 << f.bit_depth) - 1)), 0, (1 << f.bit_depth) - 1).astype(f.dtype)


@pytest.fixture(name="intra", scope="module")
def intra_pictures() -> tuple[bytes, bytes]:
    return HEVC.encode(pictures(form()), form(), FAST)


@pytest.fixture(name="inter", scope="module")
def inter_pictures() -> tuple[bytes, bytes]:
    f = form(48, 64, intra=False)
    return HEVC.encode(pictures(f, 4), f, FAST)


def decode(
    coded: tuple[bytes, bytes], count: int = 2, f: PictureFormat | None = None, command: str | None = None
) -> Array:
    return HEVC.decode(coded[0], memoryview(coded[1]), count, f or form(), DecoderSettings(command))


def rejected(coded: tuple[bytes, bytes], count: int = 2, f: PictureFormat | None = None) -> PayloadError:
    """The error of the decoder, which is the first that the check finds, where that finds one."""
    found = HEVC.check(*coded, count, f or form())  # type: ignore[arg-type]
    with pytest.raises(PayloadError) as caught:
        decode(coded, count, f)
    if found:
        assert caught.value.requirement in {error.requirement for error in found}
    return caught.value


def run_encoder(command: str) -> tuple[bytes, bytes]:
    return HEVC.encode(pictures(form()), form(), EncoderSettings(command=command))
