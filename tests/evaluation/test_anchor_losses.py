"""Runs over channels that lose packets: the entry `channel` of conditions, records, and reports."""

from __future__ import annotations

import json

import numpy as np
import pytest
from anchor_runs import compared, conditions, document, edit_records, run

from refsw.errors import UsageError
from refsw.evaluation.anchors import codecs
from refsw.evaluation.anchors.conditions import find_conditions, load_conditions, parse_conditions, with_codec
from refsw.evaluation.anchors.crosscheck import Verdict, crosscheck
from refsw.evaluation.anchors.folder import GROUPS, open_run
from refsw.evaluation.anchors.losses import check_shapes, realisations
from refsw.evaluation.reports import losses as tables
from refsw.evaluation.reports.report import write_report
from refsw.resilience import train_altec

CODECS = {
    "levels": {"preset": "fast", "choices": {"quantizer": "uniform", "payload": "zlib"}},
    "coded": {"preset": "fast", "sweep": {"qp": [12, 42]}},
}
CHANNEL = {
    "model": "iid",
    "loss_rates": [0.0, 0.3],
    "packets": {"rows": 5},
    "methods": ["none", "linear"],
    "realisations": 3,
    "seed": 4,
}


def asked(channel=None, layers=("early", "late"), codecs=("levels",), **test):
    one = {**CHANNEL, **(channel or {})} if not isinstance(channel, list) else channel
    return conditions(codecs=CODECS, test={"codecs": list(codecs), "channel": one, "layers": list(layers), **test})


def by_place(folder):
    return {(r["layer"], r["codec"].split("+")[3].split(".")[0], r["value"]): r for r in open_run(folder).records}


def test_every_codec_is_lost_and_repaired_under_every_burst_and_method():
    bursts = {"model": "gilbert-elliott", "burst_lengths": [1, 4]}
    made = asked(bursts, codecs=("levels", "coded")).tests[0].codecs
    assert [name.rpartition(".")[0] for name in made] == [
        f"{codec}+burst{burst}+r5+{method}"
        for codec in ("levels", "coded-qp12", "coded-qp42") for burst in (1, 4) for method in ("none", "linear")
    ]  # fmt: skip
    places = list(asked(bursts).points())
    assert {(place["parameter"], place["value"]) for place in places} == {("loss", 0.0), ("loss", 0.3)}
    assert len(places) == 2 * 2 * 2 * 2


def test_records_have_means_deviations_and_what_was_lost(tmp_path):
    _, failures = run(tmp_path, asked())
    assert failures == []
    found = by_place(tmp_path)
    assert len(found) == 8
    for (_, _, loss), record in found.items():
        assert record["realisations"] == 3
        assert set(record["deviations"]) == {"fidelity", "closeness", "mse", "snr"}
        assert abs(record["lost"] - loss) < 0.1
        assert (record["deviations"]["mse"] > 0) == (loss > 0)
        assert record["times"]["conceal"] >= 0
        assert record["bits_per_element"] > 0
    for layer in ("early", "late"):
        assert found[layer, "none", 0.0]["metrics"] == found[layer, "linear", 0.0]["metrics"]
        assert found[layer, "none", 0.3]["lost"] == found[layer, "linear", 0.3]["lost"]
        assert found[layer, "none", 0.3]["metrics"]["mse"] != found[layer, "linear", 0.3]["metrics"]["mse"]
        assert found[layer, "none", 0.3]["picture"]["maps"]["array"][1][0] == 3


def test_the_mean_of_a_record_is_that_of_its_realisations(tmp_path):
    """Of one group, computed anew from what the journal holds."""
    run(tmp_path, asked(layers=("early",), group=6))
    lines = [json.loads(line) for line in (tmp_path / GROUPS).read_text().splitlines()]
    groups = [line for line in lines if line["codec"] and line["value"] == 0.3]
    for group in groups:
        record = next(r for r in open_run(tmp_path).records if (r["codec"], r["value"]) == (group["codec"], 0.3))
        errors = [one["squared_error"] / group["elements"] for one in group["realisations"]]
        assert record["metrics"]["mse"] == pytest.approx(np.mean(errors))
        assert record["deviations"]["mse"] == pytest.approx(np.std(errors, ddof=1))
        assert all(len(outputs) == 3 for outputs in group["outputs"])


