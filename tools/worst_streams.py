"""For every construct of the syntax, a bitstream below 10,000 bytes that asks for as much as it can.

Each is made of refsw's own syntax, so that only the limits of a decoder (spec 11.4) stand against it. Where a unit can
ask for more or less, the stream is filled with units of one size, and there are streams of several sizes.
"""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
from worst_native import native
from worst_units import MOST, Streams, bitstream, filled
from worst_updates import MODELS

from refsw.features.parameters import Parameters, to_values
from refsw.payload.base import EncoderSettings
from refsw.payload.registry import codec
from refsw.syntax.codes import (
    AxisRole,
    DigestKind,
    ElementType,
    PayloadCodec,
    Profile,
    Quantizer,
    RangeScope,
    RepackLayout,
    UnitType,
)
from refsw.syntax.structure import Edition
from refsw.syntax.structures import (
    FEATURE_DATA,
    FEATURE_PARAMETER_SET,
    FEATURE_PART,
    METADATA,
)
from refsw.syntax.units import crc32, pack_body, pack_unit
from refsw.tensor.axes import Axes
from refsw.tensor.parts import Parts
from refsw.tensor.repack import Packing


def parameters(shape: tuple[int, int, int], payload: PayloadCodec, **changes: Any) -> Parameters:
    """A parameter set for samples (C, H, W), a channel a picture."""
    channels, rows, columns = shape
    values: dict[str, Any] = {
        "id": 0,
        "axes": Axes((AxisRole.N, AxisRole.C, AxisRole.H, AxisRole.W), (1, channels, rows, columns)),
        "element_type": ElementType.FLOAT64,
        "quantizer": Quantizer.UNIFORM,
        "bit_depth": 8,
        "range_scope": RangeScope.SEQUENCE,
        "ranges": ((0.0, 1.0),),
        "payload_codec": payload,
        "packing": Packing(RepackLayout.SEQUENCE, rows, columns, 1, 1, rows, columns),
    }
    return Parameters(**values | changes)


def parameter_unit(p: Parameters) -> bytes:
    """Its unit."""
    return pack_unit(UnitType.FEATURE_PARAMETER_SET, pack_body(FEATURE_PARAMETER_SET, to_values(p)))


def data_unit(p: Parameters, first: int, count: int, payload: bytes, limits: tuple[float, float] = (0.0, 1.0)) -> bytes:
    """A feature data unit."""
    values = {
        "parameter_set_id": p.id,
        "first_sample": first,
        "sample_count_minus1": count - 1,
        "sample_minimum": [limits[0]] * count,
        "sample_maximum": [limits[1]] * count,
        "payload": payload,
    }
    return pack_unit(
        UnitType.FEATURE_DATA, pack_body(FEATURE_DATA, values, to_values(p) | {"channels": p.axes.channels})
    )


def series(p: Parameters, count: int, payload: bytes) -> bytes:
    """As many units of `count` samples as there is room for."""
    start = [parameter_unit(p)]
    units, repeated = filled(start, lambda number: data_unit(p, number * count, count, payload))
    return bitstream(Profile.EXTENDED, units, [repeated * count])


def flat(p: Parameters, count: int, effort: str = "fast") -> tuple[Parameters, bytes]:
    """The payload of `count` samples of zeros by refsw's own encoder, and the parameter set with its configuration."""
    picture_format = p.picture_format(Profile.EXTENDED)
    pictures = np.zeros((count * p.axes.channels, picture_format.height, picture_format.width), picture_format.dtype)
    settings = EncoderSettings(qp=51, effort=effort)
    configuration, payload = codec(p.payload_codec).encode(pictures, picture_format, settings)
    return replace(p, configuration=configuration), payload


CONSTANT = ((1.0, 1.0),)


BOTH = frozenset(DigestKind)


def undigested(p: Parameters, payload: bytes, limits: list[tuple[float, float]] | None = None) -> bytes:
    """As many units of a sample as there is room for; digests, where they are announced, never come."""

    def more(number: int) -> bytes:
        return data_unit(p, number, 1, payload, limits[number] if limits else (0.0, 1.0))

    units, count = filled([parameter_unit(p)], more)
    return bitstream(Profile.EXTENDED, units, [count])


