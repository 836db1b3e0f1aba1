"""Average precision by hand, and COCO's against its own evaluation."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

from refsw.evaluation.boxes import Boxes, iou
from refsw.evaluation.detection import AREAS, Points, coco_average_precision, voc_average_precision
from refsw.evaluation.errors import EvaluationError


def found(*rows):
    return Boxes.predictions(rows)


def truth(*rows):
    return Boxes.annotations(rows)


A, B, C = (0, 0, 9, 9), (20, 0, 29, 9), (40, 0, 49, 9)
NOWHERE = (80, 80, 89, 89)


def test_iou_by_hand():
    one, two = found((0, 0, 10, 10, 1, 0)), found((5, 0, 15, 10, 1, 0), (10, 0, 20, 10, 1, 0), (0, 0, 10, 10, 1, 0))
    np.testing.assert_allclose(iou(one, two), [[1 / 3, 0, 1]])
    np.testing.assert_allclose(iou(one, two, inclusive=True), [[6 / 16, 1 / 21, 1]])
    np.testing.assert_allclose(iou(one, truth((0, 0, 20, 10, 0, 1)), crowd=True), [[1]])
    assert iou(found((3, 3, 3, 3, 1, 0)), found((3, 3, 3, 3, 1, 0)))[0, 0] == 0


@pytest.mark.parametrize("array", [np.zeros((2, 5)), np.full((1, 6), np.nan), np.zeros(6)])
def test_boxes_of_another_shape_are_refused(array):
    with pytest.raises(EvaluationError, match="boxes of shape"):
        Boxes.predictions(array)


def test_voc_by_hand():
    # Right, wrong, right of three objects: precision 1 to recall 1/3, 2/3 to recall 2/3, then nothing.
    predictions = [found((*A, 0.9, 1), (*NOWHERE, 0.8, 1), (*B, 0.7, 1))]
    annotations = [truth((*A, 1, 0), (*B, 1, 0), (*C, 1, 0))]
    assert voc_average_precision(predictions, annotations, points=Points.ALL)[1] == pytest.approx((1 + 2 / 3) / 3)
    # Levels 0, 0.1, 0.2, 0.3 at precision 1; 0.4, 0.5, 0.6 at 2/3; the other four at 0.
    assert voc_average_precision(predictions, annotations)[1] == pytest.approx((4 + 3 * 2 / 3) / 11)


def test_voc_counts_a_second_detection_of_an_object_as_wrong_and_a_difficult_one_not_at_all():
    annotations = [truth((*A, 1, 0), (*B, 1, 1), (*C, 1, 0))]
    right = (*A, 0.9, 1), (*C, 0.5, 1)
    assert voc_average_precision([found(*right)], annotations)[1] == pytest.approx(1)
    assert voc_average_precision([found(*right, (*B, 0.8, 1))], annotations)[1] == pytest.approx(1)
    twice = voc_average_precision([found(*right, (*A, 0.8, 1))], annotations, points=Points.ALL)[1]
    assert twice == pytest.approx((1 + 2 / 3) / 2)


def test_an_object_of_another_class_or_another_picture_is_not_found():
    annotations = [truth((*A, 1, 0)), truth((*A, 2, 0))]
    assert voc_average_precision([found((*A, 0.9, 2)), found((*A, 0.9, 1))], annotations) == {1: 0, 2: 0}
    np.testing.assert_array_equal(coco_average_precision([found(), found((*A, 0.9, 1))], annotations), 0)


def test_pictures_without_objects_have_no_average_precision():
    with pytest.raises(EvaluationError, match="no picture"):
        voc_average_precision([found((*A, 1, 1))], [truth()])
    with pytest.raises(EvaluationError, match="no annotated object of 1024 to 9216 pixels"):
        coco_average_precision([found()], [truth((*A, 1, 0))], area=AREAS["medium"])
    with pytest.raises(EvaluationError, match="in 1 pictures, annotations in 0"):
        coco_average_precision([found()], [])


def scene(rng, pictures):
    """Annotated objects, some crowds, some tiny, and detections around them, some astray; scores collide."""
    for _ in range(pictures):
        corners = rng.uniform(0, 300, (rng.integers(0, 9), 2))
        sizes = rng.choice([12, 40, 70, 150], (len(corners), 2)) * rng.uniform(0.6, 1.4, (len(corners), 2))
        boxes = np.hstack([corners, corners + sizes])
        classes = rng.integers(0, 3, len(boxes))
        crowds = rng.random(len(boxes)) < 0.15
        seen = np.repeat(np.arange(len(boxes)), rng.integers(0, 4, len(boxes)))
        moved = boxes[seen] + rng.normal(0, 6, (len(seen), 4))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        scores = rng.integers(1, 20, len(seen)) / 20
        kinds = np.where(rng.random(len(seen)) < 0.1, rng.integers(0, 3, len(seen)), classes[seen])
        yield (
            np.column_stack([moved, scores, kinds]),
            np.column_stack([boxes, classes, crowds]),
        )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("area", AREAS)
def test_coco_average_precision_is_that_of_the_coco_api(seed, area):
    coco, evaluation = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    pictures = list(scene(np.random.default_rng(seed), 40))
    annotations, results = [], []
    for i, (predicted, annotated) in enumerate(pictures, 1):
        for x0, y0, x1, y1, kind, crowd in annotated.tolist():
            box, size = [x0, y0, x1 - x0, y1 - y0], (x1 - x0) * (y1 - y0)
            entry = {"image_id": i, "category_id": int(kind) + 1, "bbox": box, "area": size, "iscrowd": int(crowd)}
            annotations.append(entry | {"id": len(annotations) + 1})
        for x0, y0, x1, y1, score, kind in predicted.tolist():
            box = [x0, y0, x1 - x0, y1 - y0]
            results.append({"image_id": i, "category_id": int(kind) + 1, "bbox": box, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        api = coco.COCO()
        api.dataset = {
            "info": {},
            "images": [{"id": i + 1} for i in range(len(pictures))],
            "categories": [{"id": i + 1} for i in range(3)],
            "annotations": annotations,
        }
        api.createIndex()
        judge = evaluation.COCOeval(api, api.loadRes(results), "bbox")
        judge.evaluate()
        judge.accumulate()
    # (thresholds, recalls, classes, areas, detections) -> (thresholds, classes)
    expected = judge.eval["precision"][:, :, :, list(AREAS).index(area), -1].mean(axis=1)
    own = coco_average_precision(
        [Boxes.predictions(p) for p, _ in pictures], [Boxes.annotations(a) for _, a in pictures], area=AREAS[area]
    )
    np.testing.assert_allclose(own, expected[:, expected[0] >= 0], rtol=0, atol=1e-9)
