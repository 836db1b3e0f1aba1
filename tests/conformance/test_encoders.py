"""Runs of encoders: the inputs, what is judged and how, resumption, reports, and results beside one another."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import pytest
from click.testing import CliRunner

from refsw.cli.conformance import command as conformance
from refsw.cli.main import cli
from refsw.conformance.changes import compare
from refsw.conformance.encoders import recipes
from refsw.conformance.encoders.bounds import excess
from refsw.conformance.encoders.features import compare_features
from refsw.conformance.encoders.models import compare_models
from refsw.conformance.encoders.page import sections
from refsw.conformance.encoders.rates import at_error
from refsw.conformance.encoders.reference import encode
from refsw.conformance.encoders.suite import BUILT_IN, Claim, InputKind, load_inputs, made
from refsw.conformance.reports import load_results
from refsw.conformance.verdicts import ENCODER_MEANINGS, ENCODERS, EncoderOutcome
from refsw.errors import RefswError, UsageError
from refsw.features.config import PRESETS_ALONE
from refsw.syntax.codes import Quantizer
from tests.conformance.making import ROOT, processes_of
from tests.processes import until
from tests.workshop import workshop

SUITE = load_inputs()
CASES = {case.id: case for case in SUITE}


class Ended(NamedTuple):
    exit_code: int
    output: str


def refsw(*words: object) -> Ended:
    """A command in this process; what it ends with."""
    try:
        done = CliRunner().invoke(cli, ["conformance", *map(str, words)], catch_exceptions=False)
    except RefswError as error:
        return Ended(error.exit_code, str(error))
    return Ended(done.exit_code, done.output)


# --- inputs ---


def test_the_suite_is_what_its_recipes_give() -> None:
    with workshop("make_inputs") as tool:
        assert tool.manifest() == BUILT_IN.read_text()


def test_inputs_of_every_kind_and_format_are_there() -> None:
    about = {name for case in SUITE for name in case.about}
    known = {text.split("]")[0] for path in (ROOT / "spec").glob("*.md") for text in path.read_text().split("**[")[1:]}
    rows = {f"level.{name}" for name in ("side", "sets")}
    assert not {name for name in about - known - rows if not name.startswith("level.")}
    assert {case.kind for case in SUITE} == set(InputKind)
    assert {case.claim for case in SUITE} == set(Claim)
    formats = {tensor["dtype"] for case in SUITE for step in case.steps for tensor in step}
    assert formats == set(recipes.TYPES)
    assert {len(letters) for case in SUITE for letters in case.axes.values() if case.kind is InputKind.VALID} == {
        1, 2, 3, 4,
    }  # fmt: skip


def test_a_recipe_that_gives_something_else_is_told() -> None:
    case = replace(CASES["format-float32-noise_r1"], sha256="0" * 64)
    with pytest.raises(UsageError, match="does not give the published tensors"):
        made(case)
    with pytest.raises(UsageError, match="recipe of tensor 'x'"):
        recipes.make_tensor({"name": "x", "dtype": "float32", "shape": [2], "fill": "nonsense"}, {})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda inputs: inputs.append(inputs[0]), "is there twice"),
        (lambda inputs: inputs[-1].update(twin="nothing_r1"), "no input that can be coded"),
        (lambda inputs: inputs[0].update(claim="odd"), "odd"),
        (lambda inputs: inputs[0].pop("tensors"), "inputs"),
    ],
)
def test_a_broken_suite_is_refused(tmp_path: Path, change: Any, told: str) -> None:
    suite = json.loads(BUILT_IN.read_text())
    change(suite["inputs"])
    (tmp_path / "inputs.json").write_text(json.dumps(suite))
    with pytest.raises(UsageError, match=told):
        load_inputs(tmp_path / "inputs.json")


# --- what is allowed ---


@pytest.mark.parametrize("quantizer", ["uniform", "log"])
def test_the_nearest_level_has_no_excess_and_the_one_beside_it_has(quantizer: str) -> None:
    x = recipes.noise(3000, 1, -5.0, 100.0).astype(np.float32)
    low, high = float(x.min()), float(x.max())
    kind = Quantizer[quantizer.upper()]
    share = (x.astype(np.float64) - low) / (high - low)
    if kind is Quantizer.LOG:
        share = np.log1p(x.astype(np.float64) - low) / np.log1p(high - low)
    levels = np.rint(share * 1023)
    assert excess(levels, x, low, high, kind, 10).max() == 0
    off = excess(levels + 1, x, low, high, kind, 10)
    assert (off > 0).mean() > 0.99  # but for ties
    assert 0.49 < off.mean() < 0.51  # half a level is allowed, and the nearest is as often above as below


@pytest.mark.parametrize(
    "choices",
    [
        {"payload": "hevc", "qp": 22}, {"payload": "hevc", "qp": 38, "bit_depth": 8},
        {"payload": "jpeg", "bit_depth": 8, "quality": 50}, {"payload": "jpeg2000", "rate": 8.0, "bit_depth": 8},
        {"payload": "png", "range_scope": "channel"}, {"payload": "zlib", "parts": (4, 3)},
        {"payload": "hevc", "parts": (4, 3)}, {"payload": "zlib", "quantizer": "none"},
        {"preset": "native"}, {"preset": "native", "parts": (4, 3), "qp": 38},
    ],
    ids=str,
)  # fmt: skip
def test_payloads_are_judged_by_their_own_step(choices: dict[str, Any]) -> None:
    case = CASES["samples-five-feature_r1"]
    (given,) = made(case).steps
    data = encode(given, axes=case.axes, choices=choices)
    found = compare_features(data, given, case.axes, told_axes=True)
    assert (found.others, found.wrong) == ([], [])
    turned = {name: x[::-1].copy() for name, x in given.items()}
    assert compare_features(data, turned, case.axes, told_axes=True).wrong
    assert len(found.rules) >= 1


def test_the_step_of_the_native_payload_is_allowed_where_nothing_deviates() -> None:
    case = CASES["axes-h-noise_r1"]
    (given,) = made(case).steps
    data = encode(given, axes=case.axes, choices={"preset": "native", "parts": (4, 3)})  # the last part is one element
    assert not compare_features(data, given, case.axes, told_axes=True).wrong
    (name,) = given
    other = given[name].copy()
    other[-1] += 0.2 * np.ptp(other)
    found = compare_features(data, {name: other.clip(given[name].min(), given[name].max())}, case.axes, told_axes=True)
    assert found.wrong


def test_weights_are_judged_by_the_step_of_their_update() -> None:
    case = CASES["update-network-small_r1"]
    tensors = made(case)
    (given,), base = tensors.steps, tensors.base
    data = encode(given, base, axes={}, model=True, choices={"digits": 3})
    found, got = compare_models(data, base, given)
    assert (found.others, found.wrong) == ([], [])
    assert 2e-4 < found.worst <= 5.1e-4
    for change, wrong in ((9e-4, False), (1.6e-3, True)):
        other = got | {"fc.weight": got["fc.weight"] + np.float32(change)}
        assert bool(compare_models(data, base, other)[0].wrong) == wrong


def test_rates_are_compared_between_the_points_around_an_error() -> None:
    curve = [(1000, 1e-4), (500, 1e-3), (100, 1e-1)]
    assert [at_error(curve, mse) for mse in (1e-4, 1e-3, 1e-2, 1e-5, 1.0)] == [1000, 500, 224, None, None]


# --- runs ---


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the reference encoder on inputs of every kind."""
    folder = tmp_path_factory.mktemp("encoder") / "report"
    chosen = ["axes-nhc-tokens_r1", "samples-one-feature_r1", "format-int8-bits_r1", "update-chain-three_r1",
              "update-full-model_r1", "refused-nan-float32_r1", "refused-side-third_r1"]  # fmt: skip
    words = [word for name in chosen for word in ("--id", name)]
    done = refsw("encode", *words, "-o", folder)
    assert done.exit_code == 0, done.output
    return folder


