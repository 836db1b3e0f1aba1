"""8.4 HEVC: parameter sets, payloads and byte streams that conform, and those that are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hevc_pictures import (  # noqa: F401 - fixtures
    FAST,
    HEVC,
    X265,
    decode,
    form,
    inter_pictures,
    intra_pictures,
    needs_x265,
    pictures,
    rejected,
)

from refsw.errors import CodecError, ErrorClass, PayloadError
from refsw.payload import commands, nal
from refsw.payload.base import EncoderSettings, PictureFormat
from refsw.payload.hevc import annex_b, hevc_configuration
from refsw.payload.nal import Nal, NalType
from refsw.payload.sharing import separate

# --- codec configuration ---


def sets(coded: tuple[bytes, bytes]) -> list[bytes]:
    return [unit.data for unit in nal.split(coded[0])]


def joined(units: list[bytes]) -> bytes:
    return b"".join(nal.START_CODE + unit for unit in units)


def test_the_configuration_is_one_vps_one_sps_and_pps(intra: tuple[bytes, bytes]) -> None:
    assert [unit.type for unit in nal.split(intra[0])] == [NalType.VPS, NalType.SPS, NalType.PPS]
    assert {unit.is_slice for unit in nal.split(intra[1])} == {True}


@pytest.mark.parametrize(
    "order", [(), (0,), (0, 1), (1, 0, 2), (0, 2, 1), (0, 1, 1, 2), (0, 0, 1, 2), (0, 1, 2, 0), (0, 1, 2, 1)]
)
def test_another_order_of_parameter_sets_is_rejected(intra: tuple[bytes, bytes], order: tuple[int, ...]) -> None:
    units = sets(intra)
    error = rejected((joined([units[i] for i in order]), intra[1]))
    assert (error.requirement, error.element) == ("hevc.configuration", "codec_configuration")


def test_several_pps_are_allowed(intra: tuple[bytes, bytes]) -> None:
    units = sets(intra)
    assert np.array_equal(decode((joined([*units, units[2]]), intra[1])), decode(intra))


@pytest.mark.parametrize("extra", [b"\x46\x01\x50", b"\x4e\x01\x05\x01\x00\x80"], ids=["AUD", "SEI"])
def test_nothing_else_is_in_a_configuration(intra: tuple[bytes, bytes], extra: bytes) -> None:
    assert rejected((intra[0] + nal.START_CODE + extra, intra[1])).requirement == "hevc.configuration"


@pytest.mark.parametrize("which", [1, 2])
def test_a_parameter_set_that_is_cut_is_rejected(intra: tuple[bytes, bytes], which: int) -> None:
    units = sets(intra)
    units[which] = units[which][:3]
    assert rejected((joined(units), intra[1])).requirement == "hevc.configuration"


@pytest.mark.parametrize("depth", [10, 12])
def test_pictures_of_another_bit_depth_are_refused(intra: tuple[bytes, bytes], depth: int) -> None:
    error = rejected(intra, 2, form(depth=depth))
    assert (error.error_class, error.requirement) == (ErrorClass.LAYOUT_MISMATCH, "hevc.bit-depth")


@pytest.mark.parametrize("size", [(32, 47), (33, 48), (48, 32)])
def test_pictures_of_another_size_are_refused(intra: tuple[bytes, bytes], size: tuple[int, int]) -> None:
    error = rejected(intra, 2, form(*size))
    assert (error.error_class, error.requirement) == (ErrorClass.LAYOUT_MISMATCH, "hevc.picture-size")


@needs_x265
def test_pictures_with_colour_are_refused() -> None:
    # A 4:2:0 stream of two pictures of 64x64, made of raw pictures of as many bytes.
    f = form(64, 96)
    command = X265.replace("i400", "i420").replace("{width}x{height}", "64x64")
    with pytest.raises((CodecError, PayloadError)):
        HEVC.encode(pictures(f), f, EncoderSettings(command=command))
    folder_free = colour_stream(command, f)
    error = rejected(folder_free, 2, form(64, 64))
    assert (error.error_class, error.requirement) == (ErrorClass.LAYOUT_MISMATCH, "hevc.chroma-format")


def colour_stream(command: str, f: PictureFormat) -> tuple[bytes, bytes]:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "in.yuv", Path(folder) / "out.hevc"
        source.write_bytes(pictures(f).tobytes())
        fields = {"input": str(source), "output": str(output), "bit_depth": 8, "qp": 30, "frames": 2}
        commands.run(command, fields)
        return separate(output.read_bytes())


# --- payloads ---


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_pictures_is_refused(intra: tuple[bytes, bytes], count: int) -> None:
    if count == 0:
        with pytest.raises(PayloadError):
            decode(intra, 0)
        return
    error = rejected(intra, count)
    assert (error.error_class, error.requirement) == (ErrorClass.LENGTH_MISMATCH, "hevc.picture-count")


def test_an_empty_payload_has_no_pictures(intra: tuple[bytes, bytes]) -> None:
    assert rejected((intra[0], b"")).requirement == "hevc.picture-count"


@pytest.mark.parametrize(
    ("unit", "allowed"),
    [(b"\x4e\x01\x05\x10" + b"an unknown uuid." + b"\x80", True),
     (b"\x46\x01\x50", False), (b"\x40\x01\x0c", False), (b"\x42\x01\x01", False),
     (b"\x44\x01\xc0", False), (b"\x4a\x01\x80", False), (b"\x48\x01\x80", False), (b"\x4c\x01\xff", False),
     (b"\x2c\x01\x80", False), (b"\x52\x01\x80", False), (b"\x7e\x01\x80", False)],
    ids=["SEI", "AUD", "VPS", "SPS", "PPS", "EOB", "EOS", "FILLER", "22", "41", "63"],
)  # fmt: skip
def test_a_payload_has_slices_and_sei_only(intra: tuple[bytes, bytes], unit: bytes, allowed: bool) -> None:
    coded = (intra[0], nal.START_CODE + unit + intra[1])
    if allowed:
        assert HEVC.check(*coded, 2, form()) == []  # type: ignore[arg-type]
        assert np.array_equal(decode(coded), decode(intra))
        return
    error = rejected(coded)
    assert error.requirement == "hevc.payload-nal-types"
    assert error.bit_offset == 24


def test_inter_slices_are_found_where_intra_is_declared(inter: tuple[bytes, bytes]) -> None:
    f = form(48, 64)
    found = HEVC.check(*inter, 4, f)  # type: ignore[arg-type]
    assert [error.requirement for error in found] == ["hevc.intra-only"] * 3
    places = [8 * unit.place for unit in nal.split(inter[1])]
    assert [error.bit_offset for error in found] == places[1:]
    assert HEVC.check(*inter, 4, form(48, 64, intra=False)) == []  # type: ignore[arg-type]
    assert rejected(inter, 4, f).requirement == "hevc.intra-only"


def test_a_slice_of_an_unknown_pps_is_found(intra: tuple[bytes, bytes]) -> None:
    units = [bytearray(unit.data) for unit in nal.split(intra[1])]
    # first_slice 1, no_output 0, PPS id ue(0) = 1 -> ue(1) = 010, over what follows
    assert units[0][2] >> 5 == 0b101
    units[0][2] = 0b10010000 | units[0][2] & 0x0F
    coded = (intra[0], joined([bytes(unit) for unit in units]))
    found = HEVC.check(*coded, 2, form())  # type: ignore[arg-type]
    assert [error.requirement for error in found] == ["hevc.slice-header"]
    with pytest.raises(PayloadError):
        decode(coded)


@pytest.mark.parametrize("start", [b"\x01", b"junk", b"\x00\x00\x02"])
def test_nothing_stands_before_the_first_start_code(intra: tuple[bytes, bytes], start: bytes) -> None:
    error = rejected((intra[0], start + intra[1]))
    assert (error.requirement, error.bit_offset) == ("hevc.start-code", 0)
    assert rejected((start + intra[0], intra[1])).requirement == "hevc.start-code"


@pytest.mark.parametrize("zeros", [1, 5])
def test_zero_bytes_before_start_codes_do_not_matter(intra: tuple[bytes, bytes], zeros: int) -> None:
    padded = tuple(part.replace(nal.START_CODE, bytes(zeros) + nal.START_CODE) + bytes(zeros) for part in intra)
    assert np.array_equal(decode(padded), decode(intra))  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", [b"", b"\x26", b"\x26\x01", b"\x26\x01\x00"])
def test_a_nal_unit_has_at_least_3_bytes(intra: tuple[bytes, bytes], unit: bytes) -> None:
    error = rejected((intra[0], intra[1] + nal.START_CODE + unit))
    assert error.requirement == "hevc.nal-length"
    assert error.bit_offset == 8 * (len(intra[1]) + 3)


def test_truncated_payloads_are_rejected(intra: tuple[bytes, bytes]) -> None:
    first = nal.split(intra[1])[1].place
    for size in range(0, first - 3, 7):
        rejected((intra[0], intra[1][:size]))


# --- byte streams ---


def test_nal_units_are_split_where_they_were_joined() -> None:
    units = [b"\x40\x01\x0c", b"\x42\x01\x00\x00\x03\x01", b"\x26\x01\xaf\x80"]
    stream = joined(units)
    got = nal.split(stream)
    assert [unit.data for unit in got] == units
    for unit in got:
        assert stream[unit.place : unit.place + len(unit.data)] == unit.data
    assert nal.join(got) == stream
    assert nal.split(b"") == []


def test_pictures_begin_with_what_precedes_their_first_slice() -> None:
    def unit(kind: int, third: int) -> Nal:
        return Nal(bytes([kind << 1, 1, third]), 0)

    vps, sei, first, more, suffix = unit(32, 0), unit(39, 0), unit(19, 0x80), unit(19, 0), unit(40, 0)
    groups = list(nal.pictures_of([vps, sei, first, more, suffix, sei, first, first, vps]))
    assert groups == [[vps, sei, first, more, suffix], [sei, first], [first], [vps]]


def test_the_strict_form_has_a_zero_byte_where_annex_b_wants_it(intra: tuple[bytes, bytes]) -> None:
    strict = annex_b(intra[0] + intra[1])
    long = b"\x00" + nal.START_CODE
    assert strict.count(long) == 4  # three parameter sets, which begin the first picture, and the second one
    assert strict.replace(long, nal.START_CODE) == intra[0] + intra[1]


def test_a_stream_whose_parameter_sets_change_is_refused(intra: tuple[bytes, bytes]) -> None:
    other = HEVC.encode(pictures(form(48, 48)), form(48, 48), FAST)
    with pytest.raises(PayloadError, match=r"another size \(48x32, then 48x48\)"):
        separate(b"".join(intra + other))
    with pytest.raises(PayloadError, match="parameter sets"):
        separate(intra[1])
    assert separate(b"".join(intra + intra)) == (intra[0], intra[1] * 2)


@pytest.mark.parametrize("size", [(16, 16), (18, 16), (31, 47), (64, 65), (128, 128), (250, 130)])
@pytest.mark.parametrize("depth", [8, 10, 12])
def test_the_parameter_sets_of_x265_are_understood(size: tuple[int, int], depth: int) -> None:
    for intra_only in (True, False):
        f = form(*size, depth, intra=intra_only)
        parsed = nal.parse_configuration(hevc_configuration(f, FAST))
        assert (parsed.sps.height, parsed.sps.width) == size
        assert (parsed.sps.bit_depth, parsed.sps.chroma_format) == (depth, 0)
        assert nal.check_format(parsed.sps, f) == []
        assert list(parsed.pps) == [0]
        assert parsed.stream == hevc_configuration(f, FAST)


def test_coding_tree_blocks_of_other_sizes_have_a_requirement_of_their_own(intra: tuple[bytes, bytes]) -> None:
    vps, sps, pps = (unit.data for unit in nal.split(intra[0]))
    # ultrafast: smallest blocks of 8, log2_diff_max_min_luma_coding_block_size 2 (ue 011) follows log2_min (ue 1)
    found = set()
    for place in range(8 * 20, 8 * len(sps)):
        changed = bytearray(sps)
        changed[place // 8] ^= 0x80 >> place % 8
        try:
            nal.parse_configuration(joined([vps, bytes(changed), pps]))
        except PayloadError as error:
            found.add(error.requirement)
    assert "hevc.sps" in found


def test_pictures_that_withhold_earlier_ones_are_rejected(intra: tuple[bytes, bytes]) -> None:
    first, second = nal.split(intra[1])
    for units in ([first, second], [second, first]):
        changed = [units[0].data, units[1].data[:2] + bytes([units[1].data[2] | 0x40]) + units[1].data[3:]]
        error = rejected((intra[0], joined(changed)))
        assert error.requirement == "hevc.picture-count"
        assert "no_output_of_prior_pics_flag" in error.expected
