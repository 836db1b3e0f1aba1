"""Captures from recipes: a bitstream in packets, what a network does to them, and the session description beside."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from refsw.carriage.captures import RECEIVER, SENDER, CaptureWriter
from refsw.carriage.datagrams import ip_packet
from refsw.carriage.packetizer import Packetizer, SenderConfig, UnitSource
from refsw.carriage.sdp import SessionParameters, make_sdp
from refsw.carriage.session import Session, read_session
from refsw.syntax.units import crc32, leb128

SOURCE = SenderConfig(
    packet_bytes=120, repeat=4, copies=2, ssrc=0x5EED0001, bitstream_number=17, timestamp_base=1_000_000,
    first_sequence=500,
)  # fmt: skip
"""What a recipe's packets have unless it says otherwise."""
GAP = 0.001
Names = dict[str, Any]
Packets = list[bytes]
MAGICS = {"micro": 0xA1B2C3D4, "nano": 0xA1B23C4D}


def source_of(words: Names) -> SenderConfig:
    """How a bitstream is sent."""
    return replace(SOURCE, **{k: tuple(v) if isinstance(v, list) else v for k, v in words.items()})


def packets_of(data: bytes, words: Names) -> Packets:
    """The packets of a bitstream."""
    return [packet for sent in Packetizer(io.BytesIO(data), source_of(words)) for packet in sent.packets]


def edited(packets: Packets, edits: list[Names]) -> Packets:
    """Packets after what a network, or a forger, does to them, one edit after the other."""
    out = list(packets)
    for edit in edits:
        (kind,) = edit
        out = EDITS[kind](out, edit[kind])
    return out


def _drop(packets: Packets, places: list[int]) -> Packets:
    gone = {place % len(packets) for place in places}
    return [packet for place, packet in enumerate(packets) if place not in gone]


def _order(packets: Packets, places: list[int]) -> Packets:
    """By their places before; those that are not named follow as they were."""
    named = [packets[place] for place in places]
    return named + [packet for place, packet in enumerate(packets) if place not in places]


def _repeat(packets: Packets, word: list[int]) -> Packets:
    """The packet of one place once more, at another."""
    place, at = word
    return [*packets[:at], packets[place], *packets[at:]]


def _bytes(packets: Packets, word: Names) -> Packets:
    """Other bytes from a place of a packet on, cut or longer, with a session CRC that is right again if told."""
    out = list(packets)
    data = bytearray(out[word["packet"]])
    at = word.get("byte", 0)
    new = bytes.fromhex(word.get("to", ""))
    data[at : at + (0 if word.get("insert") else len(new))] = new
    if "length" in word:
        data = data[: word["length"]]
    if word.get("crc"):
        data[-4:] = crc32(bytes(data[14:-4])).to_bytes(4, "big")
    out[word["packet"]] = bytes(data)
    return out


def _insert(packets: Packets, word: Names) -> Packets:
    """A packet of the recipe; with a number of its own, so that the others keep theirs."""
    return [*packets[: word["at"]], bytes.fromhex(word["packet"]), *packets[word["at"] :]]


def _unit(packets: Packets, word: Names) -> Packets:
    """A unit with a right CRC in the place of what a single packet carries."""
    out = list(packets)
    head = bytes.fromhex(word["head"])
    body = bytes.fromhex(word["body"])
    framed = head + leb128(len(body)) + body
    out[word["packet"]] = out[word["packet"]][:12] + b"\x2c" + out[word["packet"]][13:14] + framed
    out[word["packet"]] += crc32(framed).to_bytes(4, "big")
    return out


def _session(packets: Packets, word: Names) -> Packets:
    """Other values in the session description of a packet, with a right CRC."""
    out, changes = list(packets), dict(word)
    place = changes.pop("packet")
    session = read_session(out[place][14:])
    clock = replace(
        session.clock, **{k: changes.pop(k) for k in list(changes) if k in ("base", "rate_scale", "rate_step")}
    )
    sets = tuple(bytes.fromhex(unit) for unit in changes.pop("sets")) if "sets" in changes else session.parameter_sets
    header = bytes.fromhex(changes.pop("header")) if "header" in changes else session.header
    out[place] = out[place][:14] + bytes(Session(header, clock, session.join_sample, sets))
    return out


EDITS = {
    "drop": _drop, "order": _order, "repeat": _repeat, "bytes": _bytes, "insert": _insert, "unit": _unit,
    "session": _session,
}  # fmt: skip


def merged(packets: Packets, others: Packets, how: str) -> Packets:
    """Packets of two bitstreams: one after the other, or in turn."""
    if how == "after":
        return [*packets, *others]
    if how == "before":
        return [*others, *packets]
    out: Packets = []
    for place in range(max(len(packets), len(others))):
        out += packets[place : place + 1] + others[place : place + 1]
    return out


def written(packets: Packets, words: Names) -> bytes:
    """A capture file.

    Args:
        packets: in order.
        words: `format`: rtp, pcap; or frames of a pcap file with `order`, `time`, `link`, `version` of IP, and `port`s
            by place that differ.
    """
    form = words.get("format", "rtp")
    if form in ("rtp", "pcap") and set(words) <= {"format"}:
        out = io.BytesIO()
        writer = CaptureWriter(out, f".{form}")
        for place, packet in enumerate(packets):
            writer.write(place * GAP, packet)
        return out.getvalue()
    order, time, link = words.get("order", "<"), words.get("time", "micro"), words.get("link", 101)
    places = ("2001:db8::1", "2001:db8::2") if words.get("ip") == 6 else ("192.0.2.1", "192.0.2.2")
    source, target = ((ip_address(place), RECEIVER[1]) for place in places)
    data = struct.pack(order + "IHHIIII", MAGICS[time], 2, 4, 0, 0, 1 << 18, link)
    ports = {int(place): port for place, port in words.get("ports", {}).items()}
    for place, packet in enumerate(packets):
        frame = ip_packet(packet, source, (target[0], ports.get(place, target[1])))
        if link == 1:
            frame = b"\x02\0\0\0\0\2\x02\0\0\0\0\1" + (b"\x86\xdd" if words.get("ip") == 6 else b"\x08\0") + frame
        data += struct.pack(order + "IIII", place // 1000, place % 1000 * 1000, len(frame), len(frame)) + frame
    return data


def described(data: bytes, words: Names) -> bytes:
    """The session description of a capture: of what the recipe says of it, and of the bitstream header."""
    given = {"payload_type": 96, "port": SENDER[1]} | {k: v for k, v in words.items() if k != "sets"}
    source = UnitSource(io.BytesIO(data))
    sets = tuple(source.parameter_sets.values()) if words.get("sets") and [*source] else ()
    return make_sdp(SessionParameters(**given, parameter_sets=sets), data[:12], str(RECEIVER[0])).encode()
