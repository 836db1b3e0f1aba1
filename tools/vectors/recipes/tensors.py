"""7.1, 7.2, 7.5: axes, number formats, layouts, the order of channels, margins."""

from __future__ import annotations

import itertools

import numpy as np

from vectors.catalog import Catalog
from vectors.formats import images, png
from vectors.recipes.words import data, digest, fps

TYPES = ("FLOAT32", "FLOAT16", "BFLOAT16", "FLOAT64", "UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "UINT64",
         "INT64", "BOOL")  # fmt: skip


def register(c: Catalog) -> None:
    """Add the recipes."""
    _axes(c)
    _types(c)
    _layouts(c)


def _axes(c: Catalog) -> None:
    size = {"C": 3, "H": 4, "W": 5}
    for count in (1, 2, 3):
        for letters in itertools.permutations("CHW", count):
            axes = "".join(letters)
            for lead in ("", "N") if count < 3 else ("", "N", "T"):
                samples = 2 if lead else 1
                c.stream(f"axes-order-{(lead + axes).lower()}", f"A tensor with the axes {lead + axes}",
                         [fps(axes=lead + axes, digests="TL", **size), data(count=samples), digest(), digest(kind=1)],
                         area="axes")  # fmt: skip
    for axes in ("T", "N"):
        c.stream(f"axes-order-{axes.lower()}.alone", f"Axis {axes} without C, H or W", [fps(axes=axes), data()],
                 area="axes",
                 kind="invalid", violates="fps.sample-has-axis")  # fmt: skip
    wrong = {
        "cc": ("CC", "fps.axis-once"), "ntc": ("NTC", "fps.axis-once"), "nn": ("NNC", "fps.axis-once"),
        "hwhw": ("HWHW", "fps.axis-once"), "cn": ("CN", "fps.sample-axis-first"), "chwt": ("CHWT",
        "fps.sample-axis-first"),
    }  # fmt: skip
    for name, (axes, violates) in wrong.items():
        c.stream(f"axes-roles-{name}", f"Axes {axes}", [fps(axes=axes), data()], area="axes", kind="invalid",
                 violates=violates)  # fmt: skip
    single = {
        "none": ([fps(axes="CHW")], "No unit for the one sample of a tensor without axis N or T"),
        "two": ([fps(axes="CHW"), data(), data()], "A second unit for a tensor without axis N or T"),
        "count": ([fps(axes="CHW"), data(count=2)], "Two samples in a unit of a tensor without axis N or T"),
    }
    for name, (units, title) in single.items():
        c.stream(f"axes-single.sample-{name}", title, units, area="axes", kind="invalid", violates="fps.single-sample")
    c.stream("axes-samples-none", "A tensor with axis T and no sample, beside one with two",
             [fps(axes="THW", layer="empty"), fps(id=1, layer="full"), data(id=1, count=2)], area="axes")  # fmt: skip


def _types(c: Catalog) -> None:
    for name in TYPES:
        c.stream(f"types-raw-{name.lower()}",
                 f"Elements of type {name} without a quantizer, NaN and infinities included",
                 [fps(element=name, quantizer="NONE", ranges=[], digests="T", margin=(1, 2)), data(count=2), digest()],
                 area="types")  # fmt: skip
    for name in TYPES[:4]:
        for quantizer in ("UNIFORM", "LOG"):
            for label, pair in (("small", [-3.0, 5.0]), ("huge", [-3.0e38, 3.4e38]), ("tiny", [0.0, 3e-7])):
                c.stream(f"types-{quantizer.lower()}-{name.lower()}.{label}",
                         f"{name} from {quantizer} between {pair[0]:g} and {pair[1]:g}",
                         [fps(element=name, quantizer=quantizer, ranges=[pair], C=4, H=8, W=8, digests="T"),
                          data(pattern="ramp"), digest()], area="types")  # fmt: skip
        c.stream(f"types-constant-{name.lower()}", f"Constant samples of type {name}, limited to its finite values",
                 [fps(element=name, scope="SAMPLE"), data(count=3, ranges=[[3.3e38, 3.3e38], [-7e4, -7e4],
                 [1e-42, 1e-42]])],
                 area="types")  # fmt: skip
        c.stream(f"types-negative-{name.lower()}", f"Constant samples of type {name}, too near to zero for some types",
                 [fps(element=name, scope="SAMPLE"), data(count=3, ranges=[[-1e-9, -1e-9], [-1e-42, -1e-42],
                 [-1e-7, -1e-7]])],
                 area="types")  # fmt: skip
    for name in ("UINT8", "INT64", "BOOL"):
        c.stream(f"types-quantized-{name.lower()}", f"A quantizer for elements of type {name}",
                 [fps(element=name), data()],
                 area="types", kind="invalid", violates="fps.quantized-type")  # fmt: skip
    for codec in ("PNG", "HEVC"):
        raw = images(png(np.arange(24, dtype=np.uint8).reshape(3, 8))) if codec == "PNG" else ""
        profile, words = ("IMAGE", {}) if codec == "PNG" else ("INTRA", {"of": "hevc-bits-8_r1", "axes": "NCHW"})
        c.stream(f"types-unquantized-{codec.lower()}", f"Elements without a quantizer in {codec}",
                 [fps(element="UINT8", quantizer="NONE", ranges=[], codec=codec, **words), data(payload=raw)],
                 area="types",
                 profile=profile, kind="invalid", violates="fps.unquantized-codec")  # fmt: skip


