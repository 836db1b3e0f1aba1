"""13.13.3 Decoders under stress: the forms of 13.6, with random access."""

from __future__ import annotations

from pathlib import Path

from refsw.conformance.decoders import INDEPENDENT, SAMPLE, SDP
from refsw.conformance.programs import INPUT, OUTPUT, PACKAGE, Form, ProgramUnderTest, program_under_test
from refsw.errors import UsageError

WORKER = ("refsw.conformance.worker",)


def registered() -> dict[str, str]:
    """Names of decoders and their entry points, which stream; `independent` is there in a source tree alone."""
    names = {"refsw": "refsw.conformance.stress.reference:decode"}
    for folder in (PACKAGE.parent, Path.cwd()):
        path = (folder / INDEPENDENT).with_name("dfc_stream.py")
        if path.is_file():
            names.setdefault("independent", f"{path}:decode")
    return names


def stressed(text: str) -> ProgramUnderTest:
    """A decoder from what the user wrote.

    Raises:
        UsageError: it is none of the forms, or there is no such program, file or function.
    """
    return program_under_test(text, Form("decoder", (INPUT, OUTPUT, SDP), registered(), WORKER))


def for_access(text: str | None, decoder: ProgramUnderTest) -> ProgramUnderTest | None:
    """The command of random access; None for what is asked itself.

    Raises:
        UsageError: it does not take a sample, or the decoder is none by command.
    """
    if text is None:
        return None
    if decoder.kind != "command":
        raise UsageError(f"--access goes with a decoder by command: {decoder.name} is asked for a sample itself")
    program = program_under_test(text, Form("decoder", (INPUT, OUTPUT, SAMPLE), registered(), WORKER))
    if program.kind != "command" or not any(SAMPLE in word for word in program.words):
        raise UsageError(f"--access {text}: a command with {INPUT}, {OUTPUT} and {SAMPLE}")
    return program
