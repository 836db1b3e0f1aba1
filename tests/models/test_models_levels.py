"""10.6.7: levels, planes and quantizers; 10.3.4: sources of another shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from level_streams import DEPENDENT, EVEN, EXTENDED, PLAIN, Coded, level_unit, parity_symbol_of, quantizers, values_of
from model_streams import Unit, data, full_header, header, new_tensor, same, stream, symbol_of

import refsw
from refsw.entropy.rawbits import RawReader
from refsw.errors import DfcError
from refsw.models.levels import EXACT, LAST_OF_LEVELS, Planes, to_level_symbols, to_residuals
from refsw.models.quantizers import SECOND, parity
from refsw.models.state import type_of
from refsw.models.symbols import pack_raw
from refsw.syntax.codes import ElementType, Profile, TensorMode, ValueQuantizer
from refsw.syntax.structure import Edition

LEVELS = st.one_of(st.integers(-20, 20), st.integers(-5000, 5000), st.sampled_from([2**30, -(2**30) + 1]))


@st.composite
def tensors(draw: st.DrawFn) -> list[Coded]:
    """Tensors of levels: quantized and exact ones, with and without predictors, empty ones too."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        taps = draw(st.integers(1, 4))
        rows = [draw(st.lists(st.integers(-90, 90), min_size=p, max_size=p)) for p in range(1, taps)]
        runs = draw(st.integers(0, 12))
        levels = draw(st.lists(LEVELS, min_size=taps * runs, max_size=taps * runs))
        found.append(Coded(levels, rows, exact=draw(st.booleans())))
    return found


def model_of_values(coded: list[Coded], values: list[list[int]], grid: int) -> tuple[dict[str, Any], list[Any]]:
    """The tensors that result, and the entries of a full model."""
    model, new = {}, []
    for t, (tensor, own) in enumerate(zip(coded, values, strict=True)):
        name = f"t{t}"
        if tensor.exact:
            model[name] = np.array(own, np.int64)
            new.append(new_tensor(name, (len(own),), TensorMode.EXACT, new_element_type=ElementType.INT64))
        else:
            model[name] = np.array([float(v * grid) / 1024 for v in own], np.float64)
            new.append(new_tensor(name, (len(own),), TensorMode.QUANTIZED, new_element_type=ElementType.FLOAT64))
    return model, new


@settings(max_examples=60, deadline=None)
@given(tensors(), st.sampled_from([EVEN, DEPENDENT]), st.integers(1, 2047), st.sampled_from([0, 1, 3, 5]),
       st.booleans())  # fmt: skip
def test_levels_become_the_values_that_the_clause_says(
    coded: list[Coded], quantizer: ValueQuantizer, grid: int, lanes_log2: int, second: bool
) -> None:
    values = values_of(coded, quantizer, 1 << lanes_log2)
    model, new = model_of_values(coded, values, grid)
    unit = level_unit(coded, quantizer, grid=grid, lanes_log2=lanes_log2, second=second)
    found = refsw.apply_update(None, stream(header(None, (), new, model), unit, profile=EXTENDED))
    assert same(found, model)


