"""6.10, 6.11: bounds that other elements give, in numbers; lists within lists; what is absent and then inferred."""

from __future__ import annotations

from typing import Any

import pytest
from structure_values import FIXED, LATEST, Generator, Place, forge, read, write

from refsw.errors import DfcError, ErrorClass, ParseError, SemanticError
from refsw.syntax.bits import BitReader, BitWriter
from refsw.syntax.codes import ModelCoder, StepMultiplier, TensorMode
from refsw.syntax.declaration import Element, Values, evaluate
from refsw.syntax.structure import FIRST, TraceRow, read_structure, write_structure
from refsw.syntax.structures import MODEL_DATA, MODEL_HEADER

COPY = TensorMode.COPY


def error_at(name: str, value: int, at: Values, needs: Values) -> DfcError | None:
    """What the reader says of one value at one place."""
    structure = MODEL_HEADER if name in {e.name for e in MODEL_HEADER.elements()} else MODEL_DATA
    made = forge(structure, name, value, Place(at, needs))
    try:
        values = read(structure, made.data)[name]
    except DfcError as error:
        assert (error.requirement, error.element) == (f"{structure.name}.{name}", name)
        assert error.bit_offset == made.offset
        return error
    for index in made.indices:
        values = values[index]
    assert values == value
    return None


@pytest.mark.parametrize(
    ("name", "at", "needs", "allowed", "beyond"),
    [
        ("copy_entry", {"i": 0}, {"tensor_mode": COPY}, None, 0),
        ("copy_entry", {"i": 1}, {"tensor_mode": COPY}, 0, 1),
        ("source_entry", {"i": 0}, {}, 1, 2),
        ("source_flag", {}, {"base_tensor_count": 0}, 0, 1),
        ("new_copy_entry", {"i": 0}, {"new_tensor_mode": COPY}, 1, 2),
        ("new_copy_entry", {"i": 1}, {"new_tensor_mode": COPY}, 2, 3),
        ("predictor", {"t": 1}, {}, 2, 3),
        ("predictor", {"t": 0}, {"predictor_count": 0}, 0, 1),
        ("table_offset", {"t": 0}, {}, 4095, 4096),
        ("group_first_axis", {"t": 0, "g": 1}, {}, 1, 0),
        ("group_last_axis", {"t": 1, "g": 1}, {"group_first_axis": 9}, 9, 8),
        ("group_last_axis", {"t": 1, "g": 1}, {}, 15, None),
        ("symbol_end", {"t": 0}, {}, 1, 0),
        ("symbol_end", {"t": 1}, {}, 0, None),
        ("symbol_end", {"t": 1}, {}, 504, 505),
        ("first_symbol", {"t": 0}, {"symbol_end": 7}, 6, 7),
        ("rest_symbol", {"t": 0}, {"symbol_end": 7, "first_symbol": 2}, 4, 5),
        ("frequency_class", {"t": 1, "s": 2}, {}, 14, 15),
        ("predictor_coefficient", {"i": 1, "p": 1, "j": 1}, {}, 1023, 1024),
        ("predictor_coefficient", {"i": 1, "p": 1, "j": 1}, {}, -1023, -1024),
    ],
)
def test_a_bound_that_other_elements_give(
    name: str, at: Values, needs: Values, allowed: int | None, beyond: int | None
) -> None:
    if allowed is not None:
        assert error_at(name, allowed, at, needs) is None
    if beyond is not None:
        error = error_at(name, beyond, at, needs)
        assert isinstance(error, SemanticError)
        assert error.error_class is ErrorClass.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("size", "precision", "bits"),
    [(0, 13, 0), (1, 13, 0), (2, 13, 1), (5, 13, 4), (5, 3, 3), (14, 13, 13), (14, 0, 0), (4, 3, 3)],
)
def test_a_frequency_has_as_many_bits_as_its_class_and_the_precision_allow(
    size: int, precision: int, bits: int
) -> None:
    made = forge(MODEL_DATA, "frequency_class", size, Place({"t": 0, "s": 1}, {"frequency_precision": precision}))
    rows: list[TraceRow] = []
    values = read(MODEL_DATA, made.data, trace=rows.append)
    assert values["frequency_precision"] == precision
    assert next(row.bits for row in rows if row.element == "frequency_bits[0][1]") == bits


