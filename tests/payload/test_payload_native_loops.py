"""8.6 Loops over single values give, bit for bit, what vector steps give."""

from __future__ import annotations

import numpy as np
import pytest
from test_payload_native import SHAPES, features, layer, signed

from refsw import compiled
from refsw.payload.native.decoder import SampleDecoder, read_sample
from refsw.payload.native.encoder import Costs, SampleEncoder
from refsw.payload.native.starts import sparse_start

WHERE = ("refsw.entropy.rans", "refsw.payload.native.contexts", "refsw.payload.native.encoder")


def coded(shape: tuple[int, int, int], zero: int | None, own: bool) -> tuple[bytes, bytes]:
    start = layer(shape[0]) if own else sparse_start()
    levels = features(shape) if zero is None else signed(shape)
    data = SampleEncoder(start, Costs(start)).encode(levels, 3000, zero)
    return data, SampleDecoder(start, read_sample(memoryview(data), 0), shape).levels(4095).tobytes()


@pytest.mark.parametrize("own", [False, True], ids=["sparse", "layer"])
@pytest.mark.parametrize("zero", [None, 2048], ids=["unsigned", "signed"])
@pytest.mark.parametrize("shape", [*SHAPES, (128, 9, 8)], ids=str)
@pytest.mark.parametrize("machine", [False, True], ids=["interpreted", "compiled"])
def test_loops_give_what_vector_steps_give(
    shape: tuple[int, int, int], zero: int | None, own: bool, machine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(compiled.SWITCH, "0")
    steps = coded(shape, zero, own)
    if machine:
        pytest.importorskip("numba")
        monkeypatch.setenv(compiled.SWITCH, "1")
    else:
        for module in WHERE:
            monkeypatch.setattr(f"{module}.compiled", lambda loop: loop)
    assert coded(shape, zero, own) == steps


def test_damaged_words_end_as_in_vector_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that are missing are zeros, wherever symbols are decoded."""
    from refsw.entropy.rans import Decoder, Tables

    tables = Tables(np.array([[1000, 3000, 96], [4000, 90, 6]]), 12)
    contexts = np.random.default_rng(0).integers(0, 2, 500).astype(np.uint8)
    states = np.array([1 << 16, 0xFFFFFFFF, 1 << 20], np.uint32)
    found = []
    for chosen in (lambda loop: None, lambda loop: loop):
        monkeypatch.setattr("refsw.entropy.rans.compiled", chosen)
        decoder = Decoder(tables, states, np.arange(9, dtype=np.uint16))
        symbols = np.concatenate(list(decoder.symbols(contexts)))
        found.append((symbols.tolist(), decoder.states.tolist(), decoder.position, decoder.missing))
    assert found[0] == found[1]
    assert found[0][3] > 0
