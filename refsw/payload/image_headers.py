"""8.3 What images say of themselves: read here, so that nothing is decoded before its size is known to be right.

Pillow's own ways of opening an image hang on settings of the whole process (its bound on sizes, warnings).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from refsw.syntax.codes import PayloadCodec

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PALETTE = 3
COLOUR_TYPES = {0: "grey", 2: "colour", PALETTE: "palette", 4: "grey and alpha", 6: "colour and alpha"}
IHDR = struct.Struct(">IIBBBBB")
IEND = b"\0\0\0\0IEND\xae\x42\x60\x82"
ADAM7 = (  # first row and column of a pass, and the steps from one to the next
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
)
CHUNK = 1 << 20
JP2_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
SIZ = struct.Struct(">HIIIIIIIIHB")  # T.800, A.5.1, from Rsiz on
SOT, SOD, EOC, COD, COC = 0xFF90, 0xFF93, 0xFFD9, 0xFF52, 0xFF53
STYLE_PLACES = {COD: 12, COC: 9}  # of the code-block style, after which the transform stands (T.800, A.6.1, A.6.2)
APP, SOS, DHT, DQT = range(0xE0, 0xF0), 0xDA, 0xC4, 0xDB
SOF0, OTHERS = 0xC0, (*range(0xC1, 0xC4), *range(0xC5, 0xD0))  # frame headers, and what baseline images do not have
SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# Of baseline images (T.81, B.2.4): quantization tables of 8 bits; two Huffman tables for DC, two for AC.
BASELINE_TABLES = {*((DQT, number) for number in range(4)), *((DHT, number) for number in (0x00, 0x01, 0x10, 0x11))}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Size and number format of an image.

    Args:
        height, width: in samples.
        kind: of its components, for people: "grey" if there is one that is not an index into a palette.
        depth: bits of a sample.
        conforms: whether the image is of the form that 8.3.2 to 8.3.4 describe.
        body: the image without what has no effect on its samples.
        interlaced: of a PNG image.
    """

    height: int
    width: int
    kind: str
    depth: int
    conforms: bool
    body: bytes
    interlaced: bool = False


