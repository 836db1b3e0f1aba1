"""Informative: multiply-accumulates of the nodes of an ONNX model.

Shapes are measured: the model is run once with the shapes of its tensors as outputs. Inference without running leaves
out what hangs on data (Reshape to a computed shape, Resize, If), and believes shapes that a file states wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from refsw.evaluation.networks.base import size_of
from refsw.evaluation.networks.runtime import open_session, run
from refsw.extras import optional
from refsw.tensor.axes import Array

Shapes = Mapping[str, tuple[int, ...]]

# Type of node -> its inputs whose shapes count.
CONVOLUTIONS = {"Conv": (0, 1), "ConvInteger": (0, 1), "QLinearConv": (0, 3), "DeformConv": (0, 1)}
PRODUCTS = {"Gemm": (0, 1), "MatMul": (0, 1), "MatMulInteger": (0, 1), "QLinearMatMul": (0, 3)}
COUNTED = {**CONVOLUTIONS, **PRODUCTS, "ConvTranspose": (0, 1)}
UNCOUNTED = {"If", "Loop", "Scan", "SequenceMap", "LSTM", "GRU", "RNN", "Einsum", "Attention", "DFT", "STFT"}
DOMAINS = ("", "ai.onnx")


def macs_of_nodes(nodes: Iterable[Any], shapes: Shapes) -> int | None:
    """Multiply-accumulates of convolutions and matrix products; what else nodes do is not counted.

    Returns:
        None if one of the nodes may hold products whose number its shapes do not say: an inner graph, a recurrent
        layer, a node that is not of ONNX itself.
    """
    total = 0
    for node in nodes:
        if node.op_type in UNCOUNTED or node.domain not in DOMAINS:
            return None
        total += _macs(node, shapes)
    return total


def measured_shapes(
    model: Any, inputs: Mapping[str, Array], wanted: Iterable[str], name: str
) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors that `macs_of_nodes` asks for, and of others.

    Args:
        model: an ONNX model.
        inputs: that are put in.
        wanted: names of the other tensors.
        name: of the model, for messages.

    Raises:
        NetworkError: the model does not run on these inputs.
    """
    onnx, own = optional("onnx"), "refsw.shape."
    graph = model.graph
    shapes = {tensor.values.name: tuple(tensor.dims) for tensor in graph.sparse_initializer}
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    tensors = {place for node in graph.node for place in _counted(node)} | set(wanted)
    asked = sorted(tensors - set(shapes))
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:], copy.graph.value_info[:]
    for tensor in asked:
        copy.graph.node.append(onnx.helper.make_node("Shape", [tensor], [own + tensor]))
        copy.graph.output.append(onnx.ValueInfoProto(name=own + tensor))
    if not asked:
        return shapes
    # Optimised, the runtime would put the shape that the file states in place of the one that there is.
    found = run(open_session(copy.SerializeToString(), name, optimised=False), inputs)
    return shapes | {tensor.removeprefix(own): tuple(map(int, shape)) for tensor, shape in found.items()}


def _counted(node: Any) -> list[str]:
    """Tensors of a node whose shapes say how many products it takes: two inputs, and the output."""
    if node.op_type not in COUNTED or node.domain not in DOMAINS:
        return []
    return [*(node.input[i] for i in COUNTED[node.op_type]), node.output[0]]


def _macs(node: Any, shapes: Shapes) -> int:
    """Multiply-accumulates of a node; 0 for all but products."""
    if not _counted(node):
        return 0
    first, second, output = (shapes[name] for name in _counted(node))
    if node.op_type == "ConvTranspose":  # weight: (inputs, outputs / groups, height, width)
        return size_of(first) * size_of(second[1:])
    if node.op_type in CONVOLUTIONS:  # weight: (outputs, inputs / groups, height, width)
        return size_of(output) * size_of(second[1:])
    transposed = any(a.name == "transA" and a.i for a in node.attribute)
    return size_of(output) * first[0 if transposed else -1]
