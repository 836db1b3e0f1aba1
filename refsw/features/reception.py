"""9.10.4 Receiving a bitstream of which units are missing or damaged: what came, and what did not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from refsw.errors import DfcError, ErrorClass, LimitError, ModelStateError, UnsupportedError
from refsw.features.assembly import Assembler, OpenSample, Put
from refsw.features.parameters import Parameters
from refsw.features.reader import BitstreamReader
from refsw.features.reconstruct import UnitContent
from refsw.syntax.codes import DigestKind, UnitType
from refsw.syntax.structure import read_structure
from refsw.syntax.structures import FEATURE_PART
from refsw.syntax.units import Unit, body_reader
from refsw.tensor.axes import Array

CONSEQUENCES = {
    "part.complete", "part.once", "order.samples", "order.access-units", "order.parameter-set-first", "order.units",
    "digest.coverage", "digest.complete", "end.sample-counts", "end.bitstream-crc", "bitstream.end",
    "fps.single-sample",
}  # fmt: skip
"""What is broken where units are missing, come twice, or come late."""
MOST_KEPT = 1000


@dataclass
class Losses:
    """What a decoder of incomplete samples did not get.

    Attributes:
        damaged: what is wrong with the units that came and were not used, the first thousand of them.
        damaged_units: how many there were.
        unused_units: units without fault that came too late, twice, or without their parameter set.
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
        return bool(self.damaged_units or self.incomplete_samples or not self.ended)

    def note(self, error: DfcError) -> None:
        """A unit that is not used, or a requirement that cannot hold without the missing ones.

        Raises:
            DfcError: it is no matter of loss and damage: the bitstream is unsupported, too large, or another model's.
        """
        if isinstance(error, UnsupportedError | LimitError | ModelStateError) or error.requirement == "digest.value":
            raise error
        if error.requirement.startswith("bitstream_header") or error.requirement in (
            "bitstream.signature", "bitstream.header-crc", "bitstream.header-complete",
        ):  # fmt: skip
            raise error
        if error.requirement in CONSEQUENCES:
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

    def __init__(self, reader: BitstreamReader, losses: Losses) -> None:
        super().__init__()
        self.reader, self.losses = reader, losses
        self._next: dict[int, int] = {}
        self._damaged: dict[tuple[int, int], set[int]] = {}
        reader.on_damage = self.claim

    def add(self, content: UnitContent, decoded: list[tuple[Array, Array]]) -> Iterator[Put]:
        """The samples that go out with a unit: it is the first of a later sample, or the last of its own."""
        p, first = content.tensor, content.first_sample
        if first < self._next.get(p.id, 0) or self._has(content):
            self.losses.unused_units += 1
            return
        yield from self._close_before(first)
        yield from self._gap(p, first)
        if content.part is None:
            for index, (levels, elements) in enumerate(decoded, first):
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
        if p.parts is not None and len(p.constant_channels):
            sample = OpenSample(p, index, keep_levels=False)
            return self._put(sample.elements, p, index, sample.received, sample.missing)
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
        counts = self.reader.counts
        if counts is None or len(counts) != len(self.reader.tensors):
            return
        for tensor, count in zip(self.reader.tensors.values(), counts, strict=True):
            self._next.setdefault(tensor.parameters.id, 0)
            yield from self._gap(tensor.parameters, count)

    def fault(self, content: UnitContent, error: DfcError) -> None:
        """A unit with a right CRC that does not decode; it is not used.

        Raises:
            DfcError: see `Losses.note`.
        """
        self.losses.note(error)
        if content.part is not None:
            self._mark(content.tensor.id, content.first_sample, content.part)

    def claim(self, unit: Unit) -> None:
        """A unit with a wrong CRC: the part that it seems to be came damaged, if that one is missing in the end."""
        if unit.type != UnitType.FEATURE_PART:
            return
        try:
            edition = self.reader.header.edition
            values = read_structure(FEATURE_PART, body_reader(unit), activate=self.reader.activate, edition=edition)
        except DfcError:
            return
        self._mark(values["parameter_set_id"], values["sample_index"], values["part_index"])

    def _mark(self, number: int, sample: int, part: int) -> None:
        if len(self._damaged) < MOST_KEPT or (number, sample) in self._damaged:
            self._damaged.setdefault((number, sample), set()).add(part)


def is_framing(error: DfcError) -> bool:
    """Whether what follows in the input cannot be found any more."""
    lengths = ("descriptor.leb-length", "descriptor.leb-shortest", "level.unit-bytes")
    return error.error_class is ErrorClass.TRUNCATED or error.requirement in lengths
