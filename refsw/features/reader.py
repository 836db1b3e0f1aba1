"""9.1 The order of units, and 9.3 the checks of every unit, shared by the decoder and the validator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from refsw.errors import DfcError, ErrorClass, LimitError, SemanticError, UnsupportedError
from refsw.features.assembly import incomplete
from refsw.features.layers import check_base, without_base
from refsw.features.limits import check_limits, over
from refsw.features.parameters import Parameters, check_values, from_values, range_order
from refsw.features.reconstruct import UnitContent
from refsw.profiles import LEVELS, MODEL_PROFILES
from refsw.syntax.codes import DigestKind, RangeScope, UnitType
from refsw.syntax.declaration import Values
from refsw.syntax.structure import Report, Trace, raise_error
from refsw.syntax.units import Unit, UnitReader
from refsw.syntax.walker import BitstreamWalker, MetadataContent, State
from refsw.syntax.walker import error_of as _error

TRANSITIONS: dict[tuple[State, UnitType], State] = {
    (State.START, UnitType.METADATA): State.START,
    (State.START, UnitType.FEATURE_PARAMETER_SET): State.BODY,
    (State.BODY, UnitType.FEATURE_PARAMETER_SET): State.BODY,
    (State.BODY, UnitType.FEATURE_DATA): State.BODY,
    (State.BODY, UnitType.FEATURE_PART): State.BODY,
    (State.BODY, UnitType.DIGEST): State.BODY,
    (State.BODY, UnitType.METADATA): State.BODY,
    (State.BODY, UnitType.END_OF_BITSTREAM): State.END,
}
"""9.1 What is absent is an error."""


@dataclass
class Tensor:
    """One feature tensor of the bitstream, as far as it has been read.

    `samples` are those that have begun; `parts` are those of the last of them that came; `last` are the first sample
    and the number of samples of the last feature data unit.
    """

    parameters: Parameters
    values: Values
    body: bytes
    samples: int = 0
    parts: set[int] = field(default_factory=set)
    last: tuple[int, int] | None = None
    digested: dict[DigestKind, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Parts of the last sample that have not come."""
        return len(self.parameters.part_numbers) - len(self.parts) if self.samples else 0


@dataclass(frozen=True, slots=True)
class DigestContent:
    """9.5 What a digest unit holds."""

    parameters: Parameters
    kind: DigestKind
    first_sample: int
    samples: int
    digest: bytes
    bit_offset: int


FeatureContent = UnitContent | DigestContent | Parameters
Content = FeatureContent | MetadataContent


