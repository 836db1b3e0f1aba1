"""14.10: captures of every format, whole and broken, and what Wireshark makes of ours."""

from __future__ import annotations

import io
import random
import shutil
import struct
import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest

from refsw.carriage.captures import Captured, CaptureWriter, is_capture, read_capture
from refsw.carriage.datagrams import datagram_of, ip_packet
from refsw.errors import DfcError, UsageError
from tests.carriage.carrying import bitstream, carry, pyramid, restored

dpkt = pytest.importorskip("dpkt", reason="pcap files need dpkt")
DATA = bitstream()
PACKETS = carry(DATA)
SIX = ip_address("2001:db8::1"), 5004
FOUR = ip_address("192.0.2.7"), 6000


def captured(suffix: str, packets: list[bytes] = PACKETS, **places: object) -> bytes:
    out = io.BytesIO()
    writer = CaptureWriter(out, suffix, **places)  # type: ignore[arg-type]
    for i, packet in enumerate(packets):
        writer.write(i / 4, packet)
    return out.getvalue()


def read(data: bytes) -> list[Captured]:
    return list(read_capture(io.BytesIO(data)))


def pcap(link: int, frames: list[bytes], magic: int = 0xA1B2C3D4, order: str = "<") -> bytes:
    head = struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 262144, link)
    return head + b"".join(struct.pack(order + "IIII", i, 500, len(f), len(f)) + f for i, f in enumerate(frames))


IP = ip_packet(b"payload", FOUR, FOUR)
IP6 = ip_packet(b"payload", SIX, SIX)


@pytest.mark.parametrize("suffix", [".pcap", ".rtp"])
@pytest.mark.parametrize("place", [FOUR, SIX], ids=["IPv4", "IPv6"])
def test_what_is_written_is_read(suffix: str, place: object) -> None:
    data = captured(suffix, source=place, target=place)
    assert is_capture(data[:16])
    found = read(data)
    assert [one.payload for one in found] == PACKETS
    assert [one.seconds for one in found] == [i / 4 for i in range(len(PACKETS))]
    assert {one.port for one in found} == {place[1]}  # type: ignore[index]


def test_pcapng_is_read_as_well() -> None:
    out = io.BytesIO()
    from dpkt import pcapng

    writer = pcapng.Writer(out, snaplen=65535, linktype=101)
    for packet in PACKETS:
        writer.writepkt(ip_packet(packet, FOUR, FOUR), ts=1.0)
    assert restored([one.payload for one in read(out.getvalue())]) == DATA


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1e-6), (0xA1B23C4D, 1e-9)])
def test_both_byte_orders_and_both_units_of_time(order: str, magic: int, unit: float) -> None:
    found = read(pcap(101, [IP, IP6], magic, order))
    assert [one.payload for one in found] == [b"payload"] * 2
    assert [one.seconds for one in found] == pytest.approx([500 * unit, 1 + 500 * unit], abs=1e-10)


