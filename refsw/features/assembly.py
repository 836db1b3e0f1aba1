"""9.10.3 Samples put together from units: whole ones as they come, others from their parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from refsw.errors import ErrorClass, SemanticError
from refsw.features.layers import LayeredSamples
from refsw.features.parameters import Parameters
from refsw.features.reconstruct import UnitContent, all_levels, to_dtype
from refsw.syntax.codes import DigestKind
from refsw.tensor.axes import Array


class OpenSample:
    """A sample of which some parts have come.

    Args:
        parameters: of the tensor.
        index: of the sample.
        keep_levels: whether its levels are wanted too.
    """

    def __init__(self, parameters: Parameters, index: int, *, keep_levels: bool) -> None:
        self.parameters, self.index, self.keep_levels = parameters, index, keep_levels
        self._received = np.zeros(len(parameters.part_numbers), np.bool_)
        self._elements = np.zeros(parameters.axes.canonical_shape, parameters.dtype)
        self._levels: Array | None = None
        fixed = parameters.constant_channels
        if len(fixed):
            minima = np.array([parameters.ranges[channel][0] for channel in fixed], np.float32)
            self._elements[fixed] = to_dtype(minima, parameters.dtype)[:, None, None]

    def add(self, content: UnitContent, levels: Array, elements: Array) -> None:
        """One part, decoded: coded levels (K, h, W) and elements (C, h, W) of its channels and rows."""
        p, index = self.parameters, content.part
        assert p.parts is not None
        assert index is not None
        channels, rows = p.part_channels(index), p.parts.band(index)
        self._elements[channels, rows] = elements
        if self.keep_levels:
            if self._levels is None:
                self._levels = np.zeros(p.axes.canonical_shape, levels.dtype)
            self._levels[channels, rows] = all_levels(content.parameters, levels)
        self._received[index] = True

    @property
    def missing(self) -> tuple[int, ...]:
        """The parts that have not come."""
        return tuple(int(i) for i in np.flatnonzero(~self._received))

    @property
    def complete(self) -> bool:
        """Whether all parts have come."""
        return bool(self._received.all())

    @property
    def elements(self) -> Array:
        """The elements in the order of axes of the tensor; zero bits where they have not come."""
        return self.parameters.axes.from_canonical(self._elements)

    @property
    def levels(self) -> Array:
        """9.5.2 Levels of all channels (C, H, W); no channels if they are not kept."""
        return self._elements[:0] if self._levels is None else self._levels

    @property
    def received(self) -> Array:
        """Which elements have come, as booleans of the shape of `elements`; constant channels always have (9.10.4)."""
        return received_elements(self.parameters, self._received)


def received_elements(p: Parameters, parts: Array) -> Array:
    """9.10.4 Which elements of a sample are known if some parts have come (booleans by index of the part)."""
    assert p.parts is not None
    mask = np.zeros(p.axes.canonical_shape, np.bool_)
    for index in np.flatnonzero(parts):
        mask[p.part_channels(int(index)), p.parts.band(int(index))] = True
    mask[p.constant_channels] = True
    return p.axes.from_canonical(mask)


@dataclass(frozen=True, slots=True)
class Put:
    """A sample to put out.

    Args:
        parameters, index: of the sample.
        levels: of its coded channels (K, H, W), or of all channels if it came in parts.
        elements: in the order of axes of the tensor.
        received: which elements have come; None: all.
        missing, damaged: parts that have not come, and those of them that came damaged.
    """

    parameters: Parameters
    index: int
    levels: Array
    elements: Array
    received: Array | None = None
    missing: tuple[int, ...] = ()
    damaged: tuple[int, ...] = ()


class Assembler:
    """Makes samples of units, each sample complete."""

    def __init__(self) -> None:
        self.open: dict[int, OpenSample] = {}
        self.layers = LayeredSamples()

    def add(self, content: UnitContent, decoded: list[tuple[Array, Array]]) -> Iterator[Put]:
        """The samples that are complete with a unit.

        Raises:
            SemanticError: the sample before it is not, or the base layer's samples are not there.
        """
        p, first = content.tensor, content.first_sample
        if content.part is None:
            for index, (levels, elements) in enumerate(self.layers.add(content, decoded), first):
                yield Put(p, index, levels, elements)
            return
        sample = self.open.get(p.id)
        if sample is None or sample.index != first:
            self.check(p)
            sample = OpenSample(p, first, keep_levels=DigestKind.LEVELS in p.digests)
            self.open[p.id] = sample
        sample.add(content, *decoded[0])
        if sample.complete:
            del self.open[p.id]
            yield Put(p, first, sample.levels, sample.elements)

    def check(self, p: Parameters) -> None:
        """9.10.2 The parts of a tensor that came make complete samples.

        Raises:
            SemanticError: they do not.
        """
        if p.id in self.open:
            raise incomplete(p, self.open[p.id].index, len(self.open[p.id].missing), "feature_part", None)


def incomplete(p: Parameters, sample: int, missing: int, element: str, offset: int | None) -> SemanticError:
    """9.10.2 Parts of a sample are missing."""
    return SemanticError(
        ErrorClass.LENGTH_MISMATCH,
        "part.complete",
        element,
        offset,
        expected=f"all {len(p.part_numbers)} parts of sample {sample} of {p.name}",
        got=f"{missing} missing",
    )
