"""A decoder of model updates written from spec/ alone gives the same models as refsw, and rejects what refsw rejects."""

from __future__ import annotations

import importlib
import lzma
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "models"))
from model_streams import (  # noqa: E402
    ALL_DTYPES,
    LOWEST,
    Unit,
    bytes_of,
    cut,
    data,
    end_of,
    flat_row,
    flat_table,
    full_header,
    header,
    new_tensor,
    random_array,
    scalar_encode,
    stream,
    units_of,
    xz_data,
)

import refsw  # noqa: E402
from refsw.models.arithmetic import Rounding, Step  # noqa: E402
from refsw.syntax.codes import (  # noqa: E402
    ElementType,
    Level,
    Profile,
    StepMultiplier,
    TensorMode,
    UnitType,
)
from refsw.syntax.units import crc32, pack_header, pack_unit  # noqa: E402

FOLDER = ROOT / "conformance" / "independent"
UNCHANGED, REMOVED, COPY, QUANTIZED_DIFFERENCE, QUANTIZED, EXACT_DIFFERENCE, EXACT = TensorMode
Tensors = dict[str, Any]


@pytest.fixture(scope="module")
def independent() -> Iterator[ModuleType]:
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("dfc_models")
    finally:
        sys.path.remove(str(FOLDER))


def given(independent: ModuleType, model: Tensors | None) -> Any:
    """A model as the independent decoder takes it: types by name, and words."""
    if model is None:
        return None
    return {
        name: independent.Tensor(x.dtype.name, x.shape, np.frombuffer(x.tobytes(), f"<u{x.dtype.itemsize}"))
        for name, x in model.items()
    }


def same(independent: ModuleType, base: Tensors | None, update: bytes) -> Tensors:
    """What both decoders make of an update."""
    expected = refsw.apply_update(base, update)
    decoded = independent.decode(update, given(independent, base))
    assert {n: (t.type, tuple(t.shape)) for n, t in decoded.items()} == {
        n: (x.dtype.name, x.shape) for n, x in expected.items()
    }
    assert {n: t.words.tobytes() for n, t in decoded.items()} == {n: x.tobytes() for n, x in expected.items()}
    assert independent.model_digest(decoded) == refsw.model_digest(expected)
    return expected


def both_reject(independent: ModuleType, base: Tensors | None, update: bytes, *ids: str, exit_code: int = 65) -> None:
    with pytest.raises(refsw.DfcError) as theirs:
        refsw.apply_update(base, update)
    with pytest.raises(independent.Reject) as ours:
        independent.decode(update, given(independent, base))
    assert (theirs.value.exit_code, ours.value.exit_code) == (exit_code, exit_code)
    if ids:
        assert {theirs.value.requirement, ours.value.requirement} <= set(ids)


def modes(independent: ModuleType, update: bytes) -> list[int]:
    return [entry.mode for one in independent.Updates(update).updates for entry in one.entries]


def values(independent: ModuleType, update: bytes) -> list[Any]:
    return [unit for one in independent.Updates(update).updates for unit in one.units]


# --- updates that refsw makes ---


def walk(versions: int, seed: int = 1) -> list[Tensors]:
    """Versions of a model of all dtypes, each not far from the one before."""
    rng = np.random.default_rng(seed)
    models: list[Tensors] = [{f"{d.name}.w": random_array(rng, d, (7, 5, 3)) for d in ALL_DTYPES}]
    models[0] |= {"é": np.array(0, np.int64), "empty": np.zeros((3, 0, 2), np.float16), "kept": np.float32([-0.0, 2])}
    for _ in range(versions - 1):
        models.append({name: moved(rng, x) for name, x in models[-1].items()})
    return models


def moved(rng: np.random.Generator, x: Any) -> Any:
    if x.dtype.kind == "b":
        return x ^ (rng.random(x.shape) < 0.2)
    if x.dtype.kind in "iu":
        return np.asarray(x + rng.integers(0, 3, x.shape).astype(x.dtype))
    return np.asarray(x.astype(np.float64) + rng.standard_normal(x.shape) * 0.01).astype(x.dtype)


@pytest.mark.parametrize("digits", range(1, 10))
@pytest.mark.parametrize("step", [1, 2, 5])
def test_steps(independent: ModuleType, digits: int, step: int) -> None:
    base, target = walk(2, seed=digits)
    same(independent, None, refsw.diff_models(None, target, digits=digits, step=step))
    same(independent, base, refsw.diff_models(base, target, digits=digits, step=step))


@pytest.mark.parametrize("rounding", list(Rounding))
def test_roundings(independent: ModuleType, rounding: Rounding) -> None:
    base, target = walk(2)
    for offset in (0.1, 0.3, 0.5):
        same(independent, base, refsw.diff_models(base, target, digits=3, rounding=rounding, offset=offset))


