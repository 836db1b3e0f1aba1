"""refsw validate: every violation of a bitstream, with requirement and offset."""

from __future__ import annotations

import json
from pathlib import Path

import click

from refsw.cli.common import base_model, input_stream, max_work, named_files, say, say_all
from refsw.errors import DfcError, UsageError
from refsw.features.config import LEVELS, PROFILES
from refsw.profiles import MODEL_PROFILES, Allowance
from refsw.validation import Report, validate


@click.command(name="validate")
@click.argument("bitstream", type=click.Path(path_type=Path))
@click.option("--profile", type=click.Choice(list(PROFILES)), help="Profile that the bitstream must declare and keep.")
@click.option("--level", type=click.Choice(list(LEVELS)), help="Highest level that the bitstream may declare.")
@click.option("--hevc-decoder", metavar="COMMAND", help="External HEVC decoder (spec 8.4.7).")
@click.option("--base", type=click.Path(path_type=Path), help="For model updates: the model that they start from.")
@click.option("--with", "named", type=click.Path(path_type=Path), multiple=True,
              help="A file that the bitstream names by its digest; may be repeated.")  # fmt: skip
@max_work
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.pass_context
def command(
    context: click.Context,
    bitstream: Path,
    profile: str | None,
    level: str | None,
    hevc_decoder: str | None,
    base: Path | None,
    named: tuple[Path, ...],
    max_work: float,
    as_json: bool,
) -> None:
    """Check BITSTREAM (- for a pipe) against every requirement; exit code 65 if it breaks one."""
    if hevc_decoder is not None and not hevc_decoder.strip():
        raise UsageError("--hevc-decoder: an empty command")
    with input_stream(bitstream) as stream:
        report = validate(
            stream,
            profile=PROFILES[profile] if profile else None,
            level=LEVELS[level] if level else None,
            hevc_decoder=hevc_decoder,
            base=base_model(base),
            allowance=Allowance(max_work),
            known=named_files(named),
        )
    if as_json:
        say_all(json.dumps(report.as_dict(), indent=2))
    else:
        _print(bitstream, report)
    context.exit(report.exit_code)


def _print(path: Path, report: Report) -> None:
    for error in report.violations:
        say(_line("violation", error))
    for error in report.unsupported:
        say(_line("unsupported here", error))
    if report.profile is None or report.level is None:
        say(f"{path}: not a conforming bitstream")
        return
    declared = f"profile {report.profile.name.lower()}, level {report.level.value}"
    samples = ", ".join(f"{name}: {count} sample{'s' * (count != 1)}" for name, count in report.samples.items())
    if report.profile in MODEL_PROFILES:
        samples = f"{report.updates} update{'s' * (report.updates != 1)}"
    if report.violations:
        count = len(report.violations)
        say(f"{path}: not conforming ({declared}): {count} violation{'s' * (count != 1)}")
    elif report.unsupported:
        say(f"{path}: nothing found against {declared}, but not all could be checked ({samples})")
    else:
        say(f"{path}: conforms to {declared} ({samples})")


def _line(kind: str, error: DfcError) -> str:
    return f"{kind}: {error}"
