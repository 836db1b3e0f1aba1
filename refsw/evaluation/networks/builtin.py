"""Informative: VGG-16 and ResNet-18, 50, 101 and 152 with the cuts of MM'19, section 4.1.

VGG-16: K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014,
configuration D. ResNet: K. He et al., "Deep residual learning for image recognition", CVPR 2016. The keys of the
state dictionaries are those of torchvision, which most published weights use.

A bottleneck of a ResNet halves its map in its 3x3 convolution in torchvision and in weights made with it, and in its
first 1x1 convolution in the publication: `stride_first`. Keys and shapes are the same, features and outputs are not;
MM'19, Table 2, counts the publication's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.networks.base import Complexity, Tensors
from refsw.evaluation.networks.torch import count_macs, quiet, state_digest
from refsw.extras import optional
from refsw.tensor.axes import Array

RESNETS = {
    "resnet18": (False, (2, 2, 2, 2)),
    "resnet50": (True, (3, 4, 6, 3)),
    "resnet101": (True, (3, 4, 23, 3)),
    "resnet152": (True, (3, 8, 36, 3)),
}
VGG16 = (64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)
BUILTIN = ("vgg16", *RESNETS)
Step = Callable[[Any], Any]


class SteppedNetwork:
    """A network as a chain of named steps; every step but the last ends in a cut.

    Args:
        module: that holds the weights.
        steps: name -> what is done; the names are the cuts, in order.
    """

    def __init__(self, module: Any, steps: Mapping[str, Step]) -> None:
        self.module, self._steps = module.eval(), dict(steps)

    @property
    def cuts(self) -> tuple[str, ...]:
        """Names of the cuts, in order of depth."""
        return tuple(self._steps)[:-1]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of weights, structure and steps."""
        return hashlib.sha256(f"{state_digest(self.module)} {' '.join(self._steps)}".encode()).hexdigest()

    def cut(self, name: str) -> SteppedCut:
        """The chain cut after a step.

        Raises:
            UsageError: there is no such cut.
        """
        if name not in self.cuts:
            raise UsageError(f"no cut {name}: {', '.join(self.cuts)}")
        return SteppedCut(self, name)

    def until(self, name: str) -> SteppedNetwork:
        """The chain up to and with a step, whose output becomes that of the network: a vector to retrieve with.

        Raises:
            UsageError: there is no such step.
        """
        names = list(self._steps)
        if name not in names[1:]:
            raise UsageError(f"no step {name} after the first: {', '.join(names[1:])}")
        return SteppedNetwork(self.module, {k: self._steps[k] for k in names[: names.index(name) + 1]})

    def run(self, images: Array) -> Array:
        """All steps: binary32 (N, 3, H, W) -> class scores (N, classes)."""
        return self.steps(images, None, None)

    def steps(self, tensor: Array, after: str | None, last: str | None) -> Array:
        """The steps after one, up to and with another; None for the ends."""
        with quiet(optional("torch")) as torch:
            x = torch.from_numpy(np.ascontiguousarray(tensor, np.float32))
            array: Array = self._through(x, after, last).numpy()
        return array

    def complexity(self, name: str, images: Array) -> Complexity:
        """Multiply-accumulates before and after a cut, and elements at it, for one image."""
        found: list[Any] = [None]

        def go(after: str | None, last: str | None) -> None:
            found[0] = self._through(found[0], after, last)

        with quiet(optional("torch")) as torch:
            # Weights may be on a device that knows only shapes: nothing is computed then.
            device = next(self.module.parameters()).device
            found[0] = torch.from_numpy(np.ascontiguousarray(images[:1], np.float32)).to(device)
            front = count_macs(lambda: go(None, self.cut(name).name))
            elements = int(found[0].numel())
            back = count_macs(lambda: go(name, None))
        return Complexity(front, back, elements)

    def _through(self, x: Any, after: str | None, last: str | None) -> Any:
        names = list(self._steps)
        first = 0 if after is None else names.index(after) + 1
        end = len(names) if last is None else names.index(last) + 1
        for name in names[first:end]:
            x = self._steps[name](x)
        return x


class SteppedCut:
    """A `SteppedNetwork` cut after a step."""

    def __init__(self, network: SteppedNetwork, name: str) -> None:
        self._network, self.name = network, name

    @property
    def tensors(self) -> tuple[str, ...]:
        """The name of the cut."""
        return (self.name,)

    def front(self, images: Array) -> Tensors:
        """The steps up to the cut."""
        return {self.name: self._network.steps(images, None, self.name)}

    def back(self, features: Mapping[str, Array]) -> Array:
        """The steps after it."""
        return self._network.steps(features[self.name], self.name, None)

    def whole(self, images: Array) -> Array:
        """All steps."""
        return self._network.run(images)


