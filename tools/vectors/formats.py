"""Compressed formats, written from their standards: DEFLATE, zlib, gzip, .xz, PNG, and a payload of images."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Any

import numpy as np

from vectors.bits import crc32

PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def deflate_stored(raw: bytes, parts: int = 1) -> bytes:
    """RFC 1951, 3.2.4: blocks without compression."""
    size = -(-len(raw) // parts)
    out = b""
    for i in range(parts):
        part = raw[i * size : (i + 1) * size]
        out += struct.pack("<BHH", i == parts - 1, len(part), len(part) ^ 0xFFFF) + part
    return out


def deflate_fixed(raw: bytes) -> bytes:
    """RFC 1951, 3.2.6: one block of literals in the fixed code."""
    bits = "110"
    for byte in raw:
        bits += f"{0x30 + byte:08b}" if byte < 144 else f"{0x190 + byte - 144:09b}"
    bits += "0000000"
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))


def deflate_zeros(count: int) -> bytes:
    """RFC 1951, 3.2.6: zero bytes in the fixed code, one literal, then matches of 258 bytes, then literals."""
    matches, left = divmod(count - 1, 258)
    bits = "110" + "00110000" + ("11000101" + "00000") * matches + "00110000" * left + "0000000"
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))


def zlib_of(deflated: bytes, raw: bytes, head: bytes = b"\x78\x01") -> bytes:
    """RFC 1950."""
    return head + deflated + zlib.adler32(raw).to_bytes(4, "big")


def gzip_of(deflated: bytes, raw: bytes, flags: int = 0, extra: bytes = b"") -> bytes:
    """RFC 1952."""
    head = bytes([0x1F, 0x8B, 8, flags, 0, 0, 0, 0, 0, 255]) + extra
    if flags & 2:
        head += (crc32(head) & 0xFFFF).to_bytes(2, "little")
    return head + deflated + struct.pack("<II", crc32(raw), len(raw))


def xz_of(raw: bytes, *, check: int = 1, blocks: int = 1, sizes: bool = False, dictionary: int = 8,
          filters: bytes = b"", prefix: int = 0, sums: bytes | None = None, told: int | None = None,
          listed: int | None = None, padding: int = 0, backward: int = 0) -> bytes:  # fmt: skip
    """The .xz file format: LZMA2 chunks without compression.

    Args:
        check: id of the check, whose bytes are `sums` where they are not computed.
        blocks: into how many the data are divided.
        sizes: whether block headers tell them; `told` is another uncompressed size there, `listed` one in the index.
        filters: flags of another filter before LZMA2.
        prefix: bits of the block flags.
        padding: of blocks; 0 in a right stream.
        backward: added to the size of the index that the footer tells.
    """
    flags = bytes([0, check])
    out = b"\xfd7zXZ\0" + flags + crc32(flags).to_bytes(4, "little")
    records = []
    size = -(-len(raw) // max(1, blocks))
    for part in (raw[i * size : (i + 1) * size] for i in range(blocks)):
        chunk = (b"\x01" + (len(part) - 1).to_bytes(2, "big") + part if part else b"") + b"\0"
        fields = _number(len(chunk)) + _number(len(part) if told is None else told) if sizes else b""
        header = bytes([(0xC0 if sizes else 0) | prefix]) + fields + filters + bytes([0x21, 1, dictionary])
        header += b"\0" * (-(len(header) + 1 + 4) % 4)
        header = bytes([(len(header) + 5) // 4 - 1]) + header
        header += crc32(header).to_bytes(4, "little")
        known = {0: b"", 1: crc32(part).to_bytes(4, "little"), 4: _crc64(part), 10: _sha256(part)}
        own = known[check] if sums is None else sums
        out += header + chunk + bytes([padding]) * (-len(chunk) % 4) + own
        records.append(_number(len(header) + len(chunk) + len(own)) + _number(len(part) if listed is None else listed))
    index = b"\0" + _number(len(records)) + b"".join(records)
    index += b"\0" * (-len(index) % 4)
    index += crc32(index).to_bytes(4, "little")
    end = (len(index) // 4 - 1 + backward).to_bytes(4, "little") + flags
    return out + index + crc32(end).to_bytes(4, "little") + end + b"YZ"


def _number(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80, value >> 7])


def _sha256(part: bytes) -> bytes:
    return hashlib.sha256(part).digest()


def _crc64(part: bytes) -> bytes:
    crc = 2**64 - 1
    for byte in part:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xC96C5795D7870F42 if crc & 1 else 0)
    return (crc ^ 2**64 - 1).to_bytes(8, "little")


def png(picture: np.ndarray[Any, Any], *, bits: int = 8, interlaced: bool = False, extra: bytes = b"", colour: int = 0,
        after: bytes = b"", level: int = 0) -> bytes:  # fmt: skip
    """A PNG image written from the standard: filter 0 or 1, blocks without compression."""
    height, width = picture.shape[:2]
    step = bits // 8
    big = picture.astype(">u2" if step == 2 else "u1")

    def lines(part: np.ndarray[Any, Any]) -> bytes:
        out = b""
        for row in part:
            raw = row.tobytes()
            if level:
                out += b"\1" + bytes((raw[i] - (raw[i - step] if i >= step else 0)) & 255 for i in range(len(raw)))
            else:
                out += b"\0" + raw
        return out

    parts = [big[y::dy, x::dx] for y, x, dy, dx in PASSES] if interlaced else [big]
    raw = b"".join(lines(part) for part in parts if part.size)
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([bits, colour, 0, 0, int(interlaced)])
    body = zlib_of(deflate_stored(raw), raw)
    chunks = chunk(b"IHDR", head) + extra
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IDAT", body) + after + chunk(b"IEND", b"")


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return len(body).to_bytes(4, "big") + kind + body + crc32(kind + body).to_bytes(4, "big")


def images(*ones: bytes) -> str:
    """8.3.1 A payload of images."""
    return b"".join(len(one).to_bytes(4, "big") + one for one in ones).hex()


def png_of_bands(kind: int, picture: np.ndarray[Any, Any]) -> bytes:
    """A PNG image of several components, 8 bits each."""
    height, width, _ = picture.shape
    raw = b"".join(b"\0" + row.astype("u1").tobytes() for row in picture)
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, kind, 0, 0, 0])
    body = chunk(b"IDAT", zlib_of(deflate_stored(raw), raw))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")
