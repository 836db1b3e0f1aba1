"""A mutant in a process that has the decoder already: the code of one function is put in place of its own.

That takes a hundredth of the time in which the package is imported. What is executed on import is imported again.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.util
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1] / "refsw"

Functions = dict[tuple[str, str], list[FunctionType]]
"""By the path of their module and their name in it; those of one name in the order of their lines."""


def import_modules(modules: Iterable[str]) -> Functions:
    """Import modules below refsw/, and find the functions of the package."""
    for module in modules:
        importlib.import_module(name_of(module))
    found: Functions = defaultdict(list)
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename.startswith(str(PACKAGE)):
            code = one.__code__
            found[str(Path(code.co_filename).relative_to(PACKAGE)), code.co_qualname].append(one)
    return found


def name_of(module: str) -> str:
    """`features/reader.py` as Python names it."""
    return "refsw." + module.removesuffix(".py").replace("/", ".")


def patch(functions: Functions, module: str, function: str, source: str) -> bool:
    """Change a function to what the changed source of its module makes of it; False if that cannot be done."""
    olds = functions.get((module, function), [])
    news = list(_codes(compile(source, str(PACKAGE / module), "exec", dont_inherit=True), function))
    if len({id(old.__code__) for old in olds}) != 1 or len(news) != 1:
        return False
    if olds[0].__code__.co_freevars != news[0].co_freevars:
        return False
    for old in olds:
        old.__code__ = news[0]
    return True


def _codes(code: CodeType, function: str) -> Iterable[CodeType]:
    """The code of functions of a name."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_qualname == function:
                yield constant
            elif function.startswith(f"{constant.co_qualname}."):
                yield from _codes(constant, function)


def import_changed(module: str, source: str) -> None:
    """Forget the package, so that it is imported again with a module changed."""
    for name in [name for name in sys.modules if name.split(".")[0] == "refsw"]:
        del sys.modules[name]
    sys.meta_path.insert(0, Changed(name_of(module), source))


class Changed(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds one module of the package as its mutant."""

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source = name, source

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """Of the module that is changed alone."""
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.name else None

    def get_source(self, fullname: str) -> str:
        """The changed source."""
        return self.source
