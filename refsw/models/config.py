"""Informative: how a model update is coded."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from refsw.errors import UsageError
from refsw.models.arithmetic import Rounding, Step
from refsw.profiles import MODEL_PROFILES
from refsw.syntax.codes import Profile, StepMultiplier, ValueQuantizer

EFFORTS = {
    1: (),
    2: (ValueQuantizer.EVEN,),
    3: (ValueQuantizer.EVEN, ValueQuantizer.DEPENDENT),
}


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
        effort: 1 rounds every value by itself; 2 weighs errors against bits and predicts in finer steps, 3 chooses
            between two quantizers as well (10.6.7), for as much error as rounding has: profile MODEL_EXTENDED.
        profile: the profile that decoders have, MODEL or MODEL_EXTENDED; None: the one that the effort asks for. What
            needs no more than MODEL has is written as such.
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
    effort: int = 1
    profile: Profile | None = None
    network_id: str = ""
    versions: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rounding", Rounding(self.rounding))
        if not 0 < self.offset <= 0.5:
            raise UsageError(f"a rounding offset of {self.offset}; it is above 0 and at most 0.5")
        if self.effort not in EFFORTS:
            raise UsageError(f"an effort of {self.effort}; it is 1, 2 or 3")
        if self.effort > 1 and self.rounding is not Rounding.NEAREST:
            raise UsageError(f"rounding {self.rounding} with an effort of {self.effort}, which chooses values itself")
        if self.profile is not None and self.profile not in MODEL_PROFILES:
            raise UsageError(f"profile {self.profile.name.lower()} has no model updates: model or model_extended")
        if self.effort > 1 and self.profile is Profile.MODEL:
            raise UsageError(f"an effort of {self.effort} needs profile model_extended")
        for what, text in [("network_id", self.network_id), *[("version", version) for version in self.versions]]:
            _check_text(what, text, 255)
            if any(ord(c) < 32 or ord(c) == 127 for c in text):
                raise UsageError(f"{what}: {text!r} has control characters")
        if len(self.metadata) > 256:
            raise UsageError(f"{len(self.metadata)} entries of metadata; 256 are possible")
        for key, text in self.metadata.items():
            _check_text("key of metadata", key, 255, least=1)
            _check_text(f"metadata {key}", text, 65535)

    @property
    def extended(self) -> bool:
        """Whether decoders have what MODEL_EXTENDED has."""
        return self.effort > 1 or self.profile is Profile.MODEL_EXTENDED

    @property
    def quantizers(self) -> tuple[ValueQuantizer, ...]:
        """10.6.7 What is tried for levels."""
        return EFFORTS[self.effort]

    def step_of(self, name: str) -> Step:
        """The step of a tensor: that of the first pattern that its name matches."""
        return next((step for pattern, step in self.steps.items() if matches(name, pattern)), self.step)

    def is_exact(self, name: str) -> bool:
        """Whether the user wants the tensor's elements as they are."""
        return any(matches(name, pattern) for pattern in self.exact)


def matches(name: str, pattern: str) -> bool:
    """Whether a tensor is meant: by its name, or by a pattern such as ``fc.*``."""
    return name == pattern or fnmatch.fnmatchcase(name, pattern)


def _check_text(what: str, text: str, most: int, *, least: int = 0) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise UsageError(f"{what}: {text!r} is not UTF-8") from error
    if not least <= size <= most:
        raise UsageError(f"{what}: {size} bytes; {least} to {most} are possible")