def test_the_same_records_on_several_processes_and_after_a_stop(tmp_path):
    methods = {"methods": ["none", "caltec", "halrtc"]}
    run(tmp_path / "one", asked(methods))
    run(tmp_path / "two", asked(methods), jobs=2)
    assert compared(tmp_path / "one") == compared(tmp_path / "two")
    edit_records(tmp_path / "two", lambda records: records[:2])
    path = tmp_path / "two" / GROUPS
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-9]) + '{"torn')
    run(tmp_path / "two", asked(methods))
    assert compared(tmp_path / "one") == compared(tmp_path / "two")
    assert crosscheck(open_run(tmp_path / "one"), open_run(tmp_path / "two")).verdict is Verdict.IDENTICAL


def test_losses_depend_on_seed_realisation_and_item_alone():
    features = np.random.default_rng(0).random((3, 4, 12, 8)).astype(np.float32)

    def lost(method="none", seed=4, items=("a", "b", "c")):
        test = asked({"methods": [method], "seed": seed})
        link = test.codecs[test.tests[0].codecs[0]].link
        return [found.digest for found in realisations(features, items, link, 0.3, "early")]

    assert lost() == lost("linear")
    assert len(set(lost())) == 3
    assert not set(lost()) & set(lost(seed=5))
    assert not set(lost()) & set(lost(items=("a", "b", "d")))


def test_a_run_of_other_losses_is_not_gone_on_with(tmp_path):
    run(tmp_path, asked())
    with pytest.raises(UsageError, match="an earlier run is not gone on with"):
        run(tmp_path, asked({"seed": 5}))
    with pytest.raises(UsageError, match="an earlier run is not gone on with"):
        run(tmp_path, asked({"packets": {"rows": 4}}))


def test_cuts_of_several_tensors_lose_packets_of_all_of_them(tmp_path):
    _, failures = run(tmp_path, asked({"methods": ["none", "caltec"]}, layers=("both", "vector")))
    assert failures == []
    found = by_place(tmp_path)
    assert found["both", "none", 0.3]["metrics"]["mse"] > found["both", "none", 0.0]["metrics"]["mse"]
    assert 0.15 < found["vector", "none", 0.3]["lost"] < 0.45


def weights(folder):
    rng = np.random.default_rng(8)
    for layer, shape in (("early", (4, 12, 12)), ("late", (6, 6, 6))):
        maps = [np.maximum(rng.standard_normal(shape).cumsum(-1), 0) for _ in range(4)]
        train_altec(maps, 5).save(folder / f"weights-{layer}.safetensors")
    return {"methods": [{"method": "altec", "options": {"weights": f"{folder}/weights-{{layer}}.safetensors"}}]}


def test_weights_of_altec_are_found_by_layer_and_part_of_what_a_run_is(tmp_path):
    channel = weights(tmp_path)
    _, failures = run(tmp_path / "run", asked(channel))
    assert failures == []
    train_altec([np.eye(6)[None].repeat(6, 0)], 5).save(tmp_path / "weights-late.safetensors")
    with pytest.raises(UsageError, match=r"weights-\{layer\}.safetensors was"):
        run(tmp_path / "run", asked(channel))
    (tmp_path / "weights-early.safetensors").unlink()
    _, failures = run(tmp_path / "other", asked(channel))
    assert len(failures) == 12
    assert "weights-early" in failures[0]
    (tmp_path / "weights-late.safetensors").unlink()
    with pytest.raises(UsageError, match="no such file"):
        run(tmp_path / "third", asked(channel))


def test_weights_of_another_layer_are_refused_before_the_run(tmp_path):
    channel = weights(tmp_path)
    channel["methods"][0]["options"]["weights"] = f"{tmp_path}/weights-late.safetensors"
    made = asked(channel)
    link = made.codecs[made.tests[0].codecs[0]].link
    with pytest.raises(UsageError, match=r"layer early: .*for 6 channels, the tensor has 4"):
        check_shapes(link, np.zeros((1, 4, 12, 12), np.float32), "early")
    check_shapes(link, {"a": np.zeros((1, 6, 6, 6), np.float32)}, "late")


