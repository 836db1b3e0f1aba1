"""Informative: programs run by command, with a limit of time, and ended together with whatever they have started.

A command is a line with placeholders, split as a shell would but never passed to one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import BinaryIO

from refsw.errors import CodecError, UsageError

TIMEOUT_SECONDS = 3600.0
TOLD_BYTES = 1 << 16
"""As much of what a program says is looked at, from its end."""

INPUT, OUTPUT, VALUE = "input", "output", "value"

SHELL = re.compile(r"\d?>>?.*|&>.*|<|\|\|?|&&")
"""Words that only a shell understands."""
ERRORS = re.compile("error|fail|invalid|illegal|unrecogni|unknown|unsupported|cannot|no such", re.IGNORECASE)
"""What lines that speak of an error have in them."""

_running: set[int] = set()
_folders: set[str] = set()


class CrashError(CodecError):
    """A program that was ended by a signal."""


def words_of(template: str) -> list[str]:
    """A command split into words as a shell does it.

    Raises:
        UsageError: quotes that are not closed, or nothing at all.
    """
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise UsageError(f"command {template!r}: {error}") from error
    if not words:
        raise UsageError("an empty command")
    return words


def check_command(template: str, names: Collection[str], needed: Collection[str] = ()) -> None:
    """See that a command can be filled in: with these names and with nothing else, and that it has those needed.

    Raises:
        UsageError: it cannot.
    """
    used = set()
    for word in words_of(template):
        if SHELL.fullmatch(word):
            raise UsageError(f"command {template!r}: no shell runs it, which {word!r} needs: sh -c '...'")
        try:
            parts = list(Formatter().parse(word))
        except ValueError as error:
            raise UsageError(f"command {template!r}: {error}; braces are written {{{{ and }}}}") from error
        for _, name, form, conversion in parts:
            if name is not None and (name not in names or form or conversion):
                known = ", ".join(f"{{{known}}}" for known in names)
                raise UsageError(f"command {template!r}: unknown placeholder {{{name}}}: {known}")
            used.add(name)
    for name in needed:
        if name not in used:
            raise UsageError(f"command {template!r}: {{{name}}} is missing")


def run(template: str, fields: Mapping[str, str | int]) -> str:
    """Run a command to its end, and give the last of what it said.

    What it says goes to files, so that a program that it leaves behind keeps nobody waiting, and one that says much
    fills no memory. The program has a process group of its own, which is ended with it.

    Raises:
        UsageError: an unknown placeholder, or no such program.
        CodecError: it took too long, or ended with an exit code other than 0.
    """
    check_command(template, fields)
    words = [word.format(**fields) for word in words_of(template)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, process_group=0)
        except (OSError, ValueError) as error:  # ValueError: a NUL in a word
            raise UsageError(f"{words[0]}: {getattr(error, 'strerror', None) or error}") from error
        _running.add(process.pid)
        try:
            code = process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise CodecError(f"{words[0]} did not end within {TIMEOUT_SECONDS:.0f} s") from error
        finally:
            _end(process.pid)
            process.wait()
            _running.discard(process.pid)
        if code < 0:
            raise CrashError(f"{words[0]} was ended by signal {-code}")
        if code:
            raise CodecError(f"{words[0]} ended with exit code {code}: {_told(err) or _told(out) or 'no message'}")
        return _told(err) or _told(out)


def _told(file: BinaryIO) -> str:
    """The lines that speak of an error, or the last."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - TOLD_BYTES))
    said = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    lines = [line[:300] for line in said if any(c.isalnum() for c in line)]
    return "; ".join(([line for line in lines if ERRORS.search(line)] or lines[-1:])[:3])


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """A folder for one command, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="refsw-", ignore_cleanup_errors=True) as folder:
        _folders.add(folder)
        try:
            yield Path(folder)
        finally:
            _folders.discard(folder)


def abandon() -> None:
    """End the programs that run and remove their folders: for a process that is about to end in the middle of them."""
    for group in list(_running):
        _end(group)
    for folder in list(_folders):
        shutil.rmtree(folder, ignore_errors=True)
