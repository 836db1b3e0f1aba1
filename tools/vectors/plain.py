"""Chapter 10 in plain integers and fractions: models, digests, elements, symbols, rANS; slow, and without refsw.

The vectors of model updates are made with it, so that nothing in them comes from the decoder that they test.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

SIZES = {
    "FLOAT32": 4, "FLOAT16": 2, "BFLOAT16": 2, "FLOAT64": 8, "UINT8": 1, "INT8": 1, "UINT16": 2, "INT16": 2,
    "UINT32": 4, "INT32": 4, "UINT64": 8, "INT64": 8, "BOOL": 1,
}  # fmt: skip
TYPES = tuple(SIZES)
PRECISION = {"FLOAT32": (24, -126), "FLOAT16": (11, -14), "BFLOAT16": (8, -126), "FLOAT64": (53, -1022)}
SAFETENSORS = dict(
    zip(TYPES, ["F32", "F16", "BF16", "F64", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "BOOL"], strict=True)
)
TOTAL, LOWEST = 1 << 14, 1 << 16
MULTIPLIERS = {"ONE": 1, "TWO": 2, "FIVE": 5}


class Tensor(NamedTuple):
    """A tensor of a model: its elements as little-endian bytes."""

    type: str
    shape: tuple[int, ...]
    raw: bytes


Model = dict[str, Tensor]


def words_of(tensor: Tensor) -> list[int]:
    """The elements as unsigned integers."""
    size = SIZES[tensor.type]
    return [int.from_bytes(tensor.raw[i : i + size], "little") for i in range(0, len(tensor.raw), size)]


def tensor_of(kind: str, shape: Sequence[int], words: Sequence[int]) -> Tensor:
    """A tensor from words, taken modulo 2^n."""
    size = SIZES[kind]
    raw = b"".join((word % (1 << 8 * size)).to_bytes(size, "little") for word in words)
    if len(raw) != size * math.prod(shape):
        raise ValueError(f"{len(words)} elements for shape {shape}")
    return Tensor(kind, tuple(shape), raw)


def number(kind: str, word: int) -> float:
    """The number that a word of a floating-point format is."""
    form = {"FLOAT16": "<e", "FLOAT64": "<d"}.get(kind, "<f")
    raw = (word << 16).to_bytes(4, "little") if kind == "BFLOAT16" else word.to_bytes(SIZES[kind], "little")
    return float(struct.unpack(form, raw)[0])


def round_to(s: float, kind: str) -> int:
    """4.4 The word of the nearest number of a format, ties to even; zeros are positive."""
    precision, lowest = PRECISION[kind]
    sign = int(s < 0) << (8 * SIZES[kind] - 1)
    exponent = max(math.frexp(s)[1] - 1, lowest)
    q = round(abs(Fraction(s)) / Fraction(2) ** (exponent - precision + 1))
    if not q:
        return 0
    # A carry into the exponent comes of itself.
    word = q + ((exponent - lowest) << (precision - 1))
    top = (3 - 2 * lowest) << (precision - 1)
    return sign | min(word, top)


def canonical(model: Model) -> list[str]:
    """10.2.1 Names in canonical order."""
    return sorted(model, key=str.encode)


def digest(model: Model) -> bytes:
    """10.2.2 The digest of a model."""
    whole = hashlib.sha256(b"DFC model\n")
    for name in canonical(model):
        kind, shape, raw = model[name]
        text = " ".join(map(str, [kind.lower(), len(shape), *shape, len(name.encode())]))
        whole.update(hashlib.sha256(f"{text}\n{name}".encode() + raw).digest())
    return whole.digest()


def safetensors(model: Model) -> bytes:
    """A model as a file."""
    head, place = {}, 0
    for name, (kind, shape, raw) in model.items():
        head[name] = {
            "dtype": SAFETENSORS[kind],
            "shape": list(shape),
            "data_offsets": [place, place + len(raw)],
        }
        place += len(raw)
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(tensor.raw for tensor in model.values())


def elements(kind: str, shape: Sequence[int], mode: str, step: Sequence[Any], values: Sequence[int],
             source: Tensor | None, grid: int | None = None) -> Tensor:  # fmt: skip
    """10.4 The tensor that values give, those of levels with their grid."""
    before = words_of(source) if source else [0] * len(values)
    if mode in ("QUANTIZED", "QUANTIZED_DIFFERENCE"):
        digits, m = step[0], MULTIPLIERS[step[1]]
        g, h = (1, 1) if grid is None else (grid, 1024)
        parts = [float(v * m * g) / float(h * 10**digits) for v in values]
        if mode == "QUANTIZED_DIFFERENCE":
            assert source is not None
            parts = [number(source.type, b) + d for b, d in zip(before, parts, strict=True)]
        return tensor_of(kind, shape, [round_to(s, kind) for s in parts])
    return tensor_of(kind, shape, [b + v for b, v in zip(before, values, strict=True)])


def part(tensor: Tensor, new: Sequence[int]) -> Tensor:
    """10.3.4 The elements at the same indices in another shape, zeros where there are none."""
    words, old, out = words_of(tensor), tensor.shape, list[int]()
    for place in range(math.prod(new)):
        rest, number, inside, weight = place, 0, True, 1
        for a, b in zip(reversed(old), reversed(new), strict=True):
            rest, index = divmod(rest, b)
            inside, number, weight = inside and index < a, number + index * weight, weight * a
        out.append(words[number] if inside else 0)
    return tensor_of(tensor.type, new, out)


# --- 10.6 ---


def symbol(value: int) -> tuple[int, str]:
    """10.6.1 (symbol, its raw bits)."""
    magnitude = abs(value)
    if magnitude < 16:
        c, bits = magnitude, ""
    else:
        size = magnitude.bit_length() - 3
        c = 16 + 4 * (size - 2) + (magnitude >> size) - 4
        bits = f"{magnitude & (1 << size) - 1:0{size}b}"
    return 2 * c - (value < 0), bits


def residuals(values: Sequence[int], rows: Sequence[Sequence[int]]) -> list[int]:
    """10.6.6 What prediction leaves of values."""
    out, taps = [], len(rows) + 1
    for start in range(0, len(values), taps):
        v = values[start : start + taps]
        out.append(v[0])
        out += [v[p] - ((32 + sum(c * x for c, x in zip(rows[p - 1], v, strict=False))) >> 6) for p in range(1, taps)]
    return out


def rans(tables: Sequence[dict[int, int]], contexts: Sequence[int], symbols: Sequence[int],
         lanes: int) -> tuple[list[int], list[int]]:  # fmt: skip
    """10.6.5 States and words that decode to the symbols."""
    starts = []
    for table in tables:
        place, row = 0, {}
        for s in sorted(table):
            row[s] = place
            place += table[s]
        if place != TOTAL:
            raise ValueError(f"frequencies of a sum of {place}")
        starts.append(row)
    states, words = [LOWEST] * lanes, list[int]()
    for i in reversed(range(len(symbols))):
        x, t, s = states[i % lanes], contexts[i], symbols[i]
        f = tables[t][s]
        if x >= f << 18:
            words.append(x & 0xFFFF)
            x >>= 16
        states[i % lanes] = (x // f << 14) + starts[t][s] + x % f
    return states, words[::-1]


def frequencies(symbols: Sequence[int], precision: int) -> tuple[dict[int, int], int]:
    """A table for the symbols, and which of them has what is left: about as often as they occur."""
    counts = {s: symbols.count(s) for s in sorted(set(symbols))} or {0: 1}
    rest = max(counts, key=lambda s: counts[s])
    table = {s: _kept(max(1, TOTAL * n // max(1, len(symbols))), precision) for s, n in counts.items()}
    table[rest] = 0
    table[rest] = TOTAL - sum(table.values())
    return table, rest


def _kept(frequency: int, precision: int) -> int:
    drop = max(0, frequency.bit_length() - 1 - precision)
    return frequency >> drop << drop
