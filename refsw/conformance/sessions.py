"""13.6 Runs of a program under test: one case after the other, behind a guard process, and what came of each."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from refsw.conformance.files import remove_tree
from refsw.conformance.programs import Limits, ProgramUnderTest, python_path
from refsw.errors import UsageError
from refsw.text import shown

START_SECONDS = 30.0
EMPTY = "empty"
NOT_STARTED = (126, 127)
"""Exit codes of shells, and of env, for a program that cannot be run or is not there."""


@dataclass(frozen=True)
class Run:
    """What came of one case.

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
    ready: Mapping[str, Any] = field(default_factory=dict)


class Session:
    """Runs a program on one case after the other, behind a guard process; used by one thread.

    Args:
        program: what to run.
        scratch: a folder of its own, emptied for every case.
    """

    def __init__(self, program: ProgramUnderTest, scratch: Path) -> None:
        self.program = program
        self.scratch = scratch.absolute()  # the program runs in another folder
        self._guard: subprocess.Popen[bytes] | None = None
        self._has_started = False
        self._moved = 0
        self._cannot_start: Run | None = None

    def start(self, limits: Limits) -> None:
        """Start the program, a command on an empty file, before the first case.

        Raises:
            UsageError: it does not start, so that it would fail every case for the same reason.
        """
        self.prepare()
        (self.scratch / EMPTY).write_bytes(b"")
        names = {"input": str(self.scratch / EMPTY), "output": str(self.output / "output"), "jobs": "1"}
        names |= dict.fromkeys(("base", "model", "options", "axes", "sdp"), "") | {"sample": "0"}
        run = _run(self._ask(names, None, limits, limits.output_bytes), self.program.talks)
        said = run.text.strip().splitlines()
        silent = "it did not tell that it is ready" if self.program.talks else f"it ends with {run.exit_code}"
        command = not self.program.talks
        if run.error or run.stopped == "start" or (command and _finds_nothing(run, self.program.words)):
            reason = run.error or (said[-1] if said else silent)
            raise UsageError(f"{self.program.role} {self.program.name!r} does not start: {shown(reason[:300])}")
        self._has_started = True

    def run(
        self, files: Mapping[str, bytes], names: Mapping[str, str], question: Mapping[str, Any], limits: Limits,
        output_bytes: int,
    ) -> Run:  # fmt: skip
        """Run the program on one case, after `prepare`; its output is in `self.output`.

        Args:
            files: what it finds in its place, by name; whether it has left them as they are is noted.
            names: what its placeholders stand for.
            question: the same for a process that talks.
            limits: what it may take.
            output_bytes: what it may write.
        """
        if self._cannot_start is not None:
            return self._cannot_start
        for name, data in files.items():
            (self.scratch / name).write_bytes(data)
        answer = self._ask(names, question, limits, output_bytes)
        run = _run(answer, self.program.talks)
        if run.stopped == "start":
            said = run.text.strip() or "it did not tell that it is ready"
            run = Run(error=f"the {self.program.role} did not start: {said}")
            # One that has never started will not start for the next case either.
            self._cannot_start = None if self._has_started else run
        self._has_started = self._has_started or not run.error
        changed = [name for name, data in files.items() if _changed(self.scratch / name, data)]
        if changed and not run.error:
            run.notes.append("it changed its input file" + (f" {', '.join(changed)}" if len(files) > 1 else ""))
        return run

    def prepare(self) -> None:
        """A new folder, in place of the one before, whatever the program has made of that."""
        remove_tree(self.scratch)
        if os.path.lexists(self.scratch):  # it took away the right to, or left another sort of file
            self._moved += 1
            self.scratch = self.scratch.with_name(f"{self.scratch.name.split('-')[0]}-{self._moved}")
        self.folder.mkdir(parents=True)
        self.output.mkdir()

    @property
    def folder(self) -> Path:
        """The program's own folder, TMPDIR."""
        return self.scratch / "tmp"

    @property
    def output(self) -> Path:
        """Where the program writes."""
        return self.scratch / "out"

    def _ask(
        self, names: Mapping[str, str], question: Mapping[str, Any] | None, limits: Limits, output_bytes: int
    ) -> dict[str, Any]:
        words = list(self.program.words)
        if not self.program.talks:
            for mark, value in names.items():
                words = [word.replace(f"{{{mark}}}", value) for word in words]
        request = {
            "argv": words,
            "env": self._environment(),
            "cwd": str(self.scratch / "tmp") if not self.program.talks else str(self.scratch.parent),
            "folder": str(self.scratch),
            "seconds": limits.seconds,
            "start_seconds": max(START_SECONDS, limits.seconds),
            "memory": limits.memory_bytes,
            "output": output_bytes,
            "ask": None if not self.program.talks else json.dumps(question) if question else "",
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
            return {"error": f"the guard of the {self.program.role} is gone: {reason}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ) | {"TMPDIR": str(self.scratch / "tmp")}
        if self.program.path:
            environment["PYTHONPATH"] = python_path(self.program.path)
        return environment

    def _running(self) -> subprocess.Popen[bytes]:
        if self._guard is None:
            words = [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py"))]
            self._guard = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._guard

    def close(self) -> None:
        """End the program and all that it has started."""
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


def _finds_nothing(run: Run, words: Sequence[str]) -> bool:
    """Whether a command has failed because the program, or a script or module that its words name, is not there."""
    named = [w for before, w in pairwise(words) if "{" not in w and (before == "-m" or "/" in w or Path(w).suffix)]
    absent = [word for word in named if word in run.text and not Path(word).exists()]
    return run.exit_code in NOT_STARTED or (run.exit_code not in (None, 0) and bool(absent))


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
        ready=answer["ready"],
    )


def _error_in(text: str) -> Any:
    """13.8.3 The error in the last line of what a command says, if that is JSON."""
    lines = text.strip().splitlines()
    if lines and lines[-1].startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(lines[-1])
    return None
