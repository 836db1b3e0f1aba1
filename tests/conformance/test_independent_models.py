"""A decoder of model updates written from spec/ alone gives what refsw gives, and rejects what refsw rejects."""

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
    ModelCoder,
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


# --- values of every size, in every mode ---


def finished(independent: ModuleType, base: Tensors | None, make: Callable[[bytes], bytes]) -> tuple[bytes, str]:
    """A stream with the digest that the independent decoder finds, and the requirement that it breaks even so."""
    found = [bytes(32)]
    digest = independent.model_digest
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(independent, "model_digest", lambda model: found.append(digest(model)) or found[-1])
        with pytest.raises(independent.Reject) as caught:
            independent.decode(make(bytes(32)), given(independent, base))
    requirement = caught.value.requirement
    return make(found[-1]), "" if requirement == "model.result-digest" else requirement


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


# --- what is allowed, at its edge ---

X = {"x": np.array([[3, -1, 0], [70, -900, 5]], np.int32)}
VALUES = [3, -1, 0, 70, -900, 5]
MOST = 16 << 14  # values that 16 lanes may have; a unit of them has room for 2^20 more than that


def packed(coded: list[int], **options: Any) -> bytes:
    return lzma.compress(np.array(coded, "<i4").tobytes(), check=lzma.CHECK_CRC32, **options)


def zeros(*counts: int, copies: list[int] | None = None) -> list[Unit]:
    """New tensors of zeros, 64 bytes of payload for each but for ones, which stand in the unit before; and copies."""
    entries = [(k, EXACT, 0) for k in counts]
    for i, times in enumerate(copies or []):
        entries += [(counts[i], COPY, i)] * times
    names = [f"{i:02}" for i in range(len(entries))]
    new = [new_tensor(n, (k,), m, new_copy_entry=i) for n, (k, m, i) in zip(names, entries, strict=True)]
    lanes, units = bytes_of([LOWEST] * 16, []), []
    for i, count in enumerate(counts):
        if count > 1:
            tensors = [[]] * (1 + (counts[i + 1 :][:1] == (1,)))
            units.append(data(tensors, first=i, lanes_log2=4, payload=lambda *_: lanes))
    result = {n: np.zeros(k, np.float32) for n, (k, _, _) in zip(names, entries, strict=True)}
    return [header(None, (), new, result), *units]


def xz_zeros(*counts: int) -> list[Unit]:
    """New tensors of zeros in .xz streams, which need less than a byte for 4096 of them."""
    tensors = {str(i): np.zeros(count, np.int8) for i, count in enumerate(counts)}
    return [
        full_header(tensors),
        *(xz_data(lzma.compress(bytes(k), preset=0), first=i) for i, k in enumerate(counts)),
    ]


def labelled(labels: list[int], end: int = 9, tables: int = 2, **changes: Any) -> Unit:
    """The values of X with a label for each row, all tables flat."""
    states, words = scalar_encode([flat_row(end)], [0] * len(labels), labels, 1)
    own = {"label_group_count": [1], "group_first_axis": [[0]], "group_last_axis": [[0]], "label_lanes_log2": 0}
    return data(
        [VALUES],
        tables=[flat_table(2 * 16 + 1 + 64)] * tables + [flat_table(end)],
        table_count_minus1=tables - 1,
        **values_of(2 * 16 + 1 + 64, bytes_of(states, words)),
        **own | {"label_word_count": len(words)} | changes,
    )


def labels_of_rows() -> Unit:
    """2^15 + 2 values of 0 in four lanes, with a label 0 for each row in one."""
    own = {"label_group_count": [1], "group_first_axis": [[0]], "group_last_axis": [[0]], "label_word_count": 0}
    tables = [flat_table(1)] * 2
    return data(
        [[]], lanes_log2=2, tables=tables, table_count_minus1=0, label_lanes_log2=0,
        payload=lambda *_: bytes_of([LOWEST] * 5, []), **own,
    )  # fmt: skip


