"""Speed and memory, as ratios of runs next to each other on this machine.

    python tools/benchmark.py [--quick] [--features FILE.npz]

Encoding is compared with bare PyAV/libx265 on the same prepared pictures with the same settings, decoding with
bare FFmpeg and one table look-up per element. Without --features (arrays (N, C, H, W) of a real network), maps of
the sizes of ResNet-50's stages are made up: smooth, sparse, non-negative.
"""

from __future__ import annotations

import argparse
import io
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SHAPES = {
    "conv1": (64, 112, 112),
    "conv2": (256, 56, 56),
    "conv3": (512, 28, 28),
    "conv4": (1024, 14, 14),
    "conv5": (2048, 7, 7),
}


SERIES = 8  # samples of a stream that is decoded


def made_up(shape: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    """Features of a shape, as a ReLU leaves them."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape)
    for axis in (1, 2):
        x = (x + np.roll(x, 1, axis) + np.roll(x, -1, axis)) / 2
    return np.maximum(x - 1, 0).astype(np.float32)[None]


def ratio(ours: Callable[[], object], bare: Callable[[], object], rounds: int) -> str:
    """Medians of the ratios of CPU and of wall times, alternating, and the median CPU times.

    On a machine with other work wall times are longer by what the others take, and caches are shared: CPU time is the
    one to compare.
    """
    spent: tuple[list[tuple[float, float]], ...] = ([], [])
    for _ in range(rounds):
        for function, times in zip((ours, bare), spent, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            function()
            times.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu, wall = (statistics.median(x[i] / y[i] for x, y in zip(*spent, strict=True)) for i in (0, 1))
    mine, theirs = (1000 * statistics.median(cpu for cpu, _ in times) for times in spent)
    return f"{cpu:5.3f} (wall {wall:5.3f}; CPU {mine:7.1f} / {theirs:7.1f} ms)"


def codec_ratios(name: str, x: np.ndarray[Any, Any], preset: str, rounds: int) -> None:
    """Encoding and decoding of one tensor against the bare codec."""
    import av

    import refsw
    from refsw.features.coding import _prepare, encode_unit
    from refsw.features.parameters import Parameters
    from refsw.features.plan import make_plan
    from refsw.features.reader import BitstreamReader
    from refsw.features.reconstruct import UnitContent
    from refsw.payload import nal, x265
    from refsw.syntax.codes import Profile
    from refsw.tensor.axes import Axes
    from refsw.tensor.dequantize import reconstruction_table

    config = refsw.EncoderConfig.preset(preset, qp=22)
    plan = make_plan("", 0, Axes.parse(None, x.shape), x.dtype, config, Profile.INTRA, x[0])
    prepared = _prepare(plan, x[0])
    pictures = prepared.pictures
    assert pictures is not None
    picture_format = plan.parameters.picture_format(Profile.INTRA)
    from dataclasses import replace

    settings = replace(plan.settings, qp=plan.settings.qp + prepared.qp_shift)
    encode = ratio(
        lambda: encode_unit(plan, [x[0]], 0), lambda: x265.encode(pictures, picture_format, settings), rounds
    )

    data = refsw.encode(np.concatenate([x] * SERIES), config)
    contents = list(BitstreamReader(io.BytesIO(data)))
    parameters = next(c for c in contents if isinstance(c, Parameters))
    unit = next(c for c in contents if isinstance(c, UnitContent))
    stream = parameters.configuration + unit.payload
    packets = [nal.join(group) for group in nal.pictures_of(nal.split(stream))]
    limits = unit.ranges[0]
    assert limits is not None
    table = reconstruction_table(parameters.quantizer, parameters.bit_depth, *limits)
    channels = x.shape[1]

    def bare_decode() -> object:
        context = av.CodecContext.create("hevc", "r")
        context.thread_count = 1
        frames = [f for p in [*packets, None] for f in context.decode(av.Packet(p) if p else None)]
        planes = [f.to_ndarray() for f in frames]
        levels = np.stack(planes)
        return table.take(levels.reshape(-1)[: channels * x.shape[2] * x.shape[3]])

    def our_decode() -> None:
        for sample in refsw.Decoder(io.BytesIO(data)):
            assert sample.elements.shape == x.shape[1:]

    decode = ratio(our_decode, lambda: [bare_decode() for _ in range(SERIES)], rounds)
    print(f"{name:<6} {preset:<9} encode {encode}   decode {decode}")


def native(name: str, x: np.ndarray[Any, Any], rounds: int) -> None:
    """Encoding and decoding of one tensor with the native payload against `balanced`, from features to features."""
    import refsw

    coded = {preset: refsw.encode(x, preset, qp=22) for preset in ("native", "balanced")}
    own, other = coded["native"], coded["balanced"]
    refsw.decode(own)  # loops are compiled, or loaded, once
    encode = ratio(lambda: refsw.encode(x, "native", qp=22), lambda: refsw.encode(x, "balanced", qp=22), rounds)
    decode = ratio(lambda: refsw.decode(own), lambda: refsw.decode(other), rounds)
    print(f"{name:<6} native    encode {encode}   decode {decode}   bytes {len(own) / len(other):.2f}")


def processes(x: np.ndarray[Any, Any], samples: int) -> None:
    """Throughput of two processes against one, the start of the processes included and not."""
    import refsw

    series = np.concatenate([x] * samples)
    times = {}
    for jobs in (1, 2):
        start = time.perf_counter()
        refsw.encode(series, "balanced", jobs=jobs)
        times[jobs] = time.perf_counter() - start
    gain = times[1] / times[2]
    print(f"two processes: {gain:.2f} x the throughput of one ({samples} samples, {times[1]:.1f} s with one)")


def start_up(rounds: int) -> None:
    """`refsw --help` from the shell."""
    command = [str(Path(sys.executable).parent / "refsw"), "--help"]
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    print(f"refsw --help: {min(times):.3f} s at best, {statistics.median(times):.3f} s in the median of {rounds}")


MEMORY_CODE = """
import resource, sys
sys.argv = ["refsw", *sys.argv[1:]]
from refsw.cli.main import main
try:
    main()
finally:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"PEAK {peak // 1024}", file=sys.stderr)
"""


def memory(gigabytes: float) -> None:
    """Peak resident memory of coding and decoding a long series of samples from disk to disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        sample = made_up(SHAPES["conv1"])[0]
        count = int(gigabytes * 2**30 / sample.nbytes) + 1
        with (path / "x.npy").open("wb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": (count, *sample.shape)}
            np.lib.format.write_array_header_1_0(file, header)
            for i in range(count):
                np.roll(sample, i, 1).tofile(file)
        for arguments in (
            ["encode", "x.npy", "-o", "x.dfc", "--preset", "fast", "--qp", "42"],
            ["decode", "x.dfc", "-o", "y.npy"],
        ):
            done = subprocess.run(
                [sys.executable, "-c", MEMORY_CODE, *arguments], cwd=path, capture_output=True, text=True, check=True
            )
            print(f"{arguments[0]} of {count} samples, {gigabytes} GB: peak {done.stderr.split()[-1]} MiB")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, 0.2 GB")
    parser.add_argument("--features", type=Path, help="real features: one array (N, C, H, W) a layer")
    arguments = parser.parse_args()
    rounds = 3 if arguments.quick else 7
    source = np.load(arguments.features) if arguments.features else None
    tensors = {name: made_up(shape) if source is None else source[name][:1] for name, shape in SHAPES.items()}
    print("ratio to the bare codec on the same pictures (times ours / bare), one core, QP 22")
    for name, x in tensors.items():
        for preset in ("anchor", "balanced"):
            codec_ratios(name, x, preset, rounds)
    print("ratio of the native payload to balanced, from features to features")
    for name, x in tensors.items():
        native(name, x, rounds)
    processes(tensors["conv4"], 12 if arguments.quick else 60)
    start_up(10)
    memory(0.2 if arguments.quick else 2.0)
    print(f"this process peaked at {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main()
