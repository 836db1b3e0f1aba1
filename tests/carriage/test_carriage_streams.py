"""14.1, 14.4, 14.5: what a sender makes of a bitstream."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import refsw
from refsw.carriage.packetizer import Packetizer, SenderConfig, UnitSource
from refsw.carriage.session import Clock, Session, read_session
from refsw.errors import DfcError, UsageError
from refsw.syntax.codes import UnitType
from refsw.syntax.units import UnitReader, crc32, leb128, pack_unit
from tests.carriage.carrying import (
    PLAIN,
    SOURCE,
    bitstream,
    carry,
    features,
    parsed,
    pyramid,
    receive,
    restored,
)
from tests.workshop import workshop

SPEC = Path(__file__).resolve().parents[2] / "spec"


def units_of(data: bytes) -> list[tuple[int, int | None]]:
    """Types of units, and first_sample of the access unit that carriage puts each in."""
    return [(unit[0] >> 1, au.first_sample) for au in UnitSource(io.BytesIO(data)) for unit in au.units]


def with_units(data: bytes, more: dict[int, list[bytes]]) -> bytes:
    """A bitstream with more units, whole ones, before the units of those places."""
    reader, out = UnitReader(io.BytesIO(data)), data[:12]
    chain = crc32(data[8:12])
    for place, unit in enumerate(reader):
        framed = bytes([unit.type << 1 | unit.skippable]) + leb128(len(unit.body))
        whole = framed + bytes(unit.body) + unit.crc.to_bytes(4, "big")
        for extra in more.get(place, []):
            chain = crc32(extra[-4:], chain)
            out += extra
        if unit.type == UnitType.END_OF_BITSTREAM:
            whole = pack_unit(unit.type, bytes(unit.body[:-4]) + chain.to_bytes(4, "big"))
        chain = crc32(whole[-4:], chain)
        out += whole
    return out


METADATA = pack_unit(UnitType.METADATA, b"\0\1k\0\1t")
UNKNOWN = pack_unit(100, b"private", skippable=True)


def test_units_belong_to_access_units_as_the_clause_says() -> None:
    assert units_of(pyramid())[:9] == [(4, 0), (1, 0), (1, 0), (2, 0), (3, 0), (3, 0), (2, 0), (3, 0), (3, 0)]
    assert units_of(pyramid())[-1] == (5, None)
    data = with_units(bitstream(3), {0: [METADATA], 2: [METADATA, UNKNOWN], 4: [METADATA]})
    assert refsw.decode(data).shape == (3, 2, 5, 10)
    kinds = [(4, 0), (1, 0), (2, 0), (4, 1), (100, 1), (2, 1), (2, 2), (4, None), (5, None)]
    assert units_of(data) == kinds
    # In profiles of version 1.0, the type of parts is one that is not known.
    data = with_units(bitstream(2), {2: [pack_unit(UnitType.FEATURE_PART, b"?", skippable=True)]})
    assert units_of(data) == [(1, 0), (2, 0), (6, 1), (2, 1), (5, None)]
    assert restored(carry(data)) == data


@pytest.mark.parametrize("aggregate", [True, False])
@pytest.mark.parametrize("kind", ["plain", "pyramid", "empty", "no axis", "hevc", "more units", "several a unit"])
def test_every_bitstream_comes_out_of_its_packets_byte_for_byte(kind: str, aggregate: bool) -> None:
    one = io.BytesIO()
    with refsw.Encoder(one, {"x": refsw.TensorSpec((2, 5, 10), np.float32, "CHW")}, PLAIN) as encoder:
        encoder.write(features(2, 5, 10))
    empty = io.BytesIO()
    with refsw.Encoder(empty, {"x": refsw.TensorSpec((0, 2, 5, 10), np.float32, "NCHW")}, PLAIN):
        pass
    data = {
        "plain": lambda: bitstream(20),
        "pyramid": pyramid,
        "empty": empty.getvalue,
        "no axis": one.getvalue,
        "hevc": lambda: refsw.encode(features(3, 2, 16, 16)),
        "more units": lambda: with_units(bitstream(3), {0: [METADATA], 2: [METADATA, UNKNOWN], 4: [METADATA]}),
        "several a unit": lambda: bitstream(9, replace(PLAIN, samples_per_unit=4)),
    }[kind]()
    packets = carry(data, aggregate=aggregate)
    assert restored(packets) == data
    tensors, receiver = receive(packets)
    decoded = refsw.decode(data)
    decoded = decoded if isinstance(decoded, dict) else {next(iter(tensors)): decoded}
    for name, array in decoded.items():
        assert (tensors[name].dtype, tensors[name].shape) == (array.dtype, array.shape)
        assert tensors[name].tobytes() == array.tobytes()
        assert tensors[f"{name}@mask"].all()
        assert tensors[f"{name}@first"].tolist() == [0]
    assert receiver.complete
    assert not receiver.problems


def test_the_marker_stands_on_the_last_packet_of_an_access_unit_alone() -> None:
    packets = parsed(carry(pyramid()))
    by_time: dict[int, list[bool]] = {}
    for packet in packets:
        if not packet.kind.session:
            by_time.setdefault(packet.timestamp, []).append(packet.marker)
    *access_units, end = by_time.values()
    assert len(access_units) == 6
    assert all(markers == [False] * (len(markers) - 1) + [True] for markers in access_units)
    assert end == [True, True]  # and its repetition
    assert not any(packet.marker for packet in packets if packet.kind.session)


def test_numbers_go_up_by_one_and_around() -> None:
    numbers = [packet.sequence for packet in parsed(carry(bitstream()))]
    assert numbers == [(SOURCE.first_sequence + i) % 65536 for i in range(len(numbers))]
    assert 0 in numbers


def test_timestamps_are_those_of_the_time_axis_or_of_the_rate_that_the_sender_gives() -> None:
    times = sorted({(p.timestamp - SOURCE.timestamp_base) % 2**32 for p in parsed(carry(pyramid()))})
    assert times == [i * 3003 for i in range(7)]
    times = sorted({(p.timestamp - SOURCE.timestamp_base) % 2**32 for p in parsed(carry(bitstream(4), rate=(7, 1)))})
    assert times == [i * 90_000 // 7 for i in range(5)]


def test_a_clock_knows_its_own_timestamps_and_no_others() -> None:
    clock = Clock(2**32 - 5, 30_000, 1001)
    for index in (0, 1, 1000, 10**6, 2**32 - 2):
        assert clock.has(clock.timestamp(index), index)
        assert clock.has(clock.timestamp(index), max(0, index - 1000))
        assert not clock.has(clock.timestamp(index) + 1, index)
    assert clock.seconds(30_000) == 1001


def test_session_descriptions_come_first_and_every_so_often() -> None:
    packets = parsed(carry(bitstream(9), packet_bytes=1200))
    sessions = [read_session(p.body) for p in packets if p.kind.session]
    assert [s.join_sample for s in sessions] == [0, 0, 4, 8]
    assert [p.kind.session for p in packets[:3]] == [True, True, False]
    assert {s.header for s in sessions} == {bitstream(9)[:12]}
    assert {len(s.parameter_sets) for s in sessions} == {1}
    only_first = parsed(carry(bitstream(9), packet_bytes=1200, repeat=0, copies=1))
    assert [p.kind.session for p in only_first] == [True] + [False] * (len(only_first) - 1)


def test_a_session_description_has_the_parameter_sets_so_far() -> None:
    data = pyramid()
    one, two = [bytes([2]) + leb128(len(u.body)) + bytes(u.body) + u.crc.to_bytes(4, "big")
                for u in UnitReader(io.BytesIO(data)) if u.type == UnitType.FEATURE_PARAMETER_SET]  # fmt: skip
    sessions = [p for p in parsed(carry(data, packet_bytes=1200)) if p.kind.session]
    assert all(read_session(p.body).parameter_sets == (one, two) for p in sessions)
    without = [p for p in parsed(carry(data, packet_bytes=1200, in_band=False)) if p.kind.session]
    assert all(read_session(p.body).parameter_sets == () for p in without)


def test_a_session_description_is_what_was_written_or_is_refused() -> None:
    session = read_session(bytes(Session(bitstream()[:12], Clock(1, 2, 3), 4)))
    assert (session.clock, session.join_sample, session.parameter_sets) == (Clock(1, 2, 3), 4, ())
    data = bytes(session)
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x10
        with pytest.raises(DfcError):
            read_session(bytes(damaged))
        with pytest.raises(DfcError):
            read_session(data[:place])
    with pytest.raises(DfcError):
        read_session(data + b"\0")


@pytest.mark.parametrize("kind", ["rate", "set", "header", "model", "rest", "other unit"])
def test_a_session_description_with_a_right_crc_has_to_hold_what_it_should(kind: str) -> None:
    data = bitstream()
    header, clock, sets = data[:12], Clock(0, 30, 1), (METADATA,)
    if kind == "header":
        header = header[:-1] + b"x"
    if kind == "model":
        start = header[:6] + b"\6" + header[7:8]
        header = start + crc32(start).to_bytes(4, "big")
    if kind == "set":
        sets = (METADATA[:-1] + b"x",)
    body = bytes(Session(header, clock, 0, sets if kind in ("set", "other unit") else ()))[:-4]
    if kind == "rate":
        body = body[:16] + bytes(4) + body[20:]
    if kind == "rest":
        body += b"\0"
    with pytest.raises(DfcError):
        read_session(body + crc32(body).to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("data", "requirement"),
    [
        (b"", "bitstream.signature"),
        (bitstream(2)[:-5], "unit.complete"),
        (bitstream(2)[:12], "bitstream.end"),
    ],
)
def test_what_is_no_whole_bitstream_is_not_sent(data: bytes, requirement: str) -> None:
    with pytest.raises(DfcError) as caught:
        carry(data)
    assert caught.value.requirement == requirement


def test_model_updates_are_not_sent() -> None:
    update = refsw.diff_models({"w": np.zeros(3, np.float32)}, {"w": np.ones(3, np.float32)})
    with pytest.raises(DfcError) as caught:
        carry(update)
    assert (caught.value.requirement, caught.value.exit_code) == ("carriage.features", 69)


@pytest.mark.parametrize(
    "changes",
    [{"packet_bytes": 63}, {"packet_bytes": 65508}, {"payload_type": 128}, {"rate": (0, 1)}, {"repeat": -1},
     {"copies": 0}, {"ssrc": 2**32}, {"bitstream_number": 256}, {"first_sequence": -1}],
)  # fmt: skip
def test_a_sender_cannot_be_told_what_packets_cannot_have(changes: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        SenderConfig(**changes)  # type: ignore[arg-type]


def test_what_rfc_3550_wants_at_random_is() -> None:
    made = [SenderConfig() for _ in range(8)]
    for name in ("ssrc", "bitstream_number", "timestamp_base", "first_sequence"):
        assert len({getattr(config, name) for config in made}) > 1


def test_a_pipe_is_sent_access_unit_by_access_unit() -> None:
    data = bitstream(20)

    class Pipe(io.BytesIO):
        place = 0

        def read(self, size: int | None = -1) -> bytes:
            out = super().read(size)
            self.place += len(out)
            return out

    pipe = Pipe(data)
    sent = iter(Packetizer(pipe, SOURCE))
    next(sent)
    assert pipe.place < len(data) / 4


def test_the_packets_of_annex_a_are_what_the_reference_sender_makes_and_a_receiver_takes() -> None:
    data = bytes.fromhex((SPEC / "annex-a-example.hex").read_text())
    with workshop("annex_packets") as annex:
        packets = annex.packets()
        rows = [row for packet in packets for row in annex.rows(packet)]
    sender = SenderConfig(
        packet_bytes=1200, repeat=0, copies=1, ssrc=0x5EED0001, bitstream_number=17, timestamp_base=1_000_000,
        first_sequence=500, rate=(25, 1),
    )  # fmt: skip
    assert packets == carry(data, sender)
    assert restored(packets) == data
    # Every bit of them is told, in order.
    assert sum(row.bits for row in rows) == 8 * sum(map(len, packets))
    units = [row.value for row in rows if row.element in ("unit", "parameter_set[0]")]
    assert data == data[:12] + b"".join(units[1:])
    assert units[0] == units[1]
