"""Chapter 10: what model updates can say: modes, steps, types, chains, and what they start from."""

from __future__ import annotations

from typing import Any

from vectors.bases import NAMES
from vectors.catalog import Catalog
from vectors.plain import PRECISION, SIZES, TYPES
from vectors.recipes.words import metadata, other
from vectors.tensors import Unit

STEPS = [("ONE", 0), ("TWO", 3), ("FIVE", 7), ("ONE", 15), ("FIVE", 15), ("TWO", 0)]


def update(entries: dict[str, Any] | None = None, *new: Unit, **words: Any) -> Unit:
    """A model header of a recipe: modes by name, and new tensors."""
    short = {name: {"mode": e} if isinstance(e, str) else e for name, e in (entries or {}).items()}
    return {"unit": "update", "entries": short, "new": list(new)} | words


def values(*tensors: Any, **words: Any) -> Unit:
    """A model data unit of a recipe."""
    return {"unit": "values", "tensors": list(tensors)} | words


def new(name: str, kind: str, shape: list[int], mode: str, **words: Any) -> Unit:
    """A new tensor of a recipe."""
    return {"name": name, "type": kind, "shape": shape, "mode": mode} | words


def spread(count: int, most: int, seed: int = 1) -> dict[str, int]:
    """Values between -most and most."""
    return {"count": count, "spread": most, "seed": seed}


def register(c: Catalog) -> None:
    """Add the recipes."""
    _quantized(c)
    _exact(c)
    _directory(c)
    _chains(c)
    _full(c)
    _encoder(c)


def _quantized(c: Catalog) -> None:
    for multiplier, digits in STEPS:
        c.update(f"model-step-{multiplier.lower()}.{digits}", f"Differences in steps of {multiplier} x 10^-{digits}",
                 [update({"w": "QUANTIZED_DIFFERENCE"}, step=[digits, multiplier]), values([3, -1, 0, 70000])],
                 base="one")  # fmt: skip
    own = {f"t{i:02}": {"mode": ("QUANTIZED", "QUANTIZED_DIFFERENCE")[i & 1], "step": [digits, m]}
           for i, (m, digits) in enumerate(STEPS)}  # fmt: skip
    c.update("model-step-tensors", "Tensors with steps of their own beside some with that of the update",
             [update(own | {"t06": "QUANTIZED", "t07": "QUANTIZED_DIFFERENCE"}, step=[2, "FIVE"]),
              values(*(spread(8, 50, i) for i in range(8)), lanes=2)], base="many")  # fmt: skip
    # 0.00390625 + 1e-9 lies just above half a step of bfloat16 above 1: by way of binary32 it would be rounded to 1.
    halves = {"float32": [59604645, 59604644, 178813934, 178813935, -29802322, -29802323],
              "float16": [4882812501, 4882812500, 4882812499, 14648437500, -2441406250, -2441406251],
              "bfloat16": [39062500010, 39062500000, 39062499990, 117187500000, -19531250000, -19531250010],
              "float64": [1, 2, 3, -1, -2, -3]}  # fmt: skip
    digits = {"float32": 15, "float16": 13, "bfloat16": 13, "float64": 15}
    for kind, chosen in halves.items():
        c.update(f"model-round-{kind}.once", f"Sums beside the middle between two numbers of {kind}, from FLOAT64",
                 [update({"float64": "REMOVED"}, new("float64", kind.upper(), [6], "QUANTIZED_DIFFERENCE", source=9,
                  step=[digits[kind], "ONE"])), values(chosen)],
                 base="rounding")  # fmt: skip
    c.update("model-round-bfloat16.cut", "Sums that binary32 would round away from zero, beside the middle of bfloat16",
             [update({"float64": "REMOVED"}, new("float64", "BFLOAT16", [6], "QUANTIZED_DIFFERENCE", source=9,
              step=[13, "ONE"])), values([39063215000, 39062477000, 117188215000, -19531607500, -19530892500,
              39063693000])], base="rounding")  # fmt: skip
    for kind in PRECISION:
        name = kind.lower()
        c.update(f"model-round-{name}.sums", f"Sums of {kind}: small, subnormal, zero, cancelled",
                 [update({f"{name}.small": "QUANTIZED_DIFFERENCE", f"{name}.zero": "QUANTIZED_DIFFERENCE"},
                  step=[8, "ONE"]), values([0, 0, -10, 250000000, 1, -3], [0, 0])], base="rounding")  # fmt: skip
        c.update(f"model-round-{name}.alone", f"Numbers of {kind} without a base",
                 [update({}, new("n", kind, [12], "QUANTIZED", step=[9, "ONE"]), new("s", kind, [4], "QUANTIZED",
                  step=[15, "FIVE"])), values([0, 1, -1, 3, -30, 99, -327, 65504000000000, 65519999999999, -59604645,
                  999999999999, 123456789], [1, -1, 11920929, -5960464])], base="none")  # fmt: skip
    c.update("model-quantized-order", "A quotient that a product with 10^-k would miss, a product beyond 2^53",
             [update({"double": "QUANTIZED_DIFFERENCE"}, new("q", "FLOAT64", [8], "QUANTIZED", step=[1, "FIVE"]),
              new("r", "FLOAT64", [6], "QUANTIZED", step=[15, "TWO"]), step=[1, "ONE"]),
              values([3, 6, -7, 9007199254740993, -9007199254740995], [3, 7, -9, 1801439850948199, 1801439850948197,
              1844674407370955161, -1844674407370955161, 9007199254740995], [4611686018427387903, -4611686018427387903,
              6004799503160661, 3, 12345678901234567, -1])], base="net")  # fmt: skip
    # Five times the binary64 nearest to v is another binary64 than the one nearest to 5 v.
    five = [10253865629102581, -10144033133738949, 27416560789673339, -35028827483789475, 69826737415065311,
            -79675463696223509, 219328252576139433, -528193599895732895, 1122083453541757865]  # fmt: skip
    c.update("model-quantized-five", "Values beyond 2^53 in steps of 5 x 10^-k: their product is rounded once",
             [update({}, *(new(f"k{k}", "FLOAT64", [len(five)], "QUANTIZED", step=[k, "FIVE"]) for k in (0, 7))),
              values(five, five)], base="none")  # fmt: skip
    c.update("model-quantized-large", "The greatest numbers of each format",
             [update({}, *(new(k.lower(), k, [2], "QUANTIZED", step=[0, "ONE"]) for k in ("FLOAT16", "FLOAT64",
              "BFLOAT16", "FLOAT32"))), values([65519, -65519], [2**63 - 1, 1 - 2**63], [2**63 - 1, 2**62 + 1],
              [1 - 2**63, 2**62 + 2**38 + 1])], base="none")  # fmt: skip

    for level in (2, 3):
        c.update(f"model-level-l{level}", f"An update of level {level}",
                 [update({"conv.weight": "QUANTIZED_DIFFERENCE"}), values(spread(72, 50))], base="net",
                 level=level)  # fmt: skip


