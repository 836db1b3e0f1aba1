"""13.12.5 The model that an update gives against the one that was to be coded, tensor by tensor."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from refsw.conformance.comparison import Checkpoint, Mismatch
from refsw.conformance.elements import difference, shown_element, words_of
from refsw.conformance.encoders.features import Comparison
from refsw.models.apply import apply_update
from refsw.models.arithmetic import Step
from refsw.models.directory import QUANTIZED, Directory, resolve
from refsw.models.reader import ModelReader
from refsw.models.state import FLOATS, model_of
from refsw.syntax.codes import TensorMode
from refsw.syntax.units import UnitReader
from refsw.tensor.axes import Array

BY_STEP = (*QUANTIZED, TensorMode.UNCHANGED, TensorMode.COPY)
"""Modes whose elements may be off by less than a step: those of a difference that rounds to nothing as well."""


def compare_models(
    data: bytes, base: Mapping[str, Array] | None, given: Mapping[str, Array]
) -> tuple[Comparison, dict[str, Array]]:
    """What the updates of a bitstream make of a base, and the model that comes of it.

    Raises:
        DfcError: the bitstream does not decode, or is for another base.
    """
    found = Comparison()
    got = apply_update(None if base is None else dict(base), data)
    if got.keys() != given.keys():
        missing = ", ".join(sorted(given.keys() - got.keys())) or "no other tensors"
        more = ", ".join(sorted(got.keys() - given.keys())) or "nothing in their place"
        found.others.append(Mismatch("model", Checkpoint.HEADER, "other tensors", missing[:300], more[:300]))
    steps = _steps(data, base)
    for name in sorted(given.keys() & got.keys()):
        a, b = given[name], got[name]
        wanted, came = (f"{x.dtype.name} {x.shape}" for x in (a, b))
        if wanted != came:
            found.others.append(Mismatch(name, Checkpoint.HEADER, "another number format or shape", wanted, came))
            continue
        found.add_errors(a, b)
        _elements(found, name, a, b, steps.get(name))
    return found, got


def _steps(data: bytes, base: Mapping[str, Array] | None) -> dict[str, float]:
    """The step below which every tensor may be off; no entry for those that arrive bit by bit."""
    steps: dict[str, float] = {}
    model = model_of({} if base is None else dict(base))
    types = [model.types[name] for name in model.names]
    for content in ModelReader(UnitReader(io.BytesIO(data))):
        if isinstance(content, Directory):
            entries = [entry for entry in resolve(content, types) if entry is not None]
            types = sorted((entry.type for entry in entries), key=lambda kind: kind.name.encode())
            usual = max([_size(content.step), *(_size(e.entry.step) for e in entries if e.entry.mode in QUANTIZED)])
            for entry in entries:
                mode = entry.entry.mode
                if mode in BY_STEP and entry.type.element_type in FLOATS:
                    own = _size(entry.entry.step) if mode in QUANTIZED else usual
                    steps[entry.type.name] = steps.get(entry.type.name, 0.0) + own
    return steps


def _size(step: Step) -> float:
    return step.m / step.scale


def _elements(found: Comparison, name: str, given: Array, got: Array, step: float | None) -> None:
    if step is None:
        found.add_rule("integers, and what is coded exactly: every bit")
        other = difference(given, got)
        if other is not None:
            found.add_wrong(Mismatch(name, Checkpoint.MODEL, "other elements, though they are coded exactly",
                                     other.expected, other.got, other.index, ulps=other.ulps,
                                     differing=other.differing, elements=other.elements))  # fmt: skip
        return
    found.add_rule(f"a step of {step:g}: less than a step, and a rounding to the number format")
    x, y = given.astype(np.float64), got.astype(np.float64)
    errors = np.abs(x - y)
    wrong = (errors >= step + _spacing(got)) & (words_of(given) != words_of(got)).reshape(given.shape)
    if wrong.any():
        index = tuple(int(i) for i in np.unravel_index(int(np.where(wrong, errors, 0).argmax()), given.shape))
        found.add_wrong(Mismatch(
            name, Checkpoint.MODEL, f"off by {float(errors[index]):.3g}, with a step of {step:g}",
            shown_element(given[index]), shown_element(got[index]), index, differing=int(np.count_nonzero(wrong)),
            elements=given.size,
        ))  # fmt: skip


def _spacing(x: Array) -> Array:
    """About the distance between neighbouring numbers of a format where the elements are."""
    bits = {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7}[x.dtype.name]
    least = {"float64": -1074, "float32": -149, "float16": -24, "bfloat16": -133}[x.dtype.name]
    _, exponents = np.frexp(np.abs(x.astype(np.float64)))
    spacing: Array = np.ldexp(1.0, np.maximum(exponents - bits, least))
    return spacing
