"""Informative: files of feature tensors as series of samples, read one at a time."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from refsw.errors import FeatureError, UsageError
from refsw.features.npy import Header, damage, read_archive, read_exactly, read_header
from refsw.files import SameFile, check_stamp, stamp_of
from refsw.lazy import importing
from refsw.tensor.axes import Array, Axes, element_type_of
from refsw.tensor.foreign import as_array, widened, wider

MOST_REPEATED = 1 << 26
"""Bytes that the elements of a view of fewer elements may take."""
Opened = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Source:
    """A tensor in a file.

    Its elements are read one sample at a time, in C order, from what `open` gives; or they are in `array`.

    Args:
        name: of the tensor.
        shape: of the tensor.
        stored: dtype in the file.
        where: file and tensor, for messages.
        open: the elements, from the first one on, as often as it is called; from a pipe, once.
        offset: place of the first element in the file, where it has one.
        array: the elements.
        sealed: a checksum is compared when what follows the elements is read.
    """

    name: str
    shape: tuple[int, ...]
    stored: np.dtype[Any]
    where: str
    open: Opened | None = None
    offset: int = 0
    array: Array | None = None
    sealed: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the samples: floats of 8 bits, which the syntax has not, are widened without loss."""
        return wider(self.stored)

    def samples(self, axes: Axes) -> Iterator[Array]:
        """The samples in the user's order of axes, without the sample axis."""
        if self.array is not None:
            yield from map(widened, self.array if axes.has_samples else [self.array])
            return
        count = self.shape[0] if axes.has_samples else 1
        for sample in self._read(count, axes.sample_shape):
            yield widened(sample)

    def load(self) -> Array:
        """All elements, as they are stored."""
        if self.array is not None:
            return self.array
        (array,) = self._read(1, self.shape)  # to its end, where the file is looked at once more
        return array

    def _read(self, count: int, shape: tuple[int, ...]) -> Iterator[Array]:
        """The next `count` arrays of a shape."""
        assert self.open is not None
        size = self.stored.itemsize
        for extent in shape:
            size *= extent
        # Read, not mapped: mapped pages stay in memory, and a series may be larger than that.
        with self.open() as file:
            for index in range(count):
                data = read_exactly(file, size)
                if len(data) < size:
                    raise FeatureError(f"{self.where}: ends within sample {index} of {count}")
                if self.sealed and index == count - 1:
                    file.read(1)
                yield np.frombuffer(data, self.stored).reshape(shape)


def piped_npy(stream: BinaryIO, name: str) -> Source:
    """The tensor of a .npy file that comes through a pipe; its samples are read as they arrive.

    From a pipe, which cannot be wound back, they are read once.

    Raises:
        FeatureError: not a .npy file, or one in Fortran order, which cannot be read sample by sample.
    """
    with damage("the pipe", ".npy file"):
        header = read_header(stream)
    _known(header.dtype, "the pipe")
    if header.fortran and len(header.shape) > 1:
        raise FeatureError("the pipe: an array in Fortran order cannot be read sample by sample")
    offset = stream.tell() if stream.seekable() else 0

    stamp = stamp_of(stream)

    @contextmanager
    def wound_back() -> Iterator[BinaryIO]:
        if stream.seekable():
            stream.seek(offset)
        yield stream
        check_stamp(stream, stamp, "the pipe")

    return Source(name, header.shape, header.dtype, "the pipe", wound_back, offset)


def open_features(path: Path, single_name: str = "") -> list[Source]:
    """The tensors of a .npy, .npz, .safetensors, .pt or .pth file.

    Args:
        path: the file; its suffix tells the format.
        single_name: name for the tensor of a format that has none (.npy).

    Raises:
        FileNotFoundError, OSError: it cannot be read.
        UsageError: an unknown suffix.
        FeatureError: not a file of that format, or no tensor in it.
    """
    sources = open_tensors(path, single_name)
    if not sources:
        raise FeatureError(f"{path}: holds no tensor")
    for source in sources:
        _known(source.dtype, source.where)
    return sources


def open_tensors(path: Path, single_name: str = "") -> list[Source]:
    """As `open_features`, of whatever dtypes, and even none."""
    readers = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors, ".pt": _torch, ".pth": _torch}
    if path.name.endswith(".safetensors.index.json"):
        raise UsageError(f"{path}: features are read from one file: encode each .safetensors file that it names")
    if path.suffix not in readers:
        raise UsageError(f"{path}: features are read from {', '.join(readers)} files")
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UsageError(f"{path}: is read more than once, so that it has to be a plain file")
    same = SameFile(path)
    same.check()  # a missing or unreadable file is told as such, whatever its reader would say
    return readers[path.suffix](same, single_name)


