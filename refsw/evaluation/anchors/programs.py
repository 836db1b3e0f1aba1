"""Informative: which programs the commands of a codec run: found on this machine, and known by what is in them.

A command is known by its words, without the folders in which its files lie: on another machine they lie elsewhere. A
program, and every file that a word names, is known by its SHA-256. Wrappers are looked through: a word that is a
program (`nice mycodec`), and, of a script, its interpreter and the programs that it names. What these load themselves,
libraries and packages, is not followed, but the variables of the environment that decide on it are known.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from refsw.errors import UsageError
from refsw.evaluation.anchors.choices import CodecChoice
from refsw.payload.commands import words_of

VARIABLES = ("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME", "PYTHONPATH")
"""What decides on the libraries and packages of a program."""
SHELLS = {"sh", "bash", "dash", "ash", "ksh", "zsh"}
WORDS = re.compile(r"[A-Za-z0-9_.+~/-]+")
MOST_SCRIPT_BYTES = 1 << 20
DEEPEST = 3
SPECIAL = ("/proc/", "/sys/", "/dev/")


def commands_of(codec: CodecChoice) -> list[str]:
    """The commands that a codec runs; none of refsw's own."""
    if codec.external:
        return [codec.encode, codec.decode]
    if codec.picture:
        return []
    command = codec.config(codec.values[0]).settings.command
    return [command] if command else []


def check_programs(codec: CodecChoice) -> None:
    """Make sure that the programs of a codec are there.

    Raises:
        UsageError: one is not; or a command that is none.
    """
    for template in commands_of(codec):
        program = words_of(template)[0]
        if _found(program) is None:
            raise UsageError(f"codec {codec.name}: no program {program}")


def program_identity(codec: CodecChoice) -> dict[str, str]:
    """What decides on what the commands of a codec do: digests of programs and files by name, and variables.

    Raises:
        UsageError: a command that is none.
    """
    templates = commands_of(codec)
    found: dict[str, str] = {}
    seen: set[Path] = set()
    for template in templates:
        for number, word in enumerate(words_of(template)):
            for named in dict.fromkeys((word, word.partition("=")[2])):  # also --config=file
                path = _found(named) if named and "{" not in named else None
                # A word that is no path may be the name of a program as well as anything else.
                if path is not None and (number == 0 or "/" in named or path.name == named):
                    _add(path, found, seen)
    if templates:
        found |= {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return found


def _add(path: Path, found: dict[str, str], seen: set[Path], depth: int = 0) -> None:
    """A file, and if it is a script what it runs; two files of one name are told apart by a number."""
    if path in seen or str(path.resolve()).startswith(SPECIAL):
        return
    seen.add(path)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            begin = file.read(MOST_SCRIPT_BYTES)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    name, number = path.name, 2
    while found.get(name, digest) != digest:
        name, number = f"{path.name} ({number})", number + 1
    found[name] = digest
    if begin.startswith(b"#!") and depth < DEEPEST:
        for inner in _run_by(begin.decode(errors="replace")):
            _add(inner, found, seen, depth + 1)


def _run_by(script: str) -> Iterator[Path]:
    """The interpreter of a script and the programs that it names; of a shell's script also those found by PATH."""
    first, *lines = script.splitlines()
    interpreter = first[2:].split()
    yield from _programs(interpreter, by_path=True)
    by_path = any(Path(word).name in SHELLS for word in interpreter)
    for line in lines:
        if not line.lstrip().startswith("#"):
            yield from _programs(WORDS.findall(line), by_path=by_path)


def _programs(words: Sequence[str], *, by_path: bool) -> Iterator[Path]:
    for word in words:
        path = _found(word) if by_path or "/" in word else None
        if path is not None and (os.access(path, os.X_OK) or path.suffix == ".py"):
            yield path


def _found(word: str) -> Path | None:
    """The file that a word names, or the program that a shell would run for it."""
    path = Path(word).expanduser() if word.startswith("~/") else Path(word)
    try:
        if path.is_file():
            return path
    except (OSError, ValueError):  # a name that is too long, or has a NUL
        return None
    program = shutil.which(word)
    return None if program is None else Path(program)
