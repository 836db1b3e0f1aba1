"""9.11, 6.20: layers; every kind of them, on every kind of base layer, and prefixes of their chains."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from refsw.payload.native.configuration import pack_configuration
from refsw.payload.native.encoder import Costs, SampleEncoder
from refsw.payload.native.starts import universal_start
from refsw.syntax.codes import NativeStart
from vectors.catalog import Catalog
from vectors.recipes.prediction import INTRA, STILL, Series
from vectors.recipes.words import LARGEST, data, digest, fps
from vectors.tensors import Tensor, Unit

AREA = "scalable"
SCALABLE = "SCALABLE"
SMALL: dict[str, Any] = {"C": 5, "H": 3, "W": 4}
BASE = SMALL | {"kind": "BASE", "carried": [0, 2, 3], "layer": "base", "purpose": "classification"}
WHOLE = SMALL | {"kind": "BASE", "layer": "base", "purpose": "detection"}
MORE = SMALL | {"id": 1, "kind": "CHANNELS", "carried": [1, 4], "layer": "more", "purpose": "reconstruction"}
FINER = SMALL | {"id": 1, "kind": "REFINEMENT", "layer": "finer", "ranges": [[-0.125, 0.25]], "purpose": "people"}
"""What a layer may be, on layer 0: as many words as `fps` takes."""


def register(c: Catalog) -> None:
    """Add the recipes."""
    _prefixes(c)
    _kinds(c)
    _elements(c)
    _chains(c)
    _codecs(c)
    _sets(c)
    _levels(c)


def valid(c: Catalog, name: str, title: str, units: list[Unit], profile: str = SCALABLE, **more: Any) -> None:
    """A vector of some units."""
    c.stream(f"scalable-{name}", title, units, area=AREA, profile=profile, suite="scalable", **more)


def layers(*sets: dict[str, Any], samples: int = 1, count: int = 1, **more: Any) -> list[Unit]:
    """Layers with digests of all kinds: their parameter sets, and units of them in order."""
    units = [fps(**words, digests="T" if words.get("quantizer") == "NONE" else "TL") for words in sets]
    for _ in range(samples // count):
        units += [data(id=words.get("id", 0), count=count, **more) for words in sets]
    for words in sets:
        kinds = (0,) if words.get("quantizer") == "NONE" else (0, 1)
        units += [digest(id=words.get("id", 0), kind=kind) for kind in kinds]
    return units


def _fixed(words: dict[str, Any]) -> Unit:
    """A unit whose levels depend on the layer alone, so that those of prefixes are the same."""
    number = words.get("id", 0)
    cells = len(Tensor(**words).coded_channels) * 12
    levels = np.random.default_rng(number).integers(0, 256, cells, np.uint8)
    return data(id=number, payload=levels.tobytes().hex())


def _prefixes(c: Catalog) -> None:
    chain = [
        BASE | {"layout": "SEQUENCE"},
        MORE | {"layout": "SEQUENCE"},
        FINER | {"id": 2, "base": 1, "layout": "SEQUENCE"},
        FINER | {"id": 3, "base": 2, "layout": "SEQUENCE", "layer": "finest", "ranges": [[-0.0078125, 0.0078125]]},
    ]
    for count in range(1, 5):
        sets = chain[:count]
        units = [fps(**words, digests="T") for words in sets]
        units += [*map(_fixed, sets), *(digest(id=words.get("id", 0)) for words in sets)]
        valid(
            c, f"prefix-{count}", f"The first {count} of 4 layers: some channels, more, differences, finer ones", units
        )
    tree = [chain[0], chain[1], FINER | {"id": 2, "base": 0, "carried": [0, 3], "layout": "SEQUENCE"}]
    for name, sets in (("tree", tree), ("branch", [tree[0], tree[2]])):
        units = [*(fps(**words, digests="T") for words in sets), *map(_fixed, sets)]
        valid(
            c,
            f"prefix-{name}",
            "Two layers on the same base layer, or one of them",
            [*units, *(digest(id=words.get("id", 0)) for words in sets)],
        )


def _kinds(c: Catalog) -> None:
    ranges = [[0.0, 1.5], [-1.0, -1.0], [0.25, 8.0], [2.0, 2.0], [0.0, 0.5]]
    for kind, scope in itertools.product(("channels", "refinement"), ("SAMPLE", "SEQUENCE", "CHANNEL")):
        upper = MORE if kind == "channels" else FINER
        for quantizer in ("UNIFORM", "LOG", "LOG_NONNEGATIVE"):
            own = [[0.0, max(0.0, high)] for _, high in ranges] if quantizer == "LOG_NONNEGATIVE" else ranges
            words = {"scope": scope, "ranges": own if scope == "CHANNEL" else own[:1], "quantizer": quantizer}
            words |= {"bits": {"SAMPLE": 8, "SEQUENCE": 5, "CHANNEL": 10}[scope]}
            name = f"{kind}-{quantizer.lower().replace('_', '.')}.{scope.lower()}"
            valid(
                c,
                name,
                f"A layer of kind {upper['kind']} with quantizer {quantizer} and range_scope {scope}",
                layers((BASE if kind == "channels" else WHOLE) | words, upper | words),
            )
    for kind, upper in (("channels", MORE), ("refinement", FINER)):
        lower = BASE if kind == "channels" else WHOLE
        for axes in ("C", "WHC", "CHW", "NHWC", "TCHW"):
            valid(
                c,
                f"{kind}-axes.{axes.lower()}",
                f"A layer of kind {upper['kind']} with the axes {axes}",
                layers(
                    lower | {"axes": axes},
                    upper | {"axes": axes},
                    samples=2 if axes[0] in "NT" else 1,
                ),
            )
        for layout in ("SEQUENCE", "MOSAIC", "QUILT"):
            words = {"layout": layout, "order": [3, 0, 4, 2, 1], "margin": [1, 2]}
            words |= {"grid": None if layout == "SEQUENCE" else [2, 2]}
            valid(
                c,
                f"{kind}-layout.{layout.lower()}",
                f"A layer of kind {upper['kind']} in layout {layout}, with an order",
                layers(lower | {"layout": "SEQUENCE"}, upper | words),
            )
        own = {"scope": "SAMPLE"}
        units = [
            fps(**lower | own, digests="TL"),
            fps(**upper | own, digests="TL"),
            data(count=3, ranges=[[0.0, 1.0], [2.0, 2.0], [0.0, 1.0]]),
            data(id=1, count=3, ranges=[[0.0, 1.0], [-1.0, 1.0], [0.5, 0.5]]),
            digest(),
            digest(kind=1),
            digest(id=1),
            digest(id=1, kind=1),
        ]
        valid(c, f"{kind}-constant", f"Constant samples in a layer of kind {upper['kind']} and below it", units)
        valid(
            c,
            f"{kind}-units",
            f"Several samples in a unit of a layer of kind {upper['kind']}",
            layers(lower, upper, samples=6, count=3),
        )
        valid(
            c,
            f"{kind}-shorter",
            f"A layer of kind {upper['kind']} ends before its base layer",
            [fps(**lower), fps(**upper), data(), data(id=1), data(), data()],
        )
        valid(
            c, f"{kind}-empty", f"A layer of kind {upper['kind']} without samples", [fps(**lower), fps(**upper), data()]
        )
    valid(
        c,
        "refinement-hw",
        "A refinement of a tensor without channels",
        layers(WHOLE | {"axes": "HW"}, FINER | {"axes": "HW"}),
    )
    valid(c, "refinement-some", "A refinement of some channels", layers(WHOLE, FINER | {"carried": [0, 4]}))


def _elements(c: Catalog) -> None:
    for element in ("FLOAT32", "FLOAT16", "BFLOAT16", "FLOAT64"):
        own = {"element": element}
        name = element.lower()
        valid(
            c,
            f"element-channels.{name}",
            f"More channels of {element}, over filled ones",
            layers(BASE | own | {"fill": [0.0, 1e6, 0.0, 0.0, -0.333]}, MORE | own),
        )
        valid(c, f"element-refinement.{name}", f"A refinement of {element}", layers(WHOLE | own, FINER | own))
        far = {"ranges": [[-LARGEST, LARGEST]]}
        valid(
            c,
            f"element-largest.{name}",
            f"Sums beyond the greatest {element}",
            layers(WHOLE | own | far, FINER | own | far),
        )
        valid(
            c,
            f"none-{name}",
            f"More channels of {element} without a quantizer",
            layers(BASE | own, MORE | own | {"quantizer": "NONE"}),
        )
    for element in ("INT16", "BOOL", "UINT64"):
        own = {"element": element, "quantizer": "NONE"}
        valid(c, f"none-{element.lower()}", f"More channels of {element}", layers(BASE | own, MORE | own))
    low = {"ranges": [[1.0, 1.0]]}
    tiny = {"ranges": [[2.0**-25, 2.0**-25]]}
    valid(c, "refinement-ties", "Sums half way between two binary32 values", layers(WHOLE | low, FINER | tiny))
    valid(c, "refinement-cancel", "Sums of zero", layers(WHOLE | low, FINER | {"ranges": [[-1.0, -1.0]]}))
    for name, fill in (
        ("values", [9.0, 1.5, 9.0, 9.0, -2.0]),
        ("zero", [0.0] * 5),
        ("largest", [0.0, LARGEST, 0.0, 0.0, -LARGEST]),
        ("tiny", [0.0, 2.0**-149, 0.0, 0.0, 2.0**-24]),
    ):
        valid(c, f"fill-{name}", "What stands for the channels that have not come", layers(BASE | {"fill": fill}))
    half = BASE | {"element": "FLOAT16", "fill": [0.0, 2.0**-25, 0.0, 0.0, 65520.0]}
    valid(c, "fill-half", "Fill values that are rounded to binary16", layers(half))
    near = {"element": "FLOAT16", "fill": [0.0, -(2.0**-26), 0.0, 0.0, -1e-30]}
    valid(c, "fill-negative", "Fill values that are rounded to zero from below", layers(BASE | near))
    valid(c, "fill-one", "A layer of one channel", layers(BASE | {"carried": [4], "fill": [1.0] * 5}))


def _chains(c: Catalog) -> None:
    third = MORE | {"id": 2, "base": 1, "carried": [1], "layer": "last"}
    valid(c, "chain-channels", "Three layers of channels", layers(BASE, MORE | {"carried": [4]}, third, samples=2))
    twice = FINER | {"id": 2, "base": 1, "layer": "finest", "ranges": [[-0.0078125, 0.0078125]]}
    valid(c, "chain-refinement", "A refinement of a refinement", layers(WHOLE, FINER, twice, samples=2))
    some = FINER | {"carried": [0, 2, 3]}
    valid(
        c,
        "chain-after",
        "More channels after a refinement of the first",
        layers(BASE, some, MORE | {"id": 2, "base": 1}, FINER | {"id": 3, "base": 2, "layer": "all"}),
    )
    other = {"id": 9, "C": 2, "layer": "other"}
    valid(
        c,
        "chain-other",
        "A tensor that is no layer between two layers",
        [fps(**BASE), fps(**other), fps(**MORE), data(), data(id=9), data(id=1), data(), data(id=1), data(id=9)],
    )
    two = WHOLE | {"id": 7, "layer": "b"}, FINER | {"id": 8, "base": 7, "layer": "b+"}
    valid(c, "chain-two", "Two tensors in layers each, in turn", layers(BASE, two[0], MORE, two[1], samples=2))
    valid(
        c,
        "chain-late",
        "A layer without samples whose parameter set comes late",
        [fps(**BASE), data(), fps(**MORE), data()],
    )
    valid(
        c,
        "chain-between",
        "A layer whose parameter set comes after the sample of its base layer that its own needs",
        [fps(**BASE), data(), fps(**MORE), data(id=1), data(), data(id=1)],
    )
    valid(
        c,
        "chain-digests",
        "Digests after every sample of layers",
        [fps(**BASE, digests="T"), fps(**MORE, digests="L"), *(data(), data(id=1), digest(), digest(id=1, kind=1)) * 2],
    )
    valid(
        c,
        "chain-repeated",
        "Parameter sets of layers repeated, in another order",
        [fps(**BASE), fps(**MORE), data(), data(id=1), fps(**MORE), fps(**BASE), data(), data(id=1)],
    )


def _codecs(c: Catalog) -> None:
    for codec in ("ZLIB", "LZMA"):
        valid(
            c,
            f"codec-{codec.lower()}",
            f"Layers of payload codec {codec}",
            layers(BASE | {"codec": codec}, MORE | {"codec": codec}),
        )
    large = {"H": 16, "W": 16, "C": 4}
    hevc = large | {"codec": "HEVC", "layout": "MOSAIC", "grid": [2, 2]}
    units = layers(WHOLE | hevc, FINER | hevc | {"bits": 10, "scope": "SAMPLE"}, pattern="smooth")
    valid(c, "codec-hevc", "A refinement of HEVC pictures in other HEVC pictures", units)
    encoder = SampleEncoder(universal_start(), Costs(universal_start()))
    plain = np.random.default_rng(3).integers(0, 4095, (4, 16, 16)).astype(np.uint16) // 97 * 97
    native = large | {"codec": "NATIVE", "layout": "SEQUENCE", "bits": 12}
    payload = encoder.encode(plain, 3000, 2048).hex()
    configuration = pack_configuration(NativeStart.UNIVERSAL).hex()
    valid(
        c,
        "codec-native",
        "A refinement in the native payload of HEVC pictures",
        [
            fps(**WHOLE | hevc, digests="T"),
            fps(**FINER | native, digests="TL", configuration=configuration),
            data(pattern="smooth"),
            data(id=1, payload=payload),
            digest(),
            digest(id=1),
            digest(id=1, kind=1),
        ],
    )
    first = np.random.default_rng(4).integers(0, 4095, (2, 16, 16)).astype(np.uint16)
    times = {"axes": "TCHW", "predict": 1, "scope": "SEQUENCE"}
    series = Series().add(first, INTRA).add(first // 2, STILL)
    valid(
        c,
        "codec-time",
        "Channels in layers that are predicted in time each",
        [
            fps(**BASE | native | times | {"carried": [1, 2]}, digests="T", configuration=configuration),
            fps(**MORE | native | times | {"carried": [0, 3]}, digests="T", configuration=configuration),
            data(count=2, payload=series.payload.hex()),
            data(id=1, count=2, payload=Series().add(first // 2, INTRA).add(first, STILL).payload.hex()),
            digest(),
            digest(id=1),
        ],
    )
    valid(
        c,
        "complete-png",
        "Profile COMPLETE: a layer of PNG images over one of stored pictures",
        layers(BASE, MORE | {"codec": "PNG"}),
        profile="COMPLETE",
    )


def _sets(c: Catalog) -> None:
    valid(c, "extension-none", "Profile SCALABLE without layers", [fps(**SMALL), data()])
    for name, purpose in (("none", ""), ("utf8", "Klassifikation für Menschen, 分類"), ("longest", "p" * 255)):
        valid(
            c,
            f"purpose-{name}",
            "A purpose of no, other, or as many bytes as may be",
            layers(BASE | {"purpose": purpose}, MORE | {"purpose": purpose}),
        )
    for number in (1, 31, 63):
        valid(
            c,
            f"base.id-{number}",
            f"The base layer has the parameter set {number}",
            layers(BASE | {"id": number}, MORE | {"id": 0, "base": number}),
        )
    for shift in range(8):
        words = {"carried": [0, 2], "C": 3 + shift, "purpose": ""}
        valid(
            c,
            f"alignment-{shift}",
            "Layers that end somewhere else in their last bytes",
            layers(BASE | words, MORE | words | {"carried": [1]}),
        )
    valid(
        c,
        "later-elements",
        "A later minor version appends elements after those of a layer",
        [fps(**BASE, append="01020304"), fps(**MORE), data(), data(id=1)],
        minor=2,
    )
    wide = {"C": 65537, "H": 1, "W": 1, "layout": "SEQUENCE", "ranges": [[0.5, 0.5]], "purpose": ""}
    valid(
        c,
        "channels-many",
        "A refinement of 65,537 channels, which it does not list",
        [fps(**WHOLE | wide), fps(**FINER | wide | {"ranges": [[-0.5, -0.5]]})],
        level=3,
    )


def _levels(c: Catalog) -> None:
    chain = [WHOLE, *(FINER | {"id": i, "base": i - 1, "layer": f"{i}"} for i in range(1, 4))]
    valid(c, "levels-most1", "As many layers in a chain as level 1 allows", layers(*chain))
