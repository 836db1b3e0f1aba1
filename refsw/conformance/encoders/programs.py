"""13.12.3 Encoders under test: what they are given, and what they say that they take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from refsw.conformance.encoders.suite import Claim, Input, safetensors
from refsw.conformance.programs import BASE, INPUT, OUTPUT, Form, Limits, ProgramUnderTest, program_under_test
from refsw.conformance.sessions import Run, Session
from refsw.tensor.axes import Array

AXES, OPTIONS, JOBS = "{axes}", "{options}", "{jobs}"
FORM = Form(
    "encoder",
    (INPUT, OUTPUT, BASE, OPTIONS, AXES, JOBS),
    {"refsw": "refsw.conformance.encoders.reference:encode"},
    ("refsw.conformance.encoders.worker",),
)
SOURCE, RECEIVER, CHOICES = "input.safetensors", "base.safetensors", "options.json"


def encoder_under_test(text: str) -> ProgramUnderTest:
    """An encoder from what the user wrote.

    Raises:
        UsageError: it is none of the forms, or there is no such program, file or function.
    """
    return program_under_test(text, FORM)


def claims_of(encoder: ProgramUnderTest) -> tuple[Claim, ...]:
    """13.12.1 What an encoder claims by what it takes: model updates, where it is not a command without {base}.

    Tools of later versions are claimed by name; the reference encoder claims all.
    """
    if encoder.kind == "registered":
        return tuple(Claim)
    models = encoder.kind != "command" or any(BASE in word for word in encoder.words)
    return (Claim.FEATURES, Claim.MODELS) if models else (Claim.FEATURES,)


def takes(encoder: ProgramUnderTest, run: Run | None, what: str) -> bool:
    """Whether an encoder is told of something: a command by its placeholder, others by what they said when ready."""
    if encoder.kind == "command":
        return any(what in word for word in encoder.words)
    return run is not None and run.ready.get(what.strip("{}")) is True


class EncoderSession(Session):
    """Runs an encoder on one input after the other."""

    def encode(
        self, case: Input, tensors: Mapping[str, Array], base: Mapping[str, Array] | None, limits: Limits, *,
        jobs: int = 1, choices: Mapping[str, Any] | None = None,
    ) -> Run:  # fmt: skip
        """Code the tensors of an input into a file of `self.output`.

        Args:
            case: the input.
            tensors: of the version to be coded.
            base: the model that the receiver has.
            limits: what it may take.
            jobs: that it may use at once.
            choices: of the user, as the encoder understands them.
        """
        self.prepare()
        model = case.claim is Claim.MODELS
        options = {"axes": case.axes, "model": model, "jobs": jobs, "choices": dict(choices or {}), "asks": case.asks}
        files = {SOURCE: safetensors(tensors), CHOICES: json.dumps(options).encode()}
        if base is not None:
            files[RECEIVER] = safetensors(base)
        names = {
            "input": str(self.scratch / SOURCE),
            "output": str(self.output / "output"),
            "base": str(self.scratch / RECEIVER) if base is not None else "",
            "options": str(self.scratch / CHOICES),
            "axes": case.common_axes,
            "jobs": str(jobs),
        }
        question = {
            "input": names["input"], "output": names["output"], "base": names["base"] or None, "options": options,
        }  # fmt: skip
        size = sum(map(len, files.values()))
        return self.run(files, names, question, limits, limits.output_bytes + 3 * size)
