"""Informative: the record of a point, from those of its groups and its scores."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from statistics import stdev

from refsw.evaluation.anchors.folder import Record
from refsw.evaluation.anchors.orders import Scored, Seen
from refsw.evaluation.anchors.sequences import told

SIZES_OF_INPUT = ("input_pixels", "picture_pixels", "input_bytes")
"""What tasks may tell of an item: pixels that go into the network and of the picture itself, bytes as it is stored."""


def record_of(groups: Sequence[Record], references: Sequence[Record], scored: Scored, seen: Seen) -> Record:
    """The record of a point from those of its groups and its scores."""
    total = {name: sum(g[name] for g in groups) for name in ("coded_bytes", "raw_bytes", "elements")}
    from_sums = derived(groups)
    sizes = {name: sum(g[name] for g in references) for name in SIZES_OF_INPUT if all(name in g for g in references)}
    record: Record = {name: groups[0][name] for name in ("test", "layer", "codec", "parameter", "value")}
    record |= {"items": sum(len(g["items"]) for g in groups), "bitstreams": len(groups)} | total | sizes
    record |= {name: from_sums.pop(name) for name in ("rate", "bits_per_element")}
    if "input_pixels" in record:
        record["bits_per_pixel"] = 8 * total["coded_bytes"] / record["input_pixels"]
    if "picture_pixels" in record:
        record["bits_per_picture_pixel"] = 8 * total["coded_bytes"] / record["picture_pixels"]
    if "input_bytes" in record:
        record["against_input"] = total["coded_bytes"] / record["input_bytes"]
    if all("header_bytes" in g for g in groups):
        record["header_bytes"] = sum(g["header_bytes"] for g in groups)
    record["metrics"] = {**scored.metrics, **from_sums}
    record["pristine"] = dict(scored.pristine)
    record |= told(groups, seen.frames, scored.classes)
    if "realisations" in groups[0]:
        record |= of_losses(groups, scored)
    record["digests"] = {n: joined(g[n] for g in groups) for n in ("bitstream", "features", "decoded")}
    if seen.complexity.get(groups[0]["layer"]):
        record["complexity"] = seen.complexity[groups[0]["layer"]]
    # What is not known of every group (the extraction of features that were kept) is not known of the point.
    named = [name for name in groups[0]["times"] if all(name in g["times"] for g in groups)]
    spans = {name: math.fsum(g["times"][name] for g in groups) for name in named}
    record["times"] = spans | {"score": scored.seconds}
    return record


def of_losses(groups: Sequence[Record], scored: Scored) -> Record:
    """What a point with losses has beside the others: how many realisations, the share of elements lost, deviations."""
    drawn = list(zip(*(group["realisations"] for group in groups), strict=True))
    elements = sum(group["elements"] for group in groups)
    apart = [
        derived([g | {"squared_error": one["squared_error"]} for g, one in zip(groups, parts, strict=True)])
        for parts in drawn
    ]
    spread: dict[str, float | None] = dict(scored.spread)
    for name in ("mse", "snr"):
        values = [one[name] for one in apart]
        known = [value for value in values if value is not None]
        spread[name] = deviation(known) if len(known) == len(values) else None
    record: Record = {"realisations": len(drawn), "deviations": spread}
    record["lost"] = sum(one["lost"] for parts in drawn for one in parts) / (len(drawn) * elements)
    return record | ({"picture": groups[0]["picture"]} if "picture" in groups[0] else {})


def derived(groups: Sequence[Record]) -> dict[str, float | None]:
    """What follows from sums over the groups of a point: rates, mean squared error, and SNR, None without an error."""
    coded, raw, elements = (sum(g[name] for g in groups) for name in ("coded_bytes", "raw_bytes", "elements"))
    error, energy = (math.fsum(g[name] for g in groups) for name in ("squared_error", "energy"))
    return {
        "rate": coded / raw,
        "bits_per_element": 8 * coded / elements,
        "mse": error / elements,
        "snr": 10 * math.log10(energy / error) if error and energy else None,
    }


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of what values are a sample of; 0 of one value."""
    return stdev(values) if len(values) > 1 else 0.0


def joined(digests: Iterable[str]) -> str:
    """One digest of several, in their order."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
