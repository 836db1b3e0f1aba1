"""Informative: how a model update is coded."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from refsw.errors import UsageError
from refsw.models.arithmetic import Rounding, Step
from refsw.syntax.codes import StepMultiplier


def make_step(digits: int, multiplier: int = 1) -> Step:
    """The step multiplier x 10^-digits."""
    known = {1: StepMultiplier.ONE, 2: StepMultiplier.TWO, 5: StepMultiplier.FIVE}
    if multiplier not in known:
        raise UsageError(f"a step of {multiplier} x 10^-{digits}; the multiplier is 1, 2 or 5")
    return Step(digits, known[multiplier])


@dataclass(frozen=True)
class DiffConfig:
    """How a model update is coded.

    Args:
        step: quantization step of the update; by default 10^-4, that is 4 "compression bits" of Digital retina.
        steps: steps of single tensors, by name or pattern (``fc.*``).
        rounding: NEAREST, DEAD_ZONE or LITERAL.
        offset: f of DEAD_ZONE and LITERAL; the paper has 0.3.
        exact: names or patterns of tensors whose elements arrive as they are.
        dictionary: try a dictionary coder where rows seem to repeat.
        network_id: name of the network.
        versions: names of the versions, that of the base first.
        metadata: entries for people.
    """

    step: Step = field(default_factory=lambda: Step(4))
    steps: Mapping[str, Step] = field(default_factory=dict)
    rounding: Rounding = Rounding.NEAREST
    offset: float = 0.3
    exact: Sequence[str] = ()
    dictionary: bool = True
    network_id: str = ""
    versions: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rounding", Rounding(self.rounding))
        if not 0 < self.offset <= 0.5:
            raise UsageError(f"a rounding offset of {self.offset}; it is above 0 and at most 0.5")

    def step_of(self, name: str) -> Step:
        """The step of a tensor: that of the first pattern that its name matches."""
        return next((step for pattern, step in self.steps.items() if fnmatch.fnmatchcase(name, pattern)), self.step)

    def is_exact(self, name: str) -> bool:
        """Whether the user wants the tensor's elements as they are."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.exact)
