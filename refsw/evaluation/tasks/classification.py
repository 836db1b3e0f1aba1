"""Informative: classification: the class with the highest score, MM'19 (2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.distortion import task_distortion
from refsw.evaluation.errors import DatasetError, EvaluationError, NetworkError
from refsw.evaluation.fidelity import accuracy, classification_fidelity
from refsw.evaluation.networks.base import Network
from refsw.evaluation.pictures import Geometry, Preprocessing
from refsw.evaluation.tasks.base import Task, known_options, paired
from refsw.tensor.axes import Array


class Classification(Task):
    """The output of a picture is one score a class, binary32 (classes,).

    Options: `literal` (fidelity as printed).
    """

    def __init__(
        self, dataset: Dataset, network: Network, preprocessing: Preprocessing, options: Mapping[str, Any]
    ) -> None:
        super().__init__(dataset, network, preprocessing)
        self._options = known_options(options, {"literal": False}, "classification")
        self._scores: int | None = None

    @property
    def options(self) -> dict[str, Any]:
        """None that outputs depend on."""
        return {}

    def check(self, progress: Callable[[], None] | None = None) -> None:
        """As all tasks, and that the network has the classes that labels say.

        Raises:
            DatasetError: it has fewer, or the data set is a part of ImageNet whose classes have other numbers there.
        """
        super().check(progress)
        data, scores = self.dataset, self.reference(self.dataset.items[0].id)
        self._scores = scores.size
        if scores.ndim != 1:
            raise NetworkError(f"the network gives {scores.shape} for a picture, not a score for each class")
        if not self._has_labels_of(scores.size):
            if all(re.fullmatch(r"n\d{8}", name) for name in data.classes):
                told = f"{len(data.classes)} synsets, the network {scores.size} classes"
                raise DatasetError(f"{data.name} has {told}: name a list of all with synsets")
            return
        highest = max(data.items, key=lambda item: item.label)
        if highest.label >= scores.size:
            raise DatasetError(f"{highest.path}: class {highest.label}, the network has {scores.size}, from 0")

    def notes(self) -> list[str]:
        """As all tasks, and why there is no accuracy."""
        count, labelled = len(self.dataset.classes), any(item.label >= 0 for item in self.dataset.items)
        if labelled and (self._scores is None or self._has_labels_of(self._scores)):
            return super().notes()
        told = f"{self.dataset.name} has no labels"
        if labelled:
            told = f"{self.dataset.name} has {count} classes, the network {self._scores}"
        return [*super().notes(), f"{told}: no accuracy, only fidelity (classes says which number each class has)"]

    def _has_labels_of(self, scores: int) -> bool:
        """Whether labels are numbers of the network's classes; those of folders are not if there are not as many."""
        return self.dataset.is_numbered or len(self.dataset.classes) in (0, scores)

    def interpret(self, item: Item, output: Array, geometry: Geometry) -> Array:
        """The scores as they are.

        Raises:
            EvaluationError: NaN among them.
        """
        if np.isnan(output).any():
            raise EvaluationError(f"the network gives NaN for {item.id}")
        return output

    def score(self, layer: str, outputs: Mapping[str, Any], references: Mapping[str, Any]) -> dict[str, float]:
        """`fidelity`; where labels are classes of the network, `top1`, `top5`, the same `_pristine`, `distortion`."""
        items, coded, pristine = paired(outputs, references)
        result = {"fidelity": classification_fidelity(pristine, coded, literal=self._options["literal"])}
        labels = np.array([self.dataset.item(item).label for item in items])
        known = (labels >= 0) & self._has_labels_of(coded[0].size)
        if known.any():
            for top in (1, 5):
                if coded[0].size >= top:
                    for name, scores in (("", coded), ("_pristine", pristine)):
                        result[f"top{top}{name}"] = accuracy(np.array(scores)[known], labels[known], top=top)
            if result["top1_pristine"] > 0:
                result["distortion"] = task_distortion(result["top1_pristine"], result["top1"])
        return result
