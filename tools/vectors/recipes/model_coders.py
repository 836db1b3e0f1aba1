"""10.5 to 10.7: values in rANS and .xz: tables, labels, lanes, predictors, planes."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.diffs import ZEROS
from vectors.recipes.models import new, spread, update, values
from vectors.updates import ALONE

AREA = "model-values"
BOTH = [0, 1, -1, 15, -15, 16, -16, 17, -19, 20, 31, 32, -33, 63, 64, 100, -127, 128, 255, 256, 1000, -4095, 4096]
PLACES = (24, 31, 32, 40, 52, 53, 57, 58, 59, 60, 61, 62)
WIDE = [s * (1 << e) + d for e in PLACES for s, d in ((1, 1), (-1, 0), (1, -1))]
EXTREMES = [2**63 - 1, -(2**63), 2**62, -(2**62), 1 - 2**63, 7 << 60, 0, -1]


def register(c: Catalog) -> None:
    """Add the recipes."""
    _symbols(c)
    _tables(c)
    _labels(c)
    _lanes(c)
    _predictors(c)
    _xz(c)
    _units(c)


def _one(c: Catalog, name: str, title: str, tensor: Any, count: int, kind: str = "INT64", **words: Any) -> None:
    """A new tensor of integers, whose values are the elements."""
    shape = words.pop("shape", [count])
    c.update(f"model-{name}", title, [update({}, new("x", kind, shape, "EXACT")), values(tensor, **words)],
             base="none", area=AREA)  # fmt: skip


def _symbols(c: Catalog) -> None:
    _one(c, "symbols-small", "Values at the ends of symbol classes", BOTH, len(BOTH))
    _one(c, "symbols-wide", "Values of 24 to 62 bits, raw bits beyond a machine word", WIDE, len(WIDE), lanes=1)
    _one(c, "symbols-extremes", "The least and the greatest values: 61 raw bits", EXTREMES, len(EXTREMES))
    _one(c, "symbols-raw.mixed", "Raw bits of all lengths that begin at every bit of a byte",
         [v for i in range(62) for v in ((1 << i) + i * i, -(5 << i) if i < 60 else 3)], 124, lanes=2)  # fmt: skip
    # After n bits from bit s on, 2 to 9 are filled in, so that the next ones begin at bit s + 1.
    shifted = [v for n in range(56, 61) for s in range(8) for v in ((5 << n) - 1 - 2 * s, 4 << (6 - n) % 8 + 3)]
    _one(c, "symbols-raw.shifted", "56 to 60 raw bits that begin at every bit of a byte", shifted, len(shifted),
         lanes=1)  # fmt: skip
    _one(c, "symbols-zero", "No raw bits and no words: one symbol alone", {"times": 24, "value": 0}, 24)
    _one(c, "symbols-none", "No values at all", [], 0)
    _one(c, "symbols-raw.whole", "Raw bits that fill their last byte", [16, 20, 24, 28], 4)


def _tables(c: Catalog) -> None:
    skewed = {"frequency": {"0": 16383, "1": 1}, "rest": 0}
    _one(c, "tables-skewed", "Frequencies of 1 and 16383", [0, 0, -1, 0, 0, -1, 0, 0, 0], 9, tables=[skewed])
    _one(c, "tables-rest.one", "A rest of 1", [0, 0, -1, 0], 4,
         tables=[{"frequency": {"0": 16383, "1": 1}, "rest": 1}])  # fmt: skip
    _one(c, "tables-greatest", "Symbols up to 503 in a table from symbol 0 on", [-(2**63), 0, 5], 3,
         tables=[{"frequency": {"0": 8000, "10": 384, "503": 8000}, "rest": 503, "first": 0}])  # fmt: skip
    _one(c, "tables-first", "A table that begins at its only symbol", [-7, -7, -7], 3, tables=[{"frequency":
         {"13": 16384}, "rest": 13}])  # fmt: skip
    _one(c, "tables-unused", "Symbols after the last one that occurs", [-7, 2, -7], 3, tables=[{"frequency":
         {"13": 8192, "4": 8192}, "rest": 4, "end": 40, "first": 1}])  # fmt: skip
    for precision in (0, 1, 3, 6, 13):
        _one(c, f"tables-precision.{precision}", f"Frequencies of at most {precision} bits after the first",
             spread(60, 9), 60, precision=precision)  # fmt: skip
    c.update("model-tables-same", "Tables that are the same as the ones before, and tensors that use them",
             [update({f"t0{i}": "QUANTIZED_DIFFERENCE" for i in range(4)}),
              values(*({"values": spread(8, 3 + i % 3, i), "offset": i} for i in range(4)),
                     tables=[{"frequency": {str(s): 1000 for s in range(14)} | {"0": 3384}, "rest": 0}, 0,
                             {"frequency": {str(s): 512 for s in range(12)} | {"5": 10752}, "rest": 5}, 0])],
             base="many", area=AREA)  # fmt: skip
    c.update("model-tables-most", "4096 tables, of which 256 are not the same as the one before; the last one is used",
             [update({"w": "QUANTIZED"}), values({"values": [0, 1, -1, 2], "offset": 4095}, lanes=1,
              tables=[{"apart": 256, "same": 3840}])], base="one", area=AREA)  # fmt: skip
    c.update("model-tables-apart", "256 tables that are not the same beside one for labels",
             [update({"w": "QUANTIZED"}), values({"values": [0, 1, -1, 2], "offset": 252, "shape": [4],
              "groups": [[0, 0]], "labels": [[0, 3, 1, 2]]}, tables=[{"apart": 256}])], base="one",
             area=AREA)  # fmt: skip


def _labels(c: Catalog) -> None:
    one = {"shape": [3, 4, 2, 2], "values": spread(48, 20)}
    forms: dict[str, tuple[str, dict[str, Any]]] = {
        "rows": ("Labels along the first axis", {"groups": [[0, 0]], "labels": [[0, 2, 1]]}),
        "columns": ("Labels along an axis in the middle", {"groups": [[1, 1]], "labels": [[3, 0, 1, 1]]}),
        "two": ("Labels along two axes", {"groups": [[0, 0], [1, 1]], "labels": [[0, 1, 2], [0, 3, 1, 0]]}),
        "three": ("Three groups, two of them of several axes", {"groups": [[0, 0], [1, 1], [2, 3]],
                  "labels": [[0, 1, 0], [1, 0, 0, 2], [0, 1, 2, 1]]}),
        "merged": ("A group of two axes in raster order", {"groups": [[0, 1]],
                   "labels": [[0, 1, 2, 3, 3, 2, 1, 0, 4, 0, 4, 1]]}),
        "apart": ("Groups with an axis between them", {"groups": [[0, 0], [3, 3]], "labels": [[2, 0, 1], [0, 4]]}),
        "all": ("A label for every value", {"groups": [[0, 3]], "labels": [[i * 7 % 5 for i in range(48)]]}),
        "step": ("Labels two tables apart", {"groups": [[0, 0], [2, 2]], "labels": [[0, 1, 2], [1, 0]], "step": 2}),
        "step.most": ("Labels sixteen tables apart, from table 5 on", {"groups": [[1, 1]], "labels": [[0, 1, 0, 2]],
                      "step": 16, "offset": 5}),
        "zero": ("Labels that are all 0", {"groups": [[0, 0]], "labels": [[0, 0, 0]]}),
    }  # fmt: skip
    for name, (title, words) in forms.items():
        c.update(f"model-labels-{name}", title, [update({"w": "QUANTIZED_DIFFERENCE"}), values(one | words, lanes=1,
                 label_lanes=1)], base="wide", area=AREA)  # fmt: skip
    many: dict[str, Any] = {"shape": [1] * 13 + [2, 3], "groups": [[i, i] for i in range(15)],
            "labels": [*[[1]] * 13, [0, 1], [2, 0, 1]], "values": [1, -2, 3, -4, 5, -6]}  # fmt: skip
    c.update("model-labels-most", "Fifteen groups of a tensor of fifteen axes",
             [update({}, new("a", "INT8", many["shape"], "EXACT")), values(many, label_lanes=4)], base="none",
             area=AREA)  # fmt: skip
    c.update("model-labels-tensors", "Tensors with and without labels, and an empty one with labels",
             [update({"e": "QUANTIZED_DIFFERENCE", "w": "QUANTIZED_DIFFERENCE"}, new("s", "INT8", [4], "EXACT")),
              values({"values": [], "shape": [2, 0, 3], "groups": [[0, 0], [2, 2]], "labels": [[0, 9], [1, 2, 3]]},
                     one | forms["two"][1], {"values": [1, 2, 3, 4], "offset": 1}, lanes=2)],
             base="wide", area=AREA)  # fmt: skip
    big = {"shape": [64, 5], "values": spread(320, 40), "groups": [[0, 0], [1, 1]],
           "labels": [[i * 11 % 23 for i in range(64)], [0, 1, 2, 3, 60]]}  # fmt: skip
    _one(c, "labels-words", "Labels in several words and 32 lanes", big, 320, shape=[64, 5], label_lanes=5, lanes=4)


def _lanes(c: Catalog) -> None:
    for lanes in (1, 3, 6, 12):
        _one(c, f"lanes-{1 << lanes}", f"{1 << lanes} lanes", spread(200, 300, lanes), 200, lanes=lanes)
    _one(c, "lanes-steps", "16384 values in one lane", {"times": 16384, "value": 0}, 16384, lanes=0)
    _one(c, "lanes-last", "A last step in which most lanes have no value", spread(33, 2000), 33, lanes=5)
    _one(c, "lanes-labels.most", "4096 lanes for three labels", {"values": spread(6, 5), "shape": [3, 2],
         "groups": [[0, 0]], "labels": [[1, 0, 1]]}, 6, shape=[3, 2], label_lanes=12)  # fmt: skip
    _one(c, "lanes-words", "Words that every lane takes in every step", {"count": 64, "spread": 2**62, "seed": 4}, 64,
         lanes=2, tables=[None])  # fmt: skip


def _predictors(c: Catalog) -> None:
    nine = [[((p * 5 + j * 3) % 7 - 3) * 20 for j in range(p + 1)] for p in range(8)]
    w = {"values": spread(54, 4000), "predictor": 1}
    c.update(
        "model-predictor-taps.9",
        "A predictor of nine taps with negative coefficients",
        [update({"w": "QUANTIZED_DIFFERENCE"}), values(w, predictors=[nine], lanes=1)],
        base="tap",
        area=AREA,
    )
    c.update("model-predictor-taps.2", "A predictor of two taps, with halves that are rounded up",
             [update({"v": "QUANTIZED_DIFFERENCE"}), values({"values": [3, 1, -3, -1, 1, -1], "predictor": 1},
              predictors=[[[32]]])], base="tap", area=AREA)  # fmt: skip
    c.update("model-predictor-several", "Several predictors in a unit, one of them for no tensor",
             [update({"v": "EXACT_DIFFERENCE", "w": "QUANTIZED_DIFFERENCE"}, new("n", "INT16", [6], "EXACT")),
              values({"values": [1, -2, 3, 9, 5, -6], "predictor": 3}, {"values": spread(54, 500, 9), "predictor": 2},
                     [5, 6, 7, -8, 9, 0], predictors=[[[64], [64, -64]], nine, [[-1023], [1023, 1]]])],
             base="tap", area=AREA)  # fmt: skip
    c.update("model-predictor-most", "255 predictors, one of 64 taps",
             [update({}, new("n", "INT32", [128], "EXACT")), values({"values": spread(128, 90), "predictor": 255},
              predictors=[[[i % 5]] for i in range(254)] + [[[0] * p + [63] for p in range(63)]])],
             base="none", area=AREA)  # fmt: skip
    top = (1 << 40) - 1
    _one(c, "predictor-range", "Residuals and values at the limits of prediction",
         {"values": [top, top - 1, -top, -top, top, 0, -1, -top], "predictor": 1}, 8, predictors=[[[64]]])  # fmt: skip
    _one(c, "predictor-range.residuals", "Residuals at the limits",
         {"values": [0, top, 0, -top, 1, top, -1, -top], "predictor": 1}, 8, predictors=[[[0]]])  # fmt: skip
    _one(c, "predictor-sums", "Sums of 63 products at the limits of their factors",
         {"values": [top] * 63 + [0], "predictor": 1}, 64, predictors=[
          [[0] * (p + 1) for p in range(62)] + [[1023, -1023] * 31 + [32]]])  # fmt: skip
    c.update("model-predictor-parts", "A predictor whose runs do not end where the lanes do",
             [update({}, new("e", "INT16", [0, 3], "EXACT"), new("n", "INT16", [21], "EXACT")),
              values({"values": [], "predictor": 1}, {"values": spread(21, 90), "predictor": 1},
                     predictors=[[[40], [-10, 50]]], lanes=3)], base="none", area=AREA)  # fmt: skip
    one = {"frequency": {"2": 16384}, "rest": 2}
    c.update("model-predictor-long", "Runs of three values in tensors of more than 2^18",
             [update({}, new("m", "INT8", [7], "EXACT"), new("n", "UINT8", [100001, 3], "EXACT")),
              values({"times": 7, "value": 1}, {"values": {"times": 100001, "cycle": [1, 2, 3]}, "predictor": 1},
                     predictors=[[[64], [0, 64]]], lanes=6, tables=[one])], base="none", area=AREA)  # fmt: skip
    c.update("model-units-long", "A tensor of more than 2^18 values, and another one behind it",
             [update({}, new("m", "INT8", [(1 << 18) + 10], "EXACT"), new("n", "INT8", [20], "EXACT")),
              values({"times": (1 << 18) + 10, "value": 0}, {"times": 20, "value": 0}, lanes=6, tables=ALONE)],
             base="none", area=AREA)  # fmt: skip


def _xz(c: Catalog) -> None:
    kinds = {1: "INT8", 2: "INT16", 4: "INT32", 8: "INT64"}
    for log2, (width, kind) in enumerate(kinds.items()):
        top = 1 << 8 * width - 1
        for planes in (0, 1):
            _one(c, f"xz-bytes.{width}" + ".planes" * planes, f".xz values of {width} bytes" + ", in planes" * planes,
                 [0, 1, -1, top - 1, -top, 77, -78], 7, kind=kind, coder="XZ", word_bytes_log2=log2,
                 planes=planes)  # fmt: skip
    c.update("model-xz-quantized", "Quantized values in an .xz stream, of several tensors",
             [update({"conv.bias": "QUANTIZED_DIFFERENCE", "double": "QUANTIZED", "empty": "QUANTIZED"}),
              values([300, -300, 1, 0], [1, 2, 3, -4, -32768], [], coder="XZ", word_bytes_log2=1, planes=1,
                     xz={"check": 4})], base="net", area=AREA)  # fmt: skip
    c.update("model-xz-expansion", "As many elements of a new tensor as 4096 for every byte and 2^20 allow",
             [update({}, new("z", "UINT8", [ZEROS], "EXACT")), values({"times": ZEROS, "value": 0}, coder="XZ",
              of="model-zeros")], base="none", area=AREA)  # fmt: skip


def _units(c: Catalog) -> None:
    c.update("model-units-several", "The values of an update in four units, with other units between",
             [update({f"t{i:02}": "QUANTIZED_DIFFERENCE" for i in range(7)}),
              values(spread(8, 2, 1), spread(8, 200, 2)), values(spread(8, 9, 3), coder="XZ"),
              {"unit": "metadata", "entries": [["k", "t"]]}, values(spread(8, 9, 4), lanes=1),
              {"unit": "other", "type": 120, "skippable": 1}, values(spread(8, 1), spread(8, 3), spread(8, 0))],
             base="many", area=AREA)  # fmt: skip
