"""Informative: the features of a group of items: put together and taken apart, told by a digest, compared."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.anchors.codecs import Features
from refsw.evaluation.anchors.folder import Record
from refsw.evaluation.inputs import INPUTS
from refsw.tensor.axes import Array, contiguous_parts


def together(parts: Sequence[Features], layer: str) -> Features:
    """Items along the first axis, of a cut with several tensors each; pictures, of any sizes, by their numbers.

    Raises:
        UsageError: the items have features of different shapes, or of a shape that nothing takes.
    """
    first = parts[0]
    if is_pictures(parts, layer):
        return {f"{number:05d}": np.ascontiguousarray(part) for number, part in enumerate(parts)}
    if isinstance(first, Mapping):
        if len({str(name) for name in first}) != len(first):
            raise UsageError(f"layer {layer}: two of its tensors have the same name: {', '.join(map(str, first))}")
        # Levels of a pyramid may have numbers; a tensor of a bitstream has a name.
        return {str(name): _stack([part[name] for part in parts], f"layer {layer}, {name}") for name in first}
    return _stack(parts, f"layer {layer}")  # type: ignore[arg-type]


def is_pictures(parts: Sequence[Features], layer: str) -> bool:
    """Whether the items are pictures that go into a network, not features of it."""
    return layer in INPUTS and isinstance(parts[0], np.ndarray) and parts[0].dtype == np.uint8


def apart(together: Features, parts: Sequence[Features], layer: str) -> list[Features]:
    """What `together` did, undone: every item has the shape that its features, `parts`, had."""
    if is_pictures(parts, layer):
        assert isinstance(together, Mapping)
        return [np.asarray(picture) for picture in together.values()]
    return [_one(together, number, part) for number, part in enumerate(parts)]


def _one(together: Features, number: int, part: Features) -> Features:
    if isinstance(part, Mapping):
        assert isinstance(together, Mapping)
        return {name: together[str(name)][number].reshape(own.shape) for name, own in part.items()}
    assert isinstance(together, np.ndarray)
    one: Array = together[number].reshape(part.shape)
    return one


def _stack(arrays: Sequence[Array], where: str) -> Array:
    """(C), (L, C), (C, H, W) or (1, C, H, W) each -> (N, ...)."""
    if len({array.shape for array in arrays}) != 1:
        shapes = ", ".join(sorted({str(array.shape) for array in arrays}))
        raise UsageError(f"{where}: items with features of different shapes share no bitstream (group: 1): {shapes}")
    first = arrays[0]
    if first.ndim == 4 and first.shape[0] == 1:
        return np.ascontiguousarray(np.concatenate(arrays))
    if first.ndim not in (1, 2, 3):
        raise UsageError(f"{where}: features of shape {first.shape} for an item: C, LC, CHW or 1CHW")
    return np.ascontiguousarray(np.stack(arrays))


def digest(features: Features) -> str:
    """SHA-256 of names, dtypes, shapes and little-endian elements."""
    total = hashlib.sha256()
    for name, array in sorted(features.items()) if isinstance(features, Mapping) else [("", features)]:
        total.update(f"{name} {array.dtype.name} {'x'.join(map(str, array.shape))}\n".encode())
        for part in contiguous_parts(array.astype(array.dtype.newbyteorder("<"), copy=False)):
            total.update(part.data)
    return total.hexdigest()


def errors(features: Features, decoded: Features) -> Record:
    """Sizes, and sums of squares in binary64: of the error, of the elements, and the range of each tensor squared."""
    pairs = [(features, decoded)]
    if isinstance(features, Mapping):
        pairs = [(features[name], decoded[name]) for name in features]
    sums = {"raw_bytes": 0, "elements": 0, "squared_error": 0.0, "energy": 0.0}
    for given, got in pairs:
        assert isinstance(given, np.ndarray)
        assert isinstance(got, np.ndarray)
        exact = given.astype(np.float64)
        error = got.astype(np.float64) - exact
        sums["raw_bytes"] += given.nbytes
        sums["elements"] += given.size
        # Not a dot product: that of a threaded BLAS depends on the number of threads.
        sums["squared_error"] += float(np.square(error).sum())
        sums["energy"] += float(np.square(exact).sum())
    return sums
