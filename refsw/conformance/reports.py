"""13.9 Reports: results.json, and what derives from it: JUnit XML, Markdown, CSV. The HTML page is in `page`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from refsw.conformance.outcomes import MEANINGS, Outcome
from refsw.conformance.page import html_page
from refsw.conformance.results import PLACE, Report, headline, where, worst
from refsw.conformance.suite import check_schema
from refsw.errors import UsageError
from refsw.features.sinks import whole_file
from refsw.text import for_csv, for_markdown, shown

JSON, JUNIT, MARKDOWN, CSV, HTML = "results.json", "junit.xml", "report.md", "results.csv", "report.html"
FAILURES = {
    Outcome.MISMATCH, Outcome.ACCEPTED_INVALID, Outcome.REJECTED_VALID, Outcome.WRONG_CLASS, Outcome.UNSUPPORTED,
}  # fmt: skip


def write_reports(report: Report, folder: Path) -> dict[str, Any]:
    """Write every report, each whole or not at all; returns the contents of results.json.

    Raises:
        UsageError: the results break their own schema, which would be a bug.
    """
    results = report.as_dict()
    check_schema(results, "results", folder / JSON)
    texts = {
        JSON: json.dumps(results, indent=1, allow_nan=False) + "\n",
        JUNIT: junit(results),
        MARKDOWN: markdown(results),
        CSV: table(results),
        HTML: html_page(results),
    }
    for name, text in texts.items():
        with whole_file(folder / name) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    return results


def load_results(path: Path) -> dict[str, Any]:
    """The contents of a results.json.

    Raises:
        UsageError: it is none.
    """
    try:
        results: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise UsageError(f"{path}: not JSON: {error}") from error
    check_schema(results, "results", path)
    return results


# --- JUnit ---


def junit(results: dict[str, Any]) -> str:
    """A test suite a suite and a test case a vector. What is not PASS is a failure or an error, never skipped."""
    root = Element("testsuites", _totals(results["vectors"]) | {"name": f"conformance of {results['decoder']['name']}"})
    for suite in results["suites"]:
        vectors = [v for v in results["vectors"] if v["suite"] == suite["suite"]]
        if not vectors:
            continue
        node = SubElement(root, "testsuite", _totals(vectors) | {"name": suite["suite"]})
        for v in vectors:
            names = {"name": v["id"], "classname": f"{suite['suite']}.{v['area']}", "time": f"{v['seconds']:.3f}"}
            case = SubElement(node, "testcase", names)
            if v["outcome"] != Outcome.PASS:
                kind = "failure" if v["outcome"] in FAILURES else "error"
                problem = SubElement(case, kind, type=v["outcome"], message=v["reason"])
                problem.text = _details(v)
            elif v["stderr"]:
                SubElement(case, "system-err").text = v["stderr"]
    indent(root)
    # Whatever stands in attributes and text: XML 1.0 has no control characters and no halves of surrogates.
    return (
        "<?xml version='1.0' encoding='utf-8'?>\n" + shown(tostring(root, encoding="unicode"), None, lines=True) + "\n"
    )


def _totals(vectors: list[dict[str, Any]]) -> dict[str, str]:
    failed = sum(v["outcome"] in FAILURES for v in vectors)
    wrong = sum(v["outcome"] != Outcome.PASS for v in vectors) - failed
    seconds = f"{sum(v['seconds'] for v in vectors):.3f}"
    return {"tests": str(len(vectors)), "failures": str(failed), "errors": str(wrong), "skipped": "0", "time": seconds}


def _details(vector: dict[str, Any]) -> str:
    lines = [vector["title"], vector["reason"], *vector["notes"]]
    for m in vector["mismatches"]:
        lines += [f"checkpoint {m['checkpoint']}: {m['what']}; {where(m)}", f"expected {m['expected']}, got {m['got']}"]
    if vector["requirements"]:
        lines.append("requirements: " + ", ".join(vector["requirements"]))
    if vector["stderr"]:
        lines += ["what the decoder said:", vector["stderr"]]
    return "\n".join(lines)


# --- Markdown ---


def markdown(results: dict[str, Any]) -> str:
    """A summary for people: areas, what failed and where, requirements that are not shown."""
    decoder = results["decoder"]
    lines = [
        f"# Conformance of {for_markdown(decoder['name'])}",
        "",
        f"**{'PASS' if results['passed'] else 'FAIL'}**: {headline(results)}.",
        "",
        "Suites: " + ", ".join(for_markdown(f"{s['suite']} {s['version']}") for s in results["suites"]) + ". "
        f"Took {results['seconds']:.1f} s, ended {results['finished']}.",
        "",
        "| Outcome | Vectors | Meaning |",
        "|---|---:|---|",
        *[f"| {o} | {results['counts'][o]} | {MEANINGS[o]} |" for o in Outcome if results["counts"][o]],
        "",
        "## Areas",
        "",
        "| Area | PASS | of | Worst |",
        "|---|---:|---:|---|",
        *[_group_row(name, counts) for name, counts in results["areas"].items()],
    ]
    failed = [v for v in results["vectors"] if v["outcome"] != Outcome.PASS]
    if failed:
        lines += ["", "## Not passed", "", "| Vector | Outcome | Reason |", "|---|---|---|"]
        lines += [f"| {for_markdown(v['id'])} | {v['outcome']} | {for_markdown(v['reason'], 300)} |" for v in failed]
    broken = {name: c for name, c in results["requirements"].items() if c["PASS"] < sum(c.values())}
    if broken:
        lines += ["", "## Requirements with a vector that did not pass", ""]
        lines += ["| Requirement | PASS | of | Worst |", "|---|---:|---:|---|"]
        lines += [_group_row(name, counts) for name, counts in broken.items()]
    return "\n".join(lines) + "\n"


def _group_row(name: str, counts: dict[str, int]) -> str:
    return f"| {for_markdown(name)} | {counts['PASS']} | {sum(counts.values())} | {worst(counts)} |"


# --- CSV ---

COLUMNS = (
    "suite", "id", "area", "kind", "profile", "level", "outcome", "reason", "checkpoint", "tensor", *PLACE, "expected",
    "got", "ulps", "differing", "exit_code", "signal", "seconds", "peak_bytes", "requirements", "notes",
)  # fmt: skip


def table(results: dict[str, Any]) -> str:
    """A row a vector, with the first mismatch."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for v in results["vectors"]:
        first = v["mismatches"][0] if v["mismatches"] else {}
        row = first | v | {"requirements": " ".join(v["requirements"]), "notes": "; ".join(v["notes"])}
        writer.writerow([for_csv(row.get(name)) for name in COLUMNS])
    return out.getvalue()
