"""Render what spec/ takes from the declaration in refsw/syntax, or check that it is up to date.

    python tools/render_spec.py            # rewrite the rendered parts
    python tools/render_spec.py --check    # exit 1 and name the files that differ

Rendered are: the code points and syntax tables between markers in spec/06-syntax.md, the limits of the levels in
spec/11-profiles.md, the examples of spec/annex-a-example.md, the lists of spec/annex-c-checklist.md, spec/syntax.json,
and the JSON schemas of spec/schemas.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

import annex_packets
import annex_update
import checklist

from refsw.inspection import inspect
from refsw.payload.native import sparse, universal, universal_prediction
from refsw.payload.native.scale import thresholds
from refsw.profiles import LEVELS, PROFILE_CODECS, PROFILE_EXTENSIONS, LevelLimits
from refsw.syntax import codes
from refsw.syntax.carriage_structures import PACKET_MEANINGS, PacketType
from refsw.syntax.codes import MEANINGS as CHAPTER_6
from refsw.syntax.codes import since
from refsw.syntax.declaration import Activate, Align, Derive, Element, Include, Node, Repeat, Rest, Structure, When
from refsw.syntax.structure import TraceRow
from refsw.syntax.structures import IN_PAYLOADS, STRUCTURES, VERSION_MAJOR, VERSION_MINOR

SPEC = Path(__file__).resolve().parent.parent / "spec"
SCHEMAS = SPEC.parent / "refsw" / "conformance" / "schemas"
WIDTH = 84
MEANINGS = CHAPTER_6 | {PacketType: PACKET_MEANINGS}
ENUMERATIONS: tuple[type[IntEnum], ...] = (
    codes.UnitType,
    codes.Profile,
    codes.Level,
    codes.AxisRole,
    codes.ElementType,
    codes.Quantizer,
    codes.RangeScope,
    codes.RepackLayout,
    codes.PayloadCodec,
    codes.DigestKind,
    codes.LayerKind,
    codes.TensorMode,
    codes.StepMultiplier,
    codes.ModelCoder,
    codes.ValueQuantizer,
    codes.NativeStart,
)
ELEMENT_OF = {
    "UnitType": "unit_type",
    "Profile": "profile_idc",
    "Level": "level_idc",
    "AxisRole": "axis_role",
    "ElementType": "element_type",
    "Quantizer": "quantizer",
    "RangeScope": "range_scope",
    "RepackLayout": "repack_layout",
    "PayloadCodec": "payload_codec",
    "DigestKind": "digest_kind",
    "LayerKind": "layer_kind",
    "TensorMode": "tensor_mode",
    "StepMultiplier": "step_multiplier",
    "ModelCoder": "model_coder",
    "PacketType": "packet_type",
    "ValueQuantizer": "value_quantizer",
    "NativeStart": "native_start",
}
CLAUSE_OF = {"PacketType": "14.3.1"}
"""Where code points are that are not in 6.2."""


# --- Markdown ---


def syntax_table(structure: Structure) -> str:
    """The structure as pseudo-code with a column of descriptors, in the style of video coding standards."""
    lines = [f"{structure.name}( ) {{".ljust(WIDTH) + "Descriptor"]
    lines += _lines(structure.nodes, 1, [])
    if structure in IN_PAYLOADS:
        lines = [line.replace("the end of the unit body", "the end") for line in lines]
    lines.append("}")
    return "```text\n" + "\n".join(lines) + "\n```\n"


def _lines(nodes: tuple[Node, ...], depth: int, indices: list[str]) -> Iterator[str]:
    pad = "    " * depth
    subscript = "".join(f"[ {i} ]" for i in indices)
    for node in nodes:
        if isinstance(node, Element):
            yield (pad + node.name + subscript).ljust(WIDTH) + node.descriptor
        elif isinstance(node, When):
            yield f"{pad}if( {node.condition} ) {{"
            yield from _lines(node.body, depth + 1, indices)
            yield pad + "}"
        elif isinstance(node, Repeat):
            yield f"{pad}for( {node.index} = 0; {node.index} < {node.count}; {node.index}++ ) {{"
            yield from _lines(node.body, depth + 1, [*indices, node.index])
            yield pad + "}"
        elif isinstance(node, Align):
            yield pad + "byte_alignment( )"
        elif isinstance(node, Derive):
            yield f"{pad}{node.name} = {node.expression}"
        elif isinstance(node, Activate):
            yield f"{pad}activate( {node.element} )"
        elif isinstance(node, Include):
            yield f"{pad}{node.structure.name}( )"
        else:
            yield (pad + node.name).ljust(WIDTH) + "b(n), to the end of the unit body"


def semantics_table(structure: Structure) -> str:
    """Range, inference, requirement and meaning of every element."""
    rows = ["| Element | Values | Requirement | Semantics |", "|---|---|---|---|"]
    for element in structure.elements():
        inferred = f" Inferred when absent: `{element.inferred}`." if element.inferred is not None else ""
        requirement = f"`{structure.requirement(element.name)}`" if _bounded(element) else "-"
        rows.append(f"| `{element.name}` | {_values(element)} | {requirement} | {element.doc}{inferred} |")
    for node in structure.nodes:
        if isinstance(node, Rest):
            rows.append(f"| `{node.name}` | any bytes | - | {node.doc} |")
    for derived in _derived(structure.nodes):
        rows.append(f"| *{derived.name}* (variable) | | - | {derived.doc} |")
    return "\n".join(rows) + "\n"


def _bounded(element: Element) -> bool:
    return bool(element.values or element.low or element.high or element.kind == "f")


def _derived(nodes: tuple[Node, ...]) -> Iterator[Derive]:
    for node in nodes:
        if isinstance(node, Derive):
            yield node
        elif isinstance(node, When | Repeat):
            yield from _derived(node.body)


def _values(element: Element) -> str:
    if element.values is not None:
        bound = f"; at most `{element.high}`" if element.high else ""
        name = element.values.__name__
        return f"those of {name} ({CLAUSE_OF.get(name, '6.2')}){bound}"
    if element.kind == "f":
        return "finite, not negative zero"
    if element.low is not None and element.low == element.high:
        return f"`{_number(element.low)}`"
    parts = []
    if element.low is not None:
        parts.append(f"at least `{element.low}`")
    if element.high is not None:
        parts.append(f"at most `{element.high}`" + "; greater ones: later versions" * element.later)
    return ", ".join(parts) or "all"


def _number(text: str) -> str:
    return f"0x{int(text):08X}" if text.isdigit() and int(text) > 2**16 else text


def code_table(kind: type[IntEnum]) -> str:
    """The code points of an enumeration."""
    rows = [f"**{kind.__name__}** (`{ELEMENT_OF[kind.__name__]}`)", "", "| Value | Name | Meaning |", "|---|---|---|"]
    rows += [f"| {member.value} | {member.name} | {MEANINGS[kind][member.name]}{_since(member)} |" for member in kind]
    return "\n".join(rows) + "\n"


def _since(member: IntEnum) -> str:
    return f" (version {VERSION_MAJOR}.{since(member)})" if since(member) else ""


def level_table() -> str:
    """The limits of the levels."""
    names = list(LevelLimits.__dataclass_fields__)
    rows = ["| Limit | Requirement | " + " | ".join(f"Level {level.value}" for level in LEVELS) + " |"]
    rows.append("|---|---|" + "---|" * len(LEVELS))
    for name in names:
        values = " | ".join(f"{getattr(limits, name):,}" for limits in LEVELS.values())
        rows.append(f"| {name.replace('_', ' ')} | `level.{name.replace('_', '-')}` | {values} |")
    return "\n".join(rows) + "\n"


def profile_table() -> str:
    """What the profiles have."""
    rows = ["| Value | Profile | Version | Payload codecs | Extensions |", "|---|---|---|---|---|"]
    for profile, allowed in PROFILE_CODECS.items():
        codecs = ", ".join(codec.name for codec in codes.PayloadCodec if codec in allowed)
        extensions = ", ".join(sorted(PROFILE_EXTENSIONS[profile]))
        version = f"{VERSION_MAJOR}.{since(profile)}"
        cells = (profile.value, profile.name, version, codecs or "none: model updates", extensions or "-")
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows) + "\n"


def hex_dump(name: str) -> str:
    """An example bitstream, element by element; what repeats in an array, or takes no bits there, is left out."""
    data = bytes.fromhex((SPEC / name).read_text())
    found = inspect(data, trace=True)
    if found.error is not None:
        raise found.error
    out = ["```text", "  byte.bit  bits  bytes                     element = value"]
    rows = [row for row in found.rows if row.bits or "[" not in row.element]
    for row, last in _runs(rows):
        value, bits = row.value, last.bit_offset + last.bits - row.bit_offset
        shown = value.hex(" ") if isinstance(value, bytes) else _shown(row)
        first, end = row.bit_offset // 8, (row.bit_offset + bits + 7) // 8
        raw = data[first:end]
        text = raw[:8].hex(" ") + (" .." if len(raw) > 8 else "")
        if isinstance(value, bytes) and len(value) > 32:
            shown = value[:24].hex(" ") + f" .. ({len(value)} bytes)"
        place = f"{first}.{row.bit_offset % 8}"
        element = row.element if row is last else f"{row.element} to {last.element[last.element.rindex('[') :]}"
        out.append(f"{place:>10} {bits:>5}  {text:<25} {element} = {shown}")
    out += ["```", "", f"All {len(data)} bytes:", "", "```text"]
    out += [data[i : i + 16].hex(" ") for i in range(0, len(data), 16)]
    return "\n".join([*out, "```", ""])


def _runs(rows: list[TraceRow]) -> Iterator[tuple[TraceRow, TraceRow]]:
    """First and last row of every run of equal elements of an array; runs of two stay apart."""
    i = 0
    while i < len(rows):
        name, place, end = rows[i].element.rpartition("[")[0], rows[i].value, i + 1
        while name and end < len(rows) and (rows[end].element.rpartition("[")[0], rows[end].value) == (name, place):
            end += 1
        if end - i > 2:
            yield rows[i], rows[end - 1]
        else:
            yield from ((row, row) for row in rows[i:end])
        i = end


def _shown(row: TraceRow) -> str:
    value = row.value
    if row.element == "unit_type":
        value = codes.UnitType(value)
    if isinstance(value, IntEnum):
        return f"{int(value)} ({value.name})"
    return f"0x{value:08X}" if row.element.endswith(("crc", "signature")) else str(value)


# --- JSON ---


def syntax_json() -> dict[str, Any]:
    """The declaration for machines."""
    return {
        "specification": "Deep Feature Coding",
        "version": f"{VERSION_MAJOR}.{VERSION_MINOR}",
        "code_points": {
            kind.__name__: {
                "element": ELEMENT_OF[kind.__name__],
                "values": {m.name: _code_point(m) for m in kind},
            }
            for kind in (*ENUMERATIONS, PacketType)
        },
        "constants": {name: value for s in STRUCTURES for name, value in s.constants.items()},
        "structures": [
            {"name": s.name, "clause": s.clause, "title": s.title, "syntax": [_node(s, n) for n in s.nodes]}
            for s in STRUCTURES
        ],
        "levels": {
            str(level.value): {name: getattr(limits, name) for name in LevelLimits.__dataclass_fields__}
            for level, limits in LEVELS.items()
        },
        "profiles": {
            profile.name: [codec.name for codec in codes.PayloadCodec if codec in allowed]
            for profile, allowed in PROFILE_CODECS.items()
        },
        "extensions": {profile.name: sorted(allowed) for profile, allowed in PROFILE_EXTENSIONS.items() if allowed},
    }


def _code_point(member: IntEnum) -> dict[str, Any]:
    entry: dict[str, Any] = {"value": member.value, "meaning": MEANINGS[type(member)][member.name]}
    return entry | ({"since": f"{VERSION_MAJOR}.{since(member)}"} if since(member) else {})


def _node(structure: Structure, node: Node) -> dict[str, Any]:
    if isinstance(node, Element):
        entry: dict[str, Any] = {"element": node.name, "descriptor": node.descriptor, "semantics": node.doc}
        if _bounded(node):
            entry["requirement"] = structure.requirement(node.name)
        if node.later:
            entry["later"] = True
        for key in ("low", "high", "inferred"):
            if getattr(node, key) is not None:
                entry[key] = getattr(node, key)
        if node.values is not None:
            entry["values"] = node.values.__name__
        return entry
    if isinstance(node, When):
        return {"if": node.condition, "then": [_node(structure, n) for n in node.body]}
    if isinstance(node, Repeat):
        return {"for": node.index, "count": node.count, "do": [_node(structure, n) for n in node.body]}
    if isinstance(node, Align):
        return {"align": 8}
    if isinstance(node, Derive):
        return {"variable": node.name, "expression": node.expression, "semantics": node.doc}
    if isinstance(node, Activate):
        return {"activate": node.element}
    if isinstance(node, Include):
        return {"structure": node.structure.name}
    return {"rest": node.name, "semantics": node.doc}


# --- Files ---


def rendered() -> dict[str, str]:
    """Every rendered part by the name in its markers."""
    parts = {f"syntax {s.name}": syntax_table(s) + "\n" + semantics_table(s) for s in STRUCTURES}
    parts["code points"] = "\n".join(code_table(kind) for kind in ENUMERATIONS)
    parts["packet types"] = code_table(PacketType)
    parts["levels"] = level_table()
    parts["profiles"] = profile_table()
    parts["example"] = hex_dump("annex-a-example.hex")
    parts["update"] = hex_dump("annex-a-update.hex")
    parts["packets"] = annex_packets.table()
    parts |= annex_update.parts()
    parts |= native_parts()
    parts |= checklist.parts(_values)
    return parts


def native_parts() -> dict[str, str]:
    """The numbers of 8.6."""
    rows = {
        "thresholds": [", ".join(f"{t}" for t in thresholds().tolist()[i : i + 10]) for i in range(0, 47, 10)],
    }
    for name, start, first, second in (
        ("", universal, "g", "p"), ("sparse ", sparse, "g", "p"), ("time ", universal_prediction, "i", "h"),
    ):  # fmt: skip
        rows[name + "weights"] = [
            f"{first} = {i // 4}, {second} = {i % 4}:  " + ", ".join(map(str, row))
            for i, row in enumerate(start.WEIGHTS)
        ]
        rows[name + "points"] = [f"b = {b:2}:  " + ", ".join(map(str, row)) for b, row in enumerate(start.POINTS)]
        rows[name + "tables"] = [f"t = {t:3}:  {codes}" for t, codes in enumerate(start.CODES)]
    return {f"native {name}": "```text\n" + "\n".join(lines) + "\n```\n" for name, lines in rows.items()}


def fill(text: str, parts: dict[str, str], used: set[str]) -> str:
    """The text with the contents between its markers replaced."""

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        used.add(name)
        return f"<!-- rendered: {name} -->\n\n{parts[name]}\n<!-- end -->"

    return re.sub(r"<!-- rendered: ([^>]+?) -->.*?<!-- end -->", replace, text, flags=re.DOTALL)


def files() -> dict[Path, str]:
    """Every rendered file with the contents that it should have."""
    parts, used = rendered(), set[str]()
    out = {path: fill(path.read_text(), parts, used) for path in sorted(SPEC.glob("*.md"))}
    missing = set(parts) - used
    if missing:
        raise SystemExit(f"no markers in spec/ for: {', '.join(sorted(missing))}")
    out[SPEC / "syntax.json"] = json.dumps(syntax_json(), indent=1) + "\n"
    # The installed package has its own copies, since spec/ does not travel with it.
    out |= {SPEC / "schemas" / path.name: path.read_text() for path in SCHEMAS.glob("*.schema.json")}
    return out


def main() -> int:
    """Render, or check with --check."""
    stale = [(p, t) for p, t in files().items() if not p.exists() or p.read_text() != t]
    for path, text in stale:
        print(
            f"{path.relative_to(SPEC.parent)} {'differs from the declaration' if '--check' in sys.argv else 'rendered'}"
        )
        if "--check" not in sys.argv:
            path.write_text(text)
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
