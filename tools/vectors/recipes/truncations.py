"""5.2, 4.3: bitstreams and unit bodies that end within every element."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from refsw.syntax.structures import DIGEST, FEATURE_DATA, FEATURE_PARAMETER_SET, METADATA
from vectors.bits import Body, Writing
from vectors.catalog import Catalog
from vectors.recipes.elements import dots
from vectors.recipes.words import data, digest, fps, metadata
from vectors.tensors import Tensor

AREA = "truncation"
IDS = (0, 1, 3, 7, 15, 31)


def register(c: Catalog) -> None:
    """Add the recipes."""
    base = c.stream("truncation-base-whole", "The bitstream that others are cut from", [fps(), data()], area=AREA)
    parts = {0: "signature", 4: "version.major", 5: "version.minor", 6: "profile.idc", 7: "level.idc", 8: "header.crc"}
    for size in (0, 1, 3):
        c.edited(f"truncation-signature-{size}bytes", f"A bitstream of {size} bytes", base, area=AREA, kind="malformed",
                 violates="bitstream.signature" if size < 1 else "bitstream.header-complete", generator="truncation",
                 size=size)  # fmt: skip
    for size, name in list(parts.items())[1:]:
        c.edited(f"truncation-{name}-here", f"A bitstream that ends before {name.replace('.', '_')}", base, area=AREA,
                 kind="malformed", violates="bitstream.header-complete", generator="truncation", size=size)  # fmt: skip
    other = "syntax-version.major-2_r1"
    for size in (5, 8):
        c.edited(f"truncation-version.major-other{size}", f"The first {size} bytes of a later major version", other,
                 area=AREA, kind="unsupported", violates="bitstream.version-major", generator="truncation",
                 size=size)  # fmt: skip
    c.edited("truncation-header.crc-within", "A bitstream that ends within header_crc", base, area=AREA,
             kind="malformed",
             violates="bitstream.header-complete", generator="truncation", size=11)  # fmt: skip
    for size, name, violates in ((12, "header", "bitstream.end"), (13, "unit.length", "unit.complete"),
                                 (14, "unit.body", "unit.complete"), (20, "unit.body.within",
                                 "unit.complete")):  # fmt: skip
        c.edited(f"truncation-{name}-end", f"A bitstream that ends after {size} bytes", base, area=AREA,
                 kind="malformed",
                 violates=violates, generator="truncation", size=size)  # fmt: skip
    c.stream("truncation-unit.crc-within", "The last unit lacks the last byte of its CRC", [fps(), data(),
             {"unit": "end",
             "short": 1}], area=AREA, kind="malformed", violates="unit.complete", end=False)  # fmt: skip
    c.stream("truncation-unit.crc-absent", "The last unit lacks its CRC", [fps(), data(), {"unit": "end", "short": 4}],
             area=AREA, kind="malformed", violates="unit.complete", end=False)  # fmt: skip
    _bodies(c)


def _cut(c: Catalog, structure: str, element: str, units: list[dict[str, Any]], **more: Any) -> None:
    c.stream(f"truncation-{dots(structure)}-{dots(element)}", f"The body of {structure} ends within {element}", units,
             area=AREA, kind="malformed", violates="unit.complete-element", **more)  # fmt: skip


def _parameter_sets() -> Iterator[dict[str, Any]]:
    for axes, number, (channels, rows, columns), layer in itertools.product(
        ("TCHW", "CHW"), IDS, ((2, 1, 1), (3, 2, 4), (4, 3, 7), (2, 8, 8), (16, 1, 2)), ("l", "layer")
    ):
        yield {
            "id": number, "axes": axes, "C": channels, "H": rows, "W": columns, "network": "net", "layer": layer,
            "model": "5a" * 32, "grid": [1, channels], "order": list(range(channels)),
        }  # fmt: skip


def _labels(name: str) -> list[str]:
    """The first entry of a list is no use where the number of entries alone shows that bits are missing."""
    indices = {"axis_role": (1, 2), "axis_extent_minus1": (1, 2), "channel_order": (3, 7, 11)}
    if name in indices:
        return [f"{name}[{i}]" for i in indices[name]]
    return [f"{name}[0]" if name.startswith(("time_", "range_m")) else name]


def _bodies(c: Catalog) -> None:
    for element in FEATURE_PARAMETER_SET.elements():
        for words, label in itertools.product(_parameter_sets(), _labels(element.name)):
            body = Writing(FEATURE_PARAMETER_SET, Tensor(**words).values(b"\xab")).body
            if label in body.places and _can_cut(body.places[label]) and _entries_fit(body, label):
                _cut(c, "feature_parameter_set", element.name, [fps(**words, configuration="ab", cut=label)])
                break
        # Where no words will do, the element never begins a byte; conformance/waivers.json says so.
    for label, number, first in (
        ("parameter_set_id", 0, 0), ("first_sample", 7, 1), ("sample_count_minus1", 7, 0), ("sample_minimum[0]", 7, 0),
        ("sample_maximum[0]", 7, 0),
    ):  # fmt: skip
        _check(FEATURE_DATA, label, {"parameter_set_id": number, "first_sample": first, "sample_count_minus1": 0,
               "sample_minimum": [0.0], "sample_maximum": [1.0], "payload": b"", "range_scope": 0,
               "quantizer": 1})  # fmt: skip
        _cut(c, "feature_data", label.split("[")[0],
             [fps(id=number, scope="SAMPLE"), data(id=number, first=first, payload="", cut=label)])  # fmt: skip
    for label, number, first, count in (
        ("parameter_set_id", 0, 0, 1), ("digest_kind", 7, 0, 1), ("first_sample", 3, 3, 1),
        ("sample_count_minus1", 3, 0, 4), ("digest_length_minus1", 1, 0, 1), ("digest", 1, 0, 1),
    ):  # fmt: skip
        _check(DIGEST, label, {"parameter_set_id": number, "digest_kind": 0, "first_sample": first,
               "sample_count_minus1": count - 1, "digest_length_minus1": 15, "digest": bytes(16)})  # fmt: skip
        units = [fps(id=number, digests="T"), data(id=number),
                 digest(id=number, first=first, count=count, cut=label)]  # fmt: skip
        _cut(c, "digest", label, units)
    for label in (e.name for e in METADATA.elements()):
        whole = label if label == "entry_count_minus1" else f"{label}[1]"
        _cut(c, "metadata", label, [metadata(["key", "text"], ["k", "t"], cut=whole), fps(), data()])
    for label, samples in (("tensor_count", 1), ("sample_count[0]", 31), ("bitstream_crc", 1)):
        change = {"sample_count": [samples]}
        _cut(c, "end_of_bitstream", label.split("[")[0], [fps(), data(), {"unit": "end", "set": change, "cut": label}],
             end=False)  # fmt: skip


def _can_cut(place: tuple[int, int]) -> bool:
    start, size = place
    return size > 0 and (start % 8 == 0 or start // 8 != (start + size - 1) // 8)


def _entries_fit(body: Body, label: str) -> bool:
    """Whether there are as many bits before the cut as the list has entries."""
    name = label.split("[")[0]
    entries = [place for other, place in body.places.items() if other.startswith(f"{name}[")]
    start, size = body.places[label]
    return not entries or (start + size - 1) // 8 * 8 - entries[0][0] >= len(entries)


def _check(structure: Any, label: str, values: dict[str, Any]) -> None:
    place = Writing(structure, values).body.places[label]
    if not _can_cut(place):
        raise ValueError(f"{label} at {place} cannot be cut")
