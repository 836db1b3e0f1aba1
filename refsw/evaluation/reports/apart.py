"""Informative: figures drawn by a process of their own: a module that is run.

matplotlib reads settings of its user when it is imported (MPLBACKEND, which a notebook hands on to what it starts; a
matplotlibrc) and keeps them for the whole process, as it does its own. A process that does nothing else has none of
them, and leaves those of the caller alone. The module calls `draw`.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from refsw.errors import RefswError, UsageError
from refsw.evaluation.reports import palette
from refsw.extras import optional

OTHERS = ("MPLBACKEND", "MATPLOTLIBRC")


def drawn_apart(module: str, told: Any) -> dict[str, bytes]:
    """PNG and SVG by the names of their files.

    Args:
        module: that draws.
        told: what it is told, as JSON types.

    Raises:
        UsageError: matplotlib is not installed, or the module refuses what it is told.
        OSError: it lacks a place for files of its own.
        RuntimeError: the process failed.
    """
    environment = {name: value for name, value in os.environ.items() if name not in OTHERS}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    # Through pipes: a disk that is full is met by the report alone, whose files have names that people know.
    done = subprocess.run(
        [sys.executable, "-P", "-m", module],
        input=json.dumps(told).encode(),
        env=environment,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"{module} could not draw: {last}")
    made = json.loads(done.stdout)
    if "refused" in made:
        raise UsageError(made["refused"])
    if "failed" in made:
        raise OSError(*made["failed"])
    return {name: base64.b64decode(data) for name, data in made["files"].items()}


def draw(figures_of: Callable[[Any], Mapping[str, Any]]) -> None:
    """In the process that draws: from standard input what it is told, onto standard output the figures.

    Args:
        figures_of: figures by name, of what it is told; None stands for one that is not drawn.
    """
    told = json.load(sys.stdin)
    # A name in a script that the font lacks is drawn as boxes; tables and page have it whole.
    warnings.simplefilter("ignore")
    made: dict[str, Any]
    try:
        matplotlib = optional("matplotlib")
        matplotlib.rcdefaults()  # whatever files of settings there are
        matplotlib.rcParams["svg.hashsalt"] = "refsw"
        files = {
            f"{name}.{kind}": base64.b64encode(palette.as_bytes(figure, kind)).decode()
            for name, figure in figures_of(told).items()
            for kind in ("png", "svg")
            if figure is not None
        }
        made = {"files": files}
    except RefswError as error:
        made = {"refused": str(error)}
    except OSError as error:
        made = {"failed": [error.errno, error.strerror or str(error), error.filename and os.fsdecode(error.filename)]}
    json.dump(made, sys.stdout)
