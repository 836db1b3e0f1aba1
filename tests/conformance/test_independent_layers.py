"""9.11: the independent decoder and refsw make the same of layers, whole, of some of them, and of what came of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from test_independent_arrivals import changed, received, taken

import refsw
from refsw.features.config import LayerChoice
from refsw.features.decoder import decode_by_name
from refsw.syntax.codes import LayerKind, Quantizer
from tests.conformance.making import independent_module

VECTORS = Path(__file__).resolve().parents[2] / "test_vectors" / "scalable"
KINDS = ("chain-late", "chain-refinement", "chain-two", "none-int16", "prefix-4", "prefix-tree", "refinement-units")
BASE, CHANNELS, REFINEMENT = LayerKind


@pytest.fixture(scope="module")
def independent() -> Iterator[ModuleType]:
    with independent_module("dfc_incomplete") as module:
        yield module


@pytest.fixture(scope="module")
def decoder() -> Iterator[ModuleType]:
    with independent_module("dfc_decoder") as module:
        yield module


def vectors() -> list[bytes]:
    return [(VECTORS / f"scalable-{kind}_r1.dfc").read_bytes() for kind in KINDS]


def same(decoded: dict[str, Any], data: bytes, names: list[str] | None = None) -> None:
    expected = decode_by_name(data, tensors=names)
    assert set(decoded) == set(expected)
    for name, array in expected.items():
        assert (decoded[name].dtype, decoded[name].shape) == (array.dtype, array.shape)
        assert decoded[name].tobytes() == np.ascontiguousarray(array).tobytes()


@pytest.mark.parametrize("seed", range(12))
def test_layers_of_all_kinds_decode_to_the_same(decoder: ModuleType, seed: int) -> None:
    rng = random.Random(seed)
    dtype, payload = rng.choice(["f4", "f2", "f8"]), rng.choice(["stored", "zlib", "native", "hevc"])
    x = (np.random.default_rng(seed).normal(size=(3, 5, 6, 7)) * 10.0 ** rng.randrange(-3, 4)).astype(dtype)
    x[1], x[:, 3] = x[1, 0, 0, 0], x[0, 3, 0, 0]
    some = tuple(sorted(rng.sample(range(5), 3)))
    layers = [LayerChoice(BASE, channels=some, fill=rng.choice([None, (1.5, -2.0, 1e-3, 7.0, 3e4)]), purpose="first")]
    rest = [LayerChoice(REFINEMENT, channels=some[:2]), LayerChoice(CHANNELS, choices=(("quantizer", Quantizer.LOG),)),
            LayerChoice(REFINEMENT, choices=(("layout", "quilt"), ("payload", "zlib")))]  # fmt: skip
    layers += rest[: rng.randrange(4)]
    data = refsw.encode(
        x, payload=payload, qp=30, layers=tuple(layers), digest="sample", levels_digest=True,
        samples_per_unit=rng.choice([1, 2]), range_scope=rng.choice(["sample", "sequence", "channel"]),
    )  # fmt: skip
    same(decoder.decode(data), data)


def test_some_of_the_layers_decode_without_the_others(decoder: ModuleType) -> None:
    for data in vectors():
        for name in decode_by_name(data):
            same(decoder.decode(data, names=[name]), data, [name])


def test_what_came_of_layers_is_the_same(independent: ModuleType) -> None:
    originals, stranded = vectors(), 0
    for seed in range(200):
        chance = random.Random(seed)
        data = changed(chance.choice(originals), chance)
        ours, theirs = taken(independent, data), received(data)
        if "digest.value" in (ours, theirs):
            continue  # each compares digests of what it has, which out of place may be another one
        assert theirs[2:] == ours[2:], f"seed {seed}"
        assert len(theirs[0]) + theirs[1] == len(ours[0]) + ours[1], f"seed {seed}"
        stranded += ours[1]
    assert stranded > 50
