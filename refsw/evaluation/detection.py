"""Informative: average precision of detections, by the rules of VOC and of COCO.

VOC: M. Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 2010, section 4.2 (11 points, to
2009) and the development kit of 2010 (all points). COCO: cocodataset.org, Detection Evaluation. Both rules differ
in more than the thresholds: VOC asks only for the best-overlapping annotation, and a second detection of it is
wrong; COCO lets each detection, best first, take the best annotation that is still free.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

import numpy as np

from refsw.evaluation.boxes import Boxes, iou
from refsw.evaluation.errors import EvaluationError
from refsw.tensor.axes import Array

COCO_THRESHOLDS = tuple(float(t) for t in np.linspace(0.5, 0.95, 10))
COCO_RECALLS = np.linspace(0, 1, 101)
COCO_DETECTIONS = 100
ANY_AREA = (0.0, 1e10)
AREAS = {"all": ANY_AREA, "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}


class Points(StrEnum):
    """Where VOC samples precision over recall."""

    ELEVEN = "11"
    ALL = "all"


def voc_average_precision(
    predictions: Sequence[Boxes],
    annotations: Sequence[Boxes],
    *,
    threshold: float = 0.5,
    points: Points = Points.ELEVEN,
    inclusive: bool = True,
) -> dict[int, float]:
    """VOC average precision of each class that is annotated; the mean over classes is mAP.

    Args:
        predictions, annotations: of each picture.
        threshold: IoU from which a detection is right.
        points: ELEVEN for VOC2007, ALL for VOC2010 and later.
        inclusive: corners are pixels that belong to the box, as in VOC's annotations.

    Raises:
        EvaluationError: lengths that differ, or no annotation that counts.
    """
    precisions = {}
    for number in _classes(predictions, annotations):
        scores, right, wanted = [], [], 0
        for predicted, annotated in zip(predictions, annotations, strict=True):
            found = predicted.of(predicted.classes == number)
            truth = annotated.of(annotated.classes == number)
            wanted += int((~truth.ignored).sum())
            verdicts = _voc_verdicts(found, truth, threshold, inclusive=inclusive)
            scores.append(found.scores[verdicts >= 0])
            right.append(verdicts[verdicts >= 0])
        if wanted:
            recall, precision = _curve(np.concatenate(scores), np.concatenate(right), wanted)
            precisions[number] = _sampled(recall, precision, points)
    return precisions


def coco_average_precision(
    predictions: Sequence[Boxes],
    annotations: Sequence[Boxes],
    *,
    thresholds: Sequence[float] = COCO_THRESHOLDS,
    area: tuple[float, float] = ANY_AREA,
) -> Array:
    """COCO average precision, (thresholds, classes that are annotated): AP is its mean, AP50 that of its first row.

    Args:
        predictions, annotations: of each picture; ignored annotations are crowds.
        thresholds: IoU from which a detection is right.
        area: least and greatest area of the objects that count, in pixels (`AREAS`).

    Returns:
        binary64; columns are the classes in rising order.

    Raises:
        EvaluationError: lengths that differ, or no annotation that counts.
    """
    columns = []
    for number in _classes(predictions, annotations):
        pictures = [
            _coco_picture(p.of(p.classes == number), a.of(a.classes == number), thresholds, area)
            for p, a in zip(predictions, annotations, strict=True)
        ]
        wanted = sum(picture.wanted for picture in pictures)
        if not wanted:
            continue
        scores = np.concatenate([picture.scores for picture in pictures])
        verdicts = np.concatenate([picture.verdicts for picture in pictures], axis=1)
        columns.append([coco_sampled(scores[row >= 0], row[row >= 0], wanted) for row in verdicts])
    if not columns:
        raise EvaluationError(f"no annotated object of {area[0]:g} to {area[1]:g} pixels")
    return np.array(columns).T


def coco_classes(predictions: Sequence[Boxes], annotations: Sequence[Boxes]) -> dict[int, float]:
    """COCO average precision, over all thresholds, of each class that is annotated.

    Raises:
        EvaluationError: lengths that differ, or no annotation that counts.
    """
    found = {}
    for number in _classes(predictions, annotations):
        own = [[boxes.of(boxes.classes == number) for boxes in side] for side in (predictions, annotations)]
        found[number] = float(coco_average_precision(*own).mean())
    return found


class _Picture(NamedTuple):
    """Detections of one class in one picture: 1 right, 0 wrong, -1 does not count; (thresholds, detections)."""

    scores: Array
    verdicts: Array
    wanted: int


def _classes(predictions: Sequence[Boxes], annotations: Sequence[Boxes]) -> list[int]:
    if len(predictions) != len(annotations):
        raise EvaluationError(f"detections in {len(predictions)} pictures, annotations in {len(annotations)}")
    classes = sorted(set(chain.from_iterable(a.classes[~a.ignored].tolist() for a in annotations)))
    if not classes:
        raise EvaluationError("no picture has an annotated object")
    return classes


def _voc_verdicts(found: Boxes, truth: Boxes, threshold: float, *, inclusive: bool) -> Array:
    """1 right, 0 wrong, -1 does not count, in the order of the detections."""
    verdicts = np.zeros(len(found), np.int64)
    if len(truth) == 0:
        return verdicts
    overlaps = iou(found, truth, inclusive=inclusive)
    taken: set[int] = set()
    for i in np.argsort(-found.scores, kind="stable"):
        best = int(overlaps[i].argmax())
        if overlaps[i, best] < threshold:
            continue
        if truth.ignored[best]:
            verdicts[i] = -1
        elif best not in taken:
            verdicts[i] = 1
            taken.add(best)
    return verdicts


def _curve(scores: Array, right: Array, wanted: int) -> tuple[Array, Array]:
    """Recall and precision after each detection, best first; ties stay in the order of the pictures."""
    hits = np.cumsum(right[np.argsort(-scores, kind="stable")])
    return hits / wanted, hits / np.arange(1, len(hits) + 1)


def _sampled(recall: Array, precision: Array, points: Points) -> float:
    if points is Points.ELEVEN:
        # Exact: equal fractions have equal quotients. Scripts that compare with i * 0.1, which is a bit above 0.3, 0.6
        # and 0.7, leave out a recall that is just that.
        reached = [precision[recall >= level] for level in np.arange(11) / 10]
        return sum(float(part.max()) if part.size else 0.0 for part in reached) / 11
    ceiling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * ceiling))


def _coco_picture(found: Boxes, truth: Boxes, thresholds: Sequence[float], area: tuple[float, float]) -> _Picture:
    order = np.argsort(-found.scores, kind="stable")[:COCO_DETECTIONS]
    found = found.of(order)
    low, high = area
    truth_ignored = truth.ignored | (truth.areas() < low) | (truth.areas() > high)
    # Those that count first: a detection takes one that does not only if none that does is left.
    first = np.argsort(truth_ignored, kind="stable")
    truth, truth_ignored = truth.of(first), truth_ignored[first]
    outside = (found.areas() < low) | (found.areas() > high)
    verdicts = coco_verdicts(iou(found, truth, crowd=True), truth.ignored, truth_ignored, outside, thresholds)
    return _Picture(found.scores, verdicts, int((~truth_ignored).sum()))


def coco_verdicts(overlaps: Array, crowd: Array, ignored: Array, outside: Array, thresholds: Sequence[float]) -> Array:
    """1 right, 0 wrong, -1 does not count: (thresholds, found).

    Args:
        overlaps: likeness of found objects, best first, and annotated ones, those that count first: (found, annotated).
        crowd: annotations that any number may be matched with.
        ignored: annotations that do not count, crowds among them.
        outside: found objects that do not count if they are matched with none.
        thresholds: from which on a pair may be matched.
    """
    verdicts = np.zeros((len(thresholds), len(overlaps)), np.int64)
    for row, threshold in zip(verdicts, thresholds, strict=True):
        free = np.ones(len(crowd), bool)
        for i in range(len(overlaps)):
            match = _coco_match(overlaps[i], free, crowd, ignored, threshold)
            if match is None:
                row[i] = -1 if outside[i] else 0
            else:
                row[i] = -1 if ignored[match] else 1
                free[match] = False
    return verdicts


def _coco_match(overlaps: Array, free: Array, crowd: Array, ignored: Array, threshold: float) -> int | None:
    """The free annotation with the greatest overlap from the threshold up, ones that count before others."""
    possible = (free | crowd) & (overlaps >= min(threshold, 1 - 1e-10))
    for group in (possible & ~ignored, possible & ignored):
        places = np.flatnonzero(group)
        if places.size:
            best = overlaps[places]
            return int(places[np.flatnonzero(best == best.max())[-1]])  # the last of equals, as the COCO API has it
    return None


def coco_sampled(scores: Array, right: Array, wanted: int) -> float:
    """Precision at 101 recalls, averaged, of verdicts 1 and 0 in any order of the scores."""
    if not len(right):
        return 0.0
    recall, precision = _curve(scores, right, wanted)
    ceiling = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, COCO_RECALLS, side="left")
    reached = places < len(ceiling)
    return float(np.sum(ceiling[places[reached]]) / len(COCO_RECALLS))
