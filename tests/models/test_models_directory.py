"""10.3: the directory of a model update, and what each of its requirements rejects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from model_streams import Unit, data, full_header, header, new_tensor, same, stream

import refsw
from refsw.errors import DfcError, ErrorClass, LimitError, ModelStateError, SemanticError
from refsw.models.directory import is_path
from refsw.syntax.codes import ElementType, TensorMode
from refsw.syntax.units import pack_unit

UNCHANGED, REMOVED, COPY = TensorMode.UNCHANGED, TensorMode.REMOVED, TensorMode.COPY
QUANTIZED_DIFFERENCE, QUANTIZED = TensorMode.QUANTIZED_DIFFERENCE, TensorMode.QUANTIZED
EXACT_DIFFERENCE, EXACT = TensorMode.EXACT_DIFFERENCE, TensorMode.EXACT

BASE: dict[str, Any] = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.arange(6, dtype=np.int32),
    "c": np.arange(6, dtype=np.float16).reshape(3, 2),
}
KEEP = (UNCHANGED, UNCHANGED, UNCHANGED)
Make = Callable[[], list[Unit]]


def sourced(name: str, mode: int, source: int, kind: ElementType, shape: tuple[int, ...] = (6,)) -> dict[str, Any]:
    return new_tensor(name, shape, mode, source_flag=1, source_entry=source, new_element_type=kind)


def adding(*new: dict[str, Any], modes: tuple[int, ...] | None = None) -> Make:
    """New tensors; the tensors of the base stay, but for those that are sources."""
    sources = {tensor["source_entry"] for tensor in new if tensor["source_flag"]}
    kept = tuple(REMOVED if i in sources else UNCHANGED for i in range(len(BASE)))
    return lambda: [header(BASE, kept if modes is None else modes, new)]


def changing(*modes: int, copies: dict[int, int] | None = None) -> Make:
    return lambda: [header(BASE, modes, copies=copies)]


def texts(**changes: Any) -> Make:
    return lambda: [header(BASE, KEEP, **changes)]


VIOLATIONS: list[tuple[str, str, Make]] = [
    ("model.utf8", "network", texts(network_id=b"\xff")),
    ("model.utf8", "version", texts(model_version=b"v\xc3")),
    ("model.utf8", "base version", texts(base_version=b"\xed\xa0\x80")),
    ("model.utf8", "name", adding(new_tensor(b"x\x80", (), EXACT))),
    ("model.name-characters", "network", texts(network_id=b"a\nb")),
    ("model.name-characters", "version", texts(model_version=b"\x7f")),
    ("model.name-characters", "base version", texts(base_version=b"\x1f")),
    ("model.name-characters", "name", adding(new_tensor(b"x\x00", (), EXACT))),
    *(("model.name-path", name, adding(new_tensor(name, (), EXACT)))
      for name in ("/x", "\\x", "../x", "x/../y", "x\\..\\y", "x/..", "C:/x", "c:\\x", "..", "x:y:/z", "/")),
    ("model.name-unique", "new ones", adding(*[new_tensor("x", (0,), EXACT)] * 2)),
    ("model.name-unique", "new and kept", adding(new_tensor("b", (0,), EXACT))),
    ("model.source-once", "kept and new", adding(sourced("x", UNCHANGED, 1, ElementType.INT32), modes=KEEP)),
    ("model.source-once", "changed and new", adding(sourced("x", EXACT_DIFFERENCE, 1, ElementType.INT32),
                                                    modes=(UNCHANGED, EXACT_DIFFERENCE, UNCHANGED))),
    ("model.source-once", "two new ones", adding(*(sourced(n, UNCHANGED, 1, ElementType.INT32) for n in "xy"))),
    ("model.new-shape", "elements", adding(new_tensor("x", (2**20, 2**20, 2), EXACT))),
    ("model.new-shape", "none", adding(new_tensor("x", (2**32 - 2, 0, 2**9), EXACT))),
    ("model.base-tensors", "fewer", lambda: [header(BASE, KEEP[:2])]),
    ("model.base-tensors", "more", lambda: [header(BASE, (*KEEP, REMOVED))]),
    ("model.new-mode", "", adding(new_tensor("x", (), REMOVED))),
    ("model.new-mode", "with a source", adding(sourced("x", REMOVED, 0, ElementType.FLOAT32))),
    *(("model.source", f"none with {mode.name}", adding(new_tensor("x", (6,), mode)))
      for mode in (UNCHANGED, QUANTIZED_DIFFERENCE, EXACT_DIFFERENCE)),
    *(("model.source", f"one with {mode.name}", adding(sourced("x", mode, 0, ElementType.FLOAT32)))
      for mode in (COPY, QUANTIZED, EXACT)),
    ("model.source-format", "elements", adding(sourced("x", UNCHANGED, 0, ElementType.FLOAT32, (5,)))),
    ("model.source-format", "fewer", adding(sourced("x", QUANTIZED_DIFFERENCE, 0, ElementType.FLOAT16, (2, 2)))),
    ("model.source-format", "more", adding(sourced("x", EXACT_DIFFERENCE, 1, ElementType.INT32, (7,)))),
    ("model.source-format", "type", adding(sourced("x", UNCHANGED, 0, ElementType.INT32))),
    ("model.source-format", "size", adding(sourced("x", EXACT_DIFFERENCE, 2, ElementType.FLOAT32))),
    ("model.quantized-type", "base", changing(UNCHANGED, QUANTIZED, UNCHANGED)),
    ("model.quantized-type", "difference", changing(UNCHANGED, QUANTIZED_DIFFERENCE, UNCHANGED)),
    ("model.quantized-type", "new", adding(new_tensor("x", (2,), QUANTIZED, new_element_type=ElementType.BOOL))),
    ("model.quantized-type", "source", adding(sourced("x", QUANTIZED_DIFFERENCE, 1, ElementType.FLOAT32))),
    ("model.copy", "type", changing(UNCHANGED, COPY, UNCHANGED, copies={1: 0})),
    ("model.copy", "shape", adding(new_tensor("x", (6,), COPY, new_copy_entry=0))),
    ("model.copy", "removed", adding(new_tensor("x", (2, 3), COPY, new_copy_entry=0),
                                     modes=(REMOVED, UNCHANGED, UNCHANGED))),
    ("model.complete", "at the end", changing(UNCHANGED, EXACT, UNCHANGED)),
    ("model.complete", "before the next", lambda: [header(BASE, (UNCHANGED, EXACT, EXACT)), data([range(6)]),
                                                   header(BASE, KEEP)]),
    ("model.coded-order", "first", lambda: [header(BASE, (EXACT, EXACT, UNCHANGED)), data([range(6)], first=1)]),
    ("model.coded-order", "again", lambda: [header(BASE, (EXACT, EXACT, UNCHANGED)), *[data([range(6)])] * 2]),
    ("model.coded-order", "too many", lambda: [header(BASE, (EXACT, UNCHANGED, EXACT)), data([range(6)] * 3)]),
    ("model.coded-order", "none", lambda: [header(BASE, KEEP), data([range(6)])]),
]  # fmt: skip
CLASSES = {"model.base-tensors": ErrorClass.BASE_MODEL_MISMATCH, "model.complete": ErrorClass.LENGTH_MISMATCH}
CLASSES |= dict.fromkeys(
    ("model.utf8", "model.name-characters", "model.name-path", "model.coded-order", "model.new-shape"),
    ErrorClass.OUT_OF_RANGE,
)


@pytest.mark.parametrize(("requirement", "what", "make"), VIOLATIONS, ids=[f"{r}, {w}" for r, w, _ in VIOLATIONS])
def test_what_a_requirement_does_not_allow_is_rejected_by_its_name(requirement: str, what: str, make: Make) -> None:
    units = make()
    with pytest.raises(DfcError) as caught:
        refsw.apply_update(BASE, stream(*units))
    error = caught.value
    assert error.requirement == requirement, what
    assert error.error_class is CLASSES.get(requirement, ErrorClass.LAYOUT_MISMATCH)
    assert isinstance(error, ModelStateError if requirement == "model.base-tensors" else SemanticError)
    # Within the unit that breaks it: the first one, a later one, or the end.
    starts = [12]
    for kind, body in units:
        starts.append(starts[-1] + len(pack_unit(kind, body)))
    assert error.bit_offset is not None
    assert 8 * 12 < error.bit_offset < 8 * (starts[-1] + 12)


@pytest.mark.parametrize(
    ("name", "path"),
    [("x", False), ("..", True), ("a..b/c", False), ("a:b", False), ("C:", False), ("a/b:", False), ("a//b", False),
     ("", False), ("a/.", False), ("...", False), (".../x", False), ("a/..b", False), ("/", True), ("\\", True),
     ("a\\../b", True), ("a:/b", True), ("../", True)],
)  # fmt: skip
def test_what_is_a_path(name: str, path: bool) -> None:
    assert is_path(name) is path
    # The empty base has a result of one empty tensor.
    tensors = {name: np.empty(0, np.float32)}
    update = stream(full_header(tensors), data([[]]))
    if path:
        with pytest.raises(SemanticError) as caught:
            refsw.apply_update(None, update)
        assert caught.value.requirement == "model.name-path"
    else:
        assert same(refsw.apply_update(None, update), tensors)


def test_a_name_is_free_again_once_its_tensor_is_removed() -> None:
    result = {"a": BASE["a"], "b": np.array([7.0, 8.0], np.float32), "c": BASE["c"]}
    new = new_tensor("b", (2,), QUANTIZED)
    update = stream(header(BASE, (UNCHANGED, REMOVED, UNCHANGED), [new], result), data([[7, 8]]))
    assert same(refsw.apply_update(BASE, update), result)


def test_every_mode_gives_what_the_clause_says() -> None:
    base = BASE | {"d": BASE["a"] + 1, "e": np.array([1, 2], np.uint8), "f": np.array([True, False])}
    base |= {"p": BASE["a"] - 9, "q": BASE["b"] * 3}
    result = {
        "a": BASE["a"],
        "b": BASE["b"] + np.array([1, -1, 0, 2**30, 5, -7], np.int32),
        "c": np.array([5, 0, -1, 2, 3, 4], np.float16).reshape(3, 2) * np.float16(2),
        "d": BASE["a"],
        "f": np.array([False, True]),
        "g": base["p"].reshape(3, 2),
        "h": BASE["c"].astype(np.float64).reshape(-1) + 0.3,
        "i": np.array(-3.5, np.float32),
        "j": np.array([250, 3], np.uint8),
        "k": np.array([250, 3], np.uint8),
        "l": np.array([1, 2, 300, 4, 5, 6], np.int32).view(np.uint32).view(np.float32),
    }
    minus = np.array(-3.5, np.float32).view(np.int32)
    new = [
        sourced("g", UNCHANGED, 6, ElementType.FLOAT32, (3, 2)),
        sourced("h", QUANTIZED_DIFFERENCE, 2, ElementType.FLOAT64),
        new_tensor("i", (), EXACT),
        sourced("j", EXACT_DIFFERENCE, 4, ElementType.UINT8, (2,)),
        new_tensor("k", (2,), COPY, new_copy_entry=11, new_element_type=ElementType.UINT8),
        sourced("l", EXACT_DIFFERENCE, 7, ElementType.FLOAT32),
    ]
    new[1] |= {"new_step_flag": 1, "new_step_digits": 1}
    modes = (UNCHANGED, EXACT_DIFFERENCE, QUANTIZED, COPY, REMOVED, EXACT, REMOVED, REMOVED)
    words = np.array([1, 2, 300, 4, 5, 6]) - base["q"]
    units = [
        header(base, modes, new, result, {3: 0}, step_multiplier=1),
        data([[1, -1, 0, 2**30, 5, -7], [5, 0, -1, 2, 3, 4]], lanes_log2=3),
        data([[0, 1], [3] * 6, [int(minus)]], first=2),
        data([[-7, 1], words.tolist()], first=5, lanes_log2=1),
    ]
    assert same(refsw.apply_update(base, stream(*units)), result)


def test_more_tensors_than_the_level_allows() -> None:
    new = [new_tensor(str(i), (0,), EXACT) for i in range(4097)]
    with pytest.raises(LimitError) as caught:
        refsw.apply_update(None, stream(header(None, (), new)))
    assert caught.value.requirement == "level.model-tensors"
    tensors = {str(i): np.empty(0, np.float32) for i in range(4096)}
    update = stream(full_header(tensors), data([[]] * 4096))
    assert same(refsw.apply_update(None, update), tensors)
