"""11.3: the limits of every level, reached where that is cheap, and exceeded by one."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.words import data, fps, other

AREA = "levels"
SAMPLE, UNIT, PICTURES = (2**20, 2**24, 2**28), (2**22, 2**26, 2**28), (2**12, 2**14, 2**16)
SIDE, PICTURE, SETS = (4096, 8192, 16384), (2**22, 2**25, 2**28), (8, 16, 64)
UNIT_BYTES = ("8180801" + "0", "8180808002", "8180808008")


def register(c: Catalog) -> None:
    """Add the recipes."""
    for level in (1, 2, 3):
        _over(c, level)
    _reached(c)


def _limit(c: Catalog, name: str, level: int, title: str, violates: str, units: list[Any], **more: Any) -> None:
    c.stream(
        f"levels-{name}-over{level}", title, units, area=AREA, kind="limit", violates=violates, level=level, **more
    )


def _constant(**words: Any) -> dict[str, Any]:
    return fps(**({"ranges": [[1.0, 1.0]]} | words))


def _over(c: Catalog, level: int) -> None:
    i = level - 1
    side = SIDE[i]
    # One row of channels more than the sample may have: rows x columns x channels is just above the limit.
    area = {1: (256, 256), 2: (1024, 1024), 3: (4096, 4096)}[level]
    channels = SAMPLE[i] // (area[0] * area[1]) + 1
    _limit(c, "sample.elements", level, f"More elements in a sample than level {level} allows", "level.sample-elements",
           [_constant(H=area[0], W=area[1], C=channels, layout="SEQUENCE")])  # fmt: skip
    if level < 3:
        _limit(c, "unit.elements", level, f"More elements in a unit than level {level} allows", "level.unit-elements",
               [_constant(H=area[0], W=area[1], C=channels - 1, layout="SEQUENCE"),
                data(count=UNIT[i] // SAMPLE[i] + 1)])  # fmt: skip
    else:
        _limit(c, "unit.elements", level, "More elements in a unit than level 3 allows", "level.unit-elements",
               [_constant(H=4096, W=4096, C=1, layout="SEQUENCE"), data(count=17)])  # fmt: skip
    for name, size in (("width", [1, side + 1]), ("height", [side + 1, 1])):
        extents = {"H": size[0], "W": size[1]}
        _limit(c, f"picture.{name}", level, f"Pictures of greater {name} than level {level} allows",
               "level.picture-side",
               [_constant(C=1, size=size, **extents)])  # fmt: skip
    tall, wide = {1: (1025, 4096), 2: (4097, 8192), 3: (16384, 16384)}[level]
    if level < 3:
        cells = 64
        _limit(c, "picture.elements", level, f"Greater pictures than level {level} allows", "level.picture-elements",
               [_constant(C=1, H=(tall - 1) // 8, W=wide // 8, grid=[8, 8], size=[tall, wide])])  # fmt: skip
        assert cells
    _limit(c, "unit.pictures", level, f"More pictures in a unit than level {level} allows", "level.unit-pictures",
           [_constant(C=1, H=1, W=1), data(count=PICTURES[i] + 1)])  # fmt: skip
    _limit(c, "set.pictures", level, f"More pictures in a sample than level {level} allows", "level.unit-pictures",
           [_constant(C=PICTURES[i] + 1, H=1, W=1, layout="SEQUENCE"), data()])  # fmt: skip
    c.stream(f"levels-set.pictures-none{level}", "Pictures are counted in units: a tensor without samples has none",
             [_constant(C=PICTURES[i] + 1, H=1, W=1, layout="SEQUENCE")], area=AREA, level=level)  # fmt: skip
    _limit(c, "unit.bytes", level, f"A longer unit than level {level} allows", "level.unit-bytes",
           [_constant(), other(64, "", length=UNIT_BYTES[i])])  # fmt: skip
    if level < 3:
        sets = [_constant(id=n, axes="NC", C=1) for n in range(SETS[i] + 1)]
        _limit(
            c, "parameter.sets", level, f"More parameter sets than level {level} allows", "level.parameter-sets", sets
        )


def _reached(c: Catalog) -> None:
    half = {"element": "FLOAT16", "layout": "SEQUENCE"}
    c.stream("levels-sample.elements-most1", "As many elements in a sample as level 1 allows",
             [_constant(C=16, H=256, W=256, **half), data()], area=AREA)  # fmt: skip
    c.stream("levels-unit.elements-most1", "As many elements in a unit as level 1 allows",
             [_constant(C=16, H=256, W=256, **half), data(count=4)], area=AREA)  # fmt: skip
    for level, side in ((1, 4096), (2, 8192), (3, 16384)):
        c.stream(f"levels-picture.side-most{level}", f"Pictures as wide as level {level} allows",
                 [fps(C=1, H=1, W=side, bits=1, codec="ZLIB"), data(pattern="ramp")], area=AREA,
                 level=level)  # fmt: skip
        c.stream(f"levels-picture.height-most{level}", f"Pictures as high as level {level} allows",
                 [fps(C=1, H=side, W=1, bits=1, codec="ZLIB"), data(pattern="ramp")], area=AREA,
                 level=level)  # fmt: skip
    c.stream("levels-picture.elements-most1", "Pictures as large as level 1 allows, most of them empty cells",
             [fps(C=1, H=128, W=512, grid=[8, 8], bits=1, codec="ZLIB"), data(pattern="smooth")],
             area=AREA)  # fmt: skip
    for level, count in ((1, 2**12), (2, 2**14), (3, 2**16)):
        c.stream(f"levels-unit.pictures-most{level}",
                 f"As many pictures in a unit as level {level} allows, all constant",
                 [_constant(C=count, H=1, W=1, layout="SEQUENCE"), data()], area=AREA, level=level)  # fmt: skip
    c.stream("levels-unit.pictures-coded1", "As many pictures in a unit as level 1 allows, all coded",
             [fps(C=64, H=1, W=1, bits=2, layout="SEQUENCE"), data(count=64)], area=AREA)  # fmt: skip
    for level, count in ((1, 8), (2, 16)):
        c.stream(f"levels-parameter.sets-most{level}", f"As many parameter sets as level {level} allows",
                 [_constant(id=n, axes="C", C=1) for n in range(count)] + [data(id=n) for n in range(count)], area=AREA,
                 level=level)  # fmt: skip
