"""8.3 Still-image codecs: one grey image a picture, and as many as there are pictures."""

from __future__ import annotations

import numpy as np
import pytest
from image_payloads import (
    CODECS,
    J2K,
    J2K_OPTIONS,
    JPEG,
    PNG,
    SIZE,
    decode,
    form,
    image_of,
    payload_of,
    rejected,
    saved,
    smooth,
)
from PIL import Image

from refsw.errors import ErrorClass, PayloadError
from refsw.payload.base import EncoderSettings
from refsw.payload.registry import codec
from refsw.syntax.codes import PayloadCodec

# --- round trips ---


@pytest.mark.parametrize("kind", [PNG, J2K])
@pytest.mark.parametrize("depth", range(1, 17))
def test_levels_of_any_depth_come_back(kind: PayloadCodec, depth: int) -> None:
    pictures = np.stack([smooth(depth=depth), smooth(depth=depth)[::-1]])
    configuration, payload = codec(kind).encode(pictures, form(depth=depth), EncoderSettings())
    assert configuration == b""
    assert np.array_equal(decode(kind, payload, 2, form(depth=depth)), pictures)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (3, 5), (8, 8), (33, 65)])
@pytest.mark.parametrize("kind", CODECS)
def test_pictures_of_any_size_come_back(kind: PayloadCodec, size: tuple[int, int]) -> None:
    picture = np.full(size, 77, np.uint8)
    payload = codec(kind).encode(picture[None], form(*size), EncoderSettings())[1]
    assert np.array_equal(decode(kind, payload, 1, form(*size))[0], picture)


@pytest.mark.parametrize(("quality", "limit"), [(100, 2), (90, 8), (50, 24), (1, 128)])
def test_jpeg_loses_as_much_as_its_quality_says(quality: int, limit: int) -> None:
    payload = codec(JPEG).encode(smooth()[None], form(), EncoderSettings(quality=quality))[1]
    assert np.abs(decode(JPEG, payload)[0].astype(int) - smooth()).max() <= limit


def test_jpeg_2000_gets_smaller_with_its_rate() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (64, 64), dtype=np.uint8)
    sizes = [len(codec(J2K).encode(picture[None], form(64, 64), EncoderSettings(rate=r))[1]) for r in (1, 4, 16)]
    assert sizes[0] > 2 * sizes[1] > 4 * sizes[2]


def test_the_reversible_transform_is_used_at_any_rate() -> None:
    for rate in (1, 4):
        payload = codec(J2K).encode(smooth()[None], form(), EncoderSettings(rate=rate))[1]
        cod = payload.index(b"\xff\x52")  # T.800 A.6.1: the last byte of SPcod that we use
        assert payload[cod + 13] == 1


# --- form ---


@pytest.mark.parametrize("kind", CODECS)
def test_there_are_as_many_images_as_pictures(kind: PayloadCodec) -> None:
    image = image_of(kind)
    for several, count in (([image], 2), ([image] * 3, 2), ([], 1)):
        error = rejected(kind, payload_of(*several), count)
        assert (error.error_class, error.requirement) == (ErrorClass.LENGTH_MISMATCH, "image.count")


@pytest.mark.parametrize("kind", CODECS)
def test_several_images_come_in_order(kind: PayloadCodec) -> None:
    pictures = np.stack([np.full((SIZE, SIZE), value, np.uint8) for value in (10, 200, 90)])
    payload = codec(kind).encode(pictures, form(), EncoderSettings())[1]
    assert np.array_equal(decode(kind, payload, 3), pictures)


@pytest.mark.parametrize("kind", CODECS)
def test_every_cut_of_the_payload_is_truncated(kind: PayloadCodec) -> None:
    payload = payload_of(image_of(kind), image_of(kind))
    half = len(payload) // 2
    for size in range(1, len(payload)):
        error = rejected(kind, payload[:size], 2)
        if size == half:
            assert error.requirement == "image.count"
        else:
            assert (error.error_class, error.requirement) == (ErrorClass.TRUNCATED, "image.length")
            assert error.bit_offset == (0 if size < half else 8 * half)


