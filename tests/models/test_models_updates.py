"""Chapter 10 as a whole: what `diff_models` makes, `apply_update` turns into the model that was meant."""

from __future__ import annotations

import importlib.util
import io
from itertools import pairwise
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_streams import ALL_DTYPES, random_array, same, units_of

import refsw
from refsw.errors import FeatureError, ModelStateError, UsageError
from refsw.models.arithmetic import Rounding, Step
from refsw.models.state import TensorType, model_digest
from refsw.syntax.bits import BitReader
from refsw.syntax.codes import StepMultiplier, TensorMode, UnitType
from refsw.syntax.structure import read_structure
from refsw.syntax.structures import MODEL_DATA, MODEL_HEADER

Tensors = dict[str, Any]
NAMES = ["a", "b.weight", "b.bias", "layer/0:w", "é", "\U0001f600", "", "x y", "a..b", "z[1]", "B"]
seeds = st.integers(0, 2**32)
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def random_shape(rng: np.random.Generator) -> tuple[int, ...]:
    axes = int(rng.integers(0, 6))
    return tuple(rng.choice([0, 1, 2, 3, 5, 9], axes, p=[0.04, 0.2, 0.2, 0.26, 0.2, 0.1]).tolist())


def random_model(rng: np.random.Generator) -> Tensors:
    names = rng.permutation(NAMES)[: rng.integers(0, 9)].tolist()
    return {n: random_array(rng, ALL_DTYPES[rng.integers(len(ALL_DTYPES))], random_shape(rng)) for n in names}


def changed(rng: np.random.Generator, base: Tensors) -> Tensors:
    """A model of which some tensors are as they were; others are changed, renamed, reshaped, retyped, tied, gone."""
    out: Tensors = {}
    spare = [n for n in NAMES if n not in base]
    for name, x in base.items():
        kind = rng.integers(8)
        if kind == 0:
            out[name] = x
        elif kind == 1 and spare:
            out[spare.pop()] = x
        elif kind == 2:
            out[name] = x.reshape(-1)
        elif kind == 3:
            dtype = ALL_DTYPES[rng.integers(len(ALL_DTYPES))]
            out[name] = random_array(rng, dtype, x.shape)
        elif kind == 4 and spare:
            out[name] = moved(rng, x)
            out[spare.pop()] = out[name].copy()
        elif kind == 5:
            continue
        else:
            out[name] = moved(rng, x)
    for name in spare[: rng.integers(0, 3)]:
        out[name] = random_array(rng, ALL_DTYPES[rng.integers(len(ALL_DTYPES))], random_shape(rng))
    return out


def moved(rng: np.random.Generator, x: Any) -> Any:
    """A tensor of the same kind, not far away."""
    if x.dtype.kind == "b":
        return x ^ (rng.random(x.shape) < 0.2)
    if x.dtype.kind in "iu":
        return x + rng.integers(0, 3, x.shape).astype(x.dtype)
    return np.asarray(x.astype(np.float64) + rng.standard_normal(x.shape) * 0.01).astype(x.dtype)


def unit_in_the_last_place(x: Any) -> Any:
    finfo = ml_dtypes.finfo(x.dtype)
    return np.maximum(np.abs(x.astype(np.float64)) * float(finfo.eps), float(finfo.smallest_subnormal))


def check_quantized(out: Tensors, target: Tensors, step: float, share: float = 0.5) -> None:
    """Floating-point tensors are within a share of a step and the rounding of their type, others are the same."""
    assert sorted(out) == sorted(target)
    for name, x in target.items():
        got = out[name]
        assert (got.dtype, got.shape) == (x.dtype, x.shape)
        if x.dtype.kind in "iub":
            assert got.tobytes() == x.tobytes()
        else:
            error = np.abs(got.astype(np.float64) - x.astype(np.float64))
            assert (
                error <= share * step * (1 + 1e-9) + unit_in_the_last_place(np.maximum(np.abs(x), np.abs(got)))
            ).all()


@many
@given(seeds, st.booleans(), st.booleans())
def test_exact_updates_reproduce_every_byte(seed: int, full: bool, dictionary: bool) -> None:
    rng = np.random.default_rng(seed)
    base = random_model(rng)
    target = changed(rng, base)
    have = None if full else base
    data = refsw.diff_models(have, target, exact=["*"], dictionary=dictionary)
    assert same(refsw.apply_update(have, data), target)


