"""Every vector that is not valid breaks what it names, and else nothing but what its entry lists."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import refsw
from tests.workshop import workshop

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    with workshop("prove_vectors") as module:
        yield module


def test_a_decoder_without_one_check_accepts_every_vector_that_lists_no_other(tool: ModuleType) -> None:
    found, listed, ends = {}, {}, Counter[str]()
    for vector, proof in tool.proofs():
        found[vector["id"]], listed[vector["id"]] = proof.also, vector.get("also", [])
        ends[proof.end if proof.end in ("accepted", "truncated") else "the check is needed"] += not proof.also
    assert {name: also for name, also in found.items() if also != listed[name]} == {}
    # Without some checks a decoder cannot go on: what a vector breaks behind them is not seen.
    assert ends["the check is needed"] < 0.1 * sum(ends.values())
    assert json.loads(tool.ALSO.read_text()) == {name: also for name, also in listed.items() if also}


def test_the_checks_are_on_again(tool: ModuleType) -> None:
    from vectors.unchecked import decode, prove

    data = refsw.encode(np.ones((1, 2, 3, 4), np.float32) * np.arange(4, dtype=np.float32), payload="zlib")
    assert decode(data, None, set()) is None
    flipped = data[:-1] + bytes([data[-1] ^ 1])
    assert prove(flipped, None, "unit.crc", "CRC_MISMATCH").also == []
    assert getattr(decode(flipped, None, set()), "requirement", None) == "unit.crc"
    with pytest.raises(refsw.DfcError):
        refsw.decode(flipped)


def test_a_second_violation_is_found(tool: ModuleType) -> None:
    from vectors.unchecked import prove

    data = bytearray(refsw.encode(np.ones((1, 2, 3, 4), np.float32) * np.arange(4, dtype=np.float32), payload="zlib"))
    data += b"\0"
    data[11] ^= 1
    proof = prove(bytes(data), None, "bitstream.header-crc", "CRC_MISMATCH")
    assert proof.also == ["end.bitstream-crc", "bitstream.nothing-after-end"]
    assert proof.end == "accepted"