def constants() -> Streams:
    """Samples of one number, plain and digested; many samples; axes that have to be moved."""
    for side in (256, 1024, 4096):
        p = parameters((1, side, side), PayloadCodec.STORED, ranges=CONSTANT)
        yield f"constant samples {side}x{side}", undigested(p, b"")
        p = parameters((1, side, side), PayloadCodec.STORED, ranges=CONSTANT, digests=BOTH)
        yield f"digested constants {side}x{side}", undigested(p, b"")
    p = parameters((1, 1, 1), PayloadCodec.STORED, ranges=CONSTANT)
    for count in (64, 4096, 65536):
        yield f"samples of one element, {count} a unit", series(p, count, b"")
    for rows, columns in ((1024, 1024), (64, 64)):
        axes = Axes((AxisRole.N, AxisRole.W, AxisRole.H, AxisRole.C), (1, columns, rows, 8))
        p = parameters((8, rows, columns), PayloadCodec.ZLIB, axes=axes, digests=BOTH)
        yield f"axes in another order, {rows}x{columns}", undigested(p, zlib.compress(bytes(8 * rows * columns), 9))


def bombs() -> Streams:
    """Byte codecs that expand to zeros."""
    for megabytes in (1, 8, 32):
        size = megabytes << 20
        for kind, payload in (
            (PayloadCodec.ZLIB, zlib.compress(bytes(size), 9)),
            (PayloadCodec.LZMA, lzma.compress(bytes(size), preset=6)),
        ):
            if len(payload) < MOST - 200:
                p = parameters((1, size >> 13, 1 << 13), kind)
                yield f"{kind.name.lower()} of {megabytes} MB", undigested(p, payload)


def images() -> Streams:
    """Images of zeros, few large ones and many small ones."""
    for kind in (PayloadCodec.PNG, PayloadCodec.JPEG, PayloadCodec.JPEG2000):
        for side in (16, 512, 2048):
            p, payload = flat(parameters((1, side, side), kind), 1)
            if len(payload) < MOST - 200:
                yield f"{kind.name.lower()} {side}x{side}", series(p, 1, payload)
    p = parameters((1, 16384, 16384), PayloadCodec.PNG)
    head = io.BytesIO()
    from PIL import Image

    Image.fromarray(np.zeros((16, 16), np.uint8)).save(head, "PNG")
    data = bytearray(head.getvalue())
    data[16:24] = (16384).to_bytes(4, "big") * 2
    data[29:33] = crc32(bytes(data[12:29])).to_bytes(4, "big")
    yield "png that claims 16384x16384", series(p, 1, len(data).to_bytes(4, "big") + data)


def codestream(side: int, tile: int, layers: int, precincts: bytes) -> bytes:
    """A JPEG 2000 image of zeros of one packet, whose header asks for many tiles, layers or precincts."""
    siz = struct.pack(">4H8IH3B", 0xFF4F, 0xFF51, 41, 0, side, side, 0, 0, tile, tile, 0, 0, 1, 7, 1, 1)
    levels = len(precincts) - 1
    cod = struct.pack(">HHBBHB5B", 0xFF52, 12 + len(precincts), 1, 0, layers, 0, levels, 4, 4, 0, 1) + precincts
    qcd = struct.pack(">HHB", 0xFF5C, 4 + 3 * levels, 64) + bytes([72] * (3 * levels + 1))
    return siz + cod + qcd + struct.pack(">HHHIBBHBH", 0xFF90, 10, 0, 15, 0, 1, 0xFF93, 0, 0xFFD9)


def codestreams() -> Streams:
    """JPEG 2000 images that hold nothing but headers."""
    for name, side, tile, layers, precincts in (
        ("tiles", 255, 1, 1, b"\xff"),
        ("tiles of four", 255, 2, 1, b"\xff"),
        ("layers", 16, 16, 65535, b"\xff" * 33),
        ("layers and precincts", 64, 64, 65535, b"\0" + b"\x11" * 5),
        ("precincts", 256, 256, 1, b"\0" + b"\x11" * 5),
        ("precincts of a large image", 1024, 1024, 1, b"\0\x11"),
    ):
        image = codestream(side, tile, layers, precincts)
        p = parameters((1, side, side), PayloadCodec.JPEG2000)
        yield f"jpeg2000 {name}", series(p, 1, len(image).to_bytes(4, "big") + image)


def video() -> Streams:
    """HEVC pictures of zeros: large, many small ones, and such as are skipped."""
    for side, count in ((16, 1), (64, 64), (1024, 1), (2048, 8)):
        p, payload = flat(parameters((1, side, side), PayloadCodec.HEVC), count)
        if len(payload) < MOST - 400:
            yield f"hevc {count} of {side}x{side}", series(p, count, payload)


