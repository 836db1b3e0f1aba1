"""Chapter 10: model updates that break one requirement each."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.diffs import ZEROS
from vectors.recipes.models import FULL, new, spread, update, values
from vectors.recipes.words import data, fps, metadata, other
from vectors.updates import ALONE

AREA = "model-broken"
GOOD = [update({"w": "QUANTIZED_DIFFERENCE"}), values([3, -100, 0, 70])]
END = {"unit": "end", "set": {"tensor_count": 0, "sample_count": []}}


def register(c: Catalog) -> None:
    """Add the recipes."""
    _texts(c)
    _entries(c)
    _elements(c)
    _tables(c)
    _payload(c)
    _xz(c)
    _order(c)
    _bases(c)
    _levels(c)
    _damage(c)


def _bad(c: Catalog, name: str, title: str, violates: str, units: list[Any], base: str | None = "one",
         kind: str = "invalid", **words: Any) -> str:  # fmt: skip
    return c.update(f"model.broken-{name}", title, units, base=base, kind=kind, violates=violates, area=AREA, **words)


def _header(c: Catalog, name: str, title: str, violates: str, base: str, *tensors: Any, **words: Any) -> None:
    """A header without values; with those for it, if there are any."""
    entries, added = words.pop("entries", {}), words.pop("new", [])
    _bad(c, name, title, violates, [update(entries, *added, **words), *([values(*tensors)] if tensors else [])], base)


def _texts(c: Catalog) -> None:
    bytes_ = {"alone": "80", "cut": "61c3", "long": "c0af", "surrogate": "eda080", "beyond": "f4908080"}
    for name, raw in bytes_.items():
        _header(c, f"utf8-name.{name}", f"A name of the bytes {raw}, which are no UTF-8", "model.utf8", "one", [1],
                new=[new("hex:" + raw, "UINT8", [1], "EXACT")])  # fmt: skip
    for element in ("network_id", "model_version", "base_version"):
        dotted = element.replace("_", ".")
        _header(c, f"utf8-{dotted}", f"{element} is no UTF-8", "model.utf8", "one", set={element: "0xff",
                f"{element}_length": 1})  # fmt: skip
        _header(c, f"characters-{dotted}", f"{element} has a line feed", "model.name-characters", "one",
                **{element: "a\n"})  # fmt: skip
    for code in (0x00, 0x1F, 0x7F):
        _header(c, f"characters-name.{code:02x}", f"A name with U+{code:04X}", "model.name-characters", "one", [1],
                new=[new(f"a{chr(code)}b", "UINT8", [1], "EXACT")])  # fmt: skip
    paths = {"up": "../a", "within": "a/../b", "alone": "..", "back": "a\\..\\b", "end": "a/..", "root": "/etc/a",
             "root.back": "\\a", "drive": "C:\\a", "drive.slash": "c:/a", "scheme": "file:/a",
             "slash": "/"}  # fmt: skip
    for name, path in paths.items():
        _header(c, f"path-{name}", f"A new tensor named {path}", "model.name-path", "one", [1],
                new=[new(path, "UINT8", [1], "EXACT")])  # fmt: skip


def _entries(c: Catalog) -> None:
    one = new("x", "UINT8", [1], "EXACT")
    _header(c, "unique-base", "A new tensor with the name of one of the base", "model.name-unique", "two", [1],
            new=[one | {"name": "b"}])  # fmt: skip
    _header(c, "unique-new", "Two new tensors of one name", "model.name-unique", "two", [1], [2], new=[one, one])
    for name, shape in (("product", [1 << 20, 0, (1 << 20) + 1]), ("axes", [4294967294, 4294967294, 0]),
                        ("above", [(1 << 40) + 1 >> 8, 256, 0])):  # fmt: skip
        shape = [4294967294, 257, 0] if name == "above" else shape
        _header(c, f"shape-{name}", f"A new tensor of shape {shape}", "model.new-shape", "one", [],
                new=[new("x", "UINT8", shape, "EXACT")])  # fmt: skip
    for name, count in (("fewer", 1), ("more", 3)):
        _bad(c, f"tensors-{name}", f"base_tensor_count is {count} for a base of two tensors", "model.base-tensors",
             [update({}, set={"base_tensor_count": count} | {name: [0] * count for name in (
              "tensor_mode", "tensor_step_flag", "tensor_step_digits", "tensor_step_multiplier", "copy_entry")})],
             "two")  # fmt: skip
    _header(c, "new.mode-removed", "A new tensor that is removed", "model.new-mode", "one",
            new=[new("x", "UINT8", [1], "REMOVED")])  # fmt: skip
    for mode in ("UNCHANGED", "QUANTIZED_DIFFERENCE", "EXACT_DIFFERENCE"):
        _header(c, f"source-none.{mode.lower().replace('_', '.')}", f"A new tensor of mode {mode} without a source",
                "model.source", "one", *([[1]] if mode != "UNCHANGED" else []),
                new=[new("x", "FLOAT32", [1], mode)])  # fmt: skip
    for mode in ("COPY", "QUANTIZED", "EXACT"):
        _header(c, f"source-given.{mode.lower()}", f"A new tensor of mode {mode} with a source", "model.source", "one",
                *([[1, 2, 3, 4]] if mode != "COPY" else []), entries={"w": "REMOVED" if mode != "COPY" else "EXACT"},
                new=[new("x", "FLOAT32", [4], mode, source=0)])  # fmt: skip
    _header(c, "source.once-kept", "A source that is kept as well", "model.source-once", "one",
            new=[new("x", "FLOAT32", [4], "UNCHANGED", source=0)])  # fmt: skip
    _header(c, "source.once-new", "Two new tensors from one source", "model.source-once", "one", [1, 1, 1, 1],
            entries={"w": "REMOVED"}, new=[new("x", "FLOAT32", [4], "UNCHANGED", source=0),
            new("y", "FLOAT32", [4], "QUANTIZED_DIFFERENCE", source=0)])  # fmt: skip
    removed = {"b": "REMOVED"}
    forms = {
        "count": ([2, 2], "INT32", "UNCHANGED", []), "type": ([2], "UINT32", "UNCHANGED", []),
        "size": ([2], "INT16", "EXACT_DIFFERENCE", [[1, 1]]), "wider": ([2], "INT64", "EXACT_DIFFERENCE", [[1, 1]]),
        "fewer": ([1], "INT32", "EXACT_DIFFERENCE", [[1]]),
    }  # fmt: skip
    for name, (shape, kind, mode, tensors) in forms.items():
        _header(c, f"source.format-{name}", f"{mode} from INT32 [2] to {kind} {shape}", "model.source-format", "two",
                *tensors, entries=removed, new=[new("x", kind, shape, mode, source=1)])  # fmt: skip
    _header(c, "source.format-quantized", "A quantized difference with more elements than its source",
            "model.source-format", "two", [1] * 5, entries={"a": "REMOVED"},
            new=[new("x", "FLOAT64", [5], "QUANTIZED_DIFFERENCE", source=0)])  # fmt: skip
    for mode in ("QUANTIZED", "QUANTIZED_DIFFERENCE"):
        dotted = mode.lower().replace("_", ".")
        _header(c, f"quantized.type-{dotted}", f"{mode} of an INT32 tensor of the base", "model.quantized-type", "two",
                [1, 1], entries={"b": mode})  # fmt: skip
    _header(c, "quantized.type-new", "A new INT32 tensor that is quantized", "model.quantized-type", "two", [1, 1],
            new=[new("x", "INT32", [2], "QUANTIZED")])  # fmt: skip
    _header(c, "quantized.type-source", "A quantized difference from INT32 to FLOAT32", "model.quantized-type", "two",
            [1, 1], entries=removed, new=[new("x", "FLOAT32", [2], "QUANTIZED_DIFFERENCE", source=1)])  # fmt: skip
    _header(c, "quantized.type-target", "A quantized difference from FLOAT32 to INT32", "model.quantized-type", "two",
            [1, 1, 1, 1], entries={"a": "REMOVED"}, new=[new("x", "INT32", [4], "QUANTIZED_DIFFERENCE",
            source=0)])  # fmt: skip
    _header(c, "copy-removed", "A copy of a tensor that is removed", "model.copy", "two", entries={"a": "REMOVED"},
            new=[new("x", "FLOAT32", [4], "COPY", copy=0)])  # fmt: skip
    for name, kind, shape in (("type", "INT32", [4]), ("shape", "FLOAT32", [2, 2]), ("count", "FLOAT32", [5])):
        _header(c, f"copy-{name}", f"A copy of FLOAT32 [4] as {kind} {shape}", "model.copy", "two",
                new=[new("x", kind, shape, "COPY", copy=0)])  # fmt: skip
    _header(c, "copy-base", "A tensor of the base as a copy of one of another format", "model.copy", "two",
            entries={"b": {"mode": "COPY", "copy": 0}})  # fmt: skip


def _elements(c: Catalog) -> None:
    top = 2**63 - 1
    for m, v in (("ONE", -(2**63)), ("TWO", 2**62), ("TWO", -(2**62)), ("FIVE", top // 5 + 1), ("FIVE", -top // 5 - 1)):
        sign = "minus" if v < 0 else "plus"
        _bad(c, f"range-{m.lower()}.{sign}", f"v is {v} with m {m}", "model.value-range",
             [update({}, new("x", "FLOAT64", [2], "QUANTIZED", step=[15, m])), values([1, v])])  # fmt: skip
    for kind, n in (("INT8", 8), ("UINT16", 16), ("FLOAT32", 32), ("BOOL", 8)):
        for name, v in (("above", 1 << n - 1), ("below", -(1 << n - 1) - 1)):
            _bad(c, f"range-{kind.lower()}.{name}", f"An exact value of {kind} is {v}", "model.value-range",
                 [update({}, new("x", kind, [2], "EXACT")), values([0, v])])  # fmt: skip
    _bad(c, "range-symbol.503", "Symbol 503 with raw bits that are not 0", "model.value-range",
         [update({}, new("x", "INT64", [1], "EXACT")), values({"values": [-(2**63)], "gives":
          [2**63 - 1]}, payload=[["xor", -1, 8]])])  # fmt: skip
    for name, words in (("nan", 0x7FC00000), ("infinity", 0x7F800000), ("minus.infinity", 0xFF800000 - 2**32)):
        _bad(c, f"finite-exact.{name}", f"An exact element is {name}", "model.finite",
             [update({"w": "EXACT"}), values([0, words, 1, 2])])  # fmt: skip
    _bad(c, "finite-difference", "A difference that leads to infinity", "model.finite",
         [update({"float32": "EXACT_DIFFERENCE"}), values([0, 0, 0, 1, 0, 0])], "types")  # fmt: skip
    for kind, v in (("FLOAT16", 65520), ("BFLOAT16", 2**62), ("FLOAT32", 2**62)):
        _bad(c, f"finite-rounded.{kind.lower()}", f"A sum beyond the greatest {kind}", "model.finite",
             [update({}, new("x", "FLOAT16" if kind != "FLOAT16" else kind, [1], "QUANTIZED", step=[0, "ONE"])),
              values([v])])  # fmt: skip
    for name in ("float64", "float16", "bfloat16"):
        _bad(c, f"finite-unchanged.{name}", f"A difference on NaN and infinity in {name}", "model.finite",
             [update({name: "QUANTIZED_DIFFERENCE"}), values([0, 0, 0, 0])], "strange")  # fmt: skip
    _bad(c, "bool-two", "An element of type BOOL is 2", "model.bool",
         [update({"flags": "EXACT"}), values([0, 1, 2, 0, 1, 0])], "net")  # fmt: skip
    _bad(c, "bool-difference", "A difference makes an element of type BOOL 255", "model.bool",
         [update({"flags": "EXACT_DIFFERENCE"}), values([0, -1, 0, 0, 0, 0])], "net")  # fmt: skip


def _tables(c: Catalog) -> None:
    large = {"frequency": {"0": 8192, "1": 8192, "2": 0}, "rest": 2, "end": 3, "first": 0}
    head = update({"w": "QUANTIZED"})
    _bad(c, "rest-zero", "Frequencies that leave nothing for the rest", "model.rest-frequency",
         [head, values([0, -1, 0, -1], tables=[large])])  # fmt: skip
    _bad(c, "rest-negative", "Frequencies of a sum above 2^14", "model.rest-frequency",
         [head, values([0, -1, 0, -1], tables=[None], set={"symbol_end": [3], "rest_symbol": [2], "first_symbol": [0],
          "frequency_class": [[14, 14, 0]], "frequency_bits": [[1, 1, 0]]})])  # fmt: skip
    _bad(c, "tables-above", "257 tables that are not the same as the one before", "model.tables",
         [head, values([0, 1, -1, 2], tables=[{"apart": 257}])])  # fmt: skip
    labelled = {"values": spread(6, 5), "shape": [2, 3], "groups": [[0, 0], [1, 1]], "labels": [[0, 1], [0, 1, 0]]}
    _bad(c, "label.axes-beyond", "A group up to an axis that the tensor does not have", "model.label-axes",
         [update({"v": "QUANTIZED"}), values({"values": spread(6, 5), "shape": [3, 2, 1], "groups": [[1, 2]],
          "labels": [[0, 1]]})], "tap")  # fmt: skip
    _bad(c, "context-offset", "table_offset is beyond the tables", "model.context-bound",
         [head, values({"values": [1, 2, 3, 4], "offset": 1}, set={"table_count_minus1": 0})])  # fmt: skip
    two = labelled | {"shape": [3, 2], "labels": [[0, 1, 2], [0, 2]]}
    _bad(c, "context-sum", "The sum of two labels leads beyond the tables", "model.context-bound",
         [update({"v": "QUANTIZED"}), values(two, set={"table_offset": [1]})], "tap")  # fmt: skip
    _bad(c, "context-step", "The step of labels leads beyond the tables", "model.context-bound",
         [update({"v": "QUANTIZED"}), values(two, set={"label_step_minus1": [1]})], "tap")  # fmt: skip
    _bad(c, "label.count-empty", "Labels along an axis of an empty tensor, more than there are values",
         "model.label-count", [update({}, new("x", "UINT8", [4, 0], "EXACT"), new("y", "UINT8", [3], "EXACT")),
          values({"values": [], "shape": [4, 0], "groups": [[0, 0]], "labels": [[0, 1, 0, 0]]},
                 [1, 2, 3])])  # fmt: skip
    _bad(c, "label.count-huge", "Labels along an axis of 2^32 - 2 of an empty tensor", "model.label-count",
         [update({}, new("x", "UINT8", [4294967294, 0], "EXACT")), values({"values": [], "shape": [0], "groups":
          [[0, 0]], "labels": [[]]})])  # fmt: skip
    nine = {"values": spread(6, 5), "predictor": 1, "residuals": 1}
    _bad(c, "predictor-taps.divide", "A predictor of four taps for six values", "model.predictor-taps",
         [update({"v": "QUANTIZED"}), values(nine, predictors=[[[1], [1, 1], [1, 1, 1]]])], "tap")  # fmt: skip
    _bad(c, "predictor-taps.two", "A predictor of four taps for two values", "model.predictor-taps",
         [update({"b": "EXACT"}), values({"values": [1, 2], "predictor": 1, "residuals": 1},
          predictors=[[[1], [1, 1], [1, 1, 1]]])], "two")  # fmt: skip
    top = 1 << 40
    for name, own, row, v in (("residual", [0, top], 0, top), ("residual.minus", [-top, 0], 0, 0),
                              ("value", [top - 1, 1], 64, top), ("value.minus", [1 - top, -1], 64, -top)):  # fmt: skip
        _bad(c, f"predictor-range.{name}", f"Residuals {own}, the first with weight {row}/64", "model.prediction-range",
             [update({}, new("x", "INT64", [2], "EXACT")), values({"values": own, "predictor": 1, "residuals": 1,
              "gives": [own[0], v]}, predictors=[[[row]]])])  # fmt: skip


def _payload(c: Catalog) -> None:
    head = update({"w": "QUANTIZED"})

    def bad(name: str, title: str, violates: str, operations: list[Any], **words: Any) -> None:
        tensor = words.pop("tensor", [300, -300, 5000, 0])
        _bad(c, name, title, violates, [head, values(tensor, payload=operations, **words)])

    labelled = {"values": [300, -300, 5000, 0], "shape": [4], "groups": [[0, 0]], "labels": [[0, 1, 1, 0]]}
    bad("payload.length-none", "No payload", "model.payload-length", [["cut", 99]])
    bad("payload.length-states", "A payload that ends within states", "model.payload-length", [["cut", 30]], lanes=3)
    bad("payload.length-words", "More words than the payload has", "model.payload-length", [], set={"word_count": 99})
    bad("payload.length-labels", "More words of labels than the payload has", "model.payload-length", [],
        tensor=labelled, set={"label_word_count": 99})  # fmt: skip
    bad("raw.bits-missing", "The last byte of the raw bits is missing", "model.raw-bits", [["cut", 1]])
    _bad(c, "raw.bits-none.left", "All raw bits of many values are missing", "model.raw-bits",
         [update({}, new("x", "INT64", [40], "EXACT")), values({"times": 40, "value": 1 << 62},
          payload=[["cut", 300]])])  # fmt: skip
    bad("raw.bits-more", "A byte too much after the raw bits", "model.raw-bits", [["append", "00"]])
    bad("raw.bits-one", "A one among the bits that fill the last byte", "model.raw-bits", [["xor", -1, 1]])
    bad(
        "raw.bits-last",
        "A one in the only bit that fills the last byte",
        "model.raw-bits",
        [["xor", -1, 1]],
        tensor=[32, 16, 16, 1],
    )
    bad("raw.bits-none", "A byte where no raw bits are", "model.raw-bits", [["append", "00"]], tensor=[1, 2, 3, 4])
    for name, operations, words in (("zero", [["put", 0, "00000000"]], {}), ("least", [["put", 0, "0000ffff"]], {}),
                                    ("last", [["put", 12, "0000ffff"]], {"lanes": 2}),
                                    ("unused", [["put", 28, "0000ffff"]], {"lanes": 3})):  # fmt: skip
        bad(f"state-{name}", f"A state below 2^16 ({name})", "model.state-range", operations, **words)
    bad("state-refilled", "A state of 1 that a word leads back to 2^16", "model.state-range",
        [["put", 0, "00000001"], ["append", "0000"]], tensor={"times": 4, "value": 0}, tables=ALONE,
        set={"word_count": 1})  # fmt: skip
    bad("state-labels", "A state of the labels below 2^16", "model.state-range", [["put", 0, "00001234"]],
        tensor=labelled)  # fmt: skip
    bad("final-unused", "A lane without values whose state is not 2^16", "model.final-states",
        [["put", 28, "00010001"]], lanes=3)  # fmt: skip
    bad("final-other", "A state that leads to another one than 2^16", "model.final-states", [["xor", 3, 1]],
        tensor={"values": [0, 0, 0, 0]}, tables=[{"frequency": {"0": 16384}, "rest": 0}])  # fmt: skip
    bad("final-labels", "States of labels that do not end at 2^16", "model.final-states", [["xor", 3, 1]],
        tensor=labelled | {"labels": [[0, 0, 0, 0]]})  # fmt: skip
    flat = {"frequency": {str(s): 1024 for s in range(16)}, "rest": 0}
    small = {"times": 4, "value": 2}
    long = spread(40, 7)
    bad("words-few", "A word too few", "model.words", [["cut", 2]], tensor=small, tables=[flat],
        set={"word_count": 0})  # fmt: skip
    bad("words-more", "A word too many", "model.words", [["append", "0000"]], tensor={"values": [2, 2, 2, 2]},
        tables=[flat], set={"word_count": 2})  # fmt: skip
    bad("words-labels", "A word too many for the labels", "model.words", [["put", 4, "0000" + "00010000" * 2]],
        tensor=labelled | {"labels": [[0, 0, 0, 0]]}, set={"label_word_count": 1})  # fmt: skip
    _bad(c, "words-long", "A word too few for forty values", "model.words",
         [update({}, new("x", "INT8", [40], "EXACT")), values(long, tables=[flat], payload=[["cut", 2]],
          set={"word_count": 8})])  # fmt: skip
    _bad(c, "words-lanes", "A word too few for four hundred values in 64 lanes", "model.words",
         [update({}, new("x", "INT8", [400], "EXACT")), values(spread(400, 7), tables=[flat], lanes=6,
          payload=[["cut", 2]], set={"word_count": 63})])  # fmt: skip


def _xz(c: Catalog) -> None:
    def bad(name: str, title: str, violates: str, **words: Any) -> None:
        _bad(c, f"xz-{name}", title, violates, [update({"w": "QUANTIZED"}),
             values([1, 2, 3, 4], coder="XZ", **words)])  # fmt: skip

    bad("format", "A payload that is no .xz stream", "bytes.format", payload=[["put", 0, "00"]])
    bad("check", "A wrong check", "bytes.format", payload=[["xor", 29, 1]])
    bad("cut", "A stream that ends early", "bytes.size", payload=[["cut", 1]])
    bad("none", "No stream", "bytes.size", payload=[["cut", 9999]])
    bad("trailing", "Bytes after the stream", "bytes.trailing", payload=[["append", "00000000"]])
    bad("blocks", "Two blocks", "bytes.xz", xz={"blocks": 2})
    bad("dictionary", "A dictionary of 96 MiB", "bytes.lzma-memory", xz={"dictionary": 29})
    bad("more", "A byte more than the values have", "bytes.size", more="00")
    bad("width", "Values of two bytes that are told to have four", "bytes.size", word_bytes_log2=1,
        set={"word_bytes_log2": 2})  # fmt: skip
    bad("narrow", "Values of two bytes that are told to have one", "bytes.size", word_bytes_log2=1,
        set={"word_bytes_log2": 0})  # fmt: skip
    _bad(c, "xz-values.none", "An .xz stream for no values", "model.xz-values",
         [update({"empty": "EXACT"}), values([], coder="XZ")], "net")  # fmt: skip
    for name, more in (("above", 1), ("copy", 0)):
        copies = [new("zz", "UINT8", [1], "EXACT"), new("zzz", "UINT8", [1], "COPY", copy=1)] if not more else []
        tensors = [{"times": ZEROS - 1 + 2 * more, "value": 0}] + [[0]] * (1 - more)
        _bad(c, f"expansion-{name}", "One element of new tensors too many" + ", with a copy" * (not more),
             "model.expansion", [update({}, new("z", "UINT8", [ZEROS - 1 + 2 * more], "EXACT"), *copies),
             values(*tensors, coder="XZ", of="model-zeros")], "none")  # fmt: skip


def _order(c: Catalog) -> None:
    _bad(c, "coded.order-first", "The first unit begins at coded tensor 1", "model.coded-order",
         [update({"a": "EXACT", "b": "EXACT"}), values([1, 2], first=1)], "two")  # fmt: skip
    _bad(c, "coded.order-again", "A unit that begins where the one before did", "model.coded-order",
         [update({"a": "EXACT", "b": "EXACT"}), values([1, 2, 3, 4]), values([1, 2], first=0)], "two")  # fmt: skip
    _bad(c, "coded.order-beyond", "More tensors in a unit than are coded", "model.coded-order",
         [update({"a": "EXACT"}), values([1, 2, 3, 4], [1, 2])], "two")  # fmt: skip
    _bad(c, "coded.order-none", "Values where nothing is coded", "model.coded-order", [update({}), values([1])])
    _bad(c, "complete-end", "No values before the end", "model.complete",
         [update({"b": "EXACT"}, becomes="half")], "two")  # fmt: skip
    _bad(c, "complete-second", "Values of one of two coded tensors, then the end", "model.complete",
         [update({"a": "EXACT", "b": "EXACT"}), values([1, 2, 3, 4])], "two")  # fmt: skip
    _bad(c, "complete-header", "No values before the next header", "model.complete",
         [update({"b": "EXACT"}, becomes="half"), update({})], "two")  # fmt: skip
    for name, units in (("data", [values([1, 2, 3, 4])]), ("metadata", [metadata(["k", "t"])]), ("end", [])):
        _bad(c, f"order-{name}", f"No header before {name or 'the end'}", "model.order", units)
    _bad(c, "order-late", "Values before their header", "model.order", [values([1, 2, 3, 4]), *GOOD])
    for name, unit in (("fps", other(1, "00", skippable=0)), ("data", other(2, "00", skippable=0)),
                       ("digest", other(3, "00"))):  # fmt: skip
        _bad(c, f"profile-{name}", f"A {name} unit in a bitstream of profile MODEL", "profile.model", [GOOD[0], unit])
        _bad(c, f"profile-{name}.first", f"A {name} unit before the header", "profile.model", [unit, *GOOD])
    for kind, name in ((8, "header"), (9, "data")):
        c.stream(f"profile-model-{name}", f"A model {name} unit in a bitstream of features",
                 [fps(), data(), {"unit": "other", "type": kind, "skippable": 0, "body": "00"}], area="profile",
                 kind="invalid", violates="profile.model")  # fmt: skip
    _bad(c, "order-after.end", "A header after the end", "bitstream.nothing-after-end", [*GOOD, END, *GOOD], end=False,
         kind="malformed")  # fmt: skip
    _bad(c, "order-no.end", "No end of bitstream", "bitstream.end", GOOD, end=False, kind="malformed")
    _bad(c, "skippable-header", "A model header that may be skipped", "unit.skippable-known",
         [GOOD[0] | {"skippable": 1}, GOOD[1]], kind="malformed")  # fmt: skip
    _bad(c, "header-rest", "A byte after a model header of version 1.0", "unit.no-rest",
         [update({}, append="00")], kind="malformed")  # fmt: skip
    _bad(c, "end-counts", "tensor_count is 1", "end.sample-counts",
         [*GOOD, {"unit": "end", "set": {"tensor_count": 1, "sample_count": [0]}}], end=False)  # fmt: skip
    _bad(c, "end-crc", "A wrong bitstream_crc", "end.bitstream-crc", [*GOOD, END | {"bitstream_crc_xor": 1}], end=False)
    for base, name in ((0, "old"), (1, "full")):
        link = update({"a": "EXACT"}) if not base else update({}, full=True)
        own = {"base_digest": "ab" * 32} if not base else {}
        _bad(c, f"chain-{name}", "The second update is no update of the first" if not base else
             "A full model after an update", "model.chain", [update({"a": "EXACT"}), values([1, 2, 3, 4]), link | own,
             *([values([5, 6, 7, 8])] if not base else [])], "two")  # fmt: skip


def _bases(c: Catalog) -> None:
    _bad(c, "base-other", "The receiver has another model", "model.base", GOOD, "two", start="one")
    _bad(c, "base-none", "The receiver has no model", "model.base", GOOD, None, start="one")
    _bad(c, "base-full", "A full model, and the receiver has another model", "model.base", FULL, "one", start="nothing")
    _bad(c, "base-empty", "A full model, and the receiver has a model of no tensors", "model.base", FULL, "none",
         start="nothing")  # fmt: skip
    _bad(c, "base-lacking", "A model of no tensors is the base, and the receiver has no model", "model.base",
         [update({}, new("a", "UINT8", [1], "EXACT")), values([1])], None, start="none")  # fmt: skip
    _bad(c, "base-digest", "base_digest differs from the receiver's in the last bit", "model.base",
         [update({"w": "EXACT"}, base_digest="00" * 32), values([1, 2, 3, 4])])  # fmt: skip
    link = [update({"a": "EXACT"}), values([1, 2, 3, 4]), update({"b": "EXACT"}), values([1, 2]),
            update({"b": "EXACT"}), values([3, 4])]  # fmt: skip
    first = c.update("model-base-chain", "A chain, whose second version a receiver cannot have", link, base="two",
                     area=AREA)  # fmt: skip
    _bad(c, "base-missing.link", "An update is missing between the receiver's version and the first one",
         "model.base", [update({"b": "EXACT"}), values([3, 4])], "two", start=f"{first}/1")  # fmt: skip
    _bad(c, "result-digest", "result_digest is another one", "model.result-digest",
         [update({"w": "EXACT"}, result_digest="00" * 32), values([1, 2, 3, 4])])  # fmt: skip
    _bad(c, "result-link", "The result of the first of two updates is another one", "model.result-digest",
         [update({"a": "EXACT"}, result_digest="11" * 32), values([1, 2, 3, 4]), update({"b": "EXACT"},
          base_digest="11" * 32), values([1, 2])], "two")  # fmt: skip
    _bad(c, "result-raw.bits", "Flipped raw bits, with right CRCs: only the digest tells", "model.result-digest",
         [update({"w": "QUANTIZED"}), values([300, -300, 5000, 0], payload=[["xor", -2, 16]])])  # fmt: skip
    _bad(c, "result-raw.first", "The first raw bit flipped", "model.result-digest",
         [update({"w": "QUANTIZED"}), values([16, 0, 0, 0], payload=[["xor", -1, 128]])])  # fmt: skip
    _bad(c, "result-xz", "Another value in an .xz stream without a check", "model.result-digest",
         [update({"w": "QUANTIZED"}), values([1, 2, 3, 4], coder="XZ", xz={"check": 0},
          payload=[["xor", 27, 1]])])  # fmt: skip
    _bad(c, "passed-order", "An update that is passed over has too many values", "model.coded-order",
         [update({"a": "EXACT_DIFFERENCE"}), values([1, 1, 1, 1], [1]), update({"b": "EXACT"}), values([1, 2])],
         "model-chain-good_r1/0", start="two")  # fmt: skip
    x, y = new("x", "FLOAT32", [4], "COPY", copy=0), new("y", "INT8", [1], "EXACT")
    passed: dict[str, tuple[str, dict[str, str], list[Any], list[Any]]] = {
        "unique": ("model.name-unique", {}, [x, x], []),
        "source": ("model.source-once", {}, [new("x", "FLOAT32", [4], "UNCHANGED", source=0)], []),
        "copy": ("model.copy", {"w": "REMOVED"}, [x], []),
        "formats": ("model.copy", {}, [y, new("x", "FLOAT32", [1], "COPY", copy=1)], [values([1])]),
        "type": ("model.quantized-type", {}, [new("x", "INT8", [1], "QUANTIZED")], [values([1])]),
        "complete": ("model.complete", {"w": "EXACT"}, [], []),
        "mode": ("model.new-mode", {}, [new("x", "INT8", [1], "REMOVED")], []),
        "given": ("model.source", {}, [x | {"source": 0}], []),
        "lacking": ("model.source", {}, [new("x", "FLOAT32", [4], "UNCHANGED")], []),
        "shape": ("model.new-shape", {}, [new("x", "INT8", [1 << 31, 1 << 10, 0], "COPY", copy=0)], []),
        "path": ("model.name-path", {}, [x | {"name": "../x"}], []),
    }
    for name, (violates, entries, added, tensors) in passed.items():
        _bad(c, f"passed-{name}", f"An update that is passed over breaks {violates}", violates,
             [update(entries, *added, becomes="two"), *tensors, update({"a": "EXACT"}), values([1, 2, 3, 4])],
             "two", start="one")  # fmt: skip
    _bad(c, "passed-after", "A link is missing after the receiver's version", "model.chain",
         [update({}, becomes="two"), update({"a": "EXACT"}), values([1, 2, 3, 4]),
          update({"a": "EXACT"}, base_digest="77" * 32), values([1, 2, 3, 4])], "two", start="one")  # fmt: skip
    _bad(c, "passed-before", "A link is missing before the receiver's version", "model.chain",
         [update({}, result_digest="77" * 32), update({"w": "EXACT"}), values([1, 2, 3, 4])], "one")  # fmt: skip


def _levels(c: Catalog) -> None:
    _bad(c, "level-elements", "A model of 2^26 + 1 elements at level 1", "level.model-elements",
         [update({}, new("x", "UINT8", [(1 << 26) + 1], "EXACT"), full=True)], None, kind="limit")  # fmt: skip
    _bad(c, "level-elements.sum", "Tensors of 2^26 + 1 elements together", "level.model-elements",
         [update({}, new("x", "UINT8", [(1 << 26) - 3], "EXACT"))], kind="limit")  # fmt: skip
    _bad(c, "level-elements.most", "2^26 elements, which level 1 allows, but not with so few bytes", "model.complete",
         [update({}, new("x", "UINT8", [(1 << 26) - 4], "EXACT"))])  # fmt: skip
    _bad(c, "level-unit.most", "2^24 elements, which level 1 allows, but not with so few bytes", "model.expansion",
         [update({}, new("x", "UINT8", [1 << 24], "EXACT")), values([0])])  # fmt: skip
    _bad(c, "level-unit.above", "A unit of 2^24 + 1 elements at level 1", "level.model-unit-elements",
         [update({}, new("x", "UINT8", [(1 << 24) + 1], "EXACT")), values({"times": (1 << 24) + 1, "value": 0},
          lanes=11, tables=ALONE)], kind="limit")  # fmt: skip
    _bad(
        c,
        "lanes-values",
        "16385 values in one lane",
        "model.lanes",
        [update({}, new("x", "UINT8", [16385], "EXACT")), values({"times": 16385, "value": 0}, tables=ALONE)],
    )
    _bad(c, "level-tensors.above", "4097 tensors at level 1", "level.model-tensors",
         [update({}, new("", "BOOL", [0], "EXACT"), {"numbered": 4096}, full=True), values([])], None,
         kind="limit")  # fmt: skip
    _bad(c, "level-tensors.sum", "A tensor of the base and 4096 new ones at level 1", "level.model-tensors",
         [update({}, new("", "BOOL", [0], "EXACT"), {"numbered": 4095, "copy": 1}), values([])],
         kind="limit")  # fmt: skip


def _damage(c: Catalog) -> None:
    whole = c.update("model-damage-whole", "The update that others are cut from", GOOD, base="one", area=AREA)
    for size, violates in ((12, "bitstream.end"), (20, "unit.complete"), (60, "unit.complete"), (112, "unit.complete"),
                           (117, "unit.complete"), (140, "unit.complete")):  # fmt: skip
        c.edited(f"model-damage-cut.{size}", f"The update, cut after {size} bytes", whole, area=AREA, kind="malformed",
                 violates=violates, generator="truncation", size=size)  # fmt: skip
    for byte in (30, 115, 135):
        c.edited(f"model-damage-flip.{byte}", f"A flipped bit in byte {byte}", whole, area=AREA, kind="malformed",
                 violates="unit.crc", generator="flip", byte=byte, mask=4)  # fmt: skip
