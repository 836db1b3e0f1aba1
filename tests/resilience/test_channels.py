"""Channels and packets: rates, bursts, seeds, and that every loss reaches the data."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsw.errors import FeatureError, UsageError
from refsw.resilience import GilbertElliott, Iid, Trace, interleaved, part_packets, received_mask, row_packets

COUNT = 200_000


def rng(seed=1):
    return np.random.default_rng(seed)


def bursts(lost):
    """Lengths of runs of losses."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(np.int8)))
    return edges[1::2] - edges[::2]


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.3, 1.0])
def test_independent_losses_have_their_rate_and_bursts_of_chance(loss):
    lost = Iid(loss).losses(COUNT, rng())
    assert abs(lost.mean() - loss) < 4 * np.sqrt(loss * (1 - loss) / COUNT) + 1e-12
    if 0 < loss < 1:
        assert abs(bursts(lost).mean() - 1 / (1 - loss)) < 0.02


@pytest.mark.parametrize("burst", [1, 1.5, 4, 7])
@pytest.mark.parametrize("loss", [0.01, 0.1, 0.3, 0.5])
def test_bursts_have_their_mean_length_and_the_rate_is_that_of_the_channel(loss, burst):
    lost = GilbertElliott(loss, burst).losses(COUNT, rng())
    assert abs(lost.mean() - loss) < 0.1 * loss
    assert abs(bursts(lost).mean() - burst) < 0.1 * burst
    assert bursts(lost).max() == 1 or burst > 1


def test_transitions_by_hand():
    channel = GilbertElliott(0.2, 4)
    assert channel.to_good == 0.25
    assert channel.to_bad == pytest.approx(0.25 / 4)


def test_a_channel_that_starts_is_good_and_one_in_use_is_what_it_is_on_the_average():
    channel = GilbertElliott(0.3, 7)
    assert not any(channel.losses(1, rng(seed))[0] for seed in range(300))
    running = [channel.losses(1, rng(seed), from_start=False)[0] for seed in range(3000)]
    assert abs(np.mean(running) - 0.3) < 0.04


def test_no_loss_and_the_most_that_a_channel_can_lose():
    assert not GilbertElliott(0, 3).losses(1000, rng()).any()
    assert GilbertElliott(0.5, 1).losses(9, rng()).tolist() == [False, True] * 4 + [False]


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_gives_the_same_losses_and_another_one_others(seed):
    for channel in (Iid(0.3), GilbertElliott(0.3, 4)):
        first = channel.losses(500, rng(seed))
        assert np.array_equal(first, channel.losses(500, rng(seed)))
        assert not np.array_equal(first, channel.losses(500, rng(seed + 1)))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Iid(-0.1), "from 0 to 1"),
        (lambda: Iid(float("nan")), "from 0 to 1"),
        (lambda: GilbertElliott(1.1, 2), "from 0 to 1"),
        (lambda: GilbertElliott(0.1, 0.5), "at least 1"),
        (lambda: GilbertElliott(0.6, 1), "in bursts of 1 packets at most 0.5"),
        (lambda: GilbertElliott(1, 9), "at most 0.9"),
    ],
)
def test_channels_that_cannot_be_are_refused(make, told):
    with pytest.raises(UsageError, match=told):
        make()


def test_a_trace_is_replayed_and_begins_again(tmp_path):
    path = tmp_path / "trace.txt"
    path.write_text("# of a walk\n0 1 1\n0\n")
    trace = Trace.read(path)
    assert trace.losses(6, rng()).tolist() == [False, True, True, False, False, True]
    started = {tuple(trace.losses(4, rng(seed), from_start=False).tolist()) for seed in range(40)}
    assert len(started) == 4


@pytest.mark.parametrize("text", ["", "# nothing\n", "0 1 2", "lost"])
def test_a_file_that_is_no_trace_is_refused(tmp_path, text):
    path = tmp_path / "trace.txt"
    path.write_text(text)
    with pytest.raises(FeatureError, match="made of 0, received, and 1, lost"):
        Trace.read(path)


def test_a_trace_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("refsw.resilience.channels.LONGEST_TRACE", 10)
    path = tmp_path / "trace.txt"
    path.write_text("01" * 10)
    with pytest.raises(FeatureError, match="longer than 10"):
        Trace.read(path)
    with pytest.raises(FeatureError, match="a trace is bool"):
        Trace(np.zeros(3))


shapes = st.tuples(st.integers(1, 6), st.integers(1, 20), st.integers(1, 4))


@given(shapes, st.integers(1, 7), st.integers(1, 9))
def test_packets_carry_every_element_once(shape, channels, rows):
    seen = np.zeros(shape, int)
    for packet in part_packets(shape, channels, rows):
        seen[packet.channels, packet.rows] += 1
    assert (seen == 1).all()


@given(shapes, st.integers(1, 9), st.data())
def test_every_packet_that_is_lost_is_missing_also_the_last_one_of_a_channel(shape, rows, data):
    packets = row_packets(shape, rows)
    lost = data.draw(st.lists(st.booleans(), min_size=len(packets), max_size=len(packets)))
    received = received_mask(shape, packets, lost)
    for packet, is_lost in zip(packets, lost, strict=True):
        own = received[packet.channels, packet.rows]
        assert own.size
        assert own.all() != is_lost
        assert own.any() != is_lost


def test_rows_that_are_no_multiple_of_a_packet():
    packets = row_packets((2, 10, 3), 8)
    assert [(p.channels.start, p.rows.start, p.rows.stop) for p in packets] == [
        (0, 0, 8), (1, 0, 8), (0, 8, 10), (1, 8, 10)
    ]  # fmt: skip
    received = received_mask((2, 10, 3), packets, [False, False, True, False])
    assert not received[0, 8:].any()
    assert received.sum() == 60 - 6


@given(st.integers(0, 60), st.integers(1, 12))
def test_interleaving_keeps_all_and_parts_neighbours(count, depth):
    order = interleaved(range(count), depth)
    assert sorted(order) == list(range(count))
    if depth > 1 and count > 3 * depth:
        assert min(abs(a - b) for a, b in pairwise(order)) > 1


def test_wrong_numbers_of_packets_are_refused():
    with pytest.raises(UsageError, match="at least one of each"):
        row_packets((1, 2, 3), 0)
    with pytest.raises(UsageError, match="interleaving by 0"):
        interleaved([1], 0)
    with pytest.raises(FeatureError, match="1 losses for 2 packets"):
        received_mask((1, 2, 3), row_packets((1, 2, 3), 1), [True])
