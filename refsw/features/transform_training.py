"""Informative: channel transforms (7.6) of a layer, learned from samples of its features.

The basis are the eigenvectors of the covariance of channels, or of their phases, by falling energy; with a metric,
those of the covariance as the metric sees it: components are then what matters to the task, and a step in them is an
error that matters alike. Rectified features are completed (`refsw.features.transforming`), and the basis is fitted
again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from refsw.errors import UsageError
from refsw.features.config import EncoderConfig
from refsw.features.transforming import Analysis, completed, element_step, phases_of
from refsw.syntax.transform_structures import MAX_COMPONENTS, MAX_PREFIX
from refsw.tensor.axes import Array
from refsw.tensor.transform import Basis, pack_basis

FINE_QP, COARSE_QP = 22, 32
"""Of the step that the bits of entries are chosen for, and of the one that completion foresees."""
SHARE = 0.02
"""Of the error of a step, what the entries of a component may add."""
REFITTED = 12
"""Samples that are completed to fit the basis again."""
FRACTION = 14
"""Entries of a component whose length is 1 are at most 2 to this power."""
Real = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class TransformTraining:
    """How a transform is learned.

    Args:
        space_to_depth: across phases of channels.
        bits: of the entries of a component, at most.
        prefix: rows, from the first, that are not transformed.
        alpha: share of the metric in which all channels count alike; 1: no other.
        metric: what errors in the channels or phases matter to a task, (N, N), or None.
        refits: how often rectified features are completed and the basis fitted again.
    """

    space_to_depth: bool = False
    bits: int = 8
    prefix: int = 0
    alpha: float = 1.0
    metric: Real | None = None
    refits: int = 1


def train_transform(samples: Iterable[Array], training: TransformTraining | None = None) -> bytes:
    """A channel transform for a layer, the bytes of a channel_transform (6.22).

    Args:
        samples: features of the layer, (C, H, W) float32 each; they are read once for every fit.
        training: how.

    Raises:
        UsageError: no sample, samples with different numbers of channels, or more of them than a transform takes.
    """
    t = training or TransformTraining()
    if not 2 <= t.bits <= 12:
        raise UsageError(f"entries of {t.bits} bits: from 2 to 12")
    if t.prefix and t.space_to_depth:
        raise UsageError("a transform across phases has no prefix")
    moments, prefix, rectified, step = _moments(samples, t)
    analysis, energies = _fitted(moments, t)
    for _ in range(t.refits if rectified else 0):
        again = _Moments(len(moments.mean))
        for sample in islice(iter(samples), REFITTED):
            parts = phases_of(sample, space_to_depth=t.space_to_depth)
            wanted = _step(sample, COARSE_QP)
            if wanted:
                found = completed(analysis, parts, wanted / analysis.gain)
                again.add(analysis.synthesis @ found + analysis.mean[:, None])
        analysis, energies = _fitted(again, t)
    return pack_basis(_rounded(analysis, energies, prefix, step, t.bits))


class _Moments:
    """Sums over places."""

    def __init__(self, channels: int) -> None:
        self.count = 0
        self.total: Real = np.zeros(channels)
        self.squares: Real = np.zeros((channels, channels))

    def add(self, flat: Real) -> None:
        """Take places (N, places)."""
        self.count += flat.shape[1]
        self.total = self.total + flat.sum(axis=1)
        self.squares = self.squares + flat @ flat.T

    @property
    def mean(self) -> Real:
        return self.total / max(self.count, 1)

    @property
    def covariance(self) -> Real:
        return self.squares / max(self.count, 1) - np.outer(self.mean, self.mean)


def _moments(samples: Iterable[Array], t: TransformTraining) -> tuple[_Moments, Real, bool, float]:
    """Those of all samples, the mean of the prefix, whether they are rectified, and the mean of the fine steps."""
    found: _Moments | None = None
    first: Real = np.zeros((t.prefix, 0))
    lowest, zeros, elements, steps, count = np.inf, 0, 0, [], 0
    for sample in samples:
        parts = phases_of(sample, space_to_depth=t.space_to_depth)
        if found is None:
            if len(parts) > MAX_COMPONENTS:
                raise UsageError(f"{len(parts)} channels or phases: a transform takes at most {MAX_COMPONENTS}")
            if t.prefix > min(parts.shape[1], MAX_PREFIX):
                raise UsageError(f"a prefix of {t.prefix} rows: at most {min(parts.shape[1], MAX_PREFIX)}")
            found, first = _Moments(len(parts)), np.zeros((t.prefix, len(parts)))
        if len(parts) != len(found.mean):
            raise UsageError("samples of one layer have one number of channels")
        found.add(parts[:, t.prefix :].reshape(len(parts), -1))
        first = first + parts[:, : t.prefix].mean(axis=2).T
        lowest = min(lowest, float(sample.min()))
        zeros, elements, count = zeros + int((sample == 0).sum()), elements + sample.size, count + 1
        steps.append(_step(sample, FINE_QP))
    if found is None or not found.count:
        raise UsageError("a transform is learned from samples: there is none")
    return found, first / count, lowest == 0 and zeros > elements // 100, float(np.mean(steps))


def _step(sample: Array, qp: int) -> float:
    """The step of the presets at a QP; 0 of a sample of one number."""
    low, high = float(sample.min()), float(sample.max())
    config = EncoderConfig(match_step=True).replace(qp=qp)
    return 0.0 if low == high else element_step(config, sample, (low, high), np.zeros(len(sample)))


def _fitted(moments: _Moments, t: TransformTraining) -> tuple[Analysis, Real]:
    """Eigenvectors by falling energy, and the energies."""
    count = len(moments.mean)
    root = back = np.eye(count)
    if t.metric is not None and t.alpha < 1:
        metric = (1 - t.alpha) * t.metric * count / np.trace(t.metric) + t.alpha * np.eye(count)
        values, vectors = np.linalg.eigh(metric)
        root, back = (vectors * np.sqrt(values)) @ vectors.T, (vectors / np.sqrt(values)) @ vectors.T
    energies, vectors = np.linalg.eigh(root @ moments.covariance @ root)
    energies, vectors = np.maximum(energies[::-1], 0), vectors[:, ::-1]
    # Of both directions of a component the one whose greatest entry is positive, so that no library decides.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(count)])
    synthesis = back @ vectors
    gain = float(np.exp(np.mean(np.log(np.linalg.norm(synthesis, axis=0)))))
    return Analysis(synthesis, vectors.T @ root, moments.mean, np.zeros((0, count)), gain), energies


def _rounded(a: Analysis, energies: Real, prefix: Real, step: float, most: int) -> Basis:
    """The basis in as few bits as change little: fewer for components of less energy."""
    channels = len(a.mean)
    largest = np.abs(a.synthesis).max(axis=0)
    # Entries of b bits are off by largest 2^-b or so; over all channels this is to add a share of the error of a step.
    ratio = np.sqrt(energies * channels) * largest / (max(step, 1e-30) / a.gain * np.sqrt(SHARE) * a.gain)
    bits = np.clip(np.ceil(np.log2(np.maximum(ratio, 1e-9))) + 1, 2, most).astype(np.int64)
    if len(prefix) == 0:  # components of next to no energy are left out; the step hides what they add
        kept = int(np.count_nonzero(np.sqrt(energies) > step / a.gain / 16))
        bits, largest = bits[:kept], largest[:kept]
    powers = np.ceil(np.log2(np.maximum(largest, 1e-30))).astype(np.int64)
    exponents = FRACTION + powers - (bits - 1)
    shift = max(0, -int(exponents.min(initial=0)))
    scale = np.exp2(exponents - FRACTION)
    entries = np.rint(a.synthesis[:, : len(bits)] / scale)
    tops = (1 << (bits - 1)) - 1
    entries = np.clip(entries, -tops - 1, tops)
    return Basis(entries.astype(np.int16), bits, np.minimum(exponents + shift, 31), a.mean.astype(np.float32),
                 prefix.astype(np.float32))  # fmt: skip
