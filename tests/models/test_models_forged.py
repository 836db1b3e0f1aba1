"""Chapter 10: a stream for every requirement that it can break, all CRCs right, and the requirement that it names."""

from __future__ import annotations

import io
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from model_streams import (
    LOWEST,
    TOTAL,
    Unit,
    bytes_of,
    data,
    end_of,
    flat_row,
    flat_table,
    full_header,
    header,
    new_tensor,
    same,
    scalar_encode,
    stream,
    symbol_of,
    xz_data,
)
from test_models_directory import VIOLATIONS

import refsw
from refsw.errors import DfcError, LimitError
from refsw.models.apply import apply_stream
from refsw.models.update import ApplyLimits
from refsw.syntax.codes import TensorMode, UnitType
from refsw.syntax.structures import METADATA
from refsw.syntax.units import pack_body

X = {"x": np.array([[3, -1, 0], [70, -900, 5]], np.int32)}
VALUES = [3, -1, 0, 70, -900, 5]
F16, BF16, F64 = (np.dtype(d) for d in ("f2", ml_dtypes.bfloat16, "f8"))
# A label for each of two rows; two tables for values and one for labels.
LABELS = {"label_group_count": [1], "group_first_axis": [[0]], "group_last_axis": [[0]], "label_lanes_log2": 0}
Make = Callable[[], list[Unit]]


def label_part(labels: list[int], *, more: list[int] | None = None, lift: int = 0) -> tuple[bytes, int]:
    """States and words of labels, and the number of words."""
    states, words = scalar_encode([flat_row(9)], [0] * len(labels), labels, 1)
    words += more or []
    return bytes_of([states[0] + lift], words), len(words)


def labelled(labels: list[int] | None = None, *, part: bytes | None = None, words: int | None = None,
             tables: int = 2, **changes: Any) -> Unit:  # fmt: skip
    """The values of X with a label for each row; value tables are all the same."""
    found, count = label_part([0, 1] if labels is None else labels)
    found = found if part is None else part
    end = max(symbol_of(v)[0] for v in VALUES) + 1
    all_tables = [flat_table(end)] * tables + [flat_table(9)]
    options = (
        LABELS | {"label_word_count": count if words is None else words, "table_count_minus1": tables - 1} | changes
    )
    return data([VALUES], tables=all_tables, payload=lambda s, w, raw: found + bytes_of(s, w, raw), **options)


def whole(unit: Unit) -> Make:
    return lambda: [full_header(X), unit]


def payload(change: Callable[[list[int], list[int], str], tuple[list[int], list[int], str]], **changes: Any) -> Make:
    return whole(data([VALUES], payload=lambda s, w, raw: bytes_of(*change(s, w, raw)), **changes))


def floats(dtype: np.dtype[Any], value: int, mode: int = TensorMode.QUANTIZED, **changes: Any) -> Make:
    return lambda: [full_header({"x": np.zeros(1, dtype)}, mode, **changes), data([[value]])]


def words_of(dtype: str, value: int) -> Make:
    return lambda: [full_header({"x": np.zeros(1, dtype)}), data([[value]])]


def many_tables(count: int) -> list[dict[str, Any]]:
    end = max(symbol_of(v)[0] for v in VALUES) + 1
    return [flat_table(end)] * count


def symbol_503(raw: str) -> Make:
    """The greatest symbol; its raw bits have to be 0."""
    row = [flat_row(504)]
    states, words = scalar_encode(row, [0], [503], 1)
    unit = data([[0]], tables=[flat_table(504)], word_count=len(words), payload=lambda *_: bytes_of(states, words, raw))
    return lambda: [full_header({"x": np.array([-(2**63)])}), unit]


def predicted(values: list[int], shape: tuple[int, ...], taps: int = 2) -> Make:
    rows = [[64] * p for p in range(1, taps)]
    unit = data([values], predictor_count=1, predictor_taps_minus2=[taps - 2], predictor_coefficient=[rows],
                predictor=[1])  # fmt: skip
    return lambda: [full_header({"x": np.zeros(shape, np.int64)}), unit]


def xz(raw: bytes, **options: Any) -> Make:
    return whole(xz_data(lzma.compress(raw, check=lzma.CHECK_NONE), **options))


