"""13.7 The closed sets of outcomes, of which every case has one, and what a run shows whatever the program is."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Generic, Self, TypeVar

from refsw.conformance.sessions import Run

REJECTED, UNSUPPORTED_CODE, INTERNAL, PANIC = 65, 69, 70, 101
FIRST_OF_SHELL = 126
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


class EncoderOutcome(StrEnum):
    """13.12.4 What came of an input."""

    PASS = "PASS"  # noqa: S105
    INVALID_STREAM = "INVALID_STREAM"
    WRONG_DECLARATION = "WRONG_DECLARATION"
    DISAGREEMENT = "DISAGREEMENT"
    NOT_AS_ASKED = "NOT_AS_ASKED"
    WRONG_TENSORS = "WRONG_TENSORS"
    WRONG_ELEMENTS = "WRONG_ELEMENTS"
    NONDETERMINISTIC = "NONDETERMINISTIC"
    ACCEPTED_INVALID = "ACCEPTED_INVALID"
    LEFT_OUTPUT = "LEFT_OUTPUT"
    REFUSED_VALID = "REFUSED_VALID"
    NO_STREAM = "NO_STREAM"
    CRASH = "CRASH"
    TIMEOUT = "TIMEOUT"
    UNPROVEN = "UNPROVEN"
    NOT_RUN = "NOT_RUN"
    HARNESS_ERROR = "HARNESS_ERROR"
    DECLINED = "DECLINED"
    SKIPPED = "SKIPPED"


ENCODER_MEANINGS = {
    EncoderOutcome.PASS: "coded it into a stream that keeps every promise, or refused what has to be refused",
    EncoderOutcome.INVALID_STREAM: "the bitstream breaks a requirement",
    EncoderOutcome.WRONG_DECLARATION: "the bitstream is not of the version, profile or level that it declares",
    EncoderOutcome.DISAGREEMENT: "two decoders make different tensors of the bitstream",
    EncoderOutcome.NOT_AS_ASKED: "the bitstream does not have what the encoder claims: parts, packets, a payload",
    EncoderOutcome.WRONG_TENSORS: "other tensors, names, number formats, shapes or numbers of samples than those given",
    EncoderOutcome.WRONG_ELEMENTS: "an error beyond what the bitstream's own quantizer and payload allow",
    EncoderOutcome.NONDETERMINISTIC: "another bitstream in a second run, or with another number of jobs",
    EncoderOutcome.ACCEPTED_INVALID: "coded what no bitstream can hold",
    EncoderOutcome.LEFT_OUTPUT: "refused, and left an output behind",
    EncoderOutcome.REFUSED_VALID: "refused what can be coded",
    EncoderOutcome.NO_STREAM: "ended with exit code 0 without a bitstream",
    EncoderOutcome.CRASH: "ended by a signal, an uncaught error, or over a limit of memory or output",
    EncoderOutcome.TIMEOUT: "did not end in time",
    EncoderOutcome.UNPROVEN: "refused, as it has to be, by an encoder that does not code the like of it: shows nothing",
    EncoderOutcome.NOT_RUN: "selected, and not run",
    EncoderOutcome.HARNESS_ERROR: "the runner could not run it: says nothing about the encoder",
    EncoderOutcome.DECLINED: "the encoder says that it does not take such an input",
    EncoderOutcome.SKIPPED: "belongs to what the encoder does not claim",
}


C = TypeVar("C")
K = TypeVar("K", bound=StrEnum)


@dataclass
class Tested(Generic[C, K]):
    """One case's outcome, with what every report needs of what the program did."""

    case: C
    outcome: K
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    exit_code: int | None = None
    signal: int | None = None
    seconds: float = 0.0
    peak_bytes: int = 0
    stderr: str = ""
    mismatches: list[dict[str, Any]] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """All but the case, as results.json has it."""
        found = {name: getattr(self, name) for name in _kept(type(self))}
        return {"outcome": str(self.outcome)} | found | {"seconds": round(self.seconds, 4)}

    @classmethod
    def read(cls, case: C, outcomes: type[K], fields: Mapping[str, Any]) -> Self:
        """A result of a case that was written by `told`."""
        return cls(case, outcomes(fields["outcome"]), **{name: fields[name] for name in _kept(cls)})


