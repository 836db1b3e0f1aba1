"""Runs that are killed, interrupted, tried again or added to: nothing is lost, and nothing runs twice."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import alive, children, until

from refsw.conformance.decoders import decoder_under_test
from refsw.conformance.engine import RECORDS, Records
from refsw.conformance.programs import Limits
from refsw.conformance.results import Plan
from refsw.conformance.runner import run
from refsw.conformance.suite import Selection, load_suites
from refsw.errors import UsageError
from tests.conformance import making
from tests.conformance.making import ROOT, outcomes, processes_of, run_refsw


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, streams: dict[str, bytes]) -> Path:
    return making.small_suite(tmp_path_factory.mktemp("runner"), streams)


STOPPING = """#!/bin/sh
read n < $1
echo $n >> {folder}/log
while [ $n -ge 30 ] && [ ! -e {folder}/go ]; do sleep 0.05; done
exit 65
"""


def stopping_decoder(folder: Path) -> str:
    """The command of a decoder that does not get beyond the 30th vector until there is a file `go`."""
    script = folder / "stopping.sh"
    script.write_text(STOPPING.replace("{folder}", str(folder)))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return f"{script} {{input}} {{output}}"


def texts(folder: Path, count: int) -> Path:
    entries = [making.vector(folder, f"text-n{i}", f"{i}\n".encode(), "malformed") for i in range(count)]
    return making.suite(folder, entries)


def lines(folder: Path) -> int:
    path = folder / RECORDS
    return path.read_bytes().count(b"\n") if path.exists() else 0


def records(folder: Path) -> list[dict[str, Any]]:
    path = folder / RECORDS
    return [json.loads(line) for line in path.read_text().splitlines()[1:]] if path.exists() else []


def test_a_run_that_is_killed_goes_on_without_loss_and_nothing_twice(tmp_path: Path) -> None:
    path, out = texts(tmp_path, 60), tmp_path / "report"
    words = ["conformance", "run", path, "-o", out, "-j", "2", "--decoder", stopping_decoder(tmp_path)]
    first = subprocess.Popen(
        [sys.executable, "-m", "refsw", *map(str, words)], env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    until(lambda: lines(out) > 20, first)
    guards = children(first.pid)
    first.send_signal(signal.SIGKILL)
    first.wait()
    until(lambda: not any(map(alive, guards)))
    assert processes_of(str(tmp_path)) == []  # decoders end with the runner
    (tmp_path / "go").touch()
    before = records(out)
    assert 10 <= len(before) < 60
    with (out / RECORDS).open("ab") as file:
        file.write(b'{"suite": "small", "id": "text-n5')  # as if killed within a line
    done = run_refsw(*words)
    assert done.returncode == 1, done.stderr
    after = records(out)
    assert after[: len(before)] == before
    assert sorted(r["id"] for r in after) == sorted(f"text-n{i}_r1" for i in range(60))
    calls = (tmp_path / "log").read_text().split()
    assert set(calls) == {str(i) for i in range(60)}
    assert len(calls) <= 62  # those in flight
    results = json.loads((out / "results.json").read_text())
    assert (results["total"], results["counts"]["UNPROVEN"], results["complete"]) == (60, 60, True)


def test_an_interrupted_run_reports_what_was_not_run(tmp_path: Path) -> None:
    path, out = texts(tmp_path, 60), tmp_path / "report"
    words = ["conformance", "run", path, "-o", out, "--decoder", stopping_decoder(tmp_path)]
    first = subprocess.Popen(
        [sys.executable, "-m", "refsw", *map(str, words)], env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: lines(out) > 5, first)
    first.send_signal(signal.SIGINT)
    assert first.wait() == 130
    results = json.loads((out / "results.json").read_text())
    counts = results["counts"]
    assert (results["complete"], results["passed"]) == (False, False)
    assert counts["NOT_RUN"] > 0
    assert counts["NOT_RUN"] + counts["UNPROVEN"] == 60
    assert processes_of(str(tmp_path)) == []


def plan(path: Path, decoder: str = "refsw", limits: Limits | None = None) -> Plan:
    return Plan(load_suites([path]), decoder_under_test(decoder), limits or Limits())


def test_stale_results_are_refused(small: Path, tmp_path: Path) -> None:
    run(plan(small), tmp_path)
    seen: list[str] = []
    run(plan(small), tmp_path, on_result=lambda result, *_: seen.append(result.vector.id))
    assert seen == []
    with pytest.raises(UsageError, match="limits changed"):
        run(plan(small, limits=Limits(1.0)), tmp_path)
    with pytest.raises(UsageError, match="decoder changed"):
        run(plan(small, "independent"), tmp_path)
    manifest = json.loads(small.read_text())
    manifest["vectors"][0]["title"] = "Another."
    (small.parent / "changed.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="suites changed"):
        run(plan(small.parent / "changed.json"), tmp_path)
    report = run(plan(small, "independent"), tmp_path, fresh=True)
    assert report.passed
    (tmp_path / RECORDS).write_bytes(b"{}\n")
    with pytest.raises(UsageError, match="damaged"):
        run(plan(small), tmp_path)


def test_a_decoder_that_changes_is_another(small: Path, tmp_path: Path) -> None:
    program = tmp_path / "mine.py"
    program.write_text("def decode(data): return {}\n")
    before = decoder_under_test(f"{program}:decode").identity
    program.write_text("def decode(data): return {1: 2}\n")
    assert decoder_under_test(f"{program}:decode").identity != before
    command_before = decoder_under_test(f"{sys.executable} {program} {{input}} {{output}}").identity
    program.write_text("pass\n")
    assert decoder_under_test(f"{sys.executable} {program} {{input}} {{output}}").identity != command_before


def test_errors_of_the_harness_are_tried_again(tmp_path: Path, streams: dict[str, bytes]) -> None:
    path = making.suite(tmp_path, [making.vector(tmp_path, "raw-n0", streams["raw"])])
    file = tmp_path / "test_vectors" / "raw-n0.dfc"
    file.rename(tmp_path / "away")
    out = tmp_path / "report"
    out.mkdir()
    assert outcomes(run(plan(path), out)) == {"raw-n0": "HARNESS_ERROR"}
    (tmp_path / "away").rename(file)
    assert outcomes(run(plan(path), out)) == {"raw-n0": "PASS"}


def test_other_selections_add_to_the_same_records(small: Path, tmp_path: Path) -> None:
    first = Plan(load_suites([small]), decoder_under_test("refsw"), selection=Selection(kinds=("valid",)))
    assert len(run(first, tmp_path).results) == 3
    seen: list[str] = []
    report = run(plan(small), tmp_path, on_result=lambda result, *_: seen.append(result.vector.id))
    assert (len(seen), len(report.results), report.passed) == (4, 7, True)


def test_records_are_safe_before_the_next_result(tmp_path: Path) -> None:
    one = Records(tmp_path / "r", {"a": 1}, fresh=True)
    one.close()
    again = Records(tmp_path / "r", {"a": 1}, fresh=False)
    again.close()
    with pytest.raises(UsageError, match="a changed"):
        Records(tmp_path / "r", {"a": 2}, fresh=False)
