"""13.8 Models after their update: known by their digest, and where they differ, tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from refsw.conformance.comparison import Checkpoint, Mismatch
from refsw.conformance.elements import difference
from refsw.conformance.models import apply
from refsw.conformance.outputs import Found, OutputError
from refsw.errors import FeatureError, RefswError
from refsw.models.state import model_digest
from refsw.tensor.axes import Array

MOST_SHOWN, MOST_BYTES = 20, 1 << 30


def compare_models(digest: str, data: bytes, base: Path | None, found: Sequence[Found]) -> list[Mismatch]:
    """Every tensor that differs, if the model that was put out is not the one with the digest.

    Raises:
        OutputError: elements do not read, or it is no model.
    """
    names = [tensor.name or "" for tensor in found]
    if len(set(names)) < len(names):
        raise OutputError(f"two tensors named {max(names, key=names.count)!r}"[:300])
    if sum(tensor.bytes for tensor in found) > MOST_BYTES:
        raise OutputError(f"a model of more than {MOST_BYTES >> 20} MiB, and no vector is so large")
    got = {tensor.name or "": tensor.load() for tensor in found}
    try:
        other = model_digest(got).hex()
    except FeatureError as error:
        raise OutputError(f"the output is no model: {error}") from error
    if other == digest:
        return []
    try:
        wanted = apply(data, base)
    except (RefswError, OutputError) as error:
        return [_whole(digest, other, f"another model; no location: {error}")]
    if model_digest(wanted).hex() != digest:
        return [_whole(digest, other, "another model; no location: the reference decoder does not give it here either")]
    if wanted.keys() != got.keys():
        missing, more = sorted(wanted.keys() - got.keys()), sorted(got.keys() - wanted.keys())
        expected, odd = ", ".join(missing) or "no other tensors", ", ".join(more) or "nothing in their place"
        return [Mismatch("model", Checkpoint.HEADER, "other tensors", expected[:300], odd[:300])]
    mismatches = [_tensor(name, wanted[name], got[name]) for name in sorted(wanted)]
    told = sorted((m for m in mismatches if m is not None), key=lambda mismatch: mismatch.rank)
    return told[:MOST_SHOWN] or [_whole(digest, other, "another model")]


def _whole(expected: str, got: str, what: str) -> Mismatch:
    return Mismatch("model", Checkpoint.MODEL, what, expected, got)


def _tensor(name: str, wanted: Array, got: Array) -> Mismatch | None:
    expected, other = (f"{x.dtype.name} {x.shape}" for x in (wanted, got))
    if expected != other:
        return Mismatch(name, Checkpoint.HEADER, "another number format or shape", expected, other)
    found = difference(wanted, got)
    if found is None:
        return None
    what = f"{found.what}; other elements" if found.what else "other elements"
    return Mismatch(
        name, Checkpoint.MODEL, what, found.expected, found.got, found.index, ulps=found.ulps,
        differing=found.differing, elements=found.elements, nonfinite=found.nonfinite,
    )  # fmt: skip
