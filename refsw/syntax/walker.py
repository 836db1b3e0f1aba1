"""5.1 A bitstream from its header to its end: what every bitstream has, whatever its units hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Generic, TypeVar

from refsw.errors import DfcError, ErrorClass, ParseError, SemanticError, UnsupportedError
from refsw.syntax.bits import BitReader
from refsw.syntax.codes import UnitType
from refsw.syntax.declaration import Values
from refsw.syntax.structure import Activation, Report, Trace, TraceRow, Watch, raise_error, read_structure
from refsw.syntax.structures import BY_UNIT_TYPE
from refsw.syntax.units import SKIPPABLE, Unit, UnitReader, body_reader, of_version

_Content = TypeVar("_Content")


class State(Enum):
    """9.1, 10.8 Where in a bitstream the reader is."""

    START = "before the first parameter set or model header"
    BODY = "after a parameter set or model header"
    END = "after the end of bitstream"


@dataclass(frozen=True, slots=True)
class MetadataContent:
    """6.8 What a metadata unit holds."""

    entries: dict[str, str]


class BitstreamWalker(Generic[_Content]):
    """Reads a bitstream unit by unit and checks what all bitstreams have in common.

    Args:
        units: the units of the bitstream, whose header has been read.
        report: receives every violation; raises by default. If it returns, reading goes on where it can.
        wanted: for random access: units for whose type and first body bytes it is False are passed over,
            and what spans units is not checked.
    """

    transitions: ClassVar[Mapping[tuple[State, UnitType], State]]
    """The order of units; what is absent is an error."""
    consequence: ClassVar[str]
    """The requirement that breaks of itself once a unit is lost."""
    activate: Activation | None = None
    watch: Watch | None = None

    def __init__(
        self,
        units: UnitReader,
        *,
        report: Report = raise_error,
        wanted: Callable[[int, bytes], bool] | None = None,
    ) -> None:
        self.units = units
        self.trace: Trace | None = units.trace
        self.wanted = wanted
        self._tell = report
        self.violated = False
        self.header = units.header
        units.report = self._on_framing
        self.state = State.START
        self._damaged = False
        self._lost = wanted is not None

    def report(self, error: DfcError) -> None:
        """Tell a violation; `violated` is true from then on."""
        self.violated = True
        self._tell(error)

    def _on_framing(self, error: DfcError) -> None:
        self.report(error)
        self._damaged = True

    def __iter__(self) -> Iterator[_Content | MetadataContent]:
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
                # parameter set or header is missing is then no news if that one could not be read either.
                if not (self._lost and error.requirement == self.consequence):
                    self.report(error)
                self._lost = True
            if self.state is State.END:
                break
        self._finish()

    def with_units(self) -> Iterator[tuple[Unit, list[_Content | MetadataContent]]]:
        """Every unit, unknown ones included, with what it holds; for a reporter that raises."""
        while self.state is not State.END and (unit := self.units.read_unit()) is not None:
            yield unit, list(self.interpret(unit))
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

    def interpret(self, unit: Unit) -> Iterator[_Content | MetadataContent]:
        """The content of one unit; nothing for a unit that is skipped or that only updates the state."""
        kind = unit.known(self.header.edition.version)
        if kind is None:
            self._unknown(unit)
            return
        self._check_skippable(kind, unit)
        if (self.state, kind) not in self.transitions:
            raise self._out_of_order(unit, kind)
        self.state = self.transitions[self.state, kind]
        values = self._elements(kind, unit)
        if values is None:
            return
        if kind is UnitType.METADATA:
            yield self._metadata(unit, values)
        elif kind is UnitType.END_OF_BITSTREAM:
            self._end(unit, values)
        else:
            yield from self.content(kind, unit, values)

    def end_values(self, unit: Unit) -> Values:
        """The elements of an end of bitstream unit, wherever it stands; for a reporter that raises."""
        self._check_skippable(UnitType.END_OF_BITSTREAM, unit)
        values = self._elements(UnitType.END_OF_BITSTREAM, unit)
        assert values is not None
        return values

    def _check_skippable(self, kind: UnitType, unit: Unit) -> None:
        if unit.skippable != (kind in SKIPPABLE):
            expected = str(int(kind in SKIPPABLE))
            self.report(error_of(ParseError, ErrorClass.RESERVED_VALUE, "unit.skippable-known", "skippable_flag",
                                 8 * unit.offset + 7, expected, str(int(unit.skippable))))  # fmt: skip

    def _elements(self, kind: UnitType, unit: Unit) -> Values | None:
        """The elements of a unit; None if some have values that are not allowed, which is reported."""
        reader = body_reader(unit)
        found: list[DfcError] = []

        def note(error: DfcError) -> None:
            found.append(error)
            self.report(of_version(error, self.header.is_later))

        values = read_structure(
            BY_UNIT_TYPE[kind], reader, activate=self.activate, trace=self.trace, report=note, watch=self.watch,
            edition=self.header.edition,
        )  # fmt: skip
        if found:
            self._lost = True  # with values that are not allowed, nothing more can be said about this unit
            return None
        self._check_rest(reader)
        return values

    def content(self, kind: UnitType, unit: Unit, values: Values) -> Iterator[_Content]:
        """The content of a unit from the values of its elements, after the checks that span units."""
        raise NotImplementedError

    def ended(self, values: Values) -> None:
        """The end of bitstream unit came; nothing to do for those who need nothing of it."""

    def check_end(self, values: Values, offset: int) -> Iterator[DfcError]:
        """What is wrong at the end of the bitstream, besides its CRC."""
        raise NotImplementedError

    def _out_of_order(self, unit: Unit, kind: UnitType) -> DfcError:
        return error_of(SemanticError, ErrorClass.LAYOUT_MISMATCH, self.order(kind), "unit_type", 8 * unit.offset,
                        f"a unit that may stand {self.state.value}", kind.name)  # fmt: skip

    def order(self, kind: UnitType) -> str:
        """The requirement that a unit out of order breaks."""
        raise NotImplementedError

    def _unknown(self, unit: Unit) -> None:
        if self.trace is not None and unit.body:
            bits = 8 * len(unit.body)
            self.trace(TraceRow(8 * unit.body_offset, bits, "5.4", "unit", "unit_body", "b(n)", unit.body))
        if not unit.skippable:
            raise error_of(UnsupportedError, ErrorClass.RESERVED_VALUE, "unit.unknown", "unit_type", 8 * unit.offset,
                         "a unit type that this decoder knows, or a skippable one", str(unit.type))  # fmt: skip

    def _check_rest(self, reader: BitReader) -> None:
        # A later minor version than that of the profile may append elements.
        if reader.remaining and not self.header.is_later:
            self.report(error_of(ParseError, ErrorClass.TRAILING_DATA, "unit.no-rest", "unit_body", reader.offset,
                               "the end of the unit body", f"{reader.remaining // 8} more bytes"))  # fmt: skip

    def _metadata(self, unit: Unit, values: Values) -> MetadataContent:
        try:
            pairs = zip(values["key"], values["text"], strict=True)
            return MetadataContent({key.decode(): text.decode() for key, text in pairs})
        except UnicodeDecodeError as error:
            raise error_of(ParseError, ErrorClass.OUT_OF_RANGE, "metadata.utf8", "text", 8 * unit.body_offset,
                         "UTF-8", error.reason) from error  # fmt: skip

    def _end(self, unit: Unit, values: Values) -> None:
        offset = 8 * unit.body_offset
        wrong_crc = values["bitstream_crc"] != self.units.previous_chain
        self.ended(values)
        if self._lost:
            return
        for error in self.check_end(values, offset):
            self.report(error)
        if wrong_crc:
            self.report(error_of(SemanticError, ErrorClass.CRC_MISMATCH, "end.bitstream-crc", "bitstream_crc",
                                 offset + 8 * (len(unit.body) - 4), f"0x{self.units.previous_chain:08x} as computed",
                                 f"0x{values['bitstream_crc']:08x}"))  # fmt: skip


def error_of(
    kind: type[DfcError],
    error_class: ErrorClass,
    requirement: str,
    element: str,
    offset: int | None,
    expected: str,
    got: str,
) -> DfcError:
    """An error of a kind, all its fields in order."""
    return kind(error_class, requirement, element, offset, expected=expected, got=got)
