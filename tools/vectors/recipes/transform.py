"""7.6, 6.21, 6.22: the channel transform: every kind of it, with every scope, layout and payload."""

from __future__ import annotations

from typing import Any

import numpy as np

from refsw.syntax.transform_structures import CHANNEL_TRANSFORM
from refsw.tensor.transform import Basis, values_of
from vectors import data as hashed
from vectors.bits import Writing
from vectors.catalog import Catalog
from vectors.recipes.native import UNIVERSAL, levels
from vectors.recipes.native import sample as native_sample
from vectors.recipes.prediction import INTRA, STILL, Series
from vectors.recipes.words import LARGEST, TINY, data, digest, fps
from vectors.tensors import Unit

AREA = "transform"
COMPLETE = "COMPLETE"
SMALL: dict[str, Any] = {"C": 5, "H": 3, "W": 4}
NOBODY_HAS = "5a" * 32


def register(c: Catalog) -> None:
    """Add the recipes."""
    _ranks(c)
    _phases(c)
    _prefixes(c)
    _numbers(c)
    _ranges(c)
    _combinations(c)
    _streams(c)


def entries(shape: tuple[int, int], bits: list[int], seed: int) -> Any:
    """Entries (N, K) of a basis from integer hashes, with so many bits for every component."""
    words = hashed.words(shape[0] * shape[1], seed).reshape(shape).astype(np.int64) & 0xFFF
    return np.stack([(words[:, k] & (1 << b) - 1) - (1 << (b - 1)) for k, b in enumerate(bits)], 1)


def basis_values(channels: int, count: int, *, bits: Any = 8, exponents: Any = 0, prefix: int = 0,
                 seed: int = 7, given: Any = None, mean: float | None = None) -> Basis:  # fmt: skip
    """A basis for so many channels, or phases, and components."""
    widths = [bits] * count if isinstance(bits, int) else list(bits)
    powers = [exponents] * count if isinstance(exponents, int) else list(exponents)
    found = np.array(given if given is not None else np.zeros((channels, 0)))
    if given is None and count:
        found = entries((channels, count), widths, seed)
    means = (hashed.words(channels * (prefix + 1), seed + 1).astype(np.int64) % 512 - 256) / 256
    if mean is not None:
        means[:] = mean
    grid = means.astype(np.float32).reshape(prefix + 1, channels)
    return Basis(found.astype(np.int16), np.array(widths, np.int64), np.array(powers, np.int64), grid[0], grid[1:])


def basis(channels: int, count: int, **more: Any) -> str:
    """The same as hexadecimal digits."""
    return raw_basis(basis_values(channels, count, **more))


def raw_basis(values: Basis, **changed: Any) -> str:
    """A channel_transform with elements changed, whatever they are then."""
    return Writing(CHANNEL_TRANSFORM, values_of(values) | changed).body.getvalue().hex()


def words(components: int | None = None, **more: Any) -> dict[str, Any]:
    """The words of a parameter set with a transform; those of the transform itself begin with t_."""
    own = {key[2:]: value for key, value in more.items() if key.startswith("t_")}
    plain = SMALL | {key: value for key, value in more.items() if not key.startswith("t_")}
    channels = plain["C"] * (4 if own.get("s2d") else 1)
    count = channels if components is None else components
    made = {} if {"digest", "basis"} & set(own) else {"basis": basis(channels, count, prefix=own.get("prefix", 0))}
    return plain | {"transform": {"K": count} | made | own}


def _whole(c: Catalog, name: str, title: str, units: list[Unit], more: tuple[str, ...] = (), **header: Any) -> None:
    listed = [units[0] | {"digests": "TL"}, *units[1:], digest(), digest(kind=1)]
    c.stream(f"transform-{name}", title, listed, area=AREA, profile=COMPLETE, suite="transform", requirements=more,
             **header)  # fmt: skip


def _ranks(c: Catalog) -> None:
    for count in (5, 2, 1):
        _whole(c, f"rank-{count}", f"{count} components for 5 channels", [fps(**words(count)), data()])
    _whole(
        c, "rank-0", "No components: every element is the mean of its channel", [fps(**words(0, grid=[1, 1])), data()]
    )
    wide = words(33, C=40, H=2, W=2, layout="MOSAIC", grid=[2, 3])
    _whole(c, "rank-33", "33 components for 40 channels, six in a picture", [fps(**wide), data()])


