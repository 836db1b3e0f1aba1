"""13.7 Outcomes: what a run of a decoder on a vector comes to. The set is closed, and one vector has one of them."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from refsw.conformance.comparison import Judge, Mismatch
from refsw.conformance.decoders import Run
from refsw.conformance.model_comparison import compare_models
from refsw.conformance.outputs import TYPES, Found, OutputError, output_file, read_tensors
from refsw.conformance.suite import ExpectedError, Kind, Vector
from refsw.text import sentence, shown

REJECTED, UNSUPPORTED_CODE, INTERNAL, PANIC = 65, 69, 70, 101
FIRST_OF_SHELL = 126
LONGEST_TEXT = 10_000
TRACEBACK = re.compile(r"^Traceback \(most recent call last\):$", re.MULTILINE)


class Outcome(StrEnum):
    """13.7 What came of a vector."""

    PASS = "PASS"  # noqa: S105
    MISMATCH = "MISMATCH"
    ACCEPTED_INVALID = "ACCEPTED_INVALID"
    REJECTED_VALID = "REJECTED_VALID"
    WRONG_CLASS = "WRONG_CLASS"
    CRASH = "CRASH"
    TIMEOUT = "TIMEOUT"
    UNSUPPORTED = "UNSUPPORTED"
    UNPROVEN = "UNPROVEN"
    NOT_RUN = "NOT_RUN"
    HARNESS_ERROR = "HARNESS_ERROR"
    SKIPPED = "SKIPPED"


MEANINGS = {
    Outcome.PASS: "did exactly what the vector asks for",
    Outcome.MISMATCH: "decoded a valid bitstream to something else",
    Outcome.ACCEPTED_INVALID: "decoded what it has to reject",
    Outcome.REJECTED_VALID: "rejected a valid bitstream",
    Outcome.WRONG_CLASS: "took unsupported for not conforming, or the reverse",
    Outcome.CRASH: "ended by a signal, an uncaught error, or over a limit of memory or output",
    Outcome.TIMEOUT: "did not end in time",
    Outcome.UNSUPPORTED: "does not implement what a valid bitstream needs",
    Outcome.UNPROVEN: "rejected, as it has to be, by a decoder that rejects most of what is like it: shows nothing",
    Outcome.NOT_RUN: "selected, and not run",
    Outcome.HARNESS_ERROR: "the runner could not run it: says nothing about the decoder",
    Outcome.SKIPPED: "needs an optional part of the specification that the decoder does not have",
}
GOOD = {Outcome.PASS, Outcome.SKIPPED}
WORST_FIRST = [o for o in Outcome if o is not Outcome.PASS] + [Outcome.PASS]


@dataclass
class Result:
    """One vector's outcome, with all that a report needs."""

    vector: Vector
    outcome: Outcome
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    exit_code: int | None = None
    signal: int | None = None
    seconds: float = 0.0
    peak_bytes: int = 0
    stderr: str = ""
    mismatches: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As results.json has it."""
        v = self.vector
        return {
            "suite": v.suite, "id": v.id, "area": v.area, "kind": str(v.kind), "title": v.title, "profile": v.profile,
            "level": v.level, "about": list(v.about), "requirements": list(v.requirements),
            "optional": list(v.optional), "entry": v.entry, "outcome": str(self.outcome),
            "reason": self.reason, "notes": self.notes, "exit_code": self.exit_code, "signal": self.signal,
            "seconds": round(self.seconds, 4), "peak_bytes": self.peak_bytes, "stderr": self.stderr,
            "mismatches": self.mismatches,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, vector: Vector, fields: dict[str, Any]) -> Result:
        """A result that was written by `as_dict`."""
        names = ("reason", "notes", "exit_code", "signal", "seconds", "peak_bytes", "stderr", "mismatches")
        return cls(vector, Outcome(fields["outcome"]), **{name: fields[name] for name in names})


def counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How often each outcome came, those that did not come included."""
    found = Counter(outcomes)
    return {str(outcome): found[outcome] for outcome in Outcome}


