"""Informative: adversarial model reuse, equations 1 to 3 of "Collaborative intelligence for visual sensing".

Stage 1: for each source m two mappings of its hidden representation, z_c = phi_c(z) and z_s = phi_s(z), a decoder psi
that reconstructs z from both, and a discriminator D that tells from z_c which source it is of. Stage 2: the target's
representation is held close to g([mean of z_c; z_s of every source]).

That D of the training is fooled does not say that z_c are alike: `probe_accuracy` trains a fresh one on frozen z_c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from refsw.extras import optional
from refsw.learning.networks import small_linear, two_layers
from refsw.learning.training import Descent, History, Training, cross_entropy, drawn

HELD_OUT = 0.3
PROBE_STEPS, PROBE_BATCH, PROBE_RATE = 600, 128, 2e-3
WIDE = 64
BETAS = (0.5, 0.99)
LOGGED = 20


class Strategy(StrEnum):
    """What the mappings do about the discriminator."""

    NONE = "none"
    REVERSAL = "reversal"
    """Its gradient with the other sign, which is equation 1 as printed."""
    CONFUSION = "confusion"
    """Its outputs towards 1 / M, which has a gradient where D is sure."""


@dataclass(frozen=True, slots=True)
class Adversary:
    """Stage 1.

    Args:
        strategy: see above.
        common, specific: lengths of z_c and z_s; a wide z_s makes z_c superfluous.
        weight: gamma_D.
        linear: phi are linear, not small networks.
        own_statistics: z_c are normalised by source, not all together.
        noise: standard deviation of noise on what D sees.
        discriminator_steps: of D for each of the mappings.
        discriminator_rate: rate of D, times that of the mappings.
        steps, batch, rate: of the training; the batch is of each source.
    """

    strategy: Strategy = Strategy.CONFUSION
    common: int = 16
    specific: int = 12
    weight: float = 1.0
    linear: bool = True
    own_statistics: bool = True
    noise: float = 0.3
    discriminator_steps: int = 3
    discriminator_rate: float = 4.0
    steps: int = 800
    batch: int = 128
    rate: float = 1e-3


USUAL = Adversary(
    strategy=Strategy.REVERSAL, linear=False, own_statistics=False, noise=0.0, discriminator_steps=1,
    discriminator_rate=2.0,
)  # fmt: skip
"""Gradient reversal as it is usually written."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """What stage 1 leaves.

    Args:
        common: z_c of each source, all samples, (N, common) each, frozen.
        specific: z_s likewise.
        reconstruction: mean square error per element of standardised representations at the end.
        history: `discriminator` (accuracy of D on its batches) and `reconstruction` over the steps.
    """

    common: tuple[Any, ...]
    specific: tuple[Any, ...]
    reconstruction: float
    history: History


def reverse_gradient(values: Any, strength: float) -> Any:
    """The values themselves, whose gradient comes back times -strength: min over phi, max over D in one descent."""
    passed = values.view_as(values)
    if passed.requires_grad:
        passed.register_hook(lambda gradient: -strength * gradient)
    return passed


def reconstruction_error(values: Any, restored: Any) -> Any:
    """First term of equation 1, ||z - psi([z_c; z_s])||^2, as a mean over samples and elements.

    Args:
        values, restored: (N, d).
    """
    return (values - restored).square().mean()


def discriminator_loss(scores: Any, sources: Any) -> Any:
    """Second term of equation 1 as D sees it: the mean of -log D(z_c), over sources; D is a softmax, of sum 1.

    Args:
        scores: of D, (N, M).
        sources: which source each is of, int64 (N,).
    """
    return cross_entropy(scores, sources)


def confusion_loss(scores: Any) -> Any:
    """Cross-entropy of D's outputs against 1 / M each; ln M where D cannot tell.

    Args:
        scores: of D, (N, M).
    """
    return -scores.log_softmax(1).mean()


def reuse_term(values: Any, mapped: Any) -> Any:
    """Equation 3: ||z - g([z_c; z_1s; ...; z_Ms])||^2, as a mean over samples and elements.

    Args:
        values: z of the target, (N, d).
        mapped: what g makes of the sources', (N, d).
    """
    return (values - mapped).square().mean()


def standardised(values: Any, floor: float = 1e-2) -> Any:
    """Every element with mean 0 and deviation 1 over the samples, (N, d)."""
    return (values - values.mean(0)) / (values.std(0) + floor)


def stage_one(sources: Sequence[Any], adversary: Adversary, seed: int, checkpoint: Path | None = None) -> Mapped:
    """Equation 1: learn the mappings, the decoders and the discriminator.

    Args:
        sources: standardised representations of the same samples by each source, (N, d_m) each.
        adversary: how.
        seed: of everything that is random.
        checkpoint: where to keep the state.
    """
    torch = optional("torch")
    nn, generator = torch.nn, torch.Generator().manual_seed(seed)
    a, count = adversary, len(sources)
    lengths = [source.shape[1] for source in sources]

    def mappings(outputs: int) -> Any:
        between = [two_layers(d, WIDE, outputs, generator) for d in lengths if not a.linear]
        return nn.ModuleList(between or [small_linear(d, outputs, generator) for d in lengths])

    common, specific = mappings(a.common), mappings(a.specific)
    decoders = nn.ModuleList([two_layers(a.common + a.specific, WIDE, d, generator) for d in lengths])
    discriminator = two_layers(a.common, WIDE, count, generator)
    norms = nn.ModuleList([nn.BatchNorm1d(a.common, affine=False) for _ in range(count if a.own_statistics else 1)])
    mapping = nn.ModuleDict({"common": common, "specific": specific, "decoders": decoders, "norms": norms})
    down = Descent([(list(mapping.parameters()), 1.0)], a.rate, a.steps, BETAS)
    up = Descent([(list(discriminator.parameters()), a.discriminator_rate)], a.rate, None, BETAS)
    history = History()
    numbers = torch.arange(count).repeat_interleave(a.batch)

    def mapped(values: Sequence[Any]) -> Any:  # (M * N, common)
        codes = [phi(z) for phi, z in zip(common, values, strict=True)]
        if not a.own_statistics:
            return norms[0](torch.cat(codes))
        return torch.cat([norm(code) for norm, code in zip(norms, codes, strict=True)])

    def noisy(codes: Any) -> Any:
        return codes + a.noise * torch.randn(codes.shape, generator=generator) if a.noise else codes

    def reconstructed(values: Sequence[Any], codes: Any) -> Any:
        parts = zip(values, decoders, specific, codes.chunk(count), strict=True)
        errors = [reconstruction_error(z, psi(torch.cat([code, phi(z)], 1))) for z, psi, phi, code in parts]
        return sum(errors) / count

    def step(number: int) -> None:
        values = [source[drawn(len(source), a.batch, generator)] for source in sources]
        codes = mapped(values)
        for _ in range(a.discriminator_steps):
            up.step(discriminator_loss(discriminator(noisy(codes.detach())), numbers))
        error = reconstructed(values, codes)
        seen = codes
        if a.strategy is Strategy.REVERSAL:
            seen = reverse_gradient(codes, 2 / (1 + math.exp(-10 * number / a.steps)) - 1)
        scores = discriminator(noisy(seen))
        loss = error
        if a.strategy is Strategy.CONFUSION:
            loss = loss + a.weight * confusion_loss(scores)
        elif a.strategy is Strategy.REVERSAL:
            loss = loss + a.weight * discriminator_loss(scores, numbers)
        down.step(loss)
        if number % LOGGED == 0 or number + 1 == a.steps:
            told = float((scores.argmax(1) == numbers).float().mean())
            history.log(number, discriminator=told, reconstruction=float(error.detach()))

    parts = {"mapping": mapping, "discriminator": discriminator, "down": down, "up": up, "history": history}
    mapping.train()
    Training(parts, generator, a.steps, checkpoint=checkpoint).run(step)
    mapping.eval()
    with torch.no_grad():
        return Mapped(
            mapped(sources).chunk(count), tuple(phi(z) for phi, z in zip(specific, sources, strict=True)),
            float(reconstructed(sources, mapped(sources))), history,
        )  # fmt: skip


def probe_accuracy(common: Sequence[Any], seed: int) -> float:
    """Accuracy of a fresh discriminator that is trained on frozen z_c, on samples that it has not seen; chance is 1/M.

    Args:
        common: z_c of each source for the same samples in the same order, (N, common) each.
        seed: of the probe and its samples.
    """
    torch = optional("torch")
    generator = torch.Generator().manual_seed(seed)
    values = torch.cat(list(common))
    labels = torch.arange(len(common)).repeat_interleave(len(common[0]))
    # A sample is held out with all of its codes.
    order = torch.randperm(len(common[0]), generator=generator)
    held = torch.zeros(len(order), dtype=torch.bool)
    held[order[: int(HELD_OUT * len(order))]] = True
    held = held.repeat(len(common))
    return classifier_accuracy((values[~held], labels[~held]), (values[held], labels[held]), seed, wide=WIDE)


def classifier_accuracy(train: tuple[Any, Any], test: tuple[Any, Any], seed: int, wide: int = 0) -> float:
    """Accuracy of a small classifier of vectors: what can be told from them.

    Args:
        train, test: vectors (N, d) and labels (N,).
        seed: of the classifier.
        wide: of its inner layer; 0: it is linear.
    """
    torch = optional("torch")
    generator = torch.Generator().manual_seed(seed)
    inputs, classes = train[0].shape[1], int(train[1].max()) + 1
    model = two_layers(inputs, wide, classes, generator) if wide else small_linear(inputs, classes, generator)
    descent = Descent([(list(model.parameters()), 1.0)], PROBE_RATE if wide else 10 * PROBE_RATE, PROBE_STEPS)

    def step(number: int) -> None:
        chosen = drawn(len(train[0]), PROBE_BATCH, generator)
        descent.step(cross_entropy(model(train[0][chosen]), train[1][chosen]))

    Training({}, generator, PROBE_STEPS, epoch=PROBE_STEPS).run(step)
    with torch.no_grad():
        return float((model(test[0]).argmax(1) == test[1]).float().mean())


class Fusion:
    """Stage 2: g and the term of equation 3.

    Args:
        mapped: what stage 1 left.
        length: of the target's representation.
        layer: it is of.
        linear: g is linear, not a small network.
        literal: as printed; otherwise the target's representation is standardised in each batch, or z -> 0 would cost
            nothing.
        seed: of the initial g.
    """

    def __init__(
        self, mapped: Mapped, length: int, layer: str, *, seed: int, linear: bool = True, literal: bool = False
    ) -> None:
        torch = optional("torch")
        mean = torch.stack(mapped.common).mean(0)  # z_nc of equation 3
        self._given = torch.cat([mean, *mapped.specific], 1)
        self._layer, self._literal = layer, literal
        generator, inputs = torch.Generator().manual_seed(seed), self._given.shape[1]
        self.module = small_linear(inputs, length, generator) if linear else two_layers(inputs, WIDE, length, generator)

    def loss(self, values: Any, samples: Any) -> Any:
        """Equation 3 on a batch: representations by layer, and the numbers of the samples."""
        own = values[self._layer]
        return reuse_term(own if self._literal else standardised(own), self.module(self._given[samples]))


def common_only(mapped: Mapped) -> Mapped:
    """The same without what is specific to the sources, for comparison."""
    return replace(mapped, specific=())
