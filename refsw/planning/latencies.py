"""Informative: how long every node of an ONNX network takes: measured here, by the profile of ONNX Runtime.

One thread, nodes as the model has them (not optimised), of each the least of several runs: what other processes take
away is not the node's.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from refsw.evaluation.networks.base import size_of
from refsw.evaluation.networks.products import macs_of_nodes, measured_shapes
from refsw.evaluation.networks.runtime import run
from refsw.extras import optional
from refsw.tensor.axes import Array

RUNS = 10
KERNEL = "_kernel_time"


@dataclass(frozen=True, slots=True)
class Layer:
    """A node: what it does, what that depends on, and how long it took.

    Args:
        name, kind: of the node: `Conv`, `Conv 1x1`, `Conv depthwise`, `Gemm`...
        macs: multiply-accumulates.
        taken, given, held: elements of the inputs that are computed, of the outputs, and of the weights.
        seconds: measured; 0 where it was not.
    """

    name: str
    kind: str
    macs: int
    taken: int
    given: int
    held: int
    seconds: float = 0.0


def layers_of(path: Path, inputs: Mapping[str, Array], *, runs: int = RUNS) -> list[Layer]:
    """Every node of a model with its time, in order.

    Args:
        path: of the model.
        inputs: by name, what it is run on.
        runs: how often; 0 measures nothing.

    Raises:
        NetworkError: the model does not run on these inputs.
    """
    model = optional("onnx").load(path)
    for number, node in enumerate(model.graph.node):
        node.name = f"n{number}"  # names may be empty, or there twice
    seconds = _seconds(model.SerializeToString(), inputs, runs) if runs else {}
    described = _described(model, inputs, str(path))
    return [replace(layer, seconds=seconds.get(name, 0.0)) for name, layer in described.items()]


def _described(model: Any, inputs: Mapping[str, Array], name: str) -> dict[str, Layer]:
    nodes = list(model.graph.node)
    weights = {tensor.name for tensor in model.graph.initializer}
    tensors = {t for node in nodes for t in (*node.input, *node.output) if t} - set(inputs)
    shapes = measured_shapes(model, inputs, tensors, name) | {k: v.shape for k, v in inputs.items()}
    found = {}
    for node in nodes:
        own = [shapes[t] for t in node.input if t and t not in weights]
        held = [shapes[t] for t in node.input if t in weights]
        given = [shapes[t] for t in node.output if t]
        counts = [sum(map(size_of, sizes)) for sizes in (own, given, held)]
        macs = macs_of_nodes([node], shapes) or 0
        found[node.name] = Layer(node.output[0], _kind(node, held), macs, *counts)
    return found


def _kind(node: Any, held: list[tuple[int, ...]]) -> str:
    if node.op_type != "Conv" or not held:
        return str(node.op_type)
    outputs, inputs, *kernel = held[0]
    return "Conv depthwise" if inputs == 1 < outputs else "Conv 1x1" if set(kernel) == {1} else "Conv"


def _seconds(model: bytes, inputs: Mapping[str, Array], runs: int) -> dict[str, float]:
    runtime = optional("onnxruntime")
    with tempfile.TemporaryDirectory(prefix="refsw-") as folder:
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for _ in range(runs + 1):
            run(session, inputs)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    found: dict[str, float] = {}
    for name, duration in _kernels(events):
        found[name] = min(found.get(name, math.inf), duration / 1e6)
    return found


def _kernels(events: Any) -> Iterator[tuple[str, float]]:
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith(KERNEL):
            yield name.removesuffix(KERNEL), float(event["dur"])