def test_the_reference_encoder_passes_and_all_adds_up(ran: Path) -> None:
    results = load_results(ran / "results.json")
    found = {case["id"].removesuffix("_r1"): case["outcome"] for case in results["inputs"]}
    assert found.pop("format-int8-bits") == "DECLINED"
    assert set(found.values()) == {"PASS"}
    assert sum(results["counts"].values()) == results["total"] == len(results["inputs"]) == 7
    # The twins that show what refusals are worth are in no report.
    assert {case["id"] for case in results["inputs"]}.isdisjoint({"format-float32-noise_r1", "level-side-second_r1"})


def test_results_from_before_an_outcome_was_known_are_read(ran: Path, tmp_path: Path) -> None:
    new = json.loads((ran / "results.json").read_text())
    old = json.loads((ran / "results.json").read_text())
    for counts in (
        old["counts"],
        *(each for name in ("areas", "about", "requirements") for each in old[name].values()),
    ):
        del counts["NOT_AS_ASKED"]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "results.json").write_text(json.dumps(old))
    assert load_results(tmp_path / "old" / "results.json") == new
    assert refsw("compare", tmp_path / "old", ran).exit_code == 0
    assert refsw("site", tmp_path / "old", ran, "-o", tmp_path / "site").exit_code == 0


def test_reports_tell_rates_and_rules(ran: Path) -> None:
    results = load_results(ran / "results.json")
    streams = {case["id"]: case["stream"] for case in results["inputs"]}
    rate = streams["samples-one-feature_r1"]["rate"]
    assert set(rate) == set(PRESETS_ALONE)
    assert 0.98 < rate["balanced"]["share"] < 1.05  # it is that preset, between two QPs
    assert streams["refused-nan-float32_r1"] is None
    assert "independent" in streams["axes-nhc-tokens_r1"]["decoders"]
    text, page = (ran / "report.md").read_text(), (ran / "report.html").read_text()
    for told in ("Rate beside refsw's presets", "How elements were judged", "HEVC at QP"):
        assert told in text
        assert told.replace("'", "&#x27;") in page
    assert (ran / "junit.xml").read_text().count("<testcase") == 7
    assert (ran / "results.csv").read_bytes().count(b"\r\n") == 8
    assert sections(results | {"inputs": []}).html == ""


