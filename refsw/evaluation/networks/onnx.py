"""Informative: any ONNX model, cut at named tensors.

The graph is taken apart by its edges: the front is what the cut's tensors hang on, the back what the output hangs on
when the cut's tensors are given. If the back still needs an input of the model, the tensors do not separate it, and
the message says so. Several tensors make one cut, as in a feature pyramid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.errors import NetworkError
from refsw.evaluation.extras import optional
from refsw.evaluation.networks.base import Complexity, Tensors
from refsw.evaluation.networks.runtime import open_session
from refsw.evaluation.networks.staged import only, run
from refsw.tensor.axes import Array

Places = str | Sequence[str] | Mapping[str, str]


class OnnxNetwork:
    """An ONNX model with one input for pictures, run by ONNX Runtime on one thread.

    Optimisation by the runtime may order sums otherwise in the halves than in the whole, so that the outputs may
    differ in their last bits: `check_cut` says by how much.

    Args:
        path: of the model.
        cuts: for each cut the name of its tensor, or the names of its tensors; or names of one's own with the
            tensors that they stand for.
        output: name of the output that is used; the first without it.

    Raises:
        UsageError: no such tensor, or an input that is none.
        NetworkError: the file is no ONNX model.
    """

    def __init__(self, path: Path, cuts: Mapping[str, Places], output: str | None = None) -> None:
        onnx = optional("onnx")
        try:
            self._data = path.read_bytes()
            self._model = onnx.load_model_from_string(self._data)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from error
        except Exception as error:  # the parser's own type is not public
            raise NetworkError(f"{path}: no ONNX model: {error}") from error
        graph = self._model.graph
        constants = {tensor.name for tensor in graph.initializer}
        inputs = [value.name for value in graph.input if value.name not in constants]
        if len(inputs) != 1:
            raise UsageError(f"{path}: a network takes one input, not {', '.join(inputs) or 'none'}")
        self.input, self.path = inputs[0], path
        outputs = [value.name for value in graph.output]
        if output is not None and output not in outputs:
            raise UsageError(f"{path}: no output {output}: {', '.join(outputs)}")
        self.output = output or outputs[0]
        self._places = {name: _named(places) for name, places in cuts.items()}
        made = {name for node in graph.node for name in node.output}
        for places in self._places.values():
            for tensor in places.values():
                if tensor not in made:
                    raise UsageError(f"{path}: no tensor {tensor}")

    @property
    def cuts(self) -> tuple[str, ...]:
        """Names of the cuts, as they were given."""
        return tuple(self._places)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self._data).hexdigest()

    @cached_property
    def session(self) -> Any:
        """The whole model."""
        return open_session(self._data)

    def cut(self, name: str) -> OnnxCut:
        """The model cut at the tensors of a name.

        Raises:
            UsageError: there is no such cut.
            NetworkError: its tensors do not separate the input from the output.
        """
        if name not in self._places:
            raise UsageError(f"no cut {name}: {', '.join(self._places)}")
        return OnnxCut(self, self._places[name])

    def run(self, images: Array) -> Array:
        """The whole model: binary32 (N, C, H, W) -> its output."""
        return run(self.session, {self.input: images}, [self.output])[self.output]

    def complexity(self, name: str, images: Array) -> Complexity:
        """Multiply-accumulates of Conv, ConvTranspose, Gemm and MatMul on both sides of a cut, for one image."""
        places = self.cut(name).places
        front, back = self.nodes(places.values(), self.input), self.nodes([self.output], *places.values())
        shapes = self._shapes(images[:1])
        counts = [sum(_macs(node, shapes) for node in nodes) for nodes in (front, back)]
        return Complexity(counts[0], counts[1], sum(_size(shapes[tensor]) for tensor in places.values()))

    def nodes(self, results: Iterable[str], *given: str) -> list[Any]:
        """Nodes that some tensors hang on, in the model's order, if others are given.

        Raises:
            NetworkError: they also hang on the input, which is not given.
        """
        makers = {name: node for node in self._model.graph.node for name in node.output if name}
        wanted, seen, chosen = list(results), set(given), set()
        while wanted:
            name = wanted.pop()
            if name in seen:
                continue
            seen.add(name)
            if name == self.input:
                raise NetworkError(
                    f"{self.path}: {', '.join(given)} does not separate the network: its output also hangs on "
                    f"{self.input} by another way"
                )
            if name in makers:
                chosen.add(id(makers[name]))
                wanted += _taken(makers[name])
        return [node for node in self._model.graph.node if id(node) in chosen]

    def part(self, sources: Mapping[str, Any], results: Mapping[str, Any]) -> Any:
        """A session over the nodes between tensors: names -> descriptions of values."""
        onnx = optional("onnx")
        nodes = self.nodes(results, *sources)
        used = {name for node in nodes for name in _taken(node)}
        graph = onnx.helper.make_graph(
            nodes,
            self._model.graph.name,
            list(sources.values()),
            list(results.values()),
            [tensor for tensor in self._model.graph.initializer if tensor.name in used],
        )
        model = onnx.helper.make_model(
            graph,
            opset_imports=self._model.opset_import,
            ir_version=self._model.ir_version,
            functions=self._model.functions,
        )
        return open_session(model.SerializeToString())

    def described(self, names: Iterable[str]) -> dict[str, Any]:
        """Values as the model describes them; others as binary32 of any shape."""
        onnx, graph = optional("onnx"), self._model.graph
        known = {value.name: value for value in (*graph.input, *graph.output)}
        kind = onnx.TensorProto.FLOAT
        return {name: known.get(name) or onnx.helper.make_tensor_value_info(name, kind, None) for name in names}

    def _shapes(self, images: Array) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor for these images."""
        onnx = optional("onnx")
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        value = next(value for value in model.graph.input if value.name == self.input)
        for extent, dimension in zip(images.shape, value.type.tensor_type.shape.dim, strict=True):
            dimension.dim_value = extent
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        values = (*model.graph.value_info, *model.graph.input, *model.graph.output)
        shapes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
        return shapes | {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}


