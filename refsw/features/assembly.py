"""9.10.3 A sample put together from its parts."""

from __future__ import annotations

import numpy as np

from refsw.features.parameters import Parameters
from refsw.features.reconstruct import UnitContent, all_levels, to_dtype
from refsw.syntax.codes import RangeScope
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
        fixed = constant_channels(parameters)
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
    mask[constant_channels(p)] = True
    return p.axes.from_canonical(mask)


def constant_channels(p: Parameters) -> Array:
    """7.3 The channels that the parameter set alone gives."""
    if p.range_scope is not RangeScope.CHANNEL:
        return np.zeros(0, np.intp)
    return np.setdiff1d(p.order, p.coded_channels)
