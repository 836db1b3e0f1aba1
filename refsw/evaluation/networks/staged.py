"""Informative: a network in several ONNX files, so that every cut between two of them is open.

Front and back are the files before and after a cut: together they do exactly what the whole does, no weight is
stored twice, and nothing but onnxruntime is needed. A file may hand over several tensors, as a feature pyramid does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from refsw.errors import UsageError
from refsw.evaluation.networks.base import Complexity, Tensors
from refsw.evaluation.networks.runtime import macs_of, open_session, run
from refsw.tensor.axes import Array


class StagedNetwork:
    """A chain of ONNX files, run on one thread, so that results do not depend on the number of cores.

    Args:
        stages: the files in order; each takes the tensors that the one before it gives.
        names: of cuts with several tensors, by their tensors, sorted; other cuts bear the name of their tensor.
        macs: multiply-accumulates of each file for one image; without them, what the files' metadata say (`macs`).

    Raises:
        UsageError: they are no chain.
    """

    def __init__(
        self,
        stages: Sequence[Path],
        names: Mapping[tuple[str, ...], str] | None = None,
        *,
        macs: Sequence[int] | None = None,
    ) -> None:
        if not stages:
            raise UsageError("a network has at least one stage")
        data = [path.read_bytes() for path in stages]
        self._digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in data)).hexdigest()
        self._sessions = [open_session(part) for part in data]
        self._macs = [macs_of(session) for session in self._sessions] if macs is None else list(macs)
        boundaries = []
        for path, before, session in zip(stages[1:], self._sessions, self._sessions[1:], strict=False):
            given, taken = ({t.name for t in before.get_outputs()}, {t.name for t in session.get_inputs()})
            if given != taken:
                told = ", ".join(sorted(taken)), ", ".join(sorted(given))
                raise UsageError(f"{path} takes {told[0]}, but the stage before it gives {told[1]}")
            boundaries.append(tuple(sorted(given)))
        self._tensors = {(names or {}).get(b, "+".join(b)): b for b in boundaries}
        if len(self._tensors) != len(boundaries):
            raise UsageError(f"two cuts have the same name: {', '.join('+'.join(b) for b in boundaries)}")

    @property
    def cuts(self) -> tuple[str, ...]:
        """Names of the cuts, in order of depth."""
        return tuple(self._tensors)

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of the files."""
        return self._digest

    def cut(self, name: str) -> StagedCut:
        """The chain cut between two files.

        Raises:
            UsageError: there is no such cut.
        """
        if name not in self._tensors:
            raise UsageError(f"no cut {name}: {', '.join(self._tensors)}")
        return StagedCut(self, 1 + list(self._tensors).index(name), self._tensors[name])

    def run(self, images: Array) -> Array:
        """The whole chain: binary32 (N, C, H, W) -> its one output."""
        return only(self.steps({self._sessions[0].get_inputs()[0].name: images}, 0, len(self._sessions)))

    def complexity(self, name: str, images: Array) -> Complexity | None:
        """Of a cut, if the multiply-accumulates of every file are known."""
        cut = self.cut(name)
        known = [count for count in self._macs if count is not None]
        if len(known) != len(self._macs):
            return None
        elements = sum(tensor[0].size for tensor in cut.front(images[:1]).values())
        return Complexity(sum(known[: cut.depth]), sum(known[cut.depth :]), elements)

    @property
    def length(self) -> int:
        """Number of stages."""
        return len(self._sessions)

    @property
    def input(self) -> str:
        """Name of the tensor that takes the images."""
        return str(self._sessions[0].get_inputs()[0].name)

    def steps(self, tensors: Mapping[str, Array], first: int, last: int) -> Tensors:
        """Run some of the files in a row."""
        for session in self._sessions[first:last]:
            tensors = run(session, tensors)
        return dict(tensors)


class StagedCut:
    """A `StagedNetwork` cut after `depth` files."""

    def __init__(self, network: StagedNetwork, depth: int, tensors: tuple[str, ...]) -> None:
        self._network, self.depth, self._tensors = network, depth, tensors

    @property
    def tensors(self) -> tuple[str, ...]:
        """What the file before the cut gives."""
        return self._tensors

    def front(self, images: Array) -> Tensors:
        """The files before the cut."""
        return self._network.steps({self._network.input: images}, 0, self.depth)

    def back(self, features: Mapping[str, Array]) -> Array:
        """The files after it."""
        return only(self._network.steps(features, self.depth, self._network.length))

    def whole(self, images: Array) -> Array:
        """All files."""
        return self._network.run(images)


def only(tensors: Tensors) -> Array:
    """The one output of a network; the first of several."""
    return next(iter(tensors.values()))
