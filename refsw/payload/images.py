"""8.3 Still-image codecs: PNG, JPEG and JPEG 2000, one image a picture."""

from __future__ import annotations

import io
import struct
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsw.errors import CodecError, ErrorClass, PayloadError
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat, guarded, no_configuration, payload_error
from refsw.syntax.codes import PayloadCodec
from refsw.tensor.axes import Array

LENGTH = struct.Struct(">I")
NAMES = {PayloadCodec.PNG: "PNG", PayloadCodec.JPEG: "JPEG", PayloadCodec.JPEG2000: "JPEG2000"}
BIT_DEPTHS = {
    PayloadCodec.PNG: range(1, 17),
    PayloadCodec.JPEG: (8,),
    PayloadCodec.JPEG2000: range(1, 17),
}


@dataclass(frozen=True, slots=True)
class ImageCodec:
    """One of the still-image codecs, through Pillow (libpng's format, libjpeg-turbo, OpenJPEG)."""

    payload_codec: PayloadCodec

    @property
    def bit_depths(self) -> Sequence[int]:
        """The bit depths of levels that the codec takes."""
        return BIT_DEPTHS[self.payload_codec]

    def encode(self, pictures: Array, picture_format: PictureFormat, settings: EncoderSettings) -> tuple[bytes, bytes]:
        """Every picture as a grey image of 8 bits (levels up to 8 bits) or 16, with its length before it."""
        out = []
        for picture in pictures:
            image = self._encode_one(picture, settings)
            out += [LENGTH.pack(len(image)), image]
        return b"", b"".join(out)

    def _encode_one(self, picture: Array, settings: EncoderSettings) -> bytes:
        from PIL import Image

        options: dict[str, Any] = {"compress_level": settings.compression_level}
        if self.payload_codec is PayloadCodec.JPEG:
            options = {"quality": settings.quality, "optimize": True}
        elif self.payload_codec is PayloadCodec.JPEG2000:
            options = {"irreversible": False, "no_jp2": True}
            if settings.rate > 1:
                options |= {"quality_mode": "rates", "quality_layers": [settings.rate]}
            # OpenJPEG refuses more resolutions than the picture can be halved
            options["num_resolutions"] = max(1, min(6, min(picture.shape).bit_length()))
        buffer = io.BytesIO()
        try:
            Image.fromarray(picture).save(buffer, NAMES[self.payload_codec], **options)
        except (OSError, ValueError) as error:
            raise CodecError(
                f"{NAMES[self.payload_codec]} cannot code a picture of {picture.shape}: {error}"
            ) from error
        return buffer.getvalue()

    def decode(
        self,
        configuration: bytes,
        payload: memoryview,
        count: int,
        picture_format: PictureFormat,
        settings: DecoderSettings,
    ) -> Array:
        """The inverse; an image's size and format are compared before its pixels are decoded."""
        for error in self.check(configuration, payload, count, picture_format):
            raise error
        images = [self._decode_one(data, picture_format) for _, data in _images(payload)]
        shape = (count, picture_format.height, picture_format.width)
        return np.stack(images).reshape(shape) if images else np.zeros(shape, picture_format.dtype)

    def _decode_one(self, data: memoryview, picture_format: PictureFormat) -> Array:
        from PIL import Image

        def pixels() -> Array:
            with _strict(), Image.open(io.BytesIO(data), formats=[NAMES[self.payload_codec]]) as image:
                return np.asarray(image)

        name = NAMES[self.payload_codec]
        decoded = guarded(
            "image.format", f"a {name} image", pixels, OSError, ValueError, SyntaxError, Warning, EOFError, KeyError
        )
        if decoded.dtype.kind == "i":  # Pillow opens some 16-bit images as 32-bit integers
            decoded = decoded.astype(np.uint16)
        if decoded.dtype != picture_format.dtype:
            raise payload_error("image.grey", "payload", f"grey samples of {picture_format.dtype}", str(decoded.dtype))
        return decoded

    def check(
        self, configuration: bytes, payload: memoryview, count: int, picture_format: PictureFormat
    ) -> list[PayloadError]:
        """8.3: no configuration; as many images as pictures, each of the coded size, grey, and nothing after."""
        errors = no_configuration("image.no-configuration", configuration)
        found = 0
        try:
            for place, data in _images(payload):
                found += 1
                errors += self._check_one(place, data, picture_format)
        except PayloadError as error:
            return [*errors, error]
        if found != count:
            errors.append(
                payload_error("image.count", "payload", f"{count} images", str(found), ErrorClass.LENGTH_MISMATCH)
            )
        return errors

    def _check_one(self, place: int, data: memoryview, picture_format: PictureFormat) -> list[PayloadError]:
        from PIL import Image

        name = NAMES[self.payload_codec]
        errors = []
        try:
            with _strict(), Image.open(io.BytesIO(data), formats=[name]) as image:
                size, bands = (image.height, image.width), image.getbands()
        except (OSError, ValueError, SyntaxError, Warning, EOFError, KeyError) as error:
            return [payload_error("image.format", "payload", f"a {name} image", str(error)[:200], offset=8 * place)]
        if size != (picture_format.height, picture_format.width):
            errors.append(
                payload_error(
                    "image.size",
                    "payload",
                    f"{picture_format.height} rows of {picture_format.width}",
                    f"{size[0]} rows of {size[1]}",
                    ErrorClass.LAYOUT_MISMATCH,
                    8 * place,
                )
            )
        requirement, expected, holds = CONTAINERS[self.payload_codec]
        if not holds(bytes(data)):
            errors.append(payload_error(requirement, "payload", expected, "another", offset=8 * place))
        depth_differs = self.payload_codec is PayloadCodec.PNG and data[24] != 8 * picture_format.dtype.itemsize
        if len(bands) != 1 or bands[0] == "P" or depth_differs:
            errors.append(
                payload_error(
                    "image.grey",
                    "payload",
                    f"a grey image of {8 * picture_format.dtype.itemsize} bits",
                    f"components {', '.join(bands)}" + (f" of {data[24]} bits" if depth_differs else ""),
                    ErrorClass.LAYOUT_MISMATCH,
                    8 * place,
                )
            )
        return errors


