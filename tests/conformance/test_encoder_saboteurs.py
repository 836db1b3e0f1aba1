"""The runner of encoders sees through encoders that are wrong on purpose, and outlives them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from refsw.conformance.crosscheck import CrossCheck, CrossChecker
from refsw.conformance.encoders import runner
from refsw.conformance.encoders.programs import claims_of, encoder_under_test
from refsw.conformance.encoders.results import EncoderPlan, EncoderResult
from refsw.conformance.encoders.runner import run
from refsw.conformance.encoders.suite import Claim, Input, InputSelection, load_inputs, safetensors
from refsw.conformance.encoders.worker import answer, taken
from refsw.conformance.engine import locked
from refsw.conformance.programs import Limits, ProgramUnderTest
from refsw.conformance.results import Report
from refsw.conformance.sessions import Run
from refsw.conformance.worker import load
from tests.conformance.making import PATIENT, ROOT, processes_of

SABOTEUR = ROOT / "conformance" / "saboteurs" / "encoder.py"
SAMPLES, PYRAMID, WIDE = "format-float32-noise_r1", "files-pyramid-three_r1", "level-side-second_r1"
NAN, MANY = "refused-nan-float32_r1", "refused-sets-third_r1"
UPDATE, INTEGERS = "update-network-small_r1", "update-integers-uint8_r1"


class Together:
    """The decoders that have to agree, started once for all tests."""

    def __init__(self, checker: CrossChecker) -> None:
        self.checker = checker

    def __call__(self, _: object) -> Together:
        return self

    def check(self, data: bytes, base: Path | None) -> CrossCheck:
        return self.checker.check(data, base)

    def __exit__(self, *_: object) -> None:
        pass


class InProcess:
    """A saboteur that is a function, called here: how functions and programs are run, other tests show."""

    def __init__(self, encoder: ProgramUnderTest, scratch: Path) -> None:
        self.output, self.function = scratch / "out", load(encoder.words[-1], "encoder")

    def start(self, _: Limits) -> None:
        pass

    def encode(self, case: Input, tensors: Any, base: Any, _: Limits, *, jobs: int, choices: Any) -> Run:
        self.output.mkdir(parents=True)
        files = {name: self.output.parent / f"{name}.safetensors" for name in ("input", "base")}
        files["input"].write_bytes(safetensors(tensors))
        files["base"].write_bytes(safetensors(base or {}))
        options = {"axes": case.axes, "model": not case.axes, "jobs": jobs, "choices": choices, "asks": case.asks}
        request = {"input": str(files["input"]), "output": str(self.output / "output"), "options": options,
                   "base": None if base is None else str(files["base"])}  # fmt: skip
        reply = answer(self.function, request)
        ready = dict.fromkeys(taken(self.function), True)
        return Run(exit_code=reply["exit"], text=reply.get("message", ""), ready=ready)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def decoders() -> Iterator[Together]:
    with CrossChecker() as checker:
        yield Together(checker)


@pytest.fixture(autouse=True)
def _decoders(monkeypatch: pytest.MonkeyPatch, decoders: Together) -> None:
    monkeypatch.setattr(runner, "CrossChecker", decoders)


def in_process(folder: Path, mode: str, *ids: str, claims: tuple[Claim, ...] = ()) -> Report[EncoderResult]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "EncoderSession", InProcess)
        return judge(folder, f"{SABOTEUR}:{mode}", *ids, claims=claims)


def judge(
    folder: Path, encoder: str, *ids: str, limits: Limits | None = None, claims: tuple[Claim, ...] = ()
) -> Report[EncoderResult]:
    tested = encoder_under_test(encoder)
    plan = EncoderPlan(load_inputs(), tested, claims or claims_of(tested), limits=limits or PATIENT,
                       selection=InputSelection(ids=ids), rates=False)  # fmt: skip
    with locked(folder / "report"):
        return run(plan, folder / "report", fresh=True)


def outcomes(report: Report[EncoderResult]) -> list[str]:
    return [str(result.outcome) for result in report.results]


def program(mode: str) -> str:
    return f"{sys.executable} {SABOTEUR} {mode} {{input}} {{output}} {{options}}"


@pytest.mark.parametrize(
    ("mode", "name", "outcome", "told"),
    [
        ("right", SAMPLES, "PASS", ""),
        ("wrong_level", WIDE, "WRONG_DECLARATION", "level.picture-side"),
        ("wrong_profile", SAMPLES, "WRONG_DECLARATION", "profile.codec"),
        ("wrong_version", SAMPLES, "WRONG_DECLARATION", "version 1.99 is declared"),
        ("wider_than_needed", SAMPLES, "PASS", ""),
        ("wrong_crc", SAMPLES, "INVALID_STREAM", "unit.crc"),
        ("truncated", SAMPLES, "INVALID_STREAM", "unit.complete"),
        ("half_a_file", SAMPLES, "INVALID_STREAM", ""),
        ("empty_file", SAMPLES, "INVALID_STREAM", "bitstream.signature"),
        ("lying_range", SAMPLES, "WRONG_ELEMENTS", "levels from its element"),
        ("off_by_one_step", SAMPLES, "WRONG_ELEMENTS", "1 levels are off by more than half"),
        ("drop_sample", SAMPLES, "WRONG_TENSORS", "another number of samples: expected 2, got 1"),
        ("repeat_sample", SAMPLES, "WRONG_TENSORS", "another number of samples: expected 2, got 3"),
        ("swap_samples", SAMPLES, "WRONG_ELEMENTS", "sample 0"),
        ("wrong_format", SAMPLES, "WRONG_TENSORS", "another number format: expected float32, got float64"),
        ("wrong_axes", SAMPLES, "WRONG_TENSORS", "another order of axes: expected NCHW, got NHWC"),
        ("other_names", PYRAMID, "WRONG_TENSORS", "a tensor that was not given"),
        ("takes_nan", NAN, "ACCEPTED_INVALID", "NaN, infinity or a number beyond binary32 was given"),
        ("cuts_what_is_too_much", MANY, "ACCEPTED_INVALID", "level.parameter-sets"),
        ("changes_from_run_to_run", SAMPLES, "NONDETERMINISTIC", "a second run"),
        ("depends_on_jobs", PYRAMID, "NONDETERMINISTIC", "a run with 2 jobs"),
        ("refuses_everything", SAMPLES, "REFUSED_VALID", "exit code 65"),
        ("refuses_everything", NAN, "UNPROVEN", "shows nothing"),
        ("declines_everything", SAMPLES, "DECLINED", "exit code 69"),
        ("declines_everything", NAN, "DECLINED", ""),
        ("raises", SAMPLES, "CRASH", "internal error"),
        ("ignores_base", UPDATE, "INVALID_STREAM", "model.base"),
        ("forgets_integers", INTEGERS, "WRONG_ELEMENTS", "coded exactly"),
        ("forgets_the_chain", UPDATE, "WRONG_ELEMENTS", "with a step of 0.0001"),
    ],
)  # fmt: skip
def test_wrong_streams(tmp_path: Path, mode: str, name: str, outcome: str, told: str) -> None:
    report = in_process(tmp_path, mode, name)
    (result,) = report.results
    assert (str(result.outcome), told in result.reason) == (outcome, True), result.reason
    assert report.passed == (outcome == "PASS")


@pytest.mark.parametrize(
    ("mode", "name", "told"),
    [
        ("ignores_what_is_asked", "parts-even-feature_r1", "does not come in parts"),
        ("ignores_what_is_asked", "parts-packet-300_r1", "does not come in parts"),
        ("ignores_what_is_asked", "native-feature-coded_r1", "coded with ZLIB, not NATIVE"),
        ("asked_for_more", "parts-even-feature_r1", "parts of 8 rows and 6 channels; at most 4 and 3"),
        ("asked_for_more", "parts-packet-300_r1", "at most 300 were asked for"),
    ],
)
def test_who_claims_parts_or_a_payload_has_them(tmp_path: Path, mode: str, name: str, told: str) -> None:
    (result,) = in_process(tmp_path, mode, name, claims=tuple(Claim)).results
    assert (str(result.outcome), told in result.reason) == ("NOT_AS_ASKED", True), result.reason
    (result,) = in_process(tmp_path, mode, name).results
    assert (str(result.outcome), "does not claim" in result.reason) == ("SKIPPED", True)


def test_the_reference_encoder_has_what_it_claims(tmp_path: Path) -> None:
    report = judge(tmp_path, "refsw", "parts-*", "native-*")
    assert report.passed
    assert set(outcomes(report)) == {"PASS", "DECLINED"}
    assert outcomes(report).count("DECLINED") == 1  # integers, which the preset does not quantize


def test_an_error_is_located(tmp_path: Path) -> None:
    (result,) = in_process(tmp_path, "off_by_one_step", SAMPLES).results
    (found,) = result.mismatches
    # Element 105 of (2, 3, 5, 7) is the first of the second sample.
    place = [found[name] for name in ("sample", "channel", "row", "column")]
    assert (found["index"], place, found["differing"], found["elements"]) == ([1, 0, 0, 0], [1, 0, 0, 0], 1, 105)
    assert result.requirements == ["conformance.encoder-error"]


def test_what_is_wider_than_needed_is_told(tmp_path: Path) -> None:
    (result,) = in_process(tmp_path, "wider_than_needed", SAMPLES).results
    assert result.notes == ["it declares profile EXTENDED; LOSSLESS would do", "it declares level 3; 1 would do"]
    assert result.stream is not None
    assert (result.stream["narrowest_profile"], result.stream["narrowest_level"]) == ("LOSSLESS", 1)


@pytest.mark.parametrize(
    ("mode", "name", "outcome", "told"),
    [
        ("honest", SAMPLES, "PASS", ""),
        ("silent", SAMPLES, "NO_STREAM", "wrote no output"),
        ("writes_and_exits_1", SAMPLES, "LEFT_OUTPUT", "exit code 1, and left output.dfc behind"),
        ("leaves_a_part", NAN, "LEFT_OUTPUT", "output.part"),
        ("two_files", SAMPLES, "NO_STREAM", "2 files named output"),
        ("crash", SAMPLES, "CRASH", "SIGSEGV"),
        ("nothing_of_that_name", SAMPLES, "REFUSED_VALID", "no saboteur"),
    ],
)
def test_programs(tmp_path: Path, mode: str, name: str, outcome: str, told: str) -> None:
    (result,) = judge(tmp_path, program(mode), name).results
    assert (str(result.outcome), told in result.reason) == (outcome, True), result.reason


def test_an_encoder_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    report = judge(tmp_path, program("hang"), SAMPLES, limits=Limits(0.5))
    assert outcomes(report) == ["TIMEOUT"]
    assert processes_of(str(tmp_path)) == []


def test_children_left_behind_are_ended_and_noted(tmp_path: Path) -> None:
    (result,) = judge(tmp_path, program("leaves_children"), SAMPLES).results
    assert (str(result.outcome), result.notes) == ("PASS", ["it left 1 process behind, which the runner ended"])
    assert processes_of(str(tmp_path)) == []


def test_who_fills_the_disk_or_eats_memory_is_stopped(tmp_path: Path) -> None:
    (full,) = judge(tmp_path, program("endless_file"), SAMPLES, limits=Limits(3600, output_bytes=1 << 26)).results
    assert str(full.outcome) == "CRASH"
    assert "may write" in full.reason or "uncaught exception" in full.reason
    (eaten,) = judge(tmp_path, program("eats_memory"), SAMPLES, limits=Limits(3600, memory_bytes=1 << 28)).results
    assert (str(eaten.outcome), "memory limit" in eaten.reason) == ("CRASH", True)
    assert processes_of(str(tmp_path)) == []


def test_what_it_does_to_its_input_is_noted(tmp_path: Path) -> None:
    (result,) = judge(tmp_path, program("changes_input"), SAMPLES).results
    assert (str(result.outcome), result.notes) == ("PASS", ["it changed its input file input.safetensors"])
