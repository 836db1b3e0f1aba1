"""Damaged input is rejected with a typed error, or decodes to what the undamaged input decodes to."""

from __future__ import annotations

import io
import random
import resource
import tracemalloc
import zlib
from collections.abc import Iterator

import numpy as np
import pytest

import refsw
from refsw.syntax.structures import HEADER_BYTES
from refsw.syntax.units import UnitReader, leb128

QUICK, FULL = 1500, 20_000


def mutate(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """One of: flipped bits, a changed byte, truncation, a splice, a removed, repeated or inflated part."""
    out = bytearray(data)
    place = rng.randrange(len(out))
    kind = rng.randrange(9)
    if kind == 0:
        out[place] ^= 1 << rng.randrange(8)
    elif kind == 1:
        for _ in range(rng.randrange(2, 9)):
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        out[place] = rng.randrange(256)
    elif kind == 3:
        del out[place:]
    elif kind == 4:
        del out[place : place + rng.randrange(1, 64)]
    elif kind == 5:
        out[place:place] = rng.randbytes(rng.randrange(1, 64))
    elif kind == 6:
        other = rng.choice(others)
        out[place:] = other[rng.randrange(len(other)) :]
    elif kind == 7:
        end = min(len(out), place + rng.randrange(1, 200))
        out[place:end] = out[place:end] * 2
    else:
        out[place : place + 4] = leb128(rng.choice([2**20, 2**25 + 1, 2**31, 2**32 - 1, rng.randrange(2**32)]))
    return bytes(out)


def cut(data: bytes) -> list[bytes]:
    """Header and units of a bitstream, each with its bytes."""
    parts, place = [data[:HEADER_BYTES]], HEADER_BYTES
    for unit in UnitReader(io.BytesIO(data)):
        end = unit.body_offset + len(unit.body) + 4
        parts.append(data[place:end])
        place = end
    return parts


def mutate_units(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Whole units removed, repeated, exchanged, or taken from another bitstream: every CRC stays right."""
    parts = cut(data)
    index = rng.randrange(1, len(parts))
    kind = rng.randrange(4)
    if kind == 0:
        del parts[index]
    elif kind == 1:
        parts.insert(index, parts[index])
    elif kind == 2:
        other = rng.randrange(1, len(parts))
        parts[index], parts[other] = parts[other], parts[index]
    else:
        parts[index] = rng.choice(cut(rng.choice(others))[1:])
    return b"".join(parts)


def forge(data: bytes, rng: random.Random) -> bytes:
    """A body changed by someone who can compute CRCs, the one of the bitstream included."""
    parts = cut(data)
    index = rng.randrange(1, len(parts))
    units = list(UnitReader(io.BytesIO(data)))
    chain = zlib.crc32(parts[0][-4:])
    out = [parts[0]]
    for i, unit in enumerate(units, 1):
        body = bytearray(unit.body)
        if i == index and body:
            for _ in range(rng.randrange(1, 4)):
                body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
        if i == len(units) and i != index:
            body[-4:] = chain.to_bytes(4, "big")
        head = bytes([unit.type << 1 | unit.skippable]) + leb128(len(body))
        crc = zlib.crc32(bytes(body), zlib.crc32(head)).to_bytes(4, "big")
        out.append(head + body + crc)
        chain = zlib.crc32(crc, chain)
    return b"".join(out)


def same(a: object, b: object) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    assert isinstance(a, np.ndarray)
    assert isinstance(b, np.ndarray)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def check(data: bytes, expected: object, what: str) -> bool:
    """Whether the damaged data was rejected; otherwise it decodes to the same."""
    try:
        decoded = refsw.decode(data)
    except refsw.DfcError as error:
        assert error.exit_code in (65, 69), what
        assert error.requirement, what
        return True
    assert same(decoded, expected), f"{what}: silently wrong"
    return False


def cases(count: int, streams: dict[str, bytes], seed: int) -> Iterator[tuple[str, bytes, object]]:
    rng = random.Random(seed)
    decoded = {name: refsw.decode(data) for name, data in streams.items()}
    everything = list(streams.values())
    for number in range(count):
        name = rng.choice(list(streams))
        change = mutate if rng.random() < 0.8 else mutate_units
        yield f"{name}, mutation {number} of seed {seed}", change(streams[name], everything, rng), decoded[name]


def test_damage_is_rejected_or_without_effect(streams: dict[str, bytes]) -> None:
    rejected = sum(check(data, expected, what) for what, data, expected in cases(QUICK, streams, seed=1))
    assert rejected > 0.95 * QUICK


@pytest.mark.slow
def test_20000_damaged_streams_are_rejected_or_without_effect(streams: dict[str, bytes]) -> None:
    rejected = sum(check(data, expected, what) for what, data, expected in cases(FULL, streams, seed=2))
    assert rejected > 0.95 * FULL
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 500 * 1024  # KiB; the whole process


@pytest.mark.parametrize("count", [600, pytest.param(20_000, marks=pytest.mark.slow)])
def test_forged_bodies_with_right_crcs_never_crash(streams: dict[str, bytes], count: int) -> None:
    # They may decode to something else, as any valid stream may; but they raise typed errors only.
    rng = random.Random(3)
    rejected = 0
    for _ in range(count):
        name = rng.choice(list(streams))
        data = forge(streams[name], rng)
        try:
            refsw.decode(data)
        except refsw.DfcError:
            rejected += 1
        report = refsw.validate(data)
        assert isinstance(report.as_dict()["violations"], list)
    assert rejected > count // 10


def test_validation_agrees_with_decoding_on_damage(streams: dict[str, bytes]) -> None:
    for what, data, _ in cases(300, streams, seed=4):
        try:
            refsw.decode(data)
            accepted = True
        except refsw.DfcError as error:
            accepted = False
            assert error.exit_code == 69 or not refsw.validate(data).conforming, what
        if accepted:
            assert refsw.validate(data).violations == [], what


@pytest.mark.parametrize("garbage", [b"", b"\x89", b"\x89DFC", bytes(5000), random.Random(5).randbytes(5000)])
def test_garbage_is_rejected(garbage: bytes) -> None:
    with pytest.raises(refsw.DfcError) as error:
        refsw.decode(garbage)
    assert error.value.exit_code == 65


def test_a_hostile_length_allocates_nothing(streams: dict[str, bytes]) -> None:
    data = streams["hevc mosaic"][:HEADER_BYTES] + b"\x04" + leb128(2**25) + b"rest"
    tracemalloc.start()
    with pytest.raises(refsw.DfcError):
        refsw.decode(data)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