@many
@given(seeds, st.integers(0, 6), st.sampled_from([1, 2, 5]), st.booleans())
def test_quantized_updates_are_within_half_a_step(seed: int, digits: int, multiplier: int, full: bool) -> None:
    rng = np.random.default_rng(seed)
    base = random_model(rng)
    target = changed(rng, base)
    have = None if full else base
    out = refsw.apply_update(have, refsw.diff_models(have, target, digits=digits, step=multiplier))
    check_quantized(out, target, multiplier * 10.0**-digits)


@pytest.mark.parametrize(("rounding", "share"), [("nearest", 0.5), ("dead-zone", 0.7), ("literal", 0.8)])
def test_every_rounding_keeps_within_its_share_of_a_step(rounding: str, share: float) -> None:
    rng = np.random.default_rng(1)
    base = {"w": rng.standard_normal((64, 50)).astype(np.float32), "v": rng.standard_normal(3000)}
    target = {name: moved(rng, x) for name, x in base.items()}
    data = refsw.diff_models(base, target, digits=3, rounding=Rounding(rounding), offset=0.3)
    out = refsw.apply_update(base, data)
    check_quantized(out, target, 1e-3, share)
    worst = max(float(np.abs(out[n].astype(float) - target[n].astype(float)).max()) for n in out)
    assert worst > (share - 0.1) * 1e-3


def test_what_an_encoder_says_that_a_decoder_has_is_what_it_has() -> None:
    rng = np.random.default_rng(2)
    base = random_model(rng) | {"w": rng.standard_normal((40, 30)).astype(np.float32)}
    data = refsw.diff_models(base, changed(rng, base), digits=2)
    header = next(body for kind, body in units_of(data) if kind == UnitType.MODEL_HEADER)
    values = read_structure(MODEL_HEADER, BitReader(header))
    assert values["base_digest"] == model_digest(base)
    assert values["result_digest"] == model_digest(refsw.apply_update(base, data))


def test_an_update_is_the_same_every_time_and_in_any_order_of_tensors() -> None:
    rng = np.random.default_rng(3)
    base = random_model(rng) | {"w": rng.standard_normal((40, 30)).astype(np.float32)}
    target = changed(rng, base)
    data = refsw.diff_models(base, target)
    assert refsw.diff_models(dict(reversed(base.items())), dict(reversed(target.items()))) == data


def modes_of(base: Tensors | None, target: Tensors, **options: Any) -> list[TensorMode]:
    data = refsw.diff_models(base, target, **options)
    values = read_structure(MODEL_HEADER, BitReader(units_of(data)[0][1]))
    return [TensorMode(m) for m in [*values["tensor_mode"], *values["new_tensor_mode"]]]


def test_what_an_encoder_makes_of_tensors() -> None:
    x = np.random.default_rng(4).standard_normal((20, 30)).astype(np.float32)
    y = x + np.float32(0.01)
    assert modes_of({"a": x}, {"a": x}) == [TensorMode.UNCHANGED]
    assert modes_of({"a": x}, {"a": y}) == [TensorMode.QUANTIZED_DIFFERENCE]
    assert modes_of({"a": x}, {"b": x}) == [TensorMode.REMOVED, TensorMode.UNCHANGED]
    assert modes_of({"a": x}, {"a": x.reshape(-1)}) == [TensorMode.REMOVED, TensorMode.UNCHANGED]
    assert modes_of({"a": x}, {"a": y, "b": y}) == [TensorMode.QUANTIZED_DIFFERENCE, TensorMode.COPY]
    assert modes_of(None, {"a": x}) == [TensorMode.QUANTIZED]
    assert modes_of({"a": x}, {"a": y}, exact=["a"]) == [TensorMode.EXACT_DIFFERENCE]
    assert modes_of({"a": x}, {"a": x + np.float32(1e-6)}) == [TensorMode.UNCHANGED]


def test_rows_that_repeat_are_coded_with_a_dictionary() -> None:
    rng = np.random.default_rng(5)
    table = rng.standard_normal((12, 64)).astype(np.float32)[rng.integers(0, 12, 500)]
    with_one, without = (refsw.diff_models(None, {"t": table}, dictionary=d) for d in (True, False))
    coders = [read_structure(MODEL_DATA, BitReader(body))["model_coder"] for _, body in units_of(with_one)[1:]]
    assert coders == [1]
    assert len(with_one) < len(without) / 4
    check_quantized(refsw.apply_update(None, with_one), {"t": table}, 1e-4)


