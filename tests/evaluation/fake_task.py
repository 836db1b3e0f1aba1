"""A deterministic task for the tests of anchor runs: two cuts, outputs that depend on every element."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path

import numpy as np

SHAPES = {"early": (4, 12, 12), "late": (6, 6, 6), "vector": (32,)}


class FakeTask:
    def __init__(self, condition):
        self.options = condition.get("options", {})
        self.count = self.options.get("count", 6)
        self.delay = self.options.get("delay", 0)
        self.weights = Path(self.options["weights"]).read_bytes() if "weights" in self.options else b"fixed"
        if self.options.get("missing"):
            from refsw.errors import UsageError

            raise UsageError(f"{self.options['missing']}: no such file")

    def items(self):
        return [f"item{i}" for i in range(self.count)]

    def features(self, item, layer):
        if layer == "both":
            return {name: self.features(item, name) for name in ("early", "late")}
        if self.options.get("die") == item:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.options.get("raise") == item:
            raise ZeroDivisionError(f"of {item}")
        if "log" in self.options:
            with open(self.options["log"], "a") as file:
                file.write(f"{item} {layer}\n")
        time.sleep(self.delay)
        once = Path(self.options.get("die_once", "/"))
        if not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        rng = np.random.default_rng([int(item[4:]), list(SHAPES).index(layer), *self.weights[:8]])
        x = rng.standard_normal(SHAPES[layer]).cumsum(-1)
        return np.maximum(x, 0).astype(np.float32)

    def outputs(self, item, layer, decoded):
        parts = decoded.values() if isinstance(decoded, dict) else [decoded]
        if layer != "both":
            assert decoded.shape == SHAPES[layer]
        flat = np.concatenate([part.ravel() for part in parts]).astype(np.float64)
        return {"sum": float(flat.sum()), "parts": flat[: len(flat) // 8 * 8].reshape(8, -1).sum(1)}

    def reference(self, item):
        time.sleep(self.delay)
        outputs = {layer: self.outputs(item, layer, self.features(item, layer)) for layer in [*SHAPES, "both"]}
        if self.options.get("nan") == item:
            outputs["late"]["parts"][0] = np.nan
        return outputs

    def score(self, layer, outputs, references):
        assert list(outputs) == self.items()
        total = norm = 0.0
        for item, output in outputs.items():
            parts = output.get(layer, output)["parts"]
            total += float(np.abs(parts - references[item][layer]["parts"]).sum())
            norm += float(np.abs(references[item][layer]["parts"]).sum())
        return {"fidelity": 1 / (1 + 20 * total / norm), "closeness": -total}

    def fingerprint(self):
        return {"weights": hashlib.sha256(self.weights).hexdigest()}

    def item_digest(self, item):
        return hashlib.sha256(item.encode()).hexdigest()

    def input_pixels(self, item):
        return 144

    def complexity(self, layer):
        return {"macs_front": 1000, "macs_back": 2000}


def open_task(condition):
    return FakeTask(condition)
