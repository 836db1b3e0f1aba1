"""14.3 What packets have before and around the units that they carry, declared once as chapter 6 is."""

from __future__ import annotations

from enum import IntEnum

from refsw.syntax.declaration import Element, Repeat, Rest, Structure

MAX_SESSION_SETS = 64


class PacketType(IntEnum):
    """What follows the payload header."""

    SINGLE = 1
    AGGREGATION = 2
    FRAGMENT = 3


PACKET_MEANINGS = {
    "SINGLE": "one unit, or one session description (14.3.2)",
    "AGGREGATION": "several units of one access unit (14.3.3)",
    "FRAGMENT": "a fragment of a unit or of a session description (14.3.4)",
}

PAYLOAD_HEADER = Structure(
    "payload_header",
    "14.3.1",
    "Payload header",
    (
        Element("packet_type", "u(3)", "What follows the payload header.", values=PacketType),
        Element("session_flag", "u(1)", "1: a session description (14.4) is carried; 0: units of the bitstream."),
        Element("first_flag", "u(1)", "1: what is carried begins in this packet."),
        Element("last_flag", "u(1)", "1: what is carried ends in this packet."),
        Element("reserved_bits", "u(2)", "0 in this version; receivers ignore it."),
        Element("bitstream_number", "u(8)", "Tells the bitstreams of one source apart (14.4.2)."),
    ),
)

AGGREGATED_UNIT = Structure(
    "aggregated_unit",
    "14.3.3",
    "Unit of an aggregation packet",
    (
        Element("size", "u(16)", "Bytes of unit.", low="6"),
        Element("unit", "b(size)", "A whole unit (5.2)."),
    ),
)

FRAGMENT_DATA = Structure(
    "fragment_data",
    "14.3.4",
    "Data of a fragment",
    (Rest("fragment", "The next bytes of the unit or of the session description."),),
)

CARRIAGE_SESSION = Structure(
    "carriage_session",
    "14.4.1",
    "Session description",
    (
        Element("header", "b(12)", "The bitstream_header (6.3) of the bitstream."),
        Element("timestamp_base", "u(32)", "RTP timestamp of the access unit with first_sample 0 (14.5)."),
        Element("rate_scale", "u(32)", "Access units in rate_step seconds.", low="1"),
        Element("rate_step", "u(32)", "Seconds in which there are rate_scale access units.", low="1"),
        Element("join_sample", "u(32)", "first_sample of the access unit that comes next (14.4.3)."),
        Element("set_count", "u(8)", "Number of parameter sets that follow.", high=str(MAX_SESSION_SETS)),
        Repeat(
            "i",
            "set_count",
            (
                Element("set_size", "u(32)", "Bytes of parameter_set.", low="6"),
                Element("parameter_set", "b(set_size[i])", "A whole unit of type FEATURE_PARAMETER_SET."),
            ),
        ),
        Element("session_crc", "u(32)", "CRC-32 (4.5) of all bytes of the session description before it."),
    ),
)

CARRIAGE_STRUCTURES = (PAYLOAD_HEADER, AGGREGATED_UNIT, FRAGMENT_DATA, CARRIAGE_SESSION)
