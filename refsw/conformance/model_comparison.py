"""13.8 Models after their update: known by their digest, and where they differ, tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from refsw.conformance.comparison import Checkpoint, Mismatch, shown_element, ulp_distance, words_of
from refsw.conformance.models import apply
from refsw.conformance.outputs import Found, OutputError
from refsw.errors import FeatureError, RefswError
from refsw.models.state import model_digest
from refsw.tensor.axes import Array


def compare_models(digest: str, data: bytes, base: Path | None, found: Sequence[Found]) -> list[Mismatch]:
    """The first tensor that differs, if the model that was put out is not the one with the digest.

    Raises:
        OutputError: elements do not read, or it is no model.
    """
    got = {tensor.name or "": tensor.load() for tensor in found}
    try:
        other = model_digest(got).hex()
    except FeatureError as error:
        raise OutputError(f"the output is no model: {error}") from error
    if other == digest:
        return []
    try:
        wanted = apply(data, base)
    except RefswError as error:
        return [_whole(digest, other, f"another model; no location: {error}")]
    if model_digest(wanted).hex() != digest:
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
