"""Informative: plots drawn by a process of their own.

matplotlib reads settings of its user when it is imported (MPLBACKEND, which a notebook hands on to what it starts; a
matplotlibrc) and keeps them for the whole process, as it does its own. A process that does nothing else has none of
them, and leaves those of the caller alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from refsw.errors import RefswError, UsageError
from refsw.evaluation.anchors.conditions import parse_conditions
from refsw.evaluation.anchors.folder import Run
from refsw.evaluation.extras import optional
from refsw.evaluation.reports import figures

OTHERS = ("MPLBACKEND", "MATPLOTLIBRC")
REFUSED = "refused.txt"


def plots_of(run: Run, anchor: Run | None = None) -> dict[str, bytes]:
    """The curves and the ratios of each test as PNG and SVG, by the names of their files.

    Raises:
        UsageError: matplotlib is not installed.
    """
    environment = {name: value for name, value in os.environ.items() if name not in OTHERS}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    runs = [None if each is None else _as_dict(each) for each in (run, anchor)]
    with tempfile.TemporaryDirectory(prefix="refsw-") as folder:
        command = [sys.executable, "-P", "-m", __name__, folder]
        done = subprocess.run(
            command, input=json.dumps(runs).encode(), env=environment, capture_output=True, check=False
        )
        if done.returncode:
            told = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise RuntimeError(f"plots could not be drawn: {told}")
        made = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    if REFUSED in made:
        raise UsageError(made[REFUSED].decode())
    return made


def _as_dict(run: Run) -> dict[str, Any]:
    return {"folder": str(run.folder.resolve()), "conditions": run.conditions.document, "records": run.records}


def _from_dict(told: dict[str, Any]) -> Run:
    return Run(Path(told["folder"]), parse_conditions(told["conditions"]), {}, {}, told["records"])


def main() -> None:
    """Draw the runs that standard input holds into the folder that is named."""
    run, anchor = json.load(sys.stdin)
    # A name in a script that the font lacks is drawn as boxes; tables and page have it whole.
    warnings.simplefilter("ignore")
    try:
        matplotlib = optional("matplotlib")
        matplotlib.rcdefaults()  # whatever files of settings there are
        matplotlib.rcParams["svg.hashsalt"] = "refsw"
        made = figures.plots_of(_from_dict(run), None if anchor is None else _from_dict(anchor))
    except RefswError as error:
        made = {REFUSED: str(error).encode()}
    for name, data in made.items():
        (Path(sys.argv[1]) / name).write_bytes(data)


if __name__ == "__main__":
    main()
