"""What prediction in time gains: bytes of native payload and HEVC, intra and predicted, at the same error.

    python tools/measure_prediction.py FEATURES.npy... [--qp 22 --qp 32] [--period 8] [--no-hevc]

FEATURES are of the shape (samples, channels, rows, columns), in the order of time. For every QP: bytes and mean squared
error of native intra; then by how much those of the others differ from what native intra takes for the same error.
"""

from __future__ import annotations

import argparse
import time
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np

import refsw

NEAR = (-3, 0, 3)


def point(x: Any, preset: str, qp: int, **choices: Any) -> tuple[int, float, float, float]:
    """Bytes, mean squared error, seconds of CPU a sample to encode and to decode."""
    start = time.process_time()
    data = refsw.encode(x, preset, axes="TCHW", qp=qp, **choices)
    middle = time.process_time()
    decoded = refsw.decode(data)
    assert isinstance(decoded, np.ndarray)
    end = time.process_time()
    return len(data), float(np.mean((decoded - x) ** 2)), (middle - start) / len(x), (end - middle) / len(x)


def at(error: float, curve: list[tuple[int, float]]) -> float:
    """Bytes at an error, between the two nearest points of logarithms."""
    (_, x0, y0), (_, x1, y1) = sorted((abs(log(e / error)), log(e), log(size)) for size, e in curve)[:2]
    return exp(y0 + (log(error) - x0) * (y1 - y0) / (x1 - x0))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", nargs="+", type=Path)
    parser.add_argument("--qp", type=int, action="append")
    parser.add_argument("--no-hevc", action="store_true")
    parser.add_argument("--period", type=int, default=8, help="Samples from one that is not predicted to the next.")
    parser.add_argument("--samples", type=int, help="The first ones alone.")
    chosen = parser.parse_args()
    for path in chosen.features:
        x = np.load(path)[: chosen.samples].astype(np.float32)
        for qp in chosen.qp or (22, 32):
            curve = {d: point(x, "native", qp + d, intra_period=1) for d in NEAR}
            own = curve[0]
            print(f"{path.stem} QP {qp}: native intra {own[0]:,} bytes, error {own[1]:.4g}, "
                  f"{1000 * own[2]:.0f} / {1000 * own[3]:.0f} ms", flush=True)  # fmt: skip
            predicted = {"intra_period": chosen.period}
            others: dict[str, tuple[str, dict[str, Any]]] = {"native predicted": ("native", predicted)}
            if not chosen.no_hevc:
                others |= {"HEVC intra": ("balanced", {}),
                           "HEVC inter": ("balanced", {"profile": "inter", "samples_per_unit": chosen.period}),
                           }  # fmt: skip
            for name, (preset, choices) in others.items():
                size, error, encode, decode = point(x, preset, qp, **choices)
                equal = at(error, [c[:2] for c in curve.values()])
                gain = 100 * (size / equal - 1)
                print(f"    {name}: {size:,} bytes, error {error:.4g}: {gain:+.1f} % at that error, "
                      f"{1000 * encode:.0f} / {1000 * decode:.0f} ms", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
