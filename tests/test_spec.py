"""The text of spec/ and the code say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import refsw
from refsw.entropy.rans import Decoder
from refsw.errors import ErrorClass
from refsw.models.tables import as_tables
from refsw.syntax.codes import Profile
from refsw.syntax.structures import STRUCTURES
from tests.workshop import workshop

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "spec"
CHAPTERS = sorted(SPEC.glob("[01]*.md")) + sorted(SPEC.glob("annex-[ab]*.md"))  # annex C repeats them
TEXT = "\n".join(path.read_text() for path in CHAPTERS)
SOURCES = sorted((ROOT / "refsw").rglob("*.py"))
DEFINED = re.findall(r"^\*\*\[([a-z0-9.-]+)\]\*\*", TEXT, re.MULTILINE)
FROM_TABLES = {s.requirement(e.name) for s in STRUCTURES for e in s.elements()} | set(
    re.findall(r"\| `(level\.[a-z-]+)` \|", TEXT)
)


def tool(name: str) -> Any:
    """A module of tools/."""
    with workshop(name) as module:
        return module


def test_rendered_parts_are_up_to_date() -> None:
    render_spec = tool("render_spec")
    stale = [path.name for path, text in render_spec.files().items() if path.read_text() != text]
    assert stale == [], "run: make spec"


def test_syntax_json_is_json() -> None:
    assert json.loads((SPEC / "syntax.json").read_text())["version"] == "1.1"


def test_suites_may_have_every_profile() -> None:
    schema = json.loads((SPEC / "schemas" / "suite.schema.json").read_text())
    assert schema["$defs"]["vector"]["properties"]["profile"]["enum"] == [profile.name for profile in Profile]


def test_requirement_ids_are_unique() -> None:
    assert sorted(DEFINED) == sorted(set(DEFINED))
    assert not set(DEFINED) & FROM_TABLES


def test_every_sentence_with_shall_has_a_requirement_id() -> None:
    naked = []
    for path in CHAPTERS:
        for paragraph in re.split(r"\n\s*\n", path.read_text()):
            if re.search(r"\bshall\b", paragraph) and not paragraph.lstrip().startswith("**["):
                naked.append(f"{path.name}: {paragraph.strip()[:80]}")
    assert naked == []


def test_every_requirement_cited_in_the_code_is_in_the_spec() -> None:
    families = "|".join(sorted({name.split(".")[0] for name in [*DEFINED, *FROM_TABLES]}))
    cited = {
        (path.relative_to(ROOT), name)
        for path in SOURCES
        for name in re.findall(rf'"((?:{families})\.[a-z0-9_-]+)"', path.read_text())
        if not name.endswith((".py", ".md", ".json", ".bin"))
    }
    unknown = [entry for entry in cited if entry[1] not in DEFINED and entry[1] not in FROM_TABLES]
    assert unknown == []
    assert len(cited) > 60


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_clause_cited_in_a_docstring_exists(path: Path) -> None:
    headings = set(re.findall(r"^#+ (\d+(?:\.\d+)*)", TEXT, re.MULTILINE))
    cited = re.findall(r'"""(?:[Cc]hapters? )?(\d+(?:\.\d+)+) ', path.read_text())
    cited += re.findall(r"\((\d+\.\d+(?:\.\d+)*)\)", "\n".join(re.findall(r'"""(.*?)"""', path.read_text(), re.DOTALL)))
    assert [c for c in cited if c not in headings and "H.265" not in c] == []


def test_every_error_class_is_in_chapter_12() -> None:
    chapter = (SPEC / "12-errors.md").read_text()
    assert [c for c in ErrorClass if f"| {c} |" not in chapter] == []


def test_every_clause_that_the_text_refers_to_exists() -> None:
    headings = set(re.findall(r"^#+ (?:Annex )?([0-9A-C]+(?:\.\d+)*)", TEXT, re.MULTILINE))
    wrong = []
    for path in CHAPTERS:
        text = re.sub(r"(?:H\.26[56]|T\.8(?:1|00)|RFC \d+)[^)]*", "", path.read_text())
        for group in re.findall(r"\(((?:see )?[\dB]+(?:\.\d+)+(?:, [\d]+(?:\.\d+)+)*)\)", text):
            wrong += [(path.name, clause) for clause in re.findall(r"[\dB.]+", group) if clause not in headings]
        found = re.findall(
            r"\b(?:see|by|as|with|of|in|to) ((?:[4-9]|1[0-3])\.\d+(?:\.\d+)?)(?![\d.]*\d| GiB| s\b|[:x]| of\b)", text
        )
        wrong += [(path.name, clause) for clause in found if clause not in headings]
    assert wrong == []


def test_links_between_chapters_lead_somewhere() -> None:
    for path in [*CHAPTERS, SPEC / "README.md"]:
        for target in re.findall(r"\]\(([a-z0-9.-]+\.md)\)", path.read_text()):
            assert (SPEC / target).exists(), f"{path.name}: {target}"


def test_the_checklist_has_every_requirement_once() -> None:
    checklist, text = tool("checklist"), (SPEC / "annex-c-checklist.md").read_text()
    listed = re.findall(r"^\| ☐ \| `([a-z0-9._-]+)` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted({*DEFINED, *(name for name in FROM_TABLES if name in checklist.bounds())})
    assert set(checklist.requirements()) == set(DEFINED)


def test_a_requirement_that_no_list_has_stops_the_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    checklist = tool("checklist")
    monkeypatch.setitem(checklist.LISTS, "metadata", ["unit.crc", "metadata.nonsense"])
    with pytest.raises(SystemExit) as caught:
        checklist.check()
    assert "in no list: metadata.key_length, metadata.utf8" in str(caught.value)
    assert "in two lists: unit.crc" in str(caught.value)
    assert "no requirement: metadata.nonsense" in str(caught.value)


def test_the_worked_update_of_annex_a_is_what_the_reference_decoder_makes_of_it() -> None:
    example = tool("annex_update")
    data = bytes.fromhex((SPEC / "annex-a-update.hex").read_text())
    decoded, worked = refsw.apply_update(example.BASE, data), example.result()
    assert list(decoded) == list(worked)
    for name, array in worked.items():
        assert (decoded[name].dtype, decoded[name].tobytes()) == (array.dtype, array.tobytes())


def test_every_state_of_the_worked_update_is_that_of_the_reference_decoder() -> None:
    example = tool("annex_update")
    steps, table = example.steps(), example.frequencies()
    payload, lanes = example.element("model_payload"), 2
    states = np.frombuffer(payload, ">u4", lanes).astype(np.uint32)
    words = np.frombuffer(payload, ">u2", example.element("word_count"), 4 * lanes).astype(np.uint16)
    decoder = Decoder(as_tables([np.array(table)]), states, words)
    symbols = np.concatenate(list(decoder.symbols(np.zeros(len(steps), np.uint8))))
    assert symbols.tolist() == [step.symbol for step in steps]
    assert decoder.states.tolist() == [1 << 16] * lanes
    assert [step.word for step in steps if step.word is not None] == words.tolist()
