"""Informative: an ablation as a table: BD-rate and times of every choice alone switched off and on."""

from __future__ import annotations

from collections.abc import Sequence

from refsw.evaluation.anchors.ablate import Variant
from refsw.evaluation.anchors.compare import Comparison
from refsw.evaluation.reports.cells import CHANGE, WHOLE_SHARE, Cell, Figure, Table
from refsw.evaluation.reports.differences import mean_times
from refsw.evaluation.reports.selection import metric_name


def table(preset: str, base: str, found: Sequence[tuple[Variant, Comparison]], reasons: Sequence[str] = ()) -> Table:
    """A row for each variant and quality: the mean over tests and layers, as the comparison has it."""
    rows: list[tuple[Cell, ...]] = []
    for variant, comparison in found:
        for mean in comparison.means:
            last = [other for other in comparison.means if other.quality == mean.quality][-1]
            if mean is not last:  # the last is over all tests
                continue
            times = mean_times(comparison, mean)
            rows.append((
                variant.choice, f"{variant.switched}: {variant.before} -> {variant.after}", metric_name(mean.quality),
                Figure(mean.rate, CHANGE), *(Figure(time, WHOLE_SHARE) for time in times),
                f"{mean.counted}/{mean.layers}",
            ))  # fmt: skip
    notes = [
        f"off: {preset} with that choice as {base} has it, against {preset}. on: {base} with that choice as {preset} "
        "has it, against it. BD-rate: positive where the variant needs more. Times: of the variant / of the other.",
        *(f"Left out: {reason}." for reason in reasons),
    ]
    heading = ("choice", "switched", "at equal", "BD-rate", "EncT", "DecT", "layers")
    return Table(f"Choices of preset {preset} against {base}", heading, tuple(rows), tuple(notes), texts=3)
