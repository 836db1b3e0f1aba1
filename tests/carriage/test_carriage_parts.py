"""9.10, 14.7: samples in parts lose what the packets had, and no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import refsw
from refsw.features.config import DigestScope
from refsw.syntax.codes import UnitType
from tests.carriage.carrying import PLAIN, carry, encoded, features, parsed, receive, restored

CONFIG = replace(PLAIN, parts=(4, 2), digest=DigestScope.SAMPLE)
X = features(4, 5, 9, 6)
DATA = encoded({"x": X}, CONFIG)
WHOLE = refsw.decode(DATA)
PACKETS = carry(DATA, packet_bytes=1200, aggregate=False)
PARTS = [place for place, packet in enumerate(parsed(PACKETS))
         if not packet.kind.session and packet.body[0] >> 1 == UnitType.FEATURE_PART]  # fmt: skip
EACH = len(PARTS) // 4


def test_all_parts_give_the_samples_bit_for_bit() -> None:
    assert restored(PACKETS) == DATA
    tensors, receiver = receive(PACKETS)
    assert tensors["x"].tobytes() == WHOLE.tobytes()
    assert tensors["x@mask"].all()
    assert (receiver.complete, receiver.statistics.partial) == (True, 0)


@pytest.mark.parametrize("gone", range(len(PARTS)))
def test_a_part_that_is_lost_takes_its_channels_and_rows_of_one_sample(gone: int) -> None:
    place = PARTS[gone]
    tensors, receiver = receive(PACKETS[:place] + PACKETS[place + 1 :])
    mask = tensors["x@mask"]
    sample = gone // EACH
    assert mask[[i for i in range(4) if i != sample]].all()
    lost = ~mask[sample]
    # Every third channel, and a band of 4 rows, or the one that is left over.
    channels, rows, _ = (np.unique(axis) for axis in np.nonzero(lost))
    assert channels.tolist() in ([0, 3], [1, 4], [2])
    assert rows.tolist() in ([0, 1, 2, 3], [4, 5, 6, 7], [8])
    assert lost.sum() == len(channels) * len(rows) * 6
    assert np.where(mask, WHOLE, np.float32(0)).tobytes() == tensors["x"].tobytes()
    assert (receiver.statistics.partial, receiver.statistics.samples) == (1, 4)
    assert not receiver.problems


def test_parts_of_two_samples_never_become_one() -> None:
    others = [PARTS[:3], PARTS[EACH + 3 : 2 * EACH]]
    kept = [packet for place, packet in enumerate(PACKETS) if place not in {*others[0], *others[1]}]
    tensors, _ = receive(kept)
    shares = tensors["x@mask"].reshape(4, -1).mean(1)
    assert (shares[:2] < 1).all()
    assert (shares[2:] == 1).all()
    assert np.where(tensors["x@mask"], WHOLE, np.float32(0)).tobytes() == tensors["x"].tobytes()


def test_a_constant_channel_counts_where_anything_of_its_sample_came() -> None:
    x = X.copy()
    x[:, 1] = 2.5
    data = refsw.encode(x, payload="stored", quantizer="uniform", parts=(4, 2), range_scope="channel", axes="NCHW")
    whole = refsw.decode(data)
    packets = carry(data, packet_bytes=1200, aggregate=False, repeat=0)
    units = [place for place, packet in enumerate(parsed(packets))
             if not packet.kind.session and packet.body[0] >> 1 == UnitType.FEATURE_PART]  # fmt: skip
    each = len(units) // 4
    gone = {*units[:1], *units[each : 2 * each]}
    tensors, _ = receive(packet for place, packet in enumerate(packets) if place not in gone)
    mask = tensors["tensor0@mask"]
    assert mask[0, 1].all()
    assert not mask[1].any()
    assert np.where(mask, whole, np.float32(0)).tobytes() == tensors["tensor0"].tobytes()
