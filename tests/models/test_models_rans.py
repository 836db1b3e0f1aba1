"""10.6.5: interleaved rANS, against a scalar decoder and a scalar encoder in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_streams import LOWEST, TOTAL, scalar_decode, scalar_encode

from refsw.entropy.rans import CHUNK, Decoder, encode
from refsw.models.tables import as_tables, normalize

LANES = (1, 2, 8, 64, 1024, 4096)


def random_rows(rng: np.random.Generator, tables: int) -> list[np.ndarray]:
    rows = []
    for _ in range(tables):
        counts = rng.integers(0, 100, rng.integers(1, 40)) ** rng.integers(1, 4)
        counts[rng.integers(counts.size)] += 1
        rows.append(normalize(counts, 6)[0])
    return rows


def drawn(rng: np.random.Generator, rows: list[np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Tables and symbols of values: each symbol one that its table has."""
    contexts = rng.integers(0, len(rows), count).astype(np.uint8)
    symbols = np.array([rng.choice(row.size, p=row / TOTAL) for row in (rows[t] for t in contexts)], np.uint16)
    return contexts, symbols.reshape(-1).astype(np.uint16)


def vectorized(rows: list[np.ndarray], contexts: np.ndarray, states: list[int], words: list[int]) -> Decoder:
    decoder = Decoder(as_tables(rows), np.array(states, np.uint32), np.array(words, np.uint16))
    parts = list(decoder.symbols(contexts))
    decoder.found = np.concatenate(parts).tolist() if parts else []  # type: ignore[attr-defined]
    return decoder


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("count", [0, 1, 7, 64, 1500])
def test_both_coders_agree_with_the_scalar_ones(lanes: int, count: int) -> None:
    rng = np.random.default_rng(lanes + count)
    rows = random_rows(rng, 3)
    contexts, symbols = drawn(rng, rows, count)
    states, words = encode(as_tables(rows), contexts, symbols, lanes)
    plain = [row.tolist() for row in rows]
    expected = scalar_encode(plain, contexts.tolist(), symbols.tolist(), lanes)
    assert (states.tolist(), words.tolist()) == expected
    assert scalar_decode(plain, contexts.tolist(), *expected) == (symbols.tolist(), [LOWEST] * lanes, len(words))
    decoder = vectorized(rows, contexts, *expected)
    assert decoder.found == symbols.tolist()  # type: ignore[attr-defined]
    assert decoder.states.tolist() == [LOWEST] * lanes
    assert (decoder.position, decoder.missing) == (len(words), 0)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 5), st.integers(0, 90), st.lists(st.integers(0, 0xFFFF), max_size=60))
def test_any_states_and_words_decode_to_what_the_scalar_decoder_gives(
    seed: int, lanes_log2: int, count: int, words: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, 4)
    contexts = rng.integers(0, 4, count).astype(np.uint8)
    states = rng.integers(LOWEST, 2**32, 1 << lanes_log2).tolist()
    states[0] = 2**32 - 1 if seed % 2 else LOWEST
    symbols, ends, taken = scalar_decode([row.tolist() for row in rows], contexts.tolist(), states, words)
    decoder = vectorized(rows, contexts, states, words)
    assert decoder.found == symbols  # type: ignore[attr-defined]
    assert decoder.states.tolist() == ends
    assert decoder.position == taken
    assert decoder.missing == max(0, taken - len(words))


def test_a_certain_symbol_takes_no_words() -> None:
    rows = [np.array([0, 0, TOTAL])]
    states, words = encode(as_tables(rows), np.zeros(500, np.uint8), np.full(500, 2, np.uint16), 4)
    assert states.tolist() == [LOWEST] * 4
    assert words.size == 0


def test_the_rarest_symbol_at_both_ends_of_the_slots() -> None:
    rows = [np.array([1, TOTAL - 2, 1])]
    symbols = np.array([0, 2, 0, 2, 1, 1, 0, 0, 2, 2] * 30, np.uint16)
    contexts = np.zeros(symbols.size, np.uint8)
    states, words = encode(as_tables(rows), contexts, symbols, 2)
    decoder = vectorized(rows, contexts, states.tolist(), words.tolist())
    assert decoder.found == symbols.tolist()  # type: ignore[attr-defined]
    assert 14 * 24 * 10 / 16 <= words.size <= 300


@pytest.mark.parametrize("lanes", [1, 3, 512])
def test_more_values_than_are_coded_at_once(lanes: int) -> None:
    rng = np.random.default_rng(9)
    count = 2 * CHUNK + 77 if lanes > 1 else CHUNK // 8
    rows = random_rows(rng, 2)
    contexts = rng.integers(0, 2, count).astype(np.uint8)
    slots = rng.integers(0, TOTAL, count)
    by_table = [np.searchsorted(np.cumsum(row), slots, side="right") for row in rows]
    symbols = np.where(contexts == 0, *by_table).astype(np.uint16)
    states, words = encode(as_tables(rows), contexts, symbols, lanes)
    decoder = vectorized(rows, contexts, states.tolist(), words.tolist())
    assert decoder.found == symbols.tolist()  # type: ignore[attr-defined]
    assert (decoder.states == LOWEST).all()
    assert decoder.position == len(words)


def test_coding_takes_about_as_many_bits_as_the_entropy() -> None:
    rng = np.random.default_rng(10)
    row, _ = normalize(np.array([700, 200, 60, 30, 10]), 13)
    symbols = rng.choice(5, 40_000, p=row / TOTAL).astype(np.uint16)
    _, words = encode(as_tables([row]), np.zeros(symbols.size, np.uint8), symbols, 16)
    ideal = -np.log2(row[symbols] / TOTAL).sum()
    assert ideal - 16 * 16 <= 16 * words.size <= 1.001 * ideal + 16


def test_the_decoding_table_has_every_slot_of_every_symbol() -> None:
    rows = random_rows(np.random.default_rng(11), 3)
    steps, names = as_tables(rows).decoding
    for t, row in enumerate(rows):
        part = slice(t * TOTAL, (t + 1) * TOTAL)
        expected = [(s, int(f) << 16 | i) for s, f in enumerate(row) for i in range(f)]
        assert list(zip(names[part].tolist(), steps[part].tolist(), strict=True)) == expected
