"""Informative: what the encoder is told of tensors, and what it keeps of each while it codes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from os import PathLike
from typing import Any

import numpy as np

from refsw.errors import CodecError, FeatureError, PayloadError, UsageError
from refsw.features.coding import CodedUnit, Plan
from refsw.features.config import EncoderConfig, utf8
from refsw.features.digest import RunningDigest
from refsw.features.intra_period import predicts
from refsw.features.layer_coding import layer_configs
from refsw.features.layout import layout_of
from refsw.features.loss import Spread, loss
from refsw.features.parameters import Parameters
from refsw.named import known_by_digest
from refsw.payload.external import refused
from refsw.payload.hevc import hevc_configuration
from refsw.payload.sharing import SharedSets
from refsw.profiles import INTER_PROFILES, LEVELS, Extension, default_profile
from refsw.syntax.codes import DigestKind, Level, PayloadCodec, Profile, RangeScope
from refsw.tensor.axes import Array, Axes
from refsw.tensor.foreign import as_array, widened, wider

MAX_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor to be coded.

    Args:
        shape: of the whole tensor, or with any number of samples where there is an axis of samples.
        dtype: numpy dtype.
        axes: letters of the axes, such as NCHW; None for the usual ones (C, NC, CHW, NCHW).
        config: choices for this tensor, but for samples per unit, profile, level and metadata, which all
            tensors share; None for those of the encoder.
    """

    shape: tuple[int, ...]
    dtype: Any
    axes: str | None = None
    config: EncoderConfig | None = None


class CodedTensor:
    """What the encoder keeps of one tensor."""

    def __init__(self, number: int, name: str, spec: TensorSpec, config: EncoderConfig) -> None:
        self.number = number
        self.name = name
        self.axes = Axes.parse(spec.axes, tuple(spec.shape))
        self.dtype = wider(np.dtype(spec.dtype))
        self.config = config
        self.samples = 0
        self.plan: Plan | None = None
        self.group: list[Array] = []
        self.digests: list[RunningDigest] = []
        self.spread: Spread | None = None
        self.told = False
        self.above: CodedTensor | None = None
        """The layer that needs this one to be coded."""
        by_command = config.payload is PayloadCodec.HEVC and config.settings.command is not None
        self.shared = SharedSets() if by_command else None

    @property
    def stack(self) -> list[CodedTensor]:
        """The tensor, and the layers above it."""
        return [self] if self.above is None else [self, *self.above.stack]

    @property
    def known(self) -> dict[bytes, bytes]:
        """What its parameter set names by digest (5.8), for whoever decodes its units here."""
        return known_by_digest(data for data in (self.config.basis, self.config.settings.native) if data is not None)

    @property
    def waits_for_transform(self) -> bool:
        """Whether its configuration has a transform that no sample was looked at for, or lacks one."""
        return self.config.transform is None and (self.config.needs_basis or self.config.basis is not None)

    def start(self, plan: Plan) -> None:
        """Take the plan that the first sample gave."""
        self.plan = plan
        self.digests = [RunningDigest(plan.parameters, kind) for kind in DigestKind if kind in plan.parameters.digests]

    def share(self, coded: CodedUnit) -> CodedUnit:
        """A unit of an external encoder, referring to parameter sets that hold for all units.

        Raises:
            CodecError: there can be none.
        """
        assert self.shared is not None
        configuration, payload = coded.content.parameters.configuration, coded.content.payload
        try:
            return coded.with_payload(self.shared.take(configuration + payload))
        except PayloadError as error:
            first = coded.content.first_sample
            raise CodecError(f"{self.name or 'the tensor'}, unit of sample {first}: {refused(error)}") from error

    def parameters(self, profile: Profile) -> Parameters:
        """The parameter set, when all units are coded."""
        assert self.plan is not None
        p = self.plan.parameters
        if self.shared is None:
            return p
        try:
            if self.shared.empty:  # no unit has pictures: any configuration of their format will do
                return replace(p, configuration=hevc_configuration(p.picture_format(profile), self.plan.settings))
            return replace(p, configuration=self.shared.configuration)
        except PayloadError as error:
            raise refused(error) from error

    def add_to_digests(self, levels: Array, elements: Array) -> None:
        """One decoded sample."""
        for digest in self.digests:
            digest.add(levels, elements)

    def watch(self, coded: CodedUnit) -> str | None:
        """What there is to tell of the first samples up to this unit, if it was not told before."""
        if coded.spread is None or self.told:
            return None
        self.spread = coded.spread if self.spread is None else self.spread.joined(coded.spread)
        text = loss(self.spread, self.axes, by_channel=self.config.range_scope is RangeScope.CHANNEL,
                    transformed=self.config.transform is not None)  # fmt: skip
        self.told = text is not None
        return text

    def check(self, sample: Array) -> None:
        """Whether a sample is one of the tensor's.

        Raises:
            FeatureError: another shape or dtype, or one sample too many.
        """
        if sample.shape != self.axes.sample_shape:
            raise FeatureError(f"{self.name}: a sample of shape {sample.shape}, expected {self.axes.sample_shape}")
        if np.dtype(sample.dtype).newbyteorder("=") != self.dtype.newbyteorder("="):
            raise FeatureError(f"{self.name}: a sample of {sample.dtype}, expected {self.dtype}")
        if not self.axes.has_samples and (self.samples or self.group):
            raise FeatureError(f"{self.name}: no axis counts samples, so there is one")


