"""9.11, 6.20: what is wrong with layers."""

from __future__ import annotations

from typing import Any

from vectors.catalog import END, Catalog
from vectors.recipes.elements import dots
from vectors.recipes.layers import AREA, BASE, FINER, MORE, SCALABLE, SMALL, WHOLE
from vectors.recipes.words import INFINITY, MINUS_INFINITY, MINUS_ZERO, NAN, OVERLONG, data, digest, fps
from vectors.tensors import Unit

L, E = "layer.", "feature_extension."
TWO = [fps(**BASE), fps(**MORE), data(), data(id=1)]


def register(c: Catalog) -> None:
    """Add the recipes."""
    _header(c)
    _bounds(c)
    _bases(c)
    _channels(c)
    _units(c)
    _truncations(c)
    _levels(c)


def _bad(
    c: Catalog,
    name: str,
    title: str,
    violates: str,
    units: list[Unit],
    kind: str = "invalid",
    profile: str = SCALABLE,
    **more: Any,
) -> None:
    c.stream(
        f"scalable-{name}",
        title,
        units,
        area=AREA,
        profile=profile,
        suite="scalable",
        kind=kind,
        violates=violates,
        **more,
    )


def _header(c: Catalog) -> None:
    _bad(
        c,
        "header-early",
        "Profile SCALABLE in a bitstream of version 1.0",
        "bitstream_header.profile_idc",
        TWO,
        "malformed",
        minor=0,
    )
    _bad(c, "header-codec", "An image codec in profile SCALABLE", "profile.codec", [fps(**SMALL, codec="PNG")])
    _bad(c, "extension-parts", "Parts in profile SCALABLE", "profile.extension", [fps(**SMALL, parts=[1, 1])])
    _bad(
        c,
        "other.extension.flags-later",
        "other_extension_flags is 1, which is for later versions",
        E + "other_extension_flags",
        [fps(**BASE, set={"other_extension_flags": 1}), data()],
        "unsupported",
    )
    _bad(
        c,
        "parts-layer",
        "A layer whose samples come in parts",
        "layer.parts",
        [fps(**WHOLE, parts=[1, 1])],
        profile="COMPLETE",
    )


def _bounds(c: Catalog) -> None:
    _bad(
        c,
        "kind-reserved",
        "layer_kind has a value without a meaning",
        L + "layer_kind",
        [fps(**BASE), fps(**MORE, set={"layer_kind": 3})],
        "malformed",
    )
    _bad(
        c,
        "kind-later",
        "layer_kind has a value without a meaning, in a later minor version",
        L + "layer_kind",
        [fps(**BASE), fps(**MORE, set={"layer_kind": 3})],
        "unsupported",
        minor=2,
    )
    _bad(
        c,
        "base.id-above",
        "base_parameter_set_id is 64",
        L + "base_parameter_set_id",
        [fps(**BASE), fps(**MORE, set={"base_parameter_set_id": 64})],
    )
    _bad(
        c,
        "base.id-overlong",
        "base_parameter_set_id has 32 leading zero bits",
        "descriptor.ue-prefix",
        [fps(**BASE), fps(**MORE, set={"base_parameter_set_id": OVERLONG})],
        "malformed",
    )
    wide = {"C": 65537, "H": 1, "W": 1, "layout": "SEQUENCE", "ranges": [[0.5, 0.5]]}
    _bad(
        c,
        "carried.flag-above",
        "A list of 65,537 channels",
        L + "carried_flag",
        [fps(**WHOLE | wide | {"carried": list(range(65537))})],
        level=3,
    )
    _bad(
        c,
        "fill.flag-above",
        "Fill values of integers",
        L + "fill_flag",
        [fps(**BASE | {"element": "INT16", "quantizer": "NONE", "fill": [0.0] * 5})],
    )
    for name, bits in {
        "nan": NAN,
        "infinity": INFINITY,
        "minus.infinity": MINUS_INFINITY,
        "minus.zero": MINUS_ZERO,
    }.items():
        _bad(
            c,
            f"fill.value-{name}",
            f"A fill value is {name.replace('.', ' ')}",
            L + "fill_value",
            [fps(**BASE | {"fill": [0.0] * 5}, set={"fill_value": [0.0, bits, 0.0, 0.0, 0.0]})],
            "malformed" if name == "minus.zero" else "invalid",
        )
    _bad(
        c,
        "purpose-bytes",
        "purpose is not UTF-8",
        "fps.utf8",
        [fps(**BASE, set={"purpose": "0xc3", "purpose_length": 1})],
        "malformed",
    )
    _bad(
        c,
        "purpose-control",
        "purpose has a control character",
        "fps.name-characters",
        [fps(**BASE | {"purpose": "two\nlines"})],
        "malformed",
    )


