"""Measure the native payload against `balanced` on features of a real network: rate, error, divergence, CPU time.

    python tools/measure_native.py run DATA OUT.jsonl [--images 50] [--learn 24] [--layers conv3,conv4,conv5]
    python tools/measure_native.py report OUT.jsonl

DATA is as for measure_presets.py. Three cases: `balanced`; `universal`, the preset `native` with nothing else; and
`layer`, the same with parameters that were learned for the layer and the QP from images that are not among those
measured. A run that is killed goes on where it stopped. Every record is one image, layer, case and QP; those of
parameters have their bytes, which the report counts once for all images, and states apart.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from measure_presets import records, unit_sizes
from scipy.interpolate import PchipInterpolator

import refsw
from refsw.features.native_training import train_native
from refsw.named import known_by_digest
from refsw.payload.native.training import Training

QPS = (12, 22, 32, 42)
LOW = {"conv3": (47, 51), "conv4": (47, 51), "conv5": (47, 51)}
"""Low rates, which are stated and not part of the curves."""
CASES = ("balanced", "universal", "layer")
REFERENCES = 12


def opened(arguments: argparse.Namespace) -> tuple[Any, Any, list[dict[str, str]], list[dict[str, str]]]:
    """The network, the stages of an image in it, the images to measure, and others to learn from."""
    sys.path.insert(0, str(arguments.data))
    import networks
    import torch

    torch.set_num_threads(1)
    rows = list(csv.DictReader((arguments.data / "imagenet" / "labels.csv").open()))
    step = max(2, len(rows) // arguments.images)
    measured, others = rows[::step][: arguments.images], [row for i, row in enumerate(rows) if i % step]
    net = networks.imagenet_resnet(arguments.network)

    def stages(row: dict[str, str]) -> Any:
        return net.stages(networks.preprocess(arguments.data / "imagenet" / row["file"])[None])

    return net, stages, measured, others[:: max(1, len(others) // arguments.learn)][: arguments.learn]


def run(arguments: argparse.Namespace) -> None:
    """Append a record for every image, layer, case and QP that has none yet."""
    import torch

    net, stages, measured, chosen = opened(arguments)
    done = {(r["layer"], r["case"], r["qp"], r.get("image")) for r in records(arguments.out)}

    with arguments.out.open("a") as out, torch.inference_mode():

        def write(**record: Any) -> None:
            out.write(json.dumps(record) + "\n")
            out.flush()

        features = [stages(row) for row in chosen]
        for layer in arguments.layers.split(","):
            for qp in QPS + LOW.get(layer, ()):
                file = arguments.out.with_suffix(f".{layer}.{qp}.dfcn")
                if not file.exists():
                    begin = time.process_time()
                    samples = [one[layer][0].numpy() for one in features]
                    file.write_bytes(train_native(samples, (qp,), Training(references=REFERENCES)))
                    write(layer=layer, case="parameters", qp=qp, bytes=file.stat().st_size, images=len(samples),
                          seconds=time.process_time() - begin)  # fmt: skip
        for row in measured:
            found = stages(row)
            for layer in arguments.layers.split(","):
                for qp in QPS + LOW.get(layer, ()):
                    for case in CASES:
                        if (layer, case, qp, row["file"]) not in done:
                            file = arguments.out.with_suffix(f".{layer}.{qp}.dfcn")
                            own = file.read_bytes() if case == "layer" else None
                            write(layer=layer, case=case, qp=qp, image=row["file"],
                                  **measure(net, found, layer, configured(case, qp, own), own))  # fmt: skip
            print(row["file"], file=sys.stderr, flush=True)


def configured(case: str, qp: int, own: bytes | None) -> refsw.EncoderConfig:
    """The configuration of a case, with parameters that are named if there are any."""
    config = refsw.EncoderConfig.preset("balanced" if case == "balanced" else "native", qp=qp)
    return config if own is None else config.replace(native=own, named=True)


def measure(
    net: Any, stages: dict[str, Any], layer: str, config: refsw.EncoderConfig, named: bytes | None
) -> dict[str, Any]:
    """Encode and decode one feature tensor, and resume the network from it; `named` is what the bitstream names."""
    import torch

    feature, known = stages[layer], known_by_digest([] if named is None else [named])
    begin = time.process_time()
    data = refsw.encode(feature, config)
    between = time.process_time()
    decoded = torch.from_numpy(refsw.decode(data, known=known))
    end = time.process_time()
    logits, whole = net.resume(layer, decoded)[0].double(), stages["logits"][0].double()
    units, rest = unit_sizes(data)
    return {
        "unit_bytes": units,
        "stream_bytes": rest,
        "mse": float(((decoded - feature).double() ** 2).mean()),
        "kl": float((whole.softmax(0) * (whole.log_softmax(0) - logits.log_softmax(0))).sum()),
        "same": int(logits.argmax()) == int(whole.argmax()),
        "encoding": between - begin,
        "decoding": end - between,
    }


def report(arguments: argparse.Namespace) -> None:
    """Print differences of rate at equal error, and what they are made of."""
    points: dict[tuple[str, str, int], list[dict[str, Any]]] = defaultdict(list)
    side: dict[tuple[str, int], dict[str, Any]] = {}
    for record in records(arguments.out):
        if record["case"] == "parameters":
            side[record["layer"], record["qp"]] = record
        else:
            points[record["layer"], record["case"], record["qp"]].append(record)
    layers = sorted({layer for layer, _, _ in points})
    whole = min(len(rows) for rows in points.values())
    print(f"images: {whole}\n\nrate against balanced, % (BD-rate, PCHIP, QP 12, 22, 32, 42)")
    print("| layer | case | error | divergence |\n|---|---|---|---|")
    for layer in layers:
        curves = {(case, qp): summary(points[layer, case, qp][:whole]) for case in CASES for qp in QPS}
        base = [curves["balanced", qp] for qp in QPS]
        for case, counted in (("universal", False), ("layer", True), ("layer", False)):
            own = [dict(curves[case, qp]) for qp in QPS]
            for qp, one in zip(QPS, own, strict=True):
                one["bytes"] += side[layer, qp]["bytes"] / whole if counted else 0
            cells = " | ".join(f"{difference(base, own, metric):.1f}" for metric in ("mse", "kl"))
            name = case + (", parameters not counted" if case == "layer" and not counted else "")
            print(f"| {layer} | {name} | {cells} |")
    print("\n| layer | QP | case | bytes | at equal error, % | error | divergence | same | encoding | decoding |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for layer in layers:
        qps = sorted({qp for name, _, qp in points if name == layer})
        base = [summary(points[layer, "balanced", qp][:whole]) for qp in qps]
        for qp in qps:
            for case in CASES:
                c = summary(points[layer, case, qp][:whole])
                print(f"| {layer} | {qp} | {case} | {c['bytes']:.0f} | {at_error(base, c)} | {c['mse']:.3g} | "
                      f"{c['kl']:.3g} | {c['same']:.2f} | {1000 * c['encoding']:.0f} | "
                      f"{1000 * c['decoding']:.0f} |")  # fmt: skip
            if (layer, qp) in side:
                one = side[layer, qp]
                print(f"| {layer} | {qp} | parameters | {one['bytes']} | | | | | {one['seconds']:.0f} s | |")


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Means over images; the rate is that of one stream with all of them."""
    names = ("mse", "kl", "same", "encoding", "decoding")
    size = sum(r["unit_bytes"] for r in rows) + rows[0]["stream_bytes"]
    return {name: float(np.mean([r[name] for r in rows])) for name in names} | {"bytes": size / len(rows)}


