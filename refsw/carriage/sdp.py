"""14.8 The parameters of a session, and the session description of SDP that tells them."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from refsw.carriage.packets import CLOCK, DEFAULT_PAYLOAD_TYPE
from refsw.carriage.session import read_header, whole_unit
from refsw.carriage.window import DEFAULT_WINDOW, MOST_WINDOW
from refsw.errors import DfcError, ErrorClass, ParseError
from refsw.syntax.codes import UnitType

ENCODING = "DFC"
LONGEST = 1 << 24
"""Bytes of the longest session description that is read."""


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
    lines = text.decode("utf-8", "replace").splitlines()
    media: list[list[str]] = []
    for line in lines:
        if line.startswith("m="):
            media.append([])
        if media:
            media[-1].append(line)
    for one in media:
        found = _media(one)
        if found is not None:
            return found
    raise _wrong("m=", f"media with a=rtpmap:... {ENCODING}/{CLOCK}", "none")


def _media(lines: list[str]) -> SessionParameters | None:
    maps = [re.fullmatch(r"a=rtpmap:(\d{1,3}) (?i:DFC)/(\d+)", line.strip()) for line in lines]
    mapped = next((m for m in maps if m), None)
    place = re.match(r"m=\S+ (\d{1,5})(?:/\d+)? ", lines[0])
    if mapped is None or place is None:
        return None
    if int(mapped[2]) != CLOCK or int(mapped[1]) > 127 or int(place[1]) > 0xFFFF:
        raise _wrong("a=rtpmap", f"a payload type up to 127, port up to 65535, {ENCODING}/{CLOCK}", mapped[0])
    parameters: dict[str, str] = {}
    ssrc = None
    for line in lines:
        if line.startswith(f"a=fmtp:{mapped[1]} "):
            entries = line.partition(" ")[2].split(";")
            parameters |= {key.strip().lower(): value.strip() for key, _, value in (e.partition("=") for e in entries)}
        if (told := re.match(r"a=ssrc:(\d{1,10})(?:\s|$)", line)) and ssrc is None:
            ssrc = int(told[1])
    window = parameters.get("window", str(DEFAULT_WINDOW))
    if not window.isdecimal() or not 1 <= int(window[:9]) <= MOST_WINDOW:
        raise _wrong("window", f"1 to {MOST_WINDOW}", window)
    if ssrc is not None and ssrc >= 1 << 32:
        raise _wrong("a=ssrc", "32 bits", str(ssrc))
    sets = tuple(_set(text) for text in parameters.get("sprop-parameter-sets", "").split(",") if text)
    return SessionParameters(int(mapped[1]), int(place[1]) or None, ssrc, int(window), sets)


def _set(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong("sprop-parameter-sets", "base64", str(error)) from error
    try:
        good = len(data) > 1 and whole_unit(data).type == UnitType.FEATURE_PARAMETER_SET
    except DfcError:
        good = False
    if not good:
        raise _wrong("sprop-parameter-sets", "feature parameter sets with a right CRC", text[:40])
    return data


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
