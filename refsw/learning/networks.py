"""Informative: small convolutional networks whose hidden layers have names, with weights from a seed.

A network is a `torch.nn.Sequential` of named stages, so that every hidden representation is the output of a stage and
a cut is a slice: conv1, pool1, conv2, ..., hidden, classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.extras import optional
from refsw.tensor.axes import Array

BATCH = 500
HIDDEN, CLASSES, RANGE = "hidden", "classes", "range"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a network is made of.

    Args:
        channels, size: of the pictures, which are square.
        layers: widths of 3x3 convolutions (with batch normalisation and ReLU), and `pool` for 2x2 maximum pooling.
        hidden: length of the last hidden representation.
        classes: how many.
    """

    channels: int
    size: int
    layers: tuple[int | str, ...]
    hidden: int
    classes: int


def new_network(shape: Shape, seed: int) -> Any:
    """A network with PyTorch's usual initial weights, drawn from a generator of its own.

    Raises:
        UsageError: pictures too small for so much pooling.
    """
    torch = optional("torch")
    nn, generator = torch.nn, torch.Generator().manual_seed(seed)
    stages: dict[str, Any] = {}
    width, size, convolutions, pools = shape.channels, shape.size, 0, 0
    for layer in shape.layers:
        if layer == "pool":
            pools, size = pools + 1, size // 2
            stages[f"pool{pools}"] = nn.MaxPool2d(2)
            continue
        convolutions += 1
        convolution = nn.utils.skip_init(nn.Conv2d, width, layer, 3, padding=1, bias=False)
        _draw(convolution, generator)
        stages[f"conv{convolutions}"] = nn.Sequential(convolution, nn.BatchNorm2d(int(layer)), nn.ReLU())
        width = int(layer)
    if size < 1:
        raise UsageError(f"pictures of {shape.size}x{shape.size} are too small for {pools} times pooling")
    hidden = nn.utils.skip_init(nn.Linear, width * size * size, shape.hidden)
    classes = nn.utils.skip_init(nn.Linear, shape.hidden, shape.classes)
    for layer in (hidden, classes):
        _draw(layer, generator)
    stages[HIDDEN] = nn.Sequential(nn.Flatten(), hidden, nn.BatchNorm1d(shape.hidden), nn.ReLU())
    stages[CLASSES] = classes
    network = nn.Sequential()
    for name, stage in stages.items():
        network.add_module(name, stage)
    return network.to(memory_format=torch.channels_last)  # which processors convolve faster


def small_linear(inputs: int, outputs: int, generator: Any) -> Any:
    """A linear layer whose initial weights come from a generator."""
    nn = optional("torch").nn
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    _draw(layer, generator)
    return layer


def two_layers(inputs: int, between: int, outputs: int, generator: Any) -> Any:
    """Linear, ReLU, linear: the small network that discriminators and decoders are."""
    nn = optional("torch").nn
    return nn.Sequential(small_linear(inputs, between, generator), nn.ReLU(), small_linear(between, outputs, generator))


def _draw(layer: Any, generator: Any) -> None:
    """PyTorch's own default, which draws from the generator of the whole process."""
    torch = optional("torch")
    fan_in = layer.weight[0].numel()
    with torch.no_grad():
        for parameter in layer.parameters():  # of weights: uniform Kaiming with a = sqrt(5), which is the same bound
            bound = 1 / math.sqrt(fan_in)
            parameter.uniform_(-bound, bound, generator=generator)


def forward(network: Any, pictures: Any, layers: Sequence[str]) -> tuple[dict[str, Any], Any]:
    """Hidden representations by the names of their stages, and the scores of the classes.

    Args:
        network: as `new_network` makes it.
        pictures: float32 (N, C, H, W).
        layers: stages whose outputs are wanted.

    Raises:
        UsageError: the network has no such stage.
    """
    found: dict[str, Any] = {}
    values = pictures
    for name, stage in network.named_children():
        values = stage(values)
        if name in layers:
            found[name] = values
    for name in layers:
        if name not in found:
            raise UsageError(f"no layer {name}: {', '.join(name for name, _ in network.named_children())}")
    return found, values


def features_of(network: Any, pictures: Any, layers: Sequence[str]) -> dict[str, Any]:
    """Hidden representations of many pictures, without gradients and with the statistics of training."""
    torch = optional("torch")
    network.eval()
    parts: list[Mapping[str, Any]] = []
    with torch.no_grad():
        for start in range(0, len(pictures), BATCH):
            parts.append(forward(network, pictures[start : start + BATCH], layers)[0])
    return {name: torch.cat([part[name] for part in parts]) for name in layers}


def scores_of(stages: Any, values: Any) -> Any:
    """What stages make of many values, without gradients and with the statistics of training."""
    torch = optional("torch")
    stages.eval()
    with torch.no_grad():
        return torch.cat([stages(values[start : start + BATCH]) for start in range(0, len(values), BATCH)])


def accuracy(stages: Any, values: Any, labels: Any) -> float:
    """Share of values whose highest score is that of their label, from 0 to 1."""
    return float((scores_of(stages, values).argmax(1) == labels).float().mean())


def split_at(network: Any, layer: str) -> tuple[Any, Any]:
    """The front end, up to and with a layer, and the back end; both share the network's weights.

    Raises:
        UsageError: the network has no such layer, or nothing follows it.
    """
    nn = optional("torch").nn
    stages = list(network.named_children())
    names = [name for name, _ in stages]
    if layer not in names[:-1]:
        raise UsageError(f"no layer {layer} to cut at: {', '.join(names[:-1])}")
    place = names.index(layer) + 1
    ends = nn.Sequential(), nn.Sequential()
    for number, (name, stage) in enumerate(stages):
        ends[number >= place].add_module(name, stage)
    return ends


def with_range(network: Any, layer: str, highest: float) -> Any:
    """The network with a clamp to [0, highest] after a layer: what a range that is sent once can hold."""
    nn = optional("torch").nn
    ranged = nn.Sequential()
    for name, stage in network.named_children():
        ranged.add_module(name, stage)
        if name == layer:
            ranged.add_module(RANGE, nn.Hardtanh(0.0, highest))
    return ranged


def state_of(network: Any) -> dict[str, Array]:
    """The state dictionary as arrays, as model updates (refsw.diff_models) take it."""
    return {name: np.array(value.detach().numpy(), order="C") for name, value in network.state_dict().items()}


def put_state(network: Any, state: Mapping[str, Any]) -> Any:
    """The network with the weights of a state dictionary of arrays."""
    torch = optional("torch")
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state.items()})
    return network
