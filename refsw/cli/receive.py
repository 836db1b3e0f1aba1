"""refsw receive: the samples of RTP packets that come over UDP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from refsw.carriage.network import LiveReceiver, listening_socket, parse_url
from refsw.cli.carriage import make_receiver, received_file, receiving, session_parameters, tell
from refsw.cli.common import OUTPUT, complain, max_work, warn


@click.command(name="receive")
@click.argument("url", metavar="rtp://:PORT")
@click.option("-o", "--output", type=OUTPUT, required=True, help="Samples to write: .npz, .safetensors or .npy.")
@receiving
@click.option("--timeout", type=click.FloatRange(0.1, 86400), default=10.0, show_default=True, metavar="SECONDS",
              help="End after so long without a packet of the bitstream.")  # fmt: skip
@max_work
@click.option("--json", "as_json", is_flag=True, help="Tell statistics and errors as JSON.")
def command(url: str, output: Path, timeout: float, as_json: bool, max_work: float, **options: Any) -> None:
    """Receive a bitstream on rtp://:PORT, or rtp://HOST:PORT for one address, until it ends, or Ctrl-C."""
    place = parse_url(url, remote=False)
    receiver = make_receiver(session_parameters(options), options | {"max_work": max_work})
    options |= {"as_json": as_json}
    with received_file(output, options) as (into, finish):
        with listening_socket(place) as listening:
            complain(f"refsw: listening on port {listening.getsockname()[1]}")
            live = LiveReceiver(receiver, lambda sample: into.add(sample, receiver.join_sample), patience=timeout)
            asyncio.run(live.run(listening))
        finish(receiver)
    if live.overrun:
        warn(f"{live.overrun} units were dropped, since decoding did not keep up")
    tell(receiver, into, options, output)
