"""8.6 The native payload: the decoder that works in steps gives what the text gives value by value."""

from __future__ import annotations

import hashlib
import math
import zlib
from dataclasses import replace

import numpy as np
import pytest
from native_scalar import ALL_THRESHOLDS, Scalar, frequencies, magnitude

import refsw
from refsw.errors import DfcError, ErrorClass, PayloadError, UnsupportedError, UsageError
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat
from refsw.payload.native import scale
from refsw.payload.native.codec import demands_of
from refsw.payload.native.configuration import (
    pack_configuration,
    pack_parameters,
    parameters_start,
    start_of,
)
from refsw.payload.native.contexts import group_bounds
from refsw.payload.native.decoder import SampleDecoder, read_sample
from refsw.payload.native.encoder import Costs, SampleEncoder
from refsw.payload.native.parameters import Start
from refsw.payload.native.starts import sparse_start, universal_start
from refsw.payload.native.training import Sized, Training, layer_start
from refsw.payload.registry import codec
from refsw.syntax.codes import NativeStart, PayloadCodec
from refsw.tensor.axes import Array

SHAPES = [(1, 1, 1), (40, 1, 1), (3, 1, 7), (3, 6, 1), (35, 4, 5), (40, 3, 3), (33, 2, 2), (5, 7, 6)]
NATIVE = codec(PayloadCodec.NATIVE)


