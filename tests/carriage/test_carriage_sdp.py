"""14.8: parameters of the session, out of band."""

from __future__ import annotations

import base64

import pytest

from refsw.carriage.sdp import SessionParameters, make_sdp, parse_sdp
from refsw.carriage.session import read_session
from refsw.errors import DfcError
from tests.carriage.carrying import bitstream, carry, parsed

DATA = bitstream(2)
SETS = read_session(parsed(carry(DATA, packet_bytes=1200))[0].body).parameter_sets
FULL = SessionParameters(111, 5004, 0x11223344, 100, SETS)


def lines(**changes: str) -> bytes:
    """A session description with other lines, by the start of each."""
    text = make_sdp(FULL, DATA[:12], "192.0.2.9").splitlines()
    out = [
        next((new for start, new in changes.items() if line.startswith(start.replace("_", "="))), line) for line in text
    ]
    return "\r\n".join(line for line in out if line).encode()


def test_what_is_told_is_read() -> None:
    for address in ("192.0.2.9", "2001:db8::9"):
        assert parse_sdp(make_sdp(FULL, DATA[:12], address).encode()) == FULL
    text = make_sdp(FULL, DATA[:12], "192.0.2.9")
    assert "m=application 5004 RTP/AVP 111" in text
    assert "a=rtpmap:111 DFC/90000" in text
    assert "profile=3;level=1;version=0;window=100;sprop-parameter-sets=" in text


def test_what_is_not_told_has_its_default() -> None:
    found = parse_sdp(b"m=application 0 RTP/AVP 97\na=rtpmap:97 dfc/90000\n")
    assert found == SessionParameters(payload_type=97)


def test_other_media_are_passed_over() -> None:
    other = b"v=0\r\nm=video 6000 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=fmtp:96 window=0\r\n"
    assert parse_sdp(other + lines()) == FULL


SET = base64.b64encode(SETS[0]).decode()


def test_digits_of_other_scripts_and_ends_of_lines_of_unicode_are_none() -> None:
    for text in ("a=fmtp:111 window=\u0666\u0664", "a=fmtp:111 window=064"):
        with pytest.raises(DfcError):
            parse_sdp(lines(a_fmtp=text))
    inside = "i=x\u2028m=application 6 RTP/AVP 111\u2028a=rtpmap:111 DFC/90000\n".encode()
    assert parse_sdp(inside + lines()) == FULL


WRONG = {
    "nothing": b"",
    "no media": b"v=0\r\n",
    "another encoding": lines(a_rtpmap="a=rtpmap:111 H265/90000"),
    "another clock": lines(a_rtpmap="a=rtpmap:111 DFC/48000"),
    "payload type": lines(a_rtpmap="a=rtpmap:128 DFC/90000"),
    "port": lines(m_="m=application 65536 RTP/AVP 111"),
    "ssrc": lines(a_ssrc="a=ssrc:4294967296 cname:x"),
    "window 0": lines(a_fmtp="a=fmtp:111 window=0"),
    "window 4097": lines(a_fmtp="a=fmtp:111 window=4097"),
    "window of letters": lines(a_fmtp="a=fmtp:111 window=x"),
    "window beyond all": lines(a_fmtp="a=fmtp:111 window=" + "9" * 5000),
    "no base64": lines(a_fmtp="a=fmtp:111 sprop-parameter-sets=?"),
    "no unit": lines(a_fmtp="a=fmtp:111 sprop-parameter-sets=AAAA"),
    "one byte": lines(a_fmtp="a=fmtp:111 sprop-parameter-sets=AA=="),
    "damaged": lines(a_fmtp=f"a=fmtp:111 sprop-parameter-sets={base64.b64encode(SETS[0][:-1] + b'x').decode()}"),
    "bytes": bytes(range(256)) * 3,
    "too long": b"v=0\n" * (1 << 23),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_not_right_is_told(kind: str) -> None:
    with pytest.raises(DfcError) as caught:
        parse_sdp(WRONG[kind])
    assert (caught.value.requirement, caught.value.exit_code) == ("carriage.sdp", 65)
