"""Informative: networks and data of the mini conditions, which ship with the package and run anywhere in minutes.

Made by tools/train_digits.py and tools/train_mini.py. Only onnxruntime is needed.

Pictures: Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository,
doi:10.24432/C50P49, licence CC BY 4.0, by way of scikit-learn; a selection, with noise added to those of
classification, and composed into scenes for detection.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.datasets.base import Dataset, Item, StoredDataset
from refsw.evaluation.networks.staged import StagedNetwork
from refsw.tensor.axes import Array

DATA = Path(__file__).parent / "data"
STRIDES = (8, 16)
PYRAMID: dict[tuple[str, ...], str] = {("p3", "p4"): "pyramid"}
DIGIT_NAMES = tuple("0123456789")
# 3x3 convolutions: places x output channels x input channels x 9; the last stage is a product of 128 x 10.
DIGIT_MACS = (32**2 * 16 * 9, 16**2 * 32 * 16 * 9, 8**2 * 64 * 32 * 9, 4**2 * 128 * 64 * 9)


def mini_network(task: str) -> StagedNetwork:
    """The network of a task.

    Raises:
        UsageError: there is no such task.
    """
    backbone = [DATA / f"digits-{stage}.onnx" for stage in range(1, 5)]
    if task == "classification":
        return StagedNetwork([*backbone, DATA / "digits-5.onnx"], macs=(*DIGIT_MACS, 128 * 10))
    if task == "retrieval":
        return StagedNetwork([*backbone, DATA / "mini-embedding.onnx"], macs=(*DIGIT_MACS, 0))
    if task == "detection":
        return StagedNetwork([DATA / f"mini-detector-{stage}.onnx" for stage in range(1, 6)], PYRAMID)
    raise UsageError(f"no mini network for {task}: {', '.join(_DATASETS)}")


def mini_dataset(task: str) -> Dataset:
    """The pictures of a task.

    Raises:
        UsageError: there is no such task.
    """
    if task not in _DATASETS:
        raise UsageError(f"no mini data set for {task}: {', '.join(_DATASETS)}")
    return _DATASETS[task]()


def digits() -> tuple[Array, Array]:
    """The 200 held-out digits of the retrieval set, uint8 (200, 8, 8) of 0 to 16, and which they are."""
    with np.load(DATA / "mini-retrieval.npz", allow_pickle=False) as stored:
        images = np.concatenate([stored["queries"], stored["references"]])
        return images, np.concatenate([stored["query_labels"], stored["reference_labels"]])


def _classification() -> Dataset:
    with np.load(DATA / "mini-classification.npz", allow_pickle=False) as stored:
        items, pictures = _items("digit", stored["images"], stored["labels"])
    return StoredDataset("mini digits", items, classes=DIGIT_NAMES, pictures=pictures)


def _retrieval() -> Dataset:
    with np.load(DATA / "mini-retrieval.npz", allow_pickle=False) as stored:
        queries, pictures = _items("query", stored["queries"], stored["query_labels"])
        references, more = _items("reference", stored["references"], stored["reference_labels"])
    return StoredDataset("mini retrieval", queries, references, DIGIT_NAMES, pictures=pictures | more)


def _detection() -> Dataset:
    with np.load(DATA / "mini-detection.npz", allow_pickle=False) as stored:
        scenes, counts, boxes = stored["scenes"], stored["counts"], stored["boxes"]
    items, pictures = _items("scene", scenes, np.full(len(scenes), -1), np.split(boxes, np.cumsum(counts)[:-1]))
    return StoredDataset("mini scenes", items, classes=DIGIT_NAMES, pictures=pictures)


def _items(
    kind: str, pictures: Array, labels: Array, boxes: list[Array] | None = None
) -> tuple[list[Item], dict[str, Array]]:
    names = [f"{kind}-{i:03d}" for i in range(len(pictures))]
    items = [
        Item(name, Path(name), int(label), boxes=None if boxes is None else boxes[i])
        for i, (name, label) in enumerate(zip(names, labels, strict=True))
    ]
    return items, dict(zip(names, pictures, strict=True))


_DATASETS: dict[str, Callable[[], Dataset]] = {
    "classification": _classification,
    "retrieval": _retrieval,
    "detection": _detection,
}
