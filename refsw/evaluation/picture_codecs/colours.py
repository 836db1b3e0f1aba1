"""Informative: RGB and the planes of luminance and chrominance that video codecs take.

The full-range matrix of JFIF (BT.601) both ways, in binary32. Chrominance of 4:2:0 is the mean of 2 x 2 samples, and
comes back by bilinear interpolation between their centres. Sides that are not even are continued by their last samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refsw.tensor.axes import Array

TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], np.float32)
CENTRE = np.array([0, 128, 128], np.float32)


def to_planes(picture: Array, chroma: str, least: int = 1) -> list[Array]:
    """A picture, uint8 (H, W, 3) or (H, W), as uint8 planes: Y, Cb, Cr, or Y alone.

    Args:
        picture: in RGB or grey.
        chroma: 420 or 444.
        least: sides are continued to at least as much.
    """
    step = 2 if chroma == "420" and picture.ndim == 3 else 1
    wanted = [max(least, -(-side // step) * step) for side in picture.shape[:2]]
    more = [(0, want - side) for want, side in zip(wanted, picture.shape[:2], strict=True)]
    padded = np.pad(picture, more + [(0, 0)] * (picture.ndim - 2), mode="edge")
    if picture.ndim == 2:
        return [padded]
    ycc = padded.astype(np.float32) @ TO_YCC.T + CENTRE  # (H, W, 3)
    planes = [ycc[:, :, i] for i in range(3)]
    if step == 2:
        height, width = planes[0].shape
        planes[1:] = [p.reshape(height // 2, 2, width // 2, 2).mean((1, 3)) for p in planes[1:]]
    return [_bytes(plane) for plane in planes]


def from_planes(planes: Sequence[Array], shape: tuple[int, ...]) -> Array:
    """The picture of planes, uint8 of a shape: (H, W, 3), or (H, W), for which the first plane is taken."""
    height, width = shape[:2]
    if len(shape) == 2:
        return np.ascontiguousarray(planes[0][:height, :width])
    full = [np.asarray(plane, np.float32) for plane in planes]
    if full[1].shape != full[0].shape:
        full[1:] = [_twice(_twice(plane).T).T for plane in full[1:]]
    ycc = np.stack([plane[:height, :width] for plane in full], axis=2) - CENTRE
    return _bytes(ycc @ TO_RGB.T)


def _twice(plane: Array) -> Array:
    """Twice as many rows: each new one is a quarter of the way from its sample to the neighbour on its side."""
    before, after = np.vstack([plane[:1], plane[:-1]]), np.vstack([plane[1:], plane[-1:]])
    both = np.stack([0.75 * plane + 0.25 * before, 0.75 * plane + 0.25 * after], axis=1)  # (H, 2, W)
    rows: Array = both.reshape(2 * len(plane), -1)
    return rows


def _bytes(samples: Array) -> Array:
    rounded: Array = np.clip(np.floor(samples + 0.5), 0, 255).astype(np.uint8)
    return rounded
