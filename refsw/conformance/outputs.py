"""13.6.4 Files of decoded tensors: .npy, .npz, .safetensors, and the raw form that needs no library.

The files come from the decoder under test. Names, number formats and shapes are read first; elements only when
their size is known to be what is expected.
"""

from __future__ import annotations

import json
import math
import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from refsw.syntax.codes import ElementType
from refsw.tensor.axes import DTYPES, Array, contiguous_parts, element_type_of

TYPES = {t.name.lower(): np.dtype(d) for t, d in DTYPES.items()}
LONGEST_HEADER = 1 << 20
MOST_TENSORS = 1 << 12
BFLOAT16 = "@bfloat16"
SAFETENSORS = {
    "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64", "U8": "uint8", "I8": "int8",
    "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32", "U64": "uint64", "I64": "int64", "BOOL": "bool",
}  # fmt: skip


class OutputError(Exception):
    """What a decoder has written is no file of tensors."""


@dataclass(frozen=True)
class Found:
    """A tensor of an output file; `name` is None in a .npy file, which has none."""

    name: str | None
    dtype: str
    shape: tuple[int, ...]
    load: Callable[[], Array]

    @property
    def bytes(self) -> int:
        """What the elements take."""
        return math.prod(self.shape) * TYPES[self.dtype].itemsize


def write_raw(file: BinaryIO, tensors: Mapping[str, Any]) -> None:
    """13.6.4 The raw form: for every tensor a line of JSON, then its elements."""
    for name, tensor in tensors.items():
        array = np.asarray(tensor)
        kind = element_type_of(array.dtype)
        head = {"name": name, "dtype": kind.name.lower(), "shape": list(array.shape)}
        file.write(json.dumps(head).encode() + b"\n")
        for part in contiguous_parts(array.astype(DTYPES[kind], copy=False)):
            file.write(part.data)


def output_file(folder: Path, name: str = "output") -> Path | None:
    """The one file that a decoder has written under a name, with whatever suffix; None if there is none.

    Raises:
        OutputError: there are several, or it is no plain file, or the folder is gone.
    """
    try:
        found = sorted(path for path in folder.iterdir() if path.name.split(".")[0] == name)
    except OSError as error:
        raise OutputError(f"the folder of the output is gone: {error.strerror}") from error
    if not found:
        return None
    if len(found) > 1:
        raise OutputError(f"{len(found)} files named {name}: {', '.join(path.name for path in found)[:200]}")
    if not stat.S_ISREG(found[0].lstat().st_mode):
        raise OutputError(f"{found[0].name} is no plain file")
    return found[0]


def read_tensors(path: Path) -> list[Found]:
    """The tensors of an output file, by its first bytes.

    Raises:
        OutputError: it is none of the forms, or damaged. `load` may raise it too.
    """
    try:
        with path.open("rb") as file:
            start = file.read(10)
            if start.startswith(b"\x93NUMPY"):
                return [_npy(None, path.open("rb"), path.stat().st_size)]
            if start.startswith(b"PK"):
                return _npz(path)
            if start.startswith(b"{"):
                return _raw(path)
            if start[8:9] == b"{":
                return _safetensors(path)
    except OutputError:
        raise
    except Exception as error:  # whatever a library makes of a file that is none
        raise _unreadable(error) from error
    raise OutputError("an empty output file" if not start else f"an output file of unknown form ({start[:8].hex(' ')})")


def _found(name: str | None, dtype: str, shape: Any, load: Callable[[], Array]) -> Found:
    if dtype not in TYPES:
        raise OutputError(f"elements of type {dtype!r}"[:200])
    if not isinstance(shape, list | tuple) or not all(type(n) is int and 0 <= n < 1 << 48 for n in shape):
        raise OutputError(f"a shape {shape!r}"[:200])
    if name is not None and name.endswith(BFLOAT16) and dtype == "float32":
        return Found(name.removesuffix(BFLOAT16), "bfloat16", tuple(shape), lambda: _narrowed(_loaded(load)))
    return Found(name, dtype, tuple(shape), lambda: _loaded(load))


def _loaded(load: Callable[[], Array]) -> Array:
    try:
        return load()
    except OutputError:
        raise
    except Exception as error:  # as above: the file may have changed, or have a shape that numpy has not
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> OutputError:
    return OutputError(f"the output does not read: {type(error).__name__}: {error}"[:500])


def _narrowed(array: Array) -> Array:
    """Float32 that holds bfloat16 exactly."""
    words = array.view(np.uint32)
    if (words & 0xFFFF).any():
        raise OutputError(f"elements of a tensor {BFLOAT16} that bfloat16 does not have")
    return (words >> 16).astype("<u2").view(ml_dtypes.bfloat16)


