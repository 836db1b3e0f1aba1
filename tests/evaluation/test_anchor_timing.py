"""The time that is left is told from jobs of the same kind, not from their number."""

from __future__ import annotations

import pytest

from refsw.evaluation.anchors import timing
from refsw.evaluation.anchors.timing import TimeLeft


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


def place(layer="", codec="", value=None, **more):
    return {"test": "t", "layer": layer, "codec": codec, "parameter": "qp", "value": value} | more


def test_quick_references_say_nothing_about_the_coding(clock):
    left = TimeLeft()
    left.begin([place()] * 10 + [place("a", "x", 12)] * 10)
    clock.now = 10.0
    for _ in range(10):
        left.done(place(times={"network": 1.0}), is_planned=True)
    assert left.seconds() is None
    left.done(place("a", "x", 12, times={"job": 20.0}), is_planned=True)
    clock.now = 30.0
    assert left.seconds() == pytest.approx(9 * 20)


def test_a_slow_layer_is_not_taken_for_a_fast_one(clock):
    left = TimeLeft()
    for layer, seconds in (("slow", 10.0), ("fast", 0.1)):
        left.done(place(layer, "x", 12, times={"job": seconds}))  # by an earlier part of the run
    left.begin([place("slow", "x", 12)] * 2 + [place("fast", "x", 12)] * 100)
    clock.now = 5.0
    left.done(place("slow", "x", 12, times={"job": 10.0}), is_planned=True)
    # Two processes: ten seconds of work in five.
    assert left.seconds() == pytest.approx((10 + 100 * 0.1) / 2)


def test_jobs_that_fail_are_no_longer_waited_for(clock):
    left = TimeLeft()
    left.begin([place("a", "x", 12)] * 3)
    clock.now = 4.0
    left.done(place("a", "x", 12, times={"job": 4.0}), is_planned=True)
    left.done(place("a", "x", 12), is_planned=True)
    assert left.seconds() == pytest.approx(4.0)
