"""Informative: trained networks as files: safetensors for model updates, ONNX for everything that runs networks.

The ONNX model has the outputs of the stages as tensors of their names, so that it can be cut at any of them
(`refsw anchor`, docs/anchors.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.extras import optional
from refsw.learning.networks import state_of
from refsw.tensor.axes import Array

OPSET, IR_VERSION = 17, 8
INPUT, BATCH = "pictures", "N"


def as_safetensors(network: Any) -> bytes:
    """The weights, as `refsw model` reads them."""
    data: bytes = optional("safetensors.numpy").save(state_of(network))
    return data


def as_onnx(network: Any, sides: tuple[int, int, int]) -> bytes:
    """A network of named stages as an ONNX model; batch normalisation with the statistics of training.

    Args:
        network: of convolutions, linear layers, batch normalisation, ReLU, clamps, maximum pooling and flattening.
        sides: (C, H, W) of its input.

    Raises:
        UsageError: a layer of another kind, or onnx is not installed.
    """
    onnx = optional("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: Any) -> str:
        array = value.detach().numpy() if hasattr(value, "detach") else value
        constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name

    current = INPUT
    for stage, module in network.named_children():
        layers = list(module.named_modules()) if list(module.children()) else [("", module)]
        leaves = [(f"{stage}.{name}" if name else stage, layer) for name, layer in layers if not list(layer.children())]
        for number, (name, layer) in enumerate(leaves, 1):
            output = stage if number == len(leaves) else f"{name}.out"
            kind, inputs, attributes = _operator(layer, name, constant)
            nodes.append(helper.make_node(kind, [current, *inputs], [output], **attributes))
            current = output
    values = [
        helper.make_tensor_value_info(INPUT, kinds.FLOAT, [BATCH, *sides]),
        helper.make_tensor_value_info(current, kinds.FLOAT, [BATCH, None]),
    ]
    graph = helper.make_graph(nodes, "network", values[:1], values[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def _operator(layer: Any, name: str, constant: Any) -> tuple[str, list[str], dict[str, Any]]:
    """The operator of a layer, its inputs beside the values, and its attributes."""
    nn = optional("torch").nn
    if isinstance(layer, nn.Conv2d):
        pads = [*layer.padding, *layer.padding]
        return "Conv", [constant(f"{name}.weight", layer.weight)], {"pads": pads, "strides": list(layer.stride)}
    if isinstance(layer, nn.Linear):
        weights = [constant(f"{name}.weight", layer.weight), constant(f"{name}.bias", layer.bias)]
        return "Gemm", weights, {"transB": 1}
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        parts = ("weight", "bias", "running_mean", "running_var")
        return (
            "BatchNormalization",
            [constant(f"{name}.{part}", getattr(layer, part)) for part in parts],
            {"epsilon": layer.eps},
        )
    if isinstance(layer, nn.ReLU):
        return "Relu", [], {}
    if isinstance(layer, nn.Hardtanh):
        ends: list[Array] = [np.array(end, np.float32) for end in (layer.min_val, layer.max_val)]
        return "Clip", [constant(f"{name}.{side}", end) for side, end in zip(("low", "high"), ends, strict=True)], {}
    if isinstance(layer, nn.MaxPool2d):
        return "MaxPool", [], {"kernel_shape": [layer.kernel_size] * 2, "strides": [layer.stride] * 2}
    if isinstance(layer, nn.Flatten):
        return "Flatten", [], {"axis": 1}
    raise UsageError(f"{name}: a {type(layer).__name__} is not exported to ONNX")
