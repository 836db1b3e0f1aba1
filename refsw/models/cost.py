"""11.4 What a model update asks for: work, in units of about a byte written, and memory in bytes.

The weights are rounded up from measurements; docs/cost.md has them, with the worst bitstreams that they admit.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from refsw.entropy.cost import symbol_work
from refsw.models.directory import Resolved
from refsw.models.payload import DataContent
from refsw.models.state import Model, TensorType
from refsw.profiles import Allowance
from refsw.syntax.codes import ModelCoder, TensorMode, ValueQuantizer
from refsw.syntax.model_structures import MAX_DISTINCT_TABLES

ENTRY, UNIT, TABLE = 100_000, 500_000, 250_000
OUTPUT, HASHED, VALUE, LABEL, TAP, GROUP = 3, 2, 60, 30, 4, 4
LEVEL, LEVEL_BYTES, DEPENDENT = 20, 12, 4
BASE_VALUE, BASE_UPDATES = 800, 4
"""As many updates as this may change every value of a large base, however few their bytes are."""


def with_base(allowance: Allowance, base: Model | None) -> Allowance:
    """The allowance of a receiver with a model: what is done to its own tensors is no demand of the bitstream's."""
    if base is None:
        return allowance
    values = sum(kind.elements for kind in base.types.values())
    own = len(base) * ENTRY + base.nbytes * (OUTPUT + HASHED) + values * BASE_VALUE
    return replace(allowance, work=allowance.work + BASE_UPDATES * own, memory=allowance.memory + 16 * base.nbytes)


def directory_work(entries: Sequence[Resolved | None], digested: Collection[str]) -> int:
    """Work for the directory of an update, and for the tensors that stay as they are."""
    work = len(entries) * ENTRY
    for entry in entries:
        if entry is not None and entry.entry.mode is TensorMode.UNCHANGED:
            known = entry.source == entry.type and entry.type.name in digested
            work += entry.type.nbytes * (OUTPUT + (0 if known else HASHED))
    return work


def source_bytes(entries: Iterable[Resolved]) -> int:
    """10.3.4 Bytes of the parts of sources of another shape."""
    found = [(entry.type, entry.source) for entry in entries if entry.source is not None]
    return sum(kind.elements * source.dtype.itemsize for kind, source in found if kind.elements != source.elements)


def result_work(types: Iterable[TensorType]) -> int:
    """Work for digesting tensors of a result and writing them."""
    return sum(kind.nbytes for kind in types) * (OUTPUT + HASHED)


def unit_work(unit: DataContent, types: Sequence[TensorType]) -> int:
    """Work for the values of a model data unit."""
    work: int = UNIT + sum(kind.elements for kind in types) * VALUE + result_work(types)
    if unit.coder is not ModelCoder.RANS:
        return work
    v = unit.values
    taps: list[int] = [0] + [len(rows) + 1 for rows in v["predictor_coefficient"]]
    for kind, predictor, groups in zip(types, v["predictor"], v["label_group_count"], strict=True):
        work += kind.elements * (TAP * taps[predictor] // 2 + GROUP * int(groups))
    elements, dependent = sum(kind.elements for kind in types), unit.quantizer is ValueQuantizer.DEPENDENT
    work += _symbols(elements, v["lanes_log2"], DEPENDENT if dependent else 2)
    work += 0 if unit.quantizer is ValueQuantizer.PLAIN else elements * LEVEL
    # Second tables are expanded wherever there are first ones.
    work += TABLE * (1 + dependent) * min(MAX_DISTINCT_TABLES, sum(end > 0 for end in v["symbol_end"]))
    if v["label_flag"]:
        labels = label_count(unit, types)
        work += labels * LABEL + _symbols(labels, v["label_lanes_log2"], 2)
    return work


def _symbols(count: int, lanes_log2: int, halves: int) -> int:
    """Of a part of a unit, in halves of what is usual."""
    return halves * symbol_work(count, 1 << lanes_log2) // 2


def label_count(unit: DataContent, types: Sequence[TensorType]) -> int:
    """Labels of a unit; what 10.6.3 does not allow of them is told later."""
    count, groups = 0, 0
    elements = sum(kind.elements for kind in types)
    for kind, firsts, lasts in zip(types, unit.values["group_first_axis"], unit.values["group_last_axis"], strict=True):
        groups = max(groups, len(lasts))
        sizes = [math.prod(kind.shape[first : last + 1]) for first, last in zip(firsts, lasts, strict=True)]
        count += sum(sizes)
    return min(count, groups * elements)


def unit_memory(unit: DataContent, types: Sequence[TensorType]) -> int:
    """Bytes of memory for the values of a model data unit."""
    elements = sum(kind.elements for kind in types)
    memory = sum(kind.nbytes for kind in types)
    if unit.coder is ModelCoder.XZ:
        width: int = 1 << unit.values["word_bytes_log2"]
        copies = 2 + int(unit.values["plane_flag"])
        return memory + elements * (width * copies + 8)
    memory += 0 if unit.quantizer is ValueQuantizer.PLAIN else LEVEL_BYTES * elements
    return memory + 5 * elements + (20 * label_count(unit, types) if unit.values["label_flag"] else 0)
