"""refsw depacketize: a capture of RTP packets as the bitstream again, or as the samples that came."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from refsw.carriage.captures import read_capture
from refsw.carriage.depacketizer import Bounds, Datagram, Depacketizer, batches
from refsw.carriage.output import receive_into
from refsw.carriage.restore import restore
from refsw.cli.carriage import make_receiver, packet_line, received_file, receiving, session_parameters, tell
from refsw.cli.common import OUTPUT, distinct, input_stream, max_work, output_stream, say
from refsw.errors import UsageError

BITSTREAM = ".dfc"


@click.command(name="depacketize")
@click.argument("capture", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OUTPUT, required=True,
              help="The bitstream (.dfc), if nothing is missing; or samples (.npz, .safetensors, .npy).")  # fmt: skip
@click.option(
    "--port", type=click.IntRange(1, 65535), help="UDP port of the session.  [default: any, or that of --sdp]"
)
@receiving
@max_work
@click.option("--json", "as_json", is_flag=True, help="Tell statistics and errors as JSON.")
def command(capture: Path, output: Path, port: int | None, as_json: bool, max_work: float, **options: Any) -> None:
    """Take the bitstream out of CAPTURE, a pcap, pcapng or rtpdump file (- for a pipe)."""
    distinct(capture, output)
    session = session_parameters(options)
    options |= {"as_json": as_json, "max_work": max_work}
    port = port or session.port
    with input_stream(capture) as stream:
        datagrams = _of_port(stream, port)
        if output.suffix == BITSTREAM:
            if options["conceal"] or options["save_mask"]:
                raise UsageError("--conceal and --save-mask are for samples: write .npz or .safetensors")
            packets = Depacketizer(
                payload_type=session.payload_type, ssrc=session.ssrc, parameter_sets=session.parameter_sets,
                bounds=Bounds(window=session.window),
            )  # fmt: skip
            with output_stream(output) as out:
                counts = restore(datagrams, out, packets)
            say(f"{output}: the whole bitstream; {packet_line(counts)}", output)
            return
        receiver = make_receiver(session, options)
        with received_file(output, options) as (into, finish):
            for some in batches(datagrams):
                receive_into(into, receiver, receiver.put_all(some))
            receive_into(into, receiver, receiver.finish())
            finish(receiver)
    tell(receiver, into, options, output)


def _of_port(stream: BinaryIO, port: int | None) -> Iterator[Datagram]:
    for found in read_capture(stream):
        if port is None or found.port in (None, port):
            yield found.seconds, found.payload
