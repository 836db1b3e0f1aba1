"""Informative: decoded tensors into files, sample by sample, whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import ml_dtypes
import numpy as np

from refsw.errors import UsageError
from refsw.features.parameters import Parameters
from refsw.tensor.axes import Array, contiguous_parts

SUFFIXES = (".npy", ".npz", ".safetensors")


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file for writing that takes its place when everything has gone well, and leaves nothing otherwise.

    A special file (a pipe, /dev/null) is written directly.
    """
    if is_special(path):
        with path.open("wb") as direct:
            yield direct
        return
    path = path.resolve()  # a symbolic link is written through, not replaced
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:64]}.", suffix=".part", dir=path.parent)
    except OSError as error:
        error.filename = str(path)  # the name that was asked for, not the temporary one
        raise
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb+") as file:
            yield file
            file.flush()
        put_in_place(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def put_in_place(beside: Path, path: Path) -> None:
    """Rename a finished file to its name, with the permissions of the file that was there."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    beside.chmod(mode)
    try:
        beside.replace(path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def is_special(path: Path) -> bool:
    """Whether a path is no place for a file: a device, a pipe, a name of an open file such as /dev/stdout."""
    return (path.exists() and not path.is_file()) or path.absolute().parts[1:2] in (("dev",), ("proc",))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def copy_to(path: Path, stream: BinaryIO) -> None:
    """A pipe into a file."""
    with path.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)


class Sink:
    """Collects the samples of all tensors in temporary files and makes one output file of them.

    Args:
        path: the output; `.npy` takes one tensor, `.npz` and `.safetensors` take several.
    """

    def __init__(self, path: Path | None, suffix: str | None = None) -> None:
        self.suffix = suffix or (path.suffix if path else ".npy")
        if self.suffix not in SUFFIXES:
            raise UsageError(f"{path}: decoded tensors are written to {', '.join(SUFFIXES)} files")
        folder = path.parent if path and not is_special(path) and path.parent.is_dir() else None
        self._folder = tempfile.TemporaryDirectory(prefix=".refsw-", dir=folder)
        self._files: dict[str, BinaryIO] = {}
        self._counts: dict[str, int] = {}

    def add(self, tensor: str, elements: Array) -> None:
        """One sample of a tensor."""
        if tensor not in self._files:
            place = Path(self._folder.name) / str(len(self._files))
            self._files[tensor] = place.open("wb+")
        for part in contiguous_parts(elements):
            self._files[tensor].write(part.data)
        self._counts[tensor] = self._counts.get(tensor, 0) + 1

    def write(self, parameters: dict[str, Parameters], out: BinaryIO) -> None:
        """Make the output file.

        Raises:
            UsageError: the format does not take these tensors.
        """
        if self.suffix == ".npy":
            if len(parameters) != 1:
                raise UsageError(
                    f"{len(parameters)} tensors ({', '.join(parameters)}): write them to .npz or .safetensors"
                )
            self._npy(*next(iter(parameters.items())), out)
        elif self.suffix == ".npz":
            with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                for name, p in parameters.items():
                    # A fixed date: the same tensors give the same bytes.
                    entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
                    with archive.open(entry, "w", force_zip64=True) as member:
                        self._npy(name, p, member)
        else:
            self._safetensors(parameters, out)

    def _npy(self, name: str, p: Parameters, out: Any) -> None:
        if p.dtype == ml_dtypes.bfloat16:
            raise UsageError(f"{name}: .npy has no bfloat16: write a .safetensors file")
        header = {"descr": np.lib.format.dtype_to_descr(p.dtype), "fortran_order": False, "shape": self.shape(name, p)}
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, header)
        out.write(buffer.getvalue())
        self._copy(name, out)

    def shape(self, name: str, p: Parameters) -> tuple[int, ...]:
        """Shape of a tensor with the samples so far."""
        return p.axes.shape(self._counts.get(name, 0))

    def _copy(self, name: str, out: Any) -> None:
        if name in self._files:
            self._files[name].seek(0)
            shutil.copyfileobj(self._files[name], out, 1 << 20)

    def _safetensors(self, parameters: dict[str, Parameters], out: BinaryIO) -> None:
        import json

        from refsw.features.sources import SAFETENSORS_TYPES

        names = {np.dtype(dtype): name for name, dtype in SAFETENSORS_TYPES.items()}
        header, place = {}, 0
        for name, p in parameters.items():
            if name == "__metadata__":
                raise UsageError(f"a tensor named {name} cannot be in a .safetensors file: write a .npz file")
            shape = self.shape(name, p)
            size = int(np.prod(shape, dtype=object)) * p.dtype.itemsize
            header[name] = {"dtype": names[p.dtype], "shape": shape, "data_offsets": [place, place + size]}
            place += size
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        out.write(len(text).to_bytes(8, "little") + text)
        for name in parameters:
            self._copy(name, out)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in self._files.values():
            file.close()
        self._folder.cleanup()
