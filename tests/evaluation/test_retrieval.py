"""Rankings, mean average precision and cumulative match, by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from refsw.evaluation.errors import EvaluationError
from refsw.evaluation.retrieval import Distance, cumulative_match, mean_average_precision, rank


def test_nearest_first_and_ties_in_their_own_order():
    references = [[0, 2], [3, 3], [1, 0], [2, 0], [0, 0]]
    np.testing.assert_array_equal(rank([[1, 0]], references), [[2, 3, 1, 0, 4]])
    np.testing.assert_array_equal(rank([[1, 0]], references, Distance.EUCLIDEAN), [[2, 3, 4, 0, 1]])


def test_a_ranking_does_not_depend_on_what_is_ranked_with_it():
    rng = np.random.default_rng(1)
    queries, references = rng.standard_normal((9, 300)).astype(np.float32), rng.standard_normal((50, 300))
    together = rank(queries, references)
    np.testing.assert_array_equal(together, np.concatenate([rank(q[None], references) for q in queries]))


@pytest.mark.parametrize(
    ("queries", "references"),
    [([[1.0]], [[1.0, 2.0]]), ([[np.nan]], [[1.0]]), ([1.0], [[1.0]]), (np.zeros((0, 2)), np.zeros((3, 2)))],
)
def test_vectors_that_do_not_compare_are_refused(queries, references):
    with pytest.raises(EvaluationError):
        rank(queries, references)


def test_average_precision_by_hand():
    # Right at places 1 and 3: (1/1 + 2/3) / 2; right at place 2 alone: 1/2.
    rankings, labels = [[0, 1, 2], [1, 2, 0]], [5, 6, 5]
    assert mean_average_precision(rankings[:1], [5], labels) == pytest.approx(5 / 6)
    assert mean_average_precision([[0, 1, 2]], [6], labels) == pytest.approx(1 / 2)
    assert cumulative_match(rankings, [5, 5], labels, ranks=(1, 2, 3)) == {1: 0.5, 2: 1, 3: 1}


def test_what_the_queries_own_camera_saw_of_it_is_left_out():
    labels, cameras = [5, 6, 5], [1, 1, 2]
    assert mean_average_precision([[0, 1, 2]], [5], labels, [1], cameras) == pytest.approx(1 / 2)
    assert cumulative_match([[0, 1, 2]], [5], labels, [1], cameras, ranks=(1, 2)) == {1: 0, 2: 1}


def test_queries_without_a_right_reference_do_not_count():
    assert mean_average_precision([[0, 1], [0, 1]], [7, 1], [1, 2]) == 1
    with pytest.raises(EvaluationError, match="no query"):
        mean_average_precision([[0, 1]], [7], [1, 2])


def test_lengths_that_do_not_go_together_are_refused():
    with pytest.raises(EvaluationError, match="rankings of shape"):
        mean_average_precision([[0, 1]], [1, 2], [1, 2])
    with pytest.raises(EvaluationError, match="neither"):
        mean_average_precision([[0, 1]], [1], [1, 2], [1])
    with pytest.raises(EvaluationError, match="cameras"):
        mean_average_precision([[0, 1]], [1], [1, 2], [1], [1])


def test_average_precision_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    for _ in range(30):
        order, labels = rng.permutation(40), rng.integers(0, 4, 40)
        labels[0] = 1
        scores = np.empty(40)
        scores[order] = -np.arange(40)
        expected = metrics.average_precision_score(labels == 1, scores)
        assert mean_average_precision(order[None], [1], labels) == pytest.approx(expected, abs=1e-12)
