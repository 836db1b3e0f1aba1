"""13.13 The stress class sees through decoders that decode whatever fits, and fail under stress."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.conformance.engine import locked
from refsw.conformance.outcomes import Result
from refsw.conformance.results import Report
from refsw.conformance.stress import cases, runner
from refsw.conformance.stress.feeding import Feeder, Wait
from refsw.conformance.stress.programs import for_access, stressed
from refsw.conformance.stress.runner import StressPlan, reads_all, run
from refsw.conformance.stress.streams import LARGEST
from refsw.conformance.suite import Selection
from refsw.errors import UsageError
from refsw.profiles import LEVELS
from refsw.syntax.codes import Level
from refsw.validation import validate
from tests.conformance.making import ROOT, processes_of

SABOTEURS = ROOT / "conformance" / "saboteurs" / "stress.py"
INDEPENDENT = "independent"
COMMAND = f"{sys.executable} -m refsw decode {{input}} -o {{output}}.npz"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that take a second, and limits to match."""
    smaller = {"LONG": 512, "PIPE_SAMPLES": 16, "LIVE_SAMPLES": 256, "JOIN_SAMPLES": 32, "JOIN_AT": 16}
    limits = {"GROWTH": 3 << 20, "MEMORY": 128 << 20, "STALL": 0.5}
    for name, value in {**smaller, **limits}.items():
        monkeypatch.setattr(cases, name, value)


def stress(tmp_path: Path, decoder: str, ids: str, access: str | None = None, **plan: Any) -> Report[Result]:
    tested = stressed(decoder)
    asked = StressPlan(tested, for_access(access, tested), Selection(ids=(ids,)), **plan)
    with locked(tmp_path / "report"):
        return run(asked, tmp_path / "report", fresh=True)


def only(tmp_path: Path, decoder: str, ids: str, **plan: Any) -> Result:
    (result,) = stress(tmp_path, decoder, ids, **plan).results
    return result


@pytest.mark.parametrize(
    ("mode", "case", "outcome", "told"),
    [
        ("keeps_everything", "*-memory-lossless-*", "CRASH", "512 samples take"),
        ("gives_up", "*-pipe-lossless-*", "REJECTED_VALID", "it was given 5 of"),
        ("takes_what_came", "*-pipe-lossless-*", "MISMATCH", "another shape"),
        ("wants_a_file", "*-pipe-lossless-*", "REJECTED_VALID", "seek"),
        ("says_that_it_wants_a_file", "*-pipe-lossless-*", "SKIPPED", "reading from a pipe"),
        ("any_sample", "*-access-lossless-*", "ACCEPTED_INVALID", "access.sample"),
        ("another_sample", "*-access-lossless-*", "MISMATCH", "sample 0, channel 0"),
        ("joins_at_the_start", "*-join-lossless-*", "MISMATCH", "x@first"),
        ("small_only", "*-level-1-floats*", "REJECTED_VALID", "too large"),
        ("wastes_memory", "*-level-1-floats*", "CRASH", "memory limit"),
        ("leaves_the_tail", "*-level-1-sample*", "MISMATCH", "bytes, "),
    ],
)
def test_saboteurs(tmp_path: Path, mode: str, case: str, outcome: str, told: str) -> None:
    result = only(tmp_path, f"{SABOTEURS}:{mode}", case)
    assert result.outcome == outcome
    assert told in result.reason


def test_who_reads_all_before_the_first_output_is_stopped(tmp_path: Path) -> None:
    result = only(tmp_path, f"{SABOTEURS}:keeps_everything", "*-live-lossless-*", slow=1 / 60)
    assert result.outcome == "TIMEOUT"
    assert "had to put out" in result.reason
    assert not processes_of("keeps_everything")


def test_a_sample_that_takes_as_long_as_all_is_no_random_access() -> None:
    assert reads_all(one=9.0, whole=10.0)
    assert not reads_all(one=0.9, whole=1.0)  # says nothing
    assert not reads_all(one=4.0, whole=10.0)


