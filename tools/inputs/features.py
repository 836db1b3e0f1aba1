"""Inputs of features: what networks put out, what is odd about it, and what no bitstream can hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

FLOATS = ("float32", "float16", "bfloat16", "float64")
INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "bool")
INFINITY, NAN, MINUS_ZERO = "inf", "nan", "-0x0p0"
GREATEST = float.fromhex("0x1.fffffep127")
Entry = dict[str, Any]


def tensor(shape: list[int], fill: str = "noise", dtype: str = "float32", name: str = "layer", **more: Any) -> Entry:
    """The recipe of a tensor."""
    if fill in ("noise", "feature", "massive", "bits"):
        more.setdefault("seed", 1)
    return {"name": name, "dtype": dtype, "shape": shape, "fill": fill} | more


def entry(name: str, title: str, about: list[str], *tensors: Entry, kind: str = "valid", **more: Any) -> Entry:
    """An entry without its digest."""
    area = name.partition("-")[0]
    head = {"id": f"{name}_r1", "area": area, "kind": kind, "claim": "features", "title": title, "about": about}
    return head | {"tensors": list(tensors)} | more


def features() -> Iterator[Entry]:
    """All of them."""
    yield from _formats()
    yield from _axes()
    yield from _samples()
    yield from _constants()
    yield from _values()
    yield from _sizes()
    yield from _files()
    yield from _levels()
    yield from _refused()
    yield from _parts()
    yield from _native()


def _formats() -> Iterator[Entry]:
    about = ["tensor.element-type", "dequantize.element-type"]
    for dtype in FLOATS:
        yield entry(f"format-{dtype}-noise", f"Elements of {dtype}.", about, tensor([2, 3, 5, 7], dtype=dtype))
        feature = tensor([1, 8, 12, 12], "feature", dtype)
        yield entry(f"format-{dtype}-feature", f"Features of {dtype}.", about, feature)
    for dtype in INTEGERS:
        about = ["tensor.element-type", "dequantize.none"]
        yield entry(f"format-{dtype}-bits", f"Every bit of {dtype}.", about, tensor([2, 3, 4, 5], "bits", dtype))


def _axes() -> Iterator[Entry]:
    shapes = {"N": 2, "T": 3, "C": 6, "H": 5, "W": 7}
    usual = {"C", "NC", "CHW", "NCHW"}
    for letters in ("C", "NC", "CHW", "NCHW", "H", "W", "CW", "HW", "WH", "HWC", "NHC", "NCW", "NW", "NHW", "NHWC",
                    "NWHC", "TC", "TCHW", "THWC"):  # fmt: skip
        array = tensor([shapes[letter] for letter in letters])
        told = "in the usual order" if letters in usual else "that have to be told"
        about = ["tensor.order", "fps.axis-once"]
        yield entry(f"axes-{letters.lower()}-noise", f"Axes {letters}, {told}.", about, array | {"axes": letters})
    tokens = tensor([2, 49, 24], "massive", columns=[3, 17], axes="NHC")
    yield entry("axes-nhc-tokens", "Tokens with massive channels, which are the last axis.",
                ["tensor.order", "range.scope"], tokens)  # fmt: skip


def _samples() -> Iterator[Entry]:
    yield entry("samples-none-empty", "No samples.", ["tensor.order"], tensor([0, 3, 4, 4]))
    yield entry("samples-one-feature", "One sample.", ["tensor.order"], tensor([1, 16, 14, 14], "feature"), rate=True)
    yield entry("samples-five-feature", "Five samples, which may be coded at the same time.", ["tensor.order"],
                tensor([5, 8, 10, 10], "feature"), jobs=True)  # fmt: skip
    yield entry("samples-many-small", "Forty samples of two elements.", ["tensor.order"], tensor([40, 2]), jobs=True)
    moving = tensor([6, 4, 16, 16], "feature", axes="TCHW", add=[{"fill": "ramp", "high": 0.5}])
    yield entry("samples-time-feature", "Samples in time, each much like the one before.", ["tensor.order"], moving,
                jobs=True)  # fmt: skip
    wide = tensor([2, 64, 14, 14], "feature", seed=5)
    yield entry("samples-deep-feature", "A deep layer: many channels of small maps.", ["range.scope"], wide, rate=True)
    early = tensor([1, 8, 48, 48], "feature", seed=9)
    yield entry("samples-early-feature", "An early layer: few channels of large maps.", ["range.scope"], early,
                rate=True)  # fmt: skip


def _constants() -> Iterator[Entry]:
    about = ["dequantize.constant", "unpack.pictures"]
    for name, value in (("zero", 0.0), ("one", 1.0), ("negative", -3.25), ("huge", GREATEST),
                        ("denormal", "0x1p-149"), ("negativezero", MINUS_ZERO)):  # fmt: skip
        array = tensor([2, 3, 4, 4], "constant", value=value)
        yield entry(f"constant-{name}-all", f"All elements are {value}.", about, array)
    step = tensor([3, 2, 4, 4], set=[[place, 2.5] for place in range(32, 64)])
    yield entry("constant-sample-middle", "The second of three samples is constant.", about, step)
    channels = tensor([2, 5, 6, 6], constant_channels=[0, 3])
    yield entry("constant-channels-two", "Two channels are constant.", [*about, "unpack.coded-channels"], channels)
    zeros = tensor([1, 2, 3, 4], "values", values=[0.0, MINUS_ZERO])
    yield entry("constant-zeros-both", "Zeros of both signs, which are equal.", about, zeros)
    half = tensor([1, 4, 8, 8], constant_channels=[0, 1, 2, 3], dtype="float16")
    yield entry("constant-channels-all", "Every channel is constant, and no two are the same.", about, half)


def _values() -> Iterator[Entry]:
    about = ["range.scope", "dequantize.steps"]

    def of(name: str, title: str, dtype: str = "float32", values: list[Any] | None = None, **more: Any) -> Entry:
        array = tensor([2, 3, 4, 5], "values" if values else "noise", dtype, **more)
        return entry(f"values-{name}", title, about, array | ({"values": values} if values else {}))

    yield of("denormal-float32", "Denormal numbers of binary32.", low=0.0, high=float.fromhex("0x1p-130"))
    yield of("denormal-float16", "Denormal numbers of binary16.", "float16", low=0.0, high=float.fromhex("0x1p-15"))
    yield of("negativezero-mixed", "Negative zero among others.", values=[MINUS_ZERO, 1.0, -1.0, 0.0, 0.5])
    yield of("huge-float32", "The greatest range: max - min is beyond binary32.",
             values=[GREATEST, -GREATEST, 0.0, 1.0])  # fmt: skip
    yield of("huge-bfloat16", "The greatest range of bfloat16.", "bfloat16",
             values=["0x1.fep127", "-0x1.fep127", 0.0])  # fmt: skip
    yield of("huge-float16", "The greatest range of binary16.", "float16", values=[65504.0, -65504.0, 0.0, 1.0, 333.0])
    yield of("tiny-range", "A range of a few units in the last place, far from zero.",
             low=1e6, high=1e6 + 0.5)  # fmt: skip
    yield of("tiny-neighbours", "Two neighbouring numbers.", values=[1.0, "0x1.000002p0"])
    yield of("tiny-double", "Binary64 that differs where binary32 does not.", "float64", low=1.0, high=1.0 + 1e-12)
    yield of("tiny-below", "Binary64 far below the least denormal of binary32.", "float64", low=-1e-300, high=1e-300)
    yield of("double-digits", "Binary64 with all its digits.", "float64", low=-3.0, high=5.0)
    yield of("sign-negative", "All elements are negative.", low=-9.0, high=-2.0)
    yield of("sign-positive", "All elements are positive, the least far from zero.", low=100.0, high=101.0)
    yield of("outlier-one", "One element a thousand times the others.", set=[[77, 1000.0]])
    yield of("two-values", "Two values alone.", values=[0.0, 1.0])


def _sizes() -> Iterator[Entry]:
    about = ["fps.coded-size", "fps.grid-cells", "unpack.margin"]
    shapes = {"least": [1, 1, 1, 1], "column": [1, 3, 17, 1], "row": [1, 3, 1, 17], "odd": [1, 13, 7, 5],
              "block": [1, 4, 8, 8], "wide": [1, 1, 3, 97], "tall": [1, 2, 97, 3], "channels": [1, 257, 1, 1],
              "prime": [1, 31, 3, 3], "large": [1, 2, 63, 65]}  # fmt: skip
    for name, shape in shapes.items():
        text = "x".join(map(str, shape[1:]))
        yield entry(f"size-{name}-noise", f"Samples of {text} (channels, rows, columns).", about, tensor(shape))


def _files() -> Iterator[Entry]:
    about = ["fps.layer-id-unique"]
    pyramid = [tensor([2, 4, n, n], "feature", name=f"p{i}", seed=i) for i, n in ((3, 16), (4, 8), (5, 4))]
    yield entry("files-pyramid-three", "The levels of a pyramid.", about, *pyramid, jobs=True)
    mixed = [tensor([2, 3, 4, 4], name=dtype, dtype=dtype) for dtype in FLOATS]
    yield entry("files-formats-floats", "Tensors of four formats.", about, *mixed)
    axes = [tensor([2, 6], name="vector"), tensor([3, 4, 4], name="map"), tensor([2, 3, 4, 4], name="maps")]
    yield entry("files-axes-three", "Tensors of two, three and four axes.", about, *axes)
    names = [tensor([2, 3, 4, 4], name=name, seed=i) for i, name in enumerate(("a", "a.b", "ä/β", "x" * 255))]
    yield entry("files-names-odd", "Names that begin like others, are not ASCII, or as long as may be.",
                [*about, "fps.utf8"], *names)  # fmt: skip
    counts = [tensor([n, 3, 4, 4], name=f"n{n}", seed=n) for n in (1, 2, 5)]
    yield entry("files-counts-differ", "Tensors with different numbers of samples.", ["fps.single-sample"], *counts)


def _levels() -> Iterator[Entry]:
    about = ["level.declared", "level.limits"]
    yield entry("level-side-second", "A picture wider than level 1 has them.", [*about, "level.picture-side"],
                tensor([1, 1, 4200]))  # fmt: skip
    eight = [tensor([1, 2, 2, 2], name=f"t{i}", seed=i) for i in range(9)]
    yield entry("level-sets-first", "As many tensors as level 1 takes.", [*about, "level.parameter-sets"], *eight[:8])
    yield entry("level-sets-second", "One tensor more than level 1 takes.", [*about, "level.parameter-sets"], *eight)
    zeros = tensor([1, 1, 1024, 1025], "constant", value=0.5)
    yield entry("level-elements-second", "A sample of more elements than level 1 takes, which is constant.",
                [*about, "level.sample-elements"], zeros)  # fmt: skip


def _refused() -> Iterator[Entry]:
    finite = ["conformance.encoder-refuses", "range.order"]
    for dtype in FLOATS:
        for name, value in (("nan", NAN), ("infinity", INFINITY), ("minusinfinity", f"-{INFINITY}")):
            if dtype == "float32" or value != f"-{INFINITY}":
                array = tensor([2, 3, 5, 7], dtype=dtype, set=[[0, value]])
                yield entry(f"refused-{name}-{dtype}", f"{name.capitalize()} in the first element, of {dtype}.", finite,
                            array, kind="exact", twin=f"format-{dtype}-noise_r1")  # fmt: skip
    last = tensor([5, 8, 10, 10], "feature", set=[[3999, NAN]])
    yield entry("refused-nan-last", "NaN in the last of five samples, when others are coded.", finite, last,
                kind="exact", twin="samples-five-feature_r1", jobs=True)  # fmt: skip
    pyramid = [tensor([2, 4, n, n], "feature", name=f"p{i}", seed=i) for i, n in ((3, 16), (4, 8), (5, 4))]
    pyramid[2]["set"] = [[127, INFINITY]]
    yield entry("refused-infinity-tensor", "Infinity in the last of three tensors.", finite, *pyramid, kind="exact",
                twin="files-pyramid-three_r1")  # fmt: skip
    beyond = tensor([2, 3, 4, 5], dtype="float64", set=[[7, 1e39]], low=-3.0, high=5.0)
    yield entry("refused-beyond-float64", "A number of binary64 beyond those of binary32.", finite, beyond,
                kind="exact", twin="values-double-digits_r1")  # fmt: skip
    over = ["conformance.encoder-refuses", "level.limits"]
    many = [tensor([1, 2, 2, 2], name=f"t{i}", seed=i) for i in range(65)]
    yield entry("refused-sets-third", "One tensor more than any level takes.", [*over, "level.parameter-sets"], *many,
                kind="invalid", twin="level-sets-second_r1")  # fmt: skip
    yield entry("refused-side-third", "Rows longer than any level takes.", [*over, "level.picture-side"],
                tensor([1, 1, 16385]), kind="invalid", twin="level-side-second_r1")  # fmt: skip
    names = ["conformance.encoder-refuses", "fps.name-characters"]
    yield entry("refused-name-control", "A name with a control character.", names, tensor([2, 3, 4, 4], name="a\tb"),
                kind="invalid", twin="files-names-odd_r1")  # fmt: skip
    yield entry("refused-name-long", "A name of 256 bytes.", ["conformance.encoder-refuses"],
                tensor([2, 3, 4, 4], name="x" * 256), kind="invalid", twin="files-names-odd_r1")  # fmt: skip
    shapes = ["conformance.encoder-refuses", "fps.sample-has-axis"]
    yield entry("refused-axes-five", "Five axes.", shapes, tensor([2, 3, 2, 2, 2], axes="NCHWX"), kind="invalid",
                twin="axes-nchw-noise_r1")  # fmt: skip
    yield entry("refused-axes-none", "A number without axes.", shapes, tensor([], axes=""), kind="invalid",
                twin="axes-c-noise_r1")  # fmt: skip
    yield entry("refused-channels-none", "No channels.", shapes, tensor([2, 0, 4, 4]), kind="invalid",
                twin="axes-nchw-noise_r1")  # fmt: skip


def _parts() -> Iterator[Entry]:
    about = ["part.geometry", "part.complete"]
    for name, title, shape, asked in (
        ("even", "Parts of 4 rows and 3 channels.", [2, 6, 8, 12], [4, 3]),
        ("uneven", "Parts that leave some rows and channels over.", [1, 7, 9, 11], [4, 2]),
        ("row", "A row of a channel a part.", [1, 2, 5, 16], [1, 1]),
        ("whole", "One part.", [2, 3, 6, 6], [6, 3]),
    ):
        recipe = tensor(shape, "feature")
        yield entry(f"parts-{name}-feature", title, about, recipe, claim="parts", asks={"parts": asked})
    tokens = tensor([2, 49, 24], "massive", columns=[3], axes="NHC")
    yield entry("parts-tokens-massive", "Tokens in parts.", about, tokens, claim="parts", asks={"parts": [16, 12]})
    exact = tensor([1, 4, 6, 8], "bits", "uint8")
    yield entry("parts-bytes-exact", "Integers in parts.", about, exact, claim="parts", asks={"parts": [2, 2]})
    for size in (300, 1200):
        recipe = tensor([2, 16, 20, 20], "feature")
        title = f"Parts in units of at most {size} bytes."
        yield entry(f"parts-packet-{size}", title, about, recipe, claim="parts", asks={"packet_bytes": size})


def _native() -> Iterator[Entry]:
    about, asks = ["profile.codec"], {"payload": "native"}
    for name, title, recipe in (
        ("feature", "Features.", tensor([2, 8, 14, 14], "feature")),
        ("noise", "Noise.", tensor([1, 4, 9, 7])),
        ("half", "Features of float16.", tensor([1, 8, 12, 12], "feature", "float16")),
        ("tokens", "Tokens with massive channels.", tensor([2, 49, 24], "massive", columns=[3, 17], axes="NHC")),
        ("constant", "A constant sample.", tensor([2, 3, 4, 5], "constant", value=-2.5)),
        ("channels", "Constant channels.", tensor([2, 6, 8, 8], "feature", constant_channels=[1, 4])),
        ("least", "One element.", tensor([1, 1, 1, 1])),
        ("vector", "A vector.", tensor([3, 40])),
    ):
        yield entry(f"native-{name}-coded", title, about, recipe, claim="native", asks=asks)