MACS = b"\2" * 12
FRAMES = {
    "ethernet": (1, MACS + b"\x08\0" + IP),
    "ethernet, IPv6": (1, MACS + b"\x86\xdd" + IP6),
    "VLAN": (1, MACS + b"\x81\0\0\5\x08\0" + IP),
    "two tags, and padding": (1, MACS + b"\x88\xa8\0\5\x81\0\0\5\x08\0" + IP + bytes(9)),
    "null": (0, b"\2\0\0\0" + IP),
    "loop": (108, b"\0\0\0\2" + IP),
    "cooked": (113, bytes(14) + b"\x08\0" + IP),
    "cooked, second version": (276, b"\x86\xdd" + bytes(18) + IP6),
    "IPv4": (228, IP),
    "IPv6": (229, IP6),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_datagrams_are_found_in_every_link_layer_that_is_known(kind: str) -> None:
    link, frame = FRAMES[kind]
    assert [one.payload for one in read(pcap(link, [frame]))] == [b"payload"]


def test_another_link_type_is_unsupported() -> None:
    with pytest.raises(DfcError) as caught:
        read(pcap(105, [IP]))
    assert (caught.value.requirement, caught.value.exit_code) == ("carriage.capture", 69)


def changed(data: bytes, place: int, value: bytes) -> bytes:
    return data[:place] + value + data[place + len(value) :]


OTHERS = {
    "nothing": b"",
    "TCP": changed(IP, 9, b"\6"),
    "a piece": changed(IP, 6, b"\x20\0"),
    "a later piece": changed(IP, 6, b"\0\1"),
    "a header beyond the packet": changed(IP, 0, b"\x4f"),
    "no header": changed(IP, 0, b"\x44"),
    "a length beyond the packet": changed(IP, 2, b"\xff\xff"),
    "a length without UDP": changed(IP, 2, b"\0\x18"),
    "UDP beyond IP": changed(IP, 24, b"\xff\xff"),
    "UDP shorter than its header": changed(IP, 24, b"\0\7"),
    "version 5": changed(IP, 0, b"\x55"),
    "cut": IP[:-1],
    "a few bytes": IP[:10],
    "IPv6 cut": IP6[:-1],
    "a few bytes of IPv6": IP6[:30],
    "IPv6 with a piece": changed(IP6, 6, b"\x2c"),
    "IPv6 headers without end": changed(IP6, 6, b"\0")[:40] + b"\0\0" + bytes(13),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_whole_datagram_is_passed_over(kind: str) -> None:
    assert datagram_of(OTHERS[kind], 0) is None
    assert [one.payload for one in read(pcap(101, [OTHERS[kind], IP]))] == [b"payload"]


def test_extension_headers_of_ipv6_are_passed_over() -> None:
    extended = IP6[:6] + b"\0" + IP6[7:40] + b"\x2b\0" + bytes(6) + b"\x11\0" + bytes(6) + IP6[40:]
    extended = changed(extended, 4, (len(extended) - 40).to_bytes(2, "big"))
    assert datagram_of(extended, 0) == (5004, b"payload")


@pytest.mark.parametrize("suffix", [".pcap", ".rtp", "pcapng"])
def test_a_capture_that_is_cut_anywhere_is_told_or_ends_where_a_record_ends(suffix: str) -> None:
    few = PACKETS[:3]
    if suffix == "pcapng":
        from dpkt import pcapng

        out = io.BytesIO()
        writer = pcapng.Writer(out, linktype=101)
        for packet in few:
            writer.writepkt(ip_packet(packet, FOUR, FOUR), ts=1.0)
        data = out.getvalue()
    else:
        data = captured(suffix, few)
    whole = read(data)
    ends = 0
    for length in range(len(data)):
        try:
            found = read(data[:length])
        except DfcError as error:
            assert error.requirement == "carriage.capture"
        else:
            assert found == whole[: len(found)]
            ends += 1
    assert ends == len(few)  # before each record


@pytest.mark.parametrize("suffix", [".pcap", ".rtp", "pcapng"])
def test_a_capture_that_is_damaged_gives_datagrams_or_a_typed_error(suffix: str) -> None:
    from dpkt import pcapng

    out = io.BytesIO()
    if suffix == "pcapng":
        writer = pcapng.Writer(out, linktype=101)
        for packet in PACKETS[:6]:
            writer.writepkt(ip_packet(packet, FOUR, FOUR), ts=1.0)
    data = out.getvalue() or captured(suffix, PACKETS[:6])
    rng, told = random.Random(5), 0
    for _ in range(3000):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 5])):
            place = rng.randrange(min(len(data), rng.choice([40, 200, 10_000])))
            damaged[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        try:
            read(bytes(damaged))
        except DfcError as error:
            assert error.requirement == "carriage.capture"
            told += 1
    assert told > 100


@pytest.mark.parametrize("length", [2**32 - 1, 2**31, 262_145])
def test_a_record_of_impossible_length_is_not_even_read(length: int) -> None:
    class Counting(io.BytesIO):
        most = 0

        def read(self, size: int | None = -1) -> bytes:
            self.most = max(self.most, size or 0)
            return super().read(size)

    data = pcap(101, [])
    stream = Counting(data + struct.pack("<IIII", 0, 0, length, length) + bytes(100))
    with pytest.raises(DfcError) as caught:
        list(read_capture(stream))
    assert caught.value.error_class == "OUT_OF_RANGE"
    assert stream.most <= 262_144


@pytest.mark.parametrize("data", [b"", b"DFC", DATA, b"#!rtpplay1.0 \n", b"#!rtpplay1.0 a/99999\n" + bytes(16),
                                  b"#!rtpplay1.0 " + b"x" * 500, b"\xa1\xb2\xc3\xd4"])  # fmt: skip
def test_what_is_no_capture_is_told(data: bytes) -> None:
    with pytest.raises(DfcError) as caught:
        read(data)
    assert caught.value.requirement == "carriage.capture"


def test_rtcp_and_cut_packets_of_rtpdump_are_passed_over() -> None:
    head = b"#!rtpplay1.0 192.0.2.1/5004\n" + bytes(16)
    records = [struct.pack(">HHI", 12, 0, 0) + b"rtcp", struct.pack(">HHI", 12, 40, 0) + b"cut.",
               struct.pack(">HHI", 12, 4, 1500) + b"good"]  # fmt: skip
    assert read(head + b"".join(records)) == [Captured(1.5, 5004, b"good")]
    with pytest.raises(DfcError):
        read(head + struct.pack(">HHI", 7, 4, 0))


def test_other_files_are_not_written() -> None:
    with pytest.raises(UsageError):
        CaptureWriter(io.BytesIO(), ".pcapng")


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("place", [FOUR, SIX], ids=["IPv4", "IPv6"])
def test_wireshark_takes_our_captures_for_rtp_and_has_no_complaint(tmp_path: Path, place: object) -> None:
    packets = carry(pyramid(), packet_bytes=1200) + PACKETS
    path = tmp_path / "x.pcap"
    path.write_bytes(captured(".pcap", packets, source=place, target=place))
    fields = ["rtp.version", "rtp.seq", "rtp.p_type", "rtp.marker", "rtp.ssrc", "_ws.expert", "_ws.malformed"]
    command = ["tshark", "-r", str(path), "-d", f"udp.port=={place[1]},rtp", "-T", "fields"]  # type: ignore[index]
    command += ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    words = [word for field in fields for word in ("-e", field)]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[1] for row in rows] == [str(int.from_bytes(packet[2:4], "big")) for packet in packets]
    assert {(row[0], row[2], row[4]) for row in rows} == {("2", "96", "0x11223344")}
    assert [row[3] in ("1", "True") for row in rows] == [packet[1] >= 128 for packet in packets]
    assert {row[5] + row[6] for row in rows} == {""}
