"""Streaming, processes, several tensors, time, random access, digests, model digests, limits."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np
import pytest

import refsw
from refsw.errors import CapacityError, ModelStateError
from refsw.features import reconstruct
from refsw.features.decoder import DecoderLimits
from refsw.features.parameters import Parameters, to_values
from refsw.features.reader import BitstreamReader
from refsw.syntax.codes import Level, UnitType
from refsw.syntax.structures import FEATURE_PARAMETER_SET, HEADER_BYTES
from refsw.syntax.units import UnitReader, crc32, pack_body, pack_unit


class Pipe(io.RawIOBase):
    """A stream that cannot seek and gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self.inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: Any) -> int:
        part = self.inner.read(min(len(buffer), 7))
        buffer[: len(part)] = part
        return len(part)


def parts(data: bytes) -> list[tuple[int, bytes]]:
    return [(unit.type, bytes(unit.body)) for unit in UnitReader(io.BytesIO(data))]


def rebuild(data: bytes, units: list[tuple[int, bytes]], level: int | None = None) -> bytes:
    """A bitstream of other units with right CRCs; the last one is the end."""
    header = bytearray(data[:HEADER_BYTES])
    if level is not None:
        header[7] = level
        header[8:] = crc32(bytes(header[:8])).to_bytes(4, "big")
    out, chain = bytes(header), crc32(bytes(header[-4:]))
    for kind, body in units:
        if kind == UnitType.END_OF_BITSTREAM:
            body = body[:-4] + chain.to_bytes(4, "big")
        unit = pack_unit(kind, body)
        chain = crc32(unit[-4:], chain)
        out += unit
    return out


def test_samples_come_from_a_pipe_one_at_a_time(features: Any) -> None:
    x = features(5, 4, 16, 16)
    data = refsw.encode(x, qp=20)
    pipe = Pipe(data)
    whole = refsw.decode(data)
    read = []
    for sample in refsw.Decoder(pipe):  # type: ignore[arg-type]
        read.append(pipe.inner.tell())
        assert np.array_equal(sample.elements, whole[sample.index])
    assert len(read) == 5
    assert read[0] < len(data) / 2


def test_the_encoder_writes_units_as_samples_come(features: Any) -> None:
    x = features(3, 4, 16, 16)
    out = io.BytesIO()
    sizes = []
    with refsw.Encoder(out, {"": refsw.TensorSpec((0, 4, 16, 16), np.float32)}) as encoder:
        for sample in x:
            encoder.write(sample)
            sizes.append(out.tell())
    assert sizes == sorted(set(sizes))
    assert out.getvalue() == refsw.encode(x)


@pytest.mark.parametrize("preset", ["balanced", "native"])
def test_the_number_of_processes_changes_no_byte(features: Any, preset: str) -> None:
    x = features(5, 4, 16, 16)
    data = refsw.encode(x, preset, digest="stream")
    assert refsw.encode(x, preset, digest="stream", jobs=2) == data
    assert np.array_equal(refsw.decode(data, jobs=2), refsw.decode(data))


def test_an_error_in_a_process_is_told_as_it_is(features: Any) -> None:
    x = features(4, 4, 16, 16)
    x[3, 0, 0, 0] = np.nan
    with pytest.raises(refsw.FeatureError, match="sample 3"):
        refsw.encode(x, jobs=2)


def test_several_tensors_keep_names_shapes_and_access_units(features: Any) -> None:
    tensors = {"p3": features(3, 4, 16, 16), "p4": features(3, 8, 8, 8), "vector": features(3, 10)}
    data = refsw.encode(tensors, quantizer="none", payload="zlib")
    decoded = refsw.decode(data)
    assert isinstance(decoded, dict)
    assert list(decoded) == list(tensors)
    assert all(np.array_equal(decoded[name], tensors[name]) for name in tensors)
    order = [(s.index, s.tensor) for s in refsw.Decoder(io.BytesIO(data))]
    assert order == [(i, name) for i in range(3) for name in tensors]


def test_tensors_may_differ_in_samples_and_choices(features: Any) -> None:
    a, b = features(3, 4, 8, 8), features(1, 2, 8, 8)
    out = io.BytesIO()
    exact = refsw.EncoderConfig.preset(quantizer="none", payload="lzma")
    specs = {
        "a": refsw.TensorSpec(a.shape, a.dtype, config=exact),
        "b": refsw.TensorSpec(b.shape, b.dtype, config=exact.replace(payload="gzip")),
    }
    with refsw.Encoder(out, specs) as encoder:
        for i in range(3):
            encoder.write({"a": a[i]} | ({"b": b[i]} if i < 1 else {}))
    decoded = refsw.decode(out.getvalue())
    assert isinstance(decoded, dict)
    assert np.array_equal(decoded["a"], a)
    assert np.array_equal(decoded["b"], b)


