"""Informative: a point of an experiment as a task, what comes of it, and the training of a target by equation 1."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refsw.evaluation.retrieval import cumulative_match, mean_average_precision, rank
from refsw.extras import optional
from refsw.learning import multireuse
from refsw.learning.bench import Bench
from refsw.learning.experiment import Point, Settings
from refsw.learning.networks import HIDDEN, accuracy, features_of, new_network, state_of
from refsw.learning.training import Descent, History, Training

LOGGED = 25


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a point.

    Args:
        metrics: by name.
        curves: figures over the steps of a training, or rates and accuracies, by name.
        network: that was trained; None if there is none.
    """

    metrics: Mapping[str, float]
    curves: Mapping[str, list[list[float]]] = field(default_factory=dict)
    network: Any = None

    @property
    def weights(self) -> str:
        """SHA-256 of the network's weights; empty if there is none."""
        return "" if self.network is None else digest_of(self.network)


@dataclass(frozen=True, slots=True)
class Task:
    """A point to be worked on.

    Args:
        bench: of its seed.
        point: what is asked for.
        checkpoint: file for its state.
        tick: called after every epoch.
        start: the network that is trained, with other weights than fresh ones.
    """

    bench: Bench
    point: Point
    checkpoint: Path
    tick: Callable[[], None] = lambda: None
    start: Any = None

    @property
    def options(self) -> Mapping[str, Any]:
        """Of the run."""
        return self.point.options

    @property
    def settings(self) -> Settings:
        """Of the target's training."""
        return self.bench.experiment.settings(self.options)

    def network(self) -> Any:
        """The target to be trained; a fresh one is the same for all runs of a seed."""
        return new_network(self.bench.shape, self.bench.seed) if self.start is None else self.start


def scored(bench: Bench, network: Any) -> dict[str, float]:
    """Accuracy on the test; of a test of retrieval, mAP and rank-1 by the cosine of the hidden representations."""
    if not len(bench.references.labels):
        return {"accuracy": accuracy(network, bench.test, bench.truth)}
    seen = features_of(network, bench.test, (HIDDEN,))[HIDDEN].numpy()
    known = features_of(network, bench.tensor(bench.references.pixels), (HIDDEN,))[HIDDEN].numpy()
    given = [bench.truth.tolist(), bench.references.labels.tolist()]
    if bench.cameras is not None and bench.references.cameras is not None:
        given += [bench.cameras.tolist(), bench.references.cameras.tolist()]
    order = rank(seen, known)
    return {"mAP": mean_average_precision(order, *given), "rank-1": cumulative_match(order, *given, ranks=(1,))[1]}


def digest_of(network: Any) -> str:
    """SHA-256 of a network's weights."""
    found = hashlib.sha256()
    for name, value in sorted(state_of(network).items()):
        found.update(f"{name} {value.dtype} {value.shape}\n".encode() + value.tobytes())
    return found.hexdigest()


def trained_target(
    task: Task, network: Any, *, extra: multireuse.Extra | None = None, module: Any = None, factor: float = 1.0,
    layers: tuple[str, ...] = (), gamma: float = 0.0, mixed: bool = True,
) -> Outcome:  # fmt: skip
    """Train a target by equation 1 and score it; `module` is trained as well, at `factor` times the rate."""
    torch = optional("torch")
    settings = task.settings
    target = task.bench.target(task.options.get("unlabelled"))
    generator = torch.Generator().manual_seed(task.bench.seed)
    groups = [(list(network.parameters()), 1.0)]
    parts = {"network": network}
    if module is not None:
        groups.append(([p for p in module.parameters() if p.requires_grad], factor))
        parts["module"] = module
    descent, history = Descent(groups, settings.rate, settings.steps), History()

    def step(number: int) -> None:
        chosen = multireuse.batches(target, (settings.labelled_batch, settings.batch), generator)
        loss = multireuse.objective(network, target, chosen, layers=layers, gamma=gamma, extra=extra, mixed=mixed)
        descent.step(loss)
        if number % LOGGED == 0:
            history.log(number, loss=float(loss.detach()))

    network.train()
    parts |= {"descent": descent, "history": history}
    Training(parts, generator, settings.steps, checkpoint=task.checkpoint, tick=task.tick).run(step)
    return Outcome(scored(task.bench, network), history.values, network)
