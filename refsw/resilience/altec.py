"""Informative: adaptive linear tensor completion: Bragilevsky and Bajic, ALTeC, IEEE Access 8, 2020, with training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from refsw.errors import FeatureError, UsageError
from refsw.files import whole_file
from refsw.resilience.bands import Bands
from refsw.resilience.base import limits
from refsw.resilience.simple import Linear
from refsw.tensor.axes import Array

FORMAT = "refsw-altec-1"
RIDGE = 1e-2
MOST_CHANNELS = 1 << 13
MATRIX, NEIGHBOURS = "channels", "neighbours"


@dataclass(frozen=True, slots=True, eq=False)
class AltecWeights:
    """What ALTeC has learnt of the features of one cut of one network.

    Args:
        channels: binary32 (C, C), the weight of channel j in the estimate of channel c; 0 on the diagonal.
        neighbours: binary32 (C, 2), the weights of the packets above and below of the same channel.
        rows: of a packet.
    """

    channels: Array
    neighbours: Array
    rows: int

    def __post_init__(self) -> None:
        count = len(self.channels)
        shapes = (self.channels.shape, self.neighbours.shape)
        wrong = shapes != ((count, count), (count, 2)) or not 0 < count <= MOST_CHANNELS or not 0 < self.rows < 1 << 31
        if wrong or any(array.dtype != np.float32 for array in (self.channels, self.neighbours)):
            raise FeatureError(f"weights of ALTeC are float32 (C, C) and (C, 2) for packets of rows, not {shapes}")
        if not (np.isfinite(self.channels).all() and np.isfinite(self.neighbours).all()):
            raise FeatureError("NaN or infinity among the weights of ALTeC")
        if self.channels.diagonal().any():
            raise FeatureError("weights of ALTeC in which a channel is estimated from itself")

    @property
    def digest(self) -> str:
        """SHA-256 of rows, shape and weights."""
        total = hashlib.sha256(f"{FORMAT} {self.rows} {len(self.channels)}\n".encode())
        for array in (self.channels, self.neighbours):
            total.update(np.ascontiguousarray(array, "<f4").tobytes())
        return total.hexdigest()

    def save(self, path: Path) -> None:
        """Write a safetensors file, whole or not at all; its metadata have the digest.

        Raises:
            OSError: it cannot be written.
        """
        from safetensors.numpy import save

        told = {"format": FORMAT, "rows": str(self.rows), "sha256": self.digest}
        tensors = {MATRIX: np.ascontiguousarray(self.channels), NEIGHBOURS: np.ascontiguousarray(self.neighbours)}
        with whole_file(path) as file:
            file.write(save(tensors, told))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            FeatureError: the file is damaged, or holds something else.
            OSError: there is no such file.
        """
        from safetensors import SafetensorError, safe_open

        with path.open("rb"):
            pass  # the library's own errors do not say what is wrong with a path
        try:
            with safe_open(path, framework="numpy") as file:
                told = file.metadata() or {}
                if told.get("format") != FORMAT or set(file.keys()) != {MATRIX, NEIGHBOURS}:
                    raise FeatureError(f"{path}: no weights of ALTeC")
                found = cls(file.get_tensor(MATRIX), file.get_tensor(NEIGHBOURS), _number(told.get("rows", "")))
        except SafetensorError as error:
            raise FeatureError(f"{path}: no weights of ALTeC: {error}") from error
        except FeatureError as error:
            raise error if str(error).startswith(str(path)) else FeatureError(f"{path}: {error}") from error
        if told.get("sha256") != found.digest:
            raise FeatureError(f"{path}: damaged: the digest is not that of the weights")
        return found


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


@dataclass(frozen=True, slots=True)
class Altec:
    """A lost packet is a weighted sum of the co-located packets of all other channels and its two neighbours.

    x_i(c) = sum over j != c of w(c, j) x_i(j) + u(c) x_(i-1)(c) + d(c) x_(i+1)(c), the equation of the tutorial, with
    weights from training (`train_altec`). What the sum needs and is lost itself stands at the linear interpolation
    first, and the sum is taken `sweeps` times. Estimates stay within what was received of the channel.

    What public code gets wrong (DFTS2): it puts 0 for what the sum needs and is lost, or whatever was estimated before,
    so that the result depends on the order of channels, and the error is twice as large at 30 % loss; its weights are
    means of pseudo-inverses, one a packet, which hardly varying packets decide, instead of one least-squares fit. The
    paper has weights for each row i, which takes more training data than there are.

    Args:
        weights: or a file of them.
        sweeps: how often the sum is taken.
    """

    name: ClassVar[str] = "altec"
    title: ClassVar[str] = "ALTeC"
    weights: AltecWeights | Path | str
    sweeps: int = 4

    def __post_init__(self) -> None:
        if not isinstance(self.weights, AltecWeights):
            object.__setattr__(self, "weights", AltecWeights.load(Path(self.weights)))
        if not 1 <= self.sweeps <= 1000:
            raise UsageError(f"sweeps {self.sweeps}: from 1 to 1000")

    @property
    def _learnt(self) -> AltecWeights:
        assert isinstance(self.weights, AltecWeights)
        return self.weights

    def check(self, shape: tuple[int, ...]) -> None:
        """The weights are for so many channels.

        Raises:
            UsageError: they are not.
        """
        if shape[0] != len(self._learnt.channels):
            told = f"weights of ALTeC for {len(self._learnt.channels)} channels, the tensor has {shape[0]}"
            raise UsageError(f"{told}: weights belong to one cut of one network")

    def fill(self, tensor: Array, received: Array) -> Array:
        """Every lost element is estimated, every sweep from all estimates of the one before."""
        learnt, (low, high) = self._learnt, limits(tensor, received)
        above, below = learnt.neighbours[:, 0, None].astype(np.float64), learnt.neighbours[:, 1, None]
        estimate = Linear().fill(tensor, received)
        for _ in range(self.sweeps):
            bands = Bands.cut(estimate, received, learnt.rows)
            found = learnt.channels.astype(np.float64) @ bands.values
            found[1:] += above * bands.values[:-1]
            found[:-1] += below * bands.values[1:]
            estimate = np.where(received, tensor, bands.joined(found).clip(low, high))
        return estimate


