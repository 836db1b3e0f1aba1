"""What a byte of a model update can ask for, and chains of updates."""

from __future__ import annotations

import lzma
from typing import Any

import numpy as np
from worst_units import MOST, Streams, bitstream, filled

from refsw.entropy.rans import encode
from refsw.models.state import TensorType, digest_of, tensor_digest
from refsw.models.tables import as_tables, from_values
from refsw.syntax.codes import (
    ElementType,
    ModelCoder,
    Profile,
    TensorMode,
    UnitType,
    ValueQuantizer,
)
from refsw.syntax.structure import Edition
from refsw.syntax.structures import (
    MODEL_DATA,
    MODEL_HEADER,
)
from refsw.syntax.units import pack_body, pack_unit

TOTAL, LOWEST = 1 << 14, 1 << 16


def header(new: list[tuple[str, tuple[int, ...], TensorMode, int]], base: bytes | None = None, kept: int = 0,
           result: bytes = bytes(32)) -> bytes:  # fmt: skip
    """A model header with FLOAT64 tensors that are new, on a base whose tensors stay."""
    count = len(new)
    values: dict[str, Any] = {
        "network_id_length": 0, "network_id": b"", "model_version_length": 0, "model_version": b"",
        "base_flag": int(base is not None), "base_version_length": 0, "base_version": b"", "base_digest": base,
        "base_tensor_count": kept, "result_digest": result, "step_digits": 0, "step_multiplier": 0,
        "tensor_mode": [0] * kept, "tensor_step_flag": [0] * kept, "copy_entry": [0] * kept, "new_tensor_count": count,
        "name_length": [len(name.encode()) for name, *_ in new], "name": [name.encode() for name, *_ in new],
        "new_element_type": [ElementType.FLOAT64] * count, "new_axis_count": [len(shape) for _, shape, *_ in new],
        "new_extent": [list(shape) for _, shape, *_ in new], "source_flag": [0] * count, "source_entry": [0] * count,
        "new_tensor_mode": [mode for _, _, mode, _ in new], "new_step_flag": [0] * count,
        "new_copy_entry": [copy for *_, copy in new],
    }  # fmt: skip
    return pack_unit(UnitType.MODEL_HEADER, pack_body(MODEL_HEADER, values))


def values_unit(first: int, count: int = 1, **changes: Any) -> bytes:
    """A model data unit of one-symbol tables, by default of one lane."""
    values: dict[str, Any] = {
        "first_coded_tensor": first, "coded_tensor_count_minus1": count - 1, "model_coder": ModelCoder.RANS,
        "predictor_count": 0, "predictor_taps_minus2": [], "predictor_coefficient": [], "predictor": [0] * count,
        "table_offset": [0] * count, "label_group_count": [0] * count, "label_step_minus1": [0] * count,
        "group_first_axis": [[]] * count, "group_last_axis": [[]] * count, "label_flag": 0, "lanes_log2": 0,
        "frequency_precision": 13, "table_count_minus1": 0, "label_lanes_log2": 0, "label_word_count": 0,
        "symbol_end": [1], "first_symbol": [0], "rest_symbol": [0], "frequency_class": [[0]], "frequency_bits": [[0]],
        "word_count": 0, "word_bytes_log2": 0, "plane_flag": 0, "model_payload": b"",
    } | changes  # fmt: skip
    lanes = 1 << values["lanes_log2"]
    if values["model_coder"] == ModelCoder.RANS and not values["model_payload"]:
        states = LOWEST.to_bytes(4, "big") * lanes
        labels = LOWEST.to_bytes(4, "big") * (1 << values["label_lanes_log2"]) * values["label_flag"]
        values["model_payload"] = (
            labels + bytes(2 * values["label_word_count"]) + states + bytes(2 * values["word_count"])
        )
    # What levels need is written in bitstreams of profile MODEL_EXTENDED alone.
    none = [0] * len(values["symbol_end"])
    values = {f"second_{name}": none for name in ("symbol_end", "first_symbol", "rest_symbol")} | {"grid": 1} | values
    profile = Profile.MODEL_EXTENDED if "value_quantizer" in values else Profile.MODEL
    return pack_unit(UnitType.MODEL_DATA, pack_body(MODEL_DATA, values, edition=Edition.of(profile)))


TWO = {
    "symbol_end": [2],
    "first_symbol": [0],
    "rest_symbol": [0],
    "frequency_class": [[0, 1]],
    "frequency_bits": [[0, 0]],
}
"""A table in which symbol 0 has all of 2^14 but one."""


def coded_zeros(tables: dict[str, Any], count: int, lanes_log2: int) -> dict[str, Any]:
    """The elements of a unit of `count` symbols 0 of the first table, coded by refsw's own coder."""
    rows = from_values(tables | {"frequency_precision": 13}, 0)
    zeros = np.zeros(count, np.uint16)
    states, words = encode(as_tables(rows[:1]), zeros, zeros, 1 << lanes_log2)
    payload = states.astype(">u4").tobytes() + words.astype(">u2").tobytes()
    return tables | {"lanes_log2": lanes_log2, "word_count": len(words), "model_payload": payload}


