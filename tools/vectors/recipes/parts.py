"""9.10, 6.12, 6.13: samples in parts; every way to cut them, and everything that is wrong with units of them."""

from __future__ import annotations

import itertools
from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.words import (
    data,
    digest,
    fps,
    metadata,
    other,
)
from vectors.tensors import Tensor, Unit

AREA = "parts"
RESILIENT, COMPLETE = "RESILIENT", "COMPLETE"
SMALL: dict[str, Any] = {"C": 5, "H": 7, "W": 3, "parts": [3, 2]}


def register(c: Catalog) -> None:
    """Add the recipes."""
    _geometry(c)
    _combinations(c)
    _streams(c)
    _constant(c)
    _codecs(c)
    _complete(c)


def part(index: int, **words: Any) -> Unit:
    """A feature part unit of a recipe."""
    return {"unit": "part", "index": index} | words


def parts(words: dict[str, Any], *, sample: int = 0, order: list[int] | None = None, **more: Any) -> list[Unit]:
    """All parts of a sample of a parameter set with these words."""
    indices = order if order is not None else range(Tensor(**words).part_count)
    shared = {"sample": sample} | ({"id": words["id"]} if "id" in words else {}) | more
    return [part(index, **shared) for index in indices]


def _valid(c: Catalog, name: str, title: str, units: list[Unit], profile: str = RESILIENT, **more: Any) -> None:
    c.stream(f"parts-{name}", title, units, area=AREA, profile=profile, **more)


def _whole(c: Catalog, name: str, title: str, words: dict[str, Any], profile: str = RESILIENT, **more: Any) -> None:
    """A tensor with digests, and one sample of it in all its parts."""
    units = [fps(**words, digests="TL" if words.get("quantizer") != "NONE" else "T"), *parts(words, **more), digest()]
    _valid(c, name, title, units + [digest(kind=1)] * (words.get("quantizer") != "NONE"), profile)


def _geometry(c: Catalog) -> None:
    for rows, groups in ((7, 1), (7, 5), (1, 1), (1, 5), (3, 2), (4, 3), (6, 4)):
        words = SMALL | {"parts": [rows, groups]}
        _whole(c, f"geometry-{rows}x{groups}", f"5 channels of 7 rows in {groups} groups and bands of {rows}", words)
    for layout in ("SEQUENCE", "MOSAIC", "QUILT"):
        words = {"C": 11, "H": 5, "W": 4, "parts": [2, 2], "layout": layout, "grid": [2, 2], "margin": [3, 1]}
        words |= {"grid": None} if layout == "SEQUENCE" else {}
        _whole(c, f"layout-{layout.lower()}", f"Parts in layout {layout}, with margins and empty cells", words)
    for axes in ("C", "HW", "WHC", "NHWC", "TCHW"):
        words = SMALL | {"axes": axes, "parts": [3 if "H" in axes else 1, 2 if "C" in axes else 1]}
        _whole(c, f"axes-{axes.lower()}", f"Parts of a tensor with the axes {axes}", words)
    order = [3, 0, 4, 2, 1]
    _whole(c, "order-channels", "channel_order decides which channels a group has", SMALL | {"order": order})
    _whole(c, "order-units", "The parts of a sample come in another order", SMALL, order=[5, 2, 0, 4, 1, 3])
    _valid(c, "extension-none", "A parameter set with an extension without parts", [fps(**SMALL | {"parts": None}),
           data(), data(count=2)])  # fmt: skip
    _valid(c, "extension-both", "A tensor in parts beside one of whole samples",
           [fps(**SMALL, layer="p"), fps(id=1, layer="w"), *parts(SMALL), data(id=1), *parts(SMALL, sample=1),
            data(id=1)])  # fmt: skip


def _combinations(c: Catalog) -> None:
    ranges = [[0.0, 1.5], [-1.0, -1.0], [0.25, 8.0], [2.0, 2.0], [0.0, 0.5]]
    for quantizer, scope in itertools.product(("UNIFORM", "LOG", "LOG_NONNEGATIVE"), ("SAMPLE", "SEQUENCE", "CHANNEL")):
        words = SMALL | {
            "quantizer": quantizer,
            "scope": scope,
            "bits": {"SAMPLE": 8, "SEQUENCE": 5, "CHANNEL": 10}[scope],
        }
        own = [[0.0, max(0.0, high)] for _, high in ranges] if quantizer == "LOG_NONNEGATIVE" else ranges
        words |= {"ranges": own if scope == "CHANNEL" else own[:1]}
        name = f"{quantizer.lower().replace('_', '.')}-{scope.lower()}"
        _whole(c, name, f"Parts with quantizer {quantizer} and range_scope {scope}", words)
    for element in ("FLOAT32", "FLOAT64", "INT16", "BOOL"):
        words = SMALL | {"quantizer": "NONE", "element": element}
        _whole(c, f"none-{element.lower()}", f"Parts of {element} without a quantizer", words)
    for element in ("FLOAT16", "BFLOAT16"):
        _whole(c, f"element-{element.lower()}", f"Parts whose elements become {element}", SMALL | {"element": element})


