"""refsw conformance: results of runs, as they come, compared with those of another run, and as pages."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from refsw.cli.common import role, say, say_all

if TYPE_CHECKING:
    from refsw.conformance.engine import OnResult
    from refsw.conformance.reports import More
    from refsw.conformance.results import Report

_F = TypeVar("_F", bound=Callable[..., Any])
SHOWN_FAILURES = 20


LIMITS = [
    click.option("--timeout", type=click.FloatRange(0, min_open=True), default=60.0, show_default=True,
                 help="Seconds that a case may take."),
    click.option("--memory", type=click.IntRange(1), default=4096, show_default=True, help="MiB that a case may take."),
]  # fmt: skip


def run_options(folder: str, *, limits: bool = True) -> Callable[[_F], _F]:
    """What every run has: how many at once, where to (by default a folder of a name), limits, and whether to go on.

    Without `limits`, cases have their own.
    """
    options = [
        click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True,
                     help="Cases at the same time."),
        click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path),
                     default=Path(folder), show_default=True,
                     help="Folder of the reports, and of the records of a run that was ended."),
        *(LIMITS if limits else []),
        click.option("--resume/--fresh", default=True, show_default=True,
                     help="Go on from the records of the same run in the folder, or start over."),
        click.option("--json", "as_json", is_flag=True, help="The results on standard output, as in results.json."),
    ]  # fmt: skip

    def add(function: _F) -> _F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


@contextlib.contextmanager
def live(total: int) -> Iterator[OnResult | None]:
    """Progress on a terminal: how many are done, and what became of them."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[found]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, found="")
        found: dict[str, int] = {}

        def tell(result: Any, done: int, of: int) -> None:
            found[str(result.outcome)] = found.get(str(result.outcome), 0) + 1
            words = "  ".join(f"{name} {count}" for name, count in found.items())
            bar.update(task, completed=done, total=of, found=words)

        yield tell


def run_and_report(
    run: Callable[[OnResult | None], Report[Any]],
    total: int,
    output: Path,
    *,
    as_json: bool,
    more: Callable[[dict[str, Any]], More] | None = None,
    notes: bool = False,
) -> int:
    """Run cases in a folder, which no other run has meanwhile, write the reports, and tell the results.

    Args:
        run: runs them, and gives the report; ended with Ctrl-C, it may leave that of what has run in the interruption.
        total: how many there are.
        output: the folder.
        as_json: the results as JSON, not for people.
        more: see `write_reports`.
        notes: tell every case, with its notes, as well.

    Returns:
        The exit code.
    """
    from refsw.conformance.engine import locked
    from refsw.conformance.reports import HTML, write_reports

    extra = {} if more is None else {"more": more}
    with role("output"), locked(output):
        try:
            with live(total) as tell:
                report = run(tell)
        except KeyboardInterrupt as stop:
            if stop.args:
                write_reports(stop.args[0], output, **extra)
            raise
        results = write_reports(report, output, **extra)
    if as_json:
        say_all(json.dumps(results, indent=1, allow_nan=False))
        return report.exit_code
    print_results(results)
    for vector in results["vectors"] if notes else ():
        say(f"    {vector['id']}: {vector['outcome']}" + "".join(f"; {note}" for note in vector["notes"]))
    say(f"{output / HTML}: the report")
    return report.exit_code


def print_results(results: dict[str, Any]) -> None:
    """The results of a run for people: what failed, areas, and how many passed."""
    from refsw.conformance.results import failures_first, headline
    from refsw.conformance.verdicts import subject_of

    subject = subject_of(results)
    failures = [v for v in failures_first(results) if v["outcome"] not in subject.good]
    for v in failures[:SHOWN_FAILURES]:
        say(f"{v['outcome']:<16} {v['id']}: {v['reason']}")
    if len(failures) > SHOWN_FAILURES:
        say(f"and {len(failures) - SHOWN_FAILURES} more")
    for area, counts in results["areas"].items():
        skipped = f"  {counts['SKIPPED']} SKIPPED" if counts["SKIPPED"] else ""
        say(f"  {area:<20} {counts['PASS']:>5} of {sum(counts.values()):>5}{skipped}")
    say(f"{results[subject.role]['name']}: {headline(results)} ({results['seconds']:.1f} s)")


@click.command(name="compare")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def compare_command(context: click.Context, old: Path, new: Path, as_json: bool) -> None:
    """Tell which outcomes changed from the results OLD to the results NEW (results.json, or folders with one).

    The exit code is 1 if anything that was no failure is one now, or is not there any more.
    """
    from refsw.conformance.changes import compare, load_report

    with role("input"):
        before, after = load_report(old), load_report(new)
    found = compare(before, after)
    if as_json:
        say_all(json.dumps(found.as_dict(), indent=1))
    else:
        for line in found.lines():
            say(line)
    context.exit(found.exit_code)


@click.command(name="site")
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="REPORT...")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="Folder of the pages.")  # fmt: skip
@click.option("--title", default="DFC conformance", show_default=True, help="Title of the pages.")
def site_command(reports: tuple[Path, ...], output: Path, title: str) -> None:
    """Make pages of REPORT... (results.json, folders with one, or folders of such folders) that work from a file.

    Decoders and encoders by suites, versions over time, requirements that all or none pass, badges, and a place to drop
    results of one's own.
    """
    from refsw.conformance.changes import find_reports
    from refsw.conformance.site.pages import write_site

    with role("input"):
        found = find_reports(reports)
    with role("output"):
        pages = write_site(found, output, title)
    say(f"{output / 'index.html'}: {len(found)} reports, {pages} files")
