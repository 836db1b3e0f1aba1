"""9.10, 6.12, 6.13: what is wrong with the units of samples in parts."""

from __future__ import annotations

import itertools
from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.elements import dots
from vectors.recipes.parts import RESILIENT, SMALL, part, parts
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
)
from vectors.tensors import Unit

AREA = "parts"
P, E = "feature_part.", "feature_extension."
WHOLE = [fps(**SMALL), *parts(SMALL)]


def register(c: Catalog) -> None:
    """Add the recipes."""
    _header(c)
    _extension(c)
    _elements(c)
    _missing(c)
    _payloads(c)
    _truncations(c)
    _levels(c)


def _bad(
    c: Catalog, name: str, title: str, violates: str, units: list[Unit], kind: str = "invalid",
    profile: str = RESILIENT, **more: Any,
) -> None:  # fmt: skip
    c.stream(f"parts-{name}", title, units, area=AREA, profile=profile, kind=kind, violates=violates, **more)


def _header(c: Catalog) -> None:
    for profile in ("RESILIENT", "COMPLETE"):
        _bad(c, f"header-{profile.lower()}.early", f"Profile {profile} in a bitstream of version 1.0",
             "bitstream_header.profile_idc", WHOLE, "malformed", profile, minor=0)  # fmt: skip
    _bad(c, "header-level.reserved", "A reserved level_idc in a profile of version 1.1", "bitstream_header.level_idc",
         WHOLE, "malformed", header={"level_idc": 4})  # fmt: skip
    _bad(c, "header-level.later", "A reserved level_idc in a later minor version than the profile's",
         "bitstream_header.level_idc", WHOLE, "unsupported", minor=2, header={"level_idc": 4})  # fmt: skip
    _bad(c, "header-profile.codec", "An image codec in profile RESILIENT", "profile.codec",
         [fps(**SMALL | {"codec": "PNG"})])  # fmt: skip


def _extension(c: Catalog) -> None:
    _bad(c, "layers.flag-later", "layers_flag is 1, which is for later versions", E + "layers_flag",
         [fps(**SMALL | {"parts": None}, set={"layers_flag": 1}), data()], "unsupported")  # fmt: skip
    for flag in ("time_prediction_flag", "other_extension_flags"):
        _bad(c, f"{dots(flag)}-later", f"{flag} is 1, which is for later versions", E + flag,
             [fps(**SMALL, set={flag: 1}), *parts(SMALL)], "unsupported")  # fmt: skip
    named = {"channel_transform_flag": 1, "space_to_depth_flag": 0, "component_count": 2, "prefix_rows": 0,
             "component_step": 1.0, "level_shift_flag": 0, "transform_sent_flag": 0,
             "transform_digest": "0x" + "5a" * 32}  # fmt: skip
    _bad(c, "channel.transform.flag-later", "channel_transform_flag is 1, which is for later versions",
         f"{E}channel_transform_flag", [fps(ranges=[[0.5, 0.5]], set=named), data()], "unsupported")  # fmt: skip
    _bad(c, "extension-absent", "A parameter set without its extension", "unit.complete-element",
         [fps(**SMALL, cut="parts_flag"), *parts(SMALL)], "malformed")  # fmt: skip
    _bad(c, "extension-rest", "Bytes after the extension of a parameter set", "unit.no-rest",
         [fps(**SMALL, append="00"), *parts(SMALL)], "malformed")  # fmt: skip
    for element, value in (("part_rows_minus1", 7), ("channel_groups_minus1", 5)):
        _bad(c, f"{dots(element)}-above", f"{element} is one above its highest value", E + element,
             [fps(**SMALL | {"H": 7, "C": 5}, set={element: value})])  # fmt: skip
        _bad(c, f"{dots(element)}-overlong", f"{element} has 32 leading zero bits", "descriptor.ue-prefix",
             [fps(**SMALL, set={element: OVERLONG, "part_rows": 3, "part_count": 6})], "malformed")  # fmt: skip
    # The extension ends within a byte, the part before it at one.
    _bad(c, "extension-alignment", "Alignment bits of an extension are ones", "descriptor.alignment-zero",
         [fps(**_aligned(SMALL), set={"byte_alignment": "ones"})], "malformed")  # fmt: skip
    _bad(c, "coded.size-whole", "Pictures as high as whole channels, where parts are lower", "fps.coded-size",
         [fps(**SMALL | {"H": 90, "W": 3, "parts": [3, 2], "size": [90, 6]})])  # fmt: skip
    _bad(c, "grid.cells-many", "More cells than twice the channels of a group and 64", "fps.grid-cells",
         [fps(**SMALL | {"C": 40, "parts": [3, 20], "grid": [1, 68]})])  # fmt: skip