def excess() -> dict[str, Any]:
    return {"symbol_end": 3, "first_symbol": 0, "rest_symbol": 0, "frequency_class": [0, 14, 14],
            "frequency_bits": [0, 0, 0]}  # fmt: skip


def empty_labels() -> list[Unit]:
    """An empty tensor of 2^20 rows: labels that no value needs."""
    options = LABELS | {"label_word_count": 0, "table_count_minus1": 0, "word_count": 0}
    unit = data([[]], tables=[flat_table(1)] * 2, payload=lambda *_: bytes_of([LOWEST] * 2, []), **options)
    return [full_header({"x": np.empty((1 << 20, 0), np.int32)}), unit]


def many_labels() -> list[Unit]:
    """One more label than one lane may have."""
    options = LABELS | {"label_word_count": 0, "table_count_minus1": 0, "word_count": 0}
    payload = bytes_of([LOWEST] * 3, [])
    unit = data([[]], tables=[flat_table(1)] * 2, lanes_log2=1, payload=lambda *_: payload, **options)
    return [full_header({"x": np.zeros(16385, np.int32)}), unit]


LANES = bytes_of([LOWEST] * 16, [])
BIG = 16 << 14  # as many values as 16 lanes may have
ALLOWED = ((1 << 20) + 4096 * len(LANES)) // BIG  # tensors of that size with so few bytes


def zeros(*counts: int) -> list[Unit]:
    """New tensors of zeros, one a unit of 64 bytes of payload."""
    names = [str(i) for i in range(len(counts))]
    new = [new_tensor(name, (count,), TensorMode.EXACT) for name, count in zip(names, counts, strict=True)]
    result = {name: np.zeros(count, np.float32) for name, count in zip(names, counts, strict=True)}
    return [
        header(None, (), new, result),
        *(data([[]], first=i, lanes_log2=4, payload=lambda *_: LANES) for i in range(len(counts))),
    ]


def packed_zeros(*counts: int) -> list[Unit]:
    """New tensors of zeros in .xz streams."""
    types = [np.zeros(count, np.int8) for count in counts]
    new = [new_tensor(str(i), (count,), TensorMode.EXACT, new_element_type=5) for i, count in enumerate(counts)]
    streams = [lzma.compress(bytes(count)) for count in counts]
    return [
        header(None, (), new, {str(i): x for i, x in enumerate(types)}),
        *(xz_data(packed, first=i) for i, packed in enumerate(streams)),
    ]


def zeros_and_copies(count: int, copies: int) -> list[Unit]:
    """A new tensor of zeros, and copies of it."""
    new = [new_tensor("0", (count,), TensorMode.EXACT)]
    new += [new_tensor(str(i), (count,), TensorMode.COPY) for i in range(1, copies + 1)]
    result = {str(i): np.zeros(count, np.float32) for i in range(copies + 1)}
    return [header(None, (), new, result), data([[]], lanes_log2=4, payload=lambda *_: LANES)]


