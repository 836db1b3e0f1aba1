"""The main job, on a few pictures at one QP."""

from __future__ import annotations

import functools

import pytest
from click.testing import CliRunner

import refsw
from refsw.cli.main import cli
from refsw.errors import CodecError, UsageError
from refsw.evaluation import demo as job
from refsw.evaluation.demo import Demo
from refsw.extras import DEMO_MODULES

for package in DEMO_MODULES:
    pytest.importorskip(package, reason=f"the demo needs {package}")

from refsw.evaluation.anchors.conditions import find_conditions, load_conditions, parse_conditions  # noqa: E402

TASKS = ("classification", "retrieval", "detection")


@pytest.fixture(scope="module")
def few():
    """The mini conditions with two pictures a task, two layers and the fastest configuration as their anchor."""
    document = dict(load_conditions(find_conditions("mini")).document)
    document["codecs"] = {"anchor": {"preset": "fast", "sweep": {"qp": [22, 42]}}}
    document["tests"] = [
        {k: v for k, v in test.items() if k != "codecs"}
        | {"dataset": {"kind": "mini", "limit": 2}, "layers": test["layers"][2:]}
        for test in document["tests"]
    ]
    return parse_conditions(document)


@pytest.fixture(scope="module")
def sent():
    """The conditions with pictures, as few, with two codecs of pictures at four points each."""
    document = dict(load_conditions(find_conditions("mini-pictures")).document)
    document["codecs"] = {
        "anchor": {"preset": "fast", "sweep": {"qp": [12, 22, 32, 42]}},
        "jpeg": {"picture": "jpeg", "sweep": {"quality": [10, 30, 60, 90]}},
        "png": {"picture": "png"},
    }
    document["tests"] = [
        test | {"dataset": {"kind": "mini", "limit": 2}, "layers": ["input", "pyramid"]} for test in document["tests"]
    ]
    return parse_conditions(document)


@pytest.fixture(scope="module")
def ran(tmp_path_factory, few, sent):
    demo = Demo(tmp_path_factory.mktemp("demo"), conditions=few, pictures=sent)
    for name, run in demo.runs().items():
        with run:
            # References, of which retrieval has 160 more in groups of 8; then three tasks of four points.
            expected = 1 + 4 + 5 if name == "pictures" else 3 + 160 // 8 + 12
            assert sum(1 for _ in run.work()) == expected
    return demo


def test_both_presets_run_on_all_tasks_and_leave_their_bitstreams(ran):
    assert list(ran.runs()) == ["anchor", "balanced", "pictures"]
    names = [path.name for path in ran.bitstreams()]
    assert len(names) == 2 * 3 * 2 * 2 + 4
    assert not any("jpeg" in name or "png" in name for name in names)
    assert {name.partition("-")[0] for name in names} == set(TASKS)


def test_every_bitstream_is_validated(ran):
    assert list(ran.validated()) == ran.bitstreams()


def test_a_bitstream_that_does_not_conform_stops_the_job(ran, monkeypatch):
    whole = refsw.validate
    monkeypatch.setattr(refsw, "validate", lambda data: whole(data[:-1]))
    with pytest.raises(CodecError, match=r"conv3-anchor-qp22-00000.*: the bitstream does not conform"):
        list(ran.validated())


def test_the_report_compares_with_the_anchor(ran):
    run, comparison, written = ran.report()
    assert {record["codec"] for record in run.records} == {"balanced"}
    assert comparison is not None
    assert {line.anchor for line in comparison.lines} == {"anchor"}
    assert {"index.html", "results.xlsx", "report.md", "classification.png"} <= {path.name for path in written}
    assert all(path.is_file() for path in written)


def test_features_stand_against_pictures(ran):
    against, written = ran.report_on_pictures()
    assert [one.metric for one in against] == ["fidelity", "ap"]
    assert {(duel.layer, duel.picture) for duel in against[0].duels} == {("pyramid", "jpeg"), ("pyramid", "png")}
    assert {"detection~pictures.png", "detection~pictures.svg"} <= {path.name for path in written}


def test_a_job_that_is_done_is_not_done_again(ran):
    for run in ran.runs().values():
        with run:
            assert run.remaining == 0


def test_anchor_is_not_compared_with_itself(tmp_path, few):
    assert list(Demo(tmp_path, "anchor", conditions=few).runs()) == ["anchor", "pictures"]


def test_a_preset_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(UsageError, match="preset sharp"):
        Demo(tmp_path, "sharp")


@pytest.mark.parametrize("columns", [80, 120])
def test_the_command_prints_tables_that_fit(ran, few, sent, monkeypatch, columns):
    monkeypatch.setattr(job, "Demo", functools.partial(Demo, conditions=few, pictures=sent))
    arguments = ["demo", "-o", str(ran.output), "-j", "1"]
    result = CliRunner().invoke(cli, arguments, env={"COLUMNS": str(columns)}, catch_exceptions=False)
    lines = result.output.splitlines()
    assert result.exit_code == 0
    what_next = lines.index("All 28 bitstreams conform. What to look at next:")
    assert max(len(line) for line in lines[:what_next]) <= columns
    assert sum(line.startswith(("| conv3 ", "| conv4 ", "| pyramid ")) for line in lines) == 7
    assert "…" not in result.output
    inspected = next(line for line in lines[what_next:] if "refsw inspect" in line).split()[-1]
    assert CliRunner().invoke(cli, ["inspect", inspected]).exit_code == 0


def test_an_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    result = CliRunner().invoke(cli, ["demo", "-o", str(tmp_path / "file")])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