def ranges() -> Streams:
    """Logarithmic tables and points, and ranges by channel."""
    log: dict[str, Any] = {"quantizer": Quantizer.LOG, "bit_depth": 16, "element_type": ElementType.FLOAT32}
    limits = [(-1.0 - number / 64, 5.0) for number in range(4000)]
    for elements in (1, 4096, 16384):
        p = parameters((1, 1, elements), PayloadCodec.ZLIB, **log | {"range_scope": RangeScope.SAMPLE, "ranges": ()})
        name = f"16 bits, logarithmic, {elements} elements a sample"
        yield name, undigested(p, zlib.compress(bytes(2 * elements), 9), limits)
    # A level that binary64 cannot settle, everywhere.
    p = parameters((1, 4, 16383), PayloadCodec.LZMA, **log | {"ranges": ((-(2.0**25), -1.0),)})
    yield "ties everywhere", undigested(p, lzma.compress(np.full(4 * 16383, 13107, "<u2").tobytes()))
    many = tuple((float(c), float(c)) for c in range(512))
    p = parameters((512, 1, 1), PayloadCodec.ZLIB, range_scope=RangeScope.CHANNEL, ranges=many)
    yield "512 constant channels", undigested(p, b"")
    by_channel = {"range_scope": RangeScope.CHANNEL, "ranges": ((0.0, 1.0),) * 1000}
    p = parameters((1000, 64, 64), PayloadCodec.LZMA, **log | by_channel)
    yield "1,000 ranges, logarithmic", undigested(p, lzma.compress(bytes(1000 * 64 * 64 * 2)))


def framing() -> Streams:
    """Units that hold next to nothing."""
    p = parameters((1, 1, 1), PayloadCodec.STORED)
    yield (
        "unknown units",
        bitstream(Profile.EXTENDED, filled([parameter_unit(p)], lambda n: pack_unit(100, b"", skippable=True))[0], [0]),
    )
    yield (
        "repeated parameter sets",
        bitstream(Profile.EXTENDED, filled([parameter_unit(p)], lambda n: parameter_unit(p))[0], [0]),
    )
    values = {"entry_count_minus1": 255, "key_length": [1] * 256, "key": [b"k"] * 256, "text_length": [0] * 256,
              "text": [b""] * 256}  # fmt: skip
    body = pack_body(METADATA, values)
    yield (
        "metadata",
        bitstream(Profile.EXTENDED, filled([parameter_unit(p)], lambda n: pack_unit(UnitType.METADATA, body))[0], [0]),
    )
    order = tuple(reversed(range(5000)))
    p = parameters((5000, 1, 1), PayloadCodec.STORED, channel_order=order)
    yield "channel order", bitstream(Profile.EXTENDED, [parameter_unit(p)], [0])
    sets = [parameter_unit(parameters((1, 1, 1), PayloadCodec.STORED, id=number)) for number in range(64)]
    yield "64 tensors", bitstream(Profile.EXTENDED, sets, [0] * 64)


def in_parts() -> Streams:
    """Samples in parts: many small ones, and few that stand for a large sample."""
    for name, shape, cut, changes in (
        ("parts of one element", (8, 8, 1), Parts(8, 1, 8), {}),
        ("two parts of 1024x1024", (2, 1024, 1024), Parts(1024, 1024, 2), {"digests": BOTH}),
        ("two parts of 4096x4096", (2, 4096, 4096), Parts(4096, 4096, 2), {}),
        ("parts in channels, axes in another order", (512, 64, 64), Parts(64, 64, 8), {"digests": BOTH, "axes": Axes(
            (AxisRole.N, AxisRole.W, AxisRole.H, AxisRole.C), (1, 64, 64, 512))}),
    ):  # fmt: skip
        columns = shape[2]
        packing = Packing(RepackLayout.SEQUENCE, cut.part_rows, columns, 1, 1, cut.part_rows, columns)
        changed = {"ranges": CONSTANT, "parts": cut, "packing": packing, "range_scope": RangeScope.SEQUENCE} | changes
        p = parameters(shape, PayloadCodec.STORED, **changed)
        edition = Edition.of(Profile.COMPLETE)
        head = pack_unit(
            UnitType.FEATURE_PARAMETER_SET, pack_body(FEATURE_PARAMETER_SET, to_values(p), edition=edition)
        )
        units, count = filled([head], lambda n, p=p: part_unit(p, n))  # type: ignore[misc]
        whole = count // cut.count
        yield name, bitstream(Profile.COMPLETE, units[: 1 + whole * cut.count], [whole])


def part_unit(p: Parameters, number: int) -> bytes:
    """The unit of a constant part, of all of a tensor in order."""
    values = dict(zip(("sample_index", "part_index"), divmod(number, len(p.part_numbers)), strict=True))
    values |= {"parameter_set_id": p.id, "payload": b""}
    active = to_values(p) | {"part_count": len(p.part_numbers)}
    return pack_unit(UnitType.FEATURE_PART, pack_body(FEATURE_PART, values, active))


FEATURES = (constants, bombs, images, codestreams, video, ranges, framing, in_parts, native)


def streams() -> Streams:
    """All of them, by name."""
    for group in (*FEATURES, *MODELS):
        yield from group()
