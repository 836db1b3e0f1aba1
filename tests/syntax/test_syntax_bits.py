"""4.3 Descriptors: what is written is read, and what cannot be read is told with its place."""

from __future__ import annotations

import io
import math
import random
import struct
from collections.abc import Callable
from typing import Any

import bitstring
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsw.errors import DfcError, ErrorClass, ParseError
from refsw.syntax.bits import BitReader, BitWriter, leading_ues
from refsw.syntax.codes import Level, Profile
from refsw.syntax.units import UnitReader, crc32, leb128, pack_header

BASE = 8 * 1000
UE_MAX = 2**32 - 2
SE_LIMIT = 2**31 - 1

Write = Callable[[BitWriter], None]


def bits(text: str) -> BitReader:
    """A reader over the bits of a text of 0 and 1, filled up to a byte, at a known place of the bitstream."""
    text = text.replace(" ", "")
    text += "0" * (-len(text) % 8)
    return BitReader(bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8)), BASE, "a test")


def written(*steps: Write) -> str:
    writer = BitWriter()
    for step in steps:
        step(writer)
    count = writer.position
    writer.align()
    return "".join(f"{byte:08b}" for byte in writer.getvalue())[:count]


def rejected(read: Callable[[], object]) -> ParseError:
    with pytest.raises(ParseError) as caught:
        read()
    assert caught.value.phase == "parse"
    return caught.value


# --- round trips ---

unsigned = st.integers(1, 300).flatmap(lambda n: st.tuples(st.just("u"), st.integers(0, 2**n - 1), st.just(n)))
golomb = st.tuples(st.just("ue"), st.integers(0, UE_MAX), st.just(0))
signed = st.tuples(st.just("se"), st.integers(-SE_LIMIT, SE_LIMIT), st.just(0))
single = st.tuples(st.just("f32"), st.floats(width=32, allow_nan=False), st.just(0))
aligned = st.tuples(st.just("align"), st.just(None), st.just(0))


@given(st.lists(unsigned | golomb | signed | single | aligned, max_size=30))
def test_any_sequence_of_descriptors_is_read_as_it_was_written(fields: list[tuple[str, object, int]]) -> None:
    writer = BitWriter()
    places = []
    for kind, value, size in fields:
        places.append(writer.position)
        arguments = () if kind == "align" else (value, size) if kind == "u" else (value,)
        getattr(writer, kind)(*arguments)
    end = writer.position
    writer.align()
    reader = BitReader(writer.getvalue(), BASE)
    for (kind, value, size), place in zip(fields, places, strict=True):
        assert reader.offset == BASE + place
        assert getattr(reader, kind)(*((size,) if kind == "u" else ())) == value
    assert reader.position == end
    assert reader.remaining == -end % 8


# --- against bitstring, another hand ---

FORMATS = {"u": "u{}", "ue": "ue", "se": "se", "f32": "f32"}


def by_bitstring(kind: str, value: Any, size: int, position: int) -> bitstring.Bits:
    if kind == "align":
        return bitstring.Bits.from_zeros(-position % 8)
    return bitstring.Bits.from_dtype(FORMATS[kind].format(size), value)


@given(st.lists(unsigned | golomb | signed | single | aligned, max_size=30))
def test_what_is_written_is_what_bitstring_packs(fields: list[tuple[str, object, int]]) -> None:
    writer = BitWriter()
    packed = bitstring.BitArray()
    for kind, value, size in fields:
        getattr(writer, kind)(*(() if kind == "align" else (value, size) if kind == "u" else (value,)))
        packed.append(by_bitstring(kind, value, size, len(packed)))
        assert writer.position == len(packed)
    writer.align()
    assert writer.getvalue() == packed.tobytes()


wanted = st.lists(st.tuples(st.sampled_from(["u", "ue", "se", "f32"]), st.integers(1, 70)), max_size=30)


@given(st.binary(max_size=40) | st.binary(max_size=9).map(lambda data: bytes(3) + data), wanted)
def test_any_bytes_are_read_as_bitstring_reads_them(data: bytes, fields: list[tuple[str, int]]) -> None:
    reader, other = BitReader(data, BASE), bitstring.Reader(bitstring.Bits.from_bytes(data))
    for kind, size in fields:
        place = other.pos
        try:
            expected = other.read_value(FORMATS[kind].format(size))
        except bitstring.ReadError:
            # Of Exp-Golomb codes, bitstring knows no longest prefix.
            assert rejected(lambda: getattr(reader, kind)(*((size,) if kind == "u" else ()))).requirement in (  # noqa: B023
                "unit.complete-element",
                *(["descriptor.ue-prefix"] if kind in ("ue", "se") else []),
            )
            return
        if kind in ("ue", "se") and other.pos - place > 63:
            assert rejected(getattr(reader, kind)).requirement == "descriptor.ue-prefix"
            return
        value = getattr(reader, kind)(*((size,) if kind == "u" else ()))
        assert value == expected or (math.isnan(value) and math.isnan(expected))
        assert reader.position == other.pos