def test_every_outcome_has_a_meaning_and_a_column() -> None:
    assert set(ENCODER_MEANINGS) == set(EncoderOutcome)
    schema = json.loads((BUILT_IN.parents[1] / "schemas" / "encoder-results.schema.json").read_text())
    counts = schema["$defs"]["counts"]
    assert list(counts["properties"]) == [str(outcome) for outcome in EncoderOutcome]
    # Results from before one was known do without it; all others are always there.
    assert set(counts["properties"]) - set(counts["required"]) == {"NOT_AS_ASKED"}
    text = (ROOT / "spec" / "13-conformance.md").read_text().split("### 13.12.4")[1].split("### 13.12.5")[0]
    assert {outcome for outcome in EncoderOutcome if str(outcome) not in text} == set()
    for name in ("inputs", "encoder-results"):
        file = f"{name}.schema.json"
        assert (ROOT / "spec" / "schemas" / file).read_text() == (BUILT_IN.parents[1] / "schemas" / file).read_text()


SLOW = """#!/bin/sh
echo x >> {folder}/log
n=$(wc -l < {folder}/log)
if [ $n -ge 5 ] && [ ! -e {folder}/go ]; then sleep 3600; fi
exit 65
"""


def test_a_run_that_is_killed_goes_on(tmp_path: Path) -> None:
    program = tmp_path / "encoder.sh"
    program.write_text(SLOW.replace("{folder}", str(tmp_path)))
    program.chmod(0o755)
    out = tmp_path / "report"
    command = f"{program} {{input}} {{output}}"
    words = ["encode", "--encoder", command, "--id", "size-*", "-o", out, "--timeout", "3600"]
    first = subprocess.Popen(
        [sys.executable, "-m", "refsw", "conformance", *map(str, words)], env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    records = out / "records.jsonl"
    until(lambda: records.exists() and records.read_bytes().count(b"\n") >= 4, first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = records.read_text().splitlines()
    (tmp_path / "go").touch()
    done = refsw(*words)
    assert done.exit_code == 1
    after = records.read_text().splitlines()
    assert after[: len(before)] == before
    assert len(after) == 11
    results = load_results(out / "results.json")
    assert (results["counts"]["REFUSED_VALID"], results["complete"]) == (10, True)
    # Ten inputs, the one in flight if it had begun, and both runs see first whether it starts.
    assert len((tmp_path / "log").read_text().split()) in (12, 13)
    assert processes_of(str(program)) == []
    again = refsw("encode", "--encoder", command, "--id", "size-*", "-o", out, "--timeout", "5")
    assert (again.exit_code, "limits changed since" in again.output) == (2, True)


def test_what_is_not_claimed_or_cannot_be_told_is_skipped(tmp_path: Path) -> None:
    words = ["--id", "axes-nhwc-*", "--id", "axes-nchw-*", "--id", "update-network-same*", "-o", tmp_path / "report"]
    done = refsw("encode", "--encoder", f"{sys.executable} -c 'raise SystemExit(69)' {{input}} {{output}}", *words)
    assert done.exit_code == 1
    results = load_results(tmp_path / "report" / "results.json")
    found = {case["id"].removesuffix("-noise_r1"): (case["outcome"], case["reason"]) for case in results["inputs"]}
    assert found["axes-nchw"][0] == "DECLINED"
    assert found["axes-nhwc"] == ("SKIPPED", "the command has neither {options} nor {axes}: it would not know the axes")
    assert found["update-network-same_r1"] == ("SKIPPED", "the encoder does not claim models")
    assert not results["passed"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--encoder", "nothing-of-that-name"], 2, "neither a registered encoder (refsw) nor a program"),
        (["--encoder", "cat {input}"], 2, "a command has both {input} and {output}"),
        (["--id", "nothing*"], 2, "no input is selected"),
        (["--choose", "preset"], 2, "NAME=VALUE"),
        (["--list", "--id", "axes-nchw-*"], 0, "axes-nchw-noise_r1"),
        (["--list", "--json", "--id", "axes-nchw-*"], 0, '"claim": "features"'),
    ],
)  # fmt: skip
def test_what_the_command_line_says(tmp_path: Path, words: list[str], code: int, told: str) -> None:
    done = refsw("encode", *words, "-o", tmp_path / "report")
    assert (done.exit_code, told in done.output) == (code, True), done.output


def test_the_workflow_for_public_ci_has_commands_that_there_are() -> None:
    yaml = pytest.importorskip("yaml", reason="workflows need yaml")
    workflow = yaml.safe_load((ROOT / "docs" / "conformance-ci.yml").read_text())
    runs = [step["run"] for step in workflow["jobs"]["conformance"]["steps"] if "run" in step]
    found = re.findall(r"refsw conformance (\w+)([^\n;]*)", "\n".join(runs))
    assert {name for name, _ in found} == {"run", "encode", "compare", "site"}
    for name, rest in found:
        command = conformance.get_command(click.Context(conformance), name)
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)--?[a-z]+", rest)) <= known, name


