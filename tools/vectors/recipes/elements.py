"""Chapter 6: every syntax element at its ends, between them, just outside, and reserved."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.words import (
    INFINITY,
    LARGEST,
    MINUS_INFINITY,
    MINUS_ZERO,
    NAN,
    OVERLONG,
    TINY,
    data,
    digest,
    fps,
    metadata,
)

AREA = "syntax"


def register(c: Catalog) -> None:
    """Add the recipes."""
    _header(c)
    _parameter_set(c)
    _parameter_set_outside(c)
    _floats(c)
    _feature_data(c)
    _digests(c)
    _metadata(c)
    _end(c)


def _valid(c: Catalog, name: str, title: str, words: dict[str, Any], *units: dict[str, Any], **more: Any) -> None:
    c.stream(name, title, [fps(**words), *(units or (data(),))], area=AREA, **more)


def _outside(
    c: Catalog, name: str, title: str, violates: str, words: dict[str, Any], *units: dict[str, Any],
    kind: str = "invalid",
    **more: Any,
) -> None:  # fmt: skip
    c.stream(name, title, [fps(**words), *(units or (data(),))], area=AREA, kind=kind, violates=violates, **more)


def _header(c: Catalog) -> None:
    base = [fps(), data()]
    for level in (1, 2, 3):
        c.stream(f"syntax-level.idc-l{level}", f"A bitstream declares level {level}", base, area=AREA, level=level)
    for value in (0, 7, 255):
        c.stream(f"syntax-profile.idc-reserved{value}", f"profile_idc is {value}, which is reserved", base, area=AREA,
                 kind="malformed", violates="bitstream_header.profile_idc", header={"profile_idc": value})  # fmt: skip
    for value in (0, 4, 255):
        c.stream(f"syntax-level.idc-reserved{value}", f"level_idc is {value}, which is reserved", base, area=AREA,
                 kind="malformed", violates="bitstream_header.level_idc", header={"level_idc": value})  # fmt: skip
    for value in (0, 2, 255):
        c.stream(f"syntax-version.major-{value}", f"version_major is {value}", base, area=AREA, kind="unsupported",
                 violates="bitstream.version-major", header={"version_major": value})  # fmt: skip
    for name, minor in (("next", 1), ("last", 255)):
        c.stream(f"syntax-version.minor-{name}", f"version_minor is {minor}, and nothing is new", base, area=AREA,
                 minor=minor)  # fmt: skip
    reserved = [
        ("profile.idc", {"header": {"profile_idc": 7}}, {}, "bitstream_header.profile_idc"),
        ("level.idc", {"header": {"level_idc": 4}}, {}, "bitstream_header.level_idc"),
        ("axis.role", {}, {"set": {"axis_role": [3, 5, 1, 2]}}, "feature_parameter_set.axis_role"),
        ("element.type", {}, {"set": {"element_type": 13}}, "feature_parameter_set.element_type"),
        ("range.scope", {}, {"set": {"range_scope": 3, "range_count": 1}}, "feature_parameter_set.range_scope"),
        ("payload.codec", {}, {"set": {"payload_codec": 9}}, "feature_parameter_set.payload_codec"),
        ("repack.layout", {}, {"set": {"repack_layout": 3}}, "feature_parameter_set.repack_layout"),
    ]
    for name, header, words, violates in reserved:
        c.stream(f"syntax-{name}-later", f"A reserved value in a bitstream of a later minor version ({violates})",
                 [fps(**words), data()], area=AREA, kind="unsupported", violates=violates, minor=1,
                 **header)  # fmt: skip
    c.stream("syntax-digest.kind-later", "A reserved digest_kind in a bitstream of a later minor version",
             [fps(digests="T"), data(), digest(set={"digest_kind": 2})], area=AREA, kind="unsupported",
             violates="digest.digest_kind", minor=1)  # fmt: skip
    c.stream("syntax-negative.zero-later", "Negative zero is no code point: a later minor version does not allow it",
             [fps(set={"range_maximum": [MINUS_ZERO]}), data()], area=AREA, kind="malformed",
             violates="feature_parameter_set.range_maximum", minor=1)  # fmt: skip


def _parameter_set(c: Catalog) -> None:
    for name, number in (("interior", 5), ("max", 63)):
        _valid(c, f"syntax-parameter.set.id-{name}", f"parameter_set_id is {number}", {"id": number, "digests": "TL"},
               data(id=number), digest(id=number), digest(id=number, kind=1))  # fmt: skip
    for name, word in (("network", "network"), ("layer", "layer")):
        for size, label in ((1, "one"), (255, "max")):
            _valid(c, f"syntax-{name}.id-{label}", f"{name}_id has {size} bytes", {word: "n" * size})
    _valid(c, "syntax-names-utf8", "Names in scripts of two, three and four bytes a character",
           {"network": "Netz-\u00e4\u00f6", "layer": "\u5c42/../\U0001f4f7"})  # fmt: skip
    _valid(c, "syntax-model.digest-present", "model_digest names a model", {"model": "a5" * 32})
    for name, model, what in (("same", "a5", "is"), ("other", "a6", "is not")):
        c.stream(f"syntax-model.digest-{name}", f"model_digest {what} that of the receiver's model",
                 [fps(model="a5" * 32), data()], area=AREA, kind="valid" if name == "same" else "invalid",
                 violates=None if name == "same" else "fps.model-digest", requirements=("fps.model-digest",),
                 model=model * 32)  # fmt: skip
    two = [fps(layer="a"), fps(id=1, layer="b", model="a5" * 32), data(), data(id=1)]
    c.stream("syntax-model.digest-second", "model_digest of the second tensor is not that of the receiver's model",
             two, area=AREA, kind="invalid", violates="fps.model-digest", model="00" * 32)  # fmt: skip
    for axes in ("C", "H", "NW", "CH", "HWC"):
        words = {"axes": axes, "C": 3, "H": 4, "W": 5}
        _valid(c, f"syntax-axis.count-{axes.lower()}", f"A tensor with the axes {axes}", words)
    _valid(c, "syntax-axis.extent-max", "axis_extent_minus1 has its greatest value, in a tensor without samples",
           {"axes": "NC", "C": 2**24, "grid": [4096, 4096]}, level=2, end=True)  # fmt: skip
    c.recipes["syntax-axis.extent-max_r1"].arguments["units"].pop(1)
    for name, time in (("min", (1, 1)), ("max", (2**32 - 1, 2**32 - 1)), ("interior", (30000, 1001))):
        _valid(c, f"syntax-time-{name}", f"time_scale {time[0]}, time_step {time[1]}", {"axes": "TCHW", "time": time},
               data(count=2))  # fmt: skip
    for bits in (1, 2, 9, 16):
        _valid(c, f"syntax-bit.depth-{bits}", f"Levels of {bits} bits", {"bits": bits})
    for layout in ("SEQUENCE", "MOSAIC", "QUILT"):
        _valid(
            c, f"syntax-repack.layout-{layout.lower()}", f"Layout {layout}", {"C": 6, "layout": layout, "grid": [2, 2]}
        )
    _valid(c, "syntax-coded.size-one", "Pictures of one element", {"axes": "C", "C": 1})
    _valid(c, "syntax-channel.order-three", "channel_order lists three channels", {"C": 3, "order": [2, 0, 1]})
    _valid(c, "syntax-channel.order-one", "channel_order of one channel takes one bit", {"C": 1, "order": [0]})
    _valid(c, "syntax-codec.configuration-absent", "codec_configuration_length is 0", {"codec": "STORED"})
    for shift in range(8):
        words = {"id": (1 << shift) - 1 if shift < 6 else 5, "C": 1 + shift, "layer": "x" * shift}
        _valid(c, f"syntax-alignment-{shift}", "A parameter set that ends somewhere else in its last byte", words,
               data(id=words["id"]))  # fmt: skip


def _parameter_set_outside(c: Catalog) -> None:
    p = "feature_parameter_set."
    above = {
        "parameter_set_id": ({"id": 64}, "invalid"),
        "axis_extent_minus1": ({"set": {"axis_extent_minus1": [0, 2**24, 0, 0]}}, "invalid"),
        "grid_rows_minus1": ({"set": {"grid_rows_minus1": 2**24}}, "invalid"),
        "grid_columns_minus1": ({"set": {"grid_columns_minus1": 2**24}}, "invalid"),
        "channel_order": ({"C": 3, "order": [2, 0, 3]}, "invalid"),
    }
    for element, (words, kind) in above.items():
        _outside(c, f"syntax-{dots(element)}-above", f"{element} is one above its highest value", p + element, words,
                 data(id=words.get("id", 0)), kind=kind)  # fmt: skip
    _outside(c, "syntax-axis.extent-empty", "An extent above the highest, in a tensor without samples",
             p + "axis_extent_minus1",
             {"axes": "NC", "C": 2**24 + 1, "layout": "SEQUENCE"}, metadata(["k", "t"]), level=3)  # fmt: skip
    for element in ("time_scale", "time_step"):
        words = {"axes": "TCHW", "set": {element: [0] * 4}}
        _outside(c, f"syntax-{dots(element)}-below", f"{element} is 0", p + element, words)
    many = {"axes": "C", "C": 65537, "grid": [16, 4097]}
    _outside(c, "syntax-range.scope-forbidden", "Ranges by channel for more than 65,536 channels", p + "range_scope",
             many | {"set": {"range_scope": 2, "range_count": 0}}, data(payload=""), level=2)  # fmt: skip
    _outside(c, "syntax-channel.order.flag-forbidden", "channel_order of more than 65,536 channels",
             p + "channel_order_flag", many | {"set": {"channel_order_flag": 1}}, data(payload=""),
             level=2)  # fmt: skip
    _outside(c, "syntax-levels.digest.flag-forbidden", "Digests of levels where there are no levels",
             p + "levels_digest_flag", {"quantizer": "NONE", "digests": "L"})  # fmt: skip
    reserved = {
        "axis_role": {"set": {"axis_role": [3, 7, 1, 2]}},
        "element_type": {"set": {"element_type": 13}},
        "range_scope": {"set": {"range_scope": 3, "range_count": 1}},
        "payload_codec": {"set": {"payload_codec": 9}},
        "repack_layout": {"set": {"repack_layout": 3}},
    }
    for element, words in reserved.items():
        _outside(c, f"syntax-{dots(element)}-reserved", f"A value of {element} that is reserved", p + element, words,
                 kind="malformed")  # fmt: skip
    _outside(c, "syntax-element.type-last", "element_type is 15", p + "element_type", {"set": {"element_type": 15}},
             kind="malformed")  # fmt: skip
    _outside(c, "syntax-payload.codec-last", "payload_codec is 255", p + "payload_codec",
             {"set": {"payload_codec": 255}},
             kind="malformed")  # fmt: skip
    size = {"axis_extent_minus1": ["0b1", OVERLONG, "0b1", "0b1"], "channels": 2, "rows": 3, "columns": 4}
    for element in ("parameter_set_id", "axis_extent_minus1", "grid_rows_minus1", "grid_columns_minus1",
                    "coded_width_minus1", "coded_height_minus1", "codec_configuration_length"):  # fmt: skip
        change = size if element == "axis_extent_minus1" else {element: OVERLONG}
        _outside(c, f"syntax-{dots(element)}-overlong", f"{element} has 32 leading zero bits", "descriptor.ue-prefix",
                 {"set": change}, kind="malformed")  # fmt: skip
    for axis in ("width", "height"):
        _outside(c, f"syntax-coded.{axis}-max", f"coded_{axis}_minus1 has the greatest value of ue(v)",
                 "fps.coded-size",
                 {"set": {f"coded_{axis}_minus1": 2**32 - 2}})  # fmt: skip
    _outside(c, "syntax-configuration.length-max", "codec_configuration_length has the greatest value of ue(v)",
             "unit.complete-element", {"set": {"codec_configuration_length": 2**32 - 2}}, kind="malformed")  # fmt: skip
    for axis in ("rows", "columns"):
        words = {"axes": "NC", "C": 2**24, "grid": [2**24, 1] if axis == "rows" else [1, 2**24]}
        _outside(c, f"syntax-grid.{axis}-max", f"grid_{axis}_minus1 has its highest value, beyond every level",
                 "level.picture-side", words, data(payload=""), kind="limit", level=3)  # fmt: skip


def _floats(c: Catalog) -> None:
    pairs = {
        "zero": (0.0, 0.0), "positive": (1.5, 2.5), "negative": (-2.5, -1.5), "subnormal": (TINY, 2 * TINY),
        "largest": (LARGEST, LARGEST), "smallest": (-LARGEST, -LARGEST), "all": (-LARGEST, LARGEST),
    }  # fmt: skip
    for name, pair in pairs.items():
        _valid(c, f"syntax-range-{name}", f"A range from {pair[0]:.8g} to {pair[1]:.8g}", {"ranges": [list(pair)]})
        _valid(c, f"syntax-sample.range-{name}", f"A sample's range from {pair[0]:.8g} to {pair[1]:.8g}",
               {"scope": "SAMPLE", "ranges": [list(pair)]}, data(ranges=[list(pair)]))  # fmt: skip
    for name, bits, kind in (("nan", NAN, "invalid"), ("infinity", INFINITY, "invalid"),
                             ("minus.infinity", MINUS_INFINITY, "invalid"), ("minus.zero", MINUS_ZERO,
                             "malformed")):  # fmt: skip
        for end in ("minimum", "maximum"):
            _outside(c, f"syntax-range.{end}-{name}", f"range_{end} is {name.replace('.', ' ')}",
                     f"feature_parameter_set.range_{end}", {"set": {f"range_{end}": [bits]}}, kind=kind)  # fmt: skip
            _outside(c, f"syntax-sample.{end}-{name}", f"sample_{end} is {name.replace('.', ' ')}",
                     f"feature_data.sample_{end}", {"scope": "SAMPLE"}, data(set={f"sample_{end}": [bits]}),
                     kind=kind)  # fmt: skip


def _feature_data(c: Catalog) -> None:
    d = "feature_data."
    _valid(
        c, "syntax-first.sample-interior", "Three units, the last with two samples", {}, data(), data(), data(count=2)
    )
    _valid(c, "syntax-sample.ranges-nonnegative", "Samples of LOG_NONNEGATIVE have a maximum only",
           {"scope": "SAMPLE", "quantizer": "LOG_NONNEGATIVE"}, data(count=2, ranges=[[0.0, 3.0], [0.0,
           7.5]]))  # fmt: skip
    _outside(c, "syntax-data.set.id-above", "parameter_set_id of feature data is 64", d + "parameter_set_id", {},
             data(set={"parameter_set_id": 64}))  # fmt: skip
    _outside(c, "syntax-first.sample-max", "first_sample has the greatest value of ue(v)", "order.samples", {},
             data(first=2**32 - 2))  # fmt: skip
    _outside(c, "syntax-sample.count-max", "sample_count_minus1 has the greatest value of ue(v)",
             "level.unit-elements", {},
             data(set={"sample_count_minus1": 2**32 - 2}), kind="limit")  # fmt: skip
    _outside(c, "syntax-sample.count-promised", "sample_count_minus1 promises more ranges than the unit has bits",
             "unit.complete-element", {"scope": "SAMPLE"}, data(set={"sample_count_minus1": 2**32 - 2}),
             kind="malformed")  # fmt: skip
    for element in ("parameter_set_id", "first_sample", "sample_count_minus1"):
        _outside(c, f"syntax-data.{dots(element)}-overlong", f"{element} of feature data has 32 leading zero bits",
                 "descriptor.ue-prefix", {}, data(set={element: OVERLONG}), kind="malformed")  # fmt: skip


def _digests(c: Catalog) -> None:
    words = {"digests": "T"}
    for name, size in (("min", 4), ("max", 32), ("interior", 20)):
        _valid(c, f"syntax-digest.length-{name}", f"A digest of {size} bytes", words, data(), digest(bytes=size))
    _valid(c, "syntax-digest.samples-several", "Digests over one sample, then over two", words, data(),
           digest(), data(),
           data(), digest())  # fmt: skip
    _outside(c, "syntax-digest.length-below", "A digest of 3 bytes", "digest.digest_length_minus1", words, data(),
             digest(bytes=3))  # fmt: skip
    _outside(c, "syntax-digest.kind-reserved", "digest_kind is 2, which is reserved", "digest.digest_kind",
             words, data(),
             digest(set={"digest_kind": 2}), kind="malformed")  # fmt: skip
    _outside(c, "syntax-digest.set.id-above", "parameter_set_id of a digest is 64", "digest.parameter_set_id",
             words, data(),
             digest(set={"parameter_set_id": 64}))  # fmt: skip
    for name, change in (("first", {"first_sample": 2**32 - 2}), ("count", {"sample_count_minus1": 2**32 - 2})):
        _outside(c, f"syntax-digest.{name}-max", f"The {name} sample of a digest has the greatest value of ue(v)",
                 "digest.coverage", words, data(), digest(set=change))  # fmt: skip
    for element in ("parameter_set_id", "first_sample", "sample_count_minus1"):
        _outside(c, f"syntax-digest.{dots(element)}-overlong", f"{element} of a digest has 32 leading zero bits",
                 "descriptor.ue-prefix", words, data(), digest(set={element: OVERLONG}), kind="malformed")  # fmt: skip


def _metadata(c: Catalog) -> None:
    entries = [
        ("one", [["k", ""]], {}, "One entry with a key of one byte and no text"),
        (
            "several",
            [["tool", "recipe"], ["place", "caf\u00e9 \u6771\u4eac"], ["tool", "again"]],
            {},
            "A key that occurs twice",
        ),
        ("many", [["k", "t"]], {"times": 256}, "256 entries"),
        ("long.key", [["k" * 255, "t"]], {}, "A key of 255 bytes"),
        ("long.text", [["k", "0123456789abcde"]], {"text_times": 4369}, "A text of 65,535 bytes"),
    ]
    for name, listed, words, title in entries:
        c.stream(f"syntax-metadata-{name}", title, [metadata(*listed, **words), fps(), data()], area=AREA)
    c.stream("syntax-metadata-between", "Metadata between and after feature data",
             [fps(), data(), metadata(["a", "b"]), data(), metadata(["c", "d"])], area=AREA)  # fmt: skip
    c.stream("syntax-metadata.key-empty", "A metadata entry without a key", [metadata(["", "t"]), fps(),
             data()], area=AREA,
             kind="invalid", violates="metadata.key_length")  # fmt: skip
    for name, pair in (("key", ["hex:ff", "t"]), ("text", ["k", "hex:c3"])):
        c.stream(f"syntax-metadata.{name}-utf8", f"A metadata {name} that is not UTF-8", [metadata(pair), fps(),
                 data()],
                 area=AREA, kind="malformed", violates="metadata.utf8")  # fmt: skip


def _end(c: Catalog) -> None:
    base = [fps(), data()]
    for name, change, violates, kind in (
        ("tensor.count-below", {"tensor_count": 0, "sample_count": []}, "end.sample-counts", "invalid"),
        (
            "tensor.count-above",
            {"tensor_count": 65, "sample_count": [1] * 65},
            "end_of_bitstream.tensor_count",
            "invalid",
        ),
        ("tensor.count-overlong", {"tensor_count": OVERLONG}, "descriptor.ue-prefix", "malformed"),
        ("sample.count.end-overlong", {"sample_count": [OVERLONG]}, "descriptor.ue-prefix", "malformed"),
        ("sample.count.end-max", {"sample_count": [2**32 - 2]}, "end.sample-counts", "invalid"),
        ("bitstream.crc-min", {"bitstream_crc": 0}, "end.bitstream-crc", "invalid"),
        ("bitstream.crc-max", {"bitstream_crc": 2**32 - 1}, "end.bitstream-crc", "invalid"),
    ):
        c.stream(f"syntax-{name}", f"The end of the bitstream has {', '.join(change)} out of place",
                 [*base, {"unit": "end", "set": change}], area=AREA, kind=kind, violates=violates,
                 end=False)  # fmt: skip
    c.stream("syntax-sample.count.end-zero", "A tensor without samples", [fps()], area=AREA)
    c.stream("syntax-tensor.count-interior", "Three tensors", [fps(id=i, layer=f"t{i}") for i in range(3)]
             + [data(id=i) for i in range(3)], area=AREA)  # fmt: skip
    sets = [fps(id=i, axes="C", C=1, ranges=[[float(i), float(i)]]) for i in range(64)]
    c.stream("syntax-tensor.count-max", "64 tensors, each a constant sample, at level 3", [*sets, *(data(id=i)
             for i in range(64))], area=AREA, level=3)  # fmt: skip


def dots(element: str) -> str:
    """An element's name in an id."""
    return element.replace("_", ".")
