"""Texts that steer a terminal, deceive a reader, or break a file, and what must never come out."""

from __future__ import annotations

import unicodedata

SEQUENCES = "\x1b[2J\x1b]0;title\x07\x9b31m\x00\x08\x7f"
TURNED = "\u202eevil\u2066\u2069\u200e\u200f\u061c"
UNSEEN = "\u200b\u200d\u2060\ufeff\u00ad\u3164\ufe0f\U000e0041"
LINES = "first\r\nsecond\rthird\u2028fourth\u2029fifth\x85sixth\x0b\x0c"
PILE = "e" + "\u0301" * 200
BROKEN = "\udcff\ud800\ufffe\uffff\ue000"
MARKUP = "[bold]x[/bold] <img src=x onerror=alert(1)> *a* _b_ `c` | # d &lt;"
FORMULA = "=cmd|' /C calc'!A0"
HOSTILE = {
    "sequences": SEQUENCES, "turned": TURNED, "unseen": UNSEEN, "lines": LINES, "pile": PILE, "broken": BROKEN,
    "markup": MARKUP, "formula": FORMULA, "long": "long" * 5000,
}  # fmt: skip
ENCODABLE = {name: text for name, text in HOSTILE.items() if name != "broken"}
"""Those that are UTF-8."""
NAMES = {name: "".join(c for c in text if c >= " " and c != "\x7f")[:60] for name, text in ENCODABLE.items()}
"""What of them the syntax takes for the name of a tensor or a network (fps.name-characters)."""


def harmful(text: str) -> list[str]:
    """What a terminal or a reader must not get of a text of many lines: escaped, with the place of each."""
    found, marks = [], 0
    for place, c in enumerate(text):
        kind = unicodedata.category(c)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if (kind in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and c not in "\n\t") or marks > 4 or c in "\u3164\ufe0f":
            found.append(f"{c!a} at {place}")
    return found
