"""Bitstreams changed at random by someone who can compute CRCs: bits, elements, units, ends, splices."""

from __future__ import annotations

import io
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from refsw.errors import DfcError
from refsw.inspection import inspect
from refsw.syntax.codes import UnitType
from refsw.syntax.structure import TraceRow
from refsw.syntax.structures import HEADER_BYTES
from refsw.syntax.units import UnitReader, leb128

FRAMING = ("bitstream_header", "unit_header", "unit")
LARGEST_UE = 2**32 - 2


@dataclass(frozen=True)
class Part:
    """One unit: its header byte, its body, and the places of the elements in it: (name, descriptor, bit, bits)."""

    head: int
    body: bytes
    rows: tuple[tuple[str, str, int, int], ...] = ()


@dataclass(frozen=True)
class Stream:
    """A bitstream as header and units."""

    header: bytes
    parts: tuple[Part, ...]

    def data(self) -> bytes:
        """The bitstream, with every length and CRC as it has to be."""
        header = self.header[:8] + zlib.crc32(self.header[:8]).to_bytes(4, "big")
        chain, out = zlib.crc32(header[8:]), [header]
        for part in self.parts:
            body = part.body
            if part.head >> 1 == UnitType.END_OF_BITSTREAM and len(body) >= 4:
                body = body[:-4] + chain.to_bytes(4, "big")
            unit = bytes([part.head]) + leb128(len(body)) + body
            crc = zlib.crc32(unit).to_bytes(4, "big")
            chain = zlib.crc32(crc, chain)
            out += [unit, crc]
        return b"".join(out)


@cache
def cut(data: bytes) -> Stream:
    """A bitstream without faults of framing, with its elements by the decoder's trace."""
    rows = [row for row in inspect(data, trace=True).rows if row.structure not in FRAMING]
    parts = []
    for unit in UnitReader(io.BytesIO(data)):
        start, end = 8 * unit.body_offset, 8 * (unit.body_offset + len(unit.body))
        parts.append(Part(data[unit.offset], bytes(unit.body), _places(rows, start, end)))
    return Stream(data[:HEADER_BYTES], tuple(parts))


def _places(rows: list[TraceRow], start: int, end: int) -> tuple[tuple[str, str, int, int], ...]:
    return tuple(
        (row.element, row.descriptor, row.bit_offset - start, row.bits)
        for row in rows
        if start <= row.bit_offset < end and row.bits
    )


def _with(stream: Stream, index: int, part: Part) -> Stream:
    if part.body != stream.parts[index].body:
        part = replace(part, rows=())  # they stand elsewhere now
    return replace(stream, parts=(*stream.parts[:index], part, *stream.parts[index + 1 :]))


def _choose(stream: Stream, rng: random.Random) -> int:
    return rng.randrange(len(stream.parts))


def flip_bits(stream: Stream, other: Stream, rng: random.Random) -> Stream:
    """One to eight bits of a body."""
    index = _choose(stream, rng)
    body = bytearray(stream.parts[index].body)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8)) if body else 0):
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    return _with(stream, index, replace(stream.parts[index], body=bytes(body)))


