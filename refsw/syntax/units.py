"""Chapter 5: the bitstream as a sequence of length-prefixed, CRC-protected units."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from refsw.errors import DfcError, ErrorClass, LimitError, ParseError, UnsupportedError
from refsw.syntax.bits import BitReader, BitWriter
from refsw.syntax.codes import Level, Profile, UnitType, code_points, since
from refsw.syntax.declaration import Structure, Values
from refsw.syntax.native_trace import NativeTrace
from refsw.syntax.structure import (
    FIRST,
    Edition,
    Report,
    Trace,
    TraceRow,
    raise_error,
    read_structure,
    write_structure,
)
from refsw.syntax.structures import (
    BITSTREAM_HEADER,
    BY_UNIT_TYPE,
    HEADER_BYTES,
    SIGNATURE,
    STRUCTURES,
    UNIT_HEADER,
    VERSION_MAJOR,
)

MAX_LENGTH_BYTES = 5
MAX_UNIT_LENGTH = 2**32 - 1
LEAST_UNIT = LONGEST_HEAD = 6
"""5.2 Bytes of the shortest unit, a type, a length of one byte and a CRC, and of a type and the longest length."""
CRC_BYTES = 4
CHUNK = 1 << 20
PEEK = 32
SKIPPABLE = {UnitType.DIGEST, UnitType.METADATA}


def crc32(data: bytes | memoryview, start: int = 0) -> int:
    """4.5 CRC-32 as in ISO 3309 and zlib: polynomial 0x04C11DB7, reflected, inverted."""
    return zlib.crc32(data, start)


@dataclass(frozen=True, slots=True)
class Header:
    """6.3 The bitstream header."""

    profile: Profile
    level: Level
    version_minor: int = 0
    crc: int = 0

    @property
    def edition(self) -> Edition:
        """5.5 What the syntax of the units depends on."""
        return Edition.of(self.profile)

    @property
    def is_later(self) -> bool:
        """5.5 Whether the bitstream may have what comes after the version of its profile."""
        return self.version_minor > since(self.profile)


class Unit(NamedTuple):
    """6.4 One unit whose length and CRC are right.

    `offset` is that of the unit's first byte, `body_offset` that of its body, both in bytes from the
    start of the bitstream; `framed` is all of it as it stands there.
    """

    type: int
    skippable: bool
    body: memoryview
    offset: int
    body_offset: int
    crc: int
    framed: bytes = b""

    def known(self, version: int) -> UnitType | None:
        """5.4 The type, if profiles of a minor version have it."""
        return UnitType(self.type) if self.type in code_points(UnitType, version) else None


def leb128(value: int) -> bytes:
    """4.3.4 leb(v): 7 bits a byte, least significant first; the shortest form."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def pack_header(profile: Profile, level: Level) -> bytes:
    """The bitstream header as bytes, with the lowest minor version that has the profile."""
    writer = BitWriter()
    values = {
        "signature": SIGNATURE,
        "version_major": VERSION_MAJOR,
        "version_minor": since(profile),
        "profile_idc": profile,
        "level_idc": level,
        "header_crc": 0,
    }
    write_structure(BITSTREAM_HEADER, writer, values, edition=Edition.of(profile))
    start = writer.getvalue()[:-4]
    return start + crc32(start).to_bytes(4, "big")


def pack_unit(unit_type: int, body: bytes, *, skippable: bool | None = None) -> bytes:
    """A whole unit: header, length, body, CRC."""
    if skippable is None:
        skippable = unit_type in SKIPPABLE
    head = bytes([unit_type << 1 | skippable]) + leb128(len(body))
    return b"".join((head, body, crc32(body, crc32(head)).to_bytes(4, "big")))


def pack_body(structure: Structure, values: Values, active: Values | None = None, edition: Edition = FIRST) -> bytes:
    """The body of a unit from the values of its elements."""
    writer = BitWriter()
    write_structure(structure, writer, values, active, edition)
    return writer.getvalue()


class ByteSource:
    """Bytes of a file or a pipe, read in order, never more at once than have arrived."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.offset = 0

    def read(self, size: int, before: bytes = b"") -> bytes:
        """Up to `size` bytes, fewer only at the end, after some that have been read."""
        data = self.stream.read(size) if size <= CHUNK else b""
        self.offset += len(data)
        if len(data) == size:
            return before + data
        parts, size = [before, data], size - len(data)
        while size:
            part = self.stream.read(min(size, CHUNK))
            if not part:
                break
            parts.append(part)
            size -= len(part)
            self.offset += len(part)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Pass over bytes; those of a pipe have to be read."""
        if self.stream.seekable():
            self.stream.seek(size, io.SEEK_CUR)
            self.offset += size
            return
        while size and (data := self.read(min(size, CHUNK))):
            size -= len(data)


