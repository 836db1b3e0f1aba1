"""10.9.2 One update on its base: the tensors that its entries and units give, and what they may take."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refsw.errors import CapacityError, DfcError, ErrorClass, LimitError, PayloadError, SemanticError
from refsw.models import cost
from refsw.models.arithmetic import Integers, common_part, from_words, reconstruct
from refsw.models.directory import CODED, QUANTIZED, Directory, Resolved, resolve
from refsw.models.payload import DataContent, decode_values
from refsw.models.state import Model, TensorType, digest_of, is_finite, tensor_digest
from refsw.profiles import Allowance, LevelLimits, Meter
from refsw.syntax.codes import ElementType, TensorMode
from refsw.syntax.walker import error_of
from refsw.tensor.axes import Array

EXPANSION, EXPANSION_FREE = 4096, 1 << 20


@dataclass(frozen=True, slots=True)
class ApplyLimits:
    """What is accepted beyond what the level bounds.

    Args:
        output_bytes: the most that the tensors of a result may take.
        allowance: work and memory in proportion to the bytes of the bitstream, beside those for the base.
    """

    output_bytes: int = 1 << 36
    allowance: Allowance = field(default_factory=Allowance)


class UpdateRun:
    """10.9 One update on its base.

    Args:
        directory: the model header.
        base: the model that the receiver has; empty for a full model.
        base_digests: digests of its tensors, as far as they are known.
        limits: of the level.
        accepted: of this decoder.
        meter: what the decoder has left for the bitstream.
    """

    def __init__(
        self,
        directory: Directory,
        base: Model,
        base_digests: Mapping[str, bytes],
        limits: LevelLimits,
        accepted: ApplyLimits,
        meter: Meter,
    ) -> None:
        self.directory, self.base, self.limits = directory, base, limits
        self.base_digests, self.meter = base_digests, meter
        self.entries = resolve(directory, [base.types[name] for name in base.names])
        self.coded = [entry for entry in self.entries if entry is not None and entry.entry.mode in CODED]
        self.digests: dict[str, bytes] = {}
        self.new_elements = self.payload_bytes = 0
        self._check_size(accepted)

    @property
    def resized(self) -> bool:
        """10.3.4 Whether a source has another shape."""
        return cost.source_bytes(entry for entry in self.entries if entry is not None) > 0

    @property
    def types(self) -> list[TensorType]:
        """Types of the tensors of the result, in the order of the directory."""
        return [entry.type for entry in self.entries if entry is not None]

    def _check_size(self, accepted: ApplyLimits) -> None:
        types = self.types
        elements = sum(kind.elements for kind in types)
        if elements > self.limits.model_elements:
            raise self._limit("level.model-elements", self.limits.model_elements, elements, "elements")
        size = sum(kind.nbytes for kind in types)
        if size > accepted.output_bytes:
            raise error_of(CapacityError, ErrorClass.RESOURCE_LIMIT, "level.capacity", "model_header",
                           self.directory.bit_offset, f"at most {accepted.output_bytes} bytes of tensors here",
                           str(size))  # fmt: skip
        work = cost.directory_work(self.entries, self.base_digests)
        self.meter.work(work, "model_header", self.directory.bit_offset)

    def _limit(self, requirement: str, limit: int, got: int, what: str) -> DfcError:
        return error_of(LimitError, ErrorClass.RESOURCE_LIMIT, requirement, "model_header", self.directory.bit_offset,
                        f"at most {limit} {what} at this level", str(got))  # fmt: skip

    def kept(self) -> Iterator[tuple[TensorType, Array]]:
        """10.9.2 The tensors that need no values: those of the base that stay as they are."""
        for entry in self.entries:
            if entry is None or entry.entry.mode is not TensorMode.UNCHANGED:
                continue
            assert entry.source is not None
            array = self.base[entry.source.name].reshape(entry.type.shape)
            if entry.source == entry.type and entry.type.name in self.base_digests:
                self.digests[entry.type.name] = self.base_digests[entry.type.name]
            else:
                self.digests[entry.type.name] = tensor_digest(entry.type, array)
            yield entry.type, array

    def unit(self, unit: DataContent) -> Iterator[tuple[TensorType, Array]]:
        """10.9.2 The tensors whose values a model data unit holds."""
        entries = self.coded[unit.first : unit.first + unit.count]
        self._check_unit(unit, entries)
        types = [entry.type for entry in entries]
        parts = cost.source_bytes(entries)
        self.meter.work(cost.unit_work(unit, types) + cost.OUTPUT * parts, "model_data", unit.bit_offset)
        self.meter.memory(cost.unit_memory(unit, types) + parts, len(unit.payload), "model_data", unit.bit_offset)
        shapes = [entry.type.shape for entry in entries]
        predictors = unit.predictors(shapes)
        exact = [entry.entry.mode not in QUANTIZED for entry in entries]
        source = _Parts(decode_values(unit, shapes, exact))
        done = []
        for entry, predictor in zip(entries, predictors, strict=True):
            out = np.empty(entry.type.elements, entry.type.dtype)
            base = None if entry.source is None else self._base(entry.source, entry.type)
            place = 0
            while place < out.size:
                part = source.take(out.size - place, predictor.taps if predictor else 1)
                if predictor is not None:
                    restored = predictor.restore(part)
                    if restored is None:
                        raise error_of(PayloadError, ErrorClass.OUT_OF_RANGE, "model.prediction-range",
                                       f"values of {entry.type.name}", unit.payload_offset, "magnitudes below 2^40",
                                       "a value beyond")  # fmt: skip
                    part = restored
                end = place + part.size
                out[place:end] = self._elements(unit, entry, part, None if base is None else base[place:end])
                place = end
            done.append((entry, out.reshape(entry.type.shape)))
        source.finish()
        for entry, array in done:
            self._check_array(unit, entry, array)
            self.digests[entry.type.name] = tensor_digest(entry.type, array)
            yield entry.type, array

    def _base(self, source: TensorType, kind: TensorType) -> Array:
        """The elements of a source that those of a tensor correspond to."""
        array = self.base[source.name]
        if source.elements != kind.elements:
            array = common_part(array, kind.shape)
        return np.ascontiguousarray(array).reshape(-1)

    def _check_unit(self, unit: DataContent, entries: list[Resolved]) -> None:
        elements = sum(entry.type.elements for entry in entries)
        if elements > self.limits.model_unit_elements:
            raise error_of(LimitError, ErrorClass.RESOURCE_LIMIT, "level.model-unit-elements",
                           "coded_tensor_count_minus1", unit.bit_offset,
                           f"at most {self.limits.model_unit_elements} elements at this level",
                           str(elements))  # fmt: skip
        self.new_elements += sum(entry.type.elements for entry in entries if entry.entry.new is not None)
        self.payload_bytes += len(unit.payload)
        self._check_expansion(unit.payload_offset)

    def _check_expansion(self, offset: int) -> None:
        """10.9.2 Few bytes do not make large tensors."""
        most = EXPANSION_FREE + EXPANSION * self.payload_bytes
        if self.new_elements > most:
            raise error_of(SemanticError, ErrorClass.RESOURCE_LIMIT, "model.expansion", "model_payload", offset,
                           f"at most {most} elements of new tensors with so few bytes",
                           str(self.new_elements))  # fmt: skip

    def _elements(self, unit: DataContent, entry: Resolved, values: Any, base: Array | None) -> Array:
        if entry.entry.mode in QUANTIZED:
            step = entry.entry.step if unit.grid is None else entry.entry.step.grid(unit.grid)
            most = (2**63 - 1) // step.m
            if (np.abs(values) > most).any() or (values == -(2**63)).any():
                raise self._range(unit, entry, f"magnitudes up to {most}")
            return reconstruct(values, step, base, entry.type.element_type)
        bits = 8 * entry.type.dtype.itemsize
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        if values.size and (int(values.min()) < low or int(values.max()) > high):
            raise self._range(unit, entry, f"{low} to {high}")
        return from_words(values, base, entry.type.element_type)

    def _range(self, unit: DataContent, entry: Resolved, expected: str) -> DfcError:
        return error_of(PayloadError, ErrorClass.OUT_OF_RANGE, "model.value-range", f"values of {entry.type.name}",
                        unit.payload_offset, expected, "a value beyond")  # fmt: skip

    def _check_array(self, unit: DataContent, entry: Resolved, array: Array) -> None:
        if not is_finite(array):
            raise error_of(PayloadError, ErrorClass.NONFINITE, "model.finite", f"elements of {entry.type.name}",
                           unit.payload_offset, "finite numbers", "NaN or infinity")  # fmt: skip
        if entry.type.element_type is ElementType.BOOL and array.size and int(array.view(np.uint8).max()) > 1:
            raise error_of(PayloadError, ErrorClass.OUT_OF_RANGE, "model.bool", f"elements of {entry.type.name}",
                           unit.payload_offset, "bytes 0 and 1", "another")  # fmt: skip

    def copies(self, get: Callable[[str], Array]) -> Iterator[tuple[TensorType, Array]]:
        """10.9.2 The tensors that are copies of others, once those are there."""
        found = [entry for entry in self.entries if entry is not None and entry.entry.mode is TensorMode.COPY]
        self.new_elements += sum(entry.type.elements for entry in found if entry.entry.new is not None)
        self._check_expansion(self.directory.bit_offset)
        work = cost.result_work(entry.type for entry in found)
        self.meter.work(work, "model_header", self.directory.bit_offset)
        for entry in found:
            other = self.entries[entry.entry.copy_of]
            assert other is not None
            array = get(other.type.name)
            self.digests[entry.type.name] = tensor_digest(entry.type, array)
            yield entry.type, array

    def finish(self) -> None:
        """10.9.3 The digest of the result.

        Raises:
            SemanticError: it is another one; nothing that was decoded may be used.
        """
        digest = digest_of(self.digests)
        if digest != self.directory.result_digest:
            raise error_of(SemanticError, ErrorClass.DIGEST_MISMATCH, "model.result-digest", "result_digest",
                           self.directory.bit_offset, self.directory.result_digest.hex(), digest.hex())  # fmt: skip


class _Parts:
    """Values that come in parts of any size, taken in parts that suit."""

    def __init__(self, parts: Iterator[Integers]) -> None:
        self._parts = parts
        self._waiting: Integers = np.empty(0, np.int64)

    def take(self, most: int, multiple: int) -> Integers:
        """At least one and at most `most` values, a multiple of `multiple` of them."""
        while self._waiting.size < multiple:
            self._waiting = np.concatenate([self._waiting, next(self._parts)])
        count = min(most, self._waiting.size // multiple * multiple)
        part, self._waiting = self._waiting[:count], self._waiting[count:]
        return part

    def finish(self) -> None:
        """Run the checks at the end of the payload."""
        deque(self._parts, maxlen=0)  # all values are taken: no part that is left has any
