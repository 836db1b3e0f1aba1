"""The programs of `tools/`, as modules."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).resolve().parent.parent / "tools"


@contextmanager
def workshop(name: str) -> Iterator[ModuleType]:
    """A module of tools/, whose own imports find their neighbours as long as it is in use."""
    sys.path.insert(0, str(TOOLS))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(TOOLS))
