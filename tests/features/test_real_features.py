"""Features of ResNet-50 on real images: rates in the range of the literature, and the network goes on as before."""

from __future__ import annotations

import csv
import sys
from typing import Any

import numpy as np
import pytest
from conftest import shared_data

import refsw

# MM'19, Table 3, ResNet, classification, QP 22, with room for another network and another encoder.
RATES = {"conv1": (0.02, 0.08), "conv3": (0.07, 0.2), "conv5": (0.04, 0.26)}


@pytest.fixture(scope="module")
def network() -> tuple[Any, dict[str, Any]]:
    folder = shared_data()
    torch = pytest.importorskip("torch")
    sys.path.insert(0, str(folder))
    try:
        import networks
    finally:
        sys.path.pop(0)
    with (folder / "imagenet" / "labels.csv").open() as file:
        name = next(csv.DictReader(file))["file"]
    with torch.inference_mode():
        net = networks.imagenet_resnet("resnet50")
        return net, net.stages(networks.preprocess(folder / "imagenet" / name)[None])


@pytest.mark.parametrize("preset", ["anchor", "balanced"])
@pytest.mark.parametrize("layer", list(RATES))
def test_rates_and_classes_are_those_of_the_literature(
    network: tuple[Any, dict[str, Any]], layer: str, preset: str
) -> None:
    import torch

    net, stages = network
    data = refsw.encode(stages[layer], preset, qp=22)
    assert refsw.validate(data).conforming
    low, high = RATES[layer]
    assert low < len(data) / (4 * stages[layer].numel()) < high
    decoded = refsw.decode(data)
    assert isinstance(decoded, np.ndarray)
    with torch.inference_mode():
        resumed = net.resume(layer, torch.from_numpy(decoded))
    assert int(resumed.argmax()) == int(stages["logits"].argmax())


@pytest.mark.parametrize("quantizer", ["log", "uniform"])
@pytest.mark.parametrize("layer", ["conv1", "conv2", "conv3", "conv4", "conv5"])
def test_features_of_residual_networks_are_not_warned_of(
    network: tuple[Any, dict[str, Any]], layer: str, quantizer: str
) -> None:
    _, stages = network
    preset = "anchor" if quantizer == "log" else "balanced"
    for qp in (12, 22, 32, 42):  # a warning is an error here
        refsw.encode(stages[layer], preset, qp=qp, effort="fast")
