"""refsw demo: an anchor and a proposal on networks and pictures that ship with the package."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from refsw.cli.common import progress, role, say, say_all
from refsw.errors import CodecError
from refsw.features.config import PRESETS_ALONE

if TYPE_CHECKING:
    from refsw.evaluation.anchors.compare import Comparison
    from refsw.evaluation.anchors.folder import Run
    from refsw.evaluation.anchors.remote import Against
    from refsw.evaluation.demo import Demo


@click.command(name="demo")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), default=Path("demo-output"),
              show_default=True, help="Folder for the runs, their bitstreams and the report.")  # fmt: skip
@click.option("--preset", type=click.Choice(list(PRESETS_ALONE)), default="balanced", show_default=True,
              help="What to show, against the preset anchor.")  # fmt: skip
@click.option("-j", "--jobs", type=click.IntRange(1), default=2, show_default=True,
              help="Processes; the results do not depend on it.")  # fmt: skip
def command(output: Path, preset: str, jobs: int) -> None:
    """Code features of three networks at four depths, and see what the networks make of them.

    Classification, retrieval and detection of digits, under the mini conditions; then detection from the features
    against detection from coded pictures. Two or three minutes.
    """
    from refsw.evaluation.demo import Demo

    with role("output"):
        demo = Demo(output, preset, jobs=jobs)
        for name, run in demo.runs().items():
            with run:
                for _ in progress(run.work(), f"preset {name}", run.remaining, run.seconds_left):
                    pass
            if run.failures:
                raise CodecError(run.failures[0])
        count = sum(1 for _ in progress(demo.validated(), "validating", len(demo.bitstreams())))
        done, comparison, written = demo.report()
        against, more = demo.report_on_pictures()
    _print(demo, done, comparison, against)
    say(f"All {count} bitstreams conform. What to look at next:")
    for what in _next(demo, [*more, *written]):
        say(f"  {what}")


def _print(demo: Demo, run: Run, comparison: Comparison | None, against: Sequence[Against]) -> None:
    from refsw.evaluation.reports import differences, remote, tables
    from refsw.evaluation.reports.cells import wrapped

    text = [
        wrapped(
            f"Features leave a network at four depths, are coded with preset {demo.preset} at four quantization "
            "parameters, decoded, and go on through the rest of the network. Rate: bytes of the bitstreams / bytes of "
            "the features as binary32. Fidelity: how much the outcome is that without coding (MM'19, equations 2 to 4)."
        )
        + "\n"
    ]
    for test in run.conditions.tests:
        swept = [run.conditions.codecs[name] for name in test.codecs if run.conditions.codecs[name].parameter]
        text += [tables.rate_quality(run, test, codec).as_markdown() for codec in swept]
    if comparison is not None:
        text += [wrapped(differences.title(comparison)) + "\n"]
        text += [table.as_markdown() for table in differences.mean_tables(comparison)]
    text += [
        wrapped("Features against the picture itself, coded, decoded and passed through the whole network:") + "\n"
    ]
    text += [remote.bd_table(against[0]).as_markdown()]
    say_all("\n".join(text))


def _next(demo: Demo, written: Sequence[Path]) -> list[str]:
    stream = shlex.quote(str(next(path for path in reversed(demo.bitstreams()) if "conv3" in path.name)))
    runs = [shlex.quote(str(demo.output / name)) for name in demo.names]
    shown = {path.name: path for path in written}
    return [
        f"{shown['index.html']}: every curve, in a browser",
        f"{shown['results.xlsx']}: the same as a workbook",
        f"{shown['classification.png']}: rate against fidelity",
        f"{shown['detection~pictures.png']}: features against coded pictures",
        f"refsw anchor bd {' '.join(runs)}" if len(runs) > 1 else f"refsw anchor report {runs[0]}",
        f"refsw inspect {stream}",
        f"refsw validate {stream}",
        f"refsw decode {stream} -o features.npy",
    ]
