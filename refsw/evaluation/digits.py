"""Informative: the small network and the images that ship with the package (made by tools/train_digits.py).

Images: Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository,
doi:10.24432/C50P49, licence CC BY 4.0, by way of scikit-learn; a selection, unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refsw.evaluation.networks import CutNetwork
from refsw.tensor.axes import Array

DATA = Path(__file__).parent / "data"
NETWORK_ID = "refsw-digits"
STAGES = 5
GREY_LEVELS = 16


@dataclass(frozen=True, slots=True)
class DigitImages:
    """The held-out images that the network finds hardest.

    Args:
        images: binary32 from 0 to 1, (N, 1, 8, 8).
        labels: the digits.
        logits: outputs of the network as the training framework computed them, (N, 10).
        held_out_accuracy: of the network over all held-out images, these among them.
    """

    images: Array
    labels: Array
    logits: Array
    held_out_accuracy: float


def digit_images() -> DigitImages:
    """The images that ship with the package."""
    with np.load(DATA / "digits-test.npz", allow_pickle=False) as stored:
        return DigitImages(
            images=stored["images"][:, None].astype(np.float32) / np.float32(GREY_LEVELS),
            labels=stored["labels"],
            logits=stored["logits"],
            held_out_accuracy=float(stored["held_out_accuracy"]),
        )


def digit_network() -> CutNetwork:
    """The network that ships with the package, with the cuts conv1 to conv4."""
    return CutNetwork([DATA / f"digits-{stage}.onnx" for stage in range(1, STAGES + 1)])
