"""Informative: keypoints of persons: average precision over object keypoint similarity (OKS), as COCO has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.distortion import task_distortion
from refsw.evaluation.errors import EvaluationError
from refsw.evaluation.metrics.keypoints import COORDINATES, Poses, average_precision, keypoint_fidelity
from refsw.evaluation.networks.base import Network
from refsw.evaluation.pictures import Geometry, Preprocessing
from refsw.evaluation.tasks.base import Task, known_options, paired
from refsw.tensor.axes import Array

HEATMAPS, POSES = "heatmaps", "poses"


class Keypoints(Task):
    """The output of a picture is its persons, binary64 (persons, 1 + 3 * keypoints): a confidence, and of each...

    ...keypoint x, y in pixels of the picture and a confidence.

    Options: `format` (of what the network gives: heatmaps, (keypoints, rows, columns), of one person: the greatest
    sample of each is the place; or poses, rows as above in pixels of its input), `confidence` (from which on a person
    counts for fidelity), `least` (confidence that is kept).

    Raises:
        UsageError: an option does not exist.
    """

    wants_geometry = True

    def __init__(
        self, dataset: Dataset, network: Network, preprocessing: Preprocessing, options: Mapping[str, Any]
    ) -> None:
        super().__init__(dataset, network, preprocessing)
        known = {"format": HEATMAPS, "least": 0.01, "confidence": 0.25}
        self._chosen = known_options(options, known, "keypoints")
        if self._chosen["format"] not in (HEATMAPS, POSES):
            raise UsageError(f"keypoints: no format {self._chosen['format']}: {HEATMAPS}, {POSES}")

    @property
    def options(self) -> dict[str, Any]:
        """What decides which persons there are."""
        return {name: self._chosen[name] for name in ("format", "least")}

    def interpret(self, item: Item, output: Array, geometry: Geometry) -> Array:
        """Persons that are confident enough, best first, in pixels of the picture.

        Raises:
            EvaluationError: an output of another shape, NaN or infinity.
        """
        if not np.isfinite(output).all():
            raise EvaluationError(f"{item.id}: NaN or infinity among keypoints")
        table = (
            self._of_heatmaps(item, output) if self._chosen["format"] == HEATMAPS else np.asarray(output, np.float64)
        )
        if table.ndim != 2 or table.shape[1] % COORDINATES != 1:
            raise EvaluationError(f"{item.id}: persons of shape {table.shape}: (persons, 1 + 3 * keypoints)")
        table = table[table[:, 0] >= self._chosen["least"]]
        table = table[np.argsort(-table[:, 0], kind="stable")]
        points = table[:, 1:].reshape(len(table), -1, COORDINATES).copy()
        points[..., 0] = (points[..., 0] - geometry.left) / geometry.scale_x
        points[..., 1] = (points[..., 1] - geometry.top) / geometry.scale_y
        return np.hstack([table[:, :1], points.reshape(len(table), -1)])

    def _of_heatmaps(self, item: Item, output: Array) -> Array:
        if output.ndim != 3:
            raise EvaluationError(f"{item.id}: heatmaps of shape {output.shape}: (keypoints, rows, columns)")
        count, rows, columns = output.shape
        flat = output.reshape(count, -1).astype(np.float64)
        y, x = np.divmod(flat.argmax(axis=1), columns)
        height, width = self.preprocessing.fitted_size(self.dataset.picture(item).shape[:2])
        peaks = flat.max(axis=1)
        points = np.stack([(x + 0.5) * width / columns, (y + 0.5) * height / rows, peaks], axis=1)
        return np.concatenate([[max(float(peaks.mean()), 0.0)], points.ravel()])[None]

    def score(self, layer: str, outputs: Mapping[str, Any], references: Mapping[str, Any]) -> dict[str, float]:
        """`fidelity`; where persons are annotated, `ap`, `ap50`, `ap75` over OKS, `_pristine`, `distortion` of `ap`."""
        items, coded, pristine = paired(outputs, references)
        found = {name: [Poses.predictions(t) for t in own] for name, own in (("", coded), ("_pristine", pristine))}
        result = {"fidelity": keypoint_fidelity(found["_pristine"], found[""], confidence=self._chosen["confidence"])}
        known = [(i, poses) for i, item in enumerate(items) if (poses := self.dataset.item(item).poses) is not None]
        truths = [poses for _, poses in known]
        if not any((~truth.uncounted).any() for truth in truths):
            return result
        for name, every in found.items():
            precision = average_precision([every[i] for i, _ in known], truths)
            result |= {f"{key}{name}": value for key, value in precision.items()}
        if result["ap_pristine"] > 0:
            result["distortion"] = task_distortion(result["ap_pristine"], result["ap"])
        return result
