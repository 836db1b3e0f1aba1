"""8.3 Still-image codecs: what only looks like a grey image, part by part of its file; what decoding leaves alone."""

from __future__ import annotations

import itertools
import os
import signal
import struct
import warnings
import zlib
from typing import Any

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

from refsw.errors import UsageError
from refsw.payload import images
from refsw.payload.base import EncoderSettings
from refsw.payload.registry import codec
from refsw.syntax.codes import PayloadCodec

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
