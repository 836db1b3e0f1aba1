"""14.7: units that come whole and break a requirement are not used, and change nothing for those after them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import refsw
from refsw.carriage.fragments import Carried
from refsw.carriage.reception import Receiver
from refsw.syntax.codes import PayloadCodec, Quantizer, UnitType
from refsw.syntax.units import leb128, pack_unit
from tests.carriage.carrying import bitstream, carry, features


def carried(data: bytes, receiver: Receiver) -> list[Carried]:
    """What the packets of a bitstream carry."""
    found = [item for packet in carry(data, copies=1) for item in receiver.packets.put(packet, 0.0)]
    return [*found, *receiver.packets.finish()]


def body_of(whole: bytes | memoryview) -> bytes:
    size = next(n for n in range(1, 6) if leb128(len(whole) - 5 - n) == bytes(whole[1 : 1 + n]))
    return bytes(whole[1 + size : -4])


def type_of(item: Carried) -> int:
    return -1 if item.session else item.data[0] >> 1


def test_an_end_with_a_wrong_flag_ends_nothing() -> None:
    receiver = Receiver()
    items = carried(bitstream(3), receiver)
    place = next(i for i, item in enumerate(items) if type_of(item) == UnitType.END_OF_BITSTREAM)
    end = pack_unit(UnitType.END_OF_BITSTREAM, body_of(items[place].data), skippable=True)
    found = list(receiver.decode([*items[:place], items[place]._replace(data=end)]))
    assert (len(found), receiver.ended, receiver.complete) == (3, False, False)
    assert [error.requirement for error in receiver.problems] == ["unit.skippable-known"]


@pytest.mark.parametrize("parts", [None, (3, 2)])
def test_a_unit_that_does_not_decode_leaves_its_place_to_a_good_one(parts: tuple[int, int] | None) -> None:
    x = features(3, 2, 5, 10)
    choices: dict[str, Any] = {"profile": "resilient", "parts": parts} if parts else {}
    data = refsw.encode(x, payload=PayloadCodec.STORED, quantizer=Quantizer.UNIFORM, samples_per_unit=1, **choices)
    receiver = Receiver()
    items, sent = carried(data, receiver), []
    for item in items:
        if type_of(item) in (UnitType.FEATURE_DATA, UnitType.FEATURE_PART):
            sent.append(item._replace(data=pack_unit(item.data[0] >> 1, body_of(item.data)[:-1])))
        sent.append(item)
    found = [*receiver.decode(sent), *receiver.finish()]
    decoded: Any = refsw.decode(data)
    assert np.array_equal(np.stack([sample.elements for sample in found]), decoded)
    assert all(sample.mask is None for sample in found)
    assert {error.requirement for error in receiver.problems} == {"bytes.size"}
    assert receiver.complete
