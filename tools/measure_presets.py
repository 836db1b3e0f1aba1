"""Measure the presets on features of a real network: rate, error, and agreement of the resumed network.

    python tools/measure_presets.py run DATA OUT.jsonl [--images 50] [--presets anchor,balanced,best,fast]
    python tools/measure_presets.py report OUT.jsonl

DATA is a folder with `imagenet/labels.csv` and images, and a module `networks.py` that gives ResNet-50 with its
feature tensors at conv1 to conv5 (see docs/presets.md). A run that is killed goes on where it stopped.
Every record is one image, layer, preset and QP: the bytes of its feature data unit and of the rest of the
stream, the squared error, and whether the resumed network's top-1 class is that of the whole network.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import refsw
from refsw.syntax.codes import UnitType
from refsw.syntax.units import UnitReader

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")
NOMINAL = (12, 22, 32, 42)
# Agreement falls only at high QPs in deep layers: more of them, so that curves overlap.
QPS = dict.fromkeys(LAYERS[:3], (12, 22, 32, 37, 42, 47)) | dict.fromkeys(LAYERS[3:], (12, 22, 32, 37, 42, 47, 51))
BEYOND = {"conv4": (57,), "conv5": (57, 62)}  # with a matched step, the QP that is coded stays below 51
SOFTNESS = 0.5
Points = tuple[list[float], list[float]]


def unit_sizes(data: bytes) -> tuple[int, int]:
    """Bytes of the feature data units of a bitstream, and of everything else."""
    units, place = 0, 12
    for unit in UnitReader(io.BytesIO(data)):
        end = unit.body_offset + len(unit.body) + 4
        if unit.type == UnitType.FEATURE_DATA:
            units += end - place
        place = end
    return units, len(data) - units


def run(arguments: argparse.Namespace) -> None:
    """Append a record for every image, layer, preset and QP that has none yet."""
    sys.path.insert(0, str(arguments.data))
    import networks
    import torch

    torch.set_num_threads(1)
    done = {tuple(r[k] for k in ("image", "layer", "preset", "qp")) for r in records(arguments.out)}
    rows = list(csv.DictReader((arguments.data / "imagenet" / "labels.csv").open()))
    step = max(1, len(rows) // arguments.images)
    net = networks.imagenet_resnet("resnet50")
    with arguments.out.open("a") as out, torch.inference_mode():
        for row in rows[::step][: arguments.images][arguments.part :: arguments.parts]:
            image = networks.preprocess(arguments.data / "imagenet" / row["file"])[None]
            stages = net.stages(image)
            for layer in LAYERS:
                for preset in arguments.presets.split(","):
                    for qp in QPS[layer] + (() if preset == "anchor" else BEYOND.get(layer, ())):
                        if (row["file"], layer, preset, qp) in done:
                            continue
                        record = measure(net, stages, layer, preset, qp)
                        record |= {"image": row["file"], "layer": layer, "preset": preset, "qp": qp}
                        out.write(json.dumps(record) + "\n")
                        out.flush()
            print(row["file"], file=sys.stderr)


def measure(net: Any, stages: dict[str, Any], layer: str, preset: str, qp: int) -> dict[str, Any]:
    """Encode, validate and decode one feature tensor, and resume the network from it."""
    import torch

    feature = stages[layer]
    data = refsw.encode(feature, preset, qp=qp)
    if not refsw.validate(data).conforming:
        raise SystemExit(f"{layer} {preset} QP {qp}: not conforming")
    decoded = torch.from_numpy(refsw.decode(data))
    error = float(((decoded - feature).double() ** 2).mean())
    logits, whole = net.resume(layer, decoded)[0].double(), stages["logits"][0].double()
    top = int(whole.argmax())
    others = logits.clone()
    others[top] = -np.inf
    margin = float(logits[top] - others.max())
    kl = float((whole.softmax(0) * (whole.log_softmax(0) - logits.log_softmax(0))).sum())
    units, rest = unit_sizes(data)
    span = float(feature.max() - feature.min())
    return {
        "unit_bytes": units,
        "stream_bytes": rest,
        "elements": feature.numel(),
        "mse": error,
        "psnr": 10 * float(np.log10(span * span / error)),
        "same": int(logits.argmax()) == top,
        "soft": 1 / (1 + float(np.exp(np.clip(-margin / SOFTNESS, -50, 50)))),
        "kl": kl,
    }


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The whole records of a file; a last one that was cut off is left out."""
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


