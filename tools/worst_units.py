"""Bitstreams of refsw's own syntax, filled with units up to a number of bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from refsw.syntax.codes import (
    Level,
    Profile,
    UnitType,
)
from refsw.syntax.structures import (
    END_OF_BITSTREAM,
)
from refsw.syntax.units import crc32, pack_body, pack_header, pack_unit

MOST = 10_000


Streams = Iterator[tuple[str, bytes]]


def bitstream(profile: Profile, units: list[bytes], counts: list[int]) -> bytes:
    """Header, units and end, with right CRCs."""
    out = [pack_header(profile, Level.L3), *units]
    chain = 0
    for part in out:
        chain = crc32(part[-4:], chain)
    values = {"tensor_count": len(counts), "sample_count": counts, "bitstream_crc": chain}
    return b"".join([*out, pack_unit(UnitType.END_OF_BITSTREAM, pack_body(END_OF_BITSTREAM, values))])


def filled(start: list[bytes], more: Callable[[int], bytes], room: int = MOST - 100) -> tuple[list[bytes], int]:
    """Units up to the most bytes, and how many of `more` there are."""
    units, size, count = list(start), sum(map(len, start)), 0
    while size + len(unit := more(count)) <= room and count < 4000:
        units.append(unit)
        size, count = size + len(unit), count + 1
    return units, count
