"""Encoders with more effort: fewer bytes for the error of rounding; tensors that gained or lost rows."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner
from model_streams import ALL_DTYPES, random_array, same
from safetensors.numpy import load_file, save_file

import refsw
from refsw.cli.main import cli
from refsw.errors import UsageError
from refsw.models.quantizers import next_state
from refsw.models.trellis import ONE, REACH, Targets, dependent_levels, even_levels
from refsw.syntax.codes import Profile
from refsw.syntax.units import UnitReader

EFFORTS = [2, 3]
Model = dict[str, Any]


def profile_of(update: bytes) -> Profile:
    return UnitReader(io.BytesIO(update)).header.profile


def trained(seed: int = 1, scale: float = 1.0) -> tuple[Model, Model]:
    """A base, and a target whose differences are alike within kernels and within rows."""
    rng = np.random.default_rng(seed)
    base, target = {}, {}
    for number, shape in enumerate([(24, 16, 3, 3), (32, 24, 3, 3), (40, 60), (40,)]):
        rows = 10 ** rng.uniform(-4, -3, (shape[0], *[1] * (len(shape) - 1)))
        noise = rng.laplace(size=shape) + (3 * rng.standard_normal((*shape[:2], 1, 1)) if len(shape) > 2 else 0)
        base[f"w{number}"] = rng.standard_normal(shape).astype(np.float32)
        target[f"w{number}"] = (base[f"w{number}"] + noise * rows * scale).astype(np.float32)
    base["steps"], target["steps"] = np.int64(7), np.int64(9)
    return base, target


def error(found: Model, target: Model) -> float:
    return sum(float(((found[n].astype(np.float64) - target[n]) ** 2).sum()) for n in target)


@pytest.mark.parametrize("digits", [2, 3, 4])
def test_effort_takes_fewer_bytes_for_no_greater_error(digits: int) -> None:
    base, target = trained()
    updates = [refsw.diff_models(base, target, digits=digits, effort=effort) for effort in (1, 2, 3)]
    sizes = [len(update) for update in updates]
    assert sizes[2] <= sizes[1] <= sizes[0]
    assert sizes[2] < 0.97 * sizes[0]
    errors = [error(refsw.apply_update(base, update), target) for update in updates]
    assert max(errors) <= errors[0] * 1.005
    assert profile_of(updates[0]) is Profile.MODEL
    assert profile_of(updates[2]) is Profile.MODEL_EXTENDED


@pytest.mark.parametrize("effort", EFFORTS)
def test_the_same_models_give_the_same_bitstream(effort: int) -> None:
    base, target = trained(2)
    one, two = (refsw.diff_models(base, target, digits=3, effort=effort) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("effort", EFFORTS)
def test_a_chain_starts_from_what_the_receiver_has(effort: int) -> None:
    base, first = trained(3)
    _, second = trained(4)
    update = refsw.diff_models(base, first, second, digits=3, effort=effort)
    found = refsw.apply_update(base, update)
    step = 1e-3
    assert all(np.abs(found[n].astype(np.float64) - second[n]).max() < 3 * step for n in ("w0", "w1", "w2", "w3"))
    assert found["steps"] == second["steps"]


@pytest.mark.parametrize("effort", EFFORTS)
def test_tensors_of_every_dtype_arrive(effort: int) -> None:
    rng = np.random.default_rng(5)
    base = {f"{i:02}": random_array(rng, dtype, (7, 90)) for i, dtype in enumerate(ALL_DTYPES)}
    target = {name: random_array(rng, array.dtype, array.shape) for name, array in base.items()}
    base |= {"empty": np.zeros((0, 3), np.float32), "scalar": np.float32(0.5)}
    target |= {"empty": np.zeros((0, 3), np.float32), "scalar": np.float32(0.75)}
    for start in (base, None):
        update = refsw.diff_models(start, target, digits=2, effort=effort, exact=["00"])
        found = refsw.apply_update(start, update)
        assert same({"a": found["00"]}, {"a": target["00"]})
        for name, array in target.items():
            assert found[name].dtype == np.asarray(array).dtype
            if np.asarray(array).dtype.kind in "biu":
                assert np.array_equal(found[name], array), name


@pytest.mark.parametrize("effort", EFFORTS)
def test_tied_tensors_and_full_models(effort: int) -> None:
    rng = np.random.default_rng(6)
    table = (rng.laplace(size=(300, 40)) * 0.02).astype(np.float32)
    model = {"in": table, "out": table.copy(), "w": (rng.standard_normal((30, 30)) * 0.1).astype(np.float32)}
    update = refsw.diff_models(None, model, digits=3, effort=effort)
    found = refsw.apply_update(None, update)
    assert np.array_equal(found["in"], found["out"])
    alone = refsw.diff_models(None, {"in": table, "w": model["w"]}, digits=3, effort=effort)
    assert len(update) < len(alone) + 200


def test_what_rounding_codes_as_well_stays_version_1_0() -> None:
    base = {"n": np.arange(40, dtype=np.int32), "x": np.zeros(6, np.float32)}
    target = {"n": base["n"] + 3, "x": np.full(6, 0.25, np.float32)}
    for effort in (1, 2, 3):
        update = refsw.diff_models(base, target, digits=2, effort=effort)
        assert profile_of(update) is Profile.MODEL
        assert same(refsw.apply_update(base, update), target)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
def test_elements_at_the_end_of_their_range_stay_finite(dtype: Any) -> None:
    most = float(ml_dtypes.finfo(dtype).max)
    target = {"x": np.array([most, -most, 1.0, 0.5] * 100).astype(dtype)}
    found = refsw.apply_update(None, refsw.diff_models(None, target, digits=0, effort=3))
    assert np.isfinite(found["x"].astype(np.float64)).all()


def test_steps_too_small_for_a_search_are_rounded() -> None:
    target = {"x": np.random.default_rng(7).standard_normal(500) * 1e6, "n": np.arange(5)}
    found = refsw.apply_update(None, refsw.diff_models(None, target, digits=9, step=2, effort=3))
    assert np.abs(found["x"] - target["x"]).max() <= 1.2e-9


# --- 10.3.4 ---


def vocabulary(more: int) -> tuple[Model, Model]:
    rng = np.random.default_rng(8)
    base = {"embed": rng.standard_normal((400, 32)).astype(np.float32), "head": np.ones((400, 4), np.float32)}
    grown = np.concatenate([base["embed"], rng.standard_normal((more, 32)).astype(np.float32)]) if more > 0 else None
    return base, {"embed": base["embed"][:more] if grown is None else grown, "head": base["head"]}


@pytest.mark.parametrize("more", [2, -30])
@pytest.mark.parametrize("options", [{"profile": Profile.MODEL_EXTENDED}, {"effort": 2}, {"effort": 3}])
def test_a_vocabulary_that_gained_or_lost_rows_is_a_difference(more: int, options: dict[str, Any]) -> None:
    base, target = vocabulary(more)
    update = refsw.diff_models(base, target, **options)
    assert profile_of(update) is Profile.MODEL_EXTENDED
    found = refsw.apply_update(base, update)
    assert found["embed"].shape == target["embed"].shape
    assert np.abs(found["embed"].astype(np.float64) - target["embed"]).max() <= 2e-4
    assert len(update) < 0.05 * len(refsw.diff_models(base, target))


def test_without_the_profile_such_a_tensor_is_coded_anew() -> None:
    base, target = vocabulary(2)
    update = refsw.diff_models(base, target)
    assert profile_of(update) is Profile.MODEL
    assert refsw.apply_update(base, update)["embed"].shape == (402, 32)


def test_a_tensor_of_other_extents_that_resembles_nothing_is_coded_anew() -> None:
    rng = np.random.default_rng(9)
    base = {"x": (rng.standard_normal((50, 20)) * 100).astype(np.float32)}
    target = {"x": (rng.standard_normal((60, 20)) * 0.01).astype(np.float32)}
    update = refsw.diff_models(base, target, profile=Profile.MODEL_EXTENDED)
    assert profile_of(update) is Profile.MODEL


def test_exact_rows_of_a_table_that_grew() -> None:
    base = {"ids": np.arange(600, dtype=np.int64).reshape(200, 3) * 7919}
    target = {"ids": np.concatenate([base["ids"], np.array([[5, -6, 7]])])}
    update = refsw.diff_models(base, target, profile=Profile.MODEL_EXTENDED)
    assert same(refsw.apply_update(base, update), target)
    assert len(update) < 400


# --- options ---


@pytest.mark.parametrize(
    "options",
    [{"effort": 0}, {"effort": 4}, {"effort": 2, "rounding": "dead-zone"}, {"effort": 3, "profile": Profile.MODEL},
     {"profile": Profile.INTRA}],
)  # fmt: skip
def test_options_that_do_not_go_together(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        refsw.diff_models(*trained(), **options)


def test_the_command_says_the_profile_and_applies_it(tmp_path: Path) -> None:
    base, target = (dict(model) for model in trained())
    base["steps"], target["steps"] = np.array([7]), np.array([9])
    save_file(base, tmp_path / "base.safetensors")
    save_file(target, tmp_path / "target.safetensors")
    paths = [
        str(tmp_path / name) for name in ("base.safetensors", "target.safetensors", "update.dfc", "new.safetensors")
    ]
    run = CliRunner()
    done = run.invoke(cli, ["model", "diff", *paths[:2], "-o", paths[2], "--digits", "3", "--effort", "3"])
    assert done.exit_code == 0, done.output
    assert "model_extended" in run.invoke(cli, ["model", "inspect", paths[2]]).output
    assert run.invoke(cli, ["validate", paths[2], "--base", paths[0]]).exit_code == 0
    assert run.invoke(cli, ["model", "apply", paths[0], paths[2], "-o", paths[3]]).exit_code == 0
    assert error(load_file(paths[3]), target) < 1.01 * len(base) * 2e4 * (1e-3**2) / 12
    refused = run.invoke(cli, ["model", "diff", *paths[:2], "-o", paths[2], "--effort", "2", "--profile", "model"])
    assert isinstance(refused.exception, UsageError)


# --- the search ---


def costs(rows: int, quantizers: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).integers(0, 20000, (rows, quantizers, 2 * REACH + 1)).astype(np.int32)


def test_the_path_of_least_cost_is_found() -> None:
    """All paths of six levels, by trying them."""
    values = np.array([130, -200, 31, 64, -95, 5])
    table = costs(2, 2)
    rows = np.array([0, 1, 0, 1, 1, 0], np.uint8)
    found, quantizers, _ = dependent_levels(Targets(values, rows, table), np.zeros(1, np.uint8))

    def cost_of(levels: tuple[int, ...]) -> int:
        state, total = 0, 0
        for value, row, level in zip(values.tolist(), rows.tolist(), levels, strict=True):
            q = state & 1
            r = 2 * level - (level > 0) * q + (level < 0) * q
            total += (value - ONE * r) ** 2 + int(table[row, q, level + REACH])
            state = next_state(state, level & 1)
        return total

    around = [sorted({0, *range(int(v) // (2 * ONE) - 1, int(v) // (2 * ONE) + 3)}) for v in values]
    assert cost_of(tuple(found.tolist())) == min(map(cost_of, itertools.product(*around)))
    states = [0]
    for level in found.tolist():
        states.append(next_state(states[-1], level & 1))
    assert quantizers.tolist() == [state & 1 for state in states[:-1]]


def test_every_lane_is_searched_alone_from_its_own_state() -> None:
    rng = np.random.default_rng(3)
    values, table = rng.integers(-900, 900, 53), costs(1, 2, 4)
    start = np.array([0, 3, 5, 7, 1], np.uint8)
    whole = dependent_levels(Targets(values, np.zeros(53, np.uint8), table), start)
    for lane in range(5):
        own = values[lane::5]
        alone = dependent_levels(Targets(own, np.zeros(own.size, np.uint8), table), start[lane : lane + 1])
        assert whole[0][lane::5].tolist() == alone[0].tolist()
        assert whole[2][lane] == alone[2][0]


def test_levels_that_are_fixed_stay() -> None:
    rng = np.random.default_rng(4)
    values, fixed = rng.integers(-900, 900, 60), rng.integers(-(2**40), 2**40, 60)
    which = rng.random(60) < 0.4
    targets = Targets(values, np.zeros(60, np.uint8), costs(1, 2), fixed, which)
    found, _, _ = dependent_levels(targets, np.zeros(3, np.uint8))
    assert found[which].tolist() == fixed[which].tolist()
    alone = even_levels(Targets(values, np.zeros(60, np.uint8), costs(1, 1), fixed, which))
    assert alone[which].tolist() == fixed[which].tolist()


def test_even_levels_without_a_cost_are_the_nearest() -> None:
    values = np.arange(-1000, 1000)
    table = np.zeros((1, 1, 2 * REACH + 1), np.int32)
    found = even_levels(Targets(values, np.zeros(values.size, np.uint8), table))
    assert np.abs(values - 2 * ONE * found).max() <= ONE
