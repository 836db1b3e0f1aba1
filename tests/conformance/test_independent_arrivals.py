"""9.10.4: the independent decoder and refsw make the same of bitstreams with units changed, lost and out of place."""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import refsw
from refsw.features.decoder import Decoder
from refsw.syntax.codes import UnitType
from refsw.syntax.structures import HEADER_BYTES
from refsw.syntax.units import UnitReader, pack_unit
from tests.conformance.making import independent_module

FOLDER = Path(__file__).resolve().parents[2] / "conformance" / "independent"
ANY_OF_TWO = {"unit.no-rest", "unit.complete-element", "descriptor.alignment-zero", "range.order"}
"""A unit that breaks one of these may break another requirement as well, and each decoder tells the first it finds."""


@pytest.fixture(scope="module")
def independent() -> Iterator[ModuleType]:
    with independent_module("dfc_incomplete") as module:
        yield module


def streams() -> list[bytes]:
    """Bitstreams of several tensors and kinds, small."""
    rng = np.random.default_rng(8)
    a, b = (rng.normal(size=(4, 4, 6, 5)).astype(np.float32) for _ in range(2))
    a[:, 1] = 0.5
    parts = [refsw.encode({"a": a, "b": b}, parts=(3, 2), payload=payload, **choices) for payload, choices in (
        ("zlib", {"digest": "sample"}), ("stored", {"range_scope": "channel", "levels_digest": True}),
    )]  # fmt: skip
    whole = refsw.encode({"a": a, "b": b}, payload="zlib", samples_per_unit=1)
    single = refsw.encode({"a": a[0], "b": b}, parts=(2, 2), payload="stored")
    return [*parts, whole, single]


def changed(data: bytes, chance: random.Random) -> bytes:
    """A bitstream whose units are lost, damaged, repeated, exchanged, or other than they should be with a right CRC."""
    units = [(unit, data[unit.offset : unit.body_offset + len(unit.body) + 4]) for unit in UnitReader(io.BytesIO(data))]
    for _ in range(chance.choice([0, 1, 3])):
        i, j = (chance.randrange(len(units)) for _ in range(2))
        units[i], units[j] = units[j], units[i]
    out, loss = data[:HEADER_BYTES], chance.choice([0, 0.05, 0.3])
    for unit, whole in units:
        fate = chance.random()
        if fate < loss:
            continue
        if fate > 0.97:
            out += whole + whole
        elif fate > 0.93:
            place = chance.randrange(-4, 0)
            out += whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[len(whole) + place + 1 :]
        elif fate > 0.90:
            out += pack_unit(unit.type, bytes(unit.body), skippable=not unit.skippable)
        elif fate > 0.85 and unit.type != UnitType.DIGEST:
            body = bytearray(unit.body)
            body[chance.randrange(min(len(body), 8))] ^= 1 << chance.randrange(8)
            out += pack_unit(unit.type, bytes(body))
        elif fate > 0.83:
            out += pack_unit(unit.type, bytes(unit.body) + b"\0")
        else:
            out += whole
    return out


def taken(independent: ModuleType, data: bytes) -> Any:
    """What the independent decoder makes of a bitstream."""
    try:
        told = independent.decode(data)
    except independent.Reject as error:
        return error.requirement
    missing = {(name, index, part) for name, index, part in told.missing}
    samples = {}
    for name, array in told.arrays.items():
        many = len(told.masks[name].shape) == 4
        for index, values in enumerate(array if many else [array], told.first[name] if many else 0):
            mask = told.masks[name][index - told.first[name]] if many else told.masks[name]
            samples[name, index] = values.tobytes(), mask.tobytes()
    return [requirement for _, requirement in told.broken], len(told.stranded), missing, samples


def received(data: bytes) -> Any:
    """What refsw makes of it, in the same form."""
    decoder = Decoder(io.BytesIO(data), incomplete=True)
    missing, samples = set(), {}
    try:
        for sample in decoder:
            mask = np.ones(sample.elements.shape, np.bool_) if sample.received is None else sample.received
            samples[sample.tensor, sample.index] = np.ascontiguousarray(sample.elements).tobytes(), mask.tobytes()
            parts = sample.missing or ((None,) if sample.received is not None else ())
            missing |= {(sample.tensor, sample.index, part) for part in parts}
    except refsw.DfcError as error:
        return error.requirement
    return [e.requirement for e in decoder.losses.damaged], decoder.losses.unused_units, missing, samples


def test_both_take_the_same_of_whatever_came(independent: ModuleType) -> None:
    originals, told = streams(), set()
    for seed in range(400):
        chance = random.Random(seed)
        data = changed(chance.choice(originals), chance)
        ours, theirs = taken(independent, data), received(data)
        if ours == "digest.value" and not isinstance(theirs, str):
            continue  # refsw compares digests that begin where the last one ended, and this one came out of place
        if isinstance(ours, str) or isinstance(theirs, str):
            assert theirs == ours, f"seed {seed}"
            continue
        assert theirs[2:] == ours[2:], f"seed {seed}"
        assert len(theirs[0]) + theirs[1] == len(ours[0]) + ours[1], f"seed {seed}"
        assert not Counter(e for e in theirs[0] if e not in ANY_OF_TWO) - Counter(ours[0]), f"seed {seed}"
        told |= set(ours[0])
    assert told >= {"unit.crc", "unit.skippable-known", "unit.no-rest", "part.once", "order.access-units"}
