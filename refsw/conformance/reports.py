"""13.9 Reports: results.json, and what derives from it: JUnit XML, Markdown, CSV. The HTML page is in `page`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from refsw.conformance.page import html_page
from refsw.conformance.results import PLACE, Report, failures_first, headline, where
from refsw.conformance.suite import check_schema
from refsw.conformance.verdicts import DECODERS, ENCODERS, Subject, subject_of
from refsw.errors import UsageError
from refsw.files import whole_file
from refsw.text import for_csv, for_markdown, shown

JSON, JUNIT, MARKDOWN, CSV, HTML = "results.json", "junit.xml", "report.md", "results.csv", "report.html"
GROUPS = "areas", "about", "requirements"
"""Members of results.json with counts of their own."""


@dataclass(frozen=True, slots=True)
class More:
    """What else the reports of a role have: sections of the page and of the Markdown."""

    html: str = ""
    markdown: str = ""


def write_reports(
    report: Report[Any], folder: Path, more: Callable[[dict[str, Any]], More] = lambda _: More()
) -> dict[str, Any]:
    """Write every report, each whole or not at all; returns the contents of results.json.

    Args:
        report: the results.
        folder: where to.
        more: makes what else there is to tell of the contents of results.json.

    Raises:
        UsageError: the results break their own schema, which would be a bug.
    """
    results = report.as_dict()
    check_schema(results, report.plan.subject.schema, folder / JSON)
    extra = more(results)
    texts = {
        JSON: json.dumps(results, indent=1, allow_nan=False) + "\n",
        JUNIT: junit(results),
        MARKDOWN: markdown(results) + extra.markdown,
        CSV: table(results),
        HTML: html_page(results, extra.html),
    }
    for name, text in texts.items():
        with whole_file(folder / name) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    return results


def load_results(path: Path) -> dict[str, Any]:
    """The contents of a results.json; outcomes that there were not when it was written came 0 times.

    Raises:
        UsageError: it is none.
    """
    try:
        results: dict[str, Any] = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON: {error}") from error
    subject = ENCODERS if isinstance(results, dict) and ENCODERS.role in results else DECODERS
    check_schema(results, subject.schema, path)
    for counts in (results["counts"], *(each for group in GROUPS for each in results[group].values())):
        for outcome in subject.outcomes:
            counts.setdefault(str(outcome), 0)
    return results


# --- JUnit ---


def junit(results: dict[str, Any]) -> str:
    """A test suite a suite and a test case a vector, failures first. Nothing but what is optional is skipped."""
    subject, ordered = subject_of(results), failures_first(results)
    name = f"conformance of {results[subject.role]['name']}"
    root = Element("testsuites", _totals(subject, ordered) | {"name": name})
    for suite in results["suites"]:
        vectors = [v for v in ordered if v["suite"] == suite["suite"]]
        if not vectors:
            continue
        node = SubElement(root, "testsuite", _totals(subject, vectors) | {"name": suite["suite"]})
        for v in vectors:
            names = {"name": v["id"], "classname": f"{suite['suite']}.{v['area']}", "time": f"{v['seconds']:.3f}"}
            case = SubElement(node, "testcase", names)
            if v["outcome"] not in subject.good:
                kind = "failure" if v["outcome"] in subject.failures else "error"
                problem = SubElement(case, kind, type=v["outcome"], message=v["reason"])
                problem.text = _details(subject, v)
            elif v["outcome"] != "PASS":
                SubElement(case, "skipped", message=v["reason"])
            elif v["stderr"]:
                SubElement(case, "system-err").text = v["stderr"]
    indent(root)
    # Whatever stands in attributes and text: XML 1.0 has no control characters and no halves of surrogates.
    return (
        "<?xml version='1.0' encoding='utf-8'?>\n" + shown(tostring(root, encoding="unicode"), None, lines=True) + "\n"
    )


def _totals(subject: Subject, vectors: list[dict[str, Any]]) -> dict[str, str]:
    failed = sum(v["outcome"] in subject.failures for v in vectors)
    skipped = sum(v["outcome"] in subject.good and v["outcome"] != "PASS" for v in vectors)
    wrong = sum(v["outcome"] not in subject.good for v in vectors) - failed
    counted = {"tests": len(vectors), "failures": failed, "errors": wrong, "skipped": skipped}
    seconds = f"{sum(v['seconds'] for v in vectors):.3f}"
    return {name: str(count) for name, count in counted.items()} | {"time": seconds}


def _details(subject: Subject, vector: dict[str, Any]) -> str:
    lines = [vector["title"], vector["reason"], *vector["notes"]]
    for m in vector["mismatches"]:
        lines += [f"checkpoint {m['checkpoint']}: {m['what']}; {where(m)}", f"expected {m['expected']}, got {m['got']}"]
    for what, names in (("about", vector["about"]), ("relies on or breaks", vector["requirements"])):
        if names:
            lines.append(f"{what}: {', '.join(names)}")
    if vector["stderr"]:
        lines += [f"what the {subject.role} said:", vector["stderr"]]
    return "\n".join(lines)


# --- Markdown ---


def markdown(results: dict[str, Any]) -> str:
    """A summary for people: areas, what failed and where, requirements that are not shown."""
    subject, ordered = subject_of(results), failures_first(results)
    good = [str(outcome) for outcome in subject.outcomes if outcome in subject.good and outcome != "PASS"]
    lines = [
        f"# Conformance of {for_markdown(results[subject.role]['name'])}",
        "",
        f"**{'PASS' if results['passed'] else 'FAIL'}**: {headline(results)}.",
        "",
        "Suites: " + ", ".join(for_markdown(f"{s['suite']} {s['version']}") for s in results["suites"]) + ". "
        f"Took {results['seconds']:.1f} s, ended {results['finished']}.",
        "",
        f"| Outcome | {subject.cases.capitalize()} | Meaning |",
        "|---|---:|---|",
        *[
            f"| {o} | {results['counts'][o]} | {subject.meanings[o]} |"
            for o in subject.outcomes
            if results["counts"][o]
        ],
        "",
    ]
    for title, chosen in (
        ("Not passed", [v for v in ordered if v["outcome"] not in subject.good]),
        *((outcome.capitalize(), [v for v in ordered if v["outcome"] == outcome]) for outcome in good),
    ):
        if chosen:
            lines += [
                f"## {title}",
                "",
                f"| {subject.case.capitalize()} | Outcome | Reason | About |",
                "|---|---|---|---|",
            ]
            for v in chosen:
                reason, about = for_markdown(v["reason"], 300), for_markdown(", ".join(v["about"]))
                lines.append(f"| {for_markdown(v['id'])} | {v['outcome']} | {reason} | {about} |")
            lines.append("")
    broken = {name: c for name, c in results["requirements"].items() if subject.fails(c)}
    if broken:
        title = f"## Requirements with {'a vector' if subject is DECODERS else 'an input'} that did not pass"
        lines += [title, "", *_groups(subject, "Requirement", broken), ""]
    return "\n".join([*lines, "## Areas", "", *_groups(subject, "Area", results["areas"])]) + "\n"


def _groups(subject: Subject, what: str, groups: dict[str, dict[str, int]]) -> list[str]:
    rows = [
        f"| {for_markdown(name)} | {c['PASS']} | {c['SKIPPED'] or ''} | {sum(c.values())} | {subject.worst(c)} |"
        for name, c in groups.items()
    ]
    return [f"| {what} | PASS | SKIPPED | of | Worst |", "|---|---:|---:|---:|---|", *rows]


# --- CSV ---

COLUMNS = (
    "suite", "id", "area", "kind", "profile", "level", "outcome", "reason", "checkpoint", "tensor", *PLACE, "expected",
    "got", "ulps", "differing", "exit_code", "signal", "seconds", "peak_bytes", "about", "requirements", "notes",
)  # fmt: skip


def table(results: dict[str, Any]) -> str:
    """A row a vector, failures first, with the first mismatch."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for v in failures_first(results):
        first = v["mismatches"][0] if v["mismatches"] else {}
        listed = {name: " ".join(v[name]) for name in ("about", "requirements")}
        row = first | v | listed | {"notes": "; ".join(v["notes"])}
        writer.writerow([for_csv(row.get(name)) for name in COLUMNS])
    return out.getvalue()