@pytest.mark.parametrize("dtype", ALL_DTYPES, ids=str)
def test_a_large_tensor_of_every_dtype_with_labels_and_prediction(dtype: np.dtype[Any]) -> None:
    rng = np.random.default_rng(6)
    scales = 10.0 ** rng.uniform(-2, 2, (48, 1, 1, 1)) * 10.0 ** rng.uniform(-1, 1, (1, 40, 1, 1))
    smooth = rng.standard_normal((48, 40, 3, 3)).cumsum(-1) * scales
    x = np.clip(smooth * 8, 0, 127).astype(dtype) if dtype.kind in "iub" else smooth.astype(dtype)
    for options in ({"exact": ["*"]}, {"digits": 2}):
        data = refsw.diff_models(None, {"x": x}, **options)
        out = refsw.apply_update(None, data)
        if "exact" in options:
            assert same(out, {"x": x})
        else:
            check_quantized(out, {"x": x}, 1e-2)
    values = [read_structure(MODEL_DATA, BitReader(body)) for kind, body in units_of(data)[1:]]
    if dtype.kind == "f":
        assert max(values[0]["label_group_count"]) > 0


# --- chains ---


def walk(versions: int, seed: int = 7) -> list[Tensors]:
    rng = np.random.default_rng(seed)
    models: list[Tensors] = [{"w": rng.standard_normal((30, 40)).astype(np.float32), "n": np.array(0, np.int64)}]
    for _ in range(versions - 1):
        last = models[-1]
        models.append({"w": (last["w"] + rng.standard_normal((30, 40)) * 3e-3).astype(np.float32), "n": last["n"] + 1})
    return models


def test_a_long_chain_does_not_drift() -> None:
    models = walk(25)
    data = refsw.diff_models(*models, digits=2)
    check_quantized(refsw.apply_update(models[0], data), models[-1], 1e-2)
    # Differences of what was trained, applied one on the other, do drift: the test would see it.
    w = models[0]["w"].astype(np.float64)
    for before, after in pairwise(models):
        w = w + np.rint((after["w"].astype(np.float64) - before["w"]) * 100) / 100
    assert np.abs(w - models[-1]["w"]).max() > 5e-3 * 1.5


def test_a_receiver_of_any_version_applies_what_follows() -> None:
    models = walk(5)
    updates = [refsw.diff_models(models[0], *models[1 : n + 1], digits=3) for n in range(1, 5)]
    have = [models[0], *[refsw.apply_update(models[0], data) for data in updates]]
    for version in have:
        assert same(refsw.apply_update(version, updates[-1]), have[-1])
    for n, data in enumerate(updates):
        assert same(refsw.apply_update(have[n], data), have[n + 1])


def test_a_chain_that_begins_with_a_full_model() -> None:
    models = walk(4)
    data = refsw.diff_models(None, *models, digits=3)
    newest = refsw.apply_update(None, data)
    check_quantized(newest, models[-1], 1e-3)
    first = refsw.apply_update(None, refsw.diff_models(None, models[0], digits=3))
    assert same(refsw.apply_update(first, data), newest)
    assert same(refsw.apply_update(newest, data), newest)


def test_a_chain_back_to_where_it_began() -> None:
    x, y = {"a": np.arange(200.0)}, {"a": np.arange(200.0)[::-1].copy()}
    data = refsw.diff_models(x, y, x, exact=["*"])
    assert same(refsw.apply_update(x, data), x)
    assert same(refsw.apply_update(y, data), x)
    assert same(refsw.apply_update(x, refsw.diff_models(x, x)), x)


def test_another_base_is_rejected() -> None:
    models = walk(4)
    later = refsw.diff_models(models[2], models[3], digits=3)
    wrong = dict(models[2])
    wrong["w"] = wrong["w"].copy()
    wrong["w"][29, 39] = np.nextafter(wrong["w"][29, 39], np.float32(9))
    full = refsw.diff_models(None, models[0])
    cases = [(models[0], later), (wrong, later), (None, later), ({}, later), (models[1], full), ({}, full)]
    cases += [(models[2] | {"more": np.zeros(1)}, later), ({"W": models[2]["w"], "n": models[2]["n"]}, later)]
    for base, data in cases:
        with pytest.raises(ModelStateError) as caught:
            refsw.apply_update(base, data)
        assert caught.value.requirement == "model.base"
        assert caught.value.exit_code == 65
        assert caught.value.phase == "model_state"


def test_models_without_tensors() -> None:
    x = {"a": np.ones(3)}
    assert refsw.apply_update({}, refsw.diff_models({}, {})) == {}
    assert refsw.apply_update(None, refsw.diff_models(None, {})) == {}
    assert refsw.apply_update(x, refsw.diff_models(x, {})) == {}
    assert same(refsw.apply_update({}, refsw.diff_models({}, x)), x)


# --- what goes in ---


