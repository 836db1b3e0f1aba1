"""Informative: what an encoder may choose, and the presets, each a documented and measured point.

The measurements behind the presets are in docs/presets.md.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self, TypeVar

from refsw.errors import UsageError
from refsw.payload.base import EncoderSettings
from refsw.syntax.codes import LayerKind, Level, PayloadCodec, Profile, Quantizer, RangeScope, RepackLayout
from refsw.tensor.layers import Layer
from refsw.tensor.transform import Transform

QUANTIZERS = {q.name.lower().replace("_", "-"): q for q in Quantizer}
RANGES = {s.name.lower(): s for s in RangeScope}
LAYOUTS = {layout.name.lower(): layout for layout in RepackLayout}
PAYLOADS = {c.name.lower(): c for c in PayloadCodec}
PROFILES = {p.name.lower(): p for p in Profile}
LEVELS = {level.name.lower(): level for level in Level}
_C = TypeVar("_C", bound="EncoderConfig")


class ChannelOrder(StrEnum):
    """Orders of channels that the encoder can find; a list of indices is one that is given."""

    OWN = "own"
    MEAN = "mean"
    SIMILARITY = "similarity"


class DigestScope(StrEnum):
    """How often a digest is written."""

    NONE = "none"
    STREAM = "stream"
    SAMPLE = "sample"


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """One of the layers that a tensor is coded in (9.11).

    Args:
        kind: the first of them is BASE, no other one is.
        name: of the layer; None: the last one has that of the tensor, the others have it with a number.
        channels: those that it carries; None: all that there are to carry.
        fill: a value for every channel of the tensor, that stands for it as long as it has not come; None: 0.
        purpose: the task that it serves.
        choices: changes to the configuration of the tensor, such as ``{"qp": 32}``.
    """

    kind: LayerKind
    name: str | None = None
    channels: tuple[int, ...] | None = None
    fill: tuple[float, ...] | None = None
    purpose: str = ""
    choices: tuple[tuple[str, Any], ...] = ()


LEAST_PACKET = 64
"""Bytes; less leaves no room for a payload."""
LOWEST_QP, HIGHEST_QP = 0, 63
"""Beyond 51 a QP makes sense only where `match_step` shifts it down again."""

NAMED_CHOICES: dict[str, dict[str, Any]] = {
    "quantizer": QUANTIZERS,
    "range_scope": RANGES,
    "layout": LAYOUTS,
    "payload": PAYLOADS,
    "profile": PROFILES,
    "level": LEVELS,
    "channel_order": {order.value: order for order in ChannelOrder},
    "digest": {scope.value: scope for scope in DigestScope},
}


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """The choices of an encoder. Make one from a preset: ``EncoderConfig.preset("balanced", qp=30)``.

    Args:
        quantizer: pre-quantizer; NONE sends the elements themselves, with a byte codec.
        bit_depth: of the levels: 8, 10, 12 with HEVC, 8 with JPEG, 1 to 16 otherwise.
        range_scope: what a range holds for.
        ranges: explicit ranges (minimum, maximum): one, or one a channel with range scope CHANNEL.
        clip: percentile of the elements that the range covers; 100 covers all (`element_range`).
        widening: ranges that are measured are so many times as wide as the elements need: a coarser step, in between
            those of two QPs.
        layout: how channels are laid into pictures.
        grid: rows and columns of the grid of channels; None chooses it.
        align: coded sizes are multiples of this; None: 8 with HEVC and VVC, 1 otherwise.
        channel_order: one of `ChannelOrder`, or the channels in order.
        choose_payload: take the native payload where a trial with the first samples tells that it needs fewer bytes.
        basis: bytes of a channel_transform (6.22), whose components are coded in the place of channels (7.6), or None.
        needs_basis: whether a preset makes no sense without one.
        step_factor: what the step of components is multiplied by.
        transform: how that is done, once it is found (`refsw.features.transforming`).
        match_step: with HEVC and NATIVE, shift the QP so that the error is that of the log quantizer at 8 bits.
        payload: payload codec.
        settings: for the payload encoder: QP, effort, quality, external command.
        parts: rows and channels of the parts that every sample is cut into (9.10), each a unit of its own, as many as
            there are at most; None for whole samples. What is left over makes smaller parts.
        packet_bytes: find the parts, as large as they can be with no unit longer than that.
        layers: the layers that the tensor is coded in, each a tensor of the bitstream; none: one tensor.
        layer: of one of these layers; the encoder sets it.
        samples_per_unit: samples that share a unit; in profile INTER they predict one another.
        intra_period: with the native payload and a time axis, samples from one that is intra to the next; they share a
            unit, and each may be predicted from the one before (8.6.9). 1: none is. None: samples_per_unit, if that is
            not 1, else as many as `refsw.features.intra_period` finds.
        profile, level: None takes the narrowest.
        digest: how often digests of the decoded elements are written.
        levels_digest: write digests of the levels as well.
        network_id: name of the network.
        model_digest: SHA-256 of the model that the features belong to.
        time_scale, time_step: clock of a time axis: ticks in a second, ticks from sample to sample.
        metadata: entries for people.
    """

    quantizer: Quantizer = Quantizer.LOG
    bit_depth: int = 8
    range_scope: RangeScope = RangeScope.SAMPLE
    ranges: tuple[tuple[float, float], ...] | None = None
    clip: float = 100.0
    widening: float = 1.0
    layout: RepackLayout = RepackLayout.MOSAIC
    grid: tuple[int, int] | None = None
    align: int | None = None
    channel_order: ChannelOrder | tuple[int, ...] = ChannelOrder.OWN
    choose_payload: bool = False
    basis: bytes | None = None
    needs_basis: bool = False
    step_factor: float = 1.0
    transform: Transform | None = None
    match_step: bool = False
    payload: PayloadCodec = PayloadCodec.HEVC
    settings: EncoderSettings = dataclasses.field(default_factory=EncoderSettings)
    parts: tuple[int, int] | None = None
    packet_bytes: int | None = None
    layers: tuple[LayerChoice, ...] = ()
    layer: Layer | None = None
    samples_per_unit: int = 1
    intra_period: int | None = None
    profile: Profile | None = None
    level: Level | None = None
    digest: DigestScope = DigestScope.NONE
    levels_digest: bool = False
    network_id: str = ""
    model_digest: bytes | None = None
    time_scale: int = 25
    time_step: int = 1
    metadata: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        byte_codec = self.payload in (PayloadCodec.STORED, PayloadCodec.ZLIB, PayloadCodec.GZIP, PayloadCodec.LZMA)
        if self.quantizer is Quantizer.NONE and not byte_codec:
            raise UsageError(
                f"without a quantizer the payload is stored, zlib, gzip or lzma, not {self.payload.name.lower()}"
            )
        if not 1 <= self.bit_depth <= 16:
            raise UsageError(f"bit depth {self.bit_depth}: from 1 to 16")
        if not 50 < self.clip <= 100:
            raise UsageError(f"clip {self.clip}: a percentile above 50, at most 100")
        if not 1 <= self.widening < float("inf"):
            raise UsageError(f"widening {self.widening}: at least 1")
        if not LOWEST_QP <= self.settings.qp <= HIGHEST_QP:
            raise UsageError(f"qp {self.settings.qp}: from {LOWEST_QP} to {HIGHEST_QP}")
        if self.ranges is not None and self.range_scope is not RangeScope.CHANNEL and len(self.ranges) != 1:
            raise UsageError(f"{len(self.ranges)} ranges: range by {self.range_scope.name.lower()} takes one")
        if (
            any(len(utf8(k)) > 255 or not k or len(utf8(t)) > 65535 for k, t in self.metadata)
            or len(self.metadata) > 256
        ):
            raise UsageError("metadata: keys of 1 to 255 bytes, texts up to 65,535 bytes, at most 256 entries")
        for name in ("time_scale", "time_step"):
            if not 1 <= getattr(self, name) < 2**32:
                raise UsageError(f"{name} {getattr(self, name)}: from 1 to 2^32 - 1")
        if self.samples_per_unit < 1:
            raise UsageError(f"samples per unit {self.samples_per_unit}: at least 1")
        if self.intra_period is not None and self.intra_period < 1:
            raise UsageError(f"intra period {self.intra_period}: at least 1")
        if self.parts is not None and min(self.parts) < 1:
            raise UsageError(f"parts {self.parts[0]}x{self.parts[1]}: rows and channels, each at least 1")
        if self.packet_bytes is not None:
            if self.parts is not None:
                raise UsageError("parts are given, or found for packets, not both")
            if self.packet_bytes < LEAST_PACKET:
                raise UsageError(f"packets of {self.packet_bytes} bytes: at least {LEAST_PACKET}")
            if self.settings.command is not None:
                raise UsageError("with an external encoder, sizes are not known beforehand: take explicit parts")
        if self.layers:
            check_layers(self)
        if self.basis is not None:
            self._check_transform()
        if self.samples_per_unit > 1 and (self.parts is not None or self.packet_bytes is not None):
            raise UsageError("samples that come in parts do not share units: one sample per unit")

    def _check_transform(self) -> None:
        """7.6.1 What goes with a channel transform.

        Raises:
            UsageError: something does not.
        """
        if self.quantizer is not Quantizer.UNIFORM:
            raise UsageError("a channel transform goes with --quantizer uniform")
        if self.range_scope is RangeScope.CHANNEL:
            raise UsageError("a channel transform goes with --range sample or sequence")
        if self.channel_order != ChannelOrder.OWN:
            raise UsageError("the components of a channel transform have an order of their own: --channel-order own")
        if self.parts is not None or self.packet_bytes is not None:
            raise UsageError("samples with a channel transform do not come in parts")
        if self.choose_payload:
            raise UsageError("preset auto has no channel transform: take preset transform")

    @classmethod
    def preset(cls, name: str = "balanced", **changes: Any) -> Self:
        """A preset with changes; names of `EncoderSettings` (qp, effort, quality, ...) may stand among them.

        Raises:
            UsageError: no such preset, or no such choice.
        """
        if name not in PRESETS:
            raise UsageError(f"preset {name}: one of {', '.join(PRESETS)}")
        return _changed(cls(**PRESETS[name]), changes)

    def replace(self, **changes: Any) -> Self:
        """The same configuration with changes."""
        return _changed(self, changes)


def check_layers(config: EncoderConfig) -> None:
    """Whether layers that are asked for go together.

    Raises:
        UsageError: they do not; the message says why.
    """
    kinds = [layer.kind for layer in config.layers]
    if kinds[0] is not LayerKind.BASE or LayerKind.BASE in kinds[1:]:
        raise UsageError("layers: the first one, and no other, is of kind base")
    if config.parts is not None or config.packet_bytes is not None:
        raise UsageError("layers: their samples do not come in parts")
    if config.settings.command is not None:
        raise UsageError("layers: an external encoder does not tell what its pictures decode to")
    if config.choose_payload:
        raise UsageError("layers: preset auto chooses for whole tensors")
    for layer in config.layers:
        if any(ord(c) < 0x20 or ord(c) == 0x7F for c in layer.purpose) or len(utf8(layer.purpose)) > 255:
            raise UsageError(f"purpose {layer.purpose!r}: at most 255 bytes of UTF-8, no control characters")
        if layer.fill is not None and layer.kind is not LayerKind.BASE:
            raise UsageError("layers: the first one says what stands for channels that have not come")


def utf8(text: str) -> bytes:
    """Text as UTF-8.

    Raises:
        UsageError: it holds what is no text, such as bytes of the shell that are not UTF-8.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{text!r} is not UTF-8") from error


