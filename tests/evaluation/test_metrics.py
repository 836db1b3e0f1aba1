"""Metrics of segmentation, text, tracking and keypoints against cases worked out by hand, and against pycocotools."""

from __future__ import annotations

import numpy as np
import pytest

from refsw.evaluation.boxes import Boxes
from refsw.evaluation.errors import EvaluationError
from refsw.evaluation.metrics import keypoints, segmentation, text, tracking
from refsw.evaluation.metrics.keypoints import Poses
from refsw.evaluation.metrics.tracking import Frame, Tracker


# Segmentation
def test_intersection_over_union_by_hand():
    truth = np.array([[0, 0, 1, 1], [0, 0, 1, 255]])
    found = np.array([[0, 1, 1, 1], [0, 0, 2, 0]])
    table = segmentation.confusion([truth], [found], 4)
    # Class 0: 3 of 4 annotated and 3 found (a fourth where nothing counts); class 1: 2 of 3 and 3; class 2: found once.
    assert segmentation.intersection_over_union(table) == {0: 3 / 4, 1: 2 / 4, 2: 0.0}
    assert segmentation.pixel_accuracy(table) == 5 / 7


def test_intersection_over_union_is_of_the_sums_over_pictures():
    first, second = np.array([[0, 1]]), np.array([[1, 1, 1, 1]])
    table = segmentation.confusion([first, second], [np.array([[1, 1]]), second], 2)
    assert segmentation.intersection_over_union(table) == {0: 0.0, 1: 5 / 6}


def test_a_label_that_is_ignored_is_wrong_where_a_class_is_annotated():
    table = segmentation.confusion([np.array([[1, 1]])], [np.array([[255, 1]])], 2)
    assert segmentation.intersection_over_union(table) == {1: 0.5}


@pytest.mark.parametrize(
    ("truth", "found", "told"),
    [
        ([[0, 1]], [[0]], "labels of shapes"),
        ([[9]], [[0]], "an annotation has class 9"),
        ([[0]], [[9]], "the network has"),
    ],
)
def test_labels_that_are_none(truth, found, told):
    with pytest.raises(EvaluationError, match=told):
        segmentation.confusion([np.array(truth)], [np.array(found)], 3)


# Text
@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [("kitten", "sitting", 3), ("flaw", "lawn", 2), ("", "abc", 3), ("abc", "", 3), ("", "", 0), ("same", "same", 0),
     ("intention", "execution", 5), ("ab", "ba", 2), ("abcdef", "azced", 3)],
)  # fmt: skip
def test_edit_distances_by_hand(first, second, distance):
    assert text.edit_distance(first, second) == text.edit_distance(second, first) == distance


def test_edit_distances_are_those_of_the_plain_recursion():
    def plain(a, b):
        if not a or not b:
            return len(a) + len(b)
        return min(plain(a[1:], b) + 1, plain(a, b[1:]) + 1, plain(a[1:], b[1:]) + (a[0] != b[0]))

    rng = np.random.default_rng(0)
    for _ in range(60):
        first, second = (rng.integers(0, 3, rng.integers(0, 6)).tolist() for _ in range(2))
        assert text.edit_distance(first, second) == plain(first, second)


def test_accuracies_of_text_by_hand():
    truths, found = ["the quick fox", "jumps"], ["the quack fox", "jumped up"]
    # One substitution; then s -> e and four letters: 6 errors in 13 + 5 characters. Two words of four are found.
    assert text.character_accuracy(truths, found) == pytest.approx(1 - 6 / 18)
    assert text.word_accuracy(truths, found) == 2 / 4
    assert text.similarity(truths, found) == pytest.approx((12 / 13 + 4 / 9) / 2)
    assert text.character_accuracy(["a"], ["bcdef"]) == 0
    with pytest.raises(EvaluationError, match="no characters"):
        text.character_accuracy([""], ["a"])


# Tracking
def frame(*objects, ignored=()):
    """Objects as (identity, left): boxes of 10 x 10."""
    rows = [[left, 0, left + 10, 10, 0, float(identity in ignored)] for identity, left in objects]
    return Frame(Boxes.annotations(rows), np.array([identity for identity, _ in objects], np.int64))