class UnitReader:
    """5.2 Reads the bitstream header and then unit after unit.

    Args:
        stream: a binary file or pipe.
        trace: receives a row for every element of the framing.
        report: receives what does not hinder reading on (a wrong CRC); raises by default.

    `max_unit_bytes`, the longest body that the level allows, is checked before a body is read.
    """

    def __init__(self, stream: BinaryIO, *, trace: Trace | None = None, report: Report = raise_error) -> None:
        self.source = ByteSource(stream)
        self.trace = None if trace is None else NativeTrace(trace)
        self.report = report
        self.chain = self.previous_chain = 0
        self.max_unit_bytes = MAX_UNIT_LENGTH
        self.header = self._read_header()

    def _read_header(self) -> Header:
        data = self.header_bytes = self.source.read(HEADER_BYTES)
        signature = SIGNATURE.to_bytes(4, "big")
        if data[:4] != signature[: len(data)] or not data:
            raise ParseError(
                ErrorClass.BAD_SIGNATURE if data else ErrorClass.TRUNCATED,
                "bitstream.signature",
                "signature",
                0,
                expected=f"a DFC bitstream ({signature.hex(' ')})",
                got=data[:4].hex(" ") if data else "an empty input",
            )
        if len(data) >= 5 and data[4] != VERSION_MAJOR:
            raise _unsupported_version(data[4])
        if len(data) < HEADER_BYTES:
            raise _truncated("bitstream_header", 0, HEADER_BYTES, len(data), "bitstream.header-complete")
        # The CRC comes first: a damaged header is damaged, whatever values it seems to hold.
        crc = crc32(data[:-4])
        if crc != int.from_bytes(data[-4:], "big"):
            self.report(_crc_error("bitstream.header-crc", "header_crc", 8 * (HEADER_BYTES - 4), crc, data[-4:]))
        minor = data[5]
        own = code_points(Profile, minor).get(data[6])
        is_later = minor > (since(own) if own else 0)
        values = read_structure(
            BITSTREAM_HEADER,
            BitReader(data),
            trace=self.trace,
            report=lambda e: self.report(of_version(e, is_later)),
            edition=Edition(version=minor),
        )
        self.chain = crc32(data[-4:])
        try:
            profile, level = Profile(values["profile_idc"]), Level(values["level_idc"])
        except ValueError:  # reported above; the widest of both lets a validator read on
            profile, level = Profile.EXTENDED, Level.L3
        return Header(profile, level, values["version_minor"], values["header_crc"])

    def __iter__(self) -> Iterator[Unit]:
        while (unit := self.read_unit()) is not None:
            yield unit

    def read_unit(self, wanted: Callable[[int, bytes], bool] | None = None) -> Unit | None:
        """The next unit, or None at the end of the input.

        Args:
            wanted: 5.7: units for whose type and first body bytes it is False are
                passed over unread.
        """
        while (head := self._read_unit_head()) is not None:
            start, body_start, length, offset = head
            size = body_start + length + CRC_BYTES
            if wanted is not None:
                peeked = min(body_start + length, body_start + PEEK) - len(start)
                if peeked > 0:
                    start = self.source.read(peeked, start)
                if not wanted(start[0] >> 1, start[body_start : body_start + length]):
                    self.source.skip(size - len(start))
                    continue
            data = self.source.read(size - len(start), start)
            if len(data) < size:
                raise _truncated(
                    "unit_body and unit_crc", offset + body_start, length + CRC_BYTES, len(data) - body_start
                )
            return self._check_unit(data, body_start, offset)
        return None

    def _check_unit(self, data: bytes, body_start: int, offset: int) -> Unit:
        view = memoryview(data)
        crc, stored = crc32(view[:-CRC_BYTES]), data[-CRC_BYTES:]
        told = int.from_bytes(stored, "big")
        if crc != told:
            self.report(_crc_error("unit.crc", "unit_crc", 8 * (offset + len(data) - CRC_BYTES), crc, stored))
        if self.trace is not None:
            self._trace_framing(data, body_start, offset)
        self.previous_chain, self.chain = self.chain, crc32(stored, self.chain)
        return Unit(
            data[0] >> 1, bool(data[0] & 1), view[body_start:-CRC_BYTES], offset, offset + body_start, told, data
        )

    def _read_unit_head(self) -> tuple[bytes, int, int, int] | None:
        """The first bytes of a unit, as many as the shortest has, where its body begins, its length, its offset."""
        offset = self.source.offset
        start = self.source.read(LEAST_UNIT)
        if not start:
            return None
        length = shift = 0
        place = 1
        while True:
            if place == len(start):
                if place < LONGEST_HEAD:
                    raise _truncated("unit_length", offset + 1, 1, 0)
                raise ParseError(
                    ErrorClass.OUT_OF_RANGE,
                    "descriptor.leb-length",
                    "unit_length",
                    8 * (offset + 1),
                    expected=f"at most {MAX_LENGTH_BYTES} bytes",
                    got="more",
                )
            byte = start[place]
            place += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        if (not byte and shift) or length > MAX_UNIT_LENGTH:
            raise ParseError(
                ErrorClass.OUT_OF_RANGE,
                "descriptor.leb-shortest",
                "unit_length",
                8 * (offset + 1),
                expected=f"the shortest form of a number up to {MAX_UNIT_LENGTH}",
                got=start[1:place].hex(" "),
            )
        if length > self.max_unit_bytes:
            raise LimitError(
                ErrorClass.RESOURCE_LIMIT,
                "level.unit-bytes",
                "unit_length",
                8 * (offset + 1),
                expected=f"at most {self.max_unit_bytes} bytes at this level",
                got=str(length),
            )
        return start, place, length, offset

    def _trace_framing(self, data: bytes, body_start: int, offset: int) -> None:
        assert self.trace is not None
        read_structure(UNIT_HEADER, BitReader(data[:1], 8 * offset), trace=self.trace)
        at, length = offset + 1, len(data) - body_start - CRC_BYTES
        self.trace(TraceRow(8 * at, 8 * (body_start - 1), UNIT_HEADER.clause, "unit", "unit_length", "leb(v)", length))
        crc = int.from_bytes(data[-CRC_BYTES:], "big")
        end = offset + body_start + length
        self.trace(TraceRow(8 * end, 32, UNIT_HEADER.clause, "unit", "unit_crc", "u(32)", crc))


