"""Captures from recipes: a bitstream in packets, what a network does to them, and the session description beside."""

from __future__ import annotations

import base64
import io
import struct
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from refsw.carriage.captures import RECEIVER, SENDER, CaptureWriter
from refsw.carriage.datagrams import ETHERNET, ip_packet
from refsw.carriage.packetizer import Packetizer, SenderConfig, UnitSource
from refsw.carriage.sdp import SessionParameters, make_sdp
from refsw.carriage.session import Session, read_session
from refsw.syntax.bits import BitWriter
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


def _forge(packets: Packets, word: Names) -> Packets:
    """A packet like that of a place, in its stead or before it, with other words: what is not told is the same.

    Args:
        packets: all of them.
        word: `at`; `insert`; `number` and `time` of RTP; `kind`, the first byte of the payload header; and what it
            carries: `body`, `unit`, or `units` of an aggregation packet.
    """
    place = word["at"]
    like = packets[place]
    number = word.get("number", int.from_bytes(like[2:4], "big")) & 0xFFFF
    time = word.get("time", int.from_bytes(like[4:8], "big"))
    kind = bytes.fromhex(word["kind"]) if "kind" in word else like[12:13]
    head = like[:2] + number.to_bytes(2, "big") + time.to_bytes(4, "big") + like[8:12] + kind + like[13:14]
    if "units" in word:
        framed = [framed_unit(unit) for unit in word["units"]]
        body = b"".join(len(unit).to_bytes(2, "big") + unit for unit in framed)
    elif "unit" in word:
        body = framed_unit(word["unit"])
    else:
        body = bytes.fromhex(word["body"]) if "body" in word else like[14:]
    return [*packets[:place], head + body, *packets[place + (not word.get("insert")) :]]


def framed_unit(word: Names) -> bytes:
    """A unit: `type`, `skippable`, and a body of `ue`(v) elements, `bits`, and after alignment bytes (`rest`)."""
    body = BitWriter()
    for value in word.get("ue", []):
        body.ue(value)
    for bit in word.get("bits", ""):
        body.u(int(bit), 1)
    body.align()
    data = body.getvalue() + bytes.fromhex(word.get("rest", ""))
    framed = bytes([word["type"] << 1 | word.get("skippable", 0)]) + leb128(len(data)) + data
    return framed + (crc32(framed) ^ word.get("xor", 0)).to_bytes(4, "big")


def _renumber(packets: Packets, word: list[int]) -> Packets:
    """From a place on, sequence numbers that are greater by so much."""
    start, more = word
    changed = [(int.from_bytes(p[2:4], "big") + more) & 0xFFFF for p in packets[start:]]
    return [
        *packets[:start],
        *(p[:2] + n.to_bytes(2, "big") + p[4:] for p, n in zip(packets[start:], changed, strict=True)),
    ]


def _count(packets: Packets, start: int) -> Packets:
    """Sequence numbers in order, from one on, whatever they were."""
    return [p[:2] + ((start + i) & 0xFFFF).to_bytes(2, "big") + p[4:] for i, p in enumerate(packets)]


def _move(packets: Packets, word: list[int]) -> Packets:
    """The packet of one place at another."""
    out = list(packets)
    out.insert(word[1], out.pop(word[0]))
    return out


def _session(packets: Packets, word: Names) -> Packets:
    """Other values in the session description of a packet, with a right CRC; of `sets`, numbers are those it has."""
    out, changes = list(packets), dict(word)
    place = changes.pop("packet")
    session = read_session(out[place][14:])
    clock = replace(
        session.clock, **{k: changes.pop(k) for k in list(changes) if k in ("base", "rate_scale", "rate_step")}
    )
    own = session.parameter_sets
    sets = tuple(
        own[unit] if isinstance(unit, int) else bytes.fromhex(unit) for unit in changes.pop("sets", range(len(own)))
    )
    header = bytes.fromhex(changes.pop("header")) if "header" in changes else session.header
    data = bytes(Session(header, clock, changes.pop("join", session.join_sample), sets))
    beyond = changes.pop("beyond", 0)
    if beyond:  # more of the first parameter set than there can be
        again = data[29 : 33 + len(sets[0])] * beyond
        data = data[:28] + bytes([data[28] + beyond]) + again + data[29:-4]
        data += crc32(data).to_bytes(4, "big")
    out[place] = out[place][:14] + data
    return out


