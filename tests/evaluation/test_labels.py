"""Which class has which number: natural order, what the conditions say, and no number taken for another in silence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from anchor_runs import run
from click.testing import CliRunner
from test_datasets import picture, text

from refsw.cli.main import cli
from refsw.errors import RefswError, UsageError
from refsw.evaluation.anchors.conditions import parse_conditions
from refsw.evaluation.anchors.crosscheck import Kind, crosscheck
from refsw.evaluation.anchors.folder import open_run
from refsw.evaluation.datasets import Dataset, Item, open_dataset
from refsw.evaluation.errors import DatasetError, EvaluationError
from refsw.evaluation.mini import mini_dataset, mini_network
from refsw.evaluation.pictures import preprocessing
from refsw.evaluation.tasks import open_task
from refsw.evaluation.tasks.classification import Classification
from refsw.evaluation.tasks.labels import Labels

CASES = Path(os.environ.get("REFSW_CASES", Path(__file__).parents[2].parent / "shared" / "cases")) / "detector"
NAMES = ("2", "10", "1", "class 9", "class 10")


def numbers(data):
    return {item.id.partition("/")[0]: item.label for item in data.items}


@pytest.fixture
def folders(tmp_path):
    for name in NAMES:
        picture(tmp_path / "data" / name / "1.png")
    return tmp_path / "data"


@pytest.mark.parametrize("kind", ["folder", "imagenet"])
def test_folders_of_classes_stand_in_natural_order(folders, kind):
    data = open_dataset(kind, folders)
    assert data.classes == ("1", "2", "10", "class 9", "class 10")
    assert numbers(data) == {"1": 0, "2": 1, "10": 2, "class 9": 3, "class 10": 4}


@pytest.mark.parametrize(("kind", "option"), [("folder", "classes"), ("imagenet", "synsets")])
def test_an_order_that_is_not_that_of_text_is_said(folders, kind, option):
    note = open_dataset(kind, folders).notes[0]
    assert note.startswith("classes have the numbers of their folders in natural order (2 is 1, 10 is 2)")
    assert note.endswith(f"say them with {option}")
    picture(folders.parent / "plain" / "a" / "1.png")
    assert open_dataset(kind, folders.parent / "plain").notes == ()


GIVEN = {"1": 7, "2": 5, "10": 1, "class 9": 0, "class 10": 3}


@pytest.mark.parametrize(
    ("classes", "wanted"),
    [
        (GIVEN, GIVEN),
        ({str(number): name for name, number in GIVEN.items()}, GIVEN),
        (list(NAMES), {name: number for number, name in enumerate(NAMES)}),
        ("../names.txt", {name: number for number, name in enumerate(NAMES)}),
        ("../data.yaml", {name: number for number, name in enumerate(NAMES)}),
    ],
)
def test_numbers_of_classes_can_be_said(folders, classes, wanted):
    text(folders.parent / "names.txt", "\n".join(NAMES) + "\n\n")
    text(folders.parent / "data.yaml", f"nc: 5\nnames: {json.dumps(dict(enumerate(NAMES)))}\n")
    data = open_dataset("folder", folders, classes=classes)
    assert numbers(data) == wanted
    assert {name: i for i, name in enumerate(data.classes) if name} == wanted


@pytest.mark.parametrize(
    ("classes", "error", "message"),
    [
        (["1", "2"], DatasetError, r"data/10: 10 is none of the classes of the conditions: 1, 2"),
        (["1", "1"], UsageError, "classes: 1 is there twice"),
        ({"1": 0, "2": 0}, UsageError, "classes: number 0 is there twice"),
        ({"1": -1}, UsageError, "'1': -1: a class is a name with a number from 0"),
        ({"1": 1.5}, UsageError, "a class is a name with a number from 0"),
        ({"1": True}, UsageError, "a class is a name with a number from 0"),
        ("none.txt", DatasetError, r"none\.txt: no such file"),
        ("../other.yaml", DatasetError, r"other\.yaml: no entry names"),
        (7, UsageError, "classes is 7: names, a mapping of names to numbers, or a file"),
    ],
)
def test_what_says_no_numbers_is_refused(folders, classes, error, message):
    text(folders.parent / "other.yaml", "nc: 5\n")
    with pytest.raises(error, match=message):
        open_dataset("folder", folders, classes=classes)


def test_lists_may_have_names_if_their_numbers_are_said(tmp_path):
    text(tmp_path / "list.csv", "file,label\na.png,dog\nb.png,cat\nc.png,4\n")
    data = open_dataset("list", tmp_path, labels="list.csv", classes={"cat": 4, "dog": 2})
    assert [item.label for item in data.items] == [2, 4, 4]
    with pytest.raises(DatasetError, match=r"list\.csv:2: dog is none of the classes of the conditions: cat"):
        open_dataset("list", tmp_path, labels="list.csv", classes=["cat"])
    for label in ("nan", "-2", "1_0", "1.0"):
        text(tmp_path / "list.csv", f"file,label\na.png,{label}\n")
        with pytest.raises(DatasetError, match=rf"list\.csv:2: a picture and its class, not '{label}'"):
            open_dataset("list", tmp_path, labels="list.csv")


def test_yolo_takes_names_from_data_yaml_and_refuses_others(tmp_path):
    picture(tmp_path / "images" / "a.png")
    text(tmp_path / "labels" / "a.txt", "1 0.5 0.5 0.5 0.5\n")
    text(tmp_path / "data.yaml", "names: [cat, dog]\n")
    data = open_dataset("yolo", tmp_path, classes="data.yaml")
    assert data.classes == ("cat", "dog")
    text(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.5 0.5\n2 0.5 0.5 0.5 0.5\n")
    with pytest.raises(DatasetError, match=r"a\.txt:2: class 2: 2 is none of the classes"):
        open_dataset("yolo", tmp_path, classes="data.yaml")


def coco(folder, ids, **changes):
    content = {
        "images": [{"id": 1, "file_name": "1.png"}],
        "categories": [{"id": key, "name": f"thing {key}"} for key in ids],
        "annotations": [{"id": 7, "image_id": 1, "category_id": ids[-1], "bbox": [1, 1, 4, 4]}],
    }
    text(folder / "annotations" / "instances_val2017.json", json.dumps(content | changes))
    picture(folder / "val2017" / "1.png")
    return open_dataset("coco", folder)


def test_coco_keeps_the_ids_of_its_categories(tmp_path):
    data = coco(tmp_path, [90, 1, 44])
    assert data.ids == {1: 0, 44: 1, 90: 2}
    assert data.classes == ("thing 1", "thing 44", "thing 90")
    said = open_dataset("coco", tmp_path, classes={"thing 90": 0, "thing 1": 1, "thing 44": 5})
    assert said.ids == {1: 1, 44: 5, 90: 0}
    for changes, message in (
        ({"categories": [{"id": 1, "name": "a"}] * 2}, "category 1 is there twice"),
        ({"images": [{"id": 1, "file_name": "1.png"}] * 2}, "picture 1 is there twice"),
        ({"categories": [{"id": "1", "name": "a"}]}, "category '1': an id is a whole number"),
    ):
        with pytest.raises(DatasetError, match=message):
            coco(tmp_path, [1], **changes)


def data_set(ids=None, names=("person", "bottle", "toothbrush")):
    return Dataset("set", [Item("a", Path("a"))], classes=names, ids=ids)


IDS = {1: 0, 44: 1, 90: 2}


@pytest.mark.parametrize(
    ("choice", "first", "given", "wanted"),
    [
        ("order", 0, [0, 2, 1], [0, 2, 1]),
        ("order", 1, [1, 0, 3], [0, -1, 2]),
        ("ids", 0, [90, 1, 44], [2, 0, 1]),
        ({"1": "person", "44": 1, "90": "toothbrush", "7": None}, 0, [44, 7, 90], [1, -1, 2]),
    ],
)
def test_labels_of_a_network_become_classes(choice, first, given, wanted):
    labels = Labels(data_set(IDS), choice, first, "refuse", is_counted=False)
    np.testing.assert_array_equal(labels.classes(np.array(given, np.float64), "a"), wanted)


@pytest.mark.parametrize(
    ("choice", "first", "given", "offender"),
    [("order", 1, [1, 44, 90], 44), ("order", 0, [0, 3], 3), ("order", 0, [-1], -1), ("ids", 0, [1, 2], 2),
     ({"1": "person"}, 0, [1, 44], 44)],
)  # fmt: skip
def test_labels_that_are_no_class_are_refused_by_name_unless_said_otherwise(choice, first, given, offender):
    with pytest.raises(EvaluationError, match=rf"pic: the network gives label {offender}, which is no class of set"):
        Labels(data_set(IDS), choice, first, "refuse", is_counted=False).classes(np.array(given), "pic")
    kept = Labels(data_set(IDS), choice, first, "ignore", is_counted=False).classes(np.array(given), "pic")
    assert kept[given.index(offender)] == -1


@pytest.mark.parametrize(("ids", "first"), [(IDS, 0), (IDS, 1), ({1: 0, 2: 1, 3: 2}, 0)])
def test_ids_that_are_no_places_have_to_be_said(ids, first):
    with pytest.raises(UsageError, match=r"may be its id or its place \(\d\): say labels: ids or labels: order"):
        Labels(data_set(ids), None, first, "refuse", is_counted=False)
    Labels(data_set(ids), "order", first, "refuse", is_counted=False)


def test_ids_that_are_places_need_not_be_said():
    labels = Labels(data_set({1: 0, 2: 1, 3: 2}), None, 1, "refuse", is_counted=False)
    assert labels.as_dict() == {"1": 0, "2": 1, "3": 2}


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("names", "labels 'names': order, ids, or a mapping"),
        ({"1": "cat"}, "labels: 1: 'cat' is no class of set: person, bottle, toothbrush"),
        ({"1": 3}, "labels: 1: 3 is no class of set"),
        ({"x": "person"}, "labels: 'x': a number that the network gives"),
        ("ids", "labels: ids: set has no ids of its classes"),
    ],
)
def test_a_choice_of_labels_that_is_none_is_refused(choice, message):
    with pytest.raises(UsageError, match=message):
        Labels(data_set(), choice, 0, "refuse", is_counted=False)


def digits(dataset):
    return Classification(dataset, mini_network("classification"), preprocessing("mini-digits"), {})


def test_accuracy_that_cannot_be_measured_is_said_and_can_be_made_to():
    stored = mini_dataset("classification").first(4)
    task = digits(stored)
    task.check()
    assert (task.notes(), task.mapping()["classes"]["7"]) == ([], 7)
    stored.classes = ("a", "b", "c")
    task = digits(stored)
    task.check()
    assert "has 3 classes, the network 10: no accuracy, only fidelity" in task.notes()[0]
    stored.is_numbered = True
    task = digits(stored)
    task.check()
    assert task.notes() == []
    outputs = {item.id: task.reference(item.id) for item in stored.items}
    assert "top1" in task.score("", outputs, outputs)


def test_files_that_are_left_out_are_counted_and_named(folders, tmp_path):
    assert open_dataset("folder", folders, classes=list(NAMES)).notes == ()
    text(folders / "notes.md", "")
    text(folders / "2" / "movie.gif", "")
    picture(folders / "2" / "deeper" / "a.png")
    picture(folders / "beside.png")
    text(folders / ".DS_Store", "")
    told = "4 files are left out, by suffix or by place: 2/deeper/a.png, 2/movie.gif, beside.png, notes.md"
    assert open_dataset("folder", folders, classes=list(NAMES)).notes == (told,)
    picture(tmp_path / "yolo" / "images" / "a.png")
    picture(tmp_path / "yolo" / "images" / "b.png")
    text(tmp_path / "yolo" / "labels" / "a.txt", "")
    text(tmp_path / "yolo" / "labels" / "c.txt", "")
    assert open_dataset("yolo", tmp_path / "yolo").notes == (
        "1 file is left out, by suffix or by place: c.txt",
        "1 of 2 pictures have no file of labels: no objects",
    )


def asked(folder, **options):
    dataset = {"kind": "folder", "root": str(folder)} | options
    entry = {"name": "t", "task": "classification", "network": {"kind": "mini"}, "dataset": dataset}
    head = {"format": "refsw-conditions-1", "name": "labels", "title": "Labels"}
    codecs = {"raw": {"preset": "fast", "choices": {"quantizer": "none", "payload": "zlib"}}}
    return parse_conditions(head | {"codecs": codecs, "tests": [entry | {"layers": ["conv3"]}]})


def test_the_mapping_is_in_the_record_and_a_change_is_noticed(tmp_path):
    pytest.importorskip("onnxruntime", reason="networks are run by onnxruntime")
    from PIL import Image

    for name in ("2", "10"):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.fromarray(np.full((8, 8), 90, np.uint8)).save(tmp_path / "data" / name / "1.png")
    layer = next(iter(mini_network("classification").cuts))
    plain, said = (asked(tmp_path / "data", **more) for more in ({}, {"classes": {"2": 2, "10": 8}}))
    for conditions in (plain, said):
        conditions.document["tests"][0]["layers"] = [layer]
    plain, said = parse_conditions(plain.document), parse_conditions(said.document)
    assert run(tmp_path / "plain", plain)[1] == []
    assert run(tmp_path / "said", said)[1] == []
    first, second = open_run(tmp_path / "plain"), open_run(tmp_path / "said")
    assert first.identity["tests"]["t"]["mapping"] == {"classes": {"2": 0, "10": 1}}
    assert "natural order" in first.notes["t"][0]
    assert second.identity["tests"]["t"]["mapping"] == {"classes": {"2": 2, "10": 8}}
    with pytest.raises(RefswError, match="mapping, classes, 10 was 1 and is 8"):
        run(tmp_path / "plain", said)
    (tmp_path / "data" / "2" / "a\x1b[2Jb.txt").touch()
    (tmp_path / "asked.yaml").write_text(json.dumps(plain.document))
    told = CliRunner().invoke(cli, ["anchor", "run", str(tmp_path / "asked.yaml"), "-o", str(tmp_path / "plain")])
    assert told.exit_code == 0
    note = r"refsw: note: t: 1 file is left out, by suffix or by place: 2/a\x1b[2Jb.txt"
    assert note in told.stderr
    assert any("1 file is left out" in note for note in open_run(tmp_path / "plain").notes["t"])
    findings = [finding for finding in crosscheck(first, second).findings if finding.kind is Kind.CONDITIONS]
    assert any("mapping, classes, 2 was 0 and is 2" in finding.what for finding in findings)


@pytest.mark.skipif(not CASES.is_dir(), reason="the detector of the shared cases is not here")
def test_a_detector_that_gives_ids_of_coco_scores_as_it_should():
    data = open_dataset("coco", CASES / "coco")
    assert data.ids == IDS
    assert open_dataset("coco", CASES / "coco", annotations="annotations/nocrowd.json").ids == IDS
    with pytest.raises(DatasetError, match=r"neg\.json: annotation 1 of 000000000000\.jpg: a box from left and top"):
        open_dataset("coco", CASES / "coco", annotations="annotations/neg.json")
    pytest.importorskip("onnx", reason="the detector is cut with onnx")
    small = {"like": "imagenet", "fit": "none", "height": 32, "width": 32, "short_side": 32, "mean": [], "std": []}
    output = {name: name for name in ("boxes", "scores", "labels")}
    network = {"kind": "onnx", "path": str(CASES / "det_ids.onnx"), "cuts": {"cut": "feat"}, "output": output}
    condition = {
        "task": "detection",
        "network": network | {"preprocessing": small},
        "dataset": {"kind": "coco", "root": str(CASES / "coco")},
        "options": {"format": "boxes", "labels": "ids"},
    }
    task = open_task(condition)
    outputs = {item: task.reference(item) for item in task.items()}
    assert task.score("cut", outputs, outputs)["ap"] == 1
    places = {"labels": "order", "first_class": 1}
    with pytest.raises(EvaluationError, match=r"000000000000\.jpg: the network gives label 44"):
        open_task(condition | {"options": {"format": "boxes"} | places}).check()
