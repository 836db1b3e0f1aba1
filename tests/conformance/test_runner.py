"""Runs: selected, resumed, locked, counted; suites that are wrong; the command line."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from processes import alive, children, until

from refsw.cli.main import cli
from refsw.conformance.decoders import decoder_under_test
from refsw.conformance.engine import RECORDS, Records, locked
from refsw.conformance.programs import Limits
from refsw.conformance.results import Plan
from refsw.conformance.runner import run
from refsw.conformance.suite import Selection, load_suite, load_suites
from refsw.conformance.verdicts import Outcome
from refsw.errors import DfcError, UsageError
from refsw.features.decoder import decode_by_name
from tests.conformance import making
from tests.conformance.making import ROOT, judge, outcomes, processes_of


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, streams: dict[str, bytes]) -> Path:
    return making.small_suite(tmp_path_factory.mktemp("runner"), streams)


def invoke(*words: object) -> Any:
    return CliRunner().invoke(cli, ["conformance", *map(str, words)])


def refsw(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "refsw", *map(str, words)],
        capture_output=True, text=True, check=False, env=environment, **options,
    )  # fmt: skip


# --- suites ---


def broken(small: Path, tmp_path: Path, change: Any) -> str:
    manifest = json.loads(small.read_text())
    change(manifest)
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(manifest))
    with pytest.raises(UsageError) as error:
        load_suite(path)
    return str(error.value)


def test_a_wrong_manifest_is_refused_with_its_place(small: Path, tmp_path: Path) -> None:
    entry = "vectors"
    assert "vectors[1].file (bytes-gzip_r1)" in broken(small, tmp_path, lambda m: m[entry][1].update(file="../x"))
    assert "vectors[0]" in broken(small, tmp_path, lambda m: m[entry][0].pop("expected"))
    assert "vectors[3]" in broken(small, tmp_path, lambda m: m[entry][3].pop("error"))
    assert "'colour'" in broken(small, tmp_path, lambda m: m[entry][0].update(colour=1))
    assert "is there twice" in broken(small, tmp_path, lambda m: m[entry].append(m[entry][0]))
    assert "vectors[3].kind" in broken(small, tmp_path, lambda m: m[entry][3].update(kind="odd"))
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(UsageError, match="not JSON"):
        load_suite(tmp_path / "text.json")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="no manifest"):
        load_suites([empty])


def test_one_id_in_two_suites_is_refused(small: Path, tmp_path: Path) -> None:
    other = json.loads(small.read_text()) | {"suite": "other"}
    (tmp_path / "other.json").write_text(json.dumps(other))
    with pytest.raises(UsageError, match="is there twice"):
        load_suites([small, tmp_path / "other.json"])
    with pytest.raises(UsageError, match="given twice"):
        load_suites([small, small])


def test_selection(small: Path) -> None:
    (suite,) = load_suites([small])

    def ids(**chosen: tuple[str, ...]) -> set[str]:
        return {v.id.removesuffix("_r1") for v in suite if Selection(**chosen).takes(v)}

    assert len(ids()) == 7
    assert ids(kinds=("unsupported",)) == {"units-unknown"}
    assert ids(areas=("bytes", "hevc"), kinds=("valid",)) == {"bytes-gzip", "bytes-uniform", "hevc-mosaic"}
    assert ids(requirements=("bytes.*",)) == {"bytes-gzip"}
    assert ids(ids=("units-?rc_r1", "*-gzip_r1")) == {"units-crc", "bytes-gzip"}
    assert ids(profiles=("intra",)) == ids()
    assert ids(profiles=("LOSSLESS",)) == set()


def test_withdrawn_vectors_do_not_run(tmp_path: Path) -> None:
    gone = {"withdrawn": {"version": "2.0.0", "reason": "It was wrong."}}
    entries = [
        making.vector(tmp_path, "text-a", b"a", "malformed", **gone),
        making.vector(tmp_path, "text-b", b"b", "malformed"),
    ]
    report = judge(making.suite(tmp_path, entries), "refsw")
    assert list(outcomes(report)) == ["text-b"]


# --- files that are not as published ---


def test_a_missing_or_changed_file_is_an_error_of_the_harness(tmp_path: Path, streams: dict[str, bytes]) -> None:
    entries = [making.vector(tmp_path, f"raw-n{i}", streams["raw"]) for i in range(3)]
    path = making.suite(tmp_path, entries)
    (tmp_path / "test_vectors" / "raw-n0.dfc").unlink()
    (tmp_path / "test_vectors" / "raw-n1.dfc").write_bytes(streams["raw"] + b"x")
    report = judge(path, "refsw")
    assert outcomes(report) == {"raw-n0": "HARNESS_ERROR", "raw-n1": "HARNESS_ERROR", "raw-n2": "PASS"}
    assert os.strerror(errno.ENOENT) in report.results[0].reason
    assert "not the published file" in report.results[1].reason
    assert report.exit_code == 1


def test_without_vectors_the_run_is_refused(tmp_path: Path, streams: dict[str, bytes]) -> None:
    path = making.suite(tmp_path, [making.vector(tmp_path, "raw-a", streams["raw"])])
    (tmp_path / "test_vectors").rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="--vectors"):
        judge(path, "refsw")
    done = invoke("run", path, "--vectors", tmp_path / "elsewhere", "-o", tmp_path / "r")
    assert done.exit_code == 0, done.output


# --- the command line ---


def test_the_command_line_passes_and_fails(small: Path, tmp_path: Path) -> None:
    done = invoke("run", small, "-o", tmp_path / "r", "-j", 2)
    assert (done.exit_code, "7 of 7 vectors PASS" in done.output) == (0, True)
    done = invoke("run", small, "-o", tmp_path / "f", "--decoder", "cp {input} {output}", "-j", 2)
    assert done.exit_code == 1
    assert "3 MISMATCH, 4 ACCEPTED_INVALID" in done.output


def test_a_report_folder_may_be_relative(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder gets absolute paths, since it runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    program = f"{sys.executable} {making.INDEPENDENT} {{input}} {{output}}.npz"
    done = invoke("run", small, "--decoder", program, "-o", "here", "--kind", "valid", "-j", 2)
    assert done.exit_code == 0, done.output
    (tmp_path / "mine.py").write_text("from refsw.conformance.reference import decode\n")
    done = invoke("run", small, "--decoder", "mine:decode", "-o", "there")
    assert done.exit_code == 0, done.output


def test_a_run_with_nothing_run_fails(small: Path, tmp_path: Path) -> None:
    done = refsw("conformance", "run", small, "-o", tmp_path / "r", "--area", "nothing")
    assert (done.returncode, "nothing to run" in done.stderr) == (2, True)
    assert not (tmp_path / "r" / "results.json").exists()


def test_wrong_use_is_told(small: Path, tmp_path: Path) -> None:
    for words, message in [
        (("--decoder", "nothing-of-that-name"), "neither a registered decoder"),
        (("--decoder", "cat {input}"), "both {input} and {output}"),
        (("--decoder", "nothing_at_all:decode"), "no module"),
        (("--decoder", "/nowhere/x.py:decode"), "no file"),
        (("--decoder", "'"), "quotation"),
    ]:
        with pytest.raises(UsageError, match=message):
            decoder_under_test(words[1])
    done = refsw("conformance", "run", tmp_path / "absent.json")
    assert done.returncode == 66


def test_list(small: Path) -> None:
    done = invoke("list", small, "--kind", "valid", "--json")
    assert [v["id"] for v in json.loads(done.output)] == ["hevc-mosaic_r1", "bytes-gzip_r1", "bytes-uniform_r1"]
    assert "7 vectors" in invoke("list", small).output
    suites = ROOT / "conformance" / "suites"
    done = invoke("list", suites / "lossless.json", "--about", "bytes.x*", "--kind", "valid", "--json")
    found = json.loads(done.output)
    assert len(found) > 5
    assert all("bytes.xz" in v["about"] and v["about"] != v["requirements"] for v in found)
    done = invoke("list", suites / "vvc.json", "--id", "vvc-cut_r1")
    assert "(vvc.pictures; needs VVC, which is optional)" in done.output


def test_two_runs_in_one_folder(small: Path, tmp_path: Path) -> None:
    with locked(tmp_path):
        done = refsw("conformance", "run", small, "-o", tmp_path)
        assert (done.returncode, "another conformance run" in done.stderr) == (2, True)
    assert refsw("conformance", "run", small, "-o", tmp_path).returncode == 0


# --- going on ---

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
    done = refsw(*words)
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


def test_counts_add_up(small: Path, tmp_path: Path) -> None:
    report = judge(small, "cp {input} {output}")
    counts = report.counts()
    assert set(counts) == {str(o) for o in Outcome}
    assert sum(counts.values()) == 7
    assert sum(sum(c.values()) for c in report.as_dict()["areas"].values()) == 7


def test_records_are_safe_before_the_next_result(tmp_path: Path) -> None:
    one = Records(tmp_path / "r", {"a": 1}, fresh=True)
    one.close()
    again = Records(tmp_path / "r", {"a": 1}, fresh=False)
    again.close()
    with pytest.raises(UsageError, match="a changed"):
        Records(tmp_path / "r", {"a": 2}, fresh=False)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from refsw.cli.main import cli\n"
        "try: cli.main(['conformance', 'run', '--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'av', 'rich', 'jsonschema') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr.strip() == "[]"


def test_coverage_of_a_small_suite_is_measured(small: Path, tmp_path: Path) -> None:
    (tmp_path / "waivers.json").write_text(json.dumps({"cells": {}, "positive": {}, "negative": {}}))
    words = ("coverage", small, "--spec", ROOT / "spec", "--waivers", tmp_path / "waivers.json")
    done = invoke(*words, "--json")
    found = json.loads(done.output)
    assert (done.exit_code, found["vectors"]) == (1, 7)  # so few cannot cover everything
    assert "hevc-mosaic_r1" in found["cells"]["feature_parameter_set.payload_codec"]["HEVC"]
    done = invoke(*words, "-o", tmp_path / "coverage.md")
    assert (tmp_path / "coverage.md").read_text().startswith("# Coverage")
    assert refsw("conformance", "coverage", small).returncode == 2  # there is no spec above it


# --- strict errors ---

TALKER = """
import json, sys
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    error = {"phase": "parse", "class": "CRC_MISMATCH", "requirement": "unit.crc", "element": "unit_crc"}
    print(json.dumps({"exit": 65, "error": error | {"bit_offset": 8}}), flush=True)
