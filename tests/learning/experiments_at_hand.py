"""A small experiment on pictures that are made for it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tests.learning.networks_at_hand  # noqa: F401 - which skips where there is no PyTorch
from refsw.learning.experiment import parse_experiment
from refsw.learning.run import ExperimentRun

for package in ("yaml", "scipy"):
    pytest.importorskip(package, reason=f"experiments need {package}")

DOCUMENT: dict[str, Any] = {
    "name": "small",
    "title": "A small experiment",
    "seeds": [0, 1],
    "data": {"kind": "folder", "root": "pictures"},
    "network": {"size": 8, "layers": [4, "pool", 6, "pool"], "hidden": 6},
    "training": {"steps": 4, "labelled_batch": 6, "batch": 8},
    "target": {"domain": "noisy", "samples": 24, "labelled": 9, "test": 12},
    "sources": {"one": {"samples": 10, "epochs": 1}, "two": {"domain": "negative", "samples": 10, "epochs": 1},
                "random": {"untrained": True}},
    "runs": {"baseline": {"method": "labels"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of three classes that differ in brightness."""
    root, rng = tmp_path_factory.mktemp("learning"), np.random.default_rng(0)
    for label in range(3):
        (root / "pictures" / f"class{label}").mkdir(parents=True)
        for number in range(20):
            picture = rng.integers(0, 60, (8, 8)) + 80 * label
            Image.fromarray(picture.astype(np.uint8)).save(root / "pictures" / f"class{label}" / f"{number}.png")
    return root


def experiment(folder: Path, **changes: Any) -> Any:
    return parse_experiment(copy.deepcopy(DOCUMENT) | changes, folder)


def run(folder: Path, out: Path, *, keep: bool = False, **changes: Any) -> list[Any]:
    with ExperimentRun(experiment(folder, **changes), out, keep=keep) as job:
        return list(job.work())
