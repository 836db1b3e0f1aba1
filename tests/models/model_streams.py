"""Model updates made by hand: bitstreams of any units with right CRCs, a scalar rANS coder, plain values."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

from refsw.models.state import Model, model_digest, type_of
from refsw.syntax.codes import ElementType, Level, Profile, TensorMode, UnitType
from refsw.syntax.declaration import Values
from refsw.syntax.structure import FIRST, Edition
from refsw.syntax.structures import END_OF_BITSTREAM, HEADER_BYTES, MODEL_DATA, MODEL_HEADER
from refsw.syntax.units import UnitReader, crc32, pack_body, pack_header, pack_unit

Unit = tuple[int, bytes]
ALL_DTYPES = [np.dtype(d) for d in ("f4", "f2", "f8", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "?")]
ALL_DTYPES.insert(2, np.dtype(ml_dtypes.bfloat16))
TOTAL = 1 << 14
LOWEST = 1 << 16


# --- bitstreams ---


def end_of(tensor_count: int = 0) -> bytes:
    """The body of an end of bitstream unit whose CRC `stream` puts right."""
    values = {"tensor_count": tensor_count, "sample_count": [0] * tensor_count, "bitstream_crc": 0}
    return pack_body(END_OF_BITSTREAM, values)


def stream(*units: Unit, level: Level = Level.L1, end: bytes | None = None, profile: Profile = Profile.MODEL) -> bytes:
    """A bitstream of units, and its end."""
    out = pack_header(profile, level)
    chain = crc32(out[-4:])
    for kind, body in units:
        unit = pack_unit(kind, body)
        chain = crc32(unit[-4:], chain)
        out += unit
    body = end_of() if end is None else end
    return out + pack_unit(UnitType.END_OF_BITSTREAM, body[:-4] + chain.to_bytes(4, "big"))


def units_of(data: bytes) -> list[Unit]:
    """The units of a bitstream but for its end."""
    return [(unit.type, bytes(unit.body)) for unit in UnitReader(io.BytesIO(data))][:-1]


def cut(data: bytes) -> list[bytes]:
    """Header and units of a bitstream, each with its bytes."""
    parts, place = [data[:HEADER_BYTES]], HEADER_BYTES
    for unit in UnitReader(io.BytesIO(data)):
        end = unit.body_offset + len(unit.body) + 4
        parts.append(data[place:end])
        place = end
    return parts


# --- model headers ---


def new_tensor(name: str | bytes, shape: Sequence[int], mode: int, **changes: Any) -> dict[str, Any]:
    """The elements of one new tensor: FLOAT32, no source, no step of its own."""
    data = name.encode() if isinstance(name, str) else name
    return {
        "name_length": len(data),
        "name": data,
        "new_element_type": ElementType.FLOAT32,
        "new_axis_count": len(shape),
        "new_extent": list(shape),
        "source_flag": 0,
        "source_entry": 0,
        "new_tensor_mode": mode,
        "new_step_flag": 0,
        "new_step_digits": 0,
        "new_step_multiplier": 0,
        "new_copy_entry": 0,
    } | changes


def header(
    base: dict[str, Any] | None,
    modes: Sequence[int] = (),
    new: Sequence[dict[str, Any]] = (),
    result: dict[str, Any] | None = None,
    copies: dict[int, int] | None = None,
    **changes: Any,
) -> Unit:
    """A model header unit: a mode for every tensor of the base, and new tensors."""
    values: Values = {
        "network_id": b"",
        "model_version": b"",
        "base_version": b"",
        "base_flag": int(base is not None),
        "base_digest": model_digest(base) if base is not None else b"",
        "base_tensor_count": len(modes),
        "result_digest": model_digest(result) if result is not None else bytes(32),
        "step_digits": 0,
        "step_multiplier": 0,
        "tensor_mode": list(modes),
        "tensor_step_flag": [0] * len(modes),
        "copy_entry": [(copies or {}).get(i, 0) for i in range(len(modes))],
        "new_tensor_count": len(new),
    }
    for name in new_tensor("", (), 0):
        values[name] = [tensor[name] for tensor in new]
    values |= changes
    for name in ("network_id", "model_version", "base_version"):
        values[f"{name}_length"] = len(values[name])
    return UnitType.MODEL_HEADER, pack_body(MODEL_HEADER, values)


# --- 10.6 in plain Python ---


def symbol_of(value: int) -> tuple[int, str]:
    """10.6.1 The symbol of a value, and its raw bits as text."""
    magnitude, raw = abs(value), ""
    if magnitude < 16:
        number = magnitude
    else:
        top = bin(magnitude)[2:]
        octave = len(top) - 5
        number = 16 + 4 * octave + int(top[1:3], 2)
        raw = top[3:]
    return (0 if value == 0 else 2 * number - (value < 0)), raw


def value_of(symbol: int, raw: str) -> int:
    """10.6.1 as it stands there."""
    c = (symbol + 1) // 2
    if c < 16:
        magnitude = c
    else:
        o, k = (c - 16) // 4, (c - 16) % 4
        assert len(raw) == o + 2
        magnitude = (4 + k) * 2 ** (o + 2) + int(raw, 2)
    return -magnitude if symbol % 2 else magnitude


def raw_count(symbol: int) -> int:
    """10.6.1 Number of raw bits."""
    c = (symbol + 1) // 2
    return 0 if c < 16 else (c - 16) // 4 + 2


def scalar_encode(
    rows: Sequence[Sequence[int]], contexts: Sequence[int], symbols: Sequence[int], lanes: int
) -> tuple[list[int], list[int]]:
    """States and words; from the last symbol to the first, each step the inverse of 10.6.5."""
    states, words = [LOWEST] * lanes, list[int]()
    for i in reversed(range(len(symbols))):
        row, s, x = rows[contexts[i]], symbols[i], states[i % lanes]
        start = sum(row[:s])
        if x >= row[s] << 18:
            words.append(x & 0xFFFF)
            x >>= 16
        states[i % lanes] = (x // row[s] << 14) + x % row[s] + start
    return states, words[::-1]


def scalar_decode(
    rows: Sequence[Sequence[int]], contexts: Sequence[int], states: Sequence[int], words: Sequence[int]
) -> tuple[list[int], list[int], int]:
    """10.6.5 as it stands there: symbols, states at the end, words taken (zeros beyond the end)."""
    x, taken, symbols = list(states), 0, []
    for i, t in enumerate(contexts):
        lane = i % len(x)
        slot = x[lane] % 2**14
        start = s = 0
        while start + rows[t][s] <= slot:
            start += rows[t][s]
            s += 1
        x[lane] = rows[t][s] * (x[lane] // 2**14) + slot - start
        if x[lane] < 2**16:
            x[lane] = x[lane] * 2**16 + (words[taken] if taken < len(words) else 0)
            taken += 1
        symbols.append(s)
    return symbols, x, taken


def bytes_of(states: Sequence[int], words: Sequence[int], raw: str = "") -> bytes:
    """10.6.4 States, words, raw bits."""
    padded = raw + "0" * (-len(raw) % 8)
    tail = int(padded, 2).to_bytes(len(padded) // 8, "big") if padded else b""
    return b"".join([*(s.to_bytes(4, "big") for s in states), *(w.to_bytes(2, "big") for w in words), tail])


# --- model data ---


def flat_row(end: int) -> list[int]:
    """Frequencies of 16 for all symbols below `end`, and what is left for symbol 0."""
    return [TOTAL - 16 * (end - 1)] + [16] * (end - 1)


def flat_table(end: int) -> Values:
    """The syntax elements of `flat_row`."""
    return {
        "symbol_end": end,
        "first_symbol": 0,
        "rest_symbol": 0,
        "frequency_class": [0] + [5] * (end - 1),
        "frequency_bits": [0] * end,
    }


def data(
    tensors: Sequence[Sequence[int]],
    *,
    first: int = 0,
    lanes_log2: int = 0,
    tables: Sequence[Values] | None = None,
    payload: Any = None,
    edition: Edition = FIRST,
    **changes: Any,
) -> Unit:
    """A model data unit of one flat table; `payload` makes other bytes of states, words and raw bits."""
    coded = [symbol_of(int(v)) for tensor in tensors for v in tensor]
    symbols, raw = [s for s, _ in coded], "".join(bits for _, bits in coded)
    end = max(symbols, default=0) + 1
    states, words = scalar_encode([flat_row(end)], [0] * len(symbols), symbols, 1 << lanes_log2)
    given = [flat_table(end)] if tables is None else tables
    count = len(tensors)
    values: Values = {
        "first_coded_tensor": first,
        "coded_tensor_count_minus1": count - 1,
        "model_coder": 0,
        "predictor_count": 0,
        "predictor_taps_minus2": [],
        "predictor_coefficient": [],
        "predictor": [0] * count,
        "table_offset": [0] * count,
        "label_group_count": [0] * count,
        "label_step_minus1": [0] * count,
        "group_first_axis": [[]] * count,
        "group_last_axis": [[]] * count,
        "lanes_log2": lanes_log2,
        "frequency_precision": 13,
        "table_count_minus1": len(given) - 1,
        "word_count": len(words),
        "model_payload": bytes_of(states, words, raw) if payload is None else payload(states, words, raw),
    }
    for name in given[0]:
        values[name] = [table[name] for table in given]
    return UnitType.MODEL_DATA, pack_body(MODEL_DATA, values | changes, edition=edition)


def xz_data(payload: bytes, *, first: int = 0, count: int = 1, log2: int = 0, planes: int = 0) -> Unit:
    """A model data unit of an .xz stream."""
    values = {
        "first_coded_tensor": first,
        "coded_tensor_count_minus1": count - 1,
        "model_coder": 1,
        "word_bytes_log2": log2,
        "plane_flag": planes,
        "model_payload": payload,
    }
    return UnitType.MODEL_DATA, pack_body(MODEL_DATA, values)


def full_header(tensors: dict[str, Any], mode: int = TensorMode.EXACT, **changes: Any) -> Unit:
    """The header of a full model: every tensor new, all of one mode."""
    model = Model(tensors)
    new = []
    for name in model:
        kind = type_of(name, model[name])
        new.append(new_tensor(name, kind.shape, mode, new_element_type=kind.element_type))
    return header(None, (), new, tensors, **changes)


# --- comparison ---


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two models have the same names, dtypes, shapes and bytes."""
    x, y = Model(a), Model(b)
    return x.types == y.types and all(x[name].tobytes() == y[name].tobytes() for name in x)


def random_array(rng: np.random.Generator, dtype: np.dtype[Any], shape: Sequence[int], scale: float = 1.0) -> Any:
    """An array of any dtype: what the dtype can hold, small more often than large."""
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if rng.random() < 0.3:
            return rng.integers(info.min, info.max, shape, dtype, endpoint=True)
        return rng.integers(0 if dtype.kind == "u" else -5, 50, shape).astype(dtype)
    return np.asarray(rng.standard_normal(shape) * scale).astype(dtype)
