"""13.12.2 Inputs from recipes: the same elements on every machine, by integers and exact operations of binary64."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from refsw.conformance.outputs import TYPES, little_endian
from refsw.errors import UsageError
from refsw.tensor.axes import Array

Recipe = Mapping[str, Any]
Numbers = npt.NDArray[np.float64]
SCALE = float(1 << 53)
LARGE = 1 << 22
"""Elements from which on a tensor that is all zero takes no memory."""


def hashed(count: int, seed: int) -> npt.NDArray[np.uint64]:
    """splitmix64 of seed x 2^32 + 0, 1, ...: (count,)."""
    x = np.arange(count, dtype=np.uint64) + np.uint64(seed << 32)
    with np.errstate(over="ignore"):
        x = (x + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def noise(count: int, seed: int, low: float, high: float) -> Numbers:
    """Numbers from low up to, but not including, high, as likely as one another."""
    shares = (hashed(count, seed) >> np.uint64(11)).astype(np.float64) / SCALE
    return np.asarray(low + (high - low) * shares)


def _ramp(shape: tuple[int, ...], recipe: Recipe) -> Numbers:
    count = math.prod(shape)
    steps = np.arange(count, dtype=np.float64) / max(1, count - 1)
    low, high = float(recipe.get("low", 0.0)), float(recipe.get("high", 1.0))
    return np.asarray(low + (high - low) * steps)


def _noise(shape: tuple[int, ...], recipe: Recipe) -> Numbers:
    return noise(math.prod(shape), recipe["seed"], recipe.get("low", -1.0), recipe.get("high", 1.0))


def _constant(shape: tuple[int, ...], recipe: Recipe) -> Numbers:
    return np.full(math.prod(shape), _number(recipe["value"]))


def _values(shape: tuple[int, ...], recipe: Recipe) -> Numbers:
    values = np.array([_number(value) for value in recipe["values"]])
    return np.resize(values, math.prod(shape))


def _feature(shape: tuple[int, ...], recipe: Recipe) -> Numbers:
    """Like what a layer puts out: smooth over rows and columns, of another strength in every channel, many zeros."""
    *outer, rows, columns = shape
    seed, maps = recipe["seed"], math.prod(outer)
    coarse = noise(maps * 16, seed, -1.0, 1.0).reshape(maps, 4, 4)
    y, x = (np.arange(n, dtype=np.float64) * (3 / max(1, n - 1)) for n in (rows, columns))
    top, left = (np.minimum(place.astype(np.int64), 2) for place in (y, x))
    down, right = (y - top)[:, None], (x - left)[None, :]
    corners = [coarse[:, top + i][:, :, left + j] for i in (0, 1) for j in (0, 1)]
    smooth = (corners[0] * (1 - right) + corners[1] * right) * (1 - down)
    smooth = smooth + (corners[2] * (1 - right) + corners[3] * right) * down
    strength = noise(maps, seed + 1, 0.25, 4.0)[:, None, None]
    whole = strength * smooth + noise(smooth.size, seed + 2, -0.1, 0.1).reshape(smooth.shape)
    return np.maximum(whole, recipe.get("least", 0.0)).reshape(-1)


def _massive(shape: tuple[int, ...], recipe: Recipe) -> Numbers:
    """Tokens of which a few channels, the last axis, are a thousand times the others."""
    values = noise(math.prod(shape), recipe["seed"], -1.0, 1.0).reshape(-1, shape[-1])
    for column in recipe["columns"]:
        values[:, column] *= 1000.0
    return values.reshape(-1)


FILLS: dict[str, Callable[[tuple[int, ...], Recipe], Numbers]] = {
    "ramp": _ramp, "noise": _noise, "constant": _constant, "values": _values, "feature": _feature, "massive": _massive,
}  # fmt: skip


def _number(value: Any) -> float:
    """A number of a recipe: JSON has neither NaN nor infinity, and hexadecimal text is exact."""
    if isinstance(value, str):
        return float.fromhex(value)
    return float(value)


def make_tensor(recipe: Recipe, others: Mapping[str, Array]) -> Array:
    """A tensor from its recipe.

    Args:
        recipe: name, dtype, shape and what fills it; see 13.12.2.
        others: the tensors before it, which it may be the same as.

    Raises:
        UsageError: no such recipe.
    """
    try:
        shape, dtype = tuple(recipe["shape"]), TYPES[recipe["dtype"]]
        if "same" in recipe:
            return others[recipe["same"]].reshape(shape).astype(dtype)
        if recipe["fill"] == "bits":
            return _bits(shape, dtype, recipe["seed"])
        if recipe["fill"] == "constant" and math.prod(shape) > LARGE:
            return np.broadcast_to(np.array(recipe["value"], dtype), shape)
        values = FILLS[recipe["fill"]](shape, recipe)
        for more in recipe.get("add", ()):
            values = values + FILLS[more["fill"]](shape, more)
        for place, value in recipe.get("set", ()):
            values[place] = _number(value)
        array = values.reshape(shape)
        for channel in recipe.get("constant_channels", ()):
            array[:, channel] = array[:, channel].reshape(-1)[0]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise UsageError(f"recipe of tensor {recipe.get('name')!r}: {type(error).__name__}: {error}") from error
    with np.errstate(over="ignore", invalid="ignore"):  # NaN and infinity are asked for
        return array.astype(dtype)


def _bits(shape: tuple[int, ...], dtype: np.dtype[Any], seed: int) -> Array:
    """Integers of which every bit is as likely as not; of BOOL the bytes 0 and 1."""
    words = hashed(math.prod(shape), seed)
    if dtype == np.bool_:
        return (words & np.uint64(1)).astype(np.bool_).reshape(shape)
    return words.astype(f"<u{dtype.itemsize}").view(dtype).reshape(shape)


def make_tensors(recipes: Iterable[Recipe]) -> dict[str, Array]:
    """All tensors of a file, in order.

    Raises:
        UsageError: as `make_tensor`.
    """
    made: dict[str, Array] = {}
    for recipe in recipes:
        made[recipe["name"]] = make_tensor(recipe, made)
    return made


def digest_of_tensors(tensors: Mapping[str, Array]) -> str:
    """SHA-256 over the name, format and shape of every tensor, as a line of text, and its elements."""
    whole = hashlib.sha256()
    for name, array in tensors.items():
        whole.update(f"{name} {array.dtype.name} {'x'.join(map(str, array.shape))}\n".encode())
        if array.size > LARGE and not any(array.strides):  # one element seen as many
            whole.update(little_endian(array.reshape(-1)[:1]))
        else:
            whole.update(little_endian(array))
    return whole.hexdigest()
