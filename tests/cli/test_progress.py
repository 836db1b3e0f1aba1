"""What long commands say while they work."""

from __future__ import annotations

import io

import pytest

from refsw.cli import common


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(common, "time", clock)
    return clock


def slowly(clock, seconds):
    for i, span in enumerate(seconds):
        clock.now += span
        yield i


def test_a_log_gets_a_line_from_time_to_time(clock, capsys):
    assert list(common.progress(slowly(clock, [20] * 10), "coding", 10)) == list(range(10))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "coding: 2 of 10 (20 %), 0:40 so far, 2:40 left"
    assert len(lines) == 5


def test_short_work_says_nothing_in_a_log(clock, capsys):
    list(common.progress(slowly(clock, [2] * 10), "coding", 10))
    assert capsys.readouterr().err == ""


def test_time_left_is_what_the_work_itself_tells(clock, capsys):
    left = iter([None, 7200.0])
    list(common.progress(slowly(clock, [40, 40]), "coding", 9, lambda: next(left)))
    assert capsys.readouterr().err.splitlines() == [
        "coding: 1 of 9 (11 %), 0:40 so far",
        "coding: 2 of 9 (22 %), 1:20 so far, 2:00:00 left",
    ]


def test_work_of_unknown_length_is_counted(clock, capsys):
    list(common.progress(slowly(clock, [31]), "decoding"))
    assert capsys.readouterr().err == "decoding: 1, 0:31 so far\n"


def test_a_terminal_gets_a_bar_that_goes_away(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    assert list(common.progress(range(3), "coding", 3, lambda: 65.0)) == [0, 1, 2]
    assert "coding" in shown.getvalue()
    assert "1:05 left" in shown.getvalue()
