"""refsw extract: some samples, tensors, layers or parts of a bitstream, as a bitstream."""

from __future__ import annotations

from pathlib import Path

import click

from refsw.bitstream.extract import Selection, extract
from refsw.cli.common import OUTPUT, distinct, input_stream, output_stream, say
from refsw.errors import UsageError


@click.command(name="extract")
@click.argument("bitstream", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OUTPUT, required=True, help="Bitstream to write; - for a pipe.")
@click.option("--samples", metavar="FIRST[:LAST]", help="These samples of every tensor, counted from 0 anew.")
@click.option("--tensor", "tensors", multiple=True, metavar="NAME", help="This tensor; may be repeated.")
@click.option("--parts", metavar="I,J,...", help="These parts of every sample: bands of groups of channels.")
@click.option("--layers", type=int, metavar="K", help="Layers 0 to K of tensors in layers, and all other tensors.")
@click.option("--json", "as_json", is_flag=True, help="Tell errors as JSON.")
def command(
    bitstream: Path, output: Path, samples: str | None, tensors: tuple[str, ...], parts: str | None,
    layers: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Write some samples, tensors, layers or parts of BITSTREAM (- for a pipe) as a bitstream, without decoding."""
    if samples is None and not tensors and parts is None and layers is None:
        raise UsageError("nothing is chosen: --samples, --tensor, --layers, --parts, or several of them")
    distinct(bitstream, output)
    selection = Selection(
        _numbers(samples, ":", "--samples FIRST or FIRST:LAST", 2) if samples is not None else None,  # type: ignore[arg-type]
        tensors or None,
        _numbers(parts, ",", "--parts I,J,...", None) if parts is not None else None,
        layers,
    )
    with input_stream(bitstream) as stream, output_stream(output) as out:
        extract(stream, out, selection)
    say(f"{output}: extracted from {bitstream}", output)


def _numbers(text: str, separator: str, usage: str, count: int | None) -> tuple[int, ...]:
    try:
        found = tuple(int(word) for word in text.split(separator))
    except ValueError as error:
        raise UsageError(f"{text}: {usage}") from error
    if count is not None and len(found) > count:
        raise UsageError(f"{text}: {usage}")
    return found * count if count is not None and len(found) == 1 else found
