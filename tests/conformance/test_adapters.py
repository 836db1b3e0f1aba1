"""Decoders of other hands: in C, with libde265 in place of FFmpeg, and by every form of command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance import making
from tests.conformance.making import INDEPENDENT, ROOT, judge, outcomes

ADAPTERS = ROOT / "conformance" / "adapters"
LOSSLESS = ROOT / "conformance" / "suites" / "lossless.json"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, streams: dict[str, bytes]) -> Path:
    return making.small_suite(tmp_path_factory.mktemp("adapters"), streams)


@pytest.mark.parametrize(
    "decoder",
    [
        "refsw",
        "independent",
        f"{INDEPENDENT}:decode",
        "refsw.conformance.reference:decode",
        f"{sys.executable} {INDEPENDENT} {{input}} {{output}}.npz",
        f"{sys.executable} -m refsw decode {{input}} -o {{output}}.safetensors",
        f"{sys.executable} -m refsw decode {{input}} -o {{output}}.npy",
        f"{sys.executable} -m refsw.conformance.worker refsw.conformance.reference:decode",
    ],
)
def test_every_form_of_a_decoder(small: Path, decoder: str) -> None:
    report = judge(small, decoder)
    assert set(outcomes(report).values()) == {"PASS"}
    assert report.passed


@pytest.mark.skipif(not any(map(shutil.which, ("libde265-dec265", "dec265"))), reason="libde265 is not here")
def test_refsw_with_libde265(small: Path) -> None:
    report = judge(small, f"{ADAPTERS}/dec265.py:decode")
    assert report.passed, outcomes(report)


def test_an_hevc_decoder_that_is_not_there_is_no_pass(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFSW_HM_DECODER", "/nowhere/TAppDecoder")
    found = outcomes(judge(small, f"{ADAPTERS}/hm.py:decode"))
    assert found["bytes-gzip"] == "PASS"
    assert found["hevc-mosaic"] == "CRASH"


def compiled(folder: Path, *options: str) -> Path:
    """The decoder in C; skips where there is no compiler or one of the libraries is missing."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc) is here")
    program, source = folder / "dfc_lossless", ADAPTERS / "dfc_lossless.c"
    flags = ("-Wall", "-Wextra", "-Werror", "-O1", "-ffp-contract=off")
    command = [compiler, *flags, "-o", program, source, "-lz", "-lm", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for library in ("zlib.h", "-lz", "lzma.h", "-llzma", "quadmath.h", "-lquadmath"):
        if library in done.stderr:
            pytest.skip(f"{library} is not here")
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(scope="module")
def lossless_in_c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("c"))


def test_a_decoder_in_c_decodes_its_profile(small: Path, lossless_in_c: Path) -> None:
    found = outcomes(judge(small, f"{lossless_in_c} {{input}} {{output}}"))
    assert found.pop("hevc-mosaic") == "UNSUPPORTED"
    # Damaged streams of another profile are of no concern to it.
    assert {found.pop("units-crc"), found.pop("units-end")} == {"WRONG_CLASS"}
    assert set(found.values()) == {"PASS"}


@pytest.mark.skipif(not LOSSLESS.exists(), reason="the suite of the profile LOSSLESS is not here")
def test_a_decoder_in_c_conforms_but_for_what_it_lacks(tmp_path: Path, lossless_in_c: Path) -> None:
    from refsw.conformance.decoders import decoder_under_test
    from refsw.conformance.engine import locked
    from refsw.conformance.results import Plan
    from refsw.conformance.runner import run
    from refsw.conformance.suite import load_suites

    plan = Plan(load_suites([LOSSLESS]), decoder_under_test(f"{lossless_in_c} {{input}} {{output}}"), jobs=2)
    with locked(tmp_path):
        report = run(plan, tmp_path)
    assert len(report.results) > 100
    for result in report.failures():
        assert str(result.outcome) in ("UNSUPPORTED", "WRONG_CLASS", "UNPROVEN"), result.vector.id
        if str(result.outcome) == "UNPROVEN":
            assert "payload_codec=LZMA" in result.reason, result.reason
            continue
        assert "LZMA" in result.stderr or "long double" in result.stderr, result.vector.id
    assert len(report.failures()) < len(report.results) / 10


@pytest.mark.skipif(not LOSSLESS.exists(), reason="the suite of the profile LOSSLESS is not here")
def test_a_decoder_in_c_without_vvc_is_green(tmp_path: Path) -> None:
    """Everything that its profile has, and what is optional beside it."""
    from refsw.conformance.decoders import decoder_under_test
    from refsw.conformance.engine import locked
    from refsw.conformance.results import Plan
    from refsw.conformance.runner import run
    from refsw.conformance.suite import load_suites

    program = compiled(tmp_path, "-DWITH_LZMA", "-DWITH_QUADMATH", "-llzma", "-lquadmath")
    suites = load_suites([LOSSLESS, LOSSLESS.with_name("vvc.json")])
    plan = Plan(suites, decoder_under_test(f"{program} {{input}} {{output}}"), jobs=2)
    with locked(tmp_path / "r"):
        report = run(plan, tmp_path / "r")
    assert [(result.vector.id, str(result.outcome)) for result in report.failures()] == []
    skipped = [result.vector for result in report.results if str(result.outcome) == "SKIPPED"]
    assert {vector.id for vector in suites[1]} <= {vector.id for vector in skipped}
    assert all(vector.optional for vector in skipped)
    assert report.exit_code == 0
