"""9.10.4 Receiving a bitstream of which units are missing or damaged: what came, and what did not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from refsw.errors import CapacityError, DfcError, ErrorClass, ModelStateError, SemanticError, UnsupportedError
from refsw.features.arrivals import ArrivalReader, Refused
from refsw.features.assembly import Assembler, OpenSample, Put
from refsw.features.layers import without_base
from refsw.features.parameters import Parameters
from refsw.features.reader import part_again
from refsw.features.reconstruct import UnitContent
from refsw.syntax.codes import DigestKind
from refsw.syntax.walker import error_of
from refsw.tensor.axes import Array

MOST_KEPT = 1000
WITHOUT_ITS_BASE = {"order.parameter-set-first", "layer.base", "layer.units"}
"""What a unit breaks if its parameter set, or its base layer, did not come."""


@dataclass
class Losses:
    """What a decoder of incomplete samples did not get.

    Attributes:
        damaged: what is wrong with the units that came and were not used, the first thousand of them.
        damaged_units: how many there were.
        unused_units: units whose parameter set or base layer is missing.
        incomplete_samples: samples that were put out without some of their elements.
        missing_parts: how many parts these lacked, damaged ones included; whole samples without parts count as one.
        ended: whether the end of the bitstream came.
    """

    damaged: list[DfcError] = field(default_factory=list)
    damaged_units: int = 0
    unused_units: int = 0
    incomplete_samples: int = 0
    missing_parts: int = 0
    ended: bool = False

    @property
    def any(self) -> bool:
        """Whether something was missing or damaged."""
        return bool(self.damaged_units or self.unused_units or self.incomplete_samples or not self.ended)

    def note(self, error: DfcError) -> None:
        """A unit that is not used.

        Raises:
            DfcError: it is no matter of loss and damage: the bitstream is unsupported, too large, or another model's.
        """
        if isinstance(error, UnsupportedError | CapacityError | ModelStateError):
            raise error
        if error.requirement in WITHOUT_ITS_BASE:
            self.unused_units += 1
            return
        self.damaged_units += 1
        if len(self.damaged) < MOST_KEPT:
            self.damaged.append(error)


class Reception(Assembler):
    """Makes samples of the units that come, complete or not; a sample without any unit comes as one all missing.

    The first sample of a tensor is the first of which something came.

    Args:
        reader: of the bitstream.
        losses: kept up to date.
    """

    def __init__(self, reader: ArrivalReader, losses: Losses) -> None:
        super().__init__()
        self.reader, self.losses = reader, losses
        self._next: dict[int, int] = {}
        self._damaged: dict[tuple[int, int], set[int]] = {}
        self._last_first = 0

    def admit(self, content: UnitContent) -> None:
        """9.1, 9.10.2 Whether samples may come here after those that came; some before them may be missing.

        Raises:
            SemanticError: they may not.
        """
        p, first, offset = content.tensor, content.first_sample, content.payload_offset
        element = "first_sample" if content.part is None else "sample_index"
        if first < self._last_first:
            raise error_of(SemanticError, ErrorClass.OUT_OF_RANGE, "order.access-units", element, offset,
                           f"at least {self._last_first}", str(first))  # fmt: skip
        if content.part is not None and (first < self._next.get(p.id, 0) or self._has(content)):
            raise part_again(content.part, offset)
        if first < self._next.get(p.id, 0):
            raise error_of(SemanticError, ErrorClass.OUT_OF_RANGE, "order.samples", element, offset,
                           f"at least {self._next[p.id]}", str(first))  # fmt: skip
        if not self.layers.has_base(content):
            raise without_base(content)

    def add(self, content: UnitContent, decoded: list[tuple[Array, Array]]) -> Iterator[Put]:
        """The samples that go out with a unit: it is the first of a later sample, or the last of its own."""
        p, first = content.tensor, content.first_sample
        self._last_first = first
        yield from self._close_before(first)
        yield from self._gap(p, first)
        if content.part is None:
            for index, (levels, elements) in enumerate(self.layers.add(content, decoded), first):
                self._next[p.id] = index + 1
                yield Put(p, index, levels, elements)
            return
        if p.id not in self.open:
            self.open[p.id] = OpenSample(p, first, keep_levels=DigestKind.LEVELS in p.digests)
        self.open[p.id].add(content, *decoded[0])
        if self.open[p.id].complete:
            yield self._close(p.id)

    def _has(self, content: UnitContent) -> bool:
        sample = self.open.get(content.tensor.id)
        here = sample is not None and sample.index == content.first_sample and content.part is not None
        return here and content.part not in sample.missing  # type: ignore[union-attr]

    def _close_before(self, first: int) -> Iterator[Put]:
        """What is open of earlier access units: no more of it comes (9.1)."""
        for number in [number for number, sample in self.open.items() if sample.index < first]:
            yield self._close(number)

    def _gap(self, p: Parameters, first: int) -> Iterator[Put]:
        """The samples before one that has come, of which nothing came."""
        for index in range(self._next.get(p.id, first), first):
            yield self._absent(p, index)

    def _absent(self, p: Parameters, index: int) -> Put:
        self._next[p.id] = index + 1
        shape = p.axes.sample_shape
        elements = np.broadcast_to(np.zeros((), p.dtype), shape)
        return self._put(elements, p, index, np.broadcast_to(np.False_, shape), tuple(p.part_numbers))

    def _close(self, number: int) -> Put:
        sample = self.open.pop(number)
        p = sample.parameters
        self._next[p.id] = sample.index + 1
        if sample.complete:
            self._damaged.pop((p.id, sample.index), None)
            return Put(p, sample.index, sample.levels, sample.elements)
        return self._put(sample.elements, p, sample.index, sample.received, sample.missing)

    def _put(self, elements: Array, p: Parameters, index: int, received: Array, missing: tuple[int, ...]) -> Put:
        self.losses.incomplete_samples += 1
        self.losses.missing_parts += len(missing) or 1
        damaged = self._damaged.pop((p.id, index), set())
        return Put(p, index, elements[:0], elements, received, missing, tuple(sorted(damaged.intersection(missing))))

    def finish(self) -> Iterator[Put]:
        """What is open at the end, and the samples that the end of the bitstream counts and nothing came of."""
        for number in list(self.open):
            yield self._close(number)
        tensors, counts = list(self.reader.tensors.values()), self.reader.counts
        if counts is None or len(counts) != len(tensors):
            counts = [0] * len(tensors)
        for tensor, count in zip(tensors, counts, strict=True):
            p = tensor.parameters
            self._next.setdefault(p.id, 0)
            yield from self._gap(p, count if p.axes.has_samples else 1)

    def fault(self, content: UnitContent, error: DfcError) -> None:
        """A unit that does not decode, or may not come here; it is not used.

        Raises:
            DfcError: see `Losses.note`.
        """
        part = None if content.part is None else (content.tensor.id, content.first_sample, content.part)
        self.refuse(Refused(error, part))

    def refuse(self, refused: Refused) -> None:
        """A unit that is not used: the part that it seems to be came damaged, if that one is missing in the end.

        Raises:
            DfcError: see `Losses.note`.
        """
        self.losses.note(refused.error)
        if refused.part is None:
            return
        number, sample, part = refused.part
        if sample < self._next.get(number, 0):
            return
        if len(self._damaged) < MOST_KEPT or (number, sample) in self._damaged:
            self._damaged.setdefault((number, sample), set()).add(part)
