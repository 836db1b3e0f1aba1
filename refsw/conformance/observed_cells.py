"""13.10 Coverage of the syntax: the cells that a bitstream exercises.

They are read off the decoder's trace, and off its error where that ended the reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Any

from refsw.conformance.cells import BODIES, class_of, leaves, value_classes
from refsw.errors import DfcError, ErrorClass
from refsw.syntax.codes import Profile, UnitType, code_points, since
from refsw.syntax.declaration import (
    FUNCTIONS,
    Align,
    Element,
    Include,
    Node,
    Repeat,
    Rest,
    Structure,
    Values,
    When,
    ceil_div,
)
from refsw.syntax.structure import TraceRow
from refsw.syntax.structures import BITSTREAM_HEADER, BY_UNIT_TYPE, IN_PAYLOADS

PRIVATE = range(64, 128)
INNER = {s.name for s in IN_PAYLOADS}
"""What stands within payloads has requirements, and no cells of its own."""
PADDING = "byte_alignment_bits"
WHOLE_UNIT = "unit_body and unit_crc"


def observed(rows: Iterable[TraceRow], error: DfcError | None, size: int) -> set[str]:
    """The cells that a bitstream exercises.

    Args:
        rows: the decoder's trace, in the order in which it came.
        error: what ended the decoding.
        size: of the bitstream in bytes.
    """
    cells: set[str] = set()
    units: list[list[TraceRow]] = []
    rows = [row for row in rows if row.structure not in INNER]
    version = next((since(row.value) for row in rows if isinstance(row.value, Profile)), 0)
    for row in rows:
        if row.structure == BITSTREAM_HEADER.name:
            cells |= _of_header(row, version)
        elif row.element == "unit_type":
            units.append([row])
        elif units:
            units[-1].append(row)
    part_counts: dict[int, int] = {}
    for number, unit in enumerate(units):
        whole = error is None or number + 1 < len(units) or not _within_body(error)
        cells |= _of_unit(unit, whole, version, part_counts)
    if error is not None:
        cells |= _of_error(error, size, units)
    return cells


def _within_body(error: DfcError) -> bool:
    return error.requirement in ("unit.complete-element", "descriptor.ue-prefix", "descriptor.alignment-zero") or (
        "." in error.requirement and error.requirement.split(".")[0] in BODIES
    )


def _of_header(row: TraceRow, version: int) -> set[str]:
    name = f"{row.structure}.{row.element}"
    fixed = {
        "signature": "right",
        "version_major": "supported",
        "version_minor": "own" if row.value == version else "later",
        "header_crc": "right",
    }
    value = fixed.get(row.element) or (row.value.name if isinstance(row.value, IntEnum) else "reserved")
    return {f"{name}={value}"}


def _of_unit(rows: list[TraceRow], whole: bool, version: int, part_counts: dict[int, int]) -> set[str]:
    """What a unit exercises; `part_counts` is by parameter set, and kept up to date."""
    kind, skippable, length = (row.value for row in rows[:3])
    known = code_points(UnitType, version)
    cells = {
        f"unit_header.unit_type={known[kind].name if kind in known else 'private' if kind in PRIVATE else 'reserved'}",
        f"unit_header.skippable_flag={skippable}",
        f"unit.unit_length={_length_class(length)}",
        "unit.unit_crc=right",
    }
    if kind not in known:
        return cells | {"unit.unit_body=unknown"}
    structure = BY_UNIT_TYPE[UnitType(kind)]
    body = rows[4:]
    scope: Values = dict(FUNCTIONS) | structure.constants
    scope |= {e.name: int(e.inferred) for e in structure.elements() if e.inferred and e.inferred.isdigit()}
    scope |= _variables(body, part_counts)
    within = [structure, *(s for s in _included(structure) if any(row.structure == s.name for row in body))]
    for row in body:
        name, _, rest = row.element.partition("[")
        own = BODIES[row.structure]
        element = _elements(own).get(name)
        if name == PADDING:
            cells.add(f"{own.name}.byte_alignment=zeros")
        elif element is None:
            cells.add(f"{own.name}.{name}=present")
        else:
            indices = [int(i) for i in rest.rstrip("]").split("][")] if rest else []
            scope |= dict(zip(dict(_loops(own.nodes, ()))[name], indices, strict=True))
            value = class_of(element, row.value, scope, row.bits)
            cells |= {f"{own.name}.{name}={value}"} if value else set()
            _keep(scope, name, indices, row.value)
    if whole and body:
        for own in within:
            cells |= _absent(own, {row.element.split("[")[0] for row in body if row.structure == own.name})
    return cells


def _loops(nodes: tuple[Node, ...], indices: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The indices of every element, by its name."""
    for node in nodes:
        if isinstance(node, Element):
            yield node.name, indices
        elif isinstance(node, When):
            yield from _loops(node.body, indices)
        elif isinstance(node, Repeat):
            yield from _loops(node.body, (*indices, node.index))


def _keep(scope: Values, name: str, indices: list[int], value: Any) -> None:
    """Put a value where the bounds of later elements look for it: lists are dictionaries here, of what was read."""
    place, last = scope, name
    for index in indices:
        inner = place.get(last)
        place[last] = inner if isinstance(inner, dict) else {}
        place, last = place[last], index  # type: ignore[assignment]
    place[last] = value


