"""10.6.1: values as symbols and raw bits, against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_streams import raw_count, symbol_of, value_of

from refsw.entropy.rawbits import RawReader
from refsw.models.symbols import bases, pack_raw, raw_length, to_symbols, to_values

LEAST, GREATEST = -(2**63), 2**63 - 1
# Magnitudes of every size, and the ends of all classes.
SIZED = st.integers(0, 62).flatmap(lambda bits: st.integers(-(2 << bits) + 1, (2 << bits) - 1))
VALUES = st.lists(st.one_of(SIZED, st.integers(LEAST, GREATEST), st.integers(-40, 40)), max_size=60)


def edges() -> list[int]:
    found = {0, LEAST, GREATEST}
    for symbol in range(1, 503):
        n = raw_count(symbol)
        found |= {value_of(symbol, "0" * n), value_of(symbol, "1" * n)} if n else {value_of(symbol, "")}
    return sorted(found)


def coded(values: list[int]) -> tuple[list[int], str]:
    parts = [symbol_of(v) for v in values]
    return [s for s, _ in parts], "".join(raw for _, raw in parts)


def check(values: list[int]) -> None:
    array = np.array(values, np.int64)
    symbols, magnitudes = to_symbols(array)
    expected, bits = coded(values)
    assert symbols.tolist() == expected
    assert magnitudes.tolist() == [abs(v) for v in values]
    data = pack_raw(symbols, magnitudes)
    text = "".join(f"{byte:08b}" for byte in data)
    assert text == bits + "0" * (-len(bits) % 8)
    reader = RawReader(data)
    assert to_values(symbols, reader).tolist() == values
    assert (reader.position, reader.missing) == (len(bits), 0)
    assert reader.rest_is_zero()


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_values_round_trip_and_are_coded_as_plain_python_codes_them(values: list[int]) -> None:
    check(values)


def test_the_ends_of_every_class() -> None:
    values = edges()
    assert len(values) == 2 * 15 + 1 + 4 * 236 + 1
    check(values)
    check(values[::-1])


def test_the_value_of_every_symbol_without_raw_bits() -> None:
    for symbol in range(504):
        expected = value_of(symbol, "0" * raw_count(symbol))
        assert bases()[symbol] == (expected if expected <= GREATEST else expected - 2**64)
    assert raw_length(np.arange(504, dtype=np.uint16)).tolist() == [raw_count(s) for s in range(504)]


def test_symbols_0_to_2_and_the_last_one() -> None:
    symbols, _ = to_symbols(np.array([0, -1, 1, -15, 15, -16, 16, LEAST]))
    assert symbols.tolist() == [0, 1, 2, 29, 30, 31, 32, 503]
    assert raw_count(503) == 61


def test_raw_bits_that_span_many_batches() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(-(2**40), 2**40, 140_000)
    values[::3] >>= 30
    symbols, magnitudes = to_symbols(values)
    data = pack_raw(symbols, magnitudes)
    _, bits = coded(values.tolist())
    assert data == int(bits + "0" * (-len(bits) % 8), 2).to_bytes(len(data), "big")
    reader = RawReader(data)
    parts = [to_values(symbols[i : i + 9973], reader) for i in range(0, len(symbols), 9973)]
    assert np.array_equal(np.concatenate(parts), values)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.lists(st.lists(st.integers(1, 61), min_size=1, max_size=9), max_size=6))
def test_bit_strings_are_those_of_a_plain_reader(data: bytes, takes: list[list[int]]) -> None:
    text = "".join(f"{byte:08b}" for byte in data)
    beyond = text + "0" * 4000
    reader, place = RawReader(data), 0
    for lengths in takes:
        expected = []
        for length in lengths:
            expected.append(int(beyond[place : place + length], 2))
            place += length
        assert reader.take(np.array(lengths)).tolist() == expected
        assert reader.position == place
    assert reader.missing == max(0, place - len(text))
    left = text[place:]
    assert reader.rest_is_zero() == (place <= len(text) and len(left) < 8 and "1" not in left)


@pytest.mark.parametrize(
    ("data", "taken", "fine"),
    [(b"\x80", 1, True), (b"\x81", 1, False), (b"\x81", 8, True), (b"\x80\x00", 1, False), (b"\x80\x00", 9, True),
     (b"\x80", 9, False)],
)  # fmt: skip
def test_what_is_left_is_less_than_a_byte_of_zeros(data: bytes, taken: int, fine: bool) -> None:
    reader = RawReader(data)
    reader.take(np.array([taken]))
    assert reader.rest_is_zero() is fine


def test_no_values_have_no_bits() -> None:
    symbols, magnitudes = to_symbols(np.empty(0, np.int64))
    assert pack_raw(symbols, magnitudes) == b""
    assert RawReader(b"").rest_is_zero()
    assert not RawReader(b"\0").rest_is_zero()
