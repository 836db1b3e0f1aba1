"""For every construct of the syntax, a bitstream below 10,000 bytes that asks for as much as it can.

Each is made of refsw's own syntax, so that only the limits of a decoder (spec 11.4) stand against it. Where a unit can
ask for more or less, the stream is filled with units of one size, and there are streams of several sizes.
"""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from worst_native import native

from refsw.entropy.rans import encode
from refsw.features.parameters import Parameters, to_values
from refsw.models.state import TensorType, digest_of, tensor_digest
from refsw.models.tables import as_tables, from_values
from refsw.payload.base import EncoderSettings
from refsw.payload.registry import codec
from refsw.syntax.codes import (
    AxisRole,
    DigestKind,
    ElementType,
    Level,
    ModelCoder,
    PayloadCodec,
    Profile,
    Quantizer,
    RangeScope,
    RepackLayout,
    TensorMode,
    UnitType,
    ValueQuantizer,
)
from refsw.syntax.structure import Edition
from refsw.syntax.structures import (
    END_OF_BITSTREAM,
    FEATURE_DATA,
    FEATURE_PARAMETER_SET,
    FEATURE_PART,
    METADATA,
    MODEL_DATA,
    MODEL_HEADER,
)
from refsw.syntax.units import crc32, pack_body, pack_header, pack_unit
from refsw.tensor.axes import Axes
from refsw.tensor.parts import Parts
from refsw.tensor.repack import Packing

MOST = 10_000
TOTAL, LOWEST = 1 << 14, 1 << 16
Streams = Iterator[tuple[str, bytes]]


def bitstream(profile: Profile, units: list[bytes], counts: list[int]) -> bytes:
    """Header, units and end, with right CRCs."""
    out = [pack_header(profile, Level.L3), *units]
    chain = 0
    for part in out:
        chain = crc32(part[-4:], chain)
    values = {"tensor_count": len(counts), "sample_count": counts, "bitstream_crc": chain}
    return b"".join([*out, pack_unit(UnitType.END_OF_BITSTREAM, pack_body(END_OF_BITSTREAM, values))])


def filled(start: list[bytes], more: Callable[[int], bytes], room: int = MOST - 100) -> tuple[list[bytes], int]:
    """Units up to the most bytes, and how many of `more` there are."""
    units, size, count = list(start), sum(map(len, start)), 0
    while size + len(unit := more(count)) <= room and count < 4000:
        units.append(unit)
        size, count = size + len(unit), count + 1
    return units, count


# --- features ---


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


# --- model updates ---


def header(new: list[tuple[str, tuple[int, ...], TensorMode, int]], base: bytes | None = None, kept: int = 0,
           result: bytes = bytes(32)) -> bytes:  # fmt: skip
    """A model header with FLOAT64 tensors that are new, on a base whose tensors stay."""
    count = len(new)
    values: dict[str, Any] = {
        "network_id_length": 0, "network_id": b"", "model_version_length": 0, "model_version": b"",
        "base_flag": int(base is not None), "base_version_length": 0, "base_version": b"", "base_digest": base,
        "base_tensor_count": kept, "result_digest": result, "step_digits": 0, "step_multiplier": 0,
        "tensor_mode": [0] * kept, "tensor_step_flag": [0] * kept, "copy_entry": [0] * kept, "new_tensor_count": count,
        "name_length": [len(name.encode()) for name, *_ in new], "name": [name.encode() for name, *_ in new],
        "new_element_type": [ElementType.FLOAT64] * count, "new_axis_count": [len(shape) for _, shape, *_ in new],
        "new_extent": [list(shape) for _, shape, *_ in new], "source_flag": [0] * count, "source_entry": [0] * count,
        "new_tensor_mode": [mode for _, _, mode, _ in new], "new_step_flag": [0] * count,
        "new_copy_entry": [copy for *_, copy in new],
    }  # fmt: skip
    return pack_unit(UnitType.MODEL_HEADER, pack_body(MODEL_HEADER, values))


