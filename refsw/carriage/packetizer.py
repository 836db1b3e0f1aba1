"""14.1 to 14.5, the sender's side: a bitstream as access units in RTP packets."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from refsw.carriage.packets import (
    AGGREGATION,
    DEFAULT_PAYLOAD_TYPE,
    HEAD,
    LONGEST,
    MARKER,
    OVERHEAD,
    SESSION,
    SIZE_BYTES,
    UNIT,
    VERSION_2,
)
from refsw.carriage.session import Clock, Session, data_units, rate_of, read_parameter_set, repeated
from refsw.errors import ErrorClass, ParseError, SemanticError, UnsupportedError, UsageError
from refsw.profiles import LEVELS, MODEL_PROFILES
from refsw.syntax.bits import leading_ues
from refsw.syntax.codes import UnitType
from refsw.syntax.structure import read_structure
from refsw.syntax.structures import END_OF_BITSTREAM
from refsw.syntax.units import Unit, UnitReader, body_reader

DEFAULT_BYTES = 1200
LEAST_BYTES = 64
DEFAULT_RATE = (30, 1)
LONGEST_AGGREGATED = 0xFFFF
PLACE = ("parameter_set_id", "first_sample")
"""6.6, 6.13 What feature data and feature parts begin with."""


def _random(bits: int) -> int:
    return secrets.randbits(bits)


@dataclass(frozen=True)
class SenderConfig:
    """How a bitstream is cut into packets; what RFC 3550 wants at random is, unless it is given.

    Args:
        packet_bytes: of the longest RTP packet, its header included.
        payload_type: of the session.
        rate: access units and the seconds that they take, where no tensor has an axis T.
        repeat: access units between two session descriptions; 0: none but the first.
        copies: how often the first session description and the end of bitstream unit are sent.
        aggregate: whether small units share packets.
        in_band: whether session descriptions have the parameter sets, or they are given out of band.
        ssrc, bitstream_number, timestamp_base, first_sequence: of the source.
    """

    packet_bytes: int = DEFAULT_BYTES
    payload_type: int = DEFAULT_PAYLOAD_TYPE
    rate: tuple[int, int] = DEFAULT_RATE
    repeat: int = 8
    copies: int = 3
    aggregate: bool = True
    in_band: bool = True
    ssrc: int = field(default_factory=lambda: _random(32))
    bitstream_number: int = field(default_factory=lambda: _random(8))
    timestamp_base: int = field(default_factory=lambda: _random(32))
    first_sequence: int = field(default_factory=lambda: _random(16))

    def __post_init__(self) -> None:
        if not LEAST_BYTES <= self.packet_bytes <= LONGEST:
            raise UsageError(f"packets of {self.packet_bytes} bytes: from {LEAST_BYTES} to {LONGEST}")
        if not 0 <= self.payload_type <= 127:
            raise UsageError(f"payload type {self.payload_type}: from 0 to 127")
        if not all(0 < number < 1 << 32 for number in self.rate):
            raise UsageError(f"a rate of {self.rate[0]}/{self.rate[1]}: each from 1 to 2^32 - 1")
        for name, bits in (("ssrc", 32), ("bitstream_number", 8), ("timestamp_base", 32), ("first_sequence", 16)):
            if not 0 <= getattr(self, name) < 1 << bits:
                raise UsageError(f"{name.replace('_', ' ')} {getattr(self, name)}: {bits} bits")
        if self.repeat < 0 or self.copies < 1:
            raise UsageError(f"repeat {self.repeat}, copies {self.copies}: at least 0 and 1")


class AccessUnit(NamedTuple):
    """14.1.1 Units, as they stand in the bitstream, and the first_sample that they have in common; None: the end."""

    first_sample: int | None
    units: list[bytes]


class Sent(NamedTuple):
    """The packets of an access unit and of the session description before it; `seconds` after the first one."""

    seconds: float
    packets: list[bytes]


class UnitSource:
    """A bitstream of features, access unit by access unit, with what a sender has to know of it.

    Args:
        stream: binary file or pipe at the first byte.

    Raises:
        DfcError: it is no bitstream, is damaged, or holds model updates.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._units = UnitReader(stream)
        self.header = self._units.header_bytes
        header = self._units.header
        if header.profile in MODEL_PROFILES:
            raise UnsupportedError(
                ErrorClass.RESERVED_VALUE, "carriage.features", "profile_idc", 48,
                expected="features; a model update travels over a reliable protocol", got=header.profile.name,
            )  # fmt: skip
        self._data = data_units(header.profile)
        self._units.max_unit_bytes = LEVELS[header.level].unit_bytes
        self.parameter_sets: dict[int, bytes] = {}
        self.rate: tuple[int, int] | None = None
        self.last = 0
        self.sample_counts: list[int] = []

    def __iter__(self) -> Iterator[AccessUnit]:
        """The access units, in order.

        Raises:
            DfcError: a unit is damaged or missing.
        """
        current = AccessUnit(None, [])
        begun: list[bytes] = []
        for unit in self._units:
            data, kind = unit.framed, unit.type
            if kind == UnitType.FEATURE_PARAMETER_SET:
                self._add_set(unit, data)
            if kind in self._data:
                first = self._first_sample(unit)
                if first != current.first_sample:
                    if current.first_sample is not None:
                        yield current
                    current = AccessUnit(first, [])
                current.units.extend([*begun, data])
                begun = []
            elif kind == UnitType.DIGEST and current.first_sample is not None:
                current.units.extend([*begun, data])
                begun = []
            else:
                begun.append(data)
            if kind == UnitType.END_OF_BITSTREAM:
                self.sample_counts = read_structure(END_OF_BITSTREAM, body_reader(unit))["sample_count"]
                break
        else:
            raise ParseError(
                ErrorClass.TRUNCATED, "bitstream.end", "end_of_bitstream", 8 * self._units.source.offset,
                expected="an end of bitstream unit", got="the end of the input",
            )  # fmt: skip
        if current.first_sample is not None:
            yield current
        yield AccessUnit(None, begun)

    def _add_set(self, unit: Unit, data: bytes) -> None:
        p = read_parameter_set(unit, self._units.header.profile)
        self.parameter_sets.setdefault(p.id, data)
        self.rate = self.rate or rate_of(p)

    def _first_sample(self, unit: Unit) -> int:
        offset = 8 * unit.body_offset
        number, first = leading_ues(unit.body, PLACE, offset)
        if number not in self.parameter_sets or first < self.last:
            requirement = "order.access-units" if number in self.parameter_sets else "order.parameter-set-first"
            raise SemanticError(
                ErrorClass.OUT_OF_RANGE, requirement, "first_sample", offset + 2 * (number + 1).bit_length() - 1,
                expected=f"at least {self.last}, of a tensor that is known", got=str(first),
            )  # fmt: skip
        self.last = first
        return first