def builtin(name: str, *, classes: int = 1000, stride_first: bool = False, until: str | None = None) -> SteppedNetwork:
    """A network by its name, with weights that are not trained.

    Args:
        name: vgg16, resnet18, resnet50, resnet101 or resnet152.
        classes: how many there are.
        stride_first: of a ResNet, see above.
        until: the last step; if it is not the classifier, the network has none.

    Raises:
        UsageError: there is no such network or step.
    """
    if name not in BUILTIN:
        raise UsageError(f"no network {name}: {', '.join(BUILTIN)}")
    if stride_first and name not in RESNETS:
        raise UsageError(f"network {name} has no bottlenecks: stride_first is for ResNets")
    network = _vgg16(classes) if name == "vgg16" else _resnet(*RESNETS[name], classes, stride_first=stride_first)
    if until is None:
        return network
    shorter = network.until(until)
    if len(shorter.cuts) < len(network.cuts):
        delattr(shorter.module, "classifier" if name == "vgg16" else "fc")
    return shorter


def _vgg16(classes: int) -> SteppedNetwork:
    nn = optional("torch.nn")
    layers: list[Any] = []
    steps: dict[str, Step] = {}
    inputs = 3
    for number, widths in enumerate(VGG16, 1):
        start = len(layers)
        for width in widths:
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        steps[f"conv{number}"] = nn.Sequential(*layers[start:])
        layers.append(nn.MaxPool2d(2, 2))
        steps[f"pool{number}"] = layers[-1]
    module = nn.Module()
    module.features = nn.Sequential(*layers)
    module.classifier = nn.Sequential(
        *(nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()),
        nn.Linear(4096, classes),
    )
    pool = nn.AdaptiveAvgPool2d((7, 7))
    return SteppedNetwork(module, steps | {"fc": lambda x: module.classifier(pool(x).flatten(1))})


def _resnet(bottleneck: bool, depths: Sequence[int], classes: int, *, stride_first: bool) -> SteppedNetwork:
    torch = optional("torch")
    nn = torch.nn
    module = nn.Module()
    module.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
    module.bn1 = nn.BatchNorm2d(64)
    pool = nn.MaxPool2d(3, 2, 1)
    steps: dict[str, Step] = {"conv1": lambda x: torch.relu(module.bn1(module.conv1(x))), "pool1": pool}
    inputs = 64
    for stage, depth in enumerate(depths):
        blocks: Any = nn.Sequential()
        for number, block in enumerate(_blocks(bottleneck, depth, inputs, stage, stride_first)):
            blocks.add_module(str(number), block)
        inputs = (256 if bottleneck else 64) * 2**stage
        module.add_module(f"layer{stage + 1}", blocks)
        steps[f"conv{stage + 2}"] = partial(_through_blocks, torch, blocks)
    module.fc = nn.Linear(inputs, classes)
    steps["pool5"] = lambda x: x.mean((2, 3))
    return SteppedNetwork(module, steps | {"fc": lambda x: module.fc(x)})


def _blocks(bottleneck: bool, depth: int, inputs: int, stage: int, stride_first: bool) -> Iterator[Any]:
    nn = optional("torch.nn")
    width = 64 * 2**stage
    outputs = 4 * width if bottleneck else width
    for number in range(depth):
        stride = 2 if stage > 0 and number == 0 else 1
        block = nn.Module()
        strides: tuple[int, ...]
        sizes: tuple[int, ...]
        widths: tuple[int, ...]
        if bottleneck:
            strides = (stride, 1, 1) if stride_first else (1, stride, 1)
            sizes, widths = (1, 3, 1), (inputs, width, width, outputs)
        else:
            strides, sizes, widths = (stride, 1), (3, 3), (inputs, width, width)
        for i, (step, size) in enumerate(zip(strides, sizes, strict=True)):
            convolution = nn.Conv2d(widths[i], widths[i + 1], size, step, size // 2, bias=False)
            block.add_module(f"conv{i + 1}", convolution)
            block.add_module(f"bn{i + 1}", nn.BatchNorm2d(widths[i + 1]))
        if stride != 1 or inputs != outputs:
            block.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        inputs = outputs
        yield block


def _through_blocks(torch: Any, blocks: Any, x: Any) -> Any:
    for block in blocks:
        parts = dict(block.named_children())
        y, last = x, sum(name.startswith("conv") for name in parts)
        for i in range(1, last + 1):
            y = parts[f"bn{i}"](parts[f"conv{i}"](y))
            y = torch.relu(y) if i < last else y
        x = torch.relu(y + (parts["downsample"](x) if "downsample" in parts else x))
    return x