def test_clear_mot_by_hand():
    truths = [frame((1, 0), (2, 50)), frame((1, 0), (2, 50)), frame((1, 0), (2, 50)), frame((1, 0))]
    tracks = [frame((7, 0), (8, 52)), frame((7, 0)), frame((9, 0), (8, 50)), frame((9, 1), (5, 90))]
    counts = tracking.count(truths, tracks)
    # Seven objects; the second frame misses one; object 1 goes from track 7 to 9; the last frame has one too many.
    assert (counts.objects, counts.matches, counts.misses, counts.false_positives, counts.switches) == (7, 6, 1, 1, 1)
    assert counts.mota == pytest.approx(1 - 3 / 7)
    assert counts.motp == pytest.approx((1 + 8 / 12 + 1 + 1 + 1 + 9 / 11) / 6)
    # 1 with 7 or 9 for two frames each, 2 with 8 for two: 4 of 7 objects and 7 detections.
    assert counts.idf1 == pytest.approx(2 * 4 / (7 + 7))


def test_a_pair_is_kept_as_long_as_it_overlaps_although_another_overlaps_more():
    truths = [frame((1, 0)), frame((1, 0))]
    tracks = [frame((7, 0)), frame((7, 3), (8, 0))]
    counts = tracking.count(truths, tracks)
    assert (counts.switches, counts.false_positives, counts.matches) == (0, 1, 2)


def test_a_switch_is_told_after_a_gap_as_well():
    counts = tracking.count([frame((1, 0))] * 3, [frame((7, 0)), frame(), frame((8, 0))])
    assert (counts.switches, counts.misses) == (1, 1)


def test_the_most_pairs_are_made():
    # Object 1 overlaps track 7 most, but then object 2 has none.
    truths, tracks = [frame((1, 2), (2, 0))], [frame((7, 2), (8, 5))]
    assert tracking.count(truths, tracks, overlap=0.5).matches == 2


def test_ignored_objects_count_for_nothing():
    truths, tracks = [frame((1, 0), (2, 50), ignored=(2,))], [frame((7, 0), (8, 50))]
    counts = tracking.count(truths, tracks)
    assert (counts.objects, counts.misses, counts.false_positives, counts.mota) == (1, 0, 0, 1)


def test_counts_of_sequences_add_up():
    one = tracking.count([frame((1, 0))], [frame((7, 0))])
    two = tracking.count([frame((1, 0))], [frame()])
    both = one + two
    assert (both.objects, both.matches, both.misses, both.mota, both.idf1) == (2, 1, 1, 0.5, 2 / 3)


def test_a_tracker_goes_on_with_what_overlaps():
    tracker = Tracker(overlap=0.3, patience=1)
    rows = [[0, 0, 10, 10, 0.9, 0], [50, 0, 60, 10, 0.8, 0]]
    assert tracker.step(Boxes.predictions(rows)).identities.tolist() == [0, 1]
    moved = [[52, 0, 62, 10, 0.9, 0], [2, 0, 12, 10, 0.8, 0]]
    assert tracker.step(Boxes.predictions(moved)).identities.tolist() == [1, 0]
    assert tracker.step(Boxes.predictions(moved[:1])).identities.tolist() == [1]
    assert tracker.step(Boxes.predictions(moved)).identities.tolist() == [1, 0]  # one frame of patience
    tracker.step(Boxes.predictions([]))
    tracker.step(Boxes.predictions([]))
    assert tracker.step(Boxes.predictions(moved[:1])).identities.tolist() == [2]
    other_class = [[52, 0, 62, 10, 0.9, 1]]
    assert tracker.step(Boxes.predictions(other_class)).identities.tolist() == [3]


# Keypoints
def poses(points, areas, scores=None, corners=None):
    points = np.asarray(points, np.float64)
    count = len(points)
    return Poses(
        points,
        np.ones(count) if scores is None else np.asarray(scores, np.float64),
        np.asarray(areas, np.float64),
        np.zeros((count, 4)) if corners is None else np.asarray(corners, np.float64),
        np.zeros(count, bool),
    )


