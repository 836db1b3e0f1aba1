"""Informative: the units in which the rate of a point is told, one of which a comparison or a figure chooses.

Compression rate and bits per element are relative to the features of one layer: they say nothing across layers, nor
against pictures. The others are: bits per pixel of the picture as it is stored, which is the common axis; per pixel of
what enters the network; bytes an item, also without headers where a test measures them; and kbit/s of a video of which
every item is a frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from refsw.errors import UsageError


class RateUnit(StrEnum):
    """Names of the units, as conditions and commands have them."""

    COMPRESSION = "rate"
    ELEMENT = "bits_per_element"
    PIXEL = "bits_per_pixel"
    PICTURE = "bits_per_picture_pixel"
    BYTES = "bytes"
    CONTENT = "content_bytes"
    KBPS = "kbps"


TITLES = {
    RateUnit.COMPRESSION: "compression rate",
    RateUnit.ELEMENT: "bits per element",
    RateUnit.PIXEL: "bits per input pixel of the network",
    RateUnit.PICTURE: "bits per pixel of the picture",
    RateUnit.BYTES: "bytes per item",
    RateUnit.CONTENT: "bytes per item without headers",
}
WITHIN_A_LAYER = (RateUnit.COMPRESSION, RateUnit.ELEMENT)


@dataclass(frozen=True, slots=True)
class Rate:
    """A unit; kbit/s at a number of items a second.

    Raises:
        UsageError: kbit/s without a frame rate above 0.
    """

    unit: RateUnit = RateUnit.ELEMENT
    frame_rate: float | None = None

    def __post_init__(self) -> None:
        if self.unit is RateUnit.KBPS and not (self.frame_rate or 0) > 0:
            raise UsageError("a rate in kbit/s needs the frame rate: items a second, above 0")

    def of(self, record: Mapping[str, Any]) -> float | None:
        """The rate of a record; None where it does not tell what the unit needs."""
        if self.unit in (RateUnit.BYTES, RateUnit.KBPS):
            size = float(record["coded_bytes"] / record["items"])
            return size if self.unit is RateUnit.BYTES else 8 * size * (self.frame_rate or 0) / 1000
        if self.unit is RateUnit.CONTENT:
            return _content_bytes(record)
        return record.get(self.unit.value)

    @property
    def title(self) -> str:
        """For people."""
        if self.unit is RateUnit.KBPS:
            return f"kbit/s at {self.frame_rate:g} items a second"
        return TITLES[self.unit]

    @property
    def spans_layers(self) -> bool:
        """Whether rates of different layers, and of pictures, can be compared."""
        return self.unit not in WITHIN_A_LAYER


def _content_bytes(record: Mapping[str, Any]) -> float | None:
    """Bytes beyond what the codec makes of items with nothing in them, one in all at least: rates have logarithms."""
    if "header_bytes" not in record:
        return None
    return float(max(record["coded_bytes"] - record["header_bytes"], 1) / record["items"])


def rate_of(document: Mapping[str, Any], unit: str | None = None, frame_rate: float | None = None) -> Rate:
    """The unit that is asked for, or the one of conditions, or bits per element.

    Args:
        document: the conditions.
        unit, frame_rate: what is asked for.

    Raises:
        UsageError: there is no such unit, or kbit/s without a frame rate.
    """
    given = document.get("bd", {})
    chosen = unit or given.get("rate", RateUnit.ELEMENT.value)
    if chosen not in list(RateUnit):
        raise UsageError(f"no unit of rate {chosen}: {', '.join(RateUnit)}")
    return Rate(RateUnit(chosen), frame_rate or given.get("frame_rate"))


def across_layers(wanted: Rate, records: Iterable[Mapping[str, Any]]) -> Rate:
    """The unit that is asked for if it spans layers, otherwise the first that does and that every record tells."""
    known = list(records)
    units = (Rate(RateUnit.PICTURE), Rate(RateUnit.PIXEL), Rate(RateUnit.BYTES))
    return next(rate for rate in (wanted, *units) if rate.spans_layers and all(rate.of(r) is not None for r in known))
