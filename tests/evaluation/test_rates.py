"""Rates, errors of features, and the task distortion."""

from __future__ import annotations

import math

import numpy as np
import pytest

from refsw.evaluation.distortion import feature_mse, psnr_db, snr_db, task_distortion
from refsw.evaluation.errors import EvaluationError
from refsw.evaluation.rates import bits_per_element, bits_per_pixel, compression_rate, volume_against_input


def test_compression_rate_is_coded_over_original():
    assert compression_rate(25, 100) == 0.25


def test_bits_are_eight_a_byte():
    assert bits_per_element(25, 100) == bits_per_pixel(25, 100) == 2


def test_the_input_picture_takes_three_bytes_a_pixel_unless_it_is_coded():
    assert volume_against_input(150, 100) == 0.5
    assert volume_against_input(150, 100, coded_input_bytes=50) == 3


@pytest.mark.parametrize("rate", [compression_rate, bits_per_element, bits_per_pixel, volume_against_input])
def test_a_rate_of_nothing_is_refused(rate):
    for coded, whole in ((25, 0), (-1, 10)):
        with pytest.raises(EvaluationError):
            rate(coded, whole)


def test_errors_by_hand():
    pristine, reconstructed = np.array([0.0, 10.0, -10.0, 0.0]), np.array([1.0, 9.0, -9.0, -1.0])
    assert feature_mse(pristine, reconstructed) == 1
    assert snr_db(pristine, reconstructed) == pytest.approx(10 * math.log10(50))
    assert psnr_db(pristine, reconstructed) == pytest.approx(10 * math.log10(400))


def test_without_an_error_decibels_are_infinite():
    assert snr_db([0.0, 1.0], [0.0, 1.0]) == psnr_db([0.0, 1.0], [0.0, 1.0]) == math.inf


def test_without_a_signal_decibels_are_minus_infinite():
    assert snr_db([0.0], [1.0]) == -math.inf


@pytest.mark.parametrize("other", [[1.0], [1.0, math.nan]])
def test_tensors_without_an_error_are_refused(other):
    with pytest.raises(EvaluationError):
        feature_mse([1.0, 2.0], other)


def test_task_distortion_is_the_relative_change_in_percent():
    assert task_distortion(0.8, 0.6) == pytest.approx(25)
    assert task_distortion(0.8, 1.0) == pytest.approx(25)
    assert task_distortion(0.8, 0.8) == 0


@pytest.mark.parametrize(("pristine", "reconstructed"), [(0, 0.5), (-1, 0.5), (0.5, math.nan), (math.inf, 1)])
def test_task_distortion_against_nothing_is_refused(pristine, reconstructed):
    with pytest.raises(EvaluationError):
        task_distortion(pristine, reconstructed)
