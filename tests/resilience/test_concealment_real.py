"""Features of real networks, where the data are there: concealment against the methods as their papers have them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from conftest import shared_data

from refsw.resilience import conceal, received_mask, row_packets, train_altec
from tests.resilience import oracles
from tests.resilience.cases import runnable

COUNT = 12


@pytest.fixture(scope="module")
def maps():
    """ResNet-18, conv2 of a dozen pictures, (N, 64, 56, 56): the first two to repair, the others to learn from."""
    folder = shared_data()
    torch = pytest.importorskip("torch", reason="the networks of ../shared/data need PyTorch")
    from refsw.evaluation.tasks import open_task

    condition = {
        "name": "real",
        "task": "classification",
        "layers": ["conv2"],
        "network": {"kind": "resnet18", "weights": str(folder / "networks" / "pqf_resnet18.pth")},
        "dataset": {"kind": "list", "root": str(folder / "imagenet"), "labels": "labels.csv", "limit": COUNT},
    }
    assert torch is sys.modules["torch"]
    task = open_task(condition)
    return np.stack([np.asarray(task.features(item, "conv2"), np.float32) for item in task.items()])


def losses(shape, rows, loss, seed):
    packets = row_packets(shape, rows)
    return received_mask(shape, packets, np.random.default_rng(seed).random(len(packets)) < loss)


def error(estimate, truth, received):
    lost = ~received
    return float(np.square(estimate.astype(np.float64)[lost] - truth[lost]).sum())


def mean_errors(maps, rows, loss, *methods):
    """The squared error of each method over that without concealment, over two pictures."""
    sums = np.zeros(len(methods) + 1)
    for seed, tensor in enumerate(maps[:2]):
        received = losses(tensor.shape, rows, loss, seed)
        damaged = np.where(received, tensor, tensor.min())
        sums += [error(repair(damaged, received), tensor, received) for repair in (lambda x, _: x, *methods)]
    return sums[1:] / sums[0]


@pytest.mark.parametrize(("rows", "loss"), [(8, 0.1), (8, 0.3), (1, 0.3)])
def test_caltec_is_no_worse_than_the_loop_over_packets(maps, rows, loss):
    def loop(damaged, received):
        estimate = oracles.caltec(damaged, received, rows)
        return np.where(np.isfinite(estimate), estimate, damaged)

    own, wanted = mean_errors(maps, rows, loss, lambda x, mask: conceal("caltec", x, mask, rows=rows), loop)
    assert own <= 1.05 * wanted


@pytest.mark.parametrize("rows", [1, 8])
def test_halrtc_is_no_worse_than_fifty_steps_with_full_decompositions(maps, rows):
    def plain(damaged, received):
        return oracles.halrtc(damaged, received, (1 / 3, 1 / 3, 1 / 3), 1e6, 1.2, 50)

    own, wanted = mean_errors(maps[:1].repeat(2, 0), rows, 0.3, lambda x, mask: conceal("halrtc", x, mask), plain)
    assert own <= 1.1 * wanted


@pytest.mark.parametrize(("rows", "most"), [(1, 0.283), (8, 0.35)])
def test_altec_reaches_the_reference(maps, rows, most):
    """Its error over that without concealment at 30 % loss: .130 / .459 and .170 / .486."""
    weights = train_altec(maps[2:], rows)
    (own,) = mean_errors(maps, rows, 0.3, lambda x, mask: conceal("altec", x, mask, weights=weights))
    assert own <= 1.1 * most


@pytest.mark.parametrize("name", ["mean", "linear", "silrtc", "fcp", "navier-stokes", "telea"])
def test_every_method_gains_on_real_features(maps, name):
    runnable(name)
    (own,) = mean_errors(maps, 8, 0.3, lambda x, mask: conceal(name, x, mask))
    assert own < 0.8
