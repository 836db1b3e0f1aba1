"""13.8 What the reference decoder makes of a vector, step by step, to find where another one leaves it."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from refsw.carriage.output import receive_capture
from refsw.carriage.sdp import parse_sdp
from refsw.conformance.models import apply, is_update
from refsw.features.assembly import OpenSample
from refsw.features.decoder import decode_by_name
from refsw.features.layers import LayeredSamples
from refsw.features.parameters import Parameters
from refsw.features.reader import BitstreamReader
from refsw.features.reconstruct import UnitContent, all_levels, decode_pictures, elements_of, levels_of, to_dtype
from refsw.inspection import inspect
from refsw.payload.base import DecoderSettings
from refsw.syntax.codes import Profile, Quantizer, RangeScope
from refsw.syntax.structure import TraceRow
from refsw.tensor.axes import Array
from refsw.tensor.dequantize import reconstruction_table

SHOWN_BYTES = 16
ENTRIES_SHOWN = 4


def decode(data: bytes, base: str | None = None, model: str | None = None, sdp: str | None = None) -> dict[str, Array]:
    """The reference decoder as a decoder under test.

    Args:
        data: the bitstream.
        base: the path of the base of a model update.
        model: the digest of the receiver's model, with which features have to agree (9.6), in hexadecimal digits.
        sdp: the path of the session description of a capture (13.6.9), which `data` then is.
    """
    if sdp is not None:
        return receive_capture(io.BytesIO(data), parse_sdp(Path(sdp).read_bytes()))
    if is_update(data):
        return apply(data, base)
    return decode_by_name(data, model_digest=None if model is None else bytes.fromhex(model))


@dataclass
class ReferenceTensor:
    """One tensor with what it was made from, sample by sample."""

    parameters: Parameters
    elements: list[Array] = field(default_factory=list)
    levels: list[Array] = field(default_factory=list)  # (C, H, W), 0 where not coded
    ranges: list[tuple[float, float] | None] = field(default_factory=list)
    pictures: list[Array] = field(default_factory=list)  # of a unit: (P, height, width)
    open: OpenSample | None = None  # a sample of which parts are still to come

    def add(self, content: UnitContent, profile: Profile, layers: LayeredSamples) -> None:
        """The samples of a unit, or a part of one.

        Raises:
            DfcError: it does not decode, or its base layer is not there.
        """
        p = content.parameters
        pictures = decode_pictures(content, profile, DecoderSettings())
        self.pictures.append(pictures)
        decoded = [
            (levels, elements_of(p, levels, limits))
            for levels, limits in zip(levels_of(content, pictures), content.ranges, strict=True)
        ]
        if content.part is not None:
            self._add_part(content, *decoded[0], content.ranges[0])
            return
        for levels, elements in layers.add(content, [(q, p.axes.from_canonical(x)) for q, x in decoded]):
            self.elements.append(elements)
            self.levels.append(all_levels(p, levels) if p.quantizer is not Quantizer.NONE else levels[:0])
        self.ranges += content.ranges

    def _add_part(
        self, content: UnitContent, levels: Array, elements: Array, limits: tuple[float, float] | None
    ) -> None:
        quantized = self.parameters.quantizer is not Quantizer.NONE
        if self.open is None:
            self.open = OpenSample(self.parameters, content.first_sample, keep_levels=quantized)
            self.ranges.append(limits)
        if self.ranges[-1] != limits:
            self.ranges[-1] = None  # there is no one range of the sample
        self.open.add(content, levels, elements)
        if self.open.complete:
            self.elements.append(self.open.elements)
            self.levels.append(self.open.levels)
            self.open = None

    def whole(self) -> Array:
        """All samples, in the shape of the tensor."""
        shape = self.parameters.axes.shape(len(self.elements))
        if not self.elements:
            return np.empty(shape, self.parameters.dtype)
        return np.stack(self.elements).reshape(shape)

    def all_levels(self) -> Array:
        """(samples, C, H, W), uint16."""
        if not self.levels:
            return np.empty((0, *self.parameters.axes.canonical_shape), "<u2")
        return np.stack(self.levels).astype("<u2")

    def all_pictures(self) -> Array:
        """(pictures, height, width)."""
        if not self.pictures:
            p = self.parameters.packing
            return np.empty((0, p.coded_height, p.coded_width), np.uint8)
        return np.concatenate(self.pictures)

    def points(self, sample: int, channel: int) -> Array | None:
        """The element that each level stands for; None where levels have no say."""
        p = self.parameters
        if p.quantizer is Quantizer.NONE or not p.carried[channel] or p.own_dtype != p.dtype:
            return None
        limits = p.ranges[channel] if p.range_scope is RangeScope.CHANNEL else self.ranges[sample]
        if limits is None or limits[0] == limits[1]:
            return None
        return to_dtype(reconstruction_table(p.quantizer, p.bit_depth, *limits), p.dtype)


def decode_in_steps(data: bytes) -> dict[str, ReferenceTensor]:
    """Every tensor of a bitstream.

    Raises:
        DfcError: the reference decoder rejects it.
    """
    reader = BitstreamReader(io.BytesIO(data))
    found: dict[str, ReferenceTensor] = {}
    layers = LayeredSamples()
    for content in reader:
        if isinstance(content, Parameters):
            found[content.name] = ReferenceTensor(content)
        elif isinstance(content, UnitContent):
            found[content.tensor.name].add(content, reader.header.profile, layers)
    return found


def trace_around(data: bytes, tensor: str, sample: int | None) -> list[TraceRow]:
    """The syntax elements of a tensor's parameter set, and of the units that hold a sample."""
    units: list[list[TraceRow]] = []
    for row in inspect(data, trace=True).rows:
        if row.element == "unit_type" or not units:
            units.append([])
        units[-1].append(row)
    shown: list[TraceRow] = []
    number: Any = None
    for unit in units:
        values: dict[str, Any] = {}
        for row in unit:
            values.setdefault(row.element, row.value)
        structure = {row.structure for row in unit}
        if "feature_parameter_set" in structure and number is None:
            name = bytes(values["layer_id"]).decode(errors="replace") or f"tensor{values['parameter_set_id']}"
            if name == tensor:
                number = values["parameter_set_id"]
                shown += _first_entries(unit, 0)
        elif "feature_data" in structure and sample is not None and values["parameter_set_id"] == number:
            first = values["first_sample"]
            if first <= sample <= first + values["sample_count_minus1"]:
                shown += _first_entries(unit, sample - first)
        elif "feature_part" in structure and (values["parameter_set_id"], values["sample_index"]) == (number, sample):
            shown += _first_entries(unit, 0)
    return shown


def _first_entries(unit: list[TraceRow], wanted: int) -> list[TraceRow]:
    """Without the most of long arrays: their first entries, and the one that is wanted."""
    out = []
    for row in unit:
        index = row.element.partition("[")[2].rstrip("]")
        if not index or int(index) < ENTRIES_SHOWN or int(index) == wanted:
            out.append(row)
    return out


def shown_value(row: TraceRow) -> str:
    """A value of the trace for people."""
    value = row.value
    if isinstance(value, bytes | bytearray | memoryview):
        more = f" ... ({len(value)} bytes)" if len(value) > SHOWN_BYTES else ""
        return bytes(value[:SHOWN_BYTES]).hex(" ") + more
    if row.element.endswith(("crc", "signature")):
        return f"0x{value:08x}"
    name = getattr(value, "name", None)
    return f"{int(value)} ({name})" if name else str(value)
