"""Models that are unusual, but models: what can be coded is coded without a warning, the rest is refused by name."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from model_streams import data, full_header, header, new_tensor, same, stream

import refsw
from refsw.errors import DfcError, FeatureError, RefswError, UsageError
from refsw.models.arithmetic import Step
from refsw.syntax.codes import TensorMode


def check(base: dict[str, Any] | None, target: dict[str, Any], step: float, **options: Any) -> None:
    out = refsw.apply_update(base, refsw.diff_models(base, target, **options))
    for name, x in target.items():
        error = np.abs(out[name].astype(np.longdouble) - x.astype(np.longdouble))
        assert (error <= step / 2 + np.abs(x.astype(np.longdouble)) * 1e-15).all()


def test_differences_beyond_binary64() -> None:
    check(None, {"x": np.array([1e300, -2.0])}, 1e-15, digits=15)
    check({"x": np.array([1.7e308, 2.0])}, {"x": np.array([-1.7e308, 3.0])}, 1e-4)


def test_a_tensor_may_resemble_one_that_its_type_cannot_hold() -> None:
    check({"old": np.full(100, 1e30)}, {"new": np.ones(100, np.float16)}, 1e-4)
    check({"old": np.full(100, 1e30, np.float32)}, {"new": np.ones(100, np.int8)}, 1e-4)
    check({"old": np.array([np.nan] * 100)}, {"new": np.ones(100, np.int32)}, 1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_base_may_have_what_a_target_may_not(dtype: Any, value: float) -> None:
    base = {"x": np.array([value, 1.0, 2.0], dtype), "y": np.array([value], dtype)}
    target = {"x": np.array([0.5, 1.0, 2.5], dtype), "y": np.array([4.0], dtype)}
    check(base, target, 1e-4)


def tied(**options: Any) -> float:
    """The error of a tensor that is tied to another one, in a model of coarse steps."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal(1000).astype(np.float32)
    base = {"a": x + np.float32(0.1) * rng.standard_normal(1000).astype(np.float32)}
    base["b"] = base["a"].copy()
    out = refsw.apply_update(base, refsw.diff_models(base, {"a": x, "b": x.copy()}, digits=2, **options))
    assert np.abs(out["a"] - x).max() < 0.0051
    return float(np.abs(out["b"] - x).max())


def test_a_tensor_that_shall_be_exact_is_so_even_if_another_is_tied_to_it() -> None:
    assert tied(exact=["b"]) == 0


def test_a_tensor_has_its_own_step_even_if_another_is_tied_to_it() -> None:
    assert tied(steps={"b": Step(5)}) <= 0.51e-5


def test_a_name_with_brackets_is_a_name_too() -> None:
    x = np.random.default_rng(2).standard_normal(100).astype(np.float32)
    data = refsw.diff_models(None, {"layers[0].w": x}, digits=1, exact=["layers[0].w"])
    assert same(refsw.apply_update(None, data), {"layers[0].w": x})


