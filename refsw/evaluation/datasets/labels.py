"""Informative: where the classes of the samples of a picture are: a picture of labels, or a frame of a stack."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from refsw.evaluation.errors import DatasetError
from refsw.evaluation.metrics.segmentation import IGNORED
from refsw.evaluation.pictures import LARGEST
from refsw.tensor.axes import Array

STACK = "gt"
CONVERT = "save it again without objects: numpy.savez(FILE, gt=numpy.stack(frames).astype('uint8'))"


@dataclass(frozen=True, slots=True)
class LabelPlace:
    """Labels of a picture.

    Args:
        path: a picture with a label a sample (grey, or the numbers of a palette), or .npz whose array `gt` is uint8
            (frames, H, W).
        frame: of the .npz.
        classes: class of each label; labels that are not among them are ignored. Empty: labels are classes.
    """

    path: Path
    frame: int = 0
    classes: tuple[tuple[int, int], ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.path}, frame {self.frame}" if self.path.suffix == ".npz" else str(self.path)

    def read(self) -> Array:
        """The labels, uint8 (H, W), 255 where they are ignored.

        Raises:
            DatasetError: the file is missing, damaged, or no labels.
        """
        if self.path.suffix == ".npz":
            stack = _stack(self.path)
            if self.frame >= len(stack):
                raise DatasetError(f"{self.path}: {len(stack)} frames, no frame {self.frame}")
            own: Array = stack[self.frame]
        else:
            own = _picture(self.path)
        if not self.classes:
            return own
        table = np.full(256, IGNORED, np.uint8)
        for label, number in self.classes:
            table[label] = number
        found: Array = table[own]
        return found


def _picture(path: Path) -> Array:
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P", "1") or image.width * image.height > LARGEST:
                raise DatasetError(
                    f"{path}: labels are grey samples of 8 bits, or numbers of a palette, not {image.mode}"
                )
            return np.asarray(image if image.mode != "1" else image.convert("L")).astype(np.uint8)
    except DatasetError:
        raise
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such labels") from error
    except Exception as error:  # a damaged file makes readers of formats raise anything
        raise DatasetError(f"{path}: damaged, or no picture: {' '.join(str(error).split())}") from error


@lru_cache(maxsize=2)
def _stack(path: Path) -> Array:
    try:
        with np.load(path, allow_pickle=False) as stored:
            stack = stored[STACK]
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such labels") from error
    except ValueError as error:
        raise DatasetError(f"{path}: {STACK} is stored as objects, which are not read: {CONVERT}") from error
    except Exception as error:  # see above
        raise DatasetError(f"{path}: no labels: {' '.join(str(error).split())}") from error
    if stack.dtype != np.uint8 or stack.ndim != 3:
        raise DatasetError(f"{path}: {STACK} is {stack.dtype} {stack.shape}: uint8 (frames, H, W)")
    found: Array = stack
    return found
