"""Informative: the encoder, sample by sample, into a file or a pipe, in bounded memory."""

from __future__ import annotations

import io
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, BinaryIO, Self

from refsw.errors import CoarseStepWarning, UsageError
from refsw.features.assembly import OpenSample
from refsw.features.choice import settled
from refsw.features.coding import CodedUnit, Plan, encode_units
from refsw.features.config import DigestScope, EncoderConfig, utf8
from refsw.features.held import Held
from refsw.features.intra_period import settle_intra_periods
from refsw.features.layer_coding import CodedLayer, difference_of_first, encode_layers
from refsw.features.limits import check_limits
from refsw.features.packets import with_measured_parts
from refsw.features.parameters import Parameters, to_values
from refsw.features.plan import make_plan
from refsw.features.pool import Pool
from refsw.features.reconstruct import decode_unit
from refsw.features.tensors import (
    CodedTensor,
    TensorSpec,
    about,
    array_of,
    check_names,
    coded_tensors,
    level_of,
    name_of,
    profile_of,
)
from refsw.payload.base import DecoderSettings
from refsw.profiles import LEVELS
from refsw.syntax.codes import DigestKind, UnitType
from refsw.syntax.structure import Edition
from refsw.syntax.structures import DIGEST, END_OF_BITSTREAM, FEATURE_PARAMETER_SET, METADATA
from refsw.syntax.units import crc32, pack_body, pack_header, pack_unit
from refsw.tensor.axes import Array, Axes

DIGEST_BYTES = 16
CRC_BYTES = 4


