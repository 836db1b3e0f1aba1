"""What the commands share: input and output files or pipes, and progress."""

from __future__ import annotations

import errno
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, TypeVar

import click

from refsw.errors import DfcError, FeatureError, UsageError
from refsw.files import FULL, whole_file
from refsw.named import known_by_digest
from refsw.text import sentence, shown

if TYPE_CHECKING:
    from refsw.models.state import Model

_T = TypeVar("_T")
PIPE = Path("-")


class _File(click.Path):
    """A path of a file; one that ends like that of a folder is a mistake, which `Path` would not show."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if str(value).endswith((os.sep, f"{os.sep}.")):
            self.fail(f"{str(value)!r} is a folder: name a file in it", param, ctx)
        return super().convert(value, param, ctx)


OUTPUT = _File(path_type=Path)
"""The type of an option that names an output file, or - for standard output."""
NO_TERMINAL = "binary output goes to a file or a pipe, not to a terminal"
LINE_SECONDS = 30.0
"""Between two lines of progress where there is no terminal."""


max_work = click.option(
    "--max-work",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    help="So many times the work and memory that is usual for a bitstream of that length; 0: any.",
)
"""The option of commands that decode."""


@contextmanager
def role(name: str) -> Iterator[None]:
    """Marks the OSErrors of a block as concerning the `input` or the `output`, for the exit code."""
    try:
        yield
    except OSError as error:
        error.refsw_role = getattr(error, "refsw_role", name)  # type: ignore[attr-defined]
        raise


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Errors about the tensors of a file tell its name."""
    try:
        yield
    except FeatureError as error:
        told, name = str(error), "standard input" if path == PIPE else shown(path)
        raise error if told.startswith((f"{name}:", "the pipe:")) else FeatureError(f"{name}: {told}") from error


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
    """A file that appears whole or not at all, or standard output for `-`; what fails to be written names it."""
    try:
        with _output(path) as file:
            yield file
    except OSError as error:
        if error.errno in (*FULL, errno.EPIPE):
            error.filename = error.filename or ("standard output" if path == PIPE else str(path))
        raise


@contextmanager
def _output(path: Path) -> Iterator[BinaryIO]:
    if path == PIPE:
        if sys.stdout is None:
            raise UsageError("standard output is closed")
        if sys.stdout.isatty():
            raise UsageError(NO_TERMINAL)
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with role("output"), whole_file(path) as file:
        if file.isatty():
            raise UsageError(NO_TERMINAL)
        yield file