"""


def test_with_strict_errors_a_rejection_is_right_only_with_its_error(streams: dict[str, bytes], tmp_path: Path) -> None:
    short, damaged = streams["gzip"][:-9], bytearray(streams["gzip"])
    damaged[8] ^= 1
    entries = []
    for name, data in (("units-end", short), ("units-headercrc", bytes(damaged)), ("units-other", short)):
        with pytest.raises(DfcError) as caught:
            decode_by_name(data)
        fields = caught.value.as_dict()
        error = {key: fields[key] for key in ("phase", "class", "requirement", "element", "bit_offset")}
        entries.append(making.vector(tmp_path, name, data, "malformed", error=error))
    entries[2]["error"] |= {"bit_offset": 8}
    entries.append(making.vector(tmp_path, "units-whole", streams["gzip"]))
    path = making.suite(tmp_path, entries)
    command = f"{sys.executable} -m refsw decode --json {{input}} -o {{output}}.npz"
    (tmp_path / "talker.py").write_text(TALKER)
    for decoder in ("refsw", command):
        assert set(outcomes(judge(path, decoder)).values()) == {"PASS"}
        found = judge(path, decoder, strict_errors=True)
        wanted = {"units-end": "PASS", "units-headercrc": "PASS", "units-other": "WRONG_CLASS", "units-whole": "PASS"}
        assert outcomes(found) == wanted
        assert "another error: bit_offset" in found.results[2].reason
        assert found.as_dict()["strict_errors"]
    (tmp_path / "mine.py").write_text("class R(Exception):\n exit_code = 65\ndef d(data):\n raise R('no')\n")
    for decoder, reason in (
        (f"{sys.executable} -m refsw decode {{input}} -o {{output}}.npz", "none is reported"),
        (f"{tmp_path}/mine.py:d", "none is reported"),
        (f"{sys.executable} {tmp_path}/talker.py", "another error: "),
    ):
        rejected = judge(path, decoder, strict_errors=True).results[:3]
        assert {str(result.outcome) for result in rejected} == {"WRONG_CLASS"}
        assert all(reason in result.reason for result in rejected)


def test_the_command_line_has_strict_errors(small: Path, tmp_path: Path) -> None:
    done = invoke("run", small, "--strict-errors", "--id", "units-crc_r1", "-o", tmp_path / "r", "--json")
    assert done.exit_code == 1
    assert json.loads(done.output)["counts"]["WRONG_CLASS"] == 1
    again = invoke("run", small, "--id", "units-crc_r1", "-o", tmp_path / "r")
    assert isinstance(again.exception, UsageError)  # other results are there
    assert "strict errors changed" in str(again.exception)
