"""Informative: an encoder's choice of labels, in integers, so that it is the same on every machine."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from refsw.entropy.logarithms import FRACTION, log2_fixed
from refsw.models.arithmetic import Integers
from refsw.models.labels import Group, Labelling, Labels
from refsw.models.prediction import ENCODER_LIMIT, Known, Predictor, fit, sample_runs, taps_of
from refsw.models.symbols import Magnitudes, Symbols, raw_length, to_symbols
from refsw.models.tables import entropy

PER_OCTAVE = 4
SAMPLE = 1 << 16
COUNTED = 1 << 16
"""Values that are counted at once: labellings of a small tensor together."""
SMALLEST_LABELLED = 256
TABLE_BITS = 40
MAX_SPAN = 80
STEPS = (1, 2)
OVERFIT_BITS = 1
SMALLEST_PREDICTED = 512
KNOWN_TRIED = 3


@dataclass(frozen=True)
class Choice:
    """A labelling whose offset is relative to mean magnitude 1, and about the bits that the tensor takes."""

    labelling: Labelling
    bits: int


def scale(sums: Integers, counts: int) -> Integers:
    """PER_OCTAVE log2 of mean magnitudes, sums over counts, to the nearest integer; 0 counts as half of the least."""
    doubled = np.minimum(2 * sums + 1, (1 << 52) - 1)
    logarithm = log2_fixed(doubled) - log2_fixed(2 * counts)
    half = 1 << (FRACTION - 1)
    return np.asarray((PER_OCTAVE * logarithm + half) >> FRACTION, np.int64)


def candidates(shape: tuple[int, ...]) -> list[tuple[Group, ...]]:
    """The groupings of axes that are tried: none, rows, columns, both, and the first two axes apart from the rest."""
    last = len(shape) - 1
    if last < 1:
        return [()]
    rows, columns = Group(0, 0), Group(1, last)
    tried = [(), (rows,), (columns,), (rows, columns)]
    if last > 1:
        tried.append((rows, Group(1, 1), Group(2, last)))
    useful = [tuple(group for group in groups if group.size(shape) > 1) for groups in tried]
    return list(dict.fromkeys(useful))


def choose(shape: tuple[int, ...], symbols: Symbols, magnitudes: Magnitudes) -> Choice:
    """The labelling that takes the fewest bits on a sample.

    Args:
        shape: of the tensor.
        symbols, magnitudes: of its values in raster order.
    """
    clipped = np.minimum(magnitudes, np.uint64(1 << 24)).view(np.int64)
    total = int(clipped.sum())
    offset = int(scale(np.array(total), max(1, symbols.size)))
    plain = Labelling(offset)
    groupings = candidates(shape)
    if symbols.size < SMALLEST_LABELLED or len(groupings) == 1:
        return Choice(plain, int(entropy(np.bincount(symbols)) >> FRACTION) if symbols.size else 0)
    view = shape if len(shape) < 3 else (shape[0], shape[1], math.prod(shape[2:]))
    stride = min(max(1, symbols.size // SAMPLE) | 1, shape[0])  # odd, so that rows of all kinds are met
    width = symbols.size // shape[0]
    sampled = symbols.reshape(shape[0], width)[::stride]
    inner = clipped.reshape(shape[0], width).sum(axis=0)
    marginals = {
        Group(0, 0): clipped.reshape(shape[0], width).sum(axis=1),
        Group(1, len(shape) - 1): inner,
    }
    if len(view) == 3:
        marginals[Group(1, 1)] = inner.reshape(view[1], view[2]).sum(axis=1)
        marginals[Group(2, len(shape) - 1)] = inner.reshape(view[1], view[2]).sum(axis=0)
    relative = {group: scale(sums, symbols.size // len(sums)) - offset for group, sums in marginals.items()}
    axes = {step: {group: label(step, means) for group, means in relative.items()} for step in STEPS}
    tried: dict[tuple[tuple[Group, ...], int], tuple[_Labels, ...]] = {}
    for groups in groupings:
        for step in STEPS if groups else (1,):
            parts = tuple(axes[step][group] for group in groups)
            telling = tuple(group for group, part in zip(groups, parts, strict=True) if part.highest)
            # Otherwise the same tables are there with fewer labels.
            if telling == groups or (telling and (telling, step) not in tried):
                tried[groups, step] = parts
    labellings = [
        Labelling(offset + sum(part.shift for part in parts), step, groups, tuple(part.labels for part in parts))
        for (groups, step), parts in tried.items()
    ]
    tags = [sum(part.bits for part in parts) for parts in tried.values()]
    bits = _bits(labellings, tags, shape, stride, sampled, symbols.size)
    least = bits.index(min(bits))
    return Choice(labellings[least], bits[least])


def all_bits(choice: Choice, shape: tuple[int, ...], symbols: Symbols) -> int:
    """The estimate of `choose` from all values instead of a sample."""
    labelling = choice.labelling
    if not labelling.groups:
        return choice.bits
    tags = sum(map(_tag_bits, labelling.labels))
    return _bits([labelling], [tags], shape, 1, symbols.reshape(shape[0], -1), symbols.size)[0]


@dataclass(frozen=True, slots=True)
class _Labels:
    """Labels along a group of axes, from 0 on; what is added to the offset for that; and about their bits."""

    labels: Labels
    shift: int
    highest: int
    bits: int


def label(step: int, relative: Integers) -> _Labels:
    """Labels in proportion to the logarithm of the mean magnitude along a group of axes, relative to that of all."""
    found = (2 * relative + step) // (2 * step)  # to the nearest multiple of the step
    found = np.clip(found, -(MAX_SPAN // (2 * step)), MAX_SPAN // (2 * step))
    low = int(found.min())
    found -= low
    return _Labels(found, step * low, int(found.max()), _tag_bits(found))


def _tag_bits(labels: Labels) -> int:
    return int(entropy(np.bincount(labels)) >> FRACTION)


def _bits(
    labellings: list[Labelling], tags: list[int], shape: tuple[int, ...], stride: int, sampled: Symbols, elements: int
) -> list[int]:
    """Estimated bits with each labelling: entropy of the sample, scaled up, and what labels (tags) and tables take."""
    symbols = sampled.astype(np.int64).reshape(len(sampled), *shape[1:])
    width = int(sampled.max()) + 1
    at_once = max(1, COUNTED // sampled.size)
    out: list[int] = []
    for begin in range(0, len(labellings), at_once):
        part = labellings[begin : begin + at_once]
        places, firsts, tables = np.empty((len(part), *symbols.shape), np.int64), [], 0
        for labelling, own in zip(part, places, strict=True):
            firsts.append(tables)
            np.add(symbols, tables * width, out=own)
            tables += labelling.highest() - labelling.table_offset + 1
            for group, labels in zip(labelling.groups, labelling.labels, strict=True):
                extents = [1] * len(shape)
                extents[group.first : group.last + 1] = symbols.shape[group.first : group.last + 1]
                own += (labelling.step * width * (labels[::stride] if group.first == 0 else labels)).reshape(extents)
        counts = np.bincount(places.reshape(-1)).astype(np.int64)
        used = np.flatnonzero(counts)
        counts = counts[used]
        totals = np.bincount(used // width, counts, tables).astype(np.int64)
        starts = np.searchsorted(used, np.array(firsts) * width)
        inside = np.add.reduceat(counts * log2_fixed(counts), starts)
        around = np.add.reduceat(totals * log2_fixed(totals), firsts)
        full = np.add.reduceat((totals > 0).astype(np.int64), firsts)
        values = (around - inside) >> FRACTION
        if sampled.size < elements:
            # A sample fits its own counts too well: about 0.7 bits for each, and as much again on the rest.
            seen = np.diff(starts, append=used.size)
            values = np.array([v * elements // sampled.size for v in (values + OVERFIT_BITS * seen).tolist()])
        grouped = np.array([bool(labelling.groups) for labelling in part])
        out += (values + TABLE_BITS * full * grouped + tags[begin : begin + at_once]).tolist()
    return out


def choose_predictor(shape: tuple[int, ...], values: Integers, known: Known) -> Predictor | None:
    """The predictor that saves the most bits on a sample: a new one, one of those known, or none.

    Args:
        shape: of the tensor.
        values: in raster order.
        known: predictors of tensors before, which cost nothing more.
    """
    taps = taps_of(shape)
    if taps == 1 or values.size < SMALLEST_PREDICTED or int(np.abs(values).max()) >= ENCODER_LIMIT:
        return None
    runs = sample_runs(values, taps)
    own = fit(runs, shape[-1])
    best, least = None, _runs_bits(runs) * values.size // runs.size
    for predictor in [own, *known.last(taps, KNOWN_TRIED)]:
        bits = _runs_bits(predictor.residuals(runs.reshape(-1)).reshape(runs.shape)) * values.size // runs.size
        bits += 0 if predictor in known else predictor.bits
        if bits < least:
            best, least = predictor, bits
    return best


def _runs_bits(runs: Integers) -> int:
    """About the bits of runs, each coded by a table for its scale: by zero-order entropy within classes of scale."""
    magnitudes = np.abs(runs)
    scales = np.minimum(log2_fixed(1 + magnitudes.sum(axis=1)) >> (FRACTION - 1), 63)
    symbols, _ = to_symbols(runs.reshape(-1))
    width = int(symbols.max(initial=0)) + 1
    counts = np.bincount(np.repeat(scales, runs.shape[1]) * width + symbols).astype(np.int64)
    used = np.flatnonzero(counts)
    totals = np.bincount(used // width, counts[used]).astype(np.int64)
    bits = int((totals * log2_fixed(totals)).sum()) - int((counts[used] * log2_fixed(counts[used])).sum())
    # What class each run belongs to is information as well.
    bits += int(entropy(np.bincount(scales).astype(np.int64))) // 2
    return (bits >> FRACTION) + int(raw_length(symbols).sum())
