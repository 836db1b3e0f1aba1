"""Informative: an experiment run in a folder: one record for each point, and the state of the one that is at work.

    run.json          the experiment, and the identity of everything that results depend on
    environment.json  versions of packages, system
    records.jsonl     a record for each point (run, seed, value of what is swept): metrics, curves, weights, seconds
    weights/          on request: trained networks as safetensors and ONNX, named by the digest in the record
    checkpoints/      sources, and the point at work, at the end of its last epoch
    report/           what `refsw learn report` makes

A run that is killed goes on from there and ends with the same weights. Seeds, runs and claims may be added to an
experiment that was run; what all runs depend on, and the options of those that are done, may not change.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import refsw
from refsw.errors import UsageError
from refsw.evaluation.anchors import environment
from refsw.evaluation.anchors.folder import Journal, locked, mend_journal, read_journal, read_json, write_json
from refsw.extras import optional
from refsw.files import whole_file
from refsw.learning.bench import Bench, read_data
from refsw.learning.experiment import Experiment, Point, parse_experiment
from refsw.learning.export import as_onnx, as_safetensors
from refsw.learning.methods import METHODS
from refsw.learning.tasks import Task

FORMAT = "refsw-learn-run-1"
RUN, ENVIRONMENT, RECORDS = "run.json", "environment.json", "records.jsonl"
CHECKPOINTS, WEIGHTS = "checkpoints", "weights"
FIELDS: Mapping[str, Any] = {
    "run": str, "seed": int, "parameter": str, "value": float | int | None, "options": str, "metrics": dict,
    "curves": dict, "weights": str, "seconds": float | int,
}  # fmt: skip
Record = Mapping[str, Any]


def learning_digest() -> str:
    """SHA-256 of the modules that train and score; what only shows results does not count."""
    root, found = Path(refsw.__file__).parent / "learning", hashlib.sha256()
    for path in sorted(root.glob("*.py")):
        if path.name not in SHOWING:
            found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


SHOWING = ("report.py", "figures.py", "claims.py", "demo.py", "export.py", "__init__.py")


@dataclass(frozen=True, slots=True)
class LearnRun:
    """A run as it lies in its folder."""

    folder: Path
    experiment: Experiment
    identity: Mapping[str, Any]
    records: list[Record]

    def of(self, run: str) -> list[Record]:
        """Records of a run."""
        return [record for record in self.records if record["run"] == run]


def key_of(record: Record) -> tuple[Any, ...]:
    """What a point is told by."""
    return (record["run"], record["seed"], record["parameter"], record["value"])


def open_learn_run(folder: Path) -> LearnRun:
    """A run as it lies in its folder; only records of the experiment as it is there.

    Raises:
        UsageError: it is none, or is damaged.
    """
    told = read_json(folder / RUN)
    if told.get("format") != FORMAT or not isinstance(told.get("experiment"), dict):
        raise UsageError(f"{folder}: no run of refsw learn, or one of another version")
    experiment = parse_experiment(told["experiment"], folder, str(folder / RUN))
    points = {point.key for point in experiment.points()}
    records = [record for record in read_records(folder) if key_of(record) in points]
    return LearnRun(folder, experiment, told.get("identity", {}), records)


def read_records(folder: Path) -> Iterator[Record]:
    """The records of a run.

    Raises:
        UsageError: one is damaged.
    """
    for number, record in enumerate(read_journal(folder / RECORDS), 1):
        for name, kind in FIELDS.items():
            if name not in record or not isinstance(record[name], kind):
                raise UsageError(f"{folder / RECORDS}, line {number}: damaged: no {name}, or none of its kind")
        yield record


class ExperimentRun:
    """An experiment at work in a folder; a context that holds the folder.

    Args:
        experiment: to be run.
        folder: of the run, new or to be gone on with.
        keep: write the trained networks as well, as safetensors and ONNX.

    Raises:
        UsageError: the folder holds another experiment, or data or versions differ, or another process is at work.
        DatasetError: data are missing.
    """

    def __init__(self, experiment: Experiment, folder: Path, *, keep: bool = False) -> None:
        self._experiment, self._folder, self._keep = experiment, folder, keep
        self._stack = ExitStack()
        self._spent: dict[str, list[float]] = {}
        self._left: list[Point] = []

    def __enter__(self) -> Self:
        for package in ("torch", "onnx") if self._keep else ("torch",):
            optional(package)
        (self._folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        try:
            self._stack.enter_context(locked(self._folder))
            self._data = read_data(self._experiment)
            self._check_identity()
            mend_journal(self._folder / RECORDS)
            self._choose()
            self._journal = self._stack.enter_context(Journal(self._folder / RECORDS))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    @property
    def remaining(self) -> int:
        """Points that are left."""
        return len(self._left)

    def _check_identity(self) -> None:
        identity = {
            "experiment": self._experiment.digest,
            "data": self._data.digests,
            "versions": environment.network_versions() | {"refsw learning": learning_digest()},
        }
        path = self._folder / RUN
        if path.exists():
            earlier = read_json(path)
            found = list(environment.differences(earlier.get("identity", {}), identity))
            if found:
                raise UsageError(f"{self._folder} was run otherwise, take another folder: {'; '.join(found)}")
        write_json(path, {"format": FORMAT, "experiment": self._experiment.document, "identity": identity})
        write_json(self._folder / ENVIRONMENT, environment.environment())

    def _choose(self) -> None:
        """What is left; records of the same point with other options are no earlier state of it."""
        done = {key_of(record): record for record in read_records(self._folder)}
        for point in self._experiment.points():
            record = done.get(point.key)
            if record is None:
                self._left.append(point)
                continue
            if record["options"] != point.digest:
                raise UsageError(f"{self._folder}: {point.label} was run with other options: give the run another name")
            self._spent.setdefault(point.run, []).append(float(record["seconds"]))

    def seconds_left(self) -> float | None:
        """Wall time of what is left: points of a run take the same time; None as long as nothing is known."""
        every = [seconds for spent in self._spent.values() for seconds in spent]
        if not every:
            return None
        mean = sum(every) / len(every)
        known = {run: sum(spent) / len(spent) for run, spent in self._spent.items()}
        return sum(known.get(point.run, mean) for point in self._left)

    def work(self) -> Iterator[Record]:
        """Do the points that are left, each followed by its record."""
        bench: Bench | None = None
        while self._left:
            point = self._left[0]
            if bench is None or bench.seed != point.seed:
                bench = Bench(self._experiment, self._data, point.seed, self._folder / CHECKPOINTS)
            yield self._one(bench, point)

    def _one(self, bench: Bench, point: Point) -> Record:
        name = hashlib.sha256(repr((point.key, point.digest)).encode()).hexdigest()[:16]
        checkpoint = self._folder / CHECKPOINTS / f"point-{name}.pt"
        start = time.monotonic()
        outcome = METHODS[point.options["method"]](Task(bench, point, checkpoint))
        seconds = round(time.monotonic() - start, 3)
        record = {
            "run": point.run, "seed": point.seed, "parameter": point.parameter, "value": point.value,
            "options": point.digest, "metrics": dict(outcome.metrics), "curves": dict(outcome.curves),
            "weights": outcome.weights, "seconds": seconds,
        }  # fmt: skip
        if self._keep and outcome.network is not None:
            self._write(outcome.network, bench, outcome.weights)
        self._journal.append(record)
        checkpoint.unlink(missing_ok=True)
        self._left.pop(0)
        self._spent.setdefault(point.run, []).append(seconds)
        return record

    def _write(self, network: Any, bench: Bench, weights: str) -> None:
        """A network by its digest; runs that end with the same weights share a file."""
        folder, sides = self._folder / WEIGHTS, (bench.shape.channels, bench.shape.size, bench.shape.size)
        folder.mkdir(exist_ok=True)
        for suffix, data in (("safetensors", as_safetensors(network)), ("onnx", as_onnx(network, sides))):
            with whole_file(folder / f"{weights[:16]}.{suffix}") as file:
                file.write(data)