def test_a_trace_is_a_point_with_what_it_lost(tmp_path):
    (tmp_path / "walk.txt").write_text("0 0 0 1 1 0 0 0 0 0\n")
    channel = [
        {"model": "trace", "traces": [f"{tmp_path}/walk.txt"], "packets": {"rows": 1}, "methods": ["none", "mean"]}
    ]
    _, failures = run(tmp_path / "run", asked(channel))
    assert failures == []
    for record in open_run(tmp_path / "run").records:
        assert (record["parameter"], record["value"]) == ("trace", 1)
        assert record["lost"] == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize(
    ("channel", "told"),
    [
        ({"model": "radio"}, "'radio' is not one of"),
        ({"loss_rates": [1.5]}, "1.5 is greater than"),
        ({"loss_rates": []}, r"channel.loss_rates"),
        ({"burst_lengths": [4]}, "channel iid has no burst_lengths"),
        ({"model": "gilbert-elliott"}, "channel gilbert-elliott needs burst_lengths"),
        ({"model": "gilbert-elliott", "burst_lengths": [1], "loss_rates": [0.6]}, "at most 0.5"),
        ({"model": "trace"}, "channel trace needs traces"),
        ({"methods": ["magic"]}, "no concealment method magic"),
        ({"methods": [{"method": "halrtc", "options": {"rank": 3}}]}, "halrtc has no option rank"),
        ({"methods": ["altec"]}, "altec needs weights"),
        ({"methods": [{"method": "caltec"}, "caltec"]}, "is there twice: give methods names"),
        ({"packets": {"columns": 3}}, "channel.packets"),
        ({"realisations": 0}, "0 is less than the minimum"),
        ({"speed": 1}, "'speed' was unexpected"),
        ([], "channel"),
    ],
)
def test_what_is_wrong_with_a_channel_is_said_in_one_line(channel, told):
    with pytest.raises(UsageError, match=told) as caught:
        asked(channel)
    assert "\n" not in str(caught.value)


def test_a_proposal_takes_the_place_of_what_is_coded_at_the_values_of_the_parameter_that_codecs_sweep():
    proposal = with_codec(asked(codecs=("coded",)), "mine", {"preset": "balanced"})
    assert len(proposal.tests[0].codecs) == 4
    assert {name.split("-")[0] for name in proposal.tests[0].codecs} == {"mine"}


def test_methods_of_the_same_name_need_names_of_their_own():
    methods = [{"method": "caltec", "name": f"caltec{rows}", "options": {"rows": rows}} for rows in (1, 5)]
    made = asked({"methods": methods})
    assert [made.codecs[name].link.name for name in made.tests[0].codecs] == ["caltec1", "caltec5"]


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    for package in ("matplotlib", "openpyxl"):
        pytest.importorskip(package, reason=f"a report needs {package}")
    folder = tmp_path_factory.mktemp("losses")
    mixed = document(codecs=CODECS)
    plain = mixed["tests"][0] | {"codecs": ["coded"]}
    channel = [CHANNEL | {"methods": ["none", "mean", "linear"], "loss_rates": [0.1, 0.3]}]
    channel.append(
        channel[0] | {"model": "gilbert-elliott", "burst_lengths": [3], "packets": {"rows": 4, "channels": 2}}
    )
    mixed["tests"] = [plain, plain | {"name": "lossy", "codecs": ["levels"], "channel": channel}]
    run(folder, parse_conditions(mixed))
    text, paths = write_report(open_run(folder), folder / "report")
    return folder, text, {path.name: path for path in paths}