@given(st.integers(-(2**61) + 1, 2**61 - 1))
def test_a_level_has_the_symbol_whose_parity_is_its_own(level: int) -> None:
    for quantizer, symbol in ((EVEN, symbol_of), (DEPENDENT, parity_symbol_of)):
        symbols, numbers = to_level_symbols(np.array([level]), quantizer)
        number, raw = symbol(level)
        assert symbols.tolist() == [number]
        assert number <= LAST_OF_LEVELS
        packed = pack_raw(symbols, numbers)
        assert packed == int(raw.ljust(-(-len(raw) // 8) * 8, "0") or "0", 2).to_bytes(-(-len(raw) // 8), "big")
        for more, wanted in ((EXACT, level), (0, 2 * level), (SECOND, 2 * level - (level > 0) + (level < 0))):
            if more != SECOND or quantizer == DEPENDENT:
                assert to_residuals(symbols + np.uint16(more), RawReader(packed), quantizer).tolist() == [wanted]
    assert parity(symbols).tolist() == [level % 2]


def test_quantizers_are_those_of_the_eight_states() -> None:
    table = [(0, 2), (7, 5), (1, 3), (6, 4), (2, 0), (5, 7), (3, 1), (4, 6)]
    rng = np.random.default_rng(1)
    levels = rng.integers(-9, 9, 500).tolist()
    state, wanted = 0, []
    for level in levels:
        wanted.append(state % 2)
        state = table[state][level % 2]
    assert quantizers([Coded(levels)], DEPENDENT, 1) == wanted


def test_planes_take_every_tensor_apart_by_its_own_taps() -> None:
    planes = Planes([6, 0, 3], [3, 2, 1])
    order = planes.gather([np.arange(6), np.arange(0), np.arange(10, 13)])
    assert order.tolist() == [0, 3, 10, 11, 12, 1, 4, 2, 5]
    assert [part.tolist() for part in planes.scatter(order)] == [[0, 1, 2, 3, 4, 5], [], [10, 11, 12]]


X = [Coded([3, -1, 0, 7, -900, 5])]


@pytest.mark.parametrize(
    ("requirement", "count", "make"),
    [
        ("model.level-range", 1, lambda: level_unit([Coded([2**61])], EVEN)),
        ("model.level-range", 1, lambda: level_unit([Coded([-(2**61)])], DEPENDENT)),
        ("model.value-range", 1, lambda: level_unit([Coded([2**60])], DEPENDENT, grid=1023)),
        ("model.prediction-range", 2, lambda: level_unit([Coded([2**39, 0], [[0]])], EVEN)),
        ("model.rest-frequency", 6,
         lambda: level_unit(X, DEPENDENT, second_frequency_class=[[0, 14] + [14] * 50], second_symbol_end=[52],
                            second_frequency_bits=[[0] * 52])),
        ("model_levels.value_quantizer", 6, lambda: reserved(level_unit(X, EVEN))),
    ],
)  # fmt: skip
def test_a_unit_of_levels_that_breaks_a_requirement(requirement: str, count: int, make: Any) -> None:
    head = full_header({"x": np.zeros(count)}, TensorMode.QUANTIZED)
    with pytest.raises(DfcError) as caught:
        refsw.apply_update(None, stream(head, make(), profile=EXTENDED))
    assert caught.value.requirement == requirement, caught.value


def reserved(unit: Unit) -> Unit:
    """The unit with value_quantizer 3."""
    kind, body = unit
    return kind, bytes([body[0] | 0b1100, *body[1:]])


PARTS = [((2, 3), (4, 3)), ((4, 3), (2, 5)), ((3, 2, 2), (1, 4, 2)), ((0, 3), (2, 3)), ((5,), (3,))]


@pytest.mark.parametrize(("old", "new"), PARTS)
@pytest.mark.parametrize("exact", [False, True])
def test_a_source_of_another_shape_gives_what_has_the_same_indices(
    old: tuple[int, ...], new: tuple[int, ...], exact: bool
) -> None:
    rng = np.random.default_rng(len(old))
    base = {"x": rng.integers(-99, 99, old).astype(np.int32 if exact else np.float32)}
    values = rng.integers(-9, 9, new)
    wanted = np.zeros(new, base["x"].dtype)
    for place in np.ndindex(*new):
        inside = all(i < n for i, n in zip(place, old, strict=True))
        wanted[place] = values[place] + (base["x"][place] if inside else 0)
    unit = data([values.reshape(-1).tolist()], edition=Edition.of(EXTENDED), value_quantizer=PLAIN)
    update = stream(reshaped(base, new, {"x": wanted}), unit, profile=EXTENDED)
    assert same(refsw.apply_update(base, update), {"x": wanted})


def reshaped(base: dict[str, Any], shape: tuple[int, ...], result: dict[str, Any] | None = None) -> Unit:
    """The header of an update that gives x another shape."""
    kind = type_of("x", base["x"]).element_type
    mode = TensorMode.QUANTIZED_DIFFERENCE if base["x"].dtype.kind == "f" else TensorMode.EXACT_DIFFERENCE
    new = new_tensor("x", shape, mode, source_flag=1, source_entry=0, new_element_type=kind)
    return header(base, [TensorMode.REMOVED], [new], result)


@pytest.mark.parametrize(
    ("profile", "shape", "requirement"),
    [(EXTENDED, (7,), "model.source-shape"), (EXTENDED, (1, 2, 4), "model.source-shape"),
     (Profile.MODEL, (2, 4), "model.source-format")],
)  # fmt: skip
def test_a_source_of_another_shape_that_does_not_fit(
    profile: Profile, shape: tuple[int, ...], requirement: str
) -> None:
    base = {"x": np.zeros((2, 3), np.float32)}
    with pytest.raises(DfcError) as caught:
        refsw.apply_update(base, stream(reshaped(base, shape), profile=profile))
    assert caught.value.requirement == requirement
