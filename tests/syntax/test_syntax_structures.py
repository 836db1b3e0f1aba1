"""Chapter 6: every structure is read as it was written, and every bound of its declaration holds."""

from __future__ import annotations

import math
from typing import Any

import bitstring
import pytest
from hypothesis import HealthCheck, given, settings
from structure_values import (
    ACTIVE,
    BASE,
    INNER,
    REST,
    Generator,
    Place,
    filled,
    forge,
    host,
    loose,
    read,
    write,
)

from refsw.errors import DfcError, ErrorClass, ParseError, SemanticError, UnsupportedError
from refsw.syntax.bits import BitReader, BitWriter
from refsw.syntax.codes import ElementType, Profile, Quantizer, RangeScope
from refsw.syntax.declaration import Element, Rest, Structure, Values, evaluate
from refsw.syntax.layer_structures import LAYER
from refsw.syntax.structure import Edition, TraceRow, read_structure, write_structure
from refsw.syntax.structures import (
    DIGEST,
    END_OF_BITSTREAM,
    FEATURE_DATA,
    FEATURE_EXTENSION,
    FEATURE_PARAMETER_SET,
    METADATA,
    STRUCTURES,
)

WHOLE = [s for s in STRUCTURES if host(s) is s]
by_name = pytest.mark.parametrize("structure", WHOLE, ids=lambda s: s.name)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@by_name
def test_what_is_written_is_read(structure: Structure) -> None:
    @quick
    @given(filled(structure))
    def check(made: Generator) -> None:
        values = read(structure, write(structure, made), made.active)
        assert {k: bytes(v) if isinstance(v, memoryview) else v for k, v in values.items()} == made.values

    check()


@by_name
def test_the_trace_has_a_row_for_every_bit_in_order(structure: Structure) -> None:
    @quick
    @given(filled(structure))
    def check(made: Generator) -> None:
        rows: list[TraceRow] = []
        data = write(structure, made)
        read(structure, data, made.active, trace=rows.append)
        place = BASE
        for row in rows:
            assert row.bit_offset == place
            assert row.structure in (structure.name, *(inner.name for inner in INNER))
            place += row.bits
        assert place == BASE + 8 * len(data)

    check()


@by_name
def test_every_row_of_the_trace_is_what_bitstring_reads_there(structure: Structure) -> None:
    formats = {"ue(v)": "ue", "se(v)": "se", "f(32)": "f32"}

    @quick
    @given(filled(structure))
    def check(made: Generator) -> None:
        rows: list[TraceRow] = []
        data = write(structure, made)
        read(structure, data, made.active, trace=rows.append)
        reader = bitstring.Reader(bitstring.Bits.from_bytes(data))
        for row in rows:
            if row.descriptor.startswith("b("):
                assert reader.read_bits(row.bits).tobytes() == bytes(row.value)
            elif row.bits:
                assert reader.read_value(formats.get(row.descriptor, f"u{row.bits}")) == row.value
            assert reader.pos == row.bit_offset + row.bits - BASE
        assert reader.pos == 8 * len(data)

    check()


@by_name
def test_every_truncation_is_truncated(structure: Structure) -> None:
    @settings(quick, max_examples=15)
    @given(filled(structure))
    def check(made: Generator) -> None:
        data = write(structure, made)
        end = len(data) - (len(REST) if isinstance(structure.nodes[-1], Rest) else 0)
        for size in range(end):
            with pytest.raises(ParseError) as caught:
                read(structure, data[:size], made.active)
            assert caught.value.error_class is ErrorClass.TRUNCATED
            assert caught.value.requirement == "unit.complete-element"
            assert BASE <= (caught.value.bit_offset or 0) <= BASE + 8 * size

    check()


# --- every bound of every element ---


def violation(structure: Structure, name: str, value: Any, place: Place | None = None) -> DfcError:
    """The error of a reader; one that reports instead of raising reports the same first."""
    made = forge(structure, name, value, place)
    with pytest.raises(DfcError) as caught:
        read(host(structure), made.data, ACTIVE)
    reported: list[DfcError] = []
    try:
        read(host(structure), made.data, ACTIVE, report=reported.append)
    except DfcError as error:  # what follows from the value need not be readable
        assert error.error_class is ErrorClass.TRUNCATED
    assert str(reported[0]) == str(caught.value)
    assert (caught.value.element, caught.value.bit_offset) == (name, made.offset)
    assert caught.value.requirement == f"{structure.name}.{name}"
    return caught.value


