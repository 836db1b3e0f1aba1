"""Objects from the output of a detector, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from refsw.evaluation.errors import EvaluationError
from refsw.evaluation.yolox import objects

SIZE, STRIDES = (32, 32), (16, 32)  # 4 + 1 cells


def output(**rows):
    array = np.zeros((5, 7), np.float32)
    for name, row in rows.items():
        array[int(name[1:])] = row
    return array


def decode(array, **choices):
    return objects(array, SIZE, strides=STRIDES, **choices)


def test_a_cell_and_its_stride_make_a_box():
    # Cell 1 of the finer level is column 1, row 0: the centre is (1 + 0.5, 0.25) * 16, the size 16 x 32.
    found = decode(output(c1=[0.5, 0.25, 0, np.log(2), 0.5, 0.2, 0.8]))
    np.testing.assert_allclose(found, [[16, -12, 32, 20, 0.4, 1]], rtol=1e-6)


def test_of_two_alike_of_a_class_the_better_stays():
    rows = {"c0": [0.5, 0.5, 0, 0, 1, 0.6, 0], "c1": [-0.5, 0.5, 0, 0, 1, 0.9, 0], "c2": [0.5, -0.5, 0, 0, 1, 0, 0.5]}
    np.testing.assert_allclose(decode(output(**rows))[:, 4:], [[0.9, 0], [0.5, 1]], rtol=1e-6)
    assert len(decode(output(**rows), overlap=1)) == 3
    assert len(decode(output(**rows), most=1)) == 1
    assert len(decode(output(**rows), confidence=0.7)) == 1


def test_no_confident_cell_makes_no_object():
    assert decode(output()).shape == (0, 6)


def test_an_absurd_size_stays_finite():
    assert np.isfinite(decode(output(c4=[0, 0, 500, 500, 1, 1, 0]))).all()


@pytest.mark.parametrize("array", [np.zeros((4, 7)), np.zeros((5, 5)), np.full((5, 7), np.nan)])
def test_an_output_of_another_shape_is_refused(array):
    with pytest.raises(EvaluationError):
        decode(array)
