"""Options that would do nothing are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import refsw
from refsw.cli.main import cli

LOSSLESS = ["--payload", "zlib", "--quantizer", "none"]


@pytest.fixture
def features(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(2, 3, 16, 16)).astype(np.float32))
    return tmp_path / "x.npy"


def run(features: Path, *options: str) -> tuple[int, str]:
    words = ["encode", str(features), "-o", str(features.with_suffix(".dfc")), *options]
    try:
        done = CliRunner().invoke(cli, words, catch_exceptions=False)
    except refsw.UsageError as error:
        return error.exit_code, str(error)
    return done.exit_code, done.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--layout", "sequence", "--grid", "1x2"], "--grid"), (["--time", "25:1"], "--time"),
        (["--payload", "stored", "--compression-level", "0"], "--compression-level"),
        (["--payload", "zlib", "--qp", "0"], "--qp"), (["--payload", "png", "--effort", "best"], "--effort"),
        (["--quality", "50"], "--quality"), (["--payload", "png", "--rate", "2"], "--rate"),
        ([*LOSSLESS, "--bit-depth", "8"], "--bit-depth"), ([*LOSSLESS, "--range", "channel"], "--range"),
        ([*LOSSLESS, "--clip", "99"], "--clip"), (["--quantizer", "log", "--match-step"], "--match-step"),
        (["--payload", "png", "--match-step"], "--match-step"), (["--clip", "99", "--ranges", "0:1"], "--clip"),
        (["--payload", "zlib", "--hevc-encoder", "true"], "--hevc-encoder"),
        (["--effort", "best", "--hevc-encoder", "true"], "--effort"),
    ],
)  # fmt: skip
def test_an_option_without_effect_is_refused(features: Path, options: list[str], word: str) -> None:
    code, told = run(features, *options)
    assert code == 2
    assert f"{word} has no effect here" in told


@pytest.mark.parametrize("options", [
    ["--grid", "1x3"], ["--payload", "png", "--compression-level", "0"], ["--qp", "0", "--effort", "fast"],
    ["--payload", "jpeg", "--bit-depth", "8", "--quality", "50", "--no-match-step"], ["--clip", "99"], LOSSLESS,
    ["--axes", "TCHW", "--time", "25:1"], ["--payload", "jpeg2000", "--bit-depth", "8", "--rate", "2"],
    ["--payload", "zlib", "--no-match-step"],
])  # fmt: skip
def test_an_option_with_effect_is_taken(features: Path, options: list[str]) -> None:
    assert run(features, *options) == (0, "")


def test_processes_for_random_access_are_refused(features: Path) -> None:
    assert run(features, *LOSSLESS) == (0, "")
    words = ["decode", str(features.with_suffix(".dfc")), "-o", str(features), "--samples", "0", "--jobs", "2"]
    assert isinstance(CliRunner().invoke(cli, words).exception, refsw.UsageError)