@given(st.floats(width=32, allow_nan=False))
def test_f32_keeps_every_bit_of_a_binary32(value: float) -> None:
    writer = BitWriter()
    writer.f32(value)
    assert writer.getvalue() == struct.pack(">f", value)
    assert math.copysign(1, BitReader(writer.getvalue()).f32()) == math.copysign(1, value)


@pytest.mark.parametrize(
    ("value", "code"),
    [(0, "1"), (1, "010"), (2, "011"), (3, "00100"), (6, "00111"), (7, "0001000"), (UE_MAX, "0" * 31 + "1" * 32)],
)
def test_ue_is_the_exponential_golomb_code_of_order_0(value: int, code: str) -> None:
    assert written(lambda w: w.ue(value)) == code
    assert bits(code).ue() == value


@pytest.mark.parametrize(("value", "code"), [(0, "1"), (1, "010"), (-1, "011"), (2, "00100"), (-2, "00101")])
def test_se_maps_positive_numbers_to_odd_codes(value: int, code: str) -> None:
    assert written(lambda w: w.se(value)) == code
    assert bits(code).se() == value


def test_the_first_bit_is_the_most_significant_one() -> None:
    reader = BitReader(b"\x80\x01")
    assert [reader.u(1), reader.u(14), reader.u(1)] == [1, 0, 1]


def test_u_of_0_bits_is_0_and_takes_none() -> None:
    reader = BitReader(b"")
    assert reader.u(0) == 0
    assert reader.position == 0


@pytest.mark.parametrize("data", [bytes(5), memoryview(bytes(5))])
def test_rest_is_all_that_is_left(data: bytes | memoryview) -> None:
    reader = BitReader(data)
    reader.u(16)
    assert bytes(reader.rest()) == bytes(3)
    assert reader.remaining == 0


# --- what a reader refuses ---


@pytest.mark.parametrize(("size", "before"), [(9, 0), (8, 1), (1, 8), (64, 3)])
def test_u_beyond_the_end_is_truncated_at_its_first_bit(size: int, before: int) -> None:
    reader = BitReader(b"\xff", BASE, "a test")
    reader.u(before)
    error = rejected(lambda: reader.u(size, "name"))
    assert (error.error_class, error.requirement) == (ErrorClass.TRUNCATED, "unit.complete-element")
    assert (error.element, error.bit_offset) == ("name", BASE + before)
    assert reader.position == before


@pytest.mark.parametrize("code", ["00000000", "00001000", "00000001"])
def test_ue_beyond_the_end_is_truncated(code: str) -> None:
    reader = bits(code)
    error = rejected(lambda: reader.ue("name"))
    assert (error.error_class, error.requirement, error.element) == (
        ErrorClass.TRUNCATED,
        "unit.complete-element",
        "name",
    )
    assert BASE <= (error.bit_offset or 0) <= BASE + 8


@pytest.mark.parametrize("zeros", [32, 33, 64, 400])
@pytest.mark.parametrize("before", [0, 5])
def test_a_prefix_of_more_than_31_zeros_is_out_of_range_at_the_first_of_them(zeros: int, before: int) -> None:
    reader = bits("1" * before + "0" * zeros + "1" * 70)
    reader.u(before)
    error = rejected(lambda: reader.ue("name"))
    assert (error.error_class, error.requirement) == (ErrorClass.OUT_OF_RANGE, "descriptor.ue-prefix")
    assert (error.element, error.bit_offset) == ("name", BASE + before)


def test_f32_beyond_the_end_is_truncated() -> None:
    error = rejected(lambda: BitReader(bytes(3), BASE).f32("name"))
    assert (error.error_class, error.bit_offset) == (ErrorClass.TRUNCATED, BASE)


@pytest.mark.parametrize("before", range(1, 8))
def test_every_alignment_bit_is_zero(before: int) -> None:
    for one in range(before, 8):
        reader = bits("0" * one + "1" + "0" * (7 - one) + "1")
        reader.u(before)
        error = rejected(reader.align)
        assert (error.error_class, error.requirement) == (ErrorClass.RESERVED_VALUE, "descriptor.alignment-zero")
        assert error.bit_offset == BASE + before


def test_alignment_at_a_byte_takes_no_bits() -> None:
    reader = BitReader(b"\xff")
    reader.align()
    assert reader.position == 0