class OnnxCut:
    """An `OnnxNetwork` cut at tensors; both halves are sessions of their own.

    Args:
        network: to cut.
        places: names of one's own -> tensors.
    """

    def __init__(self, network: OnnxNetwork, places: Mapping[str, str]) -> None:
        self._network, self.places = network, dict(places)
        value = network.described([network.input])
        features = network.described(self.places.values())
        self._back = network.part(features, network.described([network.output]))
        self._front = network.part(value, features)

    @property
    def tensors(self) -> tuple[str, ...]:
        """One's own names."""
        return tuple(self.places)

    def front(self, images: Array) -> Tensors:
        """The nodes that the features hang on."""
        found = run(self._front, {self._network.input: images})
        return {name: found[tensor] for name, tensor in self.places.items()}

    def back(self, features: Mapping[str, Array]) -> Array:
        """The nodes that the output hangs on beyond the features."""
        return only(run(self._back, {self.places[name]: tensor for name, tensor in features.items()}))

    def whole(self, images: Array) -> Array:
        """The model as it is."""
        return self._network.run(images)


def onnx_cut(path: Path, tensors: Places, output: str | None = None) -> OnnxCut:
    """An ONNX model cut at one place: `OnnxNetwork` with a single cut."""
    return OnnxNetwork(path, {"cut": tensors}, output).cut("cut")


def _named(places: Places) -> dict[str, str]:
    if isinstance(places, Mapping):
        return dict(places)
    return {name: name for name in ([places] if isinstance(places, str) else places)}


def _taken(node: Any) -> list[str]:
    """Tensors that a node takes, by way of inner graphs (If, Loop) too."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            inner = {name for n in graph.node for name in n.output} | {v.name for v in graph.input}
            inner |= {tensor.name for tensor in graph.initializer}
            taken = [name for n in graph.node for name in _taken(n)] + [v.name for v in graph.output]
            names += [name for name in taken if name not in inner]
    return names


def _macs(node: Any, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Multiply-accumulates of a node; 0 for all but products."""
    if node.op_type == "Conv":  # weight: (outputs, inputs / groups, height, width)
        return _size(shapes[node.output[0]]) * _size(shapes[node.input[1]][1:])
    if node.op_type == "ConvTranspose":  # weight: (inputs, outputs / groups, height, width)
        return _size(shapes[node.input[0]]) * _size(shapes[node.input[1]][1:])
    if node.op_type in ("Gemm", "MatMul"):
        transposed = any(a.name == "transA" and a.i for a in node.attribute)
        return _size(shapes[node.output[0]]) * shapes[node.input[0]][0 if transposed else -1]
    return 0


def _size(shape: Sequence[int]) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size
