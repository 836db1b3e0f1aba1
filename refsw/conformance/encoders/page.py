"""13.12.6 What the reports of an encoder have beside outcomes: what its bitstreams declare, their error and rate."""

from __future__ import annotations

from typing import Any

from refsw.conformance.reports import More
from refsw.text import for_html, for_markdown

FEW = 12
"""Rows of a table that is shown without being asked for."""
HEAD = ("Input", "Bytes", "of the tensors", "Profile", "Level", "Narrower", "MSE", "Greatest error", "Time")


def sections(results: dict[str, Any]) -> More:
    """The sections for the contents of a results.json."""
    coded = [case for case in results["inputs"] if case["stream"]]
    if not coded:
        return More()
    tables = [("rates", "Rate beside refsw's presets", *_rates(coded)),
              ("streams", "Bitstreams", *_streams(coded))]  # fmt: skip
    rules = sorted({rule for case in coded for rule in case["stream"]["rules"]})
    html, text = [], []
    for name, title, told, head, rows in tables:
        if rows:
            html.append(_html(name, title, told, head, rows))
            text.append(_markdown(title, told, head, rows))
    listed = "".join(f"<li>{for_html(rule)}</li>" for rule in rules)
    html.append(f"<h2 id='rules'>How elements were judged</h2><ul>{listed}</ul>")
    text.append("\n## How elements were judged\n\n" + "".join(f"- {for_markdown(rule)}\n" for rule in rules))
    return More("\n".join(html), "".join(text))


def _rates(coded: list[dict[str, Any]]) -> tuple[str, tuple[str, ...], list[list[str]]]:
    compared = [case for case in coded if case["stream"]["rate"]]
    presets = list(dict.fromkeys(name for case in compared for name in case["stream"]["rate"]))
    rows = []
    for case in compared:
        stream = case["stream"]
        shares = [_share(stream["rate"].get(name)) for name in presets]
        rows.append([case["id"], f"{stream['bytes']:,}", f"{stream['mse']:.4g}", *shares])
    told = (
        "Bytes over those that the preset takes for the same mean square error of the same input: below 100 % the "
        "encoder takes less. Nothing depends on it: an encoder is free."
    )
    return told, ("Input", "Bytes", "MSE", *presets), rows


def _share(beside: dict[str, Any] | None) -> str:
    if beside is None:
        return ""
    return "out of its range" if beside["share"] is None else f"{100 * beside['share']:.1f} %"


def _streams(coded: list[dict[str, Any]]) -> tuple[str, tuple[str, ...], list[list[str]]]:
    rows = []
    for case in coded:
        s = case["stream"]
        narrower = [] if s["narrowest_profile"] == s["profile"] else [s["narrowest_profile"]]
        narrower += [] if s["narrowest_level"] == s["level"] else [f"level {s['narrowest_level']}"]
        share = f"{100 * s['bytes'] / s['raw_bytes']:.1f} %" if s["raw_bytes"] else ""
        rows.append([case["id"], f"{s['bytes']:,}", share, s["profile"], str(s["level"]), ", ".join(narrower),
                     f"{s['mse']:.4g}", f"{s['worst']:.4g}", f"{case['seconds']:.3f} s"])  # fmt: skip
    return "What every bitstream declares, whether less would do, its error, and the time of a run.", HEAD, rows


def _html(name: str, title: str, told: str, head: tuple[str, ...], rows: list[list[str]]) -> str:
    first = "".join(f"<th{_numeric(i)}>{for_html(text)}" for i, text in enumerate(head))
    body = "\n".join(
        "<tr>" + "".join(f"<td{_numeric(i)}>{for_html(text)}</td>" for i, text in enumerate(row)) + "</tr>"
        for row in rows
    )
    opened = " open" if len(rows) <= FEW else ""
    return (
        f"<h2 id='{name}'>{for_html(title)}</h2><p class='soft'>{for_html(told)}</p>"
        f"<details{opened}><summary><span>{len(rows)} inputs</span></summary>"
        f"<div class='scroll' tabindex='0'><table><tr>{first}</tr>{body}</table></div></details>"
    )


def _numeric(column: int) -> str:
    return " class='n'" if column else ""


def _markdown(title: str, told: str, head: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [f"\n## {title}", "", told, "", f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
    lines += [f"| {' | '.join(map(for_markdown, row))} |" for row in rows]
    return "\n".join(lines) + "\n"