def _phases(c: Catalog) -> None:
    for name, shape, count in (
        ("even", (3, 4, 6), 12), ("odd", (2, 5, 7), 8), ("one", (3, 1, 1), 12), ("few", (2, 6, 2), 3),
        ("row", (2, 1, 5), 8), ("column", (2, 3, 1), 5),
    ):  # fmt: skip
        own = words(count, **dict(zip("CHW", shape, strict=True)), t_s2d=1)
        size = "x".join(map(str, shape))
        _whole(c, f"phases-{name}", f"{count} components for the phases of {size}", [fps(**own), data()])
    own = words(9, axes="NHWC", C=3, H=5, W=4, t_s2d=1, element="FLOAT16")
    _whole(c, "phases-axes", "Phases of a tensor whose last axis is that of channels", [fps(**own), data(count=2)])


def _prefixes(c: Catalog) -> None:
    text = {"axes": "NHC", "C": 6, "H": 9, "layout": "QUILT", "grid": [1, 6]}
    _whole(c, "prefix-one", "Tokens in one picture, the first of them not transformed",
           [fps(**words(**text, t_prefix=1)), data(count=2)])  # fmt: skip
    _whole(c, "prefix-all", "Nothing but a prefix", [fps(**words(**text | {"H": 3}, t_prefix=3)), data()])
    most = words(C=2, H=18, W=3, t_prefix=16, t_prefix_step=-0.25)
    _whole(c, "prefix-most", "A prefix of 16 rows, with three columns and a negative step", [fps(**most), data()])
    shifted = words(C=4, H=4, W=2, layout="SEQUENCE", t_prefix=2, t_shifts=[3, 0, 5, 1])
    _whole(c, "prefix-shifted", "Shifts of components do not hold for the prefix", [fps(**shifted), data()])


def _numbers(c: Catalog) -> None:
    mixed = basis(5, 5, bits=[2, 3, 7, 10, 12], exponents=[11, 9, 4, 1, 0])
    _whole(c, "numbers-bits", "Entries of 2 to 12 bits", [fps(**words(t_basis=mixed)), data()])
    for bits in (1, 8, 10, 12, 16):
        _whole(c, f"numbers-depth.{bits}", f"Levels of {bits} bits", [fps(**words(3, bits=bits)), data()])
    shifts = words(layout="MOSAIC", grid=[1, 2], t_shifts=[6, 2, 0])
    _whole(c, "numbers-shifts", "Three pictures of components with shifts of their own", [fps(**shifts), data()])
    far = basis(2, 2, bits=2, exponents=[5, 0])
    most = words(2, C=2, bits=8, layout="SEQUENCE", t_basis=far, t_shifts=[31, 0], t_step=1e-9)
    _whole(c, "numbers-shift.most", "A level_shift of 31", [fps(**most), data()])
    high = basis(2, 2, bits=2, exponents=[31, 12])
    _whole(c, "numbers-exponent.most", "A component_exponent of 31",
           [fps(**words(2, C=2, bits=8, t_basis=high, t_step=1e-9)), data()])  # fmt: skip
    # Eight times -2^11 x 2^24 x -2^15: sums of 2^53, and of what is left where as much is added as taken away.
    ends = np.full((4, 8), -2048)
    ends[1, ::2], ends[2, 1::2], ends[3, 3:] = 2047, 0, 2047
    worst = basis(16, 8, bits=12, exponents=24, given=np.concatenate([ends, ends[::-1], -1 - ends, ends * 0 - 1]))
    wide = {"C": 16, "H": 4, "W": 4, "bits": 16, "ranges": [[-3e37, 3e37]]}
    _whole(c, "numbers-worst", "Sums of 2^53 and differences of such sums",
           [fps(**words(8, **wide, t_basis=worst, t_step=1.5)), data(pattern="ends")])  # fmt: skip
    narrow = wide | {"ranges": [[-8.0, 8.0]]}
    _whole(c, "numbers-cancelled", "What is left of great sums that cancel",
           [fps(**words(8, **narrow, t_basis=worst, t_step=2.0**-36)), data(pattern="ends")])  # fmt: skip
    for name, step in (("zero", 0.0), ("negative", -0.0078125), ("largest", LARGEST),
                       ("smallest", -LARGEST), ("least", TINY)):  # fmt: skip
        own: dict[str, Any] = {"ranges": [[-LARGEST, LARGEST]]}
        _whole(c, f"numbers-step.{name}", f"A component_step of {step!r}", [fps(**words(t_step=step, **own)), data()])
        first = words(t_prefix=1, t_prefix_step=step, **own)
        _whole(c, f"prefix-step.{name}", f"A prefix_step of {step!r}", [fps(**first), data()])
    small = basis(5, 5, mean=TINY)
    near = {"ranges": [[-TINY * 40, TINY * 60]], "t_basis": small}
    _whole(c, "numbers-subnormal", "Elements that are subnormal, zero, or limited to a subnormal range",
           [fps(**words(t_step=TINY, **near)), data()])  # fmt: skip
    halves = basis(2, 1, bits=2, given=[[1], [-1]], mean=1.0)
    ties = {"C": 2, "H": 2, "W": 2, "t_basis": halves, "t_step": 2.0**-24, "ranges": [[-9.0, 9.0]], "bits": 3}
    _whole(c, "numbers-ties", "Sums half way between two numbers", [fps(**words(1, **ties)), data(pattern="ramp")])


