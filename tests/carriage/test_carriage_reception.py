"""14.6, 14.7: what a receiver makes of packets of which some are missing, late, repeated or of others."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

import refsw
from refsw.carriage.depacketizer import Bounds, Depacketizer
from refsw.carriage.reception import Receiver
from refsw.carriage.session import read_session
from refsw.errors import CapacityError, DfcError, ModelStateError
from refsw.features.decoder import DecoderLimits
from refsw.profiles import Allowance
from refsw.syntax.bits import BitWriter
from refsw.syntax.carriage_structures import PacketType
from refsw.syntax.codes import Level, RangeScope, UnitType
from refsw.syntax.units import crc32, pack_unit
from tests.carriage.carrying import (
    PLAIN,
    SOURCE,
    bitstream,
    carry,
    encoded,
    features,
    held,
    parsed,
    pyramid,
    receive,
    restored,
)

SAMPLES = 8
DATA = bitstream(SAMPLES)
WHOLE = refsw.decode(DATA)
PACKETS = carry(DATA)
SESSIONS = [packet.kind.session for packet in parsed(PACKETS)]


def sample_of(packet: bytes) -> int | None:
    """The sample that a packet carries something of; None for session descriptions, the parameter set, the end."""
    [found] = parsed([packet])
    ticks = (found.timestamp - SOURCE.timestamp_base) % 2**32
    a_set = found.kind.type is PacketType.SINGLE and found.body[0] >> 1 == UnitType.FEATURE_PARAMETER_SET
    return None if found.kind.session or a_set or ticks == SAMPLES * 3000 else ticks // 3000


def right(tensors: dict[str, np.ndarray], whole: np.ndarray = WHOLE) -> None:
    """What came is right, and what did not is 0."""
    first = int(tensors["x@first"][0])
    expected = np.where(tensors["x@mask"], whole[first : first + len(tensors["x"])], np.float32(0))
    assert expected.tobytes() == tensors["x"].tobytes()


@pytest.mark.parametrize("gone", range(len(PACKETS)))
def test_a_packet_that_is_lost_takes_its_own_sample_and_no_other(gone: int) -> None:
    tensors, receiver = receive(PACKETS[:gone] + PACKETS[gone + 1 :])
    assert held(tensors) == [i != sample_of(PACKETS[gone]) for i in range(SAMPLES)]
    right(tensors)
    # Of the first packets it is not known that there were any before, nor of the last that there were any after.
    assert receiver.statistics.lost == (0 < gone < len(PACKETS) - 1)
    # Session descriptions and repetitions of the end are no part of the bitstream.
    assert receiver.complete == (SESSIONS[gone] or gone >= len(PACKETS) - 2)


@pytest.mark.parametrize("seed", range(30))
def test_what_is_missing_is_exactly_what_was_dropped(seed: int) -> None:
    rng = random.Random(seed)
    kept = [packet for packet in PACKETS if rng.random() > 0.2]
    kept = PACKETS[:1] + kept if PACKETS[0] not in kept else kept
    tensors, _ = receive(kept)
    lost = {sample_of(packet) for packet in PACKETS if packet not in kept}
    last = max((i for i in range(SAMPLES) if i not in lost), default=-1)
    ended = PACKETS[-1] in kept or PACKETS[-2] in kept
    assert held(tensors) == [i not in lost for i in range(SAMPLES if ended else last + 1)]
    right(tensors)


def test_the_bitstream_is_not_made_of_packets_of_which_one_is_missing() -> None:
    for gone in (2, 5, len(PACKETS) - 4):
        with pytest.raises(DfcError) as caught:
            restored(PACKETS[:gone] + PACKETS[gone + 1 :])
        assert caught.value.requirement == "carriage.complete"


@pytest.mark.parametrize("seed", range(5))
def test_reordering_and_repetition_change_nothing(seed: int) -> None:
    rng = random.Random(seed)
    packets = PACKETS + rng.sample(PACKETS, 10)
    order = sorted(range(len(PACKETS)), key=lambda i: i + rng.random() * 20)
    packets = [PACKETS[i] for i in order]
    for packet in rng.sample(PACKETS, 8):
        packets.insert(rng.randrange(len(packets) + 1), packet)
    assert restored(packets) == DATA


def shuffled(packets: list[bytes], rng: random.Random) -> list[bytes]:
    """Some lost, some twice, some late, some damaged."""
    out = [p for p in packets for _ in range(rng.choices([0, 1, 2], [10, 85, 5])[0])]
    for place in rng.sample(range(len(out)), 3):
        out.insert(rng.randrange(len(out)), out.pop(place))
    changed = bytearray(out[rng.randrange(len(out))])
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return [*out, bytes(changed)]


@pytest.mark.parametrize("seed", range(12))
def test_packets_taken_together_are_taken_as_one_after_the_other(seed: int) -> None:
    rng = random.Random(seed)
    data = refsw.encode(np.random.default_rng(seed).random((6, 3, 20, 20), np.float32), payload="stored")
    come = [(0.01 * i, p) for i, p in enumerate(shuffled(carry(data, packet_bytes=rng.choice([200, 700])), rng))]
    single, together = Depacketizer(), Depacketizer()
    one = [item for arrival, packet in come for item in single.put(packet, arrival)]
    size = rng.choice([1, 2, 7, 64])
    all_of = [item for i in range(0, len(come), size) for item in together.put_all(come[i : i + size])]
    assert one
    assert all_of == one
    assert together.finish() == single.finish()
    assert (together.statistics, together.damaged) == (single.statistics, single.damaged)


def test_what_comes_before_the_session_description_is_kept() -> None:
    sessions = [packet for packet, session in zip(PACKETS, SESSIONS, strict=True) if session]
    units = [packet for packet, session in zip(PACKETS, SESSIONS, strict=True) if not session]
    tensors, _ = receive(units + sessions)
    assert held(tensors) == [True] * SAMPLES
    few = Receiver(bounds=Bounds(early_bytes=500, window=4))
    after = sessions[-1][:2] + (units[-1][2:4]) + sessions[-1][4:]  # with the number of the last
    tensors, _ = receive([*units[:-1], after], few)
    right(tensors)
    assert few.statistics.damaged > 0


@pytest.mark.parametrize("join", range(3, len(PACKETS) - 2))
def test_a_receiver_that_starts_late_joins_at_the_next_session_description(join: int) -> None:
    came = PACKETS[join:]
    described = [place for place, packet in enumerate(came) if parsed([packet])[0].kind.session]
    if not described:
        with pytest.raises(DfcError) as caught:
            receive(came)
        assert caught.value.requirement == "carriage.tensors"
        return
    tensors, _ = receive(came)
    parts = {i: sum(sample_of(packet) == i for packet in PACKETS) for i in range(SAMPLES)}
    whole = [i for i in range(SAMPLES) if sum(sample_of(packet) == i for packet in came) == parts[i]]
    first = int(tensors["x@first"][0])
    assert first == min(4, whole[0])
    assert [first + i for i, there in enumerate(held(tensors)) if there] == whole
    right(tensors)


def test_without_the_end_the_samples_are_those_up_to_the_last_that_came() -> None:
    last = max(place for place, packet in enumerate(PACKETS) if sample_of(packet) == 5)
    tensors, receiver = receive(PACKETS[: last + 1])
    assert held(tensors) == [True] * 6
    assert not receiver.ended


def test_the_end_tells_how_many_are_missing_after_the_last() -> None:
    tensors, receiver = receive(packet for packet in PACKETS if sample_of(packet) not in (3, 6, 7))
    assert held(tensors) == [True, True, True, False, True, True, False, False]
    assert receiver.ended
    assert not receiver.complete
    assert receiver.statistics.samples == 5


# --- others ---


def restarted(**changes: int) -> list[bytes]:
    return carry(bitstream(SAMPLES, seed=9), timestamp_base=77, **changes)


@pytest.mark.parametrize(
    "changes",
    [{"bitstream_number": 8}, {"ssrc": 5}, {"first_sequence": 1000}, {"first_sequence": 65_530}],
    ids=["number", "source", "same source and number, other time", "and the same sequence numbers"],
)
def test_packets_of_another_bitstream_add_nothing(changes: dict[str, int]) -> None:
    others = restarted(**changes)
    mixed = [packet for pair in zip(PACKETS, others, strict=True) for packet in pair]
    after = PACKETS + others
    half = PACKETS[: len(PACKETS) // 2] + others
    for packets in (mixed, after, half):
        tensors, receiver = receive(packets)
        right(tensors)
        assert receiver.statistics.foreign or receiver.problems or receiver.statistics.repeated or receiver.complete
    if "first_sequence" not in changes:
        assert restored(mixed) == DATA


def test_which_bitstream_it_is_the_first_session_description_says_unless_the_source_is_told() -> None:
    others = restarted(ssrc=5)
    other = refsw.decode(bitstream(SAMPLES, seed=9))
    tensors, _ = receive(others + PACKETS)
    right(tensors, other)
    tensors, receiver = receive(others + PACKETS, Receiver(ssrc=SOURCE.ssrc))
    right(tensors)
    assert held(tensors) == [True] * SAMPLES
    assert receiver.statistics.foreign == len(others)


def test_a_session_description_of_another_bitstream_is_ignored() -> None:
    place = next(i for i, session in enumerate(SESSIONS) if session and i > 3)
    for other in (encoded({"y": features(8, 3, 5, 10)}), bitstream(SAMPLES, replace(PLAIN, level=Level.L2))):
        session = carry(other, packet_bytes=1200)[0]
        packets = [*PACKETS[:place], session[:2] + PACKETS[place][2:4] + session[4:], *PACKETS[place + 1 :]]
        tensors, _ = receive(packets)
        assert set(tensors) == {"x", "x@mask", "x@first"}
        assert held(tensors) == [True] * SAMPLES
        assert restored(packets) == DATA


def packet_of(unit: bytes, sample: int, sequence: int) -> bytes:
    """A single packet with a unit, forged into the stream."""
    timestamp = (SOURCE.timestamp_base + 3000 * sample) % 2**32
    head = bytes([0x80, 96]) + (sequence % 65536).to_bytes(2, "big") + timestamp.to_bytes(4, "big")
    return head + SOURCE.ssrc.to_bytes(4, "big") + bytes([0b00101100, SOURCE.bitstream_number]) + unit


FORGED = {
    "a sample of long ago": (pack_unit(UnitType.FEATURE_DATA, b"\xff"), 0),
    "a sample far ahead": (pack_unit(UnitType.FEATURE_DATA, bytes([0b10000000, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x80])), 7),
    "no payload": (pack_unit(UnitType.FEATURE_DATA, b"\xff\0\0\0\0\x3f\x80\0\0"), 0),
    "another parameter set": (pack_unit(UnitType.FEATURE_PARAMETER_SET, b"\x80" * 40), 3),
    "nothing": (pack_unit(UnitType.FEATURE_DATA, b""), 3),
    "an end at another time": (pack_unit(UnitType.END_OF_BITSTREAM, b"\x80\0\0\0\0"), 3),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_unit_with_a_right_crc_that_does_not_fit_is_not_used(kind: str) -> None:
    unit, sample = FORGED[kind]
    packets = list(PACKETS)
    # It takes the number of a session description in the middle, which nobody misses.
    place = next(i for i, session in enumerate(SESSIONS) if session and i > 3)
    packets[place] = packet_of(unit, sample, SOURCE.first_sequence + place)
    tensors, receiver = receive(packets)
    assert held(tensors) == [True] * SAMPLES
    right(tensors)
    assert receiver.problems


def test_a_sample_after_very_many_that_are_missing_is_beyond_bounds() -> None:
    far, body = 3_000_000, BitWriter()
    for value in (0, far, 0):
        body.ue(value)
    body.align()
    unit = pack_unit(UnitType.FEATURE_DATA, body.getvalue() + bytes(100))
    forged = packet_of(unit, far, SOURCE.first_sequence + len(PACKETS) - 2)
    tensors, receiver = receive([*PACKETS[:-2], forged])
    assert [e.requirement for e in receiver.problems] == ["carriage.bounds"]
    assert held(tensors) == [True] * SAMPLES


def data_unit(tensor: int, sample: int) -> bytes:
    """A unit with a sample of a tensor of 100 elements of 8 bits, as `bitstream` makes them, all of level 0."""
    body = BitWriter()
    for value in (tensor, sample, 0):
        body.ue(value)
    body.align()
    return pack_unit(UnitType.FEATURE_DATA, body.getvalue() + bytes(100))


def described_place(packets: list[bytes]) -> int:
    """Where a session description stands in the middle, whose number a forged packet can take."""
    return next(i for i, packet in enumerate(parsed(packets)) if packet.kind.session and i > 6)


@pytest.mark.parametrize(("tensor", "sample"), [(0, 3), (1, 3), (0, 2)], ids=["again", "again, other", "before"])
def test_samples_that_came_or_are_past_are_not_taken(tensor: int, sample: int) -> None:
    config = replace(PLAIN, range_scope=RangeScope.SEQUENCE, ranges=((-5.0, 5.0),))
    data = encoded({"x": features(6, 2, 5, 10), "y": features(6, 2, 5, 10, seed=1)}, config)
    whole, packets = refsw.decode(data), carry(data)
    place = described_place(packets)
    packets[place] = packet_of(data_unit(tensor, sample), sample, SOURCE.first_sequence + place)
    tensors, receiver = receive(packets)
    assert [error.requirement for error in receiver.problems] == ["carriage.samples"]
    for name, array in whole.items():
        assert tensors[name].tobytes() == array.tobytes()


def test_units_without_samples_have_to_come_at_the_time_of_some_access_unit() -> None:
    place = described_place(PACKETS)
    metadata = pack_unit(UnitType.METADATA, b"\0\1k\0\1t")
    for ticks, used in ((3000 * 4, True), (3000 * 4 + 1, False)):
        packets = list(PACKETS)
        forged = bytearray(packet_of(metadata, 0, SOURCE.first_sequence + place))
        forged[4:8] = ((SOURCE.timestamp_base + ticks) % 2**32).to_bytes(4, "big")
        packets[place] = bytes(forged)
        _, receiver = receive(packets)
        assert [error.requirement for error in receiver.problems] == ([] if used else ["carriage.time-agrees"])


# --- out of band ---


def test_parameter_sets_out_of_band_are_as_good_as_those_of_session_descriptions() -> None:
    packets = carry(DATA, in_band=False)
    [sets] = {read_session(p.body).parameter_sets for p in parsed(carry(DATA, packet_bytes=1200)) if p.kind.session}
    set_packet = next(i for i, p in enumerate(parsed(packets)) if not p.kind.session)
    without = packets[:set_packet] + packets[set_packet + 1 :]
    tensors, _ = receive(without, Receiver(parameter_sets=sets))
    assert held(tensors) == [True] * SAMPLES
    right(tensors)
    with pytest.raises(DfcError):
        receive(without)
    other = read_session(next(p.body for p in parsed(carry(encoded({"y": features(8, 3, 5, 10)}), packet_bytes=1200))))
    tensors, receiver = receive(packets, Receiver(parameter_sets=other.parameter_sets))
    assert receiver.problems
    assert set(tensors) == {"y", "y@mask", "y@first"}


# --- what decoding asks for ---


def test_several_tensors_each_have_their_own_mask() -> None:
    data = pyramid()
    whole = refsw.decode(data)
    packets = carry(data, packet_bytes=120, aggregate=False)
    for gone in range(4, len(packets) - 2, 3):
        tensors, receiver = receive(packets[:gone] + packets[gone + 1 :])
        for name, array in whole.items():
            mask = tensors[f"{name}@mask"]
            assert mask.shape == array.shape
            assert np.where(mask, array, np.float32(0)).tobytes() == tensors[name].tobytes()
        assert sum(6 - sum(held(tensors, name)) for name in whole) <= 1
        assert not receiver.problems


def test_a_digest_is_compared_where_all_that_it_covers_has_come() -> None:
    data = pyramid()
    packets = carry(data, packet_bytes=1200, aggregate=False)
    digests = [i for i, p in enumerate(parsed(packets)) if not p.kind.session and p.body[0] >> 1 == UnitType.DIGEST]
    place = digests[0]
    unit = bytearray(parsed([packets[place]])[0].body)
    unit[-9] ^= 1
    unit[-4:] = crc32(bytes(unit[:-4])).to_bytes(4, "big")
    forged = packets[place][:14] + bytes(unit)
    with pytest.raises(DfcError) as caught:
        receive([*packets[:place], forged, *packets[place + 1 :]])
    assert caught.value.requirement == "digest.value"
    # Without the samples, there is nothing to compare.
    data_before = [i for i in range(place) if not parsed([packets[i]])[0].kind.session
                   and parsed([packets[i]])[0].body[0] >> 1 == UnitType.FEATURE_DATA]  # fmt: skip
    kept = [p for i, p in enumerate(packets) if i not in data_before]
    tensors, _ = receive([forged if p is packets[place] else p for p in kept])
    assert not held(tensors, "p3")[0]


def test_limits_and_models_hold_as_for_decoders() -> None:
    data = bitstream(4, replace(PLAIN, model_digest=bytes(32)))
    tensors, _ = receive(carry(data), Receiver(model_digest=bytes(32)))
    assert held(tensors) == [True] * 4
    with pytest.raises(ModelStateError):
        receive(carry(data), Receiver(model_digest=bytes([1] * 32)))
    with pytest.raises(CapacityError):
        receive(carry(bitstream(2, replace(PLAIN, level=Level.L2))), Receiver(limits=DecoderLimits(Level.L1)))
    tensors, receiver = receive(PACKETS, Receiver(limits=DecoderLimits(output_bytes=WHOLE[0].nbytes * 3)))
    assert held(tensors)[:3] == [True] * 3
    assert not any(held(tensors)[3:])
    assert {e.requirement for e in receiver.problems} == {"level.capacity"}
    _, receiver = receive(PACKETS, Receiver(limits=DecoderLimits(allowance=Allowance(factor=1e-9))))
    assert receiver.statistics.unused == SAMPLES


def test_a_version_that_is_not_known_here_is_unsupported() -> None:
    packets = []
    for packet in carry(DATA, packet_bytes=1200):
        [found] = parsed([packet])
        if found.kind.session:
            body = bytearray(found.body)
            body[5], body[6] = 9, 200
            body[8:12] = crc32(bytes(body[:8])).to_bytes(4, "big")
            body[-4:] = crc32(bytes(body[:-4])).to_bytes(4, "big")
            packet = packet[:14] + bytes(body)
        packets.append(packet)
    with pytest.raises(DfcError) as caught:
        receive(packets)
    assert (caught.value.requirement, caught.value.exit_code) == ("bitstream_header.profile_idc", 69)


def test_nothing_is_put_out_of_nothing() -> None:
    for packets in ([], [b""], [b"x" * 65507] * 100):
        with pytest.raises(DfcError) as caught:
            receive(packets)
        assert caught.value.requirement == "carriage.tensors"


def test_where_no_session_description_came_the_bitstream_lacks_more_than_packets() -> None:
    for packets in ([], [b"x" * 100] * 3, PACKETS[2:4]):
        with pytest.raises(DfcError) as caught:
            restored(packets)
        assert caught.value.requirement == "carriage.tensors"
        assert f"none in {len(packets)} packets" in str(caught.value)


# --- bounds ---


def test_floods_of_sources_keep_what_a_receiver_keeps_within_bounds() -> None:
    rng, packets = random.Random(3), Depacketizer(bounds=Bounds(sources=4, early_bytes=10_000, window=16))
    for _ in range(3000):
        packet = bytearray(PACKETS[rng.randrange(2, 12)])
        packet[8:12] = rng.randbytes(4)
        packet[2:4] = rng.randbytes(2)
        packets.put(bytes(packet) + rng.randbytes(200))
        assert len(packets._candidates) <= 4
        for source in packets._candidates.values():
            assert sum(len(item.data) for item in source.early) <= 10_000
            assert len(source.window.waiting) <= 16
    found = [item for packet in PACKETS for item in packets.put(packet)] + packets.finish()
    assert found
    assert packets.session is not None


SINGLE_AT = next(i for i, packet in enumerate(PACKETS) if not SESSIONS[i] and packet[12] >> 5 == PacketType.SINGLE)


@pytest.mark.parametrize(
    "broken",
    [
        bytes([0b01001100, SOURCE.bitstream_number]) + b"\0\x20cut",  # an aggregation packet cut off in its middle
        bytes([0b01101000, SOURCE.bitstream_number]) + b"\5",  # a first fragment without unit_length
        bytes([0b01101000, SOURCE.bitstream_number]) + b"\4\xff\xff\xff\xff\xff",  # one that is no leb(v)
        bytes([0b01100000, SOURCE.bitstream_number]),  # an empty fragment
    ],
)
def test_a_packet_that_breaks_the_format_takes_no_number(broken: bytes) -> None:
    packets = [*PACKETS[:SINGLE_AT], PACKETS[SINGLE_AT][:12] + broken, *PACKETS[SINGLE_AT:]]
    tensors, receiver = receive(packets)
    assert held(tensors) == [True] * SAMPLES
    assert restored(packets) == DATA
    assert (receiver.statistics.ignored, receiver.statistics.repeated) == (1, 0)


@pytest.mark.parametrize("place", [4, 8])  # version_major, header_crc
def test_a_session_description_with_a_wrong_header_is_ignored(place: int) -> None:
    first = next(i for i, session in enumerate(SESSIONS) if session)
    body = bytearray(PACKETS[first][14:-4])
    body[place] ^= 2
    forged = PACKETS[first][:14] + bytes(body) + crc32(bytes(body)).to_bytes(4, "big")
    tensors, _ = receive([forged, *PACKETS])
    assert held(tensors) == [True] * SAMPLES
