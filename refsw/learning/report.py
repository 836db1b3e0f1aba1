"""Informative: the report of an experiment: the papers' tables and figures, as mean and deviation over seeds.

Digital retina, Tables 2 and 3 and Figure 4; Collaborative intelligence, Table II and Figure 3; bytes at equal accuracy
of features that are trained to be coded; and a table *claimed - seen*.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refsw.evaluation.crossing import rate_at
from refsw.evaluation.reports.cells import EMPTY, Cell, Table
from refsw.files import whole_file
from refsw.learning.claims import Mean, by_seed, mean_of, paired, quality_of, seen_of
from refsw.learning.figures import drawn
from refsw.learning.run import LearnRun, Record

REPORT = "report"
BELOW = (0.01, 0.02, 0.04)
"""Of the accuracy of the untouched network, at which bytes are compared."""
STAGE_ONE = ("discriminator", "fresh probe", "reconstruction error", "classes from common")


def report(run: LearnRun) -> list[Path]:
    """Write report.md, records.csv and the figures into the run's folder.

    Returns:
        The files.

    Raises:
        UsageError: matplotlib or scipy is not installed.
    """
    files = {"report.md": text_of(run).encode(), "records.csv": _csv(run).encode()} | drawn(run)
    folder = run.folder / REPORT
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        with whole_file(folder / name) as file:
            file.write(data)
    return [folder / name for name in files]


def text_of(run: LearnRun) -> str:
    """The tables as Markdown."""
    seeds = sorted({record["seed"] for record in run.records})
    asked = sum(1 for _ in run.experiment.points())
    head = f"# {run.experiment.title}\n\n{len(run.records)} of {asked} points, seeds {', '.join(map(str, seeds))}.\n"
    return "\n".join([head, *(table.as_markdown() for table in tables(run))])


def tables(run: LearnRun) -> Iterator[Table]:
    """Every table that the run has records for."""
    plain = [name for name in run.experiment.runs if by_seed(run.of(name), quality_of(run))]
    coded = [name for name in plain if run.experiment.runs[name]["method"] == "compress"]
    others = [name for name in plain if name not in coded]
    if others:
        yield methods(run, others)
    adversarial = [name for name in others if by_seed(run.of(name), STAGE_ONE[0])]
    if adversarial:
        yield stage_one(run, adversarial)
    for parameter in ("gamma", "unlabelled"):
        swept = [name for name in run.experiment.runs if any(r["parameter"] == parameter for r in run.of(name))]
        if swept:
            yield sweep(run, parameter, swept)
    for preset in _presets(run, coded):
        yield equal_accuracy(run, coded, preset)
    if run.experiment.document.get("claims"):
        rows = [(seen.paper, seen.claim, seen.seen, seen.verdict) for seen in seen_of(run)]
        notes = ("Differences are paired over seeds, with 95 % intervals (Student's t).",)
        yield Table("Claimed - seen", ("where", "claimed", "seen", ""), tuple(rows), notes, texts=4)


def methods(run: LearnRun, names: Sequence[str]) -> Table:
    """Digital retina, Table 3; Collaborative intelligence, Table II: a row for each method."""
    quality = quality_of(run)
    first = by_seed(run.of(names[0]), quality)
    extra = ["rank-1"] if quality == "mAP" else []
    rows: list[tuple[Cell, ...]] = []
    for name in names:
        own = by_seed(run.of(name), quality)
        mean = mean_of(list(own.values()))
        against = paired(own, first) if name != names[0] else None
        more = [mean_of(list(by_seed(run.of(name), metric).values())).text() for metric in extra]
        rows.append(
            (run.experiment.title_of(name), mean.text(), *more, _interval(mean), _change(against), f"{mean.count}")
        )
    heading = ("method", quality, *extra, "95 %", f"against {run.experiment.title_of(names[0])}", "seeds")
    notes = ("Per cent; +- the deviation between seeds; the last difference is paired, with its 95 % interval.",)
    return Table("Methods", heading, tuple(rows), notes)


def _interval(mean: Mean) -> str:
    if mean.half is None:
        return EMPTY
    return f"{100 * (mean.value - mean.half):.1f} to {100 * (mean.value + mean.half):.1f}"


def _change(difference: Mean | None) -> str:
    if difference is None:
        return EMPTY
    half = "" if difference.half is None else f" +- {100 * difference.half:.1f}"
    return f"{100 * difference.value:+.1f}{half}"


def stage_one(run: LearnRun, names: Sequence[str]) -> Table:
    """What equation 1 of Collaborative intelligence reached."""
    rows = []
    for name in names:
        means = [mean_of(list(by_seed(run.of(name), metric).values())) for metric in STAGE_ONE]
        cells = [
            mean.text(1, 3) if metric == STAGE_ONE[2] else mean.text()
            for metric, mean in zip(STAGE_ONE, means, strict=True)
        ]
        rows.append((run.experiment.title_of(name), *cells))
    notes = (
        "Accuracies in per cent: of the discriminator at the end of its training; of a fresh one on frozen common "
        "features; of a linear classifier on their mean, learned from the unlabelled samples' labels for this figure "
        "alone. The error is that of standardised elements.",
    )
    return Table("Common and specific features", ("run", *STAGE_ONE), tuple(rows), notes)


def sweep(run: LearnRun, parameter: str, names: Sequence[str]) -> Table:
    """Digital retina, Table 2 and Figure 4; Collaborative intelligence, Figure 3b."""
    quality = quality_of(run)
    values = sorted({r["value"] for name in names for r in run.of(name) if r["parameter"] == parameter})
    rows = []
    for name in names:
        found = [list(by_seed(run.of(name), quality, value).values()) for value in values]
        rows.append((run.experiment.title_of(name), *(mean_of(f).text() if f else EMPTY for f in found)))
    titles = {"gamma": "Weight of the regulariser", "unlabelled": "Share of unlabelled samples"}
    return Table(titles[parameter], (parameter, *(f"{value:g}" for value in values)), tuple(rows))


def _presets(run: LearnRun, names: Sequence[str]) -> list[str]:
    found = [preset for name in names for record in run.of(name) for preset in record["curves"]]
    return list(dict.fromkeys(found))


def equal_accuracy(run: LearnRun, names: Sequence[str], preset: str) -> Table:
    """Bytes of a sample where accuracy from decoded features is that much below the untouched network's."""
    runs = run.experiment.runs
    untouched = next((name for name in names if runs[name].get("untouched")), names[0])
    fair = next((name for name in names if not set(runs[name]) & {"untouched", "loss", "noise", "back_only"}), "")
    whole = by_seed(run.of(untouched), "accuracy")
    rows = []
    for name in names:
        cells = []
        for less in BELOW:
            own = _bytes(run.of(name), preset, whole, less)
            cells.append(f"{np.mean(list(own.values())):.1f}" if own else EMPTY)
            for other in (untouched, fair):
                theirs = _bytes(run.of(other), preset, whole, less) if other and other != name else {}
                cells.append(_ratio(own, theirs))
        accuracy = mean_of(list(by_seed(run.of(name), "accuracy").values()))
        rows.append((run.experiment.title_of(name), accuracy.text(), *cells))
    heading = ["run", "accuracy"]
    for less in BELOW:
        heading += [f"bytes at -{100 * less:g}", "untouched", "fine-tuned"]
    notes = (
        "Bytes of a sample; changes in per cent against the untouched network, and against the same fine-tuned as long "
        "with neither loss nor noise, means over the seeds that have both. Accuracies are of all test pictures.",
    )
    return Table(f"Bytes at equal accuracy, preset {preset}", tuple(heading), tuple(rows), notes)