def _layouts(c: Catalog) -> None:
    grids = {
        "one.row": (5, [1, 5]), "one.column": (5, [5, 1]), "square": (9, [3, 3]), "empty.cells": (7, [3, 3]),
        "two.pictures": (9, [2, 3]), "last.picture": (13, [2, 3]), "larger": (2, [5, 13]), "one.cell": (3, [1, 1]),
    }  # fmt: skip
    for layout in ("MOSAIC", "QUILT"):
        for name, (channels, grid) in grids.items():
            c.stream(f"repack-{layout.lower()}-{name}",
                     f"{channels} channels in a {layout.lower()} of {grid[0]} x {grid[1]}",
                     [fps(layout=layout, C=channels, grid=grid, digests="L"), data(count=2), digest(kind=1)],
                     area="repack")  # fmt: skip
        c.stream(f"repack-{layout.lower()}-margin", f"A {layout.lower()} with other values in the margin",
                 [fps(layout=layout, C=5, grid=[2, 3], margin=(7, 63)), data(count=2)], area="repack")  # fmt: skip
    c.stream("repack-sequence-margin", "Pictures of one channel with a margin of 63 rows",
             [fps(layout="SEQUENCE", C=3, margin=(63, 1)), data(count=2)], area="repack")  # fmt: skip
    for name, words in (("sequence", {"layout": "SEQUENCE"}), ("mosaic", {"grid": [2, 3]}),
                        ("quilt", {"layout": "QUILT", "grid": [3, 2]})):  # fmt: skip
        c.stream(f"repack-channel.order-{name}", f"Channels in another order, layout {name}",
                 [fps(C=6, order=[3, 0, 5, 1, 4, 2], digests="TL", **words), data(count=2), digest(), digest(kind=1)],
                 area="repack")  # fmt: skip
        raw = {"quantizer": "NONE", "ranges": [], "element": "INT16"}
        c.stream(f"repack-channel.order.raw-{name}", f"Elements without a quantizer in another order, layout {name}",
                 [fps(C=6, order=[5, 3, 0, 1, 4, 2], **raw, **words), data(count=2)], area="repack")  # fmt: skip
        ranges = [[0.0, 1.0], [2.0, 2.0], [-1.0, 3.0], [5.0, 5.0], [-9.0, -8.0], [0.5, 0.75]]
        c.stream(f"repack-constant.channels-{name}", f"Constant channels are not in the pictures, layout {name}",
                 [fps(C=6, scope="CHANNEL", ranges=ranges, order=[3, 0, 5, 1, 4, 2], digests="TL", **words),
                 data(count=2),
                  digest(), digest(kind=1)], area="repack")  # fmt: skip
    for count in (33, 300):
        order = [(7 * i + 5) % count for i in range(count)]
        c.stream(f"repack-channel.order-{count}", f"An order of {count} channels",
                 [fps(C=count, order=order, digests="TL"), data(), digest(), digest(kind=1)],
                 area="repack")  # fmt: skip
        c.stream(f"range-channel-{count}", f"Ranges of {count} channels",
                 [fps(C=count, scope="CHANNEL", ranges=[[0.0, 0.5 + i] for i in range(count)], digests="T"), data(),
                  digest()], area="range")  # fmt: skip
    c.stream("repack-constant.channels-all", "All channels are constant: units without a payload",
             [fps(C=3, scope="CHANNEL", ranges=[[1.0, 1.0], [0.0, 0.0], [-2.0, -2.0]], digests="L"), data(count=2),
              digest(kind=1)], area="repack")  # fmt: skip
    c.stream("repack-constant.channels-first", "A constant channel in its own order",
             [fps(C=3, scope="CHANNEL", ranges=[[1.0, 1.0], [0.0, 1.0], [-2.0, 2.0]]), data()],
             area="repack")  # fmt: skip
    bad = [
        ("size.width-below", {"size": [3, 7]}, "fps.coded-size"), ("size.height-below", {"size": [2, 8]},
        "fps.coded-size"),
        ("size.width-above", {"size": [3, 72]}, "fps.coded-size"), ("size.height-above", {"size": [67, 8]},
        "fps.coded-size"),
        ("grid.cells-above", {"grid": [4, 17]}, "fps.grid-cells"),
        ("channel.order-repeated", {"C": 3, "order": [0, 1, 1]}, "fps.channel-order"),
    ]  # fmt: skip
    for name, words, violates in bad:
        c.stream(f"repack-{name}", f"The parameter set breaks {violates}: {words}", [fps(**words),
                 data(**({"payload": {"repeat": "00", "times": 24}} if "below" in name else {}))], area="repack",
                 kind="invalid", violates=violates)  # fmt: skip
    c.stream("repack-grid.cells-many", "Almost twice as many cells as channels, and 63 more",
             [fps(C=40, H=1, W=2, grid=[11, 13]), data()], area="repack")  # fmt: skip
    c.stream("names-characters-first", "Names of the first and the last printable character of ASCII",
             [fps(layer=" ", network="~"), data()], area="names")  # fmt: skip
    c.stream("repack-grid.cells-most", "As many cells as there can be", [fps(grid=[1, 67]), data()], area="repack")
    c.stream(
        "repack-size-margin.most", "Margins of 63 rows and 63 columns", [fps(margin=(63, 63)), data()], area="repack"
    )
    for name, layer in (("c0", "a\x1fb"), ("del", "a\x7f"), ("nul", "\x00")):
        c.stream(f"names-characters-{name}",
                 f"A layer_id with the character {ord(max(layer, key=lambda x: x not in 'ab')):#x}",
                 [fps(layer=layer), data()], area="names", kind="malformed",
                 violates="fps.name-characters")  # fmt: skip
    c.stream("names-characters-network", "A network_id with a line feed", [fps(network="a\nb"), data()], area="names",
             kind="malformed", violates="fps.name-characters")  # fmt: skip
    for name, text in (
        ("lone", b"\x80"),
        ("overlong", b"\xc0\xaf"),
        ("surrogate", b"\xed\xa0\x80"),
        ("above", b"\xf4\x90\x80\x80"),
    ):
        for element in ("network_id", "layer_id"):
            c.stream(f"names-utf8-{element[:-3]}.{name}", f"{element} is not UTF-8 ({text.hex(' ')})",
                     [fps(set={element: text, f"{element}_length": len(text)}), data()], area="names", kind="malformed",
                     violates="fps.utf8")  # fmt: skip
    c.stream("names-unique-same", "Two tensors of one name", [fps(layer="a"), fps(id=1, layer="a"), data(), data(id=1)],
             area="names", kind="invalid", violates="fps.layer-id-unique")  # fmt: skip
    c.stream("names-unique-inferred", "A layer_id that is the inferred name of another tensor",
             [fps(), fps(id=1, layer="tensor0"), data(), data(id=1)], area="names", kind="invalid",
             violates="fps.layer-id-unique")  # fmt: skip
    c.stream("names-unique-case", "Names that differ in case only", [fps(layer="a"), fps(id=1, layer="A"), data(),
             data(id=1)], area="names")  # fmt: skip
