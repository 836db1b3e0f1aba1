"""10.6.2 Frequency tables: from the syntax elements, and, for an encoder, from counts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from refsw.entropy.logarithms import FRACTION, log2_fixed
from refsw.entropy.rans import Frequencies, Tables
from refsw.errors import ErrorClass, SemanticError
from refsw.syntax.declaration import Values
from refsw.syntax.model_structures import FREQUENCY_BITS

TOTAL = 1 << FREQUENCY_BITS
Counts = npt.NDArray[np.int64]
CLASS_COST, HEAD_COST = 4, 12
FEW = 48


def from_values(values: Values, bit_offset: int) -> list[Frequencies]:
    """10.6.2 The frequencies of every table, in order.

    Raises:
        SemanticError: the frequencies of a table leave nothing for its rest_symbol.
    """
    rows: list[Frequencies] = []
    for t, end in enumerate(values["symbol_end"]):
        rows.append(_frequencies(values, "", t, end, bit_offset) if end else rows[-1])
    return rows


def second_from_values(values: Values, rows: list[Frequencies], bit_offset: int) -> list[Frequencies]:
    """10.6.2 The frequencies of the second table of every table for values, in order.

    Args:
        values: the elements of the unit.
        rows: what `from_values` gives.
        bit_offset: where the unit stands.

    Raises:
        SemanticError: as with `from_values`.
    """
    seconds: list[Frequencies] = []
    for t, end in enumerate(values["second_symbol_end"]):
        if not values["symbol_end"][t]:
            seconds.append(seconds[-1])
        else:
            seconds.append(_frequencies(values, "second_", t, end, bit_offset) if end else rows[t])
    return seconds


def _frequencies(values: Values, prefix: str, t: int, end: int, bit_offset: int) -> Frequencies:
    precision = values["frequency_precision"]
    first, rest = values[f"{prefix}first_symbol"][t], values[f"{prefix}rest_symbol"][t]
    classes, bits_of = values[f"{prefix}frequency_class"][t], values[f"{prefix}frequency_bits"][t]
    row = np.zeros(end, np.int64)
    for s, (size, bits) in enumerate(zip(classes, bits_of, strict=True)):
        if size:
            kept = min(size - 1, precision)
            row[first + s] = ((1 << kept) + bits) << (size - 1 - kept)
    left = TOTAL - int(row.sum())
    if left < 1:
        raise SemanticError(ErrorClass.OUT_OF_RANGE, "model.rest-frequency", f"{prefix}frequency_bits[{t}]", bit_offset,
                            expected=f"frequencies of a sum below {TOTAL}", got=str(TOTAL - left))  # fmt: skip
    row[first + rest] = left
    return row


def as_tables(rows: list[Frequencies]) -> Tables:
    """Rows of different lengths as one array."""
    width = max((len(row) for row in rows), default=1)
    out = np.zeros((len(rows), width), np.int64)
    for t, row in enumerate(rows):
        out[t, : len(row)] = row
    return Tables(out, FREQUENCY_BITS)


# --- Informative: an encoder's choice of tables, in integers, so that it is the same on every machine ---


def entropy(counts: Counts) -> npt.NDArray[np.int64]:
    """Bits x 2^FRACTION that ideal coding of the counted symbols takes, along the last axis."""
    total = counts.sum(axis=-1)
    parts = (counts * (log2_fixed(total)[..., None] - log2_fixed(counts))).sum(axis=-1)
    return np.asarray(parts, np.int64)


def table_bits(counts: Counts, precision: int) -> npt.NDArray[np.int64]:
    """About the bits of the syntax elements of a table (along the last axis)."""
    used = counts > 0
    width = counts.shape[-1]
    first = np.where(used.any(axis=-1), used.argmax(axis=-1), 0)
    last = np.where(used.any(axis=-1), width - 1 - used[..., ::-1].argmax(axis=-1), 0)
    return np.asarray(HEAD_COST + CLASS_COST * (last - first + 1) + precision * used.sum(axis=-1), np.int64)


def precision_for(total: int) -> int:
    """Bits of a frequency that are worth sending for so many values."""
    return 3 if total < 1 << 17 else 4 if total < 1 << 20 else 6


def merge(counts: Counts, precision: int, most: int) -> npt.NDArray[np.int64]:
    """Which neighbouring tables had better be one: for every row, the first row of its group.

    Greedy: the two neighbouring groups whose union saves the most bits are joined, until none saves any and there are
    at most `most` groups.
    """
    groups = _joined_when_few(counts)

    def cost(rows: Counts) -> npt.NDArray[np.int64]:
        bits = entropy(rows) + (table_bits(rows, precision) << FRACTION)
        return np.where(rows.sum(axis=-1) > 0, bits, 0)

    rows = np.array([row for _, row in groups])
    own = list(cost(rows))
    gains = [own[i] + own[i + 1] - c for i, c in enumerate(cost(rows[:-1] + rows[1:]))] if len(groups) > 1 else []
    while gains and (max(gains) > 0 or len(groups) > most):
        best = int(np.argmax(gains))
        joined = groups[best][1] + groups[best + 1][1]
        groups[best : best + 2] = [(groups[best][0], joined)]
        own[best : best + 2] = [int(cost(joined[None])[0])]
        del gains[best]
        for i in (best - 1, best):
            if 0 <= i < len(groups) - 1:
                union = int(cost((groups[i][1] + groups[i + 1][1])[None])[0])
                gains[i] = own[i] + own[i + 1] - union
    leaders = np.empty(len(counts), np.int64)
    for start, end in pairwise([*[start for start, _ in groups], len(counts)]):
        leaders[start:end] = start
    return leaders


def _joined_when_few(counts: Counts) -> list[tuple[int, Counts]]:
    """Rows of few counts are joined to the row before at once: a table of their own never pays."""
    groups: list[tuple[int, Counts]] = []
    for i, (row, total) in enumerate(zip(counts, counts.sum(axis=1), strict=True)):
        if groups and (total < FEW or groups[-1][1].sum() < FEW):
            groups[-1] = (groups[-1][0], groups[-1][1] + row)
        else:
            groups.append((i, row))
    return groups


def normalize(counts: Counts, precision: int) -> tuple[Frequencies, dict[str, Any]]:
    """Frequencies for one row of counts (not all 0), and the syntax elements that give them."""
    used = np.flatnonzero(counts)
    first, end = int(used[0]), int(used[-1]) + 1
    rest = int(np.argmax(counts))
    total = int(counts.sum())
    size, bits = np.zeros(end - first, np.int64), np.zeros(end - first, np.int64)
    wanted = [max(1, (int(counts[s]) * TOTAL + total // 2) // total) if counts[s] else 0 for s in range(first, end)]
    budget = TOTAL - 1
    row = np.zeros(end, np.int64)
    for nearest in (True, False):
        for s, frequency in enumerate(wanted):
            if frequency and first + s != rest:
                size[s], bits[s], row[first + s] = _rounded(frequency, precision, nearest)
        if row.sum() <= budget:
            break
    while (excess := int(row.sum()) - budget) > 0:  # many symbols of frequency 1: take from the largest
        s = int(np.argmax(row)) - first
        size[s], bits[s], row[first + s] = _rounded(max(1, int(row[first + s]) - excess), precision, False)
    row[rest] = TOTAL - int(row.sum())
    return row, {
        "symbol_end": end,
        "first_symbol": first,
        "rest_symbol": rest - first,
        "frequency_class": size.tolist(),
        "frequency_bits": bits.tolist(),
    }


def _rounded(frequency: int, precision: int, nearest: bool) -> tuple[int, int, int]:
    """Class, bits and value of a frequency of at most `precision` bits after the first."""
    drop = max(0, frequency.bit_length() - 1 - precision)
    kept = (frequency + (1 << drop >> 1 if nearest else 0)) >> drop
    value = kept << drop
    size = value.bit_length()
    n = min(size - 1, precision)
    return size, (value >> (size - 1 - n)) - (1 << n), value


SAME = {"symbol_end": 0, "first_symbol": 0, "rest_symbol": 0, "frequency_class": [], "frequency_bits": []}
