"""9.5 Digests: SHA-256 over decoded samples, with which any decoder checks itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from refsw.features.parameters import Parameters
from refsw.features.reconstruct import all_levels
from refsw.syntax.codes import DigestKind, ElementType
from refsw.tensor.axes import Array, contiguous_parts

TYPE_NAMES = {t: t.name.lower() for t in ElementType}


@dataclass
class RunningDigest:
    """The digest of one kind over the samples of one tensor since the last digest unit."""

    parameters: Parameters
    kind: DigestKind
    first_sample: int = 0
    samples: int = 0
    _hash: Any = field(default=None, repr=False)

    def add(self, levels: Array, elements: Array) -> None:
        """Add one sample: its levels, and its elements in the user's order of axes.

        The levels are those of the coded channels (K, H, W), or of all channels if it came in parts.
        """
        if self._hash is None:
            self._hash = hashlib.sha256(prefix(self.parameters, self.kind))
        if self.kind is DigestKind.LEVELS:
            # In words of 16 bits, part by part.
            data = all_levels(self.parameters, levels)
            width = data.dtype.type
            for part in contiguous_parts(data):
                self._hash.update(part.view(width).astype("<u2"))
        else:
            for part in contiguous_parts(elements):
                self._hash.update(part)
        self.samples += 1

    def restart(self, first_sample: int) -> None:
        """Start again at a sample, since what came before it is not complete."""
        self.first_sample, self.samples, self._hash = first_sample, 0, None

    def take(self) -> tuple[int, int, bytes]:
        """(first sample, number of samples, digest), and start again after them."""
        result = (self.first_sample, self.samples, self._hash.digest() if self._hash else b"")
        self.first_sample += self.samples
        self.samples, self._hash = 0, None
        return result


def prefix(p: Parameters, kind: DigestKind) -> bytes:
    """9.5.1 What the digest starts with: number format and shape of a sample, as text."""
    name, shape = TYPE_NAMES[p.element_type], p.axes.sample_shape
    if kind is DigestKind.LEVELS:
        name, shape = "levels", p.maps
    return f"{name} {'x'.join(map(str, shape))}\n".encode()
