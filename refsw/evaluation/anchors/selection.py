"""Informative: what a report picks from the records of a run, and how it names things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.anchors.cells import EMPTY, clean
from refsw.evaluation.anchors.conditions import CodecChoice, Test
from refsw.evaluation.anchors.folder import Key, Record, Run, key_of

DISTORTION = "distortion"
COUNTED = ("items", "bitstreams", "coded_bytes", "raw_bytes", "elements", "rate", "bits_per_element")
MOST = 1e100  # more than anything that is measured
METRICS = {"top1": "top-1", "top5": "top-5", "map": "mAP", "ap": "AP", "ap50": "AP50", "ap75": "AP75", "cmc1": "CMC-1",
           "cmc5": "CMC-5", "cmc10": "CMC-10",
           "snr": "SNR (dB)", "mse": "MSE", DISTORTION: "D (%)"}  # fmt: skip


def check(run: Run) -> None:
    """Refuse records that were edited so that no report can be made of them; `read_records` has checked their types.

    Raises:
        UsageError: names the record and what is wrong with it.
    """
    known, seen = _wanted(run), set()
    for record in run.records:
        key = key_of(record)
        wrong = _wrong(record) or ("" if key in known else "not among the conditions")
        wrong = wrong or ("there twice" if key in seen else "")
        seen.add(key)
        if wrong:
            raise UsageError(clean(f"{run.folder}: record {', '.join(map(str, key[:4]))}, {record['value']}: {wrong}"))


def _wrong(record: Record) -> str:
    for name in COUNTED:
        if not 0 < record[name] < MOST:
            return f"{name} is {record[name]}"
    for part in ("metrics", "pristine"):
        for name, value in record[part].items():
            if value is not None and abs(value) >= MOST:
                return f"{name} is {value}"
    return ""


def swept(run: Run, test: Test) -> list[CodecChoice]:
    """Codecs that make a curve."""
    return [run.conditions.codecs[name] for name in test.codecs if run.conditions.codecs[name].parameter]


def fixed(run: Run, test: Test) -> list[CodecChoice]:
    """Codecs that have one point."""
    return [run.conditions.codecs[name] for name in test.codecs if not run.conditions.codecs[name].parameter]


def missing_of(run: Run) -> dict[str, tuple[int, int]]:
    """For each test: records that it does not have yet, and all that it shall have."""
    there = {key_of(record) for record in run.records}
    wanted = _wanted(run)
    found = {}
    for test in run.conditions.tests:
        own = [key for key in wanted if key[0] == test.name]
        found[test.name] = (sum(key not in there for key in own), len(own))
    return found


def _wanted(run: Run) -> dict[Key, None]:
    """The keys of every record that the conditions ask for, in their order."""
    return {
        (test.name, layer, name, run.conditions.codecs[name].parameter, -1.0 if value is None else value): None
        for test in run.conditions.tests
        for layer in test.layers
        for name in test.codecs
        for value in run.conditions.codecs[name].values
    }


def points(run: Run, test: Test, codec: str) -> dict[tuple[str, Any], Record]:
    """The records of a test and a codec by layer and value."""
    own = (record for record in run.records if (record["test"], record["codec"]) == (test.name, codec))
    return {(record["layer"], record["value"]): record for record in own}


def performances(run: Run, test: Test) -> list[str]:
    """Metrics of the task itself, which have a value without coding that is not the best by definition."""
    own = next((record for record in run.records if record["test"] == test.name), None)
    return [] if own is None else [name for name in own["pristine"] if name not in (test.quality, DISTORTION)]


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