# --- what a writer refuses ---


@pytest.mark.parametrize(("value", "size"), [(-1, 8), (256, 8), (2, 1), (1, 0)])
def test_u_writes_nothing_that_does_not_fit(value: int, size: int) -> None:
    writer = BitWriter()
    with pytest.raises(ValueError, match="does not fit"):
        writer.u(value, size)
    assert writer.position == 0


@pytest.mark.parametrize("value", [UE_MAX + 1, 2**40])
def test_ue_writes_nothing_beyond_31_zeros(value: int) -> None:
    writer = BitWriter()
    with pytest.raises(ValueError, match="too large"):
        writer.ue(value)
    assert writer.position == 0


def test_ue_writes_no_negative_number() -> None:
    with pytest.raises(ValueError, match="fit"):
        BitWriter().ue(-1)


@pytest.mark.parametrize("finish", [lambda w: w.getvalue(), lambda w: w.raw(b"x")], ids=["getvalue", "raw"])
def test_bytes_are_taken_at_byte_boundaries_only(finish: Callable[[BitWriter], object]) -> None:
    writer = BitWriter()
    writer.u(1, 3)
    with pytest.raises(ValueError, match="aligned"):
        finish(writer)


# --- leb(v), as the length of a unit ---


def unit_of(length_bytes: bytes, body: bytes = b"") -> bytes:
    head = bytes([100 << 1 | 1]) + length_bytes
    return pack_header(Profile.INTRA, Level.L3) + head + body + crc32(body, crc32(head)).to_bytes(4, "big")


def read_unit(data: bytes, limit: int = 2**32) -> int:
    reader = UnitReader(io.BytesIO(data))
    reader.max_unit_bytes = limit
    unit = reader.read_unit()
    assert unit is not None
    return len(unit.body)


@given(st.integers(0, 2**32 - 1))
def test_leb_is_7_bits_a_byte_least_significant_first_and_shortest(value: int) -> None:
    code = leb128(value)
    assert sum((byte & 0x7F) << 7 * i for i, byte in enumerate(code)) == value
    assert [byte >> 7 for byte in code] == [1] * (len(code) - 1) + [0]
    assert len(code) == max(1, -(-value.bit_length() // 7))


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16383, 16384, 2**21 - 1, 2**21])
def test_a_unit_of_any_length_is_read(length: int) -> None:
    assert read_unit(unit_of(leb128(length), bytes(length))) == length


@pytest.mark.parametrize("code", ["8000", "818000", "ff8000", "8080808000", "ff00", "ffffffff1f", "8080808010"])
def test_a_length_that_is_not_shortest_or_over_32_bits_is_out_of_range(code: str) -> None:
    with pytest.raises(DfcError) as caught:
        read_unit(unit_of(bytes.fromhex(code)))
    error = caught.value
    assert (error.error_class, error.requirement) == (ErrorClass.OUT_OF_RANGE, "descriptor.leb-shortest")
    assert (error.element, error.bit_offset, error.phase) == ("unit_length", 8 * 13, "parse")


@pytest.mark.parametrize("code", ["808080808000", "ffffffffff", "80808080808080"])
def test_a_length_of_more_than_5_bytes_is_out_of_range(code: str) -> None:
    with pytest.raises(DfcError) as caught:
        read_unit(unit_of(bytes.fromhex(code)))
    error = caught.value
    assert (error.error_class, error.requirement) == (ErrorClass.OUT_OF_RANGE, "descriptor.leb-length")
    assert (error.element, error.bit_offset) == ("unit_length", 8 * 13)


def test_the_largest_length_is_read_as_such() -> None:
    with pytest.raises(DfcError) as caught:
        read_unit(unit_of(bytes.fromhex("ffffffff0f")), 2**31)
    assert caught.value.requirement == "level.unit-bytes"
    assert caught.value.got == str(2**32 - 1)


@pytest.mark.parametrize("seed", range(20))
def test_the_first_elements_of_a_body_are_read_as_one_by_one(seed: int) -> None:
    rng, names = random.Random(seed), ("a", "b", "c")
    for _ in range(200):
        data = bytes(rng.choice([0, 0, 1, 0x80, rng.randrange(256)]) for _ in range(rng.randrange(30)))
        found: list[object] = []
        reader = BitReader(data, 16)
        for read in (lambda data=data: leading_ues(data, names, 16), lambda r=reader: [r.ue(name) for name in names]):
            try:
                found.append(read())
            except ParseError as error:
                found.append((error.requirement, error.element, error.bit_offset))
        assert found[0] == found[1], data.hex()
