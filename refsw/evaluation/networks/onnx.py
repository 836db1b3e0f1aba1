"""Informative: any ONNX model, cut at named tensors.

The graph is taken apart by its edges: the front is what the cut's tensors hang on, the back what the output hangs on
when the cut's tensors are given. If the back still needs an input of the model, the tensors do not separate it, and
the message says so. Several tensors make one cut, as in a feature pyramid.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.errors import NetworkError
from refsw.evaluation.networks.base import Complexity, Tensors, size_of
from refsw.evaluation.networks.graphs import constants, graphs, put_in_order, reached, taken
from refsw.evaluation.networks.products import macs_of_nodes, measured_shapes
from refsw.evaluation.networks.runtime import ELEMENT_TYPES, open_session, run
from refsw.extras import optional
from refsw.tensor.axes import Array

Places = str | Sequence[str] | Mapping[str, str]
BOXES = "boxes", "scores", "labels"
"""Outputs of a detector: left, top, right, bottom in pixels of the input; confidence; class."""
LAYOUTS = {"nchw": (0, 1, 2, 3), "nhwc": (0, 2, 3, 1)}
"""Where the axes (N, C, H, W) of pictures stand in the input of a model."""


class OnnxNetwork:
    """An ONNX model with one input for pictures, run by ONNX Runtime on one thread.

    Optimisation by the runtime may order sums otherwise in the halves than in the whole, so that the outputs may
    differ in their last bits: `check_cut` says by how much.

    Args:
        path: of the model; weights in files of their own lie beside it.
        cuts: for each cut the name of its tensor, or the names of its tensors; or names of one's own with the
            tensors that they stand for.
        output: name of the output that is used, the first without it; or the names of three, `BOXES` -> output, of a
            detector that gives boxes, scores and labels apart: together they make one table.
        layout: of the input: nchw, or nhwc as models from TensorFlow have it.

    Raises:
        UsageError: no such tensor or layout, or a tensor that is not computed from the input.
        NetworkError: the file is no ONNX model, or weights that it names are missing.
    """

    def __init__(self, path: Path, cuts: Mapping[str, Places], output: str | None = None, layout: str = "nchw") -> None:
        if layout not in LAYOUTS:
            raise UsageError(f"no layout {layout}: {', '.join(LAYOUTS)}")
        self._axes = LAYOUTS[layout]
        self._model, self._data, self._stored = _loaded(path)
        graph = self._model.graph
        held = constants(graph)
        inputs = [value.name for value in graph.input if value.name not in held]
        if len(inputs) != 1:
            raise UsageError(f"{path}: a network takes one input, not {', '.join(inputs) or 'none'}")
        self.input, self.path = inputs[0], path
        outputs = [value.name for value in graph.output]
        if isinstance(output, Mapping) and set(output) != set(BOXES):
            raise UsageError(f"{path}: outputs {', '.join(BOXES)} are needed, not {', '.join(output) or 'none'}")
        named = tuple(output[name] for name in BOXES) if isinstance(output, Mapping) else (output or outputs[0],)
        for name in named:
            if name not in outputs:
                raise UsageError(f"{path}: no output {name}: {', '.join(outputs)}")
        self.outputs = named
        self._places = {name: _named(name, places) for name, places in cuts.items()}
        self._makers = {name: node for node in graph.node for name in node.output if name}
        self._wanted = {tensor for places in self._places.values() for tensor in places.values()}
        self._shapes: dict[tuple[int, ...], dict[str, tuple[int, ...]]] = {}
        computed = reached(graph.node, self.input)
        for places in self._places.values():
            for tensor in places.values():
                if tensor not in self._makers:
                    known = tensor == self.input or tensor in held
                    raise UsageError(f"{path}: {f'{tensor} is not computed' if known else f'no tensor {tensor}'}")
                if tensor not in computed:
                    raise UsageError(f"{path}: tensor {tensor} does not hang on the input {self.input}")

    @property
    def cuts(self) -> tuple[str, ...]:
        """Names of the cuts, as they were given."""
        return tuple(self._places)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the model with all its weights, and of the places where it is cut and left."""
        places = json.dumps([self._places, self.outputs, self._axes], sort_keys=True)
        return hashlib.sha256(hashlib.sha256(self._stored).digest() + places.encode()).hexdigest()

    @property
    def metadata(self) -> dict[str, str]:
        """What the model tells of itself, by its entries."""
        return {entry.key: entry.value for entry in self._model.metadata_props}

    @cached_property
    def session(self) -> Any:
        """The whole model."""
        return open_session(self._data, str(self.path))

    def cut(self, name: str) -> OnnxCut:
        """The model cut at the tensors of a name.

        Raises:
            UsageError: there is no such cut.
            NetworkError: its tensors do not separate the input from the output, or not all of them are needed to.
        """
        return OnnxCut(self, self.places(name))

    def places(self, name: str) -> dict[str, str]:
        """Names of one's own of the tensors of a cut -> tensors of the model.

        Raises:
            UsageError: there is no such cut.
        """
        if name not in self._places:
            raise UsageError(f"no cut {name}: {', '.join(self._places)}")
        return self._places[name]

    def run(self, images: Array) -> Array:
        """The whole model: binary32 (N, C, H, W) -> its output."""
        return self.result(run(self.session, self.given(images), self.outputs))

    def result(self, found: Mapping[str, Array]) -> Array:
        """What the network gives, from its outputs: one as it is; of a detector, binary64, (1, objects, 6).

        Raises:
            NetworkError: boxes, scores and labels are not of as many objects.
        """
        if len(self.outputs) == 1:
            return found[self.outputs[0]]
        corners, scores, labels = (found[name] for name in self.outputs)
        if corners.size != 4 * scores.size or labels.size != scores.size:
            raise NetworkError(f"{self.path}: boxes {corners.shape}, scores {scores.shape}, labels {labels.shape}")
        table = np.column_stack([corners.reshape(-1, 4), scores.reshape(-1), labels.reshape(-1)])
        return table.astype(np.float64)[None]

    def given(self, images: Array) -> Tensors:
        """The input of the model: its name, and the pictures with their axes as it wants them."""
        return {self.input: images.transpose(self._axes)}

    def complexity(self, name: str, images: Array) -> Complexity | None:
        """Multiply-accumulates on both sides of a cut, for one image, and elements at it.

        Counted are convolutions and matrix products (`refsw.evaluation.networks.products`). None if a node is there
        of which it is not known how many it takes.
        """
        places = self.places(name)
        front, back = self.nodes(places.values(), self.input), self.nodes(self.outputs, *places.values())
        shapes = self._measured(images[:1])
        counts = [macs_of_nodes(nodes, shapes) for nodes in (front, back)]
        if counts[0] is None or counts[1] is None:
            return None
        return Complexity(counts[0], counts[1], sum(size_of(shapes[tensor]) for tensor in places.values()))

    def nodes(self, results: Iterable[str], *given: str) -> list[Any]:
        """Nodes that some tensors hang on, in the model's order, if others are given.

        Raises:
            NetworkError: they also hang on the input, which is not given; or not on all that is given.
        """
        results = tuple(results)
        wanted, seen, chosen, used = list(results), set[str](), set(), set()
        while wanted:
            name = wanted.pop()
            if name in given:
                used.add(name)
                continue
            if name in seen:
                continue
            seen.add(name)
            if name == self.input:
                raise NetworkError(
                    f"{self.path}: {', '.join(given)} does not separate the network: its output also hangs on "
                    f"{self.input} by another way"
                )
            if name in self._makers:
                chosen.add(id(self._makers[name]))
                wanted += taken(self._makers[name])
        idle = [name for name in given if name not in used]
        if idle:
            raise NetworkError(f"{self.path}: {', '.join(results)} does not hang on {', '.join(idle)}")
        return [node for node in self._model.graph.node if id(node) in chosen]

    def part(self, sources: Sequence[Any], results: Sequence[Any]) -> Any:
        """A session over the nodes between tensors, both as descriptions of values.

        Raises:
            NetworkError: as `nodes`.
        """
        onnx = optional("onnx")
        nodes = self.nodes([value.name for value in results], *(value.name for value in sources))
        used = {name for node in nodes for name in taken(node)}
        graph = onnx.helper.make_graph(
            nodes,
            self._model.graph.name or "part",
            list(sources),
            list(results),
            [tensor for tensor in self._model.graph.initializer if tensor.name in used],
            sparse_initializer=[t for t in self._model.graph.sparse_initializer if t.values.name in used],
        )
        model = onnx.helper.make_model(
            graph,
            opset_imports=self._model.opset_import,
            # Before version 4 every weight had to be an input as well.
            ir_version=max(4, self._model.ir_version),
        )
        return open_session(model.SerializeToString(), str(self.path))

    def described(self, name: str) -> Any:
        """An input or output of the model as it describes it; of other values no more than the name."""
        graph = self._model.graph
        known = (value for value in (*graph.input, *graph.output) if value.name == name)
        return next(known, optional("onnx").ValueInfoProto(name=name))

    def _measured(self, images: Array) -> Mapping[str, tuple[int, ...]]:
        if images.shape not in self._shapes:
            self._shapes[images.shape] = measured_shapes(self._model, self.given(images), self._wanted, str(self.path))
        return self._shapes[images.shape]