class Packetizer:
    """The packets of a bitstream.

    Args:
        stream: binary file or pipe at the first byte.
        config: how.

    Raises:
        DfcError: as for `UnitSource`.
    """

    def __init__(self, stream: BinaryIO, config: SenderConfig | None = None) -> None:
        self.config = config or SenderConfig()
        self.source = UnitSource(stream)
        self._sequence = self.config.first_sequence
        self._room = self.config.packet_bytes - OVERHEAD
        self._clock: Clock | None = None
        self._said = (-1, b"")  # how many parameter sets were known, and the session description with them

    @property
    def clock(self) -> Clock:
        """14.5 Of the bitstream, once its first access unit has been read."""
        if self._clock is None:
            self._clock = Clock(self.config.timestamp_base, *(self.source.rate or self.config.rate))
        return self._clock

    def session(self, join_sample: int) -> bytes:
        """14.4 The session description before an access unit."""
        known, data = self._said
        if known != len(self.source.parameter_sets):
            sets = tuple(self.source.parameter_sets.values())
            data = bytes(Session(self.source.header, self.clock, join_sample, sets if self.config.in_band else ()))
            self._said = len(sets), data
        return repeated(data, join_sample)

    def __iter__(self) -> Iterator[Sent]:
        """The packets of access unit after access unit, in order, each with its time.

        Raises:
            DfcError: the bitstream is damaged or not complete.
        """
        for count, unit in enumerate(self.source):
            first = unit.first_sample
            if first is None:
                yield self._end(unit, count)
                return
            timestamp = self.clock.timestamp(first)
            packets: list[bytes] = []
            if not count or (self.config.repeat and count % self.config.repeat == 0):
                packets += self._described(first, timestamp, 1 if count else self.config.copies)
            packets += self._units(unit.units, timestamp)
            yield Sent(self.clock.seconds(first), packets)

    def _end(self, unit: AccessUnit, count: int) -> Sent:
        last = max(self.source.sample_counts, default=0)
        timestamp = self.clock.timestamp(last)
        packets = [] if count else self._described(0, timestamp, self.config.copies)
        packets += self._units(unit.units, timestamp)
        for _ in range(self.config.copies - 1):
            packets += self._units(unit.units[-1:], timestamp)
        return Sent(self.clock.seconds(last), packets)

    def _described(self, join_sample: int, timestamp: int, copies: int) -> list[bytes]:
        data = self.session(join_sample)
        return [packet for _ in range(copies) for packet in self._carry(data, timestamp, session=True, marker=False)]

    def _units(self, units: list[bytes], timestamp: int) -> list[bytes]:
        """Units of one access unit: together where they are small, in fragments where they are not."""
        room, out, together, size = self._room, list[bytes](), list[bytes](), 0
        for data in units:
            if together and (not self.config.aggregate or size + SIZE_BYTES + len(data) > room):
                out += self._together(together, timestamp, marker=False)
                together, size = [], 0
            if len(data) > room:
                out += self._carry(data, timestamp, session=False, marker=data is units[-1])
            else:
                together.append(data)
                size += SIZE_BYTES + len(data)
        if together:
            out += self._together(together, timestamp, marker=True)
        return out

    def _together(self, units: list[bytes], timestamp: int, *, marker: bool) -> list[bytes]:
        if len(units) == 1:
            return self._carry(units[0], timestamp, session=False, marker=marker)
        body = b"".join([part for unit in units for part in (len(unit).to_bytes(SIZE_BYTES, "big"), unit)])
        return [self._packet(AGGREGATION, body, timestamp, self._second(marker=marker))]

    def _carry(self, data: bytes, timestamp: int, *, session: bool, marker: bool) -> list[bytes]:
        """14.3.2, 14.3.4 One unit or session description, whole or in fragments."""
        room, size = self._room, len(data)
        kinds, unmarked = SESSION if session else UNIT, self._second(marker=False)
        if size <= room:
            return [self._packet(kinds.whole, data, timestamp, self._second(marker=marker))]
        last = (size - 1) // room * room
        out = [self._packet(kinds.first, data[:room], timestamp, unmarked)]
        for start in range(room, last, room):
            out.append(self._packet(kinds.middle, data[start : start + room], timestamp, unmarked))
        out.append(self._packet(kinds.last, data[last:], timestamp, self._second(marker=marker)))
        return out

    def _second(self, *, marker: bool) -> int:
        """14.2 The second byte of an RTP header."""
        return self.config.payload_type | (MARKER if marker else 0)

    def _packet(self, kind: int, body: bytes, timestamp: int, second: int) -> bytes:
        config, sequence = self.config, self._sequence
        self._sequence = (sequence + 1) & 0xFFFF
        return HEAD.pack(VERSION_2, second, sequence, timestamp, config.ssrc, kind, config.bitstream_number) + body