def _bytes(records: Sequence[Record], preset: str, whole: Mapping[int, float], less: float) -> dict[int, float]:
    found = {}
    for record in records:
        points = record["curves"].get(preset)
        if not points or record["seed"] not in whole:
            continue
        reached = rate_at([p[0] for p in points], [p[1] for p in points], whole[record["seed"]] - less)
        if reached is not None and not reached.at_most:
            found[record["seed"]] = reached.rate
    return found


def _ratio(own: Mapping[int, float], theirs: Mapping[int, float]) -> str:
    both = own.keys() & theirs.keys()
    if not both:
        return EMPTY
    logarithms = [math.log(own[seed] / theirs[seed]) for seed in both]
    return f"{100 * (math.exp(float(np.mean(logarithms))) - 1):+.1f}"


def _csv(run: LearnRun) -> str:
    names = list(dict.fromkeys(name for record in run.records for name in record["metrics"]))
    out = io.StringIO()
    rows: Any = csv.writer(out)
    rows.writerow(["run", "seed", "parameter", "value", *names, "seconds", "weights"])
    for record in run.records:
        place = [record["run"], record["seed"], record["parameter"], record["value"]]
        rows.writerow([*place, *(record["metrics"].get(name) for name in names), record["seconds"], record["weights"]])
    return out.getvalue()