def _changed(config: _C, changes: dict[str, Any]) -> _C:
    inner = {f.name for f in dataclasses.fields(EncoderSettings)}
    outer = {f.name for f in dataclasses.fields(EncoderConfig)}
    unknown = set(changes) - inner - outer
    if unknown:
        raise UsageError(f"unknown choice: {', '.join(sorted(unknown))}")
    changes = {k: _choice(k, v) for k, v in changes.items()}
    settings = changes.get("settings", config.settings)
    settings = dataclasses.replace(settings, **{k: v for k, v in changes.items() if k in inner})
    kept = {k: v for k, v in changes.items() if k in outer and k != "settings"}
    return dataclasses.replace(config, settings=settings, **kept)


def _choice(name: str, value: Any) -> Any:
    """A choice by the name that the command line uses, as its code point."""
    if not isinstance(value, str) or name not in NAMED_CHOICES:
        return value
    known = NAMED_CHOICES[name]
    if value not in known:
        raise UsageError(f"{name} {value}: one of {', '.join(known)}")
    return known[value]


UNIFORM_MOSAIC: dict[str, Any] = {
    "quantizer": Quantizer.UNIFORM,
    "bit_depth": 10,
    "layout": RepackLayout.MOSAIC,
    "match_step": True,
}
NATIVE: dict[str, Any] = {
    "quantizer": Quantizer.UNIFORM,
    "bit_depth": 12,
    "layout": RepackLayout.SEQUENCE,
    "payload": PayloadCodec.NATIVE,
    "match_step": True,
}
TRANSFORM: dict[str, Any] = {
    "quantizer": Quantizer.UNIFORM,
    "bit_depth": 12,
    "layout": RepackLayout.MOSAIC,
    "settings": EncoderSettings(effort="balanced"),
    "needs_basis": True,
}
PRESETS: dict[str, dict[str, Any]] = {
    "anchor": {
        "quantizer": Quantizer.LOG,
        "bit_depth": 8,
        "layout": RepackLayout.SEQUENCE,
        "settings": EncoderSettings(effort="anchor"),
    },
    "balanced": UNIFORM_MOSAIC | {"settings": EncoderSettings(effort="balanced")},
    "best": UNIFORM_MOSAIC | {"settings": EncoderSettings(effort="best")},
    "fast": UNIFORM_MOSAIC | {"settings": EncoderSettings(effort="fast")},
    "native": NATIVE | {"settings": EncoderSettings(effort="balanced")},
    "native-fast": NATIVE | {"settings": EncoderSettings(effort="fast")},
    "transform": TRANSFORM | {"match_step": True},
    "task": TRANSFORM | {"match_step": True, "step_factor": 0.8},
    "tokens": TRANSFORM,
    "auto": UNIFORM_MOSAIC | {"settings": EncoderSettings(effort="balanced"), "choose_payload": True},
}
"""The presets: `anchor` is the configuration of MM'19, section 4.1.3; the others are measured against it."""
PRESETS_ALONE = tuple(name for name, choices in PRESETS.items() if not choices.get("needs_basis"))
"""Those that need nothing besides the features."""
