"""Informative: the optional packages, imported where they are needed and missed in words."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
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
    "rapidocr_onnxruntime": ("rapidocr-onnxruntime", "ocr"),
    "sklearn": ("scikit-learn", "anchors"),
    "mlxtend": ("mlxtend", "learning"),
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
        raise _missing(name, "this needs") from error


def package_folder(name: str, who: str) -> Path:
    """The folder of an installed package, which is not imported: what is wanted of it are its files.

    Args:
        name: of its module.
        who: needs it, for the message.

    Raises:
        UsageError: it is not installed.
    """
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise _missing(name, who)
    return Path(next(iter(found.submodule_search_locations)))


def _missing(name: str, who: str) -> UsageError:
    package, extra = PACKAGES.get(name, (name, "demo" if name in DEMO_MODULES else "anchors"))
    return UsageError(f"{who} {package}, which is not installed: pip install 'refsw[{extra}]'")
