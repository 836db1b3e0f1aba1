"""13.6.9: captures of packets, for decoders of every form that take their session description."""

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

SUITE = ROOT / "conformance" / "suites" / "carriage.json"
FEW = (
    "carriage-lost-middle_r1", "carriage-parts-lost_r1", "carriage-file-ethernet.6_r1",
    "carriage-nothing-session_r1", "carriage-others-told_r1", "carriage-out.of.band_r1",
)  # fmt: skip
REFSW = f"{shlex.quote(sys.executable)} -m refsw depacketize {{input}} -o {{output}}.npz --save-mask"
FUNCTION = """
from refsw.conformance.reference import decode as decode_with_sdp

def decode(data, base=None, sdp=None):
    tensors = decode_with_sdp(data, base, sdp=sdp)
    CHANGE
    return tensors
"""
PROCESS = making.PROCESS.replace("TAKES", "sdp")


def outcomes(folder: Path, decoder: str, ids: tuple[str, ...] = FEW, *, strict: bool = False) -> dict[str, Outcome]:
    plan = Plan(load_suites([SUITE]), decoder_under_test(decoder), PATIENT, Selection(ids=ids), strict_errors=strict)
    with locked(folder):
        report = run(plan, folder, fresh=True)
    return {result.vector.id: result.outcome for result in report.results}


def test_the_reference_receiver_passes_every_capture(tmp_path: Path) -> None:
    found = outcomes(tmp_path / "r", "refsw", ("*",), strict=True)
    assert {name: outcome for name, outcome in found.items() if outcome is not Outcome.PASS} == {}
    assert len(found) >= 100


def test_the_command_line_is_a_decoder_of_captures(tmp_path: Path) -> None:
    assert outcomes(tmp_path / "r", f"{REFSW} --sdp {{sdp}}") == dict.fromkeys(FEW, Outcome.PASS)


def test_a_process_that_talks_is_told_of_session_descriptions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "process.py").write_text(PROCESS)
    found = outcomes(tmp_path / "r", f"{shlex.quote(sys.executable)} {tmp_path / 'process.py'}")
    assert found == dict.fromkeys(FEW, Outcome.PASS)
    (tmp_path / "deaf.py").write_text(PROCESS.replace(', "sdp": True', ""))
    found = outcomes(tmp_path / "s", f"{shlex.quote(sys.executable)} {tmp_path / 'deaf.py'}")
    assert found == dict.fromkeys(FEW, Outcome.SKIPPED)


def test_a_decoder_that_takes_no_captures_is_not_held_to_them(tmp_path: Path) -> None:
    (tmp_path / "function.py").write_text("def decode(data, base=None):\n    raise ValueError\n")
    for place, decoder in enumerate((REFSW, f"{tmp_path / 'function.py'}:decode")):
        assert outcomes(tmp_path / str(place), decoder) == dict.fromkeys(FEW, Outcome.SKIPPED)


@pytest.mark.parametrize(
    "change",
    [
        'tensors = {k: v | True if k.endswith("@mask") else v for k, v in tensors.items()}',
        'tensors = {k: v for k, v in tensors.items() if "@" not in k}',
        'tensors = {k: v + 1 if k.endswith("@first") else v for k, v in tensors.items()}',
        'tensors = {k: v[1:] if "@" not in k else v for k, v in tensors.items()}',
        'tensors = {k: v + (v == 0) if "@" not in k else v for k, v in tensors.items()}',
    ],
    ids=["mask", "no masks", "first", "samples", "elements that did not come"],
)
def test_a_receiver_that_is_wrong_is_found(tmp_path: Path, change: str) -> None:
    (tmp_path / "mine.py").write_text(FUNCTION.replace("CHANGE", change))
    found = outcomes(tmp_path / "r", f"{tmp_path / 'mine.py'}:decode", ("carriage-lost-middle_r1",))
    assert found == {"carriage-lost-middle_r1": Outcome.MISMATCH}
