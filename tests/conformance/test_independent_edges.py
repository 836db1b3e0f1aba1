"""Both decoders of model updates take what is allowed at its edge, and reject what is not."""

from __future__ import annotations

import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from both_updates import (  # noqa: F401 - a fixture
    COPY,
    EXACT,
    EXACT_DIFFERENCE,
    QUANTIZED,
    QUANTIZED_DIFFERENCE,
    REMOVED,
    UNCHANGED,
    VALUES,
    Tensors,
    X,
    both_reject,
    independent_models,
    packed,
    same,
    whole,
)

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "models"))
from model_streams import (  # noqa: E402
    LOWEST,
    Unit,
    bytes_of,
    data,
    flat_row,
    flat_table,
    full_header,
    header,
    new_tensor,
    scalar_encode,
    stream,
    xz_data,
)

from refsw.syntax.codes import (  # noqa: E402
    ElementType,
    UnitType,
)

MOST = 16 << 14  # values that 16 lanes may have; a unit of them has room for 2^20 more than that


def zeros(*counts: int, copies: list[int] | None = None) -> list[Unit]:
    """New tensors of zeros, 64 bytes of payload for each but for ones, which stand in the unit before; and copies."""
    entries = [(k, EXACT, 0) for k in counts]
    for i, times in enumerate(copies or []):
        entries += [(counts[i], COPY, i)] * times
    names = [f"{i:02}" for i in range(len(entries))]
    new = [new_tensor(n, (k,), m, new_copy_entry=i) for n, (k, m, i) in zip(names, entries, strict=True)]
    lanes, units = bytes_of([LOWEST] * 16, []), []
    for i, count in enumerate(counts):
        if count > 1:
            tensors = [[]] * (1 + (counts[i + 1 :][:1] == (1,)))
            units.append(data(tensors, first=i, lanes_log2=4, payload=lambda *_: lanes))
    result = {n: np.zeros(k, np.float32) for n, (k, _, _) in zip(names, entries, strict=True)}
    return [header(None, (), new, result), *units]


def xz_zeros(*counts: int) -> list[Unit]:
    """New tensors of zeros in .xz streams, which need less than a byte for 4096 of them."""
    tensors = {str(i): np.zeros(count, np.int8) for i, count in enumerate(counts)}
    return [
        full_header(tensors),
        *(xz_data(lzma.compress(bytes(k), preset=0), first=i) for i, k in enumerate(counts)),
    ]


def labelled(labels: list[int], end: int = 9, tables: int = 2, **changes: Any) -> Unit:
    """The values of X with a label for each row, all tables flat."""
    states, words = scalar_encode([flat_row(end)], [0] * len(labels), labels, 1)
    own = {"label_group_count": [1], "group_first_axis": [[0]], "group_last_axis": [[0]], "label_lanes_log2": 0}
    return data(
        [VALUES],
        tables=[flat_table(2 * 16 + 1 + 64)] * tables + [flat_table(end)],
        table_count_minus1=tables - 1,
        **values_of(2 * 16 + 1 + 64, bytes_of(states, words)),
        **own | {"label_word_count": len(words)} | changes,
    )


def labels_of_rows() -> Unit:
    """2^15 + 2 values of 0 in four lanes, with a label 0 for each row in one."""
    own = {"label_group_count": [1], "group_first_axis": [[0]], "group_last_axis": [[0]], "label_word_count": 0}
    tables = [flat_table(1)] * 2
    return data(
        [[]], lanes_log2=2, tables=tables, table_count_minus1=0, label_lanes_log2=0,
        payload=lambda *_: bytes_of([LOWEST] * 5, []), **own,
    )  # fmt: skip


def values_of(end: int, before: bytes = b"") -> dict[str, Any]:
    """The payload of VALUES with a flat table of `end` symbols, after that of the labels."""
    symbols, raw = [6, 1, 0, 2 * (16 + 8 + 0), 2 * (16 + 4 * 5 + 3) - 1, 10], ""
    for value, skip in ((70, 3), (900, 3)):
        raw += f"{value:b}"[skip:]
    states, words = scalar_encode([flat_row(end)], [0] * 6, symbols, 1)
    return {"payload": lambda *_: before + bytes_of(states, words, raw), "word_count": len(words)}


