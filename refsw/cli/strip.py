"""refsw strip: a bitstream without digests or metadata."""

from __future__ import annotations

from pathlib import Path

import click

from refsw.bitstream.strip import strip
from refsw.cli.common import OUTPUT, distinct, input_stream, output_stream, say
from refsw.errors import UsageError


@click.command(name="strip")
@click.argument("bitstream", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OUTPUT, required=True, help="Bitstream to write; - for a pipe.")
@click.option("--digests", is_flag=True, help="Leave out digests of decoded samples.")
@click.option("--metadata", is_flag=True, help="Leave out metadata.")
@click.option("--json", "as_json", is_flag=True, help="Tell errors as JSON.")
def command(bitstream: Path, output: Path, digests: bool, metadata: bool, as_json: bool) -> None:
    """Write BITSTREAM (- for a pipe) without digests or metadata; it decodes to the same."""
    if not (digests or metadata):
        raise UsageError("nothing to leave out: --digests, --metadata, or both")
    distinct(bitstream, output)
    with input_stream(bitstream) as stream, output_stream(output) as out:
        strip(stream, out, digests=digests, metadata=metadata)
    left = " and ".join(name for name, gone in (("digests", digests), ("metadata", metadata)) if gone)
    say(f"{output}: {bitstream} without {left}", output)
