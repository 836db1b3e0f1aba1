"""Chapter 14: bitstreams in packets, whole, and after all that a network or a forger can do to them."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.words import data, digest, fps, metadata, other
from vectors.tensors import Unit

LARGE: dict[str, Any] = {"C": 2, "H": 9, "W": 8}
TIME: dict[str, Any] = {"axes": "TCHW", "time": (30_000, 1001)}
CUT = {"packet_bytes": 80}
ZEROS = "00" * 40


def register(c: Catalog) -> None:
    """Add the recipes."""
    _whole(c)
    _lost(c)
    _order(c)
    _others(c)
    _ignored(c)
    _units(c)
    _parts(c)
    _sessions(c)
    _files(c)
    _nothing(c)


def samples(count: int = 6, **words: Any) -> list[Unit]:
    """A tensor and so many samples of it."""
    return [fps(**words), *(data(seed=i) for i in range(count))]


def _add(c: Catalog, name: str, title: str, units: list[Unit], *requirements: str, **more: Any) -> str:
    return c.capture(f"carriage-{name}", title, units, requirements=requirements, **more)


def _whole(c: Catalog) -> None:
    _add(c, "single", "Every unit in a packet of its own", samples(), "carriage.single", send={"aggregate": False})
    _add(c, "fragments", "Units of 151 bytes in fragments", samples(**LARGE), "carriage.fragments", send=CUT)
    pyramid = [fps(**TIME, digests="TL"), fps(id=1, C=4, H=2, W=2, layer="p4", **TIME, digests="T")]
    for i in range(4):
        pyramid += [data(seed=i), digest(), digest(kind=1), data(id=1, seed=9 + i), digest(id=1)]
    both = "Two tensors with digests of every sample and metadata, in time"
    _add(c, "aggregation", both, [metadata(["a", "b"]), *pyramid], "carriage.aggregation", "carriage.digests",
         "carriage.rate", send={"packet_bytes": 400})  # fmt: skip
    _add(c, "one.tensor", "A tensor without an axis of samples", [fps(axes="CHW"), data()], "carriage.extent")
    _add(c, "no.samples", "A tensor that has no samples", [fps()], "carriage.extent")
    _add(c, "several", "Units of several samples", [fps(), data(count=3), data(count=2)], "carriage.clock")
    _add(c, "unknown", "Units of a private type", [fps(), other(100, "0102"), data(), other(101), data()],
         "carriage.access-unit")  # fmt: skip
    for name, value in (("least", 0), ("greatest", 255)):
        base = 0 if not value else 2**32 - 1
        _add(c, f"numbers-{name}", f"The {name} numbers that a source can have", samples(), "carriage.sequence",
             send={"bitstream_number": value, "timestamp_base": base, "first_sequence": 65_533 if value else 0,
                   "ssrc": base})  # fmt: skip
    for scale, step in ((2**32 - 1, 1), (1, 2**32 - 1), (7, 3)):
        _add(c, f"rate-{scale}.{step}", f"{scale} access units in {step} seconds", samples(), "carriage.clock",
             send={"rate": [scale, step]})  # fmt: skip
    _add(c, "window", "A window of one packet, in which nothing may overtake", samples(), "carriage.window",
         sdp={"window": 1})  # fmt: skip


def _lost(c: Catalog) -> None:
    lost = "carriage.gap"
    _add(c, "lost-middle", "A sample in the middle is lost", samples(), "carriage.output", edit=[{"drop": [4]}])
    _add(c, "lost-first", "The first sample is lost", samples(), "carriage.extent", edit=[{"drop": [2]}])
    _add(c, "lost-last", "The last sample is lost, and its number known from the end", samples(), "carriage.extent",
         edit=[{"drop": [-3]}])  # fmt: skip
    for place, which in enumerate(("first", "second", "last")):
        _add(c, f"lost-fragment.{which}", f"The {which} fragment of a unit is lost", samples(**LARGE), lost, send=CUT,
             edit=[{"drop": [6 + place]}])  # fmt: skip
    _add(c, "lost-burst", "Four packets one after the other are lost", samples(8, **LARGE), lost, send=CUT,
         edit=[{"drop": [6, 7, 8, 9]}])  # fmt: skip
    _add(c, "lost-end", "The end of bitstream unit is lost", samples(), "carriage.extent", edit=[{"drop": [-1, -2]}])
    _add(c, "lost-end.once", "The end of bitstream unit is lost once and comes once", samples(),
         "carriage.repeated-end", edit=[{"drop": [-2]}])  # fmt: skip
    _add(c, "lost-set", "The parameter set is lost where it stands, and comes with the session description",
         samples(), "carriage.session-sets", send={"aggregate": False}, edit=[{"drop": [2]}])  # fmt: skip
    _add(c, "lost-all", "All samples are lost", samples(3), "carriage.extent", edit=[{"drop": [2, 3, 4]}])
    _add(c, "lost-digest", "A digest over samples of which one is lost is not compared",
         [fps(digests="T"), data(), data(seed=1), digest(), data(seed=2), digest()], "carriage.digests",
         send={"aggregate": False}, edit=[{"drop": [4]}])  # fmt: skip
    _add(c, "late", "A receiver that begins late, at a session description", samples(9), "carriage.join",
         edit=[{"drop": [0, 1, 2, 3, 4]}])  # fmt: skip
    _add(c, "late-twice", "A receiver that begins at the second session description", samples(10), "carriage.join",
         edit=[{"drop": [*range(9)]}])  # fmt: skip
    _add(c, "late-no.axis", "A receiver that begins after the one sample of a tensor without an axis of samples",
         [fps(axes="CHW"), fps(id=1, layer="b"), data(), *(data(id=1, seed=i) for i in range(6))],
         "carriage.extent", edit=[{"drop": [*range(6)]}])  # fmt: skip


def _order(c: Catalog) -> None:
    _add(c, "order-swapped", "Packets in pairs the wrong way round", samples(**LARGE), "carriage.window", send=CUT,
         edit=[{"order": [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10]}])  # fmt: skip
    _add(c, "order-reversed", "All packets in reverse", samples(**LARGE), "carriage.window", send=CUT,
         edit=[{"order": [*range(16, -1, -1)]}])  # fmt: skip
    _add(
        c,
        "order-wrap",
        "Packets out of order where numbers begin again at 0",
        samples(**LARGE),
        "carriage.window",
        send=CUT | {"first_sequence": 65_530},
        edit=[{"order": [0, 2, 1, 6, 7, 5, 4, 3]}],
    )
    _add(c, "order-63", "A packet that 63 others overtake", samples(70), "carriage.window",
         send={"repeat": 0}, edit=[{"order": [0, 1, *range(3, 66), 2]}])  # fmt: skip
    _add(c, "order-session", "The session descriptions come last", samples(), "carriage.before-session",
         send={"repeat": 0}, edit=[{"order": [*range(2, 10), 0, 1]}])  # fmt: skip
    _add(c, "order-end", "The end of bitstream unit comes before the last samples", samples(), "carriage.end",
         send={"copies": 1, "repeat": 0}, edit=[{"order": [0, 1, 2, 3, 7, 4, 5, 6]}])  # fmt: skip
    _add(c, "repeated", "Packets that come twice, at once and later", samples(**LARGE), "carriage.duplicates",
         send=CUT, edit=[{"repeat": [5, 6]}, {"repeat": [5, 12]}, {"repeat": [9, 3]}])  # fmt: skip
    _add(c, "repeated-other", "The second packet of a number is another one", samples(), "carriage.duplicates",
         edit=[{"repeat": [4, 5]}, {"bytes": {"packet": 5, "byte": 20, "to": "ffff"}}])  # fmt: skip


def _others(c: Catalog) -> None:
    there = {"seed": 1, "merge": "in turn"}
    _add(c, "others-source", "Two sources on one port; the first session description decides", samples(),
         "carriage.lock", other=there | {"send": {"ssrc": 5}})  # fmt: skip
    _add(
        c,
        "others-told",
        "Two sources on one port, and the session description names the second",
        samples(),
        "carriage.lock",
        other={"seed": 1, "send": {"ssrc": 5}, "merge": "before"},
        sdp={"ssrc": 0x5EED0001},
    )
    _add(c, "others-number", "A sender that begins another bitstream", samples(),
         "carriage.bitstream-number", edit=[{"drop": [-1, -2]}],
         other={"seed": 1, "merge": "after", "send": {"bitstream_number": 18, "timestamp_base": 7}})  # fmt: skip
    _add(c, "others-time", "Another bitstream of the same source and number, with another clock", samples(),
         "carriage.time-agrees", edit=[{"drop": [-1, -2]}],
         other={"seed": 1, "merge": "after", "send": {"timestamp_base": 77_777, "first_sequence": 509}})  # fmt: skip
    _add(c, "others-port", "Datagrams to another port", samples(), "carriage.capture",
         file={"format": "frames", "ports": {"3": 6000, "5": 1}}, sdp={"port": 5004})  # fmt: skip
    _add(c, "others-type", "Packets of another payload type, and RTCP", samples(), "carriage.rtp",
         edit=[{"bytes": {"packet": 4, "byte": 1, "to": "e1"}},
               {"insert": {"at": 3, "packet": "80c80006" + "5eed0001" + "00" * 20}}],
         sdp={"payload_type": 96})  # fmt: skip
    _add(c, "others-payload.type", "The greatest payload type", samples(), "carriage.sdp",
         send={"payload_type": 127}, sdp={"payload_type": 127})  # fmt: skip


def _ignored(c: Catalog) -> None:
    def one(name: str, title: str, *edits: dict[str, Any], requirement: str = "carriage.ignore", **more: Any) -> None:
        units = more.pop("units", samples())
        _add(c, f"ignored-{name}", title, units, requirement, edit=[*edits], **more)

    def set_bytes(byte: int, to: str, **more: Any) -> dict[str, Any]:
        return {"bytes": {"packet": 4, "byte": byte, "to": to} | more}

    one("type.0", "A packet of a reserved type", set_bytes(12, "0c"))
    one("type.7", "A packet of the greatest reserved type", set_bytes(12, "ec"))
    one("flags", "A single packet that says that it is no end", set_bytes(12, "28"), requirement="carriage.flags")
    one("flags.fragment", "A fragment that is the first and the last", set_bytes(12, "6c"),
        requirement="carriage.flags")  # fmt: skip
    one("flags.aggregation", "An aggregation packet of session descriptions", set_bytes(12, "5c"),
        requirement="carriage.flags")  # fmt: skip
    one("version", "A packet of another version of RTP", set_bytes(0, "40"), requirement="carriage.rtp")
    one("csrc", "CSRC identifiers beyond the packet", set_bytes(0, "8f"), requirement="carriage.rtp")
    one("extension", "A header extension beyond the packet", set_bytes(0, "90"), requirement="carriage.rtp")
    one("padding", "Padding beyond the packet", set_bytes(0, "a0"), set_bytes(44, "ff"), requirement="carriage.rtp")
    one("short", "Packets of one byte of payload and of none",
        {"bytes": {"packet": 4, "length": 13}}, {"bytes": {"packet": 5, "length": 12}},
        requirement="carriage.rtp")  # fmt: skip
    one("empty", "Datagrams of a few bytes", {"bytes": {"packet": 4, "length": 11}},
        {"bytes": {"packet": 5, "length": 1}})  # fmt: skip
    together = {"packet": 2, "byte": 14}
    one("size.beyond", "An aggregated unit that is longer than its packet", {"bytes": together | {"to": "00ff"}},
        requirement="carriage.aggregation")  # fmt: skip
    one("size.below", "An aggregated unit of 5 bytes", {"bytes": together | {"to": "0005"}},
        requirement="carriage.aggregation")  # fmt: skip
    one("fragment.empty", "An empty fragment among those of a unit", {"bytes": {"packet": 7, "length": 14}},
        units=samples(**LARGE), send=CUT, requirement="carriage.fragments")  # fmt: skip
    _add(
        c,
        "passed-csrc",
        "CSRC identifiers, a header extension and padding, passed over",
        samples(),
        "carriage.rtp",
        edit=[
            {"bytes": {"packet": 4, "byte": 12, "to": "0000000100000002", "insert": True}},
            set_bytes(0, "82"),
            {"bytes": {"packet": 5, "byte": 12, "to": "bede000110203040", "insert": True}},
            {"bytes": {"packet": 5, "byte": 0, "to": "90"}},
            {"bytes": {"packet": 7, "byte": 45, "to": "000003"}},
            {"bytes": {"packet": 7, "byte": 0, "to": "a0"}},
        ],
    )
    _add(c, "passed-reserved", "Reserved bits of the payload header that are not 0", samples(),
         "carriage.payload-header", edit=[set_bytes(12, "2f")])  # fmt: skip


def _units(c: Catalog) -> None:
    def forged(name: str, title: str, edit: dict[str, Any], *requirements: str, **more: Any) -> None:
        _add(c, f"unit-{name}", title, more.pop("units", samples()), *requirements, edit=[edit], **more)

    forged("crc", "A unit whose CRC is wrong", {"bytes": {"packet": 4, "byte": 25, "to": "5a"}}, "carriage.truth")
    forged("length", "A unit that is longer than its unit_length says",
           {"bytes": {"packet": 4, "byte": 15, "to": "0b"}}, "carriage.gap")  # fmt: skip
    forged(
        "overlong",
        "A fragmented unit whose unit_length does not fit",
        {"bytes": {"packet": 6, "byte": 15, "to": "ffffffff7f"}},
        "carriage.gap",
        units=samples(**LARGE),
        send=CUT,
    )
    forged(
        "time",
        "A sample in a packet with the timestamp of another",
        {"bytes": {"packet": 4, "byte": 4, "to": "000f4240"}},
        "carriage.time-agrees",
    )
    after = {"unit": {"packet": 6, "head": "04", "body": "92" + "55" * 24}}
    _add(c, "unit-again", "A sample that has come already, in the place of a session description", samples(),
         "carriage.samples", edit=[after, {"bytes": {"packet": 6, "byte": 4, "to": "000f6568"}}])  # fmt: skip
    before = {"unit": {"packet": 6, "head": "04", "body": "c0" + "55" * 24}}
    _add(c, "unit-before", "A sample before those that have come, in the place of a session description",
         [fps(), fps(id=1, layer="b"), *(data(id=1, seed=i) for i in range(6))], "carriage.samples",
         edit=[before, {"bytes": {"packet": 6, "byte": 4, "to": "000f4240"}}])  # fmt: skip
    forged("tensor", "Samples of a tensor that is not known",
           {"unit": {"packet": 4, "head": "04", "body": "4e" + ZEROS}}, "carriage.samples")  # fmt: skip
    forged("payload", "A unit with a right CRC whose payload is too short",
           {"unit": {"packet": 4, "head": "04", "body": "b8" + "55" * 23}}, "carriage.nonconforming")  # fmt: skip
    forged("nothing", "A unit with a right CRC and no body",
           {"unit": {"packet": 4, "head": "04", "body": ""}}, "carriage.nonconforming")  # fmt: skip
    forged("set", "A parameter set that does not read",
           {"unit": {"packet": 4, "head": "02", "body": "80" + ZEROS}}, "carriage.nonconforming")  # fmt: skip
    _add(
        c,
        "unit-end.time",
        "An end of bitstream unit at another time",
        samples(),
        "carriage.time-agrees",
        edit=[{"repeat": [-1, 6]}, {"drop": [7]}, {"bytes": {"packet": 6, "byte": 2, "to": "01fa000f7120"}}],
    )
    _add(
        c,
        "unit-after.end",
        "Samples after the end of bitstream unit",
        samples(4),
        "carriage.repeated-end",
        send={"copies": 1, "repeat": 0},
        edit=[{"bytes": {"packet": 5, "byte": 2, "to": "01f8"}}, {"bytes": {"packet": 4, "byte": 2, "to": "01f9"}}],
    )


def _parts(c: Catalog) -> None:
    words = {"C": 4, "H": 6, "W": 3, "parts": [2, 2]}

    def units(count: int = 4, **more: Any) -> list[Unit]:
        out: list[Unit] = [fps(**words, **more)]
        for i in range(count):
            out += [{"unit": "part", "index": k, "sample": i} for k in (0, 1, 4, 5, 2, 3)]
            out += [digest()] if more.get("digests") else []
        return out

    plain = {"profile": "RESILIENT", "send": {"aggregate": False}}
    _add(c, "parts", "All parts of all samples", units(digests="T"), "part.decode", profile="RESILIENT")
    _add(c, "parts-lost", "Some parts of three samples are lost", units(), "part.missing",
         edit=[{"drop": [4, 9, 10, 11, 12, 13, 15, 16]}], **plain)  # fmt: skip
    _add(c, "parts-sample", "All parts of a sample are lost, and some of the last one", units(), "carriage.output",
         edit=[{"drop": [*range(9, 15), 21]}], **plain)  # fmt: skip
    _add(c, "parts-digest", "Digests of samples of which parts are lost are not compared",
         units(digests="T"), "carriage.digests", edit=[{"drop": [5]}], **plain)  # fmt: skip
    constant = [fps(**words, scope="CHANNEL", ranges=[[0.0, 1.0], [2.5, 2.5], [0.0, 3.0], [-1.0, 1.0]]),
                *units(3)[1:]]  # fmt: skip
    _add(c, "parts-constant", "A channel that the parameter set gives, in samples of which parts or all are lost",
         constant, "part.missing", "carriage.output", edit=[{"drop": [4, *range(9, 15)]}], **plain)  # fmt: skip
    _add(
        c,
        "parts-again",
        "A part that comes twice, with other numbers",
        units(2),
        "carriage.samples",
        edit=[{"repeat": [3, 5]}, {"drop": [6]}, {"bytes": {"packet": 5, "byte": 2, "to": "01f9"}}],
        **plain,
    )


def _sessions(c: Catalog) -> None:
    def described(name: str, title: str, *requirements: str, **changes: Any) -> None:
        _add(c, f"session-{name}", title, samples(**TIME), *(requirements or ("carriage.session",)),
             edit=[{"session": {"packet": 0} | changes}])  # fmt: skip

    rate = {"rate_scale": 25, "rate_step": 1}
    described("header", "A session description with another header is ignored", header="89444643010003019999999a")
    described("set", "A session description with a unit that is no parameter set is ignored",
              sets=["090600016b000174" + "86892cae"])  # fmt: skip
    _add(c, "session-crc", "A session description whose CRC is wrong is ignored", samples(), "carriage.session",
         edit=[{"bytes": {"packet": 0, "byte": 30, "to": "77"}}])  # fmt: skip
    for name, byte, to in (
        ("rate.scale-0", 30, "00000000"),
        ("rate.step-0", 34, "00000000"),
        ("count-65", 42, "41"),
        ("count-255", 42, "ff"),
        ("size-5", 43, "00000005"),
        ("size-beyond", 43, "ffffffff"),
    ):
        _add(c, f"session-{name}", "A session description with a value that is not allowed is ignored", samples(),
             "carriage.session", edit=[{"bytes": {"packet": 0, "byte": byte, "to": to, "crc": True}}])  # fmt: skip
    _add(c, "session-later", "Later session descriptions with another clock are ignored", samples(9, **TIME),
         "carriage.lock", edit=[{"session": {"packet": 6} | rate}])  # fmt: skip
    _add(c, "session-once", "One session description at the beginning", samples(), "carriage.join",
         send={"repeat": 0, "copies": 1})  # fmt: skip
    _add(c, "session-fragments", "A session description in fragments",
         samples(2, C=12, scope="CHANNEL", ranges=[[0.0, 1.0 + i] for i in range(12)]), "carriage.fragments",
         send={"packet_bytes": 90})  # fmt: skip
    several = [fps(layer="a"), fps(id=1, layer="b"), data(), data(id=1), fps(id=2, layer="c"), data(id=2)]
    _add(c, "session-several", "Session descriptions of several parameter sets", several, "carriage.session-sets")


def _files(c: Catalog) -> None:
    forms: dict[str, dict[str, Any]] = {
        "pcap": {"format": "pcap"}, "big.endian": {"order": ">"}, "nano": {"time": "nano"},
        "ethernet": {"link": 1}, "ethernet.6": {"link": 1, "ip": 6}, "ip.6": {"ip": 6},
    }  # fmt: skip
    for name, form in forms.items():
        form = form if "format" in form else form | {"format": "frames"}
        _add(c, f"file-{name}", f"A pcap file: {name}", samples(4), "carriage.capture", file=form)
    _add(c, "out.of.band", "The parameter set in the session description of SDP alone", samples(),
         "carriage.out-of-band", send={"in_band": False, "aggregate": False}, edit=[{"drop": [2]}],
         sdp={"sets": True})  # fmt: skip
    several = [fps(layer="a"), fps(id=1, layer="b"), data(), data(id=1, seed=1), data(seed=2), data(id=1, seed=3)]
    _add(c, "out.of.band-several", "Two parameter sets in the session description of SDP alone", several,
         "carriage.out-of-band", send={"in_band": False, "aggregate": False}, edit=[{"drop": [2, 3]}],
         sdp={"sets": True})  # fmt: skip


def _nothing(c: Catalog) -> None:
    def none(name: str, title: str, kind: str, violates: str, *edits: dict[str, Any]) -> None:
        c.capture(f"carriage-{name}", title, samples(3), kind=kind, violates=violates, edit=[*edits],
                  send={"copies": 1, "repeat": 0})  # fmt: skip

    nothing = "carriage.tensors"
    none("nothing-session", "Without a session description there is nothing to put out", "malformed", nothing,
         {"drop": [0]})  # fmt: skip
    none("nothing-damaged", "The only session description is damaged", "malformed", nothing,
         {"bytes": {"packet": 0, "byte": 33, "to": "77"}})  # fmt: skip
    none("nothing-model", "A session description of model updates", "malformed", nothing,
         {"session": {"packet": 0, "header": "8944464301000601c6a12b6f"}})  # fmt: skip
    none("unsupported-version", "A bitstream of another major version", "unsupported", "bitstream.version-major",
         {"session": {"packet": 0, "header": "8944464302000301a96370c4"}})  # fmt: skip
    none("unsupported-profile", "A bitstream of a profile that is not known", "unsupported",
         "bitstream_header.profile_idc", {"session": {"packet": 0, "header": "894446430109c8019c09ea20"}})  # fmt: skip
    c.capture(
        "carriage-unsupported-unit",
        "A unit of an unknown type that must not be passed over",
        [fps(), data(), other(99, "01", skippable=0), data()],
        kind="unsupported",
        violates="unit.unknown",
    )
    wrong = [fps(digests="T"), data(), data(seed=1), digest()]
    c.capture("carriage-digest-wrong", "A digest that differs from the samples, all of which came", wrong,
              kind="invalid", violates="digest.value", send={"aggregate": False},
              edit=[{"bytes": {"packet": 5, "byte": 28, "to": "00", "crc": True}}])  # fmt: skip
    none("nothing-packets", "A capture without packets", "malformed", nothing, {"drop": [0, 1, 2, 3, 4]})
