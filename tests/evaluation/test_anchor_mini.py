"""The conditions that ship with refsw, and those under tools/anchors."""

from __future__ import annotations

import pytest
from anchor_runs import run

from refsw.evaluation.anchors.conditions import find_conditions, load_conditions, parse_conditions, with_codec
from refsw.evaluation.anchors.folder import open_run
from refsw.evaluation.reports.report import write_report

for package in ("yaml", "jsonschema", "onnxruntime"):
    pytest.importorskip(package, reason=f"the mini conditions need {package}")

from conftest import ROOT  # noqa: E402

CONDITIONS = sorted((ROOT / "tools" / "anchors").glob("*.yaml"))
POINTS = {"mm19": 176, "retina": 21, "images": 390, "mini": 60, "data": 279, "loss": 1650, "remote": 148}
POINTS |= {"cats": 48, "vcm": 84, "jpegai": 96}


def count(asked):
    return sum(1 for _ in asked.points())


def test_there_are_conditions_for_every_paper():
    assert {path.stem: count(load_conditions(path)) for path in CONDITIONS} == POINTS


@pytest.mark.parametrize("path", CONDITIONS, ids=lambda path: path.stem)
def test_published_figures_belong_to_points_of_their_test(path):
    asked = load_conditions(path)
    for entry in asked.document.get("published", []):
        test = asked.test(entry["test"])
        assert set(entry["points"]) <= set(test.layers)
        values = {f"{v:g}" for c in test.codecs for v in asked.codecs[c].values if v is not None}
        if not entry["parameter"]:
            values = {name for name in test.codecs if not asked.codecs[name].parameter}
        assert {value for figures in entry["points"].values() for value in figures} <= values


def test_the_three_tasks_run_on_what_ships(tmp_path):
    document = dict(load_conditions(find_conditions("mini")).document)
    document["tests"] = [
        test | {"dataset": {"kind": "mini", "limit": 4}, "layers": test["layers"][-1:]} for test in document["tests"]
    ]
    codec = {"preset": "fast", "sweep": {"qp": [12, 42]}}
    _, failures = run(tmp_path, with_codec(parse_conditions(document), "fast", codec), jobs=1)
    assert failures == []
    records = open_run(tmp_path).records
    assert [r["layer"] for r in records[::2]] == ["conv4", "conv4", "pyramid"]
    for fine, coarse in zip(records[::2], records[1::2], strict=True):
        assert fine["rate"] > coarse["rate"]
        assert fine["metrics"]["snr"] > coarse["metrics"]["snr"]
        assert fine["metrics"]["fidelity"] >= coarse["metrics"]["fidelity"]
        assert fine["complexity"]


@pytest.mark.slow
def test_the_trends_of_the_mini_conditions_hold(tmp_path):
    asked = load_conditions(find_conditions("mini"))
    _, failures = run(tmp_path, asked, jobs=2)
    assert failures == []
    done = open_run(tmp_path)
    assert len(done.records) == 60
    for test in asked.tests:
        for layer in test.layers:
            own = [r for r in done.records if (r["test"], r["layer"], r["codec"]) == (test.name, layer, "anchor")]
            for name in ("rate", "snr"):
                values = [r["metrics"].get(name, r.get(name)) for r in own]
                assert values == sorted(values, reverse=True)
            assert own[0]["metrics"]["fidelity"] > own[-1]["metrics"]["fidelity"]
    write_report(done, tmp_path / "report")
