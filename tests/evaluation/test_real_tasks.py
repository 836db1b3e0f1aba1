"""The tasks on real networks and pictures, a handful of each; figures of whole sets are in docs."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import shared_data

import refsw
from refsw.evaluation.networks import check_cut
from refsw.evaluation.networks.onnx import OnnxNetwork
from refsw.evaluation.tasks import open_task

for package in ("onnx", "onnxruntime", "torch"):
    pytest.importorskip(package, reason=f"these networks need {package}")

YOLOX = {
    "dark3": "input.175",
    "backbone": {"dark3": "input.175", "dark4": "input.283", "dark5": "input.359"},
    "pyramid": {"p3": "input.471", "p4": "input.531", "p5": "input.591"},
}


def conditions():
    data = shared_data()
    network = {"kind": "resnet18", "weights": str(data / "networks" / "pqf_resnet18.pth")}
    return {
        "classification": {
            "network": network,
            "dataset": {"kind": "imagenet", "root": data / "imagenet", "labels": "labels.csv", "limit": 6},
        },
        "retrieval": {
            "network": network | {"until": "pool5", "preprocessing": {"like": "imagenet", "fit": "stretch"}},
            "dataset": {"kind": "folder", "root": data / "reid" / "orl_faces", "queries": 1, "limit": 6},
        },
        "detection": {
            "network": {
                "kind": "onnx",
                "path": str(data / "networks" / "yolox_nano.onnx"),
                "cuts": YOLOX,
                "preprocessing": "yolox",
            },
            "dataset": {"kind": "yolo", "root": data / "detection", "limit": 6},
        },
    }


@pytest.mark.parametrize(("name", "layer"), [("classification", "conv3"), ("detection", "pyramid")])
def test_fidelity_falls_with_the_rate(name, layer):
    task = open_task({"task": name, **conditions()[name]})
    references = {item: task.reference(item) for item in task.items()}
    fidelities, sizes = [], []
    for qp in (12, 51):
        outputs, size = {}, 0
        for item in task.items():
            features = task.features(item, layer)
            data = refsw.encode(features if isinstance(features, dict) else {layer: features}, "fast", qp=qp)
            size += len(data)
            outputs[item] = task.outputs(item, layer, refsw.decode(data))
        fidelities.append(task.score(layer, outputs, references)["fidelity"])
        sizes.append(size)
    assert sizes[0] > 4 * sizes[1]
    assert fidelities[0] > 0.95
    assert fidelities[0] > fidelities[1]


@pytest.mark.parametrize("name", ["classification", "detection", "retrieval"])
def test_every_cut_of_a_real_network_separates_it(name):
    task = open_task({"task": name, **conditions()[name]})
    for layer in task.network.cuts:
        assert task.check_cut(layer, tolerance=1e-6) <= 1e-6


def test_the_networks_know_these_pictures():
    for name, metric, least in (("classification", "top5", 0.8), ("detection", "ap50", 0.4)):
        task = open_task({"task": name, **conditions()[name]})
        references = {item: task.reference(item) for item in task.items()}
        assert task.score("", references, references)[metric] >= least


def test_faces_are_found_again():
    condition = conditions()["retrieval"]
    task = open_task({"task": "retrieval", **condition})
    # Four identities are enough: 36 references instead of 360.
    task.dataset.references = task.dataset.references[:36]
    items = task.items()[:4]
    references = {item: task.reference(item) for item in items}
    assert task.score("", references, references)["cmc1"] == 1
    noisy = {item: vector + np.float32(0.4) * vector[::-1] for item, vector in references.items()}
    assert task.score("", noisy, references)["fidelity"] < 1


def test_multiplications_of_a_network_whose_shapes_cannot_be_inferred():
    cuts = {"conv2": "/conv2/conv2.1/Relu_output_0", "conv4": "/conv4/conv4.1/Relu_output_0"}
    network = OnnxNetwork(shared_data() / "networks" / "osnet_x0_25_msmt17.onnx", cuts)
    images = np.random.default_rng(1).standard_normal((1, 3, 256, 128)).astype(np.float32)
    for name in cuts:
        assert check_cut(network.cut(name), images, tolerance=1e-5) < 1e-5
        found = network.complexity(name, images)
        # Published for OSNet x0.25: 82.3 million.
        assert found.macs_front + found.macs_back == 82_314_880
    assert found.elements == 128 * 16 * 8
