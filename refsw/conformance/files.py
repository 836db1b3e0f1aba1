"""13.5.1 Files of suites: plain ones, in the folder of the vectors, and no longer than they may be."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import BinaryIO

from refsw.errors import UsageError

MOST_MANIFEST = 1 << 28
MOST_BASE = 1 << 30
CHUNK = 1 << 20


def plain_bytes(path: Path, most: int) -> bytes:
    """The bytes of a plain file.

    Args:
        path: the file; a pipe, a device or a folder is not opened.
        most: bytes that it may have.

    Raises:
        UsageError: it is no plain file, or a longer one.
        OSError: it cannot be read.
    """
    with _opened(path, most) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise UsageError(f"{path}: more than {most} bytes")
    return data


def check_published(path: Path, sha256: str, most: int) -> None:
    """Check a plain file against its published digest, in little memory.

    Raises:
        UsageError: it is no plain file, a longer one, or not the published one.
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with _opened(path, most) as file:
        while part := file.read(CHUNK):
            digest.update(part)
    _compare(path, digest.hexdigest(), sha256)


def published_bytes(path: Path, sha256: str, size: int) -> bytes:
    """The bytes of a plain file, which are those that were published.

    Raises:
        UsageError: it is no plain file, or not the published one.
        OSError: it cannot be read.
    """
    with _opened(path) as file:
        there = os.fstat(file.fileno()).st_size
        if there != size:
            raise UsageError(f"{path}: not the published file ({there} bytes, published {size})")
        data = file.read(size + 1)
    _compare(path, hashlib.sha256(data).hexdigest(), sha256)
    return data


def inside(folder: Path, name: str) -> Path:
    """The path of a file below a folder, wherever links lead.

    Raises:
        UsageError: it is elsewhere, or no name that a file can have.
        OSError: it is not there.
    """
    try:
        path = os.path.realpath(folder / name, strict=True)
    except ValueError as error:  # NUL, or half of a surrogate
        raise UsageError(f"{name!r}: no name of a file: {error}") from error
    if os.path.commonpath([path, os.path.realpath(folder)]) != os.path.realpath(folder):
        raise UsageError(f"{folder / name}: a link that leads out of the folder of the vectors, to {path}")
    return folder / name


def remove_tree(path: Path) -> None:
    """Remove a folder and what is in it, as far as that can be done: deeper than Python can go as well."""
    try:
        shutil.rmtree(path, ignore_errors=True)
    except RecursionError:
        subprocess.run(["rm", "-rf", "--", str(path)], stderr=subprocess.DEVNULL, check=False)  # noqa: S607


def _opened(path: Path, most: int | None = None) -> BinaryIO:
    """An open plain file; what is none is not even opened, since that may block, or do something."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise UsageError(f"{path}: no plain file")
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode) or (most is not None and found.st_size > most):
        file.close()
        raise UsageError(f"{path}: no plain file of at most {most} bytes")
    return file


def _compare(path: Path, found: str, published: str) -> None:
    if found != published:
        raise UsageError(f"{path}: not the published file (SHA-256 {found}, published {published})")
