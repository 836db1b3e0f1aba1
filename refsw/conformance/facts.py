"""13.10 What vectors show, whatever they hold: evidence, and the requirements that every bitstream relies on or breaks.

A vector is positive evidence of a requirement if a decoder that does not follow it would fail on the vector. What is
derived here needs no list by hand: the elements of the trace, the parameters, and facts about the payloads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from refsw.errors import DfcError, ErrorClass
from refsw.syntax.codes import UnitType, code_points
from refsw.syntax.structure import TraceRow
from refsw.syntax.structures import STRUCTURES
from refsw.syntax.units import Header

ALWAYS = [
    "bits.order",
    "descriptor.u",
    "descriptor.ue-prefix",
    "descriptor.leb-length",
    "descriptor.leb-shortest",
    "descriptor.b",
    "crc.definition",
    "bitstream.structure",
    "bitstream.signature",
    "bitstream.header-complete",
    "bitstream.header-crc",
    "bitstream.end",
    "bitstream.nothing-after-end",
    "bitstream.version-major",
    "unit.framing",
    "unit.complete",
    "unit.crc",
    "unit.complete-element",
    "unit.skippable-known",
    "end.bitstream-crc",
    "end.sample-counts",
    "syntax.elements",
    "syntax.bounds",
    "syntax.reserved",
    "profile.decoder",
    "profile.declared",
    "level.declared",
    "level.limits",
]
BOUNDED = {
    s.requirement(e.name) for s in STRUCTURES for e in s.elements() if e.values or e.low or e.high or e.kind == "f"
}
CODE_POINTS = {e.name for s in STRUCTURES for e in s.elements() if e.values is not None}
LATER = {s.requirement(e.name) for s in STRUCTURES for e in s.elements() if e.later}
INFERRED = {(s.name, e.name) for s in STRUCTURES for e in s.elements() if e.inferred is not None}


@dataclass
class Evidence:
    """What was observed of a bitstream.

    `tensors` has the digests as a manifest has them; `cells` and `requirements` are sorted by no one.
    """

    profile: str | None = None
    level: int | None = None
    error: DfcError | None = None
    cells: set[str] = field(default_factory=set)
    requirements: set[str] = field(default_factory=set)
    tensors: list[dict[str, Any]] = field(default_factory=list)
    model_digest: str | None = None


def broken(error: DfcError) -> set[str]:
    """The requirements that a rejected bitstream breaks: the one that the error names, and those that contain it."""
    name = error.requirement
    found = {name, "error.reject"}
    if name in BOUNDED:
        found.add("syntax.bounds")
        if error.element in CODE_POINTS:
            found |= {"syntax.reserved"}
            if error.exit_code == 69:
                found.add("bitstream.version-minor")
        if name in LATER and error.exit_code == 69:
            found.add("syntax.later")
        if error.error_class is ErrorClass.NONFINITE or error.got == "-0.0":
            found.add("descriptor.f32")
    if name.startswith("level.") and name != "level.capacity":
        found |= {"level.limits", "level.declared"}
    if name in ("profile.model", "profile.codec", "hevc.intra-only"):
        found.add("profile.declared")
    if name == "hevc.intra-only":
        found.add("profile.inter")
    if name == "unit.complete-element":
        found |= {"syntax.elements", "descriptor.u", "descriptor.b"}
    if name in ("bitstream.end", "order.units", "bitstream.nothing-after-end"):
        found.add("bitstream.structure")
    if name in ("bitstream.header-crc", "unit.crc", "end.bitstream-crc"):
        found.add("crc.definition")
    if name == "unit.crc":
        found.add("unit.framing")
    if error.element == "model_payload":
        found |= {"model.xz"} if name.startswith("bytes.") else set()
    elif name in ("image.count", "hevc.picture-count", "bytes.size", "image.size", "hevc.picture-size"):
        found |= {"payload.pictures", "decode.pictures", "unpack.pictures"}
    if name == "digest.value":
        found |= {"digest.bytes", "digest.text"}
    return found


def of_syntax(rows: list[TraceRow], header: Header) -> Iterator[str]:
    """The requirements on syntax elements that a trace shows."""
    for row in rows:
        name = f"{row.structure}.{row.element.split('[')[0]}"
        if name in BOUNDED:
            yield name
        if name in LATER:
            yield "syntax.later"
        if row.descriptor in ("f(32)", "se(v)"):
            yield {"f(32)": "descriptor.f32", "se(v)": "descriptor.se"}[row.descriptor]
        elif row.element == "byte_alignment_bits":
            yield "descriptor.alignment-zero"
        elif row.element == "unit_type" and row.value not in code_points(UnitType, header.edition.version):
            yield "unit.unknown"
    present = {(row.structure, row.element.split("[")[0]) for row in rows}
    structures = {structure for structure, _ in present}
    if any(s in structures and (s, e) not in present for s, e in INFERRED):
        yield "syntax.inference"
    yield "bitstream.version-minor" if header.is_later else "unit.no-rest"
    if any(row.structure == "metadata" and row.element.startswith("text[") and not row.value.isascii() for row in rows):
        yield "metadata.utf8"
