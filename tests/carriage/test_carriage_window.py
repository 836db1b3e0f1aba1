"""14.6.2: the order of packets."""

from __future__ import annotations

import random

import pytest

from refsw.carriage.window import Window


def through(numbers: list[int], size: int = 64) -> list[int]:
    window: Window[int] = Window(size)
    out = [item for n in numbers for _, item in window.push(n % 65536, n)]
    assert len(window.waiting) <= size
    return out + [item for _, item in window.flush()]


@pytest.mark.parametrize("start", [0, 1, 65_500, 65_535])
@pytest.mark.parametrize("seed", range(5))
def test_packets_that_overtake_fewer_than_the_window_come_in_order(start: int, seed: int) -> None:
    rng = random.Random(seed)
    numbers = list(range(start, start + 500))
    shuffled = sorted(numbers, key=lambda n: n + rng.random() * 60)
    assert through(shuffled) == numbers


def test_of_two_with_one_number_the_first_is_taken() -> None:
    window: Window[str] = Window(4)
    out = [item for n, item in [(0, "a"), (2, "b"), (2, "c"), (1, "d"), (0, "e")] for _, item in window.push(n, item)]
    assert out + [item for _, item in window.flush()] == ["a", "d", "b"]
    assert (window.received, window.repeated, window.expected) == (3, 2, 3)


def test_a_packet_is_used_if_none_as_far_ahead_as_the_window_has_come_and_no_other() -> None:
    assert through([0, *range(2, 65), 1], 64) == list(range(65))
    assert through([0, *range(2, 66), 1], 64) == [0, *range(2, 66)]
    # Of the first packets as well: which number is the first is not known before.
    assert through([*range(1, 64), 0], 64) == list(range(64))
    assert through([*range(1, 65), 0], 64) == list(range(1, 65))


def test_a_gap_is_given_up_when_the_window_has_passed() -> None:
    window: Window[int] = Window(4)
    came = [[item for _, item in window.push(n, n)] for n in (0, 1, 2, 3, 4, 6, 7, 8, 9)]
    assert came == [[], [], [], [], [0, 1, 2, 3, 4], [], [], [], [6, 7, 8, 9]]
    assert window.expected - window.received == 1


def test_what_has_waited_is_given_when_it_is_asked_for_with_what_follows_it() -> None:
    window: Window[int] = Window(64)
    for number, arrival in [(0, 1.0), (1, 1.1), (3, 2.0), (4, 5.0), (6, 5.1)]:
        window.push(number, number, arrival)
    assert [item for _, item in window.flush(before=1.5)] == [0, 1]
    assert [item for _, item in window.flush(before=2.5)] == [3, 4]
    assert [item for _, item in window.flush(before=2.5)] == []
    assert [item for _, item in window.flush()] == [6]


def test_a_sender_that_skips_numbers_backwards_is_followed_after_two_packets() -> None:
    window: Window[int] = Window(8)
    for number in range(20_000, 20_020):
        window.push(number, number)
    assert window.push(5_000, 1) == []
    assert [item for _, item in window.push(5_001, 2)][-1] == 2
    assert [item for _, item in window.push(5_002, 3)] == [3]


def test_one_stray_number_far_ahead_does_not_end_the_stream() -> None:
    numbers = list(range(100))
    out = through([*numbers[:50], 30_000, *numbers[50:]], 8)
    assert out[:51] == [*numbers[:50], 30_000]
    assert out[-48:] == numbers[52:]


def test_random_numbers_keep_within_bounds() -> None:
    rng, window = random.Random(1), Window[int](32)
    for _ in range(20_000):
        window.push(rng.randrange(65536), 0)
        assert len(window.waiting) <= 32
