"""Where to cut: lines, intervals, conditions and links, against cases computed by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.errors import UsageError
from refsw.evaluation.anchors.conditions import parse_conditions
from refsw.evaluation.anchors.folder import open_run
from refsw.evaluation.anchors.run import AnchorRun
from refsw.planning import plan
from refsw.planning.choices import Choice, Device, choices_of
from refsw.planning.links import Link, find_link, links
from refsw.planning.report import Planned, decides, tables
from refsw.planning.verify import Checked, median_error

for package in ("yaml", "onnxruntime", "scipy", "matplotlib", "openpyxl"):
    pytest.importorskip(package, reason=f"plans need {package}")

LINK = Link("test", latency_ms=0, megabits=1)


def choice(name, edge, sent_bytes, cloud, *, encode=0.0, decode=0.0, share=0.0):
    return Choice(name, "codec", "", edge, encode, sent_bytes, decode, cloud, share, 1.0)


# One second in all at the edge, none at the cloud: an eighth of a megabyte is one second at 1 Mbit/s.
CLOUD = choice("all-cloud", 0, 125_000, 0)
EDGE = choice("all-edge", 1, 0, 0, share=1)
HALF = choice("half", 0.5, 25_000, 0, share=0.5)  # r = 0.2 < 1 - f = 0.5
HEAVY = choice("heavy", 0.5, 75_000, 0, share=0.5)  # r = 0.6


def test_latency_and_energy_by_hand():
    link = Link("x", megabits=2, latency_ms=10, milliwatts_per_megabit=100, base_milliwatts=800)
    one = choice("one", 0.2, 25_000, 0.3, encode=0.04, decode=0.05)
    # 0.2 Mbit at 2 Mbit/s are 0.1 s; 1 W for so long.
    assert plan.latency(one, link) == pytest.approx(0.2 + 0.04 + 0.1 + 0.01 + 0.05 + 0.3)
    assert plan.energy(one, link, Device(watts=5)) == pytest.approx(5 * 0.24 + 0.1)
    assert plan.latency(EDGE, link) == 1


@pytest.mark.parametrize("rate", [0.1, 1, 30])
def test_lines_are_what_they_stand_for_at_every_rate(rate):
    link = Link("x", megabits=7, latency_ms=10, milliwatts_per_megabit=100, base_milliwatts=800)
    one, edge = choice("one", 0.2, 25_000, 0.3, encode=0.04), Device(watts=5)
    fixed, slope = plan.latency_line(one, link)
    assert fixed + slope / rate == pytest.approx(plan.latency(one, link.at(rate)))
    fixed, slope = plan.energy_line(one, link, edge)
    assert fixed + slope / rate == pytest.approx(plan.energy(one, link.at(rate), edge))


def line(one):
    return plan.latency_line(one, LINK)


def test_the_intervals_have_the_ends_at_which_lines_meet():
    # all-edge 1, half 0.5 + 0.2 / R, all-cloud 1 / R: equal at R = 0.4 and at R = 1.6.
    found = plan.intervals((CLOUD, HALF, EDGE), line, 0.1, 100)
    assert [one.name for one in found] == ["all-edge", "half", "all-cloud"]
    assert [found[0].low, found[1].low, found[2].low, found[2].high] == pytest.approx([0.1, 0.4, 1.6, 100])


def test_a_cut_with_r_above_1_minus_f_wins_nowhere():
    found = plan.intervals((CLOUD, HEAVY, EDGE), line, 0.1, 100)
    assert [one.name for one in found] == ["all-edge", "all-cloud"]
    assert found[1].low == pytest.approx(1)


def test_the_condition_is_told_with_its_margin():
    half, heavy = plan.conditions((CLOUD, HALF, HEAVY, EDGE), LINK)
    assert (half.ratio, half.share, half.holds, half.margin) == pytest.approx((0.2, 0.5, True, 0.3))
    assert (heavy.ratio, heavy.holds, heavy.margin) == pytest.approx((0.6, False, -0.1))
    assert decides(half) == "r < 1 - f: wins"
    assert decides(heavy) == "r >= 1 - f: too many bytes"
    slow = replace(HALF, encode=0.4)
    assert decides(plan.conditions((CLOUD, slow, EDGE), LINK)[0]) == "r < 1 - f, but coding takes too long"
    never = plan.conditions((replace(CLOUD, cloud=2), HALF, EDGE), LINK)[0]
    assert (never.margin, decides(never)) == (None, "all-edge is never slower than all-cloud")


@pytest.mark.parametrize("seed", range(20))
def test_the_condition_and_the_intervals_agree(seed):
    import numpy as np

    rng = np.random.default_rng(seed)
    share = float(rng.uniform(0.05, 0.95))
    cut = choice("cut", share, float(rng.uniform(0.05, 1) * 125_000), 0, share=share)
    condition = plan.conditions((CLOUD, cut, EDGE), LINK)[0]
    wins = any(one.name == "cut" for one in plan.intervals((CLOUD, cut, EDGE), line, 1e-3, 1e3))
    assert condition.holds == wins == (condition.margin > 0)


def test_no_choice_of_the_front_is_beaten_in_both():
    link = Link("x", base_milliwatts=1000)
    # Latency and energy: all-cloud 1 s, 1 J; half 0.7 s, 0.5 * 2 + 0.2 J; all-edge 1 s, 2 J.
    assert plan.pareto((CLOUD, HALF, EDGE), link, Device(watts=2)) == ["half", "all-cloud"]


def test_links_by_name_and_by_rate():
    assert set(links()) == {"3g", "lte", "wifi"}
    assert find_link("LTE").megabits == 5.85
    assert (find_link("10,25").megabits, find_link("10,25").latency_ms) == (10, 25)
    # Of LTE at its rate: (438.39 x 5.85 + 1288.04) mW.
    assert find_link("lte").joules(5.85e6 / 8) == pytest.approx((438.39 * 5.85 + 1288.04) / 1000)
    for wrong in ("5g", "0", "-1", "1,x", "nan"):
        with pytest.raises(UsageError):
            find_link(wrong)


def test_a_device_is_slower_on_its_own_side():
    one = choice("one", 1, 10, 2, encode=3, decode=4).on(Device(slowdown=2), Device(slowdown=0.5))
    assert (one.edge, one.encode, one.decode, one.cloud) == (2, 6, 2, 1)
    with pytest.raises(UsageError, match="above 0"):
        Device(slowdown=0)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan") / "run"
    document = {
        "format": "refsw-conditions-1", "name": "plan", "title": "Plan",
        "codecs": {"fast": {"preset": "fast", "sweep": {"qp": [12, 42]}}, "png": {"picture": "png"}},
        "tests": [{"name": "detection", "task": "detection", "network": {"kind": "mini"},
                   "dataset": {"kind": "mini", "limit": 2}, "layers": ["input", "conv2", "pyramid"], "group": 2}],
    }  # fmt: skip
    with AnchorRun(parse_conditions(document), folder) as run:
        assert not [result.failure for result in run.work() if result.failure]
    return open_run(folder)


def test_choices_are_what_the_run_measured(done):
    test = done.conditions.tests[0]
    cloud, conv2, pyramid, edge = choices_of(done, test, share=0.9)
    records = {(r["layer"], r["value"]): r for r in done.records}
    assert (cloud.name, conv2.name, pyramid.name, edge.name) == ("all-cloud", "conv2", "pyramid", "all-edge")
    assert cloud.sent_bytes == records["input", None]["coded_bytes"] / 2
    point = records["conv2", 42 if records["conv2", 42]["metrics"]["fidelity"] >= 0.9 else 12]
    assert conv2.sent_bytes == point["coded_bytes"] / 2
    assert conv2.edge == point["times"]["extraction"] / 2
    assert cloud.cloud == edge.edge == records["input", None]["times"]["network"] / 2
    assert (edge.sent_bytes, edge.quality) == (0, 1)
    raw = choices_of(done, test, share=0.9, raw=True)[0]
    assert (raw.sent_bytes, raw.encode) == (3 * 96 * 96, 0)


def test_a_run_that_cannot_be_planned_says_why(done):
    test = done.conditions.tests[0]
    with pytest.raises(UsageError, match="has no psnr at every point"):
        choices_of(done, test, metric="psnr")
    without = replace(done, records=[r for r in done.records if r["layer"] != "input"])
    with pytest.raises(UsageError, match="codes no pictures"):
        choices_of(without, test)
    kept = [
        r | {"times": {name: span for name, span in r["times"].items() if name != "extraction"}} for r in done.records
    ]
    with pytest.raises(UsageError, match="run with --no-cache"):
        choices_of(replace(done, records=kept), test, share=0.5)


def test_the_command_writes_tables_and_the_figure(done, tmp_path):
    arguments = ["plan", str(done.folder), "-o", str(tmp_path), "--share", "0.9", "--link", "wifi"]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"plan.md", "plan.json", "plan.png", "plan.svg"}
    told = json.loads((tmp_path / "plan.json").read_text())
    assert [one["name"] for one in told["choices"]] == ["all-cloud", "conv2", "pyramid", "all-edge"]
    assert len(told["winners"]) == 4
    for variant in told["winners"]:
        ends = [end for low, high, _ in variant["latency"] for end in (low, high)]
        assert (ends[0], ends[-1]) == pytest.approx((0.1, 100))
    assert "where each cut wins" in result.output


def test_a_plan_over_no_rates_or_of_nothing_is_refused(done, tmp_path):
    for arguments, reason in (
        ([str(done.folder), "--from", "5", "--to", "5"], "the first is below the second"),
        ([str(done.folder), "--test", "sum"], "has no test sum: detection"),
        ([str(tmp_path / "absent.onnx")], "no folder of a run, and no ONNX model"),
    ):
        result = CliRunner().invoke(cli, ["plan", *arguments])
        assert result.exit_code != 0
        assert reason in str(result.exception)


def test_a_plan_is_held_against_what_is_really_cut_and_coded(done, tmp_path):
    told = CliRunner().invoke(cli, ["plan", str(done.folder), "--share", "0.5", "--verify", "4", "-o", str(tmp_path)])
    assert told.exit_code == 0, told.output
    assert "planned and measured" in told.output
    verified = json.loads((tmp_path / "plan.json").read_text())["verified"]
    names = [one["name"] for one in verified["choices"]]
    assert (names[0], names[-1]) == ("all-cloud", "all-edge")
    assert verified["median_error"] >= 0
    for one in verified["choices"]:
        assert one["planned"] > 0
        assert one["measured"] > 0
        assert (one["bytes_measured"] > 0) == (one["name"] != "all-edge")


def test_planned_and_measured_are_told_over_rates():
    one = Checked(replace(HALF, encode=0.1, decode=0.1, cloud=0.3), 0.8, 50_000)
    # 25 kB and 50 kB at 1 Mbit/s take 0.2 and 0.4 s.
    assert one.predicted(1) == pytest.approx(1.0 + 0.2)
    assert one.measured(1) == pytest.approx(0.8 + 0.4)
    assert one.predicted(math.inf) == pytest.approx(1.0)
    assert median_error([one], 0.999, 1.001) == pytest.approx(0, abs=1e-3)
    assert median_error([one], 1e8, 1e9) == pytest.approx(0.25, abs=1e-3)


def test_every_table_says_who_wins():
    planned = Planned("plan", (CLOUD, HALF, EDGE), (CLOUD, HALF, EDGE), LINK, Device(), Device())
    costs, winners, conditions = tables(planned)
    assert "Least latency: half." in costs.notes[1]
    assert [row[3] for row in winners.rows if row[:3] == ("latency", "coded pictures", "with")] == [
        "all-edge", "half", "all-cloud",
    ]  # fmt: skip
    assert conditions.rows[0][2] == "r < 1 - f: wins"
    assert math.isclose(conditions.rows[0][3].value, 0.2)