@pytest.mark.parametrize("period", [2, 5])
def test_a_large_new_tensor_that_repeats_can_be_decoded(period: int) -> None:
    # 10.9.2 bounds how many elements a few bytes may make.
    x = np.tile(np.arange(period, dtype=np.uint8), 9 * 2**20 // period)
    assert same(refsw.apply_update(None, refsw.diff_models(None, {"x": x})), {"x": x})


def test_a_large_constant_new_tensor_can_be_decoded() -> None:
    x = {"x": np.full(9 << 20, 7, np.uint8)}
    update = refsw.diff_models(None, x)
    assert len(update) < 10_000
    assert same(refsw.apply_update(None, update), x)


@pytest.mark.parametrize(
    "options",
    [{"network_id": "a\nb"}, {"versions": ("", "v\x00")}, {"network_id": "\ud800"}, {"network_id": "n" * 256},
     {"versions": ("", "é" * 128)}, {"metadata": {"": "text"}}, {"metadata": {"k" * 256: ""}},
     {"metadata": {"k": "t" * 65536}}, {"metadata": {str(i): "" for i in range(257)}}],
)  # fmt: skip
def test_texts_that_no_stream_can_carry_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises((UsageError, FeatureError)):
        refsw.diff_models(None, {"x": np.ones(3)}, **options)


@pytest.mark.parametrize("name", ["/x", "a/../b", "C:\\x", "a\nb", "\x7f", "\ud800", "n" * 65536])
def test_names_that_no_stream_can_carry_are_refused(name: str) -> None:
    with pytest.raises(FeatureError):
        refsw.diff_models(None, {name: np.ones(3)})


@pytest.mark.parametrize(
    "tensor",
    [
        np.zeros(3, complex),
        np.array(["a"]),
        object(),
        np.zeros(3, "M8[s]"),
        np.zeros(3, np.longdouble),
        [[1], [2, 3]],
    ],
    ids=lambda x: type(x).__name__ + str(getattr(x, "dtype", "")),
)
def test_what_is_no_tensor_is_refused_by_name(tensor: Any) -> None:
    with pytest.raises(FeatureError, match=r"some\.weight"):
        refsw.diff_models(None, {"some.weight": tensor})


def test_a_bool_that_is_neither_0_nor_1_is_refused_or_made_so() -> None:
    odd = np.array([2, 1, 0], np.uint8).view(np.bool_)
    try:
        update = refsw.diff_models(None, {"some.mask": odd})
    except FeatureError as error:
        assert "some.mask" in str(error)
        return
    out = refsw.apply_update(None, update)
    assert out["some.mask"].view(np.uint8).tolist() == [1, 1, 0]


@pytest.mark.parametrize("shape", [(0, *[2**32 - 2] * 3), (2**32 - 2, 2**32 - 2, 0), (*[2**31] * 14, 0)])
def test_an_empty_tensor_of_extents_that_no_array_can_have_is_rejected(shape: tuple[int, ...]) -> None:
    update = stream(header(None, (), [new_tensor("x", shape, TensorMode.EXACT)]), data([[]]))
    with pytest.raises(DfcError):
        refsw.apply_update(None, update)
    base = {"x": np.empty(0, np.float32)}
    new = new_tensor("y", shape, TensorMode.UNCHANGED, source_flag=1)
    with pytest.raises(DfcError):
        refsw.apply_update(base, stream(header(base, [TensorMode.REMOVED], [new])))


def test_an_empty_tensor_of_as_many_other_elements_as_are_allowed() -> None:
    x = {"x": np.empty((2**20, 0, 2**20), np.float64)}
    assert same(refsw.apply_update(None, refsw.diff_models(None, x)), x)
    with pytest.raises(FeatureError, match="x"):
        refsw.diff_models(None, {"x": np.empty((2**20, 0, 2**20, 2), np.uint8)})


def test_a_header_of_more_tensors_than_the_level_allows_costs_little() -> None:
    # Three bits a tensor: what is kept of each has to be little, or the count has to be checked first.
    update = stream(header({}, [TensorMode.REMOVED] * 100_000))
    tracemalloc.start()
    try:
        with pytest.raises(DfcError):
            refsw.apply_update({}, update)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_integers_at_both_ends() -> None:
    x = {"x": np.array([-(2**63), 2**63 - 1, 0]), "y": np.array([2**64 - 1, 0, 2**63], np.uint64)}
    y = {"x": x["x"][::-1].copy(), "y": x["y"][::-1].copy()}
    for base in (None, y):
        assert same(refsw.apply_update(base, refsw.diff_models(base, x)), x)


def test_subnormals_and_the_greatest_numbers() -> None:
    for dtype in (np.float16, np.float32):
        info = np.finfo(dtype)
        x = np.array([info.smallest_subnormal, -info.tiny, info.max, info.min, -0.0, 0.0, 1.0], dtype)
        exact = refsw.apply_update(None, refsw.diff_models(None, {"x": x}, exact=["x"]))
        assert exact["x"].tobytes() == x.tobytes()
        check(None, {"x": x}, 1e-4)
        check({"x": x[::-1].copy()}, {"x": x}, 1e-4)


def test_a_full_header_of_no_tensors_is_an_update() -> None:
    assert refsw.apply_update(None, stream(full_header({}))) == {}
    with pytest.raises(RefswError):
        refsw.apply_update(None, b"")
