"""13.9 The HTML page: one file without external resources, for narrow and wide windows, by day and by night.

What failed comes first. Everything that comes from vectors or from the decoder is escaped. The page works without its
script, which only filters; a vector that failed is a <details> element, reachable and opened by keyboard. So that the
page stays small, however much fails, it has details as long as there is room, and a row of a table for everything else.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from refsw.conformance.results import cases_of, failures_first, headline, where
from refsw.conformance.verdicts import Subject, subject_of
from refsw.text import for_html as escape

SHOWN_REQUIREMENTS = 12
ROOM = 900_000
"""Characters of a page with all the details that fit; the rows of what is left may take more."""
LONGEST_REASON, LONGEST_SAID, MOST_MISMATCHES = 160, 4000, 5

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --panel: #f6f8fa;
  --good: #116329; --bad: #b3161f; --open: #7a4e00; --mark: #0550ae; }
@media (prefers-color-scheme: dark) { :root { --back: #0d1117; --text: #e6edf3; --soft: #9ea7b1; --line: #373e47;
  --panel: #161b22; --good: #56d364; --bad: #ff7b72; --open: #e3b341; --mark: #79c0ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 82rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 16px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0; max-width: 60rem; }
a { color: var(--mark); }
.soft { color: var(--soft); }
.good { color: var(--good); } .bad { color: var(--bad); } .open { color: var(--open); }
.verdict { font-size: 1.15rem; font-weight: 600; }
.bar { display: flex; height: .75rem; border-radius: .4rem; overflow: hidden; background: var(--line);
  margin: .6rem 0; }
.bar span { display: block; background: currentColor; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 0 2.5rem; }
code, pre, .id { font-family: ui-monospace, monospace; font-size: .88em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel); border: 1px solid var(--line);
  border-radius: .4rem; padding: .6rem; margin: .4rem 0; max-height: 22rem; overflow: auto; }
form { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: end; background: var(--panel);
  border: 1px solid var(--line); border-radius: .5rem; padding: .7rem; margin: .5rem 0; }
label { display: grid; font-size: .85rem; color: var(--soft); flex: 1 1 11rem; }
input, select, button { font: inherit; color: var(--text); background: var(--back); border: 1px solid var(--line);
  border-radius: .35rem; padding: .35rem .5rem; min-width: 0; width: 100%; }
button { width: auto; cursor: pointer; }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .4rem 0; }
summary { cursor: pointer; padding: .5rem .7rem; display: grid; grid-template-columns: 10.5rem minmax(0, 1fr);
  gap: 0 .8rem; position: relative; padding-left: 1.8rem; }
summary::before { content: "\\25b8"; position: absolute; left: .7rem; top: .45rem; color: var(--soft); }
details[open] > summary::before { content: "\\25be"; }
summary .id { overflow-wrap: anywhere; font-weight: 600; }
summary .why { grid-column: 2; overflow-wrap: anywhere; font-size: .92rem; }
details > div { padding: 0 .7rem .7rem; }
.tag { font-weight: 700; font-size: .85rem; white-space: nowrap; overflow-wrap: normal; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem 1rem; margin: .4rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.place { border-left: 4px solid var(--bad); background: var(--panel); padding: .5rem .8rem; margin: .6rem 0; }
[data-rest] > div { overflow-x: auto; } [data-rest] table { min-width: 42rem; } [data-rest] th { white-space: nowrap; }
[hidden] { display: none !important; }
@media (max-width: 40rem) { summary { grid-template-columns: minmax(0, 1fr); } summary .why { grid-column: 1; }
  dl { grid-template-columns: minmax(0, 1fr); } dd { margin-bottom: .3rem; } body { padding: .7rem; } }
@media print { form { display: none; } }
"""

SCRIPT = """
const form = document.getElementById('filter'), shown = document.getElementById('shown');
const rows = [...document.querySelectorAll('[data-id]')];
function apply() {
  const f = new FormData(form), text = f.get('text').toLowerCase();
  let n = 0;
  for (const r of rows) {
    const d = r.dataset;
    const ok = (!f.get('area') || d.area === f.get('area')) && (!f.get('outcome') || d.outcome === f.get('outcome'))
      && (!f.get('about') || (d.about ?? r.lastChild.textContent).split(', ').includes(f.get('about')))
      && (!text || (d.id + ' ' + r.textContent).toLowerCase().includes(text));
    r.hidden = !ok; n += ok;
  }
  const chosen = [...f.values()].some(v => v);
  for (const d of document.querySelectorAll('[data-rest]')) {
    const left = d.querySelectorAll('tr[data-id]:not([hidden])').length;
    d.hidden = !left; d.open = chosen && left > 0; d.querySelector('.count').textContent = left;
  }
  shown.textContent = n + ' of ' + rows.length + ' shown';
}
form.hidden = false;
form.addEventListener('input', apply);
form.addEventListener('reset', () => setTimeout(apply));
form.addEventListener('submit', e => e.preventDefault());
for (const a of document.querySelectorAll('a[data-set]')) a.addEventListener('click', () => {
  form.reset(); const [name, value] = a.dataset.set.split('='); form.elements[name].value = value; apply();
});
apply();
"""


def html_page(results: dict[str, Any], more: str = "") -> str:
    """The page for the contents of a results.json, with more sections after the cases."""
    subject = subject_of(results)
    script = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script}'"
    failed = [v for v in failures_first(results) if v["outcome"] not in subject.good]
    passed = [str(outcome) for outcome in subject.worst_first if outcome in subject.good]
    body = [
        _head(results),
        f"<h2 id='outcomes'>Outcomes</h2>{_outcomes(subject, results['counts'])}",
        f"<h2 id='{subject.cases}'>{subject.cases.capitalize()}</h2>{_filter(results)}",
        "<p id='shown' class='soft' role='status' aria-live='polite'></p>",
    ]
    end = [
        *[_rest(subject, o, [v for v in cases_of(results) if v["outcome"] == o]) for o in passed],
        more,
        "<div class='two'><section>",
        f"<h2 id='areas'>Areas</h2>{_groups(subject, 'area', results['areas'])}",
        "</section><section>",
        f"<h2 id='requirements'>Requirements</h2>{_requirements(subject, results['about'])}",
        "</section></div>",
        f"<h2 id='run'>The run</h2>{_run(results)}",
    ]
    body += [*_failures(subject, failed, ROOM - sum(map(len, (*body, *end, STYLE, SCRIPT)))), *end]
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Conformance of {escape(results[subject.role]['name'])}</title><style>{STYLE}</style></head>\n"
        "<body><main>" + "\n".join(body) + f"</main>\n<script>{SCRIPT}</script></body></html>\n"
    )


def _failures(subject: Subject, failed: list[dict[str, Any]], room: int) -> list[str]:
    """What failed: with details, with less of them, or in a row, so that all of it fits if that can be."""
    rows = [_row(subject, v) for v in failed]
    room -= sum(map(len, rows))
    blocks, rest = [], []
    for v, row in zip(failed, rows, strict=True):
        block = _case(subject, v, whole=True, details_open=len(failed) == 1)
        if len(block) > room // 8:
            block = _case(subject, v, whole=False, details_open=False)
        if len(block) <= room // 4:
            blocks.append(block)
            room -= len(block) - len(row)
        else:
            rest.append(v)
    return [*blocks, _rest(subject, "more that did not pass; details are in results.json", rest)]


def _rest(subject: Subject, what: str, vectors: list[dict[str, Any]]) -> str:
    """Vectors in a table, folded."""
    if not vectors:
        return ""
    head = f"<tr><th>Outcome</th><th>{subject.case.capitalize()}</th><th>Title or reason</th><th>About</th></tr>"
    return (
        f"<section><details data-rest><summary><span><span class='count'>{len(vectors)}</span></span>"
        f"<span class='why'>{escape(what)}</span></summary><div><table>{head}"
        + "\n".join(_row(subject, v) for v in vectors)
        + "</table></div></details></section>"
    )


def _row(subject: Subject, v: dict[str, Any]) -> str:
    told = v["title"] if v["outcome"] == "PASS" else v["reason"] or v["title"]
    return (
        f"<tr data-id='{escape(v['id'])}' data-area='{escape(v['area'])}' data-outcome='{v['outcome']}'>"
        f"<td class='tag {_class(subject, v['outcome'])}'>{v['outcome']}</td><td class='id'>{escape(v['id'])}</td>"
        f"<td>{escape(told, LONGEST_REASON)}</td><td>{escape(', '.join(v['about']))}</td></tr>"
    )


def _class(subject: Subject, outcome: str) -> str:
    return "good" if outcome == "PASS" else "open" if outcome in subject.open else "bad"


def _head(results: dict[str, Any]) -> str:
    subject, counts, total = subject_of(results), results["counts"], results["total"]
    verdict, verdict_class = ("conforms to all that was run", "good") if results["passed"] else ("does not pass", "bad")
    parts = [(o, n, _class(subject, o)) for o, n in counts.items() if n]
    bar = "".join(f"<span class='{kind}' style='flex:{n}' title='{n} {o}'></span>" for o, n, kind in parts)
    suites = ", ".join(f"{escape(s['suite'])} {escape(s['version'])}" for s in results["suites"])
    chosen = "; ".join(f"{name} {', '.join(values)}" for name, values in results["selection"].items())
    return (
        f"<h1>Conformance of {escape(results[subject.role]['name'])}</h1>"
        f"<p class='verdict {verdict_class}'>{verdict}: {escape(headline(results))}</p>"
        f"<div class='bar' role='img' aria-label='{counts['PASS']} of {total} {subject.cases} passed'>{bar}</div>"
        f"<p class='soft'>Suites {suites}{'; selected: ' + escape(chosen) if chosen else ''}. "
        f"{results['seconds']:.1f} s, ended {escape(results['finished'])}.</p>"
    )


def _outcomes(subject: Subject, counts: dict[str, int]) -> str:
    rows = "".join(
        f"<tr><td><a href='#{subject.cases}' data-set='outcome={o}' class='tag {_class(subject, o)}'>{o}</a></td>"
        f"<td class='n'>{n}</td><td>{escape(subject.meanings[o])}</td></tr>"
        for o, n in counts.items()
        if n
    )
    head = f"<tr><th>Outcome<th class='n'>{subject.cases.capitalize()}<th>Meaning</tr>"
    return f"<div class='scroll'><table>{head}{rows}</table></div>"


def _groups(subject: Subject, what: str, groups: dict[str, dict[str, int]]) -> str:
    rows = []
    for name, counts in groups.items():
        outcome = subject.worst(counts)
        rows.append(
            f"<tr><td><a href='#{subject.cases}' data-set='{what}={escape(name)}'>{escape(name)}</a></td>"
            f"<td class='n'>{counts['PASS']}</td><td class='n'>{counts['SKIPPED'] or ''}</td>"
            f"<td class='n'>{sum(counts.values())}</td>"
            f"<td class='tag {_class(subject, outcome)}'>{outcome}</td></tr>"
        )
    head = f"<tr><th>{what.capitalize()}<th class='n'>PASS<th class='n'>Skipped<th class='n'>of<th>Worst</tr>"
    return f"<div class='scroll'><table>{head}{''.join(rows)}</table></div>"


def _requirements(subject: Subject, groups: dict[str, dict[str, int]]) -> str:
    broken = {name: c for name, c in groups.items() if subject.fails(c)}
    kept = {name: c for name, c in groups.items() if name not in broken}
    if not broken:
        failing = f"<p class='good'>No {subject.case} about a requirement failed.</p>"
    else:
        # What fails wholly, and is about few vectors, says most.
        order = sorted(broken, key=lambda name: (broken[name]["PASS"] / sum(broken[name].values()),
                                                 sum(broken[name].values()), name))  # fmt: skip
        failing = _groups(subject, "about", {name: broken[name] for name in order[:SHOWN_REQUIREMENTS]})
        rest = {name: broken[name] for name in order[SHOWN_REQUIREMENTS:]}
        failing += _folded(subject, rest, "more", f"with {subject.cases} that did not pass")
    return failing + _folded(subject, kept, "kept", f"all {subject.cases} about them PASS, but for what is optional")


def _folded(subject: Subject, groups: dict[str, dict[str, int]], what: str, why: str) -> str:
    if not groups:
        return ""
    return (
        f"<details><summary><span>{len(groups)} {what}</span><span class='why soft'>{why}</span></summary>"
        f"<div>{_groups(subject, 'about', groups)}</div></details>"
    )


def _filter(results: dict[str, Any]) -> str:
    def select(name: str, values: list[str]) -> str:
        options = "".join(f"<option>{escape(value)}</option>" for value in values)
        return (
            f"<label>{name.capitalize()}<select name='{name}'><option value=''>all</option>{options}</select></label>"
        )

    return (
        "<form id='filter' hidden>"
        + select("outcome", [o for o, n in results["counts"].items() if n])
        + select("area", list(results["areas"]))
        + select("about", list(results["about"]))
        + "<label>Text<input name='text' type='search'></label><button type='reset'>Show all</button></form>"
    )


def _case(subject: Subject, v: dict[str, Any], *, whole: bool, details_open: bool) -> str:
    attributes = (
        f"data-id='{escape(v['id'])}' data-area='{escape(v['area'])}' data-outcome='{v['outcome']}' "
        f"data-about='{escape(', '.join(v['about']))}'"
    )
    facts = {
        subject.case: f"{v['kind']}, area {v['area']}, profile {v['profile']}, level {v['level']}, suite {v['suite']}",
        "ended": f"exit code {v['exit_code']}" if v["signal"] is None else f"signal {v['signal']}",
        "took": f"{v['seconds']:.3f} s, {v['peak_bytes'] / 2**20:.0f} MiB",
        "notes": "; ".join(v["notes"]),
        "about": ", ".join(v["about"]),
    }
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items() if value)
    said = escape(v["stderr"], LONGEST_SAID if whole else LONGEST_REASON, lines=True)
    said = f"<p class='soft'>What the {subject.role} said</p><pre tabindex='0'>{said}</pre>" if said else ""
    why = escape(v["reason"] or v["title"])
    relied = (
        f"<details><summary><span>Relies on</span><span class='why soft'>{len(v['requirements'])} requirements, or "
        f"breaks them</span></summary><div>{escape(', '.join(v['requirements']), None)}</div></details>"
        if v["requirements"] and whole
        else ""
    )
    places = "".join(_mismatch(m, whole=whole) for m in v["mismatches"][:MOST_MISMATCHES])
    return (
        f"<details {attributes}{' open' if details_open else ''}><summary>"
        f"<span class='tag {_class(subject, v['outcome'])}'>{v['outcome']}</span>"
        f"<span class='id'>{escape(v['id'])}</span>"
        f"<span class='why'>{why}</span></summary><div><p>{escape(v['title'])}</p><dl>{listed}</dl>"
        f"{places}{said}{relied}</div></details>"
    )


def _mismatch(m: dict[str, Any], *, whole: bool) -> str:
    facts = {
        "tensor": m["tensor"],
        "checkpoint": m["checkpoint"],
        "what": m["what"],
        "not finite" if m.get("nonfinite") else "first at": where(m),
        "expected": m["expected"],
        "got": m["got"],
        "level": "" if m.get("expected_level") is None else f"{m['expected_level']} expected",
        "distance": "" if m.get("ulps") is None else f"{m['ulps']} ULP",
        "differing": "" if m.get("differing") is None else f"{m['differing']} of {m['elements']} elements",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items() if value)
    rows = "".join(
        f"<tr><td class='n'>{r['bit_offset']}</td><td class='n'>{r['bits']}</td><td>{escape(r['structure'])}</td>"
        f"<td><code>{escape(r['element'])}</code></td><td><code>{escape(r['value'])}</code></td></tr>"
        for r in (m.get("trace", []) if whole else [])
    )
    head = "<tr><th class='n'>Bit<th class='n'>Bits<th>Structure<th>Element<th>Value</tr>"
    trace = (
        f"<details><summary><span>Trace</span><span class='why soft'>the syntax elements around it</span></summary>"
        f"<div class='scroll'><table>{head}{rows}</table></div></details>"
        if rows
        else ""
    )
    return f"<div class='place'><dl>{listed}</dl></div>{trace}"


def _run(results: dict[str, Any]) -> str:
    subject, limits = subject_of(results), results["limits"]
    tested = results[subject.role]
    facts = {
        subject.role: f"{tested['kind']}, SHA-256 {tested['identity']}",
        "limits": f"{limits['seconds']:g} s, {limits['memory_bytes'] >> 20} MiB of memory a {subject.case}"
        + ("; errors compared with those of the vectors" if results.get("strict_errors") else ""),
        "started": results["started"],
        **{f"suite {s['suite']}": f"{s['version']}, SHA-256 {s['sha256']}" for s in results["suites"]},
        **results["environment"],
    }
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items()) + "</dl>"
