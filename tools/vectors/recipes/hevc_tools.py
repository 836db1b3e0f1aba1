"""8.4.1: coding tools that are excluded, and parameter sets and slice headers that have everything else."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.hevc import BASE, BYPASS, HM
from vectors.recipes.words import data, digest, fps
from vectors.sets import ue

AREA = "hevc"
PLAIN = "hevc-hm.8x8-8_r1"
SINGLE = "hevc-hm.size-odd_r1"  # one picture, an IDR picture
WIDE = {"C": 6, "grid": [2, 3], "H": 32, "W": 24}
FRAMES = {"layout": "SEQUENCE", "grid": None, "C": 6, "H": 24, "W": 32}
OFFSETS = "--HighPrecisionPredictionWeighting=0"
RANGE = "10000000"  # only the range extension
OPTIONS = {
    "rotation": "ResidualRotation",
    "context": "SingleSignificanceMapContext",
    "implicit": "ImplicitResidualDPCM",
    "explicit": "ExplicitResidualDPCM",
    "smoothing": "IntraReferenceSmoothing",
    "offsets": "HighPrecisionPredictionWeighting",
    "rice": "GolombRiceParameterAdaptation",
}
KEPT = "IntraReferenceSmoothing"  # whose 1 is the default
TOOLS = ("rotation", "context", "implicit", "explicit", "precision", "smoothing", "offsets", "rice", "alignment")


def register(c: Catalog) -> None:
    """Add the recipes."""
    _bypass(c)
    _tools(c)
    _sets(c)
    _slices(c)


def _coded(c: Catalog, name: str, title: str, violates: str | None, extra: list[str], *, profile: str = "INTRA",
           pattern: str = "smooth", qp: int = 30, mode: str = "intra", **words: Any) -> str:  # fmt: skip
    """A tensor that HM codes; valid if it violates nothing."""
    tensor = fps(**(BASE | WIDE | words), digests="" if violates else "TL",
                 encoder=HM | {"extra": extra, "qp": qp, "mode": mode})  # fmt: skip
    digests = [] if violates else [digest(), digest(kind=1)]
    return c.stream(f"hevc-{name}", title, [tensor, data(pattern=pattern), *digests], area=AREA, profile=profile,
                    kind="invalid" if violates else "valid", violates=violates)  # fmt: skip


def _edited(c: Catalog, name: str, title: str, violates: str | None, edit: list[Any], of: str = PLAIN,
            payload_edit: Any = (), kind: str = "") -> str:  # fmt: skip
    """The stream of another vector, its parameter sets or payload changed."""
    tensor, *units = c.recipes[of].arguments["units"][:2]
    counted = {k: v for k, v in units[0].items() if k in ("count", "pattern")}
    plain = {k: v for k, v in tensor.items() if k not in ("encoder", "digests")}
    profile = c.recipes[of].arguments["profile"]
    listed = [plain | {"of": of, "edit": edit}, {"unit": "data", **counted, "payload": {"of": of}}]
    listed[1]["edit"] = list(payload_edit)
    return c.stream(f"hevc-{name}", title, listed, area=AREA, profile=profile,
                    kind=kind or ("invalid" if violates else "valid"), violates=violates)  # fmt: skip


def _bypass(c: Catalog) -> None:
    one = {"ImplicitResidualDPCM": (1, 0), "ResidualRotation": (0, 1)}
    for name, title, chosen in (
        ("rdpcm", "Transquant bypass with implicit residual DPCM", (1, 0)),
        ("rotation", "Transquant bypass with rotated residuals", (0, 1)),
        ("both", "Transquant bypass with implicit residual DPCM and rotated residuals", (1, 1)),
    ):
        extra = [f"--{option}={value}" for option, value in zip(one, chosen, strict=True)]
        _coded(c, f"bypass-{name}", title, "hevc.bypass", [*BYPASS, *extra], pattern="noise")
    others = ["--ImplicitResidualDPCM=0", "--ResidualRotation=0", "--ExplicitResidualDPCM=1",
              "--SingleSignificanceMapContext=1", "--GolombRiceParameterAdaptation=1",
              "--IntraReferenceSmoothing=0"]  # fmt: skip
    _coded(c, "bypass-others", "Transquant bypass with the other tools of the range extensions", None,
           [*BYPASS, *others], pattern="noise")  # fmt: skip
    _coded(c, "bypass-inter", "Transquant bypass and explicit residual DPCM in P pictures", None,
           [*BYPASS, *others], mode="lowdelay", profile="INTER", pattern="noise", **FRAMES)  # fmt: skip


def _tools(c: Catalog) -> None:
    profile = "hevc.profile"
    _coded(c, "profile-precision", "Extended precision processing", profile, ["--ExtendedPrecision=1"], qp=4,
           pattern="noise")  # fmt: skip
    flags = {tool: "".join("01"[tool == other] for other in TOOLS) for tool in TOOLS}
    _edited(c, "profile-alignment", "cabac_bypass_alignment_enabled_flag 1", profile,
            [["sps", "extension", RANGE + flags["alignment"]]])  # fmt: skip
    _edited(c, "profile-precision.flag", "extended_precision_processing_flag 1", profile,
            [["sps", "extension", RANGE + flags["precision"]]])  # fmt: skip
    for bit, what in ((1, "multilayer"), (2, "3d"), (3, "screen.content"), (7, "later")):
        bits = "".join("01"[i == bit] for i in range(8))
        _edited(c, f"profile-sps.{what}", f"An SPS with the flag of an extension ({what})", profile,
                [["sps", "extension", bits + "0" * 9]])  # fmt: skip
        _edited(c, f"profile-pps.{what}", f"A PPS with the flag of an extension ({what})", profile,
                [["pps", "extension", bits + "0" * 9]])  # fmt: skip
    skip = ue(0)  # log2_max_transform_skip_block_size_minus2, as transform_skip_enabled_flag is 1
    _edited(c, "profile-cross.component", "cross_component_prediction_enabled_flag 1", profile,
            [["pps", "extension", RANGE + skip + "10" + ue(0) * 2]])  # fmt: skip
    _edited(c, "profile-chroma.list", "chroma_qp_offset_list_enabled_flag 1", profile,
            [["pps", "extension", RANGE + skip + "01" + ue(0) * 2 + "11" + ue(0) * 2]])  # fmt: skip
    off = [f"--{option}={int(option == KEPT)}" for option in OPTIONS.values()]
    plain = _coded(c, "range.extension-off", "Coded by HM with no tool of the range extensions", None, off)
    for tool, option in OPTIONS.items():
        if option != KEPT:
            extra = [word.replace("=0", "=1") if word.startswith(f"--{option}=") else word for word in off]
            _coded(c, f"range.extension-{tool}", f"Coded by HM with one tool of the range extensions ({tool})", None,
                   extra, pattern="noise", qp=12)  # fmt: skip
    _edited(c, "range.extension-none", "An SPS with all flags of extensions 0", None, [["sps", "extension", "0" * 8]],
            of=plain)  # fmt: skip
    _edited(c, "range.extension-none.weights", "Weights with an SPS whose flags of extensions are 0", None,
            [["sps", "extension", "0" * 8], ["pps", "weighted", 3]], of=plain)  # fmt: skip
    _edited(c, "range.extension-zero", "An SPS with the range extension and all tools off", None,
            [["sps", "extension", RANGE + "0" * 9]], of=plain)  # fmt: skip
    _edited(c, "range.extension-pps", "A PPS with the range extension and all tools off", None,
            [["pps", "extension", RANGE + skip + "00" + ue(0) * 2]])  # fmt: skip
    _edited(
        c, "range.extension-pps.none", "A PPS with all flags of extensions 0", None, [["pps", "extension", "0" * 8]]
    )
    for bits in (10, 12):
        _coded(c, f"qp-delta.{bits}", f"QP that changes within a picture of {bits} bits",
               "hevc.qp" if bits == 12 else None, ["--MaxDeltaQP=2", "--MaxCuDQPDepth=1"], bits=bits)  # fmt: skip
    for qp in (50, 51):
        _coded(c, f"qp-slice.{qp}", f"A slice of 12 bits with QP {qp}", "hevc.qp", [], bits=12, qp=qp)
    _coded(c, "qp-slice.49", "A slice of 12 bits with QP 49", None, [], bits=12, qp=49)
    _coded(c, "qp-slice.51.10", "A slice of 10 bits with QP 51", None, [], bits=10, qp=51)


def _sub_layer(buffers: int, sub_pictures: bool, general: str) -> str:
    rates = (ue(9) + ue(7)) * (2 if sub_pictures else 1) + "1"
    return general + rates * (2 * buffers)


def _vui() -> dict[str, str]:
    """VUI with everything in it, HRD in several forms."""
    start = "1" + f"{255:08b}" + f"{3:016b}{2:016b}" + "11" + "1" + "101" + "0" + "1" + "1" * 24
    places = "1" + ue(2) + ue(1) + "000" + "1" + ue(1) * 4
    timing = "1" + f"{1001:032b}{30000:032b}" + "1" + ue(3)
    restriction = "1" + "101" + "".join(map(ue, (0, 2, 1, 15, 14)))
    sub_picture = "1" + f"{7:08b}{3:05b}" + "1" + f"{9:05b}" + f"{2:04b}{3:04b}" + f"{1:04b}" + f"{23:05b}" * 3
    plain = "0" + f"{2:04b}{3:04b}" + f"{23:05b}" * 3
    return {
        "everything": start + places + timing + "1" + "11" + sub_picture
        + _sub_layer(2, True, "1" + ue(4) + ue(1)) + restriction,
        "fixed.within": start + places + timing + "1" + "11" + plain + _sub_layer(3, False, "01" + ue(4) + ue(2))
        + restriction,
        "low.delay": start + places + timing + "1" + "11" + plain + _sub_layer(1, False, "00" + "1") + restriction,
        "no.delay": start + places + timing + "1" + "11" + plain + _sub_layer(2, False, "00" + "0" + ue(1))
        + restriction,
        "no.buffers": "000000001" + f"{1:032b}{25:032b}" + "0" + "1" + "00" + "1" + ue(0) + ue(0) + "0",
        "nal": start + places + timing + "1" + "10" + sub_picture
        + "1" + ue(4) + ue(1) + (ue(9) + ue(7)) * 2 + "1" + (ue(9) + ue(7)) * 2 + "0" + restriction,
        "vcl": start + places + timing + "1" + "01" + plain
        + "1" + ue(4) + ue(1) + (ue(9) + ue(7) + "1") * 2 + restriction,
        "timing": "0" * 8 + "1" + f"{1:032b}{25:032b}" + "0" + "0" + "0",
        "aspect": "1" + f"{1:08b}" + "1010" + "1010" + "0" + "000" + "0" + "0" + restriction,
    }  # fmt: skip


def _sets(c: Catalog) -> None:
    for name, bits in _vui().items():
        _edited(c, f"sps-vui.{name}", f"An SPS with usability information ({name})", None, [["sps", "vui", bits]])
    first = ue(2) + ue(1) + (ue(0) + "1") + (ue(1) + "0") + (ue(2) + "1")  # -1, -3 unused, +3
    second = "1" + "1" + ue(0) + "1" * 2 + "00" + "1"  # by -1 from the first: -2, -4, not +2, -1
    third = "1" + "0" + ue(2) + "01" * 2 + "1" + "1"  # by +3 from the second: +2, +1, -1, +3
    _edited(c, "sps-short.term", "An SPS with sets of short-term pictures, one from the other", None,
            [["sps", "dpb", 5], ["sps", "short_term", ue(3) + first + second + third]], of=SINGLE)  # fmt: skip
    _edited(c, "sps-order.bits.most", "Picture order counts of 16 bits, the most that there are", None,
            [["sps", "poc_bits_minus4", 12]], of=SINGLE)  # fmt: skip
    _edited(c, "sps-long.term", "An SPS with long-term pictures", None,
            [["sps", "long_term", ue(2) + f"{1:08b}" + "1" + f"{2:08b}" + "0"]], of=SINGLE)  # fmt: skip
    _edited(c, "sps-long.term.none", "An SPS that allows long-term pictures and names none", None,
            [["sps", "long_term", ue(0)]], of=SINGLE)  # fmt: skip
    for name, weighted in (("p", 2), ("b", 1), ("none", 0)):
        _edited(c, f"pps-lists.{name}", f"Elements of a PPS that I slices do not use, weights for {name}", None,
                [["pps", "cabac_init", 1], ["pps", "references_l0", 3], ["pps", "references_l1", 2],
                 ["pps", "weighted", weighted], ["pps", "lists", 1], ["pps", "merge", 2]],
                of="hevc-range.extension-off_r1")  # fmt: skip
    _edited(c, "pps-deblocking", "A PPS with offsets of the deblocking filter", None,
            [["pps", "deblocking", "00" + ue(3) + ue(4)]])  # fmt: skip
    _edited(c, "pps-deblocking.off", "A PPS that disables the deblocking filter", None,
            [["pps", "deblocking", "01"]])  # fmt: skip
    lists = "".join("0" + ue(0) for _ in range(20))
    own = "1" + ue(15) + ue(0) * 15 + ("0" + ue(0)) * 5
    for size, names in ((1, 6), (2, 6), (3, 2)):
        count = 64 + (size > 1)
        own += "1" + ue(15) + ue(1) + ue(2) + ue(0) * (count - 3) + ("0" + ue(0)) * (names - 1)
    _edited(c, "pps-scaling.default", "A PPS with scaling lists that are the default ones", None,
            [["pps", "scaling", lists]], of="hevc-hm.scaling_r1")  # fmt: skip
    _edited(c, "pps-scaling.own", "A PPS with scaling lists of its own", None, [["pps", "scaling", own]],
            of="hevc-hm.scaling_r1")  # fmt: skip
    _edited(c, "configuration-two.pps", "Two PPSs, the second with another id", None,
            [["repeat", 2], ["pps", "pps_id", 1]])  # fmt: skip
    _edited(c, "configuration-two.pps.order", "Two PPSs, those of the slices first", None, [["repeat", 2],
            ["swap", 2, 3], ["pps", "pps_id", 63], ["swap", 2, 3]])  # fmt: skip
    conf = "hevc.configuration"
    _edited(c, "configuration-other.pps", "What would be a second PPS, by its type an SEI message", conf,
            [["repeat", 2], ["patch", 3, 0, 0x44 ^ 0x4E]])  # fmt: skip
    _edited(c, "sps-longer", "An SPS with bits after its last element", conf, [["sps", "extension", "0" * 8 + "1"]])
    _edited(c, "sps-longer.byte", "An SPS with a byte after its end", conf, [["sps", "extension", "0" * 8 + "1" * 9]])
    _edited(c, "pps-longer", "A PPS with bits after its last element", conf, [["pps", "extension", "0" * 8 + "1"]])
    _edited(c, "sps-short.term.far", "A set of short-term pictures from more than there are, cut off", conf,
            [["sps", "short_term", ue(70000)]])  # fmt: skip
    tiles = ["--MaxCUWidth=16", "--MaxCUHeight=16", "--MaxPartitionDepth=2", "--QuadtreeTULog2MaxSize=4"]
    _coded(c, "hm.tiles", "Coded by HM with tiles of one size", None,
           [*tiles, "--NumTileColumnsMinus1=1", "--NumTileRowsMinus1=1", "--TileUniformSpacing=1"], C=24, H=16,
           W=24, grid=[8, 3])  # fmt: skip
    _coded(c, "hm.tiles-sizes", "Coded by HM with tiles of several sizes", None,
           [*tiles, "--NumTileColumnsMinus1=2", "--NumTileRowsMinus1=1", "--TileUniformSpacing=0",
            "--TileColumnWidthArray=1 2", "--TileRowHeightArray=3"], C=24, H=16, W=24, grid=[8, 3])  # fmt: skip


def _slices(c: Catalog) -> None:
    """Slice headers at 12 bits, which are read up to slice_qp_delta."""
    words = {"bits": 12, "profile": "INTER", **FRAMES}
    small = ["--MaxCUWidth=16", "--MaxCUHeight=16", "--MaxPartitionDepth=2", "--QuadtreeTULog2MaxSize=4"]
    forms: dict[str, tuple[str, str, list[str]]] = {
        "lowdelay": ("P pictures", "lowdelay", []),
        "reordered": ("B pictures", "randomaccess", []),
        "weighted": ("weighted prediction", "lowdelay", ["--WeightedPredP=1", OFFSETS]),
        "weighted.b": (
            "weighted prediction of B pictures",
            "randomaccess",
            ["--WeightedPredB=1", "--WeightedPredP=1", OFFSETS],
        ),
        "slices": ("several slices in P pictures", "lowdelay", [*small, "--SliceMode=1", "--SliceArgument=1"]),
        "segments": (
            "dependent slice segments",
            "lowdelay",
            [*small, "--SliceSegmentMode=1", "--SliceSegmentArgument=1"],
        ),
        "slices.segments": (
            "several slices of two segments",
            "lowdelay",
            [*small, "--SliceMode=1", "--SliceArgument=2", "--SliceSegmentMode=1", "--SliceSegmentArgument=1"],
        ),
        "no.offset": ("P pictures without sample adaptive offset", "lowdelay", ["--SAO=0"]),
        "no.motion": ("P pictures without temporal motion vectors", "lowdelay", ["--TMVPMode=0"]),
    }
    for bits in (8, 10):
        for flag in ("P", "B"):
            _coded(c, f"weights-{flag.lower()}{bits}", f"Weights of {flag} slices with precise offsets at {bits} bits",
                   "hevc.weights", [f"--WeightedPred{flag}=1", OFFSETS.replace("0", "1")], mode="randomaccess",
                   **(words | {"bits": bits}))  # fmt: skip
            _coded(c, f"weights-{flag.lower()}{bits}.plain", f"Weights of {flag} slices at {bits} bits", None,
                   [f"--WeightedPred{flag}=1", OFFSETS], mode="randomaccess", **(words | {"bits": bits}))  # fmt: skip
    for name, (what, mode, extra) in forms.items():
        _coded(c, f"qp-{name}", f"Slice headers at 12 bits with {what}", None, extra, qp=44, mode=mode, **words)
        _coded(c, f"qp-{name}.high", f"A QP above 49 at 12 bits in a slice with {what}", "hevc.qp",
               extra, qp=47 if mode == "lowdelay" else 48, mode=mode, **words)  # fmt: skip
