"""Streams whose outcome hangs on one step of a decoder: no other step notices where it is wrong."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.formats import xz_of
from vectors.recipes.hevc_references import ONE_BLOCK, RASL, second_slice
from vectors.recipes.words import data, digest, fps

LATE_TIES = [[-33554430.0, 1.0], [-33554428.0, 3.0]]
"""D is 2^25, so that of 8 bits D^(n / 5) - 1 + min lies midway between two binary32 at the levels of 51 n."""
NEAR = {"first": (539.75, 39944), "second": (575.5, 49907), "third": (1539.875, 24918)}
"""Ranges from 0 and levels of 16 bits that binary64 puts on the wrong side of the middle of two binary32."""


def register(c: Catalog) -> None:
    """Add the recipes."""
    c.stream("quantizer-log-ties.fifths", "Levels of LOG at 8 bits whose powers are whole, midway between two binary32",
             [fps(scope="SAMPLE", quantizer="LOG", C=1, H=16, W=16, digests="T"),
              data(count=2, ranges=LATE_TIES, pattern="ramp"), digest()], area="quantizer")  # fmt: skip
    for name, (largest, level) in NEAR.items():
        c.stream(f"quantizer-log-near.{name}", "A level of LOG next to the middle of two binary32",
                 [fps(quantizer="LOG", bits=16, C=1, H=1, W=1, ranges=[[0.0, largest]], digests="T"),
                  data(payload=level.to_bytes(2, "little").hex()), digest()], area="quantizer")  # fmt: skip
    c.stream(
        "syntax-parameter.set.id-above.alone",
        "An id above the greatest, of a tensor without samples",
        [fps(id=64)],
        area="syntax",
        kind="invalid",
        violates="feature_parameter_set.parameter_set_id",
    )
    c.stream("bytes-lzma-size.endless", "A size in a block header of .xz that has no end before that of the payload",
             [fps(codec="LZMA"), data(payload=xz_of(b"")[:12].hex() + "0140808accc78cdf")], area="payload",
             kind="invalid", violates="bytes.format")  # fmt: skip
    _hevc(c)
    _sets_alone(c)


def _hevc(c: Catalog) -> None:
    plain: dict[str, Any] = {"codec": "HEVC", "C": 4, "H": 8, "W": 8, "grid": [2, 2], "of": "hevc-bits-8_r1"}
    coded = data(payload={"of": "hevc-bits-8_r1"})
    c.stream("hevc-configuration-vps.five", "A VPS of the id 5, to which the SPS refers",
             [fps(**plain, edit=[["patch", 0, 2, 0x50], ["patch", 1, 2, 0x50]]), coded], area="hevc",
             profile="INTRA")  # fmt: skip
    c.stream("hevc-configuration-other.reserved", "What would be a second PPS, by its type reserved",
             [fps(**plain, edit=[["repeat", 2], ["patch", 3, 0, 0x44 ^ 0x52]]), coded], area="hevc", profile="INTRA",
             kind="invalid", violates="hevc.configuration")  # fmt: skip
    for name, (what, count, payload, violates) in {
        "rasl": ("A RASL picture, after the CRA picture that it belongs to", 3, RASL, "hevc.payload-nal-types"),
        "slices-second": ("A second slice, of a picture with one coding tree block", 1, second_slice(),
                          "hevc.qp"),
    }.items():  # fmt: skip
        c.stream(f"hevc-{name}", what, [fps(**(ONE_BLOCK | {"C": count})), data(payload=payload)],
                 area="hevc", profile="INTER", kind="invalid", violates=violates)  # fmt: skip


def _sets_alone(c: Catalog) -> None:
    """8.4.1, 8.4.8 Parameter sets that are wrong where no sample has pictures, so that no HEVC decoder sees them."""
    for name in (
        "configuration-order", "configuration-other.pps", "configuration-pps.id", "configuration-pps.sps",
        "configuration-sps.16", "configuration-sps.id", "configuration-sps.short", "configuration-two.vps",
        "configuration-vps.id", "bit.depth-more", "bit.depth-other", "chroma.format-1", "cropping-columns",
        "cropping-rows", "nal.header-configuration", "nal.length-configuration", "picture.size-height",
        "picture.size-width", "picture.size-window", "profile-alignment", "profile-chroma.list", "profile-pps.later",
        "profile-precision.flag", "profile-sps.later", "pps-longer", "sps-block.128", "sps-block.8", "sps-longer",
        "sps-short.term.far", "sps-size.columns", "sps-size.rows", "sps-sub.layers", "sps-transform.large",
        "sps-transform.small", "start.code-configuration",
    ):  # fmt: skip
        recipe = c.recipes[f"hevc-{name}_r1"]
        tensor = recipe.arguments["units"][0] | {"ranges": [[1.0, 1.0]]}
        c.stream(f"hevc-constant.{name}", f"{recipe.title}, where all samples are constant", [tensor, data(payload="")],
                 area="hevc", profile="INTRA", kind="invalid", violates=recipe.violates)  # fmt: skip
