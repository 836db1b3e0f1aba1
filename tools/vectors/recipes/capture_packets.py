"""14.2, 14.3, 14.6.2: headers of packets, their order, fragments, and session descriptions, at their bounds."""

from __future__ import annotations

from typing import Any

from refsw.syntax.units import crc32
from vectors.captures import framed_unit
from vectors.catalog import Catalog
from vectors.recipes.captures import CUT, LARGE, samples
from vectors.recipes.words import data, fps, other
from vectors.tensors import Unit

LONG: dict[str, Any] = {"C": 2, "H": 30, "W": 20}
"""Samples of 1,200 bytes: 19 fragments each."""
ONE = {"copies": 1, "repeat": 0}
"""One session description, and one end."""
Edits = list[dict[str, Any]]


def register(c: Catalog) -> None:
    """Add the recipes."""
    _headers(c)
    _again(c)
    _windows(c)
    _restarts(c)
    _fragments(c)
    _long(c)
    _aggregations(c)
    _locks(c)
    _sessions(c)


def _add(
    c: Catalog, name: str, title: str, units: list[Unit], requirement: str, *edits: dict[str, Any], **more: Any
) -> None:
    c.capture(f"carriage-{name}", title, units, requirements=(requirement,), edit=edits, **more)


def _bytes(place: int, byte: int, to: str, **more: Any) -> dict[str, Any]:
    return {"bytes": {"packet": place, "byte": byte, "to": to} | more}


def _insert(place: int, byte: int, to: str) -> dict[str, Any]:
    return _bytes(place, byte, to, insert=True)


def _unit(kind: int, body: str, skippable: int = 0) -> str:
    return framed_unit({"type": kind, "skippable": skippable, "rest": body}).hex()


def _header(start: str) -> str:
    return start + f"{crc32(bytes.fromhex(start)):08x}"


def _headers(c: Catalog) -> None:
    passed = "carriage.rtp"
    words, ext = "0a0b0c0d", "bede0000"
    _add(c, "passed-most", "Fifteen CSRC identifiers; an empty header extension; one of three words", samples(), passed,
         _insert(3, 12, words * 15), _bytes(3, 0, "8f"), _insert(4, 12, ext), _bytes(4, 0, "90"),
         _insert(5, 12, "bede0003" + words * 3), _bytes(5, 0, "90"))  # fmt: skip
    _add(c, "passed-together", "CSRC identifiers, a header extension and padding in one packet", samples(), passed,
         _insert(4, 45, "000000000005"[2:]), _insert(4, 12, words + "bede0001" + words), _bytes(4, 0, "b1"),
         _insert(5, 45, "01"), _bytes(5, 0, "a0"), _insert(3, 45, "ff" * 254 + "ff"), _bytes(3, 0, "a0"))  # fmt: skip
    _add(c, "passed-fragments", "CSRC identifiers, a header extension and padding in packets with fragments",
         samples(**LARGE), passed, _insert(6, 12, words), _bytes(6, 0, "81"), _insert(7, 12, ext), _bytes(7, 0, "90"),
         _insert(8, 34, "0002"), _bytes(8, 0, "a0"), _insert(10, 12, words), _bytes(10, 0, "81"),
         send=CUT)  # fmt: skip
    _add(c, "passed-session", "Padding and a header extension in packets with session descriptions", samples(), passed,
         _insert(0, 76, "000003"), _bytes(0, 0, "a0"), _insert(1, 12, ext), _bytes(1, 0, "90"),
                 send={"repeat": 0})  # fmt: skip
    _add(c, "marker", "Marker bits that are all wrong", samples(**LARGE), "carriage.ignore",
         *(_bytes(place, 1, "e0" if place % 3 else "60") for place in range(24)), send=CUT)  # fmt: skip
    # What is left of these payloads is a payload header: they have come, and the right packet after is the second.
    empty = ({"repeat": [4, 4]}, _bytes(4, 0, "a0"), _bytes(4, 44, "1f"))
    _add(c, "passed-padding.most", "Padding that leaves no more than a payload header", samples(),
         "carriage.duplicates", *empty)  # fmt: skip
    _add(c, "passed-header.alone", "A single packet of a payload header alone", samples(), "carriage.duplicates",
         {"repeat": [4, 4]}, {"bytes": {"packet": 4, "length": 14}})  # fmt: skip


