"""Informative: pictures from files, and how they become the input of a network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.errors import DatasetError
from refsw.tensor.axes import Array

COLOURS = 3
NARROWEST = 64
"""Longer side over shorter side: what is scaled by its shorter side before it is cropped would become too large."""


LARGEST = 1 << 26
"""Pixels of a picture; a damaged one may claim billions."""
MOST_SIDE = 1 << 15


class Fit(StrEnum):
    """How a picture gets the size that the network takes."""

    CROP = "crop"
    STRETCH = "stretch"
    LETTERBOX = "letterbox"
    NONE = "none"


class Colours(StrEnum):
    """Order of the channels."""

    RGB = "rgb"
    BGR = "bgr"
    GREY = "grey"


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the points of a picture went: x * scale_x + left, y * scale_y + top."""

    scale_x: float = 1.0
    scale_y: float = 1.0
    left: float = 0.0
    top: float = 0.0

    def undo(self, corners: Array) -> Array:
        """Boxes of the network's input -> boxes of the picture, (objects, 4)."""
        shift = np.array([self.left, self.top] * 2)
        boxes: Array = (corners - shift) / np.array([self.scale_x, self.scale_y] * 2)
        return boxes


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From a picture to the input of a network, binary32 (1, C, H, W).

    Args:
        height, width: of the input; NONE takes pictures as they are.
        fit: CROP scales the short side to `short_side` and takes the middle; STRETCH scales both sides freely;
            LETTERBOX keeps the proportions, puts the picture top left and fills the rest with `pad`.
        short_side: for CROP.
        colours: order of the channels.
        divisor: samples are divided by it.
        mean, std: subtracted and divided by after that, one a channel.
        pad: sample of the filling, 0 to 255.

    Raises:
        UsageError: a value out of its range, or not one a channel.
    """

    height: int = 224
    width: int = 224
    fit: Fit = Fit.CROP
    short_side: int = 256
    colours: Colours = Colours.RGB
    divisor: float = 255.0
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    pad: int = 114

    def __post_init__(self) -> None:
        channels = 1 if self.colours is Colours.GREY else COLOURS
        for what, wrong in (
            ("height, width and short_side are at least 1", min(self.height, self.width, self.short_side) < 1),
            (f"height x width is at most {LARGEST:,}", self.height * self.width > LARGEST),
            ("short_side is at most 32,768", self.short_side > MOST_SIDE),
            ("pad is 0 to 255", not 0 <= self.pad <= 255),
            ("divisor is above 0", not 0 < self.divisor < math.inf),
            (f"mean has {channels} values, or none", len(self.mean) not in (0, channels)),
            (
                f"std has {channels} values above 0, or none",
                len(self.std) not in (0, channels) or min(self.std, default=1) <= 0,
            ),
            ("mean and std are finite", not all(map(math.isfinite, (*self.mean, *self.std)))),
            (
                "short_side is at least height and width, to crop from",
                self.fit is Fit.CROP and self.short_side < max(self.height, self.width),
            ),
        ):
            if wrong:
                raise UsageError(f"pre-processing: {what}")

    @property
    def description(self) -> dict[str, Any]:
        """All choices as JSON types."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def apply(self, picture: Array) -> tuple[Array, Geometry]:
        """The input that a picture makes.

        Args:
            picture: uint8, (H, W, 3) in RGB, or (H, W).

        Raises:
            DatasetError: a picture that is very narrow, for CROP.
        """
        fitted, geometry = self.fitted(picture)
        return self.normalised(fitted), geometry

    def fitted(self, picture: Array) -> tuple[Array, Geometry]:
        """A picture in the size and the number of colours that the network takes: uint8, (H, W, 3) in RGB or (H, W).

        Raises:
            DatasetError: a picture that is very narrow, for CROP.
        """
        from PIL import Image

        image = Image.fromarray(picture)
        image = image.convert("L" if self.colours is Colours.GREY else "RGB")
        image, geometry = self._fitted(image)
        return np.asarray(image), geometry

    def fitted_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the input that a picture of some height and width makes."""
        return size if self.fit is Fit.NONE else (self.height, self.width)

    def normalised(self, fitted: Array) -> Array:
        """The input that a fitted picture makes, binary32 (1, C, H, W)."""
        samples = fitted.astype(np.float32)
        samples = samples[:, :, None] if samples.ndim == 2 else samples
        if self.colours is Colours.BGR:
            samples = samples[:, :, ::-1]
        tensor = samples.transpose(2, 0, 1) / np.float32(self.divisor)  # (H, W, C) -> (C, H, W)
        if self.mean:
            tensor = tensor - np.array(self.mean, np.float32)[:, None, None]
        if self.std:
            tensor = tensor / np.array(self.std, np.float32)[:, None, None]
        return np.ascontiguousarray(tensor[None], np.float32)

    def _fitted(self, image: Any) -> tuple[Any, Geometry]:
        from PIL import Image

        width, height = image.size
        if self.fit is Fit.NONE:
            return image, Geometry()
        if self.fit is Fit.STRETCH:
            scaled = image.resize((self.width, self.height), Image.Resampling.BILINEAR)
            return scaled, Geometry(self.width / width, self.height / height)
        if self.fit is Fit.CROP:
            if max(width, height) > NARROWEST * min(width, height):
                raise DatasetError(
                    f"a picture of {width} x {height} is too narrow to crop from: 1 to {NARROWEST} at most"
                )
            scale = self.short_side / min(width, height)
            # The long side is cut off, as the customary scripts of ImageNet do.
            size = tuple(self.short_side if side == min(width, height) else int(side * scale) for side in image.size)
            left, top = round((size[0] - self.width) / 2), round((size[1] - self.height) / 2)
            scaled = image.resize(size, Image.Resampling.BILINEAR)
            scaled = scaled.crop((left, top, left + self.width, top + self.height))
            return scaled, Geometry(size[0] / width, size[1] / height, -left, -top)
        scale = min(self.width / width, self.height / height)
        size = max(1, int(width * scale)), max(1, int(height * scale))
        canvas = Image.new(image.mode, (self.width, self.height), (self.pad,) * len(image.getbands()))
        canvas.paste(image.resize(size, Image.Resampling.BILINEAR), (0, 0))
        return canvas, Geometry(size[0] / width, size[1] / height)


NAMED = {
    "imagenet": Preprocessing(),
    "reid": Preprocessing(256, 128, Fit.STRETCH),
    "vehicle": Preprocessing(fit=Fit.STRETCH),
    "yolox": Preprocessing(416, 416, Fit.LETTERBOX, colours=Colours.BGR, divisor=1.0, mean=(), std=()),
    "mini-digits": Preprocessing(8, 8, Fit.NONE, colours=Colours.GREY, divisor=16.0, mean=(), std=()),
    "toy": Preprocessing(64, 64, Fit.NONE, mean=(0.5,) * 3, std=(0.25,) * 3),
    "mini-scenes": Preprocessing(96, 96, Fit.NONE, colours=Colours.GREY, mean=(), std=()),
}


def preprocessing(choice: str | Mapping[str, Any]) -> Preprocessing:
    """One by name, or by name (key `like`) with changes.

    Raises:
        UsageError: there is no such name or field.
    """
    if not isinstance(choice, str | Mapping):
        raise UsageError(f"pre-processing {choice!r}: a name, or a mapping of fields")
    changes: dict[str, Any] = {"like": choice} if isinstance(choice, str) else dict(choice)
    name = changes.pop("like", "imagenet")
    if not isinstance(name, str) or name not in NAMED:
        raise UsageError(f"no pre-processing {name}: {', '.join(NAMED)}")
    base = NAMED[name]
    kinds: dict[str, Any] = {"fit": Fit, "colours": Colours, "mean": _numbers, "std": _numbers, "divisor": float}
    try:
        for field, value in changes.items():
            if field not in base.description:
                raise UsageError(f"pre-processing: no field {field}: {', '.join(base.description)}")
            changes[field] = kinds.get(field, _whole)(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"pre-processing: {error}") from error
    return replace(base, **changes)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise ValueError(f"{value!r} is no whole number")
    return int(value)


def _numbers(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def read_picture(path: Path) -> Array:
    """A picture from a file, uint8 (H, W, 3) in RGB.

    Samples are taken as they are stored: neither is a picture turned as its EXIF data say, nor is a profile of
    colours applied, as in the customary scripts; boxes and published results go by that. An alpha channel is left
    out. Grey samples of 16 bits are scaled to 8.

    Raises:
        DatasetError: it is missing or damaged, has samples of 32 bits, or more than `LARGEST` pixels.
    """
    from PIL import Image

    if not path.is_file() and path.exists():
        raise DatasetError(f"{path}: no plain file")  # a pipe would never end
    try:
        with Image.open(path) as image:
            if image.width * image.height > LARGEST:
                raise DatasetError(f"{path}: {image.width} x {image.height} pixels: at most {LARGEST:,} are taken")
            if image.mode.startswith("I;16"):
                grey = (np.asarray(image).astype(np.uint32) + 128) // 257
                return np.repeat(grey.astype(np.uint8)[:, :, None], COLOURS, axis=2)
            if image.mode in ("I", "F"):
                raise DatasetError(f"{path}: samples of 32 bits: 8 or 16 are taken")
            return np.asarray(image.convert("RGB"))
    except DatasetError:
        raise
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such picture") from error
    except PermissionError as error:
        raise DatasetError(f"{path}: {error.strerror}") from error
    except Exception as error:  # a damaged file makes readers of formats raise anything
        told = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(f"{path}: damaged, or no picture: {told}") from error


ORIENTATION = 0x112
"""Number of the EXIF entry that says how a picture is to be turned."""


def treatment(path: Path) -> list[str]:
    """What `read_picture` makes of what is more in a file than samples of 8 bits in grey or RGB, each in a few words.

    Raises:
        DatasetError: it is missing or damaged.
    """
    from PIL import Image

    found = []
    try:
        with Image.open(path) as image:
            if image.getexif().get(ORIENTATION, 1) not in (0, 1):
                found.append("an EXIF orientation, which is not applied")
            if (
                image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "La", "RGBa", "RGBX")
                and image.mode[0] != "I"
            ):
                found.append(f"colours in {image.mode}, converted to RGB without a profile")
            if image.mode.startswith("I;16") or any("16" in str(tile[3]) for tile in image.tile):
                found.append("samples of 16 bits, reduced to 8")
            if "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
                found.append("transparency, which is left out")
            if getattr(image, "n_frames", 1) > 1:
                found.append("several frames, of which the first is taken")
    except Exception as error:  # see above
        told = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(f"{path}: damaged, or no picture: {told}") from error
    return found