def progress(
    items: Iterable[_T], what: str, total: int | None = None, left: Callable[[], float | None] | None = None
) -> Iterator[_T]:
    """The items, with a bar on standard error; in a log, which is no terminal, a line from time to time.

    Args:
        items: that are counted.
        what: is done to them.
        total: how many there will be, if known.
        left: seconds that the rest will take, None as long as that is not known; by default items are taken to take
            the same time each.
    """
    if sys.stderr is None:
        yield from items
        return
    start, done = time.monotonic(), 0

    def by_count() -> float | None:
        return (time.monotonic() - start) * (total - done) / done if total and done else None

    def told(seconds: float | None) -> str:
        return "" if seconds is None else f", {_clock(seconds)} left"

    left = left or by_count
    if not sys.stderr.isatty():
        last = start
        for done, item in enumerate(items, 1):
            yield item
            now = time.monotonic()
            if now - last >= LINE_SECONDS:
                last = now
                counted = f"{done} of {total} ({100 * done // total} %)" if total else f"{done}"
                complain(f"{shown(what)}: {counted}, {_clock(now - start)} so far{told(left())}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    # Names may look like markup.
    columns = (
        *(TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()),
        TextColumn("{task.fields[left]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(shown(what), total=total, left="")
        for done, item in enumerate(items, 1):
            yield item
            bar.update(task, completed=done, left=told(left()).lstrip(", "))


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def say(text: str, output: Path | None = None) -> None:
    """A line of the result on standard output, one whatever is in it, unless the output itself goes there."""
    if not _is_standard_output(output):
        _put(shown(text), sys.stdout)


def _is_standard_output(path: Path | None) -> bool:
    """Whether an output goes where results are told, under whatever name: -, /dev/stdout, or that of a pipe."""
    if path is None or path == PIPE or sys.stdout is None:
        return path == PIPE
    try:
        return os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):
        return False


def say_all(text: str) -> None:
    """A result of many lines, such as a report or JSON, on standard output."""
    _put(shown(text, None, lines=True), sys.stdout)


def complain(text: str) -> None:
    """Lines on standard error; nobody may be there to read them."""
    with suppress(OSError, ValueError):
        _put(shown(text, None, lines=True), sys.stderr)


def _put(text: str, stream: TextIO | None) -> None:
    """Text and an end of line for a terminal or a log, if there is one; what its encoding lacks is escaped."""
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    with _named_output():
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=stream is sys.stderr)


def finish_output() -> None:
    """Hand over what was said on standard output."""
    if sys.stdout is not None:
        with _named_output():
            sys.stdout.flush()


@contextmanager
def _named_output() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error.filename = "standard output"
        raise


def warn(text: str) -> None:
    """A line on standard error that ends nothing."""
    complain(f"refsw: warning: {sentence(text)}")


def distinct(source: Path, target: Path) -> None:
    """Refuse to write over the input.

    Raises:
        UsageError: both are the same file.
    """
    same = False
    with suppress(OSError):  # one of them is not there, or not to be reached, which is told when it is opened
        same = PIPE not in (source, target) and source.samefile(target)
    if same:
        raise UsageError(f"{target} is the input itself")


def base_model(path: Path | None) -> Model | None:
    """The model in a file; None if there is none."""
    if path is None:
        return None
    from refsw.models.files import open_model

    with role("input"):
        return open_model(path)


def digest_of_model(text: str) -> bytes:
    """The digest of a model from its file, or from the hexadecimal digits of the digest itself.

    Raises:
        UsageError: it is neither.
        OSError: the file cannot be read.
    """
    if re.fullmatch("[0-9A-Fa-f]{64}", text):
        return bytes.fromhex(text)
    from refsw.models.files import INDEX, SUFFIXES
    from refsw.models.state import model_digest

    if Path(text).suffix not in SUFFIXES and not text.endswith(INDEX):
        expected = f"a model ({', '.join(SUFFIXES)}, *{INDEX}), or a digest of 64 hexadecimal digits (SHA-256)"
        raise UsageError(f"--model-digest {text}: {expected}")
    model = base_model(Path(text))
    assert model is not None
    return model_digest(model)


MOST_NAMED = 1 << 26
"""Bytes of a file that a bitstream names by its digest."""


def named_files(paths: Sequence[Path]) -> dict[bytes, bytes]:
    """Files that bitstreams name by digest: their contents by SHA-256 digest.

    Raises:
        UsageError, OSError: as of `named_file`.
    """
    return known_by_digest(map(named_file, paths))


def named_file(path: Path) -> bytes:
    """A file that bitstreams may name by its digest.

    Raises:
        UsageError: it is too large for anything that a bitstream names.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(MOST_NAMED + 1)
    if len(data) > MOST_NAMED:
        raise UsageError(f"{path}: more than {MOST_NAMED} bytes; no bitstream names so large a file")
    return data


def native_file(path: Path) -> bytes:
    """A file of native parameters (6.17).

    Raises:
        UsageError: it is none.
        OSError: it cannot be read.
    """
    from refsw.payload.native.configuration import parameters_start

    return _that_reads(path, parameters_start, "native parameters")


def transform_file(path: Path) -> bytes:
    """A file of a channel transform (6.22).

    Raises:
        UsageError: it is none.
        OSError: it cannot be read.
    """
    from refsw.tensor.transform import basis_of

    return _that_reads(path, basis_of, "channel transform")


def _that_reads(path: Path, read: Callable[[bytes], object], what: str) -> bytes:
    data = named_file(path)
    try:
        read(data)
    except DfcError as error:
        raise UsageError(f"{path}: no {what}: {error}") from error
    return data