def expected_bytes(vector: Vector) -> int:
    """What the tensors of a valid vector take."""
    total = 0
    for tensor in vector.expected.tensors if vector.expected else ():
        size = TYPES[tensor.dtype].itemsize
        for extent in tensor.shape:
            size *= extent
        total += size
    return total


def judge(
    vector: Vector, data: bytes, run: Run, folder: Path, base: Path | None = None, *, strict_errors: bool = False
) -> Result:
    """The outcome of a run that left its output in a folder; `base` is that of a model update.

    With `strict_errors` a rejection has to report the error of the vector as well (13.8.3).
    """
    result = Result(vector, Outcome.HARNESS_ERROR, run.error, list(run.notes))
    if run.error:
        return result
    result.exit_code, result.signal = run.exit_code, run.signal
    result.seconds, result.peak_bytes = run.seconds, run.peak_bytes
    result.stderr = shown(run.text.strip("\r\n"), LONGEST_TEXT, lines=True)
    if run.left:
        result.notes.append(f"it left {run.left} process{'es' * (run.left > 1)} behind, which the runner ended")
    result.outcome, result.reason = _verdict(vector, data, run, folder, base, result)
    if strict_errors and result.outcome is Outcome.PASS and vector.error is not None:
        differences = other_error(vector.error, run.told)
        if differences:
            result.outcome, result.reason = Outcome.WRONG_CLASS, f"another error: {differences} [strict errors]"
    result.reason = sentence(result.reason)
    return result


def _verdict(
    vector: Vector, data: bytes, run: Run, folder: Path, base: Path | None, result: Result
) -> tuple[Outcome, str]:
    if run.stopped == "time":
        return Outcome.TIMEOUT, "stopped at its time limit"
    crash = _crash(run)
    if crash:
        return Outcome.CRASH, crash + _last_words(run)
    code = run.exit_code
    if code == 0:
        if vector.kind is not Kind.VALID:
            return Outcome.ACCEPTED_INVALID, f"ended with exit code 0; {_wanted(vector)}"
        return _compare(vector, data, folder, base, result)
    told = f"ended with exit code {code}"
    if code == UNSUPPORTED_CODE and vector.optional and not _left_output(folder, result):
        return Outcome.SKIPPED, f"{told}: needs {', '.join(vector.optional)}, which is optional"
    if vector.kind is Kind.VALID:
        outcome = Outcome.UNSUPPORTED if code == UNSUPPORTED_CODE else Outcome.REJECTED_VALID
        return outcome, told + _last_words(run)
    if not vector.either and (code == UNSUPPORTED_CODE) != (vector.kind is Kind.UNSUPPORTED):
        return Outcome.WRONG_CLASS, f"{told}; {_wanted(vector)}"
    if _left_output(folder, result):
        return Outcome.ACCEPTED_INVALID, f"{told}, but left a whole output file [requirement error.no-output]"
    return Outcome.PASS, ""


def other_error(expected: ExpectedError, told: dict[str, Any] | None) -> str:
    """13.8.3 In which fields a reported error differs from that of a vector; empty if in none."""
    if told is None:
        return "none is reported as JSON"
    fields = {"phase": expected.phase, "class": expected.error_class, "requirement": expected.requirement,
              "element": expected.element, "bit_offset": expected.bit_offset}  # fmt: skip
    return ", ".join(f"{k} {told.get(k)!r}, not {v!r}" for k, v in fields.items() if told.get(k) != v)


def _last_words(run: Run) -> str:
    """The last line of what a decoder has said, where the reason mostly stands."""
    lines = run.text.split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last[:300]}" if last else ""


def _wanted(vector: Vector) -> str:
    error = vector.error
    assert error is not None
    wanted = UNSUPPORTED_CODE if vector.kind is Kind.UNSUPPORTED else REJECTED
    return f"{wanted} expected: {error.error_class} in {error.element} [requirement {error.requirement}]"


