"""refsw send: a bitstream as RTP packets over UDP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from refsw.carriage.network import parse_url, send
from refsw.carriage.packetizer import Packetizer
from refsw.carriage.sdp import SessionParameters, make_sdp
from refsw.cli.carriage import check_rate, sender_config, sending, write_sdp
from refsw.cli.common import input_stream, say


@click.command(name="send")
@click.argument("bitstream", type=click.Path(path_type=Path))
@click.argument("url", metavar="rtp://HOST:PORT")
@sending
@click.option("--speed", type=click.FloatRange(0, 1e6), default=1.0, show_default=True, metavar="FACTOR",
              help="So many times as fast as the samples' times say; 0: as fast as it goes.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Tell errors as JSON.")
def command(bitstream: Path, url: str, speed: float, as_json: bool, **options: Any) -> None:
    """Send BITSTREAM (- for a pipe) to rtp://HOST:PORT, each sample at its time."""
    place = parse_url(url, remote=True)
    config = sender_config(options)
    with input_stream(bitstream) as stream:
        packetizer = Packetizer(stream, config)
        units = iter(packetizer)
        first = next(units)  # the parameter sets are known with it
        check_rate(packetizer, options)
        if options["sdp_out"] is not None:
            sets = tuple(packetizer.source.parameter_sets.values())
            session = SessionParameters(config.payload_type, place.port, config.ssrc, parameter_sets=sets)
            write_sdp(options["sdp_out"], make_sdp(session, packetizer.source.header, place.host))
        sent = asyncio.run(send(place, _all(first, units), pace=speed or None))
    say(f"{url}: {sent} packets, SSRC {config.ssrc}")


def _all(first: Any, rest: Any) -> Any:
    yield first
    yield from rest
