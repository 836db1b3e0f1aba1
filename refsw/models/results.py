"""Informative: where the tensors of a result go, and what applying updates gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from refsw.models.state import Model, TensorType, tensor_digest
from refsw.tensor.axes import Array


class Results:
    """Where the tensors of a result go: in memory here, into a file in `refsw.models.files`."""

    def __init__(self) -> None:
        self.tensors: dict[str, Array] = {}
        self.texts: Mapping[str, str] | None = None

    def begin(self, types: list[TensorType], texts: Mapping[str, str] | None) -> None:
        """All tensors of the result, before the first one comes; what its file says besides, where that is known."""
        self.texts = texts

    def put(self, kind: TensorType, array: Array, known: bytes | None) -> bytes:
        """One tensor.

        Args:
            kind: its type.
            array: its elements.
            known: its digest, where nobody can have changed the elements since.

        Returns:
            The digest of what was put there.
        """
        self.tensors[kind.name] = array
        return known or tensor_digest(kind, array)

    def get(self, name: str) -> Array:
        """A tensor that came before."""
        return self.tensors[name]

    def model(self) -> Model:
        """The result, after the last tensor."""
        return Model(self.tensors, self.texts)


@dataclass
class Outcome:
    """What applying a bitstream of updates gave.

    `model` is the result; `version` its name; `applied` counts the updates that were applied, `passed` those
    that came before the receiver's version. `texts` is what the file of the result says besides its tensors, None where
    the bitstream does not tell.
    """

    model: Model
    version: str
    digest: bytes
    applied: int
    passed: int
    texts: Mapping[str, str] | None
