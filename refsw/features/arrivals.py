"""9.10.4 The units of a bitstream of which some are missing or damaged: each is used, or refused as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from refsw.errors import DfcError
from refsw.features.parameters import Parameters
from refsw.features.reader import BitstreamReader, Content, FeatureContent, Tensor
from refsw.payload.registry import codec
from refsw.syntax.codes import UnitType
from refsw.syntax.declaration import Values
from refsw.syntax.structure import Trace, read_structure
from refsw.syntax.structures import FEATURE_PART
from refsw.syntax.units import Unit, UnitReader, body_reader
from refsw.syntax.walker import State


@dataclass(frozen=True, slots=True)
class Refused:
    """A unit that is not used.

    Args:
        error: the requirement that it breaks.
        part: parameter set, sample and part that it seems to be of, if it is a feature part.
    """

    error: DfcError
    part: tuple[int, int, int] | None = None


class ArrivalReader(BitstreamReader):
    """Reads what has come of a bitstream; what is wrong with a unit, but for its place among others, refuses it.

    Of what spans units, it checks what depends on parameter sets alone. Which samples and parts came before is known
    only to who decodes them (`Reception`): a unit whose payload does not decode did not come.

    Args:
        stream: binary file or pipe at the first byte, or the units of a bitstream whose header has been read.
        trace: receives every syntax element.

    Raises:
        DfcError: the header is not right.
    """

    def __init__(self, stream: BinaryIO | UnitReader, *, trace: Trace | None = None) -> None:
        super().__init__(stream, trace=trace)
        self._lost = True  # any unit may be missing
        self._wrong_crc: DfcError | None = None

    def arrivals(self) -> Iterator[Content | Refused]:
        """What units hold, in order, as far as they can be found, and those that are refused."""
        while self.counts is None:
            self.state, self._wrong_crc = State.BODY, None  # the units before any may be missing
            try:
                unit = self.units.read_unit()
            except DfcError as error:  # where the next one begins is not known
                yield Refused(error)
                return
            if unit is None:
                return
            try:
                contents = self._whole(unit)
            except DfcError as error:
                yield Refused(error, self._claimed(unit))
            else:
                yield from contents
        try:
            self._finish()
        except DfcError as error:
            yield Refused(error)

    def _whole(self, unit: Unit) -> list[Content]:
        if self._wrong_crc is not None:
            raise self._wrong_crc
        return list(self.interpret(unit))

    def _on_framing(self, error: DfcError) -> None:
        self._wrong_crc = error

    def content(self, kind: UnitType, unit: Unit, values: Values) -> Iterator[FeatureContent]:
        """As for every bitstream; a parameter set whose codec_configuration is wrong is refused with it."""
        for content in super().content(kind, unit, values):
            if isinstance(content, Parameters):
                self._check_configuration(content)
            yield content

    def _check_configuration(self, p: Parameters) -> None:
        picture_format = p.picture_format(self.header.profile)
        for error in codec(p.payload_codec).check(p.configuration, memoryview(b""), 0, picture_format):
            del self.tensors[p.id]
            self.names.remove(p.name)
            raise error

    def _check_once(self, tensor: Tensor, index: int, offset: int) -> None:
        """See `Reception.admit`."""

    def _claimed(self, unit: Unit) -> tuple[int, int, int] | None:
        """The part that a refused unit seems to be, whatever its bytes are worth."""
        if unit.known(self.header.edition.version) is UnitType.FEATURE_PART:
            with suppress(DfcError):
                values = read_structure(
                    FEATURE_PART, body_reader(unit), activate=self.activate, report=lambda _: None,
                    edition=self.header.edition,
                )  # fmt: skip
                return values["parameter_set_id"], values["sample_index"], values["part_index"]
        return None
