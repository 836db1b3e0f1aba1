"""8.3 Still-image codecs: PNG, JPEG and JPEG 2000, one image a picture."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsw.errors import CodecError, ErrorClass, PayloadError
from refsw.lazy import importing
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat, guarded, no_configuration, payload_error
from refsw.payload.codestreams import Demand, demand
from refsw.payload.image_headers import HEADERS, ImageHeader, png_is_intact, png_rows_are_exact
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
        overshoots = (
            self.payload_codec is PayloadCodec.JPEG2000
            and settings.rate > 1
            and picture_format.bit_depth < 8 * picture_format.dtype.itemsize
        )
        for picture in pictures:
            image = self._encode_one(picture, settings)
            if overshoots and self._decode_one(image, picture_format).max() >> picture_format.bit_depth:
                raise CodecError(
                    f"JPEG 2000 at a rate of {settings.rate:g} gives levels beyond {picture_format.bit_depth} bits "
                    "[requirement payload.level-range]: take levels of 8 or 16 bits, or a lower rate"
                )
            out += [LENGTH.pack(len(image)), image]
        return b"", b"".join(out)

    def _encode_one(self, picture: Array, settings: EncoderSettings) -> bytes:
        with importing:
            from PIL import Image, Jpeg2KImagePlugin  # noqa: F401 - without it, Pillow would import all that it has

            Image.preinit()
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
        images = [self._decode_one(bytes(data), picture_format) for _, data in _images(payload)]
        shape = (count, picture_format.height, picture_format.width)
        return np.stack(images).reshape(shape) if images else np.zeros(shape, picture_format.dtype)

    def _decode_one(self, data: bytes, picture_format: PictureFormat) -> Array:
        header = HEADERS[self.payload_codec](data)
        assert header is not None  # as checked

        def pixels() -> Array:
            with _opened(self.payload_codec, io.BytesIO(header.body)) as image:
                return np.asarray(image)

        name = NAMES[self.payload_codec]
        if self.payload_codec is PayloadCodec.PNG:
            _check_rows(header)
        decoded = guarded(
            "image.format", f"a {name} image", pixels, OSError, ValueError, SyntaxError, EOFError, KeyError
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
        header = HEADERS[self.payload_codec](bytes(data))
        if header is None:
            expected = f"a {NAMES[self.payload_codec]} image"
            return [payload_error("image.format", "payload", expected, "another beginning", offset=8 * place)]
        errors = []
        if (header.height, header.width) != (picture_format.height, picture_format.width):
            errors.append(
                payload_error(
                    "image.size",
                    "payload",
                    f"{picture_format.height} rows of {picture_format.width}",
                    f"{header.height} rows of {header.width}",
                    ErrorClass.LAYOUT_MISMATCH,
                    8 * place,
                )
            )
        if not header.conforms:
            requirement, expected = FORMS[self.payload_codec]
            errors.append(payload_error(requirement, "payload", expected, "another", offset=8 * place))
        depth = 8 * picture_format.dtype.itemsize
        if (header.kind, header.depth) != ("grey", depth):
            errors.append(
                payload_error(
                    "image.grey",
                    "payload",
                    f"a grey image of {depth} bits",
                    f"{header.kind} of {header.depth} bits",
                    ErrorClass.LAYOUT_MISMATCH,
                    8 * place,
                )
            )
        return errors


def _check_rows(header: ImageHeader) -> None:
    """8.3.2 The data of a PNG image, which Pillow reads no further than it needs to."""
    try:
        exact = png_rows_are_exact(header)
    except zlib.error as error:
        raise payload_error("image.format", "payload", "a PNG image", str(error)) from error
    if not png_is_intact(header):
        raise payload_error("image.format", "payload", "right CRCs of all critical chunks", "a wrong one")
    if not exact:
        expected = "one zlib stream of the image's rows in the IDAT chunks, and nothing after it"
        raise payload_error("image.png-data", "payload", expected, "another", ErrorClass.LENGTH_MISMATCH)


def _opened(payload_codec: PayloadCodec, file: io.BytesIO) -> Any:
    """An image as Pillow's class for its format opens it; `Image.open` would ask settings of the whole process."""
    with importing:
        from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
        from PIL.JpegImagePlugin import JpegImageFile
        from PIL.PngImagePlugin import PngImageFile

    if payload_codec is PayloadCodec.PNG:
        return PngImageFile(file)
    return JpegImageFile(file) if payload_codec is PayloadCodec.JPEG else Jpeg2KImageFile(file)


FORMS = {
    PayloadCodec.PNG: ("image.png", "a datastream of the chunks IHDR, IDAT and IEND, and ancillary ones"),
    PayloadCodec.JPEG: ("image.jpeg", "a baseline image of one component and scan with its tables, from SOI to EOI"),
    PayloadCodec.JPEG2000: ("image.jpeg2000", "a codestream with the reversible transform, to EOC"),
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


def demands(payload: bytes | memoryview) -> list[Demand]:
    """What the JPEG 2000 images of a payload ask for; those before a length that is wrong."""
    found = []
    with suppress(PayloadError):  # of which checking tells
        for _, data in _images(memoryview(payload)):
            found.append(demand(bytes(data)))
    return found
