"""Informative: a run as one HTML page with interactive curves; it needs nothing but itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from refsw.evaluation.anchors.compare import Comparison
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.anchors.remote import sends_pictures
from refsw.evaluation.reports import differences, facts, figures
from refsw.evaluation.reports.palette import COLOURS
from refsw.evaluation.reports.selection import labels, point_name, published, swept
from refsw.evaluation.reports.tables import Section
from refsw.text import for_html, shown

TEMPLATE = Path(__file__).parent / "page.html"
OPEN = ("Rate and quality", "Without a swept parameter", "Tiled against quilted", "Features against pictures", "Losses")
FIRST = 3  # facts that are shown unasked: run, records, conditions
FLOAT_BITS = 32
AXES = {
    "bits_per_element": "bits per element",
    "rate": "compression rate",
    "bytes": "bytes per item",
    "bits_per_pixel": "bits per input pixel",
    "bits_per_picture_pixel": "bits per pixel of the picture",
    "against_input": "of the coded input picture",
}


def as_html(
    run: Run, sections: Sequence[Section], anchor: Run | None = None, comparison: Comparison | None = None
) -> str:
    """The page, with the data of the run and those of the anchor inside, and the tables for who runs no scripts."""
    tests = [_test(run, anchor, test) for test in run.conditions.tests]
    content = {
        "colours": COLOURS,
        "axes": _axes(run),
        "tests": [test for test in tests if any(point["run"] == "run" for point in test["points"])],
    }
    # A closing tag inside a string would end the script.
    data = json.dumps(_shown(content), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    told = facts.facts(run)
    parts = {
        "TITLE": for_html(run.conditions.title),
        "STATE": "" if facts.complete(run) else f'<p class="partial">{for_html(facts.state(run))}</p>',
        "FACTS": "".join(map(_fact, told[:FIRST])),
        "MORE": "".join(map(_fact, told[FIRST:])),
        "MEANS": _means(comparison) if comparison else "",
        "TABLES": _layers(comparison) + "".join(map(_section, sections)),
        "DATA": data,
    }
    # In one pass: what a name says is never taken for a place of the template.
    return re.sub("@([A-Z]+)@", lambda found: parts[found[1]], TEMPLATE.read_text(encoding="utf-8"))


def _axes(run: Run) -> dict[str, str]:
    """The axes of rates, the first of which is shown unasked: with pictures, one that they share with features."""
    common = "bits_per_picture_pixel"
    if any(sends_pictures(run, test) for test in run.conditions.tests) and all(common in r for r in run.records):
        return {common: AXES[common]} | AXES
    return AXES


def _shown(value: Any) -> Any:
    """JSON values with their texts fit to be shown."""
    if isinstance(value, dict):
        return {shown(key): _shown(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(inner) for inner in value]
    return shown(value) if isinstance(value, str) else value


def _fact(fact: tuple[str, str]) -> str:
    return f"<dt>{for_html(fact[0])}</dt><dd>{for_html(fact[1])}</dd>"


def _test(run: Run, anchor: Run | None, test: Test) -> dict[str, Any]:
    told = labels(run, anchor)
    # Curves over rate: a point with losses has its place in tables and plots over loss.
    own = [r for r in run.records if r["test"] == test.name and "realisations" not in r]
    points = [_point(record, "run", told[False]) for record in own]
    if anchor is not None:
        points += [_point(record, "anchor", told[True]) for record in anchor.records if record["test"] == test.name]
    metrics = figures.metrics_of(run, test)
    return {
        "title": test.title,
        "layers": list(dict.fromkeys([*test.layers, *(point["layer"] for point in points)])),
        "metrics": metrics,
        "names": {metric: figures.axis_name(metric) for metric in metrics},
        "points": [*points, *_published(run, test)],
    }


def _point(record: Record, who: str, label: str) -> dict[str, Any]:
    items, times = record["items"], record["times"]
    point: dict[str, Any] = {
        "run": who,
        "layer": record["layer"],
        "codec": f"{label}{record['codec']}",
        "point": point_name(record["parameter"], record["value"]),
        "bytes": record["coded_bytes"] / items,
        "metrics": record["metrics"],
        "encode": times["encode"] / items if "encode" in times else None,
        "decode": times["decode"] / items if "decode" in times else None,
    }
    return point | {name: record[name] for name in AXES if name in record}


def _published(run: Run, test: Test) -> Iterator[dict[str, Any]]:
    """Published points: a rate of binary32 elements tells the bits of an element as well."""
    for parameter in dict.fromkeys(codec.parameter for codec in swept(run, test)):
        for entry in published(run, test, parameter):
            for layer, values in entry["points"].items():
                for value, figures_of in values.items():
                    rate, *quality = figures_of
                    if layer in test.layers and quality:
                        yield {
                            "run": "published",
                            "layer": layer,
                            "codec": f"published: {entry['source']}",
                            "point": point_name(parameter, float(value)),
                            "rate": rate,
                            "bits_per_element": FLOAT_BITS * rate,
                            "metrics": {test.quality: quality[0]},
                        }


def _means(comparison: Comparison) -> str:
    tables = "".join(table.as_html() for table in differences.mean_tables(comparison))
    return f"<h2>Comparison</h2><p>{for_html(differences.title(comparison))}</p>{tables}"


def _layers(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    parts = [table.as_html() for table in differences.line_tables(comparison)]
    for title, texts in (("No figure", differences.missing(comparison)), ("Notes", differences.remarks(comparison))):
        if texts:
            parts.append(f"<h3>{title}</h3><ul>{''.join(f'<li>{for_html(text)}</li>' for text in texts)}</ul>")
    return f"<details open><summary>Comparison, layer by layer</summary>{''.join(parts)}</details>"


def _section(section: Section) -> str:
    tables = "".join(table.as_html() for table in section.tables)
    unfolded = " open" if section.title in OPEN else ""
    return f"<details{unfolded}><summary>{for_html(section.title)}</summary>{tables}</details>"