def body_reader(unit: Unit) -> BitReader:
    """A reader over a unit's body that knows its place in the bitstream."""
    kind = BY_UNIT_TYPE.get(unit.type)  # type: ignore[call-overload]
    name = kind.name if kind else f"unit type {unit.type}"
    return BitReader(unit.body, 8 * unit.body_offset, f"the body of {name}")


CODE_POINTS = {s.requirement(e.name) for s in STRUCTURES for e in s.elements() if e.values is not None}
"""The requirements that bound elements whose values are code points (6.2)."""


def of_version(error: DfcError, is_later: bool) -> DfcError:
    """5.5 A code point (6.2) that is reserved here may mean something in a later bitstream: then it is unsupported.

    Negative zero is reserved as well, but no code point: no version gives it a meaning.
    """
    if error.error_class is not ErrorClass.RESERVED_VALUE or error.requirement not in CODE_POINTS or not is_later:
        return error
    return UnsupportedError(
        error.error_class,
        error.requirement,
        error.element,
        error.bit_offset,
        expected=f"{error.expected}, or a decoder of a later version",
        got=error.got,
    )


def _unsupported_version(major: int) -> DfcError:
    return UnsupportedError(
        ErrorClass.UNSUPPORTED_VERSION,
        "bitstream.version-major",
        "version_major",
        32,
        expected=str(VERSION_MAJOR),
        got=str(major),
    )


def _truncated(element: str, offset: int, expected: int, got: int, requirement: str = "unit.complete") -> ParseError:
    return ParseError(
        ErrorClass.TRUNCATED,
        requirement,
        element,
        8 * offset,
        expected=f"{expected} bytes",
        got=f"{got} before the end of the input",
    )


def _crc_error(requirement: str, element: str, offset: int, expected: int, got: bytes) -> ParseError:
    return ParseError(
        ErrorClass.CRC_MISMATCH,
        requirement,
        element,
        offset,
        expected=f"0x{expected:08x} as computed",
        got=f"0x{got.hex()}",
    )
