"""13.6 Programs under test: a registered name, a command, a Python function, or a process that talks in JSON lines."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from refsw.errors import UsageError
from refsw.text import shown

PACKAGE = Path(__file__).resolve().parent.parent
MOST_SECONDS = 1e6
INPUT, OUTPUT, BASE = "{input}", "{output}", "{base}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one case may take. `output_bytes` is what a program may write beyond twice what is expected."""

    seconds: float = 60.0
    memory_bytes: int = 4 << 30
    output_bytes: int = 256 << 20

    def __post_init__(self) -> None:
        if not (0 < self.seconds <= MOST_SECONDS and self.memory_bytes > 0 and self.output_bytes >= 0):
            raise UsageError(
                f"limits of {self.seconds} s, {self.memory_bytes} bytes: at most {MOST_SECONDS} s, above 0"
            )

    def as_list(self) -> list[float]:
        """The limits, to tell one run from another."""
        return [self.seconds, self.memory_bytes, self.output_bytes]

    def as_dict(self) -> dict[str, float]:
        """The limits, as results.json has them."""
        return {"seconds": self.seconds, "memory_bytes": self.memory_bytes, "output_bytes": self.output_bytes}


@dataclass(frozen=True, slots=True)
class ProgramUnderTest:
    """How to start a decoder or an encoder.

    Args:
        role: decoder or encoder, for messages.
        name: as the user gave it.
        kind: registered, command, entry point, or process.
        words: the program and its arguments; of a command, with placeholders.
        identity: SHA-256 over all that is known of it, so that results of another one are not taken for its own.
        path: what to put before PYTHONPATH.
    """

    role: str
    name: str
    kind: str
    words: tuple[str, ...]
    identity: str
    path: str = ""

    @property
    def talks(self) -> bool:
        """Whether one process takes many cases."""
        return self.kind != "command"

    def as_dict(self) -> dict[str, str]:
        """The program, as results.json has it."""
        return {"name": shown(self.name), "kind": self.kind, "identity": self.identity}


@dataclass(frozen=True, slots=True)
class Form:
    """What the programs of a role may be called with.

    Args:
        role: decoder or encoder.
        placeholders: of a command; the first two have to be there.
        registered: names and their entry points.
        worker: the module that makes a process of a Python function.
    """

    role: str
    placeholders: tuple[str, ...]
    registered: Mapping[str, str]
    worker: tuple[str, ...]


def program_under_test(text: str, form: Form) -> ProgramUnderTest:
    """A program from what the user wrote.

    Raises:
        UsageError: it is none of the forms, or there is no such program, file or function.
    """
    if text in form.registered:
        entry = form.registered[text]
        folder = PACKAGE if text.partition(":")[0] == "refsw" else Path(entry.rpartition(":")[0]).parent
        return _python(form, text, "registered", entry, folder.rglob("*.py"))
    if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*|[^{}]+\.py:[A-Za-z_]\w*", text):
        return _entry_point(text, form)
    return _command(text, form)


def _python(form: Form, name: str, kind: str, entry: str, files: Iterable[Path]) -> ProgramUnderTest:
    words = (sys.executable, "-m", *form.worker, entry)
    path = os.pathsep.join([str(PACKAGE.parent), str(Path.cwd())])
    return ProgramUnderTest(form.role, name, kind, words, _identity([name, kind], files), path)


def _entry_point(text: str, form: Form) -> ProgramUnderTest:
    place, _, name = text.rpartition(":")
    if place.endswith(".py"):
        file = Path(place).absolute()
        if not file.is_file():
            raise UsageError(f"{form.role} {text}: there is no file {place}")
        return _python(form, text, "entry point", f"{file}:{name}", [file])
    from importlib.machinery import PathFinder

    # As the worker will find it, here first, without a change of this process's own path.
    spec, path, package = None, [str(Path.cwd()), *sys.path], ""
    for part in place.split("."):
        package = f"{package}.{part}" if package else part
        spec = PathFinder.find_spec(package, path)
        if spec is None:
            raise UsageError(f"{form.role} {text}: there is no module {place}")
        path = list(spec.submodule_search_locations or ())
    assert spec is not None  # there is a part
    return _python(form, text, "entry point", text, [Path(spec.origin)] if spec.origin else [])


def _command(text: str, form: Form) -> ProgramUnderTest:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{form.role} {text!r}: {error}") from error
    if not words:
        raise UsageError(f"an empty {form.role} command")
    template = any(mark in word for word in words for mark in form.placeholders)
    if template and not all(any(mark in word for word in words) for mark in form.placeholders[:2]):
        raise UsageError(f"{form.role} {text!r}: a command has both {{input}} and {{output}}")
    unknown = [word for word in words if re.fullmatch(r"\{[a-z]+\}", word) and word not in form.placeholders]
    if template and unknown:
        known = ", ".join(form.placeholders)
        raise UsageError(f"{form.role} {text!r}: unknown placeholder {unknown[0]}; there are {known}")
    program = shutil.which(words[0])
    if program is None and template:
        raise UsageError(f"{form.role} {text!r}: there is no program {words[0]} that can be run")
    if program is None:
        raise UsageError(
            f"{form.role} {text!r}: neither a registered {form.role} ({', '.join(form.registered)}) nor a program; "
            "it is one of these, a command with {input} and {output}, module:function, or a command that talks in "
            "JSON lines"
        )
    # It runs in a folder of its own: what names a file here is made absolute.
    words = [os.path.abspath(program)] + [str(Path(w).absolute()) if Path(w).is_file() else w for w in words[1:]]
    files = [Path(word) for word in words if Path(word).is_file()]
    return ProgramUnderTest(
        form.role, text, "command" if template else "process", tuple(words), _identity(words, files)
    )


def takes_base(program: ProgramUnderTest) -> bool:
    """Whether a program is given the base model of a model update: a process that talks always is.

    Raises:
        UsageError: a Python function does not load.
    """
    if program.kind == "command":
        return any("{base}" in word for word in program.words)
    if program.kind == "process":
        return True
    environment = dict(os.environ) | {"PYTHONPATH": python_path(program.path)}
    words = [*program.words[:-1], "--takes-base", program.words[-1]]
    done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout.startswith("takes "):
        said = done.stderr.strip().splitlines()
        raise UsageError(
            f"{program.role} {program.name}: it does not load: {said[-1][:300] if said else 'no reason given'}"
        )
    return done.returncode == 0


def python_path(first: str) -> str:
    """PYTHONPATH with a folder before what it holds here."""
    before = os.environ.get("PYTHONPATH")
    return os.pathsep.join([first, *([before] if before else [])])


def _identity(words: Iterable[str], files: Iterable[Path]) -> str:
    whole = hashlib.sha256("\0".join(words).encode(errors="surrogateescape"))
    for file in sorted(files):
        with file.open("rb") as opened:
            whole.update(b"\0" + hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()