def reading(structure: Structure, name: str, value: Any, place: Place | None = None) -> Any:
    """The element as it is read."""
    made = forge(structure, name, value, place)
    got = read(host(structure), made.data, ACTIVE)[name]
    for index in made.indices:
        got = got[index]
    return got


ENUMERATED = [(s, e) for s in STRUCTURES for e in s.elements() if e.values is not None]
FLOATS = [(s, e) for s in STRUCTURES for e in s.elements() if e.kind == "f"]
LOWS = [(s, e) for s in STRUCTURES for e in s.elements() if e.low is not None]
HIGHS = [(s, e) for s in STRUCTURES for e in s.elements() if e.high is not None and e.values is None and not e.later]
LATER = [(s, e) for s in STRUCTURES for e in s.elements() if e.later]


def by_element(pairs: list[tuple[Structure, Element]]) -> Any:
    return pytest.mark.parametrize(("structure", "element"), pairs, ids=[f"{s.name}.{e.name}" for s, e in pairs])


# Those that other elements bound, or of which there is a test below.
HIGHS_OF_THEIR_OWN = {
    "channel_order_flag", "levels_digest_flag", "tensor_count", "axis_extent_minus1", "carried_flag", "fill_flag",
}  # fmt: skip


@by_element(ENUMERATED)
def test_every_reserved_value_is_rejected(structure: Structure, element: Element) -> None:
    assert element.values is not None
    defined = {int(v) for v in element.values}
    reserved = set(range(1 << int(element.argument))) - defined
    for value in reserved:
        error = violation(structure, element.name, value)
        assert (error.error_class, error.phase) == (ErrorClass.RESERVED_VALUE, "parse")


@by_element([(s, e) for s, e in ENUMERATED if e.name not in {"quantizer", "range_scope", "axis_role"}])
def test_every_defined_value_is_read(structure: Structure, element: Element) -> None:
    assert element.values is not None
    for value in element.values:
        assert reading(structure, element.name, int(value)) == value


@by_element(LOWS)
def test_the_lowest_value_is_read_and_the_one_below_rejected(structure: Structure, element: Element) -> None:
    low = forge(structure, element.name, lambda low, _: low).low
    assert reading(structure, element.name, low) == low
    error = violation(structure, element.name, low - 1)
    assert isinstance(error, SemanticError)
    assert error.error_class is ErrorClass.OUT_OF_RANGE


@by_element([(s, e) for s, e in HIGHS if e.name not in HIGHS_OF_THEIR_OWN])
def test_the_highest_value_is_read_and_the_one_above_rejected(structure: Structure, element: Element) -> None:
    high = forge(structure, element.name, lambda low, _: low).high
    assert reading(structure, element.name, high) == high
    error = violation(structure, element.name, high + 1)
    assert isinstance(error, SemanticError)
    assert error.error_class is ErrorClass.OUT_OF_RANGE


@by_element(LATER)
def test_what_is_for_later_versions_is_unsupported_and_ends_the_reading(structure: Structure, element: Element) -> None:
    first = Edition.of(Profile.RESILIENT)  # of those that have extensions, that for which all else is later
    assert reading(structure, element.name, 0) == 0
    for value in range(1, 1 << int(element.argument)):
        made = forge(structure, element.name, value)
        with pytest.raises(UnsupportedError) as caught:
            read(host(structure), made.data, ACTIVE, edition=first, report=lambda error: None)
        assert (caught.value.element, caught.value.bit_offset) == (element.name, made.offset)
        assert caught.value.requirement == f"{structure.name}.{element.name}"


def test_layers_of_integers_are_not_filled() -> None:
    values = read(FEATURE_PARAMETER_SET, forge(LAYER, "fill_flag", 1).data)
    assert (values["carried_flag"], values["fill_flag"], len(values["fill_value"])) == (1, 1, 3)
    integers = forge(LAYER, "fill_flag", 1, Place(needs={"layers_flag": 1, "element_type": ElementType.UINT8}))
    with pytest.raises(SemanticError) as caught:
        read(FEATURE_PARAMETER_SET, integers.data)
    assert caught.value.requirement == "layer.fill_flag"


