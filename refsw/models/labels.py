"""10.6.3 Labels: the table of every value from where it stands in its tensor, never from another value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Contexts = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Group:
    """A group of consecutive axes, first to last, with a label for every place along them."""

    first: int
    last: int

    def size(self, shape: tuple[int, ...]) -> int:
        """Number of labels."""
        return math.prod(shape[self.first : self.last + 1])


@dataclass(frozen=True)
class Labelling:
    """10.6.3 How a coded tensor chooses tables.

    Args:
        table_offset: table of the values whose labels are all 0.
        step: tables from one label to the next.
        groups: the groups of axes.
        labels: the labels of each group, in raster order.
    """

    table_offset: int
    step: int = 1
    groups: tuple[Group, ...] = ()
    labels: tuple[Labels, ...] = field(default=(), repr=False)

    def highest(self) -> int:
        """The greatest table number that any value of a tensor with elements can have."""
        return self.table_offset + self.step * sum(int(labels.max(initial=0)) for labels in self.labels)

    def contexts(self, shape: tuple[int, ...]) -> Contexts:
        """Table of every value in raster order: uint16."""
        count = math.prod(shape)
        if not self.groups:
            return np.full(count, self.table_offset, np.uint16)
        out = np.full(shape, self.table_offset, np.uint16)
        for group, labels in zip(self.groups, self.labels, strict=True):
            axes = [1] * len(shape)
            axes[group.first : group.last + 1] = shape[group.first : group.last + 1]
            out += (self.step * labels).astype(np.uint16).reshape(axes)
        return out.reshape(-1)
