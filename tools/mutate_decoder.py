"""Mutation testing of the reference decoder: do the vectors notice if its code is wrong?

    python tools/mutate_decoder.py [--seed 1] [--count 200] [--jobs 2] [--module tensor/repack.py] [--json OUT]

Every mutant is a copy of the package with one change of its source (tools/mutants.py says which, and what is left
out). The suites run against it in one process, to the first vector with another outcome than the manifest says: a
tensor that differs, a bitstream that is rejected or accepted wrongly, the wrong one of the exit codes 65 and 69, a
crash, or no end. The reference decoder is held to strict errors (13.8.3): another phase, class, requirement, element
or offset of an error kills a mutant too, and is counted apart.

tools/equivalent_mutants.json gives reasons for survivors. Equivalent ones cannot be told from the decoder by any
bitstream, and do not count. For redundant ones, another check finds the same with the same error: they count as
alive, and so do those that no vector is known for yet ("open").
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "refsw"
EQUIVALENT = ROOT / "tools" / "equivalent_mutants.json"
SECONDS, MEMORY = 60, 4 << 30
ENOUGH = 0.95
KILLED, BY_ERROR, SURVIVED = "killed", "killed by strict errors", "survived"


def worker() -> int:
    """Run the suites with the refsw of this process; print the first vector whose outcome is another one."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    fields = ""
    models = "--models" in sys.argv  # model updates are decoded by code that nothing else uses
    for vector in ordered(load()):
        if models and vector["profile"] != "MODEL":
            continue
        data = (ROOT / "test_vectors" / vector["file"]).read_bytes()
        outcome, told = judge(data, vector)
        if outcome:
            print(f"{vector['id']}: {outcome}")
            return 1
        fields = fields or (f"{vector['id']}: {told}" if told else "")
    if fields:
        print(fields)
        return 2
    return 0


def load() -> list[dict[str, Any]]:
    """The vectors of all suites."""
    files = sorted((ROOT / "conformance" / "suites").glob("*.json"))
    return [vector for path in files for vector in json.loads(path.read_text())["vectors"]]