class BitstreamReader(BitstreamWalker[FeatureContent]):
    """Reads a bitstream of features unit by unit and checks everything but the payloads.

    Args:
        stream: binary file or pipe at the first byte, or the units of a bitstream whose header has been read.
        trace: receives every syntax element.
        report: receives every violation; raises by default. If it returns, reading goes on where it can.
        wanted: for random access: units for whose type and first body bytes it is False are passed over,
            and what spans units is not checked.

    Raises:
        UnsupportedError: the bitstream holds model updates.
    """

    transitions = TRANSITIONS
    consequence = "order.parameter-set-first"

    def __init__(
        self,
        stream: BinaryIO | UnitReader,
        *,
        trace: Trace | None = None,
        report: Report = raise_error,
        wanted: Callable[[int, bytes], bool] | None = None,
    ) -> None:
        units = stream if isinstance(stream, UnitReader) else UnitReader(stream, trace=trace, report=report)
        if units.header.profile in MODEL_PROFILES:
            raise _error(UnsupportedError, ErrorClass.RESERVED_VALUE, "profile.implemented", "profile_idc", 48,
                         "features; model updates are applied with 'refsw model apply'",
                         units.header.profile.name)  # fmt: skip
        super().__init__(units, report=report, wanted=wanted)
        self.limits = LEVELS[self.header.level]
        self.units.max_unit_bytes = self.limits.unit_bytes
        self.tensors: dict[int, Tensor] = {}
        self.names: set[str] = set()
        self.last_first_sample = 0
        self.counts: list[int] | None = None

    def order(self, kind: UnitType) -> str:
        """9.1 and 11.2."""
        return "profile.model" if kind in (UnitType.MODEL_HEADER, UnitType.MODEL_DATA) else "order.units"

    def content(self, kind: UnitType, unit: Unit, values: Values) -> Iterator[FeatureContent]:
        """9.2, 9.3, 9.5.3 A parameter set, the samples of a unit, or a digest."""
        if kind is UnitType.FEATURE_PARAMETER_SET:
            yield from self._parameter_set(unit, values)
        elif kind is UnitType.FEATURE_DATA:
            yield self._feature_data(unit, values)
        elif kind is UnitType.FEATURE_PART:
            yield self._feature_part(unit, values)
        else:
            yield self._digest(unit, values)

    def activate(self, parameter_set_id: int, offset: int | None) -> Values:
        """9.1 The elements of a parameter set that came before."""
        if parameter_set_id not in self.tensors:
            raise _error(SemanticError, ErrorClass.OUT_OF_RANGE, "order.parameter-set-first", "parameter_set_id",
                         offset, "the id of a parameter set that came before", str(parameter_set_id))  # fmt: skip
        return self.tensors[parameter_set_id].values

    def _parameter_set(self, unit: Unit, values: Values) -> Iterator[FeatureContent]:
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
        sets = {other: tensor.parameters for other, tensor in self.tensors.items()}
        errors = list(check_base(parameters, sets, self.limits, offset))
        for error in errors:
            self.report(error)
        if errors:
            self._lost = True
            return
        too_large = [*check_limits(parameters, self.header.profile, self.header.level, offset)]
        too_large += over(self.limits, "parameter_sets", len(self.tensors) + 1, "parameter_set_id", offset)
        for error in too_large:
            self.report(error)
        twice = parameters.name in self.names
        if twice:
            self.report(_error(SemanticError, ErrorClass.LAYOUT_MISMATCH, "fps.layer-id-unique", "layer_id", None,
                               "a name of its own", repr(parameters.name)))  # fmt: skip
        if twice or any(isinstance(error, LimitError) for error in too_large):
            self._lost = True  # nothing of that size is made, and no two tensors have one name
            return
        self.names.add(parameters.name)
        self.tensors[number] = Tensor(parameters, values, bytes(unit.body))
        yield parameters

    def _feature_data(self, unit: Unit, values: Values) -> UnitContent:
        offset = 8 * unit.body_offset
        tensor = self.tensors[values["parameter_set_id"]]
        p = tensor.parameters
        first, count = values["first_sample"], values["sample_count_minus1"] + 1
        if p.parts is not None:
            raise _error(SemanticError, ErrorClass.LAYOUT_MISMATCH, "part.units", "unit_type", 8 * unit.offset,
                         "feature parts, as the parameter set says", "feature data")  # fmt: skip
        if first != tensor.samples and not self._lost:
            self.report(_error(SemanticError, ErrorClass.OUT_OF_RANGE, "order.samples", "first_sample", offset,
                               str(tensor.samples), str(first)))  # fmt: skip
        self._check_access_unit("first_sample", first, offset)
        if not p.axes.has_samples and first + count > 1:
            self.report(_error(SemanticError, ErrorClass.OUT_OF_RANGE, "fps.single-sample", "sample_count_minus1",
                               offset, "one sample, since no axis counts samples", str(first + count)))  # fmt: skip
        # Before anything of that size is made: the level's bounds on what one unit can hold.
        too_much = [*over(self.limits, "unit_elements", count * p.elements, "sample_count_minus1", offset)]
        too_much += over(
            self.limits, "unit_pictures", count * p.packing.pictures(p.maps[0]), "sample_count_minus1", offset
        )
        for error in too_much:
            raise error
        ranges = p.sample_ranges(values)
        # Those of the parameter set have been looked at, and may stand for many samples in few bytes.
        for sample_range in ranges if p.range_scope is RangeScope.SAMPLE else ():
            if sample_range is not None and sample_range[0] > sample_range[1]:
                raise range_order("sample_minimum", *sample_range, offset)
        payload = bytes(values["payload"])
        content = UnitContent(p, first, ranges, payload, offset + 8 * (len(unit.body) - len(payload)))
        if p.base is not None and self.tensors[p.base].last != (first, count) and not self._lost:
            raise without_base(content)
        tensor.samples, self.last_first_sample, tensor.last = first + count, first, (first, count)
        return content

    def _check_access_unit(self, element: str, sample: int, offset: int) -> None:
        if sample < self.last_first_sample and not self._lost:
            self.report(_error(SemanticError, ErrorClass.OUT_OF_RANGE, "order.access-units", element, offset,
                               f"at least {self.last_first_sample}", str(sample)))  # fmt: skip

    def _feature_part(self, unit: Unit, values: Values) -> UnitContent:
        """9.10.2 A part: of the sample whose parts are coming, or the first of the next."""
        offset = 8 * unit.body_offset
        tensor = self.tensors[values["parameter_set_id"]]
        whole, sample, index = tensor.parameters, values["sample_index"], values["part_index"]
        begins = sample != tensor.samples - 1
        if begins and not self._lost:
            self._check_complete(tensor, "sample_index", offset)
            if sample != tensor.samples:
                self.report(_error(SemanticError, ErrorClass.OUT_OF_RANGE, "order.samples", "sample_index", offset,
                                   str(tensor.samples), str(sample)))  # fmt: skip
        if not begins:
            self._check_once(tensor, index, offset)
        self._check_access_unit("sample_index", sample, offset)
        if not whole.axes.has_samples and sample > 0:
            self.report(_error(SemanticError, ErrorClass.OUT_OF_RANGE, "fps.single-sample", "sample_index", offset,
                               "one sample, since no axis counts samples", str(sample + 1)))  # fmt: skip
        p = whole.part(index)
        for error in over(self.limits, "unit_pictures", p.packing.pictures(p.axes.channels), "part_index", offset):
            raise error
        own = (values["part_minimum"], values["part_maximum"]) if p.range_scope is RangeScope.SAMPLE else None
        if own is not None and own[0] > own[1]:
            raise range_order("part_minimum", *own, offset)
        if begins:
            tensor.samples, tensor.parts = sample + 1, set()
        tensor.parts.add(index)
        self.last_first_sample = sample
        payload = bytes(values["payload"])
        payload_offset = offset + 8 * (len(unit.body) - len(payload))
        ranges = (own,) if own is not None else p.shared_ranges(1)
        return UnitContent(p, sample, ranges, payload, payload_offset, index, whole)

    def _check_once(self, tensor: Tensor, index: int, offset: int) -> None:
        if index in tensor.parts:
            raise part_again(index, offset)

    def _check_complete(self, tensor: Tensor, element: str, offset: int) -> None:
        """9.10.2 No part of the last sample is missing, where another one begins or nothing more of it can come."""
        if tensor.missing and not self._lost:
            self.report(incomplete(tensor.parameters, tensor.samples - 1, tensor.missing, element, offset))

    def _digest(self, unit: Unit, values: Values) -> DigestContent:
        offset = 8 * unit.body_offset
        self.activate(values["parameter_set_id"], offset)
        tensor = self.tensors[values["parameter_set_id"]]
        kind = DigestKind(values["digest_kind"])
        if kind not in tensor.parameters.digests:
            raise _error(SemanticError, ErrorClass.LAYOUT_MISMATCH, "digest.announced", "digest_kind", offset,
                         "a kind that the parameter set announces", kind.name)  # fmt: skip
        first, count = values["first_sample"], values["sample_count_minus1"] + 1
        self._check_complete(tensor, "digest", offset)
        start = tensor.digested.get(kind, 0)
        if (first, first + count) != (start, tensor.samples) and not self._lost:
            self.report(_error(SemanticError, ErrorClass.OUT_OF_RANGE, "digest.coverage", "first_sample", offset,
                               f"samples {start} to {tensor.samples - 1}, those since the last digest",
                               f"{first} to {first + count - 1}"))  # fmt: skip
        tensor.digested[kind] = first + count
        return DigestContent(tensor.parameters, kind, first, count, values["digest"], offset)

    def ended(self, values: Values) -> None:
        """9.9 Keep the numbers of samples."""
        self.counts = values["sample_count"]

    def check_end(self, values: Values, offset: int) -> Iterator[DfcError]:
        """9.9, 9.5.3."""
        for tensor in self.tensors.values():
            self._check_complete(tensor, "end_of_bitstream", offset)
        counts = [tensor.samples for tensor in self.tensors.values()]
        if values["sample_count"] != counts:
            yield _error(SemanticError, ErrorClass.LENGTH_MISMATCH, "end.sample-counts", "sample_count", offset,
                         str(counts), str(values["sample_count"]))  # fmt: skip
        for tensor in self.tensors.values():
            p = tensor.parameters
            if not p.axes.has_samples and tensor.samples != 1:
                yield _error(SemanticError, ErrorClass.LENGTH_MISMATCH, "fps.single-sample", "sample_count", offset,
                             "one sample: no axis counts samples", str(tensor.samples))  # fmt: skip
            for kind in p.digests:
                if tensor.digested.get(kind, 0) != tensor.samples:
                    yield _error(SemanticError, ErrorClass.LENGTH_MISMATCH, "digest.complete", "digest", offset,
                                 f"digests of kind {kind.name} up to sample {tensor.samples - 1}",
                                 f"up to {tensor.digested.get(kind, 0) - 1}")  # fmt: skip


def part_again(index: int, offset: int) -> DfcError:
    """9.10.2 A part comes a second time."""
    return _error(SemanticError, ErrorClass.LAYOUT_MISMATCH, "part.once", "part_index", offset,
                  "a part that did not come yet", str(index))  # fmt: skip
