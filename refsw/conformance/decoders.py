"""13.6 Decoders under test: a registered name, a command, a Python function, or a process that talks in JSON lines."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from refsw.conformance.files import remove_tree
from refsw.errors import UsageError

PACKAGE = Path(__file__).resolve().parent.parent
INDEPENDENT = Path("conformance") / "independent" / "dfc.py"
START_SECONDS = 30.0
MOST_SECONDS = 1e6
PLACEHOLDERS = ("{input}", "{output}", "{base}", "{model}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one vector may take. `output_bytes` is what a decoder may write beyond twice what is expected."""

    seconds: float = 60.0
    memory_bytes: int = 4 << 30
    output_bytes: int = 256 << 20

    def __post_init__(self) -> None:
        if not (0 < self.seconds <= MOST_SECONDS and self.memory_bytes > 0 and self.output_bytes >= 0):
            raise UsageError(
                f"limits of {self.seconds} s, {self.memory_bytes} bytes: at most {MOST_SECONDS} s, above 0"
            )


@dataclass(frozen=True, slots=True)
class DecoderUnderTest:
    """How to start a decoder.

    Args:
        name: as the user gave it.
        kind: registered, command, entry point, or process.
        words: the program and its arguments; of a command, with placeholders.
        identity: SHA-256 over all that is known of it, so that results of another one are not taken for its own.
        path: what to put before PYTHONPATH.
    """

    name: str
    kind: str
    words: tuple[str, ...]
    identity: str
    path: str = ""

    @property
    def talks(self) -> bool:
        """Whether one process decodes many vectors."""
        return self.kind != "command"


@dataclass(frozen=True)
class Run:
    """What came of one vector.

    `stopped` says why the runner ended it (time, memory, output, protocol); `text` is what it said, `told` the error
    that it reported (13.8.3).
    """

    exit_code: int | None = None
    signal: int | None = None
    stopped: str | None = None
    seconds: float = 0.0
    peak_bytes: int = 0
    text: str = ""
    left: int = 0
    answered: bool = True
    error: str = ""
    notes: list[str] = field(default_factory=list)
    told: dict[str, Any] | None = None
    takes_model: bool = False


def registered() -> dict[str, str]:
    """Names of decoders and their entry points; `independent` is there in a source tree alone."""
    names = {"refsw": "refsw.conformance.reference:decode"}
    for folder in (PACKAGE.parent, Path.cwd()):
        if (folder / INDEPENDENT).is_file():
            names.setdefault("independent", f"{folder / INDEPENDENT}:decode")
    return names


def decoder_under_test(text: str) -> DecoderUnderTest:
    """A decoder from what the user wrote.

    Raises:
        UsageError: it is none of the forms, or there is no such program, file or function.
    """
    names = registered()
    if text in names:
        folder = PACKAGE if text == "refsw" else Path(names[text].rpartition(":")[0]).parent
        files = folder.rglob("*.py")
        return _python(text, "registered", names[text], files)
    if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*|[^{}]+\.py:[A-Za-z_]\w*", text):
        return _entry_point(text)
    return _command(text, names)


def _python(name: str, kind: str, entry: str, files: Iterable[Path]) -> DecoderUnderTest:
    words = (sys.executable, "-m", "refsw.conformance.worker", entry)
    path = os.pathsep.join([str(PACKAGE.parent), str(Path.cwd())])
    return DecoderUnderTest(name, kind, words, _identity([name, kind], files), path)


def _entry_point(text: str) -> DecoderUnderTest:
    place, _, name = text.rpartition(":")
    if place.endswith(".py"):
        file = Path(place).absolute()
        if not file.is_file():
            raise UsageError(f"decoder {text}: there is no file {place}")
        return _python(text, "entry point", f"{file}:{name}", [file])
    from importlib.machinery import PathFinder

    # As the worker will find it, here first, without a change of this process's own path.
    spec, path, package = None, [str(Path.cwd()), *sys.path], ""
    for part in place.split("."):
        package = f"{package}.{part}" if package else part
        spec = PathFinder.find_spec(package, path)
        if spec is None:
            raise UsageError(f"decoder {text}: there is no module {place}")
        path = list(spec.submodule_search_locations or ())
    assert spec is not None  # there is a part
    return _python(text, "entry point", text, [Path(spec.origin)] if spec.origin else [])