def _crash(run: Run) -> str:
    """13.6.6 Why a run is no verdict of the decoder; empty if it is one."""
    if run.stopped == "memory":
        return f"stopped at its memory limit, at {run.peak_bytes >> 20} MiB"
    if run.stopped == "output":
        return "stopped at the limit of what it may write"
    if run.stopped == "protocol":
        return "did not keep to the protocol of JSON lines"
    if run.signal is not None:
        try:
            name = signal.Signals(run.signal).name
        except ValueError:
            name = ""
        return f"ended by signal {run.signal} {name}".rstrip()
    if not run.answered or run.exit_code is None:
        return f"ended without an answer, with exit code {run.exit_code}"
    if run.exit_code in (INTERNAL, PANIC) or run.exit_code >= FIRST_OF_SHELL:
        return f"ended with exit code {run.exit_code}, an internal error"
    if run.exit_code == 1 and TRACEBACK.search(run.text):
        return "ended with exit code 1 by an uncaught exception"
    return ""


def _left_output(folder: Path, result: Result) -> bool:
    """Whether a rejection has left a file that anyone would take for a result; anything less is noted."""
    try:
        left = sorted(path.name for path in folder.iterdir())
    except OSError:
        left = ["no folder for its output"]
    if not left:
        return False
    try:
        path = output_file(folder)
        if path is not None and read_tensors(path):
            return True
    except OutputError:
        pass
    result.notes.append(f"it rejected, and left {shown(', '.join(left), 200)} behind")
    return False


def _compare(vector: Vector, data: bytes, folder: Path, base: Path | None, result: Result) -> tuple[Outcome, str]:
    try:
        path = output_file(folder)
        if path is None:
            return Outcome.MISMATCH, "ended with exit code 0 and wrote no output"
        mismatches = _mismatches(vector, data, path, base)
    except OutputError as error:
        return Outcome.MISMATCH, str(error)
    if not mismatches:
        return Outcome.PASS, ""
    result.mismatches = [_shown_mismatch(mismatch) for mismatch in mismatches]
    return Outcome.MISMATCH, f"{mismatches[0]} [checkpoint {mismatches[0].checkpoint}]"


def _mismatches(vector: Vector, data: bytes, path: Path, base: Path | None) -> list[Mismatch]:
    expected = vector.expected
    assert expected is not None
    # A model can have no tensors, and then the raw form has no bytes.
    none = expected.model_digest is not None and not path.stat().st_size
    found: Sequence[Found] = [] if none else read_tensors(path)
    if expected.model_digest is not None:
        return compare_models(expected.model_digest, data, base, found)
    return Judge(expected, data).compare(found)


def _shown_mismatch(mismatch: Mismatch) -> dict[str, Any]:
    fields = mismatch.as_dict()
    return fields | {name: shown(fields[name]) for name in ("what", "expected", "got", "tensor")}


# --- 13.8.2 what a decoder has rejected, although it is valid ---


def look_at_rejected(result: Result, data: bytes, folder: Path, base: Path | None = None) -> bool:
    """Compare what a decoder has decoded and then rejected, where it has left that in a file `rejected` of a folder."""
    try:
        path = output_file(folder, "rejected")
        if path is None:
            return False
        mismatches = _mismatches(result.vector, data, path, base)
    except OutputError as error:
        result.notes.append(f"its file of what it rejected: {error}")
        return False
    result.mismatches = [_shown_mismatch(mismatch) for mismatch in mismatches]
    told = f"is wrong: {mismatches[0]}" if mismatches else "is right, and so its own digest is not"
    result.reason = sentence(f"{result.reason}; what it rejected {told}")
    return True


def look_again(result: Result, again: Result) -> None:
    """Add what came of a copy of the vector without digests."""
    if again.outcome is Outcome.PASS:
        told = "decodes to the right tensors, and so the decoder's own digests are wrong"
    elif again.outcome is Outcome.MISMATCH:
        told = f"decodes, to what is wrong: {again.reason}"
        result.mismatches = again.mismatches
    else:
        told = f"does not decode either: {again.reason}"
    result.reason = sentence(f"{result.reason}; a copy of it without digests {told}")
