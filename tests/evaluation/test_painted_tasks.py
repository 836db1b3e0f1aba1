"""Segmentation, keypoints and detection by class on painted pictures, in the layouts of folders, VOC and COCO."""

from __future__ import annotations

import json

import numpy as np
import painted
import pytest
from anchor_runs import run

from refsw.errors import UsageError
from refsw.evaluation.anchors.conditions import parse_conditions
from refsw.evaluation.anchors.folder import open_run
from refsw.evaluation.datasets import open_dataset
from refsw.evaluation.errors import DatasetError, EvaluationError
from refsw.evaluation.pictures import Fit, Geometry, Preprocessing
from refsw.evaluation.tasks.keypoints import Keypoints
from refsw.evaluation.tasks.segmentation import Segmentation, folded, unfolded

for package in ("yaml", "scipy"):
    pytest.importorskip(package, reason=f"the conditions need {package}")

NAMES = ["red", "green", "blue", "nothing"]
SCENES = {"a": [(4, 4, 20, 20, 0), (26, 8, 44, 28, 1)], "b": [(10, 2, 40, 18, 2)]}


@pytest.fixture
def folder(tmp_path):
    for name, rectangles in SCENES.items():
        painted.save(tmp_path / "images" / f"{name}.png", painted.painted(rectangles))
        painted.save(tmp_path / "labels" / f"{name}.png", painted.labels(rectangles))
    return tmp_path


def test_labels_come_back_from_few_bytes():
    labels = painted.labels(SCENES["a"])
    data = folded(labels)
    assert data.dtype == np.uint8
    assert data.size < labels.size / 8
    assert np.array_equal(unfolded(data), labels)


def segmentation(folder, preprocessing=painted.PLAIN, **options):
    data = open_dataset("labels", folder, classes=NAMES)
    return Segmentation(data, painted.Network("scores"), preprocessing, options)


def test_segmentation_of_painted_pictures_is_right(folder):
    task = segmentation(folder, per_class=True)
    task.check()
    references = {item: task.reference(item) for item in task.items()}
    assert np.array_equal(unfolded(references["a.png"]), painted.labels(SCENES["a"]))
    scores = task.score("means", references, references)
    assert scores["miou"] == scores["pixel_accuracy"] == scores["fidelity"] == scores["iou-red"] == 1
    wrong = references | {"b.png": folded(painted.labels([]))}
    scores = task.score("means", wrong, references)
    # Blue is lost; nothing is found where it was: its IoU is what is left over what there is.
    area, total = 30 * 16, 2 * 32 * 48
    nothing = total - area - 16 * 16 - 18 * 20
    assert scores["miou"] == pytest.approx((1 + 1 + 0 + nothing / (nothing + area)) / 4)
    assert scores["miou"] == scores["fidelity"]
    assert scores["distortion"] == pytest.approx(100 * (1 - scores["miou"]))


def test_labels_are_of_the_samples_of_the_picture_whatever_the_network_takes(folder):
    stretched = Preprocessing(64, 64, Fit.STRETCH, mean=(), std=())
    task = segmentation(folder, stretched)
    found = unfolded(task.reference("a.png"))
    truth = painted.labels(SCENES["a"])
    assert found.shape == truth.shape
    assert (found != truth).mean() < 0.1
    cropped = Preprocessing(16, 16, Fit.CROP, short_side=16, mean=(), std=())
    found = unfolded(segmentation(folder, cropped).reference("a.png"))
    assert (found == 255).any(axis=0).tolist() == [True] * 8 + [False] * 32 + [True] * 8


def test_labels_of_a_network_may_be_given_as_such(folder):
    task = segmentation(folder, format="labels", labels={0: "red", 9: "blue", 5: None}, unknown="ignore")
    item = task.dataset.items[0]
    output = np.array([[0, 9], [5, 7]], np.float32)
    found = unfolded(task.interpret(item, output, Geometry()))
    assert (found[0, 0], found[0, -1], found[-1, 0], found[-1, -1]) == (0, 2, 255, 255)
    for bad in (np.full((2, 2), 0.5), np.zeros((3, 2, 2)), np.full((2, 2), np.nan)):
        with pytest.raises(EvaluationError, match="labels of shape"):
            task.interpret(item, bad.astype(np.float32), Geometry())
    with pytest.raises(EvaluationError, match="scores of shape"):
        segmentation(folder).interpret(item, output, Geometry())


