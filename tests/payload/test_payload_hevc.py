"""8.4 HEVC: pictures come back within the tolerance of their QP, and every decoder sees the same ones."""

from __future__ import annotations

import numpy as np
import pytest
from hevc_pictures import (  # noqa: F401 - fixtures
    DEC265,
    FAST,
    HEVC,
    X265,
    decode,
    form,
    inter_pictures,
    intra_pictures,
    needs_dec265,
    needs_x265,
    pictures,
    run_encoder,
)

from refsw.errors import CodecError, PayloadError, UnsupportedError, UsageError
from refsw.payload import commands, nal, slices
from refsw.payload.base import EncoderSettings, PictureFormat
from refsw.payload.hevc import annex_b, hevc_configuration
from refsw.payload.x265 import EFFORTS, qp_bounds

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
