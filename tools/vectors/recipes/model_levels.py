"""10.6.7, 10.3.4, 6.14, 6.15: levels of model updates, and sources of another shape; and what is wrong with them."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.model_coders import BOTH, EXTREMES
from vectors.recipes.models import new, spread, update, values
from vectors.recipes.words import OVERLONG, other
from vectors.tensors import Unit

AREA, PROFILE = "model-levels", "MODEL_EXTENDED"
L, S = "model_levels.", "second_tables."
CODERS = ("EVEN", "DEPENDENT")
LARGE = [s * ((1 << e) + d) for e in (30, 45, 52, 56, 57, 58, 60) for s, d in ((1, 1), (-1, 0), (1, 2), (-1, 3))]
TOP = (1 << 61) - 1
NINE = [[((p * 5 + j * 3) % 7 - 3) * 20 for j in range(p + 1)] for p in range(8)]
FLAT = {"frequency": {str(s): 512 for s in range(24)} | {"0": 4608}, "rest": 0}
OTHER = {"frequency": {str(s): 256 for s in range(3, 30)} | {"3": 9728}, "rest": 3, "first": 2}


def register(c: Catalog) -> None:
    """Add the recipes."""
    _levels(c)
    _tables(c)
    _order(c)
    _mixed(c)
    _sources(c)
    _broken_elements(c)
    _broken_levels(c)
    _broken_sources(c)


def _update(c: Catalog, name: str, title: str, units: list[Unit], base: str = "none", **words: Any) -> None:
    c.update(f"model.levels-{name}", title, units, base=base, area=AREA, profile=PROFILE, **words)


def _bad(c: Catalog, name: str, title: str, violates: str, units: list[Unit], base: str = "one",
         kind: str = "invalid", **words: Any) -> None:  # fmt: skip
    _update(c, name, title, units, base, kind=kind, violates=violates, **words)


def _floats(levels: Any, count: int, coder: str, kind: str = "FLOAT64", **words: Any) -> list[Unit]:
    """A new tensor of quantized elements."""
    step = words.pop("step", [0, "ONE"])
    shape = words.pop("shape", [count])
    return [update({}, new("x", kind, shape, "QUANTIZED"), step=step), values(levels, quantizer=coder, **words)]


def _levels(c: Catalog) -> None:
    for coder in CODERS:
        low = coder.lower()
        _update(c, f"symbols-{low}", f"{coder}: levels at the ends of symbol classes",
                _floats([*BOTH, 18, 19, -21, 23, 24, 30, -31], len(BOTH) + 7, coder))  # fmt: skip
        _update(c, f"symbols-large.{low}", f"{coder}: levels of 30 to 60 bits",
                _floats(LARGE, len(LARGE), coder, lanes=1,
                grid=1))  # fmt: skip
        _update(
            c, f"symbols-greatest.{low}", f"{coder}: levels at their limits", _floats([TOP, -TOP, 0], 3, coder, grid=1)
        )
        _update(c, f"differences-{low}", f"{coder}: differences to tensors of the base",
                [update({f"t{i:02}": "QUANTIZED_DIFFERENCE" for i in range(5)}, step=[3, "TWO"]),
                 values(*(spread(8, 3 + 9 * i, i) for i in range(5)), quantizer=coder, grid=611, lanes=1)],
                "many")  # fmt: skip
        for grid in (1, 614, 1024, 2047):
            _update(c, f"grid-{grid}.{low}", f"{coder}: a grid of {grid}/1024 of the step",
                    _floats([5, -3, 0, 1, 70, -90], 6, coder, "FLOAT32", step=[7, "FIVE"], grid=grid))  # fmt: skip
        _update(c, f"none-{low}", f"{coder}: no levels at all", _floats([], 0, coder))
        _update(
            c, f"digits-{low}", f"{coder}: steps of 10^-15", _floats(spread(12, 10**9), 12, coder, step=[15, "TWO"])
        )
        _update(c, f"chain-{low}", f"{coder}: an update on the result of another",
                [update({"w": "QUANTIZED_DIFFERENCE"}), values([3, -1, 0, 7], quantizer=coder),
                 update({"w": "QUANTIZED_DIFFERENCE"}), values([-3, 1, 0, 2], quantizer=coder, grid=300)],
                "one")  # fmt: skip
    for lanes in (0, 1, 4, 5, 12):
        _update(c, f"lanes-{1 << lanes}", f"Quantizers of {1 << lanes} lanes, whose last step is not whole",
                _floats(spread(331, 12, lanes), 331, "DEPENDENT", lanes=lanes, second=[None]))  # fmt: skip
    _update(c, "states-long", "2,000 levels in four lanes, of both parities",
            _floats(spread(2000, 3), 2000, "DEPENDENT", lanes=2, second=[None]))  # fmt: skip


def _tables(c: Catalog) -> None:
    few = spread(40, 10, 5)
    _update(c, "second-same", "A second table that is the same as the first", _floats(few, 40, "DEPENDENT", second=[0]))
    _update(c, "second-own", "A second table of its own, with other symbols",
            _floats([2, -3, 4, -5, 6, -3, 2, 5, -6, 4], 10, "DEPENDENT", tables=[FLAT], second=[OTHER]))  # fmt: skip
    _update(c, "second-one", "A second table of one symbol", _floats([1, 1, 1, 1, 1, 1], 6, "DEPENDENT", tables=[FLAT],
            second=[{"frequency": {"2": 16384}, "rest": 2}]))  # fmt: skip
    for precision in (0, 3, 13):
        _update(c, f"second-precision.{precision}", f"Second tables with at most {precision} bits after the first",
                _floats(few, 40, "DEPENDENT", second=[None], precision=precision))  # fmt: skip
    _update(c, "second-greatest", "Symbols up to 503 and a frequency of 2^14 - 1 in second tables",
            _floats([2, 1, 2, 0, 1], 5, "DEPENDENT", tables=[FLAT, FLAT], second=[
                {"frequency": {"0": 8000, "2": 384, "503": 8000}, "rest": 0, "first": 0},
                {"frequency": {"0": 16383, "1": 1}, "rest": 1}]))  # fmt: skip
    four = [{"values": spread(8, 5, i), "offset": i} for i in range(4)]
    _update(c, "second-several", "Tables that are the same as those before, with their second ones",
            [update({f"t{i:02}": "QUANTIZED_DIFFERENCE" for i in range(4)}),
             values(*four, quantizer="DEPENDENT", tables=[FLAT, 0, FLAT, 0], second=[0, 0, FLAT | {"end": 40}, 0])],
            "many")  # fmt: skip
    _update(c, "second-most", "256 tables with a second one each; the last one is used",
            [update({"w": "QUANTIZED"}), values({"values": [0, 1, -1, 2], "offset": 255}, quantizer="DEPENDENT",
             tables=[{"apart": 256}], second=[FLAT] * 256)], "one")  # fmt: skip
    labels = {"groups": [[0, 0], [1, 1]], "labels": [[0, 1, 2], [0, 3, 1, 0]]}
    for coder in CODERS:
        _update(c, f"labels-{coder.lower()}", f"{coder}: labels of rows and columns",
                [update({"w": "QUANTIZED_DIFFERENCE"}),
                 values({"shape": [3, 4, 2, 2], "values": spread(48, 20)} | labels,
                 lanes=1, label_lanes=1, quantizer=coder, second=[None] * 6)], "wide")  # fmt: skip


def _order(c: Catalog) -> None:
    for coder in CODERS:
        low = coder.lower()
        _update(c, f"planes-one.{low}", f"{coder}: a predictor of nine taps, plane by plane",
                [update({"w": "QUANTIZED_DIFFERENCE"}), values({"values": spread(54, 300), "predictor": 1},
                 predictors=[NINE], quantizer=coder, lanes=2)], "tap")  # fmt: skip
        _update(c, f"planes-several.{low}", f"{coder}: tensors of nine, two and one taps in one unit",
                [update({"v": "QUANTIZED_DIFFERENCE", "w": "QUANTIZED_DIFFERENCE"},
                        new("n", "FLOAT32", [5], "QUANTIZED"),
                        new("o", "FLOAT16", [0, 2], "QUANTIZED")),
                 values({"values": spread(6, 30, 2), "predictor": 2}, {"values": spread(54, 90), "predictor": 1},
                        [5, -6, 7, 0, 1], {"values": [], "predictor": 2}, predictors=[NINE, [[41]]], quantizer=coder,
                        lanes=3, second=[None])], "tap")  # fmt: skip
    _update(c, "planes-64", "64 planes of one level each", [update({}, new("x", "FLOAT32", [64], "QUANTIZED")),
            values({"values": spread(64, 9), "predictor": 1}, quantizer="DEPENDENT",
                   predictors=[[[0] * p + [31] for p in range(63)]])])  # fmt: skip
    _update(c, "units-states", "States begin anew with every unit",
            [update({f"t{i:02}": "QUANTIZED_DIFFERENCE" for i in range(6)}),
             values(spread(8, 3, 1), spread(8, 3, 2), quantizer="DEPENDENT"), values(spread(8, 3, 3), quantizer="EVEN"),
             values(spread(8, 9, 4), coder="XZ"), values(spread(8, 9, 5)),
             values(spread(8, 3, 6), quantizer="DEPENDENT")], "many")  # fmt: skip


def _mixed(c: Catalog) -> None:
    mixed = [new("a", "FLOAT32", [5], "QUANTIZED"), new("b", "BOOL", [4], "EXACT"), new("c", "INT64", [3], "EXACT"),
             new("d", "FLOAT16", [6], "QUANTIZED"), new("e", "INT16", [6], "EXACT")]  # fmt: skip
    for coder in CODERS:
        _update(c, f"exact-{coder.lower()}", f"{coder}: exact tensors, one with a predictor, among quantized ones",
                [update({}, *mixed), values([1, -1, 2, 3, -9], [1, 0, 1, 1], [TOP, -TOP, 40], spread(6, 20),
                 {"values": [5, -7, 900, 3, 2, 1], "predictor": 1}, quantizer=coder, predictors=[[[70]]],
                 lanes=1)])  # fmt: skip
        _update(c, f"exact-alone.{coder.lower()}", f"{coder}: exact differences alone",
                [update({"bn.count": "EXACT_DIFFERENCE", "flags": "EXACT_DIFFERENCE"}),
                 values([33], [0, 1, 0, -1, 0, 0], quantizer=coder)], "net")  # fmt: skip
    _update(c, "plain", "A unit with plain values in profile MODEL_EXTENDED",
            [update({}, new("x", "INT64", [len(EXTREMES)], "EXACT")), values(EXTREMES)])  # fmt: skip


def _sources(c: Catalog) -> None:
    def resized(name: str, title: str, of: str, kind: str, shape: list[int], levels: Any, base: str, source: int,
                mode: str = "QUANTIZED_DIFFERENCE", **words: Any) -> None:  # fmt: skip
        _update(c, f"source-{name}", title, [update({of: "REMOVED"}, new(of, kind, shape, mode, source=source)),
                values(levels, **words)], base)  # fmt: skip

    resized("rows", "A tensor that gained rows", "v", "FLOAT32", [5, 2], spread(10, 9), "tap", 0)
    resized("columns", "A tensor that lost rows and gained columns", "v", "FLOAT32", [2, 4], spread(8, 9), "tap", 0,
            quantizer="DEPENDENT")  # fmt: skip
    resized("fewer", "A tensor that lost elements along every axis", "w", "FLOAT32", [1, 2, 2, 3],
            spread(12, 9), "tap", 1,
            quantizer="EVEN")  # fmt: skip
    resized("more", "A tensor that gained elements along every axis", "w", "FLOAT32", [3, 4, 4, 4],
            spread(192, 9), "tap",
            1, lanes=2)  # fmt: skip
    resized("vector", "A longer vector of another number format", "half", "FLOAT64", [3, 3], spread(9, 90), "net", 6)
    resized("exact", "Exact differences to a table of other extents", "table", "UINT8", [4, 3],
            spread(12, 40), "net", 7,
            "EXACT_DIFFERENCE")  # fmt: skip
    resized("words", "Exact differences to a source of another format of the same size", "conv.bias", "UINT32", [6],
            spread(6, 2**31 - 1), "net", 1, "EXACT_DIFFERENCE", quantizer="EVEN")  # fmt: skip
    resized("empty", "A source without elements", "empty", "FLOAT32", [2, 4], spread(8, 9), "net", 4)
    resized("nothing", "A tensor that lost all elements", "conv.bias", "FLOAT32", [0], [], "net", 1)
    resized("raster", "A source of as many elements in another shape, in raster order", "v", "FLOAT32", [2, 3],
            spread(6, 9), "tap", 0)  # fmt: skip
    _update(c, "source-unchanged", "An unchanged source in another shape of as many elements",
            [update({"v": "REMOVED"}, new("v", "FLOAT32", [6], "UNCHANGED", source=0))], "tap")  # fmt: skip


GOOD = [3, -100, 0, 70]


def _one(levels: Any = None, **words: Any) -> list[Unit]:
    coder = words.pop("quantizer", "DEPENDENT")
    return [update({"w": "QUANTIZED_DIFFERENCE"}), values(GOOD if levels is None else levels, quantizer=coder, **words)]


def _broken_elements(c: Catalog) -> None:
    _bad(c, "header-early", "Profile MODEL_EXTENDED in a bitstream of version 1.0", "bitstream_header.profile_idc",
         _one(),
         kind="malformed", minor=0)  # fmt: skip
    _bad(c, "value.quantizer-reserved", "value_quantizer is 3", L + "value_quantizer",
         _one(set={"value_quantizer": 3}), kind="malformed")  # fmt: skip
    _bad(c, "value.quantizer-later", "value_quantizer is 3 in a later version", L + "value_quantizer",
         _one(set={"value_quantizer": 3}), kind="unsupported", minor=2)  # fmt: skip
    _bad(c, "grid-0", "A grid of 0", L + "grid", _one(grid=0))
    two = {"tables": [FLAT], "second": [OTHER], "levels": [2, -3, 4, -5]}
    for element, what, value in (
        ("second_symbol_end", "above", [505]), ("second_first_symbol", "above", [30]),
        ("second_rest_symbol", "above", [28]), ("second_frequency_class", "above", [[15] * 40]),
    ):  # fmt: skip
        dotted = element.replace("_", ".")
        _bad(c, f"{dotted}-{what}", f"{element} is {what} what is allowed", S + element,
             _one(**two, set={element: value}))  # fmt: skip
    for element in ("second_symbol_end", "second_first_symbol", "second_rest_symbol"):
        dotted = element.replace("_", ".")
        _bad(c, f"{dotted}-overlong", f"{element} is an Exp-Golomb code of 32 zero bits", "descriptor.ue-prefix",
             _one(**two, set={element: [OVERLONG]}), kind="malformed")  # fmt: skip
    _cut(c, "value_quantizer", _one(**two, cut="value_quantizer", set={"coded_tensor_count_minus1": 3}))
    _cut(c, "grid", _one(**two, cut="grid"))
    late = two | {"second": [OTHER | {"frequency": OTHER["frequency"] | {"3": 256, "25": 9728}, "rest": 25}]}
    _cut(c, "second_rest_symbol[0]", _one(**late, cut="second_rest_symbol[0]"))
    for element in ("second_symbol_end[0]", "second_first_symbol[0]",
                    "second_frequency_class[0][9]", "second_frequency_bits[0][9]"):  # fmt: skip
        _cut(c, element, _one(**two, cut=element))


def _cut(c: Catalog, element: str, units: list[Unit]) -> None:
    dotted = element.split("[")[0].replace("_", ".")
    _bad(c, f"{dotted}-truncated", f"The unit ends within {element}", "unit.complete-element", units, kind="malformed",
         end=False)  # fmt: skip


def _broken_levels(c: Catalog) -> None:
    for coder in CODERS:
        low = coder.lower()
        for name, level in (("plus", TOP + 1), ("minus", -TOP - 1)):
            _bad(c, f"level.range-{name}.{low}", f"{coder}: a level of {'-' * (level < 0)}2^61", "model.level-range",
                 _floats([level], 1, coder, grid=1), "none")  # fmt: skip
        _bad(c, f"level.range-exact.{low}", f"{coder}: a level of 2^61 of an exact tensor", "model.level-range",
             [update({}, new("x", "INT64", [1], "EXACT")), values([TOP + 1], quantizer=coder)], "none")  # fmt: skip
        _bad(c, f"value.range-{low}", f"{coder}: |v * m * g| is above 2^63 for v of 54 bits", "model.value-range",
             _floats([1 << 53], 1, coder, grid=1024), "none")  # fmt: skip
        _bad(c, f"value.range-step.{low}", f"{coder}: |v * m * g| is above 2^63 with m = 5", "model.value-range",
             _floats([1 << 51], 1, coder, grid=1023, step=[0, "FIVE"]), "none")  # fmt: skip
        _bad(c, f"exact.range-{low}", f"{coder}: a value that INT16 does not hold", "model.value-range",
             [update({}, new("x", "INT16", [2], "EXACT")), values([5, 40000], quantizer=coder)], "none")  # fmt: skip
        _bad(c, f"prediction-residual.{low}", f"{coder}: a residual of 2^40", "model.prediction-range",
             _floats({"values": [1 << 39, 0], "predictor": 1}, 2, coder, predictors=[[[0]]]), "none")  # fmt: skip
        _bad(c, f"prediction-value.{low}", f"{coder}: a value beyond 2^40", "model.prediction-range",
             _floats({"values": [1 << 38, 1 << 38], "predictor": 1}, 2, coder, predictors=[[[200]]]),
             "none")  # fmt: skip
        _bad(c, f"predictor.taps-{low}", f"{coder}: runs of three in four values", "model.predictor-taps",
             _one({"values": [0, 1, -1, 2], "predictor": 1}, quantizer=coder, predictors=[[[1], [2, 3]]],
                  tables=[FLAT]))  # fmt: skip
        _bad(c, f"context-{low}", f"{coder}: a table beyond the last one", "model.context-bound",
             _one({"values": [0, 1, -1, 2], "offset": 1}, quantizer=coder, tables=[FLAT, 0],
                  set={"table_count_minus1": 0}))  # fmt: skip
        _bad(c, f"digest-{low}", f"{coder}: another digest", "model.result-digest",
             [update({"w": "QUANTIZED_DIFFERENCE"}, result_digest="00" * 32),
              values(GOOD, quantizer=coder)])  # fmt: skip
        _bad(c, f"raw.bits-{low}", f"{coder}: a byte after the raw bits", "model.raw-bits",
             _one(quantizer=coder, payload=[["append", "00"]]))  # fmt: skip
        _bad(c, f"finite-{low}", f"{coder}: an element beyond the greatest one of FLOAT16", "model.finite",
             _floats([70000], 1, coder, "FLOAT16"), "none")  # fmt: skip
    zeros = {"levels": [0, 0, 0, 0], "tables": [FLAT]}
    _bad(c, "final.states", "A lane without levels whose state is not 2^16", "model.final-states",
         _one(**zeros, lanes=3, payload=[["put", 28, "00010001"]]))  # fmt: skip
    _bad(c, "words-more", "A word that no lane takes", "model.words",
         _one(**zeros, payload=[["append", "0000"]], set={"word_count": 1}))  # fmt: skip
    full = {"frequency": {"0": 0, "1": 8192, "2": 4096, "4": 4096}, "rest": 0, "end": 5}
    _bad(c, "rest.frequency-second", "Frequencies of a second table of a sum of 2^14", "model.rest-frequency",
         _one(**zeros, second=[full]))  # fmt: skip
    _bad(c, "tables-distinct", "257 tables with second ones", "model.tables",
         _one({"values": [0, 1, -1, 2], "offset": 256}, tables=[{"apart": 257}], second=[FLAT] * 257))  # fmt: skip
    for name, unit in (("parameter set", other(1, "00", skippable=0)), ("data", other(2, "00", skippable=0)),
                       ("digest", other(3, "00")),
                       ("part", other(6, "00", skippable=0))):  # fmt: skip
        _bad(c, f"profile-{name.replace(' ', '.')}", f"A feature {name} unit in a bitstream of profile MODEL_EXTENDED",
             "profile.model", [*_one(), unit])  # fmt: skip


def _broken_sources(c: Catalog) -> None:
    def wrong(name: str, title: str, violates: str, kind: str, shape: list[int], mode: str, count: int,
              profile: str = PROFILE) -> None:  # fmt: skip
        units = [update({"v": "REMOVED"}, new("v", kind, shape, mode, source=0)),
                 *([values([1] * count)] if count else [])]  # fmt: skip
        c.update(f"model.levels-source.{name}", title, units, base="tap", kind="invalid", violates=violates, area=AREA,
                 profile=profile)  # fmt: skip

    wrong("shape-fewer", "A source of two axes for a vector of other size", "model.source-shape", "FLOAT32", [7],
          "QUANTIZED_DIFFERENCE", 7)  # fmt: skip
    wrong("shape-more", "A source of two axes for a tensor of three", "model.source-shape", "UINT32", [2, 2, 2],
          "EXACT_DIFFERENCE", 8)  # fmt: skip
    wrong("format-unchanged", "An unchanged source of another number of elements", "model.source-format", "FLOAT32",
          [4, 2], "UNCHANGED", 0)  # fmt: skip
    wrong("format-size", "Exact differences to a source of elements of another size and number", "model.source-format",
          "INT16", [4, 2], "EXACT_DIFFERENCE", 8)  # fmt: skip
    wrong("quantized", "Quantized differences of integers to a source of another shape", "model.quantized-type",
          "INT32",
          [4, 2], "QUANTIZED_DIFFERENCE", 8)  # fmt: skip
