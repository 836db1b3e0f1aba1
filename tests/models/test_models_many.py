"""Informative: models of many small tensors ask for work in proportion to their number, counted in calls."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import refsw
from refsw.models.arrangement import _least
from refsw.models.prediction import Known, Predictor
from refsw.models.tables import entropy, merge, table_bits

MOST_TO_CODE, MOST_TO_APPLY = 2500, 1000
"""Calls a tensor: somewhat more than there are."""
CODED = [(64,), (32, 40), (8, 4, 3, 3)]


def models(count: int, shape: tuple[int, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(1)
    base = rng.normal(0, 0.05, (count, *shape)).astype(np.float32)
    rows = np.exp(rng.normal(0, 0.5, (count, shape[0], *[1] * (len(shape) - 1))))
    target = (base + rng.normal(0, 0.002, base.shape) * rows).astype(np.float32)
    names = [f"layers.{i}.weight" for i in range(count)]
    return dict(zip(names, base, strict=True)), dict(zip(names, target, strict=True))


def calls(work: Callable[[], Any]) -> tuple[int, Any]:
    profile = cProfile.Profile()
    result = profile.runcall(work)
    return pstats.Stats(profile).total_calls, result


@pytest.mark.parametrize("shape", CODED)
def test_every_small_tensor_costs_a_bounded_number_of_calls(shape: tuple[int, ...]) -> None:
    base, target = models(20, shape)
    refsw.apply_update(base, refsw.diff_models(base, target))  # what is imported and computed once
    coding, applying = [], []
    for count in (150, 300, 600):
        base, target = models(count, shape)
        taken, update = calls(lambda b=base, t=target: refsw.diff_models(b, t))  # type: ignore[misc]
        coding.append(taken / count)
        taken, _ = calls(lambda b=base, u=update: refsw.apply_update(b, u))  # type: ignore[misc]
        applying.append(taken / count)
    assert max(coding) < MOST_TO_CODE
    assert max(applying) < MOST_TO_APPLY
    assert coding[2] < 1.2 * coding[0]
    assert applying[2] < 1.2 * applying[0]


def test_tables_that_are_merged_take_no_fewer_bits_than_the_bound_says() -> None:
    rng = np.random.default_rng(2)
    for scale in (1, 30, 3000):
        for rows in (1, 4, 20):
            counts = (rng.exponential(scale, (rows, 12)) * rng.integers(0, 2, (rows, 12))).astype(np.int64)
            counts[0, 0] += 1
            leaders = merge(counts, 4, 256)
            joined = np.array([counts[leaders == leader].sum(axis=0) for leader in np.unique(leaders)])
            taken = int(entropy(joined).sum()) + (int(table_bits(joined, 4).sum() + rows) << 16)
            assert _least(counts, 4) <= taken


def test_known_predictors_are_found_by_their_taps_the_newest_last() -> None:
    known = Known()
    two = [Predictor(((c,),)) for c in (1, 2, 3, 2)]
    for predictor in [*two, Predictor(((1,), (1, 2)))]:
        known.add(predictor)
    assert known.last(2, 2) == [two[1], two[2]]
    assert known.last(2, 9) == two[:3]
    assert known.last(4, 3) == []
    assert two[0] in known
    assert Predictor(((9,),)) not in known
