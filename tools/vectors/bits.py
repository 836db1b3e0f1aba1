"""Syntax structures written without any check, so that what a bitstream must not hold can be written too.

The bits of every descriptor are those of bitstring, a hand other than refsw's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bitstring import Bits

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

LITERALS = ("0b", "0x")


def leb128(value: int) -> bytes:
    """4.3.4 leb(v)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def crc32(data: bytes, start: int = 0) -> int:
    """4.5 CRC-32."""
    import zlib

    return zlib.crc32(data, start)


def literal(value: str) -> str:
    """Bits given as they stand: 0b... or 0x... ."""
    return Bits(value).bin


@dataclass
class Body:
    """A structure as bits, with the place of every element."""

    bits: list[str] = field(default_factory=list)
    length: int = 0
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    tail: bytes = b""

    def put(self, label: str, bits: str) -> None:
        """Append an element."""
        self.places[label] = (self.length, len(bits))
        self.bits.append(bits)
        self.length += len(bits)

    def getvalue(self) -> bytes:
        """The bytes, filled up with zero bits."""
        return Bits(bin="".join(self.bits)).tobytes() + self.tail

    def cut(self, label: str) -> bytes:
        """The bytes before the last one that the element needs."""
        start, size = self.places[label]
        end = start + size - 1
        if start % 8 and end // 8 == start // 8:
            raise ValueError(f"{label} shares its byte with the element before it")
        return self.getvalue()[: end // 8]


class Writing:
    """Walks a declaration; a value may be a number, bytes, or a text of literal bits."""

    def __init__(self, structure: Structure, values: Values, active: Values | None = None) -> None:
        self.values = values
        # Without a profile, a structure is one of the profiles of version 1.0.
        self.scope: Values = dict(FUNCTIONS) | structure.constants | {"profile_idc": 0} | (active or {}) | values
        self.body = Body()
        self.indices: list[int] = []
        self.walk(structure.nodes)

    def walk(self, nodes: tuple[Node, ...]) -> None:
        """Write nodes in order."""
        for node in nodes:
            if isinstance(node, Element):
                self.element(node)
            elif isinstance(node, When):
                if self.evaluated(node.condition):
                    self.walk(node.body)
            elif isinstance(node, Repeat):
                self.repeat(node)
            elif isinstance(node, Align):
                ones = self.values.get("byte_alignment") == "ones"
                self.body.put("byte_alignment", "01"[ones] * (-self.body.length % 8))
            elif isinstance(node, Derive):
                known = node.name in self.values
                self.scope[node.name] = self.values[node.name] if known else evaluate(node.expression, self.scope)
            elif isinstance(node, Rest):
                self.body.tail = self.values[node.name]
            elif isinstance(node, Include):
                self.walk(node.structure.nodes)
            else:
                assert isinstance(node, Activate)

    def repeat(self, node: Repeat) -> None:
        """Write the entries of a list."""
        count = self.evaluated(node.count)
        listed = [len(entries) for e in elements_of(node.body) if isinstance(entries := self.entries(e.name), list)]
        if isinstance(count, int):  # a count may promise more than there is, or be no number at all
            listed.append(count)
        for index in range(min(listed)):
            self.scope[node.index] = index
            self.indices.append(index)
            self.walk(node.body)
            self.indices.pop()

    def entries(self, name: str) -> Any:
        """The value of an element at the indices of the lists around it."""
        value: Any = self.values.get(name)
        for index in self.indices:
            value = value[index] if isinstance(value, list) and index < len(value) else None
        return value

    def evaluated(self, expression: str) -> Any:
        """The value of an expression; None where literal bits stand for a number."""
        try:
            return evaluate(expression, self.scope)
        except TypeError:
            return None

    def element(self, node: Element) -> None:
        """Write one element."""
        value: Any = self.values[node.name]
        for index in self.indices:
            value = value[index]
        label = node.name + "".join(f"[{index}]" for index in self.indices)
        self.body.put(label, self.encode(node, value))

    def encode(self, node: Element, value: Any) -> str:
        """The bits of a value."""
        if isinstance(value, str) and value.startswith(LITERALS):
            return literal(value)
        if node.kind == "b":
            return Bits.from_bytes(value).bin
        size = evaluate(node.argument, self.scope) if node.kind == "u" else 0
        kind = {"ue": "ue", "se": "se", "f": "f32", "u": f"u{size}"}[node.kind]
        return Bits.from_dtype(kind, value).bin if kind != "u0" else ""
