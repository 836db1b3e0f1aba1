"""refsw conformance stress: long streams, pipes, random access, joining, and the largest of each level."""

from __future__ import annotations

from pathlib import Path

import click

from refsw.cli.common import say
from refsw.cli.results import run_and_report, run_options

AREAS = ("memory", "pipe", "live", "access", "join", "level")
PROFILES = ("LOSSLESS", "INTRA")


@click.command(name="stress")
@click.option("--decoder", default="refsw", show_default=True,
              help="Name, command with {input}, {output} and, for captures, {sdp}, module:function, or a command that "
              "talks in JSON lines.")  # fmt: skip
@click.option(
    "--access",
    metavar="COMMAND",
    help="The command for random access, with {input}, {output} and {sample}, of a decoder by command.",
)
@click.option("--area", multiple=True, type=click.Choice(AREAS), help="Only cases of this area; may be repeated.")
@click.option("--profile", multiple=True, type=click.Choice(PROFILES, case_sensitive=False),
              help="Only cases of this profile.")  # fmt: skip
@click.option("--id", "ids", multiple=True, metavar="PATTERN", help="Only cases with such an id, as '*-level-1-*'.")
@click.option("--slow", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True, metavar="FACTOR",
              help="Limits of time are so many times those of the specification.")  # fmt: skip
@click.option("--list", "as_list", is_flag=True, help="Only list the cases that are selected.")
@run_options("stress-report", limits=False)
@click.pass_context
def stress_command(
    context: click.Context, /, decoder: str, access: str | None, area: tuple[str, ...], profile: tuple[str, ...],
    ids: tuple[str, ...], slow: float, as_list: bool, jobs: int, output: Path, resume: bool, as_json: bool,
) -> None:  # fmt: skip
    """Give a decoder what vectors cannot show (spec 13.13); exit code 1 unless all of it PASSes.

    Streams of 10,000 samples, a pipe that stops, output before the end of the input, random access, a capture joined
    in the middle, and the largest of each level: generated, not stored. What a decoder says that it does not have
    (exit code 69) is SKIPPED.
    """
    from refsw.conformance.stress.programs import for_access, stressed
    from refsw.conformance.stress.runner import StressPlan, run
    from refsw.conformance.suite import Selection

    tested = stressed(decoder)
    plan = StressPlan(tested, for_access(access, tested), Selection(area, profile, ids=ids), slow, jobs)
    if as_list:
        for case in plan.cases:
            v, megabytes = case.vector, case.memory_bytes >> 20
            say(f"{v.id}  {v.profile} L{v.level}  {v.title} (at most {case.seconds * slow:g} s, {megabytes} MiB)")
        return
    code = run_and_report(
        lambda tell: run(plan, output, fresh=not resume, on_result=tell), len(plan.cases), output,
        as_json=as_json, notes=True,
    )  # fmt: skip
    context.exit(code)