def _streams(c: Catalog) -> None:
    two = SMALL | {"id": 0, "layer": "p3"}, {"id": 9, "layer": "p4", "C": 3, "H": 2, "W": 2, "parts": [1, 3]}
    pairs = (pair for s in range(2) for pair in itertools.zip_longest(*(parts(w, sample=s) for w in two)))
    mixed = [unit for pair in pairs for unit in pair if unit]
    _valid(c, "streams-two", "The parts of two tensors alternate within an access unit",
           [fps(**two[0], digests="T"), fps(**two[1], digests="T"), *mixed, digest(), digest(id=9)])  # fmt: skip
    _valid(c, "streams-digests", "Digests after every sample in parts",
           [fps(**SMALL, digests="TL"), *parts(SMALL), digest(), digest(kind=1), *parts(SMALL, sample=1),
            digest(kind=1), digest()])  # fmt: skip
    _valid(c, "streams-sets", "Parameter set, metadata and an unknown unit between the parts of a sample",
           [fps(**SMALL), *parts(SMALL, order=[0, 1]), fps(**SMALL), metadata(["k", "t"]), *parts(SMALL, order=[2, 3]),
            other(90, "00"), *parts(SMALL, order=[4, 5])])  # fmt: skip
    _valid(c, "empty-samples", "A tensor in parts without samples", [fps(**SMALL)])
    _valid(c, "streams-single", "A tensor without axis N in parts", [fps(**SMALL | {"axes": "CHW"}),
           *parts(SMALL)])  # fmt: skip
    high = SMALL | {"id": 63}
    _valid(c, "set.id-max", "Parts of the parameter set with the greatest id", [fps(**high), *parts(high)])
    _valid(c, "later-elements", "A later minor version appends elements after the extension",
           [fps(**SMALL, append="01020304"), *parts(SMALL)], minor=2)  # fmt: skip
    for shift in range(4):
        words = {"id": (1 << shift) - 1, "H": 1 << shift, "C": 2, "parts": [1, 2]}
        _valid(c, f"alignment-{shift}", "An extension and parts that end somewhere else in their last bytes",
               [fps(**words), *parts(words)])  # fmt: skip


def _constant(c: Catalog) -> None:
    words = SMALL | {"scope": "SAMPLE"}
    flat = [0.75, 0.75]
    units = [part(i, range=flat if i in (1, 4) else [-1.0, 1.0 + i]) for i in range(6)]
    _valid(c, "constant-some", "Some parts are constant, and every part has a range of its own",
           [fps(**words, digests="TL"), *units, digest(), digest(kind=1)])  # fmt: skip
    _valid(c, "constant-all", "All parts are constant, each with another number",
           [fps(**words, digests="TL"), *(part(i, range=[0.5 * i, 0.5 * i]) for i in range(6)), digest(),
            digest(kind=1)])  # fmt: skip
    _valid(c, "constant-sequence", "The range of all samples is one number",
           [fps(**SMALL, ranges=[flat]), *parts(SMALL)])  # fmt: skip
    by_channel = SMALL | {"scope": "CHANNEL", "ranges": [[1.0, 1.0], [0.0, 2.0], [3.0, 3.0], [1.0, 2.0], [5.0, 5.0]]}
    _whole(c, "constant-group", "All channels of a group are constant", by_channel)
    zero = [0.0, 0.0]
    _valid(c, "constant-nonnegative", "Constant parts of LOG_NONNEGATIVE are 0",
           [fps(**words | {"quantizer": "LOG_NONNEGATIVE"}), *(part(i, range=[0.0, 4.0] if i % 2 else zero)
            for i in range(6))])  # fmt: skip


def _codecs(c: Catalog) -> None:
    for codec in ("ZLIB", "GZIP", "LZMA"):
        _whole(c, f"codec-{codec.lower()}", f"Parts with payload codec {codec}", SMALL | {"codec": codec})
    video: dict[str, Any] = {"codec": "HEVC", "C": 6, "H": 20, "W": 16}
    for name, words, title in (
        ("groups", {"parts": [20, 3], "grid": [1, 2], "size": [24, 32]}, "whole channels in three groups"),
        ("bands", {"parts": [8, 1], "grid": [2, 3], "size": [16, 48]}, "bands of 8 rows, the last one with 4"),
        (
            "both",
            {"parts": [16, 4], "grid": [1, 2], "size": [16, 32]},
            "groups of one and two channels, bands of 16 rows",
        ),
        ("sequence", {"parts": [20, 4], "layout": "SEQUENCE", "size": [24, 16]}, "a channel a picture"),
        ("quilt", {"parts": [20, 3], "layout": "QUILT", "grid": [1, 2], "size": [24, 32], "bits": 10}, "quilts"),
    ):
        _whole(c, f"hevc-{name}", f"Parts coded with HEVC: {title}", video | words, pattern="smooth")
    words = video | {"parts": [20, 3], "grid": [1, 2], "size": [24, 32], "scope": "SAMPLE"}
    units = [part(i, pattern="smooth", range=[1.0, 1.0] if i == 1 else [0.0, 2.0]) for i in range(3)]
    _valid(c, "hevc-constant", "A constant part among others coded with HEVC", [fps(**words), *units])


def _complete(c: Catalog) -> None:
    picture = SMALL | {"W": 5}
    for codec in ("PNG", "JPEG", "JPEG2000"):
        _whole(c, f"complete-{codec.lower()}", f"Parts with payload codec {codec} in profile COMPLETE",
               picture | {"codec": codec}, COMPLETE)  # fmt: skip
    words: dict[str, Any] = {"codec": "HEVC", "C": 6, "H": 16, "W": 16, "layout": "SEQUENCE", "parts": [16, 2]}
    words |= {"encoder": {"effort": "fast"}}
    _whole(c, "complete-inter", "The pictures of a part predict each other", words, COMPLETE, pattern="smooth")
    _valid(c, "complete-whole", "Profile COMPLETE without parts, with byte and image codecs",
           [fps(layer="a"), fps(id=1, layer="b", codec="PNG"), data(), data(id=1)], COMPLETE)  # fmt: skip
