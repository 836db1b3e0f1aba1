"""Chapter 14: the independent receiver and refsw make the same of captures with lost, repeated and damaged packets."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from refsw.conformance.reference import decode
from tests.conformance.making import independent_module

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = ROOT / "test_vectors" / "carriage"
RTP_HEADER, RECORD = 12, ">HHI"


@pytest.fixture(scope="module")
def independent() -> Iterator[ModuleType]:
    with independent_module("dfc") as module:
        yield module


def cut(capture: bytes) -> tuple[bytes, list[bytes]]:
    """The head of an rtpdump file, and its packets."""
    start = place = capture.index(b"\n") + 1 + 16
    packets = []
    while place < len(capture):
        (length,) = struct.unpack_from(">H", capture, place)
        packets.append(capture[place + 8 : place + length])
        place += length
    return capture[:start], packets


def received(decoder: Callable[..., Any], capture: bytes, sdp: Path) -> dict[str, tuple[Any, ...]] | int:
    """Types, shapes and bytes by name, or the exit code."""
    try:
        arrays = decoder(capture, None, sdp=sdp)
    except Exception as error:  # each decoder has an error of its own, with its exit code
        return int(error.exit_code)  # type: ignore[attr-defined]
    found = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return {name: (array.dtype.name, array.shape, array.tobytes()) for name, array in found.items()}


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("carriage-[lopu]*.rtp"))[::2], ids=lambda path: path.stem)
def test_both_receive_the_same(independent: ModuleType, path: Path) -> None:
    chance, sdp = random.Random(path.stem), path.with_suffix(".sdp")
    head, packets = cut(path.read_bytes())
    for _ in range(4):
        changed = list(packets)
        for _ in range(chance.randrange(1, 4)):
            place = chance.randrange(len(changed))
            packet = bytearray(changed.pop(place))
            match chance.choice(("lose", "repeat", "move", "cut off", "damage")):
                case "repeat":
                    changed[place:place] = [bytes(packet), bytes(packet)]
                case "move":
                    changed.insert(chance.randrange(len(changed) + 1), bytes(packet))
                case "cut off":
                    changed.insert(place, bytes(packet[: chance.randrange(len(packet))]))
                case "damage" if len(packet) > RTP_HEADER + 2:
                    packet[chance.randrange(RTP_HEADER, len(packet))] ^= 1 << chance.randrange(8)
                    changed.insert(place, bytes(packet))
            if not changed:
                changed = list(packets)
        records = [struct.pack(RECORD, len(packet) + 8, len(packet), 0) + packet for packet in changed]
        capture = head + b"".join(records)
        assert received(independent.decode, capture, sdp) == received(decode, capture, sdp)
