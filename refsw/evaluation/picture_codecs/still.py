"""Informative: pictures as PNG, JPEG, JPEG 2000, WebP and AVIF, through Pillow."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsw.errors import CodecError, UsageError
from refsw.evaluation.picture_codecs.base import COLOUR_RANK, Option
from refsw.lazy import importing
from refsw.tensor.axes import Array

QUALITY = Option(75, 1, 100)
CHROMA = Option("420", words=("420", "422", "444"))
SUBSAMPLING = {"420": "4:2:0", "422": "4:2:2", "444": "4:4:4"}
DEEPEST = 6
"""Resolutions of JPEG 2000, as its reference encoder has them."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format of Pillow.

    Args:
        name: as Pillow has it.
        feature: what Pillow must have been built with.
        options: of the codec.
        arguments: options and shape of a picture -> arguments of Pillow.
        takes_grey: otherwise grey pictures are coded in colour.
    """

    name: str
    feature: str
    options: Mapping[str, Option]
    arguments: Callable[[Mapping[str, Any], tuple[int, ...]], dict[str, Any]]
    takes_grey: bool = True


class StillCodec:
    """One picture, one file.

    Raises:
        UsageError: Pillow was built without the format.
    """

    takes_frames = False

    def __init__(self, form: Format, options: Mapping[str, Any]) -> None:
        self._form, self._options = form, options
        if not _available(form.feature):
            raise UsageError(f"the Pillow that is installed has no {form.name}: pip install --upgrade pillow")

    def encode(self, frames: Array) -> bytes:
        """A picture as a file."""
        image_of = _pillow()
        picture = frames[0]
        if frames.ndim != COLOUR_RANK and not self._form.takes_grey:
            picture = np.repeat(picture[:, :, None], 3, axis=2)
        out = io.BytesIO()
        try:
            image_of.fromarray(picture).save(out, self._form.name, **self._form.arguments(self._options, picture.shape))
        except (OSError, ValueError) as error:
            raise CodecError(f"{self._form.name} cannot code a picture of {picture.shape}: {error}") from error
        return out.getvalue()

    def decode(self, data: bytes, shape: tuple[int, ...]) -> Array:
        """The picture of a file."""
        try:
            with _pillow().open(io.BytesIO(data), formats=(self._form.name,)) as image:
                decoded = np.asarray(image.convert("RGB" if len(shape) == COLOUR_RANK else "L"))
        except (OSError, ValueError, SyntaxError) as error:
            raise CodecError(f"{self._form.name}: the picture does not decode: {error}") from error
        if decoded.shape != shape[1:]:
            raise CodecError(f"{self._form.name}: a picture of {decoded.shape}, {shape[1:]} was coded")
        return decoded[None]


def _pillow() -> Any:
    with importing:
        # Without these, Pillow would import all that it has.
        from PIL import AvifImagePlugin, Image, Jpeg2KImagePlugin, WebPImagePlugin  # noqa: F401

        Image.preinit()
    return Image


def _available(feature: str) -> bool:
    with importing:
        from PIL import features
    return bool(features.check(feature))


def _jpeg(options: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    colour = {"subsampling": SUBSAMPLING[options["chroma"]]} if len(shape) == COLOUR_RANK - 1 else {}
    return {"quality": options["quality"], "optimize": True, **colour}


def _jpeg2000(options: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    """The irreversible transform, in a bare codestream; `psnr` in decibels takes the place of `rate` if it is given."""
    mode, layer = ("rates", options["rate"]) if options["psnr"] is None else ("dB", options["psnr"])
    return {
        "irreversible": True,
        "no_jp2": True,
        "mct": int(len(shape) == COLOUR_RANK - 1),
        "quality_mode": mode,
        "quality_layers": [layer],
        "num_resolutions": max(1, min(DEEPEST, min(shape[:2]).bit_length())),  # OpenJPEG refuses more than fit
    }


def _webp(options: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    return {"quality": options["quality"], "lossless": options["lossless"], "method": options["method"]}


def _avif(options: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    chroma = SUBSAMPLING[options["chroma"]] if len(shape) == COLOUR_RANK - 1 else "4:0:0"
    # One thread: the bytes depend on nothing else.
    return {"quality": options["quality"], "speed": options["speed"], "subsampling": chroma, "max_threads": 1}


FORMATS = {
    "png": Format("PNG", "zlib", {"level": Option(9, 0, 9)}, lambda o, _: {"compress_level": o["level"]}),
    "jpeg": Format("JPEG", "jpg", {"quality": QUALITY, "chroma": CHROMA}, _jpeg),
    "jpeg2000": Format(
        "JPEG2000", "jpg_2000", {"rate": Option(20, 1, 1e6, whole=False), "psnr": Option(None, 1, 100, whole=False)},
        _jpeg2000,
    ),
    "webp": Format(
        "WEBP", "webp",
        {"quality": QUALITY, "lossless": Option(False, words=(False, True)), "method": Option(4, 0, 6)},
        _webp, takes_grey=False,
    ),
    "avif": Format(
        "AVIF", "avif", {"quality": Option(60, 0, 100), "speed": Option(6, 0, 10), "chroma": CHROMA}, _avif
    ),
}  # fmt: skip
