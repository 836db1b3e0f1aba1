"""13.12.4, 13.12.5 The outcome of one input: what is promised of every stream, checked in this order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refsw.conformance.comparison import Mismatch
from refsw.conformance.crosscheck import CrossChecker
from refsw.conformance.encoders.declared import declared, is_about_the_header
from refsw.conformance.encoders.features import Comparison, compare_features
from refsw.conformance.encoders.models import compare_models
from refsw.conformance.encoders.results import EncoderResult
from refsw.conformance.encoders.suite import Input, InputKind, safetensors
from refsw.conformance.outputs import OutputError, output_file
from refsw.conformance.sessions import Run
from refsw.conformance.verdicts import REJECTED, UNSUPPORTED_CODE, EncoderOutcome, crash_of, last_words
from refsw.errors import DfcError, ModelStateError, RefswError
from refsw.models.state import model_of
from refsw.profiles import MODEL_PROFILES
from refsw.syntax.structures import VERSION_MINOR
from refsw.tensor.axes import Array
from refsw.text import sentence, shown
from refsw.validation import Report, validate

USAGE = 2
LONGEST_TEXT = 10_000
LONGEST_STREAM = 1 << 30
MINOR, PROFILE = 5, 6


@dataclass
class Stream:
    """A bitstream that was coded, and the model that it gives if it is an update."""

    data: bytes
    comparison: Comparison
    model: dict[str, Array] | None = None


class Verdict(Exception):  # noqa: N818 - it ends the checks, and is no error
    """An outcome other than PASS, at the first check that tells."""

    def __init__(
        self, outcome: EncoderOutcome, reason: str, *, requirements: tuple[str, ...] = (),
        mismatches: tuple[Mismatch, ...] = (),
    ) -> None:  # fmt: skip
        super().__init__(reason)
        self.outcome, self.reason, self.requirements, self.mismatches = outcome, reason, requirements, mismatches

    def put_into(self, result: EncoderResult) -> EncoderResult:
        """The result with this outcome."""
        result.outcome, result.reason = self.outcome, sentence(self.reason)
        result.requirements = list(self.requirements)
        result.mismatches = [_shown(mismatch) for mismatch in self.mismatches]
        return result


def _shown(mismatch: Mismatch) -> dict[str, Any]:
    fields = mismatch.as_dict()
    return fields | {name: shown(fields[name]) for name in ("what", "expected", "got", "tensor")}


def note_run(result: EncoderResult, run: Run) -> None:
    """What a run took, said and left; of several, all that is odd."""
    if run.error:
        raise Verdict(EncoderOutcome.HARNESS_ERROR, run.error)
    result.exit_code, result.signal = run.exit_code, run.signal
    result.seconds = result.seconds or run.seconds
    result.peak_bytes = max(result.peak_bytes, run.peak_bytes)
    result.stderr = result.stderr or shown(run.text.strip("\r\n"), LONGEST_TEXT, lines=True)
    notes = list(run.notes)
    if run.left:
        notes.append(f"it left {run.left} process{'es' * (run.left > 1)} behind, which the runner ended")
    add_notes(result, notes)


def add_notes(result: EncoderResult, notes: list[str]) -> None:
    """Notes, once each, as long as there are few."""
    for note in notes:
        if note not in result.notes and len(result.notes) < 12:
            result.notes.append(note)


def stream_of(case: Input, run: Run, folder: Path) -> bytes | None:
    """The bitstream that a run has left, or None where it refused and nothing is left.

    Raises:
        Verdict: it crashed, did not end, refused and left something, or there is none.
    """
    if run.stopped == "time":
        raise Verdict(EncoderOutcome.TIMEOUT, "stopped at its time limit")
    crash = crash_of(run)
    if crash:
        raise Verdict(EncoderOutcome.CRASH, crash + last_words(run))
    told = f"ended with exit code {run.exit_code}"
    if run.exit_code:
        left = _left(folder)
        if left:
            why = f"{told}, and left {left} behind [requirement conformance.encoder-nothing-left]"
            raise Verdict(EncoderOutcome.LEFT_OUTPUT, why, requirements=("conformance.encoder-nothing-left",))
        return None
    try:
        path = output_file(folder)
        if path is None:
            raise Verdict(EncoderOutcome.NO_STREAM, f"{told} and wrote no output")
        size = path.stat().st_size
        if size > LONGEST_STREAM:
            raise Verdict(EncoderOutcome.NO_STREAM, f"{told}; its output has {size} bytes, more than is looked at")
        data = path.read_bytes()
    except (OutputError, OSError) as error:
        raise Verdict(EncoderOutcome.NO_STREAM, f"{told}; {error}") from error
    if case.kind is InputKind.INVALID:
        about = case.about[-1]
        why = f"{told}; {REJECTED} expected, since no bitstream can hold it [requirement {about}]"
        raise Verdict(EncoderOutcome.ACCEPTED_INVALID, why, requirements=(about,))
    return data


def _left(folder: Path) -> str:
    try:
        return shown(", ".join(sorted(path.name for path in folder.iterdir())), 200)
    except OSError:
        return "no folder for its output"


def refusal(case: Input, run: Run) -> Verdict | None:
    """The outcome of a refusal that has left nothing, before it is compared with that of its twin; None: as it should.

    13.12.3: 69, and 2 for a command that does not fit, say that the encoder does not take it; all else that it cannot
    be coded.
    """
    told = f"ended with exit code {run.exit_code}{last_words(run)}"
    if case.kind is not InputKind.VALID:
        return None
    if run.exit_code in (UNSUPPORTED_CODE, USAGE):
        return Verdict(EncoderOutcome.DECLINED, told)
    return Verdict(EncoderOutcome.REFUSED_VALID, told)


def check_requirements(data: bytes, base: Mapping[str, Array] | None) -> None:
    """13.12.5 Every requirement of chapters 5 to 11, and what the header declares.

    Raises:
        Verdict: one is broken, or cannot be checked here.
    """
    report: Report = validate(data, base=None if base is None else model_of(dict(base)))
    found: list[DfcError] = report.violations or report.unsupported
    if not found and data[MINOR] > VERSION_MINOR:
        why = f"version 1.{data[MINOR]} is declared, and there is none beyond 1.{VERSION_MINOR}"
        raise Verdict(EncoderOutcome.WRONG_DECLARATION, why, requirements=("conformance.encoder-declares",))
    if not found:
        return
    broken = tuple(dict.fromkeys(error.requirement for error in found))
    first = found[0]
    told = f"{first} (and {len(found) - 1} more)" if len(found) > 1 else str(first)
    if any(map(is_about_the_header, found)):
        header = next(error for error in found if is_about_the_header(error))
        raise Verdict(EncoderOutcome.WRONG_DECLARATION, str(header), requirements=broken)
    # The base is the one that the encoder was given.
    if not report.violations and not any(isinstance(error, ModelStateError) for error in found):
        raise Verdict(EncoderOutcome.HARNESS_ERROR, f"it cannot be checked here: {told}")
    raise Verdict(EncoderOutcome.INVALID_STREAM, told, requirements=broken)


def check_decoders(result: EncoderResult, data: bytes, checker: CrossChecker, base: Path | None) -> list[str]:
    """13.12.5 Two decoders make the same of it, to the bit; the names of those that have decoded it.

    Raises:
        Verdict: they do not, or none decodes it.
    """
    found = checker.check(data, base)
    if found.disagreements:
        raise Verdict(EncoderOutcome.DISAGREEMENT, "; ".join(found.disagreements))
    whole = dict.fromkeys(row.decoder for row in found.rows if row.digest and row.what.startswith(("tensor", "bitstr")))
    if not found.agree:
        remark = next((row.status for row in found.rows if not row.digest), "no decoder decodes it")
        raise Verdict(EncoderOutcome.DISAGREEMENT, f"no decoder decodes it: {remark}")
    if len(whole) < 2:
        add_notes(result, [f"decoded by {', '.join(whole)} alone: no other decoder that takes it is here (--decoder)"])
    return list(whole)


def compare(
    case: Input, data: bytes, given: Mapping[str, Array], base: Mapping[str, Array] | None, *, told_axes: bool
) -> Stream:
    """13.12.5 What comes of a bitstream against what was given.

    Raises:
        Verdict: other tensors, or elements beyond what is allowed.
    """
    is_model = data[PROFILE] in MODEL_PROFILES
    if is_model != (not case.axes):
        what = "a model update" if is_model else "features"
        raise Verdict(EncoderOutcome.WRONG_TENSORS, f"a bitstream of {what}, which was not asked for")
    try:
        if is_model:
            comparison, model = compare_models(data, base, given)
        else:
            comparison, model = compare_features(data, given, case.axes, told_axes=told_axes), None
    except RefswError as error:
        raise Verdict(EncoderOutcome.HARNESS_ERROR, f"it does not decode here: {error}") from error
    if comparison.others:
        raise Verdict(EncoderOutcome.WRONG_TENSORS, str(comparison.others[0]), mismatches=tuple(comparison.others),
                      requirements=("conformance.encoder-error",))  # fmt: skip
    if comparison.wrong and case.kind is InputKind.EXACT:
        raise Verdict(EncoderOutcome.ACCEPTED_INVALID, str(comparison.wrong[0]), mismatches=tuple(comparison.wrong),
                      requirements=("conformance.encoder-refuses",))  # fmt: skip
    if comparison.wrong:
        raise Verdict(EncoderOutcome.WRONG_ELEMENTS, str(comparison.wrong[0]), mismatches=tuple(comparison.wrong),
                      requirements=("conformance.encoder-error",))  # fmt: skip
    return Stream(data, comparison, model)


def same_again(first: bytes, again: bytes | None, what: str) -> None:
    """13.12.5 Another run gives the same bytes.

    Raises:
        Verdict: it does not.
    """
    if again == first:
        return
    if again is None:
        told = "it refuses what it has coded before"
    else:
        pairs = enumerate(zip(first, again, strict=False))
        place = next((i for i, (a, b) in pairs if a != b), min(len(first), len(again)))
        told = f"{len(again)} bytes after {len(first)}, the first other one at {place}"
    reason = f"{what}: {told} [requirement conformance.encoder-deterministic]"
    raise Verdict(EncoderOutcome.NONDETERMINISTIC, reason, requirements=("conformance.encoder-deterministic",))


def described(stream: Stream, base: Mapping[str, Array] | None, raw: int, decoders: list[str]) -> dict[str, Any]:
    """What a bitstream is like, as results.json has it."""
    header = declared(stream.data, None if base is None else model_of(dict(base)))
    comparison = stream.comparison
    return {
        "bytes": len(stream.data), "raw_bytes": raw, "sha256": hashlib.sha256(stream.data).hexdigest(),
        **header.as_dict(), "notes": header.notes(), "mse": _finite(comparison.mse),
        "worst": _finite(comparison.worst), "rules": comparison.rules, "decoders": decoders, "rate": None,
    }  # fmt: skip


def _finite(value: float) -> float:
    """A number that JSON has: errors of the greatest numbers overflow."""
    return min(value, 1.7976931348623157e308)


def base_file(folder: Path, base: Mapping[str, Array] | None) -> Path | None:
    """The base of a model update, for decoders."""
    if base is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "base.safetensors"
    path.write_bytes(safetensors(base))
    return path
