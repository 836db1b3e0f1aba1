"""8.3 Still-image codecs: one grey image a picture, and nothing that only looks like one."""

from __future__ import annotations

import io
import itertools
import os
import signal
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refsw.errors import ErrorClass, PayloadError, UsageError
from refsw.payload import images
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat
from refsw.payload.registry import codec
from refsw.syntax.codes import PayloadCodec
from refsw.tensor.axes import Array

PNG, JPEG, J2K = PayloadCodec.PNG, PayloadCodec.JPEG, PayloadCodec.JPEG2000
CODECS = (PNG, JPEG, J2K)
J2K_OPTIONS: dict[str, Any] = {"no_jp2": True, "irreversible": False, "num_resolutions": 3}
SIZE = 16


def form(height: int = SIZE, width: int = SIZE, depth: int = 8) -> PictureFormat:
    return PictureFormat(height, width, depth, np.dtype(np.uint8 if depth <= 8 else np.uint16))


def smooth(height: int = SIZE, width: int = SIZE, depth: int = 8) -> Array:
    y, x = np.mgrid[:height, :width]
    levels = (np.sin(x / 4) + np.cos(y / 3) + 2) / 4 * ((1 << depth) - 1)
    return np.rint(levels).astype(form(depth=depth).dtype)


def saved(picture: Array | Image.Image, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, name, **options)
    return buffer.getvalue()


def payload_of(*images: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(image)) + image for image in images)


def image_of(kind: PayloadCodec) -> bytes:
    return saved(smooth(), kind.name, **(J2K_OPTIONS if kind is J2K else {}))


def decode(kind: PayloadCodec, payload: bytes, count: int = 1, picture_format: PictureFormat | None = None) -> Array:
    return codec(kind).decode(b"", memoryview(payload), count, picture_format or form(), DecoderSettings())


def rejected(
    kind: PayloadCodec, payload: bytes, count: int = 1, picture_format: PictureFormat | None = None
) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        decode(kind, payload, count, picture_format)
    assert caught.value.phase == "payload"
    return caught.value


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


