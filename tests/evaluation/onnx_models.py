"""ONNX models that the tests of networks are made with."""

from __future__ import annotations

import numpy as np
import pytest

from refsw.evaluation.networks import Complexity

onnx = pytest.importorskip("onnx", reason="models are made with onnx")
pytest.importorskip("onnxruntime", reason="networks are run by onnxruntime")

helper, FLOAT, HALF = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
node, value = helper.make_node, helper.make_tensor_value_info
IMAGES = np.random.default_rng(4).standard_normal((1, 3, 8, 8)).astype(np.float32)
PLAIN = [
    node("Conv", ["x", "w1"], ["c1"], pads=[1] * 4),
    node("Relu", ["c1"], ["r1"]),
    node("Conv", ["r1", "w2"], ["c2"], pads=[1] * 4),
    node("Relu", ["c2"], ["r2"]),
    node("GlobalAveragePool", ["r2"], ["g"]),
    node("Flatten", ["g"], ["f"]),
    node("Gemm", ["f", "w3"], ["y"], transB=1),
]
SIZES = {"w1": (4, 3, 3, 3), "w2": (6, 4, 3, 3), "w3": (5, 6)}
CONV1, CONV2, LAST = 64 * 4 * 27, 64 * 6 * 36, 5 * 6
AFTER_R1 = Complexity(CONV1, CONV2 + LAST, 4 * 64)


def weights(dtype=np.float32, **more):
    rng = np.random.default_rng(5)
    made = {name: (0.3 * rng.standard_normal(size)).astype(dtype) for name, size in SIZES.items()} | more
    return [onnx.numpy_helper.from_array(array, name) for name, array in made.items()]


def stored(
    path, nodes=PLAIN, *, image=("N", 3, "H", "W"), kind=FLOAT, output=None, constants=None, domains=(), ir=8, **rest
):
    outputs = output or [value("y", kind, ["N", 5])]
    graph = helper.make_graph(
        nodes, "g", [value("x", kind, image)], outputs, constants or weights(), value_info=rest.pop("values", ())
    )
    opsets = [helper.make_opsetid("", 11 if ir == 3 else 17), *(helper.make_opsetid(name, 1) for name in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=ir, functions=rest.pop("functions", ()))
    if ir == 3:
        model.graph.input.extend(value(name, FLOAT, size) for name, size in SIZES.items())
    onnx.save_model(model, path, **rest)
    return path
