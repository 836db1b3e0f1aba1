"""Informative: a device profile: a regression of the latency of layers, which can be exported and used elsewhere.

For each kind of layer the logarithm of its time is linear in the logarithms of its multiply-accumulates and of the
elements that it takes, gives and holds (Kang et al., ASPLOS 2017, have regressions of the same kind). It is learned
from random layers that are measured on the device, or from the layers of networks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.extras import optional
from refsw.planning.latencies import Layer, layers_of
from refsw.tensor.axes import Array

FORMAT = "refsw-device-2"
OTHER = "other"
"""A kind that is for those that a profile has not learned."""
FEWEST = 6
"""Layers of a kind from which it has a regression of its own."""
RIDGE = 1e-3
KNEE, KNEE_MACS = 6000, 60_000
"""Elements and multiply-accumulates below which the time of a layer is that of starting it, and no longer falls."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A device.

    Args:
        name: of the device.
        kinds: kind of layer -> coefficients of 1, and of the logarithms of macs + `KNEE_MACS` and of taken, given and
            held + `KNEE`.
        layers: how many were measured.
    """

    name: str
    kinds: Mapping[str, tuple[float, ...]]
    layers: int

    def seconds(self, layer: Layer) -> float:
        """The time predicted of a layer."""
        weights = self.kinds.get(layer.kind, self.kinds[OTHER])
        return math.exp(float(np.dot(weights, _terms(layer))))

    def predicted(self, layers: Sequence[Layer]) -> list[Layer]:
        """The same layers with the times predicted."""
        return [replace(layer, seconds=self.seconds(layer)) for layer in layers]

    def as_json(self) -> str:
        """The file in which profiles are exchanged."""
        kinds = {kind: list(weights) for kind, weights in self.kinds.items()}
        return json.dumps({"format": FORMAT, "name": self.name, "layers": self.layers, "kinds": kinds}, indent=1) + "\n"


def read_profile(path: Path) -> Profile:
    """A profile from its file.

    Raises:
        UsageError: it is absent, damaged, or of another version.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise UsageError(f"{path}: a profile of format {told['format']}, this refsw reads {FORMAT}")
        kinds = {str(kind): tuple(map(float, weights)) for kind, weights in told["kinds"].items()}
        if OTHER not in kinds or any(len(w) != 5 or not all(map(math.isfinite, w)) for w in kinds.values()):
            raise UsageError(f"{path}: damaged: five finite coefficients of each kind, and of {OTHER}")
        return Profile(str(told["name"]), kinds, int(told["layers"]))
    except UsageError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path}: no device profile: {error}") from error


def learned(name: str, layers: Sequence[Layer]) -> Profile:
    """The regression of layers that were measured.

    Raises:
        UsageError: there are too few.
    """
    known = [layer for layer in layers if layer.seconds > 0]
    if len(known) < FEWEST:
        raise UsageError(f"{len(known)} layers: at least {FEWEST} make a profile")
    by_kind: dict[str, list[Layer]] = {}
    for layer in known:
        by_kind.setdefault(layer.kind, []).append(layer)
    kinds = {kind: _fit(own) for kind, own in by_kind.items() if len(own) >= FEWEST}
    return Profile(name, kinds | {OTHER: _fit(known)}, len(known))


def error_of(profile: Profile, layers: Sequence[Layer]) -> float:
    """Median over layers of |predicted - measured| / measured.

    Raises:
        UsageError: none was measured.
    """
    known = [layer for layer in layers if layer.seconds > 0]
    if not known:
        raise UsageError("no layer that was measured")
    return median(abs(profile.seconds(layer) / layer.seconds - 1) for layer in known)


def slowdown_of(profile: Profile, network: Path, inputs: Mapping[str, Array]) -> float:
    """How much slower a device is than this machine: the time predicted of a network / the time that it takes here.

    Raises:
        NetworkError: the network does not run on these inputs.
    """
    layers = [layer for layer in layers_of(network, inputs) if layer.seconds > 0]
    return sum(map(profile.seconds, layers)) / sum(layer.seconds for layer in layers)


