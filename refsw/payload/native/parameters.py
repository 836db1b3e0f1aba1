"""8.6.3 What a native payload is decoded with: the universal start, or parameters that were sent."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from refsw.entropy.rans import Tables
from refsw.lazy import lazy
from refsw.payload.native.scale import BINS, ESCAPE, KINDS, PRECISION, Small, frequencies, token_bases_end

PHASES = 4
FEATURES = 9
"""Of an expected magnitude: running mean, prior, one, activity, references, around them, and three of neighbours."""


@dataclass(frozen=True)
class Start:
    """8.6.3 Weights, tables and reconstruction points; of a layer, priors, classes and references of its channels too.

    Args:
        weights: int32 of shape (2, 4, 9): for the first group and the others, for every phase, in 2^-10.
        points: int32 of shape (48, 4): what is added to the values 0, 1, 2 and more in a bin, in 1/256 step.
        codes: of every table the codes of its probabilities; 144 of every class of channels.
        channels: number of channels of a sample; 0 where any will do.
        priors: index of the magnitude (8.6.2.1) of every channel; None where samples tell them.
        classes: class of every channel; None where there is one.
        references: int32 of shape (channels, R): places, in the order of coding, of channels coded before.
        reference_weights: int32 of the same shape, in 1/256.
    """

    weights: Small
    points: Small
    codes: tuple[bytes, ...]
    channels: int = 0
    priors: npt.NDArray[np.uint8] | None = None
    classes: npt.NDArray[np.uint8] | None = None
    references: Small = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    reference_weights: Small = field(default_factory=lambda: np.zeros((0, 0), np.int32))

    @lazy
    def tables(self) -> Tables:
        """8.6.2.4 The frequencies of the tokens and the escape, of every table."""
        found = np.zeros((len(self.codes), ESCAPE + 1), np.int64)
        for row, codes in zip(found, self.codes, strict=True):
            *few, escape = frequencies(codes)
            row[: len(few)] = few
            row[ESCAPE] = escape
        return Tables(found, PRECISION)

    @lazy
    def escaped(self) -> Small:
        """8.6.6 The least value of an escape, of every table."""
        return token_bases_end()[[len(codes) for codes in self.codes]]

    @property
    def class_count(self) -> int:
        """Number of classes of channels."""
        return len(self.codes) // (BINS * KINDS)
