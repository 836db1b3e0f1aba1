"""Informative: the loop of "Digital retina" as one run: models are reused, versions sent as updates, features as well.

A target network is trained with few labels (V0), then again and again with one, two and three reused sources (V1 to
V3). Each version is sent as an update of the one before it (DoM, equations 5 to 8), and as a whole, with 3 to 7 digits
(Table 4, Figure 5). The front end of a version that was received sends features with the digest of its model: a
receiver with an older back end refuses them, one that has the update decodes them and predicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import refsw
from refsw.errors import ModelStateError
from refsw.evaluation.reports.cells import Cell, Table
from refsw.extras import optional
from refsw.files import whole_file
from refsw.learning.bench import Bench, Data, read_data
from refsw.learning.experiment import Experiment, Point, read_experiment
from refsw.learning.methods import METHODS
from refsw.learning.networks import accuracy, new_network, put_state, scores_of, split_at, state_of
from refsw.learning.tasks import Task
from refsw.tensor.axes import Array

DIGITS = (7, 6, 5, 4, 3)
SENT_DIGITS = 5
"""Of the updates that are written to files, and of the version whose features are sent."""
CONTROL = "control"
CUT, QP = "pool2", 28
State = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Sent:
    """A version as it is received.

    Args:
        version: its name.
        digits: that are kept of the weights.
        update, update_accuracy: bytes of the update, and accuracy of the version that a chain of them gives.
        whole, whole_accuracy: the same of the version sent without a base.
    """

    version: str
    digits: int
    update: int
    update_accuracy: float
    whole: int
    whole_accuracy: float


@dataclass(frozen=True, slots=True)
class Received:
    """Features at their receivers.

    Args:
        sample_bytes: of a sample.
        refused: what a receiver with the version before says.
        accuracy: from the features that the right receiver decodes.
        uncoded: of the same network in one piece.
    """

    sample_bytes: float
    refused: str
    accuracy: float
    uncoded: float


@dataclass
class LearnDemo:
    """The loop at work.

    Args:
        output: folder for models, updates and features.
        experiment: versions by name, the first without sources; None: that which ships.
        data: of it, if they are read already.
    """

    output: Path
    experiment: Experiment = field(default_factory=lambda: read_experiment("demo"))
    data: Data | None = None
    accuracies: dict[str, float] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    received: Received | None = None
    _states: dict[str, State] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.output / "updates").mkdir(parents=True, exist_ok=True)
        data = self.data or read_data(self.experiment)
        self._bench = Bench(self.experiment, data, self.experiment.document["seeds"][0], self.output)

    @property
    def versions(self) -> list[str]:
        """Names of the versions, oldest first."""
        return list(self.experiment.runs)

    @property
    def count(self) -> int:
        """How many steps there are."""
        return len(self.experiment.sources) + len(self.versions) + 1 + len(DIGITS) + 1

    def steps(self) -> Iterator[str]:
        """Do everything, a step after the other; the name of each that is done."""
        for name in self.experiment.sources:
            self._bench.source(name)
            yield f"source {name}"
        for version in self.versions:
            self._learn(version)
            yield f"version {version}"
        self._control()
        yield "control"
        for digits in DIGITS:
            self.sent += self._chain(digits)
            yield f"updates with {digits} digits"
        self.received = self._transmit()
        yield "features"

    def _learn(self, version: str) -> None:
        """A version, from the weights of the one before it."""
        point = Point(version, self._bench.seed, self.experiment.runs[version])
        network = new_network(self._bench.shape, self._bench.seed)
        if self._states:
            put_state(network, list(self._states.values())[-1])
        task = Task(self._bench, point, self.output / f"{version}.pt", start=network)
        outcome = METHODS[point.options["method"]](task)
        self.accuracies[version] = outcome.metrics["accuracy"]
        self._states[version] = state_of(network)
        with whole_file(self.output / f"{version}.safetensors") as file:
            file.write(optional("safetensors.numpy").save(dict(self._states[version])))
        task.checkpoint.unlink(missing_ok=True)

    def _control(self) -> None:
        """The first version trained on with labels alone, for as many steps as all reuse together."""
        later = [self.experiment.settings(self.experiment.runs[version]) for version in self.versions[1:]]
        training = {"steps": sum(one.steps for one in later), "rate": later[0].rate}
        network = put_state(new_network(self._bench.shape, 0), self._states[self.versions[0]])
        point = Point(CONTROL, self._bench.seed, {"method": "labels", "training": training})
        task = Task(self._bench, point, self.output / "control.pt", start=network)
        self.accuracies[CONTROL] = METHODS["labels"](task).metrics["accuracy"]
        task.checkpoint.unlink(missing_ok=True)

    def _chain(self, digits: int) -> list[Sent]:
        """Every version as an update of the one that was received before it, and as a whole."""
        found, held = [], self._states[self.versions[0]]
        for version in self.versions[1:]:
            target = self._states[version]
            update, whole = (refsw.diff_models(base, target, digits=digits) for base in (held, None))
            held = refsw.apply_update(held, update)
            alone = refsw.apply_update(None, whole)
            scores = [accuracy(self._network(state), self._bench.test, self._bench.truth) for state in (held, alone)]
            found.append(Sent(version, digits, len(update), scores[0], len(whole), scores[1]))
            if digits == SENT_DIGITS:
                with whole_file(self.output / "updates" / f"{version}.dfc") as file:
                    file.write(update)
        return found

    def _network(self, state: Mapping[str, Any]) -> Any:
        return put_state(new_network(self._bench.shape, 0), state).eval()

    def _transmit(self) -> Received:
        """Features of the last version's front end, to receivers with the version before and with the same."""
        held = self._states[self.versions[0]]
        for version in self.versions[1:]:
            before = held
            held = refsw.apply_update(held, self.output / "updates" / f"{version}.dfc")
        own, other = refsw.model_digest(held), refsw.model_digest(before)
        front, back = split_at(self._network(held), CUT)
        values = scores_of(front, self._bench.test).numpy()
        data = refsw.encode(values, "balanced", qp=QP, model_digest=own, network_id=self.versions[-1])
        with whole_file(self.output / "features.dfc") as file:
            file.write(data)
        try:
            refsw.decode(data, model_digest=other)
        except ModelStateError as error:
            refused = str(error)
        else:
            raise AssertionError("features of another model were decoded")
        decoded = optional("torch").from_numpy(np.asarray(refsw.decode(data, model_digest=own)))
        return Received(
            len(data) / len(values), refused, accuracy(back, decoded, self._bench.truth),
            accuracy(self._network(held), self._bench.test, self._bench.truth),
        )  # fmt: skip

    def tables(self) -> list[Table]:
        """Accuracies, updates by digits, and what became of the features."""
        rows: list[tuple[Cell, ...]] = []
        for version in self.versions:
            told = self.experiment.runs[version]
            reused = ", ".join(told.get("sources", [])) or "labels alone"
            rows.append((version, reused, f"{100 * self.accuracies[version]:.1f}"))
        control = f"{self.versions[0]}, trained on as long with labels alone"
        rows.append((CONTROL, control, f"{100 * self.accuracies[CONTROL]:.1f}"))
        learned = Table("Versions", ("version", "sources reused", "accuracy, %"), tuple(rows), texts=2)
        return [learned, self._updates(), self._features()]

    def _updates(self) -> Table:
        full = sum(value.nbytes for value in self._states[self.versions[0]].values())
        rows: list[tuple[Cell, ...]] = []
        for one in self.sent:
            cells: list[Cell] = [one.version, str(one.digits)]
            for size, score in ((one.update, one.update_accuracy), (one.whole, one.whole_accuracy)):
                cells += [f"{size:,}", f"{full / size:.1f}", f"{100 * score:.1f}"]
            rows.append(tuple(cells))
        heading = ("version", "digits", "DoM, bytes", "ratio", "accuracy", "whole, bytes", "ratio", "accuracy")
        notes = (
            f"Ratios are those of the weights as they are, {full:,} bytes, to what is sent; accuracies in per cent.",
        )
        return Table("Versions as updates, and as a whole", heading, tuple(rows), notes)

    def _features(self) -> Table:
        assert self.received is not None
        last, before = self.versions[-1], self.versions[-2]
        rows: Sequence[tuple[Cell, ...]] = (
            (f"back end of {before}", "refused", "-"),
            (f"back end of {last}", "decoded", f"{100 * self.received.accuracy:.1f}"),
            (f"{last} in one piece", "-", f"{100 * self.received.uncoded:.1f}"),
        )
        notes = (f"{self.received.sample_bytes:.1f} bytes of a sample at {CUT}, QP {QP}.", self.received.refused)
        return Table(f"Features of {last}", ("receiver", "features", "accuracy, %"), tuple(rows), notes, texts=2)