class OnnxCut:
    """An `OnnxNetwork` cut at tensors; both halves are sessions of their own.

    Args:
        network: to cut.
        places: names of one's own -> tensors.
    """

    def __init__(self, network: OnnxNetwork, places: Mapping[str, str]) -> None:
        self._network, self.places = network, dict(places)
        names = list(self.places.values())
        for output in network.outputs:
            if output in names:
                raise NetworkError(f"{network.path}: {output} is the output: nothing of the network comes after it")
        network.nodes(network.outputs, *names)  # first of all: whether it is a cut
        self._front = network.part([network.described(network.input)], [network.described(name) for name in names])
        makes = optional("onnx").helper.make_tensor_value_info
        features = []
        for given in self._front.get_outputs():
            if given.type not in ELEMENT_TYPES:
                raise NetworkError(f"{network.path}: {given.name} is a {given.type}: {', '.join(ELEMENT_TYPES)}")
            features.append(makes(given.name, ELEMENT_TYPES[given.type].onnx, None))
        self._back = network.part(features, [network.described(name) for name in network.outputs])

    @property
    def tensors(self) -> tuple[str, ...]:
        """One's own names."""
        return tuple(self.places)

    def front(self, images: Array) -> Tensors:
        """The nodes that the features hang on."""
        found = run(self._front, self._network.given(images))
        return {name: found[tensor] for name, tensor in self.places.items()}

    def back(self, features: Mapping[str, Array]) -> Array:
        """The nodes that the output hangs on beyond the features."""
        return self._network.result(run(self._back, {self.places[name]: tensor for name, tensor in features.items()}))

    def whole(self, images: Array) -> Array:
        """The model as it is."""
        return self._network.run(images)


