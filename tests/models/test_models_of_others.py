"""Models as other programs hold and store them: modules of PyTorch, compiled ones, indexes of several files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import refsw
from refsw.errors import FeatureError
from refsw.models.files import open_model

RNG = np.random.default_rng(2)
WEIGHTS = {f"layer{i}.weight": RNG.standard_normal((8, 6), np.float32) for i in range(4)}


def indexed(folder: Path, names: dict[str, str]) -> Path:
    for file in set(names.values()):
        save_file({n: w for n, w in WEIGHTS.items() if names.get(n) == file}, folder / file, metadata={"format": "pt"})
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": names}))
    return path


def test_an_index_of_several_files_is_the_model_in_them(tmp_path: Path) -> None:
    model = open_model(indexed(tmp_path, {n: f"model-{i % 2}.safetensors" for i, n in enumerate(WEIGHTS)}))
    assert refsw.model_digest(model) == refsw.model_digest(WEIGHTS)
    assert model.texts == {"format": "pt"}


@pytest.mark.parametrize(
    ("document", "told"),
    [("[1]", "no weight_map"), ('{"weight_map": 3}', "no weight_map"), ("{", "no weight_map"),
     ('{"weight_map": {"x": "../a.safetensors"}}', "no .safetensors file beside it"),
     ('{"weight_map": {"x": "m.safetensors.index.json"}}', "no .safetensors file beside it"),
     ('{"weight_map": {"x": 5}}', "x is in 5, which is no .safetensors file beside it"),
     ('{"weight_map": {"x": "a.safetensors"}}', "x is not in a.safetensors")],
)  # fmt: skip
def test_a_wrong_index_is_refused_with_its_name(tmp_path: Path, document: str, told: str) -> None:
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    path = tmp_path / "m.safetensors.index.json"
    path.write_text(document)
    with pytest.raises(FeatureError, match=told) as caught:
        open_model(path)
    assert str(path) in str(caught.value)


def test_names_of_a_compiled_module_are_those_of_the_module(tmp_path: Path) -> None:
    compiled = {f"_orig_mod.{name}": w for name, w in WEIGHTS.items()}
    inner = {name.replace("layer", "net._orig_mod.layer"): w for name, w in WEIGHTS.items()}
    assert refsw.model_digest(compiled) == refsw.model_digest(WEIGHTS)
    assert refsw.model_digest(inner) == refsw.model_digest({f"net.{name}": w for name, w in WEIGHTS.items()})
    save_file(compiled, tmp_path / "c.safetensors")
    assert refsw.model_digest(open_model(tmp_path / "c.safetensors")) == refsw.model_digest(WEIGHTS)
    newer = {name: w + np.float32(0.01) for name, w in compiled.items()}
    assert set(refsw.apply_update(WEIGHTS, refsw.diff_models(WEIGHTS, newer))) == set(WEIGHTS)
    both = compiled | WEIGHTS
    assert refsw.model_digest(both) != refsw.model_digest(WEIGHTS)


def test_a_module_of_pytorch_is_a_model() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    old, new = torch.nn.Linear(6, 8), torch.nn.Linear(6, 8)
    for convert in (lambda m: m, lambda m: m.half(), lambda m: m.bfloat16()):
        old, new = convert(old), convert(new)
        update = refsw.diff_models(old, new)
        result = refsw.apply_update(old, update)
        assert set(result) == {"weight", "bias"}
        assert refsw.model_digest(old) == refsw.model_digest(old.state_dict())
        assert np.abs(result["weight"].astype(np.float32) - new.weight.detach().float().numpy()).max() < 1e-2


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(FeatureError, match="a list is no model"):
        refsw.model_digest([1, 2])
