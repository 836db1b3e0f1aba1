"""Remote inference in the harness: pictures coded, decoded and passed through the whole network, beside features."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from anchor_runs import compared, run
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.errors import UsageError
from refsw.evaluation.anchors import remote
from refsw.evaluation.anchors.conditions import parse_conditions, with_codec
from refsw.evaluation.anchors.crosscheck import crosscheck
from refsw.evaluation.anchors.folder import open_run
from refsw.evaluation.anchors.units import RateUnit
from refsw.evaluation.crossing import Reached
from refsw.evaluation.reports.remote import shown
from refsw.evaluation.reports.report import write_report
from refsw.evaluation.tasks import open_task

for package in ("yaml", "onnxruntime", "scipy", "matplotlib", "openpyxl"):
    pytest.importorskip(package, reason=f"the conditions need {package}")

COPY = f"{sys.executable} -c 'import shutil,sys; shutil.copy(sys.argv[1], sys.argv[2])' {{input}} {{output}}"
CODECS = {
    "fast": {"preset": "fast", "sweep": {"qp": [12, 22, 32, 42]}},
    "jpeg": {"picture": "jpeg", "sweep": {"quality": [10, 30, 60, 90]}},
    "png": {"picture": "png"},
    "copy": {"picture": "ppm", "encode": COPY, "decode": COPY},
}
TEST = {
    "name": "detection", "task": "detection", "network": {"kind": "mini"}, "dataset": {"kind": "mini", "limit": 3},
    "layers": ["input", "input-resized", "conv3", "pyramid"], "group": 2,
}  # fmt: skip


def document(**changes):
    base = {"format": "refsw-conditions-1", "name": "remote", "title": "Pictures against features", "codecs": CODECS}
    return base | {"tests": [TEST | changes.pop("test", {})]} | changes


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remote") / "run"
    _, failures = run(folder, parse_conditions(document()), keep_bitstreams=True)
    assert not failures
    return open_run(folder)


def test_pictures_are_coded_at_the_input_and_features_at_cuts(done):
    places = {(r["layer"], r["codec"]) for r in done.records}
    before = {(layer, codec) for layer in ("input", "input-resized") for codec in ("jpeg", "png", "copy")}
    assert places == before | {("conv3", "fast"), ("pyramid", "fast")}
    assert len(done.records) == sum(1 for _ in done.conditions.points()) == 2 * 6 + 2 * 4


def test_a_lossless_picture_makes_what_the_whole_network_makes(done):
    for record in done.records:
        if record["codec"] in ("png", "copy"):
            assert record["metrics"]["fidelity"] == 1
            assert record["metrics"]["ap"] == record["pristine"]["ap"]


def test_rates_of_both_sides_are_in_the_same_pixels(done):
    for record in done.records:
        assert record["picture_pixels"] == record["input_pixels"] == 3 * 96 * 96
        assert record["bits_per_picture_pixel"] == pytest.approx(8 * record["coded_bytes"] / (3 * 96 * 96))
    copied = next(r for r in done.records if (r["layer"], r["codec"]) == ("input", "copy"))
    # A PGM file is its header and a byte a pixel; two bitstreams, of which one has two files with their lengths.
    assert copied["coded_bytes"] == 3 * (len(b"P5\n96 96\n255\n") + 96 * 96) + 2 * 4


def test_the_whole_network_is_behind_the_input(done):
    counts = {r["layer"]: r.get("complexity", {}) for r in done.records}
    if counts["conv3"]:
        assert counts["input"]["macs_front"] == 0
        assert counts["input"]["macs_back"] == counts["conv3"]["macs_front"] + counts["conv3"]["macs_back"]


def test_a_run_is_repeated_record_by_record(done, tmp_path):
    run(tmp_path / "again", parse_conditions(document()), keep_bitstreams=True)
    assert compared(done.folder) == compared(tmp_path / "again")
    assert crosscheck(done, open_run(tmp_path / "again")).exit_code == 0


def test_the_comparison_names_every_layer_and_codec_of_pictures(done):
    fidelity, performance = remote.compare_with_pictures(done)
    assert (fidelity.metric, performance.metric) == ("fidelity", "ap")
    assert fidelity.rate.unit is RateUnit.PICTURE
    assert {(d.layer, d.picture_layer, d.picture) for d in fidelity.duels} == {
        (layer, place, picture)
        for layer in ("conv3", "pyramid")
        for place in ("input", "input-resized")
        for picture in ("jpeg", "png", "copy")
    }
    reasons = {d.reason for d in fidelity.duels if d.picture == "png"}
    assert reasons == {f"{place}, png: 1 points, at least 4 are needed" for place in ("input", "input-resized")}
    assert json.loads(json.dumps(fidelity.as_dict()))["unit"] == "bits per pixel of the picture"


def test_a_run_without_pictures_has_nothing_to_compare(tmp_path):
    own = document(codecs={"fast": CODECS["fast"]}, test={"layers": ["pyramid"]})
    run(tmp_path, parse_conditions(own))
    with pytest.raises(UsageError, match="no test with both pictures and features"):
        remote.compare_with_pictures(open_run(tmp_path))


def made(done, rates):
    """The run with curves that are known: SNR 10, 20, 30, 40 at these rates, by layer."""
    records = []
    for record in done.records:
        own = rates.get(record["layer"])
        if own is not None and record["value"] is not None:
            place = [r for r in done.records if (r["layer"], r["codec"]) == (record["layer"], record["codec"])]
            number = [r["value"] for r in place].index(record["value"])
            changed = {
                "bits_per_picture_pixel": own[number],
                "metrics": record["metrics"] | {"snr": 10.0 * (number + 1)},
            }
            records.append(record | changed)
    return replace(done, records=records)


def test_features_at_half_the_rate_save_half(done):
    rates = {"input": (1, 2, 4, 8), "conv3": (2, 4, 8, 16), "pyramid": (0.5, 1, 2, 4)}
    (against,) = remote.compare_with_pictures(made(done, rates), metrics=["snr"])
    assert {d.layer: d.rate for d in against.duels} == {"conv3": pytest.approx(100), "pyramid": pytest.approx(-50)}
    assert against.bd_winners() == {"conv3": "pictures", "pyramid": "features"}
    assert against.as_dict()["wins_from"]["bd_rate"] == "pyramid"
    assert "features win from pyramid on; pictures win at conv3." in shown(against)[0].notes[0]


def test_curves_that_cross_tell_where(done):
    # SNR over log2 of the rate: pictures 10 x + 10; features at (0.5, 2, 8, 32) are 5 x + 15: equal at x = 1.
    rates = {"input": (1, 2, 4, 8), "pyramid": (0.5, 2, 8, 32)}
    (against,) = remote.compare_with_pictures(made(done, rates), metrics=["snr"])
    (duel,) = against.duels
    assert (duel.lower, duel.from_rate, duel.to_rate) == ("features", pytest.approx(1), pytest.approx(8))
    assert duel.crossings == pytest.approx((2,))


@pytest.mark.parametrize(
    ("features", "pictures", "expected"),
    [(Reached(1), Reached(2), "features"), (Reached(2), Reached(1), "pictures"), (None, Reached(1), "undecided"),
     (Reached(1), None, "undecided"), (Reached(1), Reached(2, at_most=True), "undecided"),
     (Reached(2, at_most=True), Reached(1), "undecided"), (Reached(1, at_most=True), Reached(2), "features"),
     (Reached(2), Reached(1, at_most=True), "pictures")],
)  # fmt: skip
def test_who_needs_less_is_only_said_where_it_is_known(features, pictures, expected):
    assert remote.winner(features, pictures) == expected


def test_features_win_from_the_layer_behind_which_they_do_everywhere():
    layers = ("a", "b", "c")
    assert remote.wins_from(layers, {"a": "features", "b": "pictures", "c": "features"}) == "c"
    assert remote.wins_from(layers, dict.fromkeys(layers, "features")) == "a"
    assert remote.wins_from(layers, {"a": "features", "b": "features", "c": "undecided"}) is None


def test_the_report_has_the_tables_and_the_figure(done, tmp_path):
    text, written = write_report(done, tmp_path)
    assert "## Features against pictures" in text
    assert {"detection~pictures.png", "detection~pictures.svg"} <= {path.name for path in written}
    table = next(line for line in text.splitlines() if line.startswith("| layer") and "jpeg, input-resized" in line)
    assert "png, input" in table
    # What is shown unasked is a rate that pictures and features share.
    assert '"axes":{"bits_per_picture_pixel"' in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("options", [["--json"], ["--rate", "kbps", "--frame-rate", "25", "--interpolation", "akima"]])
def test_the_command_tells_the_same(done, options):
    result = CliRunner().invoke(cli, ["anchor", "pictures", str(done.folder), *options], catch_exceptions=False)
    assert result.exit_code == 0
    if "--json" in options:
        assert [one["metric"] for one in json.loads(result.output)] == ["fidelity", "ap"]
    else:
        assert "kbit/s at 25 items a second" in result.output
        assert "akima" in result.output


def test_runs_are_compared_in_the_unit_that_is_asked_for(done):
    told = {}
    for unit in ("bits_per_element", "bytes"):
        arguments = ["anchor", "bd", str(done.folder), str(done.folder), "--non-monotone", "cubic", "--rate", unit]
        result = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
        told[unit] = json.loads(result.output)
        assert {line["anchor"] for line in told[unit]["lines"]} == {"fast"}
    assert told["bytes"]["rate"] == "bytes per item"
    assert told["bytes"]["interpolation"] == "pchip, curves that do not rise refitted by a monotone cubic,"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"codecs": {"jpeg": {"picture": "jpeg", "sweep": {"quality": [0]}}}}, "codecs.jpeg: pictures by jpeg: quality 0"),
     ({"codecs": {"a": {"picture": "bpg"}}}, "codecs.a: no codec bpg of pictures"),
     ({"codecs": {"a": {"picture": "jpeg", "encode": "x {input} {output}", "decode": "x {input} {output}"}}},
      "picture jpeg: what its commands take: png, ppm, yuv420, yuv444"),
     ({"codecs": {"a": {"picture": "jpeg", "arrange": "frames"}}}, "arrange frames: jpeg codes no video"),
     ({"codecs": {"a": {"picture": "jpeg", "preset": "fast"}}}, "a codec has either a preset"),
     ({"test": {"codecs": ["fast"], "layers": ["conv3"]}}, ""),
     ({"test": {"codecs": ["jpeg"]}}, "no codec for layer conv3: jpeg"),
     ({"test": {"codecs": ["fast", "jpeg"], "layers": ["conv3"]}}, "codec jpeg codes pictures: layers: input"),
     ({"test": {"codecs": ["fast", "jpeg"], "layers": ["input"]}}, "codec fast codes features, of which there is no"),
     ({"test": {"channel": {"model": "iid", "loss_rates": [0.1], "packets": {"rows": 1}, "methods": ["zero"]}}},
      "codes pictures: losses are those of features")],
)  # fmt: skip
def test_conditions_that_do_not_go_together_are_refused(changes, reason):
    if not reason:
        assert parse_conditions(document(**changes)).tests[0].codecs == ("fast",)
        return
    with pytest.raises(UsageError) as caught:
        parse_conditions(document(**changes))
    assert reason in str(caught.value)


def test_unasked_codecs_of_pictures_are_for_tests_that_send_pictures():
    asked = parse_conditions(document(test={"layers": ["conv3"]}))
    assert asked.tests[0].codecs == ("fast",)


def test_a_proposal_keeps_the_codecs_of_pictures():
    asked = with_codec(parse_conditions(document()), "mine", {"preset": "balanced"})
    assert list(asked.codecs) == ["mine", "jpeg", "png", "copy"]
    assert asked.codecs["mine"].values == (12, 22, 32, 42)


def test_a_layer_called_input_without_codecs_of_pictures_is_a_cut():
    asked = parse_conditions(document(codecs={"fast": CODECS["fast"]}, test={"layers": ["input"]}))
    assert [point["codec"] for point in asked.points()] == ["fast"] * 4


def test_a_picture_of_the_network_s_size_makes_the_same_input():
    task = open_task(TEST | {"layers": ["input", "input-resized", "pyramid"]})
    task.check()
    item = task.items()[0]
    whole, resized = (task.features(item, layer) for layer in ("input", "input-resized"))
    assert whole.dtype == resized.dtype == np.uint8
    for layer, given in (("input", whole), ("input-resized", resized)):
        np.testing.assert_array_equal(task.outputs(item, layer, given), task.reference(item))
