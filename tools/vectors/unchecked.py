"""The reference decoder with checks switched off one at a time: what does a bitstream break besides what it names?

The package is imported a second time, as `refsw_unchecked`, with every `raise` made to ask first whether the
requirement that the error names is switched off; if it is, the decoder goes on as if there were no such check. Where
it cannot, something harmless takes the place of what the check guards: zeros for the pictures of a payload, a code
point for a reserved one, the same state for a unit out of order.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.util
import io
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import EnumMeta
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from refsw.conformance.models import is_update

PACKAGE = Path(__file__).resolve().parents[2] / "refsw"
NAME = "refsw_unchecked"
ENOUGH = 50
"""Errors that are passed over; a decoder that makes more is in a loop that only the check ends."""
BOUNDS = {"model.expansion", "model.label-count", "model.lanes", "model.new-shape"}
FOLLOWS = {
    "hevc.decodes": {"hevc.picture-count"},
    "vvc.pictures": {"vvc.optional"},
}
"""Errors of a payload that come of going on after another one, and say nothing more about the bitstream."""


@dataclass
class Switches:
    """Which checks are off, and how many errors were passed over for that."""

    off: frozenset[str] = frozenset()
    passed: int = 0

    def ask(self, error: Any) -> bool:
        """Whether an error is to be raised.

        Raises:
            RuntimeError: there is no end of them.
        """
        requirement = getattr(error, "requirement", None)
        if requirement == "level.capacity":
            return False  # which is the reference decoder's own, and no requirement on bitstreams
        if requirement not in self.off:
            return True
        self.passed += 1
        if self.passed > ENOUGH:
            raise RuntimeError("no end without the check")
        return False

    def decode(self, data: Any) -> Any:
        """bytes.decode( ), but for what is no UTF-8 where that is not checked: those bytes come back by `_encode`."""
        unchecked = any(name.endswith(".utf8") for name in self.off)
        return data.decode(errors="surrogateescape" if unchecked else "strict")


def _encode(text: Any) -> Any:
    return text.encode(errors="surrogateescape")


SWITCHES = Switches()


class _Asking(ast.NodeTransformer):
    """Imports of the second package, raises that ask first, and what follows from a check that is off."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.module and node.module.split(".")[0] == "refsw":
            node.module = NAME + node.module.removeprefix("refsw")
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """What the decoder remembers of a violation, it forgets."""
        self.generic_visit(node)
        if ast.unparse(node.targets[0]) in ("self._damaged", "self.violated"):
            node.value = ast.Constant(False)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(ast.Pass(), node) if ast.unparse(node).startswith("self._broken.add(") else node

    def visit_If(self, node: ast.If) -> ast.AST:
        """The decoder reads on after a violation, as if it had found none."""
        if any(isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "self._lost" for n in node.body):
            return ast.copy_location(ast.Pass(), node)
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("decode", "encode") and not node.args:
            change = ast.Name(f"_switched_{node.func.attr}", ast.Load())
            return ast.copy_location(ast.Call(change, [node.func.value], []), node)
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if node.exc is None:
            return node
        self.generic_visit(node)
        named = ast.NamedExpr(ast.Name("_error_to_ask_for", ast.Store()), node.exc)
        ask = ast.Call(ast.Name("_switched_ask", ast.Load()), [named], [])
        node.exc = ast.Name("_error_to_ask_for", ast.Load())
        return ast.copy_location(ast.If(ask, [node], []), node)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds the modules of the second package."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """A module of the package, at the place of the original."""
        if fullname.split(".")[0] != NAME:
            return None
        return importlib.util.spec_from_file_location(fullname, _place(fullname), loader=self)

    def get_source(self, fullname: str) -> str:
        """That of the original."""
        return _place(fullname).read_text()

    def is_package(self, fullname: str) -> bool:
        """Whether it is a folder."""
        return _place(fullname).name == "__init__.py"

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        tree = ast.fix_missing_locations(_Asking().visit(ast.parse(self.get_source(module.__name__))))
        module.__dict__.update(_switched_ask=SWITCHES.ask, _switched_decode=SWITCHES.decode, _switched_encode=_encode)
        exec(compile(tree, str(_place(module.__name__)), "exec"), module.__dict__)


def _place(fullname: str) -> Path:
    place = PACKAGE.joinpath(*fullname.split(".")[1:])
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


@cache
def _module(name: str) -> ModuleType:
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
        _stand_in()
    return importlib.import_module(f"{NAME}.{name}")


def _stand_in() -> None:
    """Put something in the place of what cannot be gone on without."""
    kinds = [kind for kind in vars(_module("syntax.codes")).values() if isinstance(kind, EnumMeta)]
    for kind in kinds:
        if kind.__module__.startswith(NAME) and len(kind):
            harmless: Any = kind.__members__.get("EXTENDED", next(iter(kind)))
            setattr(kind, "_missing_", classmethod(lambda cls, value, member=harmless: member))  # noqa: B010
    for module, reader in (("features.reader", "BitstreamReader"), ("models.reader", "ModelReader")):
        found = getattr(_module(module), reader)
        found.transitions = _AnyOrder(found.transitions)
    reconstruct: Any = _module("features.reconstruct")
    reconstruct.decode_pictures = _with_zeros(reconstruct.decode_pictures)


class _AnyOrder(dict[Any, Any]):
    """Where a unit leads to in its place, or nowhere, if it has none in the bitstream."""

    def __missing__(self, key: tuple[Any, Any]) -> Any:
        return next((state for (_, unit), state in self.items() if unit == key[1]), key[0])


def _with_zeros(decode: Callable[..., Any]) -> Callable[..., Any]:
    """Pictures of the right number, size and levels, whatever there is."""

    def pictures(content: Any, profile: Any, settings: Any) -> Any:
        form, before = content.parameters.picture_format(profile), SWITCHES.passed
        shape = (sum(content.pictures), form.height, form.width)
        follows = {name for requirement in SWITCHES.off for name in FOLLOWS.get(requirement, ())}
        try:
            out = decode(content, profile, settings)
        except Exception as error:
            requirement = getattr(error, "requirement", None)
            if SWITCHES.passed == before or (requirement is not None and requirement not in follows):
                raise
            return np.zeros(shape, form.dtype)
        if SWITCHES.passed > before and (out is None or out.shape != shape or out.dtype != form.dtype):
            return np.zeros(shape, form.dtype)
        words = form.dtype.kind == "u" and form.bit_depth < 8 * form.dtype.itemsize
        return out & form.dtype.type((1 << form.bit_depth) - 1) if words else out

    return pictures


@dataclass
class Proof:
    """What a bitstream breaks besides the requirement that it names.

    Args:
        also: other requirements, in the order in which they were found.
        end: how the decoder ended that checked none of them: "accepted"; "truncated", where the input ends; "beyond a
            limit", where it would go on with amounts that no machine has; "optional", at VVC; or what it needs the
            check for.
    """

    also: list[str] = field(default_factory=list)
    end: str = "accepted"


def prove(
    data: bytes, base: Mapping[str, Any] | None, named: str, error_class: str, receiver: bytes | None = None
) -> Proof:
    """Switch off the named check, and then those that fail in turn.

    Args:
        data: the bitstream.
        base: the receiver's model, for a model update.
        named, error_class: the requirement that it is known to break, and the class of that error.
        receiver: the digest of the receiver's model, for features.
    """
    proof = Proof()
    if error_class == "TRUNCATED":
        return Proof(end="truncated")
    while True:
        error = decode(data, base, {named, *proof.also}, receiver)
        requirement = getattr(error, "requirement", None)
        if error is None:
            return proof
        if requirement is None:
            proof.end = f"{type(error).__name__}: {error}"[:100]
            return proof
        if requirement.startswith("vvc."):  # which is for decoders that have it to say
            proof.end = "optional"
            return proof
        proof.also.append(requirement)
        if requirement.startswith("level.") or requirement in BOUNDS:
            proof.end = "beyond a limit"
            return proof
        if error.error_class == "TRUNCATED":  # type: ignore[attr-defined]
            proof.end = "truncated"
            return proof


def decode(
    data: bytes, base: Mapping[str, Any] | None, off: set[str], receiver: bytes | None = None
) -> Exception | None:
    """What a decoder without some checks raises; None if it accepts the bitstream."""
    try:
        result(data, base, off, receiver)
    except Exception as error:
        return error
    return None


def result(data: bytes, base: Mapping[str, Any] | None, off: set[str], receiver: bytes | None = None) -> dict[str, Any]:
    """The model that a decoder without some checks makes of a model update; of features, nothing.

    Raises:
        Exception: it does not come to its end.
    """
    update, features = _module("models.apply").apply_update, _module("features.decoder").Decoder
    SWITCHES.off, SWITCHES.passed = frozenset(off), 0
    try:
        with np.errstate(all="ignore"):
            if is_update(data):
                return dict(update(base, data))
            for _ in features(io.BytesIO(data), model_digest=receiver):
                pass
            return {}
    finally:
        SWITCHES.off = frozenset()


def digest_of(data: bytes, base: Mapping[str, Any] | None, named: str) -> bytes:
    """The digest of the model that a decoder makes of an update if it lacks the check of what the update breaks."""
    found = result(data, base, {named, "model.result-digest"})
    kinds: Any = _module("models.state")
    model = kinds.Model(found)
    return bytes(kinds.digest_of({name: kinds.tensor_digest(model.types[name], model[name]) for name in model}))
