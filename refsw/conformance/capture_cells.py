"""13.10 Coverage of the syntax of carriage (14.3, 14.4): classes of values, read off the packets of a capture.

A receiver ignores what breaks this syntax and goes on, so that a capture shows wrong values besides right ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from refsw.carriage.packets import DEFAULT_PAYLOAD_TYPE, KINDS, RTP_BYTES, SIZE_BYTES
from refsw.syntax.carriage_structures import MAX_SESSION_SETS, PacketType
from refsw.syntax.units import LEAST_UNIT, crc32

NUMBERS = ("min", "interior", "max")
CARRIAGE_CELLS: dict[str, tuple[str, ...]] = {
    "payload_header.packet_type": (*(kind.name for kind in PacketType), "reserved"),
    "payload_header.session_flag": ("0", "1"),
    "payload_header.first_flag": ("0", "1"),
    "payload_header.last_flag": ("0", "1"),
    "payload_header.reserved_bits": ("zero", "other"),
    "payload_header.bitstream_number": NUMBERS,
    "aggregated_unit.size": ("right", "below", "beyond"),
    "aggregated_unit.unit": ("present",),
    "fragment_data.fragment": ("present", "empty"),
    "carriage_session.header": ("right", "wrong"),
    "carriage_session.timestamp_base": NUMBERS,
    "carriage_session.rate_scale": ("min", "interior", "max", "below"),
    "carriage_session.rate_step": ("min", "interior", "max", "below"),
    "carriage_session.join_sample": ("min", "interior"),
    "carriage_session.set_count": ("0", "1", "several", "above"),
    "carriage_session.set_size": ("right", "below", "beyond"),
    "carriage_session.parameter_set": ("present",),
    "carriage_session.session_crc": ("right", "wrong"),
}
HEADER, BASE, SCALE, STEP, JOIN, COUNT, SETS = 0, 12, 16, 20, 24, 28, 29
"""Where the elements of a session description begin."""


def observed_packets(packets: Iterable[bytes], payload_type: int = DEFAULT_PAYLOAD_TYPE) -> set[str]:
    """The cells that RTP packets without CSRC identifiers, header extensions and padding exercise."""
    cells: set[str] = set()
    for packet in packets:
        if len(packet) > RTP_BYTES + 1 and packet[0] == 0x80 and packet[1] & 0x7F == payload_type:
            cells.update(_of_packet(packet[RTP_BYTES], packet[RTP_BYTES + 1], packet[RTP_BYTES + 2 :]))
    return cells


def _of_packet(head: int, number: int, body: bytes) -> Iterator[str]:
    kind = head >> 5
    name = PacketType(kind).name if kind in set(PacketType) else "reserved"
    yield f"payload_header.packet_type={name}"
    for flag, bit in (("session_flag", 4), ("first_flag", 3), ("last_flag", 2)):
        yield f"payload_header.{flag}={head >> bit & 1}"
    yield f"payload_header.reserved_bits={'other' if head & 3 else 'zero'}"
    yield f"payload_header.bitstream_number={_number(number, 0, 255)}"
    known = KINDS[head]
    if known is None:
        return
    if known.type is PacketType.AGGREGATION:
        yield from _of_aggregation(body)
    elif known.type is PacketType.FRAGMENT:
        yield f"fragment_data.fragment={'present' if body else 'empty'}"
    elif known.session:
        yield from _of_session(body)


def _number(value: int, low: int, high: int) -> str:
    return "below" if value < low else "min" if value == low else "max" if value == high else "interior"


def _of_aggregation(body: bytes) -> Iterator[str]:
    place = 0
    while place < len(body):
        size = int.from_bytes(body[place : place + SIZE_BYTES], "big")
        place += SIZE_BYTES + size
        told = "below" if size < LEAST_UNIT else "beyond" if place > len(body) else "right"
        yield f"aggregated_unit.size={told}"
        if told != "right":
            return
        yield "aggregated_unit.unit=present"


def _of_session(body: bytes) -> Iterator[str]:
    name = "carriage_session"
    whole = crc32(body[:-4]).to_bytes(4, "big") == body[-4:]
    yield f"{name}.session_crc={'right' if whole else 'wrong'}"
    if not whole or len(body) < SETS + 4:
        return
    header = crc32(body[:8]).to_bytes(4, "big") == body[8:12]
    yield f"{name}.header={'right' if header else 'wrong'}"
    for element, place, low in (("timestamp_base", BASE, 0), ("rate_scale", SCALE, 1), ("rate_step", STEP, 1)):
        value = int.from_bytes(body[place : place + 4], "big")
        yield f"{name}.{element}={_number(value, low, 2**32 - 1)}"
    yield f"{name}.join_sample={_number(int.from_bytes(body[JOIN : JOIN + 4], 'big'), 0, 2**32)}"
    count = body[COUNT]
    told = "above" if count > MAX_SESSION_SETS else str(count) if count < 2 else "several"
    yield f"{name}.set_count={told}"
    place = SETS
    for _ in range(min(count, MAX_SESSION_SETS)):
        size = int.from_bytes(body[place : place + 4], "big")
        place += 4 + size
        told = "below" if size < LEAST_UNIT else "beyond" if place > len(body) - 4 else "right"
        yield f"{name}.set_size={told}"
        if told != "right":
            return
        yield f"{name}.parameter_set=present"