def _again(c: Catalog) -> None:
    """Packets that do not count, each before the right one with its number."""

    def again(name: str, title: str, *changes: dict[str, Any], place: int = 4, **more: Any) -> None:
        edits: Edits = [edit for change in reversed(changes) for edit in ({"repeat": [place, place]}, change)]
        units = more.pop("units", samples())
        _add(c, f"again-{name}", title, units, "carriage.ignore", *edits, **more)

    def head(to: str) -> dict[str, Any]:
        return _bytes(4, 12, to)

    again("types", "Packets of all reserved types", *(head(f"{kind << 5 | 12:02x}") for kind in (0, 4, 5, 6, 7)))
    again("flags", "Single packets that are not the first and the last", *map(head, ("28", "24", "20", "38", "30")))
    again("aggregation", "Aggregation packets with wrong flags, or with a size that is not right",
          *map(head, ("48", "44", "40", "5c", "4c")))  # fmt: skip
    again("versions", "Packets of other versions of RTP", *(_bytes(4, 0, version) for version in ("00", "40", "c0")))
    again("type", "Packets of other payload types", *(_bytes(4, 1, kind) for kind in ("61", "e1", "20", "00", "7f")))
    again("padding", "Padding of no bytes, of more than there are, and of all but one byte of the payload",
          {"forge": {"at": 4, "body": "00" * 9}}, _bytes(4, 0, "a0"))  # fmt: skip
    for size in (0, 32, 33, 34, 255):
        edits = ({"repeat": [4, 4]}, _bytes(4, 44, f"{size:02x}"), _bytes(4, 0, "a0"))
        _add(c, f"again-padding-{size}", f"Padding of {size} bytes, and the right packet after", samples(),
             "carriage.ignore", *edits)  # fmt: skip
    csrc = ({"repeat": [4, 4]}, _bytes(4, 0, "88"), {"repeat": [3, 3]}, _bytes(3, 0, "8f"))
    _add(c, "again-csrc", "CSRC identifiers that leave one byte of payload, and none", samples(), "carriage.ignore",
         *csrc)  # fmt: skip
    for words in (6, 7, 8, 65_535):
        edits = ({"repeat": [4, 4]}, _bytes(4, 12, f"bede{words:04x}"), _bytes(4, 0, "90"))
        _add(c, f"again-extension-{words}", f"A header extension of {words} words in 33 bytes", samples(),
             "carriage.ignore", *edits)  # fmt: skip
    for size in (12, 13, 15, 16, 17):
        edits = ({"repeat": [4, 4]}, {"bytes": {"packet": 4, "length": size}}, _bytes(4, 0, "90"))
        _add(c, f"again-extension.cut-{size}", f"A packet of {size} bytes with a header extension", samples(),
             "carriage.ignore", *edits)  # fmt: skip
    for size in (0, 1, 11, 12, 13):
        edits = ({"repeat": [4, 4]}, {"bytes": {"packet": 4, "length": size}})
        _add(c, f"again-short-{size}", f"A packet of {size} bytes", samples(), "carriage.ignore", *edits)
    more: dict[str, Any] = {"units": samples(**LARGE), "send": CUT}
    again("fragment", "An empty fragment, one that is the first and the last, and one of each kind of session",
          {"bytes": {"packet": 7, "length": 14}}, _bytes(7, 12, "6c"), _bytes(7, 12, "7c"), place=7,
          **more)  # fmt: skip
    again("fragment.first", "First fragments that do not have the whole of unit_length",
          {"forge": {"at": 6, "body": "04"}}, {"forge": {"at": 6, "body": "0491"}},
          {"forge": {"at": 6, "body": "04ffffffffff"}}, {"forge": {"at": 6, "body": "0480808080"}}, place=6,
          **more)  # fmt: skip
    # The same where the next packet is known, since the window is small.
    again("fragment.next", "First fragments without a length, and empty ones, where the next packet is known",
          {"forge": {"at": 9, "body": "0491"}}, {"forge": {"at": 9, "body": "04ffffffffff"}},
          {"bytes": {"packet": 9, "length": 14}}, place=9, sdp={"window": 2}, **more)  # fmt: skip
    for name, body in (("cut", "001902" + "00" * 24 + "00"), ("below", "0005" + "00" * 5), ("beyond",
    "0020" + "00" * 31),
                       ("empty", ""), ("second", "0006" + _unit(101, "", 1) + "00")):  # fmt: skip
        again(f"size.{name}", "Aggregated units that do not end where the packet ends, and the right packet after",
              {"forge": {"at": 4, "kind": "4c", "body": body}})  # fmt: skip
    wrong = ({"repeat": [4, 4]}, _bytes(4, 20, "0102"))
    _add(c, "again-crc", "A unit with a wrong CRC has come: the right one is the second of its number", samples(),
         "carriage.duplicates", *wrong)  # fmt: skip
    _add(c, "again-later", "A right unit after a damaged one, under a number of its own", samples(), "carriage.gap",
         {"repeat": [4, 5]}, _bytes(4, 20, "0102"), {"count": 500})  # fmt: skip


