"""Informative: the frame of the pages: one file each, no resources but one another, for all widths, and for print."""

from __future__ import annotations

import base64
import hashlib

from refsw.conformance.page import STYLE as PAGE_STYLE
from refsw.text import for_html

STYLE = (
    PAGE_STYLE
    + """
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: .4rem 0 .8rem; border-bottom: 1px solid var(--line);
  margin-bottom: 1rem; }
nav [aria-current] { color: var(--text); font-weight: 700; text-decoration: none; }
h2, h3, p, li { overflow-wrap: anywhere; }
.skip { position: absolute; left: -999rem; } .skip:focus { position: static; }
tr:target, section:target > h2, li:target { background: var(--panel); outline: 2px solid var(--mark); }
.stack th:first-child { min-width: 14rem; } thead th { overflow-wrap: normal; } td.cell { min-width: 6rem; }
td .bar { height: .4rem; margin: .25rem 0 0; }
svg.line { width: 100%; max-width: 30rem; height: 3.2rem; display: block; }
svg.line polyline { fill: none; stroke: var(--mark); stroke-width: 2; vector-effect: non-scaling-stroke; }
svg.line circle { fill: var(--mark); }
#drop { border: 2px dashed var(--line); border-radius: .5rem; padding: 1rem; margin: .6rem 0;
  background: var(--panel); }
#drop.over { border-color: var(--mark); }
.yes { color: var(--good); } .no { color: var(--bad); font-weight: 700; } .none { color: var(--soft); }
img { max-width: 100%; }
@media (max-width: 40rem) {
  table.stack, .stack tbody, .stack tr, .stack td { display: block; width: 100%; } .stack thead { display: none; }
  .stack tr { border-bottom: 2px solid var(--line); padding: .4rem 0; } .stack td, .stack th[scope=row] { border: 0; }
  .stack th[scope=row] { display: block; min-width: 0; color: var(--text); font-size: 1rem; }
  .stack td { display: grid; grid-template-columns: 9rem minmax(0, 1fr); text-align: left; }
  .stack td::before { content: attr(data-label); color: var(--soft); }
  .stack td .bar { grid-column: 1 / -1; } }
@media print { nav, #own, .skip { display: none; } a { color: inherit; text-decoration: none; }
  tr, li { break-inside: avoid; } .scroll { overflow: visible; } }
"""
)


def frame(title: str, site: str, body: str, *, here: str, up: str = "", script: str = "", data: str = "") -> str:
    """A whole page.

    Args:
        title: of the page.
        site: title of all pages.
        body: HTML.
        here: the page of the navigation that it belongs to.
        up: how to get to the folder of the navigation, such as ../
        script: JavaScript; nothing else may run.
        data: JSON that the script reads, without markup.
    """
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file:"
    policy += f"; script-src 'sha256-{allowed}'" if script else ""
    links = "".join(
        f"<a href='{up}{file}'{current}>{text}</a>"
        for file, text in (("index.html", "Programs"), ("requirements.html", "Requirements"), ("runs.html", "Runs"))
        for current in [" aria-current='page'" if file == here else ""]
    )
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{for_html(title)} - {for_html(site)}</title><style>{STYLE}</style></head>\n<body>"
        f"<a class='skip' href='#main'>To the contents</a><nav aria-label='Pages'>{links}</nav>"
        f"<main id='main'><h1>{for_html(title)}</h1>{body}</main>"
        + (f"<script type='application/json' id='data'>{data}</script>" if data else "")
        + (f"<script>{script}</script>" if script else "")
        + "</body></html>\n"
    )