def _kept(kind: type[Tested[Any, Any]]) -> list[str]:
    return [f.name for f in fields(kind) if f.name not in ("case", "outcome")]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is tested, and what its results are called.

    Args:
        role: decoder or encoder.
        case: what it is tested with.
        format: of results.json.
        schema: that of results.json.
        outcomes: the closed set.
        meanings: in words.
        good: outcomes that are no failure.
        open: outcomes that say little about the program.
        failures: outcomes that say what the program did wrong; the others, but for the good ones, are troubles.
    """

    role: str
    case: str
    format: str
    schema: str
    outcomes: type[StrEnum]
    meanings: Mapping[Any, str]
    good: frozenset[str]
    open: frozenset[str]
    failures: frozenset[str]

    @property
    def cases(self) -> str:
        """The plural, which is also the name of their list in results.json."""
        return f"{self.case}s"

    @property
    def worst_first(self) -> list[StrEnum]:
        """The outcomes, PASS last."""
        return sorted(self.outcomes, key=lambda outcome: outcome == "PASS")

    def counts(self, outcomes: Iterable[str]) -> dict[str, int]:
        """How often each outcome came, those that did not come included."""
        found = Counter(map(str, outcomes))
        return {str(outcome): found[str(outcome)] for outcome in self.outcomes}

    def worst(self, names: Mapping[str, int]) -> str:
        """The outcome that counts for a group: the worst that occurs in it."""
        return next((str(outcome) for outcome in self.worst_first if names[str(outcome)]), "NOT_RUN")

    def fails(self, names: Mapping[str, int]) -> bool:
        """Whether anything in a group is no good outcome."""
        return sum(names.values()) > sum(names[outcome] for outcome in self.good)


DECODERS = Subject(
    "decoder", "vector", "dfc-conformance-results/2", "results", Outcome, MEANINGS,
    good=frozenset({Outcome.PASS, Outcome.SKIPPED}),
    open=frozenset({Outcome.UNSUPPORTED, Outcome.UNPROVEN, Outcome.SKIPPED, Outcome.NOT_RUN, Outcome.HARNESS_ERROR}),
    failures=frozenset({Outcome.MISMATCH, Outcome.ACCEPTED_INVALID, Outcome.REJECTED_VALID, Outcome.WRONG_CLASS,
                        Outcome.UNSUPPORTED, Outcome.UNPROVEN}),
)  # fmt: skip
ENCODERS = Subject(
    "encoder", "input", "dfc-conformance-encoder-results/1", "encoder-results", EncoderOutcome, ENCODER_MEANINGS,
    good=frozenset({EncoderOutcome.PASS, EncoderOutcome.DECLINED, EncoderOutcome.SKIPPED}),
    open=frozenset({EncoderOutcome.UNPROVEN, EncoderOutcome.NOT_RUN, EncoderOutcome.HARNESS_ERROR,
                    EncoderOutcome.DECLINED, EncoderOutcome.SKIPPED}),
    failures=frozenset({EncoderOutcome.INVALID_STREAM, EncoderOutcome.WRONG_DECLARATION, EncoderOutcome.DISAGREEMENT,
                        EncoderOutcome.NOT_AS_ASKED, EncoderOutcome.WRONG_TENSORS, EncoderOutcome.WRONG_ELEMENTS,
                        EncoderOutcome.NONDETERMINISTIC, EncoderOutcome.ACCEPTED_INVALID, EncoderOutcome.LEFT_OUTPUT,
                        EncoderOutcome.REFUSED_VALID, EncoderOutcome.NO_STREAM, EncoderOutcome.UNPROVEN}),
)  # fmt: skip


def subject_of(results: Mapping[str, Any]) -> Subject:
    """What the contents of a results.json are results of."""
    return ENCODERS if ENCODERS.role in results else DECODERS


def last_words(run: Run) -> str:
    """The last line of what a program has said, where the reason mostly stands."""
    lines = run.text.split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last[:300]}" if last else ""


def crash_of(run: Run) -> str:
    """13.6.6 Why a run is no verdict of the program; empty if it is one."""
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
