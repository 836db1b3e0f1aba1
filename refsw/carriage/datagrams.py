"""14.10 UDP datagrams within the packets of captures: link layers, IPv4 and IPv6, to read and to write."""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

Address = IPv4Address | IPv6Address
UDP, FRAGMENT_HEADER = 17, 44
PASSED_OVER = frozenset({0, 43, 60})
"""Extension headers of IPv6 that stand before UDP: hop by hop, routing, destination."""
ETHERNET, RAW = 1, 101
ETHERTYPES = frozenset({0x0800, 0x86DD})
TAGS = frozenset({0x8100, 0x88A8})
IPV4 = struct.Struct(">BBHHHBBH4s4s")
IPV6 = struct.Struct(">IHBB16s16s")
PORTS = struct.Struct(">HHHH")


class Datagram(NamedTuple):
    """The payload of a UDP datagram, and the port that it goes to."""

    port: int
    payload: bytes


def _ethernet(data: bytes) -> int | None:
    place = 12
    while (kind := int.from_bytes(data[place : place + 2], "big")) in TAGS:
        place += 4
    return place + 2 if kind in ETHERTYPES else None


def _cooked(type_at: int, size: int) -> Callable[[bytes], int | None]:
    def start(data: bytes) -> int | None:
        return size if int.from_bytes(data[type_at : type_at + 2], "big") in ETHERTYPES else None

    return start


Begins = Callable[[bytes], int | None]
"""Where the IP packet in a frame begins; None where there is none."""
PROMISED: dict[int, Begins] = {ETHERNET: _ethernet, RAW: lambda data: 0}
OTHERS: dict[int, Begins] = {
    0: lambda data: 4,  # null: BSD loopback
    12: lambda data: 0,
    14: lambda data: 0,
    108: lambda data: 4,
    113: _cooked(14, 16),  # Linux, cooked
    228: lambda data: 0,
    229: lambda data: 0,
    276: _cooked(0, 20),
}
LINKS = PROMISED | OTHERS
"""By link type."""


def datagram_of(data: bytes, start: int) -> Datagram | None:
    """The UDP datagram in an IP packet that is there whole; None for everything else, pieces of datagrams too."""
    if len(data) <= start:
        return None
    version = data[start] >> 4
    if version == 4:
        return _of_ipv4(data, start)
    return _of_ipv6(data, start) if version == 6 else None


def _of_ipv4(data: bytes, start: int) -> Datagram | None:
    if len(data) < start + IPV4.size:
        return None
    first, _, length, _, pieces, _, protocol, *_ = IPV4.unpack_from(data, start)
    header = 4 * (first & 0xF)
    end = start + length
    if protocol != UDP or pieces & 0x3FFF or header < IPV4.size or end > len(data):
        return None
    return _of_udp(data, start + header, end)


def _of_ipv6(data: bytes, start: int) -> Datagram | None:
    if len(data) < start + IPV6.size:
        return None
    _, length, following, *_ = IPV6.unpack_from(data, start)
    place = start + IPV6.size
    end = place + length
    while following in PASSED_OVER and place + 2 <= end <= len(data):
        following, place = data[place], place + 8 * (data[place + 1] + 1)
    return _of_udp(data, place, end) if following == UDP and end <= len(data) else None


def _of_udp(data: bytes, start: int, end: int) -> Datagram | None:
    if start + PORTS.size > end:
        return None
    _, port, length, _ = PORTS.unpack_from(data, start)
    last = start + length
    return Datagram(port, data[start + PORTS.size : last]) if start + PORTS.size <= last <= end else None


def ip_packet(payload: bytes, source: tuple[Address, int], target: tuple[Address, int]) -> bytes:
    """A UDP datagram in an IP packet of its own, with right checksums."""
    (sender, sender_port), (receiver, port) = source, target
    length = PORTS.size + len(payload)
    pseudo = sender.packed + receiver.packed + struct.pack(">HH", UDP, length)
    udp = PORTS.pack(sender_port, port, length, 0)
    checksum = _checksum(pseudo + udp + payload) or 0xFFFF
    udp = PORTS.pack(sender_port, port, length, checksum)
    if receiver.version == 4:
        fields = [0x45, 0, IPV4.size + length, 0, 0x4000, 64, UDP, 0, sender.packed, receiver.packed]
        fields[7] = _checksum(IPV4.pack(*fields))
        return b"".join((IPV4.pack(*fields), udp, payload))
    head = IPV6.pack(0x60000000, length, UDP, 64, sender.packed, receiver.packed)
    return b"".join((head, udp, payload))


def _checksum(data: bytes) -> int:
    """RFC 1071: the complement of the sum of all words in ones' complement arithmetic."""
    # Powers of 2^16 are 1 modulo 2^16 - 1: the sum of the words is the whole as a number.
    total = int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF
    return ~total & 0xFFFF


def address_of(text: str) -> Address:
    """An address from its text.

    Raises:
        ValueError: it is none.
    """
    return ip_address(text)
