"""14.10: files of captures, with what stands around datagrams, and those that are none."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.capture_sessions import MAP, MEDIA, text
from vectors.recipes.captures import samples

LENGTH = 28 + 45
"""Bytes of the IPv4 packets with the samples of these captures, UDP header and payload included."""
MAC = "020000000001"


def register(c: Catalog) -> None:
    """Add the recipes."""
    _ethernet(c)
    _ipv4(c)
    _ipv6(c)
    _rtpdump(c)
    _forms(c)
    _broken(c)


def _add(c: Catalog, name: str, title: str, frames: dict[int, list[Any]], **file: Any) -> None:
    changes = {str(place): change for place, change in frames.items()}
    c.capture(f"carriage-file-{name}", title, samples(4), requirements=("carriage.capture-read",),
              file={"format": "frames", "frame": changes} | file)  # fmt: skip


def _number(value: int) -> str:
    return f"{value:04x}"


def _ethernet(c: Catalog) -> None:
    tags = {3: [[12, "81000005", 0]], 4: [[12, "88a8000581000007", 0]], 2: [[12, "8100ffff" * 5, 0]]}
    _add(c, "vlan", "VLAN tags before the type of a frame", tags, link=1)
    _add(c, "vlan.6", "VLAN tags before IPv6", tags, link=1, ip=6)
    _add(c, "types", "Frames of other types", {3: [[12, "0806", 2]], 4: [[12, "9100", 2]]}, link=1,
         others=[[2, MAC * 2 + "0806"], [2, MAC * 2 + "08"], [2, MAC], [2, ""], [2, MAC * 2 + "8100"],
                 [2, MAC * 2 + "81000001"], [2, MAC * 2 + "0800"]])  # fmt: skip
    _add(c, "padding", "Bytes after the IP packet, which Ethernet wants", {3: [[14 + LENGTH, "00" * 9, 0]]}, link=1)
    _add(c, "ethernet.big.endian", "Ethernet, and numbers with the most significant byte first", {}, link=1, order=">",
         time="nano")  # fmt: skip


def _ipv4(c: Catalog) -> None:
    def four(name: str, title: str, *changes: list[Any], **file: Any) -> None:
        _add(c, name, title, {3: [*changes]}, **file)

    four("options", "Options of IPv4", [0, "46", 1], [2, _number(LENGTH + 4), 2], [20, "01010100", 0])
    four("options.most", "As many options as IPv4 can have", [0, "4f", 1], [2, _number(LENGTH + 40), 2],
         [20, "01" * 40, 0])  # fmt: skip
    four("fragment.first", "The first fragment of a datagram that IP has cut", [6, "2000", 2])
    four("fragment.last", "The last fragment of a datagram that IP has cut", [6, "0001", 2])
    four("fragment.far", "A fragment from far within a datagram", [6, "1000", 2])
    four("fragment.not", "A datagram that IP must not cut, and one that it may", [6, "0000", 2])
    four("protocol", "A packet of TCP", [9, "06", 1])
    four("header.short", "An IP header that is too short for one", [0, "44", 1])
    four("header.long", "An IP header that is longer than the packet", [0, "4f", 1], [2, _number(59), 2])
    four("version", "Packets of IP of another version", [0, "55", 1])
    four("length.beyond", "An IP packet that is longer than its frame", [2, _number(LENGTH + 1), 2])
    four("length.below", "An IP packet that is too short for UDP", [2, _number(27), 2])
    four("length.zero", "An IP packet that says nothing of its length", [2, "0000", 2])
    four("udp.shorter", "A datagram that ends before its IP packet", [2, _number(LENGTH + 3), 2], [LENGTH, "5a5a5a", 0])
    four("udp.longer", "A datagram that is longer than its IP packet", [24, _number(LENGTH - 19), 2])
    four("udp.below", "A datagram that is shorter than its header", [24, "0007", 2])
    four("udp.empty", "A datagram without payload, and one of a byte", [24, "0008", 2], others=[
         [4, "4500001d0000400040110000c0000201c0000202138c138c0009000080"]])  # fmt: skip
    four("checksums", "Wrong checksums", [10, "1234", 2], [26, "4321", 2])
    four("source", "Another source and another port of the source", [12, "cb007105", 4], [20, "0001", 2])
    four("part", "A packet that was captured in part", kept={"3": LENGTH - 1, "4": 27, "2": 1})
    four("part.whole", "A frame of which only bytes after the packet were not captured", [LENGTH, "00" * 8, 0],
         kept={"3": LENGTH})  # fmt: skip
    four("frames", "Frames of a few bytes", others=[[3, ""], [3, "45"], [3, "45" + "00" * 18], [3, "60" + "00" * 38],
         [3, "45000014" + "00" * 16], [3, "4500001c00000000401100000000000000000000138c138c"]])  # fmt: skip


def _ipv6(c: Catalog) -> None:
    inside = LENGTH - 20  # UDP header and payload

    def six(name: str, title: str, first: str, headers: str = "", length: int | None = None) -> None:
        size = inside + len(headers) // 2 if length is None else length
        _add(c, name, title, {3: [[6, first, 1], [4, _number(size), 2], [40, headers, 0]]}, ip=6)

    six("6.headers", "Extension headers of IPv6", "00", "2b00" + "00" * 6 + "3c01" + "00" * 14 + "1100" + "00" * 6)
    six("6.options", "Options for the destination", "3c", "1100" + "00" * 6)
    six("6.fragment", "A fragment of IPv6", "2c", "1100000000000000")
    six("6.fragment.later", "A fragment of IPv6 after an extension header", "00",
        "2c00" + "00" * 6 + "1100000100000000")  # fmt: skip
    six("6.nothing", "A packet of IPv6 with no next header", "3b")
    six("6.protocol", "A packet of TCP after an extension header", "00", "0600" + "00" * 6)
    six("6.header.beyond", "An extension header that is longer than the packet", "00", "11ff" + "00" * 6)
    six("6.length.beyond", "A packet of IPv6 that is longer than its frame", "11", "", inside + 1)
    six("6.length.below", "A packet of IPv6 that is too short for UDP", "11", "", 7)
    six("6.length.header", "A packet of IPv6 that ends within an extension header", "00", "1100" + "00" * 6, 1)
    six("6.udp.longer", "A packet of IPv6 that ends before its datagram", "11", "", inside - 1)


def _rtpdump(c: Catalog) -> None:
    def dump(name: str, title: str, **more: Any) -> None:
        c.capture(f"carriage-file-{name}", title, samples(4), requirements=("carriage.capture-read",), **more)

    dump("dump.rtcp", "Packets of RTCP in an rtpdump file", file={"lengths": {"3": [53, 0], "4": [53, 0]}})
    dump("dump.part", "Packets of which a part is in an rtpdump file", file={"lengths": {"3": [53, 60], "4": [53, 44]}})
    dump("dump.name", "A name in the first line of an rtpdump file", file={"line": "#!rtpplay1.0 a.example/5004\n"})
    dump("dump.6", "An address of IPv6 in the first line", file={"line": "#!rtpplay1.0 2001:db8::2/5004\n"})
    dump("dump.any", "An rtpdump file of any port", file={"line": "#!rtpplay1.0 192.0.2.2/65535\n"},
         sdp=text(MEDIA.replace("5004", "0"), MAP))  # fmt: skip


def _forms(c: Catalog) -> None:
    for name, order, time, ip in (
        ("big.nano", ">", "nano", 4),
        ("little.nano.6", "<", "nano", 6),
        ("big.6", ">", "micro", 6),
    ):
        _add(c, name, f"A pcap file of another form: {name}", {}, order=order, time=time, ip=ip)
    six = {"3": 5005, "4": 5003}
    c.capture("carriage-file-6.port", "Datagrams of IPv6 to other ports", samples(4),
              requirements=("carriage.capture",), file={"format": "frames", "ip": 6, "ports": six})  # fmt: skip


def _broken(c: Catalog) -> None:
    def broken(name: str, title: str, kind: str = "malformed", violates: str = "carriage.capture", port: int = 5004,
               **file: Any) -> None:  # fmt: skip
        c.capture(f"carriage-file.wrong-{name}", title, samples(2), kind=kind, violates=violates, file=file,
                  sdp=text(MEDIA.replace("5004", str(port)), MAP))  # fmt: skip

    pcap: dict[str, Any] = {"format": "frames"}
    broken("empty", "An empty file", all=0)
    broken("bitstream", "A bitstream in the place of a capture", bytes=[[0, "89444643"]])
    broken("magic", "A pcap file of another magic number", bytes=[[0, "d4c3b2a0"]], **pcap)
    broken("version", "A pcap file of version 2.3", bytes=[[6, "0300"]], **pcap)
    broken("version.major", "A pcap file of version 1.4", bytes=[[4, "0100"]], **pcap)
    broken("version.order", "A version in another byte order than the file", bytes=[[4, "00020004"]], **pcap)
    for order in "<>":
        broken(f"version.{'little' if order == '<' else 'big'}", "A pcap file of version 4.2", order=order,
               format="frames", bytes=[[4, "04000200" if order == "<" else "00040002"]])  # fmt: skip
    for size in (3, 4, 7, 8, 23):
        broken(f"header-{size}", "A pcap file that ends within its header", all=size, **pcap)
    broken("nothing", "A pcap file without frames", violates="carriage.tensors", all=24, **pcap)
    for size in (1, 15, 16):
        broken(f"record-{size}", "A pcap file that ends within the header of a record or right after it", all=24 + size,
               **pcap)  # fmt: skip
    broken("cut", "A pcap file whose last record is not whole", end=1, **pcap)
    broken("cut.ethernet", "A file of Ethernet frames whose last one is not whole", end=8, link=1, **pcap)
    broken("record.long", "A record of more bytes than there are", bytes=[[32, "ffffffff"]], **pcap)
    broken("link", "A pcap file of a link type of nobody", "unsupported", link=147, **pcap)
    for name, line, title in (
        ("no.port", "#!rtpplay1.0 192.0.2.2\n", "No port in the first line of an rtpdump file"),
        ("port-65536", "#!rtpplay1.0 192.0.2.2/65536\n", "A port above 65535 in the first line"),
        ("port.letters", "#!rtpplay1.0 192.0.2.2/a\n", "A port that is no number"),
        ("port.empty", "#!rtpplay1.0 192.0.2.2/\n", "An empty port"),
        ("version-1.1", "#!rtpplay1.1 192.0.2.2/5004\n", "An rtpdump file of another version"),
        ("program", "#!rtpplax1.0 192.0.2.2/5004\n", "The first line of another program"),
    ):  # fmt: skip
        broken(f"dump.{name}", title, line=line, port=0)
    broken("dump.port", "An rtpdump file of another port", violates="carriage.tensors",
           line="#!rtpplay1.0 192.0.2.2/5005\n")  # fmt: skip
    start = len("#!rtpplay1.0 192.0.2.2/5004\n")
    for size in (2, 20, start - 1, start, start + 15, start + 17, start + 23, start + 24):
        broken(f"dump.cut-{size}", "An rtpdump file that ends within a header", all=size)
    broken("dump.nothing", "An rtpdump file without packets", violates="carriage.tensors", all=start + 16)
    broken("dump.cut", "An rtpdump file whose last record is not whole", end=1)
    for length in (0, 7):
        broken(f"dump.length-{length}", "A record that is shorter than its header",
               bytes=[[start + 16, _number(length)]])  # fmt: skip
    broken("dump.length.long", "A record of more bytes than there are", bytes=[[start + 16, "ffff"]])
