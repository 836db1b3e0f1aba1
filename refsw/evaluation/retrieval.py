"""Informative: retrieval by the distance of vectors: rankings, mean average precision, cumulative match.

The protocol is that of the re-identification sets (Zheng et al., "Scalable person re-identification: a benchmark",
ICCV 2015): references that show the query's identity through the query's own camera are left out of its ranking,
and queries without any reference of their identity do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np

from refsw.evaluation.errors import EvaluationError
from refsw.tensor.axes import Array


class Distance(StrEnum):
    """What makes two vectors alike."""

    COSINE = "cosine"
    EUCLIDEAN = "euclidean"


def rank(queries: Any, references: Any, distance: Distance = Distance.COSINE) -> Array:
    """References of each query, nearest first; at equal distance in their own order.

    Distances are computed in binary64 by sums in a fixed order, so that a ranking does not depend on the number of
    queries that are ranked together, nor on a linear algebra library.

    Args:
        queries: finite, (queries, length).
        references: finite, (references, length).
        distance: a vector of zeros has cosine 0 with everything.

    Returns:
        int64, (queries, references): numbers of references.

    Raises:
        EvaluationError: shapes that do not go together, nothing to rank, NaN or infinity.
    """
    q, r = np.asarray(queries, np.float64), np.asarray(references, np.float64)
    if q.ndim != 2 or r.ndim != 2 or q.shape[1] != r.shape[1] or 0 in (q.size, r.size):
        raise EvaluationError(f"queries of shape {q.shape} and references of shape {r.shape}: both (vectors, length)")
    if not (np.isfinite(q).all() and np.isfinite(r).all()):
        raise EvaluationError("vectors with NaN or infinity have no distance")
    if distance is Distance.COSINE:
        q, r = _normalised(q), _normalised(r)
    order = np.empty((len(q), len(r)), np.int64)
    for i, vector in enumerate(q):
        far = -(r * vector) if distance is Distance.COSINE else np.square(r - vector)
        order[i] = np.argsort(far.sum(axis=1), kind="stable")
    return order


def mean_average_precision(
    rankings: Any,
    query_labels: Sequence[int],
    reference_labels: Sequence[int],
    query_cameras: Sequence[int] | None = None,
    reference_cameras: Sequence[int] | None = None,
) -> float:
    """Mean over the queries of the average precision: mean of the precision at each right reference.

    This is the area under the steps of precision over recall, as most published figures have it; the script that
    came with Market-1501 joins the points by straight lines (trapezoids), which gives a little less.

    Args:
        rankings: integers, (queries, references), as `rank` gives them.
        query_labels, reference_labels: identities.
        query_cameras, reference_cameras: if given, references of the query's identity and camera are left out.

    Raises:
        EvaluationError: lengths that do not go together, or no query has a right reference.
    """
    precisions = []
    for hits in _hits(rankings, query_labels, reference_labels, query_cameras, reference_cameras):
        places = np.flatnonzero(hits)
        precisions.append(float(np.mean(np.arange(1, places.size + 1) / (places + 1))))
    return float(np.mean(precisions))


def cumulative_match(
    rankings: Any,
    query_labels: Sequence[int],
    reference_labels: Sequence[int],
    query_cameras: Sequence[int] | None = None,
    reference_cameras: Sequence[int] | None = None,
    *,
    ranks: Sequence[int] = (1, 5, 10),
) -> dict[int, float]:
    """CMC: share of queries with a right reference among the first k, for each k.

    Args and errors are those of `mean_average_precision`.
    """
    hits = _hits(rankings, query_labels, reference_labels, query_cameras, reference_cameras)
    first = np.array([int(row.argmax()) for row in hits])
    return {k: float(np.mean(first < k)) for k in ranks}


def _hits(
    rankings: Any,
    query_labels: Sequence[int],
    reference_labels: Sequence[int],
    query_cameras: Sequence[int] | None,
    reference_cameras: Sequence[int] | None,
) -> list[Array]:
    """Of each query that counts: which places of its ranking are right, what is left out taken away."""
    order = np.asarray(rankings)
    ql, rl = np.asarray(query_labels), np.asarray(reference_labels)
    if order.ndim != 2 or order.shape != (len(ql), len(rl)):
        raise EvaluationError(f"rankings of shape {order.shape} for {len(ql)} queries and {len(rl)} references")
    if (query_cameras is None) != (reference_cameras is None):
        raise EvaluationError("cameras are given for queries and references, or for neither")
    # What has no identity (a negative one) is nobody's, not that of all others without.
    right = (rl[order] == ql[:, None]) & (ql[:, None] >= 0)
    kept = np.ones_like(right)
    if query_cameras is not None and reference_cameras is not None:
        qc, rc = np.asarray(query_cameras), np.asarray(reference_cameras)
        if (len(qc), len(rc)) != order.shape:
            raise EvaluationError(f"{len(qc)} and {len(rc)} cameras for rankings of shape {order.shape}")
        kept = ~(right & (rc[order] == qc[:, None]))
    hits = [row[keep] for row, keep in zip(right, kept, strict=True) if row[keep].any()]
    if not hits:
        raise EvaluationError("no query has a reference of its identity")
    return hits


def _normalised(vectors: Array) -> Array:
    lengths = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    return vectors / np.where(lengths == 0, 1, lengths)
