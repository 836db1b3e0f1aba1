"""8.6.6 Decoding the samples of a native payload: from bytes to levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refsw.entropy.rans import LOWEST, Decoder, Tables
from refsw.entropy.rawbits import RawReader
from refsw.errors import DfcError, ErrorClass, PayloadError
from refsw.payload.base import payload_error
from refsw.payload.native.contexts import PHASE_PLACES
from refsw.payload.native.errors import of_payload
from refsw.payload.native.motion import BlockCounts, predicted_magnitudes, vectors_of
from refsw.payload.native.parameters import PHASES, Start
from refsw.payload.native.prediction import groups_of, prediction_start
from refsw.payload.native.scale import (
    ESCAPE,
    MAGNITUDES,
    MOST,
    ONE,
    PRECISION,
    Integers,
    Small,
    frequencies,
    magnitudes,
    token_bases,
    token_bits,
)
from refsw.syntax.bits import BitReader
from refsw.syntax.declaration import Values
from refsw.syntax.native_structures import MAX_LANES_LOG2, NATIVE_PREDICTION, NATIVE_SAMPLE
from refsw.syntax.structure import read_structure
from refsw.tensor.axes import Array

STEPS_LOG2 = 15
STATE_BYTES, WORD_BYTES = 4, 2


@dataclass(frozen=True, slots=True)
class SampleHeader:
    """6.18 The elements of a native_sample, and the bytes that follow them.

    Args:
        values: of the elements.
        place: of the first byte of the sample in the payload.
        states, words, raw: the bytes after the elements.
        size: of the whole sample in bytes.
        prediction: elements of the native_prediction before it (6.19), if it is predicted.
    """

    values: Values
    place: int
    states: memoryview
    words: memoryview
    raw: memoryview
    size: int
    prediction: Values | None = None


def read_sample(payload: memoryview, place: int, *, predicted: tuple[int, int] | None = None) -> SampleHeader:
    """6.18 The sample that begins at a byte of the payload; with prediction in time, its native_prediction before it.

    Args:
        payload: of a unit.
        place: where the sample begins, in bytes.
        predicted: with prediction in time, rows and columns of a channel.

    Raises:
        PayloadError: it does not end within the payload, or an element is out of bounds.
    """
    reader = BitReader(payload[place:], 8 * place, "payload")
    prediction: Values | None = None
    try:
        if predicted is not None:
            prediction = read_structure(NATIVE_PREDICTION, reader, watch=BlockCounts(*predicted))
        values = read_structure(NATIVE_SAMPLE, reader)
    except PayloadError:
        raise
    except DfcError as error:
        raise of_payload(error, "native.sample") from error
    sizes = (STATE_BYTES << values["lanes_log2"], WORD_BYTES * values["word_count"], values["raw_byte_count"])
    first = reader.position // 8
    ends = [first + sum(sizes[: i + 1]) for i in range(3)]
    if place + ends[-1] > len(payload):
        raise payload_error("native.sample", "payload", f"{ends[-1]} bytes of a sample", f"{len(payload) - place}",
                            ErrorClass.TRUNCATED, 8 * place)  # fmt: skip
    rest = payload[place:]
    return SampleHeader(
        values, place, rest[first : ends[0]], rest[ends[0] : ends[1]], rest[ends[1] : ends[2]], ends[2],
        prediction if prediction is not None and prediction["predicted_flag"] else None,
    )  # fmt: skip


def classes_of(
    header: Values, states: npt.NDArray[np.uint32], words: npt.NDArray[np.uint16], channels: int
) -> tuple[Decoder, npt.NDArray[np.uint8]]:
    """8.6.6 The magnitude classes of the channels, and the decoder behind them."""
    decoder = Decoder(class_table(bytes(header["class_code"])), states, words)
    return decoder, np.concatenate(list(decoder.symbols(np.zeros(channels, np.uint8)))).astype(np.uint8)


def sample_order(
    start: Start, header: Values, classes: npt.NDArray[np.uint8] | None, channels: int
) -> tuple[npt.NDArray[np.intp], Small]:
    """8.6.4 The channels in the order of coding, without those that are zero, and their priors."""
    if classes is None:
        assert start.priors is not None
        index = np.clip(start.priors.astype(np.int64) + header["prior_shift"], 0, MAGNITUDES - 1)
        order = np.argsort(-start.priors.astype(np.int64), kind="stable")
    else:
        index = 2 * (classes.astype(np.int64) - 1)
        order = np.argsort(-index, kind="stable")[: int((classes > 0).sum())]
    return order, magnitudes()[index[order]]


class SampleDecoder:
    """8.6.6 Decodes one sample.

    Args:
        start: what it is decoded with.
        header: its elements and bytes.
        shape: channels, rows, columns.
        before: of a predicted sample, the one before as it is referred to (8.6.9.3), of that shape.
    """

    def __init__(
        self, start: Start, header: SampleHeader, shape: tuple[int, int, int], before: Integers | None = None
    ) -> None:
        self.start, self.header, self.shape = start, header, shape
        self.predicted: Small | None = None
        self.coding = start
        if header.prediction is not None:
            assert before is not None
            vectors = vectors_of(header.prediction, 8 * header.place)
            self.predicted = predicted_magnitudes(before, header.prediction, vectors)
            self.coding = prediction_start()
        v = header.values
        self.signed, self.step = bool(v["signed_flag"]), int(v["quantization_step"])
        self.states = np.frombuffer(header.states, ">u4").astype(np.uint32)
        self.words = np.frombuffer(header.words, ">u2").astype(np.uint16)
        self.raw = RawReader(header.raw)
        if int(self.states.min()) < LOWEST:
            raise self._error("native.state-range", f"states of at least {LOWEST}", str(int(self.states.min())))

    def levels(self, top: int) -> Array:
        """The levels of the sample: uint16 of its shape, at most `top`."""
        classes = self._classes() if self.header.values["class_flag"] else None
        order, priors = sample_order(self.start, self.header.values, classes, self.shape[0])
        self._check_lanes(len(order))
        coded = self._channels(order, priors)
        self._finish()
        zero = self.header.values["zero_level"]
        found = np.full(self.shape, zero, np.uint16)
        found[order] = np.clip(zero + scaled(coded, self.step), 0, top)
        return found

    def _classes(self) -> npt.NDArray[np.uint8]:
        decoder, found = classes_of(self.header.values, self.states, self.words, self.shape[0])
        self.states, self.position = decoder.states, decoder.position
        return found

    def _check_lanes(self, coded: int) -> None:
        lanes_log2 = self.header.values["lanes_log2"]
        symbols = coded * self.shape[1] * self.shape[2]
        if symbols > 1 << lanes_log2 + STEPS_LOG2 and lanes_log2 < MAX_LANES_LOG2:
            raise self._error("native.lanes", f"a lane for {1 << STEPS_LOG2} values, or {1 << MAX_LANES_LOG2} lanes",
                              f"{symbols} values in {1 << lanes_log2} lanes")  # fmt: skip

    position = 0

    def _channels(self, order: npt.NDArray[np.intp], priors: Small) -> Small:
        """8.6.6 The values of the coded channels, in 1/256 step, with their signs."""
        decoder = Decoder(self.coding.tables, self.states, self.words)
        decoder.position = self.position
        shape = (len(order), *self.shape[1:])
        known, values = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        classes = None if self.start.classes is None else self.start.classes[order]
        predicted = None if self.predicted is None else self.predicted[order]
        for group in groups_of(self.start, known, priors, classes, predicted):
            for phase in range(PHASES):
                row, column = PHASE_PLACES[phase]
                place = values[group.first : group.last, row::2, column::2]
                if not place.size:
                    continue
                bins = group.bins(phase)
                tables = group.tables(bins, phase).reshape(-1)
                tokens = np.concatenate(list(decoder.symbols(tables)))
                found, negative = self._values(tokens)
                escaped = tokens == ESCAPE
                if escaped.any() and (found[escaped] < self.coding.escaped[tables[escaped]]).any():
                    raise self._error("native.escape", "a value beyond the tokens of its table", "another")
                points = self.coding.points[bins.reshape(-1), np.minimum(found, 3)]
                sized = np.maximum(ONE * found + points, 0)
                group.put(phase, np.minimum(sized, MOST).reshape(place.shape))
                if self.signed:
                    sized = np.where(found > 0, np.where(negative, -sized, sized), 0)
                place[...] = sized.reshape(place.shape)
        self.decoder = decoder
        return values

    def _values(self, tokens: npt.NDArray[np.uint16]) -> tuple[Small, npt.NDArray[np.bool_]]:
        """8.6.6 The values of tokens, and which of them are negative; takes their raw bits."""
        found = token_bases()[tokens]
        negative = np.zeros(found.shape, bool)
        lengths = token_bits()[tokens]
        if self.signed:
            lengths = lengths + (tokens > 0)
        where = np.flatnonzero(lengths)
        if where.size:
            bits = self.raw.take(lengths[where]).astype(np.int64)
            if self.signed:
                negative[where] = bits & 1
                bits >>= 1
            found[where] += bits.astype(np.int32)
        return found, negative

    def _finish(self) -> None:
        """8.6.6 What holds after the last value."""
        decoder = self.decoder
        if decoder.missing or decoder.position != len(self.words):
            raise self._error("native.words", f"{len(self.words)} words", f"{decoder.position}",
                              ErrorClass.LENGTH_MISMATCH)  # fmt: skip
        if (decoder.states != LOWEST).any():
            raise self._error("native.final-states", f"{LOWEST} in every lane", "another state")
        if self.raw.missing or not self.raw.rest_is_zero():
            got = f"{self.raw.missing} bits too few" if self.raw.missing else "bits that are left"
            raise self._error("native.raw-bits", "as many raw bits as the values have, and zero bits to the end of the "
                              "byte", got, ErrorClass.LENGTH_MISMATCH)  # fmt: skip

    def _error(self, requirement: str, expected: str, got: str, kind: ErrorClass = ErrorClass.OUT_OF_RANGE) -> DfcError:
        return payload_error(requirement, "payload", expected, got, kind, 8 * self.header.place)


def class_table(codes: bytes) -> Tables:
    """8.6.6 The table of magnitude classes."""
    return Tables(np.array([frequencies(codes)], np.int64), PRECISION)


def scaled(values: Small, step: int) -> Integers:
    """8.6.6 Values in 1/256 step as differences of levels."""
    sizes = (np.abs(values).astype(np.int64) * step + (1 << 15)) >> 16
    return np.where(values < 0, -sizes, sizes)
