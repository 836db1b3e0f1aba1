"""All pairs of the choices that a tensor is made of, in as few vectors as a greedy search finds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from vectors.catalog import Catalog
from vectors.data import words
from vectors.recipes.words import data, digest, fps

Row = tuple[Any, ...]
CODECS = ("STORED", "ZLIB", "GZIP", "LZMA", "PNG", "JPEG", "JPEG2000", "HEVC")
BYTES = CODECS[:4]
FACTORS: dict[str, tuple[Any, ...]] = {
    "codec": CODECS,
    "bits": (1, 4, 8, 10, 12, 16),
    "quantizer": ("UNIFORM", "LOG", "LOG_NONNEGATIVE", "NONE"),
    "scope": ("SAMPLE", "SEQUENCE", "CHANNEL"),
    "layout": ("SEQUENCE", "MOSAIC", "QUILT"),
    "axes": ("C", "NC", "HWC", "TCHW"),
    "element": ("FLOAT32", "FLOAT16", "BFLOAT16", "FLOAT64"),
    "order": (False, True),
    "digests": ("", "T", "TL"),
}
DEPTHS = {"HEVC": (8, 10, 12), "JPEG": (8,)}


def allowed(row: dict[str, Any]) -> bool:
    """Whether the choices go together; absent ones are still open."""
    codec, quantizer = row.get("codec"), row.get("quantizer")
    if quantizer == "NONE":
        if codec is not None and codec not in BYTES:
            return False
        # Bit depth and scope are absent then: one value stands for that.
        if row.get("bits", 8) != 8 or row.get("scope", "SEQUENCE") != "SEQUENCE" or row.get("digests") == "TL":
            return False
    return codec not in DEPTHS or row.get("bits", 8) in DEPTHS[codec]


def all_pairs(factors: dict[str, tuple[Any, ...]], holds: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Rows that together hold every pair of values that is allowed; the same list on every machine."""
    names = list(factors)
    left = {
        ((a, x), (b, y))
        for a, b in itertools.combinations(names, 2)
        for x in factors[a]
        for y in factors[b]
        if holds({a: x, b: y}) and _completes({a: x, b: y}, factors, holds)
    }
    rows = []
    while left:
        seeds = words(20, len(rows))
        best = max(
            (_row(sorted(left, key=repr), int(seed), factors, holds) for seed in seeds), key=lambda r: _gain(r, left)
        )
        left -= set(_pairs(best))
        rows.append(best)
    return rows


def _pairs(row: dict[str, Any]) -> Iterable[tuple[tuple[str, Any], tuple[str, Any]]]:
    return itertools.combinations(row.items(), 2)


def _gain(row: dict[str, Any], left: set[Any]) -> int:
    return sum(pair in left for pair in _pairs(row))


def _completes(row: dict[str, Any], factors: dict[str, tuple[Any, ...]], holds: Any) -> bool:
    """Whether the other factors can be filled in; no constraint has more than two steps, so one try each will do."""
    for name in factors:
        if name not in row:
            values = [v for v in factors[name] if holds(row | {name: v})]
            if not values:
                return False
            if name == "quantizer":
                row = row | {name: values[0]}
    return True


def _row(left: list[Any], seed: int, factors: dict[str, tuple[Any, ...]], holds: Any) -> dict[str, Any]:
    start = left[seed % len(left)]
    row = dict(start)
    wanted = set(left)
    for step, name in enumerate(factors):
        if name in row:
            continue
        values = [v for v in factors[name] if holds(row | {name: v}) and _completes(row | {name: v}, factors, holds)]
        turn = (seed >> step) % len(values)
        values = values[turn:] + values[:turn]
        row[name] = max(values, key=lambda v: sum(_pair(k, x, name, v, factors) in wanted for k, x in row.items()))
    return {name: row[name] for name in factors}


def _pair(a: str, x: Any, b: str, y: Any, factors: dict[str, tuple[Any, ...]]) -> Any:
    names = list(factors)
    return ((a, x), (b, y)) if names.index(a) < names.index(b) else ((b, y), (a, x))


def register(c: Catalog) -> None:
    """Add the recipes."""
    for number, row in enumerate(all_pairs(FACTORS, allowed)):
        _add(c, number, row)


def _add(c: Catalog, number: int, row: dict[str, Any]) -> None:
    raw, low = row["quantizer"] == "NONE", 0.0 if row["quantizer"] == "LOG_NONNEGATIVE" else -1.5
    ranges = [[low, 0.5 + 2 * channel] for channel in range(5 if row["scope"] == "CHANNEL" else 1)]
    if row["scope"] == "CHANNEL":
        ranges[3] = [0.0, 0.0]
    picture = {"margin": (0, 0)}
    if row["codec"] == "HEVC":
        rows, columns = (1, 1) if row["layout"] == "SEQUENCE" else (2, 3)
        height, width = (4, 6) if "H" in row["axes"] else (1, 1)
        picture = {"margin": (24 - rows * height, 24 - columns * width)}
    samples = 2 if row["axes"][0] in "NT" else 1
    tensor = fps(
        axes=row["axes"], C=5, H=4, W=6, element=row["element"], quantizer=row["quantizer"],
        bits=row["bits"], scope=row["scope"], ranges=[] if raw else ranges, codec=row["codec"], layout=row["layout"],
        grid=None if row["layout"] == "SEQUENCE" else [2, 3], order=[4, 0, 3, 1, 2] if row["order"] else None,
        digests=row["digests"], **picture,
    )  # fmt: skip
    own = [[low, 1.5], [low, 40.0]][:samples]
    pattern = "smooth" if row["codec"] in ("HEVC", "JPEG") else "noise"
    units = [
        tensor,
        data(count=samples, pattern=pattern, **({"ranges": own} if row["scope"] == "SAMPLE" and not raw else {})),
    ]
    units += [digest(kind="TL".index(kind)) for kind in row["digests"]]
    profile = "INTRA" if row["codec"] == "HEVC" else "LOSSLESS" if row["codec"] in BYTES else "IMAGE"
    title = ", ".join(f"{name} {value}" for name, value in row.items() if name not in ("order", "digests"))
    c.stream(
        f"pairs-{row['codec'].lower()}-{number:03d}", f"Choices together: {title}", units, area="pairs", profile=profile
    )
