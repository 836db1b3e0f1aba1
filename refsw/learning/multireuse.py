"""Informative: multi-model reuse, equations 1 to 3 of "Digital retina" (multiple model reuse and prediction).

The target's hidden representation Z has to reconstruct those of M frozen sources, Z_m, through learned matrices V:
unlabelled samples of the target's domain teach the layer what the sources know. The sources, and every V, are not
needed once the target is trained.

R does not change under Z -> c Z, V -> V / c, so that the printed problem has no scale of its own: V is held near
matrices with orthonormal rows or columns, or small (ridge), or left free with a rate of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from refsw.errors import UsageError
from refsw.extras import optional
from refsw.learning.networks import forward
from refsw.learning.training import cross_entropy, drawn

TINY = 1e-9
ALPHA = "alpha"


class Scale(StrEnum):
    """What fixes the scale of V."""

    FREE = "free"
    ORTHONORMAL = "orthonormal"
    RIDGE = "ridge"


@dataclass(frozen=True, slots=True)
class Reuse:
    """How models are reused.

    Args:
        layers: h, stages of the target and of the sources.
        gamma: weight of R.
        scale: what fixes the scale of V, `weight` how strongly.
        alpha: weights of the sources, of sum 1; None: all alike.
        learn_alpha: they are learned on the simplex, from `alpha` on. R is linear in them: what is learned is a
            preference for the source that is easiest to reconstruct, not for the one that helps most.
        matrix_rate: rate of V, times that of the network.
    """

    layers: tuple[str, ...] = ("hidden",)
    gamma: float = 2.0
    scale: Scale = Scale.FREE
    weight: float = 0.1
    alpha: tuple[float, ...] | None = None
    learn_alpha: bool = False
    matrix_rate: float = 10.0


def mode_products(values: Any, matrices: Sequence[Any]) -> Any:
    """Equation 2: Z x_1 V_1 ... x_Q V_Q, the product with a matrix along each axis of a sample (Tucker).

    Args:
        values: Z, (N, d_1, ..., d_Q), any Q from 1.
        matrices: V_q, (e_q, d_q).

    Returns:
        (N, e_1, ..., e_Q); for Q = 1 the product V z of equation 3.

    Raises:
        UsageError: more or fewer matrices than axes.
    """
    if values.ndim != len(matrices) + 1:
        raise UsageError(f"{len(matrices)} matrices for samples of {values.ndim - 1} axes")
    for axis, matrix in enumerate(matrices, 1):
        values = (values.movedim(axis, -1) @ matrix.T).movedim(-1, axis)  # d_q -> e_q
    return values


def reconstruction(source: Any, values: Any, matrices: Sequence[Any]) -> Any:
    """One term of equation 2: ||Z_m - Z x_1 V_1 ... x_Q V_Q||_F^2, as a mean over the samples.

    Args:
        source: Z_m, (N, e_1, ..., e_Q).
        values: Z, (N, d_1, ..., d_Q).
        matrices: V_q, (e_q, d_q).
    """
    return (source - mode_products(values, matrices)).square().flatten(1).sum(1).mean()


def regulariser(terms: Any, alpha: Any) -> Any:
    """Equations 2 and 3: R = sum over m of alpha_m times the term of source m.

    Args:
        terms: (M,).
        alpha: (M,), of sum 1.
    """
    return (terms * alpha).sum()


def on_simplex(logits: Any) -> Any:
    """Weights alpha that are positive and of sum 1, whatever the logits (M,) are."""
    return logits.softmax(0)


def orthonormality(matrix: Any, scale: float = 1.0) -> Any:
    """How far the shorter side of V / scale is from orthonormal: ||W W^T - 1||_F^2 / rank."""
    wide = matrix / scale if matrix.shape[0] <= matrix.shape[1] else matrix.T / scale
    product = wide @ wide.T
    return (product - product.new_ones(len(product)).diag()).square().sum() / len(product)


def ridge(matrix: Any, scale: float = 1.0) -> Any:
    """The mean square of the elements of V / scale."""
    return (matrix / scale).square().mean()


class Matrices:
    """Every V of a reuse, by source and layer, with what fixes their scale.

    Args:
        sources: for each source, its representations of all samples by layer, (N, e_1, ..., e_Q).
        target: representations by the target at the start, for their shapes and their scale.
        reuse: how.

    Raises:
        UsageError: a layer has other axes in a source than in the target, or alpha does not fit the sources.
    """

    def __init__(self, sources: Sequence[Mapping[str, Any]], target: Mapping[str, Any], reuse: Reuse) -> None:
        torch = optional("torch")
        nn = torch.nn
        self._reuse, self._sources = reuse, sources
        self._energies, self._scales = [], []
        lists = []
        for source in sources:
            for layer in reuse.layers:
                theirs, own = source[layer], target[layer]
                if theirs.ndim != own.ndim:
                    raise UsageError(f"layer {layer}: a source has {theirs.ndim - 1} axes, the target {own.ndim - 1}")
                square = float(theirs.square().mean())
                # Shares of what there is to reconstruct, or a source with large values would outweigh the others.
                self._energies.append(max(square * theirs[0].numel(), TINY))
                # All of the scale is in the first matrix: at the start, V Z is as large as the source.
                scale = math.sqrt(max(square, TINY) / max(float(own.square().mean()), TINY))
                self._scales.append(scale)
                sides = zip(theirs.shape[1:], own.shape[1:], strict=True)
                matrices = [nn.Parameter(torch.eye(e, d) * (1 if q else scale)) for q, (e, d) in enumerate(sides)]
                lists.append(nn.ParameterList(matrices))
        self.module = nn.ModuleDict({str(number): matrices for number, matrices in enumerate(lists)})
        alpha = reuse.alpha or (1 / len(sources),) * len(sources)
        if len(alpha) != len(sources) or abs(sum(alpha) - 1) > 1e-6 or min(alpha) < 0:
            raise UsageError(f"alpha {alpha}: {len(sources)} weights from 0, of sum 1")
        logits = torch.tensor(alpha).clamp_min(TINY).log()
        self.module[ALPHA] = nn.ParameterList([nn.Parameter(logits, requires_grad=reuse.learn_alpha)])

    def alpha(self) -> Any:
        """Weights of the sources, (M,)."""
        return on_simplex(self.module[ALPHA][0])

    def loss(self, values: Mapping[str, Any], samples: Any) -> Any:
        """Equation 2, summed over the layers, and what fixes the scale.

        Args:
            values: the target's representations of a batch by layer.
            samples: numbers of the batch's samples.
        """
        torch = optional("torch")
        terms, held, number = [], [], 0
        for source in self._sources:
            own = []
            for layer in self._reuse.layers:
                matrices = list(self.module[str(number)])
                own.append(reconstruction(source[layer][samples], values[layer], matrices) / self._energies[number])
                scales = [self._scales[number], *[1.0] * (len(matrices) - 1)]
                held += [self._held(matrix, scale) for matrix, scale in zip(matrices, scales, strict=True)]
                number += 1
            terms.append(sum(own))
        loss = regulariser(torch.stack(terms), self.alpha())
        return loss if self._reuse.scale is Scale.FREE else loss + self._reuse.weight * sum(held)

    def _held(self, matrix: Any, scale: float) -> Any:
        return ridge(matrix, scale) if self._reuse.scale is Scale.RIDGE else orthonormality(matrix, scale)


Extra = Callable[[Mapping[str, Any], Any], Any]
"""A term of the objective: of the representations of a batch by layer, and the numbers of its samples."""


@dataclass(frozen=True, slots=True)
class Target:
    """Samples of the target's domain: the first `len(labels)` are the labelled ones.

    Args:
        pictures: float32 (N, C, H, W).
        labels: int64, of the first samples.
    """

    pictures: Any
    labels: Any


def objective(
    network: Any, target: Target, batches: tuple[Any, Any], *, layers: Sequence[str] = (), gamma: float = 0.0,
    extra: Extra | None = None, mixed: bool = True,
) -> Any:  # fmt: skip
    """Equation 1: mean of L over labelled samples + gamma times the mean of R over labelled and unlabelled ones.

    Args:
        network: the target, in training mode.
        target: its samples.
        batches: numbers of labelled samples, and of any samples.
        layers: that `extra` reads.
        gamma: weight.
        extra: R; None: labels alone.
        mixed: unlabelled samples count in the statistics of batch normalisation, even without R.
    """
    torch = optional("torch")
    labelled, every = batches
    count = len(labelled)
    together = torch.cat([labelled, every]) if mixed or extra is not None else labelled
    values, scores = forward(network, target.pictures[together], layers)
    loss = cross_entropy(scores[:count], target.labels[labelled])
    if extra is not None:
        loss = loss + gamma * extra({layer: value[count:] for layer, value in values.items()}, every)
    return loss


def batches(target: Target, sizes: tuple[int, int], generator: Any) -> tuple[Any, Any]:
    """Numbers of labelled samples, and of any samples, for one step."""
    return drawn(len(target.labels), sizes[0], generator), drawn(len(target.pictures), sizes[1], generator)
