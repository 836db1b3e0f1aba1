"""8.4: HEVC payloads and parameter sets that are not allowed."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.hevc import BASE
from vectors.recipes.words import data, fps
from vectors.sets import ue

AREA = "hevc"
ONE = "hevc-bits-8_r1"
MANY = "hevc-sequence-8_r1"
SEQUENCE = {"codec": "HEVC", "C": 3, "H": 8, "W": 8, "layout": "SEQUENCE", "margin": (8, 8), "of": MANY}


def register(c: Catalog) -> None:
    """Add the recipes."""
    _configuration(c)
    _payload(c)
    _slices(c)


def _bad(c: Catalog, name: str, title: str, violates: str, edit: Any = (), payload_edit: Any = (), of: str = ONE,
         profile: str = "INTRA", requirements: tuple[str, ...] = (), **words: Any) -> None:  # fmt: skip
    base = SEQUENCE if of == MANY else BASE | {"of": of}
    count = 2 if of == MANY else 1
    c.stream(f"hevc-{name}", title,
             [fps(**(base | words), edit=list(edit)), data(count=count, payload={"of": of}, edit=list(payload_edit))],
             area=AREA, profile=profile, kind="invalid", violates=violates, requirements=requirements)  # fmt: skip


def _configuration(c: Catalog) -> None:
    conf = "hevc.configuration"
    for index, name in enumerate(("vps", "sps", "pps")):
        _bad(c, f"configuration-no.{name}", f"codec_configuration without its {name.upper()}", conf, [["drop", index]])
        if name != "pps":
            _bad(
                c,
                f"configuration-two.{name}",
                f"codec_configuration with two {name.upper()}s",
                conf,
                [["repeat", index]],
            )
    _bad(c, "configuration-order", "The PPS before the SPS", conf, [["swap", 1, 2]])
    _bad(c, "configuration-sei", "An SEI message in codec_configuration", conf, [["insert", 3, "4e010402010280"]])
    _bad(c, "configuration-layer", "A PPS of layer 1", conf, [["patch", 2, 1, 8]])
    _bad(c, "configuration-layer32", "A PPS of layer 32", conf, [["patch", 2, 0, 1]])
    _bad(c, "configuration-empty", "An empty codec_configuration", conf, [["cut", 0]])
    _bad(c, "configuration-sps.short", "An SPS that ends early", conf, [["shorten", 1, 16]])
    c.stream("hevc-configuration-constant", "An empty codec_configuration where all samples are constant",
             [fps(**BASE, of=ONE, edit=[["cut", 0]], ranges=[[1.0, 1.0]]), data(payload="")], area=AREA,
             profile="INTRA",
             kind="invalid", violates=conf)  # fmt: skip
    start = "hevc.start-code"
    _bad(
        c,
        "start.code-configuration",
        "A byte before the first start code of codec_configuration",
        start,
        [["prefix", "01"]],
    )
    _bad(c, "start.code-payload", "A byte before the first start code of the payload", start, (), [["prefix", "0002"]])
    _bad(c, "start.code-none", "A payload without a start code", start, (), [["replace", "000001", "000002"]])
    _bad(c, "nal.length-configuration", "A NAL unit of two bytes in codec_configuration", "hevc.nal-length",
         [["insert", 3, "4401"]])  # fmt: skip
    _bad(
        c,
        "nal.length-payload",
        "A NAL unit of two bytes in the payload",
        "hevc.nal-length",
        (),
        [["insert", 0, "4e01"]],
    )
    _bad(
        c, "nal.length-zeros", "A NAL unit of one byte and zero bytes", "hevc.nal-length", (), [["insert", 1, "280000"]]
    )
    header = "hevc.nal-header"
    _bad(c, "nal.header-configuration", "forbidden_zero_bit of an SPS is 1", header, [["patch", 1, 0, 128]])
    _bad(c, "nal.header-forbidden", "forbidden_zero_bit of a slice segment is 1", header, (), [["patch", 0, 0, 128]])
    for name, first in (("forbidden", "ce01"), ("temporal", "4e00")):
        _bad(c, f"nal.header-sei.{name}", f"An SEI message whose NAL unit header is none of H.265 ({name})", header, (),
             [["insert", 0, f"{first}0510{'a5' * 16}80"]])  # fmt: skip
    _bad(c, "nal.header-temporal", "nuh_temporal_id_plus1 of a slice segment is 0", header, (), [["patch", 0, 1, 1]])
    _bad(c, "sps-block.128", "Coding tree blocks of 128 x 128", "hevc.sps", [["sps", "log2_diff_block", 4]])
    _bad(c, "sps-block.8", "Coding tree blocks of 8 x 8", "hevc.sps", [["sps", "log2_diff_block", 0]])
    _semantics(c)
    _output(c)
    for value in (1, 3):
        _bad(c, f"chroma.format-{value}", f"chroma_format_idc {value}", "hevc.chroma-format",
             [["sps", "chroma_format_idc", value]])  # fmt: skip
    _bad(c, "bit.depth-other", "Parameter sets of 8 bits for levels of 10", "hevc.bit-depth", bits=10)
    _bad(c, "bit.depth-more", "Parameter sets of 10 bits for levels of 8", "hevc.bit-depth",
         [["sps", "bit_depth_luma_minus8", 2]])  # fmt: skip
    for bits in (7, 9, 16):
        _bad(c, f"codec.depth-{bits}", f"HEVC for levels of {bits} bits", "fps.codec-bit-depth", bits=bits)
    _bad(c, "picture.size-width", "Parameter sets of other width", "hevc.picture-size", [["sps", "width", 24]])
    _bad(c, "picture.size-height", "Parameter sets of other height", "hevc.picture-size", margin=(8, 0))
    _bad(c, "picture.size-window", "A conformance window that makes the pictures smaller", "hevc.picture-size",
         [["sps", "window", [0, 2, 0, 0]]])  # fmt: skip
    _bad(c, "cropping-columns", "A conformance window that cuts 64 columns", "hevc.cropping",
         [["sps", "width", 80], ["sps", "window", [0, 64, 0, 0]]])  # fmt: skip
    _bad(c, "cropping-rows", "A conformance window that cuts 64 rows, above and below", "hevc.cropping",
         [["sps", "height", 80], ["sps", "window", [0, 0, 32, 32]]])  # fmt: skip


def _semantics(c: Catalog) -> None:
    """8.4.8 What parses and is no parameter set of H.265 all the same."""
    sps, size = "hevc.sps", "A picture size that is no multiple of the smallest coding block"
    _bad(c, "sps-size.columns", f"{size} (columns)", sps, [["sps", "width", 20], ["sps", "window", [0, 4, 0, 0]]])
    _bad(c, "sps-size.rows", f"{size} (rows)", sps, [["sps", "height", 18], ["sps", "window", [0, 0, 0, 2]]])
    _bad(c, "sps-sub.layers", "An SPS of eight temporal sub-layers", sps, [["patch", 1, 2, 0x0E]])
    _bad(c, "sps-order.bits", "Picture order counts of 17 bits", sps, [["sps", "poc_bits_minus4", 13]])
    for name, small, difference, what in (("small", 1, 1, "as large as"), ("large", 0, 4, "greater than")):
        blocks = ue(small) + ue(difference) + ue(0) + ue(0)
        whose = "the smallest coding block" if name == "small" else "32 x 32"
        _bad(c, f"sps-transform.{name}", f"Transform blocks {what} {whose}", sps, [["sps", "transforms", blocks]])
    refers = "hevc.configuration"
    _bad(c, "configuration-sps.id", "An SPS that the PPS does not refer to", refers, [["sps", "sps_id", 1]])
    _bad(c, "configuration-pps.sps", "A PPS that refers to another SPS", refers, [["pps", "sps_id", 1]])
    _bad(c, "configuration-vps.id", "An SPS that refers to another VPS", refers, [["patch", 1, 2, 0x10]])
    _bad(c, "configuration-pps.id", "A PPS with the id 64", refers, [["repeat", 2], ["pps", "pps_id", 64]])
    _bad(c, "configuration-sps.16", "An SPS with the id 16", refers, [["sps", "sps_id", 16], ["pps", "sps_id", 16]])
    c.stream("hevc-sps-constant", "An SPS that breaks H.265 where all samples are constant",
             [fps(**BASE, of=ONE, edit=[["sps", "poc_bits_minus4", 13]], ranges=[[1.0, 1.0]]), data(payload="")],
             area=AREA, profile="INTRA", kind="invalid", violates=sps)  # fmt: skip


def _payload(c: Catalog) -> None:
    kinds = "hevc.payload-nal-types"
    for name, nal in (("vps", "40010c01"), ("sps", "42010101"), ("pps", "4401c1"), ("delimiter", "460150"),
        ("end", "480180"),
                      ("filler", "4c01ff80"), ("reserved", "2c0180aa"), ("unspecified", "600180aa")):  # fmt: skip
        _bad(c, f"nal.types-{name}", f"A NAL unit in the payload that is neither slice nor SEI ({name})", kinds, (),
             [["insert", 0, nal]])  # fmt: skip
    for kind in (8, 9, 15):
        _bad(c, f"nal.types-reserved{kind}", f"A NAL unit of the reserved type {kind}, like a slice", kinds, (),
             [["insert", 1, f"{kind << 1:02x}0180aa"]])  # fmt: skip
    _bad(c, "nal.types-layer", "A slice segment of layer 1", kinds, (), [["patch", 0, 1, 8]])
    _bad(c, "nal.types-layer32", "A slice segment of layer 32", kinds, (), [["patch", 0, 0, 1]])
    for name, mask in (("trail", 0x26 ^ 0x02), ("cra", 0x26 ^ 0x2A), ("radl", 0x26 ^ 0x0E)):
        _bad(c, f"first.picture-{name}", f"The first picture is no IDR picture ({name})", "hevc.first-picture", (),
             [["patch", 0, 0, mask ^ FIRST_BYTE ^ 0x26]])  # fmt: skip
    count = "hevc.picture-count"
    _bad(c, "picture.count-fewer", "A picture is missing", count, (), [["drop", 5]], of=MANY)
    _bad(c, "picture.count-more", "A picture too many", count, (), [["repeat", 0]])
    _bad(c, "picture.count-none", "No payload where there are pictures", count, (), [["cut", 0]])
    _bad(c, "picture.count-first", "Only the first of six pictures", count, (), [["drop", 1]] * 5, of=MANY)
    _bad(c, "intra.only-p", "P slices in profile INTRA", "hevc.intra-only", of="hevc-inter-x265_r1",
         layout="SEQUENCE", grid=None, C=6, H=24, W=32, requirements=("profile.inter",))  # fmt: skip


def _output(c: Catalog) -> None:
    """Slice headers with pic_output_flag."""
    for of in ("hevc-hm.size-odd_r1", "hevc-bits-12_r1"):
        plain = c.recipes[of].arguments["units"]
        tensor = {k: v for k, v in plain[0].items() if k not in ("encoder", "digests")} | {"of": of}
        own = {k: v for k, v in plain[1].items() if k in ("count", "pattern")}
        depth = tensor.get("bits", 8)
        for value in (1, 0):
            units = [tensor | {"edit": [["pps", "output_flag", 1]]},
                     data(**own, payload={"of": of}, edit=[["output_flags", value]])]  # fmt: skip
            c.stream(f"hevc-output.flag-{value}.{depth}", f"pic_output_flag {value} at {depth} bits", units, area=AREA,
                     profile="INTRA", kind="valid" if value else "invalid",
                     violates=None if value else "hevc.picture-count")  # fmt: skip


FIRST_BYTE = 0x28  # x265 codes IDR_N_LP, type 20


def _slices(c: Catalog) -> None:
    decodes = "hevc.decodes"
    _bad(c, "slice.header-pps", "A slice that refers to a PPS that is not there", "hevc.slice-header", (),
         [["patch", 0, 2, 0x20]])  # fmt: skip
    for index, name in ((0, "first"), (5, "last")):
        _bad(c, f"picture.count-prior.{name}", f"no_output_of_prior_pics_flag of the {name} picture is 1",
             "hevc.picture-count",
             (), [["patch", index, 2, 0x40]], of=MANY)  # fmt: skip
    _bad(c, "decodes-header", "A slice header with a quantization parameter out of range", decodes, (),
         [["insert", 0, "2801ae010080ffffff"], ["drop", 1]],
         requirements=("hevc.stream",))  # fmt: skip
    _bad(c, "decodes-short", "A slice that ends within its header", decodes, (), [["shorten", 0, 3]],
         requirements=("hevc.stream",))  # fmt: skip
