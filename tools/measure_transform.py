"""Measure channel transforms against `balanced` on features of a real network: rate, error, divergence, CPU time.

    python tools/measure_transform.py run DATA OUT.jsonl [--images 50] [--learn 24] [--layers conv1,conv2]
    python tools/measure_transform.py report OUT.jsonl

DATA is as for measure_presets.py. The transform of a layer, across phases where --phases names it, is learned from
images that are not among those measured; its bytes are counted once for all of them. A run that is killed goes on where
it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from measure_native import difference, measure, opened, summary
from measure_presets import records

import refsw
from refsw.features.transform_training import TransformTraining, train_transform

QPS = (12, 22, 32, 42)
CASES = ("balanced", "transform")


def run(arguments: argparse.Namespace) -> None:
    """Append a record for every image, layer, case and QP that has none yet."""
    import torch

    net, stages, measured, chosen = opened(arguments)
    done = {(r["layer"], r["case"], r["qp"], r.get("image")) for r in records(arguments.out)}
    layers, phases = arguments.layers.split(","), arguments.phases.split(",")

    with arguments.out.open("a") as out, torch.inference_mode():

        def write(**record: Any) -> None:
            out.write(json.dumps(record) + "\n")
            out.flush()

        for layer in layers:
            file = arguments.out.with_suffix(f".{layer}.dfct")
            if not file.exists():
                begin, samples = time.process_time(), [stages(row)[layer][0].numpy() for row in chosen]
                file.write_bytes(train_transform(samples, TransformTraining(space_to_depth=layer in phases)))
                write(layer=layer, case="basis", qp=0, bytes=file.stat().st_size, images=len(samples),
                      seconds=time.process_time() - begin)  # fmt: skip
        for row in measured:
            found = stages(row)
            for layer in layers:
                basis = arguments.out.with_suffix(f".{layer}.dfct").read_bytes()
                for qp in QPS:
                    for case in CASES:
                        if (layer, case, qp, row["file"]) not in done:
                            write(layer=layer, case=case, qp=qp, image=row["file"],
                                  **measure(net, found, layer, configured(case, qp, basis), basis))  # fmt: skip
            print(row["file"], file=sys.stderr, flush=True)


def configured(case: str, qp: int, basis: bytes) -> refsw.EncoderConfig:
    """The configuration of a case."""
    own = {"basis": basis, "named": True} if case == "transform" else {}
    return refsw.EncoderConfig.preset(case, qp=qp, **own)


def report(arguments: argparse.Namespace) -> None:
    """Print differences of rate at equal error, with the bytes of the basis and without."""
    points: dict[tuple[str, str, int], list[dict[str, Any]]] = defaultdict(list)
    basis: dict[str, int] = {}
    for record in records(arguments.out):
        if record["case"] == "basis":
            basis[record["layer"]] = record["bytes"]
        else:
            points[record["layer"], record["case"], record["qp"]].append(record)
    layers = sorted({layer for layer, _, _ in points})
    whole = min(len(rows) for rows in points.values())
    print(f"images: {whole}\n\nrate against balanced, % (BD-rate, PCHIP, QP 12, 22, 32, 42)")
    print("| layer | basis | error | divergence |\n|---|---|---|---|")
    for layer in layers:
        base, own = ([summary(points[layer, case, qp][:whole]) for qp in QPS] for case in CASES)
        for name, extra in ((f"{basis[layer]:,} bytes counted", basis[layer] / whole), ("not counted", 0)):
            counted = [one | {"bytes": one["bytes"] + extra} for one in own]
            cells = " | ".join(f"{difference(base, counted, metric):.1f}" for metric in ("mse", "kl"))
            print(f"| {layer} | {name} | {cells} |")
    print("\n| layer | QP | case | bytes | error | divergence | same | encoding | decoding |\n" + "|---" * 9 + "|")
    for layer in layers:
        for qp in QPS:
            for case in CASES:
                one = summary(points[layer, case, qp][:whole])
                shown = " | ".join(f"{one[key]:.4g}" for key in ("bytes", "mse", "kl", "same", "encoding", "decoding"))
                print(f"| {layer} | {qp} | {case} | {shown} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("run")
    one.add_argument("data", type=Path)
    one.add_argument("out", type=Path)
    one.add_argument("--images", type=int, default=50)
    one.add_argument("--learn", type=int, default=24)
    one.add_argument("--layers", default="conv1,conv2")
    one.add_argument("--phases", default="conv1")
    one.add_argument("--network", default="resnet50")
    one.set_defaults(do=run)
    two = commands.add_parser("report")
    two.add_argument("out", type=Path)
    two.set_defaults(do=report)
    arguments = parser.parse_args()
    arguments.do(arguments)


if __name__ == "__main__":
    main()
