"""Informative: the toy example of the ICME 2022 tutorial, part 1, on what ships with the package.

The tutorial tells cats from dogs by a network of five convolutions and two fully connected layers, and codes either the
picture or the features of a layer with JPEG. Here the network (tools/train_toy.py) tells odd digits from even ones in
coloured clutter: what a picture takes to code is mostly clutter, and what counts of it is one bit.

The digits are those of the mini conditions, held out when the network was trained (`refsw.evaluation.mini`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from refsw.evaluation.datasets.base import Dataset, Item, StoredDataset
from refsw.evaluation.mini import DATA, digits
from refsw.evaluation.networks.staged import StagedNetwork
from refsw.tensor.axes import Array

SIDE, ENLARGED = 64, 4
SCALES = (32, 16, 8, 4)
"""Widths in samples of the patches that clutter is made of."""
CLASSES = ("even", "odd")
SEED = 2022
STAGES = 6
# 3x3 convolutions: places x output channels x input channels x 9; then products of 512 x 128 and 128 x 2.
_CHANNELS = (3, 8, 16, 32, 64, 128)
MACS = (*((SIDE >> n) ** 2 * _CHANNELS[n] * _CHANNELS[n + 1] * 9 for n in range(5)), 512 * 128 + 128 * 2)


def toy_network() -> StagedNetwork:
    """The network: layer1 (8, 32, 32) to layer5 (128, 2, 2), each a convolution, ReLU and 2x2 max pooling."""
    return StagedNetwork([DATA / f"toy-{stage}.onnx" for stage in range(1, STAGES + 1)], macs=MACS)


def toy_dataset() -> Dataset:
    """200 pictures, one of each of the held-out digits."""
    images, labels = digits()
    pictures = {f"toy-{i:03d}": picture for i, picture in enumerate(composed(images, seed=SEED))}
    items = [Item(name, Path(name), int(label) % 2) for name, label in zip(pictures, labels, strict=True)]
    return StoredDataset("toy digits", items, classes=CLASSES, pictures=pictures)


def composed(images: Array, *, seed: int) -> Iterator[Array]:
    """Digits, uint8 (N, 8, 8) of 0 to 16, each somewhere in clutter of its own: uint8 (64, 64, 3).

    Whole numbers of a frozen generator throughout: the same pictures everywhere.
    """
    draw = np.random.RandomState(seed)
    for image in images:
        picture = _clutter(draw)
        size = ENLARGED * len(image)
        ink = _smooth(image.astype(np.int64).repeat(ENLARGED, 0).repeat(ENLARGED, 1)[..., None], ENLARGED)
        top, left = draw.randint(0, SIDE - size + 1, 2)
        part = picture[top : top + size, left : left + size]
        # Away from what is there by as much in every colour: brighter or darker, not of a colour of its own.
        part += ink * draw.randint(70, 130) * (1 if draw.randint(2) else -1) // 16
        yield np.clip(picture + draw.randint(-6, 7, picture.shape), 0, 255).astype(np.uint8)


def _clutter(draw: np.random.RandomState) -> Array:
    """Smooth patches of all scales in each colour, int64 (64, 64, 3), about 128."""
    total = np.full((SIDE, SIDE, 3), 128, np.int64)
    for scale in SCALES:
        count = SIDE // scale + 2
        patches = draw.randint(-scale - 6, scale + 7, (count, count, 3)).astype(np.int64)
        smooth = _smooth(patches.repeat(scale, 0).repeat(scale, 1), scale)
        total += smooth[scale : scale + SIDE, scale : scale + SIDE]
    return total


def _smooth(samples: Array, width: int) -> Array:
    """Means over `width` rows and columns, of what is repeated beyond the edges."""
    for axis in (0, 1):
        edges = [(0, 0)] * samples.ndim
        edges[axis] = (width // 2, width - 1 - width // 2)
        sums = np.pad(samples, edges, mode="edge").cumsum(axis)
        start = np.zeros_like(sums.take([0], axis))
        sums = np.concatenate([start, sums], axis)
        size = samples.shape[axis]
        samples = (sums.take(range(width, width + size), axis) - sums.take(range(size), axis)) // width
    return samples