def _command(text: str, names: Iterable[str]) -> DecoderUnderTest:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"decoder {text!r}: {error}") from error
    if not words:
        raise UsageError("an empty decoder command")
    template = any(mark in word for word in words for mark in PLACEHOLDERS)
    if template and not all(any(mark in word for word in words) for mark in PLACEHOLDERS[:2]):
        raise UsageError(f"decoder {text!r}: a command has both {{input}} and {{output}}")
    program = shutil.which(words[0])
    if program is None:
        raise UsageError(
            f"decoder {text!r}: neither a registered decoder ({', '.join(names)}) nor a program; a decoder is one of "
            "these, a command with {input} and {output}, module:function, or a command that talks in JSON lines"
        )
    # It runs in a folder of its own: what names a file here is made absolute.
    words = [os.path.abspath(program)] + [str(Path(w).absolute()) if Path(w).is_file() else w for w in words[1:]]
    files = [Path(word) for word in words if Path(word).is_file()]
    return DecoderUnderTest(text, "command" if template else "process", tuple(words), _identity(words, files))


def takes_model(decoder: DecoderUnderTest) -> bool:
    """Whether a decoder is told the digest of the receiver's model: not a command that does not name it.

    A process that talks says so when it is ready, a Python function by its arguments (`Run.takes_model`).
    """
    return decoder.kind != "command" or any("{model}" in word for word in decoder.words)


def takes_base(decoder: DecoderUnderTest) -> bool:
    """Whether a decoder is given the base model of a model update: a process that talks always is.

    Raises:
        UsageError: a Python function does not load.
    """
    if decoder.kind == "command":
        return any("{base}" in word for word in decoder.words)
    if decoder.kind == "process":
        return True
    environment = dict(os.environ) | {"PYTHONPATH": _python_path(decoder.path)}
    words = [*decoder.words[:-1], "--takes-base", decoder.words[-1]]
    done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout.startswith("takes "):
        said = done.stderr.strip().splitlines()
        raise UsageError(f"decoder {decoder.name}: it does not load: {said[-1][:300] if said else 'no reason given'}")
    return done.returncode == 0


def _python_path(first: str) -> str:
    before = os.environ.get("PYTHONPATH")
    return os.pathsep.join([first, *([before] if before else [])])


