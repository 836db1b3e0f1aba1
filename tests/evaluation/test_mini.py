"""The mini conditions: all three tasks from features to scores."""

from __future__ import annotations

import numpy as np
import pytest

import refsw
from refsw.errors import UsageError
from refsw.evaluation.mini import mini_dataset, mini_network
from refsw.evaluation.tasks import open_task

pytest.importorskip("onnxruntime", reason="networks are run by onnxruntime")

TASKS = ("classification", "retrieval", "detection")
SHAPES = {"conv1": (16, 48, 48), "conv2": (24, 24, 24), "conv3": (48, 12, 12), "p3": (24, 12, 12), "p4": (24, 6, 6)}


def condition(name, **more):
    return {"task": name, "network": {"kind": "mini"}, "dataset": {"kind": "mini"}, **more}


@pytest.fixture(scope="module", params=TASKS)
def task(request):
    return open_task(condition(request.param))


def coded(task, layer, items, **choices):
    outputs = {}
    for item in items:
        features = task.features(item, layer)
        tensors = features if isinstance(features, dict) else {layer: features}
        outputs[item] = task.outputs(item, layer, refsw.decode(refsw.encode(tensors, **choices)))
    return outputs


def test_every_cut_separates_the_network_to_the_bit(task):
    assert len(task.network.cuts) == 4
    for layer in task.network.cuts:
        assert task.check_cut(layer, tolerance=0) == 0


def test_features_that_are_not_coded_keep_every_score(task):
    items = task.items()[:20]
    references = {item: task.reference(item) for item in items}
    for layer in task.network.cuts:
        outputs = {item: task.outputs(item, layer, task.features(item, layer)) for item in items}
        scores = task.score(layer, outputs, references)
        assert scores["fidelity"] == 1
        assert scores["distortion"] == 0


def test_a_strong_loss_lowers_fidelity_and_a_lossless_code_does_not(task):
    items, layer = task.items(), task.network.cuts[1]
    references = {item: task.reference(item) for item in items}
    lossless = task.score(layer, coded(task, layer, items, quantizer="none", payload="zlib"), references)
    assert lossless["fidelity"] == 1
    lossy = task.score(layer, coded(task, layer, items, config="fast", qp=47), references)
    assert lossy["fidelity"] < 0.99


def test_outputs_take_features_with_an_axis_of_samples(task):
    item, layer = task.items()[0], task.network.cuts[0]
    features = task.features(item, layer)
    np.testing.assert_array_equal(task.outputs(item, layer, features[None]), task.outputs(item, layer, features))


def test_complexity_adds_up_over_every_cut(task):
    found = [task.complexity(layer) for layer in task.network.cuts]
    assert len({c["macs_front"] + c["macs_back"] for c in found}) == 1
    assert sorted(c["macs_front"] for c in found) == [c["macs_front"] for c in found]
    assert sorted((c["elements"] for c in found), reverse=True) == [c["elements"] for c in found]


def test_what_a_run_records_of_a_picture(task):
    item = task.items()[0]
    assert len(task.item_digest(item)) == 64
    assert task.input_pixels(item) == task.input_bytes(item)
    assert task.fingerprint() == open_task(condition(type(task).__name__.lower())).fingerprint()
    task.check()


def test_the_networks_are_good():
    scores = {}
    for name in TASKS:
        task = open_task(condition(name))
        references = {item: task.reference(item) for item in task.items()}
        scores |= task.score(task.network.cuts[0], references, references)
    assert scores["map"] > 0.7
    assert scores["ap50"] > 0.85


def test_the_pyramid_has_two_tensors():
    task = open_task(condition("detection"))
    features = task.features(task.items()[0], "pyramid")
    assert {name: tensor.shape for name, tensor in features.items()} == {name: SHAPES[name] for name in ("p3", "p4")}
    with pytest.raises(UsageError, match="takes p3, p4, not p3"):
        task.outputs(task.items()[0], "pyramid", {"p3": features["p3"]})


def test_a_limit_takes_the_first_items():
    task = open_task(condition("retrieval") | {"dataset": {"kind": "mini", "limit": 3}})
    assert task.items() == [item.id for item in mini_dataset("retrieval").items[:3]]
    assert len(task.dataset.references) == 160


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "painting"}, "no task painting: classification"),
        ({"layers": ["conv1", "conv9"]}, "no cut conv9: conv1, conv2"),
        ({"options": {"sharp": 1}}, "no option sharp: literal"),
        ({"options": {"literal": 1}}, "option literal is 1: like False"),
        ({"dataset": {"kind": "mini", "root": "x"}}, "takes no root"),
        ({"dataset": {"kind": "mini", "limit": 0}}, "limit 0: at least 1"),
        ({"network": {"kind": "mini", "preprocessing": "sharp"}}, "no pre-processing sharp: imagenet"),
        ({"network": {"kind": "mini", "preprocessing": {"fit": "blur"}}}, "pre-processing: 'blur'"),
    ],
)
def test_a_condition_that_does_not_hold_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        open_task(condition("classification") | changes)


def test_there_is_no_mini_set_for_another_task():
    for function in (mini_network, mini_dataset):
        with pytest.raises(UsageError, match="tracking"):
            function("tracking")


def test_coding_cannot_mend_what_is_right_already():
    task = open_task(condition("classification"))
    references = {item: task.reference(item) for item in task.items()}
    assert task.score("conv1", references, references)["top1"] == 1
