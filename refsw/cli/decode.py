"""refsw decode: a bitstream of a file or a pipe into tensors."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from itertools import product
from pathlib import Path

import click
import numpy as np

from refsw.cli.common import (
    OUTPUT,
    PIPE,
    digest_of_model,
    distinct,
    input_stream,
    max_work,
    named_files,
    output_stream,
    progress,
    say,
)
from refsw.errors import ErrorClass, SemanticError, UsageError
from refsw.features.decoder import Decoder, DecoderLimits, Sample
from refsw.features.dump import KINDS, PICTURES, described
from refsw.features.dump import dump as dump_of
from refsw.features.parameters import Parameters
from refsw.features.random_access import decode_samples
from refsw.features.reception import Losses
from refsw.features.sinks import SUFFIXES, Sink
from refsw.profiles import Allowance
from refsw.syntax.codes import ElementType, Level, Quantizer


@click.command(name="decode")
@click.argument("bitstream", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OUTPUT, required=True,
              help="Tensors to write: .npy (one tensor), .npz or .safetensors; - for a pipe.")  # fmt: skip
@click.option("--format", "suffix", type=click.Choice([s[1:] for s in SUFFIXES]),
              help="Format of the output.  [default: by suffix; npy for a pipe]")  # fmt: skip
@click.option("--samples", metavar="FIRST[:LAST]", help="Decode these samples only (random access, from a file).")
@click.option("--incomplete", is_flag=True,
              help="Take what has come of a bitstream with units missing or damaged; the rest is zero.")  # fmt: skip
@click.option("--save-mask", "mask", type=OUTPUT,
              help="With --incomplete: which elements have come, as tensors of booleans.")  # fmt: skip
@click.option("--dump", metavar="levels,pictures",
              help="Write levels or pictures too, as NAME@levels and NAME@pictures.")  # fmt: skip
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
@click.option("--with", "named", type=click.Path(path_type=Path), multiple=True,
              help="A file that the bitstream names by its digest (native parameters); may be repeated.")  # fmt: skip
@max_work
@click.option("--jobs", type=int, default=1, show_default=True, help="Processes; the output does not depend on it.")
@click.option("--json", "as_json", is_flag=True, help="Tell errors as JSON.")
def command(
    bitstream: Path,
    output: Path,
    suffix: str | None,
    samples: str | None,
    incomplete: bool,
    mask: Path | None,
    dump: str | None,
    hevc_decoder: str | None,
    model: str | None,
    max_level: int,
    max_output: int,
    named: tuple[Path, ...],
    max_work: float,
    jobs: int,
    as_json: bool,
) -> None:
    """Decode BITSTREAM (- for a pipe); the output appears only if all of it decodes."""
    distinct(bitstream, output)
    if mask is not None:
        if not incomplete:
            raise UsageError("--save-mask goes with --incomplete: without it, all elements are there")
        distinct(bitstream, mask)
        distinct(output, mask)
    suffix = f".{suffix}" if suffix else ".npy" if output == PIPE else output.suffix
    limits = DecoderLimits(Level(max_level), max_output, Allowance(max_work))
    if hevc_decoder is not None and not hevc_decoder.strip():
        raise UsageError("--hevc-decoder: an empty command")
    if samples is not None and jobs > 1:
        raise UsageError("--jobs has no effect with --samples, which are decoded one after the other")
    kinds = _kinds(dump, whole=samples is None and not incomplete)
    if samples is not None and incomplete:
        raise UsageError("--samples asks for whole samples, and --incomplete for what there is of all")
    digest = digest_of_model(model) if model else None
    known = named_files(named)
    with ExitStack() as stack:
        stream, out = stack.enter_context(input_stream(bitstream)), stack.enter_context(output_stream(output))
        if kinds and not stream.seekable():
            raise UsageError("--dump reads the bitstream a second time: from a file, not a pipe")
        sink = stack.enter_context(Sink(None if output == PIPE else output, suffix))
        masks = None
        if mask is not None:
            mask_out = stack.enter_context(output_stream(mask))
            masks = stack.enter_context(Sink(None if mask == PIPE else mask, ".npy" if mask == PIPE else None))
        parameters: dict[str, Parameters] = {}
        if samples is None:
            decoder = Decoder(
                stream, limits=limits, hevc_decoder=hevc_decoder, model_digest=digest, jobs=jobs, incomplete=incomplete,
                known=known,
            )  # fmt: skip
            decoded: Iterable[Sample] = decoder
        else:
            first, last = _selection(samples)
            decoded = decode_samples(
                stream, first, last, hevc_decoder=hevc_decoder, model_digest=digest, known=known, limits=limits
            )
        for sample in progress(decoded, "decoding"):
            sink.add(sample.tensor, sample.elements)
            if masks is not None:
                shape = sample.elements.shape
                masks.add(
                    sample.tensor, np.broadcast_to(np.True_, shape) if sample.received is None else sample.received
                )
            parameters[sample.tensor] = sample.parameters
        if samples is None:  # tensors without samples included
            parameters |= decoder.parameters
        if not parameters and incomplete:
            raise _nothing_came()
        if kinds:
            stream.seek(0)
            for name, array in dump_of(stream, kinds, hevc_decoder):
                sink.add(name, array)
            for (name, p), kind in product(list(parameters.items()), kinds):
                if kind == PICTURES or p.quantizer is not Quantizer.NONE:
                    parameters[f"{name}@{kind}"] = described(p, kind)
        sink.write(parameters, out)
        if masks is not None:
            masks.write({name: replace(p, element_type=ElementType.BOOL) for name, p in parameters.items()}, mask_out)
    shapes = ", ".join(f"{name} {p.dtype} {sink.shape(name, p)}" for name, p in parameters.items())
    say(f"{output}: {shapes}", output)
    if incomplete:
        say(f"{output}: {_told(decoder.losses)}", output)


def _kinds(text: str | None, *, whole: bool) -> tuple[str, ...]:
    """What is to be dumped.

    Raises:
        UsageError: there is no such thing, or it cannot be had here.
    """
    if text is None:
        return ()
    kinds = tuple(dict.fromkeys(text.split(",")))
    if not set(kinds) <= set(KINDS):
        raise UsageError(f"--dump {text}: {' or '.join(KINDS)}, or both with a comma")
    if not whole:
        raise UsageError("--dump is of all samples, and of whole ones: without --samples and --incomplete")
    return kinds


def _nothing_came() -> SemanticError:
    return SemanticError(
        ErrorClass.LENGTH_MISMATCH, "part.missing", "bitstream", None,
        expected="a parameter set", got="none that can be used",
    )  # fmt: skip


def _told(losses: Losses) -> str:
    """What did not come, for people."""
    if not losses.any:
        return "nothing is missing"
    counts = {
        "incomplete sample": losses.incomplete_samples, "missing part": losses.missing_parts,
        "damaged unit": losses.damaged_units, "unused unit": losses.unused_units,
    }  # fmt: skip
    words = [f"{count} {what}{'s' * (count != 1)}" for what, count in counts.items() if count]
    words += [] if losses.ended else ["the end did not come"]
    return ", ".join(words)


def _selection(text: str) -> tuple[int, int]:
    first, colon, last = text.partition(":")
    try:
        return int(first), int(last if colon else first)
    except ValueError as error:
        raise UsageError(f"--samples {text}: FIRST or FIRST:LAST") from error
