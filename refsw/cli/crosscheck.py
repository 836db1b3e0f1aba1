"""refsw crosscheck: one bitstream through every decoder present."""

from __future__ import annotations

import json
from pathlib import Path

import click

from refsw.cli.common import PIPE, input_stream, say, say_all


@click.command(name="crosscheck")
@click.argument("bitstream", type=click.Path(path_type=Path))
@click.option("--decoder", "decoders", multiple=True,
              help="One more DFC decoder, as in refsw conformance run; may be repeated.")  # fmt: skip
@click.option(
    "--hevc-decoder",
    "hevc",
    multiple=True,
    metavar="COMMAND",
    help="One more HEVC decoder, such as 'TAppDecoder -b {input} -o {output} -d 0'; may be repeated.",
)
@click.option("--base", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="For model updates: the model that they start from.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=60.0, show_default=True,
              help="Seconds that a decoder may take.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.pass_context
def command(
    context: click.Context, bitstream: Path, decoders: tuple[str, ...], hevc: tuple[str, ...], base: Path | None,
    timeout: float, as_json: bool,
) -> None:  # fmt: skip
    """Decode BITSTREAM with every decoder present; exit code 0 if all agree, to the bit, and 1 if they do not.

    If all of them reject it, the exit code is 65, and 69 if none supports it.

    HEVC payloads go through FFmpeg, libde265 and those given by command; the whole bitstream through refsw, the
    independent decoder and those given by --decoder.
    """
    from refsw.conformance.crosscheck import crosscheck

    with input_stream(bitstream) as stream:
        data = stream.read()
    found = crosscheck(data, decoders=decoders, hevc=hevc, seconds=timeout, base=base)
    if as_json:
        say_all(json.dumps(found.as_dict(), indent=1))
    else:
        name = "standard input" if bitstream == PIPE else str(bitstream)
        for line in found.lines(name):
            say(line)
    context.exit(found.exit_code)
