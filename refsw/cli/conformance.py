"""refsw conformance: test a decoder against suites of vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from refsw.cli.common import OUTPUT, output_stream, role, say, say_all
from refsw.cli.encoders import encode_command
from refsw.cli.results import compare_command, run_and_report, run_options, site_command
from refsw.cli.stress import stress_command
from refsw.syntax.codes import Profile

if TYPE_CHECKING:
    from refsw.conformance.suite import Selection, Suite, Vector

_F = TypeVar("_F", bound=Callable[..., Any])
KINDS = ("valid", "malformed", "invalid", "unsupported", "limit")
PROFILES = tuple(profile.name for profile in Profile)


@click.group(name="conformance")
def command() -> None:
    """Test decoders against suites of vectors, and encoders with inputs (spec chapter 13)."""


for each in (encode_command, stress_command, compare_command, site_command):
    command.add_command(each)


def _suites(function: _F) -> _F:
    """The arguments that say which vectors."""
    options = [
        click.argument("suites", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SUITE..."),
        click.option("--vectors", type=click.Path(path_type=Path), help="Folder of the files of the vectors.  "
                     "[default: test_vectors, beside a suite or above it]"),
        click.option("--area", multiple=True, help="Only vectors of this area; may be repeated, as all of these."),
        click.option("--profile", multiple=True, type=click.Choice(PROFILES, case_sensitive=False),
                     help="Only vectors of this profile."),
        click.option("--about", multiple=True, help="Only vectors made for this requirement, such as 'hevc.*'."),
        click.option("--requirement", multiple=True, help="Only vectors that rely on this requirement, or break it."),
        click.option("--kind", multiple=True, type=click.Choice(KINDS), help="Only vectors of this kind."),
        click.option("--id", "ids", multiple=True, metavar="PATTERN", help="Only vectors with such an id, as 'fps-*'."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def _load(
    suites: tuple[Path, ...], vectors: Path | None, area: tuple[str, ...], profile: tuple[str, ...],
    about: tuple[str, ...], requirement: tuple[str, ...], kind: tuple[str, ...], ids: tuple[str, ...],
) -> tuple[list[Suite], Selection]:  # fmt: skip
    from refsw.conformance.suite import Selection, load_suites

    with role("input"):
        return load_suites(suites, vectors=vectors), Selection(area, profile, about, requirement, kind, ids)


@command.command(name="run")
@_suites
@click.option(
    "--decoder",
    default="refsw",
    show_default=True,
    help="Name, command with {input}, {output} and, for model updates, {base}, module:function, or a command that "
    "talks in JSON lines.",
)
@run_options("conformance-report")
@click.option(
    "--strict-errors",
    is_flag=True,
    help="Rejections also have to report phase, class, requirement, element and bit offset of the error.",
)
@click.pass_context
def run_command(
    context: click.Context, /, decoder: str, jobs: int, output: Path, timeout: float, memory: int, resume: bool,
    strict_errors: bool, as_json: bool, **selected: Any,
) -> None:  # fmt: skip
    """Run the vectors of SUITE... (manifests, or folders of them); exit code 1 unless all of them PASS.

    What needs an optional part of the specification that the decoder does not have is SKIPPED, and no failure.
    With no vector selected the exit code is 2.
    """
    from refsw.conformance.decoders import decoder_under_test
    from refsw.conformance.programs import Limits
    from refsw.conformance.results import Plan
    from refsw.conformance.runner import run

    suites, selection = _load(**selected)
    plan = Plan(suites, decoder_under_test(decoder), Limits(timeout, memory << 20), selection, jobs, strict_errors)
    code = run_and_report(
        lambda tell: run(plan, output, fresh=not resume, on_result=tell), len(plan.vectors), output,
        as_json=as_json,
    )  # fmt: skip
    context.exit(code)


@command.command(name="list")
@_suites
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_command(as_json: bool, **selected: Any) -> None:
    """List the vectors of SUITE... with their kind, profile, level, title, and the requirements they are about."""
    suites, selection = _load(**selected)
    found = [vector for suite in suites for vector in suite if selection.takes(vector)]
    if as_json:
        fields = (
            "suite", "id", "area", "kind", "profile", "level", "title", "file", "bytes", "about", "requirements",
            "optional",
        )  # fmt: skip
        say_all(json.dumps([{name: getattr(v, name) for name in fields} for v in found], indent=1))
        return
    width = max((len(v.id) for v in found), default=0)
    for v in found:
        say(f"{v.id:<{width}}  {v.kind:<11}  {v.profile:<8} L{v.level}  {v.title}{_told_about(v)}")
    say(f"{len(found)} vectors, {sum(v.bytes for v in found):,} bytes")


def _told_about(vector: Vector) -> str:
    optional = [f"needs {part}, which is optional" for part in vector.optional]
    told = "; ".join([", ".join(vector.about), *optional] if vector.about else optional)
    return f" ({told})" if told else ""


@command.command(name="coverage")
@click.argument("suites", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SUITE...")
@click.option("--vectors", type=click.Path(path_type=Path), help="Folder of the files of the vectors.")
@click.option("--spec", type=click.Path(file_okay=False, path_type=Path),
              help="Folder of the specification.  [default: spec, above the suites]")  # fmt: skip
@click.option("--waivers", type=click.Path(dir_okay=False, path_type=Path),
              help="Reasons for what has no vector.  [default: waivers.json, above the suites]")  # fmt: skip
@click.option("-o", "--output", type=OUTPUT, help="Write the report to a file.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON instead of Markdown.")
@click.pass_context
def coverage_command(
    context: click.Context, suites: tuple[Path, ...], vectors: Path | None, spec: Path | None, waivers: Path | None,
    output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure which values of which syntax elements, and which requirements, the vectors of SUITE... exercise.

    The exit code is 1 if anything is neither exercised nor waived with a reason, or waived without need.
    """
    from refsw.conformance.coverage import report
    from refsw.conformance.suite import load_suites

    with role("input"):
        loaded = load_suites(suites, vectors=vectors)
        found = report(loaded, spec or _above(suites[0], "spec"), waivers or _above(suites[0], "waivers.json"))
    text = json.dumps(found.as_dict(), indent=1) + "\n" if as_json else found.as_markdown()
    if output is None:
        say_all(text.rstrip("\n"))
    else:
        with output_stream(output) as file:
            file.write(text.encode())
    context.exit(1 if found.failures() else 0)


def _above(suite: Path, name: str) -> Path:
    """The nearest file or folder of a name beside a suite or above it."""
    from refsw.errors import UsageError

    for folder in (suite.absolute(), *suite.absolute().parents):
        if (folder / name).exists():
            return folder / name
    raise UsageError(f"no {name} beside {suite} or above it: name it with --{name.partition('.')[0]}")
