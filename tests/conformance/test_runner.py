"""Runs: selected, locked, counted; suites that are wrong; the command line."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.conformance.decoders import decoder_under_test
from refsw.conformance.engine import locked
from refsw.conformance.suite import Selection, load_suite, load_suites
from refsw.conformance.verdicts import Outcome
from refsw.errors import DfcError, UsageError
from refsw.features.decoder import decode_by_name
from tests.conformance import making
from tests.conformance.making import ROOT, judge, outcomes, run_refsw


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, streams: dict[str, bytes]) -> Path:
    return making.small_suite(tmp_path_factory.mktemp("runner"), streams)


def invoke(*words: object) -> Any:
    return CliRunner().invoke(cli, ["conformance", *map(str, words)])


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
    done = run_refsw("conformance", "run", small, "-o", tmp_path / "r", "--area", "nothing")
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
    done = run_refsw("conformance", "run", tmp_path / "absent.json")
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
        done = run_refsw("conformance", "run", small, "-o", tmp_path)
        assert (done.returncode, "another conformance run" in done.stderr) == (2, True)
    assert run_refsw("conformance", "run", small, "-o", tmp_path).returncode == 0


def test_counts_add_up(small: Path, tmp_path: Path) -> None:
    report = judge(small, "cp {input} {output}")
    counts = report.counts()
    assert set(counts) == {str(o) for o in Outcome}
    assert sum(counts.values()) == 7
    assert sum(sum(c.values()) for c in report.as_dict()["areas"].values()) == 7


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
    assert run_refsw("conformance", "coverage", small).returncode == 2  # there is no spec above it


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
