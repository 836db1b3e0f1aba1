"""The store of payloads whose bytes depend on the version of an encoder: test_vectors/payloads.

A recipe never runs an encoder if the store has its payload, so that vectors come out the same on every machine.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Store:
    """Payloads by vector id: one file each, cut into parts; the first is the codec configuration."""

    folder: Path
    creating: bool = False
    index: dict[str, dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        path = self.folder / "index.json"
        self.index = json.loads(path.read_text()) if path.exists() else {}

    def get(self, name: str) -> list[bytes] | None:
        """The parts of a payload, or None where it is to be made.

        Raises:
            KeyError: it is not in the store and must be.
        """
        if name not in self.index:
            if not self.creating:
                raise KeyError(
                    f"{name}: not in {self.folder}; run make_vectors.py --encode on a machine with the encoders"
                )
            return None
        entry = self.index[name]
        data = (self.folder / f"{name}.bin").read_bytes()
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise ValueError(f"{name}.bin is not what the index says")
        parts, start = [], 0
        for size in entry["parts"]:
            parts.append(data[start : start + size])
            start += size
        return parts

    def put(self, name: str, parts: list[bytes], provenance: dict[str, Any]) -> None:
        """Keep a payload for good."""
        data = b"".join(parts)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{name}.bin").write_bytes(data)
        entry = {"sha256": hashlib.sha256(data).hexdigest(), "parts": [len(part) for part in parts]}
        self.index[name] = entry | provenance
        self.save()

    def save(self) -> None:
        """Write the index."""
        text = json.dumps(self.index, indent=1, sort_keys=True)
        (self.folder / "index.json").write_text(text + "\n")

    def prune(self, used: set[str]) -> None:
        """Remove what no recipe uses any more."""
        for name in sorted(set(self.index) - used):
            (self.folder / f"{name}.bin").unlink(missing_ok=True)
            del self.index[name]
        self.save()
