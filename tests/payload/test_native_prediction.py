"""8.6.9 Prediction in time: predicted samples decode to what the text gives value by value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from native_scalar import ALL_THRESHOLDS, Scalar

from refsw.errors import PayloadError
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat
from refsw.payload.native.codec import demands_of, predictions_of
from refsw.payload.native.decoder import SampleDecoder, read_sample
from refsw.payload.native.encoder import SampleEncoder
from refsw.payload.native.motion import displaced, expected_vector, predicted_magnitudes, vectors_of
from refsw.payload.native.motion_search import Motion, find_motion, motion_values, vector_bits
from refsw.payload.native.parameters import Start
from refsw.payload.native.prediction import prediction_start
from refsw.payload.native.series import SeriesEncoder
from refsw.payload.native.starts import universal_start
from refsw.payload.registry import codec
from refsw.syntax.bits import BitReader, BitWriter
from refsw.syntax.codes import PayloadCodec
from refsw.syntax.native_structures import NATIVE_PREDICTION
from refsw.syntax.structure import read_structure, write_structure
from refsw.tensor.axes import Array

NATIVE = codec(PayloadCodec.NATIVE)
SHAPES = [(1, 1, 1), (40, 1, 1), (3, 1, 7), (3, 6, 1), (40, 5, 7), (33, 9, 4)]


def features(shape: tuple[int, ...], seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    sizes = rng.gamma(0.3, 200, shape) * rng.gamma(0.5, 2, (shape[0],) + (1,) * (len(shape) - 1))
    return np.clip(sizes, 0, 4095).astype(np.uint16)


def following(levels: Array, seed: int) -> Array:
    """Levels like others, moved by a position."""
    rng = np.random.default_rng(seed)
    return np.clip(np.roll(levels, 1, axis=2) * rng.uniform(0.9, 1.1, levels.shape), 0, 4095).astype(np.uint16)


@dataclass
class Predicted(Scalar):
    """A predicted sample: what the one before makes expect, by channel, row and column."""

    predicted: list = field(default_factory=list)

    @property
    def coding(self) -> Start:
        return prediction_start()

    def t(self, p: int, y: int, x: int) -> int:
        row, column = min(self.rows - 1, max(0, y)), min(self.columns - 1, max(0, x))
        return self.predicted[self.order[p]][row][column]

    def context(self, p: int, p0: int, phase: int, y: int, x: int) -> tuple[int, int]:
        i = 8
        if p0:
            error = sum(abs(self.u[q][y, x] - self.t(q, y, x)) for q in range(p0))
            total = sum(self.u[q][y, x] + self.t(q, y, x) for q in range(p0))
            i = sum(128 * error > bound * total for bound in (5, 8, 12, 18, 28, 44, 76))
        near = (4 + sum(self.t(p, y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b)) // 8
        v = [int(one) for one in self.coding.weights[i][phase]]
        m = v[0] * self.expected(p, p0, phase, y, x) // 1024 + v[1] * self.t(p, y, x) + v[2] * near + v[3] * 256
        b = sum(threshold <= m for threshold in ALL_THRESHOLDS)
        return b, b + 48 * i


def scalar_magnitudes(before: Array, prediction: dict, vectors: Array | None) -> list:
    channels, rows, columns = before.shape
    block, step = 2 << prediction.get("block_log2_minus1", 0), prediction["reference_step"]
    out = [[[0] * columns for _ in range(rows)] for _ in range(channels)]
    for y in range(rows):
        for x in range(columns):
            r, c = (0, 0) if vectors is None else map(int, vectors[y // block, x // block])
            (y0, a), (x0, b) = divmod(4 * y + r, 4), divmod(4 * x + c, 4)
            terms = [(min(rows - 1, max(0, y0 + i)), min(columns - 1, max(0, x0 + j)), (4 - a, a)[i] * (4 - b, b)[j])
                     for i in (0, 1) for j in (0, 1)]  # fmt: skip
            for k in range(channels):
                size = abs(sum(share * int(before[k, row, column]) for row, column, share in terms))
                out[k][y][x] = min(32767, (2**12 * size + step // 2) // step)
    return out


@pytest.mark.parametrize("zero", [0, 1500], ids=["unsigned", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_decoder_gives_what_the_text_gives(
    shape: tuple[int, int, int], zero: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced = SampleEncoder.priced  # whatever it costs, samples are predicted
    monkeypatch.setattr(SampleEncoder, "priced", lambda own, *a: (float(own.predicted is None), priced(own, *a)[1]))
    levels = np.maximum(features(shape), 60) + np.uint16(zero)
    if zero:
        levels[::2] = 2 * zero - np.minimum(levels[::2], 2 * zero)
    series, place, before = SeriesEncoder(universal_start(), 5000, 4095), 0, None
    payload = b"".join(series.encode(one) for one in (levels, following(levels, 1), following(levels, 2)))
    predicted = 0
    for _ in range(3):
        header = read_sample(memoryview(payload), place, predicted=shape[1:])
        place += header.size
        found = SampleDecoder(universal_start(), header, shape, before).levels(4095)
        if header.prediction is not None:
            predicted += 1
            vectors = vectors_of(header.prediction, 0)
            states, words = (np.frombuffer(part, kind).astype(int).tolist()
                             for part, kind in ((header.states, ">u4"), (header.words, ">u2")))  # fmt: skip
            scalar = Predicted(universal_start(), header.values, states, words,
                               "".join(f"{byte:08b}" for byte in header.raw),
                               scalar_magnitudes(before, header.prediction, vectors))  # fmt: skip
            assert np.array_equal(found, np.array(scalar.levels(*shape, top=4095)))
            assert (scalar.words, scalar.raw.strip("0")) == ([], "")
        before = found.astype(np.int64) - header.values["zero_level"]
    assert predicted or shape[0] < 33


@pytest.mark.parametrize("block_log2", [1, 2, 3])
def test_the_sample_before_is_displaced_as_the_text_says(block_log2: int) -> None:
    shape = (3, 7, 6)
    rng, before = np.random.default_rng(block_log2), features(shape).astype(np.int64) - 900
    block = 1 << block_log2
    vectors = rng.integers(-128, 128, (-(-7 // block), -(-6 // block), 2)).astype(np.int32)
    prediction = {"reference_step": 777, "block_log2_minus1": block_log2 - 1}
    for own in (vectors, vectors // 40, None):
        found = predicted_magnitudes(before, prediction, own)
        assert np.array_equal(found, np.array(scalar_magnitudes(before, prediction, own)))
    assert np.array_equal(displaced(before, 0 * vectors, block), 16 * before)


def test_a_vector_is_told_against_the_median_of_three() -> None:
    assert expected_vector([[]], 3) == (0, 0)
    assert expected_vector([[(4, -2)]], 3) == (4, -2)
    assert expected_vector([[(4, -2), (1, 1)], []], 2) == (1, 0)
    assert expected_vector([[(4, -2), (1, 1)], [(9, 9)]], 2) == (1, 1)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (28, 28), (33, 40)], ids=str)
def test_motion_is_read_as_it_was_written(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(shape[0])
    for block_log2 in (1, 2, 4):
        counts = tuple(-(-n // (1 << block_log2)) for n in shape)
        vectors = rng.integers(-128, 128, (*counts, 2)).astype(np.int32)
        vectors[:, ::2] = vectors[0, 0]
        values = {"predicted_flag": 1, "reference_step": 9} | motion_values(Motion(vectors, block_log2, 0, 1))
        writer = BitWriter()
        write_structure(NATIVE_PREDICTION, writer, values)
        read = read_structure(NATIVE_PREDICTION, BitReader(writer.getvalue()))
        assert np.array_equal(vectors_of(read, 0), vectors)
    assert motion_values(Motion(None, 2, 0, 1)) == {"motion_flag": 0}


def test_vectors_cost_more_the_farther_they_are_from_what_is_expected() -> None:
    bits = vector_bits(np.array([[0, 0], [0, 1], [1, 1], [-5, 5], [-128, 127]]))
    assert bits.tolist() == sorted(bits.tolist())
    assert bits[0] == 1 << 16


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -4), (-3, 5), (1, 1)])
def test_motion_of_all_channels_is_found(down: int, right: int) -> None:
    rng = np.random.default_rng(0)
    wide = rng.gamma(0.4, 300, (24, 60, 60))
    for _ in range(2):  # smooth, as features are
        wide = (wide + np.roll(wide, 1, 1) + np.roll(wide, 1, 2) + np.roll(wide, (1, 1), (1, 2))) / 4
    fine = np.zeros((24, 120, 120))
    fine[:, ::2, ::2], fine[:, 1::2, ::2] = wide, (wide + np.roll(wide, -1, 1)) / 2
    fine[:, :, 1::2] = (fine[:, :, ::2] + np.roll(fine[:, :, ::2], -1, 2)) / 2
    before, after = (fine[:, 20 + r : 76 + r : 2, 20 + c : 76 + c : 2].astype(np.int64)
                     for r, c in ((0, 0), (down, right)))  # fmt: skip
    motion = find_motion(after, before, 1000)
    inner = (np.zeros((14, 14, 2)) if motion.vectors is None else motion.vectors)[3:-3, 3:-3]
    assert np.array_equal(inner, np.broadcast_to([2 * down, 2 * right], inner.shape))
    assert motion.error * 4 < motion.size


def form(shape: tuple[int, int, int]) -> PictureFormat:
    return PictureFormat(*shape[1:], 12, np.dtype(np.uint16), channels=shape[0], time_prediction=True)


def test_a_sample_unlike_the_one_before_is_intra() -> None:
    shape = (20, 8, 8)
    first, other = features(shape), features(shape, 5)
    first[::2], other[1::2] = 0, 0  # what is somewhere in one is nowhere in the other
    pictures = np.concatenate([first, following(first, 1), other, 0 * other, other])
    configuration, payload = NATIVE.encode(pictures, form(shape), EncoderSettings(qp=20))
    place, flags = 0, []
    while place < len(payload):
        header = read_sample(memoryview(payload), place, predicted=shape[1:])
        flags.append(header.prediction is not None)
        place += header.size
    assert flags == [False, True, False, False, False]
    found = NATIVE.decode(configuration, memoryview(payload), len(pictures), form(shape), DecoderSettings())
    assert np.abs(found.astype(int) - pictures).max() < 200


def test_samples_of_other_ranges_are_predicted() -> None:
    shape = (30, 8, 8)
    first = features(shape)
    plain, _ = [SeriesEncoder(universal_start(), 3000, 4095), None]
    sizes = [len(plain.encode(one)) for one in (first, following(first, 1) // 3)]
    alone = SeriesEncoder(universal_start(), 3000, 4095)
    assert sizes[1] < 0.8 * len(alone.encode(following(first, 1) // 3))
    header = read_sample(memoryview(plain.encode(first)), 0, predicted=shape[1:])
    assert header.prediction is not None
    assert 700 < header.prediction["reference_step"] < 1300


def test_what_is_wrong_with_a_prediction_is_told_without_decoding() -> None:
    shape = (9, 3, 4)
    levels = features(shape)
    series = SeriesEncoder(universal_start(), 5000, 4095)
    series.encode(levels)
    predicted = series.encode(following(levels, 1))
    configuration = NATIVE.encode(levels, form(shape), EncoderSettings())[0]
    errors = NATIVE.check(configuration, memoryview(predicted), 9, form(shape))
    assert [error.requirement for error in errors] == ["native.first-intra"]
    with pytest.raises(PayloadError, match=r"native\.first-intra"):
        NATIVE.decode(configuration, memoryview(predicted), 9, form(shape), DecoderSettings())
    plain = replace(form(shape), time_prediction=False)
    assert NATIVE.check(configuration, memoryview(predicted), 9, plain)


def test_what_a_predicted_sample_asks_for_is_counted() -> None:
    shape = (30, 16, 16)
    levels = features(shape)
    _, payload = NATIVE.encode(np.concatenate([levels, following(levels, 1)]), form(shape), EncoderSettings(qp=20))
    first, second = demands_of(payload, 30, predicted=shape[1:])
    assert (first.blocks, second.blocks) == (None, 64)
    assert [one["motion_flag"] for one in predictions_of(payload, *shape[1:])] == [1]
    assert list(predictions_of(payload[:-1] + payload[:4], *shape[1:])) != []  # what cannot be read is passed over


def test_blocks_are_counted_before_their_vectors_are_read() -> None:
    writer = BitWriter()
    for value, bits in ((1, 1), (256, 24), (1, 1), (0, 3)):  # predicted, the step, moved, blocks of 2 x 2
        writer.u(value, bits)
    writer.ue((1 << 20) - 1)
    writer.ue(0)
    writer.align()
    payload = memoryview(writer.getvalue() + bytes(1 << 17))
    with pytest.raises(PayloadError, match=r"native\.motion-blocks") as caught:
        read_sample(payload, 0, predicted=(2, 2))
    assert (caught.value.element, caught.value.bit_offset, caught.value.expected) == ("block_rows_minus1", 29, "0")