def _windows(c: Catalog) -> None:
    window, many = "carriage.window", samples(70)
    _add(c, "order-first", "The first packet that comes, overtaken by 63 others", samples(70), window,
         {"drop": [0, 1]}, {"move": [0, 63]})  # fmt: skip
    for first in (65_480, 65_472, 65_535 - 66):
        _add(c, f"order-63-{first}", "A packet that 63 others overtake, where numbers begin again at 0", many, window,
             {"move": [2, 65]}, {"move": [4, 66]}, send={"repeat": 0, "first_sequence": first})  # fmt: skip
    _add(c, "order-several", "Three gaps that are filled late, the last one first", samples(20), window,
         {"move": [5, 18]}, {"move": [6, 17]}, {"move": [7, 16]}, send={"repeat": 0})  # fmt: skip
    _add(c, "order-gap", "A gap that is never filled, and others after it that are", samples(80), window,
         {"drop": [4]}, {"move": [9, 60]}, {"move": [70, 80]}, send={"repeat": 0})  # fmt: skip
    _add(c, "order-gaps", "More packets lost than the window has", samples(150), window, {"drop": [*range(10, 90)]},
         {"move": [12, 30]}, send={"repeat": 0})  # fmt: skip
    _add(c, "order-ahead", "A number that is 32,767 ahead", samples(), window, {"renumber": [7, 32_766]})
    _add(c, "order-behind", "Numbers that are 2^15 apart count as behind", samples(), "carriage.restart",
         {"renumber": [7, 32_767]})  # fmt: skip
    _add(c, "repeated-late", "Every packet twice, 40 packets later", samples(70), "carriage.duplicates",
         *({"repeat": [place, place + 40]} for place in range(2, 80, 2)), send={"repeat": 0})  # fmt: skip


def _restarts(c: Catalog) -> None:
    restart = "carriage.restart"
    _add(c, "restart", "Numbers that fall back by 20,000: the first packet of them is lost", samples(8), restart,
         {"renumber": [4, -20_000]})  # fmt: skip
    _add(c, "restart-3001", "The second packet falls back by 3,001", samples(), restart, {"renumber": [4, -3003]})
    _add(c, "restart-wrap", "Numbers that fall back across 0", samples(8), restart, {"renumber": [4, -20_000]},
         send={"first_sequence": 65_533})  # fmt: skip
    _add(c, "restart-twice", "Numbers that fall back twice", samples(12), restart, {"renumber": [4, -20_000]},
         {"renumber": [8, -5000]}, send={"repeat": 0})  # fmt: skip
    _add(c, "restart-waiting", "Packets that wait for others when numbers fall back", samples(8), restart,
         {"drop": [4]}, {"renumber": [6, -20_000]}, send={"repeat": 0})  # fmt: skip
    _add(c, "restart-order", "Packets out of order after numbers have fallen back", samples(10), restart,
         {"renumber": [4, -20_000]}, {"move": [7, 9]}, send={"repeat": 0})  # fmt: skip
    _add(c, "restart-stray", "One packet of a number far ahead: the next one is lost", samples(8), restart,
         {"renumber": [4, 30_000]}, {"renumber": [5, -30_000]}, send={"repeat": 0})  # fmt: skip
    # Copies of the first session description, which does nothing more, under numbers from long before.
    far = {"forge": {"at": 0, "number": 61_000}}
    strays: Edits = [{"repeat": [0, 0]}, far, {"move": [0, 6]}]
    again: Edits = [{"repeat": [0, 0]}, {"forge": {"at": 0, "number": 61_001}}, {"move": [0, 8]}]
    _add(c, "restart-not", "Two numbers from long before, with another packet between them", samples(10), restart,
         {"move": [4, 7]}, *strays, *again, send={"repeat": 0})  # fmt: skip
    _add(c, "restart-not.next", "Two packets from long before whose numbers do not follow each other", samples(10),
         restart, {"move": [4, 7]}, *strays, {"repeat": [0, 0]}, {"forge": {"at": 0, "number": 61_002}},
         {"move": [0, 7]}, send={"repeat": 0})  # fmt: skip


