"""Informative: coding a tensor in layers, each from what a decoder has of the layers below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from refsw.errors import FeatureError, UsageError
from refsw.features.coding import CodedUnit, Plan, encode_unit, step_reference
from refsw.features.config import EncoderConfig
from refsw.features.layers import LayeredSamples
from refsw.features.reconstruct import decode_unit
from refsw.payload.base import DecoderSettings
from refsw.syntax.codes import LayerKind, Quantizer, RangeScope
from refsw.tensor.axes import Array, Axes
from refsw.tensor.layers import Layer
from refsw.tensor.quantize import element_range


@dataclass(frozen=True, slots=True)
class CodedLayer:
    """A unit of a layer, and what a decoder makes of it: levels and elements of every sample."""

    unit: CodedUnit
    decoded: list[tuple[Array, Array]]


def layer_configs(name: str, axes: Axes, config: EncoderConfig, first: int) -> list[tuple[str, EncoderConfig]]:
    """Name and configuration of every layer that a tensor is coded in.

    Args:
        name: of the tensor.
        axes: of the tensor.
        config: of the tensor, with layers.
        first: parameter set of the first layer; those of the others follow.

    Raises:
        UsageError: the layers are no layers of this tensor.
    """
    out: list[tuple[str, EncoderConfig]] = []
    there: set[int] = set()
    last = len(config.layers) - 1
    for number, choice in enumerate(config.layers):
        known = sorted(there) if choice.kind is LayerKind.REFINEMENT else sorted(set(range(axes.channels)) - there)
        channels = choice.channels
        if channels is None and len(known) < axes.channels:
            channels = tuple(known)
        wrong = sorted(set(channels or ()) - set(known))
        if wrong or channels == ():
            told = f"channel {wrong[0]}" if wrong else "no channel"
            raise UsageError(f"{name or 'the tensor'}, layer {number} of kind {choice.kind.name.lower()}: {told}")
        if choice.fill is not None and len(choice.fill) != axes.channels:
            raise UsageError(f"{name or 'the tensor'}: {len(choice.fill)} fill values for {axes.channels} channels")
        there |= set(channels if channels is not None else range(axes.channels))
        fill = choice.fill if choice.fill is not None and channels is not None else ()
        own = config.replace(layers=(), **dict(choice.choices))
        if choice.kind is LayerKind.REFINEMENT:  # differences are no features: small, signed, in a range of their own
            own = own.replace(quantizer=Quantizer.UNIFORM, range_scope=RangeScope.SAMPLE, ranges=None)
        layer = Layer(
            choice.kind,
            None if number == 0 else first + number - 1,
            choice.purpose,
            None if channels is None else tuple(sorted(channels)),
            tuple(float(np.float32(value)) + 0.0 for value in fill),
        )
        usual = name if number == last else f"{name}.layer{number}" if name else f"layer{number}"
        out.append((choice.name if choice.name is not None else usual, replace(own, layer=layer)))
    return out


def encode_layers(plans: Sequence[Plan], samples: list[Array], first_sample: int) -> list[CodedLayer]:
    """The feature data units of some samples in all layers, in the order of the bitstream.

    Args:
        plans: of the layers, in order.
        samples: in the user's order of axes.
        first_sample: index of the first.

    Raises:
        FeatureError: a sample that cannot be coded, with its index.
    """
    together = LayeredSamples()
    out: list[CodedLayer] = []
    for plan in plans:
        given, shift = samples, None
        if plan.config.layer is not None and plan.config.layer.refines:
            below = [elements for _, elements in out[-1].decoded]
            given = differences(samples, below)
            shift = refinement_shift(plans[0], plan, samples[0], given[0])
        unit = encode_unit(plan, given, first_sample, shift)
        decoded = together.add(unit.content, decode_unit(unit.content, plan.profile, DecoderSettings()))
        out.append(CodedLayer(unit, decoded))
    return out


def differences(samples: Sequence[Array], below: Sequence[Array]) -> list[Array]:
    """What is missing to samples: float32, of the same shapes.

    Raises:
        FeatureError: a difference that binary32 does not hold.
    """
    out = []
    for sample, base in zip(samples, below, strict=True):
        with np.errstate(over="ignore", invalid="ignore"):
            difference = (sample.astype(np.float64) - base.astype(np.float64)).astype(np.float32)
        if not np.isfinite(difference).all():
            raise FeatureError("a refinement of elements whose differences are beyond binary32")
        out.append(difference)
    return out


def refinement_shift(base: Plan, plan: Plan, sample: Array, difference: Array) -> int:
    """What makes a QP of a refinement mean the step that it means for the whole sample.

    Six QPs double the step; a level of the differences is as many times finer as their range is smaller.
    """
    axes = plan.parameters.axes
    whole = axes.to_canonical(sample)[plan.parameters.carried].astype(np.float32)
    low, high = element_range(axes.to_canonical(difference)[plan.parameters.carried])
    wanted = step_reference(base.config, whole)
    if not (low < high and wanted > 0):
        return 0
    return round(6 * float(np.log2(wanted / (high - low))))


def difference_of_first(plans: Sequence[Plan], sample: Array) -> Array:
    """What layers leave of a first sample: that from which a refinement of theirs is planned."""
    last = encode_layers(plans, [sample], 0)[-1]
    return differences([sample], [elements for _, elements in last.decoded])[0]
