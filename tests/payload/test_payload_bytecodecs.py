"""8.2 Byte codecs: lossless, and never expanded beyond what the pictures need."""

from __future__ import annotations

import lzma
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from refsw.errors import ErrorClass, PayloadError
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat
from refsw.payload.registry import codec
from refsw.syntax.codes import ElementType, PayloadCodec
from refsw.tensor.axes import DTYPES, Array

BYTE_CODECS = (PayloadCodec.STORED, PayloadCodec.ZLIB, PayloadCodec.GZIP, PayloadCodec.LZMA)
COMPRESSED = BYTE_CODECS[1:]
HEIGHT, WIDTH = 9, 7


def form(depth: int = 8, dtype: object = None, height: int = HEIGHT, width: int = WIDTH) -> PictureFormat:
    return PictureFormat(height, width, depth, np.dtype(dtype or (np.uint8 if depth <= 8 else np.uint16)))  # type: ignore[call-overload]


def pictures(depth: int, count: int = 3) -> Array:
    rng = np.random.default_rng(depth)
    levels = rng.integers(0, 1 << depth, (count, HEIGHT, WIDTH))
    levels[0, 0, :2] = 0, (1 << depth) - 1
    return levels.astype(np.uint8 if depth <= 8 else np.uint16)


def encode(kind: PayloadCodec, values: Array, picture_format: PictureFormat) -> bytes:
    configuration, payload = codec(kind).encode(values, picture_format, EncoderSettings())
    assert configuration == b""
    return payload


def decode(kind: PayloadCodec, payload: bytes, count: int, picture_format: PictureFormat) -> Array:
    return codec(kind).decode(b"", memoryview(payload), count, picture_format, DecoderSettings())


def rejected(
    kind: PayloadCodec, payload: bytes, count: int = 3, picture_format: PictureFormat | None = None
) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        decode(kind, payload, count, picture_format or form())
    assert caught.value.phase == "payload"
    return caught.value


def compress(kind: PayloadCodec, raw: bytes) -> bytes:
    if kind is PayloadCodec.LZMA:
        return lzma.compress(raw)
    compressor = zlib.compressobj(9, zlib.DEFLATED, 15 if kind is PayloadCodec.ZLIB else 31)
    return compressor.compress(raw) + compressor.flush()


@pytest.mark.parametrize("kind", BYTE_CODECS)
@pytest.mark.parametrize("depth", range(1, 17))
def test_levels_of_any_depth_come_back(kind: PayloadCodec, depth: int) -> None:
    levels = pictures(depth)
    assert np.array_equal(decode(kind, encode(kind, levels, form(depth)), 3, form(depth)), levels)


@pytest.mark.parametrize("kind", BYTE_CODECS)
@pytest.mark.parametrize("element_type", ElementType)
def test_elements_of_any_type_come_back_bit_by_bit(kind: PayloadCodec, element_type: ElementType) -> None:
    dtype = DTYPES[element_type]
    raw = np.random.default_rng(3).bytes(2 * HEIGHT * WIDTH * dtype.itemsize)
    values = np.frombuffer(raw, np.uint8)
    if element_type is ElementType.BOOL:
        values = values & 1
    values = values.view(dtype).reshape(2, HEIGHT, WIDTH)
    picture_format = form(8 * dtype.itemsize, dtype)
    got = decode(kind, encode(kind, values, picture_format), 2, picture_format)
    assert got.dtype == dtype
    assert got.tobytes() == values.tobytes()


def test_words_are_little_endian_row_by_row_picture_by_picture() -> None:
    values = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 0x0102]]], np.uint16)
    assert encode(PayloadCodec.STORED, values, form(16, np.uint16, 2, 2)) == struct.pack(
        "<8H", 1, 2, 3, 4, 5, 6, 7, 258
    )


def test_big_endian_arrays_are_written_little_endian() -> None:
    values = np.array([[[1, 2]]], ">u2")
    assert encode(PayloadCodec.STORED, values, form(16, np.uint16, 1, 2)) == struct.pack("<2H", 1, 2)


