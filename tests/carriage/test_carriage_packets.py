"""14.2, 14.3: headers, aggregation, fragments."""

from __future__ import annotations

import pytest

from refsw.carriage.fragments import Assembler
from refsw.carriage.packets import KINDS, Kind, Packet, aggregated, parse, payload_header
from refsw.syntax.carriage_structures import PacketType
from tests.carriage.carrying import bitstream, carry, parsed, pyramid, restored

SINGLE = Kind(PacketType.SINGLE, False, True, True)
PACKET = bytes.fromhex("80 e0 0005 00000006 00000007") + payload_header(SINGLE, 9) + b"body!"


def with_head(first: int, *, before: bytes = b"", after: bytes = b"") -> bytes:
    return bytes([first]) + PACKET[1:12] + before + PACKET[12:] + after


def test_the_two_bytes_stand_as_the_table_says() -> None:
    assert payload_header(Kind(PacketType.FRAGMENT, True, True, False), 0xAB) == bytes([0b011_1_1_0_00, 0xAB])
    assert payload_header(SINGLE, 0) == bytes([0b001_0_1_1_00, 0])


def test_a_packet_is_what_was_written() -> None:
    found = parse(PACKET, 96)
    assert found is not None
    assert found._replace(body=bytes(found.body)) == Packet(5, 6, True, 7, 9, SINGLE, b"body!")


@pytest.mark.parametrize("data", [PACKET[:13], b"", PACKET[:1] + bytes([97]) + PACKET[2:], with_head(0x40)])
def test_other_packets_are_none_of_ours(data: bytes) -> None:
    assert parse(data, 96) is None


@pytest.mark.parametrize(
    "data",
    [
        with_head(0x82, before=b"\1\2\3\4\5\6\7\x08"),
        with_head(0x90, before=b"\xbe\xde\0\1....") ,
        with_head(0xA0, after=b"\0\0\0\4"),
        with_head(0xB1, before=b"csrc\0\0\0\0", after=b"\1"),
    ],
)  # fmt: skip
def test_csrc_identifiers_extensions_and_padding_are_passed_over(data: bytes) -> None:
    found = parse(data, 96)
    assert found is not None
    assert bytes(found.body) == b"body!"


@pytest.mark.parametrize(
    "data",
    [
        with_head(0x8F),
        with_head(0x90, before=b"\xbe\xde\xff\xff"),
        with_head(0x90)[:14],
        with_head(0xA0, after=b"\0\0\0\xff"),
        with_head(0xA0, after=b"\0"),
    ],
)
def test_lengths_beyond_the_packet_make_it_none(data: bytes) -> None:
    assert parse(data, 96) is None


def test_kinds_are_those_of_the_clause() -> None:
    good = {
        (PacketType.SINGLE, False, True, True), (PacketType.SINGLE, True, True, True),
        (PacketType.AGGREGATION, False, True, True),
        *((PacketType.FRAGMENT, session, first, last) for session in (False, True)
          for first, last in ((True, False), (False, False), (False, True))),
    }  # fmt: skip
    assert {tuple(kind) for kind in KINDS if kind is not None} == good
    for byte, kind in enumerate(KINDS):  # the reserved bits are ignored
        assert kind == KINDS[byte & ~3]


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\5abcde", b"\0\7abcdef", b"\0\6abcdef\0"])
def test_sizes_that_do_not_add_up_make_an_aggregation_packet_nothing(body: bytes) -> None:
    assert aggregated(body) is None


def test_small_units_share_packets_and_great_ones_are_cut() -> None:
    kinds = {packet.kind.type for packet in parsed(carry(pyramid()))}
    assert kinds == set(PacketType)
    assert {p.kind.type for p in parsed(carry(pyramid(), packet_bytes=60_000, aggregate=False))} == {PacketType.SINGLE}


@pytest.mark.parametrize("size", [64, 65, 77, 150, 151, 1200, 65507])
def test_packets_of_any_size_give_the_bitstream_again(size: int) -> None:
    for data in (pyramid(), bitstream()):
        packets = carry(data, packet_bytes=size)
        assert max(map(len, packets)) <= size
        assert restored(packets) == data


# --- fragments ---

UNIT = bytes([4, 8]) + b"12345678" + b"crc!"


def fragment(data: bytes, *, first: bool = False, last: bool = False, timestamp: int = 1) -> Packet:
    return Packet(0, timestamp, False, 7, 9, Kind(PacketType.FRAGMENT, False, first, last), data)


def whole(*fragments: tuple[int, Packet]) -> tuple[list[bytes], int]:
    assembler, out = Assembler(longest=1000), []
    for number, packet in fragments:
        out += [bytes(item.data) for item in assembler.add(number, packet)]
    assembler.finish()
    return out, assembler.damaged


def test_fragments_in_order_are_a_unit() -> None:
    a, b, c = fragment(UNIT[:5], first=True), fragment(UNIT[5:9]), fragment(UNIT[9:], last=True)
    assert whole((1, a), (2, b), (3, c)) == ([UNIT], 0)


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_without_one_of_them_there_is_none(gone: int) -> None:
    three = [(1, fragment(UNIT[:5], first=True)), (2, fragment(UNIT[5:9])), (3, fragment(UNIT[9:], last=True))]
    out, damaged = whole(*(entry for i, entry in enumerate(three) if i != gone))
    assert out == []
    assert damaged == (gone > 0)


@pytest.mark.parametrize(
    "fragments",
    [
        [(1, fragment(UNIT[:5], first=True)), (2, fragment(UNIT[5:], last=True, timestamp=2))],
        [(1, fragment(UNIT[:5], first=True)), (2, fragment(UNIT[5:] + b"more", last=True))],
        [(1, fragment(UNIT[:5], first=True)), (2, fragment(UNIT[5:-1], last=True))],
        [(1, fragment(UNIT[:5], first=True)), (2, fragment(UNIT[:5], first=True))],
        [(1, fragment(b"\4\xff\xff\x01abc", first=True)), (2, fragment(b"x" * 100))],
    ],
    ids=["time", "too long", "too short", "two beginnings", "beyond what is kept"],
)
def test_fragments_that_do_not_go_together_are_damage(fragments: list[tuple[int, Packet]]) -> None:
    out, damaged = whole(*fragments)
    assert out == []
    assert damaged >= 1


def test_fragments_that_never_end_are_bounded_by_the_length_that_the_first_one_tells() -> None:
    assembler = Assembler(longest=10_000)
    assembler.add(0, fragment(bytes([4, 0xE8, 0x07]) + b"x" * 100, first=True))
    for number in range(1, 1000):
        assembler.add(number, fragment(b"y" * 500))
        assert assembler._size <= 1000 + 7
    assert assembler.damaged == 1
