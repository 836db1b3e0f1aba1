"""What is in a bitstream, from its units down to every syntax element with its bit position."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, BinaryIO

from refsw.errors import DfcError
from refsw.features.parameters import Parameters
from refsw.features.reader import BitstreamReader, DigestContent
from refsw.features.reconstruct import UnitContent
from refsw.files import Bitstream, opened
from refsw.models.directory import Directory
from refsw.models.payload import DataContent
from refsw.models.reader import ModelReader
from refsw.models.state import Model
from refsw.models.summary import UpdateSummary, unit_summary, update_summary
from refsw.payload.native.codec import predictions_of
from refsw.profiles import MODEL_PROFILES
from refsw.syntax.codes import ElementType, Quantizer, RangeScope, UnitType
from refsw.syntax.structure import TraceRow
from refsw.syntax.units import UnitReader
from refsw.syntax.walker import MetadataContent
from refsw.tensor.axes import DTYPES


@dataclass
class TensorSummary:
    """A feature tensor of the bitstream, in words."""

    name: str
    axes: str
    shape: tuple[int, ...]
    dtype: str
    quantizer: str
    bit_depth: int | None
    range_scope: str | None
    minimum: float | None
    maximum: float | None
    payload: str
    layout: str
    grid: tuple[int, int]
    coded_size: tuple[int, int]
    pictures_per_sample: int
    parts_per_sample: int = 0
    part_rows: int | None = None
    part_channels: int | None = None
    layer_kind: str | None = None
    base_layer: str | None = None
    purpose: str = ""
    carried_channels: int | None = None
    samples: int = 0
    predicted_samples: int = 0
    moved_samples: int = 0
    payload_bytes: int = 0
    configuration_bytes: int = 0
    network_id: str = ""
    model_digest: str | None = None
    digests: list[str] = field(default_factory=list)

    @property
    def element_bytes(self) -> int:
        """Bytes of the tensor before coding."""
        return math.prod(self.shape) * DTYPES[ElementType[self.dtype.upper()]].itemsize


@dataclass
class Inspection:
    """What `inspect` finds; `error` is set where reading stopped."""

    version: str = ""
    profile: str = ""
    level: int = 0
    bytes: int = 0
    units: dict[str, int] = field(default_factory=dict)
    tensors: list[TensorSummary] = field(default_factory=list)
    updates: list[UpdateSummary] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    rows: list[TraceRow] = field(default_factory=list)
    error: DfcError | None = None

    @property
    def overhead_bytes(self) -> int:
        """Bytes that are not the payload codec's."""
        coded = sum(t.payload_bytes + t.configuration_bytes for t in self.tensors)
        return self.bytes - coded - sum(update.bytes for update in self.updates)

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON types, without the trace."""
        return {
            "version": self.version,
            "profile": self.profile,
            "level": self.level,
            "bytes": self.bytes,
            "overhead_bytes": self.overhead_bytes,
            "units": self.units,
            "tensors": [asdict(t) for t in self.tensors],
            "updates": [asdict(u) for u in self.updates],
            "metadata": self.metadata,
            "error": self.error.as_dict() if self.error else None,
        }


def inspect(data: Bitstream, *, trace: bool = False, base: Model | None = None) -> Inspection:
    """Read a bitstream without decoding payloads.

    Args:
        data: the bitstream, an open file or pipe, or the path of one.
        trace: keep a row for every syntax element, in order of bit position.
        base: for model updates: the base of the first one, whose tensors can then be named.

    Returns:
        What was read, up to the first error if there is one.
    """
    with opened(data) as stream:
        return _inspect(stream, base, trace=trace)


def _inspect(stream: BinaryIO, base: Model | None, *, trace: bool) -> Inspection:
    found = Inspection()
    reader: BitstreamReader | ModelReader | None = None

    def on_row(row: TraceRow) -> None:
        if row.element == "unit_type":
            name = _unit_name(row.value)
            found.units[name] = found.units.get(name, 0) + 1
        if trace:
            value = bytes(row.value) if isinstance(row.value, memoryview) else row.value
            found.rows.append(row._replace(value=value))

    by_id: dict[int, TensorSummary] = {}
    try:
        units = UnitReader(stream, trace=on_row)
        model = units.header.profile in MODEL_PROFILES
        reader = ModelReader(units) if model else BitstreamReader(units)
        found.version = f"1.{reader.header.version_minor}"
        found.profile, found.level = reader.header.profile.name.lower(), reader.header.level.value
        for content in reader:
            if isinstance(content, Parameters):
                below = None if content.base is None else by_id[content.base].name
                by_id[content.id] = replace(_summary(content), base_layer=below)
                found.tensors.append(by_id[content.id])
            elif isinstance(content, UnitContent):
                summary = by_id[content.tensor.id]
                summary.samples = content.first_sample + content.samples
                summary.payload_bytes += len(content.payload)
                summary.shape = content.tensor.axes.shape(summary.samples)
                _widen(summary, content)
                _predict(summary, content)
            elif isinstance(content, MetadataContent):
                found.metadata |= content.entries
            elif isinstance(content, Directory):
                found.updates.append(update_summary(content, base if not found.updates else None))
            elif isinstance(content, DataContent):
                found.updates[-1].units.append(unit_summary(content))
            elif isinstance(content, DigestContent):
                by_id[content.parameters.id].digests.append(content.digest.hex())
    except DfcError as error:
        found.error = error
    if reader is not None:
        found.bytes = reader.units.source.offset
    found.rows.sort(key=lambda row: row.bit_offset)
    return found


def _unit_name(number: int) -> str:
    known = number in UnitType.__members__.values()
    return UnitType(number).name.lower() if known else f"type {number}"


def _widen(summary: TensorSummary, content: UnitContent) -> None:
    own = content.parameters.range_scope is RangeScope.SAMPLE
    for limits in content.ranges if own else content.ranges[:1]:
        if limits is not None:
            summary.minimum = limits[0] if summary.minimum is None else min(summary.minimum, limits[0])
            summary.maximum = limits[1] if summary.maximum is None else max(summary.maximum, limits[1])


def _predict(summary: TensorSummary, content: UnitContent) -> None:
    """8.6.9 Count samples that are predicted from the one before, and those of them in which something moved."""
    if not content.tensor.time_prediction:
        return
    packing = content.parameters.packing
    for prediction in predictions_of(content.payload, packing.coded_height, packing.coded_width):
        summary.predicted_samples += 1
        summary.moved_samples += prediction["motion_flag"]


def _pictures_of(p: Parameters) -> int:
    """Pictures of a sample that is not constant, nor any part of it."""
    if p.parts is None:
        return p.packing.pictures(len(p.coded_channels))
    groups = (p.part(group) for group in range(p.parts.groups))
    return p.parts.bands * sum(part.packing.pictures(len(part.coded_channels)) for part in groups)


def _summary(p: Parameters) -> TensorSummary:
    quantized = p.quantizer is not Quantizer.NONE
    lows, highs = [low for low, _ in p.ranges], [high for _, high in p.ranges]
    summary = TensorSummary(
        name=p.name,
        axes=p.axes.letters,
        shape=p.axes.shape(0),
        dtype=p.element_type.name.lower(),
        quantizer=p.quantizer.name.lower(),
        bit_depth=p.bit_depth if quantized else None,
        range_scope=p.range_scope.name.lower() if quantized else None,
        minimum=min(lows) if lows else None,
        maximum=max(highs) if highs else None,
        payload=p.payload_codec.name.lower(),
        layout=p.packing.layout.name.lower(),
        grid=(p.packing.grid_rows, p.packing.grid_columns),
        coded_size=(p.packing.coded_height, p.packing.coded_width),
        pictures_per_sample=_pictures_of(p),
        parts_per_sample=len(p.part_numbers),
        part_rows=p.parts.part_rows if p.parts else None,
        part_channels=-(-p.axes.channels // p.parts.groups) if p.parts else None,
        layer_kind=p.layer.kind.name.lower() if p.layer else None,
        purpose=p.layer.purpose if p.layer else "",
        carried_channels=int(p.carried.sum()) if p.layer else None,
        configuration_bytes=len(p.configuration),
        network_id=p.network_id,
        model_digest=p.model_digest.hex() if p.model_digest else None,
    )
    if p.range_scope is RangeScope.SAMPLE:
        summary.minimum = summary.maximum = None
    return summary
