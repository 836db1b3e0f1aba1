"""What carriage costs: packetizing and depacketizing by themselves, and receiving against decoding, in CPU time.

    python tools/benchmark_carriage.py

Exit code 1 where a rate is below, or a share above, what is promised.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import refsw
from refsw.carriage.captures import CaptureWriter, read_capture
from refsw.carriage.depacketizer import Depacketizer, batches
from refsw.carriage.packetizer import Packetizer, SenderConfig
from refsw.carriage.reception import Receiver
from refsw.carriage.restore import restore

LEAST_RATE = 200e6
"""Bytes of bitstream a second, on one core."""
MOST_SHARE = 0.10
"""Of the time of decoding, for packets, with no loss."""
SIZES = {"2 KB": 500, "10 KB": 2_500, "50 KB": 12_500, "800 KB": 200_000}
"""Bytes of a unit, and elements of a sample in float32."""
TOTAL = 40_000_000
ROUNDS = 5


class Nowhere(io.RawIOBase):
    """Takes everything and keeps nothing."""

    def write(self, data: Any) -> int:
        """All of it."""
        return len(data)


def cpu(work: Callable[[], object]) -> float:
    """Seconds of CPU time of the fastest of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def stored(elements: int) -> bytes:
    """A bitstream whose units are about four bytes an element."""
    count = max(1, TOTAL // (4 * elements))
    x = np.random.default_rng(1).random((count, elements // 100, 10, 10), dtype=np.float32)
    return refsw.encode(x, payload="stored", quantizer="none", layout="mosaic")


def rates(data: bytes, packet_bytes: int) -> dict[str, float]:
    """Bytes of the bitstream a second: into packets, out of them, and both by way of a pcap file in memory."""
    config = SenderConfig(packet_bytes=packet_bytes)
    packets = [packet for sent in Packetizer(io.BytesIO(data), config) for packet in sent.packets]
    timed = [(0.0, packet) for packet in packets]
    capture = io.BytesIO()
    writer = CaptureWriter(capture, ".pcap")

    def write() -> None:
        for packet in packets:
            writer.write(0.0, packet)

    write()
    stream = capture.getvalue()
    work: dict[str, Callable[[], object]] = {
        "packetize": lambda: [None for sent in Packetizer(io.BytesIO(data), config) for _ in sent.packets],
        "depacketize": lambda: restore(timed, Nowhere(), Depacketizer()),  # type: ignore[arg-type]
        "write a pcap file": write,
        "read a pcap file": lambda: [None for _ in read_capture(io.BytesIO(stream))],
    }
    return {name: len(data) / cpu(one) for name, one in work.items()}


def share(data: bytes) -> float:
    """How much longer it takes to receive a bitstream than to decode it, with no loss."""
    packets = [(sent.seconds, packet) for sent in Packetizer(io.BytesIO(data)) for packet in sent.packets]

    def receive() -> None:
        receiver = Receiver()
        for some in batches(packets):
            for _ in receiver.put_all(some):
                pass
        assert receiver.complete

    def decode() -> None:
        for _ in refsw.Decoder(io.BytesIO(data)):
            pass

    return cpu(receive) / cpu(decode) - 1


def features(samples: int, channels: int, side: int) -> Any:
    """Smooth, sparse, non-negative maps, as a ReLU leaves them."""
    x = np.random.default_rng(2).standard_normal((samples, channels, side, side)).cumsum(-1).cumsum(-2) / 9
    return np.maximum(x, 0).astype(np.float32)


def main() -> int:
    failed = False
    for name, elements in SIZES.items():
        data = stored(elements)
        found = rates(data, 1200)
        told = ", ".join(f"{what} {rate / 1e6:.0f} MB/s" for what, rate in found.items())
        print(f"units of {name} in packets of 1,200 bytes: {told}")
        slow = min(found["packetize"], found["depacketize"])
        failed |= slow < LEAST_RATE and elements >= 2_500
    streams = {
        "HEVC, 56x56x64, QP 22": refsw.encode(features(6, 64, 56), qp=22),
        "HEVC, 14x14x256, QP 32": refsw.encode(features(12, 256, 14), qp=32),
        "zlib, 56x56x64, 8 bits": refsw.encode(features(6, 64, 56), payload="zlib", bit_depth=8),
    }
    for name, data in streams.items():
        more = share(data)
        failed |= more > MOST_SHARE
        print(f"{name}: receiving takes {100 * more:+.1f} % of the time of decoding ({len(data)} bytes)")
    raw = share(stored(200_000))
    print(f"uncoded float32, where decoding is copying: {100 * raw:+.1f} %")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
