"""14.8: session descriptions of SDP, as a receiver reads them, and those that it refuses."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.captures import samples
from vectors.recipes.words import data, fps

MEDIA, MAP, SETS = "m=application 5004 RTP/AVP 96", "a=rtpmap:96 DFC/90000", "a=fmtp:96 sprop-parameter-sets={sets}"
ALONE: dict[str, Any] = {"send": {"in_band": False, "aggregate": False}, "edit": [{"drop": [2]}]}
"""The parameter set is in the session description of SDP alone, so that what is read of it shows."""
LATE = {"send": {"repeat": 0}, "edit": [{"move": [3, 102]}]}
"""A packet that 99 others overtake: in its place with a window of 100 packets alone."""


def register(c: Catalog) -> None:
    """Add the recipes."""
    _read(c)
    _chosen(c)
    _windows(c)
    _sources(c)
    _refused(c)


def text(*lines: str, end: str = "\r\n") -> dict[str, str]:
    """A session description of these lines after the first ones."""
    return {"text": end.join(["v=0", "o=- 1 1 IN IP4 192.0.2.2", "s=features", "t=0 0", *lines, ""])}


def _add(c: Catalog, name: str, title: str, sdp: dict[str, str], **more: Any) -> None:
    units = more.pop("units", samples(2))
    c.capture(f"carriage-sdp-{name}", title, units, requirements=("carriage.sdp-read",), sdp=sdp, **more)


def _read(c: Catalog) -> None:
    def read(name: str, title: str, *lines: str, **more: Any) -> None:
        _add(c, name, title, text(*lines, **more), **ALONE)

    read("case", "Letters of either case in the encoding name and in the name of a parameter", MEDIA,
         "a=rtpmap:96 dFc/90000", "a=fmtp:96 Sprop-PARAMETER-sets={sets}")  # fmt: skip
    read("spaces", "Spaces around names and values, and empty entries", MEDIA, MAP,
         "a=fmtp:96  window = 64 ;; sprop-parameter-sets = {sets} ; ;")  # fmt: skip
    read("unknown", "Lines and parameters that are not known, and values that only tell of the bitstream header",
         "b=AS:1", MEDIA, "i=features", "a=recvonly", MAP,
         "a=fmtp:96 x;y=1;profile=none;level=-1;version=99;sprop-parameter-sets={sets};window-size=0",
         "a=ssrc-group:FID 1", "x", "")  # fmt: skip
    read("lines", "Lines that end with a line feed alone", MEDIA, MAP, SETS, end="\n")
    read("separators", "Characters that end a line elsewhere, and none here",
         "i=a\u2028m=application 6 RTP/AVP 96\u2028a=rtpmap:96 DFC/90000\u0085\x0b\x0cm=a", MEDIA, MAP,
         SETS)  # fmt: skip
    read("order", "Parameters before the encoding name", MEDIA, SETS, MAP)
    read("protocol", "Another protocol of RTP, and a number of ports", "m=application 5004/2 RTP/SAVPF 96", MAP, SETS)
    read("twice", "Parameters in two lines", MEDIA, MAP, "a=fmtp:96 window=64", SETS)
    read("other.types", "Parameters of other payload types", "m=application 5004 RTP/AVP 9 96 97", MAP,
         "a=fmtp:9 window=0", "a=fmtp:960 window=0", SETS, "a=fmtp:97 sprop-parameter-sets=?")  # fmt: skip
    last = f"{SETS};window=64"
    _add(c, "no.end", "A last line without an end", {"text": "\n".join([MEDIA, MAP, last])}, **ALONE)
    _add(c, "characters", "Bytes that are no UTF-8",
         {"bytes": (b"s=\xff\xfe\xc3\n" + "\n".join([MEDIA, MAP, ""]).encode()).hex()})  # fmt: skip
    several = [fps(layer="a"), fps(id=1, layer="b"), data(), data(id=1, seed=1)]
    _add(c, "sets.order", "Parameter sets in another order than in the bitstream",
         text(MEDIA, MAP, "a=fmtp:96 sprop-parameter-sets={1},{0}"), units=several,
         send={"in_band": False, "aggregate": False})  # fmt: skip
    _add(c, "sets.again", "Parameter sets both here and in packets, and one of them twice", text(MEDIA, MAP,
         "a=fmtp:96 sprop-parameter-sets={1},{1}"), units=several)  # fmt: skip
    _add(c, "sets.one", "Of two parameter sets one is here, and both are in packets", text(MEDIA, MAP,
         "a=fmtp:96 sprop-parameter-sets={1}"), units=several)  # fmt: skip


def _chosen(c: Catalog) -> None:
    mine = (MEDIA, MAP, SETS)
    others = ("m=video 6000 RTP/AVP 96", MAP, "m=application 6000 UDP 96", MAP, "m=application 6000 RTP/AVP 97", MAP,
              "m=application 6000 RTP/AVP 96", "a=rtpmap:96 DFC/48000", "a=rtpmap:96 DFC/90000/1",
              "a=rtpmap:96 H265/90000", "a=fmtp:96 window=0", "m=application x RTP/AVP 96", MAP)  # fmt: skip
    _add(c, "media", "Other media before the one of features", text(*others, *mine), **ALONE)
    _add(c, "first", "The first of two media of features", text(*mine, MEDIA.replace("5004", "5006"), MAP,
         "a=fmtp:96 window=0"), **ALONE)  # fmt: skip
    _add(c, "types", "The first of two payload types of features, by the lines that map them",
         text("m=application 5004 RTP/AVP 97 96", MAP, "a=rtpmap:97 DFC/90000"),
         other={"seed": 1, "send": {"payload_type": 97}, "merge": "before"})  # fmt: skip
    frames: dict[str, Any] = {"format": "frames", "ports": {"3": 6000, "4": 65_535}}
    for name, port, title in (("0", 0, "no port"), ("65535", 65_535, "the greatest port"), ("1", 1, "the least port")):
        told = {"format": "frames", "ports": {str(i): port for i in range(9)}} if port else frames
        _add(c, f"port-{name}", f"A session of {title}", text(MEDIA.replace("5004", str(port)), MAP), file=told)


def _windows(c: Catalog) -> None:
    for window in (100, 4096):
        _add(c, f"window-{window}", "A packet that 99 others overtake", text(MEDIA, MAP, f"a=fmtp:96 window={window}"),
             units=samples(101), **LATE)  # fmt: skip
    _add(c, "window-1", "The least window", text(MEDIA, MAP, "a=fmtp:96 window=1"))
    _add(c, "window-4096.bytes", "Fragments of a session description and of a unit that 3,000 numbers of nobody follow",
         text(MEDIA, MAP, "a=fmtp:96 window=4096"), units=samples(3, C=2, H=9, W=8), send={"packet_bytes": 70},
         edit=[{"renumber": [11, 3000]}, {"move": [8, 14]}, {"move": [4, 14]}])  # fmt: skip


def _sources(c: Catalog) -> None:
    for name, ssrc in (("0", 0), ("4294967295", 2**32 - 1), ("7", 7)):
        _add(c, f"ssrc-{name}", "The source that the session description names, after another one",
             text(MEDIA, MAP, f"a=ssrc:{ssrc} cname:x", "a=ssrc:5", f"a=ssrc:{ssrc} label:x"),
             send={"ssrc": ssrc}, other={"seed": 1, "send": {"ssrc": 5}, "merge": "before"})  # fmt: skip
    _add(c, "ssrc-short", "A source without attributes", text(MEDIA, MAP, f"a=ssrc:{0x5EED0001}"),
         other={"seed": 1, "send": {"ssrc": 5}, "merge": "before"})  # fmt: skip


def _refused(c: Catalog) -> None:
    def refused(name: str, title: str, *lines: str, **more: Any) -> None:
        c.capture(f"carriage-sdp.wrong-{name}", title, more.pop("units", samples(1)), kind="malformed",
                  violates="carriage.sdp", sdp=more.get("sdp") or text(*lines))  # fmt: skip

    refused("nothing", "An empty session description", sdp={"bytes": ""})
    refused("media", "No media", MAP)
    refused("no.map", "No encoding name", MEDIA)
    refused("map", "The encoding name of a payload type that the media does not have", MEDIA, MAP.replace("96", "97"))
    refused("part", "The encoding name of a payload type whose digits the media has within another",
            MEDIA.replace("96", "196"), MAP)  # fmt: skip
    refused("kind", "Media of another kind", MEDIA.replace("application", "video"), MAP)
    refused("protocol", "Another protocol than RTP", MEDIA.replace("RTP/AVP", "UDP"), MAP)
    refused("clock", "Another clock", MEDIA, MAP.replace("90000", "48000"))
    refused("carriage.return", "Lines that end with a carriage return alone",
            sdp={"text": "\r".join(["", MEDIA, MAP, ""])})  # fmt: skip
    refused("type-128", "A payload type above 127", MEDIA.replace("96", "128"), MAP.replace("96", "128"))
    refused("type-096", "A payload type with a leading zero", MEDIA.replace("96", "096"), MAP.replace("96", "096"))
    refused("port-65536", "A port above 65535", MEDIA.replace("5004", "65536"), MAP)
    refused("port-digits", "Digits of another script in the port", MEDIA.replace("5004", "\u0665\u0660\u0660\u0664"),
            MAP)  # fmt: skip
    for name, value, title in (
        ("4294967296", "4294967296", "A source of 33 bits"),
        ("letters", f"{0x5EED0001}a", "A source that is no number"),
        ("empty", "", "A source without a number"), ("zero", f"0{0x5EED0001} cname:x", "A source with a leading zero"),
    ):  # fmt: skip
        refused(f"ssrc-{name}", title, MEDIA, MAP, f"a=ssrc:{value}")
    refused("ssrc-second", "A second source that is no number", MEDIA, MAP, f"a=ssrc:{0x5EED0001}", "a=ssrc:-1")
    for name, value in (("0", "0"), ("4097", "4097"), ("empty", ""), ("sign", "+64"), ("zero", "064"),
                        ("space", "6 4"), ("fraction", "64.0"), ("hex", "0x40"), ("digits", "\u0666\u0664"),
                        ("long", "64" * 3000)):  # fmt: skip
        refused(f"window-{name}", "A window that is none", MEDIA, MAP, f"a=fmtp:96 window={value}")
    refused("window-missing", "A window without a value", MEDIA, MAP, "a=fmtp:96 window")
    refused("twice", "A parameter twice", MEDIA, MAP, "a=fmtp:96 window=64;x=1;WINDOW=64")
    refused("twice.lines", "A parameter in two lines", MEDIA, MAP, "a=fmtp:96 window=64", "a=fmtp:96 window=64")
    refused("twice.unknown", "A parameter twice that is not known", MEDIA, MAP, "a=fmtp:96 x=1; x=2")
    sets = "a=fmtp:96 sprop-parameter-sets="
    for name, value, title in (
        ("empty", "", "No parameter set"), ("letters", "?", "No base64"), ("padding", "AAA",
        "Base64 without its padding"),
        ("space", "{0} {0}", "A space within base64"), ("bytes", "AAAA", "Bytes that are no unit"),
        ("byte", "Ag==", "One byte"), ("comma", "{0},", "An empty parameter set after a right one"),
        ("type", "BAAltdf7", "A unit of another type"), ("crc", "AgAAAAAA", "A unit with a wrong CRC"),
        ("two", "AgGACGa/HQ==,AgGBf2GPiw==", "Two parameter sets of one parameter_set_id"),
    ):  # fmt: skip
        refused(f"sets-{name}", title, MEDIA, MAP, sets + value)
