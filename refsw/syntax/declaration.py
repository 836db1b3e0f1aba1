"""Chapter 6, form: how a syntax structure is declared.

A structure is declared once, as a tree of nodes. The reader and the writer walk that tree (`refsw.syntax.structure`);
the trace, the tables of spec/06-syntax.md and spec/syntax.json come from it as well. Conditions, counts and bounds are
expressions over the elements already read, written as they stand in the spec's tables, and that very text is what is
evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import Any

Values = dict[str, Any]
"""Element name -> value; an element inside a Repeat has a list."""


def ceil_log2(value: int) -> int:
    """4.2 Ceil(Log2(x)), for x >= 1."""
    return (value - 1).bit_length()


@dataclass(frozen=True, slots=True)
class Element:
    """One syntax element.

    Args:
        name: the element's name in the spec.
        descriptor: ``u(n)``, ``ue(v)``, ``se(v)``, ``f(32)`` or ``b(n)``; n is an expression.
        doc: the semantics in a sentence or two, with units.
        low, high: inclusive bounds as expressions; None means what the descriptor allows.
        values: the code points, where the element is an enumeration; others are reserved.
        inferred: the value when the element is absent, as an expression.
        later: values above `high` mean something in a later version: they are unsupported, and nothing that follows
            can be read.
    """

    name: str
    descriptor: str
    doc: str
    low: str | None = None
    high: str | None = None
    values: type[IntEnum] | None = None
    inferred: str | None = None
    later: bool = False

    kind: str = field(init=False)
    """The descriptor without its argument."""
    argument: str = field(init=False)
    """The descriptor's argument: an expression."""
    size: int | None = field(init=False)
    """The argument where it is a plain number."""

    def __post_init__(self) -> None:
        kind, _, argument = self.descriptor[:-1].partition("(")
        for name, value in (
            ("kind", kind),
            ("argument", argument),
            ("size", int(argument) if argument.isdigit() else None),
        ):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class When:
    """Nodes that are present if `condition` holds."""

    condition: str
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Nodes that are repeated for `index` from 0 to `count` - 1."""

    index: str
    count: str
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Align:
    """byte_alignment()."""


@dataclass(frozen=True, slots=True)
class Derive:
    """A variable that later nodes and chapters use: ``name = expression``."""

    name: str
    expression: str
    doc: str


@dataclass(frozen=True, slots=True)
class Activate:
    """From here on, the elements and variables of the parameter set named by `element` are in scope."""

    element: str


@dataclass(frozen=True, slots=True)
class Rest:
    """All bytes that are left in the unit's body, as one element of type b(n)."""

    name: str
    doc: str


@dataclass(frozen=True, slots=True)
class Include:
    """Another structure in this place, which knows what was read before it: ``name( )``."""

    structure: Structure


Node = Element | When | Repeat | Align | Derive | Activate | Rest | Include


@dataclass(frozen=True, slots=True)
class Structure:
    """A syntax structure: a name, its clause, a title for people, and its nodes in order."""

    name: str
    clause: str
    title: str
    nodes: tuple[Node, ...]
    constants: dict[str, int] = field(default_factory=dict)

    def elements(self) -> Iterator[Element]:
        """All elements, in order of their appearance."""
        yield from elements_of(self.nodes)

    def requirement(self, element: str) -> str:
        """The id of the requirement that bounds an element: ``structure.element``."""
        return f"{self.name}.{element}"


def elements_of(nodes: tuple[Node, ...]) -> Iterator[Element]:
    """All elements below some nodes, in order, but for those of included structures."""
    for node in nodes:
        if isinstance(node, Element):
            yield node
        elif isinstance(node, When | Repeat):
            yield from elements_of(node.body)


@cache
def _compiled(expression: str) -> Any:
    return compile(expression, f"<{expression}>", "eval")


def ceil_div(a: int, b: int) -> int:
    """4.2 Ceil( a / b )."""
    return -(-a // b)


def extent_of(role: int, roles: list[int], extents_minus1: list[int]) -> int:
    """7.1 ExtentOf: the extent of the axis with a role; 1 if the tensor has no such axis."""
    return next((e + 1 for r, e in zip(roles, extents_minus1, strict=True) if r == role), 1)


FUNCTIONS = {
    "ceil_log2": ceil_log2, "ceil_div": ceil_div, "extent_of": extent_of, "max": max, "min": min, "__builtins__": {},
}  # fmt: skip


def evaluate(expression: str, scope: Values) -> Any:
    """The value of an expression of the declaration; `scope` holds elements, constants, functions."""
    return eval(_compiled(expression), scope)  # noqa: S307 - text of our own declarations only
