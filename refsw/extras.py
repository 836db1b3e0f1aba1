"""Informative: the optional packages, imported where they are needed and missed in words."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from refsw.errors import UsageError
from refsw.lazy import importing

DEMO_PACKAGES = ("matplotlib", "onnxruntime", "scipy")
DEMO_MODULES = (*DEMO_PACKAGES, "jsonschema", "openpyxl", "yaml")
"""Modules of the extra `demo`; what else is missing comes with `anchors`, but for those below."""
PACKAGES = {
    "cv2": ("opencv-python-headless", "resilience"),
    "tensorly": ("tensorly", "resilience"),
    "dpkt": ("dpkt", "carriage"),
    "numba": ("numba", "speed"),
}
"""Modules whose package has another name or that belong to another extra: package and extra."""


def optional(module: str) -> Any:
    """A module of an extra.

    Raises:
        UsageError: its package is not installed.
    """
    name = module.partition(".")[0]
    try:
        with importing:
            return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name:
            raise
        package, extra = PACKAGES.get(name, (name, "demo" if name in DEMO_MODULES else "anchors"))
        raise UsageError(f"this needs {package}, which is not installed: pip install 'refsw[{extra}]'") from error
