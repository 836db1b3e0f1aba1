"""Informative: channels that lose packets: independently, in bursts, or as somebody has measured it.

A channel draws from a numpy Generator that it is given, so that a seed gives the same losses again. A packet is lost or
received, it is never damaged: damage is noticed by the CRC of a unit (6.1), and the unit is then as good as lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np

from refsw.errors import FeatureError, UsageError
from refsw.tensor.axes import Array

LONGEST_TRACE = 1 << 24


class Channel(Protocol):
    """A model of losses."""

    name: ClassVar[str]

    def losses(self, count: int, rng: np.random.Generator, *, from_start: bool = True) -> Array:
        """Which of so many packets in a row are lost.

        Args:
            count: of packets.
            rng: what is drawn from.
            from_start: the first packet is the first of all; otherwise the channel has been in use for long.

        Returns:
            bool (count,), True where lost.
        """


@dataclass(frozen=True, slots=True)
class Iid:
    """Every packet is lost with the same probability, whatever became of the others.

    Args:
        loss: the probability.
    """

    name: ClassVar[str] = "iid"
    loss: float

    def __post_init__(self) -> None:
        _check_loss(self.loss)

    def losses(self, count: int, rng: np.random.Generator, *, from_start: bool = True) -> Array:
        """Bernoulli trials."""
        return rng.random(count) < self.loss


@dataclass(frozen=True, slots=True)
class GilbertElliott:
    """Two states, good and bad; in the bad one every packet is lost, in the good one none; it starts in the good one.

    From bad to good with p_bg = 1 / burst, from good to bad with p_gb = p_bg / (1 / loss - 1), which makes the share
    of packets that are lost `loss` and the mean length of a burst `burst`. DFTS2 has the same model, without a seed.

    Args:
        loss: share of packets that are lost, below burst / (burst + 1): no channel loses more in bursts so short.
        burst: mean number of packets lost in a row, at least 1; with 1 no two neighbours are lost.
    """

    name: ClassVar[str] = "gilbert-elliott"
    loss: float
    burst: float

    def __post_init__(self) -> None:
        _check_loss(self.loss)
        if not 1 <= self.burst < np.inf:
            raise UsageError(f"burst {self.burst:g}: a mean length of at least 1")
        if self.loss > self.burst / (self.burst + 1) * (1 + 1e-12):
            most = f"{self.burst / (self.burst + 1):.4g}"
            raise UsageError(f"loss {self.loss:g}: in bursts of {self.burst:g} packets at most {most} of them are lost")

    @property
    def to_good(self) -> float:
        """p_bg: the probability that a burst ends with a packet."""
        return 1 / self.burst

    @property
    def to_bad(self) -> float:
        """p_gb: the probability that a burst begins after a packet that was received."""
        return min(1.0, self.to_good / (1 / self.loss - 1)) if self.loss else 0.0

    def losses(self, count: int, rng: np.random.Generator, *, from_start: bool = True) -> Array:
        """Runs of geometric lengths in turn."""
        lost = np.zeros(count, np.bool_)
        is_bad = not from_start and bool(rng.random() < self.loss)
        place = 0
        while place < count and (is_bad or self.to_bad):
            length = int(rng.geometric(self.to_good if is_bad else self.to_bad))
            lost[place : place + length] = is_bad
            place, is_bad = place + length, not is_bad
        return lost


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Losses that were measured, again and again from the beginning when the trace ends.

    Args:
        lost: bool (packets,), True where lost.
    """

    name: ClassVar[str] = "trace"
    lost: Array = field(repr=False)

    def __post_init__(self) -> None:
        if self.lost.dtype != np.bool_ or self.lost.ndim != 1 or not self.lost.size:
            raise FeatureError(f"a trace is bool (packets,), not {self.lost.dtype} {self.lost.shape}")

    @classmethod
    def read(cls, path: Path) -> Self:
        """A trace from a text file: 1 for a packet that was lost, 0 for one that was received; # begins a comment.

        Raises:
            FeatureError: there is something else in it, or nothing.
            OSError: it cannot be read.
        """
        with path.open("rb") as file:
            data = file.read(LONGEST_TRACE + 1)
        if len(data) > LONGEST_TRACE:
            raise FeatureError(f"{path}: longer than {LONGEST_TRACE} characters")
        text = b"".join(b"".join(line.partition(b"#")[0].split()) for line in data.splitlines())
        digits = np.frombuffer(text, np.uint8)
        if not digits.size or not np.isin(digits, (ord("0"), ord("1"))).all():
            raise FeatureError(f"{path}: a trace is made of 0, received, and 1, lost")
        return cls(digits == ord("1"))

    def losses(self, count: int, rng: np.random.Generator, *, from_start: bool = True) -> Array:
        """From the beginning, or from a place that is drawn."""
        start = 0 if from_start else int(rng.integers(self.lost.size))
        return self.lost[(start + np.arange(count)) % self.lost.size]


def _check_loss(loss: float) -> None:
    if not 0 <= loss <= 1:
        raise UsageError(f"loss {loss:g}: a share from 0 to 1")


CHANNELS: Mapping[str, type[Channel]] = {Iid.name: Iid, GilbertElliott.name: GilbertElliott, Trace.name: Trace}
