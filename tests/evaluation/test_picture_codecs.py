"""Codecs of pictures: what they take, what comes back, and what a group costs."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from refsw.errors import CodecError, UsageError
from refsw.evaluation.picture_codecs import CODECS, decode_group, encode_group, open_codec
from refsw.evaluation.picture_codecs.colours import from_planes, to_planes
from refsw.evaluation.picture_codecs.external import ExternalPictures

GOOD = {
    "png": {}, "jpeg": {"quality": 95, "chroma": "444"}, "jpeg2000": {"rate": 3}, "webp": {"quality": 95},
    "avif": {"quality": 95, "chroma": "444"}, "hevc": {"qp": 10, "chroma": "444"},
}  # fmt: skip


def picture(height=45, width=61, colours=True, seed=0):
    """Smooth waves: what every codec codes well."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin((x + k * y + 7 * seed) / (9 + 3 * k)) for k in range(3 if colours else 1)]
    found = np.stack(waves, axis=2).astype(np.uint8)
    return found if colours else found[:, :, 0]


@pytest.mark.parametrize("colours", [True, False], ids=["colour", "grey"])
@pytest.mark.parametrize("kind", CODECS)
def test_a_picture_comes_back_in_its_size_and_nearly_as_it_was(kind, colours):
    codec, given = open_codec(kind, GOOD[kind]), picture(colours=colours)
    data = codec.encode(given[None])
    got = codec.decode(data, (1, *given.shape))
    assert got.dtype == np.uint8
    assert got.shape == (1, *given.shape)
    error = np.abs(got[0].astype(int) - given).mean()
    assert error == 0 if kind == "png" else error < 3
    assert codec.encode(given[None]) == data


@pytest.mark.parametrize(
    ("kind", "name", "low", "high"),
    [("jpeg", "quality", 10, 90), ("jpeg2000", "rate", 60, 4), ("jpeg2000", "psnr", 25, 45), ("webp", "quality", 5, 95),
     ("avif", "quality", 10, 90), ("hevc", "qp", 45, 15)],
)  # fmt: skip
def test_what_is_swept_trades_bytes_for_error(kind, name, low, high):
    given = picture(64, 64)
    sizes, errors = [], []
    for value in (low, high):
        codec = open_codec(kind, {name: value})
        data = codec.encode(given[None])
        sizes.append(len(data))
        errors.append(np.abs(codec.decode(data, (1, *given.shape))[0].astype(int) - given).mean())
    assert sizes[0] < sizes[1]
    assert errors[0] > errors[1]


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [("bpg", {}, "no codec bpg of pictures: png, jpeg, jpeg2000, webp, avif, hevc"),
     ("jpeg", {"qp": 3}, "jpeg: no option qp: quality, chroma"),
     ("jpeg", {"quality": 0}, "jpeg: quality 0: from 1 to 100"),
     ("jpeg", {"quality": 50.5}, "quality 50.5: a whole number"),
     ("jpeg", {"quality": True}, "quality True: from 1 to 100"),
     ("webp", {"lossless": 1}, "lossless 1: False, True"),
     ("hevc", {"chroma": "422"}, "chroma '422': '420', '444'")],
)  # fmt: skip
def test_a_choice_that_is_none_is_refused(kind, options, reason):
    with pytest.raises(UsageError) as caught:
        open_codec(kind, options)
    assert reason in str(caught.value)


