"""Informative: completion by a CP decomposition, with TensorLy: Wu et al., FCP, IEEE TNNLS 30 (3), 2019."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from refsw.errors import UsageError
from refsw.extras import optional
from refsw.resilience.base import means
from refsw.resilience.simple import Linear, beyond
from refsw.tensor.axes import Array


@dataclass(frozen=True, slots=True)
class Fcp:
    """The tensor is about a sum of `rank` outer products of three vectors, fitted to what was received.

    Alternating least squares on the differences from the channels' means, in which what is lost stands at the linear
    interpolation first, and at the sum of outer products after every step. In place of the paper's fused terms (total
    variation of the vectors), for which there is no public code, the squares of the vectors are kept small: smoothness
    terms, as TensorLy has them, gave larger errors on features. Decomposing the damaged tensor itself, as TensorLy's
    masks do it, from zeros, takes many more steps, and where packets are large it ends no better than zeros.

    Args:
        rank: number of outer products.
        iterations: steps.
        ridge: weight of the squares, for elements of order 1, times elements ** (2 / 3).
        seed: of the vectors at the start.
    """

    name: ClassVar[str] = "fcp"
    title: ClassVar[str] = "FCP"
    rank: int = 32
    iterations: int = 30
    ridge: float = 5e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rank < 1 or self.iterations < 1 or not 0 < self.ridge < np.inf or not 0 <= self.seed < 1 << 32:
            told = f"rank {self.rank}, iterations {self.iterations}, ridge {self.ridge:g}, seed {self.seed}"
            raise UsageError(f"{told}: at least 1, 1, above 0, and from 0 to 2**32 - 1")

    def check(self, shape: tuple[int, ...]) -> None:
        """Every shape will do, if TensorLy is there.

        Raises:
            UsageError: it is not.
        """
        optional("tensorly")

    def fill(self, tensor: Array, received: Array) -> Array:
        """As many steps as asked for: there is no rule to stop, as the error of what is lost may rise again."""
        mean = means(tensor, received)
        centred = np.where(received, tensor - mean, 0)
        scale = np.abs(centred).max()
        if not scale:
            return beyond(tensor, received, mean)
        scale *= float(np.sqrt(np.square(centred[received] / scale).mean()))
        known = centred / scale
        parafac, to_tensor = optional("tensorly.decomposition").parafac, optional("tensorly").cp_to_tensor
        ridge = self.ridge * float(tensor.size) ** (2 / 3)
        estimate, factors = Linear().fill(known, received), "random"
        for _ in range(self.iterations):
            factors = parafac(
                estimate, self.rank, n_iter_max=1, init=factors, random_state=self.seed, tol=0, l2_reg=ridge
            )
            estimate = np.where(received, known, to_tensor(factors))
        return beyond(tensor, received, estimate * scale + mean)
