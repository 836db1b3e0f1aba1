"""Informative: keypoints: object keypoint similarity (OKS), and its average precision by the rules of COCO.

OKS of a found person and an annotated one: the mean over annotated keypoints of exp(-d^2 / (2 s^2 k^2)), d the
distance in pixels, s^2 the annotated area, k twice the deviation of that kind of keypoint (cocodataset.org, Keypoint
Evaluation). Persons without an annotated keypoint do not count, and neither does who is found about where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from refsw.evaluation.detection import COCO_THRESHOLDS, coco_sampled, coco_verdicts
from refsw.evaluation.errors import EvaluationError
from refsw.tensor.axes import Array

COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
    *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)
"""Deviations of COCO's 17 keypoints."""
PLAIN_SIGMA = 0.05
MOST = 20
"""Persons of a picture that are judged, as the rules of COCO have it."""
COORDINATES = 3


@dataclass(frozen=True, slots=True)
class Poses:
    """Persons in one picture.

    Args:
        points: binary64 (persons, keypoints, 3): x, y in pixels, and visibility of annotations (0: not annotated) or
            confidence of a prediction.
        scores: confidences, (persons,); 1 of annotations.
        areas: in square pixels, (persons,); those of predictions play no part.
        corners: left, top, right, bottom of annotations, (persons, 4).
        crowd: annotations that stand for any number of persons, bool (persons,).
    """

    points: Array
    scores: Array
    areas: Array
    corners: Array
    crowd: Array

    @classmethod
    def predictions(cls, table: Array) -> Self:
        """From rows of a confidence and of x, y, confidence of each keypoint: (persons, 1 + 3 * keypoints).

        Raises:
            EvaluationError: another shape, NaN or infinity.
        """
        rows = np.asarray(table, np.float64)
        if rows.ndim != 2 or rows.shape[1] % COORDINATES != 1 or not np.isfinite(rows).all():
            raise EvaluationError(f"persons of shape {rows.shape}: finite, (persons, 1 + 3 * keypoints)")
        count = len(rows)
        points = rows[:, 1:].reshape(count, (rows.shape[1] - 1) // COORDINATES, COORDINATES)
        return cls(points, rows[:, 0], np.ones(count), np.zeros((count, 4)), np.zeros(count, bool))

    def __len__(self) -> int:
        return len(self.points)

    def of(self, chosen: Array) -> Poses:
        """Those that a mask or a list of indices chooses."""
        return Poses(*(getattr(self, name)[chosen] for name in self.__slots__))

    @property
    def uncounted(self) -> Array:
        """Annotations that need not be found: crowds, and those without a keypoint."""
        without: Array = self.crowd | ~(self.points[:, :, 2] > 0).any(axis=1)
        return without


def sigmas(keypoints: int) -> Array:
    """Deviations of kinds of keypoints: COCO's for 17, the same for each otherwise."""
    return np.array(COCO_SIGMAS if keypoints == len(COCO_SIGMAS) else [PLAIN_SIGMA] * keypoints)


def similarity(found: Poses, truths: Poses) -> Array:
    """OKS of each pair: (found, annotated). Of annotations without a keypoint, likeness of place: distance beyond...

    ...a box three times as wide and high as the annotated one, for every keypoint.

    Raises:
        EvaluationError: other numbers of keypoints.
    """
    if not len(truths) or not len(found):
        return np.zeros((len(found), len(truths)))
    count = truths.points.shape[1]
    if found.points.shape[1] != count:
        raise EvaluationError(f"{found.points.shape[1]} keypoints are found, {count} are annotated")
    places, wanted = found.points[:, None, :, :2], truths.points[None, :, :, :2]
    size = truths.corners[:, 2:] - truths.corners[:, :2]
    low, high = truths.corners[None, :, None, :2] - size[None, :, None], truths.corners[:, 2:] + size
    beyond = np.maximum(0, np.maximum(low - places, places - high[None, :, None]))
    visible = truths.points[:, :, 2] > 0
    bare = np.logical_not(visible.any(axis=1))
    gaps = np.square(np.where(bare[None, :, None, None], beyond, places - wanted)).sum(axis=-1)
    spread = 2 * np.square(2 * sigmas(count)) * (truths.areas + np.spacing(1))[:, None]  # (annotated, keypoints)
    counted = visible | bare[:, None]
    similar: Array = (np.exp(-gaps / spread) * counted).sum(axis=-1) / counted.sum(axis=-1)
    return similar


def average_precision(found: Sequence[Poses], truths: Sequence[Poses]) -> dict[str, float]:
    """AP over OKS of 0.50 to 0.95, AP at 0.50 and at 0.75, of persons of all sizes.

    Raises:
        EvaluationError: no person with an annotated keypoint, or not as many pictures of one as of the other.
    """
    if len(truths) != len(found):
        raise EvaluationError(f"{len(truths)} pictures are annotated, {len(found)} have predictions")
    scores, verdicts, wanted = [], [], 0
    for poses, truth in zip(found, truths, strict=True):
        best = poses.of(np.argsort(-poses.scores, kind="stable")[:MOST])
        ordered = truth.of(np.argsort(truth.uncounted, kind="stable"))
        uncounted = ordered.uncounted
        outside = np.zeros(len(best), bool)
        likeness = similarity(best, ordered)
        verdicts.append(coco_verdicts(likeness, ordered.crowd, uncounted, outside, COCO_THRESHOLDS))
        scores.append(best.scores)
        wanted += int((~uncounted).sum())
    if not wanted:
        raise EvaluationError("no person has an annotated keypoint")
    every, judged = np.concatenate(scores), np.concatenate(verdicts, axis=1)
    each = [coco_sampled(every[row >= 0], row[row >= 0], wanted) for row in judged]
    return {"ap": float(np.mean(each)), "ap50": each[0], "ap75": each[5]}


def keypoint_fidelity(pristine: Sequence[Poses], reconstructed: Sequence[Poses], *, confidence: float = 0.0) -> float:
    """How far persons stay where they were: as MM'19 (4) for boxes, with OKS in place of the overlap.

    The area of a person is that of the box of its keypoints. Confidences weigh; change of confidence plays no part.

    Raises:
        EvaluationError: no pictures, or not as many of one as of the other.
    """
    if len(pristine) != len(reconstructed) or not pristine:
        raise EvaluationError(f"persons in {len(pristine)} and {len(reconstructed)} pictures: as many, not none")
    scores = []
    for before, after in zip(pristine, reconstructed, strict=True):
        sure = as_truth(before.of(before.scores >= confidence))
        if not len(sure):
            scores.append(float(not (after.scores >= confidence).any()))
            continue
        likeness, kept = similarity(after, sure), np.zeros(len(sure))
        taken: set[int] = set()
        for place in np.argsort(-likeness, axis=None, kind="stable"):
            i, j = divmod(int(place), len(sure))
            if i not in taken and not kept[j]:
                taken.add(i)
                kept[j] = likeness[i, j]
        scores.append(float((kept * sure.scores).sum() / sure.scores.sum()))
    return float(np.mean(scores))


def as_truth(poses: Poses) -> Poses:
    """Predictions in the place of annotations: every keypoint counts, area and box are those of the keypoints."""
    low, high = poses.points[:, :, :2].min(axis=1), poses.points[:, :, :2].max(axis=1)
    size = np.maximum(high - low, 1)
    points = np.concatenate([poses.points[:, :, :2], np.ones((*poses.points.shape[:2], 1))], axis=2)
    return Poses(points, poses.scores, size.prod(axis=1), np.hstack([low, low + size]), np.zeros(len(poses), bool))
