"""Informative: what is in a bitstream of model updates, in words and figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from refsw.models.directory import Directory
from refsw.models.payload import DataContent
from refsw.models.state import Model
from refsw.syntax.codes import ModelCoder, TensorMode


@dataclass
class UnitSummary:
    """A model data unit: its coded tensors, and where its bytes go."""

    first: int
    tensors: int
    coder: str
    bytes: int
    syntax_bytes: int
    label_bytes: int = 0
    word_bytes: int = 0
    raw_bytes: int = 0
    tables: int = 0
    predictors: int = 0


@dataclass
class UpdateSummary:
    """One update."""

    network_id: str
    base_version: str
    version: str
    base_digest: str | None
    result_digest: str
    step: str
    base_tensors: int
    modes: dict[str, int]
    new_tensors: list[dict[str, Any]]
    tensors: list[dict[str, Any]] = field(default_factory=list)
    units: list[UnitSummary] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Bytes of the bodies of the model data units."""
        return sum(unit.bytes for unit in self.units)


def update_summary(directory: Directory, base: Model | None = None) -> UpdateSummary:
    """A model header in words; with the base, its tensors by name."""
    modes: dict[str, int] = {}
    for entry in directory.entries:
        name = entry.mode.name.lower()
        modes[name] = modes.get(name, 0) + 1
    new = [
        {"name": e.new.name, "type": e.new.element_type.name.lower(), "shape": list(e.new.shape),
         "mode": e.mode.name.lower()}
        for e in directory.entries if e.new is not None
    ]  # fmt: skip
    summary = UpdateSummary(
        directory.network_id,
        directory.base_version,
        directory.version,
        directory.base_digest.hex() if directory.base_digest else None,
        directory.result_digest.hex(),
        str(directory.step),
        directory.base_tensors,
        modes,
        new,
    )
    if base is not None and len(base) == directory.base_tensors:
        for name, entry in zip(base.names, directory.entries, strict=False):
            if entry.mode is not TensorMode.UNCHANGED:
                kind = base.types[name]
                summary.tensors.append(
                    {"name": name, "type": kind.element_type.name.lower(), "shape": list(kind.shape),
                     "mode": entry.mode.name.lower(), "step": str(entry.step)}
                )  # fmt: skip
    return summary


def unit_summary(unit: DataContent) -> UnitSummary:
    """A model data unit in figures."""
    syntax = (unit.payload_offset - unit.bit_offset) // 8
    size = syntax + len(unit.payload)
    summary = UnitSummary(unit.first, unit.count, unit.coder.name.lower(), size, syntax)
    if unit.coder is ModelCoder.RANS:
        v = unit.values
        if v["label_flag"]:
            summary.label_bytes = 4 * (1 << v["label_lanes_log2"]) + 2 * v["label_word_count"]
        summary.word_bytes = 4 * (1 << v["lanes_log2"]) + 2 * v["word_count"]
        summary.raw_bytes = max(0, len(unit.payload) - summary.label_bytes - summary.word_bytes)
        summary.tables = sum(end > 0 for end in v["symbol_end"])
        summary.predictors = v["predictor_count"]
    return summary
