"""13.8.2 Decoders that check digests: a copy of the bitstream without them shows what such a decoder decodes."""

from __future__ import annotations

import io

from refsw.inspection import inspect
from refsw.profiles import MODEL_PROFILES
from refsw.syntax.codes import UnitType
from refsw.syntax.structures import HEADER_BYTES
from refsw.syntax.units import UnitReader, crc32

PROFILE_BYTE = 6
CRC_BYTES = 4
FLAGS = ("tensor_digest_flag", "levels_digest_flag")


def without_digests(data: bytes) -> bytes | None:
    """A bitstream of features without its digest units, which decodes to the same tensors.

    Flags that announce digests are 0, and the CRCs of the units and of the bitstream are made to fit. None where there
    are no digests, or none that can be left out: the result_digest of a model update is part of it.

    Raises:
        DfcError: the bitstream is damaged.
    """
    if data[PROFILE_BYTE] in MODEL_PROFILES:
        return None
    rows = inspect(data, trace=True).rows
    flags = [row.bit_offset for row in rows if row.element in FLAGS and row.value]
    if not flags:
        return None
    changed = bytearray(data)
    for bit in flags:
        changed[bit // 8] &= ~(0x80 >> bit % 8)
    return _again(bytes(changed), data[: HEADER_BYTES - CRC_BYTES], leave_out=UnitType.DIGEST)


def with_header(data: bytes, header: bytes) -> bytes:
    """A bitstream with another header, of which the CRC is left out: all CRCs are made to fit.

    Raises:
        DfcError: the bitstream is damaged.
    """
    return _again(data, header)


def _again(data: bytes, header: bytes, leave_out: UnitType | None = None) -> bytes:
    """The units of a bitstream, whose CRCs need not fit, behind a header; without those of a type."""
    crcs = crc32(header).to_bytes(CRC_BYTES, "big")
    out = header + crcs
    for unit in UnitReader(io.BytesIO(data), report=lambda _: None):
        if unit.type == leave_out:
            continue
        whole = data[unit.offset : unit.body_offset + len(unit.body)]
        if unit.type == UnitType.END_OF_BITSTREAM:  # bitstream_crc is its last element
            whole = whole[:-CRC_BYTES] + crc32(crcs).to_bytes(CRC_BYTES, "big")
        crc = crc32(whole).to_bytes(CRC_BYTES, "big")
        out, crcs = out + whole + crc, crcs + crc
    return out