class Encoder:
    """Writes a bitstream.

    Args:
        stream: binary file or pipe.
        tensors: the tensors by name; the names become layer ids.
        config: choices for all tensors that have none of their own.
        jobs: number of processes that code samples; the bytes do not depend on it. Processes are spawned:
            a script that asks for more than one needs ``if __name__ == "__main__":``.
        warn: what is told of features that are coded too coarsely; by default it is a `CoarseStepWarning`.

    Raises:
        UsageError, FeatureError: at once or while writing; what was written then is not a whole bitstream.
    """

    def __init__(
        self,
        stream: BinaryIO,
        tensors: Mapping[str, TensorSpec],
        config: EncoderConfig | None = None,
        *,
        jobs: int = 1,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        if not tensors:
            raise UsageError("no tensor to encode")
        self._stream = stream
        self._warn = warn or _warn
        self._pool = Pool(jobs)
        self._window = 1 if jobs == 1 else 3 * jobs
        self._chain = 0
        base = config or EncoderConfig.preset()
        self._tensors = coded_tensors(tensors, base)
        check_names(self._tensors, base)
        settle_intra_periods(self._tensors)
        if any(tensor.config.choose_payload for tensor in self._tensors):
            raise UsageError("preset auto chooses by samples that are there beforehand: code with refsw.encode")
        if any(tensor.waits_for_transform for tensor in self._tensors):
            raise UsageError("a channel transform wants samples that are there beforehand: code with refsw.encode")
        if len({tensor.config.samples_per_unit for tensor in self._tensors}) > 1:
            raise UsageError("all tensors have the same number of samples per unit, so that access units stay in order")
        lowest = [tensor for tensor in self._tensors if tensor.config.layer is None or tensor.config.layer.base is None]
        self._by_name = dict(zip(map(name_of, tensors), lowest, strict=True))
        self._profile = base.profile or profile_of(self._tensors)
        self._level = level_of(self._tensors, base.level)
        self._waiting: deque[tuple[CodedTensor, Future[list[CodedUnit]]]] = deque()
        self._started: list[CodedTensor] = []
        self._finished = False
        self._last_first = 0
        self._held: Held | None = None
        self._put(pack_header(self._profile, self._level))
        if base.metadata:
            self._unit(UnitType.METADATA, pack_body(METADATA, _metadata(base.metadata)))
        if any(tensor.shared is not None for tensor in self._tensors):
            self._held = Held()

    def write(self, samples: Any) -> None:
        """Code one sample of every tensor, or of those given.

        Args:
            samples: an array of the sample's shape (without the axis of samples) if there is one tensor,
                else a mapping from names to arrays.
        """
        if not isinstance(samples, Mapping):
            if len(self._by_name) != 1:
                raise UsageError("several tensors: write a mapping from names to samples")
            samples = {next(iter(self._by_name)): samples}
        for name, tensor in self._by_name.items():
            if tensor.group and name not in map(name_of, samples):
                self._submit(tensor)  # it may have no more samples, and units come in order of their first one
        for key, sample in samples.items():
            name = name_of(key)
            if name not in self._by_name:
                raise UsageError(f"no tensor {name}: {', '.join(self._by_name)}")
            self._sample(self._by_name[name], array_of(name, sample))
        self._drain(self._window)

    def _sample(self, tensor: CodedTensor, sample: Array) -> None:
        tensor.check(sample)
        if tensor.plan is None:
            self._start(tensor, sample)
        tensor.group.append(sample)
        if len(tensor.group) == tensor.config.samples_per_unit:
            self._submit(tensor)

    def _start(self, tensor: CodedTensor, first: Array | None) -> None:
        """Make the plans of a tensor and of the layers above it, and write their parameter sets."""
        plans: list[Plan] = []
        for own in tensor.stack:
            layer = own.config.layer
            if first is not None and layer is not None and layer.refines:
                self._start_one(own, difference_of_first(plans, first))
            else:
                self._start_one(own, first)
            assert own.plan is not None
            plans.append(own.plan)

    def _start_one(self, tensor: CodedTensor, first: Array | None) -> None:
        plan = make_plan(tensor.name, tensor.number, tensor.axes, tensor.dtype, tensor.config, self._profile, first)
        for error in check_limits(plan.parameters, self._profile, self._level, None):
            raise UsageError(f"{plan.parameters.name}: {error.expected}, not {error.got} [{error.requirement}]")
        tensor.start(plan)
        self._started.append(tensor)
        if self._held is None:
            self._parameter_set(plan.parameters)

    def _parameter_set(self, p: Parameters) -> None:
        body = pack_body(FEATURE_PARAMETER_SET, to_values(p), edition=Edition.of(self._profile))
        self._unit(UnitType.FEATURE_PARAMETER_SET, body)

    def _submit(self, tensor: CodedTensor) -> None:
        plan = tensor.plan
        assert plan is not None
        group, first = tensor.group, tensor.samples
        tensor.group = []
        tensor.samples += len(group)
        if first < self._last_first:
            raise UsageError(
                f"{tensor.name}: write sample {first} of all tensors before sample {self._last_first} of any"
            )
        self._last_first = first
        if tensor.config.layer is None:
            self._waiting.append((tensor, self._pool.submit(encode_units, plan, group, first)))
            return
        plans = [own.plan for own in tensor.stack]
        for own in tensor.stack[1:]:
            own.samples += len(group)
        self._waiting.append((tensor, self._pool.submit(encode_layers, plans, group, first)))

    def _drain(self, allowed: int) -> None:
        while len(self._waiting) > allowed or (self._waiting and self._window == 1):
            tensor, task = self._waiting.popleft()
            if tensor.config.layer is not None:
                self._layers(tensor, self._pool.result(task))
                continue
            units: list[CodedUnit] = self._pool.result(task)
            for coded in units:
                self._put((coded if tensor.shared is None else tensor.share(coded)).data)
                self._watch(tensor, coded)
            if tensor.digests:
                self._digest(tensor, units)
                if tensor.config.digest is DigestScope.SAMPLE:
                    self._write_digests(tensor)

    def _layers(self, tensor: CodedTensor, coded: list[CodedLayer]) -> None:
        for own, one in zip(tensor.stack, coded, strict=True):
            self._put(one.unit.data)
            for levels, elements in one.decoded:
                own.add_to_digests(levels, elements)
        for own in tensor.stack:
            if own.config.digest is DigestScope.SAMPLE:
                self._write_digests(own)

    def _digest(self, tensor: CodedTensor, units: list[CodedUnit]) -> None:
        """Add the samples of a unit, or the one of all parts, to the digests."""
        first, sample = units[0].content, None
        if first.part is not None:
            keep_levels = DigestKind.LEVELS in first.tensor.digests
            sample = OpenSample(first.tensor, first.first_sample, keep_levels=keep_levels)
        for coded in units:
            for levels, elements in decode_unit(coded.content, self._profile, DecoderSettings(known=tensor.known)):
                if sample is not None:
                    sample.add(coded.content, levels, elements)
                else:
                    tensor.add_to_digests(levels, elements)
        if sample is not None:
            tensor.add_to_digests(sample.levels, sample.elements)

    def _watch(self, tensor: CodedTensor, coded: CodedUnit) -> None:
        """Warn, once a tensor, of channels of which nothing is left."""
        told = tensor.watch(coded)
        if told is not None:
            self._warn(f"{tensor.name or 'the tensor'}: {told}")

    def _write_digests(self, tensor: CodedTensor) -> None:
        for digest in tensor.digests:
            first, count, value = digest.take()
            if not count:
                continue
            values = {
                "parameter_set_id": tensor.number,
                "digest_kind": digest.kind,
                "first_sample": first,
                "sample_count_minus1": count - 1,
                "digest_length_minus1": DIGEST_BYTES - 1,
                "digest": value[:DIGEST_BYTES],
            }
            self._unit(UnitType.DIGEST, pack_body(DIGEST, values))

    def finish(self) -> None:
        """Write what is waiting, the digests, and the end of the bitstream. The stream stays open."""
        if self._finished:
            return
        for tensor in self._by_name.values():
            if tensor.plan is None:
                if not tensor.axes.has_samples:
                    raise UsageError(f"{tensor.name}: its one sample was not written")
                self._start(tensor, None)
            if tensor.group:
                self._submit(tensor)
        self._drain(0)
        for tensor in self._tensors:
            self._write_digests(tensor)
        self._release()
        values = {
            "tensor_count": len(self._started),
            "sample_count": [tensor.samples for tensor in self._started],
            "bitstream_crc": self._chain,
        }
        self._unit(UnitType.END_OF_BITSTREAM, pack_body(END_OF_BITSTREAM, values))
        self._finished = True
        self._stream.flush()

    def _release(self) -> None:
        """Write what was held until all parameter sets were known."""
        if self._held is None:
            return
        held, self._held = self._held, None
        for tensor in self._started:
            self._parameter_set(tensor.parameters(self._profile))
        for data in held:
            self._put(data)

    def _unit(self, unit_type: UnitType, body: bytes) -> None:
        self._put(pack_unit(unit_type, body))

    def _put(self, data: bytes) -> None:
        limit = LEVELS[self._level].unit_bytes
        if len(data) > limit:
            raise UsageError(f"a unit of {len(data)} bytes exceeds level {self._level.name} ({limit} bytes)")
        if self._held is not None:
            self._held.add(data)
            return
        self._stream.write(data)
        self._chain = crc32(data[-CRC_BYTES:], self._chain)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            if self._held is not None:
                self._held.close()
            self._pool.__exit__(kind, error, at)


def _warn(text: str) -> None:
    warnings.warn(text, CoarseStepWarning, stacklevel=2)


def _metadata(entries: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    keys, texts = [utf8(k) for k, _ in entries], [utf8(t) for _, t in entries]
    return {
        "entry_count_minus1": len(entries) - 1,
        "key_length": [len(k) for k in keys],
        "key": keys,
        "text_length": [len(t) for t in texts],
        "text": texts,
    }


def encode(
    features: Any, config: EncoderConfig | str = "balanced", *, axes: str | None = None, jobs: int = 1, **choices: Any
) -> bytes:
    """Encode whole feature tensors.

    Args:
        features: an array (numpy, torch, or anything that numpy understands), or a mapping from names to arrays; the
            numbers of a pyramid's levels are names as well. Floats of 8 bits are widened to float16 (float8_e8m0fnu to
            float32), which hold every one of them.
        config: a configuration, or the name of a preset.
        axes: letters of the axes, such as NCHW or NHWC; None for the usual ones (C, NC, CHW, NCHW).
        jobs: number of processes; the bytes do not depend on it.
        choices: changes to the configuration, such as ``qp=32`` (see `EncoderConfig.preset`).

    Returns:
        The bitstream.

    Raises:
        FeatureError: NaN, infinity, or a shape or dtype that cannot be coded.
        UsageError: choices that do not go together.

    Warns:
        CoarseStepWarning: the range of a tensor is set by a few channels, and nothing is left of the others.
    """
    base = EncoderConfig.preset(config, **choices) if isinstance(config, str) else config.replace(**choices)
    named = features if isinstance(features, Mapping) else {"": features}
    if len({name_of(key) for key in named}) < len(named):
        raise UsageError(f"tensors need names of their own: {', '.join(map(repr, named))}")
    arrays = {name_of(key): array_of(name_of(key), tensor) for key, tensor in named.items()}
    if axes is not None and all(len(axes) != array.ndim for array in arrays.values()):
        raise UsageError(f"axes {axes} fit no tensor: {', '.join(str(array.shape) for array in arrays.values())}")
    specs = {}
    for name, array in arrays.items():
        with about(name):
            parsed = Axes.parse(axes if axes is None or len(axes) == array.ndim else None, array.shape)
            own = settled(base, parsed, array if parsed.has_samples else array[None])
            own = with_measured_parts(own, parsed, array.dtype, array if parsed.has_samples else array[None])
        specs[name] = TensorSpec(array.shape, array.dtype, parsed.letters, own)
    out = io.BytesIO()
    with Encoder(out, specs, base, jobs=jobs) as encoder:
        parsed_axes = {name: Axes.parse(spec.axes, spec.shape) for name, spec in specs.items()}
        series = {n: a if parsed_axes[n].has_samples else a[None] for n, a in arrays.items()}
        for index in range(max(len(a) for a in series.values())):
            encoder.write({name: array[index] for name, array in series.items() if index < len(array)})
    return out.getvalue()
