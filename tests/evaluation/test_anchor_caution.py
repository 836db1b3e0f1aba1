"""A figure from too little says so wherever it stands, and one from nothing is not there."""

from __future__ import annotations

import csv
import io
import shutil

import pytest
from anchor_runs import conditions, edit_records, run
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.evaluation.anchors.compare import Rules, compare
from refsw.evaluation.anchors.folder import open_run
from refsw.evaluation.bdrate import Curve, bd_metric, bd_rate
from refsw.evaluation.reports.differences import as_text, flat
from refsw.evaluation.reports.report import write_report
from refsw.evaluation.reports.tables import cheapest

pytest.importorskip("scipy", reason="curves are interpolated with scipy")
ALL = Rules(qualities=("fidelity",), least_overlap=0)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("caution") / "run"
    assert run(folder, conditions(test={"layers": ["early"]}))[1] == []
    return folder


@pytest.fixture
def pair(done, tmp_path):
    """Copies of a run as anchor and proposal, with rates 1, 2, 4, 8 and fidelities from 0.1 to 0.4."""

    def made(name, first=0.1, step=0.1, **changes):
        shutil.copytree(done, tmp_path / name)

        def change(records):
            for place, record in enumerate(records):
                record["bits_per_element"] = 2.0**place
                record["metrics"]["fidelity"] = first + step * place
                record["times"] |= {"encode": 2.0, "decode": 1.0} | changes.get("times", {})
                for name in changes.get("without", ()):
                    record["times"].pop(name)
            return records[: changes.get("points", 4)]

        edit_records(tmp_path / name, change)
        return open_run(tmp_path / name)

    return made


def line(anchor, proposal, rules=ALL):
    (found,) = compare(anchor, proposal, rules).lines
    return found


def test_a_small_overlap_is_refused_with_the_shares_of_both_curves(pair):
    anchor, proposal = pair("anchor"), pair("proposal", first=0.395)
    found = line(anchor, proposal, Rules(qualities=("fidelity",)))
    assert found.rate is None
    assert "0.84 % of what either covers, 1.7 % of the anchor, 1.7 % of the proposal" in found.reason
    assert found.metric is not None  # the rates are the same


def test_a_small_overlap_that_is_asked_for_has_a_warning_in_every_form_of_the_report(pair, tmp_path):
    anchor, proposal = pair("anchor"), pair("proposal", first=0.36)
    found = line(anchor, proposal)
    shares = "7.1 % of what either covers, 13 % of the anchor, 13 % of the proposal"
    assert found.warning == f"BD-rate over a small overlap only: {shares}"
    comparison = compare(anchor, proposal, ALL)
    assert comparison.means[0].warned == 1
    columns, rows = flat(comparison)
    assert rows[0][columns.index("warning")] == found.warning
    assert [round(rows[0][columns.index(name)], 3) for name in ("overlap", "of anchor", "of proposal")] == [
        0.071, 0.133, 0.133,
    ]  # fmt: skip
    text = " ".join(as_text(comparison).split())
    assert f"Caution: early: {found.warning}." in text
    assert "Caution: layers whose figures are over a small overlap only: sum at equal fidelity 1 of 1." in text
    told = CliRunner().invoke(
        cli, ["anchor", "bd", str(anchor.folder), str(proposal.folder), "--least-overlap", "0.05"]
    )
    assert "Caution: early: BD-rate over a small overlap only" in " ".join(told.output.split())


def test_the_report_warns_in_markdown_csv_workbook_and_page(pair, tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="workbooks are read with openpyxl")
    pytest.importorskip("matplotlib", reason="reports have plots")
    anchor, proposal = pair("anchor"), pair("proposal", first=0.32)  # 18 % of what either covers
    text, _ = write_report(proposal, tmp_path / "report", anchor)
    told = "BD-rate over a small overlap only: 15 % of what either covers, 27 % of the anchor, 27 % of the proposal"
    summary = "layers whose figures are over a small overlap only: sum at equal fidelity 1 of 1"
    assert summary in " ".join(text.split())
    for name in ("report.md", "index.html", "bd.csv"):
        assert told in " ".join((tmp_path / "report" / name).read_text().split())
    rows = list(csv.DictReader(io.StringIO((tmp_path / "report" / "bd.csv").read_text())))
    assert rows[0]["warning"] == told
    book = openpyxl.load_workbook(tmp_path / "report" / "results.xlsx")
    cells = {name: [str(c.value) for row in book[name].iter_rows() for c in row] for name in ("BD", "Summary")}
    assert any(told in cell for cell in cells["BD"])
    assert any(summary in cell for cell in cells["Summary"])


@pytest.mark.parametrize(
    "changes",
    [{"times": {"encode": 0.0}}, {"without": ["encode"]}, {"times": {"encode": None}}, {"points": 3}, {"points": 0}],
)
def test_a_time_of_nothing_is_no_ratio(pair, changes):
    anchor, proposal = pair("anchor"), pair("proposal", **changes)
    for first, second in ((anchor, proposal), (proposal, anchor)):
        found = line(first, second)
        assert found.encode_time is None
        assert "| 0 %" not in " ".join(as_text(compare(first, second, ALL)).split())


def test_times_of_as_many_points_are_a_ratio(pair):
    found = line(pair("anchor"), pair("proposal", times={"encode": 1.0}))
    assert (found.encode_time, found.decode_time) == (0.5, 1)


def test_points_without_a_value_are_counted(pair):
    anchor = pair("anchor")

    def change(records):
        for record in records[:2]:
            record["metrics"]["snr"] = None
        return records

    edit_records(anchor.folder, change)
    rules = Rules(qualities=("snr",))
    assert (
        "2 of 4 points have no snr: at least 4 that have one are needed"
        in line(open_run(anchor.folder), pair("proposal"), rules).reason
    )


def test_nearly_all_of_a_performance_of_0_is_nothing(pair):
    anchor = pair("anchor")

    def change(records):
        for record in records:
            record["pristine"]["closeness"] = 0.0
            record["metrics"]["closeness"] = 0.0
        return records

    edit_records(anchor.folder, change)
    edited = open_run(anchor.folder)
    assert cheapest(edited, edited.conditions.tests[0], "closeness").rows[0][1].text == "-"


def test_identical_curves_are_no_difference_over_all_of_both():
    curve = Curve("a", (1, 2, 4, 8), (1, 2, 3, 4))
    for measure in (bd_rate, bd_metric):
        found = measure(curve, curve)
        assert (found.value, found.overlap, found.of_anchor, found.of_proposal, found.warning) == (0, 1, 1, 1, "")
