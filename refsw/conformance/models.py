"""13.8 Models after their update: known by their digest, and where they differ, tensor by tensor."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from refsw.conformance.comparison import Checkpoint, Mismatch, shown_element, ulp_distance, words_of
from refsw.conformance.outputs import Found, little_endian, read_tensors
from refsw.errors import RefswError, UsageError
from refsw.syntax.codes import Profile
from refsw.tensor.axes import Array, element_type_of

MODEL_PROFILE = "MODEL"
PROFILE_BYTE = 6


def is_update(data: bytes) -> bool:
    """Whether a bitstream says that it holds model updates."""
    return MODEL_PROFILE in Profile.__members__ and data[PROFILE_BYTE : PROFILE_BYTE + 1] == bytes(
        [Profile[MODEL_PROFILE]]
    )


def load_model(path: Path | str) -> dict[str, Array]:
    """The tensors of a file, by name."""
    return {found.name or "": found.load() for found in read_tensors(Path(path))}


def apply(data: bytes, base: Path | str | None) -> dict[str, Array]:
    """What the reference decoder makes of an update.

    Raises:
        UsageError: it has no model updates in this version.
        DfcError: it rejects the update.
    """
    if find_spec("refsw.models") is None:
        raise UsageError("this version has no model updates")
    update: Any = import_module("refsw.models.apply").apply_update
    model: dict[str, Array] = update(load_model(base) if base else None, data)
    return model


def model_digest(tensors: Mapping[str, Array]) -> str:
    """Chapter 10: the SHA-256 that identifies a model, whatever the file that it is in."""
    whole = hashlib.sha256(b"DFC model\n")
    for name in sorted(tensors, key=str.encode):
        array, raw = tensors[name], name.encode()
        extents = "".join(f" {n}" for n in array.shape)
        kind = element_type_of(array.dtype).name.lower()
        one = hashlib.sha256(f"{kind} {array.ndim}{extents} {len(raw)}\n".encode() + raw)
        one.update(little_endian(array))
        whole.update(one.digest())
    return whole.hexdigest()


def compare_models(digest: str, data: bytes, base: Path | None, found: Sequence[Found]) -> list[Mismatch]:
    """The first tensor that differs, if the model that was put out is not the one with the digest."""
    got = {tensor.name or "": tensor.load() for tensor in found}
    other = model_digest(got)
    if other == digest:
        return []
    try:
        wanted = apply(data, base)
    except RefswError as error:
        return [_whole(digest, other, f"another model; no location: {error}")]
    if model_digest(wanted) != digest:
        return [_whole(digest, other, "another model; no location: the reference decoder does not give it here either")]
    if wanted.keys() != got.keys():
        missing, more = sorted(wanted.keys() - got.keys()), sorted(got.keys() - wanted.keys())
        expected, odd = ", ".join(missing) or "no other tensors", ", ".join(more) or "nothing in their place"
        return [Mismatch("model", Checkpoint.HEADER, "other tensors", expected[:300], odd[:300])]
    for name in sorted(wanted):
        mismatch = _tensor(name, wanted[name], got[name])
        if mismatch is not None:
            return [mismatch]
    return [_whole(digest, other, "another model")]


def _whole(expected: str, got: str, what: str) -> Mismatch:
    return Mismatch("model", Checkpoint.MODEL, what, expected, got)


def _tensor(name: str, wanted: Array, got: Array) -> Mismatch | None:
    expected, other = (f"{x.dtype.name} {x.shape}" for x in (wanted, got))
    if expected != other:
        return Mismatch(name, Checkpoint.HEADER, "another number format or shape", expected, other)
    different = np.flatnonzero(words_of(wanted) != words_of(got))
    if not different.size:
        return None
    index = tuple(int(i) for i in np.unravel_index(different[0], wanted.shape))
    a, b = wanted[index], got[index]
    return Mismatch(
        name, Checkpoint.MODEL, "other elements", shown_element(a), shown_element(b), index,
        ulps=ulp_distance(a, b), differing=int(different.size), elements=wanted.size,
    )  # fmt: skip
