"""Tables of a report hold what the records say, in the form of the papers."""

from __future__ import annotations

import re
import shutil

import pytest
from anchor_runs import conditions, edit_records, run

from refsw.evaluation.anchors.compare import compare
from refsw.evaluation.anchors.folder import open_run
from refsw.evaluation.bdrate import Curve, bd_rate
from refsw.evaluation.reports import costs, layouts, tables
from refsw.evaluation.reports.cells import COUNT, RATE, SHARE, Figure, Pair, Table, cell_text
from refsw.evaluation.reports.differences import mean_times, missing

for package in ("yaml", "jsonschema", "scipy"):
    pytest.importorskip(package, reason=f"reports need {package}")

PNG = {"preset": "anchor", "choices": {"quantizer": "uniform", "payload": "png", "layout": "mosaic"}}
CODECS = {
    "tiled": {"preset": "fast", "choices": {"layout": "mosaic"}, "sweep": {"qp": [12, 22, 32, 42]}},
    "png-a": PNG,
    "png-b": PNG | {"choices": PNG["choices"] | {"layout": "quilt"}},
    "quilted": {"preset": "fast", "choices": {"layout": "quilt"}, "sweep": {"qp": [12, 22, 32, 42]}},
    "other": {"preset": "fast", "choices": {"layout": "quilt", "bit_depth": 8}, "sweep": {"qp": [12, 22, 32, 42]}},
    "lzma": {"preset": "fast", "choices": {"payload": "lzma", "quantizer": "none"}},
}
PUBLISHED = [{"source": "a paper", "test": "sum", "parameter": "", "points": {"late": {"lzma": [0.5431]}}}]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(folder, conditions(codecs=CODECS, published=PUBLISHED))
    return open_run(folder)


@pytest.fixture
def test(done):
    return done.conditions.tests[0]


@pytest.fixture
def edited(done, tmp_path):
    """A function that gives the run with its records changed."""

    def change(how):
        folder = shutil.copytree(done.folder, tmp_path / "edited")
        edit_records(folder, how)
        return open_run(folder)

    return change


def row_of(table, *names):
    return next([cell_text(cell) for cell in row] for row in table.rows if row[: len(names)] == names)


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [(RATE, 0.2314, "0.231"), (RATE, 0.00042, "0.00042"), (RATE, 0.0, "0.000"), (SHARE, 0.5431, "54.31 %"),
     (COUNT, 1234567, "1,234,567"), (RATE, None, "-"), (RATE, float("nan"), "-")],
)  # fmt: skip
def test_a_small_figure_is_never_written_as_nothing(form, value, text):
    assert form.text(value) == text


def test_a_table_in_markdown_is_aligned_and_keeps_markup_as_text():
    pair = Pair(Figure(0.1, RATE), Figure(None, RATE))
    text = Table("a <b>", ("layer", "QP 12"), (("x|y", pair), ("*z`", Figure(0.25, RATE)))).as_markdown()
    assert text.splitlines() == [
        "### a &lt;b&gt;",
        "",
        "| layer |    QP 12 |",
        "| ----- | -------: |",
        "| x\\|y  | 0.100\\|- |",
        "| \\*z\\` |    0.250 |",
    ]


def test_tiled_and_quilted_are_compared_codec_by_codec_whatever_they_are_called(done, test):
    (table,) = layouts.tables(done, test)
    assert [row[:2] for row in table.rows] == [("tiled", "fidelity"), ("tiled", "SNR (dB)"), ("png-a", "features")]
    tiled, quilted = tables.points(done, test, "png-a"), tables.points(done, test, "png-b")
    change = 100 * (tiled["late", None]["coded_bytes"] / quilted["late", None]["coded_bytes"] - 1)
    assert table.rows[2][3].value == pytest.approx(change)
    curves = []
    for name in ("quilted", "tiled"):
        own = [r for (layer, _), r in tables.points(done, test, name).items() if layer == "early"]
        curves.append(Curve.of(name, [r["bits_per_element"] for r in own], [r["metrics"]["snr"] for r in own]))
    assert table.rows[1][2].value == pytest.approx(bd_rate(*curves).value)
    means = [row[-1].value for row in table.rows]
    assert means[2] == pytest.approx((table.rows[2][2].value + table.rows[2][3].value) / 2)