def _fragments(c: Catalog) -> None:
    def pieces(name: str, title: str, *edits: dict[str, Any], **more: Any) -> None:
        units = more.pop("units", samples(**LARGE))
        _add(c, f"fragments-{name}", title, units, "carriage.gap", *edits, send=more.pop("send", CUT), **more)

    pieces("two", "Units in two fragments", send={"packet_bytes": 100})
    pieces("byte.last", "Units whose last fragment is one byte", send={"packet_bytes": 165})
    pieces("first.again", "A unit that begins again", {"repeat": [6, 7]}, {"count": 500})
    pieces("begun", "A unit that begins and does not go on", {"drop": [7, 8]}, {"count": 500})
    pieces("begun.middle", "A unit without its last fragment", {"drop": [8]}, {"count": 500})
    pieces("only.last", "A last fragment alone", {"drop": [6, 7]}, {"count": 500})
    pieces("without.middle", "A unit without its middle, and no number is missing", {"drop": [7]}, {"count": 500})
    pieces("single.within", "A whole unit among the fragments of another", {"move": [2, 7]}, {"count": 500})
    pieces("session.within", "A session description among the fragments of a unit", {"move": [15, 7]}, {"count": 500})
    pieces("order", "Fragments that were numbered in the wrong order", {"move": [7, 8]}, {"count": 500})
    pieces("time", "A fragment in the middle with another timestamp", _bytes(7, 4, "000f4240"))
    pieces("time.last", "A last fragment with another timestamp", _bytes(8, 4, "000f4240"))
    pieces("session.flag", "A fragment in the middle that says it is of a session description", _bytes(7, 12, "70"))
    pieces("flags.last", "A fragment in the middle that says it is the last", _bytes(7, 12, "64"))
    pieces("flags.no.last", "A last fragment that does not say so", _bytes(8, 12, "60"))
    pieces("flags.no.first", "A first fragment that does not say so", _bytes(6, 12, "60"))
    pieces("flags.first", "A fragment in the middle that says it is the first", _bytes(7, 12, "68"))
    pieces("length.more", "A first fragment that tells a longer unit", _bytes(6, 15, "9201"))
    pieces("length.less", "A first fragment that tells a shorter unit", _bytes(6, 15, "9001"))
    pieces("length.least", "A first fragment that tells a unit shorter than itself", _bytes(6, 15, "05"))
    pieces("byte", "A fragment in the middle that has lost a byte", {"bytes": {"packet": 7, "length": 79}})
    pieces("damaged", "A fragment in the middle that is damaged", _bytes(7, 30, "00"))
    both = [
        fps(**LARGE, layer="a"),
        fps(id=1, **LARGE, layer="b"),
        data(),
        data(id=1),
        data(seed=2),
        data(id=1, seed=3),
    ]
    pieces("in.turn", "Fragments of two units of one access unit, in turn", {"move": [7, 5]}, {"move": [8, 7]},
           {"count": 500}, units=both)  # fmt: skip
    pieces("two.units", "Units of two tensors in fragments, and a gap between them", {"drop": [6]}, units=both)


