"""The bubble index: the fast count is the printed algorithm's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsw.evaluation.bubble import bubble_index, bubble_indices, inversions, printed_bubble_sort
from refsw.evaluation.errors import EvaluationError


def test_every_permutation_of_six_has_the_swaps_of_a_bubble_sort():
    orders = np.array(list(itertools.permutations(range(6))))
    printed = [printed_bubble_sort(range(6), order.tolist())[0] for order in orders]
    np.testing.assert_array_equal(inversions(orders), printed)


@given(st.integers(0, 70), st.integers(0, 2**32 - 1))
def test_random_rankings_score_as_the_printed_algorithm_has_it(length, seed):
    rng = np.random.default_rng(seed)
    pristine, reconstructed = rng.permutation(length).tolist(), rng.permutation(length).tolist()
    swaps, total = printed_bubble_sort(pristine, reconstructed)
    assert total == length * (length - 1) // 2
    assert bubble_index(pristine, reconstructed) == (1 - swaps / total if total else 1)
    assert bubble_index(pristine, reconstructed, literal=True) == (swaps / total if total else 0)
    if length:
        assert bubble_indices([pristine], [reconstructed])[0] == bubble_index(pristine, reconstructed)


def test_the_same_order_is_1_and_the_reverse_0_whatever_the_documents():
    documents = ["a.png", ("b", 2), 3, None]
    assert bubble_index(documents, documents) == 1
    assert bubble_index(documents, documents[::-1]) == 0


def test_rankings_of_no_or_one_document_are_alike():
    assert bubble_index([], []) == bubble_index(["a"], ["a"]) == 1
    np.testing.assert_array_equal(bubble_indices([[0], [0]], [[0], [0]]), [1, 1])


def test_a_document_that_one_ranking_lacks_comes_last():
    # abcd + e against eabc + d: e moves over four, of ten pairs.
    assert bubble_index("abcd", "eabc") == bubble_index("abcde", "eabcd") == pytest.approx(0.6)
    assert bubble_index("eabc", "abcd") == bubble_index("abcd", "eabc")
    assert bubble_index("ab", "abc") == 1


@pytest.mark.parametrize(("pristine", "reconstructed"), [("aab", "ab"), ("ab", "abb")])
def test_a_document_twice_is_refused(pristine, reconstructed):
    with pytest.raises(EvaluationError, match="of 3 documents holds only 2"):
        bubble_index(pristine, reconstructed)


@pytest.mark.parametrize("rankings", [[[0, 0]], [[1, 2]], [[0.0, 1.0]], [0, 1], [[]]])
def test_rows_that_are_no_permutation_are_refused(rankings):
    with pytest.raises(EvaluationError):
        bubble_indices(rankings, rankings)


def test_rankings_of_different_lengths_are_refused():
    with pytest.raises(EvaluationError, match="shapes"):
        bubble_indices([[0, 1]], [[0, 1, 2]])


def test_long_rankings_have_the_index_of_the_printed_algorithm():
    few = np.random.default_rng(5).permuted(np.tile(np.arange(600), (3, 1)), axis=1)
    printed = [printed_bubble_sort(range(600), row.tolist()) for row in few]
    same = bubble_indices(np.tile(np.arange(600), (3, 1)), few)
    np.testing.assert_array_equal(same, [1 - swaps / total for swaps, total in printed])


def test_vehicle_retrieval_is_scored_with_200_times_less_work_than_as_printed(monkeypatch):
    # The printed algorithm compares every two of 5,693 references.
    references, part = 5693, 4
    passes = []
    parted = np.cumsum
    monkeypatch.setattr(np, "cumsum", lambda values, **more: passes.append(values.size) or parted(values, **more))
    pristine, reconstructed = (
        np.random.default_rng(seed).permuted(np.tile(np.arange(references), (part, 1)), axis=1) for seed in (1, 2)
    )
    bubble_indices(pristine, reconstructed)
    assert sum(passes) >= part * references
    assert part * references * (references - 1) / 2 > 200 * sum(passes)
