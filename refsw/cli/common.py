"""What the commands share: input and output files or pipes, and progress."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from refsw.errors import UsageError

if TYPE_CHECKING:
    from refsw.models.state import Model

_T = TypeVar("_T")
PIPE = Path("-")


@contextmanager
def role(name: str) -> Iterator[None]:
    """Marks the OSErrors of a block as concerning the `input` or the `output`, for the exit code."""
    try:
        yield
    except OSError as error:
        error.refsw_role = getattr(error, "refsw_role", name)  # type: ignore[attr-defined]
        raise


@contextmanager
def input_stream(path: Path) -> Iterator[BinaryIO]:
    """A file for reading, or standard input for `-`."""
    if path == PIPE:
        if sys.stdin is None:
            raise UsageError("standard input is closed")
        yield sys.stdin.buffer
        return
    with role("input"):
        file = path.open("rb")
    with file:
        yield file


@contextmanager
def output_stream(path: Path) -> Iterator[BinaryIO]:
    """A file that appears whole or not at all, or standard output for `-`."""
    if path == PIPE:
        if sys.stdout is None:
            raise UsageError("standard output is closed")
        if sys.stdout.isatty():
            raise UsageError("binary output goes to a file or a pipe, not to a terminal")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    from refsw.features.sinks import whole_file

    with role("output"), whole_file(path) as file:
        yield file


def progress(items: Iterable[_T], what: str, total: int | None = None) -> Iterator[_T]:
    """The items, with a bar on standard error if that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, what, total, console=Console(stderr=True), transient=True)


def say(text: str, output: Path | None = None) -> None:
    """A line of the result on standard output, unless the output itself goes there."""
    if output != PIPE:
        print(text)


def distinct(source: Path, target: Path) -> None:
    """Refuse to write over the input.

    Raises:
        UsageError: both are the same file.
    """
    if source != PIPE and target != PIPE and source.exists() and target.exists() and source.samefile(target):
        raise UsageError(f"{target} is the input itself")


def base_model(path: Path | None) -> Model | None:
    """The model in a file; None if there is none."""
    if path is None:
        return None
    from refsw.models.files import open_model

    with role("input"):
        return open_model(path)


def model_digest(text: str) -> bytes:
    """A SHA-256 digest from hexadecimal digits."""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise UsageError(f"--model-digest {text}: 64 hexadecimal digits (SHA-256)")
    return digest
