"""13.8 Decoded tensors against the published digests, and the place where they first differ."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from refsw.conformance.elements import count_nonfinite, difference, words_of
from refsw.conformance.outputs import Found, little_endian
from refsw.conformance.reference import ReferenceTensor, decode_in_steps, shown_value, trace_around
from refsw.conformance.suite import Expected, ExpectedTensor
from refsw.errors import RefswError
from refsw.syntax.codes import AxisRole, RangeScope
from refsw.tensor.axes import Array


class Checkpoint(StrEnum):
    """13.8 The step at which a decoder first leaves the reference."""

    HEADER = "header"
    PICTURES = "pictures"
    LEVELS = "levels"
    TENSOR = "tensor"
    MODEL = "model"


@dataclass(frozen=True)
class Mismatch:
    """Where one tensor differs. `index` is that of the first wrong element in the tensor as it is put out."""

    tensor: str
    checkpoint: Checkpoint
    what: str
    expected: str
    got: str
    index: tuple[int, ...] = ()
    sample: int | None = None
    channel: int | None = None
    row: int | None = None
    column: int | None = None
    expected_level: int | None = None
    ulps: int | None = None
    differing: int | None = None
    elements: int | None = None
    nonfinite: int | None = None
    trace: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As results.json has it."""
        return vars(self) | {"checkpoint": str(self.checkpoint), "index": list(self.index)}

    @property
    def rank(self) -> int:
        """What is told first: other tensors, formats and shapes; then what is not finite; then other numbers."""
        return 0 if self.checkpoint is Checkpoint.HEADER else 1 if self.nonfinite else 2

    def __str__(self) -> str:
        place = [
            f"{name} {value}"
            for name, value in zip(
                ("sample", "channel", "row", "column"), (self.sample, self.channel, self.row, self.column), strict=True
            )
            if value is not None
        ]
        where = f" at {', '.join(place)}" if place else f" at {list(self.index)}" if self.index else ""
        far = f", {self.ulps} ULP apart" if self.ulps is not None else ""
        return f"tensor {self.tensor}: {self.what}{where}: expected {self.expected}, got {self.got}{far}"


