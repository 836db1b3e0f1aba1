"""refsw native: parameters of the native payload for a layer: learn them, and look at them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from refsw.cli.common import OUTPUT, about, named_file, output_stream, role, say
from refsw.cli.learning import Samples
from refsw.payload.native.configuration import parameters_start

FILE = click.Path(path_type=Path)


@click.group(name="native")
def command() -> None:
    """Parameters of the native payload (spec 8.6.3): train them for a layer, inspect them."""


@command.command()
@click.argument("features", type=FILE, nargs=-1, required=True)
@click.option("-o", "--output", type=OUTPUT, required=True, help="File of the parameters, such as layer.dfcn.")
@click.option("--qp", "qps", type=click.IntRange(0, 51), multiple=True, default=(22, 32, 42), show_default=True,
              help="Quantization parameter to learn at; may be repeated.")  # fmt: skip
@click.option("--references", type=click.IntRange(0, 12), default=4, show_default=True,
              help="Other channels that tell of a channel; more want more samples. 0: a small file.")  # fmt: skip
@click.option("--classes", type=click.IntRange(1, 4), default=4, show_default=True, help="Classes of channels.")
@click.option("--tensor", metavar="NAME", help="Of files with several tensors, the one to learn from.")
@click.option("--axes", metavar="LETTERS", help="Axes of the features, such as NCHW or NHC.")
def train(
    features: tuple[Path, ...], output: Path, qps: tuple[int, ...], references: int, classes: int,
    tensor: str | None, axes: str | None,
) -> None:  # fmt: skip
    """Learn native parameters from FEATURES of a layer, of other pictures than those that are to be coded.

    They are used with `refsw encode --preset native --native FILE`: sent in the bitstream, or with --named given to
    the decoder as well (`refsw decode --with FILE`).
    """
    from refsw.features.native_training import train_native
    from refsw.payload.native.training import Training

    samples = Samples(features, output, tensor, axes)
    data = train_native(samples, qps, Training(references=references, classes=classes))
    with role("output"), output_stream(output) as stream:
        stream.write(data)
    say(f"{output}: native parameters, {_told(data)}, from {samples.count} samples")


@command.command()
@click.argument("parameters", type=FILE)
def inspect(parameters: Path) -> None:
    """Tell what a file of native parameters has, and the digest that bitstreams name it by."""
    with about(parameters), role("input"):
        data = named_file(parameters)
    say(f"{parameters}: native parameters, {_told(data)}")
    say(f"SHA-256 {hashlib.sha256(data).hexdigest()}")


def _told(data: bytes) -> str:
    start = parameters_start(data)
    references = 0 if start.references is None else start.references.shape[1]
    priors = "priors" if start.priors is not None else "no priors"
    return (
        f"{len(data):,} bytes, {start.channels} channels, {priors}, {references} references a channel, "
        f"{start.class_count} classes"
    )