def _identity(words: Iterable[str], files: Iterable[Path]) -> str:
    whole = hashlib.sha256("\0".join(words).encode(errors="surrogateescape"))
    for file in sorted(files):
        with file.open("rb") as opened:
            whole.update(b"\0" + hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()


class Session:
    """Runs a decoder on one vector after the other, behind a guard process; used by one thread.

    Args:
        decoder: what to run.
        scratch: a folder of its own, emptied for every vector.
    """

    def __init__(self, decoder: DecoderUnderTest, scratch: Path) -> None:
        self.decoder = decoder
        self.scratch = scratch.absolute()  # the decoder runs in another folder
        self._guard: subprocess.Popen[bytes] | None = None
        self._has_started = False
        self._moved = 0
        self._cannot_start: Run | None = None

    def decode(
        self, data: bytes, limits: Limits, *, expected_bytes: int = 0, base: Path | None = None, model: str = ""
    ) -> Run:
        """Decode a bitstream into files of `self.output`, which is empty before."""
        if self._cannot_start is not None:
            return self._cannot_start
        self._empty()
        source = self.scratch / "input.dfc"
        source.write_bytes(data)
        names = {
            "input": str(source),
            "output": str(self.output / "output"),
            "base": str(base.absolute()) if base else "",
            "model": model,
        }
        answer = self._ask(names, limits, expected_bytes)
        run = _run(answer, self.decoder.talks)
        if run.stopped == "start":
            run = Run(error=f"the decoder did not start: {run.text.strip() or 'it did not tell that it is ready'}")
            # One that has never started will not start for the next vector either.
            self._cannot_start = None if self._has_started else run
        self._has_started = self._has_started or not run.error
        if not run.error and _changed(source, data):
            run.notes.append("it changed its input file")
        return run

    def _empty(self) -> None:
        """A new folder, in place of the one before, whatever the decoder has made of that."""
        remove_tree(self.scratch)
        if os.path.lexists(self.scratch):  # it took away the right to, or left another sort of file
            self._moved += 1
            self.scratch = self.scratch.with_name(f"{self.scratch.name.split('-')[0]}-{self._moved}")
        self.folder.mkdir(parents=True)
        self.output.mkdir()

    @property
    def folder(self) -> Path:
        """The decoder's own folder, TMPDIR."""
        return self.scratch / "tmp"

    @property
    def output(self) -> Path:
        """Where the decoder writes."""
        return self.scratch / "out"

    def _ask(self, names: dict[str, str], limits: Limits, expected_bytes: int) -> dict[str, Any]:
        words = list(self.decoder.words)
        if not self.decoder.talks:
            for mark, value in names.items():
                words = [word.replace(f"{{{mark}}}", value) for word in words]
        question = {"input": names["input"], "output": names["output"], "base": names["base"] or None}
        question |= {"model": names["model"]} if names["model"] else {}
        request = {
            "argv": words,
            "env": self._environment(),
            "cwd": str(self.scratch / "tmp") if not self.decoder.talks else str(self.scratch.parent),
            "folder": str(self.scratch),
            "seconds": limits.seconds,
            "start_seconds": max(START_SECONDS, limits.seconds),
            "memory": limits.memory_bytes,
            "output": limits.output_bytes + 2 * expected_bytes,
            "ask": json.dumps(question) if self.decoder.talks else None,
        }
        try:
            guard = self._running()
            assert guard.stdin is not None
            assert guard.stdout is not None
            guard.stdin.write(json.dumps(request).encode() + b"\n")
            guard.stdin.flush()
            line = guard.stdout.readline()
        except (OSError, ValueError) as error:
            line = b""
            reason = str(error)
        else:
            reason = "it ended"
        if not line:
            self.close()
            return {"error": f"the guard of the decoder is gone: {reason}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ) | {"TMPDIR": str(self.scratch / "tmp")}
        if self.decoder.path:
            environment["PYTHONPATH"] = _python_path(self.decoder.path)
        return environment

    def _running(self) -> subprocess.Popen[bytes]:
        if self._guard is None:
            words = [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py"))]
            self._guard = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._guard

    def close(self) -> None:
        """End the decoder and all that it has started."""
        guard, self._guard = self._guard, None
        if guard is not None:
            assert guard.stdin is not None
            assert guard.stdout is not None
            with contextlib.suppress(OSError):
                guard.stdin.close()  # the guard then ends everything below it, and itself
            try:
                guard.wait(30)
            except subprocess.TimeoutExpired:
                guard.kill()
                guard.wait()
            guard.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
        remove_tree(self.scratch)


def _changed(source: Path, data: bytes) -> bool:
    try:
        return source.is_symlink() or not source.is_file() or source.read_bytes() != data
    except OSError:
        return True


def _run(answer: dict[str, Any], talks: bool) -> Run:
    if "error" in answer:
        return Run(error=answer["error"])
    code, text, stopped, answered = answer["exit"], answer["text"], answer["stopped"], True
    error = None if talks else _error_in(text)
    if talks:
        # The process goes on; what it says of the vector stands in its answer.
        reply = answer["reply"]
        answered = reply is not None
        if reply is not None and stopped is None and answer["signal"] is None:
            told = json.loads(reply)  # checked by the guard
            code, error = told["exit"], told.get("error")
            text = "\n".join(str(part) for part in (text, told.get("message")) if part)
        elif reply is not None:
            text = f"{text}\nnot an answer: {reply[:200]}"
    return Run(
        exit_code=code,
        signal=answer["signal"],
        stopped=stopped,
        seconds=answer["seconds"],
        peak_bytes=answer["peak"],
        text=text,
        left=answer["left"],
        answered=answered,
        told=error if isinstance(error, dict) else None,
        takes_model=answer["model"],
    )


def _error_in(text: str) -> Any:
    """13.8.3 The error in the last line of what a command says, if that is JSON."""
    lines = text.strip().splitlines()
    if lines and lines[-1].startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(lines[-1])
    return None
