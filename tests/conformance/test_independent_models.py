"""A decoder of model updates written from spec/ alone gives what refsw gives."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from both_updates import (  # noqa: F401 - a fixture
    EXACT,
    EXACT_DIFFERENCE,
    QUANTIZED,
    QUANTIZED_DIFFERENCE,
    REMOVED,
    UNCHANGED,
    both_reject,
    finished,
    independent_models,
    moved,
    same,
    walk,
)

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "models"))
from model_streams import (  # noqa: E402
    ALL_DTYPES,
    data,
    header,
    new_tensor,
    random_array,
    stream,
)

import refsw  # noqa: E402
from refsw.models.arithmetic import Rounding, Step  # noqa: E402
from refsw.syntax.codes import (  # noqa: E402
    ElementType,
    ModelCoder,
    Profile,
    StepMultiplier,
    TensorMode,
)


def modes(independent: ModuleType, update: bytes) -> list[int]:
    return [entry.mode for one in independent.Updates(update).updates for entry in one.entries]


def values(independent: ModuleType, update: bytes) -> list[Any]:
    return [unit for one in independent.Updates(update).updates for unit in one.units]


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


@pytest.mark.parametrize("rounding", list(Rounding))
def test_levels_and_sources_of_another_shape(independent: ModuleType, rounding: Rounding) -> None:
    rng, (base, target) = np.random.default_rng(3), walk(2)
    base["words"] = rng.standard_normal((40, 6)).astype(np.float32)
    target["words"] = np.concatenate([base["words"] * 1.01, rng.standard_normal((3, 6))]).astype(np.float32)
    target["kernels"] = np.cumsum(rng.standard_normal((300, 9)), axis=1).astype(np.float32)
    options = {"digits": 3, "rounding": rounding, "profile": Profile.MODEL_EXTENDED, "exact": ["int*"]}
    for have in (None, base):
        same(independent, have, refsw.diff_models(have, target, **options))


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
    # The first update from the base is wrong; from the last one on, all is right.
    ones = {"a": x["a"].view("i8") + 1}
    units = [header(x, [EXACT_DIFFERENCE], result=y), data([[0] * 40]), header(y, [EXACT_DIFFERENCE], result=x)]
    units += [data([[0] * 40]), header(x, [EXACT_DIFFERENCE], result={"a": ones["a"].view("f8")}), data([[1] * 40])]
    both_reject(independent, x, stream(*units), "model.result-digest")
    same(independent, x, stream(*units[4:]))
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
            assert any(unit.coder == ModelCoder.XZ for unit in values(independent, update))


@pytest.mark.parametrize("seed", range(12))
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


def any_words(rng: np.random.Generator, dtype: np.dtype[Any], count: int) -> Any:
    """Numbers of every size: any bits but those of NaN and infinity."""
    if dtype.kind == "b":
        return rng.random(count) < 0.5
    x = np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).copy()
    if dtype.kind not in "iu":
        with np.errstate(invalid="ignore"):
            x[~np.isfinite(x)] = -0.0
    return x


@pytest.mark.parametrize("dtype", ALL_DTYPES, ids=str)
def test_values_of_every_size(independent: ModuleType, dtype: np.dtype[Any]) -> None:
    rng, pick, done = np.random.default_rng(8), random.Random(8), [0, 0]
    choices = [EXACT, EXACT_DIFFERENCE] + [QUANTIZED, QUANTIZED_DIFFERENCE] * (dtype.kind not in "iub")
    for _ in range(24):
        base, mode = {"x": any_words(rng, dtype, 12)}, pick.choice(choices)
        digits, multiplier, bits = pick.randrange(16), pick.randrange(3), 8 * dtype.itemsize
        if mode in (QUANTIZED, QUANTIZED_DIFFERENCE):
            top = pick.choice([10, 20, 40, 60, 63])
            coded = [pick.randrange(-(2**top), 2**top) >> pick.randrange(top) for _ in range(12)]
        else:
            after = any_words(rng, dtype, 12).view(f"i{dtype.itemsize}").tolist()
            before = base["x"].view(f"i{dtype.itemsize}").tolist() if mode == EXACT_DIFFERENCE else [0] * 12
            half = 1 << bits - 1
            coded = [(a - b + half) % (1 << bits) - half for a, b in zip(after, before, strict=True)]
            if bits < 64 and pick.random() < 0.1:
                coded[3] = pick.choice([half, -half - 1])
        unit = data([coded], lanes_log2=pick.randrange(5))
        steps = {"step_digits": digits, "step_multiplier": multiplier}

        def make(digest: bytes) -> bytes:
            return stream(header(base, [mode], result_digest=digest, **steps), unit)  # noqa: B023

        update, requirement = finished(independent, base, make)
        done[bool(requirement)] += 1
        if requirement:
            both_reject(independent, base, update, requirement)
        else:
            same(independent, base, update)
    assert done[0] >= 8
    assert done[1] >= (dtype.itemsize < 8)


def halves(dtype: np.dtype[Any]) -> Any:
    """Numbers next to the middle between two neighbours of a format, and beyond its greatest one."""
    finfo = ml_dtypes.finfo(dtype)
    low, top = float(finfo.smallest_subnormal), float(finfo.max)
    ulp = float(finfo.eps)
    out = [low / 2, low * 0.75, low * 1.5, low * 2.5, low / 2 * (1 + 2**-40), 1 + ulp / 2, 1 + ulp * 1.5]
    out += [top, top * (1 + ulp / 8), 1 + ulp / 2 + 2**-40, 1 + ulp / 2 - 2**-40, 1 + ulp * 1.5 - 2**-50]
    return np.array([*out, *(-x for x in out), 0.0, -0.0])


@pytest.mark.parametrize("dtype", [d for d in ALL_DTYPES if d.kind not in "iub"], ids=str)
def test_rounding_at_ties(independent: ModuleType, dtype: np.dtype[Any]) -> None:
    """The source is FLOAT64, the new tensor has the format: b + 0 is rounded once."""
    base = {"x": halves(dtype)}
    if dtype.itemsize == 8:
        base["x"] = base["x"][np.abs(base["x"]) < 1e308]
    kind = ElementType(ALL_DTYPES.index(dtype))
    count = len(base["x"])
    new = new_tensor("y", (count,), QUANTIZED_DIFFERENCE, new_element_type=kind, source_flag=1)
    unit = data([[0] * count])
    update, requirement = finished(
        independent, base, lambda digest: stream(header(base, [REMOVED], [new], result_digest=digest), unit)
    )
    assert not requirement
    same(independent, base, update)
