"""Informative: some samples, some tensors, some layers, or some parts of a bitstream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from refsw.bitstream.writing import NO_DIGESTS, Piece, Writer, features_of, pieces, tensor_id, values_of
from refsw.errors import UsageError
from refsw.features.layers import chain
from refsw.features.parameters import Parameters, check_values
from refsw.features.reader import BitstreamReader, DigestContent
from refsw.features.reconstruct import UnitContent
from refsw.files import Bitstream, opened
from refsw.syntax.codes import AxisRole, UnitType
from refsw.syntax.declaration import Values


@dataclass(frozen=True, slots=True)
class Selection:
    """What to extract; None: all.

    Args:
        samples: first and last sample; they are counted from 0 in the new bitstream.
        tensors: names of tensors; layers with their base layers.
        layers: of tensors in layers, those with at most so many layers below them (9.11).
        parts: indices of parts: some groups of channels, and some bands next to each other. The new tensor has their
            channels, in the old order, and their rows.
    """

    samples: tuple[int, int] | None = None
    tensors: tuple[str, ...] | None = None
    parts: tuple[int, ...] | None = None
    layers: int | None = None


def extract(data: Bitstream, out: BinaryIO, selection: Selection) -> None:
    """A bitstream of a part of another one, without decoding.

    Digests stay where whole tensors are extracted; those of fewer samples or parts would be others, so they are left
    out. Metadata stays; units of unknown types do not, since nobody knows what they are about.

    Args:
        data: a bitstream of features.
        out: receives the new one.
        selection: what it shall hold.

    Raises:
        UsageError: there is no such thing in it, or it cannot be had without coding anew; the message says why.
        DfcError: the bitstream does not conform, payloads apart, or is unsupported.
    """
    if selection.samples is not None and not 0 <= selection.samples[0] <= selection.samples[1]:
        raise UsageError(f"samples {selection.samples[0]} to {selection.samples[1]}: indices from 0, in order")
    if selection.layers is not None and selection.layers < 0:
        raise UsageError(f"layers up to {selection.layers}: they count from 0, the one without a base layer")
    with opened(data) as stream:
        reader = features_of(stream, "samples, tensors or parts to extract")
        writer = Writer(out, reader.header.profile, reader.header.level)
        extraction = _Extraction(reader, writer, selection)
        for piece in pieces(reader):
            extraction.take(piece)
        extraction.finish()


class _Extraction:
    def __init__(self, reader: BitstreamReader, writer: Writer, selection: Selection) -> None:
        self.reader, self.writer, self.selection = reader, writer, selection
        self.counts: dict[int, int] = {}
        self.chosen: dict[int, Values] = {}  # what is changed in the parameter set
        self.parts: dict[int, dict[int, int]] = {}  # old index of a part -> new one

    def take(self, piece: Piece) -> None:
        """Write what is wanted of a unit."""
        content = piece.content
        if piece.kind is UnitType.METADATA:
            self.writer.unit(self.reader, piece.unit)
        elif piece.kind is UnitType.FEATURE_PARAMETER_SET:
            self._parameter_set(values_of(self.reader, piece.unit))
        elif isinstance(content, UnitContent | DigestContent) and tensor_id(content) in self.counts:
            self._samples(piece, content)

    def finish(self) -> None:
        """The end, if all that was wanted was there."""
        there = {tensor.parameters.name for tensor in self.reader.tensors.values()}
        for name in self.selection.tensors or ():
            if name not in there:
                raise UsageError(f"no tensor {name}: {', '.join(sorted(there))}")
        if self.selection.samples is not None:
            first, last = self.selection.samples
            for number, count in self.counts.items():
                if count != last - first + 1:
                    p = self.reader.tensors[number].parameters
                    raise UsageError(
                        f"{p.name} has no sample {last}, but {self.reader.tensors[number].samples} samples"
                    )
        self.writer.end(list(self.counts.values()))

    def _parameter_set(self, values: Values) -> None:
        number = values["parameter_set_id"]
        p = self.reader.tensors[number].parameters
        below = chain(p, {key: tensor.parameters for key, tensor in self.reader.tensors.items()})[1:]
        if self.selection.tensors is not None and p.name not in self.selection.tensors:
            return
        if self.selection.layers is not None and len(below) > self.selection.layers:
            return
        left_out = [base.name for base in below if base.id not in self.counts]
        if left_out:
            raise UsageError(f"{p.name} is a layer: {left_out[0]}, which it needs, has to be extracted as well")
        if number not in self.counts:
            self.counts[number] = 0
            self.chosen[number] = {}
            if self.selection.samples is not None or self.selection.parts is not None:
                self.chosen[number] |= NO_DIGESTS
            if self.selection.parts is not None:
                self.parts[number], change = _fewer_parts(p, values, self.selection.parts)
                self.chosen[number] |= change
        changed = values | self.chosen[number]
        for error in check_values(changed):
            raise UsageError(f"{p.name}: these parts make no tensor: {error}")
        self.writer.values(UnitType.FEATURE_PARAMETER_SET, changed)

    def _samples(self, piece: Piece, content: UnitContent | DigestContent) -> None:
        number = tensor_id(content)
        if isinstance(content, DigestContent):
            if not self.chosen[number]:
                self.writer.unit(self.reader, piece.unit)
            return
        start = 0
        if self.selection.samples is not None:
            start, last = self.selection.samples
            end = content.first_sample + content.samples - 1
            if end < start or content.first_sample > last:
                return
            if content.first_sample < start or end > last:
                raise UsageError(
                    f"{content.tensor.name}: samples {content.first_sample} to {end} share a unit: take all or none"
                )
        values = values_of(self.reader, piece.unit)
        name = "first_sample" if content.part is None else "sample_index"
        changed: dict[str, Any] = {name: values[name] - start}
        active = self.reader.tensors[number].values
        if content.part is not None and number in self.parts:
            if content.part not in self.parts[number]:
                return
            changed["part_index"] = self.parts[number][content.part]
            active = active | {"part_count": len(self.parts[number])}
        self.counts[number] = max(self.counts[number], content.first_sample + content.samples - start)
        self.writer.values(UnitType(piece.unit.type), values | changed, active)


def _fewer_parts(p: Parameters, values: Values, wanted: Sequence[int]) -> tuple[dict[int, int], Values]:
    """The new indices of some parts, and what changes in the parameter set."""
    if p.parts is None:
        raise UsageError(f"{p.name}: its samples do not come in parts")
    unknown = [index for index in wanted if index not in p.part_numbers]
    if unknown or not wanted:
        raise UsageError(f"{p.name}: part {unknown[0] if unknown else '-'}: there are {len(p.part_numbers)}, from 0")
    places = [divmod(index, p.parts.groups) for index in sorted(set(wanted))]
    bands, groups = sorted({band for band, _ in places}), sorted({group for _, group in places})
    if len(places) != len(bands) * len(groups) or bands[-1] - bands[0] != len(bands) - 1:
        raise UsageError(f"{p.name}: parts to extract are all bands from one to another of some groups of channels")
    first, last = (p.parts.band(band * p.parts.groups) for band in (bands[0], bands[-1]))
    rows = last.stop - first.start
    if rows < p.parts.part_rows:
        raise UsageError(f"{p.name}: the last band alone has fewer rows than the pictures; take one more before it")
    # The channels are dealt out again as they were, to fewer groups.
    dealt = [p.part_channels(group) for group in groups]
    order = [int(own[i]) for i in range(len(dealt[0])) for own in dealt if i < len(own)]
    kept = sorted(order)
    ranks = [kept.index(channel) for channel in order]
    change: Values = {
        "axis_extent_minus1": list(values["axis_extent_minus1"]),
        "part_rows_minus1": p.parts.part_rows - 1,
    }
    for axis, role in enumerate(values["axis_role"]):
        if role == AxisRole.C:
            change["axis_extent_minus1"][axis] = len(kept) - 1
        elif role == AxisRole.H:
            change["axis_extent_minus1"][axis] = rows - 1
    own_order = ranks == list(range(len(ranks)))
    change |= {"channel_order_flag": int(not own_order), "channel_order": [] if own_order else ranks}
    change |= {"channel_groups_minus1": len(groups) - 1, "channels": len(kept), "rows": rows}
    change["part_count"] = len(places)
    if len(p.ranges) > 1 or p.range_scope.name == "CHANNEL":
        for key in ("range_minimum", "range_maximum"):
            if values.get(key):
                change[key] = [values[key][channel] for channel in kept]
    numbers = {(band, group): i for i, (band, group) in enumerate((b, g) for b in bands for g in groups)}
    return {band * p.parts.groups + group: numbers[band, group] for band, group in places}, change