def onnx_cut(path: Path, tensors: Places, output: str | None = None) -> OnnxCut:
    """An ONNX model cut at one place: `OnnxNetwork` with a single cut."""
    return OnnxNetwork(path, {"cut": tensors}, output).cut("cut")


def _loaded(path: Path) -> tuple[Any, bytes, bytes]:
    """A model with all its weights and its nodes in order; as bytes to run; and as bytes as it is stored.

    Raises:
        UsageError: there is no such file.
        NetworkError: it is no model, weights beside it are missing, or it is larger than the format allows.
    """
    onnx = optional("onnx")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: no plain file")  # a pipe would never end
    try:
        data = path.read_bytes()
        model = onnx.load_model_from_string(data)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except Exception as error:  # the parser's own type is not public
        raise NetworkError(f"{path}: no ONNX model: {' '.join(str(error).split())[:200]}") from error
    if not model.graph.node or not model.graph.output:
        raise NetworkError(f"{path}: no ONNX model: it has no nodes or no outputs")
    try:
        if _outside(model):
            onnx.load_external_data_for_model(model, str(path.parent))
            data = model.SerializeToString()
    except Exception as error:  # of the file system, of checks of paths
        told = " ".join(str(error).split())[:200]
        raise NetworkError(f"{path}: its weights in other files cannot be read: {told}") from error
    try:
        if model.functions:
            model = optional("onnx.inliner").inline_local_functions(model)
        moved = put_in_order(model)
        return model, model.SerializeToString() if moved else data, data
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from error
    except Exception as error:  # of the parser, which copies the model
        raise NetworkError(
            f"{path}: its functions cannot be looked into: {' '.join(str(error).split())[:200]}"
        ) from error


def _outside(model: Any) -> bool:
    """Whether weights lie in files of their own."""
    kept = (tensor for graph in graphs(model) for tensor in graph.initializer)
    fixed = (a.t for graph in graphs(model) for node in graph.node for a in node.attribute if a.HasField("t"))
    return any(tensor.data_location == tensor.EXTERNAL for tensor in (*kept, *fixed))


def _named(cut: str, places: Any) -> dict[str, str]:
    pairs: list[tuple[Any, Any]] = list(places.items()) if isinstance(places, Mapping) else []
    if isinstance(places, str | list | tuple):
        pairs = [(place, place) for place in ([places] if isinstance(places, str) else places)]
    if not pairs or not all(isinstance(name, str) and name for pair in pairs for name in pair):
        raise UsageError(f"cut {cut}: {places!r}: names of tensors, as text (a number in quotes)")
    if len({place for _, place in pairs}) != len(pairs):
        raise UsageError(f"cut {cut}: a tensor is there twice: {', '.join(place for _, place in pairs)}")
    return dict(pairs)
