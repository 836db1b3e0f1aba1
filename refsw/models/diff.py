"""Informative: the encoder of model updates, from two models to a bitstream."""

from __future__ import annotations

import fnmatch
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from refsw.errors import FeatureError, UsageError
from refsw.models.arithmetic import Integers, Rounding, Step, from_words, quantize, reconstruct, word_differences
from refsw.models.coding import Coded, prepare, units
from refsw.models.directory import QUANTIZED, is_path
from refsw.models.prediction import Predictor
from refsw.models.state import FLOATS, Model, TensorType, digest_of, is_finite, tensor_digest
from refsw.models.tables import log2_fixed
from refsw.profiles import LEVELS
from refsw.syntax.codes import Level, Profile, StepMultiplier, TensorMode, UnitType
from refsw.syntax.structures import END_OF_BITSTREAM, METADATA, MODEL_HEADER
from refsw.syntax.units import pack_body, pack_header, pack_unit
from refsw.tensor.axes import Array

SAMPLE = 1 << 12
SMALLEST_COPY = 64
CHUNK = 1 << 20


@dataclass(frozen=True)
class DiffConfig:
    """How a model update is coded.

    Args:
        step: quantization step of the update; by default 10^-4, that is 4 "compression bits" of Digital retina.
        steps: steps of single tensors, by name or pattern (``fc.*``).
        rounding: NEAREST, DEAD_ZONE or LITERAL.
        offset: f of DEAD_ZONE and LITERAL; the paper has 0.3.
        exact: names or patterns of tensors whose elements arrive as they are.
        dictionary: try a dictionary coder where rows seem to repeat.
        network_id: name of the network.
        versions: names of the versions, that of the base first.
        metadata: entries for people.
    """

    step: Step = field(default_factory=lambda: Step(4))
    steps: Mapping[str, Step] = field(default_factory=dict)
    rounding: Rounding = Rounding.NEAREST
    offset: float = 0.3
    exact: Sequence[str] = ()
    dictionary: bool = True
    network_id: str = ""
    versions: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.offset <= 0.5:
            raise UsageError(f"a rounding offset of {self.offset}; it is above 0 and at most 0.5")

    def step_of(self, name: str) -> Step:
        """The step of a tensor: that of the first pattern that its name matches."""
        return next((step for pattern, step in self.steps.items() if fnmatch.fnmatchcase(name, pattern)), self.step)

    def is_exact(self, name: str) -> bool:
        """Whether the user wants the tensor's elements as they are."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.exact)


@dataclass
class _Planned:
    """An entry of the directory as it will be written."""

    mode: TensorMode
    kind: TensorType | None = None
    source: int | None = None
    step: Step | None = None
    copy_of: int = 0


@dataclass
class EncodedUpdate:
    """One update, coded.

    `header` is the body of its model header unit, `data` those of its model data units; `result` is the model that a
    decoder will have, whose digest is `digest`.
    """

    header: bytes
    data: list[bytes]
    result: Model
    digest: bytes
    base_tensors: int
    largest_unit: int


class UpdateEncoder:
    """Codes the update from a base to a target.

    Args:
        base: the model that decoders have; None for a full model.
        target: the model that they shall have.
        config: how.

    Raises:
        FeatureError: a tensor of the target has NaN or infinity, or a name that no stream can carry.
    """

    def __init__(self, base: Model | None, target: Model, config: DiffConfig) -> None:
        self.base, self.target, self.config = base or Model({}), target, config
        self.full = base is None
        self.base_names = self.base.names
        self.entries: list[_Planned] = []
        self.coded: list[Coded] = []
        self.result: dict[str, Array] = {}
        self.digests: dict[str, bytes] = {}
        self.seen: dict[bytes, int] = {}
        self.predictors: list[Predictor] = []
        _check_names(target)

    def encode(self, versions: tuple[str, str]) -> EncodedUpdate:
        """The update between versions of these names."""
        places = {name: i for i, name in enumerate(self.base_names)}
        renamed = self._sources(places)
        for name in self.base_names:
            kept = name in self.target and self.target.types[name].same_format(self.base.types[name])
            if kept:
                self._tensor(name, places[name], is_new=False)
            else:
                self.entries.append(_Planned(TensorMode.REMOVED))
        for name in self.target:
            if name not in places or not self.target.types[name].same_format(self.base.types[name]):
                self._tensor(name, renamed.get(name), is_new=True)
        digest = digest_of(self.digests)
        data = units(self.coded)
        header = self._header(versions, digest)
        largest = max((t.type.elements for t in self.coded), default=0)
        return EncodedUpdate(header, data, Model(self.result), digest, len(self.base_names), largest)

    def _sources(self, places: Mapping[str, int]) -> dict[str, int]:
        """For tensors that are new by name or format: the removed tensor of the base that resembles each most."""
        gone = [n for n in places if n not in self.target or not self.target.types[n].same_format(self.base.types[n])]
        found: dict[str, int] = {}
        for name in self.target:
            kind = self.target.types[name]
            if name in places and name not in gone:
                continue
            same = [g for g in gone if self.base.types[g].elements == kind.elements and kind.elements > 0]
            if name in same:
                same = [name]
            scored = [(_distance(self.target[name], self.base[g]), g) for g in same[:64]]
            if scored and min(scored)[0] < _distance(self.target[name], None):
                found[name] = places[min(scored)[1]]
        return found

    def _tensor(self, name: str, source: int | None, *, is_new: bool) -> None:
        kind, array = self.target.types[name], self.target[name]
        if not is_finite(array):
            raise FeatureError(f"{name}: NaN or infinity; only finite numbers can be coded")
        base = self.base[self.base_names[source]] if source is not None else None
        base_kind = self.base.types[self.base_names[source]] if source is not None else None
        own = tensor_digest(replace(kind, name=""), array)
        number = len(self.entries)
        if base is not None and base_kind is not None and base_kind.element_type is kind.element_type:
            if np.array_equal(_bytes(array), _bytes(base)):
                self._unchanged(name, kind, base, source, is_new)
                self.seen.setdefault(own, number)
                return
        if kind.elements >= SMALLEST_COPY and own in self.seen:
            self.entries.append(_Planned(TensorMode.COPY, kind if is_new else None, None, None, self.seen[own]))
            self._keep(name, kind, self.result[self._name_of(self.seen[own])])
            return
        self.seen.setdefault(own, number)
        if base_kind is not None and base_kind.elements != kind.elements:
            base = base_kind = source = None
        self._coded(kind, array, base, base_kind, source, is_new)

    def _name_of(self, entry: int) -> str:
        kind = self.entries[entry].kind
        return self.base_names[entry] if kind is None else kind.name

    def _unchanged(self, name: str, kind: TensorType, base: Array, source: int | None, is_new: bool) -> None:
        self.entries.append(_Planned(TensorMode.UNCHANGED, kind if is_new else None, source if is_new else None))
        self._keep(name, kind, base.reshape(kind.shape))

    def _keep(self, name: str, kind: TensorType, array: Array) -> None:
        self.result[name] = array
        self.digests[name] = tensor_digest(kind, array)

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
        if kind.element_type in FLOATS and not self.config.is_exact(kind.name):
            use = flat_base if flat_base is not None and floats and self._helps(flat, flat_base, step) else None
            values = self._quantized(flat, use, step)
            mode = TensorMode.QUANTIZED_DIFFERENCE if use is not None else TensorMode.QUANTIZED
            if values is not None and self._exact_is_smaller(values, flat, flat_base):
                values = None
            if values is not None:
                out = _in_parts(values, step, use, kind)
                if mode is TensorMode.QUANTIZED_DIFFERENCE and not values.any() and base_kind is not None:
                    if base_kind.element_type is kind.element_type:
                        assert base is not None
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
            _Planned(mode, kind if is_new else None, source if is_new and use is not None else None, step)
        )
        self._keep(kind.name, kind, out.reshape(kind.shape))
        coded = prepare(kind, values, is_new=is_new, dictionary=self.config.dictionary, known=self.predictors)
        self.coded.append(coded)

    def _quantized(self, flat: Array, base: Array | None, step: Step) -> Integers | None:
        out = np.empty(flat.size, np.int64)
        for begin in range(0, flat.size, CHUNK):
            part = slice(begin, begin + CHUNK)
            x = flat[part].astype(np.float64)
            if base is not None:
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

    def _header(self, versions: tuple[str, str], digest: bytes) -> bytes:
        count = len(self.base_names)
        network, base_version, version = (t.encode() for t in (self.config.network_id, *versions))
        if max(map(len, (network, base_version, version))) > 255:
            raise UsageError("a name of the network or of a version has more than 255 bytes")
        default = self.config.step
        values: dict[str, Any] = {
            "network_id_length": len(network),
            "network_id": network,
            "model_version_length": len(version),
            "model_version": version,
            "base_flag": int(not self.full),
            "base_version_length": len(base_version),
            "base_version": base_version,
            "base_digest": b"" if self.full else digest_of(_digests(self.base)),
            "base_tensor_count": count,
            "result_digest": digest,
            "step_digits": default.digits,
            "step_multiplier": default.multiplier,
            "new_tensor_count": len(self.entries) - count,
        }
        steps = [self._step(entry, default) for entry in self.entries]
        columns: dict[str, list[Any]] = {
            "tensor_mode": [e.mode for e in self.entries],
            "tensor_step_flag": [int(s != default) for s in steps],
            "tensor_step_digits": [s.digits for s in steps],
            "tensor_step_multiplier": [s.multiplier for s in steps],
            "copy_entry": [e.copy_of for e in self.entries],
        }
        values |= {name: column[:count] for name, column in columns.items()}
        renamed = ("new_tensor_mode", "new_step_flag", "new_step_digits", "new_step_multiplier", "new_copy_entry")
        values |= {new: column[count:] for new, column in zip(renamed, columns.values(), strict=True)}
        kinds = [e.kind for e in self.entries[count:] if e.kind is not None]
        names = [kind.name.encode() for kind in kinds]
        values |= {
            "name_length": [len(name) for name in names],
            "name": names,
            "new_element_type": [kind.element_type for kind in kinds],
            "new_axis_count": [len(kind.shape) for kind in kinds],
            "new_extent": [list(kind.shape) for kind in kinds],
            "source_flag": [int(e.source is not None) for e in self.entries[count:]],
            "source_entry": [e.source or 0 for e in self.entries[count:]],
        }
        return pack_body(MODEL_HEADER, values)

    def _step(self, entry: _Planned, default: Step) -> Step:
        return entry.step if entry.step is not None and entry.mode in QUANTIZED else default


def _check_names(model: Model) -> None:
    for name in model:
        if is_path(name):
            raise FeatureError(f"{name!r}: a tensor name must be no absolute path and have no part '..'")
        if any(ord(c) < 32 or ord(c) == 127 for c in name):
            raise FeatureError(f"{name!r}: a tensor name with control characters")


def _digests(model: Model) -> dict[str, bytes]:
    return {name: tensor_digest(model.types[name], model[name]) for name in model}


def _bytes(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _in_parts(values: Integers, step: Step, base: Array | None, kind: TensorType) -> Array:
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
    other = None if base is None else np.ascontiguousarray(base).reshape(-1)[::stride].astype(flat.dtype)
    return _cost(word_differences(flat, other))


# --- Bitstreams ---


def encode_models(models: Sequence[Model | None], config: DiffConfig) -> Iterator[tuple[EncodedUpdate, tuple[str, str]]]:
    """The updates of a chain, closed loop: each from what the decoder has, not from what was trained."""
    have = models[0]
    for number, target in enumerate(models[1:]):
        assert target is not None
        names = [*config.versions, *[""] * (len(models) - len(config.versions))]
        versions = ("" if have is None else names[number], names[number + 1])
        update = UpdateEncoder(have, target, config).encode(versions)
        have = update.result
        yield update, versions


def assemble(updates: Sequence[EncodedUpdate], metadata: Mapping[str, str]) -> bytes:
    """A bitstream of updates, at the lowest level that it fits."""
    parts = []
    if metadata:
        entries = [(key.encode(), text.encode()) for key, text in metadata.items()]
        values = {
            "entry_count_minus1": len(entries) - 1,
            "key_length": [len(key) for key, _ in entries],
            "key": [key for key, _ in entries],
            "text_length": [len(text) for _, text in entries],
            "text": [text for _, text in entries],
        }
        parts.append(pack_unit(UnitType.METADATA, pack_body(METADATA, values)))
    for update in updates:
        parts.append(pack_unit(UnitType.MODEL_HEADER, update.header))
        parts += [pack_unit(UnitType.MODEL_DATA, body) for body in update.data]
    header = pack_header(Profile.MODEL, _level(updates))
    chain = zlib.crc32(b"".join([header[-4:], *[part[-4:] for part in parts]]))
    end = pack_body(END_OF_BITSTREAM, {"tensor_count": 0, "sample_count": [], "bitstream_crc": chain})
    return b"".join([header, *parts, pack_unit(UnitType.END_OF_BITSTREAM, end)])


def _level(updates: Sequence[EncodedUpdate]) -> Level:
    """The lowest level whose limits hold all updates."""
    for level, limits in LEVELS.items():
        if all(
            max(u.base_tensors, len(u.result)) <= limits.model_tensors
            and sum(kind.elements for kind in u.result.types.values()) <= limits.model_elements
            and u.largest_unit <= limits.model_unit_elements
            and max(map(len, [u.header, *u.data])) <= limits.unit_bytes
            for u in updates
        ):
            return level
    raise FeatureError("the models are beyond the limits of the highest level (spec 11.3)")


def diff_models(
    base: Mapping[str, Any] | None,
    *targets: Mapping[str, Any],
    digits: int = 4,
    step: int = 1,
    config: DiffConfig | None = None,
    **options: Any,
) -> bytes:
    """A bitstream of model updates.

    Args:
        base: numpy arrays or PyTorch tensors by name: the model that receivers have; None for a full model.
        targets: the versions that follow, in order; receivers of any of them apply what follows theirs.
        digits, step: the quantization step is step x 10^-digits, step being 1, 2 or 5.
        config: everything else, or fields of `DiffConfig` as keywords.

    Returns:
        The bitstream. What a decoder will have is `apply_update(base, bitstream)`, not quite the last target.

    Raises:
        FeatureError: a tensor that cannot be coded; the message names it.
        UsageError: options that do not exist or do not go together.
    """
    if not targets:
        raise UsageError("no target: which model shall the receiver have?")
    if config is None:
        config = DiffConfig(step=make_step(digits, step), **options)
    models = [None if base is None else Model(base), *map(Model, targets)]
    return assemble([update for update, _ in encode_models(models, config)], config.metadata)


def make_step(digits: int, multiplier: int = 1) -> Step:
    """The step multiplier x 10^-digits."""
    known = {1: StepMultiplier.ONE, 2: StepMultiplier.TWO, 5: StepMultiplier.FIVE}
    if multiplier not in known:
        raise UsageError(f"a step of {multiplier} x 10^-{digits}; the multiplier is 1, 2 or 5")
    return Step(digits, known[multiplier])


