"""7.6: the independent decoder and refsw make the same of components, and of damage in what tells their transform."""

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
from refsw.features.transform_training import TransformTraining, train_transform
from refsw.syntax.codes import UnitType
from refsw.syntax.structures import HEADER_BYTES
from refsw.syntax.units import UnitReader, crc32, pack_unit
from tests.conformance.making import independent_module

VECTORS = Path(__file__).resolve().parents[2] / "test_vectors" / "transform"


@pytest.fixture(scope="module")
def independent() -> Iterator[ModuleType]:
    with independent_module("dfc_decoder") as module:
        yield module


def outcome(decode: Any, data: bytes, error: type[Any]) -> tuple[int, bytes]:
    """The exit code of a decoder, and the elements that it gives."""
    try:
        decoded = decode(data)
    except error as wrong:
        return wrong.exit_code, b""
    arrays = list(decoded.values()) if isinstance(decoded, dict) else [decoded]
    return 0, b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


CHOICES: dict[str, tuple[TransformTraining, dict[str, Any]]] = {
    "channels": (TransformTraining(refits=0), {"payload": "zlib", "ranges": ((-1.5, 2.0),), "range_scope": "sequence"}),
    "few bits": (
        TransformTraining(refits=0, bits=3),
        {"payload": "stored", "layout": "quilt"},
    ),
    "phases": (TransformTraining(refits=0, space_to_depth=True), {"payload": "hevc"}),
    "native": (TransformTraining(refits=0), {"payload": "native", "layout": "sequence"}),
    "prefix": (TransformTraining(prefix=2), {"payload": "native", "layout": "sequence"}),
}


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_components_decode_to_the_same(independent: ModuleType, name: str, dtype: str) -> None:
    training, choices = CHOICES[name]
    rng = np.random.default_rng(7)
    x = (np.einsum("ck,nkyx->ncyx", rng.normal(size=(6, 2)), rng.normal(size=(3, 2, 9, 7))) * 4).astype(dtype)
    x[1] = x[1, 0, 0, 0]
    basis = train_transform(x.astype(np.float32), training)
    preset = "tokens" if training.prefix else "transform"
    data = refsw.encode(x, preset, qp=20, basis=basis, digest="sample", levels_digest=True, **choices)
    ours = outcome(independent.decode, data, independent.Reject)
    assert ours == (0, np.ascontiguousarray(refsw.decode(data)).tobytes())


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A bitstream with one or two bits changed in its parameter sets or payloads, with right CRCs."""
    units = list(UnitReader(io.BytesIO(data)))
    out, crcs = data[:HEADER_BYTES], data[8:HEADER_BYTES]
    number = chance.choice([i for i, unit in enumerate(units) if unit.type in (1, 2) and unit.body])
    for i, unit in enumerate(units):
        body = bytearray(unit.body)
        for _ in range(chance.choice([1, 1, 2]) if i == number else 0):
            body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        if unit.type == UnitType.END_OF_BITSTREAM:
            body[-4:] = crc32(crcs).to_bytes(4, "big")
        out += pack_unit(unit.type, bytes(body), skippable=bool(unit.skippable))
        crcs += out[-4:]
    return out


def test_damage_in_transforms_gets_one_verdict(independent: ModuleType) -> None:
    files, codes = sorted(VECTORS.glob("*.dfc")), Counter[int]()
    for seed in range(150):
        chance = random.Random(seed)
        data = damaged(chance.choice(files).read_bytes(), chance)
        ours = outcome(independent.decode, data, independent.Reject)
        theirs = outcome(refsw.decode, data, refsw.DfcError)
        # A bitstream that breaks a requirement and has something unsupported may be rejected for either (12.4).
        if {ours[0], theirs[0]} != {65, 69}:
            assert ours == theirs, f"seed {seed}"
        codes[ours[0]] += 1
    assert min(codes[0], codes[65]) > 15