def values_of(end: int, before: bytes = b"") -> dict[str, Any]:
    """The payload of VALUES with a flat table of `end` symbols, after that of the labels."""
    symbols, raw = [6, 1, 0, 2 * (16 + 8 + 0), 2 * (16 + 4 * 5 + 3) - 1, 10], ""
    for value, skip in ((70, 3), (900, 3)):
        raw += f"{value:b}"[skip:]
    states, words = scalar_encode([flat_row(end)], [0] * 6, symbols, 1)
    return {"payload": lambda *_: before + bytes_of(states, words, raw), "word_count": len(words)}


ALLOWED: dict[str, Callable[[], list[Unit]]] = {
    "as they are": lambda: [full_header(X), data([VALUES])],
    "4096 lanes": lambda: [full_header(X), data([VALUES], lanes_log2=12)],
    "labels": lambda: [full_header(X), labelled([0, 1])],
    "labels apart": lambda: [full_header(X), labelled([0, 2], tables=5, label_step_minus1=[1])],
    "labels above 30": lambda: [full_header(X), labelled([0, 40], end=60, tables=42)],
    "xz": lambda: [full_header(X), xz_data(packed(VALUES), log2=2)],
    "metadata": lambda: [
        (UnitType.METADATA, b"\0\1k\0\1v"), full_header(X), (UnitType.METADATA, b"\0\1k\0\0"), data([VALUES])],
    "as many values as the lanes allow": lambda: zeros(MOST),
    "as many elements as the bytes allow": lambda: zeros(MOST - 1, 1, copies=[4, 4]),
    "as many elements as the bytes of two units allow": lambda: zeros(MOST, MOST, copies=[4]),
    "much in an .xz stream": lambda: xz_zeros(3_000_000),
    "an extent of 0": lambda: [
        header(None, (), [new_tensor("x", (2**20, 0, 2**20), EXACT)], {"x": np.zeros((2**20, 0, 2**20), np.float32)}),
        data([[]])],
    **{f"the name {name}": lambda name=name: [full_header({name: X["x"]}), data([VALUES])]
       for name in ("C:", "a/b:/c", "...", "a..b/c", "a/", "a//b", ".", "x:y")},
}  # fmt: skip


@pytest.mark.parametrize("what", ALLOWED)
def test_what_is_allowed(independent: ModuleType, what: str) -> None:
    same(independent, None, stream(*ALLOWED[what]()))


# --- what is not ---

B = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(6, dtype=np.int32), "c": np.ones((3, 2), "f2")}
S = {str(i): np.float32(i).reshape(()) for i in range(6)}
KEEP = [UNCHANGED] * 3
INT32, FLOAT16 = ElementType.INT32, ElementType.FLOAT16


def on_base(*new: dict[str, Any], modes: list[int] | None = None, **changes: Any) -> Unit:
    return header(B, KEEP if modes is None else modes, new, B, **changes)


def either(a: Unit, b: Unit) -> Unit:
    """A unit in which an element has the bits of both: what the writer of units would not let through."""
    return a[0], bytes(x | y for x, y in zip(a[1], b[1], strict=False))


def sourced(name: str, mode: int, entry: int, kind: int = ElementType.FLOAT32, shape: Any = (6,)) -> dict[str, Any]:
    return new_tensor(name, shape, mode, new_element_type=kind, source_flag=1, source_entry=entry)


def words_of(dtype: Any, *coded: int, mode: int = EXACT, **changes: Any) -> list[Unit]:
    return [full_header({"x": np.zeros(len(coded), dtype)}, mode, **changes), data([coded])]


def whole(change: Callable[..., bytes] | None = None, **changes: Any) -> list[Unit]:
    return [full_header(X), data([VALUES], payload=change, **changes)]


def predicted(*coded: int) -> list[Unit]:
    options = {
        "predictor_count": 1,
        "predictor_taps_minus2": [0],
        "predictor_coefficient": [[[64]]],
        "predictor": [1],
    }
    return [full_header({"x": np.zeros(len(coded), np.int64)}), data([coded], **options)]