def _long(c: Catalog) -> None:
    def long(name: str, title: str, *edits: dict[str, Any], requirement: str = "carriage.gap", **more: Any) -> None:
        # With a small window packets are soon in order, and the next one is known.
        _add(c, f"long-{name}", title, samples(3, **LONG), requirement, *edits, send=CUT | more, sdp={"window": 8})

    long("whole", "Units of 19 fragments", requirement="carriage.fragments")
    long("lost", "One of the fragments in the middle is lost", {"drop": [9]})
    long("lost.first", "The first of many fragments is lost", {"drop": [22]})
    long("lost.last", "The last of many fragments is lost", {"drop": [21]})
    long("lost.burst", "The end of a unit and the beginning of the next one are lost", {"drop": [*range(18, 27)]})
    long("lost.two", "Fragments in the middle of two units are lost", {"drop": [9, 30]}, {"move": [50, 52]})
    long("order", "Fragments in the middle overtake others", {"move": [9, 14]}, {"move": [30, 25]}, {"move": [40, 43]},
         requirement="carriage.window")  # fmt: skip
    long("repeated", "Fragments in the middle that come twice", {"repeat": [9, 10]}, {"repeat": [12, 30]},
         requirement="carriage.duplicates")  # fmt: skip
    long("wrap", "Numbers that begin again at 0 among fragments", requirement="carriage.sequence",
         first_sequence=65_525)  # fmt: skip
    long("marker", "Marker bits among fragments", *(_bytes(place, 1, "e0") for place in range(8, 16)),
         requirement="carriage.ignore")  # fmt: skip
    long("time", "Another timestamp among fragments", _bytes(9, 4, "000f4241"))
    long("type", "Another payload type among fragments", _bytes(9, 1, "61"), requirement="carriage.rtp")
    long("source", "A fragment of another source among those of a unit", {"repeat": [9, 9]},
         _bytes(9, 8, "00000005"), _bytes(9, 30, "5a5a"),
         requirement="carriage.lock")  # fmt: skip
    long("number", "A fragment of another bitstream among those of a unit", {"repeat": [9, 9]},
         _bytes(9, 13, "12"), _bytes(9, 30, "5a5a"),
         requirement="carriage.bitstream-number")  # fmt: skip
    long("empty", "An empty fragment, and the right one after it", {"repeat": [9, 9]},
         {"bytes": {"packet": 9, "length": 14}}, requirement="carriage.ignore")  # fmt: skip
    long("reserved", "Reserved bits among fragments", _bytes(9, 12, "63"), _bytes(11, 12, "61"),
         requirement="carriage.payload-header")  # fmt: skip
    long("extension", "A header extension among fragments", _insert(9, 12, "bede0000"), _bytes(9, 0, "90"),
         requirement="carriage.rtp")  # fmt: skip
    long("session.flag", "A fragment of a session description among those of a unit", _bytes(9, 12, "70"))
    long("first", "A fragment in the middle that says it is the first", _bytes(9, 12, "68"))
    long("last", "A fragment in the middle that says it is the last", _bytes(9, 12, "64"))
    long("more", "More fragments than a unit has", *({"repeat": [9, 9]} for _ in range(3)), {"count": 500})
    long("many", "Many more fragments than a unit has", *({"repeat": [9, 9]} for _ in range(40)), {"count": 500})
    long("length", "A first fragment that tells a unit of a third of the length", _bytes(3, 15, "9003"))
    long("length.most", "A first fragment that tells a unit longer than any", _bytes(3, 15, "ffffffff0f", insert=True))
    long("whole.within", "A whole unit among many fragments", {"move": [2, 12]}, {"count": 500})


