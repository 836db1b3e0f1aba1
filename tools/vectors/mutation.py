"""Bitstreams with one element changed, found by the decoder's trace."""

from __future__ import annotations

from typing import Any

from refsw.syntax.structure import TraceRow
from vectors.bits import crc32


def mutation(
    base: bytes, element: str, value: str, index: int = 0, repair: bool = True
) -> tuple[bytes, dict[str, Any]]:
    """Replace an element's bits, found by the decoder's trace, and repair the CRCs after it."""
    rows = [row for row in trace(base) if row.element == element]
    row = rows[index]
    bits = "".join(f"{byte:08b}" for byte in base)
    new = value[2:].rjust(row.bits, "0") if value.startswith("0b") else f"{int(value, 0):0{row.bits}b}"
    if len(new) != row.bits:
        raise ValueError(f"{element}: {value} does not fit into {row.bits} bits")
    changed = bits[: row.bit_offset] + new + bits[row.bit_offset + row.bits :]
    data = int(changed, 2).to_bytes(len(base), "big")
    told = {
        "element": element,
        "bit_offset": row.bit_offset,
        "from": "0b" + bits[row.bit_offset : row.bit_offset + row.bits],
        "to": "0b" + new,
    }
    return (repaired(data) if repair else data), told


def repaired(data: bytes) -> bytes:
    """The same bitstream with right CRCs of header, units and bitstream; the units keep their lengths."""
    out = bytearray(data[:8] + crc32(data[:8]).to_bytes(4, "big"))
    chain = crc32(bytes(out[8:12]))
    place = 12
    while place < len(data):
        length, start, shift = 0, place + 1, 0
        while True:
            byte = data[start]
            length |= (byte & 0x7F) << shift
            start, shift = start + 1, shift + 7
            if byte < 0x80:
                break
        unit = bytearray(data[place : start + length])
        if data[place] >> 1 == 5:
            unit[-4:] = chain.to_bytes(4, "big")
        crc = crc32(bytes(unit)).to_bytes(4, "big")
        chain = crc32(crc, chain)
        out += unit + crc
        place = start + length + 4
    return bytes(out)


def trace(data: bytes) -> list[TraceRow]:
    """All rows of the decoder's trace, in order of their place."""
    from refsw.inspection import inspect

    return inspect(data, trace=True).rows
