"""Informative: a run as one HTML page with interactive curves; it needs nothing but itself."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from refsw.evaluation.anchors import figures, tables
from refsw.evaluation.anchors.compare import Comparison
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.plots import COLOURS

TEMPLATE = Path(__file__).parent / "page.html"
AXES = {
    "bits_per_element": "bits per element",
    "rate": "compression rate",
    "bytes": "bytes per item",
    "bits_per_pixel": "bits per input pixel",
    "against_input": "of the coded input picture",
}


def as_html(run: Run, anchor: Run | None = None, comparison: Comparison | None = None) -> str:
    """The page, with the data of the run and those of the anchor inside."""
    shown = {
        "title": run.conditions.title,
        "colours": COLOURS,
        "axes": AXES,
        "tests": [
            {
                "name": test.name,
                "title": test.title,
                "layers": list(test.layers),
                "metrics": figures.metrics_of(run, test),
                "points": [
                    _point(record, who)
                    for who, source in (("run", run), ("anchor", anchor))
                    if source is not None
                    for record in source.records
                    if record["test"] == test.name
                ],
            }
            for test in run.conditions.tests
            if any(record["test"] == test.name for record in run.records)
        ],
        "bd": comparison.as_dict() if comparison else None,
    }
    # A closing tag inside a string would end the script.
    data = json.dumps(shown, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    page = TEMPLATE.read_text(encoding="utf-8")
    parts = {"@TITLE@": html.escape(run.conditions.title), "@FACTS@": _facts(run), "@DATA@": data}
    for name, text in parts.items():
        page = page.replace(name, text)
    return page


def _point(record: Record, who: str) -> dict[str, Any]:
    point: dict[str, Any] = {
        "run": who,
        "layer": record["layer"],
        "codec": record["codec"],
        "point": tables.point_name(record["parameter"], record["value"]),
        "bytes": record["coded_bytes"] / record["items"],
        "metrics": record["metrics"],
        "encode": record["times"].get("encode", 0) / record["items"],
        "decode": record["times"].get("decode", 0) / record["items"],
    }
    return point | {name: record[name] for name in AXES if name in record}


def _facts(run: Run) -> str:
    environment = run.environment
    facts = {
        "Conditions": run.conditions.document.get("source", run.conditions.name),
        "Run": f"{run.name}, {len(run.records)} records",
        "Codecs": ", ".join(f"{k} {v[:12] if len(v) == 64 else v}" for k, v in run.identity["versions"].items()),
        "Machine": f"{environment.get('processor')}, {environment.get('system')}",
    }
    return "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(str(v))}</dd>" for k, v in facts.items())
