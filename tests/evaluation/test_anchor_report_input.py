"""Whatever names and records a run has, its report is whole and harmless, or refused in one line."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import xml.dom.minidom
import zipfile

import pytest
from anchor_runs import conditions, edit_records, run
from click.testing import CliRunner
from hostile import HOSTILE, harmful

from refsw.cli.main import cli, tell
from refsw.errors import UsageError
from refsw.evaluation.anchors.compare import compare
from refsw.evaluation.anchors.folder import RUN, open_run
from refsw.evaluation.reports import drawing, figures
from refsw.evaluation.reports.report import write_report
from refsw.text import shown

for package in ("yaml", "jsonschema", "openpyxl", "matplotlib", "scipy"):
    pytest.importorskip(package, reason=f"reports need {package}")

TITLE = '$x @DATA@ </title><script>alert(1)</script> \x1b[2J\x00 & "q" | \N{GRINNING FACE}'


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(folder, conditions(test={"layers": ["early"]}, options={"count": 1}))
    return folder


LAYERS = [
    "$early_a^b$",
    "$\\frac{early",
    "_early",
    "-early",
    "early\x00\x1b[2J\ufffe\n\r",
    "early\udcff",
    "'/net/early[0]:*?'",
    "--></script><!--",
    "layer" * 40,
    "\N{GRINNING FACE}",
    *(text[:100] for text in HOSTILE.values()),
]


@pytest.fixture(scope="module")
def lossy_and_lossless(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "both"
    codecs = {
        "uniform": {"title": TITLE, "preset": "fast", "sweep": {"qp": [12, 22, 32, 42]}},
        "lzma": {"title": TITLE, "preset": "fast", "choices": {"payload": "lzma", "quantizer": "none"}},
    }
    run(folder, conditions(codecs=codecs, test={"layers": ["early"]}, options={"count": 1}))
    return folder


def renamed(whole, folder, layers, title="Title"):
    """A copy of a run with the records of its layer for each of these."""
    shutil.copytree(whole, folder)
    told = json.loads((folder / RUN).read_text())
    told["conditions"] |= {"title": title, "source": title}
    told["conditions"]["tests"][0] |= {"layers": layers, "title": title}
    (folder / RUN).write_text(json.dumps(told))
    edit_records(folder, lambda records: [record | {"layer": layer} for layer in layers for record in records])
    return open_run(folder)


def test_a_name_is_text_wherever_it_is_shown(lossy_and_lossless, tmp_path):
    hostile = renamed(lossy_and_lossless, tmp_path / "run", LAYERS, TITLE)
    text, paths = write_report(hostile, tmp_path / "report", hostile)
    found = {path.name: path for path in paths}
    page = found["index.html"].read_text()
    assert page.count("<script") == page.count("</script>") == 2
    assert "<!--" not in page
    assert harmful(text) == []
    for path in paths:
        if path.suffix not in (".png", ".xlsx"):
            assert harmful(path.read_text()) == [], path.name
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.DOTALL)[1])
    assert data["tests"][0]["layers"] == [shown(layer) for layer in LAYERS]
    xml.dom.minidom.parse(str(found["sum.svg"]))
    with zipfile.ZipFile(found["results.xlsx"]) as book:
        sheets = [name for name in book.namelist() if "worksheets/sheet" in name]
        assert not any(b"<f>" in book.read(name) for name in sheets)
        assert all(xml.dom.minidom.parseString(book.read(name)) for name in sheets)
        assert not any(harmful(book.read(name).decode()) for name in book.namelist())
    for name in ("results.csv", "bd.csv"):
        with found[name].open() as file:
            texts = [cell for row in csv.reader(file) for cell in row if re.search("[a-z]{2}", cell)]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in texts)


def test_a_workbook_keeps_text_that_begins_like_a_formula(whole, tmp_path):
    from openpyxl import load_workbook

    _, paths = write_report(renamed(whole, tmp_path / "run", ["=1+1"]), tmp_path / "report")
    book = load_workbook(next(path for path in paths if path.suffix == ".xlsx"))
    cells = [cell for row in book["Records"].iter_rows() for cell in row if cell.value == "=1+1"]
    assert len(cells) == 4
    assert {(cell.data_type, bool(cell.quotePrefix)) for cell in cells} == {("s", True)}


def without(name):
    return lambda record: record.pop(name)


def put(**values):
    return lambda record: record.update(values)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without("rate"), "line 1: damaged: a record without rate"),
        (put(items="6"), "line 1: damaged: items is '6'"),
        (put(rate=-1), "record sum, early, .*: rate is -1"),
        (put(coded_bytes=True), "line 1: damaged: coded_bytes is 'True'"),
        (put(bits_per_pixel="x"), "line 1: damaged: bits_per_pixel is 'x'"),
        (without("pristine"), "line 1: damaged: a record without pristine"),
        (put(metrics={"fidelity": float("nan")}), "line 1: damaged: NaN is no number"),
        (put(metrics={"fidelity": 1e308}), r"record sum, early, .*: fidelity is 1e\+308"),
        (put(complexity="x"), "line 1: damaged: complexity is 'x'"),
        (put(complexity={"macs_front": "x"}), "line 1, complexity: damaged: macs_front is 'x'"),
        (put(digests="x"), "line 1: damaged: digests is 'x'"),
        (put(layer="x"), "record sum, x, .*: not among the conditions"),
        (put(value="12"), "line 1: damaged: value is '12'"),
        (put(value=22), "record sum, early, .*: there twice"),
    ],
)
def test_a_damaged_record_is_named(whole, tmp_path, change, told):
    folder = shutil.copytree(whole, tmp_path / "run")

    def damage(records):
        change(records[0])
        return records

    edit_records(folder, damage)
    with pytest.raises(UsageError, match=told):
        write_report(open_run(folder), tmp_path / "report")
    with pytest.raises(UsageError, match=told):
        compare(open_run(whole), open_run(folder))
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    "change",
    [
        put(metrics={}),
        put(metrics={"fidelity": None, "snr": None}),
        put(pristine={"fidelity": None, "closeness": None}),
        put(pristine={"fidelity": 0.0, "closeness": 0.0}),
        put(times={}),
        put(times={"encode": 0.0, "decode": 0.0}),
        without("complexity"),
        without("bits_per_pixel"),
    ],
)
def test_what_a_record_need_not_have_may_be_missing(whole, tmp_path, change):
    folder = shutil.copytree(whole, tmp_path / "run")

    def less(records):
        for record in records:
            change(record)
        return records

    edit_records(folder, less)
    text, paths = write_report(open_run(folder), tmp_path / "report", open_run(whole))
    assert "nan" not in text.lower()
    assert all(path.stat().st_size for path in paths)


def test_a_report_of_which_a_part_cannot_be_made_leaves_the_earlier_one(whole, tmp_path, monkeypatch):
    write_report(open_run(whole), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    part = shutil.copytree(whole, tmp_path / "part")
    edit_records(part, lambda records: records[:2])

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(drawing, "plots_of", fail)
    with pytest.raises(OSError, match="No space"):
        write_report(open_run(part), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense", "pdf"])
def test_settings_of_matplotlib_that_a_user_has_change_nothing(whole, tmp_path, monkeypatch, backend):
    expected = drawing.plots_of(open_run(whole))
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nfont.size: 30\nsvg.fonttype: none\n")
    monkeypatch.setenv("MPLBACKEND", backend)
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    assert drawing.plots_of(open_run(whole)) == expected
    assert os.environ["MPLBACKEND"] == backend


def test_drawing_leaves_matplotlib_of_the_caller_alone(whole):
    code = (
        f"import sys; sys.path[:0] = {sys.path}\n"
        "from refsw.evaluation.anchors.folder import open_run; from pathlib import Path\n"
        "from refsw.evaluation.reports.drawing import plots_of\n"
        f"assert plots_of(open_run(Path({str(whole)!r}))); print([m for m in ('matplotlib',) if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_plots_are_drawn_without_a_file_of_their_own(whole, tmp_path, monkeypatch):
    import resource

    expected = drawing.plots_of(open_run(whole))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        assert drawing.plots_of(open_run(whole)) == expected
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_where_plots_are_drawn_is_told_with_its_file(whole, tmp_path, monkeypatch):
    (tmp_path / "matplotlib.py").write_text("raise OSError(28, 'No space left on device', '/there/fonts.json')")
    monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / "report"
    done = CliRunner().invoke(cli, ["anchor", "report", str(whole), "-o", str(out)])
    assert isinstance(done.exception, OSError)
    assert (done.exception.errno, done.exception.filename) == (errno.ENOSPC, "/there/fonts.json")
    assert tell(done.exception) == 74
    assert not out.exists()


def test_a_file_that_cannot_be_written_leaves_the_earlier_report(whole, tmp_path):
    write_report(open_run(whole), tmp_path / "report")
    before = {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir() if path.name != "sum.svg"}
    part = shutil.copytree(whole, tmp_path / "part")
    edit_records(part, lambda records: records[:2])
    (tmp_path / "report" / "sum.svg").unlink()
    (tmp_path / "report" / "sum.svg").mkdir()
    with pytest.raises(IsADirectoryError):
        write_report(open_run(part), tmp_path / "report")
    kept = {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir() if path.is_file()}
    assert kept == before


def test_a_folder_that_cannot_be_made_is_told_as_output(whole, tmp_path):
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(cli, ["anchor", "report", str(whole), "-o", str(tmp_path / "file" / "report")])
    assert isinstance(done.exception, NotADirectoryError)
    assert done.exception.refsw_role == "output"


def test_a_report_without_an_anchor_keeps_no_figures_of_an_earlier_comparison(whole, tmp_path):
    one = open_run(whole)
    write_report(one, tmp_path, one)
    assert (tmp_path / "bd.csv").exists()
    write_report(one, tmp_path)
    assert not (tmp_path / "bd.csv").exists()


def test_a_terminal_of_few_letters_gets_the_report_all_the_same(whole, tmp_path):
    odd = renamed(whole, tmp_path / "run", ["\N{GRINNING FACE}"], "\N{GREEK SMALL LETTER MU}")
    done = CliRunner(charset="ascii").invoke(cli, ["anchor", "report", str(odd.folder)])
    assert done.exit_code == 0
    assert done.output.startswith("# \\u03bc\n")
    done = CliRunner(charset="ascii").invoke(cli, ["anchor", "bd", str(odd.folder), str(odd.folder)])
    assert "| \\U0001f600" in done.output


def test_codecs_to_compare_are_chosen_where_there_are_several(whole, tmp_path):
    codecs = {name: {"preset": name, "sweep": {"qp": [12, 22, 32, 42]}} for name in ("best", "fast")}
    run(tmp_path / "two", conditions(codecs=codecs, test={"layers": ["early"]}, options={"count": 1}))
    command = ["anchor", "report", str(whole), "-o", str(tmp_path / "report"), "--anchor", str(tmp_path / "two")]
    assert "Say --anchor-codec" in str(CliRunner().invoke(cli, command).exception)
    done = CliRunner().invoke(cli, [*command, "--anchor-codec", "fast"])
    assert "Codec uniform against fast: means" in done.output


def test_many_codecs_are_drawn_layer_by_layer(whole, tmp_path):
    codecs = {f"c{n}": {"preset": "fast", "sweep": {"qp": [12 + n, 42]}} for n in range(4)}
    run(tmp_path / "run", conditions(codecs=codecs, options={"count": 1}))
    many = open_run(tmp_path / "run")
    figure = figures.rate_quality(many, many.conditions.tests[0], ["fidelity", "snr"])
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    snr = "SNR of the features (dB)"
    assert titles == ["early: fidelity", f"early: {snr}", "late: fidelity", f"late: {snr}"]
    assert all(len(axes.get_lines()) == 4 for axes in figure.axes)
    assert len({line.get_color() + line.get_marker() for line in figure.axes[0].get_lines()}) == 4


def test_codecs_without_a_curve_have_bars_of_their_ratio_and_no_curves(tmp_path):
    codecs = {name: {"preset": "fast", "choices": {"payload": name, "quantizer": "none"}} for name in ("lzma", "gzip")}
    run(tmp_path / "run", conditions(codecs=codecs, options={"count": 1}))
    done = open_run(tmp_path / "run")
    test = done.conditions.tests[0]
    assert [name for name, figure in figures.plots_of(done).items() if figure is not None] == ["sum~ratios"]
    assert figures.metrics_of(done, test) == ["fidelity", "closeness"]  # no SNR without an error
    (panel,) = figures.ratios(done, test).axes
    rates = {(r["codec"], r["layer"]): 100 * r["rate"] for r in done.records}
    expected = [rates[codec, layer] for codec in codecs for layer in test.layers]
    assert [bar.get_height() for bar in panel.patches] == pytest.approx(expected)
    assert [label.get_text() for label in panel.get_xticklabels()] == ["early", "late"]


def test_points_of_more_layers_than_colours_are_told_apart():
    marks = [tuple(figures.marker(number).values()) for number in range(49)]
    assert len(set(marks)) == 49
