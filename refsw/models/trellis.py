"""Informative: an encoder's search for levels, by their error and their bits, in integers (10.6.7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refsw.models.arithmetic import Integers
from refsw.models.quantizers import STATES, next_state

FRACTION = 6
ONE = 1 << FRACTION
"""Targets come in units of 1 / ONE of the grid, costs in units of 1 / ONE^2 of its square."""
REACH = 255
"""Levels whose bits are told apart; beyond, neighbours take the same."""
CHUNK = 1 << 17
SETTLE = 16
"""Steps after which costs are taken relative to the least one."""
HIGH, FORBIDDEN, DEAR = 1 << 29, 1 << 26, 1 << 24

Small = npt.NDArray[np.uint8]
Costs = npt.NDArray[np.int32]

_BEFORE = np.zeros((STATES, 2), np.uint8)  # state, parity of the level -> state before
for _state in range(STATES):
    for _parity in (0, 1):
        _BEFORE[next_state(_state, _parity), _parity] = _state
_EVEN, _ODD = _BEFORE[:, 0].astype(np.intp), _BEFORE[:, 1].astype(np.intp)
_RESIDUE = ((0, 2), (3, 1))
"""Quantizer, parity of the level -> magnitudes modulo 4."""


@dataclass(frozen=True)
class Targets:
    """What levels shall come near to, in the order of lanes.

    Args:
        values: residuals in units of 1 / ONE of the grid: integers.
        rows: row of `costs` of every value.
        costs: bits times lambda: int32 of shape (rows, quantizers, 2 REACH + 1).
        fixed: levels that are what they are; None: there are none.
        is_fixed: which ones.
    """

    values: Integers
    rows: npt.NDArray[np.integer]
    costs: Costs
    fixed: Integers | None = None
    is_fixed: npt.NDArray[np.bool_] | None = None

    def part(self, begin: int, end: int) -> Targets:
        """Some of them."""
        fixed = None if self.fixed is None else self.fixed[begin:end]
        is_fixed = None if self.is_fixed is None else self.is_fixed[begin:end]
        return Targets(self.values[begin:end], self.rows[begin:end], self.costs, fixed, is_fixed)


def even_levels(targets: Targets) -> Integers:
    """The level of every value by itself: r = 2 L."""
    out = np.empty(targets.values.size, np.int64)
    for begin in range(0, out.size, CHUNK):
        part = targets.part(begin, begin + CHUNK)
        magnitude = np.abs(part.values)
        place = part.rows.astype(np.int64) * part.costs[0].size + REACH
        negative = part.values < 0
        nearest = (magnitude + ONE) >> (FRACTION + 1)
        best = np.zeros(magnitude.size, np.int64)
        least = np.minimum(magnitude, 1 << 12) ** 2 + part.costs.reshape(-1).take(place)
        for lower in (1, 0):
            level = np.maximum(nearest - lower, 0)
            signed = np.where(negative, -level, level)
            error = magnitude - (level << (FRACTION + 1))
            cost = error * error + part.costs.reshape(-1).take(place + np.clip(signed, -REACH, REACH))
            np.copyto(best, signed, where=cost < least)
            np.minimum(least, cost, out=least)
        out[begin : begin + CHUNK] = (
            best if part.fixed is None or part.is_fixed is None else np.where(part.is_fixed, part.fixed, best)
        )
    return out


def dependent_levels(targets: Targets, start: Small) -> tuple[Integers, Small, Small]:
    """The levels of least cost, lane by lane, by dynamic programming over the states (Viterbi).

    Args:
        targets: value i belongs to lane i modulo the number of lanes.
        start: state of every lane.

    Returns:
        Levels, their quantizers, and the states after the last ones.
    """
    lanes, count = len(start), targets.values.size
    decisions, costs = _forward(targets, start)
    states = costs.argmin(axis=0).astype(np.uint8)
    after = states.copy()
    quantizers, parities = np.empty(count, np.uint8), np.empty(count, np.uint8)
    before = _BEFORE.reshape(-1)
    for t in reversed(range(len(decisions))):
        own = slice(t * lanes, min((t + 1) * lanes, count))
        now = states[: own.stop - own.start]
        parity = decisions[t, : now.size] >> now & 1
        now[:] = before.take(now * 2 + parity)
        parities[own] = parity
        quantizers[own] = now & 1
    out = np.empty(count, np.int64)
    for begin in range(0, count, CHUNK):
        end = min(begin + CHUNK, count)
        part = targets.part(begin, end)
        _, levels = _branches(part)
        which = quantizers[begin:end].astype(np.int64) * 2 + parities[begin:end]
        out[begin:end] = levels.reshape(-1).take(which * (end - begin) + np.arange(end - begin))
    return out, quantizers, after


def _forward(targets: Targets, start: Small) -> tuple[Small, Costs]:
    """For every step and lane a bit a state: the parity by which it is reached best; and the costs at the end."""
    lanes, count = len(start), targets.values.size
    steps = -(-count // lanes)
    costs = np.full((STATES, lanes), HIGH, np.int32)
    costs[start, np.arange(lanes)] = 0
    decisions = np.empty((steps, lanes), np.uint8)
    odd, even, branch = (np.empty((STATES, lanes), np.int32) for _ in range(3))
    even_branches, odd_branches = 2 * (_EVEN & 1), 2 * (_ODD & 1) + 1
    per = max(1, CHUNK // lanes)
    chosen = np.empty((per, STATES, lanes), bool)
    for first in range(0, steps, per):
        end = min(first + per, steps)
        found, _ = _branches(targets.part(first * lanes, min(end * lanes, count)))
        whole = np.zeros((4, (end - first) * lanes), np.int32)
        whole[:, : found.shape[1]] = found
        metrics = np.ascontiguousarray(whole.reshape(4, end - first, lanes).transpose(1, 0, 2))
        for k, metric in enumerate(metrics):
            costs.take(_EVEN, 0, out=even, mode="clip")
            metric.take(even_branches, 0, out=branch, mode="clip")
            np.add(even, branch, out=even)
            costs.take(_ODD, 0, out=odd, mode="clip")
            metric.take(odd_branches, 0, out=branch, mode="clip")
            np.add(odd, branch, out=odd)
            np.less(odd, even, out=chosen[k])
            if (first + k + 1) * lanes > count:  # the last lanes have no value in the last step
                width = count - (first + k) * lanes
                np.minimum(even[:, :width], odd[:, :width], out=costs[:, :width])
            else:
                np.minimum(even, odd, out=costs)
            if (first + k) % SETTLE == 0:
                costs -= costs.min(axis=0)
        decisions[first:end] = np.packbits(chosen[: end - first], axis=1, bitorder="little")[:, 0]
    return decisions, costs


def _branches(part: Targets) -> tuple[Costs, Integers]:
    """Costs and levels of the four branches, quantizer times 2 plus parity: arrays of shape (4, values)."""
    magnitude = np.abs(part.values)
    negative = part.values < 0
    floor = np.maximum((magnitude >> FRACTION) - 1, 1)
    flat, width = part.costs.reshape(-1), part.costs.shape[-1]
    base = part.rows.astype(np.int64) * (2 * width) + REACH
    zero = np.minimum(magnitude, 1 << 12)
    zero *= zero
    costs, levels = np.empty((4, magnitude.size), np.int32), np.empty((4, magnitude.size), np.int64)
    for quantizer, residues in enumerate(_RESIDUE):
        place = base + quantizer * width
        none = zero + flat.take(place)
        for parity, residue in enumerate(residues):
            size = floor + ((residue - floor) & 3)
            error = magnitude - (size << FRACTION)
            level = (size + 1) >> 1
            np.negative(level, out=level, where=negative)
            cost = error * error + flat.take(place + np.clip(level, -REACH, REACH))
            if parity == 0:
                better = none <= cost
                np.copyto(cost, none, where=better)
                level[better] = 0
            costs[2 * quantizer + parity], levels[2 * quantizer + parity] = np.minimum(cost, DEAR), level
    if part.fixed is not None and part.is_fixed is not None:
        for branch in range(4):
            fits = part.fixed & 1 == branch & 1
            np.copyto(costs[branch], np.where(fits, 0, FORBIDDEN), where=part.is_fixed)
            np.copyto(levels[branch], part.fixed, where=part.is_fixed)
    return costs, levels
