"""Mutations of the decoder's source: what can be changed in it, and the source with one change.

What is mutated at all: `mutated`.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mutated import COUNTS, ELSEWHERE, ERRORS, OTHERS, PLACES, PROMISES, TESTS, WORDS

COMPARE = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Mod: ast.Add,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
    ast.Pow: ast.Mult,
}  # fmt: skip
SWAPPED = {
    "rows": "columns", "columns": "rows", "grid_rows": "grid_columns", "grid_columns": "grid_rows",
    "coded_height": "coded_width", "coded_width": "coded_height", "height": "width", "width": "height",
    "true_height": "true_width", "true_width": "true_height", "minimum": "maximum", "maximum": "minimum",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change of one module; `context` is the line that it is on."""

    module: str
    number: int
    kind: str
    line: int
    before: str
    after: str
    source: str
    context: str = ""
    same: int = 0  # how many before it are the same change of the same line
    span: range = range(0)  # lines of the statement that is changed; none where it is executed on import
    function: str = ""  # the outermost one that it is in

    @property
    def name(self) -> str:
        """Where and what, on one line."""
        return f"{self.module}:{self.line} {self.kind}: {self.before} -> {self.after}"


def of_module(package: Path, module: str) -> Iterator[Mutant]:
    """All mutants of a module, in the order of its source."""
    text = (package / module).read_text()
    informative = text.find("# --- Informative")
    last = text.count("\n", 0, informative) if informative >= 0 else text.count("\n") + 1
    lines = text.splitlines()
    number = 0
    known: Counter[tuple[str, str, str]] = Counter()
    for statement in ast.parse(text).body:
        homes = {spot: place for spot, *place in _homes(statement, statement, range(0), "")}
        for place in _nodes(ast.Module([statement], []), OTHERS.get(module, set())):
            if place.lineno > last:
                continue
            home, *where = homes[_spot(place)]
            for kind, apply in _changes(place):
                changed = ast.Module([copy.deepcopy(home)], [])
                twin = next(n for n in ast.walk(changed) if _spot(n) == _spot(place))
                context = lines[place.lineno - 1].strip()
                before = ast.unparse(place).split("\n")[0][:80]
                after = apply(changed, twin)
                if after is None:
                    continue
                ast.fix_missing_locations(changed)
                change = (context, before, after[:80])
                first = min(node.lineno for node in (home, *getattr(home, "decorator_list", ())))
                written = textwrap.indent(ast.unparse(changed), " " * home.col_offset)
                source = "\n".join([*lines[: first - 1], written, *lines[home.end_lineno :], ""])
                yield Mutant(module, number, kind, place.lineno, *change[1:], source, context, known[change], *where)
                known[change] += 1
                number += 1


def seeded(mutants: list[Mutant], seed: int, count: int) -> list[Mutant]:
    """A sample of mutants that depends on nothing but the seed and the mutants."""

    def rank(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed} {mutant.module} {mutant.kind} {mutant.number} {mutant.before}".encode()).digest()

    return sorted(sorted(mutants, key=rank)[:count], key=lambda m: (m.module, m.line, m.number))


Spot = tuple[object, ...]


def _spot(node: ast.AST) -> Spot:
    """What tells a node from all others of a module."""
    names = ("lineno", "col_offset", "end_lineno", "end_col_offset")
    return (type(node), *(getattr(node, name, None) for name in names))


def _homes(
    node: ast.AST, home: ast.stmt, span: range, name: str, parent: ast.AST | None = None, *, inside: bool = False
) -> Iterator[tuple[Spot, ast.stmt, range, str]]:
    """The innermost statement that every node is in, its lines, those of its head if it has a body, and its function.

    Where it stands in no function there are no lines; what follows `elif` is of the statement that begins with `if`.
    """
    if isinstance(node, ast.stmt):
        is_elif = isinstance(node, ast.If) and isinstance(parent, ast.If) and node.col_offset == parent.col_offset
        home = home if is_elif else node
        if inside:
            body = [] if isinstance(node, ast.Try | ast.Match) else getattr(node, "body", [])
            end = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
            span = range(node.lineno, end + 1)
    yield _spot(node), home, span, name if inside else ""
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and not inside:
        name = f"{name}.{node.name}".removeprefix(".")
    for field, value in ast.iter_fields(node):
        within = inside or (field == "body" and isinstance(node, ast.FunctionDef))
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _homes(child, home, span, name, node, inside=within)


