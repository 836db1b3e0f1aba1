"""11.4 What a JPEG 2000 codestream (8.3.4) asks of a decoder beside its samples: tiles, precincts and packets.

A header of a hundred bytes can divide a small picture into 65,535 tiles, or give every sample a precinct with 65,535
layers of packets, none of which has to be there.
"""

from __future__ import annotations

from dataclasses import dataclass

from refsw.payload.image_headers import COC, COD, SIZ, codestream_segments

POC = 0xFF5F
LAYERS, CODED = 6, {COD: 9, COC: 6}  # places of the layers in COD; of the levels of the transform (T.800, A.6)
PRECINCTS = 5  # bytes after the levels
PROGRESSION_BYTES = 7
INCLUDED_BYTES = 2


@dataclass(frozen=True, slots=True)
class Demand:
    """What the headers of a codestream tell, at most.

    Args:
        tiles: of the image.
        precincts: of all bands.
        packets: of all layers, visited once for every progression.
        included: bytes in which a decoder notes, for a tile, which packets it has met.
    """

    tiles: int
    precincts: int
    packets: int
    included: int


@dataclass(frozen=True, slots=True)
class Axis:
    """Samples of an image along one axis, and of its tiles; offsets are 0 (8.3.4)."""

    size: int
    tile: int

    def precincts(self, levels: int, exponent: int) -> tuple[int, int]:
        """Precincts at a resolution that is halved `levels` times, at most: those of all tiles, and of one."""
        size, step = -(-self.size >> levels), 1 << exponent
        tiles = min(-(-self.size // self.tile), size)
        cells = -(-size // step)
        if tiles <= 1:
            return cells, cells
        # Where both are cut, in turn: a part begins at an edge of a tile or of a precinct.
        part = 1 + (self.tile - 1 >> levels)
        return tiles + cells - 1, min(cells, -(-part // step) + 1)


def demand(data: bytes) -> Demand:
    """What a codestream asks for; nothing where it does not begin as one or cannot be read."""
    layers, progressions = 0, 1
    styles: set[tuple[int, ...]] = set()
    for marker, segment in codestream_segments(data):
        if marker == COD:
            layers = max(layers, int.from_bytes(segment[LAYERS : LAYERS + 2], "big"))
        elif marker == POC:
            progressions += len(segment) // PROGRESSION_BYTES
        if marker in CODED and len(segment) > CODED[marker]:
            place = CODED[marker]
            levels, sizes = segment[place], segment[place + PRECINCTS :]
            has_sizes = segment[4 if marker == COD else 5] & 1
            styles.add(tuple((sizes if has_sizes else b"").ljust(levels + 1, b"\xff")[: levels + 1]))
    if not data.startswith(b"\xff\x4f\xff\x51") or len(data) < 6 + SIZ.size or not styles:
        return Demand(0, 0, 0, 0)
    _, width, height, _, _, tile_width, tile_height, *_ = SIZ.unpack_from(data, 6)
    if not (tile_width and tile_height):
        return Demand(0, 0, 0, 0)
    asked = [_precincts(Axis(width, tile_width), Axis(height, tile_height), style) for style in styles]
    by_resolution, largest = max(sum(counts) for counts, _ in asked), max(most for _, most in asked)
    bands = max(counts[0] + 3 * sum(counts[1:]) for counts, _ in asked)
    included = INCLUDED_BYTES * layers * max(map(len, styles)) * largest
    tiles = -(-width // tile_width) * -(-height // tile_height)
    return Demand(tiles, bands, layers * by_resolution * progressions, included)


def _precincts(columns: Axis, rows: Axis, style: tuple[int, ...]) -> tuple[list[int], int]:
    """T.800, B.6: precincts of every resolution, all tiles together, and the most that one has of a tile."""
    counts, most = [], 0
    for resolution, exponents in enumerate(style):
        across, widest = columns.precincts(len(style) - 1 - resolution, exponents & 15)
        down, highest = rows.precincts(len(style) - 1 - resolution, exponents >> 4)
        counts.append(across * down)
        most = max(most, widest * highest)
    return counts, most