def test_lossless_codecs_stand_above_what_a_paper_has_for_them(done, test):
    table = tables.lossless(done, test, [done.conditions.codecs["lzma"]])
    rate = tables.points(done, test, "lzma")["late", None]["rate"]
    assert row_of(table, "lzma")[2] == f"{100 * rate:.2f} %"
    assert row_of(table, "(1)") == ["(1)", "-", "54.31 %"]
    assert table.notes == ("(1) published: a paper",)


def test_data_volume_is_in_units_of_the_picture(done, test):
    table = tables.data_volume(done, test, done.conditions.codecs["tiled"])
    record = tables.points(done, test, "tiled")["early", 22]
    picture = 3 * 144 * record["items"]  # bytes; the task says 144 pixels an item
    assert table.rows[0][2].first.value == pytest.approx(record["coded_bytes"] / picture)
    assert table.rows[0][2].second.value is None  # the size of the coded picture is not known


def test_a_curve_that_is_not_monotone_is_named_under_its_table(edited):
    def change(records):
        for record in records:
            record["metrics"]["fidelity"] = 0.5 if (record["codec"], record["value"]) == ("tiled", 22) else 0.9
        return records

    bent = edited(change)
    one = bent.conditions.tests[0]
    notes = tables.rate_quality(bent, one, bent.conditions.codecs["tiled"]).notes
    assert notes == ("Less fidelity at a higher rate: early, QP 32 to QP 22; late, QP 32 to QP 22.",)
    assert tables.rate_quality(bent, one, bent.conditions.codecs["quilted"]).notes == ()


def test_the_cheapest_point_that_keeps_the_performance_is_found(edited):
    def change(records):
        for record in records:
            record["pristine"]["closeness"] = 0.8
            record["metrics"]["closeness"] = {12: 0.81, 22: 0.793, 32: 0.7919, 42: 0.5, None: 0.8}[record["value"]]
        return records

    whole = edited(change)
    table = tables.cheapest(whole, whole.conditions.tests[0], "closeness")
    assert row_of(table, "early")[1].endswith("|22")


def test_what_is_not_known_is_a_dash_and_not_nothing(edited):
    def change(records):
        for record in records:
            del record["complexity"]
            record["times"] = {}
        return records

    bare = edited(change)
    table = costs.costs(bare, bare.conditions.tests[0])
    assert row_of(table, "early")[3:] == ["-"] * 5
    assert [cell_text(cell) for cell in costs.seconds(bare, bare.conditions.tests[0])[0].rows[0][1:]] == ["-"] * 4


def test_costs_are_those_of_an_item(done, test):
    table = costs.costs(done, test)
    assert row_of(table, "early")[1:6] == ["576", "2", "1,000", "2,000", "33.33 %"]


def test_ratios_of_times_have_a_geometric_mean(done, edited):
    def change(records):
        for record in records:
            record["times"]["encode"] *= {"early": 2.0, "late": 8.0}[record["layer"]]
        return records

    result = compare(done, edited(change))
    assert mean_times(result, result.means[0]) == (pytest.approx(4), pytest.approx(1))


def test_reasons_name_the_codecs_where_there_are_several(done, edited):
    def change(records):
        return [r for r in records if (r["codec"], r["value"], r["layer"]) != ("quilted", 12, "late")]

    result = compare(done, edited(change))
    assert all(re.match(r"sum, late, \S+.*, quilted against quilted: proposal", text) for text in missing(result))
    assert len(missing(result)) == 2
