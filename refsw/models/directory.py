"""10.3 The directory of a model update: what becomes of every tensor, and from what."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from refsw.errors import DfcError, ErrorClass, ModelStateError, SemanticError
from refsw.files import is_path
from refsw.models.arithmetic import Step
from refsw.models.state import FLOATS, MAX_PRODUCT, TensorType
from refsw.syntax.codes import ElementType, StepMultiplier, TensorMode
from refsw.syntax.declaration import Values
from refsw.syntax.walker import error_of
from refsw.tensor.axes import DTYPES

CODED = (TensorMode.QUANTIZED_DIFFERENCE, TensorMode.QUANTIZED, TensorMode.EXACT_DIFFERENCE, TensorMode.EXACT)
QUANTIZED = (TensorMode.QUANTIZED_DIFFERENCE, TensorMode.QUANTIZED)
FROM_SOURCE = (TensorMode.UNCHANGED, TensorMode.QUANTIZED_DIFFERENCE, TensorMode.EXACT_DIFFERENCE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Entry:
    """10.3.1 One entry: a tensor of the base, or a new one.

    Args:
        mode: how it is given.
        source: the tensor of the base that it comes from; None if it has none.
        new: type of a new tensor; None for one of the base, which keeps its own.
        step: its quantization step.
        copy_of: the entry that it copies.
    """

    mode: TensorMode
    source: int | None
    new: TensorType | None
    step: Step
    copy_of: int = 0


@dataclass(frozen=True, slots=True)
class Directory:
    """10.3 A model header, read.

    `extended` tells whether sources may have another shape (10.3.4); `coded` lists the entries that have values in
    model data units, in their order.
    """

    network_id: str
    version: str
    base_version: str
    base_digest: bytes | None
    base_tensors: int
    result_digest: bytes
    step: Step
    entries: tuple[Entry, ...]
    bit_offset: int
    extended: bool = False

    @property
    def coded(self) -> list[int]:
        """10.3.3 The entries with values."""
        return [i for i, entry in enumerate(self.entries) if entry.mode in CODED]


@dataclass(frozen=True, slots=True)
class Resolved:
    """An entry with what the base says: the type of the result, and that of the source."""

    entry: Entry
    type: TensorType
    source: TensorType | None


def _text(data: bytes, element: str, offset: int) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise error_of(SemanticError, ErrorClass.OUT_OF_RANGE, "model.utf8", element, offset, "UTF-8",
                       error.reason) from error  # fmt: skip
    if _CONTROL.search(text):
        raise error_of(SemanticError, ErrorClass.OUT_OF_RANGE, "model.name-characters", element, offset,
                       "no characters U+0000 to U+001F or U+007F", repr(text[:60]))  # fmt: skip
    return text


def from_values(values: Values, offset: int, *, extended: bool = False) -> Directory:
    """10.3 The directory from the elements of a model header, in profile MODEL_EXTENDED or not.

    Raises:
        SemanticError: a combination of values that 10.3 does not allow.
    """
    entries = [_base_entry(values, i) for i in range(values["base_tensor_count"])]
    entries += [_new_entry(values, j, offset) for j in range(values["new_tensor_count"])]
    directory = Directory(
        _text(values["network_id"], "network_id", offset),
        _text(values["model_version"], "model_version", offset),
        _text(values.get("base_version", b""), "base_version", offset),
        values["base_digest"] if values["base_flag"] else None,
        values["base_tensor_count"],
        values["result_digest"],
        Step(values["step_digits"], StepMultiplier(values["step_multiplier"])),
        tuple(entries),
        offset,
        extended,
    )
    for error in _check_entries(directory):
        raise error
    return directory


def _base_entry(values: Values, i: int) -> Entry:
    mode = TensorMode(values["tensor_mode"][i])
    step = values["tensor_step_digits"][i], values["tensor_step_multiplier"][i]
    return Entry(mode, i, None, Step(step[0], StepMultiplier(step[1])), values["copy_entry"][i])


def _new_entry(values: Values, j: int, offset: int) -> Entry:
    mode = TensorMode(values["new_tensor_mode"][j])
    name = _text(values["name"][j], f"name[{j}]", offset)
    if is_path(name):
        raise error_of(SemanticError, ErrorClass.OUT_OF_RANGE, "model.name-path", f"name[{j}]", offset,
                       "a name that is no path to elsewhere", repr(name[:60]))  # fmt: skip
    kind = TensorType(name, ElementType(values["new_element_type"][j]), tuple(values["new_extent"][j]))
    if math.prod(extent for extent in kind.shape if extent) > MAX_PRODUCT:
        raise error_of(SemanticError, ErrorClass.OUT_OF_RANGE, "model.new-shape", f"new_extent[{j}]", offset,
                       f"a product of at most {MAX_PRODUCT}", str(kind.shape))  # fmt: skip
    source = values["source_entry"][j] if values["source_flag"][j] else None
    if mode is TensorMode.REMOVED:
        raise error_of(SemanticError, ErrorClass.LAYOUT_MISMATCH, "model.new-mode", f"new_tensor_mode[{j}]", offset,
                       "a mode that gives a tensor", mode.name)  # fmt: skip
    if (mode in FROM_SOURCE) != (source is not None):
        raise error_of(SemanticError, ErrorClass.LAYOUT_MISMATCH, "model.source", f"source_flag[{j}]", offset,
                       f"{int(mode in FROM_SOURCE)} with mode {mode.name}", str(int(source is not None)))  # fmt: skip
    step = Step(values["new_step_digits"][j], StepMultiplier(values["new_step_multiplier"][j]))
    return Entry(mode, source, kind, step, values["new_copy_entry"][j])


def _check_entries(directory: Directory) -> Iterator[DfcError]:
    """10.3.2 What can be said without the base."""
    offset, names, sources = directory.bit_offset, set[str](), set[int]()
    for number, entry in enumerate(directory.entries):
        if entry.mode in FROM_SOURCE and entry.source is not None:
            if entry.source in sources:
                yield error_of(SemanticError, ErrorClass.LAYOUT_MISMATCH, "model.source-once",
                               f"source of entry {number}", offset, "a tensor of the base that is no source yet",
                               str(entry.source))  # fmt: skip
            sources.add(entry.source)
        if entry.mode is TensorMode.COPY and directory.entries[entry.copy_of].mode is TensorMode.REMOVED:
            yield error_of(SemanticError, ErrorClass.LAYOUT_MISMATCH, "model.copy", f"copy of entry {number}", offset,
                           "an entry that gives a tensor", f"entry {entry.copy_of}, which is removed")  # fmt: skip
        if entry.new is None:
            continue
        copied = directory.entries[entry.copy_of].new if entry.mode is TensorMode.COPY else None
        if copied is not None and not copied.same_format(entry.new):
            yield _not_a_copy(entry.new, copied, offset)
        if entry.new.name in names:
            yield _twice(entry.new.name, offset)
        names.add(entry.new.name)
        if entry.mode in QUANTIZED and entry.new.element_type not in FLOATS:
            yield _not_float(entry.new.name, entry.new, offset)


def _twice(name: str, offset: int) -> DfcError:
    return error_of(SemanticError, ErrorClass.LAYOUT_MISMATCH, "model.name-unique", "name", offset,
                    "names that differ from one another", f"{name!r} twice")  # fmt: skip


def _not_float(what: str, kind: TensorType, offset: int) -> DfcError:
    return error_of(SemanticError, ErrorClass.LAYOUT_MISMATCH, "model.quantized-type", f"mode of {what}", offset,
                    "a floating-point type", kind.element_type.name)  # fmt: skip


def _not_a_copy(kind: TensorType, other: TensorType | None, offset: int) -> DfcError:
    return error_of(SemanticError, ErrorClass.LAYOUT_MISMATCH, "model.copy", f"copy of {kind.name}", offset,
                    "a tensor of the same type and shape", other.name if other else "none")  # fmt: skip


def resolve(directory: Directory, base: Sequence[TensorType]) -> list[Resolved | None]:
    """10.3.2 The entries with their types; None for those that are removed.

    Args:
        base: types of the tensors of the base, in canonical order.

    Raises:
        ModelStateError, SemanticError: the directory does not fit the base.
    """
    offset = directory.bit_offset
    if len(base) != directory.base_tensors:
        raise error_of(ModelStateError, ErrorClass.BASE_MODEL_MISMATCH, "model.base-tensors", "base_tensor_count",
                       offset, f"a base of {directory.base_tensors} tensors", f"one of {len(base)}")  # fmt: skip
    names, out = set[str](), list[Resolved | None]()
    for number, entry in enumerate(directory.entries):
        if entry.mode is TensorMode.REMOVED:
            out.append(None)
            continue
        source = base[entry.source] if entry.source is not None and entry.mode in FROM_SOURCE else None
        kind = entry.new or base[number]
        if kind.name in names:
            raise _twice(kind.name, offset)
        names.add(kind.name)
        if entry.mode is TensorMode.COPY:
            other = out[entry.copy_of]
            if other is None or not other.type.same_format(kind):
                raise _not_a_copy(kind, other.type if other else None, offset)
        elif entry.mode in QUANTIZED and not {kind.element_type, (source or kind).element_type} <= FLOATS:
            raise _not_float(kind.name, kind, offset)
        elif source is not None:
            _check_source(directory, entry.mode, source, kind)
        out.append(Resolved(entry, kind, source))
    return out


def _check_source(directory: Directory, mode: TensorMode, source: TensorType, kind: TensorType) -> None:
    """10.3.2, 10.3.4."""
    reshaped = directory.extended and source.elements != kind.elements and mode is not TensorMode.UNCHANGED
    if reshaped and len(source.shape) != len(kind.shape):
        requirement, wanted = "model.source-shape", f"{len(kind.shape)} axes"
    elif (source.elements != kind.elements and not reshaped) or not _fits(mode, source, kind):
        requirement, wanted = "model.source-format", _wanted(mode, kind)
    else:
        return
    raise error_of(SemanticError, ErrorClass.LAYOUT_MISMATCH, requirement, f"source of {kind.name}",
                   directory.bit_offset, wanted, f"{source.element_type.name} {source.shape}")  # fmt: skip


def _fits(mode: TensorMode, source: TensorType, kind: TensorType) -> bool:
    if mode is TensorMode.UNCHANGED:
        return source.element_type is kind.element_type
    if mode is TensorMode.EXACT_DIFFERENCE:
        return DTYPES[source.element_type].itemsize == kind.dtype.itemsize
    return True


def _wanted(mode: TensorMode, kind: TensorType) -> str:
    count = f"{kind.elements} elements"
    if mode is TensorMode.UNCHANGED:
        return f"{count} of {kind.element_type.name}"
    if mode is TensorMode.EXACT_DIFFERENCE:
        return f"{count} of {kind.dtype.itemsize} bytes"
    return count
