"""Informative: a task from a condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.datasets import open_dataset
from refsw.evaluation.inputs import INPUTS
from refsw.evaluation.mini import STRIDES, mini_dataset, mini_network
from refsw.evaluation.pictures import preprocessing
from refsw.evaluation.tasks.base import Task
from refsw.evaluation.tasks.classification import Classification
from refsw.evaluation.tasks.detection import Detection
from refsw.evaluation.tasks.retrieval import Retrieval

TASKS: dict[str, type[Classification] | type[Retrieval] | type[Detection]] = {
    "classification": Classification,
    "retrieval": Retrieval,
    "detection": Detection,
}
MINI = "mini"
MINI_PREPROCESSING = {"classification": "mini-digits", "retrieval": "mini-digits", "detection": "mini-scenes"}


def open_task(condition: Mapping[str, Any]) -> Task:
    """The task that a condition describes; network and pictures are opened, nothing is computed.

    Args:
        condition: see `refsw.evaluation.tasks`.

    Raises:
        UsageError: something that it names does not exist or does not go together.
        NetworkError: the network is not what it was taken for.
        DatasetError: the data set is not where or what it should be.
    """
    name = condition.get("task", "")
    if name not in TASKS:
        raise UsageError(f"no task {name}: {', '.join(TASKS)}")
    network, dataset = dict(condition.get("network", {})), dict(condition.get("dataset", {}))
    options = dict(condition.get("options", {}))
    mini = network.get("kind") == MINI
    if name == "detection" and mini:
        options.setdefault("strides", list(STRIDES))
    chosen = network.pop("preprocessing", MINI_PREPROCESSING[name] if mini else "imagenet")
    if mini:
        _nothing_else(network, "a mini network")
        cut_network: Any = mini_network(name)
    else:
        from refsw.evaluation.networks.specification import open_network

        cut_network = open_network(network)
    if dataset.get("kind") == MINI:
        limit = dataset.pop("limit", None)
        if limit is not None and type(limit) is not int:
            raise UsageError(f"a mini data set: limit is {limit!r}: a number from 1")
        _nothing_else(dataset, "a mini data set")
        pictures = mini_dataset(name).first(limit)
    else:
        if not {"kind", "root"} <= set(dataset):
            raise UsageError("a data set has a kind and a root")
        pictures = open_dataset(**dataset)
    for layer in condition.get("layers", ()):
        if layer not in (*INPUTS, *cut_network.cuts):
            raise UsageError(f"no cut {layer}: {', '.join(cut_network.cuts)}")
    task = TASKS[name](pictures, cut_network, preprocessing(chosen), options)
    task.layers = tuple(condition.get("layers", ()))
    return task


def _nothing_else(given: Mapping[str, Any], what: str) -> None:
    if set(given) != {"kind"}:
        raise UsageError(f"{what} takes no {', '.join(sorted(set(given) - {'kind'}))}")
