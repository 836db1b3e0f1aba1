"""Informative: plots drawn by a process of their own.

matplotlib reads settings of its user when it is imported (MPLBACKEND, which a notebook hands on to what it starts; a
matplotlibrc) and keeps them for the whole process, as it does its own. A process that does nothing else has none of
them, and leaves those of the caller alone.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

from refsw.errors import RefswError, UsageError
from refsw.evaluation.anchors.conditions import parse_conditions
from refsw.evaluation.anchors.folder import Run
from refsw.evaluation.reports import figures, loss_figures, palette, remote_figures
from refsw.evaluation.reports.apart import OTHERS
from refsw.extras import optional


def plots_of(run: Run, anchor: Run | None = None) -> dict[str, bytes]:
    """The curves and the ratios of each test as PNG and SVG, by the names of their files.

    Raises:
        UsageError: matplotlib is not installed.
        OSError: it lacks a place for files of its own.
    """
    environment = {name: value for name, value in os.environ.items() if name not in OTHERS}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    runs = [None if each is None else _as_dict(each) for each in (run, anchor)]
    # Through pipes: a disk that is full is met by the report alone, whose files have names that people know.
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__],
        input=json.dumps(runs).encode(),
        env=environment,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"plots could not be drawn: {told}")
    made = json.loads(done.stdout)
    if "refused" in made:
        raise UsageError(made["refused"])
    if "failed" in made:
        raise OSError(*made["failed"])
    return {name: base64.b64decode(data) for name, data in made["files"].items()}


def _as_dict(run: Run) -> dict[str, Any]:
    return {"folder": str(run.folder.resolve()), "conditions": run.conditions.document, "records": run.records}


def _from_dict(told: dict[str, Any]) -> Run:
    return Run(Path(told["folder"]), parse_conditions(told["conditions"]), {}, {}, told["records"])


def _files(run: Run, anchor: Run | None) -> dict[str, bytes]:
    """Every figure as PNG and SVG."""
    made = figures.plots_of(run, anchor)
    for test in run.conditions.tests:
        made |= {f"{test.name}{last}": figure for last, figure in loss_figures.plots_of(run, test).items()}
        made |= remote_figures.plots_of(run, test)
    return {
        f"{name}.{kind}": palette.as_bytes(figure, kind)
        for name, figure in made.items()
        for kind in ("png", "svg")
        if figure is not None
    }


def main() -> None:
    """Draw the runs that standard input holds, onto standard output."""
    run, anchor = json.load(sys.stdin)
    # A name in a script that the font lacks is drawn as boxes; tables and page have it whole.
    warnings.simplefilter("ignore")
    made: dict[str, Any]
    try:
        matplotlib = optional("matplotlib")
        matplotlib.rcdefaults()  # whatever files of settings there are
        matplotlib.rcParams["svg.hashsalt"] = "refsw"
        files = _files(_from_dict(run), None if anchor is None else _from_dict(anchor))
        made = {"files": {name: base64.b64encode(data).decode() for name, data in files.items()}}
    except RefswError as error:
        made = {"refused": str(error)}
    except OSError as error:
        made = {"failed": [error.errno, error.strerror or str(error), error.filename and os.fsdecode(error.filename)]}
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main()
