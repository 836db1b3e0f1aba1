"""Informative: the pages of a site: programs by suites, requirements, runs over time, and one page for every run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from refsw.conformance.results import headline
from refsw.conformance.site.badge import badge
from refsw.conformance.site.collected import Entry, Program, Side, collect
from refsw.conformance.site.layout import frame
from refsw.conformance.site.own import PLACE, SCRIPT, data_of
from refsw.conformance.verdicts import Subject
from refsw.errors import UsageError
from refsw.files import whole_file
from refsw.text import for_html

MOST_CASES = 150
"""Cases of a run that are told one by one; results.json has all of them."""
MOST_RUNS = 40
"""Runs of a program that have a page of their own; older ones are points of its line."""
MOST_SLOW = 5
NAME, REASON = 80, 240


def write_site(reports: Sequence[dict[str, Any]], folder: Path, title: str) -> int:
    """Write all pages; returns how many files they are.

    Args:
        reports: the contents of results.json of every run.
        folder: where to; what is there and belongs to no page stays.
        title: of the site.

    Raises:
        UsageError: there are no reports.
        OSError: a file cannot be written.
    """
    if not reports:
        raise UsageError("no reports: nothing to show")
    sides = [side for side in collect(reports) if side.programs]
    files = {
        "index.html": _index(sides, title),
        "requirements.html": _requirements(sides, title),
        "runs.html": _runs(sides, title),
    }
    for side in sides:
        for program in side.programs:
            files[f"badges/{side.subject.role}-{program.slug}.svg"] = badge(program.latest)
            for entry in program.entries[-MOST_RUNS:]:
                files[f"runs/{entry.slug}.html"] = _run(program, entry, title)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    return len(files)


# --- programs by suites ---


def _index(sides: list[Side], title: str) -> str:
    body = "".join(
        f"<section id='{side.subject.role}s'><h2>{side.subject.role.capitalize()}s</h2>{_matrix(side)}</section>"
        for side in sides
    )
    badges = "".join(_badge(side, program) for side in sides for program in side.programs)
    body += f"{PLACE}<section id='badges'><h2>Badges</h2><ul>{badges}</ul></section>"
    return frame(title, title, body, here="index.html", script=SCRIPT, data=data_of(sides))


def _matrix(side: Side) -> str:
    suites = side.suites
    head = "".join(f"<th scope='col'>{for_html(name)}</th>" for name in ("Program", "All", *suites, "Time", "Runs"))
    rows = []
    for program in side.programs:
        entry = program.latest
        cells = [_cell(side.subject, entry.results["counts"], "all")]
        for name in suites:
            own = program.latest_of(name)
            cells.append(_cell(side.subject, own.of_suite(name) if own is not None else {}, name))
        cells.append(f"<td data-label='Time' class='n'>{_seconds(entry)}</td>")
        place = f"{side.subject.role}-{program.slug}"
        runs = f"<a href='runs.html#{place}'>{len(program.entries)}</a>"
        cells.append(f"<td data-label='Runs' class='n'>{runs}</td>")
        rows.append(f"<tr id='{place}'><th scope='row'>{_link(entry)}</th>{''.join(cells)}</tr>")
    return (
        f"<div class='scroll' tabindex='0'><table class='stack'><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _link(entry: Entry, up: str = "") -> str:
    return f"<a href='{up}runs/{entry.slug}.html'>{for_html(entry.name, NAME)}</a>"


def _cell(subject: Subject, counts: dict[str, int], name: str) -> str:
    label = f" data-label='{for_html(name)}'"
    total = sum(counts.values())
    if not total:
        return f"<td class='cell none'{label}>not run</td>"
    kind = "bad" if subject.fails(counts) else "good" if counts["PASS"] else "open"
    told = f"{counts['PASS']} of {total}"
    beside = sum(counts[outcome] for outcome in subject.good) - counts["PASS"]
    told += f", {beside} left out" if beside else ""
    failing = total - counts["PASS"] - beside
    bar = "".join(f"<span class='{kind}' style='flex:{n}'></span>"
                  for kind, n in (("good", counts["PASS"]), ("bad", failing), ("open", beside)) if n)  # fmt: skip
    bar = f"<div class='bar' aria-hidden='true'>{bar}</div>"
    return f"<td class='cell'{label}><span class='{kind}'>{told}</span>{bar}</td>"


def _seconds(entry: Entry) -> str:
    return f"{entry.results['seconds']:.1f} s"


def _badge(side: Side, program: Program) -> str:
    place = f"badges/{side.subject.role}-{program.slug}.svg"
    return f"<li><img src='{place}' alt='{for_html(program.name, NAME)}'> <a href='{place}'>{place}</a></li>"


# --- requirements ---


def _requirements(sides: list[Side], title: str) -> str:
    body = "".join(_of_side(side) for side in sides)
    return frame("Requirements", title, body, here="requirements.html")


def _of_side(side: Side) -> str:
    found = side.requirements()
    groups: dict[str, list[str]] = {"nobody passes": [], "some pass": [], "everybody passes": []}
    for name, passed in found.items():
        known = [value for value in passed if value is not None]
        kind = "everybody passes" if known and all(known) else "some pass" if any(known) else "nobody passes"
        groups[kind].append(name)
    parts = []
    for kind, names in groups.items():
        rows = "".join(_requirement(side, name, found[name]) for name in names)
        head = "".join(f"<th scope='col'>{for_html(p.name, 40)}</th>" for p in side.programs)
        table = (
            f"<div class='scroll' tabindex='0'><table class='stack'><thead><tr><th scope='col'>Requirement</th>{head}"
            f"</tr></thead><tbody>{rows}</tbody></table></div>"
        )
        opened = " open" if kind != "everybody passes" and names else ""
        parts.append(
            f"<details{opened}><summary><span>{len(names)}</span><span class='why'>that {kind}</span></summary>"
            f"<div>{table if names else ''}</div></details>"
        )
    role = side.subject.role
    told = f"By the {side.subject.cases} that are about them, in the latest run of every {role}."
    return f"<section id='{role}s'><h2>{role.capitalize()}s</h2><p class='soft'>{told}</p>{''.join(parts)}</section>"


def _requirement(side: Side, name: str, passed: list[bool | None]) -> str:
    cells = []
    for program, value in zip(side.programs, passed, strict=True):
        kind, text = {True: ("yes", "passes"), False: ("no", "fails"), None: ("none", "not run")}[value]
        label = f" data-label='{for_html(program.name, 40)}'"
        link = (
            f"<a href='runs/{program.latest.slug}.html#about-{for_html(name)}'>{text}</a>" if value is False else text
        )
        cells.append(f"<td class='{kind}'{label}>{link}</td>")
    anchor = f"{side.subject.role}-{for_html(name)}"
    return f"<tr id='{anchor}'><th scope='row'><a href='#{anchor}'>{for_html(name)}</a></th>{''.join(cells)}</tr>"


# --- over time ---


def _runs(sides: list[Side], title: str) -> str:
    body = "".join(
        f"<section id='{side.subject.role}-{program.slug}'><h2>{for_html(program.name, NAME)}</h2>{_line(program)}"
        f"{_history(program)}</section>"
        for side in sides
        for program in side.programs
    )
    return frame("Runs", title, body, here="runs.html")


def _line(program: Program) -> str:
    """The share of cases that pass, run after run, from 0 at the bottom to all at the top."""
    shares = [entry.share for entry in program.entries]
    if len(shares) < 2:
        return ""
    points = [(100 * i / (len(shares) - 1), 48 - 44 * share) for i, share in enumerate(shares)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    versions = f"{program.versions} version{'s' * (program.versions != 1)}"
    told = f"PASS from {100 * shares[0]:.1f} % to {100 * shares[-1]:.1f} % in {len(shares)} runs"
    return (
        f"<svg class='line' viewBox='-2 0 104 52' preserveAspectRatio='none' role='img' aria-label='{told}'>"
        f"<polyline points='{line}'/></svg><p class='soft'>{told}, {versions}.</p>"
    )


def _history(program: Program) -> str:
    shown = program.entries[-MOST_RUNS:]
    rows = []
    for entry in reversed(shown):
        r = entry.results
        suites = ", ".join(f"{s['suite']} {s['version']}" for s in r["suites"])
        facts = (("Ended", r["finished"]), ("Version", entry.identity[:8]), ("Specification", _specifications(r)),
                 ("Suites", suites), ("Time", _seconds(entry)))  # fmt: skip
        cells = "".join(f"<td data-label='{name}'>{for_html(value)}</td>" for name, value in facts)
        rows.append(f"<tr><th scope='row'>{_result_link(entry)}</th>{cells}</tr>")
    left = len(program.entries) - len(shown)
    more = f"<p class='soft'>{left} older runs are points of the line alone.</p>" if left else ""
    names = ("Result", "Ended", "Version", "Specification", "Suites", "Time")
    head = "".join(f"<th scope='col'>{name}</th>" for name in names)
    return (
        f"<div class='scroll' tabindex='0'><table class='stack'><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>{more}"
    )


def _specifications(results: dict[str, Any]) -> str:
    return ", ".join(sorted({suite["specification"] for suite in results["suites"]}))


def _result_link(entry: Entry) -> str:
    counts = entry.results["counts"]
    kind = "good" if entry.results["passed"] else "bad"
    told = f"{counts['PASS']} of {entry.results['total']} PASS"
    return f"<a href='runs/{entry.slug}.html'><span class='{kind}'>{told}</span></a>"


# --- one run ---


def _run(program: Program, entry: Entry, title: str) -> str:
    r, subject = entry.results, entry.subject
    kind, verdict = ("good", "conforms to all that was run") if r["passed"] else ("bad", "does not pass")
    before = [e for e in program.entries if e.results["finished"] < r["finished"]]
    link = f" <a href='{before[-1].slug}.html'>The run before</a>." if before[-MOST_RUNS:] else ""
    facts = {
        subject.role: f"{r[subject.role]['kind']}, SHA-256 {entry.identity}", "ended": r["finished"],
        "took": _durations(entry), "suites": ", ".join(f"{s['suite']} {s['version']}" for s in r["suites"]),
        **r["environment"],
    }  # fmt: skip
    listed = "".join(f"<dt>{for_html(name)}</dt><dd>{for_html(value)}</dd>" for name, value in facts.items())
    body = (
        f"<p class='verdict {kind}'>{verdict}: {for_html(headline(r))}</p>"
        f"<p><img src='../badges/{subject.role}-{program.slug}.svg' alt='badge of the latest run'>{link}</p>"
        + _failed(entry)
        + _slowest(entry)
        + _areas(entry)
        + f"<section id='run'><h2>The run</h2><dl>{listed}</dl></section>"
    )
    return frame(entry.name[:NAME], title, body, here="runs.html", up="../")


def _durations(entry: Entry) -> str:
    times = [case["seconds"] for case in entry.cases]
    return f"{_seconds(entry)}; {statistics.median(times):.3f} s a {entry.subject.case} in the middle"


def _failed(entry: Entry) -> str:
    failed = [case for case in entry.cases if case["outcome"] not in entry.subject.good]
    if not failed:
        return ""
    rows, told = [], set()
    for case in failed[:MOST_CASES]:
        anchors = ""
        for name in case["about"]:
            anchors += "" if name in told else f"<span id='about-{for_html(name)}'></span>"
            told.add(name)
        rows.append(
            f"<tr id='{for_html(case['id'])}'><th scope='row'>{anchors}<a href='#{for_html(case['id'])}'>"
            f"{for_html(case['id'])}</a></th><td data-label='Outcome' class='no tag'>{case['outcome']}</td>"
            f"<td data-label='Reason'>{for_html(case['reason'], REASON)}</td>"
            f"<td data-label='About'>{for_html(', '.join(case['about']), REASON)}</td></tr>"
        )
    left = len(failed) - len(rows)
    rest = sorted({name for case in failed[MOST_CASES:] for name in case["about"]} - told)
    more = "".join(f"<span id='about-{for_html(name)}'></span>" for name in rest)
    more = f"<p class='soft'>{more}and {left} more; its results.json has all of them.</p>" if left else ""
    head = "".join(
        f"<th scope='col'>{name}</th>" for name in (entry.subject.case.capitalize(), "Outcome", "Reason", "About")
    )
    return (
        f"<section id='failed'><h2>Not passed</h2><div class='scroll' tabindex='0'><table class='stack'><thead><tr>"
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>{more}</section>"
    )


def _slowest(entry: Entry) -> str:
    slow = sorted(entry.cases, key=lambda case: -case["seconds"])[:MOST_SLOW]
    rows = "".join(f"<li>{for_html(case['id'])}: {case['seconds']:.3f} s, {case['peak_bytes'] >> 20} MiB</li>"
                   for case in slow)  # fmt: skip
    return f"<section id='slowest'><h2>Slowest</h2><ul>{rows}</ul></section>"


def _areas(entry: Entry) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{for_html(name)}</th>{_cell(entry.subject, counts, 'PASS')}</tr>"
        for name, counts in entry.results["areas"].items()
    )
    return (
        "<section id='areas'><h2>Areas</h2><div class='scroll' tabindex='0'><table class='stack'><thead><tr>"
        f"<th scope='col'>Area</th><th scope='col'>PASS</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )
