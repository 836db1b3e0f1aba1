"""Reports say what happened, hold together, and let nothing of the decoder through unescaped."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from refsw.conformance.page import html_page
from refsw.conformance.reports import load_results, write_reports
from refsw.errors import UsageError
from tests.conformance import making
from tests.conformance.making import ROOT, SABOTEUR, judge, outcomes, saboteur

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, streams: dict[str, bytes]) -> Path:
    return making.small_suite(tmp_path_factory.mktemp("reports"), streams)


@pytest.fixture(scope="module")
def wrong(small: Path) -> Path:
    """The reports of a decoder that is off by one step."""
    folder = small.parent / "wrong"
    folder.mkdir()
    write_reports(judge(small, f"{SABOTEUR}:off_by_one_step"), folder)
    return folder


@pytest.fixture(scope="module")
def noisy(small: Path) -> Path:
    """The reports of a decoder that says and rejects everything, with HTML in its name."""
    folder = small.parent / "noisy"
    folder.mkdir()
    command = saboteur("spam") + f" '{EVIL}\x1b[0m'"
    write_reports(judge(small, command, "bytes-*", "units-crc_r1"), folder)
    return folder


def test_results_keep_their_schema_and_add_up(wrong: Path) -> None:
    results = load_results(wrong / "results.json")
    assert results["total"] == len(results["vectors"]) == sum(results["counts"].values()) == 7
    assert sum(sum(c.values()) for c in results["areas"].values()) == 7
    assert (results["passed"], results["complete"]) == (False, True)
    assert results["requirements"]["bytes.format"]["MISMATCH"] == 1


def test_results_that_break_the_schema_are_refused(wrong: Path, tmp_path: Path) -> None:
    results = json.loads((wrong / "results.json").read_text())
    results["counts"]["FINE"] = 1
    (tmp_path / "r.json").write_text(json.dumps(results))
    with pytest.raises(UsageError, match="FINE"):
        load_results(tmp_path / "r.json")


def test_the_schemas_of_the_specification_are_those_in_use() -> None:
    for name in ("suite", "results"):
        file = f"{name}.schema.json"
        used = ROOT / "refsw" / "conformance" / "schemas" / file
        assert (ROOT / "spec" / "schemas" / file).read_text() == used.read_text()


def test_junit(wrong: Path) -> None:
    root = ElementTree.parse(wrong / "junit.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("skipped")) == ("7", "3", "0", "0")
    failures = {case.get("name"): case.find("failure") for case in root.iter("testcase")}
    assert sum(failure is not None for failure in failures.values()) == 3
    failure = failures["bytes-uniform_r1"]
    assert failure is not None
    assert failure.get("type") == "MISMATCH"
    assert "sample 0, channel 0, row 0, column 0" in (failure.text or "")


def test_csv(wrong: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((wrong / "results.csv").read_text())))
    assert len(rows) == 7
    row = next(row for row in rows if row["id"] == "bytes-uniform_r1")
    assert (row["outcome"], row["checkpoint"], row["column"], row["differing"]) == ("MISMATCH", "pictures", "0", "1")


def test_markdown(wrong: Path) -> None:
    text = (wrong / "report.md").read_text()
    assert "**FAIL**: 4 of 7 vectors PASS; 3 MISMATCH." in text
    assert "| bytes-uniform_r1 | MISMATCH |" in text
    assert "| bytes.format | 0 |  | 1 | MISMATCH |" in text


VOID = {"meta", "input", "br"}


class Page(HTMLParser):
    """Tags, attributes and text; complains about what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID | {"th"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "th":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_names_the_place(wrong: Path) -> None:
    page = Page((wrong / "report.html").read_text())
    for words in ["4 of 7 vectors PASS", "sample 0, channel 0, row 0, column 0", "0xbf800000", "sample_minimum[0]",
                  "1 of 120 elements", "dequantize.uniform"]:  # fmt: skip
        assert words in page.text
    vectors = [(tag, a["data-outcome"]) for tag, a in page.tags if "data-id" in a]
    assert vectors == [("details", "MISMATCH")] * 3 + [("tr", "PASS")] * 4  # what failed comes first


def failing(count: int, wrong: Path, **fields: object) -> dict[str, Any]:
    """Results in which everything fails, with much to tell of each."""
    results = load_results(wrong / "results.json")
    (one,) = (v for v in results["vectors"] if v["id"] == "bytes-uniform_r1")
    vectors = [copy.deepcopy(one) | {"id": f"bytes-n{i}_r1"} | fields for i in range(count)]
    return results | {"vectors": vectors, "total": count}


def test_the_page_stays_small_whatever_fails(wrong: Path) -> None:
    said = {
        "stderr": "<x>" * 3000,
        "about": ["a.requirement-of-some-length", "b.another-of-them"],
        "reason": "r" * 2000,
    }
    results = failing(2000, wrong, **said)
    assert len(json.dumps(results)) > 10 << 20
    text = html_page(results)
    assert len(text.encode()) < 1_000_000
    page = Page(text)
    vectors = [(tag, a["data-id"]) for tag, a in page.tags if "data-id" in a]
    assert [name for _, name in vectors] == [f"bytes-n{i}_r1" for i in range(2000)]
    assert vectors[0][0] == "details"  # there is room for the first ones
    assert vectors[-1][0] == "tr"
    assert "0xbf800000" in page.text
    few = html_page(failing(20, wrong))
    assert few.count("<details data-id=") == few.count("the syntax elements around it") == 20


def test_what_is_skipped_and_unproven_is_shown_apart(tmp_path: Path, streams: dict[str, bytes]) -> None:
    entries = [
        making.vector(tmp_path, "raw-plain", streams["raw"], about=["unit.crc"]),
        making.vector(tmp_path, "raw-optional", streams["raw"], optional=["VVC"], about=["vvc.stream"],
                      requirements=["vvc.stream", "unit.crc"]),
        making.vector(tmp_path, "text-bad", b"x", "malformed", about=["unit.framing"], exercises=["a=b"]),
        making.vector(tmp_path, "text-like", streams["gzip"], exercises=["a=b"], about=["bytes.format"]),
    ]  # fmt: skip
    (tmp_path / "mine.py").write_text(
        "import refsw\nclass R(Exception): pass\nseen = []\ndef decode(data):\n    seen.append(data)\n"
        "    if len(seen) in (1,): return {'tensor0': refsw.decode(data)}\n"
        "    e = R(); e.exit_code = 69 if len(seen) == 2 else 65; raise e\n"
    )
    report = judge(making.suite(tmp_path, entries), f"{tmp_path}/mine.py:decode", jobs=1)
    assert list(outcomes(report).values()) == ["PASS", "SKIPPED", "UNPROVEN", "REJECTED_VALID"]
    results = write_reports(report, tmp_path)
    assert results["counts"] == dict.fromkeys(results["counts"], 0) | {
        "PASS": 1, "SKIPPED": 1, "UNPROVEN": 1, "REJECTED_VALID": 1,
    }  # fmt: skip
    assert results["about"]["unit.framing"]["UNPROVEN"] == 1
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "2", "0", "1"]
    order = ["text-like_r1", "text-bad_r1", "raw-optional_r1", "raw-plain_r1"]
    assert [case.get("name") for case in root.iter("testcase")] == order
    assert [case.get("name") for case in root.iter("testcase") if case.find("skipped") is not None] == [order[2]]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "results.csv").read_text())))
    assert [(row["id"], row["about"]) for row in rows][:2] == [(order[0], "bytes.format"), (order[1], "unit.framing")]
    text = (tmp_path / "report.md").read_text()
    assert text.index("## Not passed") < text.index(order[0]) < text.index(order[1]) < text.index("## Skipped")
    assert text.index("## Skipped") < text.index(order[2]) < text.index("## Areas")
    assert "| raw | 1 | 1 | 2 | SKIPPED |" in text
    page = Page((tmp_path / "report.html").read_text())
    assert [a["data-id"] for _, a in page.tags if "data-id" in a] == order
    assert "1 SKIPPED (VVC, which is optional)" in page.text
    assert "which shows nothing: of 1 valid vectors with" in page.text


