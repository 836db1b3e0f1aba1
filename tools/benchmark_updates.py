"""Speed, memory and size of model updates, as ratios in one run.

    python tools/benchmark_updates.py [BASE TARGET] [--digits 4] [--effort 1]

Without arguments, a model of the size of ResNet-50 (25.6 million values) with Laplacian and Gaussian differences is
made from a seed. Times are CPU seconds of this process; memory is the peak above that of the models themselves. The
bytes are compared with the zero-order entropy of the integers and with general compressors on the same integers.
"""

from __future__ import annotations

import argparse
import bz2
import json
import lzma
import resource
import subprocess
import sys
import time
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import refsw
from refsw.models.files import open_model

SHAPES = ((64, 3, 7, 7), *[(256, 256, 3, 3)] * 16, *[(1024, 512, 1, 1)] * 18, *[(512, 512, 3, 3)] * 2, (1000, 512))


def synthetic(folder: Path) -> tuple[Path, Path]:
    """Two models whose differences have scales from 1e-4 to 1e-3."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(12345)
    base, target = {}, {}
    for number, shape in enumerate(SHAPES):
        w = rng.standard_normal(shape, np.float32) * np.float32(0.05)
        noise = rng.laplace(size=shape) if number % 2 else rng.standard_normal(shape)
        base[f"layer{number:02}.weight"] = w
        target[f"layer{number:02}.weight"] = (w + noise * 10 ** rng.uniform(-4, -3)).astype(np.float32)
    paths = folder / "base.safetensors", folder / "target.safetensors"
    save_file(base, paths[0])
    save_file(target, paths[1])
    return paths


def child(job: str, *paths: str) -> dict[str, float]:
    """One job in a process of its own: CPU seconds, and MiB above what it took to read both models."""
    done = subprocess.run([sys.executable, __file__, "--job", job, *paths], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def work(job: str, base_path: Path, target_path: Path, update_path: Path, digits: int, effort: int) -> None:
    """The job of a child."""
    base, target = open_model(base_path), open_model(target_path)
    read = [int(model[name].reshape(-1).view(np.uint8)[::4096].sum()) for model in (base, target) for name in model]
    assert read
    refsw.diff_models({"a": np.zeros(4, np.float32)}, {"a": np.ones(4, np.float32)})  # imports and tables
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    if job == "diff":
        update_path.write_bytes(refsw.diff_models(base, target, digits=digits, effort=effort))
    else:
        result = refsw.apply_update(base, update_path.read_bytes())
        assert len(result) == len(target)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"cpu": seconds, "mib": peak / 1024}))


def integers(base_path: Path, target_path: Path, digits: int) -> list[np.ndarray]:
    """The quantized differences, each as the smallest integers that hold them."""
    base, target, out = open_model(base_path), open_model(target_path), []
    for name in target:
        if target[name].dtype == np.float32 and name in base and target[name].size:
            q = np.rint((target[name].astype(np.float64) - base[name].astype(np.float64)) * 10.0**digits)
            kind = next(k for k in (np.int8, np.int16, np.int32, np.int64) if np.abs(q).max() <= np.iinfo(k).max)
            out.append(q.astype(kind).reshape(-1))
    return out


def entropy_bytes(values: np.ndarray) -> float:
    """Zero-order entropy of a tensor."""
    counts = np.unique(values, return_counts=True)[1]
    return float((counts * np.log2(counts.sum() / counts)).sum() / 8)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="*")
    parser.add_argument("--digits", type=int, default=4)
    parser.add_argument("--effort", type=int, default=1)
    parser.add_argument("--job")
    options = parser.parse_args()
    if options.job:
        work(options.job, *options.paths[:3], options.digits, options.effort)
        return
    with TemporaryDirectory() as folder:
        base, target = options.paths or synthetic(Path(folder))
        update = Path(folder) / "update.dfc"
        arguments = (str(base), str(target), str(update), "--digits", str(options.digits),
                     "--effort", str(options.effort))  # fmt: skip
        coded, decoded = child("diff", *arguments), child("apply", *arguments)
        size = update.stat().st_size
        tensors = integers(base, target, options.digits)
    values = sum(t.size for t in tensors)
    print(f"{values:,} values at {options.digits} digits: {size:,} bytes, {8 * size / values:.3f} bits a value")
    for name, figures in (("encoding", coded), ("decoding", decoded)):
        per = figures["mib"] * 2**20 / values
        print(
            f"{name}: {figures['cpu']:.2f} s CPU, {figures['mib']:.0f} MiB above the models ({per:.1f} bytes a value)"
        )
    print(f"bytes / zero-order entropy of each tensor: {size / sum(map(entropy_bytes, tensors)):.4f}")
    raw = b"".join(t.tobytes() for t in tensors)
    for name, compress in (("zlib -6", zlib.compress), ("bzip2 -9", bz2.compress), ("xz -6", lzma.compress)):
        print(f"bytes / {name}: {size / len(compress(raw)):.4f}", flush=True)


if __name__ == "__main__":
    main()
