"""Informative: a network cut at a named tensor: one half makes features, the other goes on from them.

The setting of MM'19, sections 1 and 4.1: features leave the network at a layer, are coded, and are "passed to their
birth-layer of the corresponding neural network to infer the network outputs". A network is a chain of ONNX files,
the stages, each with one input and one output; the output of one has the name of the input of the next, and these
names are the cuts. Front and back half are the stages before and after a cut, so that together they do exactly what
the whole does, every cut is open, and no weight is stored twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.networks.runtime import open_session
from refsw.tensor.axes import Array


class CutNetwork:
    """A chain of stages, run by ONNX Runtime on one thread, so that results do not depend on the number of cores.

    Args:
        stages: the ONNX files in order.

    Raises:
        UsageError: they are no chain.
    """

    def __init__(self, stages: Sequence[Path]) -> None:
        if not stages:
            raise UsageError("a network has at least one stage")
        self._sessions = [open_session(path.read_bytes()) for path in stages]
        ends = [(_only(path, s.get_inputs()), _only(path, s.get_outputs()))
                for path, s in zip(stages, self._sessions, strict=True)]  # fmt: skip
        for (_, output), (following, _), path in zip(ends, ends[1:], stages[1:], strict=False):
            if output != following:
                raise UsageError(f"{path} takes {following}, but the stage before it gives {output}")
        self._tensors = [ends[0][0], *(output for _, output in ends)]
        if len(set(self._tensors)) != len(self._tensors):
            raise UsageError(f"tensors with the same name: {', '.join(self._tensors)}")

    @property
    def cuts(self) -> tuple[str, ...]:
        """Names of the tensors where the network can be cut, in order of depth."""
        return tuple(self._tensors[1:-1])

    def run(self, images: Array) -> Array:
        """The whole network: images -> outputs."""
        return self._run(images, 0, len(self._sessions))

    def front(self, images: Array, cut: str) -> Array:
        """The part before a cut: images -> features."""
        return self._run(images, 0, self._depth(cut))

    def back(self, features: Array, cut: str) -> Array:
        """The part behind a cut: features -> outputs."""
        return self._run(features, self._depth(cut), len(self._sessions))

    def _depth(self, cut: str) -> int:
        if cut not in self.cuts:
            raise UsageError(f"no cut {cut}: {', '.join(self.cuts)}")
        return self._tensors.index(cut)

    def _run(self, tensor: Array, first: int, last: int) -> Array:
        tensor = np.ascontiguousarray(tensor, np.float32)
        for name, session in zip(self._tensors[first:last], self._sessions[first:last], strict=True):
            tensor = session.run(None, {name: tensor})[0]
        return tensor


def _only(path: Path, ends: Sequence[Any]) -> str:
    if len(ends) != 1:
        raise UsageError(f"{path}: a stage has one input and one output, not {', '.join(end.name for end in ends)}")
    return str(ends[0].name)
