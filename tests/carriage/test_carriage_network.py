"""Sending and receiving over UDP: two processes, a network between them that loses packets, and Ctrl-C."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import until

import refsw
from refsw.carriage.network import LiveReceiver, find_address, listening_socket, parse_url
from refsw.carriage.output import Arrays
from refsw.carriage.reception import Receiver
from refsw.errors import DfcError, UsageError
from refsw.syntax.carriage_structures import PacketType
from refsw.syntax.units import crc32
from tests.carriage.carrying import bitstream, carry, held, load, parsed
from tests.carriage.relay import Relay


class Receiving:
    """`refsw receive` as a process, when it listens."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "refsw", "receive", "rtp://127.0.0.1:0", "-o", "out.npz", "--save-mask"]
        self.process = subprocess.Popen(
            [*command, *options], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        self.port = int(re.findall(r"port (\d+)", line)[0])
        self.file = folder / "out.npz"

    def end(self) -> tuple[int, str]:
        """Its exit code and what it said."""
        out, _ = self.process.communicate()
        return self.process.returncode, out


@pytest.fixture
def receiving(tmp_path: Path) -> Iterator[Any]:
    started: list[Receiving] = []

    def start(*options: str) -> Receiving:
        started.append(Receiving(tmp_path, *options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


def send(data: bytes, port: int, folder: Path, *options: str) -> None:
    (folder / "in.dfc").write_bytes(data)
    command = [sys.executable, "-m", "refsw", "send", "in.dfc", f"rtp://127.0.0.1:{port}", *options]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def test_two_processes_and_a_network_that_loses_a_tenth(tmp_path: Path, receiving: Any) -> None:
    count = 200
    data = bitstream(count)
    whole = refsw.decode(data)
    one = receiving()
    with Relay(one.port, loss=0.1, seed=5) as relay:
        send(data, relay.port, tmp_path, "--packet-bytes", "100", "--rate", "100")
        code, said = one.end()
    assert code == 0, said
    tensors = load(one.file)
    assert f"{len(relay.forwarded)} of" in said
    sent = parsed(relay.forwarded + relay.dropped)
    start = next(p for p in sent if p.kind.session).timestamp
    times = sorted({(p.timestamp - start) % 2**32 for p in sent})
    assert len(times) == count + 1
    # Nothing is lost with a session description, which is repeated, nor with the copy of the parameter set.
    a_set = (PacketType.SINGLE, b"\2")
    missed = [p for p in parsed(relay.dropped) if not p.kind.session and (p.kind.type, bytes(p.body[:1])) != a_set]
    lost = {times.index((p.timestamp - start) % 2**32) for p in missed}
    assert len(lost) > 20
    assert held(tensors) == [i not in lost for i in range(count)]
    expected = np.where(tensors["x@mask"], whole, np.float32(0))
    assert expected.tobytes() == tensors["x"].tobytes()


def test_ctrl_c_leaves_a_whole_file_of_what_came(tmp_path: Path, receiving: Any) -> None:
    data = bitstream(6)
    one = receiving("--timeout", "1000")
    packets = carry(data, packet_bytes=1200, copies=1)
    place = ("127.0.0.1", one.port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for packet in packets[:-1]:
            out.sendto(packet, place)
    # Its temporary files have no names: wait until it has read all that was sent.
    until(lambda: not _queued(one.port), one.process)
    one.process.send_signal(signal.SIGINT)
    code, said = one.end()
    assert code == 0, said
    tensors = load(one.file)
    assert tensors["x"].tobytes() == refsw.decode(data).tobytes()
    assert held(tensors) == [True] * 6
    assert "not every unit came" in said


def _queued(port: int) -> bool:
    """Whether datagrams to a port of this machine wait to be read."""
    rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and int(row[4].partition(":")[2], 16) for row in rows)


def test_without_packets_it_ends_and_leaves_nothing(tmp_path: Path, receiving: Any) -> None:
    one = receiving("--timeout", "0.2", "--json")
    assert one.process.wait() == 65
    assert '"requirement": "carriage.tensors"' in one.process.stderr.read()
    assert list(tmp_path.iterdir()) == []


def live(packets: list[bytes], *, url: str = "rtp://:0", host: str = "127.0.0.1") -> tuple[dict[str, Any], Receiver]:
    """Packets over this machine's network to a receiver in this process."""
    receiver, arrays = Receiver(), Arrays()

    async def both() -> None:
        listening = listening_socket(parse_url(url, remote=False))
        port = listening.getsockname()[1]
        running = LiveReceiver(receiver, lambda s: arrays.output.add(s, receiver.join_sample), patience=1000)
        task = asyncio.create_task(running.run(listening))
        family, address = find_address(parse_url(f"rtp://{host}:{port}", remote=True))
        with socket.socket(family, socket.SOCK_DGRAM) as out:
            for packet in packets:
                out.sendto(packet, address)
                await asyncio.sleep(0)
        await task

    asyncio.run(both())
    arrays.finish(receiver)
    return arrays.tensors, receiver


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_both_versions_of_ip_reach_a_receiver_of_all_addresses(host: str) -> None:
    tensors, receiver = live(carry(bitstream()), host=host)
    assert receiver.complete
    assert held(tensors) == [True] * 8


def test_gaps_do_not_hold_up_the_end() -> None:
    packets = carry(bitstream())
    tensors, receiver = live(packets[:8] + packets[9:])
    assert receiver.ended
    assert sum(held(tensors)) == 7


def test_what_is_unsupported_ends_a_reception_with_its_error() -> None:
    session = bytearray(carry(bitstream(1), packet_bytes=1200)[0])
    session[14 + 5], session[14 + 6] = 9, 99
    session[14 + 8 : 14 + 12] = crc32(bytes(session[14 : 14 + 8])).to_bytes(4, "big")
    session[-4:] = crc32(bytes(session[14:-4])).to_bytes(4, "big")
    with pytest.raises(DfcError) as caught:
        live([bytes(session)])
    assert (caught.value.requirement, caught.value.exit_code) == ("bitstream_header.profile_idc", 69)


def test_noise_of_many_sources_does_not_end_a_reception() -> None:
    rng, packets = random.Random(6), []
    for packet in carry(bitstream()):
        packets += [packet, rng.randbytes(rng.randrange(200)), packet[:8] + rng.randbytes(4) + packet[12:]]
    tensors, receiver = live(packets)
    assert receiver.complete
    assert held(tensors) == [True] * 8
    assert receiver.statistics.ignored + receiver.statistics.foreign >= 40


@pytest.mark.parametrize(
    "text",
    ["", "rtp://", "udp://h:1", "rtp://h:0", "rtp://h:99999", "rtp://h:x", "rtp://:5", "rtp://h:1/x",
     "rtp://u@h:1", "h:1", "rtp://[::1:5"],
)  # fmt: skip
def test_places_that_are_none_are_told(text: str) -> None:
    with pytest.raises(UsageError):
        parse_url(text, remote=True)


def test_the_port_is_5004_where_none_is_told() -> None:
    assert parse_url("rtp://h", remote=True).port == parse_url("rtp://:", remote=False).port == 5004


def test_hosts_that_do_not_exist_are_told() -> None:
    with pytest.raises(UsageError):
        find_address(parse_url("rtp://no.such.host.invalid:5", remote=True))
