"""Informative: the pictures of a tensor, and the narrowest level (11.3) whose limits they keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refsw.errors import DfcError, FeatureError, UsageError
from refsw.features.config import EncoderConfig
from refsw.features.limits import over, size_limits
from refsw.features.parameters import MAX_MARGIN
from refsw.payload.base import VIDEO
from refsw.payload.x265 import LONG_SIDE, MIN_SIDE, MIN_SIDE_LONG
from refsw.profiles import LEVELS, LevelLimits
from refsw.syntax.codes import Level, Quantizer, RepackLayout
from refsw.tensor.axes import Axes
from refsw.tensor.parts import Parts
from refsw.tensor.quantize import level_dtype
from refsw.tensor.repack import Packing, choose_grid

OVERHEAD = 1 << 12
"""Bytes of a unit that are not its payload, and a share of its payload: more than codecs add to what they cannot
compress."""


def layout_of(name: str, axes: Axes, config: EncoderConfig, dtype: np.dtype[Any]) -> tuple[Level, Packing]:
    """The narrowest level that takes a tensor, and its pictures there; with the level of the configuration, if any.

    Args:
        name: of the tensor, for messages.
        axes: of the tensor.
        config: its choices.
        dtype: of its elements.

    Raises:
        UsageError: no level, or not that one, takes the tensor coded in this way; says which limit.
    """
    bytes_each = (
        dtype.itemsize if config.quantizer is Quantizer.NONE else np.dtype(level_dtype(config.bit_depth)).itemsize
    )
    found: list[DfcError] = []
    for level in [config.level] if config.level else list(Level):
        packing = _packing(axes, config, LEVELS[level])
        found = list(_excess(axes, config, packing, LEVELS[level], bytes_each))
        if not found:
            return level, packing
    wider = "; a higher level may take it (--level)" if config.level not in (None, Level.L3) else ""
    shape = "x".join(map(str, axes.canonical_shape))
    # Too large for every level, whatever is chosen, is a matter of the tensor.
    never = found[0].requirement == "level.sample-elements" and config.level is None
    raise (FeatureError if never else UsageError)(
        f"{name}: a sample of {shape} (channels, rows, columns): {found[0].expected}, not {found[0].got} "
        f"[requirement {found[0].requirement}]{_remedy(found[0].requirement)}{wider}"
    )


def _excess(
    axes: Axes, config: EncoderConfig, packing: Packing, limits: LevelLimits, bytes_each: int
) -> Iterator[DfcError]:
    """11.3 What exceeds the limits of a level, as far as it is known before anything is coded."""
    count = config.samples_per_unit if axes.has_samples else 1
    maps, rows, columns = maps_of(axes, config)
    elements = max(axes.elements, maps * rows * columns)
    yield from size_limits(elements, packing, limits, None)
    yield from over(limits, "unit_elements", count * elements, "sample_count_minus1", None)
    channels = maps
    if (parts := parts_of(axes, config)) is not None:
        yield from over(limits, "sample_parts", parts.count, "channel_groups_minus1", None)
        channels = -(-channels // parts.groups)
    pictures = count * packing.pictures(channels)
    yield from over(limits, "unit_pictures", pictures, "sample_count_minus1", None)
    raw = pictures * packing.coded_height * packing.coded_width * bytes_each
    if limits is not LEVELS[Level.L3]:  # there is no further one: whether it fits is seen when it is coded
        yield from over(limits, "unit_bytes", raw + raw // 64 + OVERHEAD, "unit_length", None)


def maps_of(axes: Axes, config: EncoderConfig) -> tuple[int, int, int]:
    """7.5, 7.6.1 Number, rows and columns of what is laid into pictures: channels, or components."""
    if config.transform is None:
        return axes.channels, axes.rows, axes.columns
    return (config.transform.components, *config.transform.map_shape(axes.rows, axes.columns))


def _remedy(requirement: str) -> str:
    if requirement in ("level.picture-side", "level.picture-elements"):
        return "; other axes (--axes), a mosaic or a smaller grid make other pictures"
    if requirement == "level.sample-parts":
        return "; larger --parts"
    if requirement in ("level.unit-elements", "level.unit-pictures"):
        return "; fewer --samples-per-unit, or a mosaic"
    return ""


def parts_of(axes: Axes, config: EncoderConfig) -> Parts | None:
    """The parts of a sample that the configuration asks for."""
    if config.parts is None:
        return None
    rows, channels = config.parts
    return Parts(axes.rows, min(rows, axes.rows), -(-axes.channels // channels))


def _packing(axes: Axes, config: EncoderConfig, limits: LevelLimits) -> Packing:
    video = config.payload in VIDEO
    align = config.align if config.align is not None else (8 if video else 1)
    if not 1 <= align <= MAX_MARGIN // 2:
        raise UsageError(f"align {align}: from 1 to {MAX_MARGIN // 2}")
    grid, (channels, rows, columns) = (1, 1), maps_of(axes, config)
    if config.layer is not None:
        channels = int(config.layer.carried(channels).sum())
    if (parts := parts_of(axes, config)) is not None:
        channels, rows = -(-channels // parts.groups), parts.part_rows
    if config.layout is not RepackLayout.SEQUENCE:
        grid = config.grid or choose_grid(channels, rows, columns, limits.picture_side - align)
        if min(grid) < 1 or grid[0] * grid[1] >= 2 * channels + 64:
            raise UsageError(f"grid {grid[0]}x{grid[1]} does not suit {channels} channels")
    height, width = grid[0] * rows, grid[1] * columns
    smallest = (MIN_SIDE_LONG if max(height, width) > LONG_SIDE else MIN_SIDE) if video else 1
    coded = [max(smallest, -(-side // align) * align) for side in (height, width)]
    return Packing(config.layout, rows, columns, *grid, *coded)
