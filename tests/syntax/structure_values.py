"""Values for a structure, from its declaration alone; and structures in which one value is not allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from refsw.syntax.bits import BitReader, BitWriter
from refsw.syntax.codes import LayerKind, Profile, Quantizer, RangeScope, TensorMode, ValueQuantizer
from refsw.syntax.declaration import (
    FUNCTIONS,
    Activate,
    Derive,
    Element,
    Include,
    Node,
    Repeat,
    Rest,
    Structure,
    Values,
    When,
    evaluate,
)
from refsw.syntax.layer_structures import LAYER
from refsw.syntax.structure import Edition, TraceRow, read_structure, write_structure
from refsw.syntax.structures import (
    FEATURE_EXTENSION,
    FEATURE_PARAMETER_SET,
    MODEL_DATA,
    MODEL_LEVELS,
    NATIVE_PARAMETERS,
    SECOND_TABLES,
    TRANSFORM_EXTENSION,
)

BASE = 8 * 77
LATEST = Edition.of(Profile.MODEL_EXTENDED)  # the one with the most: its profile has what conditions ask for
INNER = (FEATURE_EXTENSION, LAYER, TRANSFORM_EXTENSION, MODEL_LEVELS, SECOND_TABLES, NATIVE_PARAMETERS)
REST = b"the rest"
# Random values make loops and byte strings of any length; within these the tests stay quick.
SMALL = {"axis_extent_minus1": 12, "codec_configuration_length": 9, "sample_count_minus1": 6, "text_length": 9}
SMALL |= {"network_id_length": 5, "layer_id_length": 5, "entry_count_minus1": 4, "key_length": 5, "tensor_count": 5}
SMALL |= {"purpose_length": 5}
SMALL |= {"model_version_length": 4, "base_version_length": 4, "base_tensor_count": 4, "new_tensor_count": 4}
SMALL |= {"name_length": 5, "new_axis_count": 4, "coded_tensor_count_minus1": 3, "predictor_count": 3}
SMALL |= {"predictor_taps_minus2": 3, "label_group_count": 4, "table_count_minus1": 3, "symbol_end": 6}
SMALL |= {"size": 9, "set_size": 9, "set_count": 4}
SMALL |= {"second_symbol_end": 6}
SMALL |= {"native_channel_count_minus1": 2, "reference_count": 2, "point_bin_count": 2, "table_count": 2}
SMALL |= {"token_count_minus1": 2, "class_code_count": 4}
SMALL |= {"component_count": 6, "transform_length": 9, "basis_channels_minus1": 4, "basis_prefix_rows": 3}
# How far above its lowest value an element may be, so that 4 groups fit into 16 axes.
ROOM = {"group_first_axis": 1, "group_last_axis": 2}
Choose = Callable[[Element, Values], Any]


class Generator:
    """Values for a structure: `choose` finds one for every element present."""

    def __init__(self, structure: Structure, choose: Choose, active: Values) -> None:
        self.scope: Values = dict(FUNCTIONS) | structure.constants | {"profile_idc": LATEST.profile_idc} | active
        self.active = active
        self.values: Values = {}
        self.indices: list[int] = []
        self.choose = choose
        self.walk(structure.nodes)

    def walk(self, nodes: tuple[Node, ...]) -> None:
        for node in nodes:
            if isinstance(node, Element):
                self.put(node.name, self.choose(node, self.scope))
            elif isinstance(node, When):
                if evaluate(node.condition, self.scope):
                    self.walk(node.body)
                else:
                    self.infer(node.body)
            elif isinstance(node, Repeat):
                self.repeat(node)
            elif isinstance(node, Derive):
                self.scope[node.name] = self.values[node.name] = evaluate(node.expression, self.scope)
            elif isinstance(node, Include):
                self.walk(node.structure.nodes)
            elif isinstance(node, Rest):
                self.put(node.name, REST)

    def repeat(self, node: Repeat) -> None:
        self.open(node)
        for i in range(evaluate(node.count, self.scope)):
            self.scope[node.index] = i
            self.indices.append(i)
            self.walk(node.body)
            self.indices.pop()
        self.scope.pop(node.index, None)

    def open(self, node: Repeat) -> None:
        """A list for every element that repeats; within another Repeat, one more entry that is a list."""
        for name in names(node.body):
            if self.indices:
                self.entries(name).append([])
            else:
                self.scope[name] = self.values[name] = []

    def infer(self, nodes: tuple[Node, ...]) -> None:
        for node in nodes:
            if isinstance(node, Element) and node.inferred is not None:
                self.put(node.name, evaluate(node.inferred, self.scope))
            elif isinstance(node, When):
                self.infer(node.body)
            elif isinstance(node, Repeat):
                self.open(node)

    def entries(self, name: str) -> list[Any]:
        """The list that holds what the innermost Repeat adds for `name`."""
        found: list[Any] = self.values[name]
        for index in self.indices[:-1]:
            found = found[index]
        return found

    def put(self, name: str, value: Any) -> None:
        if self.indices:
            self.entries(name).append(value)
        else:
            self.scope[name] = self.values[name] = value


def names(nodes: tuple[Node, ...]) -> list[str]:
    found = []
    for node in nodes:
        if isinstance(node, Element | Rest):
            found.append(node.name)
        elif isinstance(node, When | Repeat):
            found += names(node.body)
    return found


def bounds(element: Element, scope: Values) -> tuple[int, int]:
    """The lowest and the highest value that the declaration allows."""
    top = 2**32 - 2 if element.kind in ("ue", "se") else (1 << evaluate(element.argument, scope)) - 1
    low = 0 if element.low is None else evaluate(element.low, scope)
    high = top if element.high is None else min(top, evaluate(element.high, scope))
    return low, high


def valid(draw: st.DrawFn) -> Choose:
    def choose(element: Element, scope: Values) -> Any:
        if element.kind == "b":
            size = evaluate(element.argument, scope)
            return draw(st.binary(min_size=size, max_size=size))
        if element.kind == "f":
            value = draw(st.floats(width=32, allow_nan=False, allow_infinity=False))
            return value if value else 0.0
        low, high = bounds(element, scope)
        if element.values is not None:
            members = [int(v) for v in element.values if v <= high]
            if nothing_to_copy(element.name, scope):
                members.remove(TensorMode.COPY)
            return draw(st.sampled_from(members))
        high = min(high, max(low, SMALL.get(element.name, high)), low + ROOM.get(element.name, high - low))
        return draw(st.one_of(st.integers(low, high), st.sampled_from([low, high])))

    return choose


def nothing_to_copy(name: str, scope: Values) -> bool:
    """The first entry of a directory cannot be a copy of one before it."""
    if name == "tensor_mode":
        return bool(scope["i"] == 0)
    return name == "new_tensor_mode" and scope["base_tensor_count"] + scope["i"] == 0


@st.composite
def filled(draw: st.DrawFn, structure: Structure) -> Generator:
    active: Values = {}
    if any(isinstance(node, Activate) for node in structure.nodes):
        active = {"range_scope": draw(st.sampled_from(RangeScope)), "quantizer": draw(st.sampled_from(Quantizer))}
        active |= {"part_count": draw(st.integers(1, 40))}
    return Generator(structure, valid(draw), active)


def write(structure: Structure, made: Generator) -> bytes:
    writer = BitWriter()
    write_structure(structure, writer, made.values, made.active, LATEST)
    return writer.getvalue()


def read(structure: Structure, data: bytes, active: Values | None = None, **options: Any) -> Values:
    options = {"edition": LATEST} | options
    return read_structure(structure, BitReader(data, BASE), activate=lambda *_: active or {}, **options)


# --- structures in which all is in order but one element ---

# What makes an element present at all: three axes T, C, H of 3 channels, a quantizer, a grid, an order of channels;
# two tensors of a base and two new ones, all with a step; two coded tensors, predictors, groups and tables.
FIXED: Values = {
    "model_digest_flag": 1,
    "axis_count_minus1": 2,
    "axis_extent_minus1": 2,
    "quantizer": Quantizer.LOG,
    "range_scope": RangeScope.SEQUENCE,
    "repack_layout": 1,
    "channel_order_flag": 1,
    "parts_flag": 1,
    "carried_flag": 1,
    "fill_flag": 1,
    "channel_transform_flag": 1,
    "component_count": 3,
    "prefix_rows": 1,
    "level_shift_flag": 1,
    "transform_sent_flag": 1,
    "basis_channels_minus1": 1,
    "basis_component_count": 2,
    "basis_prefix_rows": 1,
    "tensor_count": 2,
    "base_flag": 1,
    "base_tensor_count": 2,
    "new_tensor_count": 2,
    "new_axis_count": 1,
    "source_flag": 1,
    "tensor_mode": TensorMode.QUANTIZED_DIFFERENCE,
    "tensor_step_flag": 1,
    "new_tensor_mode": TensorMode.QUANTIZED,
    "new_step_flag": 1,
    "coded_tensor_count_minus1": 1,
    "predictor_count": 2,
    "predictor_taps_minus2": 1,
    "label_group_count": 2,
    "table_count_minus1": 1,
    "symbol_end": 3,
    "set_count": 1,
    "value_quantizer": ValueQuantizer.DEPENDENT,
    "second_symbol_end": 3,
    "native_channel_count_minus1": 1,
    "prior_flag": 1,
    "channel_class_count_minus1": 1,
    "reference_count": 1,
    "reference_weight": 1,
    "weight_flag": 1,
    "point_bin_count": 1,
    "table_count": 1,
    "signed_flag": 1,
    "class_flag": 1,
    "class_code_count": 1,
    "predicted_flag": 1,
    "motion_flag": 1,
    "vector_flag": 1,
}
ROLES = [4, 0, 1]
ACTIVE = {"range_scope": RangeScope.SAMPLE, "quantizer": Quantizer.LOG, "part_count": 3}
FLOAT = b"\x3f\xc0\x00\x00"


@dataclass(frozen=True)
class Place:
    """Where an element is forged: at these indices, with these values of other elements there; everywhere without."""

    at: Values = field(default_factory=dict)
    needs: Values = field(default_factory=dict)


PLACES = {
    "tensor_mode": Place({"i": 1}),
    "copy_entry": Place({"i": 1}, {"tensor_mode": TensorMode.COPY}),
    "new_copy_entry": Place({"i": 1}, {"new_tensor_mode": TensorMode.COPY}),
    "source_flag": Place(needs={"base_tensor_count": 0}),
    "group_first_axis": Place({"t": 1, "g": 1}),
    "group_last_axis": Place({"t": 1, "g": 1}),
    "predictor_coefficient": Place({"i": 1, "p": 1, "j": 0}),
    "predictor": Place({"t": 1}),
    "symbol_end": Place({"t": 0}),
    "frequency_class": Place({"t": 1, "s": 1}),
    "second_frequency_class": Place({"t": 1, "s": 1}),
    "native_channel_count_minus1": Place(
        needs={"prior_flag": 0, "channel_class_count_minus1": 0, "reference_count": 0}
    ),
    "base_parameter_set_id": Place(needs={"layers_flag": 1, "layer_kind": LayerKind.REFINEMENT}),
    "prior_shift": Place(needs={"class_flag": 0}),
    "other_extension_flags": Place(needs={"channel_transform_flag": 0}),
    "component_count": Place(needs={"prefix_rows": 0}),
    "basis_channels_minus1": Place(needs={"basis_prefix_rows": 0}),
    "basis_component_count": Place(needs={"basis_prefix_rows": 0}),
}


@dataclass(frozen=True)
class Forged:
    """A structure with one value that may not be allowed, where that one stands, and what its bounds are there."""

    data: bytes
    offset: int
    indices: tuple[int, ...]
    low: int
    high: int


def loose(node: Node) -> Node:
    """The same node without bounds, and with four free bytes for f(32): a writer of what is not allowed."""
    if isinstance(node, Element):
        return Element(node.name, "b(4)" if node.kind == "f" else node.descriptor, node.doc, inferred=node.inferred)
    if isinstance(node, When):
        return When(node.condition, tuple(map(loose, node.body)))
    if isinstance(node, Repeat):
        return Repeat(node.index, node.count, tuple(map(loose, node.body)))
    if isinstance(node, Include):
        inner = node.structure
        return Include(Structure(inner.name, inner.clause, "", tuple(map(loose, inner.nodes)), inner.constants))
    return node


def host(structure: Structure) -> Structure:
    """The structure of a unit that one is, or stands in."""
    if structure in (FEATURE_EXTENSION, LAYER, TRANSFORM_EXTENSION):
        return FEATURE_PARAMETER_SET
    return MODEL_DATA if structure in (MODEL_LEVELS, SECOND_TABLES) else structure


def forge(structure: Structure, name: str, value: Any, place: Place | None = None) -> Forged:
    """A structure in which all is in order but one element; `value` may be a function of its bounds."""
    usual = Place(needs={"layers_flag": 1}) if structure is LAYER else Place()
    structure = host(structure)
    declared = {e.name: e for s in (structure, *INNER) for e in s.elements()}
    free = Structure(structure.name, structure.clause, "", tuple(map(loose, structure.nodes)), structure.constants)
    chosen = PLACES.get(name, usual) if place is None else place
    found: list[tuple[int, int]] = []

    def choose(element: Element, scope: Values) -> Any:
        element = declared[element.name]
        here = all(scope.get(index, at) == at for index, at in chosen.at.items())
        if element.name == name and here:
            found.append(bounds(element, scope) if element.kind not in "bf" else (0, 0))
            return value(*found[-1]) if callable(value) else value
        if element.name in chosen.needs and here:
            return chosen.needs[element.name]
        if element.name == "axis_role":
            return ROLES[scope["i"]]
        if element.kind == "b":
            return bytes(evaluate(element.argument, scope))
        if element.kind == "f":
            return FLOAT
        if element.values is not None and element.name not in FIXED:
            return int(min(element.values))
        if element.name == "source_flag" and not scope["base_tensor_count"]:
            return 0
        return int(FIXED.get(element.name, bounds(element, scope)[0]))

    data = write(free, Generator(free, choose, ACTIVE))
    rows: list[TraceRow] = []
    read(free, data, ACTIVE, trace=rows.append)
    for row in rows:
        element, *indices = row.element.replace("]", "").split("[")
        if element == name and all(int(i) == at for i, at in zip(indices, chosen.at.values(), strict=False)):
            return Forged(data, row.bit_offset, tuple(map(int, indices)), *found[0])
    raise AssertionError(f"{name} is not in the structure")
