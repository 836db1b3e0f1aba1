"""13.7 Outcomes: what a run of a decoder on a vector comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refsw.conformance.comparison import Judge, Mismatch
from refsw.conformance.model_comparison import compare_models
from refsw.conformance.outputs import TYPES, Found, OutputError, output_file, read_tensors
from refsw.conformance.sessions import Run
from refsw.conformance.suite import ExpectedError, Kind, Vector
from refsw.conformance.verdicts import REJECTED, UNSUPPORTED_CODE, Outcome, Tested, crash_of, last_words
from refsw.text import sentence, shown

LONGEST_TEXT = 10_000


@dataclass
class Result(Tested[Vector, Outcome]):
    """One vector's outcome, with all that a report needs."""

    @property
    def vector(self) -> Vector:
        """What was decoded."""
        return self.case

    def as_dict(self) -> dict[str, Any]:
        """As results.json has it."""
        v = self.vector
        return {
            "suite": v.suite, "id": v.id, "area": v.area, "kind": str(v.kind), "title": v.title, "profile": v.profile,
            "level": v.level, "about": list(v.about), "requirements": list(v.requirements),
            "optional": list(v.optional), "entry": v.entry, **self.told(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, vector: Vector, fields: dict[str, Any]) -> Result:
        """A result that was written by `as_dict`."""
        return cls.read(vector, Outcome, fields)


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
    crash = crash_of(run)
    if crash:
        return Outcome.CRASH, crash + last_words(run)
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
        return outcome, told + last_words(run)
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


def _wanted(vector: Vector) -> str:
    error = vector.error
    assert error is not None
    wanted = UNSUPPORTED_CODE if vector.kind is Kind.UNSUPPORTED else REJECTED
    return f"{wanted} expected: {error.error_class} in {error.element} [requirement {error.requirement}]"


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