def _exactly(file: Any, size: int) -> bytearray:
    """`size` bytes, in parts as they come: a length in a header is only believed as far as there are bytes."""
    data = bytearray()
    while len(data) < size:
        part = file.read(min(size - len(data), 1 << 20))
        if not part:
            raise OutputError(f"{size - len(data)} bytes of elements are missing")
        data += part
    return data


def _npy(name: str | None, file: Any, size: int | None) -> Found:
    """A .npy file; `file` is closed."""
    with file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file, max_header_size=LONGEST_HEADER)
        place = file.tell()
    if dtype.kind == "V" and dtype.itemsize == 2 and dtype.names is None:
        kind, stored = "bfloat16", np.dtype("<u2")  # what numpy makes of ml_dtypes' type
    else:
        kind, stored = dtype.name, dtype
        if kind not in TYPES:
            raise OutputError(f"elements of type {kind}"[:200])
    count = math.prod(shape)
    if size is not None and size != place + count * stored.itemsize:
        raise OutputError(f"{size - place} bytes of elements, shape {shape} of {kind} has {count * stored.itemsize}")

    def load() -> Array:
        with _reopen(file, name) as again:
            _exactly(again, place)
            array: Array = np.frombuffer(_exactly(again, count * stored.itemsize), stored)
            if again.read(1):
                raise OutputError("bytes after the last element")
        array = array.reshape(shape, order="F" if fortran else "C")
        if kind == "bfloat16":
            return np.ascontiguousarray(array).view(ml_dtypes.bfloat16)
        return np.ascontiguousarray(array, TYPES[kind])

    return _found(name, kind, shape, load)


def _reopen(file: Any, name: str | None) -> Any:
    if isinstance(file, zipfile.ZipExtFile):
        archive = zipfile.ZipFile(file.archive_path)  # type: ignore[attr-defined]
        return archive.open(f"{name}.npy")
    return open(file.name, "rb")


def _npz(path: Path) -> list[Found]:
    found = []
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_TENSORS or len({e.filename for e in entries}) != len(entries):
            raise OutputError("an archive with too many members, or with two of one name")
        for entry in entries:
            if not entry.filename.endswith(".npy"):
                raise OutputError(f"an archive with a member {entry.filename[:100]!r}")
            member: Any = archive.open(entry)
            member.archive_path = path
            found.append(_npy(entry.filename.removesuffix(".npy"), member, None))
    return found


def _raw(path: Path) -> list[Found]:
    found: list[Found] = []
    total = path.stat().st_size
    with path.open("rb") as file:
        while line := file.readline(LONGEST_HEADER):
            head = json.loads(line)
            if set(head) != {"name", "dtype", "shape"} or not isinstance(head["name"], str):
                raise OutputError("a line that is not name, dtype and shape")
            place = file.tell()
            found.append(_found(head["name"], head["dtype"], head["shape"], lambda: np.empty(0)))
            # The bytes in the file are of the type that the line gives, before what its name may say.
            size = math.prod(found[-1].shape) * TYPES[head["dtype"]].itemsize
            if size > total - place or len(found) > MOST_TENSORS:
                raise OutputError(f"tensor {head['name'][:100]!r}: {size} bytes, {total - place} are left in the file")
            load = _part(path, place, size, TYPES[head["dtype"]], found[-1].shape)
            found[-1] = _found(head["name"], head["dtype"], head["shape"], load)
            file.seek(size, os.SEEK_CUR)
    return found


def _part(path: Path, place: int, size: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Callable[[], Array]:
    def load() -> Array:
        with path.open("rb") as file:
            file.seek(place)
            return np.frombuffer(_exactly(file, size), dtype).reshape(shape)

    return load


def _safetensors(path: Path) -> list[Found]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LONGEST_HEADER:
            raise OutputError(f"a header of {length} bytes")
        header = json.loads(bytes(_exactly(file, length)))
    found = []
    rest = path.stat().st_size - 8 - length
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        kind = SAFETENSORS.get(entry["dtype"], entry["dtype"])
        start, stop = entry["data_offsets"]
        tensor = _found(name, kind, entry["shape"], lambda: np.empty(0))
        size = math.prod(tensor.shape) * TYPES[kind].itemsize
        if not 0 <= start <= stop <= rest or stop - start != size:
            raise OutputError(f"tensor {name[:100]!r}: bytes {start} to {stop} do not hold its elements")
        found.append(
            _found(name, kind, entry["shape"], _part(path, 8 + length + start, size, TYPES[kind], tensor.shape))
        )
    return found


def little_endian(array: Array) -> memoryview:
    """The bytes of a tensor as digests are taken over them."""
    kind = element_type_of(array.dtype)
    return np.ascontiguousarray(array, DTYPES[ElementType(kind)]).reshape(-1).view(np.uint8).data
