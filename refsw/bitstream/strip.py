"""Informative: a bitstream without digests or metadata."""

from __future__ import annotations

from typing import BinaryIO

from refsw.bitstream.writing import NO_DIGESTS, Writer, pieces, reader_of, values_of
from refsw.features.reader import BitstreamReader
from refsw.files import Bitstream, opened
from refsw.syntax.codes import UnitType


def strip(data: Bitstream, out: BinaryIO, *, digests: bool, metadata: bool) -> None:
    """Leave out the digests of a bitstream, its metadata, or both; it decodes to the same.

    Units of unknown types stay. What a later minor version has beyond the one that is known here is left out.

    Args:
        data: a bitstream of features, or of model updates, whose digests belong to them and stay.
        out: receives the new one.
        digests, metadata: what to leave out.

    Raises:
        DfcError: the bitstream does not conform, payloads apart, or is unsupported.
    """
    with opened(data) as stream:
        reader = reader_of(stream)
        writer = Writer(out, reader.header.profile, reader.header.level)
        for piece in pieces(reader):
            if piece.kind is UnitType.END_OF_BITSTREAM:
                tensors = reader.tensors.values() if isinstance(reader, BitstreamReader) else ()
                writer.end([tensor.samples for tensor in tensors])
            elif (piece.kind is UnitType.METADATA and metadata) or (piece.kind is UnitType.DIGEST and digests):
                continue
            elif piece.kind is UnitType.FEATURE_PARAMETER_SET and isinstance(reader, BitstreamReader):
                change = NO_DIGESTS if digests else {}
                writer.values(UnitType.FEATURE_PARAMETER_SET, values_of(reader, piece.unit) | change)
            else:
                writer.unit(reader, piece.unit)
