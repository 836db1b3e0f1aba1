"""Informative: ONNX Runtime, set so that the same input gives the same bits whatever else the machine does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from refsw.evaluation.errors import NetworkError
from refsw.evaluation.networks.base import Tensors
from refsw.extras import optional
from refsw.tensor.axes import Array


class ElementType(NamedTuple):
    """A type of elements: its number in ONNX, and NumPy's type."""

    onnx: int
    numpy: np.dtype[Any]


ELEMENT_TYPES = {
    f"tensor({name})": ElementType(number, np.dtype(kind))
    for name, number, kind in (
        ("float", 1, np.float32),
        ("uint8", 2, np.uint8),
        ("int8", 3, np.int8),
        ("uint16", 4, np.uint16),
        ("int16", 5, np.int16),
        ("int32", 6, np.int32),
        ("int64", 7, np.int64),
        ("bool", 9, np.bool_),
        ("float16", 10, np.float16),
        ("double", 11, np.float64),
        ("uint32", 12, np.uint32),
        ("uint64", 13, np.uint64),
    )
}
"""What networks take and give, by ONNX Runtime's names."""


def open_session(model: bytes, name: str = "network", *, optimised: bool = True) -> Any:
    """A session on one thread of the CPU, with deterministic kernels.

    Args:
        model: an ONNX file.
        name: of the model, for messages.
        optimised: the runtime may put other nodes in place of the model's.

    Raises:
        NetworkError: the runtime does not take the model.
    """
    runtime = optional("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    # Errors are raised, and need not be printed as well; warnings about graphics cards that are not there help nobody.
    options.log_severity_level = 4
    if not optimised:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # the runtime has a type for each code, none of them documented
        raise NetworkError(f"{name}: ONNX Runtime does not take it: {_told(error)}") from error


def run(session: Any, tensors: Mapping[str, Array], names: Sequence[str] | None = None) -> Tensors:
    """Outputs of a session by name: all, or those that are named.

    Args:
        session: of ONNX Runtime.
        tensors: inputs by name; put into the types that the model takes.
        names: of outputs.

    Raises:
        NetworkError: the model does not take these shapes or types, or fails.
    """
    names = [output.name for output in session.get_outputs()] if names is None else names
    types = {value.name: value.type for value in session.get_inputs()}
    given = {name: _typed(name, tensor, types.get(name, "")) for name, tensor in tensors.items()}
    try:
        return dict(zip(names, session.run(names, given), strict=True))
    except Exception as error:  # see above
        shapes = ", ".join(f"{name} {tensor.shape}" for name, tensor in given.items())
        raise NetworkError(f"the network does not run on {shapes}: {_told(error)}") from error


def _typed(name: str, tensor: Array, kind: str) -> Array:
    if kind not in ELEMENT_TYPES:
        raise NetworkError(f"the network takes {kind or 'no tensor'} for {name}: {', '.join(ELEMENT_TYPES)}")
    wanted = ELEMENT_TYPES[kind].numpy
    with np.errstate(invalid="ignore", over="ignore"):  # what comes of it is looked at
        typed = np.asarray(tensor, wanted, order="C")
    if wanted.kind in "iub" and not np.array_equal(typed, tensor):
        raise NetworkError(f"the network takes {kind} for {name}, which has fractions or is out of range")
    return typed


def _told(error: Exception) -> str:
    """The message of the runtime in one line, without its codes and the place in its source."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", " ".join(str(error).split()))
    return re.sub(r"/\S*onnxruntime\S*:\d+ .*?\) (?=[A-Z])", "", text)[:300]


def macs_of(session: Any) -> int | None:
    """Multiply-accumulates that the metadata of a model state."""
    stated = session.get_modelmeta().custom_metadata_map.get("macs")
    return None if stated is None else int(stated)
