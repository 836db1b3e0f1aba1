"""Foreign text is shown on one line, harmless, and bounded, in every form that people read."""

from __future__ import annotations

import csv
import html
import io
import pickle
import re
from xml.etree import ElementTree

import pytest
from hostile import FORMULA, HOSTILE, MARKUP, harmful

from refsw.errors import ErrorClass, FeatureError, SemanticError
from refsw.text import LONGEST, for_csv, for_html, for_markdown, for_workbook, sentence, shown

everything = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())


@everything
def test_a_hostile_text_is_one_harmless_line_of_bounded_length(text: str) -> None:
    for told in (shown(text), sentence(text)):
        assert harmful(told) == []
        assert "\n" not in told
        assert "\t" not in told
        assert len(told) <= LONGEST
        assert told.encode()
    assert shown(shown(text)) == shown(text)


def test_a_character_is_shown_as_it_is_or_escaped() -> None:
    for code in (*range(0x3200), *range(0xD7F0, 0x10010), 0xE0041, 0x10FFFF):
        told = shown(f"a{chr(code)}")
        assert harmful(told) == [], hex(code)
        assert told in (f"a{chr(code)}", f"a{chr(code).encode('unicode_escape').decode()}"), hex(code)


@pytest.mark.parametrize(
    "text",
    ["", "layer1.conv2", "couche 3 \u00e9t\u00e9", "\u5c42\u3000\u4e00", "\u05e9\u05db\u05d1\u05d4", "e\u0301", "C:\\x",
     "\u0baa\u0bcb", "\N{GRINNING FACE}", "a  b"],
)  # fmt: skip
def test_names_of_all_languages_stay_as_they_are(text: str) -> None:
    assert shown(text) == sentence(text) == text


def test_what_is_escaped_can_still_be_told() -> None:
    assert shown("a\x1b[0m\x00\u202e\ud800\r\nb\tc") == "a\\x1b[0m\\x00\\u202e\\ud800\\r\\nb\\tc"
    assert shown("a\x1b\r\nb\tc\rd", lines=True) == "a\\x1b\nb\tc\\rd"
    assert shown("\U000e0041\u0301x") == "\\U000e0041\\u0301x"


def test_of_a_long_text_the_middle_is_left_out() -> None:
    told = shown("a" * 50 + "b" * 5000 + "c" * 20, 100)
    assert len(told) == 100
    assert re.fullmatch("a{50}b+ \\[\\.\\.\\.\\] b+c{20}", told)
    assert shown("x" * 5000, None) == "x" * 5000


def test_the_lines_of_a_message_become_one_sentence() -> None:
    assert sentence("  cannot read\n   line 2:\r\n x  y\n") == "cannot read line 2: x  y"


@everything
def test_errors_are_harmless_and_keep_what_they_were_given(text: str) -> None:
    error = SemanticError(ErrorClass.OUT_OF_RANGE, "fps.layer-id-unique", text, 8, expected=text, got=text)
    assert harmful(str(error)) == []
    assert str(error).endswith("[requirement fps.layer-id-unique, phase semantic]")
    assert error.got == error.as_dict()["got"] == pickle.loads(pickle.dumps(error)).got == text
    assert error.to_json().isascii()
    assert harmful(str(FeatureError(f"{text}: no tensor"))) == []
    assert str(FeatureError(f"{text}: no tensor")).endswith(": no tensor")


@everything
def test_markdown_takes_no_markup_from_a_text(text: str) -> None:
    told = for_markdown(text)
    assert harmful(told) == []
    assert not re.search(r"(?<!\\)[*`\[\]|~#]|[<>]", told.replace("\\\\", ""))


def test_markup_in_markdown_is_told_as_it_stands() -> None:
    assert for_markdown("a_b _c_ __d__ *x* <b> &amp; R&D") == (
        "a_b \\_c\\_ \\_\\_d\\_\\_ \\*x\\* &lt;b&gt; &amp;amp; R&D"
    )
    assert for_markdown("a - b ====") == "a - b \\===="


@everything
def test_html_and_xml_hold_a_text_as_it_is_shown(text: str) -> None:
    assert html.unescape(for_html(text)) == shown(text)
    assert ElementTree.fromstring(f"<a b='{for_html(text)}'/>").get("b") == shown(text)


@pytest.mark.parametrize("text", [FORMULA, " =1", "+1", "-x", "@x", "\uff1d1", "\uff20x"])
def test_a_spreadsheet_takes_no_text_for_a_formula(text: str) -> None:
    assert for_csv(text).startswith("'")


@everything
def test_a_text_is_one_field_of_csv(text: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow([for_csv(text), for_csv(0.1), for_csv(3), for_csv(None)])
    assert harmful(out.getvalue().rstrip("\r\n")) == []
    (row,) = csv.reader(io.StringIO(out.getvalue()))
    assert row[1:] == ["0.1", "3", ""]


def test_a_workbook_decodes_nothing_in_a_text() -> None:
    assert for_workbook("_x001B_[2J _x00_ \x1b") == "_x005F_x001B_[2J _x00_ \\x1b"
    assert for_workbook(MARKUP) == MARKUP