def coded_tensors(specs: Mapping[Any, TensorSpec], base: EncoderConfig) -> list[CodedTensor]:
    """What the encoder keeps of tensors, and of every layer of those that are coded in layers."""
    out: list[CodedTensor] = []
    for key, spec in specs.items():
        name, config = name_of(key), replace(spec.config or base, level=base.level)
        if not config.layers:
            out.append(CodedTensor(len(out), name, spec, config))
            continue
        first = len(out)
        axes = Axes.parse(spec.axes, tuple(spec.shape))
        for number, (layer, own) in enumerate(layer_configs(name, axes, config, first), first):
            out.append(CodedTensor(number, layer, spec, own))
        for lower, upper in pairwise(out[first:]):
            lower.above = upper
    return out


def check_names(tensors: list[CodedTensor], config: EncoderConfig) -> None:
    """The names that a bitstream takes.

    Raises:
        UsageError: a name is there twice, too long, or has control characters.
    """
    names = [tensor.name or f"tensor{tensor.number}" for tensor in tensors]
    if len(set(names)) < len(names):
        raise UsageError(f"tensors need names of their own (without a name, tensor and a number): {', '.join(names)}")
    for name in [*names, config.network_id]:
        if len(utf8(name)) > MAX_NAME_BYTES:
            raise UsageError(f"name {name[:40]}...: at most {MAX_NAME_BYTES} bytes of UTF-8")
        if any(ord(c) < 0x20 or ord(c) == 0x7F for c in name):
            raise UsageError(f"name {name!r}: no control characters")


def profile_of(tensors: Iterable[CodedTensor]) -> Profile:
    """11.2 The narrowest profile that has the payload codecs of all tensors."""
    tensors = list(tensors)
    inter = any(tensor.config.profile in INTER_PROFILES for tensor in tensors)
    extensions = {Extension.PARTS for tensor in tensors if tensor.config.parts is not None}
    extensions |= {Extension.LAYERS for tensor in tensors if tensor.config.layer is not None}
    extensions |= {Extension.TIME_PREDICTION for tensor in tensors if predicts(tensor.config, tensor.axes)}
    extensions |= {Extension.CHANNEL_TRANSFORM for tensor in tensors if tensor.config.transform is not None}
    return default_profile({tensor.config.payload for tensor in tensors}, extensions, inter)


def level_of(tensors: list[CodedTensor], wanted: Level | None) -> Level:
    """The level asked for, or the narrowest that takes all tensors."""
    levels = [layout_of(t.name or f"tensor{t.number}", t.axes, t.config, t.dtype)[0] for t in tensors]
    deepest = max(len(tensor.stack) for tensor in tensors)
    enough = [
        level for level, limits in LEVELS.items() if len(tensors) <= limits.parameter_sets and deepest <= limits.layers
    ]
    if not enough or (wanted is not None and wanted < enough[0]):
        most = LEVELS[wanted or Level.L3].parameter_sets
        if len(tensors) <= most:
            layers = LEVELS[wanted or Level.L3].layers
            raise UsageError(f"{deepest} layers: at most {layers} at this level [requirement level.layers]")
        raise UsageError(f"{len(tensors)} tensors: at most {most} at this level [requirement level.parameter-sets]")
    return wanted or max(*levels, enough[0])


def name_of(key: Any) -> str:
    """The name of a tensor: text, or the number of a level of a pyramid."""
    if isinstance(key, bool) or not isinstance(key, str | int | np.integer):
        raise UsageError(f"{key!r} is no name of a tensor: text, or a number")
    return str(key)


def array_of(name: str, tensor: Any) -> Array:
    """A tensor of any library as an array; floats of 8 bits widened.

    Raises:
        FeatureError: it is none that can be coded.
    """
    with about(name):
        if isinstance(tensor, str | PathLike):
            raise FeatureError(f"not a tensor, but text: of a file {tensor}, read its tensors first")
        return widened(as_array(tensor))


@contextmanager
def about(name: str) -> Iterator[None]:
    """Errors of a tensor tell its name, if it has one."""
    try:
        yield
    except (FeatureError, UsageError) as error:
        if not name or str(error).startswith(f"{name}:"):
            raise
        raise type(error)(f"{name}: {error}") from error
