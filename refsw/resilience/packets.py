"""Informative: which elements of a tensor a packet carries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from refsw.errors import FeatureError, UsageError
from refsw.tensor.axes import Array

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Packet:
    """A group of channels, in a row or by their numbers, and a band of rows of a tensor (C, H, W), all columns."""

    channels: slice | Array
    rows: slice


def row_packets(shape: Sequence[int], rows: int) -> list[Packet]:
    """Packets of the tutorial: so many rows of one channel; the first rows of all channels, then the next ones.

    The last packets of channels whose rows are no multiple have fewer. DFTS2 fills them up with zeros, and loses
    packets of the array that it has filled up, not of the tensor that it goes on with: there such losses do nothing.

    Args:
        shape: (C, H, W).
        rows: of a packet; the tutorial has 1 and 8.
    """
    return part_packets(shape, 1, rows)


def part_packets(shape: Sequence[int], channels: int, rows: int) -> list[Packet]:
    """Packets of a group of channels and a band of rows: bands from above, in each the groups in order.

    Args:
        shape: (C, H, W).
        channels, rows: of a packet; the last ones may have fewer.

    Raises:
        UsageError: fewer than one.
    """
    if channels < 1 or rows < 1:
        raise UsageError(f"packets of {channels} channels and {rows} rows: at least one of each")
    return [
        Packet(slice(c, min(c + channels, shape[0])), slice(r, min(r + rows, shape[1])))
        for r in range(0, shape[1], rows)
        for c in range(0, shape[0], channels)
    ]


def interleaved(packets: Sequence[_T], depth: int) -> list[_T]:
    """Packets in an order in which neighbours are `depth` packets apart: the first of each row of a block, and so on.

    Args:
        packets: in order.
        depth: 1 leaves the order.

    Raises:
        UsageError: a depth below 1.
    """
    if depth < 1:
        raise UsageError(f"interleaving by {depth}: at least 1")
    width = -(-len(packets) // depth)
    return [packets[place] for start in range(width) for place in range(start, len(packets), width)]


def received_mask(shape: Sequence[int], packets: Sequence[Packet], lost: Iterable[bool] | Array) -> Array:
    """What was received of a tensor.

    Args:
        shape: (C, H, W).
        packets: that it was sent in.
        lost: which of them did not come.

    Returns:
        bool (C, H, W), True where received.

    Raises:
        FeatureError: not as many losses as packets.
    """
    received, gone = np.ones(tuple(shape), np.bool_), list(lost)
    if len(gone) != len(packets):
        raise FeatureError(f"{len(gone)} losses for {len(packets)} packets")
    for packet, is_lost in zip(packets, gone, strict=True):
        if is_lost:
            received[packet.channels, packet.rows] = False
    return received