def test_exact_updates_of_every_dtype(independent: ModuleType) -> None:
    base, target = walk(2)
    for have in (None, base):
        update = refsw.diff_models(have, target, exact=["*"])
        out = same(independent, have, update)
        assert refsw.model_digest(out) == refsw.model_digest(target)
        assert set(modes(independent, update)) <= {UNCHANGED, EXACT_DIFFERENCE, EXACT}
    some = refsw.diff_models(base, target, exact=["float16*"], steps={"float32*": Step(2, StepMultiplier.FIVE)})
    same(independent, base, some)


@pytest.mark.parametrize("start", [None, 0])
def test_chains_from_every_version(independent: ModuleType, start: int | None) -> None:
    models = walk(5)
    base = None if start is None else models[0]
    have = [base]
    for last in range(1, 5):
        have.append(refsw.apply_update(base, refsw.diff_models(base, *models[1 : last + 1], digits=2)))
    update = refsw.diff_models(base, *models[1:], digits=2)
    for version in have:
        out = same(independent, version, update)
        assert refsw.model_digest(out) == refsw.model_digest(have[-1])
    both_reject(independent, models[3], update, "model.base")


def test_a_chain_that_comes_back_begins_with_the_first_update_from_the_base(independent: ModuleType) -> None:
    x, y, z = ({"a": np.arange(40.0) * factor} for factor in (1, -1, 3))
    update = refsw.diff_models(x, y, x, z, x, exact=["*"])
    for base in (x, y, z):
        assert refsw.model_digest(same(independent, base, update)) == refsw.model_digest(x)
    # Another step stands before the place where the base comes again, and cannot be applied.
    kept = [header(x, [UNCHANGED], result=x), header(x, [EXACT_DIFFERENCE], result=y), data([[1] * 40])]
    both_reject(independent, x, stream(*kept), "model.result-digest")
    # Nothing to apply is what is left if no update begins at the base.
    same(independent, y, stream(header(x, [EXACT_DIFFERENCE], result=y), data([[1] * 40])))
    back = stream(header(x, [EXACT_DIFFERENCE], result=x), data([[1] * 40]))
    both_reject(independent, x, back, "model.result-digest")


def test_tensors_that_come_and_go(independent: ModuleType) -> None:
    rng = np.random.default_rng(3)
    names = ("same", "changed", "renamed", "reshaped", "retyped", "gone", "tied")
    base = {name: rng.standard_normal((6, 8, 3)).astype(np.float32) for name in names}
    target = {
        "same": base["same"],
        "changed": moved(rng, base["changed"]),
        "another.name": base["renamed"],
        "reshaped": moved(rng, base["reshaped"]).reshape(8, -1),
        "retyped": base["retyped"].astype(np.float16),
        "tied": moved(rng, base["tied"]),
        "new": rng.standard_normal((5, 5)),
        "ids": rng.integers(-(2**40), 2**40, 30),
    }
    target["tie"] = target["tied"].copy()
    seen = set()
    for options in ({}, {"exact": ["*"]}, {"digits": 2, "dictionary": False}):
        for have in (base, None):
            update = refsw.diff_models(have, target, **options)
            same(independent, have, update)
            seen |= set(modes(independent, update))
    assert seen == set(TensorMode)
    same(independent, base, refsw.diff_models(base, {}))
    same(independent, {}, refsw.diff_models({}, target))
    same(independent, None, refsw.diff_models(None, {}))


def test_nan_and_infinity_that_stay(independent: ModuleType) -> None:
    mask = np.array([0, -np.inf, np.nan, -0.0], np.float16)
    base = {"mask": mask, "w": np.ones(9, np.float32)}
    out = same(independent, base, refsw.diff_models(base, {"mask": mask, "w": base["w"] * 2}))
    assert out["mask"].tobytes() == mask.tobytes()


@pytest.mark.parametrize("dtype", ["f4", "f2", "f8", ml_dtypes.bfloat16, "i2"])
def test_labels_and_prediction(independent: ModuleType, dtype: Any) -> None:
    rng = np.random.default_rng(6)
    scales = 10.0 ** rng.uniform(-2, 2, (48, 1, 1, 1)) * 10.0 ** rng.uniform(-1, 1, (1, 40, 1, 1))
    smooth = (rng.standard_normal((48, 40, 3, 3)).cumsum(-1) * scales).astype(dtype)
    for options in ({"digits": 2}, {"exact": ["*"]}):
        update = refsw.diff_models(None, {"x": smooth}, **options)
        same(independent, None, update)
        if "digits" in options and np.dtype(dtype).itemsize >= 4:
            assert any(unit.predictors and unit.groups for unit in values(independent, update))


