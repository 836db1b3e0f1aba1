"""The runner sees through decoders that are wrong on purpose, and outlives them."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from refsw.conformance import guard
from refsw.conformance.outcomes import Result
from refsw.conformance.programs import Limits
from refsw.errors import UsageError
from tests.conformance import making
from tests.conformance.making import SABOTEUR, judge, outcomes, processes_of, saboteur

VALID = {"hevc-mosaic", "bytes-gzip", "bytes-uniform"}
BAD = {"units-crc", "units-end", "units-headercrc"}
UNSUPPORTED = "units-unknown"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, streams: dict[str, bytes]) -> Path:
    return making.small_suite(tmp_path_factory.mktemp("saboteurs"), streams)


def by_kind(valid: str, bad: str, unsupported: str) -> dict[str, str]:
    return dict.fromkeys(VALID, valid) | dict.fromkeys(BAD, bad) | {UNSUPPORTED: unsupported}


@pytest.mark.parametrize(
    ("mode", "valid", "bad", "unsupported"),
    [
        ("accept_everything", "PASS", "ACCEPTED_INVALID", "ACCEPTED_INVALID"),
        ("reject_everything", "REJECTED_VALID", "UNPROVEN", "WRONG_CLASS"),
        ("find_all_unsupported", "UNSUPPORTED", "WRONG_CLASS", "UNPROVEN"),
        ("write_nan", "MISMATCH", "PASS", "PASS"),
        ("off_by_one_ulp", "MISMATCH", "PASS", "PASS"),
        ("off_by_one_step", "MISMATCH", "PASS", "PASS"),
        ("swap_channels", "MISMATCH", "PASS", "PASS"),
        ("drop_sample", "MISMATCH", "PASS", "PASS"),
        ("add_sample", "MISMATCH", "PASS", "PASS"),
        ("wrong_dtype", "MISMATCH", "PASS", "PASS"),
        ("other_name", "MISMATCH", "PASS", "PASS"),
    ],
)
def test_wrong_values(small: Path, mode: str, valid: str, bad: str, unsupported: str) -> None:
    report = judge(small, f"{SABOTEUR}:{mode}")
    assert outcomes(report) == by_kind(valid, bad, unsupported)
    assert not report.passed


def test_who_ignores_crcs_accepts_what_is_damaged(small: Path) -> None:
    found = outcomes(judge(small, f"{SABOTEUR}:ignore_crcs"))
    assert {found[name] for name in VALID} == {"PASS"}
    assert found["units-headercrc"] == "ACCEPTED_INVALID"


def only(small: Path, mode: str, name: str = "bytes-uniform") -> Result:
    return judge(small, f"{SABOTEUR}:{mode}", f"{name}_r1", jobs=1).results[0]


def test_a_step_is_located_in_the_pictures(small: Path) -> None:
    (found,) = only(small, "off_by_one_step").mismatches
    assert found["checkpoint"] == "pictures"
    assert (found["sample"], found["channel"], found["row"], found["column"]) == (0, 0, 0, 0)
    assert (found["expected_level"], found["differing"], found["elements"]) == (0, 1, 120)
    assert found["expected"] == "-1 (0xbf800000)"
    elements = [row["element"] for row in found["trace"]]
    assert {"payload_codec", "quantizer", "sample_minimum[0]", "unit_crc"} <= set(elements)


def test_a_ulp_is_located_in_the_dequantization(small: Path) -> None:
    (found,) = only(small, "off_by_one_ulp").mismatches
    assert found["checkpoint"] == "tensor"
    assert found["index"] == [1, 2, 3, 4]
    assert (found["ulps"], found["differing"]) == (1, 1)
    assert (found["expected"], found["got"]) == ("1 (0x3f800000)", "1.00000012 (0x3f800001)")


def test_swapped_channels_are_located_in_the_unpacking(small: Path) -> None:
    (found,) = only(small, "swap_channels").mismatches
    assert (found["checkpoint"], found["channel"], found["differing"]) == ("levels", 0, 80)


def test_nan_is_named(small: Path) -> None:
    (found,) = only(small, "write_nan").mismatches
    assert "120 elements are not finite" in found["what"]
    assert found["ulps"] is None


def test_other_shapes_types_and_names_are_seen_in_the_header(small: Path) -> None:
    for mode, expected, got in [
        ("drop_sample", "(2, 3, 4, 5)", "(1, 3, 4, 5)"),
        ("add_sample", "(2, 3, 4, 5)", "(3, 3, 4, 5)"),
        ("wrong_dtype", "float32", "float64"),
        ("other_name", "tensor0", "tensor0."),
    ]:
        (found,) = only(small, mode).mismatches
        assert (found["checkpoint"], found["expected"], found["got"]) == ("header", expected, got)


# --- programs ---

PAIR = ("bytes-uniform_r1", "units-crc_r1")


@pytest.mark.parametrize(
    ("mode", "valid", "bad", "reason"),
    [
        ("honest", "PASS", "PASS", ""),
        ("silent", "MISMATCH", "ACCEPTED_INVALID", "wrote no output"),
        ("crash_on_reject", "PASS", "CRASH", "signal 11 SIGSEGV"),
        ("abort_on_reject", "PASS", "CRASH", "signal 6 SIGABRT"),
        ("exception_on_reject", "PASS", "CRASH", "uncaught exception"),
        ("output_then_65", "REJECTED_VALID", "ACCEPTED_INVALID", "error.no-output"),
        ("half_output_then_65", "REJECTED_VALID", "UNPROVEN", ""),
        ("link_as_output", "MISMATCH", "ACCEPTED_INVALID", "no plain file"),
        ("pipe_as_output", "MISMATCH", "ACCEPTED_INVALID", "no plain file"),
        ("nothing_of_that_name", "REJECTED_VALID", "UNPROVEN", ""),
    ],
)
def test_programs(small: Path, mode: str, valid: str, bad: str, reason: str) -> None:
    report = judge(small, saboteur(mode), *PAIR)
    assert outcomes(report) == {"bytes-uniform": valid, "units-crc": bad}
    assert reason in " ".join(result.reason for result in report.results)


def test_a_half_output_beside_a_rejection_is_noted(small: Path) -> None:
    report = judge(small, saboteur("half_output_then_65"), "units-crc_r1")
    assert report.results[0].notes == ["it rejected, and left output behind"]


def test_a_decoder_that_hangs_is_ended_with_its_children(small: Path) -> None:
    report = judge(small, saboteur("hang"), *PAIR, limits=Limits(0.5))
    assert set(outcomes(report).values()) == {"TIMEOUT"}
    assert processes_of(str(small.parent)) == []


def test_children_left_behind_are_ended_and_noted(small: Path) -> None:
    report = judge(small, saboteur("leave_children"), *PAIR)
    assert outcomes(report) == {"bytes-uniform": "PASS", "units-crc": "PASS"}
    for result in report.results:
        assert any("processes behind" in note for note in result.notes)
    assert processes_of(str(small.parent)) == []


@pytest.mark.parametrize("mode", ["fill_disk", "long_file"])
def test_who_fills_the_disk_is_stopped(small: Path, mode: str) -> None:
    report = judge(small, saboteur(mode), "units-crc_r1", limits=Limits(3600, output_bytes=1 << 26))
    result = report.results[0]
    # Python sees a write that fails, where other programs are ended by a signal.
    assert str(result.outcome) == "CRASH"
    assert "may write" in result.reason or "uncaught exception" in result.reason
    assert not (small.parent / "report" / ".scratch").exists()


def test_who_eats_memory_is_stopped(small: Path) -> None:
    report = judge(small, saboteur("eat_memory"), "units-crc_r1", limits=Limits(3600, memory_bytes=1 << 28))
    result = report.results[0]
    assert str(result.outcome) == "CRASH"
    assert "memory limit" in result.reason
    assert result.peak_bytes > 1 << 28
    assert processes_of(str(small.parent)) == []


def test_what_a_decoder_says_is_cut_and_made_harmless(small: Path) -> None:
    (result,) = judge(small, saboteur("spam"), "bytes-uniform_r1").results
    assert str(result.outcome) == "PASS"
    assert len(result.stderr) < 20_000
    assert "bytes left out" in result.stderr
    assert not any(c in result.stderr for c in "\x1b\x00\x07\u202e\r")
    assert "\\x1b[31m" in result.stderr


def test_the_vectors_stay_as_they_are(small: Path) -> None:
    before = (small.parent / "test_vectors" / "bytes-uniform.dfc").read_bytes()
    (result,) = judge(small, saboteur("change_input"), "bytes-uniform_r1").results
    assert (str(result.outcome), result.notes) == ("PASS", ["it changed its input file"])
    assert (small.parent / "test_vectors" / "bytes-uniform.dfc").read_bytes() == before


def test_500_vectors_with_a_decoder_that_hangs_on_every_tenth_are_each_judged_once(tmp_path: Path) -> None:
    """It leaves a child of its own session behind each time, and nothing is left in the end."""
    log = tmp_path / "log"
    decoder = tmp_path / "decoder.sh"
    decoder.write_text(
        f"#!/bin/sh\nread n < $1\necho $n >> {log}\n"
        "case $n in *0) setsid sh -c 'sleep 3600; : '$1 & sleep 3600;; esac\nexit 65\n"
    )
    decoder.chmod(decoder.stat().st_mode | stat.S_IXUSR)
    entries = [making.vector(tmp_path, f"text-n{i}", f"{i}\n".encode(), "malformed") for i in range(500)]
    path = making.suite(tmp_path, entries)
    report = judge(path, f"{decoder} {{input}} {{output}}", limits=Limits(0.3))
    found = outcomes(report)
    assert len(found) == 500
    assert {found[f"text-n{i}"] for i in range(0, 500, 10)} == {"TIMEOUT"}
    # On a machine with much else to do, another one may be late too, even before it begins.
    assert set(found.values()) <= {"UNPROVEN", "TIMEOUT"}
    calls = log.read_text().split()
    assert len(calls) == len(set(calls))
    assert processes_of(str(tmp_path)) == []


# --- processes that talk ---

TALKER = """
import json, os, sys, time
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    text = open(request["input"]).read().strip()
    if text == "die": os._exit(65)
    if text == "kill": os.kill(os.getpid(), 9)
    if text == "hang": time.sleep(3600)
    if text == "babble": print("hello", flush=True)
    if text == "flood":
        while True: sys.stdout.write("x" * 65536)
    if text == "odd": print(json.dumps({"exit": "no"}), flush=True)
    print(json.dumps({"exit": 65, "message": f"{text} by {os.getpid()}"}), flush=True)