def train_altec(tensors: Iterable[Array], rows: int = 8, *, ridge: float = RIDGE) -> AltecWeights:
    """Weights for the features of a cut, from undamaged tensors of pictures that are not those of the test.

    One least-squares fit for each channel over all packets of all tensors, with the squares of the weights times
    `ridge` and the mean square of the features added.

    Args:
        tensors: (C, H, W) each, finite; C is the same for all.
        rows: of a packet.
        ridge: more for fewer tensors.

    Raises:
        FeatureError: no tensors, or not such tensors.
        UsageError: rows below 1 or a ridge that is none.
    """
    if rows < 1 or not 0 < ridge < np.inf:
        raise UsageError(f"rows {rows}, ridge {ridge}: at least 1, and more than 0")
    sums: _Sums | None = None
    for tensor in tensors:
        if tensor.ndim != 3 or not tensor.size or not np.isfinite(tensor).all():
            raise FeatureError(f"ALTeC is trained on finite tensors (C, H, W), not {tensor.dtype} {tensor.shape}")
        sums = sums or _Sums(len(tensor))
        if len(tensor) != sums.count or sums.count > MOST_CHANNELS:
            raise FeatureError(f"ALTeC is trained on tensors of {sums.count} channels each, not {len(tensor)}")
        sums.add(tensor.astype(np.float64), rows)
    if sums is None:
        raise FeatureError("ALTeC is trained on tensors, and there are none")
    matrix, neighbours = sums.solve(ridge)
    return AltecWeights(matrix.astype(np.float32), neighbours.astype(np.float32), rows)


class _Sums:
    """Sums of products over the packets of the training: x of all channels, u above and d below of each channel."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.xx, self.xu, self.xd = (np.zeros((count, count)) for _ in range(3))
        self.uu, self.dd, self.ud = (np.zeros(count) for _ in range(3))

    def add(self, tensor: Array, rows: int) -> None:
        """Add a tensor (C, H, W)."""
        values = Bands.cut(tensor, np.ones(tensor.shape, np.bool_), rows).values
        above, below = np.zeros_like(values), np.zeros_like(values)
        above[1:], below[:-1] = values[:-1], values[1:]
        x, u, d = (part.transpose(1, 0, 2).reshape(self.count, -1) for part in (values, above, below))
        self.xx += x @ x.T
        self.xu += x @ u.T
        self.xd += x @ d.T
        self.uu += np.square(u).sum(axis=1)
        self.dd += np.square(d).sum(axis=1)
        self.ud += (u * d).sum(axis=1)

    def solve(self, ridge: float) -> tuple[Array, Array]:
        """(C, C) and (C, 2).

        The normal equations of channel c lack row and column c of the matrix of all, and have two more, for u and d. So
        one inverse does for all channels: leaving out c takes one step of elimination, and u and d a system of two.
        """
        extra = ridge * (float(np.trace(self.xx)) / self.count or 1.0)
        inverse = np.linalg.inv(self.xx + extra * np.eye(self.count))
        sides = [_without_own(side) for side in (self.xx, self.xu, self.xd)]
        own, above, below = (_without_channel(inverse, side) for side in sides)
        first, second = sides[1:]
        system = np.empty((self.count, 2, 2))
        system[:, 0, 0] = self.uu + extra - (first * above).sum(axis=0)
        system[:, 1, 1] = self.dd + extra - (second * below).sum(axis=0)
        system[:, 0, 1] = system[:, 1, 0] = self.ud - (first * below).sum(axis=0)
        wanted = [self.xu.diagonal() - (first * own).sum(axis=0), self.xd.diagonal() - (second * own).sum(axis=0)]
        neighbours = np.linalg.solve(system, np.stack(wanted, axis=1)[..., None])[..., 0]
        return (own - above * neighbours[:, 0] - below * neighbours[:, 1]).T, neighbours


def _without_own(side: Array) -> Array:
    rest: Array = side - np.diag(side.diagonal())
    return rest


def _without_channel(inverse: Array, side: Array) -> Array:
    """Column c: the solution of the equations without row and column c; its element c is 0."""
    solved = inverse @ side
    found: Array = solved - inverse * (solved.diagonal() / inverse.diagonal())
    np.fill_diagonal(found, 0)
    return found
