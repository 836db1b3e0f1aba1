"""Losses, repetitions, mixtures and damage of packets at random: no element is ever wrong, and nothing grows."""

from __future__ import annotations

import random
import tracemalloc
from types import ModuleType

import numpy as np
import pytest

from refsw.carriage.acceptance import Acceptance
from refsw.carriage.reception import Receiver
from tests.carriage.carrying import bitstream, carry, receive
from tests.workshop import workshop

QUICK, FULL = 400, 100_000


@pytest.fixture(scope="module")
def faults() -> ModuleType:
    with workshop("lose_packets") as module:
        return module


def patterns(faults: ModuleType, seed: int, count: int) -> None:
    found = [row for row in faults.run(seed, count) if row[-1] is not None]
    assert found == []


def test_no_element_is_wrong_whatever_happens_to_packets(faults: ModuleType) -> None:
    patterns(faults, 1_000_000, QUICK)


@pytest.mark.slow
def test_no_element_is_wrong_in_very_many_patterns(faults: ModuleType) -> None:
    patterns(faults, 0, FULL)


def test_the_check_sees_a_wrong_element_and_a_wrong_mask(faults: ModuleType) -> None:
    stream = faults.streams()[0]
    tensors, _ = faults.receive(stream.packets)
    assert faults.wrong(stream.tensors, tensors) is None
    for name, change in (("x", 1e-3), ("x@mask", True)):
        changed = {key: array.copy() for key, array in tensors.items()}
        changed[name][0, 0, 0, 0] = changed[name][0, 0, 0, 0] + change if name == "x" else False
        assert faults.wrong(stream.tensors, changed) is not None
    assert faults.wrong(stream.tensors, {**tensors, "y": tensors["x"]}) is not None


def test_the_patterns_find_a_receiver_that_does_not_look_at_the_time(
    faults: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Trusting(Acceptance):
        def _check_time(self, first_sample: int, timestamp: int) -> None:
            """Whatever."""

    monkeypatch.setattr("refsw.carriage.reception.Acceptance", Trusting)
    assert any(row[-1] for row in faults.run(0, 2000))


def test_a_long_reception_takes_no_more_memory_than_a_short_one() -> None:
    packets = carry(bitstream(400))
    rng = random.Random(4)

    def peak(count: int) -> int:
        receiver = Receiver()
        tracemalloc.start()
        for place in range(count):
            packet = bytearray(packets[place % len(packets)])
            if rng.random() < 0.3:
                packet[rng.randrange(len(packet))] ^= 1 << rng.randrange(8)
            # Again and again, with numbers and times that go on: none of it is of use any more.
            for _ in receiver.put(bytes(packet) if place < len(packets) else rng.randbytes(80)):
                pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(500)
    short = peak(1000)
    assert peak(30_000) < short + 300_000


def test_packets_of_the_greatest_size_are_bounded_as_well() -> None:
    packets = carry(bitstream(2))
    receiver, rng = Receiver(), random.Random(2)
    list(receiver.put(packets[0]))
    head = packets[0][:12]
    tracemalloc.start()
    for number in range(3000):
        sequence = rng.randrange(65536).to_bytes(2, "big")
        packet = head[:2] + sequence + head[4:] + bytes([rng.choice([0x6C, 0x70, 0x60, 0x68]), 7]) + bytes(65_493)
        assert len(packet) == 65_507
        list(receiver.put(packet, number))
    assert tracemalloc.get_traced_memory()[1] < (64 + 16) * 66_000 * 2
    tracemalloc.stop()
    tensors, _ = receive(packets, receiver)
    assert np.isfinite(tensors["x"]).all()
