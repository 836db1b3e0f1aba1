"""9.10.1 Parts of a sample: bands of rows of groups of channels."""

from __future__ import annotations

from dataclasses import dataclass

from refsw.tensor.axes import Array


@dataclass(frozen=True, slots=True)
class Parts:
    """How a sample of some channels and rows is cut.

    Args:
        rows: H of a channel.
        part_rows: rows of a band; the last one has what is left.
        groups: that the channels are dealt out to, one after the other, in the order of repacking.
    """

    rows: int
    part_rows: int
    groups: int

    @property
    def bands(self) -> int:
        """Bands of a channel."""
        return -(-self.rows // self.part_rows)

    @property
    def count(self) -> int:
        """Parts of a sample."""
        return self.bands * self.groups

    def band(self, index: int) -> slice:
        """The rows of a part."""
        first = index // self.groups * self.part_rows
        return slice(first, min(first + self.part_rows, self.rows))

    def group(self, index: int, order: Array) -> Array:
        """The channels of a part, of all channels in the order of repacking."""
        return order[index % self.groups :: self.groups]
