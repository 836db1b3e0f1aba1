"""8.2: stored, zlib, gzip and LZMA payloads in all their forms, written from the formats, so that they never change."""

from __future__ import annotations

import gzip
import lzma
import zlib
from typing import Any

from vectors.catalog import Catalog
from vectors.formats import deflate_fixed, deflate_stored, gzip_of, xz_of, zlib_of
from vectors.recipes.words import data, digest, fps

AREA = "payload"
RAW = bytes((i * 37 + 11) % 251 for i in range(24))  # one sample of 2 x 3 x 4 levels of 8 bits


def register(c: Catalog) -> None:
    """Add the recipes."""
    _forms(c)
    _broken(c)
    _sizes(c)


def _forms(c: Catalog) -> None:
    fixed, stored = deflate_fixed(RAW), deflate_stored(RAW)
    assert zlib.decompress(zlib_of(fixed, RAW)) == RAW
    assert gzip.decompress(gzip_of(stored, RAW)) == RAW
    forms: dict[str, tuple[str, bytes, str]] = {
        "zlib-stored": ("ZLIB", zlib_of(stored, RAW), "a block without compression"),
        "zlib-stored.blocks": ("ZLIB", zlib_of(deflate_stored(RAW, 3), RAW), "three blocks without compression"),
        "zlib-fixed": ("ZLIB", zlib_of(fixed, RAW), "the fixed code"),
        "zlib-window": ("ZLIB", zlib_of(fixed, RAW, b"\x08\x1d"), "a window of 256 bytes"),
        "zlib-level": ("ZLIB", zlib_of(fixed, RAW, b"\x78\xda"), "the mark of the highest compression level"),
        "gzip-plain": ("GZIP", gzip_of(fixed, RAW), "no optional field"),
        "gzip-name": ("GZIP", gzip_of(fixed, RAW, 8, b"levels\0"), "a file name"),
        "gzip-comment": ("GZIP", gzip_of(fixed, RAW, 16, b"a comment\0"), "a comment"),
        "gzip-extra": ("GZIP", gzip_of(fixed, RAW, 4, b"\x04\0abcd"), "an extra field"),
        "gzip-header.crc": ("GZIP", gzip_of(fixed, RAW, 2), "a CRC of the header"),
        "gzip-all": ("GZIP", gzip_of(fixed, RAW, 30, b"\x02\0ab" + b"n\0" + b"c\0"), "every optional field"),
        "lzma-none": ("LZMA", xz_of(RAW, check=0), "no check"),
        "lzma-crc32": ("LZMA", xz_of(RAW), "check CRC32"),
        "lzma-crc64": ("LZMA", xz_of(RAW, check=4), "check CRC64"),
        "lzma-sha256": ("LZMA", xz_of(RAW, check=10), "check SHA-256"),
        "lzma-sizes": ("LZMA", xz_of(RAW, sizes=True), "sizes in the block header"),
        "lzma-dictionary": ("LZMA", xz_of(RAW, dictionary=28), "a dictionary of 64 MiB"),
    }
    assert lzma.decompress(forms["lzma-sizes"][1]) == RAW
    for name, (codec, payload, what) in forms.items():
        c.stream(
            f"bytes-{name}",
            f"A {codec} payload with {what}",
            [fps(codec=codec), data(payload=payload.hex())],
            area=AREA,
        )
    large = bytes(i * 7 % 256 for i in range(512))
    odd = bytes(i % 7 for i in range(25))
    assert xz_of(odd, sizes=True)[14:16] == bytes([29, 25])
    c.stream("bytes-lzma-sizes.odd", "An LZMA payload with odd sizes in the block header",
             [fps(codec="LZMA", H=5, W=5, C=1, bits=3), data(payload=xz_of(odd, sizes=True).hex())],
             area=AREA)  # fmt: skip
    c.stream("bytes-lzma-sizes.long", "An LZMA payload with sizes of two bytes in the block header",
             [fps(codec="LZMA", H=16, W=16), data(payload=xz_of(large, sizes=True).hex())], area=AREA)  # fmt: skip
    for codec in ("ZLIB", "GZIP", "LZMA"):
        for bits in (8, 12):
            c.stream(f"bytes-{codec.lower()}-real{bits}", f"{codec} as its library writes it, {bits} bits, two units",
                     [fps(codec=codec, bits=bits, C=6, H=16, W=16, digests="TL"), data(pattern="smooth"),
                      data(count=2, pattern="smooth"), digest(), digest(kind=1)], area=AREA)  # fmt: skip