def _variables(body: list[TraceRow], part_counts: dict[int, int]) -> Values:
    """The variables that bounds of features name, from the elements of the unit and of its parameter set."""
    values: Values = {row.element: row.value for row in body}
    number: Any = values.get("parameter_set_id")
    if not any(row.structure == "feature_parameter_set" for row in body):
        return {"part_count": part_counts.get(number, 0)}
    extents = [1, 1, 1]
    for name, value in values.items():
        role = values.get(name.replace("axis_extent_minus1", "axis_role")) if "axis_extent" in name else None
        if role in (0, 1, 2):
            extents[role] = value + 1
    channels, rows, _ = extents
    if number not in part_counts:
        part_rows = values.get("part_rows_minus1", rows - 1) + 1
        groups = values.get("channel_groups_minus1", 0) + 1
        part_counts[number] = ceil_div(rows, part_rows) * groups if values.get("parts_flag") else 0
    return {"channels": channels, "rows": rows}


def _included(structure: Structure) -> Iterator[Structure]:
    """The structures that stand within another one."""
    nodes = list(structure.nodes)
    for node in nodes:
        if isinstance(node, Include):
            yield node.structure
            nodes += node.structure.nodes
        elif isinstance(node, When | Repeat):
            nodes += node.body


def _absent(structure: Structure, present: set[str]) -> set[str]:
    cells = set()
    for node, conditional in leaves(structure.nodes, conditional=False):
        if isinstance(node, Element) and conditional and node.name not in present:
            cells.add(f"{structure.name}.{node.name}=absent")
        elif isinstance(node, Align) and PADDING not in present:
            cells.add(f"{structure.name}.byte_alignment=none")
        elif isinstance(node, Rest) and node.name not in present:
            cells.add(f"{structure.name}.{node.name}=empty")
    return cells


def _elements(structure: Structure) -> dict[str, Element]:
    return {element.name: element for element in structure.elements()}


def _length_class(length: int) -> str:
    if not length:
        return "empty"
    size = -(-length.bit_length() // 7)
    return f"{size}-byte" + "s" * (size > 1)


def _of_error(error: DfcError, size: int, units: list[list[TraceRow]]) -> set[str]:
    requirement = error.requirement
    if requirement in HEADER_ERRORS:
        return _of_header_error(error, size)
    if requirement in LENGTH_ERRORS:
        above = requirement == "descriptor.leb-shortest" and _above_32_bits(error.got)
        name = "above" if above else "overlong" if requirement == "descriptor.leb-length" else "not-shortest"
        return {f"unit.unit_length={name}"}
    if requirement == "unit.complete":
        return _of_truncation(error)
    if requirement == "unit.crc":
        return {"unit.unit_crc=wrong"}
    if requirement == "level.unit-bytes":
        return {f"unit.unit_length={_length_class(int(error.got))}"}
    structure = BY_UNIT_TYPE.get(units[-1][0].value) if units else None
    if structure is None:
        return set()
    # That of an included structure, where the error is in one.
    structure = next((s for s in _included(structure) if _is_within(error, s, units[-1])), structure)
    if requirement == "descriptor.alignment-zero":
        return {f"{structure.name}.byte_alignment=ones"}
    names = _elements(structure)
    if requirement == "unit.complete-element" and error.element in names:
        return {f"{structure.name}.{error.element}=truncated"}
    if requirement == "descriptor.ue-prefix" and error.element in names:
        return {f"{structure.name}.{error.element}=overlong"}
    if requirement == f"{structure.name}.{error.element}" and error.error_class is ErrorClass.OUT_OF_RANGE:
        element = names[error.element]
        declared = element.high is not None and " if " in element.high and "forbidden" in value_classes(element)
        return {f"{requirement}=forbidden"} if declared else set()
    return set()


def _is_within(error: DfcError, inner: Structure, unit: list[TraceRow]) -> bool:
    if error.requirement == "descriptor.alignment-zero":
        return any(row.structure == inner.name for row in unit)
    return error.element in _elements(inner)


LENGTH_ERRORS = ("descriptor.leb-length", "descriptor.leb-shortest")
HEADER_ERRORS = {
    "bitstream.signature": "signature=wrong",
    "bitstream.version-major": "version_major=other",
    "bitstream.header-crc": "header_crc=wrong",
    "bitstream.header-complete": "",
}


def _of_header_error(error: DfcError, size: int) -> set[str]:
    if error.error_class is not ErrorClass.TRUNCATED:
        return {f"{BITSTREAM_HEADER.name}.{HEADER_ERRORS[error.requirement]}"}
    start = 0
    for element in BITSTREAM_HEADER.elements():
        end = start + (element.size or 0) // 8
        if start <= size < end:
            return {f"{BITSTREAM_HEADER.name}.{element.name}=truncated"}
        start = end
    return set()


def _above_32_bits(code: str) -> bool:
    groups = bytes.fromhex(code)
    return sum((byte & 0x7F) << 7 * i for i, byte in enumerate(groups)) >= 2**32


def _of_truncation(error: DfcError) -> set[str]:
    if error.element != WHOLE_UNIT:
        return {"unit.unit_length=truncated"}
    expected, got = (int(re.findall(r"\d+", text)[0]) for text in (error.expected, error.got))
    part = "unit_body" if got < expected - 4 else "unit_crc"
    return {f"unit.{part}=truncated", f"unit.unit_length={_length_class(expected - 4)}"}
