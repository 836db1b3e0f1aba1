"""Informative: what a cut costs on both sides (MM'19, Table 2), and the time that coding takes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.reports.cells import COUNT, MILLISECONDS, SHARE, Cell, Figure, Pair, Table
from refsw.evaluation.reports.selection import codec_title, fixed, point_name, points, swept


def costs(run: Run, test: Test) -> Table:
    """Elements, multiply-accumulates and time of the network for an item, by layer; a dash where it is not known."""
    rows: list[tuple[Cell, ...]] = []
    for layer in test.layers:
        own = [record for record in run.records if (record["test"], record["layer"]) == (test.name, layer)]
        if not own:
            continue
        first = own[0]
        counts = first.get("complexity", {})
        front, back = counts.get("macs_front"), counts.get("macs_back")
        share = None if front is None or back is None or not front + back else front / (front + back)
        rows.append((
            layer,
            Figure(first["elements"] / first["items"], COUNT),
            Figure(first["raw_bytes"] / first["items"] / 1024, COUNT),
            Figure(front, COUNT),
            Figure(back, COUNT),
            Figure(share, SHARE),
            Figure(_mean(own, "extraction"), MILLISECONDS),
            Figure(_mean(own, "network"), MILLISECONDS),
        ))  # fmt: skip
    heading = ("layer", "elements", "KB", "MACs front", "MACs back", "front", "front ms", "back ms")
    notes = (
        "For one item. Front: up to the cut, at the sender; back: from it on. Times: one process; that of the front "
        "is not known where features were kept from an earlier run.",
    )
    return Table(f"{test.title}: the network on both sides of a cut", heading, tuple(rows), notes)


def _mean(records: Sequence[Record], what: str) -> float | None:
    known = [1000 * r["times"][what] / r["items"] for r in records if r["times"].get(what) is not None]
    return fmean(known) if known else None


def seconds(run: Run, test: Test) -> list[Table]:
    """Milliseconds that encoding | decoding takes for an item: a table for each swept codec, one for the others."""
    found = []
    for codec in swept(run, test):
        known = points(run, test, codec.name)
        rows: list[tuple[Cell, ...]] = [
            (layer, *(_both(known.get((layer, v))) for v in codec.values))
            for layer in run.conditions.layers_of(test, codec.name)
        ]
        title = f"{test.title}, {codec_title(codec)}: ms to encode | decode an item, one process"
        heading = ("layer", *(point_name(codec.parameter, value) for value in codec.values))
        found.append(Table(title, heading, tuple(rows), (), ("encode ms", "decode ms")))
    return found + ([_fixed_seconds(run, test)] if fixed(run, test) else [])


def _fixed_seconds(run: Run, test: Test) -> Table:
    codecs = fixed(run, test)
    every = {codec.name: points(run, test, codec.name) for codec in codecs}
    rows: list[tuple[Cell, ...]] = [
        (layer, *(_both(every[codec.name].get((layer, None))) for codec in codecs)) for layer in test.layers
    ]
    title = f"{test.title}, without a swept parameter: ms to encode | decode an item, one process"
    heading = ("layer", *(codec.name for codec in codecs))
    return Table(title, heading, tuple(rows), (), ("encode ms", "decode ms"))


def _both(record: Record | None) -> Pair:
    spans = [None if record is None else _span(record, name) for name in ("encode", "decode")]
    return Pair(*(Figure(span, MILLISECONDS) for span in spans))


def _span(record: Record, what: str) -> float | None:
    seconds = record["times"].get(what)
    return None if seconds is None else 1000 * seconds / record["items"]
