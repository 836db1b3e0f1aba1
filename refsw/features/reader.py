"""9.1 The order of units, and 9.3 the checks of every unit, shared by the decoder and the validator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import BinaryIO

from refsw.errors import DfcError, ErrorClass, ParseError, SemanticError, UnsupportedError
from refsw.features.parameters import Parameters, check_limits, check_values, from_values, over, range_order
from refsw.features.reconstruct import UnitContent
from refsw.profiles import LEVELS
from refsw.syntax.bits import BitReader
from refsw.syntax.codes import DigestKind, UnitType
from refsw.syntax.declaration import Values
from refsw.syntax.structure import Report, Trace, TraceRow, _raise, read_structure
from refsw.syntax.structures import BY_UNIT_TYPE, VERSION_MINOR
from refsw.syntax.units import SKIPPABLE, Unit, UnitReader, body_reader, of_version


class State(Enum):
    """9.1 Where in a bitstream the reader is."""

    START = "before the first parameter set"
    BODY = "after a parameter set"
    END = "after the end of bitstream"


TRANSITIONS: dict[tuple[State, UnitType], State] = {
    (State.START, UnitType.METADATA): State.START,
    (State.START, UnitType.FEATURE_PARAMETER_SET): State.BODY,
    (State.BODY, UnitType.FEATURE_PARAMETER_SET): State.BODY,
    (State.BODY, UnitType.FEATURE_DATA): State.BODY,
    (State.BODY, UnitType.DIGEST): State.BODY,
    (State.BODY, UnitType.METADATA): State.BODY,
    (State.BODY, UnitType.END_OF_BITSTREAM): State.END,
}
"""9.1 What is absent is an error."""


@dataclass
class Tensor:
    """One feature tensor of the bitstream, as far as it has been read."""

    parameters: Parameters
    values: Values
    body: bytes
    samples: int = 0
    digested: dict[DigestKind, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DigestContent:
    """9.5 What a digest unit holds."""

    parameters: Parameters
    kind: DigestKind
    first_sample: int
    samples: int
    digest: bytes
    bit_offset: int


@dataclass(frozen=True, slots=True)
class MetadataContent:
    """6.8 What a metadata unit holds."""

    entries: dict[str, str]


Content = UnitContent | DigestContent | MetadataContent | Parameters


class BitstreamReader:
    """Reads a bitstream unit by unit and checks everything but the payloads.

    Args:
        stream: binary file or pipe at the first byte.
        trace: receives every syntax element.
        report: receives every violation; raises by default. If it returns, reading goes on where it can.
        wanted: for random access: units for whose type and first body bytes it is False are passed over,
            and what spans units is not checked.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        trace: Trace | None = None,
        report: Report = _raise,
        wanted: Callable[[int, bytes], bool] | None = None,
    ) -> None:
        self.trace = trace
        self.wanted = wanted
        self.report = report
        self.units = UnitReader(stream, trace=trace, report=self._on_framing)
        self.header = self.units.header
        self.limits = LEVELS[self.header.level]
        self.units.max_unit_bytes = self.limits.unit_bytes
        self.tensors: dict[int, Tensor] = {}
        self.state = State.START
        self.last_first_sample = 0
        self._damaged = False
        self._lost = wanted is not None

    def _on_framing(self, error: DfcError) -> None:
        self.report(error)
        self._damaged = True

    def __iter__(self) -> Iterator[Content]:
        """The content of every unit of a known type, in order, up to and including the end of bitstream."""
        while True:
            self._damaged = False
            unit = self.units.read_unit(self.wanted)
            if unit is None:
                break
            if self._damaged:
                self._lost = True  # its content is unknown: what depends on it cannot be checked any more
                continue
            try:
                yield from self.interpret(unit)
            except DfcError as error:
                # With a reporter that does not raise, a unit that cannot be read is passed over; that its
                # parameter set is missing is then no news if that one could not be read either.
                if not (self._lost and error.requirement == "order.parameter-set-first"):
                    self.report(error)
                self._lost = True
            if self.state is State.END:
                break
        self._finish()

    def _finish(self) -> None:
        if self.state is not State.END:
            self.report(
                ParseError(
                    ErrorClass.TRUNCATED,
                    "bitstream.end",
                    "end_of_bitstream",
                    8 * self.units.source.offset,
                    expected="an end of bitstream unit",
                    got="the end of the input",
                )
            )
        elif self.units.source.read(1):
            self.report(
                ParseError(
                    ErrorClass.TRAILING_DATA,
                    "bitstream.nothing-after-end",
                    "bitstream",
                    8 * (self.units.source.offset - 1),
                    expected="the end of the input",
                    got="more bytes",
                )
            )

    def interpret(self, unit: Unit) -> Iterator[Content]:
        """The content of one unit; nothing for a unit that is skipped or that only updates the state."""
        kind = unit.known
        if kind is None or kind not in BY_UNIT_TYPE:
            self._unknown(unit)
            return
        if unit.skippable != (kind in SKIPPABLE):
            expected = str(int(kind in SKIPPABLE))
            self.report(_error(ParseError, ErrorClass.RESERVED_VALUE, "unit.skippable-known", "skippable_flag",
                               8 * unit.offset + 7, expected, str(int(unit.skippable))))  # fmt: skip
        if (self.state, kind) not in TRANSITIONS:
            raise _error(SemanticError, ErrorClass.LAYOUT_MISMATCH, "order.units", "unit_type", 8 * unit.offset,
                         f"a unit that may stand {self.state.value}", kind.name)  # fmt: skip
        self.state = TRANSITIONS[self.state, kind]
        reader = body_reader(unit)
        found: list[DfcError] = []

        def note(error: DfcError) -> None:
            found.append(error)
            self.report(of_version(error, self.header.version_minor, BY_UNIT_TYPE[kind]))

        values = read_structure(BY_UNIT_TYPE[kind], reader, activate=self._activate, trace=self.trace, report=note)
        if found:
            self._lost = True  # with values that are not allowed, nothing more can be said about this unit
            return
        self._check_rest(reader)
        if kind is UnitType.FEATURE_PARAMETER_SET:
            yield from self._parameter_set(unit, values)
        elif kind is UnitType.FEATURE_DATA:
            yield self._feature_data(unit, values)
        elif kind is UnitType.DIGEST:
            yield self._digest(unit, values)
        elif kind is UnitType.METADATA:
            yield self._metadata(unit, values)
        else:
            self._end(unit, values)

    def _unknown(self, unit: Unit) -> None:
        if self.trace is not None and unit.body:
            bits = 8 * len(unit.body)
            self.trace(TraceRow(8 * unit.body_offset, bits, "5.4", "unit", "unit_body", "b(n)", unit.body))
        if not unit.skippable:
            raise _error(UnsupportedError, ErrorClass.RESERVED_VALUE, "unit.unknown", "unit_type", 8 * unit.offset,
                         "a unit type that this decoder knows, or a skippable one", str(unit.type))  # fmt: skip

    def _check_rest(self, reader: BitReader) -> None:
        # A later minor version may append elements; this version has none to append.
        if reader.remaining and self.header.version_minor <= VERSION_MINOR:
            self.report(_error(ParseError, ErrorClass.TRAILING_DATA, "unit.no-rest", "unit_body", reader.offset,
                               "the end of the unit body", f"{reader.remaining // 8} more bytes"))  # fmt: skip

    def _activate(self, parameter_set_id: int, offset: int | None) -> Values:
        if parameter_set_id not in self.tensors:
            raise _error(SemanticError, ErrorClass.OUT_OF_RANGE, "order.parameter-set-first", "parameter_set_id",
                         offset, "the id of a parameter set that came before", str(parameter_set_id))  # fmt: skip
        return self.tensors[parameter_set_id].values

    def _parameter_set(self, unit: Unit, values: Values) -> Iterator[Content]:
        offset = 8 * unit.body_offset
        number = values["parameter_set_id"]
        if number in self.tensors:
            if bytes(unit.body) != self.tensors[number].body:
                raise _error(SemanticError, ErrorClass.LAYOUT_MISMATCH, "order.parameter-set-repeated",
                             "parameter_set_id", offset, "the same parameter set again", "another one")  # fmt: skip
            return
        errors = list(check_values(values, offset))
        for error in errors:
            self.report(error)
        if errors:
            self._lost = True
            return
        parameters = from_values(values)
        for error in check_limits(parameters, self.header.profile, self.header.level, offset):
            self.report(error)
        for error in over(self.limits, "parameter_sets", len(self.tensors) + 1, "parameter_set_id", offset):
            self.report(error)
        self.tensors[number] = Tensor(parameters, values, bytes(unit.body))
        yield parameters

    def _feature_data(self, unit: Unit, values: Values) -> UnitContent:
        offset = 8 * unit.body_offset
        tensor = self.tensors[values["parameter_set_id"]]
        p = tensor.parameters
        first, count = values["first_sample"], values["sample_count_minus1"] + 1
        if first != tensor.samples and not self._lost:
            self.report(_error(SemanticError, ErrorClass.OUT_OF_RANGE, "order.samples", "first_sample", offset,
                               str(tensor.samples), str(first)))  # fmt: skip
        if first < self.last_first_sample and not self._lost:
            self.report(_error(SemanticError, ErrorClass.OUT_OF_RANGE, "order.access-units", "first_sample", offset,
                               f"at least {self.last_first_sample}", str(first)))  # fmt: skip
        if not p.axes.has_samples and first + count > 1:
            self.report(_error(SemanticError, ErrorClass.OUT_OF_RANGE, "fps.single-sample", "sample_count_minus1",
                               offset, "one sample, since no axis counts samples", str(first + count)))  # fmt: skip
        # Before anything of that size is made: the level's bounds on what one unit can hold.
        too_much = [*over(self.limits, "unit_elements", count * p.axes.elements, "sample_count_minus1", offset)]
        too_much += over(
            self.limits, "unit_pictures", count * p.packing.pictures(p.axes.channels), "sample_count_minus1", offset
        )
        for error in too_much:
            raise error
        ranges = p.sample_ranges(values)
        for sample_range in ranges:
            if sample_range is not None and sample_range[0] > sample_range[1]:
                raise range_order("sample_minimum", *sample_range, offset)
        tensor.samples, self.last_first_sample = first + count, first
        payload = bytes(values["payload"])
        payload_offset = offset + 8 * (len(unit.body) - len(payload))
        return UnitContent(p, first, ranges, payload, payload_offset)

    def _digest(self, unit: Unit, values: Values) -> DigestContent:
        offset = 8 * unit.body_offset
        self._activate(values["parameter_set_id"], offset)
        tensor = self.tensors[values["parameter_set_id"]]
        kind = DigestKind(values["digest_kind"])
        if kind not in tensor.parameters.digests:
            raise _error(SemanticError, ErrorClass.LAYOUT_MISMATCH, "digest.announced", "digest_kind", offset,
                         "a kind that the parameter set announces", kind.name)  # fmt: skip
        first, count = values["first_sample"], values["sample_count_minus1"] + 1
        start = tensor.digested.get(kind, 0)
        if (first, first + count) != (start, tensor.samples) and not self._lost:
            self.report(_error(SemanticError, ErrorClass.OUT_OF_RANGE, "digest.coverage", "first_sample", offset,
                               f"samples {start} to {tensor.samples - 1}, those since the last digest",
                               f"{first} to {first + count - 1}"))  # fmt: skip
        tensor.digested[kind] = first + count
        return DigestContent(tensor.parameters, kind, first, count, values["digest"], offset)

    def _metadata(self, unit: Unit, values: Values) -> MetadataContent:
        try:
            pairs = zip(values["key"], values["text"], strict=True)
            return MetadataContent({key.decode(): text.decode() for key, text in pairs})
        except UnicodeDecodeError as error:
            raise _error(ParseError, ErrorClass.OUT_OF_RANGE, "metadata.utf8", "text", 8 * unit.body_offset,
                         "UTF-8", error.reason) from error  # fmt: skip

    def _end(self, unit: Unit, values: Values) -> None:
        offset = 8 * unit.body_offset
        counts = [tensor.samples for tensor in self.tensors.values()]
        if values["sample_count"] != counts and not self._lost:
            self.report(_error(SemanticError, ErrorClass.LENGTH_MISMATCH, "end.sample-counts", "sample_count", offset,
                               str(counts), str(values["sample_count"])))  # fmt: skip
        if values["bitstream_crc"] != self.units.previous_chain and not self._lost:
            self.report(_error(SemanticError, ErrorClass.CRC_MISMATCH, "end.bitstream-crc", "bitstream_crc",
                               offset + 8 * (len(unit.body) - 4), f"0x{self.units.previous_chain:08x} as computed",
                               f"0x{values['bitstream_crc']:08x}"))  # fmt: skip
        for tensor in self.tensors.values():
            p = tensor.parameters
            if not p.axes.has_samples and tensor.samples != 1 and not self._lost:
                self.report(_error(SemanticError, ErrorClass.LENGTH_MISMATCH, "fps.single-sample", "sample_count",
                                   offset, "one sample: no axis counts samples", str(tensor.samples)))  # fmt: skip
            for kind in p.digests:
                if tensor.digested.get(kind, 0) != tensor.samples and not self._lost:
                    self.report(_error(SemanticError, ErrorClass.LENGTH_MISMATCH, "digest.complete", "digest", offset,
                                       f"digests of kind {kind.name} up to sample {tensor.samples - 1}",
                                       f"up to {tensor.digested.get(kind, 0) - 1}"))  # fmt: skip


def _error(
    kind: type[DfcError],
    error_class: ErrorClass,
    requirement: str,
    element: str,
    offset: int | None,
    expected: str,
    got: str,
) -> DfcError:
    return kind(error_class, requirement, element, offset, expected=expected, got=got)