def curve(points: list[dict[str, float]], metric: str) -> tuple[list[float], list[float]]:
    """Logarithms of a metric, less being better, and of the rates."""
    rows = sorted((-np.log(max(p[metric], 1e-12)), np.log(p["bytes"])) for p in points)
    return [x for x, _ in rows], [y for _, y in rows]


def difference(base: list[dict[str, float]], own: list[dict[str, float]], metric: str) -> float:
    """BD-rate in % over what both curves cover."""
    curves = [curve(points, metric) for points in (base, own)]
    low, high = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    means = [PchipInterpolator(*one).integrate(low, high) / (high - low) for one in curves]
    return 100 * float(np.exp(means[1] - means[0]) - 1)


def at_error(base: list[dict[str, float]], point: dict[str, float]) -> str:
    """By how much the rate differs from that of the curve `base` at the same error, in %."""
    (xs, ys), place = curve(base, "mse"), -np.log(point["mse"])
    if not xs[0] <= place <= xs[-1]:
        return "beyond"
    return f"{100 * float(np.exp(np.log(point['bytes']) - PchipInterpolator(xs, ys)(place)) - 1):.1f}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("data", type=Path)
    one.add_argument("out", type=Path)
    one.add_argument("--images", type=int, default=50)
    one.add_argument("--learn", type=int, default=24, help="images that parameters are learned from")
    one.add_argument("--layers", default="conv3,conv4,conv5")
    one.add_argument("--network", default="resnet50")
    two = commands.add_parser("report")
    two.add_argument("out", type=Path)
    arguments = parser.parse_args()
    (run if arguments.command == "run" else report)(arguments)


if __name__ == "__main__":
    main()
