"""refsw conceal: features that packets of were lost: lose some, repair them, and learn the weights of ALTeC."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from refsw.cli.common import OUTPUT, about, distinct, output_stream, role, say
from refsw.cli.learning import Samples
from refsw.errors import FeatureError, UsageError
from refsw.features.npy import new_archive, new_member
from refsw.features.sources import open_features
from refsw.tensor.axes import Array, Axes
from refsw.tensor.foreign import widened

FILE = click.Path(path_type=Path)
MASK = "@mask"
"""What the name of a mask ends with, behind that of its tensor, as `refsw receive --save-mask` writes it."""
axes_option = click.option("--axes", metavar="LETTERS", help="Axes of the features, such as NCHW or NHC.")


@click.group(name="conceal")
def command() -> None:
    """Lost features: lose packets, repair tensors, train ALTeC (docs/resilience.md)."""


@command.command()
@click.argument("features", type=FILE, nargs=-1, required=True)
@click.option("-o", "--output", type=OUTPUT, required=True, help="File of the weights, .safetensors.")
@click.option("--rows", type=click.IntRange(1), default=8, show_default=True, help="Rows of a packet.")
@click.option("--ridge", type=click.FloatRange(0, min_open=True), default=0.01, show_default=True,
              help="Weight of the squares of the weights; more for fewer tensors.")  # fmt: skip
@click.option("--tensor", metavar="NAME", help="Of files with several tensors, the one to learn from.")
@axes_option
def train(
    features: tuple[Path, ...], output: Path, rows: int, ridge: float, tensor: str | None, axes: str | None
) -> None:
    """Learn weights of ALTeC from undamaged FEATURES, of pictures that are not those of the test."""
    from refsw.resilience import train_altec

    if output.suffix != ".safetensors":
        raise UsageError(f"{output}: weights are written to .safetensors files")
    samples = Samples(features, output, tensor, axes)
    weights = train_altec(samples, rows, ridge=ridge)
    with role("output"):
        weights.save(output)
    told = f"weights of {len(weights.channels)} channels for packets of {rows} rows"
    say(f"{output}: {told}, from {samples.count} samples")


@command.command()
@click.argument("features", type=FILE)
@click.option("-o", "--output", type=OUTPUT, required=True, help="What is left, and its masks, .npz.")
@click.option("--loss", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Share of packets to lose.")
@click.option("--burst", type=click.FloatRange(1), help="Mean length of bursts (Gilbert-Elliott).  [default: none]")
@click.option("--trace", type=FILE, help="Lose what this file says, 0 received and 1 lost, instead.")
@click.option("--rows", type=click.IntRange(1), default=8, show_default=True, help="Rows of a packet.")
@click.option("--channels", type=click.IntRange(1), default=1, show_default=True, help="Channels of a packet.")
@click.option("--interleave", type=click.IntRange(1), default=1, show_default=True,
              help="Packets between two that are neighbours.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the losses.")
@axes_option
def lose(features: Path, output: Path, axes: str | None, **options: Any) -> None:
    """Lose packets of FEATURES: what is lost is set to the minimum of its sample, and False in the mask."""
    from refsw.resilience import interleaved, part_packets, received_mask

    distinct(features, output)
    channel, rng = _channel(options), np.random.default_rng(options["seed"])
    made: dict[str, Array] = {}
    total = lost_elements = 0
    for name, array in _arrays(features).items():
        found = Axes.parse(axes if axes is None or len(axes) == array.ndim else None, array.shape)
        packets = part_packets(found.canonical_shape, options["channels"], options["rows"])
        packets = interleaved(packets, options["interleave"])
        samples = len(array) if found.has_samples else 1
        lost = channel.losses(len(packets) * samples, rng).reshape(samples, len(packets))
        made[name], mask = array.copy(), np.ones(array.shape, np.bool_)
        for place in range(samples):
            where = place if found.has_samples else ...
            mask[where] = found.from_canonical(received_mask(found.canonical_shape, packets, lost[place]))
            made[name][where] = np.where(mask[where], array[where], array[where].min())
        made[name + MASK] = mask
        total, lost_elements = total + mask.size, lost_elements + int((~mask).sum())
    _write(output, made)
    say(f"{output}: {lost_elements} of {total} elements lost ({lost_elements / max(total, 1):.2%})")


def _channel(options: Mapping[str, Any]) -> Any:
    from refsw.resilience import GilbertElliott, Iid, Trace

    if options["trace"] is not None:
        if options["burst"] is not None:
            raise UsageError("either --burst or --trace")
        return Trace.read(options["trace"])
    return Iid(options["loss"]) if options["burst"] is None else GilbertElliott(options["loss"], options["burst"])


@command.command()
@click.argument("damaged", type=FILE)
@click.option("-o", "--output", type=OUTPUT, required=True, help="The repaired tensors, .npz, or .npy for one.")
@click.option("--method", default="caltec", show_default=True, metavar="METHOD",
              help="none, zero, mean, linear, silrtc, halrtc, halrtc-channel, fcp, caltec, navier-stokes, telea, or "
                   "altec=WEIGHTS.")  # fmt: skip
@axes_option
def repair(damaged: Path, output: Path, method: str, axes: str | None) -> None:
    """Put estimates in the place of what DAMAGED lacks: a .npz file with tensors and their masks (NAME@mask)."""
    from refsw.resilience import conceal_features, find_method

    distinct(damaged, output)
    chosen, made, repaired = find_method(method), {}, 0
    arrays = _arrays(damaged)
    for name, array in arrays.items():
        if name + MASK not in arrays:
            continue
        with about(damaged):
            letters = axes if axes is None or len(axes) == array.ndim else None
            made[name] = conceal_features(chosen, array, arrays[name + MASK], letters)
        repaired += int((~arrays[name + MASK]).sum())
    if not made:
        raise FeatureError(f"{damaged}: no tensor with a mask of its name and {MASK} behind it")
    _write(output, made)
    say(f"{output}: {repaired} elements estimated by {chosen.title}")


def _arrays(path: Path) -> dict[str, Array]:
    """The tensors of a file, whole."""
    with about(path):
        return {source.name: widened(source.load()) for source in open_features(path, "features")}


def _write(path: Path, arrays: Mapping[str, Array]) -> None:
    """Tensors as .npz, or one as .npy."""
    if path.suffix not in (".npz", ".npy") or (path.suffix == ".npy" and len(arrays) != 1):
        raise UsageError(f"{path}: {len(arrays)} tensors are written to .npz files" + " (one to .npy)")
    for name, array in arrays.items():
        if array.dtype.kind == "V":
            raise UsageError(f"{name}: .npy has no {array.dtype}")
    with output_stream(path) as out:
        if path.suffix == ".npy":
            np.save(out, next(iter(arrays.values())), allow_pickle=False)
            return
        with new_archive(out) as archive:
            for name, array in arrays.items():
                with new_member(archive, name) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
