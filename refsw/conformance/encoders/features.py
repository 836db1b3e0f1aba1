"""13.12.5 The tensors of a bitstream of features against those that were given, down to the element."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refsw.conformance.comparison import Checkpoint, Mismatch
from refsw.conformance.elements import difference, shown_element
from refsw.conformance.encoders.bounds import Allowed, allowed_by, excess, limit_of
from refsw.features.parameters import Parameters
from refsw.features.reader import BitstreamReader
from refsw.features.reconstruct import UnitContent, all_levels, decode_pictures, elements_of, levels_of
from refsw.payload.base import DecoderSettings
from refsw.syntax.codes import AxisRole, Quantizer, RangeScope
from refsw.tensor.axes import Array

MOST_TOLD = 5


@dataclass
class Comparison:
    """What a bitstream has made of the tensors that were given.

    Args:
        others: other tensors, names, formats, shapes or axes.
        wrong: elements beyond what is allowed.
        rules: by which elements were judged.
        notes: what is worth knowing, and no fault.
        squares, count: of the errors of all elements.
        worst: greatest error of an element.
        shared: tensors that are exact.
    """

    others: list[Mismatch] = field(default_factory=list)
    wrong: list[Mismatch] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    squares: float = 0.0
    count: int = 0
    worst: float = 0.0

    @property
    def mse(self) -> float:
        """Mean square error over all elements."""
        return self.squares / self.count if self.count else 0.0

    def add_rule(self, text: str) -> None:
        """A rule, once."""
        if text not in self.rules:
            self.rules.append(text)

    def add_wrong(self, found: Mismatch) -> None:
        """An error, as long as there are few."""
        if len(self.wrong) < MOST_TOLD:
            self.wrong.append(found)

    def add_errors(self, given: Array, got: Array) -> None:
        """The errors of elements, in binary64."""
        with np.errstate(over="ignore", invalid="ignore"):
            errors = np.abs(given.astype(np.float64) - got.astype(np.float64)).reshape(-1)
            errors[np.isnan(errors)] = 0.0  # NaN and infinity that arrived; others are told bit by bit
            self.squares += float(np.square(errors).sum())
        self.count += errors.size
        self.worst = max(self.worst, float(errors.max(initial=0.0)))


def compare_features(
    data: bytes, given: Mapping[str, Array], axes: Mapping[str, str], *, told_axes: bool
) -> Comparison:
    """Every tensor of a bitstream that conforms.

    Args:
        data: the bitstream.
        given: the tensors that were to be coded.
        axes: letters of their axes.
        told_axes: whether the encoder was told of them, or has only their number to go by.

    Raises:
        DfcError: the bitstream does not decode.
    """
    found = Comparison()
    reader = BitstreamReader(io.BytesIO(data))
    counts: dict[str, int] = {}
    for content in reader:
        if isinstance(content, Parameters):
            name = _name_of(content, given)
            counts[content.name] = 0
            if name is None:
                odd = Mismatch(content.name, Checkpoint.HEADER, "a tensor that was not given", ", ".join(given)[:300],
                               content.name)  # fmt: skip
                found.others.append(odd)
            else:
                _header(found, content, given[name], axes[name], told_axes=told_axes)
        elif isinstance(content, UnitContent):
            name = _name_of(content.tensor, given)
            begins = content.part is None or content.first_sample >= counts[content.tensor.name]
            if not found.others and name is not None:
                _unit(found, content, given[name], _pictures(content, reader), name, begins=begins)
            counts[content.tensor.name] += content.samples * begins
    _missing(found, counts, given, axes)
    return found


def _pictures(content: UnitContent, reader: BitstreamReader) -> Array:
    return decode_pictures(content, reader.header.profile, DecoderSettings())


def _name_of(p: Parameters, given: Mapping[str, Array]) -> str | None:
    """The tensor that a parameter set is for: one alone needs no name."""
    if p.name in given:
        return p.name
    return next(iter(given)) if len(given) == 1 and not p.layer_id else None


def _header(found: Comparison, p: Parameters, x: Array, letters: str, *, told_axes: bool) -> None:
    pairs = [("number format", x.dtype.name, p.dtype.name)]
    if told_axes:
        pairs.append(("order of axes", letters, p.axes.letters))
    elif letters != p.axes.letters:
        found.notes.append(f"{p.name}: its axes are taken for {p.axes.letters}, not {letters}")
    shape = p.axes.shape(x.shape[0] if x.ndim else 0)
    pairs.append(("shape", str(x.shape), str(shape)))
    for what, a, b in pairs:
        if a != b:
            found.others.append(Mismatch(p.name, Checkpoint.HEADER, f"another {what}", a, b))


def _missing(found: Comparison, counts: Mapping[str, int], given: Mapping[str, Array], axes: Mapping[str, str]) -> None:
    alone = len(given) == len(counts) == 1
    for name, x in given.items():
        count = next(iter(counts.values())) if alone else counts.get(name)
        if count is None:
            found.others.append(Mismatch(name, Checkpoint.HEADER, "a tensor is missing", name, "nothing"))
            continue
        wanted = x.shape[0] if axes[name][:1] in ("N", "T") else 1
        if count != wanted:
            what = "another number of samples"
            found.others.append(Mismatch(name, Checkpoint.HEADER, what, str(wanted), str(count)))


def _unit(
    found: Comparison, content: UnitContent, x: Array, pictures: Array, name: str, *, begins: bool
) -> None:  # fmt: skip
    p, whole = content.parameters, content.tensor
    allowed = allowed_by(content)
    if any(content.pictures):
        found.add_rule(allowed.rule)
    samples = zip(levels_of(content, pictures), content.ranges, strict=True)
    for number, (levels, limits) in enumerate(samples, content.first_sample):
        if whole.axes.has_samples and number >= len(x):
            return  # the number of samples tells
        given = whole.axes.to_canonical(x[number] if whole.axes.has_samples else x)
        got = elements_of(p, levels, limits)
        channels, first_row = np.arange(whole.axes.channels), 0
        if content.part is not None:  # 9.10: a band of rows of some channels; constant channels are in no part
            assert whole.parts is not None
            if begins and len(whole.constant_channels):
                _constant_channels(found, whole, name, number, given)
            rows = whole.parts.band(content.part)
            channels, first_row = whole.part_channels(content.part), rows.start
            given = given[channels, rows]
        found.add_errors(given, got)
        place = _Place(name, p, whole, number, given, got, channels, first_row)
        if p.quantizer is Quantizer.NONE:
            place.exact(found)
        else:
            place.quantized(found, all_levels(p, levels), limits, allowed)


def _constant_channels(found: Comparison, whole: Parameters, name: str, number: int, given: Array) -> None:
    """The channels of a sample that the parameter set alone gives."""
    for c in whole.constant_channels:
        own = given[c : c + 1]
        value = np.broadcast_to(np.float32(whole.ranges[c][0]), own.shape).astype(own.dtype)
        place = _Place(name, whole, whole, number, own, value, np.array([c]), 0)
        place.constant(found, slice(None), whole.ranges[c][0])


@dataclass
class _Place:
    """One sample, or a part of it: what was given, and what came.

    Args:
        p: what it is decoded with.
        whole: the parameter set of the tensor.
        channels, first_row: where it stands in the sample.
    """

    name: str
    p: Parameters
    whole: Parameters
    sample: int
    given: Array
    got: Array
    channels: Array
    first_row: int

    def mismatch(self, what: str, index: tuple[int, ...], differing: int, level: int | None = None) -> Mismatch:
        """An error at (channel, row, column)."""
        a, b = shown_element(self.given[index]), shown_element(self.got[index])
        c, y, x = int(self.channels[index[0]]), self.first_row + int(index[1]), int(index[2])
        roles = dict(zip((AxisRole.C, AxisRole.H, AxisRole.W), (c, y, x), strict=True))
        there = [roles.get(role, self.sample) for role in self.whole.axes.roles]
        return Mismatch(
            self.name, Checkpoint.TENSOR, what, a, b, tuple(there),
            self.sample if self.whole.axes.has_samples else None, c, y, x, expected_level=level,
            differing=differing, elements=self.given.size,
        )  # fmt: skip

    def exact(self, found: Comparison) -> None:
        """7.4.1 Without a quantizer every bit arrives."""
        found.add_rule("no quantizer: every bit")
        other = difference(np.ascontiguousarray(self.given), np.ascontiguousarray(self.got))
        if other is not None:
            found.add_wrong(self.mismatch("other elements, though there is no quantizer", other.index, other.differing))

    def quantized(self, found: Comparison, levels: Array, limits: tuple[float, float] | None, allowed: Allowed) -> None:
        """The levels of the sample, channel by channel where they have ranges of their own."""
        p = self.p
        parts = [(slice(None), limits)]
        if p.range_scope is RangeScope.CHANNEL:
            parts = [(slice(c, c + 1), own) for c, own in enumerate(p.ranges)]
        elif p.range_scope is RangeScope.SEQUENCE:
            parts = [(slice(None), p.ranges[0])]
        total, count, most, worst, at = 0.0, 0, 0.0, 0.0, (0, 0, 0)
        beyond = clipped = 0
        coded = max(1, len(p.coded_channels))
        area = p.packing.pictures(coded) * p.packing.coded_height * p.packing.coded_width
        spare = area / (coded * p.axes.rows * p.axes.columns)
        for part, own in parts:
            assert own is not None
            x = self.given[part]
            if self._no_number(found, part):
                continue
            clipped += _outside(x, own)
            if own[0] == own[1]:
                self.constant(found, part, own[0])
                continue
            over = excess(levels[part], x, *own, p.quantizer, p.bit_depth)
            limit = limit_of(allowed, spare, x, *own, p.quantizer, p.bit_depth)
            total, count = total + float(np.square(over).sum()), count + over.size
            most += limit * limit * over.size
            beyond += int(np.count_nonzero(over))
            if float(over.max()) > worst:
                worst = float(over.max())
                index = np.unravel_index(int(over.argmax()), over.shape)
                at = (int(index[0]) + (part.start or 0), int(index[1]), int(index[2]))
        if clipped:
            found.notes.append(
                f"{self.name}: {clipped} elements of sample {self.sample} lie outside of the range that it declares"
            )
        if not count:
            return
        got, allowance = math.sqrt(total / count), math.sqrt(most / count)
        if got > allowance:
            level = int(levels[at])
            what = (
                f"level {level} is {worst + 0.5:.3g} levels from its element; {beyond} levels are off by more than "
                f"half, with a root mean square of {got:.3g} beyond that, {allowance:.3g} allowed ({allowed.rule})"
            )
            found.add_wrong(self.mismatch(what, at, beyond, level))

    def _no_number(self, found: Comparison, part: slice) -> bool:
        """Elements that levels cannot stand for, which every comparison of numbers would let pass."""
        with np.errstate(over="ignore"):
            odd = ~np.isfinite(self.given[part].astype(np.float32))
        if odd.any():
            what = "NaN, infinity or a number beyond binary32 was given, and is coded with a quantizer"
            self._add(found, what, odd, part)
        return bool(odd.any())

    def _add(self, found: Comparison, what: str, wrong: Array, part: slice) -> None:
        """The first of the wrong elements of some channels."""
        index = np.unravel_index(int(wrong.argmax()), wrong.shape)
        at = (int(index[0]) + (part.start or 0), int(index[1]), int(index[2]))
        found.add_wrong(self.mismatch(what, at, int(np.count_nonzero(wrong))))

    def constant(self, found: Comparison, part: slice, value: float) -> None:
        """Elements that shall all be one."""
        with np.errstate(over="ignore"):
            wrong = self.given[part].astype(np.float32) != np.float32(value)
        if wrong.any():
            self._add(found, "declared to be constant, and it is not", wrong, part)


def _outside(x: Any, limits: tuple[float, float]) -> int:
    with np.errstate(over="ignore"):
        single = x.astype(np.float32)
    return int(np.count_nonzero((single < np.float32(limits[0])) | (single > np.float32(limits[1]))))
