"""Informative: foreign text, fit to be shown to people: the one way by which it reaches a terminal or a report.

Foreign is what a bitstream, a file, a file's name, a configuration or another program says. It may hold sequences that
steer a terminal, characters that reverse the order of others or are not seen, marks that pile up over the lines above,
formulas, and markup. What is for machines (JSON) keeps it exactly, with escapes.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Any

LONGEST = 2000
"""Characters that are shown of one text, unless a place has room for more or less."""
MOST_MARKS = 4
"""Combining marks that a character may carry; written languages take up to that."""
LEFT_OUT = " [...] "

# Letters and marks by category, yet nothing is seen of them (Default_Ignorable_Code_Point of the Unicode standard).
_UNSEEN = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10),
           *range(0xE0100, 0xE01F0)}  # fmt: skip
_NEW_LINES = re.compile(r"[ \t]*[\r\n]+[ \t]*")
_MARKDOWN = re.compile(r"[\\`*\[\]|~#]|(?<![^\W_])_|_(?![^\W_])|(?<!\S)(?:=+|-{3,})(?!\S)")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four: as some spreadsheets read them
_WORKBOOK_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


def shown(text: object, most: int | None = LONGEST, *, lines: bool = False) -> str:
    r"""A text on one line, what is not seen or acts on others as escapes (\x1b, \u202e); shown twice it stays as it is.

    Escaped are control and format characters, separators of lines, halves of surrogates (bytes in the names of files
    that are no UTF-8), what is assigned to no character, marks at the start or beyond `MOST_MARKS`, and what is never
    seen.

    Args:
        text: anything that has one.
        most: characters to show; of a longer text the middle is left out. None: all.
        lines: leave line feeds and tabs as they are.
    """
    text = str(text).replace("\r\n", "\n") if lines else str(text)
    if most is None:
        return _escaped(text, lines=lines)
    begin = _escaped(text[:most], lines=lines)
    if len(text) <= most and len(begin) <= most:
        return begin
    end = most // 3
    return begin[: most - end - len(LEFT_OUT)] + LEFT_OUT + _escaped(text[-most:], lines=lines)[-end:]


def sentence(text: object, most: int | None = LONGEST) -> str:
    """A message in one paragraph: ends of lines, which messages of libraries have, become spaces."""
    return shown(_NEW_LINES.sub(" ", str(text).strip()), most)


def _escaped(text: str, *, lines: bool) -> str:
    plain = text.replace("\n", "").replace("\t", "") if lines else text
    if plain.isascii() and plain.isprintable():
        return text
    out, marks = [], MOST_MARKS  # one at the start would combine with what stands before the text
    for c in text:
        kind = unicodedata.category(c)
        if kind[0] == "M" and ord(c) not in _UNSEEN:
            marks += 1
            out.append(c if marks <= MOST_MARKS else _escape(c))
        elif (c.isprintable() or kind == "Zs") and ord(c) not in _UNSEEN:
            marks = 0
            out.append(c)
        else:
            marks = MOST_MARKS
            out.append(c if lines and c in "\n\t" else _escape(c))
    return "".join(out)


def _escape(c: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(c)
    return short.get(c) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


def for_markdown(text: object, most: int | None = LONGEST) -> str:
    """A text in Markdown, in a paragraph, a heading or a cell; no markup in it counts, in whatever dialect."""
    plain = _MARKDOWN.sub(lambda found: f"\\{found[0]}", shown(text, most))
    # Not every dialect knows \<.
    return _ENTITY.sub("&amp;", plain).replace("<", "&lt;").replace(">", "&gt;")


def for_html(text: object, most: int | None = LONGEST, *, lines: bool = False) -> str:
    """A text in HTML or XML, also as an attribute's value in quotes."""
    return html.escape(shown(text, most, lines=lines))


def for_csv(value: Any) -> Any:
    """A value in a field of CSV: floats with all their digits; text that a spreadsheet would run gets a quote."""
    if isinstance(value, float):
        return repr(value)
    if not isinstance(value, str):
        return value
    text = shown(value)
    return f"'{text}" if is_formula(text) else text


def for_workbook(text: object) -> str:
    """A text in a cell of a workbook: Excel takes _x001B_ for an escape, which is therefore one itself."""
    return _WORKBOOK_ESCAPE.sub("_x005F_", shown(text))


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take a text for a formula when it is typed."""
    return text.lstrip().startswith(_FORMULA)