def ordered(vectors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mixed up, so that the first vector that notices comes early."""
    return sorted(vectors, key=lambda v: hashlib.sha256(v["id"].encode()).digest())


def judge(data: bytes, vector: dict[str, Any]) -> tuple[str, str]:
    """("" or what is wrong with the outcome, "" or what is wrong with the error's fields)."""
    import numpy as np

    import refsw

    base = vector.get("base")
    try:
        if vector["profile"] == "MODEL":
            decoded = judged_model(data, ROOT / "test_vectors" / base["file"] if base else None)
        else:
            decoded = refsw.decode(data)
    except refsw.DfcError as error:
        if vector["kind"] == "valid":
            return f"rejected: {error}", ""
        if error.exit_code != (69 if vector["kind"] == "unsupported" else 65):
            return f"exit code {error.exit_code}", ""
        told = error.as_dict()
        other = [f"{k} {told[k]!r}, not {v!r}" for k, v in vector["error"].items() if told[k] != v]
        return "", ", ".join(other)
    except BaseException as error:
        return f"crash: {type(error).__name__} {error}", ""
    if vector["kind"] != "valid":
        return "accepted", ""
    if vector["profile"] == "MODEL":
        return ("", "") if decoded == vector["expected"]["model"]["digest"] else ("another model", "")
    expected = vector["expected"]["tensors"]
    arrays = decoded if isinstance(decoded, dict) else {expected[0]["name"]: decoded}
    if sorted(arrays) != sorted(t["name"] for t in expected):
        return "other tensors", ""
    for tensor in expected:
        array = np.ascontiguousarray(arrays[tensor["name"]])
        if (array.dtype.name, list(array.shape)) != (tensor["dtype"], tensor["shape"]):
            return "another type or shape", ""
        if hashlib.sha256(array.tobytes()).hexdigest() != tensor["sha256"]:
            return "other elements", ""
    return "", ""


def judged_model(data: bytes, base: Path | None) -> str:
    """The digest of the model after its updates, computed apart from the code that is mutated."""
    from vectors.plain import Tensor, digest

    from refsw.conformance.models import apply
    from refsw.models.state import type_of

    tensors = {}
    for name, array in apply(data, base).items():
        kind = type_of(name, array)
        tensors[name] = Tensor(kind.element_type.name, kind.shape, array.astype(kind.dtype, copy=False).tobytes())
    return digest(tensors).hex()


def run(mutant: Any) -> tuple[str, str]:
    """(verdict, what gave it away)."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "refsw"
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "evaluation", "cli", "*.onnx"))
        (copy / mutant.module).write_text(mutant.source)
        options = ["--models"] * mutant.module.startswith("models/")
        environment = os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}
        try:
            done = subprocess.run(
                [sys.executable, __file__, "--worker", *options], env=environment, capture_output=True, text=True,
                timeout=SECONDS,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return KILLED, f"no end within {SECONDS} s"
    said = done.stdout.strip().splitlines()
    verdicts = {0: SURVIVED, 2: BY_ERROR}
    return verdicts.get(done.returncode, KILLED), said[-1] if said else f"exit code {done.returncode}"


def main() -> int:
    if "--worker" in sys.argv:
        return worker()
    from mutants import MODULES, Mutant, of_module, seeded

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200, help="number of mutants; 0 for all")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--module", action="append", help="below refsw/; all that are known if not given")
    parser.add_argument("--json", type=Path, help="where to write the result")
    arguments = parser.parse_args()
    mutants = [mutant for module in arguments.module or MODULES for mutant in of_module(PACKAGE, module)]
    chosen = seeded(mutants, arguments.seed, arguments.count or len(mutants))
    known = json.loads(EQUIVALENT.read_text()) if EQUIVALENT.exists() else {}
    untouched = Mutant("errors.py", 0, "none", 0, "", "", (PACKAGE / "errors.py").read_text())
    verdict, by = run(untouched)
    if verdict != SURVIVED:
        parser.error(f"the decoder itself does not pass: {by}")
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(zip(chosen, pool.map(run, chosen), strict=True))
    return tell(results, len(mutants), known, arguments.json)


def tell(results: list[Any], total: int, known: dict[str, dict[str, str]], out: Path | None) -> int:
    """Print and write the result; 0 if at least 95 % of those that are not equivalent are killed."""
    entries = []
    for mutant, (verdict, by) in results:
        kind = next((kind for kind, reasons in known.items() if key(mutant) in reasons), None)
        kind = kind if verdict == SURVIVED else None
        reason = known[kind][key(mutant)] if kind else None
        entries.append({"mutant": mutant.name, "key": key(mutant), "verdict": verdict, "by": by, "listed": kind,
                        "reason": reason})  # fmt: skip
    for entry in entries:
        if entry["verdict"] == SURVIVED:
            print(f"{entry['listed'] or SURVIVED}: {entry['mutant']} [{entry['reason'] or 'no reason is known'}]")
    count = Counter(e["listed"] or e["verdict"] for e in entries)
    judged = max(1, len(entries) - count["equivalent"])
    share, outcome = (count[KILLED] + count[BY_ERROR]) / judged, count[KILLED] / judged
    print(f"{len(entries)} of {total} mutants: {dict(count)}; of {judged} that are not equivalent, {share:.1%} killed, "
          f"{outcome:.1%} by the outcome alone")  # fmt: skip
    if out:
        out.write_text(json.dumps({"killed": share, "by_outcome": outcome, "mutants": entries}, indent=1) + "\n")
    return 0 if share >= ENOUGH else 1


def key(mutant: Any) -> str:
    """A mutant, whatever the number of its line."""
    again = f" (again, {mutant.same})" if mutant.same else ""
    return f"{mutant.module} | {mutant.context} | {mutant.before} -> {mutant.after}{again}"


if __name__ == "__main__":
    sys.exit(main())
