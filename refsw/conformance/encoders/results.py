"""13.12.6 What a run of an encoder came to: its plan, and its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from refsw.conformance.encoders.suite import Claim, Input, InputSelection, InputSuite
from refsw.conformance.programs import Limits, ProgramUnderTest
from refsw.conformance.verdicts import ENCODERS, EncoderOutcome, Subject, Tested


@dataclass(frozen=True)
class EncoderPlan:
    """What to run, and how; `key` tells whether results of an earlier run are results of this one.

    Args:
        suite: the inputs.
        encoder: what to run.
        claims: what it claims; inputs of other claims are SKIPPED.
        choices: what it is told to choose.
        decoders: commands of decoders beside those that are there, which have to agree.
        limits: of every call.
        selection: which inputs.
        jobs: inputs at the same time.
        rates: whether rates are compared with those of refsw's presets.
    """

    suite: InputSuite
    encoder: ProgramUnderTest
    claims: tuple[Claim, ...]
    choices: Mapping[str, Any] = field(default_factory=dict)
    decoders: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    selection: InputSelection = field(default_factory=InputSelection)
    jobs: int = 1
    rates: bool = True

    @property
    def inputs(self) -> list[Input]:
        """The selected inputs, in the order of the suite."""
        return [case for case in self.suite if self.selection.takes(case)]

    @property
    def twins(self) -> list[Input]:
        """13.12.4 Inputs that are run to see what refusals show, and are not reported."""
        chosen = {case.id for case in self.inputs}
        wanted = {case.twin for case in self.inputs if case.claim in self.claims} - chosen
        return [case for case in self.suite if case.id in wanted]

    @property
    def subject(self) -> Subject:
        """What is tested."""
        return ENCODERS

    def key(self) -> dict[str, Any]:
        """What results depend on."""
        return {
            "encoder": self.encoder.identity,
            "limits": self.limits.as_list(),
            "claims": sorted(self.claims),
            "choices": dict(self.choices),
            "decoders": list(self.decoders),
            "rates": self.rates,
            "suite": self.suite.sha256,
        }

    def described(self) -> dict[str, Any]:
        """What was run and how, as results.json has it."""
        s = self.suite
        return {
            "encoder": self.encoder.as_dict(),
            "claims": [str(claim) for claim in self.claims],
            "choices": {str(name): str(value) for name, value in self.choices.items()},
            "suites": [{"suite": s.name, "version": s.version, "specification": s.specification, "title": s.title,
                        "sha256": s.sha256}],
            "selection": self.selection.as_dict(),
            "limits": self.limits.as_dict(),
        }  # fmt: skip


@dataclass
class EncoderResult(Tested[Input, EncoderOutcome]):
    """One input's outcome, with all that a report needs.

    `stream` has what the bitstream is like: its size, what it declares, its error, its rate beside refsw's.
    """

    requirements: list[str] = field(default_factory=list)
    stream: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """As results.json has it."""
        case, stream = self.case, self.stream
        return {
            "suite": case.suite, "id": case.id, "area": case.area, "kind": str(case.kind), "claim": str(case.claim),
            "title": case.title, "profile": stream["profile"] if stream else "",
            "level": stream["level"] if stream else 0, "about": list(case.about), "optional": [], "entry": case.entry,
            **self.told(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, case: Input, fields: dict[str, Any]) -> EncoderResult:
        """A result that was written by `as_dict`."""
        return cls.read(case, EncoderOutcome, fields)