def test_a_time_axis_gives_times(features: Any) -> None:
    data = refsw.encode(features(3, 2, 8, 8), axes="TCHW", time_scale=30, time_step=2)
    assert [s.time for s in refsw.Decoder(io.BytesIO(data))] == [0, 2 / 30, 4 / 30]


def test_inter_prediction_pays_on_the_time_axis(features: Any) -> None:
    still = np.repeat(features(1, 4, 32, 32), 6, axis=0)
    intra = refsw.encode(still, qp=22, axes="TCHW")
    inter = refsw.encode(still, qp=22, axes="TCHW", profile="inter", samples_per_unit=6)
    assert len(inter) < len(intra) / 2
    assert refsw.validate(inter).conforming
    assert np.abs(refsw.decode(inter) - still).mean() < 0.05 * still.std()


def test_units_of_different_numbers_of_samples_share_a_stream(features: Any) -> None:
    x = features(7, 4, 32, 32)
    data = refsw.encode(x, qp=22, profile="inter", samples_per_unit=3)
    assert [k for k, _ in parts(data)].count(UnitType.FEATURE_DATA) == 3
    assert refsw.validate(data).conforming


@pytest.mark.parametrize(("first", "last"), [(0, 0), (2, 2), (1, 3), (4, 4)])
def test_random_access_gives_the_same_samples(first: int, last: int, features: Any) -> None:
    data = refsw.encode(features(5, 4, 16, 16), digest="sample")
    whole = refsw.decode(data)
    found = list(refsw.decode_samples(data, first, last))
    assert [s.index for s in found] == list(range(first, last + 1))
    assert all(np.array_equal(s.elements, whole[s.index]) for s in found)


def test_random_access_does_not_read_other_units(features: Any) -> None:
    data = bytearray(refsw.encode(features(5, 4, 16, 16)))
    intact = refsw.decode(bytes(data))
    units = list(UnitReader(io.BytesIO(bytes(data))))
    data[units[2].body_offset + 40] ^= 0xFF  # the unit of sample 1
    assert np.array_equal(next(iter(refsw.decode_samples(bytes(data), 3))).elements, intact[3])
    with pytest.raises(refsw.DfcError) as error:
        list(refsw.decode_samples(bytes(data), 1))
    assert error.value.requirement == "unit.crc"


def test_random_access_reports_a_missing_sample(features: Any) -> None:
    data = refsw.encode(features(2, 4, 16, 16))
    for first, last in [(2, 2), (0, 2), (5, 9)]:
        with pytest.raises(refsw.UsageError, match=r"access\.sample"):
            list(refsw.decode_samples(data, first, last))


def test_random_access_checks_model_and_limits(features: Any) -> None:
    data = refsw.encode(features(2, 4, 16, 16), model_digest=bytes(32))
    with pytest.raises(ModelStateError):
        list(refsw.decode_samples(data, 0, model_digest=bytes(range(32))))
    with pytest.raises(CapacityError):
        list(refsw.decode_samples(data, 0, limits=DecoderLimits(output_bytes=100)))


