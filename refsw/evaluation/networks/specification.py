"""Informative: a network from the entry `network` of a condition.

    kind: onnx                       any ONNX model
    path: model.onnx
    cuts: {conv1: tensor, pyramid: {p3: tensor, p4: tensor}}     names of tensors of the model
    output: name                     if it has several

    kind: vgg16 | resnet18 | resnet50 | resnet101 | resnet152
    weights: file                    .safetensors, .pt, .pth
    classes: 1000
    stride_first: false              where a bottleneck halves its map, see `refsw.evaluation.networks.builtin`
    until: pool5                     the last step that is run; without it the class scores

    kind: torch                      a module of one's own: a function without arguments that gives it
    module: package.module:function
    cuts: {name: submodule}          see `refsw.evaluation.networks.torch`
    shape: [3, 224, 224]

and for each of them `preprocessing`, see `refsw.evaluation.pictures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.extras import optional
from refsw.evaluation.networks.base import Network
from refsw.evaluation.networks.builtin import BUILTIN, builtin
from refsw.evaluation.networks.onnx import OnnxNetwork
from refsw.evaluation.networks.torch import TorchNetwork
from refsw.evaluation.networks.weights import load_weights

KEYS = {
    "onnx": ({"path", "cuts"}, {"output"}),
    "torch": ({"module", "cuts", "shape"}, set[str]()),
    **dict.fromkeys(BUILTIN, ({"weights"}, {"classes", "stride_first", "until"})),
}


def open_network(entry: Mapping[str, Any]) -> Network:
    """The network that an entry describes.

    Raises:
        UsageError: a key is missing or unknown, or a file or a tensor does not exist.
        NetworkError: a file is no network, or holds the weights of another.
    """
    kind = entry.get("kind", "")
    if kind not in KEYS:
        raise UsageError(f"no kind of network {kind!r}: mini, {', '.join(KEYS)}")
    needed, allowed = KEYS[kind]
    given = set(entry) - {"kind"}
    if not needed <= given:
        raise UsageError(f"network {kind}: {', '.join(sorted(needed - given))} is missing")
    if not given <= needed | allowed:
        raise UsageError(f"network {kind}: no key {', '.join(sorted(given - needed - allowed))}")
    if kind == "onnx":
        return OnnxNetwork(Path(entry["path"]), entry["cuts"], entry.get("output"))
    if kind == "torch":
        return TorchNetwork(_made(entry["module"]), entry["cuts"], tuple(entry["shape"]))
    torch = optional("torch")
    with torch.device("meta"):  # the weights come from the file: none are drawn
        network = builtin(kind, classes=entry.get("classes", 1000), stride_first=entry.get("stride_first", False))
    network.module.to_empty(device="cpu")
    load_weights(network.module, Path(entry["weights"]))
    return network if "until" not in entry else network.until(entry["until"])


def _made(name: str) -> Any:
    module, _, function = name.partition(":")
    try:
        return getattr(import_module(module), function)()
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"network {name}: {error}") from error
