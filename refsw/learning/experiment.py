"""Informative: an experiment as data: a YAML file, checked against a schema before anything is trained.

It names data and a target domain with few labels, sources (networks of other domains), and runs: a method with its
options. `gamma` and `unlabelled` may be lists, each value of which is a point. docs/learning.md explains the entries.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.documents import check_schema, read_yaml, words
from refsw.learning.networks import Shape

SCHEMA = Path(__file__).parent / "experiment.schema.json"
SHIPPED = Path(__file__).parent / "experiments"
SWEPT = ("gamma", "unlabelled")
SHARED = ("data", "test", "network", "training", "target", "sources")
"""Entries that every run depends on."""
PLACES = ("root",)


@dataclass(frozen=True, slots=True)
class Point:
    """One training and what it is scored by.

    Args:
        run: its name.
        seed: of everything that is random.
        options: of the method, with one value of what is swept.
        parameter, value: what is swept; empty and None if nothing is.
    """

    run: str
    seed: int
    options: Mapping[str, Any]
    parameter: str = ""
    value: float | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What a point is told by."""
        return (self.run, self.seed, self.parameter, self.value)

    @property
    def label(self) -> str:
        """For people."""
        swept = f", {self.parameter} {self.value:g}" if self.value is not None else ""
        return f"{self.run}{swept}, seed {self.seed}"

    @property
    def digest(self) -> str:
        """SHA-256 of what the point depends on of its own."""
        return _digest({key: value for key, value in self.options.items() if key != "title"})


@dataclass(frozen=True, slots=True)
class Settings:
    """How a target is trained: steps, sizes of batches (labelled; any), rate."""

    steps: int = 300
    labelled_batch: int = 32
    batch: int = 64
    rate: float = 2e-3


@dataclass(frozen=True, slots=True)
class Experiment:
    """A checked file; `document` is the file itself, `folder` what its relative paths start from."""

    document: Mapping[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.document["name"])

    @property
    def title(self) -> str:
        """For people."""
        return str(self.document["title"])

    @property
    def runs(self) -> Mapping[str, Mapping[str, Any]]:
        """Runs by name."""
        return self.document["runs"]  # type: ignore[no-any-return]

    @property
    def sources(self) -> Mapping[str, Mapping[str, Any]]:
        """Sources by name."""
        return self.document.get("sources", {})  # type: ignore[no-any-return]

    def title_of(self, run: str) -> str:
        """A run for people."""
        return str(self.runs[run].get("title", run))

    def settings(self, options: Mapping[str, Any]) -> Settings:
        """How a run trains its target."""
        return Settings(**{**self.document.get("training", {}), **options.get("training", {})})

    def shape(self, classes: int) -> Shape:
        """What the networks are made of."""
        told = self.document["network"]
        channels = 3 if told.get("colour", False) else 1
        return Shape(channels, told["size"], tuple(told["layers"]), told["hidden"], classes)

    def points(self) -> Iterator[Point]:
        """Every point: of all seeds those that are not swept, then the sweeps."""
        swept = {run: next((n for n in SWEPT if isinstance(told.get(n), list)), "") for run, told in self.runs.items()}
        for is_sweep in (False, True):
            for seed in self.document["seeds"]:
                for run, options in self.runs.items():
                    name = swept[run]
                    if bool(name) is not is_sweep:
                        continue
                    if not name:
                        yield Point(run, seed, options)
                        continue
                    for value in options[name]:
                        yield Point(run, seed, {**options, name: value}, name, float(value))

    def deciding(self) -> dict[str, Any]:
        """What all runs depend on: not seeds, titles or claims, nor where files lie; data are known by digests."""
        return {key: _placeless(self.document[key]) for key in SHARED if key in self.document}

    @property
    def digest(self) -> str:
        """SHA-256 of what all runs depend on."""
        return _digest(self.deciding())


def _placeless(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _placeless(part) for key, part in value.items() if key not in PLACES}
    return value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_experiment(path: str | Path, data: Path | None = None) -> Experiment:
    """An experiment from its file, or one that ships with refsw by its name.

    Args:
        path: of the file, or the name.
        data: folder that relative paths in it start from; None: that of the file.

    Raises:
        UsageError: says in one line what is wrong, and where.
        OSError: the file cannot be read.
    """
    shipped = SHIPPED / f"{path}.yaml"
    path = shipped if shipped.is_file() else Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: no text: {error}") from error
    return parse_experiment(read_yaml(text, str(path)), data or path.parent, str(path))


def parse_experiment(document: Any, folder: Path, where: str = "experiment") -> Experiment:
    """Check a document and make an experiment of it.

    Raises:
        UsageError: says in one line what is wrong, and where.
    """
    document = words(document, where)
    check_schema(document, SCHEMA, where)
    made = Experiment(document, folder)
    layers = list(made.document["network"]["layers"])
    stages = {f"conv{number}" for number in range(1, 1 + sum(layer != "pool" for layer in layers))}
    stages |= {f"pool{number}" for number in range(1, 1 + layers.count("pool"))} | {"hidden"}
    for run, options in made.runs.items():
        place = f"{where}: runs.{run}"
        for name in (*options.get("sources", []), *([options["source"]] if "source" in options else [])):
            if name not in made.sources:
                raise UsageError(f"{place}: no source {name}: {', '.join(made.sources)}")
        for name in (*options.get("layers", []), *([options["layer"]] if "layer" in options else [])):
            if name not in stages:
                raise UsageError(f"{place}: no layer {name}: {', '.join(sorted(stages))}")
        if sum(isinstance(options.get(name), list) for name in SWEPT) > 1:
            raise UsageError(f"{place}: one list of {' and '.join(SWEPT)}, not both")
    for number, claim in enumerate(made.document.get("claims", [])):
        for name in (claim.get(key) for key in ("better", "than", "flat", "run")):
            if name is not None and name not in made.runs:
                raise UsageError(f"{where}: claims[{number}]: no run {name}: {', '.join(made.runs)}")
        for name in claim.get("rising", []):
            if name not in made.runs:
                raise UsageError(f"{where}: claims[{number}]: no run {name}: {', '.join(made.runs)}")
    target = made.document["target"]
    if target["labelled"] > target["samples"]:
        raise UsageError(f"{where}: target: {target['labelled']} labelled of {target['samples']} samples")
    return made