EDITS = {
    "drop": _drop, "order": _order, "repeat": _repeat, "bytes": _bytes, "insert": _insert, "unit": _unit,
    "session": _session, "forge": _forge, "renumber": _renumber, "move": _move, "count": _count,
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
            by place that differ. What is then done to the file: `line` in the place of the first one of rtpdump;
            `lengths` of its records by place; `frame`s changed by place, each as [byte, new bytes, bytes in whose
            place they stand]; `others` before a place; `kept`, how much of a frame is there; `end` bytes cut off
            or `all` but these; and bytes at a place of the file.
    """
    form = words.get("format", "rtp")
    if form == "frames":
        data = _frames(packets, words)
    else:
        out = io.BytesIO()
        writer = CaptureWriter(out, f".{form}")
        for place, packet in enumerate(packets):
            if form == "rtp" and str(place) in words.get("lengths", {}):
                out.write(struct.pack(">HHI", *words["lengths"][str(place)], 0) + packet)
            else:
                writer.write(place * GAP, packet)
        data = out.getvalue()
    if "line" in words:
        data = words["line"].encode() + data[data.index(b"\n") + 1 :]
    for place, new in words.get("bytes", []):
        data = data[:place] + bytes.fromhex(new) + data[place + len(new) // 2 :]
    return data[: words.get("all", len(data) - words.get("end", 0))]


def _frames(packets: Packets, words: Names) -> bytes:
    order, time, link = words.get("order", "<"), words.get("time", "micro"), words.get("link", 101)
    places = ("2001:db8::1", "2001:db8::2") if words.get("ip") == 6 else ("192.0.2.1", "192.0.2.2")
    source, target = ((ip_address(place), RECEIVER[1]) for place in places)
    data = struct.pack(order + "IHHIIII", MAGICS[time], 2, 4, 0, 0, 1 << 18, link)
    ports = {int(place): port for place, port in words.get("ports", {}).items()}
    frames = [ip_packet(packet, source, (target[0], ports.get(i, target[1]))) for i, packet in enumerate(packets)]
    if link == ETHERNET:
        kind = b"\x86\xdd" if words.get("ip") == 6 else b"\x08\0"
        frames = [b"\x02\0\0\0\0\2\x02\0\0\0\0\1" + kind + frame for frame in frames]
    for place, changes in words.get("frame", {}).items():
        for at, new, gone in changes:
            frame = frames[int(place)]
            frames[int(place)] = frame[:at] + bytes.fromhex(new) + frame[at + gone :]
    for place, frame in words.get("others", []):
        frames.insert(place, bytes.fromhex(frame))
    for i, frame in enumerate(frames):
        kept = words.get("kept", {}).get(str(i), len(frame))
        data += struct.pack(order + "IIII", i // 1000, i % 1000 * 1000, kept, len(frame)) + frame[:kept]
    return data


def described(data: bytes, words: Names) -> bytes:
    """The session description of a capture: of what the recipe says of it, and of the bitstream header.

    Args:
        data: the bitstream.
        words: of `SessionParameters`, `sets` where all parameter sets are wanted; or the `text` itself, with the
            parameter sets in base64 in the place of {sets}, {0}, {1}, ...; or `bytes`.
    """
    source = UnitSource(io.BytesIO(data))
    told = [*source] and [base64.b64encode(unit).decode() for unit in source.parameter_sets.values()]
    if "bytes" in words:
        return bytes.fromhex(words["bytes"])
    if "text" in words:
        text: str = words["text"].replace("{sets}", ",".join(told))
        for i, unit in enumerate(told):
            text = text.replace(f"{{{i}}}", unit)
        return text.encode()
    given = {"payload_type": 96, "port": SENDER[1]} | {k: v for k, v in words.items() if k != "sets"}
    sets = tuple(source.parameter_sets.values()) if words.get("sets") else ()
    return make_sdp(SessionParameters(**given, parameter_sets=sets), data[:12], str(RECEIVER[0])).encode()
