"""8.4.5 What can be seen of the end of slice data: their header's end, their entry points, and whether they suffice."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import refsw
from refsw.errors import PayloadError
from refsw.features.parameters import Parameters
from refsw.features.reader import BitstreamReader
from refsw.features.reconstruct import UnitContent, decode_unit
from refsw.payload import nal, slices
from refsw.payload.base import DecoderSettings
from refsw.syntax.codes import Profile
from refsw.syntax.units import UnitReader, crc32, leb128

THOROUGH = DecoderSettings(thorough=True)


def unit_of(data: bytes) -> UnitContent:
    return next(c for c in BitstreamReader(io.BytesIO(data)) if isinstance(c, UnitContent))


@pytest.mark.parametrize("changes", [{"qp": 22}, {"qp": 37}, {"qp": 22, "layout": "sequence"}, {"bit_depth": 12}])
def test_slice_data_that_were_cut_off_are_found_by_decoding_twice(
    features: Callable[..., np.ndarray], changes: dict[str, object]
) -> None:
    unit = unit_of(refsw.encode(features(1, 8, 24, 24), **changes))
    decode_unit(unit, Profile.INTRA, THOROUGH)
    last = len(nal.split(unit.payload)[-1].data)
    for cut in range(2, last - 10, 7):
        short = replace(unit, payload=unit.payload[:-cut].rstrip(b"\0"))
        with pytest.raises(PayloadError) as error:
            decode_unit(short, Profile.INTRA, THOROUGH)
        assert error.value.requirement in ("hevc.slices", "hevc.slice-header", "hevc.decodes"), cut


def test_validation_finds_them_and_decoding_does_not(features: Callable[..., np.ndarray]) -> None:
    data = refsw.encode(features(1, 8, 24, 24), qp=22)
    out, chain = data[:12], crc32(data[8:12])
    for unit in UnitReader(io.BytesIO(data)):
        body = bytes(unit.body)
        body = body[:-40].rstrip(b"\0") if unit.type == 2 else body
        body = body[:-4] + chain.to_bytes(4, "big") if unit.type == 5 else body
        whole = bytes([unit.type << 1 | unit.skippable]) + leb128(len(body)) + body
        crc = crc32(whole).to_bytes(4, "big")
        out, chain = out + whole + crc, crc32(crc, chain)
    assert refsw.decode(out).shape == (1, 8, 24, 24)
    report = refsw.validate(out)
    assert (report.exit_code, [e.requirement for e in report.found]) == (65, ["hevc.slices"])


def first_segment(data: bytes) -> tuple[nal.Nal, nal.Configuration]:
    p = next(c for c in BitstreamReader(io.BytesIO(data)) if isinstance(c, Parameters))
    return nal.split(unit_of(data).payload)[0], nal.parse_configuration(p.configuration)


def test_a_header_has_to_end_and_data_to_follow(features: Callable[..., np.ndarray]) -> None:
    segment, parsed = first_segment(refsw.encode(features(1, 8, 24, 24), qp=22))
    slices.check_end(segment, parsed)
    end = slices.header_places(segment, parsed.sps, next(iter(parsed.pps.values()))).end
    place, unaligned = 2 + end // 8, bytearray(segment.data)
    unaligned[place] ^= 0x80 >> end % 8
    for changed, requirement in (
        (segment.data[: place + 1] + b"\x80", "hevc.slice-data"),
        (segment.data[: place + 1] + b"\xa2\0\0\3\0\0\3", "hevc.slice-data"),
        (bytes(unaligned), "hevc.slice-header"),
        (segment.data[:3], "hevc.slice-header"),
    ):
        with pytest.raises(PayloadError) as error:
            slices.check_end(replace(segment, data=changed), parsed)
        assert error.value.requirement == requirement


@pytest.mark.parametrize(
    ("sizes", "right"), [([1], False), ([-1], False), ([0], False), ([-2], True), ([2], True), ([2, 2, 1], False)]
)
def test_every_substream_has_two_bytes(
    monkeypatch: pytest.MonkeyPatch, features: Callable[..., np.ndarray], sizes: list[int], right: bool
) -> None:
    data = refsw.encode(features(1, 8, 24, 24), qp=22)
    segment, parsed = first_segment(data)
    places = slices.header_places
    size = slices.data_size(segment.data, places(segment, parsed.sps, parsed.pps[0]).end // 8 + 1)
    substreams = [n if n > 0 else size + n for n in sizes]
    monkeypatch.setattr(slices, "header_places", lambda *a: places(*a)._replace(substreams=substreams))
    assert [e.requirement for e in refsw.validate(data).violations] == ([] if right else ["hevc.slice-data"])
    if right:
        assert refsw.decode(data).shape == (1, 8, 24, 24)
    else:
        with pytest.raises(refsw.DfcError, match=r"hevc\.slice-data"):
            refsw.decode(data)


def test_more_entry_points_than_the_data_can_have_are_not_read(features: Callable[..., np.ndarray]) -> None:
    segment, parsed = first_segment(refsw.encode(features(1, 8, 24, 24), qp=22))
    end = slices.header_places(segment, parsed.sps, parsed.pps[0]).end
    pps = {0: replace(parsed.pps[0], entry_points=True)}
    bits = f"{int.from_bytes(segment.data[2:8], 'big'):048b}"[:end] + "0" * 20 + f"{2**20 + 1:021b}" + "1" + "0" * 30
    bits = bits[: len(bits) // 8 * 8]
    changed = segment.data[:2] + int(bits, 2).to_bytes(len(bits) // 8, "big") + segment.data[-100:]
    with pytest.raises(PayloadError) as error:
        slices.check_end(replace(segment, data=changed), replace(parsed, pps=pps))
    assert (error.value.requirement, error.value.got) == ("hevc.slice-data", f"{2**20} in {len(changed)} bytes")


@pytest.mark.parametrize("words", [b"", b"\0\0\3", b"\0\0\3\0\0\3"])
def test_emulation_prevention_counts_in_the_data_and_not_in_the_header(words: bytes) -> None:
    header, data = bytes.fromhex("0000030180"), bytes.fromhex("a00000030180")  # 4 bytes of the header without it
    assert slices.data_size(b"\x26\1" + header + data + words, 4) == 6
