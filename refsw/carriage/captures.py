"""14.10 Captures of packets: pcap, pcapng and rtpdump files to read, pcap and rtpdump files to write."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any, BinaryIO, NamedTuple

from refsw.carriage.datagrams import LINKS, RAW, Address, datagram_of, ip_packet
from refsw.errors import DfcError, ErrorClass, ParseError, UnsupportedError, UsageError
from refsw.extras import optional

RTPDUMP, PCAPNG = b"#!rtpplay1.0 ", b"\x0a\x0d\x0d\x0a"
BIG, LITTLE = b"\0\2\0\4", b"\2\0\4\0"
PCAP = {bytes.fromhex(magic): version for magic, version in (
    ("a1b2c3d4", BIG), ("d4c3b2a1", LITTLE), ("a1b23c4d", BIG), ("4d3cb2a1", LITTLE),
)}  # fmt: skip
"""The first four bytes of pcap files, and version 2.4 after them."""
SUFFIXES = (".pcap", ".rtp")
LONGEST_RECORD = 1 << 18
"""Bytes of a packet in a capture; programs that capture write at most as many."""
LONGEST_LINE = 256
DUMP_HEAD = struct.Struct(">IIIHH")
DUMP_PACKET = struct.Struct(">HHI")
SENDER: tuple[Address, int] = (IPv4Address("192.0.2.1"), 5004)
RECEIVER: tuple[Address, int] = (IPv4Address("192.0.2.2"), 5004)
"""Addresses for documentation (RFC 5737), where nothing was sent."""


class Captured(NamedTuple):
    """A datagram of a capture: when it came, in seconds, the port that it went to (None: not told), its payload."""

    seconds: float
    port: int | None
    payload: bytes


def is_capture(start: bytes) -> bool:
    """Whether a file that starts so is a capture."""
    return start[:4] in PCAP or start[:4] == PCAPNG or start.startswith(RTPDUMP)


def read_capture(stream: BinaryIO) -> Iterator[Captured]:
    """The datagrams of a capture, in order. What is no whole UDP datagram in it is passed over.

    Raises:
        ParseError: it is no capture, or damaged.
        UnsupportedError: its link type is none of those known.
    """
    start = stream.read(len(PCAPNG))
    if start in PCAP:
        version = stream.read(len(BIG))
        if version != PCAP[start]:
            raise _wrong(ErrorClass.RESERVED_VALUE, f"version 2.4, {PCAP[start].hex()}", version.hex(), len(start))
        yield from _read_pcap(_Exact(stream, start + version), pcapng=False)
    elif start == PCAPNG:
        yield from _read_pcap(_Exact(stream, start), pcapng=True)
    elif RTPDUMP.startswith(start) and len(start) == len(PCAPNG):
        yield from _read_rtpdump(_Exact(stream, start))
    else:
        raise _wrong(ErrorClass.BAD_SIGNATURE, "a pcap, pcapng or rtpdump file", start.hex(" ") or "an empty input")


class _Exact:
    """What a capture is read from: records are there whole, and of a length that captures have.

    After the file's own header, records are read in two steps, a head and what follows it: `records` says that from
    here on every second read may find the end of the file.
    """

    def __init__(self, stream: BinaryIO, start: bytes) -> None:
        self._stream, self._start = stream, start
        self.place = 0
        self._reads: int | None = None

    def records(self) -> None:
        """The next read is the head of a record, if there is one."""
        self._reads = 0

    def read(self, size: int) -> bytes:
        """The next bytes, all of them; nothing at the end of the file, where a record may begin."""
        if not 0 <= size <= LONGEST_RECORD:
            raise _wrong(ErrorClass.OUT_OF_RANGE, f"a record of at most {LONGEST_RECORD} bytes", str(size), self.place)
        data, self._start = self._start[:size], self._start[size:]
        if len(data) < size:
            data += self._stream.read(size - len(data))
        may_end = self._reads is not None and self._reads % 2 == 0
        if len(data) < size and (data or not may_end):
            raise _wrong(ErrorClass.TRUNCATED, f"{size} bytes", f"{len(data)} before the end", self.place)
        self.place += len(data)
        if self._reads is not None:
            self._reads += 1
        return data


def _read_pcap(source: _Exact, *, pcapng: bool) -> Iterator[Captured]:
    library = optional("dpkt.pcapng" if pcapng else "dpkt.pcap")
    reader: Any = _guarded(lambda: library.Reader(source), source)
    source.records()
    link = reader.datalink() & 0xFFFF
    if link not in LINKS:
        raise UnsupportedError(
            ErrorClass.RESERVED_VALUE, "carriage.capture", "link type", None,
            expected=f"one of {', '.join(map(str, LINKS))}", got=str(link),
        )  # fmt: skip
    begin, records = LINKS[link], iter(reader)
    while (record := _guarded(lambda: next(records, None), source)) is not None:
        seconds, data = record
        start = begin(data)
        found = None if start is None else datagram_of(data, start)
        if found is not None:
            yield Captured(float(seconds), found.port, found.payload)


def _guarded(call: Any, source: _Exact) -> Any:
    """What a call of the library gives; what it trips over is damage of the capture."""
    try:
        return call()
    except DfcError:
        raise
    except Exception as error:  # whatever: the library says nothing of what it raises
        said = f"{type(error).__name__}: {error}"
        raise _wrong(ErrorClass.LENGTH_MISMATCH, "a capture", said, source.place) from error


def _read_rtpdump(source: _Exact) -> Iterator[Captured]:
    line = bytearray()
    while not line.endswith(b"\n") and len(line) < LONGEST_LINE:
        line += source.read(1)
    port = line[:-1].rpartition(b"/")[2]
    if not line.startswith(RTPDUMP) or not line.endswith(b"\n") or not port.isdigit() or int(port) >= 1 << 16:
        raise _wrong(ErrorClass.BAD_SIGNATURE, "#!rtpplay1.0 address/port", repr(bytes(line)))
    source.read(DUMP_HEAD.size)
    source.records()
    while head := source.read(DUMP_PACKET.size):
        length, packet, offset = DUMP_PACKET.unpack(head)
        if length < DUMP_PACKET.size:
            raise _wrong(ErrorClass.LENGTH_MISMATCH, "a length of at least 8 bytes", str(length), source.place)
        data = source.read(length - DUMP_PACKET.size)
        if packet and packet == len(data):  # not RTCP, and not cut
            yield Captured(offset / 1000, int(port), data)


def _wrong(error_class: ErrorClass, expected: str, got: str, place: int | None = None) -> DfcError:
    offset = None if place is None else 8 * place
    return ParseError(error_class, "carriage.capture", "capture", offset, expected=expected, got=got)


class CaptureWriter:
    """Writes packets as they would be on a network.

    Args:
        out: the file.
        suffix: `.pcap` or `.rtp` (rtpdump).
        source, target: addresses and ports.

    Raises:
        UsageError: the suffix is another, or a library is missing.
    """

    def __init__(
        self,
        out: BinaryIO,
        suffix: str,
        source: tuple[Address, int] = SENDER,
        target: tuple[Address, int] = RECEIVER,
    ) -> None:
        self._out, self._source, self._target = out, source, target
        self._pcap: Any = None
        if suffix == ".rtp":
            out.write(RTPDUMP + f"{target[0]}/{target[1]}\n".encode())
            out.write(DUMP_HEAD.pack(0, 0, int(source[0]) & 0xFFFFFFFF, source[1], 0))
        elif suffix == ".pcap":
            self._pcap = optional("dpkt.pcap").Writer(out, snaplen=LONGEST_RECORD, linktype=RAW)
        else:
            raise UsageError(f"a capture is written to {', '.join(SUFFIXES)} files, not to {suffix or 'one without'}")

    def write(self, seconds: float, packet: bytes) -> None:
        """A packet, sent so many seconds after the start."""
        if self._pcap is not None:
            self._pcap.writepkt_time(ip_packet(packet, self._source, self._target), seconds)
            return
        head = DUMP_PACKET.pack(DUMP_PACKET.size + len(packet), len(packet), int(1000 * seconds) & 0xFFFFFFFF)
        self._out.write(head + packet)
