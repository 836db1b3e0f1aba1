"""14.4, 14.5 What a receiver has to know before any unit: header, clock, parameter sets."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from refsw.carriage.packets import CLOCK, framing
from refsw.errors import DfcError, ErrorClass, ParseError, SemanticError
from refsw.features.parameters import Parameters, from_values
from refsw.profiles import MODEL_PROFILES
from refsw.syntax.bits import BitReader, BitWriter
from refsw.syntax.carriage_structures import CARRIAGE_SESSION
from refsw.syntax.codes import Profile, UnitType, since
from refsw.syntax.structure import Edition, Trace, read_structure, write_structure
from refsw.syntax.structures import FEATURE_PARAMETER_SET, HEADER_BYTES, SIGNATURE
from refsw.syntax.units import CRC_BYTES, Header, Unit, UnitReader, body_reader, crc32

JOIN_SAMPLE = slice(24, 28)
"""14.4.1 Bytes of a session description that differ where it is repeated, besides its CRC."""
MOST_RATE = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Clock:
    """14.5 How first_sample and RTP timestamps go together: access units `rate_scale` in `rate_step` seconds."""

    base: int
    rate_scale: int
    rate_step: int

    def timestamp(self, first_sample: int) -> int:
        """Of the access unit with that first_sample."""
        return (self.base + first_sample * CLOCK * self.rate_step // self.rate_scale) & 0xFFFFFFFF

    def has(self, timestamp: int, first_sample: int) -> bool:
        """Whether an access unit with that first_sample, or of the next 2^32 ticks, has the timestamp."""
        ticks = first_sample * CLOCK * self.rate_step // self.rate_scale
        ticks += (timestamp - self.base - ticks) & 0xFFFFFFFF
        index = -(-ticks * self.rate_scale // (CLOCK * self.rate_step))
        return index * CLOCK * self.rate_step // self.rate_scale == ticks

    def seconds(self, first_sample: int) -> float:
        """From the access unit with first_sample 0 on."""
        return first_sample * self.rate_step / self.rate_scale


@dataclass(frozen=True, slots=True)
class Session:
    """14.4.1 A session description.

    Args:
        header: the bitstream header, 12 bytes.
        clock: of timestamps.
        join_sample: first_sample of the access unit that comes next.
        parameter_sets: whole units.
    """

    header: bytes
    clock: Clock
    join_sample: int = 0
    parameter_sets: tuple[bytes, ...] = ()

    def __bytes__(self) -> bytes:
        writer = BitWriter()
        values = {
            "header": self.header,
            "timestamp_base": self.clock.base,
            "rate_scale": self.clock.rate_scale,
            "rate_step": self.clock.rate_step,
            "join_sample": self.join_sample,
            "set_count": len(self.parameter_sets),
            "set_size": [len(unit) for unit in self.parameter_sets],
            "parameter_set": list(self.parameter_sets),
            "session_crc": 0,
        }
        write_structure(CARRIAGE_SESSION, writer, values)
        return _with_crc(writer.getvalue()[:-CRC_BYTES])


def repeated(session: bytes, join_sample: int) -> bytes:
    """14.4.1 A session description again, before another access unit."""
    before, after = session[: JOIN_SAMPLE.start], session[JOIN_SAMPLE.stop : -CRC_BYTES]
    return _with_crc(before + join_sample.to_bytes(4, "big") + after)


def _with_crc(start: bytes) -> bytes:
    return start + crc32(start).to_bytes(CRC_BYTES, "big")


def read_session(data: bytes | memoryview, trace: Trace | None = None) -> Session:
    """14.4.1 A session description that came whole.

    Raises:
        DfcError: it is damaged, or does not hold what it should.
    """
    stored = int.from_bytes(data[-CRC_BYTES:], "big")
    if crc32(data[:-CRC_BYTES]) != stored:
        raise _wrong(ErrorClass.CRC_MISMATCH, "session_crc", "the CRC of what is before it", f"0x{stored:08x}")
    reader = BitReader(data, where="the session description")
    values = read_structure(CARRIAGE_SESSION, reader, trace=trace)
    if reader.remaining:
        raise _wrong(ErrorClass.TRAILING_DATA, "session_crc", "the end", f"{reader.remaining // 8} more bytes")
    header = values["header"]
    if header[:4] != SIGNATURE.to_bytes(4, "big") or crc32(header[:-CRC_BYTES]) != int.from_bytes(
        header[-CRC_BYTES:], "big"
    ):
        raise _wrong(ErrorClass.CRC_MISMATCH, "header", "a bitstream_header with a right CRC", header.hex())
    sets = tuple(values["parameter_set"])
    check_sets(sets)
    profile = read_header(header).profile  # last: of a version that is not known here, it makes the stream unsupported
    if profile in MODEL_PROFILES:
        raise SemanticError(ErrorClass.LAYOUT_MISMATCH, "carriage.features", "header", None,
                            expected="a bitstream of features", got=profile.name)  # fmt: skip
    clock = Clock(values["timestamp_base"], values["rate_scale"], values["rate_step"])
    return Session(values["header"], clock, values["join_sample"], sets)


def check_sets(sets: Iterable[bytes], known: Mapping[int, bytes] = MappingProxyType({})) -> dict[int, bytes]:
    """14.4.1 Units are parameter sets, and of one parameter_set_id all are the same.

    Args:
        sets: whole units.
        known: bodies of others, by parameter_set_id.

    Returns:
        The bodies of all of them.

    Raises:
        DfcError: they are not so.
    """
    bodies = dict(known)
    for data in sets:
        unit = whole_unit(data)
        if unit.type != UnitType.FEATURE_PARAMETER_SET:
            raise _wrong(ErrorClass.LAYOUT_MISMATCH, "parameter_set", "a feature parameter set", f"type {unit.type}")
        number = set_number(unit)
        if number is not None and bodies.setdefault(number, bytes(unit.body)) != unit.body:
            raise _wrong(ErrorClass.LAYOUT_MISMATCH, "parameter_set", "one set of every id", f"two of id {number}")
    return bodies


def set_number(unit: Unit) -> int | None:
    """6.5 parameter_set_id of a parameter set; None of one that has none, and is told when it is read."""
    try:
        return BitReader(unit.body).ue()
    except DfcError:
        return None


def _wrong(error_class: ErrorClass, element: str, expected: str, got: str) -> DfcError:
    return ParseError(error_class, "carriage.session", element, None, expected=expected, got=got)


def data_units(profile: Profile) -> frozenset[int]:
    """The types of units that have samples, or parts of them, in bitstreams of a profile (5.5)."""
    kinds = (UnitType.FEATURE_DATA, UnitType.FEATURE_PART)
    return frozenset(kind for kind in kinds if since(kind) <= since(profile))


def read_header(data: bytes) -> Header:
    """6.3 A bitstream header.

    Raises:
        DfcError: it is damaged, or of another version.
    """
    return UnitReader(io.BytesIO(data[:HEADER_BYTES])).header


def whole_unit(data: bytes | memoryview) -> Unit:
    """5.2 The one unit that some bytes are.

    Raises:
        DfcError: its length or CRC is wrong.
    """
    found = framing(data)
    if found is None or found[1] != len(data):
        got = "no length" if found is None else str(found[1])
        raise ParseError(ErrorClass.LENGTH_MISMATCH, "carriage.gap", "unit_length", None,
                         expected=f"a unit of {len(data)} bytes", got=got)  # fmt: skip
    start = found[0]
    view = memoryview(data)
    stored, computed = int.from_bytes(data[-CRC_BYTES:], "big"), crc32(view[:-CRC_BYTES])
    if computed != stored:
        raise ParseError(ErrorClass.CRC_MISMATCH, "unit.crc", "unit_crc", None,
                         expected=f"0x{computed:08x} as computed", got=f"0x{stored:08x}")  # fmt: skip
    return Unit(data[0] >> 1, bool(data[0] & 1), view[start:-CRC_BYTES], 0, start, stored)


def read_parameter_set(unit: Unit, profile: Profile) -> Parameters:
    """6.5 A feature parameter set of a bitstream of a profile.

    Raises:
        DfcError: it is not right.
    """
    return from_values(read_structure(FEATURE_PARAMETER_SET, body_reader(unit), edition=Edition.of(profile)))


def rate_of(p: Parameters) -> tuple[int, int] | None:
    """14.5 rate_scale and rate_step by a tensor with an axis T; None by others."""
    return (p.time_scale, p.time_step) if "T" in p.axes.letters else None