def _fit(layers: Sequence[Layer]) -> tuple[float, ...]:
    """Least squares over logarithms; a small ridge holds what the layers do not tell, such as constant terms."""
    x = np.array([_terms(layer) for layer in layers])
    y = np.log([layer.seconds for layer in layers])
    middle = x.mean(axis=0)
    centred = x - middle
    weights = np.linalg.solve(centred.T @ centred + RIDGE * np.eye(x.shape[1]), centred.T @ (y - y.mean()))
    weights[0] = y.mean() - float(middle[1:] @ weights[1:])
    return tuple(float(weight) for weight in weights)


def _terms(layer: Layer) -> list[float]:
    elements = (layer.taken, layer.given, layer.held)
    return [1.0, math.log(layer.macs + KNEE_MACS), *(math.log(count + KNEE) for count in elements)]


def random_layers(count: int, *, seed: int = 0, runs: int = 10) -> list[Layer]:
    """Layers of networks for pictures with sizes at random, measured here.

    Args:
        count: how many, of all kinds together.
        seed: of sizes.
        runs: of each.
    """
    rng = np.random.default_rng(seed)
    found = []
    with TemporaryDirectory(prefix="refsw-") as folder:
        for number, (model, shape) in enumerate(_models(count, rng)):
            path = Path(folder) / f"{number}.onnx"
            path.write_bytes(model.SerializeToString())
            given = rng.standard_normal(shape).astype(np.float32)
            found += layers_of(path, {"x": given}, runs=runs)
    return found


KINDS = ("Conv 1x1", "Conv", "Conv 1x1", "Conv", "depthwise", "Gemm", "Relu", "Add", "MaxPool", "BatchNormalization",
         "Sigmoid", "Mul", "Concat", "GlobalAveragePool")  # fmt: skip


def _models(count: int, rng: np.random.Generator) -> Iterator[tuple[Any, tuple[int, ...]]]:
    helper = optional("onnx").helper
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        # A fifth of them without places, as behind a global pooling; others up to what stands first in a network.
        side = 1 if rng.random() < 0.2 else int(np.exp(rng.uniform(np.log(4), np.log(224))))
        channels = int(np.exp(rng.uniform(np.log(3), np.log(min(1024, 800_000 // side**2)))))
        shape: tuple[int, ...] = (1, channels, side, side)
        weights: dict[str, Array] = {}
        options: dict[str, Any] = {}
        inputs = ["x"]
        if kind in ("Conv", "Conv 1x1", "depthwise"):
            kernel = 1 if kind == "Conv 1x1" else 3 if kind == "depthwise" else int(rng.choice([3, 3, 5]))
            groups = channels if kind == "depthwise" else 1
            most = min(512, 4_000_000 // side**2)
            outputs = channels if kind == "depthwise" else int(np.exp(rng.uniform(np.log(8), np.log(most))))
            weights["w"] = rng.standard_normal((outputs, channels // groups, kernel, kernel)).astype(np.float32)
            options = {"group": groups, "pads": [kernel // 2] * 4, "strides": [int(rng.choice([1, 1, 2]))] * 2}
        elif kind == "Gemm":
            shape = (1, channels)
            weights["w"] = rng.standard_normal((channels, int(rng.integers(10, 2000)))).astype(np.float32)
        elif kind in ("Add", "Mul", "Concat"):
            inputs.append("x")
            options = {"axis": 1} if kind == "Concat" else {}
        elif kind == "MaxPool":
            options = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}
        elif kind == "BatchNormalization":
            weights = {name: np.ones(channels, np.float32) for name in ("s", "b", "m", "v")}
        node = helper.make_node(
            "Conv" if "w" in weights and kind != "Gemm" else kind, [*inputs, *weights], ["y"], **options
        )
        value = helper.make_tensor_value_info
        held = [optional("onnx").numpy_helper.from_array(array, name) for name, array in weights.items()]
        graph = helper.make_graph([node], "layer", [value("x", 1, shape)], [value("y", 1, None)], held)
        yield helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), shape
