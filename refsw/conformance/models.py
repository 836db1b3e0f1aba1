"""13.8 Model updates in the judge's hands: read with their base, applied by the reference decoder."""

from __future__ import annotations

from pathlib import Path

from refsw.conformance.outputs import read_tensors
from refsw.models.apply import apply_update
from refsw.profiles import MODEL_PROFILES
from refsw.tensor.axes import Array

PROFILE_BYTE = 6


def is_update(data: bytes) -> bool:
    """Whether a bitstream says that it holds model updates."""
    return len(data) > PROFILE_BYTE and data[PROFILE_BYTE] in MODEL_PROFILES


def load_model(path: Path | str) -> dict[str, Array]:
    """The tensors of a file, by name.

    Raises:
        OutputError: it is no file of tensors.
    """
    return {found.name or "": found.load() for found in read_tensors(Path(path))}


def apply(data: bytes, base: Path | str | None) -> dict[str, Array]:
    """What the reference decoder makes of an update.

    Raises:
        DfcError: the reference decoder rejects it.
        OutputError: the base is no file of tensors.
    """
    return apply_update(load_model(base) if base else None, data)