def _exact(c: Catalog) -> None:
    for kind in TYPES:
        n = 8 * SIZES[kind]
        name, top = kind.lower(), 1 << n - 1
        finite = {"FLOAT32": 0x7F7FFFFF, "FLOAT16": 0x7BFF, "BFLOAT16": 0x7F7F, "FLOAT64": 0x7FEFFFFFFFFFFFFF}
        words = [0, 1, finite.get(kind, top - 1), -top, finite.get(kind, -1) - (top if kind in finite else 0), 5]
        if kind == "BOOL":
            words = [0, 1, 1, 0, 0, 1]
        c.update(f"model-exact-{name}", f"Words of {kind}", [update({name: "EXACT"}), values(words)], base="types")
        diffs = [1, 3, 4, -1, -1, 7]
        diffs = [1, -1, 1, -1, 0, 0] if kind == "BOOL" else diffs
        if kind not in (*finite, "BOOL"):
            diffs = [-top, top - 1, 1, -1, 1, 2]
        c.update(f"model-exact-{name}.difference", f"Differences of words of {kind}, modulo 2^{n}",
                 [update({name: "EXACT_DIFFERENCE"}), values(diffs)], base="types")  # fmt: skip
    c.update("model-exact-all", "Words of every type in one unit",
             [update({k.lower(): "EXACT" for k in TYPES}), values(*([i % 2] * 6 for i in range(len(TYPES))), lanes=3)],
             base="types")  # fmt: skip
    c.update("model-exact-same.size", "Differences between formats of the same size",
             [update({"float32": "REMOVED", "uint16": "REMOVED", "bool": "REMOVED", "uint64": "REMOVED"},
              new("a", "INT32", [6], "EXACT_DIFFERENCE", source=3), new("b", "FLOAT16", [6], "EXACT_DIFFERENCE",
              source=9), new("c", "INT8", [3, 2], "EXACT_DIFFERENCE", source=1), new("d", "FLOAT64", [1, 6],
              "EXACT_DIFFERENCE", source=11)), values([0, 2, -3, 5, 7, -1], [0, 1, 2, 3, 4, 5], [0, -1, 2, -3, 4, -5],
              [0, 1, 4607182418800017408, 0, 2**52 + 9, 3 + 2**53])], base="types")  # fmt: skip
    c.update("model-exact-zero.negative", "Exact words keep a negative zero",
             [update({"float32.zero": "EXACT", "float16.zero": "EXACT_DIFFERENCE"}), values([0, -(2**15)],
              [-(2**31), 0])], base="rounding")  # fmt: skip


