"""10.6.2: frequency tables from elements, and the tables that an encoder makes of counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_streams import TOTAL

from refsw.entropy.logarithms import FRACTION, log2_fixed
from refsw.errors import ErrorClass, SemanticError
from refsw.models.labels import Group, Labelling
from refsw.models.tables import SAME, entropy, from_values, merge, normalize
from refsw.syntax.declaration import Values

COUNTS = st.one_of(
    st.lists(st.integers(0, 9), min_size=1, max_size=504),
    st.lists(st.integers(0, 2**40), min_size=1, max_size=40),
    st.lists(st.sampled_from([0, 1, 2**30]), min_size=1, max_size=504),
).filter(any)


def elements(tables: list[dict[str, Any]], precision: int) -> Values:
    return {"frequency_precision": precision} | {name: [table[name] for table in tables] for name in SAME}


def plain_row(table: dict[str, Any], precision: int) -> list[int]:
    """10.6.2 as it stands there."""
    row = [0] * table["symbol_end"]
    rest = table["first_symbol"] + table["rest_symbol"]
    for i, (c, bits) in enumerate(zip(table["frequency_class"], table["frequency_bits"], strict=True)):
        s = table["first_symbol"] + i
        if c > 0 and s != rest:
            n = min(c - 1, precision)
            assert 0 <= bits < 2**n or n == bits == 0
            row[s] = (2**n + bits) * 2 ** (c - 1 - n)
    row[rest] = 2**14 - sum(row)
    return row


@settings(max_examples=150, deadline=None)
@given(COUNTS, st.integers(0, 13))
def test_what_an_encoder_makes_of_counts_is_a_table_that_a_decoder_reads(counts: list[int], precision: int) -> None:
    row, table = normalize(np.array(counts), precision)
    assert row.sum() == TOTAL
    assert all((f > 0) == (c > 0) for f, c in zip(row.tolist(), counts, strict=False))
    assert not any(counts[len(row) :])
    assert row.tolist() == plain_row(table, precision)
    assert table["symbol_end"] == len(row) <= 504
    assert max(table["frequency_class"]) <= 14
    decoded = from_values(elements([table, SAME, table], precision), 0)
    assert [r.tolist() for r in decoded] == [row.tolist()] * 3


def test_frequencies_follow_the_counts() -> None:
    counts = np.array([0, 1000, 500, 250, 125, 0, 125])
    row, table = normalize(counts, 13)
    assert row.tolist() == [0, 8192, 4096, 2048, 1024, 0, 1024]
    assert (table["first_symbol"], table["rest_symbol"]) == (1, 0)


@pytest.mark.parametrize(
    ("size", "bits", "left"), [([14, 14], [0, 0], 0), ([14, 13], [8191, 0], None), ([14, 0], [8191, 0], 1)]
)
def test_the_rest_symbol_needs_a_frequency(size: list[int], bits: list[int], left: int | None) -> None:
    table = {"symbol_end": 3, "first_symbol": 0, "rest_symbol": 2, "frequency_class": [*size, 0],
             "frequency_bits": [*bits, 0]}  # fmt: skip
    if left == 1:
        assert from_values(elements([table], 13), 8)[0].tolist() == [TOTAL - 1, 0, 1]
        return
    with pytest.raises(SemanticError) as caught:
        from_values(elements([table], 13), 8)
    assert caught.value.requirement == "model.rest-frequency"
    assert (caught.value.error_class, caught.value.bit_offset) == (ErrorClass.OUT_OF_RANGE, 8)


def test_a_table_that_is_the_same_is_that_before() -> None:
    one, two = normalize(np.array([3, 1]), 13)[1], normalize(np.array([0, 0, 5]), 13)[1]
    rows = from_values(elements([one, SAME, two, SAME, SAME], 13), 0)
    assert rows[0] is rows[1]
    assert rows[2] is rows[3] is rows[4]
    assert rows[2].tolist() == [0, 0, TOTAL]


# --- an encoder's arithmetic ---


def test_log2_in_integers_is_close_to_log2_and_monotone() -> None:
    rng = np.random.default_rng(1)
    n = np.unique(np.concatenate([
        np.arange(1, 20_000), 2 ** np.arange(52), 2 ** np.arange(1, 52) - 1, 2 ** np.arange(51) + 1,
        rng.integers(1, 2**52, 5000), 2 ** rng.integers(0, 52, 5000) + rng.integers(0, 3, 5000),
    ]))  # fmt: skip
    n = n[n < 2**52]
    found = log2_fixed(n)
    exact = np.log2(n.astype(np.float64)) * 2**FRACTION
    assert np.abs(found - exact).max() <= 2
    assert (np.diff(found) >= 0).all()
    assert log2_fixed(2 ** np.arange(52)).tolist() == [k << FRACTION for k in range(52)]
    assert log2_fixed(0) == 0


def test_entropy_is_close_to_that_of_the_definition() -> None:
    counts = np.array([[7, 0, 25, 1, 90], [0, 0, 0, 0, 0], [5, 0, 0, 0, 0]])
    expected = [sum(-c * math.log2(c / sum(row)) for c in row if c) for row in counts.tolist()]
    assert entropy(counts) / 2**FRACTION == pytest.approx(expected, abs=0.01)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 20), st.integers(0, 13))
def test_merging_groups_neighbours_and_leaves_no_empty_table_alone(
    seed: int, tables: int, symbols: int, precision: int
) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, (tables, symbols)) ** rng.integers(0, 9, (tables, 1)) * rng.integers(0, 2, (tables, 1))
    leaders = merge(counts, precision, 256).tolist()
    assert len(leaders) == tables
    assert leaders[0] == 0
    for t, leader in enumerate(leaders):
        assert leader in (t, leaders[t - 1])
    groups = [counts[[t for t in range(tables) if leaders[t] == leader]] for leader in sorted(set(leaders))]
    assert len(groups) == 1 or all(group.any() for group in groups)


def test_merging_joins_what_is_alike_and_parts_what_is_not() -> None:
    alike = np.tile([500, 300, 200], (4, 1))
    assert merge(alike, 6, 256).tolist() == [0, 0, 0, 0]
    apart = np.array([[90_000, 10, 10], [90_000, 11, 9], [10, 10, 90_000], [9, 11, 90_000]])
    assert merge(apart, 6, 256).tolist() == [0, 0, 2, 2]


# --- 10.6.3 ---


def test_the_table_of_every_value_by_the_formula() -> None:
    shape = (3, 2, 4, 2)
    groups = (Group(0, 0), Group(2, 3))
    rng = np.random.default_rng(2)
    labels = (rng.integers(0, 5, 3), rng.integers(0, 9, 8))
    labelling = Labelling(11, 2, groups, labels)
    expected = [
        11 + 2 * int(labels[0][a] + labels[1][c * 2 + d])
        for a in range(3) for b in range(2) for c in range(4) for d in range(2)
    ]  # fmt: skip
    assert labelling.contexts(shape).tolist() == expected
    assert labelling.highest() == 11 + 2 * int(labels[0].max() + labels[1].max())
    assert [group.size(shape) for group in groups] == [3, 8]
    assert Labelling(7).contexts(()).tolist() == [7]
    assert Labelling(7).contexts((3, 0)).tolist() == []
