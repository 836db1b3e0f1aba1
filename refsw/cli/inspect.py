"""refsw inspect: what is in a bitstream."""

from __future__ import annotations

import json
import math
from enum import IntEnum
from pathlib import Path
from typing import Any

import click

from refsw.cli.common import input_stream
from refsw.inspection import Inspection, TensorSummary, inspect
from refsw.syntax.codes import UnitType
from refsw.syntax.structure import TraceRow

SHOWN_BYTES = 16


@click.command(name="inspect")
@click.argument("bitstream", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The summary, or the trace, as JSON.")
@click.option("--trace", is_flag=True, help="Every syntax element: bit position, length, clause, name, value.")
def command(bitstream: Path, as_json: bool, trace: bool) -> None:
    """Show what BITSTREAM (- for a pipe) holds, without decoding its payloads."""
    with input_stream(bitstream) as stream:
        found = inspect(stream, trace=trace)
    if as_json:
        rows = [row._replace(value=_json(row.value))._asdict() for row in found.rows]
        print(json.dumps(found.as_dict() | ({"trace": rows} if trace else {}), indent=2, allow_nan=False))
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
    print(f"{'bit':>10} {'bits':>8}  {'clause':<7} {'element':<34} {'descriptor':<12} value")
    structure = ""
    for row in found.rows:
        if row.structure != structure:
            structure = row.structure
            print(f"{'':>20}  {row.clause:<7} {structure}")
        descriptor = row.descriptor if len(row.descriptor) <= 12 else row.descriptor.split("(")[0] + "(v)"
        value = _named(row)
        print(f"{row.bit_offset:>10} {row.bits:>8}  {'':<7} {row.element:<34} {descriptor:<12} {value}")


def _print_summary(path: Path, found: Inspection) -> None:
    if not found.profile:
        return
    print(f"{path}: DFC {found.version}, profile {found.profile}, level {found.level}, {found.bytes:,} bytes")
    print("  units     " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.units.items()))
    for tensor in found.tensors:
        _print_tensor(tensor)
    for key, text in found.metadata.items():
        print(f"  metadata  {key}: {text}")
    print(f"  overhead  {found.overhead_bytes:,} bytes that are not the payload codec's")


def _print_tensor(t: TensorSummary) -> None:
    network = f" of {t.network_id}" if t.network_id else ""
    print(f"  tensor    {t.name}{network}: {t.dtype} {t.axes} {t.shape}")
    if t.bit_depth is not None:
        limits = "" if t.minimum is None else f", from {t.minimum:.6g} to {t.maximum:.6g}"
        print(f"            {t.quantizer} quantizer, {t.bit_depth} bits, range by {t.range_scope}{limits}")
    pictures = f"{t.pictures_per_sample} picture{'s' * (t.pictures_per_sample != 1)} a sample"
    size = f"{t.coded_size[0]} rows x {t.coded_size[1]} columns"
    print(f"            {t.layout} {t.grid[0]}x{t.grid[1]}, {pictures} of {size}")
    coded = t.payload_bytes + t.configuration_bytes
    share = f", {100 * coded / t.element_bytes:.2f} % of {t.element_bytes:,}" if t.element_bytes else ""
    print(f"            {t.payload}: {coded:,} bytes{share}")
    if t.model_digest:
        print(f"            needs model {t.model_digest}")
    for digest in t.digests[:4]:
        print(f"            digest {digest}")
    if len(t.digests) > 4:
        print(f"            and {len(t.digests) - 4} more digests")