VIOLATIONS: list[tuple[str, Tensors | None, Callable[[], list[Unit]]]] = [
    *(("model.name-path", B, lambda name=name: [on_base(new_tensor(name, (0,), EXACT)), data([[]])])
      for name in ("..", "../x", "x/..", "x\\..\\y", "/x", "\\", "C:/x", "c:\\x", "ab:/x")),
    ("model.utf8", B, lambda: [on_base(new_tensor(b"\xed\xa0\x80", (0,), EXACT)), data([[]])]),
    ("model.utf8", B, lambda: [on_base(network_id=b"\xff")]),
    ("model.name-characters", B, lambda: [on_base(model_version=b"\x7f")]),
    ("model.name-unique", None, lambda: [header(None, (), [new_tensor("x", (0,), EXACT)] * 2), data([[]] * 2)]),
    ("model.name-unique", B, lambda: [on_base(new_tensor("b", (0,), EXACT)), data([[]])]),
    ("model.new-shape", None, lambda: [header(None, (), [new_tensor("x", (0, 2**21, 2**20), EXACT)]), data([[]])]),
    ("model.new-shape", None, lambda: [header(None, (), [new_tensor("x", (2**32 - 2,) * 2, EXACT)]), data([[]])]),
    ("model.source-once", B, lambda: [on_base(sourced("x", UNCHANGED, 1, INT32))]),
    ("model.source-once", B, lambda: [on_base(sourced("x", UNCHANGED, 1, INT32), sourced("y", UNCHANGED, 1, INT32),
                                              modes=[UNCHANGED, REMOVED, REMOVED])]),
    ("model.base-tensors", B, lambda: [on_base(modes=KEEP[:2])]),
    ("model.base-tensors", B, lambda: [on_base(modes=[*KEEP, REMOVED])]),
    ("model.new-mode", B, lambda: [on_base(new_tensor("x", (), REMOVED))]),
    ("model.source", B, lambda: [on_base(new_tensor("x", (6,), UNCHANGED))]),
    ("model.source", B, lambda: [on_base(sourced("x", EXACT, 1, INT32), modes=[0, 1, 0]), data([[0] * 6])]),
    ("model.source-format", B, lambda: [on_base(sourced("x", UNCHANGED, 1), modes=[0, 1, 0])]),
    ("model.source-format", B, lambda: [on_base(sourced("x", UNCHANGED, 1, INT32, (5,)), modes=[0, 1, 0])]),
    ("model.source-format", B, lambda: [
        on_base(sourced("x", EXACT_DIFFERENCE, 2), modes=[0, 0, 1]), data([[0] * 6])]),
    ("model.quantized-type", B, lambda: [on_base(modes=[0, QUANTIZED_DIFFERENCE, 0]), data([[0] * 6])]),
    ("model.quantized-type", None, lambda: words_of("i4", 5, mode=QUANTIZED)),
    ("model.copy", B, lambda: [on_base(modes=[UNCHANGED, COPY, UNCHANGED], copies={1: 0})]),
    ("model.copy", B, lambda: [on_base(new_tensor("x", (2, 3), COPY), modes=[REMOVED, 0, 0])]),
    ("model_header.tensor_mode", B, lambda: [either(*(on_base(modes=[0, m, 0]) for m in (EXACT, EXACT_DIFFERENCE)))]),
    ("model_header.step_multiplier", B, lambda: [either(*(on_base(step_multiplier=m) for m in (1, 2)))]),
    ("model_header.new_copy_entry", S, lambda: [
        either(*(header(S, [0] * 6, [new_tensor("x", (), COPY, new_copy_entry=i)]) for i in (4, 5)))]),
    ("model_header.source_entry", S, lambda: [
        either(*(header(S, [REMOVED] * 6, [sourced("x", UNCHANGED, i, shape=())]) for i in (4, 5)))]),
    ("model_header.new_element_type", None, lambda: [
        either(*(full_header({"x": np.zeros(0)}, new_element_type=[i]) for i in (3, 12)))]),
    ("model_data.lanes_log2", None, lambda: [
        full_header(X), either(*(data([VALUES], lanes_log2=n) for n in (3, 12)))]),
    ("model_data.frequency_precision", None, lambda: [
        full_header(X), either(*(data([VALUES], frequency_precision=n) for n in (13, 6)))]),
    ("model_data.model_coder", None, lambda: [full_header(X), (UnitType.MODEL_DATA, b"\xe0\0")]),
    ("model.coded-order", B, lambda: [on_base(modes=[EXACT, EXACT, 0]), data([[0] * 6], first=1)]),
    ("model.coded-order", B, lambda: [on_base(), data([[]])]),
    ("model.complete", B, lambda: [on_base(modes=[EXACT, EXACT, 0]), data([[0] * 6])]),
    ("model.complete", B, lambda: [on_base(modes=[0, EXACT, 0]), on_base()]),
    ("model.value-range", None, lambda: words_of("i2", 2**15)),
    ("model.value-range", None, lambda: words_of("f8", 2**62, mode=QUANTIZED, step_multiplier=1)),
    ("model.finite", None, lambda: words_of("f4", 0x7F800000)),
    ("model.finite", None, lambda: words_of("f2", 65520, mode=QUANTIZED)),
    ("model.bool", None, lambda: words_of("?", 1, 2)),
    ("model.rest-frequency", None, lambda: whole(tables=[
        flat_table(3) | {"frequency_class": [0, 14, 14], "frequency_bits": [0, 0, 0]}])),
    ("model.tables", None, lambda: whole(tables=[flat_table(97)] * 257)),
    ("model.label-axes", None, lambda: [full_header(X), labelled([0, 1], group_last_axis=[[2]])]),
    ("model.context-bound", None, lambda: [full_header(X), labelled([0, 2])]),
    ("model.context-bound", None, lambda: whole(table_offset=[1])),
    ("model.state-range", None, lambda: whole(lambda s, w, raw: bytes_of([LOWEST - 1], w, raw))),
    ("model.words", None, lambda: whole(lambda s, w, raw: bytes_of(s, [*w, 0], raw), word_count=4)),
    ("model.final-states", None, lambda: [
        full_header({"x": np.zeros(0)}), data([[]], payload=lambda *_: bytes_of([LOWEST + 1], []))]),
    ("model.raw-bits", None, lambda: whole(lambda s, w, raw: bytes_of(s, w, raw + "0" * 8))),
    ("model.raw-bits", None, lambda: whole(lambda s, w, raw: bytes_of(s, w, raw + "1"))),
    ("model.raw-bits model.payload-length", None, lambda: whole(lambda s, w, raw: bytes_of(s, w, raw[:-8]))),
    ("model.payload-length", None, lambda: whole(lambda s, w, raw: b"")),
    ("model.predictor-taps", None, lambda: predicted(1, 2, 3)),
    ("model.prediction-range", None, lambda: predicted(0, 2**40)),
    ("model.prediction-range", None, lambda: predicted(2**39, 2**39)),
    ("model.xz-values", None, lambda: [full_header({"x": np.zeros((0, 3))}), xz_data(packed([]))]),
    ("model.xz-values", None, lambda: [full_header({"x": np.zeros((0, 3))}), xz_data(b"")]),
    ("bytes.size", None, lambda: [full_header(X), xz_data(packed(VALUES[1:]), log2=2)]),
    ("bytes.trailing", None, lambda: [full_header(X), xz_data(packed(VALUES) + bytes(4), log2=2)]),
    ("bytes.xz bytes.format", None, lambda: [full_header(X), xz_data(
        lzma.compress(np.array(VALUES, "<i4").tobytes(), lzma.FORMAT_ALONE), log2=2)]),
    ("model.expansion", None, lambda: zeros(MOST - 1, 1, copies=[4, 5])),
    ("model.expansion", None, lambda: zeros(MOST, MOST, copies=[4, 1])),
    ("model.expansion", None, lambda: xz_zeros(3_000_000, 3_000_000)),
    ("model.expansion", None, lambda: [full_header({"x": np.zeros(2**20 + 4096, np.int8)}), xz_data(b"")]),
    ("model.lanes", None, lambda: zeros(MOST + 1)),
    ("model.lanes", None, lambda: [full_header({"x": np.zeros((2**14 + 1, 2), "i4")}), labels_of_rows()]),
    ("model.order", None, lambda: [data([VALUES])]),
    ("model.order", None, list),
    ("model.chain", None, lambda: [*whole(), full_header({})]),
    ("model.chain", None, lambda: [*whole(), header({"x": X["x"] + 1}, [0], result=X)]),
    ("model.base", None, lambda: [header(X, [0], result=X)]),
    ("model.base", B, lambda: whole()),
    ("model.result-digest", None, lambda: [full_header({"x": X["x"] + 1}), data([VALUES])]),
    ("profile.model model.order", None, lambda: [*whole(), (UnitType.FEATURE_DATA, bytes(5))]),
    ("unit.no-rest", None, lambda: [(UnitType.MODEL_HEADER, full_header(X)[1] + b"\0"), data([VALUES])]),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(VIOLATIONS)))
