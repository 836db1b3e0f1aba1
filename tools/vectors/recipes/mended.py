"""Vectors of which the first revision breaks more than it names; these break that alone."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog, Recipe, seed_of
from vectors.formats import deflate_fixed, images, png, zlib_of
from vectors.recipes.bytecodecs import RAW
from vectors.recipes.image_containers import H, W
from vectors.recipes.words import data, fps, metadata

SETTLED = (
    "broken-coded.order-first", "broken-finite-unchanged.bfloat16", "broken-finite-unchanged.float16",
    "broken-finite-unchanged.float64", "broken-quantized.type-new", "broken-quantized.type-quantized",
    "broken-quantized.type-quantized.difference", "broken-quantized.type-source", "broken-quantized.type-target",
    "broken-range-five.minus", "broken-range-five.plus", "broken-range-two.plus", "broken-raw.bits-missing",
    "broken-source-none.exact.difference", "broken-source-none.quantized.difference", "broken-source.format-fewer",
    "broken-source.format-wider", "broken-tensors-fewer", "broken-utf8-name.alone", "broken-utf8-name.beyond",
    "broken-utf8-name.cut", "broken-utf8-name.long", "broken-utf8-name.surrogate", "broken-words-few",
    "broken-xz-narrow", "syntax-predictor.coefficient-above", "syntax-predictor.coefficient-below",
)  # fmt: skip
"""Of model updates: those whose result_digest is not that of what they give to a decoder that does not reject them."""


def register(c: Catalog) -> None:
    """Add the recipes."""
    for name in SETTLED:
        _again(c, f"model.{name}", settled=True)
    _units(c)
    _payloads(c)


def _again(c: Catalog, name: str, **changed: Any) -> None:
    """The second revision of a vector, with other arguments."""
    first = c.recipes[f"{name}_r1"]
    c.add(Recipe(f"{name}_r2", first.title, first.area, first.kind, first.suite, first.generator,
                 first.arguments | changed, first.violates, first.requirements, seed_of(name)))  # fmt: skip


def _units(c: Catalog) -> None:
    end = {"unit": "end"}
    units = [("metadata", metadata(["k", "t"])), ("fps", fps()), ("data", data()), ("end", end)]
    for name in ("metadata", "fps", "data"):
        flag = int(name != "metadata")
        for word, value in (("skippable", flag), ("crc_xor", 1)):
            stem = "units-skippable" if word == "skippable" else "units-crc"
            _again(c, f"{stem}-{name}", units=[unit | ({word: value} if n == name else {}) for n, unit in units])
    for name, value in (("first", 0xA9444643), ("last", 0x89444663)):
        c.stream(f"units-signature-{name}", f"The {name} byte of the signature is wrong, header_crc is right",
                 [fps(), data()], area="units", kind="malformed", violates="bitstream.signature", revision=2,
                 header={"signature": value})  # fmt: skip
    for name, mask in (("crc.first", 1 << 31), ("crc.last", 1)):
        c.stream(f"units-header.crc-{name}", f"One bit of header_crc is wrong ({name})", [fps(), data()], area="units",
                 kind="malformed", violates="bitstream.header-crc", revision=2, header_crc_xor=mask)  # fmt: skip
    _again(c, "order-metadata-end", units=[metadata(["k", "t"]), end])
    _again(c, "order-start-end", units=[end])


def _payloads(c: Catalog) -> None:
    picture = images(png(_picture()))
    small = {"C": 1, "H": H, "W": W, "layout": "SEQUENCE"}
    compressed = zlib_of(deflate_fixed(RAW), RAW).hex()
    for name, tensor, payload in (
        ("profile-codec-intra.stored", fps(codec="STORED"), RAW.hex()),
        ("profile-codec-image.zlib", fps(codec="ZLIB"), compressed),
        ("profile-codec-lossless.png", fps(codec="PNG", **small), picture),
        ("image-png-configuration", fps(codec="PNG", configuration="0000", **small), picture),
    ):
        _again(c, name, units=[tensor, data(payload=payload), {"unit": "end"}])
    for name in ("columns", "rows"):
        first = c.recipes[f"syntax-grid.{name}-max_r1"].arguments["units"]
        tensor = {k: v for k, v in first[0].items() if k != "ranges"} | {"ranges": [[1.0, 1.0]]}
        _again(c, f"syntax-grid.{name}-max", units=[tensor, data(payload=""), {"unit": "end"}])


def _picture() -> Any:
    from vectors.data import levels

    return levels("noise", (1, H, W), 8, 5)[0]