def _ranges(c: Catalog) -> None:
    three = [[0.0, 2.0], [0.75, 0.75], [-1.0, 0.0]]
    _whole(c, "range-sample", "Ranges of samples, a constant one between",
           [fps(**words(scope="SAMPLE", ranges=[])), data(count=3, ranges=three)])  # fmt: skip
    _whole(c, "range-rectified", "Nothing below zero", [fps(**words(3, ranges=[[0.0, LARGEST]])), data()])
    _whole(c, "range-constant", "A range of one number for all samples",
           [fps(**words(ranges=[[0.5, 0.5]])), data(count=2)])  # fmt: skip


def _combinations(c: Catalog) -> None:
    for layout, grid, margin in (("SEQUENCE", None, [1, 2]), ("MOSAIC", [3, 2], [2, 1]), ("QUILT", [2, 2], [0, 3])):
        own = words(layout=layout, grid=grid, margin=margin)
        _whole(c, f"layout-{layout.lower()}", f"Components in layout {layout}", [fps(**own), data()])
    for element in ("FLOAT16", "BFLOAT16", "FLOAT64"):
        own = words(4, element=element, ranges=[[-7e4, 7e4]], t_step=900.0)
        _whole(c, f"element-{element.lower()}", f"Elements of type {element}", [fps(**own), data()])
    for codec, bits in (("ZLIB", 12), ("PNG", 16)):
        units = [fps(**words(3, bits=bits, codec=codec)), data(count=2)]
        _whole(c, f"payload-{codec.lower()}", f"Components in a payload of {codec}", units)
    video = words(4, C=4, H=16, W=16, bits=12, codec="HEVC", layout="MOSAIC", grid=[1, 2], t_shifts=[3, 0])
    _whole(c, "payload-hevc", "Components in two HEVC pictures", [fps(**video), data(pattern="smooth")])
    maps = levels((7, 3, 4), 4)
    own = words(7, C=9, bits=12, codec="NATIVE", layout="SEQUENCE", configuration=UNIVERSAL)
    _whole(c, "payload-native", "Components in a native payload",
           [fps(**own), data(payload=native_sample(maps).hex())])  # fmt: skip
    series = Series().add(maps, INTRA).add(np.roll(maps, 1, axis=2), STILL)
    _whole(c, "payload-time", "Components predicted in time",
           [fps(**own | {"axes": "TCHW", "predict": 1}), data(count=2, payload=series.payload.hex())])  # fmt: skip


def _streams(c: Catalog) -> None:
    first, second = words(2, layer="a"), words(3, layer="c", C=3, id=2)
    units = [fps(**first), fps(id=1, layer="b"), fps(**second), data(), data(id=1), data(id=2)]
    c.stream("transform-streams-several", "Tensors with transforms of their own, and one without", units, area=AREA,
             profile=COMPLETE, suite="transform")  # fmt: skip
    c.stream("transform-streams-empty", "A tensor without samples", [fps(**words(2))], area=AREA, profile=COMPLETE,
             suite="transform")  # fmt: skip
    named = words(2, t_digest=NOBODY_HAS, ranges=[[0.5, 0.5]])
    _whole(c, "named-constant", "A transform that no decoder has, for samples that need none", [fps(**named), data()],
           ("named.unknown",))  # fmt: skip
    most = words(1024, C=1024, H=1, W=1, layout="QUILT", grid=[1, 1024], t_digest=NOBODY_HAS, ranges=[[0.5, 0.5]])
    _whole(c, "levels-entries.most", "As many entries of the basis as level 1 allows", [fps(**most), data()])
