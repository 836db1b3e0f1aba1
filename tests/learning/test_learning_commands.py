"""The commands, and what the documents say of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.evaluation.documents import read_yaml
from refsw.learning.experiment import parse_experiment
from tests.learning.experiments_at_hand import DOCUMENT, folder

pytest.importorskip("matplotlib", reason="reports have plots")

__all__ = ["folder"]
ROOT = Path(__file__).resolve().parents[2]


def test_an_experiment_is_run_and_reported_and_reported_again(folder, tmp_path):
    swept = {"method": "reuse", "sources": ["one"], "gamma": [0.5, 2]}
    told = DOCUMENT | {"seeds": [0], "runs": {"baseline": {"method": "labels"}, "gamma": swept}}
    (tmp_path / "small.yaml").write_text(json.dumps(told))
    words = ["learn", "run", str(tmp_path / "small.yaml"), "--data", str(folder), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert "### Methods" in done.output
    files = {path.name for path in (tmp_path / "out" / "report").iterdir()}
    assert files == {"report.md", "records.csv", "gamma.png", "gamma.svg"}
    again = CliRunner().invoke(cli, ["learn", "report", str(tmp_path / "out")], catch_exceptions=False)
    assert again.output.splitlines()[:3] == done.output.splitlines()[-len(again.output.splitlines()) :][:3]


def test_the_experiment_in_the_documents_is_taken_as_it_stands():
    text = (ROOT / "docs" / "learning.md").read_text()
    block = next(part.split("```")[0] for part in text.split("```text\n")[1:] if part.startswith("name:"))
    told = parse_experiment(read_yaml(block, "docs/learning.md"), ROOT)
    assert sum(1 for _ in told.points()) == 5 * (1 + 5 + 1)
