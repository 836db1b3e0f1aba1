"""Informative: coding the values of tensors as model data units."""

from __future__ import annotations

import lzma
import zlib
from dataclasses import dataclass

import numpy as np

from refsw.models.arithmetic import WORDS, Integers
from refsw.models.choice import Choice, all_bits, choose, choose_predictor
from refsw.models.prediction import Known, Predictor
from refsw.models.state import TensorType
from refsw.models.symbols import Magnitudes, Symbols, raw_length, to_symbols
from refsw.syntax.codes import ModelCoder
from refsw.syntax.declaration import Values

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


def xz_unit(number: int, xz: tuple[bytes, int, bool]) -> Values:
    """6.11 The elements of a unit of one tensor, in an .xz stream."""
    data, log2, planes = xz
    return {
        "first_coded_tensor": number,
        "coded_tensor_count_minus1": 0,
        "model_coder": ModelCoder.XZ,
        "word_bytes_log2": log2,
        "plane_flag": int(planes),
        "model_payload": data,
    }