def test_profiles_of_version_1_0_have_no_extension() -> None:
    made = forge(FEATURE_EXTENSION, "parts_flag", 1)
    assert read(FEATURE_PARAMETER_SET, made.data)["part_count"] == 3
    old = Edition.of(Profile.EXTENDED)
    rows: list[TraceRow] = []
    assert "part_count" not in read(FEATURE_PARAMETER_SET, made.data, edition=old, trace=rows.append)
    assert {row.structure for row in rows} == {"feature_parameter_set"}


def test_an_extent_of_2_to_the_24_is_read_and_one_more_rejected() -> None:
    def axis(extent_minus1: int) -> bytes:
        # rows only: one axis H
        writer = BitWriter()
        for value, size in ((1, 1), (0, 8), (0, 8), (0, 1), (0, 2), (1, 3)):
            writer.u(value, size)
        writer.ue(extent_minus1)
        writer.u(0, 4 + 2 + 8 + 2)  # float32, no quantizer, stored, sequence
        writer.ue(0)
        writer.ue(0)
        writer.u(0, 3)
        writer.ue(0)
        writer.align()
        writer.u(0, 8)  # no extension
        return writer.getvalue()

    assert read(FEATURE_PARAMETER_SET, axis(2**24 - 1))["rows"] == 2**24
    with pytest.raises(SemanticError) as caught:
        read(FEATURE_PARAMETER_SET, axis(2**24))
    assert caught.value.requirement == "feature_parameter_set.axis_extent_minus1"


def test_more_than_65536_channels_have_neither_an_order_nor_ranges_of_their_own() -> None:
    error = violation_with("range_scope", RangeScope.CHANNEL, channels=65537)
    assert error.requirement == "feature_parameter_set.range_scope"
    error = violation_with("channel_order_flag", 1, channels=65537)
    assert error.requirement == "feature_parameter_set.channel_order_flag"
    assert error.error_class is ErrorClass.OUT_OF_RANGE


def test_without_a_quantizer_there_are_no_digests_of_levels() -> None:
    error = violation_with("levels_digest_flag", 1, quantizer=Quantizer.NONE)
    assert error.requirement == "feature_parameter_set.levels_digest_flag"
    assert error.error_class is ErrorClass.OUT_OF_RANGE


def violation_with(name: str, value: int, *, channels: int = 3, quantizer: Quantizer = Quantizer.LOG) -> DfcError:
    chosen = {"axis_count_minus1": 0, "axis_role": 0, "axis_extent_minus1": channels - 1, "quantizer": quantizer}
    chosen |= {"range_scope": RangeScope.SEQUENCE, name: value}
    free = Structure("free", "", "", tuple(map(loose, FEATURE_PARAMETER_SET.nodes)), FEATURE_PARAMETER_SET.constants)

    def choose(element: Element, scope: Values) -> Any:
        empty = bytes(evaluate(element.argument, scope)) if element.kind == "b" else 0
        return chosen.get(element.name, empty)

    data = write(free, Generator(free, choose, {}))
    with pytest.raises(DfcError) as caught:
        read(FEATURE_PARAMETER_SET, data)
    return caught.value


def test_tensor_count_is_at_most_64() -> None:
    assert reading(END_OF_BITSTREAM, "tensor_count", 64) == 64
    error = violation(END_OF_BITSTREAM, "tensor_count", 65)
    assert error.error_class is ErrorClass.OUT_OF_RANGE


@by_element(FLOATS)
@pytest.mark.parametrize(
    ("data", "error_class"),
    [
        ("7fc00000", ErrorClass.NONFINITE),
        ("7f800001", ErrorClass.NONFINITE),
        ("ffc00000", ErrorClass.NONFINITE),
        ("7f800000", ErrorClass.NONFINITE),
        ("ff800000", ErrorClass.NONFINITE),
        ("80000000", ErrorClass.RESERVED_VALUE),
    ],
)
def test_nan_infinity_and_negative_zero_are_rejected(
    structure: Structure, element: Element, data: str, error_class: ErrorClass
) -> None:
    error = violation(structure, element.name, bytes.fromhex(data))
    assert error.error_class is error_class


