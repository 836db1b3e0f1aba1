"""The pages made of many results: what they tell, that they hold together, and that they work in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from refsw.conformance.changes import find_reports
from refsw.conformance.reports import JSON, load_results
from refsw.conformance.site.collected import collect
from refsw.conformance.site.pages import write_site
from refsw.errors import UsageError
from tests import browser
from tests.browser import Browser
from tests.conformance import making
from tests.conformance.making import SABOTEUR, judge

EVIL = "<script>alert(1)</script>\u202e"
ENTER, TAB = ("Enter", 13), ("Tab", 9)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory, streams: dict[str, bytes]) -> Path:
    """Twelve runs: three decoders, one of them with HTML in its name, and an encoder, each thrice."""
    folder = tmp_path_factory.mktemp("site")
    small = making.small_suite(folder, streams)
    of_decoder = {name: judge(small, name, jobs=2).as_dict() for name in ("refsw", f"{SABOTEUR}:off_by_one_step")}
    evil = json.loads(json.dumps(of_decoder["refsw"]))
    evil["decoder"]["name"] = EVIL
    for case in evil["vectors"]:
        case |= {"reason": EVIL, "outcome": "MISMATCH", "about": ["unit.crc"]} if case["kind"] == "valid" else {}
    evil |= {"passed": False, "counts": count(evil["vectors"], evil["counts"])}
    evil["about"] = {"unit.crc": count(evil["vectors"], evil["counts"])}
    runs = [*of_decoder.values(), evil, an_encoder(of_decoder["refsw"])]
    for number in range(3):
        for place, results in enumerate(runs):
            role = "encoder" if "encoder" in results else "decoder"
            own = json.loads(json.dumps(results)) | {"finished": f"2026-0{number + 1}-01T00:00:0{place}+00:00"}
            own[role]["identity"] = f"{number // 2:064x}"
            path = folder / "reports" / f"{role}{place}" / str(number) / JSON
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(own))
            load_results(path)
    hidden = folder / "reports" / ".scratch"
    hidden.mkdir()
    (hidden / JSON).write_text("{}")
    return folder / "reports"


def count(cases: list[dict[str, Any]], names: dict[str, int]) -> dict[str, int]:
    return {name: sum(case["outcome"] == name for case in cases) for name in names}


def an_encoder(results: dict[str, Any]) -> dict[str, Any]:
    """Results of an encoder with one input, made of those of a decoder."""
    from refsw.conformance.verdicts import ENCODERS

    case = results["vectors"][0] | {"kind": "valid", "claim": "features", "outcome": "PASS", "stream": None}
    kept = {name: value for name, value in results.items() if name not in ("decoder", "strict_errors", "vectors")}
    counts = ENCODERS.counts(["PASS"])
    return kept | {
        "format": ENCODERS.format, "encoder": results["decoder"], "claims": ["features"], "choices": {}, "total": 1,
        "passed": True, "counts": counts, "areas": {case["area"]: counts}, "about": {}, "requirements": {},
        "inputs": [case],
    }  # fmt: skip


@pytest.fixture(scope="module")
def site(reports: Path) -> Path:
    folder = reports.parent / "pages"
    write_site(find_reports([reports]), folder, "Results & more")
    return folder


class Links(HTMLParser):
    """The ids of a page, and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {found["id"]} - {None} if "id" in found else set()  # type: ignore[arg-type]
        self.links += [value for name in ("href", "src") if (value := found.get(name))]
        self.scripts += tag == "script"


def test_all_links_lead_to_something_and_nothing_is_from_elsewhere(site: Path) -> None:
    pages = {path: Links(path.read_text()) for path in site.rglob("*.html")}
    assert len(pages) == 3 + 12
    for path, page in pages.items():
        assert page.scripts == (2 if path.name == "index.html" else 0)
        for link in page.links:
            file, _, fragment = link.partition("#")
            target = (path.parent / file).resolve() if file else path.resolve()
            assert target.is_file(), (path, link)
            if fragment and target.suffix == ".html":
                ids = next(found.ids for known, found in pages.items() if known.resolve() == target)
                assert fragment in ids, (path, link)
    whole = "".join(path.read_text() for path in site.rglob("*.*"))
    assert not re.search(r"(?:src|href)='(?!\.\./|#|index|requirements|runs|badges|[a-z0-9-]+\.html)", whole)
    assert "http:" not in whole.replace("http://www.w3.org/2000/svg", "")


def test_foreign_text_is_harmless(site: Path) -> None:
    for path in site.rglob("*.*"):
        text = path.read_text()
        assert "<script>alert" not in text
        assert "\u202e" not in text
    assert "\\u003cscript\\u003e" in (site / "index.html").read_text()
    for path in site.glob("badges/*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_programs_are_told_with_their_suites_runs_and_versions(reports: Path, site: Path) -> None:
    decoders, encoders = collect(find_reports([reports]))
    assert [len(p.entries) for p in (*decoders.programs, *encoders.programs)] == [3, 3, 3, 3]
    assert [p.versions for p in decoders.programs] == [2, 2, 2]
    assert decoders.requirements()["unit.crc"].count(False) == 1
    index, runs = (site / "index.html").read_text(), (site / "runs.html").read_text()
    assert "7 of 7" in index
    assert "4 of 7" in index
    assert runs.count("in 3 runs") == 8  # each in a picture and in words
    assert "2026-03-01T00:00:00" in runs
    badge = next(path.read_text() for path in site.glob("badges/decoder-refsw-*.svg"))
    assert "DFC refsw: 7 of 7 vectors" in badge


def test_requirements_that_nobody_or_everybody_passes_are_apart(site: Path) -> None:
    text = (site / "requirements.html").read_text()
    for told in ("that nobody passes", "that some pass", "that everybody passes"):
        assert told in text
    assert "id='decoder-unit.crc'" in text


def test_pages_are_small_and_the_same_again(reports: Path, site: Path, tmp_path: Path) -> None:
    assert sum(path.stat().st_size for path in site.rglob("*.*")) < 2 << 20
    write_site(find_reports([reports]), tmp_path, "Results & more")
    for path in site.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / path.relative_to(site)).read_bytes()


