"""Informative: figures drawn by a process of their own, for the reasons that `drawing` gives: a module to be run.

The module reads what it is to draw from standard input and answers with `answer`.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from refsw.evaluation.reports import palette
from refsw.extras import optional

OTHERS = ("MPLBACKEND", "MATPLOTLIBRC")


def drawn_apart(module: str, told: Any) -> dict[str, bytes]:
    """PNG and SVG by the names of their files.

    Args:
        module: that draws.
        told: what it is told, as JSON types.

    Raises:
        UsageError: matplotlib is not installed.
        RuntimeError: the process failed.
    """
    optional("matplotlib")
    environment = {name: value for name, value in os.environ.items() if name not in OTHERS}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
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
    return {name: base64.b64decode(data) for name, data in json.loads(done.stdout).items()}


def prepare() -> Any:
    """What the process was told; matplotlib has none of a user's settings afterwards."""
    told = json.load(sys.stdin)
    matplotlib = optional("matplotlib")
    matplotlib.rcdefaults()
    matplotlib.rcParams["svg.hashsalt"] = "refsw"
    return told


def answer(figures: Mapping[str, Any]) -> None:
    """Figures by name, as PNG and SVG, onto standard output."""
    files = {
        f"{name}.{kind}": palette.as_bytes(figure, kind) for name, figure in figures.items() for kind in ("png", "svg")
    }
    json.dump({name: base64.b64encode(data).decode() for name, data in files.items()}, sys.stdout)