ALLOWED: dict[str, Callable[[], list[Unit]]] = {
    "as they are": lambda: [full_header(X), data([VALUES])],
    "4096 lanes": lambda: [full_header(X), data([VALUES], lanes_log2=12)],
    "labels": lambda: [full_header(X), labelled([0, 1])],
    "labels apart": lambda: [full_header(X), labelled([0, 2], tables=5, label_step_minus1=[1])],
    "labels above 30": lambda: [full_header(X), labelled([0, 40], end=60, tables=42)],
    "xz": lambda: [full_header(X), xz_data(packed(VALUES), log2=2)],
    "metadata": lambda: [
        (UnitType.METADATA, b"\0\1k\0\1v"), full_header(X), (UnitType.METADATA, b"\0\1k\0\0"), data([VALUES])],
    "as many values as the lanes allow": lambda: zeros(MOST),
    "as many elements as the bytes allow": lambda: zeros(MOST - 1, 1, copies=[4, 4]),
    "as many elements as the bytes of two units allow": lambda: zeros(MOST, MOST, copies=[4]),
    "much in an .xz stream": lambda: xz_zeros(3_000_000),
    "an extent of 0": lambda: [
        header(None, (), [new_tensor("x", (2**20, 0, 2**20), EXACT)], {"x": np.zeros((2**20, 0, 2**20), np.float32)}),
        data([[]])],
    **{f"the name {name}": lambda name=name: [full_header({name: X["x"]}), data([VALUES])]
       for name in ("C:", "a/b:/c", "...", "a..b/c", "a/", "a//b", ".", "x:y")},
}  # fmt: skip


@pytest.mark.parametrize("what", ALLOWED)
def test_what_is_allowed(independent: ModuleType, what: str) -> None:
    same(independent, None, stream(*ALLOWED[what]()))


# --- what is not ---

B = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(6, dtype=np.int32), "c": np.ones((3, 2), "f2")}


S = {str(i): np.float32(i).reshape(()) for i in range(6)}


KEEP = [UNCHANGED] * 3


INT32, FLOAT16 = ElementType.INT32, ElementType.FLOAT16


def on_base(*new: dict[str, Any], modes: list[int] | None = None, **changes: Any) -> Unit:
    return header(B, KEEP if modes is None else modes, new, B, **changes)


def either(a: Unit, b: Unit) -> Unit:
    """A unit in which an element has the bits of both: what the writer of units would not let through."""
    return a[0], bytes(x | y for x, y in zip(a[1], b[1], strict=False))


def sourced(name: str, mode: int, entry: int, kind: int = ElementType.FLOAT32, shape: Any = (6,)) -> dict[str, Any]:
    return new_tensor(name, shape, mode, new_element_type=kind, source_flag=1, source_entry=entry)


def words_of(dtype: Any, *coded: int, mode: int = EXACT, **changes: Any) -> list[Unit]:
    return [full_header({"x": np.zeros(len(coded), dtype)}, mode, **changes), data([coded])]


def predicted(*coded: int) -> list[Unit]:
    options = {
        "predictor_count": 1,
        "predictor_taps_minus2": [0],
        "predictor_coefficient": [[[64]]],
        "predictor": [1],
    }
    return [full_header({"x": np.zeros(len(coded), np.int64)}), data([coded], **options)]