def values_unit(first: int, count: int = 1, **changes: Any) -> bytes:
    """A model data unit of one-symbol tables, by default of one lane."""
    values: dict[str, Any] = {
        "first_coded_tensor": first, "coded_tensor_count_minus1": count - 1, "model_coder": ModelCoder.RANS,
        "predictor_count": 0, "predictor_taps_minus2": [], "predictor_coefficient": [], "predictor": [0] * count,
        "table_offset": [0] * count, "label_group_count": [0] * count, "label_step_minus1": [0] * count,
        "group_first_axis": [[]] * count, "group_last_axis": [[]] * count, "label_flag": 0, "lanes_log2": 0,
        "frequency_precision": 13, "table_count_minus1": 0, "label_lanes_log2": 0, "label_word_count": 0,
        "symbol_end": [1], "first_symbol": [0], "rest_symbol": [0], "frequency_class": [[0]], "frequency_bits": [[0]],
        "word_count": 0, "word_bytes_log2": 0, "plane_flag": 0, "model_payload": b"",
    } | changes  # fmt: skip
    lanes = 1 << values["lanes_log2"]
    if values["model_coder"] == ModelCoder.RANS and not values["model_payload"]:
        states = LOWEST.to_bytes(4, "big") * lanes
        labels = LOWEST.to_bytes(4, "big") * (1 << values["label_lanes_log2"]) * values["label_flag"]
        values["model_payload"] = (
            labels + bytes(2 * values["label_word_count"]) + states + bytes(2 * values["word_count"])
        )
    # What levels need is written in bitstreams of profile MODEL_EXTENDED alone.
    none = [0] * len(values["symbol_end"])
    values = {f"second_{name}": none for name in ("symbol_end", "first_symbol", "rest_symbol")} | {"grid": 1} | values
    profile = Profile.MODEL_EXTENDED if "value_quantizer" in values else Profile.MODEL
    return pack_unit(UnitType.MODEL_DATA, pack_body(MODEL_DATA, values, edition=Edition.of(profile)))


TWO = {
    "symbol_end": [2],
    "first_symbol": [0],
    "rest_symbol": [0],
    "frequency_class": [[0, 1]],
    "frequency_bits": [[0, 0]],
}
"""A table in which symbol 0 has all of 2^14 but one."""


def coded_zeros(tables: dict[str, Any], count: int, lanes_log2: int) -> dict[str, Any]:
    """The elements of a unit of `count` symbols 0 of the first table, coded by refsw's own coder."""
    rows = from_values(tables | {"frequency_precision": 13}, 0)
    zeros = np.zeros(count, np.uint16)
    states, words = encode(as_tables(rows[:1]), zeros, zeros, 1 << lanes_log2)
    payload = states.astype(">u4").tobytes() + words.astype(">u2").tobytes()
    return tables | {"lanes_log2": lanes_log2, "word_count": len(words), "model_payload": payload}