def updates() -> Streams:
    """What a model data unit can ask for."""
    coded = TensorMode.QUANTIZED
    for log2 in (0, 4, 5, 8):
        elements = TOTAL << log2
        most = min(220, MOST // (60 + 6 * (1 << log2)), max(1, (1 << 20) // elements))
        head = header([(f"{n:03}", (elements,), coded, 0) for n in range(most)])
        coder = coded_zeros(TWO, elements, log2)
        data = [values_unit(n, **coder) for n in range(most)]
        yield f"rANS, {1 << log2} lanes", bitstream(Profile.MODEL, [head, *data], [])
        data = [values_unit(n, value_quantizer=ValueQuantizer.DEPENDENT, **coder) for n in range(most)]
        yield f"levels, {1 << log2} lanes", bitstream(Profile.MODEL_EXTENDED, [head, *data], [])
    tables = {
        "table_count_minus1": 255, "symbol_end": [2] * 256, "first_symbol": [0] * 256, "rest_symbol": [0] * 256,
        "frequency_class": [[0, 1 + t % 8] for t in range(256)],
        "frequency_bits": [[0, (t // 8) % (1 << t % 8)] for t in range(256)],
    }  # fmt: skip
    head = header([(f"{n:02}", (1,), coded, 0) for n in range(20)])
    coder = coded_zeros(tables, 1, 0)
    yield "256 tables", bitstream(Profile.MODEL, [head, *(values_unit(n, **coder) for n in range(20))], [])
    pairs = [values_unit(n, value_quantizer=ValueQuantizer.DEPENDENT, **coder) for n in range(15)]
    yield "256 pairs of tables", bitstream(Profile.MODEL_EXTENDED, [head, *pairs], [])
    rows = [[[3] * (p + 1) for p in range(63)]]
    taps = {"predictor_count": 1, "predictor_taps_minus2": [62], "predictor_coefficient": rows, "predictor": [1]}
    head = header([("x", (1 << 20,), coded, 0)])
    yield "64 taps", bitstream(Profile.MODEL, [head, values_unit(0, lanes_log2=6, **taps)], [])
    planes = values_unit(0, lanes_log2=6, value_quantizer=ValueQuantizer.EVEN, **taps)
    yield "64 planes", bitstream(Profile.MODEL_EXTENDED, [head, planes], [])
    groups = {"label_group_count": [15], "group_first_axis": [list(range(15))], "group_last_axis": [list(range(15))],
              "label_flag": 1, "symbol_end": [1, 1], "first_symbol": [0] * 2, "rest_symbol": [0] * 2,
              "frequency_class": [[0]] * 2, "frequency_bits": [[0]] * 2}  # fmt: skip
    head = header([("x", (2,) * 10 + (1,) * 4 + (1024,), coded, 0)])
    yield "15 groups of labels", bitstream(Profile.MODEL, [head, values_unit(0, lanes_log2=6, **groups)], [])
    raw = lzma.compress(bytes(8 << 20), format=lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, "preset": 6}])
    xz = {"model_coder": ModelCoder.XZ, "word_bytes_log2": 3, "plane_flag": 1, "model_payload": raw}
    head = header([(f"{n}", (1 << 20,), coded, 0) for n in range(5)])
    yield "xz", bitstream(Profile.MODEL, filled([head], lambda n: values_unit(n, **xz))[0][:6], [])
    names = [(f"{n:x}", (0,), TensorMode.EXACT, 0) for n in range(1400)]
    yield "1,400 empty tensors", bitstream(Profile.MODEL, [header(names), values_unit(0, 1400)], [])
    yield "a long name", bitstream(Profile.MODEL, [header([("x" * 9800, (0,), TensorMode.EXACT, 0)])], [])


def chains() -> Streams:
    """Updates one after the other, each on the result of the one before."""
    shape, zeros = (1 << 20,), np.zeros(1 << 20, np.float64)
    for kind in ("values", "copies", "unchanged"):
        digests: dict[str, bytes] = {}
        digest: bytes | None = None
        units: list[bytes] = []
        for number in range(60):
            mode = TensorMode.COPY if kind == "copies" and number else TensorMode.QUANTIZED
            new = [] if kind == "unchanged" and number else [(f"{number:02}", shape, mode, 0)]
            kept = len(digests)
            digests |= {name: tensor_digest(TensorType(name, ElementType.FLOAT64, shape), zeros) for name, *_ in new}
            result = digest_of(digests)
            update = [header(new, digest, kept, result)]
            update += [values_unit(0, lanes_log2=6)] if new and mode is TensorMode.QUANTIZED else []
            if sum(map(len, units + update)) > MOST - 100:
                break
            units += update
            digest = result
        yield f"a chain of {kind}", bitstream(Profile.MODEL, units, [])


MODELS = (updates, chains)
