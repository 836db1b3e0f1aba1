"""Detectors that give a list of boxes: as three outputs of an ONNX model, or as one table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from refsw.errors import UsageError
from refsw.evaluation.datasets import Item, StoredDataset
from refsw.evaluation.errors import DatasetError, EvaluationError, NetworkError
from refsw.evaluation.mini import STRIDES, mini_dataset, mini_network
from refsw.evaluation.networks import check_cut
from refsw.evaluation.networks.onnx import OnnxNetwork
from refsw.evaluation.networks.specification import open_network
from refsw.evaluation.pictures import preprocessing
from refsw.evaluation.tasks.detection import Detection, listed

onnx = pytest.importorskip("onnx", reason="models are made with onnx")
pytest.importorskip("onnxruntime", reason="networks are run by onnxruntime")

helper, FLOAT, INT64 = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
node, value = helper.make_node, helper.make_tensor_value_info
NAMES = {"boxes": "corners", "scores": "confidences", "labels": "numbers"}
INPUT = {"height": 20, "width": 20, "fit": "letterbox", "divisor": 255, "mean": [], "std": [], "pad": 0}


@pytest.fixture
def path(tmp_path):
    """Three objects, whose confidences are those of the brightest pixels of red, green and blue."""
    fixed = {
        "kernel": np.eye(3, dtype=np.float32)[:, :, None, None],
        "flat": np.array([3]),
        "boxes": np.array([[0, 0, 10, 5], [2, 2, 8, 8], [0, 0, 20, 10]], np.float32),
        "zero": np.float32(0),
        "classes": np.array([1, 2, 0]),
    }
    nodes = [
        node("Conv", ["x", "kernel"], ["stem"]),
        node("GlobalMaxPool", ["stem"], ["brightest"]),
        node("Reshape", ["brightest", "flat"], ["confidences"]),
        node("ReduceMean", ["brightest"], ["mean"], keepdims=0),
        node("Mul", ["mean", "zero"], ["nothing"]),
        node("Add", ["boxes", "nothing"], ["corners"]),
        node("Identity", ["classes"], ["numbers"]),
    ]
    outputs = [value("corners", FLOAT, None), value("confidences", FLOAT, None), value("numbers", INT64, None)]
    constants = [onnx.numpy_helper.from_array(array, name) for name, array in fixed.items()]
    graph = helper.make_graph(nodes, "detector", [value("x", FLOAT, [1, 3, 20, 20])], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def dataset():
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[3, 4] = 255, 51, 153
    boxes = np.array([[0.0, 0, 20, 10, 0, 0], [0, 0, 30, 30, 1, 1]])
    return StoredDataset("one", [Item("a", Path("a"), boxes=boxes)], pictures={"a": picture})


def task(path, **options):
    network = open_network({"kind": "onnx", "path": str(path), "cuts": {"stem": "stem"}, "output": NAMES})
    return Detection(dataset(), network, preprocessing(INPUT), {"format": "boxes", "least": 0.0} | options)


def test_three_outputs_are_one_table_and_can_be_cut(path):
    network = OnnxNetwork(path, {"stem": "stem"}, NAMES)
    images = np.random.default_rng(1).random((1, 3, 20, 20)).astype(np.float32)
    table = network.run(images)
    assert (table.shape, table.dtype) == ((1, 3, 6), np.float64)
    np.testing.assert_array_equal(table[0, :, 5], [1, 2, 0])
    np.testing.assert_array_equal(table[0, :, 4], images.max(axis=(0, 2, 3)))
    assert check_cut(network.cut("stem"), images) == 0
    assert network.complexity("stem", images).macs_front == 9 * 400
    assert network.digest != OnnxNetwork(path, {"stem": "stem"}, "corners").digest


def test_boxes_are_put_back_into_the_picture_and_classes_counted_from_the_first(path):
    found = task(path, first_class=1).reference("a")
    # The picture is halved; the background goes; best first.
    np.testing.assert_allclose(found[:, :4], [[0, 0, 20, 10], [4, 4, 16, 16]])
    np.testing.assert_array_equal(found[:, 5], [0, 1])
    assert found[0, 4] > found[1, 4]


def test_a_list_of_boxes_is_scored(path):
    detection = task(path, first_class=1, confidence=0.0)
    detection.layers = ("stem",)
    detection.check()
    outputs = {"a": detection.outputs("a", "stem", detection.features("a", "stem"))}
    scores = detection.score("stem", outputs, {"a": detection.reference("a")})
    assert (scores["fidelity"], scores["ap50"], scores["distortion"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.zeros((2, 5)), r"an output of shape \(2, 5\): a list of boxes is \(objects, 6\)"),
        (np.full((1, 6), np.nan), "a list of boxes with NaN"),
        ([[0, 0, 1, 1, 0.5, 1.5]], "classes that are no whole numbers"),
    ],
)
def test_outputs_that_are_no_lists_of_boxes_are_refused(table, message):
    with pytest.raises(EvaluationError, match=message):
        listed(np.array(table), confidence=0.0, most=5)


def test_the_best_boxes_are_kept():
    table = np.column_stack([np.zeros((5, 4)), [0.1, 0.9, 0.5, 0.5, 0.7], np.arange(5)])
    assert listed(table, confidence=0.2, most=3)[:, 5].tolist() == [1, 4, 2]
    assert listed(np.zeros((0, 6)), confidence=0.2, most=3).shape == (0, 6)


def test_outputs_that_do_not_exist_or_go_together_are_named(path):
    with pytest.raises(UsageError, match="outputs boxes, scores, labels are needed, not boxes, scores"):
        OnnxNetwork(path, {}, {"boxes": "corners", "scores": "confidences"})
    with pytest.raises(UsageError, match="no output z: corners, confidences, numbers"):
        OnnxNetwork(path, {}, NAMES | {"labels": "z"})
    with pytest.raises(NetworkError, match=r"boxes \(3,\), scores \(3, 4\), labels \(3,\)"):
        OnnxNetwork(path, {}, {"boxes": "numbers", "scores": "corners", "labels": "numbers"}).run(
            np.zeros((1, 3, 20, 20), np.float32)
        )
    with pytest.raises(NetworkError, match="confidences is the output"):
        OnnxNetwork(path, {"cut": "confidences"}, NAMES).cut("cut")
    with pytest.raises(UsageError, match="no format list: yolox, boxes"):
        task(path, format="list")
    with pytest.raises(UsageError, match="output is 0, which is for networks of another kind"):
        open_network({"kind": "onnx", "path": str(path), "cuts": {}, "output": 0})
    with pytest.raises(UsageError, match="which is for networks of another kind"):
        open_network({"kind": "torch", "module": "m:f", "shape": [3, 8, 8], "cuts": {}, "output": NAMES})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"least": 1.5}, "least 1.5: from 0 to 1"),
        ({"overlap": float("nan")}, "overlap nan: from 0 to 1"),
        ({"strides": ["8"]}, "strides .*: whole numbers from 1"),
        ({"strides": [0]}, "strides .*: whole numbers from 1"),
    ],
)
def test_options_out_of_range_are_refused(path, options, message):
    with pytest.raises(UsageError, match=message):
        task(path, **options)


def scenes(boxes=None, classes=()):
    stored = mini_dataset("detection")
    item = stored.items[0]
    items = [Item(item.id, item.path, boxes=item.boxes if boxes is None else np.array(boxes))]
    data = StoredDataset("scenes", items, classes=classes, pictures={item.id: stored.picture(item)})
    return Detection(data, mini_network("detection"), preprocessing("mini-scenes"), {"strides": list(STRIDES)})


def test_classes_that_a_yolox_does_not_have_are_named_before_anything_runs():
    scenes().check()
    scenes(classes=[str(i) for i in range(10)]).check()
    scenes(boxes=np.zeros((0, 6))).check()
    with pytest.raises(DatasetError, match="scenes has 2 classes, the network 10"):
        scenes(classes=["a", "b"]).check()
    with pytest.raises(DatasetError, match="scene-000: class 10, the network has 10, from 0"):
        scenes(boxes=[[0, 0, 5, 5, 10, 0]]).check()


def test_only_a_few_cuts_are_open_at_once():
    detection = scenes()
    for _ in range(2):
        for layer in detection.network.cuts:
            assert detection.cut(layer) is detection.cut(layer)
    assert len(detection._cuts) == 2
