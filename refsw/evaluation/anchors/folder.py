"""Informative: the folder of a run: what was run, with what, and one record for each thing that is finished.

    run.json          the conditions and the identity of everything that results depend on
    environment.json  versions of codecs, packages, system
    groups.jsonl      a record for each group of items at each point: sizes, digests, outputs; and the references
    records.jsonl     a record for each point (test, layer, codec, value): rate and metrics
    bitstreams/       on request
    report/           what `refsw anchor report` makes

Records are appended and flushed one by one, so that a kill loses at most the one that is being written; its torn line
is cut off when the run goes on.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.anchors.conditions import Conditions, parse_conditions
from refsw.files import whole_file

FORMAT = "refsw-anchor-run-1"
RUN, ENVIRONMENT, GROUPS, RECORDS = "run.json", "environment.json", "groups.jsonl", "records.jsonl"
BITSTREAMS, REPORT, LOCK = "bitstreams", "report", ".lock"
Record = dict[str, Any]
Key = tuple[str, str, str, str, float]
ARRAY = "array"
SYNC_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it lies in its folder; `identity` is what its results depend on, `notes` are on the data, by test."""

    folder: Path
    conditions: Conditions
    identity: Mapping[str, Any]
    environment: Mapping[str, Any]
    records: list[Record]
    notes: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For people: the last part of the path."""
        return self.folder.resolve().name


def key_of(record: Mapping[str, Any]) -> Key:
    """What a point is told by: test, layer, codec, swept parameter and its value."""
    value = record["value"]
    return (record["test"], record["layer"], record["codec"], record["parameter"], -1.0 if value is None else value)


def label(record: Mapping[str, Any]) -> str:
    """The key for people."""
    if not record["codec"]:
        what = "references" if record["parameter"] else "whole network"
        return f"{record['test']}, {what}, group {record.get('group')}"
    point = f", {record['parameter']} {record['value']:g}" if record["value"] is not None else ""
    group = f", group {record['group']}" if record.get("group") is not None else ""
    return f"{record['test']}, {record['layer']}, codec {record['codec']}{point}{group}"


def in_order(records: list[Record], conditions: Conditions) -> list[Record]:
    """Records of points in the order of the conditions, whatever the order in which they were finished."""
    places = {key_of(place): number for number, place in enumerate(conditions.points())}
    return sorted(records, key=lambda record: (places.get(key_of(record), len(places)), key_of(record)))


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Errors of the system that do not say which file they are about, such as a full disk, say it."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


class Journal:
    """A file of JSON lines that is only ever appended to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab")
        self._synced = time.monotonic()

    def append(self, record: Record) -> None:
        """Write a record so that it is there if the process is killed; if the machine is, at most a second is lost."""
        line = json.dumps(record, allow_nan=False).encode() + b"\n"
        with named(self._path):
            self._file.write(line)
            self._file.flush()
            if time.monotonic() - self._synced >= SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with named(self._path):
            os.fsync(self._file.fileno())
            self._file.close()


PLACE: dict[str, Any] = {"test": str, "layer": str, "codec": str, "parameter": str, "value": int | float | None}
SIZES: dict[str, Any] = {"coded_bytes": int, "raw_bytes": int, "elements": int}
RECORD_FIELDS: dict[str, Any] = PLACE | SIZES | {
    **dict.fromkeys(("items", "bitstreams"), int),
    **dict.fromkeys(("rate", "bits_per_element"), int | float),
    **dict.fromkeys(("metrics", "pristine", "digests", "times"), dict),
}  # fmt: skip
OPTIONAL_FIELDS: dict[str, Any] = {
    "complexity": dict,
    **dict.fromkeys(("input_pixels", "picture_pixels", "header_bytes"), int),
}
OPTIONAL_FIELDS |= dict.fromkeys(("bits_per_pixel", "bits_per_picture_pixel", "against_input"), int | float)
OPTIONAL_FIELDS |= {"seconds": int | float, "classes": dict}
OPTIONAL_FIELDS |= {"realisations": int, "deviations": dict, "lost": int | float, "picture": dict}
CLASS_FIELDS: dict[str, Any] = {"items": int, "coded_bytes": int, "metrics": dict}
GROUP_FIELDS = PLACE | {"group": int, "items": list, "outputs": list, "times": dict}
CODED_FIELDS = SIZES | dict.fromkeys(("bitstream", "features", "decoded"), str)
CODED_FIELDS |= dict.fromkeys(("squared_error", "energy"), int | float)
DIGESTED = ("bitstream", "features", "decoded")


def read_records(path: Path) -> Iterator[Record]:
    """The records of points.

    Raises:
        UsageError: one is damaged.
    """
    for number, record in enumerate(read_journal(path), 1):
        where = f"{path}, line {number}"
        optional = {name: kind for name, kind in OPTIONAL_FIELDS.items() if name in record}
        _check_fields(record, RECORD_FIELDS | optional, where)
        _check_fields(record["digests"], dict.fromkeys(DIGESTED, str), f"{where}, digests")
        for part in ("metrics", "pristine", "times"):
            _check_fields(record[part], dict.fromkeys(record[part], int | float | None), f"{where}, {part}")
        for name, own in record.get("classes", {}).items():
            _check_fields({name: own}, {name: dict}, where)
            _check_fields(own, CLASS_FIELDS, f"{where}, {name}")
            _check_fields(own["metrics"], dict.fromkeys(own["metrics"], int | float), f"{where}, {name}")
        for part in ("complexity", "deviations"):
            own = record.get(part, {})
            _check_fields(own, dict.fromkeys(own, int | float | None), f"{where}, {part}")
        yield record


