"""Pictures, and payloads of images of them."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refsw.errors import PayloadError
from refsw.payload.base import DecoderSettings, PictureFormat
from refsw.payload.registry import codec
from refsw.syntax.codes import PayloadCodec
from refsw.tensor.axes import Array

PNG, JPEG, J2K = PayloadCodec.PNG, PayloadCodec.JPEG, PayloadCodec.JPEG2000


CODECS = (PNG, JPEG, J2K)


J2K_OPTIONS: dict[str, Any] = {"no_jp2": True, "irreversible": False, "num_resolutions": 3}


SIZE = 16


def form(height: int = SIZE, width: int = SIZE, depth: int = 8) -> PictureFormat:
    return PictureFormat(height, width, depth, np.dtype(np.uint8 if depth <= 8 else np.uint16))


def smooth(height: int = SIZE, width: int = SIZE, depth: int = 8) -> Array:
    y, x = np.mgrid[:height, :width]
    levels = (np.sin(x / 4) + np.cos(y / 3) + 2) / 4 * ((1 << depth) - 1)
    return np.rint(levels).astype(form(depth=depth).dtype)


def saved(picture: Array | Image.Image, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, name, **options)
    return buffer.getvalue()


def payload_of(*images: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(image)) + image for image in images)


def image_of(kind: PayloadCodec) -> bytes:
    return saved(smooth(), kind.name, **(J2K_OPTIONS if kind is J2K else {}))


def decode(kind: PayloadCodec, payload: bytes, count: int = 1, picture_format: PictureFormat | None = None) -> Array:
    return codec(kind).decode(b"", memoryview(payload), count, picture_format or form(), DecoderSettings())


def rejected(
    kind: PayloadCodec, payload: bytes, count: int = 1, picture_format: PictureFormat | None = None
) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        decode(kind, payload, count, picture_format)
    assert caught.value.phase == "payload"
    return caught.value
