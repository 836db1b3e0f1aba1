"""8.6 The native payload as a payload codec: the samples of a unit, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from refsw.errors import DfcError, ErrorClass, PayloadError, UsageError
from refsw.named import known_by_digest
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat, payload_error
from refsw.payload.native.configuration import named_digest, pack_configuration, start_of
from refsw.payload.native.decoder import SampleDecoder, SampleHeader, classes_of, read_sample
from refsw.payload.native.encoder import Costs, SampleEncoder, zero_of
from refsw.payload.native.motion import reference_of, vectors_of
from refsw.payload.native.parameters import Start
from refsw.payload.native.scale import Integers
from refsw.payload.native.series import SeriesEncoder
from refsw.payload.native.starts import sparse_start, universal_start
from refsw.syntax.codes import NativeStart
from refsw.syntax.declaration import Values
from refsw.tensor.axes import Array

QP_OF_STEP_ONE = 4
QP_OFFSET = 1.2
"""By so many QPs the step is coarser than that of HEVC, which makes the error the same: see docs/presets.md."""
LARGEST_STEP = (1 << 24) - 1
LOOKED_AT = 128
"""Channels, or up to twice as many, by which a start is chosen."""
MOST_STEPS = 1 << 14
"""Symbols of lanes that are decoded to count what a unit asks for; in samples behind them, all channels count."""


class NativeCodec:
    """The payload codec that is made for features."""

    bit_depths = range(1, 17)

    def encode(self, pictures: Array, picture_format: PictureFormat, settings: EncoderSettings) -> tuple[bytes, bytes]:
        """Pictures (P, height, width), those of a sample after those of another -> (configuration, payload)."""
        configuration = native_configuration(settings)
        start = encoder_start(configuration, settings, picture_format)
        step, optimize = step_of(settings.qp, picture_format.bit_depth), settings.effort != "fast"
        samples = pictures.reshape(-1, picture_format.channels, *pictures.shape[1:])
        if picture_format.time_prediction:
            series = SeriesEncoder(start, step, (1 << picture_format.bit_depth) - 1, optimize)
            return configuration, b"".join(map(series.encode, samples))
        encoder = SampleEncoder(start, Costs(start), optimize)
        return configuration, b"".join(encoder.encode(s, step, zero_of(s, step)) for s in samples)

    def decode(
        self,
        configuration: bytes,
        payload: memoryview,
        count: int,
        picture_format: PictureFormat,
        settings: DecoderSettings,
    ) -> Array:
        """8.6.6 The pictures of the samples, as (count, height, width)."""
        start = start_of(configuration, settings.known)
        _check_channels(start, picture_format)
        shape = (picture_format.channels, picture_format.height, picture_format.width)
        top = (1 << picture_format.bit_depth) - 1
        out = np.empty((count, *shape[1:]), picture_format.dtype)
        samples = _samples(payload, count, picture_format)
        before: Integers | None = None
        for i, header in enumerate(samples):
            for error in _check(header, start, picture_format, is_first=not i):
                raise error
            levels = SampleDecoder(start, header, shape, before).levels(top)
            out[i * shape[0] : (i + 1) * shape[0]] = levels
            before = reference_of(levels, header.values["zero_level"]) if picture_format.time_prediction else None
        return out

    def check(
        self, configuration: bytes, payload: memoryview, count: int, picture_format: PictureFormat
    ) -> list[PayloadError]:
        """8.6: the elements of the samples and their sizes; nothing of what the lanes hold."""
        try:
            if named_digest(configuration) is not None:
                return []  # what parameters a decoder has for it is told when it decodes
            start = start_of(configuration, {})
            _check_channels(start, picture_format)
            samples = _samples(payload, count, picture_format)
        except PayloadError as error:
            return [error]
        return [
            error for i, header in enumerate(samples) for error in _check(header, start, picture_format, is_first=not i)
        ]


def native_configuration(settings: EncoderSettings) -> bytes:
    """6.16 The configuration that `NativeCodec.encode` uses."""
    if settings.native is None:
        return pack_configuration(NativeStart.SPARSE if settings.sparse else NativeStart.UNIVERSAL)
    return pack_configuration(NativeStart.NAMED if settings.named else NativeStart.SENT, settings.native)


def is_sparse(levels: Array, bit_depth: int, qp: float) -> bool:
    """Whether some channels of a sample (channels, rows, columns) take fewer bits with the sparse start."""
    step = step_of(qp, bit_depth)
    zero = zero_of(levels, step)
    levels = levels[:: max(1, len(levels) // LOOKED_AT)]
    plain, sparse = (SampleEncoder(start, Costs(start)).cost(levels, step, zero)
                     for start in (universal_start(), sparse_start()))  # fmt: skip
    return sparse < plain


def step_of(qp: float, bit_depth: int) -> int:
    """The quantization step, in 1/256 level, whose error is that of HEVC with a QP."""
    step = 256 * 2 ** ((qp - QP_OF_STEP_ONE + QP_OFFSET) / 6 + bit_depth - 8)
    return int(min(max(round(step), 1), LARGEST_STEP))


def encoder_start(configuration: bytes, settings: EncoderSettings, picture_format: PictureFormat) -> Start:
    """What samples are coded with.

    Raises:
        UsageError: parameters for another number of channels.
    """
    start = start_of(configuration, known_by_digest([] if settings.native is None else [settings.native]))
    try:
        _check_channels(start, picture_format)
    except PayloadError as error:
        raise UsageError(f"native parameters for {error.got} channels; there are {error.expected}") from error
    return start


def _check_channels(start: Start, picture_format: PictureFormat) -> None:
    if start.channels not in (0, picture_format.channels):
        raise payload_error("native.channels", "native_channel_count_minus1", str(picture_format.channels),
                            str(start.channels), ErrorClass.LAYOUT_MISMATCH)  # fmt: skip


def _samples(payload: memoryview, count: int, picture_format: PictureFormat) -> list[SampleHeader]:
    """8.6.6 The samples of a unit."""
    found: list[SampleHeader] = []
    predicted = (picture_format.height, picture_format.width) if picture_format.time_prediction else None
    place = 0
    for _ in range(count // picture_format.channels if count else 0):
        found.append(read_sample(payload, place, predicted=predicted))
        place += found[-1].size
    if place != len(payload):
        raise payload_error("native.trailing", "payload", f"{place} bytes", f"{len(payload)}",
                            ErrorClass.TRAILING_DATA, 8 * place)  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class Demand:
    """What a sample asks for: lanes, and coded channels (those of class 0 take no symbols).

    `blocks` are those of its motion; None where it is not predicted.
    """

    lanes: int
    coded: int
    blocks: int | None


def demands_of(payload: bytes, channels: int, *, predicted: tuple[int, int] | None = None) -> list[Demand]:
    """What the samples ask for, as far as they can be read; for `predicted` see `read_sample`."""
    found: list[Demand] = []
    steps = 0
    with suppress(DfcError):
        for header in _readable(payload, predicted):
            lanes, coded = 1 << header.values["lanes_log2"], channels
            steps += -(-channels // lanes)
            if header.values["class_flag"] and steps <= MOST_STEPS:
                states, words = np.frombuffer(header.states, ">u4"), np.frombuffer(header.words, ">u2")
                classes = classes_of(header.values, states.astype(np.uint32), words.astype(np.uint16), channels)[1]
                coded = int(np.count_nonzero(classes))
            found.append(Demand(lanes, coded, None if header.prediction is None else _blocks(header.prediction)))
    return found


def _readable(payload: bytes, predicted: tuple[int, int] | None) -> Iterator[SampleHeader]:
    """The samples of a unit up to the first one that cannot be read."""
    place = 0
    with suppress(DfcError):
        while place < len(payload):
            header = read_sample(memoryview(payload), place, predicted=predicted)
            yield header
            place += header.size


def steps_of(payload: bytes, *, predicted: tuple[int, int] | None = None) -> Iterator[int]:
    """6.18 The quantization_step of every sample, as far as they can be read; for `predicted` see `read_sample`."""
    yield from (int(header.values["quantization_step"]) for header in _readable(payload, predicted))


def predictions_of(payload: bytes, rows: int, columns: int) -> Iterator[Values]:
    """8.6.9 The native_prediction of every predicted sample, as far as they can be read.

    Args:
        payload: of a unit with prediction in time.
        rows, columns: of a channel.
    """
    for header in _readable(payload, (rows, columns)):
        if header.prediction is not None:
            yield header.prediction


def _blocks(prediction: Values) -> int:
    return sum(map(len, prediction["vector_flag"])) if prediction["motion_flag"] else 0


def _check(header: SampleHeader, start: Start, picture_format: PictureFormat, *, is_first: bool) -> list[PayloadError]:
    """8.6.6 What spans the elements of a sample."""
    errors: list[DfcError] = []
    v = header.values
    offset = 8 * header.place
    if v["class_flag"] != (start.priors is None):
        errors.append(payload_error("native.classes", "class_flag", str(int(start.priors is None)),
                                    str(v["class_flag"]), ErrorClass.OUT_OF_RANGE, offset))  # fmt: skip
    top = (1 << picture_format.bit_depth) - 1
    if v["zero_level"] > top:
        errors.append(payload_error("native.zero", "zero_level", f"at most {top}", str(v["zero_level"]),
                                    ErrorClass.OUT_OF_RANGE, offset))  # fmt: skip
    if header.prediction is not None:
        if is_first:
            errors.append(payload_error("native.first-intra", "predicted_flag", "0 in the first sample of a unit", "1",
                                        ErrorClass.LAYOUT_MISMATCH, offset))  # fmt: skip
        try:
            vectors_of(header.prediction, offset)
        except PayloadError as error:
            errors.append(error)
    return errors  # type: ignore[return-value]
