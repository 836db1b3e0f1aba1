"""8.3: PNG, JPEG and JPEG 2000, one image a picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from vectors.catalog import Catalog
from vectors.data import levels
from vectors.formats import chunk, images, png, png_of_bands
from vectors.recipes.words import data, digest, fps

AREA = "image"


def register(c: Catalog) -> None:
    """Add the recipes."""
    _real(c)
    _png(c)
    _broken(c)


def _real(c: Catalog) -> None:
    for codec, depths in (("PNG", (1, 8, 9, 16)), ("JPEG", (8,)), ("JPEG2000", (1, 8, 12, 16))):
        for bits in depths:
            c.stream(f"image-{codec.lower()}-bits{bits}",
                     f"Two samples of three pictures in {codec}, levels of {bits} bits",
                     [fps(codec=codec, bits=bits, C=3, H=9, W=11, layout="SEQUENCE", digests="TL"),
                      data(count=2, pattern="smooth"), digest(), digest(kind=1)], area=AREA,
                      profile="IMAGE")  # fmt: skip
    for quality in (1, 50, 95, 100):
        c.stream(f"image-jpeg-quality{quality}", f"JPEG of quality {quality}",
                 [fps(codec="JPEG", C=4, H=16, W=20, digests="L", encoder={"quality": quality}), data(pattern="smooth"),
                  digest(kind=1)], area=AREA, profile="IMAGE")  # fmt: skip
    c.stream("image-jpeg-noise", "JPEG of noise", [fps(codec="JPEG", C=1, H=33, W=31, digests="L",
             encoder={"quality": 90}), data(), digest(kind=1)], area=AREA, profile="IMAGE")  # fmt: skip
    for rate in (4, 12, 40):
        for bits in (8, 16):
            c.stream(f"image-jpeg2000-rate{rate}.{bits}", f"JPEG 2000 at {bits} bits, cut to one {rate}th",
                     [fps(codec="JPEG2000", bits=bits, C=4, H=32, W=32, digests="L", encoder={"rate": rate}), data(),
                      digest(kind=1)], area=AREA, profile="IMAGE",
                      requirements=("image.jpeg2000-midpoint",))  # fmt: skip
    special = {
        "jpeg-restart": ("JPEG", {"restart_marker_blocks": 2, "quality": 70}, "restart intervals"),
        "jpeg-comment": ("JPEG", {"comment": "a comment " * 40, "quality": 80}, "a COM segment of 400 bytes"),
        "jpeg-tables": ("JPEG", {"quality": 60, "optimize": False}, "the usual Huffman tables"),
        "jpeg2000-tiles": ("JPEG2000", {"tile_size": [16, 16]}, "tiles"),
        "jpeg2000-layers": (
            "JPEG2000",
            {"quality_mode": "rates", "quality_layers": [20, 8, 1]},
            "three quality layers",
        ),
        "jpeg2000-progression": (
            "JPEG2000",
            {"progression": "RPCL", "num_resolutions": 3},
            "another progression order",
        ),
        "jpeg2000-blocks": ("JPEG2000", {"codeblock_size": [4, 16]}, "code-blocks of 4 x 16"),
        "png-filters": ("PNG", {"compress_level": 9, "optimize": True}, "filters chosen by row"),
    }
    for name, (codec, options, what) in special.items():
        c.stream(f"image-{name}", f"{codec} with {what}",
                 [fps(codec=codec, C=1, H=40, W=36, digests="L", encoder={"name": "pillow", "options": options}),
                  data(pattern="smooth"), digest(kind=1)], area=AREA, profile="IMAGE")  # fmt: skip
    name = "image-jpeg-bits8_r1"
    words = {"codec": "JPEG", "C": 3, "H": 9, "W": 11, "layout": "SEQUENCE", "of": name}
    # The length of the first image grows by the fill bytes.
    c.stream("image-jpeg-fill", "JPEG with fill bytes before a marker", [fps(**words), data(count=2,
             payload={"of": name},
             edit=[["fill", 3]])], area=AREA, profile="IMAGE")  # fmt: skip
    name = "image-jpeg2000-bits8_r1"
    words = {"codec": "JPEG2000", "C": 3, "H": 9, "W": 11, "layout": "SEQUENCE", "of": name}
    c.stream("image-jpeg2000-broadcast", "JPEG 2000 of a profile whose Rsiz has bits in both bytes", [fps(**words),
             data(count=2, payload={"of": name}, edit=[["xor", 4 + 6, 1], ["xor", 4 + 7, 1]])], area=AREA,
             profile="IMAGE")  # fmt: skip
    words = {"codec": "JPEG2000", "C": 1, "H": 9, "W": 11, "layout": "SEQUENCE"}
    c.stream("image-jpeg2000-middle", "JPEG 2000 of two levels in the middle, which takes few bit-planes",
             [fps(**words), data(pattern="middle")], area=AREA, profile="IMAGE")  # fmt: skip
    name = "image-jpeg2000-middle_r1"
    c.stream("image-jpeg2000-style.bypass", "JPEG 2000 that may bypass arithmetic coding, with too few bit-planes to",
             [fps(**words, of=name), data(payload={"of": name}, edit=[["xor", 4 + 57, 1]])], area=AREA,
             profile="IMAGE")  # fmt: skip


def _one(bits: int = 8, seed: int = 5) -> np.ndarray[Any, Any]:
    return levels("noise", (1, 6, 7), bits, seed)[0]


def _png(c: Catalog) -> None:
    words = {"codec": "PNG", "C": 1, "H": 6, "W": 7}
    text = chunk(b"tEXt", b"Comment\0nothing") + chunk(b"gAMA", (45455).to_bytes(4, "big"))
    forms = {
        "interlaced": (8, png(_one(), interlaced=True), "an interlaced image"),
        "interlaced16": (16, png(_one(16), bits=16, interlaced=True), "an interlaced image of 16 bits"),
        "ancillary": (8, png(_one(), extra=text), "text and gamma, which have no effect"),
        "ancillary.after": (
            8,
            png(_one(), after=chunk(b"tIME", bytes([7, 208, 1, 1, 0, 0, 0]))),
            "a chunk after the data",
        ),
        "transparency": (8, png(_one(), extra=chunk(b"tRNS", b"\0\5")), "a transparent grey, which has no effect"),
        "filtered": (8, png(_one(), level=1), "filter type 1"),
    }
    for name, (bits, image, what) in forms.items():
        c.stream(f"image-png-{name}", f"PNG: {what}", [fps(bits=bits, **words), data(payload=images(image))], area=AREA,
                 profile="IMAGE", requirements=("image.png",))  # fmt: skip


def _bad(c: Catalog, name: str, title: str, violates: str, payload: str, **words: Any) -> None:
    base = {"codec": "PNG", "C": 1, "H": 6, "W": 7}
    c.stream(f"image-{name}", title, [fps(**(base | words)), data(payload=payload)], area=AREA, profile="IMAGE",
             kind="invalid", violates=violates)  # fmt: skip


def _broken(c: Catalog) -> None:
    good = png(_one())
    two = {"H": 6, "W": 7, "C": 2, "layout": "SEQUENCE"}
    _bad(c, "length-beyond", "An image longer than what is left", "image.length", "000fffff" + good.hex())
    _bad(c, "length-within", "A payload that ends within a length", "image.length", images(good) + "0000", **two)
    _bad(c, "length-cut", "A payload that ends within its second image", "image.length", images(good, good)[:-8], **two)
    _bad(c, "count-fewer", "One image for two pictures", "image.count", images(good), **two)
    _bad(c, "count-more", "Two images for one picture", "image.count", images(good, good))
    _bad(c, "count-none", "No image", "image.count", "")
    _bad(
        c, "size-width", "An image that is wider than the picture", "image.size", images(good), margin=(0, 1), H=6, W=5
    )
    _bad(c, "size-turned", "An image with rows and columns exchanged", "image.size", images(good), H=7, W=6)
    _bad(
        c,
        "format-jpeg",
        "A JPEG image where PNG is named",
        "image.format",
        "00000014ffd8ffe000104a46494600010100000100010000ffd9",
    )
    _bad(c, "format-noise", "Noise where PNG is named", "image.format", images(bytes(range(60))))
    crc = bytearray(good)
    crc[-20] ^= 1
    _bad(c, "format-data", "A PNG image with damaged data", "image.format", images(bytes(crc)))
    _bad(c, "png-truncated", "A PNG image without its IEND", "image.png", images(good[:-12]))
    _bad(c, "png-after", "A byte after IEND", "image.png", images(good + b"\0"))
    for name, what in (
        (b"PLTE", "a palette, which a grey PNG image must not have"),
        (b"DATa", "a critical chunk that is not one of PNG"),
    ):
        _bad(c, f"png-critical.{name.decode().lower()}", f"PNG: {what}", "image.png",
             images(png(_one(), extra=chunk(name, bytes(12)))))  # fmt: skip
    _bad(c, "grey-16", "An image of 16 bits for levels of 8", "image.grey", images(png(_one(16), bits=16)))
    _bad(c, "grey-8", "An image of 8 bits for levels of 12", "image.grey", images(good), bits=12)
    palette = png(_one(2), extra=chunk(b"PLTE", bytes(12)), colour=3)
    _bad(c, "grey-palette", "An image with a palette", "image.grey", images(palette))
    rgb = png_of_bands(2, np.stack([_one(), _one(seed=6), _one(seed=7)], -1))
    _bad(c, "grey-rgb", "An image of three components", "image.grey", images(rgb))
    alpha = png_of_bands(4, np.stack([_one(), _one(seed=6)], -1))
    _bad(c, "grey-alpha", "An image with alpha", "image.grey", images(alpha))
    level = png(_one(8).astype(np.uint16) | 1 << 12, bits=16)
    _bad(
        c,
        "level-range",
        "A 16-bit image with a value of 12 bits and more",
        "payload.level-range",
        images(level),
        bits=12,
    )
    for codec in ("PNG", "JPEG", "JPEG2000"):
        c.stream(f"image-{codec.lower()}-configuration", f"A codec_configuration of {codec}",
                 [fps(codec=codec, configuration="0000"), data(payload="")], area=AREA, profile="IMAGE", kind="invalid",
                 violates="image.no-configuration")  # fmt: skip
    for bits in (4, 10, 16):
        words = {"encoder": {"quality": 95}} if bits == 4 else {}
        coded = data(pattern="smooth") if bits == 4 else data(payload="")
        c.stream(f"image-jpeg-depth{bits}", f"JPEG for levels of {bits} bits", [fps(codec="JPEG", bits=bits,
                 **words), coded],
                 area=AREA, profile="IMAGE", kind="invalid", violates="fps.codec-bit-depth")  # fmt: skip
    wrong = {
        "jpeg-progressive": ("JPEG", {"progressive": True}, "image.jpeg", "A progressive JPEG image"),
        "jpeg-colour": ("JPEG", {"mode": "RGB"}, "image.jpeg", "A JPEG image of three components"),
        "jpeg2000-irreversible": ("JPEG2000", {"irreversible": True, "quality_mode": "rates", "quality_layers": [4]},
                                  "image.jpeg2000", "JPEG 2000 with the irreversible transform"),
        "jpeg2000-file": ("JPEG2000", {"no_jp2": False}, "image.jpeg2000", "JPEG 2000 in a JP2 file"),
        "jpeg2000-colour": ("JPEG2000", {"mode": "RGB"}, "image.grey", "JPEG 2000 of three components"),
    }  # fmt: skip
    for name, (codec, options, violates, title) in wrong.items():
        c.stream(f"image-{name}", title,
                 [fps(codec=codec, C=1, H=20, W=24, encoder={"name": "pillow", "options": options}),
                 data(pattern="smooth")],
                 area=AREA, profile="IMAGE", kind="invalid", violates=violates)  # fmt: skip
    for codec in ("JPEG", "JPEG2000"):
        name = f"image-{codec.lower()}-bits8_r1"
        words = {"codec": codec, "C": 3, "H": 9, "W": 11, "layout": "SEQUENCE", "of": name}
        low = codec.lower()
        cut = {"edit": [["cut", -2]]}
        c.stream(f"image-{low}-truncated", f"{codec}: the last image lacks its end", [fps(**words), data(count=2,
                 payload={"of": name}, **cut)], area=AREA, profile="IMAGE", kind="invalid",
                 violates="image.length")  # fmt: skip
        c.stream(f"image-{low}-end", f"{codec}: the last image ends with another marker", [fps(**words), data(count=2,
                 payload={"of": name}, edit=[["xor", -1, 1]])], area=AREA, profile="IMAGE", kind="invalid",
                 violates=f"image.{low}")  # fmt: skip
        c.stream(f"image-{low}-start", f"{codec}: the first image begins with another marker", [fps(**words),
                 data(count=2,
                 payload={"of": name}, edit=[["xor", 4, 1]])], area=AREA, profile="IMAGE", kind="invalid",
                 violates="image.format")  # fmt: skip
    name = "image-jpeg2000-bits8_r1"
    words = {"codec": "JPEG2000", "C": 3, "H": 9, "W": 11, "layout": "SEQUENCE", "of": name}
    for label, byte, mask, what in (
        ("part2", 4 + 6, 0x40, "a capability of Part 2"),
        ("part15", 4 + 6, 0x80, "bit 15 of Rsiz"),
        ("signed", 4 + 42, 0x80, "a signed component"),
        ("part15.blocks", 4 + 57, 0x40, "code-blocks of Part 15"),
    ):
        c.stream(f"image-jpeg2000-{label}", f"JPEG 2000 with {what}", [fps(**words), data(count=2, payload={"of": name},
                 edit=[["xor", byte, mask]])], area=AREA, profile="IMAGE", kind="invalid",
                 violates="image.jpeg2000")  # fmt: skip
    size = "0000000b00000009" + "00" * 8
    head = "ff4f" + "ff5100290000" + size + size + "0001"  # up to Csiz
    small = {"codec": "JPEG2000", "C": 1, "H": 9, "W": 11, "layout": "SEQUENCE", "bits": 8}
    for label, component, rest, what in (
        ("signed.bit", "80", "ff52000c00000001000304040001", "a signed component of one bit"),
        ("coding.short", "07", "ff520002", "a COD marker segment that ends early"),
        ("coding.none", "07", "", "no COD marker segment"),
    ):
        image = head + component + "0101" + rest + "ffd9"
        c.stream(f"image-jpeg2000-{label}", f"JPEG 2000 with {what}",
                 [fps(**small), data(payload=f"{len(image) // 2:08x}{image}")], area=AREA,
                 profile="IMAGE", kind="invalid", violates="image.jpeg2000")  # fmt: skip