def _known(dtype: np.dtype[Any], where: str) -> None:
    try:
        element_type_of(dtype)
    except FeatureError as error:
        raise FeatureError(f"{where}: {error}") from error


def _at(same: SameFile, offset: int) -> Opened:
    @contextmanager
    def opened() -> Iterator[BinaryIO]:
        with same.open() as file:
            file.seek(offset)
            yield file

    return opened


def _npy(same: SameFile, single_name: str) -> list[Source]:
    path = same.path
    with damage(path, ".npy file"), same.open() as file:
        header = read_header(file)
        there = os.fstat(file.fileno()).st_size - header.size
    if there != header.nbytes:
        raise FeatureError(f"{path}: {there} bytes of elements, its shape {header.shape} has {header.nbytes}")
    return [_source(single_name, header, str(path), _at(same, header.size), header.size)]


def _source(name: str, header: Header, where: str, opened: Opened, offset: int = 0, *, sealed: bool = False) -> Source:
    source = Source(name, header.shape, header.dtype, where, opened, offset, sealed=sealed)
    if not header.fortran or len(header.shape) < 2:
        return source
    (flat,) = source._read(1, (math.prod(header.shape),))
    return Source(name, header.shape, header.dtype, where, array=flat.reshape(header.shape, order="F"))


def _npz(same: SameFile, _: str) -> list[Source]:
    return [_source(m.name, m.header, m.where, m.open, sealed=True) for m in read_archive(same)]


SAFETENSORS_TYPES: dict[str, Any] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": ml_dtypes.bfloat16, "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
SAFETENSORS_FLOAT8: dict[str, Any] = {
    "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
    "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
}  # fmt: skip


def _safetensors(same: SameFile, _: str) -> list[Source]:
    with importing:
        from safetensors import safe_open

    # The library checks the header; from it come the positions, so that samples are read one at a time.
    path = same.path
    with damage(path, ".safetensors file"), same.open() as file:
        with safe_open(path, framework="numpy"):
            pass
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    sources = []
    for name, entry in header.items():
        if name != "__metadata__":
            where = f"{path}: tensor {name}"
            known = {**SAFETENSORS_TYPES, **SAFETENSORS_FLOAT8}
            if entry["dtype"] not in known:
                raise FeatureError(f"{where}: elements of {entry['dtype']}, known are {', '.join(known)}")
            offset = 8 + length + entry["data_offsets"][0]
            dtype = np.dtype(known[entry["dtype"]])
            sources.append(Source(name, tuple(entry["shape"]), dtype, where, _at(same, offset), offset))
    return sources


def _torch(same: SameFile, single_name: str) -> list[Source]:
    path = same.path
    loaded = load_torch(path)
    same.check()
    sources = []
    for name, value in (loaded if isinstance(loaded, dict) else {single_name: loaded}).items():
        where = f"{path}: tensor {name}" if isinstance(loaded, dict) else str(path)
        try:
            array = as_array(_of_the_file(value, path))
        except FeatureError as error:
            raise FeatureError(f"{where}: {error}") from error
        sources.append(Source(str(name), array.shape, array.dtype, where, array=array))
    return sources


def _of_the_file(value: Any, path: Path) -> Any:
    """A tensor whose elements are in the file; one that repeats a few can ask for any memory when it is copied."""
    size = value.element_size() * value.nelement() if hasattr(value, "element_size") else 0
    if size > max(path.stat().st_size, MOST_REPEATED):
        raise FeatureError(f"a view of {size} bytes, more than the file has: save it contiguous")
    return value


def load_torch(path: Path) -> Any:
    """What a .pt or .pth file holds: tensors and plain values; nothing is unpickled that could run.

    Raises:
        UsageError: PyTorch is not there.
        FeatureError: it cannot be loaded.
    """
    try:
        with importing:
            import torch
    except ImportError as error:
        raise UsageError(f"{path}: reading .pt files needs torch (pip install 'refsw[anchors]')") from error
    with damage(path, "file of tensors that can be loaded"):
        return torch.load(path, map_location="cpu", weights_only=True)
