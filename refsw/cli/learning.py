"""The samples of the files that a command learns from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from refsw.cli.common import about, distinct
from refsw.errors import UsageError
from refsw.features.sources import Source, open_features
from refsw.tensor.axes import Array, Axes


class Samples:
    """The samples of one tensor of every file, (C, H, W) float32 each, in order.

    Args:
        features: the files.
        output: what is written, which is none of them.
        tensor: name of the tensor, of files with several.
        axes: letters of its axes; None: as `refsw encode` takes them.

    Attributes:
        count: how many have been read.
    """

    def __init__(self, features: Sequence[Path], output: Path, tensor: str | None, axes: str | None) -> None:
        for path in features:
            distinct(path, output)
        self._features, self._tensor, self._axes = features, tensor, axes
        self.count = 0

    def __iter__(self) -> Iterator[Array]:
        for path in self._features:
            with about(path):
                source = _chosen(path, self._tensor)
                axes = Axes.parse(self._axes, source.shape)
                for sample in source.samples(axes):
                    self.count += 1
                    yield axes.to_canonical(np.asarray(sample, np.float32))


def _chosen(path: Path, tensor: str | None) -> Source:
    sources = {source.name: source for source in open_features(path, "features")}
    if tensor is None and len(sources) > 1:
        raise UsageError(f"{path} holds {', '.join(sources)}: say which with --tensor")
    if tensor is not None and tensor not in sources:
        raise UsageError(f"{path} holds no {tensor}: {', '.join(sources)}")
    return sources[tensor] if tensor is not None else next(iter(sources.values()))