# --- what only looks right ---


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, data: bytes = b"", *more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_png_of_fewer_than_8_bits_is_refused(depth: int) -> None:
    rows = (b"\0" + b"\x5a" * (SIZE * depth // 8)) * SIZE
    assert rejected(PNG, payload_of(png(SIZE, SIZE, depth, rows))).requirement == "image.grey"


def test_ancillary_chunks_of_a_png_have_no_effect() -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in smooth())
    gamma, transparent = chunk(b"gAMA", struct.pack(">I", 10000)), chunk(b"tRNS", struct.pack(">H", 128))
    offset = chunk(b"sBIT", b"\5")
    image = png(SIZE, SIZE, 8, rows, gamma, offset, transparent)
    assert np.array_equal(decode(PNG, payload_of(image))[0], smooth())


def test_a_progressive_jpeg_is_refused() -> None:
    image = saved(smooth(), "JPEG", progressive=True)
    assert rejected(JPEG, payload_of(image)).requirement == "image.jpeg"


def test_an_irreversible_jpeg_2000_is_refused() -> None:
    image = saved(smooth(), "JPEG2000", no_jp2=True, irreversible=True, num_resolutions=3)
    assert rejected(J2K, payload_of(image)).requirement == "image.jpeg2000"


def test_a_jpeg_2000_in_a_file_format_is_refused() -> None:
    image = saved(smooth(), "JPEG2000", no_jp2=False, irreversible=False, num_resolutions=3)
    assert rejected(J2K, payload_of(image)).requirement in {"image.jpeg2000", "image.format"}


def test_a_picture_of_the_highest_level_is_no_bomb() -> None:
    image = png(16384, 16384, 8)
    assert codec(PNG).check(b"", memoryview(payload_of(image)), 1, form(16384, 16384)) == []


@pytest.mark.parametrize("side", [30_000, 2**31 - 1])
def test_an_image_that_claims_to_be_huge_is_refused_unread(side: int) -> None:
    error = rejected(PNG, payload_of(png(side, side, 8)))
    assert error.requirement in {"image.size", "image.format"}


def test_jpeg_takes_the_qualities_that_there_are() -> None:
    for quality in (-5, 0, 101, 1000):
        with pytest.raises(UsageError):
            codec(JPEG).encode(smooth()[None], form(), EncoderSettings(quality=quality))


def test_fill_bytes_before_a_marker_of_a_jpeg_are_no_harm() -> None:
    plain = image_of(JPEG)
    filled = plain[:2] + b"\xff\xff\xff" + plain[2:]
    assert np.array_equal(decode(JPEG, payload_of(filled)), decode(JPEG, payload_of(plain)))


@pytest.mark.parametrize("kind", CODECS)
def test_decoding_leaves_the_settings_of_the_process_alone(kind: PayloadCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def opened(*arguments: Any) -> Any:
        seen.append((Image.MAX_IMAGE_PIXELS, list(warnings.filters)))
        return really(*arguments)

    really = images._opened
    monkeypatch.setattr(images, "_opened", opened)
    before = (Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    decode(kind, payload_of(image_of(kind)))
    assert seen == [before]


@pytest.mark.parametrize("kind", CODECS)
def test_settings_of_the_process_do_not_decide_what_decodes(
    kind: PayloadCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    assert decode(kind, payload_of(image_of(kind))).shape == (1, SIZE, SIZE)


@pytest.mark.parametrize("kind", CODECS)
def test_a_process_forked_in_the_middle_of_an_image_decodes_images(
    kind: PayloadCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = []

    def opened(*arguments: Any) -> Any:
        monkeypatch.setattr(images, "_opened", really)
        child = os.fork()
        if not child:
            signal.alarm(60)  # ends the child if it waits for a thread that it does not have
            decode(kind, payload)
            os._exit(0)
        codes.append(os.waitpid(child, 0)[1])
        return really(*arguments)

    really, payload = images._opened, payload_of(image_of(kind))
    monkeypatch.setattr(images, "_opened", opened)
    decode(kind, payload)
    assert codes == [0]


@pytest.mark.parametrize("chunks", [
    chunk(b"acTL", b""), chunk(b"acTL", struct.pack(">II", 0, 0)), chunk(b"tEXt", b"k\0" + bytes(2**21)),
    chunk(b"iCCP", b"x\0\1"), chunk(b"cHRM", b"\1"), chunk(b"tIME", b"")[:-4] + b"\0\0\0\0", chunk(b"fcTL", bytes(26)),
])  # fmt: skip
def test_ancillary_chunks_that_are_broken_have_no_effect_either(chunks: bytes) -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in smooth())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(decode(PNG, payload_of(png(SIZE, SIZE, 8, rows, chunks)))[0], smooth())


@pytest.mark.parametrize("segment", [
    b"\xff\xe1\x00\x08Exif\0\0", b"\xff\xe1\x00\x10Exif\0\0II*\0\xff\xff\0\0", b"\xff\xe2\x00\x06MPF\0",
    b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\2", b"\xff\xfe\x00\x02", b"\xff\xed\x00\x0fPhotoshop 3.0",
])  # fmt: skip
def test_application_segments_of_a_jpeg_have_no_effect(segment: bytes) -> None:
    plain = image_of(JPEG)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = decode(JPEG, payload_of(plain[:2] + segment + plain[2:]))
    assert np.array_equal(told, decode(JPEG, payload_of(plain)))


def test_samples_of_a_jpeg_2000_have_8_or_16_bits() -> None:
    deep = saved(smooth(depth=16), "JPEG2000", **J2K_OPTIONS)
    of_12_bits = deep[:42] + bytes([11]) + deep[43:]
    assert rejected(J2K, payload_of(of_12_bits), 1, form(depth=12)).requirement == "image.grey"


def chunk(name: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(*chunks: tuple[bytes, bytes], interlace: int = 0, filtering: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 0, 0, filtering, interlace)
    parts = [chunk(b"IHDR", head), *(chunk(*c) for c in chunks), chunk(b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


ROWS = b"".join(b"\0" + bytes(row) for row in smooth())
DATA = zlib.compress(ROWS)


@pytest.mark.parametrize(
    ("requirement", "image"),
    [
        ("image.png", png_of((b"PLTE", bytes(3)), (b"IDAT", DATA))),
        ("image.png", png_of((b"IDAT", DATA), (b"PLTE", bytes(3)))),
        ("image.png", png_of((b"NEWc", b""), (b"IDAT", DATA))),
        ("image.png", png_of((b"IDAT", DATA), (b"IEND", b""))),
        ("image.png", png_of()),
        ("image.png", png_of((b"IDAT", DATA), filtering=1)),
        ("image.png", png_of((b"IDAT", DATA), interlace=2)),
        ("image.png", png_of((b"IDAT", DATA)) + b"\0"),
        ("image.png-data", png_of((b"IDAT", DATA + b"\0"))),
        ("image.png-data", png_of((b"IDAT", DATA), (b"IDAT", b"more"))),
        ("image.png-data", png_of((b"IDAT", zlib.compress(ROWS + b"\0")))),
        ("image.png-data", png_of((b"IDAT", zlib.compress(ROWS[:-1])))),
        ("image.png-data", png_of((b"IDAT", DATA[:-4]))),
        ("image.png-data", png_of((b"IDAT", DATA), interlace=1)),
        ("image.format", png_of((b"IDAT", DATA[:-1] + b"\0"))),
        (
            "image.format",
            png_of((b"IDAT", DATA), (b"IDAT", b"")).replace(zlib.crc32(b"IDAT").to_bytes(4, "big"), bytes(4)),
        ),
    ],
)
def test_a_png_image_has_its_chunks_and_its_rows_and_nothing_else(requirement: str, image: bytes) -> None:
    assert rejected(PNG, payload_of(image)).requirement == requirement


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_the_data_of_a_png_image_may_be_cut_anywhere(parts: int) -> None:
    cuts = [len(DATA) * i // parts for i in range(parts + 1)]
    chunks = [(b"IDAT", DATA[a:b]) for a, b in itertools.pairwise(cuts)]
    image = png_of((b"tEXt", b"key\0text"), *chunks, (b"IDAT", b""), (b"tIME", b"broken"))
    assert (decode(PNG, payload_of(image))[0] == smooth()).all()


def segment_of(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def test_a_jpeg_image_has_its_tables_and_one_scan() -> None:
    image = image_of(JPEG)
    assert decode(JPEG, payload_of(image)).shape == (1, SIZE, SIZE)
    segments, place = [], 2
    while image[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(image[place + 2 : place + 4], "big")
        segments.append(image[place:end])
        place = end
    scan = image[place:]
    wrong = [
        image + b"\0",
        image + b"\xff\xd9",
        image[:-2] + scan,
        image[:-2] + segment_of(0xDC, b"\0\x10") + b"\xff\xd9",
    ]
    for marker in (0xC4, 0xDB):  # without a table
        kept = [s for s in segments if s[1] != marker]
        assert len(kept) < len(segments)
        wrong.append(image[:2] + b"".join(kept) + scan)
    for frame in [s for s in segments if s[1] == 0xC0]:  # a second frame
        wrong.append(image[:2] + b"".join(segments) + frame + scan)
    for data in wrong:
        assert rejected(JPEG, payload_of(data)).requirement == "image.jpeg"
    ignored = [
        segment_of(0xE2, b"MPF\0II*\0" + bytes(8)),
        segment_of(0xEE, b"Adobe" + bytes(7)),
        segment_of(0xFE, b"hi"),
    ]
    free = image[:2] + b"".join([*ignored, *segments]) + scan
    assert (decode(JPEG, payload_of(free)) == decode(JPEG, payload_of(image))).all()


def test_every_coding_style_of_a_jpeg_2000_image_counts() -> None:
    image = image_of(J2K)
    place = image.index(b"\xff\x52")
    cod = image[place : place + 2 + int.from_bytes(image[place + 2 : place + 4], "big")]
    start = image.index(b"\xff\x93")  # of the data of the only tile-part
    part = image.index(b"\xff\x90")

    def with_style(style: int, transform: int) -> bytes:
        inner = cod[:12] + bytes([style, transform]) + cod[14:]
        length = int.from_bytes(image[part + 6 : part + 10], "big") + len(inner)
        head = image[: part + 6] + struct.pack(">I", length) + image[part + 10 : start]
        return head + inner + image[start:]

    assert (decode(J2K, payload_of(with_style(cod[12], 1))) == decode(J2K, payload_of(image))).all()
    for data in (with_style(0x40, 1), with_style(cod[12], 0), image[:-2] + b"\0\xff\xd9", image + b"\xff\xd9"):
        assert rejected(J2K, payload_of(data)).requirement == "image.jpeg2000"
