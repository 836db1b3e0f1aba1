"""Chapter 5: the header, units and their framing, and what a decoder says when they are not in order."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest

import refsw
from refsw.errors import DfcError, ErrorClass
from refsw.features.decoder import Decoder, DecoderLimits
from refsw.inspection import inspect
from refsw.profiles import LEVELS
from refsw.syntax.codes import Level, Profile, UnitType, since
from refsw.syntax.structures import HEADER_BYTES
from refsw.syntax.units import Unit, UnitReader, crc32, leb128, pack_header, pack_unit

F, D, G, M, E = (
    UnitType.FEATURE_PARAMETER_SET,
    UnitType.FEATURE_DATA,
    UnitType.DIGEST,
    UnitType.METADATA,
    UnitType.END_OF_BITSTREAM,
)


@pytest.fixture(scope="module")
def small() -> bytes:
    """Units of every type, in about 300 bytes."""
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    choices = {"quantizer": "log", "bit_depth": 8, "payload": "zlib"}
    return refsw.encode(x, digest="sample", metadata=(("tool", "test"),), **choices)


def units(data: bytes) -> list[Unit]:
    return list(UnitReader(io.BytesIO(data)))


def stream_of(parts: Sequence[Unit | bytes], header: bytes | None = None) -> bytes:
    """A bitstream of units and raw bytes, with the CRC of the bitstream made right."""
    out = header or pack_header(Profile.LOSSLESS, Level.L1)
    chain = crc32(out[8:12])
    for part in parts:
        if isinstance(part, Unit):
            body = bytes(part.body)
            if part.type == E:
                body = body[:-4] + chain.to_bytes(4, "big")
            part = pack_unit(part.type, body, skippable=part.skippable)
        out += part
        chain = crc32(part[-4:], chain)
    return out


def rejected(data: bytes) -> DfcError:
    with pytest.raises(DfcError) as caught:
        refsw.decode(data)
    assert not refsw.validate(data).conforming or caught.value.exit_code == 69
    return caught.value


def what(error: DfcError) -> tuple[ErrorClass, str, int | None]:
    return error.error_class, error.requirement, error.bit_offset


def header(*, signature: str = "89444643", major: int = 1, minor: int = 0, profile: int = 3, level: int = 1) -> bytes:
    start = bytes.fromhex(signature) + bytes([major, minor, profile, level])
    return start + crc32(start).to_bytes(4, "big")


# --- CRC and header ---


def test_crc_32_is_the_one_of_the_check_value() -> None:
    assert crc32(b"123456789") == 0xCBF43926


def test_a_stream_made_again_of_its_units_is_the_same(small: bytes) -> None:
    assert stream_of(units(small), small[:HEADER_BYTES]) == small
    assert {unit.type for unit in units(small)} == {F, D, G, M, E}


@pytest.mark.parametrize("index", range(4))
def test_any_other_signature_is_a_bad_one(small: bytes, index: int) -> None:
    data = bytearray(small)
    data[index] ^= 1
    error = rejected(bytes(data))
    assert what(error) == (ErrorClass.BAD_SIGNATURE, "bitstream.signature", 0)


@pytest.mark.parametrize("major", [0, 2, 255])
def test_another_major_version_is_unsupported(small: bytes, major: int) -> None:
    error = rejected(header(major=major) + small[HEADER_BYTES:])
    assert what(error) == (ErrorClass.UNSUPPORTED_VERSION, "bitstream.version-major", 32)
    assert (error.phase, error.exit_code) == ("unsupported", 69)


def test_a_later_major_version_may_have_another_header_altogether() -> None:
    assert rejected(bytes.fromhex("8944464302")).error_class is ErrorClass.UNSUPPORTED_VERSION


@pytest.mark.parametrize("index", range(5, HEADER_BYTES))
def test_a_damaged_header_has_a_wrong_crc(small: bytes, index: int) -> None:
    data = bytearray(small)
    data[index] ^= 0x10
    error = rejected(bytes(data))
    assert what(error) == (ErrorClass.CRC_MISMATCH, "bitstream.header-crc", 64)


@pytest.mark.parametrize("profile", [0, 7, 255])
def test_a_reserved_profile_is_rejected(small: bytes, profile: int) -> None:
    error = rejected(stream_of(units(small), header(profile=profile)))
    assert what(error) == (ErrorClass.RESERVED_VALUE, "bitstream_header.profile_idc", 48)


@pytest.mark.parametrize("level", [0, 4, 255])
def test_a_reserved_level_is_rejected(small: bytes, level: int) -> None:
    error = rejected(stream_of(units(small), header(level=level)))
    assert what(error) == (ErrorClass.RESERVED_VALUE, "bitstream_header.level_idc", 56)


def test_the_header_says_profile_and_level() -> None:
    for profile in Profile:
        for level in Level:
            read = UnitReader(io.BytesIO(pack_header(profile, level))).header
            assert (read.profile, read.level, read.version_minor) == (profile, level, since(profile))


# --- minor versions ---


def test_a_later_minor_version_may_append_elements(small: bytes) -> None:
    # Of what has a length of its own: a payload takes all that is left.
    parts = [longer(unit) if unit.type in (F, G, M) else unit for unit in units(small)]
    expected = refsw.decode(small)
    assert np.array_equal(refsw.decode(stream_of(parts, header(minor=1))), expected)
    assert refsw.validate(stream_of(parts, header(minor=255))).conforming


def longer(unit: Unit) -> Unit:
    return Unit(unit.type, unit.skippable, memoryview(bytes(unit.body) + b"new"), 0, 0, 0)


@pytest.mark.parametrize("kind", [F, G, M])
def test_this_version_appends_nothing(small: bytes, kind: UnitType) -> None:
    parts = [longer(unit) if unit.type == kind else unit for unit in units(small)]
    data = stream_of(parts)
    place = next(unit for unit in units(data) if unit.type == kind)
    error = rejected(data)
    end = 8 * (place.body_offset + len(place.body) - len(b"new"))
    assert what(error) == (ErrorClass.TRAILING_DATA, "unit.no-rest", end)


# --- framing ---


def test_every_truncation_is_told_as_such(small: bytes) -> None:
    for size in range(len(small)):
        error = rejected(small[:size])
        assert error.error_class is ErrorClass.TRUNCATED, size
        assert error.phase == "parse"
        whole = "unit.complete" if size > HEADER_BYTES else "bitstream."
        assert error.requirement.startswith((whole, "bitstream.end"))
        assert 0 <= (error.bit_offset or 0) <= 8 * size


def test_a_truncated_stream_puts_out_right_samples_only(small: bytes) -> None:
    whole = [sample.elements for sample in Decoder(io.BytesIO(small))]
    counts = set()
    for size in range(HEADER_BYTES, len(small)):
        found = []
        with pytest.raises(DfcError):
            found += list_into(found, Decoder(io.BytesIO(small[:size])))
        assert all(np.array_equal(a, b) for a, b in zip(found, whole, strict=False))
        counts.add(len(found))
    assert counts == {0, 1, 2}


def list_into(found: list[np.ndarray], decoder: Decoder) -> list[np.ndarray]:
    for sample in decoder:
        found.append(sample.elements)
    return []


def test_every_flipped_bit_after_the_header_is_detected(small: bytes) -> None:
    for bit in range(8 * HEADER_BYTES, 8 * len(small)):
        data = bytearray(small)
        data[bit >> 3] ^= 0x80 >> (bit & 7)
        with pytest.raises(DfcError):
            refsw.decode(bytes(data))


def test_a_wrong_crc_is_told_at_its_place_before_the_body_is_looked_at(small: bytes) -> None:
    for unit in units(small):
        data = bytearray(small)
        data[unit.body_offset] ^= 0xFF
        error = rejected(bytes(data))
        assert what(error) == (ErrorClass.CRC_MISMATCH, "unit.crc", 8 * (unit.body_offset + len(unit.body)))


def test_the_first_byte_and_the_length_are_under_the_crc(small: bytes) -> None:
    first = units(small)[0]
    for place in (first.offset, first.body_offset - 1):
        data = bytearray(small)
        data[place] ^= 1
        assert rejected(bytes(data)).error_class in (ErrorClass.CRC_MISMATCH, ErrorClass.TRUNCATED)


@pytest.mark.parametrize("level", Level)
def test_a_unit_longer_than_the_level_allows_is_refused_unread(level: Level) -> None:
    limit = LEVELS[level].unit_bytes
    data = header(level=level) + b"\x04" + leb128(limit + 1)
    error = rejected(data)
    assert what(error) == (ErrorClass.RESOURCE_LIMIT, "level.unit-bytes", 8 * (HEADER_BYTES + 1))
    assert error.phase == "limit"
    # The longest one is not refused, it is just not there.
    assert rejected(header(level=level) + b"\x04" + leb128(limit)).error_class is ErrorClass.TRUNCATED


def test_a_level_above_that_of_the_decoder_is_unsupported(small: bytes) -> None:
    data = stream_of(units(small), header(level=3))
    with pytest.raises(DfcError) as caught:
        Decoder(io.BytesIO(data), limits=DecoderLimits(Level.L2))
    assert what(caught.value) == (ErrorClass.RESOURCE_LIMIT, "level.capacity", 56)
    assert caught.value.exit_code == 69


# --- types of units ---


@pytest.mark.parametrize("kind", [0, 6, 7, 10, 63, 64, 127])
def test_an_unknown_unit_that_may_be_skipped_is(small: bytes, kind: int) -> None:
    expected = refsw.decode(small)
    unknown = pack_unit(kind, b"whatever", skippable=True)
    for place in range(len(units(small))):
        parts: list[Unit | bytes] = [*units(small)]
        parts.insert(place, unknown)
        data = stream_of(parts)
        assert np.array_equal(refsw.decode(data), expected)
        assert refsw.validate(data).conforming


@pytest.mark.parametrize("kind", [0, 6, 127])
def test_an_unknown_unit_that_may_not_be_skipped_is_unsupported(small: bytes, kind: int) -> None:
    parts: list[Unit | bytes] = [*units(small)]
    parts.insert(1, pack_unit(kind, b"", skippable=False))
    data = stream_of(parts)
    error = rejected(data)
    assert what(error) == (ErrorClass.RESERVED_VALUE, "unit.unknown", 8 * units(small)[1].offset)
    assert (error.phase, error.exit_code) == ("unsupported", 69)


def test_the_crc_of_a_skipped_unit_is_checked(small: bytes) -> None:
    unknown = bytearray(pack_unit(100, b"whatever", skippable=True))
    unknown[4] ^= 1
    parts: list[Unit | bytes] = [*units(small)]
    parts.insert(1, bytes(unknown))
    assert rejected(stream_of(parts)).requirement == "unit.crc"


def test_a_lost_skippable_unit_is_noticed(small: bytes) -> None:
    parts: list[Unit | bytes] = [*units(small)]
    parts.insert(1, pack_unit(100, b"whatever", skippable=True))
    data = stream_of(parts)
    place = units(data)[1]
    lost = data[: place.offset] + data[place.body_offset + len(place.body) + 4 :]
    assert rejected(lost).requirement == "end.bitstream-crc"


@pytest.mark.parametrize("kind", [F, D, G, M, E])
def test_a_known_type_has_the_skippable_flag_of_its_own(small: bytes, kind: UnitType) -> None:
    parts: list[Unit | bytes] = [
        Unit(u.type, u.skippable ^ (u.type == kind), u.body, 0, 0, 0) for u in units(small)
    ]  # fmt: skip
    place = next(u.offset for u in units(small) if u.type == kind)
    error = rejected(stream_of(parts))
    assert what(error) == (ErrorClass.RESERVED_VALUE, "unit.skippable-known", 8 * place + 7)


# --- order ---


def typed(small: bytes, kind: UnitType) -> Unit:
    return next(unit for unit in units(small) if unit.type == kind)


@pytest.mark.parametrize("kind", [D, G, E])
def test_nothing_but_metadata_comes_before_a_parameter_set(small: bytes, kind: UnitType) -> None:
    error = rejected(stream_of([typed(small, kind), *units(small)]))
    assert what(error) == (ErrorClass.LAYOUT_MISMATCH, "order.units", 8 * HEADER_BYTES)
    assert error.phase == "semantic"


def test_metadata_comes_anywhere_and_a_parameter_set_again(small: bytes) -> None:
    parts = units(small)
    again = [part for unit in parts[:-1] for part in (unit, typed(small, M), typed(small, F))]
    data = stream_of([typed(small, M), typed(small, F), *again, parts[-1]])
    assert np.array_equal(refsw.decode(data), refsw.decode(small))
    assert refsw.validate(data).conforming


def test_a_parameter_set_that_comes_again_with_other_bytes_is_rejected(small: bytes) -> None:
    other = refsw.encode(np.ones((2, 4, 2, 2), np.float32), quantizer="log", bit_depth=8, payload="zlib")
    parts = units(small)
    place = next(i for i, unit in enumerate(parts) if unit.type == F) + 1
    parts.insert(place, typed(other, F))
    error = rejected(stream_of(parts))
    assert (error.error_class, error.requirement) == (ErrorClass.LAYOUT_MISMATCH, "order.parameter-set-repeated")


@pytest.mark.parametrize("change", ["twice", "without the first", "exchanged"])
def test_samples_come_in_order_and_once(small: bytes, change: str) -> None:
    parts = [unit for unit in units(small) if unit.type != G]
    first = next(i for i, unit in enumerate(parts) if unit.type == D)
    if change == "twice":
        parts.insert(first, parts[first])
    elif change == "without the first":
        del parts[first]
    else:
        parts[first], parts[first + 1] = parts[first + 1], parts[first]
    error = rejected(stream_of(parts))
    assert (error.error_class, error.requirement) == (ErrorClass.OUT_OF_RANGE, "order.samples")


def test_the_last_sample_does_not_go_missing(small: bytes) -> None:
    parts = units(small)
    last = max(i for i, unit in enumerate(parts) if unit.type == D)
    without = [unit for i, unit in enumerate(parts) if i not in (last, last + 1)]
    assert parts[last + 1].type == G
    error = rejected(stream_of(without))
    assert (error.error_class, error.requirement) == (ErrorClass.LENGTH_MISMATCH, "end.sample-counts")


def test_a_digest_does_not_go_missing(small: bytes) -> None:
    parts = units(small)
    last = max(i for i, unit in enumerate(parts) if unit.type == G)
    del parts[last]
    error = rejected(stream_of(parts))
    assert (error.error_class, error.requirement) == (ErrorClass.LENGTH_MISMATCH, "digest.complete")


@pytest.mark.parametrize(
    "rest", [b"\0", b"more", pack_unit(100, b"", skippable=True), pack_header(Profile.INTRA, Level.L1)]
)
def test_nothing_comes_after_the_end(small: bytes, rest: bytes) -> None:
    error = rejected(small + rest)
    assert what(error) == (ErrorClass.TRAILING_DATA, "bitstream.nothing-after-end", 8 * len(small))


def test_a_stream_without_its_end_is_truncated(small: bytes) -> None:
    data = stream_of(units(small)[:-1])
    error = rejected(data)
    assert what(error) == (ErrorClass.TRUNCATED, "bitstream.end", 8 * len(data))


def test_a_wrong_crc_of_the_bitstream_is_told_at_its_place(small: bytes) -> None:
    end = units(small)[-1]
    body = bytearray(end.body)
    body[-1] ^= 1
    data = small[: end.offset] + pack_unit(E, bytes(body))
    error = rejected(data)
    assert what(error) == (ErrorClass.CRC_MISMATCH, "end.bitstream-crc", 8 * (end.body_offset + len(body) - 4))


def test_a_violation_in_a_parameter_set_is_the_only_one_reported(small: bytes) -> None:
    parts = units(small)
    place = next(i for i, unit in enumerate(parts) if unit.type == F)
    body = bytearray(parts[place].body)
    body[0] = 0x00  # the id: a prefix too long, or too large
    parts[place] = Unit(F, False, memoryview(bytes(body)), 0, 0, 0)
    # What cannot be checked without the parameter set is not reported as broken.
    found = {error.requirement for error in refsw.validate(stream_of(parts)).violations}
    assert "bitstream.end" not in found
    assert "order.units" not in found


# --- trace ---


@pytest.mark.parametrize("name", ["small", "skipped"])
def test_the_trace_of_a_bitstream_covers_every_bit(small: bytes, name: str) -> None:
    parts: list[Unit | bytes] = [*units(small)]
    if name == "skipped":
        parts.insert(1, pack_unit(100, b"whatever", skippable=True))
    data = stream_of(parts, small[:HEADER_BYTES])
    place = 0
    for row in inspect(data, trace=True).rows:
        assert row.bit_offset == place, row
        place += row.bits
    assert place == 8 * len(data)


def test_an_error_says_all_that_it_knows(small: bytes) -> None:
    error = rejected(small[:-1])
    text = str(error)
    assert text.startswith("TRUNCATED in unit_body and unit_crc at byte ")
    assert "[requirement unit.complete, phase parse]" in text
    assert error.as_dict()["class"] == "TRUNCATED"
