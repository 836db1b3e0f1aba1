"""Informative: semantic segmentation: a class for every sample of the picture."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.distortion import task_distortion
from refsw.evaluation.errors import DatasetError, EvaluationError
from refsw.evaluation.metrics.segmentation import IGNORED, confusion, intersection_over_union, pixel_accuracy
from refsw.evaluation.networks.base import Network
from refsw.evaluation.pictures import Geometry, Preprocessing
from refsw.evaluation.tasks.base import Task, known_options, paired
from refsw.evaluation.tasks.labels import REFUSE, Labels
from refsw.tensor.axes import Array

SCORES, LABELS = "scores", "labels"


class Segmentation(Task):
    """The output of a picture is a class for every sample of it, uint8 (H, W), compressed (`unfolded`).

    Options: `format` (of what the network gives: scores, (classes, rows, columns); or labels, (rows, columns)),
    `labels`, `first_class` and `unknown` (which class a number of the network is, see `refsw.evaluation.tasks.labels`),
    `per_class` (the IoU of each class as well).

    Raises:
        UsageError: an option does not exist.
    """

    wants_geometry = True

    def __init__(
        self, dataset: Dataset, network: Network, preprocessing: Preprocessing, options: Mapping[str, Any]
    ) -> None:
        super().__init__(dataset, network, preprocessing)
        known = {"format": SCORES, "first_class": 0, "unknown": REFUSE, "per_class": False}
        plain = {name: value for name, value in options.items() if name != "labels"}
        chosen = known_options(plain, known, "segmentation", also=["labels"])
        if chosen["format"] not in (SCORES, LABELS):
            raise UsageError(f"segmentation: no format {chosen['format']}: {SCORES}, {LABELS}")
        if not 0 < len(dataset.classes) < IGNORED:
            raise UsageError(f"segmentation: {dataset.name} names {len(dataset.classes)} classes: 1 to {IGNORED - 1}")
        choice = options.get("labels")
        self._labels = Labels(dataset, choice, chosen["first_class"], chosen["unknown"], is_counted=True)
        self._chosen = chosen | {"labels": self._labels.choice}

    @property
    def options(self) -> dict[str, Any]:
        """What decides on the labels."""
        return {name: self._chosen[name] for name in ("format", "first_class", "labels", "unknown")}

    def check(self, progress: Callable[[], None] | None = None) -> None:
        """As all tasks, and that annotations are there, of the size of their pictures, with labels that are classes.

        Raises:
            DatasetError: the first that is not.
        """
        super().check(progress)
        for item in self.dataset.items:
            if item.labels is None:
                continue
            shape, own = self.dataset.picture(item).shape[:2], item.labels.read()
            odd = own[(own >= len(self.dataset.classes)) & (own != IGNORED)]
            if own.shape != shape or odd.size:
                told = (
                    f"label {odd[0]} of {len(self.dataset.classes)} classes" if odd.size else f"{own.shape} for {shape}"
                )
                raise DatasetError(f"{item.labels}: {told}")
        self.reference(self.dataset.items[0].id)

    def mapping(self) -> dict[str, Any]:
        """As all tasks, and the class of each number that the network gives."""
        return super().mapping() | {"labels": self._labels.as_dict()}

    def interpret(self, item: Item, output: Array, geometry: Geometry) -> Array:
        """The labels of the samples of the picture, each that of the nearest place of the output.

        Raises:
            EvaluationError: an output of another shape, NaN, or a label that is no class.
        """
        numbers = self._numbers(item, output)
        values, places = np.unique(numbers, return_inverse=True)
        classes = self._labels.classes(values, item.id)
        found = np.where(classes < 0, IGNORED, classes).astype(np.uint8)[places.reshape(numbers.shape)]
        height, width = self.dataset.picture(item).shape[:2]
        size = self.preprocessing.fitted_size((height, width))
        rows = (np.arange(height) + 0.5) * geometry.scale_y + geometry.top
        columns = (np.arange(width) + 0.5) * geometry.scale_x + geometry.left
        return folded(_at(found, rows / size[0], columns / size[1]))

    def _numbers(self, item: Item, output: Array) -> Array:
        """What the network says, int64 (rows, columns)."""
        if self._chosen["format"] == SCORES:
            if output.ndim != 3 or np.isnan(output).any():
                raise EvaluationError(f"{item.id}: scores of shape {output.shape}: (classes, rows, columns), no NaN")
            numbers: Array = output.argmax(axis=0)
            return numbers
        plain = output[0] if output.ndim == 3 and len(output) == 1 else output
        if plain.ndim != 2 or not np.isfinite(plain).all() or (plain != np.floor(plain)).any():
            raise EvaluationError(f"{item.id}: labels of shape {output.shape}: whole numbers, (rows, columns)")
        return plain.astype(np.int64)

    def score(self, layer: str, outputs: Mapping[str, Any], references: Mapping[str, Any]) -> dict[str, float]:
        """`fidelity`: mean IoU with the labels without coding; where annotated, `miou`, `pixel_accuracy`, `_pristine`.

        With `per_class`, `iou-NAME` of each class that is annotated.
        """
        items, coded, pristine = paired(outputs, references)
        count = len(self.dataset.classes)
        sides = {"": [unfolded(o) for o in coded], "_pristine": [unfolded(o) for o in pristine]}
        same = intersection_over_union(confusion(sides["_pristine"], sides[""], count))
        result = {"fidelity": float(np.mean(list(same.values()))) if same else 1.0}
        known = [i for i, item in enumerate(items) if self.dataset.item(item).labels is not None]
        if not known:
            return result
        truths = [place.read() for i in known if (place := self.dataset.item(items[i]).labels) is not None]
        for name, labels in sides.items():
            table = confusion(truths, [labels[i] for i in known], count)
            each = intersection_over_union(table)
            result |= {
                f"miou{name}": float(np.mean(list(each.values()))),
                f"pixel_accuracy{name}": pixel_accuracy(table),
            }
            if self._chosen["per_class"]:
                annotated = np.flatnonzero(table.sum(axis=1))
                result |= {f"iou-{self.dataset.classes[n]}{name}": each[int(n)] for n in annotated}
        if result["miou_pristine"] > 0:
            result["distortion"] = task_distortion(result["miou_pristine"], result["miou"])
        return result


def _at(labels: Array, rows: Array, columns: Array) -> Array:
    """Labels at places, as shares of height and width; what lies outside is ignored."""
    sides = [
        (np.floor(share * size).astype(int), size) for share, size in ((rows, len(labels)), (columns, labels.shape[1]))
    ]
    inside = [(places >= 0) & (places < size) for places, size in sides]
    chosen = labels[np.ix_(*(np.clip(places, 0, size - 1) for places, size in sides))]
    found: Array = np.where(inside[0][:, None] & inside[1][None], chosen, IGNORED).astype(np.uint8)
    return found


def folded(labels: Array) -> Array:
    """Labels, uint8 (H, W), as few bytes: uint8 (bytes,), height and width first."""
    head = np.array(labels.shape, "<u4").tobytes()
    return np.frombuffer(head + zlib.compress(np.ascontiguousarray(labels).tobytes(), 6), np.uint8)


def unfolded(data: Array) -> Array:
    """The labels that `folded` folded."""
    text = np.asarray(data, np.uint8).tobytes()
    shape = tuple(np.frombuffer(text[:8], "<u4").tolist())
    return np.frombuffer(zlib.decompress(text[8:]), np.uint8).reshape(shape)
