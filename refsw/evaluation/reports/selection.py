"""Informative: what a report picks from the records of a run, and how it names things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refsw.evaluation.anchors.choices import CodecChoice
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.reports.cells import EMPTY

DISTORTION, PER_CLASS = "distortion", ("ap-", "iou-")
METRICS = {"top1": "top-1", "top5": "top-5", "map": "mAP", "ap": "AP", "ap50": "AP50", "ap75": "AP75", "cmc1": "CMC-1",
           "cmc5": "CMC-5", "cmc10": "CMC-10", "miou": "mIoU", "mota": "MOTA", "motp": "MOTP", "idf1": "IDF1",
           "snr": "SNR (dB)", "mse": "MSE", DISTORTION: "D (%)"}  # fmt: skip


def swept(run: Run, test: Test) -> list[CodecChoice]:
    """Codecs that make a curve of quality over rate."""
    return [codec for codec in every(run, test) if codec.parameter]


def fixed(run: Run, test: Test) -> list[CodecChoice]:
    """Codecs that have one point."""
    return [codec for codec in every(run, test) if not codec.parameter]


def every(run: Run, test: Test) -> list[CodecChoice]:
    """Codecs whose packets all arrive."""
    return [codec for codec in (run.conditions.codecs[name] for name in test.codecs) if codec.link is None]


def points(run: Run, test: Test, codec: str) -> dict[tuple[str, Any], Record]:
    """The records of a test and a codec by layer and value."""
    own = (record for record in run.records if (record["test"], record["codec"]) == (test.name, codec))
    return {(record["layer"], record["value"]): record for record in own}


def performances(run: Run, test: Test) -> list[str]:
    """Metrics of the task itself, which have a value without coding that is not the best by definition.

    Those of single classes are in the records (results.csv) alone.
    """
    own = next((record for record in run.records if record["test"] == test.name), None)
    known = [] if own is None else own["pristine"]
    return [name for name in known if name not in (test.quality, DISTORTION) and not name.startswith(PER_CLASS)]


def metric_name(metric: str) -> str:
    """A metric for people."""
    return METRICS.get(metric, metric)


def codec_title(codec: CodecChoice) -> str:
    """A codec for people: its title, and its name where that is another."""
    return codec.name if codec.title in ("", codec.name) else f"{codec.title} ({codec.name})"


def published(run: Run, test: Test, parameter: str) -> list[Mapping[str, Any]]:
    """Published figures that the conditions have for a test: by values of a parameter, or "" and by codecs."""
    entries = run.conditions.document.get("published", [])
    return [entry for entry in entries if (entry["test"], entry["parameter"]) == (test.name, parameter)]


def point_name(parameter: str, value: float | None) -> str:
    """A point for people: QP 22."""
    return EMPTY if value is None else f"{'QP' if parameter == 'qp' else parameter} {value:g}"


def labels(run: Run, anchor: Run | None) -> dict[bool, str]:
    """What stands before a codec to tell the runs apart, by whether it is the anchor's; nothing if there is one run."""
    if anchor is None:
        return {False: "", True: ""}
    same = run.name == anchor.name
    return {False: f"{run.name}: ", True: f"{anchor.name}{' (anchor)' if same else ''}: "}
