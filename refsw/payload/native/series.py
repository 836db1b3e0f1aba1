"""Informative: coding the samples of a unit, each from the one before where that is worth it (8.6.9)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from refsw.payload.native.encoder import Costs, SampleEncoder, zero_of
from refsw.payload.native.motion import predicted_magnitudes, reference_of
from refsw.payload.native.motion_search import Motion, find_motion, motion_values
from refsw.payload.native.parameters import Start
from refsw.payload.native.prediction import prediction_start
from refsw.payload.native.scale import Integers
from refsw.syntax.bits import BitWriter
from refsw.syntax.declaration import Values
from refsw.syntax.native_structures import NATIVE_PREDICTION
from refsw.syntax.structure import write_structure
from refsw.tensor.axes import Array

LARGEST_STEP = (1 << 24) - 1
MOST_RATIO = 16
UNLIKE = 10
"""Sixteenths of its magnitudes that the error of a sample before may be; beyond, the sample is intra."""


@dataclass
class SeriesEncoder:
    """Codes the samples of a unit, with a native_prediction before each.

    Args:
        start: what intra samples are coded with.
        step: quantization step in 1/256 level.
        top: the greatest level.
        optimize: see `SampleEncoder`.
    """

    start: Start
    step: int
    top: int
    optimize: bool = True
    costs: Costs = field(init=False)
    _before: Integers | None = field(init=False, default=None)
    _size: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.costs = Costs(self.start)

    def encode(self, levels: Array) -> bytes:
        """The next sample, levels (channels, rows, columns): a native_prediction, a native_sample, and its bytes."""
        zero = zero_of(levels, self.step)
        differences = reference_of(levels, zero or 0)
        size = int(np.abs(differences).sum())
        prediction: Values = {"predicted_flag": 0}
        encoder, coded = SampleEncoder(self.start, self.costs, self.optimize), b""
        if self._before is not None:
            found = self._prediction(differences, self._before, size)
            if found is not None:
                prediction, motion = found
                predicted = predicted_magnitudes(self._before, prediction, motion.vectors)
                other = SampleEncoder(self.start, _prediction_costs(), self.optimize, predicted=predicted)
                (price, coded), (own, alone) = (one.priced(levels, self.step, zero) for one in (other, encoder))
                if price < own:
                    encoder = other
                else:
                    prediction, coded = {"predicted_flag": 0}, alone
        if not coded:
            coded = encoder.encode(levels, self.step, zero)
        self._before = reference_of(encoder.decoded(levels, self.step, zero, self.top), zero or 0)
        self._size = size
        writer = BitWriter()
        write_structure(NATIVE_PREDICTION, writer, prediction)
        return writer.getvalue() + coded

    def _prediction(self, differences: Integers, before: Integers, size: int) -> tuple[Values, Motion] | None:
        """How to predict a sample from the one before; None: not at all.

        Samples that have ranges of their own have levels of their own; their sizes tell by how much these differ.
        """
        small, large = sorted((size, self._size))
        if large >= MOST_RATIO * small:
            return None
        scale = (size << 16) // self._size
        motion = find_motion(differences, (before * scale + (1 << 15)) >> 16, self.step)
        if 16 * motion.error > UNLIKE * motion.size:
            return None
        reference_step = min(max((self.step * self._size + size // 2) // size, 1), LARGEST_STEP)
        return {"predicted_flag": 1, "reference_step": reference_step} | motion_values(motion), motion


@cache
def _prediction_costs() -> Costs:
    return Costs(prediction_start())
