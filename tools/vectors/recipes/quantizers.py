"""7.3, 7.4: ranges and dequantization, at every level of a table, in the hard cases, with every scope."""

from __future__ import annotations

from vectors.catalog import Catalog
from vectors.recipes.words import LARGEST, TINY, data, digest, fps

AREA = "quantizer"
RANGES = {
    "unit": [0.0, 1.0],
    "signed": [-0.7000000476837158, 11.300000190734863],
    "negative": [-2048.0, -1e-3],
    "far": [16777216.0, 16777300.0],
    "below": [-1e30, -1e-30],
    "above": [1e-30, 1e30],
    "cancelled": [-33554432.0, 5.0],
    "huge": [-LARGEST, LARGEST],
    "subnormal": [0.0, 100 * TINY],
    "tiny": [-TINY, TINY],
    "narrow": [1.0, 1.0000001192092896],
    "narrow.far": [-1e20, -9.999999e19],
    "power": [0.0, 255.0],
    "cube": [-1.0, 6.0],
}


def register(c: Catalog) -> None:
    """Add the recipes."""
    for quantizer in ("UNIFORM", "LOG", "LOG_NONNEGATIVE"):
        for name, pair in RANGES.items():
            if quantizer == "LOG_NONNEGATIVE":
                if pair[1] < 0 or name in ("tiny", "power"):
                    continue
                pair = [0.0, pair[1]]
            _table(c, quantizer, name, pair, 8)
        for bits in (1, 2, 3, 5, 7, 10, 12):
            _table(c, quantizer, f"n{bits}", [-0.75 if quantizer != "LOG_NONNEGATIVE" else 0.0, 19.5], bits)
    for quantizer in ("UNIFORM", "LOG"):
        c.stream(f"quantizer-{quantizer.lower()}-n16", f"All 65,536 levels of {quantizer} at 16 bits",
                 [fps(quantizer=quantizer, bits=16, ranges=[[-3.3, 12345.678]], axes="HW", H=256, W=256, codec="LZMA",
                      digests="T", encoder={"compression_level": 6}), data(pattern="ramp"), digest()],
                      area=AREA)  # fmt: skip
    for name, (pair, bits) in HARD.items():
        _table(c, "LOG", f"hard.{name}", pair, bits)
    for bits in (2, 4, 6):
        c.stream(f"quantizer-log-ties{bits}", f"Levels of LOG at {bits} bits that lie midway between two binary32",
                 [fps(scope="SAMPLE", quantizer="LOG", bits=bits, C=1, H=2, W=1 << bits - 1, digests="T"),
                  data(count=len(TIES), ranges=TIES, pattern="ramp"), digest()], area=AREA)  # fmt: skip
    _scopes(c)
    _constants(c)
    _orders(c)


# Ranges in which binary64 arithmetic, one operation after the other, rounds some level of LOG to the wrong binary32.
HARD: dict[str, tuple[list[float], int]] = {
    "end8": ([-1144236.25, 0.0015339379897341132], 8),
    "end10": ([-2682064.5, 0.0011137420078739524], 10),
    "end12": ([-1288251.0, 0.0011204263428226113], 12),
    "inside10": ([-2764849408.0, 34.02116775512695], 10),
}


# D = maximum - minimum + 1 is the cube of p / 256, so that D^(1/3) and D^(2/3) are rational. The minimum is an odd
# multiple of 2^-24 below 1, and so are these elements, which are above 1: ties, up or down to the even neighbour.
TIES = [[(2**24 - k) / 2**24, (p**3 - k) / 2**24] for p, k in ((257, 1), (257, 3), (259, 5), (273, 1), (287, 3))]


