"""Informative: an encoder's model data units: which tensors share one, and the elements of each (6.11)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from refsw.entropy.rans import Contexts, Frequencies, encode
from refsw.models.arithmetic import Integers
from refsw.models.arrangement import Arrangement, arrange, second_tables
from refsw.models.choice import choose_predictor
from refsw.models.coding import Coded, xz_unit
from refsw.models.levels import to_level_symbols
from refsw.models.prediction import Known, Predictor
from refsw.models.search import Found, Member, Search
from refsw.models.symbols import Symbols, pack_raw
from refsw.models.tables import SAME, as_tables, normalize, precision_for
from refsw.models.targets import finer
from refsw.syntax.codes import ModelCoder, Profile, ValueQuantizer
from refsw.syntax.declaration import Values
from refsw.syntax.model_structures import MAX_LANES_LOG2, MAX_PREDICTORS, MODEL_DATA
from refsw.syntax.structure import Edition
from refsw.syntax.units import pack_body

UNIT_ELEMENTS = 1 << 23
VALUES_A_LANE, LABELS_A_LANE = 1 << 13, 1 << 10
EXTENDED = Edition.of(Profile.MODEL_EXTENDED)
Decoded = Callable[[Integers | None, int], None]
"""Takes the values that a decoder will have, and g of their grid; None: those that are known."""


@dataclass(frozen=True)
class Waiting:
    """A coded tensor that waits for its unit.

    Args:
        coded: the tensor with the values that rounding gives.
        numbers: what its values shall be near to, in units of 2^-16 of the step, or if exact, these values themselves;
            None: only a unit with plain values will do.
        exact: whether its elements are exact.
        decoded: is told the values, once they are known.
    """

    coded: Coded
    numbers: Integers | None
    exact: bool
    decoded: Decoded


@dataclass(frozen=True)
class Content:
    """What is coded of a unit: tables, and the table and symbol of every value in the order of lanes."""

    plan: Arrangement
    syntax: list[Values]
    rows: list[Frequencies]
    contexts: Contexts
    symbols: Symbols
    raw: bytes
    more: Values


class UnitWriter:
    """Gathers coded tensors to units and codes each unit as soon as it is full.

    `units` are the elements of the model data units so far, `largest` is the number of elements of the largest one.

    Args:
        quantizers: what is tried for units with targets: the fewest bytes win.
    """

    def __init__(self, quantizers: Sequence[ValueQuantizer] = ()) -> None:
        self.quantizers = quantizers
        self.units: list[Values] = []
        self.largest = 0
        self._group: list[Waiting] = []
        self._elements = 0
        self._predictors: set[Predictor | None] = set()
        self._count = 0

    def add(self, tensor: Waiting) -> None:
        """The next coded tensor."""
        coded = tensor.coded
        if coded.xz is not None:
            self.close()
            self.units.append(xz_unit(self._count, coded.xz))
            self._count += 1
            self.largest = max(self.largest, coded.type.elements)
            tensor.decoded(None, 0)
            return
        full = self._elements + coded.type.elements > UNIT_ELEMENTS
        apart = bool(self._group) and (tensor.numbers is None) != (self._group[0].numbers is None)
        if self._group and (full or apart or len(self._predictors) >= MAX_PREDICTORS):
            self.close()
        self._group.append(tensor)
        self._elements += coded.type.elements
        self._predictors.add(coded.predictor)

    def close(self) -> None:
        """Code what waits."""
        if self._group:
            self.units.append(self._unit())
            self._count += len(self._group)
            self.largest = max(self.largest, self._elements)
            self._group, self._elements, self._predictors = [], 0, set()

    def _unit(self) -> Values:
        group = [tensor.coded for tensor in self._group]
        predictors = [coded.predictor for coded in group]
        unit = _unit(self._count, predictors, _plain(group))
        members = _members(self._group)
        best: Found | None = None
        for quantizer in self.quantizers if not all(member.exact for member in members) else ():
            search = Search(members, quantizer, 1 << _lanes(self._elements, VALUES_A_LANE))
            found = search.run()
            if found is not None:
                other = _unit(self._count, [member.predictor for member in members], _of_levels(search, found))
                if _size(other) < _size(unit):
                    unit, best = other, found
        for t, tensor in enumerate(self._group):
            if best is None or tensor.exact:
                tensor.decoded(None, 0)
            else:
                tensor.decoded(best.values[t], best.grid)
        return unit


def _size(unit: Values) -> int:
    return len(pack_body(MODEL_DATA, unit, edition=EXTENDED))


def _members(group: list[Waiting]) -> list[Member]:
    """The tensors of a unit for a search; none if plain values are asked for."""
    known, members = Known(), list[Member]()
    for tensor in group:
        numbers, kind = tensor.numbers, tensor.coded.type
        if numbers is None:
            return []
        # Targets in half steps tell better than rounded ones how they are predicted.
        predictor = choose_predictor(kind.shape, numbers if tensor.exact else finer(numbers), known)
        if predictor is not None:
            known.add(predictor)
            numbers = predictor.residuals(numbers) if tensor.exact else numbers
        members.append(Member(kind.shape, predictor, tensor.coded.is_new, tensor.exact, numbers))
    return members


def _plain(group: list[Coded]) -> Content:
    """10.6 The values of tensors as they are."""
    precision = precision_for(sum(tensor.type.elements for tensor in group))
    plan = arrange([(t.type.shape, t.choice.labelling, t.symbols, t.is_new) for t in group], precision)
    contexts = np.concatenate([plan.rows_of(t, tensor.type.shape) for t, tensor in enumerate(group)])
    symbols = np.concatenate([tensor.symbols for tensor in group])
    raw_symbols = np.concatenate([tensor.raw_symbols for tensor in group])
    raw = pack_raw(raw_symbols, np.concatenate([tensor.raw_magnitudes for tensor in group]))
    more = {"value_quantizer": ValueQuantizer.PLAIN}
    return Content(plan, list(plan.syntax), plan.rows, contexts, symbols, raw, more)


def _of_levels(search: Search, found: Found) -> Content:
    """10.6.7 Levels, plane by plane."""
    plan, planes, dependent = found.plan, search.planes, search.quantizer is ValueQuantizer.DEPENDENT
    contexts = planes.gather([plan.rows_of(t, m.shape) for t, m in enumerate(search.members)])
    symbols, magnitudes = to_level_symbols(planes.gather(found.levels), search.quantizer)
    more = {"value_quantizer": search.quantizer, "grid": found.grid}
    raw = pack_raw(symbols, magnitudes)
    if not dependent:
        return Content(plan, list(plan.syntax), plan.rows, contexts, symbols, raw, more)
    capped = any(member.is_new for member in search.members)
    rows, syntax = second_tables(plan, search.counts(found), search.precision, capped)
    contexts = 2 * contexts.astype(np.uint16) + planes.gather(found.quantizers)
    return Content(plan, syntax, rows, contexts, symbols, raw, more)


def _unit(first: int, chosen: list[Predictor | None], content: Content) -> Values:
    """6.11 The elements of a unit coded with rANS, of tensors with these predictors."""
    elements = content.symbols.size
    precision = precision_for(elements)
    labellings = content.plan.labellings
    predictors = list(dict.fromkeys(predictor for predictor in chosen if predictor is not None))
    numbers: dict[Predictor | None, int] = {None: 0, **{p: i for i, p in enumerate(predictors, 1)}}
    values: Values = {
        "first_coded_tensor": first,
        "coded_tensor_count_minus1": len(chosen) - 1,
        "model_coder": ModelCoder.RANS,
        "predictor_count": len(predictors),
        "predictor_taps_minus2": [predictor.taps - 2 for predictor in predictors],
        "predictor_coefficient": [predictor.rows for predictor in predictors],
        "predictor": [numbers[predictor] for predictor in chosen],
        "table_offset": [labelling.table_offset for labelling in labellings],
        "label_group_count": [len(labelling.groups) for labelling in labellings],
        "label_step_minus1": [labelling.step - 1 for labelling in labellings],
        "group_first_axis": [[group.first for group in labelling.groups] for labelling in labellings],
        "group_last_axis": [[group.last for group in labelling.groups] for labelling in labellings],
        "frequency_precision": precision,
        "table_count_minus1": len(content.plan.index) - 1,
    }
    payload = bytearray()
    syntax = list(content.syntax)
    labels = [part for labelling in labellings for part in labelling.labels]
    if labels:
        joined = np.concatenate(labels).astype(np.uint16)
        row, elements_of = normalize(np.bincount(joined).astype(np.int64), precision)
        syntax.append(elements_of)
        values["label_lanes_log2"] = lanes = _lanes(joined.size, LABELS_A_LANE)
        states, words = encode(as_tables([row]), np.zeros(joined.size, np.uint8), joined, 1 << lanes)
        values["label_word_count"] = len(words)
        payload += states.astype(">u4").tobytes() + words.astype(">u2").tobytes()
    for name in {name: None for table in syntax for name in table}:
        values[name] = [table.get(name, SAME[name.removeprefix("second_")]) for table in syntax]
    values["lanes_log2"] = lanes = _lanes(elements, VALUES_A_LANE)
    states, words = encode(as_tables(content.rows), content.contexts, content.symbols, 1 << lanes)
    values["word_count"] = len(words)
    payload += states.astype(">u4").tobytes() + words.astype(">u2").tobytes() + content.raw
    return values | content.more | {"model_payload": bytes(payload)}


def _lanes(values: int, each: int) -> int:
    """Log2 of the number of lanes: a lane costs four bytes, fewer lanes cost time."""
    return min(MAX_LANES_LOG2, max(0, (values // each).bit_length() - 1))
