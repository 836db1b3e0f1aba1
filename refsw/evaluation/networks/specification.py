"""Informative: a network from the entry `network` of a condition.

    kind: onnx                       any ONNX model
    path: model.onnx
    cuts: {conv1: tensor, pyramid: {p3: tensor, p4: tensor}}     names of tensors of the model
    output: name                     if it has several; or of a detector, for the option `boxes` of its task,
                                     {boxes: name, scores: name, labels: name}
    layout: nchw                     of its input: nchw or nhwc

    kind: vgg16 | resnet18 | resnet50 | resnet101 | resnet152
    weights: file                    .safetensors, .pt, .pth
    classes: 1000
    stride_first: false              where a bottleneck halves its map, see `refsw.evaluation.networks.builtin`
    until: pool5                     the last step that is run, without it the class scores; if it is not the
                                     classifier, weights of a classifier are left out, whatever its size

    kind: torch                      a module of one's own: a function without arguments that gives it
    module: package.module:function
    cuts: {name: submodule}          see `refsw.evaluation.networks.torch`
    shape: [3, 224, 224]             of its input: channels, height, width
    output: logits                   key, attribute or place of the tensor, if it gives several

and for each of them `preprocessing`, see `refsw.evaluation.pictures`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from refsw.errors import RefswError, UsageError
from refsw.evaluation.networks.base import Network
from refsw.evaluation.networks.builtin import BUILTIN, builtin
from refsw.evaluation.networks.onnx import OnnxNetwork
from refsw.evaluation.networks.torch import TorchNetwork
from refsw.evaluation.networks.weights import load_weights
from refsw.extras import optional

KEYS: Mapping[str, tuple[set[str], set[str]]] = {
    "onnx": ({"path", "cuts"}, {"output", "layout"}),
    "torch": ({"module", "cuts", "shape"}, {"output"}),
    **dict.fromkeys(BUILTIN, ({"weights"}, {"classes", "stride_first", "until"})),
}
FORMS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("path", "weights", "module", "layout", "until"), ("text", lambda v: isinstance(v, str))),
    "output": ("a name, a number, or names of boxes, scores and labels", lambda v: _is_output(v)),
    "cuts": ("a mapping: name of a cut to its place", lambda v: isinstance(v, Mapping)),
    "classes": ("a number from 1", lambda v: _is_count(v) and v > 0),
    "stride_first": ("true or false", lambda v: isinstance(v, bool)),
    "shape": ("three numbers from 1", lambda v: isinstance(v, list | tuple) and len(v) == 3 and all(map(_is_size, v))),
}


def open_network(entry: Mapping[str, Any]) -> Network:
    """The network that an entry describes.

    Raises:
        UsageError: a key is missing or unknown, or a file or a tensor does not exist.
        NetworkError: a file is no network, or holds the weights of another.
    """
    kind = entry.get("kind", "")
    if not isinstance(kind, str) or kind not in KEYS:
        raise UsageError(f"no kind of network {kind!r}: mini, {', '.join(KEYS)}")
    needed, allowed = KEYS[kind]
    given = {key: value for key, value in entry.items() if key != "kind"}
    if not needed <= set(given):
        raise UsageError(f"network {kind}: {', '.join(sorted(needed - set(given)))} is missing")
    if not set(given) <= needed | allowed:
        raise UsageError(f"network {kind}: no key {', '.join(sorted(set(given) - needed - allowed))}")
    for key, value in given.items():
        form, fits = FORMS[key]
        if not fits(value):
            raise UsageError(f"network {kind}: {key} is {value!r}: {form}")
    if isinstance(given.get("output"), int if kind == "onnx" else Mapping):
        raise UsageError(f"network {kind}: output is {given['output']!r}, which is for networks of another kind")
    if kind == "onnx":
        return OnnxNetwork(Path(entry["path"]), entry["cuts"], entry.get("output"), entry.get("layout", "nchw"))
    if kind == "torch":
        output = entry.get("output")
        return TorchNetwork(_made(entry["module"]), entry["cuts"], tuple(entry["shape"]), output)
    choices = {key: entry[key] for key in ("classes", "stride_first", "until") if key in entry}
    torch = optional("torch")
    with torch.device("meta"):  # the weights come from the file: none are drawn
        network = builtin(kind, **choices)
    network.module.to_empty(device="cpu")
    load_weights(network.module, Path(entry["weights"]))
    return network


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_output(value: Any) -> bool:
    named = isinstance(value, Mapping) and all(isinstance(name, str) for name in value.values())
    return named or isinstance(value, str) or _is_count(value)


def _is_size(value: Any) -> bool:
    return _is_count(value) and value > 0


def _made(name: str) -> Any:
    module, _, function = name.partition(":")
    try:
        return getattr(import_module(module), function)()
    except RefswError:
        raise
    except Exception as error:  # of code that is not ours
        raise UsageError(f"network {name}: {type(error).__name__}: {' '.join(str(error).split())[:300]}") from error