"""


def test_a_process_that_fails_takes_no_other_vector_with_it(tmp_path: Path) -> None:
    program = tmp_path / "talker.py"
    program.write_text(TALKER)
    texts = ["a1", "die", "a2", "kill", "a3", "babble", "a4", "flood", "a5", "odd", "a6"]
    entries = [making.vector(tmp_path, f"text-{text}", text.encode(), "malformed") for text in texts]
    path = making.suite(tmp_path, entries)
    report = judge(path, f"{sys.executable} {program}", jobs=1)
    found = outcomes(report)
    assert {found[f"text-a{i}"] for i in range(1, 7)} == {"UNPROVEN"}
    crashed = {text for text in texts if found[f"text-{text}"] == "CRASH"}
    assert crashed == {"die", "kill", "babble", "flood", "odd"}
    pids = [r.stderr.split()[-1] for r in report.results if r.vector.id.startswith("text-a")]
    assert len(set(pids)) == 6
    assert processes_of(str(tmp_path)) == []


def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    program = tmp_path / "talker.py"
    program.write_text(TALKER)
    entries = [making.vector(tmp_path, f"text-{text}", text.encode(), "malformed") for text in ("a1", "hang", "a2")]
    report = judge(making.suite(tmp_path, entries), f"{sys.executable} {program}", limits=Limits(2.0), jobs=1)
    found = outcomes(report)
    assert found["text-hang"] == "TIMEOUT"
    assert set(found.values()) <= {"UNPROVEN", "TIMEOUT"}  # the others as well, where the machine has much else to do
    assert processes_of(str(tmp_path)) == []


def test_a_function_that_raises_something_else_crashes(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def decode(data):\n    print('hello')\n    return {}[data]\n")
    path = making.suite(tmp_path, [making.vector(tmp_path, "text-a", b"a", "malformed")])
    (result,) = judge(path, f"{tmp_path}/mine.py:decode").results
    assert str(result.outcome) == "CRASH"
    assert "KeyError" in result.stderr
    assert "hello" in result.stderr


WRONG = {
    "import": ("{mine}:decode", "nothing_of_that_name"),
    "function": ("{other}:nothing", "has no attribute 'nothing'"),
    "value": ("{other}:number", "not a function"),
    "syntax": ("{broken}:decode", "SyntaxError"),
    "shell": ("env nothing-of-that-name {{input}} {{output}}", "No such file"),
    "script": ("python3 nothing-of-that-name.py {{input}} {{output}}", "No such file"),
    "module": ("python3 -m nothing_of_that_name {{input}} {{output}}", "No module named"),
    "interpreter": ("{script} {{input}} {{output}}", "No such file"),
    "silent": ("true", "ready"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_decoder_that_does_not_start_is_refused_before_the_first_vector(tmp_path: Path, name: str) -> None:
    names = {n: tmp_path / f"{n}.py" for n in ("mine", "other", "broken", "script")}
    names["mine"].write_text("import nothing_of_that_name\n")
    names["other"].write_text("number = 3\n")
    names["broken"].write_text("def decode(\n")
    names["script"].write_text("#!/nothing/of/that/name\n")
    names["script"].chmod(0o755)
    entries = [making.vector(tmp_path, f"text-{i}", b"a", "malformed") for i in range(3)]
    decoder, said = WRONG[name]
    with pytest.raises(UsageError, match="does not start") as error:
        judge(making.suite(tmp_path, entries), decoder.format(**names))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_checkpoints_that_a_decoder_writes_itself_are_compared(tmp_path: Path) -> None:
    import refsw

    x = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)
    data = refsw.encode(x, quantizer="uniform", bit_depth=8, payload="zlib")
    (tmp_path / "mine.py").write_text(
        "from refsw.conformance.reference import decode_in_steps\n"
        "def steps(data, spoil):\n"
        "    ((name, t),) = decode_in_steps(data).items()\n"
        "    out = {name: t.whole().copy(), name + '@levels': t.all_levels(), name + '@pictures': t.all_pictures()}\n"
        "    out[name][0, 0, 0, 0] += 100\n"
        "    for step in spoil: out[name + '@' + step] = out[name + '@' + step] + 1\n"
        "    return out\n"
        "def right(data): return steps(data, [])\n"
        "def levels(data): return steps(data, ['levels'])\n"
        "def pictures(data): return steps(data, ['levels', 'pictures'])\n"
    )
    path = making.suite(tmp_path, [making.vector(tmp_path, "text-a", data)])
    for mode, checkpoint in [("right", "tensor"), ("levels", "levels"), ("pictures", "pictures")]:
        (result,) = judge(path, f"{tmp_path}/mine.py:{mode}").results
        assert result.mismatches[0]["checkpoint"] == checkpoint, mode


def test_no_guard_is_left(small: Path) -> None:
    judge(small, "refsw")
    table = guard.processes()
    left = [
        pid for pid in guard.descendants(table, os.getpid()) if b"guard.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert left == []