@pytest.mark.parametrize("kind", CODECS)
def test_every_cut_of_an_image_is_rejected(kind: PayloadCodec) -> None:
    image = image_of(kind)
    accepted = []
    for size in range(len(image)):
        try:
            decode(kind, payload_of(image[:size]))
        except PayloadError as error:
            assert error.requirement.startswith("image.")
        else:
            accepted.append(size)
    assert accepted == []


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("size", [(SIZE, SIZE + 1), (SIZE - 1, SIZE), (1, SIZE * SIZE)])
def test_an_image_of_another_size_is_refused(kind: PayloadCodec, size: tuple[int, int]) -> None:
    payload = codec(kind).encode(np.zeros((1, *size), np.uint8), form(*size), EncoderSettings())[1]
    error = rejected(kind, payload)
    assert (error.error_class, error.requirement) == (ErrorClass.LAYOUT_MISMATCH, "image.size")
    assert error.bit_offset == 32


@pytest.mark.parametrize(
    ("kind", "mode"), [(PNG, "RGB"), (PNG, "RGBA"), (PNG, "LA"), (PNG, "P"), (PNG, "1"), (JPEG, "RGB"), (JPEG, "CMYK"),
                       (J2K, "RGB"), (J2K, "LA")],
)  # fmt: skip
def test_an_image_that_is_not_grey_is_refused(kind: PayloadCodec, mode: str) -> None:
    options = J2K_OPTIONS if kind is J2K else {}
    image = saved(Image.fromarray(smooth()).convert(mode), kind.name, **options)
    assert rejected(kind, payload_of(image)).requirement in {"image.grey", "image.jpeg"}


@pytest.mark.parametrize("kind", [PNG, J2K])
def test_levels_of_8_bits_are_not_16_bits_and_the_other_way_round(kind: PayloadCodec) -> None:
    options = J2K_OPTIONS if kind is J2K else {}
    deep = payload_of(saved(smooth(depth=16), kind.name, **options))
    assert rejected(kind, deep).requirement == "image.grey"
    assert rejected(kind, payload_of(image_of(kind)), 1, form(depth=12)).requirement == "image.grey"


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("other", CODECS)
def test_each_takes_its_own_format_only(kind: PayloadCodec, other: PayloadCodec) -> None:
    if kind is not other:
        expected = {"image.format", f"image.{kind.name.lower()}"}
        assert rejected(kind, payload_of(image_of(other))).requirement in expected


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("image", [b"", b"\0", b"GIF89a", bytes(100)])
def test_what_is_no_image_is_rejected_at_its_place(kind: PayloadCodec, image: bytes) -> None:
    error = rejected(kind, payload_of(image))
    assert (error.error_class, error.bit_offset) == (ErrorClass.PAYLOAD_ERROR, 32)
    assert error.requirement in {"image.format", f"image.{kind.name.lower()}"}


@pytest.mark.parametrize("kind", CODECS)
def test_a_configuration_is_refused(kind: PayloadCodec) -> None:
    errors = codec(kind).check(b"x", memoryview(payload_of(image_of(kind))), 1, form())
    assert [(e.error_class, e.requirement) for e in errors] == [(ErrorClass.LENGTH_MISMATCH, "image.no-configuration")]


@pytest.mark.parametrize("kind", CODECS)
def test_damage_is_rejected_or_decodes_to_pictures_of_the_right_form(kind: PayloadCodec) -> None:
    image = image_of(kind)
    rng = np.random.default_rng(4)
    refused = 0
    for _ in range(300):
        damaged = bytearray(image)
        for place in rng.integers(0, len(image), rng.integers(1, 5)):
            damaged[place] = rng.integers(256)
        try:
            got = decode(kind, payload_of(bytes(damaged)))
        except PayloadError:
            refused += 1
        else:
            assert (got.shape, got.dtype) == ((1, SIZE, SIZE), np.uint8)
    assert refused > 30
