"""Informative: a file that holds files: a ZIP archive of which every byte is covered by a digest.

    archive.json     the format, what it is about, and the length and SHA-256 of every other member
    anything else    deflated or stored, plain names below the archive, no folders and no links

The comment at its end is the SHA-256 of all that stands before it. What comes from elsewhere is not trusted: names,
kinds, lengths and ratios are looked at before anything is unpacked, and no more is read than archive.json says.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from refsw.evaluation.errors import ArchiveError
from refsw.files import whole_file
from refsw.text import shown

MANIFEST = "archive.json"
MOST_MANIFEST = 1 << 26
MOST_MEMBERS = 1 << 20
MOST_RATIO = 200
"""Times the length of the archive that its members may have, and `FREE` bytes."""
FREE = 1 << 30
CHUNK = 1 << 20
DATE = (1980, 1, 1, 0, 0, 0)
PREFIX = b"sha256:"
DIGITS = 64
KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
Contents = bytes | Path
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)
"""What the library makes of archives that are none."""


def write_archive(path: Path, form: str, about: Mapping[str, Any], members: Iterable[tuple[str, Contents]]) -> str:
    """Write an archive, whole or not at all.

    Args:
        path: the file.
        form: what kind of archive it is.
        about: JSON types, for the manifest.
        members: names, and bytes or files.

    Returns:
        The SHA-256 of the manifest, which stands for all that is in it.

    Raises:
        OSError: it cannot be written, or a member cannot be read.
    """
    files: dict[str, dict[str, Any]] = {}
    with whole_file(path) as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, contents in members:
                files[name] = _add(archive, name, contents)
            text = json.dumps({"format": form, "about": about, "files": files}, allow_nan=False).encode()
            _add(archive, MANIFEST, text)
            archive.comment = PREFIX + b"0" * DIGITS
        out.seek(0)
        digest = _digest_of(out, out.seek(0, os.SEEK_END) - DIGITS)
        out.seek(-DIGITS, os.SEEK_END)
        out.write(digest.encode())
    return hashlib.sha256(text).hexdigest()


def _add(archive: zipfile.ZipFile, name: str, contents: Contents) -> dict[str, Any]:
    total, size = hashlib.sha256(), 0
    info = zipfile.ZipInfo(name, DATE)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, (stat.S_IFREG | 0o644) << 16
    with archive.open(info, "w", force_zip64=True) as member:
        for part in [contents] if isinstance(contents, bytes) else _parts_of(contents):
            total.update(part)
            size += len(part)
            member.write(part)
    return {"bytes": size, "sha256": total.hexdigest()}


def _parts_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            yield part


def _digest_of(file: IO[bytes], size: int) -> str:
    """SHA-256 of the first bytes of a file."""
    file.seek(0)
    total = hashlib.sha256()
    while size > 0 and (part := file.read(min(CHUNK, size))):
        total.update(part)
        size -= len(part)
    return total.hexdigest()


@dataclass
class Archive:
    """An archive that is open for reading.

    Args:
        path: the file.
        form: what it says that it is.
        about: what the manifest says.
        files: length and SHA-256 of every member, by name.
        digest: SHA-256 of the manifest.
        altered: whether any byte of the file is another than when it was written.
    """

    path: Path
    form: str
    about: dict[str, Any]
    files: dict[str, dict[str, Any]]
    digest: str
    altered: bool
    _zip: zipfile.ZipFile
    _infos: dict[str, zipfile.ZipInfo] = field(default_factory=dict)

    def read(self, name: str) -> bytes:
        """A member, as it was written.

        Raises:
            ArchiveError: it is not there, or another.
        """
        return b"".join(self.parts(name))

    def parts(self, name: str) -> Iterator[bytes]:
        """The same, in parts; that the last of them is right is known after it."""
        told, info = self.files.get(name), self._infos.get(name)
        if told is None or info is None:
            raise ArchiveError(f"{self.path}: {shown(name)} is not there")
        total, left = hashlib.sha256(), told["bytes"]
        try:
            with self._zip.open(info) as member:
                while part := member.read(min(CHUNK, left + 1)):
                    left -= len(part)
                    total.update(part)
                    if left < 0:
                        break
                    yield part
        except BROKEN as error:
            raise ArchiveError(f"{self.path}: {shown(name)} is damaged: {error}") from error
        if left or total.hexdigest() != told["sha256"]:
            raise ArchiveError(f"{self.path}: {shown(name)} is not what it was")

    def findings(self) -> Iterator[str]:
        """Every member that is missing, one too many, or another; and the archive itself, if it is none of them."""
        named = False
        for name in sorted(self.files.keys() | self._infos.keys()):
            if name == MANIFEST:
                continue
            if name not in self._infos:
                yield f"{name}: is missing"
            elif name not in self.files:
                yield f"{name}: is not one of the files that were sealed"
            else:
                try:
                    for _ in self.parts(name):
                        pass
                except ArchiveError:
                    yield f"{name}: is not what it was"
                else:
                    continue
            named = True
        if self.altered and not named:
            yield f"{self.path.name}: bytes between the files, or of {MANIFEST}, are not what they were"


@contextmanager
def opened(path: Path, *forms: str) -> Iterator[Archive]:
    """An archive for reading.

    Args:
        path: the file.
        forms: what kinds of archive will do.

    Raises:
        ArchiveError: it is none of them, or no archive that anyone should unpack.
        OSError: it cannot be read.
    """
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ArchiveError(f"{path}: no plain file")
        size = file.seek(0, os.SEEK_END)
        whole = _digest_of(file, size - DIGITS)
        file.seek(max(0, size - DIGITS - len(PREFIX)))
        altered = file.read() != PREFIX + whole.encode()
        file.seek(0)
        try:
            archive = _checked(path, stack.enter_context(zipfile.ZipFile(file)), size, forms, altered=altered)
        except BROKEN as error:
            raise ArchiveError(f"{path}: no archive, or a damaged one: {error}") from error
        yield archive


def _checked(path: Path, archive: zipfile.ZipFile, size: int, forms: tuple[str, ...], *, altered: bool) -> Archive:
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        raise ArchiveError(f"{path}: {len(infos)} files: at most {MOST_MEMBERS}")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        wrong = _wrong(info)
        if info.filename in found:
            wrong = "is there twice"
        if wrong:
            raise ArchiveError(f"{path}: {shown(info.filename, 200)}: {wrong}")
        found[info.filename] = info
    declared, packed = (sum(getattr(i, name) for i in infos) for name in ("file_size", "compress_size"))
    if declared > MOST_RATIO * size + FREE:
        raise ArchiveError(f"{path}: {size} bytes that unpack to {declared}: more than {MOST_RATIO} times as many")
    if packed > size:
        raise ArchiveError(f"{path}: its files take {packed} bytes, and the archive has {size}: they overlap")
    text = _manifest(path, archive, found)
    form, about, files = _told(path, text)
    if form not in forms:
        raise ArchiveError(f"{path}: an archive of kind {shown(form, 60)}, not {' or '.join(forms)}")
    return Archive(path, form, about, files, hashlib.sha256(text).hexdigest(), altered, archive, found)


def _wrong(info: zipfile.ZipInfo) -> str:
    """Why a member is none that was written here; empty if it may be."""
    name = PurePosixPath(info.filename)
    mode = info.external_attr >> 16
    if name.is_absolute() or ".." in name.parts or "\\" in info.filename or ":" in info.filename.split("/")[0]:
        return "a path that leads out of the archive"
    if info.is_dir() or str(name) != info.filename or not info.filename.isprintable():
        return "no plain name of a file"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "a link, or another thing that is no file"
    if info.flag_bits & 1:
        return "is encrypted"
    if info.compress_type not in KINDS:
        return f"compressed by method {info.compress_type}: only deflated or stored ones are read"
    return ""


def _manifest(path: Path, archive: zipfile.ZipFile, found: Mapping[str, zipfile.ZipInfo]) -> bytes:
    if MANIFEST not in found:
        raise ArchiveError(f"{path}: without {MANIFEST}: no archive of refsw anchor")
    with archive.open(found[MANIFEST]) as member:
        text = member.read(MOST_MANIFEST + 1)
    if len(text) > MOST_MANIFEST:
        raise ArchiveError(f"{path}: {MANIFEST} has more than {MOST_MANIFEST} bytes")
    return text


def _told(path: Path, text: bytes) -> tuple[str, dict[str, Any], dict[str, dict[str, Any]]]:
    try:
        told = json.loads(text)
        form, about, files = told["format"], told["about"], told["files"]
        whole = all(
            type(entry["bytes"]) is int and entry["bytes"] >= 0 and isinstance(entry["sha256"], str)
            for entry in files.values()
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArchiveError(f"{path}: {MANIFEST} is damaged: {error}") from error
    if not (isinstance(form, str) and isinstance(about, dict) and whole):
        raise ArchiveError(f"{path}: {MANIFEST} is damaged: fields of another kind")
    return form, about, files