def test_lists_within_lists_are_told_apart() -> None:
    values: Values = {
        "first_coded_tensor": 0,
        "coded_tensor_count_minus1": 2,
        "model_coder": ModelCoder.RANS,
        "predictor_count": 2,
        "predictor_taps_minus2": [1, 0],
        "predictor_coefficient": [[[1], [2, -3]], [[1023]]],
        "predictor": [2, 0, 1],
        "table_offset": [0, 1, 0],
        "label_group_count": [2, 0, 1],
        "label_step_minus1": [1, 0, 3],
        "group_first_axis": [[0, 3], [], [2]],
        "group_last_axis": [[1, 3], [], [2]],
        "lanes_log2": 1,
        "frequency_precision": 4,
        "table_count_minus1": 1,
        "label_lanes_log2": 2,
        "label_word_count": 9,
        "symbol_end": [3, 0, 2],
        "first_symbol": [1, 0, 1],
        "rest_symbol": [1, 0, 0],
        "frequency_class": [[6, 0], [], [0]],
        "frequency_bits": [[9, 0], [], [0]],
        "word_count": 5,
        "model_payload": b"words",
    }
    writer = BitWriter()
    write_structure(MODEL_DATA, writer, values)
    got = read(MODEL_DATA, writer.getvalue(), edition=FIRST)
    assert {name: got[name] for name in values} == values
    assert got["label_flag"] == 1


def first_values(structure: Any, chosen: Values) -> Values:
    """A structure of the lowest values, but for those chosen, written and read."""

    def choose(element: Element, scope: Values) -> Any:
        empty = bytes(evaluate(element.argument, scope)) if element.kind == "b" else 0
        return chosen.get(element.name, empty)

    return read(structure, write(structure, Generator(structure, choose, {})))


def test_without_a_base_there_are_no_tensors_of_it() -> None:
    values = first_values(MODEL_HEADER, {})
    assert (values["base_tensor_count"], values["base_version_length"]) == (0, 0)
    assert values["tensor_mode"] == values["name"] == values["new_extent"] == []
    assert "base_digest" not in values


def test_without_a_step_of_its_own_a_tensor_has_that_of_the_update() -> None:
    chosen = {"base_flag": 1, "base_tensor_count": 2, "step_digits": 7, "step_multiplier": StepMultiplier.FIVE}
    values = first_values(MODEL_HEADER, chosen)
    assert values["tensor_step_flag"] == [0, 0]
    assert values["tensor_step_digits"] == [7, 7]
    assert values["tensor_step_multiplier"] == [StepMultiplier.FIVE] * 2
    assert values["copy_entry"] == [0, 0]
    flagged = first_values(MODEL_HEADER, chosen | {"tensor_mode": TensorMode.QUANTIZED, "tensor_step_flag": 1})
    assert flagged["tensor_step_digits"] == [0, 0]


def test_a_scalar_has_no_extents_and_a_new_tensor_no_source_unless_it_says_so() -> None:
    values = first_values(MODEL_HEADER, {"new_tensor_count": 2})
    assert values["new_axis_count"] == [0, 0]
    assert values["new_extent"] == [[], []]
    assert values["source_entry"] == [0, 0]


def test_an_xz_unit_has_none_of_the_elements_of_rans() -> None:
    chosen = {"model_coder": ModelCoder.XZ, "word_bytes_log2": 3, "plane_flag": 1}
    values = first_values(MODEL_DATA, chosen)
    assert (values["word_bytes_log2"], values["plane_flag"]) == (3, 1)
    assert (values["predictor_count"], values["word_count"]) == (0, 0)
    assert values["predictor_coefficient"] == values["symbol_end"] == values["frequency_class"] == []
    assert "lanes_log2" not in values


def test_without_groups_there_is_no_table_for_labels() -> None:
    values = first_values(MODEL_DATA, {"symbol_end": 1, "table_count_minus1": 2})
    assert values["label_flag"] == 0
    assert values["symbol_end"] == [1, 1, 1]
    assert (values["label_lanes_log2"], values["label_word_count"]) == (0, 0)
    with_groups = first_values(MODEL_DATA, {"symbol_end": 1, "table_count_minus1": 2, "label_group_count": 1})
    assert with_groups["label_flag"] == 1
    assert with_groups["symbol_end"] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("structure", "name"),
    [(MODEL_HEADER, "base_tensor_count"), (MODEL_HEADER, "new_tensor_count"), (MODEL_HEADER, "new_axis_count"),
     (MODEL_DATA, "coded_tensor_count_minus1"), (MODEL_DATA, "label_group_count")],
)  # fmt: skip
def test_a_count_beyond_the_bits_left_is_truncated(structure: Any, name: str) -> None:
    # All that follows the count is cut off, and the count itself is more than the bits that are left.
    made = forge(structure, name, FIXED[name])
    rows: list[TraceRow] = []
    read(structure, made.data, trace=rows.append)
    end = next(row.bit_offset + row.bits for row in rows if row.bit_offset == made.offset)
    start = rows[0].bit_offset
    writer = BitWriter()
    reader = BitReader(made.data)
    writer.u(reader.u(made.offset - start), made.offset - start)
    if name in ("new_axis_count", "label_group_count"):
        writer.u(15, 4)
    else:
        writer.ue(2**32 - 2)
    assert end > made.offset
    writer.align()
    with pytest.raises(ParseError) as caught:
        read_structure(structure, BitReader(writer.getvalue()), edition=LATEST)
    assert caught.value.error_class is ErrorClass.TRUNCATED
    assert caught.value.requirement == "unit.complete-element"
