"""Fidelity as MM'19 (2), (3) and (4) have it, and accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from refsw.evaluation.boxes import Boxes
from refsw.evaluation.errors import EvaluationError
from refsw.evaluation.fidelity import accuracy, classification_fidelity, detection_fidelity, retrieval_fidelity

PRISTINE = np.eye(4)
# The first and the last sample change their class.
RECONSTRUCTED = np.eye(4)[[1, 1, 2, 0]]


def test_classification_fidelity_is_the_share_of_unchanged_classes():
    assert classification_fidelity(PRISTINE, RECONSTRUCTED) == 0.5
    assert classification_fidelity(PRISTINE, PRISTINE) == 1


def test_classification_fidelity_asks_for_the_class_and_not_for_the_score():
    assert classification_fidelity(PRISTINE, 100 * PRISTINE - 7) == 1


def test_literal_classification_fidelity_divides_by_the_number_of_classes():
    # Two Hamming distances of 2 over four classes: 1 - (2/4 + 2/4) / (2 * 4).
    assert classification_fidelity(PRISTINE, RECONSTRUCTED, literal=True) == 0.875


def test_literal_classification_fidelity_of_1000_classes_is_at_least_0_999():
    everything_wrong = np.roll(np.eye(1000), 1, axis=0)
    assert classification_fidelity(np.eye(1000), everything_wrong, literal=True) == pytest.approx(0.999)
    assert classification_fidelity(np.eye(1000), everything_wrong) == 0


@pytest.mark.parametrize("outputs", [np.eye(3), np.zeros((0, 4)), np.full((4, 4), np.nan)])
def test_outputs_that_do_not_compare_are_refused(outputs):
    with pytest.raises(EvaluationError):
        classification_fidelity(PRISTINE if outputs.size else outputs, outputs)


def test_accuracy_is_the_share_of_right_classes():
    assert accuracy(RECONSTRUCTED, [0, 1, 2, 3]) == 0.5


@pytest.mark.parametrize(("outputs", "labels"), [(np.eye(4), [0, 1]), (np.full((1, 4), np.nan), [0])])
def test_accuracy_without_a_class_for_each_label_is_refused(outputs, labels):
    with pytest.raises(EvaluationError):
        accuracy(outputs, labels)


def test_top_2_counts_the_second_class():
    outputs = np.array([[3, 2, 1], [3, 2, 1], [1, 1, 0]])
    assert accuracy(outputs, [1, 2, 1]) == 0
    assert accuracy(outputs, [1, 2, 1], top=2) == pytest.approx(2 / 3)
    with pytest.raises(EvaluationError, match="top 4 of 3"):
        accuracy(outputs, [1, 2, 1], top=4)


def test_retrieval_fidelity_is_the_mean_bubble_index():
    pristine = np.array([[0, 1, 2], [2, 1, 0]])
    assert retrieval_fidelity(pristine, pristine) == 1
    assert retrieval_fidelity(pristine, [[0, 1, 2], [0, 1, 2]]) == 0.5
    assert retrieval_fidelity(pristine, [[1, 0, 2], [2, 1, 0]]) == pytest.approx((2 / 3 + 1) / 2)
    assert retrieval_fidelity(pristine, pristine, literal=True) == 0


ONE = (0, 0, 10, 10, 0.8, 1)


def boxes(*rows):
    return Boxes.predictions(rows)


@pytest.mark.parametrize(
    ("pristine", "reconstructed", "score"),
    [
        ([ONE], [ONE], 1),
        ([ONE], [(0, 0, 10, 5, 0.8, 1)], 0.5),
        ([ONE], [(0, 0, 10, 10, 0.4, 1)], 0.5),
        ([ONE], [(0, 0, 10, 10, 0.8, 2)], 0),
        ([ONE], [(20, 20, 30, 30, 0.8, 1)], 0),
        ([ONE], [], 0),
        ([], [], 1),
        ([], [ONE], 0),
        # The lost object weighs as its confidence: 0.8 of 1.0 is kept.
        ([ONE, (20, 20, 30, 30, 0.2, 1)], [ONE], 0.8),
        # The partner is used once: the second pristine object, which overlaps it less, goes without.
        ([ONE, (0, 0, 10, 8, 0.8, 1)], [ONE], 0.5),
        # An object that only the reconstruction has does not count.
        ([ONE], [ONE, (20, 20, 30, 30, 0.9, 3)], 1),
    ],
)
def test_detection_fidelity_by_hand(pristine, reconstructed, score):
    assert detection_fidelity([boxes(*pristine)], [boxes(*reconstructed)]) == pytest.approx(score)


def test_confidence_that_rises_is_change_and_literally_a_gain():
    pristine, risen = [boxes((0, 0, 10, 10, 0.4, 1))], [boxes((0, 0, 10, 10, 0.6, 1))]
    assert detection_fidelity(pristine, risen) == pytest.approx(0.5)
    assert detection_fidelity(pristine, risen, literal=True) == pytest.approx(1.5)


def test_confidence_that_more_than_doubles_scores_nothing():
    assert detection_fidelity([boxes((0, 0, 9, 9, 0.2, 1))], [boxes((0, 0, 9, 9, 0.9, 1))]) == 0


def test_detection_fidelity_is_a_mean_over_pictures():
    assert detection_fidelity([boxes(ONE), boxes()], [boxes(), boxes()]) == 0.5


@pytest.mark.parametrize(
    ("pristine", "reconstructed"),
    [([], []), ([boxes(ONE)], []), ([boxes((0, 0, 1, 1, 0, 1))], [boxes(ONE)])],
)
def test_detections_that_do_not_compare_are_refused(pristine, reconstructed):
    with pytest.raises(EvaluationError):
        detection_fidelity(pristine, reconstructed)
