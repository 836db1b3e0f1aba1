"""9.10.4 A receiver: what came is exact, what did not is named, whatever is lost, damaged, repeated or late."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import refsw
from refsw.errors import CapacityError
from refsw.features.decoder import Decoder, Sample
from refsw.syntax.bits import BitReader
from refsw.syntax.codes import UnitType
from refsw.syntax.structures import HEADER_BYTES
from refsw.syntax.units import Unit, UnitReader

Features = Callable[..., Any]
CHOICES: dict[str, dict[str, Any]] = {
    "bands": {"parts": (3, 8), "payload": "zlib"},
    "groups": {"parts": (16, 2), "payload": "stored", "quantizer": "log"},
    "both": {"parts": (5, 3), "payload": "hevc", "qp": 30},
    "channel ranges": {"parts": (4, 3), "payload": "stored", "range_scope": "channel"},
    "elements": {"parts": (4, 3), "payload": "lzma", "quantizer": "none"},
    "digests": {"parts": (8, 4), "payload": "stored", "digest": "sample", "levels_digest": True},
    "whole": {"payload": "zlib", "profile": "resilient"},
    "axes": {"parts": (4, 3), "payload": "stored", "axes": "NHWC"},
}


@pytest.fixture(scope="module")
def samples() -> Any:
    rng = np.random.default_rng(5)
    x = np.maximum(0, rng.normal(size=(5, 8, 10, 12))).astype(np.float32)
    x[2, :, 4:8] = 0
    x[:, 3] = 1.5
    return x


def cut(data: bytes) -> tuple[bytes, list[tuple[Unit, bytes]]]:
    """The header, and every unit with its bytes."""
    units = list(UnitReader(io.BytesIO(data)))
    whole = [data[unit.offset : unit.body_offset + len(unit.body) + 4] for unit in units]
    return data[:HEADER_BYTES], list(zip(units, whole, strict=True))


def part_of(unit: Unit, count: int) -> tuple[int, int]:
    """Sample and part of a unit of the parameter set 0."""
    reader = BitReader(unit.body)
    assert reader.ue() == 0
    return reader.ue(), reader.u(max(1, (count - 1).bit_length())) if unit.type == UnitType.FEATURE_PART else 0


def receive(data: bytes, **choices: Any) -> tuple[list[Sample], Decoder]:
    decoder = Decoder(io.BytesIO(data), incomplete=True, **choices)
    return list(decoder), decoder


def words(array: Any) -> Any:
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def check_exact(found: list[Sample], expected: Any, first: int | None = None) -> None:
    """What is marked is what the whole bitstream gives, the rest is zero bits, and no sample is left out."""
    if found and first is not None:
        assert [sample.index for sample in found] == list(range(first, first + len(found)))
    for sample in found:
        want = words(expected[sample.index])
        got = words(sample.elements)
        mask = np.ones(want.shape, np.bool_) if sample.received is None else sample.received
        assert mask.shape == want.shape
        assert np.array_equal(got[mask], want[mask])
        assert not got[~mask].any()


@pytest.mark.parametrize("name", CHOICES)
def test_nothing_lost_is_what_a_strict_decoder_gives(name: str, samples: Any) -> None:
    data = refsw.encode(samples, **CHOICES[name])
    found, decoder = receive(data)
    expected = refsw.decode(data)
    assert all(sample.received is None and sample.missing == () for sample in found)
    assert np.array_equal(np.stack([sample.elements for sample in found]), expected)
    assert (decoder.losses.any, decoder.losses.ended) == (False, True)


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("seed", range(6))
def test_what_is_missing_is_exactly_what_was_dropped(name: str, seed: int, samples: Any) -> None:
    data = refsw.encode(samples, **CHOICES[name])
    expected, rng = refsw.decode(data), random.Random(seed)
    header, units = cut(data)
    count = refsw.inspect(data).tensors[0].parts_per_sample
    out, dropped = header, set()
    for unit, whole in units:
        if unit.type in (UnitType.FEATURE_PART, UnitType.FEATURE_DATA) and rng.random() < 0.3:
            dropped.add(part_of(unit, count))
        else:
            out += whole
    found, decoder = receive(out)
    check_exact(found, expected)
    missing = {
        (sample.index, part)
        for sample in found
        for part in sample.missing or ((0,) if sample.received is not None else ())
    }
    if found:  # the samples before the first that came are not there
        dropped = {(sample, part) for sample, part in dropped if sample >= found[0].index}
    assert missing == dropped
    assert not any(sample.damaged for sample in found)
    assert decoder.losses.damaged_units == 0
    assert decoder.losses.missing_parts == len(dropped)
    if dropped:
        with pytest.raises(refsw.DfcError) as caught:
            refsw.decode(out)
        assert caught.value.requirement in ("part.complete", "order.samples", "end.sample-counts", "digest.coverage")


@pytest.mark.parametrize("name", ["bands", "both", "digests"])
def test_a_damaged_part_is_told_from_a_lost_one(name: str, samples: Any) -> None:
    data = refsw.encode(samples, **CHOICES[name])
    expected = refsw.decode(data)
    header, units = cut(data)
    count = refsw.inspect(data).tensors[0].parts_per_sample
    places = [i for i, (unit, _) in enumerate(units) if unit.type == UnitType.FEATURE_PART]
    damaged, lost = places[count + 1], places[count + 3]
    parts = [part_of(units[i][0], count)[1] for i in (damaged, lost)]
    changed = bytearray(units[damaged][1])
    changed[-6] ^= 4
    found, decoder = receive(
        header + b"".join(bytes(changed) if i == damaged else whole for i, (_, whole) in enumerate(units) if i != lost)
    )
    check_exact(found, expected, 0)
    assert [sample.missing for sample in found] == [(), tuple(sorted(parts)), (), (), ()]
    assert [sample.damaged for sample in found] == [(), (parts[0],), (), (), ()]
    assert [error.requirement for error in decoder.losses.damaged] == ["unit.crc"]


def test_a_payload_that_does_not_decode_is_not_used(samples: Any) -> None:
    from refsw.syntax.units import pack_unit

    data = refsw.encode(samples, **CHOICES["bands"])
    header, units = cut(data)
    place = next(i for i, (unit, _) in enumerate(units) if unit.type == UnitType.FEATURE_PART)
    unit = units[place][0]
    units[place] = unit, pack_unit(unit.type, bytes(unit.body[:-1]) + b"\0")
    found, decoder = receive(header + b"".join(whole for _, whole in units))
    check_exact(found, refsw.decode(data), 0)
    assert (found[0].missing, found[0].damaged) == ((0,), (0,))
    assert [error.requirement for error in decoder.losses.damaged] == ["bytes.format"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_repeated_and_late_units_are_not_used_twice(samples: Any, jobs: int) -> None:
    data = refsw.encode(samples, **CHOICES["bands"])
    header, units = cut(data)
    parts = [whole for unit, whole in units if unit.type == UnitType.FEATURE_PART]
    late = parts[0]
    out = header + units[0][1]
    for whole in parts:
        out += whole + whole
    found, decoder = receive(out + late + units[-1][1], jobs=jobs)
    check_exact(found, refsw.decode(data), 0)
    assert all(sample.received is None for sample in found)
    assert len(found) == 5
    told = [error.requirement for error in decoder.losses.damaged]
    assert told == ["part.once"] * len(parts) + ["order.access-units"]
    assert (decoder.losses.damaged_units, decoder.losses.incomplete_samples) == (len(told), 0)


def test_a_receiver_that_starts_late_begins_at_the_next_parameter_set(samples: Any) -> None:
    data = refsw.encode(samples, **CHOICES["bands"])
    header, units = cut(data)
    count = refsw.inspect(data).tensors[0].parts_per_sample
    parts = [whole for unit, whole in units if unit.type == UnitType.FEATURE_PART]
    begun = 2 * count + 1
    out = header + b"".join(parts[count:begun]) + units[0][1] + b"".join(parts[begun:]) + units[-1][1]
    found, decoder = receive(out)
    check_exact(found, refsw.decode(data), 2)
    assert [len(sample.missing) for sample in found] == [1, 0, 0]
    assert decoder.losses.damaged_units == 0


def test_an_input_that_ends_anywhere_gives_what_came(samples: Any) -> None:
    data = refsw.encode(samples, **CHOICES["bands"])
    expected = refsw.decode(data)
    for size in range(HEADER_BYTES, len(data), 97):
        found, decoder = receive(data[:size])
        check_exact(found, expected, 0)
        assert not decoder.losses.ended


def test_samples_of_which_nothing_came_are_there_and_all_missing(samples: Any) -> None:
    data = refsw.encode(samples, **CHOICES["bands"])
    header, units = cut(data)
    count = refsw.inspect(data).tensors[0].parts_per_sample
    gone = {1, 3, 4}
    out = header + b"".join(
        whole for unit, whole in units if unit.type != UnitType.FEATURE_PART or part_of(unit, count)[0] not in gone
    )
    found, decoder = receive(out)
    check_exact(found, refsw.decode(data), 0)
    assert [sample.missing == tuple(range(count)) for sample in found] == [False, True, False, True, True]
    assert (decoder.losses.incomplete_samples, decoder.losses.missing_parts) == (3, 3 * count)


def test_constant_channels_have_come_with_the_first_part(samples: Any) -> None:
    data = refsw.encode(samples, **CHOICES["channel ranges"])
    header, units = cut(data)
    parts = [whole for unit, whole in units if unit.type == UnitType.FEATURE_PART]
    found, _ = receive(header + units[0][1] + parts[0] + parts[-1] + units[-1][1])
    check_exact(found, refsw.decode(data), 0)
    for sample in found:
        assert sample.received is not None
        assert sample.received[3].all() == (sample.index in (0, 4))
    assert (found[0].elements[3] == 1.5).all()
    assert found[2].received is not None  # nothing of it came: not even its constant channel
    assert not found[2].received.any()


def test_digests_of_complete_samples_are_checked_all_the_same(samples: Any) -> None:
    data = refsw.encode(samples, **CHOICES["digests"])
    header, units = cut(data)
    last = max(i for i, (unit, _) in enumerate(units) if unit.type == UnitType.DIGEST)
    unit = units[last][0]
    from refsw.syntax.units import pack_unit

    units[last] = unit, pack_unit(unit.type, bytes(unit.body[:-3]) + bytes([unit.body[-3] ^ 1]) + bytes(unit.body[-2:]))
    with pytest.raises(refsw.DfcError) as caught:
        receive(header + b"".join(whole for _, whole in units))
    assert caught.value.requirement == "digest.value"
    first = next(i for i, (unit, _) in enumerate(units) if unit.type == UnitType.FEATURE_PART and i > last - 6)
    found, _ = receive(header + b"".join(whole for i, (_, whole) in enumerate(units) if i != first))
    assert len(found[-1].missing) == 1  # it cannot be checked


def test_what_is_no_matter_of_loss_raises(samples: Any) -> None:
    data = refsw.encode(samples, **CHOICES["bands"])
    for change, requirement in (
        (lambda d: d.__setitem__(8, d[8] ^ 1), "bitstream.header-crc"),
        (lambda d: d.__setitem__(0, 0), "bitstream.signature"),
    ):
        damaged = bytearray(data)
        change(damaged)
        with pytest.raises(refsw.DfcError) as caught:
            receive(bytes(damaged))
        assert caught.value.requirement == requirement
    with pytest.raises(refsw.DfcError) as caught:
        receive(refsw.encode(samples, model_digest=bytes(32), **CHOICES["bands"]), model_digest=bytes([1] * 32))
    assert caught.value.requirement == "fps.model-digest"


def test_a_sample_index_far_ahead_costs_no_time_and_no_memory(samples: Any) -> None:
    from refsw.syntax.structures import FEATURE_PART
    from refsw.syntax.units import pack_body, pack_unit

    data = refsw.encode(samples, **CHOICES["bands"])
    header, units = cut(data)
    values = {"parameter_set_id": 0, "sample_index": 2**32 - 2, "part_index": 0, "part_minimum": 1.0, "payload": b""}
    active = {"range_scope": 0, "quantizer": 1, "part_count": 4}
    far = pack_unit(UnitType.FEATURE_PART, pack_body(FEATURE_PART, values | {"part_maximum": 1.0}, active))
    with pytest.raises(CapacityError):
        receive(header + units[0][1] + units[1][1] + far)


@pytest.mark.parametrize("count", [150, pytest.param(20_000, marks=pytest.mark.slow)])
def test_mutations_never_give_a_wrong_element(samples: Any, count: int) -> None:
    streams = [refsw.encode(samples, **CHOICES[name]) for name in ("bands", "both", "digests", "channel ranges")]
    wanted = [refsw.decode(data) for data in streams]
    exact = 0
    for number in range(count):
        rng = random.Random(number)
        which = rng.randrange(len(streams))
        header, units = cut(streams[which])
        changed = list(mutated([whole for _, whole in units], rng))
        try:
            found, _ = receive(header + b"".join(changed))
        except refsw.DfcError:
            continue
        check_exact(found, wanted[which])
        exact += len(found)
    assert exact > count


def mutated(units: list[bytes], rng: random.Random) -> Iterator[bytes]:
    """Units lost, damaged, repeated, and moved by a few places."""
    loss = rng.choice([0.02, 0.1, 0.4])
    keyed = sorted(enumerate(units), key=lambda item: item[0] + rng.choice([0, 0, 0, 3]) * rng.random())
    for _, whole in keyed:
        chance = rng.random()
        if chance < loss:
            continue
        if chance < loss + 0.05:
            damaged = bytearray(whole)
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            yield bytes(damaged)
            continue
        yield whole
        if chance > 0.97:
            yield whole


VECTORS = Path(__file__).resolve().parents[2] / "test_vectors"


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("name", "told", "missing"),
    [
        ("parts-skippable-part_r1", ["unit.skippable-known"], {0: (0,)}),
        ("parts-single-second_r1", ["fps.single-sample"], {}),
        ("parts-once-after_r1", ["part.once"], {}),
        ("parts-access.units-back_r1", ["order.access-units"], None),
        ("parts-levels-over1_r1", ["level.sample-parts"], {}),
    ],
)
def test_a_unit_that_breaks_a_requirement_is_told_and_not_used(
    name: str, told: list[str], missing: dict[int, tuple[int, ...]] | None, jobs: int
) -> None:
    found, decoder = receive((VECTORS / "resilient" / f"{name}.dfc").read_bytes(), jobs=jobs)
    assert [error.requirement for error in decoder.losses.damaged][: len(told)] == told
    assert decoder.losses.any
    if missing is not None:
        assert {sample.index: sample.missing for sample in found if sample.missing} == missing


def test_the_one_sample_of_a_tensor_is_there_whether_anything_of_it_came_or_not() -> None:
    header, units = cut((VECTORS / "resilient" / "parts-streams-single_r1.dfc").read_bytes())
    (sample,), decoder = receive(header + units[0][1])
    assert sample.received is not None
    assert not sample.received.any()
    assert sample.missing == tuple(sample.parameters.part_numbers)
    assert decoder.losses.incomplete_samples == 1


def test_an_end_with_a_wrong_flag_ends_nothing(samples: Any) -> None:
    from refsw.syntax.units import pack_unit

    header, units = cut(refsw.encode(samples, **CHOICES["bands"]))
    end = pack_unit(UnitType.END_OF_BITSTREAM, bytes(units[-1][0].body), skippable=True)
    found, decoder = receive(header + units[0][1] + units[1][1] + end)
    assert ([sample.index for sample in found], decoder.losses.ended) == ([0], False)
    assert [error.requirement for error in decoder.losses.damaged] == ["unit.skippable-known"]
