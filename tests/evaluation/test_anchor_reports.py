"""Reports say what the records say; comparisons name what cannot be compared."""

from __future__ import annotations

import csv
import json
import re
import shutil

import pytest
from anchor_runs import conditions, document, edit_records, run
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.errors import UsageError
from refsw.evaluation.anchors.compare import Rules, compare
from refsw.evaluation.anchors.folder import open_run
from refsw.evaluation.bdrate import Interpolation, NonMonotone
from refsw.evaluation.reports import differences
from refsw.evaluation.reports.report import write_report
from refsw.evaluation.reports.sheets import _sheet_name

for package in ("yaml", "jsonschema", "openpyxl", "matplotlib", "scipy"):
    pytest.importorskip(package, reason=f"reports need {package}")

LAYERS = {"layers": ["early", "late", "vector"]}
CODECS = {
    "best": {"preset": "best", "sweep": {"qp": [12, 22, 32, 42]}},
    "lzma": {"preset": "fast", "choices": {"payload": "lzma", "quantizer": "none"}},
}
PUBLISHED = [
    {"source": "a paper", "test": "sum", "parameter": "qp", "points": {"late": {"12": [0.231, 0.997], "42": [0.03]}}}
]


def plain(text):
    """Markdown tables without the blanks that align them."""
    return re.sub(" +", " ", text)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    run(root / "anchor", conditions(test=LAYERS))
    run(root / "proposal", conditions(test=LAYERS, codecs=CODECS, published=PUBLISHED))
    return root


@pytest.fixture(scope="module")
def written(runs):
    text, paths = write_report(open_run(runs / "proposal"), runs / "report", open_run(runs / "anchor"))
    return text, {path.name: path for path in paths}


def test_every_form_of_the_report_is_there(written):
    names = {"report.md", "results.csv", "template.csv", "bd.csv", "results.xlsx", "index.html"}
    names |= {"sum.png", "sum.svg", "sum~ratios.png", "sum~ratios.svg"}
    assert set(written[1]) == names
    assert all(path.stat().st_size > 500 for path in written[1].values())


def test_the_table_has_the_form_of_the_paper_with_published_figures_beneath(runs, written):
    record = next(r for r in open_run(runs / "proposal").records if (r["layer"], r["value"]) == ("late", 12))
    cell = f"{record['rate']:.3f}\\|{record['metrics']['fidelity']:.3f}"
    assert f"| late | {cell} |" in plain(written[0])
    assert "| (1) | 0.231\\|0.997 | - | - | 0.030\\|- |" in plain(written[0])
    assert "(1) published: a paper" in written[0]


def test_lossless_codecs_have_a_table_of_ratios(written):
    assert re.search(r"\| lzma \| \d+\.\d\d % \|", plain(written[0]))


def test_the_csv_has_every_record_with_all_digits(runs, written):
    with written[1]["results.csv"].open() as file:
        rows = list(csv.DictReader(file))
    records = open_run(runs / "proposal").records
    assert len(rows) == len(records) == 15
    for row, record in zip(rows, records, strict=True):
        assert float(row["rate"]) == record["rate"]
        assert float(row["fidelity"]) == record["metrics"]["fidelity"]
        assert row["snr"] == ("" if record["codec"] == "lzma" else repr(record["metrics"]["snr"]))


def test_the_workbook_has_a_sheet_for_each_layer_with_charts_and_numbers(runs, written):
    from openpyxl import load_workbook

    book = load_workbook(written[1]["results.xlsx"])
    layers = ["sum early", "sum late", "sum vector"]
    subjects = ["Performance of the task", "Data volume", "Template", "Complexity"]
    assert book.sheetnames == ["Summary", "BD", *subjects, *layers, "Records", "Environment"]
    assert [len(book[name]._charts) for name in layers] == [2, 2, 2]
    head = [cell.value for cell in book["Records"][1]]
    values = [row[head.index("rate")] for row in book["Records"].iter_rows(min_row=2, values_only=True)]
    assert values == pytest.approx([r["rate"] for r in open_run(runs / "proposal").records], rel=1e-14)


