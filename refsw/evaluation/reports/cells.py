"""Informative: tables whose figures stay numbers, so that each form of the report can show them in its own way."""

from __future__ import annotations

import math
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from refsw.text import for_html, for_markdown

EMPTY = "-"
LINE = 80


@dataclass(frozen=True, slots=True)
class Form:
    """How figures of a kind are written.

    Args:
        digits: after the point.
        unit: what follows.
        scale: what is written is the value times this.
        sign: write a plus as well.
        excel: the number format in a workbook, where the value itself is stored.
    """

    digits: int
    excel: str
    unit: str = ""
    scale: float = 1.0
    sign: bool = False

    def text(self, value: float | None) -> str:
        """The figure for people; a small one keeps two digits instead of becoming 0."""
        if value is None or not math.isfinite(value):
            return EMPTY
        scaled = self.scale * value
        sign = "+" if self.sign else ""
        text = f"{scaled:{sign},.{self.digits}f}"
        if scaled and not any(c in "123456789" for c in text) and not self.sign:
            text = f"{scaled:.2g}"
        return f"{text}{self.unit}"


RATE = Form(3, "0.0000")
SCORE = Form(4, "0.0000")
SHORT_SCORE = Form(3, "0.0000")
SHARE = Form(2, "0.00%", " %", 100)
WHOLE_SHARE = Form(0, "0%", " %", 100)
PERCENT = Form(2, '0.00" %"', " %")
CHANGE = Form(2, '+0.00" %";-0.00" %";0.00" %"', " %", sign=True)
DIFFERENCE = Form(4, "+0.0000;-0.0000;0.0000", sign=True)
COUNT = Form(0, "#,##0")
MILLISECONDS = Form(2, "0.00")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in a table; None where there is none."""

    value: float | None
    form: Form

    @property
    def text(self) -> str:
        """For people."""
        return self.form.text(self.value)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two figures in one cell, as in Table 3 of MM'19: rate | fidelity."""

    first: Figure
    second: Figure

    @property
    def text(self) -> str:
        """For people; a pair of which nothing is known is one dash."""
        both = (self.first.text, self.second.text)
        return EMPTY if both == (EMPTY, EMPTY) else "|".join(both)


Cell = str | Figure | Pair


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Args:
        title: above it.
        heading: of the columns; those of the first `texts` hold text, the others figures.
        rows: cells.
        notes: lines beneath it.
        pair: what the two figures of a pair are.
        texts: columns of text at the left.
    """

    title: str
    heading: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    pair: tuple[str, str] = ("", "")
    texts: int = 1

    def as_markdown(self) -> str:
        """As Markdown that is aligned, to be read as it is."""
        rows = [[for_markdown(cell_text(cell)) for cell in row] for row in (self.heading, *self.rows)]
        widths = [max(3, *(width(row[column]) for row in rows)) for column in range(len(self.heading))]
        rule = [("-" * (w - 1)) + (":" if column >= self.texts else "-") for column, w in enumerate(widths)]
        lines = [f"### {for_markdown(self.title)}", "", self._row(rows[0], widths), self._row(rule, widths)]
        lines += [self._row(row, widths) for row in rows[1:]]
        if self.notes:
            lines += ["", *(wrapped(for_markdown(note)) for note in self.notes)]
        return "\n".join(lines) + "\n"

    def _row(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        padded = []
        for column, (cell, wanted) in enumerate(zip(cells, widths, strict=True)):
            blank = " " * (wanted - width(cell))
            padded.append(cell + blank if column < self.texts else blank + cell)
        return f"| {' | '.join(padded)} |"

    def as_html(self) -> str:
        """As HTML, every name escaped."""
        kinds = [' class="text"' if column < self.texts else "" for column in range(len(self.heading))]
        head = "".join(f"<th{kind}>{for_html(name)}</th>" for kind, name in zip(kinds, self.heading, strict=True))
        body = "".join(f"<tr>{self._cells(row)}</tr>" for row in self.rows)
        notes = "".join(f"<p>{for_html(note)}</p>" for note in self.notes)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f'<h3>{for_html(self.title)}</h3><div class="wide" tabindex="0">{table}</div>{notes}'

    def _cells(self, row: Sequence[Cell]) -> str:
        parts = []
        for column, cell in enumerate(row):
            kind = "text" if column < self.texts else _tone(cell)
            kind = f' class="{kind}"' if kind else ""
            parts.append(f"<td{kind}>{for_html(cell_text(cell))}</td>")
        return "".join(parts)


def _tone(cell: Cell) -> str:
    """Whether a change of rate is a gain or a loss; its sign says so as well."""
    if not isinstance(cell, Figure) or cell.form is not CHANGE or not cell.value:
        return ""
    return "gain" if cell.value < 0 else "loss"


def cell_text(cell: Cell) -> str:
    """A cell for people."""
    return cell if isinstance(cell, str) else cell.text


def width(text: str) -> int:
    """Columns that a text takes in a terminal."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def bullets(lines: Iterable[str]) -> str:
    """A list in Markdown."""
    return "".join(f"{wrapped(line, first='- ', other='  ')}\n" for line in lines)


def wrapped(text: str, first: str = "", other: str = "") -> str:
    """Text in lines that a terminal has room for; words stay whole."""
    return textwrap.fill(
        text, LINE, initial_indent=first, subsequent_indent=other, break_long_words=False, break_on_hyphens=False
    )
