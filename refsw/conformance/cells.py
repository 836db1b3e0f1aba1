"""13.10 Coverage of the syntax: the values that a syntax element can take, in classes.

A cell is an element and a class of its values, for example ``feature_parameter_set.quantizer=LOG``. The cells come
from the declaration of the syntax (chapter 6).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from refsw.conformance.capture_cells import CARRIAGE_CELLS
from refsw.syntax.codes import UnitType
from refsw.syntax.declaration import (
    Align,
    Element,
    Node,
    Repeat,
    Rest,
    Values,
    When,
    evaluate,
)
from refsw.syntax.structures import BITSTREAM_HEADER, IN_PAYLOADS, STRUCTURES, UNIT_HEADER

MAX_UE = 2**32 - 2
LARGEST = struct.unpack(">f", b"\x7f\x7f\xff\xff")[0]
SMALLEST_NORMAL = 2.0**-126
BODIES = {s.name: s for s in STRUCTURES if s not in (BITSTREAM_HEADER, UNIT_HEADER, *IN_PAYLOADS)}
FRAMING = "unit."

CAN_BE_ZERO = {
    "range_count", "tensor_count", "base_tensor_count", "new_tensor_count", "new_axis_count[i]", "predictor_count",
    "label_group_count[t]",
}  # fmt: skip
"""Counts of repetitions; the others are a value plus 1, an extent, or bounded below by 1."""

HEADER_CELLS = {
    "signature": ("right", "wrong"),
    "version_major": ("supported", "other"),
    "version_minor": ("own", "later"),
    "profile_idc": (),
    "level_idc": (),
    "header_crc": ("right", "wrong"),
}
UNIT_CELLS = {
    FRAMING + "unit_length": (
        "empty", "1-byte", "2-bytes", "3-bytes", "4-bytes", "5-bytes", "overlong", "not-shortest", "above", "truncated",
    ),
    FRAMING + "unit_body": ("truncated", "unknown"),
    FRAMING + "unit_crc": ("right", "wrong", "truncated"),
    "unit_header.unit_type": (*(kind.name for kind in UnitType), "reserved", "private"),
    "unit_header.skippable_flag": ("0", "1"),
}  # fmt: skip


def all_cells() -> dict[str, tuple[str, ...]]:
    """The classes of every syntax element, by ``structure.element``, in the order of the declaration."""
    cells: dict[str, tuple[str, ...]] = {}
    for element in BITSTREAM_HEADER.elements():
        own = HEADER_CELLS[element.name] or tuple(value_classes(element))
        cells[f"{BITSTREAM_HEADER.name}.{element.name}"] = (*own, "truncated")
    cells |= UNIT_CELLS
    for structure in BODIES.values():
        for node, conditional in leaves(structure.nodes, conditional=False):
            if isinstance(node, Element):
                extra = ("absent",) if conditional else ()
                cells[f"{structure.name}.{node.name}"] = (*value_classes(node), *extra, "truncated")
            elif isinstance(node, Rest):
                cells[f"{structure.name}.{node.name}"] = ("empty", "present")
            else:
                cells[f"{structure.name}.byte_alignment"] = ("none", "zeros", "ones")
    return cells | CARRIAGE_CELLS


def leaves(nodes: tuple[Node, ...], conditional: bool) -> Iterator[tuple[Element | Rest | Align, bool]]:
    """What is read, in order, and whether it can be absent."""
    for node in nodes:
        if isinstance(node, Element | Rest | Align):
            yield node, conditional
        elif isinstance(node, When):
            yield from leaves(node.body, True)
        elif isinstance(node, Repeat):
            yield from leaves(node.body, conditional or node.count in CAN_BE_ZERO)


def _bounds(element: Element, scope: Values | None = None, bits: int = 0) -> tuple[int | None, int | None, int]:
    """(lowest, highest, greatest that the descriptor can hold); None where a bound depends on other elements.

    Args:
        scope: those elements, where they are known.
        bits: of a value whose length depends on them.
    """
    size = element.size if element.size is not None else bits
    greatest = MAX_UE if element.kind in ("ue", "se") else (1 << size) - 1
    low = 0 if element.low is None else _bound(element.low, scope)
    high = greatest if element.high is None else _bound(element.high, scope)
    return low, high, greatest


def _bound(expression: str, scope: Values | None) -> int | None:
    if expression.lstrip("-").isdigit():
        return int(expression)
    try:
        return None if scope is None else int(evaluate(expression, scope))
    except (NameError, KeyError, IndexError, TypeError):
        return None


def value_classes(element: Element) -> list[str]:
    """The classes of an element's values, absence and truncation aside."""
    if element.later:
        return ["0", "later"]
    low, high, greatest = _bounds(element)
    if element.values is not None:
        names = [member.name for member in element.values]
        reserved = ["reserved"] if greatest + 1 > len(names) else []
        return names + reserved + (["forbidden"] if element.high is not None else [])
    if element.kind == "f":
        return ["zero", "positive", "negative", "subnormal", "largest", "smallest", "nan", "infinity", "negative-zero"]
    if element.kind == "b":
        return ["present"] if element.size is not None or element.argument.endswith("+ 1") else ["empty", "present"]
    if element.kind == "u" and element.size is None and element.high is None:
        return ["empty", "min", "interior", "max"]
    if greatest == 1:
        return ["0", "1"] + (["forbidden"] if element.high is not None else [])
    classes = ["min", "negative", "0", "positive", "max"] if element.kind == "se" else ["min", "interior", "max"]
    if low != 0:
        classes.append("below")
    if element.high is not None and (high is None or high < greatest):
        classes.append("above")
    if element.kind in ("ue", "se"):
        classes.append("overlong")
    return classes


def class_of(element: Element, value: Any, scope: Values, bits: int) -> str | None:
    """The class of a value that was read; None where it is in none."""
    if element.values is not None:
        return value.name if isinstance(value, IntEnum) else "reserved"
    if element.kind == "f":
        return _class_of_float(value)
    if element.kind == "b":
        return "present" if value else "empty"
    low, high, greatest = _bounds(element, scope, bits)
    if element.later:
        return "later" if value else "0"
    if element.kind == "u" and element.size is None and element.high is None and not bits:
        return "empty"
    if greatest == 1 and element.size == 1:
        return str(int(value))
    if low is None or high is None:
        return None
    if value < low:
        return "below" if value == low - 1 else None
    if value > high:
        return "above" if value == high + 1 else None
    if value in (low, high):
        return "min" if value == low else "max"
    if element.kind == "se":
        return "0" if not value else "positive" if value > 0 else "negative"
    return "interior"


def _class_of_float(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "infinity"
    if value == 0:
        return "negative-zero" if math.copysign(1, value) < 0 else "zero"
    if abs(value) < SMALLEST_NORMAL:
        return "subnormal"
    if abs(value) == LARGEST:
        return "largest" if value > 0 else "smallest"
    return "positive" if value > 0 else "negative"
