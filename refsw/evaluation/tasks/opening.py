"""Informative: a task from a condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.datasets import open_dataset
from refsw.evaluation.datasets.base import Dataset
from refsw.evaluation.datasets.texts import drawn
from refsw.evaluation.inputs import INPUTS
from refsw.evaluation.mini import STRIDES, mini_dataset, mini_network
from refsw.evaluation.networks.base import Network
from refsw.evaluation.pictures import Preprocessing, preprocessing
from refsw.evaluation.tasks.base import Task
from refsw.evaluation.tasks.classification import Classification
from refsw.evaluation.tasks.detection import Detection
from refsw.evaluation.tasks.keypoints import Keypoints
from refsw.evaluation.tasks.retrieval import Retrieval
from refsw.evaluation.tasks.segmentation import Segmentation
from refsw.evaluation.tasks.text import TextRecognition
from refsw.evaluation.tasks.tracking import Tracking
from refsw.evaluation.toy import toy_dataset, toy_network

Opener = Callable[[Dataset, Network, Preprocessing, Mapping[str, Any]], Task]
TASKS: Mapping[str, Opener] = {
    "classification": Classification,
    "retrieval": Retrieval,
    "detection": Detection,
    "segmentation": Segmentation,
    "tracking": Tracking,
    "text": TextRecognition,
    "keypoints": Keypoints,
}
MINI = "mini"


@dataclass(frozen=True, slots=True)
class Shipped:
    """What ships with the package under a kind: networks and pictures of tasks, and their pre-processing."""

    network: Callable[[str], Network] | None
    dataset: Callable[[str], Dataset]
    preprocessing: Mapping[str, str]


SHIPPED = {
    MINI: Shipped(
        mini_network,
        mini_dataset,
        {"classification": "mini-digits", "retrieval": "mini-digits", "detection": "mini-scenes"},
    ),
    "pages": Shipped(None, drawn, {"detection": "", "text": ""}),
    "toy": Shipped(lambda _: toy_network(), lambda _: toy_dataset(), {"classification": "toy"}),
}


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
    if name == "detection" and network.get("kind") == MINI:
        options.setdefault("strides", list(STRIDES))
    shipped = _shipped(network, name)
    if shipped and shipped.network is None:
        raise UsageError(f"kind {network['kind']} is one of data sets, of which no network ships")
    chosen = network.pop("preprocessing", shipped.preprocessing[name] if shipped else "imagenet")
    if shipped and shipped.network:
        _nothing_else(network, f"a {network['kind']} network")
        cut_network = shipped.network(name)
    else:
        from refsw.evaluation.networks.specification import open_network

        cut_network = open_network(network)
    shipped = _shipped(dataset, name)
    if shipped:
        limit = dataset.pop("limit", None)
        if limit is not None and type(limit) is not int:
            raise UsageError(f"a {dataset['kind']} data set: limit is {limit!r}: a number from 1")
        _nothing_else(dataset, f"a {dataset['kind']} data set")
        pictures = shipped.dataset(name).first(limit)
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


def _shipped(entry: Mapping[str, Any], task: str) -> Shipped | None:
    """What ships under the kind of an entry; None of another kind.

    Raises:
        UsageError: it is for other tasks.
    """
    kind = entry.get("kind")
    found = SHIPPED.get(kind) if isinstance(kind, str) else None
    if found and task not in found.preprocessing:
        raise UsageError(f"kind {kind} is for {', '.join(found.preprocessing)}, not for {task}")
    return found


def _nothing_else(given: Mapping[str, Any], what: str) -> None:
    if set(given) != {"kind"}:
        raise UsageError(f"{what} takes no {', '.join(sorted(set(given) - {'kind'}))}")
