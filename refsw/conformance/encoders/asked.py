"""13.12.5 Whether a bitstream has what was asked of an encoder that claims it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from refsw.conformance.encoders.judge import Verdict
from refsw.conformance.verdicts import EncoderOutcome
from refsw.features.parameters import Parameters
from refsw.features.reader import BitstreamReader
from refsw.syntax.codes import PayloadCodec, UnitType
from refsw.syntax.units import leb128

CRC_BYTES = 4


def check_asked(data: bytes, asks: Mapping[str, Any]) -> None:
    """Parts no larger than asked, units of parts no longer than a packet, or a payload.

    Args:
        data: a bitstream that conforms.
        asks: as of `Input`.

    Raises:
        Verdict: something else has come.
    """
    if not asks:
        return
    reader = BitstreamReader(io.BytesIO(data))
    for unit, contents in reader.with_units():
        for content in contents:
            if isinstance(content, Parameters):
                _check_set(content, asks)
        size = 1 + len(leb128(len(unit.body))) + len(unit.body) + CRC_BYTES
        limit = asks.get("packet_bytes", size)
        if unit.type == UnitType.FEATURE_PART and size > limit:
            raise _other(f"a part in a unit of {size} bytes, at byte {unit.offset}: at most {limit} were asked for")


def _check_set(p: Parameters, asks: Mapping[str, Any]) -> None:
    if ("parts" in asks or "packet_bytes" in asks) and p.parts is None:
        raise _other(f"tensor {p.name} does not come in parts")
    if "parts" in asks and p.parts is not None:
        rows, channels = asks["parts"]
        largest = (p.parts.part_rows, -(-p.axes.canonical_shape[0] // p.parts.groups))
        if largest[0] > rows or largest[1] > channels:
            told = f"{largest[0]} rows and {largest[1]} channels"
            raise _other(f"tensor {p.name}: parts of {told}; at most {rows} and {channels} were asked for")
    if asks.get("payload") == "native" and p.payload_codec is not PayloadCodec.NATIVE:
        raise _other(f"tensor {p.name} is coded with {p.payload_codec.name}, not NATIVE")


def _other(told: str) -> Verdict:
    return Verdict(EncoderOutcome.NOT_AS_ASKED, told)
