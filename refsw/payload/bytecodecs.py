"""8.2 Byte codecs: stored, zlib, gzip and LZMA over the bytes of the pictures."""

from __future__ import annotations

import lzma
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsw.errors import ErrorClass, PayloadError
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat, no_configuration, payload_error
from refsw.syntax.codes import PayloadCodec
from refsw.tensor.axes import Array

ZLIB_WINDOW, GZIP_WINDOW = 15, 31
XZ_LZMA2 = 0x21
# liblzma passes over checks that it does not know.
XZ_CHECKS = (lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_SHA256)
# Of the presets 0 to 9 of liblzma; and the least that the format has.
LZMA_DICTIONARIES = (1 << 18, 1 << 20, 1 << 21, 1 << 22, 1 << 22, 1 << 23, 1 << 23, 1 << 24, 1 << 25, 1 << 26)
LZMA_LEAST_DICTIONARY = 1 << 12
LZMA_DICTIONARY = 64 << 20  # 8.2.4
LZMA_LARGEST_BITS = 40  # .xz file format, 5.3.1
LZMA_MEMORY = LZMA_DICTIONARY + (1 << 20)  # and the decoder's own state


@dataclass(frozen=True, slots=True)
class ByteCodec:
    """One of the byte codecs."""

    payload_codec: PayloadCodec
    bit_depths: range = range(1, 65)

    def encode(self, pictures: Array, picture_format: PictureFormat, settings: EncoderSettings) -> tuple[bytes, bytes]:
        """Pictures in raster order, one after the other, little-endian, compressed as a whole."""
        raw = np.ascontiguousarray(pictures).astype(picture_format.dtype, copy=False).tobytes()
        return b"", self._compress(raw, settings.compression_level)

    def _compress(self, raw: bytes, level: int) -> bytes:
        if self.payload_codec is PayloadCodec.STORED:
            return raw
        if self.payload_codec is PayloadCodec.LZMA:
            # A dictionary beyond the data finds nothing more, and costs both sides its memory.
            size = max(LZMA_LEAST_DICTIONARY, min(1 << (len(raw) - 1).bit_length(), LZMA_DICTIONARIES[level]))
            filters = [{"id": lzma.FILTER_LZMA2, "preset": level, "dict_size": size}]
            return lzma.compress(raw, format=lzma.FORMAT_XZ, filters=filters)
        window = ZLIB_WINDOW if self.payload_codec is PayloadCodec.ZLIB else GZIP_WINDOW
        compressor = zlib.compressobj(level, zlib.DEFLATED, window)
        return compressor.compress(raw) + compressor.flush()

    def decode(
        self,
        configuration: bytes,
        payload: memoryview,
        count: int,
        picture_format: PictureFormat,
        settings: DecoderSettings,
    ) -> Array:
        """The inverse; the expanded size is known beforehand and never exceeded."""
        for error in self.check(configuration, payload, count, picture_format):
            raise error
        size = count * picture_format.picture_bytes
        raw: bytes | memoryview = payload
        if self.payload_codec is not PayloadCodec.STORED:
            raw = self.expand(payload, size)
        shape = (count, picture_format.height, picture_format.width)
        if picture_format.dtype == np.bool_ and np.frombuffer(raw, np.uint8).max(initial=0) > 1:
            raise payload_error("bytes.bool", "payload", "bytes 0 and 1", "another", ErrorClass.OUT_OF_RANGE)
        return np.frombuffer(raw, picture_format.dtype).reshape(shape)

    def expand(self, payload: memoryview, size: int) -> bytes:
        """8.2 What compressed data expand to: exactly `size` bytes."""
        if self.payload_codec is PayloadCodec.LZMA:
            expander: Any = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=LZMA_MEMORY)
        else:
            window = ZLIB_WINDOW if self.payload_codec is PayloadCodec.ZLIB else GZIP_WINDOW
            expander = zlib.decompressobj(window)
        try:
            raw: bytes = expander.decompress(payload, size + 1)
        except (zlib.error, lzma.LZMAError, MemoryError) as error:
            raise self._refused(payload, error) from error
        if len(raw) != size or not expander.eof:
            got = f"{len(raw)} bytes" if len(raw) < size else "more bytes, or no end of the data"
            raise payload_error("bytes.size", "payload", f"{size} bytes and the end", got, ErrorClass.LENGTH_MISMATCH)
        if expander.unused_data:
            raise payload_error(
                "bytes.trailing",
                "payload",
                "nothing after the end",
                f"{len(expander.unused_data)} bytes",
                ErrorClass.TRAILING_DATA,
                8 * (len(payload) - len(expander.unused_data)),
            )
        if self.payload_codec is PayloadCodec.LZMA and expander.check not in XZ_CHECKS:
            got = f"the reserved id {expander.check}"
            raise payload_error("bytes.format", "payload", "the check None, CRC32, CRC64 or SHA-256", got)
        if self.payload_codec is PayloadCodec.LZMA and not _is_plain_xz(payload):
            raise payload_error("bytes.xz", "payload", "one .xz block with LZMA2 as its only filter", "another")
        return raw

    def _refused(self, payload: memoryview, error: Exception) -> PayloadError:
        """The requirement that data break which a library refuses."""
        if self.payload_codec is PayloadCodec.LZMA and _dictionary(payload) > LZMA_DICTIONARY:
            expected = "a dictionary of at most 64 MiB"
            return payload_error("bytes.lzma-memory", "payload", expected, "a larger one", ErrorClass.RESOURCE_LIMIT)
        expected = f"{self.payload_codec.name.lower()} data that decodes"
        return payload_error("bytes.format", "payload", expected, str(error))

    def check(
        self, configuration: bytes, payload: memoryview, count: int, picture_format: PictureFormat
    ) -> list[PayloadError]:
        """8.2: no configuration; a stored payload has exactly the size of the pictures."""
        errors = no_configuration("bytes.no-configuration", configuration)
        size = count * picture_format.picture_bytes
        if self.payload_codec is PayloadCodec.STORED and len(payload) != size:
            errors.append(
                payload_error("bytes.size", "payload", f"{size} bytes", f"{len(payload)}", ErrorClass.LENGTH_MISMATCH)
            )
        return errors


