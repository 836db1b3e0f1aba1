"""refsw plan: where to cut a network, by latency and energy over links."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from refsw.cli.common import progress, role, say, say_all
from refsw.errors import CodecError, UsageError
from refsw.features.config import PRESETS_ALONE

if TYPE_CHECKING:
    from refsw.evaluation.anchors.conditions import Test
    from refsw.evaluation.anchors.folder import Run
    from refsw.planning.choices import Device
    from refsw.planning.verify import Checked

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(name="plan")
@click.argument("network", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=FOLDER, help="Folder for plan.md, plan.json, plan.png and plan.svg; of an ONNX "
              "model, the run that measures it stays there as well, and is not done again.")  # fmt: skip
@click.option("--test", metavar="NAME", help="Test of the run, where it has several.")
@click.option("--pictures", type=FOLDER, help="Of an ONNX model: pictures to measure with.")
@click.option("--limit", type=click.IntRange(1), default=8, show_default=True, help="Of these, so many.")
@click.option("--cut", "cuts", multiple=True, metavar="NAME=TENSOR",
              help="Of an ONNX model: a place to cut.  [default: up to 8 tensors that separate it]")  # fmt: skip
@click.option("--preprocessing", default="imagenet", show_default=True, help="Of an ONNX model: by name, see docs.")
@click.option("--preset", type=click.Choice(list(PRESETS_ALONE)), default="balanced", show_default=True,
              help="Of an ONNX model: codes the features.")  # fmt: skip
@click.option("--metric", default="", help="What has to be kept.  [default: the quality of the test]")
@click.option("--share", type=click.FloatRange(0, 1), default=0.99, show_default=True,
              help="Share of the metric that features and pictures keep.")  # fmt: skip
@click.option("--link", default="lte", show_default=True, help="3g, lte, wifi, or Mbit/s[,ms].")
@click.option("--from", "low", type=click.FloatRange(0, min_open=True), default=0.1, show_default=True,
              help="Lowest rate that is planned for, Mbit/s.")  # fmt: skip
@click.option("--to", "high", type=click.FloatRange(0, min_open=True), default=100.0, show_default=True,
              help="Highest rate that is planned for, Mbit/s.")  # fmt: skip
@click.option("--edge-slowdown", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True,
              help="Seconds at the edge for one second measured.")  # fmt: skip
@click.option("--edge-profile", type=click.Path(path_type=Path),
              help="Of an ONNX model: a file of `refsw profile`, in place of --edge-slowdown.")  # fmt: skip
@click.option("--cloud-slowdown", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True,
              help="Seconds at the cloud for one second measured.")  # fmt: skip
@click.option("--edge-watts", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True,
              help="Power of the edge while it computes.")  # fmt: skip
@click.option("--verify", type=click.IntRange(2), metavar="N",
              help="Also carry out every choice on N items, and hold the plan against it.")  # fmt: skip
@click.option("--data", type=FOLDER, help="For --verify: folder of data sets and weights, ${data} in the conditions.")
@click.option("--json", "as_json", is_flag=True, help="The plan as JSON.")
def command(network: Path, output: Path | None, low: float, high: float, as_json: bool, **options: Any) -> None:
    """Where to cut NETWORK: end-to-end latency and energy of the edge at every cut, all-cloud and all-edge.

    NETWORK is the folder of an anchor run that codes features and pictures (docs/pictures.md), or an ONNX model, which
    is measured first, with --pictures. Sizes are those that refsw measured at the wanted quality.
    """
    from refsw.planning import verify
    from refsw.planning.choices import Device, choices_of
    from refsw.planning.links import find_link
    from refsw.planning.report import Planned, as_dict, tables

    if low >= high:
        raise UsageError(f"--from {low:g} --to {high:g}: the first is below the second")
    link = find_link(options["link"])
    edge = replace(Device(), slowdown=options["edge_slowdown"], watts=options["edge_watts"])
    cloud = replace(Device(), slowdown=options["cloud_slowdown"])
    run = _measured(network, output, options)
    if options["edge_profile"] is not None:
        edge = _profiled(edge, network, options)
    names = [test.name for test in run.conditions.tests]
    if options["test"] is None and len(names) > 1:
        raise UsageError(f"{network} has several tests: --test NAME, one of {', '.join(names)}")
    if options["test"] not in (None, *names):
        raise UsageError(f"{network} has no test {options['test']}: {', '.join(names)}")
    test = run.conditions.test(options["test"] or names[0])
    choices = [
        tuple(
            choice.on(edge, cloud)
            for choice in choices_of(run, test, share=options["share"], metric=options["metric"], raw=raw)
        )
        for raw in (False, True)
    ]
    planned = Planned(test.title, choices[0], choices[1], link, edge, cloud, low, high)
    checked = _verified(run, test, options) if options["verify"] else []
    told = tables(planned) + ([verify.table(test.title, checked, low, high)] if checked else [])
    text = "\n".join(one.as_markdown() for one in told)
    known = as_dict(planned) | ({"verified": verify.as_dict(checked, low, high)} if checked else {})
    if output is not None:
        from refsw.files import whole_file
        from refsw.planning.figures import drawn

        files = {"plan.md": text.encode(), "plan.json": json.dumps(known, indent=1).encode()}
        files |= drawn(planned)
        with role("output"):
            output.mkdir(parents=True, exist_ok=True)
            for name, data in files.items():
                with whole_file(output / name) as file:
                    file.write(data)
    say_all(json.dumps(known, indent=1) if as_json else text.rstrip("\n"))
    if output is not None and not as_json:
        say(f"The plan, with its figure: {output}")


def _verified(run: Run, test: Test, options: dict[str, Any]) -> list[Checked]:
    """Every choice of the run carried out here."""
    from refsw.evaluation.anchors.conditions import resolved
    from refsw.evaluation.anchors.orders import open_task
    from refsw.planning.choices import choices_of
    from refsw.planning.verify import verify

    task = open_task(resolved(test, options["data"]))
    choices = choices_of(run, test, share=options["share"], metric=options["metric"])
    return verify(run, test, choices, task, limit=options["verify"])


def _profiled(edge: Device, network: Path, options: dict[str, Any]) -> Device:
    """The device of a profile, by the time that it predicts of the whole network."""
    import numpy as np

    from refsw.evaluation.networks.onnx import OnnxNetwork
    from refsw.evaluation.pictures import preprocessing
    from refsw.planning.profiles import read_profile, slowdown_of

    profile = read_profile(options["edge_profile"])
    if not network.is_file():
        raise UsageError("--edge-profile is for ONNX models; of a run: --edge-slowdown")
    size = preprocessing(options["preprocessing"])
    noise = np.random.default_rng(0).standard_normal((1, 3, size.height, size.width)).astype(np.float32)
    given = OnnxNetwork(network, {}).given(noise)
    return replace(edge, name=profile.name, slowdown=slowdown_of(profile, network, given))


def _measured(network: Path, output: Path | None, options: dict[str, Any]) -> Run:
    """The run that NETWORK is, or one that measures it."""
    from refsw.evaluation.anchors.folder import open_run

    if network.is_dir():
        return open_run(network)
    from refsw.evaluation.anchors.run import AnchorRun
    from refsw.planning.cuts import measuring, separators, thinned

    if not network.is_file():
        raise UsageError(f"{network}: no folder of a run, and no ONNX model")
    if options["pictures"] is None or output is None:
        raise UsageError("an ONNX model is measured first: --pictures FOLDER to measure with, -o FOLDER for the run")
    cuts = {name: tensor for name, _, tensor in (given.partition("=") for given in options["cuts"])}
    if not all(cuts.values()):
        raise UsageError("--cut NAME=TENSOR: a name for the cut, and a tensor of the model")
    asked = measuring(
        network, options["pictures"], cuts=dict(cuts or thinned(separators(network))),
        preprocessing=options["preprocessing"], preset=options["preset"], limit=options["limit"],
    )  # fmt: skip
    with role("output"), AnchorRun(asked, output / "run") as job:
        for _ in progress(job.work(), "measuring", job.remaining, job.seconds_left):
            pass
        if job.failures:
            raise CodecError(job.failures[0])
    return open_run(output / "run")
