"""8.4.5: slice headers at 12 bits with elements that no encoder at hand writes; the slices end after slice_qp_delta."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.hevc import BASE
from vectors.recipes.words import data, fps
from vectors.sets import escaped, ue

AREA = "hevc"
OF = "hevc-hm.8x8-12_r1"
INIT_QP = 29
WORDS = BASE | {"C": 2, "layout": "SEQUENCE", "grid": None, "bits": 12, "of": OF}

# Short-term reference picture sets: three of the SPS that follow from one another, and one for the order of entries.
FIRST = ue(2) + ue(1) + (ue(0) + "1") + (ue(1) + "1") + (ue(2) + "1")  # -1, -3, +3
SECOND = "1" + "1" + ue(0) + "1" * 2 + "00" + "1"  # by -1 from the first: -2, -4, -1
THIRD = "1" + "0" + ue(2) + "01" * 2 + "1" + "1"  # by +3 from the second: +2 and +1 unused, -1, +3
FOURTH = "0" + ue(1) + ue(1) + (ue(1) + "1") + (ue(0) + "1")  # -2, +1

# Bits, and how many pictures they let the current one use.
Known = tuple[str, int]
SETS: list[Known] = [("100", 3), ("101", 3), ("110", 2), ("111", 2)]
EMPTY: Known = ("0" + "0" + ue(0) + ue(0), 0)
OWN: Known = ("0" + "0" + ue(1) + ue(1) + ue(0) + "1" + ue(4) + "1", 2)  # -1, +5
OF_FIRST: Known = ("0" + "1" + ue(3) + "1" + ue(1) + "1" + "01" + "1" + "00", 2)  # by -2: -3, -5 unused, +1
OF_FIRST_LESS: Known = ("0" + "1" + ue(3) + "1" + ue(2) + "1" * 4, 3)  # by -3, which makes +3 the picture itself
OF_THIRD: Known = ("0" + "1" + ue(1) + "0" + ue(0) + "1" * 5, 4)  # by +1, which makes -1 the picture itself
OF_FOURTH: Known = ("0" + "1" + ue(0) + "0" + ue(1) + "1" + "01" + "1", 1)  # by +2, which makes -2 the picture itself
FAR: Known = ("0" + "1" + ue(4) + "1" + ue(1) + "1" * 5, 2)  # from five sets back, where there are four
# Of two known long-term pictures the first, then two of the slice's own.
LONG: Known = (ue(1) + ue(2) + "0" + "0" + f"{9:08b}" + "1" + "1" + ue(4) + f"{7:08b}" + "0" + "0", 2)
NONE: Known = (ue(0) + ue(0), 0)
# What the SPS knows of long-term pictures; of a single one, the index has no bits, and of none, there is no count.
TWO_KNOWN = ue(2) + f"{1:08b}" + "1" + f"{2:08b}" + "0"
ONE_KNOWN = ue(1) + f"{1:08b}" + "1"
NONE_KNOWN = ue(0)
WEIGHT = (ue(3) + ue(8)) + (ue(1) + ue(2))


def header(kind: str, *, nal: int = 1, qp: int = 50, first: str = "1", short: Known = SETS[1], long: Known = LONG,
           motion: str = "1", references: list[int] | None = None, modified: str = "00", flags: str = "11",
           collocated: str | None = None, weights: str = "") -> str:  # fmt: skip
    """An independent slice segment up to slice_qp_delta, by the parameter sets of `_sets`, as a NAL unit in hex."""
    bits = first + ("0" if nal >= 16 else "") + ue(0) + "10" + ue("BPI".index(kind)) + "1"
    used = 0
    if nal not in (19, 20):
        bits += f"{3:08b}" + short[0] + long[0] + motion
        used = short[1] + long[1]
    bits += "1"  # sample adaptive offset
    if kind != "I":
        counts = references or [3, 2][: 2 if kind == "B" else 1]
        bits += "1" + "".join(ue(count - 1) for count in counts) if references else "0"
        if used > 1:
            for flag, count in zip(modified, counts, strict=False):
                bits += flag + f"{1:0{(used - 1).bit_length()}b}" * (count if flag == "1" else 0)
        bits += flags if kind == "B" else flags[1]
        if motion == "1" and nal not in (19, 20):
            bits += collocated if collocated is not None else ("1" if kind == "B" else "") + ue(1)
        bits += (weights or ue(3) + "0" * sum(counts)) + ue(2)
    delta = qp - INIT_QP
    bits += ue(2 * delta - 1 if delta > 0 else -2 * delta)
    return "000001" + (bytes([nal << 1, 1]) + escaped(bits + "1")).hex()


def _sets(short: str, known: str) -> list[list[Any]]:
    return [["sps", "dpb", 5], ["sps", "extension", None], ["sps", "long_term", known], ["sps", "short_term", short],
            ["pps", "output_flag", 1], ["pps", "extra", 2], ["pps", "cabac_init", 1], ["pps", "references_l0", 2],
            ["pps", "references_l1", 1], ["pps", "init_qp", 2 * (INIT_QP - 26) - 1], ["pps", "weighted", 3],
            ["pps", "lists", 1]]  # fmt: skip


FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "i": ("I", {}),
    "idr": ("I", {"nal": 20}),
    "idr.p": ("P", {"nal": 19}),
    "idr.b": ("B", {"nal": 20}),
    **{f"p.set.{i}": ("P", {"short": known, "modified": "1"}) for i, known in enumerate(SETS)},
    **{f"b.set.{i}": ("B", {"short": known, "long": NONE, "modified": "11"}) for i, known in enumerate(SETS)},
    "b.own": ("B", {"short": OWN, "modified": "01"}),
    "b.own.alone": ("B", {"short": OWN, "long": NONE, "modified": "10"}),
    "p.of.first": ("P", {"short": OF_FIRST, "long": NONE, "modified": "1"}),
    "p.of.first.less": ("P", {"short": OF_FIRST_LESS, "long": NONE, "modified": "1"}),
    "p.of.first.less.long": ("P", {"short": OF_FIRST_LESS, "modified": "1"}),
    "p.of.third": ("P", {"short": OF_THIRD, "long": NONE, "modified": "1"}),
    "p.of.third.long": ("P", {"short": OF_THIRD, "modified": "1"}),
    "p.of.fourth": ("P", {"short": OF_FOURTH, "long": NONE}),
    "b.long": ("B", {"short": EMPTY, "modified": "11"}),
    "b.long.one": ("B", {"short": EMPTY, "long": (ue(1) + ue(0) + "0" + "1" + ue(1), 1)}),
    "b.long.unused": ("B", {"short": EMPTY, "long": (ue(2) + ue(0) + "1" + "0" + "1" + "1" + ue(6), 0)}),
    "b.none": ("B", {"short": EMPTY, "long": NONE}),
    "p.override": ("P", {"references": [5], "modified": "1"}),
    "b.override": ("B", {"references": [1, 4], "modified": "01", "collocated": "0" + ue(1)}),
    "b.override.one": ("B", {"references": [1, 1], "collocated": "0"}),
    "p.override.one": ("P", {"references": [1], "collocated": ""}),
    "b.override.l0": ("B", {"references": [1, 2], "collocated": "1"}),
    "b.collocated": ("B", {"collocated": "0" + ue(1)}),
    "b.motion.off": ("B", {"motion": "0", "flags": "00"}),
    "p.motion.off": ("P", {"motion": "0", "flags": "00"}),
    "p.weights": ("P", {"weights": ue(5) + "101" + WEIGHT}),
    "b.weights": ("B", {"weights": ue(5) + "010" + (ue(3) + ue(8)) + "11" + WEIGHT}),
}  # fmt: skip


def register(c: Catalog) -> None:
    """Add the recipes."""
    four = ue(4) + FIRST + SECOND + THIRD + FOURTH
    for name, (kind, form) in FORMS.items():
        for qp in (50, 49):
            slices = header("I", nal=20, qp=27) + header(kind, qp=qp, **form)
            _add(
                c,
                f"{name}.{qp}",
                f"ends after QP {qp} ({name})",
                four,
                slices,
                "hevc.qp" if qp == 50 else "hevc.decodes",
            )
    start = header("I", nal=20, qp=27)
    one, short = ue(1) + FIRST, ("1", 3)
    _add(c, "one.set", "takes the only set of the SPS", one, start + header("P", short=short), "hevc.qp")
    _add(c, "no.set", "takes a set of an SPS that has none", ue(0), start + header("P", short=short),
         "hevc.slice-header")  # fmt: skip
    _add(c, "far.set", "refers to a set before the first", four, start + header("P", short=FAR), "hevc.slice-header")
    for name, known, long in (
        ("long.known.one", ONE_KNOWN, (ue(1) + ue(1) + "0" + f"{9:08b}" + "1" + "0", 2)),
        ("long.known.none", NONE_KNOWN, (ue(1) + f"{9:08b}" + "1" + "1" + ue(2), 1)),
    ):
        slices = start + header("P", short=EMPTY, long=long, modified="1")
        _add(c, name, f"ends after QP 50 ({name})", four, slices, "hevc.qp", known=known)
    second = start + header("I", nal=20, qp=50, first="0")
    _add(c, "second", "is that of the second slice of a picture", four, second, "hevc.qp", count=1)


def _add(c: Catalog, name: str, what: str, short: str, slices: str, violates: str, count: int = 2,
         known: str = TWO_KNOWN) -> None:  # fmt: skip
    c.stream(f"hevc-qp-header.{name}", f"A slice header at 12 bits that {what}",
             [fps(**(WORDS | {"C": count}), edit=_sets(short, known)), data(payload=slices)], area=AREA,
             profile="INTER", kind="invalid", violates=violates)  # fmt: skip
