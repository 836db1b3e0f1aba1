"""Informative: a badge: the name of a program and how many of its cases pass, as a picture for other pages."""

from __future__ import annotations

from refsw.conformance.site.collected import Entry
from refsw.text import for_html, shown

CHARACTER, MARGIN, HEIGHT = 7, 8, 20
GOOD, BAD, BACK = "#116329", "#b3161f", "#3d444d"


def badge(entry: Entry) -> str:
    """The SVG of the badge of a run."""
    counts = entry.results["counts"]
    others = sum(counts.values()) - sum(counts[outcome] for outcome in entry.subject.good)
    told = f"{counts['PASS']} of {counts['PASS'] + others} {entry.subject.cases}"
    told += "" if entry.results["complete"] else ", not all run"
    left, right = f"DFC {shown(entry.name, 40)}", told
    widths = [len(text) * CHARACTER + 2 * MARGIN for text in (left, right)]
    colour = GOOD if entry.results["passed"] else BAD
    title = for_html(f"{left}: {right}")
    parts = []
    for text, x, width, fill in ((left, 0, widths[0], BACK), (right, widths[0], widths[1], colour)):
        parts.append(f'<rect x="{x}" width="{width}" height="{HEIGHT}" fill="{fill}"/>')
        parts.append(f'<text x="{x + width / 2:g}" y="14" fill="#fff" text-anchor="middle" '
                     f'textLength="{width - 2 * MARGIN}">{for_html(text)}</text>')  # fmt: skip
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{sum(widths)}" height="{HEIGHT}" role="img" '
        f'aria-label="{title}"><title>{title}</title><g font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        + "".join(parts)
        + "</g></svg>\n"
    )