VIOLATIONS: list[tuple[str, Tensors | None, Callable[[], list[Unit]]]] = [
    *(("model.name-path", B, lambda name=name: [on_base(new_tensor(name, (0,), EXACT)), data([[]])])
      for name in ("..", "../x", "x/..", "x\\..\\y", "/x", "\\", "C:/x", "c:\\x", "ab:/x")),
    ("model.utf8", B, lambda: [on_base(new_tensor(b"\xed\xa0\x80", (0,), EXACT)), data([[]])]),
    ("model.utf8", B, lambda: [on_base(network_id=b"\xff")]),
    ("model.name-characters", B, lambda: [on_base(model_version=b"\x7f")]),
    ("model.name-unique", None, lambda: [header(None, (), [new_tensor("x", (0,), EXACT)] * 2), data([[]] * 2)]),
    ("model.name-unique", B, lambda: [on_base(new_tensor("b", (0,), EXACT)), data([[]])]),
    ("model.new-shape", None, lambda: [header(None, (), [new_tensor("x", (0, 2**21, 2**20), EXACT)]), data([[]])]),
    ("model.new-shape", None, lambda: [header(None, (), [new_tensor("x", (2**32 - 2,) * 2, EXACT)]), data([[]])]),
    ("model.source-once", B, lambda: [on_base(sourced("x", UNCHANGED, 1, INT32))]),
    ("model.source-once", B, lambda: [on_base(sourced("x", UNCHANGED, 1, INT32), sourced("y", UNCHANGED, 1, INT32),
                                              modes=[UNCHANGED, REMOVED, REMOVED])]),
    ("model.base-tensors", B, lambda: [on_base(modes=KEEP[:2])]),
    ("model.base-tensors", B, lambda: [on_base(modes=[*KEEP, REMOVED])]),
    ("model.new-mode", B, lambda: [on_base(new_tensor("x", (), REMOVED))]),
    ("model.source", B, lambda: [on_base(new_tensor("x", (6,), UNCHANGED))]),
    ("model.source", B, lambda: [on_base(sourced("x", EXACT, 1, INT32), modes=[0, 1, 0]), data([[0] * 6])]),
    ("model.source-format", B, lambda: [on_base(sourced("x", UNCHANGED, 1), modes=[0, 1, 0])]),
    ("model.source-format", B, lambda: [on_base(sourced("x", UNCHANGED, 1, INT32, (5,)), modes=[0, 1, 0])]),
    ("model.source-format", B, lambda: [
        on_base(sourced("x", EXACT_DIFFERENCE, 2), modes=[0, 0, 1]), data([[0] * 6])]),
    ("model.quantized-type", B, lambda: [on_base(modes=[0, QUANTIZED_DIFFERENCE, 0]), data([[0] * 6])]),
    ("model.quantized-type", None, lambda: words_of("i4", 5, mode=QUANTIZED)),
    ("model.copy", B, lambda: [on_base(modes=[UNCHANGED, COPY, UNCHANGED], copies={1: 0})]),
    ("model.copy", B, lambda: [on_base(new_tensor("x", (2, 3), COPY), modes=[REMOVED, 0, 0])]),
    ("model_header.tensor_mode", B, lambda: [either(*(on_base(modes=[0, m, 0]) for m in (EXACT, EXACT_DIFFERENCE)))]),
    ("model_header.step_multiplier", B, lambda: [either(*(on_base(step_multiplier=m) for m in (1, 2)))]),
    ("model_header.new_copy_entry", S, lambda: [
        either(*(header(S, [0] * 6, [new_tensor("x", (), COPY, new_copy_entry=i)]) for i in (4, 5)))]),
    ("model_header.source_entry", S, lambda: [
        either(*(header(S, [REMOVED] * 6, [sourced("x", UNCHANGED, i, shape=())]) for i in (4, 5)))]),
    ("model_header.new_element_type", None, lambda: [
        either(*(full_header({"x": np.zeros(0)}, new_element_type=[i]) for i in (3, 12)))]),
    ("model_data.lanes_log2", None, lambda: [
        full_header(X), either(*(data([VALUES], lanes_log2=n) for n in (3, 12)))]),
    ("model_data.frequency_precision", None, lambda: [
        full_header(X), either(*(data([VALUES], frequency_precision=n) for n in (13, 6)))]),
    ("model_data.model_coder", None, lambda: [full_header(X), (UnitType.MODEL_DATA, b"\xe0\0")]),
    ("model.coded-order", B, lambda: [on_base(modes=[EXACT, EXACT, 0]), data([[0] * 6], first=1)]),
    ("model.coded-order", B, lambda: [on_base(), data([[]])]),
    ("model.complete", B, lambda: [on_base(modes=[EXACT, EXACT, 0]), data([[0] * 6])]),
    ("model.complete", B, lambda: [on_base(modes=[0, EXACT, 0]), on_base()]),
    ("model.value-range", None, lambda: words_of("i2", 2**15)),
    ("model.value-range", None, lambda: words_of("f8", 2**62, mode=QUANTIZED, step_multiplier=1)),
    ("model.finite", None, lambda: words_of("f4", 0x7F800000)),
    ("model.finite", None, lambda: words_of("f2", 65520, mode=QUANTIZED)),
    ("model.bool", None, lambda: words_of("?", 1, 2)),
    ("model.rest-frequency", None, lambda: whole(tables=[
        flat_table(3) | {"frequency_class": [0, 14, 14], "frequency_bits": [0, 0, 0]}])),
    ("model.tables", None, lambda: whole(tables=[flat_table(97)] * 257)),
    ("model.label-axes", None, lambda: [full_header(X), labelled([0, 1], group_last_axis=[[2]])]),
    ("model.context-bound", None, lambda: [full_header(X), labelled([0, 2])]),
    ("model.context-bound", None, lambda: whole(table_offset=[1])),
    ("model.state-range", None, lambda: whole(lambda s, w, raw: bytes_of([LOWEST - 1], w, raw))),
    ("model.words", None, lambda: whole(lambda s, w, raw: bytes_of(s, [*w, 0], raw), word_count=4)),
    ("model.final-states", None, lambda: [
        full_header({"x": np.zeros(0)}), data([[]], payload=lambda *_: bytes_of([LOWEST + 1], []))]),
    ("model.raw-bits", None, lambda: whole(lambda s, w, raw: bytes_of(s, w, raw + "0" * 8))),
    ("model.raw-bits", None, lambda: whole(lambda s, w, raw: bytes_of(s, w, raw + "1"))),
    ("model.raw-bits model.payload-length", None, lambda: whole(lambda s, w, raw: bytes_of(s, w, raw[:-8]))),
    ("model.payload-length", None, lambda: whole(lambda s, w, raw: b"")),
    ("model.predictor-taps", None, lambda: predicted(1, 2, 3)),
    ("model.prediction-range", None, lambda: predicted(0, 2**40)),
    ("model.prediction-range", None, lambda: predicted(2**39, 2**39)),
    ("model.xz-values", None, lambda: [full_header({"x": np.zeros((0, 3))}), xz_data(packed([]))]),
    ("model.xz-values", None, lambda: [full_header({"x": np.zeros((0, 3))}), xz_data(b"")]),
    ("bytes.size", None, lambda: [full_header(X), xz_data(packed(VALUES[1:]), log2=2)]),
    ("bytes.trailing", None, lambda: [full_header(X), xz_data(packed(VALUES) + bytes(4), log2=2)]),
    ("bytes.xz bytes.format", None, lambda: [full_header(X), xz_data(
        lzma.compress(np.array(VALUES, "<i4").tobytes(), lzma.FORMAT_ALONE), log2=2)]),
    ("model.expansion", None, lambda: zeros(MOST - 1, 1, copies=[4, 5])),
    ("model.expansion", None, lambda: zeros(MOST, MOST, copies=[4, 1])),
    ("model.expansion", None, lambda: xz_zeros(3_000_000, 3_000_000)),
    ("model.expansion", None, lambda: [full_header({"x": np.zeros(2**20 + 4096, np.int8)}), xz_data(b"")]),
    ("model.lanes", None, lambda: zeros(MOST + 1)),
    ("model.lanes", None, lambda: [full_header({"x": np.zeros((2**14 + 1, 2), "i4")}), labels_of_rows()]),
    ("model.order", None, lambda: [data([VALUES])]),
    ("model.order", None, list),
    ("model.chain", None, lambda: [*whole(), full_header({})]),
    ("model.chain", None, lambda: [*whole(), header({"x": X["x"] + 1}, [0], result=X)]),
    ("model.base", None, lambda: [header(X, [0], result=X)]),
    ("model.base", B, lambda: whole()),
    ("model.result-digest", None, lambda: [full_header({"x": X["x"] + 1}), data([VALUES])]),
    ("profile.model model.order", None, lambda: [*whole(), (UnitType.FEATURE_DATA, bytes(5))]),
    ("unit.no-rest", None, lambda: [(UnitType.MODEL_HEADER, full_header(X)[1] + b"\0"), data([VALUES])]),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(VIOLATIONS)))
def test_violations_are_rejected_by_both(independent: ModuleType, number: int) -> None:
    requirement, base, make = VIOLATIONS[number]
    # What needs no base can be found before or after what does: 12.4.
    parsed = {"model.complete"} if base else set()
    both_reject(independent, base, stream(*make()), *requirement.split(), *parsed)
