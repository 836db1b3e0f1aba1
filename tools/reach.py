"""What every vector reaches in the decoder: a mutant of a statement that a vector does not reach is not seen by it.

    python tools/reach.py [--module features/reader.py] [--jobs 2] [--reached FILE]

Alone, it prints the lines of functions that no vector reaches at all, of the modules that tools/mutated.py names.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import pickle
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from judging import IMPORT, Reached, environment, import_libraries, judge, load, ordered, read
from mutants import of_module
from mutated import MODULES
from patched import name_of

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "refsw"


def reach(jobs: int, kept: Path | None = None) -> Reached:
    """What all vectors reach, found by so many processes; or read from a file, if that is of the same decoder."""
    digest = _digest()
    if kept is not None and kept.exists():
        with kept.open("rb") as stream:
            told, reached = pickle.load(stream)
        if told == digest:
            return reached

    def share(number: int) -> bytes:
        command = [sys.executable, __file__, "--share", f"{number}/{jobs}"]
        return subprocess.run(command, env=environment(), check=True, stdout=subprocess.PIPE).stdout

    reached: Reached = {}
    with ThreadPoolExecutor(jobs) as pool:
        for told in pool.map(share, range(jobs)):
            for name, lines in pickle.loads(told):  # of a process of our own
                for module, numbers in lines.items():
                    for line in numbers:
                        reached.setdefault(module, {}).setdefault(line, []).append(name)
    if kept is not None:
        with kept.open("wb") as stream:
            pickle.dump((digest, reached), stream)
    return reached


def _digest() -> str:
    """Of the decoder and the vectors."""
    files = [*sorted(PACKAGE.rglob("*.py")), *sorted((ROOT / "conformance" / "suites").glob("*.json"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def share(number: int, jobs: int) -> None:
    """Write what every vector of a share reaches, each in a fork in which nothing has been decoded before."""
    import_libraries()
    recorder = Recorder()
    sys.settrace(recorder.call)
    for module in MODULES:
        importlib.import_module(name_of(module))
    sys.settrace(None)
    found = [(IMPORT, recorder.lines())] if number == 0 else []
    for vector in ordered(load())[number::jobs]:
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            recorder = Recorder()
            sys.settrace(recorder.call)
            judge(read(vector), vector)
            sys.settrace(None)
            with open(writer, "wb") as out:
                pickle.dump(recorder.lines(), out)
            os._exit(0)
        os.close(writer)
        with open(reader, "rb") as told:
            found.append((vector["id"], pickle.load(told)))
        os.waitpid(child, 0)
    pickle.dump(found, sys.stdout.buffer)


class Recorder:
    """Notes the lines of the package that are executed."""

    def __init__(self) -> None:
        self._seen: dict[CodeType, set[int]] = {}
        self._all: dict[CodeType, set[int]] = {}
        self._start = str(PACKAGE)

    def call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Follow a call, unless it is of a library, or all lines of it have been seen."""
        code = frame.f_code
        if code not in self._seen:
            if not code.co_filename.startswith(self._start):
                return None
            self._seen[code] = set()
            self._all[code] = {line for _, _, line in code.co_lines() if line} - {code.co_firstlineno}
        return self.line if self._all[code] - self._seen[code] else None

    def line(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Note a line."""
        if event == "line":
            self._seen[frame.f_code].add(frame.f_lineno)
        return self.line

    def lines(self) -> dict[str, set[int]]:
        """The lines by module."""
        found: defaultdict[str, set[int]] = defaultdict(set)
        for code, lines in self._seen.items():
            found[str(Path(code.co_filename).relative_to(PACKAGE))] |= lines
        return dict(found)


def unreached(reached: Reached, module: str) -> Iterator[tuple[int, str]]:
    """(line, source) of what is in mutants of a module and is reached by no vector."""
    lines = (PACKAGE / module).read_text().splitlines()
    found = set()
    for mutant in of_module(PACKAGE, module):
        if mutant.span and not any(reached.get(module, {}).get(line) for line in mutant.span):
            found.add(mutant.line)
    for line in sorted(found):
        yield line, lines[line - 1].strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", action="append", help="below refsw/; all that are known if not given")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--reached", type=Path, help="where to keep it for the next time")
    parser.add_argument("--share", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.share:
        share(*map(int, arguments.share.split("/")))
        return 0
    reached = reach(arguments.jobs, arguments.reached)
    for module in arguments.module or MODULES:
        for line, text in unreached(reached, module):
            print(f"{module}:{line}: {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
