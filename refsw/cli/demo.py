"""refsw demo: the main job on a real network and images that ship with the package."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from refsw.cli.common import progress, role
from refsw.features.config import PRESETS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from refsw.evaluation.demo import Comparison, Demo, Point

SHOWN_QP = 32
TABLE_WIDTH = 80


@click.command(name="demo")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), default=Path("demo-output"),
              show_default=True, help="Folder for the bitstreams, the figures and the plot.")  # fmt: skip
@click.option("--preset", type=click.Choice(list(PRESETS)), default="balanced", show_default=True,
              help="What to show, beside the preset anchor.")  # fmt: skip
@click.option("--jobs", type=int, default=2, show_default=True, help="Processes; the results do not depend on it.")
def command(output: Path, preset: str, jobs: int) -> None:
    """Code real features at four depths of a network, and see what the network makes of them."""
    from refsw.evaluation.demo import Demo

    with role("output"):
        output.mkdir(parents=True, exist_ok=True)
        demo = Demo(output, preset, jobs=jobs)
        points = list(progress(demo.measure(), "coding", demo.point_count))
        comparisons = demo.compare(points)
        demo.write(points, comparisons)
    _print(demo, points, comparisons)


def _print(demo: Demo, points: Sequence[Point], comparisons: Sequence[Comparison]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    # In a narrower window the lines of a table wrap, which is better read than figures cut short.
    console.width = max(console.width, TABLE_WIDTH)
    images = len(demo.data.images)
    console.print(
        f"A network that reads handwritten digits ({100 * demo.data.held_out_accuracy:.1f} % right over all held-out "
        f"images) and the {images} of these images that it finds hardest ({100 * demo.accuracy:.1f} % right). Features "
        f"leave it at four depths, are coded with preset {demo.preset}, validated, decoded, and go on through the rest "
        "of the network."
    )
    console.print()
    _print_points(console, demo, [point for point in points if point.preset == demo.preset])
    console.print(
        "rate: size of the bitstream against binary32, and in bits per element; agree: images with the same top-1 "
        "class as without coding; right: images with the right one."
    )
    console.print()
    if comparisons:
        _print_comparisons(console, demo, comparisons)
    print(f"All {len(points)} bitstreams conform. What to look at next:")
    for what in _next(demo):
        print(f"  {what}")


def _print_points(console: Console, demo: Demo, points: Sequence[Point]) -> None:
    table = _table()
    for heading in ("layer", "tensor"):
        table.add_column(heading, no_wrap=True)
    for heading in ("QP", "bytes", "rate %", "bits", "SNR dB", "agree %", "right %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for point in points:
        first, last = point.qp == demo.qps[0], point.qp == demo.qps[-1]
        table.add_row(
            point.layer if first else "",
            "x".join(map(str, point.shape)) if first else "",
            str(point.qp),
            f"{point.coded_bytes:,}",
            f"{100 * point.rate:.2f}",
            f"{point.bits_per_element:.2f}",
            f"{point.snr:.1f}",
            f"{100 * point.agreement:.1f}",
            f"{100 * point.accuracy:.1f}",
            end_section=last,
        )
    console.print(table)
    console.print()


def _print_comparisons(console: Console, demo: Demo, comparisons: Sequence[Comparison]) -> None:
    console.print(
        f"Preset {demo.preset} against preset anchor, the configuration of the paper: rate at equal SNR (BD-rate over "
        "all QPs, PCHIP; negative is a saving)"
    )
    console.print()
    table = _table()
    table.add_column("layer", no_wrap=True)
    table.add_column("BD-rate", justify="right", no_wrap=True)
    table.add_column("between")
    for one in comparisons:
        if one.bd_rate is None:
            table.add_row(one.layer, "-", one.reason)
        else:
            table.add_row(one.layer, f"{one.bd_rate:+.1f} %", f"{one.low:.1f} and {one.high:.1f} dB")
    console.print(table)
    console.print()


def _table() -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)


def _next(demo: Demo) -> list[str]:
    from refsw.evaluation.demo import BITSTREAMS, PLOTS, RESULTS

    folder = demo.output
    stream = shlex.quote(str(folder / BITSTREAMS / f"{demo.network.cuts[2]}-qp{SHOWN_QP}-{demo.preset}.dfc"))
    return [
        f"{folder / PLOTS[0]} (and .svg): rate against fidelity",
        f"{folder / RESULTS}: every figure, preset anchor too",
        f"refsw inspect {stream}",
        f"refsw validate {stream}",
        f"refsw decode {stream} -o features.npy",
    ]
