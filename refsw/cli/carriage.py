"""What packetize, depacketize, send and receive share: options of the session, outputs of what was received."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import click

from refsw.carriage.output import Conceal, Output, receiver_of
from refsw.carriage.packetizer import Packetizer, SenderConfig
from refsw.carriage.reception import Receiver
from refsw.carriage.sdp import SessionParameters, parse_sdp
from refsw.carriage.statistics import Statistics
from refsw.cli.common import OUTPUT, PIPE, digest_of_model, output_stream, role, say, say_all, warn
from refsw.errors import UsageError
from refsw.features.decoder import DecoderLimits
from refsw.features.parameters import Parameters
from refsw.features.sinks import Sink
from refsw.profiles import Allowance
from refsw.tensor.axes import Array

LONGEST_SDP = 1 << 24
Command = Callable[..., Any]


def _all(options: list[Any]) -> Callable[[Command], Command]:
    def decorate(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


payload_type = click.option(
    "--payload-type", type=click.IntRange(0, 127), help="Of the RTP packets.  [default: 96, or that of --sdp]"
)
ssrc = click.option("--ssrc", type=click.IntRange(0, 2**32 - 1), help="SSRC of the source.")

sending = _all([
    click.option("--packet-bytes", type=click.IntRange(64, 65507), default=1200, show_default=True,
                 help="Longest RTP packet."),
    click.option("--rate", metavar="SAMPLES", help="Samples a second, such as 30000/1001.  [default: T axis, or 30]"),
    click.option("--repeat", type=click.IntRange(0), default=8, show_default=True, metavar="N",
                 help="Parameter sets again before every N-th access unit; 0: only at the beginning."),
    click.option("--out-of-band", is_flag=True, help="Parameter sets in the session description of --sdp-out alone."),
    click.option("--sdp-out", type=OUTPUT, help="Write the session description (SDP)."),
    payload_type,
    ssrc,
])  # fmt: skip
"""Options of commands that make packets."""

receiving = _all([
    click.option("--sdp", type=click.Path(path_type=Path), help="Session description (SDP) of the sender."),
    click.option("--conceal", metavar="METHOD", help="Estimates for what is missing of a sample: linear, ..."),
    click.option("--save-mask", is_flag=True, help="Write NAME@mask, what was received, and NAME@first beside NAME."),
    payload_type,
    ssrc,
    click.option("--window", type=click.IntRange(1, 4096), help="Packets that may overtake one.  [default: 64]"),
    click.option("--model", metavar="MODEL_OR_DIGEST", help="The model here; features of another one are refused."),
    click.option("--hevc-decoder", metavar="COMMAND", help="External HEVC decoder."),
])  # fmt: skip
"""Options of commands that take packets."""


def rate_of(text: str | None) -> tuple[int, int] | None:
    """Samples a second as a fraction.

    Raises:
        UsageError: the text is none.
    """
    if text is None:
        return None
    try:
        found = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"--rate {text}: a number or a fraction such as 30000/1001") from error
    if found <= 0 or max(found.numerator, found.denominator) >= 1 << 32:
        raise UsageError(f"--rate {text}: above 0, with numbers below 2^32")
    return found.numerator, found.denominator


def sender_config(options: dict[str, Any]) -> SenderConfig:
    """From the options of `sending`."""
    given = {
        "packet_bytes": options["packet_bytes"], "rate": rate_of(options["rate"]), "repeat": options["repeat"],
        "in_band": not options["out_of_band"], "payload_type": options["payload_type"], "ssrc": options["ssrc"],
    }  # fmt: skip
    if options["out_of_band"] and options["sdp_out"] is None:
        raise UsageError("--out-of-band: the parameter sets need --sdp-out")
    return SenderConfig(**{name: value for name, value in given.items() if value is not None})


def check_rate(packetizer: Packetizer, options: dict[str, Any]) -> None:
    """Refuse a rate for a bitstream that says itself when its samples are, once its parameter sets are known.

    Raises:
        UsageError: it does.
    """
    if options["rate"] is not None and packetizer.source.rate is not None:
        raise UsageError("--rate: the bitstream has a time axis, which says when its samples are")


def session_parameters(options: dict[str, Any]) -> SessionParameters:
    """From the options of `receiving`: those of the SDP, if there is one, and what the command line says besides."""
    found = SessionParameters()
    if options["sdp"] is not None:
        with role("input"), options["sdp"].open("rb") as file:
            found = parse_sdp(file.read(LONGEST_SDP + 1))
    own = {name: options[name] for name in ("payload_type", "ssrc", "window") if options[name] is not None}
    fields = {name: getattr(found, name) for name in SessionParameters.__dataclass_fields__}
    return SessionParameters(**(fields | own))


def make_receiver(session: SessionParameters, options: dict[str, Any]) -> Receiver:
    """A receiver for a session."""
    command, model = options["hevc_decoder"], options["model"]
    if command is not None and not command.strip():
        raise UsageError("--hevc-decoder: an empty command")
    return receiver_of(
        session,
        limits=DecoderLimits(allowance=Allowance(options["max_work"])),
        hevc_decoder=command,
        model_digest=digest_of_model(model) if model else None,
    )


def concealment(name: str | None) -> Conceal | None:
    """The method of that name.

    Raises:
        UsageError: there is none.
    """
    if name is None:
        return None
    from refsw.resilience import conceal_features, find_method

    method = find_method(name)

    def conceal(elements: Array, mask: Array, p: Parameters) -> Array:
        return conceal_features(method, elements, mask, p.axes.letters.strip("NT"))

    return conceal


@contextmanager
def received_file(path: Path, options: dict[str, Any]) -> Iterator[tuple[Output, Callable[[Receiver], None]]]:
    """An output that appears whole: where samples go, and what is called when there are no more."""
    suffix = ".npz" if path == PIPE else path.suffix
    if suffix == ".npy" and options["save_mask"]:
        raise UsageError("--save-mask: .npy takes one tensor: write .npz or .safetensors")
    conceal = concealment(options["conceal"])
    with output_stream(path) as out, Sink(None if path == PIPE else path, suffix) as sink:
        output = Output(sink, masks=options["save_mask"], conceal=conceal)

        def finish(receiver: Receiver) -> None:
            parameters = output.finish(receiver)
            sink.write(parameters, out)
            shapes = ", ".join(f"{name} {p.dtype} {sink.shape(name, p)}" for name, p in parameters.items())
            if not options["as_json"]:
                say(f"{path}: {shapes}", path)

        yield output, finish


def tell(receiver: Receiver, output: Output, options: dict[str, Any], path: Path) -> None:
    """What was lost, on standard output; what was wrong with units, on standard error."""
    for error in receiver.problems:
        warn(f"a unit was not used: {error}")
    counts = receiver.statistics
    if options["as_json"]:
        fields = counts.as_dict() | {"missing": output.missing, "complete": receiver.complete}
        say_all(json.dumps(fields)) if path != PIPE else None
        return
    missing = sum(output.missing.values())
    whole = "every unit came" if receiver.complete else "not every unit came"
    say(f"samples: {counts.samples} received, {counts.partial} of them in part, {missing} missing; {whole}", path)
    say(packet_line(counts), path)


def packet_line(counts: Statistics) -> str:
    """The counts of packets for people."""
    share = f" ({100 * counts.lost / counts.expected:.1f} %)" if counts.expected else ""
    return (
        f"packets: {counts.received} of {counts.expected} received, {counts.lost} lost{share}, "
        f"{counts.repeated} repeated or late, {counts.foreign} of others, {counts.ignored} ignored; "
        f"units damaged: {counts.damaged}, not used: {counts.unused}; jitter {1000 * counts.jitter:.2f} ms"
    )


def write_sdp(path: Path, text: str) -> None:
    """A session description as a file."""
    with output_stream(path) as out:
        _write(out, text)


def _write(out: BinaryIO, text: str) -> None:
    out.write(text.encode())
