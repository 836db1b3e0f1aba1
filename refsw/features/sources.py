"""Informative: files of feature tensors as series of samples, read one at a time."""

from __future__ import annotations

import json
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from refsw.errors import FeatureError, UsageError
from refsw.tensor.axes import Array, Axes
from refsw.tensor.foreign import as_array

DAMAGE: tuple[type[Exception], ...] = (
    ValueError,
    EOFError,
    KeyError,
    SyntaxError,
    NotImplementedError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the readers of files raise for a damaged one."""


@dataclass(frozen=True)
class Source:
    """A tensor in a file.

    With `path`, its elements are read from there one sample at a time, at `offset`, in C order; else they
    are in `array`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    array: Array | None = None
    path: Path | None = None
    offset: int = 0
    pipe: BinaryIO | None = None

    def samples(self, axes: Axes) -> Iterator[Array]:
        """The samples in the user's order of axes, without the sample axis."""
        if self.array is not None:
            yield from self.array if axes.has_samples else [self.array]
            return
        if self.pipe is not None:
            if self.pipe.seekable():
                self.pipe.seek(self.offset)
            yield from self._read(self.pipe, axes)
            return
        assert self.path is not None
        # Read, not mapped: mapped pages stay in memory, and a series may be larger than that.
        with self.path.open("rb") as file:
            file.seek(self.offset)
            yield from self._read(file, axes)

    def _read(self, file: BinaryIO, axes: Axes) -> Iterator[Array]:
        count = self.shape[0] if axes.has_samples else 1
        size = axes.elements * self.dtype.itemsize
        for index in range(count):
            data = file.read(size)
            if len(data) < size:
                raise FeatureError(f"{self.path or 'the pipe'}: ends within sample {index} of {count}")
            yield np.frombuffer(data, self.dtype).reshape(axes.sample_shape)


def piped_npy(stream: BinaryIO, name: str) -> Source:
    """The tensor of a .npy file that comes through a pipe; its samples are read as they arrive.

    From a pipe, which cannot be wound back, they are read once.

    Raises:
        FeatureError: not a .npy file, or one in Fortran order, which cannot be read sample by sample.
    """
    try:
        shape, fortran, dtype = _npy_header(stream)
    except DAMAGE as error:
        raise FeatureError(f"the pipe: not a .npy file: {error}") from error
    if fortran and len(shape) > 1:
        raise FeatureError("the pipe: an array in Fortran order cannot be read sample by sample")
    offset = stream.tell() if stream.seekable() else 0
    return Source(name, shape, dtype, offset=offset, pipe=stream)


def open_features(path: Path, single_name: str = "", *, least: int = 1) -> list[Source]:
    """The tensors of a .npy, .npz, .safetensors, .pt or .pth file.

    Args:
        path: the file; its suffix tells the format.
        single_name: name for the tensor of a format that has none (.npy).
        least: so many tensors have to be in it.

    Raises:
        FileNotFoundError, OSError: it cannot be read.
        UsageError: an unknown suffix.
        FeatureError: not a file of that format, or no tensor in it.
    """
    readers = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors, ".pt": _torch, ".pth": _torch}
    if path.suffix not in readers:
        raise UsageError(f"{path}: features are read from {', '.join(readers)} files")
    with path.open("rb"):
        pass  # a missing or unreadable file is told as such, whatever its reader would say
    try:
        sources = readers[path.suffix](path, single_name)
    except DAMAGE as error:
        raise FeatureError(f"{path}: not a {path.suffix} file of tensors: {error}") from error
    if len(sources) < least:
        raise FeatureError(f"{path}: holds no tensor")
    return sources


def _npy_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the format")
    shape, fortran, dtype = readers[version](file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded")
    if dtype.itemsize == 0 or any(not isinstance(n, int) or n < 0 for n in shape):
        raise ValueError(f"elements of {dtype} and shape {shape}")
    return tuple(shape), fortran, dtype


def _npy(path: Path, single_name: str) -> list[Source]:
    with path.open("rb") as file:
        shape, fortran, dtype = _npy_header(file)
        offset = file.tell()
    if fortran and len(shape) > 1:
        return [Source(single_name, shape, dtype, np.load(path, mmap_mode="r", allow_pickle=False))]
    return [Source(single_name, shape, dtype, None, path, offset)]


def _npz(path: Path, _: str) -> list[Source]:
    sources = []
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            if not entry.endswith(".npy"):
                raise ValueError(f"its member {entry} is no .npy file")
            # Not by numpy's archive[name]: that takes the member x.npy for the tensor x.npy as well.
            with archive.open(entry) as member:
                array = np.lib.format.read_array(member, allow_pickle=False)
            sources.append(Source(entry.removesuffix(".npy"), array.shape, array.dtype, array))
    return sources


SAFETENSORS_TYPES: dict[str, Any] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": ml_dtypes.bfloat16, "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


def _safetensors(path: Path, _: str) -> list[Source]:
    from safetensors import SafetensorError, safe_open

    sources = []
    try:
        with safe_open(path, framework="numpy") as archive:
            for name in archive.keys():  # noqa: SIM118 - not a dictionary
                view = archive.get_slice(name)
                dtype = np.dtype(SAFETENSORS_TYPES[view.get_dtype()])
                sources.append((name, tuple(view.get_shape()), dtype))
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    # The library has checked the header; from it come the positions, so that samples are read one at a time.
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return [
        Source(name, shape, dtype, None, path, 8 + length + header[name]["data_offsets"][0])
        for name, shape, dtype in sources
    ]


def _torch(path: Path, single_name: str) -> list[Source]:
    try:
        import torch
    except ImportError as error:
        raise UsageError(f"{path}: reading .pt files needs torch (pip install 'refsw[anchors]')") from error
    import pickle

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if not isinstance(loaded, dict):
        loaded = {single_name: loaded}
    arrays = {str(name): as_array(tensor) for name, tensor in loaded.items()}
    return [Source(name, a.shape, a.dtype, a) for name, a in arrays.items()]
