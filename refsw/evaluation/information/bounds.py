"""Informative: the least rate of any code that keeps decisions: what practical codecs are held against.

Whatever is coded, picture or features of any layer, the receiver's decisions are a function of it: by the data
processing inequality no code has fewer bits than the rate-distortion function of the decisions themselves, with the
share of changed decisions as distortion. Shannon's lower bound of it is H - h(D) - D log2(M - 1), exact for two classes
and for equally frequent ones. The entropy is that of the frequencies, whose bias is negative: the bound is no higher
than it should be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsw.evaluation.errors import EvaluationError
from refsw.evaluation.information.estimates import Estimate, plug_in_entropy


@dataclass(frozen=True, slots=True)
class DecisionBound:
    """Least bits an item for decisions.

    Args:
        entropy: of the decisions, estimated.
        classes: how many there are among them.
    """

    entropy: Estimate
    classes: int

    @classmethod
    def of(cls, decisions: Sequence[Any]) -> DecisionBound:
        """The bound for these decisions, one an item.

        Raises:
            EvaluationError: none.
        """
        values = np.asarray(decisions)
        return cls(plug_in_entropy(values), len(np.unique(values)))

    def bits(self, changed: float) -> float:
        """Least bits an item if no more than a share of the decisions may change.

        Raises:
            EvaluationError: a share that is none.
        """
        if not 0 <= changed <= 1:
            raise EvaluationError(f"a share of {changed:g}")
        if self.classes < 2 or changed >= 1 - 1 / self.classes:
            return 0.0
        spread = changed * math.log2(self.classes - 1)
        return max(0.0, self.entropy.value - _binary(changed) - spread)


def _binary(share: float) -> float:
    """Entropy of one in two, in bits."""
    return -sum(p * math.log2(p) for p in (share, 1 - share) if p > 0)
