"""Experiments: from a file to records and a report; what is resumed, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refsw.errors import UsageError
from refsw.learning import figures
from refsw.learning.bench import Bench, labelled_first, read_data
from refsw.learning.claims import by_seed, mean_of, paired, seen_of
from refsw.learning.experiment import SHIPPED, read_experiment
from refsw.learning.export import as_onnx, as_safetensors
from refsw.learning.networks import Shape, new_network, scores_of
from refsw.learning.pictures import DOMAINS, Pictures, in_domain, load
from refsw.learning.report import text_of
from refsw.learning.run import open_learn_run
from tests.learning.experiments_at_hand import DOCUMENT, experiment, folder, run
from tests.learning.networks_at_hand import generator, torch

__all__ = ["folder"]
ROOT = Path(__file__).resolve().parents[2]
EVERY: dict[str, dict[str, Any]] = {
    "baseline": {"method": "labels"},
    "own": {"method": "labels", "mixed": False},
    "reuse": {"method": "reuse", "sources": ["one", "two"], "layers": ["pool2", "hidden"], "scale": "ridge",
              "learn_alpha": True},
    "random": {"method": "reuse", "sources": ["random"], "alpha": [1]},
    "fmr": {"method": "fmr", "source": "one"},
    "fine-tuning": {"method": "finetune", "source": "one"},
    "source": {"method": "source", "source": "one"},
    "gamma": {"method": "reuse", "sources": ["one"], "gamma": [0.5, 2]},
    "share": {"method": "labels", "unlabelled": [0.1, 0.5]},
}  # fmt: skip
CLAIMS = [
    {"paper": "a", "claim": "reuse is better", "better": "reuse", "than": "baseline"},
    {"paper": "b", "claim": "it is impossibly better", "better": "reuse", "than": "baseline", "by": 1.0},
    {"paper": "c", "claim": "more is better", "rising": ["baseline", "reuse"]},
    {"paper": "d", "claim": "gamma is no matter", "flat": "gamma", "within": 1.0},
    {"paper": "e", "claim": "nothing is learned", "run": "source", "metric": "accuracy", "below": 1.0},
]


def test_every_method_leaves_a_record_and_the_report_has_every_table(folder, tmp_path):
    records = run(folder, tmp_path, runs=EVERY, claims=CLAIMS)
    done = open_learn_run(tmp_path)
    assert len(records) == len(done.records) == 2 * (7 + 2 + 2)
    assert all(0 <= record["metrics"]["accuracy"] <= 1 for record in done.records)
    assert {record["run"] for record in done.records if not record["weights"]} == set()
    assert [record["value"] for record in done.of("gamma")] == [0.5, 2.0, 0.5, 2.0]
    text = text_of(done)
    for title in ("Methods", "Weight of the regulariser", "Share of unlabelled samples", "Claimed - seen"):
        assert f"### {title}" in text
    verdicts = {seen.paper: seen.verdict for seen in seen_of(done)}
    assert verdicts["b"] == "does not show"
    assert verdicts["d"] == verdicts["e"] == "shows"
    names = [panel["name"] for panel in figures.panels_of(done)]
    assert names == ["gamma", "unlabelled"]
    assert not list((tmp_path / "checkpoints").glob("point-*"))


def test_a_run_goes_on_with_more_seeds_and_runs_and_repeats_nothing(folder, tmp_path):
    first = run(folder, tmp_path, seeds=[0])
    more = run(folder, tmp_path, runs={**DOCUMENT["runs"], "source": {"method": "source", "source": "one"}})
    assert [(record["run"], record["seed"]) for record in first] == [("baseline", 0)]
    assert [(record["run"], record["seed"]) for record in more] == [("source", 0), ("baseline", 1), ("source", 1)]
    again = run(folder, tmp_path / "again")
    assert [r["weights"] for r in again] == [first[0]["weights"], more[1]["weights"]]


def test_a_run_that_is_killed_goes_on_and_ends_with_the_same_weights(folder, tmp_path):
    wanted = run(folder, tmp_path / "whole", runs={"reuse": EVERY["reuse"]}, seeds=[1])
    code = (
        "import os, signal, sys, torch\nfrom pathlib import Path\nimport refsw.learning.tasks as tasks\n"
        "from tests.learning.experiments_at_hand import run\nfrom tests.learning.test_learning_runs import EVERY\n"
        "torch.set_num_threads(1)\n"
        "class Killed(tasks.Training):\n"
        "    def _keep(self, done):\n"
        "        super()._keep(done)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "tasks.Training = Killed\n"
        "run(Path(sys.argv[1]), Path(sys.argv[2]), runs={'reuse': EVERY['reuse']}, seeds=[1])\n"
    )
    words = [sys.executable, "-c", code, str(folder), str(tmp_path / "killed")]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -9
    assert list((tmp_path / "killed" / "checkpoints").glob("point-*"))
    found = run(folder, tmp_path / "killed", runs={"reuse": EVERY["reuse"]}, seeds=[1])
    assert [(r["weights"], r["curves"]) for r in found] == [(r["weights"], r["curves"]) for r in wanted]


def test_what_results_depend_on_may_not_change_under_a_run(folder, tmp_path):
    run(folder, tmp_path, seeds=[0])
    run(folder, tmp_path, seeds=[0], title="Another title", claims=CLAIMS[-1:], runs=EVERY | {"gamma": EVERY["own"]})
    with pytest.raises(UsageError, match="take another folder: experiment was"):
        run(folder, tmp_path, seeds=[0], training={"steps": 5})
    with pytest.raises(UsageError, match="baseline, seed 0 was run with other options: give the run another name"):
        run(folder, tmp_path, seeds=[0], runs={"baseline": {"method": "labels", "mixed": False}})
    (tmp_path / "other").mkdir()
    changed = json.loads((tmp_path / "run.json").read_text())
    changed["identity"]["data"]["data"] = "0" * 64
    (tmp_path / "run.json").write_text(json.dumps(changed))
    with pytest.raises(UsageError, match=r"data, data was 0+\.\.\. and is"):
        run(folder, tmp_path, seeds=[0])


def test_damage_and_strangers_are_refused(folder, tmp_path):
    with pytest.raises(UsageError, match=r"run\.json is missing"):
        open_learn_run(tmp_path)
    run(folder, tmp_path, seeds=[0])
    (tmp_path / "records.jsonl").write_text('{"run": "baseline"}\n')
    with pytest.raises(UsageError, match="line 1: damaged: no seed"):
        open_learn_run(tmp_path)
    (tmp_path / "run.json").write_text('{"format": "another"}')
    with pytest.raises(UsageError, match="no run of refsw learn"):
        open_learn_run(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": []}, "seeds: "),
        ({"runs": {"x": {"method": "magic"}}}, "runs.x"),
        ({"runs": {"x": {"method": "labels", "gamma": 2}}}, "runs.x"),
        ({"runs": {"x": {"method": "reuse", "sources": ["three"]}}}, "runs.x: no source three: one, two, random"),
        ({"runs": {"x": {"method": "reuse", "sources": ["one"], "layers": ["pool3"]}}}, "runs.x: no layer pool3"),
        ({"runs": {"x": {"method": "reuse", "sources": ["one"], "gamma": [1, 2], "unlabelled": [0, 0.2]}}}, "not both"),
        ({"target": {"samples": 5, "labelled": 6}}, "6 labelled of 5 samples"),
        ({"claims": [{"paper": "a", "claim": "b", "better": "x", "than": "baseline"}]}, "no run x: baseline"),
        ({"claims": [{"paper": "a", "claim": "b", "rising": ["x"]}]}, "no run x: baseline"),
        ({"training": {"rate": float("nan")}}, "nan is no number"),
    ],
)  # fmt: skip
def test_mistakes_in_a_file_are_told_before_anything_is_trained(tmp_path, changes, message):
    with pytest.raises(UsageError) as error:
        experiment(tmp_path, **changes)
    assert message in str(error.value)


def test_more_samples_than_there_are_is_a_mistake(folder, tmp_path):
    told = experiment(folder, target={"samples": 55, "labelled": 9, "test": 12})
    with pytest.raises(UsageError, match="test: 12 samples are asked for, 5 are left"):
        Bench(told, read_data(told), 0, tmp_path)


def test_the_experiments_that_ship_are_sound():
    for path in sorted(SHIPPED.glob("*.yaml")):
        told = read_experiment(path.stem)
        assert told.name == path.stem
        assert sum(1 for _ in told.points()) >= len(told.runs)


def test_samples_are_split_apart_and_the_labelled_ones_over_the_classes(folder, tmp_path):
    told = experiment(folder)
    bench = Bench(told, read_data(told), 0, tmp_path)
    assert np.bincount(bench.labels[:9]).tolist() == [3, 3, 3]
    taken = [bench._places[name] for name in ("one", "two")]
    assert len(bench.test) == 12
    assert len(set(np.concatenate(taken))) == 20
    assert len(bench.target(0.5).labels) == 12
    assert labelled_first(np.array([1, 1, 0, 1, 0]), 2).tolist() == [0, 2, 1, 3, 4]


def test_domains_stay_within_the_range_and_are_the_same_for_the_same_seed():
    pixels = np.random.default_rng(0).random((2, 3, 6, 6), np.float32)
    for name in DOMAINS:
        found, again = (in_domain(pixels, name, np.random.default_rng(1)) for _ in range(2))
        assert found.shape == pixels.shape
        assert found.dtype == np.float32
        assert 0 <= found.min() <= found.max() <= 1
        assert np.array_equal(found, again)
    assert np.array_equal(in_domain(pixels, [{"inverted": 1}], np.random.default_rng(1)), 1 - pixels)
    for domain, message in (("sepia", "no domain sepia"), ([{"rain": 1}], "no step rain")):
        with pytest.raises(UsageError, match=message):
            in_domain(pixels, domain, np.random.default_rng(1))


def test_data_come_from_folders_in_their_layouts_and_from_packages(tmp_path):
    rng = np.random.default_rng(0)
    for place, names in {
        "query": ["0007_c1s1_1.png"],
        "bounding_box_test": ["0007_c2s1_1.png", "0009_c2s1_1.png"],
    }.items():
        (tmp_path / place).mkdir()
        for name in names:
            Image.fromarray(rng.integers(0, 255, (12, 6, 3), np.uint8)).save(tmp_path / place / name)
    queries, references = load("market1501", 8, colour=True, root=tmp_path)
    assert queries.pixels.shape == (1, 3, 8, 8)
    assert references.labels.tolist() == [7, 9]
    assert references.cameras is not None
    assert references.cameras.tolist() == [2, 2]
    assert queries.digest != references.digest
    with pytest.raises(UsageError, match="root is missing"):
        load("folder", 8, colour=False)
    with pytest.raises(UsageError, match="neither root nor options"):
        load("digits", 8, colour=False, root=tmp_path)
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    digits, none = load("digits", 8, colour=False)
    assert digits.pixels.shape == (1797, 1, 8, 8)
    assert len(none.labels) == 0


def test_retrieval_is_scored_by_map_and_rank_1_and_identities_of_sets_are_their_own(folder, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(12):  # a training set of two identities, where the target's has three
        place = folder / "market" / "bounding_box_train" / f"{4 + 3 * (number % 2):04}_c1s1_{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (12, 6), np.uint8)).save(place)
    shown = {"kind": "folder", "root": "pictures", "queries": 4}
    market = {"kind": "market1501", "root": "market", "split": "train"}
    told = {
        "seeds": [0],
        "test": shown,
        "target": {"samples": 24, "labelled": 9},
        "sources": {"other": {"data": market, "samples": 12, "epochs": 1}},
        "runs": {
            "fine-tuning": {"method": "finetune", "source": "other"},
            "reuse": {"method": "reuse", "sources": ["other"]},
        },
    }
    records = run(folder, tmp_path, **told)
    assert [set(record["metrics"]) for record in records] == [{"mAP", "rank-1"}] * 2
    assert "rank-1" in text_of(open_learn_run(tmp_path))
    with pytest.raises(UsageError, match="split other: one of test, train"):
        load("market1501", 8, colour=False, root=folder / "market", split="other")


def test_means_have_the_interval_of_student():
    mean = mean_of([1.0, 2.0, 3.0])
    assert (mean.value, mean.deviation) == (2.0, 1.0)
    assert mean.half == pytest.approx(4.3027 / 3**0.5, rel=1e-4)
    assert mean_of([5.0]).half is None
    assert paired({0: 1.0, 1: 3.0}, {1: 1.0, 2: 9.0}) == mean_of([2.0])
    assert paired({0: 1.0}, {}) is None
    record = {"seed": 3, "metrics": {"accuracy": 0.5}, "value": None}
    assert by_seed([record], "accuracy") == {3: 0.5}
    assert by_seed([record], "mAP") == {}


def test_networks_are_written_and_run_by_others(folder, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX models are run by onnxruntime")
    pytest.importorskip("onnx", reason="ONNX models are made with onnx")
    (record,) = run(folder, tmp_path, seeds=[0], keep=True)
    names = {path.name for path in (tmp_path / "weights").iterdir()}
    assert names == {f"{record['weights'][:16]}.{suffix}" for suffix in ("onnx", "safetensors")}
    network = new_network(Shape(1, 8, (4, "pool", 6), 5, 3), 1)
    pictures = torch.randn((4, 1, 8, 8), generator=generator())
    session = onnxruntime.InferenceSession(as_onnx(network, (1, 8, 8)))
    (found,) = session.run(None, {"pictures": pictures.numpy()})
    np.testing.assert_allclose(found, scores_of(network, pictures), atol=1e-5)
    from safetensors.numpy import load as load_weights

    assert set(load_weights(as_safetensors(network))) == set(network.state_dict())
    with pytest.raises(UsageError, match="a Dropout is not exported"):
        as_onnx(torch.nn.Sequential(torch.nn.Dropout()), (1, 8, 8))


def test_pictures_are_taken_with_all_that_is_known_of_them():
    pictures = Pictures(np.zeros((3, 1, 2, 2), np.float32), np.array([0, 1, 2]), np.array([5, 6, 7]))
    taken = pictures.take([2, 0])
    assert taken.labels.tolist() == [2, 0]
    assert taken.cameras is not None
    assert taken.cameras.tolist() == [7, 5]