def test_reports_show_performance_over_loss_gain_and_time(reported):
    _, text, paths = reported
    assert "levels, independent losses, packets of 5 rows of a channel: fidelity" in text
    assert "levels, bursts of 3 packets, packets of 4 rows of 2 channels: SNR (dB)" in text
    assert "gain over no concealment, and time" in text
    for name in ("lossy~losses", "lossy~channels"):
        assert paths[f"{name}.png"].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert b"<svg" in paths[f"{name}.svg"].read_bytes()[:1000]
    assert "sum~losses.png" not in paths
    assert "deviation of fidelity" in paths["results.csv"].read_text().splitlines()[0]


def test_points_with_losses_are_no_curves_over_rate(reported):
    _, text, paths = reported
    tables_of_rates = text[: text.index("## Losses")]
    assert "+iid+" not in tables_of_rates
    assert "lossy.png" not in paths
    assert "+iid+" not in paths["index.html"].read_text().split('"tests":')[1]


def test_gains_by_hand(reported):
    folder = reported[0]
    found = open_run(folder)
    test = found.conditions.test("lossy")
    own = tables.settings(tables.curves(found, test))[
        "early", "levels, independent losses, packets of 5 rows of a channel"
    ]
    none, mean = (next(c for c in own if c.link.method == name) for name in ("none", "mean"))
    a, b = (mean.values("fidelity")[i][1] - none.values("fidelity")[i][1] for i in (0, 1))
    # Nothing at 0, a at 10 %, b at 30 %: triangle and trapezium over a base of 0.3.
    assert tables.gain(mean, none, "fidelity") == pytest.approx((0.1 * a / 2 + 0.2 * (a + b) / 2) / 0.3)
    assert tables.gain(none, none, "fidelity") == 0
    assert tables.gain(mean, None, "fidelity") is None


PARTS = {"levels": {"preset": "fast", "choices": {"quantizer": "uniform", "payload": "zlib", "parts": [5, 3]}}}


def test_packets_may_be_the_parts_of_the_bitstream(tmp_path):
    channel = CHANNEL | {"packets": {"parts": True}, "methods": ["none", "linear"]}
    made = conditions(codecs=PARTS, test={"codecs": ["levels"], "channel": channel, "layers": ["early", "both"]})
    _, failures = run(tmp_path, made)
    assert failures == []
    found = by_place(tmp_path)
    for layer in ("early", "both"):
        assert 0.1 < found[layer, "linear", 0.3]["lost"] < 0.5
        assert found[layer, "none", 0.0]["lost"] == 0


@pytest.mark.parametrize("range_scope", ["sample", "channel"])
def test_a_lost_part_is_what_a_decoder_does_not_give(range_scope):
    """Its channels and rows, and zeros in their place; channels that the parameter set gives are never lost."""
    features = np.random.default_rng(0).random((2, 7, 9, 8)).astype(np.float32)
    features[:, 2] = 0.5
    choices = PARTS["levels"]["choices"] | {"range_scope": range_scope}
    channel = CHANNEL | {"packets": {"parts": True}, "methods": ["none"], "loss_rates": [1.0], "realisations": 1}
    made = conditions(
        codecs={"levels": {"preset": "fast", "choices": choices}}, test={"codecs": ["levels"], "channel": channel}
    )
    codec = made.codecs[made.tests[0].codecs[0]]
    bitstream = codecs.encode(features, "early", codec.coding, None)
    decoded = codecs.decode(bitstream, features, codec.coding, None)
    sets = codecs.parameter_sets(bitstream)
    (found,) = realisations(decoded, ("a", "b"), codec.link, 1.0, "early", "", sets)
    known = np.zeros(features.shape, bool)
    known[:, 2] = range_scope == "channel"
    assert np.array_equal(found.repaired, np.where(known, decoded, 0))
    assert found.lost == (~known).sum()


def test_packets_are_parts_only_of_codecs_that_cut_samples():
    with pytest.raises(UsageError, match="codec levels cuts no samples into parts"):
        asked({"packets": {"parts": True}})


def test_the_mini_conditions_ship():
    for package in ("yaml", "jsonschema"):
        pytest.importorskip(package, reason=f"conditions need {package}")
    made = load_conditions(find_conditions("mini-loss"))
    assert len(list(made.points())) == 20
    assert {made.codecs[name].link.is_in_parts for test in made.tests for name in test.codecs} == {False, True}
