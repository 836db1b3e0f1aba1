"""refsw encode: feature tensors of a file or a pipe into a bitstream."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import click

from refsw.cli.common import (
    OUTPUT,
    PIPE,
    about,
    digest_of_model,
    distinct,
    input_stream,
    native_file,
    output_stream,
    progress,
    role,
    say,
    transform_file,
    warn,
)
from refsw.cli.effect import check_effect
from refsw.control.rate import bounds_of, controlled, meet
from refsw.errors import UsageError
from refsw.features.choice import settled
from refsw.features.config import (
    LAYOUTS,
    LEVELS,
    PAYLOADS,
    PRESETS,
    PROFILES,
    QUANTIZERS,
    RANGES,
    ChannelOrder,
    DigestScope,
    EncoderConfig,
)
from refsw.features.encoder import Encoder
from refsw.features.packets import with_measured_parts
from refsw.features.sources import Source, open_features, piped_npy
from refsw.features.tensors import TensorSpec
from refsw.payload.x265 import EFFORTS
from refsw.syntax.codes import Quantizer, RangeScope
from refsw.tensor.axes import Axes

TARGETS = ("target_bytes", "target_rate", "target_bpe")


@click.command(name="encode")
@click.argument("features", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OUTPUT, required=True, help="Bitstream to write; - for a pipe.")
@click.option("--preset", type=click.Choice(list(PRESETS)), default="balanced", show_default=True,
              help="What the other options start from (docs/presets.md).")  # fmt: skip
@click.option(
    "--qp",
    type=int,
    help="Quantization parameter: with HEVC 0 to 51 (to 49 at 12 bits, to 63 with --match-step); smaller is better.  "
    "[default: 22]",
)
@click.option("--axes", help="Letters of the axes, such as NCHW or NHWC (T instead of N: a time axis).  "
              "[default: by number of axes: C, NC, CHW, NCHW]")  # fmt: skip
@click.option("--quantizer", type=click.Choice(list(QUANTIZERS)), help="Pre-quantizer.")
@click.option("--bit-depth", type=int, help="Bits of a level: 8, 10, 12 with HEVC; up to 16 with lossless codecs.")
@click.option("--range", "range_scope", type=click.Choice(list(RANGES)), help="What one minimum and maximum hold for.")
@click.option(
    "--ranges",
    metavar="MIN:MAX[,...]",
    help="Explicit range: elements are clipped to it; with --range channel one a channel.",
)
@click.option("--clip", type=float, metavar="PERCENTILE", help="Clip elements beyond this percentile, such as 99.99.")
@click.option("--layout", type=click.Choice(list(LAYOUTS)), help="How channels are laid into pictures.")
@click.option("--grid", metavar="ROWSxCOLUMNS", help="Channels down and across a picture.  [default: nearly square]")
@click.option("--align", type=int, help="Coded sizes are multiples of this.  [default: 8 for video, else 1]")
@click.option("--channel-order", metavar="own|mean|similarity|I,J,...", help="Order in which channels are laid.")
@click.option("--match-step/--no-match-step", default=None, help="Shift the QP to the error of the log quantizer.")
@click.option("--payload", type=click.Choice(list(PAYLOADS)), help="Payload codec.")
@click.option("--effort", type=click.Choice(list(EFFORTS)), help="Effort of the HEVC or the native encoder.")
@click.option("--native", "native", type=click.Path(path_type=Path),
              help="Native parameters of the layer (refsw native train); they are sent.")  # fmt: skip
@click.option("--transform", "basis", type=click.Path(path_type=Path),
              help="Channel transform of the layer (refsw transform train); it is sent.")  # fmt: skip
@click.option("--named", is_flag=True, default=None,
              help="With --native or --transform: name the file by its digest, do not send it.")  # fmt: skip
@click.option("--hevc-encoder", "command", metavar="COMMAND", help="External HEVC (or VVC) encoder (spec 8.4.7).")
@click.option("--quality", type=int, help="JPEG quality, 1 to 100.")
@click.option("--rate", type=float, help="JPEG 2000 compression ratio; 1 is lossless.")
@click.option("--compression-level", type=click.IntRange(0, 9), help="Of zlib, gzip, LZMA, PNG.  [default: 9]")
@click.option(
    "--samples-per-unit", type=int, help="Samples that share a unit (in profile inter, that predict another)."
)
@click.option("--intra-period", type=int, metavar="N",
              help="With a T axis and payload native: one sample in N does not need the one before; they share a "
              "unit.  [default: 8, or fewer]")  # fmt: skip
@click.option("--parts", metavar="ROWSxCHANNELS", help="Cut samples into parts, each in a unit of its own.")
@click.option("--packet-bytes", type=int, metavar="N",
              help="Cut samples into the largest parts whose units have at most N bytes.")  # fmt: skip
@click.option("--profile", type=click.Choice(list(PROFILES)), help="Profile.  [default: the narrowest]")
@click.option("--level", type=click.Choice(list(LEVELS)), help="Level.  [default: the narrowest]")
@click.option(
    "--digest", type=click.Choice([d.value for d in DigestScope]), help="Write digests of the decoded tensor."
)
@click.option("--levels-digest", is_flag=True, default=None, help="With --digest: digests of the levels as well.")
@click.option("--network", "network_id", help="Name of the network that the features come from.")
@click.option("--name", default="", help="Name of the layer, for a file that has none (.npy).")
@click.option("--model-digest", "--model", metavar="MODEL_OR_DIGEST",
              help="The model that the features belong to: its file, or its SHA-256.")  # fmt: skip
@click.option("--time", metavar="SCALE:STEP", help="With a T axis: ticks in a second, ticks from sample to sample.")
@click.option("--metadata", metavar="KEY=TEXT", multiple=True, help="An entry for people; may be repeated.")
@click.option("--target-bytes", type=float, metavar="N", help="Make the bitstream about so long, within 3 %.")
@click.option("--target-rate", type=float, metavar="BITS", help="The same, as bits a sample.")
@click.option("--target-bpe", type=float, metavar="BITS", help="The same, as bits an element.")
@click.option("--jobs", type=int, default=1, show_default=True, help="Processes; the bytes do not depend on it.")
def command(features: Path, output: Path, preset: str, axes: str | None, name: str, jobs: int, **options: Any) -> None:
    """Code the tensors of FEATURES (.npy, .npz, .safetensors, .pt; - for .npy from a pipe)."""
    target = _target(options)
    if options["levels_digest"] and options["digest"] in (None, "none"):
        raise UsageError("--levels-digest goes with --digest stream or --digest sample")
    config = EncoderConfig.preset(preset, **_choices(options))
    check_effect(options, config, axes)
    distinct(features, output)
    with about(features), ExitStack() as stack:
        sources = _open(features, name, config, stack, several_passes=target is not None)
        if axes is not None and all(len(axes) != len(s.shape) for s in sources):
            raise UsageError(f"axes {axes} fit no tensor: {', '.join(str(s.shape) for s in sources)}")
        parsed = {s.name: Axes.parse(_axes_for(axes, s), s.shape) for s in sources}
        counted = _Counter(stack.enter_context(output_stream(output)))
        count = max(s.shape[0] if parsed[s.name].has_samples else 1 for s in sources)
        if target is None:
            _code(sources, parsed, config, counted, jobs)
            told = ""
        else:
            wanted = target.bytes(count, sum(prod(s.shape) for s in sources))
            met = meet(lambda control: _coded(sources, parsed, controlled(config, control), jobs), wanted,
                       bounds_of(config))  # fmt: skip
            counted.write(met.data)
            told = f", {len(met.sizes)} passes for {wanted:,.0f}"
    raw = sum(_bytes(s) for s in sources)
    share = f", {100 * counted.bytes / raw:.2f} % of {raw:,} bytes" if raw else ""
    tensors = f"{len(sources)} tensors, " if len(sources) > 1 else ""
    say(f"{output}: {counted.bytes:,} bytes{share}{told} ({tensors}{count} sample{'s' * (count != 1)})", output)


def _coded(sources: list[Source], parsed: dict[str, Axes], config: EncoderConfig, jobs: int) -> bytes:
    out = io.BytesIO()
    _code(sources, parsed, config, out, jobs)
    return out.getvalue()


def _code(sources: list[Source], parsed: dict[str, Axes], config: EncoderConfig, out: Any, jobs: int) -> None:
    specs = {}
    for source in sources:
        # Without an iteration to spare, the samples are read again for each: the ranges, the parts, and coding.
        own = settled(config, parsed[source.name], source.samples(parsed[source.name]))
        own = with_measured_parts(own, parsed[source.name], source.dtype, source.samples(parsed[source.name]))
        specs[source.name] = TensorSpec(source.shape, source.dtype, parsed[source.name].letters, own)
    series = {s.name: s.samples(parsed[s.name]) for s in sources}
    count = max(s.shape[0] if parsed[s.name].has_samples else 1 for s in sources)
    with Encoder(out, specs, config, jobs=jobs, warn=warn) as encoder:
        for samples in progress(_together(series), "encoding", count):
            encoder.write(samples)


@dataclass(frozen=True, slots=True)
class _Target:
    """What is asked of the rate: bytes of all, or bits of a sample or of an element."""

    name: str
    value: float

    def bytes(self, samples: int, elements: int) -> float:
        """Bytes of the bitstream."""
        if self.name == "target_bytes":
            return self.value
        return self.value * (samples if self.name == "target_rate" else elements) / 8


def _target(options: dict[str, Any]) -> _Target | None:
    """Take the target out of the options.

    Raises:
        UsageError: there are two, or one is no rate.
    """
    given = [(name, value) for name in TARGETS if (value := options.pop(name)) is not None]
    if len(given) > 1:
        raise UsageError("one target: --target-bytes, --target-rate or --target-bpe")
    if not given:
        return None
    if options["qp"] is not None or options["quality"] is not None or options["rate"] is not None:
        raise UsageError("a target finds QP, quality and rate: leave out --qp, --quality and --rate")
    name, value = given[0]
    if not 0 < value < float("inf"):
        raise UsageError(f"--{name.replace('_', '-')} {value:g}: a number above 0")
    return _Target(name, value)


def _open(
    path: Path, name: str, config: EncoderConfig, stack: ExitStack, *, several_passes: bool = False
) -> list[Source]:
    if path != PIPE:
        with role("input"):
            return open_features(path, name)
    two_passes = config.range_scope is not RangeScope.SAMPLE and config.quantizer is not Quantizer.NONE
    stream = stack.enter_context(input_stream(path))
    again = several_passes or (two_passes and config.ranges is None) or config.packet_bytes is not None
    if again and not stream.seekable():
        spooled = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        shutil.copyfileobj(stream, spooled, 1 << 20)
        spooled.seek(0)
        stream = spooled
    return [piped_npy(stream, name)]


def _axes_for(axes: str | None, source: Source) -> str | None:
    """The axes asked for hold for tensors with as many; others get the usual ones."""
    return axes if axes is None or len(axes) == len(source.shape) else None


def _together(series: dict[str, Iterator[Any]]) -> Iterator[dict[str, Any]]:
    """The i-th samples of all tensors that have one, i = 0, 1, ..."""
    while True:
        samples = {name: sample for name, it in series.items() if (sample := next(it, None)) is not None}
        if not samples:
            return
        yield samples


def _bytes(source: Source) -> int:
    size = source.dtype.itemsize
    for extent in source.shape:
        size *= extent
    return size


class _Counter:
    """Counts the bytes that go through to a stream."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.bytes = 0

    def write(self, data: bytes) -> None:
        with role("output"):
            self.stream.write(data)
        self.bytes += len(data)

    def flush(self) -> None:
        self.stream.flush()