def test_similarity_of_keypoints_by_hand():
    truth = poses([[[0, 0, 2], [10, 0, 0], [0, 10, 1]]], [100])
    found = poses([[[1, 0, 1], [99, 99, 1], [0, 12, 1]]], [1])
    # Two keypoints count, k = 0.1: exp(-1 / (2 * 100 * 0.01)) and exp(-4 / 2).
    assert keypoints.similarity(found, truth)[0, 0] == pytest.approx((np.exp(-0.5) + np.exp(-2)) / 2)


def test_average_precision_of_keypoints_is_that_of_pycocotools():
    coco = pytest.importorskip("pycocotools.coco", reason="the reference is pycocotools").COCO
    evaluation = pytest.importorskip("pycocotools.cocoeval").COCOeval
    rng = np.random.default_rng(5)
    truths, found, annotations, results = [], [], [], []
    for picture in range(1, 9):
        places = rng.uniform(0, 300, (3, 1, 2)) + rng.uniform(0, 60, (3, 17, 2))
        seen = rng.integers(0, 3, (3, 17, 1)) * (rng.random((3, 1, 1)) > 0.2)
        real = np.concatenate([places, seen], axis=2)
        low, high = places.min(axis=1), places.max(axis=1)
        boxes, areas = np.hstack([low, high]), rng.uniform(1500, 4000, 3)
        truths.append(poses(real, areas, corners=boxes))
        noise = rng.normal(0, 1, (4, 17, 2)) * rng.uniform(0.5, 9, (4, 1, 1))
        guess = np.concatenate([places[[0, 1, 2, 0]] + noise, np.ones((4, 17, 1))], axis=2)
        scores = rng.random(4)
        found.append(poses(guess, np.ones(4), scores))
        for i in range(3):
            own = {"image_id": picture, "category_id": 1, "iscrowd": 0, "id": len(annotations) + 1, "area": areas[i]}
            size = (high - low)[i]
            annotations.append(own | {"keypoints": real[i].ravel().tolist(), "bbox": [*low[i], *size],
                                      "num_keypoints": int((seen[i] > 0).sum())})  # fmt: skip
        results += [{"image_id": picture, "category_id": 1, "keypoints": guess[i].ravel().tolist(), "score": scores[i]}
                    for i in range(4)]  # fmt: skip
    data = coco()
    data.dataset = {"info": {}, "images": [{"id": n} for n in range(1, 9)], "annotations": annotations,
                    "categories": [{"id": 1, "name": "person"}]}  # fmt: skip
    data.createIndex()
    judged = evaluation(data, data.loadRes(results), "keypoints")
    judged.params.areaRng, judged.params.areaRngLbl = [[0, 1e10]], ["all"]
    judged.evaluate()
    judged.accumulate()
    precision = judged.eval["precision"][:, :, 0, 0, 0].mean(axis=1)
    own = keypoints.average_precision(found, truths)
    assert own["ap"] == pytest.approx(precision.mean(), abs=1e-12)
    assert own["ap50"] == pytest.approx(precision[0], abs=1e-12)
    assert own["ap75"] == pytest.approx(precision[5], abs=1e-12)
    assert 0.1 < own["ap"] < 0.9


def test_fidelity_of_keypoints():
    before = Poses.predictions([[0.9, 0, 0, 1, 100, 100, 1], [0.6, 300, 0, 1, 400, 100, 1]])
    same = keypoints.keypoint_fidelity([before], [before])
    assert same == 1
    lost = before.of(np.array([True, False]))
    assert keypoints.keypoint_fidelity([before], [lost]) == pytest.approx(0.9 / 1.5)
    assert keypoints.keypoint_fidelity([lost], [before]) == 1
    nobody = before.of(np.zeros(2, bool))
    assert keypoints.keypoint_fidelity([nobody], [nobody]) == 1
    assert keypoints.keypoint_fidelity([nobody], [before]) == 0


@pytest.mark.parametrize("table", [np.ones((2, 6)), np.ones(7), np.full((1, 7), np.nan)])
def test_persons_of_another_shape(table):
    with pytest.raises(EvaluationError, match="persons of shape"):
        Poses.predictions(table)


def test_other_numbers_of_keypoints():
    with pytest.raises(EvaluationError, match="2 keypoints are found, 3 are annotated"):
        keypoints.similarity(poses(np.ones((1, 2, 3)), [1]), poses(np.ones((1, 3, 3)), [1]))