def test_names_of_sheets_are_legal_told_apart_and_keep_the_layer():
    taken = {"summary"}
    asked = [("a/b", "c:d"), ("A_b", "c?d"), ("x" * 40, "conv1"), ("x" * 41, "conv1"), ("t", "y" * 60), ("'q'", "'")]
    names = [_sheet_name(test, layer, taken) for test, layer in asked]
    assert names == [
        "a_b c_d",
        "A_b c_d~2",
        "x" * 25 + " conv1",
        "x" * 25 + " con~2",
        "t " + "y" * 15 + "~" + "y" * 13,
        "q ",
    ]
    assert all(len(name) <= 31 for name in names)


def test_the_page_needs_nothing_but_itself(written):
    page = written[1]["index.html"].read_text()
    assert not re.search(r"(src|href)=|url\(|@import", page)
    assert "https://" not in page
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.DOTALL)[1])
    runs = [point["run"] for point in data["tests"][0]["points"]]
    assert (runs.count("run"), runs.count("anchor"), runs.count("published")) == (15, 12, 1)
    assert "sum, best against uniform at equal fidelity" in page


def test_markup_in_names_stays_text(tmp_path):
    run(tmp_path / "r", conditions(title="</script><script>alert(1)</script>", options={"count": 1}))
    _, paths = write_report(open_run(tmp_path / "r"), tmp_path / "report")
    assert "<script>alert" not in next(p for p in paths if p.name == "index.html").read_text()


def test_the_same_run_gives_the_same_bytes(runs, written, tmp_path):
    _, paths = write_report(open_run(runs / "proposal"), tmp_path, open_run(runs / "anchor"))
    for path in paths:
        assert path.read_bytes() == written[1][path.name].read_bytes()


def test_a_run_without_records_has_no_report(runs, tmp_path):
    empty = shutil.copytree(runs / "anchor", tmp_path / "empty")
    edit_records(empty, lambda _: [])
    with pytest.raises(UsageError, match="no records yet"):
        write_report(open_run(empty), tmp_path / "report")


def test_an_unfinished_run_says_so(runs, tmp_path):
    part = shutil.copytree(runs / "anchor", tmp_path / "part")
    edit_records(part, lambda records: records[:5])
    text, _ = write_report(open_run(part), tmp_path / "report")
    assert "Records: PARTIAL: 7 of 12 records are missing (7 of 12 of sum)" in text.replace("\n  ", " ")
    assert "| vector | - | - | - | - |" in plain(text)
    assert 'class="partial"' in (tmp_path / "report" / "index.html").read_text()


def test_a_run_against_itself_saves_nothing(runs):
    one = open_run(runs / "anchor")
    for interpolation in Interpolation:
        result = compare(one, one, Rules(interpolation))
        assert [line.rate for line in result.lines] == pytest.approx([0] * 6)
        assert [mean.counted for mean in result.means] == [3, 3]


def test_means_are_over_the_layers_that_have_a_figure(runs, tmp_path):
    worse = shutil.copytree(runs / "anchor", tmp_path / "worse")

    def edit(records):
        for record in records:
            record["bits_per_element"] *= {"early": 1.1, "late": 1.3, "vector": 1}[record["layer"]]
            if record["layer"] == "vector":
                record["metrics"]["fidelity"] = 0.5
        return records

    edit_records(worse, edit)
    result = compare(open_run(runs / "anchor"), open_run(worse), Rules(qualities=("fidelity",)))
    assert [line.rate for line in result.lines][:2] == pytest.approx([10, 30])
    assert "not monotone: quality 0.5 at rate" in result.lines[2].reason
    assert (result.means[0].rate, result.means[0].counted, result.means[0].layers) == (pytest.approx(20), 2, 3)
    text = differences.as_text(result)
    assert "| sum | fidelity | +20.00 % |" in plain(text)
    assert "| 2/3 |" in plain(text)
    assert "- sum, vector, fidelity: proposal (uniform): not monotone" in text
    pareto = compare(open_run(runs / "anchor"), open_run(worse), Rules(None, NonMonotone.PARETO))
    assert "only 1 of 4 points are better" in next(line.reason for line in pareto.lines if line.layer == "vector")