@pytest.mark.parametrize("dtype", ALL_DTYPES, ids=str)
def test_dictionaries(independent: ModuleType, dtype: Any) -> None:
    rng = np.random.default_rng(5)
    table = random_array(rng, dtype, (12, 64), scale=50)[rng.integers(0, 12, 200)]
    for exact in ([], ["*"]):
        update = refsw.diff_models(None, {"t": table}, exact=exact)
        same(independent, None, update)
        if dtype.itemsize > 1:
            assert any(unit.coder == independent.XZ_BYTES for unit in values(independent, update))


@pytest.mark.parametrize("seed", range(25))
def test_random_models(independent: ModuleType, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def tensor() -> Any:
        shape = rng.choice([0, 1, 2, 3, 5, 9], rng.integers(0, 5), p=[0.04, 0.2, 0.2, 0.26, 0.2, 0.1]).tolist()
        return random_array(rng, ALL_DTYPES[rng.integers(len(ALL_DTYPES))], shape, 10.0 ** rng.integers(-3, 4))

    base = {str(name): tensor() for name in rng.permutation(["a", "a.b", "B", "ü", "", "x/y", "..a"])[:5]}
    target = {}
    for name, x in base.items():
        made = (lambda x=x: x, lambda x=x: moved(rng, x), lambda x=x: moved(rng, x).reshape(-1), tensor)
        target[rng.choice([name, name + "'"])] = made[rng.integers(4)]()
    for have in (base, None):
        same(independent, have, refsw.diff_models(have, target, digits=int(rng.integers(0, 9))))
        same(independent, have, refsw.diff_models(have, target, exact=["*"]))


# --- values of every size, and of any mode ---


@pytest.mark.parametrize("seed", range(40))
def test_arithmetic_on_values_of_every_size(
    independent: ModuleType, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    pick = random.Random(seed)
    shape, base, chosen, coded = (3, 4), dict[str, Any](), [], []
    for i, dtype in enumerate(ALL_DTYPES):
        size = 8 * dtype.itemsize
        words = rng.integers(0, 2**size, shape, np.uint64, endpoint=False) if size < 64 else rng.bytes(96)
        x = np.frombuffer(words if size == 64 else words.astype(f"u{size // 8}").tobytes(), dtype).reshape(shape)
        if dtype.kind not in "iu":
            x = x.copy()
            x[~np.isfinite(x)] = -0.0
        base[f"{i:02}"] = x = x.view("u1") > 127 if dtype.kind == "b" else x
        exact = dtype.kind in "iub" or pick.random() < 0.4
        chosen.append(pick.choice([EXACT, EXACT_DIFFERENCE] if exact else [QUANTIZED, QUANTIZED_DIFFERENCE]))
        if dtype.kind == "b":
            coded.append([int(a) for a in rng.integers(0, 2, 12) - (x if chosen[-1] == EXACT_DIFFERENCE else 0).ravel()]
                         if chosen[-1] == EXACT_DIFFERENCE else rng.integers(0, 2, 12).tolist())  # fmt: skip
            continue
        top = size - 1 if exact else pick.choice([4, 10, 17, 24, 40, 53, 58, 60])
        limit = 2**top - 1 if dtype.itemsize > 1 or exact else 9
        if exact and dtype.kind not in "iu" and dtype.kind != "b":
            limit = 1000 if chosen[-1] == EXACT else 1
        if not exact and dtype == np.float16:
            limit = min(limit, 2**17)
        coded.append([pick.choice([1, -1]) * (pick.randrange(limit + 1) >> pick.randrange(top + 1)) for _ in range(12)])
        if exact and dtype.kind not in "iub" and chosen[-1] == EXACT:
            coded[-1] = [abs(v) for v in coded[-1]]
    flags = [int(mode in (QUANTIZED, QUANTIZED_DIFFERENCE)) for mode in chosen]
    options: dict[str, Any] = {
        "tensor_step_flag": flags,
        "tensor_step_digits": [pick.randrange(4, 16) for _ in chosen],
        "tensor_step_multiplier": [pick.randrange(3) for _ in chosen],
    }
    found: list[bytes] = []
    digest = independent.model_digest
    monkeypatch.setattr(independent, "model_digest", lambda model: found.append(digest(model)) or found[-1])
    unit = data(coded, lanes_log2=pick.randrange(5))
    try:
        independent.decode(stream(header(base, chosen, **options), unit), given(independent, base))
    except independent.Reject as error:
        requirement = error.requirement
    update = stream(header(base, chosen, result_digest=found[-1], **options), unit)
    if requirement == "model.result-digest":
        same(independent, base, update)
    else:
        both_reject(independent, base, update, requirement)
