"""8.4 HEVC: pictures come back within the tolerance of their QP, and every decoder sees the same ones."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from refsw.errors import CodecError, ErrorClass, PayloadError, UnsupportedError, UsageError
from refsw.payload import commands, nal, slices
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat
from refsw.payload.hevc import HevcCodec, annex_b, hevc_configuration
from refsw.payload.nal import Nal, NalType
from refsw.payload.sharing import separate
from refsw.payload.x265 import EFFORTS, qp_bounds
from refsw.tensor.axes import Array

DEC265 = "libde265-dec265 -q {input} -o {output}"
X265 = (
    "x265 --input {input} --input-res {width}x{height} --input-depth {bit_depth} --output-depth {bit_depth} --fps 25 "
    "--input-csp i400 --preset ultrafast --keyint 1 --ipratio 1 --ctu 16 --qp {qp} --frames {frames} -o {output}"
)
needs_dec265 = pytest.mark.skipif(not shutil.which("libde265-dec265"), reason="libde265-dec265 is not installed")
needs_x265 = pytest.mark.skipif(not shutil.which("x265"), reason="x265 is not installed")
HEVC = HevcCodec()
FAST = EncoderSettings(effort="fast")


def form(height: int = 32, width: int = 48, depth: int = 8, *, intra: bool = True) -> PictureFormat:
    return PictureFormat(height, width, depth, np.dtype(np.uint8 if depth == 8 else np.uint16), intra)


def pictures(picture_format: PictureFormat, count: int = 2) -> Array:
    f = picture_format
    y, x = np.mgrid[: f.height, : f.width]
    rng = np.random.default_rng(f.bit_depth)
    waves = [(np.sin(x / 5 + i) + np.cos(y / 7) + 2) / 4 for i in range(count)]
    noisy = np.stack(waves) + rng.normal(0, 0.02, (count, f.height, f.width))
    return np.clip(np.rint(noisy * ((1 << f.bit_depth) - 1)), 0, (1 << f.bit_depth) - 1).astype(f.dtype)


@pytest.fixture(scope="module")
def intra() -> tuple[bytes, bytes]:
    return HEVC.encode(pictures(form()), form(), FAST)


@pytest.fixture(scope="module")
def inter() -> tuple[bytes, bytes]:
    f = form(48, 64, intra=False)
    return HEVC.encode(pictures(f, 4), f, FAST)


def decode(
    coded: tuple[bytes, bytes], count: int = 2, f: PictureFormat | None = None, command: str | None = None
) -> Array:
    return HEVC.decode(coded[0], memoryview(coded[1]), count, f or form(), DecoderSettings(command))


def rejected(coded: tuple[bytes, bytes], count: int = 2, f: PictureFormat | None = None) -> PayloadError:
    """The error of the decoder, which is the first that the check finds, where that finds one."""
    found = HEVC.check(*coded, count, f or form())  # type: ignore[arg-type]
    with pytest.raises(PayloadError) as caught:
        decode(coded, count, f)
    if found:
        assert caught.value.requirement in {error.requirement for error in found}
    return caught.value


# --- round trips ---


@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("qp", [0, 12, 22, 37, 49, 51])
def test_pictures_come_back_within_the_step_of_their_qp(depth: int, qp: int) -> None:
    f = form(depth=depth)
    if qp > qp_bounds(depth)[1]:
        pytest.skip("FFmpeg decodes 12 bits to grey there")
    got = decode(HEVC.encode(pictures(f), f, EncoderSettings(qp=qp, effort="fast")), 2, f)
    assert (got.dtype, got.shape) == (f.dtype, (2, 32, 48))
    step = 2 ** ((qp - 4) / 6) * 2 ** (depth - 8)
    rms = np.sqrt(np.mean((got.astype(float) - pictures(f)) ** 2))
    assert rms <= max(0.75 * step, 2 ** (depth - 8))


@pytest.mark.parametrize("depth", [8, 10, 12])
def test_a_lower_qp_is_more_exact(depth: int) -> None:
    f = form(depth=depth)
    errors = []
    for qp in (0, 20, 40):
        got = decode(HEVC.encode(pictures(f), f, EncoderSettings(qp=qp, effort="fast")), 2, f)
        errors.append(float(np.mean((got.astype(float) - pictures(f)) ** 2)))
    assert errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize("depth", [10, 12])
def test_a_qp_below_0_is_refused_or_more_exact_than_0(depth: int) -> None:
    f = form(depth=depth)
    if qp_bounds(depth)[0] == 0:
        return
    errors = []
    for qp in (qp_bounds(depth)[0], 0):
        got = decode(HEVC.encode(pictures(f), f, EncoderSettings(qp=qp, effort="fast")), 2, f)
        errors.append(float(np.mean((got.astype(float) - pictures(f)) ** 2)))
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("effort", EFFORTS)
def test_the_same_pictures_give_the_same_bytes(effort: str) -> None:
    settings = EncoderSettings(effort=effort)
    assert HEVC.encode(pictures(form()), form(), settings) == HEVC.encode(pictures(form()), form(), settings)


@pytest.mark.parametrize("size", [(16, 16), (16, 17), (17, 19), (64, 64), (100, 36), (40, 130), (16, 400)])
def test_pictures_of_any_size_come_back(size: tuple[int, int]) -> None:
    f = form(*size)
    got = decode(HEVC.encode(pictures(f, 1), f, FAST), 1, f)
    assert np.abs(got.astype(int) - pictures(f, 1)).mean() < 6


def test_an_intra_picture_decodes_alone(intra: tuple[bytes, bytes]) -> None:
    both = decode(intra)
    groups = list(nal.pictures_of(nal.split(intra[1])))
    assert len(groups) == 2
    for picture, group in zip(both, groups, strict=True):
        assert np.array_equal(decode((intra[0], nal.join(group)), 1)[0], picture)


@pytest.mark.parametrize("f", [form(), form(depth=10, intra=False), form(17, 19, 12)])
def test_the_configuration_is_known_without_coding(f: PictureFormat) -> None:
    for qp in (0, 40):
        settings = EncoderSettings(qp=qp, effort="fast")
        assert hevc_configuration(f, settings) == HEVC.encode(pictures(f), f, settings)[0]


def test_inter_pictures_are_smaller_and_come_back(inter: tuple[bytes, bytes]) -> None:
    f = form(48, 64, intra=False)
    still = np.repeat(pictures(f, 1), 4, axis=0)
    coded = HEVC.encode(still, f, FAST)
    alone = HEVC.encode(still, form(48, 64), FAST)
    assert len(coded[1]) < len(alone[1]) / 2
    assert np.abs(decode(coded, 4, f).astype(int) - still).mean() < 6


# --- other programs ---


@needs_dec265
@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("intra_only", [True, False])
@pytest.mark.parametrize("size", [(32, 48), (72, 136), (17, 19), (66, 130)])
def test_dec265_decodes_the_same_pictures(depth: int, intra_only: bool, size: tuple[int, int]) -> None:
    if depth > 8 and (size[0] % 8 or size[1] % 8):
        pytest.skip("dec265 does not write cropped pictures of more than 8 bits")
    f = form(*size, depth, intra=intra_only)
    for qp in (0, 30, 49):
        coded = HEVC.encode(pictures(f, 3), f, EncoderSettings(qp=qp, effort="fast"))
        assert np.array_equal(decode(coded, 3, f, DEC265), decode(coded, 3, f))


@needs_dec265
def test_what_dec265_does_not_decode_is_a_payload_error(intra: tuple[bytes, bytes]) -> None:
    with pytest.raises(PayloadError):
        decode((intra[0], intra[1][: len(intra[1]) // 2]), 2, None, DEC265)


@needs_x265
@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("size", [(16, 16), (32, 48), (17, 19), (100, 36)])
def test_x265_as_a_program_codes_pictures_that_decode(depth: int, size: tuple[int, int]) -> None:
    f = form(*size, depth)
    settings = EncoderSettings(qp=20, command=X265)
    coded = HEVC.encode(pictures(f), f, settings)
    assert HEVC.check(*coded, 2, f) == []  # type: ignore[arg-type]
    assert np.abs(decode(coded, 2, f).astype(int) - pictures(f)).mean() < 4 * 2 ** (depth - 8)
    parsed = nal.parse_configuration(coded[0]).sps
    assert (parsed.height, parsed.width, parsed.bit_depth, parsed.chroma_format) == (*size, depth, 0)
    blocks = -(-size[0] // 16) * -(-size[1] // 16)
    assert parsed.slice_address_bits == (blocks - 1).bit_length()


@needs_x265
def test_several_slices_a_picture_are_one_picture() -> None:
    f = form(128, 64)
    coded = HEVC.encode(pictures(f), f, EncoderSettings(qp=20, command=X265 + " --slices 4 --wpp"))
    nals = nal.split(coded[1])
    assert sum(unit.is_slice for unit in nals) > 2
    assert len(list(nal.pictures_of(nals))) == 2
    kinds = [unit.type for unit in slices.slices_of(nals, nal.parse_configuration(coded[0]))]
    assert set(kinds) == {slices.SLICE_I}
    assert len(kinds) == len(nals)
    assert HEVC.check(*coded, 2, f) == []  # type: ignore[arg-type]


@needs_x265
def test_slice_types_of_a_hierarchy_of_b_pictures_are_found() -> None:
    f = form(64, 64, intra=False)
    command = X265.replace("--keyint 1 ", "--keyint 60 --bframes 3 --b-adapt 0 --no-scenecut ")
    coded = HEVC.encode(pictures(f, 9), f, EncoderSettings(qp=30, command=command))
    found = slices.slices_of(nal.split(coded[1]), nal.parse_configuration(coded[0]))
    kinds = [unit.type for unit in found]
    assert kinds[0] == slices.SLICE_I
    assert set(kinds) == {0, 1, 2}


def run_encoder(command: str) -> tuple[bytes, bytes]:
    return HEVC.encode(pictures(form()), form(), EncoderSettings(command=command))


@pytest.mark.parametrize(
    ("command", "kind", "words"),
    [
        ("no-such-program {input}", UsageError, "no-such-program"),
        ("/dev/null {input}", UsageError, "/dev/null"),
        ("true {nothing}", UsageError, "unknown placeholder"),
        ("true {}", UsageError, "placeholder"),
        ("true {input.name}", UsageError, "placeholder"),
        ("true {input[x]}", UsageError, "placeholder"),
        ("true {input", UsageError, "true"),
        ("true 'open", UsageError, "quotation"),
        ("   ", UsageError, ""),
        ("false", CodecError, "exit code 1"),
        ("sh -c 'echo why >&2; exit 3'", CodecError, "exit code 3: why"),
        ("true", CodecError, "no stream"),
        ("touch {output}", CodecError, ""),
        ("cp {input} {output}", CodecError, ""),
    ],
)
def test_an_encoder_that_fails_is_told(command: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as caught:
        run_encoder(command)
    assert words in str(caught.value)


def test_a_program_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "TIMEOUT_SECONDS", 0.1)
    with pytest.raises(CodecError, match="did not end"):
        run_encoder("sleep 60")


@pytest.mark.parametrize(
    ("command", "requirement"),
    [("false", "hevc.decodes"), ("cp {input} {output}", "hevc.picture-count"),
     ("truncate -s 3071 {output}", "hevc.picture-count"), ("truncate -s 3073 {output}", "hevc.picture-count")],
)  # fmt: skip
def test_a_decoder_that_fails_is_a_payload_error(intra: tuple[bytes, bytes], command: str, requirement: str) -> None:
    with pytest.raises(PayloadError) as caught:
        decode(intra, 2, None, command)
    assert caught.value.requirement == requirement


@pytest.mark.parametrize("command", ["true", "sh -c 'kill -9 $$'"])
def test_a_decoder_that_crashes_or_writes_nothing_says_nothing_of_the_stream(
    intra: tuple[bytes, bytes], command: str
) -> None:
    with pytest.raises(UnsupportedError):
        decode(intra, 2, None, command)


@pytest.mark.parametrize("command", ["no-such-program {input}", "true {width}", "true {input.x}"])
def test_a_decoder_that_cannot_be_run_is_a_usage_error(intra: tuple[bytes, bytes], command: str) -> None:
    with pytest.raises(UsageError):
        decode(intra, 2, None, command)


@pytest.mark.parametrize("samples", [32 * 48, 32 * 48 + 2 * 16 * 24])
def test_a_decoder_may_write_luma_alone_or_chroma_too(intra: tuple[bytes, bytes], samples: int) -> None:
    got = decode(intra, 2, None, f"truncate -s {2 * samples} {{output}}")
    assert got.shape == (2, 32, 48)
    assert not got.any()


def test_an_encoder_whose_reconstruction_differs_is_told(tmp_path: object) -> None:
    source = f"{tmp_path}/s.hevc"
    coded = HEVC.encode(pictures(form()), form(), FAST)
    with open(source, "wb") as file:
        file.write(annex_b(coded[0] + coded[1]))
    with pytest.raises(CodecError, match="reconstruction"):
        run_encoder(f"sh -c 'cp {source} {{output}}; cp {{input}} {{recon}}'")
    assert run_encoder(f"cp {source} {{output}}") == coded


# --- what cannot be encoded ---


@pytest.mark.parametrize(("depth", "qp"), [(8, -1), (8, 52), (10, -13), (10, 52), (12, -25), (12, 50)])
def test_a_qp_out_of_bounds_is_refused(depth: int, qp: int) -> None:
    with pytest.raises(UsageError, match="qp"):
        HEVC.encode(pictures(form(depth=depth)), form(depth=depth), EncoderSettings(qp=qp))


@pytest.mark.parametrize("size", [(15, 16), (16, 15), (1, 1)])
def test_a_picture_below_16_by_16_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="16"):
        HEVC.encode(pictures(form(*size)), form(*size), FAST)


def test_an_unknown_effort_is_refused() -> None:
    with pytest.raises(UsageError, match="effort"):
        HEVC.encode(pictures(form()), form(), EncoderSettings(effort="none"))


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
