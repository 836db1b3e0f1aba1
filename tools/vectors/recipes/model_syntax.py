"""6.10 and 6.11: every element of the structures of model updates over the classes of its values."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from refsw.errors import DfcError
from refsw.syntax.bits import BitReader
from refsw.syntax.declaration import Structure
from refsw.syntax.model_structures import MODEL_DATA, MODEL_HEADER
from refsw.syntax.structure import read_structure
from vectors import plain
from vectors.bases import BASES
from vectors.bits import Body, Writing
from vectors.catalog import VECTORS, Catalog
from vectors.recipes.elements import dots
from vectors.recipes.models import new, spread, update, values
from vectors.recipes.truncations import _can_cut
from vectors.recipes.words import OVERLONG
from vectors.store import Store
from vectors.tensors import Unit
from vectors.updates import UpdateAssembler

Form = tuple[Body, list[Unit], str]
AREA = "model-syntax"
HUGE = 2**32 - 2
LISTS = ("tensor_mode", "tensor_step_flag", "tensor_step_digits", "tensor_step_multiplier", "copy_entry")
HEAD = update({"w": "QUANTIZED"})
DATA = [300, -300, 5000, 0]
NEW = [new("x", "UINT8", [1], "EXACT"), new("y", "UINT8", [1], "COPY", copy=1)]
LABELLED = {"values": spread(6, 5), "shape": [3, 2], "groups": [[0, 0], [1, 1]], "labels": [[0, 1, 0], [0, 1]]}


def register(c: Catalog) -> None:
    """Add the recipes."""
    _headers(c)
    _data(c)
    _reserved(c)
    _truncations(c)


def _bad(c: Catalog, name: str, title: str, violates: str, units: list[Unit], kind: str = "invalid", base: str = "one",
         **more: Any) -> None:  # fmt: skip
    c.update(f"model.syntax-{name}", title, units, base=base, kind=kind, violates=violates, area=AREA, **more)


def _headers(c: Catalog) -> None:
    bounds: list[tuple[str, dict[str, Any], str, str]] = [
        ("step_multiplier", {"step_multiplier": 3}, "reserved", "malformed"),
        ("tensor_mode", {"tensor_mode": [7]}, "reserved", "malformed"),
        ("tensor_step_multiplier", {"tensor_mode": [4], "tensor_step_flag": [1], "tensor_step_multiplier": [3]},
         "reserved", "malformed"),
        ("copy_entry", {"tensor_mode": [2], "copy_entry": [0]}, "above", "invalid"),
        ("new_element_type", {"new_element_type": [13, 4]}, "reserved", "malformed"),
        ("new_tensor_mode", {"new_tensor_mode": [7, 0]}, "reserved", "malformed"),
        ("source_entry", {"source_flag": [1, 0], "source_entry": [1, 0]}, "above", "invalid"),
        ("new_step_multiplier", {"new_tensor_mode": [4, 0], "new_step_flag": [1, 0], "new_step_multiplier": [3, 0]},
         "reserved", "malformed"),
        ("new_copy_entry", {"new_copy_entry": [0, 2]}, "above", "invalid"),
    ]  # fmt: skip
    for name, change, what, kind in bounds:
        _bad(c, f"{dots(name)}-{what}", f"{name} is {what}", f"model_header.{name}",
             [update({}, *NEW, set=change), values([1])], kind)  # fmt: skip
    _bad(c, "new.copy.entry-self", "The first entry of a full model is a copy of itself", "model_header.new_copy_entry",
         [update({}, new("x", "UINT8", [1], "COPY", copy=0), full=True)])  # fmt: skip
    _bad(c, "source.flag-forbidden", "A source in a full model", "model_header.source_flag",
         [update({}, new("x", "UINT8", [1], "UNCHANGED", source=0), full=True)])  # fmt: skip
    overlong: list[tuple[str, dict[str, Any]]] = [
        ("base_tensor_count", {"base_tensor_count": OVERLONG}),
        ("copy_entry", {"tensor_mode": [2], "copy_entry": [OVERLONG]}),
        ("new_tensor_count", {"new_tensor_count": OVERLONG}),
        ("new_extent", {"new_extent": [[OVERLONG], [1]]}),
        ("source_entry", {"source_flag": [1, 0], "source_entry": [OVERLONG, 0]}),
        ("new_copy_entry", {"new_copy_entry": [0, OVERLONG]}),
    ]
    for name, change in overlong:
        _bad(c, f"{dots(name)}-overlong", f"{name} is a code of more than 63 bits", "descriptor.ue-prefix",
             [update({}, *NEW, set=change)], "malformed")  # fmt: skip
    for name in ("base_tensor_count", "new_tensor_count"):
        _bad(c, f"{dots(name)}-max", f"{name} is 2^32 - 2", "level.model-tensors",
             [update({}, *NEW, set={name: HUGE})], "limit")  # fmt: skip
    _bad(c, "name.length-max", "A name of 65535 bytes that are not there", "unit.complete-element",
         [update({}, *NEW, set={"name_length": [65535, 1]})], "malformed")  # fmt: skip
    _bad(c, "byte.alignment-ones", "Ones fill the last byte of a model header", "descriptor.alignment-zero",
         [update({}, set={"byte_alignment": "ones"})], "malformed", "two")  # fmt: skip
    for count in range(1, 9):  # one of them ends at the end of a byte
        names = [new(f"n{i}", "UINT8", [0] * i, "EXACT") for i in range(count)]
        c.update(f"model.syntax-alignment-{count}", f"{count} new tensors of 0 and more axes",
                 [update({}, *names), values([1], *([] for _ in names[1:]))], base="one",
                 area=AREA)  # fmt: skip
    every = [new(f"{k.lower()}.{'x' * (15 if k == 'BOOL' else 1)}", k, [2, 1], "EXACT") for k in plain.TYPES]
    c.update("model.syntax-types-all", "New tensors of every type", [update({}, *every),
             values(*([0, 1] for _ in every))], base="one", area=AREA)  # fmt: skip
    steps = [new(f"s{d}{m}", "FLOAT64", [1], "QUANTIZED", step=[d, m]) for d, m in itertools.product((0, 7, 15), (
             "ONE", "TWO", "FIVE"))]  # fmt: skip
    own = {f"t{i:02}": {"mode": "QUANTIZED", "step": s["step"]} for i, s in enumerate(steps)}
    for digits, m in ((0, "ONE"), (8, "TWO"), (15, "FIVE")):
        c.update(f"model.syntax-steps-{digits}", "Steps of the update and of every tensor",
                 [update(own, *steps, step=[digits, m]), values(*([3] * 8 for _ in own), *([7] for _ in steps))],
                 base="many", area=AREA)  # fmt: skip
    c.update("model.syntax-source-every", "Every tensor of the base as a source, and copies of every one",
             [update({f"t{i:02}": "REMOVED" for i in range(12)}, *(new(f"u{i:02}", "FLOAT32", [2, 4], "UNCHANGED",
              source=11 - i) for i in range(12)), *(new(f"v{i:02}", "FLOAT32", [2, 4], "COPY", copy=12 + 2 * i) for i in
              range(12)))], base="many", area=AREA)  # fmt: skip


def _data(c: Catalog) -> None:
    two = update({"v": "QUANTIZED"})
    kept = {"values": DATA, "predictor": 1}
    bounds: list[tuple[str, dict[str, Any], str]] = [
        ("predictor_count", {"predictor_count": 256}, "above"),
        ("predictor_taps_minus2", {"predictor_taps_minus2": [63]}, "above"),
        ("predictor_coefficient", {"predictor_coefficient": [[[1024]]]}, "above"),
        ("predictor_coefficient", {"predictor_coefficient": [[[-1024]]]}, "below"),
        ("predictor", {"predictor": [2]}, "above"),
        ("table_offset", {"table_offset": [4096]}, "above"),
        ("lanes_log2", {"lanes_log2": 13}, "above"),
        ("frequency_precision", {"frequency_precision": 14}, "above"),
        ("table_count_minus1", {"table_count_minus1": 4096}, "above"),
        ("symbol_end", {"symbol_end": [505]}, "above"),
        ("symbol_end", {"symbol_end": [0]}, "below"),
        ("first_symbol", {"symbol_end": [9], "first_symbol": [9]}, "above"),
        ("rest_symbol", {"symbol_end": [9], "first_symbol": [4], "rest_symbol": [5]}, "above"),
        ("frequency_class", {"frequency_class": [[15] * 90]}, "above"),
    ]
    for name, change, what in bounds:
        _bad(c, f"{dots(name)}-{what}", f"{name} is {what} its bounds", f"model_data.{name}",
             [HEAD, values(kept, predictors=[[[3]]], set=change)])  # fmt: skip
    labels: list[tuple[str, dict[str, Any], str]] = [
        ("group_first_axis", {"group_first_axis": [[0, 0]]}, "below"),
        ("group_last_axis", {"group_first_axis": [[1, 1]], "group_last_axis": [[0, 1]]}, "below"),
        ("label_lanes_log2", {"label_lanes_log2": 13}, "above"),
    ]
    for name, change, what in labels:
        _bad(c, f"{dots(name)}-{what}", f"{name} is {what} its bounds", f"model_data.{name}",
             [two, values(LABELLED, set=change)], base="tap")  # fmt: skip
    _bad(c, "group.axes-max", "A group of axis 15", "model.label-axes", [two, values(LABELLED, set={
         "group_first_axis": [[0, 15]], "group_last_axis": [[0, 15]]})], base="tap")  # fmt: skip
    _bad(c, "group.last.axis-max", "A group up to axis 15", "model.label-axes",
         [two, values(LABELLED, set={"group_last_axis": [[0, 15]]})], base="tap")  # fmt: skip
    for name, violates in (("first_coded_tensor", "model.coded-order"), ("word_count", "model.payload-length"),
                           ("coded_tensor_count_minus1", "model.coded-order")):  # fmt: skip
        coder: dict[str, Any] = {"coder": "XZ"} if name == "coded_tensor_count_minus1" else {}
        tensor = [1, 2, 3, 4] if coder else DATA
        _bad(c, f"{dots(name)}-max", f"{name} is 2^32 - 2", violates, [HEAD, values(tensor, set={name: HUGE}, **coder)])
    _bad(c, "coded.tensor.count-rans", "More tensors than the unit has bits for", "model.coded-order",
         [HEAD, values(DATA, set={"coded_tensor_count_minus1": HUGE})])  # fmt: skip
    _bad(c, "coded.tensor.count-bits", "Coded tensors that the unit has no bits for", "unit.complete-element",
         [HEAD, values(DATA, set={"coded_tensor_count_minus1": 3000})], "malformed")  # fmt: skip
    _bad(c, "label.word.count-max", "label_word_count is 2^32 - 2", "model.payload-length",
         [two, values(LABELLED, set={"label_word_count": HUGE})], base="tap")  # fmt: skip
    first: list[tuple[str, Any]] = [
        ("first_coded_tensor", OVERLONG), ("coded_tensor_count_minus1", OVERLONG), ("predictor_count", OVERLONG),
        ("predictor_taps_minus2", [OVERLONG]), ("predictor_coefficient", [[[OVERLONG]]]), ("predictor", [OVERLONG]),
        ("table_offset", [OVERLONG]), ("table_count_minus1", OVERLONG), ("symbol_end", [OVERLONG]),
        ("first_symbol", [OVERLONG]), ("rest_symbol", [OVERLONG]), ("word_count", OVERLONG),
    ]  # fmt: skip
    for name, change in first:
        _bad(c, f"{dots(name)}-overlong", f"{name} is a code of more than 63 bits", "descriptor.ue-prefix",
             [HEAD, values(kept, predictors=[[[3]]], set={name: change})], "malformed")  # fmt: skip
    _bad(c, "label.word.count-overlong", "label_word_count is a code of more than 63 bits", "descriptor.ue-prefix",
         [two, values(LABELLED, set={"label_word_count": OVERLONG})], "malformed", "tap")  # fmt: skip
    _bad(c, "byte.alignment-ones.data", "Ones fill the byte before the payload", "descriptor.alignment-zero",
         [HEAD, values([1, 2, 3, 4], set={"byte_alignment": "ones"}, coder="XZ")], "malformed")  # fmt: skip
    for count in (1, 2, 3, 4):
        tensors = [new(f"q{i}", "FLOAT32", [1], "QUANTIZED") for i in range(count)]
        c.update(f"model.syntax-payload-after{count}", "Elements of a unit that end at or within a byte",
                 [update({}, *tensors), values(*([i] for i in range(count)), coder="XZ")], base="one",
                 area=AREA)  # fmt: skip


def _reserved(c: Catalog) -> None:
    """Reserved values from a later minor version on: not decoded."""
    step = {"tensor_mode": [4], "tensor_step_flag": [1], "tensor_step_multiplier": [3]}
    mine = {"new_tensor_mode": [4, 0], "new_step_flag": [1, 0], "new_step_multiplier": [3, 0]}
    headers: dict[str, dict[str, Any]] = {
        "step_multiplier": {"step_multiplier": 3}, "tensor_mode": {"tensor_mode": [7]}, "tensor_step_multiplier": step,
        "new_element_type": {"new_element_type": [15, 4]}, "new_tensor_mode": {"new_tensor_mode": [7, 0]},
        "new_step_multiplier": mine,
    }  # fmt: skip
    for name, change in headers.items():
        _bad(c, f"{dots(name)}-later", f"{name} is reserved, in a later minor version", f"model_header.{name}",
             [update({}, *NEW, set=change), values([1])], "unsupported", minor=1)  # fmt: skip
    for kind, minor in (("malformed", 0), ("unsupported", 1)):
        _bad(c, f"model.coder-{'later' if minor else 'reserved'}", "model_coder is reserved", "model_data.model_coder",
             [HEAD, values(DATA, set={"model_coder": 2 + minor})], kind, minor=minor)  # fmt: skip


# --- bodies that end within an element ---


def _parts(units: list[Unit], base: str) -> tuple[list[Body], list[Unit]]:
    """The bodies of units, as they would be written."""
    found: list[Body] = []

    class Watching(UpdateAssembler):
        def body(self, structure: Any, values: Any, unit: Unit, active: Any = None) -> bytes:
            found.append(Writing(structure, values | unit.get("set", {}), active).body)
            return super().body(structure, values, unit, active)

    watching = Watching("truncation", 0, Store(VECTORS / "payloads"), BASES[base](), True)
    watching.build({"profile": "MODEL", "units": units})
    return found, units


def _header_forms() -> Iterator[tuple[list[Unit], str]]:
    for text, digits, base in itertools.product(("", "v"), (4, 9), ("one", "two", "many")):
        names = sorted(BASES[base]())
        for shift in range(8):
            entries = {n: {"mode": "QUANTIZED", "step": [5, "TWO"]} for n in names[shift : 1 + shift] if n != "b"}
            entries |= {n: {"mode": "COPY", "copy": 8} for n in names[9:]}
            added = [new("x", "FLOAT32", [3] * shift, "QUANTIZED", step=[3, "TWO"]), new("y", "FLOAT32", [200, 7],
                     "EXACT_DIFFERENCE", source=len(names) - 1), new("z", "FLOAT32", [3] * shift, "COPY",
                     copy=len(names))]  # fmt: skip
            yield [update(entries, *added, network_id=text, model_version=text, base_version=text,
                          step=[digits, "TWO"])], base  # fmt: skip
    yield [update({}, set={"base_tensor_count": 200})], "one"


def _data_forms() -> Iterator[tuple[list[Unit], str]]:
    for count, offset, groups, taps in itertools.product((1, 2, 3, 4), (0, 1, 3), (1, 2), (1, 2, 3)):
        tensor = LABELLED | {"offset": offset, "predictor": 1, "residuals": 1}
        tensor |= {"groups": LABELLED["groups"][:groups], "labels": LABELLED["labels"][:groups]}  # type: ignore[index]
        unit = values(*[tensor] * count, predictors=[[[7] * (p + 1) for p in range(taps)]] * taps, lanes=1,
                      precision=7)  # fmt: skip
        yield [update({}), unit], "tap"
    for count in (1, 2, 3, 4, 8, 17):
        yield [update({}), values(*[[1]] * count, coder="XZ", word_bytes_log2=1)], "one"


def _truncations(c: Catalog) -> None:
    for structure, forms in ((MODEL_HEADER, list(_header_forms())), (MODEL_DATA, list(_data_forms()))):
        bodies = [(_parts(units, base)[0][-1], units, base) for units, base in forms]
        for element in structure.elements():
            found = next(_cuts(element.name, structure, bodies), None)
            if found is None:
                continue  # conformance/waivers.json says why
            label, units, base = found
            whole = [*units[:-1], units[-1] | {"cut": label}]
            title = f"The body of {structure.name} ends within {element.name}"
            name = f"truncated-{dots(structure.name)}.{dots(element.name)}"
            _bad(c, name, title, "unit.complete-element", whole, "malformed", base)


def _cuts(element: str, structure: Structure, bodies: list[Form]) -> Iterator[tuple[str, list[Unit], str]]:
    """Places where a body can end, so that a reader misses that very element."""
    for body, units, base in bodies:
        for label, place in body.places.items():
            if label.split("[")[0] == element and _can_cut(place) and _missed(structure, body.cut(label)) == element:
                yield label, units, base


def _missed(structure: Structure, data: bytes) -> str | None:
    """The element at which a body ends too early: not a list, whose length alone may show that bits are missing."""
    try:
        read_structure(structure, BitReader(data))
    except DfcError as error:
        return error.element if error.requirement == "unit.complete-element" else None
    return None
