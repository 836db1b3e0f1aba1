"""Units of levels made by hand, in plain Python, as clause 10.6.7 stands there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from model_streams import Unit, bytes_of, flat_row, flat_table, scalar_encode, symbol_of

from refsw.syntax.codes import Profile, UnitType, ValueQuantizer
from refsw.syntax.declaration import Values
from refsw.syntax.structure import Edition
from refsw.syntax.structures import MODEL_DATA
from refsw.syntax.units import pack_body

EXTENDED = Profile.MODEL_EXTENDED
PLAIN, EVEN, DEPENDENT = ValueQuantizer


def parity_symbol_of(level: int) -> tuple[int, str]:
    """The symbol of a level and its raw bits, by trying the classes one by one."""
    magnitude = abs(level)
    if magnitude < 16:
        return symbol_of(level)
    for c in range(16, 252):
        o, k = (c - 16) // 4, (c - 16) % 4
        rest = magnitude - (2 * ((2 + k // 2) * 2 ** (o + 2)) + k % 2)
        if rest % 2 == 0 and 0 <= rest // 2 < 2 ** (o + 2):
            return 2 * c - (level < 0), format(rest // 2, f"0{o + 2}b")
    raise AssertionError(level)


@dataclass
class Coded:
    """A tensor of levels: in raster order; taps and coefficients of its predictor."""

    levels: Sequence[int]
    coefficients: list[list[int]] = field(default_factory=list)
    exact: bool = False

    @property
    def taps(self) -> int:
        return len(self.coefficients) + 1


def places(tensors: Sequence[Coded]) -> list[tuple[int, int]]:
    """Tensor and place in it of every value, in the order of planes."""
    most = max((tensor.taps for tensor in tensors), default=1)
    return [
        (t, i)
        for p in range(most)
        for t, tensor in enumerate(tensors)
        for i in range(len(tensor.levels))
        if i % tensor.taps == p
    ]


def quantizers(tensors: Sequence[Coded], quantizer: int, lanes: int) -> list[int]:
    """q of every value, in the order of planes."""
    states, found = [0] * lanes, []
    for number, (t, i) in enumerate(places(tensors)):
        s = states[number % lanes]
        q = s % 2 if quantizer == DEPENDENT else 0
        found.append(q)
        states[number % lanes] = s // 2 ^ 7 * q ^ 2 * (abs(tensors[t].levels[i]) % 2)
    return found


def values_of(tensors: Sequence[Coded], quantizer: int, lanes: int) -> list[list[int]]:
    """The values of every tensor."""
    out = [[0] * len(tensor.levels) for tensor in tensors]
    for (t, i), q in zip(places(tensors), quantizers(tensors, quantizer, lanes), strict=True):
        level = tensors[t].levels[i]
        out[t][i] = level if tensors[t].exact else 2 * level - (level > 0) * q + (level < 0) * q
    for tensor, values in zip(tensors, out, strict=True):
        for begin in range(0, len(values), tensor.taps):
            v = values[begin : begin + tensor.taps]
            for p, row in enumerate(tensor.coefficients, 1):
                v[p] += math.floor((32 + sum(c * v[j] for j, c in enumerate(row))) / 64)
            values[begin : begin + tensor.taps] = v
    return out


def level_unit(
    tensors: Sequence[Coded], quantizer: int, *, grid: int = 1024, lanes_log2: int = 0, second: bool = True,
    first: int = 0, payload: Any = None, **changes: Any,
) -> Unit:  # fmt: skip
    """A unit of one pair of flat tables; the second one is shorter by its first symbol's frequency, or the same."""
    symbol = parity_symbol_of if quantizer == DEPENDENT else symbol_of
    coded = [symbol(tensors[t].levels[i]) for t, i in places(tensors)]
    symbols, raw = [s for s, _ in coded], "".join(bits for _, bits in coded)
    end = max(symbols, default=0) + 2
    qs = quantizers(tensors, quantizer, 1 << lanes_log2)
    rows = [flat_row(end), flat_row(end + 3) if second else flat_row(end)]
    states, words = scalar_encode(rows, qs, symbols, 1 << lanes_log2)
    predictors = [tensor.coefficients for tensor in tensors if tensor.coefficients]
    numbers = iter(range(1, len(predictors) + 1))
    count = len(tensors)
    values: Values = {
        "first_coded_tensor": first,
        "coded_tensor_count_minus1": count - 1,
        "model_coder": 0,
        "value_quantizer": quantizer,
        "grid": grid,
        "predictor_count": len(predictors),
        "predictor_taps_minus2": [len(rows) - 1 for rows in predictors],
        "predictor_coefficient": predictors,
        "predictor": [next(numbers) if tensor.coefficients else 0 for tensor in tensors],
        "table_offset": [0] * count,
        "label_group_count": [0] * count,
        "label_step_minus1": [0] * count,
        "group_first_axis": [[]] * count,
        "group_last_axis": [[]] * count,
        "lanes_log2": lanes_log2,
        "frequency_precision": 13,
        "table_count_minus1": 0,
        "word_count": len(words),
        "model_payload": bytes_of(states, words, raw) if payload is None else payload(states, words, raw),
    }
    values |= {name: [value] for name, value in flat_table(end).items()}
    other = flat_table(end + 3) if second else dict.fromkeys(flat_table(1), 0)
    values |= {f"second_{name}": [value] for name, value in other.items()}
    return UnitType.MODEL_DATA, pack_body(MODEL_DATA, values | changes, edition=Edition.of(EXTENDED))
