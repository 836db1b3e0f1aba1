"""8.4.5: P and B slices at 12 bits whose headers have every element before slice_qp_delta, with their pictures.

The reference pictures are the coded I pictures of a stored stream under headers of their own. The picture in question
copies its first reference: one skipped coding block, whose arithmetic code depends on QP alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.words import data, fps
from vectors.sets import escaped, ue

AREA = "hevc"
OF = "hevc-hm.8x8-12_r1"
INIT_QP, QP_OF_DATA, POC_BITS = 29, 30, 8
ONE_BLOCK = {"codec": "HEVC", "H": 8, "W": 8, "layout": "SEQUENCE", "grid": None, "bits": 12, "of": OF}
INTRA = ("c1c7336c6fb6c0", "e22e3072f8c216be4360be21373037be35f133c39721c87ff6bfcf1cb0", "c1382efd78",
         "ed0427db85293136ca578913bfc580")  # fmt: skip
"""Slice data of the stored pictures."""
SKIPPED = {49: "a180", 50: "a680"}
"""By QP: cu_skip_flag 1 and end_of_slice_segment_flag 1."""

# Short-term reference picture sets of the SPS: three that follow from one another, and one for the order of entries.
FIRST = ue(2) + ue(1) + (ue(0) + "1") + (ue(1) + "1") + (ue(2) + "1")  # -1, -3, +3
SECOND = "1" + "1" + ue(0) + "1" * 2 + "00" + "1"  # by -1 from the first: -2, -4, -1
THIRD = "1" + "0" + ue(2) + "01" * 2 + "1" + "1"  # by +3 from the second: +2 and +1 unused, -1, +3
FOURTH = "0" + ue(1) + ue(1) + (ue(1) + "1") + (ue(0) + "1")  # -2, +1
FIFTH = "0" + ue(0) + ue(2) + (ue(0) + "1") + (ue(1) + "1")  # +1, +3
SPS_SETS = ue(5) + FIRST + SECOND + THIRD + FOURTH + FIFTH
KNOWN = ue(2) + f"{1:08b}" + "1" + f"{2:08b}" + "0"  # long-term pictures of the SPS
NONE_KNOWN = ue(0)


@dataclass(frozen=True)
class References:
    """Bits of a slice header, and the pictures that they name: by their distance, or long-term ones by their number."""

    bits: str
    used: tuple[int, ...]
    unused: tuple[int, ...] = ()


SETS = [
    References("1000", (-1, -3, 3)), References("1001", (-2, -4, -1)), References("1010", (-1, 3), (1, 2)),
    References("1011", (-2, 1)), References("1100", (1, 3)),
]  # fmt: skip
EMPTY = References("0" + "0" + ue(0) + ue(0), ())
OWN = References("0" + "0" + ue(1) + ue(1) + ue(0) + "1" + ue(4) + "1", (-1, 5))
OWN_TWO = References("0" + "0" + ue(0) + ue(2) + ue(0) + "1" + ue(1) + "1", (1, 3))
# Made from a set of the SPS: how far back it is, sign and size of the step, and flags of its entries and of the step.
# What comes out as 0 is the picture itself, and must not be in the set.
OF_FIRST = References("01" + ue(4) + "1" + ue(1) + "1" + "01" + "1" + "00", (-3, 1), (-5,))
OF_FIRST_LESS = References("01" + ue(4) + "1" + ue(2) + "1" + "00" + "00" + "1", (-4, -3))
OF_SECOND = References("01" + ue(3) + "0" + ue(1) + "1" + "00" + "1" + "1", (1, -2, 2))
OF_SECOND_LESS = References("01" + ue(3) + "0" + ue(1) + "1" + "00" + "00" + "1", (1, 2))
OF_THIRD = References("01" + ue(2) + "0" + ue(0) + "00" + "1" * 4, (1, 2, 3, 4))
OF_THIRD_ONE = References("01" + ue(2) + "1" + ue(0) + "1" + "00" + "1" + "1" + "00", (-2, 1, 2))
OF_THIRD_BACK = References("01" + ue(2) + "1" + ue(1) + "01" + "1" + "00" + "1" + "1", (-1, 1, -2), (-3,))
OF_FOURTH = References("01" + ue(1) + "0" + ue(1) + "00" + "01" + "1", (2,), (3,))
OF_FOURTH_TWO = References("01" + ue(1) + "0" + ue(1) + "00" + "1" + "1", (2, 3))
OF_FIFTH = References("01" + ue(0) + "1" + ue(2) + "1" + "00" + "1", (-2, -3))
OF_FIFTH_BACK = References("01" + ue(0) + "1" + ue(0) + "00" + "1" + "1", (2, -1))
OF_FIFTH_TWO = References("01" + ue(0) + "1" + ue(1) + "1" * 3, (-1, 1, -2))
OF_FIFTH_ON = References("01" + ue(0) + "0" + ue(0) + "1" * 3, (1, 2, 4))

NONE = References(ue(0) + ue(0), ())
CYCLE = "1" + ue(1)  # of picture order counts of 256, since
LONG = References(ue(1) + ue(2) + "0" + "0" + f"{9:08b}" + "1" + CYCLE + f"{7:08b}" + "0" + "0", (1, 9), (7,))
LONG_ONE = References(ue(1) + ue(0) + "0" + CYCLE, (1,))
LONG_UNUSED = References(ue(1) + ue(1) + "1" + "0" + f"{9:08b}" + "1" + "0", (9,), (2,))
LONG_BOTH = References(ue(2) + ue(1) + "0" + "0" + "1" + CYCLE + f"{9:08b}" + "0" + "0", (1,), (2, 9))
LONG_OWN = References(ue(0) + ue(2) + f"{9:08b}" + "1" + "0" + f"{7:08b}" + "1" + CYCLE, (9, 7))
TOOLS = "10000000" + "111100010"  # of the range extensions, those of the stored stream but high-precision offsets
WEIGHT = (ue(3) + ue(8)) + (ue(1) + ue(2))


@dataclass(frozen=True)
class Form:
    """What a slice header says, of the elements that the parameter sets of `_edit` put there."""

    kind: str
    short: References = SETS[1]
    long: References = NONE
    motion: str = "1"
    counts: tuple[int, ...] | None = None  # of entries in the lists; those of the PPS if None
    modified: str = "00"
    flags: str = "11"  # mvd_l1_zero_flag and cabac_init_flag
    collocated: str | None = None
    weights: str = ""
    known: str = KNOWN
    sets: str = SPS_SETS
    lists: int = 1

    def pictures(self) -> list[str]:
        """NAL units of the pictures it refers to, in hex: they come before it."""
        near = self.short.used + self.short.unused
        far = [*self.long.used, *self.long.unused]
        counts = [0, *sorted(far), 127, 254, *sorted(self.place + d for d in near)]
        out = []
        for index, count in enumerate(counts):
            wanted = {*far, *(self.place + d for d in near)} & {*counts[:index]}
            out.append(_intra(count, sorted(wanted, reverse=True), index, self.known))
        return out

    @property
    def place(self) -> int:
        """Its picture order count."""
        return 256 + 20

    def slice(self, qp: int, slice_data: str = "") -> str:
        """Its own NAL unit, in hex."""
        used = len(self.short.used) + len(self.long.used)
        bits = "1" + ue(0) + "10" + ue("BPI".index(self.kind)) + "1" + _low(self.place)
        bits += self.short.bits + self.long.bits + self.motion + "0"
        counts = self.counts or (3, 2)[: 2 if self.kind == "B" else 1]
        bits += "1" + "".join(ue(count - 1) for count in counts) if self.counts else "0"
        if used > 1 and self.lists:
            for flag, count in zip(self.modified, counts, strict=False):
                bits += flag + f"{1:0{(used - 1).bit_length()}b}" * (count if flag == "1" else 0)
        bits += self.flags if self.kind == "B" else self.flags[1]
        if self.motion == "1":
            usual = ("1" if self.kind == "B" else "") + (ue(1) if counts[0] > 1 else "")
            bits += usual if self.collocated is None else self.collocated
        bits += (self.weights or ue(3) + "0" * sum(counts)) + ue(4)
        return _nal(1, bits + _delta(qp), slice_data or SKIPPED[qp])


def _intra(count: int, kept: list[int], index: int, known: str) -> str:
    """An I picture after which those of `kept` remain, and which nothing else needs."""
    bits = "1" + ("0" if not index else "") + ue(0) + "10" + ue(2) + "1"
    if index:
        steps = [a - b for a, b in zip([count, *kept], kept, strict=False)]
        bits += _low(count) + "00" + ue(len(kept)) + ue(0) + "".join(ue(step - 1) + "1" for step in steps)
        bits += ue(0) * (1 if known == NONE_KNOWN else 2) + "0"  # no long-term pictures, no temporal motion
    return _nal(1 if index else 19, bits + "1" + _delta(QP_OF_DATA), INTRA[index % len(INTRA)])


def _low(count: int) -> str:
    return f"{count % (1 << POC_BITS):0{POC_BITS}b}"


def _delta(qp: int) -> str:
    delta = qp - INIT_QP
    return ue(2 * delta - 1 if delta > 0 else -2 * delta)


def _nal(kind: int, header: str, slice_data: str) -> str:
    bits = header + "1" + "1"  # filters across slices, alignment
    bits += "0" * (-len(bits) % 8)
    return "000001" + (bytes([kind << 1, 1]) + escaped(bits + f"{int(slice_data, 16):0{4 * len(slice_data)}b}")).hex()


def _edit(form: Form) -> list[list[Any]]:
    return [["sps", "dpb", 15], ["sps", "reorder", 8], ["sps", "extension", TOOLS],
            ["sps", "long_term", form.known], ["sps", "short_term", form.sets], ["pps", "output_flag", 1],
            ["pps", "extra", 2], ["pps", "cabac_init", 1], ["pps", "references_l0", 2],
            ["pps", "references_l1", 1], ["pps", "init_qp", 2 * (INIT_QP - 26) - 1],
            ["pps", "weighted", 3], ["pps", "lists", form.lists]]  # fmt: skip


FORMS: dict[str, Form] = {
    **{f"p.set.{i}": Form("P", known, modified="1") for i, known in enumerate(SETS)},
    **{f"b.set.{i}": Form("B", known, modified="11") for i, known in enumerate(SETS)},
    **{f"p.set.{i}.long": Form("P", known, LONG, modified="1") for i, known in enumerate(SETS)},
    "b.own": Form("B", OWN, LONG, modified="01"),
    "b.own.alone": Form("B", OWN, modified="10"),
    "p.own.two": Form("P", OWN_TWO, LONG_ONE, modified="1"),
    "p.of.first": Form("P", OF_FIRST, modified="1"),
    "p.of.first.less": Form("P", OF_FIRST_LESS, modified="1"),
    "p.of.first.less.long": Form("P", OF_FIRST_LESS, LONG, modified="1"),
    "p.of.second": Form("P", OF_SECOND, LONG_ONE, modified="1"),
    "p.of.second.less": Form("P", OF_SECOND_LESS, modified="1"),
    "p.of.third": Form("P", OF_THIRD, modified="1"),
    "p.of.third.long": Form("P", OF_THIRD, LONG_UNUSED, modified="1"),
    "b.of.third.back": Form("B", OF_THIRD_BACK, modified="11"),
    "p.of.third.one": Form("P", OF_THIRD_ONE, modified="1"),
    "p.of.fourth": Form("P", OF_FOURTH),
    "p.of.fourth.two": Form("P", OF_FOURTH_TWO, modified="1"),
    "p.of.fifth": Form("P", OF_FIFTH, modified="1"),
    "p.of.fifth.back": Form("P", OF_FIFTH_BACK, modified="1"),
    "p.of.fifth.two": Form("P", OF_FIFTH_TWO, modified="1"),
    "p.of.fifth.on": Form("P", OF_FIFTH_ON, modified="1"),
    "b.long": Form("B", EMPTY, LONG, modified="11"),
    "b.long.one": Form("B", EMPTY, LONG_ONE),
    "p.long.unused": Form("P", SETS[3], LONG_UNUSED, modified="1"),
    "p.long.both": Form("P", EMPTY, LONG_BOTH),
    "p.long.both.near": Form("P", SETS[3], LONG_BOTH, modified="1"),
    "p.long.own": Form("P", EMPTY, LONG_OWN, modified="1"),
    "p.override": Form("P", counts=(5,), modified="1"),
    "b.override": Form("B", counts=(1, 4), modified="01", collocated="0" + ue(1)),
    "b.override.one": Form("B", counts=(1, 1), collocated="0"),
    "p.override.one": Form("P", counts=(1,)),
    "b.override.l0": Form("B", counts=(1, 2), collocated="1"),
    "b.override.l1": Form("B", counts=(2, 1), collocated="0"),
    "b.collocated": Form("B", collocated="0" + ue(1)),
    "b.motion.off": Form("B", motion="0", flags="00"),
    "p.motion.off": Form("P", motion="0", flags="00"),
    "p.weights": Form("P", weights=ue(5) + "101" + WEIGHT),
    "b.weights": Form("B", weights=ue(5) + "010" + (ue(3) + ue(8)) + "11" + WEIGHT),
    "p.lists.off": Form("P", lists=0),
    "b.lists.off": Form("B", SETS[0], LONG, lists=0),
    "p.known.one": Form("P", EMPTY, References(ue(1) + ue(1) + "0" + f"{9:08b}" + "1" + "0", (1, 9)), modified="1",
                        known=ue(1) + f"{1:08b}" + "1"),
    "p.known.none": Form("P", EMPTY, References(ue(1) + f"{9:08b}" + "1" + CYCLE, (9,)), known=NONE_KNOWN),
    "p.sets.one": Form("P", References("1", SETS[0].used), modified="1", sets=ue(1) + FIRST),
}  # fmt: skip


# Streams by the stored parameter sets: an IDR picture, and what follows it.
IDR = _nal(19, "1" + "0" + ue(0) + ue(2) + "1" + ue(7), INTRA[0])


def _simple(kind: int, count: int, slice_type: str, more: str, qp: int, slice_data: str) -> str:
    bits = "1" + ("0" if kind >= 16 else "") + ue(0) + ue("BPI".index(slice_type)) + _low(count) + more
    return _nal(kind, bits + ue(2 * (qp - 26) - 1), slice_data)


RASL = (
    IDR
    + _simple(21, 4, "I", "00" + ue(1) + ue(0) + ue(3) + "1" + "0" + "1", QP_OF_DATA, INTRA[1])
    + _simple(8, 2, "I", "00" + ue(1) + ue(1) + ue(1) + "1" + ue(1) + "1" + "0" + "1", QP_OF_DATA, INTRA[2])
)


def second_slice() -> str:
    """An I picture again, as the second slice of a picture that has one block."""
    return IDR + _nal(19, "0" + "0" + ue(0) + ue(2) + "1" + ue(47), INTRA[0])


def stream(form: Form, qp: int, slice_data: str = "") -> list[Any]:
    """A picture with the pictures that it refers to."""
    slices = [*form.pictures(), form.slice(qp, slice_data)]
    return [fps(**(ONE_BLOCK | {"C": len(slices)}), edit=_edit(form)), data(payload="".join(slices))]


def register(c: Catalog) -> None:
    """Add the recipes."""
    for name, form in FORMS.items():
        for qp, violates in ((49, None), (50, "hevc.qp")):
            what = f"A {form.kind} picture at 12 bits and QP {qp} with the references of {name}"
            judged = {"kind": "invalid", "violates": violates} if violates else {}
            c.stream(f"hevc-qp-references.{name}.{qp}", what, stream(form, qp), area=AREA, profile="INTER", **judged)
