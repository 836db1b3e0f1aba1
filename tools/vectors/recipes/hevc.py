"""8.4: HEVC as several encoders write it."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.words import data, digest, fps

AREA = "hevc"
BASE = {"codec": "HEVC", "C": 4, "H": 8, "W": 8, "grid": [2, 2]}
HM = {"name": "hm"}
BYPASS = ["--TransquantBypassEnableFlag=1", "--CUTransquantBypassFlagForce=1", "--CostMode=lossless"]
LOSSLESS = [*BYPASS, "--ImplicitResidualDPCM=0", "--ResidualRotation=0"]


def register(c: Catalog) -> None:
    """Add the recipes."""
    _forms(c)
    _other_encoders(c)
    _inter(c)


def _add(c: Catalog, name: str, title: str, units: int = 1, count: int = 1, profile: str = "INTRA", seed: int = 0,
         **words: Any) -> str:  # fmt: skip
    tensor = fps(**(BASE | {"digests": "TL"} | words))
    coded = [data(count=count, pattern=words.get("pattern", "smooth"), seed=seed + i) for i in range(units)]
    tensor.pop("pattern", None)
    return c.stream(name, title, [tensor, *coded, digest(), digest(kind=1)], area=AREA, profile=profile)


def _forms(c: Catalog) -> None:
    for bits in (8, 10, 12):
        _add(c, f"hevc-bits-{bits}", f"A mosaic of 16 x 16 at {bits} bits", bits=bits)
        _add(c, f"hevc-sequence-{bits}", f"Channels in pictures of their own at {bits} bits, two units of two samples",
             units=2, count=2, bits=bits, layout="SEQUENCE", grid=None, margin=(8, 8), C=3)  # fmt: skip
        _add(
            c, f"hevc-noise-{bits}", f"Noise at {bits} bits and a low QP", bits=bits, pattern="noise", encoder={"qp": 4}
        )
        _add(c, f"hevc-qp-{bits}", f"The highest QP at {bits} bits", bits=bits, H=24, W=24, encoder={"qp": 49})
    _add(c, "hevc-size-odd", "A size that is no multiple of 8, by a conformance window", H=9, W=13)
    _add(c, "hevc-size-wide", "Pictures of several coding tree blocks", C=8, grid=[2, 4], H=40, W=44)
    _add(c, "hevc-quilt-8", "A quilt", layout="QUILT")
    _add(c, "hevc-effort-fast", "Coded with little effort", H=16, W=16, encoder={"effort": "fast"})
    _add(c, "hevc-effort-best", "Coded with much effort", H=16, W=16, encoder={"effort": "best"})
    _add(c, "hevc-effort-anchor", "Coded with the settings of the anchor", H=16, W=16, encoder={"effort": "anchor"})
    edits = {
        "zero.bytes": ([["zero_bytes"]], "zero_byte before every NAL unit, and zero bytes at the end"),
        "sei.unknown": (
            [["insert", 0, "4e010510" + "a5" * 16 + "80"]],
            "an SEI message of another kind before the slices",
        ),
    }
    for name, (operations, what) in edits.items():
        c.stream(f"hevc-stream-{name}", f"A byte stream with {what}",
                 [fps(**BASE, of="hevc-bits-8_r1"), data(payload={"of": "hevc-bits-8_r1"}, edit=operations)], area=AREA,
                 profile="INTRA")  # fmt: skip
    c.stream("hevc-configuration-sub.layers", "Parameter sets with two temporal sub-layers",
             [fps(**BASE, of="hevc-bits-8_r1", edit=[["sps", "sub_layers", 0], ["sub_layers"]]),
             data(payload={"of": "hevc-bits-8_r1"})], area=AREA,
             profile="INTRA")  # fmt: skip
    sei = "4e010510" + "a5" * 16 + "80"
    many = {"codec": "HEVC", "C": 3, "H": 8, "W": 8, "layout": "SEQUENCE", "margin": (8, 8), "of": "hevc-sequence-8_r1"}
    c.stream("hevc-stream-sei.every", "An SEI message before every picture but the first",
             [fps(**many), data(count=2, payload={"of": many["of"]}, edit=[["insert", i, sei] for i in (1, 3, 5,
             7, 9)])],
             area=AREA, profile="INTRA")  # fmt: skip
    c.stream("hevc-configuration-zero.bytes", "Parameter sets with zero_byte and zero bytes after them",
             [fps(**BASE, of="hevc-bits-8_r1", edit=[["zero_bytes"]]), data(payload={"of": "hevc-bits-8_r1"})],
             area=AREA,
             profile="INTRA")  # fmt: skip
    c.stream("hevc-constant-sample", "A constant sample, and one that is not, in one unit",
             [fps(**BASE, scope="SAMPLE", digests="T"), data(count=2, ranges=[[3.0, 3.0], [0.0, 1.0]],
             pattern="smooth"),
              digest()], area=AREA, profile="INTRA")  # fmt: skip
    c.stream("hevc-constant-all", "HEVC parameter sets are there even if all samples are constant",
             [fps(**BASE, ranges=[[1.0, 1.0]]), data(count=2)], area=AREA, profile="INTRA")  # fmt: skip
    c.stream("hevc-random-access", "Five units, each decodable alone", [fps(**BASE, digests="T"),
             *(data(pattern="smooth", seed=i) for i in range(5)), digest()], area=AREA, profile="INTRA")  # fmt: skip
    tensors = [fps(**BASE, layer="p3"), fps(**(BASE | {"H": 16, "W": 12}), id=1, layer="p4", bits=10)]
    c.stream("hevc-layers-two", "Two tensors of different sizes and bit depths",
             [*tensors, *(data(id=i, pattern="smooth", seed=s) for s in range(2) for i in (0, 1))], area=AREA,
             profile="INTRA")  # fmt: skip
    c.stream("hevc-profile-extended", "HEVC and byte codecs in one bitstream of profile EXTENDED",
             [fps(**BASE, layer="h"), fps(id=1, layer="s"), data(pattern="smooth"), data(id=1)], area=AREA,
             profile="EXTENDED")  # fmt: skip


def _other_encoders(c: Catalog) -> None:
    for bits in (8, 10, 12):
        _add(c, f"hevc-x265.command-{bits}", f"Coded by the program x265 3.5 at {bits} bits", bits=bits, H=16, W=16,
             encoder={"name": "x265"})  # fmt: skip
        _add(c, f"hevc-hm.8x8-{bits}", f"Pictures of 8 x 8 at {bits} bits, coded by HM", count=2, bits=bits, C=2,
             layout="SEQUENCE", grid=None, encoder=HM)  # fmt: skip
    forms = {
        "hm.ctu16": (["--MaxCUWidth=16", "--MaxCUHeight=16", "--MaxPartitionDepth=2",
        "--QuadtreeTULog2MaxSize=4"], "coding tree blocks of 16 x 16"),
        "hm.slices": (["--SliceMode=1", "--SliceArgument=1", "--MaxCUWidth=16", "--MaxCUHeight=16",
                       "--MaxPartitionDepth=2", "--QuadtreeTULog2MaxSize=4"], "a slice for every coding tree block"),
        "hm.segments": (["--SliceSegmentMode=1", "--SliceSegmentArgument=1", "--MaxCUWidth=16", "--MaxCUHeight=16",
                         "--MaxPartitionDepth=2", "--QuadtreeTULog2MaxSize=4"], "dependent slice segments"),
        "hm.wavefront": (["--WaveFrontSynchro=1", "--MaxCUWidth=16", "--MaxCUHeight=16",
        "--MaxPartitionDepth=2", "--QuadtreeTULog2MaxSize=4"],
                         "wavefront entry points"),
        "hm.lossless": (LOSSLESS, "no loss"),
        "hm.scaling": (["--ScalingList=1"], "scaling lists"),
        "hm.pcm": (["--PCMEnabledFlag=1", "--PCMLog2MaxSize=3", "--PCMLog2MinSize=3"], "PCM blocks"),
        "hm.range.extensions": (["--ImplicitResidualDPCM=1", "--ExplicitResidualDPCM=1", "--ResidualRotation=1",
                                 "--SingleSignificanceMapContext=1", "--IntraReferenceSmoothing=0",
                                 "--GolombRiceParameterAdaptation=1", "--TransformSkipLog2MaxSize=4"],
                                "tools of the format range extensions"),
    }  # fmt: skip
    for name, (extra, what) in forms.items():
        _add(c, f"hevc-{name}", f"Coded by HM with {what}", C=6, grid=[2, 3], H=32, W=24,
             pattern="noise" if "lossless" in name or "pcm" in name else "smooth",
             encoder=HM | {"extra": extra, "qp": 2 if "pcm" in name else 30})  # fmt: skip
    small = ["--MaxCUWidth=16", "--MaxCUHeight=16", "--QuadtreeTULog2MaxSize=4", "--SliceMode=1", "--SliceArgument=1"]
    _add(c, "hevc-hm.slices-sixteen", "Sixteen slices, whose addresses have four bits", H=32, W=32,
         encoder=HM | {"extra": [*small, "--MaxPartitionDepth=2"]})  # fmt: skip
    _add(c, "hevc-hm.blocks-sixteen", "Coding blocks of 16 x 16 at least", H=32, W=32,
         encoder=HM | {"extra": [*small, "--MaxPartitionDepth=1"]})  # fmt: skip
    _add(c, "hevc-hm.slices-two", "Two slices, whose addresses have one bit", C=1, grid=[1, 1], H=16, W=32,
         encoder=HM | {"extra": [*small, "--MaxPartitionDepth=2"]})  # fmt: skip
    _add(c, "hevc-hm.slices-three", "Three slices, whose addresses have two bits", C=1, grid=[1, 1], H=16, W=48,
         encoder=HM | {"extra": [*small, "--MaxPartitionDepth=2"]})  # fmt: skip
    cra = _add(c, "hevc-hm.cra", "Pictures after the first that are CRA pictures", count=2, C=2, layout="SEQUENCE",
               grid=None, encoder=HM | {"extra": ["--DecodingRefreshType=1", "--IntraPeriod=1"]})  # fmt: skip
    for kind in (16, 17, 18):
        changed = [["patch", 1, 0, (kind ^ 21) << 1]]
        c.stream(f"hevc-hm.bla-{kind}", f"A picture after the first that is a BLA picture of type {kind}",
                 [fps(**(BASE | {"C": 2, "layout": "SEQUENCE", "grid": None}), of=cra),
                  data(count=2, payload={"of": cra}, edit=changed)], area=AREA, profile="INTRA")  # fmt: skip
    _add(c, "hevc-hm.hash-md5", "Coded by HM with a picture hash in an SEI message", H=16, W=16,
         encoder=HM | {"extra": ["--SEIDecodedPictureHash=1"], "sei": True})  # fmt: skip
    _add(c, "hevc-hm.size-odd", "An odd size, by a conformance window of HM", C=1, grid=[1, 1], H=13, W=9, encoder=HM)


def _inter(c: Catalog) -> None:
    words = {"layout": "SEQUENCE", "grid": None, "C": 6, "H": 24, "W": 32, "profile": "INTER"}
    _add(c, "hevc-inter-x265", "Channels predicted from one another", **words)
    _add(c, "hevc-inter-x265.10", "Channels predicted from one another at 10 bits", bits=10, **words)
    _add(c, "hevc-inter-time", "Frames of a camera predicted from one another, four in a unit, two units",
         units=2, count=4,
         axes="TCHW", profile="INTER", H=16, W=16)  # fmt: skip
    _add(c, "hevc-inter-intra", "Profile INTER with intra pictures only", profile="INTER")
    _add(c, "hevc-inter-hm.lowdelay", "P pictures of HM", encoder=HM | {"mode": "lowdelay"}, **words)
    _add(c, "hevc-inter-hm.reordered", "B pictures of HM, whose order of output is not that of coding", count=2,
         encoder=HM | {"mode": "randomaccess"}, **words)  # fmt: skip
