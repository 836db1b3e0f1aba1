"""Files of captures (14.10) and session descriptions (14.8.2): the datagrams of a session, and what it is told."""
import base64
import binascii
import re
import struct
from types import SimpleNamespace

from dfc_video import Reject, need

ETHERNET, RAW_IP, UDP = 1, 101, 17
IP4, IP6, VLAN = 0x0800, 0x86DD, (0x8100, 0x88A8)
EXTENSIONS = 0, 43, 60              # of IPv6: hop by hop, routing, destination

def packets(capture, port=None):
    """The payloads of UDP datagrams to a port, or of any, in the order of a file."""
    if capture[:2] == b"#!":
        return list(dumped(capture))
    return [payload for to, payload in captured(capture) if port in (None, to)]

def dumped(capture):
    """rtpdump."""
    need(re.match(rb"#!rtpplay1\.0 [^\n]*\n", capture), "carriage.capture")
    pos = capture.index(b"\n") + 1 + 16
    while pos + 8 <= len(capture):
        length, size = struct.unpack_from(">HH", capture, pos)
        if length < 8 or pos + length > len(capture):
            return
        if 0 < size <= length - 8:
            yield capture[pos + 8:pos + 8 + size]
        pos += length

def captured(capture):
    """pcap: the ports that datagrams go to, and their payloads."""
    orders = {b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">", b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<"}
    order = orders.get(capture[:4])
    need(order and len(capture) >= 24, "carriage.capture")
    need(struct.unpack_from(order + "HH", capture, 4) == (2, 4), "carriage.capture")
    link, pos = struct.unpack_from(order + "I", capture, 20)[0] & 0xFFFF, 24
    need(link in (ETHERNET, RAW_IP), "carriage.capture", f"link type {link}")
    while pos + 16 <= len(capture):
        kept, _ = struct.unpack_from(order + "II", capture, pos + 8)
        frame, pos = capture[pos + 16:pos + 16 + kept], pos + 16 + kept
        if pos > len(capture):
            return
        found = datagram(frame if link == RAW_IP else of_ethernet(frame))
        if found:
            yield found

def of_ethernet(frame):
    pos = 12
    while int.from_bytes(frame[pos:pos + 2], "big") in VLAN:
        pos += 4
    return frame[pos + 2:] if int.from_bytes(frame[pos:pos + 2], "big") in (IP4, IP6) else b""

def datagram(ip):
    """The port that it goes to and the payload of a whole UDP datagram; None if it is none."""
    if len(ip) >= 20 and ip[0] >> 4 == 4:
        start, stop, kind = 4 * (ip[0] & 15), int.from_bytes(ip[2:4], "big"), ip[9]
        if start < 20 or int.from_bytes(ip[6:8], "big") & 0x3FFF:       # a fragment
            return None
    elif len(ip) >= 40 and ip[0] >> 4 == 6:
        start, stop, kind = 40, 40 + int.from_bytes(ip[4:6], "big"), ip[6]
        while kind in EXTENSIONS and start + 8 <= len(ip):
            kind, start = ip[start], start + 8 + 8 * ip[start + 1]
    else:
        return None
    if kind != UDP or not start + 8 <= stop <= len(ip):
        return None
    size = int.from_bytes(ip[start + 4:start + 6], "big")
    if not 8 <= size <= stop - start:
        return None
    return int.from_bytes(ip[start + 2:start + 4], "big"), ip[start + 8:start + size]

def session_of(sdp):
    """Port, payload type, window, SSRC and parameter sets of the first media of DFC in an SDP (14.8)."""
    media = []
    for line in sdp.splitlines():
        if line.startswith("m="):
            media.append([])
        if media:
            media[-1].append(line.strip())
    for lines in media:
        head = re.fullmatch(r"m=application (\d+)(?:/\d+)? RTP/\S+ ([\d ]+)", lines[0])
        types = [found[1] for line in lines if (found := re.fullmatch(r"a=rtpmap:(\d+) DFC/90000", line, re.I))]
        if head and types and types[0] in head[2].split():
            return told(int(head[1]), types[0], lines)
    raise Reject("carriage.sdp", "no media of DFC")

def told(port, kind, lines):
    out = SimpleNamespace(port=port, payload_type=int(kind), window=64, ssrc=None, sets=[])
    for line in lines:
        if found := re.match(r"a=ssrc:(\d+)", line):
            out.ssrc = int(found[1])
        if found := re.fullmatch(rf"a=fmtp:{kind} (.*)", line):
            parameters = dict(part.strip().partition("=")[::2] for part in found[1].split(";"))
            out.window = int(parameters.get("window", 64))
            need(1 <= out.window <= 4096, "carriage.sdp", "window")
            for text in filter(None, parameters.get("sprop-parameter-sets", "").split(",")):
                try:
                    out.sets.append(base64.b64decode(text, validate=True))
                except binascii.Error:
                    continue
    return out