def test_an_encoder_of_the_standard_library_alone_passes(tmp_path: Path) -> None:
    command = f"{sys.executable} -S {ROOT}/conformance/adapters/stored_encoder.py {{input}} {{output}} {{options}}"
    chosen = ("format-bfloat16-noise_r1", "format-bool-bits_r1", "axes-thwc-noise_r1", "files-counts-differ_r1",
              "level-sets-second_r1", "refused-nan-last_r1", "refused-axes-five_r1", "refused-name-long_r1",
              )  # fmt: skip
    words = [word for name in chosen for word in ("--id", name)]
    done = refsw("encode", "--encoder", command, *words, "--no-rates", "-o", tmp_path / "report")
    assert (done.exit_code, f"{len(chosen)} of {len(chosen)} inputs PASS" in done.output) == (0, True), done.output


# --- results beside one another ---


def test_changes_are_told_by_input_and_requirement(ran: Path, tmp_path: Path) -> None:
    old = load_results(ran / "results.json")
    new = json.loads(json.dumps(old))
    cases = {case["id"]: case for case in new["inputs"]}
    cases["axes-nhc-tokens_r1"] |= {"outcome": "WRONG_ELEMENTS", "reason": "\x1b[31mfar off"}
    cases["format-int8-bits_r1"]["outcome"] = "PASS"
    new["inputs"] = [case for case in new["inputs"] if case["id"] != "update-full-model_r1"]
    new["counts"] = ENCODERS.counts(case["outcome"] for case in new["inputs"])
    new["total"] = len(new["inputs"])
    found = compare(old, new)
    assert [change.id for change in found.worse] == ["axes-nhc-tokens_r1", "update-full-model_r1"]
    assert [change.id for change in found.others] == ["format-int8-bits_r1"]
    assert found.as_dict()["requirements"]["worse"] == {"model.result": 1, "range.scope": 1, "tensor.order": 1}
    (tmp_path / "results.json").write_text(json.dumps(new))
    done = refsw("compare", ran, tmp_path / "results.json")
    assert done.exit_code == 1
    assert "worse   axes-nhc-tokens_r1  PASS -> WRONG_ELEMENTS: \\x1b[31mfar off" in done.output
    assert "2 worse, 0 better, 1 changed otherwise" in done.output
    back = refsw("compare", tmp_path, ran, "--json")
    assert (back.exit_code, [c["id"] for c in json.loads(back.output)["better"]]) == (0, ["axes-nhc-tokens_r1"])
    same = refsw("compare", ran, ran)
    assert (same.exit_code, "0 worse, 0 better, 0 changed otherwise" in same.output) == (0, True)
