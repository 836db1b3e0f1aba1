"""Each choice of a preset alone switched off and on; and the columns of the groups' templates."""

from __future__ import annotations

import csv
import io

import pytest
from anchor_runs import run
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.errors import UsageError
from refsw.evaluation.anchors.ablate import ablated, differing
from refsw.evaluation.anchors.conditions import parse_conditions
from refsw.evaluation.anchors.folder import open_run
from refsw.evaluation.reports import template
from refsw.evaluation.reports.report import as_csv

for package in ("yaml", "onnxruntime", "scipy"):
    pytest.importorskip(package, reason=f"the conditions need {package}")

TEST = {
    "name": "detection", "task": "detection", "network": {"kind": "mini"}, "dataset": {"kind": "mini", "limit": 2},
    "layers": ["pyramid"], "group": 2,
}  # fmt: skip
DOCUMENT = {
    "format": "refsw-conditions-1", "name": "small", "title": "Small",
    "codecs": {"anchor": {"preset": "anchor", "sweep": {"qp": [12, 22, 32, 42]}}}, "tests": [TEST],
}  # fmt: skip


def test_the_choices_are_those_in_which_presets_differ():
    assert differing("fast", "balanced") == {"effort": ("fast", "balanced")}
    found = differing("balanced", "anchor")
    assert {"quantizer", "bit_depth", "layout", "effort"} <= set(found)
    assert found["quantizer"] == ("uniform", "log")
    assert found["bit_depth"] == (10, 8)


def test_every_choice_is_a_codec_switched_off_and_one_switched_on():
    asked, variants, reasons = ablated(parse_conditions(DOCUMENT), "balanced", "anchor")
    assert {v.switched for v in variants} == {"off", "on"}
    assert set(asked.codecs) == {"balanced", "anchor"} | {v.codec for v in variants}
    one = next(v for v in variants if v.codec == "balanced-without-bit_depth")
    assert (one.against, one.before, one.after) == ("balanced", "10", "8")
    assert asked.codecs[one.codec].config(22).bit_depth == 8
    assert len(variants) + len(reasons) == 2 * len(differing("balanced", "anchor"))


def test_presets_that_are_the_same_have_nothing_to_switch():
    with pytest.raises(UsageError, match="has no choice otherwise"):
        ablated(parse_conditions(DOCUMENT), "fast", "fast")


def test_the_command_runs_all_of_them_and_prints_the_table(tmp_path):
    (tmp_path / "small.yaml").write_text(str(DOCUMENT))  # JSON-like mappings are YAML
    arguments = ["anchor", "ablate", str(tmp_path / "small.yaml"), "--preset", "fast", "--base", "balanced"]
    result = CliRunner().invoke(cli, [*arguments, "-o", str(tmp_path / "run")], catch_exceptions=False)
    assert result.exit_code == 0
    rows = [line for line in result.output.splitlines() if line.startswith("| effort")]
    assert len(rows) == 4
    # With one choice, off is the one preset against the other, and on the other way round.
    assert {codec["codec"] for codec in open_run(tmp_path / "run").records} == {
        "fast", "balanced", "fast-without-effort", "balanced-with-effort",
    }  # fmt: skip


def test_the_template_has_a_row_a_point_and_means(tmp_path):
    document = DOCUMENT | {
        "codecs": {"fast": {"preset": "fast", "sweep": {"qp": [12, 42]}}},
        "tests": [TEST, TEST | {"name": "again", "layers": ["conv3"]}],
    }
    run(tmp_path, parse_conditions(document))
    done = open_run(tmp_path)
    rows = list(csv.DictReader(io.StringIO(as_csv(*template.flat(done)))))
    assert [(row["class"], row["layer"], row["point"]) for row in rows] == [
        ("detection", "pyramid", "QP 12"), ("detection", "pyramid", "QP 42"), ("detection", "mean", ""),
        ("again", "conv3", "QP 12"), ("again", "conv3", "QP 42"), ("again", "mean", ""), ("Overall", "mean", ""),
    ]  # fmt: skip
    first, record = rows[0], done.records[0]
    pixels = 2 * 96 * 96
    assert float(first["BPP"]) == pytest.approx(8 * record["coded_bytes"] / pixels)
    assert float(first["EncT (s)"]) == pytest.approx(record["times"]["encode"] / 2)
    assert float(first["DecT (s)"]) == pytest.approx(record["times"]["decode"] / 2)
    counts = record["complexity"]
    assert float(first["kMAC/pixel enc"]) == pytest.approx(counts["macs_front"] / (96 * 96) / 1000)
    assert float(first["kMAC/pixel dec"]) == pytest.approx(counts["macs_back"] / (96 * 96) / 1000)
    assert float(first["AP"]) == pytest.approx(record["metrics"]["ap"])
    points = [float(row["BPP"]) for row in rows if row["point"]]
    assert float(rows[2]["BPP"]) == pytest.approx(sum(points[:2]) / 2)
    assert float(rows[-1]["BPP"]) == pytest.approx(sum(points) / 4)