@pytest.mark.parametrize("size", [0, 1, 3 * HEIGHT * WIDTH - 1, 3 * HEIGHT * WIDTH + 1])
def test_stored_pictures_have_exactly_their_size(size: int) -> None:
    error = rejected(PayloadCodec.STORED, bytes(size))
    assert (error.error_class, error.requirement) == (ErrorClass.LENGTH_MISMATCH, "bytes.size")


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("change", [-1, 1, 1000])
def test_compressed_pictures_expand_to_exactly_their_size(kind: PayloadCodec, change: int) -> None:
    error = rejected(kind, compress(kind, bytes(3 * HEIGHT * WIDTH + change)))
    assert (error.error_class, error.requirement) == (ErrorClass.LENGTH_MISMATCH, "bytes.size")


@pytest.mark.parametrize("kind", COMPRESSED)
def test_every_truncation_is_rejected(kind: PayloadCodec) -> None:
    payload = encode(kind, pictures(8), form())
    for size in range(len(payload)):
        assert rejected(kind, payload[:size]).requirement in {"bytes.size", "bytes.format", "bytes.xz"}


@pytest.mark.parametrize("kind", COMPRESSED)
def test_what_follows_is_told_at_its_place(kind: PayloadCodec) -> None:
    payload = encode(kind, pictures(8), form())
    for rest in (b"\0", b"junk", payload):
        error = rejected(kind, payload + rest)
        assert (error.error_class, error.requirement) == (ErrorClass.TRAILING_DATA, "bytes.trailing")
        assert error.bit_offset == 8 * len(payload)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_two_members_are_one_too_many(kind: PayloadCodec) -> None:
    raw = pictures(8).tobytes()
    halves = compress(kind, raw[:50]) + compress(kind, raw[50:])
    assert rejected(kind, halves).error_class in (ErrorClass.LENGTH_MISMATCH, ErrorClass.TRAILING_DATA)
    assert rejected(kind, compress(kind, raw) + compress(kind, b"")).error_class is ErrorClass.TRAILING_DATA


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("other", COMPRESSED)
def test_each_takes_its_own_format_only(kind: PayloadCodec, other: PayloadCodec) -> None:
    payload = compress(other, pictures(8).tobytes())
    if kind is other:
        assert np.array_equal(decode(kind, payload, 3, form()), pictures(8))
    else:
        assert rejected(kind, payload).requirement in {"bytes.format", "bytes.xz"}


@pytest.mark.parametrize("kind", COMPRESSED)
def test_every_changed_byte_of_the_data_is_found(kind: PayloadCodec) -> None:
    payload = encode(kind, pictures(8), form())
    # The gzip header's time, flags of level and system carry nothing.
    start = 10 if kind is PayloadCodec.GZIP else 0
    for place in range(start, len(payload)):
        damaged = bytearray(payload)
        damaged[place] ^= 0x55
        rejected(kind, bytes(damaged))


def bomb(kind: PayloadCodec) -> bytes:
    """100 MiB of zeros, in some 100 KB."""
    if kind is PayloadCodec.LZMA:
        return lzma.compress(bytes(100 << 20), preset=0)
    compressor = zlib.compressobj(1, zlib.DEFLATED, 15 if kind is PayloadCodec.ZLIB else 31)
    return b"".join(compressor.compress(bytes(1 << 20)) for _ in range(100)) + compressor.flush()


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_bomb_is_refused_before_it_expands(kind: PayloadCodec) -> None:
    payload = bomb(kind)
    tracemalloc.start()
    error = rejected(kind, payload)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.requirement == "bytes.size"
    assert peak < 2 * len(payload) + (1 << 20)


