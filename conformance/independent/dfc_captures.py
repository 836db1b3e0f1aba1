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
    found = dumped(capture) if capture[:2] == b"#!" else captured(capture)
    return [payload for to, payload in found if port in (None, to)]

def dumped(capture):
    """rtpdump: the port that all went to, and the packets."""
    head = re.match(rb"#!rtpplay1\.0 [^\n]*/(\d+)\n", capture)
    need(head and int(head[1]) <= 0xFFFF and len(capture) >= head.end() + 16, "carriage.capture")
    pos = head.end() + 16
    while pos < len(capture):
        need(pos + 8 <= len(capture), "carriage.capture", "the file is cut off")
        length, size = struct.unpack_from(">HH", capture, pos)
        need(length >= 8 and pos + length <= len(capture), "carriage.capture", "the file is cut off")
        if size and size == length - 8:
            yield int(head[1]), capture[pos + 8:pos + length]
        pos += length

def captured(capture):
    """pcap: the ports that datagrams go to, and their payloads."""
    orders = {b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">", b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<"}
    order = orders.get(capture[:4])
    need(order and len(capture) >= 24, "carriage.capture")
    need(struct.unpack_from(order + "HH", capture, 4) == (2, 4), "carriage.capture")
    link, pos = struct.unpack_from(order + "I", capture, 20)[0] & 0xFFFF, 24
    need(link in (ETHERNET, RAW_IP), "carriage.capture", f"link type {link}", 69)
    while pos < len(capture):
        need(pos + 16 <= len(capture), "carriage.capture", "the file is cut off")
        kept, _ = struct.unpack_from(order + "II", capture, pos + 8)
        frame, pos = capture[pos + 16:pos + 16 + kept], pos + 16 + kept
        need(pos <= len(capture), "carriage.capture", "the file is cut off")
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

NUMBER = "(0|[1-9][0-9]*)"

def session_of(sdp):
    """Port, payload type, window, SSRC and parameter sets of the first media of DFC in an SDP (14.8.2)."""
    lines = re.split("\r?\n", sdp.decode("utf-8", "replace"))
    starts = [i for i, line in enumerate(lines) if line.startswith("m=")] + [len(lines)]
    for start, stop in zip(starts, starts[1:]):
        head = re.fullmatch(r"m=application (\d+)(?:/\d+)? RTP/[!-~]+ ([\d ]+)", lines[start], re.ASCII)
        for line in lines[start:stop] if head else ():
            mapped = re.fullmatch(r"a=rtpmap:(\d+) [Dd][Ff][Cc]/90000", line, re.ASCII)
            if mapped and mapped[1] in head[2].split(" "):
                return told(head[1], mapped[1], lines[start:stop])
    raise Reject("carriage.sdp", "no media of DFC")

def number(text, low, high):
    need(re.fullmatch(NUMBER, text) and len(text) < 11 and low <= int(text) <= high, "carriage.sdp", text)
    return int(text)

def told(port, kind, lines):
    sources, parameters = [], {}
    for line in lines:
        if line[:7] == "a=ssrc:":
            sources.append(number(line[7:].split(" ")[0], 0, 2**32 - 1))
        if line.startswith(f"a=fmtp:{kind} "):
            for part in line.split(" ", 1)[1].split(";"):
                name, value = (word.strip(" ") for word in part.partition("=")[::2])
                need(name.lower() not in parameters, "carriage.sdp", "a parameter twice")
                if name:
                    parameters[name.lower()] = value
    out = SimpleNamespace(port=number(port, 0, 0xFFFF) or None, payload_type=number(kind, 0, 127), ssrc=None, sets=[])
    out.window = number(parameters.get("window", "64"), 1, 4096)
    out.ssrc = sources[0] if sources else None
    if "sprop-parameter-sets" in parameters:
        for text in parameters["sprop-parameter-sets"].split(","):
            try:
                out.sets.append(base64.b64decode(text, validate=True))
            except ValueError:
                raise Reject("carriage.sdp", "no base64") from None
    return out