def png_header(data: bytes) -> ImageHeader | None:
    """8.3.2 A PNG datastream; None if it does not begin as one."""
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR":
        return None
    head = chunks[0][1]
    if len(head) != 12 + IHDR.size or zlib.crc32(head[4:-4]) != int.from_bytes(head[-4:], "big"):
        return None
    width, height, depth, colour, compression, filtering, interlace = IHDR.unpack_from(head, 8)
    if colour not in COLOUR_TYPES:
        return None
    # Ancillary chunks have a small first letter, and no effect.
    critical = [(name, chunk) for name, chunk in chunks if not name[0] & 0x20]
    names = [name for name, _ in critical]
    first = [b"IHDR", b"PLTE"] if colour == PALETTE else [b"IHDR"]
    count = len(names) - len(first) - 1
    in_order = count > 0 and names == [*first, *[b"IDAT"] * count, b"IEND"]
    conforms = in_order and chunks[-1] == (b"IEND", IEND) and (compression, filtering, interlace >> 1) == (0, 0, 0)
    return ImageHeader(
        height, width, COLOUR_TYPES[colour], depth, conforms,
        PNG_SIGNATURE + b"".join(chunk for _, chunk in critical), interlace == 1,
    )  # fmt: skip


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, the whole chunk) of a PNG datastream, the last of which may be cut short."""
    if not data.startswith(PNG_SIGNATURE):
        return
    place = len(PNG_SIGNATURE)
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        yield data[place + 4 : place + 8].ljust(4, b"\0"), data[place:end]
        place = end


def png_rows_are_exact(header: ImageHeader) -> bool:
    """8.3.2 Whether the IDAT chunks are one zlib stream of the filtered rows, and nothing more.

    Raises:
        zlib.error: it is no zlib stream.
    """
    size = 0
    for y, x, rows, columns in ADAM7 if header.interlaced else ((0, 0, 1, 1),):
        h, w = -(-(header.height - y) // rows), -(-(header.width - x) // columns)
        size += h * (1 + w * header.depth // 8) if w else 0
    expander, found = zlib.decompressobj(), 0
    for _, chunk in _chunks(header.body):
        waiting = chunk[8:-4] if chunk[4:8] == b"IDAT" else b""
        while waiting and found <= size:
            if expander.eof:
                return False
            found += len(expander.decompress(waiting, CHUNK))
            waiting = expander.unconsumed_tail or expander.unused_data
    return found == size and expander.eof


def png_is_intact(header: ImageHeader) -> bool:
    """8.3.2 Whether the CRCs of all critical chunks are right, those after the last row as well."""
    return all(zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big") for _, chunk in _chunks(header.body))


def jpeg_header(data: bytes) -> ImageHeader | None:
    """8.3.3 A JPEG image; None if it does not begin as one, or has no frame header before its first scan."""
    if not data.startswith(b"\xff\xd8"):
        return None
    place, frames, body, scan = 2, [], [data[:2]], b""
    tables: set[tuple[int, int]] = set()
    while place + 4 <= len(data) and data[place] == 0xFF and not scan:
        if data[place + 1] == 0xFF:  # a fill byte (T.81, B.1.1.2)
            place += 1
            continue
        marker, size = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        segment = data[place : place + 2 + size]
        if marker == SOF0 or marker in OTHERS:
            frames.append((marker, segment[4:]))
        elif marker in (DHT, DQT):
            tables |= set(_tables(marker, segment[4:]))
        elif marker == SOS:
            scan = segment
        if marker not in APP:
            body.append(segment)
        place += 2 + size
    body.append(data[place:])
    if not frames or len(frames[0][1]) < 6:
        return None
    frame = frames[0][1]
    depth, height, width, components = struct.unpack_from(">BHHB", frame)
    conforms = (
        [marker for marker, _ in frames] == [SOF0]
        and len(frame) == 9
        and frame[7] == 0x11
        and (scan[4:6], scan[7:]) == (b"\x01" + frame[6:7], b"\0\x3f\0")
        and {(DQT, frame[8]), (DHT, scan[6] >> 4), (DHT, 0x10 | scan[6] & 15)} <= tables <= BASELINE_TABLES
        and _scan_end(data, place) == len(data) - 2
        and data.endswith(b"\xff\xd9")
    )
    kind = "grey" if components == 1 else f"{components} components"
    return ImageHeader(height, width, kind, depth, conforms, b"".join(body))


def _tables(marker: int, data: bytes) -> Iterator[tuple[int, int]]:
    """T.81, B.2.4: (DHT, class and destination) or (DQT, precision and destination) of the tables of a segment."""
    while data:
        yield marker, data[0]
        data = data[1 + (16 + sum(data[1:17]) if marker == DHT else 64) :]  # of 16 bits are refused


def _scan_end(data: bytes, place: int) -> int:
    """Where the entropy-coded data from `place` on end: at a marker that is neither RSTm nor a stuffed byte."""
    found = SCAN_END.search(data, place)
    return found.start() if found else len(data)


def jpeg2000_header(data: bytes) -> ImageHeader | None:
    """8.3.4 A JPEG 2000 codestream; None if it does not begin as one."""
    start = 0
    if data.startswith(JP2_SIGNATURE):  # a file format around it
        start = max(0, data.find(b"\xff\x4f\xff\x51"))
    if not data.startswith(b"\xff\x4f\xff\x51", start) or len(data) < start + 6 + SIZ.size + 2:
        return None
    fields = SIZ.unpack_from(data, start + 6)
    rsiz, right, lower, left, upper, _, _, tile_left, tile_upper, components, precision = fields
    kind = "grey" if components == 1 else f"{components} components"
    every = data[start + 43], data[start + 44]  # column and row of the reference grid has a sample (XRsiz, YRsiz)
    conforms = (
        start == 0
        and rsiz & 0xC000 == 0  # Part 1
        and (left, upper, tile_left, tile_upper) == (0, 0, 0, 0)
        and precision < 0x80  # unsigned
        and every == (1, 1)
        and _is_reversible(data)
    )
    height, width = (
        -(-end // max(1, step)) - -(-first // max(1, step))
        for first, end, step in ((upper, lower, every[1]), (left, right, every[0]))
    )
    return ImageHeader(max(0, height), max(0, width), kind, (precision & 0x7F) + 1, conforms, data)


def _is_reversible(data: bytes) -> bool:
    """8.3.4 Whether every COD and COC has code-blocks of Part 1 and the 5-3 transform, and EOC ends the data."""
    styles = 0
    for marker, segment in codestream_segments(data):
        if marker in STYLE_PLACES:
            style = segment[STYLE_PLACES[marker] :]
            if len(style) < 2 or style[0] & 0x40 or style[1] != 1:
                return False
            styles += marker == COD
    return bool(styles) and marker == EOC


def codestream_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """T.800, A: (marker, segment) of the main header and the headers of tile-parts; EOC last, if nothing is odd.

    What is odd, such as a length that leads nowhere, ends them with what is left, under marker 0.
    """
    place = part_end = 2
    while place + 2 < len(data):
        marker = int.from_bytes(data[place : place + 2], "big")
        if marker == SOD:
            if part_end < place + 2:
                break
            place = part_end
            continue
        size = int.from_bytes(data[place + 2 : place + 4], "big")
        segment = data[place : place + 2 + size]
        if data[place] != 0xFF:
            break
        if marker == SOT:
            length = int.from_bytes(segment[6:10], "big")
            part_end = place + length if length else len(data) - 2
        yield marker, segment
        place += 2 + size
    yield (EOC if data[place:] == b"\xff\xd9" else 0), data[place:]


HEADERS: dict[PayloadCodec, Callable[[bytes], ImageHeader | None]] = {
    PayloadCodec.PNG: png_header,
    PayloadCodec.JPEG: jpeg_header,
    PayloadCodec.JPEG2000: jpeg2000_header,
}
