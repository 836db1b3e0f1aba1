"""9.11 Layers: what they must have in common, and samples put together from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from refsw.errors import DfcError, ErrorClass, SemanticError
from refsw.features.layering import layer_error
from refsw.features.limits import over
from refsw.features.parameters import Parameters
from refsw.features.reconstruct import UnitContent, to_dtype
from refsw.profiles import LevelLimits
from refsw.syntax.codes import LayerKind, Quantizer
from refsw.tensor.axes import Array

LARGEST = np.finfo(np.float32).max
Sets = Mapping[int, Parameters]
"""Parameter sets by their id."""


def chain(p: Parameters, sets: Sets) -> list[Parameters]:
    """9.11.1 The layers that a sample of a tensor is made of, from itself down to that without a base layer."""
    found = [p]
    while (base := found[-1].base) is not None:
        found.append(sets[base])
    return found


def check_base(p: Parameters, sets: Sets, limits: LevelLimits, offset: int | None) -> Iterator[DfcError]:
    """9.11.2 A layer against the layers that it depends on.

    Args:
        p: the parameter set of the layer, of whatever tensor.
        sets: the parameter sets that came before.
        limits: of the level.
        offset: of the parameter set, in bits.
    """
    if p.base is None:
        return
    base = sets.get(p.base)
    if base is None or base.layer is None:
        expected = "the parameter set of a layer that came before"
        yield layer_error("layer.base", "base_parameter_set_id", expected, str(p.base), offset)
        return
    for element, own, theirs in (
        ("axis_role", p.axes.letters, base.axes.letters),
        ("axis_extent_minus1", p.axes.extents, base.axes.extents),
        ("time_scale", (p.time_scale, p.time_step), (base.time_scale, base.time_step)),
        ("element_type", p.element_type.name, base.element_type.name),
    ):
        if own != theirs:
            expected = f"{theirs}, as the base layer has"
            yield layer_error("layer.same-tensor", element, expected, str(own), offset)
    below = chain(base, sets)
    yield from over(limits, "layers", 1 + len(below), "base_parameter_set_id", offset)
    if p.axes.channels == base.axes.channels:
        yield from _check_channels(p, below, offset)
    unquantized = [one.name for one in [p, *below] if one.quantizer is Quantizer.NONE]
    if any(one.layer is not None and one.layer.refines for one in [p, *below]) and unquantized:
        expected = "a quantizer in all layers that go together with a refinement"
        yield layer_error("layer.quantizers", "quantizer", expected, f"none in {unquantized[0]}", offset)


def _check_channels(p: Parameters, below: list[Parameters], offset: int | None) -> Iterator[DfcError]:
    assert p.layer is not None
    there = np.zeros(p.axes.channels, np.bool_)
    for one in below:
        there |= one.carried
    wrong = np.flatnonzero(p.carried & (~there if p.layer.refines else there))
    if len(wrong):
        expected = "channels that are there already" if p.layer.refines else "channels that are not there yet"
        yield layer_error("layer.channels", "channel_carried_flag", expected, f"channel {wrong[0]}", offset)


class LayeredSamples:
    """The samples of the last unit of every layer, which those of other layers are made from."""

    def __init__(self) -> None:
        self._kept: dict[int, dict[int, Array]] = {}

    def has_base(self, content: UnitContent) -> bool:
        """Whether the base layer's samples of a unit are there, if the tensor has a base layer."""
        base, first = content.tensor.base, content.first_sample
        if base is None:
            return True
        kept = self._kept.get(base, {})
        return all(index in kept for index in range(first, first + content.samples))

    def add(self, content: UnitContent, decoded: list[tuple[Array, Array]]) -> list[tuple[Array, Array]]:
        """A unit of any tensor, decoded on its own: levels and elements of every sample -> the same, put together.

        Raises:
            SemanticError: the samples of the base layer are not there.
        """
        p = content.tensor
        if p.layer is None:
            return decoded
        if not self.has_base(content):
            raise without_base(content)
        kept = {} if p.base is None else self._kept[p.base]
        out = [
            (levels, put_together(p, elements, kept.get(index)))
            for index, (levels, elements) in enumerate(decoded, content.first_sample)
        ]
        self._kept[p.id] = {index: elements for index, (_, elements) in enumerate(out, content.first_sample)}
        return out


def without_base(content: UnitContent) -> DfcError:
    """9.11.2 The base layer's samples of a unit did not come before it."""
    last = content.first_sample + content.samples - 1
    return SemanticError(
        ErrorClass.LAYOUT_MISMATCH,
        "layer.units",
        "first_sample",
        content.payload_offset,
        expected=f"samples {content.first_sample} to {last} of the base layer before those of {content.tensor.name}",
        got="others",
    )


def put_together(p: Parameters, elements: Array, base: Array | None) -> Array:
    """9.11.3 A sample of a layer, in the user's order of axes.

    Args:
        p: of the layer.
        elements: what its own payload gives (9.4), differences if it refines; any others where it carries nothing.
        base: the sample of the base layer, if there is one.
    """
    assert p.layer is not None
    if base is None and p.layer.channels is None:
        return elements
    carried = slice(None) if p.layer.channels is None else np.array(p.layer.channels, np.intp)
    own = p.axes.to_canonical(elements)[carried]
    if base is None:
        out = np.zeros(p.axes.canonical_shape, p.dtype)
        if p.layer.fill:
            out[:] = to_dtype(np.array(p.layer.fill, np.float32), p.dtype)[:, None, None]
    else:
        out = p.axes.to_canonical(base).copy()
        if p.layer.kind is LayerKind.REFINEMENT:
            own = to_dtype(refined(out[carried], own), p.dtype)
    out[carried] = own
    return p.axes.from_canonical(out)


def refined(base: Array, differences: Array) -> Array:
    """9.11.3 Elements that are binary32 values, and differences of float32 -> their sums, rounded once."""
    with np.errstate(over="ignore"):
        return np.clip(base.astype(np.float32) + differences, -LARGEST, LARGEST)
