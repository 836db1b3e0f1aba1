"""8.3.2 to 8.3.4: the chunks, segments and markers of images, each in its place, out of it, twice or not at all."""

from __future__ import annotations

from typing import Any

from vectors import jpeg, jpeg2000
from vectors.catalog import Catalog
from vectors.data import levels
from vectors.formats import chunk, deflate_stored, deflate_zeros, images, png, zlib_of
from vectors.recipes.words import data, fps

AREA = "image"
H, W = 10, 13  # of JPEG images: 2 x 2 blocks
BLOCKS = [[40, -7, 3, 0, 0, 9], [-300, 0, 0, 0, 21], [0, *[0] * 20, -5], [511, 1, *[0] * 61, 2]]
SMALL = {"C": 1, "H": H, "W": W, "layout": "SEQUENCE"}


def register(c: Catalog) -> None:
    """Add the recipes."""
    _jpeg_forms(c)
    _jpeg_broken(c)
    _png_sizes(c)
    _png_broken(c)
    _jpeg2000(c)
    _codestreams(c)
    _sizes(c)


def _image(c: Catalog, name: str, title: str, codec: str, image: bytes, violates: str | None = None,
           **words: Any) -> None:  # fmt: skip
    c.stream(f"image-{name}", title, [fps(**(SMALL | {"codec": codec} | words)), data(payload=images(image))],
             area=AREA, profile="IMAGE", kind="invalid" if violates else "valid", violates=violates,
             requirements=() if violates else (f"image.{codec.lower()}",))  # fmt: skip


def _jpeg(**changed: bytes) -> bytes:
    return b"".join((jpeg.parts(H, W, BLOCKS) | changed).values())


def _jpeg_forms(c: Catalog) -> None:
    words = bytes.fromhex("ffd8ffd9ffc2001108ffda0003ffd9")
    forms = {
        "plain": (_jpeg(), "the fewest segments"),
        "markers": (
            _jpeg(soi=jpeg.SOI + jpeg.segment(0xE7, words) + jpeg.segment(0xFE, words)),
            "segments without effect whose bytes look like markers",
        ),
        "application.short": (
            _jpeg(soi=jpeg.SOI + jpeg.segment(0xE0, b"JFIF\0") + jpeg.segment(0xEF, b"")),
            "a JFIF segment without its fields, and an empty one",
        ),
        "comment.empty": (_jpeg(soi=jpeg.SOI + jpeg.segment(0xFE, b"")), "an empty comment"),
        "comment.late": (_jpeg(sos=jpeg.segment(0xFE, b"late") + jpeg.sos()), "a comment right before its scan"),
        "name.0": (_jpeg(sof=jpeg.sof(H, W, name=0), sos=jpeg.sos(name=0)), "a component of the name 0"),
        "name.255": (_jpeg(sof=jpeg.sof(H, W, name=255), sos=jpeg.sos(name=255)), "a component of the name 255"),
        "tables.together": (
            _jpeg(dc=jpeg.segment(0xC4, jpeg.huffman(0) + jpeg.huffman(1)), ac=b""),
            "both Huffman tables in one segment",
        ),
        "tables.symbols": (
            _jpeg(dc=jpeg.segment(0xC4, bytes([1, 0, 1, *[0] * 14, 5]) + jpeg.huffman(0) + jpeg.huffman(1)), ac=b""),
            "a Huffman table that is not used and whose first symbol is 5, before the others in one segment",
        ),
        "tables.other": (
            _jpeg(dqt=jpeg.dqt(1, 3), sof=jpeg.sof(H, W, table=3), dc=jpeg.segment(0xC4, jpeg.huffman(0, 1)),
                  sos=jpeg.sos(tables=0x10)),
            "tables of other numbers",
        ),
        "tables.all": (
            _jpeg(dqt=b"".join(jpeg.dqt(9 - 4 * (n == 2), n) for n in range(4)), sof=jpeg.sof(H, W, table=2),
                  dc=jpeg.segment(0xC4, b"".join(jpeg.huffman(kind, n) for n in (1, 0) for kind in (0, 1))), ac=b"",
                  sos=jpeg.sos(tables=0x01)),
            "as many tables as a baseline image has",
        ),
        "tables.again": (_jpeg(dqt=jpeg.dqt(9) + jpeg.dqt(1)), "a quantization table that is defined anew"),
        "tables.unused": (
            _jpeg(dqt=jpeg.segment(0xDB, b"\2" + b"\5" * 64 + b"\0" + b"\1" * 64)),
            "a quantization table that is not used, in one segment with the one that is",
        ),
        "restart.none": (_jpeg(dqt=jpeg.dqt() + jpeg.segment(0xDD, b"\0\0")), "a restart interval of 0"),
        "sof.last": (
            _jpeg(sof=b"", sos=jpeg.sof(H, W) + jpeg.sos()), "its frame header after the Huffman tables",
        ),
    }  # fmt: skip
    for name, (image, what) in forms.items():
        _image(c, f"jpeg-form.{name}", f"JPEG with {what}", "JPEG", image)
    extreme = b"".join(jpeg.parts(8, 32, [[2044], [0], [-2047], [-1, *[0] * 62, 1]], 2).values())
    c.stream("image-jpeg-range.ends", "JPEG whose inverse DCT reaches -512 and 511 before 128 is added",
             [fps(codec="JPEG", C=1, H=8, W=32), data(payload=images(extreme))],
             area=AREA, profile="IMAGE", requirements=("image.jpeg-range", "image.jpeg-idct"))  # fmt: skip


