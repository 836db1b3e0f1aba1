"""8.4.6 Video decoded by FFmpeg, by way of PyAV: one picture a packet, on one thread, and refusing whatever is odd."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from refsw.errors import ErrorClass, PayloadError
from refsw.lazy import importing
from refsw.payload.base import PictureFormat, payload_error
from refsw.tensor.axes import Array

PIXEL_FORMATS = {8: "gray", 10: "gray10le", 12: "gray12le"}


@cache
def has_decoder(name: str) -> bool:
    """Whether this build of FFmpeg has a decoder of that name."""
    with importing:
        import av

    try:
        av.codec.Codec(name, "r")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def decode_packets(decoder: str, packets: list[bytes], count: int, picture_format: PictureFormat) -> Array:
    """Decode one picture a packet with one of FFmpeg's decoders, on one thread, refusing whatever is odd.

    FFmpeg turns damaged data into wrong pixels without a word. So errors are made fatal, and number, size,
    format and picture type of what comes out are compared with what the bitstream promises.
    """
    with importing:
        import av

    context: Any = av.CodecContext.create(decoder, "r")
    context.thread_count = 1  # frame threads make small pictures three times slower
    context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
    pixel_format = PIXEL_FORMATS[picture_format.bit_depth]
    pictures = np.empty((count, picture_format.height, picture_format.width), picture_format.dtype)
    found = 0
    try:
        for packet in [*packets, None]:
            for frame in context.decode(None if packet is None else av.Packet(packet)):
                if found < count:
                    _check_frame(frame, pixel_format, picture_format, found)
                    pictures[found] = _plane(frame, picture_format)
                found += 1
    except (av.error.FFmpegError, ValueError, OSError, MemoryError) as error:
        reason = f"{type(error).__name__} at picture {found}"
        raise payload_error("hevc.decodes", "payload", "an HEVC stream that decodes", reason) from error
    if found != count:
        raise payload_error(
            "hevc.picture-count", "payload", f"{count} pictures", str(found), ErrorClass.LENGTH_MISMATCH
        )
    return pictures


def packets_of(decoder: str, stream: bytes) -> list[bytes]:
    """A byte stream cut into one packet a picture by FFmpeg's parser for that codec."""
    with importing:
        import av

    context = av.CodecContext.create(decoder, "r")
    try:
        return [bytes(packet) for packet in [*context.parse(stream), *context.parse(b"")] if packet.size]
    except av.error.FFmpegError as error:
        reason = type(error).__name__
        raise payload_error("hevc.decodes", "payload", "a video stream", reason) from error


def _check_frame(frame: Any, pixel_format: str, picture_format: PictureFormat, index: int) -> None:
    got = (frame.format.name, frame.height, frame.width)
    expected = (pixel_format, picture_format.height, picture_format.width)
    if got != expected:
        raise payload_error(
            "hevc.picture-size", "payload", f"{expected}", f"{got} in picture {index}", ErrorClass.LAYOUT_MISMATCH
        )
    if frame.is_corrupt:
        raise payload_error("hevc.decodes", "payload", "a whole picture", f"picture {index} is damaged")
    if picture_format.intra_only and int(frame.pict_type) != 1:
        raise inter_error(None, str(frame.pict_type))


def _plane(frame: Any, picture_format: PictureFormat) -> Array:
    plane = frame.planes[0]
    item = picture_format.dtype.itemsize
    lines = np.frombuffer(plane, picture_format.dtype).reshape(plane.height, plane.line_size // item)
    return lines[:, : picture_format.width]


def inter_error(offset: int | None, kind: str) -> PayloadError:
    """[hevc.intra-only] A slice of another kind than I where the profile forbids it."""
    return payload_error(
        "hevc.intra-only", "payload", "I slices only in this profile", f"a {kind} slice", offset=offset
    )
