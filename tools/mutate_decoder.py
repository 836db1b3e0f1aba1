"""Mutation testing of the reference decoder: do the vectors notice if its code is wrong?

    python tools/mutate_decoder.py [--seed 1] [--count 200] [--jobs 2] [--only features] [--module tensor/repack.py]
                                   [--reached FILE] [--json OUT]

Every mutant is the package with one change of its source (tools/mutants.py says which, tools/mutated.py where), in a
process of its own that is forked from one with the decoder (tools/patched.py). The vectors that reach the change
(tools/reach.py) are decoded with it to the first one with another outcome than the manifest says: a tensor that
differs, a bitstream that is rejected or accepted wrongly, the wrong one of the exit codes 65 and 69, a crash, or no
end. The reference decoder is held to strict errors (13.8.3): another phase, class, requirement, element or offset of an
error kills a mutant too, and is counted apart.

tools/equivalent_mutants.json gives reasons for survivors. Equivalent ones cannot be told from the decoder by any
bitstream, and do not count. For redundant ones, another check refuses whatever theirs does, on every bitstream: errors
tell them, outcomes cannot. The share by the outcome is told with and without them, and it is the latter that has to be
enough. Those that no vector is known for yet ("open") count as alive.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from judging import IMPORT, MODELS, Reached, environment, import_libraries, judge, load, ordered, read
from mutants import Mutant, of_module, seeded
from mutated import MODULES
from patched import import_changed, import_modules, patch
from reach import reach

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "refsw"
EQUIVALENT = ROOT / "tools" / "equivalent_mutants.json"
SECONDS, MEMORY = 15, 4 << 30  # of CPU, for one vector
ENOUGH = 0.95
KILLED, BY_ERROR, SURVIVED = "killed", "killed by strict errors", "survived"
VIDEO, IMAGES, LOSSLESS = {"INTRA", "INTER"}, {"IMAGE"}, {"LOSSLESS"}
MANY, NATIVE = {"EXTENDED", "RESILIENT", "COMPLETE", "SCALABLE"}, {"NATIVE", "COMPLETE", "SCALABLE"}  # payload codecs
EVERY = VIDEO | IMAGES | LOSSLESS | NATIVE | MANY
OF_MODELS = ("models/", "entropy/", "syntax/model_structures.py")
OF_CARRIAGE = ("carriage/", "syntax/carriage_structures.py")
USERS = {
    "models/": MODELS, "entropy/": MODELS | NATIVE, "syntax/model_structures.py": MODELS,
    "features/": EVERY, "tensor/": EVERY, "payload/": EVERY,
    "payload/bytecodecs.py": LOSSLESS | NATIVE | MANY | MODELS,
    "payload/images.py": IMAGES | MANY, "payload/image_headers.py": IMAGES | MANY,
    "payload/native/": NATIVE, "syntax/native_structures.py": NATIVE,
    **{f"payload/{name}.py": VIDEO | MANY for name in ("nal", "parameter_sets", "slices", "hevc", "ffmpeg")},
}  # fmt: skip
"""The profiles whose bitstreams get to a module, by the start of its path; of several, the last. Others: all."""

Vectors = list[tuple[dict[str, Any], bytes]]


def serve() -> int:
    """Answer every mutant on standard input with its verdict; each runs in a fork of this process."""
    import_libraries()
    vectors = [(v, read(v)) for v in ordered(load())]
    functions = import_modules(MODULES)
    gc.freeze()
    for line in sys.stdin:
        told = json.loads(line)
        child = os.fork()
        if not child:
            answer(told, vectors, functions)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status):  # the fork has not come to its answer
            print(json.dumps([KILLED, f"exit code {os.waitstatus_to_exitcode(status)}", ""]), flush=True)
    return 0


def answer(told: dict[str, Any], vectors: Vectors, functions: Any) -> None:
    """Print the verdict of a mutant, and end the process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        module, source = told["module"], told["source"]
        if told["reached"] is None or not patch(functions, module, told["function"], source):
            import_changed(module, source)
        verdict = examine(chosen(vectors, module, told["reached"], told["first"]))
    except BaseException as error:
        verdict = KILLED, f"crash: {type(error).__name__} {error}", ""
    print(json.dumps(verdict), flush=True)
    os._exit(0)


def chosen(vectors: Vectors, module: str, reached: list[str] | None, first: Iterable[str]) -> Vectors:
    """The vectors that may notice, those that have noticed changes of the same module before at the front.

    They are those that reach the changed statement; for one that is executed on import, None, those that may use the
    module.
    """
    profiles = [users for start, users in USERS.items() if module.startswith(start)] or [EVERY | MODELS]
    rank = {name: place for place, name in enumerate(first)}
    ids = {v["id"] for v, _ in vectors if v["profile"] in profiles[-1]} if reached is None else set(reached)
    known = [(v, data) for v, data in vectors if v["id"] in ids and ("session" in v or kind_of(module) != "carriage")]
    return sorted(known, key=lambda pair: rank.get(pair[0]["id"], len(rank)))


def examine(vectors: Vectors) -> tuple[str, str, str]:
    """(verdict, what gave it away, the id of the vector that did)."""
    by_error = SURVIVED, "", ""
    for vector, data in vectors:
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + SECONDS, resource.RLIM_INFINITY))
        outcome, told = judge(data, vector)
        if outcome:
            return KILLED, f"{vector['id']}: {outcome}", vector["id"]
        if told and by_error[0] is SURVIVED:
            by_error = BY_ERROR, f"{vector['id']}: {told}", ""
    return by_error


