"""Vectors of model updates: the base goes to the decoder, the model that comes back is known by its digest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from refsw.conformance import model_comparison
from refsw.conformance.outputs import write_raw
from refsw.conformance.suite import digest_of
from refsw.models.state import model_digest
from tests.conformance import making
from tests.conformance.making import digest, judge

MODEL: dict[str, Any] = {
    "conv.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "bn.count": np.array(7, np.int64),
    "half": np.ones(2, ml_dtypes.bfloat16),
    "empty": np.zeros((0, 4), np.float16),
}
DECODER = """
import numpy as np
from refsw.conformance.models import load_model
def right(data, base):
    model = load_model(base)
    model["conv.weight"] = model["conv.weight"] + np.float32(1)
    return model
def wrong(data, base):
    model = right(data, base)
    model["conv.weight"][1, 2] = np.nextafter(model["conv.weight"][1, 2], np.float32(0))
    return model
def fewer(data, base):
    return {k: v for k, v in right(data, base).items() if k != "half"}
"""


def test_the_digest_of_a_model_by_hand() -> None:
    text = b"float32 2 2 3 11\nconv.weight" + MODEL["conv.weight"].tobytes()
    scalar = b"int64 0 8\nbn.count" + MODEL["bn.count"].tobytes()
    both = hashlib.sha256(scalar).digest() + hashlib.sha256(text).digest()
    wanted = hashlib.sha256(b"DFC model\n" + both).hexdigest()
    assert model_digest({name: MODEL[name] for name in ("conv.weight", "bn.count")}).hex() == wanted


@pytest.fixture
def update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite with one vector whose update is read by the decoders above alone."""
    result = MODEL | {"conv.weight": MODEL["conv.weight"] + np.float32(1)}
    monkeypatch.setattr(model_comparison, "apply", lambda data, base: result)
    (tmp_path / "mine.py").write_text(DECODER)
    entry = making.vector(tmp_path, "model-update", b"an update", "malformed")
    del entry["error"]
    with (tmp_path / "test_vectors" / "base.raw").open("wb") as file:
        write_raw(file, MODEL)
    base = {"file": "base.raw", "sha256": digest((tmp_path / "test_vectors" / "base.raw").read_bytes())}
    expected = {"model": {"digest": model_digest(result).hex()}}
    return making.suite(tmp_path, [entry | {"kind": "valid", "profile": "MODEL", "base": base, "expected": expected}])


def test_a_model_is_compared_by_its_digest(update: Path) -> None:
    (result,) = judge(update, f"{update.parent}/mine.py:right").results
    assert (str(result.outcome), result.reason) == ("PASS", "")


def test_a_wrong_element_of_a_model_is_located(update: Path) -> None:
    (result,) = judge(update, f"{update.parent}/mine.py:wrong").results
    (found,) = result.mismatches
    assert (found["checkpoint"], found["tensor"], found["index"]) == ("model", "conv.weight", [1, 2])
    assert (found["ulps"], found["differing"], found["elements"]) == (1, 1, 6)
    assert "at [1, 2]" in result.reason


def test_a_missing_tensor_of_a_model_is_named(update: Path) -> None:
    (result,) = judge(update, f"{update.parent}/mine.py:fewer").results
    assert (result.mismatches[0]["checkpoint"], result.mismatches[0]["expected"]) == ("header", "half")


def test_a_changed_base_is_an_error_of_the_harness(update: Path) -> None:
    (update.parent / "test_vectors" / "base.raw").write_bytes(b"")
    (result,) = judge(update, f"{update.parent}/mine.py:right").results
    assert str(result.outcome) == "HARNESS_ERROR"


def test_entries_are_known_by_their_contents() -> None:
    assert digest_of(json.loads('{"b": 1, "a": [1]}')) == digest_of({"a": [1], "b": 1})