def _bad(c: Catalog, name: str, codec: str, title: str, violates: str, payload: bytes, **words: Any) -> None:
    c.stream(f"bytes-{name}", title, [fps(**({"codec": codec} | words)), data(payload=payload.hex())], area=AREA,
             kind="invalid", violates=violates)  # fmt: skip


def _broken(c: Catalog) -> None:
    fixed = deflate_fixed(RAW)
    good = {"ZLIB": zlib_of(fixed, RAW), "GZIP": gzip_of(fixed, RAW), "LZMA": xz_of(RAW)}
    for codec, payload in good.items():
        low = codec.lower()
        _bad(c, f"{low}-trailing.byte", codec, f"A byte after {codec} data", "bytes.trailing", payload + b"\1")
        _bad(c, f"{low}-trailing.zeros", codec, f"Zero bytes after {codec} data", "bytes.trailing", payload + bytes(4))
        _bad(c, f"{low}-trailing.again", codec, f"A second {codec} stream", "bytes.trailing", payload + payload)
        _bad(c, f"{low}-empty", codec, f"No {codec} data at all", "bytes.size", b"")
        noise = bytes([payload[0] ^ 0x40]) + payload[1:]
        _bad(c, f"{low}-signature", codec, f"{codec} data with a wrong first byte", "bytes.format", noise)
    for codec, other in (("ZLIB", "GZIP"), ("GZIP", "ZLIB"), ("LZMA", "ZLIB")):
        _bad(c, f"{codec.lower()}-signature.other", codec, f"{other} data for {codec}", "bytes.format", good[other])
    broken_sum = good["ZLIB"][:-1] + bytes([good["ZLIB"][-1] ^ 1])
    _bad(c, "zlib-adler", "ZLIB", "A wrong Adler-32", "bytes.format", broken_sum)
    crc = bytearray(good["GZIP"])
    crc[-8] ^= 1
    _bad(c, "gzip-crc", "GZIP", "A wrong CRC of the gzip member", "bytes.format", bytes(crc))
    size = bytearray(good["GZIP"])
    size[-4] ^= 1
    _bad(c, "gzip-size", "GZIP", "A wrong ISIZE of the gzip member", "bytes.format", bytes(size))
    check = bytearray(good["LZMA"])
    check[12 + 12 + 29 + 3] ^= 1
    _bad(c, "lzma-check", "LZMA", "A wrong check of the .xz block", "bytes.format", bytes(check))
    preset = zlib_of(fixed, RAW, b"\x78\xbb" + (1).to_bytes(4, "big"))
    _bad(c, "zlib-dictionary", "ZLIB", "zlib data with a preset dictionary", "bytes.format", preset)
    _bad(c, "zlib-block.type", "ZLIB", "A DEFLATE block of the reserved type", "bytes.format", b"\x78\x01\x07")
    _bad(c, "lzma-dictionary.above", "LZMA", "A dictionary of 96 MiB", "bytes.lzma-memory", xz_of(RAW, dictionary=29))
    _bad(c, "lzma-blocks", "LZMA", ".xz data of two blocks", "bytes.xz", xz_of(RAW, blocks=2))
    _bad(
        c,
        "lzma-filter",
        "LZMA",
        ".xz data with a delta filter before LZMA2",
        "bytes.xz",
        xz_of(RAW, check=0, filters=b"\3\1\0", prefix=1),
    )
    stored = {"ZLIB": zlib_of, "GZIP": gzip_of}
    for codec, make in stored.items():
        for name, raw in (("short", RAW[:-1]), ("long", RAW + b"\0")):
            _bad(c, f"{codec.lower()}-size.{name}", codec, f"{codec} data that expands to {len(raw)} bytes, not 24",
                 "bytes.size", make(deflate_fixed(raw), raw))  # fmt: skip
    for name, raw in (("short", RAW[:-1]), ("long", RAW + b"\0")):
        _bad(
            c,
            f"lzma-size.{name}",
            "LZMA",
            f".xz data that expands to {len(raw)} bytes, not 24",
            "bytes.size",
            xz_of(raw),
        )
        _bad(c, f"stored-size.{name}", "STORED", f"{len(raw)} bytes, not 24", "bytes.size", raw)
    bomb = zlib_of(deflate_stored(bytes(5000)), bytes(5000))
    _bad(c, "zlib-size.bomb", "ZLIB", "zlib data that expands to far more than the pictures", "bytes.size", bomb)
    for codec in ("STORED", "ZLIB", "GZIP", "LZMA"):
        c.stream(f"bytes-{codec.lower()}-configuration", f"A codec_configuration of {codec}",
                 [fps(codec=codec, configuration="00"),
                 data(payload=RAW.hex() if codec == "STORED" else good[codec].hex())],
                 area=AREA, kind="invalid", violates="bytes.no-configuration")  # fmt: skip


