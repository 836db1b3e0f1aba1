"""Informative: files: what to read from, and outputs, which appear whole or not at all.

What is being written stands beside the output as `.NAME.DIGITS.part` and takes its place at the end; a process that is
killed leaves nothing else. A device, a pipe, or an open file under its name (/dev/stdout) is written directly. Which of
these a path is, the file tells, not the path.
"""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from refsw.errors import FeatureError

MOST_LINKS = 40
SHOWN_BYTES = 40
"""Of an output's name, in that of the file beside it: with 23 bytes more, which every file system takes."""
PERMISSIONS = 0o777
FULL = errno.ENOSPC, errno.EDQUOT, errno.EFBIG
_SEPARATORS = re.compile(r"[/\\]")
_OPEN_FILES = re.compile(r"/proc/(\d+)(?:/task/\d+)?/fd")


Bitstream = bytes | bytearray | memoryview | BinaryIO | str | PathLike[str]
"""What functions take for a bitstream: its bytes, an open file or pipe, or the path of a file."""


@contextmanager
def opened(data: Bitstream) -> Iterator[BinaryIO]:
    """A bitstream to read from; what the caller has opened stays open.

    Raises:
        OSError: the file cannot be read.
        TypeError: it is none of them; the message says what is.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        yield io.BytesIO(data)
    elif isinstance(data, str | PathLike):
        with open(data, "rb") as file:
            yield file
    elif hasattr(data, "read") and not isinstance(data, io.TextIOBase):
        yield data
    else:
        what = "a file opened as text" if isinstance(data, io.TextIOBase) else type(data).__name__
        raise TypeError(f"{what} is no bitstream: bytes, a file opened with mode 'rb', or the path of one")


def stamp_of(file: BinaryIO) -> tuple[int, ...]:
    """What changes when another file takes a name, or somebody writes to it; nothing for what is no plain file."""
    try:
        return _stamp(os.fstat(file.fileno()))
    except (OSError, AttributeError):
        return ()


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    plain = stat.S_ISREG(found.st_mode)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns) if plain else ()


def check_stamp(file: BinaryIO, stamp: tuple[int, ...], name: object) -> None:
    """That a file is still the one that it was.

    Raises:
        FeatureError: it is another one, or was written to.
    """
    if stamp_of(file) != stamp:
        raise FeatureError(f"{name}: the file was changed while it was read")


class SameFile:
    """A file that is opened more than once, and has to be the same one each time, from beginning to end.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be reached.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._stamp = path, _stamp(path.stat())  # not opened: what is no plain file may never open

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The file, from its first byte on.

        Raises:
            FeatureError: it is another one than before, or was written to until here, or by the end.
        """
        with self.path.open("rb") as file:
            check_stamp(file, self._stamp, self.path)
            try:
                yield file
            except Exception:
                check_stamp(file, self._stamp, self.path)  # what a reader tripped over may come of that
                raise
            check_stamp(file, self._stamp, self.path)

    def check(self) -> None:
        """That it is still the same; errors as of `open`."""
        with self.open():
            pass


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file for writing that takes its place when everything has gone well, and leaves nothing otherwise.

    A symbolic link is written through, not replaced. The file keeps the permissions of the one that it replaces.

    Raises:
        OSError: the output cannot be created; it is told under the name that was asked for.
    """
    if is_special(path):
        with open_special(path) as direct:
            yield direct
        return
    part = part_of(path)
    try:
        with create_part(part, path) as file:
            yield file
        put_in_place(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        # Closing tries once more what a full disk has refused, and does not say of which file.
        if isinstance(error, OSError) and error.errno in FULL:
            error.filename = error.filename or str(path)
        raise


def is_special(path: Path) -> bool:
    """Whether a path is no place for a file beside it: a device, a pipe, a socket, an open file by its number.

    Raises:
        OSError: it is a folder, or cannot be reached (links in a circle, a folder that is none, no permission).
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return not stat.S_ISREG(mode) or _own_number(path) is not None


def open_special(path: Path) -> BinaryIO:
    """A device, a pipe or an open file for writing; the latter from where it is written at."""
    number = _own_number(path)
    return path.open("wb") if number is None else os.fdopen(os.dup(number), "wb")


def part_of(path: Path) -> Path:
    """The name of a new file beside an output, which no other file has or will have.

    Whoever has the name can remove the file, so that nothing is left however soon after its creation a signal comes.
    """
    target = Path(os.path.realpath(path))
    start = target.name[:SHOWN_BYTES]
    while len(os.fsencode(start)) > SHOWN_BYTES:
        start = start[:-1]
    return target.with_name(f".{start}.{secrets.token_hex(8)}.part")


def create_part(part: Path, path: Path, mode: int = 0o666) -> BinaryIO:
    """The file that `part_of` names, open for writing; not readable for more people than what is at `path`, or `mode`.

    Raises:
        OSError: the output may not be written, or its folder takes no file.
    """
    target = Path(os.path.realpath(path))
    before = target.stat() if target.exists() else None
    # Replaced, it would not even be asked.
    if before is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        number = os.open(part, flags, mode if before is None else before.st_mode & PERMISSIONS)
    except OSError as error:
        error.filename = str(path)  # the name that was asked for, not that beside it
        raise
    return os.fdopen(number, "wb+")


def put_in_place(part: Path, path: Path) -> None:
    """Give a finished file the name of the output, and the owner and permissions of the file that was there.

    Raises:
        OSError: the name is not to be had.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists():
            before = target.stat()
            with suppress(PermissionError):
                os.chown(part, before.st_uid, before.st_gid)
            part.chmod(before.st_mode & PERMISSIONS)
        part.replace(target)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def is_path(name: str) -> bool:
    """10.3.2 Whether a name leads out of the folder where somebody might put a file of that name."""
    parts = _SEPARATORS.split(name)
    return ".." in parts or (len(parts) > 1 and (parts[0] == "" or parts[0].endswith(":")))


def _own_number(path: Path) -> int | None:
    """The number under which this process has a file open, if the path is its name: /dev/stdout, /dev/fd/3."""
    place = os.path.abspath(path)
    for _ in range(MOST_LINKS):
        folder, name = os.path.split(place)
        found = _OPEN_FILES.fullmatch(os.path.realpath(folder))
        if found and name.isdecimal() and int(found[1]) == os.getpid():
            return int(name)
        if not os.path.islink(place):
            return None
        place = os.path.join(folder, os.readlink(place))
    return None
