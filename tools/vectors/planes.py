"""10.6.7 in plain integers: the order of levels, their quantizers and symbols, and the values that they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from vectors import plain


class Levels(NamedTuple):
    """A tensor of levels in raster order, the rows of its predictor, and whether its elements are exact."""

    levels: Sequence[int]
    rows: Sequence[Sequence[int]]
    exact: bool


def order(tensors: Sequence[Levels]) -> list[tuple[int, int]]:
    """(tensor, place in it) of every level, plane by plane."""
    found = []
    for p in range(max(len(t.rows) + 1 for t in tensors)):
        for number, t in enumerate(tensors):
            found += [(number, i) for i in range(len(t.levels)) if i % (len(t.rows) + 1) == p]
    return found


def quantizers(tensors: Sequence[Levels], lanes: int, dependent: bool) -> list[int]:
    """Q of every level, in their order."""
    states, found = [0] * lanes, []
    for n, (t, i) in enumerate(order(tensors)):
        s = states[n % lanes]
        q = s % 2 if dependent else 0
        found.append(q)
        states[n % lanes] = (s >> 1) ^ (7 * q) ^ (2 * (abs(tensors[t].levels[i]) % 2))
    return found


def values(tensors: Sequence[Levels], lanes: int, dependent: bool) -> list[list[int]]:
    """The values of every tensor."""
    out = [list(t.levels) for t in tensors]
    for (t, i), q in zip(order(tensors), quantizers(tensors, lanes, dependent), strict=True):
        level = out[t][i]
        if not tensors[t].exact:
            out[t][i] = 2 * level - ((level > 0) - (level < 0)) * q
    for own, t in zip(out, tensors, strict=True):
        taps = len(t.rows) + 1
        for start in range(0, len(own), taps):
            for p, row in enumerate(t.rows, 1):
                own[start + p] += (32 + sum(c * own[start + j] for j, c in enumerate(row))) >> 6
    return out


def symbol(level: int, dependent: bool) -> tuple[int, str]:
    """(symbol, its raw bits) of a level."""
    magnitude = abs(level)
    if magnitude < 16 or not dependent:
        return plain.symbol(level)
    half = magnitude >> 1
    size = half.bit_length() - 2
    c = 16 + 4 * (size - 2) + 2 * ((half >> size) - 2) + magnitude % 2
    return 2 * c - (level < 0), f"{half & (1 << size) - 1:0{size}b}"


def second(unit: dict[str, Any], number: int) -> Any:
    """What a recipe says of a second table: 0 for the same as the first, None for one that suits the symbols."""
    told = unit.get("second", [])
    return told[number] if number < len(told) else 0