def test_labels_that_are_none(folder):
    (folder / "labels" / "b.png").unlink()
    with pytest.raises(DatasetError, match=r"b.png: no such labels"):
        segmentation(folder).check()
    painted.save(folder / "labels" / "b.png", painted.painted([]))
    with pytest.raises(DatasetError, match="labels are grey samples of 8 bits"):
        segmentation(folder).check()
    painted.save(folder / "labels" / "b.png", np.full((32, 48), 9, np.uint8))
    with pytest.raises(DatasetError, match=r"b.png: label 9 of 4 classes"):
        segmentation(folder).check()
    painted.save(folder / "labels" / "b.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(DatasetError, match=r"b.png: \(8, 8\) for \(32, 48\)"):
        segmentation(folder).check()
    with pytest.raises(UsageError, match="names 0 classes: 1 to 254"):
        Segmentation(open_dataset("folder", folder / "images"), painted.Network("scores"), painted.PLAIN, {})


def test_segmentation_of_voc(tmp_path):
    painted.save(tmp_path / "JPEGImages" / "x.jpg", painted.painted(SCENES["b"]))
    painted.save(tmp_path / "SegmentationClass" / "x.png", painted.labels(SCENES["b"], nothing=0))
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Segmentation" / "val.txt").write_text("x\n")
    data = open_dataset("voc-labels", tmp_path)
    assert data.classes[:2] == ("background", "aeroplane")
    assert data.items[0].labels.read()[10, 20] == 2


def persons(folder, keypoints):
    """COCO's persons: a picture for each list of places of three keypoints."""
    pictures = {f"{n}.png": [(x, y, x + 2, y + 2, kind) for kind, (x, y) in enumerate(places)]
                for n, places in enumerate(keypoints)}  # fmt: skip
    for name, rectangles in pictures.items():
        painted.save(folder / "val2017" / name, painted.painted(rectangles))
    path = folder / "annotations" / "person_keypoints_val2017.json"
    content = painted.coco_file(path, {name: [(0, 0, 40, 30, 0)] for name in pictures}, {1: "person"})
    for entry, places in zip(content["annotations"], keypoints, strict=True):
        entry["keypoints"] = [value for x, y in places for value in (x, y, 2)]
        entry["num_keypoints"] = len(places)
    path.write_text(json.dumps(content))
    return path


PLACES = [[(6, 6), (30, 8), (20, 24)], [(40, 20), (10, 10), (24, 6)]]


def test_keypoints_of_painted_pictures_are_found(tmp_path):
    persons(tmp_path, PLACES)
    options = {"of": "keypoints", "dataset": {"kind": "coco-persons", "root": str(tmp_path)}}
    test = {"name": "own", "task": "painted:open_task", "layers": ["means"], "options": options, "quality": "ap"}
    asked = {"format": "refsw-conditions-1", "name": "own", "title": "Own", "tests": [test],
             "codecs": {"fast": {"preset": "fast", "sweep": {"qp": [1]}}}}  # fmt: skip
    _, failures = run(tmp_path / "run", parse_conditions(asked))
    assert not failures
    fine = open_run(tmp_path / "run").records[0]
    assert fine["pristine"]["ap50"] == 1
    assert fine["metrics"]["fidelity"] > 0.95


def test_poses_are_told_in_pixels_of_the_picture(tmp_path):
    persons(tmp_path, PLACES[:1])
    data = open_dataset("coco-persons", tmp_path)
    task = Keypoints(data, painted.Network("heatmaps"), painted.PLAIN, {"format": "poses"})
    rows = np.array([[0.005, 1, 1, 1], [0.5, 21, 11, 1], [0.9, 41, 31, 1]], np.float32)
    found = task.interpret(data.items[0], rows, Geometry(2.0, 2.0, 1.0, 1.0))
    assert found.tolist() == [[pytest.approx(0.9), 20, 15, 1], [0.5, 10, 5, 1]]
    with pytest.raises(EvaluationError, match="persons of shape"):
        task.interpret(data.items[0], rows[:, :3], Geometry())
    with pytest.raises(EvaluationError, match="NaN or infinity"):
        task.interpret(data.items[0], rows * np.nan, Geometry())
    with pytest.raises(UsageError, match="keypoints: no format x: heatmaps, poses"):
        Keypoints(data, painted.Network("heatmaps"), painted.PLAIN, {"format": "x"})


def test_annotated_persons(tmp_path):
    path = persons(tmp_path, PLACES)
    poses = open_dataset("coco-persons", tmp_path).items[1].poses
    assert poses.points[0, :, :2].tolist() == [[40, 20], [10, 10], [24, 6]]
    assert (poses.areas.tolist(), poses.corners.tolist()) == ([1200], [[0, 0, 40, 30]])
    content = json.loads(path.read_text())
    content["annotations"][0]["keypoints"].pop()
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="no keypoints of COCO: ValueError"):
        open_dataset("coco-persons", tmp_path)
    del content["annotations"][0]["keypoints"]
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="no keypoints of COCO: KeyError"):
        open_dataset("coco-persons", tmp_path)
