"""Informative: the bubble index of MM'19, Algorithm 1: how alike two rankings of the same documents are.

The algorithm bubble-sorts the reconstructed ranking into the pristine one and counts swaps. A bubble sort swaps
exactly once for each inversion, so that the swaps are counted here without sorting that way: `inversions` takes
O(n log n) and works on many rankings at once. The printed algorithm is kept beside it as `printed_bubble_sort`.

As printed, the score is swaps / total, which is 0 for identical rankings; the paper's Table 3 (0.99 at QP 12) needs
1 - swaps / total, the default. `literal` gives the score as printed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from refsw.evaluation.errors import EvaluationError
from refsw.tensor.axes import Array

AT_ONCE = 1 << 15
"""Documents that are sorted together: what fits into a processor's cache."""


def bubble_index(pristine: Sequence[Hashable], reconstructed: Sequence[Hashable], *, literal: bool = False) -> float:
    """MM'19, Algorithm 1: likeness of two rankings: 1 for the same order, 0 for the reverse.

    The paper does not say what happens if the rankings do not hold the same documents (as top-k lists do not).
    Here, a document that one of them lacks comes behind all that it holds, in the order of the other; so the index
    stays symmetric, and is 1 only for equal rankings. Fewer than two documents have one order: 1.

    Args:
        pristine, reconstructed: documents, best first, none twice.
        literal: swaps / total, as printed.

    Raises:
        EvaluationError: a ranking holds a document twice.
    """
    order = _sort_list(pristine, reconstructed)
    swaps = int(inversions(np.array(order, np.int64)[None])[0])
    return _score(swaps, len(order) * (len(order) - 1) // 2, literal=literal)


def bubble_indices(pristine: Any, reconstructed: Any, *, literal: bool = False) -> Array:
    """`bubble_index` of many pairs of rankings of the same documents.

    Args:
        pristine, reconstructed: document numbers, integers, (queries, documents), each row a permutation of
            0 .. documents - 1, best first.
        literal: swaps / total, as printed.

    Returns:
        binary64, (queries,).

    Raises:
        EvaluationError: different shapes, or a row that is no permutation.
    """
    p, r = permutations(pristine), permutations(reconstructed)
    if p.shape != r.shape:
        raise EvaluationError(f"rankings of shapes {p.shape} and {r.shape}: both are (queries, documents)")
    places = np.empty_like(p)
    np.put_along_axis(places, p, np.broadcast_to(np.arange(p.shape[1]), p.shape), axis=1)
    swaps = inversions(np.take_along_axis(places, r, axis=1))
    total = p.shape[1] * (p.shape[1] - 1) // 2
    # One division a query, as for a single one: the same bits whichever function is asked.
    return np.array([_score(int(count), total, literal=literal) for count in swaps])


def permutations(rankings: Any) -> Array:
    """Rankings as int64, (queries, documents), checked to be permutations of 0 .. documents - 1.

    Raises:
        EvaluationError: they are none.
    """
    array = np.asarray(rankings)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iu":
        raise EvaluationError(
            f"rankings of shape {array.shape} and dtype {array.dtype}: integers, (queries, documents)"
        )
    array = array.astype(np.int64)
    bad = np.flatnonzero((np.sort(array, axis=1) != np.arange(array.shape[1])).any(axis=1))
    if bad.size:
        raise EvaluationError(f"ranking {bad[0]} does not hold each of its {array.shape[1]} documents once")
    return array


def inversions(orders: Array) -> Array:
    """Number of pairs that stand in the wrong order, of many permutations at once, exact, in O(n log n).

    Bit by bit from the highest: among the values that agree in all higher bits, which lie together, every 1 before
    a 0 is an inversion; then these are parted into 0s and 1s, each in its own order.

    Args:
        orders: int64, (rows, n), each row a permutation of 0 .. n - 1.

    Returns:
        int64, (rows,).
    """
    step = max(1, AT_ONCE // max(1, orders.shape[1]))
    parts = [_inversions(orders[i : i + step].astype(np.int32)) for i in range(0, len(orders), step)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _inversions(orders: Array) -> Array:
    rows, n = orders.shape
    values, places = orders.ravel(), np.arange(rows * n, dtype=np.int32)
    row_starts = np.repeat(places[::n], n) if n else places
    before = np.zeros(rows * n + 1, np.int32)
    count = np.zeros(rows, np.int64)
    for bit in reversed(range(max(n - 1, 0).bit_length())):
        ones = (values >> bit) & 1
        np.cumsum(ones, out=before[1:])
        # A permutation holds every value: those that share their higher bits begin at the place of the smallest.
        starts = ((values >> (bit + 1)) << (bit + 1)) + row_starts
        ones_before = before[:-1] - before[starts]
        count += (ones_before * (1 - ones)).reshape(rows, n).sum(axis=1, dtype=np.int64)
        targets = np.where(ones == 0, places - ones_before, starts + (1 << bit) + ones_before)
        parted = np.empty_like(values)
        parted[targets] = values
        values = parted
    return count


def printed_bubble_sort(pristine: Sequence[Hashable], reconstructed: Sequence[Hashable]) -> tuple[int, int]:
    """MM'19, Algorithm 1 line by line, in O(n^2): (swaps, total) for rankings of the same documents."""
    own = list(pristine)
    ordered_list = [own.index(element) for element in reconstructed]
    swaps = total = 0
    for i in range(len(ordered_list) - 1):
        for j in range(len(ordered_list) - i - 1):
            total += 1
            if ordered_list[j] > ordered_list[j + 1]:
                swaps += 1
                ordered_list[j], ordered_list[j + 1] = ordered_list[j + 1], ordered_list[j]
    return swaps, total


def _sort_list(pristine: Sequence[Hashable], reconstructed: Sequence[Hashable]) -> list[int]:
    """Lines 2 and 3 of the algorithm: the places, in the pristine ranking, of the reconstructed one's documents."""
    places = {document: place for place, document in enumerate(pristine)}
    held = set(reconstructed)
    for name, ranking, distinct in (("pristine", pristine, places), ("reconstructed", reconstructed, held)):
        if len(distinct) != len(ranking):
            raise EvaluationError(f"the {name} ranking of {len(ranking)} documents holds only {len(distinct)}")
    for document in reconstructed:
        places.setdefault(document, len(places))
    return [places[document] for document in (*reconstructed, *(d for d in pristine if d not in held))]


def _score(swaps: int, total: int, *, literal: bool) -> float:
    share = swaps / total if total else 0.0
    return share if literal else 1 - share
