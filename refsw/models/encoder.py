"""Informative: the encoder of one model update: what becomes of every tensor, and its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from refsw.entropy.logarithms import log2_fixed
from refsw.errors import FeatureError
from refsw.files import is_path
from refsw.models.arithmetic import (
    Grid,
    Integers,
    Step,
    common_part,
    from_words,
    quantize,
    reconstruct,
    word_differences,
)
from refsw.models.coding import prepare
from refsw.models.config import DiffConfig
from refsw.models.directory import QUANTIZED
from refsw.models.header import Planned, header_body
from refsw.models.prediction import Known
from refsw.models.state import FLOATS, Model, TensorType, digest_of, is_finite, tensor_digest
from refsw.models.targets import exact_levels, targets_of
from refsw.models.units import UnitWriter, Waiting
from refsw.syntax.codes import ElementType, TensorMode
from refsw.syntax.declaration import Values
from refsw.tensor.axes import Array

SAMPLE = 1 << 12
EXPANSION, SAFETY = 4096, 4
_Content = tuple[bytes, Step, bool]
SMALLEST_COPY = 64
CHUNK = 1 << 20
MOST_TRIED = 64
"""Tensors of the base that are tried as the source of one that is new."""


@dataclass
class EncodedUpdate:
    """One update, coded.

    `header` is the body of its model header unit, `data` are the elements of its model data units; `result` is the
    model that a decoder will have, if it was to be kept, `types` are the types of its tensors; `texts` those of the
    target's file; `extended` tells whether a source has another shape (10.3.4).
    """

    header: bytes
    data: list[Values]
    result: Model | None
    types: list[TensorType]
    entries: int
    largest_unit: int
    texts: Mapping[str, str]
    extended: bool


class UpdateEncoder:
    """Codes the update from a base to a target.

    Args:
        base: the model that decoders have; None for a full model.
        target: the model that they shall have.
        config: how.
        keep: keep the result, as the next update of a chain needs it.

    Raises:
        FeatureError: a tensor of the target has NaN or infinity, or a name that no stream can carry.
    """

    def __init__(self, base: Model | None, target: Model, config: DiffConfig, *, keep: bool = False) -> None:
        self.keep = keep
        self.base, self.target, self.config = base or Model({}), target, config
        self.full = base is None
        self.base_names = self.base.names
        self.entries: list[Planned] = []
        self.units = UnitWriter(config.quantizers)
        self.result: dict[str, Array] = {}
        self.types: dict[str, TensorType] = {}
        self.digests: dict[str, bytes] = {}
        self.base_digests: dict[str, bytes] = {}
        self.seen: dict[_Content, int] = {}
        self.contents = _contents(target)
        counted = Counter(content for content in self.contents.values() if content is not None)
        self.tied = {content for content, count in counted.items() if count > 1}
        self.predictors = Known()
        self.spare: dict[int, int] = {}
        self.copies: list[tuple[TensorType, int]] = []
        self.extended = False
        check_names(target)

    def encode(self, versions: tuple[str, str]) -> EncodedUpdate:
        """The update between versions of these names."""
        places = {name: i for i, name in enumerate(self.base_names)}
        renamed = self._sources(places)
        for name in self.base_names:
            kept = name in self.target and self.target.types[name].same_format(self.base.types[name])
            if kept:
                self._tensor(name, places[name], is_new=False)
            else:
                self._base(name)
                self.entries.append(Planned(TensorMode.REMOVED))
        for name in self.target:
            if name not in places or not self.target.types[name].same_format(self.base.types[name]):
                self._tensor(name, renamed.get(name), is_new=True)
        self.units.close()
        for kind, entry in self.copies:
            self._keep(kind.name, kind, self.result[self._name_of(entry)])
        digest = digest_of(self.digests)
        base_digest = None if self.full else digest_of(self.base_digests)
        header = header_body(base_digest, len(self.base), self.entries, self.config, versions, digest)
        types = list(self.types.values())
        result = Model(self.result) if self.keep else None
        largest, texts = self.units.largest, self.target.texts
        return EncodedUpdate(header, self.units.units, result, types, len(self.entries), largest, texts, self.extended)

    def _sources(self, places: Mapping[str, int]) -> dict[str, int]:
        """For tensors that are new by name or format: the removed tensor of the base that resembles each most."""
        gone: dict[int, dict[str, None]] = {}  # by their numbers of elements
        for n in places:
            if n not in self.target or not self.target.types[n].same_format(self.base.types[n]):
                gone.setdefault(self.base.types[n].elements, {})[n] = None
        new = [n for n in self.target if n not in places or n in gone.get(self.base.types[n].elements, ())]
        found: dict[str, int] = {}
        for name in sorted(new, key=lambda name: name not in places):  # those that keep their name come first
            kind = self.target.types[name]
            left = gone.get(kind.elements, {}) if kind.elements else {}
            tried = [name] if name in left else list(islice(left, MOST_TRIED))
            scored = [(_distance(self.target[name], self.base[g]), g) for g in tried]
            if scored and min(scored)[0] < _distance(self.target[name], None):
                found[name] = places[min(scored)[1]]
                del left[min(scored)[1]]  # a tensor is a source once
        return found | (self._resized(places, set(found.values())) if self.config.extended else {})

    def _resized(self, places: Mapping[str, int], used: Collection[int]) -> dict[str, int]:
        """10.3.4 Tensors that keep their name but not their number of elements, and resemble the part that stays."""
        found = {}
        for name, number in places.items():
            if name not in self.target or number in used:
                continue
            kind, base = self.target.types[name], self.base.types[name]
            if len(kind.shape) != len(base.shape) or kind.elements == base.elements:
                continue
            array = self.target[name]
            if _distance(array, common_part(self.base[name], kind.shape)) < _distance(array, None):
                found[name] = number
        return found

    def _base(self, name: str) -> Array:
        """A tensor of the base, and its digest: of the same reading as what is coded.

        Raises:
            FeatureError: an earlier reading gave something else.
        """
        array = self.base[name]
        digest = tensor_digest(self.base.types[name], array)
        if self.base_digests.setdefault(name, digest) != digest:
            raise FeatureError(f"{name} of the base: the file was changed while it was read")
        return array

    def _tensor(self, name: str, source: int | None, *, is_new: bool) -> None:
        kind, array = self.target.types[name], self.target[name]
        if kind.element_type is ElementType.BOOL and array.size and int(array.view(np.uint8).max()) > 1:
            raise FeatureError(f"{name}: a bool whose byte is neither 0 nor 1")
        base = self._base(self.base_names[source]) if source is not None else None
        base_kind = self.base.types[self.base_names[source]] if source is not None else None
        content = self.contents[name]
        # Tied tensors that shall arrive with different precision are no copies of one another.
        own = None if content is None else (content, self.config.step_of(name), self.config.is_exact(name))
        number = len(self.entries)
        same_type = base_kind is not None and base_kind.element_type is kind.element_type
        if base is not None and base_kind is not None and base_kind.elements != kind.elements:
            base, same_type = common_part(base, kind.shape), False
        if base is not None and same_type and np.array_equal(_bytes(array), _bytes(base)):
            self._unchanged(name, kind, base, source, is_new)
            self._see(own, number)
            return
        if not is_finite(array):
            raise FeatureError(f"{name}: NaN or infinity; only finite numbers can be coded")
        if own is not None and own in self.seen and (not is_new or self._may_copy(self.seen[own], kind)):
            self.entries.append(Planned(TensorMode.COPY, kind if is_new else None, None, None, self.seen[own]))
            self.copies.append((kind, self.seen[own]))
            return
        self._see(own, number)
        self._coded(kind, array, base, base_kind, source, is_new)

    def _may_copy(self, entry: int, kind: TensorType) -> bool:
        """10.9.2 Whether a new tensor may be a copy: what is copied has to have taken some bytes."""
        if kind.elements > self.spare.get(entry, 0):
            return False
        self.spare[entry] -= kind.elements
        return True

    def _see(self, content: _Content | None, number: int) -> None:
        if content is not None and content[0] in self.tied:
            self.seen.setdefault(content, number)

    def _name_of(self, entry: int) -> str:
        kind = self.entries[entry].kind
        return self.base_names[entry] if kind is None else kind.name

    def _unchanged(self, name: str, kind: TensorType, base: Array, source: int | None, is_new: bool) -> None:
        self.entries.append(Planned(TensorMode.UNCHANGED, kind if is_new else None, source if is_new else None))
        self._keep(name, kind, base.reshape(kind.shape))

    def _keep(self, name: str, kind: TensorType, array: Array) -> None:
        self.digests[name] = tensor_digest(kind, array)
        self.types[name] = kind
        if self.keep or self.contents[name] in self.tied:
            self.result[name] = array

    def _coded(
        self,
        kind: TensorType,
        array: Array,
        base: Array | None,
        base_kind: TensorType | None,
        source: int | None,
        is_new: bool,
    ) -> None:
        """Quantized where that is wanted and possible and smaller, else exact."""
        step, values, mode = self.config.step_of(kind.name), None, TensorMode.EXACT
        flat, flat_base = np.ascontiguousarray(array).reshape(-1), None
        if base is not None:
            flat_base = np.ascontiguousarray(base).reshape(-1)
        floats = base_kind is None or base_kind.element_type in FLOATS
        resized = base_kind is not None and base_kind.elements != kind.elements
        if kind.element_type in FLOATS and not self.config.is_exact(kind.name):
            use = flat_base if flat_base is not None and floats and self._helps(flat, flat_base, step) else None
            values = self._quantized(flat, use, step)
            mode = TensorMode.QUANTIZED_DIFFERENCE if use is not None else TensorMode.QUANTIZED
            if values is not None and self._exact_is_smaller(values, flat, flat_base):
                values = None
            if values is not None:
                out = _in_parts(values, step, use, kind)
                same_type = base_kind is not None and base_kind.element_type is kind.element_type and not resized
                if base is not None and use is not None and same_type and not values.any():
                    self._unchanged(kind.name, kind, base, source, is_new)
                    return
                if not is_finite(out):
                    values = None
        if values is None:
            fits = flat_base is not None and flat_base.dtype.itemsize == flat.dtype.itemsize
            use = flat_base if fits else None
            mode = TensorMode.EXACT_DIFFERENCE if use is not None else TensorMode.EXACT
            values = word_differences(flat, use)
            out = from_words(values, use, kind.element_type)
        self.entries.append(
            Planned(mode, kind if is_new else None, source if is_new and use is not None else None, step)
        )
        self.extended |= resized and use is not None
        exact = mode not in QUANTIZED
        numbers = None
        if self.config.quantizers:
            numbers = exact_levels(values) if exact else targets_of(flat, use, step, kind.element_type)
        coded = prepare(kind, values, is_new=is_new, dictionary=self.config.dictionary, known=self.predictors)
        size = len(coded.xz[0]) if coded.xz else coded.choice.bits // 8
        self.spare[len(self.entries) - 1] = max(0, EXPANSION // SAFETY * size - kind.elements)

        def decoded(found: Integers | None, grid: int) -> None:
            array = out if found is None else _in_parts(found, step.grid(grid), use, kind)
            self._keep(kind.name, kind, array.reshape(kind.shape))

        self.units.add(Waiting(coded, numbers, exact, decoded))

    def _quantized(self, flat: Array, base: Array | None, step: Step) -> Integers | None:
        out = np.empty(flat.size, np.int64)
        for begin in range(0, flat.size, CHUNK):
            part = slice(begin, begin + CHUNK)
            x = flat[part].astype(np.float64)
            if base is not None:
                with np.errstate(over="ignore", invalid="ignore"):
                    x -= base[part].astype(np.float64)
            found = quantize(x, step, self.config.rounding, self.config.offset)
            if found is None:
                return None
            out[part] = found
        return out

    def _helps(self, flat: Array, base: Array, step: Step) -> bool:
        """Whether differences are smaller than the elements themselves, on a sample."""
        stride = _stride(flat.size)
        target, other = flat[::stride], base[::stride]
        with_base, without = self._quantized(target, other, step), self._quantized(target, None, step)
        if with_base is None or without is None:
            return with_base is not None
        return _cost(with_base) <= _cost(without)

    def _exact_is_smaller(self, values: Integers, flat: Array, base: Array | None) -> bool:
        """Whether the words take no more bits than the integers, on a sample: then nothing is won by rounding."""
        stride = _stride(flat.size)
        use = base[::stride] if base is not None and base.dtype.itemsize == flat.dtype.itemsize else None
        return _cost(word_differences(flat[::stride], use)) <= _cost(values[::stride])


def _contents(model: Model) -> dict[str, bytes | None]:
    """What tells equal tensors: a digest for those that may have an equal one and are worth a copy, else None."""
    alike: dict[Any, list[str]] = {}
    for name, kind in model.types.items():
        if kind.elements >= SMALLEST_COPY:
            stride = _stride(kind.elements)
            sample = np.ascontiguousarray(model[name]).reshape(-1)[::stride].tobytes()
            alike.setdefault((kind.element_type, kind.shape, sample), []).append(name)
    out: dict[str, bytes | None] = dict.fromkeys(model)
    for names in alike.values():
        if len(names) > 1:
            out |= {name: tensor_digest(replace(model.types[name], name=""), model[name]) for name in names}
    return out


def check_names(model: Model) -> None:
    """10.3.2 What a bitstream can carry and a receiver will write.

    Raises:
        FeatureError: a name is a path, or has control characters.
    """
    for name in model:
        if is_path(name):
            raise FeatureError(f"{name!r}: a tensor name must be no absolute path and have no part '..'")
        if any(ord(c) < 32 or ord(c) == 127 for c in name):
            raise FeatureError(f"{name!r}: a tensor name with control characters")


def _bytes(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _in_parts(values: Integers, step: Step | Grid, base: Array | None, kind: TensorType) -> Array:
    out = np.empty(values.size, kind.dtype)
    for begin in range(0, values.size, CHUNK):
        part = slice(begin, begin + CHUNK)
        out[part] = reconstruct(values[part], step, None if base is None else base[part], kind.element_type)
    return out


def _stride(size: int) -> int:
    """An odd stride: samples at an even one would all come from the same few columns."""
    return max(1, size // SAMPLE) | 1


def _cost(values: Integers) -> int:
    """About the bits of integers: log2(1 + 2 |v|), summed, in fixed point."""
    return int(log2_fixed(1 + 2 * np.minimum(np.abs(values).view(np.uint64), np.uint64(1 << 50)).view(np.int64)).sum())


def _distance(array: Array, base: Array | None) -> int:
    """Cost of the words of a sample, of both or of one."""
    stride = _stride(array.size)
    flat = np.ascontiguousarray(array).reshape(-1)[::stride]
    with np.errstate(all="ignore"):
        other = None if base is None else np.ascontiguousarray(base).reshape(-1)[::stride].astype(flat.dtype)
    return _cost(word_differences(flat, other))