def test_violations_are_rejected_by_both(independent: ModuleType, number: int) -> None:
    requirement, base, make = VIOLATIONS[number]
    # What needs no base can be found before or after what does: 12.4.
    parsed = {"model.complete"} if base else set()
    both_reject(independent, base, stream(*make()), *requirement.split(), *parsed)


def ended(*parts: bytes) -> bytes:
    """A header and units with the end that belongs to them."""
    chain = 0
    for part in parts:
        chain = crc32(part[-4:], chain)
    return b"".join(parts) + pack_unit(UnitType.END_OF_BITSTREAM, end_of()[:-4] + chain.to_bytes(4, "big"))


def test_other_damage_is_rejected_by_both(independent: ModuleType) -> None:
    def reject(update: bytes, requirement: str, exit_code: int = 65) -> None:
        both_reject(independent, None, update, requirement, exit_code=exit_code)

    units = whole()
    good = stream(*units)
    same(independent, None, good)
    parts = cut(good)
    assert b"".join(parts) == good
    reject(b"", "bitstream.signature")
    reject(good[:11], "bitstream.header-complete")
    reject(good[:-1], "unit.complete")
    reject(b"".join(parts[:-1]), "bitstream.end")
    reject(good + b"\0", "bitstream.nothing-after-end")
    reject(b"".join([*parts[:-1], pack_unit(UnitType.METADATA, b"\0\1k\0\0"), parts[-1]]), "end.bitstream-crc")
    reject(stream(*units, end=end_of(1)), "end.sample-counts")
    reject(ended(*parts[:-1], pack_unit(98, b"any", skippable=False)), "unit.unknown", 69)
    same(independent, None, ended(*parts[:-1], pack_unit(98, b"any", skippable=True)))
    reject(ended(*parts[:-1], pack_unit(98, b"any", skippable=True)[:-1] + b"!"), "unit.crc")
    reject(ended(*parts[:2], pack_unit(*units[1], skippable=True)), "unit.skippable-known")
    for profile in (Profile.INTRA, Profile.EXTENDED):
        update = pack_header(profile, Level.L1) + good[12:]
        reject(update, "profile.implemented", 69)
    level = [header(None, (), [new_tensor("x", (2**26 + 1,), EXACT)]), data([[]])]
    both_reject(independent, None, stream(*level), "level.model-elements", "model.expansion")
    many = header(None, (), [new_tensor(f"{i}", (0,), EXACT) for i in range(4097)])
    reject(stream(many), "level.model-tensors")