def features(shape: tuple[int, ...], seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    sizes = rng.gamma(0.3, 200, shape) * rng.gamma(0.5, 2, (shape[0],) + (1,) * (len(shape) - 1))
    return np.clip(sizes, 0, 4095).astype(np.uint16)


def signed(shape: tuple[int, ...]) -> Array:
    rng = np.random.default_rng(1)
    return np.clip(2048 + features(shape) * rng.choice([-0.3, 0.3], shape), 0, 4095).astype(np.uint16)


def layer(channels: int) -> Start:
    """Parameters of a layer, at random."""
    rng, universal = np.random.default_rng(channels), universal_start()
    firsts = np.concatenate([np.full(last - first, first) for first, last in group_bounds(channels)])
    places = np.array([[rng.integers(0, first) if first else 0 for _ in range(3)] for first in firsts], np.int32)
    weights = np.where(firsts[:, None] > 0, rng.integers(0, 256, (channels, 3)), 0).astype(np.int32)
    return replace(
        universal, channels=channels, priors=rng.integers(10, 50, channels).astype(np.uint8),
        classes=rng.integers(0, 2, channels).astype(np.uint8), codes=universal.codes + universal.codes[::-1],
        points=universal.points + rng.integers(-9, 9, universal.points.shape).astype(np.int32),
        references=np.where(weights > 0, places, 0).astype(np.int32), reference_weights=weights,
        weights=rng.integers(0, 400, (2, 4, 9)).astype(np.int32),
    )  # fmt: skip


def form(shape: tuple[int, ...], depth: int = 12) -> PictureFormat:
    channels, height, width = shape
    return PictureFormat(height, width, depth, np.dtype(np.uint8 if depth <= 8 else np.uint16), channels=channels)


def decoded(configuration: bytes, payload: bytes, shape: tuple[int, ...], depth: int = 12, count: int = 1) -> Array:
    settings = DecoderSettings()
    return NATIVE.decode(configuration, memoryview(payload), count * shape[0], form(shape, depth), settings)


UNIVERSAL_CRC, SPARSE_CRC = 0x333D1A3A, 0xC228AC31
UNIVERSAL = pack_configuration(NativeStart.UNIVERSAL)


@pytest.mark.parametrize("own", [False, True], ids=["universal", "layer"])
@pytest.mark.parametrize("zero", [None, 2048], ids=["unsigned", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_decoder_gives_what_the_text_gives(shape: tuple[int, int, int], zero: int | None, own: bool) -> None:
    start = layer(shape[0]) if own else universal_start()
    levels = features(shape) if zero is None else signed(shape)
    data = SampleEncoder(start, Costs(start)).encode(levels, 5000, zero)
    header = read_sample(memoryview(data), 0)
    states, words = (np.frombuffer(part, kind).astype(int).tolist()
                     for part, kind in ((header.states, ">u4"), (header.words, ">u2")))  # fmt: skip
    scalar = Scalar(start, header.values, states, words, "".join(f"{byte:08b}" for byte in header.raw))
    expected = np.array(scalar.levels(*shape, top=4095))
    assert np.array_equal(SampleDecoder(start, header, shape).levels(4095), expected)
    assert set(scalar.states) == {1 << 16}
    assert (scalar.words, scalar.raw.strip("0")) == ([], "")
    assert np.abs(expected - levels.astype(int)).max() <= 3 * 5000 / 256


def test_numbers_are_those_of_the_text() -> None:
    assert scale.magnitudes().tolist() == [magnitude(c) for c in range(64)]
    assert scale.thresholds().tolist() == ALL_THRESHOLDS
    rng = np.random.default_rng(0)
    for size in (1, 2, 63, 64):
        codes = rng.integers(0, 256, size).astype(np.uint8).tobytes()
        assert scale.frequencies(codes) == frequencies(codes)
        assert sum(frequencies(codes)) == 4096
        assert min(frequencies(codes)) >= 1
    values = np.arange(1 << 16)
    tokens = scale.tokens()
    rests = values - scale.token_bases()[tokens]
    assert (rests >= 0).all()
    assert (rests < 1 << scale.token_bits()[tokens]).all()


def test_codes_reach_all_probabilities() -> None:
    shares = [scale.probability(code) / (1 << 20) for code in range(256)]
    assert shares == sorted(shares)
    assert [scale.nearest_code(share) for share in shares] == list(range(256))
    assert (scale.nearest_code(0.0), scale.nearest_code(1.0)) == (0, 255)


@pytest.mark.parametrize("depth", [1, 8, 12, 16])
@pytest.mark.parametrize("shape", [*SHAPES, (64, 8, 9), (1, 40, 30)], ids=str)
@pytest.mark.parametrize("effort", ["balanced", "fast"])
def test_errors_stay_within_some_steps(shape: tuple[int, int, int], depth: int, effort: str) -> None:
    rng, top = np.random.default_rng(0), (1 << depth) - 1
    dtype = np.uint8 if depth <= 8 else np.uint16
    for draw in (rng.gamma(0.4, 1, (2 * shape[0], *shape[1:])), rng.normal(size=(2 * shape[0], *shape[1:]))):
        unit = (draw - min(0, draw.min())) / (draw.max() - min(0, draw.min()) or 1)
        levels = np.rint(unit * top).astype(dtype)
        for qp in (-20, 10, 37):
            settings = EncoderSettings(qp=qp, effort=effort)
            configuration, payload = NATIVE.encode(levels, form(shape, depth), settings)
            assert NATIVE.check(configuration, memoryview(payload), len(levels), form(shape, depth)) == []
            out = decoded(configuration, payload, shape, depth, 2)
            step = 2 ** ((qp - 4) / 6 + depth - 8)
            assert out.dtype == dtype
            assert np.abs(out.astype(int) - levels).max() <= 4 * max(step, 1) + 1


@pytest.mark.parametrize("value", [0, 1, 4095])
def test_a_sample_of_one_value_is_coded(value: int) -> None:
    levels = np.full((7, 3, 2), value, np.uint16)
    configuration, payload = NATIVE.encode(levels, form((7, 3, 2)), EncoderSettings(qp=4))
    assert np.abs(decoded(configuration, payload, (7, 3, 2)).astype(int) - value).max() <= 30


def test_a_level_beyond_every_table_escapes() -> None:
    levels = np.zeros((40, 4, 4), np.uint16)
    levels[3, 2, 2] = levels[39, 0, 3] = 65535
    data = SampleEncoder(universal_start(), Costs(universal_start())).encode(levels, 256, None)
    out = decoded(UNIVERSAL, data, (40, 4, 4), 16)
    assert abs(int(out[3, 2, 2]) - 65535) <= 1
    assert abs(int(out[39, 0, 3]) - 65535) <= 1


@pytest.mark.parametrize("channels", [1, 5, 33, 70])
def test_parameters_survive_being_written(channels: int) -> None:
    start = layer(channels)
    data = pack_parameters(start)
    again = parameters_start(data)
    assert pack_parameters(again) == data
    assert again.codes == start.codes
    for name in ("weights", "points", "priors", "classes", "references", "reference_weights"):
        assert np.array_equal(getattr(again, name), getattr(start, name)), name
    sent = start_of(pack_configuration(NativeStart.SENT, data), {})
    assert pack_parameters(sent) == data


def test_parameters_are_sent_or_named() -> None:
    shape = (9, 3, 4)
    data = pack_parameters(layer(9))
    levels = features(shape)
    sent = NATIVE.encode(levels, form(shape), EncoderSettings(native=data))
    named = NATIVE.encode(levels, form(shape), EncoderSettings(native=data, named=True))
    assert sent[1] == named[1]
    assert len(named[0]) == 33
    known = {hashlib.sha256(data).digest(): data}
    count, own = len(levels), form(shape)
    out = NATIVE.decode(named[0], memoryview(named[1]), count, own, DecoderSettings(known=known))
    assert np.array_equal(out, decoded(*sent, shape))
    with pytest.raises(UnsupportedError) as caught:
        decoded(*named, shape)
    assert caught.value.requirement == "named.unknown"
    assert hashlib.sha256(data).hexdigest() in str(caught.value)


def test_parameters_for_another_number_of_channels_are_refused() -> None:
    data = pack_parameters(layer(8))
    with pytest.raises(UsageError, match="for 8 channels; there are 9"):
        NATIVE.encode(features((9, 3, 4)), form((9, 3, 4)), EncoderSettings(native=data))


@pytest.mark.parametrize(("references", "most"), [(2, 6000), (0, 2000)])
def test_parameters_that_are_learned_take_fewer_bytes(references: int, most: int) -> None:
    rng = np.random.default_rng(5)
    means = rng.gamma(0.5, 300, (64, 1, 1))
    samples = [np.clip(means * rng.gamma(0.5, 1, (64, 8, 8)), 0, 4095).astype(np.uint16) for _ in range(6)]
    universal = universal_start()
    start = layer_start(universal, [Sized(s, 20_000, None) for s in samples[:4]], Training(references, 2, 4))
    assert len(pack_parameters(start)) < most
    sizes = [sum(len(SampleEncoder(one, Costs(one)).encode(s, 20_000, None)) for s in samples[4:])
             for one in (universal, start)]  # fmt: skip
    assert sizes[1] < 0.97 * sizes[0]


# --- what a payload can be wrong in ---


def coded(shape: tuple[int, ...] = (9, 5, 4), qp: int = 30) -> bytes:
    return NATIVE.encode(features(shape), form(shape), EncoderSettings(qp=qp))[1]


def test_every_truncation_is_noticed() -> None:
    payload = coded()
    for size in range(len(payload)):
        with pytest.raises(PayloadError) as caught:
            decoded(UNIVERSAL, payload[:size], (9, 5, 4))
        assert caught.value.requirement in ("native.sample", "native.trailing")
        assert caught.value.error_class in (ErrorClass.TRUNCATED, ErrorClass.TRAILING_DATA)


def test_damage_is_typed_and_hardly_ever_unnoticed() -> None:
    payload, rng, silent = coded(), np.random.default_rng(0), 0
    for _ in range(1500):
        damaged = bytearray(payload)
        for _ in range(int(rng.integers(1, 4))):
            damaged[rng.integers(len(damaged))] = int(rng.integers(256))
        try:
            out = decoded(UNIVERSAL, bytes(damaged), (9, 5, 4))
        except DfcError as error:
            assert error.requirement.startswith(("native", "descriptor"))
            continue
        assert out.shape == (9, 5, 4)
        silent += damaged != payload
    assert silent < 600  # signs, raw bits, step, and codes of classes that do not occur stay unnoticed without a digest


def test_configurations_of_any_bytes_are_typed() -> None:
    rng = np.random.default_rng(1)
    good = pack_configuration(NativeStart.SENT, pack_parameters(layer(9)))
    for i in range(600):
        data = bytearray(good if i % 2 else rng.bytes(int(rng.integers(0, 60))))
        if i % 2:
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        try:
            start_of(bytes(data), {})
        except DfcError as error:
            assert error.requirement.startswith(("native", "descriptor"))


@pytest.mark.parametrize(("start", "crc"), [(universal_start(), UNIVERSAL_CRC), (sparse_start(), SPARSE_CRC)])
def test_the_starts_are_what_was_fixed(start: Start, crc: int) -> None:
    text = start.weights.tobytes() + start.points.tobytes() + b"".join(start.codes)
    assert [len(start.codes), start.weights.shape, start.points.shape] == [144, (2, 4, 9), (48, 4)]
    assert zlib.crc32(text) == crc
    assert not math.isnan(float(start.points.mean()))


def test_the_start_is_the_one_that_suits_the_first_sample() -> None:
    rng = np.random.default_rng(3)
    shape = (64, 8, 8)
    after_relu = np.where(rng.random(shape) < 0.1, rng.gamma(1.0, 20.0, shape), 0).astype(np.float32)
    signs = rng.standard_normal(shape).astype(np.float32)
    for sample, kind in ((after_relu, NativeStart.SPARSE), (signs, NativeStart.UNIVERSAL)):
        data = refsw.encode(sample, "native", axes="CHW", qp=30)
        rows = refsw.inspect(data, trace=True).rows
        assert [row.value for row in rows if row.element == "native_start"] == [kind]
        assert np.abs(refsw.decode(data) - sample).max() < 0.15 * sample.max()


def test_channels_that_are_zero_are_no_work() -> None:
    sparse = np.zeros((2048, 7, 7), np.float32)
    sparse[::97, 3, 3], sparse[0, 0, 0] = 1, 8
    data = refsw.encode(sparse, "native", axes="CHW", qp=48)
    assert len(data) < 300
    assert refsw.decode(data).shape == sparse.shape  # by the limits that hold for every decoder


def test_what_a_unit_asks_for_is_counted_in_bounded_steps() -> None:
    one = coded((9, 5, 4))
    first, *_ = demands_of(one, 9)
    assert first.coded <= 9
    many = demands_of(one * 5000, 9)  # of every sample, however many
    assert len(many) == 5000
    assert many[0] == first
    assert many[-1] == replace(first, coded=9)