def _is_plain_xz(payload: memoryview) -> bool:
    """8.2.2 Whether an .xz stream has one block (by its index) and LZMA2 as that block's only filter.

    The payload has been decompressed to its end: it has no damage and nothing after it.
    """
    index = len(payload) - 12 - 4 * (int.from_bytes(payload[-8:-4], "little") + 1)
    return payload[13] & 3 == 0 and payload[_first_filter(payload)] == XZ_LZMA2 and payload[index + 1] == 1


def _dictionary(payload: memoryview) -> int:
    """8.2.4 Bytes of the dictionary that the first block of an .xz stream asks for; 0 where no block is told.

    The payload may be damaged, but a block header whose CRC is right is what liblzma has seen too.
    """
    header = payload[12 : 12 + 4 * (payload[12] + 1)] if len(payload) > 12 else memoryview(b"")
    if len(header) < 8 or zlib.crc32(header[:-4]) != int.from_bytes(header[-4:], "little"):
        return 0
    kind, size, bits = bytes(payload[(place := _first_filter(payload)) : place + 3]).ljust(3, b"\0")
    if header[1] & 3 or (kind, size) != (XZ_LZMA2, 1) or bits > LZMA_LARGEST_BITS:
        return 0
    return (2 | bits & 1) << (bits // 2 + 11)


def _first_filter(payload: memoryview) -> int:
    """Where the first block header of an .xz stream names its first filter."""
    flags, place = payload[13], 14
    for bit in (0x40, 0x80):  # optional sizes, as numbers of 7 bits a byte
        if flags & bit:
            while place < len(payload) - 1 and payload[place] & 0x80:
                place += 1
            place += 1
    return place
