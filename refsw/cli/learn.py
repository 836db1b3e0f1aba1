"""refsw learn: train targets by reusing models, and features to be coded, as experiments."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from refsw.cli.common import progress, role, say, say_all

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(name="learn")
def command() -> None:
    """Where new models come from: experiments with the methods of the papers, and the whole loop (docs/learning.md)."""


@command.command()
@click.argument("experiment", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=FOLDER, required=True, help="Folder of the run; one that was killed goes on.")
@click.option("--data", type=FOLDER, help="Folder that roots of data sets start from.  [default: that of EXPERIMENT]")
@click.option("--weights", "keep", is_flag=True, help="Keep the trained networks, as safetensors and ONNX.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True,
              help="Of PyTorch; with several, the same seed may end with other weights.")  # fmt: skip
def run(experiment: Path, output: Path, data: Path | None, keep: bool, threads: int) -> None:
    """Run EXPERIMENT, a YAML file, or the name of one that ships with refsw; then report on it."""
    from refsw.extras import optional
    from refsw.learning.experiment import read_experiment
    from refsw.learning.report import report
    from refsw.learning.run import ExperimentRun, open_learn_run

    with role("input"):
        told = read_experiment(experiment, data)
    torch = optional("torch")
    torch.set_num_threads(threads)
    with role("output"):
        with ExperimentRun(told, output, keep=keep) as job:
            for _ in progress(job.work(), told.name, job.remaining, job.seconds_left):
                pass
        done = open_learn_run(output)
        written = report(done)
    _tell(done.folder, written)


@command.command(name="report")
@click.argument("folder", type=FOLDER)
def report_command(folder: Path) -> None:
    """The tables and figures of a run, whole or not."""
    from refsw.learning.report import report
    from refsw.learning.run import open_learn_run

    with role("input"):
        done = open_learn_run(folder)
    with role("output"):
        written = report(done)
    _tell(folder, written)


def _tell(folder: Path, written: list[Path]) -> None:
    text = next(path for path in written if path.suffix == ".md")
    say_all(text.read_text(encoding="utf-8").rstrip("\n"))
    for path in written:
        say(f"{path}")


@command.command()
@click.option("-o", "--output", type=FOLDER, default=Path("learn-demo"), show_default=True,
              help="Folder for the versions, their updates, and features.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of PyTorch.")
def demo(output: Path, threads: int) -> None:
    """The whole loop on digits: versions by reuse of one to three models, sent as updates; features of the last one.

    A minute or two.
    """
    from refsw.extras import optional
    from refsw.learning.demo import LearnDemo

    torch = optional("torch")
    torch.set_num_threads(threads)
    with role("output"):
        job = LearnDemo(output)
        for _ in progress(job.steps(), "demo", job.count):
            pass
    say_all("\n".join(table.as_markdown() for table in job.tables()))
    first, second = job.versions[:2]
    say("What to look at next:")
    base, update, features, received = (
        shlex.quote(str(output / name))
        for name in (f"{first}.safetensors", f"updates/{second}.dfc", "features.dfc", "received.safetensors")
    )
    for what in (
        f"refsw model inspect {update}",
        f"refsw model apply {base} {update} -o {received}",
        f"refsw inspect {features}",
    ):
        say(f"  {what}")