def kind_of(module: str) -> str:
    """What judges a module: vectors of features or of models, or captures."""
    return "models" if module.startswith(OF_MODELS) else "carriage" if module.startswith(OF_CARRIAGE) else "features"


class Examiner:
    """Runs mutants, one process of forks a thread; what has noticed a change of a module is asked first next time.

    Args:
        reached: what every vector reaches; all vectors are asked if it is not known.
    """

    def __init__(self, reached: Reached | None = None) -> None:
        self._reached = reached
        self._own = threading.local()
        self._first: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._started: list[subprocess.Popen[str]] = []

    def run(self, mutant: Any) -> tuple[str, str]:
        """(verdict, what gave it away)."""
        if not hasattr(self._own, "process"):
            self._own.process = subprocess.Popen(
                [sys.executable, __file__, "--serve"], env=environment(), text=True, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            self._started.append(self._own.process)
        process = self._own.process
        first = self._first[mutant.module]
        told = {
            "module": mutant.module, "function": mutant.function, "source": mutant.source,
            "reached": self.reaching(mutant), "first": [name for name, _ in first.most_common()],
        }  # fmt: skip
        process.stdin.write(json.dumps(told) + "\n")
        process.stdin.flush()
        verdict, by, vector = json.loads(process.stdout.readline())
        if vector:
            first[vector] += 1
        return verdict, by

    def reaching(self, mutant: Any) -> list[str] | None:
        """The vectors that reach a mutant; None where that is not known, or it is executed on import."""
        if self._reached is None or not mutant.span:
            return None
        lines = self._reached.get(mutant.module, {})
        names = {name for line in mutant.span for name in lines.get(line, ())}
        return None if IMPORT in names else sorted(names)

    def close(self) -> None:
        """End the processes."""
        for process in self._started:
            process.communicate()

    def __enter__(self) -> Examiner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main() -> int:
    if "--serve" in sys.argv:
        return serve()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200, help="number of mutants; 0 for all")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", choices=("features", "models", "carriage"), help="what decodes or receives these")
    parser.add_argument("--module", action="append", help="below refsw/; all that are known if not given")
    parser.add_argument("--reached", type=Path, help="where to keep what vectors reach, for the next time")
    parser.add_argument("--json", type=Path, help="where to write the result")
    arguments = parser.parse_args()
    modules = arguments.module or [m for m in MODULES if arguments.only in (None, kind_of(m))]
    mutants = [mutant for module in modules for mutant in of_module(PACKAGE, module)]
    taken = seeded(mutants, arguments.seed, arguments.count or len(mutants))
    known = json.loads(EQUIVALENT.read_text()) if EQUIVALENT.exists() else {}
    with Examiner(reach(arguments.jobs, arguments.reached)) as examiner, ThreadPoolExecutor(arguments.jobs) as pool:
        untouched = Mutant("errors.py", 0, "none", 0, "", "", (PACKAGE / "errors.py").read_text())
        verdict, by = examiner.run(untouched)
        if verdict != SURVIVED:
            parser.error(f"the decoder itself does not pass: {by}")
        results = list(zip(taken, pool.map(examiner.run, taken), strict=True))
    for reason in sorted({k for reasons in known.values() for k in reasons} - {*map(key, mutants)}):
        if reason.split(" | ")[0] in modules:
            print(f"a reason for no mutant: {reason}")
    return tell(results, len(mutants), known, arguments.json)


def tell(results: list[Any], total: int, known: dict[str, dict[str, str]], out: Path | None) -> int:
    """Print and write the result; 0 if at least 95 % of those that an outcome can tell are killed by it."""
    entries = []
    for mutant, (verdict, by) in results:
        kind = next((kind for kind, reasons in known.items() if key(mutant) in reasons), None)
        kind = None if verdict == KILLED else kind
        reason = known[kind][key(mutant)] if kind else None
        entries.append({"mutant": mutant.name, "key": key(mutant), "verdict": verdict, "by": by, "listed": kind,
                        "reason": reason})  # fmt: skip
    for entry in entries:
        if entry["verdict"] != KILLED:
            said = entry["reason"] or entry["by"] or "no reason is known"
            print(f"{entry['listed'] or entry['verdict']}: {entry['mutant']} [{said}]")
    count = Counter(e["listed"] or e["verdict"] for e in entries)
    judged = max(1, len(entries) - count["equivalent"])
    share, outcome = (count[KILLED] + count[BY_ERROR]) / judged, count[KILLED] / judged
    told = max(1, judged - count["redundant"])
    shown = count[KILLED] / told
    print(f"{len(entries)} of {total} mutants: {dict(count)}; of {judged} that are not equivalent, {share:.1%} killed, "
          f"{outcome:.1%} by the outcome alone; of {told} that an outcome can tell, {shown:.1%}")  # fmt: skip
    if out:
        out.write_text(
            json.dumps(
                {"killed": share, "by_outcome": outcome, "of_those_it_can_tell": shown, "mutants": entries}, indent=1
            )
            + "\n"
        )
    return 0 if shown >= ENOUGH else 1


def key(mutant: Any) -> str:
    """A mutant, whatever the number of its line."""
    again = f" (again, {mutant.same})" if mutant.same else ""
    return f"{mutant.module} | {mutant.context} | {mutant.before} -> {mutant.after}{again}"


if __name__ == "__main__":
    sys.exit(main())
