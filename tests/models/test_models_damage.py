"""Damaged and hostile model updates: a typed error or exactly the right result, in bounded time and memory."""

from __future__ import annotations

import lzma
import random
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from model_streams import data, full_header, header, new_tensor, same, stream, units_of, xz_data
from test_robustness import forge, mutate, mutate_units

import refsw
from refsw.errors import DfcError, ErrorClass
from refsw.models.state import model_digest
from refsw.syntax.codes import ElementType, TensorMode

Tensors = dict[str, Any]
Case = tuple[Tensors | None, bytes, Tensors]
"""Base, bitstream, result."""
EXACT = TensorMode.EXACT
QUICK, FULL = 2000, 10_000


def small_models() -> tuple[Tensors, Tensors]:
    rng = np.random.default_rng(1)
    base = {
        "conv": rng.standard_normal((6, 4, 3, 3)).astype(np.float32),
        "bias": rng.standard_normal(6).astype(np.float16),
        "count": np.array(41, np.int64),
        "gone": np.arange(9, dtype=np.uint8),
        "same": rng.standard_normal(70),
    }
    target = {
        "conv": base["conv"] + rng.standard_normal((6, 4, 3, 3)).astype(np.float32) / 100,
        "bias": base["bias"] * np.float16(1.5),
        "count": np.array(42, np.int64),
        "same": base["same"],
        "tied": base["same"].copy(),
        "mask": np.array([[True, False], [False, True]]),
        "renamed": np.arange(9, dtype=np.uint8) + np.arange(9, dtype=np.uint8) // 4,
    }
    return base, target


@pytest.fixture(scope="module")
def updates() -> dict[str, Case]:
    """Updates that together have every mode, both coders, labels, prediction, and a chain."""
    base, target = small_models()
    rng = np.random.default_rng(2)
    scales = 4.0 ** rng.integers(-3, 4, (40, 1))
    wide = {"w": (rng.standard_normal((40, 50)).cumsum(-1) * scales).astype(np.float32),
            "k": rng.standard_normal((30, 8, 3, 3)).cumsum(-1).astype(np.float32)}  # fmt: skip
    rows = {"r": rng.integers(0, 99, (7, 40)).astype(np.int16)[rng.integers(0, 7, 90)]}
    later = target | {"conv": target["conv"] + np.float32(0.01)}
    made: dict[str, tuple[Tensors | None, bytes]] = {
        "difference": (base, refsw.diff_models(base, target, metadata={"tool": "test"}, versions=("v1", "v2"))),
        "exact": (base, refsw.diff_models(base, target, exact=["*"], network_id="net")),
        "full": (None, refsw.diff_models(None, target, digits=2)),
        "labels and prediction": (None, refsw.diff_models(None, wide, digits=1)),
        "dictionary": (None, refsw.diff_models(None, rows)),
        "chain": (base, refsw.diff_models(base, target, later, base, digits=3)),
    }
    return {name: (have, update, refsw.apply_update(have, update)) for name, (have, update) in made.items()}


def check(case: Case, changed: bytes, what: str) -> bool:
    """Whether the damaged update was rejected; otherwise it gives the same result."""
    base, _, expected = case
    try:
        result = refsw.apply_update(base, changed)
    except DfcError as error:
        assert error.exit_code in (65, 69), what
        assert error.requirement, what
        return True
    assert same(result, expected), f"{what}: silently wrong"
    return False


def damaged(updates: dict[str, Case], count: int, seed: int) -> Iterator[tuple[Case, bytes, str]]:
    rng = random.Random(seed)
    others = [update for _, update, _ in updates.values()]
    for number in range(count):
        name = rng.choice(list(updates))
        kind = rng.random()
        update = updates[name][1]
        if kind < 0.4:
            changed = mutate(update, others, rng)
        elif kind < 0.55:
            changed = mutate_units(update, others, rng)
        else:
            changed = forge(update, rng)
        yield updates[name], changed, f"{name}, mutation {number} of seed {seed}"


def test_a_truncated_update_is_rejected_wherever_it_ends(updates: dict[str, Case]) -> None:
    for name in ("difference", "dictionary", "full"):
        base, update, _ = updates[name]
        before = None if base is None else model_digest(base)
        for size in range(len(update)):
            with pytest.raises(DfcError) as caught:
                refsw.apply_update(base, update[:size])
            assert caught.value.error_class is ErrorClass.TRUNCATED
        assert base is None or model_digest(base) == before


def test_damage_is_rejected_or_without_effect(updates: dict[str, Case]) -> None:
    rejected = sum(check(*case) for case in damaged(updates, QUICK, seed=1))
    assert rejected > 0.95 * QUICK


@pytest.mark.slow
def test_10000_damaged_updates_are_rejected_or_without_effect(updates: dict[str, Case]) -> None:
    assert sum(check(*case) for case in damaged(updates, FULL, seed=2)) > 0.95 * FULL


