"""10.6.4, 10.7 The payload of a model data unit: from bytes to the values of its tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refsw.entropy.rans import LOWEST, Decoder, Tables
from refsw.entropy.rawbits import RawReader
from refsw.errors import DfcError, ErrorClass, PayloadError, SemanticError
from refsw.models.arithmetic import WORDS, Integers
from refsw.models.labels import Contexts, Group, Labelling, Labels
from refsw.models.levels import EXACT, LAST_OF_LEVELS, Planes, to_residuals
from refsw.models.prediction import Predictor
from refsw.models.quantizers import SECOND, Quantizers
from refsw.models.symbols import to_values
from refsw.models.tables import as_tables, from_values, second_from_values
from refsw.payload.bytecodecs import ByteCodec
from refsw.syntax.codes import ModelCoder, PayloadCodec, ValueQuantizer
from refsw.syntax.declaration import Values
from refsw.syntax.model_structures import MAX_DISTINCT_TABLES, MAX_LANES_LOG2
from refsw.syntax.walker import error_of

Shape = tuple[int, ...]
LAST_SYMBOL = 503
STEPS_LOG2 = 14


@dataclass(frozen=True, slots=True)
class DataContent:
    """6.11 A model data unit: its elements, and where its payload stands."""

    values: Values
    bit_offset: int
    payload_offset: int

    @property
    def first(self) -> int:
        """Number of its first coded tensor."""
        return int(self.values["first_coded_tensor"])

    @property
    def count(self) -> int:
        """Number of its coded tensors."""
        return int(self.values["coded_tensor_count_minus1"]) + 1

    @property
    def coder(self) -> ModelCoder:
        """Coder of its values."""
        return ModelCoder(self.values["model_coder"])

    @property
    def quantizer(self) -> ValueQuantizer:
        """How its levels become values: PLAIN where it does not say."""
        return ValueQuantizer(self.values.get("value_quantizer", ValueQuantizer.PLAIN))

    @property
    def grid(self) -> int | None:
        """10.4.2 The grid of its quantized values in 1/1024 of their steps; None: the steps themselves."""
        return None if self.quantizer is ValueQuantizer.PLAIN else int(self.values["grid"])

    def predictors(self, shapes: Sequence[Shape]) -> list[Predictor | None]:
        """10.6.6 The predictor of every tensor of the unit."""
        if self.coder is not ModelCoder.RANS:
            return [None] * len(shapes)
        known = [Predictor(tuple(map(tuple, rows))) for rows in self.values["predictor_coefficient"]]
        chosen = [known[i - 1] if i else None for i in self.values["predictor"]]
        for t, (predictor, shape) in enumerate(zip(chosen, shapes, strict=True)):
            if predictor is not None and math.prod(shape) % predictor.taps:
                raise error_of(SemanticError, ErrorClass.LAYOUT_MISMATCH, "model.predictor-taps", f"predictor[{t}]",
                               self.bit_offset, f"runs of {predictor.taps} values that make up the tensor",
                               f"shape {shape}")  # fmt: skip
        return chosen

    @property
    def payload(self) -> memoryview:
        """The bytes after the elements."""
        return memoryview(self.values["model_payload"])


def decode_values(unit: DataContent, shapes: Sequence[Shape], exact: Sequence[bool]) -> Iterator[Integers]:
    """10.6, 10.7 The values (before 10.6.6) of all tensors of a unit, one after the other, in parts of any size.

    Args:
        unit: the unit.
        shapes: shapes of its coded tensors.
        exact: which of them have exact elements (10.4.3).

    Raises:
        SemanticError, PayloadError: the unit breaks a requirement of 10.6 or 10.7. What spans the payload is known
            only at its end: what was given before is not to be used until the iterator has ended.
    """
    counts = [math.prod(shape) for shape in shapes]
    if unit.coder is ModelCoder.XZ:
        if not sum(counts):
            raise error_of(SemanticError, ErrorClass.LAYOUT_MISMATCH, "model.xz-values", "model_coder", unit.bit_offset,
                           "RANS, since the unit has no values", "XZ")  # fmt: skip
        yield _xz(unit, sum(counts))
        return
    yield from _Rans(unit, shapes, exact).values()


def _xz(unit: DataContent, count: int) -> Integers:
    """10.7."""
    width = 1 << unit.values["word_bytes_log2"]
    try:
        raw = ByteCodec(PayloadCodec.LZMA).expand(unit.payload, count * width)
    except PayloadError as error:
        place = unit.payload_offset + (error.bit_offset or 0)
        raise error_of(PayloadError, error.error_class, error.requirement, "model_payload", place, error.expected,
                       error.got) from error  # fmt: skip
    if unit.values["plane_flag"]:
        raw = np.ascontiguousarray(np.frombuffer(raw, np.uint8).reshape(width, count).T).tobytes()
    return np.frombuffer(raw, WORDS[width]).astype(np.int64)


class _Rans:
    """10.6 One unit coded with rANS."""

    def __init__(self, unit: DataContent, shapes: Sequence[Shape], exact: Sequence[bool]) -> None:
        self.unit, self.shapes, self.exact, self.v = unit, shapes, exact, unit.values
        self.dependent = unit.quantizer is ValueQuantizer.DEPENDENT
        self.rows = from_values(self.v, unit.bit_offset)
        self.seconds = second_from_values(self.v, self.rows, unit.bit_offset) if self.dependent else []
        self.place = 0
        self.counts = [math.prod(shape) for shape in shapes]
        self.count = sum(self.counts)

    def values(self) -> Iterator[Integers]:
        """All values, in parts."""
        labels = self._labels()
        states, words = self._part(self.count, self.v["lanes_log2"], self.v["word_count"], "word_count")
        raw = RawReader(self.unit.payload[self.place :])
        tables, index = self._tables()
        decoder = Decoder(tables, states, words, Quantizers(len(states)) if self.dependent else None)
        contexts = [index[part] for part in self._contexts(labels)]
        if self.unit.quantizer is ValueQuantizer.PLAIN:
            for symbols in decoder.symbols(np.concatenate(contexts)):
                found = to_values(symbols, raw)
                if (found[symbols == LAST_SYMBOL] != np.iinfo(np.int64).min).any():
                    raise self._error("model.value-range", "values of 64 bits", "a greater magnitude", PayloadError)
                yield found
        else:
            yield from self._levels(decoder, contexts, raw)
        self._finish(decoder, "word_count")
        if raw.missing or not raw.rest_is_zero():
            got = f"{raw.missing} bits too few" if raw.missing else f"{raw.length - raw.position} bits left"
            raise self._error("model.raw-bits", "as many raw bits as the values have, and zero bits to the end of the "
                              "byte", got, PayloadError, ErrorClass.LENGTH_MISMATCH)  # fmt: skip

    def _levels(self, decoder: Decoder, contexts: list[npt.NDArray[np.uint8]], raw: RawReader) -> Iterator[Integers]:
        """10.6.7 The values of levels: as they come, or tensor by tensor if they come in several planes."""
        planes = Planes(self.counts, [1 if p is None else p.taps for p in self.unit.predictors(self.shapes)])
        marks = None
        if any(self.exact):
            of = [np.full(count, EXACT * own, np.uint16) for count, own in zip(self.counts, self.exact, strict=True)]
            marks = planes.gather(of)
        whole = np.empty(self.count if planes.depth > 1 else 0, np.int64)
        begin = 0
        for symbols in decoder.symbols(planes.gather(contexts)):
            end = begin + symbols.size
            if int((symbols & SECOND - 1).max(initial=0)) > LAST_OF_LEVELS:
                raise self._error("model.level-range", "magnitudes below 2^61", "a greater level", PayloadError)
            if marks is not None:
                own = marks[begin:end]
                symbols = np.where(own, symbols & np.uint16(SECOND - 1) | own, symbols)
            residuals = to_residuals(symbols, raw, self.unit.quantizer)
            if planes.depth > 1:
                whole[begin:end] = residuals
            else:
                yield residuals
            begin = end
        if planes.depth > 1:
            yield from planes.scatter(whole)

    def _tables(self) -> tuple[Tables, npt.NDArray[np.uint8]]:
        """The tables that differ, with their second ones if dependent; and which of them every table number has."""
        rows = self.rows[: self.v["table_count_minus1"] + 1]
        # Tables that are the same as others are not expanded again.
        groups = zip(rows, self.seconds, strict=True) if self.dependent else zip(rows, strict=True)
        distinct = {id(group[0]): group for group in groups}
        if len(distinct) > MAX_DISTINCT_TABLES:
            raise self._error("model.tables", f"at most {MAX_DISTINCT_TABLES} tables that are not the same as the one "
                              "before", str(len(distinct)))  # fmt: skip
        place = {key: i for i, key in enumerate(distinct)}
        tables = as_tables([row for group in distinct.values() for row in group])
        return tables, np.array([place[id(row)] for row in rows], np.uint8)

    def _part(self, symbols: int, lanes_log2: int, count: int, element: str) -> tuple[np.ndarray, np.ndarray]:
        """States and words at the current place of the payload."""
        payload, lanes = self.unit.payload, 1 << lanes_log2
        if symbols > lanes << STEPS_LOG2 and lanes_log2 < MAX_LANES_LOG2:
            raise self._error("model.lanes", f"a lane for {1 << STEPS_LOG2} symbols, or {1 << MAX_LANES_LOG2} lanes",
                              f"{lanes} lanes for {symbols} symbols")  # fmt: skip
        size = 4 * lanes + 2 * count
        if len(payload) - self.place < size:
            raise self._error("model.payload-length", f"{size} bytes of states and words ({element})",
                              f"{len(payload) - self.place}", PayloadError, ErrorClass.TRUNCATED)  # fmt: skip
        states = np.frombuffer(payload, ">u4", lanes, self.place).astype(np.uint32)
        words = np.frombuffer(payload, ">u2", count, self.place + 4 * lanes).astype(np.uint16)
        self.place += size
        if (states < LOWEST).any():
            raise self._error("model.state-range", f"states of at least {LOWEST}", str(states.min()), PayloadError)
        return states, words

    def _finish(self, decoder: Decoder, element: str) -> None:
        if decoder.missing or decoder.position != len(decoder.words):
            raise self._error("model.words", f"{len(decoder.words)} words taken ({element})", str(decoder.position),
                              PayloadError, ErrorClass.LENGTH_MISMATCH)  # fmt: skip
        if (decoder.states != LOWEST).any():
            lane = int(np.flatnonzero(decoder.states != LOWEST)[0])
            raise self._error("model.final-states", f"all states to end at {LOWEST}",
                              f"{decoder.states[lane]} in lane {lane}", PayloadError,
                              ErrorClass.PAYLOAD_ERROR)  # fmt: skip

    def _groups(self, t: int) -> tuple[Group, ...]:
        """10.6.3."""
        shape = self.shapes[t]
        firsts, lasts = self.v["group_first_axis"][t], self.v["group_last_axis"][t]
        for last in lasts:
            if last >= len(shape):
                raise self._error("model.label-axes", f"axes below {len(shape)} for tensor {t} of the unit", str(last))
        return tuple(Group(first, last) for first, last in zip(firsts, lasts, strict=True))

    def _labels(self) -> list[Labels]:
        """10.6.3 The labels of every group, tensor by tensor."""
        if not self.v["label_flag"]:
            return []
        sizes = [group.size(shape) for t, shape in enumerate(self.shapes) for group in self._groups(t)]
        # An empty tensor can have an axis of any extent, and labels along another one are bounded by nothing else.
        if sum(sizes) > self._label_limit():
            raise self._error("model.label-count", f"at most {self._label_limit()} labels", str(sum(sizes)))
        lanes, count = self.v["label_lanes_log2"], self.v["label_word_count"]
        states, words = self._part(sum(sizes), lanes, count, "label_word_count")
        decoder = Decoder(as_tables(self.rows[-1:]), states, words)
        parts = list(decoder.symbols(np.zeros(sum(sizes), np.uint8)))
        self._finish(decoder, "label_word_count")
        labels = np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)
        return list(np.split(labels, np.cumsum(sizes)[:-1]))

    def _label_limit(self) -> int:
        """10.6.3 As many labels as values, for every group."""
        groups = max(map(len, self.v["group_last_axis"]))
        return groups * self.count

    def _contexts(self, labels: list[Labels]) -> list[Contexts]:
        """10.6.3 The table of every value, tensor by tensor."""
        parts, taken, most = list[Contexts](), 0, self.v["table_count_minus1"]
        for t, shape in enumerate(self.shapes):
            groups = self._groups(t)
            step = self.v["label_step_minus1"][t] + 1
            labelling = Labelling(self.v["table_offset"][t], step, groups, tuple(labels[taken : taken + len(groups)]))
            taken += len(groups)
            if self.counts[t] and labelling.highest() > most:
                raise self._error(
                    "model.context-bound", f"tables up to {most} for tensor {t}", str(labelling.highest())
                )
            parts.append(labelling.contexts(shape) if self.counts[t] else np.empty(0, np.uint16))
        return parts

    def _error(
        self,
        requirement: str,
        expected: str,
        got: str,
        kind: type[DfcError] = SemanticError,
        error_class: ErrorClass = ErrorClass.OUT_OF_RANGE,
    ) -> DfcError:
        offset = self.unit.payload_offset if kind is PayloadError else self.unit.bit_offset
        element = "model_payload" if kind is PayloadError else "model_data"
        return error_of(kind, error_class, requirement, element, offset, expected, got)
