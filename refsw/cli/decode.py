"""refsw decode: a bitstream of a file or a pipe into tensors."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from refsw.cli.common import (
    OUTPUT,
    PIPE,
    digest_of_model,
    distinct,
    input_stream,
    max_work,
    output_stream,
    progress,
    say,
)
from refsw.errors import UsageError
from refsw.features.decoder import Decoder, DecoderLimits, Sample
from refsw.features.parameters import Parameters
from refsw.features.random_access import decode_samples
from refsw.features.sinks import SUFFIXES, Sink
from refsw.profiles import Allowance
from refsw.syntax.codes import Level


@click.command(name="decode")
@click.argument("bitstream", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OUTPUT, required=True,
              help="Tensors to write: .npy (one tensor), .npz or .safetensors; - for a pipe.")  # fmt: skip
@click.option("--format", "suffix", type=click.Choice([s[1:] for s in SUFFIXES]),
              help="Format of the output.  [default: by suffix; npy for a pipe]")  # fmt: skip
@click.option("--samples", metavar="FIRST[:LAST]", help="Decode these samples only (random access, from a file).")
@click.option(
    "--hevc-decoder", metavar="COMMAND", help="External HEVC decoder, such as 'dec265 -q {input} -o {output}'."
)
@click.option("--model", "--model-digest", metavar="MODEL_OR_DIGEST",
              help="The model here, a file or its SHA-256 digest; features of another one are refused.")  # fmt: skip
@click.option("--max-level", type=click.IntRange(1, 3), default=3, show_default=True, help="Highest level to accept.")
@click.option(
    "--max-output",
    type=click.IntRange(0),
    default=1 << 36,
    help="Most bytes of decoded samples to accept.  [default: 2^36]",
)
@max_work
@click.option("--jobs", type=int, default=1, show_default=True, help="Processes; the output does not depend on it.")
@click.option("--json", "as_json", is_flag=True, help="Tell errors as JSON.")
def command(
    bitstream: Path,
    output: Path,
    suffix: str | None,
    samples: str | None,
    hevc_decoder: str | None,
    model: str | None,
    max_level: int,
    max_output: int,
    max_work: float,
    jobs: int,
    as_json: bool,
) -> None:
    """Decode BITSTREAM (- for a pipe); the output appears only if all of it decodes."""
    distinct(bitstream, output)
    suffix = f".{suffix}" if suffix else ".npy" if output == PIPE else output.suffix
    limits = DecoderLimits(Level(max_level), max_output, Allowance(max_work))
    if hevc_decoder is not None and not hevc_decoder.strip():
        raise UsageError("--hevc-decoder: an empty command")
    if samples is not None and jobs > 1:
        raise UsageError("--jobs has no effect with --samples, which are decoded one after the other")
    digest = digest_of_model(model) if model else None
    with (
        input_stream(bitstream) as stream,
        output_stream(output) as out,
        Sink(None if output == PIPE else output, suffix) as sink,
    ):
        parameters: dict[str, Parameters] = {}
        if samples is None:
            decoder = Decoder(stream, limits=limits, hevc_decoder=hevc_decoder, model_digest=digest, jobs=jobs)
            decoded: Iterable[Sample] = decoder
        else:
            first, last = _selection(samples)
            decoded = decode_samples(stream, first, last, hevc_decoder=hevc_decoder, model_digest=digest, limits=limits)
        for sample in progress(decoded, "decoding"):
            sink.add(sample.tensor, sample.elements)
            parameters[sample.tensor] = sample.parameters
        if samples is None:
            parameters = decoder.parameters  # tensors without samples included
        sink.write(parameters, out)
    shapes = ", ".join(f"{name} {p.dtype} {sink.shape(name, p)}" for name, p in parameters.items())
    say(f"{output}: {shapes}", output)


def _selection(text: str) -> tuple[int, int]:
    first, colon, last = text.partition(":")
    try:
        return int(first), int(last if colon else first)
    except ValueError as error:
        raise UsageError(f"--samples {text}: FIRST or FIRST:LAST") from error
