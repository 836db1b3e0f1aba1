"""Informative: the pictures of a group as one bitstream.

apart: a file each, one after the other; of several each has its length before it as u(32), which counts. mosaic:
pictures of one size side by side in one picture, so that a header is paid for once. frames: a video.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np

from refsw.errors import CodecError, UsageError
from refsw.evaluation.picture_codecs.base import PictureCodec
from refsw.tensor.axes import Array

APART, MOSAIC, FRAMES = "apart", "mosaic", "frames"
ARRANGEMENTS = (APART, MOSAIC, FRAMES)
LENGTH = struct.Struct(">I")


def encode_group(codec: PictureCodec, pictures: Sequence[Array], arrangement: str = APART) -> bytes:
    """Pictures, uint8 (H, W, 3) or (H, W) each, to one bitstream.

    Raises:
        UsageError: pictures of different sizes, for mosaic and frames.
        CodecError: the codec failed.
    """
    if arrangement == APART:
        files = [codec.encode(picture[None]) for picture in pictures]
        return files[0] if len(files) == 1 else b"".join(LENGTH.pack(len(file)) + file for file in files)
    if len({picture.shape for picture in pictures}) != 1:
        told = "pictures of different sizes in a group: arrange: apart, or group: 1"
        raise UsageError(f"{told}, for {arrangement}")
    stacked = np.stack(pictures)
    return codec.encode(stacked if arrangement == FRAMES else _mosaic(stacked)[None])


def decode_group(
    codec: PictureCodec, data: bytes, shapes: Sequence[tuple[int, ...]], arrangement: str = APART
) -> list[Array]:
    """The pictures of a bitstream.

    Args:
        codec, data, arrangement: as for encoding.
        shapes: of the pictures.

    Raises:
        CodecError: the codec failed, or the bitstream holds something else.
    """
    if arrangement == APART:
        files = [data] if len(shapes) == 1 else _files(data, len(shapes))
        return [codec.decode(file, (1, *shape))[0] for file, shape in zip(files, shapes, strict=True)]
    count, shape = len(shapes), shapes[0]
    if arrangement == FRAMES:
        return list(codec.decode(data, (count, *shape)))
    rows, columns = _grid(count)
    whole = codec.decode(data, (1, rows * shape[0], columns * shape[1], *shape[2:]))[0]
    tiles = whole.reshape(rows, shape[0], columns, *shape[1:]).swapaxes(1, 2)  # (rows, H, columns, W) -> (r, c, H, W)
    return list(np.ascontiguousarray(tiles.reshape(rows * columns, *shape)[:count]))


def _mosaic(pictures: Array) -> Array:
    """(N, H, W, ...) -> (rows * H, columns * W, ...); places that are left over repeat the last picture."""
    rows, columns = _grid(len(pictures))
    filling = np.repeat(pictures[-1:], rows * columns - len(pictures), axis=0)
    grid = np.concatenate([pictures, filling]).reshape(rows, columns, *pictures.shape[1:])
    mosaic: Array = grid.swapaxes(1, 2).reshape(rows * pictures.shape[1], columns * pictures.shape[2], *grid.shape[4:])
    return mosaic


def _grid(count: int) -> tuple[int, int]:
    columns = math.isqrt(count - 1) + 1
    return -(-count // columns), columns


def _files(data: bytes, count: int) -> list[bytes]:
    files, place = [], 0
    while place + LENGTH.size <= len(data):
        size = LENGTH.unpack_from(data, place)[0]
        files.append(data[place + LENGTH.size : place + LENGTH.size + size])
        place += LENGTH.size + size
    if place != len(data) or len(files) != count:
        raise CodecError(f"a group of {count} pictures does not come to an end with its bitstream")
    return files
