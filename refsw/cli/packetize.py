"""refsw packetize: a bitstream as RTP packets in a capture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from refsw.carriage.captures import RECEIVER, SUFFIXES, CaptureWriter
from refsw.carriage.packetizer import Packetizer
from refsw.carriage.sdp import SessionParameters, make_sdp
from refsw.cli.carriage import check_rate, sender_config, sending, write_sdp
from refsw.cli.common import OUTPUT, distinct, input_stream, output_stream, say
from refsw.errors import UsageError

PACKET_GAP = 1e-5
"""Seconds between two packets of an access unit, in a capture that no network has seen."""


@click.command(name="packetize")
@click.argument("bitstream", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OUTPUT, required=True, help="Capture to write: .pcap, or .rtp (rtpdump).")
@sending
@click.option("--json", "as_json", is_flag=True, help="Tell errors as JSON.")
def command(bitstream: Path, output: Path, as_json: bool, **options: Any) -> None:
    """Write the RTP packets that carry BITSTREAM (- for a pipe) to a capture."""
    distinct(bitstream, output)
    if output.suffix not in SUFFIXES:
        raise UsageError(f"{output}: a capture is written to {', '.join(SUFFIXES)} files")
    config = sender_config(options)
    count = size = 0
    with input_stream(bitstream) as stream:
        packetizer = Packetizer(stream, config)
        with output_stream(output) as out:
            capture = CaptureWriter(out, output.suffix)
            for sent in packetizer:
                check_rate(packetizer, options)
                for i, packet in enumerate(sent.packets):
                    capture.write(sent.seconds + i * PACKET_GAP, packet)
                    count, size = count + 1, size + len(packet)
    if options["sdp_out"] is not None:
        sets = tuple(packetizer.source.parameter_sets.values())
        session = SessionParameters(config.payload_type, RECEIVER[1], config.ssrc, parameter_sets=sets)
        write_sdp(options["sdp_out"], make_sdp(session, packetizer.source.header, str(RECEIVER[0])))
    say(f"{output}: {count} packets, {size} bytes with RTP headers, SSRC {config.ssrc}", output)
