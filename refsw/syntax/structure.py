"""Chapter 6, form: reading and writing a structure by its declaration, and the trace of what was read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from refsw.errors import DfcError, ErrorClass, ParseError, SemanticError, UnsupportedError
from refsw.syntax.bits import BitReader, BitWriter
from refsw.syntax.codes import Profile, code_points, since
from refsw.syntax.declaration import (
    FUNCTIONS,
    Activate,
    Align,
    Derive,
    Element,
    Include,
    Node,
    Repeat,
    Rest,
    Structure,
    Values,
    When,
    elements_of,
    evaluate,
)


class TraceRow(NamedTuple):
    """One line of a trace: where an element stands, how long it is, and its value."""

    bit_offset: int
    bits: int
    clause: str
    structure: str
    element: str
    descriptor: str
    value: Any


@dataclass(frozen=True, slots=True)
class Edition:
    """5.5 What the syntax of a unit depends on besides the units before it.

    Args:
        profile_idc: of the bitstream; an element that conditions may name.
        version: minor version whose code points (6.2) are known: in unit bodies that of the profile.
    """

    profile_idc: int = 0
    version: int = 0

    @classmethod
    def of(cls, profile: Profile) -> Edition:
        """That of the units of a bitstream of a profile."""
        return cls(int(profile), since(profile))


FIRST = Edition()
"""That of profiles of version 1.0, in which nothing depends on the profile."""
Trace = Callable[[TraceRow], None]
Report = Callable[[DfcError], None]
Watch = Callable[[str, Any, int], None]
Activation = Callable[[int, int | None], Values]
"""Parameter set id and the bit offset where it stands -> the elements and variables of that set."""


def raise_error(error: DfcError) -> None:
    """The reporter that stops at the first violation."""
    raise error


def read_structure(
    structure: Structure,
    reader: BitReader,
    *,
    activate: Activation | None = None,
    trace: Trace | None = None,
    report: Report = raise_error,
    watch: Watch | None = None,
    edition: Edition = FIRST,
) -> Values:
    """Read one structure.

    Args:
        structure: the declaration.
        reader: stands at the structure's first bit.
        activate: finds the parameter set that an Activate node names.
        trace: receives a row for every element.
        report: receives every value that is reserved or out of range; raises by default. What cannot
            be read at all (too few bits, an impossible count) is always raised.
        watch: receives the name, value and bit offset of every element as soon as it is read, and may raise:
            for counts that have to be bounded before what they count is read.
        edition: what the syntax depends on besides.

    Returns:
        The values of the elements that are present, or inferred where the declaration says so, and of
        the variables.
    """
    return _Reading(structure, reader, activate, trace, report, watch, edition).run()


class _Reading:
    def __init__(
        self,
        structure: Structure,
        reader: BitReader,
        activate: Activation | None,
        trace: Trace | None,
        report: Report,
        watch: Watch | None,
        edition: Edition,
    ) -> None:
        self.watch = watch
        self.version = edition.version
        self.structure = structure
        self.reader = reader
        self.activate = activate
        self.trace = trace
        self.report = report
        self.scope: Values = dict(FUNCTIONS) | structure.constants | {"profile_idc": edition.profile_idc}
        self.values: Values = {}
        self.indices: list[int] = []

    def run(self) -> Values:
        self.walk(self.structure.nodes)
        return self.values

    def walk(self, nodes: tuple[Node, ...]) -> None:
        for node in nodes:
            if isinstance(node, Element):
                self.element(node)
            elif isinstance(node, When):
                if evaluate(node.condition, self.scope):
                    self.walk(node.body)
                else:
                    self.infer(node.body)
            elif isinstance(node, Repeat):
                self.repeat(node)
            elif isinstance(node, Align):
                self.align()
            elif isinstance(node, Derive):
                self.scope[node.name] = self.values[node.name] = evaluate(node.expression, self.scope)
            elif isinstance(node, Activate):
                if self.activate is not None:
                    self.scope |= self.activate(self.values[node.element], self.reader.base) | self.values
            elif isinstance(node, Include):
                outer, self.structure = self.structure, node.structure
                self.walk(node.structure.nodes)
                self.structure = outer
            else:
                self.rest(node)

    def infer(self, nodes: tuple[Node, ...]) -> None:
        for node in nodes:
            if isinstance(node, When):
                self.infer(node.body)
            elif isinstance(node, Repeat):
                self.open_lists(node)  # an absent Repeat has no entries
            elif isinstance(node, Element) and node.inferred is not None:
                self.store(node.name, evaluate(node.inferred, self.scope))

    def store(self, name: str, value: Any) -> None:
        if self.indices:
            entries = self.values[name]
            for index in self.indices[:-1]:
                entries = entries[index]
            entries.append(value)
        else:
            self.values[name] = self.scope[name] = value

    def open_lists(self, node: Repeat) -> None:
        """An empty list for every element that `node` repeats, within the entry of the Repeat around it."""
        for element in elements_of(node.body):
            if not self.indices:
                self.values[element.name] = self.scope[element.name] = []
                continue
            entries = self.values[element.name]
            for index in self.indices[:-1]:
                entries = entries[index]
            if len(entries) == self.indices[-1]:
                entries.append([])

    def element(self, node: Element) -> None:
        start = self.reader.offset
        value = self.descriptor(node)
        self.store(node.name, value)
        if self.trace is not None:
            names = code_points(node.values, self.version) if node.values is not None else {}
            self.row(start, node.name, node.descriptor, names.get(value, value))
        error = check_value(self.structure, node, value, self.scope, start, self.version)
        if error is not None and node.later:
            raise error
        if error is not None:
            self.report(error)
        if self.watch is not None:
            self.watch(node.name, value, start)

    def descriptor(self, node: Element) -> Any:
        if node.kind == "ue":
            return self.reader.ue(node.name)
        if node.kind == "se":
            return self.reader.se(node.name)
        if node.kind == "f":
            return self.reader.f32(node.name)
        size = evaluate(node.argument, self.scope) if node.size is None else node.size
        if node.kind == "u":
            return self.reader.u(size, node.name)
        # b(n): whole bytes, not necessarily aligned; the bound comes before the allocation.
        return self.reader.u(size * 8, node.name).to_bytes(size, "big")

    def repeat(self, node: Repeat) -> None:
        count = evaluate(node.count, self.scope)
        # An element has at least one bit, so a count beyond the bits that are left cannot be honest.
        if count > self.reader.remaining:
            raise ParseError(
                ErrorClass.TRUNCATED,
                "unit.complete-element",
                f"{self.structure.name} ({node.count} entries)",
                self.reader.offset,
                expected=f"at least {count} more bits",
                got=f"{self.reader.remaining}",
            )
        self.open_lists(node)
        for index in range(count):
            self.scope[node.index] = index
            self.indices.append(index)
            self.walk(node.body)
            self.indices.pop()

    def align(self) -> None:
        start = self.reader.offset
        self.reader.align()
        if self.trace is not None and self.reader.offset > start:
            self.row(start, "byte_alignment_bits", f"f({self.reader.offset - start})", 0)

    def rest(self, node: Rest) -> None:
        start = self.reader.offset
        data = self.reader.rest()
        self.store(node.name, data)
        if self.trace is not None and data:
            self.row(start, node.name, "b(n)", data)

    def row(self, start: int, name: str, descriptor: str, value: Any) -> None:
        if self.trace is not None:
            label = name + "".join(f"[{i}]" for i in self.indices)
            bits = self.reader.offset - start
            structure = self.structure
            self.trace(TraceRow(start, bits, structure.clause, structure.name, label, descriptor, value))


def check_value(
    structure: Structure, node: Element, value: Any, scope: Values, offset: int | None, version: int
) -> DfcError | None:
    """The requirement ``structure.element``: the value is defined and within its bounds."""
    requirement = structure.requirement(node.name)

    def error(error_class: ErrorClass, expected: str) -> DfcError:
        kind = ParseError if error_class is ErrorClass.RESERVED_VALUE else SemanticError
        return kind(error_class, requirement, node.name, offset, expected=expected, got=repr(value))

    if node.values is not None and value not in (known := code_points(node.values, version)):
        return error(ErrorClass.RESERVED_VALUE, "one of " + ", ".join(f"{v} ({m.name})" for v, m in known.items()))
    if node.kind == "f":
        if not math.isfinite(value):
            return error(ErrorClass.NONFINITE, "a finite binary32 value")
        if value == 0 and math.copysign(1, value) < 0:
            return error(ErrorClass.RESERVED_VALUE, "positive zero (bits 0x00000000)")
    if node.low is not None and value < (low := evaluate(node.low, scope)):
        return error(ErrorClass.OUT_OF_RANGE, f"at least {low}")
    if node.high is not None and value > (high := evaluate(node.high, scope)):
        if node.later:
            expected = f"at most {high}, or a decoder of a later version"
            return UnsupportedError(
                ErrorClass.RESERVED_VALUE, requirement, node.name, offset, expected=expected, got=repr(value)
            )
        return error(ErrorClass.OUT_OF_RANGE, f"at most {high}")
    return None


def write_structure(
    structure: Structure, writer: BitWriter, values: Values, active: Values | None = None, edition: Edition = FIRST
) -> None:
    """Write one structure; the inverse of `read_structure`.

    Args:
        structure: the declaration.
        writer: receives the bits.
        values: a value for every element that is present; lists inside a Repeat.
        active: elements and variables of the active parameter set, where the structure activates one.
        edition: what the syntax depends on besides.

    Raises:
        DfcError: a value breaks its bounds; nothing invalid is ever written.
        KeyError: an element that is present according to the declaration has no value.
    """
    _Writing(structure, writer, values, active or {}, edition).run()


class _Writing:
    def __init__(
        self, structure: Structure, writer: BitWriter, values: Values, active: Values, edition: Edition
    ) -> None:
        self.structure = structure
        self.writer = writer
        self.version = edition.version
        self.scope: Values = dict(FUNCTIONS) | structure.constants | {"profile_idc": edition.profile_idc}
        self.scope |= active | values
        self.values = values
        self.indices: list[int] = []

    def run(self) -> None:
        self.walk(self.structure.nodes)

    def walk(self, nodes: tuple[Node, ...]) -> None:
        for node in nodes:
            if isinstance(node, Element):
                self.element(node)
            elif isinstance(node, When):
                if evaluate(node.condition, self.scope):
                    self.walk(node.body)
                elif not self.indices:
                    self.infer(node.body)
            elif isinstance(node, Repeat):
                for index in range(evaluate(node.count, self.scope)):
                    self.scope[node.index] = index
                    self.indices.append(index)
                    self.walk(node.body)
                    self.indices.pop()
            elif isinstance(node, Align):
                self.writer.align()
            elif isinstance(node, Derive):
                self.scope[node.name] = evaluate(node.expression, self.scope)
            elif isinstance(node, Rest):
                self.writer.raw(self.values[node.name])
            elif isinstance(node, Include):
                outer, self.structure = self.structure, node.structure
                self.walk(node.structure.nodes)
                self.structure = outer

    def infer(self, nodes: tuple[Node, ...]) -> None:
        """What variables may need of elements that are absent."""
        for node in nodes:
            if isinstance(node, Element) and node.inferred is not None:
                self.scope[node.name] = evaluate(node.inferred, self.scope)

    def element(self, node: Element) -> None:
        value = self.values[node.name]
        for index in self.indices:
            value = value[index]
        error = check_value(self.structure, node, value, self.scope, None, self.version)
        if error is not None:
            raise error
        if node.kind == "ue":
            self.writer.ue(value)
        elif node.kind == "se":
            self.writer.se(value)
        elif node.kind == "f":
            self.writer.f32(value)
        elif node.kind == "u":
            self.writer.u(int(value), evaluate(node.argument, self.scope))
        else:
            size = evaluate(node.argument, self.scope)
            self.writer.u(int.from_bytes(value, "big"), 8 * size)
