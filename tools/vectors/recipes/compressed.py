"""8.2.2: fields of the zlib, gzip and .xz formats and blocks of DEFLATE, each at its ends and each wrong alone."""

from __future__ import annotations

import lzma
import struct
import zlib
from typing import Any

from vectors.bits import crc32
from vectors.catalog import Catalog
from vectors.formats import deflate_fixed, deflate_stored, gzip_of, xz_of, zlib_of
from vectors.recipes.bytecodecs import RAW
from vectors.recipes.words import data, fps

AREA = "payload"
FIXED = deflate_fixed(RAW)
CHECKS = {2: 4, 3: 4, 5: 8, 6: 8, 7: 16, 8: 16, 9: 16, 11: 32, 12: 32, 13: 64, 14: 64, 15: 64}
"""Reserved ids of checks of .xz streams, and the bytes that each has."""


def register(c: Catalog) -> None:
    """Add the recipes."""
    _forms(c)
    _deflate(c)
    _heads(c)
    _xz(c)


def _stream(c: Catalog, name: str, codec: str, what: str, payload: bytes, violates: str | None = None,
            **words: Any) -> None:  # fmt: skip
    c.stream(f"bytes-{name}", f"{codec} data with {what}", [fps(**({"codec": codec} | words)),
             data(payload=payload.hex())], area=AREA, kind="invalid" if violates else "valid",
             violates=violates)  # fmt: skip


def _packed(bits: str) -> bytes:
    """DEFLATE's order of bits: the first one is the least significant of its byte."""
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))


def _literal(byte: int) -> str:
    return f"{0x30 + byte:08b}" if byte < 144 else f"{0x190 + byte - 144:09b}"


def _match(length: int, distance: int) -> str:
    """The fixed code of a match of 3 to 10 bytes, 1 to 4 back, or 5 to 8 back."""
    code, extra = (distance - 1, "") if distance < 5 else (4 + (distance - 5) // 2, str((distance - 5) % 2))
    return f"{length - 2:07b}{code:05b}{extra}"


def _forms(c: Catalog) -> None:
    repeated = bytes(range(4)) * 6
    bits = "110" + "".join(map(_literal, range(4))) + _match(10, 4) * 2 + "0" * 7
    assert zlib.decompress(_packed(bits), -15) == repeated
    same = "110" + _literal(7) + _match(10, 1) * 2 + _match(3, 1) + "0" * 7
    assert zlib.decompress(_packed(same), -15) == bytes([7]) * 24
    mixed = b"\0" + struct.pack("<HH", 4, 0xFFFB) + RAW[:4] + deflate_fixed(RAW[4:])
    dynamic = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_FILTERED)
    large = bytes((i * i >> 3) % 19 for i in range(24 * 8 * 4))
    coded = dynamic.compress(large) + dynamic.flush()
    assert coded[0] >> 1 & 3 == 2
    big = {"C": 4, "H": 16, "W": 12}
    _stream(c, "zlib-matches", "ZLIB", "matches that overlap what they copy", zlib_of(_packed(bits), repeated))
    _stream(c, "gzip-matches.one", "GZIP", "matches of distance 1", gzip_of(_packed(same), bytes([7]) * 24))
    _stream(c, "zlib-mixed", "ZLIB", "a stored block and one in the fixed code", zlib_of(mixed, RAW))
    _stream(c, "gzip-empty.block", "GZIP", "an empty block before the data",
            gzip_of(b"\0\0\0\xff\xff" + FIXED, RAW))  # fmt: skip
    _stream(c, "zlib-dynamic", "ZLIB", "a block with codes of its own", zlib_of(coded, large), **big)
    _stream(c, "gzip-text", "GZIP", "the mark of text", gzip_of(FIXED, RAW, 1))
    _stream(c, "gzip-time", "GZIP", "time, flags of effort and system",
            b"\x1f\x8b\x08\0\x78\x56\x34\x12\x02\x03" + gzip_of(FIXED, RAW)[10:])  # fmt: skip
    _stream(c, "gzip-extra.long", "GZIP", "an extra field of 300 bytes that looks like a name",
            gzip_of(FIXED, RAW, 4, struct.pack("<H", 300) + b"\0\1" * 150))  # fmt: skip
    for level, head in enumerate((b"\x78\x5e", b"\x78\x9c", b"\x68\x81", b"\x18\x19")):
        _stream(c, f"zlib-head.{level}", "ZLIB", f"the first bytes {head.hex()}", zlib_of(FIXED, RAW, head))
    xz = lzma.compress(large, check=lzma.CHECK_CRC64, filters=[{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 2,
                                                                "pb": 0, "dict_size": 4096}])  # fmt: skip
    _stream(c, "lzma-properties", "LZMA", "other properties than the usual ones", xz, **big)


