"""The main job, at one QP."""

from __future__ import annotations

import functools
import itertools
import json

import pytest
from click.testing import CliRunner

import refsw
from refsw.cli.main import cli
from refsw.errors import CodecError, UsageError
from refsw.evaluation import demo as job
from refsw.evaluation.demo import Demo, Point, code, compare

for package in ("onnxruntime", "matplotlib", "scipy"):
    pytest.importorskip(package, reason=f"the demo needs {package}")


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def ran(output):
    demo = Demo(output, "fast", qps=(42,))
    points = list(demo.measure())
    demo.write(points, demo.compare(points))
    return demo, points


def point(preset, qp, size, snr):
    return Point("conv1", (1, 1), preset, qp, size, 0.5, float(size), snr, 1.0, 1.0, "")


def test_every_cut_is_measured_with_the_preset_and_with_anchor(ran):
    demo, points = ran
    assert len(points) == demo.point_count == 8
    assert {(p.layer, p.preset) for p in points} == {(f"conv{i}", name) for i in range(1, 5) for name in demo.presets}


def test_the_bitstreams_are_those_that_the_figures_describe(ran, output):
    for p in ran[1]:
        coded = (output / p.bitstream).read_bytes()
        assert len(coded) == p.coded_bytes
        assert refsw.decode(coded).shape == p.shape
        assert p.bits_per_element == pytest.approx(32 * p.rate)


def test_qp_42_loses_some_decisions_where_the_cut_is_early(ran):
    assert any(p.agreement < 1 for p in ran[1] if p.layer in ("conv1", "conv2"))


def test_two_processes_give_the_same_points(ran, tmp_path):
    points = itertools.islice(Demo(tmp_path, "fast", jobs=2, qps=(42,)).measure(), 4)
    assert list(points) == ran[1][:4]


def test_results_hold_every_point_and_the_plots_lie_beside(ran, output):
    results = json.loads((output / "results.json").read_text())
    assert [p["bitstream"] for p in results["points"]] == [p.bitstream for p in ran[1]]
    assert {path.name for path in output.iterdir()} == {"bitstreams", "results.json", "rd.png", "rd.svg"}


def test_one_qp_is_no_curve_and_the_results_say_so(ran, output):
    layers = json.loads((output / "results.json").read_text())["against_anchor"]["layers"]
    assert all(layer["bd_rate"] is None and "at least 4 are needed" in layer["reason"] for layer in layers)


def test_half_the_rate_at_the_same_snr_is_minus_50_percent():
    points = [point("anchor", qp, 200 - qp, 50.0 - qp) for qp in job.QPS]
    points += [point("fast", qp, (200 - qp) // 2, 50.0 - qp) for qp in job.QPS]
    assert compare("conv1", points, "fast").bd_rate == pytest.approx(-50)


def test_anchor_is_not_compared_with_itself(tmp_path):
    demo = Demo(tmp_path, "anchor", qps=(42,))
    assert demo.presets == ("anchor",)
    assert demo.compare([]) == []


def test_a_preset_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(UsageError, match="preset sharp"):
        Demo(tmp_path, "sharp")


def test_a_bitstream_that_does_not_conform_stops_the_job(ran, monkeypatch):
    demo, _ = ran
    features = demo.network.front(demo.data.images[:1], "conv4")
    monkeypatch.setattr(refsw, "validate", lambda data: _report(data))
    with pytest.raises(CodecError, match="conv4 at QP 42: the bitstream does not conform"):
        code(features, "conv4", "fast", 42)


def _report(data):
    from refsw.validation import validate

    return validate(data[:-1])


@pytest.mark.parametrize("columns", [80, 120])
def test_the_command_prints_tables_that_fit(ran, tmp_path, monkeypatch, columns):
    monkeypatch.setattr(job, "Demo", functools.partial(Demo, qps=(42,)))
    monkeypatch.setattr(Demo, "measure", lambda self: iter(ran[1]))
    arguments = ["demo", "-o", str(tmp_path / "new" / "folder"), "--preset", "fast", "--jobs", "1"]
    result = CliRunner().invoke(cli, arguments, env={"COLUMNS": str(columns)}, catch_exceptions=False)
    lines = result.output.splitlines()
    assert result.exit_code == 0
    what_next = lines.index("All 8 bitstreams conform. What to look at next:")
    assert max(len(line) for line in lines[:what_next]) <= columns
    assert sum(line.startswith(f"conv{i}") for i in range(1, 5) for line in lines) == 8
    assert "…" not in result.output
    assert any("refsw inspect" in line for line in lines[what_next:])


def test_an_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert CliRunner().invoke(cli, ["demo", "-o", str(tmp_path / "file")]).exit_code == 2