def _directory(c: Catalog) -> None:
    c.update("model-unchanged-strange", "NaN, infinity and negative zero stay in tensors that are unchanged",
             [update({"float16": "REMOVED"}, new("h", "FLOAT16", [2, 2], "UNCHANGED", source=1), new("copy", "FLOAT32",
              [4], "COPY", copy=2))], base="strange")  # fmt: skip
    c.update("model-modes-all", "Every mode in one update",
             [update({"bn.count": "EXACT_DIFFERENCE", "conv.bias": "QUANTIZED", "conv.weight": "QUANTIZED_DIFFERENCE",
              "double": "REMOVED", "flags": "EXACT", "half": "UNCHANGED", "table": "REMOVED"},
              new("more.bias", "FLOAT32", [4], "COPY", copy=1), new("more.count", "INT64", [], "EXACT"),
              new("more.weight", "FLOAT32", [5], "QUANTIZED_DIFFERENCE", source=3), network_id="net", step=[3, "FIVE"],
              model_version="2", base_version="1"), values([17], spread(4, 90), spread(72, 12), [0, 1, 1, 0, 0, 1],
              [-9], spread(5, 7), lanes=1)], base="net")  # fmt: skip
    c.update("model-modes-new", "A renamed, a reshaped and a retyped tensor, and new ones of every mode",
             [update({"conv.bias": "REMOVED", "double": "REMOVED", "half": "REMOVED", "table": "REMOVED",
              "flags": "REMOVED"}, new("renamed", "FLOAT32", [4], "UNCHANGED", source=1), new("double", "BFLOAT16", [5],
              "QUANTIZED_DIFFERENCE", source=3), new("half", "FLOAT16", [3, 1, 2], "UNCHANGED", source=6),
              new("table", "INT8", [15], "EXACT_DIFFERENCE", source=7),
              new("quantized", "FLOAT64", [2, 2], "QUANTIZED", step=[15, "TWO"]), new("exact", "UINT16", [3], "EXACT"),
              new("again", "UINT16", [3], "COPY", copy=13), new("from.copy", "UINT16", [3], "COPY",
              copy=14)), values([8, -8, 0, 1, 2], spread(15, 120), [1, -2, 3, -4],
              [0, 32767, -32768])], base="net")  # fmt: skip
    c.update("model-modes-removed", "All tensors are removed", [update({"a": "REMOVED", "b": "REMOVED"})], base="two")
    c.update("model-copy-base", "A tensor of the base becomes a copy of one before it",
             [update({"t03": {"mode": "COPY", "copy": 1}, "t11": {"mode": "COPY", "copy": 0}, "t02": "EXACT_DIFFERENCE",
              "t04": {"mode": "COPY", "copy": 2}, "t05": {"mode": "COPY", "copy": 4}}, new("x", "FLOAT32", [8], "COPY",
              copy=11)), values([1, 2, 3, -4, 5, 6, -7, 8])], base="many")  # fmt: skip
    c.update("model-copy-coded", "A copy of a tensor that is coded in the same update, and a copy of a copy",
             [update({}, new("a", "INT16", [3], "EXACT"), new("b", "INT16", [3], "COPY", copy=0),
              new("0", "INT16", [3], "COPY", copy=1)), values([-1, 30000, 2])], base="none")  # fmt: skip
    c.update("model-empty-tensors", "Empty tensors: kept, coded, copied; with an axis of 2^32 - 2",
             [update({"empty": "QUANTIZED_DIFFERENCE"}, new("e", "FLOAT64", [0], "EXACT"), new("huge", "UINT8",
              [4294967294, 0], "EXACT"), new("zeros", "BFLOAT16", [0, 0, 3],
              "QUANTIZED"),
              new("none", "FLOAT64", [0], "COPY", copy=8)), values([], [], [], [])], base="net")  # fmt: skip
    c.update("model-scalar-tensors", "Scalars: kept, coded, copied",
             [update({"bn.count": "EXACT_DIFFERENCE"}, new("s", "INT64", [], "COPY", copy=0), new("q", "FLOAT16", [],
              "QUANTIZED")), values([2**63 - 1 - 1200], [12345])], base="net")  # fmt: skip
    c.update("model-axes-15", "A tensor of fifteen axes", [update({}, new("a", "UINT8", [1] * 13 + [2, 3], "EXACT")),
             values([1, 2, 3, 4, 5, 6])], base="none")  # fmt: skip
    c.update(
        "model-names-order",
        "Names whose order in bytes of UTF-8 is not that in characters or UTF-16",
        [update(dict.fromkeys(NAMES, "EXACT")), values(*([i] for i in range(len(NAMES))))],
        base="names",
    )
    c.update("model-names-new", "New tensors with names that lie between those of the base",
             [update({"a": "REMOVED", "~": "REMOVED"}, *(new(n, "UINT8", [], "EXACT") for n in (
              "a", "~", "\uffff", "\U0010ffff", "B:", "a\\b", "...", "x/..y", "a:b", " ", "n" * 300))),
              values(*([i] for i in range(11)))], base="names")  # fmt: skip
    c.update("model-texts-longest", "Names of network and versions of 255 bytes",
             [update({"w": "UNCHANGED"}, network_id="n" * 255, model_version="\u00e4" * 127 + "v",
              base_version="b" * 255)], base="one")  # fmt: skip
    c.update("model-unchanged-all", "An update that changes nothing", [update({})], base="net")
    c.update("model-shape-limit", "An empty tensor whose other extents have a product of 2^40",
             [update({}, new("a", "UINT8", [1 << 20, 0, 1 << 20], "EXACT")), values([])], base="none")  # fmt: skip