def change_element(stream: Stream, other: Stream, rng: random.Random) -> Stream:
    """One element gets another value; what stands after it moves where its code has another length."""
    index = _choose(stream, rng)
    part = stream.parts[index]
    elements = [row for row in part.rows if row[0] != "byte_alignment_bits" and row[3] <= 64]
    if not elements:
        return flip_bits(stream, other, rng)
    _, descriptor, place, size = rng.choice(elements)
    bits = "".join(f"{byte:08b}" for byte in part.body)
    old = bits[place : place + size]
    new = _ue(old, rng) if descriptor.startswith(("ue", "se")) else _fixed(old, rng)
    # Zero bits up to the next byte are taken out and put in anew, but for those within a codec_configuration.
    after = [row for row in part.rows if row[0] == "byte_alignment_bits" and row[2] >= place + size]
    pads = [row for row in after if (row[2] + row[3]) % 8 == 0]
    end, rest = (pads[0][2], pads[0][2] + pads[0][3]) if pads else _end_of_syntax(part, len(bits))
    changed = bits[:place] + new + bits[place + size : end]
    changed += "0" * (-len(changed) % 8) + bits[rest:]
    body = int(changed or "0", 2).to_bytes(len(changed) // 8, "big")
    return _with(stream, index, replace(part, body=body))


def _end_of_syntax(part: Part, length: int) -> tuple[int, int]:
    tails = [row[2] for row in part.rows if row[0] in ("payload", "model_payload")]
    end = tails[0] if tails else length
    return end, end


def _ue(old: str, rng: random.Random) -> str:
    value = int(old, 2) - 1
    near = (value + 1, max(0, value - 1), 0, 1, 2 * value, rng.randrange(64), rng.randrange(2**16), LARGEST_UE)
    code = f"{min(rng.choice(near), LARGEST_UE) + 1:b}"
    return "0" * (len(code) - 1) + code


def _fixed(old: str, rng: random.Random) -> str:
    size, value = len(old), int(old, 2)
    near = (value ^ 1 << rng.randrange(size), 0, 2**size - 1, value + 1, value - 1, rng.getrandbits(size))
    return f"{rng.choice(near) % 2**size:0{size}b}"


def move_units(stream: Stream, other: Stream, rng: random.Random) -> Stream:
    """A unit removed, repeated, or exchanged with another one."""
    parts, index = list(stream.parts), _choose(stream, rng)
    kind = rng.randrange(3)
    if kind == 0:
        del parts[index]
    elif kind == 1:
        parts.insert(rng.randrange(len(parts) + 1), parts[index])
    else:
        second = _choose(stream, rng)
        parts[index], parts[second] = parts[second], parts[index]
    return replace(stream, parts=tuple(parts))


def resize_body(stream: Stream, other: Stream, rng: random.Random) -> Stream:
    """A body cut off, or bytes put in or taken out."""
    index = _choose(stream, rng)
    body = stream.parts[index].body
    place, size = rng.randrange(len(body) + 1), rng.randrange(1, 9)
    body = rng.choice(
        (body[:place], body[:place] + rng.randbytes(size) + body[place:], body[:place] + body[place + size :])
    )
    return _with(stream, index, replace(stream.parts[index], body=body))


def change_header(stream: Stream, other: Stream, rng: random.Random) -> Stream:
    """A byte of the bitstream header or of a unit header."""
    if rng.randrange(2):
        header = bytearray(stream.header)
        header[rng.randrange(4, 8)] = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 255))
        return replace(stream, header=bytes(header))
    index = _choose(stream, rng)
    head = rng.choice((stream.parts[index].head ^ 1, rng.randrange(256), 2 * rng.randrange(10)))
    return _with(stream, index, replace(stream.parts[index], head=head))


def splice(stream: Stream, other: Stream, rng: random.Random) -> Stream:
    """The units of two bitstreams: the end of another one, or one of its units put in or in the place of one."""
    parts, index = list(stream.parts), _choose(stream, rng)
    second = _choose(other, rng)
    kind = rng.randrange(4)
    if kind == 0:
        parts[index:] = other.parts[second:]
    elif kind == 1:
        parts.insert(index, other.parts[second])
    elif kind == 2:
        parts[index] = other.parts[second]
    else:  # bodies of two units, joined
        a, b = parts[index].body, other.parts[second].body
        body = a[: rng.randrange(len(a) + 1)] + b[rng.randrange(len(b) + 1) :]
        parts[index] = replace(parts[index], body=body, rows=())
    return replace(stream, parts=tuple(parts))


KINDS: dict[str, Callable[[Stream, Stream, random.Random], Stream]] = {
    "bits": flip_bits,
    "element": change_element,
    "units": move_units,
    "size": resize_body,
    "header": change_header,
    "splice": splice,
}
WEIGHTS = (20, 40, 10, 12, 5, 12)


def mutate(data: bytes, other: bytes, rng: random.Random) -> tuple[str, bytes]:
    """One mutation, in one case of four a second one on top; its kinds and the bitstream.

    One in fifty is cut off in the end, anywhere: no CRC repairs that.
    """
    stream, kinds = cut(data), []
    for _ in range(2 if rng.randrange(4) == 0 else 1):
        kind = rng.choices(list(KINDS), WEIGHTS)[0]
        kinds.append(kind)
        if stream.parts:
            stream = KINDS[kind](stream, cut(other), rng)
    out = stream.data()
    if rng.randrange(50) == 0:
        kinds.append("truncation")
        out = out[: rng.randrange(len(out))]
    return "+".join(kinds), out


def is_whole(data: bytes) -> bool:
    """Whether a bitstream can be cut into units."""
    try:
        return bool(cut(data).parts)
    except DfcError:
        return False