def _sizes(c: Catalog) -> None:
    raw = {"quantizer": "NONE", "ranges": [], "element": "BOOL"}
    c.stream("bytes-bool-two", "An element of type BOOL is 2", [fps(**raw), data(payload=(b"\1" * 23 + b"\2").hex())],
             area=AREA, kind="invalid", violates="bytes.bool")  # fmt: skip
    margin = bytearray(30)
    margin[4] = 0x80
    c.stream("bytes-bool-margin", "A value of the margin of a BOOL tensor is 128",
             [fps(grid=[1, 2], margin=(0, 2), **raw), data(payload=bytes(margin[:30]).hex())], area=AREA,
             kind="invalid",
             violates="bytes.bool")  # fmt: skip
    c.recipes["bytes-bool-margin_r1"].arguments["units"][0].update({"margin": (0, 2)})
    for bits, word in ((1, b"\2"), (7, b"\x80"), (4, b"\x10")):
        c.stream(f"bytes-level.range-{bits}", f"A level of {bits} bits that is 2^{bits}",
                 [fps(bits=bits), data(payload=(bytes(23) + word).hex())], area=AREA, kind="invalid",
                 violates="payload.level-range")  # fmt: skip
    for bits in (9, 15):
        word = (1 << bits).to_bytes(2, "little")
        c.stream(f"bytes-level.range-{bits}", f"A level of {bits} bits that is 2^{bits}",
                 [fps(bits=bits), data(payload=(word + bytes(46)).hex())], area=AREA, kind="invalid",
                 violates="payload.level-range")  # fmt: skip
    c.stream("bytes-level.range-margin", "A value of the margin that is beyond the bit depth",
             [fps(bits=3, margin=(0, 1)), data(payload=(bytes(26) + b"\x09").hex())], area=AREA, kind="invalid",
             violates="payload.level-range")  # fmt: skip
    for bits in (1, 8, 9, 16):
        words = 1 if bits <= 8 else 2
        payload = bytes([0, 1] * 12) if bits < 16 else bytes(range(48))
        payload = payload if words == 1 or bits == 16 else b"".join(bytes([i, i & 1]) for i in range(24))
        c.stream(f"bytes-words-{bits}", f"Levels of {bits} bits in words of {8 * words}", [fps(bits=bits),
                 data(payload=payload.hex())], area=AREA)  # fmt: skip
