"""Informative: detection: boxes with confidences and classes, MM'19 (4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.boxes import COLUMNS, Boxes
from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.detection import Points, coco_average_precision, coco_classes, voc_average_precision
from refsw.evaluation.distortion import task_distortion
from refsw.evaluation.errors import DatasetError, EvaluationError, NetworkError
from refsw.evaluation.fidelity import detection_fidelity
from refsw.evaluation.networks.base import Network
from refsw.evaluation.pictures import Geometry, Preprocessing
from refsw.evaluation.tasks.base import Task, known_options, paired
from refsw.evaluation.tasks.labels import ORDER, REFUSE, Labels
from refsw.evaluation.tasks.maps import regions
from refsw.evaluation.yolox import FIXED, STRIDES, objects
from refsw.tensor.axes import Array


class Detection(Task):
    """The output of a picture is its objects, binary64 (objects, 6): corners in pixels, confidence, class.

    Options: `format` (of what the network gives: yolox, see `refsw.evaluation.yolox`; or boxes, rows of corners in
    pixels of its input, confidence and class, as detectors with a suppression of their own give them; or map, one of
    the probability of text, see `refsw.evaluation.tasks.maps`), `labels`,
    `first_class` and `unknown` (which class a number of the network is, see `refsw.evaluation.tasks.labels`; a
    `first_class` of 1 is for networks whose 0 is the background), `strides` (of a
    YOLOX's levels), `least` (confidence that is kept for average precision), `confidence` (from which on an object
    counts for fidelity), `overlap` (of a YOLOX's suppression), `rules` (coco, voc2007 or voc), `per_class`
    (average precision of each class as well), `literal` (fidelity as printed).

    Raises:
        UsageError: an option does not exist.
    """

    wants_geometry = True
    own_options: ClassVar[dict[str, Any]] = {}
    shares: ClassVar[tuple[str, ...]] = ("least", "confidence", "overlap")

    def __init__(
        self, dataset: Dataset, network: Network, preprocessing: Preprocessing, options: Mapping[str, Any]
    ) -> None:
        super().__init__(dataset, network, preprocessing)
        known = {"strides": list(STRIDES), "least": 0.01, "confidence": 0.25, "overlap": 0.65}
        known |= {"format": "yolox", "first_class": 0, "unknown": REFUSE, "rules": "coco", "literal": False}
        known |= {"per_class": False} | self.own_options
        plain = {name: value for name, value in options.items() if name != "labels"}
        chosen = known_options(plain, known, "detection", also=["labels"])
        if chosen["rules"] not in RULES:
            raise UsageError(f"detection: no rules {chosen['rules']}: {', '.join(RULES)}")
        if chosen["format"] not in FORMATS:
            raise UsageError(f"detection: no format {chosen['format']}: {', '.join(FORMATS)}")
        for name in self.shares:
            if not 0 <= chosen[name] <= 1:
                raise UsageError(f"detection: {name} {chosen[name]}: from 0 to 1")
        if not all(type(stride) is int and stride > 0 for stride in chosen["strides"]):
            raise UsageError(f"detection: strides {chosen['strides']}: whole numbers from 1")
        self._labels = Labels(
            dataset,
            options.get("labels"),
            chosen["first_class"],
            chosen["unknown"],
            is_counted=chosen["format"] == "yolox",
        )
        self._chosen = chosen | {"labels": self._labels.choice}

    def check(self, progress: Callable[[], None] | None = None) -> None:
        """As all tasks, that a YOLOX has the classes of the data set, and that labels of the first picture are classes.

        Raises:
            DatasetError: it has others than the data set names, or fewer than an annotation says.
            EvaluationError: a label is no class of the data set.
        """
        super().check(progress)
        if self._chosen["format"] == "yolox":
            self._check_yolox()
        self.reference(self.dataset.items[0].id)

    def _check_yolox(self) -> None:
        data = self.dataset
        output = self.network.run(self._input(data.items[0].id)[0])[0]
        if output.ndim != 2:
            raise NetworkError(f"an output of shape {output.shape} is none of a YOLOX")
        classes = output.shape[1] - FIXED - self._chosen["first_class"]
        if self._chosen["labels"] != ORDER:
            return
        if data.classes and len(data.classes) != classes:
            told = f"{len(data.classes)} classes, the network {classes}"
            raise DatasetError(f"{data.name} has {told} (kind: folder takes the pictures alone, for fidelity)")
        for item in data.items:
            highest = -1 if item.boxes is None or not len(item.boxes) else int(item.boxes[:, 4].max())
            if highest >= classes:
                raise DatasetError(f"{item.path}: class {highest}, the network has {classes}, from 0")

    @property
    def options(self) -> dict[str, Any]:
        """What decides which objects there are."""
        deciding = ("format", "first_class", "labels", "unknown", "strides", "least", "overlap")
        return {name: self._chosen[name] for name in deciding}

    def mapping(self) -> dict[str, Any]:
        """As all tasks, and the class of each number that the network gives."""
        return super().mapping() | {"labels": self._labels.as_dict()}

    def notes(self) -> list[str]:
        """As all tasks, and whether labels of the network can be held against classes of the data set."""
        known = self.dataset.classes or self._chosen["format"] == "yolox"
        told = "names no classes: labels of the network are taken for numbers of its annotations"
        return super().notes() + ([] if known else [f"{self.dataset.name} {told}"])

    def interpret(self, item: Item, output: Array, geometry: Geometry) -> Array:
        """Objects that are confident enough, best first, at most `MOST`, in pixels of the picture."""
        size = self.preprocessing.height, self.preprocessing.width
        chosen = self._chosen
        if chosen["format"] == "yolox":
            table = objects(
                output,
                size,
                strides=chosen["strides"],
                confidence=chosen["least"],
                overlap=chosen["overlap"],
                most=MOST,
            )
        elif chosen["format"] == "map":
            table = regions(output, self.preprocessing.fitted_size(self.dataset.picture(item).shape[:2]), most=MOST)
        else:
            table = listed(output, confidence=chosen["least"], most=MOST)
        table[:, 5] = self._labels.classes(table[:, 5], item.id)
        table = table[table[:, 5] >= 0]
        table[:, :4] = geometry.undo(table[:, :4])
        return table

    def _name_of(self, number: int) -> str:
        names = self.dataset.classes
        return names[number] if number < len(names) and names[number] else str(number)

    def score(self, layer: str, outputs: Mapping[str, Any], references: Mapping[str, Any]) -> dict[str, float]:
        """`fidelity`; where objects are annotated, the average precisions, `_pristine`, and `distortion` of `ap`."""
        items, coded, pristine = paired(outputs, references)
        found = {
            name: [Boxes.predictions(table) for table in tables]
            for name, tables in (("", coded), ("_pristine", pristine))
        }
        chosen = self._chosen
        result = {
            "fidelity": detection_fidelity(
                found["_pristine"], found[""], confidence=chosen["confidence"], literal=chosen["literal"]
            )
        }
        boxes = [self.dataset.item(item).boxes for item in items]
        truths = [Boxes.annotations(table if table is not None else []) for table in boxes]
        if not any((~truth.ignored).any() for truth in truths):
            return result
        for name, predictions in found.items():
            result |= {f"{key}{name}": value for key, value in RULES[chosen["rules"]](predictions, truths).items()}
            if chosen["per_class"]:
                each = EACH[chosen["rules"]](predictions, truths)
                result |= {f"ap-{self._name_of(number)}{name}": value for number, value in each.items()}
        if result["ap_pristine"] > 0:
            result["distortion"] = task_distortion(result["ap_pristine"], result["ap"])
        return result


def _coco(predictions: Sequence[Boxes], truths: Sequence[Boxes]) -> dict[str, float]:
    precision = coco_average_precision(predictions, truths)
    return {"ap": float(precision.mean()), "ap50": float(precision[0].mean()), "ap75": float(precision[5].mean())}


def _voc(points: Points) -> Callable[[Sequence[Boxes], Sequence[Boxes]], dict[str, float]]:
    def score(predictions: Sequence[Boxes], truths: Sequence[Boxes]) -> dict[str, float]:
        return {"ap": float(np.mean(list(voc_average_precision(predictions, truths, points=points).values())))}

    return score


def listed(output: Array, *, confidence: float, most: int) -> Array:
    """Objects that a network gives as a list: those that are confident enough, best first.

    Args:
        output: (objects, 6): left, top, right, bottom, confidence, class.
        confidence: least that is kept.
        most: how many are kept.

    Raises:
        EvaluationError: an output of another shape, NaN or infinity, or a class that is no whole number.
    """
    table = np.asarray(output, np.float64)
    if table.ndim != 2 or table.shape[1] != COLUMNS:
        raise EvaluationError(f"an output of shape {table.shape}: a list of boxes is (objects, {COLUMNS})")
    if not np.isfinite(table).all() or (table[:, 5] != np.floor(table[:, 5])).any():
        raise EvaluationError("a list of boxes with NaN, infinity or classes that are no whole numbers")
    table = table[table[:, 4] >= confidence]
    return table[np.argsort(-table[:, 4], kind="stable")[:most]]


FORMATS = ("yolox", "boxes", "map")
MOST = 100
"""Objects of a picture that are kept, as the rules of COCO have it."""
RULES = {"coco": _coco, "voc2007": _voc(Points.ELEVEN), "voc": _voc(Points.ALL)}
EACH: Mapping[str, Callable[[Sequence[Boxes], Sequence[Boxes]], dict[int, float]]] = {
    "coco": coco_classes,
    "voc2007": partial(voc_average_precision, points=Points.ELEVEN),
    "voc": partial(voc_average_precision, points=Points.ALL),
}
"""Average precision of each annotated class, by its number."""