def outcome(call: Callable[[], Any], error: type[Exception]) -> Any:
    """What becomes of a call: the exit code, or the digest of a model."""
    try:
        return call()
    except error as caught:
        return caught.exit_code  # type: ignore[attr-defined]


def with_digest(unit: Unit, old: bytes, new: bytes) -> Unit:
    """A model header with another result_digest; the same one if `old` is not there any more."""
    bits = f"{int.from_bytes(unit[1], 'big'):0{8 * len(unit[1])}b}"
    bits = bits.replace(*(f"{int.from_bytes(digest, 'big'):0256b}" for digest in (old, new)), 1)
    return unit[0], int(bits, 2).to_bytes(len(unit[1]), "big")


MUTATIONS = 40


def test_mutations_with_right_crcs_have_the_same_outcome(independent: ModuleType) -> None:
    """The digest of the result is put right as well, where a result can be computed."""
    rng = random.Random(12)
    models = [{name: model[name] for name in ("float32.w", "bfloat16.w", "int16.w", "kept")} for model in walk(2)]
    large = {"x": np.random.default_rng(6).standard_normal((24, 20, 3, 3)).cumsum(-1)}
    # Without a dictionary there are no .xz streams: liblzma would ask for memory of any size.
    sources = [(have, refsw.diff_models(have, models[1], digits=2, dictionary=False)) for have in (None, models[0])]
    sources.append((None, refsw.diff_models(None, large, digits=2)))
    count = [0, 0]
    for _ in range(MUTATIONS):
        base, update = sources[rng.randrange(3)]
        units = units_of(update)
        digest = refsw.model_digest(refsw.apply_update(base, update))
        place = rng.randrange(len(units))
        kind, body = units[place]
        mutated = bytearray(body)
        for _ in range(rng.choice([1, 1, 3])):
            # Headers and tables more often than words, the raw bits at the end more often, too.
            i = rng.choice([rng.randrange(60), rng.randrange(len(body)), -rng.randrange(1, 60)]) % len(body)
            mutated[i] ^= 1 << rng.randrange(8)
        units[place] = kind, bytes(mutated)
        head, *rest = units
        forged, _ = finished(
            independent,
            base,
            lambda new: stream(with_digest(head, digest, new), *rest),  # noqa: B023
        )
        theirs = outcome(lambda: refsw.model_digest(refsw.apply_update(base, forged)), refsw.DfcError)  # noqa: B023
        ours = outcome(
            lambda: independent.model_digest(independent.decode(forged, given(independent, base))),  # noqa: B023
            independent.Reject,
        )
        assert theirs == ours
        count[isinstance(theirs, int)] += 1
    assert min(count) >= MUTATIONS // 8


