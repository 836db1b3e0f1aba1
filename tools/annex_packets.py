"""The worked example of Annex A.3: a bitstream in RTP packets, element by element, as a table for the text.

The bytes are those of spec/annex-a-packets.hex, a packet a paragraph; `tests/carriage` compares them with what the
reference sender makes of the bitstream of A.1, and receives them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from refsw.syntax.bits import BitReader
from refsw.syntax.carriage_structures import AGGREGATED_UNIT, CARRIAGE_SESSION, PAYLOAD_HEADER, PacketType
from refsw.syntax.declaration import Structure, Values
from refsw.syntax.structure import TraceRow, read_structure

FILE = Path(__file__).resolve().parent.parent / "spec" / "annex-a-packets.hex"
RTP = (
    ("version", 2), ("padding", 1), ("extension", 1), ("csrc_count", 4), ("marker", 1), ("payload_type", 7),
    ("sequence_number", 16), ("timestamp", 32), ("ssrc", 32),
)  # fmt: skip
"""The fixed header of RFC 3550, 5.1, and the bits of its fields."""
RTP_BYTES = 12


def packets() -> list[bytes]:
    """The packets of the example."""
    return [bytes.fromhex(text) for text in FILE.read_text().split("\n\n")]


def rows(packet: bytes) -> Iterator[TraceRow]:
    """The fields of its RTP header, and the elements of what is after it; a unit is one of them."""
    reader = BitReader(packet)
    for name, bits in RTP:
        yield TraceRow(reader.offset, bits, "14.2", "rtp", name, f"u({bits})", reader.u(bits))
    found: list[TraceRow] = []
    header, start = _read(PAYLOAD_HEADER, packet, RTP_BYTES, found)
    if header["session_flag"]:
        _, start = _read(CARRIAGE_SESSION, packet, start, found)
    while header["packet_type"] == PacketType.AGGREGATION and start < len(packet):
        _, start = _read(AGGREGATED_UNIT, packet, start, found)
    yield from found
    if start < len(packet):
        yield TraceRow(8 * start, 8 * (len(packet) - start), "5.2", "unit", "unit", "b(n)", packet[start:])


def _read(structure: Structure, packet: bytes, start: int, found: list[TraceRow]) -> tuple[Values, int]:
    """The elements of a structure, and where it ends."""
    reader = BitReader(packet[start:], base=8 * start)
    values = read_structure(structure, reader, trace=found.append)
    return values, len(packet) - reader.remaining // 8


def shown(row: TraceRow) -> str:
    """The value of a row."""
    if isinstance(row.value, bytes):
        whole = row.element.startswith(("unit", "parameter_set"))
        return f"a unit of {len(row.value)} bytes" if whole else row.value.hex(" ")
    if row.element == "packet_type":
        return f"{int(row.value)} ({PacketType(row.value).name})"
    return f"0x{row.value:08X}" if row.element in ("ssrc", "session_crc") else str(int(row.value))


def table() -> str:
    """All packets."""
    out = ["```text", "  byte.bit  bits  bytes                     element = value"]
    for number, packet in enumerate(packets()):
        out += ["", f"packet {number}, {len(packet)} bytes"] if number else [f"packet 0, {len(packet)} bytes"]
        for row in rows(packet):
            first, end = row.bit_offset // 8, (row.bit_offset + row.bits + 7) // 8
            raw = packet[first:end]
            text = raw[:8].hex(" ") + (" .." if len(raw) > 8 else "")
            place = f"{first}.{row.bit_offset % 8}"
            out.append(f"{place:>10} {row.bits:>5}  {text:<25} {row.element} = {shown(row)}")
    return "\n".join([*out, "```", ""])