def _nodes(tree: ast.AST, others: set[str], prefix: str = "") -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}"
            if name not in others:
                for statement in node.body:
                    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                        yield from _nodes(ast.Module([statement], []), others, f"{name}.")
                    else:
                        yield from _inside(statement)
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            yield from _inside(node)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """A statement and what is in it, but for words, annotations and traces."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.JoinedStr):
        return
    if isinstance(node, ast.keyword) and node.arg in WORDS:
        return
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("dict", "list", "tuple", "set")
    ):
        return
    if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.If) and _is_elsewhere(ast.unparse(node.test)):
        return
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in PLACES | ELSEWHERE:
        return
    if isinstance(node, ast.AnnAssign | ast.AugAssign) and ast.unparse(node.target) in ELSEWHERE | COUNTS:
        return
    if isinstance(node, ast.Call) and ast.unparse(node.func) in PROMISES:
        return
    if isinstance(node, ast.Expr | ast.Return) and "setflags" in ast.unparse(node):
        return
    if hasattr(node, "lineno"):
        yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                if isinstance(node, ast.Call) and _is_error(node) and name in ("args", "keywords"):
                    continue  # the words of an error
                if isinstance(node, ast.Call) and _is_rest(node, child):
                    continue
                yield from _inside(child)


def _is_elsewhere(test: str) -> bool:
    """Whether a condition is one of a trace, a validator, random access, incomplete samples, or own limits."""
    words = ("trace", "wanted", "self.limits", "self.model_digest", "self._reception", "put.received")
    test = test.replace("self.limits.model_", "")  # of a level
    return test in TESTS or (any(word in test for word in words) and "len(" not in test)


def _is_rest(call: ast.Call, argument: ast.AST) -> bool:
    """Whether it is the -1 that stands for an extent that is left, for which numpy takes any negative number."""
    return ast.unparse(call.func).endswith(".reshape") and ast.unparse(argument) == "-1"


def _is_error(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    return name in ERRORS - {"over"} or name.endswith("Error")


def _changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARE:
        yield "comparison", _compare
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC and not _is_type(node):
        yield "arithmetic", _arithmetic
    if isinstance(node, ast.BoolOp):
        yield "and/or", _bool
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "negation", _not
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield "sign", _sign
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield "constant", _constant
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield "constant", _flag
    if isinstance(node, ast.Raise | ast.Yield) or (isinstance(node, ast.Expr) and _reports(node)):
        yield "skipped check", _skip
    if isinstance(node, ast.If):
        yield "condition", _never
    if isinstance(node, ast.Attribute) and node.attr in SWAPPED and isinstance(node.ctx, ast.Load):
        yield "swapped", _swap
    if (
        isinstance(node, ast.Call)
        and len(node.args) > 2
        and ast.unparse(node.func).endswith((".transpose", ".reshape"))
    ):
        yield "swapped axes", _axes
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load):
        yield "slice", _slice


def _is_type(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.BitOr) and "None" in ast.unparse(node)


def _reports(node: ast.Expr) -> bool:
    return isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in ("self.report", "errors.append")


def _compare(tree: ast.AST, node: ast.Compare) -> str:
    node.ops[0] = COMPARE[type(node.ops[0])]()
    return ast.unparse(node)


def _arithmetic(tree: ast.AST, node: ast.BinOp) -> str:
    node.op = ARITHMETIC[type(node.op)]()
    return ast.unparse(node)


def _bool(tree: ast.AST, node: ast.BoolOp) -> str:
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return ast.unparse(node)


def _not(tree: ast.AST, node: ast.UnaryOp) -> str:
    _replace(tree, node, node.operand)
    return ast.unparse(node.operand)


def _sign(tree: ast.AST, node: ast.UnaryOp) -> str:
    _replace(tree, node, node.operand)
    return ast.unparse(node.operand)


def _constant(tree: ast.AST, node: ast.Constant) -> str:
    node.value += 1
    return ast.unparse(node)


def _flag(tree: ast.AST, node: ast.Constant) -> str:
    node.value = not node.value
    return ast.unparse(node)


def _skip(tree: ast.AST, node: ast.AST) -> str | None:
    if isinstance(node, ast.Yield):
        if node.value is None or not any(word in ast.unparse(node) for word in ("_layout", "Error")):
            return None
        _replace(tree, node, ast.Constant(None))
        return "nothing"
    if isinstance(node, ast.Raise) and node.exc is None:
        return None
    _replace(tree, node, ast.Pass())
    return "pass"


def _never(tree: ast.AST, node: ast.If) -> str:
    node.test = ast.Constant(False)
    return "if False"


def _swap(tree: ast.AST, node: ast.Attribute) -> str:
    node.attr = SWAPPED[node.attr]
    return ast.unparse(node)


def _axes(tree: ast.AST, node: ast.Call) -> str:
    node.args[-1], node.args[-2] = node.args[-2], node.args[-1]
    return ast.unparse(node)


def _slice(tree: ast.AST, node: ast.Subscript) -> str | None:
    part = node.slice
    assert isinstance(part, ast.Slice)
    if part.upper is not None:
        part.upper = ast.BinOp(part.upper, ast.Sub(), ast.Constant(1))
    elif part.lower is not None:
        part.lower = ast.BinOp(part.lower, ast.Add(), ast.Constant(1))
    else:
        return None
    return ast.unparse(node)


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list):
                for i, child in enumerate(value):
                    if child is old:
                        value[i] = new