def test_a_receiver_with_another_model(independent: ModuleType) -> None:
    models = walk(4)
    later = refsw.diff_models(models[2], models[3])
    cases = [(models[0], later), (None, later), ({}, later), (models[1], refsw.diff_models(None, models[0]))]
    cases += [(models[2] | {"more": np.zeros(1)}, later), ({**models[2], "kept": np.float32([0.0, 2])}, later)]
    for base, update in cases:
        both_reject(independent, base, update, "model.base")


def test_decoders_of_features_do_not_decode_models_nor_the_reverse(
    independent: ModuleType, streams: dict[str, bytes]
) -> None:
    features = importlib.import_module("dfc_decoder")
    for decode, update in ((features.decode, stream(*whole())), (independent.decode, streams["png"])):
        with pytest.raises(independent.Reject) as caught:
            decode(update)
        assert (caught.value.requirement, caught.value.exit_code) == ("profile.implemented", 69)
    both_reject(independent, None, streams["png"], "profile.implemented", exit_code=69)


def test_its_command_line(tmp_path: Path) -> None:
    models = [{name: x for name, x in model.items() if x.dtype != ml_dtypes.bfloat16} for model in walk(2)]
    update = refsw.diff_models(*models, digits=3)
    good, bad, base = tmp_path / "good.dfc", tmp_path / "bad.dfc", tmp_path / "base.npz"
    good.write_bytes(update)
    bad.write_bytes(update[:-9])
    np.savez(base, **models[0])  # type: ignore[arg-type]
    command = [sys.executable, str(FOLDER / "dfc_models.py")]
    for source, have, code in ((bad, base, 65), (good, "-", 65), (good, tmp_path / "none.npz", 66)):
        out = tmp_path / "rejected.npz"
        assert subprocess.run([*command, have, source, out], capture_output=True, check=False).returncode == code
        assert not out.exists()
    subprocess.run([*command, base, good, tmp_path / "out.npz"], check=True)
    with np.load(tmp_path / "out.npz") as decoded:
        assert refsw.model_digest(dict(decoded)) == refsw.model_digest(refsw.apply_update(models[0], update))


def test_the_update_of_annex_a(independent: ModuleType) -> None:
    base = {
        "bias": np.array([0.5, -0.25], np.float32),
        "steps": np.array(900, np.int64),
        "weight": (np.arange(16) / 8 - 1).astype(np.float32).reshape(4, 4),
    }
    expected = same(independent, base, bytes.fromhex((ROOT / "spec" / "annex-a-update.hex").read_text()))
    assert int(expected["steps"]) == 1000