def _table(c: Catalog, quantizer: str, name: str, pair: list[float], bits: int) -> None:
    side = 1 << (bits + 1) // 2
    c.stream(f"quantizer-{quantizer.lower().replace('_', '.')}-{name}",
             f"All levels of {quantizer} at {bits} bits between {pair[0]:g} and {pair[1]:g}",
             [fps(quantizer=quantizer, bits=bits, ranges=[pair], axes="HW", H=side, W=max(1, (1 << bits) // side),
                  digests="T"), data(pattern="ramp"), digest()], area=AREA)  # fmt: skip


def _scopes(c: Catalog) -> None:
    pairs = [[-1.0, 2.0], [0.5, 0.5], [-7.0, -3.0]]
    for quantizer in ("UNIFORM", "LOG"):
        q = quantizer.lower()
        c.stream(f"range-sample-{q}", f"A range of its own for every sample, {quantizer}",
                 [fps(scope="SAMPLE", quantizer=quantizer, digests="TL"), data(count=3, ranges=pairs), digest(),
                  digest(kind=1), data(ranges=[[3.0, 9.0]]), digest(), digest(kind=1)], area="range")  # fmt: skip
        c.stream(f"range-channel-{q}", f"A range of its own for every channel, {quantizer}",
                 [fps(scope="CHANNEL", quantizer=quantizer, C=3, ranges=[[-1.0, 2.0], [0.0, 0.25], [-700.0, 1e6]],
                      digests="TL"), data(count=2), digest(), digest(kind=1)], area="range")  # fmt: skip
        c.stream(f"range-channel-{q}.many",
                 f"Many channels with ranges of their own, more elements than levels, {quantizer}",
                 [fps(scope="CHANNEL", quantizer=quantizer, bits=3, C=4, H=5, W=5, digests="T",
                      ranges=[[-1.5, 2.0], [0.0, 0.25], [-700.0, 1e6], [4.0, 4.0]]), data(count=2), digest()],
                 area="range")  # fmt: skip
        c.stream(f"range-channel-{q}.types", f"Ranges by channel in binary16, {quantizer}",
                 [fps(scope="CHANNEL", quantizer=quantizer, element="FLOAT16", C=3, digests="T",
                      ranges=[[-1e5, 1e5], [0.0, 1e-6], [7e4, 7e4]]), data(), digest()], area="range")  # fmt: skip
    nonnegative = [[0.0, 1.0], [0.0, 0.0], [0.0, 5e4]]
    c.stream("range-channel-log.nonnegative", "Ranges by channel of LOG_NONNEGATIVE, one of them constant",
             [fps(scope="CHANNEL", quantizer="LOG_NONNEGATIVE", C=3, ranges=nonnegative), data(count=2)],
             area="range")  # fmt: skip
    c.stream("range-sample-log.nonnegative", "Ranges by sample of LOG_NONNEGATIVE, one of them constant",
             [fps(scope="SAMPLE", quantizer="LOG_NONNEGATIVE"), data(count=3, ranges=nonnegative)],
             area="range")  # fmt: skip
    c.stream("range-sequence-shared", "One range for the samples of three units", [fps(), data(), data(count=2),
             data()],
             area="range")  # fmt: skip
    for scope, units in (
        ("sequence", [fps(ranges=[[2.0, 1.0]]), data()]),
        ("channel", [fps(scope="CHANNEL", ranges=[[0.0, 1.0], [1.0, 0.9999999403953552]]), data()]),
        ("sample", [fps(scope="SAMPLE"), data(count=2, ranges=[[0.0, 1.0], [TINY, 0.0]])]),
        ("nonnegative", [fps(quantizer="LOG_NONNEGATIVE", ranges=[[0.0, -1.0]]), data()]),
        (
            "sample.nonnegative",
            [fps(quantizer="LOG_NONNEGATIVE", scope="SAMPLE"), data(ranges=[[0.0, -TINY]])],
        ),
    ):
        c.stream(f"range-order-{scope}", f"A minimum above its maximum, {scope}", units, area="range", kind="invalid",
                 violates="range.order")  # fmt: skip


def _constants(c: Catalog) -> None:
    c.stream("constant-sequence-all", "Every sample is constant: no payload at all",
             [fps(ranges=[[-0.5, -0.5]], digests="TL"), data(count=2), data(), digest(), digest(kind=1)],
             area="constant")  # fmt: skip
    c.stream("constant-sample-between", "A constant sample between two others of a unit",
             [fps(scope="SAMPLE", digests="TL"), data(count=3, ranges=[[0.0, 1.0], [7.25, 7.25], [-1.0, 0.0]]),
             digest(),
              digest(kind=1)], area="constant")  # fmt: skip
    c.stream("constant-sample-order", "A constant sample of a tensor with axes H, W, C and an order of channels",
             [fps(scope="SAMPLE", axes="NHWC", C=3, order=[1, 2, 0]), data(count=2, ranges=[[1.5, 1.5], [0.0, 2.0]])],
             area="constant")  # fmt: skip
    for codec, profile in (("ZLIB", "LOSSLESS"), ("LZMA", "LOSSLESS"), ("PNG", "IMAGE"), ("JPEG2000", "IMAGE")):
        c.stream(f"constant-codec-{codec.lower()}", f"A constant sample in {codec}: no payload",
                 [fps(scope="SAMPLE", codec=codec), data(ranges=[[2.0, 2.0]])], area="constant",
                 profile=profile)  # fmt: skip
    c.stream("constant-payload-present", "A payload where no sample has pictures",
             [fps(scope="SAMPLE"), data(ranges=[[2.0, 2.0]], payload="00")], area="constant", kind="invalid",
             violates="payload.empty")  # fmt: skip
    c.stream("constant-channels-present", "A payload where all channels are constant",
             [fps(scope="CHANNEL", ranges=[[1.0, 1.0], [2.0, 2.0]]), data(payload={"repeat": "00", "times": 12})],
             area="constant", kind="invalid", violates="payload.empty")  # fmt: skip


def _orders(c: Catalog) -> None:
    """Random levels over ranges that are no round numbers: another order of operations differs in some element."""
    for index, pair in enumerate(([-1.1, 3.3], [-0.1, 1e5], [-123456.7, 0.3], [1e-3, 1.7e-3])):
        for quantizer in ("UNIFORM", "LOG"):
            c.stream(f"quantizer-{quantizer.lower()}-rounding{index}",
                     f"4,096 levels of 16 bits of {quantizer} between {pair[0]:g} and {pair[1]:g}",
                     [fps(quantizer=quantizer, bits=16, ranges=[pair], axes="HW", H=64, W=64, digests="T"),
                     data(), digest()],
                     area=AREA)  # fmt: skip
