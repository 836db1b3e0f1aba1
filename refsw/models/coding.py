"""Informative: coding the values of tensors as model data units."""

from __future__ import annotations

import lzma
import zlib
from dataclasses import dataclass

import numpy as np

from refsw.entropy.rans import encode
from refsw.models.arithmetic import WORDS, Integers
from refsw.models.arrangement import arrange
from refsw.models.choice import Choice, all_bits, choose, choose_predictor
from refsw.models.prediction import Known, Predictor
from refsw.models.state import TensorType
from refsw.models.symbols import Magnitudes, Symbols, pack_raw, raw_length, to_symbols
from refsw.models.tables import SAME, as_tables, normalize, precision_for
from refsw.syntax.codes import ModelCoder
from refsw.syntax.declaration import Values
from refsw.syntax.model_structures import MAX_LANES_LOG2, MAX_PREDICTORS, MODEL_DATA
from refsw.syntax.units import pack_body

UNIT_ELEMENTS = 1 << 23
VALUES_A_LANE, LABELS_A_LANE = 1 << 13, 1 << 10
DICTIONARY_SAMPLE, DICTIONARY_SMALLEST = 1 << 16, 1 << 8
DICTIONARY_HOPE = 1.0
XZ_OVERHEAD = 24
EXPANSION = 4096


@dataclass
class Coded:
    """One coded tensor on its way into a unit: symbols, raw bits and labelling, or an .xz stream."""

    type: TensorType
    symbols: Symbols
    choice: Choice
    raw_symbols: Symbols
    raw_magnitudes: Magnitudes
    predictor: Predictor | None = None
    xz: tuple[bytes, int, bool] | None = None
    is_new: bool = False