def _aligned(words: dict[str, Any]) -> dict[str, Any]:
    """A parameter set whose elements of version 1.0 end at a byte."""
    from refsw.syntax.structures import FEATURE_PARAMETER_SET
    from vectors.bits import Writing
    from vectors.tensors import Tensor

    for number, axes in itertools.product(range(63), ("NCHW", "CHW")):
        own = words | {"id": number, "axes": axes}
        body = Writing(FEATURE_PARAMETER_SET, Tensor(**own).values(b"")).body
        if body.places["byte_alignment"][1] == 0:
            return own
    raise ValueError("no parameter set ends at a byte")


def _elements(c: Catalog) -> None:
    _bad(c, "set.id-above", "parameter_set_id of a part is 64", P + "parameter_set_id",
         [fps(**SMALL), part(0, set={"parameter_set_id": 64})])  # fmt: skip
    _bad(c, "set.id-first", "A part of a parameter set that did not come", "order.parameter-set-first",
         [fps(**SMALL), part(0, set={"parameter_set_id": 1}, payload="")])  # fmt: skip
    _bad(c, "part.index-above", "part_index is one above its highest value", P + "part_index",
         [*WHOLE[:-1], part(5, set={"part_index": 6})])  # fmt: skip
    _bad(c, "part.index-none", "A part of a tensor whose samples do not come in parts", P + "part_index",
         [fps(), part(0, payload="")])  # fmt: skip
    for element in ("parameter_set_id", "sample_index"):
        _bad(c, f"{dots(element)}-overlong", f"{element} of a part has 32 leading zero bits", "descriptor.ue-prefix",
             [fps(**SMALL), part(0, set={element: OVERLONG})], "malformed")  # fmt: skip
    _bad(c, "sample.index-max", "sample_index has the greatest value of ue(v)", "order.samples",
         [fps(**SMALL), part(0, sample=2**32 - 2, payload="")])  # fmt: skip
    own = SMALL | {"scope": "SAMPLE"}
    bad = {"nan": NAN, "infinity": INFINITY, "minus.infinity": MINUS_INFINITY, "minus.zero": MINUS_ZERO}
    for name, bits in bad.items():
        kind = "malformed" if name == "minus.zero" else "invalid"
        for end in ("minimum", "maximum"):
            _bad(c, f"{end}-{name}", f"part_{end} is {name.replace('.', ' ')}", f"{P}part_{end}",
                 [fps(**own), part(0, set={f"part_{end}": bits})], kind)  # fmt: skip
    for name, (low, high) in {
        "zero": (0.0, 0.0), "subnormal": (TINY, 2 * TINY), "largest": (LARGEST, LARGEST), "negative": (-2.0, -1.0),
        "smallest": (-LARGEST, -LARGEST), "positive": (1.0, 2.0),
    }.items():  # fmt: skip
        c.stream(f"parts-range-{name}", f"Parts with a range from {low:.8g} to {high:.8g}", [fps(**own),
                 *parts(own, range=[low, high])], area=AREA, profile=RESILIENT)  # fmt: skip
    _bad(c, "range-order", "The minimum of a part exceeds its maximum", "range.order",
         [fps(**own), part(0, range=[2.0, 1.0])])  # fmt: skip
    _bad(c, "range-order.all", "The minimum of every part of a whole sample exceeds its maximum", "range.order",
         [fps(**own), *parts(own, range=[2.0, 1.0])])  # fmt: skip
    _bad(c, "skippable-part", "skippable_flag of a feature part unit is 1", "unit.skippable-known",
         [WHOLE[0], WHOLE[1] | {"skippable": 1}, *WHOLE[2:]], "malformed")  # fmt: skip
    ones = [fps(**SMALL), part(0, set={"byte_alignment": "ones"})]
    _bad(c, "alignment-part", "Alignment bits of a part are ones", "descriptor.alignment-zero", ones, "malformed")