def _jpeg_broken(c: Catalog) -> None:
    rule = "image.jpeg"
    whole, scan = _jpeg(), jpeg.sos() + jpeg.scan(BLOCKS)
    after = {"byte": b"\0", "end": jpeg.EOI, "noise": b"abc" + jpeg.EOI, "image": whole,
             "comment": jpeg.segment(0xFE, b"") + jpeg.EOI}  # fmt: skip
    for name, more in after.items():
        _image(c, f"jpeg-after.{name}", f"JPEG with more after EOI ({name})", "JPEG", whole + more, rule)
    for factors in (0x21, 0x12, 0x22, 0x41):
        _image(c, f"jpeg-sampling.{factors:02x}", f"JPEG with sampling factors {factors >> 4} and {factors & 15}",
               "JPEG", _jpeg(sof=jpeg.sof(H, W, sampling=factors)), rule)  # fmt: skip
    broken = {
        "frames.two": (_jpeg(sof=jpeg.sof(H, W) * 2), "two frame headers"),
        "frames.other": (_jpeg(sof=jpeg.sof(H, W) + jpeg.sof(H, W, marker=0xC1)), "a second, extended frame header"),
        "scans.two": (_jpeg(scan=jpeg.scan(BLOCKS) + scan), "two scans"),
        "frame.extended": (_jpeg(sof=jpeg.sof(H, W, marker=0xC1)), "an extended sequential frame"),
        "table.quantization": (_jpeg(dqt=b""), "no quantization table"),
        "table.quantization.other": (_jpeg(dqt=jpeg.dqt(1, 1)), "another quantization table than its frame names"),
        "table.dc": (_jpeg(dc=b""), "no Huffman table for DC"),
        "table.ac": (_jpeg(ac=b""), "no Huffman table for AC"),
        "table.dc.other": (_jpeg(sos=jpeg.sos(tables=0x10)), "a scan that names a DC table that is not there"),
        "table.ac.other": (_jpeg(sos=jpeg.sos(tables=0x01)), "a scan that names an AC table that is not there"),
        "table.16": (_jpeg(dqt=jpeg.segment(0xDB, b"\x10" + b"\0\1" * 64)), "a quantization table of 16 bits"),
        "table.16.unused": (
            _jpeg(dqt=jpeg.dqt() + jpeg.segment(0xDB, b"\x11" + b"\0\1" * 64)),
            "a quantization table of 16 bits that is not used",
        ),
        "table.dc.third": (
            _jpeg(dc=jpeg.segment(0xC4, jpeg.huffman(0, 2)), sos=jpeg.sos(tables=0x20)),
            "a DC table of destination 2",
        ),
        "table.ac.third": (
            _jpeg(ac=jpeg.segment(0xC4, jpeg.huffman(1, 2)), sos=jpeg.sos(tables=0x02)),
            "an AC table of destination 2",
        ),
        "table.third.unused": (
            _jpeg(dc=jpeg.segment(0xC4, jpeg.huffman(0) + jpeg.huffman(0, 3))), "a DC table of destination 3, not used",
        ),
        "arithmetic": (_jpeg(dc=jpeg.segment(0xCC, b"\0\x10") + jpeg.segment(0xC4, jpeg.huffman(0))), "a DAC segment"),
        "scan.name": (_jpeg(sos=jpeg.sos(name=2)), "a scan of another component"),
        "scan.first": (_jpeg(sos=jpeg.sos(first=1)), "a scan from coefficient 1 on"),
        "scan.last": (_jpeg(sos=jpeg.sos(last=62)), "a scan up to coefficient 62"),
        "scan.high": (_jpeg(sos=jpeg.sos(approximation=0x10)), "a scan that refines bits"),
        "scan.low": (_jpeg(sos=jpeg.sos(approximation=0x01)), "a scan without the lowest bit"),
        "end.none": (_jpeg(eoi=b""), "no EOI"),
    }  # fmt: skip
    for name, (image, what) in broken.items():
        _image(c, f"jpeg-{name}", f"JPEG with {what}", "JPEG", image, rule)
    heads = {
        "none": (_jpeg(sof=b""), "no frame header"),
        "extension": (_jpeg(dqt=jpeg.dqt() + jpeg.segment(0xF0, b"")), "a segment reserved for extensions before it"),
        "late": (_jpeg(sof=b"", scan=jpeg.sof(H, W) + jpeg.scan(BLOCKS)), "a frame header after its scan header"),
        "short": (_jpeg(sof=jpeg.segment(0xC0, b"\x08\0\x0a\0\x0d")), "a frame header of 5 bytes"),
    }
    for name, (image, what) in heads.items():
        _image(c, f"jpeg-frame.{name}", f"JPEG with {what}", "JPEG", image, "image.format")
    before = _jpeg(sos=b"", scan=b"", eoi=b"")
    for name, rest, what in (
        ("segments", b"", "a segment"), ("fill", b"\xff", "a fill byte"), ("marker", b"\xff\xda", "a marker"),
        ("length", b"\xff\xda\0", "half a length"), ("comment", jpeg.segment(0xFE, b""), "an empty comment"),
    ):  # fmt: skip
        _image(c, f"jpeg-cut.{name}", f"JPEG that ends with {what} before its scan", "JPEG", before + rest, rule)