def prepare(kind: TensorType, values: Integers, *, is_new: bool, dictionary: bool, known: Known) -> Coded:
    """Symbols and labels of a tensor, or its .xz stream where that is smaller.

    Args:
        kind: type of the tensor.
        values: its values in raster order.
        is_new: whether it is a new tensor.
        dictionary: whether an .xz stream may be tried.
        known: predictors of tensors before; one that is chosen here is added.
    """
    predictor = choose_predictor(kind.shape, values, known)
    coded_values = values if predictor is None else predictor.residuals(values)
    symbols, magnitudes = to_symbols(coded_values)
    choice = choose(kind.shape, symbols, magnitudes)
    long = np.flatnonzero(raw_length(symbols)) if int(symbols.max(initial=0)) > 30 else np.empty(0, np.int64)
    coded = Coded(kind, symbols, choice, symbols[long], magnitudes[long], predictor, is_new=is_new)
    if dictionary and values.size >= DICTIONARY_SMALLEST:
        raw_bits = int(raw_length(coded.raw_symbols).sum())
        words = _words(values)
        if _repeats(words, (choice.bits + raw_bits) // 8):
            coded.xz = _dictionary(words, (all_bits(choice, kind.shape, symbols) + raw_bits) // 8)
            if is_new and coded.xz is not None and len(coded.xz[0]) * EXPANSION < values.size:
                coded.xz = None  # 10.9.2: too small for a new tensor
    if predictor is not None and coded.xz is None:
        known.add(predictor)
    return coded


def _words(values: Integers) -> Integers:
    """The values as the smallest integers that hold them all."""
    low, high = int(values.min()), int(values.max())
    width = next(1 << k for k in range(4) if -(1 << ((8 << k) - 1)) <= low and high < 1 << ((8 << k) - 1))
    return values.astype(WORDS[width])


def _repeats(words: Integers, limit: int) -> bool:
    """A quick look: whether zlib's fastest level does better than `limit` bytes on a sample, so that rows repeat."""
    begin = max(0, (words.size - DICTIONARY_SAMPLE) // 2)
    sample = words[begin : begin + DICTIONARY_SAMPLE]
    return len(zlib.compress(sample.tobytes(), 1)) * words.size <= DICTIONARY_HOPE * limit * sample.size


def _dictionary(words: Integers, limit: int) -> tuple[bytes, int, bool] | None:
    """10.7 The .xz stream, log2 of bytes a value, and whether in planes; None if it is no smaller than `limit`."""
    log2 = words.itemsize.bit_length() - 1
    best: tuple[bytes, int, bool] | None = None
    for planes in (False, True) if log2 else (False,):
        raw = words.view(np.uint8).reshape(-1, 1 << log2).T.tobytes() if planes else words.tobytes()
        data = lzma.compress(raw, format=lzma.FORMAT_XZ, check=lzma.CHECK_NONE, filters=_filters(log2, planes))
        if len(data) + XZ_OVERHEAD < (len(best[0]) + XZ_OVERHEAD if best else limit):
            best = data, log2, planes
    return best


def _filters(log2: int, planes: bool) -> list[dict[str, int]]:
    positions = 0 if planes else log2
    return [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 24,
             "lc": min(3, 4 - positions), "lp": positions, "pb": positions}]  # fmt: skip


class UnitWriter:
    """Gathers coded tensors to units and codes each unit as soon as it is full.

    `bodies` are the bodies of the model data units so far, `largest` is the number of elements of the largest one.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.largest = 0
        self._group: list[Coded] = []
        self._elements = 0
        self._predictors: set[Predictor | None] = set()
        self._count = 0

    def add(self, tensor: Coded) -> None:
        """The next coded tensor."""
        if tensor.xz is not None:
            self.close()
            self.bodies.append(_xz_unit(self._count, tensor.xz))
            self._count += 1
            self.largest = max(self.largest, tensor.type.elements)
            return
        full = self._elements + tensor.type.elements > UNIT_ELEMENTS
        if self._group and (full or len(self._predictors) >= MAX_PREDICTORS):
            self.close()
        self._group.append(tensor)
        self._elements += tensor.type.elements
        self._predictors.add(tensor.predictor)

    def close(self) -> None:
        """Code what waits."""
        if self._group:
            self.bodies.append(_rans_unit(self._count, self._group))
            self._count += len(self._group)
            self.largest = max(self.largest, self._elements)
            self._group, self._elements, self._predictors = [], 0, set()


def _xz_unit(number: int, xz: tuple[bytes, int, bool]) -> bytes:
    data, log2, planes = xz
    values = {
        "first_coded_tensor": number,
        "coded_tensor_count_minus1": 0,
        "model_coder": ModelCoder.XZ,
        "word_bytes_log2": log2,
        "plane_flag": int(planes),
        "model_payload": data,
    }
    return pack_body(MODEL_DATA, values)


def _rans_unit(first: int, group: list[Coded]) -> bytes:
    elements = sum(tensor.type.elements for tensor in group)
    precision = precision_for(elements)
    plan = arrange([(t.type.shape, t.choice.labelling, t.symbols, t.is_new) for t in group], precision)
    predictors = list(dict.fromkeys(tensor.predictor for tensor in group if tensor.predictor is not None))
    numbers: dict[Predictor | None, int] = {None: 0, **{p: i for i, p in enumerate(predictors, 1)}}
    values: Values = {
        "first_coded_tensor": first,
        "coded_tensor_count_minus1": len(group) - 1,
        "model_coder": ModelCoder.RANS,
        "predictor_count": len(predictors),
        "predictor_taps_minus2": [predictor.taps - 2 for predictor in predictors],
        "predictor_coefficient": [predictor.rows for predictor in predictors],
        "predictor": [numbers[t.predictor] for t in group],
        "table_offset": [labelling.table_offset for labelling in plan.labellings],
        "label_group_count": [len(labelling.groups) for labelling in plan.labellings],
        "label_step_minus1": [labelling.step - 1 for labelling in plan.labellings],
        "group_first_axis": [[group.first for group in labelling.groups] for labelling in plan.labellings],
        "group_last_axis": [[group.last for group in labelling.groups] for labelling in plan.labellings],
        "frequency_precision": precision,
        "table_count_minus1": len(plan.index) - 1,
    }
    payload = bytearray()
    syntax = list(plan.syntax)
    labels = [part for labelling in plan.labellings for part in labelling.labels]
    if labels:
        joined = np.concatenate(labels).astype(np.uint16)
        row, elements_of = normalize(np.bincount(joined).astype(np.int64), precision)
        syntax.append(elements_of)
        values["label_lanes_log2"] = lanes = _lanes(joined.size, LABELS_A_LANE)
        states, words = encode(as_tables([row]), np.zeros(joined.size, np.uint8), joined, 1 << lanes)
        values["label_word_count"] = len(words)
        payload += states.astype(">u4").tobytes() + words.astype(">u2").tobytes()
    for name in SAME:
        values[name] = [table[name] for table in syntax]
    contexts = np.concatenate(
        [plan.index[own.contexts(t.type.shape)] for own, t in zip(plan.labellings, group, strict=True)]
    )
    symbols = np.concatenate([tensor.symbols for tensor in group])
    values["lanes_log2"] = lanes = _lanes(elements, VALUES_A_LANE)
    states, words = encode(as_tables(plan.rows), contexts, symbols, 1 << lanes)
    values["word_count"] = len(words)
    payload += states.astype(">u4").tobytes() + words.astype(">u2").tobytes()
    raw_symbols = np.concatenate([tensor.raw_symbols for tensor in group])
    payload += pack_raw(raw_symbols, np.concatenate([tensor.raw_magnitudes for tensor in group]))
    return pack_body(MODEL_DATA, values | {"model_payload": bytes(payload)})


def _lanes(values: int, each: int) -> int:
    """Log2 of the number of lanes: a lane costs four bytes, fewer lanes cost time."""
    return min(MAX_LANES_LOG2, max(0, (values // each).bit_length() - 1))