_SETTINGS = threading.Lock()


@contextmanager
def _strict() -> Iterator[None]:
    """Pillow's warnings are errors; its own bound on sizes gives way to that of the level (11.3)."""
    from PIL import Image

    # Both are settings of the whole process: two threads that restore them in turn would leave them changed.
    with _SETTINGS:
        bound, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                yield
        finally:
            Image.MAX_IMAGE_PIXELS = bound


def _is_png(data: bytes) -> bool:
    """8.3.2 Whether the datastream ends with its IEND chunk."""
    return data.endswith(b"\0\0\0\0IEND\xae\x42\x60\x82")


def _is_baseline(data: bytes) -> bool:
    """8.3.3 Whether SOI comes first, SOF0 of one component of 1x1 is the only frame header, and EOI comes last."""
    if not (data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9")):
        return False
    place, frames = 2, []
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        if data[place + 1] == 0xFF:  # a fill byte (T.81, B.1.1.2)
            place += 1
            continue
        marker, size = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frames.append((marker, data[place + 4 : place + 2 + size]))
        place += 2 + size
    return len(frames) == 1 and frames[0][0] == 0xC0 and len(frames[0][1]) == 9 and frames[0][1][7] == 0x11


def _is_reversible(data: bytes) -> bool:
    """8.3.4 Whether it is a bare codestream of Part 1 with the 5-3 transform (T.800, A.5.1 and A.6.1)."""
    cod = data.find(b"\xff\x52")
    if not (data.startswith(b"\xff\x4f\xff\x51") and data.endswith(b"\xff\xd9") and 40 < cod < len(data) - 13):
        return False
    part_1 = data[6] & 0xC0 == 0 and data[cod + 12] & 0x40 == 0
    return part_1 and data[cod + 13] == 1 and data[42] < 0x80 and data[43:45] == b"\x01\x01"


CONTAINERS: dict[PayloadCodec, tuple[str, str, Callable[[bytes], bool]]] = {
    PayloadCodec.PNG: ("image.png", "a datastream that ends with IEND", _is_png),
    PayloadCodec.JPEG: ("image.jpeg", "a baseline image of one component, from SOI to EOI", _is_baseline),
    PayloadCodec.JPEG2000: ("image.jpeg2000", "a codestream with the reversible transform, to EOC", _is_reversible),
}


def _images(payload: memoryview) -> Iterator[tuple[int, memoryview]]:
    """8.3.1 The images of a payload, each after its length as u(32), with their byte positions."""
    place = 0
    while place < len(payload):
        left = len(payload) - place - LENGTH.size
        size = LENGTH.unpack_from(payload, place)[0] if left >= 0 else 0
        if left < 0 or size > left:
            raise payload_error(
                "image.length", "payload", f"{size} bytes of an image", f"{left}", ErrorClass.TRUNCATED, 8 * place
            )
        place += LENGTH.size
        yield place, payload[place : place + size]
        place += size
