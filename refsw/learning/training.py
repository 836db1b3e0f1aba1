"""Informative: the loop that every method shares: seeded, and exactly resumable at the end of every epoch.

Nothing here touches the state of the process: random numbers come from a generator that belongs to the training, and
its state is kept with the weights and the optimisers, so that a training that is killed and run again ends with the
same weights to the bit (on one thread: sums over several threads have no fixed order).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refsw.errors import UsageError
from refsw.extras import optional
from refsw.files import whole_file

GENERATOR, STEP = "generator", "step"


class History:
    """Figures that are logged in training, by name; kept with the rest."""

    def __init__(self) -> None:
        self.values: dict[str, list[list[float]]] = {}

    def log(self, step: int, **figures: float) -> None:
        """A figure at a step."""
        for name, value in figures.items():
            self.values.setdefault(name, []).append([float(step), float(value)])

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"values": self.values}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """From a checkpoint."""
        self.values = state["values"]


class Descent:
    """Adam whose rate falls as a cosine to zero.

    Args:
        groups: parameters, each list with the factor of its rate.
        rate: the rate at the first step.
        steps: after which it is zero; None: it stays.
        betas: of Adam.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Sequence[Any], float]],
        rate: float,
        steps: int | None,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        optim = optional("torch").optim
        kept = [{"params": list(params), "lr": rate * factor} for params, factor in groups if list(params)]
        self._adam = optim.Adam(kept, lr=rate, betas=betas, fused=True)
        self._falling = optim.lr_scheduler.CosineAnnealingLR(self._adam, steps) if steps else None

    def step(self, loss: Any) -> None:
        """One step down the gradient of a loss."""
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        if self._falling is not None:
            self._falling.step()

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        falling = self._falling.state_dict() if self._falling is not None else {}
        return {"adam": self._adam.state_dict(), "falling": falling}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """From a checkpoint."""
        self._adam.load_state_dict(state["adam"])
        if self._falling is not None:
            self._falling.load_state_dict(state["falling"])


@dataclass
class Training:
    """A training that may be interrupted.

    Args:
        parts: everything that changes, with `state_dict` and `load_state_dict`, by name.
        generator: of every random number that is drawn.
        steps: how many.
        epoch: steps after which the state is kept.
        checkpoint: file of the state; None: nothing is kept.
        tick: called after every epoch.
    """

    parts: Mapping[str, Any]
    generator: Any
    steps: int
    epoch: int = 50
    checkpoint: Path | None = None
    tick: Callable[[], None] = field(default=lambda: None)

    def run(self, step: Callable[[int], None]) -> None:
        """Do the steps that are left, from 0 or from the checkpoint.

        Raises:
            UsageError: the checkpoint is damaged, or belongs to another training.
        """
        done = self._restored()
        for number in range(done, self.steps):
            step(number)
            if (number + 1) % self.epoch == 0 or number + 1 == self.steps:
                self._keep(number + 1)
                self.tick()

    def _keep(self, done: int) -> None:
        if self.checkpoint is None:
            return
        torch = optional("torch")
        state = {name: part.state_dict() for name, part in self.parts.items()}
        with whole_file(self.checkpoint) as file:
            torch.save(state | {GENERATOR: self.generator.get_state(), STEP: done}, file)

    def _restored(self) -> int:
        if self.checkpoint is None or not self.checkpoint.exists():
            return 0
        torch = optional("torch")
        try:
            state = torch.load(self.checkpoint, weights_only=True)
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            self.generator.set_state(state[GENERATOR])
            return int(state[STEP])
        except Exception as error:  # PyTorch says in many ways that a file is none of its own
            told = " ".join(str(error).split())[:200]
            raise UsageError(f"{self.checkpoint}: no checkpoint of this training (remove it): {told}") from error


def drawn(count: int, size: int, generator: Any) -> Any:
    """Indices of a batch, drawn with replacement."""
    return optional("torch").randint(count, (size,), generator=generator)


def cross_entropy(scores: Any, labels: Any) -> Any:
    """The loss L of the labelled samples: mean cross-entropy, natural logarithm.

    Args:
        scores: (N, classes).
        labels: int64 (N,).
    """
    return optional("torch").nn.functional.cross_entropy(scores, labels)