def test_every_byte_of_a_body_changed_behind_right_crcs(updates: dict[str, Case]) -> None:
    # Whatever follows from it, the digest of the result catches what nothing else does.
    base, update, expected = updates["difference"]
    units = [unit for unit in units_of(update) if unit[0] in (8, 9)]
    tried = 0
    for number, (kind, body) in enumerate(units):
        for place in range(0, len(body), 1 if len(body) < 300 else 3):
            changed = bytearray(body)
            changed[place] ^= 1 << place % 8
            other = [*units[:number], (kind, bytes(changed)), *units[number + 1 :]]
            check((base, update, expected), stream(*other), f"byte {place} of unit {number}")
            tried += 1
    assert tried > 200
    assert not check((base, update, expected), stream(*units), "not changed")


# --- hostile directories ---


def costs(make: Callable[[], Any]) -> tuple[DfcError, int]:
    """The error, and the most memory in use."""
    tracemalloc.start()
    try:
        with pytest.raises(DfcError) as caught:
            make()
        return caught.value, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def new_ones(*shapes: tuple[int, ...], kind: ElementType = ElementType.FLOAT64) -> bytes:
    new = [new_tensor(str(i), shape, EXACT, new_element_type=kind) for i, shape in enumerate(shapes)]
    return stream(header(None, (), new), data([[]] * len(new)))


@pytest.mark.parametrize(
    ("shapes", "requirement"),
    [
        ([(10**9,)], "level.model-elements"),
        ([(2**32 - 2,) * 15], "model.new-shape"),
        ([(2**32 - 2, 2**8)], "level.model-elements"),
        ([(2**20,)] * 65, "level.model-elements"),
        ([(2**24 + 1,)], "level.model-unit-elements"),
        ([(2**24,)], "model.expansion"),
        ([(2**21,)], "model.expansion"),
        ([(0, 2**32 - 2)] * 2000 + [(2**26 + 1,)], "level.model-elements"),
    ],
)
def test_elements_that_are_promised_cost_nothing(shapes: list[tuple[int, ...]], requirement: str) -> None:
    update = new_ones(*shapes)
    error, memory = costs(lambda: refsw.apply_update(None, update))
    assert error.requirement == requirement
    assert memory < 8 << 20


def test_words_that_are_promised_cost_nothing() -> None:
    tensors = {"x": np.zeros(3, np.int32)}
    for element, lanes in (("word_count", 0), ("word_count", 12)):
        unit = data([[1, 2, 3]], lanes_log2=lanes, **{element: 2**32 - 2})
        update = stream(full_header(tensors), unit)
        error, memory = costs(lambda update=update: refsw.apply_update(None, update))
        assert error.requirement == "model.payload-length"
        assert memory < 8 << 20


def test_labels_along_an_axis_of_an_empty_tensor_cost_nothing() -> None:
    table = {"symbol_end": 1, "first_symbol": 0, "rest_symbol": 0, "frequency_class": [0], "frequency_bits": [0]}
    groups = {"label_group_count": [1], "group_first_axis": [[0]], "group_last_axis": [[0]], "label_lanes_log2": 0}
    state = (1 << 16).to_bytes(4, "big")
    for shape in ((2**32 - 2, 0), (2**22, 0, 5)):
        unit = data([[]], tables=[table] * 2, table_count_minus1=0, label_word_count=0, word_count=0,
                    payload=lambda *_: state * 2, **groups)  # fmt: skip
        update = stream(header(None, (), [new_tensor("x", shape, EXACT)]), unit)
        error, memory = costs(lambda update=update: refsw.apply_update(None, update))
        assert error.requirement == "model.label-count"
        assert memory < 8 << 20


def test_an_expanding_xz_stream_is_bounded_by_what_the_tensor_holds() -> None:
    bomb = lzma.compress(bytes(1 << 26), check=lzma.CHECK_NONE)
    update = stream(full_header({"x": np.zeros(1000, np.uint8)}), xz_data(bomb))
    error, memory = costs(lambda: refsw.apply_update(None, update))
    assert error.requirement == "bytes.size"
    assert memory < 16 << 20  # the dictionary that the stream asks for is 8 MiB


def test_the_same_name_a_thousand_times() -> None:
    new = [new_tensor("x", (1,), EXACT)] * 1000
    error, _ = costs(lambda: refsw.apply_update(None, stream(header(None, (), new))))
    assert error.requirement == "model.name-unique"


def test_copies_of_copies() -> None:
    x = np.arange(64, dtype=np.float32)
    result = {f"{i:03}": x for i in range(300)}
    new = [new_tensor("000", (64,), EXACT)]
    new += [new_tensor(f"{i:03}", (64,), TensorMode.COPY, new_copy_entry=i - 1) for i in range(1, 300)]
    update = stream(header(None, (), new, result), data([x.view(np.int32).tolist()]))
    assert same(refsw.apply_update(None, update), result)