def _deflate(c: Catalog) -> None:
    rule = "bytes.format"
    stored = bytearray(deflate_stored(RAW))
    stored[3] ^= 1
    bits = {
        "stored.length": (bytes(stored), "a stored block whose length and its complement differ"),
        "distance.far": (_packed("110" + _literal(1) + _match(3, 2)), "a match that begins before the data"),
        "distance.start": (_packed("110" + _match(3, 1)), "a match before any byte"),
        "distance.30": (_packed("110" + "".join(map(_literal, RAW)) + "0000001" + "11110" + "0" * 16),
                        "the distance code 30, which is not used"),
        "length.286": (_packed("110" + "".join(map(_literal, RAW)) + "11000110" + "0" * 16),
                       "the length code 286, which is not used"),
        "codes.over": (_packed("101" + "00000" + "00000" + "0000" + "100" * 4 + "0" * 16),
                       "a code of more words than there are"),
        "codes.many": (_packed("101" + "11111" + "00000" + "0000" + "0" * 40), "288 codes for literals and lengths"),
        "end.none": (_packed("010" + "".join(map(_literal, RAW)) + "0" * 7), "no last block"),
    }  # fmt: skip
    for name, (coded, what) in bits.items():
        cut = name == "end.none"
        payload = zlib_of(coded, RAW) if not cut else b"\x78\x01" + coded
        _stream(c, f"zlib-{name}", "ZLIB", what, payload, "bytes.size" if cut else rule)
        if not cut:
            _stream(c, f"gzip-{name}", "GZIP", what, gzip_of(coded, RAW), rule)


def _heads(c: Catalog) -> None:
    rule = "bytes.format"
    for name, head, what in (
        ("method", b"\x79\x9b", "compression method 9"),
        ("window", b"\x88\x1c", "a window of 64 KiB"),
        ("check", b"\x78\x02", "a header whose check is wrong"),
    ):
        _stream(c, f"zlib-head.{name}", "ZLIB", what, zlib_of(FIXED, RAW, head), rule)
    good = gzip_of(FIXED, RAW)
    _stream(c, "gzip-head.method", "GZIP", "compression method 7", good[:2] + b"\7" + good[3:], rule)
    for bit in (5, 6, 7):
        _stream(c, f"gzip-head.flag{bit}", "GZIP", f"the reserved flag {bit}", gzip_of(FIXED, RAW, 1 << bit), rule)
    head = bytearray(gzip_of(FIXED, RAW, 2))
    head[10] ^= 1
    _stream(c, "gzip-head.crc", "GZIP", "a wrong CRC of its header", bytes(head), rule)
    for name, count, what in (("trailer", 1, "seven bytes of its trailer"), ("trailer.none", 8, "no trailer")):
        _stream(c, f"gzip-{name}", "GZIP", what, good[:-count], "bytes.size")
    _stream(c, "zlib-trailer.none", "ZLIB", "no Adler-32", zlib_of(FIXED, RAW)[:-4], "bytes.size")


def _xz(c: Catalog) -> None:
    rule = "bytes.format"
    for check, size in CHECKS.items():
        _stream(c, f"lzma-check.{check}", "LZMA", f"a check of the reserved id {check}",
                xz_of(RAW, check=check, sums=bytes(size)), rule)  # fmt: skip
    good = xz_of(RAW)
    for name, byte, value, what in (
        ("flags.first", 0, 1, "a reserved flag in the first byte of its stream flags"),
        ("flags.second", 1, 0x11, "reserved bits in the second byte of its stream flags"),
    ):
        head, foot = bytearray(good), bytearray(good)
        head[6 + byte] = value
        head[8:12] = crc32(bytes(head[6:8])).to_bytes(4, "little")
        foot[-4 + byte] = value
        foot[-12:-8] = crc32(bytes(foot[-8:-2])).to_bytes(4, "little")
        _stream(c, f"lzma-{name}.head", "LZMA", f"{what}, in its header", bytes(head), rule)
        _stream(c, f"lzma-{name}.foot", "LZMA", f"{what}, in its footer", bytes(foot), rule)
    for name, place, mask, what in (
        ("head.crc", 8, 1, "a wrong CRC of its header"),
        ("block.crc", 12 + 8, 1, "a wrong CRC of its block header"),
        ("chunk.control", 24, 0x02, "an LZMA2 chunk of a reserved control byte"),
        ("index.crc", -13, 1, "a wrong CRC of its index"),
        ("foot.crc", -12, 1, "a wrong CRC of its footer"),
        ("foot.magic", -1, 1, "a wrong last byte"),
    ):
        raw = bytearray(good)
        raw[place] ^= mask
        _stream(c, f"lzma-{name}", "LZMA", what, bytes(raw), rule)
    for name, words, what in (
        ("block.reserved", {"prefix": 4}, "a reserved flag in its block header"),
        ("block.size", {"sizes": True, "told": 25}, "a wrong uncompressed size in its block header"),
        ("block.padding", {"padding": 1}, "padding of its block that is not zero"),
        ("index.size", {"listed": 25}, "a wrong uncompressed size in its index"),
        ("foot.size", {"backward": 1}, "a wrong size of its index"),
    ):
        _stream(c, f"lzma-{name}", "LZMA", what, xz_of(RAW + b"\7", **words) if "padding" in words
                else xz_of(RAW, **words), rule, **({"C": 1, "H": 5, "W": 5} if "padding" in words else {}))  # fmt: skip
    for size in (11, 12, 13, 14, 17, 23):
        _stream(c, f"lzma-cut.{size}", "LZMA", f"no more than its first {size} bytes", good[:size], "bytes.size")
    _stream(c, "lzma-head.alone", "LZMA", "a damaged stream header and nothing after it", good[:11] + b"\0", rule)
    _stream(c, "lzma-blocks.none", "LZMA", "no block at all", xz_of(b"", blocks=0), "bytes.size")