def test_the_models_are_left_as_they_are() -> None:
    rng = np.random.default_rng(8)
    base = random_model(rng) | {"w": rng.standard_normal((30, 9, 3, 3)).astype(np.float32)}
    target = changed(rng, base)
    for model in (base, target):
        for x in model.values():
            x.flags.writeable = False
    before = [list(base), list(target), model_digest(base), model_digest(target)]
    data = refsw.diff_models(base, target, digits=3)
    refsw.apply_update(base, data)
    assert [list(base), list(target), model_digest(base), model_digest(target)] == before


def test_a_stream_and_a_buffer_are_as_good_as_bytes() -> None:
    base, target = walk(2)
    data = refsw.diff_models(base, target)
    expected = refsw.apply_update(base, data)
    for source in (io.BytesIO(data), bytearray(data), memoryview(data)):
        assert same(refsw.apply_update(base, source), expected)  # type: ignore[arg-type]


def test_tensors_of_any_layout_and_byte_order() -> None:
    base, target = walk(2)
    expected = refsw.diff_models(base, target)
    odd = {name: np.array(x, order="F").astype(x.dtype.newbyteorder(">")) for name, x in base.items()}
    odder = {name: np.stack([x, x], -1)[..., 0] for name, x in target.items()}
    assert refsw.diff_models(odd, odder) == expected
    assert same(refsw.apply_update(odd, expected), refsw.apply_update(base, expected))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [d for d in ALL_DTYPES if d.kind in "fV"], ids=str)
def test_nan_and_infinity_are_refused_by_name(dtype: np.dtype[Any], value: float) -> None:
    x = np.ones((3, 4), dtype)
    bad = x.copy()
    bad[1, 2] = value
    for base in (None, {"good": x, "some.weight": x}):
        with pytest.raises(FeatureError, match=r"some\.weight.*(NaN|infinity)"):
            refsw.diff_models(base, {"good": x, "some.weight": bad})


def test_steps_of_single_tensors() -> None:
    rng = np.random.default_rng(9)
    target = {name: rng.standard_normal(500).astype(np.float32) for name in ("fc.w", "fc.b", "conv")}
    steps = {"fc.b": Step(1, StepMultiplier.FIVE), "fc.*": Step(3, StepMultiplier.TWO)}
    out = refsw.apply_update(None, refsw.diff_models(None, target, digits=1, steps=steps))
    for name, step in (("fc.b", 0.5), ("fc.w", 2e-3), ("conv", 1e-1)):
        error = float(np.abs(out[name] - target[name]).max())
        assert 0.45 * step < error < 0.5001 * step


def test_options_that_do_not_exist_are_refused() -> None:
    x = {"a": np.ones(3)}
    for options in ({"step": 3}, {"digits": 16}, {"digits": -1}, {"offset": 0.0}, {"offset": 0.6}):
        with pytest.raises(UsageError):
            refsw.diff_models(None, x, **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        refsw.diff_models(x)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not here")
def test_state_dictionaries_of_torch() -> None:
    import torch

    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Linear(5, 4))
    base = {name: x.clone() for name, x in net.state_dict().items()}
    base["half"] = torch.randn(6, 7).to(torch.bfloat16)
    base["mask"] = torch.tensor([True, False])
    with torch.no_grad():
        target = {n: x + 0.01 * torch.randn_like(x) if x.is_floating_point() else x for n, x in base.items()}
    target["1.num_batches_tracked"] = torch.tensor(41)
    target["tied"] = target["2.weight"].T
    out = refsw.apply_update(base, refsw.diff_models(base, target, digits=3))
    plain = {n: x.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16) if x.dtype == torch.bfloat16
             else x.numpy() for n, x in target.items()}  # fmt: skip
    check_quantized(out, plain, 1e-3)
    exact = refsw.apply_update(base, refsw.diff_models(base, target, exact=["*"]))
    assert same(exact, plain)
    assert refsw.model_digest(target) == refsw.model_digest(plain)


def test_work_grows_with_the_number_of_tensors_and_not_with_its_square(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = 0
    really = TensorType.elements.fget

    def elements(kind: TensorType) -> int:
        nonlocal counted
        counted += 1
        return really(kind)

    monkeypatch.setattr(TensorType, "elements", property(elements))
    looks = []
    for count in (20, 80):
        counted = 0
        old = {f"t{i:03}": np.full((4, 4), i, np.float32) for i in range(count)}
        refsw.diff_models(old, {name: array + np.float32(0.5) for name, array in old.items()})
        looks.append(counted)
    assert looks[1] <= 4 * looks[0] + 4
