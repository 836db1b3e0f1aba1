"""9.6, 13.6: a decoder of features is told the digest of the receiver's model, in every form that a decoder has."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from refsw.conformance.decoders import decoder_under_test
from refsw.conformance.engine import locked
from refsw.conformance.results import Plan
from refsw.conformance.runner import run
from refsw.conformance.suite import Selection, load_suites
from refsw.conformance.verdicts import Outcome
from tests.conformance import making
from tests.conformance.making import PATIENT, ROOT

VECTORS = ("same", "other", "second", "present")
REFSW = f"{shlex.quote(sys.executable)} -m refsw decode {{input}} -o {{output}}.npz"
FUNCTION = """
from refsw.conformance.reference import decode as decode_with_model

def decode(data, base=None):
    return decode_with_model(data, base)
"""
PROCESS = making.PROCESS.replace("TAKES", "model")


def outcomes(tmp_path: Path, decoder: str) -> dict[str, Outcome]:
    ids = tuple(f"syntax-model.digest-{name}_r1" for name in VECTORS)
    suites = load_suites([ROOT / "conformance" / "suites" / "lossless.json"])
    plan = Plan(suites, decoder_under_test(decoder), PATIENT, Selection(ids=ids))
    with locked(tmp_path / "report"):
        report = run(plan, tmp_path / "report", fresh=True)
    return {result.vector.id.split("-")[2].removesuffix("_r1"): result.outcome for result in report.results}


@pytest.mark.parametrize("decoder", ["refsw", "independent", f"{REFSW} --model={{model}}"])
def test_a_decoder_that_is_told_the_model_is_held_to_it(tmp_path: Path, decoder: str) -> None:
    assert outcomes(tmp_path, decoder) == dict.fromkeys(VECTORS, Outcome.PASS)


def test_a_process_that_talks_is_told_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "process.py").write_text(PROCESS)
    found = outcomes(tmp_path, f"{shlex.quote(sys.executable)} {tmp_path / 'process.py'}")
    assert found == dict.fromkeys(VECTORS, Outcome.PASS)


def test_a_process_that_does_not_say_so_is_not_held_to_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    deaf = PROCESS.replace(', "model": True', "").replace(', model=asked.get("model")', "")
    (tmp_path / "process.py").write_text(deaf)
    found = outcomes(tmp_path, f"{shlex.quote(sys.executable)} {tmp_path / 'process.py'}")
    assert found == dict.fromkeys(VECTORS, Outcome.SKIPPED) | {"present": Outcome.PASS}


def test_a_decoder_that_is_told_no_model_is_not_held_to_it(tmp_path: Path) -> None:
    (tmp_path / "function.py").write_text(FUNCTION)
    skipped = dict.fromkeys(VECTORS, Outcome.SKIPPED) | {"present": Outcome.PASS}
    for decoder in (REFSW, f"{tmp_path / 'function.py'}:decode"):
        assert outcomes(tmp_path / str(len(decoder)), decoder) == skipped