def test_the_page_loads_nothing_from_elsewhere(wrong: Path) -> None:
    text = (wrong / "report.html").read_text()
    assert not re.search(r"https?:|url\(|@import|<link|<img|<iframe", text)
    page = Page(text)
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not any(name in a for _, a in page.tags for name in ("src", "onclick"))
    assert all((a.get("href") or "#").startswith("#") for _, a in page.tags)


@pytest.mark.parametrize("name", ["report.html", "report.md", "junit.xml", "results.csv", "results.json"])
def test_nothing_that_the_decoder_says_gets_through(noisy: Path, name: str) -> None:
    text = (noisy / name).read_bytes().decode()
    assert not set(text) & set("\x1b\x00\x07\u202e")
    if name in ("report.html", "report.md"):
        assert EVIL not in text
        assert "alert(1)" in text
    if name == "report.html":
        assert sum(tag == "script" for tag, _ in Page(text).tags) == 1
    if name == "junit.xml":
        ElementTree.fromstring(text)
    assert len(text) < 200_000


def test_a_decoder_that_passes(small: Path, tmp_path: Path) -> None:
    write_reports(judge(small, "refsw"), tmp_path)
    assert "**PASS**: 7 of 7 vectors PASS." in (tmp_path / "report.md").read_text()
    assert "conforms to all that was run" in (tmp_path / "report.html").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "junit.xml", "report.html", "report.md", "results.csv", "results.json",
    ]  # fmt: skip
