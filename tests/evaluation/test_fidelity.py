"""Rate and fidelity as MM'19 (1) and (2) have them, and errors in decibels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from refsw.evaluation.errors import EvaluationError
from refsw.evaluation.fidelity import (
    accuracy,
    classification_fidelity,
    compression_rate,
    feature_mse,
    psnr_db,
    snr_db,
)

PRISTINE = np.eye(4)
# The first and the last sample change their class.
RECONSTRUCTED = np.eye(4)[[1, 1, 2, 0]]


def test_compression_rate_is_coded_over_original():
    assert compression_rate(25, 100) == 0.25


def test_compression_rate_of_nothing_is_refused():
    with pytest.raises(EvaluationError):
        compression_rate(25, 0)


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


def test_errors_by_hand():
    pristine, reconstructed = np.array([0.0, 10.0, -10.0, 0.0]), np.array([1.0, 9.0, -9.0, -1.0])
    assert feature_mse(pristine, reconstructed) == 1
    assert snr_db(pristine, reconstructed) == pytest.approx(10 * math.log10(50))
    assert psnr_db(pristine, reconstructed) == pytest.approx(10 * math.log10(400))


def test_without_an_error_decibels_are_infinite():
    assert snr_db([0.0, 1.0], [0.0, 1.0]) == psnr_db([0.0, 1.0], [0.0, 1.0]) == math.inf


def test_without_a_signal_decibels_are_minus_infinite():
    assert snr_db([0.0, 0.0], [0.0, 1.0]) == psnr_db([3.0, 3.0], [3.0, 4.0]) == -math.inf


@pytest.mark.parametrize("reconstructed", [[1.0], [1.0, np.nan], [1.0, np.inf]])
def test_tensors_that_do_not_compare_are_refused(reconstructed):
    with pytest.raises(EvaluationError):
        snr_db([1.0, 2.0], reconstructed)