@by_element(FLOATS)
@pytest.mark.parametrize("data", ["00000000", "00000001", "80000001", "7f7fffff", "ff7fffff"])
def test_every_other_binary32_is_read(structure: Structure, element: Element, data: str) -> None:
    value = reading(structure, element.name, bytes.fromhex(data))
    writer = BitWriter()
    writer.f32(value)
    assert writer.getvalue().hex() == data


# --- what is absent ---


def test_an_absent_element_has_its_inferred_value() -> None:
    chosen = {"axis_role": 0, "axis_extent_minus1": 4}

    def choose(element: Element, scope: Values) -> Any:
        return chosen.get(element.name, b"" if element.kind == "b" else 0)

    made = Generator(FEATURE_PARAMETER_SET, choose, {})
    values = read(FEATURE_PARAMETER_SET, write(FEATURE_PARAMETER_SET, made))
    assert values["range_scope"] == RangeScope.SEQUENCE
    assert (values["grid_rows_minus1"], values["grid_columns_minus1"]) == (0, 0)
    assert (values["time_scale"], values["time_step"]) == ([1], [1])
    assert (values["channels"], values["rows"], values["columns"]) == (5, 1, 1)
    assert "bit_depth_minus1" not in values
    assert "model_digest" not in values


def test_a_nonnegative_logarithm_has_the_minimum_0() -> None:
    writer = BitWriter()
    active = {"range_scope": RangeScope.SAMPLE, "quantizer": Quantizer.LOG_NONNEGATIVE}
    given_values = {"parameter_set_id": 0, "first_sample": 0, "sample_count_minus1": 1, "sample_maximum": [1.0, 2.0]}
    write_structure(FEATURE_DATA, writer, given_values | {"payload": b""}, active)
    values = read(FEATURE_DATA, writer.getvalue(), active)
    assert values["sample_minimum"] == [0.0, 0.0]
    assert values["sample_maximum"] == [1.0, 2.0]


# --- counts that promise more than there is ---


def test_a_count_beyond_the_bits_left_is_truncated_before_anything_is_stored() -> None:
    writer = BitWriter()
    for value in (0, 0, 2**31):
        writer.ue(value)
    writer.align()
    reader = BitReader(writer.getvalue(), BASE)
    with pytest.raises(ParseError) as caught:
        read_structure(FEATURE_DATA, reader, activate=lambda *_: ACTIVE)
    assert caught.value.error_class is ErrorClass.TRUNCATED
    assert caught.value.bit_offset == BASE + 1 + 1 + 63


def test_a_configuration_longer_than_the_body_is_truncated() -> None:
    data = forge(FEATURE_PARAMETER_SET, "codec_configuration_length", 5).data
    with pytest.raises(ParseError) as caught:
        read(FEATURE_PARAMETER_SET, data[:-1])
    assert caught.value.error_class is ErrorClass.TRUNCATED


# --- a writer writes nothing invalid ---


@pytest.mark.parametrize(
    ("structure", "values"),
    [
        (DIGEST, {"parameter_set_id": 64}),
        (METADATA, {"entry_count_minus1": 0, "key_length": [0]}),
        (END_OF_BITSTREAM, {"tensor_count": 65}),
    ],
    ids=lambda p: p.name if isinstance(p, Structure) else "",
)
def test_a_writer_refuses_a_value_out_of_bounds(structure: Structure, values: Values) -> None:
    with pytest.raises(SemanticError) as caught:
        write_structure(structure, BitWriter(), values)
    assert caught.value.error_class is ErrorClass.OUT_OF_RANGE
    assert caught.value.bit_offset is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_writer_refuses_a_range_that_is_not_finite(value: float) -> None:
    values = {"parameter_set_id": 0, "first_sample": 0, "sample_count_minus1": 0, "sample_minimum": [value]}
    with pytest.raises(SemanticError) as caught:
        write_structure(FEATURE_DATA, BitWriter(), values, ACTIVE)
    assert caught.value.error_class is ErrorClass.NONFINITE


def test_a_writer_misses_a_value_that_it_needs() -> None:
    with pytest.raises(KeyError, match="digest_kind"):
        write_structure(DIGEST, BitWriter(), {"parameter_set_id": 0})