def report(arguments: argparse.Namespace) -> None:
    """Print the tables of docs/presets.md."""
    points: dict[tuple[str, str], dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for record in records(arguments.out):
        points[record["layer"], record["preset"]][record["qp"]].append(record)
    presets = sorted({preset for _, preset in points}, key=["anchor", "balanced", "best", "fast"].index)
    whole = min(len(rs) for qps in points.values() for rs in qps.values())
    print(f"images: {whole}\n")
    print("compression rate | top-1 agreement, nominal QPs")
    print("| layer | preset | " + " | ".join(f"QP {qp}" for qp in NOMINAL) + " |")
    for layer in LAYERS:
        for preset in presets:
            cells = [summary(points[layer, preset][qp][:whole]) for qp in NOMINAL]
            print(f"| {layer} | {preset} | " + " | ".join(f"{c['rate']:.3f} \\| {c['same']:.3f}" for c in cells) + " |")
    for metric in ("psnr", "same", "soft"):
        print(f"\nrate against anchor at equal {metric}, % (BD-rate, PCHIP; in brackets the common interval)")
        for preset in presets[1:]:
            cells, values = [], []
            for layer in LAYERS:
                curves = [curve(points[layer, name], metric, whole) for name in ("anchor", preset)]
                value, low, high = difference(*curves)
                cells.append(f"{value:.1f} ({low:.3g} to {high:.3g})" if low < high else "no overlap")
                values.append(value)
            print(f"| {preset} | " + " | ".join(cells) + f" | {np.nanmean(values):.1f} |")
    print("\nextended points: bytes an image, PSNR, top-1 agreement, soft agreement")
    for layer in LAYERS:
        for preset in presets:
            for qp in sorted(points[layer, preset]):
                c = summary(points[layer, preset][qp][:whole])
                print(
                    f"| {layer} | {preset} | {qp} | {c['bytes']:.0f} | {c['psnr']:.2f} | "
                    f"{c['same']:.3f} | {c['soft']:.3f} |"
                )


def difference(anchor: Points, proposal: Points) -> tuple[float, float, float]:
    """BD-rate in % over the common interval of the metric, and that interval; NaN where there is none.

    Like `refsw.evaluation.bdrate`, but with as few as two points: agreement says nothing where it is 1.
    """
    from scipy.interpolate import PchipInterpolator

    low = max(anchor[1][0], proposal[1][0])
    high = min(anchor[1][-1], proposal[1][-1])
    if low >= high or min(len(anchor[0]), len(proposal[0])) < 2:
        return float("nan"), 0.0, 0.0
    means = [PchipInterpolator(v, np.log(r)).integrate(low, high) / (high - low) for r, v in (anchor, proposal)]
    return 100 * float(np.exp(means[1] - means[0]) - 1), low, high


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Means over images; the rate is that of one stream with all of them."""
    size = sum(r["unit_bytes"] for r in rows) + rows[0]["stream_bytes"]
    out = {key: float(np.mean([r[key] for r in rows])) for key in ("psnr", "same", "soft", "kl")}
    return out | {"bytes": size / len(rows), "rate": size / sum(4 * r["elements"] for r in rows)}


def curve(qps: dict[int, list[dict[str, Any]]], metric: str, whole: int) -> Points:
    """Rates and values by rising rate; agreement is made monotone (isotonic) and cut to where it says something."""
    rows = sorted((summary(rs[:whole]) for rs in qps.values()), key=lambda r: r["bytes"])
    rates, values = [r["bytes"] for r in rows], [r[metric] for r in rows]
    from scipy.optimize import isotonic_regression

    fitted = isotonic_regression(values).x
    kept = [(r, float(v)) for i, (r, v) in enumerate(zip(rates, fitted, strict=True)) if i == 0 or v > fitted[i - 1]]
    return [r for r, _ in kept], [v for _, v in kept]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("data", type=Path)
    one.add_argument("out", type=Path)
    one.add_argument("--images", type=int, default=50)
    one.add_argument("--presets", default="anchor,balanced,best,fast")
    one.add_argument("--part", type=int, default=0, help="this process takes every PARTS-th image from this one")
    one.add_argument("--parts", type=int, default=1)
    two = commands.add_parser("report")
    two.add_argument("out", type=Path)
    arguments = parser.parse_args()
    (run if arguments.command == "run" else report)(arguments)


if __name__ == "__main__":
    main()