def _png_sizes(c: Catalog) -> None:
    # Together they tell every row, column and step of every pass from the next greater one.
    for height, width in ((1, 1), (2, 2), (3, 3), (1, 5), (5, 1), (5, 3), (13, 13), (17, 17), (8, 16)):
        for bits in (8, 16):
            image = png(levels("noise", (1, height, width), bits, 5)[0], bits=bits, interlaced=True)
            _image(c, f"png-interlaced.{height}x{width}.{bits}", f"PNG: {height} x {width}, {bits} bits, interlaced",
                   "PNG", image, H=height, W=width, bits=bits)  # fmt: skip
    # More than a mebibyte of rows, so that a decoder may expand it in parts.
    height, width = 700, 800
    rows = bytes(height * (1 + 2 * width))
    head = chunk(b"IHDR", width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x10\0\0\0\0")
    image = (
        png(levels("noise", (1, 1, 1), 8, 5)[0])[:8]
        + head
        + chunk(b"IDAT", zlib_of(deflate_zeros(len(rows)), rows))
        + chunk(b"IEND", b"")
    )
    _image(c, "png-large", "PNG of more than 2^20 bytes of rows", "PNG", image, H=height, W=width, bits=16)


def _png_broken(c: Catalog) -> None:
    picture = levels("noise", (1, H, W), 8, 5)[0]
    good = png(picture)
    rows = b"".join(b"\0" + row.astype("u1").tobytes() for row in picture)
    head, idat, end = good[:33], good[33:-12], good[-12:]

    def ihdr(*last: int) -> bytes:
        return head[:8] + chunk(b"IHDR", head[16:24] + bytes(last))

    stream = zlib_of(deflate_stored(rows), rows)
    pieces = [chunk(b"IDAT", stream[i : i + 40]) for i in range(0, len(stream), 40)]
    forms = {
        "parts": (head + b"".join(pieces) + end, "its data in several IDAT chunks"),
        "part.sum": (
            head + chunk(b"IDAT", stream[:-4]) + chunk(b"IDAT", stream[-4:]) + end, "its Adler-32 in its own chunk",
        ),
        "part.empty": (head + chunk(b"IDAT", b"") + idat + chunk(b"IDAT", b"") + end, "empty IDAT chunks"),
        "ancillary.crc": (
            head + chunk(b"tEXt", b"a\0b")[:-1] + b"\0" + idat + end, "an ancillary chunk with a wrong CRC",
        ),
        "ancillary.own": (head + chunk(b"prIv", b"IEND") + idat + end, "a private chunk whose bytes look like IEND"),
        "blocks": (
            head + chunk(b"IDAT", zlib_of(deflate_stored(rows, 4), rows)) + end, "data in four DEFLATE blocks",
        ),
    }  # fmt: skip
    for name, (image, what) in forms.items():
        _image(c, f"png-form.{name}", f"PNG: {what}", "PNG", image)
    short, more, long = rows[: -W - 1], rows + b"\0", rows + rows[: W + 1]
    broken = {
        "data.short": ("image.png-data", head + chunk(b"IDAT", zlib_of(deflate_stored(short), short)) + end,
                       "a row too few"),
        "data.long": ("image.png-data", head + chunk(b"IDAT", zlib_of(deflate_stored(long), long)) + end,
                      "a row too many"),
        "data.byte": ("image.png-data", head + chunk(b"IDAT", zlib_of(deflate_stored(more), more)) + end,
                      "a byte after its last row"),
        "data.after": ("image.png-data", head + chunk(b"IDAT", stream + b"\0") + end, "a byte after its zlib stream"),
        "data.again": ("image.png-data", head + chunk(b"IDAT", stream + stream) + end, "two zlib streams"),
        "data.after.part": ("image.png-data", head + idat + chunk(b"IDAT", b"\0") + end,
                            "a byte in a chunk after its zlib stream"),
        "data.unended": ("image.png-data", head + chunk(b"IDAT", stream[:-4]) + end, "no Adler-32"),
        "header.long": ("image.format", head[:8] + chunk(b"IHDR", head[16:29] + b"\0") + idat + end, "a long IHDR"),
        "colour.1": ("image.format", ihdr(8, 1, 0, 0, 0) + idat + end, "colour type 1"),
        "colour.5": ("image.format", ihdr(8, 5, 0, 0, 0) + idat + end, "colour type 5"),
        "colour.7": ("image.format", ihdr(8, 7, 0, 0, 0) + idat + end, "colour type 7"),
        "data.none": ("image.png", head + end, "no IDAT chunk"),
        "end.twice": ("image.png", good + end, "two IEND chunks"),
        "header.twice": ("image.png", head + head[8:] + idat + end, "two IHDR chunks"),
        "end.crc": ("image.png", good[:-1] + b"\0", "a wrong CRC of IEND"),
        "end.long": ("image.png", head + idat + chunk(b"IEND", b"\0"), "an IEND chunk that is not empty"),
        "header.crc": ("image.format", good[:32] + bytes([good[32] ^ 1]) + good[33:], "a wrong CRC of IHDR"),
        "header.late": ("image.format", head[:8] + chunk(b"tIME", bytes(7)) + head[8:] + idat + end,
                        "a chunk before IHDR"),
        "compression": ("image.png", ihdr(8, 0, 1, 0, 0) + idat + end, "compression method 1"),
        "filter.method": ("image.png", ihdr(8, 0, 0, 1, 0) + idat + end, "filter method 1"),
        "interlace": ("image.png", ihdr(8, 0, 0, 0, 2) + idat + end, "interlace method 2"),
        "grey.4": ("image.grey", ihdr(4, 0, 0, 0, 0) + chunk(b"IDAT", zlib_of(deflate_stored(bytes(8 * H)),
                   bytes(8 * H))) + end, "grey of 4 bits"),
        "data.crc": ("image.format", head + idat[:-1] + bytes([idat[-1] ^ 1]) + end, "a wrong CRC of IDAT"),
        "signature": ("image.format", b"\x89PNG\n\n\x1a\n" + good[8:], "another signature"),
    }  # fmt: skip
    for name, (violates, image, what) in broken.items():
        _image(c, f"png-{name}", f"PNG with {what}", "PNG", image, violates)


def _jpeg2000(c: Catalog) -> None:
    name = "image-jpeg2000-bits8_r1"
    words = {"codec": "JPEG2000", "C": 3, "H": 9, "W": 11, "layout": "SEQUENCE", "of": name}

    def edited(label: str, what: str, edit: list[Any]) -> None:
        c.stream(f"image-jpeg2000-{label}", f"JPEG 2000 with {what}", [fps(**words), data(count=2, payload={"of": name},
                 edit=edit)], area=AREA, profile="IMAGE", kind="invalid", violates="image.jpeg2000")  # fmt: skip

    for label, what, more in (
        ("byte", "a byte", "00"),
        ("end", "a second EOC", "ffd9"),
        ("noise", "bytes", "6162ffd9"),
    ):
        edited(f"after.{label}", f"{what} after EOC", [["image_append", more]])
    twice = {"columns": [(43, 2), (11, 22), (27, 22)], "rows": [(44, 2), (15, 18), (31, 18)]}
    for label, bytes_ in twice.items():
        edited(f"subsampling.{label}", f"every second sample of its {label} alone",
               [["put", 4 + place, f"{value:02x}"] for place, value in bytes_])  # fmt: skip
    head = "ff4fff5100290000" + "0000000b00000009" + "00" * 8 + "0000000b00000009" + "00" * 8 + "0001" + "070101"
    for count in (4, 12, 41, 44):
        image = bytes.fromhex(head)[:count]
        _image(c, f"jpeg2000-short.{count}", f"JPEG 2000 that ends after {count} bytes", "JPEG2000", image,
               "image.format", H=9, W=11)  # fmt: skip
    for label, options, what in (
        ("offset", {"offset": [2, 3], "tile_size": [64, 64]}, "an offset of the image"),
        ("offset.columns", {"offset": [1, 0], "tile_size": [64, 64]}, "an offset of one column"),
        ("offset.rows", {"offset": [0, 1], "tile_size": [64, 64]}, "an offset of one row"),
        ("offset.tiles", {"offset": [2, 2], "tile_offset": [2, 2], "tile_size": [16, 16]}, "an offset of its tiles"),
    ):
        c.stream(f"image-jpeg2000-{label}", f"JPEG 2000 with {what}",
                 [fps(codec="JPEG2000", C=1, H=20, W=24, encoder={"name": "pillow", "options": options}),
                  data(pattern="smooth")], area=AREA, profile="IMAGE", kind="invalid",
                 violates="image.jpeg2000")  # fmt: skip
    name = "image-jpeg2000-tiles_r1"
    tiled = {"codec": "JPEG2000", "C": 1, "H": 40, "W": 36, "of": name}
    c.stream("image-jpeg2000-tile.none", "JPEG 2000 whose last tile-part has Psot 0, up to EOC",
             [fps(**tiled), data(payload={"of": name}, edit=[["last_part"]])], area=AREA, profile="IMAGE")  # fmt: skip
    c.stream("image-jpeg2000-comment", "JPEG 2000 with a comment whose bytes look like COD and EOC",
             [fps(**tiled), data(payload={"of": name}, edit=[["image_insert", "ffd9ff52000c0000"]])], area=AREA,
             profile="IMAGE")  # fmt: skip


def _codestreams(c: Catalog) -> None:
    def of(**changed: bytes) -> bytes:
        return jpeg2000.codestream(H, W, **changed)

    two = jpeg2000.part(number=0, count=2) + jpeg2000.part(b"", number=1, count=2)
    forms = {
        "plain": (of(), "the fewest segments"),
        "coc": (of(coc=jpeg2000.coc()), "COC"),
        "coc.alone": (of(cod=jpeg2000.cod(transform=1), coc=jpeg2000.coc(levels=1), qcd=jpeg2000.qcd(1),
                         parts=jpeg2000.part(bytes(2))), "a transform of COC that COD does not have"),
        "part.cod": (of(parts=jpeg2000.part(header=jpeg2000.cod())), "COD in the header of a tile-part"),
        "part.coc": (of(parts=jpeg2000.part(header=jpeg2000.coc())), "COC in the header of a tile-part"),
        "part.comment": (of(parts=jpeg2000.part(header=jpeg2000.segment(0x64, b"\0\1" + jpeg2000.SOD))),
                         "a comment in the header of a tile-part"),
        "parts.two": (of(parts=two), "a second tile-part that is empty"),
    }  # fmt: skip
    for name, (image, what) in forms.items():
        _image(c, f"jpeg2000-form.{name}", f"JPEG 2000 with {what}", "JPEG2000", image)
    broken = {}
    for name, make in (("cod", jpeg2000.cod), ("coc", jpeg2000.coc)):
        marker = name.upper()
        for label, words, what in (
            ("irreversible", {"transform": 0}, "the irreversible transform"),
            ("style", {"style": 0x40}, "code-blocks of Part 15"),
        ):
            broken[f"{name}.{label}"] = (of(**{name: make(**words)}), f"{what} in {marker}")
            broken[f"part.{name}.{label}"] = (
                of(parts=jpeg2000.part(header=make(**words))), f"{what} in {marker} of a tile-part",
            )  # fmt: skip
    broken["end.twice"] = of(eoc=jpeg2000.EOC * 2), "two EOC"
    for label, length, where in (("data", 12, "where its data begin"), ("start", 1, "before its data")):
        broken[f"part.{label}"] = of(parts=jpeg2000.part(length=length)), f"a tile-part that ends {where}"
    for name, (image, what) in broken.items():
        _image(c, f"jpeg2000-{name}", f"JPEG 2000 with {what}", "JPEG2000", image, "image.jpeg2000")


def _sizes(c: Catalog) -> None:
    for codec in ("JPEG", "JPEG2000"):
        name = f"image-{codec.lower()}-bits8_r1"  # three pictures of 9 rows and 11 columns
        for label, height, width in (("turned", 11, 9), ("rows", 8, 11), ("columns", 9, 12), ("large", 10, 12)):
            words = {"codec": codec, "C": 3, "H": height, "W": width, "layout": "SEQUENCE", "of": name}
            c.stream(f"image-{codec.lower()}-size.{label}", f"{codec} of 9 x 11 for pictures of {height} x {width}",
                     [fps(**words), data(count=2, payload={"of": name})], area=AREA, profile="IMAGE", kind="invalid",
                     violates="image.size")  # fmt: skip
