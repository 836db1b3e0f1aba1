"""Informative: units that wait until what stands before them in the bitstream is known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

IN_MEMORY = 1 << 26
"""Bytes; what is beyond goes to disk."""


class Held:
    """Units in order, in memory as long as they are few bytes, else on disk."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        self._sizes: list[int] = []

    def add(self, data: bytes) -> None:
        """Keep a unit."""
        self._file.write(data)
        self._sizes.append(len(data))

    def __iter__(self) -> Iterator[bytes]:
        """The units in the order in which they came; afterwards there are none."""
        self._file.seek(0)
        for size in self._sizes:
            yield self._file.read(size)
        self.close()

    def close(self) -> None:
        """Forget all."""
        self._file.close()