def _aggregations(c: Catalog) -> None:
    units = [fps(), *(data(seed=i) for i in range(4))]
    ends = {"type": 100, "skippable": 1}
    one = [{"forge": {"at": 3, "kind": "4c", "units": [{"type": 2, "ue": [0, 1, 0], "rest": "11" * 24}]}}]
    _add(c, "aggregation-one", "An aggregation packet of one unit", units, "carriage.aggregation", *one)
    _add(c, "aggregation-least", "Aggregated units of 6 bytes before and after another", units, "aggregated_unit.size",
         {"forge": {"at": 3, "kind": "4c", "units": [ends, {"type": 2, "ue": [0, 1, 0], "rest": "12" * 24},
         ends]}})  # fmt: skip
    wrong = {"type": 2, "ue": [0, 1, 0], "rest": "13" * 24, "xor": 1}
    _add(c, "aggregation-crc", "Aggregated units of which one has a wrong CRC", units, "carriage.gap",
         {"forge": {"at": 3, "kind": "4c", "units": [ends, wrong, {"type": 2, "ue": [0, 1, 0],
         "rest": "14" * 24}]}})  # fmt: skip
    two = [{"type": 2, "ue": [0, k, 0], "rest": f"{0x15 + k:02x}" * 24} for k in (1, 2, 1)]
    _add(c, "aggregation-units", "Aggregated units of two access units: those of the timestamp are used", units,
         "carriage.time-agrees", {"forge": {"at": 3, "kind": "4c", "units": two}}, {"drop": [4]})  # fmt: skip
    _add(c, "aggregation-size", "Aggregated units whose size and unit_length differ", units, "carriage.gap",
         {"forge": {"at": 3, "kind": "4c", "body": "0008" + _unit(100, "", 1) + "ffff"}})  # fmt: skip
    _add(c, "aggregation-many", "An aggregation packet of 300 units", [fps(), *[other(100)] * 299, data(), data()],
         "carriage.aggregation", send={"packet_bytes": 3000})  # fmt: skip


def _locks(c: Catalog) -> None:
    ranges = {"scope": "CHANNEL", "ranges": [[0.0, 1.0 + i] for i in range(12)], "C": 12}
    units, lock = samples(3, **ranges), "carriage.lock"
    single = {"seed": 1, "send": {"ssrc": 5, "packet_bytes": 400}, "merge": "after"}
    short = {"packet_bytes": 90}
    _add(c, "lock-fragments", "A session description in fragments, complete before that of another source", units, lock,
         send=short, other=single)  # fmt: skip
    _add(c, "lock-fragments.order", "The same in the wrong order, without the packets before", units, lock,
         {"move": [0, 1]}, {"drop": [2, 3, 4]}, send=short, other=single)  # fmt: skip
    _add(c, "lock-fragments.lost", "A session description in fragments of which one is lost, before that of another",
         units, lock, {"drop": [1, 4]}, send=short | {"repeat": 0}, other=single)  # fmt: skip
    _add(c, "lock-waiting", "A session description that waits for a packet before it", samples(), lock, {"drop": [0]},
         {"move": [0, 4]}, {"renumber": [4, 0]}, other=single | {"merge": "in turn"})  # fmt: skip
    mine, theirs = fps(layer="a"), fps(layer="a", C=3)
    _add(c, "lock-sets", "A source with another parameter set than the session description of SDP has",
         [mine, data(), data()], "carriage.out-of-band", sdp={"sets": True},
         other={"seed": 1, "units": [theirs, data()], "send": {"ssrc": 5}, "merge": "before"})  # fmt: skip
    for name, ssrc in (("told", 0x5EED0001), ("other", 5)):
        _add(c, f"lock-source-{name}", "The session description of another source comes first, and one of SDP tells",
             samples(), lock, sdp={"ssrc": ssrc}, other={"seed": 1, "send": {"ssrc": 5},
                     "merge": "in turn"})  # fmt: skip
    _add(c, "lock-sources", "Nine sources, each with a packet before the session description of the first", samples(),
         lock,
         *({"insert": {"at": 0, "packet": f"806001f4000f42400000000{i}2c11" + _unit(100, "", 1)}} for i in range(1,
             8)))  # fmt: skip


