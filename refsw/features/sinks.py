"""Informative: decoded tensors into files, sample by sample."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import ml_dtypes
import numpy as np

from refsw.errors import UsageError
from refsw.features.npy import new_archive, new_member
from refsw.features.parameters import Parameters
from refsw.features.sources import SAFETENSORS_TYPES
from refsw.files import is_special
from refsw.tensor.axes import Array, contiguous_parts

SUFFIXES = (".npy", ".npz", ".safetensors")


class Sink:
    """Collects the samples of all tensors in temporary files beside the output, and makes one file of them.

    Args:
        path: the output; `.npy` takes one tensor, `.npz` and `.safetensors` take several.
    """

    def __init__(self, path: Path | None, suffix: str | None = None) -> None:
        self.suffix = suffix or (path.suffix if path else ".npy")
        if self.suffix not in SUFFIXES:
            raise UsageError(f"{path}: decoded tensors are written to {', '.join(SUFFIXES)} files")
        self._folder = None if path is None or is_special(path) else Path(os.path.realpath(path)).parent
        self._files: dict[str, BinaryIO] = {}
        self._counts: dict[str, int] = {}

    def add(self, tensor: str, elements: Array, samples: int = 1) -> None:
        """One sample of a tensor, or so many of them."""
        if tensor not in self._files:
            # Without a name, so that a process that is killed leaves nothing of it.
            self._files[tensor] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed with the sink
        for part in contiguous_parts(elements):
            self._files[tensor].write(part.data)
        self._counts[tensor] = self._counts.get(tensor, 0) + samples

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
            with new_archive(out) as archive:
                for name, p in parameters.items():
                    with new_member(archive, name) as member:
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
