"""Models that the vectors of model updates start from: small, made from integers."""

from __future__ import annotations

from vectors.plain import PRECISION, SIZES, TYPES, Model, Tensor, round_to, tensor_of

INFINITIES = {"FLOAT32": 0x7F800000, "FLOAT16": 0x7C00, "BFLOAT16": 0x7F80, "FLOAT64": 0x7FF << 52}


def _floats(kind: str, shape: tuple[int, ...], seed: int, scale: float = 0.25) -> Tensor:
    count = 1
    for extent in shape:
        count *= extent
    numbers = [((seed + i) * 2654435761 % 4093 - 2046) / 2046 * scale for i in range(count)]
    return tensor_of(kind, shape, [round_to(x, kind) for x in numbers])


def _net() -> Model:
    return {
        "bn.count": tensor_of("INT64", (), [1200]),
        "conv.bias": _floats("FLOAT32", (4,), 5),
        "conv.weight": _floats("FLOAT32", (4, 2, 3, 3), 11),
        "double": _floats("FLOAT64", (5,), 17),
        "empty": tensor_of("FLOAT32", (0, 4), []),
        "flags": tensor_of("BOOL", (6,), [1, 0, 0, 1, 1, 0]),
        "half": _floats("FLOAT16", (2, 3), 23),
        "table": tensor_of("UINT8", (3, 5), range(0, 225, 15)),
    }


def _edge_words(kind: str) -> list[int]:
    """Zeros, smallest, greatest, and what lies beside them."""
    n = 8 * SIZES[kind]
    if kind == "BOOL":
        return [0, 1, 0, 1, 1, 0]
    if kind not in PRECISION:
        return [0, 1, (1 << n - 1) - 1, 1 << n - 1, (1 << n) - 1, (1 << n) - 2]
    sign, infinity = 1 << n - 1, INFINITIES[kind]
    return [0, sign, 1, infinity - 1, sign | infinity - 1, 1 << PRECISION[kind][0] - 1]


def _types() -> Model:
    return {kind.lower(): tensor_of(kind, (2, 3), _edge_words(kind)) for kind in TYPES}


def _strange() -> Model:
    """Elements that only an unchanged tensor can have, and a negative zero."""
    words = {kind: [n | 1, n, n | 1 << 8 * SIZES[kind] - 1, 1 << 8 * SIZES[kind] - 1] for kind, n in INFINITIES.items()}
    return {kind.lower(): tensor_of(kind, (4,), w) for kind, w in words.items()}


def _rounding() -> Model:
    ones = {kind.lower(): tensor_of(kind, (6,), [round_to(1.0, kind)] * 6) for kind in PRECISION}
    small = {
        f"{kind.lower()}.small": tensor_of(kind, (6,), [round_to(x, kind) for x in (0.0, -0.0, 1e-7, -2.5, 3e-8, 0.5)])
        for kind in PRECISION
    }
    signed = {f"{k.lower()}.zero": tensor_of(k, (2,), [1 << 8 * SIZES[k] - 1, 0]) for k in PRECISION}
    return ones | small | signed


NAMES = ("", "a", "a.b", "aa", "A", "a/b", "z", "\u00e4", "\ufffd", "\U00010000", "..a", "c:", "a//b", "~")

BASES = {
    "net": _net,
    "types": _types,
    "strange": _strange,
    "rounding": _rounding,
    "one": lambda: {"w": _floats("FLOAT32", (4,), 3)},
    "two": lambda: {"a": _floats("FLOAT32", (4,), 3), "b": tensor_of("INT32", (2,), [5, -5])},
    "half": lambda: {"a": _floats("FLOAT32", (4,), 3)},
    "names": lambda: {name: tensor_of("UINT8", (), [i]) for i, name in enumerate(NAMES)},
    "tap": lambda: {"w": _floats("FLOAT32", (2, 3, 3, 3), 29), "v": _floats("FLOAT32", (3, 2), 31)},
    "none": dict,
    "many": lambda: {f"t{i:02}": _floats("FLOAT32", (8,), i) for i in range(12)},
    "wide": lambda: {"w": _floats("FLOAT32", (3, 4, 2, 2), 37), "e": tensor_of("FLOAT32", (2, 0, 3), [])},
}