def _sessions(c: Catalog) -> None:
    session, nothing = "carriage.session", "carriage.tensors"
    empty, broken = _unit(1, ""), _unit(1, "40ff")
    _add(c, "session-empty.set", "A parameter set of no bytes beside a right one", samples(), "carriage.nonconforming",
         {"session": {"packet": 0, "sets": [empty, 0, empty]}}, send=ONE)  # fmt: skip
    alone = {"aggregate": False, "repeat": 0, "copies": 1}
    _add(c, "session-broken.set", "A parameter set that does not read before the right one, which is lost elsewhere",
         samples(), "carriage.nonconforming", {"session": {"packet": 0, "sets": [broken, 0]}}, {"drop": [1]},
         send=alone)  # fmt: skip
    _add(c, "session-set.again", "The same parameter set twice", samples(), session,
         {"session": {"packet": 0, "sets": [0, 0]}}, send=ONE)  # fmt: skip
    _add(c, "session-sets.most", "As many parameter sets as a session description can have, all of them the same",
         samples(), session, {"session": {"packet": 0, "sets": [0] * 64}}, send=ONE)  # fmt: skip
    for join in (3, 6, 4_000_000_000):
        _add(c, f"join-{join}", f"A session description that says that sample {join} is next", samples(),
             "carriage.extent", {"session": {"packet": 0, "join": join}}, send=ONE)  # fmt: skip
    _add(c, "join-beyond", "No sample came, and the session description says that sample 4,294,967,295 is next",
         samples(), "carriage.extent", {"session": {"packet": 0, "join": 2**32 - 1}}, {"drop": [*range(1, 7)]},
         send=ONE)  # fmt: skip
    _add(c, "join-middle", "Sample 3 is next, and the first that comes is sample 4", samples(), "carriage.extent",
         {"session": {"packet": 0, "join": 3}}, {"drop": [1, 2, 3, 4]}, send=ONE)  # fmt: skip
    two = [fps(layer="a"), fps(id=1, layer="b"), *(data(seed=i) for i in range(6))]
    for name, sets in (
        ("conflict", [_unit(1, "80ff"), 1]),
        ("news", [0, 1]),
        ("news.broken", [_unit(1, "60ff"), 0, 1]),
    ):
        _add(c, f"session-{name}",
             "A later session description that has a second parameter set, and one that may conflict", two,
             "carriage.lock", *({"session": {"packet": place, "sets": [0]}} for place in (0, 1)),
             {"session": {"packet": 8, "sets": sets}}, {"drop": [3]}, send={"aggregate": False})  # fmt: skip

    def none(name: str, title: str, *edits: dict[str, Any], **more: Any) -> None:
        c.capture(f"carriage-nothing-{name}", title, more.pop("units", samples(3)), kind="malformed", violates=nothing,
                  edit=edits, send=more.pop("send", ONE), **more)  # fmt: skip

    none("two", "Two parameter sets with one number and other bytes",
         {"session": {"packet": 0, "sets": [0, _unit(1, "8000")]}})  # fmt: skip
    none("count", "More parameter sets than a session description can have",
         {"session": {"packet": 0, "sets": [0] * 64, "beyond": 1}})  # fmt: skip
    none("trailing", "A byte after a session description", _bytes(0, 72, "00", insert=True, crc=True))
    none("short", "A session description that ends before its set_count",
         {"bytes": {"packet": 0, "length": 44, "crc": True}})  # fmt: skip
    none("signature", "A session description of something else",
         {"session": {"packet": 0, "header": _header("8944464201000301")}})  # fmt: skip
    none("version", "A header of another major version whose CRC is wrong",
         {"session": {"packet": 0, "header": "894446430200030100000000"}})  # fmt: skip
    none("level", "A session description of a level that is reserved",
         {"session": {"packet": 0, "header": _header("8944464301000309")}})  # fmt: skip
    none("again", "A damaged session description, and the right one under the same number", {"repeat": [0, 0]},
         _bytes(0, 33, "77"))  # fmt: skip
    none("fragment", "A session description of which a fragment is lost", {"drop": [1]},
         send=ONE | {"packet_bytes": 64})  # fmt: skip
    none("flag", "A fragment of a session description that says it is of a unit", _bytes(1, 12, "60"),
         send=ONE | {"packet_bytes": 64})  # fmt: skip
    none("sets", "No parameter set anywhere", {"drop": [1]}, send=ONE | {"in_band": False, "aggregate": False})
    none("type", "Packets of another payload type than the session has", sdp={"payload_type": 97})
    none("source", "No packet of the source that the session description names", sdp={"ssrc": 1})
    none("port", "No datagram to the port of the session", sdp={"port": 5006}, file={"format": "pcap"})