@pytest.mark.parametrize("decoder", ["refsw", INDEPENDENT])
def test_both_decoders_keep_what_the_class_asks(tmp_path: Path, decoder: str) -> None:
    report = stress(tmp_path, decoder, "*-lossless-*")
    assert [str(result.outcome) for result in report.results] == ["PASS"] * 5
    assert report.passed


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["refsw", INDEPENDENT])
def test_both_decoders_keep_what_the_class_asks_with_pictures(tmp_path: Path, decoder: str) -> None:
    assert stress(tmp_path, decoder, "*-intra-*").passed
    assert stress(tmp_path, decoder, "*-level-[12]-*").passed


def test_a_command_is_given_no_captures_without_their_description(tmp_path: Path) -> None:
    found = {r.vector.area: str(r.outcome) for r in stress(tmp_path, COMMAND, "*-[aj]*-lossless-*").results}
    assert found == {"access": "SKIPPED", "join": "SKIPPED"}  # nor is it asked for a sample, without --access


@pytest.mark.slow
def test_a_command_has_another_one_for_random_access(tmp_path: Path) -> None:
    report = stress(tmp_path, COMMAND, "*-[mpa]*-lossless-*", f"{COMMAND} --samples {{sample}}")
    assert [str(result.outcome) for result in report.results] == ["PASS"] * 3


@pytest.mark.parametrize(
    ("decoder", "access", "told"),
    [
        ("refsw", "x {input} {output} {sample}", "asked for a sample itself"),
        (COMMAND, COMMAND, "{sample}"),
    ],
)
def test_a_command_for_random_access_that_is_none_is_refused(decoder: str, access: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        for_access(access, stressed(decoder))


def test_the_largest_are_as_large_as_a_level_allows_and_conform() -> None:
    made = {name: make(Level.L1) for name, make in LARGEST.items()}
    for name, stream in made.items():
        assert validate(stream.data).conforming, name
        assert stream.data[7] == Level.L1
    limits = LEVELS[Level.L1]
    assert made["sample"].expected_bytes == limits.sample_elements
    assert made["unit"].expected_bytes == limits.unit_elements
    assert made["floats"].expected_bytes == made["picture"].expected_bytes == 4 * limits.sample_elements
    assert len(made["tensors"].expected) == limits.parameter_sets


def test_the_command_writes_the_reports_of_a_decoder_and_goes_on(tmp_path: Path) -> None:
    words = ["conformance", "stress", "--decoder", "refsw", "--id", "*-level-1-sample*", "-o", str(tmp_path / "r")]
    first = CliRunner().invoke(cli, words)
    assert first.exit_code == 0, first.output
    assert "stress-level-1-sample_r1: PASS; peak of memory" in first.output
    results = json.loads((tmp_path / "r" / "results.json").read_text())
    assert (results["suites"][0]["suite"], results["counts"]["PASS"]) == ("stress", 1)
    records = (tmp_path / "r" / "records.jsonl").read_bytes()
    assert CliRunner().invoke(cli, words).exit_code == 0
    assert (tmp_path / "r" / "records.jsonl").read_bytes() == records  # nothing was run again


def test_the_list_tells_the_limits() -> None:
    told = CliRunner().invoke(cli, ["conformance", "stress", "--list", "--area", "level"]).output
    assert "stress-level-3-sample_r1  LOSSLESS L3" in told
    assert "MiB)" in told


def test_nothing_selected_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to run"):
        stress(tmp_path, "refsw", "no-such-case")


def test_a_stream_that_cannot_be_made_says_nothing_of_the_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UsageError("no encoder here")

    monkeypatch.setattr(runner.StressWorker, "_judge", fail)
    result = only(tmp_path, "refsw", "*-level-1-sample*")
    assert (result.outcome, result.reason) == ("HARNESS_ERROR", "no encoder here")


def test_a_feeder_holds_back_until_there_is_output(tmp_path: Path) -> None:
    written = [0]
    feeder = Feeder(tmp_path / "pipe", b"0123456789", [Wait(4, output=1)], lambda: written[0])
    with feeder, (tmp_path / "pipe").open("rb", buffering=0) as file:
        first = b""
        while len(first) < 4:
            first += file.read(10) or b""
        written[0] = 1
        rest = b""
        while part := file.read(10):
            rest += part
    assert (first, rest) == (b"0123", b"456789")
    assert feeder.held_for is None


def test_a_feeder_ends_although_nobody_reads(tmp_path: Path) -> None:
    with Feeder(tmp_path / "pipe", b"x", [], lambda: 0) as feeder:
        pass
    assert not feeder.opened
