"""refsw inspect: what is in a bitstream."""

from __future__ import annotations

import json
import math
from enum import IntEnum
from pathlib import Path
from typing import Any

import click

from refsw.cli.common import base_model, input_stream, say, say_all
from refsw.inspection import Inspection, TensorSummary, inspect
from refsw.models.summary import UpdateSummary
from refsw.syntax.codes import UnitType
from refsw.syntax.structure import TraceRow
from refsw.text import shown

SHOWN_BYTES = 16
SHOWN_TENSORS = 24
SHOWN_NAME, SHOWN_TEXT = 200, 1000  # characters


@click.command(name="inspect")
@click.argument("bitstream", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The summary, or the trace, as JSON.")
@click.option("--base", type=click.Path(path_type=Path), help="For model updates: the base, to name its tensors.")
@click.option("--trace", is_flag=True, help="Every syntax element: bit position, length, clause, name, value.")
def command(bitstream: Path, as_json: bool, base: Path | None, trace: bool) -> None:
    """Show what BITSTREAM (- for a pipe) holds, without decoding its payloads."""
    with input_stream(bitstream) as stream:
        found = inspect(stream, trace=trace, base=base_model(base))
    if as_json:
        rows = [row._replace(value=_json(row.value))._asdict() for row in found.rows]
        say_all(json.dumps(found.as_dict() | ({"trace": rows} if trace else {}), indent=2, allow_nan=False))
    elif trace:
        _print_trace(found)
    else:
        _print_summary(bitstream, found)
    if found.error is not None:
        raise found.error


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        more = f" ... ({len(value)} bytes)" if len(value) > SHOWN_BYTES else ""
        return value[:SHOWN_BYTES].hex(" ") + more
    return value


def _json(value: Any) -> Any:
    """A value as JSON has it: NaN and infinity are words."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else _shown(value)


def _named(row: TraceRow) -> Any:
    """A value as people read it: code points with their names, CRCs and the signature in hexadecimal."""
    value = row.value
    if row.element == "unit_type":
        value = UnitType._value2member_map_.get(value, value)
    if isinstance(value, IntEnum):
        return f"{int(value)} ({value.name})"
    if row.element.endswith(("crc", "signature")):
        return f"0x{value:08x}"
    return _shown(value)


def _print_trace(found: Inspection) -> None:
    say(f"{'bit':>10} {'bits':>8}  {'clause':<7} {'element':<34} {'descriptor':<12} value")
    structure = ""
    for row in found.rows:
        if row.structure != structure:
            structure = row.structure
            say(f"{'':>20}  {row.clause:<7} {structure}")
        descriptor = row.descriptor if len(row.descriptor) <= 12 else row.descriptor.split("(")[0] + "(v)"
        value = _named(row)
        say(f"{row.bit_offset:>10} {row.bits:>8}  {'':<7} {row.element:<34} {descriptor:<12} {value}")


def _print_summary(path: Path, found: Inspection) -> None:
    if not found.profile:
        return
    say(f"{path}: DFC {found.version}, profile {found.profile}, level {found.level}, {found.bytes:,} bytes")
    say("  units     " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.units.items()))
    for tensor in found.tensors:
        _print_tensor(tensor)
    for update in found.updates:
        print_update(update)
    print_metadata(found)
    what = "in model data units" if found.updates else "the payload codec's"
    say(f"  overhead  {found.overhead_bytes:,} bytes that are not {what}")


def print_metadata(found: Inspection) -> None:
    """The entries for people; --json has them in full."""
    for key, text in found.metadata.items():
        say(f"  metadata  {shown(key, SHOWN_NAME)}: {shown(text, SHOWN_TEXT)}")


def print_update(update: UpdateSummary) -> None:
    """A model update for people."""
    base = shown(update.base_version, SHOWN_NAME) or (update.base_digest or "nothing")[:16]
    network = f" of {shown(update.network_id, SHOWN_NAME)}" if update.network_id else ""
    result = shown(update.version, SHOWN_NAME) or update.result_digest[:16]
    say(f"  update    {base} -> {result}{network}, step {update.step}")
    modes = ", ".join(f"{count} {mode.replace('_', ' ')}" for mode, count in update.modes.items())
    say(f"            tensors: {modes or 'none'}")
    for unit in update.units:
        parts = f"{unit.syntax_bytes:,} tables and other syntax"
        if unit.coder == "rans":
            parts += f", {unit.label_bytes:,} labels, {unit.word_bytes:,} words, {unit.raw_bytes:,} raw bits"
            parts += f"; {unit.tables} tables, {unit.predictors} predictors"
        count = f"{unit.tensors} tensor{'s' * (unit.tensors != 1)}"
        say(f"            {unit.coder}: {count} in {unit.bytes:,} bytes ({parts})")
    for tensor in update.tensors[:SHOWN_TENSORS]:
        say(f"            {_model_tensor(tensor)}")
    if len(update.tensors) > SHOWN_TENSORS:
        say(f"            and {len(update.tensors) - SHOWN_TENSORS} more tensors")
    for tensor in update.new_tensors[:SHOWN_TENSORS]:
        say(f"            new {_model_tensor(tensor)}")
    if update.base_digest:
        say(f"            base   {update.base_digest}")
    say(f"            result {update.result_digest}")


def _model_tensor(tensor: dict[str, Any]) -> str:
    return f"{shown(tensor['name'], SHOWN_NAME)}: {tensor['type']} {tuple(tensor['shape'])}, {tensor['mode']}"


def _print_tensor(t: TensorSummary) -> None:
    network = f" of {shown(t.network_id, SHOWN_NAME)}" if t.network_id else ""
    say(f"  tensor    {shown(t.name, SHOWN_NAME)}{network}: {t.dtype} {t.axes} {t.shape}")
    if t.bit_depth is not None:
        limits = "" if t.minimum is None else f", from {t.minimum:.6g} to {t.maximum:.6g}"
        say(f"            {t.quantizer} quantizer, {t.bit_depth} bits, range by {t.range_scope}{limits}")
    pictures = f"{t.pictures_per_sample} picture{'s' * (t.pictures_per_sample != 1)} a sample"
    size = f"{t.coded_size[0]} rows x {t.coded_size[1]} columns"
    say(f"            {t.layout} {t.grid[0]}x{t.grid[1]}, {pictures} of {size}")
    if t.layer_kind:
        on = f" on {shown(t.base_layer, SHOWN_NAME)}" if t.base_layer is not None else ""
        purpose = f", for {shown(t.purpose, SHOWN_NAME)}" if t.purpose else ""
        say(f"            layer of kind {t.layer_kind}{on}: carries {t.carried_channels} channels{purpose}")
    if t.parts_per_sample:
        say(f"            {t.parts_per_sample} parts a sample of {t.part_rows} rows of {t.part_channels} channels")
    coded = t.payload_bytes + t.configuration_bytes
    share = f", {100 * coded / t.element_bytes:.2f} % of {t.element_bytes:,}" if t.element_bytes else ""
    say(f"            {t.payload}: {coded:,} bytes{share}")
    if t.predicted_samples:
        say(
            f"            {t.predicted_samples} of {t.samples} samples predicted in time, {t.moved_samples} with motion"
        )
    if t.model_digest:
        say(f"            needs model {t.model_digest}")
    for digest in t.digests[:4]:
        say(f"            digest {digest}")
    if len(t.digests) > 4:
        say(f"            and {len(t.digests) - 4} more digests")
