"""8.3 What images say of themselves: read here, so that nothing is decoded before its size is known to be right.

Pillow's own ways of opening an image hang on settings of the whole process (its bound on sizes, warnings).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from refsw.syntax.codes import PayloadCodec

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PALETTE = 3
IHDR = struct.Struct(">IIBBBBB")
JP2_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
SIZ = struct.Struct(">HIIIIIIIIHB")  # T.800, A.5.1, from Rsiz on
APP0, APP15, COM, SOS, SOF0 = 0xE0, 0xEF, 0xFE, 0xDA, 0xC0
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Size and number format of an image.

    Args:
        height, width: in samples.
        kind: of its components, for people: "grey" if there is one that is not an index into a palette.
        depth: bits of a sample.
        conforms: whether the image is of the form that 8.3.2 to 8.3.4 describe.
        body: the image without what has no effect on its samples.
    """

    height: int
    width: int
    kind: str
    depth: int
    conforms: bool
    body: bytes


def png_header(data: bytes) -> ImageHeader | None:
    """8.3.2 A PNG datastream; None if it does not begin as one."""
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR":
        return None
    head = chunks[0][1]
    if len(head) != 12 + IHDR.size or zlib.crc32(head[4:-4]) != int.from_bytes(head[-4:], "big"):
        return None
    width, height, depth, colour, *_ = IHDR.unpack_from(head, 8)
    if colour not in COLOUR_TYPES:
        return None
    components = COLOUR_TYPES[colour]
    kind = "palette" if colour == PALETTE else "grey" if components == 1 else f"{components} components"
    # Ancillary chunks have a small first letter, and no effect.
    body = PNG_SIGNATURE + b"".join(chunk for name, chunk in chunks if not name[0] & 0x20)
    conforms = data.endswith(b"\0\0\0\0IEND\xae\x42\x60\x82")
    return ImageHeader(height, width, kind, depth, conforms, body)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, the whole chunk) of a PNG datastream, the last of which may be cut short."""
    if not data.startswith(PNG_SIGNATURE):
        return
    place = len(PNG_SIGNATURE)
    while place + 8 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        yield data[place + 4 : place + 8], data[place:end]
        place = end


def jpeg_header(data: bytes) -> ImageHeader | None:
    """8.3.3 A JPEG image; None if it does not begin as one, or has no frame header before its first scan."""
    if not data.startswith(b"\xff\xd8"):
        return None
    place, frames, body = 2, [], [data[:2]]
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != SOS:
        if data[place + 1] == 0xFF:  # a fill byte (T.81, B.1.1.2)
            place += 1
            continue
        marker, size = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        segment = data[place : place + 2 + size]
        if marker in FRAMES:
            frames.append((marker, segment[4:]))
        if not (APP0 <= marker <= APP15 or marker == COM):
            body.append(segment)
        place += 2 + size
    body.append(data[place:])
    if not frames or len(frames[0][1]) < 6:
        return None
    frame = frames[0][1]
    depth, height, width, components = struct.unpack_from(">BHHB", frame)
    conforms = [marker for marker, _ in frames] == [SOF0] and len(frame) == 9 and frame[7] == 0x11
    kind = "grey" if components == 1 else f"{components} components"
    return ImageHeader(height, width, kind, depth, conforms and data.endswith(b"\xff\xd9"), b"".join(body))


def jpeg2000_header(data: bytes) -> ImageHeader | None:
    """8.3.4 A JPEG 2000 codestream; None if it does not begin as one."""
    start = 0
    if data.startswith(JP2_SIGNATURE):  # a file format around it
        start = max(0, data.find(b"\xff\x4f\xff\x51"))
    if not data.startswith(b"\xff\x4f\xff\x51", start) or len(data) < start + 6 + SIZ.size:
        return None
    rsiz, right, lower, left, upper, *_, components, precision = SIZ.unpack_from(data, start + 6)
    kind = "grey" if components == 1 else f"{components} components"
    cod = data.find(b"\xff\x52")
    conforms = (
        start == 0
        and data.endswith(b"\xff\xd9")
        and 40 < cod < len(data) - 13
        # Part 1, code-blocks of Part 1, the 5-3 transform (A.6.1); unsigned and without subsampling (A.5.1)
        and rsiz & 0xC000 == 0
        and data[cod + 12] & 0x40 == 0
        and data[cod + 13] == 1
        and precision < 0x80
        and data[43:45] == b"\x01\x01"
    )
    return ImageHeader(max(0, lower - upper), max(0, right - left), kind, (precision & 0x7F) + 1, conforms, data)


HEADERS: dict[PayloadCodec, Callable[[bytes], ImageHeader | None]] = {
    PayloadCodec.PNG: png_header,
    PayloadCodec.JPEG: jpeg_header,
    PayloadCodec.JPEG2000: jpeg2000_header,
}