def _bases(c: Catalog) -> None:
    for name, title, units in (
        ("missing", "The base layer is nowhere", [fps(**MORE)]),
        ("later", "The base layer comes after the layer", [fps(**MORE), fps(**BASE)]),
        ("itself", "A layer is its own base layer", [fps(**BASE), fps(**MORE | {"base": 1})]),
        (
            "loop",
            "Two layers are each other's base layer",
            [fps(**FINER | {"base": 2}), fps(**FINER | {"id": 2, "base": 1, "layer": "b"})],
        ),
        ("no.layer", "The base layer is no layer", [fps(**SMALL), fps(**FINER)]),
        (
            "other",
            "The parameter set that is named is not there, another one is",
            [fps(**BASE), fps(**MORE | {"base": 5})],
        ),
    ):
        _bad(c, f"base-{name}", title, "layer.base", units)
    for name, change in (
        ("roles", {"axes": "NHWC"}),
        ("time", {"axes": "TCHW"}),
        ("fewer", {"axes": "CHW"}),
        ("rows", {"H": 4}),
        ("columns", {"W": 3}),
        ("channels", {"C": 6}),
        ("element", {"element": "FLOAT16"}),
    ):
        _bad(
            c,
            f"same-{name}",
            "A layer has other axes, extents or elements than its base layer",
            "layer.same-tensor",
            [fps(**WHOLE), fps(**FINER | change), data(), data(id=1)],
        )
    for name, time in (("scale", (50, 1)), ("step", (25, 2))):
        _bad(
            c,
            f"same-{name}",
            f"A layer has another time_{name} than its base layer",
            "layer.same-tensor",
            [fps(**WHOLE | {"axes": "TCHW"}), fps(**FINER | {"axes": "TCHW", "time": time})],
        )
    none = {"quantizer": "NONE"}
    _bad(
        c,
        "quantizers-base",
        "A refinement of a layer without a quantizer",
        "layer.quantizers",
        [fps(**WHOLE | none), fps(**FINER)],
    )
    _bad(
        c, "quantizers-own", "A refinement without a quantizer", "layer.quantizers", [fps(**WHOLE), fps(**FINER | none)]
    )
    _bad(
        c,
        "quantizers-below",
        "A refinement over channels without a quantizer",
        "layer.quantizers",
        [fps(**BASE), fps(**MORE | none), fps(**FINER | {"id": 2, "base": 1, "carried": [0]})],
    )
    _bad(
        c,
        "quantizers-above",
        "Channels without a quantizer over a refinement",
        "layer.quantizers",
        [fps(**BASE), fps(**FINER | {"carried": [0]}), fps(**MORE | none | {"id": 2, "base": 1})],
    )


def _channels(c: Catalog) -> None:
    for name, title, units in (
        ("none", "A layer that carries no channel", [fps(**BASE | {"carried": []})]),
        (
            "none.more",
            "A layer with a base layer that carries no channel",
            [fps(**BASE), fps(**MORE | {"carried": []})],
        ),
        (
            "again",
            "A layer of channels one of which is there already",
            [fps(**BASE), fps(**MORE | {"carried": [1, 3]})],
        ),
        ("all", "A layer of all channels over some", [fps(**BASE), fps(**MORE | {"carried": None})]),
        ("full", "A layer of channels over all of them", [fps(**WHOLE), fps(**MORE)]),
        (
            "below",
            "A layer of channels one of which is there two layers below",
            [fps(**BASE), fps(**MORE), fps(**MORE | {"id": 2, "base": 1, "carried": [0], "layer": "c"})],
        ),
        ("refined", "A refinement of channels that are not there", [fps(**BASE), fps(**FINER | {"carried": [0, 1]})]),
        ("refined.all", "A refinement of all channels over some", [fps(**BASE), fps(**FINER)]),
        (
            "branch",
            "A refinement of channels that another branch has",
            [fps(**BASE), fps(**MORE), fps(**FINER | {"id": 2, "base": 0, "carried": [1]})],
        ),
    ):
        _bad(c, f"channels-{name}", title, "layer.channels", units)


def _units(c: Catalog) -> None:
    sets = [fps(**BASE), fps(**MORE)]
    for name, title, units in (
        (
            "before",
            "A unit of a layer before that of its base layer",
            [data(id=1)],
        ),
        ("fewer", "A unit of a layer with fewer samples than that of its base layer", [data(count=2), data(id=1)]),
        ("more", "A unit of a layer with more samples than that of its base layer", [data(), data(id=1, count=2)]),
        (
            "swapped",
            "The units of the second sample of two layers the other way round",
            [data(), data(id=1), data(id=1, first=1), data(first=1)],
        ),
    ):
        _bad(c, f"units-{name}", title, "layer.units", [*sets, *units])
    _bad(
        c,
        "units-skipped",
        "A layer goes on after a unit of its base layer that it has nothing for",
        "order.samples",
        [*sets, data(), data(id=1), data(), data(), data(id=1, first=2), END | {"set": {"sample_count": [3, 3]}}],
        end=False,
    )
    _bad(
        c,
        "digest-wrong",
        "The digest of a layer differs",
        "digest.value",
        [fps(**WHOLE), fps(**FINER, digests="T"), data(), data(id=1), digest(id=1, set={"digest": "0x" + "00" * 16})],
    )
    _bad(
        c,
        "size-carried",
        "The pictures of all channels in a layer that carries some",
        "bytes.size",
        [fps(**BASE | {"layout": "SEQUENCE"}), data(payload={"repeat": "00", "times": 60})],
    )


def _truncations(c: Catalog) -> None:
    for label, words in (
        ("layer_kind", BASE),
        ("base_parameter_set_id", MORE | {"base": 63}),
        ("purpose_length", BASE),
        ("purpose", BASE),
        ("fill_flag", BASE),
        ("fill_value[4]", BASE | {"fill": [0.0] * 5}),
    ):
        _bad(
            c,
            f"truncation-{dots(label.partition('[')[0])}",
            f"The body of feature_parameter_set ends within {label}",
            "unit.complete-element",
            [fps(**words, cut=label)],
            "malformed",
        )


def _levels(c: Catalog) -> None:
    for level, most in ((1, 4), (2, 8), (3, 16)):
        chain = [WHOLE, *(FINER | {"id": i, "base": i - 1, "layer": f"{i}"} for i in range(1, most + 1))]
        _bad(
            c,
            f"levels-over{level}",
            f"More layers in a chain than level {level} allows",
            "level.layers",
            [fps(**words) for words in chain],
            "limit",
            level=level,
        )
