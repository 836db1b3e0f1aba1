"""Informative: the columns that the standards groups' reporting templates have, a row for each point.

Bits per pixel, the metrics, seconds to encode and to decode an item, and thousands of multiply-accumulates a pixel on
both sides: up to the cut at the encoder, from it on at the decoder; what the codec itself takes is in its times. A test
is a class; beneath its points stand their means, and those of all classes at the end. Where items are frames of
sequences in classes, each point is told for every class as well: its rate is that of the sequences weighted by
duration, its metrics are over all of their frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.reports.cells import SCORE, Cell, Figure, Form, Table
from refsw.evaluation.reports.selection import metric_name, performances, point_name

BPP, SECONDS, KMACS, KBPS = Form(4, "0.0000"), Form(4, "0.0000"), Form(2, "0.00"), Form(2, "0.00")
TEXTS = ("class", "layer", "codec", "point")
OVERALL, MEAN = "Overall", "mean"


def columns(run: Run) -> list[tuple[str, Form]]:
    """Names of the columns of figures."""
    names = dict.fromkeys(
        name for test in run.conditions.tests for name in (test.quality, *performances(run, test)[:1])
    )
    told = [("BPP", BPP), *([("kbit/s", KBPS)] if _timed(run) else []), *((metric_name(name), SCORE) for name in names)]
    return [*told, ("EncT (s)", SECONDS), ("DecT (s)", SECONDS), ("kMAC/pixel enc", KMACS), ("kMAC/pixel dec", KMACS)]


def rows(run: Run) -> list[tuple[list[str], list[float | None]]]:
    """Texts and figures of each point, of the means of each class and codec, and of all classes."""
    names = list(
        dict.fromkeys(name for test in run.conditions.tests for name in (test.quality, *performances(run, test)[:1]))
    )
    found: list[tuple[list[str], list[float | None]]] = []
    every: dict[str, list[list[float | None]]] = {}
    for test in run.conditions.tests:
        own: dict[str, list[list[float | None]]] = {}
        for record in run.records:
            if record["test"] == test.name and "realisations" not in record:
                figures = _figures(record, names, timed=_timed(run))
                own.setdefault(record["codec"], []).append(figures)
                point = point_name(record["parameter"], record["value"])
                found.append(([test.name, record["layer"], record["codec"], point], figures))
                for category, part in record.get("classes", {}).items():
                    told = _figures(_part(record, part), names, timed=_timed(run))
                    found.append(([f"{test.name} {category}", record["layer"], record["codec"], point], told))
        for codec, points in own.items():
            found.append(([test.name, MEAN, codec, ""], _means(points)))
            every.setdefault(codec, []).extend(points)
    if len(run.conditions.tests) > 1:
        found += [([OVERALL, MEAN, codec, ""], _means(points)) for codec, points in every.items()]
    return found


def table(run: Run) -> Table:
    """The template as a table."""
    known = columns(run)
    body: list[tuple[Cell, ...]] = [
        (*texts, *(Figure(value, form) for value, (_, form) in zip(figures, known, strict=True)))
        for texts, figures in rows(run)
    ]
    notes = (
        "BPP: bits per pixel of the picture as it is stored; of the network's input where that is not known. Times are "
        "of one item on one process. kMAC: of the network, up to the cut and from it on. Means are over points.",
    )
    return Table("Template", (*TEXTS, *(name for name, _ in known)), tuple(body), notes, texts=len(TEXTS))


def flat(run: Run) -> tuple[list[str], list[list[Any]]]:
    """The template as names of columns, and rows with all digits."""
    return [*TEXTS, *(name for name, _ in columns(run))], [[*texts, *figures] for texts, figures in rows(run)]


def _timed(run: Run) -> bool:
    """Whether durations are known."""
    return any("seconds" in record for record in run.records)


def _part(record: Record, part: Record) -> Record:
    """What a record would be of one class of sequences; times and pixels are only known of all."""
    return {**part, "times": {}, "complexity": {}}


def _figures(record: Record, names: Sequence[str], *, timed: bool) -> list[float | None]:
    pixels = record.get("picture_pixels", record.get("input_pixels"))
    counts = record.get("complexity", {})
    sides = [
        counts[name] * record["items"] / pixels / 1000 if pixels and counts.get(name) is not None else None
        for name in ("macs_front", "macs_back")
    ]
    times = [record["times"].get(name) for name in ("encode", "decode")]
    return [
        8 * record["coded_bytes"] / pixels if pixels else None,
        *([8 * record["coded_bytes"] / record["seconds"] / 1000 if record.get("seconds") else None] if timed else []),
        *(record["metrics"].get(name) for name in names),
        *(None if time is None else time / record["items"] for time in times),
        *sides,
    ]


def _means(points: Sequence[Sequence[float | None]]) -> list[float | None]:
    """Of each column over the points that have a figure; None where one has none."""
    return [
        fmean([value for value in column if value is not None]) if None not in column else None
        for column in zip(*points, strict=True)
    ]
