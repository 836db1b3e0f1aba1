"""refsw concat: one bitstream of several."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from refsw.bitstream.concat import concat
from refsw.cli.common import OUTPUT, distinct, input_stream, output_stream, say


@click.command(name="concat")
@click.argument("bitstreams", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("-o", "--output", type=OUTPUT, required=True, help="Bitstream to write; - for a pipe.")
@click.option("--json", "as_json", is_flag=True, help="Tell errors as JSON.")
def command(bitstreams: tuple[Path, ...], output: Path, as_json: bool) -> None:
    """Join BITSTREAMS: samples of the same tensors in order, or model updates that follow one another."""
    for path in bitstreams:
        distinct(path, output)
    with ExitStack() as stack:
        streams = [stack.enter_context(input_stream(path)) for path in bitstreams]
        concat(streams, stack.enter_context(output_stream(output)))
    say(f"{output}: {len(bitstreams)} bitstreams joined", output)
