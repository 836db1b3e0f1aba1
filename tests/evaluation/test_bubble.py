"""The bubble index: the fast count is the printed algorithm's."""

from __future__ import annotations

import itertools
import time

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


def test_vehicle_retrieval_is_scored_at_least_200_times_faster_than_as_printed():
    # 800 queries x 5,693 references; the printed algorithm takes quadratic time: measured at 600 and scaled.
    rng = np.random.default_rng(5)
    queries, references, sample = 800, 5693, 600
    few = rng.permuted(np.tile(np.arange(sample), (3, 1)), axis=1)
    start = time.perf_counter()
    printed = [printed_bubble_sort(range(sample), row.tolist()) for row in few]
    slow = (time.perf_counter() - start) / len(few) * (references / sample) ** 2 * queries
    same = bubble_indices(np.tile(np.arange(sample), (3, 1)), few)
    np.testing.assert_array_equal(same, [1 - swaps / total for swaps, total in printed])
    part = 40
    pristine, reconstructed = (rng.permuted(np.tile(np.arange(references), (part, 1)), axis=1) for _ in range(2))
    start = time.perf_counter()
    bubble_indices(pristine, reconstructed)
    fast = (time.perf_counter() - start) / part * queries
    assert slow / fast > 200, f"{slow:.0f} s as printed, {fast:.2f} s"
