"""What docs/conformance.md and chapter 13 tell an implementer is true."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from refsw.conformance.decoders import decoder_under_test
from refsw.conformance.engine import locked
from refsw.conformance.results import Plan
from refsw.conformance.runner import run
from refsw.conformance.suite import Selection, load_suites
from refsw.conformance.verdicts import Outcome
from tests.conformance import making
from tests.conformance.making import INDEPENDENT, ROOT, judge, outcomes

MINE = """
import importlib.util
spec = importlib.util.spec_from_file_location("dfc_decoder", {path!r})
theirs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(theirs)
class Reject(Exception):
    unsupported = False
def decode(data, base):
    try:
        return theirs.decode(data, base)
    except theirs.dfc_decoder.Reject as error:
        mine = Reject(str(error))
        mine.unsupported = error.exit_code == 69
        raise mine
"""


def test_the_script_of_the_quick_start(tmp_path: Path, streams: dict[str, bytes]) -> None:
    text = (ROOT / "docs" / "conformance.md").read_text()
    script, _ = re.findall(r"```python\n(.*?)```", text, re.DOTALL)  # of a decoder, and of an encoder
    code = [line for line in script.splitlines() if line.strip()]
    assert len(code) <= 20
    (tmp_path / "run.py").write_text(script)
    (tmp_path / "mydecoder.py").write_text(MINE.format(path=str(INDEPENDENT.with_name("dfc.py"))))
    path = making.small_suite(tmp_path, streams)
    assert "--decoder './mydecoder {input} {output} {base}'" in text
    command = f"{sys.executable} {tmp_path}/run.py {{input}} {{output}} {{base}}"
    assert set(outcomes(judge(path, command)).values()) == {"PASS"}
    plan = Plan(load_suites([ROOT / "conformance" / "suites" / "model.json"]), decoder_under_test(command),
                selection=Selection(ids=("model-full-*", "model-copy-*", "model.broken-a*")), jobs=2)  # fmt: skip
    with locked(tmp_path / "r"):
        report = run(plan, tmp_path / "r")
    assert {str(result.outcome) for result in report.results} == {"PASS"}
    assert {result.vector.base is None for result in report.results} == {True, False}


def test_the_chapter_has_every_outcome_and_exit_code() -> None:
    chapter = (ROOT / "spec" / "13-conformance.md").read_text()
    decoders = chapter[: chapter.index("\n## 13.12")]
    table = re.findall(r"^\| ([A-Z_]+) \|", decoders, re.MULTILINE)
    assert table == [str(outcome) for outcome in Outcome]
    schema = json.loads((ROOT / "spec" / "schemas" / "results.schema.json").read_text())
    assert list(schema["$defs"]["counts"]["properties"]) == table


def test_the_chapter_has_the_limits_of_the_runner() -> None:
    from refsw.conformance.programs import Limits
    from refsw.conformance.sessions import START_SECONDS

    chapter = " ".join((ROOT / "spec" / "13-conformance.md").read_text().split())
    limits = Limits()
    assert f"by default to {limits.seconds:.0f} s and {limits.memory_bytes >> 30} GiB" in chapter
    assert f"to {limits.output_bytes >> 20} MiB and twice the size" in chapter
    assert f"Within {START_SECONDS:.0f} s of its start" in chapter