def _missing(c: Catalog) -> None:
    last = parts(SMALL, sample=1)
    digested = fps(**SMALL, digests="T")
    for name, units in (
        ("next", [*WHOLE[:-1], *last]),
        ("first", [WHOLE[0], *WHOLE[2:], *last]),
        ("end", WHOLE[:-1]),
        ("one", [WHOLE[0], WHOLE[3]]),
        ("digest", [digested, *WHOLE[1:-1], digest(), WHOLE[-1], digest(count=1, first=1)]),
    ):
        _bad(c, f"missing-{name}", "A sample lacks parts", "part.complete", units)
    _bad(c, "once-same", "The same part twice", "part.once", [WHOLE[0], WHOLE[1], *WHOLE[1:]])
    _bad(c, "once-after", "A part again after all parts of its sample", "part.once", [*WHOLE, WHOLE[2]])
    _bad(c, "once-other", "A part twice, with another payload", "part.once",
         [*WHOLE, part(2, payload={"repeat": "00", "times": 27})])  # fmt: skip
    _bad(c, "units-data", "Feature data of a tensor whose samples come in parts", "part.units",
         [fps(**SMALL), data(payload="")])  # fmt: skip
    for name, sample in (("gap", 2), ("start", 1)):
        units = [fps(**SMALL), *([] if name == "start" else parts(SMALL)), *parts(SMALL, sample=sample)]
        _bad(c, f"samples-{name}", f"A part of sample {sample} comes next", "order.samples", units)
    _bad(c, "samples-back", "A part of an earlier sample", "order.samples", [*WHOLE, *parts(SMALL, sample=1), part(0)])
    two = SMALL | {"layer": "a"}, SMALL | {"id": 1, "layer": "b"}
    _bad(c, "access.units-back", "A part of an earlier access unit", "order.access-units",
         [*(fps(**w) for w in two), *parts(two[0]), *parts(two[0], sample=1), *parts(two[1])])  # fmt: skip
    _bad(c, "single-second", "A second sample of a tensor without axis N", "fps.single-sample",
         [fps(**SMALL | {"axes": "CHW"}), *parts(SMALL), *parts(SMALL, sample=1)])  # fmt: skip
    _bad(c, "digest-wrong", "The digest of a sample in parts differs", "digest.value",
         [digested, *WHOLE[1:], digest(set={"digest": "0x" + "00" * 16})])  # fmt: skip


def _payloads(c: Catalog) -> None:
    own = SMALL | {"scope": "SAMPLE"}
    _bad(c, "empty-constant", "A constant part with a payload", "payload.empty",
         [fps(**own), part(0, range=[1.0, 1.0], payload="00")])  # fmt: skip
    _bad(c, "size-band", "The last band without the rows that it does not have", "bytes.size",
         [*WHOLE[:-2], part(4, payload={"repeat": "00", "times": 9})])  # fmt: skip
    _bad(c, "size-group", "A group with the pictures of one channel more", "bytes.size",
         [WHOLE[0], WHOLE[1], part(1, payload={"repeat": "00", "times": 36})])  # fmt: skip
    _bad(c, "range-level", "A level of a part has more bits than it may", "payload.level-range",
         [fps(**SMALL | {"bits": 7}), part(0, payload={"repeat": "80", "times": 27})])  # fmt: skip
    inter = {"codec": "HEVC", "C": 6, "H": 16, "W": 16, "layout": "SEQUENCE", "parts": [16, 2]}
    taken = {"of": "parts-complete-inter_r1"}
    _bad(c, "intra-inter", "Inter prediction in profile RESILIENT", "hevc.intra-only",
         [fps(**inter, of="parts-complete-inter_r1"), part(0, payload=taken)])  # fmt: skip


def _truncations(c: Catalog) -> None:
    for label, words, first in (
        ("parameter_set_id", {"id": 0}, 0), ("sample_index", {"id": 7}, 1),
        ("part_index", {"id": 7, "parts": [1, 5]}, 0), ("part_minimum", {"id": 7, "parts": [7, 1]}, 0),
        ("part_maximum", {"id": 7, "parts": [7, 1]}, 0),
    ):  # fmt: skip
        own = SMALL | {"scope": "SAMPLE"} | words
        _bad(c, f"truncation-{dots(label)}", f"The body of feature_part ends within {label}", "unit.complete-element",
             [fps(**own), part(0, id=words["id"], sample=first, payload="", cut=label)], "malformed")  # fmt: skip
    longer = {"H": 2000, "parts": [100, 4]}
    for label, words in (("part_rows_minus1", {"H": 9}), ("channel_groups_minus1", longer)):
        _bad(c, f"truncation-{dots(label)}", f"The body of feature_parameter_set ends within {label}",
             "unit.complete-element", [fps(**SMALL | words, cut=label)], "malformed")  # fmt: skip


def _levels(c: Catalog) -> None:
    for level, count in ((1, 2**12), (2, 2**14), (3, 2**16)):
        words: dict[str, Any] = {"axes": "NCH", "C": 1, "H": count + 1, "ranges": [[1.0, 1.0]], "layout": "SEQUENCE"}
        _bad(c, f"levels-over{level}", f"More parts in a sample than level {level} allows", "level.sample-parts",
             [fps(**words, parts=[1, 1])], "limit", level=level)  # fmt: skip
    words = {"axes": "CH", "C": 2, "H": 2**11, "ranges": [[1.0, 1.0]], "layout": "SEQUENCE", "parts": [1, 2]}
    c.stream("parts-levels-most1", "As many parts in a sample as level 1 allows", [fps(**words), *parts(words)],
             area=AREA, profile=RESILIENT)  # fmt: skip
    many = {"C": 2**12 + 1, "H": 2, "W": 1, "layout": "SEQUENCE", "parts": [1, 1], "ranges": [[1.0, 1.0]]}
    _bad(c, "levels-pictures", "More pictures in a part than level 1 allows", "level.unit-pictures",
         [fps(**many), part(0)], "limit")  # fmt: skip
