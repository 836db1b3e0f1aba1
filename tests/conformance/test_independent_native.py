"""Payloads with prediction in time (8.6.9) that no encoder would choose: any motion, any step, any values.

The decoder written from spec/ alone gives every context; values are drawn from the tables, and packed in reverse.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import refsw
from refsw.syntax.codes import Quantizer, RangeScope, UnitType
from tests.conformance.making import independent_module
from tests.workshop import workshop

COUNT, LANES = 4, 2
ESCAPE_BITS = 16


@pytest.fixture(scope="module")
def independent() -> Iterator[ModuleType]:
    with independent_module("dfc_decoder") as module:
        yield module


@pytest.fixture(scope="module")
def units() -> Iterator[ModuleType]:
    with workshop("stream_mutations") as module:
        yield module


def ue(value: int) -> str:
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def se(value: int) -> str:
    return ue(2 * value - 1 if value > 0 else -2 * value)


def packed(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int("0" + bits, 2).to_bytes(len(bits) // 8, "big")


def prediction(rng: random.Random, height: int, width: int) -> bytes:
    """A native_prediction: steps and vectors of every size."""
    steps = 1, 256, rng.randrange(1, 4096), (1 << 24) - 1
    head = f"1{rng.choice(steps):024b}1"
    log2, size = rng.choice((1, 2, 8)), rng.choice((1, 6, 127))
    rows, columns = -(-height >> log2), -(-width >> log2)
    head += f"{log2 - 1:03b}{ue(rows - 1)}{ue(columns - 1)}"
    vectors = np.zeros((rows, columns, 2), int)
    for i, j in np.ndindex(rows, columns):
        left = vectors[i, j - 1] if j else np.zeros(2, int)
        right = (vectors[i - 1, j + 1] if j + 1 < columns else np.zeros(2, int)) if i else left
        expected = np.median([left, vectors[i - 1, j] if i else left, right], 0).astype(int)
        vectors[i, j] = [rng.randint(-size - 1, size) for _ in range(2)] if rng.random() < 0.7 else expected
        delta = vectors[i, j] - expected
        head += f"1{se(delta[0])}{se(delta[1])}" if rng.random() < 0.5 or delta.any() else "0"
    return packed(head)


def payload(native: Any, rng: random.Random, tensor: Any) -> bytes:
    """COUNT samples, the first of them intra."""
    symbols: list[tuple[int, int, int]] = []
    raw: list[str] = []

    class Drawn(native.NativeSample):  # type: ignore[misc]
        """Draws what a decoder reads, and remembers it."""

        def run(self, which: Any, tables: Any) -> Any:
            out = np.empty(len(which), np.int64)
            for i, number in enumerate(which):
                of_slot, frequencies, starts = tables[number]
                drawn = int(of_slot[rng.randrange(native.SLOTS)])
                if drawn == len(frequencies) - 1 == native.ESCAPE:
                    drawn = 0  # of 64 codes; no value is left for the escape
                out[i] = drawn
                symbols.append((i % self.lanes, int(frequencies[drawn]), int(starts[drawn])))
            return out

        def bits(self, n: int) -> int:
            value = (1 << 16) - 1 if n == ESCAPE_BITS else rng.getrandbits(int(n))
            raw.append(f"{value:0{n}b}")
            return value

    data, before = b"", None
    for number in range(COUNT):
        what = prediction(rng, tensor.height, tensor.width) if number else b"\0"
        ahead = native.Prediction(what, 0, before, tensor.height, tensor.width)
        signed, zero = rng.randrange(2), rng.randrange(tensor.top + 1)
        step = rng.choice((1, 64, 256, 16 * tensor.top))
        head = f"{step:024b}" + (f"1{zero:016b}" if signed else "0")
        head += "1" + f"{20:05b}" + "".join(f"{rng.randrange(60, 124):08b}" for _ in range(20)) + f"{LANES:04b}"
        symbols.clear()
        raw.clear()
        nothing = packed(head + ue(0) + ue(0)) + (1 << 16).to_bytes(4, "big") * (1 << LANES)
        pictures = -(-tensor.channels // (tensor.R * tensor.G))
        sample = Drawn(tensor.native, tensor, nothing, 0, pictures, ahead)
        states, words = [1 << 16] * (1 << LANES), []
        for lane, frequency, start in reversed(symbols):
            if states[lane] >= frequency << 20:
                words.append(states[lane] & 0xFFFF)
                states[lane] >>= 16
            states[lane] = states[lane] // frequency * native.SLOTS + start + states[lane] % frequency
        rest = packed("".join(raw))
        data += what + packed(head + ue(len(words)) + ue(len(rest)))
        data += struct.pack(f">{len(states)}I{len(words)}H", *states, *reversed(words)) + rest
        before = sample.levels - sample.zero
    return data


def stream(independent: ModuleType, units: ModuleType, seed: int) -> bytes:
    """The bitstream of an encoder with another payload in it."""
    rng = random.Random(seed)
    shape = rng.choice(((9, 5, 7), (1, 1, 9), (3, 8, 1), (21, 4, 3), (2, 17, 12)))
    config = refsw.EncoderConfig.preset("native").replace(
        quantizer=Quantizer.UNIFORM, bit_depth=rng.choice((3, 8, 11, 16)), range_scope=RangeScope.SEQUENCE,
        ranges=((-1.0, 1.0),), intra_period=COUNT, align=rng.choice((1, 1, 4)),
    )  # fmt: skip
    x = np.linspace(-1, 1, COUNT * int(np.prod(shape)), dtype=np.float32).reshape(COUNT, *shape)
    data = refsw.encode(x, axes="TCHW", config=config)
    (tensor,) = independent.Decoder(data).tensors.values()
    assert tensor.predicts
    whole = units.cut(data)
    index = next(i for i, part in enumerate(whole.parts) if part.head >> 1 == UnitType.FEATURE_DATA)
    part = whole.parts[index]
    begin = next(place for name, _, place, _ in part.rows if name == "predicted_flag") // 8
    body = part.body[:begin] + payload(independent.dfc_native, rng, tensor)
    other = replace(part, body=body, rows=())
    return replace(whole, parts=(*whole.parts[:index], other, *whole.parts[index + 1 :])).data()


@pytest.mark.parametrize("seed", range(10))
def test_any_motion_and_any_values_decode_to_the_same(independent: ModuleType, units: ModuleType, seed: int) -> None:
    data = stream(independent, units, seed)
    expected = refsw.decode(data)
    decoded = independent.decode(data)["tensor0"]
    assert len(np.unique(decoded)) > 1
    assert decoded.tobytes() == np.ascontiguousarray(expected).tobytes()


def test_damage_within_predictions_gets_one_verdict(independent: ModuleType, units: ModuleType) -> None:
    rng, original = random.Random(2), stream(independent, units, 7)
    verdicts = set()
    for _ in range(40):
        whole = units.cut(original)
        index = next(i for i, part in enumerate(whole.parts) if part.head >> 1 == UnitType.FEATURE_DATA)
        part = whole.parts[index]
        rows = [i for i, (name, *_) in enumerate(part.rows) if name == "predicted_flag"]
        first = rng.choice(rows)
        stop = next(i for i in range(first, len(part.rows)) if part.rows[i][0] == "quantization_step")
        body = bytearray(part.body)
        place = rng.randrange(part.rows[first][2], part.rows[stop][2])
        body[place // 8] ^= 128 >> place % 8
        damaged = replace(part, body=bytes(body))
        data = replace(whole, parts=(*whole.parts[:index], damaged, *whole.parts[index + 1 :])).data()
        verdicts.add(one := verdict(independent.decode, independent.Reject, data))
        assert one == verdict(refsw.decode, refsw.DfcError, data)
    assert {code for code, _ in verdicts} == {0, 65}


def verdict(decode: Any, error: type[Exception], data: bytes) -> tuple[int, bytes]:
    """The exit code, and the elements where there are any."""
    try:
        decoded = decode(data)
    except error as raised:
        return raised.exit_code, b""  # type: ignore[attr-defined]
    return 0, np.ascontiguousarray(decoded["tensor0"] if isinstance(decoded, dict) else decoded).tobytes()
