"""Pictures and what is known of them belong to a run: where they change, it is not gone on with."""

from __future__ import annotations

import json

import numpy as np
import pytest
from anchor_runs import compared, edit_lines, run
from PIL import Image

from refsw.errors import RefswError, UsageError
from refsw.evaluation.anchors.conditions import parse_conditions
from refsw.evaluation.anchors.folder import GROUPS, RECORDS, read_journal
from refsw.evaluation.tasks.retrieval import Retrieval

for package in ("yaml", "jsonschema", "onnxruntime"):
    pytest.importorskip(package, reason=f"the mini networks need {package}")


@pytest.fixture
def pictures(tmp_path):
    """Two classes of seven digits each; the first two are queries where there are queries."""
    rng = np.random.default_rng(3)
    for label in range(2):
        (tmp_path / "data" / str(label)).mkdir(parents=True)
        for i in range(7):
            samples = np.clip(rng.integers(0, 4, (8, 8)) + 12 * (np.arange(8) // 4 == label), 0, 16).astype(np.uint8)
            Image.fromarray(samples).save(tmp_path / "data" / str(label) / f"{i}.png")
    return tmp_path / "data"


def asked(root, task="retrieval", layers=("conv4",)):
    dataset = {"kind": "folder", "root": str(root)} | ({"queries": 2} if task == "retrieval" else {})
    test = {"name": "t", "task": task, "network": {"kind": "mini"}, "dataset": dataset, "layers": list(layers)}
    return parse_conditions(
        {
            "format": "refsw-conditions-1",
            "name": "digits",
            "title": "Digits",
            "codecs": {"fast": {"preset": "fast", "sweep": {"qp": [12, 42]}}},
            "tests": [test],
        }
    )


def support(folder):
    return [r for r in read_journal(folder / GROUPS) if r["parameter"] == "support"]


def test_the_gallery_is_part_of_the_run(pictures, tmp_path, monkeypatch):
    calls = []
    reference = Retrieval.reference
    monkeypatch.setattr(Retrieval, "reference", lambda self, item: calls.append(item) or reference(self, item))
    conditions = asked(pictures)
    done, failures = run(tmp_path / "run", conditions)
    assert failures == []
    assert [len(r["items"]) for r in support(tmp_path / "run")] == [8, 2]
    assert len(done) == 4 + 2 + 4 * 2
    assert len(calls) == 4 + 10
    # Gone on with, nothing of it is computed again.
    lines = (tmp_path / "run" / GROUPS).read_bytes().splitlines(keepends=True)
    (tmp_path / "run" / GROUPS).write_bytes(b"".join(lines[:-1]))
    whole = compared(tmp_path / "run")
    (tmp_path / "run" / RECORDS).write_bytes(b"")
    calls.clear()
    run(tmp_path / "run", conditions)
    assert calls == []
    assert compared(tmp_path / "run") == whole
    run(tmp_path / "two", conditions, jobs=2)
    assert compared(tmp_path / "two") == whole


def test_scores_do_not_depend_on_who_computes_the_gallery(pictures, tmp_path):
    from refsw.evaluation.tasks import open_task

    conditions = asked(pictures)
    run(tmp_path / "run", conditions)
    task = open_task(conditions.tests[0].condition)
    references = {item: task.reference(item) for item in task.items()}
    assert task.score("conv4", references, references)["map"] == compared(tmp_path / "run")[0]["pristine"]["map"]


def test_another_picture_is_named_and_the_run_is_not_gone_on_with(pictures, tmp_path):
    run(tmp_path / "run", asked(pictures))
    path = pictures / "1" / "5.png"
    samples = np.asarray(Image.open(path)).copy()
    samples[0, 0] ^= 1
    Image.fromarray(samples).save(path)
    with pytest.raises(UsageError, match=r"tests, t, pictures was .*; 1/5\.png is another picture\. Use another"):
        run(tmp_path / "run", asked(pictures))


def test_another_label_is_another_run(pictures, tmp_path):
    run(tmp_path / "run", asked(pictures, "classification"))
    (pictures / "0").rename(pictures / "old")
    (pictures / "1").rename(pictures / "0")
    (pictures / "old").rename(pictures / "1")
    with pytest.raises(UsageError, match="an earlier run is not gone on with: tests, t, "):
        run(tmp_path / "run", asked(pictures, "classification"))


def test_labels_alone_make_another_run(pictures, tmp_path):
    def labelled(first):
        lines = [f"{label}/{i}.png {label ^ first}" for label in range(2) for i in range(7)]
        (pictures / "list.txt").write_text("\n".join(lines))
        document = dict(asked(pictures, "classification").document)
        dataset = {"kind": "list", "root": str(pictures), "labels": "list.txt"}
        return parse_conditions(document | {"tests": [document["tests"][0] | {"dataset": dataset}]})

    run(tmp_path / "run", labelled(0))
    with pytest.raises(UsageError, match=r"gone on with: tests, t, annotations was [0-9a-f]{12}"):
        run(tmp_path / "run", labelled(1))


def test_a_picture_that_changes_while_the_run_is_at_work_is_named(pictures, tmp_path):
    from refsw.evaluation.anchors.run import AnchorRun, Options

    with AnchorRun(asked(pictures, "classification"), tmp_path / "run", Options()) as job:
        Image.fromarray(np.full((8, 8), 3, np.uint8)).save(pictures / "0" / "3.png")
        results = list(job.work())
        failures = job.failures
    assert len(results) == 14 * 3
    assert failures[0] == "t, whole network, group 3: 0/3.png is not what it was when the run was opened"
    assert compared(tmp_path / "run") == []


def test_a_vector_that_is_missing_from_a_record_is_named(pictures, tmp_path):
    run(tmp_path / "run", asked(pictures))
    number = next(i for i, r in enumerate(read_journal(tmp_path / "run" / GROUPS)) if r["parameter"] == "support")
    edit_lines(tmp_path / "run" / GROUPS, number, lambda record: record["outputs"].pop())
    (tmp_path / "run" / RECORDS).write_bytes(b"")
    with pytest.raises(UsageError, match=rf"groups\.jsonl, line {number + 1}: damaged: 7 outputs of 8 items"):
        run(tmp_path / "run", asked(pictures))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["identity"]["tests"]["t"]["pictures"]


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        ({"kind": "list", "labels": "pipe"}, "pipe: no plain file"),
        ({"kind": "list", "labels": "list.txt"}, "pipe: no plain file"),
        ({"kind": "folder"}, "no pictures"),
        ({"kind": "mini", "limit": "x"}, "limit is 'x': a number from 1"),
    ],
)
def test_pipes_and_odd_values_are_refused_before_the_run_and_keep_nobody_waiting(tmp_path, dataset, told):
    import os

    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "list.txt").write_text("pipe 0\n")
    conditions = asked(tmp_path, "classification").document
    conditions["tests"][0]["dataset"] = dataset | ({} if dataset["kind"] == "mini" else {"root": str(tmp_path)})
    with pytest.raises(RefswError, match=f"test t: .*({told})"):
        run(tmp_path / "run", parse_conditions(conditions))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("preprocessing", "told"),
    [
        ({"height": 100000, "width": 100000, "fit": "stretch"}, "height x width is at most 67,108,864"),
        ({"short_side": 100000}, "short_side is at most 32,768"),
    ],
)
def test_inputs_without_bound_are_refused(tmp_path, preprocessing, told):
    conditions = asked(tmp_path, "classification").document
    conditions["tests"][0] |= {"dataset": {"kind": "mini"}, "network": {"kind": "mini", "preprocessing": preprocessing}}
    with pytest.raises(RefswError, match=f"test t: pre-processing: {told}"):
        run(tmp_path / "run", parse_conditions(conditions))
