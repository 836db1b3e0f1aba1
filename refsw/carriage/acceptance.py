"""14.6.3 Which units a receiver uses: those of its bitstream that agree with the clock and come in order."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import NamedTuple

from refsw.carriage.fragments import Carried
from refsw.carriage.session import Session, check_sets, data_units, read_session, set_number, whole_unit
from refsw.errors import DfcError, ErrorClass, SemanticError, UnsupportedError
from refsw.features.parameters import Parameters
from refsw.features.reader import BitstreamReader, Content, Tensor
from refsw.features.reconstruct import UnitContent
from refsw.syntax.bits import leading_ues
from refsw.syntax.codes import UnitType
from refsw.syntax.structure import Trace
from refsw.syntax.units import Unit, UnitReader, crc32

MISSING, MISSING_PER_BYTE = 1 << 25, 1 << 10
"""14.6.4 Bytes of samples that may be missing, and more for every byte that has come."""
TOLD = 16
PART = ("parameter_set_id", "sample_index")
WHOLE = ("parameter_set_id", "first_sample", "sample_count_minus1")
"""6.6, 6.13 What feature parts and feature data begin with."""


ParameterSets = tuple[bytes, ...]
"""Whole units."""


@dataclass(frozen=True, slots=True)
class End:
    """6.9 What the end of bitstream unit tells: sample counts by name of tensor, None if tensors are not known."""

    sample_counts: dict[str, int] | None


class _Place(NamedTuple):
    """What the place of the next unit is compared with: counts, and samples and parts of the tensor of the last one."""

    last_first: int
    tensor: Tensor | None
    samples: int
    parts: set[int]
    start: int | None
    missing: int
    used: int
    chain: int


@dataclass
class Acceptance:
    """Takes units in order, and says what is in those that are used.

    Args:
        session: of the bitstream.
        parameter_sets: whole units that are known out of band (14.8).
        trace: receives every syntax element of the units.
        decoding: whether the contents of feature data are wanted; without, no more of it is read than says its place.

    Raises:
        DfcError: a parameter set of `parameter_sets` is not right.
    """

    session: Session
    parameter_sets: ParameterSets = ()
    trace: Trace | None = None
    decoding: bool = True
    bytes: int = 0
    used: int = 0
    damaged: int = 0
    unused: int = 0
    problems: list[DfcError] = field(default_factory=list)
    start: int | None = None
    end: End | None = None
    complete: bool = False

    def __post_init__(self) -> None:
        # Random access: what spans units is not checked, since any of them may be missing.
        units = UnitReader(io.BytesIO(self.session.header), trace=self.trace)
        self._reader = BitstreamReader(units, wanted=lambda kind, start: True)
        self.header = self._reader.header
        self._data = data_units(self.header.profile)
        self._chain = units.chain
        self._order: list[int] = []
        self._missing = 0
        self._before = self._place()
        self._known = check_sets(self.parameter_sets)
        self._take_sets(self.parameter_sets)

    @property
    def parameters(self) -> list[Parameters]:
        """The tensors, in the order of the bitstream as far as that is known."""
        tensors = self._reader.tensors
        order = [*self._order, *(number for number in tensors if number not in self._order)]
        return [tensors[number].parameters for number in order]

    def samples_of(self, p: Parameters) -> int:
        """One more than the greatest index of a sample of a tensor that has come; 0 without any."""
        return self._reader.tensors[p.id].samples

    def take(self, carried: Carried) -> list[Content | End]:
        """What is in a unit that is used; nothing for others, which are counted.

        Raises:
            UnsupportedError: the bitstream needs what this decoder does not have.
        """
        if self.end is not None:
            return []
        self.bytes += len(carried.data)
        if carried.session:
            return self._take_session(carried)
        try:
            unit = whole_unit(carried.data)
        except DfcError:
            self.damaged += 1
            return []
        try:
            contents = self._checked(unit, carried.timestamp)
        except UnsupportedError:
            raise
        except DfcError as error:
            self._restore()
            self.refuse(error)
            return []
        self.used += 1
        if self.end is None:
            self._chain = crc32(unit.crc.to_bytes(4, "big"), self._chain)
        return contents

    def _take_session(self, carried: Carried) -> list[Content | End]:
        session = read_session(carried.data, self.trace)
        try:
            check_sets(session.parameter_sets, self._known | {n: t.body for n, t in self._reader.tensors.items()})
        except DfcError:  # another bitstream's
            self.unused += 1
            return []
        return self._take_sets(session.parameter_sets)

    def _take_sets(self, sets: ParameterSets) -> list[Content | End]:
        """Parameter sets from elsewhere than the bitstream, in its order: those that are right are used."""
        contents: list[Content | End] = []
        units = [whole_unit(data) for data in sets]
        for unit in units:
            try:
                contents += self._interpret(unit)
            except UnsupportedError:
                raise
            except DfcError as error:
                self.refuse(error)
        numbers = [*map(set_number, units), *self._order]
        self._order = [n for n in dict.fromkeys(numbers) if n is not None and n in self._reader.tensors]
        return contents

    def _place(self, tensor: Tensor | None = None) -> _Place:
        samples, parts = (tensor.samples, tensor.parts) if tensor is not None else (0, set[int]())
        last = self._reader.last_first_sample
        return _Place(last, tensor, samples, parts, self.start, self._missing, self.used, self._chain)

    def _restore(self) -> None:
        before = self._before
        self._reader.last_first_sample, self.start, self._missing = before.last_first, before.start, before.missing
        self.used, self._chain = before.used, before.chain
        if before.tensor is not None:
            before.tensor.samples, before.tensor.parts = before.samples, before.parts

    def withdraw(self, content: UnitContent, error: DfcError) -> None:
        """The last unit does not decode: it is not used, and what comes after it is as if it had not come."""
        parts = self._reader.tensors[content.tensor.id].parts
        # Otherwise the unit began a sample, and a set of its own.
        if content.part is not None and parts is self._before.parts:
            parts.discard(content.part)
        self._restore()
        self.refuse(error)

    def refuse(self, error: DfcError) -> None:
        """A unit is not used for what is wrong with it; the first errors are kept, to be told."""
        self.unused += 1
        if len(self.problems) < TOLD:
            self.problems.append(error)

    def _interpret(self, unit: Unit) -> list[Content]:
        return list(self._reader.interpret(unit))

    def _checked(self, unit: Unit, timestamp: int) -> list[Content | End]:
        if unit.type in self._data:
            names = WHOLE if unit.type == UnitType.FEATURE_DATA else PART
            number, first, *further = leading_ues(unit.body, names)
            tensor = self._reader.tensors.get(number)
            self._before = self._place(tensor)
            self._check_data(unit, tensor, first, first + sum(further), timestamp)
            return [*self._interpret(unit)] if self.decoding else []
        self._before = self._place()
        if unit.type == UnitType.END_OF_BITSTREAM:
            return [self._check_end(unit, timestamp)]
        if not self.session.clock.has(timestamp, self._reader.last_first_sample):
            raise _refused("carriage.time-agrees", "timestamp", "that of an access unit", timestamp)
        return [*self._interpret(unit)]

    def _check_data(self, unit: Unit, tensor: Tensor | None, first: int, last: int, timestamp: int) -> None:
        self._check_time(first, timestamp)
        if tensor is not None:
            # Further parts of a sample are of one that has begun.
            begun = tensor.samples - (unit.type == UnitType.FEATURE_PART)
        if tensor is None or first < max(self._reader.last_first_sample, begun):
            raise _refused("carriage.samples", "first_sample", "the next samples of a tensor that is known", first)
        start = min(first, self.session.join_sample) if self.start is None else self.start
        gap = first - max(start, tensor.samples)
        self._spend(gap * _sample_bytes(tensor.parameters) if gap > 0 else 0, first)
        self.start = start
        if not self.decoding:
            tensor.samples, self._reader.last_first_sample = last + 1, first

    def _check_time(self, first_sample: int, timestamp: int) -> None:
        if timestamp != self.session.clock.timestamp(first_sample):
            raise _refused("carriage.time-agrees", "first_sample", "the sample of the packet's timestamp", first_sample)

    def _spend(self, missing: int, first_sample: int) -> None:
        """14.6.4 Samples that did not come are put out as well, in proportion to what did."""
        if self._missing + missing > MISSING + MISSING_PER_BYTE * self.bytes:
            raise _refused("carriage.bounds", "first_sample", "a sample after fewer that are missing", first_sample)
        self._missing += missing

    def lack(self, size: int) -> None:
        """Bytes of a sample of which something came are missing."""
        self._missing += size

    def _check_end(self, unit: Unit, timestamp: int) -> End:
        values = self._reader.end_values(unit)
        counts: list[int] = values["sample_count"]
        self._check_time(max(counts, default=0), timestamp)
        known = self.parameters
        told: dict[str, int] | None = None
        if len(known) == len(counts):
            told = {p.name: count for p, count in zip(known, counts, strict=True)}
            for p in known:
                if told[p.name] < self.samples_of(p):
                    raise _refused("carriage.samples", "sample_count", "as many samples as came", told[p.name])
            start = self.session.join_sample if self.start is None else self.start
            missing = sum(max(0, told[p.name] - max(start, self.samples_of(p))) * _sample_bytes(p) for p in known)
            self._spend(missing, max(counts, default=0))
        self.end = End(told)
        self.complete = values["bitstream_crc"] == self._chain
        return self.end


def _sample_bytes(p: Parameters) -> int:
    return p.axes.elements * p.dtype.itemsize


def _refused(requirement: str, element: str, expected: str, got: int) -> DfcError:
    return SemanticError(ErrorClass.OUT_OF_RANGE, requirement, element, None, expected=expected, got=str(got))
