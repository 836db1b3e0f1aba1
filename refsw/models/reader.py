"""10.8 The order of units in a bitstream of model updates, and what can be checked without the base."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, ClassVar

from refsw.errors import DfcError, ErrorClass, LimitError, SemanticError, UnsupportedError
from refsw.models.directory import Directory, from_values
from refsw.models.payload import DataContent
from refsw.profiles import LEVELS, MODEL_PROFILES
from refsw.syntax.codes import Profile, UnitType
from refsw.syntax.declaration import Values
from refsw.syntax.structure import Report, Trace, raise_error
from refsw.syntax.units import Unit, UnitReader
from refsw.syntax.walker import BitstreamWalker, State, error_of

ModelContent = Directory | DataContent


class ModelReader(BitstreamWalker[ModelContent]):
    """Reads a bitstream of model updates unit by unit and checks everything that needs no base.

    Args:
        stream: binary file or pipe at the first byte, or the units of a bitstream whose header has been read.
        trace: receives every syntax element.
        report: receives every violation; raises by default. If it returns, reading goes on where it can.

    Raises:
        UnsupportedError: the bitstream holds features.
    """

    transitions: ClassVar = {
        (State.START, UnitType.METADATA): State.START,
        (State.START, UnitType.MODEL_HEADER): State.BODY,
        (State.BODY, UnitType.MODEL_HEADER): State.BODY,
        (State.BODY, UnitType.MODEL_DATA): State.BODY,
        (State.BODY, UnitType.METADATA): State.BODY,
        (State.BODY, UnitType.END_OF_BITSTREAM): State.END,
    }
    consequence = "model.order"

    def __init__(
        self, stream: BinaryIO | UnitReader, *, trace: Trace | None = None, report: Report = raise_error
    ) -> None:
        units = stream if isinstance(stream, UnitReader) else UnitReader(stream, trace=trace, report=report)
        if units.header.profile not in MODEL_PROFILES:
            raise error_of(UnsupportedError, ErrorClass.RESERVED_VALUE, "profile.implemented", "profile_idc", 48,
                           "model updates; features are decoded with 'refsw decode'",
                           units.header.profile.name)  # fmt: skip
        super().__init__(units, report=report)
        self.limits = LEVELS[self.header.level]
        self.units.max_unit_bytes = self.limits.unit_bytes
        self.update: Directory | None = None
        self.coded = self.taken = self._tensors = 0

    def order(self, kind: UnitType) -> str:
        """10.8 and 11.2."""
        features = (UnitType.FEATURE_PARAMETER_SET, UnitType.FEATURE_DATA, UnitType.FEATURE_PART, UnitType.DIGEST)
        return "profile.model" if kind in features else "model.order"

    def content(self, kind: UnitType, unit: Unit, values: Values) -> Iterator[ModelContent]:
        """10.8 A directory, or the values of some of its tensors."""
        if kind is UnitType.MODEL_HEADER:
            yield self._header(unit, values)
        else:
            yield self._data(unit, values)

    def watch(self, element: str, value: Any, offset: int) -> None:
        """10.3.3, 11.3 Numbers of tensors, before any of them is read."""
        if element == "base_tensor_count":
            self._tensors = value
        elif element == "new_tensor_count":
            self._tensors += value
        if self._tensors > self.limits.model_tensors:
            count, self._tensors = self._tensors, 0
            raise error_of(LimitError, ErrorClass.RESOURCE_LIMIT, "level.model-tensors", element, offset,
                           f"at most {self.limits.model_tensors} tensors at this level", str(count))  # fmt: skip
        if element == "network_id_length":
            self._tensors = 0
        if element == "coded_tensor_count_minus1" and value >= self.limits.model_tensors:
            raise self._too_many(self.coded - self.taken, value + 1, offset)

    def _too_many(self, left: int, count: int, offset: int) -> DfcError:
        element = "coded_tensor_count_minus1"
        return error_of(SemanticError, ErrorClass.OUT_OF_RANGE, "model.coded-order", element, offset,
                        f"at most {left} coded tensors more", str(count))  # fmt: skip

    def _header(self, unit: Unit, values: Values) -> Directory:
        offset = 8 * unit.body_offset
        if not self._lost:
            for error in self._incomplete(offset):
                raise error
        update = from_values(values, offset, extended=self.header.profile is Profile.MODEL_EXTENDED)
        if self.update is not None and update.base_digest != self.update.result_digest and not self._lost:
            raise error_of(SemanticError, ErrorClass.LAYOUT_MISMATCH, "model.chain", "base_digest", offset,
                           f"the result of the update before ({self.update.result_digest.hex()[:16]}...)",
                           f"{update.base_digest.hex()[:16]}..." if update.base_digest else "no base")  # fmt: skip
        self.update, self.coded, self.taken = update, len(update.coded), 0
        return update

    def _data(self, unit: Unit, values: Values) -> DataContent:
        offset = 8 * unit.body_offset
        payload = 8 * (unit.body_offset + len(unit.body) - len(values["model_payload"]))
        content = DataContent(values, offset, payload)
        if content.first != self.taken and not self._lost:
            raise error_of(SemanticError, ErrorClass.OUT_OF_RANGE, "model.coded-order", "first_coded_tensor", offset,
                           str(self.taken), str(content.first))  # fmt: skip
        if content.first + content.count > self.coded and not self._lost:
            raise self._too_many(self.coded - content.first, content.count, offset)
        self.taken = content.first + content.count
        return content

    def _incomplete(self, offset: int) -> Iterator[DfcError]:
        if self.taken != self.coded:
            yield error_of(SemanticError, ErrorClass.LENGTH_MISMATCH, "model.complete", "model_data", offset,
                           f"values of all {self.coded} coded tensors before", str(self.taken))  # fmt: skip

    def check_end(self, values: Values, offset: int) -> Iterator[DfcError]:
        """10.8 The last update is complete; there are no feature tensors."""
        yield from self._incomplete(offset)
        if values["tensor_count"] != 0:
            yield error_of(SemanticError, ErrorClass.LENGTH_MISMATCH, "end.sample-counts", "tensor_count", offset,
                           "0, since there are no feature parameter sets", str(values["tensor_count"]))  # fmt: skip