def _choices(options: dict[str, Any]) -> dict[str, Any]:
    """Options that were given, as choices of a configuration."""
    given = {key: value for key, value in options.items() if value is not None and value != ()}
    parsers: dict[str, Callable[[Any], Any]] = {
        "ranges": _ranges,
        "grid": _grid,
        "parts": _parts,
        "channel_order": _channel_order,
        "model_digest": digest_of_model,
        "metadata": _metadata,
        "native": native_file,
        "basis": transform_file,
    }
    for key, parse in parsers.items():
        if key in given:
            given[key] = parse(given[key])
    if "time" in given:
        given["time_scale"], given["time_step"] = _pair(given.pop("time"), ":", "--time SCALE:STEP")
    return given


def _ranges(text: str) -> tuple[tuple[float, float], ...]:
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return tuple((float(low), float(high)) for low, high in pairs)
    except ValueError as error:
        raise UsageError(f"--ranges {text}: MIN:MAX[,MIN:MAX...]") from error


def _pair(text: str, separator: str, usage: str) -> tuple[int, int]:
    try:
        first, second = (int(part) for part in text.lower().split(separator))
    except ValueError as error:
        raise UsageError(f"{text}: {usage}") from error
    if min(first, second) < 1:
        raise UsageError(f"{text}: {usage}, both at least 1")
    return first, second


def _grid(text: str) -> tuple[int, int]:
    return _pair(text, "x", "--grid ROWSxCOLUMNS")


def _parts(text: str) -> tuple[int, int]:
    return _pair(text, "x", "--parts ROWSxCHANNELS")


def _channel_order(text: str) -> ChannelOrder | tuple[int, ...]:
    if text in list(ChannelOrder):
        return ChannelOrder(text)
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--channel-order {text}: own, mean, similarity, or channel numbers") from error


def _metadata(entries: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    if not all("=" in entry[1:] for entry in entries):
        raise UsageError("--metadata KEY=TEXT")
    split = [entry.partition("=") for entry in entries]
    return tuple((key, text) for key, _, text in split)