@dataclass
class Judge:
    """Compares what a decoder has written with what a vector asks for.

    Args:
        expected: of the vector.
        data: the vector; decoded with the reference decoder only if something differs.
    """

    expected: Expected
    data: bytes
    _reference: dict[str, ReferenceTensor] | None = field(default=None, init=False)
    _failure: str = field(default="", init=False)

    def compare(self, found: Sequence[Found]) -> list[Mismatch]:
        """Every tensor that is not exactly as expected, in the order of `Mismatch.rank`.

        Raises:
            OutputError: elements do not read.
        """
        wanted = {t.name: t for t in self.expected.tensors}
        if len(found) == 1 and found[0].name is None and len(wanted) == 1:
            only = next(iter(wanted))
            found = [Found(only, found[0].dtype, found[0].shape, found[0].load)]
        names = [f.name for f in found if f.name in wanted or not _is_checkpoint(f.name, wanted)]
        if sorted(map(str, names)) != sorted(wanted):
            return [Mismatch(", ".join(wanted), Checkpoint.HEADER, "other tensors",
                             _cut(", ".join(sorted(wanted))), _cut(", ".join(map(str, names)) or "none"))]  # fmt: skip
        by_name = {f.name: f for f in found}
        out: list[Mismatch] = []
        for tensor in wanted.values():
            mismatch = self._tensor(tensor, by_name)
            if mismatch is not None:
                out.append(mismatch)
        return sorted(out, key=lambda mismatch: mismatch.rank)

    def _tensor(self, tensor: ExpectedTensor, found: dict[str | None, Found]) -> Mismatch | None:
        """13.8.1 Number format and shape, then the bytes."""
        got = found[tensor.name]
        for what, a, b in (("number format", tensor.dtype, got.dtype), ("shape", tensor.shape, got.shape)):
            if a != b:
                trace = self._trace(tensor.name, None)
                return Mismatch(tensor.name, Checkpoint.HEADER, f"another {what}", str(a), str(b), trace=trace)
        elements = got.load()
        raw = little_endian(elements)
        if hashlib.sha256(raw).hexdigest() == tensor.sha256:
            return None
        reference = self._of(tensor)
        if reference is None:
            odd = count_nonfinite(elements)
            what = f"another digest; no location, {self._failure}" + (f"; {odd} not finite" if odd else "")
            got_digest = hashlib.sha256(raw).hexdigest()
            return Mismatch(tensor.name, Checkpoint.TENSOR, what, tensor.sha256, got_digest)
        return self._locate(tensor, reference, elements, self._told_checkpoint(tensor, reference, found))

    def _of(self, tensor: ExpectedTensor) -> ReferenceTensor | None:
        """What the reference decoder gives, if that is what was published."""
        if self._reference is None:
            try:
                self._reference = decode_in_steps(self.data)
            except RefswError as error:
                self._reference = {}
                self._failure = f"since the reference decoder rejects the vector here: {error}"
        reference = self._reference.get(tensor.name)
        if reference is None:
            self._failure = self._failure or "since the reference decoder does not give this tensor here"
            return None
        if hashlib.sha256(little_endian(reference.whole())).hexdigest() != tensor.sha256:
            self._failure = "since the reference decoder does not give the published digest here either"
            return None
        return reference

    def _told_checkpoint(
        self, tensor: ExpectedTensor, reference: ReferenceTensor, found: dict[str | None, Found]
    ) -> Checkpoint | None:
        """13.8.2 The first step whose result the decoder has written too, and that differs."""
        told: Checkpoint | None = None
        for checkpoint, array in (
            (Checkpoint.PICTURES, reference.all_pictures()),
            (Checkpoint.LEVELS, reference.all_levels()),
        ):
            extra = found.get(f"{tensor.name}@{checkpoint}")
            if extra is None:
                continue
            if extra.shape != array.shape or not np.array_equal(extra.load(), array):
                return checkpoint
            told = Checkpoint.LEVELS if checkpoint is Checkpoint.PICTURES else Checkpoint.TENSOR
        return told

    def _trace(self, tensor: str, sample: int | None) -> list[dict[str, Any]]:
        return [
            {"bit_offset": row.bit_offset, "bits": row.bits, "structure": row.structure, "element": row.element,
             "value": shown_value(row)}
            for row in trace_around(self.data, tensor, sample)
        ]  # fmt: skip

    def _locate(
        self, tensor: ExpectedTensor, reference: ReferenceTensor, got: Array, told: Checkpoint | None
    ) -> Mismatch:
        found = difference(reference.whole(), got)
        assert found is not None  # their digests differ
        places = dict(zip(reference.parameters.axes.roles, found.index, strict=True))
        sample = places.get(AxisRole.N, places.get(AxisRole.T, 0))
        channel, row, column = (places.get(role) for role in (AxisRole.C, AxisRole.H, AxisRole.W))
        c, y, x = channel or 0, row or 0, column or 0
        points = reference.points(sample, c)
        checkpoint, what = _step(reference, sample, c, got, points)
        if told is not None and told is not checkpoint:
            checkpoint, what = told, f"its own {told} differ" if told is not Checkpoint.TENSOR else "other elements"
        return Mismatch(
            tensor.name, checkpoint, f"{found.what}; {what}" if found.what else what, found.expected, found.got,
            found.index, sample, channel, row, column,
            expected_level=int(reference.levels[sample][c, y, x]) if points is not None else None,
            ulps=found.ulps, differing=found.differing, elements=found.elements, nonfinite=found.nonfinite,
            trace=self._trace(tensor.name, sample),
        )  # fmt: skip


def _is_checkpoint(name: str | None, wanted: dict[str, ExpectedTensor]) -> bool:
    tensor, _, step = (name or "").rpartition("@")
    return tensor in wanted and step in (Checkpoint.LEVELS, Checkpoint.PICTURES)


def _cut(text: str) -> str:
    return text if len(text) <= 300 else text[:300] + " ..."


def _step(
    reference: ReferenceTensor, sample: int, channel: int, got: Array, points: Array | None
) -> tuple[Checkpoint, str]:
    """13.8.2 From the values alone, the step that has gone wrong in a sample (in a channel, with ranges of its own)."""
    p = reference.parameters
    there = p.axes.to_canonical(got[sample] if p.axes.has_samples else got)
    right = p.axes.to_canonical(reference.elements[sample])
    if p.range_scope is RangeScope.CHANNEL:
        there, right = there[channel], right[channel]
    a, b = words_of(right), words_of(there)
    if points is not None and not np.isin(b, words_of(points)).all():
        return Checkpoint.TENSOR, "elements that no level stands for: the dequantization differs"
    if points is None and p.quantizer.name != "NONE":
        return Checkpoint.TENSOR, "other elements in a constant sample or channel"
    if np.array_equal(np.sort(a), np.sort(b)):
        return Checkpoint.LEVELS, "the right elements in other places: the unpacking, or the order of axes, differs"
    return Checkpoint.PICTURES, "elements of other levels: the pictures of the payload, or their places, differ"
