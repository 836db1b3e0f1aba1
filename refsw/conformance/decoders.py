"""13.6 Decoders under test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from refsw.conformance.programs import BASE, INPUT, OUTPUT, PACKAGE, Form, Limits, ProgramUnderTest
from refsw.conformance.programs import program_under_test as _under_test
from refsw.conformance.sessions import Run, Session

INDEPENDENT = Path("conformance") / "independent" / "dfc.py"
MODEL, SDP, SAMPLE = "{model}", "{sdp}", "{sample}"
SOURCE = "input.dfc"


def registered() -> dict[str, str]:
    """Names of decoders and their entry points; `independent` is there in a source tree alone."""
    names = {"refsw": "refsw.conformance.reference:decode"}
    for folder in (PACKAGE.parent, Path.cwd()):
        if (folder / INDEPENDENT).is_file():
            names.setdefault("independent", f"{folder / INDEPENDENT}:decode")
    return names


def decoder_under_test(text: str) -> ProgramUnderTest:
    """A decoder from what the user wrote.

    Raises:
        UsageError: it is none of the forms, or there is no such program, file or function.
    """
    form = Form("decoder", (INPUT, OUTPUT, BASE, MODEL, SDP), registered(), ("refsw.conformance.worker",))
    return _under_test(text, form)


def takes_model(decoder: ProgramUnderTest) -> bool:
    """Whether a decoder is told the digest of the receiver's model: not a command that does not name it.

    A process that talks says so when it is ready, a Python function by its arguments.
    """
    return decoder.kind != "command" or any(MODEL in word for word in decoder.words)


def takes_sdp(decoder: ProgramUnderTest) -> bool:
    """Whether a decoder is told of session descriptions, and so takes captures: as `takes_model`."""
    return decoder.kind != "command" or any(SDP in word for word in decoder.words)


class DecoderSession(Session):
    """Runs a decoder on one vector after the other."""

    def decode(
        self, data: bytes, limits: Limits, *, expected_bytes: int = 0, base: Path | None = None, model: str = "",
        sdp: Path | None = None,
    ) -> Run:  # fmt: skip
        """Decode a bitstream, or with its session description a capture, into files of `self.output`."""
        self.prepare()
        names, question = self.asked(base, model, sdp)
        return self.run({SOURCE: data}, names, question, limits, limits.output_bytes + 2 * expected_bytes)

    def asked(
        self, base: Path | None = None, model: str = "", sdp: Path | None = None, sample: int | None = None
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """What the placeholders of a command stand for, and the same as a request to a process that talks."""
        names = {
            "input": str(self.scratch / SOURCE),
            "output": str(self.output / "output"),
            "base": str(base.absolute()) if base else "",
            "model": model,
            "sdp": str(sdp.absolute()) if sdp else "",
            "sample": "" if sample is None else str(sample),
        }
        question: dict[str, Any] = {
            "input": names["input"], "output": names["output"], "base": names["base"] or None,
        }  # fmt: skip
        question |= {"model": model} if model else {}
        question |= {"sdp": names["sdp"]} if sdp else {}
        question |= {"sample": sample} if sample is not None else {}
        return names, question