def test_ranges_by_channel_decode_at_once_however_many(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("points", "reconstruction_table"):
        inner = getattr(reconstruct, name)
        counted = lambda *given, name=name, inner=inner: calls.append(name) or inner(*given)  # noqa: E731
        monkeypatch.setattr(reconstruct, name, counted)
    x = np.random.default_rng(3).standard_normal((2, 4000, 1, 1)).astype(np.float32)
    for quantizer in ("uniform", "log"):
        data = refsw.encode(x, range_scope="channel", quantizer=quantizer, bit_depth=16, payload="stored")
        calls.clear()
        y = refsw.decode(data)
        assert calls == ["points"] * 2  # for all 4,000 channels of a sample
        assert isinstance(y, np.ndarray)
        assert np.abs(x - y).max() < 1e-3


@pytest.mark.parametrize("scope", ["stream", "sample"])
@pytest.mark.parametrize("target", ["tensor", "levels"])
def test_a_wrong_digest_is_found(scope: str, target: str, features: Any) -> None:
    data = refsw.encode(features(3, 4, 16, 16), digest=scope, levels_digest=True)
    assert refsw.validate(data).conforming
    units = parts(data)
    index = [i for i, (kind, _) in enumerate(units) if kind == UnitType.DIGEST][1 if target == "levels" else 0]
    body = bytearray(units[index][1])
    body[-2] ^= 1
    units[index] = (UnitType.DIGEST, bytes(body))
    with pytest.raises(refsw.DfcError) as error:
        refsw.decode(rebuild(data, units))
    assert error.value.requirement == "digest.value"


def test_a_missing_digest_is_found(features: Any) -> None:
    data = refsw.encode(features(3, 4, 16, 16), digest="sample")
    units = parts(data)
    last = [i for i, (kind, _) in enumerate(units) if kind == UnitType.DIGEST][-1]
    del units[last]
    assert [e.requirement for e in refsw.validate(rebuild(data, units)).violations] == ["digest.complete"]


def test_features_of_another_model_are_refused(features: Any) -> None:
    data = refsw.encode(features(1, 2, 8, 8), model_digest=bytes(range(32)))
    assert len(list(refsw.Decoder(io.BytesIO(data), model_digest=bytes(range(32))))) == 1
    with pytest.raises(ModelStateError):
        list(refsw.Decoder(io.BytesIO(data), model_digest=bytes(32)))


def test_a_repeated_parameter_set_changes_nothing(features: Any) -> None:
    data = refsw.encode(features(2, 4, 16, 16))
    units = parts(data)
    again = rebuild(data, [*units[:2], units[0], *units[2:]])
    assert np.array_equal(refsw.decode(again), refsw.decode(data))
    assert refsw.validate(again).conforming


def test_another_parameter_set_of_the_same_id_is_refused(features: Any) -> None:
    data, other = refsw.encode(features(2, 4, 16, 16)), refsw.encode(features(2, 4, 16, 18))
    units = parts(data)
    with pytest.raises(refsw.DfcError) as error:
        refsw.decode(rebuild(data, [*units[:2], parts(other)[0], *units[2:]]))
    assert error.value.requirement == "order.parameter-set-repeated"


def test_unknown_skippable_units_are_ignored_and_others_are_not(features: Any) -> None:
    data = refsw.encode(features(2, 4, 16, 16))
    units = parts(data)

    def with_unit(*, skippable: bool) -> bytes:
        start = data[:HEADER_BYTES]
        out, chain = start, crc32(start[-4:])
        for kind, body in [(100, b"private"), *units]:
            if kind == UnitType.END_OF_BITSTREAM:
                body = body[:-4] + chain.to_bytes(4, "big")
            unit = pack_unit(kind, body, skippable=skippable if kind == 100 else None)
            chain, out = crc32(unit[-4:], chain), out + unit
        return out

    assert np.array_equal(refsw.decode(with_unit(skippable=True)), refsw.decode(data))
    with pytest.raises(refsw.DfcError) as error:
        refsw.decode(with_unit(skippable=False))
    assert (error.value.requirement, error.value.exit_code) == ("unit.unknown", 69)


def test_a_later_minor_version_may_append_elements(features: Any) -> None:
    data = refsw.encode(features(1, 2, 8, 8))
    units = [(k, b + b"new" if k == UnitType.FEATURE_PARAMETER_SET else b) for k, b in parts(data)]
    longer = rebuild(data, units)
    with pytest.raises(refsw.DfcError) as error:
        refsw.decode(longer)
    assert error.value.requirement == "unit.no-rest"
    header = bytearray(longer[:HEADER_BYTES])
    header[5] = 1
    header[8:] = crc32(bytes(header[:8])).to_bytes(4, "big")
    assert np.array_equal(refsw.decode(rebuild(bytes(header), units)), refsw.decode(data))


def test_a_small_stream_cannot_ask_for_more_than_its_level(features: Any) -> None:
    x = np.zeros((1, 2**5, 2**9, 2**7), np.float32)  # constant: 2^21 elements in a few bytes
    data = refsw.encode(x, level="l2")
    assert len(data) < 300
    with pytest.raises(refsw.DfcError) as error:
        refsw.decode(rebuild(data, parts(data), level=1))
    assert error.value.requirement == "level.sample-elements"
    with pytest.raises(CapacityError):
        refsw.Decoder(io.BytesIO(data), limits=DecoderLimits(level=Level.L1))
    with pytest.raises(CapacityError):
        list(refsw.Decoder(io.BytesIO(data), limits=DecoderLimits(output_bytes=1 << 20)))


def test_overhead_stays_small(features: Any) -> None:
    one = refsw.inspect(refsw.encode(features(1, 64, 16, 16))).overhead_bytes
    two = refsw.inspect(refsw.encode(features(2, 64, 16, 16))).overhead_bytes
    assert one < 100
    assert two - one < 24


def test_inspection_of_a_damaged_stream_shows_what_came_before(features: Any) -> None:
    data = refsw.encode(features(3, 4, 16, 16))
    found = refsw.inspect(data[: len(data) // 2])
    assert found.error is not None
    assert found.tensors[0].samples >= 1


def test_configurations_that_do_not_go_together_are_refused(features: Any) -> None:
    x = features(1, 2, 8, 8)
    for choices in [
        {"quantizer": "none"},
        {"bit_depth": 9},
        {"bit_depth": 10, "payload": "jpeg"},
        {"qp": 99, "quantizer": "log"},
        {"bit_depth": 12, "qp": 50, "quantizer": "log"},
        {"grid": (9, 9)},
        {"channel_order": (0, 0)},
        {"clip": 20},
        {"nonsense": 1},
        {"payload": "mp3"},
        {"samples_per_unit": 0},
        {"ranges": ((0.0, 1.0), (0.0, 1.0)), "range_scope": "sequence"},
    ]:
        with pytest.raises(refsw.UsageError):
            refsw.encode(x, **choices)


def test_a_configuration_is_a_value() -> None:
    config = refsw.EncoderConfig.preset("balanced", qp=30)
    assert config == refsw.EncoderConfig.preset("balanced").replace(qp=30)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.clip = 1  # type: ignore[misc]


def with_unit(data: bytes, kind: UnitType, change: Any, minor: int = 0) -> bytes:
    """The bitstream with one unit's body changed, and all CRCs right."""
    head = data[:5] + bytes([minor]) + data[6:8]
    out = head + crc32(head).to_bytes(4, "big")
    chain = crc32(out[8:])
    for number, body in parts(data):
        if number == kind:
            body = change(body)
        if number == UnitType.END_OF_BITSTREAM:
            body = body[:-4] + chain.to_bytes(4, "big")
        unit = pack_unit(number, body)
        chain = crc32(unit[-4:], chain)
        out += unit
    return out


def test_parameter_sets_of_hevc_are_checked_even_if_all_samples_are_constant() -> None:
    data = refsw.encode(np.full((1, 2, 16, 16), 3, np.float32), bit_depth=8)
    assert refsw.decode(data).shape == (1, 2, 16, 16)
    p = next(content for content in BitstreamReader(io.BytesIO(data)) if isinstance(content, Parameters))
    other = pack_body(FEATURE_PARAMETER_SET, to_values(dataclasses.replace(p, configuration=b"\2" + p.configuration)))
    damaged = with_unit(data, UnitType.FEATURE_PARAMETER_SET, lambda _: other)
    with pytest.raises(refsw.DfcError) as caught:
        refsw.decode(damaged)
    assert caught.value.requirement == "hevc.start-code"


def test_negative_zero_has_no_meaning_in_a_later_version_either() -> None:
    x = np.linspace(0, 1, 32, dtype=np.float32).reshape(1, 2, 4, 4)
    data = refsw.encode(x, payload="stored", range_scope="sample", quantizer="uniform")
    damaged = with_unit(data, UnitType.FEATURE_DATA, lambda body: _negative_zero(body), minor=1)
    with pytest.raises(refsw.DfcError) as caught:
        refsw.decode(damaged)
    assert caught.value.requirement == "feature_data.sample_minimum"
    assert caught.value.exit_code == 65


def _negative_zero(body: bytes) -> bytes:
    assert body[0] == 0b11100000  # set 0, first sample 0, one sample; then the minimum, 0.0, from bit 3
    return bytes([0b11110000]) + body[1:]


def test_pictures_of_a_unit_are_counted_in_units_alone() -> None:
    empty = refsw.encode(np.zeros((0, 5000, 1, 1), np.float32), payload="stored", layout="sequence", level="l2")
    head = empty[:7] + b"\1"
    level_1 = with_unit(head + crc32(head).to_bytes(4, "big") + empty[12:], UnitType.METADATA, bytes)
    assert refsw.decode(level_1).shape == (0, 5000, 1, 1)
    with pytest.raises(refsw.UsageError, match="unit-pictures"):
        refsw.encode(np.zeros((1, 5000, 1, 1), np.float32), payload="stored", layout="sequence", level="l1")
