"""Informative: an encoder's search for the levels of a unit (10.6.7), in integers: the same on every machine.

The grid is the widest one whose squared error is that of rounding to the nearest multiple of the step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from refsw.entropy.logarithms import FRACTION
from refsw.entropy.rans import Contexts
from refsw.models.arithmetic import GRID_LOG2, Integers
from refsw.models.arrangement import Arrangement, arrange
from refsw.models.choice import choose
from refsw.models.levels import Planes, to_level_symbols
from refsw.models.prediction import Predictor
from refsw.models.rates import level_costs
from refsw.models.tables import Counts, entropy, precision_for
from refsw.models.targets import FINE_LOG2
from refsw.models.trellis import FRACTION as TARGET_LOG2
from refsw.models.trellis import Costs, Small, Targets, dependent_levels, even_levels
from refsw.syntax.codes import ValueQuantizer

START = {ValueQuantizer.EVEN: 1 << GRID_LOG2 - 1, ValueQuantizer.DEPENDENT: 614}

MOST_WEIGHT, WEIGHT_A_BIT, LEAST_WEIGHT = 1700, 100, 900
"""Lambda in units of 2^-12: at 0 bits a value, less for every bit, and at least."""
GRIDS = range(1 << GRID_LOG2 - 3, 1 << GRID_LOG2 + 1)
SAMPLE, SMALLEST_SAMPLED = 1 << 18, 1 << 12
TRIALS, TRIALS_AFTER_SAMPLE, PASSES = 8, 2, 4
CLOSE = 256
"""Errors as near to what is allowed as one part in so many are near enough."""


@dataclass(frozen=True)
class Member:
    """A tensor of the unit.

    Args:
        shape: its shape.
        predictor: its predictor, if any.
        is_new: whether it is a new tensor.
        exact: whether its elements are exact.
        numbers: targets in units of 2^-FINE_LOG2 of the step; if exact, the residuals, which are the levels.
    """

    shape: tuple[int, ...]
    predictor: Predictor | None
    is_new: bool
    exact: bool
    numbers: Integers

    @property
    def taps(self) -> int:
        """Length of its runs."""
        return 1 if self.predictor is None else self.predictor.taps


@dataclass(frozen=True)
class Found:
    """Levels of a unit.

    Args:
        grid: g.
        plan: tables of the unit.
        levels, quantizers, values: of every tensor, in raster order.
        error: sum of squared errors, in squares of 2^-FINE_LOG2 of the step.
    """

    grid: int
    plan: Arrangement
    levels: list[Integers]
    quantizers: list[Small]
    values: list[Integers]
    error: int = 0


class Search:
    """The levels of a unit.

    Args:
        members: its tensors.
        quantizer: EVEN or DEPENDENT.
        lanes: number of lanes.
    """

    def __init__(self, members: Sequence[Member], quantizer: ValueQuantizer, lanes: int) -> None:
        self.members, self.quantizer, self.lanes = members, quantizer, lanes
        self.planes = Planes([m.numbers.size for m in members], [m.taps for m in members])
        self.size = sum(self.planes.counts)
        self.precision = precision_for(self.size)
        self.allowed = sum(_rounding_error(m.numbers) for m in members if not m.exact)

    def run(self) -> Found | None:
        """Levels with the error of rounding, or None if there are none."""
        start, trials = START[self.quantizer], TRIALS
        if self.size > 2 * SAMPLE:
            sample = [_sampled(member, self.size // SAMPLE) for member in self.members]
            small = Search(sample, self.quantizer, self.lanes)._fit(start, trials)
            if small is not None:
                start, trials = small.grid, TRIALS_AFTER_SAMPLE
        return self._fit(start, trials)

    def _fit(self, grid: int, trials: int) -> Found | None:
        """By the secant method: the root of the error is about in proportion to the grid."""
        best: Found | None = None
        wanted, tried = math.sqrt(self.allowed), list[tuple[float, int]]()
        while len(tried) < trials and grid in GRIDS and grid not in [g for _, g in tried]:
            found = self._improved(self._rounded(grid))
            if found.error * CLOSE <= self.allowed * (CLOSE + 1) and (best is None or found.grid > best.grid):
                best = found
            if abs(found.error - self.allowed) * CLOSE <= self.allowed:
                break
            tried.append((math.sqrt(found.error), grid))
            grid = _next_grid(tried, wanted)
        return best

    def _rounded(self, grid: int) -> Found:
        """Levels that are only rounded: where the search starts."""
        step = grid << TARGET_LOG2
        levels = []
        for member in self.members:
            residuals = member.numbers
            if not member.exact:
                nearest = (member.numbers + (step >> 1)) // step
                residuals = nearest if member.predictor is None else member.predictor.residuals(nearest)
                residuals = (residuals + (residuals > 0)) >> 1
            levels.append(residuals)
        quantizers = [np.zeros(level.size, np.uint8) for level in levels]
        return Found(grid, self._plan(levels), levels, quantizers, [])

    def _improved(self, found: Found) -> Found:
        """Levels for the bits that those before would take, some times over."""
        contexts = self.planes.gather([found.plan.rows_of(t, m.shape) for t, m in enumerate(self.members)])
        for _ in range(PASSES):
            counts = self.counts(found)
            costs = level_costs(counts, self.quantizer, _weight(counts))
            found = self._levels(found, contexts, costs)
        return replace(found, plan=self._plan(found.levels))

    def counts(self, found: Found) -> Counts:
        """How often every symbol occurs: shape (tables, quantizers, symbols)."""
        dependent = self.quantizer is ValueQuantizer.DEPENDENT
        symbols = [to_level_symbols(levels, self.quantizer)[0] for levels in found.levels]
        width = 1 + max(int(own.max(initial=0)) for own in symbols)
        flat = np.zeros(len(found.plan.rows) * (1 + dependent) * width, np.int64)
        for t, own in enumerate(symbols):
            at = found.plan.rows_of(t, self.members[t].shape).astype(np.int64)
            if dependent:
                at = 2 * at + found.quantizers[t]
            flat += np.bincount(at * width + own, minlength=flat.size)
        counts = flat.reshape(-1, 1 + dependent, width)
        if dependent and not counts[:, 1].any():  # nothing is known of the second quantizer yet
            counts[:, 1] = counts[:, 0]
        return counts

    def _plan(self, levels: Sequence[Integers]) -> Arrangement:
        found = []
        for member, own in zip(self.members, levels, strict=True):
            symbols, _ = to_level_symbols(own, self.quantizer)
            labelling = choose(member.shape, symbols, np.abs(own).view(np.uint64)).labelling
            found.append((member.shape, labelling, symbols, member.is_new))
        return arrange(found, self.precision)

    def _levels(self, found: Found, contexts: Contexts, costs: Costs) -> Found:
        """Levels plane by plane, so that predictions are known."""
        states, begin, error = np.zeros(self.lanes, np.uint8), 0, 0
        columns = [np.empty((m.taps, m.numbers.size // m.taps), np.int64) for m in self.members]
        levels, quantizers = np.empty(self.size, np.int64), np.zeros(self.size, np.uint8)
        for p in range(self.planes.depth):
            chosen = [(m, own) for m, own in zip(self.members, columns, strict=True) if m.taps > p]
            predictions = [_prediction(m, own, p) for m, own in chosen]
            targets = _targets([m for m, _ in chosen], p, predictions, found.grid, contexts[begin:], costs)
            end = begin + targets.values.size
            if self.quantizer is ValueQuantizer.DEPENDENT:
                turn = begin % self.lanes
                own = dependent_levels(targets, np.roll(states, -turn))
                levels[begin:end], quantizers[begin:end], states = own[0], own[1], np.roll(own[2], turn)
            else:
                levels[begin:end] = even_levels(targets)
            residuals = 2 * levels[begin:end] - np.sign(levels[begin:end]) * quantizers[begin:end]
            for (member, own_columns), prediction in zip(chosen, predictions, strict=True):
                part, residuals = np.split(residuals, [own_columns.shape[1]])
                own_columns[p] = part if prediction is None else part + prediction
                if not member.exact:
                    difference = member.numbers[p :: member.taps] - own_columns[p] * (found.grid << TARGET_LOG2)
                    error += int((difference * difference).sum())
            begin = end
        values = [np.ascontiguousarray(own.T).reshape(-1) for own in columns]
        return replace(found, levels=list(self.planes.scatter(levels)), values=values, error=error,
                       quantizers=list(self.planes.scatter(quantizers)))  # fmt: skip


def _prediction(member: Member, columns: Integers, p: int) -> Integers | None:
    if p == 0 or member.predictor is None or member.exact:
        return None
    return member.predictor.prediction(columns, p)


def _targets(
    members: Sequence[Member],
    p: int,
    predictions: Sequence[Integers | None],
    grid: int,
    contexts: Contexts,
    costs: Costs,
) -> Targets:
    """What the levels of a plane shall come near to."""
    parts, fixed = [], []
    for member, prediction in zip(members, predictions, strict=True):
        own = member.numbers[p :: member.taps]
        if not member.exact:
            own = (own + (grid >> 1)) // grid
            if prediction is not None:
                own -= prediction << TARGET_LOG2
        parts.append(own)
        fixed.append(np.full(own.size, member.exact))
    values = np.concatenate(parts)
    if any(member.exact for member in members):
        which = np.concatenate(fixed)
        return Targets(np.where(which, 0, values), contexts[: values.size], costs, values, which)
    return Targets(values, contexts[: values.size], costs)


def _weight(counts: Counts) -> int:
    """Lambda for `level_costs`: greater where few bits are left to save."""
    bits = int(entropy(counts).sum()) // max(1, int(counts.sum()))  # of a value, times 2^FRACTION
    return max(LEAST_WEIGHT, MOST_WEIGHT - (bits * WEIGHT_A_BIT >> FRACTION))


def _next_grid(tried: Sequence[tuple[float, int]], wanted: float) -> int:
    """The grid to try after others with these root errors, in operations that every machine rounds alike."""
    below = max(((grid, error) for error, grid in tried if error <= wanted), default=None)
    above = min(((grid, error) for error, grid in tried if error > wanted), default=None)
    if below and above and below[0] < above[0]:
        share = (wanted - below[1]) / (above[1] - below[1])
        return below[0] + round((above[0] - below[0]) * max(0.1, min(0.9, share)))
    error, grid = tried[-1]
    other, before = tried[-2] if len(tried) > 1 else (0.0, 0)
    slope = (grid - before) / (error - other) if error != other else 0.0
    if slope <= 0:
        slope = grid / error if error else 1.0
    return max(grid - grid // 2, min(grid + grid // 2, grid + round((wanted - error) * slope)))


def _rounding_error(numbers: Integers) -> int:
    """The squared error of rounding targets to multiples of the step."""
    rest = numbers - ((numbers + (1 << FINE_LOG2 - 1)) >> FINE_LOG2 << FINE_LOG2)
    return int((rest * rest).sum())


def _sampled(member: Member, every: int) -> Member:
    """Some of its rows."""
    if len(member.shape) < 2 or member.numbers.size < SMALLEST_SAMPLED:
        return member
    every = min(every, member.shape[0]) | 1  # odd, so that rows of all kinds are met
    rows = np.ascontiguousarray(member.numbers.reshape(member.shape[0], -1)[::every])
    return replace(member, shape=(len(rows), *member.shape[1:]), numbers=rows.reshape(-1))
