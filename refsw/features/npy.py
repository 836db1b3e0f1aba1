"""Informative: .npy files, and .npz files, which are zip archives of one for each tensor; read so that damage is told.

The header of a .npy file is a dictionary written in Python. Of that language it needs three entries, and those are
read, instead of evaluating an expression that a stranger has written.
"""

from __future__ import annotations

import errno
import math
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

import numpy as np

from refsw.errors import FeatureError, RefswError, UsageError
from refsw.files import SameFile, is_path

SUFFIX = ".npy"
MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 1 << 16
LONGEST_NAME = 65535 - len(SUFFIX)
PART = 1 << 24
_ENTRY = re.compile(
    r"\s*(?P<quote>['\"])(?P<key>descr|fortran_order|shape)(?P=quote)\s*:\s*"
    r"(?:(?P<mark>['\"])(?P<descr>[<>|=]?[A-Za-z?]\d{0,9})(?P=mark)|(?P<flag>True|False)"
    r"|\((?P<shape>(?:\s*\d{1,18}L?\s*,)*(?:\s*\d{1,18}L?\s*)?)\))\s*(?:,\s*|$)"
)


@contextmanager
def damage(where: object, what: str) -> Iterator[None]:
    """Tells whatever a reader of files trips over as one error: where is no (what).

    Readers are other people's, and raise what they please for a damaged file.
    """
    try:
        yield
    except RefswError:
        raise
    except Exception as error:
        # Not the system's: no number (bz2), or a place before the start of the file.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        # Its first line: what follows may be advice that does not hold here.
        told = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise FeatureError(f"{where}: no {what}: {told}") from error


@dataclass(frozen=True, slots=True)
class Header:
    """What a .npy file says before its elements, and how many bytes that takes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    size: int

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: Any) -> Header:
    """The header of a .npy file; the file stands at its first element then.

    Raises:
        ValueError: it is none, or of elements that are no numbers.
    """
    start = file.read(8)
    if len(start) < 8 or start[:6] != MAGIC:
        raise ValueError("it does not begin like one")
    if start[6:] not in (b"\x01\x00", b"\x02\x00"):
        raise ValueError(f"version {start[6]}.{start[7]} of the format")
    field = file.read(2 if start[6] == 1 else 4)
    length = int.from_bytes(field, "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("it ends within its header")
    shape, fortran, dtype = _parse(text.decode("latin-1"))
    return Header(shape, fortran, dtype, 8 + len(field) + length)


def _parse(text: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    inner = text.strip()
    if not (inner.startswith("{") and inner.endswith("}")):
        raise ValueError("its header is no dictionary")
    inner, place, found = inner[1:-1].strip(), 0, {}
    while place < len(inner):
        entry = _ENTRY.match(inner, place)
        value = entry and entry[entry["key"].replace("fortran_order", "flag")]
        if entry is None or value is None or entry["key"] in found:
            raise ValueError("its header is not descr, fortran_order and shape of plain numbers")
        found[entry["key"]], place = value, entry.end()
    if len(found) < 3:
        raise ValueError("its header lacks descr, fortran_order or shape")
    shape = tuple(int(n.strip().rstrip("L")) for n in found["shape"].split(",") if n.strip())
    return shape, found["fortran_order"] == "True", _dtype(found["descr"])


def _dtype(text: str) -> np.dtype[Any]:
    if text.lstrip("<>|=")[0] in "OV":
        what = "Python objects, which are never loaded" if "O" in text else "raw bytes (a type that .npy does not know)"
        raise ValueError(f"its elements are {what}: save numbers, or a .safetensors file")
    try:
        dtype = np.dtype(text)
    except TypeError as error:
        raise ValueError(f"elements of type {text}") from error
    if dtype.kind not in "biuf":
        raise ValueError(f"elements of {dtype}, which are no real numbers")
    return dtype


@dataclass(frozen=True, slots=True)
class Member:
    """A tensor of an .npz file."""

    file: SameFile
    entry: zipfile.ZipInfo
    header: Header

    @property
    def name(self) -> str:
        """Of the tensor."""
        return self.entry.filename.removesuffix(SUFFIX)

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.file.path}: member {self.entry.filename}"

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Its elements; the checksum of the archive is compared once the last byte is read."""
        with (
            damage(self.where, "readable member"),
            self.file.open() as file,
            zipfile.ZipFile(file) as archive,
            archive.open(self.entry) as m,
        ):
            m.read(self.header.size)
            yield m


def read_archive(file: SameFile) -> list[Member]:
    """The tensors of an .npz file, without their elements.

    Raises:
        FeatureError: it is none; the member is named.
    """
    found: dict[str, Member] = {}
    path = file.path
    with damage(path, ".npz file"), file.open() as opened, zipfile.ZipFile(opened) as archive:
        for entry in archive.infolist():
            where = f"{path}: member {entry.filename}"
            if not entry.filename.endswith(SUFFIX):
                raise FeatureError(f"{where}: is no .npy file")
            if entry.filename in found:
                raise FeatureError(f"{where}: is there twice")
            # Not by numpy's archive[name]: that takes the member x.npy for the tensor x.npy as well.
            with damage(where, ".npy file"), archive.open(entry) as member:
                header = read_header(member)
            if header.size + header.nbytes != entry.file_size:
                size = f"{entry.file_size - header.size} bytes of elements, its shape has {header.nbytes}"
                raise FeatureError(f"{where}: {size}")
            found[entry.filename] = Member(file, entry, header)
    return list(found.values())


def read_exactly(file: Any, size: int) -> bytes | bytearray:
    """As many bytes as are there, up to a size; a size that somebody states takes no memory by itself."""
    if size <= PART:
        return file.read(size)  # type: ignore[no-any-return]
    data = bytearray()
    while len(data) < size:
        part = file.read(min(size - len(data), PART))
        if not part:
            break
        data += part
    return data


def new_archive(out: BinaryIO) -> zipfile.ZipFile:
    """An archive for writing tensors, as they are: codecs have been at them."""
    return zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, allowZip64=True)


def new_member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """The place of a tensor's .npy file in an archive.

    Raises:
        UsageError: the name of the tensor would make a member that zip archives cannot have, or one that unpacks
            outside of its folder.
    """
    if is_path(name):
        raise UsageError(
            f"tensor {name}: in an archive this is the path of a file outside of it: write a .safetensors file"
        )
    if len(name.encode()) > LONGEST_NAME:
        raise UsageError(f"tensor {name[:40]}...: too long a name for an archive: write a .safetensors file")
    # A fixed date: the same tensors give the same bytes.
    return archive.open(zipfile.ZipInfo(f"{name}{SUFFIX}", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True)
