"""What a byte can ask for: the worst bitstreams below 10 kB through every command, with their CPU time and memory.

    python tools/benchmark_cost.py [--quick] [--only WORDS] [FILE.dfc...]

One bitstream for every construct of the syntax (tools/worst_streams.py), or the files given, with default limits. CPU
seconds are user and system time of the command and of all that it starts; memory is the greatest resident size of one
of these processes. Exit code 1 if a command takes over 2 s of CPU or 500 MB; the table is that of docs/cost.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

MOST_SECONDS, MOST_MEGABYTES = 2.0, 500
WATCH = """
import json, resource, subprocess, sys
nothing = subprocess.DEVNULL
code = subprocess.run(sys.argv[1:], stdin=nothing, stdout=nothing, stderr=nothing).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
FEATURES = {
    "decode to .npy": ["decode", "{input}", "-o", "{folder}/out.npy"],
    "decode to .npz": ["decode", "{input}", "-o", "{folder}/out.npz"],
    "decode to .safetensors": ["decode", "{input}", "-o", "{folder}/out.safetensors"],
    "decode to a pipe": ["decode", "{input}", "-o", "-"],
    "decode --samples": ["decode", "{input}", "--samples", "0", "-o", "{folder}/out.npy"],
}
UPDATES = {
    "model apply": ["model", "apply", "{input}", "-o", "{folder}/out.safetensors"],
    "model apply to .npz": ["model", "apply", "{input}", "-o", "{folder}/out.npz"],
    "model inspect": ["model", "inspect", "{input}"],
}
BOTH = {
    "validate": ["validate", "{input}"],
    "inspect": ["inspect", "{input}"],
    "inspect --json": ["inspect", "{input}", "--json"],
    "inspect --trace": ["inspect", "{input}", "--trace"],
    "inspect --trace --json": ["inspect", "{input}", "--trace", "--json"],
    "crosscheck": ["crosscheck", "{input}"],
}
QUICK = ("decode to .npy", "model apply", "validate")


def commands(data: bytes, quick: bool) -> dict[str, list[str]]:
    """The commands that read a bitstream."""
    from refsw.conformance.models import is_update

    own = UPDATES if is_update(data) else FEATURES
    return {name: words for name, words in (own | BOTH).items() if not quick or name in QUICK}


def measured(words: list[str]) -> tuple[int, float, float]:
    """Exit code, CPU seconds and megabytes of a command."""
    refsw = str(Path(sys.executable).parent / "refsw")
    done = subprocess.run([sys.executable, "-c", WATCH, refsw, *words], capture_output=True, text=True, check=True)
    code, seconds, megabytes = json.loads(done.stdout)
    return code, seconds, megabytes


def bitstreams(files: list[Path], only: str) -> Iterator[tuple[str, bytes]]:
    """Those of the files, or the worst of every construct."""
    if files:
        yield from ((path.name, path.read_bytes()) for path in files)
        return
    import worst_streams

    yield from ((name, data) for name, data in worst_streams.streams() if only in name)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--quick", action="store_true", help="decode or apply, and validate, alone")
    parser.add_argument("--only", default="", help="constructs whose name has these words")
    options = parser.parse_args()
    over = 0
    print("| Construct | Bytes | Exit codes | CPU (s) | of | Memory (MB) | of |\n|---|---|---|---|---|---|---|")
    with TemporaryDirectory() as folder:
        for name, data in bitstreams(options.files, options.only):
            path = Path(folder) / "worst.dfc"
            path.write_bytes(data)
            found = {}
            for command, words in commands(data, options.quick).items():
                filled = [word.format(input=path, folder=folder) for word in words]
                found[command] = measured(filled)
                for output in Path(folder).glob("out.*"):
                    output.unlink()
            slowest = max(found, key=lambda command: found[command][1])
            largest = max(found, key=lambda command: found[command][2])
            seconds, megabytes = found[slowest][1], found[largest][2]
            over += seconds > MOST_SECONDS or megabytes > MOST_MEGABYTES
            codes = ", ".join(map(str, sorted({code for code, _, _ in found.values()})))
            print(
                f"| {name} | {len(data):,} | {codes} | {seconds:.2f} | {slowest} | {megabytes:.0f} | {largest} |",
                flush=True,
            )
    print(f"\n{over} over {MOST_SECONDS} s or {MOST_MEGABYTES} MB")
    sys.exit(bool(over))


if __name__ == "__main__":
    main()