CASES: list[tuple[str, str, str, Make]] = [
    ("model.value-range", "", "16 bits", words_of("i2", 2**15)),
    ("model.value-range", "", "8 bits of bool", words_of("?", -129)),
    ("model.value-range", "", "unsigned", words_of("u4", 2**31)),
    ("model.value-range", "", "quantized, -2^63", floats(F64, -(2**63))),
    ("model.value-range", "", "quantized, times 2", floats(F64, 2**62, step_multiplier=1)),
    ("model.value-range", "", "quantized, times 5", floats(F64, -(2**63 // 5) - 1, step_multiplier=2)),
    ("model.value-range", "", "last symbol", symbol_503("0" * 60 + "1")),
    ("model.finite", "", "overflow of binary16", floats(F16, 65520)),
    ("model.finite", "", "overflow of bfloat16", lambda: [
        full_header({"x": np.zeros(1, BF16)}, TensorMode.EXACT), data([[0x7F80]])]),
    ("model.finite", "", "NaN", words_of("f4", 0x7FC00000)),
    ("model.finite", "", "a difference", lambda: [
        header({"x": np.ones(1, F16)}, [TensorMode.QUANTIZED_DIFFERENCE]), data([[70000]])]),
    ("model.bool", "", "2", words_of("?", 2)),
    ("model.bool", "", "-1", words_of("?", -1)),
    ("model.rest-frequency", "", "", whole(data([VALUES], tables=[excess()]))),
    ("model.rest-frequency", "", "of labels", whole(data([VALUES], tables=[*many_tables(1), excess()],
                                                         table_count_minus1=0, **LABELS, label_word_count=0))),
    ("model.tables", "", "", whole(data([VALUES], tables=many_tables(257)))),
    ("model.label-axes", "", "", whole(labelled(group_last_axis=[[2]]))),
    ("model.context-bound", "", "offset", whole(data([VALUES], table_offset=[1]))),
    ("model.context-bound", "", "label", whole(labelled([0, 2]))),
    ("model.context-bound", "", "step", whole(labelled(label_step_minus1=[1]))),
    ("model.context-bound", "", "offset and label", whole(labelled(table_offset=[1]))),
    ("model.label-count", "", "", empty_labels),
    ("model.payload-length", "", "nothing", payload(lambda s, w, raw: ([], [], ""))),
    ("model.payload-length", "", "words", payload(lambda s, w, raw: (s, w[:-1], ""))),
    ("model.payload-length", "", "lanes", payload(lambda s, w, raw: (s[:-1], [], ""), lanes_log2=4)),
    ("model.payload-length", "", "labels", whole(labelled(words=5000))),
    ("model.raw-bits", "", "too few", payload(lambda s, w, raw: (s, w, raw[:-8]))),
    ("model.raw-bits", "", "a byte too many", payload(lambda s, w, raw: (s, w, raw + "0" * 8))),
    ("model.raw-bits", "", "not zero", payload(lambda s, w, raw: (s, w, raw + "1"))),
    ("model.state-range", "", "", payload(lambda s, w, raw: ([LOWEST - 1], w, raw))),
    ("model.state-range", "", "of labels", whole(labelled(part=bytes_of([5], []), words=0))),
    ("model.words", "", "too many", payload(lambda s, w, raw: (s, [*w, 0], raw), word_count=4)),
    ("model.words", "", "too few", payload(lambda s, w, raw: ([LOWEST], [], raw), word_count=0)),
    ("model.words", "", "of labels", whole(labelled(part=label_part([0, 1], more=[0])[0], words=1))),
    ("model.final-states", "", "", lambda: [
        full_header({"x": np.zeros(0)}), data([[]], payload=lambda *_: bytes_of([LOWEST + 1], []))]),
    ("model.final-states", "", "a lane without values", payload(lambda s, w, raw: ([*s[:-1], LOWEST + 1], w, raw),
                                                                lanes_log2=3)),
    ("model.final-states", "", "of labels", whole(labelled(part=label_part([0, 1], lift=TOTAL)[0]))),
    ("model.predictor-taps", "", "", predicted([1, 2, 3, 4, 5], (5,))),
    ("model.prediction-range", "", "residual", predicted([0, 2**40], (2,))),
    ("model.prediction-range", "", "value", predicted([2**39, 2**39], (2,))),
    ("model.prediction-range", "", "value of the first tap", predicted([-(2**40), 0], (2,))),
    ("model.xz", "bytes.size", "too short", xz(bytes(5))),
    ("model.xz", "bytes.size", "too long", xz(bytes(7))),
    ("model.xz", "bytes.size", "words of 2 bytes", xz(bytes(6), log2=1)),
    ("model.xz", "bytes.format", "not .xz", whole(xz_data(b"nothing of that kind"))),
    ("model.xz", "bytes.trailing", "more", whole(xz_data(lzma.compress(bytes(6), check=0) + b"more"))),
    ("model.xz", "model.value-range", "more than 16 bits", lambda: [
        full_header({"x": np.zeros(1, np.int16)}), xz_data(lzma.compress(b"\0\0\1\0"), log2=2)]),
    ("model.order", "", "no header", lambda: [data([VALUES])]),
    ("model.order", "", "nothing", list),
    ("model.chain", "", "a full model", lambda: [*whole(data([VALUES]))(), full_header({})]),
    ("model.chain", "", "another base", lambda: [*whole(data([VALUES]))(), header({"x": X["x"] + 1}, [0])]),
    ("model.base", "", "", lambda: [header(X, [0], result=X)]),
    ("model.xz-values", "", "", lambda: [full_header({"x": np.zeros((0, 3))}), xz_data(lzma.compress(b""))]),
    ("model.expansion", "", "", lambda: packed_zeros(12 << 20)),
    ("model.expansion", "", "two units", lambda: packed_zeros(1 << 20, 12 << 20)),
    ("model.expansion", "", "copies", lambda: zeros_and_copies(BIG, ALLOWED)),
    ("model.lanes", "", "", lambda: zeros(BIG + 1)),
    ("model.lanes", "", "labels", lambda: many_labels()),
    ("model.result-digest", "", "", lambda: [full_header({"x": X["x"] + 1}), data([VALUES])]),
    ("model.result-digest", "", "a name", lambda: [full_header({"x": X["x"]}, name=[b"y"]), data([VALUES])]),
]  # fmt: skip
# What says how to compute: a stream cannot break it, the digest of the result tells whether a decoder does.
DEFINITIONS = {
    "model.order-of-tensors",
    "model.tensor-digest",
    "model.digest",
    "model.quantized",
    "model.exact",
    "model.symbols",
    "model.frequencies",
    "model.context",
    "model.labels",
    "model.rans",
    "model.prediction",
    "model.result",
    "model.passed-over",
    "model.planes",
    "model.levels",
    "model.parity-symbols",
    "model.quantizer-state",
    "model.source-part",
    "model.second-frequencies",
}
# Those of profile MODEL_EXTENDED are in test_models_levels.py.
OF_LEVELS = {"model.level-range", "model.source-shape"}  # fmt: skip


@pytest.mark.parametrize(
    ("requirement", "named", "what", "make"), CASES, ids=[f"{case[0]}, {case[2]}" for case in CASES]
)
def test_a_stream_that_breaks_a_requirement(requirement: str, named: str, what: str, make: Make) -> None:
    units = make()
    base = {"x": np.ones(1, F16)} if what == "a difference" else None
    with pytest.raises(DfcError) as caught:
        refsw.apply_update(base, stream(*units))
    assert caught.value.requirement == (named or requirement), caught.value
    assert caught.value.exit_code == 65
    assert caught.value.bit_offset is not None


def test_every_requirement_of_the_chapter_has_a_stream_or_only_defines() -> None:
    chapter = Path(__file__).parents[2] / "spec" / "10-model-updates.md"
    found = set(re.findall(r"^\*\*\[([a-z0-9.-]+)\]\*\*", chapter.read_text(), re.MULTILINE))
    covered = {case[0] for case in CASES} | {case[0] for case in VIOLATIONS}
    assert covered | DEFINITIONS | OF_LEVELS == found
    assert not covered & DEFINITIONS


def test_what_stays_within_the_bounds_decodes() -> None:
    units: list[tuple[Unit, dict[str, Any]]] = [
        (data([VALUES]), X),
        (data([VALUES], lanes_log2=12), X),
        (data([VALUES], tables=many_tables(256), table_offset=[255]), X),
        (labelled(), X),
        (labelled([0, 1], tables=3, label_step_minus1=[1]), X),
        (labelled(tables=3, table_offset=[1]), X),
        (xz_data(lzma.compress(np.array(VALUES, "<i2").tobytes(), check=0), log2=1), X),
        (xz_data(lzma.compress(np.array(VALUES, "<i8").view("u1").reshape(6, 8).T.tobytes()), log2=3, planes=1), X),
    ]
    for value in (32767, -32768):
        units.append((data([[value]]), {"x": np.array([value], np.int16)}))
    for unit, tensors in units:
        assert same(refsw.apply_update(None, stream(full_header(tensors), unit)), tensors)
    last = symbol_503("0" * 61)()
    assert refsw.apply_update(None, stream(*last))["x"].tolist() == [-(2**63)]


def test_as_many_elements_as_the_bytes_allow() -> None:
    for units in (zeros(BIG), zeros(5, BIG), packed_zeros(1 << 20, 1 << 18), zeros_and_copies(BIG, ALLOWED - 1)):
        out = refsw.apply_update(None, stream(*units))
        assert sum(x.size for x in out.values()) >= BIG


def test_the_greatest_quantized_values() -> None:
    for multiplier, m in ((0, 1), (1, 2), (2, 5)):
        value = (2**63 - 1) // m
        tensors = {"x": np.array([float(value * m), -float(value * m)])}
        head = full_header(tensors, TensorMode.QUANTIZED, step_multiplier=multiplier)
        assert same(refsw.apply_update(None, stream(head, data([[value, -value]]))), tensors)


def test_more_elements_than_the_level_or_this_decoder_allows() -> None:
    def rejected(requirement: str, tensors: dict[str, tuple[int, ...]], limits: ApplyLimits | None = None) -> None:
        new = [new_tensor(name, shape, TensorMode.EXACT) for name, shape in tensors.items()]
        update = stream(header(None, (), new), data([[]] * len(new)))
        with pytest.raises(LimitError) as caught:
            apply_stream(None, io.BytesIO(update), limits=limits)
        assert caught.value.requirement == requirement

    rejected("level.model-elements", {"x": (2**26 + 1,)})
    rejected("level.model-elements", {"x": (2**32 - 2, 2**8)})
    rejected("level.model-unit-elements", {"x": (2**24 + 1,)})
    rejected("level.model-unit-elements", {"x": (2**24,), "y": (1,)})
    rejected("level.capacity", {"x": (11,)}, ApplyLimits(output_bytes=40))


def test_metadata_may_stand_between_units_and_units_of_features_may_not() -> None:
    note = pack_body(
        METADATA, {"entry_count_minus1": 0, "key_length": [1], "key": [b"k"], "text_length": [0], "text": [b""]}
    )
    head, values = whole(data([VALUES]))()
    meta = (int(UnitType.METADATA), note)
    assert same(refsw.apply_update(None, stream(meta, head, meta, values, meta)), X)
    for kind in (UnitType.FEATURE_PARAMETER_SET, UnitType.FEATURE_DATA, UnitType.DIGEST):
        with pytest.raises(DfcError) as caught:
            refsw.apply_update(None, stream(head, (int(kind), b"\0\0"), values))
        assert caught.value.requirement == "profile.model"
    with pytest.raises(DfcError) as caught:
        refsw.apply_update(None, stream(head, values, end=end_of(1)))
    assert caught.value.requirement == "end.sample-counts"


def test_a_bitstream_of_features_is_no_model_and_the_other_way_round() -> None:
    features = refsw.encode(np.ones((1, 2, 4, 4), np.float32), payload="zlib")
    model = stream(*whole(data([VALUES]))())
    for read in (lambda: refsw.apply_update(None, features), lambda: refsw.decode(model)):
        with pytest.raises(DfcError) as caught:
            read()
        assert caught.value.exit_code == 69


def test_an_update_that_is_passed_over_is_checked_as_far_as_it_can_be() -> None:
    later = {"x": X["x"] + 1}
    head = header(X, [TensorMode.EXACT_DIFFERENCE], result=later)
    good = stream(full_header(X), data([VALUES]), head, data([[1] * 6]))
    assert same(refsw.apply_update(X, good), later)
    for change in ([full_header(X), head, data([[1] * 6])], [full_header(X), data([VALUES], first=1), head]):
        with pytest.raises(DfcError) as caught:
            refsw.apply_update(X, stream(*change))
        assert caught.value.requirement in ("model.complete", "model.coded-order")


def test_of_an_update_that_is_passed_over_only_what_depends_on_its_base_or_its_values_is_left_out() -> None:
    later = {"x": X["x"] + 1}
    rest = [header(X, [TensorMode.EXACT_DIFFERENCE], result=later), data([[1] * 6])]

    def passed_over(*units: Unit) -> dict[str, Any]:
        return refsw.apply_update(X, stream(*units, *rest))

    def update(*added: dict[str, Any]) -> Unit:
        return header(None, (), list(added), result=X)

    a = new_tensor("a", (2,), TensorMode.EXACT)
    for units, requirement in [
        ([update(a, new_tensor("b", (3,), TensorMode.COPY)), data([[1, 2]])], "model.copy"),
        ([update(a), (UnitType.MODEL_DATA, b"")], "unit.complete-element"),
        ([update(a, a), data([[1, 2], [1, 2]])], "model.name-unique"),
    ]:
        with pytest.raises(DfcError) as caught:
            passed_over(*units)
        assert caught.value.requirement == requirement
    for units in (
        [update(new_tensor("a", (2**28,), TensorMode.EXACT)), data([[]])],  # beyond the level, and no values
        [update(a), data([[1, 2]], table_offset=[4095])],
        [update(a), data([[2**40, 2]])],
    ):
        assert same(passed_over(*units), later)
