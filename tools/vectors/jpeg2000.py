"""JPEG 2000 codestreams (T.800) written from the standard, of one component and one tile without any coded block.

All packets are empty, so that every sample is in the middle of its range, whatever the transform. Each part can be
changed, left out or repeated.
"""

from __future__ import annotations

SOC, SOD, EOC = b"\xff\x4f", b"\xff\x93", b"\xff\xd9"


def segment(marker: int, body: bytes) -> bytes:
    """A marker segment with its length."""
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def siz(height: int, width: int) -> bytes:
    """A.5.1: one tile, one component of 8 bits."""
    size, offset = width.to_bytes(4, "big") + height.to_bytes(4, "big"), bytes(8)
    return segment(0x51, bytes(2) + size + offset + size + offset + b"\0\1" + b"\7\1\1")


def cod(levels: int = 0, style: int = 0, transform: int = 1) -> bytes:
    """A.6.1: one layer, code-blocks of 64 x 64, the reversible transform (1) or the irreversible one (0)."""
    return segment(0x52, bytes([0, 0, 0, 1, 0, levels, 4, 4, style, transform]))


def coc(levels: int = 0, style: int = 0, transform: int = 1) -> bytes:
    """A.6.2: the same of component 0."""
    return segment(0x53, bytes([0, 0, levels, 4, 4, style, transform]))


def qcd(levels: int = 0) -> bytes:
    """A.6.4: no quantization, for 8 bits."""
    gains = [0, *[1, 1, 2] * levels]
    return segment(0x5C, bytes([0x40, *(8 + gain << 3 for gain in gains)]))


def part(
    data: bytes = b"\0", header: bytes = b"", *, number: int = 0, count: int = 1, length: int | None = None
) -> bytes:
    """A.4.2: a tile-part with its header, and with its length or another one."""
    size = 12 + len(header) + 2 + len(data) if length is None else length
    return segment(0x90, b"\0\0" + size.to_bytes(4, "big") + bytes([number, count])) + header + SOD + data


def codestream(height: int, width: int, **changed: bytes) -> bytes:
    """A codestream with the parts that are given instead of its own."""
    own = {"soc": SOC, "siz": siz(height, width), "cod": cod(), "coc": b"", "qcd": qcd(), "parts": part(), "eoc": EOC}
    return b"".join((own | changed).values())
