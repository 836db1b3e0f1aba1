"""Informative: the units of a bitstream that is made of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from refsw.errors import UsageError
from refsw.features.reader import BitstreamReader, DigestContent
from refsw.features.reconstruct import UnitContent
from refsw.models.reader import ModelReader
from refsw.profiles import MODEL_PROFILES
from refsw.syntax.codes import Level, Profile, UnitType
from refsw.syntax.declaration import Values
from refsw.syntax.structure import Edition, read_structure
from refsw.syntax.structures import BY_UNIT_TYPE, END_OF_BITSTREAM
from refsw.syntax.units import Unit, UnitReader, body_reader, crc32, pack_body, pack_header, pack_unit

CRC_BYTES = 4
WITH_PAYLOAD = {UnitType.FEATURE_DATA, UnitType.FEATURE_PART, UnitType.MODEL_DATA}
"""Nothing can be appended to them (5.5)."""
NO_DIGESTS = {"tensor_digest_flag": 0, "levels_digest_flag": 0}
Reader = BitstreamReader | ModelReader


def reader_of(stream: BinaryIO) -> Reader:
    """A strict reader of features or of model updates, whichever a bitstream has.

    Raises:
        DfcError: it is no bitstream.
    """
    units = UnitReader(stream)
    return ModelReader(units) if units.header.profile in MODEL_PROFILES else BitstreamReader(units)


def features_of(stream: BinaryIO, what: str) -> BitstreamReader:
    """A strict reader of features.

    Raises:
        UsageError: the bitstream holds model updates.
        DfcError: it is no bitstream.
    """
    reader = reader_of(stream)
    if isinstance(reader, ModelReader):
        raise UsageError(f"a bitstream of model updates has no {what}: an update is one whole")
    return reader


def values_of(reader: Reader, unit: Unit) -> Values:
    """The elements of a unit that has been read."""
    structure = BY_UNIT_TYPE[UnitType(unit.type)]
    return read_structure(structure, body_reader(unit), activate=reader.activate, edition=reader.header.edition)


class Writer:
    """Writes a bitstream: header, units, and an end that fits them.

    Args:
        out: receives the bytes.
        profile, level: of the bitstream; its version is the lowest that has the profile.
    """

    def __init__(self, out: BinaryIO, profile: Profile, level: Level) -> None:
        self._out, self._chain = out, 0
        self.profile, self.edition = profile, Edition.of(profile)
        self._put(pack_header(profile, level))

    def unit(self, reader: Reader, unit: Unit) -> None:
        """A unit as it is, without what a later minor version than that of the profile has appended."""
        kind = unit.known(reader.header.edition.version)
        if reader.header.is_later and kind is not None and kind not in WITH_PAYLOAD:
            self.values(kind, values_of(reader, unit))
            return
        self._put(pack_unit(unit.type, bytes(unit.body), skippable=unit.skippable))

    def values(self, kind: UnitType, values: Values, active: Values | None = None) -> None:
        """A unit from its elements."""
        self._put(pack_unit(kind, pack_body(BY_UNIT_TYPE[kind], values, active, self.edition)))

    def end(self, counts: list[int]) -> None:
        """The end of the bitstream, with the numbers of samples of all tensors."""
        values = {"tensor_count": len(counts), "sample_count": counts, "bitstream_crc": self._chain}
        self._put(pack_unit(UnitType.END_OF_BITSTREAM, pack_body(END_OF_BITSTREAM, values)))

    def _put(self, data: bytes) -> None:
        self._out.write(data)
        self._chain = crc32(data[-CRC_BYTES:], self._chain)


@dataclass(frozen=True, slots=True)
class Piece:
    """A unit of features with what it holds."""

    unit: Unit
    kind: UnitType | None
    content: Any


def pieces(reader: Reader) -> Iterator[Piece]:
    """The units of a bitstream in order; unknown ones have no kind, repeated parameter sets no content."""
    for unit, contents in reader.with_units():
        yield Piece(unit, unit.known(reader.header.edition.version), contents[0] if contents else None)


def tensor_id(content: UnitContent | DigestContent) -> int:
    """The parameter set of a unit's samples."""
    return content.tensor.id if isinstance(content, UnitContent) else content.parameters.id