def _chains(c: Catalog) -> None:
    chain = [update({"a": "QUANTIZED_DIFFERENCE"}, model_version="1", base_version="0"), values([1, -2, 3, -4]),
             metadata(["note", "between"]), update({"b": "EXACT_DIFFERENCE"}, new("c", "FLOAT32", [4], "COPY", copy=0),
             model_version="2"), values([7, -7]), other(70, "abcd"), update({"a": "REMOVED", "c": "EXACT"},
             model_version="3"), values([0, 1, 2, 3], coder="XZ", word_bytes_log2=2)]  # fmt: skip
    first = c.update("model-chain-first", "Three updates from the first version on, with metadata between", chain,
                     base="two")  # fmt: skip
    for number, name in enumerate(("second", "third", "newest")):
        c.update(f"model-chain-{name}", f"The same for a receiver that has version {number + 1}", chain,
                 base=f"{first}/{number}", start="two")  # fmt: skip
    c.update("model-chain-same", "A version that comes back, for a receiver that has it: from its first base on",
             [update({"a": "EXACT_DIFFERENCE"}), values([1, 1, 1, 1]), update({"a": "EXACT_DIFFERENCE"}),
              values([-1, -1, -1, -1]), update({"b": "EXACT"}), values([1, 2])], base="two")  # fmt: skip
    c.update("model-chain-passed", "The values of an update that is passed over are not decoded",
             [update({"a": "EXACT_DIFFERENCE"}), values([1, 1, 1, 1], payload=[["xor", 2, 8]]), update({"b": "EXACT"}),
              values([1, 2])], base="model-chain-good_r1/0", start="two")  # fmt: skip
    c.update("model-chain-good", "The same update without the damage",
             [update({"a": "EXACT_DIFFERENCE"}), values([1, 1, 1, 1])], base="two")  # fmt: skip


FULL = [update({}, new("w", "FLOAT16", [2, 2], "QUANTIZED"), new("n", "INT32", [], "EXACT"), full=True,
        network_id="small", model_version="1"), values([100, -200, 300, 0], [5])]  # fmt: skip


def _full(c: Catalog) -> None:
    first = c.update("model-full-alone", "A full model for a receiver without one", FULL, start="nothing")
    more = [*FULL, update({"n": "EXACT_DIFFERENCE"}, model_version="2"), values([1])]
    c.update("model-full-update", "A full model, then an update of it", more, start="nothing")
    c.update("model-full-have", "A full model for a receiver that has it", FULL, base=f"{first}/0", start="nothing")
    c.update("model-full-later", "A full model and an update, for a receiver that has the former", more,
             base=f"{first}/0", start="nothing")  # fmt: skip
    c.update("model-full-empty", "A full model of no tensors", [update({}, full=True)], start="nothing")
    c.update("model-full-onto.empty", "An update of a model of no tensors is no full model",
             [update({}, new("a", "UINT8", [1], "EXACT")), values([1])], base="none")  # fmt: skip
    c.update("model-units-metadata", "Metadata before the first header, unknown units, a later minor version",
             [metadata(["k", "t"]), other(99, "00"), update({"w": "EXACT"}, append="ff00"), values([1, 2, 3, 4])],
             base="one", minor=1)  # fmt: skip
    for level in (2, 3):
        c.update(f"model-level-{level}", f"An update at level {level}", FULL, start="nothing", level=level)
    c.update("model-level-tensors", "As many tensors as level 1 allows",
             [update({}, new("", "BOOL", [0], "EXACT"), {"numbered": 4095}, full=True), values([])],
             start="nothing")  # fmt: skip


def _encoder(c: Catalog) -> None:
    """Updates as refsw.diff_models wrote them once."""
    from vectors.diffs import UPDATES

    for name, (base, title, _) in UPDATES.items():
        c.stored(f"model-encoder-{name}", title, f"model-encoder-{name}", base=base)