def xz(raw: bytes, dictionary: int) -> bytes:
    """An .xz stream whose header asks for a dictionary of at least that many bytes."""
    plain = lzma.compress(raw, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 4096}])
    size = (plain[12] + 1) * 4
    head = bytearray(plain[12 : 12 + size])
    place = head.index(b"\x21\x01") + 2
    head[place] = next(b for b in range(41) if (2 | b & 1) << (b // 2 + 11) >= dictionary)
    head[-4:] = zlib.crc32(head[:-4]).to_bytes(4, "little")
    return plain[:12] + bytes(head) + plain[12 + size :]


@pytest.mark.parametrize("dictionary", [4096, 1 << 20, 48 << 20, 64 << 20])
def test_an_xz_dictionary_of_up_to_64_mib_is_decoded(dictionary: int) -> None:
    levels = pictures(8)
    assert np.array_equal(decode(PayloadCodec.LZMA, xz(levels.tobytes(), dictionary), 3, form()), levels)


def dictionary_of(payload: bytes) -> int:
    place = payload.index(b"\x21\x01", 12) + 2
    return (2 | payload[place] & 1) << (payload[place] // 2 + 11)


@pytest.mark.parametrize("level", range(10))
def test_the_encoder_asks_for_no_more_dictionary_than_the_pictures_need(level: int) -> None:
    values = pictures(8)
    payload = codec(PayloadCodec.LZMA).encode(values, form(), EncoderSettings(compression_level=level))[1]
    assert dictionary_of(payload) == 4096
    assert len(payload) == len(lzma.compress(values.tobytes(), preset=level))
    large = np.zeros((1, 64, 1 << 12), np.uint64)  # 2 MiB
    settings = EncoderSettings(compression_level=level)
    payload = codec(PayloadCodec.LZMA).encode(large, form(64, np.uint64, 64, 1 << 12), settings)[1]
    assert dictionary_of(payload) == min(2 << 20, dictionary_of(lzma.compress(b"0", preset=level)))


@pytest.mark.parametrize("dictionary", [96 << 20, 128 << 20, 1 << 30, 3 << 30])
def test_a_larger_xz_dictionary_is_refused(dictionary: int) -> None:
    error = rejected(PayloadCodec.LZMA, xz(pictures(8).tobytes(), dictionary))
    assert error.requirement == "bytes.lzma-memory"


def test_a_larger_xz_dictionary_is_told_from_damage_whatever_the_library_says(monkeypatch) -> None:
    class Other(lzma.LZMAError):
        def __str__(self) -> str:
            return "words of another release"

    class Decompressor:
        def __init__(self, **options: int) -> None:
            self.inner = lzma.LZMADecompressor(**options)

        def decompress(self, data: bytes, most: int) -> bytes:
            try:
                return self.inner.decompress(data, most)
            except lzma.LZMAError as error:
                raise Other from error

    monkeypatch.setattr(
        "refsw.payload.bytecodecs.lzma", SimpleNamespace(**{**vars(lzma), "LZMADecompressor": Decompressor})
    )
    large = xz(pictures(8).tobytes(), 1 << 30)
    assert rejected(PayloadCodec.LZMA, large).requirement == "bytes.lzma-memory"
    for place in (20, len(large) - 10):  # the header of the block, the index
        damaged = bytearray(xz(pictures(8).tobytes(), 4096 if place > 20 else 1 << 30))
        damaged[place] ^= 0x55
        assert rejected(PayloadCodec.LZMA, bytes(damaged)).requirement == "bytes.format"


def test_a_zlib_stream_with_a_preset_dictionary_is_refused() -> None:
    compressor = zlib.compressobj(zdict=b"dictionary")
    payload = compressor.compress(pictures(8).tobytes()) + compressor.flush()
    assert rejected(PayloadCodec.ZLIB, payload).requirement == "bytes.format"


@pytest.mark.parametrize("kind", BYTE_CODECS)
def test_a_configuration_is_refused(kind: PayloadCodec) -> None:
    payload = encode(kind, pictures(8), form())
    errors = codec(kind).check(b"x", memoryview(payload), 3, form())
    assert [(e.error_class, e.requirement) for e in errors] == [(ErrorClass.LENGTH_MISMATCH, "bytes.no-configuration")]
    with pytest.raises(PayloadError):
        codec(kind).decode(b"x", memoryview(payload), 3, form(), DecoderSettings())


@pytest.mark.parametrize("value", [2, 255])
def test_a_bool_is_0_or_1(value: int) -> None:
    error = rejected(PayloadCodec.STORED, bytes([0, 1, value, 0]), 1, form(8, np.bool_, 2, 2))
    assert (error.error_class, error.requirement) == (ErrorClass.OUT_OF_RANGE, "bytes.bool")


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("make", [lambda: pictures(8), lambda: np.zeros((3, HEIGHT, WIDTH), np.uint8)])
def test_every_compression_level_is_lossless(level: int, make: Callable[[], Array]) -> None:
    levels = make()
    for kind in COMPRESSED:
        payload = codec(kind).encode(levels, form(), EncoderSettings(compression_level=level))[1]
        assert np.array_equal(decode(kind, payload, 3, form()), levels)
