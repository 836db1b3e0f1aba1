"""refsw anchor: runs under common test conditions, their reports, comparisons and cross-checks."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from refsw.cli.common import complain, progress, role, say, say_all
from refsw.errors import UsageError
from refsw.text import sentence

FOLDER = click.Path(file_okay=False, path_type=Path)
ARCHIVE = click.Path(dir_okay=False, path_type=Path)
UNITS = ("rate", "bits_per_element", "bits_per_pixel", "bits_per_picture_pixel", "bytes", "content_bytes", "kbps")


def _rate_options(function: Callable[..., None]) -> Callable[..., None]:
    """--rate and --frame-rate: the unit in which rates are told."""
    frame_rate = click.option("--frame-rate", type=click.FloatRange(0, min_open=True), metavar="F",
                              help="Items a second, for a rate in kbps.")  # fmt: skip
    unit = click.option("--rate", type=click.Choice(UNITS),
                        help="Unit of rates.  [default: as the conditions say, bits_per_element]")  # fmt: skip
    return unit(frame_rate(function))


@click.group(name="anchor")
def command() -> None:
    """Anchors under common test conditions: run, report, compare, cross-check (docs/anchors.md)."""


@command.command()
@click.argument("conditions", required=False)
@click.option("-o", "--output", type=FOLDER, required=True, help="Folder of the run, new or begun.")
@click.option("--data", type=FOLDER, help="Folder of data sets and weights, ${data} in the conditions.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True,
              help="Processes; the records do not depend on it.")  # fmt: skip
@click.option("--dask", metavar="ADDRESS", help="Use the workers of this Dask scheduler instead.")
@click.option("--test", "tests", multiple=True, metavar="NAME", help="Only this test; may be repeated.")
@click.option("--preset", help="A proposal: this preset instead of the conditions' codecs.")
@click.option("--encode", metavar="COMMAND", help="A proposal: this encoder, with {input}, {output} and {qp}.")
@click.option("--decode", metavar="COMMAND", help="Its decoder, with {input} and {output}.")
@click.option("--name", default="proposal", show_default=True, help="Name of the proposal.")
@click.option("--keep-bitstreams", is_flag=True, help="Leave every bitstream in the folder.")
@click.option("--cache", type=FOLDER, help="Folder where features are kept from run to run.  [default: ~/.cache/refsw]")
@click.option("--no-cache", is_flag=True, help="Keep no features.")
@click.option("--features", type=ARCHIVE, help="Features of refsw anchor freeze; without CONDITIONS, those of its run.")
@click.pass_context
def run(
    context: click.Context, /, conditions: str | None, output: Path, jobs: int, tests: tuple[str, ...], **options: Any
) -> None:
    """Run CONDITIONS, a YAML file or the name of a set that ships with refsw (mini).

    A run that was killed goes on where it stopped. One of other conditions, weights, data or codec versions is
    refused: what it left is never reused.
    """
    from refsw.evaluation.anchors.archives.frozen import frozen_conditions
    from refsw.evaluation.anchors.cache import default_folder
    from refsw.evaluation.anchors.conditions import find_conditions, load_conditions, with_codec, with_tests
    from refsw.evaluation.anchors.run import AnchorRun, Options

    features: Path | None = options["features"]
    if conditions is not None:
        asked = load_conditions(find_conditions(conditions))
    elif features is not None:
        with role("input"):
            asked = frozen_conditions(features)
    else:
        raise UsageError("CONDITIONS are missing: a file, the name of a set (mini), or --features with those of a run")
    asked = with_tests(asked, tests) if tests else asked
    proposal = _proposal(options["preset"], options["encode"], options["decode"])
    asked = with_codec(asked, options["name"], proposal) if proposal else asked
    cache = None if options["no_cache"] else options["cache"] or default_folder()
    how = Options(jobs, options["dask"], options["data"], cache, options["keep_bitstreams"], features)
    with role("output"), AnchorRun(asked, output, how) as job:
        for name, notes in job.notes.items():
            for note in notes:
                complain(f"refsw: note: {name}: {sentence(note)}")
        if job.finished:
            say(f"{job.finished} of {job.point_count} records are there already")
        for _ in progress(job.work(), "coding", job.remaining, job.seconds_left):
            pass
        finished, failures = job.finished, job.failures
    for failure in failures[:10]:
        complain(f"refsw: failed: {sentence(failure)}")
    if len(failures) > 10:
        complain(f"refsw: failed: {len(failures) - 10} more")
    say(f"{output}: {finished} of {job.point_count} records")
    say(f"  refsw anchor report {shlex.quote(str(output))}")
    context.exit(int(bool(failures) or finished < job.point_count))


def _proposal(preset: str | None, encode: str | None, decode: str | None) -> dict[str, Any] | None:
    if (encode is None) != (decode is None):
        raise UsageError("--encode and --decode go together")
    if encode is not None and preset is not None:
        raise UsageError("either --preset, or --encode and --decode")
    if encode is not None:
        return {"encode": encode, "decode": decode}
    return {"preset": preset} if preset is not None else None


@command.command()
@click.argument("run_dir", type=FOLDER)
@click.option("-o", "--output", type=FOLDER, help="Folder of the report.  [default: RUN_DIR/report]")
@click.option("--anchor", type=FOLDER, help="A run to compare with: its curves and BD figures are in the report.")
@click.option("--anchor-codec", metavar="NAME", help="Codec of the anchor, where it has several.")
@click.option("--proposal-codec", metavar="NAME", help="Codec of RUN_DIR to compare, where it has several.")
def report(
    run_dir: Path, output: Path | None, anchor: Path | None, anchor_codec: str | None, proposal_codec: str | None
) -> None:
    """Tables (Markdown, CSV, xlsx), plots (PNG, SVG) and one interactive HTML page of a run."""
    from refsw.evaluation.anchors.folder import REPORT, open_run
    from refsw.evaluation.reports.report import write_report

    done = open_run(run_dir)
    against = open_run(anchor) if anchor else None
    with role("output"):
        text, paths = write_report(
            done, output or run_dir / REPORT, against, anchor_codec=anchor_codec, codec=proposal_codec
        )
    say_all(text)
    say("The whole report:")
    for path in paths:
        say(f"  {path}")


@command.command()
@click.argument("anchor", type=FOLDER)
@click.argument("proposal", type=FOLDER)
@click.option("--interpolation", type=click.Choice(["pchip", "akima"]), help="[default: as the conditions say, pchip]")
@click.option(
    "--non-monotone",
    type=click.Choice(["refuse", "pareto", "cubic"]),
    default="refuse",
    show_default=True,
    help="If quality does not rise with rate: no figure, only points worth their rate, or a monotone cubic.",
)
@_rate_options
@click.option("--least-overlap", type=click.FloatRange(0, 1), default=0.1, show_default=True,
              help="No figure if less of what either curve covers is common; below 0.25 it has a warning.")  # fmt: skip
@click.option("--quality", "qualities", multiple=True, metavar="METRIC", help="Compare at equal METRIC; repeatable.")
@click.option("--anchor-codec", metavar="NAME", help="Codec of the anchor, where it has several.")
@click.option("--proposal-codec", metavar="NAME", help="Codec of the proposal, where it has several.")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.pass_context
def bd(context: click.Context, /, anchor: Path, proposal: Path, as_json: bool, **options: Any) -> None:
    """BD-rate and BD-metric of PROPOSAL against ANCHOR; exit code 1 if no layer has a figure."""
    from refsw.evaluation.anchors.compare import Rules, compare
    from refsw.evaluation.anchors.folder import open_run
    from refsw.evaluation.anchors.units import rate_of
    from refsw.evaluation.bdrate import Interpolation, NonMonotone
    from refsw.evaluation.reports.differences import as_text

    first, second = open_run(anchor), open_run(proposal)
    rules = Rules(
        interpolation=Interpolation(options["interpolation"]) if options["interpolation"] else None,
        rate=rate_of(first.conditions.document, options["rate"], options["frame_rate"]),
        non_monotone=NonMonotone(options["non_monotone"]),
        least_overlap=options["least_overlap"],
        qualities=options["qualities"],
        anchor_codec=options["anchor_codec"],
        proposal_codec=options["proposal_codec"],
    )
    comparison = compare(first, second, rules)
    say_all(json.dumps(comparison.as_dict(), indent=1) if as_json else as_text(comparison).rstrip("\n"))
    context.exit(int(all(line.rate is None and line.metric is None for line in comparison.lines)))


@command.command()
@click.argument("run_dir", type=FOLDER)
@_rate_options
@click.option("--interpolation", type=click.Choice(["pchip", "akima"]), help="[default: as the conditions say, pchip]")
@click.option(
    "--non-monotone",
    type=click.Choice(["refuse", "pareto", "cubic"]),
    default="pareto",
    show_default=True,
    help="If quality does not rise with rate: no figure, only points worth their rate, or a monotone cubic.",
)
@click.option("--quality", "qualities", multiple=True, metavar="METRIC", help="Compare at equal METRIC; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
def pictures(run_dir: Path, rate: str | None, frame_rate: float | None, as_json: bool, **options: Any) -> None:
    """Features against coded pictures within RUN_DIR: BD-rate, crossings, rates at the same performance.

    For conditions with codecs of pictures and a layer input or input-resized (docs/anchors.md).
    """
    from refsw.evaluation.anchors.folder import open_run
    from refsw.evaluation.anchors.remote import compare_with_pictures
    from refsw.evaluation.anchors.units import rate_of
    from refsw.evaluation.bdrate import Interpolation, NonMonotone
    from refsw.evaluation.reports.remote import shown

    done = open_run(run_dir)
    found = compare_with_pictures(
        done,
        rate=rate_of(done.conditions.document, rate, frame_rate),
        interpolation=Interpolation(options["interpolation"]) if options["interpolation"] else None,
        non_monotone=NonMonotone(options["non_monotone"]),
        metrics=options["qualities"],
    )
    if as_json:
        say_all(json.dumps([against.as_dict() for against in found], indent=1))
        return
    say_all("\n".join(table.as_markdown() for against in found for table in shown(against)).rstrip("\n"))


@command.command()
@click.argument("conditions")
@click.option("--preset", default="balanced", show_default=True, help="Whose choices are switched off and on.")
@click.option("--base", default="anchor", show_default=True, help="The preset that has them otherwise.")
@click.option("-o", "--output", type=FOLDER, required=True, help="Folder of the run, new or begun.")
@click.option("--data", type=FOLDER, help="Folder of data sets and weights, ${data} in the conditions.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--test", "tests", multiple=True, metavar="NAME", help="Only this test; may be repeated.")
@click.pass_context
def ablate(
    context: click.Context, /, conditions: str, preset: str, base: str, output: Path, data: Path | None, jobs: int,
    tests: tuple[str, ...],
) -> None:  # fmt: skip
    """What each choice of a preset brings under CONDITIONS: alone switched off and on, as BD-rate and time."""
    from refsw.evaluation.anchors.ablate import ablated, compared
    from refsw.evaluation.anchors.conditions import find_conditions, load_conditions, with_tests
    from refsw.evaluation.anchors.folder import open_run
    from refsw.evaluation.anchors.run import AnchorRun, Options
    from refsw.evaluation.reports.ablation import table

    asked = load_conditions(find_conditions(conditions))
    asked, variants, reasons = ablated(with_tests(asked, tests) if tests else asked, preset, base)
    with role("output"), AnchorRun(asked, output, Options(jobs, data=data)) as job:
        for _ in progress(job.work(), "coding", job.remaining, job.seconds_left):
            pass
        failures = job.failures
    for failure in failures[:10]:
        complain(f"refsw: failed: {sentence(failure)}")
    say_all(table(preset, base, compared(open_run(output), variants), reasons).as_markdown().rstrip("\n"))
    context.exit(int(bool(failures)))


@command.command()
@click.argument("first", type=FOLDER)
@click.argument("second", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.pass_context
def crosscheck(context: click.Context, first: Path, second: Path, as_json: bool) -> None:
    """Compare two runs record by record; exit code 1 if the second does not reproduce the first."""
    from refsw.evaluation.anchors import crosscheck as check
    from refsw.evaluation.anchors.folder import open_run

    result = check.crosscheck(open_run(first), open_run(second))
    say_all(json.dumps(result.as_dict(), indent=1) if as_json else check.as_text(result).rstrip("\n"))
    context.exit(result.exit_code)


@command.command()
@click.argument("run_dir", type=FOLDER)
def requirements(run_dir: Path) -> None:
    """Print the packages that a run was made with, as a requirements file for pip."""
    from refsw.evaluation.anchors.environment import requirements as listed
    from refsw.evaluation.anchors.folder import open_run

    say_all(listed(open_run(run_dir).environment).rstrip("\n"))


@command.command()
@click.argument("run_dir", type=FOLDER)
@click.option("-o", "--output", type=ARCHIVE, required=True, help="The archive to write.")
@click.option("--data", type=FOLDER, help="Folder of data sets and weights, ${data} in the conditions.")
@click.option("--cache", type=FOLDER, help="Folder where features are kept from run to run.  [default: ~/.cache/refsw]")
@click.option("--no-cache", is_flag=True, help="Keep no features.")
def freeze(run_dir: Path, output: Path, data: Path | None, cache: Path | None, no_cache: bool) -> None:
    """Write the features of a run into an archive, with digests, for refsw anchor run --features.

    With it, somebody without network and data, or with other libraries, codes the same again and has the same records.
    """
    from refsw.evaluation.anchors.archives.freezing import freeze as frozen
    from refsw.evaluation.anchors.cache import default_folder

    with role("output"):
        digest, count = frozen(run_dir, output, data=data, cache=None if no_cache else cache or default_folder())
    say(f"{output}: {count} files, {output.stat().st_size:,} bytes")
    say(f"sha256 of everything: {digest}")


@command.command()
@click.argument("run_dir", type=FOLDER)
@click.option("-o", "--output", type=ARCHIVE, required=True, help="The archive to write.")
@click.option("--features", type=ARCHIVE, help="Frozen features of the run, to go with it.")
def pack(run_dir: Path, output: Path, features: Path | None) -> None:
    """Seal a run in one file: records, conditions, versions, bitstreams if it kept them, and digests of everything."""
    from refsw.evaluation.anchors.archives.sealing import as_text
    from refsw.evaluation.anchors.archives.sealing import pack as sealed

    with role("output"):
        seal = sealed(run_dir, output, features)
    say_all(as_text(output, seal).rstrip("\n"))


@command.command()
@click.argument("sealed", type=ARCHIVE)
@click.option("-o", "--output", type=FOLDER, help="A new folder for the run, if all is as it was sealed.")
@click.option("--digest", help="The SHA-256 of everything that it has to have.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.pass_context
def verify(context: click.Context, sealed: Path, output: Path | None, digest: str | None, as_json: bool) -> None:
    """Tell whether a sealed run is what was sealed, and goes together; exit code 1 if anything is another."""
    from refsw.evaluation.anchors.archives import sealing

    with role("input"):
        seal = sealing.verify(sealed, into=output, digest=digest)
    say_all(sealing.dumped(seal) if as_json else sealing.as_text(sealed, seal).rstrip("\n"))
    context.exit(seal.exit_code)
