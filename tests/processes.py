"""Processes as /proc shows them."""

from __future__ import annotations

from pathlib import Path


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
