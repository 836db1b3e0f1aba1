"""Measure model updates on a chain of versions of one network: accuracy and rate, with and without DoM.

    python tools/measure_updates.py DATA [--rounding nearest,literal] [--digits 3,4,5,6,7] > table.md

DATA is a folder with `chain/resnet20_V0..V3.safetensors`, `cifar10/test.zip` and a module `networks.py` that gives
the network (see docs/model-updates.md). The table is that of Digital retina, Table 4, and the compression ratios of
its Fig. 5: V1, V2 and V3 are sent at 3 to 7 compression bits (decimal digits), either as differences, each from what
the receiver has, or whole. Both are coded with the same coder; a ratio is bytes of the float32 model over bytes sent.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import refsw
from refsw.models.files import open_model

VERSIONS = 4
Weights = dict[str, Any]


def evaluator(data: Path) -> Callable[[Weights], float]:
    """A function from weights to the accuracy in percent on the images of DATA."""
    import torch
    from PIL import Image

    sys.path.insert(0, str(data))
    from networks import MEAN, STD, cifar_resnet20

    archive = zipfile.ZipFile(data / "cifar10/test.zip")
    names = [name for name in archive.namelist() if name.endswith((".jpg", ".png"))]
    kinds = sorted({name.split("/")[-2] for name in names})
    labels = np.array([kinds.index(name.split("/")[-2]) for name in names])
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names])
    scaled = (pixels.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    images = torch.from_numpy(scaled.transpose(0, 3, 1, 2).copy())
    network = cifar_resnet20(0)

    def accuracy(weights: Weights) -> float:
        network.load_state_dict({name: torch.from_numpy(np.array(w)) for name, w in weights.items()})
        with torch.inference_mode():
            found = torch.cat([network(part).argmax(1) for part in images.split(500)]).numpy()
        return float(100 * (found == labels).mean())

    return accuracy


def measure(chain: list[Weights], accuracy: Callable[[Weights], float], digits: int, rounding: str) -> list[str]:
    """A row of the table: accuracies and ratios with DoM, then without."""
    size = sum(np.asarray(w).nbytes for w in chain[0].values())
    have, with_dom, without = chain[0], [], []
    for target in chain[1:]:
        update = refsw.diff_models(have, target, digits=digits, rounding=rounding)
        have = refsw.apply_update(have, update)
        with_dom.append((accuracy(have), size / len(update)))
        whole = refsw.diff_models(None, target, digits=digits, rounding=rounding)
        without.append((accuracy(refsw.apply_update(None, whole)), size / len(whole)))
    return [f"{a:.2f} ({r:.1f})" for a, r in with_dom] + [f"{a:.2f} ({r:.1f})" for a, r in without]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounding", default="nearest,literal")
    parser.add_argument("--digits", default="7,6,5,4,3")
    options = parser.parse_args()
    accuracy = evaluator(options.data)
    chain = [dict(open_model(options.data / f"chain/resnet20_V{v}.safetensors")) for v in range(VERSIONS)]
    print("| rounding | digits | DoM V1 | DoM V2 | DoM V3 | whole V1 | whole V2 | whole V3 |")
    print("|---|---|---|---|---|---|---|---|")
    plain = [f"{accuracy(weights):.2f} (1.0)" for weights in chain[1:]]
    print("| - | original | " + " | ".join(plain + plain) + " |")
    for rounding in options.rounding.split(","):
        for digits in map(int, options.digits.split(",")):
            row = measure(chain, accuracy, digits, rounding)
            print(f"| {rounding} | {digits} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
