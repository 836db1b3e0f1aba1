"""9.10.4: the independent decoder and refsw make the same of a bitstream in which units are missing or damaged."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import refsw
from refsw.features.decoder import Decoder
from refsw.syntax.structures import HEADER_BYTES
from refsw.syntax.units import UnitReader
from tests.conformance.making import independent_module

FOLDER = Path(__file__).resolve().parents[2] / "conformance" / "independent"
CHOICES: dict[str, dict[str, Any]] = {
    "bands": {"parts": (3, 8), "payload": "zlib", "digest": "sample"},
    "channel ranges": {"parts": (4, 3), "payload": "stored", "range_scope": "channel", "levels_digest": True},
    "elements": {"parts": (4, 3), "payload": "lzma", "quantizer": "none", "axes": "NHWC"},
    "pictures": {"parts": (5, 3), "payload": "hevc", "qp": 30},
    "whole": {"payload": "zlib", "profile": "resilient", "range_scope": "channel"},
}


@pytest.fixture(scope="module")
def independent() -> Iterator[ModuleType]:
    with independent_module("dfc_incomplete") as module:
        yield module


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("seed", range(8))
def test_both_take_the_same_of_what_came(independent: ModuleType, name: str, seed: int) -> None:
    rng, chance = np.random.default_rng(5), random.Random(seed)
    x = rng.normal(size=(4, 8, 10, 12)).astype(np.float32)
    x[:, 3], x[2, :, 4:8] = 1.5, 0
    data = refsw.encode(x, **CHOICES[name])
    came, damaged = data[:HEADER_BYTES], []
    for number, unit in enumerate(UnitReader(io.BytesIO(data))):
        whole = bytearray(data[unit.offset : unit.body_offset + len(unit.body) + 4])
        fate = chance.random() if number else 1.0  # the parameter set comes
        if fate < 0.15:
            damaged.append((len(came), "unit.crc"))
            whole[-1 - chance.randrange(4)] ^= 1 << chance.randrange(8)
        if fate > 0.4 or fate < 0.15:
            came += whole
    ours = independent.decode(came)
    decoder = Decoder(io.BytesIO(came), incomplete=True)
    found = list(decoder)
    assert ours.broken == damaged
    assert [error.requirement for error in decoder.losses.damaged] == ["unit.crc"] * len(damaged)
    assert list(ours.arrays) == ["tensor0"]
    first, array, mask = ours.first["tensor0"], ours.arrays["tensor0"], ours.masks["tensor0"]
    assert [sample.index for sample in found] == list(range(first, first + len(array)))
    assert len(found) >= 1
    for sample, elements, received in zip(found, array, mask, strict=True):
        assert elements.tobytes() == np.ascontiguousarray(sample.elements).tobytes()
        expected = np.ones(received.shape, np.bool_) if sample.received is None else sample.received
        assert np.array_equal(received, expected)
        missing = [part for _, index, part in ours.missing if index == sample.index and part is not None]
        assert missing == sorted(sample.missing)


def test_units_that_break_a_requirement_are_told_from_parts_that_did_not_come(independent: ModuleType) -> None:
    vectors = FOLDER.parents[1] / "test_vectors" / "resilient"
    told = independent.decode((vectors / "parts-once-after_r1.dfc").read_bytes())
    assert ([requirement for _, requirement in told.broken], told.missing) == (["part.once"], [])
    told = independent.decode((vectors / "parts-skippable-part_r1.dfc").read_bytes())
    assert [requirement for _, requirement in told.broken] == ["unit.skippable-known"]
    assert told.missing == [("tensor0", 0, 0)]
    assert not told.masks["tensor0"].all()
