"""14.8 The parameters of a session, and the session description of SDP that tells them."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from refsw.carriage.packets import CLOCK, DEFAULT_PAYLOAD_TYPE
from refsw.carriage.session import check_sets, read_header
from refsw.carriage.window import DEFAULT_WINDOW, MOST_WINDOW
from refsw.errors import DfcError, ErrorClass, ParseError

ENCODING = "DFC"
LONGEST = 1 << 24
"""Bytes of the longest session description that is read."""
MEDIA = re.compile(r"m=application ([0-9]+)(?:/[0-9]+)? RTP/[!-~]+ ([0-9 ]+)")
MAP = re.compile(rf"a=rtpmap:([0-9]+) (?i:{ENCODING})/{CLOCK}")
NUMBER = re.compile("0|[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True)
class SessionParameters:
    """What a receiver is told beforehand.

    Args:
        payload_type: of the packets.
        port: that they go to; None: any.
        ssrc: of the bitstream; None: that of the first session description.
        window: W of 14.6.2.
        parameter_sets: whole units.
    """

    payload_type: int = DEFAULT_PAYLOAD_TYPE
    port: int | None = None
    ssrc: int | None = None
    window: int = DEFAULT_WINDOW
    parameter_sets: tuple[bytes, ...] = ()


def parse_sdp(text: bytes) -> SessionParameters:
    """14.8.2 The first media of encoding DFC in a session description.

    Raises:
        ParseError: there is none, or its parameters are not right.
    """
    if len(text) > LONGEST:
        raise _wrong("a session description", f"at most {LONGEST} bytes", str(len(text)))
    media: list[list[str]] = []
    for line in re.split("\r?\n", text.decode("utf-8", "replace")):
        if line.startswith("m="):
            media.append([])
        if media:
            media[-1].append(line)
    for lines in media:
        place = MEDIA.fullmatch(lines[0])
        maps = [found[1] for line in lines if (found := MAP.fullmatch(line))]
        listed = [number for number in maps if place is not None and number in place[2].split(" ")]
        if place is not None and listed:
            return _media(place[1], listed[0], lines[1:])
    raise _wrong("m=", f"m=application PORT RTP/AVP TYPE with a=rtpmap:TYPE {ENCODING}/{CLOCK}", "none")


def _media(port: str, payload_type: str, lines: list[str]) -> SessionParameters:
    start, parameters, sources = f"a=fmtp:{payload_type} ", dict[str, str](), list[int]()
    for line in lines:
        if line.startswith(start):
            for entry in line.removeprefix(start).split(";"):
                name, _, value = entry.partition("=")
                name = name.strip(" ").lower()
                if name in parameters:
                    raise _wrong("a=fmtp", "every parameter once", f"{name} again")
                parameters |= {name: value.strip(" ")} if name else {}
        elif line.startswith("a=ssrc:"):
            sources.append(_number("a=ssrc", line.removeprefix("a=ssrc:").partition(" ")[0], 0, 2**32 - 1))
    told = parameters.get("sprop-parameter-sets")
    return SessionParameters(
        _number("a=rtpmap", payload_type, 0, 127),
        _number("m=", port, 0, 65_535) or None,
        sources[0] if sources else None,
        _number("window", parameters.get("window", str(DEFAULT_WINDOW)), 1, MOST_WINDOW),
        () if told is None else _sets(told.split(",")),
    )


def _number(element: str, text: str, low: int, high: int) -> int:
    """A number in decimal; others are not even read."""
    if not NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise _wrong(element, f"a number from {low} to {high}, without leading zeros", text[:40])
    return int(text)


def _sets(texts: list[str]) -> tuple[bytes, ...]:
    try:
        sets = tuple(base64.b64decode(text, validate=True) for text in texts)
        check_sets(sets)
    except (ValueError, DfcError) as error:
        expected = "feature parameter sets with right CRCs, in base64"
        raise _wrong("sprop-parameter-sets", expected, str(error)) from error
    return sets


def _wrong(element: str, expected: str, got: str) -> DfcError:
    return ParseError(ErrorClass.OUT_OF_RANGE, "carriage.sdp", element, None, expected=expected, got=got)


def make_sdp(parameters: SessionParameters, header: bytes, address: str = "0.0.0.0") -> str:  # noqa: S104 - any
    """14.8.2 A session description of a bitstream.

    Args:
        parameters: of the session.
        header: the bitstream header.
        address: that the packets go to.
    """
    told, payload_type = read_header(header), parameters.payload_type
    family = "IP6" if ":" in address else "IP4"
    entries = [f"profile={told.profile.value}", f"level={told.level.value}", f"version={told.version_minor}"]
    entries.append(f"window={parameters.window}")
    if parameters.parameter_sets:
        sets = ",".join(base64.b64encode(unit).decode() for unit in parameters.parameter_sets)
        entries.append(f"sprop-parameter-sets={sets}")
    lines = [
        "v=0",
        f"o=- 1 1 IN {family} {address}",
        "s=features",
        f"c=IN {family} {address}",
        "t=0 0",
        f"m=application {parameters.port or 0} RTP/AVP {payload_type}",
        f"a=rtpmap:{payload_type} {ENCODING}/{CLOCK}",
        f"a=fmtp:{payload_type} {';'.join(entries)}",
    ]
    if parameters.ssrc is not None:
        lines.append(f"a=ssrc:{parameters.ssrc} cname:features")
    return "\r\n".join(lines) + "\r\n"
