"""Speed of what anchors need beside networks and codecs, as ratios in one run.

    python tools/benchmark_anchors.py

The bubble index of MM'19, Algorithm 1, on as many queries and references as its retrieval has, against the algorithm
as it is printed, which is run on the first few queries. And what the harness costs under the mini conditions: of the
time of all processes, from the start of the command to its end, what networks, encoding and decoding do not take.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from refsw.evaluation import bubble_indices
from refsw.evaluation.bubble import printed_bubble_sort

QUERIES, REFERENCES = 800, 5693
WORK = ("features", "encode", "decode", "network")


def bubble(printed: int) -> None:
    rng = np.random.default_rng(1)
    pristine = np.argsort(rng.random((QUERIES, REFERENCES)), axis=1)
    # Rankings of distances that a little noise has changed.
    distances = np.argsort(pristine, axis=1) + rng.normal(0, REFERENCES / 20, pristine.shape)
    coded = np.argsort(distances, axis=1)
    start = time.perf_counter()
    found = bubble_indices(pristine, coded)
    own = time.perf_counter() - start
    start = time.perf_counter()
    for number in range(printed):
        swaps, total = printed_bubble_sort(pristine[number].tolist(), coded[number].tolist())
        if found[number] != 1 - swaps / total:
            raise SystemExit(f"query {number}: {found[number]} is not {1 - swaps / total}")
    each = (time.perf_counter() - start) / printed
    print(f"bubble index, {QUERIES} queries x {REFERENCES} references: {own:.2f} s; as printed {each:.2f} s a query "
          f"({printed} of them, the same results): {each * QUERIES / own:.0f} times as long")  # fmt: skip


def harness(jobs: int) -> None:
    with TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        words = ["anchor", "run", "mini", "-o", str(run), "-j", str(jobs), "--no-cache"]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "refsw", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        spent = jobs * (time.perf_counter() - start)
        times = [json.loads(line)["times"] for line in (run / "groups.jsonl").read_text().splitlines()]
    work = sum(spans.get(name, 0) for spans in times for name in WORK)
    print(f"mini conditions, processes: {jobs}: {work:.1f} s of networks, encoding and decoding, {spent:.1f} s in all: "
          f"the harness adds {100 * (spent - work) / work:.1f} %")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--printed", type=int, default=3, help="queries for the algorithm as printed")
    bubble(parser.parse_args().printed)
    for jobs in (1, 2):
        harness(jobs)


if __name__ == "__main__":
    main()
