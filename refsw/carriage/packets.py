"""14.2, 14.3 RTP packets and their payload headers, as bytes and as values."""

from __future__ import annotations

import struct
from typing import NamedTuple

from refsw.errors import DfcError
from refsw.syntax.bits import BitReader, BitWriter
from refsw.syntax.carriage_structures import AGGREGATED_UNIT, PAYLOAD_HEADER, PacketType
from refsw.syntax.declaration import Values
from refsw.syntax.structure import Trace, read_structure, write_structure
from refsw.syntax.units import CRC_BYTES, LEAST_UNIT, LONGEST_HEAD

CLOCK = 90_000
"""14.2 Ticks of RTP timestamps in a second."""
RTP_BYTES = 12
OVERHEAD = RTP_BYTES + 2
"""Bytes of a packet before what it carries: RTP header and payload header."""
SIZE_BYTES = 2
"""14.3.3 Of the size before a unit of an aggregation packet."""
LONGEST = 65_507
"""Bytes of the longest datagram of UDP over IPv4."""
DEFAULT_PAYLOAD_TYPE = 96
VERSION_2 = 0x80
MARKER = 0x80
HEAD = struct.Struct(">BBHIIBB")
SHORTEST = HEAD.size


class Kind(NamedTuple):
    """14.3.1 The first byte of a payload header."""

    type: PacketType
    session: bool
    first: bool
    last: bool


class Packet(NamedTuple):
    """One RTP packet of the payload format; `body` is what follows its payload header."""

    sequence: int
    timestamp: int
    marker: bool
    ssrc: int
    number: int
    kind: Kind
    body: bytes | memoryview


def payload_header(kind: Kind, number: int) -> bytes:
    """14.3.1 The two bytes before what a packet carries."""
    writer = BitWriter()
    values = {
        "packet_type": kind.type,
        "session_flag": int(kind.session),
        "first_flag": int(kind.first),
        "last_flag": int(kind.last),
        "reserved_bits": 0,
        "bitstream_number": number,
    }
    write_structure(PAYLOAD_HEADER, writer, values)
    return writer.getvalue()


def _kind_of(byte: int) -> Kind | None:
    """14.3.1 What a first byte says; None where it breaks the syntax or 14.3."""
    try:
        values = read_structure(PAYLOAD_HEADER, BitReader(bytes([byte, 0])))
    except DfcError:
        return None
    return _checked(values)


def _checked(values: Values) -> Kind | None:
    kind = Kind(
        PacketType(values["packet_type"]),
        bool(values["session_flag"]),
        bool(values["first_flag"]),
        bool(values["last_flag"]),
    )
    if kind.type is PacketType.FRAGMENT:
        return None if kind.first and kind.last else kind
    if not (kind.first and kind.last) or (kind.session and kind.type is PacketType.AGGREGATION):
        return None
    return kind


KINDS = tuple(_kind_of(byte) for byte in range(256))
"""By the first byte of a payload header; None: the packet is ignored."""


class FirstBytes(NamedTuple):
    """14.3.1 The first bytes of payload headers: of what is carried whole, and of fragments of it."""

    whole: int
    first: int
    middle: int
    last: int


def _first_bytes(*, session: bool) -> FirstBytes:
    whole = Kind(PacketType.SINGLE, session, True, True)
    ends = ((True, False), (False, False), (False, True))
    kinds = (whole, *(Kind(PacketType.FRAGMENT, session, first, last) for first, last in ends))
    return FirstBytes(*(payload_header(kind, 0)[0] for kind in kinds))


UNIT, SESSION = _first_bytes(session=False), _first_bytes(session=True)
AGGREGATION = payload_header(Kind(PacketType.AGGREGATION, False, True, True), 0)[0]


def parse(data: bytes, payload_type: int) -> Packet | None:
    """14.2, 14.3.1 One packet; None if it is none of the payload type, or breaks 14.2 or 14.3."""
    if len(data) < SHORTEST:
        return None
    first, second, sequence, timestamp, ssrc, kind_byte, number = HEAD.unpack_from(data)
    if second & 0x7F != payload_type:
        return None
    start, end = RTP_BYTES, len(data)
    if first != VERSION_2:
        found = _payload(data, first)
        if found is None:
            return None
        start, end = found
        kind_byte, number = data[start], data[start + 1]
    kind = KINDS[kind_byte]
    if kind is None:
        return None
    body = memoryview(data)[start + 2 : end]
    if not _stands(kind, body):
        return None
    return Packet(sequence, timestamp, second >= MARKER, ssrc, number, kind, body)


def _stands(kind: Kind, body: memoryview) -> bool:
    """14.6.1 Whether what a packet carries is as 14.3.3 and 14.3.4 say. A packet that is not so takes no number."""
    if kind.type is PacketType.AGGREGATION:
        return aggregated(body) is not None
    if kind.type is PacketType.FRAGMENT:
        return len(body) > 0 and (kind.session or not kind.first or framed_length(body) is not None)
    return True


def _payload(data: bytes, first: int) -> tuple[int, int] | None:
    """Where the payload of a packet with CSRC identifiers, a header extension or padding begins and ends (RFC 3550)."""
    if first >> 6 != 2:
        return None
    start, end = RTP_BYTES + 4 * (first & 0xF), len(data)
    if first & 0x10:  # of which the length may be beyond the packet: then so is its end
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if first & 0x20:
        if not data[-1]:
            return None
        end -= data[-1]
    return (start, end) if start + 2 <= end else None


def framed_length(data: bytes | memoryview) -> int | None:
    """5.2 Length of the unit that begins with some bytes, from its unit_length; None if that is not right."""
    found = framing(data)
    return None if found is None else found[1]


def framing(data: bytes | memoryview) -> tuple[int, int] | None:
    """5.2 Where the body of the unit that begins with some bytes begins, and the unit's length; None if not right."""
    value = shift = 0
    for byte in data[1:LONGEST_HEAD]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            start = 1 + shift // 7
            shortest = byte or shift == 7
            return (start, start + value + CRC_BYTES) if shortest and value < 1 << 32 else None
    return None


def aggregated(body: bytes | memoryview) -> list[memoryview] | None:
    """14.3.3 The units of an aggregation packet; None if their sizes are not those of what is there."""
    body, units, place = memoryview(body), [], 0
    while place < len(body):
        start = place + SIZE_BYTES
        size = int.from_bytes(body[place:start], "big")
        place = start + size
        if size < LEAST_UNIT or place > len(body):
            return None
        units.append(body[start:place])
    return units or None


def trace_packet(packet: Packet, number: int, trace: Trace) -> None:
    """The syntax elements of a packet's payload header, and of an aggregation packet's sizes, as trace rows."""
    read_structure(PAYLOAD_HEADER, BitReader(payload_header(packet.kind, number)), trace=trace)
    if packet.kind.type is PacketType.AGGREGATION:
        reader = BitReader(packet.body)
        while reader.remaining:
            read_structure(AGGREGATED_UNIT, reader, trace=trace)
