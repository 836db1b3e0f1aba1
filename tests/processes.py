"""Processes as /proc shows them, and waiting for what they do: for the event, never for a time."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def until(condition: Callable[[], object], process: subprocess.Popen[Any] | None = None) -> None:
    """Wait for what a process, or one that it started, is going to do; it fails if that process ends without."""
    while not condition():
        ended = process is not None and process.poll() is not None
        assert not ended or condition(), "the process has ended"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process is there and still runs."""
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return bool(fields) and fields[0] != "Z"


def children(parent: int) -> list[int]:
    """Running processes that a process has started."""
    found = {int(path.parent.name): _fields(path) for path in Path("/proc").glob("[0-9]*/stat")}
    return [pid for pid, fields in found.items() if fields and int(fields[1]) == parent and fields[0] != "Z"]


def below(parent: int) -> list[int]:
    """The same, and what they have started in turn."""
    return [pid for child in children(parent) for pid in (child, *below(child))]


def _fields(path: Path) -> list[str]:
    """State, parent, and so on; nothing of a process that is gone."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []
