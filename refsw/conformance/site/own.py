"""Informative: the place for results of one's own: they stay in the browser, and are shown beside the others."""

from __future__ import annotations

import json
from typing import Any

from refsw.conformance.site.collected import Side

PLACE = """
<section id='own'><h2>Your own results</h2>
<div id='drop'><p><label for='file'>Choose a results.json, or drop it here. It stays on your machine.</label></p>
<input type='file' id='file' accept='.json,application/json'></div>
<div id='yours' role='status' aria-live='polite'></div></section>
"""

SCRIPT = """
const known = JSON.parse(document.getElementById('data').textContent);
const yours = document.getElementById('yours'), drop = document.getElementById('drop');
const make = (tag, text, parent) => {
  const node = document.createElement(tag); if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node); return node;
};
function table(head, rows) {
  const box = make('div'); box.className = 'scroll'; box.tabIndex = 0;
  const whole = make('table', undefined, box), first = make('tr', undefined, make('thead', undefined, whole));
  for (const text of head) make('th', text, first);
  const body = make('tbody', undefined, whole);
  for (const row of rows) { const line = make('tr', undefined, body); for (const text of row) make('td', text, line); }
  return box;
}
function show(results) {
  const role = 'encoder' in results ? 'encoder' : 'decoder', side = known[role];
  const cases = results[role === 'encoder' ? 'inputs' : 'vectors'];
  const good = new Set(side.good), mine = new Map(cases.map(c => [c.id, c]));
  yours.replaceChildren();
  make('h3', String(results[role].name), yours);
  const counts = Object.entries(results.counts).filter(([, n]) => n).map(([name, n]) => n + ' ' + name).join(', ');
  make('p', counts + ' of ' + cases.length + ', ended ' + results.finished, yours);
  const suites = [...new Set(cases.map(c => c.suite))].map(suite => {
    const own = cases.filter(c => c.suite === suite);
    return [suite, own.filter(c => c.outcome === 'PASS').length + ' of ' + own.length];
  });
  yours.append(table(['Suite', 'PASS'], suites));
  if (side.programs.length) {
    make('h3', 'Beside the others', yours);
    const behind = [];
    const rows = side.programs.map(p => {
      let better = 0, worse = 0, both = 0;
      side.ids.forEach((id, i) => {
        const own = mine.get(id), other = side.outcomes[p.outcomes.charCodeAt(i) - 65];
        if (!own || other === undefined) return;
        both += 1;
        const a = good.has(own.outcome), b = good.has(other);
        if (a && !b) better += 1;
        if (!a && b) { worse += 1; behind.push(id); }
      });
      return [p.name, both, better, worse];
    });
    yours.append(table(['Program', 'In both', 'You alone are right', 'It alone is right'], rows));
    const first = [...new Set(behind)].slice(0, 50);
    if (first.length) {
      make('h3', 'What others pass and yours does not', yours);
      const lines = first.map(id => [id, mine.get(id).outcome, mine.get(id).reason]);
      yours.append(table(['Id', 'Outcome', 'Reason'], lines));
    }
  }
}
async function take(file) {
  try { show(JSON.parse(await file.text())); }
  catch (error) { yours.replaceChildren(); make('p', 'Not the results of a run: ' + error.message, yours); }
}
document.getElementById('file').addEventListener('change', e => { if (e.target.files[0]) take(e.target.files[0]); });
for (const kind of ['dragover', 'dragleave', 'drop']) drop.addEventListener(kind, e => {
  e.preventDefault(); drop.classList.toggle('over', kind === 'dragover');
  if (kind === 'drop' && e.dataTransfer.files[0]) take(e.dataTransfer.files[0]);
});
"""


def data_of(sides: list[Side]) -> str:
    """The outcomes of the latest run of every program, a letter a case, as JSON that holds no markup."""
    told: dict[str, Any] = {}
    for side in sides:
        ids = sorted({case["id"] for p in side.programs for case in p.latest.cases})
        letters = {str(outcome): chr(65 + i) for i, outcome in enumerate(side.subject.outcomes)}
        programs = []
        for program in side.programs:
            found = {case["id"]: letters[case["outcome"]] for case in program.latest.cases}
            programs.append({"name": program.name, "outcomes": "".join(found.get(name, "~") for name in ids)})
        told[side.subject.role] = {
            "ids": ids, "outcomes": [str(outcome) for outcome in side.subject.outcomes],
            "good": sorted(side.subject.good), "programs": programs,
        }  # fmt: skip
    text = json.dumps(told, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
