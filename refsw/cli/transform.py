"""refsw transform: channel transforms of a layer: learn them, and look at them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import click

from refsw.cli.common import OUTPUT, about, named_file, output_stream, role, say
from refsw.cli.learning import Samples
from refsw.tensor.transform import basis_of

FILE = click.Path(path_type=Path)


@click.group(name="transform")
def command() -> None:
    """Channel transforms (spec 7.6): train them for a layer, inspect them."""


@command.command()
@click.argument("features", type=FILE, nargs=-1, required=True)
@click.option("-o", "--output", type=OUTPUT, required=True, help="File of the transform, such as basis.dfct.")
@click.option("--space-to-depth", is_flag=True, help="Across four phases of the channels: for large maps.")
@click.option("--bits", type=click.IntRange(2, 12), default=8, show_default=True, help="Bits of an entry, at most.")
@click.option("--prefix", type=click.IntRange(0, 16), default=0, show_default=True,
              help="Rows, from the first, such as a first token, that are not transformed.")  # fmt: skip
@click.option("--refits", type=click.IntRange(0, 4), default=1, show_default=True,
              help="How often rectified features are completed and the basis fitted again.")  # fmt: skip
@click.option("--tensor", metavar="NAME", help="Of files with several tensors, the one to learn from.")
@click.option("--axes", metavar="LETTERS", help="Axes of the features, such as NCHW or NHC.")
def train(features: tuple[Path, ...], output: Path, tensor: str | None, axes: str | None, **how: Any) -> None:
    """Learn a channel transform from FEATURES of a layer, of other pictures than those that are to be coded.

    It is used with `refsw encode --preset transform --transform FILE`: sent in the bitstream, or with --named given to
    the decoder as well (`refsw decode --with FILE`).
    """
    from refsw.features.transform_training import TransformTraining, train_transform

    samples = Samples(features, output, tensor, axes)
    data = train_transform(samples, TransformTraining(**how))
    with role("output"), output_stream(output) as stream:
        stream.write(data)
    say(f"{output}: channel transform, {_told(data)}, from {samples.count // (1 + bool(how['refits']))} samples")


@command.command()
@click.argument("transform", type=FILE)
def inspect(transform: Path) -> None:
    """Tell what a file of a channel transform has, and the digest that bitstreams name it by."""
    with about(transform), role("input"):
        data = named_file(transform)
    say(f"{transform}: channel transform, {_told(data)}")
    say(f"SHA-256 {hashlib.sha256(data).hexdigest()}")


def _told(data: bytes) -> str:
    basis = basis_of(data)
    if not len(basis.bits):
        return f"{len(data):,} bytes, {basis.channels} channels or phases, no components"
    widths = f"entries of {basis.bits.min()} to {basis.bits.max()} bits"
    prefix = f", a prefix of {basis.prefix_rows} rows" if basis.prefix_rows else ""
    return f"{len(data):,} bytes, {basis.channels} channels or phases, {basis.components} components, {widths}{prefix}"
