"""Model updates through refsw and through the decoder that is written from spec/ alone."""

from __future__ import annotations

import importlib
import lzma
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "models"))
from model_streams import (  # noqa: E402
    ALL_DTYPES,
    Unit,
    data,
    full_header,
    random_array,
)

import refsw  # noqa: E402
from refsw.syntax.codes import (  # noqa: E402
    TensorMode,
)

FOLDER = ROOT / "conformance" / "independent"


UNCHANGED, REMOVED, COPY, QUANTIZED_DIFFERENCE, QUANTIZED, EXACT_DIFFERENCE, EXACT = TensorMode


Tensors = dict[str, Any]


@pytest.fixture(name="independent", scope="module")
def independent_models() -> Iterator[ModuleType]:
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


# --- what is allowed, at its edge ---

X = {"x": np.array([[3, -1, 0], [70, -900, 5]], np.int32)}


VALUES = [3, -1, 0, 70, -900, 5]


def packed(coded: list[int], **options: Any) -> bytes:
    return lzma.compress(np.array(coded, "<i4").tobytes(), check=lzma.CHECK_CRC32, **options)


def whole(change: Callable[..., bytes] | None = None, **changes: Any) -> list[Unit]:
    return [full_header(X), data([VALUES], payload=change, **changes)]
