"""Informative: features kept from run to run, found by the content of everything that they depend on."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refsw.files import whole_file
from refsw.syntax.codes import ElementType
from refsw.tensor.axes import DTYPES, Array

NAME, NUMBER = "/", "#"
"""What stands before the key of a tensor."""
ONE, DIGEST, HALF = "features", "sha256", "bfloat16:"
BFLOAT16 = DTYPES[ElementType.BFLOAT16]
DEFAULT_BYTES = 4 << 30


def default_folder() -> Path:
    """Where features are kept if nothing else is said: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "refsw" / "features"


def cache_key(**parts: Any) -> str:
    """Name of what is kept: SHA-256 of network, cut, data item, pre-processing and library versions."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class FeatureCache:
    """Feature tensors in files; a file that is damaged or being replaced counts as absent.

    Args:
        folder: of the files; made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Array | dict[str, Array] | None:
        """What is kept under a key; None if there is nothing whole."""
        path = self._path(key)
        try:
            # The archive's checksums are compared as it is read.
            with np.load(path, allow_pickle=False) as stored:
                arrays = dict(stored)
            os.utime(path)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError, MemoryError):
            return None
        told = arrays.pop(DIGEST, None)
        arrays = {name.removeprefix(HALF): _of_words(name, array) for name, array in arrays.items()}
        if told is None or not arrays or told.tobytes() != _digest(key, arrays):
            return None
        if set(arrays) == {ONE}:
            one: Array = arrays[ONE]
            return one
        # Keys of tensors may be numbers.
        tensors: dict[Any, Array] = {int(k[1:]) if k[0] == NUMBER else k[1:]: v for k, v in arrays.items()}
        return tensors

    def put(self, key: str, features: Array | Mapping[Any, Array]) -> None:
        """Keep features under a key; a full or read-only disk is no reason to stop."""
        if isinstance(features, Mapping):
            arrays = {f"{NUMBER if type(k) is int else NAME}{k}": v for k, v in features.items()}
        else:
            arrays = {ONE: features}
        words = {(HALF if v.dtype == BFLOAT16 else "") + k: _as_words(v) for k, v in arrays.items()}
        words[DIGEST] = np.frombuffer(_digest(key, arrays), np.uint8)
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as file:
                np.savez(file, **words)  # type: ignore[arg-type]
        except OSError:
            return

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.npz"


def _as_words(array: Array) -> Array:
    """Elements in bfloat16, which .npy files do not know, as words of 16 bits."""
    return array.view(np.uint16) if array.dtype == BFLOAT16 else array


def _of_words(name: str, array: Array) -> Array:
    return array.view(BFLOAT16) if name.startswith(HALF) else array


def _digest(key: str, arrays: Mapping[str, Array]) -> bytes:
    """SHA-256 of a key and what belongs to it: the archive's own checksums do not tell whose features it holds."""
    total = hashlib.sha256(key.encode())
    for name, array in sorted(arrays.items()):
        total.update(f"\n{name} {array.dtype.name} {array.dtype.str} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(_as_words(array)).data)
    return total.digest()


def prune(folder: Path, most: int = DEFAULT_BYTES) -> None:
    """Remove what has not been used for longest until the files take no more than `most` bytes."""
    found = []
    for path in folder.glob("??/*.npz"):
        try:
            found.append((path.stat().st_mtime, path.stat().st_size, path))
        except OSError:
            continue
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= most:
            return
        path.unlink(missing_ok=True)
        total -= size