@pytest.mark.parametrize("kind", [kind for kind in CODECS if kind != "png"])
def test_half_a_stream_is_a_typed_error_or_a_picture_of_the_size(kind):
    codec, given = open_codec(kind, {}), picture()
    data = codec.encode(given[None])
    for damaged in (data[: len(data) // 2], b"", b"no picture"):
        try:
            assert codec.decode(damaged, (1, *given.shape)).shape == (1, *given.shape)
        except CodecError as error:
            assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("arrangement", ["apart", "mosaic", "frames"])
def test_a_group_comes_back_in_order(arrangement, count):
    codec = open_codec("hevc", {"qp": 5, "chroma": "444"})
    given = [picture(seed=seed) for seed in range(count)]
    got = decode_group(codec, encode_group(codec, given, arrangement), [p.shape for p in given], arrangement)
    for one, other in zip(given, got, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 2


def test_pictures_apart_cost_their_files_and_four_bytes_each_if_they_are_several():
    codec, given = open_codec("png", {}), [picture(20, 30), picture(31, 17, seed=1)]
    files = [codec.encode(one[None]) for one in given]
    assert encode_group(codec, given[:1]) == files[0]
    data = encode_group(codec, given)
    assert len(data) == sum(map(len, files)) + 8
    for one, other in zip(given, decode_group(codec, data, [p.shape for p in given]), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(CodecError, match="does not come to an end"):
        decode_group(codec, data[:-1], [p.shape for p in given])


def test_pictures_of_different_sizes_make_no_mosaic():
    with pytest.raises(UsageError, match="pictures of different sizes in a group: arrange: apart, or group: 1"):
        encode_group(open_codec("png", {}), [picture(20, 30), picture(31, 17)], "mosaic")


def test_like_frames_cost_less_as_a_video():
    codec, given = open_codec("hevc", {"qp": 30}), [picture(64, 64)] * 6
    apart, video = (len(encode_group(codec, given, how)) for how in ("apart", "frames"))
    assert video < apart / 2


def test_planes_of_jfif_by_hand():
    # Red of JFIF: Y = 76.245, Cb = 84.97, Cr = 255.5 -> 76, 85, 255; a 1x1 picture is continued to 2x2.
    red = np.array([[[255, 0, 0]]], np.uint8)
    luminance, blue, redness = to_planes(red, "420")
    assert (luminance.tolist(), blue.tolist(), redness.tolist()) == ([[76, 76], [76, 76]], [[85]], [[255]])
    assert np.abs(from_planes([luminance, blue, redness], (1, 1, 3)).astype(int) - red).max() <= 1


def test_chrominance_comes_back_between_its_centres():
    # 0 and 100 in a row of two: 0, 25, 75, 100.
    luminance, flat = np.full((2, 4), 128, np.uint8), np.full((1, 2), 128, np.uint8)
    rgb = from_planes([luminance, flat, np.array([[128, 228]], np.uint8)], (2, 4, 3))
    np.testing.assert_array_equal(
        rgb[0, :, 0], np.clip(np.floor(128 + 1.402 * np.array([0, 25, 75, 100]) + 0.5), 0, 255)
    )


COPY = f"{sys.executable} -c 'import shutil,sys; shutil.copy(sys.argv[1], sys.argv[2])' {{input}} {{output}}"


@pytest.mark.parametrize("colours", [True, False], ids=["colour", "grey"])
@pytest.mark.parametrize("files", ["png", "ppm", "yuv420", "yuv444"])
def test_a_codec_by_command_gets_the_files_that_it_takes(files, colours):
    given = picture(45, 61, colours)
    codec = ExternalPictures(files, COPY, COPY, {})
    data = codec.encode(given[None])
    sizes = {"yuv420": 46 * 62 * 3 // 2 if colours else 45 * 61, "yuv444": 45 * 61 * (3 if colours else 1)}
    assert len(data) == sizes.get(files, len(data))
    got = codec.decode(data, (1, *given.shape))[0]
    limit = {"yuv420": 3, "yuv444": 1}.get(files, 0) if colours else 0
    assert np.abs(got.astype(int) - given).mean() <= limit


def test_a_decoder_by_command_that_writes_something_else_is_named():
    codec = ExternalPictures("yuv444", COPY, COPY, {})
    with pytest.raises(CodecError, match="wrote 3 bytes, not 1 x 8235"):
        codec.decode(b"abc", (1, 45, 61, 3))
    with pytest.raises(CodecError, match="wrote no png"):
        ExternalPictures("png", COPY, COPY, {}).decode(b"abc", (1, 45, 61, 3))