def read_groups(path: Path) -> Iterator[Record]:
    """The records of groups, and of the outputs of the whole network.

    Raises:
        UsageError: one is damaged.
    """
    for number, record in enumerate(read_journal(path), 1):
        where = f"{path}, line {number}"
        _check_fields(record, GROUP_FIELDS, where)
        _check_fields(record["times"], dict.fromkeys(record["times"], int | float), f"{where}, times")
        if record["codec"]:
            _check_fields(record, CODED_FIELDS, where)
        if len(record["outputs"]) != len(record["items"]):
            raise UsageError(f"{where}: damaged: {len(record['outputs'])} outputs of {len(record['items'])} items")
        yield record


def _check_fields(record: Record, fields: Mapping[str, Any], where: str) -> None:
    for name, kind in fields.items():
        if name not in record:
            raise UsageError(f"{where}: damaged: a record without {name}")
        if not isinstance(record[name], kind) or isinstance(record[name], bool):
            raise UsageError(f"{where}: damaged: {name} is {str(record[name])[:40]!r}")


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def read_journal(path: Path) -> Iterator[Record]:
    """The records of a journal; a last line that was torn by a kill is left out.

    Raises:
        UsageError: a line before the last is damaged.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                record = json.loads(line, parse_constant=_no_number)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{path}, line {number}: damaged: {error}") from error
            if not isinstance(record, dict):
                raise UsageError(f"{path}, line {number}: damaged: no record")
            yield record


def mend_journal(path: Path) -> None:
    """Cut off a last line that was torn."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        place = file.seek(0, os.SEEK_END)
        while place:
            start = max(0, place - 65536)
            file.seek(start)
            newline = file.read(place - start).rfind(b"\n")
            if newline >= 0:
                file.truncate(start + newline + 1)
                return
            place = start
        file.truncate(0)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder for one run at a time; the system gives it free however the process ends.

    Raises:
        UsageError: another run is at work in it.
    """
    import fcntl

    with (folder / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            who = file.read().strip() or "unknown"
            raise UsageError(f"{folder}: another run is at work here (process {who})") from error
        with suppress(OSError):  # a full disk is for what matters to complain about
            file.seek(0)
            file.truncate()
            file.write(f"{os.getpid()}")
            file.flush()
        yield
        with suppress(OSError):
            file.seek(0)
            file.truncate()


def write_json(path: Path, value: Any) -> None:
    """A JSON file, whole or not at all."""
    with named(path), whole_file(path) as file:
        file.write(json.dumps(value, indent=1, allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of a run.

    Raises:
        UsageError: it is absent or damaged.
    """
    try:
        value = json.loads(path.read_bytes(), parse_constant=_no_number)
    except FileNotFoundError as error:
        raise UsageError(f"{path.parent}: no run of refsw anchor: {path.name} is missing") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: damaged: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path}: damaged: no object")
    return value


def read_run(folder: Path) -> dict[str, Any]:
    """What run.json tells.

    Raises:
        UsageError: it is absent, damaged, or of another version.
    """
    told = read_json(folder / RUN)
    if told.get("format") != FORMAT:
        raise UsageError(f"{folder}: a run of format {told.get('format')}, this refsw reads {FORMAT}")
    _check_fields(told, {"conditions": dict, "identity": dict}, str(folder / RUN))
    notes = told.get("notes", {})
    _check_fields({"notes": notes}, {"notes": dict}, str(folder / RUN))
    _check_fields(notes, dict.fromkeys(notes, list), f"{folder / RUN}, notes")
    _check_fields(told["identity"], {"conditions": str, "versions": dict, "tests": dict}, str(folder / RUN))
    _check_fields(told["identity"]["tests"], dict.fromkeys(told["identity"]["tests"], dict), str(folder / RUN))
    return told


def open_run(folder: Path) -> Run:
    """Read a run.

    Raises:
        UsageError: the folder holds none, or a damaged one, or one of another version.
    """
    told = read_run(folder)
    conditions = parse_conditions(told["conditions"], str(folder / RUN))
    environment = read_json(folder / ENVIRONMENT) if (folder / ENVIRONMENT).exists() else {}
    records = in_order(list(read_records(folder / RECORDS)), conditions)
    notes = {name: list(map(str, texts)) for name, texts in told.get("notes", {}).items()}
    return Run(folder, conditions, told["identity"], environment, records, notes)


def pack(output: Any) -> Any:
    """An output as JSON types: arrays become text, losslessly."""
    if isinstance(output, np.generic):
        output = np.asarray(output)
    if isinstance(output, np.ndarray):
        text = base64.b64encode(np.ascontiguousarray(output).tobytes()).decode()
        return {ARRAY: [output.dtype.str, list(output.shape), text]}
    if isinstance(output, Mapping):
        return {str(k): pack(v) for k, v in output.items()}
    if isinstance(output, list | tuple):
        return [pack(v) for v in output]
    return output


def unpack(value: Any) -> Any:
    """The output that `pack` packed."""
    if isinstance(value, dict):
        if set(value) == {ARRAY}:
            dtype, shape, text = value[ARRAY]
            return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)
        return {k: unpack(v) for k, v in value.items()}
    return [unpack(v) for v in value] if isinstance(value, list) else value