def test_a_run_with_many_failures_has_a_page_that_is_not_large(reports: Path, tmp_path: Path) -> None:
    results = find_reports([reports])[0]
    case = results["vectors"][0] | {"outcome": "CRASH", "reason": "x" * 2000}
    cases = [case | {"id": f"text-n{i}_r1"} for i in range(3000)]
    results |= {"vectors": cases, "total": 3000, "counts": count(cases, results["counts"]), "passed": False}
    write_site([results], tmp_path, "many")
    (page,) = tmp_path.glob("runs/*.html")
    assert page.stat().st_size < 200_000
    assert "and 2850 more" in page.read_text()


def test_what_is_no_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no results\.json"):
        find_reports([tmp_path])
    (tmp_path / JSON).write_text("[]")
    with pytest.raises(UsageError):
        find_reports([tmp_path])
    with pytest.raises(UsageError, match="nothing to show"):
        write_site([], tmp_path, "none")


# --- in a browser ---


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if browser.program() is None:
        pytest.skip("no Chromium here")
    with Browser() as opened:
        yield opened


def test_pages_fit_narrow_and_wide_windows(site: Path, chromium: Browser) -> None:
    for name in ("index.html", "requirements.html", "runs.html", "runs/" + next(site.glob("runs/*.html")).name):
        for width in (400, 1600):
            chromium.open(site / name, width)
            assert chromium.value("document.documentElement.scrollWidth") <= width, (name, width)
    assert chromium.complaints == []


def test_everything_is_reached_by_keyboard(site: Path, chromium: Browser) -> None:
    chromium.open(site / "index.html", 1600)
    wanted = chromium.value("document.querySelectorAll('a[href], input, summary, [tabindex=\"0\"]').length")
    seen = set()
    for _ in range(wanted):
        chromium.press(*TAB)
        seen.add(chromium.value("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
    assert len(seen) == wanted
    chromium.open(site / "requirements.html", 400)
    chromium.value("document.querySelector('summary').focus()")
    before = chromium.value("document.querySelector('details').open")
    chromium.press(*ENTER)
    assert chromium.value("document.querySelector('details').open") is not before


def test_a_link_leads_to_its_place(site: Path, chromium: Browser) -> None:
    chromium.open(site / "requirements.html", 400, fragment="#decoder-unit.crc")
    assert chromium.value("document.querySelector(':target').id") == "decoder-unit.crc"
    assert 0 <= chromium.value("document.querySelector(':target').getBoundingClientRect().top") < 1000


def test_results_of_ones_own_are_shown_beside_the_others(site: Path, reports: Path, chromium: Browser) -> None:
    chromium.open(site / "index.html", 400)
    own = json.loads((reports / "decoder1" / "0" / JSON).read_text())
    own["decoder"]["name"] = f"mine {EVIL}"
    path = reports.parent / "own.json"
    path.write_text(json.dumps(own))
    chromium.choose("#file", path)
    chromium.until("document.getElementById('yours').textContent")
    text = chromium.value("document.getElementById('yours').textContent")
    assert "mine <script>alert(1)</script>" in text
    assert "4 of 7" in text
    assert "hevc-mosaic_r1" in text
    assert chromium.value("document.querySelectorAll('#yours script').length") == 0
    assert chromium.value("document.documentElement.scrollWidth") <= 400
    nonsense = reports.parent / "nonsense.json"
    nonsense.write_text("nonsense")
    chromium.choose("#file", nonsense)
    chromium.until("document.getElementById('yours').textContent.includes('Not the results')")
    assert chromium.complaints == []


def test_pages_print(site: Path, chromium: Browser) -> None:
    chromium.open(site / "index.html", 1600)
    assert len(chromium.ask("Page.printToPDF")["data"]) > 10_000
    chromium.ask("Emulation.setEmulatedMedia", media="print")
    assert chromium.value("getComputedStyle(document.querySelector('nav')).display") == "none"
    chromium.ask("Emulation.setEmulatedMedia", media="")


def test_stress_is_beside_conformance_and_not_in_its_place(reports: Path) -> None:
    (whole, *_) = find_reports([reports])
    stress = json.loads(json.dumps(whole)) | {"finished": "2999-01-01T00:00:00+00:00"}
    stress["suites"] = [stress["suites"][0] | {"suite": "stress"}]
    for case in stress["vectors"]:
        case["suite"] = "stress"
    (program,) = (p for side in collect([whole, stress]) for p in side.programs)
    (side,) = (side for side in collect([whole, stress]) if side.programs)
    assert program.latest.results["suites"] == whole["suites"]
    found = program.latest_of("stress")
    assert found is not None
    assert found.results is stress
    assert side.suites == sorted({case["suite"] for case in whole["vectors"]} | {"stress"})


def test_names_of_programs_are_read_beside_many_suites(reports: Path, chromium: Browser, tmp_path: Path) -> None:
    (whole, *_) = find_reports([reports])
    many = json.loads(json.dumps(whole))
    names = [f"suite-{i}" for i in range(20)]
    many["vectors"] = [many["vectors"][0] | {"suite": name, "id": f"{name}_r1"} for name in names]
    write_site([many], tmp_path / "many", "Many")
    chromium.open(tmp_path / "many" / "index.html", 1600)
    assert chromium.value("document.querySelector('th[scope=row]').offsetWidth") >= 200