def test_curves_without_a_common_quality_have_a_reason(runs, tmp_path):
    apart = shutil.copytree(runs / "anchor", tmp_path / "apart")

    def edit(records):
        for record in records:
            record["metrics"]["fidelity"] += 5
        return records

    edit_records(apart, edit)
    result = compare(open_run(runs / "anchor"), open_run(apart))
    line = result.lines[0]
    assert line.rate is None
    assert "no quality in common" in line.reason
    assert line.metric == pytest.approx(5)


def test_runs_of_other_weights_are_not_compared(runs, tmp_path):
    weights = tmp_path / "weights"
    weights.write_bytes(b"other")
    run(tmp_path / "run", conditions(options={"weights": str(weights)}))
    with pytest.raises(UsageError, match="test sum is not the same in both runs: weights was"):
        compare(open_run(runs / "anchor"), open_run(tmp_path / "run"))


def test_several_codecs_are_told_apart_by_name(runs, tmp_path):
    codecs = {name: {"preset": name, "sweep": {"qp": [12, 22, 32, 42]}} for name in ("best", "fast")}
    run(tmp_path / "two", conditions(codecs=codecs, options={}))
    two, one = open_run(tmp_path / "two"), open_run(runs / "anchor")
    assert {(line.anchor, line.proposal) for line in compare(two, two).lines} == {("best", "best"), ("fast", "fast")}
    with pytest.raises(UsageError, match="which codec of the anchor is compared with uniform"):
        compare(two, one)
    assert {line.anchor for line in compare(two, one, Rules(anchor_codec="fast")).lines} == {"fast"}
    with pytest.raises(UsageError, match="no codec x: best, fast"):
        compare(two, one, Rules(anchor_codec="x"))


def test_the_commands_report_and_compare(runs, tmp_path):
    runner = CliRunner()
    anchor, proposal = str(runs / "anchor"), str(runs / "proposal")
    done = runner.invoke(cli, ["anchor", "report", proposal, "-o", str(tmp_path / "r")])
    assert done.exit_code == 0
    assert f"  {tmp_path / 'r' / 'index.html'}" in done.output
    done = runner.invoke(cli, ["anchor", "bd", anchor, proposal, "--json", "--interpolation", "akima"])
    assert done.exit_code == 0
    assert json.loads(done.output)["interpolation"] == "akima"
    done = runner.invoke(cli, ["anchor", "bd", anchor, proposal, "--quality", "fidelity", "--least-overlap", "1"])
    assert done.exit_code == 1
    assert "at least 100 % is asked for" in done.output


def test_a_proposal_is_run_with_one_command(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(document(options={"count": 1}, test={"layers": ["early"]})))
    out = tmp_path / "run"
    done = CliRunner().invoke(cli, ["anchor", "run", str(path), "-o", str(out), "--preset", "fast", "--no-cache"])
    assert (done.exit_code, open_run(out).records[0]["codec"]) == (0, "proposal")
    done = CliRunner().invoke(cli, ["anchor", "run", str(path), "-o", str(out), "--encode", "x"])
    assert isinstance(done.exception, UsageError)


def test_a_failed_job_ends_with_exit_code_1(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(document(options={"count": 1}, test={"layers": ["early"]})))
    command = ["anchor", "run", str(path), "-o", str(tmp_path / "run"), "--no-cache"]
    done = CliRunner().invoke(
        cli, [*command, "--encode", "false {input} {output}", "--decode", "false {input} {output}"]
    )
    assert done.exit_code == 1
    assert "failed: sum, early, codec proposal, qp 12, group 0: false ended with exit code 1" in done.stderr
    assert "0 of 4 records" in done.stdout


def test_a_full_disk_leaves_no_part_of_a_report_and_is_named_with_its_file(runs, tmp_path, monkeypatch):
    import resource
    import signal

    from refsw.evaluation.reports import drawing

    monkeypatch.setattr(drawing, "plots_of", lambda run, anchor: {"plot.png": bytes(50000)})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40000, before[1]))
    try:
        with pytest.raises(OSError, match=r"out/\S+"):
            write_report(open_run(runs / "proposal"), tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list((tmp_path / "out").iterdir()) == []