def updates() -> Streams:
    """What a model data unit can ask for."""
    coded = TensorMode.QUANTIZED
    for log2 in (0, 4, 5, 8):
        elements = TOTAL << log2
        most = min(220, MOST // (60 + 6 * (1 << log2)), max(1, (1 << 20) // elements))
        head = header([(f"{n:03}", (elements,), coded, 0) for n in range(most)])
        coder = coded_zeros(TWO, elements, log2)
        data = [values_unit(n, **coder) for n in range(most)]
        yield f"rANS, {1 << log2} lanes", bitstream(Profile.MODEL, [head, *data], [])
        data = [values_unit(n, value_quantizer=ValueQuantizer.DEPENDENT, **coder) for n in range(most)]
        yield f"levels, {1 << log2} lanes", bitstream(Profile.MODEL_EXTENDED, [head, *data], [])
    tables = {
        "table_count_minus1": 255, "symbol_end": [2] * 256, "first_symbol": [0] * 256, "rest_symbol": [0] * 256,
        "frequency_class": [[0, 1 + t % 8] for t in range(256)],
        "frequency_bits": [[0, (t // 8) % (1 << t % 8)] for t in range(256)],
    }  # fmt: skip
    head = header([(f"{n:02}", (1,), coded, 0) for n in range(20)])
    coder = coded_zeros(tables, 1, 0)
    yield "256 tables", bitstream(Profile.MODEL, [head, *(values_unit(n, **coder) for n in range(20))], [])
    pairs = [values_unit(n, value_quantizer=ValueQuantizer.DEPENDENT, **coder) for n in range(15)]
    yield "256 pairs of tables", bitstream(Profile.MODEL_EXTENDED, [head, *pairs], [])
    rows = [[[3] * (p + 1) for p in range(63)]]
    taps = {"predictor_count": 1, "predictor_taps_minus2": [62], "predictor_coefficient": rows, "predictor": [1]}
    head = header([("x", (1 << 20,), coded, 0)])
    yield "64 taps", bitstream(Profile.MODEL, [head, values_unit(0, lanes_log2=6, **taps)], [])
    planes = values_unit(0, lanes_log2=6, value_quantizer=ValueQuantizer.EVEN, **taps)
    yield "64 planes", bitstream(Profile.MODEL_EXTENDED, [head, planes], [])
    groups = {"label_group_count": [15], "group_first_axis": [list(range(15))], "group_last_axis": [list(range(15))],
              "label_flag": 1, "symbol_end": [1, 1], "first_symbol": [0] * 2, "rest_symbol": [0] * 2,
              "frequency_class": [[0]] * 2, "frequency_bits": [[0]] * 2}  # fmt: skip
    head = header([("x", (2,) * 10 + (1,) * 4 + (1024,), coded, 0)])
    yield "15 groups of labels", bitstream(Profile.MODEL, [head, values_unit(0, lanes_log2=6, **groups)], [])
    raw = lzma.compress(bytes(8 << 20), format=lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, "preset": 6}])
    xz = {"model_coder": ModelCoder.XZ, "word_bytes_log2": 3, "plane_flag": 1, "model_payload": raw}
    head = header([(f"{n}", (1 << 20,), coded, 0) for n in range(5)])
    yield "xz", bitstream(Profile.MODEL, filled([head], lambda n: values_unit(n, **xz))[0][:6], [])
    names = [(f"{n:x}", (0,), TensorMode.EXACT, 0) for n in range(1400)]
    yield "1,400 empty tensors", bitstream(Profile.MODEL, [header(names), values_unit(0, 1400)], [])
    yield "a long name", bitstream(Profile.MODEL, [header([("x" * 9800, (0,), TensorMode.EXACT, 0)])], [])


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


def chains() -> Streams:
    """Updates one after the other, each on the result of the one before."""
    shape, zeros = (1 << 20,), np.zeros(1 << 20, np.float64)
    for kind in ("values", "copies", "unchanged"):
        digests: dict[str, bytes] = {}
        digest: bytes | None = None
        units: list[bytes] = []
        for number in range(60):
            mode = TensorMode.COPY if kind == "copies" and number else TensorMode.QUANTIZED
            new = [] if kind == "unchanged" and number else [(f"{number:02}", shape, mode, 0)]
            kept = len(digests)
            digests |= {name: tensor_digest(TensorType(name, ElementType.FLOAT64, shape), zeros) for name, *_ in new}
            result = digest_of(digests)
            update = [header(new, digest, kept, result)]
            update += [values_unit(0, lanes_log2=6)] if new and mode is TensorMode.QUANTIZED else []
            if sum(map(len, units + update)) > MOST - 100:
                break
            units += update
            digest = result
        yield f"a chain of {kind}", bitstream(Profile.MODEL, units, [])


FEATURES = (constants, bombs, images, codestreams, video, ranges, framing, in_parts, native)
MODELS = (updates, chains)


def streams() -> Streams:
    """All of them, by name."""
    for group in (*FEATURES, *MODELS):
        yield from group()
